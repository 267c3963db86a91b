/*
 * Secrets and configs of containers: HostConfig.Secrets and .Configs, in the form in which a swarm's services name
 * theirs. One that has "Data" instead of a name is the container's own: its content goes to the secret room before the
 * container is made, and with the container. At every start all are put in their places by the secret room, once the
 * runtime has made the mount namespace and before anything of the image runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/secret/secret.h"

/* Both lists, one behind the other. */
static struct hoy_container_secret *entry(
	const struct hoy_container_host_config *host, size_t i, enum hoy_secret_kind *ret_kind)
{
	*ret_kind = i < host->n_secrets ? HOY_SECRET : HOY_CONFIG;
	return i < host->n_secrets ? &host->secrets[i] : &host->configs[i - host->n_secrets];
}

static size_t n_entries(const struct hoy_container_host_config *host)
{
	return host->n_secrets + host->n_configs;
}

static bool is_given(const char *text)
{
	return text && *text;
}

/* A content of the container's own; "" is one too. */
static bool is_own(const struct hoy_container_secret *s)
{
	return !is_given(s->name);
}

/* --- what is asked for ------------------------------------------------------------------------ */

char *hoy_container_secret_target(const struct hoy_container_host_config *host, size_t i)
{
	enum hoy_secret_kind kind;
	const struct hoy_container_secret *s = entry(host, i, &kind);
	const char *name = s->file && is_given(s->file->name) ? s->file->name : s->name;
	auto_free char *path = NULL;

	if (!is_given(name))
		return strdup("/");
	path = *name == '/' ? strdup(name) : hoy_str_printf("%s%s", kind == HOY_SECRET ? "/run/secrets/" : "/", name);
	return path ? hoy_path_clean(path) : NULL;
}

static int id_of(const char *text, const char *field, uint32_t *ret, struct hoy_err *err)
{
	unsigned int id = 0;

	if (is_given(text) && (hoy_str_to_uint(text, &id) < 0 || id == UINT32_MAX))
		return hoy_err_invalid(err, "%s: '%s' is no number of a user or group", field, text);
	*ret = id;
	return 0;
}

static int describe(const struct hoy_container_secret *s, enum hoy_secret_kind kind, struct hoy_secret_file *ret,
	struct hoy_err *err)
{
	const struct hoy_container_secret_file *file = s->file;
	int r;

	*ret = (struct hoy_secret_file){ .id = s->id, .kind = kind, .name = is_own(s) ? "of its own" : s->name };
	ret->mode = file && file->mode ? *file->mode : 0444;
	if (ret->mode > 0777)
		return hoy_err_invalid(err, "File.Mode: %#o are no permissions of a file", ret->mode);
	r = id_of(file ? file->uid : NULL, "File.UID", &ret->uid, err);
	return r < 0 ? r : id_of(file ? file->gid : NULL, "File.GID", &ret->gid, err);
}

int hoy_container_secrets_check(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	for (size_t i = 0; i < n_entries(host); i++) {
		enum hoy_secret_kind kind;
		const struct hoy_container_secret *s = entry(host, i, &kind);
		const char *list = kind == HOY_SECRET ? "Secrets" : "Configs", *what = hoy_secret_kind_name(kind);
		auto_free char *target = hoy_container_secret_target(host, i);
		struct hoy_secret_file file;
		int r = describe(s, kind, &file, err);

		if (!target)
			return hoy_err_oom(err);
		if (r < 0)
			return hoy_err_wrap(err, "HostConfig.%s", list);
		if (s->data ? is_given(s->name) || is_given(s->id) : !is_given(s->name) && !is_given(s->id))
			return hoy_err_invalid(err, "HostConfig.%s: a %s has either a name or Data", list, what);
		if (!strcmp(target, "/") && (s->data || is_given(s->name) || (s->file && is_given(s->file->name))))
			return hoy_err_invalid(err, "HostConfig.%s: a %s needs a file name in File.Name", list, what);
	}
	return 0;
}

