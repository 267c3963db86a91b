/* Devices, accelerators, limits of block devices. */
#include <string.h>

#include "supervisor/cli/create_internal.h"
#include "supervisor/compose/body_internal.h"

/* "vendor.com/class=name": a device that a CDI specification describes. */
static bool is_cdi(const struct hoy_compose_device *d)
{
	const char *slash = strchr(d->source, '/'), *equals = strchr(d->source, '=');

	return d->source[0] != '/' && slash && equals && slash < equals;
}

static void add_devices(struct hoy_json_writer *w, const struct hoy_compose_service *s)
{
	if (!s->devices)
		return;
	hoy_json_array(w, "Devices");
	hoy_compose_each(struct hoy_compose_device, d, s->devices)
	{
		if (is_cdi(d))
			continue;
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "PathOnHost", d->source);
		hoy_json_add_string(w, "PathInContainer", d->target ? d->target : d->source);
		hoy_json_add_string(w, "CgroupPermissions", d->permissions ? d->permissions : "rwm");
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* `gpu`: the capability is meant when the file doesn't say it. */
static void add_request(struct hoy_json_writer *w, const struct hoy_compose_device_request *r, bool gpu)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Driver", r->driver ? r->driver : "");
	hoy_json_add_i64(w, "Count", r->device_ids ? 0 : r->count);
	hoy_create_add_list(w, "DeviceIDs", r->device_ids);
	hoy_json_array(w, "Capabilities");
	hoy_json_array(w, NULL);
	for (char **c = r->capabilities; c && *c; c++) {
		hoy_json_add_string(w, NULL, *c);
		gpu = gpu && strcmp(*c, "gpu") != 0;
	}
	if (gpu)
		hoy_json_add_string(w, NULL, "gpu");
	hoy_json_end(w);
	hoy_json_end(w);
	hoy_compose_body_pairs(w, "Options", r->options);
	hoy_json_end(w);
}

static void add_cdi(struct hoy_json_writer *w, const struct hoy_compose_service *s)
{
	bool any = false;

	hoy_compose_each(struct hoy_compose_device, d, s->devices) any = any || is_cdi(d);
	if (!any)
		return;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Driver", "cdi");
	hoy_json_array(w, "DeviceIDs");
	hoy_compose_each(struct hoy_compose_device, one, s->devices) if (is_cdi(one))
		hoy_json_add_string(w, NULL, one->source);
	hoy_json_end(w);
	hoy_json_end(w);
}

static void add_requests(struct hoy_json_writer *w, const struct hoy_compose_service *s)
{
	const struct hoy_compose_resources *resources = s->deploy ? s->deploy->resources : NULL;
	struct hoy_compose_device_request **reserved = resources && resources->reservations
							       ? resources->reservations->devices
							       : NULL;

	if (!reserved && !s->gpus && !s->devices)
		return;
	hoy_json_array(w, "DeviceRequests");
	hoy_compose_each(struct hoy_compose_device_request, r, reserved) add_request(w, r, /* gpu= */ false);
	hoy_compose_each(struct hoy_compose_device_request, g, s->gpus) add_request(w, g, /* gpu= */ true);
	add_cdi(w, s);
	hoy_json_end(w);
}

static void add_rates(struct hoy_json_writer *w, const char *key, struct hoy_compose_blkio_device **list, bool weight)
{
	if (!list)
		return;
	hoy_json_array(w, key);
	hoy_compose_each(struct hoy_compose_blkio_device, d, list)
	{
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Path", d->path);
		hoy_json_add_i64(w, weight ? "Weight" : "Rate", weight ? d->weight : d->rate);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

void hoy_compose_body_devices(const struct hoy_compose_body *b, struct hoy_json_writer *w)
{
	const struct hoy_compose_blkio *io = b->service->blkio_config;

	add_devices(w, b->service);
	hoy_create_add_list(w, "DeviceCgroupRules", b->service->device_cgroup_rules);
	add_requests(w, b->service);
	if (!io)
		return;
	add_rates(w, "BlkioWeightDevice", io->weight_device, /* weight= */ true);
	add_rates(w, "BlkioDeviceReadBps", io->device_read_bps, /* weight= */ false);
	add_rates(w, "BlkioDeviceReadIOps", io->device_read_iops, /* weight= */ false);
	add_rates(w, "BlkioDeviceWriteBps", io->device_write_bps, /* weight= */ false);
	add_rates(w, "BlkioDeviceWriteIOps", io->device_write_iops, /* weight= */ false);
}
