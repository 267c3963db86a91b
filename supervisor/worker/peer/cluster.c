#include "supervisor/worker/peer/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/worker/peer/etcd.h"
#include "supervisor/worker/peer/mirror.h"

#define LEASE_S 30
#define SECOND_NS UINT64_C(1000000000)
#define KEEP_ALIVE_NS (5 * SECOND_NS)
#define RETRY_NS (SECOND_NS / 2)
/* Another host was faster, or what we have deleted ourselves is still there: so often a request is tried. */
#define MAX_TRIES 50U
#define AGAIN_NS (SECOND_NS / 50)

/* A request of hoyd's. */
struct task {
	struct task *next;
	struct hoy_cluster *cluster; /* NULL: nobody waits for it any more */
	struct hoy_peer_message message;
	bool is_running;
	unsigned int tries;
};

/* What hoyd says of this host. */
struct own {
	struct hoy_record record; /* an address or a member */
	uint64_t lease;           /* of a member: it was written under this one; 0: to be written */
	bool stale;
};

enum stage { AWAY, CONNECTING, CONNECTED };

struct hoy_cluster {
	struct hoy_loop *loop;
	struct hoy_peer_hello hello;
	struct hoy_etcd *etcd;
	struct hoy_mirror mirror;
	struct own *own;
	size_t n_own;
	struct task *tasks;
	enum stage stage;
	struct hoy_err trouble; /* why it is away; errnum 0: it is not, or that is not known yet */
	uint64_t lease, revision, id;
	bool is_read; /* the mirror has been whole once */
	bool has_hoyd;
	bool is_synced; /* hoyd has told all */
	hoy_cluster_tell tell;
	void *userdata;
	struct hoy_source *timer; /* keep-alive, or the next try */
	struct hoy_source *again; /* of tasks that have to wait a little */
};

static void run_tasks(struct hoy_cluster *cluster);
static void reconcile(struct hoy_cluster *cluster);

/* --- requests as text ------------------------------------------------------------- */

static void add_base64(struct hoy_buf *out, const char *text)
{
	(void) hoy_base64_encode(out, text, strlen(text), /* url_safe= */ false);
}

static void add_key(struct hoy_buf *out, const char *name, const char *key)
{
	(void) hoy_buf_addf(out, "\"%s\":\"", name);
	add_base64(out, key);
	(void) hoy_buf_adds(out, "\"");
}

static void add_put(struct hoy_buf *out, const struct hoy_record *record, uint64_t lease)
{
	auto_(hoy_buf_done) struct hoy_buf value = {};
	auto_free char *key = hoy_record_key(record);

	if (!key || hoy_record_value(record, &value, NULL) < 0) {
		out->failed = out->failed ? out->failed : -ENOMEM;
		return;
	}
	(void) hoy_buf_adds(out, "{");
	add_key(out, "key", key);
	(void) hoy_buf_adds(out, ",");
	add_key(out, "value", value.data);
	if (lease)
		(void) hoy_buf_addf(out, ",\"lease\":\"%" PRIu64 "\"", lease);
	(void) hoy_buf_adds(out, "}");
}

/* Was the key made, or not (`exists`)? With `end` of all keys up to there. */
static void add_compare(struct hoy_buf *out, const char *key, const char *end, bool exists)
{
	(void) hoy_buf_adds(out, "{");
	add_key(out, "key", key);
	if (end) {
		(void) hoy_buf_adds(out, ",");
		add_key(out, "range_end", end);
	}
	(void) hoy_buf_addf(out, ",\"target\":\"CREATE\",\"result\":\"%s\",\"create_revision\":\"0\"}",
		exists ? "GREATER" : "EQUAL");
}

static void add_generation(struct hoy_buf *out, uint64_t generation)
{
	(void) hoy_buf_adds(out, "{");
	add_key(out, "key", HOY_RECORD_GENERATION);
	(void) hoy_buf_addf(out, ",\"target\":\"MOD\",\"mod_revision\":\"%" PRIu64 "\"}", generation);
}

static int ask(struct hoy_cluster *cluster, const char *path, struct hoy_buf *body, hoy_etcd_done done, void *userdata,
	struct hoy_err *err)
{
	int r = hoy_buf_check(body, "request for the store", err);

