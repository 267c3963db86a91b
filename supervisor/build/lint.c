#include "supervisor/build/lint.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

struct linting {
	const struct hoy_dockerfile *file;
	hoy_lint_found found;
	void *userdata;
	int r; /* the first that was not 0 */
};

static void HOY_PRINTF(4, 5)
	report(struct linting *l, const char *rule, const struct hoy_dockerfile_place *at, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list args;
	int n;

	if (l->r != 0)
		return;
	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		l->r = -ENOMEM;
		return;
	}
	l->r = l->found(rule, at, text, l->userdata);
}

/* --- words ---------------------------------------------------------------------------------------------------- */

static bool is_upper(const char *text)
{
	for (; *text; text++)
		if (islower((unsigned char) *text))
			return false;
	return true;
}

static bool is_lower(const char *text)
{
	for (; *text; text++)
		if (isupper((unsigned char) *text))
			return false;
	return true;
}

static void count_case(const struct hoy_dockerfile_instruction *in, size_t *upper, size_t *lower)
{
	*upper += is_upper(in->keyword);
	*lower += is_lower(in->keyword);
}

static void check_case(struct linting *l, const struct hoy_dockerfile_instruction *in, bool want_lower)
{
	if (want_lower ? !is_lower(in->keyword) : !is_upper(in->keyword))
		report(l, "ConsistentInstructionCasing", &in->at,
			"'%s' is written otherwise than most instructions here, which are in %s case", in->keyword,
			want_lower ? "lower" : "upper");
}

static void check_all_cases(struct linting *l)
{
	const struct hoy_dockerfile *file = l->file;
	size_t upper = 0, lower = 0;

	for (size_t i = 0; i < file->n_args; i++)
		count_case(&file->args[i], &upper, &lower);
	for (size_t i = 0; i < file->n_stages; i++) {
		count_case(file->stages[i].from, &upper, &lower);
		for (size_t j = 0; j < file->stages[i].n; j++)
			count_case(&file->stages[i].instructions[j], &upper, &lower);
	}
	for (size_t i = 0; i < file->n_args; i++)
		check_case(l, &file->args[i], lower > upper);
	for (size_t i = 0; i < file->n_stages; i++) {
		check_case(l, file->stages[i].from, lower > upper);
		for (size_t j = 0; j < file->stages[i].n; j++)
			check_case(l, &file->stages[i].instructions[j], lower > upper);
	}
}

/* --- FROM --------------------------------------------------------------------------------------------------------- */

/* The word "AS", as it is written: the one before the name. */
static bool as_is_lower(const struct hoy_dockerfile_instruction *in)
{
	const char *name = strrchr(in->text, ' '), *end = name;

	while (end && end > in->text && end[-1] == ' ')
		end--;
	return end && end - in->text > 2 && islower((unsigned char) end[-1]) && islower((unsigned char) end[-2]);
}

static void check_platform(struct linting *l, const struct hoy_dockerfile_instruction *in)
{
	const char *platform = in->from.platform;
	auto_ptr(hoy_strv_free) char **parts = platform ? hoy_str_split(platform, '/') : NULL;

	if (!platform)
		return;
	if (strcmp(platform, "$TARGETPLATFORM") == 0 || strcmp(platform, "${TARGETPLATFORM}") == 0) {
		report(l, "RedundantTargetPlatform", &in->at, "--platform=%s says what is so without it", platform);
		return;
	}
	if (strchr(platform, '$'))
		return;
	/* A stage that says in its name which platform it is for means it. */
	for (char **part = parts; part && *part && in->from.name; part++)
		if (**part && strstr(in->from.name, *part))
			return;
	report(l, "FromPlatformFlagConstDisallowed", &in->at,
		"--platform=%s is always the same: whatever platform is built for, this stage is of that one",
		platform);
}

