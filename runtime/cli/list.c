/*
 * list. What a container is doing is not written anywhere, it is looked for in three files of the kernel's for each:
 * with many containers that is done by several processes at a time, one for each CPU, which write down what they find.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "runtime/cli/command.h"
#include "runtime/cli/state.h"

struct list_values {
	const char *format;
	bool quiet;
};
static const struct hoy_option list_options[] = {
	HOY_OPTION(struct list_values, "format", 'f', STRING, format, "table or json"),
	HOY_OPTION(struct list_values, "quiet", 'q', FLAG, quiet, "ids only"),
};

enum { COL_ID, COL_PID, COL_STATUS, COL_BUNDLE, COL_CREATED, COL_OWNER, N_COLUMNS };
#define MIN_WIDTH 12
#define PADDING 3
#define MAX_WORKERS 8
#define WORTH_A_WORKER ((size_t) 100) /* containers: below it a process costs more than it saves */

/* --- looking --------------------------------------------------------------------------------------------------- */

/* Some of the containers, in order, and what was found: JSON objects separated by commas, or N_COLUMNS strings each,
 * with their NULs. */
struct share {
	const char *root;
	bool json;
	char **ids;
	size_t n;
	struct hoy_buf found;
	int memory; /* a worker's, that it writes to */
	pid_t worker;
	uid_t uid; /* whose name `owner` is */
	char *owner;
};

static void add_row(struct hoy_buf *out, const struct hoy_oci_state *doc)
{
	const char *bundle = doc->bundle ? doc->bundle : "", *created = doc->created ? doc->created : "";

	(void) hoy_buf_addf(out, "%s%c%d%c%s%c%s%c%s%c%s%c", doc->id, 0, doc->pid, 0,
		hoy_oci_status_to_string(doc->status), 0, bundle, 0, created, 0, doc->owner ? doc->owner : "", 0);
}

/* What was seen of some: what can't be read, or has no state yet, is left out. */
static int add_seen(struct share *s, struct hoy_seen *seen, size_t n, struct hoy_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct hoy_state *state = &seen[i].state;
		struct hoy_oci_state doc;
		int r = 0;

		if (!state->read)
			continue;
		if (!s->owner || state->owner != s->uid) { /* mostly that of the one before */
			free(s->owner);
			s->uid = state->owner;
			s->owner = hoy_owner_name(s->uid);
		}
		hoy_fill_state(state, seen[i].status, s->owner, &doc);
		if (s->json && s->found.len)
			(void) hoy_buf_addc(&s->found, ',');
		if (s->json)
			r = hoy_oci_state_print(&doc, &s->found, 0, err);
		else
			add_row(&s->found, &doc);
		if (r < 0)
			return r;
	}
	return 0;
}

static int look(struct share *s, struct hoy_err *err)
{
	auto_(hoy_look_done) struct hoy_look eye;
	struct hoy_seen seen[HOY_LOOK_MAX];
	int r = 0;

	hoy_look_init(&eye, s->root);
	for (size_t i = 0, n; r == 0 && i < s->n; i += n) {
		n = MIN(s->n - i, (size_t) HOY_LOOK_MAX);
		hoy_look_at(&eye, s->ids + i, n, seen);
		r = add_seen(s, seen, n, err);
		hoy_seen_done(seen, n);
	}
	free(s->owner);
	s->owner = NULL;
	return r < 0 ? r : hoy_buf_check(&s->found, "list", err);
}

/* False: there is none, somebody else must do its share. */
static bool start_worker(struct share *s)
{
	s->memory = memfd_create("list", MFD_CLOEXEC);
	s->worker = s->memory < 0 ? -1 : fork();
	if (s->worker == 0)
		_exit(look(s, NULL) < 0 || hoy_fd_write_all(s->memory, s->found.data, s->found.len) < 0);
	return s->worker > 0;
}

static int finish_worker(struct share *s, struct hoy_err *err)
{
	siginfo_t si;
	int r = hoy_process_wait(s->worker, &si, err);

	if (r == 0 && hoy_process_status(&si) != 0)
		return look(s, err);
	if (r == 0 && lseek(s->memory, 0, SEEK_SET) < 0)
		r = hoy_err_sys(err, "list");
	return r < 0 ? r : hoy_file_read_fd(s->memory, "list", &s->found, err);
}

static size_t count_workers(size_t n)
{
	cpu_set_t cpus;
	size_t workers = sched_getaffinity(0, sizeof cpus, &cpus) < 0 ? 1 : (size_t) CPU_COUNT(&cpus);

	workers = MIN(workers, (size_t) MAX_WORKERS);
	workers = MIN(workers, n / WORTH_A_WORKER);
	return MAX(workers, (size_t) 1);
}

