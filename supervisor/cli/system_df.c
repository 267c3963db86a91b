/* system df: how much disk is used, and how much of it could be free. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/text.h"

struct df_options {
	bool verbose;
	const char *format;
};
static const struct hoy_option df_options[] = {
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct df_options, format, HOY_FORMAT_HELP),
	HOY_OPTION('v', "verbose", HOY_OPTION_BOOL, NULL, struct df_options, verbose,
		"Show detailed information on space usage"),
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

static struct sum sum_volumes(const struct hoy_json *volumes)
{
	struct sum sum = {};

	hoy_json_each(volume, volumes)
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

static int print_sums(struct hoy_cli *cli, const struct hoy_json *df, const char *format, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	struct hoy_json_writer w = { .buf = &rows };
	const struct sum images = sum_images(df), containers = sum_containers(df),
			 volumes = sum_volumes(hoy_json_get(df, "Volumes")),
			 kept = sum_volumes(hoy_json_get(df, "KeptVolumes")), cache = sum_cache(df);
	int failed;

	hoy_json_array(&w, NULL);
	failed = add_sum(&w, "Images", &images, /* percent= */ true);
	failed |= add_sum(&w, "Containers", &containers, /* percent= */ true);
	failed |= add_sum(&w, "Local Volumes", &volumes, /* percent= */ true);
	if (kept.count > 0) /* only ours, only while there are any */
		failed |= add_sum(&w, "Removed Volumes", &kept, /* percent= */ true);
	failed |= add_sum(&w, "Build Cache", &cache, /* percent= */ false);
	hoy_json_end(&w);
	if (failed)
		return hoy_err_oom(err);
	return hoy_format_list(cli, &df_kind, format, /* quiet= */ false, &rows, err);
}

/* --- one by one ----------------------------------------------------------------------------------------------- */

static int add_volume(struct hoy_json_writer *w, const struct hoy_json *volume)
{
	const struct hoy_json *usage = hoy_json_get(volume, "UsageData");
	int64_t size = hoy_cli_number(usage, "Size");
	int r;

	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Driver", hoy_cli_text(volume, "Driver"));
	r = hoy_rows_add(w, "Links", hoy_str_printf("%lld", (long long) hoy_cli_number(usage, "RefCount")));
	hoy_json_add_string(w, "Mountpoint", hoy_cli_text(volume, "Mountpoint"));
	hoy_json_add_string(w, "Name", hoy_cli_text(volume, "Name"));
	hoy_json_add_string(w, "Scope", hoy_cli_text(volume, "Scope"));
	r |= hoy_rows_add(w, "Size", size < 0 ? strdup("N/A") : hoy_human_size_long((double) size));
	hoy_json_end(w);
	return r ? -ENOMEM : 0;
}

static int add_cache(struct hoy_json_writer *w, const struct hoy_json *record)
{
	int r;

	hoy_json_object(w, NULL);
	r = hoy_rows_add(w, "ID", hoy_text_short_id(hoy_cli_text(record, "ID")));
	hoy_json_add_string(w, "CacheType", hoy_cli_text(record, "Type"));
	hoy_json_add_string(w, "CreatedSince", hoy_cli_text(record, "CreatedAt"));
	hoy_json_add_string(w, "LastUsedSince", hoy_cli_text(record, "LastUsedAt"));
	hoy_json_add_string(w, "Shared", hoy_cli_bool(record, "Shared") ? "true" : "false");
	r |= hoy_rows_add(w, "Size", hoy_human_size_long((double) hoy_cli_number(record, "Size")));
	r |= hoy_rows_add(w, "UsageCount", hoy_str_printf("%lld", (long long) hoy_cli_number(record, "UsageCount")));
	hoy_json_end(w);
	return r ? -ENOMEM : 0;
}

static const struct hoy_format_field image_fields[] = { { "Repository", "REPOSITORY" }, { "Tag", "TAG" },
	{ "ID", "IMAGE ID" }, { "CreatedSince", "CREATED" }, { "Size", "SIZE" }, { "SharedSize", "SHARED SIZE" },
	{ "UniqueSize", "UNIQUE SIZE" }, { "Containers", "CONTAINERS" }, {} };