static void check_from(struct linting *l, size_t index)
{
	const struct hoy_dockerfile_instruction *in = l->file->stages[index].from;
	const char *name = in->from.name_written;

	check_platform(l, in);
	if (!name)
		return;
	if (!is_lower(name))
		report(l, "StageNameCasing", &in->at, "the name of the stage, '%s', should be in lower case", name);
	if (as_is_lower(in) != is_lower(in->keyword))
		report(l, "FromAsCasing", &in->at, "FROM and AS should be in the same case");
	if (strcmp(in->from.name, "scratch") == 0 || strcmp(in->from.name, "context") == 0)
		report(l, "ReservedStageName", &in->at,
			"'%s' has a meaning of its own and should not be a stage's name", in->from.name);
	for (size_t i = 0; i < index; i++)
		if (hoy_str_eq(l->file->stages[i].from->from.name, in->from.name)) {
			report(l, "DuplicateStageName", &in->at, "there is a stage '%s' already, in line %u", name,
				l->file->stages[i].from->at.line);
			break;
		}
}

/* --- one instruction ---------------------------------------------------------------------------------------------- */

/* Is one of the words of the name, between '_', in the list? */
static bool has_word(const char *name, const char *const *words, size_t n)
{
	while (*name) {
		size_t len = strcspn(name, "_");

		for (size_t i = 0; i < n; i++)
			if (strlen(words[i]) == len && strncasecmp(name, words[i], len) == 0)
				return true;
		name += len + (name[len] == '_');
	}
	return false;
}

static void check_secrets(struct linting *l, const struct hoy_dockerfile_instruction *in)
{
	static const char *const secret[] = { "apikey", "auth", "credential", "credentials", "key", "password", "pword",
		"passwd", "secret", "token" };
	static const char *const known[] = { "public" };

	for (size_t i = 0; i < in->pairs.n; i++)
		if (has_word(in->pairs.list[i].key, secret, ARRAY_LEN(secret)) &&
			!has_word(in->pairs.list[i].key, known, ARRAY_LEN(known)))
			report(l, "SecretsUsedInArgOrEnv", &in->at,
				"%s \"%s\" looks like a secret, which anybody can read in the image or its history: "
				"RUN --mount=type=secret",
				in->kind == HOY_DOCKERFILE_ARG ? "ARG" : "ENV", in->pairs.list[i].key);
}

static void check_expose(struct linting *l, const struct hoy_dockerfile_instruction *in)
{
	for (size_t i = 0; i < in->words.n; i++) {
		const char *word = in->words.words[i], *protocol = strchr(word, '/');

		if (strchr(word, '$'))
			continue;
		if (strchr(word, ':'))
			report(l, "ExposeInvalidFormat", &in->at,
				"'%s': an address or a port of the host is for -p of run, EXPOSE names the container's port",
				word);
		if (protocol && !is_lower(protocol))
			report(l, "ExposeProtoCasing", &in->at, "'%s': the protocol should be in lower case", word);
	}
}

/* What was seen of a stage before. */
struct seen {
	const struct hoy_dockerfile_instruction *last[_HOY_DOCKERFILE_KIND_MAX];
	bool has_shell, has_absolute_dir;
};

static void check_alone(struct linting *l, struct seen *seen, const struct hoy_dockerfile_instruction *in)
{
	if (seen->last[in->kind])
		report(l, "MultipleInstructionsDisallowed", &seen->last[in->kind]->at,
			"of several %s in a stage the last one alone counts, in line %u",
			hoy_dockerfile_kind_name(in->kind), in->at.line);
	seen->last[in->kind] = in;
}

