/*
 * What hoyd and a hoy-files process say to each other, over the SEQPACKET socket that is the worker's descriptor 3.
 * Both are of one build. One worker serves one request and exits.
 *
 *	hoyd -> worker   one packet: the request as a JSON object, with its descriptors in the order of "fds"
 *	worker -> hoyd   STAT at most once, any number of SIZE, then one DONE or ERROR
 *
 * Members of a request:
 *	op            "stat" "get" "put" "copy" "usage" "changes" "mount" "build" "seal" "secrets" "shm"
 *	fds           names of the descriptors beside it: "namespace" (a mount namespace), "donor" (another), "key" (the
 *	              file with the key of the secrets), "data" (a memfd), "input", "output" (pipes or files), "target", "remotes"
 *	              (directories)
 *	layers        directories, top first; with "upper" and "work" the overlay of a container that does not run
 *	mounts        [{"source", "target", "readonly", "flat"}]: what is mounted on that overlay; one with "layers"
 *	              in the place of a source is a read-only overlay of its own
 *	readonly      the overlay is mounted read-only
 *	dir           a directory of the host that is the whole view
 *	path          what is asked for inside the view
 *	dirs          usage: directories of the host
 *	no_overwrite, chown ("UID:GID")
 *	              put
 *	only_if_empty copy: does nothing when the target holds anything
 *	source, target, type, flags, data
 *	              mount
 *	path, is_dir, sources [{"text", "pattern", "remote", "digest"}], files [{"name", "content"}], owner, mode, unpack,
 *	unpack_urls   build: what goes into the view at `path`, from the descriptor "target" or the layers "other_layers";
 *	              with "remote" from that directory in "remotes", where a file must have the digest
 *	sparse        get: gaps of files are told as such
 *	sync          put, copy: the answer comes when all is on the disk
 *	id            seal: whose content "data" is; what is to be kept goes to "output"
 *	files         secrets: [{"id", "name", "target", "uid", "gid", "mode", "len", "sealed"}], whose contents stand one
 *	              behind the other in "data"
 *
 * hoyd trusts nothing in a packet before hoy_files_reply_check().
 */
#ifndef HOY_SUPERVISOR_WORKER_FILES_PROTOCOL_H
#define HOY_SUPERVISOR_WORKER_FILES_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_FILES_SOCKET_FD 3
#define HOY_FILES_REQUEST_MAX ((size_t) 160 << 10)
#define HOY_FILES_KEY_SIZE 32              /* bytes of the key of the secrets */
#define HOY_FILES_SECRET_MAX (1100 * 1024) /* bytes of a content, sealed or not */

enum hoy_files_reply_type { HOY_FILES_STAT = 1, HOY_FILES_SIZE, HOY_FILES_DONE, HOY_FILES_ERROR };

struct hoy_files_stat {
	uint64_t size;
	uint32_t mode; /* st_mode */
	int64_t mtime_sec;
	int32_t mtime_nsec;
	char name[256];         /* the last part of what was asked for; "/" for the root */
	char link_target[4096]; /* where a symlink leads, absolute; else "" */
};

struct hoy_files_reply {
	uint32_t type;
	union {
		struct hoy_files_stat stat;
		uint64_t size;  /* of one directory of "dirs", in their order; UINT64_MAX: it can't be read */
		uint64_t bytes; /* DONE: of content written */
		struct hoy_err err;
	};
};

#define HOY_FILES_REPLY_SIZE(member)                                                                                   \
	(offsetof(struct hoy_files_reply, member) + sizeof(((struct hoy_files_reply *) 0)->member))

/* Checks a packet of `len` bytes: type, size, strings terminated. 0 or -EPROTO. */
int hoy_files_reply_check(const struct hoy_files_reply *reply, size_t len, struct hoy_err *err);

#endif
