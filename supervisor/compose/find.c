/*
 * Where a project is: -f, COMPOSE_FILE, or a file with one of four names, here or in a directory above; the directory
 * is the first file's. The .env file is the project directory's; one in the working directory may set COMPOSE_
 * variables. The environment always wins over a file.
 */
#include "supervisor/compose/find.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/compose/env_file.h"

void hoy_compose_found_done(struct hoy_compose_found *found)
{
	hoy_strv_free(found->files);
	hoy_strv_free(found->names);
	hoy_strv_free(found->environment);
	hoy_strv_free(found->profiles);
	hoy_strv_free(found->warnings);
	free(found->dir);
	free(found->name);
	*found = (struct hoy_compose_found){};
}

char *hoy_compose_name_from(const char *text)
{
	char *name = strdup(text), *out = name;

	if (!name)
		return NULL;
	for (const char *c = name; *c; c++) {
		char low = (char) tolower((unsigned char) *c);

		if ((islower((unsigned char) low) || isdigit((unsigned char) low) || low == '_' || low == '-') &&
			(out != name || isalnum((unsigned char) low)))
			*out++ = low;
	}
	*out = '\0';
	return name;
}

char *hoy_compose_absolute(const char *path, const char *dir, char *const *environment)
{
	const char *home = environment ? hoy_env_get(environment, "HOME") : NULL;
	auto_free char *joined = NULL;

	if (home && path[0] == '~' && (!path[1] || path[1] == '/'))
		joined = hoy_str_printf("%s%s", home, path + 1);
	else
		joined = hoy_path_join(dir, path);
	return joined ? hoy_path_clean(joined) : NULL;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static const char *env(const struct hoy_compose_found *found, const char *name)
{
	const char *value = hoy_env_get(found->environment, name);

	return value && *value ? value : NULL;
}

static bool is_true(const char *text)
{
	return text && (!strcasecmp(text, "true") || !strcmp(text, "1") || !strcasecmp(text, "t"));
}

/* --- The .env file ---------------------------------------------------------------------------- */

/* Adds what the environment lacks. `prefix` NULL: all. */
static int add_missing(struct hoy_compose_found *found, char *const *entries, const char *prefix, struct hoy_err *err)
{
	for (; entries && *entries; entries++) {
		auto_free char *key = strndup(*entries, strcspn(*entries, "="));

		if (!key)
			return hoy_err_oom(err);
		if ((prefix && !hoy_str_starts(key, prefix)) || hoy_env_get(found->environment, key))
			continue;
		if (hoy_env_set(&found->environment, *entries) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int read_default_env(struct hoy_compose_found *found, const char *dir, const char *prefix, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(dir, ".env");
	auto_ptr(hoy_strv_free) char **entries = NULL;
	int r;

	if (!path)
		return hoy_err_oom(err);
	if (is_true(env(found, "COMPOSE_DISABLE_ENV_FILE")) || !is_file(path))
		return 0;
	r = hoy_env_file_read(path, NULL, found->environment, &entries, &found->warnings, err);
	return r < 0 ? r : add_missing(found, entries, prefix, err);
}

static int read_named_env(struct hoy_compose_found *found, char *const *files, const char *cwd, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **entries = NULL;

	for (; *files; files++) {
		auto_free char *path = hoy_compose_absolute(*files, cwd, found->environment);
		int r;

		if (!path)
			return hoy_err_oom(err);
		r = hoy_env_file_read(path, NULL, found->environment, &entries, &found->warnings, err);
		if (r == -ENOENT)
			return hoy_err_not_found(err, "couldn't find env file: %s", path);
		if (r < 0)
			return r;
	}
	return add_missing(found, entries, NULL, err);
}

/* --- Files ------------------------------------------------------------------------------------ */

static int add_file(struct hoy_compose_found *found, const char *file, const char *dir, struct hoy_err *err)
{
	auto_free char *path = strcmp(file, "-") != 0 ? hoy_compose_absolute(file, dir, found->environment)
						      : strdup("-");

	if (!path || hoy_strv_add(&found->files, path) < 0 || hoy_strv_add(&found->names, file) < 0)
		return hoy_err_oom(err);
	return 0;
}

/* The first of `names` in `dir`; others that are there too are told of. */
static int add_first(struct hoy_compose_found *found, const char *dir, const char *const names[], bool absolute_name,
	struct hoy_err *err)
{
	const char *first = NULL;
	bool others = false;
	auto_free char *path = NULL;

	for (; *names; names++) {
		auto_free char *candidate = hoy_path_join(dir, *names);

		if (!candidate)
			return hoy_err_oom(err);
		if (!is_file(candidate))
			continue;
		others = others || first;
		first = first ? first : *names;
	}
	if (!first)
		return 0;
	path = absolute_name ? hoy_path_join(dir, first) : strdup(first);
	if (!path || (others && hoy_strv_addf(&found->warnings,
					"Found multiple config files with supported names; using %s", first) < 0))
		return hoy_err_oom(err);
	return add_file(found, path, dir, err);
}

static int search_upwards(struct hoy_compose_found *found, const char *start, struct hoy_err *err)
{
	static const char *const names[] = { "compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
		NULL };
	static const char *const overrides[] = { "compose.override.yml", "compose.override.yaml",
		"docker-compose.override.yml", "docker-compose.override.yaml", NULL };
	auto_free char *dir = strdup(start);
	bool above = false;

	while (dir) {
		int r = add_first(found, dir, names, above, err);
		char *slash;

		if (r < 0)
			return r;
		if (found->files)
			return add_first(found, dir, overrides, above, err);
		slash = strrchr(dir, '/');
		if (!slash || !dir[1])
			return hoy_err_not_found(err, "no configuration file provided: not found");
		*(slash == dir ? slash + 1 : slash) = '\0';
		above = true;
	}
	return hoy_err_oom(err);
}

static int find_files(const struct hoy_compose_options *options, struct hoy_compose_found *found, const char *cwd,
	struct hoy_err *err)
{
	const char *from_env = env(found, "COMPOSE_FILE"), *separator = env(found, "COMPOSE_PATH_SEPARATOR");
	auto_ptr(hoy_strv_free) char **split = NULL;
	char *const *files = options->files;

	if (!files || !*files) {
		if (!from_env)
			return search_upwards(found, found->dir ? found->dir : cwd, err);
		split = hoy_str_split(from_env, separator ? *separator : ':');
		if (!split)
			return hoy_err_oom(err);
		files = split;
	}
	for (; *files; files++) {
		int r = **files ? add_file(found, *files, cwd, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- Name, profiles --------------------------------------------------------------------------- */

static int take_name(const struct hoy_compose_options *options, struct hoy_compose_found *found, struct hoy_err *err)
{
	const char *name = options->project_name && *options->project_name ? options->project_name
									   : env(found, "COMPOSE_PROJECT_NAME");
	auto_free char *clean = NULL;

	if (!name)
		return 0;
	clean = hoy_compose_name_from(name);
	found->name = strdup(name);
	if (!clean || !found->name)
		return hoy_err_oom(err);
	if (strcmp(clean, name) != 0 || !*clean)
		return hoy_err_invalid(err,
			"invalid project name \"%s\": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number",
			name);
	return 0;
}

static int take_profiles(
	const struct hoy_compose_options *options, struct hoy_compose_found *found, struct hoy_err *err)
{
	const char *from_env = env(found, "COMPOSE_PROFILES");
	auto_ptr(hoy_strv_free) char **split = from_env ? hoy_str_split(from_env, ',') : NULL;

	for (char *const *profile = options->profiles; profile && *profile; profile++)
		if (hoy_strv_add(&found->profiles, *profile) < 0)
			return hoy_err_oom(err);
	for (char **profile = split; profile && *profile; profile++) {
		char *text = *profile + strspn(*profile, " ");

		if (*text && !hoy_strv_has(found->profiles, text) && hoy_strv_add(&found->profiles, text) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int find_with_cwd(const struct hoy_compose_options *options, struct hoy_compose_found *found, const char *cwd,
	struct hoy_err *err)
{
	const char *env_list;
	auto_ptr(hoy_strv_free) char **split = NULL;
	auto_free char *env_dir = NULL;
	char *const *env_files = options->env_files;
	bool no_files;
	int r;

	found->environment = hoy_strv_copy(options->environment ? options->environment : (char *[]){ NULL });
	if (!found->environment)
		return hoy_err_oom(err);
	if (options->project_dir && *options->project_dir) {
		found->dir = hoy_compose_absolute(options->project_dir, cwd, found->environment);
		if (!found->dir)
			return hoy_err_oom(err);
	}
	env_list = env(found, "COMPOSE_ENV_FILES");
	if ((!env_files || !*env_files) && env_list) {
		split = hoy_str_split(env_list, ',');
		if (!split)
			return hoy_err_oom(err);
		env_files = split;
	}
	no_files = !env_files || !*env_files;
	env_dir = strdup(found->dir ? found->dir : cwd);
	if (!env_dir)
		return hoy_err_oom(err);
	r = no_files ? read_default_env(found, env_dir, found->dir ? NULL : "COMPOSE_", err)
		     : read_named_env(found, env_files, cwd, err);
	if (r < 0)
		return r;
	r = take_name(options, found, err);
	if (r >= 0)
		r = take_profiles(options, found, err);
	if (r < 0)
		return r;
	r = find_files(options, found, cwd, err);
	if (!found->dir) {
		const char *first = found->files ? found->files[0] : "-";
		const char *slash = strrchr(first, '/');

		found->dir = slash && slash > first ? strndup(first, (size_t) (slash - first))
						    : strdup(slash ? "/" : cwd);
		if (!found->dir)
			return hoy_err_oom(err);
		if (no_files) {
			int r2 = read_default_env(found, found->dir, NULL, err);

			if (r2 < 0)
				return r2;
		}
	}
	return r;
}

int hoy_compose_find(const struct hoy_compose_options *options, struct hoy_compose_found *ret, struct hoy_err *err)
{
	auto_free char *cwd = options->cwd ? strdup(options->cwd) : getcwd(NULL, 0);

	if (!cwd)
		return hoy_err_sys(err, "find the working directory");
	return find_with_cwd(options, ret, cwd, err);
}
