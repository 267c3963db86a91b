/* HostConfig of a create request: resources, security, logging, restart. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "supervisor/cli/create_internal.h"

#define PROFILE_MAX ((size_t) 4 << 20)

void hoy_create_add_number(struct hoy_json_writer *w, const char *key, int64_t value)
{
	if (value)
		hoy_json_add_i64(w, key, value);
}

void hoy_create_add_text(struct hoy_json_writer *w, const char *key, const char *value)
{
	if (value)
		hoy_json_add_string(w, key, value);
}

void hoy_create_add_list(struct hoy_json_writer *w, const char *key, char *const *values)
{
	if (values)
		hoy_json_add_strv(w, key, values);
}

/* Is the key of `entry` given again further on? */
static bool given_again(char *const *rest, const char *entry, size_t len)
{
	for (; *rest; rest++)
		if (strncmp(*rest, entry, len) == 0 && ((*rest)[len] == '=' || !(*rest)[len]))
			return true;
	return false;
}

void hoy_create_add_map(struct hoy_json_writer *w, const char *name, char *const *entries)
{
	if (!entries)
		return;
	hoy_json_object(w, name);
	for (; *entries; entries++) {
		size_t len = strcspn(*entries, "=");
		auto_free char *key = strndup(*entries, len);

		if (!given_again(entries + 1, *entries, len))
			hoy_json_add_string(w, key ? key : "", (*entries)[len] ? *entries + len + 1 : "");
	}
	hoy_json_end(w);
}

static int check_pairs(const char *flag, const char *what, char *const *entries, struct hoy_err *err)
{
	for (; entries && *entries; entries++)
		if (!strchr(*entries, '=') || **entries == '=')
			return hoy_err_invalid(err, "invalid argument \"%s\" for \"--%s\" flag: invalid %s: %s",
				*entries, flag, what, *entries);
	return 0;
}

/* "nofile=1024:2048" */
static int print_ulimits(struct hoy_json_writer *w, char *const *ulimits, struct hoy_err *err)
{
	if (!ulimits)
		return 0;
	hoy_json_array(w, "Ulimits");
	for (; *ulimits; ulimits++) {
		size_t len = strcspn(*ulimits, "=");
		auto_free char *name = strndup(*ulimits, len);
		auto_ptr(hoy_strv_free) char **ends = (*ulimits)[len] ? hoy_str_split(*ulimits + len + 1, ':') : NULL;
		int64_t soft, hard;

		if (!name || !ends || hoy_strv_len(ends) > 2 || hoy_str_to_i64(ends[0], &soft) < 0 ||
			hoy_str_to_i64(ends[1] ? ends[1] : ends[0], &hard) < 0)
			return hoy_err_invalid(
				err, "invalid ulimit argument: %s (expected TYPE=SOFT[:HARD])", *ulimits);
		if (hard >= 0 && (soft > hard || soft < 0))
			return hoy_err_invalid(err,
				"ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
				(long long) soft, (long long) hard);
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Name", name);
		hoy_json_add_i64(w, "Soft", soft);
		hoy_json_add_i64(w, "Hard", hard);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

/* "no", "always", "unless-stopped", "on-failure[:N]" */
static int print_restart(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	const char *text = o->restart && *o->restart ? o->restart : "no";
	size_t len = strcspn(text, ":");
	auto_free char *name = strndup(text, len);
	unsigned int count = 0;

	if (!name)
		return hoy_err_oom(err);
	if (!len)
		return hoy_err_invalid(err, "invalid restart policy format: no policy provided before colon");
	if (text[len] && hoy_str_to_uint(text + len + 1, &count) < 0)
		return hoy_err_invalid(
			err, "invalid restart policy format: maximum retry count must be an integer (%s)", text);
	if (text[len] && strcmp(name, "on-failure") != 0)
		return hoy_err_invalid(err,
			"invalid restart policy: maximum retry count can only be used with 'on-failure' (%s)", text);
	if (o->rm && strcmp(name, "no") != 0)
		return hoy_err_invalid(err, "conflicting options: cannot specify both --restart and --rm");
	hoy_json_object(w, "RestartPolicy");
	hoy_json_add_string(w, "Name", name);
	hoy_json_add_i64(w, "MaximumRetryCount", count);
	hoy_json_end(w);
	return 0;
}

/* A file of a seccomp profile as one line of JSON. */
static int add_profile(char ***options, const char *path, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = PROFILE_MAX }, line = { .cap = PROFILE_MAX };
	auto_ptr(hoy_json_free) struct hoy_json *json = NULL;
	struct hoy_json_writer w = { .buf = &line };
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r < 0)
		return hoy_err_wrap(err, "opening seccomp profile (%s) failed", path);
	r = hoy_json_parse(text.data ? text.data : "", text.len, NULL, &json, err);
	if (r < 0)
		return hoy_err_wrap(err, "compacting json for seccomp profile (%s) failed", path);
	hoy_json_add_value(&w, NULL, json);
	r = hoy_buf_check(&line, "the seccomp profile", err);
	if (r == 0 && hoy_strv_addf(options, "seccomp=%s", line.data) < 0)
		return hoy_err_oom(err);
	return r;
}

