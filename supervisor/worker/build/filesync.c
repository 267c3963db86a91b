#include "supervisor/worker/build/filesync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/wire.h"
#include "supervisor/worker/build/grpc.h"

#define METHOD "/moby.filesync.v1.FileSync/DiffCopy"
#define ENTRIES_MAX 2000000
#define OPEN_MAX 64 /* files that are being received at once: clients send four */

enum packet_type { PACKET_STAT, PACKET_REQ, PACKET_DATA, PACKET_FIN, PACKET_ERR };

/* Bits of Go's file modes, as they are on the wire. */
#define GO_DIR (1U << 31)
#define GO_SYMLINK (1U << 27)
#define GO_DEVICE (1U << 26)
#define GO_PIPE (1U << 25)
#define GO_SOCKET (1U << 24)
#define GO_SETUID (1U << 23)
#define GO_SETGID (1U << 22)
#define GO_STICKY (1U << 20)
#define GO_IRREGULAR (1U << 19)

/* A regular file whose content is to come, or a directory whose time is to be set. */
struct entry {
	char *path;
	uint32_t id;
	mode_t mode;
	int64_t mtime; /* ns */
	int fd;        /* it is being written; -EBADF: not begun */
	bool is_dir, complete;
};

struct hoy_filesync {
	struct hoy_filesync_options options;
	struct hoy_grpc_call *call;
	struct entry *entries; /* by id, ascending */
	size_t n_entries, size;
	uint32_t next_id;
	size_t missing; /* files without their content */
	unsigned int open;
	bool listed, finishing, finished;
	bool is_served; /* the call is the other side's */
	char *parent;   /* of the entry before, and opened */
	int parent_fd;
	struct hoy_filesync_result result;
	struct hoy_err failed;
};

struct stat_message {
	char *path, *link;
	uint32_t mode;
	int64_t mtime;
};

static void stat_done(struct stat_message *st)
{
	free(st->path);
	free(st->link);
}

static void sync_free(struct hoy_filesync *sync)
{
	for (size_t i = 0; i < sync->n_entries; i++) {
		hoy_fd_close(&sync->entries[i].fd);
		free(sync->entries[i].path);
	}
	free(sync->entries);
	free(sync->parent);
	hoy_fd_close(&sync->parent_fd);
	free(sync);
}

/* --- the tree ----------------------------------------------------------------------------------------------------- */

static bool is_proper(const char *path)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(path, '/');

	if (!parts || !*parts)
		return false;
	for (char **part = parts; *part; part++)
		if (!hoy_path_is_component(*part))
			return false;
	return true;
}

/* The directory in which `path` is; the same one mostly comes again. */
static int open_parent(struct hoy_filesync *sync, const char *path, struct hoy_err *err)
{
	const char *base = hoy_path_base(path);
	auto_free char *parent = strndup(path, (size_t) (base - path));

	if (!parent)
		return hoy_err_oom(err);
	if (sync->parent && strcmp(parent, sync->parent) == 0)
		return sync->parent_fd;
	hoy_fd_close(&sync->parent_fd);
	free(sync->parent);
	sync->parent = NULL;
	sync->parent_fd = hoy_path_open_in_root(
		sync->options.dir, *parent ? parent : "/", O_RDONLY | O_DIRECTORY, 0, err);
	if (sync->parent_fd < 0)
		return sync->parent_fd;
	sync->parent = TAKE_PTR(parent);
	return sync->parent_fd;
}

static mode_t mode_of(uint32_t mode)
{
	return (mode & 0777) | (mode & GO_SETUID ? S_ISUID : 0) | (mode & GO_SETGID ? S_ISGID : 0) |
	       (mode & GO_STICKY ? S_ISVTX : 0);
}

static void set_time(int dir, const char *name, int64_t mtime)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = mtime / 1000000000, .tv_nsec = mtime % 1000000000 } };

	if (mtime >= 0)
		(void) utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
}

