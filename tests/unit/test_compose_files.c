/* Several files: overrides, extends, include, profiles, env files, and where a project is found. */
#include "supervisor/compose/find.h"
#include "tests/unit/test_compose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"

Suite *suite_compose_files(void);

#define SERVICE "services:\n  a:\n    image: i\n"

static void shows(const char *all, const char *want)
{
	const char *got = all;

	while (*want) {
		size_t len = strcspn(want, "\n");
		auto_free char *line = strndup(want, len);

		ck_assert_msg((got = strstr(got, line)) != NULL, "no \"%s\" in: %s", line, all);
		got += len;
		want += len + (want[len] == '\n');
	}
}

/* Two files merged; `lacks` must not be there. */
static void merged(const char *base, const char *over, const char *want, const char *lacks)
{
	const char *all;

	compose_files("compose.yaml", base, "compose.override.yaml", over, NULL);
	all = compose_print(NULL);
	shows(all, want);
	if (lacks)
		ck_assert_msg(!strstr(all, lacks), "\"%s\" in: %s", lacks, all);
}

START_TEST(maps_meet_lists_are_appended_values_are_replaced)
{
	merged(SERVICE "    environment: {A: 1, B: 2}\n    cap_add: [X]\n    command: [old]\n    dns: 1.1.1.1\n",
		"services: {a: {image: j, environment: [B=3, C=4], cap_add: [X, Y], command: [new], dns: [2.2.2.2]}}\n",
		"cap_add:\n- X\n- \"Y\"\ncommand:\n- new\ndns:\n- 1.1.1.1\n- 2.2.2.2\nA: \"1\"\nB: \"3\"\nC: \"4\"\nimage: j",
		"old");
}
END_TEST

START_TEST(same_items_are_replaced_by_their_key)
{
	merged(SERVICE
		"    ports: [\"80:80\", \"81:81\"]\n    volumes: [\"x:/d\", \"y:/e\"]\n    secrets: [s]\n    devices: [/dev/a:/dev/x]\nvolumes: {x: , y: , z: }\nsecrets: {s: {environment: S}, t: {environment: T}}\n",
		"services: {a: {ports: [\"80:80\", \"82:82\"], volumes: [\"z:/d:ro\"], secrets: [{source: t, target: /run/secrets/s}], devices: [\"/dev/b:/dev/x\"]}}\n",
		"- source: /dev/b\npublished: \"80\"\npublished: \"81\"\npublished: \"82\"\nsource: t\nsource: z\ntarget: /d\nsource: \"y\"",
		"source: x");
}
END_TEST

START_TEST(logging_options_belong_to_their_driver)
{
	merged(SERVICE "    logging: {driver: a, options: {x: 1}}\n",
		"services: {a: {logging: {driver: b, options: {y: 2}}}}\n", "driver: b\n\"y\": \"2\"", "x:");
	merged(SERVICE "    logging: {driver: a, options: {x: 1}}\n", "services: {a: {logging: {options: {z: 2}}}}\n",
		"driver: a\nx: \"1\"\nz: \"2\"", NULL);
}
END_TEST

START_TEST(subnets_and_ulimits_merge_by_their_own_rules)
{
	merged(SERVICE
		"    networks: [n]\n    ulimits: {nofile: {soft: 1, hard: 2}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}\n",
		"services: {a: {ulimits: {nofile: 7}}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.1}, {subnet: 10.1.0.0/24}]}}}\n",
		"nofile: 7\n- subnet: 10.0.0.0/24\ngateway: 10.0.0.1\n- subnet: 10.1.0.0/24", "soft");
}
END_TEST

START_TEST(reset_takes_away_and_override_takes_the_place)
{
	merged(SERVICE "    ports: [\"80:80\"]\n    environment: {A: 1, B: 2}\n    labels: {l: 1}\n  b: {image: i}\n",
		"services:\n  a:\n    ports: !override [\"81:81\"]\n    environment: {A: !reset null}\n    labels: !reset {}\n  b: !reset null\n",
		"B: \"2\"\npublished: \"81\"", "labels");
	merged(SERVICE "    ports: [\"80:80\"]\n", "services: {a: {ports: !reset []}}\n", "image: i", "ports");
}
END_TEST

