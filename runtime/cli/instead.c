/* What stands in the static program instead of libc's. */
#include <errno.h>
#include <stdlib.h>

#include "runtime/alloc.h"

void *malloc(size_t size)
{
	return hoy_alloc(size);
}

void *calloc(size_t n, size_t size)
{
	return hoy_alloc_zeroed(n, size);
}

void *realloc(void *p, size_t size)
{
	return hoy_alloc_resize(p, size);
}

void free(void *p)
{
	hoy_alloc_free(p);
}

/* Nobody here asks for more than malloc's alignment; a link with libc's would bring back all of its allocator. */
void *aligned_alloc(size_t alignment, size_t size)
{
	(void) alignment;
	(void) size;
	errno = ENOMEM;
	return NULL;
}
