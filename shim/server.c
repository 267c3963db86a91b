/*
 * Server mode: one loop, one thread. Ends after Shutdown, when its events are out and attached clients have read all;
 * or by itself when nothing was ever created in it.
 */
#include "shim/server.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/bundle.h"
#include "shim/events.h"
#include "shim/flags.h"
#include "shim/reaper.h"
#include "shim/sandbox.h"
#include "shim/service.h"
#include "shim/stream.h"
#include "shim/task.h"

#define NS_PER_S ((uint64_t) 1000000000)
#define UNUSED_NS (60 * NS_PER_S) /* without a container and without a caller */
#define FLUSH_NS (2 * NS_PER_S)   /* for events, after Shutdown */
#define LINGER_NS (60 * NS_PER_S) /* for attached clients, after Shutdown */
#define EXPECT_NS (30 * NS_PER_S) /* from a start to its Create */
#define SETTLED_NS NS_PER_S       /* after a Create, most of what a shim does is done */

struct shim {
	struct hoy_loop *loop;
	struct hoy_ttrpc_server *server;
	struct hoy_tasks tasks;
	struct hoy_service service;
	struct hoy_source *sigterm, *sigint, *unused, *flush, *linger, *kill, *settled, *post;
	const char *socket;
	char *socket_dir;
	uint64_t expected_until; /* a start was told that we serve it: its Create comes until then; 0: none does */
	bool shutting_down, events_given_up, clients_given_up, terminating;
	bool shutdown_asked;
	bool was_used; /* a Create has come */
};

/* --- ending ------------------------------------------------------------------------------------------------------- */

static bool events_are_out(const struct shim *shim)
{
	return shim->events_given_up || hoy_events_is_empty(shim->tasks.events);
}

/* Looked at after every round. */
static void on_round(struct hoy_source *source, void *userdata)
{
	struct shim *shim = userdata;

	(void) source;
	if (shim->shutting_down && events_are_out(shim) && !hoy_ttrpc_server_unsent(shim->server) &&
		(!shim->tasks.lingering || shim->clients_given_up))
		hoy_loop_exit(shim->loop, EXIT_SUCCESS);
}

static void on_flush_timeout(struct hoy_source *source, void *userdata)
{
	struct shim *shim = userdata;

	(void) source;
	shim->events_given_up = true;
}

static void on_linger_timeout(struct hoy_source *source, void *userdata)
{
	struct shim *shim = userdata;

	(void) source;
	shim->clients_given_up = true;
}

/* From here on the next start of the group makes a shim of its own, also while clients of ours still read. The name
 * goes before the listener does: whoever finds it gets an answer or a closed connection, and looks again. */
static void shut_down(struct shim *shim)
{
	if (shim->shutting_down)
		return;
	shim->shutting_down = true;
	(void) unlink(shim->socket);
	hoy_ttrpc_server_stop_listening(shim->server);
	hoy_source_set_timer(shim->flush, FLUSH_NS);
	hoy_source_set_timer(shim->linger, LINGER_NS);
}

/* The last Shutdown was answered; a start that was sent to us meanwhile is waited for. */
static void on_shutdown(void *userdata)
{
	struct shim *shim = userdata;

	if (hoy_loop_now(shim->loop) < shim->expected_until) {
		shim->shutdown_asked = true;
		hoy_source_set_timer(shim->unused, shim->expected_until - hoy_loop_now(shim->loop));
		return;
	}
	shut_down(shim);
}

static bool on_expect(void *userdata)
{
	struct shim *shim = userdata;

	if (shim->shutting_down || shim->terminating)
		return false;
	shim->expected_until = hoy_loop_now(shim->loop) + EXPECT_NS;
	return true;
}

static void on_create(void *userdata)
{
	struct shim *shim = userdata;

	shim->expected_until = 0;
	shim->shutdown_asked = false;
	shim->was_used = true;
	hoy_source_set_timer(shim->settled, SETTLED_NS);
}

/* A caller that died between start and Create, or that never shuts down, leaves no shim behind. Nor does one that has
 * found us again and holds a connection, but does not know what for (containerd 1.6). */
