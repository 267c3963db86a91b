/*
 * hoyrun-criu: saves a container's processes or brings them back. hoyrun executes it only for that; it hands the
 * request to a `criu swrk`, tells hoyrun what CRIU is at where hoyrun has to act (hooks, the terminal), and finds the
 * reason in CRIU's log when it fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "runtime/child/overlay.h"
#include "runtime/criu/log.h"
#include "runtime/criu/request.h"
#include "runtime/criu/rpc.h"
#include "runtime/plan/plan.h"

#define LOG_MAX ((size_t) 64 << 20)

static int read_request(struct hoy_criu_request **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_helper_request(&text, err);
	void *parsed;

	if (r == 0)
		r = hoy_field_parse(&hoy_criu_request_object, text.data, text.len, NULL, &parsed, err);
	if (r == 0)
		*ret = parsed;
	return r;
}

/* CRIU works in this directory and mounts there: it must be one of our mount namespace. */
static int reopen_directory(int fd, struct hoy_err *err)
{
	char link[HOY_PROC_FD_MAX], path[4096];
	auto_fd int again = -EBADF;
	ssize_t n = readlink(hoy_path_proc_fd(fd, link), path, sizeof path - 1);

	if (n < 0)
		return hoy_err_sys(err, "readlink '%s'", link);
	path[n] = '\0';
	again = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (again < 0 || dup3(again, fd, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "open '%s' again", path);
	return 0;
}

/* The layers of the config's first mount. Where all of them are one string, it names them from the working directory. */
static int mount_overlay(const struct hoy_criu_request *q, struct hoy_err *err)
{
	const struct hoy_plan_mount overlay = {
		.kind = HOY_MOUNT_ROOTFS,
		.source = "overlay",
		.data = q->overlay,
		.attr_set = q->overlay_attrs,
	};
	auto_fd int dir = open(q->root, O_PATH | O_DIRECTORY | O_CLOEXEC), mounted = -EBADF;

	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", q->root);
	mounted = hoy_overlay_mount(&overlay, dir, q->root, err);
	if (mounted < 0)
		return hoy_err_wrap(err, "mount '%s'", q->root);
	return chdir("/") < 0 ? hoy_err_sys(err, "chdir '/'") : 0;
}

/* CRIU wants the root to be a mount. It becomes one in a mount namespace of our own, from which the container's is
 * made: nothing is mounted on the host, and nothing stays when we are killed. hoyrun makes the mount points in it. */
static int mount_root(const struct hoy_criu_request *q, struct hoy_err *err)
{
	auto_fd int root = -EBADF;

	if (unshare(CLONE_NEWNS) < 0)
		return hoy_err_sys(err, "new mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return hoy_err_sys(err, "make '/' a slave");
	if (q->overlay) {
		int r = mount_overlay(q, err);

		if (r < 0)
			return r;
	} else if (mount(q->root, q->root, NULL, MS_BIND | MS_REC, NULL) < 0) {
		return hoy_err_sys(err, "bind '%s'", q->root);
	}
	root = open(q->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return hoy_err_sys(err, "open '%s'", q->root);
	return hoy_helper_ask(HOY_CRIU_ROOT_MOUNTED, 0, root, err);
}

static int prepare_restore(const struct hoy_criu_request *q, struct hoy_err *err)
{
	int r = mount_root(q, err);

	if (r == 0)
		r = reopen_directory(HOY_CRIU_FD_IMAGES, err);
	return r < 0 ? r : reopen_directory(HOY_CRIU_FD_WORK, err);
}

/* Those that hoyrun has to act on; the others are steps of CRIU's own. */
static bool is_for_starter(const char *name)
{
	return strcmp(name, "setup-namespaces") == 0 || strcmp(name, "orphan-pts-master") == 0;
}

static int handle_notification(struct hoy_criu *criu, const struct hoy_criu_answer *answer, struct hoy_err *err)
{
	int r = 0;

	if (is_for_starter(answer->name))
		r = hoy_helper_ask(answer->name, answer->pid, answer->fd, err);
	if (r < 0) {
		(void) hoy_criu_reply(criu, /* success= */ false, NULL);
		return r;
	}
	return hoy_criu_reply(criu, /* success= */ true, err);
}

static int explain(const struct hoy_criu_request *q, const char *message, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf log = { .cap = LOG_MAX };
	auto_fd int fd = openat(HOY_CRIU_FD_WORK, q->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *reason = NULL;
	const char *action = hoy_criu_action_to_string(q->action);

	if (fd >= 0 && hoy_file_read_fd(fd, q->log, &log, NULL) == 0 && log.data)
		reason = hoy_criu_log_reason(log.data, log.len);
	return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "criu %s failed: %s (log: %s)", action,
		reason       ? reason
		: message[0] ? message
			     : "no reason given",
		q->log_path);
}

/* The pid of a restored container, 0 for dumps. */
static int converse(struct hoy_criu *criu, const struct hoy_criu_request *q, struct hoy_err *err)
{
	struct hoy_criu_answer answer;
	int r = hoy_criu_send_request(criu, q, err);

	while (r == 0) {
		r = hoy_criu_recv(criu, &answer, err);
		if (r == -EPIPE)
			return explain(q, "it died", err);
		if (r < 0)
			return r;
		if (!answer.is_notification)
			return answer.success ? answer.pid : explain(q, answer.message, err);
		r = handle_notification(criu, &answer, err);
		hoy_fd_close(&answer.fd);
	}
	return r;
}

static int serve(struct hoy_err *err)
{
	struct hoy_criu criu = { .sock = -EBADF };
	struct hoy_criu_request *q = NULL;
	int r = hoy_fd_cloexec_from(HOY_HELPER_SOCKET);

	if (r < 0)
		return hoy_err_code(err, r, "descriptors");
	r = read_request(&q, err);
	if (r == 0 && q->action == HOY_CRIU_RESTORE)
		r = prepare_restore(q, err);
	if (r == 0)
		r = hoy_criu_start(q, &criu, err);
	if (r == 0) {
		r = converse(&criu, q, err);
		hoy_criu_end(&criu);
	}
	hoy_field_free(&hoy_criu_request_object, q);
	return r;
}

int main(void)
{
	struct hoy_err err = {};

	return hoy_helper_finish(serve(&err), &err);
}
