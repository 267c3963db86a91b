/*
 * malloc for the static program. A hoyrun lives for some milliseconds and has one thread; libc's allocator is made for
 * other lives: it is 40 KB, sets itself up with four system calls, and writes to pages that each forked child pays for
 * under its own memory limit.
 *
 * Blocks have one of few sizes: four steps for each power of two. The first come from memory of the program itself,
 * which costs nothing until it is touched, then from mappings. What is freed waits in a list for the next of its size.
 * Blocks of HUGE bytes and more are mappings of their own.
 *
 * Each block is headed by its size and a mark that depends on its address: what was not allocated, or was freed before,
 * or was written beyond its end ends the program instead of being handed out twice.
 */
#include "runtime/alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/defs.h"

#define ALIGN 16
#define FIRST ((size_t) 64 << 10)
#define CHUNK ((size_t) 256 << 10)
#define HUGE ((size_t) 128 << 10)
#define N_CLASSES 64
#define LIVE 0x6c697665u
#define FREE 0x66726565u

struct block {
	uint32_t mark, class;
	size_t size; /* of what follows */
};
#define HEAD sizeof(struct block)
_Static_assert(HEAD == ALIGN, "what follows the head is aligned");
struct free_block {
	struct block head;
	struct free_block *next;
};

static char first[FIRST] __attribute__((aligned(ALIGN)));

/* All that is written to again and again, in one place: one page to copy after a fork. */
static struct {
	char *fresh, *end;
	struct free_block *waiting[N_CLASSES];
	bool started, forked;
} arena;

static uint32_t mark_of(const struct block *b, uint32_t what)
{
	return what ^ (uint32_t) ((uintptr_t) b >> 4);
}

static _Noreturn void stop(void)
{
	static const char text[] = "hoyrun: memory is corrupted\n";

	(void) !write(STDERR_FILENO, text, sizeof text - 1);
	abort();
}

/* 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 ... */
static uint32_t class_of(size_t size, size_t *ret_rounded)
{
	unsigned int shift = 4;

	while (size > (size_t) 8 << shift)
		shift++;
	size = MAX((size + ((size_t) 1 << shift) - 1) >> shift, (size_t) 1);
	*ret_rounded = size << shift;
	return (shift - 4) * 4 + (uint32_t) size - 1;
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t whole_pages(size_t size)
{
	return (HEAD + size + 4095) & ~(size_t) 4095;
}

/* What is left of the last chunk is given up: less than HUGE. */
static bool next_chunk(size_t size)
{
	bool has_first = !arena.started && HEAD + size <= FIRST;

	arena.started = true;
	arena.fresh = has_first ? first : map(CHUNK);
	arena.end = arena.fresh ? arena.fresh + (has_first ? FIRST : CHUNK) : NULL;
	return arena.fresh;
}

static struct block *take_fresh(size_t size)
{
	struct block *b;

	if ((size_t) (arena.end - arena.fresh) < HEAD + size && !next_chunk(size))
		return NULL;
	b = (struct block *) arena.fresh;
	arena.fresh += HEAD + size;
	return b;
}

static struct block *take_waiting(uint32_t class, size_t size)
{
	struct free_block *b = arena.waiting[class];

	if (b->head.mark != mark_of(&b->head, FREE) || b->head.size != size)
		stop();
	arena.waiting[class] = b->next;
	return &b->head;
}

/* *ret_fresh: never used, so zeroes all over. */
static void *allocate(size_t size, bool *ret_fresh)
{
	uint32_t class = N_CLASSES;
	struct block *b;

	*ret_fresh = true;
	if (size >= HUGE) {
		b = size > PTRDIFF_MAX - 8192 ? NULL : map(whole_pages(size));
		size = whole_pages(size) - HEAD;
	} else {
		class = class_of(size, &size);
		*ret_fresh = !arena.waiting[class];
		b = *ret_fresh ? take_fresh(size) : take_waiting(class, size);
	}
	if (!b) {
		errno = ENOMEM;
		return NULL;
	}
	b->mark = mark_of(b, LIVE);
	b->class = class;
	b->size = size;
	return b + 1;
}

static struct block *block_of(void *p)
{
	struct block *b = (struct block *) p - 1;

	if (b->mark != mark_of(b, LIVE))
		stop();
	return b;
}

void *hoy_alloc(size_t size)
{
	bool is_fresh;

	return allocate(size, &is_fresh);
}

void hoy_alloc_free(void *p)
{
	struct block *b;

	if (!p)
		return;
	b = block_of(p);
	if (arena.forked)
		return;
	b->mark = mark_of(b, FREE);
	if (b->class == N_CLASSES) {
		int saved = errno;

		(void) munmap(b, HEAD + b->size);
		errno = saved;
	} else {
		struct free_block *free_block = (struct free_block *) b;

		free_block->next = arena.waiting[b->class];
		arena.waiting[b->class] = free_block;
	}
}

void *hoy_alloc_zeroed(size_t n, size_t size)
{
	bool is_fresh;
	void *p;

	if (__builtin_mul_overflow(n, size, &size)) {
		errno = ENOMEM;
		return NULL;
	}
	p = allocate(size, &is_fresh);
	if (p && !is_fresh)
		memset(p, 0, size);
	return p;
}

/* The last fresh block, which a growing buffer often is, grows where it stands. */
static bool grow_in_place(struct block *b, size_t size)
{
	char *data = (char *) (b + 1);
	size_t rounded;
	uint32_t class;

	if (data + b->size != arena.fresh || size >= HUGE)
		return false;
	class = class_of(size, &rounded);
	if ((size_t) (arena.end - data) < rounded)
		return false;
	arena.fresh = data + rounded;
	b->class = class;
	b->size = rounded;
	return true;
}

void *hoy_alloc_resize(void *p, size_t size)
{
	struct block *b;
	void *q;

	if (!p)
		return hoy_alloc(size);
	b = block_of(p);
	if (size <= b->size || grow_in_place(b, size))
		return p;
	q = hoy_alloc(size);
	if (q) {
		memcpy(q, p, b->size);
		hoy_alloc_free(p);
	}
	return q;
}

void hoy_alloc_forked(void)
{
	memset(arena.waiting, 0, sizeof arena.waiting);
	arena.forked = true;
}