static void on_unused(struct hoy_source *source, void *userdata)
{
	struct shim *shim = userdata;

	if (shim->tasks.first)
		return;
	if (hoy_loop_now(shim->loop) < shim->expected_until)
		hoy_source_set_timer(source, shim->expected_until - hoy_loop_now(shim->loop));
	else if (shim->was_used && hoy_ttrpc_server_connections(shim->server) && !shim->shutdown_asked)
		hoy_source_set_timer(source, UNUSED_NS);
	else
		shut_down(shim);
}

/* --- being small -------------------------------------------------------------------------------------------------- */

/* Stops at the first object, which is the program itself. */
static int give_back_code(struct dl_phdr_info *info, size_t size, void *userdata)
{
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);

	(void) size;
	(void) userdata;
	for (const ElfW(Phdr) *part = info->dlpi_phdr; part < info->dlpi_phdr + info->dlpi_phnum; part++) {
		uintptr_t start = (info->dlpi_addr + part->p_vaddr) & ~(page - 1);

		if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
			(void) madvise(
				(void *) start, info->dlpi_addr + part->p_vaddr + part->p_memsz - start, MADV_DONTNEED);
	}
	return 1;
}

/* Code that ran once counts as ours for as long as it is mapped. What is needed again comes back from the page cache. */
static void on_settled(struct hoy_source *source, void *userdata)
{
	(void) source;
	(void) userdata;
	(void) dl_iterate_phdr(give_back_code, NULL);
}

/* --- being told to end -------------------------------------------------------------------------------------------- */

static bool anything_runs(const struct shim *shim)
{
	for (const struct hoy_task *task = shim->tasks.first; task; task = task->next)
		if (!task->init.exited)
			return true;
	return false;
}

/* Each container gets the signal it wants to end by, and the longest time that one of them was given. */
static uint64_t end_all(struct shim *shim)
{
	unsigned int grace = 0;

	for (struct hoy_task *task = shim->tasks.first; task; task = task->next) {
		grace = MAX(grace, task->kill_timeout);
		(void) hoy_process_kill(&task->init, hoy_bundle_stop_signal(task->bundle), /* all= */ false, NULL);
	}
	return grace * NS_PER_S;
}

static void on_kill_timeout(struct hoy_source *source, void *userdata)
{
	struct shim *shim = userdata;

	(void) source;
	for (struct hoy_task *task = shim->tasks.first; task; task = task->next)
		(void) hoy_process_kill(&task->init, SIGKILL, /* all= */ true, /* err= */ NULL);
}

/* A shim waits for months: no memory is kept for the next burst. musl keeps none by itself. */
static void tune_malloc(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_TRIM_THRESHOLD, 64 << 10);
	(void) mallopt(M_TOP_PAD, 0);
	(void) mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
}

static void trim_malloc(void)
{
#ifdef __GLIBC__
	(void) malloc_trim(0);
#endif
}

/* Callers that are there will delete and shut down; without any the shim has nothing left to do. */
static void on_change(void *userdata)
{
	struct shim *shim = userdata;

	if (shim->terminating && !anything_runs(shim) && !hoy_ttrpc_server_connections(shim->server))
		shut_down(shim);
	if (!shim->tasks.first && !shim->shutdown_asked)
		hoy_source_set_timer(shim->unused, UNUSED_NS);
	trim_malloc();
}

static void on_terminate(struct hoy_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct shim *shim = userdata;

	(void) source;
	(void) si;
	shim->terminating = true;
	if (!anything_runs(shim)) {
		shut_down(shim);
		return;
	}
	hoy_source_set_timer(shim->kill, end_all(shim));
}

/* --- setting up --------------------------------------------------------------------------------------------------- */

static int add_timer(
	struct shim *shim, struct hoy_source **timer, uint64_t after, hoy_timer_handler handler, struct hoy_err *err)
{
	return hoy_loop_timer(shim->loop, timer, after, handler, shim, err);
}

