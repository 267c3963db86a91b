/* The request of a build: its options as a query, and the credentials for base images. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/str.h"
#include "supervisor/cli/build_internal.h"
#include "supervisor/cli/credentials.h"
#include "supervisor/cli/proxies.h"

static void add_text(struct hoy_buf *path, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	(void) hoy_buf_addf(path, "&%s=", key);
	hoy_http_escape(path, value);
}

static void add_texts(struct hoy_buf *path, const char *key, char *const *values)
{
	for (; values && *values; values++)
		add_text(path, key, *values);
}

static void add_number(struct hoy_buf *path, const char *key, int64_t value)
{
	if (value != 0)
		(void) hoy_buf_addf(path, "&%s=%lld", key, (long long) value);
}

/* "K=V" becomes {"K": "V"}; "K" alone has our environment's value, or null. The last one counts. */
static int add_map(
	struct hoy_buf *path, const char *key, char *const *entries, bool from_environment, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	if (!entries || !*entries)
		return 0;
	hoy_json_object(&w, NULL);
	for (char *const *entry = entries; *entry; entry++) {
		size_t len = strcspn(*entry, "=");
		auto_free char *name = strndup(*entry, len);
		bool again = false;

		for (char *const *later = entry + 1; *later && !again; later++)
			again = strncmp(*later, *entry, len) == 0 && strcspn(*later, "=") == len;
		if (!name)
			return hoy_err_oom(err);
		if (again)
			continue;
		if ((*entry)[len])
			hoy_json_add_string(&w, name, *entry + len + 1);
		else
			hoy_json_add_string(&w, name, from_environment ? getenv(name) : "");
	}
	hoy_json_end(&w);
	add_text(path, key, text.data);
	return hoy_buf_check(&text, key, err);
}