	return r < 0 ? r : hoy_etcd_ask(cluster->etcd, path, body->data, done, userdata, err);
}

/* --- telling hoyd ------------------------------------------------------------------- */

static void tell_hoyd(struct hoy_cluster *cluster, struct hoy_peer_message *message)
{
	if (cluster->has_hoyd)
		cluster->tell(cluster->userdata, message);
}

static bool is_ours(const struct hoy_cluster *cluster, const struct hoy_record *record)
{
	return hoy_str_eq(record->host, cluster->hello.host);
}

static void tell_record(struct hoy_cluster *cluster, const struct hoy_record *record, bool gone)
{
	struct hoy_peer_message message = {};

	if (record->kind == HOY_RECORD_NETWORK) {
		message.op = gone ? HOY_PEER_NETWORK_GONE : HOY_PEER_NETWORK;
		message.network = record->network;
	} else if (record->kind == HOY_RECORD_MEMBER && !is_ours(cluster, record)) {
		message.op = gone ? HOY_PEER_REMOTE_GONE : HOY_PEER_REMOTE;
		message.member = record->member;
	} else {
		return;
	}
	tell_hoyd(cluster, &message);
}

static void tell_plain(struct hoy_cluster *cluster, enum hoy_peer_op op, const struct hoy_err *err)
{
	struct hoy_peer_message message = { .op = op };

	if (err)
		message.err = *err;
	tell_hoyd(cluster, &message);
}

static void tell_all(struct hoy_cluster *cluster)
{
	for (size_t i = 0; i < cluster->mirror.n; i++)
		if (cluster->mirror.entries[i].record.kind == HOY_RECORD_NETWORK)
			tell_record(cluster, &cluster->mirror.entries[i].record, /* gone= */ false);
	for (size_t i = 0; i < cluster->mirror.n; i++)
		if (cluster->mirror.entries[i].record.kind == HOY_RECORD_MEMBER)
			tell_record(cluster, &cluster->mirror.entries[i].record, /* gone= */ false);
	tell_plain(cluster, HOY_PEER_COMPLETE, NULL);
}

/* --- the mirror ------------------------------------------------------------------------ */

static void drop(struct hoy_cluster *cluster, struct hoy_mirror_entry *entry)
{
	struct hoy_record record = entry->record;

	hoy_mirror_remove(&cluster->mirror, entry);
	tell_record(cluster, &record, /* gone= */ true);
}

static void apply(struct hoy_cluster *cluster, const struct hoy_etcd_kv *kv)
{
	struct hoy_mirror_entry *entry;
	struct hoy_record record;
	struct hoy_err err = {};
	int r;

	if (!kv->value) {
		hoy_record_of_key(kv->key, &record);
		entry = hoy_mirror_find(&cluster->mirror, &record);
		if (entry)
			drop(cluster, entry);
		if (record.kind == HOY_RECORD_STAMP)
			cluster->mirror.generation = 0;
		return;
	}
	r = hoy_record_parse(kv->key, kv->value, &record, &err);
	if (r >= 0 && record.kind == HOY_RECORD_STAMP)
		cluster->mirror.generation = kv->revision;
	else if (r >= 0)
		r = hoy_mirror_put(&cluster->mirror, &record, &err);
	if (r < 0)
		hoy_log_ignored(&err, "key-value store");
	else if (r > 0)
		tell_record(cluster, &record, /* gone= */ false);
}

static void apply_all(struct hoy_cluster *cluster, const struct hoy_etcd_answer *answer)
{
	for (size_t i = 0; i < answer->n_kvs; i++)
		apply(cluster, &answer->kvs[i]);
}

/* --- connecting -------------------------------------------------------------------------- */

static void fail_tasks(struct hoy_cluster *cluster, const struct hoy_err *err);

static void lost(struct hoy_cluster *cluster, const struct hoy_err *err)
{
	bool is_news = !cluster->trouble.errnum;

	hoy_etcd_unwatch(cluster->etcd);
	cluster->stage = AWAY;
	cluster->trouble = *err;
	hoy_etcd_next(cluster->etcd);
	hoy_source_set_timer(cluster->timer, RETRY_NS);
	if (is_news)
		tell_plain(cluster, HOY_PEER_TROUBLE, err);
	fail_tasks(cluster, err);
}

