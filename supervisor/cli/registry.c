/* One hoy-fetch, from its request to its end. */
#include "supervisor/cli/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/cli/credentials.h"
#include "supervisor/worker/fetch/insecure.h"

/* --- the request --- */

/* False when out of memory; nothing and an empty text are nothing. */
static bool copy(char **to, const char *from)
{
	*to = from && *from ? strdup(from) : NULL;
	return *to || !from || !*from;
}

static const char *environment(const char *upper, const char *lower)
{
	const char *value = getenv(upper);

	return value && *value ? value : getenv(lower);
}

static int add_credentials(
	struct hoy_fetch_request *rq, const struct hoy_config *config, const char *image, struct hoy_err *err)
{
	auto_(hoy_credentials_done) struct hoy_credentials c = { 0 };
	auto_free char *server = hoy_credentials_server_of(image);
	int r = server ? hoy_credentials_get(config, server, &c, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	if (!copy(&rq->username, c.username) || !copy(&rq->password, c.password) ||
		!copy(&rq->identity_token, c.identity_token) || !copy(&rq->registry_token, c.registry_token))
		return hoy_err_oom(err);
	return 0;
}

static int make_request(const struct hoy_config *config, const struct hoy_registry_call *call, struct hoy_buf *text,
	struct hoy_err *err)
{
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *rq = calloc(1, sizeof *rq);
	const struct hoy_reference *ref = call->ref;
	auto_free char *image = hoy_reference_name(ref);
	int r;

	if (!rq || !image)
		return hoy_err_oom(err);
	rq->op = call->op;
	rq->all = call->all;
	rq->insecure = call->insecure || hoy_registry_is_insecure(ref->domain, /* list= */ NULL);
	rq->familiar = hoy_reference_to_string(ref);
	rq->name = hoy_reference_familiar_name(ref);
	if (!rq->familiar || !rq->name || !copy(&rq->host, ref->domain) || !copy(&rq->repository, ref->path) ||
		!copy(&rq->reference, ref->digest ? ref->digest : ref->tag) ||
		!copy(&rq->http_proxy, environment("HTTP_PROXY", "http_proxy")) ||
		!copy(&rq->https_proxy, environment("HTTPS_PROXY", "https_proxy")) ||
		!copy(&rq->no_proxy, environment("NO_PROXY", "no_proxy")))
		return hoy_err_oom(err);
	r = add_credentials(rq, config, image, err);
	return r < 0 ? r : hoy_fetch_request_print(rq, text, err);
}

/* --- the process --- */

struct fetch {
	pid_t pid;
	int sock;
	int file; /* beside the request */
};

static void fetch_done(struct fetch *fetch)
{
	siginfo_t si;

	hoy_fd_close(&fetch->sock);
	hoy_fd_close(&fetch->file);
	if (fetch->pid > 0)
		(void) hoy_process_wait(fetch->pid, &si, /* err= */ NULL);
}

static int start(struct fetch *fetch, struct hoy_err *err)
{
	auto_free char *path = NULL;
	auto_fd int theirs = -EBADF;
	char *const argv[] = { (char *) (uintptr_t) "hoy-fetch", NULL };
	int pair[2], r = hoy_helper_find("hoy-fetch", HOY_HELPER_LIBEXEC, &path, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "make a socket pair");
	fetch->sock = pair[0];
	theirs = pair[1];
	return hoy_process_spawn(&(struct hoy_spawn){ .path = path,
					 .argv = argv,
					 .fds = (const int[]){ -1, -1, STDERR_FILENO, theirs },
					 .n_fds = 4,
					 .death_signal = SIGKILL },
		&fetch->pid, /* ret_pidfd= */ NULL, err);
}

static int wait_for_end(struct fetch *fetch, struct hoy_err *err)
{
	struct hoy_fetch_packet packet = { 0 };
	size_t n_fds = 0;
	ssize_t n = hoy_fd_recv(fetch->sock, &packet, sizeof packet, /* fds= */ NULL, &n_fds);
	int r;

	if (n == 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ECHILD, "hoy-fetch ended without an answer");
	r = n < 0 ? hoy_err_code(err, (int) n, "hear hoy-fetch") : hoy_fetch_packet_check(&packet, (size_t) n, err);
	if (r < 0)
		return r;
	if (packet.type == HOY_FETCH_ERROR)
		return hoy_err_import(err, &packet.err);
	return packet.type == HOY_FETCH_DONE
		       ? 0
		       : hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-fetch wants what it is not to have");
}

int hoy_registry_call(const struct hoy_config *config, const struct hoy_registry_call *call, struct hoy_buf *answer,
	struct hoy_err *err)
{
	auto_(fetch_done) struct fetch fetch = { .sock = -EBADF, .file = -EBADF };
	auto_(hoy_buf_done) struct hoy_buf request = { 0 };
	ssize_t n;
	int r;

	fetch.file = memfd_create("registry-call", MFD_CLOEXEC);
	if (fetch.file < 0)
		return hoy_err_sys(err, "create a memory file");
	r = call->what ? hoy_fd_write_all(fetch.file, call->what->data, call->what->len) : 0;
	if (r < 0 || lseek(fetch.file, 0, SEEK_SET) < 0)
		return hoy_err_code(err, r < 0 ? r : -errno, "write what is to be pushed");
	r = make_request(config, call, &request, err);
	if (r == 0)
		r = start(&fetch, err);
	if (r == 0) {
		n = hoy_fd_send(fetch.sock, request.data, request.len, &fetch.file, 1);
		r = n < 0 ? hoy_err_code(err, (int) n, "ask hoy-fetch") : wait_for_end(&fetch, err);
	}
	if (request.data)
		explicit_bzero(request.data, request.len);
	if (r < 0 || !answer)
		return r;
	hoy_buf_init(answer, HOY_FETCH_ANSWER_MAX);
	if (lseek(fetch.file, 0, SEEK_SET) < 0)
		return hoy_err_sys(err, "read the registry's answer");
	return hoy_file_read_fd(fetch.file, "the registry's answer", answer, err);
}
