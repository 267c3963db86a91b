/*
 * Events: container events come from the container room's subscriber list, image and daemon events from their callers.
 * Each becomes a record in the journal on disk, and in a ring of the newest; a listener gets those it asked for by
 * `since`, or by the number of the last one it saw, then new ones until `until` or until it leaves. A listener that
 * does not read is ended, never waited for.
 */
#include "supervisor/api/events.h"

#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "supervisor/api/event_journal.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"

#define EVENTS_KEPT 256

struct listener {
	struct hoy_api_events *events;
	struct listener *next, **link;
	struct hoy_http_exchange *x;
	struct hoy_filters filters;
	struct hoy_source *until;
	struct timespec since, end; /* bounds of the replay; end: only with has_until */
	uint64_t after;             /* the number of the last one the client saw; 0: it did not say */
	bool replays;               /* it gave a bound: what was before comes first */
	bool has_until;
};

struct hoy_api_events {
	struct hoy_api *api;
	struct hoy_event_record ring[EVENTS_KEPT];
	size_t next, n; /* next: where the next one goes */
	bool overflows; /* there were more than the ring has */
	uint64_t last;  /* number of the newest */
	struct hoy_event_journal *journal;
	struct listener *listeners;
	size_t n_listeners;
	uint64_t total;
	bool subscribed;
};

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* --- filters -------------------------------------------------------------------------------------------------- */

static const char *const known_filters[] = { "config", "container", "daemon", "event", "image", "label", "network",
	"node", "plugin", "scope", "secret", "service", "type", "volume", NULL };

/* An object's filter: its ID or name, or the beginning of either. Other types of events never match it. */
static bool matches_object(const struct hoy_filters *f, const struct hoy_event_record *r, const char *type)
{
	const char *name = hoy_env_get(r->attributes, "name");

	if (!hoy_filters_has(f, type))
		return true;
	if (strcmp(r->type, type) != 0)
		return false;
	return hoy_filters_match_prefix(f, type, r->id) || (name && hoy_filters_match_prefix(f, type, name));
}

static bool matches_image_name(const struct hoy_filters *f, const char *name)
{
	auto_free char *untagged = NULL;
	const char *colon = name ? strrchr(name, ':') : NULL;

	if (!name)
		return false;
	if (hoy_filters_match(f, "image", name))
		return true;
	if (!colon || strchr(colon, '/'))
		return false;
	untagged = strndup(name, (size_t) (colon - name));
	return untagged && hoy_filters_match(f, "image", untagged);
}

static bool matches_image(const struct hoy_filters *f, const struct hoy_event_record *r)
{
	bool is_image = !strcmp(r->type, "image");

	if (!hoy_filters_has(f, "image"))
		return true;
	return (is_image && hoy_filters_match(f, "image", r->id)) ||
	       matches_image_name(f, hoy_env_get(r->attributes, is_image ? "name" : "image"));
}

static bool matches_labels(const struct hoy_filters *f, const struct hoy_event_record *r)
{
	for (size_t i = 0; i < f->n_items; i++) {
		const char *want = f->items[i].value;
		bool found;

		if (strcmp(f->items[i].key, "label") != 0)
			continue;
		if (strchr(want, '='))
			found = hoy_strv_has(r->attributes, want);
		else
			found = hoy_env_get(r->attributes, want) != NULL;
		if (!found)
			return false;
	}
	return true;
}

/* "health_status: healthy" and "exec_start: sh" are asked for by their first word too. */
static bool matches_action(const struct hoy_filters *f, const struct hoy_event_record *r)
{
	static const char *const families[] = { "health_status", "exec_create", "exec_start" };

	if (hoy_filters_match(f, "event", r->action))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		size_t len = strlen(families[i]);

		if (strncmp(r->action, families[i], len) == 0 && r->action[len] == ':')
			return hoy_filters_match(f, "event", families[i]);
	}
	return false;
}

