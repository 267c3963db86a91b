/* The host's hierarchies, a group's name, and what its limits come to on v1, v2 and hybrid hosts. */
#include "base/cgroup/cgroup_internal.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "tests/unit/test_cgroup.h"
#include "tests/unit/unit.h"

/* --- hosts ------------------------------------------------------------------------------------------------------ */

static const char unified_mountinfo[] =
	"25 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	"30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char hybrid_mountinfo[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	"33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	"34 31 0:31 / /sys/fs/cgroup/my\\040devices rw - cgroup cgroup rw,devices,clone_children\n"
	"35 31 0:31 / /elsewhere rw - cgroup cgroup rw,devices\n"
	"36 31 0:32 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/a,name=systemd\n"
	"37 31 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
	"38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

static void parse_table(struct hoy_cgroup_table *table, const char *mountinfo)
{
	auto_free char *text = strdup(mountinfo);

	*table = (struct hoy_cgroup_table){};
	if (hoy_cgroup_table_parse_mountinfo(table, text, NULL) < 0)
		abort();
}

START_TEST(v2_comes_first_and_the_rest_follows)
{
	auto_(hoy_cgroup_table_done) struct hoy_cgroup_table table;

	parse_table(&table, hybrid_mountinfo);
	ck_assert(table.v2);
	ck_assert_uint_eq(table.n, 6);
	ck_assert_str_eq(table.hier[0].mount, "/sys/fs/cgroup/unified");
	ck_assert_str_eq(table.hier[0].name, "");
	ck_assert_str_eq(table.hier[1].name, "cpu,cpuacct");
	ck_assert_int_eq(hoy_cgroup_table_find(&table, HOY_CGROUP_CPUACCT), 1);
	ck_assert_int_eq(hoy_cgroup_table_find(&table, HOY_CGROUP_IO), 5);
	ck_assert_int_eq(hoy_cgroup_table_find(&table, HOY_CGROUP_PIDS), -1);
}
END_TEST

START_TEST(a_hierarchy_that_is_mounted_twice_counts_once)
{
	auto_(hoy_cgroup_table_done) struct hoy_cgroup_table table;

	parse_table(&table, hybrid_mountinfo);
	ck_assert_str_eq(table.hier[3].mount, "/sys/fs/cgroup/my devices");
	ck_assert_str_eq(table.hier[3].name, "devices");
	ck_assert_str_eq(table.hier[4].name, "name=systemd");
}
END_TEST

START_TEST(a_unified_host_has_one_hierarchy)
{
	auto_(hoy_cgroup_table_done) struct hoy_cgroup_table table;

	parse_table(&table, unified_mountinfo);
	ck_assert(table.v2);
	ck_assert_uint_eq(table.n, 1);
}
END_TEST

START_TEST(a_process_path_is_found_by_the_hierarchy_s_name)
{
	static const char text[] = "9:name=systemd:/user\n4:memory:/a:b\n1:cpu,cpuacct:/\n0::/process/x\n";
	auto_free char *v2 = hoy_cgroup_path_parse(text, ""), *memory = hoy_cgroup_path_parse(text, "memory");

	ck_assert_str_eq(v2, "/process/x");
	ck_assert_str_eq(memory, "/a:b");
	ck_assert_ptr_null(hoy_cgroup_path_parse(text, "cpu"));
}
END_TEST

/* --- names ------------------------------------------------------------------------------------------------------ */

/* The host of a mountinfo text, with the controllers that v2 has. */
static struct hoy_cgroup_host *make_host(const char *mountinfo, const char *v2_controllers)
{
	struct hoy_cgroup_host *host = calloc(1, sizeof *host);

	parse_table(&host->table, mountinfo);
	if (host->table.v2)
		host->table.hier[0].controllers = hoy_cgroup_controllers_parse(v2_controllers);
	return host;
}

START_TEST(a_saved_group_is_the_same_again)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = make_host(hybrid_mountinfo, "hugetlb");
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL, *copy = NULL;
	auto_free char *text = NULL, *again = NULL, *dir = NULL;

	ck_assert_int_eq(hoy_cgroup_new(host, "/a//b/./c", &cg, NULL), 0);
	text = hoy_cgroup_to_string(cg);
	ck_assert_ptr_null(strchr(text, '\n'));
	ck_assert_int_eq(hoy_cgroup_from_string(text, &copy, NULL), 0);
	again = hoy_cgroup_to_string(copy);
	ck_assert_str_eq(text, again);
	ck_assert_str_eq(hoy_cgroup_path(copy), "/a/b/c");
	dir = hoy_cgroup_dir(copy, 3);
	ck_assert_str_eq(dir, "/sys/fs/cgroup/my devices/a/b/c");
	ck_assert_ptr_null(hoy_cgroup_dir(copy, 6));
	ck_assert(copy->table.v2);
	ck_assert(!hoy_cgroup_is_unified(copy));
}
END_TEST

