/* What "git ls-remote" lists. */
#ifndef HOY_SUPERVISOR_WORKER_GIT_REFS_H
#define HOY_SUPERVISOR_WORKER_GIT_REFS_H

#include <stdbool.h>

#include "supervisor/worker/git/protocol.h"

/* All 40 (or 64) digits of one. */
bool hoy_git_is_commit(const char *text);

/*
 * Which of the lines "COMMIT\tNAME" of `list` the user's `ref` means: a whole name, a branch, a tag (of an annotated
 * one what it stands for), "" is HEAD. *ret_name is heap. -ENOENT: none.
 */
int hoy_git_find_ref(const char *list, const char *ref, char ret_commit[HOY_GIT_COMMIT_MAX], char **ret_name);

#endif
