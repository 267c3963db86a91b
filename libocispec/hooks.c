/* config.json: hooks. */
#include "libocispec/runtime_internal.h"

static int hook_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_hook *hook = object;

	if (hook->timeout && *hook->timeout <= 0)
		return hoy_field_invalid(at, err, "timeout", "must be above 0");
	return hoy_oci_check_absolute(at, err, "path", hook->path);
}

static const struct hoy_field hook_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_hook, "path", path, REQUIRED),
	HOY_FIELD_STRV(struct hoy_oci_hook, "args", args, 0),
	HOY_FIELD_STRV(struct hoy_oci_hook, "env", env, 0),
	HOY_FIELD_I32_PTR(struct hoy_oci_hook, "timeout", timeout, 0),
};
static const struct hoy_object hook_object = HOY_OBJECT(struct hoy_oci_hook, hook_fields, hook_check);

#define HOOKS struct hoy_oci_hooks
#define HOOK struct hoy_oci_hook
static const struct hoy_field hooks_fields[] = {
	HOY_FIELD_OBJECTS(HOOKS, "prestart", prestart, HOOK, &hook_object, 0),
	HOY_FIELD_OBJECTS(HOOKS, "createRuntime", create_runtime, HOOK, &hook_object, 0),
	HOY_FIELD_OBJECTS(HOOKS, "createContainer", create_container, HOOK, &hook_object, 0),
	HOY_FIELD_OBJECTS(HOOKS, "startContainer", start_container, HOOK, &hook_object, 0),
	HOY_FIELD_OBJECTS(HOOKS, "poststart", poststart, HOOK, &hook_object, 0),
	HOY_FIELD_OBJECTS(HOOKS, "poststop", poststop, HOOK, &hook_object, 0),
};
const struct hoy_object hoy_oci_hooks_object = HOY_OBJECT(HOOKS, hooks_fields, NULL);
