/* Every key of a service in its forms, and what is printed of it. */
#include "supervisor/compose/emit.h"
#include "supervisor/compose/short_forms.h"
#include "tests/unit/test_compose.h"

#include <string.h>

Suite *suite_compose_values(void);

#define SERVICE "services:\n  a:\n    image: i\n"

START_TEST(a_small_file_is_printed_whole)
{
	ck_assert_str_eq(compose_config(SERVICE "    ports: [\"8080:80\"]\n    command: sh -c \"echo hi\"\n"),
		"name: p\nservices:\n  a:\n    command:\n      - sh\n      - -c\n      - echo hi\n    image: i\n    networks:\n"
		"      default: null\n    ports:\n      - mode: ingress\n        target: 80\n        published: \"8080\"\n"
		"        protocol: tcp\nnetworks:\n  default:\n    name: p_default\n");
}
END_TEST

START_TEST(ports_in_all_forms)
{
	compose_shows(SERVICE
		"    ports: [80, \"9000-9001:90-91/udp\", \"127.0.0.1:5:6\", \"[::1]:7:8\", \"10-12:13\"]\n",
		"target: 80\ntarget: 90\npublished: \"9000\"\nprotocol: udp\ntarget: 91\npublished: \"9001\"\nhost_ip: 127.0.0.1\n"
		"target: 6\npublished: \"5\"\nhost_ip: ::1\ntarget: 8\ntarget: 13\npublished: 10-12");
	compose_shows(SERVICE
		"    ports: [{target: \"80\", published: 81, name: web, app_protocol: http, mode: host, host_ip: 1.2.3.4}]\n",
		"name: web\nmode: host\nhost_ip: 1.2.3.4\ntarget: 80\npublished: \"81\"\nprotocol: tcp\napp_protocol: http");
	compose_shows(SERVICE "    expose: [80, \"90-91\"]\n", "expose:\n- \"80\"\n- 90-91");
}
END_TEST

START_TEST(volumes_in_all_forms)
{
	compose_shows(SERVICE
		"    volumes: [/anon, \"v:/d:ro\", \"./x:/x:z,rslave\", \"w:/w:nocopy\"]\nvolumes: {v: , w: }\n",
		"type: volume\ntarget: /anon\ntype: volume\nsource: v\ntarget: /d\nread_only: true\ntype: bind\nsource: /tmp\n"
		"target: /x\nselinux: z\npropagation: rslave\nsource: w\nnocopy: true\nname: p_v\nname: p_w");
	compose_shows(SERVICE
		"    volumes:\n      - {type: tmpfs, target: /t/, tmpfs: {size: 1m, mode: 0755}}\n"
		"      - {type: image, source: img, target: /i, image: {subpath: s}}\n"
		"      - {type: bind, source: /s, target: /b, consistency: cached, bind: {create_host_path: false, recursive: readonly}}\n"
		"      - {type: volume, source: v, target: /v, read_only: \"true\", volume: {subpath: s, labels: [a=b]}}\nvolumes: {v: {}}\n",
		"type: tmpfs\ntarget: /t\nsize: \"1048576\"\nmode: 493\ntype: image\nsource: img\nsubpath: s\nconsistency: cached\n"
		"create_host_path: false\nrecursive: readonly\nread_only: true\nlabels:\na: b\nsubpath: s");
	compose_shows(SERVICE "    tmpfs: /run\n    volumes_from: [\"container:x:ro\"]\n",
		"tmpfs:\n- /run\nvolumes_from:\n- container:x:ro");
}
END_TEST

