/* Any bytes as a request target, as if the router had got it: what is decoded is UTF-8 text without NUL, numbers and
 * filters of the query are read or refused. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/uri.h"
#include "supervisor/api/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_query(const struct hoy_uri *uri)
{
	static const char *const known[] = { "label", "name", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	struct timespec since;
	long long limit;

	for (size_t i = 0; i < uri->n_query; i++)
		assert(hoy_uri_query(uri, uri->query[i].name));
	(void) hoy_filters_parse(&filters, hoy_uri_query(uri, "filters"), known, NULL);
	(void) hoy_uri_query_i64(uri, "limit", 0, &limit, NULL);
	(void) hoy_uri_query_bool(uri, "all", false);
	if (hoy_api_parse_time(hoy_uri_query(uri, "since"), "since", &since, NULL) >= 0)
		assert(since.tv_nsec >= 0 && since.tv_nsec < 1000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(hoy_uri_done) struct hoy_uri uri = { 0 };
	auto_free char *target = strndup((const char *) data, size), *name = NULL;
	const struct hoy_api_route *route;
	const char *path;
	int version;

	if (!target || hoy_uri_parse(&uri, target, NULL) < 0)
		return 0;
	read_query(&uri);
	if (hoy_api_version_split(uri.path, &path, &version, NULL) < 0)
		return 0;
	assert(version >= HOY_API_MIN_MINOR && version <= HOY_API_MAX_MINOR);
	route = hoy_api_route_find("GET", path, &name);
	if (route && name)
		assert(*name && strlen(name) < strlen(path));
	return 0;
}
