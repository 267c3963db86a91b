/*
 * Error texts that callers match on. Nothing but these words tells them whether a container is gone, taken, stopped, or
 * its program missing: runc's shim of containerd reads the last error of the log, podman, buildah and CRI-O what conmon
 * hands on, dockerd what containerd does, most of them without regard to case. They live here alone; each is pinned by
 * test_runtime_parts.c and made to happen by a test in tests/integration/runtime-texts.bats.
 */
#ifndef HOY_RUNTIME_TEXTS_H
#define HOY_RUNTIME_TEXTS_H

/* "already exists": a name is taken, and the caller keeps what it has. */
#define TEXT_EXISTS "container with given ID already exists"
/* "does not exist": to kill or delete it is done. */
#define TEXT_NOT_FOUND "container does not exist"
/* The shim takes either for "no such process"; the second with the prefix that Go's library gives it. */
#define TEXT_NOT_RUNNING "container not running"
#define TEXT_PROCESS_FINISHED "os: process already finished"
#define TEXT_DELETE_NOT_STOPPED "cannot delete container %s that is not stopped: %s" /* id, status */
#define TEXT_START_RUNNING "cannot start an already running container"
#define TEXT_START_STOPPED "cannot start a container that has stopped"
#define TEXT_NO_PROCESS "process property must be set"
#define TEXT_RUN_FAILED "%s %s failed" /* program, command */
#define TEXT_START_PROCESS "unable to start container process"
#define TEXT_INIT "error during container init"
/* The first two make docker's exit status 127, the others 126. */
#define TEXT_EXEC_NOT_IN_PATH "exec: \"%s\": executable file not found in $PATH"
#define TEXT_EXEC_MISSING "exec: \"%s\": stat %s: no such file or directory"
#define TEXT_EXEC_DENIED "exec: \"%s\": permission denied"
#define TEXT_EXEC_DIRECTORY "exec: \"%s\": is a directory"
#define TEXT_EXEC_FAILED "exec %s: %s" /* program, strerror in lower case, from execve() itself */
#define TEXT_INIT_OOM "container init was OOM-killed (memory limit too low?)"
#define TEXT_CGROUP_NOT_EMPTY "container's cgroup is not empty"
#define TEXT_CGROUP_FROZEN "container's cgroup unexpectedly frozen"
#define TEXT_PAUSED "cannot exec in a paused container"
#define TEXT_EXEC_STOPPED "cannot exec in a stopped container"
#define TEXT_PAUSE_STATE "container not running or created: %s"
#define TEXT_NOT_PAUSED "container not paused"
#define TEXT_EVENTS_STOPPED "container with id %s is not running"
/* podman asks by it whether an option is there. */
#define TEXT_OPTION_VALUE "flag needs an argument: --%s"

/* Stages in a debug log, where scripts written for runc look for them. */
#define TEXT_DEBUG_SETUP "nsexec container setup"
#define TEXT_DEBUG_AFFINITY "nsexec: affinity: 0x"
#define TEXT_DEBUG_INIT "child process in init()"
#define TEXT_DEBUG_COMMIT "init: closing the pipe to signal completion"
#define TEXT_DEBUG_EXEC "setns_init: about to exec"

#endif
