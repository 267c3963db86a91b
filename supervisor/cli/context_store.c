/* Contexts on disk. */
#include "supervisor/cli/context_store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/cli/context.h"

#define META_MAX ((size_t) 1 << 20)
#define TLS_MAX ((size_t) 1 << 20)

const char *const hoy_context_tls_names[HOY_CONTEXT_TLS_FILES] = { "ca.pem", "cert.pem", "key.pem" };

static char *meta_directory(const struct hoy_config *config)
{
	return hoy_path_join(config->dir, "contexts/meta");
}

static char *directory_of(const struct hoy_config *config, const char *kind, const char *name)
{
	char digest[HOY_SHA256_DIGEST_MAX];

	hoy_sha256_digest(name, strlen(name), digest);
	return hoy_str_printf("%s/contexts/%s/%s", config->dir, kind, digest + strlen("sha256:"));
}

char *hoy_context_directory(const struct hoy_config *config, const char *name)
{
	return directory_of(config, "meta", name);
}

char *hoy_context_tls_directory(const struct hoy_config *config, const char *name)
{
	auto_free char *all = directory_of(config, "tls", name);

	return all ? hoy_path_join(all, "docker") : NULL;
}

static int read_meta(const char *directory, struct hoy_json **ret, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(directory, "meta.json");
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = META_MAX };
	int r = path ? hoy_file_read(AT_FDCWD, path, &text, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	r = hoy_json_parse(text.data ? text.data : "", text.len, NULL, ret, err);
	return r < 0 ? hoy_err_wrap(err, "'%s'", path) : 0;
}

/* The context that is there without a file: DOCKER_HOST or our own socket. */
static int make_default(struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	auto_free char *socket = hoy_context_default_socket();
	auto_free char *url = socket ? hoy_str_printf("unix://%s", socket) : NULL;
	const char *host = getenv("DOCKER_HOST");
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", "default");
	hoy_json_object(&w, "Metadata");
	hoy_json_end(&w);
	hoy_json_object(&w, "Endpoints");
	hoy_json_object(&w, "docker");
	hoy_json_add_string(&w, "Host", host && *host ? host : url);
	hoy_json_add_bool(&w, "SkipTLSVerify", false);
	hoy_json_end(&w);
	hoy_json_end(&w);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the default context", err);
	return r < 0 ? r : hoy_json_parse(text.data, text.len, NULL, ret, err);
}

int hoy_context_check_name(const char *name, struct hoy_err *err)
{
	if (strcmp(name, "default") == 0)
		return hoy_err_invalid(err, "\"default\" is a reserved context name");
	if (!isalnum((unsigned char) name[0]) || strlen(name) < 2)
		return hoy_err_invalid(err,
			"context name \"%s\" is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\"",
			name);
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char) *c) && !strchr("_.+-", *c))
			return hoy_err_invalid(err,
				"context name \"%s\" is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\"",
				name);
	return 0;
}

int hoy_context_load(const struct hoy_config *config, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	auto_free char *directory = hoy_context_directory(config, name);
	int r;

	if (strcmp(name, "default") == 0)
		return make_default(ret, err);
	if (!directory)
		return hoy_err_oom(err);
	r = read_meta(directory, ret, err);
	if (r == -ENOENT)
		return hoy_err_not_found(err, "context \"%s\": context not found: no %s/meta.json", name, directory);
	return r;
}

static int write_meta(
	const struct hoy_config *config, const char *name, const struct hoy_buf *text, struct hoy_err *err)
{
	auto_free char *directory = hoy_context_directory(config, name);
	auto_free char *path = directory ? hoy_path_join(directory, "meta.json") : NULL;
	int r = path ? hoy_buf_check(text, "the context", err) : hoy_err_oom(err);

	if (r == 0)
		r = hoy_path_mkdir_all(directory, 0755, err);
	return r < 0 ? r : hoy_file_write(AT_FDCWD, path, text->data, text->len, 0644, 0, err);
}

int hoy_context_save(const struct hoy_config *config, const char *name, const char *description, const char *host,
	bool skip_verify, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", name);
	hoy_json_object(&w, "Metadata");
	if (description && *description)
		hoy_json_add_string(&w, "Description", description);
	hoy_json_end(&w);
	hoy_json_object(&w, "Endpoints");
	hoy_json_object(&w, "docker");
	if (*host)
		hoy_json_add_string(&w, "Host", host);
	hoy_json_add_bool(&w, "SkipTLSVerify", skip_verify);
	hoy_json_end(&w);
	hoy_json_end(&w);
	hoy_json_end(&w);
	return write_meta(config, name, &text, err);
}

