/*
 * What musl.h promises, what glibc's start does besides, and the texts of errors where musl's are not those that Linux'
 * users know, search for, and have programs look for. The linker puts ours in strerror()'s place (--wrap), also for
 * printf's %m.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/defs.h"

char *__wrap_strerror(int errnum);
char *__real_strerror(int errnum);
void *__memcpy_chk(void *restrict to, const void *restrict from, size_t n, size_t room);
void *__memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__memset_chk(void *to, int c, size_t n, size_t room);

static const struct {
	int errnum;
	const char *text;
} texts[] = {
	{ EIO, "Input/output error" },
	{ ECHILD, "No child processes" },
	{ ENOMEM, "Cannot allocate memory" },
	{ EBUSY, "Device or resource busy" },
	{ EXDEV, "Invalid cross-device link" },
	{ EMFILE, "Too many open files" },
	{ ENOTTY, "Inappropriate ioctl for device" },
	{ ESPIPE, "Illegal seek" },
	{ ERANGE, "Numerical result out of range" },
	{ EDEADLK, "Resource deadlock avoided" },
	{ ENAMETOOLONG, "File name too long" },
	{ ELOOP, "Too many levels of symbolic links" },
	{ ETIME, "Timer expired" },
	{ EOVERFLOW, "Value too large for defined data type" },
	{ ELIBBAD, "Accessing a corrupted shared library" },
	{ EUSERS, "Too many users" },
	{ ENOTSOCK, "Socket operation on non-socket" },
	{ EMSGSIZE, "Message too long" },
	{ EOPNOTSUPP, "Operation not supported" },
	{ EADDRINUSE, "Address already in use" },
	{ EADDRNOTAVAIL, "Cannot assign requested address" },
	{ ENETUNREACH, "Network is unreachable" },
	{ ENETRESET, "Network dropped connection on reset" },
	{ ECONNABORTED, "Software caused connection abort" },
	{ EISCONN, "Transport endpoint is already connected" },
	{ ENOTCONN, "Transport endpoint is not connected" },
	{ ESHUTDOWN, "Cannot send after transport endpoint shutdown" },
	{ ETOOMANYREFS, "Too many references: cannot splice" },
	{ ETIMEDOUT, "Connection timed out" },
	{ EHOSTUNREACH, "No route to host" },
	{ EINPROGRESS, "Operation now in progress" },
	{ EUCLEAN, "Structure needs cleaning" },
	{ EDQUOT, "Disk quota exceeded" },
};

char *__wrap_strerror(int errnum)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].errnum == errnum)
			return (char *) texts[i].text;
	return __real_strerror(errnum);
}

void *__memcpy_chk(void *restrict to, const void *restrict from, size_t n, size_t room)
{
	if (n > room)
		abort();
	return __builtin_memcpy(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	if (n > room)
		abort();
	return __builtin_memmove(to, from, n);
}

void *__memset_chk(void *to, int c, size_t n, size_t room)
{
	if (n > room)
		abort();
	return __builtin_memset(to, c, n);
}

/* Tables of functions and texts are read-only once we run; musl leaves that to its loader, which static programs lack. */
__attribute__((constructor)) static void protect_constants(void)
{
	const ElfW(Phdr) *header = (const void *) getauxval(AT_PHDR);
	const unsigned long page = getauxval(AT_PAGESZ);

	for (unsigned long n = header ? getauxval(AT_PHNUM) : 0; n > 0; n--, header++)
		if (header->p_type == PT_GNU_RELRO) {
			unsigned long start = header->p_vaddr & -page,
				      end = (header->p_vaddr + header->p_memsz) & -page;

			if (end > start)
				(void) mprotect((void *) start, end - start, PROT_READ);
		}
}