static void check_one(struct linting *l, struct seen *seen, const struct hoy_dockerfile_instruction *in)
{
	switch (in->kind) {
	case HOY_DOCKERFILE_CMD:
	case HOY_DOCKERFILE_ENTRYPOINT:
		check_alone(l, seen, in);
		if (in->command.shell && !seen->has_shell)
			report(l, "JSONArgsRecommended", &in->at,
				"a shell runs %s in this form, and gets the signals: [\"program\", \"argument\"] is without one",
				hoy_dockerfile_kind_name(in->kind));
		break;
	case HOY_DOCKERFILE_HEALTHCHECK:
		check_alone(l, seen, in);
		break;
	case HOY_DOCKERFILE_MAINTAINER:
		report(l, "MaintainerDeprecated", &in->at,
			"MAINTAINER is out of use: LABEL org.opencontainers.image.authors=\"%s\"", in->value);
		break;
	case HOY_DOCKERFILE_ENV:
	case HOY_DOCKERFILE_ARG:
	case HOY_DOCKERFILE_LABEL:
		if (in->pairs.legacy)
			report(l, "LegacyKeyValueFormat", &in->at, "%s key value is an old form: %s key=value",
				hoy_dockerfile_kind_name(in->kind), hoy_dockerfile_kind_name(in->kind));
		if (in->kind != HOY_DOCKERFILE_LABEL)
			check_secrets(l, in);
		break;
	case HOY_DOCKERFILE_EXPOSE:
		check_expose(l, in);
		break;
	case HOY_DOCKERFILE_SHELL:
		seen->has_shell = true;
		break;
	case HOY_DOCKERFILE_WORKDIR:
		if (*in->value == '/' || *in->value == '$')
			seen->has_absolute_dir = true;
		else if (!seen->has_absolute_dir)
			report(l, "WorkdirRelativePath", &in->at,
				"'%s' is below whatever the base image's directory is, which may change", in->value);
		break;
	default:
		break;
	}
}

/* A stage goes on from what another one of the file has said. */
static bool base_has_dir(const struct hoy_dockerfile *file, size_t index, const bool *has_dir)
{
	const char *image = file->stages[index].from->from.image;

	for (size_t i = index; i-- > 0;)
		if (file->stages[i].from->from.name && strcasecmp(file->stages[i].from->from.name, image) == 0)
			return has_dir[i];
	return strcmp(image, "scratch") == 0;
}

int hoy_lint(const struct hoy_dockerfile *file, hoy_lint_found found, void *userdata)
{
	struct linting l = { .file = file, .found = found, .userdata = userdata };
	auto_free bool *has_dir = calloc(file->n_stages + 1, sizeof *has_dir);

	if (!has_dir)
		return -ENOMEM;
	check_all_cases(&l);
	for (size_t i = 0; i < file->n_args; i++)
		check_secrets(&l, &file->args[i]);
	for (size_t i = 0; i < file->n_stages; i++) {
		struct seen seen = { .has_absolute_dir = base_has_dir(file, i, has_dir) };

		check_from(&l, i);
		for (size_t j = 0; j < file->stages[i].n; j++)
			check_one(&l, &seen, &file->stages[i].instructions[j]);
		has_dir[i] = seen.has_absolute_dir;
	}
	return l.r;
}

/* --- the directive ------------------------------------------------------------------------------------------------ */

/* The value of `key` in "key=value;key=value". */
static char *value_of(const char *check, const char *key)
{
	size_t len = strlen(key);

	while (check && *check) {
		size_t n;

		check += strspn(check, " ;");
		n = strcspn(check, ";");
		if (n > len && strncmp(check, key, len) == 0 && check[len] == '=')
			return strndup(check + len + 1, n - len - 1);
		check += n;
	}
	return NULL;
}

bool hoy_lint_skips(const char *check, const char *rule)
{
	auto_free char *skip = value_of(check, "skip");
	const char *at = skip;

	while (at && *at) {
		size_t len;

		at += strspn(at, " ,");
		len = strcspn(at, " ,");
		if ((len == 3 && strncmp(at, "all", 3) == 0) || (len == strlen(rule) && strncmp(at, rule, len) == 0))
			return true;
		at += len;
	}
	return false;
}

bool hoy_lint_is_strict(const char *check)
{
	auto_free char *strict = value_of(check, "error");

	return strict && (strncasecmp(strict, "true", 4) == 0 || *strict == '1');
}
