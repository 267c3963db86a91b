#include "supervisor/worker/fetch/hosts_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#define FILE_MAX ((size_t) 256 << 10)
#define VALUES_MAX 64

enum where { AT_TOP, IN_HOST, IN_HEADERS, IN_SKIPPED };

struct reader {
	struct hoy_registry *registry;
	struct hoy_registry_host *upstream;
	const char *dir, *at;
	int line;
	enum where where;
	size_t host; /* index in registry->hosts, of IN_HOST and IN_HEADERS */
	struct hoy_err *err;
};

static int wrong(const struct reader *r, const char *what)
{
	return hoy_err_invalid(r->err, "hosts.toml line %d: %s", r->line, what);
}

/* --- words --- */

static void skip_blank(struct reader *r, bool lines)
{
	for (;; r->at++) {
		if (*r->at == '#')
			r->at += strcspn(r->at, "\n");
		if (*r->at == '\n' && lines)
			r->line++;
		else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r')
			return;
	}
}

/* "text" with the escapes \" and \\, or 'text'; no line breaks. */
static int read_string(struct reader *r, char **ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = FILE_MAX };
	char quote = *r->at++;

	for (; *r->at != quote; r->at++) {
		if (quote == '"' && *r->at == '\\' && (r->at[1] == '"' || r->at[1] == '\\'))
			r->at++;
		if (!*r->at || *r->at == '\n')
			return wrong(r, "a text has no end");
		(void) hoy_buf_addc(&text, *r->at);
	}
	r->at++;
	(void) hoy_buf_adds(&text, "");
	*ret = text.data ? hoy_buf_take(&text) : strdup("");
	return *ret ? 0 : hoy_err_oom(r->err);
}

/* A bare or quoted key. */
static int read_key(struct reader *r, char **ret)
{
	size_t len = 0;

	skip_blank(r, /* lines= */ false);
	if (*r->at == '"' || *r->at == '\'')
		return read_string(r, ret);
	while (isalnum((unsigned char) r->at[len]) || r->at[len] == '_' || r->at[len] == '-')
		len++;
	if (len == 0)
		return wrong(r, "a key is missing");
	*ret = strndup(r->at, len);
	r->at += len;
	return *ret ? 0 : hoy_err_oom(r->err);
}

/* One text, true or false, or an array of them, of arrays too: all texts one after the other. */
static int read_value(struct reader *r, char ***ret)
{
	size_t depth = 0;
	int code = 0;

	do {
		auto_free char *text = NULL;

		skip_blank(r, /* lines= */ depth > 0);
		if (*r->at == '[') {
			depth++;
			r->at++;
		} else if (*r->at == ']' && depth > 0) {
			depth--;
			r->at++;
		} else if (*r->at == ',' && depth > 0) {
			r->at++;
		} else {
			code = *r->at == '"' || *r->at == '\'' ? read_string(r, &text) : read_key(r, &text);
			if (code == 0 && hoy_strv_add(ret, text) < 0)
				code = hoy_err_oom(r->err);
		}
		if (code == 0 && hoy_strv_len(*ret) > VALUES_MAX)
			code = wrong(r, "too many values");
	} while (code == 0 && depth > 0);
	return code;
}

/* --- what they mean --- */

static int add_file(struct reader *r, const char *name, struct hoy_buf *into)
{
	auto_free char *path = name[0] == '/' ? strdup(name) : hoy_path_join(r->dir, name);

	if (!path)
		return hoy_err_oom(r->err);
	return hoy_file_read(AT_FDCWD, path, into, r->err);
}

/* ["a.crt", "b.crt"]; for `client` pairs of certificate and key, or one file with both. */
static int take_files(struct reader *r, char *const *values, bool pairs)
{
	struct hoy_registry_host *host = &r->registry->hosts[r->host];
	int code = 0;

	if (!pairs) {
		for (; code == 0 && values && *values; values++)
			code = add_file(r, *values, &host->ca);
		return code;
	}
	if (!values || !values[0])
		return 0;
	code = add_file(r, values[0], &host->cert);
	return code < 0 ? code : add_file(r, values[1] ? values[1] : values[0], &host->key);
}

static int take_host_value(struct reader *r, const char *key, char *const *values)
{
	struct hoy_registry_host *host = &r->registry->hosts[r->host];
	bool yes = values && values[0] && strcmp(values[0], "true") == 0;
	bool pulls = hoy_strv_has(values, "pull") && hoy_strv_has(values, "resolve");

	if (strcmp(key, "capabilities") == 0) {
		/* One that only serves what is known by digest is of no use for a tag. */
		host->is_mirror = true;
		if (r->registry->rq->op != HOY_FETCH_PULL || !pulls)
			host->unusable = true;
		return 0;
	}
	if (strcmp(key, "skip_verify") == 0) {
		host->unverified = yes;
		return 0;
	}
	if (strcmp(key, "override_path") == 0) {
		host->override_path = yes;
		return 0;
	}
	if (strcmp(key, "ca") == 0 || strcmp(key, "client") == 0)
		return take_files(r, values, strcmp(key, "client") == 0);
	if (strcmp(key, "dial_timeout") == 0)
		return 0;
	return hoy_err_unsupported(r->err, "hosts.toml line %d: '%s' is not supported", r->line, key);
}

