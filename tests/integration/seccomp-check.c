/*
 * For runtime-seccomp.bats.
 *
 *	seccomp-check resolve [CAP_X ...]      linux.seccomp of the default profile for these capabilities
 *	seccomp-check agent SOCKET FILE        a listener's agent: writes the container process state it is sent to
 * FILE, then answers every call it is asked about with errno 99
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "libocispec/field.h"
#include "libocispec/runtime.h"
#include "supervisor/container/seccomp_profile.h"

static int resolve(char **caps, struct hoy_err *err)
{
	auto_ptr(hoy_seccomp_profile_free) struct hoy_seccomp_profile *profile = NULL;
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *seccomp = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	const struct hoy_seccomp_target target = { .caps = (const char *const *) caps };
	int r = hoy_seccomp_profile_default(&profile, err);

	if (r == 0)
		r = hoy_seccomp_profile_resolve(profile, &target, &seccomp, err);
	if (r == 0)
		r = hoy_field_print(&hoy_oci_seccomp_object, seccomp, &text, /* indent= */ 0, err);
	if (r == 0)
		puts(text.data);
	return r;
}

/* One connection brings one state and one descriptor, and is closed then. */
static int receive(const char *path, const char *file, struct hoy_err *err)
{
	auto_fd int sock = hoy_fd_unix_listen(path, SOCK_STREAM, 0600, err), conn = -EBADF, listener = -EBADF;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int fds[HOY_FD_PASS_MAX];
	size_t n_fds = ARRAY_LEN(fds);
	char buf[4096];
	ssize_t n;

	if (sock < 0)
		return sock;
	conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
	if (conn < 0)
		return hoy_err_sys(err, "accept");
	n = hoy_fd_recv(conn, buf, sizeof buf, fds, &n_fds);
	if (n <= 0 || n_fds != 1)
		return hoy_err_invalid(err, "got %zd bytes and %zu descriptors", n, n_fds);
	listener = fds[0];
	hoy_buf_add(&text, buf, (size_t) n);
	while ((n = read(conn, buf, sizeof buf)) > 0)
		hoy_buf_add(&text, buf, (size_t) n);
	if (hoy_file_write(AT_FDCWD, file, text.data, text.len, 0600, 0, err) < 0)
		return -EIO;
	return TAKE_FD(listener);
}

static int agent(const char *path, const char *file, struct hoy_err *err)
{
	auto_fd int listener = receive(path, file, err);

	if (listener < 0)
		return listener;
	for (;;) {
		struct seccomp_notif request = {};
		struct seccomp_notif_resp response = { .error = -99 };

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
			return errno == ENOENT ? 0 : hoy_err_sys(err, "receive a call");
		response.id = request.id;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 && errno != ENOENT)
			return hoy_err_sys(err, "answer a call");
	}
}

int main(int argc, char **argv)
{
	struct hoy_err err = {};
	int r = -EINVAL;

	if (argc >= 2 && strcmp(argv[1], "resolve") == 0)
		r = resolve(argv + 2, &err);
	else if (argc == 4 && strcmp(argv[1], "agent") == 0)
		r = agent(argv[2], argv[3], &err);
	if (r < 0)
		fprintf(stderr, "seccomp-check: %s\n", hoy_err_str(&err));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