START_TEST(paths_outside_are_refused)
{
	static const char *const bad[] = { "", "/", "a", "//", "/..", "/a/../b", "/a/..", "/./", "/a\nb", "/a\tb" };
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = make_host(unified_mountinfo, "cpu");
	struct hoy_cgroup *cg = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_int_eq(hoy_cgroup_new(host, bad[i], &cg, NULL), -EINVAL);
	ck_assert_int_eq(hoy_cgroup_new(host, "/a..b", &cg, NULL), 0);
	hoy_cgroup_free(cg);
}
END_TEST

START_TEST(broken_saved_groups_are_refused)
{
	static const char *const bad[] = { "", "1", "2\t/a\t/sys\t\t1", "1\t/a", "1\t/a\t/sys\t", "1\t/a\tsys\t\t1",
		"1\t/a\t/sys\t\tx", "1\t/../a\t/sys\t\t1", "1\t/\t/sys\t\t1" };
	struct hoy_cgroup *cg = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_int_eq(hoy_cgroup_from_string(bad[i], &cg, NULL), -EINVAL);
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------------------------- */

#define ALL_V2 "cpuset cpu io memory hugetlb pids rdma misc"

static const char legacy_mountinfo[] = "32 31 0:29 / /c/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
				       "33 31 0:30 / /c/memory rw - cgroup cgroup rw,memory\n"
				       "34 31 0:31 / /c/cpuset rw - cgroup cgroup rw,cpuset\n"
				       "35 31 0:32 / /c/pids rw - cgroup cgroup rw,pids\n"
				       "36 31 0:33 / /c/blkio rw - cgroup cgroup rw,blkio\n"
				       "37 31 0:34 / /c/hugetlb rw - cgroup cgroup rw,hugetlb\n"
				       "38 31 0:35 / /c/net rw - cgroup cgroup rw,net_cls,net_prio\n"
				       "39 31 0:36 / /c/rdma rw - cgroup cgroup rw,rdma\n";

/* "file=value; file=value|alternative=value?; ..." */
static void expect_plan(const struct hoy_cgroup_host *host, const struct hoy_cgroup_limits *limits, const char *text)
{
	auto_(hoy_cgroup_plan_done) struct hoy_cgroup_plan plan = {};
	auto_(hoy_buf_done) struct hoy_buf got = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_cgroup_plan_limits(&host->table, limits, &plan, &err) == 0, "%s", hoy_err_str(&err));
	hoy_buf_adds(&got, "");
	for (size_t i = 0; i < plan.n; i++) {
		const struct hoy_cgroup_op *op = &plan.ops[i];

		hoy_buf_addf(&got, "%s%s%s%s", i > 0 ? "; " : "", op->file,
			op->kind == HOY_CGROUP_OP_CHECK_USAGE ? "<="
			: op->kind == HOY_CGROUP_OP_PERIOD    ? "=* "
							      : "=",
			op->value);
		if (op->alt_file != NULL)
			hoy_buf_addf(&got, "|%s=%s", op->alt_file, op->alt_value);
		if (op->optional)
			hoy_buf_addc(&got, '?');
	}
	ck_assert_str_eq(got.data, text);
}

