/* supervisor/build/plan*.c */
#include "supervisor/build/plan.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "tests/unit/unit.h"

Suite *suite_build_plan(void);

/* One plan with all it stands on. Every image gets the config of `base`. */
struct built {
	struct hoy_dockerfile *file;
	struct hoy_oci_image_config *config;
	struct hoy_arena arena;
	struct hoy_build_image images[20];
	struct hoy_build_input input;
	struct hoy_build_plan *plan;
	struct hoy_err err;
};

static void built_done(struct built *built)
{
	hoy_build_plan_free(built->plan);
	hoy_dockerfile_free(built->file);
	hoy_oci_image_config_free(built->config);
	hoy_arena_done(&built->arena);
}

#define BASE "\"Env\":[\"PATH=/bin\",\"LANG=C\"],\"Cmd\":[\"sh\"],\"User\":\"ann\",\"WorkingDir\":\"/w\""

static int make(struct built *built, const char *text, const char *base)
{
	auto_free char *config = hoy_str_printf("{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{%s},"
						"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},"
						"\"history\":[{\"created_by\":\"base\"}]}",
		base);
	int r = hoy_dockerfile_parse("Dockerfile", text, strlen(text), &built->file, &built->err);

	ck_assert_int_eq(hoy_oci_image_config_parse(config, strlen(config), &built->config, NULL), 0);
	built->input.file = built->file;
	built->input.images = built->images;
	built->input.platform = built->input.build_platform = (struct hoy_build_platform){ "linux", "amd64", NULL };
	while (r == 0) {
		r = hoy_build_plan_make(&built->input, &built->plan, &built->err);
		if (r < 0 || built->plan->n_wanted == 0)
			break;
		for (size_t i = 0; i < built->plan->n_wanted; i++)
			built->images[built->input.n_images++] = (struct hoy_build_image){
				.reference = hoy_arena_strdup(&built->arena, built->plan->wanted[i].reference),
				.platform = hoy_arena_strdup(&built->arena, built->plan->wanted[i].platform),
				.config = built->config,
			};
		hoy_build_plan_free(built->plan);
		built->plan = NULL;
	}
	return r;
}

#define MAKE(built, text, base) ck_assert_msg(make(built, text, base) == 0, "%s", (built)->err.msg)

/* The n-th step of a kind. */
static const struct hoy_build_step *step(const struct built *built, enum hoy_build_step_kind kind, size_t n)
{
	for (size_t i = 0; i < built->plan->n_steps; i++)
		if (built->plan->steps[i].kind == kind && n-- == 0)
			return &built->plan->steps[i];
	ck_abort_msg("no such step");
}

static const char *created_by(const struct built *built, size_t back)
{
	return built->plan->steps[built->plan->n_steps - 1 - back].created_by;
}

START_TEST(only_what_the_target_needs_is_planned)
{
	static const char text[] = "FROM a AS one\nRUN x\nFROM b AS two\nRUN y\nFROM one\nCOPY --from=0 /p /q\n";
	auto_(built_done) struct built all = { 0 }, two = { .input.target = "TWO" };

	MAKE(&all, text, BASE);
	ck_assert_uint_eq(all.input.n_images, 1);
	ck_assert_str_eq(all.images[0].reference, "docker.io/library/a:latest");
	ck_assert_uint_eq(all.plan->n_steps, 3);
	ck_assert_uint_eq(step(&all, HOY_BUILD_COPY, 0)->copy.from, 1);
	ck_assert_str_eq(step(&all, HOY_BUILD_COPY, 0)->title, "[stage-2 1/1] COPY --from=0 /p /q");
	MAKE(&two, text, BASE);
	ck_assert_str_eq(two.images[0].reference, "docker.io/library/b:latest");
	ck_assert_str_eq(two.plan->target_name, "two");
	ck_assert_str_eq(step(&two, HOY_BUILD_RUN, 0)->title, "[two 2/2] RUN y");
}
END_TEST

