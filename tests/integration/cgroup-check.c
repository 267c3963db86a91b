/*
 * Drives libhoy-cgroup on a real kernel, for cgroup.bats: one verb of the library per call, or several in one.
 *
 *	cgroup-check host
 *	cgroup-check save|create|remove|exists|freeze|thaw|frozen|kill|pids|oom-kills|stats PATH
 *	cgroup-check limits PATH memory.limit=64m pids.limit=10 FILE=VALUE ...
 *	cgroup-check devices PATH "allow c 1:3 rwm" ...
 *	cgroup-check run PATH COMMAND ARGS ...            in the group; the exit status is the command's
 *	cgroup-check oom-run PATH COMMAND ARGS ...        the same, then prints how often the OOM descriptor fired
 */
#include "base/cgroup/cgroup.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"

static int cmd_host(void)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;
	struct hoy_err err = {};
	const char *mount, *name;

	if (hoy_cgroup_host_detect(&host, &err) < 0) {
		fprintf(stderr, "%s\n", hoy_err_str(&err));
		return EXIT_FAILURE;
	}
	printf("mode %s\n", hoy_cgroup_mode_to_string(hoy_cgroup_host_mode(host)));
	for (size_t i = 0; (mount = hoy_cgroup_host_hierarchy(host, i, &name)) != NULL; i++)
		printf("hierarchy %s %s\n", name[0] == '\0' ? "v2" : name, mount);
	for (unsigned int c = 0; c < _HOY_CGROUP_CONTROLLER_MAX; c++)
		if (hoy_cgroup_host_has(host, c))
			printf("controller %s\n", hoy_cgroup_controller_to_string(c));
	return EXIT_SUCCESS;
}

static int cmd_save(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *copy = NULL;
	auto_free char *text = hoy_cgroup_to_string(cg), *again = NULL;
	int r = hoy_cgroup_from_string(text, &copy, err);

	(void) args;
	if (r < 0)
		return r;
	again = hoy_cgroup_to_string(copy);
	puts(again);
	return 0;
}

static int cmd_create(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	(void) args;
	return hoy_cgroup_create(cg, err);
}

static int cmd_remove(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	(void) args;
	return hoy_cgroup_remove(cg, /* timeout_ms= */ 2000, err);
}

static int cmd_exists(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	(void) args;
	(void) err;
	puts(hoy_cgroup_exists(cg) ? "yes" : "no");
	return 0;
}

static int cmd_freeze(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	(void) args;
	return hoy_cgroup_freeze(cg, /* timeout_ms= */ 5000, err);
}

static int cmd_thaw(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	(void) args;
	return hoy_cgroup_thaw(cg, err);
}

static int cmd_frozen(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	int r = hoy_cgroup_is_frozen(cg, err);

	(void) args;
	if (r >= 0)
		puts(r ? "yes" : "no");
	return r;
}

static int cmd_kill(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	return hoy_cgroup_kill(cg, args[0] == NULL ? SIGKILL : hoy_signal_from_string(args[0]), err);
}

static int cmd_pids(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	auto_free pid_t *pids = NULL;
	size_t n;
	int r = hoy_cgroup_pids(cg, &pids, &n, err);

	(void) args;
	for (size_t i = 0; r == 0 && i < n; i++)
		printf("%d\n", (int) pids[i]);
	return r;
}

static int cmd_oom_kills(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	uint64_t kills;
	int r = hoy_cgroup_oom_kills(cg, &kills, err);

	(void) args;
	if (r == 0)
		printf("%llu\n", (unsigned long long) kills);
	return r;
}

