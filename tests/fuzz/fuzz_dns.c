/* Any bytes as a query, and as the reply to it: what is answered is a message of ours that fits. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/worker/dns/addresses.h"
#include "supervisor/worker/dns/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char snapshot[] = "network one\nhost 10.0.0.2 fd00::2 web api\nhost 10.0.0.3 - db api\n";
static const char settings[] = "network n1\ninternal\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_ptr(hoy_dns_names_free) struct hoy_dns_names *names = NULL;
	auto_(hoy_dns_view_done) struct hoy_dns_view view = {};
	struct hoy_dns_query query;
	uint8_t out[HOY_DNS_QUERY_MAX];
	struct in6_addr addresses[4];
	uint32_t ttl;
	int rcode = hoy_dns_parse(data, size, &query);
	size_t len;

	if (rcode < 0 || hoy_dns_names_new(&names, NULL) < 0)
		return 0;
	if (hoy_dns_names_tell(names, "n1", 1, snapshot, strlen(snapshot), NULL) < 0 ||
		hoy_dns_view_parse(names, settings, strlen(settings), &view, NULL) < 0)
		abort();
	len = hoy_dns_view_answer(&view, &query, rcode, data, out, query.udp_size);
	assert(len >= HOY_DNS_HEADER && len <= query.udp_size);
	assert(hoy_dns_id(out) == query.id && out[2] & 0x80);
	if (query.question_len > 0)
		assert(hoy_dns_is_reply_to(out, len, data, query.question_len));
	assert(hoy_dns_truncate(out, len, query.question_len) <= len);
	/* the same bytes as what a server has sent */
	(void) hoy_dns_is_reply_to(data, size, data, query.question_len);
	assert(hoy_dns_addresses(data, size, query.question_len, addresses, 4, &ttl) <= 4);
	(void) hoy_dns_names_tell(names, "n2", 2, (const char *) data, size, NULL);
	return 0;
}
