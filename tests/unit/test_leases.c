/* supervisor/network/network.c with a database in memory: leases, checks, information. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/loop.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"
#include "supervisor/store/store.h"
#include "tests/unit/unit.h"

Suite *suite_leases(void);

static struct hoy_loop *loop;
static struct hoy_store *store;
static struct hoy_networks *networks;

static void open_room(const char *bip)
{
	const struct hoy_network_config config = { .exec_root = "/nonexistent/hoy-unit", .bip = bip };

	ck_assert_int_eq(hoy_loop_new(&loop, NULL), 0);
	ck_assert_int_eq(hoy_store_open(NULL, ":memory:", &store, NULL), 0);
	ck_assert_int_eq(hoy_network_open(loop, store, &config, &networks, NULL), 0);
}

static void close_room(void)
{
	hoy_network_free(networks);
	hoy_store_close(store);
	hoy_loop_free(loop);
}

static int allocate(
	const char *id, const char *network, const struct hoy_network_port *ports, size_t n, struct hoy_err *err)
{
	const struct hoy_network_request request = {
		.container_id = id, .network = network, .ports = ports, .n_ports = n
	};

	return hoy_network_allocate(networks, &request, err);
}

static uint32_t place_of(const char *id)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row row = {};

	ck_assert_int_eq(hoy_endpoints_find(store, id, &row, NULL), 1);
	return row.place;
}

START_TEST(three_networks_are_there_from_the_start)
{
	struct hoy_network_info *infos, info;
	size_t n;

	open_room("172.30.0.1/16");
	ck_assert_int_eq(hoy_network_list(networks, &infos, &n, NULL), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(infos[0].name, "bridge");
	ck_assert_str_eq(infos[1].driver, "host");
	ck_assert_str_eq(infos[2].driver, "null");
	ck_assert_uint_eq(strlen(infos[0].id), 64);

	infos[0].id[12] = '\0';
	ck_assert_int_eq(hoy_network_get(networks, infos[0].id, &info, NULL), 0);
	ck_assert_str_eq(info.name, "bridge");
	hoy_network_info_done(&info);
	ck_assert_int_eq(hoy_network_get(networks, "default", &info, NULL), 0);
	hoy_network_info_done(&info);
	ck_assert_int_eq(hoy_network_get(networks, "web", &info, NULL), -ENOENT);
	hoy_network_infos_free(infos, n);
	close_room();
}
END_TEST

START_TEST(the_lowest_free_address_is_leased)
{
	open_room("172.30.0.3/16");
	for (int i = 0; i < 5; i++) {
		char id[8];

		(void) snprintf(id, sizeof id, "c%d", i);
		ck_assert_int_eq(allocate(id, NULL, NULL, 0, NULL), 0);
	}
	ck_assert_uint_eq(place_of("c0"), 1);
	ck_assert_uint_eq(place_of("c1"), 2);
	ck_assert_uint_eq(place_of("c2"), 4); /* 3 is the gateway's */
	ck_assert_uint_eq(place_of("c4"), 6);
	ck_assert_int_eq(hoy_network_release(networks, "c1", NULL), 0);
	ck_assert_int_eq(hoy_network_release(networks, "c1", NULL), 0);
	ck_assert_int_eq(allocate("c5", "bridge", NULL, 0, NULL), 0);
	ck_assert_uint_eq(place_of("c5"), 2);
	ck_assert_int_eq(allocate("c5", "bridge", NULL, 0, NULL), -EEXIST);
	close_room();
}
END_TEST

START_TEST(a_full_subnet_says_so)
{
	struct hoy_err err = {};

	open_room("172.30.0.1/29");
	for (int i = 0; i < 5; i++) {
		char id[8];

		(void) snprintf(id, sizeof id, "c%d", i);
		ck_assert_int_eq(allocate(id, NULL, NULL, 0, NULL), 0);
	}
	ck_assert_int_eq(allocate("c5", NULL, NULL, 0, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "no available IPv4 addresses on this network's address pools: bridge ("));
	close_room();
}
END_TEST

START_TEST(host_and_none_lease_nothing)
{
	struct hoy_endpoint_info info;

	open_room("172.30.0.1/29");
	for (int i = 0; i < 20; i++) {
		char id[8];

		(void) snprintf(id, sizeof id, "c%d", i);
		ck_assert_int_eq(allocate(id, i % 2 ? "host" : "none", NULL, 0, NULL), 0);
		ck_assert_uint_eq(place_of(id), 0);
	}
	ck_assert_int_eq(hoy_network_endpoint(networks, "c1", &info, NULL), 0);
	ck_assert_int_eq(info.mode, HOY_NETWORK_HOST);
	ck_assert(!info.attached);
	hoy_endpoint_info_done(&info);
	close_room();
}
END_TEST

START_TEST(bad_requests_are_refused)
{
	const struct {
		struct hoy_network_port port;
		int want;
	} cases[] = {
		{ { HOY_PORT_TCP, 0, 80, 0, "" }, -EINVAL },
		{ { HOY_PORT_TCP, 80, 90, 80, "" }, -EINVAL },
		{ { HOY_PORT_TCP, 80, 0, 80, "" }, -EINVAL },
		{ { HOY_PORT_TCP, 80, 80, 0, "1.2.3" }, -EINVAL },
		{ { HOY_PORT_TCP, 80, 80, 0, "::g" }, -EINVAL },
		{ { HOY_PORT_UDP, 53, 1024, 1025, "127.0.0.1" }, 0 },
	};
	const struct hoy_network_request bad_mac = { .container_id = "m", .mac = "01:00:5e:00:00:01" };

	open_room("172.30.0.1/16");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_int_eq(allocate("c", NULL, &cases[i].port, 1, NULL), cases[i].want);
	ck_assert_int_eq(allocate("d", "nowhere", NULL, 0, NULL), -ENOENT);
	ck_assert_int_eq(hoy_network_allocate(networks, &bad_mac, NULL), -EINVAL);
	close_room();
}
END_TEST

