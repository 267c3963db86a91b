/* Detach keys: a sequence typed into an attached terminal that ends the attachment, not the container. */
#ifndef HOY_BASE_DETACH_KEYS_H
#define HOY_BASE_DETACH_KEYS_H

#include "base/buf.h"

#define HOY_DETACH_KEYS_MAX 16

struct hoy_detach_keys {
	unsigned char keys[HOY_DETACH_KEYS_MAX];
	size_t n;
	size_t matched; /* how many of them the last input ended with */
};

/* "ctrl-p,ctrl-q", "a,ctrl-@": single characters or ctrl-X (X: a-z @ [ \ ] ^ _), separated by commas. */
int hoy_detach_keys_parse(const char *text, struct hoy_detach_keys *ret, struct hoy_err *err);

/* Puts into `out` the input that goes on to the container; keys that may begin the sequence are held until it is
 * decided. True: the sequence is complete, what follows it is dropped. */
bool hoy_detach_keys_filter(struct hoy_detach_keys *keys, const char *data, size_t len, struct hoy_buf *out);

#endif
