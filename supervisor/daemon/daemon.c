/*
 * The daemon: one loop, one store, the rooms, the API. Opening is also recovery: the container room takes up running
 * shims and holds its layers, then unused layers are swept, then the network's rules are made to fit what runs.
 */
#include "supervisor/daemon/daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "config.h"
#include "supervisor/api/api.h"
#include "supervisor/api/scope_policy.h"
#include "supervisor/build/build.h"
#include "supervisor/container/container.h"
#include "supervisor/daemon/lock.h"
#include "supervisor/daemon/options.h"
#include "supervisor/daemon/rootless.h"
#include "supervisor/daemon/sockets.h"
#include "supervisor/daemon/survivors.h"
#include "supervisor/daemon/tcp.h"
#include "supervisor/image/image.h"
#include "supervisor/network/network.h"
#include "supervisor/secret/secret.h"
#include "supervisor/store/store.h"
#include "supervisor/volume/volume.h"

struct hoy_daemon {
	struct hoy_daemon_options *options;
	int data_lock, exec_lock;
	int survivors; /* cgroup of what outlives us; 0: we are no unit of systemd */
	bool has_pidfile;
	struct hoy_rootless *rootless; /* NULL: root's */
	struct hoy_loop *loop;
	struct hoy_source *term, *intr, *hup;
	struct hoy_source *watchdog; /* NULL: nobody watches */
	struct hoy_store *store;
	struct hoy_registry_settings registries;
	struct hoy_image_limits image_limits;
	struct hoy_images *images;
	struct hoy_networks *networks;
	struct hoy_volumes *volumes;
	struct hoy_secrets *secrets;
	struct hoy_containers *containers;
	struct hoy_builds *builds;
	struct hoy_api *api;
	char *host_id, *address;
	char **runtimes;  /* "name=path" of all */
	char **bound;     /* socket paths to remove */
	char *tls_socket; /* what hoy-tls is in front of; NULL: there is none */
	int *lifelines;   /* of each hoy-tls */
	size_t n_lifelines;
};

static enum hoy_log_level log_level(const struct hoy_daemon_options *o)
{
	if (o->debug || !strcmp(o->log_level, "debug"))
		return HOY_LOG_DEBUG;
	if (!strcmp(o->log_level, "info"))
		return HOY_LOG_INFO;
	return !strcmp(o->log_level, "warn") ? HOY_LOG_WARN : HOY_LOG_ERROR;
}

static void set_up_log(const struct hoy_daemon_options *o)
{
	hoy_log_setup(2, !strcmp(o->log_format, "json") ? HOY_LOG_JSON : HOY_LOG_TEXT, log_level(o));
}

static void set_registries(struct hoy_daemon *d);
static int set_scopes(struct hoy_daemon *d, struct hoy_err *err);

/* --- signals -------------------------------------------------------------------------------------------------- */

static void on_terminate(struct hoy_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct hoy_daemon *d = userdata;

	(void) source;
	hoy_log_info("signal %u: ending, containers run on", si->ssi_signo);
	hoy_loop_exit(d->loop, 0);
}

/* Takes over what can change while we run. What came from a flag stays. */
static int reload(struct hoy_daemon *d, struct hoy_err *err)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options fresh = { 0 };
	int r;

	fresh.rootless = d->options->rootless;
	memcpy(fresh.by_flag, d->options->by_flag, sizeof fresh.by_flag);
	if (d->options->config_file && !(fresh.config_file = strdup(d->options->config_file)))
		return hoy_err_oom(err);
	r = hoy_daemon_options_load(&fresh, err);
	if (r >= 0)
		r = hoy_daemon_options_finish(&fresh, err);
	if (r < 0)
		return r;
	hoy_daemon_options_reload(d->options, &fresh);
	set_up_log(d->options);
	hoy_api_set_debug(d->api, d->options->debug);
	hoy_api_set_labels(d->api, d->options->labels);
	set_registries(d);
	hoy_api_daemon_event(d->api, "reload");
	return set_scopes(d, err);
}