/* "nofile=1024:2048" */
static int add_ulimits(struct hoy_buf *path, char *const *ulimits, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	if (!ulimits || !*ulimits)
		return 0;
	hoy_json_array(&w, NULL);
	for (; *ulimits; ulimits++) {
		size_t len = strcspn(*ulimits, "=");
		auto_free char *name = strndup(*ulimits, len);
		auto_ptr(hoy_strv_free) char **values = (*ulimits)[len] ? hoy_str_split(*ulimits + len + 1, ':') : NULL;
		int64_t soft = 0, hard = 0;

		if (!name || !values || hoy_strv_len(values) > 2 || hoy_str_to_i64(values[0], &soft) < 0 ||
			hoy_str_to_i64(values[1] ? values[1] : values[0], &hard) < 0)
			return hoy_err_invalid(err, "invalid ulimit argument: %s", *ulimits);
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Name", name);
		hoy_json_add_i64(&w, "Soft", soft);
		hoy_json_add_i64(&w, "Hard", hard);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	add_text(path, "ulimits", text.data);
	return hoy_buf_check(&text, "ulimits", err);
}

/* Proxies of config.json are build arguments, unless the user gives them. */
static int collect_args(const struct hoy_cli *cli, char ***ret, struct hoy_err *err)
{
	const struct hoy_build_options *o = cli->values;
	int r = hoy_proxies_of(&cli->config, cli->host.url, ret, err);

	for (char *const *arg = o->build_args; r >= 0 && arg && *arg; arg++)
		r = hoy_strv_add(ret, *arg) < 0 ? hoy_err_oom(err) : 0;
	return r;
}

static const char *output_of(const struct hoy_build_wants *wants)
{
	switch (wants->output) {
	case HOY_BUILD_OUTPUT_FILES:
		return "[{\"Type\":\"local\"}]";
	case HOY_BUILD_OUTPUT_TAR:
		return "[{\"Type\":\"tar\"}]";
	case HOY_BUILD_OUTPUT_NOTHING:
		return "[{\"Type\":\"cacheonly\"}]";
	case HOY_BUILD_OUTPUT_IMAGE:
	case HOY_BUILD_OUTPUT_ARCHIVE:
		break;
	}
	return NULL;
}

static int add_caches(struct hoy_buf *path, const char *key, const char *flag, char *const *values, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_build_caches_print(flag, values, &text, err);

	if (r == 0)
		add_text(path, key, text.data);
	return r;
}

int hoy_build_request_path(const struct hoy_cli *cli, const struct hoy_build_source *source,
	const struct hoy_build_wants *wants, const char *session, struct hoy_buf *path, struct hoy_err *err)
{
	const struct hoy_build_options *o = cli->values;
	auto_ptr(hoy_strv_free) char **args = NULL;
	int r = collect_args(cli, &args, err);

	(void) hoy_buf_addf(path, "/build?version=1&trace=1&rm=%d", o->rm);
	add_texts(path, "t", wants->tags);
	add_text(path, "session", session);
	add_text(path, "outputs", output_of(wants));
	add_texts(path, "nocachefilter", wants->no_cache_filter);
	add_texts(path, "buildcontext", wants->contexts);
	add_text(path, "remote", source->remote);
	add_text(path, "dockerfile", source->dockerfile);
	add_text(path, "target", o->target);
	add_text(path, "platform", o->platform);
	add_text(path, "networkmode", o->network);
	add_text(path, "cgroupparent", o->cgroup_parent);
	add_text(path, "cpusetcpus", o->cpuset_cpus);
	add_text(path, "cpusetmems", o->cpuset_mems);
	add_texts(path, "extrahosts", o->add_host);
	add_texts(path, "securityopt", o->security_opt);
	add_number(path, "nocache", o->no_cache);
	add_number(path, "pull", o->pull);
	add_number(path, "forcerm", o->force_rm);
	add_number(path, "plain", 1); /* hoyd's: no colours */
	add_number(path, "memory", o->memory);
	add_number(path, "memswap", o->memory_swap);
	add_number(path, "shmsize", o->shm_size);
	add_number(path, "cpuperiod", o->cpu_period);
	add_number(path, "cpuquota", o->cpu_quota);
	add_number(path, "cpushares", o->cpu_shares);
	if (r >= 0)
		r = add_map(path, "buildargs", args, /* from_environment= */ true, err);
	if (r >= 0)
		r = add_map(path, "labels", o->labels, /* from_environment= */ false, err);
	if (r >= 0)
		r = add_ulimits(path, o->ulimit, err);
	if (r >= 0)
		r = add_caches(path, "cachefrom", "cache-from", o->cache_from, err);
	if (r >= 0)
		r = add_caches(path, "cacheto", "cache-to", o->cache_to, err);
	return r < 0 ? r : hoy_buf_check(path, "the request", err);
}

/* --- credentials ---------------------------------------------------------------------------------------------- */

static int add_server(
	const struct hoy_config *config, const char *server, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_(hoy_credentials_done) struct hoy_credentials c = {};
	int r = hoy_credentials_get(config, server, &c, err);

	if (r < 0)
		return r;
	if (!c.username && !c.password && !c.identity_token && !c.registry_token)
		return 0;
	hoy_json_object(w, server);
	hoy_json_add_string(w, "username", c.username ? c.username : "");
	hoy_json_add_string(w, "password", c.password ? c.password : "");
	hoy_json_add_string(w, "identitytoken", c.identity_token ? c.identity_token : "");
	hoy_json_add_string(w, "registrytoken", c.registry_token ? c.registry_token : "");
	hoy_json_end(w);
	return 0;
}

/* Those of all registries that config.json names: which of them the Dockerfile needs, the engine finds out. A helper
 * that has no answer is no reason to fail: maybe nobody asks. */
int hoy_build_request_credentials(const struct hoy_config *config, struct hoy_buf *header, struct hoy_err *err)
{
	static const char *const members[] = { "auths", "credHelpers" };
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = (size_t) 64 << 10 };
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		hoy_json_each(entry, hoy_json_get(config->root, members[i]))
		{
			if (i == 0 || !hoy_json_get(hoy_json_get(config->root, "auths"), hoy_json_key(entry)))
				(void) add_server(config, hoy_json_key(entry), &w, NULL);
		}
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "credentials", err);
	if (r == 0 && text.len > 2) {
		(void) hoy_buf_adds(header, "X-Registry-Config: ");
		(void) hoy_base64_encode(header, text.data, text.len, /* url_safe= */ true);
		(void) hoy_buf_adds(header, "\r\n");
		r = hoy_buf_check(header, "credentials", err);
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
	return r;
}
