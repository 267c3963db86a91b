/* What the host and the container's layers say, gathered for the spec. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/container.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/layered.h"
#include "supervisor/container/links.h"
#include "supervisor/container/spec.h"
#include "supervisor/container/user.h"
#include "supervisor/image/image.h"

#define ACCOUNT_FILE_MAX ((size_t) 4 << 20)

/* The text of a file in the container; "" when it is not there. */
static int read_layered(char *const *dirs, const char *path, struct hoy_buf *text, struct hoy_err *err)
{
	struct hoy_err open_err = {};
	auto_fd int fd = hoy_layered_open(dirs, path, &open_err);
	int r = 0;

	hoy_buf_init(text, ACCOUNT_FILE_MAX);
	if (fd >= 0)
		r = hoy_file_read_fd(fd, path, text, err);
	else if (fd != -ENOENT && fd != -ENOTDIR && err) {
		*err = open_err;
		r = fd;
	}
	if (r >= 0 && hoy_buf_adds(text, "") < 0)
		r = hoy_err_oom(err);
	return r;
}

static int find_user(char *const *dirs, const char *user, char *const *group_add, struct hoy_container_user *ret,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf passwd = {}, group = {};
	int r = read_layered(dirs, "etc/passwd", &passwd, err);

	if (r >= 0)
		r = read_layered(dirs, "etc/group", &group, err);
	if (r < 0)
		return r;
	return hoy_container_user_resolve(
		user, group_add, passwd.data ? passwd.data : "", group.data ? group.data : "", ret, err);
}

int hoy_container_find_user(const struct hoy_container *c, const struct hoy_container_config *config,
	char *const *layers, struct hoy_container_user *ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **dirs = NULL;
	int r = hoy_strv_add(&dirs, c->info.upper_dir);

	for (size_t i = 0; layers[i] && r >= 0; i++)
		r = hoy_strv_add(&dirs, layers[i]);
	if (r < 0)
		return hoy_err_oom(err);
	return find_user(dirs, config->user ? config->user : "", config->host.group_add, ret, err);
}

int hoy_containers_find_owner(struct hoy_containers *room, const char *chain_id, const char *spec, uint32_t *ret_uid,
	uint32_t *ret_gid, struct hoy_err *err)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = {};
	auto_ptr(hoy_strv_free) char **layers = NULL;
	int r = hoy_layers_paths(room->options.images, chain_id, &layers, err);

	if (r >= 0)
		r = find_user(layers, spec, /* group_add= */ NULL, &user, err);
	*ret_uid = user.uid;
	*ret_gid = user.gid;
	return r;
}

/* v2 always has memory.swap.max; v1 only when the kernel accounts swap. */
bool hoy_containers_can_limit_swap(void)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;
	const char *mount, *name;

	if (hoy_cgroup_host_detect(&host, NULL) < 0)
		return false;
	if (hoy_cgroup_host_mode(host) == HOY_CGROUP_UNIFIED)
		return hoy_cgroup_host_has(host, HOY_CGROUP_MEMORY);
	for (size_t i = 0; (mount = hoy_cgroup_host_hierarchy(host, i, &name)); i++) {
		auto_free char *file = hoy_path_join(mount, "memory.memsw.limit_in_bytes");

		if (file && access(file, F_OK) == 0)
			return true;
	}
	return false;
}

static int own_oom_score_adj(void)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int score = 0;

	if (hoy_file_read(AT_FDCWD, "/proc/self/oom_score_adj", &text, NULL) >= 0 && text.data)
		score = (int) strtol(text.data, NULL, 10);
	return score;
}

/* What its mounts are made of: each list has one entry for each mount, and each text and list in them is heap. */
struct sources {
	size_t n;
	char **paths, ***lowers;
	bool *read_only;
};

static void sources_done(struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		free(sources->paths ? sources->paths[i] : NULL);
		hoy_strv_free(sources->lowers ? sources->lowers[i] : NULL);
	}
	free(sources->paths);
	free(sources->lowers);
	free(sources->read_only);
}

static int find_sources(struct hoy_container *c, struct sources *ret, struct hoy_err *err)
{
	int r = 0;

	ret->n = c->info.n_mounts;
	ret->paths = calloc(ret->n + 1, sizeof *ret->paths);
	ret->lowers = calloc(ret->n + 1, sizeof *ret->lowers);
	ret->read_only = calloc(ret->n + 1, sizeof *ret->read_only);
	if (!ret->paths || !ret->lowers || !ret->read_only)
		return hoy_err_oom(err);

	for (size_t i = 0; r >= 0 && i < c->info.n_mounts; i++) {
		const struct hoy_container_mount_info *m = &c->info.mounts[i];

		ret->read_only[i] = hoy_container_mount_is_read_only(c, m);
		if (strcmp(m->type, "image") == 0)
			r = hoy_container_image_mount_parts(c, m, &ret->lowers[i], &ret->paths[i], err);
		else
			r = hoy_container_mount_source(c, m, &ret->paths[i], err);
	}
	return r;
}

