/* Deciding which containers stay, go, and are made. */
#include "supervisor/compose/converge.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/body.h"
#include "supervisor/compose/exchange.h"
#include "supervisor/compose/labels.h"
#include "supervisor/compose/tar.h"

#define REPLICAS_MAX 10000

/* --- how many ---------------------------------------------------------------- */

/* --scale, else the file. */
static int replicas_of(const struct hoy_compose_converge_options *o, const struct hoy_compose_service *s,
	long long *ret, struct hoy_err *err)
{
	*ret = hoy_compose_replicas(s);
	for (char *const *scale = o->scale; scale && *scale; scale++) {
		const char *equals = strchr(*scale, '=');
		int64_t n;

		if (!equals || hoy_str_to_i64(equals + 1, &n) < 0 || n < 0)
			return hoy_err_invalid(err, "invalid --scale option \"%s\": expected SERVICE=NUM", *scale);
		if (strlen(s->name) == (size_t) (equals - *scale) && strncmp(s->name, *scale, strlen(s->name)) == 0)
			*ret = n;
	}
	if (*ret > REPLICAS_MAX)
		return hoy_err_invalid(
			err, "service \"%s\": %lld replicas are too many (at most %d)", s->name, *ret, REPLICAS_MAX);
	if (s->container_name && *ret > 1)
		return hoy_err_invalid(err,
			"can't set container_name and %s as container name must be unique: service has %lld replicas",
			s->name, *ret);
	return 0;
}

static int check_scale(const struct hoy_compose *app, const struct hoy_compose_converge_options *o, struct hoy_err *err)
{
	for (char *const *scale = o->scale; scale && *scale; scale++) {
		auto_free char *name = strndup(*scale, strcspn(*scale, "="));

		if (name && !hoy_compose_service_find(app->project, name))
			return hoy_err_not_found(err, "no such service: %s", name);
	}
	return 0;
}

/* --- what is there ----------------------------------------------------------- */

/* Of two with the same number, as a killed run leaves them, the one that fits the file better stays. */
static bool better(const struct hoy_compose_service *s, const struct hoy_compose_container *a,
	const struct hoy_compose_container *b, const char *hash)
{
	bool stands_by_a = hoy_compose_container_is_temporary(a), stands_by_b = hoy_compose_container_is_temporary(b);
	bool fits_a = strcmp(a->hash, hash) == 0, fits_b = strcmp(b->hash, hash) == 0;

	/* The one that has the place serves, however far its exchange has come. */
	if (hoy_compose_starts_first(s) && stands_by_a != stands_by_b)
		return stands_by_b;
	if (fits_a != fits_b)
		return fits_a;
	if (hoy_compose_container_runs(a) != hoy_compose_container_runs(b))
		return hoy_compose_container_runs(a);
	return hoy_cli_number(a->json, "Created") > hoy_cli_number(b->json, "Created");
}

/* The containers of the service that may stay, one a number, lowest first; the others are surplus. */
static size_t take_existing(struct hoy_compose_plan *plan, const struct hoy_compose_service *s, const char *hash,
	const struct hoy_compose_container **ret)
{
	struct hoy_compose_containers *all = &plan->app->containers;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		struct hoy_compose_container *c = &all->all[i];

		if (c->oneoff || strcmp(c->service, s->name) != 0)
			continue;
		if (n && ret[n - 1]->number == c->number) {
			if (better(s, c, ret[n - 1], hash)) {
				plan->surplus[ret[n - 1] - all->all] = true;
				ret[n - 1] = c;
			} else {
				plan->surplus[i] = true;
			}
			continue;
		}
		ret[n++] = c;
	}
	return n;
}

/* --- changed? ---------------------------------------------------------------- */

static bool is_named(const struct hoy_compose_converge_options *o, const char *service)
{
	return !o->services || !*o->services || hoy_strv_has(o->services, service);
}

