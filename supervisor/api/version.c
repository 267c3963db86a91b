/* API version negotiation. */
#include "supervisor/api/version.h"

#include <string.h>

#include "base/str.h"

/* The clients' side of the negotiation matches these texts. */
static int too_old(const char *version, struct hoy_err *err)
{
	return hoy_err_invalid(err,
		"client version %s is too old. Minimum supported API version is %s, please upgrade your client to a "
		"newer version",
		version, HOY_API_MIN);
}

static int too_new(const char *version, struct hoy_err *err)
{
	return hoy_err_invalid(
		err, "client version %s is too new. Maximum supported API version is %s", version, HOY_API_MAX);
}

int hoy_api_version_split(const char *path, const char **ret_rest, int *ret_minor, struct hoy_err *err)
{
	auto_free char *text = NULL;
	unsigned int major, minor = 0;
	size_t len;
	char *dot;

	*ret_rest = path;
	*ret_minor = HOY_API_MAX_MINOR;
	len = hoy_str_starts(path, "/v") ? strspn(path + 2, "0123456789.") : 0;
	if (len == 0 || path[2 + len] != '/')
		return 0;
	text = strndup(path + 2, len);
	if (!text)
		return hoy_err_oom(err);
	dot = strchr(text, '.');
	if (dot)
		*dot = '\0';
	if (hoy_str_to_uint(text, &major) < 0 || (dot && hoy_str_to_uint(dot + 1, &minor) < 0))
		return hoy_err_invalid(err, "invalid API version '%.*s'", (int) len, path + 2);
	if (dot)
		*dot = '.';
	if (major == 1 && minor == HOY_API_SKOPEO_MINOR)
		minor = HOY_API_MIN_MINOR;
	if (major < 1 || (major == 1 && minor < HOY_API_MIN_MINOR))
		return too_old(text, err);
	if (major > 1 || minor > HOY_API_MAX_MINOR)
		return too_new(text, err);
	*ret_rest = path + 2 + len;
	*ret_minor = (int) minor;
	return 0;
}
