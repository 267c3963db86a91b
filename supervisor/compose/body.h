/* A service in its canonical form as the body of POST /containers/create. Pure: no engine is asked. */
#ifndef HOY_COMPOSE_BODY_H
#define HOY_COMPOSE_BODY_H

#include "base/buf.h"
#include "base/json.h"
#include "supervisor/compose/project.h"

struct hoy_compose_body {
	const struct hoy_compose_project *project;
	const struct hoy_compose_service *service;
	const char *image;          /* the image's name */
	const char *image_id;       /* NULL: not known */
	const char *hash;           /* config-hash */
	const char *contents;       /* hash of the configs and secrets that are copied in; NULL, "": none are */
	const char *container_name; /* the final one */
	const char *replaces;       /* name of the container it is made in place of; NULL: none */
	const char *slug;           /* of a one-off; NULL: a container of the service */
	const char *depends;        /* value of the label depends_on */
	const char *env_files;      /* --env-file, ',' between; NULL: none */
	long long number;
	const struct hoy_json *kept; /* Mounts of the container it replaces: their anonymous volumes stay; NULL */
	bool aliases;                /* is found by the service's name (not so: one-offs) */
	bool ports;                  /* publishes the service's ports */
	bool standby;                /* not yet: another container has them */
	/* The container that network_mode, pid, ipc and volumes_from "service:NAME" mean: its name. */
	const char *(*container_of)(const char *service, void *userdata);
	void *userdata;
};

int hoy_compose_body_print(const struct hoy_compose_body *body, struct hoy_buf *out, struct hoy_err *err);

/* The networks of the service in the order they are connected: by priority, then name. Owned by the caller, the
 * elements not. NULL when out of memory. */
struct hoy_compose_service_network **hoy_compose_body_networks(const struct hoy_compose_service *service);

/* The endpoint on one network, as an object under `key`: for create and for connect. */
void hoy_compose_body_endpoint(const struct hoy_compose_body *body, const struct hoy_compose_service_network *network,
	struct hoy_json_writer *w, const char *key);

/* What has no counterpart in the API is refused before anything is made: "service "x": ... is not supported". */
int hoy_compose_body_check(const struct hoy_compose_service *service, struct hoy_err *err);

/* Tells on stderr of what the file says and nothing here does. */
void hoy_compose_body_warn(const struct hoy_compose_service *service);

/* Is a config or secret mounted from its file, or must it be copied in (content, environment, uid, gid, mode)? */
bool hoy_compose_mount_is_bind(const struct hoy_compose_mount *mount, const struct hoy_compose_file_object *object);
/* Where it stands in the container. */
char *hoy_compose_mount_target(const struct hoy_compose_mount *mount, bool secret);

/* "db:service_healthy:false,redis:service_started:true". Heap. */
char *hoy_compose_depends_label(const struct hoy_compose_service *service);

#endif