START_TEST(mac_addresses_are_parsed_strictly)
{
	uint8_t mac[6];
	char text[HOY_NETWORK_MAC_MAX];

	ck_assert_int_eq(hoy_network_mac_parse("02:42:AC:11:00:02", mac), 0);
	hoy_network_mac_format(mac, text);
	ck_assert_str_eq(text, "02:42:ac:11:00:02");
	ck_assert_int_eq(hoy_network_mac_parse("02:42:ac:11:00", mac), -EINVAL);
	ck_assert_int_eq(hoy_network_mac_parse("02:42:ac:11:00:02:03", mac), -EINVAL);
	ck_assert_int_eq(hoy_network_mac_parse(" 2:42:ac:11:00:02", mac), -EINVAL);
	ck_assert_int_eq(hoy_network_mac_parse("00:00:00:00:00:00", mac), -EINVAL);
	hoy_network_mac_from(0xac110002, mac);
	hoy_network_mac_format(mac, text);
	ck_assert_str_eq(text, "02:42:ac:11:00:02");
}
END_TEST

START_TEST(a_bridge_of_another_exec_root_has_another_name)
{
	const struct hoy_network_config plain = { .exec_root = "/run/hoy/" }, other = { .exec_root = "/run/two" };
	const struct hoy_network_config named = { .exec_root = "/run/two", .bridge = "drop" };
	const struct hoy_network_config bad = { .exec_root = "/run/two", .bridge = "a b" };
	struct hoy_networks *n;

	open_room(NULL);
	ck_assert_int_eq(hoy_network_open(loop, store, &plain, &n, NULL), 0);
	ck_assert_str_eq(n->bridge, "hoy0");
	ck_assert_str_eq(n->table, "hoy");
	hoy_network_free(n);
	ck_assert_int_eq(hoy_network_open(loop, store, &other, &n, NULL), 0);
	ck_assert_uint_eq(strlen(n->bridge), 10);
	ck_assert(hoy_str_starts(n->bridge, "hoy-"));
	ck_assert_str_eq(n->table, n->bridge);
	ck_assert_str_ne(n->bridge, networks->bridge);
	hoy_network_free(n);
	ck_assert_int_eq(hoy_network_open(loop, store, &named, &n, NULL), 0);
	ck_assert_str_eq(n->table, "hoy-drop");
	hoy_network_free(n);
	ck_assert_int_eq(hoy_network_open(loop, store, &bad, &n, NULL), -EINVAL);
	close_room();
}
END_TEST

START_TEST(the_default_network_gives_no_address_that_is_asked_for)
{
	const struct hoy_network_request request = {
		.container_id = "c1", .network = "bridge", .address = "172.30.0.3"
	};
	struct hoy_err err = {};

	open_room("172.30.0.1/29");
	ck_assert_int_eq(hoy_network_allocate(networks, &request, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "user specified IP address is supported on user defined networks only"));
	close_room();
}
END_TEST

START_TEST(the_gateway_has_the_highest_priority_then_the_first_name)
{
	const struct hoy_network_row nets[] = {
		{ .id = "1", .name = "bbb", .driver = "bridge", .subnet = 0x0a320000, .prefix_len = 24, .gateway = 1 },
		{ .id = "2", .name = "aaa", .driver = "bridge", .subnet = 0x0a330000, .prefix_len = 24, .gateway = 1 },
		{ .id = "3",
			.name = "000",
			.driver = "bridge",
			.subnet = 0x0a340000,
			.prefix_len = 24,
			.gateway = 1,
			.flags = HOY_NETWORK_INTERNAL },
	};
	struct hoy_endpoint_row rows[] = {
		{ .network_id = "1", .network_name = "bbb" },
		{ .network_id = "2", .network_name = "aaa" },
		{ .network_id = "3", .network_name = "000" },
		{ .network_id = "gone", .network_name = "0" },
	};
	size_t gateway;

	open_room("172.30.0.1/29");
	for (size_t i = 0; i < ARRAY_LEN(nets); i++)
		ck_assert_int_eq(hoy_networks_insert(store, &nets[i], NULL), 0);
	ck_assert_int_eq(hoy_endpoints_gateway(networks, rows, ARRAY_LEN(rows), &gateway, NULL), 0);
	ck_assert_uint_eq(gateway, 1);
	rows[0].priority = 1;
	ck_assert_int_eq(hoy_endpoints_gateway(networks, rows, ARRAY_LEN(rows), &gateway, NULL), 0);
	ck_assert_uint_eq(gateway, 0);
	ck_assert_int_eq(hoy_endpoints_gateway(networks, &rows[2], 2, &gateway, NULL), 0);
	ck_assert_uint_eq(gateway, 2);
	close_room();
}
END_TEST

Suite *suite_leases(void)
{
	const TTest *const tests[] = { three_networks_are_there_from_the_start, the_lowest_free_address_is_leased,
		a_full_subnet_says_so, host_and_none_lease_nothing, bad_requests_are_refused,
		mac_addresses_are_parsed_strictly, a_bridge_of_another_exec_root_has_another_name,
		the_default_network_gives_no_address_that_is_asked_for,
		the_gateway_has_the_highest_priority_then_the_first_name };

	return hoy_unit_suite("leases", tests, ARRAY_LEN(tests));
}