static bool has_changed(const struct hoy_compose_plan *plan, const struct hoy_compose_slot *slot)
{
	const char *contents = hoy_cli_text(hoy_json_get(slot->old->json, "Labels"), HOY_COMPOSE_CONTENTS);
	const char *image = hoy_cli_text(hoy_json_get(slot->old->json, "Labels"), HOY_COMPOSE_IMAGE);

	if (strcmp(slot->old->hash, slot->hashes->config) != 0 ||
		hoy_compose_existing_moved(plan->app, &plan->existing, slot->service, slot->old))
		return true;
	/* One that docker compose made says nothing of them. */
	if (*contents && strcmp(contents, slot->hashes->contents) != 0)
		return true;
	if (!*image)
		image = slot->old->image_id;
	return slot->image && slot->image->id && strcmp(image, slot->image->id) != 0;
}

static bool wants_recreation(const struct hoy_compose_plan *plan, const struct hoy_compose_slot *slot)
{
	const struct hoy_compose_converge_options *o = slot->options;
	enum hoy_compose_recreate when = is_named(o, slot->service->name) ? o->recreate : o->recreate_dependencies;

	if (!slot->old || when == HOY_COMPOSE_NEVER)
		return false;
	return when == HOY_COMPOSE_ALWAYS || has_changed(plan, slot);
}

static const char *service_of_mode(const char *mode)
{
	return mode && hoy_str_starts(mode, "service:") ? mode + strlen("service:") : NULL;
}

/* Does it live in namespaces or on volumes of the other's container? Then it has to be made anew with it. */
static bool leans_on(const struct hoy_compose_service *s, const char *other)
{
	const char *const modes[] = { service_of_mode(s->network_mode), service_of_mode(s->pid),
		service_of_mode(s->ipc) };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (modes[i] && strcmp(modes[i], other) == 0)
			return true;
	for (char **from = s->volumes_from; from && *from; from++)
		if (strncmp(*from, other, strlen(other)) == 0 && strchr(":", (*from)[strlen(other)]))
			return true;
	return false;
}

static void spread_recreation(struct hoy_compose_plan *plan)
{
	for (bool grown = true; grown;) {
		grown = false;
		for (size_t i = 0; i < plan->n; i++) {
			struct hoy_compose_slot *slot = &plan->slots[i];

			for (size_t k = 0; slot->old && !slot->recreate && k < plan->n; k++) {
				if ((plan->slots[k].recreate || !plan->slots[k].old) &&
					leans_on(slot->service, plan->slots[k].service->name))
					slot->recreate = grown = true;
			}
		}
	}
}

static bool is_made_again(const struct hoy_compose_plan *plan, const char *service)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->slots[i].recreate && strcmp(plan->slots[i].service->name, service) == 0)
			return true;
	return false;
}

/* depends_on with `restart: true`: who runs goes on with the new one by starting anew. */
static void plan_restarts(struct hoy_compose_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct hoy_compose_slot *slot = &plan->slots[i];

		if (!slot->old || slot->recreate || !hoy_compose_container_runs(slot->old))
			continue;
		hoy_compose_each(struct hoy_compose_dependency, d, slot->service->depends_on)
		{
			if (d->restart && is_made_again(plan, d->name))
				slot->restart = true;
		}
	}
}

/* --- the plan ---------------------------------------------------------------- */

char *hoy_compose_name_of(const struct hoy_compose *app, const struct hoy_compose_service *s, long long number)
{
	const char *between = app->globals->compatibility ? "_" : "-";

	return s->container_name ? strdup(s->container_name)
				 : hoy_str_printf("%s%s%s%s%lld", app->name, between, s->name, between, number);
}

static int add_slot(struct hoy_compose_plan *plan, const struct hoy_compose_service *s,
	const struct hoy_compose_hashes *hashes, const struct hoy_compose_container *old, long long number,
	struct hoy_err *err)
{
	struct hoy_compose_slot *slots = reallocarray(plan->slots, plan->n + 1, sizeof *slots), *slot;

	if (!slots)
		return hoy_err_oom(err);
	plan->slots = slots;
	/* Who holds a volume that is made anew goes before, with what it has of its own. */
	if (old && hoy_compose_existing_loses(plan->app, &plan->existing, s)) {
		plan->surplus[old - plan->app->containers.all] = true;
		number = old->number;
		old = NULL;
	}
	slot = &slots[plan->n++];
	*slot = (struct hoy_compose_slot){
		.app = plan->app,
		.options = plan->options,
		.service = s,
		.image = hoy_compose_images_find(&plan->images, s),
		.hashes = hashes,
		.number = old ? old->number : number,
		.old = old,
	};
	slot->recreate = wants_recreation(plan, slot);
	/* One that stays keeps its name, also that of docker-compose 1 ("p_web_1"); but for what a killed run left. */
	slot->name = old && !slot->recreate && !hoy_compose_container_is_temporary(old)
			     ? strdup(old->name)
			     : hoy_compose_name_of(plan->app, s, slot->number);
	slot->id = old ? strdup(old->id) : NULL;
	return slot->name && (!old || slot->id) ? 0 : hoy_err_oom(err);
}