START_TEST(limits_are_bytes_and_numbers)
{
	compose_shows(SERVICE
		"    mem_limit: 1.5g\n    mem_reservation: 64m\n    memswap_limit: -1\n    mem_swappiness: 60\n"
		"    shm_size: 2048\n    cpus: \"0.50\"\n    cpu_shares: \"512\"\n    cpu_quota: 50000\n    cpu_period: 100000\n"
		"    cpu_count: 2\n    cpu_percent: 50\n    cpu_rt_runtime: 400ms\n    cpu_rt_period: 1000000\n    cpuset: 0-1\n"
		"    pids_limit: 10\n    oom_score_adj: -5\n    oom_kill_disable: true\n",
		"cpu_count: 2\ncpu_percent: 50\ncpu_period: 100000\ncpu_quota: 50000\ncpu_rt_period: 1000000\ncpu_rt_runtime: 400000\n"
		"cpus: 0.5\ncpuset: 0-1\ncpu_shares: 512\nmem_limit: \"1610612736\"\nmem_reservation: \"67108864\"\n"
		"memswap_limit: \"-1\"\nmem_swappiness: \"60\"\noom_kill_disable: true\noom_score_adj: -5\npids_limit: 10\n"
		"shm_size: \"2048\"");
	compose_shows(SERVICE "    ulimits: {nproc: 65535, nofile: {soft: 1, hard: \"2\"}}\n",
		"nofile:\nsoft: 1\nhard: 2\nnproc: 65535");
	compose_shows(SERVICE
		"    blkio_config: {weight: 300, weight_device: [{path: /dev/a, weight: 400}],\n"
		"      device_read_bps: [{path: /dev/a, rate: 12mb}], device_write_iops: [{path: /dev/a, rate: 30}],\n"
		"      device_read_iops: [{path: /dev/b, rate: 1}], device_write_bps: [{path: /dev/b, rate: 2k}]}\n",
		"weight: 300\nweight: 400\nrate: \"12582912\"\ndevice_read_iops\ndevice_write_bps\nrate: \"2048\"\n"
		"device_write_iops\nrate: \"30\"");
}
END_TEST

START_TEST(deploy_and_its_parts)
{
	compose_shows(SERVICE
		"    deploy:\n      mode: replicated\n      replicas: \"6\"\n      labels: [FOO=BAR]\n"
		"      endpoint_mode: dnsrr\n"
		"      update_config: {parallelism: 3, delay: 10s, failure_action: continue, monitor: 60s, max_failure_ratio: 0.3, order: start-first}\n"
		"      rollback_config: {parallelism: 0, order: stop-first}\n"
		"      resources: {limits: {cpus: '0.001', memory: 50M, pids: 100}, reservations: {cpus: 0.0001, memory: 20M,\n"
		"        generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}],\n"
		"        devices: [{capabilities: [gpu], driver: nvidia, options: {a: 1}}]}}\n"
		"      restart_policy: {condition: on-failure, delay: 5s, max_attempts: 3, window: 120s}\n"
		"      placement: {constraints: [node=foo], preferences: [{spread: node.labels.az}], max_replicas_per_node: 5}\n",
		"mode: replicated\nreplicas: 6\nFOO: BAR\nparallelism: 3\ndelay: 10s\nfailure_action: continue\nmonitor: 1m0s\n"
		"max_failure_ratio: 0.3\norder: start-first\nparallelism: 0\nlimits:\ncpus: 0.001\nmemory: \"52428800\"\npids: 100\n"
		"cpus: 0.0001\ncapabilities:\ndriver: nvidia\ncount: -1\nkind: gpu\nvalue: 2\ncondition: on-failure\ndelay: 5s\n"
		"max_attempts: 3\nwindow: 2m0s\nconstraints:\nspread: node.labels.az\nmax_replicas_per_node: 5\nendpoint_mode: dnsrr");
}
END_TEST

