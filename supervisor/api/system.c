/* /_ping, /version, /info, /events and what little of /plugins there is. */
#include <string.h>
#include <time.h>

#include "base/cgroup/cgroup.h"
#include "base/time.h"
#include "config.h"
#include "supervisor/api/events.h"
#include "supervisor/api/host.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/version.h"
#include "supervisor/container/container.h"
#include "supervisor/image/image.h"
#include "supervisor/network/network.h"

static int ping(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_buf body = { 0 };

	hoy_http_add_header(rq->x, "Builder-Version", "1");
	hoy_http_add_header(rq->x, "Cache-Control", "no-cache, no-store, must-revalidate");
	hoy_http_add_header(rq->x, "Pragma", "no-cache");
	hoy_http_add_header(rq->x, "Swarm", "inactive");
	if (!strcmp(hoy_http_method(rq->x), "GET") && hoy_buf_adds(&body, "OK") < 0)
		return hoy_err_oom(err);
	hoy_http_reply(rq->x, 200, "text/plain; charset=utf-8", &body);
	return 0;
}

/* --- version -------------------------------------------------------------------------------------------------- */

static void encode_engine_component(
	struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_host_facts *host)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Name", "Engine");
	hoy_json_add_string(w, "Version", PACKAGE_VERSION);
	hoy_json_object(w, "Details");
	hoy_json_add_string(w, "ApiVersion", HOY_API_MAX);
	hoy_json_add_string(w, "Arch", hoy_host_goarch());
	hoy_json_add_string(w, "BuildTime", "");
	hoy_json_add_string(w, "Experimental", api->o.experimental ? "true" : "false");
	hoy_json_add_string(w, "GitCommit", "");
	hoy_json_add_string(w, "GoVersion", "");
	hoy_json_add_string(w, "KernelVersion", host->kernel);
	hoy_json_add_string(w, "MinAPIVersion", HOY_API_MIN);
	hoy_json_add_string(w, "Os", "linux");
	hoy_json_end(w);
	hoy_json_end(w);
}

static void encode_component(struct hoy_json_writer *w, const char *name)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Name", name);
	hoy_json_add_string(w, "Version", PACKAGE_VERSION);
	hoy_json_object(w, "Details");
	hoy_json_end(w);
	hoy_json_end(w);
}

static int version(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_host_facts_done) struct hoy_host_facts host = { 0 };
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	(void) err;
	hoy_host_facts_read(&host);
	hoy_json_object(&w, NULL);
	hoy_json_object(&w, "Platform");
	hoy_json_add_string(&w, "Name", "Hoy");
	hoy_json_end(&w);
	hoy_json_array(&w, "Components");
	encode_engine_component(&w, rq->api, &host);
	encode_component(&w, "hoyrun");
	encode_component(&w, "containerd-shim-hoy-v2");
	hoy_json_end(&w);
	hoy_json_add_string(&w, "Version", PACKAGE_VERSION);
	hoy_json_add_string(&w, "ApiVersion", HOY_API_MAX);
	hoy_json_add_string(&w, "MinAPIVersion", HOY_API_MIN);
	hoy_json_add_string(&w, "GitCommit", "");
	hoy_json_add_string(&w, "GoVersion", "");
	hoy_json_add_string(&w, "Os", "linux");
	hoy_json_add_string(&w, "Arch", hoy_host_goarch());
	hoy_json_add_string(&w, "KernelVersion", host.kernel);
	hoy_json_add_string(&w, "BuildTime", "");
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- info ----------------------------------------------------------------------------------------------------- */

static int encode_counts(struct hoy_api_request *rq, struct hoy_json_writer *w, struct hoy_err *err)
{
	struct hoy_image_filter all = { .all = true };
	auto_free const struct hoy_image **images = NULL;
	struct hoy_containers_count count;
	size_t n_images;
	int r;

	r = hoy_images_list(rq->api->o.images, &all, &images, &n_images, err);
	if (r < 0)
		return r;
	hoy_containers_count(rq->api->o.containers, &count);
	hoy_json_add_u64(w, "Containers", count.running + count.paused + count.stopped);
	hoy_json_add_u64(w, "ContainersRunning", count.running);
	hoy_json_add_u64(w, "ContainersPaused", count.paused);
	hoy_json_add_u64(w, "ContainersStopped", count.stopped);
	hoy_json_add_u64(w, "Images", n_images);
	return 0;
}

