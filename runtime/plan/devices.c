/* Device nodes: the ones every container has, then those of linux.devices. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "base/str.h"
#include "runtime/plan/plan.h"

#define DEV(major, minor) ((major) << 8 | (minor)) /* makedev() of small numbers, as a constant */

static const struct hoy_plan_device defaults[] = {
	{ "/dev/null", S_IFCHR | 0666, DEV(1, 3) },
	{ "/dev/zero", S_IFCHR | 0666, DEV(1, 5) },
	{ "/dev/full", S_IFCHR | 0666, DEV(1, 7) },
	{ "/dev/random", S_IFCHR | 0666, DEV(1, 8) },
	{ "/dev/urandom", S_IFCHR | 0666, DEV(1, 9) },
	{ "/dev/tty", S_IFCHR | 0666, DEV(5, 0) },
};

/* A later entry for the same path wins: that is how a config changes a default device. */
static void add_device(struct hoy_plan *plan, const struct hoy_plan_device *dev)
{
	for (size_t i = 0; i < plan->n_devices; i++)
		if (strcmp(plan->devices[i].path, dev->path) == 0) {
			plan->devices[i] = *dev;
			return;
		}
	plan->devices[plan->n_devices++] = *dev;
}

static int plan_device(struct hoy_plan *plan, size_t i, struct hoy_err *err)
{
	const struct hoy_oci_device *spec = &plan->spec->linux_->devices[i];
	struct hoy_plan_device dev = {
		.path = spec->path,
		.mode = spec->file_mode ? *spec->file_mode & 07777 : 0666,
		.uid = spec->uid ? *spec->uid : 0,
		.gid = spec->gid ? *spec->gid : 0,
	};

	switch (spec->type[0]) {
	case 'c':
	case 'u':
		dev.mode |= S_IFCHR;
		break;
	case 'b':
		dev.mode |= S_IFBLK;
		break;
	case 'p':
		dev.mode |= S_IFIFO;
		break;
	default:
		return hoy_err_invalid(err, "linux.devices[%zu].type: unknown value '%s'", i, spec->type);
	}
	if (dev.path[0] != '/')
		return hoy_err_invalid(err, "linux.devices[%zu].path: '%s' is not an absolute path", i, dev.path);
	if (!S_ISFIFO(dev.mode)) {
		if (!spec->major || !spec->minor || *spec->major < 0 || *spec->minor < 0)
			return hoy_err_invalid(err, "linux.devices[%zu]: needs major and minor", i);
		dev.rdev = makedev((unsigned int) *spec->major, (unsigned int) *spec->minor);
	}
	add_device(plan, &dev);
	return 0;
}

int hoy_plan_devices(struct hoy_plan *plan, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = plan->spec->linux_;

	plan->devices = calloc(ARRAY_LEN(defaults) + l->n_devices, sizeof *plan->devices);
	if (!plan->devices)
		return hoy_err_oom(err);
	plan->bind_devices = plan->params.rootless || hoy_plan_has_ns(plan, CLONE_NEWUSER);
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		add_device(plan, &defaults[i]);
	for (size_t i = 0; i < l->n_devices; i++) {
		int r = plan_device(plan, i, err);

		if (r < 0)
			return r;
	}
	return 0;
}
