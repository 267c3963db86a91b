/*
 * What hoyd and a hoy-fetch process say to each other, over the SEQPACKET socket that is the worker's descriptor 3.
 * Both are of one build: packets are structs. One worker serves one request and exits.
 *
 *	hoyd -> worker   the request, a JSON text (struct hoy_fetch_request)
 *	worker -> hoyd   WANT of a blob; hoyd answers each with an answer, beside which comes the file to write it to
 *	worker -> hoyd   PROGRESS and GOT of blobs, then one DONE or ERROR
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
#define HOY_FETCH_REQUEST_MAX ((size_t) 64 << 10)

/* Strings are owned; NULL: not given. */
struct hoy_fetch_request {
	char *host;       /* "localhost:5000", "docker.io" */
	char *repository; /* "library/busybox" */
	char *reference;  /* a tag or a digest */
	char *familiar;   /* "busybox:latest", for texts */
	char *name;       /* "busybox", for texts */
	char *architecture, *variant;
	char *username, *password, *identity_token, *registry_token;
	bool insecure; /* certificates are not checked, and plain HTTP will do */
};

int hoy_fetch_request_print(const struct hoy_fetch_request *rq, struct hoy_buf *buf, struct hoy_err *err);
int hoy_fetch_request_parse(const char *text, size_t len, struct hoy_fetch_request **ret, struct hoy_err *err);
void hoy_fetch_request_free(struct hoy_fetch_request *rq); /* secrets are wiped */
HOY_DEFINE_AUTO_PTR(struct hoy_fetch_request, hoy_fetch_request_free);

enum hoy_fetch_kind { HOY_FETCH_DOCUMENT, HOY_FETCH_LAYER };

enum hoy_fetch_packet_type {
	HOY_FETCH_WANT = 1, /* answer: struct hoy_fetch_answer */
	HOY_FETCH_PROGRESS,
	HOY_FETCH_GOT,  /* all of it is in the file, and its digest is right */
	HOY_FETCH_DONE, /* everything is there: `digest` is the image's ID */
	HOY_FETCH_ERROR,
};

struct hoy_fetch_packet {
	uint32_t type;
	uint32_t kind; /* WANT: enum hoy_fetch_kind */
	union {
		struct {
			char digest[HOY_FETCH_DIGEST_MAX];
			char media_type[HOY_FETCH_MEDIA_MAX]; /* DONE; else "" */
			uint64_t current;                     /* PROGRESS: bytes so far */
			uint64_t size;                        /* of all */
		} blob;
		struct hoy_err err;
	};
};

enum hoy_fetch_answer_type {
	HOY_FETCH_HAVE = 1, /* hoyd has it: it is not to be fetched */
	HOY_FETCH_GIVE,     /* to be fetched, into the file that comes beside this */
};

struct hoy_fetch_answer {
	uint32_t type;
};

/* Checks a packet of `len` bytes: type, size, strings terminated, digests of the right form. 0 or -EPROTO. */
int hoy_fetch_packet_check(struct hoy_fetch_packet *packet, size_t len, struct hoy_err *err);

#endif
