/* config.json: linux.resources. */
#include <string.h>

#include "libocispec/runtime_internal.h"

/* --- devices ------------------------------------------------------------------------------------------------- */

static int device_rule_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_device_rule *rule = object;

	if (rule->type && (strlen(rule->type) != 1 || !strchr("abc", rule->type[0])))
		return hoy_field_invalid(at, err, "type", "unknown value \"%.100s\" (a, b or c)", rule->type);
	if (rule->major && *rule->major < -1)
		return hoy_field_invalid(at, err, "major", "negative");
	if (rule->minor && *rule->minor < -1)
		return hoy_field_invalid(at, err, "minor", "negative");
	/* "a" is what a type may be; written as an access it adds nothing, as with runc. */
	if (rule->access && strspn(rule->access, "rwma") != strlen(rule->access))
		return hoy_field_invalid(at, err, "access", "\"%.100s\" has more than r, w and m", rule->access);
	return 0;
}

#define RULE struct hoy_oci_device_rule
static const struct hoy_field device_rule_fields[] = {
	HOY_FIELD_BOOL(RULE, "allow", allow, REQUIRED),
	HOY_FIELD_STRING(RULE, "type", type, OPTIONAL),
	HOY_FIELD_I64_PTR(RULE, "major", major, 0),
	HOY_FIELD_I64_PTR(RULE, "minor", minor, 0),
	HOY_FIELD_STRING(RULE, "access", access, OPTIONAL),
};
static const struct hoy_object device_rule_object = HOY_OBJECT(RULE, device_rule_fields, device_rule_check);

/* --- memory, cpu, pids ---------------------------------------------------------------------------------------- */

static int memory_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_memory *memory = object;

	if (memory->swappiness && *memory->swappiness > 100)
		return hoy_field_invalid(at, err, "swappiness", "above 100");
	if (memory->limit && memory->swap && *memory->limit > 0 && *memory->swap > 0 && *memory->swap < *memory->limit)
		return hoy_field_invalid(at, err, "swap", "below limit (it is the limit of memory and swap together)");
	return 0;
}

#define MEMORY struct hoy_oci_memory
static const struct hoy_field memory_fields[] = {
	HOY_FIELD_I64_PTR(MEMORY, "limit", limit, 0),
	HOY_FIELD_I64_PTR(MEMORY, "reservation", reservation, 0),
	HOY_FIELD_I64_PTR(MEMORY, "swap", swap, 0),
	HOY_FIELD_I64_PTR(MEMORY, "kernel", kernel, 0),
	HOY_FIELD_I64_PTR(MEMORY, "kernelTCP", kernel_tcp, 0),
	HOY_FIELD_U64_PTR(MEMORY, "swappiness", swappiness, 0),
	HOY_FIELD_BOOL_PTR(MEMORY, "disableOOMKiller", disable_oom_killer, 0),
	HOY_FIELD_BOOL_PTR(MEMORY, "useHierarchy", use_hierarchy, 0),
	HOY_FIELD_BOOL_PTR(MEMORY, "checkBeforeUpdate", check_before_update, 0),
};
static const struct hoy_object memory_object = HOY_OBJECT(MEMORY, memory_fields, memory_check);

static int cpu_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_cpu *cpu = object;
	int r;

	if (cpu->burst && cpu->quota && *cpu->quota > 0 && *cpu->burst > (uint64_t) *cpu->quota)
		return hoy_field_invalid(at, err, "burst", "above quota");
	if (cpu->idle && *cpu->idle != 0 && *cpu->idle != 1)
		return hoy_field_invalid(at, err, "idle", "must be 0 or 1");
	r = hoy_oci_check_list(at, err, "cpus", cpu->cpus);
	return r < 0 ? r : hoy_oci_check_list(at, err, "mems", cpu->mems);
}

#define CPU struct hoy_oci_cpu
static const struct hoy_field cpu_fields[] = {
	HOY_FIELD_U64_PTR(CPU, "shares", shares, 0),
	HOY_FIELD_I64_PTR(CPU, "quota", quota, 0),
	HOY_FIELD_U64_PTR(CPU, "burst", burst, 0),
	HOY_FIELD_U64_PTR(CPU, "period", period, 0),
	HOY_FIELD_I64_PTR(CPU, "realtimeRuntime", realtime_runtime, 0),
	HOY_FIELD_U64_PTR(CPU, "realtimePeriod", realtime_period, 0),
	HOY_FIELD_STRING(CPU, "cpus", cpus, OPTIONAL),
	HOY_FIELD_STRING(CPU, "mems", mems, OPTIONAL),
	HOY_FIELD_I64_PTR(CPU, "idle", idle, 0),
};
static const struct hoy_object cpu_object = HOY_OBJECT(CPU, cpu_fields, cpu_check);

