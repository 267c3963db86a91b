/* Files of manifests, and their text. */
#include "supervisor/cli/manifest_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"

#define FILE_MAX ((size_t) 16 << 20)

void hoy_manifest_done(struct hoy_manifest *manifest)
{
	free(manifest->ref);
	hoy_oci_descriptor_free(manifest->descriptor);
	hoy_buf_done(&manifest->raw);
	*manifest = (struct hoy_manifest){ 0 };
}

void hoy_manifest_list_done(struct hoy_manifest_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		hoy_manifest_done(&list->manifests[i]);
	free(list->manifests);
}

struct hoy_manifest *hoy_manifest_list_add(struct hoy_manifest_list *list)
{
	struct hoy_manifest *grown = reallocarray(list->manifests, list->n + 1, sizeof *grown);

	if (!grown)
		return NULL;
	list->manifests = grown;
	grown[list->n] = (struct hoy_manifest){ 0 };
	return &grown[list->n++];
}

int hoy_manifest_reference(const char *text, struct hoy_reference *ret, struct hoy_err *err)
{
	int r = hoy_reference_parse(text, ret, err);

	return r < 0 ? r : hoy_reference_default_tag(ret) < 0 ? hoy_err_oom(err) : 0;
}

/* --- names of files --------------------------------------------------------- */

/* "127.0.0.1:5000/web:1" is "127.0.0.1-5000_web-1". Heap. */
static char *file_name(const struct hoy_reference *ref)
{
	char *name = hoy_reference_to_string(ref);

	for (char *c = name; c && *c; c++)
		*c = *c == ':' ? '-' : *c == '/' ? '_' : *c;
	return name;
}

/* The directory of a list, or the file of one of its manifests (`ref` NULL: the directory). Heap. */
static char *path_of(const struct hoy_config *config, const struct hoy_reference *list, const struct hoy_reference *ref)
{
	auto_free char *directory = file_name(list), *file = ref ? file_name(ref) : NULL;

	if (!directory || (ref && !file))
		return NULL;
	return hoy_str_printf("%s/manifests/%s%s%s", config->dir, directory, ref ? "/" : "", ref ? file : "");
}

static int no_such(const struct hoy_reference *ref, struct hoy_err *err)
{
	auto_free char *text = hoy_reference_to_string(ref);

	return hoy_err_not_found(err, "No such manifest: %s", text ? text : "");
}

/* --- reading ------------------------------------------------------------------ */

static int take(const struct hoy_json *object, const char *ref, struct hoy_manifest *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	auto_ptr(hoy_json_free) struct hoy_json *parsed = NULL;
	struct hoy_json_writer w = { .buf = &text };
	char digest[HOY_SHA256_DIGEST_MAX];
	int r;

	hoy_json_add_value(&w, NULL, hoy_json_get(object, "Descriptor"));
	ret->ref = strdup(ref);
	r = ret->ref ? hoy_buf_check(&text, "the descriptor", err) : hoy_err_oom(err);
	if (r == 0)
		r = hoy_oci_descriptor_parse(text.data, text.len, &ret->descriptor, err);
	if (r < 0)
		return hoy_err_wrap(err, "manifest %s", ref);
	if (ret->raw.len == 0)
		return hoy_err_invalid(err, "manifest %s: its text is not there", ref);
	hoy_sha256_digest(ret->raw.data, ret->raw.len, digest);
	if (strcmp(digest, ret->descriptor->digest) != 0)
		return hoy_err_invalid(err, "manifest %s: its text is not that of %s", ref, ret->descriptor->digest);
	ret->descriptor->size = (int64_t) ret->raw.len;
	r = hoy_json_parse(ret->raw.data, ret->raw.len, /* limits= */ NULL, &parsed, err);
	return r < 0 ? hoy_err_wrap(err, "manifest %s", ref) : 0;
}

int hoy_manifest_parse(const struct hoy_json *object, const char *ref, struct hoy_manifest *ret, struct hoy_err *err)
{
	if (hoy_buf_adds(&ret->raw, hoy_cli_text(object, "Raw")) < 0)
		return hoy_err_oom(err);
	return take(object, ref, ret, err);
}

static int read_file(const char *path, struct hoy_manifest *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = FILE_MAX };
	auto_ptr(hoy_json_free) struct hoy_json *object = NULL;
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r < 0)
		return r;
	r = hoy_json_parse(text.data ? text.data : "", text.len, /* limits= */ NULL, &object, err);
	if (r == 0 && hoy_base64_decode(&ret->raw, hoy_cli_text(object, "Raw")) < 0)
		r = hoy_err_invalid(err, "the manifest's text (Raw) is not base64");
	if (r == 0)
		r = take(object, hoy_cli_text(object, "Ref"), ret, err);
	return r < 0 ? hoy_err_wrap(err, "'%s'", path) : 0;
}

