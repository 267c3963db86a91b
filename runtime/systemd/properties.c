/* From a container's slice, limits and annotations to the properties of its unit. Talks to nobody. */
#include "runtime/systemd/properties.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/apply/cgroup.h"

#define UNLIMITED UINT64_MAX
#define USEC_PER_SEC ((uint64_t) 1000000)
#define DEFAULT_PERIOD ((uint64_t) 100000)
#define CPU_LIST_MAX 8192

struct maker {
	const struct hoy_unit_request *request;
	struct hoy_unit_properties props;
	struct hoy_err *err;
};

/* --- the list ---------------------------------------------------------------------------------------------------- */

static void property_done(struct hoy_unit_property *p)
{
	free(p->name);
	hoy_strv_free(p->values);
}

void hoy_unit_properties_done(struct hoy_unit_properties *props)
{
	for (size_t i = 0; i < props->n; i++)
		property_done(&props->list[i]);
	free(props->list);
	*props = (struct hoy_unit_properties){};
}

int hoy_unit_properties_add(struct hoy_unit_properties *props, const char *name, const char *signature,
	char *const *values, struct hoy_err *err)
{
	struct hoy_unit_property p = { .name = strdup(name), .values = hoy_strv_copy(values) }, *list;

	(void) snprintf(p.signature, sizeof p.signature, "%s", signature);
	for (size_t i = 0; p.name && p.values && i < props->n; i++)
		if (strcmp(props->list[i].name, name) == 0) {
			property_done(&props->list[i]);
			props->list[i] = p;
			return 0;
		}
	list = reallocarray(props->list, props->n + 1, sizeof *list);
	if (list)
		props->list = list;
	if (!p.name || !p.values || !list) {
		property_done(&p);
		return hoy_err_oom(err);
	}
	list[props->n++] = p;
	return 0;
}

int hoy_unit_properties_print(const struct hoy_unit_properties *props, struct hoy_buf *buf, struct hoy_err *err)
{
	for (size_t i = 0; i < props->n; i++) {
		const struct hoy_unit_property *p = &props->list[i];

		(void) hoy_buf_addf(buf, "%s %s", p->name, p->signature);
		for (char **v = p->values; *v; v++)
			(void) hoy_buf_addf(buf, " %s", *v);
		(void) hoy_buf_addc(buf, '\n');
	}
	return hoy_buf_check(buf, "properties", err);
}

static int add_text(struct maker *m, const char *name, const char *signature, const char *value)
{
	return hoy_unit_properties_add(&m->props, name, signature, (char *const[]){ (char *) value, NULL }, m->err);
}

static int add_number(struct maker *m, const char *name, uint64_t value)
{
	char text[24];

	(void) snprintf(text, sizeof text, "%" PRIu64, value);
	return add_text(m, name, "t", text);
}

/* -1 (and what else is negative) is no limit; 0 is "not given" in the OCI resources. */
static int add_limit(struct maker *m, const char *name, const int64_t *value)
{
	return value && *value ? add_number(m, name, *value < 0 ? UNLIMITED : (uint64_t) *value) : 0;
}

/* --- cpu --------------------------------------------------------------------------------------------------------- */

/* What cpu.max says now, for an update that gives half of it: "QUOTA PERIOD", QUOTA may be "max". */
static void read_cpu_max(const char *cgroup, int64_t *quota, uint64_t *period)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = cgroup ? hoy_path_join(cgroup, "cpu.max") : NULL;
	char word[24] = "";

	if (!path || hoy_file_read(AT_FDCWD, path, &text, NULL) < 0 || !text.data)
		return;
	if (sscanf(text.data, "%23s %" SCNu64, word, period) == 2 && hoy_str_to_i64(word, quota) < 0)
		*quota = -1;
}

/* systemd keeps whole percents: a quota is rounded up to one, and the file gets the exact value behind its back. */
static int add_cpu_max(struct maker *m, int64_t quota, uint64_t period)
{
	uint64_t per_sec = UNLIMITED;
	int r;

	if (quota > 0 && period > 0) {
		per_sec = (uint64_t) quota * USEC_PER_SEC / period;
		per_sec = (per_sec + 9999) / 10000 * 10000;
	}
	r = add_number(m, "CPUQuotaPerSecUSec", per_sec);
	return r < 0 ? r : add_number(m, "CPUQuotaPeriodUSec", period);
}

