/* update: new limits, restart policy, ports, environment, labels and health check for containers that exist. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/create_request.h"

struct update_options {
	int64_t cpu_period, cpu_quota, cpu_shares, memory, reservation, swap, pids;
	bool pids_given;
	double cpus;
	const char *cpuset_cpus, *cpuset_mems, *restart;
	char **publish_add, **publish_rm;
	char **env_add, **env_rm, **label_add, **label_rm;
	struct hoy_health_options health;
};
#define O(letter, name, type, value, member, help)                                                                     \
	HOY_OPTION(letter, name, HOY_OPTION_##type, value, struct update_options, member, help)
static const struct hoy_option update_options[] = {
	HOY_OPTION_REFUSE(
		0, "blkio-weight", "uint16", "weights of block devices are not changed while a container is there"),
	O(0, "cpu-period", INT, "int", cpu_period, "Limit CPU CFS (Completely Fair Scheduler) period"),
	O(0, "cpu-quota", INT, "int", cpu_quota, "Limit CPU CFS (Completely Fair Scheduler) quota"),
	HOY_OPTION_REFUSE(0, "cpu-rt-period", "int", "real-time scheduling is not limited"),
	HOY_OPTION_REFUSE(0, "cpu-rt-runtime", "int", "real-time scheduling is not limited"),
	O('c', "cpu-shares", INT, "int", cpu_shares, "CPU shares (relative weight)"),
	O(0, "cpus", DECIMAL, "decimal", cpus, "Number of CPUs"),
	O(0, "cpuset-cpus", STRING, "string", cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)"),
	O(0, "cpuset-mems", STRING, "string", cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)"),
	O(0, "env-add", LIST, "list", env_add, "Set a variable, for execs and the next start: NAME=VALUE"),
	O(0, "env-rm", LIST, "list", env_rm, "Remove a variable, for execs and the next start"),
	O(0, "health-cmd", STRING, "string", health.cmd, "Command to run to check health, at once"),
	O(0, "health-interval", DURATION, "duration", health.interval, "Time between running the check"),
	O(0, "health-retries", INT, "int", health.retries, "Consecutive failures needed to report unhealthy"),
	O(0, "health-start-interval", DURATION, "duration", health.start_interval,
		"Time between running the check during the start period"),
	O(0, "health-start-period", DURATION, "duration", health.start_period,
		"Time since the container's start in which failures do not count"),
	O(0, "health-timeout", DURATION, "duration", health.timeout, "Maximum time to allow one check to run"),
	O(0, "label-add", LIST, "list", label_add, "Set a label, at once: NAME[=VALUE]"),
	O(0, "label-rm", LIST, "list", label_rm, "Remove a label, at once"),
	O('m', "memory", BYTES, "bytes", memory, "Memory limit"),
	O(0, "memory-reservation", BYTES, "bytes", reservation, "Memory soft limit"),
	O(0, "memory-swap", BYTES, "bytes", swap, "Swap limit equal to memory plus swap: -1 to enable unlimited swap"),
	O(0, "no-healthcheck", BOOL, NULL, health.none, "Check its health no more"),
	HOY_OPTION_WITH_SET(0, "pids-limit", HOY_OPTION_INT, "int", struct update_options, pids, pids_given,
		"Tune container pids limit (set -1 for unlimited)"),
	O(0, "publish-add", LIST, "list", publish_add, "Publish one more port, at once: [IP:][HOSTPORT:]PORT[/PROTO]"),
	O(0, "publish-rm", LIST, "list", publish_rm, "Publish a port no more: [[IP:]HOSTPORT:]PORT[/PROTO]"),
	O(0, "restart", STRING, "string", restart, "Restart policy to apply when a container exits"),
	HOY_OPTION_END,
};
#undef O

static int add_policy(struct hoy_json_writer *w, const char *text, struct hoy_err *err)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	unsigned int count = 0;

	if (!text)
		return 0;
	if (colon && hoy_str_to_uint(colon + 1, &count) < 0)
		return hoy_err_invalid(err, "maximum retry count must be an integer");
	hoy_json_object(w, "RestartPolicy");
	hoy_json_add_stringn(w, "Name", text, colon ? (size_t) (colon - text) : strlen(text));
	hoy_json_add_i64(w, "MaximumRetryCount", count);
	hoy_json_end(w);
	return 0;
}

/* --- environment, labels, health check ---------------------------------------------------------------------------- */

static bool changes_config(const struct update_options *o)
{
	return o->env_add || o->env_rm || o->label_add || o->label_rm || hoy_health_options_given(&o->health);
}

/* "NAME=VALUE" of the list sets `name`, or "NAME" removes it. */
static bool names_entry(char *const *list, const char *name)
{
	size_t len = strcspn(name, "=");

	for (; list && *list; list++)
		if (strncmp(*list, name, len) == 0 && strcspn(*list, "=") == len)
			return true;
	return false;
}

