/* Seccomp profiles: the conditions of rules, refusals, and what the default profile comes to for a container. */
#include "supervisor/container/seccomp_profile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <string.h>

#include "libocispec/runtime.h"
#include "runtime/plan/seccomp.h"
#include "tests/unit/unit.h"

static const char *const no_caps[] = { NULL };

static struct hoy_oci_seccomp *resolve(const char *text, const struct hoy_seccomp_target *target)
{
	auto_ptr(hoy_seccomp_profile_free) struct hoy_seccomp_profile *profile = NULL;
	struct hoy_oci_seccomp *oci = NULL;
	struct hoy_err err = {};
	int r = text == NULL ? hoy_seccomp_profile_default(&profile, &err)
			     : hoy_seccomp_profile_parse(text, strlen(text), &profile, &err);

	ck_assert_msg(r == 0, "%s", hoy_err_str(&err));
	ck_assert_msg(hoy_seccomp_profile_resolve(profile, target, &oci, &err) == 0, "%s", hoy_err_str(&err));
	return oci;
}

/* "name name ..." of all rules, in order. */
static const char *names_of(const struct hoy_oci_seccomp *oci)
{
	static char text[65536];

	text[0] = '\0';
	for (size_t i = 0; i < oci->n_syscalls; i++)
		for (char **name = oci->syscalls[i].names; *name != NULL; name++) {
			if (text[0] != '\0')
				strncat(text, " ", sizeof text - strlen(text) - 1);
			strncat(text, *name, sizeof text - strlen(text) - 1);
		}
	return text;
}

static void expect_names(const char *rules, const struct hoy_seccomp_target *target, const char *names)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *oci = NULL;

	hoy_buf_addf(&text, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[%s]}", rules);
	oci = resolve(text.data, target);
	ck_assert_str_eq(names_of(oci), names);
}

static void expect_error(const char *text, const char *message)
{
	struct hoy_seccomp_profile *profile = NULL;
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_seccomp_profile_parse(text, strlen(text), &profile, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, message));
}

#define RULE(name, rest) "{\"names\":[\"" name "\"],\"action\":\"SCMP_ACT_ALLOW\"" rest "}"

START_TEST(a_rule_needs_all_capabilities_it_includes)
{
	const char *rules = RULE("a", "") "," RULE("b", ",\"includes\":{\"caps\":[\"CAP_X\"]}") "," RULE(
		"c", ",\"includes\":{\"caps\":[\"CAP_X\",\"CAP_Y\"]}");
	struct hoy_seccomp_target target = { .caps = no_caps };

	expect_names(rules, &target, "a");
	target.caps = (const char *const[]){ "CAP_X", NULL };
	expect_names(rules, &target, "a b");
	target.caps = (const char *const[]){ "CAP_Y", "CAP_X", NULL };
	expect_names(rules, &target, "a b c");
}
END_TEST

START_TEST(one_excluded_capability_drops_a_rule)
{
	const char *rules = RULE("a", ",\"excludes\":{\"caps\":[\"CAP_X\",\"CAP_Y\"]}");
	struct hoy_seccomp_target target = { .caps = no_caps };

	expect_names(rules, &target, "a");
	target.caps = (const char *const[]){ "CAP_Y", NULL };
	expect_names(rules, &target, "");
}
END_TEST

START_TEST(conditions_on_architecture_use_docker_s_names)
{
	const char *rules = RULE("a", ",\"includes\":{\"arches\":[\"amd64\",\"x32\"]}") "," RULE(
		"b", ",\"includes\":{\"arches\":[\"arm64\"]}") "," RULE("c", ",\"excludes\":{\"arches\":[\"s390x\"]}");
	struct hoy_seccomp_target target = { .caps = no_caps, .arch = "SCMP_ARCH_X86_64" };

	expect_names(rules, &target, "a c");
	target.arch = "SCMP_ARCH_AARCH64";
	expect_names(rules, &target, "b c");
	target.arch = "SCMP_ARCH_S390X";
	expect_names(rules, &target, "");
}
END_TEST

START_TEST(conditions_on_the_kernel_compare_numbers)
{
	const char *rules = RULE("a", ",\"includes\":{\"minKernel\":\"4.8\"}") "," RULE(
		"b", ",\"excludes\":{\"minKernel\":\"5.10\"}");
	struct hoy_seccomp_target target = { .caps = no_caps, .kernel_major = 4, .kernel_minor = 7 };

	expect_names(rules, &target, "b");
	target.kernel_minor = 18;
	expect_names(rules, &target, "a b");
	target.kernel_major = 5;
	target.kernel_minor = 9;
	expect_names(rules, &target, "a b");
	target.kernel_minor = 10;
	expect_names(rules, &target, "a");
}
END_TEST

START_TEST(the_old_form_of_a_name_is_read)
{
	const struct hoy_seccomp_target target = { .caps = no_caps };

	expect_names("{\"name\":\"read\",\"action\":\"SCMP_ACT_ALLOW\",\"args\":null}", &target, "read");
	expect_names("{\"Name\":\"read\",\"Action\":\"SCMP_ACT_ALLOW\"}", &target, "read");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"name\":\"a\",\"names\":[\"b\"],"
		     "\"action\":\"SCMP_ACT_ALLOW\"}]}",
		"both name and names");
}
END_TEST

