/* The small languages inside a create request: binds, security options, capabilities, ulimits, log and tmpfs options.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/network/network.h"

/* --- binds ------------------------------------------------------------------------------- */

void hoy_bind_done(struct hoy_bind *bind)
{
	free(bind->source);
	free(bind->destination);
	free(bind->mode);
	*bind = (struct hoy_bind){};
}

static int bind_option(struct hoy_bind *bind, const char *option)
{
	static const char *const propagations[] = { "private", "rprivate", "shared", "rshared", "slave", "rslave" };

	/* z, Z: SELinux labels, which a host without SELinux does not have; the others say what is so anyway */
	if (!strcmp(option, "nocopy") && bind->is_volume) {
		bind->no_copy = true;
		return 0;
	}
	if (!*option || !strcmp(option, "rw") || !strcmp(option, "z") || !strcmp(option, "Z") ||
		!strcmp(option, "rbind") || !strcmp(option, "consistent") || !strcmp(option, "cached") ||
		!strcmp(option, "delegated"))
		return 0;
	if (!strcmp(option, "ro")) {
		bind->read_only = true;
		return 0;
	}
	if (!strcmp(option, "bind-nonrecursive")) {
		bind->non_recursive = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
		if (!bind->is_volume && !strcmp(option, propagations[i])) {
			bind->propagation = propagations[i];
			return 0;
		}
	return -EINVAL;
}

static int bind_options(struct hoy_bind *bind, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **options = hoy_str_split(bind->mode, ',');

	if (!options)
		return hoy_err_oom(err);
	for (size_t i = 0; options[i]; i++)
		if (bind_option(bind, options[i]) < 0)
			return hoy_err_invalid(
				err, "invalid volume specification: '%s': invalid mode: %s", text, bind->mode);
	return 0;
}

int hoy_bind_parse(const char *text, struct hoy_bind *ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(text, ':');
	size_t n = hoy_strv_len(parts);
	int r;

	if (!parts)
		return hoy_err_oom(err);
	if (n < 2 || n > 3 || !*parts[0] || !*parts[1])
		return hoy_err_invalid(err, "invalid volume specification: '%s'", text);
	if (parts[1][0] != '/')
		return hoy_err_invalid(err,
			"invalid volume specification: '%s': invalid mount config for type \"bind\": "
			"invalid mount path: '%s' mount path must be absolute",
			text, parts[1]);
	if (parts[0][0] != '/' && hoy_str_starts(parts[0], "."))
		return hoy_err_invalid(err,
			"create %s: \"%s\" includes invalid characters for a local volume name, only "
			"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path",
			parts[0], parts[0]);
	*ret = (struct hoy_bind){ .source = parts[0][0] == '/' ? hoy_path_clean(parts[0]) : strdup(parts[0]),
		.is_volume = parts[0][0] != '/',
		.destination = hoy_path_clean(parts[1]),
		.mode = strdup(n == 3 ? parts[2] : ""),
		.propagation = NULL };
	if (!ret->source || !ret->destination || !ret->mode)
		r = hoy_err_oom(err);
	else if (!strcmp(ret->destination, "/"))
		r = hoy_err_invalid(err,
			"invalid volume specification: '%s': invalid specification: destination can't be '/'", text);
	else
		r = bind_options(ret, text, err);
	if (r < 0)
		hoy_bind_done(ret);
	return r;
}

/* --- security options ----------------------------------------------------------------------- */

static int seccomp_option(const char *value, struct hoy_security *security, struct hoy_err *err)
{
	if (!strcmp(value, "unconfined"))
		security->seccomp_unconfined = true;
	else if (value[0] == '{')
		security->seccomp_profile = value;
	else if (strcmp(value, "builtin") != 0)
		return hoy_err_invalid(err, "invalid --security-opt: seccomp: not a profile: \"%.100s\"", value);
	return 0;
}

static int security_option(const char *option, struct hoy_security *security, struct hoy_err *err)
{
	size_t key_len = strcspn(option, "=:");
	const char *value = option[key_len] ? option + key_len + 1 : "";

#define IS(name) (key_len == strlen(name) && strncmp(option, name, key_len) == 0)
	if (IS("no-new-privileges")) {
		if (strcmp(value, "false") != 0 && strcmp(value, "true") != 0 && *value)
			return hoy_err_invalid(err, "invalid --security-opt 2: \"%s\"", option);
		security->no_new_privileges = strcmp(value, "false") != 0;
		return 0;
	}
	if (IS("seccomp"))
		return seccomp_option(value, security, err);
	if (IS("systempaths") && !strcmp(value, "unconfined")) {
		security->system_paths_unconfined = true;
		return 0;
	}
	if (IS("apparmor") && *value) {
		security->apparmor_profile = strcmp(value, "unconfined") != 0 ? value : NULL;
		return 0;
	}
	if (IS("label") && !strcmp(value, "disable"))
		return 0; /* no label is ever set */
	if (IS("apparmor") || IS("label") || IS("writable-cgroups") || IS("systempaths"))
		return hoy_err_unsupported(err, "HostConfig.SecurityOpt: '%s': not supported", option);
#undef IS
	return hoy_err_invalid(err, "invalid --security-opt 2: \"%s\"", option);
}

int hoy_security_parse(const struct hoy_container_config *config, struct hoy_security *ret, struct hoy_err *err)
{
	char *const *options = config->host.security_opt;
	int r = 0;

	*ret = (struct hoy_security){};
	for (size_t i = 0; options && options[i] && r >= 0; i++)
		r = security_option(options[i], ret, err);
	return r;
}

/* --- capabilities ----------------------------------------------------------------------------- */

static const char *const cap_names[] = { "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
	"CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN",
	"CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN",
	"CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
	"CAP_CHECKPOINT_RESTORE" };

/* chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write
 * setfcap */
static const uint64_t default_caps = 1ULL << 0 | 1ULL << 1 | 1ULL << 3 | 1ULL << 4 | 1ULL << 5 | 1ULL << 6 | 1ULL << 7 |
				     1ULL << 8 | 1ULL << 10 | 1ULL << 13 | 1ULL << 18 | 1ULL << 27 | 1ULL << 29 |
				     1ULL << 31;
static const uint64_t all_caps = (1ULL << ARRAY_LEN(cap_names)) - 1;

const char *hoy_caps_name(unsigned int cap)
{
	return cap < ARRAY_LEN(cap_names) ? cap_names[cap] : NULL;
}

static int caps_from_names(char *const *names, uint64_t *ret, struct hoy_err *err)
{
	uint64_t caps = 0;

	for (size_t i = 0; names && names[i]; i++) {
		size_t cap = 0;
		const char *name = strncasecmp(names[i], "CAP_", 4) == 0 ? names[i] + 4 : names[i];

		if (strcasecmp(name, "ALL") == 0) {
			caps |= all_caps;
			continue;
		}
		while (cap < ARRAY_LEN(cap_names) && strcasecmp(cap_names[cap] + 4, name) != 0)
			cap++;
		if (cap == ARRAY_LEN(cap_names))
			return hoy_err_invalid(err, "unknown capability: \"%s\"", names[i]);
		caps |= 1ULL << cap;
	}
	*ret = caps;
	return 0;
}

static bool has_all(char *const *names)
{
	for (size_t i = 0; names && names[i]; i++)
		if (strcasecmp(names[i], "ALL") == 0)
			return true;
	return false;
}

int hoy_caps_resolve(const struct hoy_container_config *config, uint64_t *ret, struct hoy_err *err)
{
	uint64_t add, drop;
	int r = caps_from_names(config->host.cap_add, &add, err);

	if (r >= 0)
		r = caps_from_names(config->host.cap_drop, &drop, err);
	if (r < 0)
		return r;
	if (config->host.privileged)
		*ret = all_caps;
	else if (has_all(config->host.cap_add))
		*ret = all_caps & ~drop;
	else if (has_all(config->host.cap_drop))
		*ret = add;
	else
		*ret = (default_caps & ~drop) | add;
	return 0;
}

/* --- ulimits, log, tmpfs, hosts ------------------------------------------------------------------ */

const char *hoy_ulimit_type(const char *name)
{
	static const struct {
		const char *name, *type;
	} types[] = { { "core", "RLIMIT_CORE" }, { "cpu", "RLIMIT_CPU" }, { "data", "RLIMIT_DATA" },
		{ "fsize", "RLIMIT_FSIZE" }, { "locks", "RLIMIT_LOCKS" }, { "memlock", "RLIMIT_MEMLOCK" },
		{ "msgqueue", "RLIMIT_MSGQUEUE" }, { "nice", "RLIMIT_NICE" }, { "nofile", "RLIMIT_NOFILE" },
		{ "nproc", "RLIMIT_NPROC" }, { "rss", "RLIMIT_RSS" }, { "rtprio", "RLIMIT_RTPRIO" },
		{ "rttime", "RLIMIT_RTTIME" }, { "sigpending", "RLIMIT_SIGPENDING" }, { "stack", "RLIMIT_STACK" } };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i].name, name))
			return types[i].type;
	return NULL;
}

