/* Proxies of config.json as variables. */
#include "supervisor/cli/proxies.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

int hoy_proxies_of(const struct hoy_config *config, const char *host, char ***ret, struct hoy_err *err)
{
	static const struct {
		const char *key, *variable;
	} rows[] = { { "httpProxy", "HTTP_PROXY" }, { "httpsProxy", "HTTPS_PROXY" }, { "noProxy", "NO_PROXY" },
		{ "ftpProxy", "FTP_PROXY" }, { "allProxy", "ALL_PROXY" } };
	const struct hoy_json *proxies = hoy_json_get(config->root, "proxies");
	const struct hoy_json *of = hoy_json_get(proxies, host);

	if (!of)
		of = hoy_json_get(proxies, "default");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = hoy_json_string(hoy_json_get(of, rows[i].key));
		char lower[16] = "";

		if (!value || !*value)
			continue;
		for (size_t c = 0; rows[i].variable[c]; c++)
			lower[c] = (char) tolower((unsigned char) rows[i].variable[c]);
		if (hoy_strv_addf(ret, "%s=%s", rows[i].variable, value) < 0 ||
			hoy_strv_addf(ret, "%s=%s", lower, value) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}
