/*
 * hoy-files: the worker that reads and writes files inside containers and volumes: cp, diff, the content of new
 * volumes, sizes. Serves one request of hoyd's (protocol.h) and exits. Everything it links is loaded before it enters a
 * container, and nothing of the container is ever executed or loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/files/files.h"
#include "supervisor/worker/files/protocol.h"
#include "supervisor/worker/files/view.h"
#include "supervisor/worker/layer/confine.h"
#include "supervisor/worker/layer/stream.h"

#define INPUT_MAX ((uint64_t) 1 << 40)

struct worker {
	struct hoy_json *request;
	int namespace, donor, input, output, target, remotes, key,
		data; /* what came with the request; -EBADF: nothing */
	struct hoy_layer_stream *stream;
	struct hoy_view view;
};

static int send_reply(const struct hoy_files_reply *reply, size_t len, struct hoy_err *err)
{
	ssize_t n = hoy_fd_send(HOY_FILES_SOCKET_FD, reply, len, /* fds= */ NULL, 0);

	return n < 0 ? hoy_err_code(err, (int) n, "tell hoyd") : 0;
}

static const char *text_of(const struct worker *w, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(w->request, key));

	return text ? text : "";
}

static bool flag_of(const struct worker *w, const char *key)
{
	return hoy_json_bool(hoy_json_get(w->request, key));
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static int take_fds(struct worker *w, int *fds, size_t n, struct hoy_err *err)
{
	const struct {
		const char *name;
		int *fd;
	} places[] = { { "namespace", &w->namespace }, { "donor", &w->donor }, { "input", &w->input },
		{ "output", &w->output }, { "target", &w->target }, { "remotes", &w->remotes }, { "key", &w->key },
		{ "data", &w->data } };
	size_t used = 0;

	hoy_json_each(name, hoy_json_get(w->request, "fds"))
	{
		for (size_t i = 0; used < n && i < ARRAY_LEN(places); i++)
			if (hoy_str_eq(hoy_json_string(name), places[i].name) && *places[i].fd < 0) {
				*places[i].fd = fds[used++];
				break;
			}
	}
	if (used == n && used == hoy_json_len(hoy_json_get(w->request, "fds")))
		return 0;
	while (n > used)
		hoy_fd_close(&fds[--n]);
	return hoy_err_code(err, -EPROTO, "request without its descriptors");
}

static int receive_request(struct worker *w, struct hoy_err *err)
{
	auto_free char *packet = malloc(HOY_FILES_REQUEST_MAX);
	int fds[HOY_FD_PASS_MAX];
	size_t n_fds = HOY_FD_PASS_MAX;
	ssize_t n;
	int r;

	if (!packet)
		return hoy_err_oom(err);
	n = hoy_fd_recv(HOY_FILES_SOCKET_FD, packet, HOY_FILES_REQUEST_MAX, fds, &n_fds);
	if (n <= 0)
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "receive the request");
	r = hoy_json_parse(packet, (size_t) n, /* limits= */ NULL, &w->request, err);
	if (r == 0)
		return take_fds(w, fds, n_fds, err);
	while (n_fds > 0)
		hoy_fd_close(&fds[--n_fds]);
	return r;
}

/* --- the operations --------------------------------------------------------------------------- */

static int send_stat(const struct hoy_files_target *target, struct hoy_err *err)
{
	struct hoy_files_reply reply = { .type = HOY_FILES_STAT, .stat = target->reply };

	return send_reply(&reply, HOY_FILES_REPLY_SIZE(stat), err);
}

static int op_stat(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	auto_(hoy_files_target_done) struct hoy_files_target target;
	int r = hoy_files_find(&w->view, text_of(w, "path"), &target, err);

	(void) bytes;
	return r < 0 ? r : send_stat(&target, err);
}

static int op_get(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	auto_(hoy_files_target_done) struct hoy_files_target target;
	int r = hoy_files_find(&w->view, text_of(w, "path"), &target, err);

	(void) bytes;
	if (r == 0)
		r = send_stat(&target, err);
	return r < 0 ? r : hoy_files_pack(&w->view, &target, flag_of(w, "sparse"), w->output, err);
}

