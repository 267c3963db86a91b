/*
 * Network devices of the host that the container gets: moved, renamed, with their permanent global addresses, up. Until
 * the container is made they can be given back.
 */
#ifndef HOY_RUNTIME_NET_DEVICES_H
#define HOY_RUNTIME_NET_DEVICES_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_oci_linux;

struct hoy_moved_device {
	char host_name[IFNAMSIZ];
	unsigned int index; /* in the container's namespace */
	bool was_up;
};

struct hoy_moved_devices {
	int ns; /* the container's network namespace, -EBADF */
	struct hoy_moved_device *devices;
	size_t n;
};
#define HOY_MOVED_DEVICES_INIT                                                                                         \
	{                                                                                                              \
		.ns = -EBADF                                                                                           \
	}

/*
 * Moves linux.netDevices into the network namespace `ns` (borrowed). On failure those moved so far are back where they
 * came from. Errors name the device.
 */
int hoy_net_devices_move(
	const struct hoy_oci_linux *spec, int ns, struct hoy_moved_devices *moved, struct hoy_err *err);

/* For a container that could not be made: gives the devices back under their names. Failures are warnings. */
void hoy_net_devices_return(struct hoy_moved_devices *moved);

void hoy_moved_devices_done(struct hoy_moved_devices *moved); /* the devices stay where they are */

#endif
