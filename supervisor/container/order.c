/*
 * The order in which containers come up with hoyd: one that depends on others, by the label of compose, by links or
 * by namespaces it shares, starts when these are as far as it asks. Whatever changes a container may let others go
 * on; nothing polls.
 *
 * Who waits is "restarting" without a timer. A dependency that is not there or that nobody starts is no condition: a
 * machine that comes back at night must not stay down for the sake of what was switched off. One that hoyd has
 * started and that failed is waited for where more than its start was asked.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/links.h"

#define LABEL "com.docker.compose."

enum condition { STARTED, HEALTHY, COMPLETED };

static const char *const texts[] = { [STARTED] = "runs", [HEALTHY] = "is healthy", [COMPLETED] = "has exited with 0" };

/* Called for each container `c` depends on; true ends the walk. */
typedef bool dependency_fn(struct hoy_container *c, struct hoy_container *on, enum condition condition, void *userdata);

static const char *label(const struct hoy_container *c, const char *name)
{
	for (size_t i = 0; i < c->config->n_labels; i++)
		if (strcmp(c->config->labels[i].key, name) == 0)
			return c->config->labels[i].value;
	return NULL;
}

/* --- whom it depends on ---------------------------------------------------------------------------- */

struct service {
	const char *name; /* `len` bytes */
	size_t len;
	enum condition condition;
};

/* Takes the next "service:condition:restart" off; an unknown condition is the weakest. */
static struct service next_service(const char **at)
{
	size_t len = strcspn(*at, ","), name = strcspn(*at, ":,");
	const char *condition = *at + name + ((*at)[name] == ':');
	struct service ret = { .name = *at, .len = name, .condition = STARTED };

	if (hoy_str_starts(condition, "service_healthy"))
		ret.condition = HEALTHY;
	else if (hoy_str_starts(condition, "service_completed_successfully"))
		ret.condition = COMPLETED;
	*at += len + ((*at)[len] == ',');
	return ret;
}

static bool is_of(const struct hoy_container *c, const struct service *service, const char *project)
{
	const char *name = label(c, LABEL "service");

	if (!name || !hoy_str_eq(label(c, LABEL "project"), project) || hoy_str_eq(label(c, LABEL "oneoff"), "True"))
		return false;
	return strncmp(name, service->name, service->len) == 0 && !name[service->len];
}

static bool each_by_label(struct hoy_container *c, dependency_fn *fn, void *userdata)
{
	const char *at = label(c, LABEL "depends_on"), *project = label(c, LABEL "project");

	while (project && at && *at) {
		const struct service service = next_service(&at);

		for (size_t i = 0; i < c->room->n; i++) {
			struct hoy_container *on = c->room->list[i];

			if (on != c && is_of(on, &service, project) && fn(c, on, service.condition, userdata))
				return true;
		}
	}
	return false;
}

static bool each_by_config(struct hoy_container *c, dependency_fn *fn, void *userdata)
{
	const struct hoy_container_host_config *host = &c->config->host;
	const char *const modes[] = { host->network_mode, host->pid_mode, host->ipc_mode };
	struct hoy_container *on;

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		const char *name = hoy_container_mode_names(modes[i]);

		if (name && hoy_containers_lookup(c->room, name, &on, NULL) >= 0 && on != c &&
			fn(c, on, STARTED, userdata))
			return true;
	}
	for (char **link = host->links; link && *link; link++) {
		auto_free char *name = NULL, *alias = NULL;

		if (hoy_link_split(*link, &name, &alias, NULL) >= 0 &&
			hoy_containers_lookup(c->room, name, &on, NULL) >= 0 && on != c && fn(c, on, STARTED, userdata))
			return true;
	}
	return false;
}

static bool each_dependency(struct hoy_container *c, dependency_fn *fn, void *userdata)
{
	return each_by_label(c, fn, userdata) || each_by_config(c, fn, userdata);
}

/* --- how far these are ------------------------------------------------------------------------------- */

static bool is_as_far(const struct hoy_container *on, enum condition condition)
{
	const struct hoy_container_info *info = &on->info;

	if (condition == COMPLETED)
		return on->phase == HOY_PHASE_IDLE && !info->restarting && info->status == HOY_CONTAINER_EXITED &&
		       info->exit_code == 0;
	if (on->phase != HOY_PHASE_RUNNING || on->unconfirmed)
		return false;
	return condition == STARTED || !hoy_container_is_probed(on) || info->health.status == HOY_HEALTH_HEALTHY;
}

