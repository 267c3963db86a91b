/* Makes the plan from its parts; frees it. */
#include "runtime/plan/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"

int hoy_plan_warn(struct hoy_plan *plan, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return hoy_strv_add(&plan->warnings, text);
}

int hoy_plan_make(const struct hoy_oci_spec *spec, const struct hoy_plan_params *params, struct hoy_plan *ret,
	struct hoy_err *err)
{
	static int (*const parts[])(struct hoy_plan *, struct hoy_err *) = {
		hoy_plan_namespaces,
		hoy_plan_mounts,
		hoy_plan_devices,
		hoy_plan_cgroup,
	};
	auto_(hoy_plan_done) struct hoy_plan plan = { .spec = spec, .params = *params };
	int r;

	if (!spec->linux_)
		return hoy_err_invalid(err, "linux: missing");
	if (!spec->root)
		return hoy_err_invalid(err, "root: missing");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		r = parts[i](&plan, err);
		if (r < 0)
			return r;
	}
	r = hoy_plan_process(&plan, spec->process, err);
	if (r < 0)
		return r;
	if (!params->no_new_keyring) {
		plan.keyring = hoy_str_concat("_ses.", params->id);
		if (!plan.keyring)
			return hoy_err_oom(err);
	}
	*ret = plan;
	plan = (struct hoy_plan){};
	return 0;
}

int hoy_plan_make_exec(const struct hoy_oci_spec *spec, const struct hoy_plan_params *params, struct hoy_plan *ret,
	struct hoy_err *err)
{
	auto_(hoy_plan_done) struct hoy_plan plan = { .spec = spec, .params = *params };
	int r = hoy_plan_join_all(&plan, err);

	if (r == 0)
		r = hoy_plan_process(&plan, spec->process, err);
	if (r < 0)
		return r;
	plan.keyring = hoy_str_concat("_ses.", params->id);
	if (!plan.keyring)
		return hoy_err_oom(err);
	*ret = plan;
	plan = (struct hoy_plan){};
	return 0;
}

int hoy_plan_make_live_mounts(const struct hoy_oci_spec *spec, const struct hoy_plan_params *params,
	struct hoy_plan *ret, struct hoy_err *err)
{
	auto_(hoy_plan_done) struct hoy_plan plan = { .spec = spec, .params = *params };
	int r = hoy_plan_join_all(&plan, err);

	if (r == 0)
		r = hoy_plan_mounts(&plan, err);
	if (r < 0)
		return r;
	*ret = plan;
	plan = (struct hoy_plan){};
	return 0;
}

void hoy_plan_done(struct hoy_plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		free(plan->mounts[i].propagation);
		hoy_strv_free(plan->mounts[i].data);
	}
	free(plan->mounts);
	free(plan->joins);
	free(plan->devices);
	free(plan->rlimits);
	free(plan->sched);
	if (plan->mpol)
		free(plan->mpol->nodes);
	free(plan->mpol);
	free(plan->affinity_initial);
	free(plan->affinity_final);
	hoy_strv_free(plan->env);
	hoy_strv_free(plan->warnings);
	free(plan->rootfs_owned);
	free(plan->keyring);
	free(plan->cgroup);
	free(plan->unit);
	free(plan->slice);
	*plan = (struct hoy_plan){};
}