/* The id of the mount that `fd` is on, to tell the root's from a volume's. */
static uint64_t mount_of(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 ? st.stx_mnt_id : 0;
}

static int refuse_read_only(const struct worker *w, int dir, struct hoy_err *err)
{
	return hoy_err_set(err, HOY_ERR_INVALID, EROFS, "%s",
		mount_of(dir) == mount_of(w->view.root) ? "container rootfs is marked read-only"
							: "mounted volume is marked read-only");
}

static bool is_read_only(int dir)
{
	struct statfs fs;

	return fstatfs(dir, &fs) == 0 && (fs.f_flags & ST_RDONLY);
}

static int parse_owner(const struct worker *w, struct hoy_files_put *how, struct hoy_err *err)
{
	const char *text = text_of(w, "chown");
	auto_ptr(hoy_strv_free) char **ids = hoy_str_split(text, ':');

	if (!*text)
		return 0;
	how->chown = true;
	if (ids && hoy_strv_len(ids) == 2 && hoy_str_to_uint(ids[0], &how->uid) == 0 &&
		hoy_str_to_uint(ids[1], &how->gid) == 0)
		return 0;
	return hoy_err_code(err, -EPROTO, "owner '%s'", text);
}

/* What was told is on the disk. */
static int sync_if_asked(const struct worker *w, int dir, struct hoy_err *err)
{
	return flag_of(w, "sync") && syncfs(dir) < 0 ? hoy_err_sys(err, "write the files to the disk") : 0;
}

static int op_put(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	struct hoy_files_put how = { .no_overwrite = flag_of(w, "no_overwrite"), .with_root = flag_of(w, "with_root") };
	auto_free char *path = hoy_str_printf("/%s", text_of(w, "path"));
	auto_fd int found = -EBADF, dir = -EBADF;
	struct stat st;
	int r = path ? parse_owner(w, &how, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	found = hoy_path_open_in_root(w->view.root, path, O_PATH, 0, err);
	if (found < 0)
		return found;
	if (fstat(found, &st) < 0 || !S_ISDIR(st.st_mode))
		return hoy_err_invalid(err, "extraction point is not a directory");
	if (is_read_only(found))
		return refuse_read_only(w, found, err);
	dir = hoy_view_reopen(&w->view, found, err);
	r = dir < 0 ? dir : hoy_files_unpack(dir, w->stream, &how, bytes, err);
	return r < 0 ? r : sync_if_asked(w, dir, err);
}

static int op_copy(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	auto_fd int found = hoy_path_open_in_root(w->view.root, text_of(w, "path"), O_PATH | O_DIRECTORY, 0, NULL);
	auto_fd int from = -EBADF;
	int r;

	if (found < 0) /* nothing, or no directory: there is nothing to copy */
		return 0;
	if (flag_of(w, "only_if_empty") && !hoy_files_is_empty(w->target))
		return 0;
	from = hoy_view_reopen(&w->view, found, err);
	r = from < 0 ? from : hoy_files_copy(&w->view, from, w->target, bytes, err);
	return r < 0 ? r : sync_if_asked(w, w->target, err);
}

static int op_changes(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	(void) bytes;
	return hoy_files_changes(&w->view, w->output, err);
}

static int op_usage(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	int r = hoy_layer_restrict(err);

	(void) bytes;
	hoy_json_each(dir, hoy_json_get(w->request, "dirs"))
	{
		struct hoy_files_reply reply = { .type = HOY_FILES_SIZE };

		if (r < 0)
			return r;
		reply.size = hoy_files_usage(hoy_json_string(dir) ? hoy_json_string(dir) : "");
		r = send_reply(&reply, HOY_FILES_REPLY_SIZE(size), err);
	}
	return r;
}

static int op_build(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	return hoy_files_build(
		&w->view, w->request, w->view.other >= 0 ? w->view.other : w->target, w->remotes, bytes, err);
}

static int op_mount(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	(void) bytes;
	return hoy_files_mount(w->request, err);
}

static int op_seal(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	int r = hoy_layer_restrict(err);

	(void) bytes;
	return r < 0 ? r : hoy_files_seal(w->request, w->key, w->data, w->output, err);
}

static int op_secrets(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	(void) bytes;
	return hoy_files_place_secrets(w->request, w->key, w->data, w->namespace, err);
}

static int op_shm(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	(void) bytes;
	return hoy_files_share_shm(w->donor, w->namespace, err);
}

struct op {
	const char *name;
	int (*run)(struct worker *w, uint64_t *bytes, struct hoy_err *err);
	bool has_view;
	const int *needs[3];
};

static int open_stream(struct worker *w, struct hoy_err *err)
{
	const struct hoy_layer_stream_options options = {
		.fd = w->input, .copy_fd = -EBADF, .max_bytes = INPUT_MAX, .no_digests = true
	};

	return w->input < 0 ? 0 : hoy_layer_stream_new(&options, &w->stream, err);
}

/* A layer that is not there is not the file that was asked for. */
static int enter_view(struct worker *w, struct hoy_err *err)
{
	struct hoy_err why = { 0 };
	char text[HOY_ERR_TEXT_MAX];

	if (hoy_view_enter(w->request, w->namespace, &w->view, &why) == 0)
		return 0;
	return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "%s", hoy_err_text(&why, text, sizeof text));
}

