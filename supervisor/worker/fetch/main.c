/*
 * hoy-fetch: the worker that speaks with registries, and brings files for builds. Serves one request of hoyd's (protocol.h) as nobody, and exits. It
 * has no files of its own: every blob goes into a descriptor that hoyd gives for it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/fetch/blobs.h"
#include "supervisor/worker/fetch/confine.h"
#include "supervisor/worker/fetch/file.h"
#include "supervisor/worker/fetch/manifests.h"
#include "supervisor/worker/fetch/pull.h"
#include "supervisor/worker/fetch/push.h"
#include "supervisor/worker/fetch/query.h"

static int receive_request(struct hoy_fetch_request **ret, int *ret_output, struct hoy_err *err)
{
	auto_free char *text = malloc(HOY_FETCH_REQUEST_MAX);
	size_t n_fds = 1;
	ssize_t n;
	int r;

	if (!text)
		return hoy_err_oom(err);
	n = hoy_fd_recv(HOY_FETCH_SOCKET_FD, text, HOY_FETCH_REQUEST_MAX, ret_output, &n_fds);
	if (n < 0)
		return hoy_err_code(err, (int) n, "receive the request");
	r = hoy_fetch_request_parse(text, (size_t) n, ret, err);
	explicit_bzero(text, (size_t) n);
	return r < 0 ? hoy_err_wrap(err, "request") : 0;
}

static int serve(struct hoy_fetch_packet *done, struct hoy_err *err)
{
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *rq = NULL;
	auto_(hoy_registry_done) struct hoy_registry registry = { 0 };
	auto_fd int output = -EBADF;
	int r = receive_request(&rq, &output, err);

	if (r == 0)
		r = hoy_registry_init(&registry, rq, err);
	if (r == 0)
		r = hoy_fetch_confine(/* outlives_parent= */ false, err);
	if (r < 0)
		return r;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "start libcurl");
	switch ((enum hoy_fetch_op) rq->op) {
	case HOY_FETCH_PULL:
		return hoy_fetch_pull(&registry, done, err);
	case HOY_FETCH_PUSH:
		return hoy_fetch_push(&registry, done, err);
	case HOY_FETCH_PUT:
		return hoy_fetch_put(&registry, output, done, err);
	case HOY_FETCH_FILE:
		return hoy_fetch_file(&registry, output, done, err);
	default:
		return hoy_fetch_query(&registry, output, done, err);
	}
}

int main(void)
{
	struct hoy_fetch_packet packet = { 0 };
	struct hoy_err err = { 0 };
	struct stat st;
	int r;

	if (fstat(HOY_FETCH_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void) fprintf(stderr, "hoy-fetch: a helper of hoyd, which starts it with a socket; see hoyd(8)\n");
		return 2;
	}
	(void) hoy_fd_set_cloexec(HOY_FETCH_SOCKET_FD, true);
	(void) signal(SIGPIPE, SIG_IGN);
	r = serve(&packet, &err);
	if (r < 0)
		packet = (struct hoy_fetch_packet){ .type = HOY_FETCH_ERROR, .err = err };
	if (hoy_fetch_tell(&packet, /* err= */ NULL) < 0)
		r = -EPIPE;
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
