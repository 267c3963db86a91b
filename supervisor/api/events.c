/*
 * Events: container events come from the container room's subscriber list, image and daemon events from their callers.
 * Each becomes a record in a ring; a listener gets those of the ring it asked for by `since`, then new ones until
 * `until` or until it leaves. A listener that does not read is ended, never waited for.
 */
#include "supervisor/api/events.h"

#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"

#define EVENTS_KEPT 256

struct record {
	char *type, *action, *id, *from;
	char **attributes;
	struct timespec time;
};

struct listener {
	struct hoy_api_events *events;
	struct listener *next, **link;
	struct hoy_http_exchange *x;
	struct hoy_filters filters;
	struct hoy_source *until;
	bool replays; /* it gave a bound: what is in the ring comes first */
	bool has_until;
};

struct hoy_api_events {
	struct hoy_api *api;
	struct record ring[EVENTS_KEPT];
	size_t next, n; /* next: where the next one goes */
	struct listener *listeners;
	size_t n_listeners;
	bool subscribed;
};

static void record_done(struct record *r)
{
	free(r->type);
	free(r->action);
	free(r->id);
	free(r->from);
	hoy_strv_free(r->attributes);
	*r = (struct record){ 0 };
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* --- filters -------------------------------------------------------------------------------------------------- */

static const char *const known_filters[] = { "config", "container", "daemon", "event", "image", "label", "network",
	"node", "plugin", "scope", "secret", "service", "type", "volume", NULL };

/* An object's filter: its ID or name, or the beginning of either. Other types of events never match it. */
static bool matches_object(const struct hoy_filters *f, const struct record *r, const char *type)
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

static bool matches_image(const struct hoy_filters *f, const struct record *r)
{
	bool is_image = !strcmp(r->type, "image");

	if (!hoy_filters_has(f, "image"))
		return true;
	return (is_image && hoy_filters_match(f, "image", r->id)) ||
	       matches_image_name(f, hoy_env_get(r->attributes, is_image ? "name" : "image"));
}

static bool matches_labels(const struct hoy_filters *f, const struct record *r)
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
static bool matches_action(const struct hoy_filters *f, const struct record *r)
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

static bool matches(const struct hoy_filters *f, const struct record *r)
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

static void encode(const struct record *r, struct hoy_buf *buf)
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
static bool tell(struct listener *l, const struct record *r)
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

/* Those of the ring within the bounds. False when the listener was ended. */
static bool replay(struct listener *l, const struct timespec *since, const struct timespec *until)
{
	struct hoy_api_events *e = l->events;

	for (size_t i = 0; i < e->n; i++) {
		const struct record *r = &e->ring[(e->next + EVENTS_KEPT - e->n + i) % EVENTS_KEPT];

		if (is_before(&r->time, since) || (l->has_until && is_before(until, &r->time)))
			continue;
		if (!tell(l, r))
			return false;
	}
	return true;
}

static int begin(struct listener *l, const struct timespec *since, const struct timespec *until, struct hoy_err *err)
{
	struct timespec now;
	uint64_t wait;
	int r;

	r = hoy_http_stream_begin(l->x, 200, "application/json", on_gone, l, err);
	if (r < 0)
		return r;
	l->next = l->events->listeners;
	l->link = &l->events->listeners;
	if (l->next)
		l->next->link = &l->next;
	l->events->listeners = l;
	l->events->n_listeners++;
	if (l->replays && !replay(l, since, until))
		return 0;
	if (!l->has_until)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	if (!is_before(&now, until)) {
		end(l);
		return 0;
	}
	wait = (uint64_t) (until->tv_sec - now.tv_sec) * 1000000000 + (uint64_t) until->tv_nsec -
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

int hoy_api_events_listen(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct listener *l = calloc(1, sizeof *l);
	struct timespec since, until;
	int r;

	if (!l)
		return hoy_err_oom(err);
	l->events = rq->api->events;
	l->x = rq->x;
	r = hoy_api_parse_time(hoy_uri_query(&rq->uri, "since"), "since", &since, err);
	if (r >= 0)
		r = hoy_api_parse_time(hoy_uri_query(&rq->uri, "until"), "until", &until, err);
	if (r >= 0 && is_given(rq, "until") && is_before(&until, &since))
		r = hoy_err_invalid(err, "`since` time (%s) cannot be after `until` time (%s)",
			hoy_uri_query(&rq->uri, "since"), hoy_uri_query(&rq->uri, "until"));
	if (r >= 0)
		r = hoy_filters_parse(&l->filters, hoy_uri_query(&rq->uri, "filters"), known_filters, err);
	l->has_until = is_given(rq, "until");
	l->replays = l->has_until || is_given(rq, "since");
	if (r >= 0)
		r = begin(l, &since, &until, err);
	if (r < 0)
		listener_free(l);
	return r;
}

/* --- sources of events ---------------------------------------------------------------------------------------- */

void hoy_api_events_add(struct hoy_api_events *e, const struct hoy_api_event *event)
{
	struct record *r = &e->ring[e->next];
	struct listener *next;

	record_done(r);
	r->type = strdup(event->type);
	r->action = strdup(event->action);
	r->id = strdup(event->id);
	r->from = event->from ? strdup(event->from) : NULL;
	r->attributes = event->attributes ? hoy_strv_copy(event->attributes) : NULL;
	r->time = event->time;
	if (!r->type || !r->action || !r->id) {
		record_done(r);
		return;
	}
	e->next = (e->next + 1) % EVENTS_KEPT;
	e->n = MIN(e->n + 1, (size_t) EVENTS_KEPT);
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

void hoy_api_daemon_event(struct hoy_api *api, const char *action)
{
	add_now(api, "daemon", action, api->o.host_id, "hoyd");
}

size_t hoy_api_events_listeners(const struct hoy_api_events *events)
{
	return events->n_listeners;
}

int hoy_api_events_new(struct hoy_api_events **ret, struct hoy_api *api, struct hoy_err *err)
{
	struct hoy_api_events *e = calloc(1, sizeof *e);
	int r;

	if (!e)
		return hoy_err_oom(err);
	e->api = api;
	r = hoy_containers_subscribe(api->o.containers, on_container_event, e, err);
	if (r < 0) {
		free(e);
		return r;
	}
	e->subscribed = true;
	*ret = e;
	return 0;
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
		record_done(&events->ring[i]);
	free(events);
}
