/*
 * RUN --mount=type=secret and type=ssh: what the client's session gives, for the time of the step. A secret is a file
 * in the exec root (a tmpfs, mostly), into which the session's worker writes; an agent is a socket on which that worker
 * listens. One that is to be a variable is read from its file by hoy-init, which becomes the step's program. All are
 * bound into the container, and removed when it has ended; what a killed hoyd left goes at the next
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

#include "base/file.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/engine.h"

/* In the container, where nothing is a layer's. */
#define SETTER "/dev/hoy-init"
#define VARIABLE "/dev/hoy-variable.%zu"
#define HOY_SECRET_MAX ((size_t) 1 << 20)

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

static void forget_file(char **path)
{
	if (*path)
		(void) unlink(*path);
	free(*path);
	*path = NULL;
}

static void forget(struct hoy_build_mounted *mounted)
{
	forget_file(&mounted->secret);
	forget_file(&mounted->variable);
}

/* For the variable: whoever runs may read it. As a file it is there only if the Dockerfile says where. */
static int give_variable(struct hoy_build_task *task, const struct hoy_json *mount, struct hoy_build_mounted *mounted,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_SECRET_MAX };
	int r;

	if (!*hoy_build_text(mount, "env"))
		return 0;
	mounted->variable = new_path(task->build->builds);
	if (!mounted->variable)
		return hoy_err_oom(err);
	r = hoy_file_read(AT_FDCWD, mounted->secret, &text, err);
	if (r == 0)
		r = hoy_file_write(AT_FDCWD, mounted->variable, text.data ? text.data : "", text.len, 0444,
			/* flags= */ 0, err);
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (r == 0 && chmod(mounted->variable, 0444) < 0)
		r = hoy_err_sys(err, "prepare '%s'", mounted->variable);
	return r < 0 ? r : 0;
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
	if (!failed) {
		r = give(mounted->secret, mount, &err);
		if (r == 0)
			r = give_variable(task, mount, mounted, &err);
		if (r == 0 && (is_ssh(mount) || *hoy_build_text(mount, "target")) &&
			!(mounted->path = strdup(mounted->secret)))
			r = hoy_err_oom(&err);
	} else if (failed->kind == HOY_ERR_NOT_FOUND) {
		forget(mounted);
		r = hoy_json_bool(hoy_json_get(mount, "required")) ? refuse_missing(mount, &err) : 0;
	} else {
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

static bool has_variables(const struct hoy_build_task *task)
{
	for (size_t i = 0; i < task->n_mounted; i++)
		if (task->mounted[i].variable)
			return true;
	return false;
}

void hoy_build_secrets_add_args(const struct hoy_build_task *task, struct hoy_json_writer *w)
{
	if (!has_variables(task))
		return;
	hoy_json_add_string(w, NULL, SETTER);
	for (size_t i = 0; i < task->n_mounted; i++) {
		auto_free char *text = NULL;

		if (!task->mounted[i].variable)
			continue;
		text = hoy_str_printf("%s=" VARIABLE, hoy_build_text(hoy_build_mount_at(task, i), "env"), i);
		hoy_json_add_string(w, NULL, "--env");
		hoy_json_add_string(w, NULL, text ? text : "");
	}
	hoy_json_add_string(w, NULL, "--");
}

int hoy_build_secrets_add_mounts(const struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_free char *setter = NULL;
	int r = has_variables(task) ? hoy_helper_find("hoy-init", HOY_HELPER_LIBEXEC, &setter, err) : 0;

	if (r < 0 || !setter)
		return r;
	hoy_build_mount_begin(w, "bind", setter, SETTER, /* read_only= */ true);
	hoy_json_end(w);
	for (size_t i = 0; i < task->n_mounted; i++) {
		auto_free char *target = hoy_str_printf(VARIABLE, i);

		if (!target)
			return hoy_err_oom(err);
		if (!task->mounted[i].variable)
			continue;
		hoy_build_mount_begin(w, "bind", task->mounted[i].variable, target, /* read_only= */ true);
		hoy_json_end(w);
	}
	return 0;
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
