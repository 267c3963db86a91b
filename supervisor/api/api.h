/*
 * The Docker Engine API on unix sockets: decodes requests, makes one call into an engine room, encodes the answer.
 * No engine logic lives here. docs/api.md tells the flow and the conventions.
 */
#ifndef HOY_API_API_H
#define HOY_API_API_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_api;
struct hoy_builds;
struct hoy_containers;
struct hoy_images;
struct hoy_loop;
struct hoy_networks;
struct hoy_oci_kv;
struct hoy_secrets;
struct hoy_store;
struct hoy_volumes;

struct hoy_api_options {
	struct hoy_loop *loop;
	struct hoy_store *store; /* answers wait for its commits */
	struct hoy_builds *builds;
	struct hoy_containers *containers;
	struct hoy_images *images;
	struct hoy_networks *networks;
	struct hoy_secrets *secrets;
	struct hoy_volumes *volumes;
	const char *data_root;
	const char *host_id;         /* UUID of this installation, `info`'s ID */
	const char *default_runtime; /* its name */
	char *const *runtimes;       /* "name=path" of all, NULL-terminated */
	char *const *labels;         /* "key=value" of the daemon; NULL: none */
	bool rootless;               /* hoyd is an ordinary user's */
	bool debug;
	bool experimental; /* what clients are told; nothing depends on it here */
	bool ip_forward;   /* net.ipv4.ip_forward was on when hoyd started */
};

/* Strings and vectors of `options` are borrowed and outlive the API. */
int hoy_api_new(struct hoy_api **ret, const struct hoy_api_options *options, struct hoy_err *err);
void hoy_api_free(struct hoy_api *api);
HOY_DEFINE_AUTO_PTR(struct hoy_api, hoy_api_free);

/* Serves a listening unix socket; owns `fd` from now on, also on failure. */
int hoy_api_listen(struct hoy_api *api, int fd, struct hoy_err *err);
/* The same, for Prometheus alone: GET /metrics and nothing else. */
int hoy_api_listen_metrics(struct hoy_api *api, int fd, struct hoy_err *err);
/* Sockets on which a policy says what may be asked (scope_policy.h): `texts` are theirs, NULL: none. Those that were
 * there and are not named are closed, those that stay get their new policy. `open` makes the listening socket, `close`
 * removes its file. On failure some may not be served. */
struct hoy_scope_policy;
struct hoy_scope_sockets {
	int (*open)(void *userdata, const struct hoy_scope_policy *policy, struct hoy_err *err);
	void (*close)(void *userdata, const char *path);
	void *userdata;
};
int hoy_api_set_scopes(
	struct hoy_api *api, char *const *texts, const struct hoy_scope_sockets *sockets, struct hoy_err *err);
/* First half of the end: no new clients, streams are ended, the rooms are not called any more. Requests that wait for
 * a room still get its answer. Then close the rooms, then hoy_api_free(). */
void hoy_api_stop(struct hoy_api *api);

void hoy_api_set_debug(struct hoy_api *api, bool debug);
void hoy_api_set_labels(struct hoy_api *api, char *const *labels);

/* An event of the images room, or of the daemon itself ("reload"). */
void hoy_api_image_event(struct hoy_api *api, const char *action, const char *image_id, const char *name);
/* Of the volumes room; `attributes` are "k=v". */
void hoy_api_volume_event(struct hoy_api *api, const char *action, const char *name, char *const *attributes);
void hoy_api_daemon_event(struct hoy_api *api, const char *action);

#endif