static int add_entry(struct hoy_filesync *sync, const struct stat_message *st, bool is_dir, struct hoy_err *err)
{
	struct entry *entry;

	if (sync->n_entries == sync->size) {
		size_t size = 2 * sync->size + 64;
		struct entry *entries = reallocarray(sync->entries, size, sizeof *entries);

		if (!entries)
			return hoy_err_oom(err);
		sync->entries = entries;
		sync->size = size;
	}
	entry = &sync->entries[sync->n_entries];
	*entry = (struct entry){ .path = strdup(st->path),
		.id = sync->next_id,
		.mode = mode_of(st->mode),
		.mtime = st->mtime,
		.fd = -EBADF,
		.is_dir = is_dir };
	if (!entry->path)
		return hoy_err_oom(err);
	sync->n_entries++;
	return 0;
}

static int send_packet(struct hoy_filesync *sync, enum packet_type type, uint32_t id, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf packet = { 0 };
	int r;

	if (!sync->call)
		return 0;
	hoy_wire_add_uint(&packet, 1, type);
	hoy_wire_add_uint(&packet, 3, id);
	r = hoy_buf_check(&packet, "packet", err);
	if (r == 0)
		r = hoy_grpc_send(sync->call, packet.data, packet.len);
	return r < 0 ? hoy_err_code(err, r, "ask the client for a file") : 0;
}

static int make_link(
	struct hoy_filesync *sync, int dir, const char *name, const struct stat_message *st, struct hoy_err *err)
{
	const char *base = hoy_path_base(st->link);
	auto_free char *parent = strndup(st->link, (size_t) (base - st->link));
	auto_fd int other = -EBADF;

	if (!is_proper(st->link))
		return hoy_err_invalid(err, "the client sent a hard link to '%s'", st->link);
	if (!parent)
		return hoy_err_oom(err);
	other = hoy_path_open_in_root(sync->options.dir, *parent ? parent : "/", O_RDONLY | O_DIRECTORY, 0, err);
	if (other < 0)
		return other;
	return linkat(other, base, dir, name, 0) < 0 ? hoy_err_sys(err, "link '%s' to '%s'", st->path, st->link) : 0;
}

static int make_regular(
	struct hoy_filesync *sync, int dir, const char *name, const struct stat_message *st, struct hoy_err *err)
{
	auto_fd int fd = -EBADF;
	int r;

	if (st->link && *st->link)
		return make_link(sync, dir, name, st, err);
	/* It is there at once, for hard links that come before its content. */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return hoy_err_sys(err, "make '%s'", st->path);
	r = add_entry(sync, st, /* is_dir= */ false, err);
	if (r == 0)
		r = send_packet(sync, PACKET_REQ, sync->next_id, err);
	sync->missing++;
	return r;
}

/* What stands where something else is to come goes, but for directories. */
static int make_room(int dir, const char *name, bool for_dir, const char *path, struct hoy_err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "look at '%s'", path);
	if (for_dir && S_ISDIR(st.st_mode))
		return 1;
	return unlinkat(dir, name, 0) < 0 ? hoy_err_sys(err, "replace '%s'", path) : 0;
}

static int make_entry(struct hoy_filesync *sync, const struct stat_message *st, struct hoy_err *err)
{
	int dir = is_proper(st->path) ? open_parent(sync, st->path, err)
				      : hoy_err_invalid(err, "the client sent a file called '%s'", st->path);
	const char *name = hoy_path_base(st->path);
	int there = 0;

	if (dir < 0)
		return dir;
	if (sync->is_served)
		there = make_room(dir, name, st->mode & GO_DIR, st->path, err);
	if (there < 0)
		return there;
	if (st->mode & GO_DIR) {
		if ((!there && mkdirat(dir, name, 0700) < 0) || fchmodat(dir, name, mode_of(st->mode), 0) < 0)
			return hoy_err_sys(err, "make the directory '%s'", st->path);
		return add_entry(sync, st, /* is_dir= */ true, err);
	}
	if (st->mode & GO_SYMLINK) {
		if (symlinkat(st->link ? st->link : "", dir, name) < 0)
			return hoy_err_sys(err, "make the link '%s'", st->path);
		set_time(dir, name, st->mtime);
		return 0;
	}
	if (st->mode & GO_PIPE) {
		if (mknodat(dir, name, S_IFIFO | 0600, 0) < 0 || fchmodat(dir, name, mode_of(st->mode), 0) < 0)
			return hoy_err_sys(err, "make the FIFO '%s'", st->path);
		return 0;
	}
	if (st->mode & (GO_DEVICE | GO_SOCKET | GO_IRREGULAR))
		return 0; /* nothing that an image could have of it */
	return make_regular(sync, dir, name, st, err);
}

