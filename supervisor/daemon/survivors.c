/* The group of what outlives hoyd. One for all: what each shim uses is too little to be worth a group of its own. */
#include "supervisor/daemon/survivors.h"

#include <stdlib.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"

#define GROUP "/hoy/services"

static int open_group(struct hoy_cgroup **ret, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;
	int r = hoy_cgroup_host_detect(&host, err);

	*ret = NULL;
	if (r < 0 || !hoy_cgroup_host_v2_mount(host))
		return r;
	return hoy_cgroup_new(host, GROUP, ret, err);
}

int hoy_survivors_open(struct hoy_err *err)
{
	struct hoy_cgroup_entry entry = HOY_CGROUP_ENTRY_INIT;
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *group = NULL;
	int fd, r = 0;

	if (!getenv("INVOCATION_ID"))
		return 0;
	r = open_group(&group, err);
	if (r >= 0 && group)
		r = hoy_cgroup_adopt(group, err); /* those of an earlier hoyd may live in it */
	if (r >= 0 && group)
		r = hoy_cgroup_open_entry(group, /* subs= */ NULL, &entry, err);
	if (r < 0 || !group)
		return r < 0 ? hoy_err_wrap(err, "make a group for what outlives hoyd") : 0;
	fd = TAKE_FD(entry.v2_fd);
	hoy_cgroup_entry_close(&entry);
	return fd;
}

void hoy_survivors_remove(void)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *group = NULL;

	if (open_group(&group, /* err= */ NULL) >= 0 && group)
		(void) hoy_cgroup_remove(group, /* timeout_ms= */ 0, /* err= */ NULL);
}