START_TEST(arguments_have_their_scopes)
{
	char *args[] = { (char *) "V=2", (char *) "S=given", (char *) "NO=1", (char *) "HTTP_PROXY=p", NULL };
	auto_(built_done) struct built built = { .input.build_args = args };
	const struct hoy_build_run *run;

	MAKE(&built,
		"ARG V=1\nARG W=$V-w\nFROM a:$V\nARG W\nARG S=default\nARG D=${S}x\nARG N\nARG TARGETARCH\nRUN x\n"
		"FROM a:$W\nRUN echo $V\nCOPY --from=0 /$V /\n",
		BASE);
	ck_assert_str_eq(built.images[0].reference, "docker.io/library/a:2");
	ck_assert_str_eq(built.images[1].reference, "docker.io/library/a:2-w");
	run = &step(&built, HOY_BUILD_RUN, 0)->run;
	ck_assert_str_eq(hoy_env_get(run->env, "W"), "2-w");
	ck_assert_str_eq(hoy_env_get(run->env, "S"), "given");
	ck_assert_str_eq(hoy_env_get(run->env, "D"), "givenx");
	ck_assert_str_eq(hoy_env_get(run->env, "TARGETARCH"), "amd64");
	ck_assert_str_eq(hoy_env_get(run->env, "HTTP_PROXY"), "p");
	ck_assert_ptr_null(hoy_env_get(run->env, "N"));
	ck_assert_ptr_null(hoy_env_get(run->env, "V"));
	ck_assert_ptr_null(strstr(step(&built, HOY_BUILD_RUN, 0)->key, "HTTP_PROXY"));
	ck_assert_str_eq(step(&built, HOY_BUILD_RUN, 0)->created_by,
		"RUN |5 W=2-w S=given D=givenx N= TARGETARCH=amd64 /bin/sh -c x # buildkit");
	ck_assert_str_eq(step(&built, HOY_BUILD_COPY, 0)->copy.sources[0].text, "");
	ck_assert_str_eq(built.plan->warnings[0].text, "Usage of undefined variable '$V'");
	ck_assert_str_eq(built.plan->warnings[1].text, "One or more build-args [NO] were not consumed");
}
END_TEST

START_TEST(instructions_change_the_config)
{
	auto_(built_done) struct built built = { 0 };
	const struct hoy_oci_image_run *config;

	MAKE(&built,
		"FROM a\nENV A=1 B=$LANG\nENV A=2 C=$A\nWORKDIR x\nWORKDIR ../y\nUSER bob:$A\nENTRYPOINT [\"e\"]\n"
		"LABEL k=\"v w\"\nEXPOSE 80 53/udp 90-91\nVOLUME /v /v $B\nSTOPSIGNAL SIGINT\n"
		"SHELL [\"/bin/bash\", \"-c\"]\nCMD go on\nHEALTHCHECK --interval=1m30s --retries=2 CMD [\"t\"]\n"
		"MAINTAINER me\n",
		BASE);
	config = built.plan->config;
	ck_assert_str_eq(hoy_env_get(config->env, "A"), "2");
	ck_assert_str_eq(hoy_env_get(config->env, "B"), "C");
	ck_assert_str_eq(hoy_env_get(config->env, "C"), "1");
	ck_assert_str_eq(config->working_dir, "/w/y");
	ck_assert_str_eq(config->user, "bob:2");
	ck_assert_str_eq(config->entrypoint[0], "e");
	ck_assert_str_eq(config->cmd[0], "/bin/bash");
	ck_assert_str_eq(config->cmd[2], "go on");
	ck_assert_str_eq(config->labels[0].value, "v w");
	ck_assert_uint_eq(hoy_strv_len(config->exposed_ports), 4);
	ck_assert_uint_eq(hoy_strv_len(config->volumes), 2);
	ck_assert_str_eq(config->stop_signal, "SIGINT");
	ck_assert_int_eq(config->healthcheck->retries, 2);
	ck_assert_str_eq(built.plan->author, "me");
	ck_assert_str_eq(created_by(&built, 0), "MAINTAINER me");
	ck_assert_str_eq(created_by(&built, 1),
		"HEALTHCHECK {Test:[CMD t] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}");
	ck_assert_str_eq(created_by(&built, 2), "CMD [\"/bin/bash\" \"-c\" \"go on\"]");
	ck_assert_str_eq(created_by(&built, 6), "EXPOSE [80/tcp 53/udp 90/tcp 91/tcp]");
	ck_assert_str_eq(created_by(&built, 10), "WORKDIR /w/y");
	ck_assert_str_eq(step(&built, HOY_BUILD_WORKDIR, 0)->workdir.user, "ann");
}
END_TEST

START_TEST(an_entrypoint_takes_the_base_images_cmd_away_and_not_the_stages)
{
	auto_(built_done) struct built base = { 0 }, own = { 0 }, child = { 0 };

	MAKE(&base, "FROM a\nENTRYPOINT e\n", BASE);
	ck_assert_ptr_null(base.plan->config->cmd);
	MAKE(&own, "FROM a\nCMD c\nENTRYPOINT e\n", BASE);
	ck_assert_ptr_nonnull(own.plan->config->cmd);
	MAKE(&child, "FROM a AS x\nCMD c\nFROM x\nENTRYPOINT e\n", BASE);
	ck_assert_ptr_null(child.plan->config->cmd);
}
END_TEST

