/* The plan of a build. */
#include "supervisor/build/plan.h"

int hoy_build_plan_make(const struct hoy_build_input *input, struct hoy_build_plan **ret, struct hoy_err *err)
{
	(void) input;
	*ret = NULL;
	return hoy_err_unsupported(err, "planning a build is not built yet");
}

void hoy_build_plan_free(struct hoy_build_plan *plan)
{
	free(plan);
}