START_TEST(anchors_and_merge_keys)
{
	compose_shows(
		"x-a: &a {image: i, restart: always}\nx-b: &b {restart: \"no\", user: u}\nservices:\n  a: {<<: [*a, *b], user: own}\n  b: *a\n",
		"a:\nimage: i\nrestart: always\nuser: own\nb:\nimage: i\nrestart: always");
}
END_TEST

START_TEST(documents_of_a_file_merge)
{
	compose_shows(SERVICE "---\nservices: {a: {user: u}}\n", "image: i\nuser: u");
}
END_TEST

START_TEST(extends_in_a_file_and_across_files)
{
	compose_files("compose.yaml",
		"services:\n  a: {extends: {file: sub/base.yaml, service: x}, environment: {B: 3}}\n  b: {extends: a, user: u}\n",
		"sub/base.yaml",
		"services:\n  x: {extends: y, build: ./ctx, environment: {A: 1, B: 2}, env_file: e.env}\n  y: {volumes: [\"./d:/d\"], hostname: h}\n",
		"sub/e.env", "E=5\n", NULL);
	shows(compose_print(NULL),
		"a:\nbuild:\ncontext: /tmp\n/sub/ctx\nA: \"1\"\nB: \"3\"\nE: \"5\"\nhostname: h\n/sub/d\nb:\nB: \"3\"\nuser: u");
}
END_TEST

START_TEST(include_brings_a_project_with_its_own_directory_and_env)
{
	compose_files("compose.yaml",
		"include:\n  - sub/compose.yaml\n  - {path: [other.yaml, over.yaml], project_directory: sub, env_file: o.env}\n"
		"services: {a: {image: i, depends_on: [s]}, s: {user: u}}\n",
		"sub/compose.yaml", "services: {s: {image: \"s:${V}\", volumes: [\"./x:/x\"]}}\nnetworks: {n: {}}\n",
		"sub/.env", "V=1\n", "other.yaml", "services: {o: {image: \"o:${W}\", volumes: [\"./y:/y\"]}}\n",
		"over.yaml", "services: {o: {user: w}}\n", "o.env", "W=2\n", NULL);
	shows(compose_print(NULL), "o:\nimage: o:2\nuser: w\n/sub/y\ns:\nimage: s:1\nuser: u\n/sub/x");
}
END_TEST

START_TEST(cycles_of_extends_and_include_are_told)
{
	compose_files("compose.yaml", "services: {a: {extends: {file: b.yaml, service: b}}}\n", "b.yaml",
		"services: {b: {extends: {file: compose.yaml, service: a}}}\n", NULL);
	ck_assert_ptr_nonnull(strstr(compose_print(NULL), "circular reference in extends: a ("));
	compose_files("compose.yaml", "include: [b.yaml]\n", "b.yaml", "include: [compose.yaml]\n", NULL);
	ck_assert_ptr_nonnull(strstr(compose_print(NULL), "include cycle detected"));
	compose_files("compose.yaml", "services: {a: {extends: {file: none.yaml, service: b}}}\n", NULL);
	ck_assert_ptr_nonnull(strstr(compose_print(NULL), "cannot extend service \"a\": no file"));
	compose_files("compose.yaml", "services: {a: {extends: {service: b}}}\n", NULL);
	ck_assert_ptr_nonnull(strstr(compose_print(NULL), "service \"b\" not found"));
}
END_TEST

START_TEST(env_files_lie_below_the_environment_key)
{
	compose_files("compose.yaml",
		SERVICE
		"    environment: {A: own, H: }\n    env_file: [one.env, {path: none.env, required: false}, {path: raw.env, format: raw}]\n    label_file: l.env\n    labels: {x: own}\n",
		"one.env", "A=file\nB=two # words\nC='$A'\nD=\"${A}-${HOST}\"\n", "raw.env", "R='a' # b\n", "l.env",
		"x=file\ny=1\n", NULL);
	shows(compose_print((char *[]){ "HOST=here", "H=home", NULL }),
		"A: own\nB: two\nC: $A\nD: own-here\nH: home\nR: '''a'' # b'\nx: own\n\"y\": \"1\"");
	compose_files("compose.yaml", SERVICE "    env_file: none.env\n", NULL);
	ck_assert_ptr_nonnull(strstr(compose_print(NULL), "none.env not found"));
}
END_TEST

