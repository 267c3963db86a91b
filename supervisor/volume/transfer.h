/* Contents of whole volumes: out as a tar, in as a new volume, copied to another. A hoy-files does the work. */
#ifndef HOY_VOLUME_TRANSFER_H
#define HOY_VOLUME_TRANSFER_H

#include "supervisor/volume/volume.h"

struct hoy_volume_transfer;

/* `begun` (may be NULL) is called when content begins to flow; `done` once, from the loop, with the transfer gone. */
struct hoy_volume_handler {
	void (*begun)(void *userdata);
	void (*done)(void *userdata, const struct hoy_err *err);
	void *userdata;
};

/* A tar of the content into `fd` (taken over, also on failure); gaps of sparse files stay gaps. */
int hoy_volume_export(struct hoy_volumes *volumes, const char *name, int fd, const struct hoy_volume_handler *handler,
	struct hoy_volume_transfer **ret, struct hoy_err *err);
/* The tar from `fd` (taken over) becomes the content of a volume that is new, or empty and unused. All of it or
 * nothing: it is unpacked beside and moved into its place. HOY_ERR_CONFLICT: there is something in it. */
int hoy_volume_import(struct hoy_volumes *volumes, const struct hoy_volume_create *create, int fd,
	const struct hoy_volume_handler *handler, struct hoy_volume_transfer **ret, struct hoy_err *err);
/* The same with a copy of what is in the volume `from`. */
int hoy_volume_clone(struct hoy_volumes *volumes, const char *from, const struct hoy_volume_create *create,
	const struct hoy_volume_handler *handler, struct hoy_volume_transfer **ret, struct hoy_err *err);
/* Nobody waits for it any more: it ends, `done` is not called. */
void hoy_volume_transfer_cancel(struct hoy_volume_transfer *transfer);

#endif
