/*
 * Requests of all of a shim's services, in any order, to the handlers that serve them. The runtime is played: what it
 * makes is a process that waits for its end.
 *
 * An input is a list of steps: a byte that names the method (and two flags), the length of its message in two bytes,
 * the message. The program may write nowhere but into a file system of its own and where libFuzzer keeps its files;
 * where that can't be had, nothing is done.
 */
#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/events.h"
#include "shim/reaper.h"
#include "shim/sandbox.h"
#include "shim/service.h"
#include "shim/stream.h"
#include "shim/task.h"

#define ROOM "/run" /* ours; the corpus has its bundles there */
#define MAX_STEPS 24
#define MAX_RUNTIMES 64
#define FAIL 0x80      /* the runtime fails, with the message as its log */
#define IMPATIENT 0x40 /* the next step comes while the runtime works */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *service, *method;
} methods[] = {
	{ HOY_TTRPC_TASK_SERVICE, "Create" },
	{ HOY_TTRPC_TASK_SERVICE, "Start" },
	{ HOY_TTRPC_TASK_SERVICE, "Delete" },
	{ HOY_TTRPC_TASK_SERVICE, "Exec" },
	{ HOY_TTRPC_TASK_SERVICE, "State" },
	{ HOY_TTRPC_TASK_SERVICE, "Wait" },
	{ HOY_TTRPC_TASK_SERVICE, "Kill" },
	{ HOY_TTRPC_TASK_SERVICE, "Pids" },
	{ HOY_TTRPC_TASK_SERVICE, "Pause" },
	{ HOY_TTRPC_TASK_SERVICE, "Resume" },
	{ HOY_TTRPC_TASK_SERVICE, "ResizePty" },
	{ HOY_TTRPC_TASK_SERVICE, "CloseIO" },
	{ HOY_TTRPC_TASK_SERVICE, "Update" },
	{ HOY_TTRPC_TASK_SERVICE, "Checkpoint" },
	{ HOY_TTRPC_TASK_SERVICE, "Stats" },
	{ HOY_TTRPC_TASK_SERVICE_V3, "Connect" },
	{ HOY_TTRPC_TASK_SERVICE_V3, "Shutdown" },
	{ HOY_TTRPC_SHIM_SERVICE, "Hello" },
	{ HOY_TTRPC_SHIM_SERVICE, "Expect" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "CreateSandbox" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "StartSandbox" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "Platform" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "StopSandbox" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "WaitSandbox" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "SandboxStatus" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "PingSandbox" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "ShutdownSandbox" },
	{ HOY_TTRPC_SANDBOX_SERVICE, "SandboxMetrics" },
	{ "no.such.Service", "Create" },
	{ HOY_TTRPC_STREAMING_SERVICE, "Stream" },
};

static bool is_confined;

/* What the played runtime is to do in this step; requests that are not answered yet. */
static struct {
	bool fails;
	const uint8_t *log;
	size_t log_len;
	struct hoy_ttrpc_request *requests[MAX_STEPS];
	bool answered[MAX_STEPS];
	size_t n_requests;
	int containers[MAX_STEPS]; /* pidfds */
	size_t n_containers;
	pid_t runtimes[MAX_RUNTIMES];
	size_t n_runtimes;
} play;

/* --- the room ----------------------------------------------------------------------------------------------------- */

static bool write_text(const char *path, const char *text)
{
	return hoy_file_set(AT_FDCWD, path, text, /* err= */ NULL) >= 0;
}

static bool own_mounts(void)
{
	auto_free char *uids = hoy_str_printf("0 %u 1", getuid()), *gids = hoy_str_printf("0 %u 1", getgid());

	return uids && gids && unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/uid_map", uids) &&
	       write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/gid_map", gids) &&
	       mount("room", ROOM, "tmpfs", MS_NOSUID | MS_NODEV, "size=16m") == 0;
}