static void on_watched(void *userdata, const struct hoy_etcd_answer *answer, const struct hoy_err *err)
{
	struct hoy_cluster *cluster = userdata;
	const struct hoy_err ended = { .errnum = ECONNRESET, .msg = "etcd ended the watch" };

	if (!answer) {
		lost(cluster, err);
		return;
	}
	if (answer->canceled || answer->compact_revision > 0) { /* what came between is not known: all is read anew */
		cluster->revision = 0;
		lost(cluster, &ended);
		return;
	}
	apply_all(cluster, answer);
	if (answer->n_kvs > 0) {
		cluster->revision = MAX(cluster->revision, answer->revision);
		reconcile(cluster);
	}
}

static void watch(struct hoy_cluster *cluster)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_err err = {};

	(void) hoy_buf_adds(&body, "{\"create_request\":{");
	add_key(&body, "key", HOY_RECORD_PREFIX);
	(void) hoy_buf_adds(&body, ",");
	add_key(&body, "range_end", HOY_RECORD_END);
	(void) hoy_buf_addf(&body, ",\"start_revision\":\"%" PRIu64 "\"}}", cluster->revision + 1);
	if (hoy_buf_check(&body, "watch", &err) < 0 ||
		hoy_etcd_watch(cluster->etcd, body.data, on_watched, cluster, &err) < 0) {
		lost(cluster, &err);
		return;
	}
	if (!cluster->is_read) {
		cluster->is_read = true;
		tell_plain(cluster, HOY_PEER_COMPLETE, NULL);
	}
	if (cluster->trouble.errnum) {
		cluster->trouble = (struct hoy_err){};
		tell_plain(cluster, HOY_PEER_TROUBLE, NULL);
	}
	cluster->stage = CONNECTED;
	hoy_source_set_timer(cluster->timer, KEEP_ALIVE_NS);
	reconcile(cluster);
	run_tasks(cluster);
}

static void on_read(void *userdata, const struct hoy_etcd_answer *answer, const struct hoy_err *err)
{
	struct hoy_cluster *cluster = userdata;

	if (!answer) {
		lost(cluster, err);
		return;
	}
	for (size_t i = 0; i < cluster->mirror.n; i++)
		cluster->mirror.entries[i].stale = true;
	cluster->mirror.generation = 0;
	apply_all(cluster, answer);
	for (size_t i = cluster->mirror.n; i-- > 0;)
		if (cluster->mirror.entries[i].stale)
			drop(cluster, &cluster->mirror.entries[i]);
	cluster->revision = answer->revision;
	watch(cluster);
}

static void read_all(struct hoy_cluster *cluster)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_err err = {};

	(void) hoy_buf_adds(&body, "{");
	add_key(&body, "key", HOY_RECORD_PREFIX);
	(void) hoy_buf_adds(&body, ",");
	add_key(&body, "range_end", HOY_RECORD_END);
	(void) hoy_buf_adds(&body, "}");
	if (ask(cluster, "kv/range", &body, on_read, cluster, &err) < 0)
		lost(cluster, &err);
}

/* Another store than before, or one that was set back, knows nothing of our revision. */
static void have_lease(struct hoy_cluster *cluster, const struct hoy_etcd_answer *answer)
{
	bool is_same = cluster->id == answer->cluster && cluster->revision > 0 && cluster->revision <= answer->revision;

	cluster->id = answer->cluster;
	if (cluster->stage == CONNECTED)
		hoy_source_set_timer(cluster->timer, KEEP_ALIVE_NS);
	else if (is_same)
		watch(cluster);
	else
		read_all(cluster);
}

static void on_granted(void *userdata, const struct hoy_etcd_answer *answer, const struct hoy_err *err)
{
	struct hoy_cluster *cluster = userdata;
	const struct hoy_err none = { .errnum = EPROTO, .msg = "etcd grants no lease" };

	if (!answer || answer->lease == 0) {
		lost(cluster, answer ? &none : err);
		return;
	}
	cluster->lease = answer->lease;
	have_lease(cluster, answer);
	if (cluster->stage == CONNECTED)
		reconcile(cluster);
}

