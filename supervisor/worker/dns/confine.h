/* Gives up everything hoy-dns does not need. */
#ifndef HOY_WORKER_DNS_CONFINE_H
#define HOY_WORKER_DNS_CONFINE_H

#include "base/err.h"

/* As root becomes nobody without capabilities; no new privileges, no core files, as many descriptors as the host lets
 * it have; from here on only sockets, memory and time. */
int hoy_dns_confine(struct hoy_err *err);

#endif