static int check_removed(char *const *names, const char *what, const struct hoy_json *in, struct hoy_err *err)
{
	for (; names && *names; names++) {
		bool found = hoy_json_get(in, *names) != NULL;

		hoy_json_each(entry, in)
		{
			const char *text = hoy_json_string(entry);
			char *one[] = { *names, NULL };

			found = found || (text && hoy_json_type(in) == HOY_JSON_ARRAY && names_entry(one, text));
		}
		if (!found)
			return hoy_err_not_found(err, "the container has no %s '%s'", what, *names);
	}
	return 0;
}

static int print_env(
	struct hoy_json_writer *w, const struct update_options *o, const struct hoy_json *now, struct hoy_err *err)
{
	for (char **e = o->env_add; e && *e; e++)
		if (!strchr(*e, '=') || **e == '=')
			return hoy_err_invalid(err, "--env-add %s: it has the form NAME=VALUE", *e);
	hoy_json_array(w, "Env");
	hoy_json_each(entry, now)
	{
		const char *text = hoy_json_string(entry);

		if (text && !names_entry(o->env_rm, text) && !names_entry(o->env_add, text))
			hoy_json_add_string(w, NULL, text);
	}
	for (char **e = o->env_add; e && *e; e++)
		if (!names_entry(e + 1, *e)) /* the last one counts */
			hoy_json_add_string(w, NULL, *e);
	hoy_json_end(w);
	return check_removed(o->env_rm, "variable", now, err);
}

static int print_labels(
	struct hoy_json_writer *w, const struct update_options *o, const struct hoy_json *now, struct hoy_err *err)
{
	hoy_json_object(w, "Labels");
	hoy_json_each(label, now)
	{
		if (!names_entry(o->label_rm, hoy_json_key(label)) && !names_entry(o->label_add, hoy_json_key(label)))
			hoy_json_add_string(w, hoy_json_key(label), hoy_json_string(label));
	}
	for (char **l = o->label_add; l && *l; l++) {
		size_t len = strcspn(*l, "=");
		auto_free char *key = strndup(*l, len);

		if (!key)
			return hoy_err_oom(err);
		if (!len)
			return hoy_err_invalid(err, "--label-add %s: it has the form NAME[=VALUE]", *l);
		if (!names_entry(l + 1, *l))
			hoy_json_add_string(w, key, (*l)[len] ? *l + len + 1 : "");
	}
	hoy_json_end(w);
	return check_removed(o->label_rm, "label", now, err);
}

static int print_health(struct hoy_json_writer *w, const struct hoy_health_options *health, const struct hoy_json *now,
	struct hoy_err *err)
{
	const char *kind = hoy_json_string(hoy_json_first(hoy_json_get(now, "Test")));

	if (!health->none && !health->cmd && (!kind || strcmp(kind, "NONE") == 0))
		return hoy_err_invalid(err, "the container has no health check: --health-cmd gives it one");
	return hoy_health_options_print(w, health, now, err);
}

/* `now`: the Config of the container, of which the engine gets whole members. */
static int print_config(
	struct hoy_json_writer *w, const struct update_options *o, const struct hoy_json *now, struct hoy_err *err)
{
	int r = 0;

	if (o->env_add || o->env_rm)
		r = print_env(w, o, hoy_json_get(now, "Env"), err);
	if (r >= 0 && (o->label_add || o->label_rm))
		r = print_labels(w, o, hoy_json_get(now, "Labels"), err);
	if (r >= 0 && (hoy_health_options_given(&o->health)))
		r = print_health(w, &o->health, hoy_json_get(now, "Healthcheck"), err);
	return r;
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static int request_body(
	const struct update_options *o, const struct hoy_json *now, struct hoy_buf *body, struct hoy_err *err)
{
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{ "CpuPeriod", o->cpu_period },
		{ "CpuQuota", o->cpu_quota },
		{ "CpuShares", o->cpu_shares },
		{ "NanoCpus", (int64_t) (o->cpus * 1e9 + 0.5) },
		{ "Memory", o->memory },
		{ "MemoryReservation", o->reservation },
		{ "MemorySwap", o->swap },
	};
	struct hoy_json_writer w = { .buf = body };
	int r;

	hoy_json_object(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].value)
			hoy_json_add_i64(&w, numbers[i].key, numbers[i].value);
	if (o->pids_given)
		hoy_json_add_i64(&w, "PidsLimit", o->pids);
	if (o->cpuset_cpus)
		hoy_json_add_string(&w, "CpusetCpus", o->cpuset_cpus);
	if (o->cpuset_mems)
		hoy_json_add_string(&w, "CpusetMems", o->cpuset_mems);
	r = add_policy(&w, o->restart, err);
	if (r >= 0)
		r = print_config(&w, o, now, err);
	if (r < 0) /* some of it is open yet */
		return r;
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(body, "the request", err);
}

/* --- published ports ---------------------------------------------------------------------------------------------- */

struct ports {
	struct hoy_publish *list;
	size_t n;
};

static void ports_done(struct ports *ports)
{
	hoy_publish_free(ports->list, ports->n);
}

