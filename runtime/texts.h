/*
 * Error texts that callers match on: containerd, its Go shims, dockerd and podman decide by these words whether a
 * container is gone, taken, stopped, or its program missing. They live here alone; test_texts.c pins each of them.
 */
#ifndef HOY_RUNTIME_TEXTS_H
#define HOY_RUNTIME_TEXTS_H

#define TEXT_EXISTS "container with given ID already exists" /* also matched as "container with id exists" */
#define TEXT_NOT_FOUND "container does not exist"
#define TEXT_NOT_RUNNING "container not running"
#define TEXT_PROCESS_FINISHED "process already finished"
#define TEXT_DELETE_NOT_STOPPED "cannot delete container %s that is not stopped: %s" /* id, status */
#define TEXT_START_RUNNING "cannot start an already running container"
#define TEXT_START_STOPPED "cannot start a container that has stopped"
#define TEXT_NO_PROCESS "process property must be set"
#define TEXT_START_PROCESS "unable to start container process"
#define TEXT_EXEC_NOT_IN_PATH "exec: \"%s\": executable file not found in $PATH"
#define TEXT_EXEC_DENIED "exec: \"%s\": permission denied"
#define TEXT_EXEC_MISSING "exec: \"%s\": stat %s: no such file or directory"
#define TEXT_EXEC_DIRECTORY "exec: \"%s\": is a directory"
#define TEXT_EXEC_FAILED "exec %s: %s" /* program, strerror in lower case, from execve() itself */
#define TEXT_CGROUP_NOT_EMPTY "container's cgroup is not empty"
#define TEXT_CGROUP_FROZEN "container's cgroup unexpectedly frozen"
#define TEXT_PAUSED "cannot exec in a paused container"
#define TEXT_EXEC_STOPPED "cannot exec in a stopped container"
#define TEXT_PAUSE_STATE "container not running or created: %s"
#define TEXT_NOT_PAUSED "container not paused"

#endif
