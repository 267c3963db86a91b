/* A rtnetlink socket: requests with their acknowledgement, dumps. Knows nothing of what the messages mean. */
#ifndef HOY_RUNTIME_NETLINK_H
#define HOY_RUNTIME_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* A socket of the network namespace that the caller is in. The fd or -errno. */
int hoy_netlink_open(struct hoy_err *err);

/* A request: header and the fixed part of its type, then attributes. Failures of memory are found by the exchange. */
void hoy_netlink_begin(struct hoy_buf *msg, uint16_t type, uint16_t flags, const void *fixed, size_t fixed_len);
void hoy_netlink_add(struct hoy_buf *msg, uint16_t attr, const void *data, size_t len);
void hoy_netlink_add_string(struct hoy_buf *msg, uint16_t attr, const char *text);

/* Called for each message of the answer; a result below 0 ends the exchange with it. */
typedef int hoy_netlink_handler(const struct nlmsghdr *msg, void *userdata);

/* Sends the request and reads until its acknowledgement or the end of its dump. `handler` may be NULL. 0, or the
 * -errno of the kernel, with what it says about it. */
int hoy_netlink_exchange(
	int sock, struct hoy_buf *msg, hoy_netlink_handler *handler, void *userdata, struct hoy_err *err);

/* The attribute of that type behind the fixed part of `msg`, or NULL. */
const struct rtattr *hoy_netlink_find(const struct nlmsghdr *msg, size_t fixed_len, uint16_t attr);

#endif
