/* config.json: the linux object with all parts that have no file of their own. Its checks are in linux_check.c. */
#include <string.h>

#include "libocispec/runtime_internal.h"

/* --- namespaces ----------------------------------------------------------------------------------------------- */

static const char *const ns_names[] = {
	[HOY_OCI_NS_PID] = "pid",
	[HOY_OCI_NS_NETWORK] = "network",
	[HOY_OCI_NS_MOUNT] = "mount",
	[HOY_OCI_NS_IPC] = "ipc",
	[HOY_OCI_NS_UTS] = "uts",
	[HOY_OCI_NS_USER] = "user",
	[HOY_OCI_NS_CGROUP] = "cgroup",
	[HOY_OCI_NS_TIME] = "time",
};
static const struct hoy_enum ns_types = HOY_ENUM(ns_names);

const char *hoy_oci_ns_type_to_string(enum hoy_oci_ns_type type)
{
	return hoy_enum_to_string(&ns_types, type);
}

static int namespace_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	return hoy_oci_check_absolute(at, err, "path", ((const struct hoy_oci_namespace *) object)->path);
}

static const struct hoy_field namespace_fields[] = {
	HOY_FIELD_ENUM(struct hoy_oci_namespace, "type", type, &ns_types, REQUIRED),
	HOY_FIELD_STRING(struct hoy_oci_namespace, "path", path, OPTIONAL),
};
static const struct hoy_object namespace_object = HOY_OBJECT(
	struct hoy_oci_namespace, namespace_fields, namespace_check);

/* --- devices -------------------------------------------------------------------------------------------------- */

static int device_number_check(
	const int64_t *number, const char *member, const struct hoy_field_path *at, struct hoy_err *err)
{
	if (!number)
		return hoy_field_invalid(at, err, member, "missing");
	if (*number < 0)
		return hoy_field_invalid(at, err, member, "negative");
	return 0;
}

static int device_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_device *device = object;
	int r;

	if (strlen(device->type) != 1 || !strchr("cbup", device->type[0]))
		return hoy_field_invalid(at, err, "type", "unknown value \"%.100s\" (b, c, u or p)", device->type);
	r = hoy_oci_check_absolute(at, err, "path", device->path);
	if (r < 0 || device->type[0] == 'p')
		return r;
	r = device_number_check(device->major, "major", at, err);
	return r < 0 ? r : device_number_check(device->minor, "minor", at, err);
}

#define DEVICE struct hoy_oci_device
static const struct hoy_field device_fields[] = {
	HOY_FIELD_STRING(DEVICE, "path", path, REQUIRED),
	HOY_FIELD_STRING(DEVICE, "type", type, REQUIRED),
	HOY_FIELD_I64_PTR(DEVICE, "major", major, 0),
	HOY_FIELD_I64_PTR(DEVICE, "minor", minor, 0),
	HOY_FIELD_U32_PTR(DEVICE, "fileMode", file_mode, 0),
	HOY_FIELD_U32_PTR(DEVICE, "uid", uid, 0),
	HOY_FIELD_U32_PTR(DEVICE, "gid", gid, 0),
};
static const struct hoy_object device_object = HOY_OBJECT(DEVICE, device_fields, device_check);

static const struct hoy_field net_device_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_net_device, "name", name, OPTIONAL),
};
/* A kernel interface name, or a template with one "%d". */
static bool is_interface_name(const char *name)
{
	const char *percent = strchr(name, '%');
	size_t len = strlen(name);

	if (!len || len > 15 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	if (percent && (percent[1] != 'd' || strchr(percent + 1, '%')))
		return false;
	return strcspn(name, "/: \t\n\v\f\r") == len;
}

static int net_device_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_net_device *device = object;

	if (!is_interface_name(device->host_name) || strchr(device->host_name, '%'))
		return hoy_field_invalid(at, err, /* member= */ NULL, "not the name of a network interface");
	if (device->name && !is_interface_name(device->name))
		return hoy_field_invalid(
			at, err, "name", "\"%.40s\" is not the name of a network interface", device->name);
	return 0;
}

static const struct hoy_object net_device_object = HOY_OBJECT(
	struct hoy_oci_net_device, net_device_fields, net_device_check);

/* --- time offsets, rdt, memory policy, personality --------------------------------------------------------------- */

static int time_offset_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	if (((const struct hoy_oci_time_offset *) object)->nanosecs >= 1000000000)
		return hoy_field_invalid(at, err, "nanosecs", "above 999999999");
	return 0;
}

