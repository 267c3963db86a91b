/* Facts of the host. What cannot be read is left empty: nobody fails for it. */
#include "supervisor/api/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/str.h"
#include "libocispec/image.h"

const char *hoy_host_goarch(void)
{
	return hoy_oci_arch_host();
}

static char *unquote(const char *value, size_t len)
{
	if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0])
		return strndup(value + 1, len - 2);
	return strndup(value, len);
}

char *hoy_host_os_release_field(const char *text, size_t len, const char *field)
{
	size_t field_len = strlen(field);
	const char *end = text + len;

	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t) (end - text));
		size_t line = (size_t) ((eol ? eol : end) - text);

		if (line > field_len && text[field_len] == '=' && !strncmp(text, field, field_len))
			return unquote(text + field_len + 1, line - field_len - 1);
		text += line + 1;
	}
	return NULL;
}

static void read_os_release(struct hoy_host_facts *facts)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	hoy_buf_init(&buf, (size_t) 64 << 10);
	if (hoy_file_read(AT_FDCWD, "/etc/os-release", &buf, NULL) < 0 || !buf.data)
		return;
	facts->os_name = hoy_host_os_release_field(buf.data, buf.len, "PRETTY_NAME");
	facts->os_version = hoy_host_os_release_field(buf.data, buf.len, "VERSION_ID");
}

static int count_cpus(void)
{
	cpu_set_t *set = CPU_ALLOC(4096);
	size_t size = CPU_ALLOC_SIZE(4096);
	int n = 0;

	if (set && sched_getaffinity(0, size, set) == 0)
		n = CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return n;
}

void hoy_host_facts_read(struct hoy_host_facts *facts)
{
	struct utsname uts;
	struct sysinfo si;
	struct statfs fs;

	*facts = (struct hoy_host_facts){ 0 };
	if (uname(&uts) == 0) {
		facts->kernel = strdup(uts.release);
		facts->machine = strdup(uts.machine);
		facts->hostname = strdup(uts.nodename);
	}
	if (sysinfo(&si) == 0)
		facts->memory = (int64_t) si.totalram * (int64_t) si.mem_unit;
	facts->cpus = count_cpus();
	facts->cgroup_v2 = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
	read_os_release(facts);
}

void hoy_host_facts_done(struct hoy_host_facts *facts)
{
	free(facts->kernel);
	free(facts->machine);
	free(facts->hostname);
	free(facts->os_name);
	free(facts->os_version);
	*facts = (struct hoy_host_facts){ 0 };
}

size_t hoy_host_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}
