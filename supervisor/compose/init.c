/* The containers of pre_start hooks. */
#include "supervisor/compose/init.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/wait.h"
#include "supervisor/compose/body.h"
#include "supervisor/compose/logs.h"

bool hoy_compose_has_init(const struct hoy_compose_service *service, bool per_replica)
{
	hoy_compose_each(struct hoy_compose_hook, hook, service->pre_start)
	{
		if (hook->per_replica == per_replica)
			return true;
	}
	return false;
}

/* The service as the hook's container is made of it. Owns its lists, but not what they hold. */
struct as_hook {
	struct hoy_compose_service service;
	struct hoy_compose_pair *environment;
	struct hoy_compose_service_network *at;
	struct hoy_compose_service_network **networks;
};

static void as_hook_done(struct as_hook *as)
{
	free(as->environment);
	free(as->at);
	free(as->networks);
}

static size_t count_pairs(const struct hoy_compose_pair *pairs)
{
	size_t n = 0;

	while (pairs && pairs[n].key)
		n++;
	return n;
}

/* The hook's values behind the service's, in place of those of the same name. */
static int merge_environment(struct as_hook *as, const struct hoy_compose_hook *hook)
{
	size_t n = count_pairs(as->service.environment), own = count_pairs(hook->environment);

	as->environment = calloc(n + own + 1, sizeof *as->environment);
	if (!as->environment)
		return -ENOMEM;
	if (n)
		memcpy(as->environment, as->service.environment, n * sizeof *as->environment);
	for (size_t i = 0; i < own; i++) {
		size_t at = 0;

		while (at < n && strcmp(as->environment[at].key, hook->environment[i].key) != 0)
			at++;
		as->environment[at] = hook->environment[i];
		n += at == n;
	}
	as->service.environment = as->environment;
	return 0;
}

/* The same networks, but for addresses that only one can have. */
static int copy_networks(struct as_hook *as)
{
	size_t n = 0;

	hoy_compose_each(struct hoy_compose_service_network, one, as->service.networks) n += one != NULL;
	as->at = calloc(n + 1, sizeof *as->at);
	as->networks = calloc(n + 1, sizeof(struct hoy_compose_service_network *));
	if (!as->at || !as->networks)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		as->at[i] = *as->service.networks[i];
		as->at[i].ipv4_address = as->at[i].ipv6_address = as->at[i].mac_address = NULL;
		as->networks[i] = &as->at[i];
	}
	if (as->service.networks)
		as->service.networks = as->networks;
	return 0;
}

static int make_as(const struct hoy_compose_service *service, const struct hoy_compose_hook *hook, struct as_hook *as,
	struct hoy_err *err)
{
	struct hoy_compose_service *s = &as->service;

	*s = *service;
	if (hook->image) {
		s->entrypoint = NULL;
		s->command = NULL;
		s->user = NULL;
		s->working_dir = NULL;
	}
	if (hook->command)
		s->command = hook->command;
	s->user = hook->user ? hook->user : s->user;
	s->working_dir = hook->working_dir ? hook->working_dir : s->working_dir;
	s->privileged = s->privileged || hook->privileged;
	s->container_name = s->hostname = s->mac_address = s->restart = NULL;
	s->ports = NULL;
	s->healthcheck = NULL;
	s->tty = s->stdin_open = false;
	return merge_environment(as, hook) < 0 || copy_networks(as) < 0 ? hoy_err_oom(err) : 0;
}

/* A hook's image that isn't there is pulled. */
static int post_create(struct hoy_compose_slot *slot, const struct hoy_compose_body *body, bool own_image,
	char **ret_id, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	int r = hoy_compose_body_print(body, &text, err);

	(void) hoy_buf_adds(&path, "/containers/create?name=");
	hoy_http_escape(&path, body->container_name);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(slot->app->cli, "POST", path.data, text.data, &answer, err);
	if (r == -ENOENT && own_image) {
		r = hoy_compose_pull_image(slot->app, slot->service, body->image, /* quiet= */ false, err);
		if (r == 0)
			r = hoy_cli_call(slot->app->cli, "POST", path.data, text.data, &answer, err);
	}
	if (r < 0)
		return r;
	*ret_id = strdup(hoy_cli_text(answer, "Id"));
	return *ret_id ? 0 : hoy_err_oom(err);
}

static int run_to_end(struct hoy_compose *app, const char *id, struct hoy_err *err)
{
	auto_(hoy_http_done) struct hoy_http wait = { .fd = -EBADF };
	int status = 0;
	int r = hoy_wait_open(app->cli, id, "next-exit", &wait, err);

	if (r == 0)
		r = hoy_compose_post(app, "POST", id, err, "/start");
	if (r == 0)
		r = hoy_wait_read(&wait, &status, err);
	return r < 0 ? r : status;
}

static void show_output(struct hoy_compose *app, const char *name, const char *id)
{
	const struct hoy_compose_container as = { .id = id, .name = name };
	const struct hoy_compose_log_options options = {};
	struct hoy_compose_printer printer;

	hoy_compose_printer_init(&printer, app, /* no_color= */ false, /* no_prefix= */ false);
	(void) hoy_compose_print_log(app, &printer, &as, 0, &options, NULL);
}

static int run_hook(struct hoy_compose_slot *slot, const struct hoy_compose_hook *hook, size_t nth, struct hoy_err *err)
{
	auto_(as_hook_done) struct as_hook as = {};
	auto_free char *slug = hoy_str_printf("pre_start-%zu", nth), *id = NULL;
	auto_free char *name = hoy_str_printf("%s-pre_start-%zu", slot->name, nth);
	struct hoy_compose_body body = {
		.project = slot->app->project,
		.service = &as.service,
		.image = hook->image ? hook->image : slot->image->name,
		.hash = slot->hashes->config,
		.container_name = name,
		.slug = slug,
		.depends = "",
		.number = slot->number,
		.container_of = hoy_compose_container_name_of,
		.userdata = slot->app,
	};
	int r = slug && name ? make_as(slot->service, hook, &as, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	/* One that a killed run left is in the way. */
	(void) hoy_compose_post(slot->app, "DELETE", name, NULL, "?force=1&v=1");
	hoy_compose_tell(slot->app, HOY_REPORT_WORKING, "Container", name, "Running");
	r = post_create(slot, &body, hook->image, &id, err);
	if (r == 0)
		r = hoy_compose_complete_container(slot->app, &as.service, name, id, /* aliases= */ false, NULL, err);
	if (r == 0)
		r = run_to_end(slot->app, id, err);
	if (r > 0) {
		show_output(slot->app, name, id);
		r = hoy_err_conflict(err, "exited with code %d", r);
	}
	if (id)
		(void) hoy_compose_post(slot->app, "DELETE", id, NULL, "?force=1&v=1");
	hoy_compose_tell(
		slot->app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, "Container", name, r < 0 ? "Error" : "Exited");
	return r < 0 ? hoy_err_wrap(err, "pre_start hook of %s", slot->name) : 0;
}

int hoy_compose_run_init(struct hoy_compose_slot *slot, bool per_replica, struct hoy_err *err)
{
	size_t nth = 0;
	int r = 0;

	if (slot->app->globals->dry_run)
		return 0;
	hoy_compose_each(struct hoy_compose_hook, hook, slot->service->pre_start)
	{
		nth++;
		if (r == 0 && hook->per_replica == per_replica)
			r = run_hook(slot, hook, nth, err);
	}
	return r;
}