static int take_header(struct reader *r, const char *key, char *const *values)
{
	struct hoy_registry_host *host = &r->registry->hosts[r->host];

	for (; values && *values; values++)
		if (strpbrk(*values, "\r\n") || strpbrk(key, "\r\n:"))
			return wrong(r, "a header has a line break");
		else if (hoy_strv_addf(&host->headers, "%s: %s", key, *values) < 0)
			return hoy_err_oom(r->err);
	return 0;
}

static char *without_slash(const char *url)
{
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	return strndup(url, len);
}

static int take_top_value(struct reader *r, const char *key, char *const *values)
{
	if (strcmp(key, "server") != 0)
		return hoy_err_unsupported(r->err, "hosts.toml line %d: '%s' is not supported", r->line, key);
	if (!values || !values[0] || !strstr(values[0], "://"))
		return wrong(r, "server is no URL");
	free(r->upstream->url);
	r->upstream->url = without_slash(values[0]);
	return r->upstream->url ? 0 : hoy_err_oom(r->err);
}

/* [host."https://mirror"] and [host."https://mirror".header] */
static int read_section(struct reader *r)
{
	auto_free char *first = NULL, *url = NULL, *last = NULL;
	struct hoy_registry_host *host;
	int code;

	r->at++;
	code = read_key(r, &first);
	if (code < 0)
		return code;
	if (strcmp(first, "host") != 0 || *r->at != '.')
		return wrong(r, "only sections [host.\"URL\"] are supported");
	r->at++;
	code = read_key(r, &url);
	if (code == 0 && *r->at == '.') {
		r->at++;
		code = read_key(r, &last);
	}
	if (code < 0)
		return code;
	if (*r->at != ']')
		return wrong(r, "a section has no end");
	r->at++;
	if (last) {
		r->where = IN_HEADERS;
		return strcmp(last, "header") == 0 && r->host < r->registry->n_hosts
			       ? 0
			       : wrong(r, "only [host.\"URL\".header] is supported below a host");
	}
	if (!strstr(url, "://"))
		return wrong(r, "a host is no URL (https://...)");
	host = hoy_registry_add_host(r->registry);
	if (!host || !(host->url = without_slash(url)))
		return hoy_err_oom(r->err);
	host->is_mirror = true;
	r->host = r->registry->n_hosts - 1;
	r->where = IN_HOST;
	return 0;
}

static int read_line(struct reader *r)
{
	auto_free char *key = NULL;
	auto_ptr(hoy_strv_free) char **values = NULL;
	int code;

	if (*r->at == '[')
		return read_section(r);
	code = read_key(r, &key);
	if (code < 0)
		return code;
	skip_blank(r, /* lines= */ false);
	if (*r->at != '=')
		return wrong(r, "'=' is missing");
	r->at++;
	code = read_value(r, &values);
	if (code < 0)
		return code;
	return r->where == AT_TOP    ? take_top_value(r, key, values)
	       : r->where == IN_HOST ? take_host_value(r, key, values)
				     : take_header(r, key, values);
}

int hoy_hosts_file_parse(struct hoy_registry *registry, const char *dir, const char *text,
	struct hoy_registry_host *upstream, struct hoy_err *err)
{
	struct reader r = { .registry = registry, .upstream = upstream, .dir = dir, .at = text, .line = 1, .err = err };
	size_t before = registry->n_hosts, kept = before;
	int code = 0;

	r.host = before;
	for (skip_blank(&r, /* lines= */ true); code == 0 && *r.at; skip_blank(&r, /* lines= */ true)) {
		code = read_line(&r);
		skip_blank(&r, /* lines= */ false);
		if (code == 0 && *r.at && *r.at != '\n')
			code = wrong(&r, "more stands behind the value");
	}
	for (size_t i = before; i < registry->n_hosts; i++)
		if (registry->hosts[i].unusable || registry->rq->op != HOY_FETCH_PULL)
			hoy_registry_host_done(&registry->hosts[i]);
		else
			registry->hosts[kept++] = registry->hosts[i];
	registry->n_hosts = kept;
	return code;
}

int hoy_hosts_file_read(
	struct hoy_registry *registry, const char *root, struct hoy_registry_host *upstream, struct hoy_err *err)
{
	auto_free char *dir = hoy_str_printf("%s/%s", root, registry->rq->host);
	auto_free char *path = dir ? hoy_path_join(dir, "hosts.toml") : NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = FILE_MAX };
	int r = path ? hoy_file_read(AT_FDCWD, path, &text, /* err= */ NULL) : hoy_err_oom(err);

	if (r == -ENOENT || r == -ENOTDIR || (r == 0 && !text.data))
		return 0;
	if (r < 0)
		return path ? hoy_err_code(err, r, "read '%s'", path) : r;
	r = hoy_hosts_file_parse(registry, dir, text.data, upstream, err);
	return r < 0 ? hoy_err_wrap(err, "%s", dir) : 0;
}
