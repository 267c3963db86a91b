/* images: one row for each name of an image. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/text.h"

struct images_options {
	bool all, digests, no_trunc, quiet;
	char **filter;
	const char *format;
};
static const struct hoy_option images_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct images_options, all,
		"Show all images (default hides intermediate images)"),
	HOY_OPTION(0, "digests", HOY_OPTION_BOOL, NULL, struct images_options, digests, "Show digests"),
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct images_options, filter,
		"Filter output based on conditions provided"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct images_options, format, HOY_FORMAT_HELP),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct images_options, no_trunc, "Don't truncate output"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct images_options, quiet, "Only show image IDs"),
	HOY_OPTION_REFUSE(0, "tree", NULL, "images are listed one a line by this version"),
	HOY_OPTION_END,
};

static const struct hoy_format_field fields[] = {
	{ "Containers", "CONTAINERS" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedSince", "CREATED" },
	{ "Digest", "DIGEST" },
	{ "ID", "IMAGE ID" },
	{ "Repository", "REPOSITORY" },
	{ "SharedSize", "SHARED SIZE" },
	{ "Size", "SIZE" },
	{ "Tag", "TAG" },
	{ "UniqueSize", "UNIQUE SIZE" },
	{ "VirtualSize", "SIZE" },
	{},
};

struct images {
	struct hoy_json_writer w;
	const struct images_options *o;
	bool digests; /* each digest is a row of its own */
};

static char *number_or_unknown(const struct hoy_json *image, const char *key)
{
	return hoy_json_get(image, key) && hoy_cli_number(image, key) >= 0
		       ? hoy_str_printf("%lld", (long long) hoy_cli_number(image, key))
		       : strdup("N/A");
}

static char *size_or_unknown(int64_t size)
{
	return size >= 0 ? hoy_human_size_long((double) size) : strdup("N/A");
}

static int add_row_to(struct hoy_json_writer *w, const struct hoy_json *image, char *repository, const char *tag,
	const char *digest, bool no_trunc)
{
	const char *id = hoy_cli_text(image, "Id");
	int64_t created = hoy_cli_number(image, "Created"), size = hoy_cli_number(image, "Size");
	int64_t shared = hoy_json_get(image, "SharedSize") ? hoy_cli_number(image, "SharedSize") : -1;
	int r = 0;

	hoy_json_object(w, NULL);
	r |= hoy_rows_add(w, "ID", no_trunc ? strdup(id) : hoy_text_short_id(id));
	r |= hoy_rows_add(w, "Repository", repository);
	hoy_json_add_string(w, "Tag", tag);
	hoy_json_add_string(w, "Digest", *digest ? digest : "<none>");
	r |= hoy_rows_add(w, "CreatedSince", created < 0 ? strdup("N/A") : hoy_human_ago((time_t) created));
	r |= hoy_rows_add(w, "CreatedAt", hoy_text_time(created));
	r |= hoy_rows_add(w, "Size", hoy_human_size((double) size));
	r |= hoy_rows_add(w, "VirtualSize", hoy_human_size_long((double) size));
	r |= hoy_rows_add(w, "Containers", number_or_unknown(image, "Containers"));
	r |= hoy_rows_add(w, "SharedSize", size_or_unknown(shared));
	r |= hoy_rows_add(w, "UniqueSize", size_or_unknown(shared >= 0 ? size - shared : -1));
	hoy_json_end(w);
	return r ? -ENOMEM : 0;
}

static int add_row(
	struct images *images, const struct hoy_json *image, char *repository, const char *tag, const char *digest)
{
	return add_row_to(&images->w, image, repository, tag, digest, images->o->no_trunc);
}

/* The length of the repository in "name:tag" or "name@digest". */
static size_t repository_len(const char *name)
{
	const char *at = strchr(name, '@'), *slash = strrchr(name, '/');
	const char *colon = strchr(slash && (!at || slash < at) ? slash : name, ':');

	return at ? (size_t) (at - name) : colon ? (size_t) (colon - name) : strlen(name);
}

static bool same_repository(const char *a, const char *b)
{
	size_t len = repository_len(a);

	return len == repository_len(b) && strncmp(a, b, len) == 0;
}

