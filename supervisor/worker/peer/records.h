/*
 * What Hoy keeps in the store, below HOY_RECORD_PREFIX, as JSON:
 *
 *	network/ID              a network's definition
 *	address/NETWORK/PLACE   whose the address is: of a host and an endpoint, until that is removed
 *	member/NETWORK/ENDPOINT an endpoint that is up, under its host's lease
 *	generation              written with every change of a network, so that these exclude each other
 *
 * Pure. Values come from other hosts: all is checked, what is wrong is no record.
 */
#ifndef HOY_WORKER_PEER_RECORDS_H
#define HOY_WORKER_PEER_RECORDS_H

#include "base/buf.h"
#include "supervisor/worker/peer/proto.h"

#define HOY_RECORD_PREFIX "/hoy/1/"
#define HOY_RECORD_END "/hoy/10" /* the first key behind them */
#define HOY_RECORD_GENERATION HOY_RECORD_PREFIX "generation"

enum hoy_record_kind { HOY_RECORD_NONE, HOY_RECORD_NETWORK, HOY_RECORD_ADDRESS, HOY_RECORD_MEMBER, HOY_RECORD_STAMP };

struct hoy_record {
	enum hoy_record_kind kind;
	char host[HOY_PEER_ID_MAX]; /* of an address or a member */
	union {
		struct hoy_peer_network network;
		struct hoy_peer_address address;
		struct hoy_peer_member member;
	};
};

/* Which record a key is, with its IDs; HOY_RECORD_NONE: not one of ours. */
void hoy_record_of_key(const char *key, struct hoy_record *ret);
/* Key and value. -EINVAL: no record. */
int hoy_record_parse(const char *key, const char *value, struct hoy_record *ret, struct hoy_err *err);

/* The other way; the caller's, NULL without memory. */
char *hoy_record_key(const struct hoy_record *record);
int hoy_record_value(const struct hoy_record *record, struct hoy_buf *out, struct hoy_err *err);

#endif
