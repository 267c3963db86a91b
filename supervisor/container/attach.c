/*
 * Attaching: a client's stream waits here until the container's shim exists, then is given to it. A start goes on only
 * when every stream that was there before has been taken, so that the first line reaches them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/protocol.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/exec_internal.h"
#include "supervisor/container/shim.h"

struct hoy_attach_pending {
	struct hoy_attach_pending *next;
	struct hoy_container *container;
	struct hoy_exec *exec; /* NULL: the container's first process */
	bool framed;
	struct hoy_container_attach how; /* detach_keys is owned */
	struct hoy_buf leftover;
	int fd;   /* the client's; -EBADF once it was sent */
	int sock; /* to the shim; -EBADF before */
	struct hoy_source *source;
};

/* Unlinks and frees; the client's stream is closed when it is still ours. */
static void attach_free(struct hoy_attach_pending *a)
{
	struct hoy_attach_pending **p = &a->container->attaches;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	hoy_source_free(a->source);
	hoy_fd_close(&a->fd);
	hoy_fd_close(&a->sock);
	hoy_buf_done(&a->leftover);
	free((char *) a->how.detach_keys);
	free(a);
}

void hoy_container_attaches_drop(struct hoy_container *c)
{
	while (c->attaches)
		attach_free(c->attaches);
}

/* --- to the shim -------------------------------------------------------------------------- */

static void settle(struct hoy_container *c)
{
	for (struct hoy_attach_pending *a = c->attaches; a; a = a->next)
		if (a->sock >= 0 && !a->exec)
			return;
	hoy_container_attaches_settled(c);
}

static void on_reply(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_attach_pending *a = userdata;
	struct hoy_container *c = a->container;
	struct hoy_exec *exec = a->exec;
	struct hoy_err err = {};
	char reply[1024];
	ssize_t n = recv(a->sock, reply, sizeof reply - 1, MSG_DONTWAIT);

	(void) source;
	(void) events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	reply[n > 0 ? n : 0] = '\0';
	attach_free(a);
	if (!strstr(reply, "\"ok\"")) {
		hoy_err_set(&err, HOY_ERR_SYSTEM, EIO, "attach: %s", *reply ? reply : "no answer from the shim");
		hoy_log_ignored(&err, "container '%s'", c->info.id);
	}
	if (exec)
		hoy_exec_attached(exec, err.errnum ? &err : NULL);
	else
		settle(c);
}

static int request_text(const struct hoy_attach_pending *a, struct hoy_buf *text, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = text };

	hoy_buf_init(text, HOY_SHIM_ATTACH_MAX);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "id", a->container->info.id);
	hoy_json_add_string(&w, "exec_id", a->exec ? a->exec->info.id : "");
	hoy_json_add_bool(&w, "stdin", a->how.stdin_);
	hoy_json_add_bool(&w, "stdout", a->how.stdout_);
	hoy_json_add_bool(&w, "stderr", a->how.stderr_);
	hoy_json_add_bool(&w, "framed", a->framed);
	hoy_json_add_string(&w, "detach_keys", a->how.detach_keys ? a->how.detach_keys : "");
	hoy_json_end(&w);
	if (a->leftover.len > 0) {
		hoy_buf_addc(text, '\0');
		hoy_buf_add(text, a->leftover.data, a->leftover.len);
	}
	return hoy_buf_check(text, "attach request", err);
}

