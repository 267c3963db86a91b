/* The processes of a group: listing, freezing, killing. */
#include "base/cgroup/cgroup_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

/* --- listing ---------------------------------------------------------------------------------------------------- */

/* The hierarchy whose lists we believe: v2, else one of the pids, freezer or whatever is first. */
static size_t main_hier(const struct hoy_cgroup *cg)
{
	int i = hoy_cgroup_table_find(&cg->table, HOY_CGROUP_PIDS);

	if (cg->table.v2)
		return 0;
	if (i < 0)
		i = hoy_cgroup_table_find(&cg->table, HOY_CGROUP_FREEZER);
	return i < 0 ? 0 : (size_t) i;
}

static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

/* In a threaded group cgroup.procs can't be read; its processes are listed in the domain above it. */
static int add_pids(int dir, const char *sub, struct hoy_buf *pids)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *file = hoy_str_printf("%s/cgroup.procs", sub);
	char *save = NULL;
	int r;

	if (file == NULL)
		return -ENOMEM;
	hoy_buf_init(&text, 0);
	r = hoy_file_read(dir, file, &text, /* err= */ NULL);
	if (r < 0)
		return is_gone(r) || r == -EOPNOTSUPP ? 0 : r;
	if (text.len == 0)
		return 0;
	for (char *line = strtok_r(text.data, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		int pid;

		/* 0 is a process of an outer pid namespace */
		if (hoy_str_to_int(line, &pid) == 0 && pid > 0) {
			r = hoy_buf_add(pids, &pid, sizeof pid);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int add_subgroups(int dir, const char *sub, char ***stack)
{
	auto_fd int fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (stream == NULL)
		return is_gone(-errno) ? 0 : -errno;
	(void) TAKE_FD(fd);
	for (struct dirent *entry; r == 0 && (entry = readdir(stream)) != NULL;)
		if (entry->d_type == DT_DIR && hoy_path_is_component(entry->d_name))
			r = hoy_strv_addf(stack, "%s/%s", sub, entry->d_name);
	closedir(stream);
	return r;
}

static int collect_pids(int dir, struct hoy_buf *pids)
{
	auto_ptr(hoy_strv_free) char **stack = NULL;
	int r = hoy_strv_add(&stack, ".");

	for (size_t next = 0; r == 0 && stack[next] != NULL; next++) {
		r = add_pids(dir, stack[next], pids);
		if (r == 0)
			r = add_subgroups(dir, stack[next], &stack);
	}
	return r;
}

int hoy_cgroup_pids(const struct hoy_cgroup *cg, pid_t **ret, size_t *ret_n, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf pids = {};
	int dir = hoy_cgroup_dirfd(cg, main_hier(cg)), r;

	*ret = NULL;
	*ret_n = 0;
	if (is_gone(dir))
		return 0;
	hoy_buf_init(&pids, 0);
	r = dir < 0 ? dir : collect_pids(dir, &pids);
	if (r < 0)
		return hoy_err_code(err, r, "list the processes of cgroup '%s'", cg->path);
	if (pids.len == 0)
		return 0;
	*ret_n = pids.len / sizeof(pid_t);
	*ret = (pid_t *) (void *) hoy_buf_take(&pids);
	return 0;
}

bool hoy_cgroup_is_populated(const struct hoy_cgroup *cg)
{
	auto_free pid_t *pids = NULL;
	char text[256];
	size_t n;

	if (cg->table.v2)
		return hoy_cgroup_read(cg, 0, "cgroup.events", text, sizeof text) > 0 &&
		       hoy_cgroup_keyed(text, "populated") != 0;
	return hoy_cgroup_pids(cg, &pids, &n, /* err= */ NULL) == 0 && n > 0;
}

/* --- freezing --------------------------------------------------------------------------------------------------- */

/* v1 has no event for it. A group where processes fork meanwhile may need the request again. */
static int freeze_v1(const struct hoy_cgroup *cg, size_t i, int64_t deadline)
{
	char state[32];
	long pause_us = 10;

	for (;;) {
		const struct timespec pause = { .tv_nsec = pause_us * 1000 };
		ssize_t n = hoy_cgroup_write(cg, i, "freezer.state", "FROZEN");

		if (n == 0)
			n = hoy_cgroup_read(cg, i, "freezer.state", state, sizeof state);
		if (n < 0)
			return (int) n;
		if (strcmp(state, "FROZEN") == 0)
			return 0;
		if (hoy_cgroup_remaining_ms(deadline) == 0)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
		pause_us = MIN(pause_us * 2, 10000L);
	}
}

static int freeze_v2(const struct hoy_cgroup *cg, int64_t deadline)
{
	int r = hoy_cgroup_write(cg, 0, "cgroup.freeze", "1");

	return r < 0 ? r : hoy_cgroup_wait_event(hoy_cgroup_dirfd(cg, 0), "frozen", 1, deadline);
}

int hoy_cgroup_freeze(struct hoy_cgroup *cg, int timeout_ms, struct hoy_err *err)
{
	int64_t deadline = hoy_cgroup_deadline(timeout_ms);
	int i = hoy_cgroup_table_find(&cg->table, HOY_CGROUP_FREEZER), r;

	if (!cg->table.v2 && i < 0)
		return hoy_err_unsupported(err, "freeze cgroup '%s': this host has no freezer controller", cg->path);
	r = cg->table.v2 ? freeze_v2(cg, deadline) : freeze_v1(cg, (size_t) i, deadline);
	if (r == -ETIMEDOUT)
		(void) hoy_cgroup_thaw(cg, /* err= */ NULL);
	return r < 0 ? hoy_err_code(err, r, "freeze cgroup '%s'", cg->path) : 0;
}

int hoy_cgroup_thaw(struct hoy_cgroup *cg, struct hoy_err *err)
{
	int i = hoy_cgroup_table_find(&cg->table, HOY_CGROUP_FREEZER), r;

	if (!cg->table.v2 && i < 0)
		return hoy_err_unsupported(err, "thaw cgroup '%s': this host has no freezer controller", cg->path);
	r = cg->table.v2 ? hoy_cgroup_write(cg, 0, "cgroup.freeze", "0")
			 : hoy_cgroup_write(cg, (size_t) i, "freezer.state", "THAWED");
	return r < 0 ? hoy_err_code(err, r, "thaw cgroup '%s'", cg->path) : 0;
}

/* Both files give all they have in one read. */
static int read_frozen_fd(int fd, bool v2)
{
	char text[256];
	ssize_t n = read(fd, text, sizeof text - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return v2 ? hoy_cgroup_keyed(text, "frozen") != 0 : hoy_str_starts(text, "FROZEN");
}

static int read_frozen(const char *path, bool v2, struct hoy_err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_frozen_fd(fd, v2);

	return r < 0 ? hoy_err_code(err, r, "read '%s'", path) : r;
}

int hoy_cgroup_events_frozen(int fd)
{
	return read_frozen_fd(fd, /* v2= */ true);
}

int hoy_cgroup_is_frozen(const struct hoy_cgroup *cg, struct hoy_err *err)
{
	int i = cg->table.v2 ? 0 : hoy_cgroup_table_find(&cg->table, HOY_CGROUP_FREEZER);
	auto_free char *path = NULL;

	if (i < 0)
		return 0;
	path = hoy_str_printf(
		"%s%s/%s", cg->table.hier[i].mount, cg->path, cg->table.v2 ? "cgroup.events" : "freezer.state");
	return path ? read_frozen(path, cg->table.v2, err) : hoy_err_oom(err);
}

/* Where the v2 tree is the first, two of the fields are all that is needed. */
char *hoy_cgroup_saved_events(const char *text)
{
	const char *path = hoy_str_starts(text, "1\t") ? text + 2 : "", *mount = strchr(path, '\t');
	const char *name = mount ? strchr(mount + 1, '\t') : NULL;

	if (!name || name[1] != '\t')
		return NULL;
	return hoy_str_printf(
		"%.*s%.*s/cgroup.events", (int) (name - mount - 1), mount + 1, (int) (mount - path), path);
}

int hoy_cgroup_saved_is_frozen(const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	auto_free char *events = hoy_cgroup_saved_events(text);
	int r;

	if (events)
		return read_frozen(events, /* v2= */ true, err);
	r = hoy_cgroup_from_string(text, &cg, err);
	return r < 0 ? r : hoy_cgroup_is_frozen(cg, err);
}

/* --- killing ---------------------------------------------------------------------------------------------------- */

static int signal_all(const struct hoy_cgroup *cg, int sig, struct hoy_err *err)
{
	auto_free pid_t *pids = NULL;
	size_t n;
	int r = hoy_cgroup_pids(cg, &pids, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (kill(pids[i], sig) < 0 && errno != ESRCH)
			return hoy_err_sys(err, "send signal %d to process %d", sig, (int) pids[i]);
	return 0;
}

/* Without cgroup.kill (before Linux 5.14, or v1): while all are stopped nobody forks away. */
static int kill_frozen(struct hoy_cgroup *cg, struct hoy_err *err)
{
	bool frozen = hoy_cgroup_freeze(cg, /* timeout_ms= */ 2000, /* err= */ NULL) == 0;
	int r = signal_all(cg, SIGKILL, err);

	if (frozen)
		(void) hoy_cgroup_thaw(cg, /* err= */ NULL);
	else if (r == 0)
		r = signal_all(cg, SIGKILL, err);
	return r;
}

int hoy_cgroup_kill(struct hoy_cgroup *cg, int sig, struct hoy_err *err)
{
	int r;

	if (sig != SIGKILL)
		return signal_all(cg, sig, err);
	if (cg->table.v2) {
		r = hoy_cgroup_write(cg, 0, "cgroup.kill", "1");
		if (r == 0)
			return 0;
		if (!is_gone(r) && r != -EOPNOTSUPP)
			return hoy_err_code(err, r, "kill cgroup '%s'", cg->path);
	}
	if (!hoy_cgroup_exists(cg))
		return 0;
	return kill_frozen(cg, err);
}