static void expect_refusal(
	const struct hoy_cgroup_host *host, const struct hoy_cgroup_limits *limits, int code, const char *text)
{
	auto_(hoy_cgroup_plan_done) struct hoy_cgroup_plan plan = {};
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_cgroup_plan_limits(&host->table, limits, &plan, &err), code);
	ck_assert_msg(strstr(err.msg, text) != NULL, "'%s' is not in '%s'", text, err.msg);
}

#define I64(n) (&(const int64_t){ n })
#define U64(n) (&(const uint64_t){ n })
#define U32(n) (&(const uint32_t){ n })
#define U16(n) (&(const uint16_t){ n })
#define BOOL(b) (&(const bool){ b })
#define LIMITS(...) (&(const struct hoy_cgroup_limits){ __VA_ARGS__ })

static struct hoy_cgroup_host *v1, *v2, *hybrid;

static void make_hosts(void)
{
	v1 = make_host(legacy_mountinfo, "");
	v2 = make_host(unified_mountinfo, ALL_V2);
	hybrid = make_host(hybrid_mountinfo, "hugetlb pids");
}

static void free_hosts(void)
{
	hoy_cgroup_host_free(v1);
	hoy_cgroup_host_free(v2);
	hoy_cgroup_host_free(hybrid);
}

START_TEST(memory_and_swap_are_written_apart_on_v2)
{
	expect_plan(v2, LIMITS(.memory_limit = I64(1000), .memory_swap = I64(3000)),
		"memory.max=1000; memory.swap.max=2000");
	expect_plan(
		v2, LIMITS(.memory_limit = I64(1000), .memory_swap = I64(1000)), "memory.max=1000; memory.swap.max=0?");
	expect_plan(
		v2, LIMITS(.memory_limit = I64(1000), .memory_swap = I64(-1)), "memory.max=1000; memory.swap.max=max?");
	expect_plan(v2, LIMITS(.memory_limit = I64(-1)), "memory.max=max; memory.swap.max=max?");
	expect_plan(v2, LIMITS(.memory_limit = I64(1000)), "memory.max=1000");
	expect_plan(v2, LIMITS(.memory_reservation = I64(5)), "memory.low=5");
	expect_plan(v2, LIMITS(.memory_limit = I64(7), .memory_check_before_update = true),
		"memory.current<=7; memory.max=7");
}
END_TEST

START_TEST(memory_and_swap_are_written_together_on_v1)
{
	expect_plan(v1, LIMITS(.memory_limit = I64(1000), .memory_swap = I64(3000)),
		"memory.limit_in_bytes=1000; memory.memsw.limit_in_bytes=3000");
	expect_plan(v1, LIMITS(.memory_limit = I64(-1)), "memory.limit_in_bytes=-1; memory.memsw.limit_in_bytes=-1?");
	expect_plan(v1,
		LIMITS(.memory_reservation = I64(5), .memory_kernel = I64(-1), .memory_kernel_tcp = I64(7),
			.memory_swappiness = U64(0), .memory_disable_oom_killer = BOOL(true),
			.memory_use_hierarchy = BOOL(true)),
		"memory.soft_limit_in_bytes=5; memory.kmem.tcp.limit_in_bytes=7; "
		"memory.swappiness=0; memory.oom_control=1; memory.use_hierarchy=1");
}
END_TEST

