/*
 * What hoyd and a hoy-fetch process say to each other, over the SEQPACKET socket that is the worker's descriptor 3.
 * Both are of one build: packets are structs. One worker serves one request and exits.
 *
 *	hoyd -> worker   the request, a JSON text (struct hoy_fetch_request)
 *	worker -> hoyd   WANT of a blob; hoyd answers each with an answer, beside which comes the file to write it to,
 *	                 or, when the image is pushed, to read it from
 *	worker -> hoyd   PROGRESS and GOT of blobs, HEAD of a file, then one DONE or ERROR
 *
 * The worker names blobs by digest only, and has no file but those it was given. hoyd takes nothing it says for true:
 * packets are checked (hoy_fetch_packet_check()), documents are hashed again by hoyd, layers by hoy-layer.
 */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_PROTOCOL_H
#define HOY_SUPERVISOR_WORKER_FETCH_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HOY_FETCH_SOCKET_FD 3
#define HOY_FETCH_DIGEST_MAX 72 /* "sha256:" and 64 digits, with the NUL */
#define HOY_FETCH_MEDIA_MAX 128
#define HOY_FETCH_REPOSITORY_MAX 256
#define HOY_FETCH_NAME_MAX 256 /* of a file, and its ETag */
#define HOY_FETCH_REQUEST_MAX ((size_t) 64 << 10)
#define HOY_FETCH_ANSWER_MAX ((size_t) 16 << 20) /* bytes in the file beside a request */

enum hoy_fetch_op {
	HOY_FETCH_PULL,
	HOY_FETCH_PUSH,
	/* These write a JSON text into the file that comes beside the request. */
	HOY_FETCH_LOGIN,   /* {"IdentityToken": ""}: the credentials are good */
	HOY_FETCH_TAGS,    /* ["1", "latest"] of the repository */
	HOY_FETCH_INSPECT, /* {"Descriptor": {}, "Platforms": []}: what a reference is */
	HOY_FETCH_SEARCH,  /* what Docker Hub's search answers, as it is */
	/* {"Descriptor": {}, "Raw": ""} of a manifest or index, byte for byte. Of an index with `all` also "Manifests":
	 * the same of each entry. */
	HOY_FETCH_MANIFEST,
	/* Reads what is to be brought from that file: {"mounts": [{"digest", "from"}], "manifests": [{"reference",
	 * "mediaType", "text"}]}. The mounts come first, then the manifests in their order. */
	HOY_FETCH_PUT,
	/* Brings what is at `url` into that file, whatever it is. With `etag` only if it is another than `known`. */
	HOY_FETCH_FILE,
};

/* Strings are owned; NULL: not given. */
struct hoy_fetch_request {
	uint32_t op;      /* enum hoy_fetch_op */
	char *host;       /* "localhost:5000", "docker.io" */
	char *repository; /* "library/busybox"; SEARCH: the term */
	char *reference;  /* a tag or a digest; PUSH: the tag. SEARCH: most results */
	char *familiar;   /* "busybox:latest", for texts */
	char *name;       /* "busybox", for texts */
	char *architecture, *variant;
	char *username, *password, *identity_token, *registry_token;
	bool all;            /* MANIFEST: what the index names too */
	bool insecure;       /* certificates are not checked, and plain HTTP will do */
	bool plain;          /* insecure: it spoke plain HTTP the last time, which is tried first */
	char *root;          /* PUSH: digest of the image */
	char *manifest;      /* PUSH: of the manifest in it that is whole here, when the index is not */
	char *known;         /* PULL: digest of what the tag means at hoyd, which has all of it; NULL: nothing */
	char *url, *etag;    /* FILE; `known` is the digest of what had the ETag */
	char *signature_key; /* PULL: PEM of the public key that must have signed the image; NULL: none must */
	char **mirrors;      /* PULL: URLs that are asked before the host itself */
	char *http_proxy, *https_proxy, *no_proxy;
	uint32_t at_once;  /* transfers; 0: 3 down, 5 up */
	uint32_t attempts; /* at each request; 0: 5 */
};

int hoy_fetch_request_print(const struct hoy_fetch_request *rq, struct hoy_buf *buf, struct hoy_err *err);
int hoy_fetch_request_parse(const char *text, size_t len, struct hoy_fetch_request **ret, struct hoy_err *err);
void hoy_fetch_request_free(struct hoy_fetch_request *rq); /* secrets are wiped */
HOY_DEFINE_AUTO_PTR(struct hoy_fetch_request, hoy_fetch_request_free);

enum hoy_fetch_kind { HOY_FETCH_DOCUMENT, HOY_FETCH_LAYER };

/* How a blob came to be where it should. */
enum hoy_fetch_how { HOY_FETCH_MOVED, HOY_FETCH_EXISTED, HOY_FETCH_MOUNTED };

enum hoy_fetch_packet_type {
	HOY_FETCH_WANT = 1, /* answer: struct hoy_fetch_answer */
	HOY_FETCH_PROGRESS,
	HOY_FETCH_GOT, /* all of it is in the file, and its digest is right; PUSH: the registry has it */
	/* Everything is there: `digest` is the image's ID, of no meaning in the other operations. `how` is EXISTED when
	 * the reference still means `known`: then nothing was asked for. */
	HOY_FETCH_DONE,
	HOY_FETCH_ERROR,
	HOY_FETCH_HEAD, /* FILE: what the server says of it, before DONE */
};

struct hoy_fetch_packet {
	uint32_t type;
	uint32_t kind;  /* enum hoy_fetch_kind */
	uint32_t how;   /* GOT, DONE: enum hoy_fetch_how */
	uint32_t plain; /* DONE: the registry spoke plain HTTP */
	union {
		struct {
			char digest[HOY_FETCH_DIGEST_MAX];
			char media_type[HOY_FETCH_MEDIA_MAX]; /* DONE, WANT of a manifest or index; else "" */
			uint64_t current;                     /* PROGRESS: bytes so far */
			uint64_t size;                        /* of all */
		} blob;
		struct {
			char name[HOY_FETCH_NAME_MAX]; /* last part of the URL, or what the server calls it; "": none */
			char etag[HOY_FETCH_NAME_MAX]; /* "": none, or none that fits */
			int64_t modified;              /* seconds since 1970; 0: not said */
		} head;
		struct hoy_err err;
	};
};

enum hoy_fetch_answer_type {
	HOY_FETCH_HAVE = 1, /* hoyd has it: it is not to be fetched */
	HOY_FETCH_GIVE,     /* to be fetched, into the file that comes beside this; PUSH: there it is */
	HOY_FETCH_NONE,     /* PUSH: hoyd has not got it */
};

struct hoy_fetch_answer {
	uint32_t type;
	char from[HOY_FETCH_REPOSITORY_MAX]; /* PUSH: a repository of the same host that has it; "": unknown */
};

/* Checks a packet of `len` bytes: type, size, strings terminated, digests of the right form. 0 or -EPROTO. */
int hoy_fetch_packet_check(struct hoy_fetch_packet *packet, size_t len, struct hoy_err *err);

#endif