int hoy_manifest_load(const struct hoy_config *config, const struct hoy_reference *list,
	const struct hoy_reference *ref, struct hoy_manifest *ret, struct hoy_err *err)
{
	auto_free char *path = path_of(config, list, ref);
	int r = path ? read_file(path, ret, err) : hoy_err_oom(err);

	return r == -ENOENT ? no_such(ref, err) : r;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int hoy_manifest_list_load(const struct hoy_config *config, const struct hoy_reference *list,
	struct hoy_manifest_list *ret, struct hoy_err *err)
{
	auto_free char *directory = path_of(config, list, NULL);
	struct dirent **entries = NULL;
	int n = directory ? scandir(directory, &entries, is_file, alphasort) : -1, r = 0;

	if (!directory)
		return hoy_err_oom(err);
	if (n < 0)
		return errno == ENOENT ? no_such(list, err) : hoy_err_sys(err, "read directory '%s'", directory);
	for (int i = 0; i < n; i++) {
		auto_free char *path = hoy_path_join(directory, entries[i]->d_name);
		struct hoy_manifest *manifest = r == 0 ? hoy_manifest_list_add(ret) : NULL;

		if (r == 0)
			r = path && manifest ? read_file(path, manifest, err) : hoy_err_oom(err);
		free(entries[i]);
	}
	free((void *) entries);
	return r;
}

/* --- writing ------------------------------------------------------------------ */

int hoy_manifest_print(const struct hoy_manifest *manifest, struct hoy_json_writer *w, struct hoy_err *err)
{
	bool is_docker = strcmp(manifest->descriptor->media_type, HOY_DOCKER_MEDIA_MANIFEST) == 0;
	auto_(hoy_buf_done) struct hoy_buf descriptor = { 0 }, raw = { 0 };
	int r = hoy_oci_descriptor_print(manifest->descriptor, &descriptor, /* indent= */ 0, err);

	(void) hoy_base64_encode(&raw, manifest->raw.data, manifest->raw.len, /* url_safe= */ false);
	if (r == 0)
		r = hoy_buf_check(&raw, "the manifest", err);
	if (r < 0)
		return r;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Ref", manifest->ref);
	hoy_json_add_raw(w, "Descriptor", descriptor.data);
	hoy_json_add_string(w, "Raw", raw.data);
	hoy_json_add_raw(w, is_docker ? "SchemaV2Manifest" : "OCIManifest", manifest->raw.data);
	hoy_json_end(w);
	return hoy_buf_check(w->buf, "the manifest", err);
}

int hoy_manifest_save(const struct hoy_config *config, const struct hoy_reference *list,
	const struct hoy_reference *ref, const struct hoy_manifest *manifest, struct hoy_err *err)
{
	auto_free char *directory = path_of(config, list, NULL), *path = path_of(config, list, ref);
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = FILE_MAX };
	struct hoy_json_writer w = { .buf = &text };
	int r = directory && path ? hoy_manifest_print(manifest, &w, err) : hoy_err_oom(err);

	if (r == 0)
		r = hoy_path_mkdir_all(directory, 0755, err);
	return r < 0 ? r : hoy_file_write(AT_FDCWD, path, text.data, text.len, 0644, 0, err);
}

int hoy_manifest_list_remove(const struct hoy_config *config, const struct hoy_reference *list, struct hoy_err *err)
{
	auto_free char *directory = path_of(config, list, NULL);
	struct stat st;

	if (!directory)
		return hoy_err_oom(err);
	if (lstat(directory, &st) < 0)
		return errno == ENOENT ? no_such(list, err) : hoy_err_sys(err, "look at '%s'", directory);
	return hoy_path_remove_all(AT_FDCWD, directory, err);
}

/* --- layout ------------------------------------------------------------------- */

static void new_line(struct hoy_buf *out, size_t depth)
{
	(void) hoy_buf_addc(out, '\n');
	while (depth-- > 0)
		(void) hoy_buf_addc(out, '\t');
}

void hoy_manifest_indent(const char *text, size_t len, struct hoy_buf *out)
{
	bool in_string = false, is_empty = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string) {
			(void) hoy_buf_addc(out, c);
			if (c == '\\' && i + 1 < len)
				(void) hoy_buf_addc(out, text[++i]);
			in_string = c != '"';
			continue;
		}
		if (strchr(" \t\r\n", c))
			continue;
		if (c == '}' || c == ']') {
			depth -= depth > 0;
			if (!is_empty)
				new_line(out, depth);
		} else if (is_empty) {
			new_line(out, depth);
		}
		is_empty = c == '{' || c == '[';
		depth += is_empty;
		(void) hoy_buf_addc(out, c);
		if (c == ',')
			new_line(out, depth);
		else if (c == ':')
			(void) hoy_buf_addc(out, ' ');
		in_string = c == '"';
	}
}
