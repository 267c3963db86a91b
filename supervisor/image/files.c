/* DATA_ROOT's directories: what is final, what is temporary, and the trash that a hoy-layer process empties. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/image/downloads.h"
#include "supervisor/image/layer_run.h"

#define MAX_DOCUMENT ((size_t) 4 << 20)
/* The lower layer of an image that has none: overlay wants at least one. Numbers of layers start at 1. */
#define EMPTY_LAYER "0"

static int open_dir(int at, const char *path, mode_t mode, int *ret, struct hoy_err *err)
{
	if (mkdirat(at, path, mode) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "mkdir '%s'", path);
	*ret = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? hoy_err_sys(err, "open directory '%s'", path) : 0;
}

int hoy_images_files_open(struct hoy_images *images, struct hoy_err *err)
{
	auto_fd int blobs = -EBADF, empty = -EBADF;
	int r = hoy_path_mkdir_all(images->options.data_root, 0711, err);

	if (r == 0)
		r = open_dir(AT_FDCWD, images->options.data_root, 0711, &images->root_fd, err);
	if (r == 0)
		r = open_dir(images->root_fd, "l", 0700, &images->layers_fd, err);
	if (r == 0)
		r = open_dir(images->layers_fd, EMPTY_LAYER, 0755, &empty, err);
	if (r == 0)
		r = open_dir(images->root_fd, "blobs", 0700, &blobs, err);
	if (r == 0)
		r = open_dir(blobs, "sha256", 0700, &images->blobs_fd, err);
	if (r == 0)
		r = open_dir(images->root_fd, "downloads", 0700, &images->downloads_fd, err);
	if (r == 0)
		r = open_dir(images->root_fd, "tmp", 0700, &images->tmp_fd, err);
	if (r == 0)
		r = open_dir(images->root_fd, "trash", 0700, &images->trash_fd, err);
	return r < 0 ? hoy_err_wrap(err, "image store") : 0;
}

void hoy_images_files_close(struct hoy_images *images)
{
	hoy_fd_close(&images->trash_fd);
	hoy_fd_close(&images->tmp_fd);
	hoy_fd_close(&images->downloads_fd);
	hoy_fd_close(&images->blobs_fd);
	hoy_fd_close(&images->layers_fd);
	hoy_fd_close(&images->root_fd);
}

void hoy_images_layer_name(int64_t number, char ret[LAYER_NAME_MAX])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char reversed[LAYER_NAME_MAX];
	size_t n = 0;

	do
		reversed[n++] = digits[number % 36];
	while ((number /= 36) > 0);
	for (size_t i = 0; i < n; i++)
		ret[i] = reversed[n - 1 - i];
	ret[n] = '\0';
}

int hoy_images_make_temp_dir(struct hoy_images *images, int dir, mode_t mode, char **ret_name, struct hoy_err *err)
{
	auto_free char *name = hoy_str_printf("tmp-%llu", (unsigned long long) images->next_temp++);

	if (!name)
		return hoy_err_oom(err);
	if (mkdirat(dir, name, mode) < 0)
		return hoy_err_sys(err, "mkdir '%s'", name);
	*ret_name = TAKE_PTR(name);
	return 0;
}

/* --- trash --- */

static void start_remover(struct hoy_images *images);

/* New trash may have come while the remover ran; then it runs again. A failure is told once and left to the next
 * start. */
static void on_removed(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct hoy_images *images = userdata;

	(void) reply;
	images->remover = hoy_layer_run_free(images->remover);
	if (failed) {
		hoy_log_ignored(failed, "empty the trash");
		images->trash_waits = false;
	}
	if (images->trash_waits)
		start_remover(images);
}

static void start_remover(struct hoy_images *images)
{
	const struct hoy_layer_run_options options = {
		.loop = images->options.loop,
		.helper = images->helper,
		.request = { .op = HOY_LAYER_REMOVE },
		.fds = { images->trash_fd },
		.n_fds = 1,
		.on_done = on_removed,
		.userdata = images,
	};
	struct hoy_err err = { 0 };

	images->trash_waits = false;
	if (hoy_layer_run_start(&options, &images->remover, &err) < 0)
		hoy_log_ignored(&err, "empty the trash");
}

