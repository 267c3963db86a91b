/* From the options of `run` and `create` to the JSON of POST /containers/create. */
#include "supervisor/cli/create_request.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"

#define FILE_MAX ((size_t) 4 << 20)

/* Lines "KEY=VALUE" or "KEY" (taken from our environment when `from_env`), '#' begins a comment line. */
static int add_from_file(const char *path, bool from_env, char ***list, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = FILE_MAX };
	auto_ptr(hoy_strv_free) char **lines = NULL;
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r < 0)
		return r;
	lines = hoy_str_split(text.data, '\n');
	if (!lines)
		return hoy_err_oom(err);
	for (size_t i = 0; lines[i]; i++) {
		char *line = lines[i] + strspn(lines[i], " \t");
		size_t len = strlen(line);

		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		if (*line == '=')
			return hoy_err_invalid(err, "invalid env file (%s): line %zu: no variable name", path, i + 1);
		if (strcspn(line, " \t") < strcspn(line, "="))
			return hoy_err_invalid(
				err, "invalid env file (%s): line %zu: variable name has white space", path, i + 1);
		if (strchr(line, '=') || !from_env)
			r = hoy_strv_add(list, line);
		else if (getenv(line))
			r = hoy_strv_addf(list, "%s=%s", line, getenv(line));
		if (r < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

int hoy_create_request_env(char *const *env, char *const *files, char ***ret, struct hoy_err *err)
{
	for (char *const *file = files; file && *file; file++) {
		int r = add_from_file(*file, /* from_env= */ true, ret, err);

		if (r < 0)
			return r;
	}
	for (char *const *e = env; e && *e; e++) {
		int r = 0;

		if (!**e || **e == '=')
			return hoy_err_invalid(err, "invalid environment variable: %s", *e);
		if (strchr(*e, '='))
			r = hoy_strv_add(ret, *e);
		else if (getenv(*e))
			r = hoy_strv_addf(ret, "%s=%s", *e, getenv(*e));
		if (r < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/* "key=value" and "key" entries as a JSON object. */
static void print_map(struct hoy_json_writer *w, const char *name, char *const *entries)
{
	if (!entries)
		return;
	hoy_json_object(w, name);
	for (; *entries; entries++) {
		size_t len = strcspn(*entries, "=");
		auto_free char *key = strndup(*entries, len);

		hoy_json_add_string(w, key ? key : "", (*entries)[len] ? *entries + len + 1 : "");
	}
	hoy_json_end(w);
}

static int print_labels(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **labels = NULL;

	for (char **file = o->label_file; file && *file; file++) {
		int r = add_from_file(*file, /* from_env= */ false, &labels, err);

		if (r < 0)
			return r;
	}
	for (char **l = o->label; l && *l; l++)
		if (hoy_strv_add(&labels, *l) < 0)
			return hoy_err_oom(err);
	print_map(w, "Labels", labels);
	return 0;
}

struct ports {
	struct hoy_publish *list;
	size_t n;
};

static void ports_done(struct ports *ports)
{
	hoy_publish_free(ports->list, ports->n);
}

static int print_exposed(
	struct hoy_json_writer *w, const struct hoy_run_options *o, const struct ports *published, struct hoy_err *err)
{
	auto_(ports_done) struct ports exposed = {};
	auto_ptr(hoy_strv_free) char **seen = NULL;

	for (char **e = o->expose; e && *e; e++) {
		if (strchr(*e, ':'))
			return hoy_err_invalid(err, "invalid port format for --expose: %s", *e);
		if (hoy_publish_parse(*e, &exposed.list, &exposed.n, err) < 0)
			return hoy_err_wrap(err, "--expose %s", *e);
	}
	hoy_json_object(w, "ExposedPorts");
	for (size_t i = 0; i < published->n + exposed.n; i++) {
		const char *port = i < published->n ? published->list[i].container
						    : exposed.list[i - published->n].container;

		if (hoy_strv_has(seen, port))
			continue;
		if (hoy_strv_add(&seen, port) < 0)
			return hoy_err_oom(err);
		hoy_json_object(w, port);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

static void print_bindings(struct hoy_json_writer *w, const struct ports *ports)
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

/* A bind whose source is relative ("./x") is made absolute here: the daemon has another working directory. */
static int print_volumes(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	auto_free char *cwd = getcwd(NULL, 0);

	hoy_json_array(w, "Binds");
	for (char **v = o->volume; v && *v; v++) {
		auto_free char *joined = NULL;
		size_t len = strcspn(*v, ":");

		if (!(*v)[len])
			continue; /* an anonymous volume: in Config.Volumes */
		if ((*v)[0] == '.' && cwd) {
			auto_free char *source = strndup(*v, len);
			auto_free char *path = source ? hoy_path_join(cwd, source) : NULL;
			auto_free char *clean = path ? hoy_path_clean(path) : NULL;

			joined = clean ? hoy_str_printf("%s%s", clean, *v + len) : NULL;
			if (!joined)
				return hoy_err_oom(err);
		}
		hoy_json_add_string(w, NULL, joined ? joined : *v);
	}
	hoy_json_end(w);
	return 0;
}

static void print_anonymous_volumes(struct hoy_json_writer *w, const struct hoy_run_options *o)
{
	hoy_json_object(w, "Volumes");
	for (char **v = o->volume; v && *v; v++) {
		if (strchr(*v, ':'))
			continue;
		hoy_json_object(w, *v);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* "name[:option,...]" of --tmpfs as the map docker sends. */
static void print_tmpfs(struct hoy_json_writer *w, char *const *entries)
{
	if (!entries)
		return;
	hoy_json_object(w, "Tmpfs");
	for (; *entries; entries++) {
		size_t len = strcspn(*entries, ":");
		auto_free char *path = strndup(*entries, len);

		hoy_json_add_string(w, path ? path : "", (*entries)[len] ? *entries + len + 1 : "");
	}
	hoy_json_end(w);
}

static int print_devices(struct hoy_json_writer *w, char *const *devices, struct hoy_err *err)
{
	if (!devices)
		return 0;
	hoy_json_array(w, "Devices");
	for (; *devices; devices++) {
		auto_ptr(hoy_strv_free) char **parts = hoy_str_split(*devices, ':');
		size_t n = hoy_strv_len(parts);
		const char *inside, *rights = "rwm";

		if (!parts)
			return hoy_err_oom(err);
		if (n < 1 || n > 3 || !*parts[0])
			return hoy_err_invalid(err, "invalid device specification: %s", *devices);
		inside = parts[0];
		if (n == 2 && strspn(parts[1], "rwm") == strlen(parts[1]))
			rights = parts[1];
		else if (n >= 2)
			inside = parts[1];
		if (n == 3)
			rights = parts[2];
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "PathOnHost", parts[0]);
		hoy_json_add_string(w, "PathInContainer", inside);
		hoy_json_add_string(w, "CgroupPermissions", rights);
		hoy_json_end(w);
	}
	hoy_json_end(w);
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
	const char *text = o->restart ? o->restart : "no";
	size_t len = strcspn(text, ":");
	auto_free char *name = strndup(text, len);
	unsigned int count = 0;

	if (!name)
		return hoy_err_oom(err);
	if (text[len] && (strcmp(name, "on-failure") != 0 || hoy_str_to_uint(text + len + 1, &count) < 0))
		return hoy_err_invalid(err, "invalid restart policy: %s", text);
	if (o->rm && strcmp(name, "no") != 0)
		return hoy_err_invalid(err, "conflicting options: cannot specify both --restart and --rm");
	hoy_json_object(w, "RestartPolicy");
	hoy_json_add_string(w, "Name", name);
	hoy_json_add_i64(w, "MaximumRetryCount", count);
	hoy_json_end(w);
	return 0;
}

static void add_number(struct hoy_json_writer *w, const char *key, int64_t value)
{
	if (value)
		hoy_json_add_i64(w, key, value);
}

static void add_text(struct hoy_json_writer *w, const char *key, const char *value)
{
	if (value)
		hoy_json_add_string(w, key, value);
}

static void add_list(struct hoy_json_writer *w, const char *key, char *const *values)
{
	if (values)
		hoy_json_add_strv(w, key, values);
}

static void print_resources(struct hoy_json_writer *w, const struct hoy_run_options *o)
{
	add_number(w, "Memory", o->memory);
	add_number(w, "MemorySwap", o->memory_swap);
	add_number(w, "MemoryReservation", o->memory_reservation);
	add_number(w, "NanoCpus", (int64_t) (o->cpus * 1e9));
	add_number(w, "CpuShares", o->cpu_shares);
	add_number(w, "CpuPeriod", o->cpu_period);
	add_number(w, "CpuQuota", o->cpu_quota);
	add_text(w, "CpusetCpus", o->cpuset_cpus);
	add_text(w, "CpusetMems", o->cpuset_mems);
	add_number(w, "PidsLimit", o->pids_limit);
	add_number(w, "BlkioWeight", o->blkio_weight);
	add_number(w, "OomScoreAdj", o->oom_score_adj);
	add_number(w, "ShmSize", o->shm_size);
	if (o->oom_kill_disable)
		hoy_json_add_bool(w, "OomKillDisable", true);
	if (o->init)
		hoy_json_add_bool(w, "Init", true);
	add_text(w, "CgroupParent", o->cgroup_parent);
}

static int print_host_config(
	struct hoy_json_writer *w, const struct hoy_run_options *o, const struct ports *ports, struct hoy_err *err)
{
	int r;

	hoy_json_object(w, "HostConfig");
	print_bindings(w, ports);
	r = print_volumes(w, o, err);
	if (r == 0)
		r = print_restart(w, o, err);
	if (r == 0)
		r = print_devices(w, o->device, err);
	if (r == 0)
		r = print_ulimits(w, o->ulimit, err);
	if (r < 0)
		return r;
	hoy_json_add_string(w, "NetworkMode", o->network ? o->network : "default");
	hoy_json_add_bool(w, "AutoRemove", o->rm);
	hoy_json_add_bool(w, "PublishAllPorts", o->publish_all);
	hoy_json_add_bool(w, "ReadonlyRootfs", o->read_only);
	hoy_json_add_bool(w, "Privileged", o->privileged);
	print_resources(w, o);
	add_list(w, "CapAdd", o->cap_add);
	add_list(w, "CapDrop", o->cap_drop);
	add_list(w, "SecurityOpt", o->security_opt);
	add_list(w, "GroupAdd", o->group_add);
	add_list(w, "ExtraHosts", o->add_host);
	add_list(w, "Dns", o->dns);
	add_list(w, "DnsOptions", o->dns_option);
	add_list(w, "DnsSearch", o->dns_search);
	print_map(w, "Sysctls", o->sysctl);
	print_map(w, "Annotations", o->annotation);
	print_tmpfs(w, o->tmpfs);
	add_text(w, "IpcMode", o->ipc);
	add_text(w, "PidMode", o->pid);
	add_text(w, "UTSMode", o->uts);
	add_text(w, "Runtime", o->runtime);
	if (o->log_driver || o->log_opt) {
		hoy_json_object(w, "LogConfig");
		hoy_json_add_string(w, "Type", o->log_driver ? o->log_driver : "");
		print_map(w, "Config", o->log_opt);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

static bool attaches(const struct hoy_run_options *o, const char *stream)
{
	for (char **a = o->attach; a && *a; a++)
		if (strcasecmp(*a, stream) == 0)
			return true;
	return false;
}

static int print_config(struct hoy_json_writer *w, const struct hoy_run_options *o, char *const *args,
	const struct ports *ports, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **env = NULL;
	bool all = !o->attach && !o->detach;
	int r = hoy_create_request_env(o->env, o->env_file, &env, err);

	if (r < 0)
		return r;
	add_text(w, "Hostname", o->hostname);
	add_text(w, "Domainname", o->domainname);
	add_text(w, "User", o->user);
	hoy_json_add_bool(w, "AttachStdin", o->interactive && (all || attaches(o, "stdin")));
	hoy_json_add_bool(w, "AttachStdout", all || attaches(o, "stdout"));
	hoy_json_add_bool(w, "AttachStderr", all || attaches(o, "stderr"));
	hoy_json_add_bool(w, "Tty", o->tty);
	hoy_json_add_bool(w, "OpenStdin", o->interactive);
	hoy_json_add_bool(w, "StdinOnce", o->interactive && !o->detach);
	if (env)
		hoy_json_add_strv(w, "Env", env);
	if (args[1])
		hoy_json_add_strv(w, "Cmd", args + 1);
	hoy_json_add_string(w, "Image", args[0]);
	print_anonymous_volumes(w, o);
	add_text(w, "WorkingDir", o->workdir);
	if (o->entrypoint_given) {
		hoy_json_array(w, "Entrypoint");
		hoy_json_add_string(w, NULL, o->entrypoint);
		hoy_json_end(w);
	}
	add_text(w, "StopSignal", o->stop_signal);
	if (o->stop_timeout_given)
		hoy_json_add_i64(w, "StopTimeout", o->stop_timeout);
	r = print_labels(w, o, err);
	return r < 0 ? r : print_exposed(w, o, ports, err);
}

int hoy_create_request_print(
	const struct hoy_run_options *options, char *const *args, struct hoy_buf *out, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = out };
	auto_(ports_done) struct ports ports = {};
	int r;

	for (char **p = options->publish; p && *p; p++) {
		r = hoy_publish_parse(*p, &ports.list, &ports.n, err);
		if (r < 0)
			return r;
	}
	hoy_json_object(&w, NULL);
	r = print_config(&w, options, args, &ports, err);
	if (r == 0)
		r = print_host_config(&w, options, &ports, err);
	if (r < 0)
		return r;
	hoy_json_end(&w);
	return hoy_buf_check(out, "the create request", err);
}