int hoy_context_save_as(
	const struct hoy_config *config, const char *name, const struct hoy_json *meta, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", name);
	hoy_json_each(member, meta) if (strcmp(hoy_json_key(member), "Name") != 0)
		hoy_json_add_value(&w, hoy_json_key(member), member);
	hoy_json_end(&w);
	return write_meta(config, name, &text, err);
}

int hoy_context_remove(const struct hoy_config *config, const char *name, struct hoy_err *err)
{
	auto_free char *directory = hoy_context_directory(config, name);
	auto_free char *tls = directory_of(config, "tls", name);
	int r = directory && tls ? hoy_path_remove_all(AT_FDCWD, directory, err) : hoy_err_oom(err);

	return r < 0 ? r : hoy_path_remove_all(AT_FDCWD, tls, err);
}

const char *hoy_context_host(const struct hoy_json *meta)
{
	const struct hoy_json *endpoint = hoy_json_get(hoy_json_get(meta, "Endpoints"), "docker");
	const char *host = hoy_json_string(hoy_json_get(endpoint, "Host"));

	return host ? host : "";
}

bool hoy_context_skips_verify(const struct hoy_json *meta)
{
	return hoy_json_bool(hoy_json_get(hoy_json_get(hoy_json_get(meta, "Endpoints"), "docker"), "SkipTLSVerify"));
}

/* --- certificates -------------------------------------------------------------- */

void hoy_context_tls_done(struct hoy_context_tls *tls)
{
	for (size_t i = 0; i < HOY_CONTEXT_TLS_FILES; i++)
		hoy_buf_done(&tls->files[i]);
}

int hoy_context_tls_load(
	const struct hoy_config *config, const char *name, struct hoy_context_tls *ret, struct hoy_err *err)
{
	auto_free char *directory = hoy_context_tls_directory(config, name);
	int r = directory ? 0 : hoy_err_oom(err);

	for (size_t i = 0; r == 0 && i < HOY_CONTEXT_TLS_FILES; i++) {
		auto_free char *path = hoy_path_join(directory, hoy_context_tls_names[i]);

		ret->files[i].cap = TLS_MAX;
		r = path ? hoy_file_read(AT_FDCWD, path, &ret->files[i], err) : hoy_err_oom(err);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

int hoy_context_tls_save(
	const struct hoy_config *config, const char *name, const struct hoy_context_tls *tls, struct hoy_err *err)
{
	auto_free char *directory = hoy_context_tls_directory(config, name);
	int r = directory ? hoy_path_remove_all(AT_FDCWD, directory, err) : hoy_err_oom(err);

	for (size_t i = 0; r == 0 && i < HOY_CONTEXT_TLS_FILES; i++) {
		auto_free char *path = hoy_path_join(directory, hoy_context_tls_names[i]);

		if (!tls->files[i].len)
			continue;
		r = path ? hoy_path_mkdir_all(directory, 0700, err) : hoy_err_oom(err);
		if (r == 0)
			r = hoy_file_write(AT_FDCWD, path, tls->files[i].data, tls->files[i].len, 0600, 0, err);
	}
	return r;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Names of the stored contexts, from inside their files. A broken one is left out: the others must be usable. */
static int names_of(const struct hoy_config *config, char ***ret, struct hoy_err *err)
{
	auto_free char *top = meta_directory(config);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (!top)
		return hoy_err_oom(err);
	dir = opendir(top);
	while (dir && r == 0 && (entry = readdir(dir))) {
		auto_free char *path = hoy_path_join(top, entry->d_name);
		auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;
		const char *name;

		if (entry->d_name[0] == '.' || !path || read_meta(path, &meta, NULL) < 0)
			continue;
		name = hoy_json_string(hoy_json_get(meta, "Name"));
		if (name && hoy_strv_add(ret, name) < 0)
			r = hoy_err_oom(err);
	}
	if (dir)
		(void) closedir(dir);
	if (*ret)
		qsort(*ret, hoy_strv_len(*ret), sizeof **ret, by_text);
	return r;
}

int hoy_context_each(const struct hoy_config *config,
	int (*each)(const struct hoy_json *meta, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = hoy_strv_add(&names, "default") < 0 ? hoy_err_oom(err) : names_of(config, &names, err);

	for (size_t i = 0; r == 0 && names[i]; i++) {
		auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;

		r = hoy_context_load(config, names[i], &meta, err);
		if (r == 0)
			r = each(meta, userdata, err);
	}
	return r;
}
