/* The ids of our user namespace. */
#ifndef HOY_BASE_IDS_H
#define HOY_BASE_IDS_H

#include <stdint.h>

/* How many are mapped from 0 on without a gap: of users ("/proc/self/uid_map") or groups ("/proc/self/gid_map"). All are
 * UINT32_MAX, which is also the answer when the file can't be read. */
uint32_t hoy_ids_mapped(const char *map);

/* Is this not the host's first user namespace? */
int hoy_ids_are_few(void);

#endif