static int cmd_stats(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};
	int r = hoy_cgroup_read_stats(cg, &stats, err);

	(void) args;
	if (r < 0)
		return r;
	printf("cpu.total_ns %llu\n", (unsigned long long) stats.cpu.total_ns);
	printf("cpu.percpu %zu\n", stats.cpu.n_percpu);
	printf("memory.usage %llu\n", (unsigned long long) stats.memory.usage.usage);
	printf("memory.limit %llu\n", (unsigned long long) stats.memory.usage.limit);
	printf("memory.stat.inactive_file %llu\n", (unsigned long long) hoy_cgroup_stat_get(&stats, "inactive_file"));
	printf("memory.stat.lines %zu\n", stats.memory.n_stat);
	printf("pids.current %llu\n", (unsigned long long) stats.pids.current);
	printf("pids.limit %llu\n", (unsigned long long) stats.pids.limit);
	for (size_t i = 0; i < stats.n_hugetlb; i++)
		printf("hugetlb %s %llu\n", stats.hugetlb[i].page_size, (unsigned long long) stats.hugetlb[i].limit);
	for (size_t i = 0; i < stats.io.n_devices; i++)
		printf("io %u:%u %llu %llu\n", stats.io.devices[i].major, stats.io.devices[i].minor,
			(unsigned long long) stats.io.devices[i].read_bytes,
			(unsigned long long) stats.io.devices[i].write_bytes);
	printf("psi %d\n", stats.cpu.psi.present);
	return 0;
}

static int cmd_chown(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	unsigned int uid;

	if (args[0] == NULL || hoy_str_to_uint(args[0], &uid) < 0)
		return hoy_err_invalid(err, "chown needs a user id");
	return hoy_cgroup_chown(cg, uid, err);
}

/* --- limits ----------------------------------------------------------------------------------------------------- */

static int parse_limit(struct hoy_cgroup_limits *limits, const char *key, const char *value)
{
	struct {
		const char *key;
		const int64_t **to;
	} numbers[] = {
		{ "memory.limit", &limits->memory_limit },
		{ "memory.swap", &limits->memory_swap },
		{ "memory.reservation", &limits->memory_reservation },
		{ "memory.kernel", &limits->memory_kernel },
		{ "cpu.quota", &limits->cpu_quota },
		{ "cpu.shares", (const int64_t **) &limits->cpu_shares },
		{ "cpu.period", (const int64_t **) &limits->cpu_period },
		{ "cpu.burst", (const int64_t **) &limits->cpu_burst },
		{ "cpu.idle", &limits->cpu_idle },
		{ "pids.limit", &limits->pids_limit },
		{ "memory.swappiness", (const int64_t **) &limits->memory_swappiness },
	};

	if (strcmp(key, "memory.check") == 0)
		limits->memory_check_before_update = true;
	else if (strcmp(key, "cpu.cpus") == 0)
		limits->cpuset_cpus = value;
	else if (strcmp(key, "cpu.mems") == 0)
		limits->cpuset_mems = value;
	else
		for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
			if (strcmp(key, numbers[i].key) == 0) {
				static int64_t values[ARRAY_LEN(numbers)];
				int64_t *number = &values[i];

				*numbers[i].to = number;
				return strcmp(value, "-1") == 0 ? (*number = -1, 0) : hoy_str_to_bytes(value, number);
			}
	return 0;
}

static int cmd_limits(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	static struct hoy_cgroup_unified unified[64];
	static struct hoy_cgroup_hugepage huge;
	struct hoy_cgroup_limits limits = { .unified = unified };

	for (; *args != NULL; args++) {
		char *value = strchr(*args, '=');

		if (value == NULL)
			return hoy_err_invalid(err, "'%s' is no KEY=VALUE", *args);
		*value++ = '\0';
		if (strncmp(*args, "unified:", 8) == 0) {
			unified[limits.n_unified].key = *args + 8;
			unified[limits.n_unified++].value = value;
		} else if (strncmp(*args, "hugepage:", 9) == 0) {
			huge.page_size = *args + 9;
			if (hoy_str_to_u64(value, &huge.limit) < 0)
				return hoy_err_invalid(err, "'%s' is no number", value);
			limits.hugepages = &huge;
			limits.n_hugepages = 1;
		} else if (parse_limit(&limits, *args, value) < 0) {
			return hoy_err_invalid(err, "'%s' is no number", value);
		}
	}
	return hoy_cgroup_set_limits(cg, &limits, err);
}

