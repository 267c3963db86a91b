/* The grammar of image references by hand: no regular expressions, every rule in one small function. */
#include "libocispec/reference.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL "library/"
#define MAX_NAME 255
#define MAX_TAG 128

/* ASCII only: the grammar must not depend on the locale. */
static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_lower(c) || is_upper(c) || is_digit(c);
}

static bool is_lower_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_all(const char *text, size_t len, bool (*test)(char))
{
	for (size_t i = 0; i < len; i++)
		if (!test(text[i]))
			return false;
	return len > 0;
}

static bool has_upper(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (is_upper(text[i]))
			return true;
	return false;
}

static int invalid_format(struct hoy_err *err)
{
	return hoy_err_invalid(err, "invalid reference format");
}

bool hoy_reference_tag_is_valid(const char *tag)
{
	size_t len = strlen(tag);

	if (len == 0 || len > MAX_TAG || !(is_alnum(tag[0]) || tag[0] == '_'))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!is_alnum(tag[i]) && !strchr("_.-", tag[i]))
			return false;
	return true;
}

bool hoy_digest_is_valid(const char *digest)
{
	static const char prefix[] = "sha256:";

	return strncmp(digest, prefix, sizeof prefix - 1) == 0 && strlen(digest) == sizeof prefix - 1 + 64 &&
	       is_all(digest + sizeof prefix - 1, 64, is_lower_hex);
}

/* Letters, digits and inner dashes. */
static bool label_is_valid(const char *label, size_t len)
{
	if (len == 0 || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(label[i]) && label[i] != '-')
			return false;
	return true;
}

/* "[::1]": hex digits and colons in brackets; returns its length, 0 when it is none. */
static size_t bracketed_address(const char *text, size_t len)
{
	size_t i = 1;

	if (len < 3 || text[0] != '[')
		return 0;
	while (i < len && (is_lower_hex(text[i]) || (text[i] >= 'A' && text[i] <= 'F') || text[i] == ':'))
		i++;
	return i > 1 && i < len && text[i] == ']' ? i + 1 : 0;
}

static bool host_is_valid(const char *host, size_t len)
{
	while (true) {
		const char *dot = memchr(host, '.', len);
		size_t label = dot ? (size_t) (dot - host) : len;

		if (!label_is_valid(host, label))
			return false;
		if (!dot)
			return true;
		host += label + 1;
		len -= label + 1;
	}
}

static bool domain_is_valid(const char *domain, size_t len)
{
	size_t host = bracketed_address(domain, len);

	if (host == 0) {
		const char *colon = memchr(domain, ':', len);

		host = colon ? (size_t) (colon - domain) : len;
		if (!host_is_valid(domain, host))
			return false;
	}
	if (host == len)
		return true;
	return domain[host] == ':' && is_all(domain + host + 1, len - host - 1, is_digit);
}

/* Runs of [a-z0-9] joined by one '.', one or two '_', or any number of '-'. */
static bool component_is_valid(const char *part, size_t len)
{
	size_t i = 0;

	while (true) {
		size_t start = i, run;

		while (i < len && (is_lower(part[i]) || is_digit(part[i])))
			i++;
		if (i == start)
			return false;
		if (i == len)
			return true;
		start = i;
		while (i < len && part[i] == part[start] && strchr("._-", part[i]))
			i++;
		run = i - start;
		if (run == 0 || (part[start] == '.' && run > 1) || (part[start] == '_' && run > 2))
			return false;
	}
}

static bool path_is_valid(const char *path, size_t len)
{
	while (true) {
		const char *slash = memchr(path, '/', len);
		size_t part = slash ? (size_t) (slash - path) : len;

		if (!component_is_valid(path, part))
			return false;
		if (!slash)
			return true;
		path += part + 1;
		len -= part + 1;
	}
}

/* Length of the registry host that `text` starts with; 0: it names none. */
static size_t find_domain(const char *text)
{
	const char *slash = strchr(text, '/');
	size_t len;

	if (!slash)
		return 0;
	len = (size_t) (slash - text);
	if (memchr(text, '.', len) || memchr(text, ':', len) || has_upper(text, len))
		return len;
	return len == strlen("localhost") && strncmp(text, "localhost", len) == 0 ? len : 0;
}

static int set_domain(struct hoy_reference *ref, const char *text, size_t len)
{
	if (len == 0 || (len == strlen(LEGACY_DOMAIN) && strncmp(text, LEGACY_DOMAIN, len) == 0))
		ref->domain = strdup(DEFAULT_DOMAIN);
	else
		ref->domain = strndup(text, len);
	return ref->domain ? 0 : -ENOMEM;
}

static int set_path(struct hoy_reference *ref, const char *path, size_t len)
{
	bool official = strcmp(ref->domain, DEFAULT_DOMAIN) == 0 && !memchr(path, '/', len);

	ref->path = hoy_str_printf("%s%.*s", official ? OFFICIAL : "", (int) len, path);
	return ref->path ? 0 : -ENOMEM;
}

