/*
 * Where hoyrun begins (x86-64, static): before the C library starts, a command that enters a container executes itself
 * from the clone that sealed.h wants. Starting the C library takes longer than all of this, and so happens once. It is
 * a shortcut and nothing else: whatever fails here is left to hoy_sealed_ensure(), which looks again.
 *
 * No C library means no thread-local storage, hence no stack protector and no errno, and no call into libc.
 */
#include <asm/unistd.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "runtime/sealed.h"

#ifndef __NR_open_tree_attr
#define __NR_open_tree_attr 467
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define PAGE 4096L
#define SELF hoyrun_self
#define BARE __attribute__((no_stack_protector, noinline))

void hoyrun_seal(long *stack);
extern const char hoyrun_self[], hoyrun_words[]; /* in the page of the code: one fault less */
extern const char edata[], end[];

/* As the kernel starts us: the stack holds argc, argv, envp; what is in rdx is for _start. */
__asm__(".globl hoyrun_entry\n"
	".type hoyrun_entry, @function\n"
	"hoyrun_entry:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rbx\n"
	"	mov %rdx, %r12\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call hoyrun_seal\n"
	"	mov %rbx, %rsp\n"
	"	mov %r12, %rdx\n"
	"	jmp _start\n"
	"hoyrun_self:	.asciz \"/proc/self/exe\"\n"
	"hoyrun_words:	.asciz \"create\", \"run\", \"exec\", \"\"\n"
	".size hoyrun_entry, .-hoyrun_entry\n");

static inline long call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

BARE static bool is_word(const char *arg, const char *word)
{
	while (*arg && *arg == *word) {
		arg++;
		word++;
	}
	return *arg == *word;
}

BARE static bool starts_with(const char *text, const char *start)
{
	while (*start && *text == *start) {
		text++;
		start++;
	}
	return !*start;
}

/* Any argument will do: one that is no command costs an exec for nothing. NULL: there is none. */
BARE static const char *entering_command(char **argv)
{
	for (; *argv; argv++)
		for (const char *word = hoyrun_words; *word; word++) {
			if (is_word(*argv, word))
				return word;
			while (*word)
				word++;
		}
	return NULL;
}

BARE static long clone_readonly(void)
{
	const long flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	long fd = call(__NR_open_tree_attr, AT_FDCWD, (long) SELF, flags, (long) &attr, sizeof attr);

	if (fd != -ENOSYS)
		return fd;
	fd = call(__NR_open_tree, AT_FDCWD, (long) SELF, flags, 0, 0);
	if (fd >= 0 && call(__NR_mount_setattr, fd, (long) "", AT_EMPTY_PATH, (long) &attr, sizeof attr) < 0)
		return -EPERM; /* the descriptor is close-on-exec, and lost until then */
	return fd;
}

/* Executed by descriptor, as we do it and hardly anybody else: then it pays to look. */
BARE static bool by_descriptor(char **envp)
{
	const unsigned long *aux;

	while (*envp)
		envp++;
	for (aux = (const unsigned long *) (envp + 1); aux[0] != AT_NULL; aux += 2)
		if (aux[0] == AT_EXECFN)
			return starts_with((const char *) aux[1], "/dev/fd/");
	return true;
}

BARE static bool is_readonly(void)
{
	struct statfs fs;

	return call(__NR_statfs, (long) SELF, (long) &fs, 0, 0, 0) == 0 && fs.f_flags & ST_RDONLY;
}

/* What these commands will write to: libc's variables and ours, and the allocator's first memory. One call instead of a
 * dozen page faults. An older kernel does not know it, and takes the faults. */
BARE static void populate(void)
{
	const long from = (long) edata & -PAGE, to = ((long) end + PAGE - 1) & -PAGE;

	(void) call(__NR_madvise, from, to - from, MADV_POPULATE_WRITE, 0, 0);
}

BARE void hoyrun_seal(long *stack)
{
	char **argv = (char **) (stack + 1), **envp = argv + stack[0] + 1;
	const char *command = entering_command(argv);
	long fd;

	if (!command)
		return;
	hoy_sealed_already = by_descriptor(envp) && is_readonly();
	if (hoy_sealed_already) {
		if (*command != 'r') /* `run` waits for its container anyway, and counts its system calls */
			populate();
		return;
	}
	fd = clone_readonly();
	if (fd >= 0)
		(void) call(__NR_execveat, fd, (long) "", (long) argv, (long) envp, AT_EMPTY_PATH);
}
