/*
 * What hoyd and a hoy-layer process say to each other, over the SEQPACKET socket that is the worker's descriptor 3.
 * Both are of one build: packets are structs. One worker serves one request and exits.
 *
 *	hoyd -> worker   hoy_layer_request with its descriptors; then, with lowers, one packet of names
 *	worker -> hoyd   any number of PROGRESS and ENTRY, then one DONE or ERROR
 *
 * A worker that dies without DONE or ERROR has failed. hoyd trusts nothing in a packet before it has checked it:
 * hoy_layer_reply_check().
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_PROTOCOL_H
#define HOY_SUPERVISOR_WORKER_LAYER_PROTOCOL_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_LAYER_SOCKET_FD 3
#define HOY_LAYER_DIGEST_MAX 72 /* "sha256:" and 64 digits, with the NUL */
#define HOY_LAYER_NAME_MAX 4096 /* bytes of an entry's name, with the NUL */
#define HOY_LAYER_MAX_LOWERS 500

enum hoy_layer_op {
	/* Takes an image archive apart: every regular file goes into the target under its number ("0", "1", ...) and is
	 * told in an ENTRY with name and digest; links are told in an ENTRY too. Descriptors: input, target. */
	HOY_LAYER_SPLIT = 1,
	/* Unpacks a layer into the target. Descriptors: input, target, and what the flags say. */
	HOY_LAYER_APPLY,
	/* Removes everything in the target, not the target itself. Descriptor: target. */
	HOY_LAYER_REMOVE,
	/* Brings the target's file system to disk. Descriptor: target. */
	HOY_LAYER_SYNC,
	/* Writes a tar of the target to a descriptor. With LOWERS: of the target on top of the lower layers.
	 * Descriptors: target, output, and what the flags say. */
	HOY_LAYER_PACK,
	/* Hashes every file in the target directory (not below it), each told in an ENTRY. Descriptor: target. */
	HOY_LAYER_VERIFY,
};

enum {
	/* The input's bytes are also written, as they came, to a further descriptor. */
	HOY_LAYER_COPY = 1 << 0,
	/* The directory that holds the lower layers is a further descriptor; the packet behind the request names them,
	 * top first, each name with its NUL. Directories that the layer only implies get the lower ones' attributes,
	 * and hard links may name their files. */
	HOY_LAYER_LOWERS = 1 << 1,
	HOY_LAYER_PACK_CHUNKED = 1 << 2, /* in chunks of an HTTP/1.1 body */
	HOY_LAYER_PACK_GZIP = 1 << 3,    /* compressed, and DONE has digests */
	HOY_LAYER_PACK_DIFF = 1 << 4,    /* a container's own layer becomes one of an image */
	HOY_LAYER_PACK_NEUTRAL = 1 << 5, /* no owners, modes and times */
	/* APPLY: there are lower layers, but not at hand. What needs them ends with HOY_LAYER_NEEDS_LOWERS, and a root
	 * that the layer has no entry for is the asker's to complete (DONE: root_implied). */
	HOY_LAYER_ALONE = 1 << 6,
	/* APPLY: the input is a file of `input_size` bytes that still grows. An eventfd is a further descriptor: the
	 * sum of what is added to it is how many bytes may be read, and is one more when nobody can write the file any
	 * more. */
	HOY_LAYER_FOLLOW = 1 << 7,
	/* PACK_DIFF: the layer is also made, unpacked, in an empty directory that is a further descriptor. Its root's
	 * attributes are the asker's to set. */
	HOY_LAYER_PACK_TWIN = 1 << 8,
	HOY_LAYER_PACK_CLAMP = 1 << 9, /* nothing is younger than `latest`; not with TWIN */
};

#define HOY_LAYER_NEEDS_LOWERS ENOLINK /* an ERROR's errnum */

struct hoy_layer_limits {
	uint64_t max_entries; /* 0: the default, see limits.c */
	uint64_t max_bytes;   /* of decompressed input */
};

struct hoy_layer_request {
	uint32_t op;
	uint32_t flags;
	struct hoy_layer_limits limits;
	uint64_t input_size;                /* FOLLOW */
	int64_t latest;                     /* PACK_CLAMP: seconds since 1970 */
	char diff_id[HOY_LAYER_DIGEST_MAX]; /* APPLY: what the raw bytes must hash to; "": anything */
};

enum hoy_layer_compression { HOY_LAYER_PLAIN, HOY_LAYER_GZIP, HOY_LAYER_ZSTD };

enum hoy_layer_reply_type { HOY_LAYER_PROGRESS = 1, HOY_LAYER_ENTRY, HOY_LAYER_DONE, HOY_LAYER_ERROR };

enum hoy_layer_entry_type { HOY_LAYER_ENTRY_FILE, HOY_LAYER_ENTRY_LINK };

struct hoy_layer_reply {
	uint32_t type;
	union {
		struct {
			uint64_t read; /* bytes of input so far */
		} progress;
		struct {
			uint32_t type;        /* enum hoy_layer_entry_type */
			uint32_t compression; /* what the content looks like */
			uint32_t number;      /* its name in the target */
			uint64_t size;
			char digest[HOY_LAYER_DIGEST_MAX]; /* "" for a link */
			/* The cleaned name, and behind it a link's cleaned target. The packet ends with the last NUL.
			 */
			char names[2 * HOY_LAYER_NAME_MAX];
		} entry;
		struct {
			uint32_t compression;
			uint32_t root_implied; /* APPLY: there was no entry for the root */
			uint64_t size;         /* of the input, as it came */
			uint64_t raw_size;     /* decompressed */
			uint64_t unpacked;     /* bytes of file content written (APPLY) or packed (PACK) */
			uint64_t entries;
			uint64_t left_out;                  /* PACK: what is in the directory and not in the layer */
			uint64_t clamped;                   /* PACK: what is younger in the directory */
			char digest[HOY_LAYER_DIGEST_MAX];  /* APPLY: of the input, as it came; PACK: of the output */
			char diff_id[HOY_LAYER_DIGEST_MAX]; /* of the decompressed bytes */
		} done;
		struct hoy_err err;
	};
};

/* Bytes of a reply of each type; an ENTRY is cut behind its names. */
#define HOY_LAYER_REPLY_SIZE(member)                                                                                   \
	(offsetof(struct hoy_layer_reply, member) + sizeof(((struct hoy_layer_reply *) 0)->member))

/* Checks a packet of `len` bytes: type, size, strings terminated, digests of the right form. 0 or -EPROTO. */
int hoy_layer_reply_check(struct hoy_layer_reply *reply, size_t len, struct hoy_err *err);

/* An entry's link target: behind its name. */
const char *hoy_layer_reply_target(const struct hoy_layer_reply *reply);

#endif
