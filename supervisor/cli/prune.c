/* container prune, image prune and system prune, and what all prune commands share. */
#include "supervisor/cli/prune.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/human.h"

const struct hoy_prune_kind hoy_prune_containers = { "/containers/prune", "Deleted Containers:", "ContainersDeleted" };
const struct hoy_prune_kind hoy_prune_networks = { "/networks/prune", "Deleted Networks:", "NetworksDeleted" };
const struct hoy_prune_kind hoy_prune_volumes = { "/volumes/prune", "Deleted Volumes:", "VolumesDeleted" };
const struct hoy_prune_kind hoy_prune_images = { "/images/prune", "Deleted Images:", "ImagesDeleted" };
const struct hoy_prune_kind hoy_prune_build_cache = { "/build/prune", "Deleted build cache objects:", "CachesDeleted" };

bool hoy_prune_confirm(const char *warning)
{
	char answer[16] = "";

	(void) printf("%s\nAre you sure you want to continue? [y/N] ", warning);
	(void) fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && (strcmp(answer, "y\n") == 0 || strcmp(answer, "Y\n") == 0);
}

int hoy_prune_cancelled(const struct hoy_cli *cli, const char *what)
{
	struct hoy_err err;

	(void) hoy_err_invalid(&err, "%s has been cancelled", what);
	return hoy_cli_fail(cli, 1, &err);
}

void hoy_prune_print_total(int64_t bytes)
{
	auto_free char *size = hoy_human_size((double) bytes);

	(void) printf("Total reclaimed space: %s\n", size ? size : "");
}

/* A name, or an object that says what was done to one image. */
static void print_entry(const struct hoy_json *entry)
{
	const char *name = hoy_json_string(entry);

	if (name)
		(void) printf("%s\n", name);
	else if (*hoy_cli_text(entry, "Untagged"))
		(void) printf("untagged: %s\n", hoy_cli_text(entry, "Untagged"));
	else
		(void) printf("deleted: %s\n", hoy_cli_text(entry, "Deleted"));
}

int hoy_prune_one(struct hoy_cli *cli, const struct hoy_prune_kind *kind, char *const *filter, int64_t *bytes,
	struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_addf(&path, "%s%s", kind->path, filter && !strchr(kind->path, '?') ? "?" : "");
	r = hoy_filter_call(cli, "POST", &path, filter, &answer, err);
	if (r < 0)
		return r;
	if (hoy_json_len(hoy_json_get(answer, kind->list)) > 0) {
		(void) printf("%s\n", kind->title);
		hoy_json_each(entry, hoy_json_get(answer, kind->list)) print_entry(entry);
		(void) printf("\n");
	}
	*bytes += hoy_cli_number(answer, "SpaceReclaimed");
	return 0;
}

/* --- container prune --------------------------------------------------------------------------------------------- */

struct prune_options {
	bool force;
	char **filter;
};
static const struct hoy_option container_options[] = {
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct prune_options, filter,
		"Provide filter values (e.g. \"until=<timestamp>\")"),
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct prune_options, force, "Do not prompt for confirmation"),
	HOY_OPTION_END,
};

static int cmd_container_prune(struct hoy_cli *cli)
{
	const struct prune_options *o = cli->values;
	struct hoy_err err;
	int64_t bytes = 0;

	if (!o->force && !hoy_prune_confirm("WARNING! This will remove all stopped containers."))
		return hoy_prune_cancelled(cli, "container prune");
	if (hoy_prune_one(cli, &hoy_prune_containers, o->filter, &bytes, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	hoy_prune_print_total(bytes);
	return 0;
}

const struct hoy_command hoy_cmd_container_prune = {
	.name = "container prune",
	.args = "",
	.summary = "Remove all stopped containers",
	.options = container_options,
	.values_size = sizeof(struct prune_options),
	.run = cmd_container_prune,
};

/* --- image prune -------------------------------------------------------------------------------------------------- */

struct image_options {
	bool all, force;
	char **filter;
};
static const struct hoy_option image_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct image_options, all,
		"Remove all unused images, not just dangling ones"),
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct image_options, filter,
		"Provide filter values (e.g. \"until=<timestamp>\")"),
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct image_options, force, "Do not prompt for confirmation"),
	HOY_OPTION_END,
};

static int cmd_image_prune(struct hoy_cli *cli)
{
	const struct image_options *o = cli->values;
	auto_ptr(hoy_strv_free) char **filters = o->filter ? hoy_strv_copy(o->filter) : NULL;
	struct hoy_err err;
	int64_t bytes = 0;

	if (!o->force &&
		!hoy_prune_confirm(o->all ? "WARNING! This will remove all images without at least one container "
					    "associated to them."
					  : "WARNING! This will remove all dangling images."))
		return hoy_prune_cancelled(cli, "image prune");
	if (hoy_strv_addf(&filters, "dangling=%s", o->all ? "false" : "true") < 0) {
		(void) hoy_err_oom(&err);
		return hoy_cli_fail(cli, 1, &err);
	}
	if (hoy_prune_one(cli, &hoy_prune_images, filters, &bytes, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	hoy_prune_print_total(bytes);
	return 0;
}

const struct hoy_command hoy_cmd_image_prune = {
	.name = "image prune",
	.args = "",
	.summary = "Remove unused images",
	.options = image_options,
	.values_size = sizeof(struct image_options),
	.run = cmd_image_prune,
};

/* --- builder prune ------------------------------------------------------------------------------------------------ */

struct builder_options {
	bool all, force;
	char **filter;
	int64_t keep;
};
static const struct hoy_option builder_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct builder_options, all,
		"Remove all unused build cache, not just dangling ones"),
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct builder_options, filter,
		"Provide filter values (e.g. \"until=24h\")"),
	HOY_OPTION(
		'f', "force", HOY_OPTION_BOOL, NULL, struct builder_options, force, "Do not prompt for confirmation"),
	HOY_OPTION(0, "keep-storage", HOY_OPTION_BYTES, "bytes", struct builder_options, keep,
		"Amount of disk space to keep for cache"),
	HOY_OPTION_END,
};

