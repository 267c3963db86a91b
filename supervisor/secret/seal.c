/* A new secret or config: a secret's content goes through hoy-files before it is kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/secret/internal.h"
#include "supervisor/store/store.h"
#include "supervisor/volume/files.h"

/* As swarm's. */
#define SECRET_MAX ((size_t) 500 << 10)
#define CONFIG_MAX ((size_t) 1000 << 10)
#define NAME_MAX_ 64

/* One that is being made; when it is freed before its end, the client is told. */
struct hoy_sealing {
	struct hoy_sealing *next;
	struct hoy_secrets *room;
	char id[HOY_SECRET_ID_SIZE];
	struct hoy_secret_create create; /* name and labels are copies */
	struct hoy_files_run *run;
	int output;
	hoy_secret_created done;
	void *userdata;
};

static void sealing_free(struct hoy_sealing *s)
{
	struct hoy_sealing **link = &s->room->sealings;

	while (*link && *link != s)
		link = &(*link)->next;
	if (*link)
		*link = s->next;
	hoy_files_run_free(s->run);
	hoy_fd_close(&s->output);
	for (size_t i = 0; i < s->create.n_labels; i++) {
		free(s->create.labels[i].key);
		free(s->create.labels[i].value);
	}
	free((void *) s->create.labels);
	free((char *) s->create.name);
	free(s);
}

static void end(struct hoy_sealing *s, const struct hoy_err *err)
{
	s->done(s->userdata, err, err ? NULL : s->id);
	sealing_free(s);
}

void hoy_sealings_cancel(struct hoy_secrets *room)
{
	static const struct hoy_err gone = {
		.errnum = ECANCELED, .kind = HOY_ERR_SYSTEM, .stated = true, .msg = "hoyd is shutting down"
	};

	while (room->sealings)
		end(room->sealings, &gone);
}

/* --- keeping it --------------------------------------------------------------------------------------------------- */

static struct hoy_sealing *by_id(struct hoy_secrets *room, const char *id)
{
	for (struct hoy_sealing *s = room->sealings; s; s = s->next)
		if (!strcmp(s->id, id))
			return s;
	return NULL;
}

/* hoyd may have ended the sealing while its row was on its way to the disk. */
struct commit {
	struct hoy_secrets *room;
	char id[HOY_SECRET_ID_SIZE];
};

static void on_committed(void *userdata, const struct hoy_err *err)
{
	auto_free struct commit *commit = userdata;
	struct hoy_sealing *s = by_id(commit->room, commit->id);

	if (s)
		end(s, err);
}

static int keep(struct hoy_sealing *s, const struct hoy_buf *content, struct hoy_err *err)
{
	auto_free struct commit *commit = malloc(sizeof *commit);
	int r = commit ? hoy_secret_insert(s->room, &s->create, s->id, content, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	commit->room = s->room;
	memcpy(commit->id, s->id, sizeof commit->id);
	r = hoy_store_after_commit(s->room->store, on_committed, commit, err);
	if (r < 0)
		(void) hoy_secret_remove(s->room, s->id, NULL);
	else
		commit = NULL;
	return r;
}

static int take_sealed(struct hoy_sealing *s, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf sealed = { .cap = HOY_FILES_SECRET_MAX };
	int r = lseek(s->output, 0, SEEK_SET) < 0 ? hoy_err_sys(err, "read the sealed content")
						  : hoy_file_read_fd(s->output, "sealed content", &sealed, err);

	return r < 0 ? r : keep(s, &sealed, err);
}

static void on_sealed(const struct hoy_err *failed, void *userdata)
{
	struct hoy_sealing *s = userdata;
	struct hoy_err err = { 0 };
	int r = failed ? hoy_err_import(&err, failed) : take_sealed(s, &err);

	s->run = hoy_files_run_free(s->run);
	if (r < 0)
		end(s, &err);
}

/* --- sealing ---------------------------------------------------------------------------------- */

static int start(struct hoy_sealing *s, const void *data, size_t len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf request = { 0 };
	struct hoy_json_writer w = { .buf = &request };
	static char *const names[] = { (char *) "key", (char *) "data", (char *) "output", NULL };
	auto_fd int key = hoy_secrets_open_key(s->room, err), input = -EBADF;
	int r;

	if (key < 0)
		return key;
	input = hoy_secrets_memfd(err);
	if (input < 0)
		return input;
	s->output = hoy_secrets_memfd(err);
	if (s->output < 0)
		return s->output;
	r = hoy_fd_write_all(input, data, len);
	if (r < 0)
		return hoy_err_code(err, r, "keep the content");
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "seal");
	hoy_json_add_strv(&w, "fds", names);
	hoy_json_add_string(&w, "id", s->id);
	hoy_json_end(&w);
	r = hoy_buf_check(&request, "request", err);
	if (r < 0)
		return r;
	return hoy_files_run_start(&(struct hoy_files_run_options){ .volumes = s->room->volumes,
					   .request = &request,
					   .fds = (int[]){ key, input, s->output },
					   .n_fds = 3,
					   .done = on_sealed,
					   .userdata = s },
		&s->run, err);
}