/* --- packets ------------------------------------------------------------------------------------------------------ */

static int read_stat(const struct hoy_wire_field *message, struct stat_message *st, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(message->data, message->len);
	struct hoy_wire_field field;
	int r;

	while ((r = hoy_wire_next(&wire, &field)) > 0) {
		if (hoy_wire_is_bytes(&field, 1))
			r = hoy_wire_take_string(&field, &st->path);
		else if (hoy_wire_is_bytes(&field, 7))
			r = hoy_wire_take_string(&field, &st->link);
		else if (field.number == 2 && field.type == HOY_WIRE_VARINT)
			st->mode = (uint32_t) field.value;
		else if (field.number == 6 && field.type == HOY_WIRE_VARINT)
			st->mtime = (int64_t) field.value;
		if (r < 0)
			break;
	}
	if (r < 0)
		return hoy_err_code(err, r, "read what the client tells of a file");
	return st->path ? 0 : hoy_err_invalid(err, "the client sent a file without a name");
}

static int on_stat(struct hoy_filesync *sync, const struct hoy_wire_field *message, struct hoy_err *err)
{
	auto_(stat_done) struct stat_message st = { 0 };
	int r;

	if (sync->listed)
		return hoy_err_invalid(err, "the client goes on after the end of its list");
	if (!message->data) {
		sync->listed = true;
		return 0;
	}
	if (sync->next_id == ENTRIES_MAX)
		return hoy_err_invalid(err, "the build context has more than %d files", ENTRIES_MAX);
	r = read_stat(message, &st, err);
	if (r == 0)
		r = make_entry(sync, &st, err);
	sync->next_id++;
	sync->result.entries++;
	return r;
}