START_TEST(dot_env_is_read_and_the_environment_wins)
{
	compose_files("compose.yaml", "services: {a: {image: \"i:${V}-${W}\"}}\n", ".env", "V=file\nW=file\n", NULL);
	shows(compose_print((char *[]){ "W=env", NULL }), "image: i:file-env");
	compose_files("x.yaml", SERVICE, ".env", "COMPOSE_FILE=x.yaml\n", NULL);
	shows(compose_print(NULL), "image: i");
}
END_TEST

START_TEST(profiles_set_services_apart)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;
	struct hoy_err err = {};

	compose_files("compose.yaml",
		SERVICE
		"  b: {image: i, profiles: [x], depends_on: [a]}\n  c: {image: i, profiles: [x, z]}\n  d: {image: i, profiles: [q]}\n",
		NULL);
	project = compose_load(NULL);
	ck_assert_uint_eq(project->n_services, 1);
	ck_assert_str_eq(project->disabled[0]->name, "b");
	ck_assert_int_eq(hoy_compose_select(project, (char *[]){ "nobody", NULL }, false, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "no such service: nobody");
	/* Naming a service is as good as its profile. */
	ck_assert_int_eq(hoy_compose_select(project, (char *[]){ "b", NULL }, false, &err), 0);
	ck_assert_uint_eq(project->n_services, 2);
	ck_assert_ptr_nonnull(hoy_compose_service_find(project, "a"));
	ck_assert_ptr_nonnull(hoy_compose_service_find(project, "b"));
	hoy_compose_project_free(project);
	project = compose_load((char *[]){ "COMPOSE_PROFILES=x,q", NULL });
	ck_assert_uint_eq(project->n_services, 4);
	hoy_compose_project_free(project);
	compose_files("compose.yaml", SERVICE "    depends_on: [b]\n  b: {image: i, profiles: [x]}\n", NULL);
	project = NULL;
	ck_assert_ptr_nonnull(
		strstr(compose_print(NULL), "depends on undefined service \"b\": its profiles are not active"));
}
END_TEST

START_TEST(what_no_service_uses_is_pruned)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;

	compose_files("compose.yaml",
		SERVICE
		"    volumes: [\"v:/v\"]\nvolumes: {v: , w: }\nnetworks: {n: }\nsecrets: {s: {environment: S}}\n",
		NULL);
	project = compose_load(NULL);
	ck_assert_ptr_nonnull(hoy_compose_volume_find(project, "w"));
	ck_assert_ptr_nonnull(hoy_compose_secret_find(project, "s"));
	hoy_compose_prune(project);
	ck_assert_ptr_nonnull(hoy_compose_volume_find(project, "v"));
	ck_assert_ptr_null(hoy_compose_volume_find(project, "w"));
	ck_assert_ptr_null(hoy_compose_network_find(project, "n"));
	ck_assert_ptr_nonnull(hoy_compose_network_find(project, "default"));
	ck_assert_ptr_null(hoy_compose_secret_find(project, "s"));
}
END_TEST

static char *name_of(const struct hoy_compose_options *options, struct hoy_err *err)
{
	char *name = NULL;
	auto_free char *dir = NULL;

	return hoy_compose_find_name(options, &name, &dir, err) < 0 ? NULL : name;
}

