/* inotify watches on directories; new ones get theirs as they appear. Symbolic links are not followed. */
#include "supervisor/compose/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "supervisor/build/ignore.h"

#define EVENTS (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DONT_FOLLOW)

struct directory {
	int watch;
	char *path; /* relative to the root, "" for it */
};

struct hoy_sources {
	char *root;    /* the directory; of one file: its parent */
	char *only;    /* the one file's name; NULL: all */
	char *context; /* root relative to the context of the .dockerignore; NULL: not in it */
	int fd;
	struct directory *dirs;
	size_t n;
	struct hoy_ignore *ignored, *included, *of_context, *passing;
};

static char *below(const char *dir, const char *name)
{
	return *dir ? hoy_str_printf("%s/%s", dir, name) : strdup(name);
}

/* A directory only when nothing below it comes back. */
static bool leaves_out(const struct hoy_ignore *ignore, const char *path, bool directory)
{
	return hoy_ignore_excludes(ignore, path) && (!directory || hoy_ignore_prunes(ignore, path));
}

static bool is_wanted(const struct hoy_sources *s, const char *path, bool directory)
{
	auto_free char *in_context = s->context ? below(s->context, path) : NULL;

	if (s->only)
		return strcmp(s->only, path) == 0;
	if (directory)
		return !leaves_out(s->passing, path, true) && !leaves_out(s->ignored, path, true) &&
		       !(in_context && leaves_out(s->of_context, in_context, true));
	if (leaves_out(s->passing, path, false) || leaves_out(s->ignored, path, false) ||
		(in_context && leaves_out(s->of_context, in_context, false)))
		return false;
	return !s->included || hoy_ignore_excludes(s->included, path);
}

static int add_once(char ***list, const char *path, struct hoy_err *err)
{
	if (*list && hoy_strv_has(*list, path))
		return 0;
	return hoy_strv_add(list, path) < 0 ? hoy_err_oom(err) : 0;
}

/* Watches the directory and those below it; `found` (may be NULL) gets the files. What goes meanwhile is let go. */
static int add_tree(struct hoy_sources *s, const char *path, bool watch, char ***found, struct hoy_err *err)
{
	auto_free char *full = *path ? hoy_str_printf("%s/%s", s->root, path) : strdup(s->root);
	struct directory *dirs;
	DIR *dir;
	int r = 0;

	if (!full)
		return hoy_err_oom(err);
	if (watch) {
		int wd = inotify_add_watch(s->fd, full, EVENTS | IN_ONLYDIR);

		if (wd < 0 && (errno == ENOENT || errno == ENOTDIR) && *path)
			return 0;
		if (wd < 0)
			return hoy_err_sys(
				err, "watch '%s' (fs.inotify.max_user_watches says how many there may be)", full);
		dirs = reallocarray(s->dirs, s->n + 1, sizeof *dirs);
		if (!dirs)
			return hoy_err_oom(err);
		s->dirs = dirs;
		dirs[s->n] = (struct directory){ .watch = wd, .path = strdup(path) };
		if (!dirs[s->n++].path)
			return hoy_err_oom(err);
	}
	dir = opendir(full);
	if (!dir)
		return *path ? 0 : hoy_err_sys(err, "open '%s'", full);
	for (const struct dirent *e; r == 0 && (e = readdir(dir));) {
		auto_free char *one = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0
					      ? below(path, e->d_name)
					      : NULL;
		struct stat st;

		if (!one || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!is_wanted(s, one, S_ISDIR(st.st_mode)))
			continue;
		if (S_ISDIR(st.st_mode) && !s->only)
			r = add_tree(s, one, watch, found, err);
		else if (S_ISREG(st.st_mode) && found)
			r = add_once(found, one, err);
	}
	(void) closedir(dir);
	return r;
}

static int read_context(struct hoy_sources *s, const char *context, struct hoy_err *err)
{
	auto_free char *real = realpath(context, NULL), *own = realpath(s->root, NULL);
	auto_free char *path = hoy_str_printf("%s/.dockerignore", context);
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = 1 << 20 };
	size_t len = real ? strlen(real) : 0;
	int r;

	if (!real || !own || !path || strncmp(own, real, len) != 0 || (own[len] && own[len] != '/'))
		return 0;
	r = hoy_file_read(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	s->context = strdup(own[len] ? own + len + 1 : "");
	if (!s->context)
		return hoy_err_oom(err);
	return hoy_ignore_parse(path, text.data ? text.data : "", text.len, &s->of_context, err);
}

