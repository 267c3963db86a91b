/*
 * Making what runs like the file: which containers stay, go, or are made (again), and the start in the order of the
 * dependencies. Everything it needs to know is in the engine, so it can be killed at any point and run again.
 */
#ifndef HOY_COMPOSE_CONVERGE_H
#define HOY_COMPOSE_CONVERGE_H

#include "supervisor/compose/app.h"
#include "supervisor/compose/existing.h"
#include "supervisor/compose/images.h"
#include "supervisor/compose/project.h"

enum hoy_compose_recreate { HOY_COMPOSE_IF_CHANGED, HOY_COMPOSE_ALWAYS, HOY_COMPOSE_NEVER };

struct hoy_compose_converge_options {
	enum hoy_compose_recreate recreate, recreate_dependencies; /* of the services named, of what they need */
	bool renew_volumes;                                        /* anonymous ones are not taken over */
	bool remove_orphans, start, yes;                           /* yes: nothing is asked */
	int64_t timeout;                                           /* of stops; -1: the container's own */
	char *const *scale;                                        /* "SERVICE=N"; NULL: none */
	char *const *services;                                     /* named on the command line; NULL or empty: all */
};

/* What a container of a service is made of: by it changes are seen. */
struct hoy_compose_hashes {
	char config[HOY_COMPOSE_HASH_SIZE];
	char contents[HOY_COMPOSE_HASH_SIZE]; /* of configs and secrets that are copied in; "": none are */
};

/* A container that is to be: one of a service's replicas. */
struct hoy_compose_slot {
	struct hoy_compose *app;
	const struct hoy_compose_converge_options *options;
	const struct hoy_compose_service *service;
	const struct hoy_compose_image *image;
	const struct hoy_compose_hashes *hashes;
	char *name, *id; /* of the container that is now; owned */
	long long number;
	const struct hoy_compose_container *old; /* NULL: none is there */
	bool recreate, started;                  /* started: by us just now */
	bool first, promoted;                    /* first: it starts, then takes the place of `old`; promoted: it has */
	bool restart; /* it runs, and what it depends on with `restart: true` is made again */
};

/* The state of one run. */
struct hoy_compose_plan {
	struct hoy_compose *app;
	const struct hoy_compose_converge_options *options;
	struct hoy_compose_images images;
	struct hoy_compose_existing existing;
	struct hoy_compose_slot *slots;
	size_t n;
	bool *surplus;                     /* for each of app->containers: it goes */
	struct hoy_compose_hashes *hashes; /* for each service of the project */
};

/* Decides; nothing is changed. app->project is selected down to what is wanted. */
int hoy_compose_plan_make(struct hoy_compose *app, const struct hoy_compose_converge_options *options,
	const struct hoy_compose_image_options *images, struct hoy_compose_plan *ret, struct hoy_err *err);
void hoy_compose_plan_done(struct hoy_compose_plan *plan);

/* Removes what is too much and makes what is missing. */
int hoy_compose_plan_create(struct hoy_compose_plan *plan, struct hoy_err *err);
/* Starts what doesn't run, each when its dependencies hold. */
int hoy_compose_plan_start(struct hoy_compose_plan *plan, struct hoy_err *err);

/* Stops and removes the container that the slot's one stands for. */
int hoy_compose_remove_old(struct hoy_compose_slot *slot, struct hoy_err *err);

/* Makes (or makes again) the container of one slot; for `run` too. */
int hoy_compose_create_container(struct hoy_compose_slot *slot, struct hoy_err *err);

/* Connects the networks but the first, and copies configs and secrets in that are no bind mounts. */
int hoy_compose_complete_container(struct hoy_compose *app, const struct hoy_compose_service *service, const char *name,
	const char *id, bool aliases, const struct hoy_json *connected, struct hoy_err *err);

/* The name that a replica gets. Heap. */
char *hoy_compose_name_of(const struct hoy_compose *app, const struct hoy_compose_service *service, long long number);
/* The value of the label for --env-file; NULL: none was given. Heap. */
char *hoy_compose_env_files_label(const struct hoy_compose *app);
/* Fills app->first_names, before threads look them up. */
int hoy_compose_name_services(struct hoy_compose *app, struct hoy_err *err);
/* The name of a service's first container, for hoy_compose_body; NULL: not in the project. `userdata` is the app. */
const char *hoy_compose_container_name_of(const char *service, void *userdata);

#endif
