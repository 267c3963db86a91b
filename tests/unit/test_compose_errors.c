/* What is wrong in a file is told with its place, the text and what would be right. */
#include "tests/unit/test_compose.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "supervisor/compose/yaml.h"

#define SERVICE "services:\n  a:\n    image: i\n"

Suite *suite_compose_errors(void);

START_TEST(each_mistake_has_its_text)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "services:\n  web:\n    imgae: nginx\n",
			"compose.yaml:3:5: services.web: additional property \"imgae\" is not allowed, did you mean \"image\"?" },
		{ "servcies: {}\n",
			"compose.yaml:1:1: additional property \"servcies\" is not allowed, did you mean \"services\"?" },
		{ "services: {a: {image: 5}}\n",
			"compose.yaml:1:23: services.a.image must be a string, not a number: \"5\"" },
		{ "services: [a]\n", "compose.yaml:1:11: services must be a mapping, not a list" },
		{ "services: {a: }\n", "services.a must be a mapping, not null" },
		{ "services: {\"a b\": {image: i}}\n", "compose.yaml:1:12: services: \"a b\" is no name" },
		{ SERVICE "    ports: \"80\"\n",
			"compose.yaml:4:12: services.a.ports must be a list, not a string: \"80\"" },
		{ SERVICE "    ports: [\"80:x\"]\n",
			"services.a.ports[0]: invalid port \"80:x\": the container's port is a number up to 65535" },
		{ SERVICE "    ports: [\"80-81:82-84\"]\n", "the ranges have different lengths" },
		{ SERVICE "    ports: [\"1.2.3:80:80\"]\n", "the address is none" },
		{ SERVICE "    ports: [\"80/foo\"]\n", "the protocol is tcp, udp or sctp" },
		{ SERVICE "    ports: [{published: 80}]\n", "services.a.ports[0]: target is required" },
		{ SERVICE "    ports: [{target: 80, host_ip: x}]\n", "services.a.ports: invalid ip address: x" },
		{ SERVICE "    privileged: maybe\n", "services.a.privileged: \"maybe\" is not a boolean" },
		{ SERVICE "    mem_limit: 12q\n", "services.a.mem_limit: \"12q\" is not a size" },
		{ SERVICE "    cpus: x\n", "services.a.cpus: \"x\" is not a number" },
		{ SERVICE "    scale: 1.5\n", "services.a.scale must be an integer, not a number: \"1.5\"" },
		{ SERVICE "    oom_score_adj: 2000\n", "2000 is not between -1000 and 1000" },
		{ SERVICE "    stop_grace_period: 10\n",
			"services.a.stop_grace_period must be a duration (\"1m30s\", \"500ms\"), not a number: \"10\"" },
		{ SERVICE "    cgroup: other\n", "services.a.cgroup: \"other\" is none of: host private" },
		{ SERVICE "    pull_policy: every_5potatoes\n",
			"services.a.pull_policy: \"every_5potatoes\" is none of: always" },
		{ SERVICE "    pull_policy: every_\n", "services.a.pull_policy: \"every_\" is none of: always" },
		{ SERVICE "    command: [sleep, 10]\n",
			"services.a.command[1] must be a string, not a number: \"10\"" },
		{ SERVICE "    command: \"a 'b\"\n", "invalid command line string" },
		{ SERVICE "    environment: {A: [1]}\n",
			"services.a.environment.A must be a string, a number, a boolean or null, not a list" },
		{ SERVICE "    environment: A=1\n",
			"services.a.environment must be a mapping or a list, not a string: \"A=1\"" },
		{ SERVICE "    environment: [\"A =1\"]\n",
			"environment variable A  is declared with a trailing space" },
		{ SERVICE "    environment: [\"=1\"]\n", "\"=1\" has no name" },
		{ SERVICE "    volumes: [\"a:/b:ro:x\"]\n", "invalid volume \"a:/b:ro:x\": too many colons" },
		{ SERVICE "    volumes: [\"a::\"]\n", "empty section between colons" },
		{ SERVICE "    volumes: [{type: bnd, target: /x}]\n",
			"\"bnd\" is none of: bind volume tmpfs cluster npipe image" },
		{ SERVICE "    volumes: [{type: bind, target: /x}]\n", "field Source must not be empty" },
		{ SERVICE "    volumes: [/x, {type: tmpfs, target: /x/}]\n",
			"target /x already mounted as services.a.volumes[0]" },
		{ SERVICE "    volumes: [\"v:/v\"]\n",
			"compose.yaml:4:15: service \"a\" refers to undefined volume v" },
		{ SERVICE "    networks: [n]\n", "service \"a\" refers to undefined network n" },
		{ SERVICE "    networks: [n]\n    network_mode: host\nnetworks: {n: }\n",
			"mutually exclusive `network_mode` and `networks`" },
		{ SERVICE "    secrets: [s]\n", "service \"a\" refers to undefined secret s" },
		{ SERVICE "    configs: [c]\n", "service \"a\" refers to undefined config c" },
		{ SERVICE "    models: [m]\n", "service \"a\" refers to undefined model m" },
		{ SERVICE "    depends_on: [b]\n", "service \"a\" depends on undefined service \"b\"" },
		{ SERVICE "    depends_on: {a: {condition: service_up}}\n",
			"is none of: service_started service_healthy service_completed_successfully" },
		{ SERVICE "    depends_on: {a: {}}\n", "services.a.depends_on.a: condition is required" },
		{ SERVICE "    depends_on: [a]\n", "dependency cycle detected: a -> a" },
		{ "services: {a: {image: i, depends_on: [b]}, b: {image: i, links: [c]}, c: {image: i, ipc: \"service:a\"}}\n",
			"dependency cycle detected: a -> b -> c -> a" },
		{ SERVICE "    scale: 2\n    container_name: x\n",
			"can't set container_name and scale as container name must be unique" },
		{ SERVICE "    scale: 2\n    deploy: {replicas: 3}\n",
			"can't set distinct values on 'scale' and 'deploy.replicas'" },
		{ SERVICE "    mem_limit: 1m\n    deploy: {resources: {limits: {memory: 2m}}}\n",
			"can't set distinct values on 'mem_limit'" },
		{ SERVICE "    deploy: {replicas: -1}\n", "must be greater than or equal to 0" },
		{ SERVICE "    healthcheck: {test: [curl]}\n",
			"must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"" },
		{ SERVICE "    develop: {watch: [{path: p, action: sync}]}\n",
			"target is required for non-rebuild actions" },
		{ SERVICE "    extra_hosts: [x]\n", "invalid additional host, missing IP: x" },
		{ SERVICE "    gpus: some\n", "gpus: \"some\": \"all\", or a list of requests" },
		{ SERVICE "    gpus: [{count: 1, device_ids: [x]}]\n",
			"\"count\" and \"device_ids\" attributes are exclusive" },
		{ SERVICE "    devices: [\"a:b:c:d\"]\n", "more than three parts" },
		{ SERVICE "    net: host\n", "\"net\" belongs to version 1 files: use network_mode" },
		{ SERVICE "    log_driver: x\n", "\"log_driver\" belongs to version 1 files: use logging.driver" },
		{ SERVICE "    log_opt: x\n", "\"log_opt\" belongs to version 1 files: use logging.options" },
		{ SERVICE "    volume_driver: x\n",
			"\"volume_driver\" belongs to version 1 files: use driver of the volume" },
		{ "services: {a: {}}\n", "service \"a\" has neither an image nor a build context specified" },
		{ "services: {a: {build: {dockerfile: D, dockerfile_inline: x}}}\n",
			"mutually exclusive dockerfile and dockerfile_inline" },
		{ SERVICE "volumes: {v: {external: true, driver: x}}\n",
			"volumes.v: conflicting parameters \"external\" and \"driver\" specified" },
		{ SERVICE "volumes: {v: {name: n, external: {name: x}}}\n",
			"volumes.v: name and external.name conflict; only use name" },
		{ SERVICE "configs: {c: {file: f, content: x}}\n",
			"configs.c: file|environment|content attributes are mutually exclusive" },
		{ SERVICE "secrets: {s: {}}\n", "secrets.s: one of file|environment must be set" },
		{ SERVICE "    image: j\n", "compose.yaml:4:5: mapping key \"image\" already defined at line 3" },
		{ SERVICE "    labels: {1: x}\n", "compose.yaml:4:14: non-string key 1: put it in quotes" },
		{ "services: {a: *x}\n", "unknown anchor 'x'" },
		{ "services: &a {b: *a}\n", "anchor 'a' contains itself" },
		{ "services: {a: {<<: x}}\n", "a merge key wants a mapping or a list of them, not a string" },
		{ "services: {a: {image: !foo i}}\n", "tag '!foo' is not for a string here" },
		{ "services: [\n", "compose.yaml:2:1: yaml: did not find expected node content" },
		{ "services: {a: {image: \"\xff\"}}\n", "yaml: " },
		{ "- a\n", "top-level object must be a mapping, not a list" },
		{ "", "empty compose file" },
		{ "include: [\"oci://x/y\"]\n", "remote resource \"oci://x/y\" is not supported" },
		{ "include: [none.yaml]\n", "include: cannot read " },
		{ "include: {}\n", "include must be a list, not a mapping" },
		{ "services: {a: {image: \"${X:?no x}\"}}\n",
			"compose.yaml:1:23: error while interpolating services.a.image: required variable X is missing a value: no x" },
		{ "services: {a: {image: \"${X\"}}\n",
			"invalid interpolation format: \"${X\": You may need to escape any $ with another $" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		compose_refused(cases[i].text, cases[i].want);
}
END_TEST

START_TEST(bombs_are_defused)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	(void) hoy_buf_adds(&text, "x-0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 9; i++) {
		(void) hoy_buf_addf(&text, "x-%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			(void) hoy_buf_addf(&text, "%s*a%d", j ? "," : "", i - 1);
		(void) hoy_buf_adds(&text, "]\n");
	}
	compose_refused(text.data, "aliases expand to more than 100000 values");
	hoy_buf_clear(&text);
	for (int i = 0; i < 1000; i++)
		(void) hoy_buf_adds(&text, "[");
	compose_refused(text.data, "nested deeper than 100 levels");
	hoy_buf_clear(&text);
	(void) hoy_buf_adds(&text, "x-a:\n");
	while (text.len < (size_t) HOY_YAML_MAX_SIZE + 10)
		(void) hoy_buf_adds(&text, "# a comment of some length, and nothing else on this line at all\n");
	compose_refused(text.data, "larger than 16 MiB");
}
END_TEST

START_TEST(ten_megabytes_are_read)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	(void) hoy_buf_adds(&text, SERVICE);
	while (text.len < (size_t) 10 << 20)
		(void) hoy_buf_adds(&text, "# a comment of some length, and nothing else on this line at all\n");
	ck_assert_ptr_nonnull(strstr(compose_config(text.data), "image: i"));
}
END_TEST

Suite *suite_compose_errors(void)
{
	const TTest *const tests[] = { each_mistake_has_its_text, bombs_are_defused, ten_megabytes_are_read };

	return hoy_unit_suite("compose_errors", tests, ARRAY_LEN(tests));
}
