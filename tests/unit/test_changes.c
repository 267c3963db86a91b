/* supervisor/image/changes.c */
#include "supervisor/image/changes.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/image.h"
#include "tests/unit/unit.h"

Suite *suite_changes(void);

static struct hoy_oci_image_config *new_config(void)
{
	struct hoy_oci_image_config *config = calloc(1, sizeof *config);

	ck_assert_ptr_nonnull(config);
	config->config = calloc(1, sizeof *config->config);
	ck_assert_ptr_nonnull(config->config);
	return config;
}

static void change(struct hoy_oci_image_config *config, const char *instruction)
{
	struct hoy_err err = { 0 };

	ck_assert_msg(
		hoy_image_change(config->config, instruction, &err) == 0, "%s: %s", instruction, hoy_err_str(&err));
}

START_TEST(commands_come_as_json_or_for_the_shell)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = new_config();

	change(config, "CMD [\"a\", \"b c\"]");
	ck_assert_str_eq(config->config->cmd[1], "b c");
	change(config, "cmd echo  hi ");
	ck_assert_str_eq(config->config->cmd[0], "/bin/sh");
	ck_assert_str_eq(config->config->cmd[2], "echo  hi");
	change(config, "ENTRYPOINT []");
	ck_assert_ptr_nonnull(config->config->entrypoint);
	ck_assert_ptr_null(config->config->entrypoint[0]);
	change(config, "ENTRYPOINT [not json]");
	ck_assert_str_eq(config->config->entrypoint[2], "[not json]");
}
END_TEST

START_TEST(pairs_have_quotes_and_two_forms)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = new_config();

	change(config, "ENV A=1 B=\"two words\" C=a\\ b D='\\'");
	ck_assert_str_eq(hoy_env_get(config->config->env, "B"), "two words");
	ck_assert_str_eq(hoy_env_get(config->config->env, "C"), "a b");
	ck_assert_str_eq(hoy_env_get(config->config->env, "D"), "\\");
	change(config, "ENV A the rest = of it");
	ck_assert_str_eq(hoy_env_get(config->config->env, "A"), "the rest = of it");
	ck_assert_uint_eq(hoy_strv_len(config->config->env), 4);
	change(config, "LABEL k=v k=w");
	ck_assert_uint_eq(config->config->n_labels, 1);
	ck_assert_str_eq(config->config->labels[0].value, "w");
}
END_TEST

START_TEST(ports_are_ranges_with_a_protocol)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = new_config();

	change(config, "EXPOSE 80 80/tcp 8000-8002/udp");
	ck_assert_uint_eq(hoy_strv_len(config->config->exposed_ports), 4);
	ck_assert_str_eq(config->config->exposed_ports[0], "80/tcp");
	ck_assert_str_eq(config->config->exposed_ports[3], "8002/udp");
}
END_TEST

START_TEST(directories_go_on_from_each_other)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = new_config();

	change(config, "WORKDIR a");
	change(config, "WORKDIR ../b/c");
	ck_assert_str_eq(config->config->working_dir, "/b/c");
	change(config, "WORKDIR /d");
	ck_assert_str_eq(config->config->working_dir, "/d");
}
END_TEST

START_TEST(health_checks_have_options)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = new_config();

	change(config, "HEALTHCHECK --interval=5s --retries=3 CMD test -e /x");
	ck_assert_int_eq(config->config->healthcheck->interval, 5000000000);
	ck_assert_int_eq(config->config->healthcheck->retries, 3);
	ck_assert_str_eq(config->config->healthcheck->test[0], "CMD-SHELL");
	change(config, "HEALTHCHECK CMD [\"a\"]");
	ck_assert_str_eq(config->config->healthcheck->test[0], "CMD");
	change(config, "HEALTHCHECK NONE");
	ck_assert_str_eq(config->config->healthcheck->test[0], "NONE");
	ck_assert_ptr_null(config->config->healthcheck->test[1]);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	static const char *const bad[] = { "", "RUN x", "CMD", "ENV", "ENV A", "ENV A=1 B", "ENV A=\"1", "LABEL =x",
		"EXPOSE x", "EXPOSE 0", "EXPOSE 90-80", "EXPOSE 65536", "EXPOSE 1/icmp", "USER a b", "STOPSIGNAL NO",
		"ONBUILD FROM x", "HEALTHCHECK x", "HEALTHCHECK --interval=x CMD y", "HEALTHCHECK --bad=1 CMD y",
		"VOLUME [\"\"]" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = new_config();
		struct hoy_err err = { 0 };

		ck_assert_msg(hoy_image_change(config->config, bad[i], &err) == -EINVAL, "%s", bad[i]);
		ck_assert_int_eq(err.kind, HOY_ERR_INVALID);
		ck_assert_int_eq(strncmp(err.msg, bad[i], strcspn(bad[i], " ")), 0);
	}
}
END_TEST

Suite *suite_changes(void)
{
	const TTest *const tests[] = { commands_come_as_json_or_for_the_shell, pairs_have_quotes_and_two_forms,
		ports_are_ranges_with_a_protocol, directories_go_on_from_each_other, health_checks_have_options,
		what_is_wrong_is_named };

	return hoy_unit_suite("changes", tests, ARRAY_LEN(tests));
}