static void on_hangup(struct hoy_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct hoy_err err = { 0 };

	(void) source;
	(void) si;
	if (reload(userdata, &err) < 0)
		hoy_log_err(&err, "reload the configuration");
	else
		hoy_log_info("configuration reloaded");
}

static int watch_signals(struct hoy_daemon *d, struct hoy_err *err)
{
	int r = hoy_loop_signal(d->loop, &d->term, SIGTERM, on_terminate, d, err);

	if (r >= 0)
		r = hoy_loop_signal(d->loop, &d->intr, SIGINT, on_terminate, d, err);
	if (r >= 0)
		r = hoy_loop_signal(d->loop, &d->hup, SIGHUP, on_hangup, d, err);
	(void) signal(SIGPIPE, SIG_IGN);
	return r;
}

/* --- what the image room asks --------------------------------------------------------------------------------- */

static void on_image_use(const char *image_id, struct hoy_image_user *ret, void *userdata)
{
	struct hoy_daemon *d = userdata;
	const struct hoy_container_filter all = { .all = true };
	auto_free const struct hoy_container_info **containers = NULL;
	size_t n = 0;

	*ret = (struct hoy_image_user){ 0 };
	if (hoy_containers_list(d->containers, &all, &containers, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n && !ret->running; i++) {
		if (!hoy_container_uses_image(containers[i], image_id))
			continue;
		(void) snprintf(ret->container, sizeof ret->container, "%.12s", containers[i]->id);
		ret->running = hoy_container_is_running(containers[i]);
	}
}

static void on_image_event(const char *action, const char *image_id, const char *name, void *userdata)
{
	struct hoy_daemon *d = userdata;

	if (d->api)
		hoy_api_image_event(d->api, action, image_id, name);
}

static void on_volume_event(const char *action, const char *name, char *const *attributes, void *userdata)
{
	struct hoy_daemon *d = userdata;

	if (d->api)
		hoy_api_volume_event(d->api, action, name, attributes);
}

/* --- opening -------------------------------------------------------------------------------------------------- */

static int lock_roots(struct hoy_daemon *d, struct hoy_err *err)
{
	int r = hoy_path_mkdir_all(d->options->data_root, 0710, err);

	if (r >= 0)
		r = hoy_path_mkdir_all(d->options->exec_root, 0711, err);
	if (r >= 0)
		r = d->data_lock = hoy_lock_root("data root", d->options->data_root, err);
	if (r >= 0)
		r = d->exec_lock = hoy_lock_root("exec root", d->options->exec_root, err);
	if (r >= 0)
		r = hoy_pidfile_write(d->options->pidfile, err);
	d->has_pidfile = r >= 0;
	return r;
}

/* A random UUID, made once per data root. */
static int load_host_id(struct hoy_daemon *d, struct hoy_err *err)
{
	unsigned char b[16];
	char hex[33];
	int r = hoy_store_get_fact(d->store, "host_id", &d->host_id, err);

	if (r < 0 || d->host_id)
		return r;
	hoy_random(b, sizeof b);
	b[6] = (unsigned char) ((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char) ((b[8] & 0x3f) | 0x80);
	hoy_hex(b, sizeof b, hex);
	d->host_id = hoy_str_printf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	return d->host_id ? hoy_store_set_fact(d->store, "host_id", d->host_id, err) : hoy_err_oom(err);
}

static bool has_entries(const char *root, const char *name)
{
	auto_free char *path = hoy_path_join(root, name);
	DIR *dir = path ? opendir(path) : NULL;
	const struct dirent *entry = NULL;

	while (dir && (entry = readdir(dir)) && entry->d_name[0] == '.')
		;
	if (dir)
		closedir(dir);
	return entry != NULL;
}

/* What no row names is removed at the start: a database that got lost must not take everything with it. */
static int check_store(const char *root, const char *path, struct hoy_err *err)
{
	struct stat st;

	if ((stat(path, &st) >= 0 && st.st_size > 0) ||
		(!has_entries(root, "containers") && !has_entries(root, "blobs")))
		return 0;
	return hoy_err_set(err, HOY_ERR_SYSTEM, ENOENT,
		"state database '%s' is missing or empty, but there are containers or images in '%s': put it back, or move their "
		"directories away to begin anew",
		path, root);
}

static int open_store(struct hoy_daemon *d, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(d->options->data_root, "hoy.db");
	int r = path ? check_store(d->options->data_root, path, err) : hoy_err_oom(err);

	r = r >= 0 ? hoy_store_open(d->loop, path, &d->store, err) : r;
	return r < 0 ? r : load_host_id(d, err);
}

/* The image room reads them through a pointer: after a reload they are set anew. */
static void set_registries(struct hoy_daemon *d)
{
	const struct hoy_daemon_options *o = d->options;

	d->registries = (struct hoy_registry_settings){ .insecure = o->insecure_registries,
		.mirrors = o->registry_mirrors,
		.signature_policy = o->signature_policy,
		.http_proxy = o->http_proxy,
		.https_proxy = o->https_proxy,
		.no_proxy = o->no_proxy,
		.downloads = o->downloads,
		.uploads = o->uploads,
		.attempts = o->download_attempts };
	d->image_limits = (struct hoy_image_limits){ .entries = o->layer_entries, .bytes = o->layer_bytes };
}

static int open_images(struct hoy_daemon *d, struct hoy_err *err)
{
	const struct hoy_images_options options = {
		.loop = d->loop,
		.store = d->store,
		.data_root = d->options->data_root,
		.registries = &d->registries,
		.limits = &d->image_limits,
	};

	set_registries(d);
	return hoy_images_open(&options, &d->images, err);
}

static int open_networks(struct hoy_daemon *d, struct hoy_err *err)
{
	const struct hoy_network_config config = {
		.exec_root = d->options->exec_root,
		.bridge = d->options->bridge,
		.bip = d->options->bip,
		.mtu = (unsigned int) d->options->mtu,
		.ipv6 = d->options->ipv6,
		.fixed_cidr_v6 = d->options->fixed_cidr_v6,
		.cgroup_fd = d->survivors,
		.cluster_store = d->options->cluster_store,
		.cluster_advertise = d->options->cluster_advertise,
		.host_socket = d->rootless ? hoy_rootless_socket(d->rootless) : NULL,
	};

	return hoy_network_open(d->loop, d->store, &config, &d->networks, err);
}

static int open_volumes(struct hoy_daemon *d, struct hoy_err *err)
{
	const struct hoy_volumes_options options = {
		.loop = d->loop,
		.store = d->store,
		.images = d->images,
		.data_root = d->options->data_root,
	};
	int r = hoy_volumes_open(&options, &d->volumes, err);

	if (r >= 0)
		hoy_volumes_set_event(d->volumes, on_volume_event, d);
	return r;
}

static int open_containers(struct hoy_daemon *d, struct hoy_err *err)
{
	const char *runtime = hoy_daemon_options_runtime(d->options, d->options->default_runtime);
	const struct hoy_containers_options options = {
		.loop = d->loop,
		.store = d->store,
		.images = d->images,
		.networks = d->networks,
		.volumes = d->volumes,
		.secrets = d->secrets,
		.data_root = d->options->data_root,
		.exec_root = d->options->exec_root,
		.address = d->address,
		.runtime = *runtime ? runtime : NULL,
		.debug = d->options->debug,
		.cgroup_fd = d->survivors,
		.max_files = d->options->max_files,
	};
	int r = hoy_containers_open(&options, &d->containers, err);

	if (r >= 0)
		hoy_images_set_callbacks(d->images, on_image_use, on_image_event, d);
	return r;
}

static int open_builds(struct hoy_daemon *d, struct hoy_err *err)
{
	const struct hoy_builds_options options = {
		.loop = d->loop,
		.store = d->store,
		.images = d->images,
		.containers = d->containers,
		.volumes = d->volumes,
		.root = d->options->data_root,
		.exec_root = d->options->exec_root,
	};

	return hoy_builds_open(&options, &d->builds, err);
}

/* Rules and reserved ports become those of what runs. */
static int recover_networks(struct hoy_daemon *d, struct hoy_err *err)
{
	const struct hoy_container_filter running = { .all = false };
	auto_free const struct hoy_container_info **containers = NULL;
	auto_free const char **ids = NULL;
	size_t n = 0;
	int r = hoy_containers_list(d->containers, &running, &containers, &n, err);

	if (r < 0)
		return r;
	ids = calloc(n + 1, sizeof *ids);
	if (!ids)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++)
		ids[i] = containers[i]->id;
	return hoy_network_recover(d->networks, ids, n, err);
}

static int open_rooms(struct hoy_daemon *d, struct hoy_err *err)
{
	int r = open_store(d, err);

	if (r >= 0)
		r = open_images(d, err);
	if (r >= 0)
		r = open_networks(d, err);
	if (r >= 0)
		r = open_volumes(d, err);
	if (r >= 0)
		r = hoy_secrets_open(d->store, d->volumes, d->options->data_root, &d->secrets, err);
	if (r >= 0)
		r = open_containers(d, err);
	if (r >= 0)
		r = open_builds(d, err);
	if (r >= 0)
		r = hoy_images_sweep(d->images, err);
	return r < 0 ? r : recover_networks(d, err);
}

/* --- the API -------------------------------------------------------------------------------------------------- */

static bool ip_forward_is_on(void)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	return hoy_file_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", &buf, NULL) >= 0 && buf.data &&
	       buf.data[0] == '1';
}

