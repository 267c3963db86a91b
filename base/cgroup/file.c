/* Files of a group: one open, one read or write, close. Also the few text formats, and waiting on cgroup.events. */
#include "base/cgroup/cgroup_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/str.h"

int hoy_cgroup_dirfd(const struct hoy_cgroup *cg, size_t i)
{
	auto_free char *dir = NULL;

	if (cg->dirs[i] >= 0)
		return cg->dirs[i];
	dir = hoy_cgroup_dir(cg, i);
	if (dir == NULL)
		return -ENOMEM;
	cg->dirs[i] = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return cg->dirs[i] < 0 ? -errno : cg->dirs[i];
}

ssize_t hoy_cgroup_read_fd(int fd, char *buf, size_t size)
{
	ssize_t n = TEMP_FAILURE_RETRY(read(fd, buf, size - 1)); /* the kernel gives such a text whole */

	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

ssize_t hoy_cgroup_read_at(int dir, const char *file, char *buf, size_t size)
{
	auto_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : hoy_cgroup_read_fd(fd, buf, size);
}

ssize_t hoy_cgroup_read(const struct hoy_cgroup *cg, size_t i, const char *file, char *buf, size_t size)
{
	int dir = hoy_cgroup_dirfd(cg, i);

	return dir < 0 ? dir : hoy_cgroup_read_at(dir, file, buf, size);
}

int hoy_cgroup_write_at(int dir, const char *file, const char *value)
{
	auto_fd int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = TEMP_FAILURE_RETRY(write(fd, value, len));
	if (n < 0)
		return -errno;
	return (size_t) n == len ? 0 : -EIO;
}

int hoy_cgroup_write(const struct hoy_cgroup *cg, size_t i, const char *file, const char *value)
{
	int dir = hoy_cgroup_dirfd(cg, i);

	return dir < 0 ? dir : hoy_cgroup_write_at(dir, file, value);
}

uint64_t hoy_cgroup_number(const char *text)
{
	char digits[24];
	uint64_t value;
	size_t len;

	if (strncmp(text, "max", 3) == 0)
		return HOY_CGROUP_UNLIMITED;
	len = strspn(text, "0123456789");
	if (len == 0 || len >= sizeof digits)
		return 0;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return hoy_str_to_u64(digits, &value) < 0 ? 0 : value;
}

uint64_t hoy_cgroup_keyed(const char *text, const char *key)
{
	size_t key_len = strlen(key);

	while (*text != '\0') {
		if (strncmp(text, key, key_len) == 0 && text[key_len] == ' ')
			return hoy_cgroup_number(text + key_len + 1);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t hoy_cgroup_deadline(int timeout_ms)
{
	return now_ms() + timeout_ms;
}

int hoy_cgroup_remaining_ms(int64_t deadline)
{
	int64_t left = deadline - now_ms();

	return left > 0 ? (int) left : 0;
}

int hoy_cgroup_wait_event(int dir, const char *key, uint64_t value, int64_t deadline)
{
	auto_fd int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];

	if (fd < 0)
		return -errno;
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLPRI };
		ssize_t n = pread(fd, text, sizeof text - 1, 0);

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (hoy_cgroup_keyed(text, key) == value)
			return 0;
		/* The kernel raises POLLPRI for every change since the last read of this descriptor. */
		n = poll(&pfd, 1, hoy_cgroup_remaining_ms(deadline));
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}
