/* The root of config.json, and the entry points for it. */
#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/runtime_internal.h"

#define HOSTNAME_MAX 64 /* the kernel's __NEW_UTS_LEN */

/* --- root --------------------------------------------------------------------------------------------------- */

static int root_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_root *root = object;

	if (!*root->path)
		return hoy_field_invalid(at, err, "path", "empty");
	return 0;
}

static const struct hoy_field root_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_root, "path", path, REQUIRED),
	HOY_FIELD_BOOL(struct hoy_oci_root, "readonly", readonly, 0),
};
static const struct hoy_object root_object = HOY_OBJECT(struct hoy_oci_root, root_fields, root_check);

/* --- version ------------------------------------------------------------------------------------------------ */

/* One dot-separated number without leading zeros; moves *text behind it. */
static bool take_version_number(const char **text)
{
	const char *start = *text;

	while (isdigit((unsigned char) **text))
		(*text)++;
	return *text > start && (*start != '0' || *text == start + 1);
}

/* Identifiers behind '-' (numbers there have no leading zeros) or '+'. */
static bool take_identifiers(const char **text, bool strict_numbers)
{
	for (;;) {
		size_t len = strspn(*text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-");

		if (!len)
			return false;
		if (strict_numbers && len > 1 && **text == '0' && strspn(*text, "0123456789") == len)
			return false;
		*text += len;
		if (**text != '.')
			return true;
		(*text)++;
	}
}

/* Semantic Versioning 2.0.0. */
static bool is_semver(const char *text)
{
	for (int i = 0; i < 3; i++) {
		if (!take_version_number(&text))
			return false;
		if (i < 2 && *text++ != '.')
			return false;
	}
	if (*text == '-') {
		text++;
		if (!take_identifiers(&text, /* strict_numbers= */ true))
			return false;
	}
	if (*text == '+') {
		text++;
		if (!take_identifiers(&text, /* strict_numbers= */ false))
			return false;
	}
	return !*text;
}

static int version_check(const char *version, const struct hoy_field_path *at, struct hoy_err *err)
{
	if (!is_semver(version))
		return hoy_field_invalid(at, err, "ociVersion", "\"%.40s\" is not a semantic version", version);
	if (strncmp(version, "1.", 2) != 0)
		return hoy_field_invalid(at, err, "ociVersion", "version %.40s is not supported (1.x is)", version);
	return 0;
}

/* --- config.json -------------------------------------------------------------------------------------------- */

/* The name of the container's own UTS namespace can be set, the host's can't. */
static int uts_name_check(const struct hoy_oci_spec *spec, const char *name, const char *member,
	const struct hoy_field_path *at, struct hoy_err *err)
{
	if (!name)
		return 0;
	if (strlen(name) > HOSTNAME_MAX)
		return hoy_field_invalid(at, err, member, "longer than %d bytes", HOSTNAME_MAX);
	if (!hoy_oci_spec_namespace(spec, HOY_OCI_NS_UTS))
		return hoy_field_invalid(at, err, member, "needs a namespace of type uts in linux.namespaces");
	return 0;
}

/* Mounts with "idmap" and no mapping of their own take that of the container. */
static int idmap_check(const struct hoy_oci_spec *spec, const struct hoy_field_path *at, struct hoy_err *err)
{
	if (hoy_oci_spec_namespace(spec, HOY_OCI_NS_USER))
		return 0;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct hoy_oci_mount *mount = &spec->mounts[i];
		const struct hoy_field_path mounts = { .parent = at, .name = "mounts" };
		const struct hoy_field_path here = { .parent = &mounts, .index = i };

		if (mount->n_uid_mappings || !mount->options)
			continue;
		if (hoy_strv_has(mount->options, "idmap") || hoy_strv_has(mount->options, "ridmap"))
			return hoy_field_invalid(
				&here, err, "options", "idmap needs uidMappings and gidMappings, or a user namespace");
	}
	return 0;
}

static int spec_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_spec *spec = object;
	int r = version_check(spec->oci_version, at, err);

	if (r >= 0 && !spec->root)
		r = hoy_field_invalid(at, err, "root", "missing");
	if (r >= 0)
		r = uts_name_check(spec, spec->hostname, "hostname", at, err);
	if (r >= 0)
		r = uts_name_check(spec, spec->domainname, "domainname", at, err);
	if (r >= 0)
		r = idmap_check(spec, at, err);
	if (r >= 0)
		r = hoy_oci_check_keys(at, err, "annotations", spec->annotations, spec->n_annotations);
	return r;
}

