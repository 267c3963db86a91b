/*
 * The result of a build to the client, by BuildKit's FileSend.DiffCopy. What hoyd gives is a tar, on a pipe: the client
 * gets it as it is, or as files. For those it is unpacked into the worker's root; the packets are fsutil's: the list of
 * all in the order of a walk, then the content of what is asked for by its number in the list.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "base/wire.h"
#include "supervisor/worker/build/grpc.h"
#include "supervisor/worker/build/session_internal.h"
#include "supervisor/worker/layer/apply.h"
#include "supervisor/worker/layer/stream.h"

#define METHOD "/moby.filesync.v1.FileSend/DiffCopy"
#define UNSENT_MAX ((size_t) 1 << 20)
#define BLOCK ((size_t) 32 << 10)
#define DEPTH_MAX 256
#define NOBODY 65534
#define TAR_MAX ((uint64_t) 1 << 40)

enum packet_type { PACKET_STAT, PACKET_REQ, PACKET_DATA, PACKET_FIN, PACKET_ERR };

struct hoy_session_export {
	struct hoy_session_op *op;
	struct hoy_grpc_call *call;
	struct hoy_source *io; /* tar: the pipe */
	char **paths;          /* by number; "" for what has no content */
	size_t n_paths, size;
	uint32_t *wanted; /* numbers that were asked for, from `next_wanted` on to be sent */
	size_t n_wanted, next_wanted, wanted_size;
	int file; /* of the one that is being sent */
	bool finished;
	struct hoy_err failed;
};

void hoy_session_export_free(struct hoy_session_op *op)
{
	struct hoy_session_export *export = op->export;

	if (!export)
		return;
	op->export = NULL;
	export->io = hoy_source_free(export->io);
	hoy_fd_close(&export->file);
	for (size_t i = 0; i < export->n_paths; i++)
		free(export->paths[i]);
	free(export->paths);
	free(export->wanted);
	free(export);
}

/* --- what is sent ------------------------------------------------------------------------------------------------- */

static int send_buf(struct hoy_session_export *export, struct hoy_buf *message)
{
	int r = hoy_buf_check(message, "packet", &export->failed);

	if (r == 0 && export->call && (r = hoy_grpc_send(export->call, message->data, message->len)) < 0)
		r = hoy_err_code(&export->failed, r, "send the result to the client");
	return r;
}

static int send_packet(
	struct hoy_session_export *export, enum packet_type type, uint32_t id, const void *data, size_t len)
{
	auto_(hoy_buf_done) struct hoy_buf packet = { 0 };

	hoy_wire_add_uint(&packet, 1, type);
	hoy_wire_add_uint(&packet, 3, id);
	if (data)
		hoy_wire_add_bytes(&packet, 4, data, len);
	return send_buf(export, &packet);
}

static void fail(struct hoy_session_export *export)
{
	hoy_grpc_cancel(export->call);
	export->io = hoy_source_free(export->io);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Go's file mode. */
static uint32_t mode_of(mode_t mode)
{
	return (uint32_t) (mode & 0777) | (S_ISDIR(mode) ? 1U << 31 : 0) | (S_ISLNK(mode) ? 1U << 27 : 0) |
	       (S_ISFIFO(mode) ? 1U << 25 : 0) | (mode & S_ISUID ? 1U << 23 : 0) | (mode & S_ISGID ? 1U << 22 : 0) |
	       (mode & S_ISVTX ? 1U << 20 : 0);
}

static int remember(struct hoy_session_export *export, const char *path)
{
	if (export->n_paths == export->size) {
		size_t size = 2 * export->size + 64;
		char **paths = reallocarray(export->paths, size, sizeof *paths);

		if (!paths)
			return hoy_err_oom(&export->failed);
		export->paths = paths;
		export->size = size;
	}
	export->paths[export->n_paths] = strdup(path);
	return export->paths[export->n_paths] ? (int) (export->n_paths++, 0) : hoy_err_oom(&export->failed);
}

static int send_stat(
	struct hoy_session_export *export, int dir, const char *name, const char *path, const struct stat *st)
{
	auto_(hoy_buf_done) struct hoy_buf packet = { 0 }, message = { 0 };
	char link[4096];
	ssize_t n = S_ISLNK(st->st_mode) ? readlinkat(dir, name, link, sizeof link) : 0;

	if (n < 0 || n == (ssize_t) sizeof link)
		return hoy_err_sys(&export->failed, "read the link '%s'", path);
	hoy_wire_add_string(&message, 1, path);
	hoy_wire_add_uint(&message, 2, mode_of(st->st_mode));
	if (S_ISREG(st->st_mode))
		hoy_wire_add_uint(&message, 5, (uint64_t) st->st_size);
	hoy_wire_add_uint(&message, 6, (uint64_t) (st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec));
	if (n > 0)
		hoy_wire_add_bytes(&message, 7, link, (size_t) n);
	hoy_wire_add_message(&packet, 2, &message);
	return send_buf(export, &packet);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static int list_names(int dir, char ***ret, struct hoy_err *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int r = 0;

	if (!stream) {
		r = hoy_err_sys(err, "read the result");
		hoy_fd_close(&copy);
		return r;
	}
	while (r == 0 && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			hoy_strv_add(ret, entry->d_name) < 0)
			r = hoy_err_oom(err);
	(void) closedir(stream);
	if (r == 0 && *ret)
		qsort(*ret, hoy_strv_len(*ret), sizeof **ret, by_name);
	return r;
}

static int walk(struct hoy_session_export *export, int dir, const char *path, unsigned int depth);

static int walk_one(struct hoy_session_export *export, int dir, const char *above, const char *name, unsigned int depth)
{
	auto_free char *path = hoy_str_printf("%s%s%s", above, *above ? "/" : "", name);
	auto_fd int inside = -EBADF;
	struct stat st;
	int r;

	if (!path)
		return hoy_err_oom(&export->failed);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(&export->failed, "look at '%s'", path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode) && !S_ISFIFO(st.st_mode))
		return 0;
	r = send_stat(export, dir, name, path, &st);
	if (r == 0)
		r = remember(export, S_ISREG(st.st_mode) ? path : "");
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	inside = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return inside < 0 ? hoy_err_sys(&export->failed, "open '%s'", path) : walk(export, inside, path, depth + 1);
}

static int walk(struct hoy_session_export *export, int dir, const char *path, unsigned int depth)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = depth > DEPTH_MAX ? hoy_err_invalid(&export->failed, "the result's directories are too deep")
				  : list_names(dir, &names, &export->failed);

	for (char **name = names; r == 0 && name && *name; name++)
		r = walk_one(export, dir, path, *name, depth);
	return r;
}