static const struct hoy_field pids_fields[] = {
	HOY_FIELD_I64(struct hoy_oci_pids, "limit", limit, REQUIRED),
};
static const struct hoy_object pids_object = HOY_OBJECT(struct hoy_oci_pids, pids_fields, NULL);

/* --- block devices -------------------------------------------------------------------------------------------- */

static int weight_device_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_weight_device *device = object;

	if (!device->weight && !device->leaf_weight)
		return hoy_field_invalid(at, err, /* member= */ NULL, "needs weight or leafWeight");
	return 0;
}

#define WEIGHT struct hoy_oci_weight_device
static const struct hoy_field weight_device_fields[] = {
	HOY_FIELD_I64(WEIGHT, "major", major, REQUIRED),
	HOY_FIELD_I64(WEIGHT, "minor", minor, REQUIRED),
	HOY_FIELD_U16_PTR(WEIGHT, "weight", weight, 0),
	HOY_FIELD_U16_PTR(WEIGHT, "leafWeight", leaf_weight, 0),
};
static const struct hoy_object weight_device_object = HOY_OBJECT(WEIGHT, weight_device_fields, weight_device_check);

#define THROTTLE struct hoy_oci_throttle_device
static const struct hoy_field throttle_device_fields[] = {
	HOY_FIELD_I64(THROTTLE, "major", major, REQUIRED),
	HOY_FIELD_I64(THROTTLE, "minor", minor, REQUIRED),
	HOY_FIELD_U64(THROTTLE, "rate", rate, REQUIRED),
};
static const struct hoy_object throttle_device_object = HOY_OBJECT(THROTTLE, throttle_device_fields, NULL);

#define BLOCK_IO struct hoy_oci_block_io
static const struct hoy_field block_io_fields[] = {
	HOY_FIELD_U16_PTR(BLOCK_IO, "weight", weight, 0),
	HOY_FIELD_U16_PTR(BLOCK_IO, "leafWeight", leaf_weight, 0),
	HOY_FIELD_OBJECTS(BLOCK_IO, "weightDevice", weight_device, WEIGHT, &weight_device_object, 0),
	HOY_FIELD_OBJECTS(
		BLOCK_IO, "throttleReadBpsDevice", throttle_read_bps_device, THROTTLE, &throttle_device_object, 0),
	HOY_FIELD_OBJECTS(
		BLOCK_IO, "throttleWriteBpsDevice", throttle_write_bps_device, THROTTLE, &throttle_device_object, 0),
	HOY_FIELD_OBJECTS(
		BLOCK_IO, "throttleReadIOPSDevice", throttle_read_iops_device, THROTTLE, &throttle_device_object, 0),
	HOY_FIELD_OBJECTS(
		BLOCK_IO, "throttleWriteIOPSDevice", throttle_write_iops_device, THROTTLE, &throttle_device_object, 0),
};
static const struct hoy_object block_io_object = HOY_OBJECT(BLOCK_IO, block_io_fields, NULL);

/* --- huge pages, network, rdma --------------------------------------------------------------------------------- */

/* A number without leading zero, then KB, MB or GB: the name of the kernel's file. */
static int hugepage_limit_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const char *size = ((const struct hoy_oci_hugepage_limit *) object)->page_size;
	size_t digits = strspn(size, "0123456789");

	if (!digits || size[0] == '0' || !size[digits] || !strchr("KMG", size[digits]) ||
		strcmp(size + digits + 1, "B") != 0)
		return hoy_field_invalid(at, err, "pageSize", "\"%.40s\" is not a size such as \"2MB\"", size);
	return 0;
}

#define HUGEPAGE struct hoy_oci_hugepage_limit
static const struct hoy_field hugepage_limit_fields[] = {
	HOY_FIELD_STRING(HUGEPAGE, "pageSize", page_size, REQUIRED),
	HOY_FIELD_U64(HUGEPAGE, "limit", limit, REQUIRED),
};
static const struct hoy_object hugepage_limit_object = HOY_OBJECT(
	HUGEPAGE, hugepage_limit_fields, hugepage_limit_check);

