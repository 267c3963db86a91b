/* Unit tests of supervisor/build/lint.h. */
#include "supervisor/build/lint.h"

#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_lint(void);

static int take(const char *rule, const struct hoy_dockerfile_place *at, const char *text, void *userdata)
{
	struct hoy_buf *found = userdata;

	ck_assert_uint_gt(strlen(text), 0);
	(void) hoy_buf_addf(found, "%s%s:%u:%u", found->len > 0 ? " " : "", rule, at->line, at->column);
	return 0;
}

START_TEST(lint_finds_what_is_not_advisable)
{
	static const struct {
		const char *text, *found;
	} rows[] = {
		{ "FROM a\nWORKDIR /x\nWORKDIR y\nCMD [\"x\"]\nENV A=b\n", "" },
		{ "FROM a\nrun x\nRun y\n", "ConsistentInstructionCasing:2:1 ConsistentInstructionCasing:3:1" },
		{ "from a\nrun x\nrun y\nRUN z\n", "ConsistentInstructionCasing:4:1" },
		{ "FROM a AS Big\n", "StageNameCasing:1:1" },
		{ "FROM a as b\n", "FromAsCasing:1:1" },
		{ "from a as b\n", "" },
		{ "FROM a AS scratch\n", "ReservedStageName:1:1" },
		{ "FROM a AS b\nFROM c AS b\n", "DuplicateStageName:2:1" },
		{ "FROM --platform=linux/amd64 a\n", "FromPlatformFlagConstDisallowed:1:1" },
		{ "FROM --platform=linux/amd64 a AS build_amd64\n", "" },
		{ "FROM --platform=$BUILDPLATFORM a\n", "" },
		{ "FROM --platform=${TARGETPLATFORM} a\n", "RedundantTargetPlatform:1:1" },
		{ "FROM a\nCMD x y\n", "JSONArgsRecommended:2:1" },
		{ "FROM a\nSHELL [\"sh\", \"-c\"]\nENTRYPOINT x y\n", "" },
		{ "FROM a\nCMD [\"a\"]\nCMD [\"b\"]\nFROM a\nCMD [\"c\"]\n", "MultipleInstructionsDisallowed:2:1" },
		{ "FROM a\nENV a b c\nLABEL x y\nENV c=d\n", "LegacyKeyValueFormat:2:1 LegacyKeyValueFormat:3:1" },
		{ "FROM a\nMAINTAINER me\n", "MaintainerDeprecated:2:1" },
		{ "FROM a\nEXPOSE 80/TCP 127.0.0.1:80:80 8080 53/udp $P\n",
			"ExposeProtoCasing:2:1 ExposeInvalidFormat:2:1" },
		{ "FROM a\nWORKDIR x\n", "WorkdirRelativePath:2:1" },
		{ "FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y\nFROM scratch\nWORKDIR z\n", "" },
		{ "ARG DB_PASSWORD\nFROM a\nENV API_TOKEN=x PUBLIC_KEY=y MONKEY=z\n",
			"SecretsUsedInArgOrEnv:1:1 SecretsUsedInArgOrEnv:3:1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = NULL;
		auto_(hoy_buf_done) struct hoy_buf found = { 0 };
		struct hoy_err err = { 0 };

		ck_assert_msg(hoy_dockerfile_parse("Dockerfile", rows[i].text, strlen(rows[i].text), &file, &err) == 0,
			"%s: %s", rows[i].text, err.msg);
		ck_assert_int_eq(hoy_lint(file, take, &found), 0);
		ck_assert_msg(strcmp(found.data ? found.data : "", rows[i].found) == 0, "%s: %s", rows[i].text,
			found.data ? found.data : "");
	}
}
END_TEST

START_TEST(lint_directive_names_rules)
{
	ck_assert(!hoy_lint_skips(NULL, "A"));
	ck_assert(hoy_lint_skips("skip=A,B", "A"));
	ck_assert(hoy_lint_skips("skip=A,B", "B"));
	ck_assert(!hoy_lint_skips("skip=A,B", "a"));
	ck_assert(!hoy_lint_skips("skip=AB", "A"));
	ck_assert(hoy_lint_skips("error=true; skip=all", "A"));
	ck_assert(hoy_lint_is_strict("skip=A;error=true"));
	ck_assert(!hoy_lint_is_strict("skip=A;error=false"));
	ck_assert(!hoy_lint_is_strict(NULL));
}
END_TEST

Suite *suite_lint(void)
{
	const TTest *const tests[] = { lint_finds_what_is_not_advisable, lint_directive_names_rules };

	return hoy_unit_suite("lint", tests, ARRAY_LEN(tests));
}