START_TEST(wrong_memory_limits_are_refused)
{
	expect_refusal(v2, LIMITS(.memory_swap = I64(3000)), -EINVAL, "needs memory.limit");
	expect_refusal(v2, LIMITS(.memory_limit = I64(-1), .memory_swap = I64(5)), -EINVAL, "needs memory.limit");
	expect_refusal(v2, LIMITS(.memory_limit = I64(10), .memory_swap = I64(9)), -EINVAL, "less than memory.limit");
	expect_refusal(v1, LIMITS(.memory_limit = I64(-2)), -EINVAL, "memory.limit: -2");
	expect_refusal(v1, LIMITS(.memory_swappiness = U64(101)), -EINVAL, "memory.swappiness");
	expect_refusal(v2, LIMITS(.memory_swappiness = U64(10)), -EOPNOTSUPP, "memory.swappiness");
	expect_plan(v1, LIMITS(.memory_kernel = I64(10)), ""); /* its caller warns */
	expect_refusal(v2, LIMITS(.memory_kernel = I64(10)), -EOPNOTSUPP, "memory.kernel:");
	expect_refusal(v2, LIMITS(.memory_kernel_tcp = I64(10)), -EOPNOTSUPP, "memory.kernelTCP");
	expect_refusal(v2, LIMITS(.memory_disable_oom_killer = BOOL(true)), -EOPNOTSUPP, "memory.disableOOMKiller");
	expect_refusal(v2, LIMITS(.memory_use_hierarchy = BOOL(false)), -EOPNOTSUPP, "memory.useHierarchy");
	expect_plan(v2, LIMITS(.memory_disable_oom_killer = BOOL(false), .memory_kernel = I64(-1)), "");
}
END_TEST

START_TEST(shares_become_weights)
{
	static const uint64_t pairs[][2] = { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 256, 35 }, { 512, 59 }, { 1024, 100 },
		{ 1025, 101 }, { 2048, 174 }, { 8192, 532 }, { 102400, 4429 }, { 262143, 10000 }, { 262144, 10000 },
		{ UINT64_MAX, 10000 } };

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		ck_assert_uint_eq(hoy_cgroup_shares_to_weight(pairs[i][0]), pairs[i][1]);
	for (uint64_t shares = 3; shares < 5000; shares++)
		ck_assert_uint_le(hoy_cgroup_shares_to_weight(shares - 1), hoy_cgroup_shares_to_weight(shares));
}
END_TEST

START_TEST(cpu_limits_are_one_file_on_v2)
{
	expect_plan(v2, LIMITS(.cpu_shares = U64(1024), .cpu_quota = I64(50000), .cpu_period = U64(100000)),
		"cpu.weight=100; cpu.max=50000 100000");
	expect_plan(v2, LIMITS(.cpu_quota = I64(50000)), "cpu.max=50000");
	expect_plan(v2, LIMITS(.cpu_quota = I64(-1)), "cpu.max=max");
	expect_plan(v2, LIMITS(.cpu_period = U64(20000)), "cpu.max=* 20000");
	expect_plan(v2, LIMITS(.cpu_burst = U64(1000), .cpu_idle = I64(1)), "cpu.idle=1; cpu.max.burst=1000");
	expect_plan(v2, LIMITS(.cpuset_cpus = "0-1", .cpuset_mems = "0"), "cpuset.cpus=0-1; cpuset.mems=0");
	expect_refusal(v2, LIMITS(.cpu_rt_runtime = I64(5)), -EOPNOTSUPP, "cpu.realtimeRuntime");
	expect_refusal(v2, LIMITS(.cpu_rt_period = U64(5)), -EOPNOTSUPP, "cpu.realtimePeriod");
	expect_refusal(v2, LIMITS(.cpu_idle = I64(2)), -EINVAL, "cpu.idle");
}
END_TEST

START_TEST(cpu_limits_are_many_files_on_v1)
{
	expect_plan(v1,
		LIMITS(.cpu_shares = U64(512), .cpu_quota = I64(-1), .cpu_period = U64(100000), .cpu_burst = U64(0),
			.cpu_rt_runtime = I64(5), .cpu_rt_period = U64(6), .cpu_idle = I64(0), .cpuset_cpus = "1"),
		"cpuset.cpus=1; cpu.shares=512; cpu.idle=0; cpu.cfs_period_us=100000; cpu.cfs_quota_us=-1; "
		"cpu.cfs_burst_us=0; cpu.rt_period_us=6; cpu.rt_runtime_us=5");
}
END_TEST

