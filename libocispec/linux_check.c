/* config.json: what the linux object as a whole must keep, above all what needs which namespace. */
#include <string.h>

#include "base/str.h"
#include "libocispec/runtime_internal.h"

static const struct hoy_oci_namespace *find(const struct hoy_oci_linux *lx, enum hoy_oci_ns_type type)
{
	for (size_t i = 0; i < lx->n_namespaces; i++)
		if (lx->namespaces[i].type == type)
			return &lx->namespaces[i];
	return NULL;
}

static int need(const struct hoy_oci_linux *lx, enum hoy_oci_ns_type type, const struct hoy_field_path *at,
	const char *member, struct hoy_err *err)
{
	if (find(lx, type))
		return 0;
	return hoy_field_invalid(
		at, err, member, "needs a namespace of type %s in linux.namespaces", hoy_oci_ns_type_to_string(type));
}

static int namespaces_check(const struct hoy_oci_linux *lx, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_field_path list = { .parent = at, .name = "namespaces" };
	bool seen[_HOY_OCI_NS_MAX] = {};

	for (size_t i = 0; i < lx->n_namespaces; i++) {
		const struct hoy_field_path here = { .parent = &list, .index = i };
		enum hoy_oci_ns_type type = lx->namespaces[i].type;

		if (seen[type])
			return hoy_field_invalid(
				&here, err, "type", "%s is given twice", hoy_oci_ns_type_to_string(type));
		seen[type] = true;
	}
	return 0;
}

/* --- sysctl ---------------------------------------------------------------------------------------------------- */

/* The namespace a kernel parameter belongs to; UNSET: it is the host's. `key` has dots. */
static enum hoy_oci_ns_type sysctl_namespace(const char *key)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg_next_id",
		"kernel.sem", "kernel.sem_next_id", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_next_id", "kernel.shm_rmid_forced" };

	if (hoy_str_starts(key, "net."))
		return HOY_OCI_NS_NETWORK;
	if (hoy_str_starts(key, "fs.mqueue."))
		return HOY_OCI_NS_IPC;
	if (hoy_str_starts(key, "user."))
		return HOY_OCI_NS_USER;
	if (strcmp(key, "kernel.hostname") == 0 || strcmp(key, "kernel.domainname") == 0)
		return HOY_OCI_NS_UTS;
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		if (strcmp(key, ipc[i]) == 0)
			return HOY_OCI_NS_IPC;
	return HOY_OCI_NS_UNSET;
}

/* As sysctl(8) reads names: the first separator decides; behind a slash, dots are part of a name ("net/ipv4/conf/
 * eth0.1/..."). Returns the form with dots as separators for the comparison above. */
static void dotted(const char *key, char *out)
{
	size_t first = strcspn(key, "./");
	bool slashes = key[first] == '/';

	for (; *key; key++)
		*out++ = slashes && *key == '/' ? '.' : *key;
	*out = '\0';
}

/* No way out of /proc/sys: no empty, "." or ".." component once dots or slashes separate. */
static bool sysctl_is_clean(const char *key)
{
	size_t len = strlen(key), first = strcspn(key, "./");

	if (!len || strchr(key, '\n') || key[len - 1] == '/' || key[len - 1] == '.' || first == 0)
		return false;
	if (key[first] == '/')
		return !strstr(key, "//") && !strstr(key, "/./") && !strstr(key, "/../") && !hoy_str_ends(key, "/..");
	return !strstr(key, "..") && !strstr(key, "./") && !strstr(key, "/.");
}

static int sysctl_check(const struct hoy_oci_linux *lx, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_field_path map = { .parent = at, .name = "sysctl" };

	for (size_t i = 0; i < lx->n_sysctl; i++) {
		const struct hoy_oci_kv *pair = &lx->sysctl[i];
		const struct hoy_field_path here = { .parent = &map, .name = pair->key };
		enum hoy_oci_ns_type type;
		char name[200];
		int r;

		if (strlen(pair->key) >= sizeof name || !sysctl_is_clean(pair->key))
			return hoy_field_invalid(&map, err, /* member= */ NULL,
				"\"%.100s\" is not the name of a kernel parameter", pair->key);
		dotted(pair->key, name);
		type = sysctl_namespace(name);
		if (type == HOY_OCI_NS_UNSET)
			return hoy_field_invalid(
				&here, err, /* member= */ NULL, "belongs to the host, not to a namespace");
		r = need(lx, type, &here, /* member= */ NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static int time_offsets_check(const struct hoy_oci_linux *lx, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_namespace *ns = find(lx, HOY_OCI_NS_TIME);

	if (!lx->time_offsets)
		return 0;
	if (!ns)
		return need(lx, HOY_OCI_NS_TIME, at, "timeOffsets", err);
	if (ns->path)
		return hoy_field_invalid(at, err, "timeOffsets", "can't be set for a time namespace that is joined");
	return 0;
}

static int needs_check(const struct hoy_oci_linux *lx, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct {
		bool given;
		const char *member;
		enum hoy_oci_ns_type type;
	} needs[] = {
		{ lx->n_uid_mappings > 0, "uidMappings", HOY_OCI_NS_USER },
		{ lx->n_gid_mappings > 0, "gidMappings", HOY_OCI_NS_USER },
		{ lx->n_net_devices > 0, "netDevices", HOY_OCI_NS_NETWORK },
		{ lx->masked_paths && lx->masked_paths[0], "maskedPaths", HOY_OCI_NS_MOUNT },
		{ lx->readonly_paths && lx->readonly_paths[0], "readonlyPaths", HOY_OCI_NS_MOUNT },
	};

	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (needs[i].given) {
			int r = need(lx, needs[i].type, at, needs[i].member, err);

			if (r < 0)
				return r;
		}
	return 0;
}

int hoy_oci_linux_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_linux *lx = object;
	int r = namespaces_check(lx, at, err);

	if (r >= 0)
		r = needs_check(lx, at, err);
	if (r >= 0)
		r = sysctl_check(lx, at, err);
	if (r >= 0)
		r = time_offsets_check(lx, at, err);
	if (r >= 0)
		r = hoy_oci_check_all_absolute(at, err, "maskedPaths", lx->masked_paths);
	if (r >= 0)
		r = hoy_oci_check_all_absolute(at, err, "readonlyPaths", lx->readonly_paths);
	return r;
}