/* Which ones are meant: from here on each has its ID, and those that are not the container's own their name. */
int hoy_container_secrets_resolve(struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_container_host_config *host = &c->config->host;

	for (size_t i = 0; i < n_entries(host); i++) {
		enum hoy_secret_kind kind;
		struct hoy_container_secret *s = entry(host, i, &kind);
		auto_(hoy_secret_info_done) struct hoy_secret_info info = { 0 };
		const char *ref = is_given(s->id) ? s->id : s->name;
		struct hoy_err why = { 0 };
		int r = s->own ? 0 : hoy_secret_find(c->room->options.secrets, kind, ref, &info, &why);

		/* "not found" of a create means the image */
		if (r == -ENOENT)
			return hoy_err_invalid(err, "%s not found: %s", hoy_secret_kind_name(kind), ref);
		if (r < 0)
			return hoy_err_import(err, &why);
		if (s->own)
			continue;
		free(s->id);
		free(s->name);
		s->id = strdup(info.id);
		s->name = TAKE_PTR(info.name);
		if (!s->id)
			return hoy_err_oom(err);
	}
	return 0;
}

const char *hoy_containers_secret_user(const struct hoy_containers *room, const char *id)
{
	for (size_t i = 0; i < room->n; i++) {
		const struct hoy_container_host_config *host = &room->list[i]->config->host;

		for (size_t k = 0; k < n_entries(host); k++) {
			enum hoy_secret_kind kind;

			if (hoy_str_eq(entry(host, k, &kind)->id, id))
				return room->list[i]->info.name;
		}
	}
	return NULL;
}

/* --- contents of its own ---------------------------------------------------------------------- */

/* A creation whose contents are being sealed, one after the other. */
struct contents {
	struct hoy_containers *room;
	struct hoy_secrets *secrets;
	char *name;
	struct hoy_container_config *config;
	hoy_container_created done;
	void *userdata;
	size_t at; /* the entry that is worked on */
};

static void remove_own(struct hoy_secrets *secrets, const struct hoy_container_host_config *host)
{
	for (size_t i = 0; i < n_entries(host); i++) {
		enum hoy_secret_kind kind;
		const struct hoy_container_secret *s = entry(host, i, &kind);
		struct hoy_err err = { 0 };

		if (s->own && s->id && hoy_secret_remove(secrets, s->id, &err) < 0)
			hoy_log_ignored(&err, "remove a %s of a container's own", hoy_secret_kind_name(kind));
	}
}

static void contents_failed(struct contents *contents, const struct hoy_err *err)
{
	remove_own(contents->secrets, &contents->config->host);
	contents->done(contents->userdata, err, NULL, NULL);
	hoy_container_config_free(contents->config);
	free(contents->name);
	free(contents);
}

static int seal_next(struct contents *contents, struct hoy_err *err);

static void on_sealed(void *userdata, const struct hoy_err *failed, const char *id)
{
	struct contents *contents = userdata;
	enum hoy_secret_kind kind;
	struct hoy_container_secret *s = entry(&contents->config->host, contents->at, &kind);
	struct hoy_err err = { 0 };
	int r = failed ? hoy_err_import(&err, failed) : 0;

	if (r == 0) {
		s->own = true;
		free(s->id);
		s->id = strdup(id);
		r = s->id ? seal_next(contents, &err) : hoy_err_oom(&err);
	}
	if (r < 0)
		contents_failed(contents, &err);
}

static int seal(
	struct contents *contents, struct hoy_container_secret *s, enum hoy_secret_kind kind, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf data = { 0 };
	int r = hoy_base64_decode(&data, s->data);

	explicit_bzero(s->data, strlen(s->data));
	free(s->data);
	s->data = NULL;
	if (r < 0)
		return hoy_err_invalid(err, "HostConfig: the Data of a %s is not base64", hoy_secret_kind_name(kind));
	r = hoy_secret_create(contents->secrets,
		&(struct hoy_secret_create){ .kind = kind, .data = data.data ? data.data : "", .len = data.len },
		on_sealed, contents, err);
	if (data.data)
		explicit_bzero(data.data, data.len);
	return r;
}

