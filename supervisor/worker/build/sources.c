#include "supervisor/worker/build/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/ignore.h"

#define DEPTH_MAX 400

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

int hoy_sources_names(int dir, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = calloc(1, sizeof *names);
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n = 0, size = 1;
	struct dirent *entry;
	DIR *stream;
	int r = names ? 0 : hoy_err_oom(err);

	if (fd < 0)
		return hoy_err_sys(err, "read a directory");
	stream = fdopendir(fd);
	if (!stream) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	while (r == 0 && (errno = 0, entry = readdir(stream))) {
		if (!hoy_path_is_component(entry->d_name))
			continue;
		if (n + 2 > size) {
			char **more = reallocarray(names, size = 2 * size + 14, sizeof *names);

			if (!more) {
				r = hoy_err_oom(err);
				break;
			}
			names = more;
		}
		names[n] = strdup(entry->d_name);
		names[n + 1] = NULL;
		if (!names[n++])
			r = hoy_err_oom(err);
	}
	(void) closedir(stream);
	if (n > 1)
		qsort(names, n, sizeof *names, by_name);
	*ret = r < 0 ? NULL : TAKE_PTR(names);
	return r;
}

/* What of the directory `prefix` matches `part` is added to `found`, with the prefix in front. */
static int match_in(int root, const char *prefix, const char *part, char ***found, struct hoy_err *err)
{
	auto_fd int dir = hoy_path_open_in_root(root, *prefix ? prefix : "/", O_RDONLY | O_DIRECTORY, 0, NULL);
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r;

	if (dir < 0)
		return 0; /* no directory: nothing matches in it */
	r = hoy_sources_names(dir, &names, err);
	for (char **name = names; r == 0 && name && *name; name++)
		if (hoy_glob_matches(part, *name) &&
			hoy_strv_addf(found, "%s%s%s", prefix, *prefix ? "/" : "", *name) < 0)
			r = hoy_err_oom(err);
	return r;
}

/* The directory `prefix` and all below it; links are not followed. */
static int add_tree(int root, const char *prefix, int depth, char ***found, struct hoy_err *err)
{
	auto_fd int dir = hoy_path_open_in_root(root, *prefix ? prefix : "/", O_RDONLY | O_DIRECTORY, 0, NULL);
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r;

	if (dir < 0)
		return 0;
	r = hoy_strv_add(found, prefix) < 0 ? hoy_err_oom(err) : hoy_sources_names(dir, &names, err);
	if (r == 0 && depth >= DEPTH_MAX)
		return hoy_err_invalid(err, "more than %d directories in each other", DEPTH_MAX);
	for (char **name = names; r == 0 && name && *name; name++) {
		auto_free char *below = NULL;
		struct stat st;

		if (fstatat(dir, *name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			continue;
		below = hoy_str_printf("%s%s%s", prefix, *prefix ? "/" : "", *name);
		r = below ? add_tree(root, below, depth + 1, found, err) : hoy_err_oom(err);
	}
	return r;
}

/* One more part of the pattern for all that was found so far. */
static int go_down(int root, char ***found, const char *part, bool deep, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **before = TAKE_PTR(*found);
	int r = 0;

	for (char **prefix = before; r == 0 && prefix && *prefix; prefix++) {
		if (deep && strcmp(part, "**") == 0)
			r = add_tree(root, *prefix, 0, found, err);
		else if (hoy_glob_is_pattern(part))
			r = match_in(root, *prefix, part, found, err);
		else if (hoy_strv_addf(found, "%s%s%s", *prefix, **prefix ? "/" : "", part) < 0)
			r = hoy_err_oom(err);
	}
	return r;
}

/* Those whose last parts were no pattern may not be there. */
static void drop_missing(int root, char **found)
{
	size_t n = 0;

	for (size_t i = 0; found && found[i]; i++) {
		auto_fd int fd = hoy_path_open_in_root(root, found[i], O_PATH, 0, NULL);

		if (fd >= 0)
			found[n++] = found[i];
		else
			free(found[i]);
	}
	if (found)
		found[n] = NULL;
}

int hoy_sources_match(int root, const char *text, bool is_pattern, bool deep, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **found = NULL, **parts = NULL;
	int r = hoy_strv_add(&found, is_pattern ? "" : text) < 0 ? hoy_err_oom(err) : 0;

	if (r == 0 && is_pattern) {
		parts = hoy_str_split(text, '/');
		if (!parts)
			return hoy_err_oom(err);
		for (char **part = parts; r == 0 && *part; part++)
			r = go_down(root, &found, *part, deep, err);
		drop_missing(root, found);
	}
	if (r == 0 && !found) {
		found = calloc(1, sizeof *found);
		r = found ? 0 : hoy_err_oom(err);
	}
	*ret = r < 0 ? NULL : TAKE_PTR(found);
	return r;
}
