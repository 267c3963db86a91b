/* Nothing pins the namespaces but the processes in them and our descriptors. */
#include "supervisor/worker/host/namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/host/ids.h"

#define NOTE "namespaces"

static const char *const names[HOY_HOST_N_NS] = { "user", "mnt", "net" };

static void close_all(struct hoy_namespaces *ns)
{
	for (size_t i = 0; i < HOY_HOST_N_NS; i++)
		hoy_fd_close(&ns->fd[i]);
}

static uint64_t inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t) st.st_ino;
}

/* --- found again ------------------------------------------------------------------------------------------------ */

/* "USER MOUNT NET IDS": inode numbers, and how many ids are mapped. */
static int read_note(const char *exec_root, uint64_t ret[HOY_HOST_N_NS], uint32_t *ret_n_ids)
{
	auto_free char *path = hoy_path_join(exec_root, NOTE);
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	char *rest = NULL, *word;
	uint64_t n = 0;

	hoy_buf_init(&text, 256);
	if (!path || hoy_file_read(AT_FDCWD, path, &text, NULL) < 0 || !text.data)
		return -ENOENT;
	word = strtok_r(text.data, " \n", &rest);
	for (size_t i = 0; i < HOY_HOST_N_NS; i++, word = strtok_r(NULL, " \n", &rest))
		if (!word || hoy_str_to_u64(word, &ret[i]) < 0 || ret[i] == 0)
			return -EINVAL;
	if (!word || hoy_str_to_u64(word, &n) < 0 || n == 0 || n > UINT32_MAX)
		return -EINVAL;
	*ret_n_ids = (uint32_t) n;
	return 0;
}

static int write_note(const char *exec_root, const struct hoy_namespaces *ns, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(exec_root, NOTE);
	auto_free char *text = hoy_str_printf("%llu %llu %llu %u\n", (unsigned long long) inode(ns->fd[0]),
		(unsigned long long) inode(ns->fd[1]), (unsigned long long) inode(ns->fd[2]), ns->n_ids);

	if (!path || !text)
		return hoy_err_oom(err);
	return hoy_file_write(AT_FDCWD, path, text, strlen(text), 0600, /* flags= */ 0, err);
}

/* All three, or none. */
static bool open_those_of(int proc, const char *pid, const uint64_t wanted[HOY_HOST_N_NS], struct hoy_namespaces *ns)
{
	uid_t owner;

	for (size_t i = 0; i < HOY_HOST_N_NS; i++) {
		auto_free char *path = hoy_str_printf("%s/ns/%s", pid, names[i]);

		ns->fd[i] = path ? openat(proc, path, O_RDONLY | O_CLOEXEC) : -ENOMEM;
		if (ns->fd[i] < 0 || inode(ns->fd[i]) != wanted[i]) {
			close_all(ns);
			return false;
		}
	}
	/* numbers are used again: those of somebody else's namespaces are not ours */
	if (ioctl(ns->fd[HOY_HOST_USER_NS], NS_GET_OWNER_UID, &owner) == 0 && owner == geteuid())
		return true;
	close_all(ns);
	return false;
}

static bool find(const uint64_t wanted[HOY_HOST_N_NS], struct hoy_namespaces *ns)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool found = false;

	while (proc && !found && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			found = open_those_of(dirfd(proc), entry->d_name, wanted, ns);
	if (proc)
		closedir(proc);
	return found;
}

static bool is_one_of(pid_t pid, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

bool hoy_namespaces_are_used(const struct hoy_namespaces *ns, const pid_t *but, size_t n_but)
{
	uint64_t wanted = inode(ns->fd[HOY_HOST_NET_NS]);
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool found = false;

	while (proc && !found && (entry = readdir(proc))) {
		auto_free char *path = hoy_str_printf("%s/ns/net", entry->d_name);
		struct stat st;
		int pid;

		if (!path || hoy_str_to_int(entry->d_name, &pid) < 0 || is_one_of(pid, but, n_but))
			continue;
		found = fstatat(dirfd(proc), path, &st, 0) == 0 && st.st_ino == wanted;
	}
	if (proc)
		closedir(proc);
	return found;
}

/* --- made ------------------------------------------------------------------------------------------------------- */

static int raise_loopback(struct hoy_err *err)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK };
	auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return sock < 0 || ioctl(sock, SIOCSIFFLAGS, &req) < 0 ? hoy_err_sys(err, "raise 'lo'") : 0;
}

static int leave_user(struct hoy_err *err)
{
	if (unshare(CLONE_NEWUSER) == 0)
		return 0;
	return hoy_err_sys(err,
		"make a user namespace (may an ordinary user? see the sysctls user.max_user_namespaces, "
		"kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns)");
}

static int leave_rest(struct hoy_err *err)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0)
		return hoy_err_sys(err, "make a mount and a network namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return hoy_err_sys(err, "let mounts of the host come, and ours not go");
	return raise_loopback(err);
}

