/* Out-of-memory events: a descriptor to poll, and the number of kills so far. */
#include "base/cgroup/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

static int memory_hier(const struct hoy_cgroup *cg, struct hoy_err *err)
{
	int i = hoy_cgroup_table_find(&cg->table, HOY_CGROUP_MEMORY);

	if (i < 0)
		return hoy_err_unsupported(err, "watch cgroup '%s': this host has no memory controller", cg->path);
	return i;
}

static bool is_v2(const struct hoy_cgroup *cg, int i)
{
	return i == 0 && cg->table.v2;
}

/* The kernel raises "modified" for every change of memory.events. */
static int watch_v2(const struct hoy_cgroup *cg, struct hoy_err *err)
{
	auto_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	auto_free char *file = hoy_str_printf("%s%s/memory.events", cg->table.hier[0].mount, cg->path);

	if (fd < 0)
		return hoy_err_sys(err, "make an inotify descriptor");
	if (file == NULL)
		return hoy_err_oom(err);
	if (inotify_add_watch(fd, file, IN_MODIFY) < 0)
		return hoy_err_sys(err, "watch '%s'", file);
	return TAKE_FD(fd);
}

/* v1: an eventfd that is registered for memory.oom_control; also raised when the group is removed. */
static int watch_v1(const struct hoy_cgroup *cg, size_t i, struct hoy_err *err)
{
	auto_fd int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), control = -EBADF;
	int dir = hoy_cgroup_dirfd(cg, i), r;
	char text[64];

	if (fd < 0)
		return hoy_err_sys(err, "make an eventfd");
	if (dir < 0)
		return hoy_err_code(err, dir, "open cgroup '%s'", cg->path);
	control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (control < 0)
		return hoy_err_sys(err, "open 'memory.oom_control' of cgroup '%s'", cg->path);
	snprintf(text, sizeof text, "%d %d", fd, control);
	r = hoy_cgroup_write_at(dir, "cgroup.event_control", text);
	if (r < 0)
		return hoy_err_code(err, r, "register for the OOM events of cgroup '%s'", cg->path);
	return TAKE_FD(fd);
}

int hoy_cgroup_oom_open(const struct hoy_cgroup *cg, struct hoy_err *err)
{
	int i = memory_hier(cg, err);

	if (i < 0)
		return i;
	return is_v2(cg, i) ? watch_v2(cg, err) : watch_v1(cg, (size_t) i, err);
}

void hoy_cgroup_oom_drain(int fd)
{
	char buf[4096] __attribute__((aligned(8)));

	while (read(fd, buf, sizeof buf) == (ssize_t) sizeof buf)
		continue;
}

int hoy_cgroup_oom_kills(const struct hoy_cgroup *cg, uint64_t *ret, struct hoy_err *err)
{
	int i = memory_hier(cg, err);
	char text[1024];
	ssize_t n;

	if (i < 0)
		return i;
	n = hoy_cgroup_read(cg, (size_t) i, is_v2(cg, i) ? "memory.events" : "memory.oom_control", text, sizeof text);
	if (n < 0)
		return hoy_err_code(err, (int) n, "read the OOM kills of cgroup '%s'", cg->path);
	*ret = hoy_cgroup_keyed(text, "oom_kill");
	return 0;
}
