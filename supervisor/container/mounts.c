/* The mounts a container was asked to have, in one list: Binds, then Mounts. Tmpfs of HostConfig.Tmpfs are not in it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"

void hoy_container_mounts_free(struct hoy_container_mount_info *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(mounts[i].type);
		free(mounts[i].source);
		free(mounts[i].destination);
		free(mounts[i].mode);
		free(mounts[i].propagation);
	}
	free(mounts);
}

static int fill(struct hoy_container_mount_info *info, const char *type, const char *source, const char *destination,
	const char *mode, const char *propagation)
{
	info->type = strdup(type);
	info->source = strdup(source);
	info->destination = hoy_path_clean(destination);
	info->mode = strdup(mode);
	info->propagation = strdup(propagation);
	return info->type && info->source && info->destination && info->mode && info->propagation ? 0 : -1;
}

static int add_bind(struct hoy_container_mount_info *info, const char *text, struct hoy_err *err)
{
	auto_(hoy_bind_done) struct hoy_bind bind = {};
	int r = hoy_bind_parse(text, &bind, err);

	if (r < 0)
		return r;
	info->rw = !bind.read_only;
	if (fill(info, "bind", bind.source, bind.destination, bind.mode, bind.propagation) < 0)
		return hoy_err_oom(err);
	return 0;
}

static int add_mount(
	struct hoy_container_mount_info *info, const struct hoy_container_mount_request *m, struct hoy_err *err)
{
	bool bind = strcmp(m->type, "bind") == 0;
	const char *propagation = m->bind_options && m->bind_options->propagation ? m->bind_options->propagation : "";

	if (bind && !*propagation)
		propagation = "rprivate";
	info->rw = !m->read_only;
	if (fill(info, m->type, bind ? m->source : "", m->target, "", propagation) < 0)
		return hoy_err_oom(err);
	return 0;
}

int hoy_container_mounts_list(const struct hoy_container_config *config, struct hoy_container_mount_info **ret,
	size_t *ret_n, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &config->host;
	size_t most = hoy_strv_len(host->binds) + host->n_mounts, n = 0;
	struct hoy_container_mount_info *mounts = calloc(most + 1, sizeof *mounts);
	int r = 0;

	if (!mounts)
		return hoy_err_oom(err);
	for (size_t i = 0; host->binds && host->binds[i] && r >= 0; i++)
		r = add_bind(&mounts[n++], host->binds[i], err);
	for (size_t i = 0; i < host->n_mounts && r >= 0; i++)
		r = add_mount(&mounts[n++], &host->mounts[i], err);
	if (r < 0) {
		hoy_container_mounts_free(mounts, n);
		return r;
	}
	*ret = mounts;
	*ret_n = n;
	return 0;
}
