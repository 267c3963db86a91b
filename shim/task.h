/*
 * Containers and their processes inside one shim: the state machine behind the Task service. Operations take the
 * request they answer (also with an error) and never wait.
 *
 *	creating -> created -> starting -> running <-> paused -> stopped -> deleted
 *
 * Promises: a process's exit is on disk before anybody hears of it; its start event precedes its exit event; the exit
 * events of execs precede the one of their container; there is one exit event per process that was started.
 */
#ifndef HOY_SHIM_TASK_H
#define HOY_SHIM_TASK_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/ttrpc/task.pb-c.h"
#include "shim/runtime.h"

struct hoy_attach;
struct hoy_events;
struct hoy_io;
struct hoy_loop;
struct hoy_task_cgroup;
struct hoy_reaper;
struct hoy_source;
struct hoy_streams;
struct hoy_task;
struct hoy_ttrpc_request;
struct hoy_watch;

/* What all tasks of a shim share. */
struct hoy_tasks {
	struct hoy_loop *loop;
	struct hoy_reaper *reaper;
	struct hoy_events *events;
	struct hoy_streams *streams;
	const char *namespace_;
	const char *socket_dir;
	size_t lingering; /* attached clients that still read */
	struct hoy_task *first;
	void (*on_change)(void *userdata); /* a process exited or a task went */
	void *userdata;
};

enum hoy_process_state {
	HOY_PROCESS_ADDED, /* exec: registered only */
	HOY_PROCESS_CREATING,
	HOY_PROCESS_CREATED,
	HOY_PROCESS_STARTING,
	HOY_PROCESS_RUNNING,
	HOY_PROCESS_PAUSED,
	HOY_PROCESS_STOPPED,
};

struct hoy_waiter;

struct hoy_process {
	struct hoy_process *next; /* execs of one task */
	struct hoy_task *task;
	char *exec_id; /* "" for the container's first process */
	enum hoy_process_state state;
	pid_t pid;
	struct hoy_watch *watch;
	bool terminal;
	char *stdio[3];
	struct hoy_io *io;
	void (*ready)(struct hoy_process *process); /* what waits for the io */
	unsigned int width, height;                 /* asked for before there is an io; 0: not */
	bool stdin_closed;                          /* CloseIO came */
	char *spec;                                 /* exec: OCI process JSON */

	struct hoy_runtime_run *run;  /* the runtime works on it ... */
	struct hoy_ttrpc_request *op; /* ... for this request */
	struct hoy_ttrpc_request *deleting;
	struct hoy_ttrpc_request *
		*also_deleting; /* who came while that was under way: a caller that had given up, mostly */
	size_t n_also_deleting;
	bool delete_ran;
	struct hoy_source *overdue; /* the delete waits for the process's end for too long */
	uint64_t killed_at;         /* by SIGKILL, on the loop's clock; 0: not */

	bool exited, told;   /* told: exit event published */
	bool settled;        /* exited and its output is where it belongs, or 2 s have passed */
	unsigned int status; /* 128 + signal when killed */
	struct timespec exited_at;
	struct hoy_source *settle;
	struct hoy_waiter *waiters;
};

struct hoy_task {
	struct hoy_task *next;
	struct hoy_tasks *tasks;
	char *id, *bundle;
	struct hoy_runtime runtime;
	char *criu_work_path; /* for CRIU's logs; NULL: in the bundle */
	bool no_pivot_root, no_new_keyring;
	unsigned int kill_timeout; /* seconds from the shim's SIGTERM to SIGKILL */
	bool shares_pids; /* no pid namespace of its own: the kernel doesn't end its processes with the first one */
	uid_t io_uid;
	gid_t io_gid;
	struct hoy_process init;
	struct hoy_process *execs;
	struct hoy_attach *attach;
	struct hoy_task_cgroup *cgroup;     /* NULL: none was found */
	Hoy__Pb__CreateTaskRequest *create; /* kept until the create event is published */
	char *saving;                       /* path of the last checkpoint, for its event */
	char *checkpoint;                   /* images that start restores it from; NULL: the runtime has created it */
};

struct hoy_task *hoy_task_find(struct hoy_tasks *tasks, const char *id);
/* exec_id "": the container's first process. NULL when there is none. */
struct hoy_process *hoy_task_process(struct hoy_task *task, const char *exec_id);
void hoy_tasks_free_all(struct hoy_tasks *tasks);

/* Takes `request` over; it owns the strings. */
void hoy_task_create(struct hoy_tasks *tasks, Hoy__Pb__CreateTaskRequest *request, struct hoy_ttrpc_request *req);
void hoy_task_exec(struct hoy_task *task, const Hoy__Pb__ExecProcessRequest *request, struct hoy_ttrpc_request *req);
void hoy_process_start(struct hoy_process *process, struct hoy_ttrpc_request *req);
void hoy_process_delete(struct hoy_process *process, struct hoy_ttrpc_request *req);
void hoy_process_wait_for(struct hoy_process *process, struct hoy_ttrpc_request *req);
/* A second SIGKILL fails when the first one could not end the process: the error says what keeps it. */
int hoy_process_kill(struct hoy_process *process, int sig, bool all, struct hoy_err *err);
/* `verb` is pause or resume. */
void hoy_task_set_paused(struct hoy_task *task, bool paused, struct hoy_ttrpc_request *req);
/* Saves the processes below `path`; `options` may be NULL. */
void hoy_task_checkpoint(
	struct hoy_task *task, const char *path, const Hoy__Pb__Any *options, struct hoy_ttrpc_request *req);
/* `resources`: JSON of the OCI resources object. */
void hoy_task_update(struct hoy_task *task, const void *resources, size_t len, struct hoy_ttrpc_request *req);

/* --- between process.c and the files that call the runtime --- */

int hoy_process_init(struct hoy_process *process, struct hoy_task *task, const char *exec_id, bool terminal,
	const char *const stdio[3], struct hoy_err *err);
void hoy_process_done(struct hoy_process *process); /* waiters are told, `op` is the caller's business */
/* Opens the streams, then calls `ready`: at once, or later when a log driver has to be waited for. */
typedef void (*hoy_process_ready)(struct hoy_process *process);
int hoy_process_open_io(struct hoy_process *process, hoy_process_ready ready, struct hoy_err *err);
/* The runtime made `pid`: from now on its exit is ours. */
int hoy_process_adopt(struct hoy_process *process, pid_t pid, struct hoy_err *err);
/* Publishes the exit when everything that must come first has. */
void hoy_process_tell_exit(struct hoy_process *process);
/* "cannot VERB a running process", and what the kernel says of one that does not end although it was killed. */
int hoy_process_is_alive(const struct hoy_process *process, const char *verb, struct hoy_err *err);
/* An exec that never ran: its waiters hear of it. */
void hoy_process_failed(struct hoy_process *process);
/* Goes on with a delete that waits for exit, output or runtime. */
void hoy_process_go_on_deleting(struct hoy_process *process);

#endif
