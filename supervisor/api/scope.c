/* Scoped sockets: the look at each request, and its lines in the audit log. */
#include "supervisor/api/scope.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/line_file.h"
#include "supervisor/api/scope_internal.h"
#include "supervisor/api/scope_policy.h"
#include "supervisor/api/scope_rules.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/container/exec.h"
#include "supervisor/network/network.h"
#include "supervisor/volume/volume.h"

/* A look-up is for one request. */
struct look {
	const struct hoy_scope_policy *policy;
	const struct hoy_api *api;
};

/* --- the audit log -------------------------------------------------------------------------------------------- */

static void write_line(
	const struct hoy_scope *scope, const struct hoy_api_request *rq, int status, struct hoy_buf *line)
{
	struct hoy_json_writer w = { .buf = line };
	char now[HOY_TIME_MAX];
	struct ucred peer;

	hoy_time_now(now);
	hoy_http_peer(rq->x, &peer);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "time", now);
	hoy_json_add_string(&w, "socket", scope->policy->path);
	hoy_json_add_u64(&w, "request", rq->visit.number);
	hoy_json_add_i64(&w, "pid", peer.pid);
	hoy_json_add_i64(&w, "uid", (int32_t) peer.uid);
	hoy_json_add_i64(&w, "gid", (int32_t) peer.gid);
	hoy_json_add_string(&w, "method", hoy_http_method(rq->x));
	hoy_json_add_string(&w, "path", rq->uri.path ? rq->uri.path : "");
	if (rq->name && rq->visit.allowed)
		hoy_json_add_string(&w, "object", rq->name);
	hoy_json_add_string(&w, "decision", rq->visit.allowed ? "allow" : "deny");
	if (rq->visit.reason)
		hoy_json_add_string(&w, "reason", rq->visit.reason);
	hoy_json_add_i64(&w, "status", status);
	hoy_json_end(&w);
	(void) hoy_buf_addc(line, '\n');
}

static int tell(struct hoy_scope *scope, const struct hoy_api_request *rq, int status, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf line = { 0 };
	struct hoy_err own = { 0 };
	int r;

	write_line(scope, rq, status, &line);
	r = hoy_buf_check(&line, "audit line", &own);
	if (r >= 0)
		r = hoy_line_file_add(scope->audit, line.data, line.len, &own);
	if (r < 0 && !scope->failed)
		hoy_log_err(&own, "scoped socket '%s' serves nobody: its audit log", scope->policy->path);
	scope->failed = r < 0;
	return r < 0 ? hoy_err_set(err, HOY_ERR_SYSTEM, -r, "the audit log of this socket can't be written") : 0;
}

void hoy_scope_visit_done(struct hoy_scope_visit *visit)
{
	free(visit->reason);
	*visit = (struct hoy_scope_visit){ 0 };
}

/* --- what is in the scope ------------------------------------------------------------------------------------- */

static int find_container(void *userdata, const char *ref, char ret_id[65], struct hoy_err *err)
{
	const struct look *look = userdata;
	const struct hoy_container_info *c;
	int r = hoy_containers_find(look->api->o.containers, ref, &c, NULL);

	/* a prefix that fits several ones would tell of those outside */
	if (r < 0 || !hoy_scope_policy_covers(look->policy, c->config->labels, c->config->n_labels))
		return hoy_err_not_found(err, "No such container: %s", ref);
	memcpy(ret_id, c->id, sizeof c->id);
	return 0;
}

static int find_volume(void *userdata, const char *name, bool *ret_exists, struct hoy_err *err)
{
	const struct look *look = userdata;
	const struct hoy_volume_info *v;
	int r = hoy_volumes_find(look->api->o.volumes, name, &v, NULL);

	*ret_exists = r >= 0;
	if (r >= 0 && !hoy_scope_policy_covers(look->policy, v->labels, v->n_labels))
		return hoy_err_not_found(err, "get %s: no such volume", name);
	return 0;
}

static bool covers_network(const struct hoy_scope_policy *policy, const struct hoy_network_info *network)
{
	auto_ptr(hoy_json_free) struct hoy_json *labels = NULL;

	if (network->labels && *network->labels &&
		hoy_json_parse(network->labels, strlen(network->labels), NULL, &labels, NULL) < 0)
		return false;
	for (size_t i = 0; i < policy->n_labels; i++) {
		const char *value = hoy_json_string(hoy_json_get(labels, policy->labels[i].key));

		if (!value || strcmp(value, policy->labels[i].value) != 0)
			return false;
	}
	return true;
}

static int find_network(const struct look *look, const char *ref, char **ret_id, struct hoy_err *err)
{
	auto_(hoy_network_info_done) struct hoy_network_info network = { 0 };
	int r = hoy_network_get(look->api->o.networks, ref, &network, NULL);

	if (r < 0 || !covers_network(look->policy, &network))
		return hoy_err_not_found(err, "network %s not found", ref);
	if (!strcmp(network.driver, "host")) /* by its ID, too */
		return hoy_scope_refuse(look->policy, err, "the host's network is not allowed");
	if (ret_id && !(*ret_id = strdup(network.id)))
		return hoy_err_oom(err);
	return 0;
}

static int may_join(void *userdata, const char *ref, struct hoy_err *err)
{
	return find_network(userdata, ref, NULL, err);
}

static int find_exec(const struct look *look, const char *id, struct hoy_err *err)
{
	const struct hoy_exec_info *e;
	char container[65];

	if (hoy_exec_find(look->api->o.containers, id, &e, NULL) < 0 ||
		find_container((void *) (uintptr_t) look, e->container_id, container, NULL) < 0)
		return hoy_err_not_found(err, "No such exec instance: %s", id);
	return 0;
}

