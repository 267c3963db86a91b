/* Bodies of requests by scoped sockets, built anew from what is allowed. */
#include "supervisor/api/scope_body.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/str.h"

struct body {
	const struct hoy_scope_policy *policy;
	const struct hoy_scope_lookups *lookups;
	struct hoy_json_writer w;
	struct hoy_err *err;
	const char *mount_type; /* of the entry of Mounts that is read; else NULL */
};

/* Writes the member, under its own name, or refuses. */
typedef int (*take_fn)(struct body *b, const char *key, const struct hoy_json *value);

/* One that may be there. `take` NULL: it is copied. */
struct member {
	const char *key;
	take_fn take;
};

enum { MEMBERS_MAX = 64 };

int hoy_scope_refuse(const struct hoy_scope_policy *policy, struct hoy_err *err, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM, "scoped socket %s: %s", policy->path, text);
}

static int refuse(const struct body *b, const char *key)
{
	return hoy_scope_refuse(b->policy, b->err, "%s is not allowed", key);
}

/* Says nothing, whatever it is a member of; an object: none of its members does. */
static bool is_neutral(const struct hoy_json *value)
{
	if (hoy_json_type(value) != HOY_JSON_OBJECT)
		return hoy_json_is_neutral(value);
	hoy_json_each(member, value) if (!is_neutral(member)) return false;
	return true;
}

static const struct member *find(const struct member *members, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(members[i].key, key))
			return &members[i];
	return NULL;
}

/* The members of an object that is open in the writer. *ret_seen: a bit for each of `members`. */
static int take_members(
	struct body *b, const struct hoy_json *object, const struct member *members, size_t n, uint64_t *ret_seen)
{
	uint64_t seen = 0;

	if (hoy_json_type(object) != HOY_JSON_OBJECT)
		return hoy_err_invalid(b->err, "want an object, not %s", hoy_json_type_name(hoy_json_type(object)));
	hoy_json_each(value, object)
	{
		const struct member *m = find(members, n, hoy_json_key(value));
		uint64_t bit = m ? UINT64_C(1) << (m - members) : 0;
		int r = 0;

		if (!m && !is_neutral(value))
			return refuse(b, hoy_json_key(value));
		if (!m)
			continue;
		if (seen & bit)
			return hoy_err_invalid(b->err, "%s: given twice", m->key);
		seen |= bit;
		if (m->take)
			r = m->take(b, m->key, value);
		else
			hoy_json_add_value(&b->w, m->key, value);
		if (r < 0)
			return r;
	}
	if (ret_seen)
		*ret_seen = seen;
	return 0;
}

/* An object under `key`; null stays null. */
static int take_object(
	struct body *b, const char *key, const struct hoy_json *value, const struct member *members, size_t n)
{
	int r;

	if (hoy_json_type(value) == HOY_JSON_NULL) {
		hoy_json_add_null(&b->w, key);
		return 0;
	}
	hoy_json_object(&b->w, key);
	r = take_members(b, value, members, n, NULL);
	hoy_json_end(&b->w);
	return r;
}

static int check_list(const struct body *b, const char *key, const struct hoy_json *value)
{
	if (hoy_json_type(value) == HOY_JSON_NULL || hoy_json_type(value) == HOY_JSON_ARRAY)
		return 0;
	return hoy_err_invalid(b->err, "%s: want a list", key);
}

/* --- values --------------------------------------------------------------------------------------------------- */

/* A string out of a list; also null and "". */
static int take_word(
	struct body *b, const char *key, const struct hoy_json *value, const char *const *words, const char *what)
{
	const char *text = hoy_json_string(value);

	if (!is_neutral(value) && (!text || !hoy_strv_has((char *const *) words, text)))
		return hoy_scope_refuse(b->policy, b->err, "%s: %s is allowed", key, what);
	hoy_json_add_value(&b->w, key, value);
	return 0;
}

