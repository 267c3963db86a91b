/*
 * What hoy-net keeps: bridges, endpoints, the sockets of their published ports; and the one place where these meet
 * links, ruleset and firewall. A change is whole: what fails is undone before it returns.
 */
#ifndef HOY_WORKER_NET_STATE_H
#define HOY_WORKER_NET_STATE_H

#include "supervisor/worker/net/proto.h"

struct hoy_loop;
struct hoy_state;

/* `host_socket` (borrowed): of the hoy-host that binds ports of the host, when that is not in our network namespace; or
 * NULL. Opens netlink sockets and the nftables context: after this nothing more is opened but sockets, /proc/sys/net. */
int hoy_state_new(struct hoy_loop *loop, const char *host_socket, struct hoy_state **ret, struct hoy_err *err);
void hoy_state_free(struct hoy_state *state); /* closes; the kernel's state stays */
HOY_DEFINE_AUTO_PTR(struct hoy_state, hoy_state_free);

/* The name of our table; a table under an earlier name goes. */
int hoy_state_set_table(struct hoy_state *state, const char *table, struct hoy_err *err);

int hoy_state_bridge(struct hoy_state *state, const struct hoy_net_bridge *bridge, struct hoy_err *err);
/* With its rules. */
int hoy_state_remove_bridge(struct hoy_state *state, const char *name, struct hoy_err *err);

/* The containers on other hosts that a network between hosts has become these. */
int hoy_state_remotes(
	struct hoy_state *state, const char *name, const struct hoy_net_remote *remotes, size_t n, struct hoy_err *err);

/* Fills in the host ports found. ret_reason and ret_failed_port say more about a port that could not be had. */
int hoy_state_attach(struct hoy_state *state, struct hoy_net_attach *attach, int netns, uint32_t *ret_reason,
	uint32_t *ret_failed_port, struct hoy_err *err);
/* With `at_once` its interface (`ifname` in the namespace `netns`) is gone when this returns, else it may linger. */
void hoy_state_detach(
	struct hoy_state *state, const uint8_t id[HOY_NET_ID_LEN], bool at_once, int netns, const char *ifname);

/* The names that a restricted endpoint may send to (HOY_NET_NAMES_MAX bytes, terminated). */
int hoy_state_allow_names(
	struct hoy_state *state, const uint8_t id[HOY_NET_ID_LEN], const char *text, struct hoy_err *err);
/* What hoy-dns says of a name; rules are in force when this returns. -ENOENT: no such endpoint; -EPERM: it may not. */
int hoy_state_grant(struct hoy_state *state, const struct hoy_net_grant *grant, struct hoy_err *err);

/* The sockets of a container's name server, in its namespace (HOY_DNS_N_SOCKETS, the caller's), and the rules that lead
 * to them. A second time: new ones, and the rules lead to these. */
int hoy_state_nameserver(struct hoy_state *state, int netns, int *ret_sockets, struct hoy_err *err);

/* Between the two no rule changes; at the end the table is replaced as a whole, stale things go. */
void hoy_state_sync_begin(struct hoy_state *state);
int hoy_state_sync_end(struct hoy_state *state, struct hoy_err *err);

/* Endpoints whose container is gone are forgotten (hoyd is away and can't tell). Returns how many are left. */
size_t hoy_state_prune(struct hoy_state *state);
/* Bridges of ours, endpoints, table: all gone. */
int hoy_state_remove_all(struct hoy_state *state, struct hoy_err *err);

/* A foreign table drops forwarded packets: its name; else NULL. */
const char *hoy_state_foreign_drop(struct hoy_state *state);

#endif