START_TEST(build_in_both_forms)
{
	compose_shows("services: {a: {build: ./d}}\n", "context: /tmp/hoy-test-compose\ndockerfile: Dockerfile");
	compose_shows(
		"services:\n  a:\n    build: {context: \"https://x/y.git\", dockerfile_inline: \"FROM x\\nRUN y\\n\", args: [A, B=2],\n"
		"      additional_contexts: [\"b=docker-image://x\"], cache_from: c, cache_to: [d], entitlements: [e], extra_hosts: {h: 1.2.3.4},\n"
		"      isolation: default, labels: {l: 1}, network: host, no_cache: true, no_cache_filter: st, platforms: [linux/amd64],\n"
		"      privileged: true, provenance: true, pull: true, sbom: false, secrets: [s], shm_size: 1m, ssh: [default], tags: [t],\n"
		"      target: st, ulimits: {nofile: 5}}\nsecrets: {s: {environment: E}}\n",
		"context: https://x/y.git\ndockerfile_inline: |\nFROM x\nentitlements:\nB: \"2\"\nprovenance: \"true\"\nsbom: \"false\"\nssh:\n"
		"- default\nl: \"1\"\n- c\n- d\nno_cache: true\n- st\nb: docker-image://x\npull: true\n- h=1.2.3.4\nisolation: default\n"
		"network: host\ntarget: st\nsource: s\nshm_size: \"1048576\"\n- t\nnofile: 5\n- linux/amd64\nprivileged: true\nenvironment: E");
}
END_TEST

START_TEST(networks_of_services_and_projects)
{
	compose_shows(SERVICE
		"    networks: {n: {aliases: [x, x], ipv4_address: 10.0.0.2, ipv6_address: \"::2\", link_local_ips: [169.254.1.1],\n"
		"      mac_address: \"02:42:ac:11:00:01\", driver_opts: {a: 1}, priority: 5, gw_priority: 2, interface_name: eth5}, m: }\n"
		"networks:\n  n: {driver: bridge, driver_opts: {o: 1}, internal: true, attachable: true, enable_ipv4: true, enable_ipv6: false, labels: [l=1],\n"
		"    ipam: {driver: default, options: {q: r}, config: [{subnet: 10.0.0.0/24, ip_range: 10.0.0.128/25, gateway: 10.0.0.1, aux_addresses: {h: 10.0.0.9}}]}}\n"
		"  m: {external: true, name: real}\n",
		"m: null\naliases:\n- x\na: \"1\"\ngw_priority: 2\ninterface_name: eth5\nipv4_address: 10.0.0.2\nipv6_address: ::2\n"
		"- 169.254.1.1\nmac_address: 02:42:ac:11:00:01\npriority: 5\nname: real\nexternal: true\nname: p_n\ndriver: bridge\no: \"1\"\n"
		"driver: default\nsubnet: 10.0.0.0/24\ngateway: 10.0.0.1\nip_range: 10.0.0.128/25\nh: 10.0.0.9\nq: r\ninternal: true\n"
		"attachable: true\nl: \"1\"\nenable_ipv4: true\nenable_ipv6: false");
	compose_shows(SERVICE "    network_mode: host\n", "network_mode: host");
	ck_assert_ptr_null(strstr(compose_config(SERVICE "    network_mode: host\n"), "networks"));
}
END_TEST

START_TEST(dependencies_are_said_and_implied)
{
	compose_shows(SERVICE
		"    depends_on: {b: {condition: service_healthy, restart: true, required: false}}\n  b: {image: i}\n",
		"condition: service_healthy\nrestart: true\nrequired: false");
	compose_shows(SERVICE
		"    links: [\"b:x\"]\n    ipc: service:c\n    volumes_from: [\"d:ro\"]\n  b: {image: i}\n  c: {image: i}\n  d: {image: i}\n",
		"depends_on:\nb:\nrestart: true\nc:\nrestart: true\nd:\ncondition: service_started\nrequired: true");
}
END_TEST

