/* An arena: blocks that double up to 1 MiB; what is larger gets a block of its own. */
#include "supervisor/compose/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hoy_arena_block {
	struct hoy_arena_block *next;
	size_t size, used;
	max_align_t data[];
};

static struct hoy_arena_block *add_block(struct hoy_arena *arena, size_t size)
{
	size_t room = arena->blocks ? arena->blocks->size * 2 : 16 << 10;
	struct hoy_arena_block *block;

	if (room > (size_t) 1 << 20)
		room = (size_t) 1 << 20;
	if (room < size)
		room = size;
	block = calloc(1, sizeof *block + room);
	if (!block)
		return NULL;
	block->size = room;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *hoy_arena_alloc(struct hoy_arena *arena, size_t size)
{
	const size_t align = sizeof(max_align_t);
	size_t cap = arena->cap ? arena->cap : HOY_ARENA_DEFAULT_CAP;
	struct hoy_arena_block *block = arena->blocks;
	void *memory;

	if (size > cap - align)
		return NULL;
	size = (size + align - 1) / align * align;
	if (!size)
		size = align;
	if (arena->used > cap - size)
		return NULL;
	if (!block || block->size - block->used < size) {
		block = add_block(arena, size);
		if (!block)
			return NULL;
	}
	memory = (char *) block->data + block->used;
	block->used += size;
	arena->used += size;
	return memory;
}

char *hoy_arena_strndup(struct hoy_arena *arena, const char *str, size_t len)
{
	char *copy = hoy_arena_alloc(arena, len + 1);

	if (copy)
		memcpy(copy, str, len);
	return copy;
}

char *hoy_arena_strdup(struct hoy_arena *arena, const char *str)
{
	return hoy_arena_strndup(arena, str, strlen(str));
}

char *hoy_arena_printf(struct hoy_arena *arena, const char *fmt, ...)
{
	va_list args;
	char *copy = NULL;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return NULL;
	copy = hoy_arena_alloc(arena, (size_t) len + 1);
	if (!copy)
		return NULL;
	va_start(args, fmt);
	(void) vsnprintf(copy, (size_t) len + 1, fmt, args);
	va_end(args);
	return copy;
}

void hoy_arena_done(struct hoy_arena *arena)
{
	while (arena->blocks) {
		struct hoy_arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->used = 0;
}
