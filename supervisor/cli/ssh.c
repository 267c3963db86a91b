/* Engines behind ssh. */
#include "supervisor/cli/ssh.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"

struct address {
	char *user, *host, *port, *path; /* NULL: not given */
};

static void address_done(struct address *a)
{
	free(a->user);
	free(a->host);
	free(a->port);
	free(a->path);
}

static int parse(const char *url, struct address *a, struct hoy_err *err)
{
	const char *rest = url + strlen("ssh://"), *at, *end, *colon;

	at = memchr(rest, '@', strcspn(rest, "/"));
	if (at) {
		a->user = strndup(rest, (size_t) (at - rest));
		if (a->user && strchr(a->user, ':'))
			return hoy_err_invalid(err, "invalid host \"%s\": ssh takes no password here", url);
		rest = at + 1;
	}
	end = rest + strcspn(rest, "/");
	colon = memchr(rest, ':', (size_t) (end - rest));
	a->host = strndup(rest, (size_t) ((colon ? colon : end) - rest));
	if (colon)
		a->port = strndup(colon + 1, (size_t) (end - colon) - 1);
	if (end[0] && end[1])
		a->path = strdup(end);
	if (!a->host || (at && !a->user) || (colon && !a->port) || (end[0] && end[1] && !a->path))
		return hoy_err_oom(err);
	/* ssh must not take them for options. */
	if (!*a->host || a->host[0] == '-' || (a->user && a->user[0] == '-') || strpbrk(url, "?#"))
		return hoy_err_invalid(err, "invalid host \"%s\": expected ssh://[USER@]HOST[:PORT][/SOCKET]", url);
	return 0;
}

int hoy_ssh_check(const char *url, struct hoy_err *err)
{
	auto_(address_done) struct address a = {};

	return parse(url, &a, err);
}

/* The words of the command; the last of them run in the other machine's shell. */
static int arguments(const struct address *a, char ***ret)
{
	int r = hoy_strv_add(ret, "ssh");

	r |= hoy_strv_add(ret, "-o");
	r |= hoy_strv_add(ret, "ConnectTimeout=30");
	r |= hoy_strv_add(ret, "-T");
	if (a->user)
		r |= hoy_strv_add(ret, "-l") | hoy_strv_add(ret, a->user);
	if (a->port)
		r |= hoy_strv_add(ret, "-p") | hoy_strv_add(ret, a->port);
	r |= hoy_strv_add(ret, "--");
	r |= hoy_strv_add(ret, a->host);
	r |= hoy_strv_add(ret, "docker");
	if (a->path)
		r |= hoy_strv_add(ret, "--host") | hoy_strv_addf(ret, "unix://%s", a->path);
	r |= hoy_strv_add(ret, "system");
	return r | hoy_strv_add(ret, "dial-stdio");
}

int hoy_connect_through(const char *path, char *const *argv, const char *url, struct hoy_err *err)
{
	auto_fd int ours = -EBADF, theirs = -EBADF;
	int pair[2], fds[3], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	fds[0] = fds[1] = theirs;
	fds[2] = STDERR_FILENO;
	/* A session of its own: ctrl-C is for us, and for the container if it must. */
	r = hoy_process_spawn(
		&(struct hoy_spawn){ .path = path, .argv = argv, .fds = fds, .n_fds = 3, .new_session = true }, &pid,
		NULL, err);
	return r < 0 ? hoy_err_wrap(err, "connect to %s", url) : TAKE_FD(ours);
}

int hoy_ssh_connect(const char *url, struct hoy_err *err)
{
	auto_(address_done) struct address a = {};
	auto_ptr(hoy_strv_free) char **argv = NULL;
	int r = parse(url, &a, err);

	if (r < 0)
		return r;
	if (arguments(&a, &argv) != 0)
		return hoy_err_oom(err);
	if (a.path && strpbrk(a.path, "'\"`$;&|<>()\\ \t\n"))
		return hoy_err_invalid(
			err, "invalid host \"%s\": the socket's path has characters that a shell reads", url);
	return hoy_connect_through("ssh", argv, url, err);
}

/* One direction. 0 at its end. */
static ssize_t move(int from, int to, struct hoy_err *err)
{
	char piece[32768];
	ssize_t n = TEMP_FAILURE_RETRY(read(from, piece, sizeof piece));
	int r;

	if (n < 0)
		return hoy_err_sys(err, "read");
	r = n ? hoy_fd_write_all(to, piece, (size_t) n) : 0;
	return r < 0 ? hoy_err_code(err, r, "write") : n;
}

int hoy_dial_stdio(int engine, struct hoy_err *err)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = engine, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return hoy_err_sys(err, "poll");
		if (fds[1].revents) {
			ssize_t n = move(engine, STDOUT_FILENO, err);

			if (n <= 0)
				return (int) n;
		}
		if (fds[0].revents) {
			ssize_t n = move(STDIN_FILENO, engine, err);

			if (n < 0)
				return (int) n;
			if (n == 0) { /* what the engine still says is read to its end */
				(void) shutdown(engine, SHUT_WR);
				fds[0].fd = -1;
			}
		}
		fds[0].revents = fds[1].revents = 0;
	}
}
