/*
 * A group's life: naming it, making its directories in every hierarchy, handing it to a user, removing it. Sets no
 * limit and moves no process.
 */
#include "base/cgroup/cgroup_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

/* --- naming ----------------------------------------------------------------------------------------------------- */

static int check_path(const char *path, struct hoy_err *err)
{
	if (path[0] != '/')
		return hoy_err_invalid(err, "cgroup path '%s' is not absolute", path);
	for (const char *c = path; *c != '\0'; c++)
		if ((unsigned char) *c < ' ')
			return hoy_err_invalid(err, "cgroup path holds a control character");
	for (const char *c = path; c != NULL; c = strchr(c + 1, '/'))
		if (strncmp(c, "/..", 3) == 0 && (c[3] == '/' || c[3] == '\0'))
			return hoy_err_invalid(err, "cgroup path '%s' holds '..'", path);
	return 0;
}

static struct hoy_cgroup *group_alloc(void)
{
	struct hoy_cgroup *cg = calloc(1, sizeof *cg);

	if (cg == NULL)
		return NULL;
	cg->dirs = malloc(HOY_CGROUP_HIERARCHIES_MAX * sizeof *cg->dirs);
	if (cg->dirs == NULL) {
		free(cg);
		return NULL;
	}
	for (size_t i = 0; i < HOY_CGROUP_HIERARCHIES_MAX; i++)
		cg->dirs[i] = -EBADF;
	for (size_t i = 0; i < HOY_CGROUP_SPENT; i++)
		cg->spent[i] = -EBADF;
	return cg;
}

int hoy_cgroup_new(const struct hoy_cgroup_host *host, const char *path, struct hoy_cgroup **ret, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	int r = check_path(path, err);

	if (r < 0)
		return r;
	if (host->table.n == 0)
		return hoy_err_unsupported(err, "no cgroup file system is mounted");
	cg = group_alloc();
	if (cg == NULL)
		return hoy_err_oom(err);
	cg->path = hoy_path_clean(path);
	if (cg->path == NULL || hoy_cgroup_table_copy(&host->table, &cg->table) < 0)
		return hoy_err_oom(err);
	if (strcmp(cg->path, "/") == 0)
		return hoy_err_invalid(err, "the root cgroup can't be a container's");
	*ret = TAKE_PTR(cg);
	return 0;
}

void hoy_cgroup_free(struct hoy_cgroup *cg)
{
	if (cg == NULL)
		return;
	for (size_t i = 0; i < cg->table.n; i++)
		hoy_fd_close(&cg->dirs[i]);
	for (size_t i = 0; i < HOY_CGROUP_SPENT; i++)
		hoy_fd_close(&cg->spent[i]);
	hoy_cgroup_table_done(&cg->table);
	free(cg->dirs);
	free(cg->path);
	free(cg);
}

void hoy_cgroup_take_spent(struct hoy_cgroup *cg, int ret[HOY_CGROUP_SPENT])
{
	for (size_t i = 0; i < HOY_CGROUP_SPENT; i++)
		ret[i] = TAKE_FD(cg->spent[i]);
}

/* "1 PATH MOUNT NAME BITS MOUNT NAME BITS ...", with tabs for the blanks. */
char *hoy_cgroup_to_string(const struct hoy_cgroup *cg)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_buf_addf(&text, "1\t%s", cg->path);
	for (size_t i = 0; i < cg->table.n; i++) {
		const struct hoy_cgroup_hier *hier = &cg->table.hier[i];

		hoy_buf_addf(&text, "\t%s\t%s\t%u", hier->mount, hier->name, hier->controllers);
	}
	return hoy_buf_take(&text);
}

