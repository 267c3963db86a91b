/*
 * Devices by name (Container Device Interface): specification files in /etc/cdi and /var/run/cdi say what a device adds
 * to a container: nodes, mounts, environment, hooks. JSON only. Files of /var/run/cdi win over those of /etc/cdi.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/container/cdi.h"
#include "supervisor/container/config.h"
#include "supervisor/container/spec.h"

#define FILE_MAX ((size_t) 4 << 20)

struct node {
	char *path, *host_path, *type, *permissions;
	int64_t *major, *minor;
	uint32_t *file_mode, *uid, *gid;
};
struct mount {
	char *host_path, *container_path, *type;
	char **options;
};
struct hook {
	char *name, *path;
	char **args, **env;
	int32_t *timeout;
};
struct edits {
	char **env;
	struct node *nodes;
	size_t n_nodes;
	struct mount *mounts;
	size_t n_mounts;
	struct hook *hooks;
	size_t n_hooks;
	uint32_t *gids;
	size_t n_gids;
};
struct device {
	char *name;
	struct edits *edits;
};
struct document {
	char *version, *kind;
	struct device *devices;
	size_t n_devices;
	struct edits *edits; /* with any of its devices */
};

#define T struct node
static const struct hoy_field node_fields[] = {
	HOY_FIELD_STRING(T, "path", path, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(T, "hostPath", host_path, 0),
	HOY_FIELD_STRING(T, "type", type, 0),
	HOY_FIELD_STRING(T, "permissions", permissions, 0),
	HOY_FIELD_I64_PTR(T, "major", major, 0),
	HOY_FIELD_I64_PTR(T, "minor", minor, 0),
	HOY_FIELD_U32_PTR(T, "fileMode", file_mode, 0),
	HOY_FIELD_U32_PTR(T, "uid", uid, 0),
	HOY_FIELD_U32_PTR(T, "gid", gid, 0),
};
static const struct hoy_object node_object = HOY_OBJECT(T, node_fields, NULL);
#undef T
#define T struct mount
static const struct hoy_field mount_fields[] = {
	HOY_FIELD_STRING(T, "hostPath", host_path, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(T, "containerPath", container_path, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(T, "type", type, 0),
	HOY_FIELD_STRV(T, "options", options, 0),
};
static const struct hoy_object mount_object = HOY_OBJECT(T, mount_fields, NULL);
#undef T
#define T struct hook
static const struct hoy_field hook_fields[] = {
	HOY_FIELD_STRING(T, "hookName", name, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(T, "path", path, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRV(T, "args", args, 0),
	HOY_FIELD_STRV(T, "env", env, 0),
	HOY_FIELD_I32_PTR(T, "timeout", timeout, 0),
};
static const struct hoy_object hook_object = HOY_OBJECT(T, hook_fields, NULL);
#undef T
#define T struct edits
static const struct hoy_field edits_fields[] = {
	HOY_FIELD_STRV(T, "env", env, 0),
	HOY_FIELD_OBJECTS(T, "deviceNodes", nodes, struct node, &node_object, 0),
	HOY_FIELD_OBJECTS(T, "mounts", mounts, struct mount, &mount_object, 0),
	HOY_FIELD_OBJECTS(T, "hooks", hooks, struct hook, &hook_object, 0),
	HOY_FIELD_U32S(T, "additionalGids", gids, 0),
};
static const struct hoy_object edits_object = HOY_OBJECT(T, edits_fields, NULL);
#undef T
#define T struct device
static const struct hoy_field device_fields[] = {
	HOY_FIELD_STRING(T, "name", name, HOY_FIELD_REQUIRED),
	HOY_FIELD_OBJECT_PTR(T, "containerEdits", edits, struct edits, &edits_object, 0),
};
static const struct hoy_object device_object = HOY_OBJECT(T, device_fields, NULL);
#undef T
#define T struct document
static const struct hoy_field document_fields[] = {
	HOY_FIELD_STRING(T, "cdiVersion", version, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(T, "kind", kind, HOY_FIELD_REQUIRED),
	HOY_FIELD_OBJECTS(T, "devices", devices, struct device, &device_object, 0),
	HOY_FIELD_OBJECT_PTR(T, "containerEdits", edits, struct edits, &edits_object, 0),
};
static const struct hoy_object document_object = HOY_OBJECT(T, document_fields, NULL);
#undef T

/* --- finding ------------------------------------------------------------------------------------------ */

static struct document *read_document(const char *dir, const char *name)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_str_printf("%s/%s", dir, name);
	struct document *document = NULL;
	struct hoy_err err = {};
	int r = path ? 0 : hoy_err_oom(&err);

	hoy_buf_init(&text, FILE_MAX);
	if (r >= 0)
		r = hoy_file_read(AT_FDCWD, path, &text, &err);
	if (r >= 0)
		r = hoy_field_parse(
			&document_object, text.data ? text.data : "", text.len, NULL, (void **) &document, &err);
	if (r < 0)
		hoy_log_ignored(&err, "CDI specification '%s'", path);
	return document;
}

static const struct device *find_device(const struct document *document, const char *kind, size_t len, const char *name)
{
	if (strlen(document->kind) != len || strncmp(document->kind, kind, len) != 0)
		return NULL;
	for (size_t i = 0; i < document->n_devices; i++)
		if (!strcmp(document->devices[i].name, name))
			return &document->devices[i];
	return NULL;
}

/* The document that has the device "KIND=NAME"; NULL: none has. */
static struct document *find_document(const char *id, const struct device **ret)
{
	static const char *const dirs[] = { "/var/run/cdi", "/etc/cdi" };
	size_t len = strcspn(id, "=");
	struct document *found = NULL;

	for (size_t i = 0; i < ARRAY_LEN(dirs) && !found && id[len]; i++) {
		DIR *dir = opendir(dirs[i]);
		const struct dirent *entry;

		while (dir && !found && (entry = readdir(dir))) {
			struct document *document = hoy_str_ends(entry->d_name, ".json")
							    ? read_document(dirs[i], entry->d_name)
							    : NULL;

			*ret = document ? find_device(document, id, len, id + len + 1) : NULL;
			if (*ret)
				found = document;
			else
				hoy_field_free(&document_object, document);
		}
		if (dir)
			closedir(dir);
	}
	return found;
}

/* --- applying ---------------------------------------------------------------------------------------------- */

static int fill_node(struct hoy_oci_device *d, const struct node *node, const struct stat *st)
{
	bool block = st ? S_ISBLK(st->st_mode) : hoy_str_eq(node->type, "b");

	d->path = strdup(node->path);
	d->type = strdup(node->type && *node->type ? node->type : block ? "b" : "c");
	d->major = hoy_field_new(int64_t, node->major ? *node->major : st ? major(st->st_rdev) : 0);
	d->minor = hoy_field_new(int64_t, node->minor ? *node->minor : st ? minor(st->st_rdev) : 0);
	if (node->file_mode || st)
		d->file_mode = hoy_field_new(uint32_t, node->file_mode ? *node->file_mode : st->st_mode & 07777);
	if (node->uid)
		d->uid = hoy_field_new(uint32_t, *node->uid);
	if (node->gid)
		d->gid = hoy_field_new(uint32_t, *node->gid);
	return d->path && d->type && d->major && d->minor ? 0 : -ENOMEM;
}

static int add_node(struct hoy_oci_spec *spec, const struct node *node, struct hoy_err *err)
{
	const char *host = node->host_path && *node->host_path ? node->host_path : node->path;
	struct hoy_oci_linux *l = spec->linux_;
	struct hoy_oci_device_rule *rule;
	struct hoy_oci_device *d;
	struct stat st;
	bool known = stat(host, &st) == 0;

	if (!known && (!node->major || !node->minor || !node->type))
		return hoy_err_sys(err, "CDI device injection failed: device node '%s'", host);
	d = hoy_field_add(&l->devices, &l->n_devices);
	if (!d || fill_node(d, node, known ? &st : NULL) < 0)
		return hoy_err_oom(err);
	rule = hoy_field_add(&l->resources->devices, &l->resources->n_devices);
	if (!rule)
		return hoy_err_oom(err);
	rule->allow = true;
	rule->type = strdup(d->type);
	rule->major = hoy_field_new(int64_t, *d->major);
	rule->minor = hoy_field_new(int64_t, *d->minor);
	rule->access = strdup(node->permissions && *node->permissions ? node->permissions : "rwm");
	return rule->type && rule->major && rule->minor && rule->access ? 0 : hoy_err_oom(err);
}

static int add_mount(struct hoy_oci_spec *spec, const struct mount *from)
{
	struct hoy_oci_mount *m = hoy_field_add(&spec->mounts, &spec->n_mounts);
	int r = 0;

	if (!m)
		return -ENOMEM;
	m->destination = strdup(from->container_path);
	m->source = strdup(from->host_path);
	m->type = strdup(from->type && *from->type ? from->type : "bind");
	for (size_t i = 0; from->options && from->options[i] && r >= 0; i++)
		r = hoy_strv_add(&m->options, from->options[i]);
	if (r >= 0 && !(m->options && (hoy_strv_has(m->options, "bind") || hoy_strv_has(m->options, "rbind"))) &&
		!strcmp(m->type, "bind"))
		r = hoy_strv_add(&m->options, "rbind");
	return r >= 0 && m->destination && m->source && m->type ? 0 : -ENOMEM;
}

static int add_hook(struct hoy_oci_spec *spec, const struct hook *from, struct hoy_err *err)
{
	struct hoy_oci_hooks *hooks = spec->hooks ? spec->hooks : (spec->hooks = calloc(1, sizeof *hooks));
	struct hoy_oci_hook *hook = NULL;

	if (!hooks)
		return hoy_err_oom(err);
	if (!strcmp(from->name, "prestart") || !strcmp(from->name, "createRuntime"))
		hook = hoy_field_add(&hooks->create_runtime, &hooks->n_create_runtime);
	else if (!strcmp(from->name, "createContainer"))
		hook = hoy_field_add(&hooks->create_container, &hooks->n_create_container);
	else if (!strcmp(from->name, "startContainer"))
		hook = hoy_field_add(&hooks->start_container, &hooks->n_start_container);
	else if (!strcmp(from->name, "poststart"))
		hook = hoy_field_add(&hooks->poststart, &hooks->n_poststart);
	else if (!strcmp(from->name, "poststop"))
		hook = hoy_field_add(&hooks->poststop, &hooks->n_poststop);
	else
		return hoy_err_invalid(err, "CDI device injection failed: unknown hook '%s'", from->name);
	if (!hook)
		return hoy_err_oom(err);
	hook->path = strdup(from->path);
	hook->args = from->args ? hoy_strv_copy(from->args) : NULL;
	hook->env = from->env ? hoy_strv_copy(from->env) : NULL;
	if (from->timeout)
		hook->timeout = hoy_field_new(int32_t, *from->timeout);
	if (!hook->path || (from->timeout && !hook->timeout) || (from->args && !hook->args) ||
		(from->env && !hook->env))
		return hoy_err_oom(err);
	return 0;
}

static int apply(struct hoy_oci_spec *spec, const struct edits *edits, struct hoy_err *err)
{
	struct hoy_oci_user *user = &spec->process->user;
	int r = 0;

	if (!edits)
		return 0;
	for (char *const *env = edits->env; env && *env && r >= 0; env++)
		r = hoy_env_set(&spec->process->env, *env);
	for (size_t i = 0; i < edits->n_mounts && r >= 0; i++)
		r = add_mount(spec, &edits->mounts[i]);
	if (r < 0)
		return hoy_err_oom(err);
	for (size_t i = 0; i < edits->n_nodes && r >= 0; i++)
		r = add_node(spec, &edits->nodes[i], err);
	for (size_t i = 0; i < edits->n_hooks && r >= 0; i++)
		r = add_hook(spec, &edits->hooks[i], err);
	for (size_t i = 0; i < edits->n_gids && r >= 0; i++) {
		uint32_t *grown = reallocarray(
			user->additional_gids, user->n_additional_gids + 1, sizeof *user->additional_gids);

		if (!grown)
			return hoy_err_oom(err);
		user->additional_gids = grown;
		grown[user->n_additional_gids++] = edits->gids[i];
	}
	return r;
}

/* Without `spec` it is only looked for. */
static int add_one(struct hoy_oci_spec *spec, const char *id, char ***kinds, struct hoy_err *err)
{
	const struct device *device = NULL;
	struct document *document = find_document(id, &device);
	int r = 0;

	if (!document)
		return hoy_err_invalid(err, "CDI device injection failed: unresolvable CDI devices %s", id);
	if (!spec) {
		hoy_field_free(&document_object, document);
		return 0;
	}
	if (!*kinds || !hoy_strv_has(*kinds, document->kind)) { /* once, however many of its devices are asked for */
		r = hoy_strv_add(kinds, document->kind) < 0 ? hoy_err_oom(err) : apply(spec, document->edits, err);
	}
	if (r >= 0)
		r = apply(spec, device->edits, err);
	hoy_field_free(&document_object, document);
	return r;
}

/* --- requests -------------------------------------------------------------------------------------------------- */

/* --gpus: of the vendor whose devices the host has described; `all`, by number or by ID. */
static int add_gpus(struct hoy_oci_spec *spec, const struct hoy_container_device_request *request, char ***kinds,
	struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **ids = NULL;
	int r = 0;

	for (size_t i = 0; request->device_ids && request->device_ids[i] && r >= 0; i++)
		r = hoy_strv_addf(&ids, "nvidia.com/gpu=%s", request->device_ids[i]);
	if (!ids && request->count < 0)
		r = hoy_strv_add(&ids, "nvidia.com/gpu=all");
	for (int64_t i = 0; !request->device_ids && i < request->count && i < 64 && r >= 0; i++)
		r = hoy_strv_addf(&ids, "nvidia.com/gpu=%d", (int) i);
	if (r < 0)
		return hoy_err_oom(err);
	for (size_t i = 0; ids && ids[i] && r >= 0; i++)
		r = add_one(spec, ids[i], kinds, err);
	if (r < 0)
		return hoy_err_wrap(err, "could not select device driver \"%s\" with capabilities: %s",
			request->driver ? request->driver : "", request->capabilities);
	return 0;
}

static int add_requests(struct hoy_oci_spec *spec, const struct hoy_container_host_config *host, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **kinds = NULL;
	int r = 0;

	for (size_t i = 0; i < host->n_device_requests && r >= 0; i++) {
		const struct hoy_container_device_request *request = &host->device_requests[i];

		if (!hoy_str_eq(request->driver, "cdi")) {
			r = add_gpus(spec, request, &kinds, err);
			continue;
		}
		for (size_t k = 0; request->device_ids && request->device_ids[k] && r >= 0; k++)
			r = add_one(spec, request->device_ids[k], &kinds, err);
	}
	return r;
}

int hoy_spec_add_cdi(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err)
{
	return add_requests(spec, &input->config->host, err);
}

int hoy_device_requests_resolve(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	return add_requests(NULL, host, err);
}

int hoy_device_request_check(const struct hoy_container_device_request *request, struct hoy_err *err)
{
	const char *driver = request->driver ? request->driver : "";
	const char *capabilities = request->capabilities ? request->capabilities : "[]";

	if (!strcmp(driver, "cdi")) {
		if (request->count != 0)
			return hoy_err_invalid(err, "DeviceRequests: a count of CDI devices can't be asked for");
		return 0;
	}
	if ((*driver && strcmp(driver, "nvidia") != 0) || !strstr(capabilities, "\"gpu\""))
		return hoy_err_invalid(
			err, "could not select device driver \"%s\" with capabilities: %s", driver, capabilities);
	if (request->count != 0 && request->device_ids && request->device_ids[0])
		return hoy_err_invalid(err, "cannot set both Count and DeviceIDs on device request");
	return 0;
}