static int list_runtimes(struct hoy_daemon *d, struct hoy_err *err)
{
	int r = hoy_strv_add(&d->runtimes, "hoyrun=hoyrun");

	for (char *const *entry = d->options->runtimes; r >= 0 && entry && *entry; entry++)
		r = hoy_strv_add(&d->runtimes, *entry);
	return r < 0 ? hoy_err_oom(err) : 0;
}

static int open_api(struct hoy_daemon *d, struct hoy_err *err)
{
	int r = list_runtimes(d, err);
	const struct hoy_api_options options = {
		.loop = d->loop,
		.store = d->store,
		.builds = d->builds,
		.containers = d->containers,
		.images = d->images,
		.networks = d->networks,
		.secrets = d->secrets,
		.volumes = d->volumes,
		.data_root = d->options->data_root,
		.host_id = d->host_id,
		.default_runtime = d->options->default_runtime,
		.runtimes = d->runtimes,
		.labels = d->options->labels,
		.debug = d->options->debug,
		.experimental = d->options->experimental,
		.rootless = d->options->rootless,
		.ip_forward = ip_forward_is_on(),
	};

	return r < 0 ? r : hoy_api_new(&d->api, &options, err);
}

static int listen_passed(struct hoy_daemon *d, struct hoy_err *err)
{
	int n = hoy_passed_sockets(err), r = n;

	for (int fd = 3; r >= 0 && fd < 3 + n; fd++)
		r = hoy_api_listen(d->api, fd, err);
	return r;
}

