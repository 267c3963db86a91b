/* GET /containers/json and /containers/{id}/json. */
#include "supervisor/api/container_json.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/network_json.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/container/exec.h"
#include "supervisor/container/sizes.h"
#include "supervisor/image/image.h"
#include "supervisor/network/network.h"

/* --- words ---------------------------------------------------------------------------------------------------- */

const char *hoy_api_human_duration(int64_t seconds, char buf[HOY_HUMAN_DURATION_MAX])
{
	int64_t minutes = seconds / 60, hours = (seconds + 1800) / 3600;
	long long n;
	const char *unit;

	if (seconds < 1)
		return "Less than a second";
	if (seconds == 1)
		return "1 second";
	if (minutes == 1)
		return "About a minute";
	if (minutes && hours == 1)
		return "About an hour";
	if (seconds < 60)
		n = seconds, unit = "seconds";
	else if (minutes < 60)
		n = minutes, unit = "minutes";
	else if (hours < 48)
		n = hours, unit = "hours";
	else if (hours < 24 * 7 * 2)
		n = hours / 24, unit = "days";
	else if (hours < 24 * 30 * 2)
		n = hours / 24 / 7, unit = "weeks";
	else if (hours < 24 * 365 * 2)
		n = hours / 24 / 30, unit = "months";
	else
		n = hours / 24 / 365, unit = "years";
	(void) snprintf(buf, HOY_HUMAN_DURATION_MAX, "%lld %s", n, unit);
	return buf;
}

char *hoy_api_command_line(char *const *args)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	(void) hoy_buf_adds(&buf, "");
	for (size_t i = 0; args && args[i]; i++) {
		bool quote = i > 0 && strchr(args[i], ' ');

		(void) hoy_buf_addf(&buf, "%s%s%s%s", i ? " " : "", quote ? "'" : "", args[i], quote ? "'" : "");
	}
	return hoy_buf_take(&buf);
}

static int64_t seconds_since(const struct timespec *ts)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec - ts->tv_sec - (now.tv_nsec < ts->tv_nsec);
}

static char *status_text(const struct hoy_container_info *c)
{
	char buf[HOY_HUMAN_DURATION_MAX];

	static const char *const health[] = { [HOY_HEALTH_NONE] = "",
		[HOY_HEALTH_STARTING] = " (health: starting)",
		[HOY_HEALTH_HEALTHY] = " (healthy)",
		[HOY_HEALTH_UNHEALTHY] = " (unhealthy)" };

	if (c->restarting)
		return hoy_str_printf("Restarting (%d) %s ago", c->exit_code,
			hoy_api_human_duration(seconds_since(&c->finished), buf));
	switch (c->status) {
	case HOY_CONTAINER_RUNNING:
		return hoy_str_printf("Up %s%s", hoy_api_human_duration(seconds_since(&c->started), buf),
			c->paused ? " (Paused)" : health[c->health.status]);
	case HOY_CONTAINER_EXITED:
		return hoy_str_printf(
			"Exited (%d) %s ago", c->exit_code, hoy_api_human_duration(seconds_since(&c->finished), buf));
	case HOY_CONTAINER_REMOVING:
		return strdup("Removal In Progress");
	default:
		return strdup("Created");
	}
}