static int set_up_sources(struct shim *shim, struct hoy_err *err)
{
	int r = hoy_loop_signal(shim->loop, &shim->sigterm, SIGTERM, on_terminate, shim, err);

	if (r >= 0)
		r = hoy_loop_signal(shim->loop, &shim->sigint, SIGINT, on_terminate, shim, err);
	if (r >= 0)
		r = add_timer(shim, &shim->unused, UNUSED_NS, on_unused, err);
	if (r >= 0)
		r = add_timer(shim, &shim->flush, UINT64_MAX, on_flush_timeout, err);
	if (r >= 0)
		r = add_timer(shim, &shim->linger, UINT64_MAX, on_linger_timeout, err);
	if (r >= 0)
		r = add_timer(shim, &shim->kill, UINT64_MAX, on_kill_timeout, err);
	if (r >= 0)
		r = add_timer(shim, &shim->settled, UINT64_MAX, on_settled, err);
	if (r >= 0)
		r = hoy_loop_post(shim->loop, &shim->post, on_round, shim, err);
	return r;
}

static int set_up_events(struct shim *shim, const struct hoy_shim_flags *flags, struct hoy_err *err)
{
	const struct hoy_events_options options = {
		.loop = shim->loop,
		.reaper = shim->tasks.reaper,
		.namespace_ = flags->namespace_,
		.ttrpc_address = getenv("TTRPC_ADDRESS"),
		.publish_binary = flags->publish_binary,
		.grpc_address = flags->address,
	};

	return hoy_events_new(&options, &shim->tasks.events, err);
}

static int set_up(struct shim *shim, const struct hoy_shim_flags *flags, struct hoy_err *err)
{
	const char *slash = strrchr(flags->socket, '/');
	int r;

	shim->socket_dir = strndup(flags->socket, slash ? (size_t) (slash - flags->socket) : 0);
	if (!shim->socket_dir)
		return hoy_err_oom(err);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return hoy_err_sys(err, "become subreaper");
	r = hoy_loop_new(&shim->loop, err);
	if (r >= 0)
		r = hoy_reaper_new(shim->loop, &shim->tasks.reaper, err);
	if (r >= 0)
		r = set_up_events(shim, flags, err);
	if (r >= 0)
		r = hoy_streams_new(shim->loop, flags->socket, &shim->tasks.streams, err);
	if (r < 0)
		return r;
	shim->tasks.loop = shim->loop;
	shim->tasks.namespace_ = flags->namespace_;
	shim->tasks.socket_dir = shim->socket_dir;
	shim->tasks.on_change = on_change;
	shim->tasks.userdata = shim;
	shim->socket = flags->socket;
	shim->service = (struct hoy_service){
		.tasks = &shim->tasks,
		.shutdown = on_shutdown,
		.expect = on_expect,
		.create = on_create,
		.userdata = shim,
	};
	r = hoy_sandbox_new(shim->loop, &shim->service, &shim->service.sandbox, err);
	if (r < 0)
		return r;
	r = hoy_ttrpc_server_new(
		shim->loop, HOY_SHIM_LISTEN_FD, hoy_service_handle, &shim->service, &shim->server, err);
	return r < 0 ? r : set_up_sources(shim, err);
}

static void tear_down(struct shim *shim)
{
	struct hoy_source **const sources[] = { &shim->sigterm, &shim->sigint, &shim->unused, &shim->flush,
		&shim->linger, &shim->kill, &shim->settled, &shim->post };

	hoy_tasks_free_all(&shim->tasks);
	hoy_sandbox_free(shim->service.sandbox);
	hoy_ttrpc_server_free(shim->server);
	hoy_streams_free(shim->tasks.streams);
	hoy_events_free(shim->tasks.events);
	hoy_reaper_free(shim->tasks.reaper);
	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		*sources[i] = hoy_source_free(*sources[i]);
	hoy_loop_free(shim->loop);
	free(shim->socket_dir);
}

/* What was meant for our caller is not for the runtime and its hooks. */
static void clean_environment(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
		"GOMAXPROCS", "TTRPC_ADDRESS", "GRPC_ADDRESS", "NAMESPACE", "MAX_SHIM_VERSION" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void) unsetenv(names[i]);
}

int hoy_shim_serve(const struct hoy_shim_flags *flags, struct hoy_err *err)
{
	struct shim shim = { 0 };
	int r;

	tune_malloc();
	(void) signal(SIGPIPE, SIG_IGN);
	r = set_up(&shim, flags, err);
	clean_environment();
	if (r >= 0)
		r = hoy_loop_run(shim.loop, err);
	if (!shim.shutting_down)
		(void) unlink(flags->socket);
	tear_down(&shim);
	return r;
}