static int send_list(struct hoy_session_export *export)
{
	int r = walk(export, export->op->dir, "", 0);

	return r < 0 ? r : send_packet(export, PACKET_STAT, 0, NULL, 0);
}

static bool is_full(const struct hoy_session_export *export)
{
	return export->call && hoy_grpc_pending(export->call) >= UNSENT_MAX;
}

/* What was asked for, as much as the connection takes. */
static int send_files(struct hoy_session_export *export)
{
	char block[BLOCK];
	int r = 0;

	while (r == 0 && export->next_wanted < export->n_wanted && !is_full(export)) {
		uint32_t id = export->wanted[export->next_wanted];
		ssize_t n;

		if (export->file < 0)
			export->file = hoy_path_open_in_root(
				export->op->dir, export->paths[id], O_RDONLY | O_NOFOLLOW, 0, &export->failed);
		if (export->file < 0)
			return export->file;
		n = TEMP_FAILURE_RETRY(read(export->file, block, sizeof block));
		if (n < 0)
			return hoy_err_sys(&export->failed, "read '%s'", export->paths[id]);
		r = send_packet(export, PACKET_DATA, id, block, (size_t) n);
		if (n == 0) {
			hoy_fd_close(&export->file);
			export->next_wanted++;
		}
	}
	return r;
}

static int want(struct hoy_session_export *export, uint64_t id)
{
	if (id >= export->n_paths || !*export->paths[id] || export->n_wanted > 2 * export->n_paths)
		return hoy_err_invalid(&export->failed, "the client asks for what is no file of the result");
	if (export->n_wanted == export->wanted_size) {
		size_t size = 2 * export->wanted_size + 64;
		uint32_t *wanted = reallocarray(export->wanted, size, sizeof *wanted);

		if (!wanted)
			return hoy_err_oom(&export->failed);
		export->wanted = wanted;
		export->wanted_size = size;
	}
	export->wanted[export->n_wanted++] = (uint32_t) id;
	return send_files(export);
}

static int take_packet(struct hoy_session_export *export, const char *data, size_t len)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	uint64_t type = PACKET_STAT, id = 0;
	struct hoy_wire_field field;
	int r;

	while ((r = hoy_wire_next(&wire, &field)) > 0)
		if (field.number == 1 && field.type == HOY_WIRE_VARINT)
			type = field.value;
		else if (field.number == 3 && field.type == HOY_WIRE_VARINT)
			id = field.value;
	if (r < 0)
		r = hoy_err_code(&export->failed, r, "read a packet of the client");
	else if (type == PACKET_REQ)
		r = want(export, id);
	else if (type == PACKET_FIN) {
		export->finished = true;
		r = send_packet(export, PACKET_FIN, 0, NULL, 0);
		if (export->call)
			hoy_grpc_close_send(export->call);
	} else {
		r = hoy_err_invalid(&export->failed, "the client could not take the result");
	}
	return r;
}

static void on_packet(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_session_export *export = userdata;

	(void) call;
	if (take_packet(export, data, len) < 0)
		fail(export);
}