static bool matches(const struct hoy_filters *f, const struct hoy_event_record *r)
{
	static const char *const objects[] = { "config", "container", "daemon", "network", "node", "plugin", "secret",
		"service", "volume" };

	for (size_t i = 0; i < ARRAY_LEN(objects); i++)
		if (!matches_object(f, r, objects[i]))
			return false;
	return matches_action(f, r) && hoy_filters_match(f, "type", r->type) &&
	       hoy_filters_match(f, "scope", "local") && matches_image(f, r) && matches_labels(f, r);
}

/* --- encoding ------------------------------------------------------------------------------------------------- */

static void encode_attributes(struct hoy_json_writer *w, char *const *attributes)
{
	hoy_json_object(w, "Attributes");
	for (; attributes && *attributes; attributes++) {
		const char *eq = strchr(*attributes, '=');
		auto_free char *key = eq ? strndup(*attributes, (size_t) (eq - *attributes)) : NULL;

		if (key)
			hoy_json_add_string(w, key, eq + 1);
	}
	hoy_json_end(w);
}

static void encode(const struct hoy_event_record *r, struct hoy_buf *buf)
{
	struct hoy_json_writer w = { .buf = buf };

	hoy_json_object(&w, NULL);
	if (!strcmp(r->type, "container") || !strcmp(r->type, "image")) { /* members of old clients */
		hoy_json_add_string(&w, "status", r->action);
		hoy_json_add_string(&w, "id", r->id);
		if (r->from)
			hoy_json_add_string(&w, "from", r->from);
	}
	hoy_json_add_string(&w, "Type", r->type);
	hoy_json_add_string(&w, "Action", r->action);
	hoy_json_object(&w, "Actor");
	hoy_json_add_string(&w, "ID", r->id);
	encode_attributes(&w, r->attributes);
	hoy_json_end(&w);
	hoy_json_add_string(&w, "scope", "local");
	hoy_json_add_i64(&w, "time", r->time.tv_sec);
	hoy_json_add_i64(&w, "timeNano", (int64_t) r->time.tv_sec * 1000000000 + r->time.tv_nsec);
	hoy_json_add_u64(&w, "eventId", r->number);
	hoy_json_end(&w);
	(void) hoy_buf_addc(buf, '\n');
}

/* --- listeners ------------------------------------------------------------------------------------------------ */

static void listener_free(struct listener *l)
{
	if (l->link) {
		*l->link = l->next;
		if (l->next)
			l->next->link = l->link;
		l->events->n_listeners--;
	}
	hoy_source_free(l->until);
	hoy_filters_done(&l->filters);
	free(l);
}

static void on_gone(struct hoy_http_exchange *x, void *userdata)
{
	(void) x;
	listener_free(userdata);
}

static void end(struct listener *l)
{
	hoy_http_stream_end(l->x);
	listener_free(l);
}

static void on_until(struct hoy_source *source, void *userdata)
{
	(void) source;
	end(userdata);
}

/* False when the listener was ended because it does not read. */
static bool tell(struct listener *l, const struct hoy_event_record *r)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	if (!matches(&l->filters, r))
		return true;
	hoy_buf_init(&buf, 0);
	encode(r, &buf);
	if (hoy_buf_check(&buf, "event", NULL) >= 0 && hoy_http_stream_write(l->x, buf.data, buf.len) >= 0)
		return true;
	hoy_log_warn("an events client does not read its events: ended");
	end(l);
	return false;
}

/* Within the bounds? False when the listener was ended. */
static bool tell_again(struct listener *l, const struct hoy_event_record *r)
{
	if (is_before(&r->time, &l->since) || r->number <= l->after || (l->has_until && is_before(&l->end, &r->time)))
		return true;
	return tell(l, r);
}

static const struct hoy_event_record *in_ring(const struct hoy_api_events *e, size_t i)
{
	return &e->ring[(e->next + EVENTS_KEPT - e->n + i) % EVENTS_KEPT];
}

