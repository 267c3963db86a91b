/* certs.d/HOST/hosts.toml: mirrors of a registry, in the form containerd reads (a subset of TOML). */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_HOSTS_FILE_H
#define HOY_SUPERVISOR_WORKER_FETCH_HOSTS_FILE_H

#include "supervisor/worker/fetch/registry.h"

/*
 * Adds the mirrors that ROOT/HOST/hosts.toml names, those that may serve the request's operation; `server` becomes
 * `upstream`'s URL. No file: nothing. Certificates are read, relative names from beside the file. What the file says
 * and we don't know is an error with its line.
 */
int hoy_hosts_file_read(
	struct hoy_registry *registry, const char *root, struct hoy_registry_host *upstream, struct hoy_err *err);

/* The text alone; for that and for tests. `dir` is where relative names begin. */
int hoy_hosts_file_parse(struct hoy_registry *registry, const char *dir, const char *text,
	struct hoy_registry_host *upstream, struct hoy_err *err);

#endif