static int cmd_devices(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	struct hoy_cgroup_device rules[64] = {};
	size_t n = 0;

	for (; *args != NULL && n < ARRAY_LEN(rules); args++, n++) {
		auto_ptr(hoy_strv_free) char **words = hoy_str_split(*args, ' ');
		const char *minor = strchr(words[2], ':') + 1;

		rules[n].allow = strcmp(words[0], "allow") == 0;
		rules[n].type = words[1][0];
		rules[n].major = words[2][0] == '*' ? -1 : strtol(words[2], NULL, 10);
		rules[n].minor = minor[0] == '*' ? -1 : strtol(minor, NULL, 10);
		rules[n].access = (strchr(words[3], 'r') ? HOY_CGROUP_DEV_READ : 0u) |
				  (strchr(words[3], 'w') ? HOY_CGROUP_DEV_WRITE : 0u) |
				  (strchr(words[3], 'm') ? HOY_CGROUP_DEV_MKNOD : 0u);
	}
	return hoy_cgroup_set_devices(cg, rules, n, err);
}

/* --- running ---------------------------------------------------------------------------------------------------- */

static pid_t spawn_in(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	auto_(hoy_cgroup_entry_close) struct hoy_cgroup_entry entry = HOY_CGROUP_ENTRY_INIT;
	struct clone_args clone = { .exit_signal = SIGCHLD };
	int r = hoy_cgroup_open_entry(cg, /* subs= */ NULL, &entry, err);
	pid_t pid;

	if (r < 0)
		return r;
	if (entry.v2_fd >= 0) {
		clone.flags = CLONE_INTO_CGROUP;
		clone.cgroup = (uint64_t) entry.v2_fd;
	}
	pid = (pid_t) syscall(SYS_clone3, &clone, sizeof clone);
	if (pid < 0)
		return hoy_err_sys(err, "clone into cgroup '%s'", hoy_cgroup_path(cg));
	if (pid == 0) {
		if (hoy_cgroup_enter_v1(&entry, err) < 0) {
			fprintf(stderr, "%s\n", hoy_err_str(err));
			_exit(125);
		}
		execvp(args[0], args);
		_exit(127);
	}
	return pid;
}

static int cmd_run(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	pid_t pid = spawn_in(cg, args, err);
	siginfo_t si = {};

	if (pid < 0)
		return pid;
	if (hoy_process_wait(pid, &si, err) < 0)
		return -ECHILD;
	exit(hoy_process_status(&si));
}

static int cmd_oom_run(struct hoy_cgroup *cg, char **args, struct hoy_err *err)
{
	auto_fd int fd = hoy_cgroup_oom_open(cg, err);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	siginfo_t si = {};
	pid_t pid;

	if (fd < 0)
		return fd;
	pid = spawn_in(cg, args, err);
	if (pid < 0)
		return pid;
	printf("fired %d\n", poll(&pfd, 1, 20000));
	hoy_cgroup_oom_drain(fd);
	if (hoy_process_wait(pid, &si, err) < 0)
		return -ECHILD;
	printf("status %d\n", hoy_process_status(&si));
	return cmd_oom_kills(cg, args, err);
}

/* --- verbs ------------------------------------------------------------------------------------------------------ */

static const struct verb {
	const char *name;
	int (*run)(struct hoy_cgroup *cg, char **args, struct hoy_err *err);
} verbs[] = {
	{ "save", cmd_save },
	{ "create", cmd_create },
	{ "remove", cmd_remove },
	{ "exists", cmd_exists },
	{ "chown", cmd_chown },
	{ "freeze", cmd_freeze },
	{ "thaw", cmd_thaw },
	{ "frozen", cmd_frozen },
	{ "kill", cmd_kill },
	{ "pids", cmd_pids },
	{ "oom-kills", cmd_oom_kills },
	{ "stats", cmd_stats },
	{ "limits", cmd_limits },
	{ "devices", cmd_devices },
	{ "run", cmd_run },
	{ "oom-run", cmd_oom_run },
};

int main(int argc, char **argv)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	struct hoy_err err = {};

	if (argc == 2 && strcmp(argv[1], "host") == 0)
		return cmd_host();
	for (size_t i = 0; argc >= 3 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		if (hoy_cgroup_host_detect(&host, &err) < 0 || hoy_cgroup_new(host, argv[2], &cg, &err) < 0 ||
			verbs[i].run(cg, argv + 3, &err) < 0) {
			fprintf(stderr, "%s\n", hoy_err_str(&err));
			return EXIT_FAILURE;
		}
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "usage: cgroup-check VERB PATH ...\n");
	return EXIT_FAILURE;
}
