#include "supervisor/build/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/log.h"
#include "base/path.h"
#include "base/redact.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/fetch_run.h"
#include "supervisor/image/image.h"
#include "supervisor/image/registry.h"
#include "supervisor/image/worker_run.h"
#include "supervisor/store/builds.h"
#include "supervisor/worker/git/protocol.h"

#define FILE_NAME "download" /* until it gets its own, or where it has none */

struct hoy_build_bringing {
	struct hoy_builds *builds;
	char *url, *checksum;
	struct hoy_build_origin origin;
	char etag[HOY_FETCH_NAME_MAX];
	char *dir; /* what is brought into; NULL: nothing is */
	struct hoy_fetch_run *fetch;
	struct hoy_worker_run *git;
	struct hoy_git_reply reply;
	hoy_build_brought done;
	void *userdata;
};

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static bool is_http(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

/* "git://host/x", "https://host/x.git#ref:dir", "github.com/x/y". */
static bool is_git(const char *text)
{
	size_t len = strcspn(text, "#?");

	if (hoy_str_starts(text, "git://") || hoy_str_starts(text, "github.com/"))
		return true;
	return is_http(text) && len > 4 && strncmp(text + len - 4, ".git", 4) == 0;
}

static bool is_ssh(const char *text)
{
	return hoy_str_starts(text, "git@") || hoy_str_starts(text, "ssh://");
}

bool hoy_build_is_url(const char *text)
{
	return is_http(text) || is_git(text) || is_ssh(text);
}

bool hoy_build_is_repository(const char *url)
{
	return is_git(url) || is_ssh(url);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void drop(struct hoy_build_bringing *b, char **path)
{
	if (*path)
		hoy_images_drop_dir(b->builds->options.images, *path);
	free(*path);
	*path = NULL;
}

struct hoy_build_bringing *hoy_build_bringing_free(struct hoy_build_bringing *b)
{
	if (!b)
		return NULL;
	b->fetch = hoy_fetch_run_free(b->fetch);
	b->git = hoy_worker_run_free(b->git);
	drop(b, &b->dir);
	drop(b, &b->origin.tree);
	free(b->url);
	free(b->checksum);
	free(b);
	return NULL;
}

static void tell(struct hoy_build_bringing *b, const struct hoy_err *err)
{
	struct hoy_build_origin origin = b->origin;
	hoy_build_brought done = b->done;
	void *userdata = b->userdata;
	struct hoy_err own = { 0 };

	if (err)
		own = *err;
	else
		b->origin.tree = NULL;
	hoy_err_redact(&own);
	(void) hoy_build_bringing_free(b);
	if (err)
		origin.tree = NULL;
	done(err ? &own : NULL, &origin, userdata);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* What the server gave an ETag for need not come again; credentials are written nowhere. */
static void remember(struct hoy_build_bringing *b)
{
	const struct hoy_store_build_file file = { .url = b->url,
		.etag = b->etag,
		.digest = b->origin.digest,
		.name = b->origin.name,
		.modified = b->origin.modified };
	struct hoy_err err = { 0 };

	if (*b->etag && !hoy_has_credentials(b->url) &&
		hoy_store_build_file_set(b->builds->options.store, &file, &err) < 0)
		hoy_log_ignored(&err, "remember what is at '%s'", b->url);
}

static int check_digest(const struct hoy_build_bringing *b, struct hoy_err *err)
{
	if (!*b->checksum || strcasecmp(b->checksum, b->origin.digest) == 0)
		return 0;
	return hoy_err_invalid(
		err, "digest mismatch for '%s': it is %s, expected %s", b->url, b->origin.digest, b->checksum);
}

/* Its name, mode and time. */
static int finish_file(struct hoy_build_bringing *b, struct hoy_err *err)
{
	const struct timespec times[2] = { { .tv_sec = b->origin.modified }, { .tv_sec = b->origin.modified } };
	auto_fd int dir = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	b->origin.is_named = hoy_path_is_component(b->origin.name);
	if (!b->origin.is_named)
		(void) snprintf(b->origin.name, sizeof b->origin.name, "%s", FILE_NAME);
	if (dir < 0 || renameat(dir, FILE_NAME, dir, b->origin.name) < 0 ||
		utimensat(dir, b->origin.name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "keep the file of '%s'", b->url);
	b->origin.tree = TAKE_PTR(b->dir);
	remember(b);
	return 0;
}

static int on_head(const struct hoy_fetch_packet *packet, void *userdata, struct hoy_err *err)
{
	struct hoy_build_bringing *b = userdata;

	(void) err;
	if (packet->type != HOY_FETCH_HEAD)
		return 0;
	(void) snprintf(b->origin.name, sizeof b->origin.name, "%s", packet->head.name);
	(void) snprintf(b->etag, sizeof b->etag, "%s", packet->head.etag);
	b->origin.modified = packet->head.modified;
	return 0;
}

static void on_fetched(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct hoy_build_bringing *b = userdata;
	struct hoy_err err = { 0 };
	int r = 0;

	if (failed) {
		tell(b, failed);
		return;
	}
	if (done->how != HOY_FETCH_EXISTED) {
		(void) snprintf(b->origin.digest, sizeof b->origin.digest, "%s", done->blob.digest);
		r = finish_file(b, &err);
	}
	if (r == 0)
		r = check_digest(b, &err);
	tell(b, r < 0 ? &err : NULL);
}

static int on_known(const struct hoy_store_build_file *file, void *userdata, struct hoy_err *err)
{
	struct hoy_build_bringing *b = userdata;

	(void) err;
	(void) snprintf(b->etag, sizeof b->etag, "%s", file->etag);
	(void) snprintf(b->origin.digest, sizeof b->origin.digest, "%s", file->digest);
	(void) snprintf(b->origin.name, sizeof b->origin.name, "%s", file->name);
	b->origin.is_named = strcmp(file->name, FILE_NAME) != 0;
	b->origin.modified = file->modified;
	return 0;
}

static int start_file(struct hoy_build_bringing *b, bool content, struct hoy_err *err)
{
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *request = NULL;
	auto_free char *helper = NULL;
	auto_fd int dir = -EBADF, file = -EBADF;
	int r = hoy_images_url_request(b->builds->options.images, b->url, &request, err);

	if (r == 0)
		r = hoy_images_new_dir(b->builds->options.images, &b->dir, err);
	if (r == 0 && !content)
		r = hoy_store_build_file_find(b->builds->options.store, b->url, on_known, b, err);
	if (r < 0)
		return r;
	if (*b->etag) {
		request->etag = strdup(b->etag);
		request->known = strdup(b->origin.digest);
		if (!request->etag || !request->known)
			return hoy_err_oom(err);
	}
	dir = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = dir < 0 ? -1 : openat(dir, FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return hoy_err_sys(err, "make a file for '%s'", b->url);
	r = hoy_helper_find("hoy-fetch", HOY_HELPER_LIBEXEC, &helper, err);
	return r < 0 ? r
		     : hoy_fetch_run_start(&(struct hoy_fetch_run_options){ .loop = b->builds->options.loop,
						   .helper = helper,
						   .on_packet = on_head,
						   .on_done = on_fetched,
						   .userdata = b,
						   .output = file },
			       request, &b->fetch, err);
}

/* --- repositories ------------------------------------------------------------------------------------------------- */

static int on_reply(size_t len, void *userdata, struct hoy_err *err)
{
	struct hoy_build_bringing *b = userdata;
	int r = hoy_git_reply_check(&b->reply, len, err);

	if (r < 0)
		return r;
	if (b->reply.type == HOY_GIT_ERROR)
		return hoy_err_import(err, &b->reply.err);
	(void) snprintf(b->origin.digest, sizeof b->origin.digest, "git:%s", b->reply.commit);
	return 1;
}

/* Whatever a stranger's files made of it: onto a directory only a directory can be renamed. */
static int take_tree(struct hoy_build_bringing *b, struct hoy_err *err)
{
	auto_free char *from = hoy_path_join(b->dir, HOY_GIT_TREE);
	int r = from ? hoy_images_new_dir(b->builds->options.images, &b->origin.tree, err) : hoy_err_oom(err);

	if (r == 0 && rename(from, b->origin.tree) < 0)
		r = hoy_err_sys(err, "take the repository '%s'", b->url);
	return r;
}

static void on_git_end(const struct hoy_err *failed, void *userdata)
{
	struct hoy_build_bringing *b = userdata;
	struct hoy_err err = { 0 };

	if (failed)
		tell(b, failed);
	else
		tell(b, b->dir && take_tree(b, &err) < 0 ? &err : NULL);
}

/* "URL#ref:dir" */
static int print_git(const struct hoy_build_bringing *b, const struct hoy_build_origin_wanted *wanted,
	const struct hoy_fetch_request *settings, struct hoy_buf *text, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = text };
	size_t len = strcspn(b->url, "#");
	const char *ref = b->url[len] ? b->url + len + 1 : "", *dir = strchr(ref, ':');
	auto_free char *base = strndup(b->url, len), *name = strndup(ref, strcspn(ref, ":"));
	auto_free char *url = NULL;

	if (!base || !name)
		return hoy_err_oom(err);
	if (strchr(base, '?'))
		return hoy_err_unsupported(
			err, "'%s': a query of a repository's URL is not supported: #ref:dir is", b->url);
	url = hoy_str_starts(base, "github.com/") ? hoy_str_printf("https://%s", base) : strdup(base);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "url", url);
	hoy_json_add_string(&w, "ref", name);
	hoy_json_add_string(&w, "subdir", dir ? dir + 1 : "");
	hoy_json_add_string(&w, "checksum", b->checksum);
	hoy_json_add_bool(&w, "keep_git_dir", wanted->keep_git_dir);
	hoy_json_add_string(&w, "http_proxy", settings->http_proxy);
	hoy_json_add_string(&w, "https_proxy", settings->https_proxy);
	hoy_json_add_string(&w, "no_proxy", settings->no_proxy);
	hoy_json_end(&w);
	return hoy_buf_check(text, "request", err);
}

static int start_git(struct hoy_build_bringing *b, const struct hoy_build_origin_wanted *wanted, struct hoy_err *err)
{
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *settings = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_GIT_REQUEST_MAX };
	auto_free char *helper = NULL;
	auto_fd int dir = -EBADF;
	int r = hoy_images_url_request(b->builds->options.images, b->url, &settings, err);

	b->origin.is_git = true;
	if (r == 0)
		r = print_git(b, wanted, settings, &text, err);
	if (r == 0 && wanted->content)
		r = hoy_images_new_dir(b->builds->options.images, &b->dir, err);
	if (r == 0)
		r = hoy_helper_find("hoy-git", HOY_HELPER_LIBEXEC, &helper, err);
	if (r < 0)
		return r;
	if (b->dir && (dir = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return hoy_err_sys(err, "open a directory for '%s'", b->url);
	r = hoy_worker_run_start(&(struct hoy_worker_run_options){ .loop = b->builds->options.loop,
					 .name = "hoy-git",
					 .path = helper,
					 .packet = &b->reply,
					 .packet_size = sizeof b->reply,
					 .on_packet = on_reply,
					 .on_end = on_git_end,
					 .userdata = b },
		&b->git, err);
	return r < 0 ? r : hoy_worker_run_send(b->git, text.data, text.len, &dir, dir >= 0, err);
}

int hoy_build_bring(struct hoy_builds *builds, const struct hoy_build_origin_wanted *wanted, hoy_build_brought done,
	void *userdata, struct hoy_build_bringing **ret, struct hoy_err *err)
{
	struct hoy_build_bringing *b;
	int r;

	if (is_ssh(wanted->url)) {
		r = hoy_err_unsupported(err,
			"'%s': git over ssh is not supported by this version of Hoy: https:// and git:// are",
			wanted->url);
		hoy_err_redact(err);
		return r;
	}
	b = calloc(1, sizeof *b);
	if (!b)
		return hoy_err_oom(err);
	b->builds = builds;
	b->done = done;
	b->userdata = userdata;
	b->url = strdup(wanted->url);
	b->checksum = strdup(wanted->checksum ? wanted->checksum : "");
	r = !b->url || !b->checksum ? hoy_err_oom(err)
	    : is_git(b->url)        ? start_git(b, wanted, err)
				    : start_file(b, wanted->content, err);
	if (r < 0) {
		(void) hoy_build_bringing_free(b);
		hoy_err_redact(err);
		return r;
	}
	*ret = b;
	return 0;
}
