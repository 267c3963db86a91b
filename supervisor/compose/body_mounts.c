/* Volumes, files of configs and secrets, published ports. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/compose/body_internal.h"

/* --- ports ------------------------------------------------------------------- */

static char *port_key(const struct hoy_compose_port *p)
{
	return hoy_str_printf("%lld/%s", (long long) p->target, p->protocol ? p->protocol : "tcp");
}

/* "3000", "3000-3005", "53/udp" */
static int add_exposed(struct hoy_json_writer *w, const char *text, char ***seen, struct hoy_err *err)
{
	size_t len = strcspn(text, "/");
	auto_free char *range = strndup(text, len);
	char *dash = range ? strchr(range, '-') : NULL;
	unsigned int first, last;

	if (!range)
		return hoy_err_oom(err);
	if (dash)
		*dash = '\0';
	if (hoy_str_to_uint(range, &first) < 0 || hoy_str_to_uint(dash ? dash + 1 : range, &last) < 0 || !first ||
		last < first || last > 65535)
		return hoy_err_invalid(err, "expose: \"%s\" is no port", text);
	for (unsigned int port = first; port <= last; port++) {
		auto_free char *key = hoy_str_printf("%u/%s", port, text[len] ? text + len + 1 : "tcp");

		if (!key || hoy_strv_has(*seen, key))
			continue;
		if (hoy_strv_add(seen, key) < 0)
			return hoy_err_oom(err);
		hoy_json_object(w, key);
		hoy_json_end(w);
	}
	return 0;
}

static int print_exposed(const struct hoy_compose_service *s, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **seen = NULL;
	int r = 0;

	if (!s->ports && !s->expose)
		return 0;
	hoy_json_object(w, "ExposedPorts");
	hoy_compose_each(struct hoy_compose_port, p, s->ports)
	{
		auto_free char *key = port_key(p);

		if (r == 0)
			r = key ? add_exposed(w, key, &seen, err) : hoy_err_oom(err);
	}
	for (char **e = s->expose; r == 0 && e && *e; e++)
		r = add_exposed(w, *e, &seen, err);
	hoy_json_end(w);
	return r;
}

