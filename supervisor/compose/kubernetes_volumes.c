/* Where a pod's files come from: claims, ConfigMaps, Secrets, memory, the node. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/str.h"
#include "base/utf8.h"
#include "supervisor/compose/kubernetes_internal.h"

#define OBJECT_MAX ((size_t) 1000 << 10) /* of a ConfigMap or Secret: 1 MiB with what stands around it */

/* --- claims ------------------------------------------------------------------ */

static bool mounts_volume(const struct hoy_compose_service *service, const char *volume)
{
	hoy_compose_each(struct hoy_compose_service_volume, v, service->volumes)
	{
		if (strcmp(v->type, "volume") == 0 && hoy_str_eq(v->source, volume))
			return true;
	}
	return false;
}

bool kube_volume_is_own(const struct kube *k, const struct hoy_compose_service *service, const char *volume)
{
	const struct hoy_compose_volume *v = hoy_compose_volume_find(k->project, volume);

	if (!v || v->external)
		return false;
	hoy_compose_each(struct hoy_compose_service, other, k->project->services)
	{
		if (other != service && mounts_volume(other, volume))
			return false;
	}
	return mounts_volume(service, volume);
}

static void add_claim_spec(struct kube *k, struct hoy_node *object, const char *mode)
{
	struct hoy_node *spec = kube_map(k, object, "spec");

	kube_text(k, kube_list(k, spec, "accessModes"), NULL, mode);
	kube_text(k, kube_map(k, kube_map(k, spec, "resources"), "requests"), "storage", k->options->volume_size);
}

void kube_add_claim_templates(struct kube_service *s)
{
	struct hoy_node *templates = NULL;

	if (s->kind != KUBE_STATEFUL_SET)
		return;
	hoy_compose_each(struct hoy_compose_volume, v, s->kube->project->volumes)
	{
		struct hoy_node *claim;

		if (!kube_volume_is_own(s->kube, s->service, v->name))
			continue;
		if (!templates)
			templates = kube_list(s->kube, s->workload, "volumeClaimTemplates");
		claim = kube_map(s->kube, templates, NULL);
		kube_text(s->kube, kube_map(s->kube, claim, "metadata"), "name", kube_name(s->kube, v->name));
		add_claim_spec(s->kube, claim, "ReadWriteOnce");
		if (hoy_compose_replicas(s->service) > 1)
			kube_warn(s->kube, "volumes", v->name, "", "each replica of %s gets a volume of its own",
				s->service->name);
	}
}

static bool in_template(struct kube *k, const char *volume)
{
	hoy_compose_each(struct hoy_compose_service, s, k->project->services)
	{
		if (kube_kind_of(k, s) == KUBE_STATEFUL_SET && kube_volume_is_own(k, s, volume))
			return true;
	}
	return false;
}

void kube_add_claims(struct kube *k)
{
	hoy_compose_each(struct hoy_compose_volume, v, k->project->volumes)
	{
		size_t users = 0;

		if (v->driver_opts || (v->driver && strcmp(v->driver, "local") != 0))
			kube_warn(k, "volumes", v->name, v->driver_opts ? "driver_opts" : "driver",
				"what a volume is made of is the cluster's storage class");
		if (v->external) {
			kube_warn(k, "volumes", v->name, "external", "the claim %s must be there",
				kube_name(k, v->real_name));
			continue;
		}
		if (in_template(k, v->name))
			continue;
		hoy_compose_each(struct hoy_compose_service, s, k->project->services)
			users += mounts_volume(s, v->name);
		if (users > 1)
			kube_warn(k, "volumes", v->name, "",
				"more than one service mounts it: its storage class must offer ReadWriteMany");
		add_claim_spec(k,
			kube_object(k, "v1", "PersistentVolumeClaim", kube_name(k, v->name), /* service= */ NULL),
			users > 1 ? "ReadWriteMany" : "ReadWriteOnce");
	}
}

/* --- ConfigMaps and Secrets -------------------------------------------------- */