static void allow(int rules, const char *path, uint64_t access)
{
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);
	const struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };

	if (fd >= 0)
		(void) syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static bool confine(char *const *argv)
{
	const uint64_t change = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
				LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
	const struct landlock_ruleset_attr attr = { .handled_access_fs = change };
	auto_fd int rules = (int) syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);

	if (rules < 0)
		return false;
	allow(rules, ROOM, change);
	allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);
	for (; *argv; argv++) {
		const char *value = strchr(*argv, '=');
		auto_free char *path = strdup(**argv == '-' ? value ? value + 1 : "" : *argv);
		char *slash = path ? strrchr(path, '/') : NULL;

		if (path && **argv == '-' && slash) /* a prefix of files */
			slash[1] = '\0';
		if (path && *path)
			allow(rules, path, change);
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

/* While there is one thread; the replay of a corpus has this called too. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	sigset_t child;

	(void) argc;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void) sigprocmask(
		SIG_BLOCK, &child, NULL); /* for libFuzzer's thread too: else it takes what the reaper waits for */
	is_confined = own_mounts() && confine(*argv + 1) && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
	if (!is_confined)
		fprintf(stderr, "fuzz-service: no user namespace or no Landlock here, nothing is tried\n");
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void) st;
	(void) type;
	if (at->level)
		(void) remove(path);
	return 0;
}

static void clean_room(void)
{
	(void) nftw(ROOM, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	for (const char *const *dir = (const char *const[]){ "/b", "/c", "/b/rootfs", "/s", NULL }; *dir; dir++) {
		auto_free char *path = hoy_str_printf(ROOM "%s", *dir);

		if (path)
			(void) mkdir(path, 0700);
	}
	(void) mkfifo(ROOM "/fifo", 0600);
	/* The pod in b is given its configuration, the one in c is not. */
	(void) hoy_file_write(AT_FDCWD, ROOM "/b/config.json", "{}", 2, 0600, /* flags= */ 0, /* err= */ NULL);
}

/* --- the runtime -------------------------------------------------------------------------------------------------- */

int __wrap_hoy_helper_find(const char *name, enum hoy_helper_kind kind, char **ret_path, struct hoy_err *err);
int __wrap_hoy_process_spawn(const struct hoy_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err);

int __wrap_hoy_helper_find(const char *name, enum hoy_helper_kind kind, char **ret_path, struct hoy_err *err)
{
	(void) kind;
	*ret_path = hoy_str_printf(ROOM "/bin/%s", name);
	return *ret_path ? 0 : hoy_err_oom(err);
}

static pid_t play_container(const struct hoy_spawn *spawn)
{
	pid_t pid = play.n_containers < MAX_STEPS ? fork() : -1;

	if (pid > 0)
		play.containers[play.n_containers++] = hoy_pidfd_open(pid);
	if (pid != 0)
		return pid;
	for (int sig = 1; sig < NSIG; sig++) /* libFuzzer has handlers */
		(void) signal(sig, SIG_DFL);
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int fd = 3; fd < 256; fd++)
		if (spawn->n_fds < 3 || (fd != spawn->fds[1] && fd != spawn->fds[2]))
			(void) close(fd);
	for (;;)
		(void) pause();
}

static const char *value_after(char *const *argv, const char *name)
{
	for (; argv[0] && argv[1]; argv++)
		if (strcmp(argv[0], name) == 0)
			return argv[1];
	return NULL;
}

int __wrap_hoy_process_spawn(const struct hoy_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err)
{
	const char *pid_file = value_after(spawn->argv, "--pid-file"), *log = value_after(spawn->argv, "--log");
	pid_t made = pid_file && !play.fails ? play_container(spawn) : 0;
	auto_free char *text = made > 0 ? hoy_str_printf("%d", (int) made) : NULL;
	pid_t pid;

	assert(!ret_pidfd);
	if (text)
		(void) hoy_file_write(AT_FDCWD, pid_file, text, strlen(text), 0600, /* flags= */ 0, /* err= */ NULL);
	if (log && play.fails)
		(void) hoy_file_write(AT_FDCWD, log, play.log, play.log_len, 0600, /* flags= */ 0, /* err= */ NULL);
	pid = play.n_runtimes < MAX_RUNTIMES ? fork() : -1;
	if (pid == 0)
		_exit(play.fails);
	if (pid < 0)
		return hoy_err_sys(err, "start '%s'", spawn->path);
	play.runtimes[play.n_runtimes++] = pid;
	*ret_pid = pid;
	return 0;
}

