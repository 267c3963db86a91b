/* DNS messages: bytes in, bytes out. Touches no socket. */
#include "supervisor/worker/dns/packet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define FLAG_QR 0x8000
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_CD 0x0010
#define OPT_DO 0x8000
#define OPT_LEN 11
#define CLASS_IN 1
#define LABEL_MAX 63
#define TTL 10 /* seconds: containers come and go */

/* --- reading --------------------------------------------------------------------- */

/* What is left of a packet; reading beyond its end sets `bad`, and reads zeros. */
struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static bool has(struct reader *r, size_t n)
{
	if (r->bad || (size_t) (r->end - r->at) < n)
		r->bad = true;
	return !r->bad;
}

static uint8_t get8(struct reader *r)
{
	return has(r, 1) ? *r->at++ : 0;
}

static uint16_t get16(struct reader *r)
{
	uint16_t high = get8(r);

	return (uint16_t) (high << 8 | get8(r));
}

static void skip(struct reader *r, size_t n)
{
	if (has(r, n))
		r->at += n;
}

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t) (c | 0x20) : c;
}

/* The question's name. Nothing is before it, so that a pointer could lead nowhere but into itself: refused. */
static void get_name(struct reader *r, struct hoy_dns_query *query)
{
	size_t n = 0;
	uint8_t len;

	query->is_plain = true;
	while ((len = get8(r)) != 0) {
		if (len > LABEL_MAX || n + len + 2 > HOY_DNS_NAME_MAX || !has(r, len)) {
			r->bad = true;
			return;
		}
		if (n > 0)
			query->name[n++] = '.';
		for (; len > 0; len--) {
			uint8_t c = lower(get8(r));

			query->is_plain = query->is_plain && is_plain(c);
			query->name[n++] = (char) c;
		}
	}
	query->name[n] = '\0';
}

/* A name whose text is not needed: labels to the root, or to the first pointer. */
static void skip_name(struct reader *r)
{
	uint8_t len;

	while ((len = get8(r)) != 0) {
		if (len >= 0xc0) {
			skip(r, 1);
			return;
		}
		if (len > LABEL_MAX)
			r->bad = true;
		skip(r, len);
	}
}

/* One record behind the question; only OPT means something to us. -1: a second one. */
static int read_record(struct reader *r, struct hoy_dns_query *query)
{
	uint16_t type, size, extended, flags;

	skip_name(r);
	type = get16(r);
	size = get16(r); /* of OPT; a class elsewhere */
	extended = get16(r);
	flags = get16(r);
	skip(r, get16(r));
	if (r->bad || type != HOY_DNS_OPT)
		return 0;
	if (query->has_edns)
		return -1;
	query->has_edns = true;
	query->udp_size = MIN(MAX(size, (uint16_t) HOY_DNS_PLAIN_UDP), (uint16_t) HOY_DNS_QUERY_MAX);
	query->dnssec_ok = flags & OPT_DO;
	return extended & 0xff ? HOY_DNS_BADVERS : 0;
}

int hoy_dns_parse(const uint8_t *packet, size_t len, struct hoy_dns_query *ret)
{
	struct reader r = { .at = packet, .end = packet + len };
	uint16_t flags, questions;
	unsigned int records;
	int rcode = HOY_DNS_NOERROR;

	*ret = (struct hoy_dns_query){ .udp_size = HOY_DNS_PLAIN_UDP };
	if (len < HOY_DNS_HEADER)
		return -EBADMSG;
	ret->id = get16(&r);
	flags = get16(&r);
	if (flags & FLAG_QR)
		return -EBADMSG;
	ret->recursion_desired = flags & FLAG_RD;
	ret->checking_disabled = flags & FLAG_CD;
	questions = get16(&r);
	records = get16(&r);
	records += get16(&r);
	records += get16(&r);
	if (flags >> 11 & 0xf)
		return HOY_DNS_NOTIMP;
	if (questions != 1 || len > HOY_DNS_QUERY_MAX)
		return HOY_DNS_FORMERR;
	get_name(&r, ret);
	ret->type = get16(&r);
	ret->class_ = get16(&r);
	if (r.bad)
		return HOY_DNS_FORMERR;
	ret->question_len = (size_t) (r.at - packet) - HOY_DNS_HEADER;
	for (; records > 0 && !r.bad && rcode == HOY_DNS_NOERROR; records--)
		rcode = read_record(&r, ret);
	return r.bad || rcode < 0 ? HOY_DNS_FORMERR : rcode;
}

/* --- writing ------------------------------------------------------------------------ */

static uint8_t *put16(uint8_t *p, unsigned int value)
{
	*p++ = (uint8_t) (value >> 8);
	*p++ = (uint8_t) value;
	return p;
}

/* "web.mynet" as labels; 0: it is no name. `out` holds HOY_DNS_NAME_MAX bytes. */
static size_t put_name(const char *name, uint8_t *out)
{
	uint8_t *p = out;

	while (*name) {
		size_t len = strcspn(name, ".");

		if (len == 0 || len > LABEL_MAX || (size_t) (p - out) + len + 2 > HOY_DNS_NAME_MAX)
			return 0;
		*p++ = (uint8_t) len;
		memcpy(p, name, len);
		p += len;
		name += len + (name[len] == '.');
	}
	*p++ = 0;
	return (size_t) (p - out);
}

