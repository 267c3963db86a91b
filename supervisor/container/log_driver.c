/* Log drivers: what --log-driver and --log-opt say, checked, and as the URI the shim understands (docs/shim.md). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/helper.h"
#include "base/str.h"
#include "shim/protocol.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"

/* A log of ours that nobody limits grows to this. */
#define DEFAULT_MAX_SIZE "20m"
#define DEFAULT_MAX_FILE "5"

static const char *const no_options[] = { NULL };
static const char *const file_options[] = { "max-size", "max-file", NULL };
static const char *const local_options[] = { "max-size", "max-file", "compress", NULL };
static const char *const sender_options[] = { "tag", "labels", "env", NULL };
static const char *const syslog_options[] = { "tag", "labels", "env", "syslog-address", "syslog-format",
	"syslog-facility", NULL };
static const char *const gelf_options[] = { "tag", "labels", "env", "gelf-address", "gelf-compression-type",
	"gelf-compression-level", NULL };
static const char *const fluentd_options[] = { "tag", "labels", "env", "fluentd-address",
	"fluentd-sub-second-precision", NULL };

static const struct driver {
	const char *name;
	const char *const *options; /* besides mode and max-buffer-size */
	bool has_file;              /* of ours */
	bool sends;                 /* hoy-log does */
} drivers[] = {
	{ "json-file", file_options, true, false },
	{ "local", local_options, true, false },
	{ "none", no_options, false, false },
	{ "journald", sender_options, false, false },
	{ "syslog", syslog_options, false, true },
	{ "gelf", gelf_options, false, true },
	{ "fluentd", fluentd_options, false, true },
};