static void grant(struct hoy_cluster *cluster)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_err err = {};

	(void) hoy_buf_addf(&body, "{\"TTL\":\"%d\"}", LEASE_S);
	cluster->lease = 0;
	if (ask(cluster, "lease/grant", &body, on_granted, cluster, &err) < 0)
		lost(cluster, &err);
}

static void on_kept(void *userdata, const struct hoy_etcd_answer *answer, const struct hoy_err *err)
{
	struct hoy_cluster *cluster = userdata;

	if (!answer)
		lost(cluster, err);
	else if (answer->ttl <= 0) /* it ran out while we were cut off */
		grant(cluster);
	else
		have_lease(cluster, answer);
}

static void on_timer(struct hoy_source *source, void *userdata)
{
	struct hoy_cluster *cluster = userdata;
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_err err = {};

	(void) source;
	if (cluster->stage == AWAY)
		cluster->stage = CONNECTING;
	if (cluster->lease == 0) {
		grant(cluster);
		return;
	}
	(void) hoy_buf_addf(&body, "{\"ID\":\"%" PRIu64 "\"}", cluster->lease);
	if (ask(cluster, "lease/keepalive", &body, on_kept, cluster, &err) < 0)
		lost(cluster, &err);
}

/* --- what this host has in the store ------------------------------------------------------- */

static struct own *find_own(struct hoy_cluster *cluster, enum hoy_record_kind kind, const char *endpoint)
{
	for (size_t i = 0; i < cluster->n_own; i++) {
		struct own *own = &cluster->own[i];

		if (own->record.kind == kind && hoy_str_eq(kind == HOY_RECORD_MEMBER ? own->record.member.endpoint
										     : own->record.address.endpoint,
							endpoint))
			return own;
	}
	return NULL;
}

static int put_own(struct hoy_cluster *cluster, const struct hoy_record *record, struct hoy_err *err)
{
	struct own *own = find_own(cluster, record->kind,
		record->kind == HOY_RECORD_MEMBER ? record->member.endpoint : record->address.endpoint);

	if (!own) {
		own = reallocarray(cluster->own, cluster->n_own + 1, sizeof *own);
		if (!own)
			return hoy_err_oom(err);
		cluster->own = own;
		own += cluster->n_own++;
		memset(own, 0, sizeof *own);
	}
	own->stale = false;
	if (memcmp(&own->record, record, sizeof *record) != 0)
		own->lease = 0;
	own->record = *record;
	return 0;
}

/* What is not known to be written when the connection is lost is written anew after it. */
static void on_written(void *userdata, const struct hoy_etcd_answer *answer, const struct hoy_err *err)
{
	struct hoy_cluster *cluster = userdata;

	if (answer)
		return;
	for (size_t i = 0; i < cluster->n_own; i++)
		cluster->own[i].lease = 0;
	lost(cluster, err);
}

static void write_member(struct hoy_cluster *cluster, struct own *own)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_err err = {};

	add_put(&body, &own->record, cluster->lease);
	own->lease = cluster->lease;
	if (ask(cluster, "kv/put", &body, on_written, cluster, &err) < 0)
		hoy_log_err(&err, "tell the other hosts of an endpoint");
}

static void delete_record(struct hoy_cluster *cluster, const struct hoy_record *record)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	auto_free char *key = hoy_record_key(record);
	struct hoy_err err = {};

	(void) hoy_buf_adds(&body, "{");
	add_key(&body, "key", key ? key : "");
	(void) hoy_buf_adds(&body, "}");
	if (ask(cluster, "kv/deleterange", &body, on_written, cluster, &err) < 0)
		hoy_log_err(&err, "remove what is no more from the store");
}

static bool is_leasing(const struct hoy_cluster *cluster, const char *endpoint)
{
	for (const struct task *task = cluster->tasks; task; task = task->next)
		if (task->message.op == HOY_PEER_LEASE && hoy_str_eq(task->message.address.endpoint, endpoint))
			return true;
	return false;
}