static const struct hoy_field time_offset_fields[] = {
	HOY_FIELD_I64(struct hoy_oci_time_offset, "secs", secs, 0),
	HOY_FIELD_U32(struct hoy_oci_time_offset, "nanosecs", nanosecs, 0),
};
static const struct hoy_object time_offset_object = HOY_OBJECT(
	struct hoy_oci_time_offset, time_offset_fields, time_offset_check);

#define OFFSETS struct hoy_oci_time_offsets
static const struct hoy_field time_offsets_fields[] = {
	HOY_FIELD_OBJECT_PTR(OFFSETS, "monotonic", monotonic, struct hoy_oci_time_offset, &time_offset_object, 0),
	HOY_FIELD_OBJECT_PTR(OFFSETS, "boottime", boottime, struct hoy_oci_time_offset, &time_offset_object, 0),
};
static const struct hoy_object time_offsets_object = HOY_OBJECT(OFFSETS, time_offsets_fields, NULL);

static const char *const propagation_names[] = {
	[HOY_OCI_PROPAGATION_PRIVATE] = "private",
	[HOY_OCI_PROPAGATION_SHARED] = "shared",
	[HOY_OCI_PROPAGATION_SLAVE] = "slave",
	[HOY_OCI_PROPAGATION_UNBINDABLE] = "unbindable",
	[HOY_OCI_PROPAGATION_RPRIVATE] = "rprivate",
	[HOY_OCI_PROPAGATION_RSHARED] = "rshared",
	[HOY_OCI_PROPAGATION_RSLAVE] = "rslave",
	[HOY_OCI_PROPAGATION_RUNBINDABLE] = "runbindable",
};
static const struct hoy_enum propagations = HOY_ENUM(propagation_names);

static int intel_rdt_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_intel_rdt *rdt = object;

	/* closID names a directory below resctrl; "/" alone is resctrl itself. */
	if (rdt->clos_id && strcmp(rdt->clos_id, "/") != 0 &&
		(strchr(rdt->clos_id, '/') || rdt->clos_id[0] == '.' || strchr(rdt->clos_id, '\n')))
		return hoy_field_invalid(at, err, "closID", "\"%.100s\" is not a name", rdt->clos_id);
	if (rdt->l3_cache_schema && strchr(rdt->l3_cache_schema, '\n'))
		return hoy_field_invalid(at, err, "l3CacheSchema", "holds a newline");
	if (rdt->mem_bw_schema && (strncmp(rdt->mem_bw_schema, "MB:", 3) != 0 || strchr(rdt->mem_bw_schema, '\n')))
		return hoy_field_invalid(at, err, "memBwSchema", "must be one line that starts with \"MB:\"");
	for (size_t i = 0; rdt->schemata && rdt->schemata[i]; i++)
		if (strchr(rdt->schemata[i], '\n'))
			return hoy_field_invalid(at, err, "schemata", "holds a newline");
	return 0;
}

#define RDT struct hoy_oci_intel_rdt
static const struct hoy_field intel_rdt_fields[] = {
	HOY_FIELD_STRING(RDT, "closID", clos_id, OPTIONAL),
	HOY_FIELD_STRV(RDT, "schemata", schemata, 0),
	HOY_FIELD_STRING(RDT, "l3CacheSchema", l3_cache_schema, OPTIONAL),
	HOY_FIELD_STRING(RDT, "memBwSchema", mem_bw_schema, OPTIONAL),
	HOY_FIELD_BOOL(RDT, "enableMonitoring", enable_monitoring, 0),
};
static const struct hoy_object intel_rdt_object = HOY_OBJECT(RDT, intel_rdt_fields, intel_rdt_check);

static const char *const mpol_mode_names[] = {
	[HOY_OCI_MPOL_DEFAULT] = "MPOL_DEFAULT",
	[HOY_OCI_MPOL_BIND] = "MPOL_BIND",
	[HOY_OCI_MPOL_INTERLEAVE] = "MPOL_INTERLEAVE",
	[HOY_OCI_MPOL_WEIGHTED_INTERLEAVE] = "MPOL_WEIGHTED_INTERLEAVE",
	[HOY_OCI_MPOL_PREFERRED] = "MPOL_PREFERRED",
	[HOY_OCI_MPOL_PREFERRED_MANY] = "MPOL_PREFERRED_MANY",
	[HOY_OCI_MPOL_LOCAL] = "MPOL_LOCAL",
};
static const struct hoy_enum mpol_modes = HOY_ENUM(mpol_mode_names);

static const char *const mpol_flag_names[] = {
	[HOY_OCI_MPOL_F_NUMA_BALANCING] = "MPOL_F_NUMA_BALANCING",
	[HOY_OCI_MPOL_F_RELATIVE_NODES] = "MPOL_F_RELATIVE_NODES",
	[HOY_OCI_MPOL_F_STATIC_NODES] = "MPOL_F_STATIC_NODES",
};
static const struct hoy_enum mpol_flags = HOY_ENUM(mpol_flag_names);

