/* What a container needs that is not its own: namespaces of another one, a security module of the host. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/volume/files.h"

int hoy_container_shared_check(struct hoy_container *c, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &c->config->host;
	const char *const modes[] = { host->network_mode, host->pid_mode, host->ipc_mode };
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

/* --- IPC -------------------------------------------------------------------------------------- */

int hoy_container_shared_ipc(struct hoy_container *c, struct hoy_container **ret, struct hoy_err *err)
{
	int r = hoy_container_shared(c, c->config->host.ipc_mode, "IPC", ret, err);

	if (r >= 0 && *ret && !hoy_str_eq((*ret)->config->host.ipc_mode, "shareable"))
		return hoy_err_conflict(err,
			"can't join IPC of container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
			(*ret)->info.id);
	return r;
}

static int open_namespace(const struct hoy_container *c, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/proc/%d/ns/mnt", (int) c->info.pid);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	return fd < 0 ? hoy_err_sys(err, "open the mount namespace of container %s", c->info.id) : fd;
}

int hoy_container_shm_share(
	struct hoy_container *c, void (*done)(const struct hoy_err *err, void *userdata), struct hoy_err *err)
{
	static char *const names[] = { (char *) "donor", (char *) "namespace", NULL };
	auto_(hoy_buf_done) struct hoy_buf request = {};
	struct hoy_json_writer w = { .buf = &request };
	auto_fd int donor = -EBADF, own = -EBADF;
	struct hoy_container *other;
	int r = hoy_container_shared_ipc(c, &other, err);

	if (r < 0)
		return r;
	donor = open_namespace(other, err);
	own = donor < 0 ? donor : open_namespace(c, err);
	if (own < 0)
		return own;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "shm");
	hoy_json_add_strv(&w, "fds", names);
	hoy_json_end(&w);
	r = hoy_buf_check(&request, "request", err);
	if (r < 0)
		return r;
	return hoy_files_run_start(&(struct hoy_files_run_options){ .volumes = c->room->options.volumes,
					   .request = &request,
					   .fds = (int[]){ donor, own },
					   .n_fds = 2,
					   .done = done,
					   .userdata = c },
		&c->sharing, err);
}
