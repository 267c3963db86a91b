/* Valid parts of a config that hoyrun does not do: refused by name, never ignored. */
#include <errno.h>
#include <string.h>

#include "runtime/plan/plan.h"

int hoy_plan_refuse(const struct hoy_plan *plan, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = plan->spec->linux_;

	if (l->intel_rdt)
		return hoy_err_unsupported(err, "linux.intelRdt: cache and bandwidth allocation is not supported");
	return 0;
}