START_TEST(the_other_keys_of_a_service)
{
	compose_shows(SERVICE
		"    annotations: [a=b]\n    attach: false\n    cap_add: [ALL, ALL]\n    cap_drop: [NET_ADMIN]\n    cgroup: private\n"
		"    cgroup_parent: cp\n    container_name: cn\n    credential_spec: {file: f}\n    device_cgroup_rules: [\"c 1:3 mr\"]\n"
		"    devices: [\"/dev/a:/dev/b:r\", /dev/c, {source: x.com/y=z}]\n    dns: 1.1.1.1\n    dns_opt: [use-vc]\n    dns_search: [x]\n"
		"    domainname: dom\n    entrypoint: [\"/e\"]\n    environment: [A=1, C]\n    external_links: [r]\n"
		"    extra_hosts: [\"b:1.2.3.4\", \"a=::1\", \"c:[::2]\"]\n    group_add: [1, x]\n    gpus: all\n"
		"    healthcheck: {test: t, interval: 1m30s, timeout: 500ms, retries: 3, start_period: 1d, start_interval: 5s}\n    hostname: h\n"
		"    init: true\n    ipc: host\n    isolation: process\n    labels: {l: 1, e: , b: true}\n    logging: {driver: d, options: {o: 1}}\n"
		"    mac_address: m\n    models: [mo]\n    pid: host\n    platform: linux/amd64\n    post_start: [{command: x, user: u, privileged: true, working_dir: /w, environment: {E: 1}}]\n"
		"    pre_start: [{command: y, per_replica: true}]\n    pre_stop: [{command: z}]\n    privileged: true\n    profiles: []\n    pull_policy: if_not_present\n"
		"    read_only: true\n    restart: always\n    runtime: rt\n    scale: 1\n    secrets: [s]\n    security_opt: [so]\n    stdin_open: true\n"
		"    stop_grace_period: 20s\n    stop_signal: SIGUSR1\n    storage_opt: {size: 1G}\n    sysctls: {s: 0}\n    tty: true\n    use_api_socket: true\n"
		"    user: u\n    userns_mode: host\n    uts: host\n    working_dir: /w\n    develop: {watch: [{path: p, action: sync+exec, target: /t, exec: {command: c}, include: i, ignore: [g], initial_sync: true}]}\n"
		"    configs: [{source: c, target: /c, uid: \"1\", gid: \"2\", mode: 0440}]\n    provider: {type: pt, options: {a: 1, b: [x]}}\n"
		"    x-own: {k: v}\nmodels: {mo: {model: ai/x, name: n, context_size: 5, runtime_flags: [f]}}\n"
		"secrets: {s: {file: ./s, labels: {a: b}}}\nconfigs: {c: {content: hi, template_driver: td}}\nx-top: 1\n",
		"annotations:\na: b\nattach: false\nwatch:\naction: sync+exec\ntarget: /t\ncommand:\n- c\ninclude:\n- i\nignore:\n- g\ninitial_sync: true\n"
		"cap_add:\n- ALL\ncap_drop:\n- NET_ADMIN\ncgroup_parent: cp\ncgroup: private\nsource: c\ntarget: /c\nuid: \"1\"\ngid: \"2\"\nmode: \"0440\"\n"
		"container_name: cn\nfile: f\n- c 1:3 mr\nsource: /dev/a\ntarget: /dev/b\npermissions: r\nsource: /dev/c\npermissions: rwm\nsource: x.com/y=z\n"
		"dns:\n- 1.1.1.1\ndns_opt:\n- use-vc\ndns_search:\n- x\ndomainname: dom\nentrypoint:\n- /e\nprovider:\ntype: pt\na: \"1\"\n- x\n"
		"environment:\nA: \"1\"\nC: null\nexternal_links:\n- r\nextra_hosts:\n- a=::1\n- b=1.2.3.4\n- c=::2\ngroup_add:\n- \"1\"\ngpus:\n- count: -1\n"
		"hostname: h\nhealthcheck:\n- CMD-SHELL\n- t\ntimeout: 500ms\ninterval: 1m30s\nretries: 3\nstart_period: 24h0m0s\nstart_interval: 5s\n"
		"image: i\ninit: true\nipc: host\nisolation: process\nb: \"true\"\ne: \"\"\nl: \"1\"\ndriver: d\no: \"1\"\nmac_address: m\nmodels:\nmo: null\n"
		"pid: host\nplatform: linux/amd64\nprivileged: true\npull_policy: missing\nread_only: true\nrestart: always\nruntime: rt\nscale: 1\n"
		"source: s\ntarget: /run/secrets/s\n- so\nstdin_open: true\nstop_grace_period: 20s\nstop_signal: SIGUSR1\nsize: 1G\nsysctls:\ns: \"0\"\n"
		"tty: true\nuse_api_socket: true\nuser: u\nuserns_mode: host\nuts: host\nworking_dir: /w\npre_start:\n- \"y\"\nimage: i\nper_replica: true\n"
		"post_start:\n- x\nuser: u\nprivileged: true\nworking_dir: /w\nE: \"1\"\npre_stop:\n- z\nx-own:\nk: v\nlabels:\na: b\ncontent: hi\n"
		"template_driver: td\nname: \"n\"\nmodel: ai/x\ncontext_size: 5\n- f\nx-top: 1");
}
END_TEST