static void add_base64(
	struct kube *k, struct hoy_node *object, const char *map, const char *key, const struct hoy_buf *data)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	if (hoy_base64_encode(&text, data->data ? data->data : "", data->len, /* url_safe= */ false) < 0)
		k->failed = true;
	kube_text(k, kube_map(k, object, map), key, text.data ? text.data : "");
}

/* One object with one file in it, under `key`. Secrets are base64 always, ConfigMaps when they are no text. */
static void add_file_object(struct kube *k, const char *name, const char *key, bool secret, const struct hoy_buf *data)
{
	struct hoy_node *object = kube_object(k, "v1", secret ? "Secret" : "ConfigMap", name, /* service= */ NULL);
	const char *text = data->data ? data->data : "", *copy = hoy_arena_strdup(&k->arena, key);

	if (!copy)
		k->failed = true;
	else if (secret)
		add_base64(k, object, "data", copy, data);
	else if (memchr(text, '\0', data->len) || !hoy_utf8_is_valid(text, data->len))
		add_base64(k, object, "binaryData", copy, data);
	else
		kube_text(k, kube_map(k, object, "data"), copy, text);
}

static int add_file_objects(
	struct kube *k, struct hoy_compose_file_object **list, const char *section, struct hoy_err *err)
{
	bool secret = strcmp(section, "secrets") == 0;

	hoy_compose_each(struct hoy_compose_file_object, o, list)
	{
		auto_(hoy_buf_done) struct hoy_buf data = {};
		int r;

		if (o->external) {
			kube_warn(k, section, o->name, "external", "the %s %s must be there, with the key %s",
				secret ? "Secret" : "ConfigMap", kube_name(k, o->real_name), o->name);
			continue;
		}
		r = hoy_compose_read_object(k->project, o, secret ? "secret" : "config", &data, err);
		if (r < 0)
			return hoy_err_wrap(err, "%s.%s", section, o->name);
		if (data.len > OBJECT_MAX)
			kube_warn(k, section, o->name, "", "%zu bytes are more than a cluster stores in one object",
				data.len);
		else
			add_file_object(k, kube_name(k, o->name), o->name, secret, &data);
	}
	return 0;
}

int kube_add_files(struct kube *k, struct hoy_err *err)
{
	int r = add_file_objects(k, k->project->configs, "configs", err);

	return r < 0 ? r : add_file_objects(k, k->project->secrets, "secrets", err);
}

/* --- mounts ------------------------------------------------------------------ */

static struct hoy_node *volume_named(const struct kube_service *s, const char *name)
{
	hoy_node_each(volume, s->volumes) if (hoy_str_eq(hoy_node_text(volume, "name"), name)) return volume;
	return NULL;
}

/* By another volume of the pod, or by one of the replica's own claims. */
static bool is_taken(const struct kube_service *s, const char *name)
{
	hoy_compose_each(struct hoy_compose_service_volume, v, s->service->volumes)
	{
		if (strcmp(v->type, "volume") == 0 && v->source && strcmp(kube_name(s->kube, v->source), name) == 0 &&
			kube_volume_is_own(s->kube, s->service, v->source))
			return true;
	}
	return volume_named(s, name) != NULL;
}

/* A new volume of the pod; its name is `base`, with a number when that is taken. */
static struct hoy_node *add_volume(struct kube_service *s, const char *base)
{
	const char *name = kube_name(s->kube, base);
	struct hoy_node *volume;

	for (size_t n = 2; is_taken(s, name) && n < 10000; n++) {
		name = hoy_arena_printf(&s->kube->arena, "%.50s-%zu", kube_name(s->kube, base), n);
		if (!name) {
			s->kube->failed = true;
			return NULL;
		}
	}
	volume = kube_map(s->kube, s->volumes, NULL);
	kube_text(s->kube, volume, "name", name);
	return volume;
}

static struct hoy_node *add_mount(
	struct kube_service *s, const char *volume, const char *target, const char *subpath, bool read_only)
{
	struct hoy_node *mount = kube_map(s->kube, s->mounts, NULL);

