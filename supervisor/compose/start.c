/* Starting what doesn't run, in the order of the dependencies, as parallel as they allow. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "supervisor/compose/exchange.h"
#include "supervisor/compose/health.h"
#include "supervisor/compose/hooks.h"
#include "supervisor/compose/init.h"
#include "supervisor/compose/work.h"

/* A condition on all containers of a service. It is waited for once, whoever depends on it; what came out is for those
 * that do. */
struct condition {
	struct hoy_compose_plan *plan;
	const char *service;
	enum hoy_compose_condition condition;
	struct hoy_work_step *step;
	int result;
	struct hoy_err err;
};

struct starting {
	struct hoy_compose_plan *plan;
	struct hoy_work_step *init; /* what runs once before all containers of the service; NULL: nothing */
	struct hoy_compose_slot *slot;
	struct hoy_work_step *step;
	struct graph *graph;
	struct hoy_compose_exchange *exchange; /* it takes the place of one that runs; NULL: no */
	bool later;                            /* and is not of the first lot */
};

struct graph {
	struct hoy_compose_plan *plan;
	struct hoy_work *work;
	struct starting *starts;
	struct condition *conditions;
	size_t n_conditions;
	struct hoy_compose_exchange *exchanges; /* one a service at most */
	size_t n_exchanges;
};

static bool runs(const struct hoy_compose_slot *slot)
{
	return slot->old && !slot->recreate && !slot->restart && hoy_compose_container_runs(slot->old);
}

static int run_condition(void *userdata, struct hoy_err *err)
{
	struct condition *c = userdata;

	(void) err;
	for (size_t i = 0; c->result == 0 && i < c->plan->n; i++) {
		const struct hoy_compose_slot *slot = &c->plan->slots[i];

		if (strcmp(slot->service->name, c->service) == 0)
			c->result = hoy_compose_await(
				c->plan->app, slot->id, slot->name, c->condition, /* timeout= */ 0, &c->err);
	}
	return 0;
}

static struct condition *condition_of(struct graph *g, const struct hoy_compose_dependency *d)
{
	int condition = hoy_compose_condition_parse(d->condition);

	for (size_t i = 0; i < g->n_conditions; i++)
		if (strcmp(g->conditions[i].service, d->name) == 0 && (int) g->conditions[i].condition == condition)
			return &g->conditions[i];
	return NULL;
}

/* Does a dependency fail? One that isn't required is only told of. */
static int check_dependencies(struct starting *s, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_dependency, d, s->slot->service->depends_on)
	{
		const struct condition *c = condition_of(s->graph, d);

		if (!c || c->result == 0)
			continue;
		if (!d->required) {
			hoy_compose_tell(s->plan->app, HOY_REPORT_WARNING, "Container", s->slot->name,
				"an optional dependency failed to start");
			continue;
		}
		if (err)
			*err = c->err;
		return hoy_err_wrap(err, "dependency failed to start");
	}
	return 0;
}

/* Was the container made just now, or never started? Then what comes before its first start hasn't been done. */
static bool is_fresh(const struct hoy_compose_slot *slot)
{
	return !slot->old || slot->recreate || strcmp(slot->old->state, "created") == 0;
}

static int run_init(void *userdata, struct hoy_err *err)
{
	struct starting *s = userdata;
	int r = check_dependencies(s, err);

	return r < 0 ? r : hoy_compose_run_init(s->slot, /* per_replica= */ false, err);
}