static int listen_unix(struct hoy_daemon *d, const char *path, const char *group, struct hoy_err *err)
{
	int fd, r;

	fd = hoy_host_listen_unix(path, group, HOY_HOST_MODE, err);
	if (fd < 0)
		return fd;
	r = hoy_strv_add(&d->bound, path) < 0 ? hoy_err_oom(err) : 0;
	if (r < 0) {
		hoy_fd_close(&fd);
		return r;
	}
	r = hoy_api_listen(d->api, fd, err);
	if (r >= 0)
		hoy_log_info("API listens on %s", path);
	return r;
}

/* The socket behind hoy-tls is root's alone. */
static int listen_behind_tls(struct hoy_daemon *d, struct hoy_err *err)
{
	if (d->tls_socket)
		return 0;
	d->tls_socket = hoy_path_join(d->options->exec_root, "tls.sock");
	return d->tls_socket ? listen_unix(d, d->tls_socket, "root", err) : hoy_err_oom(err);
}

static int listen_tls(struct hoy_daemon *d, int fd, struct hoy_err *err)
{
	int *grown = reallocarray(d->lifelines, d->n_lifelines + 1, sizeof *grown);
	int r;

	if (!grown)
		return hoy_err_oom(err);
	d->lifelines = grown;
	r = listen_behind_tls(d, err);
	if (r >= 0)
		r = hoy_tls_start(d->options, fd, d->tls_socket, d->survivors, &grown[d->n_lifelines], err);
	d->n_lifelines += r >= 0;
	return r;
}

