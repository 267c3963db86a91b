/*
 * What a caller and a shim share beyond the Task service: names of files in the bundle, stdio URIs, the attach socket.
 * Facts only, no code; supervisor/container/ includes it.
 */
#ifndef HOY_SHIM_PROTOCOL_H
#define HOY_SHIM_PROTOCOL_H

/*
 * Files in the bundle. What has a version is refused when it is newer than its reader knows, and read when it is older:
 * a shim outlives the programs it was started by.
 *	address      "unix://PATH" of the shim's ttrpc socket, no newline
 *	init.pid     decimal pid of the container's first process, no newline
 *	options.json what `delete` needs: {"version":1,"binary_name":..,"root":..,"systemd_cgroup":.. ...}
 *	exit.json    {"version":1,"exit_status":137,"exited_at":"RFC3339Nano","oom_killed":true}, written before anybody
 *	             is told of the exit
 *	log.json     errors of the runtime, JSON lines
 *	shim.log     the shim's own log, when the bundle has no fifo named "log"
 */
#define HOY_SHIM_ADDRESS_FILE "address"
#define HOY_SHIM_PID_FILE "init.pid"
#define HOY_SHIM_OPTIONS_FILE "options.json"
#define HOY_SHIM_EXIT_FILE "exit.json"
#define HOY_SHIM_EXIT_VERSION 1
#define HOY_SHIM_RUNTIME_LOG "log.json"
#define HOY_SHIM_LOG_FILE "shim.log"
#define HOY_SHIM_ATTACH_SOCKET "attach.sock"

/*
 * stdio of Create and Exec.
 *	stdout, stderr  "json-file:///abs/path?max-size=BYTES&max-file=N&compress=true"  (max-size -1 or absent: no
 *	                rotation; max-file 1 or absent: truncate instead; compress: PATH.1.gz)
 *	                "local:///abs/path?.." (the frames of docker's local driver; 20 MiB, 5 files, compressed)
 *	                "journald:/path/of/socket?CONTAINER_NAME=..&.." (path absent: the host's journald; the fields go
 *	                with each entry)
 *	                "none:" (kept only for who is attached), "" for stderr with a terminal
 *	                all with mode=non-blocking&max-buffer-size=BYTES: a receiver that is that far behind (journald,
 *	                attached clients) loses output; without it, it holds up the container. %XX is decoded.
 *	stdin           "hoy-stdin:" (open until CloseIO), "hoy-stdin:once" (ends with the first attached stdin that
 *	                ends), "" is /dev/null
 * and for containerd the path of a fifo, file:///path (appended to), binary:///path?key=value (a log driver) or
 * ttrpc+unix://SOCKET?streaming_id=ID (shim/stream.h).
 */
#define HOY_SHIM_JSON_FILE "json-file://"
#define HOY_SHIM_LOCAL "local://"
#define HOY_SHIM_JOURNALD "journald:"
#define HOY_SHIM_NONE "none:"
#define HOY_SHIM_STDIN "hoy-stdin:"
#define HOY_SHIM_STDIN_ONCE "hoy-stdin:once"

/*
 * Attaching: connect to BUNDLE/attach.sock (SEQPACKET), send one packet with the client's stream beside it:
 *	{"id":"..","exec_id":"","stdin":true,"stdout":true,"stderr":true,"framed":true,"detach_keys":"ctrl-p,ctrl-q"}
 * A NUL byte and raw bytes may follow the JSON: they count as the first input read from the stream. The shim answers
 * {"ok":true} or {"error":"..."} and then owns the stream. One request per connection. With a terminal all output is
 * "stdout"; detach keys are looked for only there ("" or absent: ctrl-p,ctrl-q).
 */
#define HOY_SHIM_ATTACH_MAX 65536 /* bytes of the request packet */

#endif
