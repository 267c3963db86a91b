/* Parsers of the kernel's statistics texts. */
#include "base/cgroup/stats_internal.h"

#include "tests/unit/test_cgroup.h"
#include "tests/unit/unit.h"

START_TEST(memory_stat_is_found_by_name)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};

	ck_assert_int_eq(
		hoy_cgroup_parse_stat("anon 4096\nfile 8192\na_name_that_is_longer_than_any_the_kernel_has_now 1\n"
				      "inactive_file 18446744073709551615\n",
			&stats),
		0);
	ck_assert_uint_eq(stats.memory.n_stat, 3);
	ck_assert_uint_eq(hoy_cgroup_stat_get(&stats, "file"), 8192);
	ck_assert_uint_eq(hoy_cgroup_stat_get(&stats, "inactive_file"), UINT64_MAX);
	ck_assert_uint_eq(hoy_cgroup_stat_get(&stats, "slab"), 0);
}
END_TEST

START_TEST(io_of_v2_is_read_per_device)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};

	ck_assert_int_eq(
		hoy_cgroup_parse_io_v2("8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n"
				       "8:0 \n253:0 rbytes=7 wbytes=8 rios=9 wios=10\n",
			&stats),
		0);
	ck_assert_uint_eq(stats.io.n_devices, 3);
	ck_assert_uint_eq(stats.io.devices[0].minor, 16);
	ck_assert_uint_eq(stats.io.devices[0].write_bytes, 314773504);
	ck_assert_uint_eq(stats.io.devices[2].major, 253);
	ck_assert_uint_eq(stats.io.devices[2].write_ios, 10);
}
END_TEST

START_TEST(io_of_v1_joins_bytes_and_operations)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};

	ck_assert_int_eq(
		hoy_cgroup_parse_io_v1("8:0 Read 4096\n8:0 Write 512\n8:0 Sync 1\n8:0 Total 4608\nTotal 4608\n",
			/* bytes= */ true, &stats),
		0);
	ck_assert_int_eq(hoy_cgroup_parse_io_v1("8:0 Read 2\n8:0 Write 1\n", /* bytes= */ false, &stats), 0);
	ck_assert_uint_eq(stats.io.n_devices, 1);
	ck_assert_uint_eq(stats.io.devices[0].read_bytes, 4096);
	ck_assert_uint_eq(stats.io.devices[0].write_bytes, 512);
	ck_assert_uint_eq(stats.io.devices[0].read_ios, 2);
	ck_assert_uint_eq(stats.io.devices[0].write_ios, 1);
}
END_TEST

START_TEST(usage_per_cpu_is_a_list)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};

	ck_assert_int_eq(hoy_cgroup_parse_percpu("5 6 7 8 9 \n", &stats), 0);
	ck_assert_uint_eq(stats.cpu.n_percpu, 5);
	ck_assert_uint_eq(stats.cpu.percpu_ns[4], 9);
}
END_TEST

START_TEST(pressure_is_in_hundredths)
{
	struct hoy_cgroup_psi psi = {};

	hoy_cgroup_parse_psi("some avg10=1.25 avg60=0.00 avg300=100.00 total=12345\n"
			     "full avg10=0.05 avg60=0.10 avg300=2.00 total=99\n",
		&psi);
	ck_assert(psi.present);
	ck_assert_uint_eq(psi.some_avg10, 125);
	ck_assert_uint_eq(psi.some_avg300, 10000);
	ck_assert_uint_eq(psi.some_total, 12345);
	ck_assert_uint_eq(psi.full_avg10, 5);
	ck_assert_uint_eq(psi.full_avg60, 10);
	ck_assert_uint_eq(psi.full_total, 99);
}
END_TEST

START_TEST(rdma_joins_use_and_limits)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};

	ck_assert_int_eq(hoy_cgroup_parse_rdma("mlx4_0 hca_handle=2 hca_object=20\n", /* limits= */ false, &stats), 0);
	ck_assert_int_eq(hoy_cgroup_parse_rdma("mlx4_0 hca_handle=3 hca_object=max\n", /* limits= */ true, &stats), 0);
	ck_assert_uint_eq(stats.n_rdma, 1);
	ck_assert_str_eq(stats.rdma[0].device, "mlx4_0");
	ck_assert_uint_eq(stats.rdma[0].handles, 2);
	ck_assert_uint_eq(stats.rdma[0].handles_limit, 3);
	ck_assert_uint_eq(stats.rdma[0].objects_limit, HOY_CGROUP_UNLIMITED);
}
END_TEST

START_TEST(keyed_values_match_whole_words)
{
	ck_assert_uint_eq(hoy_cgroup_keyed("oom 1\noom_kill 7\n", "oom_kill"), 7);
	ck_assert_uint_eq(hoy_cgroup_keyed("oom_kill 7\noom 1", "oom"), 1);
	ck_assert_uint_eq(hoy_cgroup_keyed("oom_kill_disable 0\n", "oom_kill"), 0);
	ck_assert_uint_eq(hoy_cgroup_number("max"), HOY_CGROUP_UNLIMITED);
}
END_TEST

Suite *hoy_test_cgroup_stats(void)
{
	const TTest *const tests[] = {
		memory_stat_is_found_by_name,
		io_of_v2_is_read_per_device,
		io_of_v1_joins_bytes_and_operations,
		usage_per_cpu_is_a_list,
		pressure_is_in_hundredths,
		rdma_joins_use_and_limits,
		keyed_values_match_whole_words,
	};

	return hoy_unit_suite("cgroup-stats", tests, ARRAY_LEN(tests));
}
