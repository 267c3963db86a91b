/*
 * hoyd's side of hoy-dns: which networks and containers it knows, told again whenever it is new. Everything is sent and
 * forgotten; a message that can't be sent now waits.
 */
#ifndef HOY_NETWORK_NAMES_H
#define HOY_NETWORK_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct hoy_loop;
struct hoy_names;

/* From the loop. */
struct hoy_names_owner {
	/* Calls hoy_names_network() for each network of users and hoy_names_container() for each container on them. */
	void (*tell_all)(void *userdata);
	/* hoy-dns has no sockets for this container: others are to be opened and told. */
	void (*need)(void *userdata, const char *container_id);
	bool (*wanted)(void *userdata); /* is any container served? */
	void *userdata;
	int cgroup_fd; /* where hoy-dns is born; 0: with us */
};

int hoy_names_new(struct hoy_loop *loop, const char *exec_root, const struct hoy_names_owner *owner,
	struct hoy_names **ret, struct hoy_err *err);
void hoy_names_free(struct hoy_names *names); /* hoy-dns answers on */

/* Connects, and so tells everything. */
void hoy_names_start(struct hoy_names *names);
/* Ends hoy-dns, if it runs. */
void hoy_names_quit(struct hoy_names *names);

/* Texts as in worker/dns/proto.h. Nothing is sent while there is no connection: the next one is told everything. */
void hoy_names_network(struct hoy_names *names, const char *id, const struct hoy_buf *text);
void hoy_names_network_gone(struct hoy_names *names, const char *id);
/* With `n_fds` 0: the settings of one that is known. Starts hoy-dns if need be. `fds` (HOY_DNS_N_SOCKETS,
 * or HOY_DNS_N_FDS) are taken. */
void hoy_names_container(struct hoy_names *names, const char *id, const struct hoy_buf *text, int *fds, size_t n_fds);
/* The way to hoy-net, by which hoy-dns has names of egress rules granted. Taken. */
void hoy_names_grantor(struct hoy_names *names, int sock);
bool hoy_names_is_connected(const struct hoy_names *names);
void hoy_names_container_gone(struct hoy_names *names, const char *id);

#endif