/* --- what is asked for ------------------------------------------------------------------------ */

static int check(const struct hoy_secret_create *create, struct hoy_err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const char *name = create->name, *edge = "-_.";
	size_t len = name ? strlen(name) : 0, max = create->kind == HOY_SECRET ? SECRET_MAX : CONFIG_MAX;

	if (name && (len == 0 || len > NAME_MAX_ || strspn(name, letters) != len || strchr(edge, name[0]) ||
			    strchr(edge, name[len - 1])))
		return hoy_err_invalid(err,
			"invalid name, only %d [a-zA-Z0-9-_.] characters allowed, and the start and end character must be "
			"[a-zA-Z0-9]",
			NAME_MAX_);
	if ((name && create->len == 0) || create->len > max)
		return hoy_err_invalid(err, "%s data must be larger than 0 and less than %zu bytes",
			hoy_secret_kind_name(create->kind), max);
	return 0;
}

static int check_free(struct hoy_secrets *room, const struct hoy_secret_create *create, struct hoy_err *err)
{
	auto_(hoy_secret_info_done) struct hoy_secret_info other = { 0 };

	if (create->name && hoy_secret_find(room, create->kind, create->name, &other, NULL) >= 0 &&
		!strcmp(other.name, create->name))
		return hoy_err_conflict(err, "%s %s already exists", hoy_secret_kind_name(create->kind), create->name);
	return 0;
}

/* As swarm's IDs look. */
static void make_id(char id[HOY_SECRET_ID_SIZE])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	unsigned char bytes[HOY_SECRET_ID_SIZE - 1];

	hoy_random(bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		id[i] = letters[bytes[i] % (sizeof letters - 1)];
	id[sizeof bytes] = '\0';
}

static int copy_request(struct hoy_sealing *s, const struct hoy_secret_create *create, struct hoy_err *err)
{
	struct hoy_oci_kv *labels = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < create->n_labels; i++)
		r = hoy_oci_kv_add(
			&labels, &n, create->labels[i].key, create->labels[i].value ? create->labels[i].value : "");
	s->create = (struct hoy_secret_create){ .kind = create->kind,
		.name = create->name ? strdup(create->name) : NULL,
		.labels = labels,
		.n_labels = n };
	return r < 0 || (create->name && !s->create.name) ? hoy_err_oom(err) : 0;
}

int hoy_secret_create(struct hoy_secrets *room, const struct hoy_secret_create *create, hoy_secret_created done,
	void *userdata, struct hoy_err *err)
{
	struct hoy_sealing *s;
	struct hoy_buf plain = { .data = (char *) create->data, .len = create->len };
	int r = check(create, err);

	if (r >= 0)
		r = check_free(room, create, err);
	if (r < 0)
		return r;
	s = calloc(1, sizeof *s);
	if (!s)
		return hoy_err_oom(err);
	*s = (struct hoy_sealing){ .next = room->sealings, .room = room, .output = -EBADF, .done = done };
	s->userdata = userdata;
	room->sealings = s;
	make_id(s->id);
	r = copy_request(s, create, err);
	if (r >= 0)
		r = create->kind == HOY_SECRET ? start(s, create->data, create->len, err) : keep(s, &plain, err);
	if (r < 0)
		sealing_free(s);
	return r;
}