/* All of them: into `shares`, of which there are *n_shares. We are the last worker. */
static int look_at_all(
	const char *root, char **ids, bool json, struct share *shares, size_t *ret_n_shares, struct hoy_err *err)
{
	size_t n = hoy_strv_len(ids), n_shares = n < 2 * WORTH_A_WORKER ? 1 : count_workers(n), begin = 0;
	int r = 0;

	*ret_n_shares = n_shares;
	for (size_t i = 0; i < n_shares; i++) {
		size_t end = n * (i + 1) / n_shares;

		shares[i] = (struct share){ root, json, ids + begin, end - begin, {}, -EBADF, -1, 0, NULL };
		begin = end;
	}
	for (size_t i = 0; i < n_shares; i++)
		if (i + 1 == n_shares || !start_worker(&shares[i]))
			r = look(&shares[i], r < 0 ? NULL : err) < 0 ? -EIO : r;
	for (size_t i = 0; i < n_shares; i++)
		if (shares[i].worker > 0 && finish_worker(&shares[i], r < 0 ? NULL : err) < 0)
			r = -EIO;
	return r;
}

/* --- printing -------------------------------------------------------------------------------------------------- */

/* The next string of a share's, or NULL behind the last. */
static const char *next_cell(const struct share *s, const char *cell)
{
	const char *next = cell ? cell + strlen(cell) + 1 : s->found.data;

	return next && next < s->found.data + s->found.len ? next : NULL;
}

static void print_table(const struct share *shares, size_t n, struct hoy_buf *out)
{
	static const char *const head[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	size_t width[N_COLUMNS], column = 0;

	for (size_t j = 0; j < N_COLUMNS; j++)
		width[j] = MIN_WIDTH;
	for (size_t i = 0; i < n; i++)
		for (const char *c = next_cell(&shares[i], NULL); c; c = next_cell(&shares[i], c)) {
			width[column] = MAX(width[column], strlen(c) + PADDING);
			column = (column + 1) % N_COLUMNS;
		}
	width[COL_OWNER] = 0;
	for (size_t j = 0; j < N_COLUMNS; j++)
		(void) hoy_buf_addf(out, "%-*s%s", (int) width[j], head[j], j == COL_OWNER ? "\n" : "");
	for (size_t i = 0; i < n; i++)
		for (const char *c = next_cell(&shares[i], NULL); c; c = next_cell(&shares[i], c)) {
			(void) hoy_buf_addf(out, "%-*s%s", (int) width[column], c, column == COL_OWNER ? "\n" : "");
			column = (column + 1) % N_COLUMNS;
		}
}

static void print_json(const struct share *shares, size_t n, struct hoy_buf *out)
{
	(void) hoy_buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (!shares[i].found.len)
			continue;
		if (out->len > 1)
			(void) hoy_buf_addc(out, ',');
		(void) hoy_buf_add(out, shares[i].found.data, shares[i].found.len);
	}
	(void) hoy_buf_addc(out, ']');
}

static int list_states(const char *root, char **ids, bool json, struct hoy_buf *out, struct hoy_err *err)
{
	struct share shares[MAX_WORKERS];
	size_t n;
	int r = look_at_all(root, ids, json, shares, &n, err);

	if (r == 0 && json)
		print_json(shares, n, out);
	else if (r == 0)
		print_table(shares, n, out);
	for (size_t i = 0; i < n; i++) {
		hoy_buf_done(&shares[i].found);
		hoy_fd_close(&shares[i].memory);
	}
	return r;
}

static int list_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **ids = NULL;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	const struct list_values *v = values;
	bool json = v->format && strcmp(v->format, "json") == 0;
	int r;

	(void) args;
	if (v->format && !json && strcmp(v->format, "table") != 0)
		return hoy_err_invalid(err, "list: invalid format option '%s'", v->format);
	if (g->root_given && faccessat(AT_FDCWD, g->root, F_OK, 0) < 0)
		return hoy_err_sys(err, "open '%s'", g->root);
	r = hoy_state_list(g->root, &ids, err);
	if (r < 0)
		return r;
	for (char **id = ids; v->quiet && *id; id++)
		(void) hoy_buf_addf(&out, "%s\n", *id);
	if (!v->quiet)
		r = list_states(g->root, ids, json, &out, err);
	if (r == 0)
		r = hoy_buf_check(&out, "list", err);
	if (r < 0 || !out.len)
		return r;
	r = hoy_fd_write_all(STDOUT_FILENO, out.data, out.len);
	return r < 0 ? hoy_err_code(err, r, "write to stdout") : 0;
}

const struct hoy_command hoy_cmd_list = {
	.name = "list",
	.args = "",
	.summary = "List the containers",
	.options = list_options,
	.n_options = ARRAY_LEN(list_options),
	.options_size = sizeof(struct list_values),
	.run = list_run,
};
