/*
 * Looking at many containers. What one costs is system calls, most of them path walks and closes: so files are named
 * from directories that stay open, and what was opened is closed by ranges. Whatever is out of the ordinary goes the
 * way of a single container.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/time.h"
#include "runtime/state/state.h"

#define CLOCK_SLACK_MS 2000 /* between a container's `created` and its process, as clocks and ticks are */

static int note(struct hoy_look *look, int fd)
{
	if (fd >= 0)
		look->first = look->first < 0 ? fd : MIN(look->first, fd);
	return fd;
}

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
	return note(look, fd);
}

static void sweep(struct hoy_look *look)
{
	if (look->first < 0)
		return;
	(void) syscall(SYS_close_range, look->first, ~0U, 0);
	if (look->group_dir >= look->first)
		look->group_dir = -EBADF;
	look->first = -1;
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts = {};

	(void) clock_gettime(clock, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void hoy_look_init(struct hoy_look *look, const char *root)
{
	*look = (struct hoy_look){
		.root_path = root,
		.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.group_dir = -EBADF,
		.any_pidfd = hoy_pidfd_open(getpid()),
		.boot_ms = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME),
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
	hoy_fd_close(&look->any_pidfd);
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

/* Numbers of processes begin anew at each boot, and a state may be older, where ROOT is no tmpfs: then the start time
 * by the machine's clock is another than the container's. */
static bool is_of_this_boot(const struct hoy_look *look, const struct hoy_state *state)
{
	int64_t ticks = (int64_t) state->start_time, hz = (int64_t) getauxval(AT_CLKTCK), differ;
	struct timespec created;

	if (!state->created || hoy_time_parse(state->created, &created) < 0 || ticks < 0 || ticks > INT64_MAX / 1000 ||
		hz <= 0)
		return false;
	differ = (int64_t) created.tv_sec * 1000 + created.tv_nsec / 1000000 - look->boot_ms - ticks * 1000 / hz;
	return differ > -CLOCK_SLACK_MS && differ < CLOCK_SLACK_MS;
}

/* Its process by the handle: a descriptor to be polled, -ESTALE when there is none any more, or another error: look. */
static int open_process(struct hoy_look *look, const struct hoy_state *state)
{
	if (state->pid <= 0 || !state->pid_handle || look->any_pidfd < 0 || !is_of_this_boot(look, state))
		return -EOPNOTSUPP;
	return note(look, hoy_pidfd_open_handle(look->any_pidfd, state->pid_handle));
}

static bool is_alive(struct hoy_look *look, const struct hoy_state *state, struct hoy_process_stat *ret)
{
	char pid[sizeof "2147483647"];
	int fd;

	(void) snprintf(pid, sizeof pid, "%d", (int) state->pid);
	fd = open_in(look, look->proc, pid, "stat");
	return fd >= 0 && hoy_process_read_stat(fd, ret) == 0 && hoy_state_is_process(state, ret);
}

/* `process` is what open_process() gave, `ended` what poll() said of it. */
static enum hoy_status status_of(struct hoy_look *look, struct hoy_state *state, int process, bool ended)
{
	bool by_handle = process >= 0 || process == -ESTALE;
	struct hoy_process_stat stat = {};

	if (look->proc < 0 || state->pid <= 0)
		return hoy_state_status(state);
	if (by_handle ? process < 0 || ended : !is_alive(look, state, &stat))
		return HOY_STATUS_STOPPED;
	if (is_frozen(look, state))
		return HOY_STATUS_PAUSED;
	if (by_handle ? state->started : hoy_state_has_executed(state, &stat))
		return HOY_STATUS_RUNNING;
	state->path = state->path ? state->path : hoy_path_join(look->root_path, state->id);
	return hoy_state_waits_for_start(state) ? HOY_STATUS_CREATED : HOY_STATUS_RUNNING;
}

static int read_one(struct hoy_look *look, const char *id, struct hoy_state *ret)
{
	int fd, r = hoy_state_check_id(id, NULL);

	if (r < 0)
		return r;
	fd = open_in(look, look->root, id, HOY_STATE_FILE);
	if (fd >= 0 && hoy_state_read(fd, ret, NULL) == 0)
		return 0;
	return hoy_state_look(look->root_path, id, ret, NULL);
}

void hoy_look_at(struct hoy_look *look, char *const *ids, size_t n, struct hoy_seen *ret)
{
	struct pollfd processes[HOY_LOOK_MAX];

	sweep(look);
	n = MIN(n, (size_t) HOY_LOOK_MAX);
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct hoy_seen){ .state = { .dir = -EBADF } };
		if (read_one(look, ids[i], &ret[i].state) < 0)
			ret[i].state = (struct hoy_state){ .dir = -EBADF };
		processes[i] = (struct pollfd){ .fd = open_process(look, &ret[i].state), .events = POLLIN };
	}
	while (poll(processes, n, 0) < 0 && errno == EINTR)
		;
	for (size_t i = 0; i < n; i++)
		ret[i].status = status_of(look, &ret[i].state, processes[i].fd, processes[i].revents != 0);
}

void hoy_seen_done(struct hoy_seen *seen, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hoy_state_done(&seen[i].state);
}
