/*
 * A session: a second connection to the engine, on which hoy-session (worker/session) serves secrets, agents and takes
 * what the build makes. Only the flags that need one open one: the context goes with the request itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/helper.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/cli/build_internal.h"

static int open_session(struct hoy_cli *cli, const char *id, struct hoy_http *ret, struct hoy_err *err)
{
	auto_free char *header = hoy_str_printf("X-Docker-Expose-Session-Uuid: %s\r\n", id);
	const struct hoy_http_request request = { .method = "POST",
		.path = "/session",
		.body_fd = -1,
		.upgrade = true,
		.protocol = "h2c",
		.headers = header };
	int r = header ? hoy_cli_open(cli, &request, ret, err) : hoy_err_oom(err);

	if (r == 0 && ret->status != 101)
		r = hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the engine opens no session for the build");
	return r;
}

/* Where the result goes: a directory, a file that is replaced, or stdout. */
static int open_dest(const struct hoy_build_wants *wants, struct hoy_err *err)
{
	int fd, r;

	if (wants->output == HOY_BUILD_OUTPUT_FILES) {
		r = hoy_path_mkdir_all(wants->dest, 0755, err);
		if (r < 0)
			return r;
		fd = open(wants->dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		fd = wants->dest ? open(wants->dest, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
				 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	}
	return fd < 0 ? hoy_err_sys(err, "--output: '%s'", wants->dest ? wants->dest : "stdout") : fd;
}

static int print_request(
	const struct hoy_build_wants *wants, const struct hoy_buf *early, struct hoy_buf *text, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf extra = {};
	struct hoy_json_writer w = { .buf = text };

	(void) hoy_base64_encode(&extra, early->data ? early->data : "", early->len, /* url_safe= */ false);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "extra", extra.data ? extra.data : "");
	if (wants->secrets)
		hoy_json_add_raw(&w, "secrets", wants->secrets);
	if (wants->ssh)
		hoy_json_add_raw(&w, "ssh", wants->ssh);
	if (wants->output == HOY_BUILD_OUTPUT_FILES || wants->output == HOY_BUILD_OUTPUT_TAR)
		hoy_json_add_string(&w, "output", wants->output == HOY_BUILD_OUTPUT_FILES ? "local" : "tar");
	hoy_json_end(&w);
	return hoy_buf_check(text, "the session's request", err);
}

int hoy_build_session_begin(struct hoy_cli *cli, const struct hoy_build_wants *wants, struct hoy_build_session *session,
	struct hoy_err *err)
{
	bool has_output = wants->output == HOY_BUILD_OUTPUT_FILES || wants->output == HOY_BUILD_OUTPUT_TAR;
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_fd int dest = -EBADF;
	struct hoy_helper helper = {};
	unsigned char random[16];
	int fds[2], r;

	*session = (struct hoy_build_session){ .sock = -EBADF };
	if (!wants->secrets && !wants->ssh && !has_output)
		return 0;
	hoy_random(random, sizeof random);
	hoy_hex(random, sizeof random, session->id);
	if (has_output && (dest = open_dest(wants, err)) < 0)
		return dest;
	r = open_session(cli, session->id, &http, err);
	if (r == 0)
		r = print_request(wants, &http.in, &text, err);
	if (r < 0)
		return r;
	fds[0] = http.fd;
	fds[1] = dest;
	r = hoy_helper_start("hoy-session",
		&(struct hoy_helper_start){ .request = &text, .fds = fds, .n_fds = has_output ? 2 : 1 }, &helper, err);
	session->pid = helper.pid;
	session->sock = r < 0 ? -EBADF : helper.sock;
	return r;
}

void hoy_build_session_end(struct hoy_build_session *session)
{
	struct hoy_helper helper = { .pid = session->pid, .sock = session->sock };

	if (session->pid > 0)
		hoy_helper_end(&helper);
	session->pid = 0;
}