START_TEST(the_name_of_a_project)
{
	auto_free char *sub = hoy_str_printf("%s/My App_1", compose_dir()), *name = NULL;
	char *with_env[] = { "COMPOSE_PROJECT_NAME=from-env", "X=y", NULL };
	struct hoy_compose_options options = { .cwd = sub, .environment = (char *[]){ "X=y", NULL } };
	struct hoy_err err = {};

	compose_files("My App_1/compose.yaml", SERVICE, NULL);
	name = name_of(&options, &err);
	ck_assert_str_eq(name, "myapp_1");
	free(name);
	compose_files("My App_1/compose.yaml", "name: \"n-${X}\"\n" SERVICE, NULL);
	name = name_of(&options, &err);
	ck_assert_str_eq(name, "n-y");
	free(name);
	options.environment = with_env;
	name = name_of(&options, &err);
	ck_assert_str_eq(name, "from-env");
	free(name);
	options.project_name = "Bad Name";
	name = name_of(&options, &err);
	ck_assert_ptr_null(name);
	ck_assert_ptr_nonnull(strstr(err.msg, "invalid project name \"Bad Name\": must consist only of"));
}
END_TEST

START_TEST(a_file_is_searched_upwards)
{
	auto_free char *sub = hoy_str_printf("%s/a/b", compose_dir());
	struct hoy_compose_options options = { .cwd = sub, .environment = (char *[]){ NULL } };
	struct hoy_compose_found found = {};
	struct hoy_err err = {};

	compose_files("docker-compose.yml", SERVICE, "docker-compose.override.yml", SERVICE, "a/b/x", "", NULL);
	ck_assert_int_eq(hoy_compose_find(&options, &found, &err), 0);
	ck_assert_str_eq(found.dir, compose_dir());
	ck_assert_uint_eq(hoy_strv_len(found.files), 2);
	hoy_compose_found_done(&found);
	compose_files("a/b/x", "", NULL);
	ck_assert_int_eq(hoy_compose_find(&options, &found, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "no configuration file provided: not found");
	hoy_compose_found_done(&found);
	options.env_files = (char *[]){ "none.env", NULL };
	ck_assert_int_eq(hoy_compose_find(&options, &found, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "couldn't find env file: "));
	hoy_compose_found_done(&found);
}
END_TEST

START_TEST(an_old_version_is_told_and_ignored)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;

	compose_files("compose.yaml",
		"version: \"3.8\"\n" SERVICE "    mem_limit: 1m\n    deploy: {resources: {limits: {memory: 1m}}}\n",
		NULL);
	project = compose_load(NULL);
	ck_assert_ptr_nonnull(strstr(project->warnings[0], "the attribute `version` is obsolete"));
	ck_assert_int_eq(project->services[0]->deploy->resources->limits->memory, 1 << 20);
	ck_assert_ptr_null(strstr(compose_print(NULL), "version"));
}
END_TEST

START_TEST(without_interpolation_variables_stand)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_compose_options options = {
		.cwd = compose_dir(), .environment = (char *[]){ NULL }, .no_interpolate = true, .no_consistency = true
	};

	compose_files(
		"compose.yaml", SERVICE "    mem_limit: ${M}\n    ports: [\"${P}:80\"]\n    privileged: ${B}\n", NULL);
	ck_assert_int_eq(hoy_compose_load(&options, &project, NULL), 0);
	ck_assert_int_eq(hoy_compose_print_yaml(project, /* escape= */ false, &out), 0);
	shows(out.data, "mem_limit: ${M}\n- ${P}:80\nprivileged: ${B}");
}
END_TEST

Suite *suite_compose_files(void)
{
	const TTest *const tests[] = { maps_meet_lists_are_appended_values_are_replaced,
		same_items_are_replaced_by_their_key, logging_options_belong_to_their_driver,
		subnets_and_ulimits_merge_by_their_own_rules, reset_takes_away_and_override_takes_the_place,
		anchors_and_merge_keys, documents_of_a_file_merge, extends_in_a_file_and_across_files,
		include_brings_a_project_with_its_own_directory_and_env, cycles_of_extends_and_include_are_told,
		env_files_lie_below_the_environment_key, dot_env_is_read_and_the_environment_wins,
		profiles_set_services_apart, what_no_service_uses_is_pruned, the_name_of_a_project,
		a_file_is_searched_upwards, an_old_version_is_told_and_ignored, without_interpolation_variables_stand };

	return hoy_unit_suite("compose_files", tests, ARRAY_LEN(tests));
}