/* Is what the store has of this host wanted? An address that is just being leased is. */
static bool is_wanted(struct hoy_cluster *cluster, const struct hoy_record *record)
{
	const struct own *own;

	if (record->kind == HOY_RECORD_MEMBER)
		return find_own(cluster, HOY_RECORD_MEMBER, record->member.endpoint) != NULL;
	own = find_own(cluster, HOY_RECORD_ADDRESS, record->address.endpoint);
	return (own && own->record.address.place == record->address.place) ||
	       is_leasing(cluster, record->address.endpoint);
}

static void reconcile(struct hoy_cluster *cluster)
{
	if (cluster->stage != CONNECTED || cluster->lease == 0)
		return;
	for (size_t i = 0; i < cluster->n_own; i++)
		if (cluster->own[i].record.kind == HOY_RECORD_MEMBER && cluster->own[i].lease != cluster->lease)
			write_member(cluster, &cluster->own[i]);
	for (size_t i = 0; cluster->is_synced && i < cluster->mirror.n; i++) {
		const struct hoy_record *record = &cluster->mirror.entries[i].record;

		if (record->kind != HOY_RECORD_NETWORK && is_ours(cluster, record) && !is_wanted(cluster, record))
			delete_record(cluster, record);
	}
}

static void sweep_own(struct hoy_cluster *cluster, enum hoy_record_kind kind, const char *network)
{
	for (size_t i = cluster->n_own; i-- > 0;) {
		const struct hoy_record *record = &cluster->own[i].record;

		if (cluster->own[i].stale &&
			(!network || (record->kind == kind && hoy_str_eq(record->member.network, network))))
			cluster->own[i] = cluster->own[--cluster->n_own];
	}
}

/* --- tasks ------------------------------------------------------------------------------------ */

static void end_task(struct task *task, const struct hoy_err *err)
{
	struct hoy_cluster *cluster = task->cluster;
	struct task **link;

	if (cluster) {
		link = &cluster->tasks;
		while (*link != task)
			link = &(*link)->next;
		*link = task->next;
		task->message.err = err ? *err : (struct hoy_err){};
		tell_hoyd(cluster, &task->message);
	}
	free(task);
}

/* Those that are under way hear of it by themselves. */
static void fail_tasks(struct hoy_cluster *cluster, const struct hoy_err *err)
{
	for (struct task *task = cluster->tasks, *next; task; task = next) {
		struct hoy_err why = *err;

		next = task->next;
		if (task->is_running)
			continue;
		(void) hoy_err_wrap(&why, "the key-value store is out of reach");
		end_task(task, &why);
	}
}

static int hold(struct hoy_cluster *cluster, const struct hoy_peer_address *address, struct hoy_err *err)
{
	struct hoy_record record = { .kind = HOY_RECORD_ADDRESS };

	memcpy(record.address.network, address->network, sizeof record.address.network);
	memcpy(record.address.endpoint, address->endpoint, sizeof record.address.endpoint);
	record.address.place = address->place;
	(void) snprintf(record.host, sizeof record.host, "%s", cluster->hello.host);
	return put_own(cluster, &record, err);
}

static void on_done(void *userdata, const struct hoy_etcd_answer *answer, const struct hoy_err *err)
{
	struct task *task = userdata;
	struct hoy_cluster *cluster = task->cluster;
	struct hoy_err why = {};

	if (!cluster) {
		free(task);
		return;
	}
	task->is_running = false;
	if (!answer) {
		why = *err;
		(void) hoy_err_wrap(&why, "the key-value store is out of reach");
		end_task(task, &why);
		if (cluster->stage == CONNECTED)
			lost(cluster, err);
		return;
	}
	apply_all(cluster, answer); /* what was in the way */
	if (!answer->succeeded) {
		hoy_source_set_timer(cluster->again, task->tries < 3 ? 0 : AGAIN_NS);
		return;
	}
	if (task->message.op == HOY_PEER_LEASE) {
		(void) hold(cluster, &task->message.address, &why);
	} else if (task->message.op == HOY_PEER_CREATE) {
		struct hoy_record record = { .kind = HOY_RECORD_NETWORK, .network = task->message.network };

		(void) hoy_mirror_put(&cluster->mirror, &record, &why);
	}
	end_task(task, why.errnum ? &why : NULL);
}

