/* Device nodes and device rules of a container's config.json. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/spec.h"

static int add_rule(
	struct hoy_oci_resources *res, bool allow, const char *type, int64_t major, int64_t minor, const char *access)
{
	struct hoy_oci_device_rule *rule = hoy_field_add(&res->devices, &res->n_devices);

	if (!rule)
		return -ENOMEM;
	rule->allow = allow;
	rule->access = strdup(access);
	rule->type = type ? strdup(type) : NULL;
	if (major >= 0)
		rule->major = hoy_field_new(int64_t, major);
	if (minor >= 0)
		rule->minor = hoy_field_new(int64_t, minor);
	if (!rule->access || (type && !rule->type) || (major >= 0 && !rule->major) || (minor >= 0 && !rule->minor))
		return -ENOMEM;
	return 0;
}

static int add_default_rules(struct hoy_oci_resources *res)
{
	/* null zero full random urandom tty console */
	static const int nodes[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 } };
	int r = add_rule(res, false, NULL, -1, -1, "rwm");

	for (size_t i = 0; i < ARRAY_LEN(nodes) && r >= 0; i++)
		r = add_rule(res, true, "c", nodes[i][0], nodes[i][1], "rwm");
	if (r >= 0)
		r = add_rule(res, true, "c", -1, -1, "m");
	if (r >= 0)
		r = add_rule(res, true, "b", -1, -1, "m");
	if (r >= 0)
		r = add_rule(res, true, "c", 5, 2, "rwm"); /* ptmx */
	if (r >= 0)
		r = add_rule(res, true, "c", 136, -1, "rwm"); /* pts */
	return r;
}

static int add_node(struct hoy_oci_linux *l, const char *path, const struct stat *st)
{
	struct hoy_oci_device *d = hoy_field_add(&l->devices, &l->n_devices);

	if (!d)
		return -ENOMEM;
	d->type = strdup(S_ISCHR(st->st_mode) ? "c" : "b");
	d->path = strdup(path);
	d->major = hoy_field_new(int64_t, major(st->st_rdev));
	d->minor = hoy_field_new(int64_t, minor(st->st_rdev));
	d->file_mode = hoy_field_new(uint32_t, st->st_mode & 07777);
	d->uid = hoy_field_new(uint32_t, st->st_uid);
	d->gid = hoy_field_new(uint32_t, st->st_gid);
	return d->type && d->path && d->major && d->minor && d->file_mode && d->uid && d->gid ? 0 : -ENOMEM;
}

static int add_asked(struct hoy_oci_linux *l, const struct hoy_container_device *device, struct hoy_err *err)
{
	const char *inside = device->path_in_container && *device->path_in_container ? device->path_in_container
										     : device->path_on_host;
	const char *access = device->cgroup_permissions && *device->cgroup_permissions ? device->cgroup_permissions
										       : "rwm";
	struct stat st;
	int r;

	if (stat(device->path_on_host, &st) < 0)
		return hoy_err_sys(err, "error gathering device information while adding custom device \"%s\"",
			device->path_on_host);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return hoy_err_invalid(err,
			"error gathering device information while adding custom device \"%s\": not a device node",
			device->path_on_host);
	r = add_node(l, inside, &st);
	if (r >= 0)
		r = add_rule(l->resources, true, S_ISCHR(st.st_mode) ? "c" : "b", major(st.st_rdev), minor(st.st_rdev),
			access);
	return r < 0 ? hoy_err_oom(err) : 0;
}

/* --- --privileged: all of the host's ---------------------------------------------------------- */

static bool is_left_out(const char *path)
{
	static const char *const out[] = { "/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/console",
		"/dev/ptmx", "/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom" };

	for (size_t i = 0; i < ARRAY_LEN(out); i++)
		if (!strcmp(path, out[i]))
			return true;
	return false;
}

static int add_host_nodes(struct hoy_oci_linux *l, const char *dir_path, int depth)
{
	DIR *dir = depth < 8 ? opendir(dir_path) : NULL;
	struct dirent *entry;
	int r = 0;

	while (dir && r >= 0 && (entry = readdir(dir))) {
		auto_free char *path = hoy_str_printf("%s/%s", dir_path, entry->d_name);
		struct stat st;

		if (!path)
			r = -ENOMEM;
		else if (entry->d_name[0] == '.' || is_left_out(path) || lstat(path, &st) < 0)
			continue;
		else if (S_ISDIR(st.st_mode))
			r = add_host_nodes(l, path, depth + 1);
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			r = add_node(l, path, &st);
	}
	if (dir)
		closedir(dir);
	return r;
}

int hoy_spec_add_devices(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &input->config->host;
	struct hoy_oci_linux *l = spec->linux_;
	int r = 0;

	if (host->privileged)
		r = add_rule(l->resources, true, NULL, -1, -1, "rwm");
	else
		r = add_default_rules(l->resources);
	if (r >= 0 && host->privileged)
		r = add_host_nodes(l, "/dev", 0);
	if (r < 0)
		return hoy_err_oom(err);
	for (size_t i = 0; i < host->n_devices && r >= 0; i++)
		r = add_asked(l, &host->devices[i], err);
	for (size_t i = 0; host->device_cgroup_rules && host->device_cgroup_rules[i] && r >= 0; i++) {
		struct hoy_device_rule rule;

		r = hoy_device_rule_parse(host->device_cgroup_rules[i], &rule, err);
		if (r >= 0 && add_rule(l->resources, true, rule.type == 'a' ? NULL : (char[]){ rule.type, '\0' },
				      rule.major, rule.minor, rule.access) < 0)
			r = hoy_err_oom(err);
	}
	return r;
}
