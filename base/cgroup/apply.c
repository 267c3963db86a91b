/* Runs a plan of limits: writes the files, in an order the kernel takes, and explains what it refuses. */
#include "base/cgroup/cgroup_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* A missing file: the controller was not enabled for this group, or this kernel does not have the limit. */
static int explain_missing(const struct hoy_cgroup *cg, const struct hoy_cgroup_op *op, struct hoy_err *err)
{
	char enabled[512];

	if (!hoy_cgroup_exists(cg))
		return hoy_err_not_found(err, "%s: cgroup '%s' does not exist", op->limit, cg->path);
	if (op->hier == 0 && cg->table.v2 && op->controller < _HOY_CGROUP_CONTROLLER_MAX &&
		hoy_cgroup_read(cg, 0, "cgroup.controllers", enabled, sizeof enabled) >= 0 &&
		(hoy_cgroup_controllers_parse(enabled) & HOY_CGROUP_BIT(op->controller)) == 0)
		return hoy_err_unsupported(err,
			"%s: controller '%s' can't be enabled for cgroup '%s': a cgroup above it has processes of its own, "
			"or is not delegated",
			op->limit, hoy_cgroup_controller_to_string(op->controller), cg->path);
	return hoy_err_unsupported(err, "%s: this kernel has no '%s'", op->limit, op->file);
}

static int explain(const struct hoy_cgroup *cg, const struct hoy_cgroup_op *op, int code, struct hoy_err *err)
{
	if (code == -ENOENT)
		return explain_missing(cg, op, err);
	if (code == -EBUSY && op->controller == HOY_CGROUP_MEMORY)
		return hoy_err_set(err, HOY_ERR_INVALID, EBUSY, "%s: %s bytes is less than cgroup '%s' uses already",
			op->limit, op->value, cg->path);
	if (code == -EINVAL)
		return hoy_err_invalid(err, "%s: the kernel refused '%s' for '%s' of cgroup '%s'", op->limit, op->value,
			op->file, cg->path);
	if (code == -EOPNOTSUPP || code == -524 /* ENOTSUPP, which user space has no name for */)
		return hoy_err_unsupported(err, "%s: this kernel no longer supports '%s'", op->limit, op->file);
	return hoy_err_code(
		err, code, "%s: write '%s' to '%s' of cgroup '%s'", op->limit, op->value, op->file, cg->path);
}

static int run_write(const struct hoy_cgroup *cg, const struct hoy_cgroup_op *op)
{
	int r = hoy_cgroup_write(cg, op->hier, op->file, op->value);

	if (r == -ENOENT && op->alt_file != NULL)
		r = hoy_cgroup_write(cg, op->hier, op->alt_file, op->alt_value);
	return r == -ENOENT && op->optional ? 0 : r;
}

static int run_check_usage(const struct hoy_cgroup *cg, const struct hoy_cgroup_op *op)
{
	char text[64];
	ssize_t n = hoy_cgroup_read(cg, op->hier, op->file, text, sizeof text);

	if (n < 0)
		return (int) n;
	return hoy_cgroup_number(text) > hoy_cgroup_number(op->value) ? -EBUSY : 0;
}

static int run_period(const struct hoy_cgroup *cg, const struct hoy_cgroup_op *op)
{
	char text[128];
	auto_free char *value = NULL;
	ssize_t n = hoy_cgroup_read(cg, op->hier, op->file, text, sizeof text);

	if (n < 0)
		return (int) n;
	value = hoy_str_printf("%.*s %s", (int) strcspn(text, " "), text, op->value);
	return value == NULL ? -ENOMEM : hoy_cgroup_write(cg, op->hier, op->file, value);
}

static int run_op(const struct hoy_cgroup *cg, const struct hoy_cgroup_op *op)
{
	switch (op->kind) {
	case HOY_CGROUP_OP_CHECK_USAGE:
		return run_check_usage(cg, op);
	case HOY_CGROUP_OP_PERIOD:
		return run_period(cg, op);
	default:
		return run_write(cg, op);
	}
}

/*
 * The kernel holds pairs of values in relation at every moment (v1 memory <= memory+swap; quota, period and burst;
 * cpu.idle and weight), and what the present ones are decides which must be written first. So what is refused with
 * EINVAL is tried again after the others, as long as that gets any further.
 */
int hoy_cgroup_plan_run(const struct hoy_cgroup *cg, const struct hoy_cgroup_plan *plan, struct hoy_err *err)
{
	auto_free bool *done = calloc(plan->n + 1, sizeof *done);
	size_t left = plan->n;

	if (done == NULL)
		return hoy_err_oom(err);
	while (left > 0) {
		const struct hoy_cgroup_op *refused = NULL;
		size_t before = left;

		for (size_t i = 0; i < plan->n; i++) {
			int r = done[i] ? 0 : run_op(cg, &plan->ops[i]);

			if (r == -EINVAL && refused == NULL)
				refused = &plan->ops[i];
			else if (r < 0 && r != -EINVAL)
				return explain(cg, &plan->ops[i], r, err);
			if (r == 0 && !done[i]) {
				done[i] = true;
				left--;
			}
		}
		if (left == before)
			return explain(cg, refused, -EINVAL, err);
	}
	return 0;
}

int hoy_cgroup_set_limits(struct hoy_cgroup *cg, const struct hoy_cgroup_limits *limits, struct hoy_err *err)
{
	auto_(hoy_cgroup_plan_done) struct hoy_cgroup_plan plan = {};
	int r = hoy_cgroup_plan_limits(&cg->table, limits, &plan, err);

	return r < 0 ? r : hoy_cgroup_plan_run(cg, &plan, err);
}
