/* The request between hoyrun and hoyrun-systemd as text, and back. */
#include "runtime/systemd/request.h"

#include "libocispec/runtime.h"

static const char *const op_names[] = {
	[HOY_UNIT_START] = "start",
	[HOY_UNIT_SET] = "set",
	[HOY_UNIT_ATTACH] = "attach",
	[HOY_UNIT_STOP] = "stop",
};
static const struct hoy_enum ops = HOY_ENUM(op_names);

#define REQUEST struct hoy_unit_request
static const struct hoy_field request_fields[] = {
	HOY_FIELD_ENUM(REQUEST, "op", op, &ops, HOY_FIELD_REQUIRED),
	HOY_FIELD_BOOL(REQUEST, "user", user, 0),
	HOY_FIELD_STRING(REQUEST, "unit", unit, HOY_FIELD_REQUIRED),
	HOY_FIELD_BOOL(REQUEST, "unified", unified, 0),
	HOY_FIELD_STRING(REQUEST, "slice", slice, 0),
	HOY_FIELD_STRING(REQUEST, "id", id, 0),
	HOY_FIELD_STRING(REQUEST, "cgroup", cgroup, 0),
	HOY_FIELD_I32(REQUEST, "pid", pid, 0),
	HOY_FIELD_OBJECT_PTR(REQUEST, "resources", resources, struct hoy_oci_resources, &hoy_oci_resources_object, 0),
	HOY_FIELD_KV(REQUEST, "annotations", annotations, 0),
};
static const struct hoy_object request_object = {
	.what = "request",
	.size = sizeof(REQUEST),
	.fields = request_fields,
	.n_fields = ARRAY_LEN(request_fields),
};

int hoy_unit_request_print(const struct hoy_unit_request *request, struct hoy_buf *buf, struct hoy_err *err)
{
	return hoy_field_print(&request_object, request, buf, 0, err);
}

int hoy_unit_request_parse(const char *text, size_t len, struct hoy_unit_request **ret, struct hoy_err *err)
{
	void *parsed;
	int r = hoy_field_parse(&request_object, text, len, NULL, &parsed, err);

	if (r < 0)
		return r;
	r = hoy_field_validate(&request_object, parsed, err);
	if (r < 0) {
		hoy_field_free(&request_object, parsed);
		return r;
	}
	*ret = parsed;
	return 0;
}

void hoy_unit_request_free(struct hoy_unit_request *request)
{
	hoy_field_free(&request_object, request);
}