/* The client reads profiles; systempaths=unconfined is two members of its own. */
int hoy_create_security(struct hoy_json_writer *w, char *const *given, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **options = NULL;
	bool unconfined = false;

	for (; given && *given; given++) {
		const char *value = strchr(*given, '=');
		int r = 0;

		if (!value && !strchr(*given, ':') && strcmp(*given, "no-new-privileges") != 0)
			return hoy_err_invalid(err, "invalid --security-opt: \"%s\"", *given);
		if (strcmp(*given, "systempaths=unconfined") == 0)
			unconfined = true;
		else if (hoy_str_starts(*given, "seccomp=") && strcmp(value, "=unconfined") != 0 &&
			 strcmp(value, "=builtin") != 0)
			r = add_profile(&options, value + 1, err);
		else if (hoy_strv_add(&options, *given) < 0)
			r = hoy_err_oom(err);
		if (r < 0)
			return r;
	}
	hoy_create_add_list(w, "SecurityOpt", options);
	if (unconfined) {
		hoy_json_array(w, "MaskedPaths");
		hoy_json_end(w);
		hoy_json_array(w, "ReadonlyPaths");
		hoy_json_end(w);
	}
	return 0;
}

/* "net_admin" is CAP_NET_ADMIN; ALL stays. */
static int print_capabilities(struct hoy_json_writer *w, const char *member, char *const *given, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **list = NULL;

	for (char *const *name = given; name && *name; name++) {
		auto_free char *upper = strdup(*name);

		for (char *c = upper; c && *c; c++)
			*c = (char) toupper((unsigned char) *c);
		if (!upper ||
			hoy_strv_addf(&list, "%s%s",
				strcmp(upper, "ALL") == 0 || hoy_str_starts(upper, "CAP_") ? "" : "CAP_", upper) < 0)
			return hoy_err_oom(err);
	}
	hoy_create_add_list(w, member, list);
	return 0;
}

/* "name:address" or "name=address", the address in brackets or not. */
int hoy_create_hosts(struct hoy_json_writer *w, char *const *given, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **list = NULL;

	for (char *const *host = given; host && *host; host++) {
		size_t len = strcspn(*host, ":="), size;
		const char *address = *host + len + ((*host)[len] != '\0');
		int r;

		size = strlen(address);
		if (!len || !size)
			return hoy_err_invalid(err,
				"invalid argument \"%s\" for \"--add-host\" flag: bad format for add-host: \"%s\"",
				*host, *host);
		if (address[0] == '[' && address[size - 1] == ']')
			r = hoy_strv_addf(&list, "%.*s:%.*s", (int) len, *host, (int) size - 2, address + 1);
		else
			r = hoy_strv_addf(&list, "%.*s:%s", (int) len, *host, address);
		if (r < 0)
			return hoy_err_oom(err);
	}
	hoy_create_add_list(w, "ExtraHosts", list);
	return 0;
}

static int print_log(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	if (o->log_driver && strcmp(o->log_driver, "none") == 0 && o->log_opt)
		return hoy_err_invalid(err, "invalid logging opts for driver %s", o->log_driver);
	if (o->log_driver || o->log_opt) {
		hoy_json_object(w, "LogConfig");
		hoy_json_add_string(w, "Type", o->log_driver ? o->log_driver : "");
		hoy_create_add_map(w, "Config", o->log_opt);
		hoy_json_end(w);
	}
	return 0;
}

static void print_resources(struct hoy_json_writer *w, const struct hoy_run_options *o)
{
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{ "Memory", o->memory },
		{ "MemorySwap", o->memory_swap },
		{ "MemoryReservation", o->memory_reservation },
		{ "KernelMemory", o->kernel_memory },
		{ "NanoCpus", (int64_t) (o->cpus * 1e9 + 0.5) },
		{ "CpuShares", o->cpu_shares },
		{ "CpuPeriod", o->cpu_period },
		{ "CpuQuota", o->cpu_quota },
		{ "CpuRealtimePeriod", o->cpu_rt_period },
		{ "CpuRealtimeRuntime", o->cpu_rt_runtime },
		{ "PidsLimit", o->pids_limit },
		{ "BlkioWeight", o->blkio_weight },
		{ "OomScoreAdj", o->oom_score_adj },
		{ "ShmSize", o->shm_size },
		{ "CpuCount", o->cpu_count },
		{ "CpuPercent", o->cpu_percent },
		{ "IOMaximumIOps", o->io_maxiops },
		{ "IOMaximumBandwidth", o->io_maxbandwidth },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		hoy_create_add_number(w, numbers[i].key, numbers[i].value);
	if (o->memory_swappiness >= 0)
		hoy_json_add_i64(w, "MemorySwappiness", o->memory_swappiness);
	hoy_create_add_text(w, "CpusetCpus", o->cpuset_cpus);
	hoy_create_add_text(w, "CpusetMems", o->cpuset_mems);
	if (o->oom_kill_disable)
		hoy_json_add_bool(w, "OomKillDisable", true);
	if (o->init_given)
		hoy_json_add_bool(w, "Init", o->init);
	hoy_create_add_text(w, "CgroupParent", o->cgroup_parent);
}