START_TEST(secrets_and_volumes_of_drivers)
{
	compose_shows(SERVICE
		"    secrets: [s]\n    volumes: [\"v:/v\"]\nsecrets: {s: {name: real, driver: d, driver_opts: {o: 1}, template_driver: t}}\n"
		"volumes: {v: {driver: local, driver_opts: {type: none, o: bind, device: ./d}, labels: {a: b}}}\n",
		"driver: local\ndevice: /tmp/hoy-test-compose\na: b\nname: real\ndriver: d\no: \"1\"\ntemplate_driver: t");
}
END_TEST

START_TEST(scalars_stand_as_go_writes_them)
{
	static const struct {
		const char *text, *want;
	} strings[] = {
		{ "plain", "plain" },
		{ "", "\"\"" },
		{ "yes", "\"yes\"" },
		{ "null", "\"null\"" },
		{ "12", "\"12\"" },
		{ "1:30", "\"1:30\"" },
		{ "2001-01-01", "\"2001-01-01\"" },
		{ "a: b", "'a: b'" },
		{ "it's # x", "'it''s # x'" },
		{ "-x", "-x" },
		{ "- x", "'- x'" },
		{ "@x", "'@x'" },
		{ "x ", "'x '" },
		{ "a\tb", "\"a\\tb\"" },
		{ "{a}", "'{a}'" },
		{ "a,b", "a,b" },
		{ "\x01", "\"\\x01\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		auto_(hoy_buf_done) struct hoy_buf out = {};

		hoy_emit_yaml_scalar(&(struct hoy_node){ .type = HOY_NODE_STRING, .text = strings[i].text }, &out);
		ck_assert_str_eq(out.data, strings[i].want);
	}
}
END_TEST

START_TEST(keys_sort_as_go_sorts_them)
{
	static const char *const sorted[] = { "1", "2", "10", "A", "a", "a1", "a2", "a10", "a-b", "ab" };

	ck_assert_int_lt(hoy_emit_compare_keys("a2", "a10"), 0);
	ck_assert_int_lt(hoy_emit_compare_keys("a-b", "ab"), 0);
	ck_assert_int_lt(hoy_emit_compare_keys("a", "ab"), 0);
	for (size_t i = 0; i + 1 < 8; i++)
		ck_assert_int_lt(hoy_emit_compare_keys(sorted[i], sorted[i + 1]), 0);
}
END_TEST

START_TEST(commands_are_split_as_a_shell_does)
{
	const struct hoy_node at = { .type = HOY_NODE_STRING, .file = "f" };
	struct hoy_arena arena = {};
	char **words = hoy_split_words(&arena, &at, "a 'b  c' \"d \\\"e\\\" \\n\" f\\ g ''", NULL);

	ck_assert_ptr_nonnull(words);
	ck_assert_str_eq(words[0], "a");
	ck_assert_str_eq(words[1], "b  c");
	ck_assert_str_eq(words[2], "d \"e\" \\n");
	ck_assert_str_eq(words[3], "f g");
	ck_assert_str_eq(words[4], "");
	ck_assert_ptr_null(words[5]);
	ck_assert_ptr_null(hoy_split_words(&arena, &at, "a 'b", NULL));
	hoy_arena_done(&arena);
}
END_TEST

START_TEST(structs_are_filled_from_the_tree)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;
	const struct hoy_compose_service *service;
	char hash[HOY_COMPOSE_HASH_SIZE], again[HOY_COMPOSE_HASH_SIZE];

	compose_files("compose.yaml",
		SERVICE
		"    init: false\n    mem_limit: 1m\n    ulimits: {nofile: 5}\n    healthcheck: {interval: 2s, test: [CMD, x]}\n"
		"    command: []\n    environment: {A: b}\n    deploy: {replicas: 3}\n    pull_policy: build\n",
		NULL);
	project = compose_load(NULL);
	ck_assert_uint_eq(project->n_services, 1);
	service = hoy_compose_service_find(project, "a");
	ck_assert(service->init && !*service->init);
	ck_assert_int_eq(service->mem_limit, 1 << 20);
	ck_assert(service->ulimits[0]->single && service->ulimits[0]->soft == 5 && service->ulimits[0]->hard == 5);
	ck_assert_str_eq(service->ulimits[0]->name, "nofile");
	ck_assert_int_eq(*service->healthcheck->interval, 2000000000);
	ck_assert(service->command && !*service->command && !service->entrypoint);
	ck_assert_str_eq(hoy_compose_pair_get(service->environment, "A"), "b");
	ck_assert_int_eq(hoy_compose_replicas(service), 3);
	ck_assert_str_eq(project->networks[0]->real_name, "p_default");
	ck_assert_int_eq(hoy_compose_service_hash(service, hash, NULL), 0);
	hoy_compose_project_free(project);

	/* What is no matter of a container does not change the hash. */
	compose_files("compose.yaml",
		SERVICE
		"    init: false\n    mem_limit: 1m\n    ulimits: {nofile: 5}\n    healthcheck: {interval: 2s, test: [CMD, x]}\n"
		"    command: []\n    environment: {A: b}\n    deploy: {replicas: 4}\n",
		NULL);
	project = compose_load(NULL);
	ck_assert_int_eq(hoy_compose_service_hash(project->services[0], again, NULL), 0);
	ck_assert_str_eq(hash, again);
}
END_TEST

