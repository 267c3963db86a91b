/*
 * Any bytes as a layer, unpacked into a directory deep inside a temporary one: nothing appears beside it, whatever the
 * archive says, and what was unpacked can be removed. Small limits keep it fast.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "supervisor/worker/layer/apply.h"
#include "supervisor/worker/layer/remove.h"

#define DEPTH 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/tmp/hoy-fuzz-XXXXXX";
static int levels[DEPTH + 1]; /* top, top/d, top/d/d ...; the last one is the layer */
static int input;

static void clean_up(void)
{
	(void) hoy_path_remove_all(AT_FDCWD, top, NULL);
}

static void set_up(void)
{
	const struct rlimit file_size = { 1 << 20, 1 << 20 };

	if (levels[0] > 0)
		return;
	(void) setlocale(LC_CTYPE, "C.UTF-8");
	assert(mkdtemp(top));
	(void) atexit(clean_up);
	levels[0] = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 1; i <= DEPTH; i++) {
		assert(mkdirat(levels[i - 1], "d", 0755) == 0);
		levels[i] = openat(levels[i - 1], "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert(levels[i] >= 0);
	}
	input = memfd_create("input", MFD_CLOEXEC);
	assert(input >= 0);
	(void) signal(SIGXFSZ, SIG_IGN);
	(void) setrlimit(RLIMIT_FSIZE, &file_size);
}

static size_t count_entries(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(copy);
	size_t n = 0;

	assert(dir);
	while (readdir(dir))
		n++;
	(void) closedir(dir);
	return n - 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_ptr(hoy_layer_stream_free) struct hoy_layer_stream *stream = NULL;
	struct hoy_layer_reply done = { 0 };
	struct hoy_layer_apply apply = { .lower = -1, .limits = { .max_entries = 200 }, .diff_id = "" };
	struct hoy_err err = { 0 };

	set_up();
	apply.root = levels[DEPTH];
	assert(ftruncate(input, 0) == 0 && lseek(input, 0, SEEK_SET) == 0);
	assert(hoy_fd_write_all(input, data, size) == 0 && lseek(input, 0, SEEK_SET) == 0);
	assert(hoy_layer_stream_new(
		       &(struct hoy_layer_stream_options){ .fd = input, .copy_fd = -1, .max_bytes = 1 << 20 }, &stream,
		       NULL) == 0);
	if (hoy_layer_apply(&apply, stream, &done, &err) < 0)
		assert(err.errnum > 0 && err.msg[0]);
	for (int i = 0; i < DEPTH; i++)
		assert(count_entries(levels[i]) == 1);
	if (hoy_layer_remove_all(levels[DEPTH], &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	assert(count_entries(levels[DEPTH]) == 0);
	return 0;
}
