/* What the kubelet's view of a pod means for a container of ours. */
#include "shim/sandbox_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/bundle.h"

/* NamespaceMode of the CRI */
enum { MODE_POD = 0, MODE_NODE = 2 };

struct spec {
	const Hoy__Pb__CreateSandboxRequest *request;
	const Hoy__Pb__PodConfig *pod; /* never NULL */
	const char *pause;
	bool systemd_cgroup;
};

static const Hoy__Pb__PodSecurity no_security = HOY__PB__POD_SECURITY__INIT;
static const Hoy__Pb__PodNamespaces no_namespaces = HOY__PB__POD_NAMESPACES__INIT;
static const Hoy__Pb__PodLinux no_linux = HOY__PB__POD_LINUX__INIT;

static const Hoy__Pb__PodLinux *linux_of(const Hoy__Pb__PodConfig *pod)
{
	return pod->on_linux ? pod->on_linux : &no_linux;
}

static const Hoy__Pb__PodSecurity *security_of(const Hoy__Pb__PodConfig *pod)
{
	return linux_of(pod)->security ? linux_of(pod)->security : &no_security;
}

static const Hoy__Pb__PodNamespaces *namespaces_of(const Hoy__Pb__PodConfig *pod)
{
	return security_of(pod)->namespaces ? security_of(pod)->namespaces : &no_namespaces;
}

/* The pod's user namespace, NULL: the host's. */
static const Hoy__Pb__PodUserNamespace *userns_of(const Hoy__Pb__PodConfig *pod)
{
	const Hoy__Pb__PodUserNamespace *userns = namespaces_of(pod)->userns;

	return userns && userns->mode == MODE_POD && (userns->n_uids || userns->n_gids) ? userns : NULL;
}

static void add_process(struct hoy_json_writer *w, const struct spec *spec)
{
	const Hoy__Pb__PodSecurity *security = security_of(spec->pod);

	hoy_json_object(w, "process");
	hoy_json_object(w, "user");
	hoy_json_add_i64(w, "uid", security->run_as_user ? security->run_as_user->value : 0);
	hoy_json_add_i64(w, "gid", security->run_as_group ? security->run_as_group->value : 0);
	hoy_json_array(w, "additionalGids");
	for (size_t i = 0; i < security->n_supplemental_groups; i++)
		hoy_json_add_i64(w, NULL, security->supplemental_groups[i]);
	hoy_json_end(w);
	hoy_json_end(w);
	hoy_json_array(w, "args");
	hoy_json_add_string(w, NULL, "/pause");
	hoy_json_end(w);
	hoy_json_add_string(w, "cwd", "/");
	hoy_json_add_bool(w, "noNewPrivileges", true);
	hoy_json_end(w);
}

static void add_mount(
	struct hoy_json_writer *w, const char *target, const char *type, const char *source, const char *const *options)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "destination", target);
	hoy_json_add_string(w, "type", type);
	hoy_json_add_string(w, "source", source);
	hoy_json_array(w, "options");
	for (; *options; options++)
		hoy_json_add_string(w, NULL, *options);
	hoy_json_end(w);
	hoy_json_end(w);
}

static void add_mounts(struct hoy_json_writer *w, const struct spec *spec)
{
	static const char *const proc[] = { "nosuid", "noexec", "nodev", NULL };
	static const char *const dev[] = { "nosuid", "noexec", "mode=755", "size=65536", NULL };
	static const char *const pause[] = { "bind", "ro", "nosuid", "nodev", NULL };

	hoy_json_array(w, "mounts");
	add_mount(w, "/proc", "proc", "proc", proc);
	add_mount(w, "/dev", "tmpfs", "tmpfs", dev);
	add_mount(w, "/pause", "bind", spec->pause, pause);
	hoy_json_end(w);
}

static void add_namespace(struct hoy_json_writer *w, const char *type, const char *path)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "type", type);
	if (*path)
		hoy_json_add_string(w, "path", path);
	hoy_json_end(w);
}

static void add_namespaces(struct hoy_json_writer *w, const struct spec *spec)
{
	const Hoy__Pb__PodNamespaces *modes = namespaces_of(spec->pod);

	hoy_json_array(w, "namespaces");
	add_namespace(w, "mount", "");
	if (modes->pid != MODE_NODE)
		add_namespace(w, "pid", "");
	if (modes->ipc != MODE_NODE)
		add_namespace(w, "ipc", "");
	if (userns_of(spec->pod)) /* its containers join it by the path of this process's */
		add_namespace(w, "user", "");
	if (modes->network != MODE_NODE) { /* who has the node's network has its name too */
		add_namespace(w, "network", spec->request->netns_path);
		add_namespace(w, "uts", "");
	}
	hoy_json_end(w);
}

