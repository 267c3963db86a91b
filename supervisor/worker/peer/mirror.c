#include "supervisor/worker/peer/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void hoy_mirror_done(struct hoy_mirror *mirror)
{
	free(mirror->entries);
	*mirror = (struct hoy_mirror){};
}

static bool same_key(const struct hoy_record *a, const struct hoy_record *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case HOY_RECORD_NETWORK:
		return hoy_str_eq(a->network.id, b->network.id);
	case HOY_RECORD_ADDRESS:
		return a->address.place == b->address.place && hoy_str_eq(a->address.network, b->address.network);
	case HOY_RECORD_MEMBER:
		return hoy_str_eq(a->member.endpoint, b->member.endpoint) &&
		       hoy_str_eq(a->member.network, b->member.network);
	default:
		return false;
	}
}

struct hoy_mirror_entry *hoy_mirror_find(struct hoy_mirror *mirror, const struct hoy_record *key)
{
	for (size_t i = 0; i < mirror->n; i++)
		if (same_key(&mirror->entries[i].record, key))
			return &mirror->entries[i];
	return NULL;
}

int hoy_mirror_put(struct hoy_mirror *mirror, const struct hoy_record *record, struct hoy_err *err)
{
	struct hoy_mirror_entry *entry = hoy_mirror_find(mirror, record);

	if (entry) { /* records are made of zeroed structs */
		bool same = memcmp(&entry->record, record, sizeof *record) == 0;

		entry->record = *record;
		entry->stale = false;
		return !same;
	}
	entry = reallocarray(mirror->entries, mirror->n + 1, sizeof *entry);
	if (!entry)
		return hoy_err_oom(err);
	mirror->entries = entry;
	entry += mirror->n++;
	entry->record = *record;
	entry->stale = false;
	return 1;
}

void hoy_mirror_remove(struct hoy_mirror *mirror, struct hoy_mirror_entry *entry)
{
	*entry = mirror->entries[--mirror->n];
}

const struct hoy_peer_network *hoy_mirror_network(const struct hoy_mirror *mirror, const char *id)
{
	for (size_t i = 0; i < mirror->n; i++) {
		const struct hoy_record *record = &mirror->entries[i].record;

		if (record->kind == HOY_RECORD_NETWORK && hoy_str_eq(record->network.id, id))
			return &record->network;
	}
	return NULL;
}

const struct hoy_peer_network *hoy_mirror_conflict(
	const struct hoy_mirror *mirror, const struct hoy_peer_network *network)
{
	for (size_t i = 0; i < mirror->n; i++) {
		const struct hoy_record *record = &mirror->entries[i].record;
		const struct hoy_peer_network *other = &record->network;
		uint32_t mask;

		if (record->kind != HOY_RECORD_NETWORK)
			continue;
		mask = UINT32_MAX << (32 - MIN(other->prefix_len, network->prefix_len)); /* 8 to 30 */
		if (hoy_str_eq(other->name, network->name) || ((other->subnet ^ network->subnet) & mask) == 0)
			return other;
	}
	return NULL;
}

uint32_t hoy_mirror_free_vni(const struct hoy_mirror *mirror)
{
	uint32_t vni = HOY_PEER_FIRST_VNI;

	for (size_t i = 0; i < mirror->n && vni <= HOY_PEER_LAST_VNI; i++) {
		const struct hoy_record *record = &mirror->entries[i].record;

		if (record->kind == HOY_RECORD_NETWORK && record->network.vni == vni) {
			vni++;
			i = SIZE_MAX; /* all over again */
		}
	}
	return vni <= HOY_PEER_LAST_VNI ? vni : 0;
}

uint32_t hoy_mirror_place_of(const struct hoy_mirror *mirror, const struct hoy_peer_address *address)
{
	for (size_t i = 0; i < mirror->n; i++) {
		const struct hoy_record *record = &mirror->entries[i].record;

		if (record->kind == HOY_RECORD_ADDRESS && hoy_str_eq(record->address.endpoint, address->endpoint) &&
			hoy_str_eq(record->address.network, address->network))
			return record->address.place;
	}
	return 0;
}

/* Among the first n + 2 places one is free, if there are as many. */
uint32_t hoy_mirror_free_place(const struct hoy_mirror *mirror, const struct hoy_peer_address *address)
{
	size_t span = MIN((size_t) address->last - address->first + 1, mirror->n + 2);
	auto_free bool *taken = address->last < address->first ? NULL : calloc(span, sizeof *taken);

	if (!taken)
		return 0;
	for (size_t i = 0; i < mirror->n; i++) {
		const struct hoy_record *record = &mirror->entries[i].record;

		if (record->kind == HOY_RECORD_ADDRESS && record->address.place >= address->first &&
			record->address.place - address->first < span &&
			hoy_str_eq(record->address.network, address->network))
			taken[record->address.place - address->first] = true;
	}
	for (size_t i = 0; i < span; i++)
		if (!taken[i] && address->first + i != address->gateway && address->first + i > 0)
			return address->first + (uint32_t) i;
	return 0;
}