/* Calls `each` for the records on disk whose number is below `before`, from the `skip`th line on. */
static void each_on_disk(const struct hoy_buf *text, size_t skip, uint64_t before,
	bool (*each)(void *userdata, struct hoy_event_record *record), void *userdata)
{
	for (const char *at = text->data, *end; at && *at && (end = strchr(at, '\n')); at = end + 1) {
		auto_(hoy_event_record_done) struct hoy_event_record record = { 0 };

		if (skip > 0) {
			skip--;
			continue;
		}
		if (hoy_event_record_parse(at, (size_t) (end - at), &record) < 0 || record.number >= before)
			continue;
		if (!each(userdata, &record))
			return;
	}
}

static bool tell_of_disk(void *userdata, struct hoy_event_record *record)
{
	return tell_again(userdata, record);
}

/* Does the ring go back far enough? */
static bool ring_suffices(const struct listener *l)
{
	const struct hoy_api_events *e = l->events;

	if (!e->overflows || !e->n)
		return !e->overflows;
	return l->after ? in_ring(e, 0)->number <= l->after : is_before(&in_ring(e, 0)->time, &l->since);
}

/* False when the listener was ended. */
static bool replay(struct listener *l, const struct hoy_buf *disk)
{
	struct hoy_api_events *e = l->events;
	size_t listeners = e->n_listeners;

	if (disk->len)
		each_on_disk(disk, 0, e->n ? in_ring(e, 0)->number : UINT64_MAX, tell_of_disk, l);
	if (e->n_listeners != listeners)
		return false;
	for (size_t i = 0; i < e->n; i++)
		if (!tell_again(l, in_ring(e, i)))
			return false;
	return true;
}

/* What is on disk, when it is needed; an error when a client's last event is there no more: it would have a gap. */
static int read_disk(const struct listener *l, struct hoy_buf *disk, struct hoy_err *err)
{
	const struct hoy_api_events *e = l->events;
	struct hoy_event_record oldest = { 0 };
	const char *end;
	int r;

	if (!l->replays || ring_suffices(l))
		return 0;
	r = hoy_event_journal_read(e->journal, disk, err);
	if (r < 0 || !l->after)
		return r;
	end = disk->data ? strchr(disk->data, '\n') : NULL;
	if (end && hoy_event_record_parse(disk->data, (size_t) (end - disk->data), &oldest) == 0 &&
		oldest.number > l->after)
		r = hoy_err_not_found(err,
			"event %llu is no longer kept: there may be others between it and the oldest, %llu",
			(unsigned long long) l->after, (unsigned long long) oldest.number);
	hoy_event_record_done(&oldest);
	return r;
}

static int begin(struct listener *l, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf disk = { .cap = 4 * HOY_EVENT_JOURNAL_MAX };
	struct timespec now;
	uint64_t wait;
	int r = read_disk(l, &disk, err);

	if (r >= 0)
		r = hoy_http_stream_begin(l->x, 200, "application/json", on_gone, l, err);
	if (r < 0)
		return r;
	l->next = l->events->listeners;
	l->link = &l->events->listeners;
	if (l->next)
		l->next->link = &l->next;
	l->events->listeners = l;
	l->events->n_listeners++;
	if (l->replays && !replay(l, &disk))
		return 0;
	if (!l->has_until)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	if (!is_before(&now, &l->end)) {
		end(l);
		return 0;
	}
	wait = (uint64_t) (l->end.tv_sec - now.tv_sec) * 1000000000 + (uint64_t) l->end.tv_nsec -
	       (uint64_t) now.tv_nsec;
	if (hoy_loop_timer(l->events->api->o.loop, &l->until, wait, on_until, l, NULL) < 0)
		end(l);
	return 0;
}

static bool is_given(const struct hoy_api_request *rq, const char *key)
{
	const char *text = hoy_uri_query(&rq->uri, key);

	return text && *text;
}

