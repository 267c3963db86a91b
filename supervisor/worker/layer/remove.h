/* Removes trees of any depth with a fixed number of descriptors. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_REMOVE_H
#define HOY_SUPERVISOR_WORKER_LAYER_REMOVE_H

#include "base/err.h"

/* Empties the directory `root`. */
int hoy_layer_remove_all(int root, struct hoy_err *err);

#endif
