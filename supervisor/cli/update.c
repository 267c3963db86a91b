/* update: new limits and restart policy for containers that exist. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"

struct update_options {
	int64_t cpu_period, cpu_quota, cpu_shares, memory, reservation, swap, pids;
	bool pids_given;
	double cpus;
	const char *cpuset_cpus, *cpuset_mems, *restart;
};
#define O(letter, name, type, value, member, help)                                                                     \
	HOY_OPTION(letter, name, HOY_OPTION_##type, value, struct update_options, member, help)
static const struct hoy_option update_options[] = {
	HOY_OPTION_REFUSE(
		0, "blkio-weight", "uint16", "weights of block devices are not changed while a container is there"),
	O(0, "cpu-period", INT, "int", cpu_period, "Limit CPU CFS (Completely Fair Scheduler) period"),
	O(0, "cpu-quota", INT, "int", cpu_quota, "Limit CPU CFS (Completely Fair Scheduler) quota"),
	HOY_OPTION_REFUSE(0, "cpu-rt-period", "int", "real-time scheduling is not limited"),
	HOY_OPTION_REFUSE(0, "cpu-rt-runtime", "int", "real-time scheduling is not limited"),
	O('c', "cpu-shares", INT, "int", cpu_shares, "CPU shares (relative weight)"),
	O(0, "cpus", DECIMAL, "decimal", cpus, "Number of CPUs"),
	O(0, "cpuset-cpus", STRING, "string", cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)"),
	O(0, "cpuset-mems", STRING, "string", cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)"),
	O('m', "memory", BYTES, "bytes", memory, "Memory limit"),
	O(0, "memory-reservation", BYTES, "bytes", reservation, "Memory soft limit"),
	O(0, "memory-swap", BYTES, "bytes", swap, "Swap limit equal to memory plus swap: -1 to enable unlimited swap"),
	HOY_OPTION_WITH_SET(0, "pids-limit", HOY_OPTION_INT, "int", struct update_options, pids, pids_given,
		"Tune container pids limit (set -1 for unlimited)"),
	O(0, "restart", STRING, "string", restart, "Restart policy to apply when a container exits"),
	HOY_OPTION_END,
};
#undef O

static int add_policy(struct hoy_json_writer *w, const char *text, struct hoy_err *err)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	unsigned int count = 0;

	if (!text)
		return 0;
	if (colon && hoy_str_to_uint(colon + 1, &count) < 0)
		return hoy_err_invalid(err, "maximum retry count must be an integer");
	hoy_json_object(w, "RestartPolicy");
	hoy_json_add_stringn(w, "Name", text, colon ? (size_t) (colon - text) : strlen(text));
	hoy_json_add_i64(w, "MaximumRetryCount", count);
	hoy_json_end(w);
	return 0;
}

static int request_body(const struct update_options *o, struct hoy_buf *body, struct hoy_err *err)
{
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{ "CpuPeriod", o->cpu_period },
		{ "CpuQuota", o->cpu_quota },
		{ "CpuShares", o->cpu_shares },
		{ "NanoCpus", (int64_t) (o->cpus * 1e9 + 0.5) },
		{ "Memory", o->memory },
		{ "MemoryReservation", o->reservation },
		{ "MemorySwap", o->swap },
	};
	struct hoy_json_writer w = { .buf = body };
	int r;

	hoy_json_object(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].value)
			hoy_json_add_i64(&w, numbers[i].key, numbers[i].value);
	if (o->pids_given)
		hoy_json_add_i64(&w, "PidsLimit", o->pids);
	if (o->cpuset_cpus)
		hoy_json_add_string(&w, "CpusetCpus", o->cpuset_cpus);
	if (o->cpuset_mems)
		hoy_json_add_string(&w, "CpusetMems", o->cpuset_mems);
	r = add_policy(&w, o->restart, err);
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(body, "the request", err);
}

static int update_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {}, body = {};
	int r = request_body(cli->values, &body, err);

	if (r < 0)
		return r;
	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, "/update");
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "POST", path.data, body.data, NULL, err);
}

static int cmd_update(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, update_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_update = {
	.name = "update",
	.alias = "container update",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Update configuration of one or more containers",
	.options = update_options,
	.values_size = sizeof(struct update_options),
	.run = cmd_update,
};