static void encode_mounts(struct hoy_json_writer *w, const struct hoy_container_info *c)
{
	hoy_json_array(w, "Mounts");
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct hoy_container_mount_info *m = &c->mounts[i];

		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Type", m->type);
		if (m->name && *m->name)
			hoy_json_add_string(w, "Name", m->name);
		hoy_json_add_string(w, "Source", m->source ? m->source : "");
		hoy_json_add_string(w, "Destination", m->destination);
		if (m->driver && *m->driver)
			hoy_json_add_string(w, "Driver", m->driver);
		hoy_json_add_string(w, "Mode", m->mode ? m->mode : "");
		hoy_json_add_bool(w, "RW", m->rw);
		hoy_json_add_string(w, "Propagation", m->propagation ? m->propagation : "");
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* --- list ----------------------------------------------------------------------------------------------------- */

/* The name the client used, while it still means the same image. */
static const char *image_name(const struct hoy_api *api, const struct hoy_container_info *c)
{
	const struct hoy_image *image;

	if (hoy_images_find(api->o.images, c->config->image, &image, NULL) >= 0 && !strcmp(image->id, c->image_id))
		return c->config->image;
	return c->image_id;
}

static void encode_summary_head(
	struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c)
{
	auto_free char *name = hoy_str_printf("/%s", c->name), *command = hoy_api_command_line(c->args);
	auto_ptr(hoy_strv_free) char **links = NULL;

	(void) hoy_container_link_names(api->o.containers, c, &links, NULL);
	hoy_json_add_string(w, "Id", c->id);
	hoy_json_array(w, "Names");
	hoy_json_add_string(w, NULL, name);
	for (char **link = links; link && *link; link++)
		hoy_json_add_string(w, NULL, *link);
	hoy_json_end(w);
	hoy_json_add_string(w, "Image", image_name(api, c));
	hoy_json_add_string(w, "ImageID", c->image_id);
	hoy_json_add_string(w, "Command", command);
	hoy_json_add_i64(w, "Created", c->created.tv_sec);
}

/* SizeRw is left out when it is nothing, as in docker's answers. */
static void add_size(struct hoy_json_writer *w, const struct hoy_container_size *size, bool also_zero)
{
	if (!size || size->rw < 0)
		return;
	if (size->rw || also_zero)
		hoy_json_add_i64(w, "SizeRw", size->rw);
	hoy_json_add_i64(w, "SizeRootFs", size->root_fs);
}

void hoy_api_add_container(struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c,
	const struct hoy_container_size *size)
{
	auto_(hoy_endpoint_info_done) struct hoy_endpoint_info endpoint = { 0 };
	bool has = hoy_network_endpoint(api->o.networks, c->id, &endpoint, NULL) >= 0;
	auto_free char *status = status_text(c);

	hoy_json_object(w, NULL);
	encode_summary_head(w, api, c);
	hoy_api_add_port_list(w, has ? &endpoint : NULL, c->config->exposed_ports);
	add_size(w, size, /* also_zero= */ false);
	hoy_api_add_kv(w, "Labels", c->config->labels, c->config->n_labels);
	hoy_json_add_string(w, "State", hoy_container_state(c));
	hoy_json_add_string(w, "Status", status);
	hoy_json_object(w, "HostConfig");
	hoy_json_add_string(w, "NetworkMode", c->config->host.network_mode);
	if (c->config->host.n_annotations)
		hoy_api_add_kv(w, "Annotations", c->config->host.annotations, c->config->host.n_annotations);
	hoy_json_end(w);
	hoy_json_object(w, "NetworkSettings");
	hoy_api_add_endpoints(w, api, c);
	hoy_json_end(w);
	encode_mounts(w, c);
	hoy_json_end(w);
}

/* Filters for swarm and for Windows. */
static int check_other_filters(const struct hoy_filters *filters, struct hoy_err *err)
{
	static const char *const unsupported[] = { "is-task", "isolation" };

	for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
		if (hoy_filters_has(filters, unsupported[i]))
			return hoy_err_unsupported(err, "containers: the filter '%s' is not supported", unsupported[i]);
	return 0;
}

static int fill_filter(struct hoy_container_filter *f, const struct hoy_filters *filters, struct hoy_err *err)
{
	const struct {
		const char *key;
		char ***values;
	} members[] = {
		{ "status", &f->statuses },
		{ "name", &f->names },
		{ "id", &f->ids },
		{ "label", &f->labels },
		{ "ancestor", &f->ancestors },
		{ "exited", &f->exited },
		{ "health", &f->healths },
		{ "before", &f->before },
		{ "since", &f->since },
		{ "volume", &f->volumes },
		{ "network", &f->networks },
		{ "publish", &f->published },
		{ "expose", &f->exposed },
	};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		int r = hoy_filters_values(filters, members[i].key, members[i].values, err);

		if (r < 0)
			return r;
	}
	return check_other_filters(filters, err);
}

