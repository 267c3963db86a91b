/* Shared by the files of this room only. */
#ifndef HOY_SECRET_INTERNAL_H
#define HOY_SECRET_INTERNAL_H

#include "supervisor/secret/secret.h"

struct hoy_sealing;

struct hoy_secrets {
	struct hoy_store *store;
	struct hoy_volumes *volumes;
	char *key_path;
	struct hoy_sealing *sealings; /* under way */
};

/* The key file for reading, made when there is none and nothing was sealed yet. A descriptor, or -errno. */
int hoy_secrets_open_key(struct hoy_secrets *room, struct hoy_err *err);
/* A memfd for a content. */
int hoy_secrets_memfd(struct hoy_err *err);

/* secret.c: the row of a content that can be kept. */
int hoy_secret_insert(struct hoy_secrets *room, const struct hoy_secret_create *create, const char *id,
	const struct hoy_buf *content, struct hoy_err *err);

/* seal.c */
void hoy_sealings_cancel(struct hoy_secrets *room);

#endif
