/* The connection to hoy-net. Knows its messages only as far as HELLO, SYNC and QUIT. */
#include "supervisor/network/service.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/network/program.h"

/* Requests sent and not yet answered: so few that hoy-net's replies always fit its socket buffer. */
#define WINDOW 16
#define MAX_FAILURES 3

struct call {
	struct call *next;
	struct hoy_net_request *request;
	size_t size;
	int fd;
	bool is_sync; /* part of the state that a new connection tells; not told twice */
	hoy_service_replied replied;
	void *userdata;
};

struct hoy_service {
	struct hoy_loop *loop;
	struct hoy_program *program;
	char table[HOY_NET_TABLE_MAX];
	struct hoy_service_owner owner;
	int sock; /* -EBADF: not connected */
	struct hoy_source *io;
	struct hoy_source *retry;
	struct call *first, **last;
	size_t n_sent; /* of the queue's front */
	uint32_t seq;
	unsigned int failures;    /* connections lost since a request was answered */
	bool telling;             /* what is sent now belongs to the sync */
	int fds[HOY_FD_PASS_MAX]; /* beside the reply that is being handled */
	size_t n_fds;
	union {
		struct hoy_net_reply reply;
		unsigned char bytes[HOY_NET_REPLY_SIZE(HOY_NET_MAX_PORTS)];
	} in;
};

static void connect_or_retry(struct hoy_service *service);

/* --- the queue ------------------------------------------------------------------ */

static void call_free(struct call *call)
{
	if (!call)
		return;
	hoy_fd_close(&call->fd);
	free(call->request);
	free(call);
}
HOY_DEFINE_AUTO_PTR(struct call, call_free);

static void append(struct hoy_service *service, struct call *call)
{
	call->next = NULL;
	*service->last = call;
	service->last = &call->next;
}

static struct call *take_first(struct hoy_service *service)
{
	struct call *call = service->first;

	service->first = call->next;
	if (!service->first)
		service->last = &service->first;
	return call;
}

static struct call *take_all(struct hoy_service *service)
{
	struct call *calls = service->first;

	service->first = NULL;
	service->last = &service->first;
	service->n_sent = 0;
	return calls;
}

/* Answers everything that waits with `err`. A callback may queue anew: that goes into the new queue. */
static void fail_all(struct hoy_service *service, const struct hoy_err *err)
{
	struct call *call = take_all(service);

	while (call) {
		struct call *next = call->next;

		if (call->replied)
			call->replied(call->userdata, NULL, err);
		call_free(call);
		call = next;
	}
}

static struct call *call_new(const struct hoy_net_request *request, size_t size, int fd)
{
	auto_ptr(call_free) struct call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	call->fd = -EBADF;
	call->request = malloc(size);
	if (!call->request)
		return NULL;
	memcpy(call->request, request, size);
	call->size = size;
	if (fd >= 0) {
		call->fd = hoy_fd_dup(fd);
		if (call->fd < 0)
			return NULL;
	}
	return TAKE_PTR(call);
}

static int enqueue(struct hoy_service *service, const struct hoy_net_request *request, size_t size, int fd,
	hoy_service_replied replied, void *userdata, struct hoy_err *err)
{
	struct call *call = call_new(request, size, fd);

	if (!call)
		return hoy_err_oom(err);
	call->request->seq = ++service->seq;
	call->is_sync = service->telling;
	call->replied = replied;
	call->userdata = userdata;
	append(service, call);
	return 0;
}

static void enqueue_op(
	struct hoy_service *service, struct hoy_net_request *request, enum hoy_net_op op, hoy_service_replied replied)
{
	struct hoy_err err = {};

	request->op = op;
	if (enqueue(service, request, HOY_NET_REQUEST_SIZE(0), -1, replied, service, &err) < 0)
		hoy_log_err(&err, "hoy-net");
}

/* --- sending and receiving --------------------------------------------------------- */

static void disconnect(struct hoy_service *service)
{
	service->io = hoy_source_free(service->io);
	hoy_fd_close(&service->sock);
	service->n_sent = 0;
}

static struct call *first_unsent(struct hoy_service *service)
{
	struct call *call = service->first;

	for (size_t i = 0; i < service->n_sent && call; i++)
		call = call->next;
	return call;
}

