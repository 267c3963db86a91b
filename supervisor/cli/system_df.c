/* system df: how much disk is used, and how much of it could be free. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/rows.h"

struct df_options {
	const char *format;
};
static const struct hoy_option df_options[] = {
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct df_options, format, HOY_FORMAT_HELP),
	HOY_OPTION_REFUSE('v', "verbose", NULL, "the sums are printed by this version; see images, ps -s, volume ls"),
	HOY_OPTION_END,
};
static const struct hoy_format_field df_fields[] = {
	{ "Active", "ACTIVE" },
	{ "Reclaimable", "RECLAIMABLE" },
	{ "Size", "SIZE" },
	{ "TotalCount", "TOTAL" },
	{ "Type", "TYPE" },
	{},
};
static const struct hoy_format_list df_kind = {
	.fields = df_fields,
	.table = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
};

struct sum {
	int64_t count, active, size, reclaimable;
};

static struct sum sum_images(const struct hoy_json *df)
{
	struct sum sum = { .size = hoy_cli_number(df, "LayersSize") };
	int64_t used = 0;

	hoy_json_each(image, hoy_json_get(df, "Images"))
	{
		int64_t size = hoy_cli_number(image, "Size"), shared = hoy_cli_number(image, "SharedSize");

		sum.count++;
		if (hoy_cli_number(image, "Containers") > 0) {
			sum.active++;
			if (size >= 0 && shared >= 0)
				used += size - shared;
		}
	}
	sum.reclaimable = MAX(sum.size - used, (int64_t) 0);
	return sum;
}

static struct sum sum_containers(const struct hoy_json *df)
{
	struct sum sum = {};

	hoy_json_each(container, hoy_json_get(df, "Containers"))
	{
		const char *state = hoy_cli_text(container, "State");
		bool active = strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 ||
			      strcmp(state, "restarting") == 0;

		sum.count++;
		sum.active += active;
		sum.size += hoy_cli_number(container, "SizeRw");
		sum.reclaimable += active ? 0 : hoy_cli_number(container, "SizeRw");
	}
	return sum;
}

static struct sum sum_volumes(const struct hoy_json *df)
{
	struct sum sum = {};

	hoy_json_each(volume, hoy_json_get(df, "Volumes"))
	{
		const struct hoy_json *usage = hoy_json_get(volume, "UsageData");
		int64_t size = MAX(hoy_cli_number(usage, "Size"), (int64_t) 0);
		bool active = hoy_cli_number(usage, "RefCount") > 0;

		sum.count++;
		sum.active += active;
		sum.size += size;
		sum.reclaimable += active ? 0 : size;
	}
	return sum;
}

static struct sum sum_cache(const struct hoy_json *df)
{
	struct sum sum = {};

	hoy_json_each(record, hoy_json_get(df, "BuildCache"))
	{
		bool active = hoy_cli_bool(record, "InUse");
		int64_t size = hoy_cli_bool(record, "Shared") ? 0 : hoy_cli_number(record, "Size");

		sum.count++;
		sum.active += active;
		sum.size += size;
		sum.reclaimable += active ? 0 : size;
	}
	return sum;
}

static int add_sum(struct hoy_json_writer *w, const char *type, const struct sum *sum, bool percent)
{
	auto_free char *free_size = hoy_human_size_long((double) sum->reclaimable);
	int r = 0;

	if (!free_size)
		return 1;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Type", type);
	r |= hoy_rows_add(w, "TotalCount", hoy_str_printf("%lld", (long long) sum->count));
	r |= hoy_rows_add(w, "Active", hoy_str_printf("%lld", (long long) sum->active));
	r |= hoy_rows_add(w, "Size", hoy_human_size_long((double) sum->size));
	r |= hoy_rows_add(w, "Reclaimable",
		percent && sum->size > 0 ? hoy_str_printf("%s (%d%%)", free_size,
						   (int) ((double) sum->reclaimable * 100 / (double) sum->size))
					 : strdup(free_size));
	hoy_json_end(w);
	return r;
}

static int cmd_system_df(struct hoy_cli *cli)
{
	const struct df_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *df = NULL;
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	struct hoy_json_writer w = { .buf = &rows };
	struct sum images, containers, volumes, cache;
	struct hoy_err err;
	int failed;

	if (hoy_cli_call(cli, "GET", "/system/df", NULL, &df, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	images = sum_images(df);
	containers = sum_containers(df);
	volumes = sum_volumes(df);
	cache = sum_cache(df);
	hoy_json_array(&w, NULL);
	failed = add_sum(&w, "Images", &images, /* percent= */ true);
	failed |= add_sum(&w, "Containers", &containers, /* percent= */ true);
	failed |= add_sum(&w, "Local Volumes", &volumes, /* percent= */ true);
	failed |= add_sum(&w, "Build Cache", &cache, /* percent= */ false);
	hoy_json_end(&w);
	if (failed)
		(void) hoy_err_oom(&err);
	if (failed || hoy_format_list(cli, &df_kind, o->format, /* quiet= */ false, &rows, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_system_df = {
	.name = "system df",
	.args = "",
	.summary = "Show the engine's disk usage",
	.options = df_options,
	.values_size = sizeof(struct df_options),
	.run = cmd_system_df,
};