static int add_port(struct ports *ports, const char *container, const char *ip, const char *port)
{
	struct hoy_publish *grown = realloc(ports->list, (ports->n + 1) * sizeof *grown);
	struct hoy_publish *p;

	if (!grown)
		return -ENOMEM;
	ports->list = grown;
	p = &grown[ports->n++];
	*p = (struct hoy_publish){ .host_ip = strdup(ip), .host_port = strdup(port), .container = strdup(container) };
	return p->host_ip && p->host_port && p->container ? 0 : -ENOMEM;
}

/* Does what is to go name this one? What it leaves out is any. */
static bool names(const struct hoy_publish *what, const struct hoy_publish *port)
{
	return strcmp(what->container, port->container) == 0 &&
	       (!*what->host_port || strcmp(what->host_port, port->host_port) == 0) &&
	       (!*what->host_ip || strcmp(what->host_ip, port->host_ip) == 0);
}

static int remove_ports(struct ports *ports, const char *spec, struct hoy_err *err)
{
	auto_(ports_done) struct ports gone = {};
	int r = hoy_publish_parse(spec, &gone.list, &gone.n, err);

	for (size_t i = 0; r >= 0 && i < gone.n; i++) {
		size_t kept = 0;

		for (size_t k = 0; k < ports->n; k++) {
			struct hoy_publish port = ports->list[k];

			if (names(&gone.list[i], &port)) {
				free(port.host_ip);
				free(port.host_port);
				free(port.container);
			} else {
				ports->list[kept++] = port;
			}
		}
		if (kept == ports->n)
			r = hoy_err_not_found(err, "port %s is not published: %s", gone.list[i].container, spec);
		ports->n = kept;
	}
	return r;
}

static int read_container(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, "/json");
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "GET", path.data, NULL, ret, err);
}

static int read_ports(struct hoy_cli *cli, const char *name, struct ports *ports, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	int r = read_container(cli, name, &info, err);

	if (r < 0)
		return r;
	hoy_json_each(port, hoy_json_get(hoy_json_get(info, "HostConfig"), "PortBindings"))
	{
		hoy_json_each(binding, port)
		{
			if (add_port(ports, hoy_json_key(port), hoy_cli_text(binding, "HostIp"),
				    hoy_cli_text(binding, "HostPort")) < 0)
				return hoy_err_oom(err);
		}
	}
	return 0;
}

static int ports_body(const struct ports *ports, struct hoy_buf *body, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = body };

	hoy_json_object(&w, NULL);
	hoy_json_object(&w, "PortBindings");
	for (size_t i = 0; i < ports->n; i++) {
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen = seen || strcmp(ports->list[k].container, ports->list[i].container) == 0;
		if (seen)
			continue;
		hoy_json_array(&w, ports->list[i].container);
		for (size_t k = i; k < ports->n; k++) {
			if (strcmp(ports->list[k].container, ports->list[i].container) != 0)
				continue;
			hoy_json_object(&w, NULL);
			hoy_json_add_string(&w, "HostIp", ports->list[k].host_ip);
			hoy_json_add_string(&w, "HostPort", ports->list[k].host_port);
			hoy_json_end(&w);
		}
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_json_end(&w);
	return hoy_buf_check(body, "the request", err);
}

static int post(struct hoy_cli *cli, const char *name, const char *body, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, "/update");
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "POST", path.data, body, NULL, err);
}

static int update_ports(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct update_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf body = {};
	auto_(ports_done) struct ports ports = {};
	int r = hoy_cli_check_engine(cli, "--publish-add and --publish-rm", err);

	if (r >= 0)
		r = read_ports(cli, name, &ports, err);
	for (char **spec = o->publish_rm; r >= 0 && spec && *spec; spec++)
		r = remove_ports(&ports, *spec, err);
	for (char **spec = o->publish_add; r >= 0 && spec && *spec; spec++)
		r = hoy_publish_parse(*spec, &ports.list, &ports.n, err);
	if (r >= 0)
		r = ports_body(&ports, &body, err);
	return r < 0 ? r : post(cli, name, body.data, err);
}

static int update_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct update_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf body = {};
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	int r = 0;

	if (changes_config(o))
		r = hoy_cli_check_engine(cli, "changes of environment, labels and health checks", err);
	if (r >= 0 && changes_config(o))
		r = read_container(cli, name, &info, err);
	if (r >= 0)
		r = request_body(o, hoy_json_get(info, "Config"), &body, err);
	if (r >= 0 && (o->publish_add || o->publish_rm))
		r = update_ports(cli, name, err);
	if (r < 0 || ((o->publish_add || o->publish_rm) && strcmp(body.data, "{}") == 0))
		return r;
	return post(cli, name, body.data, err);
}

static int cmd_update(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, update_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_update = {
	.name = "update",
	.alias = "container update",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Update configuration of one or more containers",
	.options = update_options,
	.values_size = sizeof(struct update_options),
	.run = cmd_update,
};
