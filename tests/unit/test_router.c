/* Which handler a method and a path lead to. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/internal.h"
#include "tests/unit/unit.h"

Suite *suite_router(void);

/* "PATTERN NAME", or "none". */
static void check_route(const char *method, const char *path, const char *want)
{
	auto_free char *name = NULL, *got = NULL;
	const struct hoy_api_route *route = hoy_api_route_find(method, path, &name);

	if (route && name)
		got = hoy_str_printf("%s %s", route->pattern, name);
	else
		got = strdup(route ? route->pattern : "none");
	ck_assert_str_eq(got, want);
}

START_TEST(paths_lead_to_routes)
{
	check_route("GET", "/containers/json", "/containers/json");
	check_route("GET", "/containers/web/json", "/containers/{id}/json web");
	check_route("DELETE", "/containers/web", "/containers/{id} web");
	check_route("HEAD", "/_ping", "/_ping");
	check_route("POST", "/containers/json/json/start", "/containers/{id}/start json/json");
}
END_TEST

START_TEST(names_of_images_hold_slashes)
{
	check_route("GET", "/images/localhost:5000/a/b:1/json", "/images/{name}/json localhost:5000/a/b:1");
	check_route("GET", "/images/json", "/images/json");
	check_route("GET", "/images/json/json", "/images/{name}/json json");
	check_route("DELETE", "/images/a/b", "/images/{name} a/b");
	check_route("POST", "/images/a/json/tag", "/images/{name}/tag a/json");
}
END_TEST

START_TEST(wrong_methods_and_empty_names_lead_nowhere)
{
	check_route("POST", "/containers/json", "none");
	check_route("GET", "/containers//json", "none");
	check_route("GET", "/containers/", "none");
	check_route("DELETE", "/images/", "none");
	check_route("GET", "/", "none");
	check_route("get", "/_ping", "none");
	check_route("GET", "/_ping/", "none");
}
END_TEST

START_TEST(no_row_hides_another)
{
	static const struct hoy_api_route *const families[] = { hoy_api_system_routes, hoy_api_container_routes,
		hoy_api_image_routes, hoy_api_registry_routes, hoy_api_network_routes, hoy_api_prune_routes,
		hoy_api_refused_routes };

	for (size_t f = 0; f < ARRAY_LEN(families); f++)
		for (const struct hoy_api_route *r = families[f]; r->method; r++) {
			auto_free char *name = NULL, *path = strdup(r->pattern);

			ck_assert_msg(hoy_api_route_find(r->method, path, &name) == r, "%s %s", r->method, r->pattern);
		}
}
END_TEST

START_TEST(kinds_of_errors_have_their_status)
{
	static const struct {
		enum hoy_err_kind kind;
		int errnum, status;
	} cases[] = {
		{ HOY_ERR_INVALID, EINVAL, 400 },
		{ HOY_ERR_NOT_FOUND, ENOENT, 404 },
		{ HOY_ERR_CONFLICT, EBUSY, 409 },
		{ HOY_ERR_CONFLICT, EALREADY, 304 },
		{ HOY_ERR_UNSUPPORTED, EOPNOTSUPP, 501 },
		{ HOY_ERR_SYSTEM, EIO, 500 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hoy_err err = { 0 };

		(void) hoy_err_set(&err, cases[i].kind, cases[i].errnum, "x");
		ck_assert_int_eq(hoy_api_status_of(&err), cases[i].status);
	}
}
END_TEST

Suite *suite_router(void)
{
	const TTest *const tests[] = { paths_lead_to_routes, names_of_images_hold_slashes,
		wrong_methods_and_empty_names_lead_nowhere, no_row_hides_another, kinds_of_errors_have_their_status };

	return hoy_unit_suite("router", tests, ARRAY_LEN(tests));
}
