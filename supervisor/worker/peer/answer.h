/* What etcd's JSON gateway answers, as a struct. Pure: any bytes may come. */
#ifndef HOY_WORKER_PEER_ANSWER_H
#define HOY_WORKER_PEER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_etcd_kv {
	char *key;
	char *value; /* NULL: deleted */
	uint64_t revision;
};

/* One answer, or one message of a watch; what it does not have is 0. */
struct hoy_etcd_answer {
	uint64_t revision, cluster; /* of the header */
	bool succeeded;             /* a transaction's condition held */
	bool canceled;              /* the watch is over */
	uint64_t compact_revision;  /* of a watch that began before it */
	uint64_t lease;
	int64_t ttl; /* of the lease; 0: there is none */
	struct hoy_etcd_kv *kvs;
	size_t n_kvs;
};

/* Keys and values that are no text are passed over: nobody of ours wrote them. An error that etcd tells becomes `err`.
 * The caller frees with hoy_etcd_answer_done(). */
int hoy_etcd_answer_parse(const char *text, size_t len, struct hoy_etcd_answer *ret, struct hoy_err *err);
void hoy_etcd_answer_done(struct hoy_etcd_answer *answer);

#endif
