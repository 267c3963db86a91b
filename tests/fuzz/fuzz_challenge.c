/* Any bytes as a WWW-Authenticate header: what parses as Bearer says where the token is. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "supervisor/worker/fetch/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(hoy_challenge_done) struct hoy_challenge challenge = { 0 };
	auto_free char *text = strndup((const char *) data, size);

	if (text && hoy_challenge_parse(text, &challenge, NULL) == 0)
		assert(challenge.scheme != HOY_CHALLENGE_BEARER || (challenge.realm && *challenge.realm));
	return 0;
}
