/* Publishing events. */
#include "shim/events.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/reaper.h"

#define MAX_QUEUED 4096
#define TIMEOUT_NS ((uint64_t) 5 * 1000000000)
#define RETRY_NS ((uint64_t) 500 * 1000000)
#define PROGRAM_RETRY_NS ((uint64_t) 5 * 1000000000) /* it is a heavy one */

struct event {
	struct event *next;
	char topic[32];
	struct timespec time;
	char type_url[64];
	size_t len;
	uint8_t data[];
};

struct hoy_events {
	struct hoy_loop *loop;
	struct hoy_reaper *reaper;
	char *address, *namespace_;
	struct hoy_ttrpc_client *client;
	char *program, *program_address; /* NULL unless it is used */
	struct hoy_watch *watch;         /* the program, at work ... */
	pid_t pid;
	struct event *head, **tail;
	size_t n;
	bool in_flight;
	struct hoy_source *retry;
};

static void send_head(struct hoy_events *events);

static void drop_head(struct hoy_events *events)
{
	struct event *event = events->head;

	events->head = event->next;
	if (!events->head)
		events->tail = &events->head;
	events->n--;
	free(event);
}

static void on_forwarded(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	struct hoy_events *events = userdata;

	events->in_flight = false;
	if (reply->code == HOY_TTRPC_UNAVAILABLE || reply->code == HOY_TTRPC_DEADLINE_EXCEEDED) {
		hoy_source_set_timer(events->retry, RETRY_NS);
		return;
	}
	if (reply->code != HOY_TTRPC_OK) /* it will not like it better the next time */
		hoy_log_warn("event %s was refused: %s, ignoring", events->head->topic, reply->message);
	drop_head(events);
	send_head(events);
}

static void on_lost(struct hoy_ttrpc_client *client, void *userdata)
{
	struct hoy_events *events = userdata;

	events->client = NULL;
	hoy_ttrpc_client_free(client);
}

static int ensure_client(struct hoy_events *events)
{
	int r;

	if (events->client)
		return 0;
	r = hoy_ttrpc_client_connect(events->loop, events->address, on_lost, events, &events->client, /* err= */ NULL);
	if (r < 0)
		return r;
	return hoy_ttrpc_client_set_metadata(events->client, "containerd-namespace-ttrpc", events->namespace_);
}

/* --- by the caller's program -------------------------------------------------------------------------------------- */

static void on_published(void *userdata, const siginfo_t *si)
{
	struct hoy_events *events = userdata;

	events->watch = NULL;
	events->in_flight = false;
	if (hoy_process_status(si) != 0) {
		hoy_source_set_timer(events->retry, PROGRAM_RETRY_NS);
		return;
	}
	hoy_source_set_timer(events->retry, UINT64_MAX);
	drop_head(events);
	send_head(events);
}