/* Sends what the window takes. A broken connection shows as end of file on the reading side. */
static void push(struct hoy_service *service)
{
	struct call *call = first_unsent(service);

	while (call && service->n_sent < WINDOW) {
		ssize_t n = hoy_fd_send(service->sock, call->request, call->size, &call->fd, call->fd >= 0 ? 1 : 0);

		if (n < 0)
			break;
		service->n_sent++;
		call = call->next;
	}
	(void) hoy_source_set_events(
		service->io, call && service->n_sent < WINDOW ? EPOLLIN | EPOLLOUT : EPOLLIN, NULL);
}

static void lost(struct hoy_service *service)
{
	struct hoy_err err = {};

	disconnect(service);
	service->failures++;
	if (service->failures >= MAX_FAILURES) {
		(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECONNRESET, "hoy-net ended unexpectedly, see '%s'",
			hoy_program_log(service->program));
		fail_all(service, &err);
	}
	connect_or_retry(service);
}

static void on_reply(struct hoy_service *service, size_t len)
{
	const struct hoy_net_reply *reply = &service->in.reply;
	auto_ptr(call_free) struct call *call = NULL;

	if (service->n_sent == 0 || len < HOY_NET_REPLY_SIZE(0) || reply->n_ports > HOY_NET_MAX_PORTS ||
		len != HOY_NET_REPLY_SIZE(reply->n_ports) || reply->seq != service->first->request->seq) {
		hoy_log_error("hoy-net: unexpected reply, starting over");
		lost(service);
		return;
	}
	call = take_first(service);
	service->n_sent--;
	if (!call->is_sync)
		service->failures = 0;
	if (call->replied)
		call->replied(call->userdata, reply, NULL);
}

static void on_io(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_service *service = userdata;
	ssize_t n;

	(void) source;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		service->n_fds = ARRAY_LEN(service->fds);
		n = hoy_fd_recv(service->sock, &service->in, sizeof service->in, service->fds, &service->n_fds);
		if (n == 0 || (n < 0 && n != -EAGAIN)) {
			service->n_fds = 0;
			lost(service);
			return;
		}
		if (n > 0)
			on_reply(service, (size_t) n);
		while (service->n_fds > 0) /* nobody took them */
			hoy_fd_close(&service->fds[--service->n_fds]);
	}
	if (service->sock >= 0)
		push(service);
}

/* --- connecting ------------------------------------------------------------------------ */

/* One of another version is told to end; its rules stay, and its successor takes them over. */
static void on_hello(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_service *service = userdata;
	struct hoy_net_request quit = {};

	(void) err;
	if (!reply || reply->err.errnum == 0)
		return;
	hoy_log_err(&reply->err, "hoy-net, starting another");
	quit.op = HOY_NET_QUIT;
	(void) hoy_fd_send(service->sock, &quit, HOY_NET_REQUEST_SIZE(0), NULL, 0);
}

static void on_synced(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_service *service = userdata;

	if (err)
		return;
	if (reply->err.errnum)
		hoy_log_err(&reply->err, "networks");
	else if (!service->first) /* with a request behind it, that one has to succeed: it may be what kills hoy-net */
		service->failures = 0;
}

/* The state first, then what waited; parts of an earlier telling are void. */
static void tell(struct hoy_service *service)
{
	struct call *waiting = take_all(service);
	const struct hoy_err again = { .errnum = ECONNRESET, .msg = "hoy-net began anew" };
	struct hoy_net_request hello = { .hello.version = HOY_NET_VERSION }, plain = {};

	(void) snprintf(hello.hello.table, sizeof hello.hello.table, "%s", service->table);
	service->telling = true;
	enqueue_op(service, &hello, HOY_NET_HELLO, on_hello);
	enqueue_op(service, &plain, HOY_NET_SYNC_BEGIN, NULL);
	service->owner.sync(service->owner.userdata);
	enqueue_op(service, &plain, HOY_NET_SYNC_END, on_synced);
	service->telling = false;
	while (waiting) {
		struct call *next = waiting->next;

		if (waiting->is_sync) {
			if (waiting->replied)
				waiting->replied(waiting->userdata, NULL, &again);
			call_free(waiting);
		} else {
			waiting->request->seq = ++service->seq;
			append(service, waiting);
		}
		waiting = next;
	}
}

static int try_connect(struct hoy_service *service, struct hoy_err *err)
{
	int r;

	service->sock = hoy_program_connect(service->program, err);
	if (service->sock < 0)
		return service->sock;
	r = hoy_loop_io(service->loop, &service->io, service->sock, EPOLLIN, on_io, service, err);
	if (r < 0) {
		disconnect(service);
		return r;
	}
	tell(service);
	push(service);
	return 0;
}