static int parse_filter(struct hoy_api_request *rq, struct hoy_container_filter *f, struct hoy_err *err)
{
	static const char *const known[] = { "ancestor", "before", "exited", "expose", "health", "id", "is-task",
		"isolation", "label", "name", "network", "publish", "since", "status", "volume", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	long long limit;
	int r = hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err);

	if (r >= 0)
		r = hoy_uri_query_i64(&rq->uri, "limit", 0, &limit, err);
	if (r >= 0)
		r = fill_filter(f, &filters, err);
	if (r < 0)
		return r;
	f->all = hoy_uri_query_bool(&rq->uri, "all", false);
	f->limit = limit > 0 ? (size_t) limit : 0;
	return 0;
}

static int find_listed(
	struct hoy_api_request *rq, const struct hoy_container_info ***ret, size_t *ret_n, struct hoy_err *err)
{
	auto_(hoy_container_filter_done) struct hoy_container_filter filter = { 0 };
	int r = parse_filter(rq, &filter, err);

	return r < 0 ? r : hoy_containers_list(rq->api->o.containers, &filter, ret, ret_n, err);
}

static const struct hoy_container_size *find_size(const struct hoy_container_size *sizes, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(sizes[i].id, id))
			return &sizes[i];
	return NULL;
}

static int reply_list(
	struct hoy_api_request *rq, const struct hoy_container_size *sizes, size_t n_sizes, struct hoy_err *err)
{
	auto_free const struct hoy_container_info **containers = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	size_t n = 0;
	int r = find_listed(rq, &containers, &n, err);

	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < n; i++)
		hoy_api_add_container(&w, rq->api, containers[i], find_size(sizes, n_sizes, containers[i]->id));
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

static void on_listed_sizes(void *userdata, const struct hoy_err *err, const struct hoy_container_size *sizes, size_t n)
{
	struct hoy_api_request *rq = userdata;
	struct hoy_err own = { 0 };

	if (!err && reply_list(rq, sizes, n, &own) < 0)
		err = &own;
	if (err)
		hoy_api_reply_error(rq, err);
}

/* What is listed is found again when the sizes are known: containers come and go meanwhile. */
static int list_with_sizes(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_free const struct hoy_container_info **containers = NULL;
	auto_ptr(hoy_strv_free) char **ids = NULL;
	size_t n = 0;
	int r = find_listed(rq, &containers, &n, err);

	if (r >= 0 && n == 0)
		return reply_list(rq, NULL, 0, err);
	for (size_t i = 0; i < n && r >= 0; i++)
		if (hoy_strv_add(&ids, containers[i]->id) < 0)
			r = hoy_err_oom(err);
	return r < 0 ? r : hoy_container_sizes(rq->api->o.containers, ids, on_listed_sizes, rq, err);
}

int hoy_api_container_list(struct hoy_api_request *rq, struct hoy_err *err)
{
	return hoy_uri_query_bool(&rq->uri, "size", false) ? list_with_sizes(rq, err) : reply_list(rq, NULL, 0, err);
}

/* --- inspect -------------------------------------------------------------------------------------------------- */

static void encode_health(struct hoy_json_writer *w, const struct hoy_health *health)
{
	hoy_json_object(w, "Health");
	hoy_json_add_string(w, "Status", hoy_health_status_to_string(health->status));
	hoy_json_add_i64(w, "FailingStreak", health->failing_streak);
	hoy_json_array(w, "Log");
	for (size_t i = 0; i < health->n_log; i++) {
		hoy_json_object(w, NULL);
		hoy_api_add_time(w, "Start", &health->log[i].start);
		hoy_api_add_time(w, "End", &health->log[i].end);
		hoy_json_add_i64(w, "ExitCode", health->log[i].exit_code);
		hoy_json_add_string(w, "Output", health->log[i].output ? health->log[i].output : "");
		hoy_json_end(w);
	}
	hoy_json_end(w);
	hoy_json_end(w);
}

