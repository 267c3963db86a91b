/* Who calls: root of the machine, or somebody with less. Asked only by the commands that need to know. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cli/command.h"

#define ALL_IDS 4294967295UL
#define FIRST_USER_NS 0xeffffffdUL /* its inode number, on every Linux since 3.8 (USER_NS_INIT_INO) */

bool hoy_globals_rootless(const struct hoy_globals *globals)
{
	auto_fd int fd = -EBADF;
	unsigned long outside = 0, count = ALL_IDS;
	char map[64] = "", *rest;
	struct stat st;

	if (globals->rootless_option >= 0)
		return globals->rootless_option;
	if (getauxval(AT_EUID) != 0)
		return true;
	if (stat("/proc/self/ns/user", &st) == 0 && st.st_ino == FIRST_USER_NS)
		return false;
	/* Root of a user namespace that is not the first has not all ids mapped to themselves. */
	fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, map, sizeof map - 1) > 0) {
		(void) strtoul(map, &rest, 10); /* the first id inside */
		outside = strtoul(rest, &rest, 10);
		count = strtoul(rest, &rest, 10);
	}
	return outside != 0 || count != ALL_IDS;
}