static int plan_service(struct hoy_compose_plan *plan, const struct hoy_compose_service *s,
	const struct hoy_compose_hashes *hashes, struct hoy_err *err)
{
	auto_free const struct hoy_compose_container **old = calloc(plan->app->containers.n + 1, sizeof *old);
	long long wanted = 0, next = 1;
	size_t n;
	int r = old ? replicas_of(plan->options, s, &wanted, err) : hoy_err_oom(err);

	if (r == 0)
		r = hoy_compose_body_check(s, err);
	if (r == 0)
		r = hoy_compose_exchange_check(s, err);
	if (r == 0)
		hoy_compose_body_warn(s);
	if (r < 0)
		return r;
	n = take_existing(plan, s, hashes->config, old);
	for (size_t i = (size_t) wanted; i < n; i++)
		plan->surplus[old[i] - plan->app->containers.all] = true;
	for (size_t i = 0; r == 0 && i < n && i < (size_t) wanted; i++)
		r = add_slot(plan, s, hashes, old[i], 0, err);
	for (size_t made = n; r == 0 && made < (size_t) wanted; made++, next++) {
		for (size_t i = 0; i < n; i++) /* lowest first */
			next += old[i]->number == next;
		r = add_slot(plan, s, hashes, NULL, next, err);
	}
	return r;
}

/* Orphans go when that is asked for, else they are told. */
static void plan_orphans(struct hoy_compose_plan *plan)
{
	struct hoy_compose *app = plan->app;

	for (size_t i = 0; plan->options->remove_orphans && i < app->containers.n; i++)
		if (!hoy_compose_declares(app, app->containers.all[i].service))
			plan->surplus[i] = true;
	if (!plan->options->remove_orphans)
		hoy_compose_warn_orphans(app);
}

int hoy_compose_plan_make(struct hoy_compose *app, const struct hoy_compose_converge_options *options,
	const struct hoy_compose_image_options *images, struct hoy_compose_plan *ret, struct hoy_err *err)
{
	auto_(hoy_compose_plan_done) struct hoy_compose_plan plan = { .app = app, .options = options };
	size_t i = 0;
	int r = check_scale(app, options, err);

	if (r == 0)
		r = hoy_compose_name_services(app, err);
	if (r == 0)
		r = hoy_compose_images_resolve(app, images, &plan.images, err);
	if (r == 0)
		r = hoy_compose_existing_load(app, &plan.existing, err);
	if (r == 0)
		r = hoy_compose_existing_agree(app, &plan.existing, options->yes, err);
	plan.surplus = calloc(app->containers.n + 1, sizeof *plan.surplus);
	plan.hashes = calloc(app->project->n_services + 1, sizeof *plan.hashes);
	if (!plan.surplus || !plan.hashes)
		return hoy_err_oom(err);
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		if (r == 0)
			r = hoy_compose_service_hash(s, plan.hashes[i].config, err);
		if (r == 0)
			r = hoy_compose_contents_hash(app, s, plan.hashes[i].contents, err);
		if (r == 0)
			r = plan_service(&plan, s, &plan.hashes[i], err);
		i++;
	}
	if (r < 0)
		return r;
	spread_recreation(&plan);
	plan_restarts(&plan);
	plan_orphans(&plan);
	r = hoy_compose_plan_exchanges(&plan, err);
	if (r < 0)
		return r;
	*ret = plan;
	plan = (struct hoy_compose_plan){};
	return 0;
}

void hoy_compose_plan_done(struct hoy_compose_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->slots[i].name);
		free(plan->slots[i].id);
	}
	free(plan->slots);
	free(plan->surplus);
	free(plan->hashes);
	hoy_compose_images_done(&plan->images);
	hoy_compose_existing_done(&plan->existing);
	*plan = (struct hoy_compose_plan){};
}
