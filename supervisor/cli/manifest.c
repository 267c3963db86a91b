/* manifest inspect, create, annotate, rm. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/manifest_store.h"
#include "supervisor/cli/registry.h"

static int ask(const struct hoy_cli *cli, const struct hoy_reference *ref, bool all, bool insecure,
	struct hoy_json **ret, struct hoy_err *err)
{
	const struct hoy_registry_call call = {
		.op = HOY_FETCH_MANIFEST, .ref = ref, .all = all, .insecure = insecure
	};
	auto_(hoy_buf_done) struct hoy_buf answer = { 0 };
	int r = hoy_registry_call(&cli->config, &call, &answer, err);

	return r < 0 ? r : hoy_json_parse(answer.data ? answer.data : "", answer.len, /* limits= */ NULL, ret, err);
}

static bool is_index(const struct hoy_json *answer)
{
	const char *type = hoy_cli_text(hoy_json_get(answer, "Descriptor"), "mediaType");

	return hoy_oci_media_kind(type) == HOY_OCI_MEDIA_KIND_INDEX;
}

static int parse(
	const struct hoy_json *object, const struct hoy_reference *ref, struct hoy_manifest *ret, struct hoy_err *err)
{
	auto_free char *name = hoy_reference_to_string(ref);

	return name ? hoy_manifest_parse(object, name, ret, err) : hoy_err_oom(err);
}

/* --- inspect ----------------------------------------------------------------- */

struct inspect_options {
	bool insecure, verbose;
};
static const struct hoy_option inspect_options[] = {
	HOY_OPTION(0, "insecure", HOY_OPTION_BOOL, NULL, struct inspect_options, insecure,
		"Allow communication with an insecure registry"),
	HOY_OPTION('v', "verbose", HOY_OPTION_BOOL, NULL, struct inspect_options, verbose,
		"Output additional info including layers and platform"),
	HOY_OPTION_END,
};

static int put_indented(const struct hoy_buf *text, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf out = { 0 };
	int r = hoy_buf_check(text, "the manifest", err);

	if (r < 0)
		return r;
	hoy_manifest_indent(text->data, text->len, &out);
	r = hoy_buf_check(&out, "the manifest", err);
	if (r == 0)
		(void) printf("%s\n", out.data);
	return r;
}

static int show_manifest(const struct hoy_manifest *manifest, bool verbose, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	int r = verbose ? hoy_manifest_print(manifest, &w, err) : 0;

	return r < 0 ? r : put_indented(verbose ? &text : &manifest->raw, err);
}

static int show_list(const struct hoy_manifest_list *list, bool verbose, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	int r = 0;

	if (!verbose) {
		r = hoy_manifest_list_print(list, &text, err);
		if (r == 0)
			(void) printf("%s\n", text.data);
		return r;
	}
	hoy_json_array(&w, NULL);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = hoy_manifest_print(&list->manifests[i], &w, err);
	hoy_json_end(&w);
	return r < 0 ? r : put_indented(&text, err);
}

