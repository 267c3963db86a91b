/*
 * Layers on their way from a registry. Each is a file, DATA_ROOT/downloads/<hex>, that one hoy-fetch writes for all who
 * want the blob: who comes later is told how it goes. What is there of it stays when that ends, however it ended, and
 * the next one goes on from there.
 *
 * Who uses a file is sure that nobody can write it any more: hoy-fetch is not believed.
 */
#ifndef HOY_SUPERVISOR_IMAGE_DOWNLOADS_H
#define HOY_SUPERVISOR_IMAGE_DOWNLOADS_H

#include "supervisor/image/image_internal.h"

struct hoy_download;

/* One pull. Callbacks come from another's hoy-fetch too, and must free nobody: they note, and act in the next turn. */
struct hoy_downloader {
	void (*on_progress)(
		const char *digest, uint64_t current, uint64_t size, void *userdata); /* another writes it */
	void (*on_there)(const char *digest, void *userdata);                         /* it may be linked */
	void (*on_lost)(const char *digest, void *userdata); /* who wrote it has ended: to be asked for again */
	void *userdata;
};

/* Counts `who` among those who want it. *ret_fd: the file, when its hoy-fetch is to write it; -EBADF: another's does.
 */
int hoy_download_want(
	struct hoy_images *images, struct hoy_downloader *who, const char *digest, int *ret_fd, struct hoy_err *err);

/* What the hoy-fetch of `who` says; of no effect when it does not write that one. */
void hoy_download_progress(
	struct hoy_images *images, struct hoy_downloader *who, const char *digest, uint64_t current, uint64_t size);
void hoy_download_got(struct hoy_images *images, struct hoy_downloader *who, const char *digest);

/* The hoy-fetch of `who` is gone: what it has got is there, what it has not is lost to the others. */
void hoy_downloads_stop(struct hoy_images *images, struct hoy_downloader *who);
/* After that, when `who` goes too. */
void hoy_downloads_leave(struct hoy_images *images, struct hoy_downloader *who);

/* For reading, while it is written. */
int hoy_download_open(struct hoy_images *images, const char *digest, struct hoy_err *err);
/* Gives it a second name. -ENOENT: it is not there (any more). */
int hoy_download_link(struct hoy_images *images, const char *digest, int dir, const char *name, struct hoy_err *err);
/* It is stored, or no good: its name goes, unless somebody writes it now. */
void hoy_download_forget(struct hoy_images *images, const char *digest);

/* Does the file belong to something: is it written now, or might somebody still go on with it? */
bool hoy_download_is_known(struct hoy_images *images, const char *name);
/* What nobody has gone on with for a day goes (`all`: what nobody writes now). The bytes that are free by that. */
int64_t hoy_downloads_sweep(struct hoy_images *images, bool all);

#endif