#define PRIORITY struct hoy_oci_interface_priority
static const struct hoy_field priority_fields[] = {
	HOY_FIELD_STRING(PRIORITY, "name", name, REQUIRED),
	HOY_FIELD_U32(PRIORITY, "priority", priority, REQUIRED),
};
static const struct hoy_object priority_object = HOY_OBJECT(PRIORITY, priority_fields, NULL);

static const struct hoy_field network_fields[] = {
	HOY_FIELD_U32_PTR(struct hoy_oci_network, "classID", class_id, 0),
	HOY_FIELD_OBJECTS(struct hoy_oci_network, "priorities", priorities, PRIORITY, &priority_object, 0),
};
static const struct hoy_object network_object = HOY_OBJECT(struct hoy_oci_network, network_fields, NULL);

static int rdma_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_rdma *rdma = object;

	if (!rdma->hca_handles && !rdma->hca_objects)
		return hoy_field_invalid(at, err, /* member= */ NULL, "needs hcaHandles or hcaObjects");
	return 0;
}

static const struct hoy_field rdma_fields[] = {
	HOY_FIELD_U32_PTR(struct hoy_oci_rdma, "hcaHandles", hca_handles, 0),
	HOY_FIELD_U32_PTR(struct hoy_oci_rdma, "hcaObjects", hca_objects, 0),
};
static const struct hoy_object rdma_object = HOY_OBJECT(struct hoy_oci_rdma, rdma_fields, rdma_check);

/* --- resources ------------------------------------------------------------------------------------------------- */

/* Keys of `unified` become file names in the container's cgroup. */
static int resources_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_resources *resources = object;

	for (size_t i = 0; i < resources->n_unified; i++) {
		const char *key = resources->unified[i].key;

		if (!*key || strchr(key, '/') || key[0] == '.')
			return hoy_field_invalid(
				at, err, "unified", "\"%.100s\" is not the name of a cgroup file", key);
	}
	return 0;
}

#define RESOURCES struct hoy_oci_resources
static const struct hoy_field resources_fields[] = {
	HOY_FIELD_OBJECTS(RESOURCES, "devices", devices, RULE, &device_rule_object, 0),
	HOY_FIELD_OBJECT_PTR(RESOURCES, "memory", memory, MEMORY, &memory_object, 0),
	HOY_FIELD_OBJECT_PTR(RESOURCES, "cpu", cpu, CPU, &cpu_object, 0),
	HOY_FIELD_OBJECT_PTR(RESOURCES, "pids", pids, struct hoy_oci_pids, &pids_object, 0),
	HOY_FIELD_OBJECT_PTR(RESOURCES, "blockIO", block_io, BLOCK_IO, &block_io_object, 0),
	HOY_FIELD_OBJECTS(RESOURCES, "hugepageLimits", hugepage_limits, HUGEPAGE, &hugepage_limit_object, 0),
	HOY_FIELD_OBJECT_PTR(RESOURCES, "network", network, struct hoy_oci_network, &network_object, 0),
	HOY_FIELD_OBJECT_MAP(RESOURCES, "rdma", rdma, struct hoy_oci_rdma, &rdma_object, 0),
	HOY_FIELD_KV(RESOURCES, "unified", unified, 0),
};
const struct hoy_object hoy_oci_resources_object = {
	.what = "resources",
	.size = sizeof(RESOURCES),
	.fields = resources_fields,
	.n_fields = ARRAY_LEN(resources_fields),
	.check = resources_check,
};

int hoy_oci_resources_parse(const char *text, size_t len, struct hoy_oci_resources **ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_resources_free) struct hoy_oci_resources *resources = NULL;
	int r = hoy_field_parse(&hoy_oci_resources_object, text, len, NULL, (void **) &resources, err);

	if (r >= 0)
		r = hoy_field_validate(&hoy_oci_resources_object, resources, err);
	if (r >= 0)
		*ret = TAKE_PTR(resources);
	return r;
}

int hoy_oci_resources_print(
	const struct hoy_oci_resources *resources, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)
{
	return hoy_field_print(&hoy_oci_resources_object, resources, buf, indent, err);
}

void hoy_oci_resources_free(struct hoy_oci_resources *resources)
{
	hoy_field_free(&hoy_oci_resources_object, resources);
}