/* Splits "path[:tag][@digest]"; a tag's colon stands behind the last slash. */
static int split_rest(struct hoy_reference *ref, const char *rest, size_t *ret_path, struct hoy_err *err)
{
	size_t len = strcspn(rest, "@");
	const char *colon = memchr(rest, ':', len);

	if (rest[len] == '@') {
		if (!hoy_digest_is_valid(rest + len + 1))
			return invalid_format(err);
		ref->digest = strdup(rest + len + 1);
		if (!ref->digest)
			return hoy_err_oom(err);
	}
	if (colon) {
		ref->tag = strndup(colon + 1, len - (size_t) (colon + 1 - rest));
		if (!ref->tag)
			return hoy_err_oom(err);
		if (!hoy_reference_tag_is_valid(ref->tag))
			return invalid_format(err);
		len = (size_t) (colon - rest);
	}
	*ret_path = len;
	return 0;
}

static int parse(const char *text, struct hoy_reference *ref, struct hoy_err *err)
{
	size_t domain = find_domain(text), path;
	const char *rest = domain ? text + domain + 1 : text;
	int r;

	if (strlen(text) > 4096)
		return invalid_format(err);
	if (strlen(text) == 64 && is_all(text, 64, is_lower_hex))
		return hoy_err_invalid(
			err, "invalid repository name (%s), cannot specify 64-byte hexadecimal strings", text);
	if (domain && !domain_is_valid(text, domain))
		return invalid_format(err);
	path = strcspn(rest, ":@");
	if (has_upper(rest, path))
		return hoy_err_invalid(err, "invalid reference format: repository name (%s%.*s) must be lowercase",
			!domain && !memchr(rest, '/', path) ? OFFICIAL : "", (int) path, rest);
	r = split_rest(ref, rest, &path, err);
	if (r < 0)
		return r;
	if (!path_is_valid(rest, path))
		return invalid_format(err);
	if (set_domain(ref, text, domain) < 0 || set_path(ref, rest, path) < 0)
		return hoy_err_oom(err);
	if (strlen(ref->path) > MAX_NAME)
		return hoy_err_invalid(err, "repository name must not be more than %d characters", MAX_NAME);
	return 0;
}

int hoy_reference_parse(const char *text, struct hoy_reference *ret, struct hoy_err *err)
{
	struct hoy_reference ref = { 0 };
	int r = parse(text, &ref, err);

	if (r < 0) {
		hoy_reference_done(&ref);
		return r;
	}
	*ret = ref;
	return 0;
}

void hoy_reference_done(struct hoy_reference *ref)
{
	free(ref->domain);
	free(ref->path);
	free(ref->tag);
	free(ref->digest);
	*ref = (struct hoy_reference){ 0 };
}

int hoy_reference_default_tag(struct hoy_reference *ref)
{
	if (ref->tag || ref->digest)
		return 0;
	ref->tag = strdup("latest");
	return ref->tag ? 0 : -ENOMEM;
}

char *hoy_reference_name(const struct hoy_reference *ref)
{
	return hoy_str_printf("%s/%s", ref->domain, ref->path);
}

/* The short form is one only as long as it means the same: not when it looks like a host, or like an ID. */
char *hoy_reference_familiar_name(const struct hoy_reference *ref)
{
	const char *path = ref->path;

	if (strcmp(ref->domain, DEFAULT_DOMAIN) != 0)
		return hoy_reference_name(ref);
	if (hoy_str_starts(path, OFFICIAL) && !strchr(path + strlen(OFFICIAL), '/'))
		path += strlen(OFFICIAL);
	if (find_domain(path) > 0 || (strlen(path) == 64 && is_all(path, 64, is_lower_hex)))
		return hoy_reference_name(ref);
	return strdup(path);
}

static char *with_tag_and_digest(const struct hoy_reference *ref, const char *name)
{
	return name ? hoy_str_printf("%s%s%s%s%s", name, ref->tag ? ":" : "", ref->tag ? ref->tag : "",
			      ref->digest ? "@" : "", ref->digest ? ref->digest : "")
		    : NULL;
}

char *hoy_reference_to_string(const struct hoy_reference *ref)
{
	auto_free char *name = hoy_reference_name(ref);

	return with_tag_and_digest(ref, name);
}

char *hoy_reference_familiar(const struct hoy_reference *ref)
{
	auto_free char *name = hoy_reference_familiar_name(ref);

	return with_tag_and_digest(ref, name);
}

bool hoy_reference_matches(const struct hoy_reference *ref, const char *pattern)
{
	auto_free char *whole = hoy_reference_familiar(ref);
	auto_free char *name = hoy_reference_familiar_name(ref);

	return whole && name &&
	       (fnmatch(pattern, whole, FNM_PATHNAME) == 0 || fnmatch(pattern, name, FNM_PATHNAME) == 0);
}

bool hoy_reference_text_matches(const char *text, char *const *patterns)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };

	if (hoy_reference_parse(text, &ref, /* err= */ NULL) < 0)
		return false;
	for (; *patterns; patterns++)
		if (hoy_reference_matches(&ref, *patterns))
			return true;
	return false;
}
