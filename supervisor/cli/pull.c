/* pull, also on behalf of run and create. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/progress.h"
#include "supervisor/cli/pull.h"

struct pull_options {
	const char *platform;
	bool quiet;
};
static const struct hoy_option pull_options[] = {
	HOY_OPTION_REFUSE('a', "all-tags", NULL, "one tag at a time is pulled by this version"),
	HOY_OPTION_REFUSE(0, "disable-content-trust", "true|false", "there is no content trust in this version"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct pull_options, platform,
		"Set platform if server is multi-platform capable"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct pull_options, quiet, "Suppress verbose output"),
	HOY_OPTION_END,
};

/* A tag or digest stands behind the last slash. */
static bool has_tag(const char *image)
{
	const char *slash = strrchr(image, '/');

	return strpbrk(slash ? slash : image, ":@");
}

int hoy_cli_pull(struct hoy_cli *cli, const char *image, const char *platform, FILE *out, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -1 };
	struct hoy_http_request request = { .method = "POST", .body_fd = -1 };
	int r;

	(void) hoy_buf_adds(&path, "/images/create?fromImage=");
	hoy_http_escape(&path, image);
	if (!has_tag(image))
		(void) hoy_buf_adds(&path, "&tag=latest");
	if (platform) {
		(void) hoy_buf_adds(&path, "&platform=");
		hoy_http_escape(&path, platform);
	}
	r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	r = hoy_cli_open(cli, &request, &http, err);
	return r < 0 ? r : hoy_progress_copy(&http, out, err);
}

static int cmd_pull(struct hoy_cli *cli)
{
	const struct pull_options *o = cli->values;
	const char *image = cli->args[0];
	struct hoy_err err;

	if (!has_tag(image) && !o->quiet)
		(void) printf("Using default tag: latest\n");
	if (hoy_cli_pull(cli, image, o->platform, o->quiet ? NULL : stdout, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) printf("%s%s\n", image, has_tag(image) ? "" : ":latest");
	return 0;
}

const struct hoy_command hoy_cmd_pull = {
	.name = "pull",
	.alias = "image pull",
	.args = "NAME[:TAG|@DIGEST]",
	.min_args = 1,
	.max_args = 1,
	.summary = "Download an image from a registry",
	.options = pull_options,
	.values_size = sizeof(struct pull_options),
	.run = cmd_pull,
};