static int pass(struct hoy_attach_pending *a, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_path_join(a->container->bundle, HOY_SHIM_ATTACH_SOCKET);
	ssize_t n;
	int r = path ? request_text(a, &text, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	a->sock = hoy_fd_unix_connect(path, SOCK_SEQPACKET, err);
	if (a->sock < 0)
		return a->sock;
	n = hoy_fd_send(a->sock, text.data, text.len, &a->fd, 1);
	if (n < 0)
		return hoy_err_code(err, (int) n, "send to '%s'", path);
	/* In this order: the stream lives on in the shim, so closing our descriptor alone would not end the watch. */
	a->source = hoy_source_free(a->source);
	hoy_fd_close(&a->fd);
	return hoy_loop_io(a->container->room->options.loop, &a->source, a->sock, EPOLLIN, on_reply, a, err);
}

void hoy_container_attaches_pass(struct hoy_container *c)
{
	struct hoy_attach_pending *a = c->attaches, *next;

	for (; a; a = next) {
		struct hoy_err err = {};

		next = a->next;
		if (a->sock < 0 && !a->exec && pass(a, &err) < 0) {
			hoy_log_ignored(&err, "container '%s': attach", c->info.id);
			attach_free(a);
		}
	}
	settle(c);
}

/* --- from the client ------------------------------------------------------------------------- */

/* The client is gone while its stream waits. */
static void on_hangup(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_attach_pending *a = userdata;

	(void) source;
	if (events & (EPOLLHUP | EPOLLERR))
		attach_free(a);
}

int hoy_container_attach_check(struct hoy_containers *room, const char *ref, const struct hoy_container_attach *how,
	bool *ret_framed, struct hoy_err *err)
{
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	if (c->phase == HOY_PHASE_REMOVING)
		return hoy_err_conflict(
			err, "container %s is marked for removal and cannot be used any more", c->info.id);
	if (c->info.paused)
		return hoy_err_conflict(err, "container %s is paused, unpause the container before attach", c->info.id);
	if (c->info.restarting)
		return hoy_err_conflict(
			err, "container %s is restarting, wait until the container is running", c->info.id);
	if ((how->stdout_ || how->stderr_) && hoy_log_takes_output(&c->config->host.log_config))
		return hoy_err_unsupported(err,
			"attach: the log driver %s takes the output of container %s itself: run it detached",
			c->config->host.log_config.type, c->info.id);
	*ret_framed = !c->config->tty;
	return 0;
}

static int attach_new(struct hoy_container *c, const struct hoy_container_attach *how, int *fd, const void *leftover,
	size_t leftover_len, struct hoy_attach_pending **ret, struct hoy_err *err)
{
	struct hoy_attach_pending *a = calloc(1, sizeof *a);
	int r = 0;

	if (!a)
		return hoy_err_oom(err);
	a->container = c;
	a->framed = !c->config->tty && !how->raw;
	a->how = *how;
	a->how.detach_keys = how->detach_keys ? strdup(how->detach_keys) : NULL;
	a->fd = TAKE_FD(*fd);
	a->sock = -EBADF;
	a->next = c->attaches;
	c->attaches = a;
	if (how->detach_keys && !a->how.detach_keys)
		r = -ENOMEM;
	if (r >= 0 && leftover_len > 0)
		r = hoy_buf_add(&a->leftover, leftover, leftover_len);
	if (r < 0) {
		attach_free(a);
		return hoy_err_oom(err);
	}
	*ret = a;
	return 0;
}

int hoy_container_attach(struct hoy_containers *room, const char *ref, const struct hoy_container_attach *how, int fd,
	const void *leftover, size_t leftover_len, struct hoy_err *err)
{
	auto_fd int client = fd;
	struct hoy_attach_pending *a = NULL;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	if (c->phase == HOY_PHASE_ENDING || c->phase == HOY_PHASE_REMOVING)
		return 0; /* over already: the client sees the end of its stream */
	r = attach_new(c, how, &client, leftover, leftover_len, &a, err);
	if (r < 0)
		return r;
	if (c->phase == HOY_PHASE_RUNNING || c->start_waits)
		r = pass(a, err);
	else
		r = hoy_loop_io(room->options.loop, &a->source, a->fd, EPOLLHUP, on_hangup, a, err);
	if (r < 0) {
		attach_free(a);
		return r;
	}
	hoy_container_publish(c, "attach", NULL);
	return 0;
}

int hoy_container_attach_exec(struct hoy_exec *e, const struct hoy_container_attach *how, bool framed, int fd,
	const void *leftover, size_t leftover_len, struct hoy_err *err)
{
	auto_fd int client = fd;
	struct hoy_attach_pending *a;
	int r = attach_new(e->container, how, &client, leftover, leftover_len, &a, err);

	if (r < 0)
		return r;
	a->exec = e;
	a->framed = framed;
	r = pass(a, err);
	if (r < 0)
		attach_free(a);
	return r;
}

int hoy_container_resize(struct hoy_containers *room, const char *ref, unsigned int height, unsigned int width,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	if (c->phase == HOY_PHASE_ENDING || c->phase == HOY_PHASE_REMOVING || c->info.status == HOY_CONTAINER_EXITED)
		if (c->phase != HOY_PHASE_STARTING)
			return hoy_err_conflict(err, "container %s is not running", c->info.id);
	c->tty_height = height;
	c->tty_width = width;
	if (c->shim_created && c->shim)
		r = hoy_shim_resize(c->shim, NULL, height, width, NULL, NULL, err);
	if (r < 0)
		return r;
	hoy_done_later(room, done, userdata, NULL);
	return 0;
}