static const struct hoy_format_field container_fields[] = { { "ID", "CONTAINER ID" }, { "Image", "IMAGE" },
	{ "Command", "COMMAND" }, { "LocalVolumes", "LOCAL VOLUMES" }, { "Size", "SIZE" }, { "RunningFor", "CREATED" },
	{ "Status", "STATUS" }, { "Names", "NAMES" }, {} };
static const struct hoy_format_field volume_fields[] = { { "Name", "VOLUME NAME" }, { "Links", "LINKS" },
	{ "Size", "SIZE" }, {} };
static const struct hoy_format_field cache_fields[] = { { "ID", "CACHE ID" }, { "CacheType", "CACHE TYPE" },
	{ "Size", "SIZE" }, { "CreatedSince", "CREATED" }, { "LastUsedSince", "LAST USED" }, { "UsageCount", "USAGE" },
	{ "Shared", "SHARED" }, {} };

/* The parts of df -v, in its order. */
static const struct part {
	const char *key, *title;
	int (*add)(struct hoy_json_writer *w, const struct hoy_json *entry);
	struct hoy_format_list kind;
} parts[] = {
	{ "Images", "Images space usage:", hoy_rows_add_image,
		{ image_fields,
			"{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t"
			"{{.UniqueSize}}\t{{.Containers}}",
			NULL, NULL } },
	{ "Containers", "\nContainers space usage:", hoy_rows_add_container,
		{ container_fields,
			"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t"
			"{{.Names}}",
			NULL, NULL } },
	{ "Volumes", "\nLocal Volumes space usage:", add_volume,
		{ volume_fields, "{{.Name}}\t{{.Links}}\t{{.Size}}", NULL, NULL } },
	{ "BuildCache", "\nBuild cache usage: ", add_cache,
		{ cache_fields,
			"{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t"
			"{{.Shared}}",
			NULL, NULL } },
};

static int add_part(struct hoy_json_writer *w, const struct part *part, const struct hoy_json *df, struct hoy_err *err)
{
	hoy_json_each(entry, hoy_json_get(df, part->key))
	{
		if (part->add(w, entry) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int print_part(struct hoy_cli *cli, const struct part *part, const struct hoy_json *df, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	auto_free char *size = NULL;
	struct hoy_json_writer w = { .buf = &rows };
	const struct sum cache = sum_cache(df);
	int r;

	hoy_json_array(&w, NULL);
	r = add_part(&w, part, df, err);
	hoy_json_end(&w);
	if (r < 0)
		return r;
	if (strcmp(part->key, "BuildCache") == 0)
		size = hoy_human_size_long((double) cache.size);
	(void) printf("%s%s\n\n", part->title, size ? size : "");
	return hoy_format_list(cli, &part->kind, NULL, /* quiet= */ false, &rows, err);
}

static int print_all(struct hoy_cli *cli, const struct hoy_json *df, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
		r = print_part(cli, &parts[i], df, err);
	return r;
}

/* All in one object: {{json .Images}}. */
static int print_object(const struct hoy_json *df, const char *format, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_json_free) struct hoy_json *object = NULL;
	struct hoy_json_writer w = { .buf = &text };
	int r = 0;

	hoy_json_object(&w, NULL);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++) {
		hoy_json_array(&w, parts[i].key);
		r = add_part(&w, &parts[i], df, err);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	if (r == 0)
		r = hoy_buf_check(&text, "the list", err);
	if (r == 0)
		r = hoy_json_parse(text.data, text.len, /* limits= */ NULL, &object, err);
	return r < 0 ? r : hoy_format_object(format, object, err);
}

static int cmd_system_df(struct hoy_cli *cli)
{
	const struct df_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *df = NULL;
	struct hoy_err err;
	int r = hoy_cli_call(cli, "GET", "/system/df", NULL, &df, &err);

	if (r < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (!o->verbose)
		r = print_sums(cli, df, o->format, &err);
	else if (!o->format || strcmp(o->format, "table") == 0)
		r = print_all(cli, df, &err);
	else
		r = print_object(df, o->format, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_system_df = {
	.name = "system df",
	.args = "",
	.summary = "Show the engine's disk usage",
	.options = df_options,
	.values_size = sizeof(struct df_options),
	.run = cmd_system_df,
};
