/* The one user of libnftables: runs a text as one transaction in a context that lives as long as the process. */
#ifndef HOY_WORKER_NET_FIREWALL_H
#define HOY_WORKER_NET_FIREWALL_H

#include "base/buf.h"
#include "base/err.h"

struct hoy_firewall;

/* Reads its tables of names under /etc here, once: later calls open no files. */
int hoy_firewall_new(struct hoy_firewall **ret, struct hoy_err *err);
void hoy_firewall_free(struct hoy_firewall *firewall);
HOY_DEFINE_AUTO_PTR(struct hoy_firewall, hoy_firewall_free);

/* Runs `text` (of a whole buffer: checks it); an empty one is fine. The error carries nft's first line. */
int hoy_firewall_run(struct hoy_firewall *firewall, const struct hoy_buf *text, struct hoy_err *err);

/* What a listing command printed; valid until the next call. NULL when it failed. */
const char *hoy_firewall_list(struct hoy_firewall *firewall, const char *command);

#endif