START_TEST(copies_know_where_from_and_where_to)
{
	auto_(built_done) struct built built = { 0 };
	const struct hoy_build_copy *copy;
	const struct hoy_build_step *context;

	MAKE(&built,
		"FROM a\nWORKDIR /app\nCOPY --chown=$USER:1 p/ q/*.c ./\nADD a.tar https://x.org/b.tgz /d/\n"
		"COPY --parents s/./t /\nCOPY <<$X <<'F' /etc/\n$LANG \\$x \"q\"\n$X\n$LANG\nF\nADD https://h/r.git#v /src\n",
		BASE);
	copy = &step(&built, HOY_BUILD_COPY, 0)->copy;
	ck_assert_str_eq(copy->dest, "/app");
	ck_assert(copy->dest_is_dir && !copy->unpack);
	ck_assert_str_eq(copy->chown, ":1");
	ck_assert_str_eq(copy->sources[0].text, "p");
	ck_assert(copy->sources[0].slash && !copy->sources[0].is_pattern && copy->sources[1].is_pattern);
	copy = &step(&built, HOY_BUILD_COPY, 1)->copy;
	ck_assert(copy->is_add && copy->unpack && !copy->unpack_urls);
	ck_assert_int_eq(copy->sources[1].kind, HOY_BUILD_SOURCE_HTTP);
	copy = &step(&built, HOY_BUILD_COPY, 2)->copy;
	ck_assert_str_eq(copy->sources[0].pivot, "s");
	ck_assert_str_eq(copy->sources[0].text, "s/t");
	copy = &step(&built, HOY_BUILD_COPY, 3)->copy;
	ck_assert_uint_eq(copy->from, HOY_BUILD_NO_STEP);
	ck_assert_str_eq(copy->files[0].content, "C $x \"q\"\n");
	ck_assert_str_eq(copy->files[1].content, "$LANG\n");
	ck_assert_int_eq(step(&built, HOY_BUILD_COPY, 4)->copy.sources[0].kind, HOY_BUILD_SOURCE_GIT);
	context = step(&built, HOY_BUILD_CONTEXT, 0);
	ck_assert_uint_eq(hoy_strv_len(context->context.paths), 4);
	ck_assert_ptr_null(context->context.value);
}
END_TEST

START_TEST(runs_have_arguments_mounts_and_scripts)
{
	auto_(built_done) struct built built = { 0 };
	const struct hoy_build_run *run;

	MAKE(&built,
		"FROM a\nARG C=cache\nRUN --mount=type=$C,target=d,sharing=locked,uid=5,mode=700 --mount=target=/c,source=x,rw"
		" --mount=type=secret,id=tok --mount=type=secret,id=tok,env=TOK --mount=type=ssh,required"
		" --mount=type=tmpfs,dst=/t,size=64m --mount=type=bind,from=tools,target=/b --network=none make\n"
		"RUN [\"a\", \"$LANG\"]\nRUN <<EOF\necho 1\nEOF\nRUN <<-EOF\n\t#!/bin/py\n\tx\nEOF\nRUN cat <<A - <<B\n1\nA\n2\nB\n",
		BASE);
	run = &step(&built, HOY_BUILD_RUN, 0)->run;
	ck_assert_uint_eq(run->n_mounts, 7);
	ck_assert_int_eq(run->mounts[0].type, HOY_BUILD_MOUNT_CACHE);
	ck_assert_str_eq(run->mounts[0].target, "/w/d");
	ck_assert_int_eq(run->mounts[0].sharing, HOY_BUILD_LOCKED);
	ck_assert_uint_eq(run->mounts[0].uid, 5);
	ck_assert_uint_eq(run->mounts[0].mode, 0700);
	ck_assert_str_eq(run->mounts[1].source, "/x");
	ck_assert(!run->mounts[1].read_only);
	ck_assert_uint_eq(run->mounts[1].from, (size_t) (step(&built, HOY_BUILD_CONTEXT, 0) - built.plan->steps));
	ck_assert_str_eq(run->mounts[2].target, "/run/secrets/tok");
	ck_assert_ptr_null(run->mounts[3].target);
	ck_assert(run->mounts[4].required);
	ck_assert_int_eq(run->mounts[5].size, 64 << 20);
	ck_assert_str_eq(built.plan->steps[run->mounts[6].from].image.reference, "docker.io/library/tools:latest");
	ck_assert_str_eq(run->network, "none");
	ck_assert_str_eq(run->user, "ann");
	ck_assert_str_eq(run->cwd, "/w");
	ck_assert_str_eq(run->args[2], "make");
	run = &step(&built, HOY_BUILD_RUN, 1)->run;
	ck_assert_str_eq(run->args[0], "a");
	ck_assert_str_eq(run->args[1], "$LANG");
	ck_assert_str_eq(step(&built, HOY_BUILD_RUN, 2)->run.args[2], "echo 1\n");
	run = &step(&built, HOY_BUILD_RUN, 3)->run;
	ck_assert_str_eq(run->args[2], "/dev/pipes/EOF");
	ck_assert_str_eq(run->script->content, "#!/bin/py\nx\n");
	ck_assert_str_eq(step(&built, HOY_BUILD_RUN, 4)->run.args[2], "cat <<A - <<B\n1\nA\n2\nB");
}
END_TEST