static const struct hoy_field spec_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_spec, "ociVersion", oci_version, REQUIRED),
	HOY_FIELD_OBJECT_PTR(
		struct hoy_oci_spec, "process", process, struct hoy_oci_process, &hoy_oci_process_object, 0),
	HOY_FIELD_OBJECT_PTR(struct hoy_oci_spec, "root", root, struct hoy_oci_root, &root_object, 0),
	HOY_FIELD_STRING(struct hoy_oci_spec, "hostname", hostname, OPTIONAL),
	HOY_FIELD_STRING(struct hoy_oci_spec, "domainname", domainname, OPTIONAL),
	HOY_FIELD_OBJECTS(struct hoy_oci_spec, "mounts", mounts, struct hoy_oci_mount, &hoy_oci_mount_object, 0),
	HOY_FIELD_OBJECT_PTR(struct hoy_oci_spec, "hooks", hooks, struct hoy_oci_hooks, &hoy_oci_hooks_object, 0),
	HOY_FIELD_KV(struct hoy_oci_spec, "annotations", annotations, 0),
	HOY_FIELD_OBJECT_PTR(struct hoy_oci_spec, "linux", linux_, struct hoy_oci_linux, &hoy_oci_linux_object, 0),
	HOY_FIELD_DROP("solaris"),
	HOY_FIELD_DROP("windows"),
	HOY_FIELD_DROP("vm"),
	HOY_FIELD_DROP("zos"),
	HOY_FIELD_DROP("freebsd"),
};
const struct hoy_object hoy_oci_spec_object = {
	.what = "config.json",
	.size = sizeof(struct hoy_oci_spec),
	.fields = spec_fields,
	.n_fields = ARRAY_LEN(spec_fields),
	.check = spec_check,
};

/* --- entry points ------------------------------------------------------------------------------------------- */

int hoy_oci_spec_parse(const char *text, size_t len, struct hoy_oci_spec **ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **unknown = NULL;
	const struct hoy_field_options options = { .unknown = &unknown };
	void *spec;
	int r = hoy_field_parse(&hoy_oci_spec_object, text, len, &options, &spec, err);

	if (r < 0)
		return r;
	*ret = spec;
	(*ret)->unknown_fields = TAKE_PTR(unknown);
	return 0;
}

int hoy_oci_spec_validate(const struct hoy_oci_spec *spec, struct hoy_err *err)
{
	return hoy_field_validate(&hoy_oci_spec_object, spec, err);
}

static const struct hoy_field mounts_fields[] = {
	HOY_FIELD_OBJECTS(
		struct hoy_oci_spec, "mounts", mounts, struct hoy_oci_mount, &hoy_oci_mount_object, HOY_FIELD_REQUIRED),
};
static const struct hoy_object mounts_object = HOY_OBJECT(struct hoy_oci_spec, mounts_fields, /* check= */ NULL);

int hoy_oci_spec_replace_mounts(struct hoy_oci_spec *spec, const char *text, size_t len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf wrapped = {};
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *parsed = NULL;
	struct hoy_oci_mount *mounts = spec->mounts;
	size_t n = spec->n_mounts, skip = 0;
	int r;

	while (skip < len && strchr(" \t\r\n", text[skip]))
		skip++;
	if (skip < len && text[skip] == '[') {
		(void) hoy_buf_adds(&wrapped, "{\"mounts\":");
		(void) hoy_buf_add(&wrapped, text, len);
		(void) hoy_buf_addc(&wrapped, '}');
		r = hoy_buf_check(&wrapped, "mounts", err);
		if (r < 0)
			return r;
		text = wrapped.data;
		len = wrapped.len;
	}
	r = hoy_field_parse(&mounts_object, text, len, NULL, (void **) &parsed, err);
	if (r < 0)
		return r;
	spec->mounts = parsed->mounts;
	spec->n_mounts = parsed->n_mounts;
	parsed->mounts = mounts;
	parsed->n_mounts = n;
	return hoy_oci_spec_validate(spec, err);
}

int hoy_oci_spec_print(const struct hoy_oci_spec *spec, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)
{
	return hoy_field_print(&hoy_oci_spec_object, spec, buf, indent, err);
}

void hoy_oci_spec_free(struct hoy_oci_spec *spec)
{
	if (!spec)
		return;
	hoy_strv_free(spec->unknown_fields);
	hoy_field_free(&hoy_oci_spec_object, spec);
}

const struct hoy_oci_namespace *hoy_oci_spec_namespace(const struct hoy_oci_spec *spec, enum hoy_oci_ns_type type)
{
	if (spec->linux_)
		for (size_t i = 0; i < spec->linux_->n_namespaces; i++)
			if (spec->linux_->namespaces[i].type == type)
				return &spec->linux_->namespaces[i];
	return NULL;
}

const char *hoy_oci_spec_annotation(const struct hoy_oci_spec *spec, const char *key)
{
	return hoy_oci_kv_get(spec->annotations, spec->n_annotations, key);
}