/* set_mempolicy(2) says which modes want nodes; MPOL_PREFERRED takes either. */
static int memory_policy_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_memory_policy *policy = object;
	bool without = policy->mode == HOY_OCI_MPOL_DEFAULT || policy->mode == HOY_OCI_MPOL_LOCAL;

	if (without && policy->nodes)
		return hoy_field_invalid(
			at, err, "nodes", "%s takes no nodes", hoy_enum_to_string(&mpol_modes, policy->mode));
	if (!without && !policy->nodes && policy->mode != HOY_OCI_MPOL_PREFERRED)
		return hoy_field_invalid(
			at, err, "nodes", "%s needs nodes", hoy_enum_to_string(&mpol_modes, policy->mode));
	return hoy_oci_check_list(at, err, "nodes", policy->nodes);
}

#define POLICY struct hoy_oci_memory_policy
static const struct hoy_field memory_policy_fields[] = {
	HOY_FIELD_ENUM(POLICY, "mode", mode, &mpol_modes, REQUIRED),
	HOY_FIELD_STRING(POLICY, "nodes", nodes, OPTIONAL),
	HOY_FIELD_ENUMS(POLICY, "flags", flags, &mpol_flags, 0),
};
static const struct hoy_object memory_policy_object = HOY_OBJECT(POLICY, memory_policy_fields, memory_policy_check);

static const char *const domain_names[] = {
	[HOY_OCI_PER_LINUX] = "LINUX",
	[HOY_OCI_PER_LINUX32] = "LINUX32",
};
static const struct hoy_enum domains = HOY_ENUM(domain_names);

static int personality_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_personality *personality = object;

	if (personality->flags && personality->flags[0])
		return hoy_field_invalid(at, err, "flags", "unknown value \"%.100s\"", personality->flags[0]);
	return 0;
}

#define PERSONALITY struct hoy_oci_personality
static const struct hoy_field personality_fields[] = {
	HOY_FIELD_ENUM(PERSONALITY, "domain", domain, &domains, REQUIRED),
	HOY_FIELD_STRV(PERSONALITY, "flags", flags, 0),
};
static const struct hoy_object personality_object = HOY_OBJECT(PERSONALITY, personality_fields, personality_check);

/* --- linux ------------------------------------------------------------------------------------------------------ */

#define LINUX struct hoy_oci_linux
#define MAPPING struct hoy_oci_id_mapping
static const struct hoy_field linux_fields[] = {
	HOY_FIELD_OBJECTS(LINUX, "uidMappings", uid_mappings, MAPPING, &hoy_oci_id_mapping_object, 0),
	HOY_FIELD_OBJECTS(LINUX, "gidMappings", gid_mappings, MAPPING, &hoy_oci_id_mapping_object, 0),
	HOY_FIELD_KV(LINUX, "sysctl", sysctl, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "resources", resources, struct hoy_oci_resources, &hoy_oci_resources_object, 0),
	HOY_FIELD_STRING(LINUX, "cgroupsPath", cgroups_path, OPTIONAL),
	HOY_FIELD_OBJECTS(LINUX, "namespaces", namespaces, struct hoy_oci_namespace, &namespace_object, 0),
	HOY_FIELD_OBJECTS(LINUX, "devices", devices, DEVICE, &device_object, 0),
	HOY_FIELD_OBJECT_MAP(LINUX, "netDevices", net_devices, struct hoy_oci_net_device, &net_device_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "seccomp", seccomp, struct hoy_oci_seccomp, &hoy_oci_seccomp_object, 0),
	HOY_FIELD_ENUM(LINUX, "rootfsPropagation", rootfs_propagation, &propagations, 0),
	HOY_FIELD_STRV(LINUX, "maskedPaths", masked_paths, 0),
	HOY_FIELD_STRV(LINUX, "readonlyPaths", readonly_paths, 0),
	HOY_FIELD_STRING(LINUX, "mountLabel", mount_label, OPTIONAL),
	HOY_FIELD_OBJECT_PTR(LINUX, "intelRdt", intel_rdt, RDT, &intel_rdt_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "memoryPolicy", memory_policy, POLICY, &memory_policy_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "personality", personality, PERSONALITY, &personality_object, 0),
	HOY_FIELD_OBJECT_PTR(LINUX, "timeOffsets", time_offsets, OFFSETS, &time_offsets_object, 0),
};
const struct hoy_object hoy_oci_linux_object = HOY_OBJECT(LINUX, linux_fields, hoy_oci_linux_check);
