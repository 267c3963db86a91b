/* Packets of a client that sends files: fields of one message, each of them a packet. */
#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/build/filesync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

/* Directories may have got a mode that lets nobody in. */
static int on_dir(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) ftw;
	if (S_ISDIR(st->st_mode) || type == FTW_DNR)
		(void) chmod(path, 0700);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char outside[] = "/dev/shm/fuzz-filesync-XXXXXX";
	struct hoy_err err = { 0 };
	struct stat st;
	auto_fd int top = -EBADF, dir = -EBADF;
	int r;

	if (!mkdtemp(outside))
		return 0;
	top = open(outside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(top, "in", 0700) == 0)
		dir = openat(top, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		r = hoy_filesync_try(dir, (const char *) data, size, &err);
		assert(r == 0 || err.msg[0]);
		/* Nothing came beside the directory. */
		assert(fstat(top, &st) == 0 && st.st_nlink == 3);
	}
	(void) nftw(outside, on_dir, 8, FTW_PHYS);
	(void) nftw(outside, on_entry, 8, FTW_PHYS | FTW_DEPTH);
	return 0;
}
