/* The work of hoy-files, done inside a view (view.h). */
#ifndef HOY_SUPERVISOR_WORKER_FILES_FILES_H
#define HOY_SUPERVISOR_WORKER_FILES_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "supervisor/worker/files/protocol.h"
#include "supervisor/worker/files/view.h"

/*
 * What a path of the archive endpoints names, by docker's rules: the directory part is followed to its end, the last
 * part is not, unless the path ends with "/" or "/.": then it must be a directory, and a symlink to one is followed.
 */
struct hoy_files_target {
	int fd;     /* O_PATH of the thing itself, a symlink included */
	int parent; /* the directory it was found in; -EBADF for the root and for a path with a trailing slash */
	char *base; /* its name in `parent` */
	struct stat st;
	struct hoy_files_stat reply; /* what a client is told of it */
};
int hoy_files_find(const struct hoy_view *view, const char *path, struct hoy_files_target *ret, struct hoy_err *err);
void hoy_files_target_done(struct hoy_files_target *target);

/* Writes a tar of the target to `output`; its entries begin with the name that was asked for. `sparse`: gaps of files
 * are left out, which not every reader knows. */
int hoy_files_pack(const struct hoy_view *view, const struct hoy_files_target *target, bool sparse, int output,
	struct hoy_err *err);

/* Unpacks the tar `input` (plain, gzip or zstd) into the directory `dir`. */
struct hoy_files_put {
	bool with_root;    /* the archive's entry for the root says what the directory is */
	bool no_overwrite; /* a directory takes no file's place, nor a file a directory's */
	bool chown;        /* all is given to uid:gid, else to the owners of the archive */
	uint32_t uid, gid;
};
struct hoy_layer_stream;
int hoy_files_unpack(int dir, struct hoy_layer_stream *input, const struct hoy_files_put *how, uint64_t *ret_bytes,
	struct hoy_err *err);

/* Copies what is in the directory `from` into `to`, with owners, modes, xattrs and times, and gives `to` the owner and
 * mode of `from`. What stands in the way is replaced: a copy that was interrupted is done again. */
int hoy_files_copy(const struct hoy_view *view, int from, int to, uint64_t *ret_bytes, struct hoy_err *err);

/* How a build copies: what belongs to whom, and what stays behind. Directories are merged. */
struct hoy_ignore; /* supervisor/build/ignore.h */
struct hoy_files_owner {
	uid_t uid;
	gid_t gid;
	bool keep;                         /* all belongs to whom it belonged */
	const char *chmod;                 /* see supervisor/build/chmod.h; NULL: modes are as they are */
	const struct hoy_ignore *excludes; /* NULL: all is copied */
	const char *prefix; /* stands in front of names that `excludes` sees, "" or with '/' at its end */
};
/* What `fd` (O_PATH) names becomes `name` in the directory `to`; what is in a directory goes into another. */
int hoy_files_copy_as(const struct hoy_view *view, int fd, int to, const char *name,
	const struct hoy_files_owner *owner, uint64_t *ret_bytes, struct hoy_err *err);
int hoy_files_copy_content(const struct hoy_view *view, int from, int to, const struct hoy_files_owner *owner,
	uint64_t *ret_bytes, struct hoy_err *err);
/* Owner, mode and time of something open: those of `st` but for what `owner` says. */
int hoy_files_give(const struct hoy_files_owner *owner, int fd, const struct stat *st, struct hoy_err *err);

/* COPY, ADD and WORKDIR of a build, into the view; `source` is the directory it takes from, or < 0; `remotes` the one in
 * which are, by name, those that sources came into from elsewhere, or < 0. */
int hoy_files_build(const struct hoy_view *view, const struct hoy_json *request, int source, int remotes,
	uint64_t *ret_bytes, struct hoy_err *err);

bool hoy_files_is_empty(int dir);

/* The bytes of all files below a directory of the host, each inode once; UINT64_MAX: it can't be read. */
uint64_t hoy_files_usage(const char *path);

/* Writes the changes of the view's root, a container's own layer, against the layers below: the JSON array of
 * GET /containers/{id}/changes. */
int hoy_files_changes(const struct hoy_view *view, int output, struct hoy_err *err);

/* mount(2) on the host, for volumes whose driver options say so; "addr=NAME" in `data` is resolved first. */
int hoy_files_mount(const struct hoy_json *request, struct hoy_err *err);

/* seal.c. The content in `data` becomes what may be kept on a disk, in `output`. */
int hoy_files_seal(const struct hoy_json *request, int key, int data, int output, struct hoy_err *err);
/* The files of the request become read-only files of a container that waits for its start; `key` < 0: none is sealed.
 */
int hoy_files_place_secrets(const struct hoy_json *request, int key, int data, int namespace, struct hoy_err *err);

/* shm.c. /dev/shm of the mount namespace `donor` becomes that of `namespace` too. */
int hoy_files_share_shm(int donor, int namespace, struct hoy_err *err);

/* Names of a directory, sorted; free with hoy_strv_free(). */
int hoy_files_names(int dir, char ***ret, struct hoy_err *err);

#endif
