#include "supervisor/worker/layer/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/layer/hash.h"

#define BLOCK ((size_t) 256 << 10)

static int hash_file(int fd, unsigned char *block, struct hoy_layer_reply *reply, struct hoy_err *err)
{
	auto_(hoy_layer_hash_done) struct hoy_layer_hash hash = { 0 };
	ssize_t n;
	int r = hoy_layer_hash_init(&hash, err);

	while (r == 0 && (n = hoy_fd_read_full(fd, block, BLOCK)) != 0) {
		if (n < 0)
			return hoy_err_code(err, (int) n, "read");
		reply->entry.size += (uint64_t) n;
		r = hoy_layer_hash_add(&hash, block, (size_t) n, err);
	}
	return r < 0 ? r : hoy_layer_hash_finish(&hash, reply->entry.digest, err);
}

int hoy_layer_verify(int root,
	int (*on_entry)(const struct hoy_layer_reply *entry, size_t len, void *userdata, struct hoy_err *err),
	void *userdata, struct hoy_err *err)
{
	auto_free unsigned char *block = malloc(BLOCK);
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir || !block) {
		if (dir)
			(void) closedir(dir);
		return hoy_err_oom(err);
	}
	while (r == 0 && (entry = readdir(dir))) {
		auto_fd int file = openat(root, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct hoy_layer_reply reply = { .type = HOY_LAYER_ENTRY, .entry.type = HOY_LAYER_ENTRY_FILE };
		size_t len = strlen(entry->d_name) + 1;
		struct stat st;

		if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		r = hash_file(file, block, &reply, err);
		if (r < 0) {
			(void) hoy_err_wrap(err, "'%s'", entry->d_name);
			break;
		}
		memcpy(reply.entry.names, entry->d_name, len);
		r = on_entry(&reply, offsetof(struct hoy_layer_reply, entry.names) + len, userdata, err);
	}
	(void) closedir(dir);
	return r;
}
