/* File descriptors: owned by scope, born close-on-exec, read and written whole, passed over sockets. */
#ifndef HOY_BASE_FD_H
#define HOY_BASE_FD_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/err.h"

/* auto_fd int fd = -EBADF;  closed when the scope ends. close() is not retried: Linux frees the number at once. */
#define auto_fd auto_(hoy_fd_close)

/* Closes *fd if it is >= 0 and sets it to -EBADF; keeps errno. */
void hoy_fd_close(int *fd);

/* The same for several: those with consecutive numbers go with one call. At most HOY_FD_CLOSE_MAX. */
#define HOY_FD_CLOSE_MAX 32
void hoy_fd_close_all(int *const *fds, size_t n);

/* Closes everything from `first` on but the `n` in `keep` (in any order, which is changed; negative ones don't count).
 * 0 or -errno. */
int hoy_fd_close_except(int first, int *keep, size_t n);

/* Hands a descriptor over: evaluates to it and leaves -EBADF behind. */
#define TAKE_FD(fd)                                                                                                    \
	({                                                                                                             \
		int *_taken_from = &(fd);                                                                              \
		int _taken = *_taken_from;                                                                             \
		*_taken_from = -EBADF;                                                                                 \
		_taken;                                                                                                \
	})

/* Writes all of it, through EINTR and short writes. 0 or -errno. */
int hoy_fd_write_all(int fd, const void *data, size_t len);

/* Reads until `len` bytes or end of file. Returns the bytes read or -errno. */
ssize_t hoy_fd_read_full(int fd, void *data, size_t len);

int hoy_fd_set_nonblocking(int fd, bool on);
int hoy_fd_set_cloexec(int fd, bool on);

/* Everything from `first` on is closed at the next execve (close_range, Linux 5.11). 0 or -errno. */
int hoy_fd_cloexec_from(unsigned int first);

/* Opens /dev/null on 0, 1 and 2 where they are closed, so that no later open() lands there. 0 or -errno. */
int hoy_fd_ensure_stdio(void);

/* A duplicate >= 3, close-on-exec. The new fd or -errno. */
int hoy_fd_dup(int fd);

/*
 * One packet (or one piece of a stream) with up to HOY_FD_PASS_MAX descriptors beside it. Sends with MSG_NOSIGNAL;
 * received descriptors are close-on-exec. hoy_fd_recv() returns the bytes (0: end of file) or -errno; *n_fds is the
 * room in `fds` on entry and the number received on return, surplus ones are closed.
 */
#define HOY_FD_PASS_MAX 16
ssize_t hoy_fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds);
ssize_t hoy_fd_recv(int sock, void *data, size_t len, int *fds, size_t *n_fds);

/* Listening or connected AF_UNIX socket of `type` (SOCK_STREAM, SOCK_SEQPACKET; may carry SOCK_NONBLOCK), by path of
 * any length: too long ones go through /proc/self/fd of the directory. The fd or -errno. */
int hoy_fd_unix_listen(const char *path, int type, mode_t mode, struct hoy_err *err);
int hoy_fd_unix_connect(const char *path, int type, struct hoy_err *err);

#endif
