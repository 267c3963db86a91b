/* The few macros all of Hoy uses: scope cleanup, ownership hand-over, array length. */
#ifndef HOY_BASE_DEFS_H
#define HOY_BASE_DEFS_H

#include <stddef.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define HOY_PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#define HOY_MUST_CHECK __attribute__((warn_unused_result))

/*
 * Scope cleanup. Every owner is initialised at birth:
 *
 *	auto_free char *name = NULL;
 *	auto_(hoy_buf_done) struct hoy_buf buf = {};             in place: done(&buf)
 *	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;     heap: needs HOY_DEFINE_AUTO_PTR beside the type
 */
#define auto_(done) __attribute__((cleanup(done)))
#define auto_free auto_(hoy_cleanup_free)
#define auto_ptr(free_fn) auto_(free_fn##_cleanup)

/* Defines the cleanup helper that auto_ptr(free_fn) refers to. */
#define HOY_DEFINE_AUTO_PTR(type, free_fn)                                                                             \
	static inline void free_fn##_cleanup(type **p)                                                                 \
	{                                                                                                              \
		free_fn(*p);                                                                                           \
	}                                                                                                              \
	struct hoy_semicolon_wanted

/* Hands a pointer over: evaluates to its value and leaves NULL behind, so that scope cleanup skips it. */
#define TAKE_PTR(p)                                                                                                    \
	({                                                                                                             \
		__typeof__(p) *_taken_from = &(p);                                                                     \
		__typeof__(p) _taken = *_taken_from;                                                                   \
		*_taken_from = NULL;                                                                                   \
		_taken;                                                                                                \
	})

#define MIN(a, b)                                                                                                      \
	({                                                                                                             \
		__typeof__(a) _min_a = (a);                                                                            \
		__typeof__(b) _min_b = (b);                                                                            \
		_min_a < _min_b ? _min_a : _min_b;                                                                     \
	})
#define MAX(a, b)                                                                                                      \
	({                                                                                                             \
		__typeof__(a) _max_a = (a);                                                                            \
		__typeof__(b) _max_b = (b);                                                                            \
		_max_a > _max_b ? _max_a : _max_b;                                                                     \
	})

static inline void hoy_cleanup_free(void *p)
{
	free(*(void **) p);
}

#endif