static int listen_tcp(struct hoy_daemon *d, const char *host, struct hoy_err *err)
{
	bool tls = d->options->tls || d->options->tlsverify;
	auto_fd int fd = hoy_host_listen_tcp(host, tls, err);
	int r = fd;

	if (r >= 0)
		r = tls ? listen_tls(d, fd, err) : hoy_api_listen(d->api, TAKE_FD(fd), err);
	if (r >= 0)
		hoy_log_info("API listens on %s%s", host, tls ? ", with TLS" : "");
	if (r >= 0 && !tls)
		hoy_log_warn("%s is served without protection: whoever reaches it is root on this machine", host);
	return r;
}

/* Whoever reads them needs no rights, so they are for this machine alone. */
static int listen_metrics(struct hoy_daemon *d, struct hoy_err *err)
{
	const char *address = d->options->metrics_addr, *path = address ? hoy_host_unix_path(address) : NULL;
	auto_fd int fd = -EBADF;
	int r;

	if (!address)
		return 0;
	if (path) {
		fd = hoy_host_listen_unix(path, d->options->rootless ? "" : d->options->group, HOY_HOST_MODE, err);
		if (fd >= 0 && hoy_strv_add(&d->bound, path) < 0)
			return hoy_err_oom(err);
	} else {
		fd = hoy_host_listen_loopback(address, err);
	}
	r = fd < 0 ? fd : hoy_api_listen_metrics(d->api, TAKE_FD(fd), err);
	if (r < 0)
		return hoy_err_wrap(err, "metrics-addr");
	hoy_log_info("metrics are served on %s", address);
	return 0;
}

static int open_scoped(void *userdata, const struct hoy_scope_policy *policy, struct hoy_err *err)
{
	struct hoy_daemon *d = userdata;
	const char *group = d->options->rootless ? "" : policy->group ? policy->group : d->options->group;
	auto_fd int fd = hoy_host_listen_unix(policy->path, group, policy->mode, err);

	if (fd < 0)
		return fd;
	if (!hoy_strv_has(d->bound ? d->bound : (char *[]){ NULL }, policy->path) &&
		hoy_strv_add(&d->bound, policy->path) < 0)
		return hoy_err_oom(err);
	hoy_log_info("a part of the API is served on %s", policy->path);
	return TAKE_FD(fd);
}

static void close_scoped(void *userdata, const char *path)
{
	(void) userdata;
	(void) unlink(path);
	hoy_log_info("nothing is served on %s any more", path);
}

static int set_scopes(struct hoy_daemon *d, struct hoy_err *err)
{
	const struct hoy_scope_sockets sockets = { open_scoped, close_scoped, d };

	return hoy_api_set_scopes(d->api, d->options->scoped_sockets, &sockets, err);
}

static int listen_host(struct hoy_daemon *d, const char *host, struct hoy_err *err)
{
	const char *path = hoy_host_unix_path(host), *group = d->options->rootless ? "" : d->options->group;

	if (hoy_host_is_tcp(host))
		return listen_tcp(d, host, err);
	return path ? listen_unix(d, path, group, err) : listen_passed(d, err);
}

static int listen_all(struct hoy_daemon *d, struct hoy_err *err)
{
	int r = 0;

	for (char *const *host = d->options->hosts; r >= 0 && *host; host++)
		r = listen_host(d, *host, err);
	if (r >= 0)
		r = set_scopes(d, err);
	return r < 0 ? r : listen_metrics(d, err);
}

/* The socket that shims are told. */
static int choose_address(struct hoy_daemon *d, struct hoy_err *err)
{
	int r = 0;

	for (char *const *host = d->options->hosts; r >= 0 && *host; host++) {
		r = hoy_host_check(*host, err);
		if (r >= 0 && !d->address && hoy_host_unix_path(*host))
			d->address = strdup(hoy_host_unix_path(*host));
	}
	if (r >= 0 && !d->address)
		d->address = hoy_path_join(d->options->exec_root, "hoy.sock");
	return r >= 0 && !d->address ? hoy_err_oom(err) : r;
}