static int parse_bounds(struct hoy_api_request *rq, struct listener *l, struct hoy_err *err)
{
	const char *after = hoy_uri_query(&rq->uri, "after");
	int r = hoy_api_parse_time(hoy_uri_query(&rq->uri, "since"), "since", &l->since, err);

	if (r >= 0)
		r = hoy_api_parse_time(hoy_uri_query(&rq->uri, "until"), "until", &l->end, err);
	if (r >= 0 && is_given(rq, "until") && is_before(&l->end, &l->since))
		r = hoy_err_invalid(err, "`since` time (%s) cannot be after `until` time (%s)",
			hoy_uri_query(&rq->uri, "since"), hoy_uri_query(&rq->uri, "until"));
	if (r >= 0 && is_given(rq, "after") && hoy_str_to_u64(after, &l->after) < 0)
		r = hoy_err_invalid(err, "invalid value for 'after': \"%s\" is no event's number", after);
	l->has_until = is_given(rq, "until");
	l->replays = l->has_until || is_given(rq, "since") || is_given(rq, "after");
	return r;
}

int hoy_api_events_listen(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct listener *l = calloc(1, sizeof *l);
	int r;

	if (!l)
		return hoy_err_oom(err);
	l->events = rq->api->events;
	l->x = rq->x;
	r = parse_bounds(rq, l, err);
	if (r >= 0)
		r = hoy_filters_parse(&l->filters, hoy_uri_query(&rq->uri, "filters"), known_filters, err);
	if (r >= 0)
		r = begin(l, err);
	if (r < 0)
		listener_free(l);
	return r;
}

/* --- sources of events ---------------------------------------------------------------------------------------- */

void hoy_api_events_add(struct hoy_api_events *e, const struct hoy_api_event *event)
{
	struct hoy_event_record *r = &e->ring[e->next];
	struct listener *next;

	hoy_event_record_done(r);
	r->type = strdup(event->type);
	r->action = strdup(event->action);
	r->id = strdup(event->id);
	r->from = event->from ? strdup(event->from) : NULL;
	r->attributes = event->attributes ? hoy_strv_copy(event->attributes) : NULL;
	r->time = event->time;
	if (!r->type || !r->action || !r->id) {
		hoy_event_record_done(r);
		return;
	}
	e->total++;
	r->number = MAX(e->last + 1, (uint64_t) event->time.tv_sec * 1000000 + (uint64_t) event->time.tv_nsec / 1000);
	e->last = r->number;
	e->next = (e->next + 1) % EVENTS_KEPT;
	e->overflows = e->overflows || e->n == EVENTS_KEPT;
	e->n = MIN(e->n + 1, (size_t) EVENTS_KEPT);
	hoy_event_journal_add(e->journal, r);
	for (struct listener *l = e->listeners; l; l = next) {
		next = l->next;
		(void) tell(l, r);
	}
}

static void on_container_event(const struct hoy_container_event *event, void *userdata)
{
	const struct hoy_container_info *c = event->container;
	auto_ptr(hoy_strv_free) char **attributes = hoy_strv_copy(event->attributes);
	const struct hoy_container_config *config = c->config;

	for (size_t i = 0; i < config->n_labels; i++)
		(void) hoy_strv_addf(&attributes, "%s=%s", config->labels[i].key, config->labels[i].value);
	(void) hoy_strv_addf(&attributes, "image=%s", config->image);
	(void) hoy_strv_addf(&attributes, "name=%s", c->name);
	hoy_api_events_add(userdata, &(struct hoy_api_event){ .type = "container",
					     .action = event->action,
					     .id = c->id,
					     .from = config->image,
					     .attributes = attributes,
					     .time = event->time });
}

static void add_now(struct hoy_api *api, const char *type, const char *action, const char *id, const char *name)
{
	auto_ptr(hoy_strv_free) char **attributes = NULL;
	struct hoy_api_event event = { .type = type, .action = action, .id = id };

	(void) hoy_strv_addf(&attributes, "name=%s", name);
	event.attributes = attributes;
	clock_gettime(CLOCK_REALTIME, &event.time);
	hoy_api_events_add(api->events, &event);
}

