/* Policies of scoped sockets: text and the questions that need nothing else. */
#include "supervisor/api/scope_policy.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "supervisor/api/scope_rules.h"

#define MODE 0660

#define T struct hoy_scope_policy
static const struct hoy_field policy_fields[] = {
	HOY_FIELD_STRING(T, "path", path, 0),
	HOY_FIELD_STRING(T, "group", group, 0),
	HOY_FIELD_STRING(T, "mode", mode_text, 0),
	HOY_FIELD_BOOL(T, "read-only", read_only, 0),
	HOY_FIELD_BOOL(T, "ports", ports, 0),
	HOY_FIELD_KV(T, "labels", labels, 0),
	HOY_FIELD_STRV(T, "allow", allow, 0),
	HOY_FIELD_STRING(T, "audit", audit, 0),
};
static const struct hoy_object policy_object = HOY_OBJECT(T, policy_fields, NULL);
#undef T

static bool is_in_group(const char *group, const char *allowed)
{
	size_t len = strlen(allowed);

	return hoy_str_starts(group, allowed) && (group[len] == '\0' || group[len] == '.');
}

static bool names_a_group(const char *allowed)
{
	for (size_t i = 0; i < hoy_scope_rules_n; i++)
		if (hoy_scope_rules[i].group && is_in_group(hoy_scope_rules[i].group, allowed))
			return true;
	return false;
}

/* What events have beside labels: who can choose such a value for an object would choose its scope. */
static bool is_taken(const char *label)
{
	static const char *const attributes[] = { "container", "driver", "image", "name", "type", NULL };

	return hoy_strv_has((char *const *) attributes, label);
}

static int check(struct hoy_scope_policy *p, struct hoy_err *err)
{
	if (!p->path || p->path[0] != '/')
		return hoy_err_invalid(err, "path: want an absolute path, not '%s'", p->path ? p->path : "");
	if (p->audit && p->audit[0] != '/')
		return hoy_err_invalid(err, "audit: want an absolute path, not '%s'", p->audit);
	p->mode = MODE;
	if (p->mode_text && (hoy_str_to_mode(p->mode_text, &p->mode) < 0 || p->mode > 0777))
		return hoy_err_invalid(err, "mode: '%s' is none (want \"0660\")", p->mode_text);
	if (!p->allow || !*p->allow)
		return hoy_err_invalid(err, "allow: want the groups of calls that are allowed");
	for (char *const *group = p->allow; *group; group++)
		if (!**group || !names_a_group(*group))
			return hoy_err_invalid(err, "allow: there is no group of calls '%s'", *group);
	for (size_t i = 0; i < p->n_labels; i++)
		if (!*p->labels[i].key || strchr(p->labels[i].key, '=') || is_taken(p->labels[i].key))
			return hoy_err_invalid(err, "labels: '%s' can't be the label of a scope", p->labels[i].key);
	return 0;
}

int hoy_scope_policy_parse(const char *text, size_t len, struct hoy_scope_policy **ret, struct hoy_err *err)
{
	auto_ptr(hoy_scope_policy_free) struct hoy_scope_policy *policy = NULL;
	auto_ptr(hoy_strv_free) char **unknown = NULL;
	const struct hoy_field_options options = { .unknown = &unknown };
	int r = hoy_field_parse(&policy_object, text, len, &options, (void **) &policy, err);

	if (r >= 0 && unknown)
		r = hoy_err_invalid(err, "unknown member '%s'", unknown[0]);
	if (r >= 0)
		r = check(policy, err);
	if (r < 0)
		return hoy_err_wrap(err, "scoped-sockets%s%s", policy && policy->path ? ": " : "",
			policy && policy->path ? policy->path : "");
	*ret = TAKE_PTR(policy);
	return 0;
}

void hoy_scope_policy_free(struct hoy_scope_policy *policy)
{
	hoy_field_free(&policy_object, policy);
}

bool hoy_scope_policy_allows(const struct hoy_scope_policy *policy, const char *group)
{
	for (char *const *allowed = policy->allow; *allowed; allowed++)
		if (is_in_group(group, *allowed))
			return true;
	return false;
}

bool hoy_scope_policy_covers(const struct hoy_scope_policy *policy, const struct hoy_oci_kv *labels, size_t n_labels)
{
	for (size_t i = 0; i < policy->n_labels; i++) {
		const char *value = hoy_oci_kv_get(labels, n_labels, policy->labels[i].key);

		if (!value || strcmp(value, policy->labels[i].value) != 0)
			return false;
	}
	return true;
}