static int parse_fields(struct hoy_cgroup *cg, char **fields, struct hoy_err *err)
{
	size_t n = hoy_strv_len(fields);
	int r;

	if (n < 5 || (n - 2) % 3 != 0 || strcmp(fields[0], "1") != 0)
		return hoy_err_invalid(err, "saved cgroup is of an unknown form");
	r = check_path(fields[1], err);
	if (r < 0)
		return r;
	cg->path = hoy_path_clean(fields[1]);
	if (cg->path == NULL)
		return hoy_err_oom(err);
	if (strcmp(cg->path, "/") == 0)
		return hoy_err_invalid(err, "saved cgroup is the root");
	cg->table.v2 = fields[3][0] == '\0';
	for (size_t i = 2; i < n; i += 3) {
		unsigned int bits;

		if (fields[i][0] != '/' || hoy_str_to_uint(fields[i + 2], &bits) < 0)
			return hoy_err_invalid(err, "saved cgroup is of an unknown form");
		r = hoy_cgroup_table_add(&cg->table, fields[i], strlen(fields[i]), fields[i + 1], bits);
		if (r < 0)
			return hoy_err_code(err, r, "load saved cgroup");
	}
	return 0;
}

int hoy_cgroup_from_string(const char *text, struct hoy_cgroup **ret, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = group_alloc();
	auto_ptr(hoy_strv_free) char **fields = hoy_str_split(text, '\t');
	int r;

	if (cg == NULL || fields == NULL)
		return hoy_err_oom(err);
	r = parse_fields(cg, fields, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(cg);
	return 0;
}

const char *hoy_cgroup_path(const struct hoy_cgroup *cg)
{
	return cg->path;
}

bool hoy_cgroup_is_unified(const struct hoy_cgroup *cg)
{
	return cg->table.v2 && cg->table.n == 1;
}

char *hoy_cgroup_dir(const struct hoy_cgroup *cg, size_t i)
{
	return i < cg->table.n ? hoy_str_printf("%s%s", cg->table.hier[i].mount, cg->path) : NULL;
}

/* --- making ----------------------------------------------------------------------------------------------------- */

/* cpuset v1: nobody may enter before cpus and mems are set; new groups start with none. Parents first. */
static int inherit_cpuset(int mount, char *path, const char *file)
{
	char value[4096];
	char *slash = strrchr(path, '/');
	auto_fd int dir = -EBADF, parent = -EBADF;
	ssize_t n;

	dir = openat(mount, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	n = hoy_cgroup_read_at(dir, file, value, sizeof value);
	if (n != 0)
		return n < 0 ? (int) n : 0;

	parent = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return -errno;
	n = hoy_cgroup_read_at(parent, file, value, sizeof value);
	if (n == 0 && slash != NULL) {
		*slash = '\0';
		n = inherit_cpuset(mount, path, file);
		*slash = '/';
		if (n == 0)
			n = hoy_cgroup_read_at(parent, file, value, sizeof value);
	}
	return n < 0 ? (int) n : hoy_cgroup_write_at(dir, file, value);
}

static int set_up_cpuset(const struct hoy_cgroup *cg, size_t i, struct hoy_err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	auto_free char *relative = strdup(cg->path + 1);
	auto_fd int mount = open(cg->table.hier[i].mount, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (relative == NULL)
		return hoy_err_oom(err);
	if (mount < 0)
		return hoy_err_sys(err, "open '%s'", cg->table.hier[i].mount);
	for (size_t f = 0; f < ARRAY_LEN(files); f++) {
		int r = inherit_cpuset(mount, relative, files[f]);

		if (r < 0)
			return hoy_err_code(err, r, "copy %s to cgroup '%s'", files[f], cg->path);
	}
	return 0;
}

/* Writes the controllers that `dir` could give its children and does not. What fails stays off: a limit that needs it
 * is refused later, with the reason. */
static void enable_in(int dir, uint32_t wanted)
{
	char available[512], enabled[512], all[512] = "";
	size_t len = 0;
	uint32_t missing;

	if (hoy_cgroup_read_at(dir, "cgroup.controllers", available, sizeof available) < 0 ||
		hoy_cgroup_read_at(dir, "cgroup.subtree_control", enabled, sizeof enabled) < 0)
		return;
	missing = wanted & hoy_cgroup_controllers_parse(available) & ~hoy_cgroup_controllers_parse(enabled);
	for (unsigned int c = 0; c < _HOY_CGROUP_CONTROLLER_MAX; c++)
		if (missing & HOY_CGROUP_BIT(c))
			len += (size_t) snprintf(
				all + len, sizeof all - len, "+%s ", hoy_cgroup_controller_to_string(c));
	if (missing == 0 || hoy_cgroup_write_at(dir, "cgroup.subtree_control", all) == 0)
		return;

	/* One that can't be enabled (cpu, with real-time processes about) makes the kernel refuse all. */
	for (unsigned int c = 0; c < _HOY_CGROUP_CONTROLLER_MAX; c++)
		if (missing & HOY_CGROUP_BIT(c)) {
			snprintf(all, sizeof all, "+%s", hoy_cgroup_controller_to_string(c));
			(void) hoy_cgroup_write_at(dir, "cgroup.subtree_control", all);
		}
}

/* v2: makes the host's controllers available in the group, by enabling them in all of its ancestors. */
static int enable_controllers(struct hoy_cgroup *cg, struct hoy_err *err)
{
	const struct hoy_cgroup_hier *hier = &cg->table.hier[0];
	char text[512];
	auto_fd int dir = -EBADF;
	int group = hoy_cgroup_dirfd(cg, 0);
	ssize_t n;

	hoy_fd_close(&cg->spent[0]);
	cg->spent[0] = group < 0 ? -EBADF : openat(group, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	n = group < 0 ? group : cg->spent[0] < 0 ? -errno : hoy_cgroup_read_fd(cg->spent[0], text, sizeof text);
	if (n < 0)
		return hoy_err_code(err, (int) n, "read cgroup.controllers of cgroup '%s'", cg->path);
	if ((hier->controllers & ~hoy_cgroup_controllers_parse(text)) == 0)
		return 0;

	dir = open(hier->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (const char *part = cg->path + 1; dir >= 0; part += strcspn(part, "/") + 1) {
		auto_free char *name = strndup(part, strcspn(part, "/"));
		int child;

		enable_in(dir, hier->controllers);
		if (name == NULL || part[strlen(name)] == '\0')
			return name == NULL ? hoy_err_oom(err) : 0;
		child = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		hoy_fd_close(&dir);
		dir = child;
	}
	return hoy_err_sys(err, "open the parents of cgroup '%s'", cg->path);
}

static int refuse_frozen(const struct hoy_cgroup *cg, struct hoy_err *err)
{
	return hoy_err_set(err, HOY_ERR_CONFLICT, EDEADLK, "cgroup '%s' exists and is frozen", cg->path);
}

/* A group that somebody made before us must be empty and thawed, or its processes and ours would share a fate. */
static int check_existing(const struct hoy_cgroup *cg, size_t i, struct hoy_err *err)
{
	char text[4096];

	if (i == 0 && cg->table.v2) {
		if (hoy_cgroup_read(cg, i, "cgroup.events", text, sizeof text) < 0)
			return 0;
		if (hoy_cgroup_keyed(text, "frozen") != 0)
			return refuse_frozen(cg, err);
		if (hoy_cgroup_keyed(text, "populated") != 0)
			return hoy_err_conflict(err, "cgroup '%s' exists and has processes", cg->path);
		return 0;
	}
	if (hoy_cgroup_read(cg, i, "freezer.state", text, sizeof text) > 0 && strcmp(text, "THAWED") != 0)
		return refuse_frozen(cg, err);
	if (hoy_cgroup_read(cg, i, "cgroup.procs", text, sizeof text) > 0)
		return hoy_err_conflict(
			err, "cgroup '%s' exists in %s and has processes", cg->path, cg->table.hier[i].name);
	return 0;
}

static int make_parents(const char *dir, struct hoy_err *err)
{
	auto_free char *parent = strdup(dir);

	if (parent == NULL)
		return hoy_err_oom(err);
	*strrchr(parent, '/') = '\0';
	return hoy_path_mkdir_all(parent, 0755, err);
}

/* 1: made, 0: it was there and is fit, -errno. `adopt`: whoever is in it may be. */
static int make_in(struct hoy_cgroup *cg, size_t i, bool adopt, struct hoy_err *err)
{
	auto_free char *dir = hoy_cgroup_dir(cg, i);
	int r;

	if (dir == NULL)
		return hoy_err_oom(err);
	r = mkdir(dir, 0755) < 0 ? -errno : 1;
	if (r == -ENOENT) {
		r = make_parents(dir, err);
		if (r < 0)
			return r;
		r = mkdir(dir, 0755) < 0 ? -errno : 1;
	}
	if (r == -EEXIST)
		return adopt ? 0 : check_existing(cg, i, err);
	return r < 0 ? hoy_err_code(err, r, "create cgroup '%s'", dir) : 1;
}

static int set_up_in(struct hoy_cgroup *cg, size_t i, struct hoy_err *err)
{
	if (i == 0 && cg->table.v2)
		return enable_controllers(cg, err);
	if (cg->table.hier[i].controllers & HOY_CGROUP_BIT(HOY_CGROUP_CPUSET))
		return set_up_cpuset(cg, i, err);
	return 0;
}

static void unmake(struct hoy_cgroup *cg, size_t i)
{
	auto_free char *dir = hoy_cgroup_dir(cg, i);

	hoy_fd_close(&cg->dirs[i]);
	if (dir != NULL)
		(void) rmdir(dir);
}

static int make_all(struct hoy_cgroup *cg, bool adopt, struct hoy_err *err)
{
	bool made[HOY_CGROUP_HIERARCHIES_MAX] = {};
	int r = 0;

	for (size_t i = 0; i < cg->table.n && r >= 0; i++) {
		r = make_in(cg, i, adopt, err);
		made[i] = r > 0;
		if (r >= 0)
			r = set_up_in(cg, i, err);
	}
	cg->fresh = cg->table.v2 && made[0];
	if (r >= 0)
		return 0;
	for (size_t i = 0; i < cg->table.n; i++)
		if (made[i])
			unmake(cg, i);
	return r;
}

int hoy_cgroup_create(struct hoy_cgroup *cg, struct hoy_err *err)
{
	return make_all(cg, /* adopt= */ false, err);
}

int hoy_cgroup_adopt(struct hoy_cgroup *cg, struct hoy_err *err)
{
	return make_all(cg, /* adopt= */ true, err);
}

int hoy_cgroup_chown(struct hoy_cgroup *cg, uid_t uid, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	const char *files = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";
	char *save = NULL;
	int dir;

	if (!cg->table.v2)
		return 0;
	dir = hoy_cgroup_dirfd(cg, 0);
	if (dir < 0)
		return hoy_err_code(err, dir, "open cgroup '%s'", cg->path);
	if (fchown(dir, uid, (gid_t) -1) < 0)
		return hoy_err_sys(err, "give cgroup '%s' to user %u", cg->path, uid);

	hoy_buf_init(&text, 0);
	if (hoy_file_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", &text, /* err= */ NULL) < 0 || text.len == 0) {
		hoy_buf_clear(&text);
		if (hoy_buf_adds(&text, files) < 0)
			return hoy_err_oom(err);
	}
	for (char *file = strtok_r(text.data, "\n", &save); file != NULL; file = strtok_r(NULL, "\n", &save))
		if (fchownat(dir, file, uid, (gid_t) -1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return hoy_err_sys(err, "give '%s' of cgroup '%s' to user %u", file, cg->path, uid);
	return 0;
}

bool hoy_cgroup_exists(const struct hoy_cgroup *cg)
{
	for (size_t i = 0; i < cg->table.n; i++) {
		auto_free char *dir = hoy_cgroup_dir(cg, i);

		if (dir != NULL && access(dir, F_OK) == 0)
			return true;
	}
	return false;
}

/* --- removing --------------------------------------------------------------------------------------------------- */

/* Removes the groups directly below that have none below themselves. Returns a descriptor of one that is left, to go
 * on there, -ENOENT when all are gone, or -errno. */
static int remove_children(int dir, size_t *ret_found)
{
	auto_fd int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	int r = -ENOENT;

	if (stream == NULL)
		return -errno;
	(void) TAKE_FD(copy);
	*ret_found = 0;
	for (struct dirent *entry; r == -ENOENT && (entry = readdir(stream)) != NULL;) {
		if (entry->d_type != DT_DIR || !hoy_path_is_component(entry->d_name))
			continue;
		++*ret_found;
		if (unlinkat(dir, entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		if (errno != EBUSY && errno != ENOTEMPTY) {
			r = -errno;
			break;
		}
		r = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r < 0)
			r = -errno; /* gone meanwhile: -ENOENT, the next one then */
	}
	closedir(stream);
	return r;
}

/*
 * All groups below `top`, however deep, with two descriptors: go down to one that has no groups below and can't be
 * removed only because of processes, or come up again when everything below is gone.
 */
static int remove_below(int top)
{
	auto_fd int dir = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t depth = 0;

	if (dir < 0)
		return -errno;
	for (;;) {
		size_t found = 0;
		bool came_down = depth > 0;
		int next = remove_children(dir, &found);

		if (next >= 0) {
			depth++;
		} else if (next != -ENOENT) {
			return next;
		} else if (depth == 0) {
			return 0;
		} else if (came_down && found == 0) {
			return -EBUSY; /* nothing below it, and yet it could not be removed: processes */
		} else {
			depth--;
			next = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (next < 0)
				return -errno;
		}
		hoy_fd_close(&dir);
		dir = next;
	}
}

/* Until processes have left: by event on v2; v1 has none, there the wait is a short sleep that doubles. */
static int wait_empty(const struct hoy_cgroup *cg, size_t i, int64_t deadline, long *pause_us)
{
	int left = hoy_cgroup_remaining_ms(deadline);

	if (left == 0)
		return -EBUSY;
	if (i == 0 && cg->table.v2) {
		int dir = hoy_cgroup_dirfd(cg, i);
		int r = dir < 0 ? dir : hoy_cgroup_wait_event(dir, "populated", 0, deadline);

		if (r < 0 && r != -ENOENT && r != -ENODEV)
			return r == -ETIMEDOUT ? -EBUSY : r;
	}
	if (i != 0 || !cg->table.v2 || *pause_us > 50) {
		const struct timespec pause = { .tv_nsec = *pause_us * 1000 };

		nanosleep(&pause, NULL);
	}
	*pause_us = MIN(*pause_us * 2, 20000L);
	return 0;
}

static int remove_in(struct hoy_cgroup *cg, size_t i, int64_t deadline)
{
	auto_free char *path = hoy_cgroup_dir(cg, i);
	long pause_us = 50;

	if (path == NULL)
		return -ENOMEM;
	for (;;) {
		int dir, r;

		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return -errno;
		dir = hoy_cgroup_dirfd(cg, i);
		r = dir < 0 ? dir : remove_below(dir);
		if (r == 0 && rmdir(path) == 0)
			return 0;
		if (r < 0 && r != -EBUSY && r != -ENOENT && r != -ENODEV)
			return r;
		r = wait_empty(cg, i, deadline, &pause_us);
		if (r < 0)
			return r;
	}
}

int hoy_cgroup_remove(struct hoy_cgroup *cg, int timeout_ms, struct hoy_err *err)
{
	int64_t deadline = hoy_cgroup_deadline(timeout_ms);
	int ret = 0;

	for (size_t i = 0; i < cg->table.n; i++) {
		int r = remove_in(cg, i, deadline);

		hoy_fd_close(&cg->dirs[i]);
		if (r == -EBUSY && ret == 0)
			ret = hoy_err_conflict(
				err, "cgroup '%s%s' still has processes", cg->table.hier[i].mount, cg->path);
		else if (r < 0 && ret == 0)
			ret = hoy_err_code(err, r, "remove cgroup '%s%s'", cg->table.hier[i].mount, cg->path);
	}
	return ret;
}
