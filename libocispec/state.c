/* The state document, and the container process state that goes to a seccomp listener. */
#include "libocispec/runtime_internal.h"

static const char *const status_names[] = {
	[HOY_OCI_STATUS_CREATING] = "creating",
	[HOY_OCI_STATUS_CREATED] = "created",
	[HOY_OCI_STATUS_RUNNING] = "running",
	[HOY_OCI_STATUS_PAUSED] = "paused",
	[HOY_OCI_STATUS_STOPPED] = "stopped",
};
static const struct hoy_enum statuses = HOY_ENUM(status_names);

const char *hoy_oci_status_to_string(enum hoy_oci_status status)
{
	return hoy_enum_to_string(&statuses, status);
}

static int state_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_state *state = object;
	bool alive = state->status == HOY_OCI_STATUS_CREATED || state->status == HOY_OCI_STATUS_RUNNING ||
		     state->status == HOY_OCI_STATUS_PAUSED;

	if (!*state->id)
		return hoy_field_invalid(at, err, "id", "empty");
	if (state->pid < 0 || (alive && !state->pid))
		return hoy_field_invalid(at, err, "pid", "must be above 0");
	return hoy_oci_check_absolute(at, err, "bundle", state->bundle);
}

#define STATE struct hoy_oci_state
static const struct hoy_field state_fields[] = {
	HOY_FIELD_STRING(STATE, "ociVersion", oci_version, REQUIRED),
	HOY_FIELD_STRING(STATE, "id", id, REQUIRED),
	HOY_FIELD_I32(STATE, "pid", pid, HOY_FIELD_ALWAYS),
	HOY_FIELD_ENUM(STATE, "status", status, &statuses, REQUIRED),
	HOY_FIELD_STRING(STATE, "bundle", bundle, REQUIRED),
	HOY_FIELD_STRING(STATE, "rootfs", rootfs, 0),
	HOY_FIELD_STRING(STATE, "created", created, 0),
	HOY_FIELD_KV(STATE, "annotations", annotations, 0),
	HOY_FIELD_STRING(STATE, "owner", owner, 0),
};
const struct hoy_object hoy_oci_state_object = {
	.what = "state",
	.size = sizeof(STATE),
	.fields = state_fields,
	.n_fields = ARRAY_LEN(state_fields),
	.check = state_check,
};

int hoy_oci_state_parse(const char *text, size_t len, struct hoy_oci_state **ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_state_free) struct hoy_oci_state *state = NULL;
	int r = hoy_field_parse(&hoy_oci_state_object, text, len, NULL, (void **) &state, err);

	if (r >= 0)
		r = hoy_field_validate(&hoy_oci_state_object, state, err);
	if (r >= 0)
		*ret = TAKE_PTR(state);
	return r;
}

int hoy_oci_state_print(
	const struct hoy_oci_state *state, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)
{
	return hoy_field_print(&hoy_oci_state_object, state, buf, indent, err);
}

void hoy_oci_state_free(struct hoy_oci_state *state)
{
	hoy_field_free(&hoy_oci_state_object, state);
}

#define PROCESS_STATE struct hoy_oci_process_state
static const struct hoy_field process_state_fields[] = {
	HOY_FIELD_STRING(PROCESS_STATE, "ociVersion", oci_version, REQUIRED),
	HOY_FIELD_STRV(PROCESS_STATE, "fds", fds, 0),
	HOY_FIELD_I32(PROCESS_STATE, "pid", pid, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(PROCESS_STATE, "metadata", metadata, OPTIONAL),
	HOY_FIELD_OBJECT_PTR(PROCESS_STATE, "state", state, STATE, &hoy_oci_state_object, REQUIRED),
};
static const struct hoy_object process_state_object = HOY_OBJECT(PROCESS_STATE, process_state_fields, NULL);

int hoy_oci_process_state_print(
	const struct hoy_oci_process_state *state, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)
{
	return hoy_field_print(&process_state_object, state, buf, indent, err);
}
