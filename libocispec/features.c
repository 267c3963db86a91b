/* The features document. */
#include "libocispec/runtime_internal.h"

static const struct hoy_field enabled_fields[] = {
	HOY_FIELD_BOOL_PTR(struct hoy_oci_features_enabled, "enabled", enabled, 0),
};
static const struct hoy_object enabled_object = HOY_OBJECT(struct hoy_oci_features_enabled, enabled_fields, NULL);

#define CGROUP struct hoy_oci_features_cgroup
static const struct hoy_field cgroup_fields[] = {
	HOY_FIELD_BOOL_PTR(CGROUP, "v1", v1, 0),
	HOY_FIELD_BOOL_PTR(CGROUP, "v2", v2, 0),
	HOY_FIELD_BOOL_PTR(CGROUP, "systemd", systemd, 0),
	HOY_FIELD_BOOL_PTR(CGROUP, "systemdUser", systemd_user, 0),
	HOY_FIELD_BOOL_PTR(CGROUP, "rdma", rdma, 0),
};
static const struct hoy_object cgroup_object = HOY_OBJECT(CGROUP, cgroup_fields, NULL);

#define SECCOMP struct hoy_oci_features_seccomp
static const struct hoy_field seccomp_fields[] = {
	HOY_FIELD_BOOL_PTR(SECCOMP, "enabled", enabled, 0),
	HOY_FIELD_STRV(SECCOMP, "actions", actions, 0),
	HOY_FIELD_STRV(SECCOMP, "operators", operators, 0),
	HOY_FIELD_STRV(SECCOMP, "archs", archs, 0),
	HOY_FIELD_STRV(SECCOMP, "knownFlags", known_flags, 0),
	HOY_FIELD_STRV(SECCOMP, "supportedFlags", supported_flags, 0),
};
static const struct hoy_object seccomp_object = HOY_OBJECT(SECCOMP, seccomp_fields, NULL);

#define MEMORY_POLICY struct hoy_oci_features_memory_policy
static const struct hoy_field memory_policy_fields[] = {
	HOY_FIELD_STRV(MEMORY_POLICY, "modes", modes, 0),
	HOY_FIELD_STRV(MEMORY_POLICY, "flags", flags, 0),
};
static const struct hoy_object memory_policy_object = HOY_OBJECT(MEMORY_POLICY, memory_policy_fields, NULL);

#define RDT struct hoy_oci_features_intel_rdt
static const struct hoy_field intel_rdt_fields[] = {
	HOY_FIELD_BOOL_PTR(RDT, "enabled", enabled, 0),
	HOY_FIELD_BOOL_PTR(RDT, "schemata", schemata, 0),
	HOY_FIELD_BOOL_PTR(RDT, "monitoring", monitoring, 0),
};
static const struct hoy_object intel_rdt_object = HOY_OBJECT(RDT, intel_rdt_fields, NULL);

#define ENABLED struct hoy_oci_features_enabled
#define EXTENSIONS struct hoy_oci_features_mount_extensions
static const struct hoy_field mount_extensions_fields[] = {
	HOY_FIELD_OBJECT_PTR(EXTENSIONS, "idmap", idmap, ENABLED, &enabled_object, 0),
};
static const struct hoy_object mount_extensions_object = HOY_OBJECT(EXTENSIONS, mount_extensions_fields, NULL);

#define LINUX struct hoy_oci_features_linux
static const struct hoy_field linux_fields[] = {
	HOY_FIELD_STRV(LINUX, "namespaces", namespaces, 0),
	HOY_FIELD_STRV(LINUX, "capabilities", capabilities, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "cgroup", cgroup, CGROUP, &cgroup_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "seccomp", seccomp, SECCOMP, &seccomp_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "apparmor", apparmor, ENABLED, &enabled_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "selinux", selinux, ENABLED, &enabled_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "memoryPolicy", memory_policy, MEMORY_POLICY, &memory_policy_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "intelRdt", intel_rdt, RDT, &intel_rdt_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "mountExtensions", mount_extensions, EXTENSIONS, &mount_extensions_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "netDevices", net_devices, ENABLED, &enabled_object, 0),
};
static const struct hoy_object linux_object = HOY_OBJECT(LINUX, linux_fields, NULL);

#define FEATURES struct hoy_oci_features
static const struct hoy_field features_fields[] = {
	HOY_FIELD_STRING(FEATURES, "ociVersionMin", oci_version_min, REQUIRED),
	HOY_FIELD_STRING(FEATURES, "ociVersionMax", oci_version_max, REQUIRED),
	HOY_FIELD_STRV(FEATURES, "hooks", hooks, 0),
	HOY_FIELD_STRV(FEATURES, "mountOptions", mount_options, 0),
	HOY_FIELD_OBJECT_PTR(FEATURES, "linux", linux_, LINUX, &linux_object, 0),
	HOY_FIELD_KV(FEATURES, "annotations", annotations, 0),
	HOY_FIELD_STRV(FEATURES, "potentiallyUnsafeConfigAnnotations", potentially_unsafe_config_annotations, 0),
};
const struct hoy_object hoy_oci_features_object = {
	.what = "features",
	.size = sizeof(FEATURES),
	.fields = features_fields,
	.n_fields = ARRAY_LEN(features_fields),
};

int hoy_oci_features_parse(const char *text, size_t len, struct hoy_oci_features **ret, struct hoy_err *err)
{
	void *features;
	int r = hoy_field_parse(&hoy_oci_features_object, text, len, NULL, &features, err);

	if (r >= 0)
		*ret = features;
	return r;
}

int hoy_oci_features_print(
	const struct hoy_oci_features *features, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)
{
	return hoy_field_print(&hoy_oci_features_object, features, buf, indent, err);
}

void hoy_oci_features_free(struct hoy_oci_features *features)
{
	hoy_field_free(&hoy_oci_features_object, features);
}
