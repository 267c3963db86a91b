/* All records of the store, as far as they were told: what is there now. Decides nothing. */
#ifndef HOY_WORKER_PEER_MIRROR_H
#define HOY_WORKER_PEER_MIRROR_H

#include "supervisor/worker/peer/records.h"

struct hoy_mirror_entry {
	struct hoy_record record;
	bool stale;
};

struct hoy_mirror {
	struct hoy_mirror_entry *entries;
	size_t n;
	uint64_t generation; /* revision of the last change of a network; 0: none ever */
};

void hoy_mirror_done(struct hoy_mirror *mirror);
/* The record with the same key; NULL: none. */
struct hoy_mirror_entry *hoy_mirror_find(struct hoy_mirror *mirror, const struct hoy_record *key);
/* 1: it is new or has changed, 0: as it was, -ENOMEM. */
int hoy_mirror_put(struct hoy_mirror *mirror, const struct hoy_record *record, struct hoy_err *err);
void hoy_mirror_remove(struct hoy_mirror *mirror, struct hoy_mirror_entry *entry);
const struct hoy_peer_network *hoy_mirror_network(const struct hoy_mirror *mirror, const char *id);

/* Who is in the way of a network: one with its name, or with a part of its subnet; NULL: nobody. */
const struct hoy_peer_network *hoy_mirror_conflict(
	const struct hoy_mirror *mirror, const struct hoy_peer_network *network);
/* The lowest VNI that no network has; 0: none. */
uint32_t hoy_mirror_free_vni(const struct hoy_mirror *mirror);
/* The place that the endpoint has; 0: none. */
uint32_t hoy_mirror_place_of(const struct hoy_mirror *mirror, const struct hoy_peer_address *address);
/* The lowest place in [first, last] that nobody has, nor is the gateway's; 0: none. */
uint32_t hoy_mirror_free_place(const struct hoy_mirror *mirror, const struct hoy_peer_address *address);

#endif
