/* "did you mean": the nearest of several words. */
#ifndef HOY_SUPERVISOR_BUILD_SUGGEST_H
#define HOY_SUPERVISOR_BUILD_SUGGEST_H

#include <stddef.h>

/* The candidate with the fewest edits to `word`, any case; NULL when none is near. NULL candidates are skipped. */
const char *hoy_suggest(const char *word, const char *const *candidates, size_t n);

#endif
