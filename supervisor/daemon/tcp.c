#include "supervisor/daemon/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/helper.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/daemon/options.h"

#define READY "ready\n"
#define START_MS 10000

bool hoy_host_is_tcp(const char *host)
{
	return hoy_str_starts(host, "tcp://");
}

/* *ret_name "" for every address; both are heap. */
static int split(const char *host, bool tls, char **ret_name, char **ret_port, struct hoy_err *err)
{
	const char *name = host + strlen("tcp://"), *end = name + strcspn(name, "/"), *colon = NULL;
	const char *close = *name == '[' ? memchr(name, ']', (size_t) (end - name)) : NULL;
	unsigned int port;

	for (const char *p = close ? close : name; p < end; p++)
		if (*p == ':')
			colon = p;
	*ret_port = colon ? strndup(colon + 1, (size_t) (end - colon) - 1) : strdup(tls ? "2376" : "2375");
	if (close)
		*ret_name = strndup(name + 1, (size_t) (close - name) - 1);
	else
		*ret_name = colon == name || end == name ? strdup("127.0.0.1")
							 : strndup(name, (size_t) ((colon ? colon : end) - name));
	if (!*ret_name || !*ret_port)
		return hoy_err_oom(err);
	if (*end && end[1])
		return hoy_err_invalid(err, "invalid bind address (%s): a path makes no sense", host);
	if (hoy_str_to_uint(*ret_port, &port) < 0 || port > 65535 || (*name == '[' && !close))
		return hoy_err_invalid(err, "invalid bind address (%s): want tcp://ADDRESS:PORT", host);
	return 0;
}

int hoy_host_check_tcp(const char *host, struct hoy_err *err)
{
	auto_free char *name = NULL, *port = NULL;

	return split(host, false, &name, &port, err);
}

int hoy_tcp_check_settings(const struct hoy_daemon_options *o, struct hoy_err *err)
{
	if (!o->tls && !o->tlsverify) {
		if (hoy_daemon_options_given(o, "tls") || hoy_daemon_options_given(o, "tlsverify"))
			return 0;
		return hoy_err_invalid(err,
			"-H tcp://: whoever reaches it is root on this machine: use --tlsverify with --tlscacert, --tlscert and "
			"--tlskey, or say --tls=false to serve it without protection");
	}
	if (!o->tlscert || !o->tlskey)
		return hoy_err_invalid(err, "TLS needs --tlscert and --tlskey");
	if (o->tlsverify && !o->tlscacert)
		return hoy_err_invalid(
			err, "--tlsverify needs --tlscacert, the authority of the clients' certificates");
	return 0;
}

static int listen_on(const struct addrinfo *a)
{
	auto_fd int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	const int on = 1;

	if (fd < 0)
		return -errno;
	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->ai_family == AF_INET6)
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int hoy_host_listen_tcp(const char *host, bool tls, struct hoy_err *err)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
	auto_free char *name = NULL, *port = NULL;
	int r = split(host, tls, &name, &port, err), fd = -EADDRINUSE;

	if (r < 0)
		return r;
	r = getaddrinfo(*name ? name : NULL, port, &hints, &list);
	if (r != 0)
		return hoy_err_invalid(err, "invalid bind address (%s): %s", host, gai_strerror(r));
	for (int i = 0; i < 60 && fd == -EADDRINUSE; i++) {
		if (i > 0)
			(void) nanosleep(&pause, NULL);
		fd = listen_on(list);
	}
	freeaddrinfo(list);
	return fd < 0 ? hoy_err_code(err, fd, "listen on %s", host) : fd;
}

static bool is_loopback(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *) addr)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return addr->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) addr)->sin6_addr);
}

int hoy_host_listen_loopback(const char *address, struct hoy_err *err)
{
	auto_free char *host = hoy_str_printf("tcp://%s", address), *name = NULL, *port = NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
	int r = host ? split(host, false, &name, &port, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	r = getaddrinfo(*name ? name : NULL, port, &hints, &list);
	if (r != 0)
		return hoy_err_invalid(err, "invalid address (%s): %s", address, gai_strerror(r));
	if (is_loopback(list->ai_addr)) {
		r = listen_on(list);
		if (r < 0)
			hoy_err_code(err, r, "listen on %s", address);
	} else {
		r = hoy_err_invalid(err,
			"%s is reached from other machines, and there is no password: use an address of loopback or "
			"unix://PATH",
			address);
	}
	freeaddrinfo(list);
	return r;
}

/* --- hoy-tls -------------------------------------------------------------------------------------------------- */

static int arguments(const struct hoy_daemon_options *o, const char *program, const char *socket_path, char ***ret,
	struct hoy_err *err)
{
	int r = hoy_strv_add(ret, program);

	if (r >= 0)
		r = hoy_strv_add(ret, "serve");
	if (r >= 0)
		r = hoy_strv_add(ret, socket_path);
	if (r >= 0)
		r = hoy_strv_addf(ret, "cert=%s", o->tlscert);
	if (r >= 0)
		r = hoy_strv_addf(ret, "key=%s", o->tlskey);
	if (r >= 0 && o->tlsverify)
		r = hoy_strv_addf(ret, "ca=%s", o->tlscacert);
	if (r >= 0 && o->tlsverify)
		r = hoy_strv_add(ret, "verify=1");
	return r < 0 ? hoy_err_oom(err) : 0;
}

/* It says that its files are fine, or what is wrong with them. */
static int wait_until_ready(int fd, struct hoy_err *err)
{
	char text[512] = "";
	size_t len = 0;

	while (len < sizeof text - 1 && !strchr(text, '\n')) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&readable, 1, START_MS) > 0 ? read(fd, text + len, sizeof text - 1 - len) : -1;

		if (n <= 0)
			break;
		len += (size_t) n;
		text[len] = '\0';
	}
	text[strcspn(text, "\n")] = '\0';
	if (!strncmp(text, READY, strlen(READY) - 1))
		return 0;
	return hoy_err_invalid(err, "TLS: %s", *text ? text : "hoy-tls did not start");
}

int hoy_tls_start(const struct hoy_daemon_options *options, int listening, const char *socket_path, int cgroup_fd,
	int *ret_lifeline, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_free char *program = NULL;
	auto_fd int said = -EBADF, says = -EBADF, lifeline = -EBADF, watched = -EBADF;
	int words[2], life[2], r = hoy_helper_find("hoy-tls", HOY_HELPER_LIBEXEC, &program, err);
	pid_t pid;

	if (r >= 0)
		r = arguments(options, program, socket_path, &argv, err);
	if (r < 0)
		return r;
	if (pipe2(words, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe");
	said = words[0];
	says = words[1];
	if (pipe2(life, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe");
	watched = life[0];
	lifeline = life[1];
	const int fds[] = { -1, says, says, listening, watched };

	r = hoy_process_spawn(&(struct hoy_spawn){ .path = program,
				      .argv = argv,
				      .fds = fds,
				      .n_fds = 5,
				      .new_session = true,
				      .cgroup_fd = cgroup_fd },
		&pid, NULL, err);
	if (r < 0)
		return r;
	hoy_fd_close(&says);
	r = wait_until_ready(said, err);
	if (r >= 0)
		*ret_lifeline = TAKE_FD(lifeline);
	return r;
}