static const struct driver *find_driver(const struct hoy_container_log_config *log)
{
	const char *name = log->type && *log->type ? log->type : "json-file";

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

static const char *option(const struct hoy_container_log_config *log, const char *key)
{
	return hoy_oci_kv_get(log->config, log->n_config, key);
}

bool hoy_log_takes_output(const struct hoy_container_log_config *log)
{
	const struct driver *driver = find_driver(log);

	return driver && driver->sends;
}

/* --- checks ------------------------------------------------------------------------------------------ */

static bool is_known(const struct driver *driver, const char *key)
{
	if (!strcmp(key, "mode") || !strcmp(key, "max-buffer-size"))
		return true;
	for (const char *const *known = driver->options; *known; known++)
		if (!strcmp(*known, key))
			return true;
	return false;
}

static int check_sizes(const struct hoy_container_log_config *log, struct hoy_err *err)
{
	const char *size = option(log, "max-size"), *count = option(log, "max-file");
	int64_t bytes = -1;
	unsigned int n = 1;

	if (size && (hoy_str_to_bytes(size, &bytes) < 0 || bytes <= 0))
		return hoy_err_invalid(err, "invalid value for max-size: '%s'", size);
	if (count && (hoy_str_to_uint(count, &n) < 0 || n < 1))
		return hoy_err_invalid(err, "max-file cannot be less than 1: '%s'", count);
	return 0;
}

static int check_mode(const struct hoy_container_log_config *log, struct hoy_err *err)
{
	const char *mode = option(log, "mode"), *max = option(log, "max-buffer-size");
	int64_t bytes;

	if (mode && strcmp(mode, "blocking") != 0 && strcmp(mode, "non-blocking") != 0)
		return hoy_err_invalid(err, "logger: logging mode not supported: %s", mode);
	if (max && !hoy_str_eq(mode, "non-blocking"))
		return hoy_err_invalid(
			err, "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
	if (max && (hoy_str_to_bytes(max, &bytes) < 0 || bytes <= 0))
		return hoy_err_invalid(err, "invalid value for max-buffer-size: '%s'", max);
	return 0;
}

/* "{{.Name}}" and the like; *ret NULL: only checked. */
static int expand_tag(const char *tag, const struct hoy_container *c, struct hoy_buf *ret, struct hoy_err *err)
{
	for (const char *at = tag; *at;) {
		const char *end = hoy_str_starts(at, "{{") ? strstr(at, "}}") : NULL;
		size_t len = end ? (size_t) (end - at) + 2 : 0;
		const struct {
			const char *name, *value;
			int max;
		} names[] = {
			{ "{{.ID}}", c ? c->info.id : "", 12 },
			{ "{{.FullID}}", c ? c->info.id : "", 64 },
			{ "{{.Name}}", c ? c->info.name : "", 255 },
			{ "{{.ImageName}}", c ? c->config->image : "", 1000 },
			{ "{{.ImageFullID}}", c ? c->info.image_id : "", 128 },
			{ "{{.DaemonName}}", "docker", 10 },
		};
		bool found = false;

		if (!end) {
			hoy_buf_addc(ret, *at++);
			continue;
		}
		for (size_t i = 0; i < ARRAY_LEN(names) && !found; i++) {
			found = strlen(names[i].name) == len && !strncmp(names[i].name, at, len);
			if (found)
				hoy_buf_addf(ret, "%.*s", names[i].max, names[i].value);
		}
		if (!found)
			return hoy_err_unsupported(
				err, "HostConfig.LogConfig: tag '%.*s': not supported", (int) len, at);
		at += len;
	}
	return 0;
}

int hoy_log_config_check(const struct hoy_container_log_config *log, struct hoy_err *err)
{
	const struct driver *driver = find_driver(log);
	auto_(hoy_buf_done) struct hoy_buf tag = {};
	int r;

	if (!driver)
		return hoy_err_invalid(err, "logger: no log driver named '%s' is registered", log->type);
	for (size_t i = 0; i < log->n_config; i++)
		if (!is_known(driver, log->config[i].key))
			return hoy_err_unsupported(err, "HostConfig.LogConfig: option '%s' of %s: not supported",
				log->config[i].key, driver->name);
	r = check_sizes(log, err);
	if (r >= 0)
		r = check_mode(log, err);
	return r < 0 || !option(log, "tag") ? r : expand_tag(option(log, "tag"), NULL, &tag, err);
}

/* --- the URI -------------------------------------------------------------------------------------------- */

static void add_escaped(struct hoy_buf *uri, const char *text)
{
	for (const unsigned char *p = (const unsigned char *) text; *p; p++) {
		if (*p > ' ' && *p < 0x7f && !strchr("%?#&=+", *p))
			hoy_buf_addc(uri, (char) *p);
		else
			hoy_buf_addf(uri, "%%%02X", *p);
	}
}

static void add_pair(struct hoy_buf *uri, const char *prefix, const char *key, const char *value)
{
	if (!value)
		return;
	hoy_buf_addc(uri, strchr(uri->data, '?') ? '&' : '?');
	hoy_buf_adds(uri, prefix);
	add_escaped(uri, key);
	hoy_buf_addc(uri, '=');
	add_escaped(uri, value);
}

static void add_mode(struct hoy_buf *uri, const struct hoy_container_log_config *log)
{
	if (!hoy_str_eq(option(log, "mode"), "non-blocking"))
		return;
	add_pair(uri, "", "mode", "non-blocking");
	add_pair(uri, "", "max-buffer-size", option(log, "max-buffer-size") ? option(log, "max-buffer-size") : "1m");
}

static int add_bytes(struct hoy_buf *uri, const char *key, const char *text, struct hoy_err *err)
{
	int64_t bytes;

	if (!text)
		return 0;
	if (hoy_str_to_bytes(text, &bytes) < 0)
		return hoy_err_invalid(err, "invalid value for %s: '%s'", key, text);
	hoy_buf_addf(uri, "%c%s=%lld", strchr(uri->data, '?') ? '&' : '?', key, (long long) bytes);
	return 0;
}

static int add_file(struct hoy_buf *uri, const struct hoy_container *c, const char *scheme, struct hoy_err *err)
{
	const struct hoy_container_log_config *log = &c->config->host.log_config;
	const char *size = option(log, "max-size"), *count = option(log, "max-file");
	bool unlimited = !strcmp(scheme, HOY_SHIM_JSON_FILE) && !size;
	int r;

	hoy_buf_adds(uri, scheme);
	for (const char *path = c->info.log_path; *path; path++)
		if (strchr("%?#&", *path) || *path <= ' ')
			hoy_buf_addf(uri, "%%%02X", (unsigned char) *path);
		else
			hoy_buf_addc(uri, *path);
	r = add_bytes(uri, "max-size", unlimited ? DEFAULT_MAX_SIZE : size, err);
	add_pair(uri, "", "max-file", unlimited && !count ? DEFAULT_MAX_FILE : count);
	add_pair(uri, "", "compress", option(log, "compress"));
	return r;
}

/* Labels and variables that the options name, as fields of each entry. */
static void add_picked(struct hoy_buf *uri, const char *prefix, const struct hoy_container *c)
{
	const struct hoy_container_log_config *log = &c->config->host.log_config;
	const char *wanted[2] = { option(log, "labels"), option(log, "env") };

	for (int i = 0; i < 2; i++) {
		auto_ptr(hoy_strv_free) char **keys = wanted[i] ? hoy_str_split(wanted[i], ',') : NULL;

		for (char **key = keys; key && *key; key++)
			add_pair(uri, prefix, *key,
				i == 0 ? hoy_oci_kv_get(c->config->labels, c->config->n_labels, *key)
				       : hoy_env_get(c->config->env, *key));
	}
}

static void add_journald(struct hoy_buf *uri, const struct hoy_container *c, const char *tag)
{
	auto_free char *id = strndup(c->info.id, 12);

	hoy_buf_adds(uri, HOY_SHIM_JOURNALD);
	add_pair(uri, "", "CONTAINER_ID", id);
	add_pair(uri, "", "CONTAINER_ID_FULL", c->info.id);
	add_pair(uri, "", "CONTAINER_NAME", c->info.name);
	add_pair(uri, "", "CONTAINER_TAG", tag);
	add_pair(uri, "", "SYSLOG_IDENTIFIER", tag);
	add_pair(uri, "", "IMAGE_NAME", c->config->image);
	add_picked(uri, "", c);
}

static int add_sender(struct hoy_buf *uri, const struct hoy_container *c, const struct driver *driver, const char *tag,
	struct hoy_err *err)
{
	const struct hoy_container_log_config *log = &c->config->host.log_config;
	auto_free char *program = NULL;
	int r = hoy_helper_find("hoy-log", HOY_HELPER_LIBEXEC, &program, err);

	if (r < 0)
		return r;
	hoy_buf_addf(uri, "binary://%s", program);
	add_pair(uri, "", "driver", driver->name);
	add_pair(uri, "", "tag", tag);
	for (size_t i = 0; i < log->n_config; i++)
		if (strchr(log->config[i].key, '-') && hoy_str_starts(log->config[i].key, driver->name))
			add_pair(uri, "", log->config[i].key, log->config[i].value);
	add_pair(uri, "attr-", "container_name", c->info.name);
	if (!strcmp(driver->name, "gelf")) {
		add_pair(uri, "attr-", "image_name", c->config->image);
		add_pair(uri, "attr-", "image_id", c->info.image_id);
	}
	add_picked(uri, "attr-", c);
	return 0;
}

int hoy_container_log_uri(const struct hoy_container *c, char **ret, struct hoy_err *err)
{
	const struct hoy_container_log_config *log = &c->config->host.log_config;
	const struct driver *driver = find_driver(log);
	auto_(hoy_buf_done) struct hoy_buf uri = {}, tag = {};
	int r = driver ? 0 : hoy_err_unsupported(err, "log driver '%s'", log->type);

	if (r >= 0)
		r = expand_tag(option(log, "tag") ? option(log, "tag") : "{{.ID}}", c, &tag, err);
	if (r >= 0)
		r = hoy_buf_check(&tag, "tag", err);
	if (r < 0)
		return r;
	if (driver->has_file)
		r = add_file(&uri, c, !strcmp(driver->name, "local") ? HOY_SHIM_LOCAL : HOY_SHIM_JSON_FILE, err);
	else if (driver->sends)
		r = add_sender(&uri, c, driver, tag.data, err);
	else if (!strcmp(driver->name, "journald"))
		add_journald(&uri, c, tag.data);
	else
		hoy_buf_adds(&uri, HOY_SHIM_NONE);
	if (r >= 0)
		add_mode(&uri, log);
	if (r >= 0)
		r = hoy_buf_check(&uri, "log URI", err);
	if (r >= 0)
		*ret = hoy_buf_take(&uri);
	return r;
}

char *hoy_container_log_file(const struct hoy_container *c)
{
	const struct driver *driver = find_driver(&c->config->host.log_config);

	if (!driver || !driver->has_file)
		return strdup("");
	return strcmp(driver->name, "local") == 0 ? hoy_str_printf("%s/local-logs/container.log", c->dir)
						  : hoy_str_printf("%s/%s-json.log", c->dir, c->info.id);
}

bool hoy_container_log_is_readable(const struct hoy_container *c)
{
	const struct driver *driver = find_driver(&c->config->host.log_config);

	return driver && driver->has_file;
}

bool hoy_container_log_has_frames(const struct hoy_container *c)
{
	const struct driver *driver = find_driver(&c->config->host.log_config);

	return driver && strcmp(driver->name, "local") == 0;
}
