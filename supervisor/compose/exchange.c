/* Exchanging a container while it serves. */
#include "supervisor/compose/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "supervisor/cli/wait.h"
#include "supervisor/compose/health.h"

#define NS_PER_S INT64_C(1000000000)

static const struct hoy_compose_update *update_of(const struct hoy_compose_service *s)
{
	return s->deploy ? s->deploy->update_config : NULL;
}

int hoy_compose_exchange_check(const struct hoy_compose_service *s, struct hoy_err *err)
{
	static const char *const actions[] = { "continue", "pause", "rollback", NULL };
	const struct hoy_compose_update *u = update_of(s);

	if (u && u->parallelism && *u->parallelism < 0)
		return hoy_err_invalid(err,
			"service \"%s\": deploy.update_config.parallelism: %lld is no number of containers (0: all)",
			s->name, (long long) *u->parallelism);
	if (u && !(u->max_failure_ratio >= 0 && u->max_failure_ratio <= 1))
		return hoy_err_invalid(err,
			"service \"%s\": deploy.update_config.max_failure_ratio: %g is not from 0 to 1", s->name,
			u->max_failure_ratio);
	if (u && u->failure_action && !hoy_strv_has((char *const *) actions, u->failure_action))
		return hoy_err_invalid(err,
			"service \"%s\": deploy.update_config.failure_action: \"%s\" is none of: continue pause rollback",
			s->name, u->failure_action);
	return 0;
}

bool hoy_compose_starts_first(const struct hoy_compose_service *s)
{
	const struct hoy_compose_update *u = update_of(s);

	return u && hoy_str_eq(u->order, "start-first");
}

size_t hoy_compose_exchange_parallel(const struct hoy_compose_service *s)
{
	const struct hoy_compose_update *u = update_of(s);

	return u && u->parallelism && *u->parallelism >= 0 ? (size_t) *u->parallelism : 1;
}

int64_t hoy_compose_exchange_delay(const struct hoy_compose_service *s)
{
	const struct hoy_compose_update *u = update_of(s);

	return u ? u->delay : 0;
}

static bool fails_by(const struct hoy_compose_service *s, const char *action)
{
	const struct hoy_compose_update *u = update_of(s);

	return u && hoy_str_eq(u->failure_action, action);
}

/* --- who can be exchanged ---------------------------------------------------- */

/* Does another service live in this one's namespaces? Its container would have to be exchanged in the same moment. */
static bool is_leant_on(const struct hoy_compose *app, const char *name)
{
	auto_free char *mode = hoy_str_printf("service:%s", name);

	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		if (hoy_str_eq(s->network_mode, mode) || hoy_str_eq(s->pid, mode) || hoy_str_eq(s->ipc, mode))
			return true;
		for (char **from = s->volumes_from; from && *from; from++)
			if (strncmp(*from, name, strlen(name)) == 0 && strchr(":", (*from)[strlen(name)]))
				return true;
	}
	return false;
}

/* Why two containers of it can't run at a time; NULL: they can. */
static const char *obstacle(const struct hoy_compose *app, const struct hoy_compose_service *s)
{
	if (s->network_mode && !hoy_str_eq(s->network_mode, "none"))
		return "it shares a network (network_mode)";
	hoy_compose_each(struct hoy_compose_service_network, n, s->networks)
	{
		if (n->ipv4_address || n->ipv6_address || n->mac_address)
			return "it has a fixed address";
	}
	return is_leant_on(app, s->name) ? "another service lives in its container" : NULL;
}

int hoy_compose_plan_exchanges(struct hoy_compose_plan *plan, struct hoy_err *err)
{
	bool asked = false, ours = false;

	for (size_t i = 0; i < plan->n; i++) {
		struct hoy_compose_slot *slot = &plan->slots[i];
		const char *why;
		int r;

		if (!slot->old || !slot->recreate || !hoy_compose_starts_first(slot->service) ||
			!hoy_compose_container_runs(slot->old))
			continue;
		r = asked ? 0 : hoy_compose_is_hoyd(plan->app, &ours, err);
		if (r < 0)
			return r;
		asked = true;
		why = ours ? obstacle(plan->app, slot->service) : "the engine can't exchange containers";
		slot->first = !why;
		if (why)
			(void) fprintf(stderr, "WARN: service \"%s\": order start-first is not possible, %s: %s\n",
				slot->service->name, why, "the old container is stopped first");
	}
	return 0;
}

/* --- the exchange ------------------------------------------------------------ */

