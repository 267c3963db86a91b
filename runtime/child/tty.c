/* The container's terminal: a pair of its own devpts; the master goes to whoever asked, the slave is stdio. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/child/child.h"
#include "runtime/child/mount_api.h"
#include "runtime/child/target.h"

#define PTMX_NAME "/dev/ptmx" /* what runc writes beside the descriptor; conmon and containerd show it */
#define UNIX98_PTY_SLAVE_MAJOR 136
#define UNIX98_PTY_MAJOR_COUNT 8

/* The multiplexer of a devpts, reached in the rootfs and proven to be one: not what an image put there. */
static int open_master(struct hoy_child *c, struct hoy_err *err)
{
	auto_fd int fd = hoy_path_open_in_root(c->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return hoy_err_sys(err, "stat '/dev/pts/ptmx'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) || !hoy_fd_is_on(fd, DEVPTS_SUPER_MAGIC))
		return hoy_err_code(err, -ENOTTY, "'/dev/pts/ptmx' is not the multiplexer of a devpts");
	return TAKE_FD(fd);
}

static int open_slave(int master, struct hoy_err *err)
{
	auto_fd int slave = -EBADF;
	int unlock = 0;
	struct stat st;

	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return hoy_err_sys(err, "unlock");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || fstat(slave, &st) < 0)
		return hoy_err_sys(err, "open the slave");
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < UNIX98_PTY_SLAVE_MAJOR ||
		major(st.st_rdev) >= UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT)
		return hoy_err_code(err, -ENOTTY, "the slave is no terminal");
	return TAKE_FD(slave);
}

static int set_size(int fd, const struct hoy_oci_console_size *size, struct hoy_err *err)
{
	struct winsize ws = {};

	if (!size)
		return 0;
	ws.ws_row = (unsigned short) size->height;
	ws.ws_col = (unsigned short) size->width;
	return ioctl(fd, TIOCSWINSZ, &ws) < 0 ? hoy_err_sys(err, "set size") : 0;
}

/* The slave shows up as /dev/console too. The file is made in the real /dev directory; a symlink there is not
 * followed. */
static int mount_console(struct hoy_child *c, int slave, struct hoy_err *err)
{
	auto_fd int dev = -EBADF, file = -EBADF, target = -EBADF, tree = -EBADF;
	const char *name;

	dev = hoy_target_parent(c->root, "/dev/console", &name, err);
	if (dev < 0)
		return dev;
	file = openat(dev, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0620);
	if (file < 0 && errno != EEXIST)
		return hoy_err_sys(err, "make '/dev/console'");
	target = openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return hoy_err_sys(err, "open '/dev/console'");
	tree = hoy_mount_clone(slave, "", false, err);
	return tree < 0 ? tree : hoy_mount_attach(tree, target, err);
}

static int use_as_stdio(int slave, struct hoy_err *err)
{
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return hoy_err_sys(err, "make it the controlling terminal");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return hoy_err_sys(err, "use it as descriptor %d", fd);
	return 0;
}

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* The host's null device as stdio becomes the container's own: nobody inside can change the owner of a device of the
 * host, and a checkpoint needs no file from outside. A container without one keeps what it got. */
static int use_own_null(struct hoy_child *c)
{
	swept_fd null = -EBADF;
	struct stat st;

	for (int fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &c->stdio[fd]) < 0 || !is_null(&c->stdio[fd]))
			continue;
		if (null < 0) {
			null = hoy_path_open_in_root(c->root, "/dev/null", O_RDWR | O_NOCTTY, 0, NULL);
			if (null < 0 || fstat(null, &st) < 0 || !is_null(&st))
				return 0;
		}
		(void) dup2(null, fd);
	}
	return 0;
}

int hoy_child_terminal(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_process *process = c->plan->spec->process;
	auto_fd int master = -EBADF, slave = -EBADF;
	ssize_t n;
	int r;

	if (!process || !process->terminal)
		return use_own_null(c);
	master = open_master(c, err);
	if (master < 0)
		return master;
	slave = open_slave(master, err);
	if (slave < 0)
		return slave;
	r = set_size(slave, process->console_size, err);
	if (r == 0 && c->work == HOY_CHILD_INIT)
		r = mount_console(c, slave, err);
	if (r < 0)
		return r;
	n = hoy_fd_send(c->console_socket, PTMX_NAME, strlen(PTMX_NAME), &master, 1);
	if (n < 0)
		return hoy_err_code(err, (int) n, "send the master to the console socket");
	hoy_fd_close(&c->console_socket);
	return use_as_stdio(slave, err);
}