int hoy_sources_new(const char *path, const char *context, char *const *ignore, char *const *include,
	struct hoy_sources **ret, struct hoy_err *err)
{
	static const char *const passing[] = { "**/.git", "**/*~", "**/.#*", "**/#*#", "**/*.sw?", "**/4913",
		"**/*___jb_*", NULL };
	struct hoy_sources *s = calloc(1, sizeof *s);
	struct stat st;
	int r;

	if (!s)
		return hoy_err_oom(err);
	s->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	s->root = strdup(path);
	r = s->fd < 0 ? hoy_err_sys(err, "watch files") : !s->root ? hoy_err_oom(err) : 0;
	if (r == 0 && stat(path, &st) < 0)
		r = hoy_err_sys(err, "watch '%s'", path);
	if (r == 0 && !S_ISDIR(st.st_mode)) {
		char *slash = strrchr(s->root, '/');

		s->only = strdup(slash ? slash + 1 : s->root);
		if (slash)
			slash[slash == s->root] = '\0';
		r = s->only ? 0 : hoy_err_oom(err);
	}
	if (r == 0)
		r = hoy_ignore_from_list((char *const *) passing, &s->passing, err);
	if (r == 0 && ignore)
		r = hoy_ignore_from_list(ignore, &s->ignored, err);
	if (r == 0 && include)
		r = hoy_ignore_from_list(include, &s->included, err);
	if (r == 0 && context)
		r = read_context(s, context, err);
	if (r == 0)
		r = add_tree(s, "", /* watch= */ true, NULL, err);
	if (r < 0) {
		hoy_sources_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void hoy_sources_free(struct hoy_sources *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->dirs[i].path);
	free(s->dirs);
	hoy_ignore_free(s->ignored);
	hoy_ignore_free(s->included);
	hoy_ignore_free(s->of_context);
	hoy_ignore_free(s->passing);
	if (s->fd >= 0)
		(void) close(s->fd);
	free(s->root);
	free(s->only);
	free(s->context);
	free(s);
}

int hoy_sources_fd(const struct hoy_sources *s)
{
	return s->fd;
}

static const char *path_of(const struct hoy_sources *s, int watch)
{
	/* The last: a number that was given again means the newer directory. */
	for (size_t i = s->n; i > 0; i--)
		if (s->dirs[i - 1].watch == watch)
			return s->dirs[i - 1].path;
	return NULL;
}

static int take(struct hoy_sources *s, const struct inotify_event *e, char ***changed, struct hoy_err *err)
{
	const char *dir = path_of(s, e->wd);
	auto_free char *path = NULL;

	if (e->mask & IN_Q_OVERFLOW)
		return hoy_sources_all(s, changed, err);
	if (!dir || !e->len)
		return 0;
	path = below(dir, e->name);
	if (!path)
		return hoy_err_oom(err);
	if (!is_wanted(s, path, e->mask & IN_ISDIR))
		return 0;
	if ((e->mask & IN_ISDIR) && !s->only && (e->mask & (IN_CREATE | IN_MOVED_TO)))
		return add_tree(s, path, /* watch= */ true, changed, err);
	/* The end of the writing follows a creation; a link or a FIFO is none of what is copied. */
	if ((e->mask & IN_ISDIR) && !(e->mask & (IN_DELETE | IN_MOVED_FROM)))
		return 0;
	if (!is_wanted(s, path, /* directory= */ false))
		return 0;
	return add_once(changed, s->only ? "" : path, err);
}

int hoy_sources_read(struct hoy_sources *s, char ***changed, struct hoy_err *err)
{
	_Alignas(struct inotify_event) char events[8192];
	int r = 0;

	for (;;) {
		ssize_t n = read(s->fd, events, sizeof events);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : hoy_err_sys(err, "read what changed");
		for (char *at = events; r == 0 && at < events + n;) {
			const struct inotify_event *e = (const struct inotify_event *) at;

			r = take(s, e, changed, err);
			at += sizeof *e + e->len;
		}
		if (r < 0 || n == 0)
			return r;
	}
}

int hoy_sources_all(struct hoy_sources *s, char ***files, struct hoy_err *err)
{
	return s->only ? add_once(files, "", err) : add_tree(s, "", /* watch= */ false, files, err);
}
