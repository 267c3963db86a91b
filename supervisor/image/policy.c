#include "supervisor/image/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "supervisor/image/image_internal.h"

#define DEFAULT_FILE "/etc/hoy/signature-policy"
#define FILE_MAX ((size_t) 64 << 10)
#define KEY_MAX ((size_t) 16 << 10)
#define WORDS_MAX 3

struct line {
	char *words[WORDS_MAX];
	size_t n;
	enum hoy_signature_rule rule;
};

/* Splits it in place. */
static int take_words(char *text, struct line *line, struct hoy_err *err)
{
	char *rest = text;

	text[strcspn(text, "#")] = '\0';
	*line = (struct line){ 0 };
	for (;;) {
		rest += strspn(rest, " \t\r");
		if (!*rest)
			return 0;
		if (line->n == WORDS_MAX)
			return hoy_err_invalid(err, "more than a scope, a rule and a key");
		line->words[line->n++] = rest;
		rest += strcspn(rest, " \t\r");
		if (*rest)
			*rest++ = '\0';
	}
}

static int check_line(struct line *line, struct hoy_err *err)
{
	const char *scope = line->words[0], *rule = line->words[1];

	if (line->n < 2)
		return hoy_err_invalid(err, "no rule for '%s': accept, reject or cosign KEY", scope);
	if (strcmp(scope, "*") != 0 && (strpbrk(scope, "*@") || *scope == '/' || hoy_str_ends(scope, "/")))
		return hoy_err_invalid(err, "'%s' is neither '*' nor a registry or repository", scope);
	if (strcmp(rule, "cosign") == 0) {
		line->rule = HOY_SIGNATURE_COSIGN;
		if (line->n < 3 || line->words[2][0] != '/')
			return hoy_err_invalid(err, "cosign needs the absolute path of a public key");
		return 0;
	}
	line->rule = strcmp(rule, "accept") == 0 ? HOY_SIGNATURE_ACCEPT : HOY_SIGNATURE_REJECT;
	if (line->rule == HOY_SIGNATURE_REJECT && strcmp(rule, "reject") != 0)
		return hoy_err_invalid(err, "unknown rule '%s': accept, reject or cosign KEY", rule);
	return line->n == 2 ? 0 : hoy_err_invalid(err, "'%s' takes no key", rule);
}

/* How much of the name it says, plus one; 0: it does not fit. */
static size_t fits(const char *scope, const char *repository)
{
	size_t len = strlen(scope);

	if (strcmp(scope, "*") == 0)
		return 1;
	if (strncmp(scope, repository, len) != 0 || (repository[len] && repository[len] != '/'))
		return 0;
	return len + 1;
}

int hoy_signature_policy_find(
	const char *text, const char *repository, enum hoy_signature_rule *ret, char **ret_key, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **lines = hoy_str_split(text, '\n'), **scopes = NULL;
	size_t best = 0;
	int r = lines ? 0 : hoy_err_oom(err);

	*ret_key = NULL;
	for (size_t i = 0; r == 0 && lines[i]; i++) {
		struct line line;
		size_t fit;

		r = take_words(lines[i], &line, err);
		if (r == 0 && line.n == 0)
			continue;
		if (r == 0)
			r = check_line(&line, err);
		if (r == 0 && hoy_strv_has(scopes, line.words[0]))
			r = hoy_err_invalid(err, "a second rule for '%s'", line.words[0]);
		if (r < 0)
			return hoy_err_wrap(err, "line %zu", i + 1);
		if (hoy_strv_add(&scopes, line.words[0]) < 0)
			return hoy_err_oom(err);
		fit = fits(line.words[0], repository);
		if (fit <= best)
			continue;
		best = fit;
		*ret = line.rule;
		free(*ret_key);
		*ret_key = line.rule == HOY_SIGNATURE_COSIGN ? strdup(line.words[2]) : NULL;
		if (line.rule == HOY_SIGNATURE_COSIGN && !*ret_key)
			return hoy_err_oom(err);
	}
	if (r == 0 && best == 0)
		*ret = HOY_SIGNATURE_REJECT;
	return r;
}

static int read_key(const char *path, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = KEY_MAX };
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r < 0)
		return r;
	if (text.len == 0 || strlen(text.data) != text.len)
		return hoy_err_invalid(err, "'%s' is no key in PEM form", path);
	*ret = hoy_buf_take(&text);
	return 0;
}

int hoy_signature_policy_apply(struct hoy_images *images, const struct hoy_reference *ref,
	struct hoy_fetch_request *request, struct hoy_err *err)
{
	const struct hoy_registry_settings *settings = images->options.registries;
	const char *given = settings ? settings->signature_policy : NULL, *path = given ? given : DEFAULT_FILE;
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = FILE_MAX };
	auto_free char *repository = hoy_reference_name(ref), *key = NULL;
	enum hoy_signature_rule rule = HOY_SIGNATURE_REJECT;
	int r = repository ? hoy_file_read(AT_FDCWD, path, &text, err) : hoy_err_oom(err);

	if (r == -ENOENT && !given)
		return 0;
	if (r == 0 && text.data && strlen(text.data) != text.len)
		r = hoy_err_invalid(err, "it has a zero byte");
	if (r == 0)
		r = hoy_signature_policy_find(text.data ? text.data : "", repository, &rule, &key, err);
	if (r == 0 && rule == HOY_SIGNATURE_COSIGN)
		r = read_key(key, &request->signature_key, err);
	if (r < 0)
		return hoy_err_wrap(err, "signature policy '%s'", path);
	if (rule == HOY_SIGNATURE_REJECT)
		return hoy_err_set(err, HOY_ERR_INVALID, EACCES, "pull of %s is forbidden by the signature policy '%s'",
			repository, path);
	return 0;
}
