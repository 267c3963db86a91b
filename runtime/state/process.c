/* Is the container's first process still there? A pid alone is not enough: pids are used again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "runtime/state/state.h"

#define FIELD_STATE 3
#define FIELD_START_TIME 22

/* The text behind the `n`th space. NULL: there are fewer. */
static const char *skip_fields(const char *text, unsigned int n)
{
	while (n-- && text) {
		text = strchr(text, ' ');
		text = text ? text + 1 : NULL;
	}
	return text;
}

int hoy_process_start_time(pid_t pid, uint64_t *ret, bool *ret_zombie)
{
	char path[sizeof "/proc/2147483647/stat"], text[1024];
	const char *field;
	auto_fd int fd = -EBADF;
	ssize_t n;

	(void) snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	n = TEMP_FAILURE_RETRY(read(fd, text, sizeof text - 1)); /* the whole line at once, or nothing */
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	/* The command name stands in parentheses and may hold anything, also ')'. */
	field = strrchr(text, ')');
	if (!field || field[1] != ' ')
		return -EIO;
	if (ret_zombie)
		*ret_zombie = field[2] == 'Z' || field[2] == 'X';
	field = skip_fields(field + 2, FIELD_START_TIME - FIELD_STATE);
	if (!field)
		return -EIO;
	errno = 0;
	*ret = strtoull(field, NULL, 10);
	return errno ? -EIO : 0;
}

bool hoy_state_is_alive(const struct hoy_state *state)
{
	uint64_t start_time;
	bool zombie = false;

	return state->pid > 0 && hoy_process_start_time(state->pid, &start_time, &zombie) == 0 && !zombie &&
	       start_time == state->start_time;
}

int hoy_state_pidfd(const struct hoy_state *state)
{
	auto_fd int pidfd = -EBADF;

	if (state->pid <= 0)
		return -ESRCH;
	pidfd = hoy_pidfd_open(state->pid);
	if (pidfd < 0)
		return -ESRCH;
	/* Asked behind the pidfd: whatever process has the start time now is the one the pidfd is of. */
	return hoy_state_is_alive(state) ? TAKE_FD(pidfd) : -ESRCH;
}