static void encode_state(struct hoy_json_writer *w, const struct hoy_container_info *c)
{
	hoy_json_object(w, "State");
	hoy_json_add_string(w, "Status", hoy_container_state(c));
	hoy_json_add_bool(w, "Running", hoy_container_is_running(c));
	hoy_json_add_bool(w, "Paused", c->paused);
	hoy_json_add_bool(w, "Restarting", c->restarting);
	hoy_json_add_bool(w, "OOMKilled", c->oom_killed);
	hoy_json_add_bool(w, "Dead", false);
	hoy_json_add_i64(w, "Pid", c->pid);
	hoy_json_add_i64(w, "ExitCode", c->exit_code);
	hoy_json_add_string(w, "Error", c->error ? c->error : "");
	hoy_api_add_time(w, "StartedAt", &c->started);
	hoy_api_add_time(w, "FinishedAt", &c->finished);
	if (c->health.status != HOY_HEALTH_NONE)
		encode_health(w, &c->health);
	hoy_json_end(w);
}

static void encode_process(struct hoy_json_writer *w, const struct hoy_container_info *c)
{
	bool has = c->args && c->args[0];

	hoy_json_add_string(w, "Id", c->id);
	hoy_api_add_time(w, "Created", &c->created);
	hoy_json_add_string(w, "Path", has ? c->args[0] : "");
	hoy_api_add_strings(w, "Args", has ? c->args + 1 : NULL);
	encode_state(w, c);
}

static void encode_execs(struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c)
{
	auto_free const char **ids = hoy_execs_of(api->o.containers, c->id);

	hoy_json_add_strv(w, "ExecIDs", (char *const *) ids);
}

static const char *apparmor_profile(const struct hoy_container_host_config *host)
{
	const char *profile = "";

	for (size_t i = 0; host->security_opt && host->security_opt[i]; i++)
		if (hoy_str_starts(host->security_opt[i], "apparmor"))
			profile = host->security_opt[i] + strcspn(host->security_opt[i], "=:");
	return *profile ? profile + 1 : "";
}

static void encode_files(struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c)
{
	auto_free char *name = hoy_str_printf("/%s", c->name);

	hoy_json_add_string(w, "Image", c->image_id);
	hoy_json_add_string(w, "ResolvConfPath", c->resolv_conf_path ? c->resolv_conf_path : "");
	hoy_json_add_string(w, "HostnamePath", c->hostname_path ? c->hostname_path : "");
	hoy_json_add_string(w, "HostsPath", c->hosts_path ? c->hosts_path : "");
	hoy_json_add_string(w, "LogPath", c->log_path ? c->log_path : "");
	hoy_json_add_string(w, "Name", name);
	hoy_json_add_i64(w, "RestartCount", c->restart_count);
	hoy_json_add_string(w, "Driver", "overlay2");
	hoy_json_add_string(w, "Platform", "linux");
	hoy_json_add_string(w, "MountLabel", "");
	hoy_json_add_string(w, "ProcessLabel", "");
	hoy_json_add_string(w, "AppArmorProfile", apparmor_profile(&c->config->host));
	encode_execs(w, api, c);
}

/* There is no merged directory on the host: the overlay is mounted inside the container alone. */
static void encode_layers(struct hoy_json_writer *w, const struct hoy_container_info *c)
{
	hoy_json_object(w, "GraphDriver");
	hoy_json_object(w, "Data");
	hoy_json_add_string(w, "ID", c->id);
	hoy_json_add_string(w, "UpperDir", c->upper_dir ? c->upper_dir : "");
	hoy_json_add_string(w, "WorkDir", c->work_dir ? c->work_dir : "");
	hoy_json_end(w);
	hoy_json_add_string(w, "Name", "overlay2");
	hoy_json_end(w);
}

