/* pull, also on behalf of run and create. */
#include "supervisor/cli/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/credentials.h"
#include "supervisor/cli/progress.h"

struct pull_options {
	const char *platform;
	bool all_tags, quiet, untrusted, untrusted_given;
};
static const struct hoy_option pull_options[] = {
	HOY_OPTION('a', "all-tags", HOY_OPTION_BOOL, NULL, struct pull_options, all_tags,
		"Download all tagged images in the repository"),
	HOY_OPTION_WITH_SET(0, "disable-content-trust", HOY_OPTION_BOOL, NULL, struct pull_options, untrusted,
		untrusted_given, "Skip image verification (default true)"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct pull_options, platform,
		"Set platform if server is multi-platform capable"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct pull_options, quiet, "Suppress verbose output"),
	HOY_OPTION_END,
};

const char *hoy_cli_image_tag(const char *image)
{
	const char *slash = strrchr(image, '/');

	/* It stands behind the last slash. */
	return strpbrk(slash ? slash : image, ":@");
}

int hoy_cli_check_trust(bool given, bool disabled, struct hoy_err *err)
{
	static const char *const on[] = { "1", "t", "true" };
	const char *trust = getenv("DOCKER_CONTENT_TRUST");

	if (given && !disabled)
		return hoy_err_unsupported(err, "--disable-content-trust=false: Notary's content trust is not "
						"supported by this version of Hoy");
	for (size_t i = 0; !given && trust && i < ARRAY_LEN(on); i++)
		if (strcasecmp(trust, on[i]) == 0)
			return hoy_err_unsupported(err,
				"DOCKER_CONTENT_TRUST=%s: Notary's content trust is not "
				"supported by this version of Hoy",
				trust);
	return 0;
}

/* `tag` NULL: all of them, if the name has none. */
static int pull(
	struct hoy_cli *cli, const char *image, const char *tag, const char *platform, FILE *out, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -1 };
	auto_free char *auth = NULL;
	struct hoy_http_request request = { .method = "POST", .body_fd = -1 };
	int r;

	(void) hoy_buf_adds(&path, "/images/create?fromImage=");
	hoy_http_escape(&path, image);
	if (tag)
		(void) hoy_buf_addf(&path, "&tag=%s", tag);
	if (platform) {
		(void) hoy_buf_adds(&path, "&platform=");
		hoy_http_escape(&path, platform);
	}
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_credentials_header(&cli->config, image, &auth, err);
	if (r < 0)
		return r;
	request.path = path.data;
	request.registry_auth = auth;
	r = hoy_cli_open(cli, &request, &http, err);
	return r < 0 ? r : hoy_progress_copy(&http, out, err);
}

int hoy_cli_pull(struct hoy_cli *cli, const char *image, const char *platform, FILE *out, struct hoy_err *err)
{
	int r = hoy_cli_check_trust(/* given= */ false, /* disabled= */ true, err);

	return r < 0 ? r : pull(cli, image, hoy_cli_image_tag(image) ? NULL : "latest", platform, out, err);
}

static int cmd_pull(struct hoy_cli *cli)
{
	const struct pull_options *o = cli->values;
	const char *image = cli->args[0], *tag = hoy_cli_image_tag(image);
	bool latest = !tag && !o->all_tags;
	struct hoy_err err;
	int r = hoy_cli_check_trust(o->untrusted_given, o->untrusted, &err);

	if (r == 0 && tag && o->all_tags)
		r = hoy_err_invalid(&err, "tag can't be used with --all-tags/-a");
	if (r == 0 && latest && !o->quiet)
		(void) printf("Using default tag: latest\n");
	if (r == 0)
		r = pull(cli, image, latest ? "latest" : NULL, o->platform, o->quiet ? NULL : stdout, &err);
	if (r < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) printf("%s%s\n", image, latest ? ":latest" : "");
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