static int add_quota(struct maker *m, const struct hoy_oci_cpu *cpu)
{
	uint64_t period = DEFAULT_PERIOD;
	int64_t quota = -1;

	if ((!cpu->quota || !*cpu->quota) && (!cpu->period || !*cpu->period))
		return 0;
	read_cpu_max(m->request->cgroup, &quota, &period);
	if (cpu->quota && *cpu->quota)
		quota = *cpu->quota;
	if (cpu->period && *cpu->period)
		period = *cpu->period;
	return add_cpu_max(m, quota, period);
}

/* "0-3,7" as a bit mask: bytes, the lowest numbers first. */
static int add_cpu_list(struct maker *m, const char *name, const char *list)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(list ? list : "", ','), **bytes = calloc(1, sizeof *bytes);
	unsigned char mask[CPU_LIST_MAX / 8] = {};
	unsigned int used = 0;

	if (!list || !list[0])
		return 0;
	if (!parts || !bytes)
		return hoy_err_oom(m->err);
	for (char **p = parts; *p; p++) {
		unsigned int from, to;
		char *dash = strchr(*p, '-');

		if (dash)
			*dash = '\0';
		if (hoy_str_to_uint(*p, &from) < 0 || hoy_str_to_uint(dash ? dash + 1 : *p, &to) < 0 || from > to ||
			to >= CPU_LIST_MAX)
			return hoy_err_invalid(m->err, "'%s' is not a list of CPUs or nodes", list);
		for (unsigned int i = from; i <= to; i++)
			mask[i / 8] |= (unsigned char) (1 << i % 8);
		used = MAX(used, to / 8 + 1);
	}
	for (unsigned int i = 0; i < used; i++)
		if (hoy_strv_addf(&bytes, "%u", mask[i]) < 0)
			return hoy_err_oom(m->err);
	return hoy_unit_properties_add(&m->props, name, "ay", bytes, m->err);
}

static int add_cpu(struct maker *m, const struct hoy_oci_cpu *cpu)
{
	bool v2 = m->request->unified;
	int r = 0;

	if (!cpu)
		return 0;
	if (cpu->shares && *cpu->shares)
		r = v2 ? add_number(m, "CPUWeight", hoy_cgroup_shares_to_weight(*cpu->shares))
		       : add_number(m, "CPUShares", *cpu->shares);
	if (r == 0 && v2 && cpu->idle && *cpu->idle) /* since systemd 252 */
		r = add_number(m, "CPUWeight", 0);
	if (r == 0)
		r = add_quota(m, cpu);
	if (r == 0 && v2)
		r = add_cpu_list(m, "AllowedCPUs", cpu->cpus);
	if (r == 0 && v2)
		r = add_cpu_list(m, "AllowedMemoryNodes", cpu->mems);
	return r;
}

/* --- memory, tasks ----------------------------------------------------------------------------------------------- */

static int add_memory(struct maker *m, const struct hoy_oci_memory *memory)
{
	int64_t limit, total;
	int r;

	if (!memory)
		return 0;
	if (!m->request->unified)
		return add_limit(m, "MemoryLimit", memory->limit);
	r = add_limit(m, "MemoryMax", memory->limit);
	if (r == 0)
		r = add_limit(m, "MemoryLow", memory->reservation);
	limit = memory->limit ? *memory->limit : 0;
	total = memory->swap ? *memory->swap : 0;
	/* v2 limits swap alone */
	if (r == 0 && (total < 0 || (limit < 0 && !total)))
		r = add_number(m, "MemorySwapMax", UNLIMITED);
	else if (r == 0 && total && limit > 0 && total >= limit)
		r = add_number(m, "MemorySwapMax", (uint64_t) (total - limit));
	return r;
}

/* The process that holds the scope is one of two for a moment: a limit of one is set when it is gone. systemd knows
 * no limit of none. */
static int add_tasks(struct maker *m, const struct hoy_oci_pids *pids)
{
	int64_t least = m->request->op == HOY_UNIT_START ? 2 : 1;

	if (!pids)
		return 0;
	return add_number(m, "TasksMax", pids->limit < 0 ? UNLIMITED : (uint64_t) MAX(pids->limit, least));
}