int hoy_daemon_open(struct hoy_daemon **ret, struct hoy_daemon_options *options, struct hoy_err *err)
{
	auto_ptr(hoy_daemon_close) struct hoy_daemon *d = calloc(1, sizeof *d);
	int r;

	if (!d)
		return hoy_err_oom(err);
	d->options = options;
	d->data_lock = d->exec_lock = -EBADF;
	set_up_log(options);
	(void) umask(0022);
	r = choose_address(d, err);
	if (r >= 0)
		r = lock_roots(d, err);
	if (r >= 0 && options->rootless)
		r = hoy_rootless_enter(options->exec_root, &d->rootless, err);
	if (r >= 0)
		r = hoy_loop_new(&d->loop, err);
	if (r >= 0 && d->rootless)
		r = hoy_rootless_watch(d->rootless, d->loop, err);
	if (r >= 0)
		r = watch_signals(d, err);
	if (r >= 0)
		r = d->survivors = hoy_survivors_open(err);
	if (r >= 0)
		r = open_rooms(d, err);
	if (r >= 0)
		r = open_api(d, err);
	if (r >= 0)
		r = listen_all(d, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

/* The loop runs, so this comes: a hoyd that hangs is killed and started again, and no container notices. */
static void on_watchdog(struct hoy_source *source, void *userdata)
{
	(void) userdata;
	hoy_notify("WATCHDOG=1");
	hoy_source_set_timer(source, hoy_watchdog_ns());
}

int hoy_daemon_run(struct hoy_daemon *daemon, struct hoy_err *err)
{
	uint64_t watchdog = hoy_watchdog_ns();
	int r = 0;

	if (watchdog > 0)
		r = hoy_loop_timer(daemon->loop, &daemon->watchdog, watchdog, on_watchdog, daemon, err);
	if (r < 0)
		return r;
	hoy_log_info("hoyd %s ready", PACKAGE_VERSION);
	hoy_notify("READY=1");
	r = hoy_loop_run(daemon->loop, err);
	hoy_notify("STOPPING=1");
	return r;
}

static void close_rooms(struct hoy_daemon *d)
{
	if (d->api)
		hoy_api_stop(d->api);
	hoy_builds_stop(d->builds);
	hoy_containers_free(d->containers);
	if (d->networks)
		hoy_network_shutdown(d->networks);
	hoy_network_free(d->networks);
	hoy_secrets_free(d->secrets);
	hoy_volumes_free(d->volumes);
	hoy_images_free(d->images);
	hoy_builds_free(d->builds);
	hoy_api_free(d->api);
	hoy_store_close(d->store);
}

void hoy_daemon_close(struct hoy_daemon *daemon)
{
	if (!daemon)
		return;
	close_rooms(daemon);
	for (char *const *path = daemon->bound; path && *path; path++)
		(void) unlink(*path);
	hoy_source_free(daemon->term);
	hoy_source_free(daemon->intr);
	hoy_source_free(daemon->hup);
	hoy_source_free(daemon->watchdog);
	hoy_rootless_free(daemon->rootless);
	hoy_loop_free(daemon->loop);
	if (daemon->has_pidfile)
		hoy_pidfile_remove(daemon->options->pidfile);
	for (size_t i = 0; i < daemon->n_lifelines; i++)
		hoy_fd_close(&daemon->lifelines[i]);
	free(daemon->lifelines);
	free(daemon->tls_socket);
	hoy_strv_free(daemon->bound);
	hoy_strv_free(daemon->runtimes);
	free(daemon->host_id);
	free(daemon->address);
	if (daemon->survivors > 0) {
		hoy_fd_close(&daemon->survivors);
		hoy_survivors_remove();
	}
	hoy_fd_close(&daemon->exec_lock);
	hoy_fd_close(&daemon->data_lock);
	free(daemon);
}