static void pause_for(int64_t ns)
{
	struct timespec left = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (ns > 0 && nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static int start_slot(void *userdata, struct hoy_err *err)
{
	struct starting *s = userdata;
	struct hoy_compose_slot *slot = s->slot;
	struct hoy_compose_container as = { .id = slot->id, .name = slot->name, .service = slot->service->name };
	int r = check_dependencies(s, err);

	if (r < 0)
		return r;
	if (runs(slot)) {
		hoy_compose_tell(s->plan->app, HOY_REPORT_DONE, "Container", slot->name, "Running");
		return 0;
	}
	if (s->later)
		pause_for(hoy_compose_exchange_delay(slot->service));
	if (is_fresh(slot))
		r = hoy_compose_run_init(slot, /* per_replica= */ true, err);
	if (r < 0)
		return r;
	hoy_compose_tell(s->plan->app, HOY_REPORT_WORKING, "Container", slot->name, "Starting");
	r = hoy_compose_post(s->plan->app, "POST", slot->id, err, "/%s", slot->restart ? "restart" : "start");
	if (r == 0) {
		slot->started = true;
		r = hoy_compose_run_hooks(s->plan->app, &as, HOY_COMPOSE_POST_START, err);
	}
	hoy_compose_tell(s->plan->app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, "Container", slot->name,
		r < 0 ? "Error" : "Started");
	return s->exchange ? hoy_compose_exchange(slot, s->exchange, r, err) : r;
}

static int add_condition(struct graph *g, const struct hoy_compose_dependency *d, struct hoy_err *err)
{
	int condition = hoy_compose_condition_parse(d->condition);
	struct condition *c = &g->conditions[g->n_conditions];

	if (condition < 0)
		return hoy_err_invalid(err, "unknown condition \"%s\" for %s", d->condition, d->name);
	if (condition_of(g, d))
		return 0;
	*c = (struct condition){
		.plan = g->plan, .service = d->name, .condition = (enum hoy_compose_condition) condition
	};
	g->n_conditions++;
	c->step = hoy_work_add(g->work, run_condition, c);
	for (size_t i = 0; i < g->plan->n; i++)
		if (strcmp(g->plan->slots[i].service->name, d->name) == 0)
			hoy_work_after(c->step, g->starts[i].step);
	return 0;
}

/* One step for the replicas of a service that are started for the first time, before them all. */
static void add_inits(struct graph *g)
{
	for (size_t i = 0; i < g->plan->n; i++) {
		struct starting *s = &g->starts[i];

		if (!is_fresh(s->slot) || !hoy_compose_has_init(s->slot->service, /* per_replica= */ false))
			continue;
		for (size_t k = 0; k < i && !s->init; k++)
			if (g->starts[k].slot->service == s->slot->service)
				s->init = g->starts[k].init;
		if (!s->init)
			s->init = hoy_work_add(g->work, run_init, s);
		hoy_work_after(s->step, s->init);
	}
}

static struct hoy_compose_exchange *exchange_of(struct graph *g, const struct hoy_compose_service *service)
{
	for (size_t i = 0; i < g->n_exchanges; i++)
		if (g->exchanges[i].service == service)
			return &g->exchanges[i];
	g->exchanges[g->n_exchanges].service = service;
	return &g->exchanges[g->n_exchanges++];
}

/* So many replicas of a service at a time, each lot after the one before. */
static void add_exchanges(struct graph *g)
{
	for (size_t i = 0; i < g->plan->n; i++) {
		struct starting *s = &g->starts[i];
		size_t lot = hoy_compose_exchange_parallel(s->slot->service), seen = 0;

		if (!s->slot->first)
			continue;
		s->exchange = exchange_of(g, s->slot->service);
		s->exchange->total++;
		for (size_t k = i; lot > 0 && seen < lot && k-- > 0;) {
			if (g->starts[k].exchange != s->exchange)
				continue;
			seen++;
			s->later = seen == lot;
			if (s->later)
				hoy_work_after(s->step, g->starts[k].step);
		}
	}
}

static int build(struct graph *g, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; i < g->plan->n; i++) {
		g->starts[i] = (struct starting){ .plan = g->plan, .slot = &g->plan->slots[i], .graph = g };
		g->starts[i].step = hoy_work_add(g->work, start_slot, &g->starts[i]);
	}
	add_inits(g);
	add_exchanges(g);
	for (size_t i = 0; i < g->plan->n; i++) {
		hoy_compose_each(struct hoy_compose_dependency, d, g->plan->slots[i].service->depends_on)
		{
			struct condition *c;

			if (r == 0)
				r = add_condition(g, d, err);
			c = condition_of(g, d);
			/* What runs waits for nothing. */
			if (c && !runs(&g->plan->slots[i]))
				hoy_work_after(g->starts[i].init ? g->starts[i].init : g->starts[i].step, c->step);
		}
	}
	return r;
}

int hoy_compose_plan_start(struct hoy_compose_plan *plan, struct hoy_err *err)
{
	struct graph g = { .plan = plan, .work = hoy_work_new(plan->app->globals->parallel) };
	struct hoy_err ignored;
	size_t n = 0;
	int r = -ENOMEM, settled;

	for (size_t i = 0; i < plan->n; i++)
		hoy_compose_each(struct hoy_compose_dependency, d, plan->slots[i].service->depends_on) n += d != NULL;
	g.starts = calloc(plan->n + 1, sizeof *g.starts);
	g.conditions = calloc(n + 1, sizeof *g.conditions);
	g.exchanges = calloc(plan->n + 1, sizeof *g.exchanges);
	if (g.work && g.starts && g.conditions && g.exchanges)
		r = build(&g, err);
	else
		(void) hoy_err_oom(err);
	if (r == 0)
		r = hoy_work_run(g.work, err);
	hoy_work_free(g.work);
	free(g.starts);
	free(g.conditions);
	free(g.exchanges);
	settled = hoy_compose_exchange_settle(plan, r < 0, r < 0 ? &ignored : err);
	return r < 0 ? r : settled;
}
