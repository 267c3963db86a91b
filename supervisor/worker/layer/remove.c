/*
 * A layer can be deeper than any recursion or path allows. So the tree is flattened while it is removed: directories
 * found in a directory are moved up beside it, and every round removes one directory of the top.
 */
#include "supervisor/worker/layer/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

struct removing {
	int root;
	uint64_t next; /* number of the next directory that is moved up */
};

static int move_up(struct removing *rm, int from, const char *name, struct hoy_err *err)
{
	char moved[32];

	do {
		(void) snprintf(moved, sizeof moved, ".rm-%llu", (unsigned long long) rm->next++);
		if (renameat2(from, name, rm->root, moved, RENAME_NOREPLACE) == 0)
			return 0;
	} while (errno == EEXIST);
	return hoy_err_sys(err, "move directory '%s' up", name);
}

static DIR *open_dir(int at, const char *name, struct hoy_err *err)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		(void) hoy_err_sys(err, "open directory '%s'", name);
	if (!dir && fd >= 0)
		(void) close(fd);
	return dir;
}

/* Removes the files of `dir` and calls `on_dir` for each directory in it. */
static int empty(struct removing *rm, DIR *dir,
	int (*on_dir)(struct removing *rm, int from, const char *name, struct hoy_err *err), struct hoy_err *err)
{
	struct dirent *entry;
	int r = 0;

	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno == EISDIR)
			r = on_dir(rm, dirfd(dir), entry->d_name, err);
		else
			r = hoy_err_sys(err, "remove '%s'", entry->d_name);
	}
	if (r == 0 && errno)
		r = hoy_err_sys(err, "read a directory");
	return r;
}

static int remove_flat(struct removing *rm, int at, const char *name, struct hoy_err *err)
{
	DIR *dir = open_dir(at, name, err);
	int r;

	if (!dir)
		return -EIO;
	r = empty(rm, dir, move_up, err);
	(void) closedir(dir);
	if (r == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0)
		r = hoy_err_sys(err, "remove directory '%s'", name);
	return r;
}

/* Does the top still hold anything? What a round moved up may have escaped its readdir(). */
static bool is_empty(int root)
{
	DIR *dir = open_dir(root, ".", /* err= */ NULL);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (dir)
		(void) closedir(dir);
	return !found;
}

int hoy_layer_remove_all(int root, struct hoy_err *err)
{
	struct removing rm = { .root = root };
	int r = 0;

	while (r == 0 && !is_empty(root)) {
		DIR *top = open_dir(root, ".", err);

		if (!top)
			return -EIO;
		r = empty(&rm, top, remove_flat, err);
		(void) closedir(top);
	}
	return r;
}
