/* The allocator of the static program (alloc.c); as malloc, calloc, realloc and free are. */
#ifndef HOY_RUNTIME_ALLOC_H
#define HOY_RUNTIME_ALLOC_H

#include <stddef.h>

void *hoy_alloc(size_t size);
void *hoy_alloc_zeroed(size_t n, size_t size);
void *hoy_alloc_resize(void *p, size_t size);
void hoy_alloc_free(void *p);

#endif
