#include "supervisor/image/downloads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/str.h"

#define KEPT_SECONDS (24 * 60 * 60)

struct hoy_download {
	struct hoy_download *next;
	char *digest;
	struct hoy_downloader *writer; /* NULL: ended */
	struct hoy_downloader **waiting;
	size_t n_waiting;
	bool got; /* the writer says that it is whole, but may still hold the file */
};

static const char *file_of(const char *digest)
{
	return digest + strlen("sha256:");
}

static struct hoy_download *find(struct hoy_images *images, const char *digest)
{
	struct hoy_download *d = images->downloads;

	while (d && strcmp(d->digest, digest) != 0)
		d = d->next;
	return d;
}

static void drop(struct hoy_images *images, struct hoy_download *d)
{
	struct hoy_download **at = &images->downloads;

	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	free(d->digest);
	free(d->waiting);
	free(d);
}

static struct hoy_download *add(struct hoy_images *images, const char *digest)
{
	struct hoy_download *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->digest = strdup(digest);
	if (!d->digest) {
		free(d);
		return NULL;
	}
	d->next = images->downloads;
	return images->downloads = d;
}

static int wait_for_it(struct hoy_download *d, struct hoy_downloader *who, struct hoy_err *err)
{
	struct hoy_downloader **waiting = reallocarray(d->waiting, d->n_waiting + 1, sizeof(struct hoy_downloader *));

	if (!waiting)
		return hoy_err_oom(err);
	d->waiting = waiting;
	d->waiting[d->n_waiting++] = who;
	return 0;
}

static bool waits(const struct hoy_download *d, const struct hoy_downloader *who)
{
	for (size_t i = 0; i < d->n_waiting; i++)
		if (d->waiting[i] == who)
			return true;
	return false;
}

static int open_file(struct hoy_images *images, const char *digest, struct hoy_err *err)
{
	int fd = openat(images->downloads_fd, file_of(digest), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? hoy_err_sys(err, "create a file for blob %s", digest) : fd;
}

int hoy_download_want(
	struct hoy_images *images, struct hoy_downloader *who, const char *digest, int *ret_fd, struct hoy_err *err)
{
	struct hoy_download *d = find(images, digest);
	int fd;

	*ret_fd = -EBADF;
	if (d && d->writer != who)
		return waits(d, who) ? 0 : wait_for_it(d, who, err);
	fd = open_file(images, digest, err);
	if (fd < 0)
		return fd;
	if (!d)
		d = add(images, digest);
	if (!d) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	d->writer = who;
	d->got = false;
	*ret_fd = fd;
	return 0;
}

void hoy_download_progress(
	struct hoy_images *images, struct hoy_downloader *who, const char *digest, uint64_t current, uint64_t size)
{
	struct hoy_download *d = find(images, digest);

	for (size_t i = 0; d && d->writer == who && i < d->n_waiting; i++)
		d->waiting[i]->on_progress(digest, current, size, d->waiting[i]->userdata);
}

/* A lease for readers is given only while no descriptor and no mapping is there by which the file could be written, and
 * hoy-fetch can't open it again: it has neither the name nor the right. */
static bool nobody_can_write(struct hoy_images *images, const char *digest)
{
	auto_fd int fd = openat(images->downloads_fd, file_of(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
}

static void tell_there(struct hoy_images *images, struct hoy_download *d)
{
	d->writer->on_there(d->digest, d->writer->userdata);
	for (size_t i = 0; i < d->n_waiting; i++)
		d->waiting[i]->on_there(d->digest, d->waiting[i]->userdata);
	drop(images, d);
}

static void tell_lost(struct hoy_images *images, struct hoy_download *d)
{
	for (size_t i = 0; i < d->n_waiting; i++)
		d->waiting[i]->on_lost(d->digest, d->waiting[i]->userdata);
	drop(images, d);
}

void hoy_download_got(struct hoy_images *images, struct hoy_downloader *who, const char *digest)
{
	struct hoy_download *d = find(images, digest);

	if (!d || d->writer != who)
		return;
	d->got = true;
	if (nobody_can_write(images, digest))
		tell_there(images, d);
}

void hoy_downloads_stop(struct hoy_images *images, struct hoy_downloader *who)
{
	for (struct hoy_download *d = images->downloads, *next; d; d = next) {
		next = d->next;
		if (d->writer != who)
			continue;
		if (d->got)
			tell_there(images, d);
		else
			tell_lost(images, d);
	}
}

void hoy_downloads_leave(struct hoy_images *images, struct hoy_downloader *who)
{
	hoy_downloads_stop(images, who);
	for (struct hoy_download *d = images->downloads; d; d = d->next)
		for (size_t i = d->n_waiting; i-- > 0;)
			if (d->waiting[i] == who)
				d->waiting[i] = d->waiting[--d->n_waiting];
}

int hoy_download_open(struct hoy_images *images, const char *digest, struct hoy_err *err)
{
	int fd = openat(images->downloads_fd, file_of(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? hoy_err_sys(err, "open the file of blob %s", digest) : fd;
}

int hoy_download_link(struct hoy_images *images, const char *digest, int dir, const char *name, struct hoy_err *err)
{
	if (linkat(images->downloads_fd, file_of(digest), dir, name, 0) < 0)
		return hoy_err_sys(err, "keep blob %s", digest);
	return 0;
}

void hoy_download_forget(struct hoy_images *images, const char *digest)
{
	if (!find(images, digest))
		hoy_images_trash(images, images->downloads_fd, file_of(digest));
}

/* --- what is left over ---------------------------------------------------------------------------------------- */

static struct hoy_download *by_file(struct hoy_images *images, const char *name)
{
	struct hoy_download *d = images->downloads;

	while (d && strcmp(file_of(d->digest), name) != 0)
		d = d->next;
	return d;
}

static bool is_young(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_mtim.tv_sec + KEPT_SECONDS > time(NULL);
}

static bool is_stored(struct hoy_images *images, const char *name)
{
	auto_free char *digest = hoy_str_printf("sha256:%s", name);
	const struct blob *blob = digest ? hoy_images_blob(images, digest) : NULL;

	return blob && blob->stored;
}

bool hoy_download_is_known(struct hoy_images *images, const char *name)
{
	struct stat st;

	if (by_file(images, name))
		return true;
	if (strlen(name) != 64 || strspn(name, "0123456789abcdef") != 64 ||
		fstatat(images->downloads_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	/* With a second name it is a job's, or about to go as it is stored. */
	return st.st_nlink > 1 || (is_young(&st) && !is_stored(images, name));
}

int64_t hoy_downloads_sweep(struct hoy_images *images, bool all)
{
	int fd = openat(images->downloads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int64_t bytes = 0;
	struct stat st;

	if (!dir) {
		hoy_log_warn("sweep the downloads: %s, ignoring", strerror(errno));
		hoy_fd_close(&fd);
		return 0;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			by_file(images, entry->d_name) ||
			fstatat(images->downloads_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			(!all && is_young(&st) && !is_stored(images, entry->d_name)))
			continue;
		bytes += st.st_nlink == 1 ? st.st_size : 0; /* else a job or the store has it */
		hoy_images_trash(images, images->downloads_fd, entry->d_name);
	}
	(void) closedir(dir);
	return bytes;
}

int64_t hoy_images_drop_downloads(struct hoy_images *images)
{
	return hoy_downloads_sweep(images, /* all= */ true);
}