static int send_namespaces(int sock, struct hoy_err *err)
{
	struct hoy_err fine = { 0 };
	int fds[HOY_HOST_N_NS] = { -EBADF, -EBADF, -EBADF };
	ssize_t n;

	for (size_t i = 0; i < HOY_HOST_N_NS; i++) {
		auto_free char *path = hoy_str_printf("/proc/self/ns/%s", names[i]);

		fds[i] = path ? open(path, O_RDONLY | O_CLOEXEC) : -ENOMEM;
		if (fds[i] < 0)
			return hoy_err_sys(err, "open the %s namespace", names[i]);
	}
	n = hoy_fd_send(sock, &fine, sizeof fine, fds, HOY_HOST_N_NS);
	return n < 0 ? hoy_err_code(err, (int) n, "send the namespaces") : 0;
}

/* The child: makes, waits for its ids between, tells. */
static _Noreturn void make_in_child(int sock)
{
	struct hoy_err err = { 0 };
	int r = leave_user(&err);

	if (r >= 0)
		r = (int) hoy_fd_send(sock, &err, sizeof err, NULL, 0);
	if (r >= 0)
		r = (int) recv(sock, &err, sizeof err, 0) > 0 ? 0 : -ECHILD;
	if (r >= 0)
		r = leave_rest(&err);
	if (r >= 0)
		r = send_namespaces(sock, &err);
	if (r < 0 && err.errnum)
		(void) hoy_fd_send(sock, &err, sizeof err, NULL, 0);
	_exit(r < 0);
}

static int expect(int sock, int *fds, size_t *n_fds, struct hoy_err *err)
{
	struct hoy_err told = { 0 };
	ssize_t n = hoy_fd_recv(sock, &told, sizeof told, fds, n_fds);

	if (n != sizeof told)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ECHILD, "make namespaces: the process that should has died");
	return told.errnum ? hoy_err_import(err, &told) : 0;
}

static int attend(int sock, pid_t child, struct hoy_namespaces *ns, struct hoy_err *err)
{
	size_t none = 0, n = HOY_HOST_N_NS;
	ssize_t sent;
	int r = expect(sock, NULL, &none, err);

	if (r >= 0)
		r = hoy_host_map_ids(child, &ns->n_ids, &ns->why, err);
	if (r < 0)
		return r;
	sent = hoy_fd_send(sock, "go", 2, NULL, 0);
	if (sent < 0)
		return hoy_err_code(err, (int) sent, "make namespaces");
	r = expect(sock, ns->fd, &n, err);
	if (r >= 0 && n != HOY_HOST_N_NS)
		r = hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "make namespaces: %zu came", n);
	return r;
}

static int make(struct hoy_namespaces *ns, struct hoy_err *err)
{
	auto_fd int ours = -EBADF, theirs = -EBADF;
	int pair[2], r;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "socket pair");
	ours = pair[0];
	theirs = pair[1];
	child = fork();
	if (child < 0)
		return hoy_err_sys(err, "fork");
	if (child == 0) {
		hoy_fd_close(&ours);
		make_in_child(theirs);
	}
	hoy_fd_close(&theirs);
	r = attend(ours, child, ns, err);
	hoy_fd_close(&ours);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

int hoy_namespaces_open(const char *exec_root, struct hoy_namespaces *ns, struct hoy_err *err)
{
	uint64_t noted[HOY_HOST_N_NS];
	int r;

	if (read_note(exec_root, noted, &ns->n_ids) >= 0 && find(noted, ns))
		return 0;
	r = make(ns, err);
	return r < 0 ? r : write_note(exec_root, ns, err);
}

static _Noreturn void be_door(const struct hoy_namespaces *ns, int ready, pid_t parent)
{
	static const int kinds[HOY_HOST_N_NS] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET };
	bool fine = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
	sigset_t all;

	for (size_t i = 0; fine && i < HOY_HOST_N_NS; i++)
		fine = setns(ns->fd[i], kinds[i]) == 0;
	/* new privileges have cleared the first, and made /proc/PID unreadable */
	fine = fine && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0 && getppid() == parent;
	if (!fine || write(ready, "", 1) != 1)
		_exit(EXIT_FAILURE);
	(void) close_range(0, ~0U, 0); /* nobody's end of file is to wait for us */
	(void) sigfillset(&all);
	(void) sigprocmask(SIG_SETMASK, &all, NULL);
	for (;;)
		(void) pause();
}

int hoy_namespaces_door(const struct hoy_namespaces *ns, pid_t *ret, struct hoy_err *err)
{
	auto_fd int reading = -EBADF, writing = -EBADF;
	pid_t self = getpid(), child;
	int ends[2];
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe");
	reading = ends[0];
	writing = ends[1];
	child = fork();
	if (child < 0)
		return hoy_err_sys(err, "fork");
	if (child == 0)
		be_door(ns, writing, self);
	hoy_fd_close(&writing);
	if (hoy_fd_read_full(reading, &byte, 1) == 1) {
		*ret = child;
		return 0;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return hoy_err_set(err, HOY_ERR_SYSTEM, EPERM, "join the namespaces: refused");
}

void hoy_namespaces_forget(const char *exec_root, struct hoy_namespaces *ns)
{
	auto_free char *path = hoy_path_join(exec_root, NOTE);

	close_all(ns);
	if (path)
		(void) unlink(path);
}