/* The Any that the program reads on its stdin: a file in memory, which never blocks. */
static int event_file(const struct event *event)
{
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	auto_fd int fd = memfd_create("event", MFD_CLOEXEC);
	auto_free uint8_t *data = NULL;
	size_t len;

	any.type_url = (char *) event->type_url;
	any.value.data = (uint8_t *) event->data;
	any.value.len = event->len;
	data = malloc(hoy__pb__any__get_packed_size(&any) + 1);
	if (fd < 0 || !data)
		return -ENOMEM;
	len = hoy__pb__any__pack(&any, data);
	if (hoy_fd_write_all(fd, data, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	return TAKE_FD(fd);
}

static int run_program(struct hoy_events *events)
{
	const struct event *event = events->head;
	const char *argv[] = { events->program, "--address", events->program_address, "publish", "--topic",
		event->topic, "--namespace", events->namespace_, NULL };
	auto_fd int fd = event_file(event);
	struct hoy_spawn spawn = { .path = events->program,
		.argv = (char *const *) argv,
		.cwd = "/",
		.fds = &fd,
		.n_fds = 1,
		.cgroup_fd = -1 };
	int r = fd;

	if (r >= 0)
		r = hoy_process_spawn(&spawn, &events->pid, /* ret_pidfd= */ NULL, /* err= */ NULL);
	if (r >= 0)
		r = hoy_reaper_watch(
			events->reaper, events->pid, on_published, events, &events->watch, /* err= */ NULL);
	return r;
}

static void publish_by_program(struct hoy_events *events)
{
	if (run_program(events) < 0) {
		hoy_source_set_timer(events->retry, PROGRAM_RETRY_NS);
		return;
	}
	events->in_flight = true;
	hoy_source_set_timer(events->retry, TIMEOUT_NS);
}

/* --- by ttrpc ----------------------------------------------------------------------------------------------------- */

static void send_head(struct hoy_events *events)
{
	Hoy__Pb__ForwardRequest request = HOY__PB__FORWARD_REQUEST__INIT;
	Hoy__Pb__Envelope envelope = HOY__PB__ENVELOPE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	struct event *event = events->head;

	if (!event || events->in_flight)
		return;
	if (events->program) {
		publish_by_program(events);
		return;
	}
	if (ensure_client(events) < 0) {
		hoy_source_set_timer(events->retry, RETRY_NS);
		return;
	}
	time.seconds = event->time.tv_sec;
	time.nanos = (int32_t) event->time.tv_nsec;
	any.type_url = event->type_url;
	any.value.data = event->data;
	any.value.len = event->len;
	envelope.timestamp = &time;
	envelope.namespace_ = events->namespace_;
	envelope.topic = event->topic;
	envelope.event = &any;
	request.envelope = &envelope;
	if (hoy_ttrpc_call(events->client, HOY_TTRPC_EVENTS_SERVICE, "Forward", &request.base, TIMEOUT_NS, on_forwarded,
		    events, /* err= */ NULL) < 0)
		hoy_source_set_timer(events->retry, RETRY_NS);
	else
		events->in_flight = true;
}

static void on_retry(struct hoy_source *source, void *userdata)
{
	struct hoy_events *events = userdata;

	(void) source;
	if (events->watch)
		(void) kill(events->pid, SIGKILL); /* its exit brings us back */
	else
		send_head(events);
}

static char *copy_unless_empty(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

int hoy_events_new(const struct hoy_events_options *options, struct hoy_events **ret, struct hoy_err *err)
{
	struct hoy_events *events = calloc(1, sizeof *events);
	int r;

	if (!events)
		return hoy_err_oom(err);
	events->loop = options->loop;
	events->reaper = options->reaper;
	events->tail = &events->head;
	events->address = copy_unless_empty(options->ttrpc_address);
	events->namespace_ = strdup(options->namespace_);
	if (!events->address && options->grpc_address && *options->grpc_address) {
		events->program = copy_unless_empty(options->publish_binary);
		events->program_address = strdup(options->grpc_address);
	}
	r = hoy_loop_timer(options->loop, &events->retry, UINT64_MAX, on_retry, events, err);
	if (r < 0) {
		hoy_events_free(events);
		return r;
	}
	*ret = events;
	return 0;
}

void hoy_events_free(struct hoy_events *events)
{
	if (!events)
		return;
	hoy_ttrpc_client_free(events->client);
	while (events->head)
		drop_head(events);
	hoy_source_free(events->retry);
	hoy_watch_free(events->watch);
	free(events->program);
	free(events->program_address);
	free(events->address);
	free(events->namespace_);
	free(events);
}

/* Makes room: the oldest event that is neither an exit nor in flight. */
static void drop_one(struct hoy_events *events)
{
	struct event **at = &events->head;

	if (events->in_flight)
		at = &(*at)->next;
	while (*at && hoy_str_eq((*at)->topic, "/tasks/exit"))
		at = &(*at)->next;
	if (*at) {
		struct event *event = *at;

		*at = event->next;
		if (!*at)
			events->tail = at;
		events->n--;
		free(event);
	}
}

void hoy_events_publish(struct hoy_events *events, const char *topic, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	struct event *event;

	if (!events->address && !events->program)
		return;
	if (events->n >= MAX_QUEUED)
		drop_one(events);
	event = calloc(1, sizeof *event + len);
	if (!event) {
		hoy_log_error("event %s is lost: out of memory", topic);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &event->time);
	event->len = len;
	protobuf_c_message_pack(message, event->data);
	(void) strncpy(event->topic, topic, sizeof event->topic - 1);
	(void) strncpy(event->type_url, "containerd.events.", sizeof event->type_url - 1);
	(void) strncat(
		event->type_url, message->descriptor->short_name, sizeof event->type_url - strlen(event->type_url) - 1);
	*events->tail = event;
	events->tail = &event->next;
	events->n++;
	send_head(events);
}

bool hoy_events_is_empty(const struct hoy_events *events)
{
	return !events->head;
}