/* At once the first time, then slower and slower; not at all when nobody wants it. */
static void connect_or_retry(struct hoy_service *service)
{
	struct hoy_err err = {};

	if (service->sock >= 0 || (!service->first && !service->owner.wanted(service->owner.userdata)))
		return;
	if (service->failures > 1) {
		hoy_source_set_timer(service->retry, UINT64_C(100000000) << MIN(service->failures, 6U));
		return;
	}
	if (try_connect(service, &err) >= 0)
		return;
	hoy_log_err(&err, "start hoy-net");
	service->failures++;
	fail_all(service, &err);
	if (service->owner.wanted(service->owner.userdata))
		hoy_source_set_timer(service->retry, UINT64_C(100000000) << MIN(service->failures, 6U));
}

static void on_retry(struct hoy_source *source, void *userdata)
{
	struct hoy_service *service = userdata;
	struct hoy_err err = {};

	(void) source;
	if (service->sock >= 0 || try_connect(service, &err) >= 0)
		return;
	service->failures++;
	fail_all(service, &err);
	connect_or_retry(service);
}

/* --- for the room ------------------------------------------------------------------------- */

int hoy_service_new(struct hoy_loop *loop, const char *exec_root, const char *table,
	const struct hoy_service_owner *owner, struct hoy_service **ret, struct hoy_err *err)
{
	auto_ptr(hoy_service_free) struct hoy_service *service = calloc(1, sizeof *service);
	const struct hoy_program_start start = {
		.name = "hoy-net", .exec_root = exec_root, .argument = owner->host_socket, .cgroup_fd = owner->cgroup_fd
	};
	int r;

	if (!service)
		return hoy_err_oom(err);
	service->loop = loop;
	service->owner = *owner;
	service->sock = -EBADF;
	service->last = &service->first;
	(void) snprintf(service->table, sizeof service->table, "%s", table);
	r = hoy_program_new(loop, &start, &service->program, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &service->retry, UINT64_MAX, on_retry, service, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(service);
	return 0;
}

void hoy_service_free(struct hoy_service *service)
{
	struct call *call;

	if (!service)
		return;
	disconnect(service);
	for (call = take_all(service); call;) {
		struct call *next = call->next;

		call_free(call);
		call = next;
	}
	service->retry = hoy_source_free(service->retry);
	hoy_program_free(service->program);
	free(service);
}

size_t hoy_service_take_fds(struct hoy_service *service, int *ret, size_t max)
{
	size_t n = MIN(service->n_fds, max);

	for (size_t i = 0; i < n; i++)
		ret[i] = TAKE_FD(service->fds[i]);
	return n;
}

bool hoy_service_is_connected(const struct hoy_service *service)
{
	return service->sock >= 0;
}

void hoy_service_start(struct hoy_service *service)
{
	struct hoy_err err = {};

	if (service->sock < 0 && try_connect(service, &err) < 0)
		hoy_log_err(&err, "start hoy-net");
}

int hoy_service_send(struct hoy_service *service, const struct hoy_net_request *request, size_t size, int fd,
	hoy_service_replied replied, void *userdata, struct hoy_err *err)
{
	int r = enqueue(service, request, size, fd, replied, userdata, err);

	if (r < 0 || service->telling)
		return r;
	if (service->sock >= 0)
		push(service);
	else
		hoy_source_set_timer(service->retry, 0); /* connects from the loop: a failure calls back from there */
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The loop has ended: replies are read here, until hoy-net closes. */
void hoy_service_quit(struct hoy_service *service, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	struct hoy_net_request quit = { .op = HOY_NET_QUIT, .quit.remove = 1 };
	struct hoy_err err = {};

	if (service->sock < 0 && try_connect(service, &err) < 0) {
		hoy_log_err(&err, "remove networks");
		return;
	}
	if (enqueue(service, &quit, HOY_NET_REQUEST_SIZE(0), -1, NULL, NULL, &err) < 0)
		return;
	push(service);
	while (now_ms() < end) {
		struct pollfd pfd = { .fd = service->sock, .events = POLLIN };
		ssize_t n;

		if (poll(&pfd, 1, (int) (end - now_ms())) <= 0)
			continue;
		n = hoy_fd_recv(service->sock, &service->in, sizeof service->in, NULL, NULL);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			break;
		if (n > 0)
			on_reply(service, (size_t) n);
		if (service->sock < 0)
			break;
		push(service);
	}
	disconnect(service);
	hoy_program_gone(service->program);
}
