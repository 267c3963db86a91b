/* push. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/credentials.h"
#include "supervisor/cli/progress.h"
#include "supervisor/cli/pull.h"

struct push_options {
	bool all_tags, quiet, untrusted, untrusted_given;
	const char *platform;
};
static const struct hoy_option push_options[] = {
	HOY_OPTION('a', "all-tags", HOY_OPTION_BOOL, NULL, struct push_options, all_tags,
		"Push all tags of an image to the repository"),
	HOY_OPTION_WITH_SET(0, "disable-content-trust", HOY_OPTION_BOOL, NULL, struct push_options, untrusted,
		untrusted_given, "Skip image signing (default true)"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct push_options, platform,
		"Push that platform's manifest alone, not the index ('os[/arch[/variant]]')"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct push_options, quiet, "Suppress verbose output"),
	HOY_OPTION_END,
};

/* "linux/arm/v7" as the API wants it. */
static int add_platform(struct hoy_buf *path, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(text, '/');
	size_t n = parts ? hoy_strv_len(parts) : 0;
	auto_(hoy_buf_done) struct hoy_buf json = { 0 };
	struct hoy_json_writer w = { .buf = &json };

	if (!parts)
		return hoy_err_oom(err);
	if (n < 2 || n > 3 || !*parts[0] || !*parts[1])
		return hoy_err_invalid(err, "invalid platform '%s': want OS/ARCHITECTURE[/VARIANT]", text);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "architecture", parts[1]);
	hoy_json_add_string(&w, "os", parts[0]);
	if (n == 3)
		hoy_json_add_string(&w, "variant", parts[2]);
	hoy_json_end(&w);
	(void) hoy_buf_adds(path, "&platform=");
	if (hoy_buf_check(&json, "platform", err) < 0)
		return -ENOMEM;
	hoy_http_escape(path, json.data);
	return 0;
}

static int push(struct hoy_cli *cli, const char *image, const struct push_options *o, FILE *out, struct hoy_err *err)
{
	const char *tag = hoy_cli_image_tag(image);
	auto_free char *name = strndup(image, tag ? (size_t) (tag - image) : strlen(image)), *auth = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	struct hoy_http_request request = { .method = "POST", .body_fd = -1 };
	int r = name ? 0 : hoy_err_oom(err);

	if (r == 0 && tag && o->all_tags)
		r = hoy_err_invalid(err, "tag can't be used with --all-tags/-a");
	if (r == 0 && tag && *tag == '@')
		r = hoy_err_invalid(err, "cannot push a digest reference");
	if (r < 0)
		return r;
	if (!tag && !o->all_tags && out)
		(void) fprintf(out, "Using default tag: latest\n");
	(void) hoy_buf_adds(&path, "/images/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, "/push?tag=");
	hoy_http_escape(&path, o->all_tags ? "" : tag ? tag + 1 : "latest");
	r = o->platform ? add_platform(&path, o->platform, err) : 0;
	if (r == 0)
		r = hoy_credentials_header(&cli->config, image, &auth, err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	request.registry_auth = auth;
	r = hoy_cli_open(cli, &request, &http, err);
	return r < 0 ? r : hoy_progress_copy(&http, out, err);
}

int hoy_cli_push(struct hoy_cli *cli, const char *image, FILE *out, struct hoy_err *err)
{
	return push(cli, image, &(const struct push_options){}, out, err);
}

static int cmd_push(struct hoy_cli *cli)
{
	const struct push_options *o = cli->values;
	const char *image = cli->args[0];
	struct hoy_err err;
	int r = hoy_cli_check_trust(o->untrusted_given, o->untrusted, &err);

	if (r == 0)
		r = push(cli, image, o, o->quiet ? NULL : stdout, &err);
	if (r < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (o->quiet)
		(void) printf("%s%s\n", image, hoy_cli_image_tag(image) || o->all_tags ? "" : ":latest");
	return 0;
}

const struct hoy_command hoy_cmd_push = {
	.name = "push",
	.alias = "image push",
	.args = "NAME[:TAG]",
	.min_args = 1,
	.max_args = 1,
	.summary = "Upload an image to a registry",
	.options = push_options,
	.values_size = sizeof(struct push_options),
	.run = cmd_push,
};
