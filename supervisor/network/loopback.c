/* lo of a container without a network: two visits to a namespace and one ioctl, so that hoy-net is not needed for it.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "supervisor/network/network_internal.h"

static int socket_in(int netns, struct hoy_err *err)
{
	auto_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int sock, r = 0;

	if (own < 0)
		return hoy_err_sys(err, "open '/proc/self/ns/net'");
	if (setns(netns, CLONE_NEWNET) < 0)
		return hoy_err_sys(err, "enter the container's network namespace");
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		r = hoy_err_sys(err, "socket in the container's network namespace");
	if (setns(own, CLONE_NEWNET) < 0)
		abort(); /* everything from here on would happen in the wrong place */
	return r < 0 ? r : sock;
}

int hoy_network_raise_loopback(int netns, struct hoy_err *err)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK };
	auto_fd int sock = socket_in(netns, err);

	if (sock < 0)
		return sock;
	return ioctl(sock, SIOCSIFFLAGS, &req) < 0 ? hoy_err_sys(err, "raise 'lo'") : 0;
}
