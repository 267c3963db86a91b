/*
 * Execs: made, started by their container's shim, ended. A start goes Exec, the client's stream, Wait and Start; each
 * step begins in the callback of the one before.
 */
#include "supervisor/container/exec.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "shim/protocol.h"
#include "supervisor/container/exec_internal.h"
#include "supervisor/container/shim.h"
#include "supervisor/container/spec.h"

#define REMEMBERED_NS (300 * 1000000000ULL)
#define KILLED 137

static void exec_free(struct hoy_exec *e)
{
	struct hoy_exec **p = &e->container->execs;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	hoy_shim_forget(e->container->shim, e);
	hoy_source_free(e->expiry);
	hoy_fd_close(&e->fd);
	hoy_buf_done(&e->leftover);
	hoy_exec_config_free(e->config);
	free(e);
}

static int find(struct hoy_containers *room, const char *id, struct hoy_exec **ret, struct hoy_err *err)
{
	for (size_t i = 0; i < room->n; i++)
		for (struct hoy_exec *e = room->list[i]->execs; e; e = e->next)
			if (strcmp(e->info.id, id) == 0) {
				*ret = e;
				return 0;
			}
	return hoy_err_not_found(err, "No such exec instance: %s", id);
}

int hoy_exec_find(struct hoy_containers *room, const char *id, const struct hoy_exec_info **ret, struct hoy_err *err)
{
	struct hoy_exec *e;
	int r = find(room, id, &e, err);

	if (r < 0)
		return r;
	*ret = &e->info;
	e->info.can_remove = e->info.has_ended;
	return 0;
}