START_TEST(triggers_of_the_base_run_first_and_once)
{
	auto_(built_done) struct built stage = { 0 };

	MAKE(&stage, "FROM a AS x\nONBUILD COPY --from=tools /t /t\nRUN in-x\nFROM x AS y\nRUN own\nFROM y\nRUN last\n",
		BASE);
	ck_assert_uint_eq(stage.input.n_images, 2);
	ck_assert_str_eq(step(&stage, HOY_BUILD_COPY, 0)->title, "[y 1/2] ONBUILD COPY --from=tools /t /t");
	ck_assert_uint_eq(step(&stage, HOY_BUILD_RUN, 0)->parent + 1,
		(size_t) (step(&stage, HOY_BUILD_RUN, 0) - stage.plan->steps));
	ck_assert_ptr_null(stage.plan->config->on_build);
}
END_TEST

START_TEST(triggers_of_an_image_are_expanded)
{
	auto_(built_done) struct built built = { 0 };

	MAKE(&built, "FROM a\nRUN own\n", "\"OnBuild\":[\"RUN trigger\",\"ENV T=1\"]");
	ck_assert_str_eq(step(&built, HOY_BUILD_RUN, 0)->run.args[2], "trigger");
	ck_assert_str_eq(step(&built, HOY_BUILD_RUN, 1)->run.args[2], "own");
	ck_assert_str_eq(hoy_env_get(step(&built, HOY_BUILD_RUN, 1)->run.env, "T"), "1");
	ck_assert_ptr_null(built.plan->config->on_build);
	ck_assert_ptr_nonnull(hoy_env_get(built.plan->config->env, "PATH"));
}
END_TEST

START_TEST(named_contexts_take_the_place_of_names)
{
	static const struct hoy_build_named_context contexts[] = { { "src", "../src" }, { "a", "docker-image://b:2" },
		{ "x", "/dir" } };
	auto_(built_done) struct built built = { .input = { .contexts = contexts, .n_contexts = 3 } };

	MAKE(&built, "FROM c AS x\nRUN never\nFROM a\nCOPY --from=src /p /q\nCOPY --from=x /r /s\n", BASE);
	ck_assert_str_eq(built.images[0].reference, "docker.io/library/b:2");
	ck_assert_uint_eq(built.input.n_images, 1);
	ck_assert_str_eq(step(&built, HOY_BUILD_CONTEXT, 1)->context.value, "../src");
	ck_assert_str_eq(step(&built, HOY_BUILD_CONTEXT, 0)->context.name, "x");
	ck_assert_uint_eq(step(&built, HOY_BUILD_COPY, 1)->copy.from,
		(size_t) (step(&built, HOY_BUILD_CONTEXT, 0) - built.plan->steps));
}
END_TEST