START_TEST(the_hash_is_of_gos_json)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;
	auto_(hoy_buf_done) struct hoy_buf out = {};

	compose_files("compose.yaml", SERVICE "    environment: {A: \"<&>\"}\n    deploy: {mode: global}\n", NULL);
	project = compose_load(NULL);
	ck_assert_int_eq(hoy_compose_print_service_json(project->services[0], &out), 0);
	ck_assert_str_eq(out.data,
		"{\"command\":null,\"deploy\":{\"mode\":\"global\",\"resources\":{},\"placement\":{}},\"entrypoint\":null,"
		"\"environment\":{\"A\":\"\\u003c\\u0026\\u003e\"},\"image\":\"i\",\"networks\":{\"default\":null}}");
}
END_TEST

Suite *suite_compose_values(void)
{
	const TTest *const tests[] = { a_small_file_is_printed_whole, ports_in_all_forms, volumes_in_all_forms,
		limits_are_bytes_and_numbers, deploy_and_its_parts, build_in_both_forms,
		networks_of_services_and_projects, dependencies_are_said_and_implied, the_other_keys_of_a_service,
		secrets_and_volumes_of_drivers, scalars_stand_as_go_writes_them, keys_sort_as_go_sorts_them,
		commands_are_split_as_a_shell_does, structs_are_filled_from_the_tree, the_hash_is_of_gos_json };

	return hoy_unit_suite("compose_values", tests, ARRAY_LEN(tests));
}
