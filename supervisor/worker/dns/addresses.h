/*
 * The addresses in a server's reply to a question: what the name has, itself or by a chain of CNAMEs. Every byte is
 * hostile: names are followed by pointers that lead back only, and records of other names count for nothing.
 */
#ifndef HOY_WORKER_DNS_ADDRESSES_H
#define HOY_WORKER_DNS_ADDRESSES_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* Of a reply that hoy_dns_is_reply_to() took for one to a question of `question_len` bytes. At most `max` addresses,
 * those of IPv4 mapped; *ret_ttl (seconds) is the shortest of the records that lead to them. Returns their number. */
size_t hoy_dns_addresses(
	const uint8_t *reply, size_t len, size_t question_len, struct in6_addr *ret, size_t max, uint32_t *ret_ttl);

#endif