/* 1: it is there already. */
static int create(struct task *task, struct hoy_buf *body, struct hoy_err *err)
{
	struct hoy_cluster *cluster = task->cluster;
	struct hoy_peer_network *network = &task->message.network;
	const struct hoy_peer_network *other = hoy_mirror_conflict(&cluster->mirror, network);
	const struct hoy_record stamp = { .kind = HOY_RECORD_STAMP };
	struct hoy_record record = { .kind = HOY_RECORD_NETWORK };

	if (other && hoy_str_eq(other->id, network->id)) { /* it was made, and the answer lost */
		*network = *other;
		return 1;
	}
	if (other && hoy_str_eq(other->name, network->name))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "network with name %s already exists", network->name);
	if (other)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
			"invalid pool request: Pool overlaps with other one on this address space (network %s of the "
			"cluster)",
			other->name);
	network->vni = hoy_mirror_free_vni(&cluster->mirror);
	if (network->vni == 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOSPC, "all VXLAN numbers are taken");
	record.network = *network;
	(void) hoy_buf_adds(body, "{\"compare\":[");
	add_generation(body, cluster->mirror.generation);
	(void) hoy_buf_adds(body, "],\"success\":[{\"request_put\":");
	add_put(body, &record, 0);
	(void) hoy_buf_adds(body, "},{\"request_put\":");
	add_put(body, &stamp, 0);
	(void) hoy_buf_adds(body, "}],\"failure\":[{\"request_range\":{");
	add_key(body, "key", HOY_RECORD_PREFIX "network/");
	(void) hoy_buf_adds(body, ",");
	add_key(body, "range_end", HOY_RECORD_PREFIX "network0");
	(void) hoy_buf_adds(body, "}},{\"request_range\":{");
	add_key(body, "key", HOY_RECORD_GENERATION);
	(void) hoy_buf_adds(body, "}}]}");
	return 0;
}

static int remove_network(struct task *task, struct hoy_buf *body, struct hoy_err *err)
{
	const char *id = task->message.network.id;
	auto_free char *key = hoy_str_printf(HOY_RECORD_PREFIX "network/%s", id),
		       *members = hoy_str_printf(HOY_RECORD_PREFIX "member/%s/", id),
		       *members_end = hoy_str_printf(HOY_RECORD_PREFIX "member/%s0", id),
		       *addresses = hoy_str_printf(HOY_RECORD_PREFIX "address/%s/", id),
		       *addresses_end = hoy_str_printf(HOY_RECORD_PREFIX "address/%s0", id);

	if (!key || !members || !members_end || !addresses || !addresses_end)
		return hoy_err_oom(err);
	for (size_t i = 0; i < task->cluster->mirror.n; i++) {
		const struct hoy_record *record = &task->cluster->mirror.entries[i].record;

		if (record->kind == HOY_RECORD_MEMBER && hoy_str_eq(record->member.network, id) &&
			!is_ours(task->cluster, record)) /* ours are on their way out */
			return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
				"error while removing network: network %s has active endpoints on other hosts of the cluster",
				id);
	}
	(void) hoy_buf_adds(body, "{\"compare\":[");
	add_compare(body, members, members_end, /* exists= */ false);
	(void) hoy_buf_adds(body, "],\"success\":[{\"request_delete_range\":{");
	add_key(body, "key", key);
	(void) hoy_buf_adds(body, "}},{\"request_delete_range\":{");
	add_key(body, "key", addresses);
	(void) hoy_buf_adds(body, ",");
	add_key(body, "range_end", addresses_end);
	(void) hoy_buf_adds(body, "}}],\"failure\":[{\"request_range\":{");
	add_key(body, "key", members);
	(void) hoy_buf_adds(body, ",");
	add_key(body, "range_end", members_end);
	(void) hoy_buf_adds(body, "}}]}");
	return 0;
}

