/* The scoped sockets of a daemon: opened, changed and closed as daemon.json says. */
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/api/line_file.h"
#include "supervisor/api/scope.h"
#include "supervisor/api/scope_internal.h"
#include "supervisor/api/scope_policy.h"

#define AUDIT_MAX ((int64_t) 16 << 20) /* of one file */
#define AUDIT_OLDER 4

struct hoy_audit {
	struct hoy_audit *next;
	struct hoy_line_file *file;
};

/* Sockets with the same file share it. */
static int find_audit(
	struct hoy_api *api, const struct hoy_scope_policy *policy, struct hoy_line_file **ret, struct hoy_err *err)
{
	auto_free char *own = policy->audit ? strdup(policy->audit) : hoy_path_join(api->o.data_root, "audit.log");
	struct hoy_audit *audit = api->audits;
	int r;

	if (!own)
		return hoy_err_oom(err);
	while (audit && strcmp(hoy_line_file_path(audit->file), own) != 0)
		audit = audit->next;
	if (!audit) {
		audit = calloc(1, sizeof *audit);
		r = audit ? hoy_line_file_open(own, AUDIT_MAX, AUDIT_OLDER, &audit->file, err) : hoy_err_oom(err);
		if (r < 0) {
			free(audit);
			return hoy_err_wrap(err, "audit log");
		}
		audit->next = api->audits;
		api->audits = audit;
	}
	*ret = audit->file;
	return 0;
}

/* The open one at this path. */
static struct hoy_scope *find_open(struct hoy_api *api, const char *path)
{
	struct hoy_scope *scope = api->scopes;

	while (scope && (scope->closed || strcmp(scope->policy->path, path) != 0))
		scope = scope->next;
	return scope;
}

static bool same_file(const struct hoy_scope_policy *a, const struct hoy_scope_policy *b)
{
	return !strcmp(a->path, b->path) && a->mode == b->mode && hoy_str_eq(a->group, b->group);
}

static void close_scope(struct hoy_api *api, struct hoy_scope *scope, const struct hoy_scope_sockets *sockets)
{
	hoy_http_server_unlisten(api->server, &scope->door);
	scope->closed = true;
	sockets->close(sockets->userdata, scope->policy->path);
}

static int open_scope(struct hoy_api *api, struct hoy_scope_policy **policy, struct hoy_line_file *audit,
	const struct hoy_scope_sockets *sockets, struct hoy_err *err)
{
	struct hoy_scope *scope = calloc(1, sizeof *scope);
	int fd, r;

	if (!scope)
		return hoy_err_oom(err);
	fd = sockets->open(sockets->userdata, *policy, err);
	if (fd < 0) {
		free(scope);
		return fd;
	}
	scope->door = (struct hoy_api_door){ HOY_DOOR_SCOPE, scope };
	scope->policy = TAKE_PTR(*policy);
	scope->audit = audit;
	scope->next = api->scopes;
	api->scopes = scope;
	r = hoy_http_server_listen(api->server, fd, &scope->door, err);
	if (r < 0)
		close_scope(api, scope, sockets);
	return r;
}

static void free_policies(struct hoy_scope_policy **policies, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hoy_scope_policy_free(policies[i]);
	free(policies);
}

/* One that stays keeps its connections: the new policy counts from their next request on. */
static int apply(struct hoy_api *api, struct hoy_scope_policy **policies, size_t n,
	const struct hoy_scope_sockets *sockets, struct hoy_err *err)
{
	struct hoy_line_file *audit;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = find_audit(api, policies[i], &audit, err);
	for (struct hoy_scope *scope = api->scopes; r >= 0 && scope; scope = scope->next) {
		bool stays = scope->closed;

		for (size_t i = 0; i < n; i++)
			stays = stays || same_file(policies[i], scope->policy);
		if (!stays)
			close_scope(api, scope, sockets);
	}
	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct hoy_scope *scope = find_open(api, policies[i]->path);

		r = find_audit(api, policies[i], &audit, err);
		if (r >= 0 && !scope) {
			r = open_scope(api, &policies[i], audit, sockets, err);
		} else if (r >= 0) {
			hoy_scope_policy_free(scope->policy);
			scope->policy = TAKE_PTR(policies[i]);
			scope->audit = audit;
		}
	}
	return r;
}

int hoy_api_set_scopes(
	struct hoy_api *api, char *const *texts, const struct hoy_scope_sockets *sockets, struct hoy_err *err)
{
	size_t n = texts ? hoy_strv_len(texts) : 0;
	struct hoy_scope_policy **policies = calloc(n + 1, sizeof *policies);
	int r = policies ? 0 : hoy_err_oom(err);

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = hoy_scope_policy_parse(texts[i], strlen(texts[i]), &policies[i], err);
	if (r >= 0)
		r = apply(api, policies, n, sockets, err);
	if (policies)
		free_policies(policies, n);
	return r;
}

void hoy_scopes_free(struct hoy_api *api)
{
	struct hoy_scope *scope = api->scopes, *next;
	struct hoy_audit *audit = api->audits, *next_audit;

	for (; scope; scope = next) {
		next = scope->next;
		hoy_scope_policy_free(scope->policy);
		free(scope);
	}
	for (; audit; audit = next_audit) {
		next_audit = audit->next;
		hoy_line_file_free(audit->file);
		free(audit);
	}
	api->scopes = NULL;
	api->audits = NULL;
}
