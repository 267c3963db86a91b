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

int hoy_process_read_stat(int fd, struct hoy_process_stat *ret)
{
	char text[1024];
	const char *name, *field;
	ssize_t n = TEMP_FAILURE_RETRY(read(fd, text, sizeof text - 1)); /* the whole line at once, or nothing */

	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	/* The name stands in parentheses and may hold anything, also ')'. */
	name = strchr(text, '(');
	field = strrchr(text, ')');
	if (!name || !field || field < name || field[1] != ' ')
		return -EIO;
	name++;
	(void) snprintf(ret->name, sizeof ret->name, "%.*s", (int) (field - name), name);
	ret->zombie = field[2] == 'Z' || field[2] == 'X';
	field = skip_fields(field + 2, FIELD_START_TIME - FIELD_STATE);
	if (!field)
		return -EIO;
	errno = 0;
	ret->start_time = strtoull(field, NULL, 10);
	return errno ? -EIO : 0;
}

int hoy_process_stat(pid_t pid, struct hoy_process_stat *ret)
{
	char path[sizeof "/proc/2147483647/stat"];
	auto_fd int fd = -EBADF;

	(void) snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -ESRCH : hoy_process_read_stat(fd, ret);
}

bool hoy_state_is_process(const struct hoy_state *state, const struct hoy_process_stat *stat)
{
	return !stat->zombie && stat->start_time == state->start_time;
}

bool hoy_state_has_executed(const struct hoy_state *state, const struct hoy_process_stat *stat)
{
	return state->started || (state->init_name && strcmp(stat->name, state->init_name) != 0);
}

bool hoy_state_is_alive(const struct hoy_state *state)
{
	struct hoy_process_stat stat;

	return state->pid > 0 && hoy_process_stat(state->pid, &stat) == 0 && hoy_state_is_process(state, &stat);
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
