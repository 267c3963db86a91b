/* The state directory: made, locked, written, read, listed, removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "runtime/state/state.h"
#include "runtime/texts.h"

#define STATE_FILE HOY_STATE_FILE
#define STATE_MAX ((size_t) 16 << 20)
#define ID_MAX ((size_t) 1024)

#define F(kind, name, member) HOY_FIELD_##kind(struct hoy_state, name, member, 0)
static const struct hoy_field state_fields[] = {
	HOY_FIELD_U32(struct hoy_state, "version", version, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(struct hoy_state, "id", id, HOY_FIELD_REQUIRED),
	F(STRING, "ociVersion", oci_version),
	F(STRING, "bundle", bundle),
	F(STRING, "rootfs", rootfs),
	F(STRING, "created", created),
	F(STRING, "cgroup", cgroup),
	F(BOOL, "cgroupPending", cgroup_pending),
	F(STRING, "unit", unit),
	F(STRING, "resctrl", resctrl),
	F(BOOL, "resctrlMade", resctrl_made),
	F(BOOL, "resctrlMonitor", resctrl_monitor),
	F(U32, "owner", owner),
	F(I32, "pid", pid),
	F(U64, "startTime", start_time),
	F(U64, "pidHandle", pid_handle),
	F(STRING, "initName", init_name),
	F(BOOL, "started", started),
	F(U64, "hostMount", host_mount),
	F(BOOL, "ownPidNamespace", own_pid_ns),
	F(BOOL, "hasHooks", has_hooks),
	F(BOOL, "rootless", rootless),
	F(KV, "annotations", annotations),
};
static const struct hoy_object state_object = {
	.what = STATE_FILE,
	.size = sizeof(struct hoy_state),
	.fields = state_fields,
	.n_fields = ARRAY_LEN(state_fields),
};

void hoy_state_done(struct hoy_state *state)
{
	hoy_fd_close(&state->dir);
	free(state->path);
	state->path = NULL;
	hoy_field_done(&state_object, state);
	state->dir = -EBADF;
}

int hoy_state_check_id(const char *id, struct hoy_err *err)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";

	if (!id[0])
		return hoy_err_invalid(err, "container id cannot be empty");
	if (strlen(id) > ID_MAX || id[strspn(id, chars)] || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return hoy_err_invalid(err, "invalid id format: %.100s", id);
	return 0;
}

static int open_locked(const char *path, bool lock, struct hoy_err *err)
{
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", path);
	if (lock && flock(dir, LOCK_EX) < 0)
		return hoy_err_sys(err, "lock '%s'", path);
	return TAKE_FD(dir);
}

int hoy_state_create(const char *root, const char *id, struct hoy_state *ret, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state s = { .dir = -EBADF, .version = HOY_STATE_VERSION };
	auto_free char *path = NULL;
	int r = hoy_state_check_id(id, err);

	if (r < 0)
		return r;
	path = hoy_path_join(root, id);
	s.id = strdup(id);
	if (!path || !s.id)
		return hoy_err_oom(err);
	r = mkdir(path, 0711) < 0 ? -errno : 0;
	if (r == -ENOENT) {
		r = hoy_path_mkdir_all(root, 0711, err);
		if (r < 0)
			return hoy_err_wrap(err, "state root");
		r = mkdir(path, 0711) < 0 ? -errno : 0;
	}
	if (r == -EEXIST)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, TEXT_EXISTS);
	if (r == -EACCES && geteuid() != 0)
		return hoy_err_code(
			err, r, "mkdir '%s' (set XDG_RUNTIME_DIR, or give a directory of your own with --root)", path);
	if (r < 0)
		return hoy_err_code(err, r, "mkdir '%s'", path);
	s.dir = open_locked(path, true, err);
	if (s.dir < 0) {
		(void) rmdir(path);
		return s.dir;
	}
	s.path = TAKE_PTR(path);
	*ret = s;
	s = (struct hoy_state){ .dir = -EBADF };
	return 0;
}

int hoy_state_print(const struct hoy_state *state, struct hoy_buf *buf, struct hoy_err *err)
{
	return hoy_field_print(&state_object, state, buf, 0, err);
}

int hoy_state_parse(const char *text, size_t len, struct hoy_state *ret, struct hoy_err *err)
{
	void *parsed;
	int r = hoy_field_parse(&state_object, text, len, NULL, &parsed, err);

	if (r < 0)
		return r;
	*ret = *(struct hoy_state *) parsed;
	free(parsed);
	ret->dir = -EBADF;
	if (ret->version > HOY_STATE_VERSION) {
		uint32_t version = ret->version;

		hoy_state_done(ret);
		return hoy_err_unsupported(err, "state version %u is newer than this hoyrun", version);
	}
	ret->read = true;
	return 0;
}

/* In a directory that we alone write to. */
static int open_append(int dir, const char *name, struct hoy_err *err)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? hoy_err_sys(err, "open '%s'", name) : fd;
}

static int append(int fd, const char *name, const void *data, size_t len, struct hoy_err *err)
{
	int r = hoy_fd_write_all(fd, data, len);

	return r < 0 ? hoy_err_code(err, r, "write '%s'", name) : 0;
}

int hoy_state_save_config(const struct hoy_state *state, const void *data, size_t len, struct hoy_err *err)
{
	auto_fd int fd = open_append(state->dir, HOY_STATE_CONFIG, err);
	int r = fd < 0 ? fd : append(fd, HOY_STATE_CONFIG, data, len, err);

	return r < 0 ? r : TAKE_FD(fd);
}