/* --- block devices ----------------------------------------------------------------------------------------------- */

static int add_pair(struct maker *m, char ***pairs, int64_t major, int64_t minor, uint64_t value)
{
	char path[64];

	(void) snprintf(path, sizeof path, "/dev/block/%" PRId64 ":%" PRId64, major, minor);
	if (access(path, F_OK) < 0) /* systemd goes by names: one without is limited through its file alone */
		return 0;
	return hoy_strv_add(pairs, path) < 0 || hoy_strv_addf(pairs, "%" PRIu64, value) < 0 ? hoy_err_oom(m->err) : 0;
}

static int add_throttles(struct maker *m, const char *name, const struct hoy_oci_throttle_device *devices, size_t n)
{
	auto_ptr(hoy_strv_free) char **pairs = calloc(1, sizeof *pairs);
	int r = pairs ? 0 : hoy_err_oom(m->err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_pair(
			m, &pairs, devices[i].major, devices[i].minor, devices[i].rate ? devices[i].rate : UNLIMITED);
	return r < 0 || !pairs[0] ? r : hoy_unit_properties_add(&m->props, name, "a(st)", pairs, m->err);
}

static uint64_t io_weight(uint16_t weight)
{
	return 1 + ((uint64_t) MAX(weight, 10) - 10) * 9999 / 990;
}

static int add_weights(struct maker *m, const struct hoy_oci_block_io *io)
{
	auto_ptr(hoy_strv_free) char **pairs = calloc(1, sizeof *pairs);
	int r = pairs ? 0 : hoy_err_oom(m->err);

	if (r == 0 && io->weight && *io->weight)
		r = add_number(m, "IOWeight", io_weight(*io->weight));
	for (size_t i = 0; r == 0 && i < io->n_weight_device; i++)
		if (io->weight_device[i].weight)
			r = add_pair(m, &pairs, io->weight_device[i].major, io->weight_device[i].minor,
				io_weight(*io->weight_device[i].weight));
	return r < 0 || !pairs[0] ? r : hoy_unit_properties_add(&m->props, "IODeviceWeight", "a(st)", pairs, m->err);
}

static int add_block_io(struct maker *m, const struct hoy_oci_block_io *io)
{
	int r;

	if (!io)
		return 0;
	if (!m->request->unified)
		return io->weight && *io->weight ? add_number(m, "BlockIOWeight", *io->weight) : 0;
	r = add_weights(m, io);
	if (r == 0)
		r = add_throttles(
			m, "IOReadBandwidthMax", io->throttle_read_bps_device, io->n_throttle_read_bps_device);
	if (r == 0)
		r = add_throttles(
			m, "IOWriteBandwidthMax", io->throttle_write_bps_device, io->n_throttle_write_bps_device);
	if (r == 0)
		r = add_throttles(m, "IOReadIOPSMax", io->throttle_read_iops_device, io->n_throttle_read_iops_device);
	if (r == 0)
		r = add_throttles(
			m, "IOWriteIOPSMax", io->throttle_write_iops_device, io->n_throttle_write_iops_device);
	return r;
}

/* --- unified ----------------------------------------------------------------------------------------------------- */

static int add_unified_cpu_max(struct maker *m, const char *text)
{
	uint64_t period = DEFAULT_PERIOD;
	int64_t quota = -1;
	char word[24] = "";

	if (sscanf(text, "%23s %" SCNu64, word, &period) < 1 ||
		(strcmp(word, "max") != 0 && hoy_str_to_i64(word, &quota) < 0))
		return hoy_err_invalid(m->err, "unified: '%s' is no value for cpu.max", text);
	return add_cpu_max(m, quota, period);
}

/* Files that systemd has a property for; the others are written by the runtime alone. */
static int add_unified(struct maker *m, const char *key, const char *value)
{
	static const struct {
		const char *key, *name;
	} numbers[] = {
		{ "cpu.weight", "CPUWeight" },
		{ "memory.min", "MemoryMin" },
		{ "memory.low", "MemoryLow" },
		{ "memory.high", "MemoryHigh" },
		{ "memory.max", "MemoryMax" },
		{ "memory.swap.max", "MemorySwapMax" },
	};
	struct hoy_oci_pids pids = { .limit = -1 };
	uint64_t number = UNLIMITED;

	if (strcmp(key, "cpu.max") == 0)
		return add_unified_cpu_max(m, value);
	if (strcmp(key, "cpu.idle") == 0)
		return strcmp(value, "1") == 0 ? add_number(m, "CPUWeight", 0) : 0;
	if (strcmp(key, "cpuset.cpus") == 0)
		return add_cpu_list(m, "AllowedCPUs", value);
	if (strcmp(key, "cpuset.mems") == 0)
		return add_cpu_list(m, "AllowedMemoryNodes", value);
	if (strcmp(value, "max") != 0 && hoy_str_to_u64(value, &number) < 0)
		return 0;
	if (strcmp(key, "pids.max") == 0) {
		pids.limit = number == UNLIMITED ? -1 : (int64_t) MIN(number, (uint64_t) INT64_MAX);
		return add_tasks(m, &pids);
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (strcmp(numbers[i].key, key) == 0)
			return add_number(m, numbers[i].name, number);
	return 0;
}

static int add_limits(struct maker *m)
{
	const struct hoy_oci_resources *res = m->request->resources;
	int r;

	if (!res)
		return 0;
	r = add_memory(m, res->memory);
	if (r == 0)
		r = add_cpu(m, res->cpu);
	if (r == 0)
		r = add_tasks(m, res->pids);
	if (r == 0)
		r = add_block_io(m, res->block_io);
	for (size_t i = 0; r == 0 && m->request->unified && i < res->n_unified; i++)
		r = add_unified(m, res->unified[i].key, res->unified[i].value);
	return r;
}

/* --- devices, on v1 ---------------------------------------------------------------------------------------------- */

static bool is_closed_later(const struct hoy_cgroup_device *rules, size_t n, size_t i)
{
	for (size_t j = i + 1; j < n; j++)
		if (!rules[j].allow && (rules[j].type == 'a' || rules[j].type == rules[i].type) &&
			(rules[j].major < 0 || rules[j].major == rules[i].major) &&
			(rules[j].minor < 0 || rules[j].minor == rules[i].minor) &&
			(rules[i].access & ~rules[j].access) == 0)
			return true;
	return false;
}

static int add_device(char ***pairs, char type, const struct hoy_cgroup_device *rule)
{
	const char *kind = type == 'b' ? "block" : "char";
	int r;

	if (rule->major < 0)
		r = hoy_strv_addf(pairs, "%s-*", kind);
	else if (rule->minor < 0)
		r = hoy_strv_addf(pairs, "%s-%" PRId64, kind, rule->major);
	else
		r = hoy_strv_addf(pairs, "/dev/%s/%" PRId64 ":%" PRId64, kind, rule->major, rule->minor);
	if (r == 0)
		r = hoy_strv_addf(pairs, "%s%s%s", rule->access & HOY_CGROUP_DEV_READ ? "r" : "",
			rule->access & HOY_CGROUP_DEV_WRITE ? "w" : "", rule->access & HOY_CGROUP_DEV_MKNOD ? "m" : "");
	return r;
}

/* On v1 systemd writes the devices controller anew at each reload, and opens everything in a unit without a policy. On
 * v2 it adds a program of its own only to units that have one, and leaves ours alone. */
static int add_devices(struct maker *m)
{
	auto_free struct hoy_cgroup_device *rules = NULL;
	auto_ptr(hoy_strv_free) char **pairs = calloc(1, sizeof *pairs);
	size_t n = 0;
	int r;

	if (m->request->unified || m->request->user)
		return 0;
	r = pairs ? hoy_device_rules_make(m->request->resources, &rules, &n, m->err) : hoy_err_oom(m->err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!rules[i].allow || is_closed_later(rules, n, i))
			continue;
		if (rules[i].type != 'b' && add_device(&pairs, 'c', &rules[i]) < 0)
			r = hoy_err_oom(m->err);
		if (r == 0 && rules[i].type != 'c' && add_device(&pairs, 'b', &rules[i]) < 0)
			r = hoy_err_oom(m->err);
	}
	if (r == 0)
		r = add_text(m, "DevicePolicy", "s", "strict");
	return r < 0 ? r : hoy_unit_properties_add(&m->props, "DeviceAllow", "a(ss)", pairs, m->err);
}

/* --- the unit ---------------------------------------------------------------------------------------------------- */

static int add_place(struct maker *m, int pid)
{
	const struct hoy_unit_request *q = m->request;
	auto_free char *description = hoy_str_printf("hoyrun container %s", q->id ? q->id : q->unit);
	char number[16];
	int r = description ? add_text(m, "Description", "s", description) : hoy_err_oom(m->err);

	if (r < 0)
		return r;
	(void) snprintf(number, sizeof number, "%d", pid);
	r = add_text(m, "Slice", "s", q->slice ? q->slice : "-.slice");
	if (r == 0)
		r = add_text(m, "Delegate", "b", "true");
	if (r == 0)
		r = add_text(m, "PIDs", "au", number);
	/* Nothing is left to clean up when the processes are gone, however they ended. */
	return r < 0 ? r : add_text(m, "CollectMode", "s", "inactive-or-failed");
}

static int add_common(struct maker *m)
{
	static const char *const accounting[] = { "MemoryAccounting", "CPUAccounting", "TasksAccounting" };
	int r = add_text(m, "DefaultDependencies", "b", "false");

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(accounting); i++)
		r = add_text(m, accounting[i], "b", "true");
	return r < 0 ? r : add_text(m, m->request->unified ? "IOAccounting" : "BlockIOAccounting", "b", "true");
}

