/* What the prune commands share: the question, the request, the list of what went. */
#ifndef HOY_CLI_PRUNE_H
#define HOY_CLI_PRUNE_H

#include "supervisor/cli/cli.h"

struct hoy_prune_kind {
	const char *path;  /* of the request */
	const char *title; /* "Deleted Volumes:" */
	const char *list;  /* the answer's member */
};
extern const struct hoy_prune_kind hoy_prune_containers, hoy_prune_networks, hoy_prune_volumes, hoy_prune_images,
	hoy_prune_build_cache;

/* Prints the warning and asks; true for y. */
bool hoy_prune_confirm(const char *warning);
/* "WHAT has been cancelled"; the exit status. */
int hoy_prune_cancelled(const struct hoy_cli *cli, const char *what);
/* Prunes, prints what went, adds the bytes to *bytes. */
int hoy_prune_one(struct hoy_cli *cli, const struct hoy_prune_kind *kind, char *const *filter, int64_t *bytes,
	struct hoy_err *err);
void hoy_prune_print_total(int64_t bytes);

#endif