static bool is_none(const char *name)
{
	return hoy_str_starts(name, "<none>");
}

static int add_tag(struct images *images, const struct hoy_json *image, const char *name)
{
	size_t len = repository_len(name);
	const char *tag = name[len] ? name + len + 1 : "<none>";
	bool any = false;
	int r = 0;

	hoy_json_each(entry, hoy_json_get(image, "RepoDigests"))
	{
		const char *digest = hoy_json_string(entry);

		if (r < 0 || !images->digests || !digest || !same_repository(name, digest))
			continue;
		any = true;
		r = add_row(images, image, strndup(name, len), tag, digest + len + 1);
	}
	return any ? r : add_row(images, image, strndup(name, len), tag, "");
}

static bool has_tag_of(const struct hoy_json *image, const char *digest)
{
	hoy_json_each(
		tag, hoy_json_get(image, "RepoTags")) if (hoy_json_string(tag) &&
							  same_repository(hoy_json_string(tag), digest)) return true;
	return false;
}

int hoy_rows_add_image(struct hoy_json_writer *w, const struct hoy_json *image)
{
	hoy_json_each(entry, hoy_json_get(image, "RepoTags"))
	{
		const char *name = hoy_json_string(entry);
		size_t len = name ? repository_len(name) : 0;

		if (name && !is_none(name))
			return add_row_to(w, image, strndup(name, len), name[len] ? name + len + 1 : "<none>", "",
				/* no_trunc= */ false);
	}
	return add_row_to(w, image, strdup("<none>"), "<none>", "", /* no_trunc= */ false);
}

static int add_image(struct images *images, const struct hoy_json *image)
{
	size_t before = images->w.buf->len;
	int r = 0;

	hoy_json_each(tag, hoy_json_get(image, "RepoTags"))
	{
		const char *name = hoy_json_string(tag);

		if (r == 0 && name && !is_none(name))
			r = add_tag(images, image, name);
	}
	hoy_json_each(entry, hoy_json_get(image, "RepoDigests"))
	{
		const char *digest = hoy_json_string(entry);

		if (r == 0 && digest && !is_none(digest) && !has_tag_of(image, digest)) {
			size_t len = repository_len(digest);

			r = add_row(
				images, image, strndup(digest, len), "<none>", images->digests ? digest + len + 1 : "");
		}
	}
	if (r == 0 && images->w.buf->len == before)
		r = add_row(images, image, strdup("<none>"), "<none>", "");
	return r;
}

static int print_images(
	const struct hoy_cli *cli, const struct hoy_json *list, const struct images_options *o, struct hoy_err *err)
{
	const struct hoy_format_list kind = { .fields = fields,
		.table = o->digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
				    : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
		.quiet = "{{.ID}}",
		.config_key = "imagesFormat" };
	auto_(hoy_buf_done) struct hoy_buf rows = { .cap = (size_t) 256 << 20 };
	struct images images = { .w.buf = &rows, .o = o };

	images.digests = o->digests || (o->format && strstr(o->format, ".Digest"));
	hoy_json_array(&images.w, NULL);
	hoy_json_each(image, list) if (add_image(&images, image) < 0) return hoy_err_oom(err);
	hoy_json_end(&images.w);
	return hoy_format_list(cli, &kind, o->format, o->quiet, &rows, err);
}

static int cmd_images(struct hoy_cli *cli)
{
	const struct images_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	auto_ptr(hoy_strv_free) char **filters = hoy_strv_copy(o->filter);
	struct hoy_err err;
	int r = 0;

	(void) hoy_buf_addf(&path, "/images/json?all=%d&digests=%d", o->all, o->digests);
	if (cli->n_args && hoy_strv_addf(&filters, "reference=%s", cli->args[0]) < 0)
		r = hoy_err_oom(&err);
	if (r == 0)
		r = hoy_filter_call(cli, "GET", &path, filters && filters[0] ? filters : NULL, &list, &err);
	if (r == 0)
		r = print_images(cli, list, o, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_images = {
	.name = "images",
	.alias = "image ls, image list",
	.args = "[REPOSITORY[:TAG]]",
	.max_args = 1,
	.summary = "List images",
	.options = images_options,
	.values_size = sizeof(struct images_options),
	.run = cmd_images,
};
