#include "supervisor/cli/credential_helper.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/str.h"

#define ANSWER_MAX ((size_t) 1 << 20)
#define NOT_FOUND "credentials not found in native keychain"

/* Input and answer pass through memory files, so that neither side can block the other. */
static int run(const char *name, const char *verb, const char *input, struct hoy_buf *answer, int *ret_status,
	struct hoy_err *err)
{
	auto_free char *program = hoy_str_printf("docker-credential-%s", name);
	auto_fd int in = memfd_create("credential-request", MFD_CLOEXEC);
	auto_fd int out = memfd_create("credential-answer", MFD_CLOEXEC);
	char *const argv[] = { program, (char *) (uintptr_t) verb, NULL };
	const int fds[] = { in, out, STDERR_FILENO };
	siginfo_t si;
	pid_t pid;
	int r;

	if (!program || in < 0 || out < 0)
		return hoy_err_oom(err);
	if (strchr(name, '/'))
		return hoy_err_invalid(err, "'%s' is no name of a credential helper", name);
	if (hoy_fd_write_all(in, input, strlen(input)) < 0 || lseek(in, 0, SEEK_SET) < 0)
		return hoy_err_sys(err, "write to '%s'", program);
	r = hoy_process_spawn(&(struct hoy_spawn){ .path = program, .argv = argv, .fds = fds, .n_fds = 3 }, &pid,
		/* ret_pidfd= */ NULL, err);
	if (r == 0)
		r = hoy_process_wait(pid, &si, err);
	if (r < 0)
		return hoy_err_wrap(err, "error getting credentials");
	*ret_status = hoy_process_status(&si);
	hoy_buf_init(answer, ANSWER_MAX);
	if (lseek(out, 0, SEEK_SET) < 0)
		return hoy_err_sys(err, "read from '%s'", program);
	r = hoy_file_read_fd(out, program, answer, err);
	while (r == 0 && answer->len > 0 && strchr("\r\n", answer->data[answer->len - 1]))
		answer->data[--answer->len] = '\0';
	return r;
}

static int refused(const char *what, const char *name, const struct hoy_buf *answer, struct hoy_err *err)
{
	return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "error %s credentials - err: docker-credential-%s: out: `%.500s`",
		what, name, answer->data ? answer->data : "");
}

int hoy_credential_helper_get(
	const char *name, const char *server, char **ret_username, char **ret_secret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf answer = { 0 };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *username, *secret;
	int status, r = run(name, "get", server, &answer, &status, err);

	if (r < 0)
		return r;
	if (status != 0 && answer.data && strcmp(answer.data, NOT_FOUND) == 0)
		return 0;
	if (status != 0)
		return refused("getting", name, &answer, err);
	r = answer.data ? hoy_json_parse(answer.data, answer.len, /* limits= */ NULL, &doc, err) : -EINVAL;
	username = hoy_json_string(hoy_json_get(doc, "Username"));
	secret = hoy_json_string(hoy_json_get(doc, "Secret"));
	if (r == 0 && username && secret) {
		*ret_username = strdup(username);
		*ret_secret = strdup(secret);
	}
	if (answer.data)
		explicit_bzero(answer.data, answer.len);
	if (r < 0 || !username || !secret)
		return hoy_err_invalid(err, "docker-credential-%s: its answer has no Username and Secret", name);
	return *ret_username && *ret_secret ? 0 : hoy_err_oom(err);
}

int hoy_credential_helper_store(
	const char *name, const char *server, const char *username, const char *secret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf input = { 0 }, answer = { 0 };
	struct hoy_json_writer w = { .buf = &input };
	int status, r;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "ServerURL", server);
	hoy_json_add_string(&w, "Username", username ? username : "");
	hoy_json_add_string(&w, "Secret", secret ? secret : "");
	hoy_json_end(&w);
	r = hoy_buf_check(&input, "credentials", err);
	if (r == 0)
		r = run(name, "store", input.data, &answer, &status, err);
	if (input.data)
		explicit_bzero(input.data, input.len);
	return r < 0 ? r : status == 0 ? 0 : refused("storing", name, &answer, err);
}

int hoy_credential_helper_erase(const char *name, const char *server, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf answer = { 0 };
	int status, r = run(name, "erase", server, &answer, &status, err);

	if (r < 0 || status == 0 || (answer.data && strcmp(answer.data, NOT_FOUND) == 0))
		return MIN(r, 0);
	return refused("erasing", name, &answer, err);
}
