/* --device, --gpus, --device-cgroup-rule, limits of block devices. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/cli/csv.h"

/* "vendor.com/class=name": a device that a CDI specification describes. */
static bool is_cdi(const char *device)
{
	const char *slash = strchr(device, '/'), *equals = strchr(device, '=');

	return *device != '/' && slash && equals && slash < equals && equals[1];
}

static int print_device(struct hoy_json_writer *w, const char *device, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(device, ':');
	size_t n = hoy_strv_len(parts);
	const char *inside, *rights = "rwm";

	if (!parts)
		return hoy_err_oom(err);
	if (n < 1 || n > 3 || !*parts[0])
		return hoy_err_invalid(err, "invalid device specification: %s", device);
	inside = parts[0];
	if (n == 2 && strspn(parts[1], "rwm") == strlen(parts[1]))
		rights = parts[1];
	else if (n >= 2)
		inside = parts[1];
	if (n == 3)
		rights = parts[2];
	if (strspn(rights, "rwm") != strlen(rights))
		return hoy_err_invalid(err, "invalid device mode: %s in %s", rights, device);
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "PathOnHost", parts[0]);
	hoy_json_add_string(w, "PathInContainer", inside);
	hoy_json_add_string(w, "CgroupPermissions", rights);
	hoy_json_end(w);
	return 0;
}

/* "gpu" belongs to the capabilities that are asked for. */
static void print_capabilities(struct hoy_json_writer *w, const char *list)
{
	auto_ptr(hoy_strv_free) char **names = list ? hoy_str_split(list, ',') : NULL;

	hoy_json_array(w, "Capabilities");
	hoy_json_array(w, NULL);
	for (size_t i = 0; names && names[i]; i++)
		if (strcmp(names[i], "gpu") != 0)
			hoy_json_add_string(w, NULL, names[i]);
	hoy_json_add_string(w, NULL, "gpu");
	hoy_json_end(w);
	hoy_json_end(w);
}

/* "all", "2", "device=0", "\"device=0,1\"", "driver=nvidia,count=1,\"capabilities=utility,compute\"" */
static int print_gpus(struct hoy_json_writer *w, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **fields = NULL;
	const char *driver = NULL, *capabilities = NULL, *devices = NULL, *options = NULL;
	int64_t count = 0;
	bool counted = false;
	int r = hoy_csv_split(text, &fields, err);

	for (size_t i = 0; r == 0 && fields[i]; i++) {
		const char *key = fields[i], *value = hoy_csv_value(fields[i]);

		if (!value) {
			value = key;
			key = "count";
		}
		if (strcmp(key, "driver") == 0)
			driver = value;
		else if (strcmp(key, "device") == 0)
			devices = value;
		else if (strcmp(key, "capabilities") == 0)
			capabilities = value;
		else if (strcmp(key, "options") == 0)
			options = value;
		else if (strcmp(key, "count") != 0)
			return hoy_err_invalid(err, "unexpected key '%s' in '%s=%s'", key, key, value);
		else if (strcmp(value, "all") == 0)
			count = -1;
		else if (hoy_str_to_i64(value, &count) < 0)
			return hoy_err_invalid(
				err, "invalid count (%s): value must be either \"all\" or an integer", value);
		counted = counted || strcmp(key, "count") == 0;
	}
	if (r < 0)
		return r;
	hoy_json_object(w, NULL);
	hoy_create_add_text(w, "Driver", driver);
	hoy_json_add_i64(w, "Count", counted || devices ? count : 1);
	if (devices) {
		auto_ptr(hoy_strv_free) char **ids = hoy_str_split(devices, ',');

		hoy_create_add_list(w, "DeviceIDs", ids);
	}
	print_capabilities(w, capabilities);
	if (options) {
		auto_ptr(hoy_strv_free) char **pairs = hoy_str_split(options, ',');

		hoy_create_add_map(w, "Options", pairs);
	}
	hoy_json_end(w);
	return 0;
}

