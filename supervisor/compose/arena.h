/* Memory of one project: given out piece by piece, zeroed, freed all at once. */
#ifndef HOY_COMPOSE_ARENA_H
#define HOY_COMPOSE_ARENA_H

#include <stddef.h>

#include "base/err.h"

struct hoy_arena {
	struct hoy_arena_block *blocks; /* newest first; owned */
	size_t used;                    /* bytes given out */
	size_t cap;                     /* most bytes it may give out; 0: HOY_ARENA_DEFAULT_CAP */
};
#define HOY_ARENA_DEFAULT_CAP ((size_t) 512 << 20)

/* Zeroed memory, aligned for anything. NULL when out of memory or past the cap. */
void *hoy_arena_alloc(struct hoy_arena *arena, size_t size);
/* Copies; NULL when out of memory. */
char *hoy_arena_strdup(struct hoy_arena *arena, const char *str);
char *hoy_arena_strndup(struct hoy_arena *arena, const char *str, size_t len);
char *hoy_arena_printf(struct hoy_arena *arena, const char *fmt, ...) HOY_PRINTF(2, 3);
void hoy_arena_done(struct hoy_arena *arena);

#endif
