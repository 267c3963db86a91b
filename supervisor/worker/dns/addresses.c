/* The answer section of a reply (RFC 1035, section 4.1.3), read record by record. */
#include "supervisor/worker/dns/addresses.h"

#include <string.h>

#include "base/str.h"
#include "supervisor/worker/dns/packet.h"

#define TYPE_CNAME 5
#define CLASS_IN 1
#define MAX_RECORDS 256
#define MAX_CHAIN 16
#define RECORD_HEAD 10
#define POINTER 0xc0

/* A name as labels, lower case. */
struct name {
	size_t len;
	uint8_t labels[HOY_DNS_NAME_MAX];
};

struct record {
	struct name owner;
	unsigned int type;
	uint32_t ttl;
	size_t data, data_len; /* in the reply */
};

struct reply {
	const uint8_t *bytes;
	size_t len;
};

static unsigned int get16(const struct reply *reply, size_t at)
{
	return (unsigned int) (reply->bytes[at] << 8 | reply->bytes[at + 1]);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c;
}

/* Returns the offset behind the name at `at`; 0: it is none. */
static size_t read_name(const struct reply *reply, size_t at, struct name *ret)
{
	size_t behind = 0, limit = at;

	ret->len = 0;
	while (at < reply->len && reply->bytes[at] != 0) {
		size_t len = reply->bytes[at];

		if (len >= POINTER) {
			if (at + 2 > reply->len)
				return 0;
			behind = behind ? behind : at + 2;
			at = get16(reply, at) & 0x3fff;
			if (at >= limit) /* so that it ends */
				return 0;
			limit = at;
			continue;
		}
		if (len > 63 || at + 1 + len > reply->len || ret->len + len + 2 > sizeof ret->labels)
			return 0;
		for (size_t i = 0; i <= len; i++)
			ret->labels[ret->len++] = i == 0 ? (uint8_t) len : lower(reply->bytes[at + i]);
		at += 1 + len;
	}
	if (at >= reply->len)
		return 0;
	ret->labels[ret->len++] = 0;
	return behind ? behind : at + 1;
}

/* Returns the offset behind the record at `at`; 0: it is none. */
static size_t read_record(const struct reply *reply, size_t at, struct record *ret)
{
	at = read_name(reply, at, &ret->owner);
	if (at == 0 || at + RECORD_HEAD > reply->len)
		return 0;
	ret->type = get16(reply, at + 2) == CLASS_IN ? get16(reply, at) : 0;
	ret->ttl = (uint32_t) get16(reply, at + 4) << 16 | get16(reply, at + 6);
	ret->data_len = get16(reply, at + 8);
	ret->data = at + RECORD_HEAD;
	return ret->data + ret->data_len <= reply->len ? ret->data + ret->data_len : 0;
}

static bool is_same(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->labels, b->labels, a->len) == 0;
}

/* Calls `take` for each record of the answer section that `name` has. */
static void each_record(const struct reply *reply, size_t first, const struct name *name,
	void (*take)(void *userdata, const struct record *record), void *userdata)
{
	unsigned int n = MIN(get16(reply, 6), (unsigned int) MAX_RECORDS);
	struct record record;

	for (size_t at = first; n > 0 && (at = read_record(reply, at, &record)) > 0; n--)
		if (is_same(&record.owner, name))
			take(userdata, &record);
}

struct step {
	const struct reply *reply;
	struct name next; /* len 0: it has no CNAME */
	struct in6_addr *addresses;
	size_t n, max;
	uint32_t ttl;
};

static void take(void *userdata, const struct record *record)
{
	struct step *step = userdata;
	const uint8_t *data = step->reply->bytes + record->data;
	struct in6_addr *to = &step->addresses[step->n];

	if (record->type == TYPE_CNAME && read_name(step->reply, record->data, &step->next) > 0) {
		step->ttl = MIN(step->ttl, record->ttl);
		return;
	}
	if (step->n == step->max)
		return;
	if (record->type == HOY_DNS_A && record->data_len == 4) {
		*to = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
		memcpy(&to->s6_addr[12], data, 4);
	} else if (record->type == HOY_DNS_AAAA && record->data_len == 16) {
		memcpy(to, data, 16);
		if (IN6_IS_ADDR_V4MAPPED(to)) /* no address of a host */
			return;
	} else {
		return;
	}
	step->ttl = MIN(step->ttl, record->ttl);
	step->n++;
}

size_t hoy_dns_addresses(
	const uint8_t *bytes, size_t len, size_t question_len, struct in6_addr *ret, size_t max, uint32_t *ret_ttl)
{
	const struct reply reply = { bytes, len };
	struct step step = { .reply = &reply, .addresses = ret, .max = max, .ttl = UINT32_MAX };
	struct name name;

	if (read_name(&reply, HOY_DNS_HEADER, &name) == 0)
		return 0;
	for (unsigned int i = 0; i < MAX_CHAIN && step.n == 0; i++) {
		step.next.len = 0;
		each_record(&reply, HOY_DNS_HEADER + question_len, &name, take, &step);
		if (step.next.len == 0)
			break;
		name = step.next;
	}
	*ret_ttl = step.ttl;
	return step.n;
}
