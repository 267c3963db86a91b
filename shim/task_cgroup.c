/* A container's cgroup, found through its first process. */
#include "shim/task_cgroup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/loop.h"

#define AGAIN_FIRST_NS ((uint64_t) 5000000)
#define AGAIN_MAX_NS ((uint64_t) 1000000000)

struct hoy_task_cgroup {
	/* Other runtimes than ours may name the group differently in each hierarchy. */
	struct hoy_cgroup *processes; /* never NULL */
	struct hoy_cgroup *memory;    /* NULL: none */
	int fd;
	struct hoy_source *source;
	struct hoy_source *again; /* v1: looks at the counter once more */
	uint64_t again_ns;        /* after this long; doubles */
	uint64_t kills;
	hoy_oom_handler handler;
	void *userdata;
};

bool hoy_task_cgroup_check_oom(struct hoy_task_cgroup *cgroup)
{
	uint64_t kills;

	/* An eventfd of v1 also fires when the group is removed: the counter decides. */
	if (cgroup->memory && hoy_cgroup_oom_kills(cgroup->memory, &kills, /* err= */ NULL) >= 0 &&
		kills > cgroup->kills) {
		cgroup->kills = kills;
		cgroup->handler(cgroup->userdata);
	}
	return cgroup->kills > 0;
}

/* v1 raises its event when the kernel begins to look for a victim: the kill is counted some time later. */
static void look_again(struct hoy_task_cgroup *cgroup)
{
	hoy_source_set_timer(cgroup->again, cgroup->again_ns > AGAIN_MAX_NS ? UINT64_MAX : cgroup->again_ns);
	cgroup->again_ns *= 2;
}

static void on_again(struct hoy_source *source, void *userdata)
{
	struct hoy_task_cgroup *cgroup = userdata;
	uint64_t before = cgroup->kills;

	(void) source;
	(void) hoy_task_cgroup_check_oom(cgroup);
	if (cgroup->kills == before)
		look_again(cgroup);
}

static void on_oom(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_task_cgroup *cgroup = userdata;
	uint64_t before = cgroup->kills;

	hoy_cgroup_oom_drain(cgroup->fd);
	(void) hoy_task_cgroup_check_oom(cgroup);
	if (cgroup->kills == before && cgroup->again) {
		cgroup->again_ns = AGAIN_FIRST_NS;
		look_again(cgroup);
	}
	if (!hoy_cgroup_exists(cgroup->memory) || (events & (EPOLLHUP | EPOLLERR)))
		(void) hoy_source_set_events(source, 0, NULL);
}

/* True when `path` is a group of the container's own: neither the root nor one that we are in ourselves. */
static bool is_its_own(const char *path, const char *name)
{
	auto_free char *ours = NULL;
	size_t len = strlen(path);

	if (strcmp(path, "/") == 0 || hoy_cgroup_path_in(/* pid= */ 0, name, &ours, /* err= */ NULL) < 0)
		return false;
	return strncmp(ours, path, len) != 0 || (ours[len] && ours[len] != '/');
}

/* Its path in the first of the named hierarchies where it has one; heap, NULL if there is none. */
static char *find_path(pid_t pid, const char *const *names)
{
	for (; *names; names++) {
		char *path = NULL;

		if (hoy_cgroup_path_in(pid, *names, &path, /* err= */ NULL) < 0)
			continue;
		if (is_its_own(path, *names))
			return path;
		free(path);
	}
	return NULL;
}

static int watch_oom(struct hoy_task_cgroup *cgroup, struct hoy_loop *loop)
{
	cgroup->fd = hoy_cgroup_oom_open(cgroup->memory, /* err= */ NULL);
	if (cgroup->fd < 0) /* no memory controller: nothing to watch */
		return 0;
	(void) hoy_cgroup_oom_kills(cgroup->memory, &cgroup->kills, /* err= */ NULL);
	if (hoy_loop_timer(loop, &cgroup->again, UINT64_MAX, on_again, cgroup, /* err= */ NULL) < 0)
		return -ENOMEM;
	return hoy_loop_io(loop, &cgroup->source, cgroup->fd, EPOLLIN, on_oom, cgroup, /* err= */ NULL);
}

static int open_groups(struct hoy_task_cgroup *cgroup, const struct hoy_cgroup_host *host, const char *processes,
	const char *memory, struct hoy_err *err)
{
	int r = hoy_cgroup_new(host, processes, &cgroup->processes, err);

	return r >= 0 && memory ? hoy_cgroup_new(host, memory, &cgroup->memory, err) : r;
}

int hoy_task_cgroup_new(struct hoy_loop *loop, pid_t pid, hoy_oom_handler handler, void *userdata,
	struct hoy_task_cgroup **ret, struct hoy_err *err)
{
	static const char *const for_processes[] = { "", "pids", "freezer", "name=systemd", "memory", NULL };
	static const char *const for_memory[] = { "memory", "", NULL };
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;
	auto_free char *processes = NULL, *memory = NULL;
	struct hoy_task_cgroup *cgroup;
	int r = hoy_cgroup_host_detect(&host, err);

	*ret = NULL;
	if (r < 0 || hoy_cgroup_host_mode(host) == HOY_CGROUP_NONE)
		return r;
	processes = find_path(pid, for_processes);
	memory = find_path(pid, for_memory);
	if (!processes)
		return 0;
	cgroup = calloc(1, sizeof *cgroup);
	if (!cgroup)
		return hoy_err_oom(err);
	cgroup->fd = -EBADF;
	cgroup->handler = handler;
	cgroup->userdata = userdata;
	r = open_groups(cgroup, host, processes, memory, err);
	if (r >= 0 && cgroup->memory)
		r = watch_oom(cgroup, loop);
	if (r < 0) {
		hoy_task_cgroup_free(cgroup);
		return r;
	}
	*ret = cgroup;
	return 0;
}

void hoy_task_cgroup_free(struct hoy_task_cgroup *cgroup)
{
	if (!cgroup)
		return;
	hoy_source_free(cgroup->source);
	hoy_source_free(cgroup->again);
	hoy_fd_close(&cgroup->fd);
	hoy_cgroup_free(cgroup->processes);
	hoy_cgroup_free(cgroup->memory);
	free(cgroup);
}

int hoy_task_cgroup_kill(struct hoy_task_cgroup *cgroup, int sig, struct hoy_err *err)
{
	return hoy_cgroup_kill(cgroup->processes, sig, err);
}

int hoy_task_cgroup_pids(const struct hoy_task_cgroup *cgroup, pid_t **ret, size_t *ret_n, struct hoy_err *err)
{
	return hoy_cgroup_pids(cgroup->processes, ret, ret_n, err);
}

int hoy_task_cgroup_stats(const struct hoy_task_cgroup *cgroup, struct hoy_cgroup_stats *ret, struct hoy_err *err)
{
	return hoy_cgroup_read_stats(cgroup->processes, ret, err);
}