/* The name in the path becomes an ID: what the handler finds is what was looked at. */
static int resolve(const struct look *look, const struct hoy_scope_rule *rule, char **name, struct hoy_err *err)
{
	char id[65] = "";
	char *whole = NULL;
	bool exists;
	int r = 0;

	switch (rule->object) {
	case HOY_SCOPE_CONTAINER:
		r = find_container((void *) (uintptr_t) look, *name, id, err);
		whole = r < 0 ? NULL : strdup(id);
		if (r >= 0 && !whole)
			r = hoy_err_oom(err);
		break;
	case HOY_SCOPE_NETWORK:
		r = find_network(look, *name, &whole, err);
		break;
	case HOY_SCOPE_EXEC:
		return find_exec(look, *name, err);
	case HOY_SCOPE_VOLUME:
		r = find_volume((void *) (uintptr_t) look, *name, &exists, err);
		return r < 0 || exists ? r : hoy_err_not_found(err, "get %s: no such volume", *name);
	case HOY_SCOPE_NOTHING:
	case HOY_SCOPE_HOST_WIDE:
		break;
	}
	if (whole) {
		free(*name);
		*name = whole;
	}
	return r;
}

/* --- a request ------------------------------------------------------------------------------------------------ */

static bool only_reads(const char *method)
{
	return !strcmp(method, "GET") || !strcmp(method, "HEAD");
}

static int check_rule(const struct hoy_scope_policy *p, const struct hoy_scope_rule *rule,
	const struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *method = hoy_http_method(rq->x);

	if (!rule)
		return hoy_scope_refuse(p, err, "%s %s is not served here", method, rq->route->pattern);
	if (rule->group && !hoy_scope_policy_allows(p, rule->group))
		return hoy_scope_refuse(p, err, "%s %s is not allowed (\"%s\")", method, rule->pattern, rule->group);
	if (p->read_only && (!only_reads(method) || rule->flags & HOY_SCOPE_BOTH_WAYS))
		return hoy_scope_refuse(p, err, "%s %s is not allowed (\"read-only\")", method, rule->pattern);
	if (p->n_labels && rule->flags & HOY_SCOPE_UNLABELLED)
		return hoy_scope_refuse(p, err, "%s %s shows more than the labels of the scope", method, rule->pattern);
	for (const char *const *name = rule->refused; name && *name; name++)
		if (hoy_uri_query(&rq->uri, *name))
			return hoy_scope_refuse(p, err, "the query parameter '%s' is not allowed", *name);
	return 0;
}

static int rewrite_filters(const struct hoy_scope_policy *p, const struct hoy_scope_lookups *lookups,
	struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = hoy_scope_filters(p, lookups, hoy_uri_query(&rq->uri, "filters"), &text, err);

	return r < 0 ? r : hoy_uri_query_set(&rq->uri, "filters", text.data, err);
}

static int rewrite_body(const struct hoy_scope_policy *p, const struct hoy_scope_rule *rule,
	const struct hoy_scope_lookups *lookups, struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_buf *body = hoy_http_body(rq->x);
	struct hoy_buf text = { 0 };
	int r = 0;

	if (rule->flags & HOY_SCOPE_BODY_AS_IT_IS || !body->len)
		return 0;
	if (rule->shape != HOY_SCOPE_SHAPE_NONE) {
		r = hoy_api_check_json_type(rq, err);
		if (r >= 0)
			r = hoy_scope_body(p, rule->shape, lookups, body->data, body->len, &text, err);
	}
	if (r < 0)
		hoy_buf_done(&text);
	else
		hoy_http_set_body(rq->x, &text);
	return r;
}

static int look_at(struct hoy_scope *scope, struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_scope_policy *p = scope->policy;
	const struct hoy_scope_rule *rule = hoy_scope_rule_find(rq->route->method, rq->route->pattern);
	struct look look = { p, rq->api };
	const struct hoy_scope_lookups lookups = { find_container, find_volume, may_join, &look };
	int r = scope->closed ? hoy_scope_refuse(p, err, "it is closed") : check_rule(p, rule, rq, err);

	if (r >= 0)
		r = resolve(&look, rule, &rq->name, err);
	if (r >= 0 && rule->flags & HOY_SCOPE_FILTERED)
		r = rewrite_filters(p, &lookups, rq, err);
	return r < 0 ? r : rewrite_body(p, rule, &lookups, rq, err);
}

int hoy_scope_enter(struct hoy_scope *scope, struct hoy_api_request *rq, struct hoy_err *err)
{
	int r;

	rq->visit.number = ++rq->api->visits;
	r = look_at(scope, rq, err);
	rq->visit.allowed = r >= 0;
	if (r < 0)
		rq->visit.reason = strdup(hoy_err_str(err));
	if (r >= 0 && !only_reads(hoy_http_method(rq->x)))
		r = tell(scope, rq, /* status= */ 0, err);
	return r;
}

void hoy_scope_answer(struct hoy_scope *scope, struct hoy_api_request *rq, int status)
{
	if (rq->visit.answered)
		return;
	rq->visit.answered = true;
	if (!rq->visit.number)
		rq->visit.number = ++rq->api->visits;
	if (tell(scope, rq, status, NULL) < 0)
		hoy_http_abort(rq->x);
}

void hoy_scope_over(struct hoy_scope *scope, struct hoy_api_request *rq)
{
	if (!rq->visit.answered && rq->visit.number)
		(void) tell(scope, rq, /* status= */ 0, NULL);
}
