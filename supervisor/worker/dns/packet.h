/*
 * DNS messages (RFC 1035, EDNS by RFC 6891): queries are taken apart, answers of our own are put together. What is
 * forwarded passes as bytes. Every byte of a query is hostile: nothing here follows compression pointers.
 */
#ifndef HOY_WORKER_DNS_PACKET_H
#define HOY_WORKER_DNS_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOY_DNS_HEADER 12
#define HOY_DNS_NAME_MAX 255
#define HOY_DNS_QUERY_MAX 4096 /* larger ones are refused */
#define HOY_DNS_PLAIN_UDP 512  /* what an answer by UDP holds without EDNS */
#define HOY_DNS_OUR_UDP 1232   /* what we say we take: fits every path */

enum hoy_dns_type {
	HOY_DNS_A = 1,
	HOY_DNS_PTR = 12,
	HOY_DNS_AAAA = 28,
	HOY_DNS_OPT = 41,
	HOY_DNS_ANY = 255,
};

enum hoy_dns_rcode {
	HOY_DNS_NOERROR,
	HOY_DNS_FORMERR,
	HOY_DNS_SERVFAIL,
	HOY_DNS_NXDOMAIN,
	HOY_DNS_NOTIMP,
	HOY_DNS_REFUSED,
	HOY_DNS_BADVERS = 16,
};

struct hoy_dns_query {
	uint16_t id;
	uint16_t type;
	uint16_t class_;
	bool recursion_desired;
	bool checking_disabled;
	bool has_edns;
	bool dnssec_ok;
	bool is_plain;                   /* the name has no bytes but a-z, 0-9, '-', '_': it may be one of ours */
	uint16_t udp_size;               /* what the client takes by UDP: 512 to 4096 */
	size_t question_len;             /* behind the header; 0: none could be read */
	char name[HOY_DNS_NAME_MAX + 1]; /* lower case, "web.mynet"; "" for the root */
};

/* HOY_DNS_NOERROR: a query with one question, to be answered. Another code: to be answered with that. Negative: not to
 * be answered at all (no header, or an answer itself). */
int hoy_dns_parse(const uint8_t *packet, size_t len, struct hoy_dns_query *ret);

struct hoy_dns_answer {
	enum hoy_dns_type type;
	union {
		uint32_t address; /* host byte order */
		struct in6_addr address6;
		const char *name; /* PTR: dotted */
	};
};

/*
 * The answer to `query`, whose question is copied from `packet`, into `out` (`limit` bytes, at least 512). Answers that
 * do not fit are left out and the truncation bit is set. Returns its length.
 */
size_t hoy_dns_reply(const struct hoy_dns_query *query, const uint8_t *packet, int rcode,
	const struct hoy_dns_answer *answers, size_t n, uint8_t *out, size_t limit);

/* Is `reply` an answer to the question in `query` (ids aside)? */
bool hoy_dns_is_reply_to(const uint8_t *reply, size_t len, const uint8_t *query, size_t question_len);
/* Makes an answer that is too long for its client what it should have been: truncated. Returns the new length. */
size_t hoy_dns_truncate(uint8_t *reply, size_t len, size_t question_len);

int hoy_dns_rcode(const uint8_t *reply); /* of a message with a header */
uint16_t hoy_dns_id(const uint8_t *packet);
void hoy_dns_set_id(uint8_t *packet, uint16_t id);

/* "4.3.2.1.in-addr.arpa" and the ip6.arpa form. 4, 6, or 0: neither. */
int hoy_dns_reverse(const char *name, uint32_t *ret_v4, struct in6_addr *ret_v6);

#endif
