/*
 * Looking at many containers. What one costs is system calls, most of them path walks and closes: so files are named
 * from directories that stay open, and what was opened is closed by ranges. Whatever is out of the ordinary goes the
 * way of a single container.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/path.h"
#include "runtime/state/state.h"

#define SWEEP_EVERY 200 /* descriptors; fewer than a process may have */

/* NAME/FILE in `dir`, of which the longest name is an id of 1,024 bytes. */
static int open_in(struct hoy_look *look, int dir, const char *name, const char *file)
{
	char path[1100];
	int n = snprintf(path, sizeof path, "%s/%s", name, file), fd;

	if (dir < 0 || n < 0 || (size_t) n >= sizeof path)
		return -EBADF;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	look->first = look->first < 0 ? fd : MIN(look->first, fd);
	look->used++;
	return fd;
}

static void sweep(struct hoy_look *look)
{
	if (look->first < 0)
		return;
	(void) syscall(SYS_close_range, look->first, ~0U, 0);
	if (look->group_dir >= look->first)
		look->group_dir = -EBADF;
	look->first = -1;
	look->used = 0;
}

void hoy_look_init(struct hoy_look *look, const char *root)
{
	*look = (struct hoy_look){
		.root_path = root,
		.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.group_dir = -EBADF,
		.first = -1,
	};
}

void hoy_look_done(struct hoy_look *look)
{
	sweep(look);
	free(look->group_path);
	hoy_fd_close(&look->group_dir);
	hoy_fd_close(&look->root);
	hoy_fd_close(&look->proc);
}

/* "/sys/fs/cgroup/docker/web/cgroup.events": the directory of the group, which others stand in too, stays open. */
static bool is_frozen(struct hoy_look *look, const struct hoy_state *state)
{
	auto_free char *events = state->cgroup ? hoy_cgroup_saved_events(state->cgroup) : NULL;
	char *file = events ? strrchr(events, '/') : NULL, *group;
	int fd;

	if (!file)
		return hoy_state_is_frozen(state);
	*file = '\0';
	group = strrchr(events, '/');
	*group = '\0';
	if (look->group_dir < 0 || strcmp(look->group_path, events) != 0) {
		hoy_fd_close(&look->group_dir);
		free(look->group_path);
		look->group_path = strdup(events);
		look->group_dir = look->group_path ? open(events, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	}
	fd = open_in(look, look->group_dir, group + 1, file + 1);
	return fd >= 0 && hoy_cgroup_events_frozen(fd) == 1;
}

static enum hoy_status status_of(struct hoy_look *look, struct hoy_state *state)
{
	char pid[sizeof "2147483647"];
	struct hoy_process_stat stat;
	int fd;

	if (look->proc < 0 || state->pid <= 0)
		return hoy_state_status(state);
	(void) snprintf(pid, sizeof pid, "%d", (int) state->pid);
	fd = open_in(look, look->proc, pid, "stat");
	if (fd < 0 || hoy_process_read_stat(fd, &stat) < 0 || !hoy_state_is_process(state, &stat))
		return HOY_STATUS_STOPPED;
	if (is_frozen(look, state))
		return HOY_STATUS_PAUSED;
	if (hoy_state_has_executed(state, &stat))
		return HOY_STATUS_RUNNING;
	state->path = hoy_path_join(look->root_path, state->id);
	return hoy_state_waits_for_start(state) ? HOY_STATUS_CREATED : HOY_STATUS_RUNNING;
}

int hoy_look_at(
	struct hoy_look *look, const char *id, struct hoy_state *ret, enum hoy_status *ret_status, struct hoy_err *err)
{
	int fd, r = hoy_state_check_id(id, err);

	if (r < 0)
		return r;
	if (look->used >= SWEEP_EVERY)
		sweep(look);
	fd = open_in(look, look->root, id, HOY_STATE_FILE);
	if (fd >= 0 && hoy_state_read(fd, ret, NULL) == 0) {
		*ret_status = status_of(look, ret);
		return 0;
	}
	r = hoy_state_look(look->root_path, id, ret, err);
	if (r == 0)
		*ret_status = hoy_state_status(ret);
	return r;
}
