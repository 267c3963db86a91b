/* What stands in the static program instead of libc's. */
#include <errno.h>
#include <stdlib.h>

#include "runtime/alloc.h"

double __wrap_strtod(const char *str, char **end);
_Noreturn void _Unwind_Resume(void *exception);
int __gcc_personality_v0(void);

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

/*
 * yajl mentions strtod, but never calls it: base/json.c takes numbers as text, and no document that hoyrun reads or
 * writes has a fraction. libc's own would be a twentieth of the program.
 */
double __wrap_strtod(const char *str, char **end)
{
	(void) str;
	(void) end;
	abort();
}

/*
 * libc has clean-ups for threads that are cancelled in the middle of a call; gcc's unwinder would run them, and
 * registers its tables at each start. Here is one thread, and nobody cancels it.
 */
_Noreturn void _Unwind_Resume(void *exception)
{
	(void) exception;
	abort();
}

int __gcc_personality_v0(void)
{
	abort();
}
