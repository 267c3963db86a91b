/* linux.cgroupsPath: a path below the cgroup roots, or a unit of systemd and its slice. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "runtime/plan/plan.h"

#define UNIT_NAME_MAX ((size_t) 255)
#define UNIT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"

static int plan_path(struct hoy_plan *plan, const char *path, struct hoy_err *err)
{
	auto_free char *rooted = NULL;

	if (path && path[0] && strchr(path, ':') && path[0] != '/')
		return hoy_err_unsupported(
			err, "linux.cgroupsPath: '%s' names a unit of systemd, which takes --systemd-cgroup", path);
	rooted = path && path[0] ? hoy_str_printf("/%s", path) : hoy_str_printf("/%s", plan->params.id);
	plan->cgroup = rooted ? hoy_path_clean(rooted) : NULL;
	if (!plan->cgroup)
		return hoy_err_oom(err);
	if (strcmp(plan->cgroup, "/") == 0)
		return hoy_err_invalid(err, "linux.cgroupsPath: '%s' is the root of all cgroups", path);
	return 0;
}

/* An id may hold a character ('+') that the name of a unit may not: it is written as systemd does, "\x2b". */
static char *escape(const char *name)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	for (const char *c = name; *c; c++) {
		if (strchr(UNIT_CHARS, *c))
			(void) hoy_buf_addc(&text, *c);
		else
			(void) hoy_buf_addf(&text, "\\x%02x", (unsigned char) *c);
	}
	return hoy_buf_take(&text);
}

static int set_slice(struct hoy_plan *plan, const char *slice, struct hoy_err *err)
{
	if (!slice[0])
		slice = plan->params.rootless ? "user.slice" : "system.slice";
	if (strcmp(slice, "-") == 0 || strcmp(slice, "-.slice") == 0)
		slice = "-.slice";
	else if (!hoy_str_ends(slice, ".slice") || slice[0] == '-' || slice[strspn(slice, UNIT_CHARS)] ||
		 strstr(slice, "--") || hoy_str_ends(slice, "-.slice") || strlen(slice) > UNIT_NAME_MAX)
		return hoy_err_invalid(err, "linux.cgroupsPath: '%s' is not the name of a slice", slice);
	plan->slice = strdup(slice);
	return plan->slice ? 0 : hoy_err_oom(err);
}

/* "slice:prefix:name" is prefix-name.scope in that slice. */
static int plan_unit(struct hoy_plan *plan, const char *path, struct hoy_err *err)
{
	auto_free char *own = path && path[0] ? strdup(path) : hoy_str_printf(":hoyrun:%s", plan->params.id);
	auto_ptr(hoy_strv_free) char **part = own ? hoy_str_split(own, ':') : NULL;
	auto_free char *prefix = NULL, *name = NULL;
	int r;

	if (!part)
		return hoy_err_oom(err);
	if (hoy_strv_len(part) != 3 || !part[2][0])
		return hoy_err_invalid(err,
			"linux.cgroupsPath: '%s' is not of the form slice:prefix:name, as --systemd-cgroup wants it",
			own);
	r = set_slice(plan, part[0], err);
	if (r < 0)
		return r;
	prefix = escape(part[1]);
	name = escape(part[2]);
	if (!name)
		return hoy_err_oom(err);
	if (hoy_str_ends(name, ".slice"))
		return hoy_err_unsupported(
			err, "linux.cgroupsPath: '%s': a container's unit is a scope, not a slice", own);
	plan->unit = prefix && prefix[0] ? hoy_str_printf("%s-%s.scope", prefix, name)
					 : hoy_str_printf("%s.scope", name);
	if (!plan->unit)
		return hoy_err_oom(err);
	if (strlen(plan->unit) > UNIT_NAME_MAX)
		return hoy_err_invalid(err, "linux.cgroupsPath: '%s' is too long for the name of a unit", plan->unit);
	return 0;
}

int hoy_plan_cgroup(struct hoy_plan *plan, struct hoy_err *err)
{
	const char *path = plan->spec->linux_->cgroups_path;

	if (plan->params.no_cgroup)
		return 0;
	return plan->params.systemd ? plan_unit(plan, path, err) : plan_path(plan, path, err);
}
