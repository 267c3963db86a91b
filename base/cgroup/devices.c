/* Device rules: normalising a list, and writing it to the v1 devices controller. The v2 program is in devices_bpf.c. */
#include "base/cgroup/cgroup_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

/* --- normalising ------------------------------------------------------------------------------------------------ */

void hoy_cgroup_device_list_done(struct hoy_cgroup_device_list *list)
{
	free(list->rules);
	*list = (struct hoy_cgroup_device_list){};
}

static bool is_everything(const struct hoy_cgroup_device *rule)
{
	return rule->type == 'a' && rule->major < 0 && rule->minor < 0 && rule->access == HOY_CGROUP_DEV_ALL;
}

static int check_rule(const struct hoy_cgroup_device *rule, struct hoy_err *err)
{
	if (rule->type != 'a' && rule->type != 'b' && rule->type != 'c')
		return hoy_err_invalid(err, "device rule: type '%c' is none of a, b, c", rule->type);
	if (rule->access == 0 || (rule->access & ~(unsigned int) HOY_CGROUP_DEV_ALL) != 0)
		return hoy_err_invalid(err, "device rule: no access, or an unknown one");
	/* the kernel's device numbers: 12 and 20 bits */
	if (rule->major < -1 || rule->major >= 1 << 12 || rule->minor < -1 || rule->minor >= 1 << 20)
		return hoy_err_invalid(
			err, "device rule: no device is %lld:%lld", (long long) rule->major, (long long) rule->minor);
	return 0;
}

int hoy_cgroup_device_list_init(
	struct hoy_cgroup_device_list *list, const struct hoy_cgroup_device *rules, size_t n_rules, struct hoy_err *err)
{
	size_t first = 0;

	*list = (struct hoy_cgroup_device_list){};
	for (size_t i = 0; i < n_rules; i++) {
		int r = check_rule(&rules[i], err);

		if (r < 0)
			return r;
		if (is_everything(&rules[i])) {
			list->allow_default = rules[i].allow;
			first = i + 1;
		}
	}
	list->rules = calloc(2 * (n_rules - first) + 1, sizeof *list->rules);
	if (list->rules == NULL)
		return hoy_err_oom(err);
	for (size_t i = first; i < n_rules; i++) {
		list->rules[list->n++] = rules[i];
		if (rules[i].type == 'a') {
			list->rules[list->n - 1].type = 'b';
			list->rules[list->n] = rules[i];
			list->rules[list->n++].type = 'c';
		}
	}
	return 0;
}

static bool covers(const struct hoy_cgroup_device *wide, const struct hoy_cgroup_device *narrow)
{
	return wide->type == narrow->type && (wide->major < 0 || wide->major == narrow->major) &&
	       (wide->minor < 0 || wide->minor == narrow->minor);
}

static bool overlaps(const struct hoy_cgroup_device *a, const struct hoy_cgroup_device *b)
{
	return a->type == b->type && (a->major < 0 || b->major < 0 || a->major == b->major) &&
	       (a->minor < 0 || b->minor < 0 || a->minor == b->minor);
}

static bool same_device(const struct hoy_cgroup_device *a, const struct hoy_cgroup_device *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

/* Adds an exception to the n that are there; the same device only gains access bits. */
static size_t add_exception(struct hoy_cgroup_device *out, size_t n, const struct hoy_cgroup_device *rule)
{
	for (size_t i = 0; i < n; i++)
		if (same_device(&out[i], rule)) {
			out[i].access |= rule->access;
			return n;
		}
	out[n] = *rule;
	return n + 1;
}

/* Takes a rule back to the default out of the exceptions; false when part of a wider one would have to go. */
static bool remove_exception(struct hoy_cgroup_device *out, size_t *n, const struct hoy_cgroup_device *rule)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		if (covers(rule, &out[i]))
			out[i].access &= ~rule->access;
		else if (overlaps(rule, &out[i]) && (out[i].access & rule->access) != 0)
			return false;
		if (out[i].access != 0)
			out[kept++] = out[i];
	}
	*n = kept;
	return true;
}

bool hoy_cgroup_device_list_simplify(struct hoy_cgroup_device_list *list)
{
	size_t n = 0;

	/* in place: never more exceptions than rules seen */
	for (size_t i = 0; i < list->n; i++) {
		struct hoy_cgroup_device rule = list->rules[i];

		if (rule.allow != list->allow_default)
			n = add_exception(list->rules, n, &rule);
		else if (!remove_exception(list->rules, &n, &rule))
			return false;
	}
	list->n = n;
	return true;
}