const char **hoy_execs_of(struct hoy_containers *room, const char *container_id)
{
	struct hoy_container *c;
	const char **ids;
	size_t n = 0;

	if (hoy_containers_lookup(room, container_id, &c, NULL) < 0)
		return NULL;
	for (const struct hoy_exec *e = c->execs; e; e = e->next)
		n += !e->internal;
	ids = n > 0 ? calloc(n + 1, sizeof *ids) : NULL;
	if (!ids)
		return NULL;
	for (const struct hoy_exec *e = c->execs; e; e = e->next)
		if (!e->internal)
			ids[--n] = e->info.id;
	return ids;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void publish(struct hoy_exec *e, const char *action)
{
	auto_free char *id = hoy_str_printf("execID=%s", e->info.id);
	auto_(hoy_buf_done) struct hoy_buf text = {};
	char *const attributes[] = { id, NULL };

	hoy_buf_addf(&text, "%s:", action);
	for (char *const *arg = e->config->cmd; arg && *arg; arg++)
		hoy_buf_addf(&text, " %s", *arg);
	if (id && hoy_buf_check(&text, "event", NULL) >= 0)
		hoy_container_publish(e->container, text.data, attributes);
}

static void publish_die(struct hoy_exec *e)
{
	char code[32];
	auto_free char *id = hoy_str_printf("execID=%s", e->info.id);
	char *const attributes[] = { id, code, NULL };

	snprintf(code, sizeof code, "exitCode=%d", e->info.exit_code);
	if (id)
		hoy_container_publish(e->container, "exec_die", attributes);
}

static void finish_start(struct hoy_exec *e, const struct hoy_err *err)
{
	hoy_container_done done = TAKE_PTR(e->done);

	hoy_fd_close(&e->fd);
	if (done)
		hoy_done_later(e->container->room, done, e->userdata, err);
}

/* The client's stream is the shim's or nobody's by now; the copy that is left serves to say why there is no process. */
static void tell_client(const struct hoy_exec *e, const char *text)
{
	auto_free char *line = hoy_str_printf("%s\r\n", text);
	uint32_t len = line ? htobe32((uint32_t) strlen(line)) : 0;
	unsigned char header[8] = { 1 };

	if (e->fd < 0 || !line)
		return;
	memcpy(header + 4, &len, sizeof len);
	if (e->framed)
		(void) send(e->fd, header, sizeof header, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void) send(e->fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* --- the end ----------------------------------------------------------------------------------------- */

static void on_expired(struct hoy_source *source, void *userdata)
{
	struct hoy_exec *e = userdata;

	(void) source;
	hoy_exec_record_remove(e);
	exec_free(e);
}

static void tell_refreshers(struct hoy_exec *e)
{
	struct hoy_op *list = TAKE_PTR(e->refreshers);

	hoy_ops_finish(e->container, &list, NULL);
}

/* The record first: once the shim has forgotten it, nobody else knows how it ended. */
static void ended(struct hoy_exec *e, int exit_code)
{
	hoy_exec_ended over = e->over;
	void *over_userdata = e->over_userdata;
	struct hoy_container *c = e->container;

	e->state = HOY_EXEC_ENDED;
	e->info.running = false;
	e->info.has_ended = true;
	e->info.exit_code = exit_code;
	hoy_exec_record_write(e);
	if (c->shim && hoy_shim_is_connected(c->shim))
		(void) hoy_shim_delete(c->shim, e->info.id, NULL, NULL, NULL);
	tell_refreshers(e);
	if (e->internal) {
		hoy_exec_record_remove(e);
		exec_free(e);
		if (over)
			over(over_userdata, exit_code);
		return;
	}
	if (hoy_loop_timer(c->room->options.loop, &e->expiry, REMEMBERED_NS, on_expired, e, NULL) < 0)
		hoy_log_debug("exec '%s' is remembered as long as its container", e->info.id);
}

static void died(struct hoy_exec *e, int exit_code)
{
	if (e->state == HOY_EXEC_STARTING) { /* the answer to Start comes first */
		e->exit_seen = true;
		e->info.exit_code = exit_code;
		return;
	}
	e->info.exit_code = exit_code;
	publish_die(e);
	ended(e, exit_code);
}

static void on_wait_over(void *userdata, const struct hoy_err *err, unsigned int status, const struct timespec *when)
{
	struct hoy_exec *e = userdata;

	(void) when;
	if (e->state == HOY_EXEC_ENDED)
		return;
	if (err && err->kind != HOY_ERR_NOT_FOUND) /* the connection's end follows */
		return;
	died(e, err ? KILLED : (int) status);
}

static void start_failed(struct hoy_exec *e, const struct hoy_err *err)
{
	struct hoy_err told = {};
	char text[HOY_ERR_TEXT_MAX];
	int exit_code = 126;

	hoy_err_set(&told, err->kind, err->errnum, "%s", hoy_err_text(err, text, sizeof text));
	hoy_container_start_verdict(&told, &exit_code);
	if (exit_code != 127)
		exit_code = 126;
	tell_client(e, told.msg);
	finish_start(e, &told);
	ended(e, exit_code);
}

void hoy_container_execs_lost(struct hoy_container *c)
{
	struct hoy_exec *e = c->execs, *next;
	struct hoy_err err = {};

	for (; e; e = next) {
		next = e->next;
		if (e->state == HOY_EXEC_STARTING) {
			hoy_err_conflict(&err, "container %s is not running", c->info.id);
			start_failed(e, &err);
		} else if (e->state == HOY_EXEC_RUNNING) {
			died(e, KILLED);
		}
	}
}

void hoy_container_execs_free(struct hoy_container *c, const struct hoy_err *err)
{
	while (c->execs) {
		struct hoy_exec *e = c->execs;
		hoy_container_done done = TAKE_PTR(e->done);
		void *userdata = e->userdata;

		hoy_ops_cancel(&e->refreshers, err);
		exec_free(e);
		if (done)
			done(userdata, err);
	}
}

/* --- the start ------------------------------------------------------------------------------------------- */

static void on_started(void *userdata, const struct hoy_err *err, pid_t pid)
{
	struct hoy_exec *e = userdata;
	struct hoy_err wrapped;

	if (e->state != HOY_EXEC_STARTING)
		return;
	if (err) {
		wrapped = *err;
		hoy_err_wrap(&wrapped, "OCI runtime exec failed");
		start_failed(e, &wrapped);
		return;
	}
	e->state = HOY_EXEC_RUNNING;
	e->info.running = true;
	e->info.pid = pid;
	if (e->height > 0)
		(void) hoy_shim_resize(e->container->shim, e->info.id, e->height, e->width, NULL, NULL, NULL);
	finish_start(e, NULL);
	if (e->signal)
		hoy_exec_kill(e, e->signal);
	if (e->exit_seen)
		died(e, e->info.exit_code);
}

static int send_start(struct hoy_exec *e, struct hoy_err *err)
{
	struct hoy_shim *shim = e->container->shim;
	int r = hoy_shim_wait(shim, e->info.id, on_wait_over, e, err);

	hoy_exec_record_write(e);
	publish(e, "exec_start");
	return r < 0 ? r : hoy_shim_start(shim, e->info.id, on_started, e, err);
}

void hoy_exec_attached(struct hoy_exec *e, const struct hoy_err *failure)
{
	struct hoy_err err = {};

	if (e->state != HOY_EXEC_STARTING)
		return;
	if (failure)
		start_failed(e, failure);
	else if (send_start(e, &err) < 0)
		start_failed(e, &err);
}

static int attach(struct hoy_exec *e, struct hoy_err *err)
{
	const struct hoy_container_attach how = {
		.stdin_ = e->config->attach_stdin,
		.stdout_ = e->config->attach_stdout,
		.stderr_ = e->config->attach_stderr,
		.detach_keys = e->config->detach_keys && *e->config->detach_keys ? e->config->detach_keys : NULL,
	};
	int fd, r = hoy_shim_require(e->container->shim, "exec-attach", "attach a client to an exec", err);

	if (r < 0)
		return r;
	fd = fcntl(e->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return hoy_err_sys(err, "duplicate a stream");
	return hoy_container_attach_exec(e, &how, e->framed, fd, e->leftover.data, e->leftover.len, err);
}

static void on_added(void *userdata, const struct hoy_err *failure)
{
	struct hoy_exec *e = userdata;
	struct hoy_err err = {};

	if (e->state != HOY_EXEC_STARTING)
		return;
	if (failure)
		start_failed(e, failure);
	else if (e->fd < 0)
		hoy_exec_attached(e, NULL);
	else if (attach(e, &err) < 0)
		start_failed(e, &err);
}

static int send_exec(struct hoy_exec *e, struct hoy_err *err)
{
	const struct hoy_exec_config *config = e->config;
	auto_(hoy_buf_done) struct hoy_buf process = {};
	bool attached = e->fd >= 0;
	struct hoy_shim_exec exec = { .id = e->info.id };
	int r = hoy_exec_process_text(e->container, config, &process, err);

	if (r < 0)
		return r;
	exec.process = process.data;
	exec.io = (struct hoy_shim_create){
		.terminal = config->tty,
		.stdin_ = attached && config->attach_stdin ? HOY_SHIM_STDIN_ONCE : "",
		.stdout_ = attached && config->attach_stdout ? HOY_SHIM_NONE : "",
		.stderr_ = attached && config->attach_stderr && !config->tty ? HOY_SHIM_NONE : "",
	};
	return hoy_shim_exec(e->container->shim, &exec, on_added, e, err);
}

static int check_container(const struct hoy_container *c, struct hoy_err *err)
{
	if (c->phase != HOY_PHASE_RUNNING)
		return hoy_err_conflict(err, "container %s is not running", c->info.id);
	if (c->info.paused)
		return hoy_err_conflict(err, "container %s is paused, unpause the container before exec", c->info.id);
	return 0;
}

static int check(const struct hoy_exec *e, struct hoy_err *err)
{
	if (e->state != HOY_EXEC_NEW)
		return hoy_err_conflict(err, "exec command %s %s", e->info.id,
			e->state == HOY_EXEC_ENDED ? "has already run" : "is already running");
	return check_container(e->container, err);
}

int hoy_exec_check(struct hoy_containers *room, const char *id, struct hoy_err *err)
{
	struct hoy_exec *e;
	int r = find(room, id, &e, err);

	return r < 0 ? r : check(e, err);
}

/* What fails from here on is told like a start that failed. */
static void begin(struct hoy_exec *e)
{
	struct hoy_err err = {};

	e->state = HOY_EXEC_STARTING;
	if (send_exec(e, &err) < 0)
		start_failed(e, &err);
}

int hoy_exec_start(struct hoy_containers *room, const char *id, const struct hoy_exec_start *how,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	auto_fd int fd = how->fd;
	struct hoy_exec *e;
	int r = find(room, id, &e, err);

	if (r >= 0)
		r = check(e, err);
	if (r >= 0 && how->leftover_len > 0 && hoy_buf_add(&e->leftover, how->leftover, how->leftover_len) < 0)
		r = hoy_err_oom(err);
	if (r < 0)
		return r;
	e->fd = TAKE_FD(fd);
	e->framed = how->framed;
	e->done = done;
	e->userdata = userdata;
	begin(e);
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------------------------ */

static int exec_new(struct hoy_container *c, struct hoy_exec_config *config, struct hoy_exec **ret, struct hoy_err *err)
{
	struct hoy_exec *e = calloc(1, sizeof *e);
	unsigned char bytes[32];

	if (!e)
		return hoy_err_oom(err);
	hoy_random(bytes, sizeof bytes);
	hoy_hex(bytes, sizeof bytes, e->info.id);
	e->container = c;
	e->fd = -EBADF;
	e->config = config;
	e->info.config = config;
	e->info.container_id = c->info.id;
	e->next = c->execs;
	c->execs = e;
	*ret = e;
	return 0;
}

int hoy_exec_create(
	struct hoy_containers *room, const char *ref, const char *body, size_t len, char **ret_id, struct hoy_err *err)
{
	auto_ptr(hoy_exec_config_free) struct hoy_exec_config *config = NULL;
	auto_free char *id = NULL;
	struct hoy_container *c;
	struct hoy_exec *e;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r >= 0)
		r = check_container(c, err);
	if (r >= 0)
		r = hoy_exec_config_parse(body, len, &config, err);
	if (r >= 0)
		r = exec_new(c, config, &e, err);
	if (r < 0)
		return r;
	config = NULL; /* the exec's */
	id = strdup(e->info.id);
	if (!id) {
		exec_free(e);
		return hoy_err_oom(err);
	}
	publish(e, "exec_create");
	*ret_id = TAKE_PTR(id);
	return 0;
}

int hoy_exec_run(struct hoy_container *c, struct hoy_exec_config *config, int output, hoy_exec_ended over,
	void *userdata, struct hoy_exec **ret, struct hoy_err *err)
{
	auto_fd int fd = output;
	struct hoy_exec *e;
	int r = check_container(c, err);

	if (r >= 0)
		r = exec_new(c, config, &e, err);
	if (r < 0)
		return r;
	e->internal = true;
	e->fd = TAKE_FD(fd);
	e->over = over;
	e->over_userdata = userdata;
	*ret = e;
	publish(e, "exec_create");
	begin(e);
	return 0;
}

void hoy_exec_kill(struct hoy_exec *e, int sig)
{
	if (e->state == HOY_EXEC_STARTING)
		e->signal = sig;
	else if (e->state == HOY_EXEC_RUNNING && e->container->shim)
		(void) hoy_shim_kill(e->container->shim, e->info.id, sig, NULL, NULL, NULL);
}

int hoy_exec_resize(
	struct hoy_containers *room, const char *id, unsigned int height, unsigned int width, struct hoy_err *err)
{
	struct hoy_exec *e;
	int r = find(room, id, &e, err);

	if (r < 0)
		return r;
	e->height = height;
	e->width = width;
	if (e->state == HOY_EXEC_ENDED)
		return hoy_err_conflict(err, "exec command %s has already run", e->info.id);
	if (e->state != HOY_EXEC_RUNNING)
		return 0;
	return hoy_shim_resize(e->container->shim, e->info.id, height, width, NULL, NULL, err);
}

static void on_refreshed(void *userdata, const struct hoy_err *err, enum hoy_shim_status status, pid_t pid)
{
	(void) err;
	(void) status;
	(void) pid;
	tell_refreshers(userdata);
}

int hoy_exec_refresh(
	struct hoy_containers *room, const char *id, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	struct hoy_exec *e;
	struct hoy_op *op;
	int r = find(room, id, &e, err);

	if (r < 0)
		return r;
	if (e->state != HOY_EXEC_RUNNING || !e->container->shim) {
		hoy_done_later(room, done, userdata, NULL);
		return 0;
	}
	op = calloc(1, sizeof *op);
	if (!op)
		return hoy_err_oom(err);
	op->done = done;
	op->userdata = userdata;
	r = hoy_shim_get_state(e->container->shim, e->info.id, on_refreshed, e, err);
	if (r < 0) {
		free(op);
		return r;
	}
	hoy_ops_append(&e->refreshers, op);
	return 0;
}

/* --- after a restart of hoyd ----------------------------------------------------------------------------------- */

int hoy_exec_take_up(struct hoy_container *c, const char *id, struct hoy_exec_config *config, bool internal,
	const int *exit_code, struct hoy_err *err)
{
	struct hoy_exec *e;
	int r = exec_new(c, config, &e, err);

	if (r < 0)
		return r;
	snprintf(e->info.id, sizeof e->info.id, "%s", id);
	e->internal = internal;
	if (exit_code) {
		ended(e, *exit_code);
		return 0;
	}
	e->state = HOY_EXEC_RUNNING;
	e->info.running = true;
	r = hoy_shim_wait(c->shim, e->info.id, on_wait_over, e, err);
	if (internal) /* its result interests nobody any more */
		hoy_exec_kill(e, SIGKILL);
	if (r < 0) {
		e->config = NULL; /* still the caller's */
		exec_free(e);
	}
	return r;
}