/* What the container shares with others: `net`, `pid` and `ipc` own the paths. */
static int share(
	struct hoy_container *c, struct hoy_spec_input *input, char **net, char **pid, char **ipc, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &c->config->host;
	struct hoy_container *other;
	int r = hoy_container_shared(c, host->network_mode, "network", &other, err);

	if (r >= 0 && other) {
		*net = hoy_str_printf("/proc/%d/ns/net", (int) other->info.pid);
		r = *net ? 0 : hoy_err_oom(err);
		input->hosts_path = other->info.hosts_path;
		input->resolv_conf_path = other->info.resolv_conf_path;
		input->hostname_path = other->info.hostname_path;
	}
	if (r >= 0)
		r = hoy_container_shared(c, host->pid_mode, "PID", &other, err);
	if (r >= 0 && other) {
		*pid = hoy_str_printf("/proc/%d/ns/pid", (int) other->info.pid);
		r = *pid ? 0 : hoy_err_oom(err);
	}
	if (r >= 0)
		r = hoy_container_shared_ipc(c, &other, err);
	if (r >= 0 && other) {
		*ipc = hoy_str_printf("/proc/%d/ns/ipc", (int) other->info.pid);
		r = *ipc ? 0 : hoy_err_oom(err);
	}
	input->ipc_path = *ipc;
	input->net_path = *net;
	input->pid_path = *pid;
	return r;
}

/* An init is for a container whose first process has nobody above it. */
static int find_init(const struct hoy_container *c, char **ret, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &c->config->host;

	if (!host->init || !*host->init || (host->pid_mode && *host->pid_mode))
		return 0;
	return hoy_helper_find("hoy-init", HOY_HELPER_LIBEXEC, ret, err);
}

int hoy_container_spec_text(struct hoy_container *c, struct hoy_buf *text, struct hoy_err *err)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = {};
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	auto_ptr(hoy_strv_free) char **link_env = NULL, **layers = NULL;
	auto_(sources_done) struct sources sources = {};
	auto_free char *empty = hoy_container_has_secrets(c) ? hoy_container_empty_file(c) : NULL;
	auto_free char *init = NULL, *net = NULL, *pid = NULL, *ipc = NULL;
	struct hoy_spec_input input = {
		.id = c->info.id,
		.config = c->config,
		.user = &user,
		.args = c->info.args,
		.upper_dir = c->info.upper_dir,
		.work_dir = c->info.work_dir,
		.hostname_path = c->info.hostname_path,
		.hosts_path = c->info.hosts_path,
		.resolv_conf_path = c->info.resolv_conf_path,
		.mounts = c->info.mounts,
		.n_mounts = c->info.n_mounts,
		.tty_height = c->tty_height,
		.tty_width = c->tty_width,
		.swap_limits = hoy_containers_can_limit_swap(),
		.oom_score_adj = own_oom_score_adj(),
	};
	int r = find_sources(c, &sources, err);

	if (r >= 0)
		r = hoy_layers_paths(c->room->options.images, c->chain_id, &layers, err);
	if (r >= 0)
		r = hoy_container_find_user(c, c->config, layers, &user, err);
	if (r >= 0)
		r = find_init(c, &init, err);
	if (r >= 0)
		r = share(c, &input, &net, &pid, &ipc, err);
	if (r >= 0)
		r = hoy_container_links_env(c, /* strict= */ true, &link_env, err);
	if (r < 0)
		return r;
	input.sources = sources.paths;
	input.lowers = (char *const *const *) sources.lowers;
	input.read_only = sources.read_only;
	input.layers = layers;
	input.link_env = link_env;
	input.init_path = init;
	input.empty_path = empty;
	if (hoy_container_has_secrets(c) && !empty)
		return hoy_err_oom(err);
	r = hoy_spec_build(&input, &spec, err);
	return r < 0 ? r : hoy_oci_spec_print(spec, text, 0, err);
}

int hoy_container_process_build(struct hoy_container *c, const struct hoy_container_config *config, char *const *args,
	struct hoy_oci_process **ret, struct hoy_err *err)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = {};
	auto_ptr(hoy_oci_process_free) struct hoy_oci_process *process = calloc(1, sizeof *process);
	auto_ptr(hoy_strv_free) char **layers = NULL, **link_env = NULL;
	struct hoy_spec_input input = {
		.id = c->info.id,
		.config = config,
		.user = &user,
		.args = args,
		.oom_score_adj = own_oom_score_adj(),
	};
	int r = process ? hoy_layers_paths(c->room->options.images, c->chain_id, &layers, err) : hoy_err_oom(err);

	if (r >= 0)
		r = hoy_container_find_user(c, config, layers, &user, err);
	if (r >= 0)
		r = hoy_container_links_env(c, /* strict= */ false, &link_env, err);
	input.link_env = link_env;
	if (r >= 0)
		r = hoy_spec_build_process(&input, process, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(process);
	return 0;
}

int hoy_container_resources_text(struct hoy_container *c, struct hoy_buf *text, struct hoy_err *err)
{
	const struct hoy_spec_input input = { .config = c->config, .swap_limits = hoy_containers_can_limit_swap() };
	const int64_t *pids = c->config->host.pids_limit;
	auto_ptr(hoy_oci_resources_free) struct hoy_oci_resources *resources = NULL;
	struct hoy_oci_linux l = {};
	int r = hoy_spec_build_resources(&input, &l);

	resources = l.resources;
	if (r >= 0 && pids && *pids <= 0) {
		resources->pids = calloc(1, sizeof *resources->pids);
		r = resources->pids ? 0 : -ENOMEM;
		if (r >= 0)
			resources->pids->limit = -1;
	}
	return r < 0 ? hoy_err_oom(err) : hoy_oci_resources_print(resources, text, 0, err);
}
