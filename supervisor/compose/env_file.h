/* Dotenv files, as `.env`, `--env-file` and a service's `env_file`. */
#ifndef HOY_COMPOSE_ENV_FILE_H
#define HOY_COMPOSE_ENV_FILE_H

#include "base/err.h"

/* Adds the "K=V" entries of `text` to *env; later ones replace. Variables are those of `environment`, then of *env; of one
 * that is in neither *warnings gets a line (NULL: nobody is told).
 * `path` is for messages: "failed to read PATH: line N: ...". */
int hoy_env_file_parse(const char *path, const char *text, char *const *environment, char ***env, char ***warnings,
	struct hoy_err *err);
/* The same from a file. `format` NULL or "": dotenv; "raw": docker's --env-file, nothing is replaced. -ENOENT. */
int hoy_env_file_read(const char *path, const char *format, char *const *environment, char ***env, char ***warnings,
	struct hoy_err *err);

#endif
