/* Shared by the files that read statistics. */
#ifndef HOY_BASE_CGROUP_STATS_INTERNAL_H
#define HOY_BASE_CGROUP_STATS_INTERNAL_H

#include "base/cgroup/cgroup_internal.h"

/* Big enough for memory.stat (about 60 lines); longer texts are cut at the end. */
#define HOY_CGROUP_STATS_TEXT 16384

/* Pure parsers of the kernel's texts. Those that add to an array return 0 or -ENOMEM. */
int hoy_cgroup_parse_stat(const char *text, struct hoy_cgroup_stats *stats);              /* memory.stat */
int hoy_cgroup_parse_io_v2(const char *text, struct hoy_cgroup_stats *stats);             /* io.stat */
int hoy_cgroup_parse_io_v1(const char *text, bool bytes, struct hoy_cgroup_stats *stats); /* blkio.throttle.* */
int hoy_cgroup_parse_percpu(const char *text, struct hoy_cgroup_stats *stats);            /* cpuacct.usage_percpu */
void hoy_cgroup_parse_psi(const char *text, struct hoy_cgroup_psi *psi);                  /* *.pressure */
/* rdma.current, or rdma.max after it */
int hoy_cgroup_parse_rdma(const char *text, bool limits, struct hoy_cgroup_stats *stats);

#endif
