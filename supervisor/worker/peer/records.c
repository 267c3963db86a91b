#include "supervisor/worker/peer/records.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

/* --- keys ----------------------------------------------------------------------- */

/* An ID: 64 hex digits, up to '/' or the end. Returns what is behind it; NULL: it is none. */
static const char *take_id(const char *at, char ret[HOY_PEER_ID_MAX])
{
	size_t len = strspn(at, "0123456789abcdef");

	if (len != HOY_PEER_ID_MAX - 1 || (at[len] != '/' && at[len] != '\0'))
		return NULL;
	memcpy(ret, at, len);
	ret[len] = '\0';
	return at + len;
}

static bool is_id(const char *text)
{
	char id[HOY_PEER_ID_MAX];
	const char *rest = text ? take_id(text, id) : NULL;

	return rest && *rest == '\0';
}

void hoy_record_of_key(const char *key, struct hoy_record *ret)
{
	const char *at = hoy_str_starts(key, HOY_RECORD_PREFIX) ? key + strlen(HOY_RECORD_PREFIX) : "";

	memset(ret, 0, sizeof *ret);
	if (hoy_str_eq(key, HOY_RECORD_GENERATION)) {
		ret->kind = HOY_RECORD_STAMP;
	} else if (hoy_str_starts(at, "network/")) {
		at = take_id(at + strlen("network/"), ret->network.id);
		ret->kind = at && *at == '\0' ? HOY_RECORD_NETWORK : HOY_RECORD_NONE;
	} else if (hoy_str_starts(at, "address/")) {
		at = take_id(at + strlen("address/"), ret->address.network);
		ret->kind = at && *at == '/' && hoy_str_to_uint(at + 1, &ret->address.place) >= 0 &&
					    ret->address.place > 0
				    ? HOY_RECORD_ADDRESS
				    : HOY_RECORD_NONE;
	} else if (hoy_str_starts(at, "member/")) {
		at = take_id(at + strlen("member/"), ret->member.network);
		at = at && *at == '/' ? take_id(at + 1, ret->member.endpoint) : NULL;
		ret->kind = at && *at == '\0' ? HOY_RECORD_MEMBER : HOY_RECORD_NONE;
	}
}

char *hoy_record_key(const struct hoy_record *record)
{
	switch (record->kind) {
	case HOY_RECORD_NETWORK:
		return hoy_str_printf(HOY_RECORD_PREFIX "network/%s", record->network.id);
	case HOY_RECORD_ADDRESS:
		return hoy_str_printf(
			HOY_RECORD_PREFIX "address/%s/%u", record->address.network, record->address.place);
	case HOY_RECORD_MEMBER:
		return hoy_str_printf(
			HOY_RECORD_PREFIX "member/%s/%s", record->member.network, record->member.endpoint);
	default:
		return strdup(HOY_RECORD_GENERATION);
	}
}

/* --- values ----------------------------------------------------------------------- */

static bool read_text(const struct hoy_json *object, const char *key, char *ret, size_t size)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));
	size_t len = text ? strlen(text) : size;

	if (len >= size)
		return false;
	memcpy(ret, text, len + 1);
	return true;
}

static bool read_number(const struct hoy_json *object, const char *key, uint32_t max, uint32_t *ret)
{
	uint64_t n;

	if (hoy_json_to_u64(hoy_json_get(object, key), &n) < 0 || n > max)
		return false;
	*ret = (uint32_t) n;
	return true;
}

static bool read_ipv4(const struct hoy_json *object, const char *key, uint32_t *ret)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));
	struct in_addr in;

	if (!text || inet_pton(AF_INET, text, &in) != 1)
		return false;
	*ret = ntohl(in.s_addr);
	return true;
}

static bool read_host(const struct hoy_json *object, char ret[HOY_PEER_ID_MAX])
{
	return read_text(object, "host", ret, HOY_PEER_ID_MAX) && is_id(ret);
}

/* An object of strings, as text again. */
static bool read_kv(const struct hoy_json *object, const char *key, char ret[HOY_PEER_TEXT_MAX])
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };
	const struct hoy_json *kv = hoy_json_get(object, key);

	if (hoy_json_type(kv) != HOY_JSON_OBJECT)
		return false;
	hoy_buf_init(&buf, HOY_PEER_TEXT_MAX - 1);
	hoy_json_object(&w, NULL);
	hoy_json_each(one, kv)
	{
		if (!hoy_json_string(one))
			return false;
		hoy_json_add_string(&w, hoy_json_key(one), hoy_json_string(one));
	}
	hoy_json_end(&w);
	if (hoy_buf_check(&buf, key, NULL) < 0)
		return false;
	memcpy(ret, buf.data, buf.len + 1);
	return true;
}

static bool read_network(const struct hoy_json *root, struct hoy_peer_network *network)
{
	uint64_t created = 0;
	uint32_t mask;

	if (!read_text(root, "name", network->name, sizeof network->name) || !*network->name ||
		!read_ipv4(root, "subnet", &network->subnet) ||
		!read_number(root, "prefix", 30, &network->prefix_len) || network->prefix_len < 8 ||
		!read_number(root, "vni", HOY_PEER_LAST_VNI, &network->vni) || network->vni == 0 ||
		!read_number(root, "flags", UINT16_MAX, &network->flags) ||
		!read_text(root, "range", network->ip_range, sizeof network->ip_range) ||
		!read_kv(root, "options", network->options) || !read_kv(root, "labels", network->labels))
		return false;
	mask = UINT32_MAX << (32 - network->prefix_len);
	if ((network->subnet & ~mask) != 0 || !read_number(root, "gateway", ~mask - 1, &network->gateway) ||
		network->gateway == 0)
		return false;
	for (const char *c = network->name; *c; c++)
		if (!isalnum((unsigned char) *c) && !strchr("_. -", *c))
			return false;
	if (hoy_json_to_u64(hoy_json_get(root, "created"), &created) < 0 || created > INT32_MAX * UINT64_C(1000))
		return false;
	network->created = (int64_t) created;
	return true;
}

