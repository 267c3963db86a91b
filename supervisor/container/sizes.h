/* How much of the disk containers take. */
#ifndef HOY_CONTAINER_SIZES_H
#define HOY_CONTAINER_SIZES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_containers;

struct hoy_container_size {
	char id[65];
	int64_t rw;      /* bytes of its own layer; -1: unknown */
	int64_t root_fs; /* with the image's layers */
};
typedef void (*hoy_container_sized)(
	void *userdata, const struct hoy_err *err, const struct hoy_container_size *sizes, size_t n);

/* Of containers by their IDs (`ids` NULL-terminated), in that order; one that is gone meanwhile has an `rw` of -1. A
 * hoy-files process reads the directories; `done` is called once, never from inside. */
int hoy_container_sizes(struct hoy_containers *containers, char *const *ids, hoy_container_sized done, void *userdata,
	struct hoy_err *err);

#endif