static int take_null(struct body *b, const char *key, const struct hoy_json *value)
{
	return hoy_json_type(value) == HOY_JSON_NULL ? 0 : refuse(b, key);
}

static int take_local(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "local", NULL };

	return take_word(b, key, value, words, "only 'local'");
}

static int take_bridge(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "bridge", NULL };

	return take_word(b, key, value, words, "only 'bridge'");
}

static int take_default(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "default", NULL };

	return take_word(b, key, value, words, "only 'default'");
}

static int take_private(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "private", NULL };

	return take_word(b, key, value, words, "only 'private'");
}

static int take_log_driver(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "json-file", "local", "none", NULL };

	return take_word(b, key, value, words, "only 'json-file', 'local' or 'none'");
}

static int take_log_config(struct body *b, const char *key, const struct hoy_json *value)
{
	static const struct member members[] = { { "Type", take_log_driver }, { "Config", NULL } };

	return take_object(b, key, value, members, ARRAY_LEN(members));
}

static int take_ports(struct body *b, const char *key, const struct hoy_json *value)
{
	if (!b->policy->ports && !is_neutral(value))
		return hoy_scope_refuse(b->policy, b->err, "%s is not allowed (\"ports\")", key);
	hoy_json_add_value(&b->w, key, value);
	return 0;
}

static int take_oom_score(struct body *b, const char *key, const struct hoy_json *value)
{
	int64_t score;

	if (!is_neutral(value) && (hoy_json_to_i64(value, &score) < 0 || score < 0))
		return refuse(b, key);
	hoy_json_add_value(&b->w, key, value);
	return 0;
}

static int take_security(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "no-new-privileges", "no-new-privileges:true", "no-new-privileges=true",
		NULL };
	int r = check_list(b, key, value);

	if (r < 0)
		return r;
	hoy_json_each(item, value)
	{
		const char *text = hoy_json_string(item);

		if (!text || !hoy_strv_has((char *const *) words, text))
			return hoy_scope_refuse(b->policy, b->err, "%s: only no-new-privileges is allowed", key);
	}
	hoy_json_add_value(&b->w, key, value);
	return 0;
}

/* The probe runs in the container, or it is none. */
static int take_test(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "NONE", "CMD", "CMD-SHELL", NULL };
	const char *kind = hoy_json_string(hoy_json_first(value));

	if (!is_neutral(value) && (!kind || !hoy_strv_has((char *const *) words, kind)))
		return refuse(b, key);
	hoy_json_add_value(&b->w, key, value);
	return 0;
}

static int take_health(struct body *b, const char *key, const struct hoy_json *value)
{
	static const struct member members[] = { { "Test", take_test }, { "Interval", NULL }, { "Timeout", NULL },
		{ "StartPeriod", NULL }, { "StartInterval", NULL }, { "Retries", NULL } };

	return take_object(b, key, value, members, ARRAY_LEN(members));
}

/* --- labels --------------------------------------------------------------------------------------------------- */

static const char *scope_label(const struct body *b, const char *key)
{
	return hoy_oci_kv_get(b->policy->labels, b->policy->n_labels, key);
}

static int take_labels(struct body *b, const char *key, const struct hoy_json *value)
{
	if (hoy_json_type(value) != HOY_JSON_NULL && hoy_json_type(value) != HOY_JSON_OBJECT)
		return hoy_err_invalid(b->err, "%s: want an object", key);
	hoy_json_object(&b->w, key);
	hoy_json_each(label, value)
	{
		const char *forced = scope_label(b, hoy_json_key(label)), *text = hoy_json_string(label);

		if (forced && (!text || strcmp(text, forced) != 0))
			return hoy_scope_refuse(
				b->policy, b->err, "the label '%s' is always '%s'", hoy_json_key(label), forced);
		if (!forced)
			hoy_json_add_value(&b->w, hoy_json_key(label), label);
	}
	for (size_t i = 0; i < b->policy->n_labels; i++)
		hoy_json_add_string(&b->w, b->policy->labels[i].key, b->policy->labels[i].value);
	hoy_json_end(&b->w);
	return 0;
}