START_TEST(no_process_at_all_is_a_limit)
{
	expect_plan(v2, LIMITS(.pids_limit = I64(0)), "pids.max=0");
	expect_plan(v1, LIMITS(.pids_limit = I64(-1)), "pids.max=max");
}
END_TEST

START_TEST(io_weights_have_a_fallback)
{
	const struct hoy_cgroup_weight_device device = { 8, 16, U16(1000), NULL };

	expect_plan(v2, LIMITS(.blkio_weight = U16(500)), "io.bfq.weight=500|io.weight=default 4950");
	expect_plan(v1, LIMITS(.blkio_weight = U16(500)), "blkio.weight=500|blkio.bfq.weight=500");
	expect_plan(v2, LIMITS(.blkio_weight_devices = &device, .n_blkio_weight_devices = 1),
		"io.bfq.weight=8:16 1000|io.weight=8:16 10000");
	expect_plan(v1, LIMITS(.blkio_weight_devices = &device, .n_blkio_weight_devices = 1),
		"blkio.weight_device=8:16 1000|blkio.bfq.weight_device=8:16 1000");
	expect_plan(v1, LIMITS(.blkio_leaf_weight = U16(10)), "blkio.leaf_weight=10");
	expect_refusal(v2, LIMITS(.blkio_leaf_weight = U16(10)), -EOPNOTSUPP, "blockIO.leafWeight");
	expect_refusal(v1, LIMITS(.blkio_weight = U16(5)), -EINVAL, "blockIO.weight: 5");
}
END_TEST

START_TEST(throttles_name_device_and_rate)
{
	const struct hoy_cgroup_throttle a = { 8, 0, 600 }, none = { 8, 0, 0 };

	expect_plan(v2,
		LIMITS(.read_bps = &a, .n_read_bps = 1, .write_bps = &a, .n_write_bps = 1, .read_iops = &a,
			.n_read_iops = 1, .write_iops = &none, .n_write_iops = 1),
		"io.max=8:0 rbps=600; io.max=8:0 wbps=600; io.max=8:0 riops=600; io.max=8:0 wiops=max");
	expect_plan(v1, LIMITS(.read_bps = &a, .n_read_bps = 1, .write_iops = &a, .n_write_iops = 1),
		"blkio.throttle.read_bps_device=8:0 600; blkio.throttle.write_iops_device=8:0 600");
}
END_TEST

START_TEST(the_smaller_controllers_are_written)
{
	const struct hoy_cgroup_hugepage huge = { "2MB", 4194304 }, bad = { "../x", 1 };
	const struct hoy_cgroup_net_priority prio = { "eth0", 5 };
	const struct hoy_cgroup_rdma rdma = { "mlx5_1", U32(3), U32(100) };

	expect_plan(v2, LIMITS(.hugepages = &huge, .n_hugepages = 1),
		"hugetlb.2MB.max=4194304; hugetlb.2MB.rsvd.max=4194304?");
	expect_plan(v1, LIMITS(.hugepages = &huge, .n_hugepages = 1),
		"hugetlb.2MB.limit_in_bytes=4194304; hugetlb.2MB.rsvd.limit_in_bytes=4194304?");
	expect_plan(v1, LIMITS(.net_class_id = U32(7), .net_priorities = &prio, .n_net_priorities = 1),
		"net_cls.classid=7; net_prio.ifpriomap=eth0 5");
	expect_plan(v2, LIMITS(.rdma = &rdma, .n_rdma = 1), "rdma.max=mlx5_1 hca_handle=3 hca_object=100");
	expect_refusal(v2, LIMITS(.net_class_id = U32(7)), -EOPNOTSUPP, "network.classID");
	expect_refusal(v2, LIMITS(.net_priorities = &prio, .n_net_priorities = 1), -EOPNOTSUPP, "network.priorities");
	expect_refusal(v2, LIMITS(.hugepages = &bad, .n_hugepages = 1), -EINVAL, "hugepageLimits");
}
END_TEST