/* One key holds all the host's ports of it, so those of one container port are written together. */
static int print_bindings(const struct hoy_compose_service *s, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **done = NULL;

	hoy_json_object(w, "PortBindings");
	hoy_compose_each(struct hoy_compose_port, p, s->ports)
	{
		auto_free char *key = port_key(p);

		if (!key || (!hoy_strv_has(done, key) && hoy_strv_add(&done, key) < 0))
			return hoy_err_oom(err);
	}
	for (char **key = done; key && *key; key++) {
		hoy_json_array(w, *key);
		hoy_compose_each(struct hoy_compose_port, p, s->ports)
		{
			auto_free char *own = port_key(p);

			if (!hoy_str_eq(own, *key))
				continue;
			hoy_json_object(w, NULL);
			hoy_json_add_string(w, "HostIp", p->host_ip ? p->host_ip : "");
			hoy_json_add_string(w, "HostPort", p->published ? p->published : "");
			hoy_json_end(w);
		}
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

int hoy_compose_body_ports(
	const struct hoy_compose_body *body, struct hoy_json_writer *w, bool exposed, struct hoy_err *err)
{
	if (exposed)
		return print_exposed(body->service, w, err);
	return body->ports && body->service->ports ? print_bindings(body->service, w, err) : 0;
}

/* --- configs and secrets ----------------------------------------------------- */

char *hoy_compose_mount_target(const struct hoy_compose_mount *mount, bool secret)
{
	const char *target = mount->target ? mount->target : mount->source;

	if (target[0] == '/')
		return strdup(target);
	return hoy_str_printf("%s%s", secret ? "/run/secrets/" : "/", target);
}

bool hoy_compose_mount_is_bind(const struct hoy_compose_mount *mount, const struct hoy_compose_file_object *object)
{
	return object->file && !mount->uid && !mount->gid && !mount->mode;
}

static int add_file_mounts(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_compose_mount **list,
	bool secret, struct hoy_err *err)
{
	const char *what = secret ? "secret" : "config";

	hoy_compose_each(struct hoy_compose_mount, m, list)
	{
		const struct hoy_compose_file_object *object = secret ? hoy_compose_secret_find(b->project, m->source)
								      : hoy_compose_config_find(b->project, m->source);
		auto_free char *target = hoy_compose_mount_target(m, secret);

		if (!object)
			return hoy_err_invalid(err, "undefined %s %s", what, m->source);
		if (!target)
			return hoy_err_oom(err);
		if (object->external || !hoy_compose_mount_is_bind(m, object))
			continue;
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Type", "bind");
		hoy_json_add_string(w, "Source", object->file);
		hoy_json_add_string(w, "Target", target);
		hoy_json_add_bool(w, "ReadOnly", true);
		hoy_json_end(w);
	}
	return 0;
}

/* Those that the engine keeps: it puts them in their places itself. */
static int add_external(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_compose_mount **list,
	bool secret, struct hoy_err *err)
{
	bool open = false;

	hoy_compose_each(struct hoy_compose_mount, m, list)
	{
		const struct hoy_compose_file_object *object = secret ? hoy_compose_secret_find(b->project, m->source)
								      : hoy_compose_config_find(b->project, m->source);
		auto_free char *target = hoy_compose_mount_target(m, secret);

		if (!object || !object->external)
			continue;
		if (!target)
			return hoy_err_oom(err);
		if (!open)
			hoy_json_array(w, secret ? "Secrets" : "Configs");
		open = true;
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, secret ? "SecretName" : "ConfigName", object->real_name);
		hoy_json_object(w, "File");
		hoy_json_add_string(w, "Name", target);
		hoy_create_add_text(w, "UID", m->uid);
		hoy_create_add_text(w, "GID", m->gid);
		if (m->mode)
			hoy_json_add_u64(w, "Mode", (uint64_t) *m->mode);
		hoy_json_end(w);
		hoy_json_end(w);
	}
	if (open)
		hoy_json_end(w);
	return 0;
}

/* --- volumes ----------------------------------------------------------------- */

/* Can it be said as "source:target:options"? Then engines of any age know it, and missing directories are made. */
static bool fits_bind(const struct hoy_compose_service_volume *v)
{
	if (!v->source || strchr(v->source, ':') || strchr(v->target, ':') || v->consistency)
		return false;
	if (strcmp(v->type, "bind") == 0)
		return !v->bind || (v->bind->create_host_path && !v->bind->recursive);
	return strcmp(v->type, "volume") == 0 && !(v->volume && (v->volume->subpath || v->volume->labels));
}

static const char *volume_name(const struct hoy_compose_body *b, const struct hoy_compose_service_volume *v)
{
	const struct hoy_compose_volume *volume = v->source ? hoy_compose_volume_find(b->project, v->source) : NULL;

	return volume ? volume->real_name : v->source;
}

static void add_bind(
	const struct hoy_compose_body *b, struct hoy_json_writer *w, const struct hoy_compose_service_volume *v)
{
	bool bind = strcmp(v->type, "bind") == 0;
	auto_(hoy_buf_done) struct hoy_buf text = {};

	(void) hoy_buf_addf(
		&text, "%s:%s:%s", bind ? v->source : volume_name(b, v), v->target, v->read_only ? "ro" : "rw");
	if (bind && v->bind && v->bind->selinux)
		(void) hoy_buf_addf(&text, ",%s", v->bind->selinux);
	if (bind && v->bind && v->bind->propagation)
		(void) hoy_buf_addf(&text, ",%s", v->bind->propagation);
	if (!bind && v->volume && v->volume->nocopy)
		(void) hoy_buf_adds(&text, ",nocopy");
	hoy_json_add_string(w, NULL, text.failed ? "" : text.data);
}

static void add_bind_options(struct hoy_json_writer *w, const struct hoy_compose_bind *bind)
{
	if (!bind)
		return;
	hoy_json_object(w, "BindOptions");
	hoy_create_add_text(w, "Propagation", bind->propagation);
	if (bind->create_host_path)
		hoy_json_add_bool(w, "CreateMountpoint", true);
	if (hoy_str_eq(bind->recursive, "disabled"))
		hoy_json_add_bool(w, "NonRecursive", true);
	if (hoy_str_eq(bind->recursive, "writable"))
		hoy_json_add_bool(w, "ReadOnlyNonRecursive", true);
	if (hoy_str_eq(bind->recursive, "readonly"))
		hoy_json_add_bool(w, "ReadOnlyForceRecursive", true);
	hoy_json_end(w);
}

static void add_volume_options(struct hoy_json_writer *w, const struct hoy_compose_volume_options *o)
{
	if (!o)
		return;
	hoy_json_object(w, "VolumeOptions");
	if (o->nocopy)
		hoy_json_add_bool(w, "NoCopy", true);
	hoy_compose_body_pairs(w, "Labels", o->labels);
	hoy_create_add_text(w, "Subpath", o->subpath);
	hoy_json_end(w);
}

static void add_mount(
	const struct hoy_compose_body *b, struct hoy_json_writer *w, const struct hoy_compose_service_volume *v)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Type", v->type);
	hoy_create_add_text(w, "Source", strcmp(v->type, "volume") == 0 ? volume_name(b, v) : v->source);
	hoy_json_add_string(w, "Target", v->target);
	if (v->read_only)
		hoy_json_add_bool(w, "ReadOnly", true);
	hoy_create_add_text(w, "Consistency", v->consistency);
	if (strcmp(v->type, "bind") == 0)
		add_bind_options(w, v->bind);
	if (strcmp(v->type, "volume") == 0)
		add_volume_options(w, v->volume);
	if (v->tmpfs) {
		hoy_json_object(w, "TmpfsOptions");
		hoy_create_add_number(w, "SizeBytes", v->tmpfs->size);
		hoy_create_add_number(w, "Mode", v->tmpfs->mode);
		hoy_json_end(w);
	}
	if (v->image && v->image->subpath) {
		hoy_json_object(w, "ImageOptions");
		hoy_json_add_string(w, "Subpath", v->image->subpath);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* Has the service something of its own there? */
static bool is_target(const struct hoy_compose_service *s, const char *path, bool anonymous)
{
	hoy_compose_each(struct hoy_compose_service_volume, v,
		s->volumes) if (strcmp(v->target, path) == 0 &&
				(anonymous || v->source || strcmp(v->type, "volume") != 0)) return true;
	for (char **t = s->tmpfs; t && *t; t++)
		if (strncmp(*t, path, strlen(path)) == 0 && strchr(":", (*t)[strlen(path)]))
			return true;
	return false;
}

/* Volumes that the old container had of its own: the new one goes on with them. */
static const struct hoy_json *kept_at(const struct hoy_compose_body *b, const char *target)
{
	hoy_json_each(mount, b->kept)
	{
		const char *type = hoy_json_string(hoy_json_get(mount, "Type"));
		const char *path = hoy_json_string(hoy_json_get(mount, "Destination"));

		if (hoy_str_eq(type, "volume") && path && strcmp(path, target) == 0)
			return mount;
	}
	return NULL;
}

static void add_kept(const struct hoy_compose_body *b, struct hoy_json_writer *w)
{
	hoy_json_each(mount, b->kept)
	{
		const char *type = hoy_json_string(hoy_json_get(mount, "Type"));
		const char *path = hoy_json_string(hoy_json_get(mount, "Destination"));
		const char *name = hoy_json_string(hoy_json_get(mount, "Name"));
		auto_free char *bind = NULL;

		if (!hoy_str_eq(type, "volume") || !path || !name ||
			is_target(b->service, path, /* anonymous= */ false))
			continue;
		/* A named volume that is no longer in the file goes; one without a name of its own stays. */
		if (strlen(name) != 64 || strspn(name, "0123456789abcdef") != 64)
			continue;
		bind = hoy_str_printf("%s:%s:rw", name, path);
		hoy_json_add_string(w, NULL, bind ? bind : "");
	}
}

void hoy_compose_body_volumes(const struct hoy_compose_body *b, struct hoy_json_writer *w)
{
	hoy_json_object(w, "Volumes");
	hoy_compose_each(struct hoy_compose_service_volume, v, b->service->volumes)
	{
		if (strcmp(v->type, "volume") != 0 || v->source || kept_at(b, v->target) ||
			(v->volume && (v->volume->nocopy || v->volume->subpath || v->volume->labels)))
			continue;
		hoy_json_object(w, v->target);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* Is it one of Config.Volumes, or taken over from the old container? */
static bool is_elsewhere(const struct hoy_compose_body *b, const struct hoy_compose_service_volume *v)
{
	if (strcmp(v->type, "volume") != 0 || v->source)
		return false;
	return kept_at(b, v->target) || !(v->volume && (v->volume->nocopy || v->volume->subpath || v->volume->labels));
}

static void add_tmpfs(const struct hoy_compose_service *s, struct hoy_json_writer *w)
{
	if (!s->tmpfs)
		return;
	hoy_json_object(w, "Tmpfs");
	for (char **t = s->tmpfs; *t; t++) {
		size_t len = strcspn(*t, ":");
		auto_free char *path = strndup(*t, len);

		hoy_json_add_string(w, path ? path : "", (*t)[len] ? *t + len + 1 : "");
	}
	hoy_json_end(w);
}

/* "NAME[:ro]" of a service, "container:NAME[:ro]" of any. */
static int add_volumes_from(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_err *err)
{
	if (!b->service->volumes_from)
		return 0;
	hoy_json_array(w, "VolumesFrom");
	for (char **from = b->service->volumes_from; *from; from++) {
		size_t len = strcspn(*from, ":");
		auto_free char *service = strndup(*from, len), *entry = NULL;
		const char *container;

		if (hoy_str_starts(*from, "container:")) {
			hoy_json_add_string(w, NULL, *from + strlen("container:"));
			continue;
		}
		container = service ? b->container_of(service, b->userdata) : NULL;
		if (!container)
			return hoy_err_not_found(
				err, "volumes_from: service \"%s\" has no container", service ? service : "");
		entry = hoy_str_printf("%s%s", container, *from + len);
		hoy_json_add_string(w, NULL, entry ? entry : "");
	}
	hoy_json_end(w);
	return 0;
}

int hoy_compose_body_mounts(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_err *err)
{
	int r;

	hoy_json_array(w, "Binds");
	hoy_compose_each(struct hoy_compose_service_volume, v, b->service->volumes) if (fits_bind(v)) add_bind(b, w, v);
	add_kept(b, w);
	hoy_json_end(w);
	hoy_json_array(w, "Mounts");
	hoy_compose_each(struct hoy_compose_service_volume, m,
		b->service->volumes) if (!fits_bind(m) && !is_elsewhere(b, m)) add_mount(b, w, m);
	r = add_file_mounts(b, w, b->service->secrets, /* secret= */ true, err);
	if (r == 0)
		r = add_file_mounts(b, w, b->service->configs, /* secret= */ false, err);
	hoy_json_end(w);
	if (r == 0)
		r = add_external(b, w, b->service->secrets, /* secret= */ true, err);
	if (r == 0)
		r = add_external(b, w, b->service->configs, /* secret= */ false, err);
	add_tmpfs(b->service, w);
	return r < 0 ? r : add_volumes_from(b, w, err);
}
