/* Running the OCI runtime (hoyrun, or any with runc's command line) without waiting for it. */
#ifndef HOY_SHIM_RUNTIME_H
#define HOY_SHIM_RUNTIME_H

#include <sys/types.h>

#include "base/err.h"

struct hoy_reaper;
struct hoy_shim_options;

/* How to call the runtime for the containers of one bundle. */
struct hoy_runtime {
	char *binary; /* path or name */
	char *root;   /* --root, with the namespace */
	char *bundle;
	bool systemd_cgroup;
};
int hoy_runtime_init(struct hoy_runtime *runtime, const struct hoy_shim_options *options, const char *namespace_,
	const char *bundle, struct hoy_err *err);
void hoy_runtime_done(struct hoy_runtime *runtime);

/* The arguments up to and including `verb`: heap vector to add more to. */
int hoy_runtime_argv(const struct hoy_runtime *runtime, const char *verb, char ***ret, struct hoy_err *err);

/* `err` is NULL when the runtime succeeded, else the last error it logged. */
typedef void (*hoy_runtime_exit)(void *userdata, const struct hoy_err *err);
struct hoy_runtime_run;

/* Starts it; `fds` are its three standard descriptors (NULL: all /dev/null). `exit` runs once, from the loop; freeing
 * the run first lets the runtime finish unheard. */
int hoy_runtime_start(const struct hoy_runtime *runtime, struct hoy_reaper *reaper, char *const *argv, const int *fds,
	hoy_runtime_exit exit, void *userdata, struct hoy_runtime_run **ret, struct hoy_err *err);
void hoy_runtime_run_free(struct hoy_runtime_run *run);

/* Position in the runtime's log, and the last error behind a position. False: none. */
off_t hoy_runtime_log_size(const struct hoy_runtime *runtime);
bool hoy_runtime_last_error(const struct hoy_runtime *runtime, off_t from, char *ret, size_t size);

#endif
