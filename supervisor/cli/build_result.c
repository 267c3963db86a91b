/* What follows a build: the image is pushed, or saved into a tar. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "libocispec/reference.h"
#include "supervisor/cli/build_display.h"
#include "supervisor/cli/build_internal.h"
#include "supervisor/cli/fetch_tar.h"
#include "supervisor/cli/pull.h"

static int save(struct hoy_cli *cli, const struct hoy_build_wants *wants, const char *id, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/images/get?");
	for (char **tag = wants->tags; tag && *tag; tag++) {
		(void) hoy_buf_adds(&path, tag == wants->tags ? "names=" : "&names=");
		hoy_http_escape(&path, *tag);
	}
	if (!wants->tags) {
		(void) hoy_buf_adds(&path, "names=");
		hoy_http_escape(&path, id);
	}
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_fetch_tar(cli, path.data, wants->dest, err);
}

int hoy_build_result_deliver(struct hoy_cli *cli, const struct hoy_build_wants *wants, const char *id,
	struct hoy_build_display *display, struct hoy_err *err)
{
	int r = 0;

	if (wants->output == HOY_BUILD_OUTPUT_ARCHIVE)
		return save(cli, wants, id, err);
	for (char **tag = wants->tags; r == 0 && wants->push && tag && *tag; tag++)
		r = hoy_cli_push(cli, *tag, hoy_build_display_out(display), err);
	return r;
}

/* --- --metadata-file ---------------------------------------------------------------------------------------------- */

/* The manifest's digest as a registry knows it; the image's ID where none has it. Heap. */
static char *digest_of(struct hoy_cli *cli, const char *id)
{
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	auto_free char *path = hoy_str_printf("/images/%s/json", id);
	const char *at = NULL;

	if (path && hoy_cli_call(cli, "GET", path, NULL, &info, NULL) == 0)
		at = hoy_json_string(hoy_json_first(hoy_json_get(info, "RepoDigests")));
	at = at ? strchr(at, '@') : NULL;
	return strdup(at ? at + 1 : id);
}

static int add_names(char *const *tags, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};

	for (char *const *tag = tags; tag && *tag; tag++) {
		auto_(hoy_reference_done) struct hoy_reference ref = {};
		int r = hoy_reference_parse(*tag, &ref, err);

		if (r < 0)
			return r;
		(void) hoy_buf_addf(&names, "%s%s/%s%s%s", names.len ? "," : "", ref.domain, ref.path,
			ref.tag || !ref.digest ? ":" : "",
			ref.tag      ? ref.tag
			: ref.digest ? ""
				     : "latest");
	}
	if (names.len > 0)
		hoy_json_add_string(w, "image.name", names.data);
	return hoy_buf_check(&names, "names", err);
}

int hoy_build_result_metadata(
	struct hoy_cli *cli, const struct hoy_build_wants *wants, const char *id, const char *path, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text, .indent = 2 };
	auto_free char *digest = id ? digest_of(cli, id) : NULL;
	int r = 0;

	hoy_json_object(&w, NULL);
	if (id) {
		hoy_json_add_string(&w, "containerimage.config.digest", id);
		hoy_json_add_string(&w, "containerimage.digest", digest ? digest : id);
		r = add_names(wants->tags, &w, err);
	}
	hoy_json_end(&w);
	(void) hoy_buf_addc(&text, '\n');
	if (r == 0)
		r = hoy_buf_check(&text, "metadata", err);
	return r < 0 ? r : hoy_file_write(AT_FDCWD, path, text.data, text.len, 0644, 0, err);
}