int hoy_tmpfs_options_check(const char *options, struct hoy_err *err)
{
	static const char *const flags[] = { "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync",
		"async", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
		"nostrictatime", "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable",
		"runbindable" };
	static const char *const keys[] = { "size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "mpol=" };
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(options, ',');

	if (!parts)
		return hoy_err_oom(err);
	for (size_t i = 0; parts[i]; i++) {
		bool known = !*parts[i];

		for (size_t k = 0; k < ARRAY_LEN(flags); k++)
			known = known || !strcmp(parts[i], flags[k]);
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			known = known || hoy_str_starts(parts[i], keys[k]);
		if (!known)
			return hoy_err_invalid(err, "invalid tmpfs option [\"%s\"]", parts[i]);
	}
	return 0;
}

int hoy_extra_host_split(const char *entry, char **ret_name, const char **ret_address, struct hoy_err *err)
{
	size_t len = strcspn(entry, "=:");

	if (len == 0 || !entry[len])
		return hoy_err_invalid(err, "bad format for add-host: \"%s\"", entry);
	*ret_name = strndup(entry, len);
	*ret_address = entry + len + 1;
	return *ret_name ? 0 : hoy_err_oom(err);
}

/* --- ports ------------------------------------------------------------------------------------------ */

/* "80/tcp", "80" */
static int port_key(const char *text, struct hoy_network_port *port, struct hoy_err *err)
{
	size_t len = strcspn(text, "/");
	auto_free char *number = strndup(text, len);
	unsigned int value = 0;
	int proto = hoy_port_proto_from_string(text[len] ? text + len + 1 : "tcp");

	if (!number)
		return hoy_err_oom(err);
	if (proto < 0)
		return hoy_err_invalid(err, "invalid port specification: \"%s\": unknown protocol", text);
	if (hoy_str_to_uint(number, &value) < 0 || value == 0 || value > UINT16_MAX)
		return hoy_err_invalid(err, "invalid port specification: \"%s\"", text);
	port->proto = (enum hoy_port_proto) proto;
	port->container_port = (uint16_t) value;
	return 0;
}

static int host_ports(const char *text, struct hoy_network_port *port, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **ends = hoy_str_split(text, '-');
	unsigned int first = 0, last = 0;

	if (!ends)
		return hoy_err_oom(err);
	if (!*text)
		return 0;
	if (hoy_strv_len(ends) > 2 || hoy_str_to_uint(ends[0], &first) < 0 || first > UINT16_MAX)
		return hoy_err_invalid(err, "invalid port specification: \"%s\"", text);
	if (ends[1] && (hoy_str_to_uint(ends[1], &last) < 0 || last > UINT16_MAX || last < first))
		return hoy_err_invalid(err, "invalid port specification: \"%s\"", text);
	port->host_port = (uint16_t) first;
	port->host_port_last = (uint16_t) (last > first ? last : 0);
	return 0;
}

static int port_binding(const struct hoy_json *binding, struct hoy_network_port *port, struct hoy_err *err)
{
	const struct hoy_json *ip, *number;
	const char *ip_text, *number_text;

	if (hoy_json_type(binding) != HOY_JSON_OBJECT)
		return hoy_err_invalid(err, "HostConfig.PortBindings: not an object");
	ip = hoy_json_get_ci(binding, "HostIp");
	number = hoy_json_get_ci(binding, "HostPort");
	ip_text = ip ? hoy_json_string(ip) : "";
	number_text = number ? hoy_json_string(number) : "";
	if (!ip_text || !number_text || strlen(ip_text) >= sizeof port->host_ip)
		return hoy_err_invalid(err, "HostConfig.PortBindings: HostIp and HostPort must be texts");
	snprintf(port->host_ip, sizeof port->host_ip, "%s", ip_text);
	return host_ports(number_text, port, err);
}

struct port_list {
	struct hoy_network_port *ports;
	size_t n;
};

static int add_port(struct port_list *list, const struct hoy_network_port *port, struct hoy_err *err)
{
	struct hoy_network_port *grown = reallocarray(list->ports, list->n + 1, sizeof *grown);

	if (!grown)
		return hoy_err_oom(err);
	list->ports = grown;
	list->ports[list->n++] = *port;
	return 0;
}

static int add_bound_port(struct port_list *list, const struct hoy_json *bindings, struct hoy_err *err)
{
	struct hoy_network_port port = {};
	int r = port_key(hoy_json_key(bindings), &port, err);

	if (r < 0)
		return r;
	if (hoy_json_len(bindings) == 0) /* null or []: any free port */
		return add_port(list, &port, err);
	if (hoy_json_type(bindings) != HOY_JSON_ARRAY)
		return hoy_err_invalid(err, "HostConfig.PortBindings: \"%s\": not a list", hoy_json_key(bindings));
	hoy_json_each(binding, bindings)
	{
		struct hoy_network_port bound = port;

		r = port_binding(binding, &bound, err);
		if (r >= 0)
			r = add_port(list, &bound, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_bound_ports(struct port_list *list, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r;

	if (!text)
		return 0;
	r = hoy_json_parse(text, strlen(text), NULL, &doc, err);
	if (r < 0)
		return r;
	if (hoy_json_type(doc) != HOY_JSON_OBJECT && hoy_json_type(doc) != HOY_JSON_NULL)
		return hoy_err_invalid(err, "HostConfig.PortBindings: not an object");
	hoy_json_each(bindings, doc)
	{
		r = add_bound_port(list, bindings, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_listed(const struct port_list *list, const struct hoy_network_port *port)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->ports[i].proto == port->proto && list->ports[i].container_port == port->container_port)
			return true;
	return false;
}

static int add_exposed_ports(struct port_list *list, const struct hoy_container_config *config, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; config->exposed_ports && config->exposed_ports[i] && r >= 0; i++) {
		struct hoy_network_port port = {};

		r = port_key(config->exposed_ports[i], &port, err);
		if (r >= 0 && config->host.publish_all_ports && !is_listed(list, &port))
			r = add_port(list, &port, err);
	}
	return r;
}

int hoy_container_config_ports(
	const struct hoy_container_config *config, struct hoy_network_port **ret, size_t *ret_n, struct hoy_err *err)
{
	struct port_list list = {};
	int r = add_bound_ports(&list, config->host.port_bindings, err);

	if (r >= 0)
		r = add_exposed_ports(&list, config, err);
	if (r < 0) {
		free(list.ports);
		return r;
	}
	*ret = list.ports;
	*ret_n = list.n;
	return 0;
}

const char *hoy_container_mode_names(const char *mode)
{
	return mode && hoy_str_starts(mode, "container:") && mode[10] ? mode + 10 : NULL;
}

static int parse_device_number(const char **at, int64_t *ret)
{
	char *end;

	if (**at == '*') {
		*ret = -1;
		(*at)++;
		return 0;
	}
	if (**at < '0' || **at > '9')
		return -EINVAL;
	*ret = strtoll(*at, &end, 10);
	*at = end;
	return *ret >= 0 && *ret <= UINT32_MAX ? 0 : -EINVAL;
}

int hoy_device_rule_parse(const char *text, struct hoy_device_rule *ret, struct hoy_err *err)
{
	const char *at = text;
	size_t len;

	ret->type = *at && strchr("abc", *at) ? *at++ : '\0';
	if (!ret->type || *at++ != ' ' || parse_device_number(&at, &ret->major) < 0 || *at++ != ':' ||
		parse_device_number(&at, &ret->minor) < 0 || *at++ != ' ')
		return hoy_err_invalid(err, "invalid device cgroup rule format: '%s'", text);
	len = strspn(at, "rwm");
	if (len == 0 || len > 3 || at[len])
		return hoy_err_invalid(err, "invalid device cgroup rule format: '%s'", text);
	memcpy(ret->access, at, len + 1);
	return 0;
}
