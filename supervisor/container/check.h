/* Do the containers' rows and their files fit each other? */
#ifndef HOY_CONTAINER_CHECK_H
#define HOY_CONTAINER_CHECK_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_containers;

/* Told of each problem: `what` is a literal, `name` a container's ID or a file's name. */
typedef void (*hoy_container_problem)(const char *what, const char *name, bool repaired, void *userdata);

/* `repair`: directories that belong to no container go to the trash. */
int hoy_containers_check(struct hoy_containers *containers, bool repair, hoy_container_problem tell, void *userdata,
	struct hoy_err *err);

#endif