START_TEST(mistakes_are_refused_with_their_place)
{
	static const struct {
		const char *text, *target, *want;
	} cases[] = {
		{ "FROM a AS x\nFROM b\n", "z", "target stage 'z' could not be found" },
		{ "FROM a AS build\nFROM b\n", "biuld", "(did you mean build?)" },
		{ "FROM a AS x\nCOPY --from=y /a /b\nFROM a AS y\nCOPY --from=x /a /b\n", NULL, "circular dependency" },
		{ "FROM a AS x\nCOPY --from=x /a /b\n", NULL, "circular dependency" },
		{ "FROM a AS x\nCOPY --from=y /a /b\nFROM a AS y\n", "x", "needs to be defined before" },
		{ "FROM a\nCOPY --from=7 /a /b\n", NULL, "2:1: invalid stage index 7" },
		{ "FROM a\nCOPY --from=$X /a /b\n", NULL, "not supported for --from" },
		{ "FROM $X\n", NULL, "should not be blank" },
		{ "FROM A:b\n", NULL, "1:1: failed to parse the image name" },
		{ "FROM --platform=x/y/z/q a\n", NULL, "is no platform" },
		{ "FROM a\nCOPY a b c\n", NULL, "must be a directory" },
		{ "FROM a\nCOPY https://x.org/a /b\n", NULL, "source can't be a URL for COPY" },
		{ "FROM a\nADD --checksum=sha256:1 a /b\n", NULL, "checksum requires" },
		{ "FROM a\nCOPY --chmod=99 a /b\n", NULL, "invalid chmod" },
		{ "FROM a\nENV x=${y:?wanted}\n", NULL, "2:1: y: wanted" },
		{ "FROM a\nEXPOSE 99999\n", NULL, "not a port" },
		{ "FROM a\nSTOPSIGNAL SIGNOPE\n", NULL, "invalid signal" },
		{ "FROM a\nRUN --mount=type=cach,target=/x a\n", NULL, "(did you mean cache?)" },
		{ "FROM a\nRUN --mount=type=cache a\n", NULL, "needs a target" },
		{ "FROM a\nRUN --mount=type=bind,target=/ a\n", NULL, "invalid mount target" },
		{ "FROM a\nRUN --mount=type=bind,target=/x,uid=1 a\n", NULL, "uid is not allowed" },
		{ "FROM a\nRUN --mount=type=secret,target=/x,sharing=shared a\n", NULL, "sharing is not allowed" },
		{ "FROM a\nRUN --security=insecure a\n", NULL, "security.insecure" },
		{ "FROM a\nRUN --network=host a\n", NULL, "network.host" },
		{ "FROM a\nRUN --device=x a\n", NULL, "not supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_(built_done) struct built built = { .input.target = cases[i].target };

		ck_assert_int_eq(make(&built, cases[i].text, BASE), -EINVAL);
		ck_assert_msg(strstr(built.err.msg, cases[i].want), "%s gave: %s", cases[i].text, built.err.msg);
	}
}
END_TEST

START_TEST(the_image_config_holds_all_history)
{
	char *diff_ids[] = { NULL }, *labels[] = { (char *) "a=b", NULL };
	auto_(built_done) struct built built = { .input.labels = labels };
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;

	MAKE(&built, "FROM a AS x\nRUN y\nFROM x\nCMD z\n", BASE);
	ck_assert_int_eq(
		hoy_build_plan_image_config(built.plan, diff_ids, "2020-01-01T00:00:00Z", &config, &built.err), 0);
	ck_assert_uint_eq(config->n_history, 3);
	ck_assert_str_eq(config->history[0].created_by, "base");
	ck_assert_str_eq(config->history[1].created_by, "RUN /bin/sh -c y # buildkit");
	ck_assert(!config->history[1].empty_layer && config->history[2].empty_layer);
	ck_assert_str_eq(config->config->labels[0].key, "a");
	ck_assert_str_eq(config->architecture, "amd64");
}
END_TEST

START_TEST(platforms_are_normalised)
{
	static const struct {
		const char *text, *os, *arch, *variant;
	} cases[] = {
		{ "linux/amd64", "linux", "amd64", NULL },
		{ "x86_64", "linux", "amd64", NULL },
		{ "linux/arm64/v8", "linux", "arm64", NULL },
		{ "arm", "linux", "arm", "v7" },
		{ "linux/arm/v6", "linux", "arm", "v6" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_(hoy_arena_done) struct hoy_arena arena = { 0 };
		struct hoy_build_platform platform;

		ck_assert_int_eq(hoy_build_platform_parse(&arena, cases[i].text, &platform, NULL), 0);
		ck_assert_str_eq(platform.os, cases[i].os);
		ck_assert_str_eq(platform.arch, cases[i].arch);
		ck_assert(hoy_str_eq(platform.variant, cases[i].variant));
		ck_assert_int_lt(hoy_build_platform_parse(&arena, "a//b", &platform, NULL), 0);
	}
}
END_TEST

Suite *suite_build_plan(void)
{
	const TTest *const tests[] = { only_what_the_target_needs_is_planned, arguments_have_their_scopes,
		instructions_change_the_config, an_entrypoint_takes_the_base_images_cmd_away_and_not_the_stages,
		copies_know_where_from_and_where_to, runs_have_arguments_mounts_and_scripts,
		triggers_of_the_base_run_first_and_once, triggers_of_an_image_are_expanded,
		named_contexts_take_the_place_of_names, mistakes_are_refused_with_their_place,
		the_image_config_holds_all_history, platforms_are_normalised };

	return hoy_unit_suite("build plan", tests, ARRAY_LEN(tests));
}
