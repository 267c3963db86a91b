/* The set of secrets and configs: names, rows, labels. */
#include "supervisor/secret/secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/secret/internal.h"
#include "supervisor/store/secrets.h"
#include "supervisor/store/store.h"
#include "supervisor/worker/files/protocol.h"

const char *hoy_secret_kind_name(enum hoy_secret_kind kind)
{
	return kind == HOY_SECRET ? "secret" : "config";
}

/* --- the key ------------------------------------------------------------------------------------------------------ */

static int make_key(struct hoy_secrets *room, struct hoy_err *err)
{
	int64_t sealed = hoy_store_secrets_count(room->store, HOY_SECRET, err);
	unsigned char key[HOY_FILES_KEY_SIZE];
	int r;

	if (sealed < 0)
		return (int) sealed;
	if (sealed > 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOENT,
			"the key of the secrets, '%s', is gone: put it back, or remove all secrets", room->key_path);
	hoy_random(key, sizeof key);
	r = hoy_file_write(AT_FDCWD, room->key_path, key, sizeof key, 0400, HOY_FILE_SYNC, err);
	explicit_bzero(key, sizeof key);
	return r;
}

int hoy_secrets_open_key(struct hoy_secrets *room, struct hoy_err *err)
{
	int fd = open(room->key_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd < 0 && errno == ENOENT) {
		r = make_key(room, err);
		if (r < 0)
			return r;
		fd = open(room->key_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	return fd < 0 ? hoy_err_sys(err, "open '%s'", room->key_path) : fd;
}

int hoy_secrets_memfd(struct hoy_err *err)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	return fd < 0 ? hoy_err_sys(err, "make a file in memory") : fd;
}

int hoy_secrets_open(struct hoy_store *store, struct hoy_volumes *volumes, const char *data_root,
	struct hoy_secrets **ret, struct hoy_err *err)
{
	auto_ptr(hoy_secrets_free) struct hoy_secrets *room = calloc(1, sizeof *room);
	int r;

	if (!room)
		return hoy_err_oom(err);
	room->store = store;
	room->volumes = volumes;
	room->key_path = hoy_path_join(data_root, "secrets.key");
	r = room->key_path ? hoy_store_secrets_init(store, err) : hoy_err_oom(err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(room);
	return 0;
}

void hoy_secrets_free(struct hoy_secrets *room)
{
	if (!room)
		return;
	hoy_sealings_cancel(room);
	free(room->key_path);
	free(room);
}

/* --- rows ------------------------------------------------------------------------------------- */

void hoy_secret_info_done(struct hoy_secret_info *info)
{
	free(info->name);
	for (size_t i = 0; i < info->n_labels; i++) {
		free(info->labels[i].key);
		free(info->labels[i].value);
	}
	free(info->labels);
	*info = (struct hoy_secret_info){ 0 };
}

static int parse_labels(const char *text, struct hoy_secret_info *info, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = text ? hoy_json_parse(text, strlen(text), NULL, &doc, err) : 0;

	hoy_json_each(label, doc)
	{
		const char *value = hoy_json_string(label);

		if (r == 0 &&
			hoy_oci_kv_add(&info->labels, &info->n_labels, hoy_json_key(label), value ? value : "") < 0)
			r = hoy_err_oom(err);
	}
	return r;
}

static struct timespec time_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static int fill(struct hoy_secret_info *info, const struct hoy_secret_row *row, struct hoy_err *err)
{
	*info = (struct hoy_secret_info){ .kind = (enum hoy_secret_kind) row->kind,
		.created = time_of(row->created),
		.updated = time_of(row->updated),
		.version = (uint64_t) row->version };
	(void) memcpy(info->id, row->id, strnlen(row->id, sizeof info->id - 1));
	info->name = strdup(row->name);
	return info->name ? parse_labels(row->labels, info, err) : hoy_err_oom(err);
}

static char *labels_text(const struct hoy_oci_kv *labels, size_t n)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	for (size_t i = 0; i < n; i++)
		hoy_json_add_string(&w, labels[i].key, labels[i].value);
	hoy_json_end(&w);
	return hoy_buf_check(&buf, "labels", NULL) < 0 ? NULL : hoy_buf_take(&buf);
}

/* --- looking ---------------------------------------------------------------------------------- */

struct each {
	hoy_secret_fn each;
	void *userdata;
};

static int on_row(void *userdata, const struct hoy_secret_row *row, struct hoy_err *err)
{
	const struct each *e = userdata;
	auto_(hoy_secret_info_done) struct hoy_secret_info info = { 0 };
	int r = row->name ? fill(&info, row, err) : 0;

	return r == 0 && row->name ? e->each(e->userdata, &info, err) : r;
}

int hoy_secrets_each(
	struct hoy_secrets *room, enum hoy_secret_kind kind, hoy_secret_fn each, void *userdata, struct hoy_err *err)
{
	return hoy_store_secrets_each(room->store, (int) kind, on_row, &(struct each){ each, userdata }, err);
}

/* How well a row fits what was asked for: an ID before a name before the beginning of an ID. */
enum fit { NOT, BY_PREFIX, BY_NAME, BY_ID };

struct search {
	const char *ref;
	enum fit best;
	size_t n; /* that fit so well */
	struct hoy_secret_info *found;
};

static int compare(void *userdata, const struct hoy_secret_row *row, struct hoy_err *err)
{
	struct search *s = userdata;
	enum fit fit = !row->name                                   ? NOT
		       : !strcmp(row->id, s->ref)                   ? BY_ID
		       : !strcmp(row->name, s->ref)                 ? BY_NAME
		       : *s->ref && hoy_str_starts(row->id, s->ref) ? BY_PREFIX
								    : NOT;

	if (fit == NOT || fit < s->best)
		return 0;
	s->n = fit > s->best ? 1 : s->n + 1;
	s->best = fit;
	hoy_secret_info_done(s->found);
	return fill(s->found, row, err);
}

int hoy_secret_find(struct hoy_secrets *room, enum hoy_secret_kind kind, const char *ref, struct hoy_secret_info *ret,
	struct hoy_err *err)
{
	struct search search = { .ref = ref, .found = ret };
	int r;

	*ret = (struct hoy_secret_info){ 0 };
	r = hoy_store_secrets_each(room->store, (int) kind, compare, &search, err);
	if (r >= 0 && search.n == 0)
		return hoy_err_not_found(err, "%s %s not found", hoy_secret_kind_name(kind), ref);
	if (r >= 0 && search.n > 1)
		r = hoy_err_invalid(
			err, "%s %s is ambiguous (%zu matches found)", hoy_secret_kind_name(kind), ref, search.n);
	if (r < 0)
		hoy_secret_info_done(ret);
	return r;
}

int hoy_config_read(struct hoy_secrets *room, const char *id, struct hoy_buf *ret, struct hoy_err *err)
{
	return hoy_store_secret_data(room->store, id, ret, err);
}

/* --- changing --------------------------------------------------------------------------------- */

int hoy_secret_insert(struct hoy_secrets *room, const struct hoy_secret_create *create, const char *id,
	const struct hoy_buf *content, struct hoy_err *err)
{
	auto_free char *labels = labels_text(create->labels, create->n_labels);
	int64_t now = now_ns();
	const struct hoy_secret_row row = { .id = id,
		.kind = (int) create->kind,
		.name = create->name,
		.labels = labels,
		.created = now,
		.updated = now,
		.version = 1 };
	int r = labels ? hoy_store_secret_insert(room->store, &row, content->data, content->len, err)
		       : hoy_err_oom(err);

	if (r == -EEXIST)
		return hoy_err_conflict(err, "%s %s already exists", hoy_secret_kind_name(create->kind), create->name);
	return r;
}

int hoy_secret_set_labels(struct hoy_secrets *room, const struct hoy_secret_info *info, uint64_t version,
	const struct hoy_oci_kv *labels, size_t n_labels, struct hoy_err *err)
{
	auto_free char *text = labels_text(labels, n_labels);
	const struct hoy_secret_row row = {
		.id = info->id, .labels = text, .updated = now_ns(), .version = (int64_t) info->version + 1
	};

	if (!text)
		return hoy_err_oom(err);
	if (version != info->version)
		return hoy_err_conflict(err, "update out of sequence");
	return hoy_store_secret_update(room->store, &row, err);
}

int hoy_secret_remove(struct hoy_secrets *room, const char *id, struct hoy_err *err)
{
	return hoy_store_secret_delete(room->store, id, err);
}

struct sweep {
	bool (*is_used)(void *userdata, const char *id);
	void *userdata;
	char **unused;
};

static int judge(void *userdata, const struct hoy_secret_row *row, struct hoy_err *err)
{
	struct sweep *sweep = userdata;

	if (row->name || sweep->is_used(sweep->userdata, row->id))
		return 0;
	return hoy_strv_add(&sweep->unused, row->id) < 0 ? hoy_err_oom(err) : 0;
}

int hoy_secrets_sweep(
	struct hoy_secrets *room, bool (*is_used)(void *userdata, const char *id), void *userdata, struct hoy_err *err)
{
	struct sweep sweep = { is_used, userdata, NULL };
	int r = hoy_store_secrets_each(room->store, HOY_SECRET, judge, &sweep, err);

	if (r >= 0)
		r = hoy_store_secrets_each(room->store, HOY_CONFIG, judge, &sweep, err);
	for (char **id = sweep.unused; r >= 0 && id && *id; id++)
		r = hoy_secret_remove(room, *id, err);
	hoy_strv_free(sweep.unused);
	return r;
}