void hoy_api_network_event(
	struct hoy_api *api, const char *action, const char *id, const char *name, const char *container_id)
{
	auto_ptr(hoy_strv_free) char **attributes = NULL;
	struct hoy_api_event event = { .type = "network", .action = action, .id = id };

	if (container_id)
		(void) hoy_strv_addf(&attributes, "container=%s", container_id);
	(void) hoy_strv_addf(&attributes, "name=%s", name);
	(void) hoy_strv_add(&attributes, "type=bridge");
	event.attributes = attributes;
	clock_gettime(CLOCK_REALTIME, &event.time);
	hoy_api_events_add(api->events, &event);
}

void hoy_api_image_event(struct hoy_api *api, const char *action, const char *image_id, const char *name)
{
	add_now(api, "image", action, image_id, name);
}

void hoy_api_volume_event(struct hoy_api *api, const char *action, const char *name, char *const *attributes)
{
	struct hoy_api_event event = { .type = "volume", .action = action, .id = name, .attributes = attributes };

	clock_gettime(CLOCK_REALTIME, &event.time);
	hoy_api_events_add(api->events, &event);
}

void hoy_api_secret_event(struct hoy_api *api, const char *type, const char *action, const char *id, const char *name)
{
	add_now(api, type, action, id, name);
}

void hoy_api_daemon_event(struct hoy_api *api, const char *action)
{
	add_now(api, "daemon", action, api->o.host_id, "hoyd");
}

size_t hoy_api_events_listeners(const struct hoy_api_events *events)
{
	return events->n_listeners;
}

static bool take_of_disk(void *userdata, struct hoy_event_record *record)
{
	struct hoy_api_events *e = userdata;

	hoy_event_record_done(&e->ring[e->next]);
	e->ring[e->next] = *record;
	*record = (struct hoy_event_record){ 0 };
	e->last = MAX(e->last, e->ring[e->next].number);
	e->next = (e->next + 1) % EVENTS_KEPT;
	e->n = MIN(e->n + 1, (size_t) EVENTS_KEPT);
	return true;
}

/* The newest ones of the hoyd before. */
static int fill_ring(struct hoy_api_events *e, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf disk = { .cap = 4 * HOY_EVENT_JOURNAL_MAX };
	size_t lines = 0;
	int r = hoy_event_journal_read(e->journal, &disk, err);

	if (r < 0)
		return r;
	for (const char *at = disk.data; at && (at = strchr(at, '\n')); at++)
		lines++;
	e->overflows = lines > EVENTS_KEPT;
	each_on_disk(&disk, lines > EVENTS_KEPT ? lines - EVENTS_KEPT : 0, UINT64_MAX, take_of_disk, e);
	return 0;
}

int hoy_api_events_new(struct hoy_api_events **ret, struct hoy_api *api, struct hoy_err *err)
{
	struct hoy_api_events *e = calloc(1, sizeof *e);
	int r;

	if (!e)
		return hoy_err_oom(err);
	e->api = api;
	r = hoy_event_journal_open(api->o.data_root, &e->journal, err);
	if (r >= 0)
		r = fill_ring(e, err);
	if (r >= 0)
		r = hoy_containers_subscribe(api->o.containers, on_container_event, e, err);
	e->subscribed = r >= 0;
	if (r < 0)
		hoy_api_events_free(e);
	else
		*ret = e;
	return r;
}

void hoy_api_events_stop(struct hoy_api_events *events)
{
	if (events->subscribed)
		hoy_containers_unsubscribe(events->api->o.containers, on_container_event, events);
	events->subscribed = false;
}

void hoy_api_events_free(struct hoy_api_events *events)
{
	if (!events)
		return;
	hoy_api_events_stop(events);
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		hoy_event_record_done(&events->ring[i]);
	hoy_event_journal_free(events->journal);
	free(events);
}

uint64_t hoy_api_events_total(const struct hoy_api_events *e)
{
	return e->total;
}
