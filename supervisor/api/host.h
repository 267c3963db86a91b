/* Facts of the host for `version` and `info`. */
#ifndef HOY_API_HOST_H
#define HOY_API_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *hoy_host_goarch(void); /* "amd64": the architecture as images name it */

/* PRETTY_NAME and VERSION_ID of an os-release text; heap, NULL when absent. Pure. */
char *hoy_host_os_release_field(const char *text, size_t len, const char *field);

struct hoy_host_facts {
	char *kernel, *machine, *hostname; /* uname */
	char *os_name, *os_version;        /* os-release */
	int64_t memory;
	int cpus;
	bool cgroup_v2;
};
void hoy_host_facts_read(struct hoy_host_facts *facts);
void hoy_host_facts_done(struct hoy_host_facts *facts);

size_t hoy_host_count_fds(void); /* open descriptors of this process */

#endif