static void add_mappings(struct hoy_json_writer *w, const char *name, Hoy__Pb__PodIdMapping *const *mappings, size_t n)
{
	hoy_json_array(w, name);
	for (size_t i = 0; i < n; i++) {
		hoy_json_object(w, NULL);
		hoy_json_add_i64(w, "containerID", mappings[i]->container_id);
		hoy_json_add_i64(w, "hostID", mappings[i]->host_id);
		hoy_json_add_i64(w, "size", mappings[i]->length);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* "/kubepods/pod1", or with systemd "kubepods-pod1.slice:hoy:ID". */
static void add_cgroup(struct hoy_json_writer *w, const struct spec *spec)
{
	const char *parent = linux_of(spec->pod)->cgroup_parent, *id = spec->request->sandbox_id;
	auto_free char *path = NULL;

	if (!*parent)
		return;
	path = spec->systemd_cgroup ? hoy_str_printf("%s:hoy:%s", hoy_path_base(parent), id)
				    : hoy_str_printf("%s/%s", parent, id);
	hoy_json_add_string(w, "cgroupsPath", path);
}

static void add_linux(struct hoy_json_writer *w, const struct spec *spec)
{
	const Hoy__Pb__PodLinux *linux_ = linux_of(spec->pod);
	const Hoy__Pb__PodUserNamespace *userns = userns_of(spec->pod);

	hoy_json_object(w, "linux");
	add_namespaces(w, spec);
	if (userns) {
		add_mappings(w, "uidMappings", userns->uids, userns->n_uids);
		add_mappings(w, "gidMappings", userns->gids, userns->n_gids);
	}
	add_cgroup(w, spec);
	hoy_json_object(w, "sysctl");
	for (size_t i = 0; i < linux_->n_sysctls; i++)
		hoy_json_add_string(w, linux_->sysctls[i]->key, linux_->sysctls[i]->value);
	hoy_json_end(w);
	hoy_json_object(w, "resources");
	hoy_json_array(w, "devices");
	hoy_json_object(w, NULL);
	hoy_json_add_bool(w, "allow", false);
	hoy_json_add_string(w, "access", "rwm");
	hoy_json_end(w);
	hoy_json_end(w);
	hoy_json_end(w);
	hoy_json_end(w);
}

static int write_spec(const struct spec *spec, const char *path, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "ociVersion", "1.0.2");
	add_process(&w, spec);
	hoy_json_object(&w, "root");
	hoy_json_add_string(&w, "path", "rootfs");
	hoy_json_add_bool(&w, "readonly", true);
	hoy_json_end(&w);
	if (*spec->pod->hostname && namespaces_of(spec->pod)->network != MODE_NODE)
		hoy_json_add_string(&w, "hostname", spec->pod->hostname);
	add_mounts(&w, spec);
	hoy_json_object(&w, "annotations");
	for (size_t i = 0; i < spec->request->n_annotations; i++)
		hoy_json_add_string(&w, spec->request->annotations[i]->key, spec->request->annotations[i]->value);
	hoy_json_end(&w);
	add_linux(&w, spec);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "config.json", err);
	return r < 0 ? r : hoy_file_write(AT_FDCWD, path, text.data, text.len, 0600, /* flags= */ 0, err);
}

/* *ret is NULL when the options are of another type. */
static int read_pod(const Hoy__Pb__Any *options, Hoy__Pb__PodConfig **ret, struct hoy_err *err)
{
	const char *type = options ? strrchr(options->type_url, '/') : NULL;

	*ret = NULL;
	if (!options || !hoy_str_eq(type ? type + 1 : options->type_url, "runtime.v1.PodSandboxConfig"))
		return 0;
	*ret = hoy__pb__pod_config__unpack(NULL, options->value.len, options->value.data);
	return *ret ? 0 : hoy_err_invalid(err, "malformed pod configuration");
}

/* With what is mounted on in it: root of the pod's user namespace may not make that. */
static int make_rootfs(const char *rootfs, struct hoy_err *err)
{
	auto_fd int dir = -EBADF, pause = -EBADF;

	if (mkdir(rootfs, 0755) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "make '%s'", rootfs);
	dir = open(rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || (mkdirat(dir, "proc", 0755) < 0 && errno != EEXIST) ||
		(mkdirat(dir, "dev", 0755) < 0 && errno != EEXIST))
		return hoy_err_sys(err, "fill '%s'", rootfs);
	pause = openat(dir, "pause", O_CREAT | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	return pause < 0 ? hoy_err_sys(err, "fill '%s'", rootfs) : 0;
}

int hoy_sandbox_spec_write(const Hoy__Pb__CreateSandboxRequest *request, struct hoy_err *err)
{
	static const Hoy__Pb__PodConfig nothing = HOY__PB__POD_CONFIG__INIT;
	auto_(hoy_shim_options_done) struct hoy_shim_options options = HOY_SHIM_OPTIONS_INIT;
	auto_free char *path = hoy_path_join(request->bundle_path, "config.json");
	auto_free char *rootfs = hoy_path_join(request->bundle_path, "rootfs");
	auto_free char *pause = NULL;
	Hoy__Pb__PodConfig *pod = NULL;
	int r;

	if (!path || !rootfs)
		return hoy_err_oom(err);
	if (access(path, F_OK) == 0)
		return 0;
	r = hoy_helper_find("hoy-pause", HOY_HELPER_LIBEXEC, &pause, err);
	if (r >= 0)
		r = hoy_shim_options_load(request->bundle_path, &options, err);
	if (r >= 0)
		r = read_pod(request->options, &pod, err);
	if (r >= 0)
		r = make_rootfs(rootfs, err);
	if (r >= 0) {
		const struct spec spec = {
			.request = request,
			.pod = pod ? pod : &nothing,
			.pause = pause,
			.systemd_cgroup = options.systemd_cgroup,
		};

		r = write_spec(&spec, path, err);
	}
	hoy__pb__pod_config__free_unpacked(pod, NULL);
	return r;
}