static int print_requests(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	size_t n = 0;
	int r = 0;

	for (char **d = o->device; d && *d; d++)
		n += is_cdi(*d);
	if (!n && !o->gpus)
		return 0;
	hoy_json_array(w, "DeviceRequests");
	for (char **g = o->gpus; r == 0 && g && *g; g++) {
		r = print_gpus(w, *g, err);
		if (r < 0)
			return hoy_err_wrap(err, "invalid argument \"%s\" for \"--gpus\" flag", *g);
	}
	if (n) {
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Driver", "cdi");
		hoy_json_array(w, "DeviceIDs");
		for (char **d = o->device; *d; d++)
			if (is_cdi(*d))
				hoy_json_add_string(w, NULL, *d);
		hoy_json_end(w);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

/* "c 1:3 rwm", "b *:* r" */
static bool is_rule(const char *rule)
{
	const char *p = rule + 2;

	if (!strchr("acb", rule[0]) || !rule[0] || rule[1] != ' ')
		return false;
	for (int part = 0; part < 2; part++) {
		size_t len = *p == '*' ? 1 : strspn(p, "0123456789");

		if (!len || p[len] != (part ? ' ' : ':'))
			return false;
		p += len + 1;
	}
	return *p && strlen(p) <= 3 && strspn(p, "rwm") == strlen(p);
}

static int print_rules(struct hoy_json_writer *w, char *const *rules, struct hoy_err *err)
{
	for (char *const *rule = rules; rule && *rule; rule++)
		if (!is_rule(*rule))
			return hoy_err_invalid(err,
				"invalid argument \"%s\" for \"--device-cgroup-rule\" flag: invalid device cgroup format '%s'",
				*rule, *rule);
	hoy_create_add_list(w, "DeviceCgroupRules", rules);
	return 0;
}

/* "/dev/sda:1mb" lists: the part behind the last colon is a size, a number or a weight. */
static int print_throttle(struct hoy_json_writer *w, const char *member, const char *flag, const char *key,
	char *const *entries, struct hoy_err *err)
{
	if (!entries)
		return 0;
	hoy_json_array(w, member);
	for (; *entries; entries++) {
		const char *colon = strrchr(*entries, ':');
		auto_free char *path = colon ? strndup(*entries, (size_t) (colon - *entries)) : NULL;
		int64_t value = 0;
		int r = colon ? 0 : -EINVAL;

		if (r == 0)
			r = strcmp(key, "Rate") == 0 && strstr(flag, "bps") ? hoy_str_to_bytes(colon + 1, &value)
									    : hoy_str_to_i64(colon + 1, &value);
		if (r == 0 && strcmp(key, "Weight") == 0 && value && (value < 10 || value > 1000))
			return hoy_err_invalid(err, "invalid weight for device: %s", *entries);
		if (r < 0 || !path || value < 0)
			return hoy_err_invalid(err, "invalid argument \"%s\" for \"--%s\" flag: bad format: %s",
				*entries, flag, *entries);
		if (!hoy_str_starts(path, "/dev/"))
			return hoy_err_invalid(err,
				"invalid argument \"%s\" for \"--%s\" flag: bad format for device path: %s", *entries,
				flag, *entries);
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Path", path);
		hoy_json_add_i64(w, key, value);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

int hoy_create_devices(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	const struct {
		const char *member, *flag, *key;
		char *const *entries;
	} throttles[] = {
		{ "BlkioWeightDevice", "blkio-weight-device", "Weight", o->blkio_weight_device },
		{ "BlkioDeviceReadBps", "device-read-bps", "Rate", o->device_read_bps },
		{ "BlkioDeviceWriteBps", "device-write-bps", "Rate", o->device_write_bps },
		{ "BlkioDeviceReadIOps", "device-read-iops", "Rate", o->device_read_iops },
		{ "BlkioDeviceWriteIOps", "device-write-iops", "Rate", o->device_write_iops },
	};
	int r = 0;

	if (o->device) {
		hoy_json_array(w, "Devices");
		for (char **d = o->device; r == 0 && *d; d++)
			r = is_cdi(*d) ? 0 : print_device(w, *d, err);
		if (r < 0)
			return r;
		hoy_json_end(w);
	}
	r = print_requests(w, o, err);
	if (r == 0)
		r = print_rules(w, o->device_cgroup_rule, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(throttles); i++)
		r = print_throttle(
			w, throttles[i].member, throttles[i].flag, throttles[i].key, throttles[i].entries, err);
	return r;
}