/* Does it run on for as long as the file wants to see that? */
static int watch(struct hoy_compose_slot *slot, struct hoy_err *err)
{
	const struct hoy_compose_update *u = update_of(slot->service);
	struct timeval limit = { .tv_sec = u->monitor / NS_PER_S, .tv_usec = u->monitor % NS_PER_S / 1000 };
	struct hoy_http events = { .fd = -EBADF };
	int status = 0, r;

	if (u->monitor <= 0 || slot->app->globals->dry_run)
		return 0;
	r = hoy_wait_open(slot->app->cli, slot->id, "not-running", &events, err);
	if (r == 0 && setsockopt(events.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
		r = hoy_err_sys(err, "set a time limit");
	if (r == 0) {
		r = hoy_wait_read(&events, &status, err);
		r = r == -EAGAIN ? 0
		    : r == 0     ? hoy_err_conflict(err, "container %s exited (%d)", slot->name, status)
				 : r;
	}
	hoy_http_done(&events);
	return r;
}

static int promote(struct hoy_compose *app, const char *id, const char *former, struct hoy_err *err)
{
	return hoy_compose_post(app, "POST", id, err, "/promote?instead=%s", former);
}

/* The new one goes, with nothing that is the old one's. */
static int give_up(struct hoy_compose_slot *slot, struct hoy_err *err)
{
	int r = hoy_compose_post(slot->app, "DELETE", slot->id, err, "?force=1&v=%d", slot->options->renew_volumes);

	if (r < 0 && r != -ENOENT)
		return r;
	free(slot->id);
	slot->id = strdup(slot->old->id);
	slot->first = slot->promoted = false;
	return slot->id ? 0 : hoy_err_oom(err);
}

/* The new container is not as it should be: the old one stays in any case. */
static int fail(struct hoy_compose_slot *slot, struct hoy_compose_exchange *all, struct hoy_err *err)
{
	const struct hoy_compose_update *u = update_of(slot->service);
	struct hoy_err ignored = {};
	int failed = __atomic_add_fetch(&all->failed, 1, __ATOMIC_SEQ_CST), r = -ECANCELED;

	if (give_up(slot, &ignored) < 0)
		hoy_compose_tell(slot->app, HOY_REPORT_WARNING, "Container", slot->name, "was not removed");
	if (failed <= u->max_failure_ratio * all->total || fails_by(slot->service, "continue")) {
		hoy_compose_tell(slot->app, HOY_REPORT_WARNING, "Container", slot->name, "Not replaced");
		return 0;
	}
	if (err)
		r = -err->errnum;
	(void) hoy_err_wrap(err, "service \"%s\": the old container goes on", slot->service->name);
	return r;
}

int hoy_compose_exchange(
	struct hoy_compose_slot *slot, struct hoy_compose_exchange *all, int started, struct hoy_err *err)
{
	int r = started;

	if (r == 0)
		r = hoy_compose_await(slot->app, slot->id, slot->name, HOY_COMPOSE_READY, /* timeout= */ 0, err);
	if (r == 0)
		r = watch(slot, err);
	if (r == 0)
		r = promote(slot->app, slot->id, slot->old->id, err);
	if (r < 0)
		return fail(slot, all, err);
	slot->promoted = true;
	hoy_compose_tell(slot->app, HOY_REPORT_DONE, "Container", slot->name, "Replaced");
	return fails_by(slot->service, "rollback") ? 0 : hoy_compose_remove_old(slot, err);
}

/* --- the end ----------------------------------------------------------------- */

static int go_back(struct hoy_compose_slot *slot, struct hoy_err *err)
{
	int r = promote(slot->app, slot->old->id, slot->id, err);

	if (r == 0)
		r = give_up(slot, err);
	hoy_compose_tell(slot->app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, "Container", slot->name,
		r < 0 ? "Error" : "Rolled back");
	return r;
}

int hoy_compose_exchange_settle(struct hoy_compose_plan *plan, bool failed, struct hoy_err *err)
{
	int ret = 0;

	for (size_t i = 0; i < plan->n; i++) {
		struct hoy_compose_slot *slot = &plan->slots[i];
		struct hoy_err why;
		int r = 0;

		if (slot->promoted && fails_by(slot->service, "rollback"))
			r = failed ? go_back(slot, &why) : hoy_compose_remove_old(slot, &why);
		else if (slot->first && !slot->promoted && failed) /* its turn did not come */
			r = give_up(slot, &why);
		if (r < 0 && ret == 0) {
			ret = r;
			*err = why;
		}
	}
	return ret;
}
