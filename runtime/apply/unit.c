/* Asks hoyrun-systemd, and waits for its answer. */
#include "runtime/apply/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/plan/plan.h"
#include "runtime/state/state.h"
#include "runtime/systemd/request.h"

static int start_helper(const struct hoy_unit_request *request, struct hoy_helper *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_unit_request_print(request, &text, err);

	if (r == 0)
		r = hoy_helper_start(HOY_SYSTEMD_HELPER, &(struct hoy_helper_start){ .request = &text }, ret, err);
	return r < 0 ? hoy_err_wrap(err, "systemd cgroup manager") : 0;
}

static int ask(const struct hoy_unit_request *request, struct hoy_err *err)
{
	struct hoy_helper helper = { .sock = -EBADF };
	struct hoy_helper_msg msg;
	int r = start_helper(request, &helper, err);

	if (r < 0)
		return r;
	r = hoy_helper_recv(&helper, &msg, NULL, err);
	hoy_helper_end(&helper);
	return r;
}

/* On v2 our own program decides about devices, and a long list need not travel. */
static struct hoy_oci_resources *without_devices(const struct hoy_oci_resources *res, struct hoy_oci_resources *copy)
{
	if (!res)
		return NULL;
	*copy = *res;
	copy->devices = NULL;
	copy->n_devices = 0;
	return copy;
}

int hoy_unit_start(
	const struct hoy_plan *plan, bool unified, struct hoy_helper *ret_holder, pid_t *ret_pid, struct hoy_err *err)
{
	const struct hoy_oci_spec *spec = plan->spec;
	auto_free struct hoy_oci_kv *annotations = calloc(spec->n_annotations + 1, sizeof *annotations);
	struct hoy_oci_resources *res = spec->linux_->resources, copy;
	struct hoy_helper helper = { .sock = -EBADF };
	struct hoy_helper_msg msg;
	struct hoy_unit_request request = {
		.op = HOY_UNIT_START,
		.user = plan->params.rootless,
		.unit = plan->unit,
		.unified = unified,
		.slice = plan->slice,
		.id = (char *) plan->params.id,
		.resources = unified ? without_devices(res, &copy) : res,
		.annotations = annotations,
	};
	int r;

	if (!annotations)
		return hoy_err_oom(err);
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (hoy_str_starts(spec->annotations[i].key, HOY_UNIT_ANNOTATION))
			annotations[request.n_annotations++] = spec->annotations[i];
	r = start_helper(&request, &helper, err);
	if (r == 0)
		r = hoy_helper_recv(&helper, &msg, NULL, err);
	if (r == 0 && (msg.type != HOY_HELPER_ASK || msg.number <= 0))
		r = hoy_err_code(err, -EPROTO, "answer of " HOY_SYSTEMD_HELPER);
	if (r < 0) {
		hoy_helper_end(&helper);
		return r;
	}
	*ret_holder = helper;
	*ret_pid = msg.number;
	return 0;
}

int hoy_unit_release(struct hoy_helper *holder, struct hoy_err *err)
{
	struct hoy_helper_msg msg;
	int r = hoy_helper_go(holder, err);

	if (r == 0)
		r = hoy_helper_recv(holder, &msg, NULL, err);
	hoy_helper_end(holder);
	return r;
}

int hoy_unit_set(const struct hoy_state *state, const char *cgroup, bool unified,
	const struct hoy_oci_resources *resources, struct hoy_err *err)
{
	struct hoy_oci_resources copy;
	const struct hoy_unit_request request = {
		.op = HOY_UNIT_SET,
		.user = state->rootless,
		.unit = state->unit,
		.unified = unified,
		.cgroup = (char *) cgroup,
		.resources = without_devices(resources, &copy),
	};

	return ask(&request, err);
}

int hoy_unit_attach(const struct hoy_state *state, const char *sub, pid_t pid, struct hoy_err *err)
{
	const struct hoy_unit_request request = {
		.op = HOY_UNIT_ATTACH,
		.user = state->rootless,
		.unit = state->unit,
		.cgroup = (char *) sub,
		.pid = pid,
	};

	return ask(&request, err);
}

int hoy_unit_stop(const struct hoy_state *state, struct hoy_err *err)
{
	const struct hoy_unit_request request = {
		.op = HOY_UNIT_STOP,
		.user = state->rootless,
		.unit = state->unit,
	};

	return ask(&request, err);
}
