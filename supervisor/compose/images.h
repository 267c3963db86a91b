/* The images that services run: looked up, pulled, built, removed. */
#ifndef HOY_COMPOSE_IMAGES_H
#define HOY_COMPOSE_IMAGES_H

#include <time.h>

#include "supervisor/compose/app.h"

struct hoy_compose_service;

struct hoy_compose_image_options {
	const char *
		pull; /* of the command line: "always", "missing", "never", "build", "policy"; NULL: as the file says */
	bool build, no_build, quiet_pull, quiet_build;
};

/* An image of the project: what it is called and its id now. */
struct hoy_compose_image {
	const struct hoy_compose_service *service;
	char *name, *id;        /* id NULL: not there */
	struct timespec tagged; /* when the name was last given to it: pulled, built, tagged */
};
struct hoy_compose_images {
	struct hoy_compose_image *all; /* one for each service */
	size_t n;
};
void hoy_compose_images_done(struct hoy_compose_images *images);
const struct hoy_compose_image *hoy_compose_images_find(
	const struct hoy_compose_images *images, const struct hoy_compose_service *service);

/* The name of the service's image: `image`, or the one that building gives it. Heap. */
char *hoy_compose_image_name(const struct hoy_compose *app, const struct hoy_compose_service *service);

/* Looks for the image of each service at once, then pulls and builds what is missing or wanted anew. */
int hoy_compose_images_resolve(struct hoy_compose *app, const struct hoy_compose_image_options *options,
	struct hoy_compose_images *ret, struct hoy_err *err);

int hoy_compose_pull_image(struct hoy_compose *app, const struct hoy_compose_service *service, const char *name,
	bool quiet, struct hoy_err *err);

/* Builds the service's image by the command line's own `build`. `extra`: words for it; may be NULL. */
int hoy_compose_build_image(
	struct hoy_compose *app, const struct hoy_compose_service *service, char *const *extra, struct hoy_err *err);

/* down --rmi: those of services without a name of their own (`local`), or all. */
int hoy_compose_remove_images(struct hoy_compose *app, bool local, struct hoy_err *err);

#endif
