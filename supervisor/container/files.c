/*
 * The files of a container: its directory under the data root (writable layer, log, hostname, hosts, resolv.conf) and
 * its bundle under the exec root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/protocol.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/links.h"
#include "supervisor/container/shim.h"
#include "supervisor/container/spec.h"
#include "supervisor/image/image.h"
#include "supervisor/network/network.h"
#include "supervisor/store/store.h"

#define STARTED "started" /* in the bundle: Start was sent; the restart count */

/* In place: the file may be bind-mounted into a running container. */
static int write_in_place(const char *path, const struct hoy_buf *text, struct hoy_err *err)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int r;

	if (fd < 0)
		return hoy_err_sys(err, "write '%s'", path);
	r = hoy_fd_write_all(fd, text->data ? text->data : "", text->len);
	return r < 0 ? hoy_err_code(err, r, "write '%s'", path) : 0;
}

static bool on_host_network(const struct hoy_container *c)
{
	return hoy_str_eq(c->config->host.network_mode, "host");
}

/* --- hostname ----------------------------------------------------------------------------- */

static int hostname_write(struct hoy_container *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	hoy_buf_addf(&text, "%s\n", c->config->hostname);
	r = hoy_buf_check(&text, "hostname", err);
	return r < 0 ? r : write_in_place(c->info.hostname_path, &text, err);
}

/* --- hosts ---------------------------------------------------------------------------------- */

static int add_extra_hosts(struct hoy_container *c, const char *gateway, struct hoy_buf *text, struct hoy_err *err)
{
	char *const *hosts = c->config->host.extra_hosts;

	for (size_t i = 0; hosts && hosts[i]; i++) {
		auto_free char *name = NULL;
		const char *address;
		int r = hoy_extra_host_split(hosts[i], &name, &address, err);

		if (r < 0)
			return r;
		if (strcmp(address, "host-gateway") == 0)
			address = *gateway ? gateway : "127.0.0.1";
		hoy_buf_addf(text, "%s\t%s\n", address, name);
	}
	return 0;
}

static void add_own_name(const struct hoy_container *c, const char *address, struct hoy_buf *text)
{
	const char *domain = c->config->domainname;

	if (!*address)
		return;
	if (domain && *domain)
		hoy_buf_addf(text, "%s\t%s.%s %s\n", address, c->config->hostname, domain, c->config->hostname);
	else
		hoy_buf_addf(text, "%s\t%s\n", address, c->config->hostname);
}

int hoy_container_hosts_write(struct hoy_container *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_(hoy_endpoint_info_done) struct hoy_endpoint_info endpoint = {};
	struct hoy_endpoint_info *all = NULL;
	size_t n = 0;
	int r = 0;

	(void) hoy_network_endpoint(c->room->options.networks, c->info.id, &endpoint, NULL);
	if (on_host_network(c))
		(void) hoy_file_read(AT_FDCWD, "/etc/hosts", &text, NULL);
	else
		hoy_buf_adds(&text, "127.0.0.1\tlocalhost\n"
				    "::1\tlocalhost ip6-localhost ip6-loopback\n"
				    "fe00::\tip6-localnet\n"
				    "ff00::\tip6-mcastprefix\n"
				    "ff02::1\tip6-allnodes\n"
				    "ff02::2\tip6-allrouters\n");
	r = add_extra_hosts(c, endpoint.gateway, &text, err);
	if (r < 0)
		return r;
	if (hoy_network_endpoints_of(c->room->options.networks, c->info.id, &all, &n, NULL) >= 0)
		for (size_t i = 0; i < n; i++) {
			add_own_name(c, all[i].address, &text);
			add_own_name(c, all[i].address6, &text);
		}
	hoy_endpoint_infos_free(all, n);
	hoy_container_links_hosts(c, &text);
	r = hoy_buf_check(&text, "hosts", err);
	return r < 0 ? r : write_in_place(c->info.hosts_path, &text, err);
}

/* --- resolv.conf ------------------------------------------------------------------------------ */

static bool has_any(char *const *list)
{
	return list && list[0];
}

static bool starts_with_word(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len > n && strncmp(line, word, n) == 0 && (line[n] == ' ' || line[n] == '\t');
}

