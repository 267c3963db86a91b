/* How a process gets into a group: descriptors opened by the parent, one write per v1 hierarchy by the child. */
#include "base/cgroup/cgroup_internal.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

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
			return hoy_err_sys(err, "open cgroup '%s%s/%s'", cg->table.hier[i].mount, cg->path, sub);
		dir = subdir;
	}
	fd = i == 0 && cg->table.v2 ? hoy_fd_dup(dir) : openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return hoy_err_sys(err, "open cgroup '%s%s' for entering", cg->table.hier[i].mount, cg->path);
	if (i == 0 && cg->table.v2)
		entry->v2_fd = fd;
	else
		entry->tasks[entry->n_tasks++] = fd;
	return 0;
}

int hoy_cgroup_open_entry(
	const struct hoy_cgroup *cg, const char *sub, struct hoy_cgroup_entry *ret, struct hoy_err *err)
{
	auto_(hoy_cgroup_entry_close) struct hoy_cgroup_entry entry = HOY_CGROUP_ENTRY_INIT;
	auto_free char *clean = NULL;

	if (sub != NULL) {
		clean = hoy_path_clean(sub);
		if (clean == NULL)
			return hoy_err_oom(err);
		if (clean[0] == '/' || hoy_str_eq(clean, "..") || hoy_str_starts(clean, "../"))
			return hoy_err_invalid(err, "cgroup '%s' is not below the container's", sub);
	}
	for (size_t i = 0; i < cg->table.n; i++) {
		int r = open_in(cg, i, clean, &entry, err);

		if (r < 0)
			return r;
	}
	*ret = entry;
	entry = (struct hoy_cgroup_entry) HOY_CGROUP_ENTRY_INIT;
	return 0;
}

void hoy_cgroup_entry_close(struct hoy_cgroup_entry *entry)
{
	hoy_fd_close(&entry->v2_fd);
	for (size_t i = 0; i < entry->n_tasks; i++)
		hoy_fd_close(&entry->tasks[i]);
	entry->n_tasks = 0;
}

int hoy_cgroup_enter_v1(const struct hoy_cgroup_entry *entry, struct hoy_err *err)
{
	for (size_t i = 0; i < entry->n_tasks; i++)
		if (TEMP_FAILURE_RETRY(write(entry->tasks[i], "0", 1)) != 1)
			return hoy_err_sys(err, "enter a cgroup: write to its 'tasks'");
	return 0;
}