static void encode_plugins(struct hoy_json_writer *w)
{
	static const char *const networks[] = { "bridge", "host", "null", NULL };
	static const char *const logs[] = { "fluentd", "gelf", "journald", "json-file", "local", "none", "syslog",
		NULL };
	static const char *const volumes[] = { "local", NULL };

	hoy_json_object(w, "Plugins");
	hoy_api_add_strings(w, "Volume", (char *const *) volumes);
	hoy_api_add_strings(w, "Network", (char *const *) networks);
	hoy_json_add_null(w, "Authorization");
	hoy_api_add_strings(w, "Log", (char *const *) logs);
	hoy_json_end(w);
}

static void encode_limits(struct hoy_json_writer *w, const struct hoy_api *api)
{
	static const struct {
		const char *key;
		enum hoy_cgroup_controller controller;
	} limits[] = { { "MemoryLimit", HOY_CGROUP_MEMORY }, { "CpuCfsPeriod", HOY_CGROUP_CPU },
		{ "CpuCfsQuota", HOY_CGROUP_CPU }, { "CPUShares", HOY_CGROUP_CPU }, { "CPUSet", HOY_CGROUP_CPUSET },
		{ "PidsLimit", HOY_CGROUP_PIDS } };
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;

	(void) hoy_cgroup_host_detect(&host, NULL); /* without cgroups there is no limit */
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		hoy_json_add_bool(w, limits[i].key, host && hoy_cgroup_host_has(host, limits[i].controller));
	hoy_json_add_bool(w, "SwapLimit", hoy_containers_can_limit_swap());
	hoy_json_add_bool(w, "OomKillDisable", false);
	hoy_json_add_bool(w, "IPv4Forwarding", api->o.ip_forward);
	hoy_json_add_bool(w, "BridgeNfIptables", false);
	hoy_json_add_bool(w, "BridgeNfIp6tables", false);
}