/* 1: it has one already. */
static int lease(struct task *task, struct hoy_buf *body, struct hoy_err *err)
{
	struct hoy_cluster *cluster = task->cluster;
	struct hoy_peer_address *address = &task->message.address;
	struct hoy_record record = { .kind = HOY_RECORD_ADDRESS, .address = *address };
	const struct hoy_peer_network *network = hoy_mirror_network(&cluster->mirror, address->network);
	auto_free char *network_key = hoy_str_printf(HOY_RECORD_PREFIX "network/%s", address->network), *key = NULL;
	uint32_t had = hoy_mirror_place_of(&cluster->mirror, address);

	if (!network)
		return hoy_err_not_found(err, "network %s not found in the cluster", address->network);
	if (had > 0 && (had == address->place || address->first < address->last)) {
		address->place = had;
		return 1;
	}
	if (address->first < address->last) /* any: chosen anew when somebody was faster */
		address->place = hoy_mirror_free_place(&cluster->mirror, address);
	else if (hoy_mirror_find(&cluster->mirror, &record))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EADDRINUSE, "Address already in use on another host");
	if (address->place == 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOSPC,
			"no available IPv4 addresses on this network's address pools: %s (%s)", network->name,
			network->id);
	record.address.place = address->place;
	(void) snprintf(record.host, sizeof record.host, "%s", cluster->hello.host);
	key = hoy_record_key(&record);
	if (!network_key || !key)
		return hoy_err_oom(err);
	(void) hoy_buf_adds(body, "{\"compare\":[");
	add_compare(body, key, NULL, /* exists= */ false);
	(void) hoy_buf_adds(body, ",");
	add_compare(body, network_key, NULL, /* exists= */ true);
	(void) hoy_buf_adds(body, "],\"success\":[{\"request_put\":");
	add_put(body, &record, 0);
	(void) hoy_buf_adds(body, "}],\"failure\":[{\"request_range\":{");
	add_key(body, "key", key);
	(void) hoy_buf_adds(body, "}}]}");
	return 0;
}

static void run(struct task *task)
{
	struct hoy_cluster *cluster = task->cluster;
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_err err = {};
	int r;

	if (cluster->trouble.errnum) {
		err = cluster->trouble;
		(void) hoy_err_wrap(&err, "the key-value store is out of reach");
		end_task(task, &err);
		return;
	}
	if (cluster->stage != CONNECTED)
		return; /* when it is */
	if (task->tries++ >= MAX_TRIES) {
		(void) hoy_err_set(
			&err, HOY_ERR_CONFLICT, EAGAIN, "other hosts change the same all the time: try again");
		end_task(task, &err);
		return;
	}
	switch (task->message.op) {
	case HOY_PEER_CREATE:
		r = create(task, &body, &err);
		break;
	case HOY_PEER_REMOVE:
		r = remove_network(task, &body, &err);
		break;
	default:
		r = lease(task, &body, &err);
		break;
	}
	if (r == 0)
		r = ask(cluster, "kv/txn", &body, on_done, task, &err);
	else if (r > 0 && task->message.op == HOY_PEER_LEASE)
		r = hold(cluster, &task->message.address, &err);
	task->is_running = r >= 0 && body.len > 0;
	if (!task->is_running)
		end_task(task, r < 0 ? &err : NULL);
}

static void run_tasks(struct hoy_cluster *cluster)
{
	for (struct task *task = cluster->tasks, *next; task; task = next) {
		next = task->next;
		if (!task->is_running)
			run(task);
	}
}

static void on_again(struct hoy_source *source, void *userdata)
{
	(void) source;
	run_tasks(userdata);
}

/* --- hoyd --------------------------------------------------------------------------------------- */

void hoy_cluster_begin(struct hoy_cluster *cluster)
{
	cluster->has_hoyd = true;
	cluster->is_synced = false;
	for (size_t i = 0; i < cluster->n_own; i++)
		cluster->own[i].stale = true;
	if (cluster->is_read)
		tell_all(cluster);
	if (cluster->trouble.errnum)
		tell_plain(cluster, HOY_PEER_TROUBLE, &cluster->trouble);
}

void hoy_cluster_end(struct hoy_cluster *cluster)
{
	cluster->has_hoyd = false;
	while (cluster->tasks) {
		struct task *task = cluster->tasks;

		cluster->tasks = task->next;
		task->cluster = NULL;
		if (!task->is_running)
			free(task);
	}
}

static int add_task(struct hoy_cluster *cluster, const struct hoy_peer_message *message, struct hoy_err *err)
{
	struct task *task = calloc(1, sizeof *task);

	if (!task)
		return hoy_err_oom(err);
	task->cluster = cluster;
	memcpy(&task->message, message, hoy_peer_size(message->op));
	task->next = cluster->tasks;
	cluster->tasks = task;
	run(task);
	return 0;
}