/* Those of a registry's index: each by its own digest. */
static int take_entries(const struct hoy_json *answer, const struct hoy_reference *ref, struct hoy_manifest_list *list,
	struct hoy_err *err)
{
	hoy_json_each(entry, hoy_json_get(answer, "Manifests"))
	{
		struct hoy_reference named = *ref;
		struct hoy_manifest *manifest = hoy_manifest_list_add(list);
		int r;

		named.digest = (char *) (uintptr_t) hoy_cli_text(hoy_json_get(entry, "Descriptor"), "digest");
		r = manifest ? parse(entry, &named, manifest, err) : hoy_err_oom(err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int inspect_remote(const struct hoy_cli *cli, const struct hoy_reference *ref, struct hoy_err *err)
{
	const struct inspect_options *o = cli->values;
	auto_(hoy_manifest_list_done) struct hoy_manifest_list list = { 0 };
	auto_(hoy_manifest_done) struct hoy_manifest manifest = { 0 };
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	int r = ask(cli, ref, /* all= */ true, o->insecure, &answer, err);

	if (r < 0)
		return r;
	if (is_index(answer)) {
		r = take_entries(answer, ref, &list, err);
		return r < 0 ? r : show_list(&list, o->verbose, err);
	}
	r = parse(answer, ref, &manifest, err);
	return r < 0 ? r : show_manifest(&manifest, o->verbose, err);
}

static int inspect(const struct hoy_cli *cli, struct hoy_err *err)
{
	const struct inspect_options *o = cli->values;
	auto_(hoy_reference_done) struct hoy_reference list_ref = { 0 }, ref = { 0 };
	auto_(hoy_manifest_list_done) struct hoy_manifest_list list = { 0 };
	auto_(hoy_manifest_done) struct hoy_manifest manifest = { 0 };
	int r = hoy_manifest_reference(cli->args[cli->n_args - 1], &ref, err);

	if (r == 0 && cli->n_args == 2) {
		r = hoy_manifest_reference(cli->args[0], &list_ref, err);
		if (r == 0)
			r = hoy_manifest_load(&cli->config, &list_ref, &ref, &manifest, err);
		return r < 0 ? r : show_manifest(&manifest, o->verbose, err);
	}
	if (r < 0)
		return r;
	r = hoy_manifest_list_load(&cli->config, &ref, &list, err);
	if (r == -ENOENT)
		return inspect_remote(cli, &ref, err);
	return r < 0 ? r : show_list(&list, o->verbose, err);
}

static int cmd_inspect(struct hoy_cli *cli)
{
	struct hoy_err err;

	return inspect(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_manifest_inspect = {
	.name = "manifest inspect",
	.args = "[MANIFEST_LIST] MANIFEST",
	.min_args = 1,
	.max_args = 2,
	.summary = "Display an image manifest, or manifest list",
	.options = inspect_options,
	.values_size = sizeof(struct inspect_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_inspect,
};

/* --- create ------------------------------------------------------------------ */

struct create_options {
	bool amend, insecure;
};
static const struct hoy_option create_options[] = {
	HOY_OPTION(
		'a', "amend", HOY_OPTION_BOOL, NULL, struct create_options, amend, "Amend an existing manifest list"),
	HOY_OPTION(0, "insecure", HOY_OPTION_BOOL, NULL, struct create_options, insecure,
		"Allow communication with an insecure registry"),
	HOY_OPTION_END,
};

/* One that the list has already stays as it was annotated. */
static int add(const struct hoy_cli *cli, const struct hoy_reference *list, const char *text, struct hoy_err *err)
{
	const struct create_options *o = cli->values;
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_(hoy_manifest_done) struct hoy_manifest manifest = { 0 };
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_free char *name = NULL;
	int r = hoy_manifest_reference(text, &ref, err);

	if (r < 0)
		return r;
	r = hoy_manifest_load(&cli->config, list, &ref, &manifest, err);
	if (r != -ENOENT)
		return r;
	name = hoy_reference_to_string(&ref);
	r = name ? ask(cli, &ref, /* all= */ false, o->insecure, &answer, err) : hoy_err_oom(err);
	if (r < 0)
		return r;
	if (is_index(answer))
		return hoy_err_invalid(err, "%s is a manifest list", name);
	r = hoy_manifest_parse(answer, name, &manifest, err);
	return r < 0 ? r : hoy_manifest_save(&cli->config, list, &ref, &manifest, err);
}

static int create(const struct hoy_cli *cli, struct hoy_err *err)
{
	const struct create_options *o = cli->values;
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_(hoy_manifest_list_done) struct hoy_manifest_list list = { 0 };
	auto_free char *name = NULL;
	int r = hoy_manifest_reference(cli->args[0], &ref, err);

	if (r < 0)
		return hoy_err_wrap(err, "error parsing name for manifest list %s", cli->args[0]);
	r = hoy_manifest_list_load(&cli->config, &ref, &list, err);
	if (r == 0 && !o->amend)
		return hoy_err_conflict(err, "refusing to amend an existing manifest list with no --amend flag");
	if (r == -ENOENT)
		r = 0;
	for (size_t i = 1; r == 0 && i < cli->n_args; i++)
		r = add(cli, &ref, cli->args[i], err);
	name = hoy_reference_to_string(&ref);
	if (r == 0)
		(void) printf("Created manifest list %s\n", name ? name : cli->args[0]);
	return r;
}

static int cmd_create(struct hoy_cli *cli)
{
	struct hoy_err err;

	return create(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_manifest_create = {
	.name = "manifest create",
	.args = "MANIFEST_LIST MANIFEST [MANIFEST...]",
	.min_args = 2,
	.max_args = SIZE_MAX,
	.summary = "Create a local manifest list for annotating and pushing to a registry",
	.options = create_options,
	.values_size = sizeof(struct create_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_create,
};

/* --- annotate ---------------------------------------------------------------- */

struct annotate_options {
	const char *arch, *os, *os_version, *variant;
	char **os_features;
};
static const struct hoy_option annotate_options[] = {
	HOY_OPTION(0, "arch", HOY_OPTION_STRING, "string", struct annotate_options, arch, "Set architecture"),
	HOY_OPTION(0, "os", HOY_OPTION_STRING, "string", struct annotate_options, os, "Set operating system"),
	HOY_OPTION(0, "os-features", HOY_OPTION_STRINGS, "strings", struct annotate_options, os_features,
		"Set operating system feature"),
	HOY_OPTION(0, "os-version", HOY_OPTION_STRING, "string", struct annotate_options, os_version,
		"Set operating system version"),
	HOY_OPTION(0, "variant", HOY_OPTION_STRING, "string", struct annotate_options, variant,
		"Set architecture variant"),
	HOY_OPTION_END,
};

/* Pairs that Go has a port for: what manifest lists may name. */
static bool is_platform(const char *os, const char *arch)
{
	static const char *const rows[][2] = {
		{ "aix", " ppc64 " },
		{ "android", " 386 amd64 arm arm64 " },
		{ "darwin", " 386 amd64 arm arm64 " },
		{ "dragonfly", " amd64 " },
		{ "freebsd", " 386 amd64 arm arm64 riscv64 " },
		{ "illumos", " amd64 " },
		{ "ios", " amd64 arm64 " },
		{ "js", " wasm " },
		{ "linux", " 386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x " },
		{ "netbsd", " 386 amd64 arm arm64 " },
		{ "openbsd", " 386 amd64 arm arm64 ppc64 riscv64 " },
		{ "plan9", " 386 amd64 arm " },
		{ "solaris", " amd64 " },
		{ "wasip1", " wasm " },
		{ "windows", " 386 amd64 arm arm64 " },
	};
	auto_free char *word = hoy_str_printf(" %s ", arch);

	for (size_t i = 0; word && i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i][0], os) == 0)
			return strstr(rows[i][1], word);
	return false;
}

static int set(char **to, const char *value, struct hoy_err *err)
{
	char *copy = value ? strdup(value) : NULL;

	if (!value)
		return 0;
	if (!copy)
		return hoy_err_oom(err);
	free(*to);
	*to = copy;
	return 0;
}

static int set_platform(struct hoy_oci_platform *p, const struct annotate_options *o, struct hoy_err *err)
{
	if (set(&p->os, o->os, err) < 0 || set(&p->architecture, o->arch, err) < 0 ||
		set(&p->os_version, o->os_version, err) < 0 || set(&p->variant, o->variant, err) < 0)
		return -ENOMEM;
	for (char *const *feature = o->os_features; feature && *feature; feature++)
		if (!hoy_strv_has(p->os_features, *feature) && hoy_strv_add(&p->os_features, *feature) < 0)
			return hoy_err_oom(err);
	if (!is_platform(p->os ? p->os : "", p->architecture ? p->architecture : ""))
		return hoy_err_invalid(err, "manifest entry for image has unsupported os/arch combination: %s/%s",
			p->os ? p->os : "", p->architecture ? p->architecture : "");
	return 0;
}

static int annotate(const struct hoy_cli *cli, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference list = { 0 }, ref = { 0 };
	auto_(hoy_manifest_done) struct hoy_manifest manifest = { 0 };
	int r = hoy_manifest_reference(cli->args[0], &list, err);

	if (r < 0)
		return hoy_err_wrap(err, "annotate: error parsing name for manifest list %s", cli->args[0]);
	r = hoy_manifest_reference(cli->args[1], &ref, err);
	if (r < 0)
		return hoy_err_wrap(err, "annotate: error parsing name for manifest %s", cli->args[1]);
	r = hoy_manifest_load(&cli->config, &list, &ref, &manifest, err);
	if (r == -ENOENT)
		return hoy_err_not_found(err, "manifest for image %s does not exist in %s", cli->args[1], cli->args[0]);
	if (r < 0)
		return r;
	if (!manifest.descriptor->platform)
		manifest.descriptor->platform = calloc(1, sizeof *manifest.descriptor->platform);
	if (!manifest.descriptor->platform)
		return hoy_err_oom(err);
	r = set_platform(manifest.descriptor->platform, cli->values, err);
	return r < 0 ? r : hoy_manifest_save(&cli->config, &list, &ref, &manifest, err);
}

static int cmd_annotate(struct hoy_cli *cli)
{
	struct hoy_err err;

	return annotate(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_manifest_annotate = {
	.name = "manifest annotate",
	.args = "MANIFEST_LIST MANIFEST",
	.min_args = 2,
	.max_args = 2,
	.summary = "Add additional information to a local image manifest",
	.options = annotate_options,
	.values_size = sizeof(struct annotate_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_annotate,
};

/* --- rm ---------------------------------------------------------------------- */

static const struct hoy_option no_options[] = { HOY_OPTION_END };

static int remove_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	int r = hoy_manifest_reference(name, &ref, err);

	return r < 0 ? r : hoy_manifest_list_remove(&cli->config, &ref, err);
}

static int cmd_rm(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, remove_one, /* print= */ false);
}

const struct hoy_command hoy_cmd_manifest_rm = {
	.name = "manifest rm",
	.args = "MANIFEST_LIST [MANIFEST_LIST...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Delete one or more manifest lists from local storage",
	.options = no_options,
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_rm,
};