int hoy_session_export_try(int dir, const char *packets, size_t len, struct hoy_err *err)
{
	struct hoy_session_op op = { .fd = -EBADF, .dir = dir };
	struct hoy_wire wire = HOY_WIRE(packets, len);
	struct hoy_wire_field field;
	int r;

	op.export = calloc(1, sizeof *op.export);
	if (!op.export)
		return hoy_err_oom(err);
	*op.export = (struct hoy_session_export){ .op = &op, .file = -EBADF };
	r = send_list(op.export);
	while (r == 0 && hoy_wire_next(&wire, &field) > 0)
		r = field.type == HOY_WIRE_BYTES ? take_packet(op.export, field.data, field.len) : 0;
	*err = op.export->failed;
	hoy_session_export_free(&op);
	return r;
}

static void on_drained(struct hoy_grpc_call *call, void *userdata)
{
	struct hoy_session_export *export = userdata;

	(void) call;
	if (!export->failed.errnum && send_files(export) < 0)
		fail(export);
}

static int unpack(struct hoy_session_op *op, struct hoy_err *err)
{
	const struct hoy_layer_stream_options options = {
		.fd = op->fd, .copy_fd = -EBADF, .max_bytes = TAR_MAX, .no_digests = true
	};
	const struct hoy_layer_apply apply = {
		.root = op->dir, .lower = -1, .diff_id = "", .plain = true, .chown = true, .uid = NOBODY, .gid = NOBODY
	};
	auto_ptr(hoy_layer_stream_free) struct hoy_layer_stream *stream = NULL;
	struct hoy_layer_reply done = { 0 };
	int r = hoy_layer_stream_new(&options, &stream, err);

	return r < 0 ? r : hoy_layer_apply(&apply, stream, &done, err);
}

/* --- a tar -------------------------------------------------------------------------------------------------------- */

static void on_tar(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_session_export *export = userdata;
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	char block[BLOCK];
	ssize_t n = read(export->op->fd, block, sizeof block);

	(void) events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		hoy_wire_add_bytes(&message, 1, block, (size_t) n);
		if (send_buf(export, &message) < 0)
			fail(export);
		else if (hoy_grpc_pending(export->call) > UNSENT_MAX)
			(void) hoy_source_set_events(source, 0, NULL);
		return;
	}
	if (n < 0)
		(void) hoy_err_sys(&export->failed, "read the result");
	export->finished = n == 0;
	export->io = hoy_source_free(export->io);
	if (n < 0)
		hoy_grpc_cancel(export->call);
	else
		hoy_grpc_close_send(export->call);
}

static void on_tar_drained(struct hoy_grpc_call *call, void *userdata)
{
	struct hoy_session_export *export = userdata;

	(void) call;
	if (export->io)
		(void) hoy_source_set_events(export->io, EPOLLIN, NULL);
}

/* --- both --------------------------------------------------------------------------------------------------------- */

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct hoy_session_export *export = userdata;
	struct hoy_session_op *op = export->op;
	struct hoy_err err = export->failed;

	(void) call;
	if (!err.errnum && (code != HOY_GRPC_OK || !export->finished))
		(void) hoy_err_set(&err, HOY_ERR_INVALID, EIO, "the client does not take the result: %s",
			*message ? message : "it ended early");
	if (err.errnum)
		hoy_session_failed(op, &err);
	else
		hoy_session_done(op, "");
	hoy_session_op_free(op);
}

int hoy_session_export_start(struct hoy_session_op *op, struct hoy_err *err)
{
	bool is_tar = strcmp(op->name, "tar") == 0;
	struct hoy_grpc_handler handler = {
		.message = is_tar ? NULL : on_packet, .drained = is_tar ? on_tar_drained : on_drained, .ended = on_ended
	};
	struct hoy_session_export *export;
	int r = op->fd < 0 ? hoy_err_code(err, -EPROTO, "request of hoyd") : 0;

	if (r == 0 && !is_tar) {
		auto_free char *name = hoy_str_printf("export-%u", op->id);

		r = name ? hoy_session_open_new_dir(op, name, err) : hoy_err_oom(err);
		if (r == 0)
			r = unpack(op, err);
	}
	if (r < 0)
		return r;
	export = op->export = calloc(1, sizeof *export);
	if (!export)
		return hoy_err_oom(err);
	export->op = op;
	export->file = -EBADF;
	handler.userdata = export;
	r = hoy_grpc_call(op->session->grpc, METHOD, /* metadata= */ NULL, &handler, &export->call, err);
	if (r < 0)
		return r;
	/* From here on the call's end tells. */
	r = is_tar ? hoy_loop_io(
			     op->session->options.loop, &export->io, op->fd, EPOLLIN, on_tar, export, &export->failed)
		   : send_list(export);
	if (r < 0)
		fail(export);
	return 0;
}
