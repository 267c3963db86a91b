/* The mounts of a container's config.json: the overlay, the kernel's file systems, the engine's files, the user's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/spec.h"

#define TTY_GROUP 5

/* NULL `options` entries end the list. */
static struct hoy_oci_mount *add(struct hoy_oci_spec *spec, const char *destination, const char *type,
	const char *source, const char *const *options)
{
	struct hoy_oci_mount *m = hoy_field_add(&spec->mounts, &spec->n_mounts);
	int r = 0;

	if (!m)
		return NULL;
	m->destination = strdup(destination);
	m->type = strdup(type);
	m->source = strdup(source);
	for (size_t i = 0; options && options[i] && r >= 0; i++)
		r = hoy_strv_add(&m->options, options[i]);
	return m->destination && m->type && m->source && r >= 0 ? m : NULL;
}
#define ADD(spec, destination, type, source, ...)                                                                      \
	add(spec, destination, type, source, (const char *const[]){ __VA_ARGS__, NULL })

/* --- the root ------------------------------------------------------------------------------ */

static int add_overlay(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	struct hoy_oci_mount *m = add(spec, "/", "overlay", "overlay", NULL);
	auto_(hoy_buf_done) struct hoy_buf lower = {};
	int r;

	if (!m)
		return -ENOMEM;
	hoy_buf_adds(&lower, "lowerdir=");
	for (size_t i = 0; in->layers[i]; i++)
		hoy_buf_addf(&lower, "%s%s", i > 0 ? ":" : "", in->layers[i]);
	r = hoy_buf_check(&lower, "list of layers", NULL);
	if (r >= 0)
		r = hoy_strv_add(&m->options, lower.data);
	if (r >= 0)
		r = hoy_strv_addf(&m->options, "upperdir=%s", in->upper_dir);
	if (r >= 0)
		r = hoy_strv_addf(&m->options, "workdir=%s", in->work_dir);
	if (r >= 0)
		r = hoy_strv_add(&m->options, "userxattr");
	return r;
}

/* Colons stand between layers. */
static void add_escaped(struct hoy_buf *buf, const char *path)
{
	for (; *path; path++) {
		if (*path == ':' || *path == '\\' || *path == ',')
			(void) hoy_buf_addc(buf, '\\');
		(void) hoy_buf_addc(buf, *path);
	}
}

/* An image's directory: an overlay that nobody writes in. */
static int add_lowers(struct hoy_oci_spec *spec, const char *destination, char *const *lowers)
{
	struct hoy_oci_mount *m = ADD(spec, destination, "overlay", "overlay", "ro", "nodev", "rprivate", "userxattr");
	auto_(hoy_buf_done) struct hoy_buf option = {};

	hoy_buf_adds(&option, "lowerdir=");
	for (char *const *dir = lowers; *dir; dir++) {
		if (dir != lowers)
			(void) hoy_buf_addc(&option, ':');
		add_escaped(&option, *dir);
	}
	return !m || hoy_buf_check(&option, "list of layers", NULL) < 0 ? -ENOMEM
									: hoy_strv_add(&m->options, option.data);
}

/* --- defaults -------------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* A mount of the user's takes the place of a default one, and with /dev of all below it. */
static bool is_replaced(const struct hoy_spec_input *in, const char *destination)
{
	const struct hoy_container_host_config *host = &in->config->host;

	for (size_t i = 0; i < in->n_mounts; i++)
		if (!strcmp(in->mounts[i].destination, destination) ||
			(!strcmp(in->mounts[i].destination, "/dev") && is_below(destination, "/dev")))
			return true;
	for (size_t i = 0; i < host->n_tmpfs; i++)
		if (!strcmp(host->tmpfs[i].key, destination))
			return true;
	return false;
}

static bool add_shared_memory(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	const char *ipc = in->config->host.ipc_mode;
	auto_free char *size = hoy_str_printf("size=%lld", (long long) in->config->host.shm_size);

	if (!size)
		return false;
	if (hoy_str_eq(ipc, "none") || is_replaced(in, "/dev/shm"))
		return true;
	if (hoy_str_eq(ipc, "host"))
		return ADD(spec, "/dev/shm", "bind", "/dev/shm", "rbind", "rprivate");
	return ADD(spec, "/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", size);
}

static bool add_message_queues(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	if (is_replaced(in, "/dev/mqueue"))
		return true;
	/* Also with the host's IPC namespace: a mount shows its namespace's queues, and the host need not have one. */
	return ADD(spec, "/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev");
}