/* The lines of the host's that the request does not replace. */
static void add_kept_lines(const struct hoy_container_host_config *host, const char *text, struct hoy_buf *out)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		bool replaced = (has_any(host->dns) && starts_with_word(line, len, "nameserver")) ||
				(has_any(host->dns_search) && (starts_with_word(line, len, "search") ||
								      starts_with_word(line, len, "domain"))) ||
				(has_any(host->dns_options) && starts_with_word(line, len, "options"));

		if (!replaced) {
			hoy_buf_add(out, line, len);
			hoy_buf_addc(out, '\n');
		}
		line += len + (line[len] == '\n');
	}
}

static void add_words(struct hoy_buf *out, const char *keyword, char *const *words)
{
	if (!has_any(words))
		return;
	hoy_buf_adds(out, keyword);
	for (size_t i = 0; words[i]; i++)
		hoy_buf_addf(out, " %s", words[i]);
	hoy_buf_addc(out, '\n');
}

static bool sets_ndots(const char *text)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL)
		if (starts_with_word(line, strcspn(line, "\n"), "options") &&
			memmem(line, strcspn(line, "\n"), "ndots:", 6))
			return true;
	return false;
}

/* With a name server of ours the others are asked by it; names without a dot are its first of all. */
static void add_nameserver_of_ours(const struct hoy_container *c, const char *base, struct hoy_buf *out)
{
	struct hoy_container_host_config host = c->config->host;
	char *const ours[] = { HOY_NETWORK_NAMESERVER, NULL };

	host.dns = (char **) ours;
	hoy_buf_adds(out, "nameserver " HOY_NETWORK_NAMESERVER "\n");
	add_kept_lines(&host, base, out);
}

static int resolv_text(const struct hoy_container *c, bool has_names, struct hoy_buf *out, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &c->config->host;
	auto_(hoy_buf_done) struct hoy_buf text = {}, base = {};
	int r = 0;

	(void) hoy_file_read(AT_FDCWD, "/etc/resolv.conf", &text, NULL);
	if (has_names)
		add_nameserver_of_ours(c, text.data ? text.data : "", out);
	else if (on_host_network(c))
		add_kept_lines(host, text.data ? text.data : "", out);
	else
		r = hoy_network_resolv_conf(text.data ? text.data : "", text.len, &base, err);
	if (r < 0)
		return r;
	add_kept_lines(host, base.data ? base.data : "", out);
	for (size_t i = 0; !has_names && host->dns && host->dns[i]; i++)
		hoy_buf_addf(out, "nameserver %s\n", host->dns[i]);
	if (!(host->dns_search && hoy_str_eq(host->dns_search[0], ".")))
		add_words(out, "search", host->dns_search);
	add_words(out, "options", host->dns_options);
	if (has_names && hoy_buf_check(out, "resolv.conf", NULL) >= 0 && !sets_ndots(out->data))
		hoy_buf_adds(out, "options ndots:0\n");
	return hoy_buf_check(out, "resolv.conf", err);
}

int hoy_container_resolv_write(struct hoy_container *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = resolv_text(c, hoy_network_has_names(c->room->options.networks, c->info.id), &text, err);

	return r < 0 ? r : write_in_place(c->info.resolv_conf_path, &text, err);
}

int hoy_container_resolv_follow(struct hoy_container *c, struct hoy_err *err)
{
	bool has_names = hoy_network_has_names(c->room->options.networks, c->info.id);
	auto_(hoy_buf_done) struct hoy_buf before = {}, now = {};
	int r = resolv_text(c, !has_names, &before, err);

	if (r >= 0)
		r = hoy_file_read(AT_FDCWD, c->info.resolv_conf_path, &now, err);
	if (r < 0 || before.len != now.len || memcmp(before.data, now.data, now.len) != 0)
		return r;
	return hoy_container_resolv_write(c, err);
}

/* --- the directory ------------------------------------------------------------------------------- */

int hoy_container_bind_sources_make(const struct hoy_container *c, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; i < c->info.n_mounts && r >= 0; i++) {
		const struct hoy_container_mount_info *m = &c->info.mounts[i];

		if (m->make_source && access(m->source, F_OK) < 0 && errno == ENOENT)
			r = hoy_path_mkdir_all(m->source, 0755, err);
	}
	return r;
}

static int make_dir(const char *path, mode_t mode, struct hoy_err *err)
{
	if (mkdir(path, mode) < 0)
		return hoy_err_sys(err, "make directory '%s'", path);
	/* the root directory of the container: not the umask's business */
	return chmod(path, mode) < 0 ? hoy_err_sys(err, "chmod '%s'", path) : 0;
}