/* It stands still, and neither hoyd nor what it was brought up for will change that. */
static bool is_given_up(const struct hoy_container *on, enum condition condition)
{
	if (on->phase != HOY_PHASE_IDLE || on->info.restarting)
		return false;
	return condition == STARTED || !on->brought_up || on->stopped_by_user;
}

static void look_for_circles(struct hoy_container *c);

static bool walk(struct hoy_container *c, struct hoy_container *on, enum condition condition, void *userdata)
{
	(void) condition;
	(void) userdata;
	if (on->ordered && on->walk == HOY_WALK_ON)
		c->in_circle = true; /* the one that closes it waits for nobody */
	else if (on->ordered && on->walk == HOY_WALK_NONE)
		look_for_circles(on);
	return false;
}

/* Among those that wait, from `c` on. */
static void look_for_circles(struct hoy_container *c)
{
	c->walk = HOY_WALK_ON;
	(void) each_dependency(c, walk, NULL);
	c->walk = HOY_WALK_OVER;
}

struct missing {
	struct hoy_container *on;
	enum condition condition;
};

static bool find_missing(struct hoy_container *c, struct hoy_container *on, enum condition condition, void *userdata)
{
	(void) c;
	if (is_as_far(on, condition) || is_given_up(on, condition))
		return false;
	*(struct missing *) userdata = (struct missing){ on, condition };
	return true;
}

static bool tell_given_up(struct hoy_container *c, struct hoy_container *on, enum condition condition, void *userdata)
{
	(void) userdata;
	if (!is_as_far(on, condition))
		hoy_log_warn("container '%s': starts without '%s', which nobody starts", c->info.name, on->info.name);
	return false;
}

/* --- waiting --------------------------------------------------------------------------------------------- */

static void go_on_if_it_can(struct hoy_container *c)
{
	struct missing missing = {};

	if (!c->in_circle && each_dependency(c, find_missing, &missing)) {
		if (c->waits_for != missing.on)
			hoy_log_info("container '%s': starts when '%s' %s", c->info.name, missing.on->info.name,
				texts[missing.condition]);
		c->waits_for = missing.on;
		return;
	}
	if (c->in_circle)
		hoy_log_warn(
			"container '%s': depends on itself by way of others, starts without waiting", c->info.name);
	else
		(void) each_dependency(c, tell_given_up, NULL);
	hoy_container_order_leave(c);
	hoy_container_restart_after(c, c->restart_delay);
}

void hoy_container_order_enter(struct hoy_container *c)
{
	if (c->ordered)
		return;
	c->ordered = c->brought_up = true;
	c->in_circle = false;
	c->waits_for = NULL;
	c->info.restarting = true;
	c->room->n_ordered++;
}

void hoy_container_order_leave(struct hoy_container *c)
{
	if (!c->ordered)
		return;
	c->ordered = false;
	c->room->n_ordered--;
}

static void forget_walks(struct hoy_containers *room)
{
	for (size_t i = 0; i < room->n; i++)
		room->list[i]->walk = HOY_WALK_NONE;
}

void hoy_container_order_judge(struct hoy_container *c)
{
	struct hoy_containers *room = c->room;

	if (!c->ordered || !room->in_order)
		return;
	forget_walks(room);
	look_for_circles(c);
	for (size_t i = 0; i < room->n; i++) {
		struct hoy_container *other = room->list[i];

		if (other->ordered && (other == c || other->in_circle))
			go_on_if_it_can(other);
	}
}

void hoy_containers_order_begin(struct hoy_containers *room)
{
	forget_walks(room);
	for (size_t i = 0; i < room->n; i++)
		if (room->list[i]->ordered && room->list[i]->walk == HOY_WALK_NONE)
			look_for_circles(room->list[i]);
	room->in_order = true;
	for (size_t i = 0; i < room->n; i++)
		if (room->list[i]->ordered)
			go_on_if_it_can(room->list[i]);
}

void hoy_container_order_changed(const struct hoy_container *changed)
{
	struct hoy_containers *room = changed->room;

	if (room->n_ordered == 0 || !room->in_order)
		return;
	for (size_t i = 0; i < room->n; i++)
		if (room->list[i]->ordered && room->list[i]->waits_for == changed)
			go_on_if_it_can(room->list[i]);
}
