/* Lines of "INSIDE OUTSIDE COUNT"; the kernel sorts them. */
#include "base/ids.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

uint32_t hoy_ids_mapped(const char *map)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	unsigned long next = 0;
	char *at;

	hoy_buf_init(&text, 64 << 10);
	if (hoy_file_read(AT_FDCWD, map, &text, NULL) < 0 || !text.data)
		return UINT32_MAX;
	for (at = text.data; *at;) {
		unsigned long inside = strtoul(at, &at, 10), count;

		(void) strtoul(at, &at, 10);
		count = strtoul(at, &at, 10);
		if (count == 0 || inside > next)
			break;
		if (inside + count > next)
			next = inside + count;
		at += strspn(at, " \n");
	}
	return next > UINT32_MAX ? UINT32_MAX : (uint32_t) next;
}

int hoy_ids_are_few(void)
{
	return hoy_ids_mapped("/proc/self/uid_map") < UINT32_MAX;
}
