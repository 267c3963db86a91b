/* Finding what a path of the archive endpoints names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/files/files.h"

void hoy_files_target_done(struct hoy_files_target *target)
{
	hoy_fd_close(&target->fd);
	hoy_fd_close(&target->parent);
	free(target->base);
	target->base = NULL;
}

/* As Go's filepath.Base() of the path as it was asked for: "." of "/dir/.", "/" of the root. */
static void name_of(const char *path, char *out, size_t size)
{
	size_t len = strlen(path), start;

	while (len > 0 && path[len - 1] == '/')
		len--;
	for (start = len; start > 0 && path[start - 1] != '/';)
		start--;
	if (len == 0)
		(void) snprintf(out, size, "/");
	else
		(void) snprintf(out, size, "%.*s", (int) (len - start), path + start);
}

/* Where a symlink ends, as an absolute path of the view; a dangling one: where it points to. */
static void follow(const struct hoy_view *view, const char *clean, int link, struct hoy_files_stat *reply)
{
	auto_fd int fd = hoy_path_open_in_root(view->root, clean, O_PATH, 0, NULL);
	char name[16], text[sizeof reply->link_target];
	auto_free char *dir = NULL, *joined = NULL, *whole = NULL;
	ssize_t n;

	(void) snprintf(name, sizeof name, "%d", fd);
	n = fd >= 0 ? readlinkat(view->proc, name, text, sizeof text - 1) : -1;
	if (n > 0 && text[0] == '/') {
		text[n] = '\0';
		(void) snprintf(reply->link_target, sizeof reply->link_target, "%s", text);
		return;
	}
	n = readlinkat(link, "", text, sizeof text - 1);
	if (n < 0)
		return;
	text[n] = '\0';
	dir = strndup(clean, (size_t) (hoy_path_base(clean) - clean));
	joined = dir ? hoy_path_join(*dir ? dir : "/", text) : NULL;
	whole = joined ? hoy_path_clean(joined) : NULL;
	if (whole)
		(void) snprintf(reply->link_target, sizeof reply->link_target, "%s", whole);
}

static int open_last(const struct hoy_view *view, const char *clean, struct hoy_files_target *ret, struct hoy_err *err)
{
	const char *base = hoy_path_base(clean);
	auto_free char *dir = strndup(clean, (size_t) (base - clean));

	ret->base = strdup(base);
	if (!dir || !ret->base)
		return hoy_err_oom(err);
	ret->parent = hoy_path_open_in_root(view->root, *dir ? dir : "/", O_PATH | O_DIRECTORY, 0, err);
	if (ret->parent < 0)
		return ret->parent;
	ret->fd = openat(ret->parent, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return ret->fd < 0 ? hoy_err_sys(err, "open '%s'", clean) : 0;
}

int hoy_files_find(const struct hoy_view *view, const char *path, struct hoy_files_target *ret, struct hoy_err *err)
{
	auto_free char *rooted = hoy_str_printf("/%s", path), *clean = rooted ? hoy_path_clean(rooted) : NULL;
	bool is_dir;
	int r = 0;

	*ret = (struct hoy_files_target){ .fd = -EBADF, .parent = -EBADF };
	if (!clean)
		return hoy_err_oom(err);
	is_dir = hoy_str_ends(rooted, "/") || hoy_str_ends(rooted, "/.") || strcmp(clean, "/") == 0;
	if (is_dir)
		r = ret->fd = hoy_path_open_in_root(view->root, clean, O_PATH | O_DIRECTORY, 0, err);
	else
		r = open_last(view, clean, ret, err);
	if (r >= 0 && fstat(ret->fd, &ret->st) < 0)
		r = hoy_err_sys(err, "look at '%s'", path);
	if (r < 0) {
		hoy_files_target_done(ret);
		return r;
	}
	ret->reply = (struct hoy_files_stat){ .size = (uint64_t) ret->st.st_size,
		.mode = ret->st.st_mode,
		.mtime_sec = ret->st.st_mtim.tv_sec,
		.mtime_nsec = (int32_t) ret->st.st_mtim.tv_nsec };
	name_of(rooted, ret->reply.name, sizeof ret->reply.name);
	if (S_ISLNK(ret->st.st_mode))
		follow(view, clean, ret->fd, &ret->reply);
	return 0;
}
