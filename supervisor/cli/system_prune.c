/* system prune: all that is not used, one kind after the other. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/confirm.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/human.h"

struct prune_options {
	bool all, force, volumes;
	char **filter;
};
static const struct hoy_option prune_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct prune_options, all,
		"Remove all unused images not just dangling ones"),
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct prune_options, filter,
		"Provide filter values (e.g. \"label=<key>=<value>\")"),
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct prune_options, force, "Do not prompt for confirmation"),
	HOY_OPTION(0, "volumes", HOY_OPTION_BOOL, NULL, struct prune_options, volumes, "Prune anonymous volumes"),
	HOY_OPTION_END,
};

/* What is removed, where the API does it, and where its answer tells. */
struct kind {
	const char *path, *member, *title;
};
static const struct kind containers = { "/containers/prune", "ContainersDeleted", "Deleted Containers:" };
static const struct kind volumes = { "/volumes/prune", "VolumesDeleted", "Deleted Volumes:" };
static const struct kind networks = { "/networks/prune", "NetworksDeleted", "Deleted Networks:" };
static const struct kind images = { "/images/prune", "ImagesDeleted", "Deleted Images:" };
static const struct kind cache = { "/build/prune", "CachesDeleted", "Deleted build cache objects:" };

static void print_deleted(const struct kind *kind, const struct hoy_json *answer)
{
	const struct hoy_json *deleted = hoy_json_get(answer, kind->member);

	if (!hoy_json_first(deleted))
		return;
	(void) puts(kind->title);
	hoy_json_each(entry, deleted)
	{
		if (hoy_json_string(entry))
			(void) puts(hoy_json_string(entry));
		if (*hoy_cli_text(entry, "Untagged"))
			(void) printf("untagged: %s\n", hoy_cli_text(entry, "Untagged"));
		if (*hoy_cli_text(entry, "Deleted"))
			(void) printf("deleted: %s\n", hoy_cli_text(entry, "Deleted"));
	}
	(void) putchar('\n');
}

/* `query` begins with '?' or is "". Adds to *space what was freed. */
static int prune(struct hoy_cli *cli, const struct kind *kind, char *const *filters, const char *query, double *space,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	int r;

	(void) hoy_buf_addf(&path, "%s%s", kind->path, query);
	r = hoy_filter_add_query(&path, filters, err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(cli, "POST", path.data, NULL, &answer, err);
	if (r < 0)
		return r;
	print_deleted(kind, answer);
	*space += (double) hoy_cli_number(answer, "SpaceReclaimed");
	return 0;
}

static int prune_all(struct hoy_cli *cli, double *space, struct hoy_err *err)
{
	const struct prune_options *o = cli->values;
	auto_ptr(hoy_strv_free) char **image_filters = hoy_strv_copy(o->filter);
	int r = prune(cli, &containers, o->filter, "", space, err);

	if (r == 0 && o->volumes)
		r = prune(cli, &volumes, o->filter, "", space, err);
	if (r == 0)
		r = prune(cli, &networks, o->filter, "", space, err);
	if (r == 0 && hoy_strv_add(&image_filters, o->all ? "dangling=false" : "dangling=true") < 0)
		r = hoy_err_oom(err);
	if (r == 0)
		r = prune(cli, &images, image_filters, "", space, err);
	if (r == 0)
		r = prune(cli, &cache, o->filter, o->all ? "?all=1" : "", space, err);
	return r;
}

static bool ask(const struct prune_options *o)
{
	auto_free char *text = hoy_str_printf("WARNING! This will remove:\n"
					      "  - all stopped containers\n"
					      "  - all networks not used by at least one container\n%s"
					      "  - all %s\n"
					      "  - %s build cache\n",
		o->volumes ? "  - all anonymous volumes not used by at least one container\n" : "",
		o->all ? "images without at least one container associated to them" : "dangling images",
		o->all ? "all" : "unused");

	return text && hoy_confirm(text);
}

static int cmd_system_prune(struct hoy_cli *cli)
{
	const struct prune_options *o = cli->values;
	auto_free char *text = NULL;
	double space = 0;
	struct hoy_err err;

	for (char **f = o->filter; o->volumes && f && *f; f++) {
		if (hoy_str_starts(*f, "until=")) {
			(void) hoy_err_invalid(&err, "ERROR: The \"until\" filter is not supported with \"--volumes\"");
			return hoy_cli_fail(cli, 1, &err);
		}
	}
	if (!o->force && !ask(o))
		return 0;
	if (prune_all(cli, &space, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	text = hoy_human_size_long(space);
	(void) printf("Total reclaimed space: %s\n", text ? text : "");
	return 0;
}

const struct hoy_command hoy_cmd_system_prune = {
	.name = "system prune",
	.args = "",
	.summary = "Remove unused data",
	.options = prune_options,
	.values_size = sizeof(struct prune_options),
	.run = cmd_system_prune,
};