void hoy_images_trash(struct hoy_images *images, int dir, const char *name)
{
	auto_free char *gone = hoy_str_printf("%llu", (unsigned long long) images->next_temp++);

	if (unlinkat(dir, name, AT_REMOVEDIR) == 0) /* it was empty, as the directories of most jobs are */
		return;
	if (!gone || renameat(dir, name, images->trash_fd, gone) < 0) {
		if (errno != ENOENT)
			hoy_log_warn("move '%s' into the trash: %s, ignoring", name, strerror(errno));
		return;
	}
	images->trash_waits = true;
	if (!images->remover)
		start_remover(images);
}

/* --- sweep --- */

bool hoy_images_layer_is_known(struct hoy_images *images, const char *name)
{
	char known[LAYER_NAME_MAX];

	if (strcmp(name, EMPTY_LAYER) == 0)
		return true;
	for (size_t i = 0; i < images->n_layers; i++) {
		hoy_images_layer_name(images->layers[i]->number, known);
		if (strcmp(name, known) == 0)
			return true;
	}
	return false;
}

static bool blob_is_known(struct hoy_images *images, const char *name)
{
	for (size_t i = 0; i < images->n_blobs; i++)
		if (strcmp(images->blobs[i]->digest + strlen("sha256:"), name) == 0)
			return true;
	return false;
}

static bool nothing_is_known(struct hoy_images *images, const char *name)
{
	(void) images;
	(void) name;
	return false;
}

static int sweep(struct hoy_images *images, int dir_fd, bool (*is_known)(struct hoy_images *images, const char *name),
	struct hoy_err *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		int r = hoy_err_sys(err, "sweep the image store");

		hoy_fd_close(&fd);
		return r;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			!is_known(images, entry->d_name))
			hoy_images_trash(images, dir_fd, entry->d_name);
	(void) closedir(dir);
	return 0;
}

/* What an earlier hoyd left in the trash keeps its names: ours must be others. */
static int count_trash(struct hoy_images *images, struct hoy_err *err)
{
	int fd = openat(images->trash_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t number;

	if (!dir) {
		int r = hoy_err_sys(err, "look at the trash");

		hoy_fd_close(&fd);
		return r;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		images->trash_waits = true;
		if (hoy_str_to_u64(entry->d_name, &number) == 0 && number >= images->next_temp)
			images->next_temp = number + 1;
	}
	(void) closedir(dir);
	if (images->trash_waits)
		start_remover(images);
	return 0;
}

int hoy_images_files_sweep(struct hoy_images *images, struct hoy_err *err)
{
	int r = count_trash(images, err);

	if (r == 0)
		r = sweep(images, images->tmp_fd, nothing_is_known, err);
	if (r == 0)
		r = sweep(images, images->blobs_fd, blob_is_known, err);
	if (r == 0)
		(void) hoy_downloads_sweep(images, /* all= */ false);
	return r < 0 ? r : sweep(images, images->layers_fd, hoy_images_layer_is_known, err);
}

/* --- documents --- */

int hoy_images_read_blob(struct hoy_images *images, const char *digest, struct hoy_buf *buf, struct hoy_err *err)
{
	hoy_buf_init(buf, MAX_DOCUMENT);
	return hoy_file_read(images->blobs_fd, digest + strlen("sha256:"), buf, err);
}

int hoy_images_write_blob(
	struct hoy_images *images, const char *digest, const void *data, size_t len, struct hoy_err *err)
{
	const char *name = digest + strlen("sha256:");

	if (faccessat(images->blobs_fd, name, F_OK, 0) == 0)
		return 0;
	return hoy_file_write(images->blobs_fd, name, data, len, 0600, /* flags= */ 0, err);
}
