#include "supervisor/cli/tls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/cli/ssh.h"

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* The file the user named, else that of the directory if it is there. */
static int choose(char **ret, const char *given, const char *dir, const char *name, struct hoy_err *err)
{
	auto_free char *usual = NULL;

	if (!given) {
		usual = hoy_path_join(dir, name);
		if (!usual)
			return hoy_err_oom(err);
		if (access(usual, F_OK) < 0)
			return 0;
	} else if (access(given, R_OK) < 0) {
		return hoy_err_sys(err, "TLS: '%s'", given);
	}
	*ret = strdup(given ? given : usual);
	return *ret ? 0 : hoy_err_oom(err);
}

int hoy_tls_configure(
	struct hoy_http_host *host, const struct hoy_tls_flags *flags, const char *config_dir, struct hoy_err *err)
{
	const char *dir = is_set("DOCKER_CERT_PATH") ? getenv("DOCKER_CERT_PATH") : config_dir;
	int r;

	if (host->tls) /* the context's own */
		return 0;
	host->tls_verify = flags->verify || is_set("DOCKER_TLS_VERIFY");
	host->tls = host->tls_verify || flags->tls || is_set("DOCKER_TLS");
	if (!host->tls || !host->name)
		return 0;
	r = choose(&host->tls_ca, flags->ca, dir, "ca.pem", err);
	if (r >= 0)
		r = choose(&host->tls_cert, flags->cert, dir, "cert.pem", err);
	return r < 0 ? r : choose(&host->tls_key, flags->key, dir, "key.pem", err);
}

static int arguments(const struct hoy_http_host *host, const char *program, char ***ret)
{
	int r = hoy_strv_add(ret, program);

	r |= hoy_strv_add(ret, "connect");
	r |= hoy_strv_add(ret, host->name);
	r |= hoy_strv_add(ret, host->port);
	if (host->tls_ca && host->tls_verify)
		r |= hoy_strv_addf(ret, "ca=%s", host->tls_ca);
	if (host->tls_cert && host->tls_key)
		r |= hoy_strv_addf(ret, "cert=%s", host->tls_cert) | hoy_strv_addf(ret, "key=%s", host->tls_key);
	return host->tls_verify ? r | hoy_strv_add(ret, "verify=1") : r;
}

int hoy_tls_connect(const struct hoy_http_host *host, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_free char *program = NULL;
	int r = hoy_helper_find("hoy-tls", HOY_HELPER_LIBEXEC, &program, err);

	if (r < 0)
		return r;
	if (arguments(host, program, &argv) != 0)
		return hoy_err_oom(err);
	return hoy_connect_through(program, argv, host->url, err);
}
