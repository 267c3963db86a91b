/* Pid files, pidfds, terminals. */
#include "runtime/apply/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "libocispec/runtime.h"

uint64_t hoy_own_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted | (uint64_t) data[1].permitted << 32;
}

int hoy_write_pid_file(const char *path, pid_t pid, struct hoy_err *err)
{
	char text[16];
	int n;

	if (!path)
		return 0;
	n = snprintf(text, sizeof text, "%d", (int) pid);
	return hoy_file_write(AT_FDCWD, path, text, (size_t) n, 0644, 0, err);
}

int hoy_send_pidfd(const char *socket, int pidfd, struct hoy_err *err)
{
	auto_fd int sock = -EBADF;
	ssize_t n;

	if (!socket)
		return 0;
	sock = hoy_fd_unix_connect(socket, SOCK_STREAM, err);
	if (sock < 0)
		return hoy_err_wrap(err, "pidfd socket");
	n = hoy_fd_send(sock, "pidfd", strlen("pidfd"), &pidfd, 1);
	return n < 0 ? hoy_err_code(err, (int) n, "send the pidfd to '%s'", socket) : 0;
}

int hoy_open_console(const struct hoy_oci_process *process, const char *socket, bool detached, int *ret_peer,
	int *ret_ours, struct hoy_err *err)
{
	int pair[2];

	*ret_peer = *ret_ours = -EBADF;
	if (process->terminal && detached && !socket)
		return hoy_err_invalid(err, "cannot allocate tty if hoyrun will detach without setting console socket");
	if (!process->terminal && socket)
		return hoy_err_invalid(err, "cannot use console socket if hoyrun will not detach or allocate tty");
	if (socket) {
		*ret_peer = hoy_fd_unix_connect(socket, SOCK_STREAM, err);
		return *ret_peer < 0 ? hoy_err_wrap(err, "console socket") : 0;
	}
	if (!process->terminal)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "socket pair for the terminal");
	*ret_ours = pair[0];
	*ret_peer = pair[1];
	return 0;
}

/* Our own terminal, which shows the output, adds the carriage returns: two of them would double. A master that goes to
 * a console socket keeps the kernel's setting; its owner relays to a raw terminal. */
static int clear_onlcr(int master, struct hoy_err *err)
{
	struct termios t;

	if (tcgetattr(master, &t) < 0)
		return hoy_err_sys(err, "get attributes of the terminal");
	t.c_oflag &= ~(tcflag_t) ONLCR;
	return tcsetattr(master, TCSANOW, &t) < 0 ? hoy_err_sys(err, "set attributes of the terminal") : 0;
}

int hoy_take_master(const struct hoy_oci_process *process, int ours, int *ret_master, struct hoy_err *err)
{
	struct winsize ws;
	char name[64];
	size_t n_fds = 1;
	ssize_t n;

	if (ours < 0)
		return 0;
	n = hoy_fd_recv(ours, name, sizeof name, ret_master, &n_fds);
	if (n <= 0 || n_fds != 1)
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "receive the terminal");
	if (!process->console_size && ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0)
		(void) ioctl(*ret_master, TIOCSWINSZ, &ws);
	return clear_onlcr(*ret_master, err);
}
