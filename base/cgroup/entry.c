/* How a process gets into a group: descriptors opened by the parent, one write per v1 hierarchy by the child. */
#include "base/cgroup/cgroup_internal.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* The group's own, of which nothing else is wanted. */
static int open_tasks(const struct hoy_cgroup *cg, size_t i, struct hoy_cgroup_entry *entry, struct hoy_err *err)
{
	auto_free char *dir = hoy_cgroup_dir(cg, i), *path = dir ? hoy_path_join(dir, "tasks") : NULL;
	int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -ENOMEM;

	if (!path)
		return hoy_err_oom(err);
	if (fd < 0)
		return hoy_err_sys(err, "open cgroup '%s' for entering", dir);
	entry->tasks[entry->n_tasks++] = fd;
	return 0;
}

static int open_in(
	const struct hoy_cgroup *cg, size_t i, const char *sub, struct hoy_cgroup_entry *entry, struct hoy_err *err)
{
	auto_fd int subdir = -EBADF;
	int dir = hoy_cgroup_dirfd(cg, i), fd;

	if (dir < 0)
		return hoy_err_code(err, dir, "open cgroup '%s%s'", cg->table.hier[i].mount, cg->path);
	if (sub != NULL) {
		subdir = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (subdir < 0)
			return hoy_err_sys(
				err, "adding pid to %s%s/%s/cgroup.procs", cg->table.hier[i].mount, cg->path, sub);
		dir = subdir;
	}
	if (i == 0 && cg->table.v2) /* handed over: whoever wants it again opens it again */
		fd = sub != NULL ? TAKE_FD(subdir) : TAKE_FD(cg->dirs[i]);
	else
		fd = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return hoy_err_sys(err, "open cgroup '%s%s' for entering", cg->table.hier[i].mount, cg->path);
	if (i == 0 && cg->table.v2)
		entry->v2_fd = fd;
	else
		entry->tasks[entry->n_tasks++] = fd;
	return 0;
}

/* Whether the comma-separated `list` has the `len` bytes at `item` in it. */
static bool list_has(const char *list, const char *item, size_t len)
{
	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == len && strncmp(list, item, len) == 0)
			return true;
	return false;
}

/* Index of the v1 hierarchy with that controller, -1: there is none. */
static int find_v1(const struct hoy_cgroup *cg, const char *controller, size_t len)
{
	for (size_t i = cg->table.v2; i < cg->table.n; i++)
		if (list_has(cg->table.hier[i].name, controller, len))
			return (int) i;
	return -1;
}

/* "" when it stays where it is. */
static int clean_sub(const char *sub, char **ret, struct hoy_err *err)
{
	auto_free char *clean = NULL;

	sub += strspn(sub, "/");
	clean = hoy_path_clean(*sub ? sub : ".");
	if (!clean)
		return hoy_err_oom(err);
	if (hoy_str_eq(clean, "..") || hoy_str_starts(clean, "../"))
		return hoy_err_invalid(err, "bad sub cgroup path: %s is not a sub cgroup path", sub);
	free(*ret);
	*ret = TAKE_PTR(clean);
	return 0;
}

/* "cpu,memory:/a" into the paths of those controllers' hierarchies. */
static int take_controllers(const struct hoy_cgroup *cg, const char *sub, char **paths, struct hoy_err *err)
{
	const char *colon = strchr(sub, ':');

	for (const char *p = sub; p < colon; p += strcspn(p, ",:") + 1) {
		size_t len = strcspn(p, ",:");
		int i = find_v1(cg, p, len), r;

		if (i < 0)
			return hoy_err_invalid(err, "unknown controller '%.*s': no v1 hierarchy has it", (int) len, p);
		if (paths[i])
			return hoy_err_invalid(err, "controller '%.*s': given twice", (int) len, p);
		r = clean_sub(colon + 1, &paths[i], err);
		if (r < 0)
			return r;
	}
	return colon == sub ? hoy_err_invalid(err, "empty controller in '%s'", sub) : 0;
}

static int take_subs(const struct hoy_cgroup *cg, const char *const *subs, char **paths, struct hoy_err *err)
{
	int r = 0;

	for (size_t k = 0; r == 0 && subs && subs[k]; k++) {
		if (strchr(subs[k], ':'))
			r = take_controllers(cg, subs[k], paths, err);
		else if (k || subs[1])
			r = hoy_err_invalid(err, "several paths, but '%s' names no controller", subs[k]);
		else
			for (size_t i = 0; r == 0 && i < cg->table.n; i++)
				r = clean_sub(subs[k], &paths[i], err);
	}
	return r;
}

int hoy_cgroup_open_entry(
	const struct hoy_cgroup *cg, const char *const *subs, struct hoy_cgroup_entry *ret, struct hoy_err *err)
{
	auto_(hoy_cgroup_entry_close) struct hoy_cgroup_entry entry = HOY_CGROUP_ENTRY_INIT;
	char *paths[HOY_CGROUP_HIERARCHIES_MAX] = {};
	int r = take_subs(cg, subs, paths, err);

	for (size_t i = 0; r == 0 && i < cg->table.n; i++)
		r = !paths[i] && cg->dirs[i] < 0 && (i || !cg->table.v2) ? open_tasks(cg, i, &entry, err)
									 : open_in(cg, i, paths[i], &entry, err);
	for (size_t i = 0; i < cg->table.n; i++)
		free(paths[i]);
	if (r < 0)
		return r;
	*ret = entry;
	entry = (struct hoy_cgroup_entry) HOY_CGROUP_ENTRY_INIT;
	return 0;
}

bool hoy_cgroup_may_enter(const struct hoy_cgroup *cg)
{
	auto_free char *own = NULL, *file = NULL;
	size_t common = 0;

	if (!cg->table.v2 || hoy_cgroup_path_of(0, &own, NULL) < 0)
		return true;
	/* whole names only: "/a/b" and "/a/bc" have "/a" in common */
	for (size_t i = 0;; i++) {
		bool ends = (own[i] == '\0' || own[i] == '/') && (cg->path[i] == '\0' || cg->path[i] == '/');

		if (ends)
			common = i;
		if (own[i] == '\0' || own[i] != cg->path[i])
			break;
	}
	file = hoy_str_printf("%s%.*s/cgroup.procs", cg->table.hier[0].mount, (int) common, cg->path);
	return file == NULL || faccessat(AT_FDCWD, file, W_OK, AT_EACCESS) == 0;
}

void hoy_cgroup_entry_close(struct hoy_cgroup_entry *entry)
{
	int *fds[HOY_CGROUP_HIERARCHIES_MAX + 1] = { &entry->v2_fd };

	for (size_t i = 0; i < entry->n_tasks; i++)
		fds[i + 1] = &entry->tasks[i];
	hoy_fd_close_all(fds, entry->n_tasks + 1);
	entry->n_tasks = 0;
}

int hoy_cgroup_enter_v1(const struct hoy_cgroup_entry *entry, struct hoy_err *err)
{
	for (size_t i = 0; i < entry->n_tasks; i++)
		if (TEMP_FAILURE_RETRY(write(entry->tasks[i], "0", 1)) != 1)
			return hoy_err_sys(err, "enter a cgroup: write to its 'tasks'");
	return 0;
}