static void encode_runtimes(struct hoy_json_writer *w, const struct hoy_api *api)
{
	hoy_json_object(w, "Runtimes");
	for (char *const *r = api->o.runtimes; r && *r; r++) {
		const char *eq = strchr(*r, '=');
		auto_free char *name = eq ? strndup(*r, (size_t) (eq - *r)) : NULL;

		if (!name)
			continue;
		hoy_json_object(w, name);
		hoy_json_add_string(w, "path", eq + 1);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	hoy_json_add_string(w, "DefaultRuntime", api->o.default_runtime);
}

static void encode_swarm(struct hoy_json_writer *w)
{
	hoy_json_object(w, "Swarm");
	hoy_json_add_string(w, "NodeID", "");
	hoy_json_add_string(w, "NodeAddr", "");
	hoy_json_add_string(w, "LocalNodeState", "inactive");
	hoy_json_add_bool(w, "ControlAvailable", false);
	hoy_json_add_string(w, "Error", "");
	hoy_json_add_null(w, "RemoteManagers");
	hoy_json_end(w);
}

static void encode_registry(struct hoy_json_writer *w)
{
	hoy_json_add_string(w, "IndexServerAddress", "https://index.docker.io/v1/");
	hoy_json_object(w, "RegistryConfig");
	hoy_json_array(w, "InsecureRegistryCIDRs");
	hoy_json_add_string(w, NULL, "::1/128");
	hoy_json_add_string(w, NULL, "127.0.0.0/8");
	hoy_json_end(w);
	hoy_json_object(w, "IndexConfigs");
	hoy_json_object(w, "docker.io");
	hoy_json_add_string(w, "Name", "docker.io");
	hoy_json_array(w, "Mirrors");
	hoy_json_end(w);
	hoy_json_add_bool(w, "Secure", true);
	hoy_json_add_bool(w, "Official", true);
	hoy_json_end(w);
	hoy_json_end(w);
	hoy_json_array(w, "Mirrors");
	hoy_json_end(w);
	hoy_json_end(w);
}

static void encode_host(struct hoy_json_writer *w, const struct hoy_host_facts *host)
{
	hoy_json_add_string(w, "CgroupDriver", "cgroupfs");
	hoy_json_add_string(w, "CgroupVersion", host->cgroup_v2 ? "2" : "1");
	hoy_json_add_string(w, "KernelVersion", host->kernel ? host->kernel : "");
	hoy_json_add_string(w, "OperatingSystem", host->os_name ? host->os_name : "Linux");
	hoy_json_add_string(w, "OSVersion", host->os_version ? host->os_version : "");
	hoy_json_add_string(w, "OSType", "linux");
	hoy_json_add_string(w, "Architecture", host->machine ? host->machine : "");
	hoy_json_add_i64(w, "NCPU", host->cpus);
	hoy_json_add_i64(w, "MemTotal", host->memory);
}

static void encode_storage(struct hoy_json_writer *w, const struct hoy_api *api)
{
	hoy_json_add_string(w, "Driver", "overlay2");
	hoy_json_array(w, "DriverStatus");
	hoy_json_array(w, NULL);
	hoy_json_add_string(w, NULL, "userxattr");
	hoy_json_add_string(w, NULL, "true");
	hoy_json_end(w);
	hoy_json_end(w);
	hoy_json_add_string(w, "DockerRootDir", api->o.data_root);
}

static void encode_commit(struct hoy_json_writer *w, const char *key)
{
	hoy_json_object(w, key);
	hoy_json_add_string(w, "ID", "");
	hoy_json_end(w);
}

static void encode_daemon(struct hoy_json_writer *w, const struct hoy_api *api)
{
	char now[HOY_TIME_MAX];

	hoy_time_now(now);
	hoy_json_add_bool(w, "Debug", api->o.debug);
	hoy_json_add_u64(w, "NFd", hoy_host_count_fds());
	hoy_json_add_u64(w, "NGoroutines", 1);
	hoy_json_add_string(w, "SystemTime", now);
	hoy_json_add_string(w, "LoggingDriver", "json-file");
	hoy_json_add_u64(w, "NEventsListener", hoy_api_events_listeners(api->events));
	hoy_json_add_null(w, "GenericResources");
	hoy_json_add_string(w, "HttpProxy", "");
	hoy_json_add_string(w, "HttpsProxy", "");
	hoy_json_add_string(w, "NoProxy", "");
	hoy_api_add_strings(w, "Labels", api->o.labels);
	hoy_json_add_bool(w, "ExperimentalBuild", api->o.experimental);
	hoy_json_add_string(w, "ServerVersion", PACKAGE_VERSION);
	hoy_json_add_bool(w, "LiveRestoreEnabled", true);
	hoy_json_add_string(w, "Isolation", "");
	hoy_json_add_string(w, "InitBinary", "");
	encode_commit(w, "ContainerdCommit");
	encode_commit(w, "RuncCommit");
	encode_commit(w, "InitCommit");
	hoy_json_array(w, "SecurityOptions");
	hoy_json_add_string(w, NULL, "name=seccomp,profile=builtin");
	if (api->o.rootless)
		hoy_json_add_string(w, NULL, "name=rootless");
	hoy_json_end(w);
	hoy_json_array(w, "CDISpecDirs");
	hoy_json_end(w);
}

static void encode_warnings(struct hoy_json_writer *w, const struct hoy_api *api)
{
	const char *network = hoy_network_warning(api->o.networks);

	hoy_json_array(w, "Warnings");
	if (network)
		hoy_json_add_string(w, NULL, network);
	hoy_json_end(w);
}

static int info(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_host_facts_done) struct hoy_host_facts host = { 0 };
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	int r;

	hoy_host_facts_read(&host);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "ID", rq->api->o.host_id);
	r = encode_counts(rq, &w, err);
	if (r < 0)
		return r;
	encode_storage(&w, rq->api);
	encode_plugins(&w);
	encode_limits(&w, rq->api);
	encode_host(&w, &host);
	encode_registry(&w);
	encode_daemon(&w, rq->api);
	hoy_json_add_string(&w, "Name", host.hostname ? host.hostname : "");
	encode_runtimes(&w, rq->api);
	encode_swarm(&w);
	encode_warnings(&w, rq->api);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- plugins: there are none ---------------------------------------------------------------------------------- */

static int plugin_list(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_buf buf = { 0 };

	(void) err;
	(void) hoy_buf_adds(&buf, "[]");
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

static int plugin_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	return hoy_err_not_found(err, "plugin \"%s\" not found", rq->name);
}

const struct hoy_api_route hoy_api_system_routes[] = {
	{ "HEAD", "/_ping", ping, 0, 0 },
	{ "GET", "/_ping", ping, 0, 0 },
	{ "GET", "/version", version, 0, 0 },
	{ "GET", "/info", info, 0, 0 },
	{ "GET", "/events", hoy_api_events_listen, 0, 0 },
	{ "GET", "/plugins", plugin_list, 0, 0 },
	{ "GET", "/plugins/{name}/json", plugin_inspect, 0, 0 },
	{ "DELETE", "/plugins/{name}", plugin_inspect, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
