/* Receiving a terminal from the runtime. */
#include "shim/console.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>

#include "base/fd.h"
#include "base/str.h"

int hoy_console_open(const char *dir, struct hoy_console *ret, struct hoy_err *err)
{
	uint64_t name;
	char *path;
	int fd;

	hoy_random(&name, sizeof name);
	path = hoy_str_printf("%s/%016llx.pty", dir, (unsigned long long) name);
	if (!path)
		return hoy_err_oom(err);
	fd = hoy_fd_unix_listen(path, SOCK_STREAM | SOCK_NONBLOCK, 0600, err);
	if (fd < 0) {
		free(path);
		return fd;
	}
	ret->path = path;
	ret->fd = fd;
	return 0;
}

void hoy_console_done(struct hoy_console *console)
{
	if (!console->path)
		return;
	(void) unlink(console->path);
	free(console->path);
	hoy_fd_close(&console->fd);
	console->path = NULL;
}

int hoy_console_receive(struct hoy_console *console, struct hoy_err *err)
{
	auto_fd int sock = -EBADF, master = -EBADF;
	size_t n_fds = 1;
	char name[4096]; /* the runtime sends the terminal's name along */
	ssize_t n;

	sock = accept4(console->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (sock < 0)
		return hoy_err_sys(err, "the runtime sent no terminal");
	n = hoy_fd_recv(sock, name, sizeof name, &master, &n_fds);
	if (n < 0)
		return hoy_err_code(err, (int) n, "receive the terminal");
	if (n_fds != 1)
		return hoy_err_code(err, -EPROTO, "the runtime sent no terminal");
	if (!isatty(master))
		return hoy_err_code(err, -ENOTTY, "what the runtime sent");
	return TAKE_FD(master);
}