/* The terminal's size at the start, so that the first program sees it. */
static void print_console(struct hoy_json_writer *w, const struct hoy_run_options *o)
{
	struct winsize size;

	if (!o->tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	hoy_json_array(w, "ConsoleSize");
	hoy_json_add_i64(w, NULL, size.ws_row);
	hoy_json_add_i64(w, NULL, size.ws_col);
	hoy_json_end(w);
}

static void print_bindings(struct hoy_json_writer *w, const struct hoy_create_ports *ports)
{
	auto_ptr(hoy_strv_free) char **done = NULL;

	hoy_json_object(w, "PortBindings");
	for (size_t i = 0; i < ports->n; i++) {
		if (hoy_strv_has(done, ports->list[i].container) || hoy_strv_add(&done, ports->list[i].container) < 0)
			continue;
		hoy_json_array(w, ports->list[i].container);
		for (size_t j = i; j < ports->n; j++) {
			if (strcmp(ports->list[j].container, ports->list[i].container) != 0)
				continue;
			hoy_json_object(w, NULL);
			hoy_json_add_string(w, "HostIp", ports->list[j].host_ip);
			hoy_json_add_string(w, "HostPort", ports->list[j].host_port);
			hoy_json_end(w);
		}
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static void print_modes(struct hoy_json_writer *w, const struct hoy_run_options *o, const char *network)
{
	hoy_json_add_string(w, "NetworkMode", network);
	hoy_json_add_bool(w, "AutoRemove", o->rm);
	hoy_json_add_bool(w, "PublishAllPorts", o->publish_all);
	hoy_json_add_bool(w, "ReadonlyRootfs", o->read_only);
	hoy_json_add_bool(w, "Privileged", o->privileged);
	hoy_create_add_text(w, "IpcMode", o->ipc);
	hoy_create_add_text(w, "PidMode", o->pid);
	hoy_create_add_text(w, "UTSMode", o->uts);
	hoy_create_add_text(w, "UsernsMode", o->userns);
	hoy_create_add_text(w, "CgroupnsMode", o->cgroupns);
	hoy_create_add_text(w, "Runtime", o->runtime);
	hoy_create_add_text(w, "Isolation", o->isolation);
	hoy_create_add_text(w, "ContainerIDFile", o->cidfile);
	hoy_create_add_list(w, "GroupAdd", o->group_add);
	hoy_create_add_list(w, "Dns", o->dns);
	hoy_create_add_list(w, "DnsOptions", o->dns_option);
	hoy_create_add_list(w, "DnsSearch", o->dns_search);
	hoy_create_add_list(w, "Links", o->link);
	hoy_create_add_map(w, "Sysctls", o->sysctl);
	hoy_create_add_map(w, "Annotations", o->annotation);
	hoy_create_add_map(w, "StorageOpt", o->storage_opt);
}

static int check(const struct hoy_run_options *o, struct hoy_err *err)
{
	int r = check_pairs("sysctl", "sysctl", o->sysctl, err);

	if (r == 0)
		r = check_pairs("storage-opt", "storage option", o->storage_opt, err);
	if (r == 0)
		r = check_pairs("log-opt", "logging option", o->log_opt, err);
	if (r == 0 && o->cgroupns && *o->cgroupns && strcmp(o->cgroupns, "host") != 0 &&
		strcmp(o->cgroupns, "private") != 0)
		r = hoy_err_invalid(err, "--cgroupns: invalid CGROUP mode");
	if (r == 0 && (o->memory_swappiness < -1 || o->memory_swappiness > 100))
		r = hoy_err_invalid(err, "invalid value: %lld. Valid memory swappiness range is 0-100",
			(long long) o->memory_swappiness);
	return r;
}

int hoy_create_host_config(struct hoy_json_writer *w, const struct hoy_run_options *o,
	const struct hoy_create_ports *ports, struct hoy_err *err)
{
	auto_free char *network = NULL;
	int r = check(o, err);

	if (r == 0)
		r = hoy_create_network_mode(o, &network, err);
	if (r < 0)
		return r;
	hoy_json_object(w, "HostConfig");
	print_bindings(w, ports);
	print_modes(w, o, network);
	print_resources(w, o);
	print_console(w, o);
	r = hoy_create_mounts(w, o, err);
	if (r >= 0)
		r = hoy_create_secrets(w, o, err);
	if (r == 0)
		r = print_restart(w, o, err);
	if (r == 0)
		r = hoy_create_devices(w, o, err);
	if (r == 0)
		r = print_ulimits(w, o->ulimit, err);
	if (r == 0)
		r = hoy_create_security(w, o->security_opt, err);
	if (r == 0)
		r = print_capabilities(w, "CapAdd", o->cap_add, err);
	if (r == 0)
		r = print_capabilities(w, "CapDrop", o->cap_drop, err);
	if (r == 0)
		r = hoy_create_hosts(w, o->add_host, err);
	if (r == 0)
		r = print_log(w, o, err);
	hoy_json_end(w);
	return r;
}
