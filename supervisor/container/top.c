/* The processes of a container as the host's ps shows them; ps runs beside hoyd, its output comes by a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/container/measure_internal.h"

#define OUTPUT_MAX ((size_t) 8 << 20)

struct top {
	pid_t *pids;
	size_t n_pids;
	int fd;
	struct hoy_source *output, *child;
	struct hoy_buf text;
	bool output_over, child_over;
	int status;
	hoy_container_topped done;
	void *userdata;
};

/* --- the text ------------------------------------------------------------------------------------ */

void hoy_container_top_done(struct hoy_container_top *top)
{
	hoy_strv_free(top->titles);
	for (size_t i = 0; top->rows && top->rows[i]; i++)
		hoy_strv_free(top->rows[i]);
	free(top->rows);
	*top = (struct hoy_container_top){};
}

/* At most `n` words; the last one is the rest of the line. */
static int split(const char *line, size_t n, char ***ret)
{
	int r = 0;

	for (size_t i = 0; r >= 0; i++) {
		auto_free char *word = NULL;
		size_t len;

		line += strspn(line, " \t");
		if (!*line)
			break;
		len = i + 1 < n ? strcspn(line, " \t") : strlen(line);
		word = strndup(line, len);
		r = word ? hoy_strv_add(ret, word) : -ENOMEM;
		line += len;
	}
	return r;
}

static bool is_wanted(const char *text, const pid_t *pids, size_t n_pids)
{
	int pid;

	if (hoy_str_to_int(text, &pid) < 0)
		return false;
	for (size_t i = 0; i < n_pids; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static int add_row(struct hoy_container_top *top, size_t *n, char **row)
{
	char ***grown = reallocarray(top->rows, *n + 2, sizeof *grown);

	if (!grown) {
		hoy_strv_free(row);
		return -ENOMEM;
	}
	top->rows = grown;
	grown[(*n)++] = row;
	grown[*n] = NULL;
	return 0;
}

int hoy_container_top_parse(
	const char *output, const pid_t *pids, size_t n_pids, struct hoy_container_top *ret, struct hoy_err *err)
{
	auto_(hoy_container_top_done) struct hoy_container_top top = {};
	auto_ptr(hoy_strv_free) char **lines = hoy_str_split(output, '\n');
	size_t n = 0, n_titles, column = SIZE_MAX;
	int r = lines && lines[0] ? split(lines[0], SIZE_MAX, &top.titles) : -ENOMEM;

	n_titles = hoy_strv_len(top.titles);
	for (size_t i = 0; i < n_titles && column == SIZE_MAX; i++)
		if (!strcmp(top.titles[i], "PID"))
			column = i;
	if (r >= 0 && column == SIZE_MAX)
		return hoy_err_invalid(err, "Couldn't find PID field in ps output");
	for (size_t i = 1; r >= 0 && lines[i]; i++) {
		char **row = NULL;

		r = split(lines[i], n_titles, &row);
		if (r >= 0 && hoy_strv_len(row) > column && is_wanted(row[column], pids, n_pids))
			r = add_row(&top, &n, row);
		else
			hoy_strv_free(row);
	}
	if (r < 0)
		return hoy_err_oom(err);
	*ret = top;
	top = (struct hoy_container_top){};
	return 0;
}

/* --- the program --------------------------------------------------------------------------------------- */

static void top_free(struct top *t)
{
	free(t->pids);
	hoy_source_free(t->output);
	hoy_source_free(t->child);
	hoy_fd_close(&t->fd);
	hoy_buf_done(&t->text);
	free(t);
}

static void finish(struct top *t)
{
	auto_(hoy_container_top_done) struct hoy_container_top top = {};
	const char *text = t->text.data ? t->text.data : "";
	struct hoy_err err = {};
	int r = 0;

	if (!t->output_over || !t->child_over)
		return;
	if (t->status != 0)
		r = hoy_err_invalid(&err, "ps: %.*s", (int) strcspn(text, "\n"), text);
	else
		r = hoy_container_top_parse(text, t->pids, t->n_pids, &top, &err);
	t->done(t->userdata, r < 0 ? &err : NULL, &top);
	top_free(t);
}

static void on_output(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct top *t = userdata;
	char data[16384];
	ssize_t n = read(t->fd, data, sizeof data);

	(void) source;
	(void) events;
	if (n > 0) {
		(void) hoy_buf_add(&t->text, data, (size_t) n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	t->output = hoy_source_free(t->output);
	t->output_over = true;
	finish(t);
}

static void on_exit_of_ps(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct top *t = userdata;

	(void) source;
	t->status = hoy_process_status(si);
	t->child_over = true;
	finish(t);
}

static int run_ps(struct top *t, struct hoy_loop *loop, const char *args, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_fd int out = -EBADF;
	int fds[2], r = hoy_strv_add(&argv, "ps");
	pid_t pid;

	if (r >= 0)
		r = split(args, SIZE_MAX, &argv);
	if (r < 0)
		return hoy_err_oom(err);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe");
	t->fd = fds[0];
	out = fds[1];
	r = hoy_fd_set_nonblocking(t->fd, true); /* our end alone: ps would take a full pipe for an error */
	if (r < 0)
		return hoy_err_code(err, r, "pipe");
	r = hoy_loop_io(loop, &t->output, t->fd, EPOLLIN, on_output, t, err);
	if (r >= 0) {
		const int std[] = { -1, out, out };
		const struct hoy_spawn spawn = {
			.path = "ps", .argv = argv, .fds = std, .n_fds = 3, .death_signal = SIGKILL
		};

		r = hoy_process_spawn(&spawn, &pid, NULL, err);
	}
	return r < 0 ? r : hoy_loop_child(loop, &t->child, pid, on_exit_of_ps, t, err);
}

int hoy_container_top(struct hoy_containers *room, const char *ref, const char *ps_args, hoy_container_topped done,
	void *userdata, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	struct hoy_container *c;
	struct top *t;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	if (c->phase != HOY_PHASE_RUNNING)
		return hoy_err_conflict(err, "container %s is not running", c->info.id);
	t = calloc(1, sizeof *t);
	if (!t)
		return hoy_err_oom(err);
	t->fd = -EBADF;
	t->done = done;
	t->userdata = userdata;
	hoy_buf_init(&t->text, OUTPUT_MAX);
	r = hoy_container_cgroup(c, &cg, err);
	if (r >= 0)
		r = hoy_cgroup_pids(cg, &t->pids, &t->n_pids, err);
	if (r >= 0)
		r = run_ps(t, room->options.loop, ps_args && *ps_args ? ps_args : "-ef", err);
	if (r < 0) {
		top_free(t);
		return r;
	}
	hoy_container_publish(c, "top", NULL);
	return 0;
}
