/* Blocks of growing size; an allocation larger than a block gets one of its own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct hoy_arena_block {
	struct hoy_arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) char data[];
};

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

void hoy_arena_done(struct hoy_arena *arena)
{
	for (struct hoy_arena_block *block = arena->blocks, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	arena->blocks = NULL;
	arena->used = 0;
}

static struct hoy_arena_block *add_block(struct hoy_arena *arena, size_t size)
{
	size_t wanted = arena->blocks ? MIN(2 * arena->blocks->size, (size_t) LARGEST_BLOCK) : (size_t) FIRST_BLOCK;
	struct hoy_arena_block *block;

	wanted = MAX(wanted, size);
	block = calloc(1, sizeof *block + wanted);
	if (!block)
		return NULL;
	block->size = wanted;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *hoy_arena_alloc(struct hoy_arena *arena, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct hoy_arena_block *block = arena->blocks;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) / align * align;
	if (arena->cap > 0 && (size > arena->cap || arena->used > arena->cap - size))
		return NULL;
	if (!block || block->size - block->used < size)
		block = add_block(arena, size);
	if (!block)
		return NULL;
	p = block->data + block->used;
	block->used += size;
	arena->used += size;
	return p;
}

void *hoy_arena_grow(struct hoy_arena *arena, const void *old, size_t old_n, size_t n, size_t size)
{
	void *p;

	if (size > 0 && n > SIZE_MAX / size)
		return NULL;
	p = hoy_arena_alloc(arena, n * size);
	if (p && old_n > 0)
		memcpy(p, old, old_n * size);
	return p;
}

char *hoy_arena_strndup(struct hoy_arena *arena, const char *text, size_t len)
{
	char *copy = len < SIZE_MAX ? hoy_arena_alloc(arena, len + 1) : NULL;

	if (copy && len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *hoy_arena_strdup(struct hoy_arena *arena, const char *text)
{
	return hoy_arena_strndup(arena, text, strlen(text));
}

char *hoy_arena_printf(struct hoy_arena *arena, const char *fmt, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	text = len < 0 ? NULL : hoy_arena_alloc(arena, (size_t) len + 1);
	if (!text)
		return NULL;
	va_start(args, fmt);
	(void) vsnprintf(text, (size_t) len + 1, fmt, args);
	va_end(args);
	return text;
}
