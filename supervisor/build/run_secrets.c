/*
 * RUN --mount=type=secret and type=ssh: what the client's session gives, for the time of the step. A secret is a file
 * in the exec root (a tmpfs, mostly), into which the session's worker writes; an agent is a socket on which that worker
 * listens. Both are bound into the container, and removed when it has ended; what a killed hoyd left goes at the next
 * start.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/engine.h"

static int64_t number(const struct hoy_json *mount, const char *key)
{
	int64_t value = 0;

	(void) hoy_json_to_i64(hoy_json_get(mount, key), &value);
	return value;
}

static bool is_ssh(const struct hoy_json *mount)
{
	return strcmp(hoy_build_text(mount, "type"), "ssh") == 0;
}

bool hoy_build_is_secret(const struct hoy_json *mount)
{
	return is_ssh(mount) || strcmp(hoy_build_text(mount, "type"), "secret") == 0;
}

/* --- the directory ------------------------------------------------------------------------------------------------ */

int hoy_builds_secrets_sweep(struct hoy_builds *builds, struct hoy_err *err)
{
	DIR *dir;
	int r;

	builds->secrets = hoy_path_join(builds->options.exec_root, "build-secrets");
	if (!builds->secrets)
		return hoy_err_oom(err);
	r = hoy_path_mkdir_all(builds->secrets, 0700, err);
	dir = r < 0 ? NULL : opendir(builds->secrets);
	if (r == 0 && !dir)
		r = hoy_err_sys(err, "read '%s'", builds->secrets);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void) unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		(void) closedir(dir);
	return r < 0 ? r : 0;
}

static char *new_path(const struct hoy_builds *builds)
{
	unsigned char random[8];
	char hex[2 * sizeof random + 1];

	hoy_random(random, sizeof random);
	hoy_hex(random, sizeof random, hex);
	return hoy_path_join(builds->secrets, hex);
}

static int give(const char *path, const struct hoy_json *mount, struct hoy_err *err)
{
	if (chown(path, (uid_t) number(mount, "uid"), (gid_t) number(mount, "gid")) < 0 ||
		chmod(path, (mode_t) number(mount, "mode") & 0777) < 0)
		return hoy_err_sys(err, "prepare '%s'", path);
	return 0;
}

static int open_file(const char *path, struct hoy_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? hoy_err_sys(err, "make a file for a secret") : fd;
}

/* The directory's path may be too long for a socket's address: it is bound by a descriptor of the directory. */
static int open_listener(const struct hoy_builds *builds, const char *path, struct hoy_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_fd int dir = open(builds->secrets, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;

	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", builds->secrets);
	(void) snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%.20s", dir, hoy_path_base(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 16) < 0)
		return hoy_err_sys(err, "make a socket for an ssh agent");
	return TAKE_FD(fd);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static int refuse_missing(const struct hoy_json *mount, struct hoy_err *err)
{
	const char *id = hoy_build_text(mount, "id");

	if (is_ssh(mount))
		return hoy_err_invalid(err, "RUN --mount=type=ssh: the client forwards no agent '%s' (--ssh)", id);
	return hoy_err_invalid(
		err, "RUN --mount=type=secret: the client gives no secret '%s' (--secret id=%s)", id, id);
}

static void forget(struct hoy_build_mounted *mounted)
{
	if (mounted->secret)
		(void) unlink(mounted->secret);
	free(mounted->secret);
	mounted->secret = NULL;
}

static void on_answer(const struct hoy_err *failed, const char *text, void *userdata)
{
	struct hoy_build_task *task = userdata;
	struct hoy_build_mounted *mounted = &task->mounted[task->copying];
	const struct hoy_json *mount = hoy_build_mount_at(task, task->copying);
	struct hoy_err err = { 0 };
	int r = 0;

	(void) text;
	mounted->request = NULL;
	if (failed)
		err = *failed;
	if (!failed && (r = give(mounted->secret, mount, &err)) == 0) {
		mounted->path = strdup(mounted->secret);
		r = mounted->path ? 0 : hoy_err_oom(&err);
	} else if (failed && failed->kind == HOY_ERR_NOT_FOUND) {
		forget(mounted);
		r = hoy_json_bool(hoy_json_get(mount, "required")) ? refuse_missing(mount, &err) : 0;
	} else if (failed) {
		r = hoy_err_wrap(&err, "RUN --mount=type=%s", hoy_build_text(mount, "type"));
	}
	if (r < 0)
		hoy_build_task_fail(task, &err);
	else
		hoy_build_run(task);
}

int hoy_build_secret_ask(struct hoy_build_task *task, size_t index, struct hoy_err *err)
{
	const struct hoy_json *mount = hoy_build_mount_at(task, index);
	struct hoy_build_mounted *mounted = &task->mounted[index];
	struct hoy_builds *builds = task->build->builds;
	auto_fd int fd = -EBADF;
	int r;

	mounted->asked = true;
	if (*hoy_build_text(mount, "env"))
		return hoy_err_unsupported(err,
			"RUN --mount=type=secret,env=%s is not supported by this version of Hoy: use the file at target",
			hoy_build_text(mount, "env"));
	if (!*task->build->session)
		return hoy_json_bool(hoy_json_get(mount, "required")) ? refuse_missing(mount, err) : 0;
	mounted->secret = new_path(builds);
	if (!mounted->secret)
		return hoy_err_oom(err);
	fd = is_ssh(mount) ? open_listener(builds, mounted->secret, err) : open_file(mounted->secret, err);
	if (fd < 0)
		return fd;
	task->copying = index;
	r = hoy_build_session_ask(builds, task->build->session,
		&(struct hoy_session_question){ .op = is_ssh(mount) ? "ssh" : "secret",
			.member = "name",
			.value = hoy_build_text(mount, "id"),
			.fd = fd,
			.answer = on_answer,
			.userdata = task },
		&mounted->request, err);
	if (r < 0)
		return r;
	if (is_ssh(mount))
		mounted->agent = hoy_session_request_number(mounted->request);
	return 1;
}

void hoy_build_secret_end(struct hoy_build_task *task, struct hoy_build_mounted *mounted)
{
	hoy_session_request_cancel(mounted->request);
	mounted->request = NULL;
	if (mounted->agent)
		hoy_build_session_end_ssh(task->build->builds, task->build->session, mounted->agent);
	mounted->agent = 0;
	forget(mounted);
}

/* --- in the container --------------------------------------------------------------------------------------------- */

char *hoy_build_secret_target(const struct hoy_build_task *task, size_t index)
{
	const struct hoy_json *mount = hoy_build_mount_at(task, index);
	size_t n = 0;

	if (*hoy_build_text(mount, "target"))
		return strdup(hoy_build_text(mount, "target"));
	for (size_t i = 0; i < index; i++)
		n += is_ssh(hoy_build_mount_at(task, i));
	return hoy_str_printf("/run/buildkit/ssh_agent.%zu", n);
}

int hoy_build_secrets_add_env(const struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err)
{
	for (size_t i = 0; i < task->n_mounted; i++) {
		auto_free char *target = NULL, *line = NULL;

		if (!is_ssh(hoy_build_mount_at(task, i)) || !task->mounted[i].path)
			continue;
		target = hoy_build_secret_target(task, i);
		line = target ? hoy_str_printf("SSH_AUTH_SOCK=%s", target) : NULL;
		if (!line)
			return hoy_err_oom(err);
		hoy_json_add_string(w, NULL, line);
		break;
	}
	return 0;
}