START_TEST(unified_keys_are_files_of_v2)
{
	const struct hoy_cgroup_unified keys[] = { { "io.max", "8:0 rbps=5\n8:16 wiops=6\n" },
		{ "cgroup.max.depth", "3" } };
	const struct hoy_cgroup_unified slash = { "../memory.max", "1" }, missing = { "memory.high", "1" };

	expect_plan(v2, LIMITS(.unified = keys, .n_unified = 2),
		"io.max=8:0 rbps=5; io.max=8:16 wiops=6; cgroup.max.depth=3");
	expect_refusal(v2, LIMITS(.unified = &slash, .n_unified = 1), -EINVAL, "not the name of a file");
	expect_refusal(v1, LIMITS(.unified = keys, .n_unified = 2), -EOPNOTSUPP, "no cgroup v2");
	expect_refusal(hybrid, LIMITS(.unified = &missing, .n_unified = 1), -EOPNOTSUPP, "controller 'memory'");
}
END_TEST

START_TEST(a_hybrid_host_gets_each_limit_its_own_way)
{
	auto_(hoy_cgroup_plan_done) struct hoy_cgroup_plan plan = {};

	ck_assert_int_eq(
		hoy_cgroup_plan_limits(&hybrid->table,
			LIMITS(.memory_limit = I64(5), .pids_limit = I64(6), .cpu_shares = U64(7)), &plan, NULL),
		0);
	ck_assert_uint_eq(plan.n, 3);
	ck_assert_str_eq(plan.ops[0].file, "cpu.shares");
	ck_assert_uint_eq(plan.ops[0].hier, 1);
	ck_assert_str_eq(plan.ops[1].file, "memory.limit_in_bytes");
	ck_assert_str_eq(plan.ops[2].file, "pids.max");
	ck_assert_uint_eq(plan.ops[2].hier, 0);
	expect_refusal(hybrid, LIMITS(.cpuset_cpus = "0"), -EOPNOTSUPP, "no cpuset cgroup controller");
}
END_TEST

START_TEST(zero_is_not_given)
{
	expect_plan(v2,
		LIMITS(.memory_limit = I64(0), .memory_swap = I64(0), .cpu_shares = U64(0), .cpu_quota = I64(0),
			.cpu_period = U64(0), .blkio_weight = U16(0), .cpuset_cpus = "", .net_class_id = U32(0)),
		"");
}
END_TEST

static Suite *cgroup_suite(void)
{
	const TTest *const tests[] = {
		v2_comes_first_and_the_rest_follows,
		a_hierarchy_that_is_mounted_twice_counts_once,
		a_unified_host_has_one_hierarchy,
		a_process_path_is_found_by_the_hierarchy_s_name,
		a_saved_group_is_the_same_again,
		paths_outside_are_refused,
		broken_saved_groups_are_refused,
		memory_and_swap_are_written_apart_on_v2,
		memory_and_swap_are_written_together_on_v1,
		wrong_memory_limits_are_refused,
		shares_become_weights,
		cpu_limits_are_one_file_on_v2,
		cpu_limits_are_many_files_on_v1,
		no_process_at_all_is_a_limit,
		io_weights_have_a_fallback,
		throttles_name_device_and_rate,
		the_smaller_controllers_are_written,
		unified_keys_are_files_of_v2,
		a_hybrid_host_gets_each_limit_its_own_way,
		zero_is_not_given,
	};

	return hoy_unit_suite("cgroup", tests, ARRAY_LEN(tests));
}

int main(void)
{
	const hoy_suite_fn suites[] = { cgroup_suite, hoy_test_cgroup_devices, hoy_test_cgroup_stats };
	int status;

	make_hosts();
	status = hoy_unit_run(suites, ARRAY_LEN(suites));
	free_hosts();
	return status;
}