/* --- the shim ----------------------------------------------------------------------------------------------------- */

static void on_answer(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	size_t i = (size_t) (uintptr_t) userdata;

	assert(!play.answered[i] && reply->message);
	play.answered[i] = true;
}

static void ignore(void *userdata)
{
	(void) userdata;
}

static bool expect(void *userdata)
{
	(void) userdata;
	return true;
}

/* A runtime is there until the shim's reaper has told of its end. */
static bool runtime_works(void)
{
	while (play.n_runtimes && kill(play.runtimes[play.n_runtimes - 1], 0) < 0)
		play.n_runtimes--;
	return play.n_runtimes > 0;
}

static void wait_for_runtime(struct hoy_loop *loop)
{
	for (int i = 0; i < 1000 && runtime_works(); i++)
		(void) hoy_loop_run_once(loop, 10, /* err= */ NULL);
}

static void take_step(struct hoy_service *service, uint8_t step, const uint8_t *message, size_t len)
{
	const struct hoy_ttrpc_incoming in = {
		.service = methods[(step & 0x3f) % ARRAY_LEN(methods)].service,
		.method = methods[(step & 0x3f) % ARRAY_LEN(methods)].method,
		.payload = message,
		.len = len,
	};
	struct hoy_ttrpc_request *req = hoy_ttrpc_request_local(on_answer, (void *) (uintptr_t) play.n_requests);

	assert(req);
	play.fails = step & FAIL;
	play.log = message;
	play.log_len = len;
	play.answered[play.n_requests] = false;
	play.requests[play.n_requests++] = req;
	hoy_service_handle(req, &in, service);
	(void) hoy_loop_run_once(service->tasks->loop, 0, /* err= */ NULL);
	if (!(step & IMPATIENT))
		wait_for_runtime(service->tasks->loop);
}

static void take_steps(struct hoy_service *service, const uint8_t *data, size_t size)
{
	for (int i = 0; i < MAX_STEPS && size >= 3; i++) {
		uint8_t step = data[0];
		size_t len = (size_t) data[1] << 8 | data[2];

		data += 3;
		size -= 3;
		len = MIN(len, size);
		take_step(service, step, data, len);
		data += len;
		size -= len;
	}
}

/* The containers that are left, and whatever else has become our child. */
static void reap_all(void)
{
	siginfo_t si;

	for (size_t i = 0; i < play.n_containers; i++) {
		(void) hoy_pidfd_signal(play.containers[i], SIGKILL);
		hoy_fd_close(&play.containers[i]);
	}
	while (waitid(P_ALL, 0, &si, WEXITED) == 0)
		continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hoy_tasks tasks = { .namespace_ = "ns", .socket_dir = ROOM "/s", .on_change = ignore };
	struct hoy_service service = { .tasks = &tasks, .shutdown = ignore, .expect = expect, .create = ignore };
	struct hoy_events_options events = { .namespace_ = "ns" };

	if (!is_confined)
		return 0;
	play.n_requests = play.n_containers = play.n_runtimes = 0;
	clean_room();
	assert(hoy_loop_new(&tasks.loop, NULL) == 0);
	assert(hoy_reaper_new(tasks.loop, &tasks.reaper, NULL) == 0);
	events.loop = tasks.loop;
	events.reaper = tasks.reaper;
	assert(hoy_events_new(&events, &tasks.events, NULL) == 0);
	assert(hoy_streams_new(tasks.loop, ROOM "/s/s", &tasks.streams, NULL) == 0);
	assert(hoy_sandbox_new(tasks.loop, &service, &service.sandbox, NULL) == 0);
	take_steps(&service, data, size);
	wait_for_runtime(tasks.loop);
	hoy_tasks_free_all(&tasks);
	hoy_sandbox_free(service.sandbox);
	hoy_streams_free(tasks.streams);
	hoy_events_free(tasks.events);
	hoy_reaper_free(tasks.reaper);
	hoy_loop_free(tasks.loop);
	for (size_t i = 0; i < play.n_requests; i++)
		if (!play.answered[i]) /* a shim that ends answers nobody */
			free(play.requests[i]);
	reap_all();
	return 0;
}