START_TEST(the_architectures_follow_from_the_native_one)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\","
		"\"subArchitectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"]},"
		"{\"architecture\":\"SCMP_ARCH_RISCV64\",\"subArchitectures\":null}]}";
	struct hoy_seccomp_target target = { .caps = no_caps, .arch = "SCMP_ARCH_X86_64" };
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *x86 = resolve(text, &target), *riscv = NULL,
							      *other = NULL;

	ck_assert_uint_eq(x86->n_architectures, 3);
	ck_assert_int_eq(x86->architectures[0], HOY_OCI_ARCH_X86_64);
	ck_assert_int_eq(x86->architectures[2], HOY_OCI_ARCH_X32);
	target.arch = "SCMP_ARCH_RISCV64";
	riscv = resolve(text, &target);
	ck_assert_uint_eq(riscv->n_architectures, 1);
	target.arch = "SCMP_ARCH_S390X";
	other = resolve(text, &target);
	ck_assert_uint_eq(other->n_architectures, 0);
}
END_TEST

START_TEST(mistakes_are_named_with_their_path)
{
	expect_error("{", "seccomp profile");
	expect_error("{\"syscalls\":[]}", "defaultAction");
	expect_error("{\"defaultAction\":\"SCMP_ACT_DENY\"}", "defaultAction");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"sycalls\":[]}", "unknown member 'sycalls'");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" RULE(
			     "a", ",\"exclude\":{\"caps\":[\"CAP_X\"]}") "]}",
		"syscalls[0].exclude");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" RULE(
			     "a", ",\"args\":[{\"index\":9,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]") "]}",
		"args[0].index");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" RULE(
			     "a", ",\"includes\":{\"minKernel\":\"new\"}") "]}",
		"minKernel");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86\"],"
		     "\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\"}]}",
		"both architectures and archMap");
}
END_TEST

/* The rules of a call in the default profile, as "ACTION(conditions)". */
static size_t rules_for(const struct hoy_oci_seccomp *oci, const char *name, const struct hoy_oci_seccomp_syscall **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < oci->n_syscalls; i++)
		for (char **each = oci->syscalls[i].names; *each != NULL; each++)
			if (strcmp(*each, name) == 0) {
				*ret = &oci->syscalls[i];
				n++;
			}
	return n;
}

START_TEST(the_default_profile_denies_what_needs_a_capability)
{
	const struct hoy_seccomp_target target = { .caps = no_caps, .arch = "SCMP_ARCH_X86_64", .kernel_major = 6 };
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *oci = resolve(NULL, &target);
	const struct hoy_oci_seccomp_syscall *rule = NULL;

	ck_assert_int_eq(oci->default_action, HOY_OCI_ACT_ERRNO);
	ck_assert_uint_eq(*oci->default_errno_ret, 1);
	ck_assert_uint_eq(oci->n_architectures, 3);
	ck_assert_uint_eq(rules_for(oci, "read", &rule), 1);
	ck_assert_uint_eq(rules_for(oci, "mount", &rule), 0);
	ck_assert_uint_eq(rules_for(oci, "bpf", &rule), 0);
	/* sockets of all families but 38 (crypto) and 40 (virtual machines) */
	ck_assert_uint_eq(rules_for(oci, "socket", &rule), 3);
	/* clone without namespaces */
	ck_assert_uint_eq(rules_for(oci, "clone", &rule), 1);
	ck_assert_int_eq(rule->args[0].op, HOY_OCI_CMP_MASKED_EQ);
	ck_assert_uint_eq(rules_for(oci, "clone3", &rule), 1);
	ck_assert_int_eq(rule->action, HOY_OCI_ACT_ERRNO);
	ck_assert_uint_eq(*rule->errno_ret, ENOSYS);
}
END_TEST

START_TEST(the_default_profile_follows_the_capabilities)
{
	const struct hoy_seccomp_target target = {
		.caps = (const char *const[]){ "CAP_SYS_ADMIN", "CAP_SYS_TIME", NULL }, .arch = "SCMP_ARCH_X86_64"
	};
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *oci = resolve(NULL, &target);
	const struct hoy_oci_seccomp_syscall *rule = NULL;

	ck_assert_uint_eq(rules_for(oci, "mount", &rule), 1);
	ck_assert_uint_eq(rules_for(oci, "clock_settime", &rule), 1);
	ck_assert_uint_eq(rules_for(oci, "clone3", &rule), 1);
	ck_assert_int_eq(rule->action, HOY_OCI_ACT_ALLOW);
	ck_assert_uint_eq(rules_for(oci, "clone", &rule), 1);
	ck_assert_uint_eq(rule->n_args, 0);
	ck_assert_uint_eq(rules_for(oci, "reboot", &rule), 0);
}
END_TEST

START_TEST(the_default_profile_compiles)
{
	const struct hoy_seccomp_target target = { .caps = no_caps };
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *oci = resolve(NULL, &target);
	auto_(hoy_seccomp_program_done) struct hoy_seccomp_program prog = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_seccomp_compile(oci, &prog, &err) == 0, "%s", hoy_err_str(&err));
	ck_assert_uint_gt(prog.n_insns, 50);
	ck_assert_uint_lt(prog.n_insns, 1000);
}
END_TEST

static Suite *suite(void)
{
	const TTest *const tests[] = {
		a_rule_needs_all_capabilities_it_includes,
		one_excluded_capability_drops_a_rule,
		conditions_on_architecture_use_docker_s_names,
		conditions_on_the_kernel_compare_numbers,
		the_old_form_of_a_name_is_read,
		the_architectures_follow_from_the_native_one,
		mistakes_are_named_with_their_path,
		the_default_profile_denies_what_needs_a_capability,
		the_default_profile_follows_the_capabilities,
		the_default_profile_compiles,
	};

	return hoy_unit_suite("seccomp-profile", tests, ARRAY_LEN(tests));
}

int main(void)
{
	const hoy_suite_fn suites[] = { suite };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