	kube_text(s->kube, mount, "name", volume);
	kube_text(s->kube, mount, "mountPath", target);
	kube_text(s->kube, mount, "subPath", subpath && *subpath ? subpath : NULL);
	if (read_only)
		kube_bool(s->kube, mount, "readOnly", true);
	return mount;
}

static void add_memory(struct kube_service *s, const char *base, const char *target, int64_t size)
{
	struct hoy_node *volume = add_volume(s, base), *dir = kube_map(s->kube, volume, "emptyDir");

	kube_text(s->kube, dir, "medium", "Memory");
	if (size > 0)
		kube_textf(s->kube, dir, "sizeLimit", "%" PRId64, size);
	(void) add_mount(s, hoy_node_text(volume, "name"), target, NULL, false);
}

/* "/run:size=64m,mode=755" */
static void add_short_tmpfs(struct kube_service *s, const char *text)
{
	auto_free char *target = strndup(text, strcspn(text, ":"));
	const char *size = strstr(text, "size=");
	auto_free char *number = size ? strndup(size + 5, strcspn(size + 5, ",")) : NULL;
	int64_t bytes = 0;

	if (number && hoy_str_to_bytes(number, &bytes) < 0)
		kube_warn_service(s, "tmpfs", "size \"%s\" is no size", number);
	if (target)
		add_memory(s, "tmpfs", target, bytes);
	else
		s->kube->failed = true;
}

static void add_named(struct kube_service *s, const struct hoy_compose_service_volume *v)
{
	const struct hoy_compose_volume *volume = hoy_compose_volume_find(s->kube->project, v->source);
	const char *name = kube_name(s->kube, v->source);
	bool own = s->kind == KUBE_STATEFUL_SET && kube_volume_is_own(s->kube, s->service, v->source);

	if (!own && !volume_named(s, name)) {
		struct hoy_node *of = kube_map(s->kube, s->volumes, NULL);

		kube_text(s->kube, of, "name", name);
		kube_text(s->kube, kube_map(s->kube, of, "persistentVolumeClaim"), "claimName",
			volume && volume->external ? kube_name(s->kube, volume->real_name) : name);
	}
	(void) add_mount(s, name, v->target, v->volume ? v->volume->subpath : NULL, v->read_only);
}