/* Times in seconds are microseconds on the bus, under another name. */
static int to_microseconds(struct maker *m, char **name, char *signature, char **values)
{
	auto_free char *renamed = NULL, *value = NULL;
	size_t len = strlen(*name);
	uint64_t seconds;

	if (len < 4 || !hoy_str_ends(*name, "Sec") || (*name)[len - 4] < 'a' || (*name)[len - 4] > 'z')
		return 0;
	if (strlen(signature) != 1 || hoy_str_to_u64(values[0], &seconds) < 0 || seconds > UINT64_MAX / USEC_PER_SEC)
		return hoy_err_invalid(m->err, "'%s' is no whole number of seconds", values[0]);
	renamed = hoy_str_printf("%.*sUSec", (int) len - 3, *name);
	value = hoy_str_printf("%" PRIu64, seconds * USEC_PER_SEC);
	if (!renamed || !value)
		return hoy_err_oom(m->err);
	free(*name);
	*name = TAKE_PTR(renamed);
	free(values[0]);
	values[0] = TAKE_PTR(value);
	signature[0] = 't';
	return 0;
}

static int add_annotation(struct maker *m, const struct hoy_oci_kv *a)
{
	auto_free char *name = strdup(a->key + strlen(HOY_UNIT_ANNOTATION));
	auto_ptr(hoy_strv_free) char **values = NULL;
	char signature[8];
	int r;

	if (!name)
		return hoy_err_oom(m->err);
	if (!name[0] || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")])
		return hoy_err_invalid(m->err, "annotations[\"%s\"]: no name of a unit property", a->key);
	r = hoy_gvariant_parse(a->value, signature, &values, m->err);
	if (r == 0)
		r = to_microseconds(m, &name, signature, values);
	return r < 0 ? hoy_err_wrap(m->err, "annotations[\"%s\"]", a->key)
		     : hoy_unit_properties_add(&m->props, name, signature, values, m->err);
}

static int take(struct maker *m, int r, struct hoy_unit_properties *ret)
{
	if (r < 0)
		hoy_unit_properties_done(&m->props);
	else
		*ret = m->props;
	return r;
}

int hoy_unit_properties_start(
	const struct hoy_unit_request *request, int pid, struct hoy_unit_properties *ret, struct hoy_err *err)
{
	struct maker m = { .request = request, .err = err };
	int r = add_place(&m, pid);

	if (r == 0)
		r = add_common(&m);
	if (r == 0)
		r = add_limits(&m);
	if (r == 0)
		r = add_devices(&m);
	for (size_t i = 0; r == 0 && i < request->n_annotations; i++)
		if (hoy_str_starts(request->annotations[i].key, HOY_UNIT_ANNOTATION))
			r = add_annotation(&m, &request->annotations[i]);
	return take(&m, r, ret);
}

int hoy_unit_properties_set(
	const struct hoy_unit_request *request, struct hoy_unit_properties *ret, struct hoy_err *err)
{
	struct maker m = { .request = request, .err = err };

	return take(&m, add_limits(&m), ret);
}
