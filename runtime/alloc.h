/* The allocator of the static program (alloc.c); as malloc, calloc, realloc and free are. */
#ifndef HOY_RUNTIME_ALLOC_H
#define HOY_RUNTIME_ALLOC_H

#include <stddef.h>

void *hoy_alloc(size_t size);
void *hoy_alloc_zeroed(size_t n, size_t size);
void *hoy_alloc_resize(void *p, size_t size);
void hoy_alloc_free(void *p);

/* On both sides of a fork whose child will soon be another program: from now on only memory that nobody has used is
 * handed out, and nothing taken back, so that few of the pages both have are written to, and copied. */
void hoy_alloc_forked(void);

#endif
