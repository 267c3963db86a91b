/*
 * Links. On the default bridge (HostConfig.Links) a link is a name in the container's hosts file and a set of
 * variables that tell the other's address, ports and environment; the other has to run at the start. On a user's
 * network (EndpointsConfig.Links) it is a name of this container's own for another one on that network, in the hosts
 * file while that one is up.
 */
#ifndef HOY_CONTAINER_LINKS_H
#define HOY_CONTAINER_LINKS_H

#include "base/err.h"

struct hoy_buf;
struct hoy_container;
struct hoy_container_endpoint;
struct hoy_container_host_config;

/* "name[:alias]", a leading '/' of either dropped. Both are heap. */
int hoy_link_split(const char *text, char **ret_name, char **ret_alias, struct hoy_err *err);
/* Do they read, and does the network mode have any? */
int hoy_container_links_check(const struct hoy_container_host_config *host, struct hoy_err *err);

/* At create: names of HostConfig.Links become IDs, "ID:alias". HOY_ERR_INVALID: no such container. */
int hoy_container_links_resolve(struct hoy_container *c, struct hoy_err *err);
/* The variables for a process; with `strict` an error when a linked container does not run. NULL: none. */
int hoy_container_links_env(const struct hoy_container *c, bool strict, char ***ret, struct hoy_err *err);
/* Lines of the hosts file. */
void hoy_container_links_hosts(const struct hoy_container *c, struct hoy_buf *text);
/* `c` has other addresses now: those that are linked to it learn of it. */
void hoy_container_links_refresh(const struct hoy_container *c);

/* Keeps (or forgets: NULL) the links of an endpoint that came after create. */
int hoy_container_links_keep(struct hoy_container *c, const char *network, char *const *links, struct hoy_err *err);

#endif
