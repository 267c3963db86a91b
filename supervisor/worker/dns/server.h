/* The conversation with hoyd: what it tells becomes names and resolvers. */
#ifndef HOY_WORKER_DNS_SERVER_H
#define HOY_WORKER_DNS_SERVER_H

#include <sys/types.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_dns_service;

/* `listen_fd` is borrowed; only root and `trusted` may connect. */
int hoy_dns_service_new(
	struct hoy_loop *loop, int listen_fd, uid_t trusted, struct hoy_dns_service **ret, struct hoy_err *err);
void hoy_dns_service_free(struct hoy_dns_service *service);
HOY_DEFINE_AUTO_PTR(struct hoy_dns_service, hoy_dns_service_free);

#endif