int hoy_container_files_make(struct hoy_container *c, struct hoy_err *err)
{
	int r = make_dir(c->dir, 0711, err);

	if (r < 0)
		return r;
	r = make_dir(c->info.upper_dir, 0755, err);
	if (r >= 0 && hoy_str_eq(c->config->host.log_config.type, "local")) {
		auto_free char *logs = hoy_path_join(c->dir, "local-logs");

		r = logs ? make_dir(logs, 0700, err) : hoy_err_oom(err);
	}
	if (r >= 0)
		r = make_dir(c->info.work_dir, 0711, err);
	if (r >= 0)
		r = hostname_write(c, err);
	if (r >= 0)
		r = hoy_container_hosts_write(c, err);
	if (r >= 0)
		r = hoy_container_resolv_write(c, err);
	if (r < 0)
		hoy_container_files_remove(c);
	return r;
}

void hoy_container_files_remove(struct hoy_container *c)
{
	hoy_images_trash(c->room->options.images, c->room->dir_fd, c->info.id);
}

/* --- the bundle ------------------------------------------------------------------------------------ */

static int write_spec(struct hoy_container *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_path_join(c->bundle, "config.json");
	int r = path ? hoy_container_spec_text(c, &text, err) : hoy_err_oom(err);

	return r < 0 ? r : hoy_file_write(AT_FDCWD, path, text.data, text.len, 0600, 0, err);
}

int hoy_container_bundle_mark_started(const struct hoy_container *c, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(c->bundle, STARTED);
	auto_free char *text = hoy_str_printf("%d", c->info.restart_count);

	if (!path || !text)
		return hoy_err_oom(err);
	return hoy_file_write(AT_FDCWD, path, text, strlen(text), 0600, 0, err);
}

int hoy_container_bundle_restarts(const struct hoy_container *c)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_path_join(c->bundle, STARTED);
	int n = -ENOENT;

	if (path && hoy_file_read(AT_FDCWD, path, &text, NULL) >= 0 && text.data)
		(void) hoy_str_to_int(text.data, &n);
	return n;
}

int hoy_container_bundle_make(struct hoy_container *c, struct hoy_err *err)
{
	auto_free char *rootfs = hoy_path_join(c->bundle, "rootfs");
	int r;

	if (!rootfs)
		return hoy_err_oom(err);
	(void) unlink(c->end_path); /* of a run whose end could not be saved */
	r = make_dir(c->bundle, 0700, err);
	if (r < 0)
		return r;
	r = make_dir(rootfs, 0755, err);
	if (r >= 0 && hoy_container_has_secrets(c))
		r = hoy_container_secrets_prepare(c, err);
	if (r >= 0)
		r = write_spec(c, err);
	if (r < 0)
		hoy_container_bundle_remove(c);
	return r;
}

static void on_end_saved(void *userdata, const struct hoy_err *err)
{
	auto_free char *path = userdata;

	if (!err && unlink(path) < 0 && errno != ENOENT)
		hoy_log_warn("remove '%s': %s, ignoring", path, strerror(errno));
}

void hoy_container_exit_saved(struct hoy_container *c)
{
	auto_free char *path = strdup(c->end_path);

	if (path && hoy_store_after_commit(c->room->options.store, on_end_saved, path, NULL) >= 0)
		path = NULL; /* the callback's */
}

/* A hoyd that is killed after the bundle's end and before the commit leaves this for the next one. */
static void keep_end(struct hoy_container *c)
{
	auto_free char *path = hoy_path_join(c->bundle, HOY_SHIM_EXIT_FILE);

	if (path && (rename(path, c->end_path) >= 0 || access(c->end_path, F_OK) >= 0))
		hoy_container_exit_saved(c);
}

void hoy_container_bundle_remove(struct hoy_container *c)
{
	struct hoy_err err = {};

	keep_end(c);
	if (hoy_path_remove_all(AT_FDCWD, c->bundle, &err) < 0)
		hoy_log_ignored(&err, "container '%s': remove bundle", c->info.id);
}

int hoy_container_exit_read(const struct hoy_container *c, struct hoy_shim_exit_record *ret, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(c->bundle, HOY_SHIM_EXIT_FILE);
	int r = path ? hoy_shim_exit_read(path, ret, err) : hoy_err_oom(err);

	return r == -ENOENT ? hoy_shim_exit_read(c->end_path, ret, err) : r;
}