static void release(struct hoy_cluster *cluster, const char *endpoint)
{
	struct own *own = find_own(cluster, HOY_RECORD_ADDRESS, endpoint);

	if (own)
		*own = cluster->own[--cluster->n_own];
	reconcile(cluster);
}

static int add_member(struct hoy_cluster *cluster, const struct hoy_peer_member *member, struct hoy_err *err)
{
	struct hoy_record record = { .kind = HOY_RECORD_MEMBER, .member = *member };

	record.member.vtep = cluster->hello.vtep;
	(void) snprintf(record.host, sizeof record.host, "%s", cluster->hello.host);
	return put_own(cluster, &record, err);
}

static void begin_members(struct hoy_cluster *cluster, const char *network)
{
	for (size_t i = 0; i < cluster->n_own; i++)
		if (cluster->own[i].record.kind == HOY_RECORD_MEMBER &&
			hoy_str_eq(cluster->own[i].record.member.network, network))
			cluster->own[i].stale = true;
}

int hoy_cluster_act(struct hoy_cluster *cluster, const struct hoy_peer_message *message, struct hoy_err *err)
{
	switch (message->op) {
	case HOY_PEER_CREATE:
	case HOY_PEER_REMOVE:
	case HOY_PEER_LEASE:
		return add_task(cluster, message, err);
	case HOY_PEER_RELEASE:
		release(cluster, message->address.endpoint);
		return 0;
	case HOY_PEER_HELD:
		return hold(cluster, &message->address, err);
	case HOY_PEER_MEMBERS:
		begin_members(cluster, message->member.network);
		return 0;
	case HOY_PEER_MEMBER:
		return add_member(cluster, &message->member, err);
	case HOY_PEER_MEMBERS_END:
		sweep_own(cluster, HOY_RECORD_MEMBER, message->member.network);
		reconcile(cluster);
		return 0;
	case HOY_PEER_SYNC_END:
		sweep_own(cluster, HOY_RECORD_NONE, NULL);
		cluster->is_synced = true;
		reconcile(cluster);
		return 0;
	default:
		return hoy_err_unsupported(err, "unknown message %u", message->op);
	}
}

bool hoy_cluster_has_members(const struct hoy_cluster *cluster)
{
	for (size_t i = 0; i < cluster->n_own; i++)
		if (cluster->own[i].record.kind == HOY_RECORD_MEMBER)
			return true;
	return false;
}

bool hoy_cluster_is_same(const struct hoy_cluster *cluster, const struct hoy_peer_hello *hello)
{
	return cluster->hello.vtep == hello->vtep && hoy_str_eq(cluster->hello.host, hello->host) &&
	       hoy_str_eq(cluster->hello.stores, hello->stores);
}

int hoy_cluster_new(struct hoy_loop *loop, const struct hoy_peer_hello *hello, hoy_cluster_tell tell, void *userdata,
	struct hoy_cluster **ret, struct hoy_err *err)
{
	struct hoy_cluster *cluster = calloc(1, sizeof *cluster);
	int r;

	if (!cluster)
		return hoy_err_oom(err);
	cluster->loop = loop;
	cluster->hello = *hello;
	cluster->tell = tell;
	cluster->userdata = userdata;
	r = hoy_etcd_new(loop, hello->stores, &cluster->etcd, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &cluster->timer, 0, on_timer, cluster, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &cluster->again, UINT64_MAX, on_again, cluster, err);
	if (r < 0) {
		hoy_cluster_free(cluster);
		return r;
	}
	*ret = cluster;
	return 0;
}

void hoy_cluster_free(struct hoy_cluster *cluster)
{
	if (!cluster)
		return;
	hoy_etcd_free(cluster->etcd);
	while (cluster->tasks) {
		struct task *task = cluster->tasks;

		cluster->tasks = task->next;
		free(task);
	}
	cluster->timer = hoy_source_free(cluster->timer);
	cluster->again = hoy_source_free(cluster->again);
	hoy_mirror_done(&cluster->mirror);
	free(cluster->own);
	free(cluster);
}
