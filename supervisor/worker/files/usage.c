/* How much a directory holds: the sizes of all that is no directory, an inode with several names once. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/worker/files/files.h"

#define DEPTH_MAX 400

struct counting {
	uint64_t bytes;
	dev_t dev;   /* what is mounted below is not counted */
	ino_t *seen; /* an open hash of the inodes with several names; 0: free */
	size_t n, room;
};

static bool insert(ino_t *seen, size_t room, ino_t ino)
{
	size_t i = (size_t) (ino * 0x9e3779b97f4a7c15ULL) & (room - 1);

	for (; seen[i]; i = (i + 1) & (room - 1))
		if (seen[i] == ino)
			return false;
	seen[i] = ino;
	return true;
}

/* False: it was counted before. Without memory it is counted again. */
static bool first_time(struct counting *c, ino_t ino)
{
	if (2 * (c->n + 1) > c->room) {
		size_t room = c->room ? 2 * c->room : 256;
		ino_t *grown = calloc(room, sizeof *grown);

		if (!grown)
			return true;
		for (size_t i = 0; i < c->room; i++)
			if (c->seen[i])
				(void) insert(grown, room, c->seen[i]);
		free(c->seen);
		c->seen = grown;
		c->room = room;
	}
	if (!insert(c->seen, c->room, ino))
		return false;
	c->n++;
	return true;
}

static void count(struct counting *c, int dir, unsigned int depth)
{
	auto_ptr(hoy_strv_free) char **names = NULL;

	if (depth >= DEPTH_MAX || hoy_files_names(dir, &names, NULL) < 0)
		return;
	for (char **name = names; *name; name++) {
		struct stat st;

		if (fstatat(dir, *name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != c->dev)
			continue;
		if (S_ISDIR(st.st_mode)) {
			auto_fd int below = openat(dir, *name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (below >= 0)
				count(c, below, depth + 1);
		} else if (st.st_nlink < 2 || first_time(c, st.st_ino)) {
			c->bytes += (uint64_t) st.st_size;
		}
	}
}

uint64_t hoy_files_usage(const char *path)
{
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct counting c = { 0 };
	struct stat st;

	if (dir < 0 || fstat(dir, &st) < 0)
		return UINT64_MAX;
	c.dev = st.st_dev;
	count(&c, dir, 0);
	free(c.seen);
	return c.bytes;
}
