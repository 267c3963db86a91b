/*
 * Feeds the files of a corpus to a fuzz target, without libFuzzer: what was found once stays fixed.
 *
 *	replay-NAME [FILE|DIRECTORY]...
 *
 * Without arguments it takes the corpus of its own name, tests/fuzz/corpus/NAME. A target that crashes or aborts fails
 * the test; so does a corpus that is empty or missing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv); /* of targets that have one */

static size_t n_replayed;

static int replay_file(const char *path)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err;

	if (hoy_file_read(AT_FDCWD, path, &buf, &err) < 0) {
		fprintf(stderr, "%s\n", hoy_err_str(&err));
		return -1;
	}
	/* The name is there when the target aborts. */
	fprintf(stderr, "replay: %s\n", path);
	(void) LLVMFuzzerTestOneInput(buf.len ? (const uint8_t *) buf.data : (const uint8_t *) "", buf.len);
	n_replayed++;
	return 0;
}

static int replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	int r = 0;

	if (!dir) {
		perror(path);
		return -1;
	}
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		auto_free char *file = hoy_path_join(path, entry->d_name);

		if (entry->d_name[0] != '.')
			r = file ? replay_file(file) : -1;
	}
	closedir(dir);
	return r;
}

static int replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	return S_ISDIR(st.st_mode) ? replay_directory(path) : replay_file(path);
}

int main(int argc, char **argv)
{
	const char *name = hoy_path_base(argv[0]);
	auto_free char *corpus = NULL;
	int r = 0;

	if (LLVMFuzzerInitialize)
		(void) LLVMFuzzerInitialize(&argc, &argv);
	if (argc > 1) {
		for (int i = 1; r == 0 && i < argc; i++)
			r = replay(argv[i]);
	} else {
		corpus = hoy_str_printf(HOY_TESTS_DIR "/fuzz/corpus/%s",
			hoy_str_starts(name, "replay-") ? name + strlen("replay-") : name);
		r = corpus ? replay(corpus) : -1;
	}
	if (r == 0 && !n_replayed)
		fprintf(stderr, "replay: the corpus is empty\n");
	return r < 0 || !n_replayed ? EXIT_FAILURE : EXIT_SUCCESS;
}