int hoy_state_open_file(const struct hoy_state *state, struct hoy_err *err)
{
	return open_append(state->dir, STATE_FILE, err);
}

int hoy_state_append(const struct hoy_state *state, int file, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_state_print(state, &text, err);

	if (r < 0)
		return r;
	return hoy_buf_addc(&text, '\n') < 0 ? hoy_err_oom(err) : append(file, STATE_FILE, text.data, text.len, err);
}

int hoy_state_save(const struct hoy_state *state, struct hoy_err *err)
{
	auto_fd int file = hoy_state_open_file(state, err);

	return file < 0 ? file : hoy_state_append(state, file, err);
}

/* The last line that is whole: whoever reads without the lock may be in the middle of an append. */
static int parse_last_line(const char *text, size_t len, struct hoy_state *ret, struct hoy_err *err)
{
	const char *end = memrchr(text, '\n', len), *line;

	if (!end)
		return -ENOENT;
	line = memrchr(text, '\n', (size_t) (end - text));
	line = line ? line + 1 : text;
	return hoy_state_parse(line, (size_t) (end - line), ret, err);
}

int hoy_state_read(int fd, struct hoy_state *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = STATE_MAX };
	char start[2048];
	ssize_t n;
	int r;

	/* Less than was asked for, and a whole line: that is all of it, in one call. */
	n = pread(fd, start, sizeof start, 0);
	if (n > 0 && (size_t) n < sizeof start && start[n - 1] == '\n')
		return parse_last_line(start, (size_t) n, ret, err);
	r = hoy_file_read_fd(fd, STATE_FILE, &text, err);
	return r < 0 ? r : parse_last_line(text.data, text.len, ret, err);
}

static int read_state(int at, const char *file, struct hoy_state *ret, struct hoy_err *err)
{
	auto_fd int fd = openat(at, file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? hoy_err_sys(err, "open '%s'", file) : hoy_state_read(fd, ret, err);
}

int hoy_state_load(const char *root, const char *id, bool lock, struct hoy_state *ret, struct hoy_err *err)
{
	auto_free char *path = NULL;
	auto_fd int dir = -EBADF;
	int r = hoy_state_check_id(id, err);

	if (r < 0)
		return r;
	path = hoy_path_join(root, id);
	if (!path)
		return hoy_err_oom(err);
	dir = open_locked(path, lock, err);
	if (dir == -ENOENT || dir == -ENOTDIR)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, TEXT_NOT_FOUND);
	if (dir < 0)
		return dir;
	r = read_state(dir, STATE_FILE, ret, err);
	if (r == -ENOENT) { /* its creator is at work, or was killed, or it was deleted while we waited */
		struct stat st;

		if (fstat(dir, &st) == 0 && st.st_nlink == 0)
			return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, TEXT_NOT_FOUND);
		*ret = (struct hoy_state){ .dir = -EBADF, .id = strdup(id) };
		r = ret->id ? 0 : hoy_err_oom(err);
	}
	if (r < 0)
		return hoy_err_wrap(err, "container '%s'", id);
	ret->dir = TAKE_FD(dir);
	ret->path = TAKE_PTR(path);
	return 0;
}

int hoy_state_look(const char *root, const char *id, struct hoy_state *ret, struct hoy_err *err)
{
	auto_free char *path = NULL, *file = NULL;
	int r = hoy_state_check_id(id, err);

	if (r < 0)
		return r;
	path = hoy_path_join(root, id);
	file = path ? hoy_path_join(path, STATE_FILE) : NULL;
	if (!file)
		return hoy_err_oom(err);
	/* Only what is wrong or unfinished deserves a closer look. */
	if (read_state(AT_FDCWD, file, ret, NULL) < 0)
		return hoy_state_load(root, id, /* lock= */ false, ret, err);
	ret->path = TAKE_PTR(path);
	return 0;
}

int hoy_state_remove(const char *root, struct hoy_state *state, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(root, state->id);

	if (!path)
		return hoy_err_oom(err);
	if (!state->runs_at_once)
		(void) unlinkat(state->dir, HOY_STATE_SOCKET, 0);
	(void) unlinkat(state->dir, HOY_STATE_CONFIG, 0);
	/* The state goes last: as long as it is there a second delete finds what is left to do. */
	(void) unlinkat(state->dir, STATE_FILE, 0);
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return hoy_path_remove_all(AT_FDCWD, path, err);
}

void hoy_state_unlock(const struct hoy_state *state)
{
	(void) flock(state->dir, LOCK_UN);
}

bool hoy_state_lock_again(const struct hoy_state *state)
{
	struct stat st;

	return flock(state->dir, LOCK_EX) == 0 && fstat(state->dir, &st) == 0 && st.st_nlink > 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

int hoy_state_list(const char *root, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = calloc(1, sizeof *names);
	struct dirent *entry;
	DIR *dir = names ? opendir(root) : NULL;
	int r = 0;

	if (!names)
		return hoy_err_oom(err);
	if (!dir && errno != ENOENT)
		return hoy_err_sys(err, "open '%s'", root);
	while (dir && r == 0 && (entry = readdir(dir)))
		if (hoy_state_check_id(entry->d_name, NULL) == 0 && entry->d_type != DT_REG)
			r = hoy_strv_add(&names, entry->d_name);
	if (dir)
		(void) closedir(dir);
	if (r < 0)
		return hoy_err_oom(err);
	qsort(names, hoy_strv_len(names), sizeof *names, compare);
	*ret = TAKE_PTR(names);
	return 0;
}
