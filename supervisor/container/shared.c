/* What a container needs that is not its own: namespaces of another one, a security module of the host. */
#include <errno.h>
#include <unistd.h>

#include "base/defs.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"

int hoy_container_shared_check(struct hoy_container *c, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &c->config->host;
	const char *const modes[] = { host->network_mode, host->pid_mode };
	struct hoy_container *other;

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		const char *name = hoy_container_mode_names(modes[i]);

		/* "not found" of a create means the image */
		if (name && hoy_containers_lookup(c->room, name, &other, NULL) < 0)
			return hoy_err_invalid(err, "No such container: %s", name);
	}
	return 0;
}

int hoy_container_modules_check(const struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_security security;
	int r = hoy_security_parse(c->config, &security, err);

	if (r >= 0 && security.apparmor_profile && access("/sys/module/apparmor/parameters/enabled", F_OK) < 0)
		return hoy_err_invalid(err, "--security-opt apparmor=%s: AppArmor is not enabled on this host",
			security.apparmor_profile);
	return r;
}

int hoy_container_shared(
	struct hoy_container *c, const char *mode, const char *what, struct hoy_container **ret, struct hoy_err *err)
{
	const char *name = hoy_container_mode_names(mode);
	int r;

	*ret = NULL;
	if (!name)
		return 0;
	r = hoy_containers_lookup(c->room, name, ret, err);
	if (r < 0)
		return r;
	if (*ret == c)
		return hoy_err_invalid(err, "cannot join own %s namespace", what);
	if ((*ret)->phase != HOY_PHASE_RUNNING || (*ret)->info.pid <= 0)
		return hoy_err_conflict(
			err, "cannot join %s namespace of a non running container: %s", what, (*ret)->info.id);
	return 0;
}
