/* system fsck: is the engine's image store whole? Hoy's own command. */
#include <stdio.h>

#include "supervisor/cli/cli.h"

struct fsck_options {
	bool digests, repair;
};
static const struct hoy_option fsck_options[] = {
	HOY_OPTION(0, "digests", HOY_OPTION_BOOL, NULL, struct fsck_options, digests,
		"Read all blobs and compare their digests"),
	HOY_OPTION(0, "repair", HOY_OPTION_BOOL, NULL, struct fsck_options, repair,
		"Remove what belongs to nothing, and images that are not whole"),
	HOY_OPTION_END,
};

/* 0: the store is whole (now); 1: it is not. */
static int print_answer(const struct hoy_json *answer)
{
	int status = 0;

	hoy_json_each(problem, hoy_json_get(answer, "Problems"))
	{
		bool repaired = hoy_cli_bool(problem, "Repaired");

		(void) printf("%s: %s%s\n", hoy_cli_text(problem, "What"), hoy_cli_text(problem, "Name"),
			repaired ? " (repaired)" : "");
		status = repaired ? status : 1;
	}
	(void) printf("%lld blobs of %lld bytes, %lld layers: %s\n", (long long) hoy_cli_number(answer, "Blobs"),
		(long long) hoy_cli_number(answer, "Bytes"), (long long) hoy_cli_number(answer, "Layers"),
		status ? "not whole" : "whole");
	return status;
}

static int cmd_fsck(struct hoy_cli *cli)
{
	const struct fsck_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;
	int r;

	(void) hoy_buf_addf(&path, "/system/fsck?digests=%d&repair=%d", o->digests, o->repair);
	r = hoy_buf_check(&path, "the request", &err);
	if (r == 0)
		r = hoy_cli_call(cli, "POST", path.data, NULL, &answer, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : print_answer(answer);
}

const struct hoy_command hoy_cmd_system_fsck = {
	.name = "system fsck",
	.args = "",
	.summary = "Check that the image store is whole",
	.options = fsck_options,
	.values_size = sizeof(struct fsck_options),
	.run = cmd_fsck,
};