static int add_kernel_mounts(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	const char *access = in->config->host.privileged ? "rw" : "ro";
	bool fine = true;

	if (!is_replaced(in, "/proc"))
		fine = fine && ADD(spec, "/proc", "proc", "proc", "nosuid", "noexec", "nodev");
	if (!is_replaced(in, "/dev"))
		fine = fine && ADD(spec, "/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k");
	if (!is_replaced(in, "/dev/pts"))
		fine = fine &&
		       ADD(spec, "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
			       "mode=0620", hoy_ids_mapped("/proc/self/gid_map") > TTY_GROUP ? "gid=5" : "gid=0");
	if (!is_replaced(in, "/sys"))
		fine = fine && ADD(spec, "/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access);
	if (!is_replaced(in, "/sys/fs/cgroup"))
		fine = fine && ADD(spec, "/sys/fs/cgroup", "cgroup", "cgroup", access, "nosuid", "noexec", "nodev");
	return fine && add_message_queues(spec, in) && add_shared_memory(spec, in) ? 0 : -ENOMEM;
}

static int add_engine_files(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	const struct {
		const char *destination, *source;
	} files[] = {
		{ "/etc/resolv.conf", in->resolv_conf_path },
		{ "/etc/hostname", in->hostname_path },
		{ "/etc/hosts", in->hosts_path },
	};
	const char *access = in->config->host.readonly_rootfs ? "ro" : "rw";

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (!is_replaced(in, files[i].destination) &&
			!ADD(spec, files[i].destination, "bind", files[i].source, "rbind", "rprivate", access))
			return -ENOMEM;
	return 0;
}

/* --- the user's ------------------------------------------------------------------------------- */

static int add_bind(
	struct hoy_oci_spec *spec, const struct hoy_spec_input *in, const struct hoy_container_mount_info *info)
{
	size_t i = (size_t) (info - in->mounts);
	const char *source = in->sources ? in->sources[i] : info->source;
	bool read_only = !info->rw || (in->read_only && in->read_only[i]);
	const char *access = !read_only ? "rw" : info->read_only_flat ? "ro" : "rro";
	const char *propagation = *info->propagation ? info->propagation : "rprivate";

	return ADD(spec, info->destination, "bind", source, info->flat ? "bind" : "rbind", propagation, access)
		       ? 0
		       : -ENOMEM;
}

static int add_tmpfs_mount(struct hoy_oci_spec *spec, const struct hoy_container_mount_info *info)
{
	struct hoy_oci_mount *m = ADD(
		spec, info->destination, "tmpfs", "tmpfs", "noexec", "nosuid", "nodev", "rprivate");
	int r = m ? 0 : -ENOMEM;

	if (r >= 0 && info->tmpfs_size > 0)
		r = hoy_strv_addf(&m->options, "size=%lld", (long long) info->tmpfs_size);
	if (r >= 0 && info->tmpfs_mode)
		r = hoy_strv_addf(&m->options, "mode=%o", info->tmpfs_mode);
	if (r >= 0 && !info->rw)
		r = hoy_strv_add(&m->options, "ro");
	return r;
}

/* HostConfig.Tmpfs: docker's defaults, then what was written. */
static int add_tmpfs(struct hoy_oci_spec *spec, const struct hoy_oci_kv *tmpfs)
{
	struct hoy_oci_mount *m = ADD(spec, tmpfs->key, "tmpfs", "tmpfs", "noexec", "nosuid", "nodev");
	auto_ptr(hoy_strv_free) char **options = hoy_str_split(tmpfs->value ? tmpfs->value : "", ',');
	int r = m && options ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && options[i]; i++)
		if (*options[i])
			r = hoy_strv_add(&m->options, options[i]);
	return r;
}

/* --init: the program is the host's, read-only, in the place of any of the image's. */
static int add_init(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	if (!in->init_path)
		return 0;
	return ADD(spec, HOY_INIT_INSIDE, "bind", in->init_path, "bind", "rprivate", "ro") ? 0 : -ENOMEM;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* Parents before what is in them; a stable order otherwise. */
static void sort_by_depth(struct hoy_oci_mount *mounts, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct hoy_oci_mount m = mounts[i];
		size_t k = i;

		for (; k > 0 && depth(mounts[k - 1].destination) > depth(m.destination); k--)
			mounts[k] = mounts[k - 1];
		mounts[k] = m;
	}
}

/* A bind that is shared or a slave reaches the host only through a root that is no less. */
static void choose_root_propagation(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	for (size_t i = 0; i < in->n_mounts; i++) {
		const char *p = in->mounts[i].propagation;

		if (strstr(p, "shared"))
			spec->linux_->rootfs_propagation = HOY_OCI_PROPAGATION_SHARED;
		else if (strstr(p, "slave") && !spec->linux_->rootfs_propagation)
			spec->linux_->rootfs_propagation = HOY_OCI_PROPAGATION_SLAVE;
	}
}

static int add_user_mounts(struct hoy_oci_spec *spec, const struct hoy_spec_input *in)
{
	const struct hoy_container_host_config *host = &in->config->host;
	size_t first = spec->n_mounts;
	int r = 0;

	for (size_t i = 0; i < in->n_mounts && r >= 0; i++) {
		if (strcmp(in->mounts[i].type, "tmpfs") == 0)
			r = add_tmpfs_mount(spec, &in->mounts[i]);
		else if (in->lowers && in->lowers[i])
			r = add_lowers(spec, in->mounts[i].destination, in->lowers[i]);
		else
			r = add_bind(spec, in, &in->mounts[i]);
	}
	for (size_t i = 0; i < host->n_tmpfs && r >= 0; i++)
		r = add_tmpfs(spec, &host->tmpfs[i]);
	for (size_t i = 0; in->empty_path && i < host->n_secrets + host->n_configs && r >= 0; i++) {
		auto_free char *target = hoy_container_secret_target(host, i);

		r = target && ADD(spec, target, "bind", in->empty_path, "bind", "rprivate", "ro") ? 0 : -ENOMEM;
	}
	if (r >= 0)
		sort_by_depth(spec->mounts + first, spec->n_mounts - first);
	return r;
}

int hoy_spec_add_mounts(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err)
{
	int r = add_overlay(spec, input);

	if (r >= 0)
		r = add_kernel_mounts(spec, input);
	if (r >= 0)
		r = add_engine_files(spec, input);
	if (r >= 0)
		r = add_init(spec, input);
	if (r >= 0)
		r = add_user_mounts(spec, input);
	choose_root_propagation(spec, input);
	return r < 0 ? hoy_err_oom(err) : 0;
}