static int seal_next(struct contents *contents, struct hoy_err *err)
{
	struct hoy_container_host_config *host = &contents->config->host;
	int r;

	for (size_t i = 0; i < n_entries(host); i++) {
		enum hoy_secret_kind kind;
		struct hoy_container_secret *s = entry(host, i, &kind);

		if (!s->data)
			continue;
		contents->at = i;
		return seal(contents, s, kind, err);
	}
	r = hoy_container_create_on(contents->room, /* base= */ NULL, contents->name, contents->config, contents->done,
		contents->userdata, err);
	if (r >= 0) {
		free(contents->name);
		free(contents);
	}
	return r;
}

int hoy_container_create(struct hoy_containers *room, const char *name, struct hoy_container_config *config,
	hoy_container_created done, void *userdata, struct hoy_err *err)
{
	struct contents *contents;
	bool any = false;
	int r;

	for (size_t i = 0; i < n_entries(&config->host); i++) {
		enum hoy_secret_kind kind;
		struct hoy_container_secret *s = entry(&config->host, i, &kind);

		s->own = false; /* nobody says so but we */
		any = any || s->data;
	}
	if (!any)
		return hoy_container_create_on(room, /* base= */ NULL, name, config, done, userdata, err);
	contents = calloc(1, sizeof *contents);
	if (!contents)
		return hoy_err_oom(err);
	*contents = (struct contents){ .room = room, .config = config, .done = done, .userdata = userdata };
	contents->secrets = room->options.secrets;
	contents->name = name ? strdup(name) : NULL;
	r = name && !contents->name ? hoy_err_oom(err) : seal_next(contents, err);
	if (r < 0) {
		free(contents->name);
		free(contents);
	}
	return r;
}

void hoy_container_secrets_remove(struct hoy_container *c)
{
	remove_own(c->room->options.secrets, &c->config->host);
}

static bool is_used(void *userdata, const char *id)
{
	return hoy_containers_secret_user(userdata, id) != NULL;
}

int hoy_containers_secrets_sweep(struct hoy_containers *room, struct hoy_err *err)
{
	return hoy_secrets_sweep(room->options.secrets, is_used, room, err);
}

/* --- at a start ------------------------------------------------------------------------------- */

static int describe_all(
	const struct hoy_container *c, struct hoy_secret_file *files, char **targets, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &c->config->host;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < n_entries(host); i++) {
		enum hoy_secret_kind kind;
		const struct hoy_container_secret *s = entry(host, i, &kind);

		r = describe(s, kind, &files[i], err);
		files[i].target = targets[i] = hoy_container_secret_target(host, i);
		if (!targets[i])
			r = hoy_err_oom(err);
	}
	return r;
}

bool hoy_container_has_secrets(const struct hoy_container *c)
{
	return n_entries(&c->config->host) > 0;
}

int hoy_container_secrets_place(
	struct hoy_container *c, void (*done)(void *userdata, const struct hoy_err *err), struct hoy_err *err)
{
	size_t n = n_entries(&c->config->host);
	auto_free struct hoy_secret_file *files = calloc(n + 1, sizeof *files);
	auto_ptr(hoy_strv_free) char **targets = calloc(n + 1, sizeof *targets);
	auto_free char *path = hoy_str_printf("/proc/%d/ns/mnt", (int) c->info.pid);
	auto_fd int namespace = -EBADF;
	int r;

	if (!files || !targets || !path)
		return hoy_err_oom(err);
	r = describe_all(c, files, targets, err);
	if (r < 0)
		return r;
	namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return hoy_err_sys(err, "open '%s'", path);
	return hoy_secrets_place(c->room->options.secrets, files, n, namespace, done, c, &c->placing, err);
}

/* An empty file for the runtime to mount where the contents will be. */
int hoy_container_secrets_prepare(const struct hoy_container *c, struct hoy_err *err)
{
	auto_free char *path = hoy_container_empty_file(c);
	auto_fd int fd = -EBADF;

	if (!path)
		return hoy_err_oom(err);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	return fd < 0 ? hoy_err_sys(err, "make '%s'", path) : 0;
}

char *hoy_container_empty_file(const struct hoy_container *c)
{
	return hoy_path_join(c->bundle, "empty");
}