/* A small file that is only read goes with the objects; the rest must be on the node. */
static bool add_mounted_file(struct kube_service *s, const struct hoy_compose_service_volume *v)
{
	auto_(hoy_buf_done) struct hoy_buf data = { .cap = OBJECT_MAX };
	const char *base = strrchr(v->source, '/');
	struct hoy_node *volume;
	const char *name, *key = "content";
	struct stat st;

	if (!v->read_only || stat(v->source, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t) OBJECT_MAX ||
		hoy_file_read(AT_FDCWD, v->source, &data, NULL) < 0)
		return false;
	base = base ? base + 1 : v->source;
	if (base[strspn(base, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] == '\0')
		key = base;
	name = hoy_arena_printf(&s->kube->arena, "%.30s-%.30s", s->name, kube_name(s->kube, base));
	volume = add_volume(s, name ? name : "");
	name = hoy_node_text(volume, "name"); /* with the service's in it: no other ConfigMap is called so */
	add_file_object(s->kube, name, key, /* secret= */ false, &data);
	kube_text(s->kube, kube_map(s->kube, volume, "configMap"), "name", name);
	key = hoy_arena_strdup(&s->kube->arena, key);
	(void) add_mount(s, name, v->target, key, /* read_only= */ true);
	return true;
}

static void add_bind(struct kube_service *s, const struct hoy_compose_service_volume *v)
{
	struct hoy_node *volume, *path, *mount;
	const char *propagation = v->bind ? v->bind->propagation : NULL;

	if (add_mounted_file(s, v))
		return;
	kube_warn_service(s, "volumes", "%s must be on the node where the pod runs", v->source);
	volume = add_volume(s, "host");
	path = kube_map(s->kube, volume, "hostPath");
	kube_text(s->kube, path, "path", v->source);
	mount = add_mount(s, hoy_node_text(volume, "name"), v->target, NULL, v->read_only);
	if (propagation && strstr(propagation, "shared"))
		kube_text(s->kube, mount, "mountPropagation", "Bidirectional");
	else if (propagation && strstr(propagation, "slave"))
		kube_text(s->kube, mount, "mountPropagation", "HostToContainer");
}

static void add_one(struct kube_service *s, const struct hoy_compose_service_volume *v)
{
	struct hoy_node *volume;

	if (strcmp(v->type, "volume") == 0 && v->source) {
		add_named(s, v);
	} else if (strcmp(v->type, "volume") == 0) {
		volume = add_volume(s, "anonymous");
		(void) kube_map(s->kube, volume, "emptyDir");
		(void) add_mount(s, hoy_node_text(volume, "name"), v->target, NULL, v->read_only);
	} else if (strcmp(v->type, "tmpfs") == 0) {
		add_memory(s, "tmpfs", v->target, v->tmpfs ? v->tmpfs->size : 0);
	} else if (strcmp(v->type, "bind") == 0) {
		add_bind(s, v);
	} else if (strcmp(v->type, "image") == 0) {
		volume = add_volume(s, "image");
		kube_text(s->kube, kube_map(s->kube, volume, "image"), "reference", v->source);
		(void) add_mount(
			s, hoy_node_text(volume, "name"), v->target, v->image ? v->image->subpath : NULL, true);
	} else {
		kube_warn_service(s, "volumes", "a mount of type %s has no counterpart", v->type);
	}
}

/* configs and secrets of the service: one file each, at its place. */
static void add_files(struct kube_service *s, struct hoy_compose_mount **list, bool secret)
{
	const char *key = secret ? "secrets" : "configs";

	hoy_compose_each(struct hoy_compose_mount, m, list)
	{
		const struct hoy_compose_file_object *o = secret ? hoy_compose_secret_find(s->kube->project, m->source)
								 : hoy_compose_config_find(s->kube->project, m->source);
		const char *target = m->target ? m->target : m->source, *dir = "";
		struct hoy_node *volume = add_volume(s, m->source), *of;

		if (target[0] != '/')
			dir = secret ? "/run/secrets/" : "/";
		target = hoy_arena_printf(&s->kube->arena, "%s%s", dir, target);
		of = kube_map(s->kube, volume, secret ? "secret" : "configMap");
		kube_text(s->kube, of, secret ? "secretName" : "name",
			kube_name(s->kube, o && o->external ? o->real_name : m->source));
		if (m->mode)
			kube_number(s->kube, of, "defaultMode", *m->mode);
		(void) add_mount(s, hoy_node_text(volume, "name"), target, m->source, /* read_only= */ true);
		if (m->uid || m->gid)
			kube_warn_service(s, key, "%s: uid and gid have no counterpart; the file is root's", m->source);
	}
}

int kube_add_volumes(struct kube_service *s, struct hoy_err *err)
{
	s->volumes = hoy_node_new(&s->kube->arena, HOY_NODE_LIST, NULL);
	s->mounts = hoy_node_new(&s->kube->arena, HOY_NODE_LIST, NULL);
	if (!s->volumes || !s->mounts)
		return hoy_err_oom(err);
	hoy_compose_each(struct hoy_compose_service_volume, v, s->service->volumes) add_one(s, v);
	for (char **tmpfs = s->service->tmpfs; tmpfs && *tmpfs; tmpfs++)
		add_short_tmpfs(s, *tmpfs);
	if (s->service->shm_size)
		add_memory(s, "shm", "/dev/shm", s->service->shm_size);
	add_files(s, s->service->configs, /* secret= */ false);
	add_files(s, s->service->secrets, /* secret= */ true);
	return 0;
}