/* Names as hoy-dns asks for them: what is no name there is left out. */
static bool read_names(const struct hoy_json *root, char ret[HOY_PEER_NAMES_MAX])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	size_t len = 0;

	hoy_json_each(name, hoy_json_get(root, "names"))
	{
		const char *text = hoy_json_string(name);
		size_t n = text ? strlen(text) : 0;

		if (n == 0 || n > 253 || strspn(text, allowed) != n)
			continue;
		if (len + n + 2 > HOY_PEER_NAMES_MAX)
			return false;
		len += (size_t) snprintf(ret + len, HOY_PEER_NAMES_MAX - len, " %s", text);
	}
	return true;
}

static bool read_member(const struct hoy_json *root, struct hoy_peer_member *member)
{
	const char *mac = hoy_json_string(hoy_json_get(root, "mac"));
	unsigned int part[6];
	int end = -1;

	if (!read_ipv4(root, "address", &member->address) || !read_ipv4(root, "vtep", &member->vtep) ||
		member->vtep == 0 || !mac || strspn(mac, "0123456789abcdef:") != strlen(mac) || strlen(mac) != 17)
		return false;
	if (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x%n", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5],
		    &end) != 6 ||
		end != 17 || (part[0] & 1))
		return false;
	for (size_t i = 0; i < 6; i++)
		member->mac[i] = (uint8_t) part[i];
	return read_names(root, member->names);
}

int hoy_record_parse(const char *key, const char *value, struct hoy_record *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *root = NULL;
	bool good;
	int r;

	hoy_record_of_key(key, ret);
	if (ret->kind == HOY_RECORD_STAMP)
		return 0;
	if (ret->kind == HOY_RECORD_NONE)
		return hoy_err_invalid(err, "key '%.200s' is none of Hoy's", key);
	r = hoy_json_parse(value, strlen(value), NULL, &root, err);
	if (r < 0)
		return hoy_err_wrap(err, "value of key '%.200s'", key);
	if (ret->kind == HOY_RECORD_NETWORK)
		good = read_network(root, &ret->network);
	else if (ret->kind == HOY_RECORD_ADDRESS)
		good = read_host(root, ret->host) &&
		       read_text(root, "endpoint", ret->address.endpoint, HOY_PEER_ID_MAX) &&
		       is_id(ret->address.endpoint);
	else
		good = read_host(root, ret->host) && read_member(root, &ret->member);
	return good ? 0 : hoy_err_invalid(err, "value of key '%.200s' is not as Hoy writes it", key);
}

static void add_ipv4(struct hoy_json_writer *w, const char *key, uint32_t address)
{
	const struct in_addr in = { htonl(address) };
	char text[INET_ADDRSTRLEN];

	hoy_json_add_string(w, key, inet_ntop(AF_INET, &in, text, sizeof text));
}

static void add_network(struct hoy_json_writer *w, const struct hoy_peer_network *network)
{
	hoy_json_add_string(w, "name", network->name);
	add_ipv4(w, "subnet", network->subnet);
	hoy_json_add_u64(w, "prefix", network->prefix_len);
	hoy_json_add_u64(w, "gateway", network->gateway);
	hoy_json_add_u64(w, "vni", network->vni);
	hoy_json_add_u64(w, "flags", network->flags);
	hoy_json_add_i64(w, "created", network->created);
	hoy_json_add_string(w, "range", network->ip_range);
	hoy_json_add_raw(w, "options", network->options);
	hoy_json_add_raw(w, "labels", network->labels);
}

static void add_member(struct hoy_json_writer *w, const struct hoy_peer_member *member)
{
	const uint8_t *m = member->mac;
	char mac[18];

	(void) snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	add_ipv4(w, "address", member->address);
	add_ipv4(w, "vtep", member->vtep);
	hoy_json_add_string(w, "mac", mac);
	hoy_json_array(w, "names");
	for (const char *at = member->names; *at; at += strcspn(at, " ")) {
		at += strspn(at, " ");
		if (*at)
			hoy_json_add_stringn(w, NULL, at, strcspn(at, " "));
	}
	hoy_json_end(w);
}

int hoy_record_value(const struct hoy_record *record, struct hoy_buf *out, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = out };

	hoy_json_object(&w, NULL);
	if (record->kind == HOY_RECORD_ADDRESS || record->kind == HOY_RECORD_MEMBER)
		hoy_json_add_string(&w, "host", record->host);
	if (record->kind == HOY_RECORD_NETWORK)
		add_network(&w, &record->network);
	else if (record->kind == HOY_RECORD_ADDRESS)
		hoy_json_add_string(&w, "endpoint", record->address.endpoint);
	else if (record->kind == HOY_RECORD_MEMBER)
		add_member(&w, &record->member);
	hoy_json_end(&w);
	return hoy_buf_check(out, "record", err);
}