static size_t put_data(const struct hoy_dns_answer *answer, uint8_t *out)
{
	switch (answer->type) {
	case HOY_DNS_A:
		(void) put16(put16(out, answer->address >> 16), answer->address & 0xffff);
		return 4;
	case HOY_DNS_AAAA:
		memcpy(out, &answer->address6, sizeof answer->address6);
		return sizeof answer->address6;
	default:
		return put_name(answer->name, out);
	}
}

/* NULL: it does not fit. */
static uint8_t *put_answer(const struct hoy_dns_answer *answer, uint8_t *p, const uint8_t *end)
{
	uint8_t data[HOY_DNS_NAME_MAX];
	size_t len = put_data(answer, data);

	if ((size_t) (end - p) < 12 + len)
		return NULL;
	p = put16(p, 0xc000 | HOY_DNS_HEADER); /* the question's name */
	p = put16(p, (unsigned int) answer->type);
	p = put16(p, CLASS_IN);
	p = put16(put16(p, 0), TTL);
	p = put16(p, (unsigned int) len);
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *put_opt(const struct hoy_dns_query *query, int rcode, uint8_t *p)
{
	*p++ = 0;
	p = put16(p, HOY_DNS_OPT);
	p = put16(p, HOY_DNS_OUR_UDP);
	p = put16(p, ((unsigned int) rcode >> 4) << 8);
	p = put16(p, query->dnssec_ok ? OPT_DO : 0);
	return put16(p, 0);
}

size_t hoy_dns_reply(const struct hoy_dns_query *query, const uint8_t *packet, int rcode,
	const struct hoy_dns_answer *answers, size_t n, uint8_t *out, size_t limit)
{
	const uint8_t *end = out + limit - (query->has_edns ? OPT_LEN : 0);
	uint8_t *p = out + HOY_DNS_HEADER;
	unsigned int flags = FLAG_QR | FLAG_RA | ((unsigned int) rcode & 0xf);
	size_t done = 0;

	memcpy(p, packet + HOY_DNS_HEADER, query->question_len);
	p += query->question_len;
	for (; done < n; done++) {
		uint8_t *next = put_answer(&answers[done], p, end);

		if (!next)
			break;
		p = next;
	}
	if (query->has_edns)
		p = put_opt(query, rcode, p);
	flags |= (query->recursion_desired ? FLAG_RD : 0) | (query->checking_disabled ? FLAG_CD : 0) |
		 (done < n ? FLAG_TC : 0);
	(void) put16(
		put16(put16(put16(put16(put16(out, query->id), flags), query->question_len > 0), (unsigned int) done),
			0),
		query->has_edns);
	return (size_t) (p - out);
}

/* --- what passes ------------------------------------------------------------------------ */

uint16_t hoy_dns_id(const uint8_t *packet)
{
	return (uint16_t) (packet[0] << 8 | packet[1]);
}

void hoy_dns_set_id(uint8_t *packet, uint16_t id)
{
	(void) put16(packet, id);
}

int hoy_dns_rcode(const uint8_t *reply)
{
	return reply[3] & 0xf;
}

bool hoy_dns_is_reply_to(const uint8_t *reply, size_t len, const uint8_t *query, size_t question_len)
{
	return len >= HOY_DNS_HEADER + question_len && reply[2] & 0x80 && reply[4] == 0 && reply[5] == 1 &&
	       memcmp(reply + HOY_DNS_HEADER, query + HOY_DNS_HEADER, question_len) == 0;
}

size_t hoy_dns_truncate(uint8_t *reply, size_t len, size_t question_len)
{
	if (len < HOY_DNS_HEADER + question_len)
		return len;
	reply[2] |= FLAG_TC >> 8;
	memset(reply + 6, 0, 6); /* no records */
	return HOY_DNS_HEADER + question_len;
}

/* --- addresses as names ---------------------------------------------------------------------- */

static int reverse4(const char *name, uint32_t *ret)
{
	unsigned int part[4];
	int end = -1;

	if (strspn(name, "0123456789.") != strlen(name) - strlen("in-addr.arpa"))
		return 0;
	if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &part[0], &part[1], &part[2], &part[3], &end) != 4 ||
		end < 0 || name[end] != '\0' || part[0] > 255 || part[1] > 255 || part[2] > 255 || part[3] > 255)
		return 0;
	*ret = part[3] << 24 | part[2] << 16 | part[1] << 8 | part[0];
	return 4;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int reverse6(const char *name, struct in6_addr *ret)
{
	if (strlen(name) != 64 + strlen("ip6.arpa"))
		return 0;
	for (size_t i = 0; i < 32; i++) {
		int digit = hex_digit(name[2 * i]);
		uint8_t *byte = &ret->s6_addr[15 - i / 2];

		if (digit < 0 || name[2 * i + 1] != '.')
			return 0;
		*byte = (uint8_t) (i % 2 ? *byte | digit << 4 : digit);
	}
	return 6;
}

int hoy_dns_reverse(const char *name, uint32_t *ret_v4, struct in6_addr *ret_v6)
{
	if (hoy_str_ends(name, ".in-addr.arpa"))
		return reverse4(name, ret_v4);
	return hoy_str_ends(name, ".ip6.arpa") ? reverse6(name, ret_v6) : 0;
}
