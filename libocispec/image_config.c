/* Image documents: the image config, and the oci-layout file. */
#include <string.h>

#include "base/str.h"
#include "libocispec/image_internal.h"

static const struct hoy_field healthcheck_fields[] = {
	HOY_FIELD_STRV(struct hoy_oci_healthcheck, "Test", test, OPTIONAL),
	HOY_FIELD_I64(struct hoy_oci_healthcheck, "Interval", interval, 0),
	HOY_FIELD_I64(struct hoy_oci_healthcheck, "Timeout", timeout, 0),
	HOY_FIELD_I64(struct hoy_oci_healthcheck, "StartPeriod", start_period, 0),
	HOY_FIELD_I64(struct hoy_oci_healthcheck, "StartInterval", start_interval, 0),
	HOY_FIELD_I64(struct hoy_oci_healthcheck, "Retries", retries, 0),
};
static const struct hoy_object healthcheck_object = HOY_OBJECT(struct hoy_oci_healthcheck, healthcheck_fields, NULL);

/* Old images give one string for Cmd or Entrypoint. */
#define RUN struct hoy_oci_image_run
static const struct hoy_field run_fields[] = {
	HOY_FIELD_STRING(RUN, "User", user, OPTIONAL),
	HOY_FIELD_KEYS(RUN, "ExposedPorts", exposed_ports, OPTIONAL),
	HOY_FIELD_STRV(RUN, "Env", env, OPTIONAL),
	HOY_FIELD_STRV(RUN, "Entrypoint", entrypoint, OPTIONAL | HOY_FIELD_STRING_OK),
	HOY_FIELD_STRV(RUN, "Cmd", cmd, OPTIONAL | HOY_FIELD_STRING_OK),
	HOY_FIELD_KEYS(RUN, "Volumes", volumes, OPTIONAL),
	HOY_FIELD_STRING(RUN, "WorkingDir", working_dir, OPTIONAL),
	HOY_FIELD_KV(RUN, "Labels", labels, OPTIONAL),
	HOY_FIELD_STRING(RUN, "StopSignal", stop_signal, OPTIONAL),
	HOY_FIELD_BOOL(RUN, "ArgsEscaped", args_escaped, 0),
	HOY_FIELD_OBJECT_PTR(RUN, "Healthcheck", healthcheck, struct hoy_oci_healthcheck, &healthcheck_object, 0),
	HOY_FIELD_STRV(RUN, "Shell", shell, OPTIONAL | HOY_FIELD_STRING_OK),
	HOY_FIELD_STRV(RUN, "OnBuild", on_build, OPTIONAL),
};
const struct hoy_object hoy_oci_image_run_object = HOY_OBJECT(RUN, run_fields, NULL);

static int rootfs_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_rootfs *rootfs = object;
	const struct hoy_field_path list = { .parent = at, .name = "diff_ids" };

	if (!rootfs->type || strcmp(rootfs->type, "layers") != 0)
		return hoy_field_invalid(at, err, "type", "must be \"layers\"");
	for (size_t i = 0; rootfs->diff_ids && rootfs->diff_ids[i]; i++) {
		const struct hoy_field_path here = { .parent = &list, .index = i };
		int r = hoy_oci_check_digest(&here, err, /* member= */ NULL, rootfs->diff_ids[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* An image without layers may have no diff_ids at all. */
static const struct hoy_field rootfs_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_rootfs, "type", type, REQUIRED),
	HOY_FIELD_STRV(struct hoy_oci_rootfs, "diff_ids", diff_ids, HOY_FIELD_EMPTY_LIST),
};
static const struct hoy_object rootfs_object = HOY_OBJECT(struct hoy_oci_rootfs, rootfs_fields, rootfs_check);

static int history_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	return hoy_oci_check_time(at, err, "created", ((const struct hoy_oci_history *) object)->created);
}

static const struct hoy_field history_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_history, "created", created, OPTIONAL),
	HOY_FIELD_STRING(struct hoy_oci_history, "created_by", created_by, OPTIONAL),
	HOY_FIELD_STRING(struct hoy_oci_history, "author", author, OPTIONAL),
	HOY_FIELD_STRING(struct hoy_oci_history, "comment", comment, OPTIONAL),
	HOY_FIELD_BOOL(struct hoy_oci_history, "empty_layer", empty_layer, 0),
};
static const struct hoy_object history_object = HOY_OBJECT(struct hoy_oci_history, history_fields, history_check);

static int config_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	return hoy_oci_check_time(at, err, "created", ((const struct hoy_oci_image_config *) object)->created);
}

/* The specification wants architecture and os; docker's own old images lack them and must still load. */
#define CONFIG struct hoy_oci_image_config
static const struct hoy_field config_fields[] = {
	HOY_FIELD_STRING(CONFIG, "created", created, OPTIONAL),
	HOY_FIELD_STRING(CONFIG, "author", author, OPTIONAL),
	HOY_FIELD_STRING(CONFIG, "architecture", architecture, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(CONFIG, "variant", variant, OPTIONAL),
	HOY_FIELD_STRING(CONFIG, "os", os, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(CONFIG, "os.version", os_version, OPTIONAL),
	HOY_FIELD_STRV(CONFIG, "os.features", os_features, OPTIONAL),
	HOY_FIELD_OBJECT_PTR(CONFIG, "config", config, RUN, &hoy_oci_image_run_object, 0),
	HOY_FIELD_OBJECT(CONFIG, "rootfs", rootfs, struct hoy_oci_rootfs, &rootfs_object, REQUIRED),
	HOY_FIELD_OBJECTS(CONFIG, "history", history, struct hoy_oci_history, &history_object, OPTIONAL),
	HOY_FIELD_STRING(CONFIG, "moby.buildkit.cache.v0", build_cache, OPTIONAL),
};
static const struct hoy_object image_config_object = {
	.what = "image config",
	.size = sizeof(CONFIG),
	.fields = config_fields,
	.n_fields = ARRAY_LEN(config_fields),
	.check = config_check,
};

int hoy_oci_image_config_parse(const char *text, size_t len, struct hoy_oci_image_config **ret, struct hoy_err *err)
{
	return hoy_oci_image_read(&image_config_object, text, len, (void **) ret, err);
}

int hoy_oci_image_config_print(
	const struct hoy_oci_image_config *config, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)
{
	return hoy_oci_image_write(&image_config_object, config, buf, indent, err);
}

void hoy_oci_image_config_free(struct hoy_oci_image_config *config)
{
	hoy_field_free(&image_config_object, config);
}

int hoy_oci_layout_check(const char *text, size_t len, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *version;
	int r = hoy_json_parse(text, len, &hoy_oci_image_limits, &doc, err);

	if (r < 0)
		return r;
	version = hoy_json_get(doc, "imageLayoutVersion");
	if (!version || !hoy_json_string(version))
		return hoy_err_invalid(err, "imageLayoutVersion: missing");
	if (!hoy_str_starts(hoy_json_string(version), "1."))
		return hoy_err_invalid(
			err, "imageLayoutVersion: version %.40s is not supported (1.x is)", hoy_json_string(version));
	return 0;
}
