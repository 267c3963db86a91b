/* Names of tar entries: cleaned, kept inside the root, and told apart from whiteouts. Pure: touches no file. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_NAME_H
#define HOY_SUPERVISOR_WORKER_LAYER_NAME_H

#include <stddef.h>

#include "base/err.h"

enum hoy_layer_name_kind {
	HOY_LAYER_NAME_ENTRY,
	HOY_LAYER_NAME_WHITEOUT, /* base is what it removes */
	HOY_LAYER_NAME_OPAQUE,   /* parent is the directory whose lower content it hides; base is "" */
	HOY_LAYER_NAME_IGNORED,  /* bookkeeping of old engines (".wh..wh.plnk/...") */
};

struct hoy_layer_name {
	enum hoy_layer_name_kind kind;
	char *path;        /* cleaned, relative: "a/b", "" for the root itself; owned */
	size_t parent_len; /* path[0..parent_len) is the parent, 0: the root */
	const char *base;  /* points into path; "" for the root */
};

/*
 * Cleans as path.Clean would: leading slashes, "." and doubled slashes go, "a/../b" folds. HOY_ERR_INVALID when ".."
 * would leave the root, when a whiteout names nothing, and for names of more than 4095 bytes.
 */
int hoy_layer_name_parse(const char *raw, struct hoy_layer_name *ret, struct hoy_err *err);
void hoy_layer_name_done(struct hoy_layer_name *name);

#endif