static void encode_network_settings(
	struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c)
{
	auto_(hoy_endpoint_info_done) struct hoy_endpoint_info endpoint = { 0 };
	bool has = hoy_network_endpoint(api->o.networks, c->id, &endpoint, NULL) >= 0;
	bool up = has && endpoint.attached, on_bridge = up && endpoint.mode == HOY_NETWORK_BRIDGE;
	auto_free char *key = up && c->pid ? hoy_str_printf("/proc/%d/ns/net", (int) c->pid) : NULL;

	hoy_json_object(w, "NetworkSettings");
	hoy_json_add_string(w, "Bridge", "");
	hoy_json_add_string(w, "SandboxID", up ? c->id : "");
	hoy_json_add_string(w, "SandboxKey", key ? key : "");
	hoy_api_add_port_map(w, has ? &endpoint : NULL, c->config->exposed_ports);
	hoy_json_add_bool(w, "HairpinMode", false);
	hoy_json_add_string(w, "LinkLocalIPv6Address", "");
	hoy_json_add_i64(w, "LinkLocalIPv6PrefixLen", 0);
	hoy_json_add_null(w, "SecondaryIPAddresses");
	hoy_json_add_null(w, "SecondaryIPv6Addresses");
	hoy_json_add_string(w, "EndpointID", on_bridge ? endpoint.endpoint_id : "");
	hoy_json_add_string(w, "Gateway", on_bridge ? endpoint.gateway : "");
	hoy_json_add_string(w, "GlobalIPv6Address", on_bridge ? endpoint.address6 : "");
	hoy_json_add_i64(w, "GlobalIPv6PrefixLen", on_bridge ? (int64_t) endpoint.prefix6_len : 0);
	hoy_json_add_string(w, "IPAddress", on_bridge ? endpoint.address : "");
	hoy_json_add_i64(w, "IPPrefixLen", on_bridge ? (int64_t) endpoint.prefix_len : 0);
	hoy_json_add_string(w, "IPv6Gateway", on_bridge ? endpoint.gateway6 : "");
	hoy_json_add_string(w, "MacAddress", on_bridge ? endpoint.mac : "");
	if (!has && hoy_str_starts(c->config->host.network_mode, "container:")) {
		hoy_json_object(w, "Networks"); /* they are the other container's */
		hoy_json_end(w);
	} else {
		hoy_api_add_endpoints(w, api, c);
	}
	hoy_json_end(w);
}

static int add_host_config(
	struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	auto_ptr(hoy_strv_free) char **links = NULL;
	int r = hoy_container_links_shown(api->o.containers, c, &links, err);

	if (r >= 0)
		r = hoy_container_config_print_host_with(c->config, links, &buf, err);
	if (r >= 0)
		hoy_json_add_raw(w, "HostConfig", buf.data);
	return r;
}

/* A member whose text another room printed. */
static int add_printed(struct hoy_json_writer *w, const char *key, const struct hoy_container_config *config,
	int (*print)(const struct hoy_container_config *config, struct hoy_buf *buf, struct hoy_err *err),
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	int r = print(config, &buf, err);

	if (r >= 0)
		r = hoy_buf_check(&buf, key, err);
	if (r >= 0)
		hoy_json_add_raw(w, key, buf.data);
	return r;
}

/* `size` may be NULL. */
static int reply_inspect(struct hoy_api_request *rq, const struct hoy_container_size *size, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const struct hoy_container_info *c;
	int r = hoy_containers_find(rq->api->o.containers, rq->name, &c, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	encode_process(&w, c);
	encode_files(&w, rq->api, c);
	r = add_host_config(&w, rq->api, c, err);
	if (r < 0)
		return r;
	encode_layers(&w, c);
	add_size(&w, size, /* also_zero= */ true);
	encode_mounts(&w, c);
	r = add_printed(&w, "Config", c->config, hoy_container_config_print_config, err);
	if (r < 0)
		return r;
	encode_network_settings(&w, rq->api, c);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

static void on_inspected_size(
	void *userdata, const struct hoy_err *err, const struct hoy_container_size *sizes, size_t n)
{
	struct hoy_api_request *rq = userdata;
	struct hoy_err own = { 0 };

	if (!err && reply_inspect(rq, n ? sizes : NULL, &own) < 0)
		err = &own;
	if (err)
		hoy_api_reply_error(rq, err);
}

int hoy_api_container_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	char *ids[] = { rq->name, NULL };

	if (!hoy_uri_query_bool(&rq->uri, "size", false))
		return reply_inspect(rq, NULL, err);
	return hoy_container_sizes(rq->api->o.containers, ids, on_inspected_size, rq, err);
}