/* --- v1 --------------------------------------------------------------------------------------------------------- */

static const char *number(int64_t value, char buf[24])
{
	if (value < 0)
		snprintf(buf, 24, "*");
	else
		snprintf(buf, 24, "%lld", (long long) value);
	return buf;
}

static void format_rule(const struct hoy_cgroup_device *rule, char text[64])
{
	char major[24], minor[24];

	snprintf(text, 64, "%c %s:%s %s%s%s", rule->type, number(rule->major, major), number(rule->minor, minor),
		rule->access & HOY_CGROUP_DEV_READ ? "r" : "", rule->access & HOY_CGROUP_DEV_WRITE ? "w" : "",
		rule->access & HOY_CGROUP_DEV_MKNOD ? "m" : "");
}

/* First everything closes (or, for an open default, opens), then the exceptions follow one by one. */
static int set_v1(const struct hoy_cgroup *cg, size_t i, const struct hoy_cgroup_device_list *list, struct hoy_err *err)
{
	const char *file = list->allow_default ? "devices.deny" : "devices.allow";
	int r = hoy_cgroup_write(cg, i, list->allow_default ? "devices.allow" : "devices.deny", "a");

	if (r < 0)
		return hoy_err_code(
			err, r, "%s all devices in cgroup '%s'", list->allow_default ? "allow" : "deny", cg->path);
	for (size_t n = 0; n < list->n; n++) {
		char text[64];

		format_rule(&list->rules[n], text);
		r = hoy_cgroup_write(cg, i, file, text);
		if (r < 0)
			return hoy_err_code(err, r, "write '%s' to '%s' of cgroup '%s'", text, file, cg->path);
	}
	return 0;
}

/* --- v2 --------------------------------------------------------------------------------------------------------- */

static int set_v2(struct hoy_cgroup *cg, const struct hoy_cgroup_device_list *list, struct hoy_err *err)
{
	auto_free struct bpf_insn *insns = NULL;
	int dir = hoy_cgroup_dirfd(cg, 0), r;
	size_t n;

	if (dir < 0)
		return hoy_err_code(err, dir, "open cgroup '%s'", cg->path);
	r = hoy_cgroup_device_program(list, &insns, &n, err);
	if (r == 0)
		r = hoy_cgroup_device_attach(dir, insns, n, !cg->fresh, err);
	if (r < 0)
		return hoy_err_wrap(err, "set the devices of cgroup '%s'", cg->path);
	hoy_fd_close(&cg->spent[1]);
	cg->spent[1] = r;
	return 0;
}

/* The program decides; from then on (not before) what the v1 controller of a hybrid host forbids is lifted. */
static int set_program(struct hoy_cgroup *cg, int v1, const struct hoy_cgroup_device_list *list, struct hoy_err *err)
{
	static const struct hoy_cgroup_device_list everything = { .allow_default = true };
	int r = set_v2(cg, list, err);

	return r < 0 || v1 < 0 ? r : set_v1(cg, (size_t) v1, &everything, err);
}

static int set_list(struct hoy_cgroup *cg, const struct hoy_cgroup_device *rules, size_t n_rules, struct hoy_err *err)
{
	auto_(hoy_cgroup_device_list_done) struct hoy_cgroup_device_list list = {}, simple = {};
	int v1 = hoy_cgroup_table_find(&cg->table, HOY_CGROUP_DEVICES);
	int r = hoy_cgroup_device_list_init(&list, rules, n_rules, err);

	if (r == 0)
		r = hoy_cgroup_device_list_init(&simple, rules, n_rules, err);
	if (r < 0)
		return r;
	if (v1 < 0 && !cg->table.v2)
		return hoy_err_unsupported(err, "device rules: this host has no devices cgroup controller");

	/* Where a program is attached already it goes on deciding, so the new list has to be in it. */
	if (v1 < 0 || (cg->table.v2 && !cg->fresh && hoy_cgroup_device_attached(hoy_cgroup_dirfd(cg, 0))))
		return set_program(cg, v1, &list, err);
	if (hoy_cgroup_device_list_simplify(&simple))
		return set_v1(cg, (size_t) v1, &simple, err);
	if (cg->table.v2)
		return set_program(cg, v1, &list, err);
	return hoy_err_unsupported(
		err, "device rules: the v1 devices controller can't deny a part of what a rule allows");
}

int hoy_cgroup_set_devices(
	struct hoy_cgroup *cg, const struct hoy_cgroup_device *rules, size_t n_rules, struct hoy_err *err)
{
	int r = set_list(cg, rules, n_rules, err);

	cg->fresh = false;
	return r;
}
