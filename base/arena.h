/*
 * Many small allocations that live and end together: one owner, one hoy_arena_done(). Nothing in an arena is freed
 * on its own.
 */
#ifndef HOY_BASE_ARENA_H
#define HOY_BASE_ARENA_H

#include <stddef.h>

#include "base/defs.h"

struct hoy_arena {
	struct hoy_arena_block *blocks; /* newest first; NULL: nothing allocated yet */
	size_t used;                    /* bytes given out, all blocks together */
	size_t cap;                     /* most bytes it gives out; 0: no limit */
};

void hoy_arena_done(struct hoy_arena *arena);

/* Zeroed memory, aligned for any type. NULL when out of memory or beyond the cap. */
void *hoy_arena_alloc(struct hoy_arena *arena, size_t size);
/* `n` elements in place of the `old_n` at `old` (which stays as it is); the new ones are zero. NULL as above. */
void *hoy_arena_grow(struct hoy_arena *arena, const void *old, size_t old_n, size_t n, size_t size);
char *hoy_arena_strndup(struct hoy_arena *arena, const char *text, size_t len);
char *hoy_arena_strdup(struct hoy_arena *arena, const char *text);
char *hoy_arena_printf(struct hoy_arena *arena, const char *fmt, ...) HOY_PRINTF(2, 3);

#endif