static int run(struct worker *w, uint64_t *bytes, struct hoy_err *err)
{
	const struct op ops[] = {
		{ "stat", op_stat, true, { NULL } },
		{ "get", op_get, true, { &w->output } },
		{ "put", op_put, true, { &w->input } },
		{ "copy", op_copy, true, { &w->target } },
		{ "build", op_build, true, { NULL } },
		{ "changes", op_changes, true, { &w->output } },
		{ "usage", op_usage, false, { NULL } },
		{ "mount", op_mount, false, { NULL } },
		{ "seal", op_seal, false, { &w->key, &w->data, &w->output } },
		{ "shm", op_shm, false, { &w->donor, &w->namespace } },
		{ "secrets", op_secrets, false, { &w->namespace, &w->data } },
	};
	int r = receive_request(w, err);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(ops); i++) {
		if (strcmp(text_of(w, "op"), ops[i].name) != 0)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(ops[i].needs); k++)
			if (ops[i].needs[k] && *ops[i].needs[k] < 0)
				return hoy_err_code(err, -EPROTO, "request without its descriptors");
		r = open_stream(w, err);
		if (r == 0 && ops[i].has_view)
			r = enter_view(w, err);
		if (r == 0 && ops[i].has_view)
			r = hoy_layer_restrict(err);
		return r < 0 ? r : ops[i].run(w, bytes, err);
	}
	return r < 0 ? r : hoy_err_code(err, -EPROTO, "unknown request '%s'", text_of(w, "op"));
}

int main(void)
{
	struct worker w = { .namespace = -EBADF,
		.donor = -EBADF,
		.input = -EBADF,
		.output = -EBADF,
		.target = -EBADF,
		.remotes = -EBADF,
		.key = -EBADF,
		.data = -EBADF };
	struct hoy_files_reply reply = { .type = HOY_FILES_DONE };
	struct hoy_err err = { 0 };
	struct stat st;
	int r;

	if (fstat(HOY_FILES_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void) fprintf(stderr, "hoy-files: a helper of hoyd, which starts it with a socket; see hoyd(8)\n");
		return 2;
	}
	(void) hoy_fd_set_cloexec(HOY_FILES_SOCKET_FD, true);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) umask(0);
	/* File names are bytes, but libarchive converts those of pax archives from UTF-8 to the locale's charset. */
	(void) setlocale(LC_CTYPE, "C.UTF-8");

	r = run(&w, &reply.bytes, &err);
	if (r < 0) {
		reply = (struct hoy_files_reply){ .type = HOY_FILES_ERROR, .err = err };
		(void) send_reply(&reply, HOY_FILES_REPLY_SIZE(err), /* err= */ NULL);
		_exit(EXIT_FAILURE);
	}
	r = send_reply(&reply, HOY_FILES_REPLY_SIZE(bytes), /* err= */ NULL);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