/* An object that is open in the writer, and gets the labels: those are the first of `members`. */
static int take_labelled(struct body *b, const struct hoy_json *object, const struct member *members, size_t n)
{
	uint64_t seen = 0;
	int r = take_members(b, object, members, n, &seen);

	return r < 0 || (seen & 1) ? r : take_labels(b, members[0].key, NULL);
}

/* --- what names other objects --------------------------------------------------------------------------------- */

/* "container:REF" with the container's ID; false: it is something else. */
static int take_container_mode(struct body *b, const char *key, const char *text, bool *ret_is)
{
	auto_free char *mode = NULL;
	char id[65];
	int r;

	*ret_is = text && hoy_str_starts(text, "container:");
	if (!*ret_is)
		return 0;
	r = b->lookups->container(b->lookups->userdata, text + strlen("container:"), id, b->err);
	if (r < 0)
		return r;
	mode = hoy_str_printf("container:%s", id);
	if (!mode)
		return hoy_err_oom(b->err);
	hoy_json_add_string(&b->w, key, mode);
	return 0;
}

static int take_pid_mode(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { NULL };
	bool is_container;
	int r = take_container_mode(b, key, hoy_json_string(value), &is_container);

	return r < 0 || is_container ? r : take_word(b, key, value, words, "only container:NAME");
}

static int take_ipc_mode(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "none", "private", "shareable", NULL };
	bool is_container;
	int r = take_container_mode(b, key, hoy_json_string(value), &is_container);

	return r < 0 || is_container ? r : take_word(b, key, value, words, "all but 'host'");
}

static int check_network(const struct body *b, const char *key, const char *name)
{
	static const char *const always[] = { "", "bridge", "default", "none", NULL };

	if (!name)
		return hoy_err_invalid(b->err, "%s: want a network's name", key);
	if (hoy_strv_has((char *const *) always, name))
		return 0;
	return b->lookups->network(b->lookups->userdata, name, b->err);
}

static int take_network_mode(struct body *b, const char *key, const struct hoy_json *value)
{
	bool is_container;
	int r = take_container_mode(b, key, hoy_json_string(value), &is_container);

	if (r >= 0 && !is_container && !is_neutral(value))
		r = check_network(b, key, hoy_json_string(value));
	if (r >= 0 && !is_container)
		hoy_json_add_value(&b->w, key, value);
	return r;
}

static int take_container(struct body *b, const char *key, const struct hoy_json *value)
{
	const char *ref = hoy_json_string(value);
	char id[65];
	int r;

	if (!ref)
		return hoy_err_invalid(b->err, "%s: want a container's name", key);
	r = b->lookups->container(b->lookups->userdata, ref, id, b->err);
	if (r >= 0)
		hoy_json_add_string(&b->w, key, id);
	return r;
}

static int take_volumes_from(struct body *b, const char *key, const struct hoy_json *value)
{
	int r = check_list(b, key, value);

	if (r < 0)
		return r;
	hoy_json_array(&b->w, key);
	for (const struct hoy_json *item = hoy_json_first(value); item && r >= 0; item = hoy_json_next(item)) {
		const char *text = hoy_json_string(item), *colon = text ? strchr(text, ':') : NULL;
		auto_free char *ref = text ? strndup(text, colon ? (size_t) (colon - text) : strlen(text)) : NULL;
		auto_free char *entry = NULL;
		char id[65];

		if (!ref)
			return hoy_err_invalid(b->err, "%s: want names of containers", key);
		r = b->lookups->container(b->lookups->userdata, ref, id, b->err);
		entry = r < 0 ? NULL : hoy_str_printf("%s%s", id, colon ? colon : "");
		if (entry)
			hoy_json_add_string(&b->w, NULL, entry);
		else if (r >= 0)
			r = hoy_err_oom(b->err);
	}
	hoy_json_end(&b->w);
	return r;
}

