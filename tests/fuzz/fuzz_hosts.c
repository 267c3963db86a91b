/* Any bytes as a hosts.toml: what parses names hosts by URL. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "supervisor/worker/fetch/hosts_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hoy_fetch_request pull = { .op = HOY_FETCH_PULL, .host = (char *) "example.test" };
	struct hoy_registry registry = { .rq = &pull };
	struct hoy_registry_host upstream = { 0 };
	auto_free char *text = strndup((const char *) data, size);

	if (text && hoy_hosts_file_parse(&registry, "/nowhere", text, &upstream, NULL) == 0)
		for (size_t i = 0; i < registry.n_hosts; i++)
			assert(registry.hosts[i].url && *registry.hosts[i].url);
	hoy_registry_host_done(&upstream);
	hoy_registry_done(&registry);
	return 0;
}
