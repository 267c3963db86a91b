/* What a container has said before somebody attached (attach with logs=1): written to the raw connection. */
#ifndef HOY_API_EARLIER_H
#define HOY_API_EARLIER_H

#include <stddef.h>

#include "base/err.h"

struct hoy_api_earlier;
struct hoy_container_attach;
struct hoy_containers;
struct hoy_loop;

/* All was written: `fd` is the receiver's. -ECANCELED: the client left. */
typedef void (*hoy_api_earlier_done)(void *userdata, int fd, const void *extra, size_t extra_len);

/* Opens the log, for the streams of `how`. HOY_ERR_UNSUPPORTED: it can't be read. */
int hoy_api_earlier_new(struct hoy_loop *loop, struct hoy_containers *containers, const char *ref,
	const struct hoy_container_attach *how, struct hoy_api_earlier **ret, struct hoy_err *err);
/* Takes `fd` over (non-blocking), and itself: it is gone when `done` was called, maybe from inside. */
void hoy_api_earlier_write(struct hoy_api_earlier *earlier, int fd, const void *extra, size_t extra_len,
	hoy_api_earlier_done done, void *userdata);
void hoy_api_earlier_free(struct hoy_api_earlier *earlier);

#endif