static bool is_volume_name(const char *name, size_t len)
{
	if (!len || !isalnum((unsigned char) name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char) name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

/* *ret_exists: it is there, and in the scope. */
static int check_volume(const struct body *b, const char *name, size_t len, bool *ret_exists)
{
	auto_free char *copy = strndup(name, len);

	if (!copy)
		return hoy_err_oom(b->err);
	if (!is_volume_name(name, len))
		return hoy_scope_refuse(b->policy, b->err, "'%s' is not allowed as the source of a mount", copy);
	return b->lookups->volume(b->lookups->userdata, copy, ret_exists, b->err);
}

/* "/x", or "volume:/x" of a volume that there is: a new one would be without the labels. */
static int take_binds(struct body *b, const char *key, const struct hoy_json *value)
{
	int r = check_list(b, key, value);

	if (r < 0)
		return r;
	hoy_json_each(item, value)
	{
		const char *text = hoy_json_string(item), *colon = text ? strchr(text, ':') : NULL;
		bool exists = true;

		if (!text)
			return hoy_err_invalid(b->err, "%s: want a list of strings", key);
		if (!colon && text[0] == '/')
			continue;
		r = check_volume(b, text, colon ? (size_t) (colon - text) : strlen(text), &exists);
		if (r < 0)
			return r;
		if (!exists)
			return hoy_scope_refuse(b->policy, b->err,
				"%s: there is no volume of the name in '%s': create it first, or use --mount", key,
				text);
	}
	hoy_json_add_value(&b->w, key, value);
	return 0;
}

static int take_driver_config(struct body *b, const char *key, const struct hoy_json *value)
{
	static const struct member members[] = { { "Name", take_local } };

	return take_object(b, key, value, members, ARRAY_LEN(members));
}

static int take_volume_options(struct body *b, const char *key, const struct hoy_json *value)
{
	static const struct member members[] = { { "Labels", take_labels }, { "NoCopy", NULL }, { "Subpath", NULL },
		{ "DriverConfig", take_driver_config } };
	int r;

	hoy_json_object(&b->w, key);
	if (value && hoy_json_type(value) != HOY_JSON_NULL)
		r = take_labelled(b, value, members, ARRAY_LEN(members));
	else
		r = take_labels(b, "Labels", NULL);
	hoy_json_end(&b->w);
	return r;
}

static int take_mount_type(struct body *b, const char *key, const struct hoy_json *value)
{
	static const char *const words[] = { "image", "tmpfs", "volume", NULL };
	const char *text = hoy_json_string(value);

	if (!text || !hoy_strv_has((char *const *) words, text))
		return hoy_scope_refuse(b->policy, b->err, "mounts of the type '%s' are not allowed", text ? text : "");
	hoy_json_add_value(&b->w, key, value);
	return 0;
}

static int take_mount_source(struct body *b, const char *key, const struct hoy_json *value)
{
	const char *name = hoy_json_string(value);
	bool exists;
	int r = 0;

	if (!is_neutral(value) && !name)
		return hoy_err_invalid(b->err, "%s: want a volume's name", key);
	if (!is_neutral(value) && !hoy_str_eq(b->mount_type, "image")) /* of images any can be named, as by Image */
		r = check_volume(b, name, strlen(name), &exists);
	if (r >= 0)
		hoy_json_add_value(&b->w, key, value);
	return r;
}

static int take_mount(struct body *b, const struct hoy_json *mount)
{
	static const struct member members[] = { { "Type", take_mount_type }, { "Source", take_mount_source },
		{ "VolumeOptions", take_volume_options }, { "Target", NULL }, { "ReadOnly", NULL },
		{ "Consistency", NULL }, { "TmpfsOptions", NULL }, { "ImageOptions", NULL } };
	const char *type = hoy_json_string(hoy_json_get_ci(mount, "Type"));
	uint64_t seen = 0;
	int r;

	hoy_json_object(&b->w, NULL);
	b->mount_type = type;
	r = take_members(b, mount, members, ARRAY_LEN(members), &seen);
	b->mount_type = NULL;
	if (r >= 0 && !(seen & 1))
		r = hoy_err_invalid(b->err, "Mounts: want a type");
	if (r >= 0 && !(seen & 4) && type && !strcmp(type, "volume"))
		r = take_volume_options(b, "VolumeOptions", NULL);
	hoy_json_end(&b->w);
	return r;
}

static int take_mounts(struct body *b, const char *key, const struct hoy_json *value)
{
	int r = check_list(b, key, value);

	if (r < 0)
		return r;
	hoy_json_array(&b->w, key);
	for (const struct hoy_json *mount = hoy_json_first(value); mount && r >= 0; mount = hoy_json_next(mount))
		r = take_mount(b, mount);
	hoy_json_end(&b->w);
	return r;
}

/* --- networks of a container ---------------------------------------------------------------------------------- */

static int take_endpoint(struct body *b, const char *key, const struct hoy_json *value)
{
	static const struct member members[] = { { "IPAMConfig", NULL }, { "Aliases", NULL }, { "MacAddress", NULL },
		{ "GwPriority", NULL } };

	return take_object(b, key, value, members, ARRAY_LEN(members));
}

static int take_endpoints(struct body *b, const char *key, const struct hoy_json *value)
{
	int r = 0;

	hoy_json_object(&b->w, key);
	for (const struct hoy_json *endpoint = hoy_json_first(value); endpoint && r >= 0;
		endpoint = hoy_json_next(endpoint)) {
		r = check_network(b, key, hoy_json_key(endpoint));
		if (r >= 0)
			r = take_endpoint(b, hoy_json_key(endpoint), endpoint);
	}
	hoy_json_end(&b->w);
	return r;
}

static int take_networking(struct body *b, const char *key, const struct hoy_json *value)
{
	static const struct member members[] = { { "EndpointsConfig", take_endpoints } };

	return take_object(b, key, value, members, ARRAY_LEN(members));
}

/* --- the shapes ----------------------------------------------------------------------------------------------- */

#define RESOURCES                                                                                                      \
	{ "CpuShares", NULL }, { "Memory", NULL }, { "MemoryReservation", NULL }, { "MemorySwap", NULL },              \
		{ "MemorySwappiness", NULL }, { "NanoCpus", NULL }, { "CpuPeriod", NULL }, { "CpuQuota", NULL },       \
		{ "CpusetCpus", NULL }, { "CpusetMems", NULL }, { "PidsLimit", NULL }, { "BlkioWeight", NULL },        \
		{ "RestartPolicy", NULL },                                                                             \
	{                                                                                                              \
		"PortBindings", take_ports                                                                             \
	}

static int take_host(struct body *b, const char *key, const struct hoy_json *value)
{
	/* not among them: devices, capabilities, groups of the host's cgroups, sysctls, other runtimes, secrets */
	static const struct member members[] = { RESOURCES, { "Binds", take_binds }, { "ContainerIDFile", NULL },
		{ "LogConfig", take_log_config }, { "NetworkMode", take_network_mode }, { "AutoRemove", NULL },
		{ "VolumeDriver", take_local }, { "VolumesFrom", take_volumes_from }, { "ConsoleSize", NULL },
		{ "CapDrop", NULL }, { "CgroupnsMode", take_private }, { "Dns", NULL }, { "DnsOptions", NULL },
		{ "DnsSearch", NULL }, { "ExtraHosts", NULL }, { "Isolation", take_default }, { "GroupAdd", NULL },
		{ "IpcMode", take_ipc_mode }, { "OomScoreAdj", take_oom_score }, { "PidMode", take_pid_mode },
		{ "PublishAllPorts", take_ports }, { "ReadonlyRootfs", NULL }, { "SecurityOpt", take_security },
		{ "Tmpfs", NULL }, { "ShmSize", NULL }, { "Mounts", take_mounts }, { "MaskedPaths", take_null },
		{ "ReadonlyPaths", take_null }, { "Ulimits", NULL }, { "Init", NULL } };
	_Static_assert(ARRAY_LEN(members) <= MEMBERS_MAX, "a bit for each");

	return take_object(b, key, value, members, ARRAY_LEN(members));
}

static const struct member container_members[] = { { "Labels", take_labels }, { "Hostname", NULL },
	{ "Domainname", NULL }, { "User", NULL }, { "AttachStdin", NULL }, { "AttachStdout", NULL },
	{ "AttachStderr", NULL }, { "ExposedPorts", NULL }, { "Tty", NULL }, { "OpenStdin", NULL },
	{ "StdinOnce", NULL }, { "Env", NULL }, { "Cmd", NULL }, { "Healthcheck", take_health }, { "Image", NULL },
	{ "Volumes", NULL }, { "WorkingDir", NULL }, { "Entrypoint", NULL }, { "MacAddress", NULL },
	{ "StopSignal", NULL }, { "StopTimeout", NULL }, { "Shell", NULL }, { "HostConfig", take_host },
	{ "NetworkingConfig", take_networking } };

static const struct member update_members[] = { RESOURCES };

static const struct member exec_members[] = { { "AttachStdin", NULL }, { "AttachStdout", NULL },
	{ "AttachStderr", NULL }, { "Tty", NULL }, { "User", NULL }, { "WorkingDir", NULL }, { "DetachKeys", NULL },
	{ "Env", NULL }, { "Cmd", NULL }, { "ConsoleSize", NULL } };

/* The name must be free, or be one of the scope's own: "create" of what is there shows it. */
static int take_new_volume(struct body *b, const char *key, const struct hoy_json *value)
{
	const char *name = hoy_json_string(value);
	bool exists;
	int r = 0;

	if (!is_neutral(value) && !name)
		return hoy_err_invalid(b->err, "%s: want a string", key);
	if (!is_neutral(value))
		r = check_volume(b, name, strlen(name), &exists);
	if (r < 0 && b->err && b->err->kind == HOY_ERR_NOT_FOUND)
		return hoy_err_conflict(b->err, "the volume name '%s' is taken", name);
	if (r >= 0)
		hoy_json_add_value(&b->w, key, value);
	return r;
}

static const struct member volume_members[] = { { "Labels", take_labels }, { "Name", take_new_volume },
	{ "Driver", take_local } };

/* Subnets are the engine's choice: one of a client's would lead traffic of the host astray. */
static int take_ipam(struct body *b, const char *key, const struct hoy_json *value)
{
	static const struct member members[] = { { "Driver", take_default } };

	return take_object(b, key, value, members, ARRAY_LEN(members));
}

static const struct member network_members[] = { { "Labels", take_labels }, { "Name", NULL },
	{ "CheckDuplicate", NULL }, { "Driver", take_bridge }, { "Internal", NULL }, { "Attachable", NULL },
	{ "EnableIPv4", NULL }, { "EnableIPv6", NULL }, { "Scope", take_local }, { "IPAM", take_ipam } };

static const struct member connect_members[] = { { "Container", take_container }, { "EndpointConfig", take_endpoint },
	{ "Force", NULL } };

static int take_shape(struct body *b, enum hoy_scope_shape shape, const struct hoy_json *doc)
{
	switch (shape) {
	case HOY_SCOPE_SHAPE_CONTAINER:
		return take_labelled(b, doc, container_members, ARRAY_LEN(container_members));
	case HOY_SCOPE_SHAPE_VOLUME:
		return take_labelled(b, doc, volume_members, ARRAY_LEN(volume_members));
	case HOY_SCOPE_SHAPE_NETWORK:
		return take_labelled(b, doc, network_members, ARRAY_LEN(network_members));
	case HOY_SCOPE_SHAPE_UPDATE:
		return take_members(b, doc, update_members, ARRAY_LEN(update_members), NULL);
	case HOY_SCOPE_SHAPE_EXEC:
		return take_members(b, doc, exec_members, ARRAY_LEN(exec_members), NULL);
	case HOY_SCOPE_SHAPE_CONNECT:
		return take_members(b, doc, connect_members, ARRAY_LEN(connect_members), NULL);
	case HOY_SCOPE_SHAPE_NONE:
		break;
	}
	return 0;
}

int hoy_scope_body(const struct hoy_scope_policy *policy, enum hoy_scope_shape shape,
	const struct hoy_scope_lookups *lookups, const char *text, size_t len, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct hoy_err own = { 0 };
	struct body b = { .policy = policy, .lookups = lookups, .w = { .buf = ret }, .err = err ? err : &own };
	int r = hoy_json_parse(text, len, /* limits= */ NULL, &doc, err);

	if (r < 0)
		return r;
	hoy_json_object(&b.w, NULL);
	r = take_shape(&b, shape, doc);
	if (r < 0)
		return r;
	hoy_json_end(&b.w);
	return hoy_buf_check(ret, "request body", err);
}

/* --- filters -------------------------------------------------------------------------------------------------- */

static int take_references(struct body *b, const struct hoy_json *values)
{
	bool is_map = hoy_json_type(values) == HOY_JSON_OBJECT;
	int r = 0;

	hoy_json_array(&b->w, hoy_json_key(values));
	for (const struct hoy_json *value = hoy_json_first(values); value && r >= 0; value = hoy_json_next(value)) {
		const char *ref = is_map ? hoy_json_key(value) : hoy_json_string(value);
		char id[65];

		r = b->lookups->container(b->lookups->userdata, ref ? ref : "", id, b->err);
		if (r >= 0)
			hoy_json_add_string(&b->w, NULL, id);
	}
	hoy_json_end(&b->w);
	return r;
}

/* The list of labels that the client gave, and behind it those of the scope: all must match. */
static void add_labels(struct body *b, const struct hoy_json *given)
{
	bool is_map = hoy_json_type(given) == HOY_JSON_OBJECT;

	hoy_json_array(&b->w, "label");
	hoy_json_each(value, given)
	{
		if (is_map)
			hoy_json_add_string(&b->w, NULL, hoy_json_key(value));
		else
			hoy_json_add_value(&b->w, NULL, value);
	}
	for (size_t i = 0; i < b->policy->n_labels; i++) {
		auto_free char *label = hoy_str_printf("%s=%s", b->policy->labels[i].key, b->policy->labels[i].value);

		if (!label)
			b->w.buf->failed = -ENOMEM;
		hoy_json_add_string(&b->w, NULL, label);
	}
	hoy_json_end(&b->w);
}

int hoy_scope_filters(const struct hoy_scope_policy *policy, const struct hoy_scope_lookups *lookups, const char *text,
	struct hoy_buf *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct body b = { .policy = policy, .lookups = lookups, .w = { .buf = ret }, .err = err };
	int r = text && *text ? hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, err) : 0;

	if (r >= 0 && doc && hoy_json_type(doc) != HOY_JSON_OBJECT)
		r = hoy_err_invalid(err, "want an object");
	if (r < 0)
		return hoy_err_wrap(err, "invalid filters");
	hoy_json_object(&b.w, NULL);
	for (const struct hoy_json *values = hoy_json_first(doc); values && r >= 0; values = hoy_json_next(values)) {
		const char *key = hoy_json_key(values);

		if (!strcmp(key, "before") || !strcmp(key, "since"))
			r = take_references(&b, values);
		else if (strcmp(key, "label") != 0)
			hoy_json_add_value(&b.w, key, values);
	}
	if (r < 0)
		return r;
	add_labels(&b, hoy_json_get(doc, "label"));
	hoy_json_end(&b.w);
	return hoy_buf_check(ret, "filters", err);
}