static struct entry *find_entry(struct hoy_filesync *sync, uint32_t id)
{
	size_t low = 0, high = sync->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sync->entries[middle].id == id)
			return &sync->entries[middle];
		if (sync->entries[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int open_entry(struct hoy_filesync *sync, struct entry *entry, struct hoy_err *err)
{
	int dir = open_parent(sync, entry->path, err);

	if (dir < 0)
		return dir;
	if (sync->open == OPEN_MAX)
		return hoy_err_invalid(err, "the client sends more than %d files at once", OPEN_MAX);
	entry->fd = openat(dir, hoy_path_base(entry->path), O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (entry->fd < 0)
		return hoy_err_sys(err, "open '%s'", entry->path);
	sync->open++;
	return 0;
}

static int complete_entry(struct hoy_filesync *sync, struct entry *entry, struct hoy_err *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = entry->mtime / 1000000000, .tv_nsec = entry->mtime % 1000000000 } };
	int r = fchmod(entry->fd, entry->mode) < 0 ? hoy_err_sys(err, "set the mode of '%s'", entry->path) : 0;

	if (entry->mtime >= 0)
		(void) futimens(entry->fd, times);
	hoy_fd_close(&entry->fd);
	sync->open--;
	sync->missing--;
	entry->complete = true;
	return r;
}

/* A piece of a file; an empty one is its end. */
static int on_data(struct hoy_filesync *sync, uint32_t id, const struct hoy_wire_field *data, struct hoy_err *err)
{
	struct entry *entry = find_entry(sync, id);
	int r = 0;

	if (!entry || entry->is_dir || entry->complete)
		return hoy_err_invalid(err, "the client sent a file that it was not asked for");
	if (entry->fd < 0)
		r = open_entry(sync, entry, err);
	if (r < 0)
		return r;
	if (data->len == 0)
		return complete_entry(sync, entry, err);
	sync->result.bytes += data->len;
	r = hoy_fd_write_all(entry->fd, data->data, data->len);
	return r < 0 ? hoy_err_code(err, r, "write '%s'", entry->path) : 0;
}

static int on_packet(struct hoy_filesync *sync, const char *data, size_t len, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field, message = { 0 }, content = { 0 };
	uint64_t type = PACKET_STAT, id = 0;
	int r;

	while ((r = hoy_wire_next(&wire, &field)) > 0) {
		if (field.number == 1 && field.type == HOY_WIRE_VARINT)
			type = field.value;
		else if (field.number == 3 && field.type == HOY_WIRE_VARINT)
			id = field.value;
		else if (hoy_wire_is_bytes(&field, 2))
			message = field;
		else if (hoy_wire_is_bytes(&field, 4))
			content = field;
	}
	if (r < 0)
		return hoy_err_code(err, r, "read a packet of the client");
	switch (type) {
	case PACKET_STAT:
		return on_stat(sync, &message, err);
	case PACKET_DATA:
		return on_data(sync, (uint32_t) id, &content, err);
	case PACKET_FIN:
		sync->finished = true;
		return 0;
	case PACKET_ERR:
		return content.len == 0 ? hoy_err_invalid(err, "the client could not read its files")
					: hoy_err_invalid(err, "the client's files: %.*s",
						  (int) MIN(content.len, (size_t) 500), content.data);
	default:
		return hoy_err_invalid(err, "unknown packet %u of the client", (unsigned int) type);
	}
}

int hoy_filesync_try(int dir, const char *packet, size_t len, struct hoy_err *err)
{
	struct hoy_filesync *sync = calloc(1, sizeof *sync);
	struct hoy_wire wire = HOY_WIRE(packet, len);
	struct hoy_wire_field field;
	int r = sync ? 0 : hoy_err_oom(err);

	if (!sync)
		return r;
	sync->options.dir = dir;
	sync->parent_fd = -EBADF;
	while (r == 0 && (r = hoy_wire_next(&wire, &field)) > 0)
		r = field.type == HOY_WIRE_BYTES ? on_packet(sync, field.data, field.len, err) : 0;
	sync_free(sync);
	return r == -EPROTO ? hoy_err_code(err, r, "read packets") : r;
}

/* --- the call ----------------------------------------------------------------------------------------------------- */

/* Times of directories, deepest first: what came into them has changed them. */
static void finish_dirs(struct hoy_filesync *sync)
{
	for (size_t i = sync->n_entries; i > 0; i--) {
		const struct entry *entry = &sync->entries[i - 1];
		int dir = entry->is_dir ? open_parent(sync, entry->path, NULL) : -1;

		if (dir >= 0)
			set_time(dir, hoy_path_base(entry->path), entry->mtime);
	}
}

static void on_message(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_filesync *sync = userdata;
	int r;

	if (sync->failed.errnum)
		return;
	r = on_packet(sync, data, len, &sync->failed);
	if (r == 0 && sync->listed && sync->missing == 0 && !sync->finishing) {
		sync->finishing = true;
		r = send_packet(sync, PACKET_FIN, 0, &sync->failed);
	}
	if (r == 0 && sync->finished && sync->is_served)
		hoy_grpc_end(call, HOY_GRPC_OK, NULL);
	else if (r == 0 && sync->finished)
		hoy_grpc_close_send(call);
	if (r < 0 && sync->is_served)
		hoy_grpc_end(call, HOY_GRPC_UNKNOWN, hoy_err_str(&sync->failed));
	else if (r < 0)
		hoy_grpc_cancel(call);
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct hoy_filesync *sync = userdata;
	struct hoy_err err = sync->failed;

	(void) call;
	sync->call = NULL;
	if (!err.errnum && !(sync->finishing && sync->missing == 0)) {
		if (code == HOY_GRPC_NOT_FOUND || code == HOY_GRPC_UNIMPLEMENTED)
			(void) hoy_err_set(&err, HOY_ERR_NOT_FOUND, ENOENT, "the client gives no directory '%s': %s",
				sync->options.name, message);
		else
			(void) hoy_err_code(&err, -ECONNRESET, "receive '%s' from the %s: %s",
				sync->is_served ? "files" : sync->options.name, sync->is_served ? "engine" : "client",
				*message ? message : "it ended early");
	}
	if (!err.errnum)
		finish_dirs(sync);
	sync->options.done(err.errnum ? &err : NULL, &sync->result, sync->options.userdata);
	sync_free(sync);
}

/* Metadata is ASCII: what isn't is told so and escaped as in a query. */
static bool is_plain(char *const *list)
{
	for (; *list; list++)
		for (const char *at = *list; *at; at++)
			if (*at < ' ' || *at > '~')
				return false;
	return true;
}

static char *query_escape(const char *text)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	(void) hoy_buf_adds(&buf, "");
	for (; *text; text++)
		if (strchr("-_.~", *text) || (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
			(*text >= 'A' && *text <= 'Z'))
			(void) hoy_buf_addc(&buf, *text);
		else
			(void) hoy_buf_addf(&buf, "%%%02X", (unsigned char) *text);
	return hoy_buf_take(&buf);
}

static int add_list(char ***metadata, const char *name, char *const *list, struct hoy_err *err)
{
	bool plain = !list || is_plain(list);
	int r = 0;

	for (; r == 0 && list && *list; list++) {
		auto_free char *value = plain ? strdup(*list) : query_escape(*list);

		r = value && hoy_strv_add(metadata, name) == 0 && hoy_strv_add(metadata, value) == 0 ? 0 : -ENOMEM;
	}
	if (r == 0 && !plain)
		r = hoy_strv_addf(metadata, "%s-encoded", name) == 0 && hoy_strv_add(metadata, "1") == 0 ? 0 : -ENOMEM;
	return r < 0 ? hoy_err_oom(err) : 0;
}

int hoy_filesync_start(const struct hoy_filesync_options *options, struct hoy_filesync **ret, struct hoy_err *err)
{
	struct hoy_grpc_handler handler = { .message = on_message, .ended = on_ended };
	auto_ptr(hoy_strv_free) char **metadata = NULL;
	char *const name[] = { (char *) (uintptr_t) options->name, NULL };
	struct hoy_filesync *sync = calloc(1, sizeof *sync);
	int r = sync ? add_list(&metadata, "dir-name", name, err) : hoy_err_oom(err);

	if (!sync)
		return r;
	sync->options = *options;
	sync->parent_fd = -EBADF;
	handler.userdata = sync;
	if (r == 0)
		r = add_list(&metadata, "followpaths", options->follow, err);
	if (r == 0)
		r = add_list(&metadata, "include-patterns", options->includes, err);
	if (r == 0)
		r = add_list(&metadata, "exclude-patterns", options->excludes, err);
	if (r == 0)
		r = hoy_grpc_call(options->grpc, METHOD, (const char *const *) metadata, &handler, &sync->call, err);
	if (r < 0) {
		sync_free(sync);
		return r;
	}
	*ret = sync;
	return 0;
}

int hoy_filesync_accept(struct hoy_grpc_call *call, const struct hoy_filesync_options *options, struct hoy_err *err)
{
	struct hoy_grpc_handler handler = { .message = on_message, .ended = on_ended };
	struct hoy_filesync *sync = calloc(1, sizeof *sync);

	if (!sync)
		return hoy_err_oom(err);
	sync->options = *options;
	sync->parent_fd = -EBADF;
	sync->is_served = true;
	sync->call = call;
	handler.userdata = sync;
	hoy_grpc_accept(call, &handler);
	return 0;
}