static int cmd_builder_prune(struct hoy_cli *cli)
{
	const struct builder_options *o = cli->values;
	auto_free char *path = hoy_str_printf("/build/prune?all=%d&keep-storage=%lld", o->all, (long long) o->keep);
	const struct hoy_prune_kind kind = { path, hoy_prune_build_cache.title, hoy_prune_build_cache.list };
	struct hoy_err err;
	int64_t bytes = 0;

	if (!o->force && !hoy_prune_confirm(o->all ? "WARNING! This will remove all build cache."
						   : "WARNING! This will remove all dangling build cache."))
		return hoy_prune_cancelled(cli, "builder prune");
	if (!path)
		(void) hoy_err_oom(&err);
	if (!path || hoy_prune_one(cli, &kind, o->filter, &bytes, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	hoy_prune_print_total(bytes);
	return 0;
}

const struct hoy_command hoy_cmd_builder_prune = {
	.name = "builder prune",
	.alias = "buildx prune",
	.args = "",
	.summary = "Remove build cache",
	.options = builder_options,
	.values_size = sizeof(struct builder_options),
	.run = cmd_builder_prune,
};

/* --- system prune ---------------------------------------------------------------------- */

struct system_options {
	bool all, force, volumes;
	char **filter;
};
static const struct hoy_option system_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct system_options, all,
		"Remove all unused images not just dangling ones"),
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct system_options, filter,
		"Provide filter values (e.g. \"label=<key>=<value>\")"),
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct system_options, force, "Do not prompt for confirmation"),
	HOY_OPTION(0, "volumes", HOY_OPTION_BOOL, NULL, struct system_options, volumes, "Prune anonymous volumes"),
	HOY_OPTION_END,
};

static char *warning(const struct system_options *o)
{
	return hoy_str_printf("WARNING! This will remove:\n"
			      "  - all stopped containers\n"
			      "  - all networks not used by at least one container\n"
			      "%s  - %s\n  - %s\n",
		o->volumes ? "  - all anonymous volumes not used by at least one container\n" : "",
		o->all ? "all images without at least one container associated to them" : "all dangling images",
		o->all ? "all build cache" : "unused build cache");
}

/* What each kind is filtered by: images also by whether a tag saves them, the build cache, which has no labels, by
 * time. */
static int filters_of_kinds(const struct system_options *o, char ***images, char ***cache, struct hoy_err *err)
{
	*images = o->filter ? hoy_strv_copy(o->filter) : NULL;
	if (o->filter && !*images)
		return hoy_err_oom(err);
	if (o->all && hoy_strv_add(images, "dangling=false") < 0)
		return hoy_err_oom(err);
	for (char **f = o->filter; f && *f; f++)
		if (hoy_str_starts(*f, "until=") && hoy_strv_add(cache, *f) < 0)
			return hoy_err_oom(err);
	return 0;
}

static int prune_system(struct hoy_cli *cli, int64_t *bytes, struct hoy_err *err)
{
	const struct system_options *o = cli->values;
	const struct hoy_prune_kind whole_cache = {
		"/build/prune?all=1",
		hoy_prune_build_cache.title,
		hoy_prune_build_cache.list,
	};
	auto_ptr(hoy_strv_free) char **images = NULL;
	auto_ptr(hoy_strv_free) char **cache = NULL;
	int r = filters_of_kinds(o, &images, &cache, err);

	if (r >= 0)
		r = hoy_prune_one(cli, &hoy_prune_containers, o->filter, bytes, err);
	if (r >= 0)
		r = hoy_prune_one(cli, &hoy_prune_networks, o->filter, bytes, err);
	if (r >= 0 && o->volumes)
		r = hoy_prune_one(cli, &hoy_prune_volumes, o->filter, bytes, err);
	if (r >= 0)
		r = hoy_prune_one(cli, &hoy_prune_images, images, bytes, err);
	if (r >= 0)
		r = hoy_prune_one(cli, o->all ? &whole_cache : &hoy_prune_build_cache, cache, bytes, err);
	return r;
}

static int cmd_system_prune(struct hoy_cli *cli)
{
	const struct system_options *o = cli->values;
	auto_free char *text = NULL;
	struct hoy_err err;
	int64_t bytes = 0;

	for (char **f = o->filter; o->volumes && f && *f; f++) {
		if (hoy_str_starts(*f, "until=")) {
			(void) hoy_err_invalid(&err, "ERROR: The \"until\" filter is not supported with \"--volumes\"");
			return hoy_cli_fail(cli, 1, &err);
		}
	}
	text = warning(o);
	if (!o->force && !hoy_prune_confirm(text ? text : ""))
		return hoy_prune_cancelled(cli, "system prune");
	if (prune_system(cli, &bytes, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	hoy_prune_print_total(bytes);
	return 0;
}

const struct hoy_command hoy_cmd_system_prune = {
	.name = "system prune",
	.args = "",
	.summary = "Remove unused data",
	.options = system_options,
	.values_size = sizeof(struct system_options),
	.run = cmd_system_prune,
};
