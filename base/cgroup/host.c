/*
 * Finds the host's cgroup hierarchies: a file at the usual v2 mount point, else the mount table. Reads only; makes and
 * mounts nothing.
 */
#include "base/cgroup/cgroup_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#define USUAL_MOUNT "/sys/fs/cgroup"

static const char *const controller_names[_HOY_CGROUP_CONTROLLER_MAX] = {
	[HOY_CGROUP_CPU] = "cpu",
	[HOY_CGROUP_CPUACCT] = "cpuacct",
	[HOY_CGROUP_CPUSET] = "cpuset",
	[HOY_CGROUP_MEMORY] = "memory",
	[HOY_CGROUP_IO] = "io",
	[HOY_CGROUP_PIDS] = "pids",
	[HOY_CGROUP_HUGETLB] = "hugetlb",
	[HOY_CGROUP_RDMA] = "rdma",
	[HOY_CGROUP_MISC] = "misc",
	[HOY_CGROUP_PERF_EVENT] = "perf_event",
	[HOY_CGROUP_DEVICES] = "devices",
	[HOY_CGROUP_FREEZER] = "freezer",
	[HOY_CGROUP_NET_CLS] = "net_cls",
	[HOY_CGROUP_NET_PRIO] = "net_prio",
};

const char *hoy_cgroup_controller_to_string(enum hoy_cgroup_controller controller)
{
	return controller_names[controller];
}

const char *hoy_cgroup_mode_to_string(enum hoy_cgroup_mode mode)
{
	static const char *const names[] = { "none", "unified", "hybrid", "legacy" };

	return names[mode];
}

static uint32_t controller_bit(const char *name, size_t len)
{
	if (len == 5 && strncmp(name, "blkio", len) == 0)
		return HOY_CGROUP_BIT(HOY_CGROUP_IO);
	for (size_t i = 0; i < _HOY_CGROUP_CONTROLLER_MAX; i++)
		if (strlen(controller_names[i]) == len && strncmp(controller_names[i], name, len) == 0)
			return HOY_CGROUP_BIT(i);
	return 0;
}

uint32_t hoy_cgroup_controllers_parse(const char *text)
{
	uint32_t bits = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, " ,\n");

		bits |= controller_bit(text, len);
		text += len;
		text += strspn(text, " ,\n");
	}
	return bits;
}

/* --- the table -------------------------------------------------------------------------------------------------- */

int hoy_cgroup_table_add(
	struct hoy_cgroup_table *table, const char *mount, size_t mount_len, const char *name, uint32_t controllers)
{
	struct hoy_cgroup_hier *hier = &table->hier[table->n];

	if (table->n == HOY_CGROUP_HIERARCHIES_MAX)
		return -E2BIG;
	hier->mount = strndup(mount, mount_len);
	hier->name = strdup(name);
	hier->controllers = controllers;
	if (hier->mount == NULL || hier->name == NULL) {
		free(hier->mount);
		free(hier->name);
		return -ENOMEM;
	}
	table->n++;
	return 0;
}

int hoy_cgroup_table_copy(const struct hoy_cgroup_table *from, struct hoy_cgroup_table *to)
{
	to->v2 = from->v2;
	for (size_t i = 0; i < from->n; i++) {
		const struct hoy_cgroup_hier *hier = &from->hier[i];
		int r = hoy_cgroup_table_add(to, hier->mount, strlen(hier->mount), hier->name, hier->controllers);

		if (r < 0)
			return r;
	}
	return 0;
}

void hoy_cgroup_table_done(struct hoy_cgroup_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		free(table->hier[i].mount);
		free(table->hier[i].name);
	}
	table->n = 0;
}

int hoy_cgroup_table_find(const struct hoy_cgroup_table *table, enum hoy_cgroup_controller controller)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->hier[i].controllers & HOY_CGROUP_BIT(controller))
			return (int) i;
	return -1;
}

/* --- mountinfo -------------------------------------------------------------------------------------------------- */

/* The kernel writes space, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
			s[3] <= '7') {
			*to++ = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* Of the super block's options, those that /proc/PID/cgroup shows as the hierarchy's name. */
static bool option_is_name(const char *option)
{
	static const char *const others[] = { "rw", "ro", "noprefix", "xattr", "clone_children", "cpuset_v2_mode",
		"favordynmods", "none", "all" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(option, others[i]) == 0)
			return false;
	return !hoy_str_starts(option, "release_agent=");
}

static char *hierarchy_name(char *options)
{
	auto_(hoy_buf_done) struct hoy_buf name = {};
	char *save = NULL;

	hoy_buf_adds(&name, "");
	for (char *o = strtok_r(options, ",", &save); o != NULL; o = strtok_r(NULL, ",", &save))
		if (option_is_name(o))
			hoy_buf_addf(&name, "%s%s", name.len > 0 ? "," : "", o);
	return hoy_buf_take(&name);
}

static bool is_known(const struct hoy_cgroup_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->hier[i].name, name) == 0)
			return true;
	return false;
}

/* One line: "36 31 0:33 / /sys/fs/cgroup/devices rw,relatime shared:1 - cgroup cgroup rw,devices". */
static int parse_line(struct hoy_cgroup_table *table, char *line, bool v2)
{
	char *fields[5], *save = NULL, *sep = strstr(line, v2 ? " - cgroup2 " : " - cgroup ");
	char *options;
	auto_free char *name = NULL;

	if (sep == NULL)
		return 0;
	options = strrchr(sep, ' ');
	*sep = '\0';
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
		if (fields[i] == NULL)
			return -EINVAL;
	}
	name = v2 ? strdup("") : hierarchy_name(options + 1);
	if (name == NULL)
		return -ENOMEM;
	/* What is mounted twice, or lies in the root of a container and is not ours: the first one is the host's. */
	if (is_known(table, name) || (!v2 && name[0] == '\0'))
		return 0;
	unescape(fields[4]);
	if (strpbrk(fields[4], "\t\n") != NULL)
		return 0;
	return hoy_cgroup_table_add(
		table, fields[4], strlen(fields[4]), name, v2 ? 0 : hoy_cgroup_controllers_parse(name));
}

static int parse_lines(struct hoy_cgroup_table *table, char *text, bool v2)
{
	for (char *line = text, *next; line != NULL && *line != '\0'; line = next) {
		int r;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		r = parse_line(table, line, v2);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_cgroup_table_parse_mountinfo(struct hoy_cgroup_table *table, char *text, struct hoy_err *err)
{
	auto_free char *copy = strdup(text);
	int r;

	if (copy == NULL)
		return hoy_err_oom(err);
	r = parse_lines(table, copy, /* v2= */ true);
	table->v2 = table->n > 0;
	if (r == 0)
		r = parse_lines(table, text, /* v2= */ false);
	return r < 0 ? hoy_err_code(err, r, "parse mountinfo") : 0;
}

/* --- detection -------------------------------------------------------------------------------------------------- */

static int read_v2_controllers(struct hoy_cgroup_hier *hier, struct hoy_err *err)
{
	char text[512];
	auto_free char *path = hoy_path_join(hier->mount, "cgroup.controllers");
	ssize_t n = path ? hoy_cgroup_read_at(AT_FDCWD, path, text, sizeof text) : -ENOMEM;

	if (n < 0)
		return hoy_err_code(err, (int) n, "read '%s/cgroup.controllers'", hier->mount);
	hier->controllers = hoy_cgroup_controllers_parse(text);
	return 0;
}

static int detect(struct hoy_cgroup_table *table, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	char controllers[512];
	int r;

	/* A file that only a v2 tree has, and that we want anyway. */
	if (hoy_cgroup_read_at(AT_FDCWD, USUAL_MOUNT "/cgroup.controllers", controllers, sizeof controllers) >= 0) {
		table->v2 = true;
		r = hoy_cgroup_table_add(
			table, USUAL_MOUNT, strlen(USUAL_MOUNT), "", hoy_cgroup_controllers_parse(controllers));
		return r < 0 ? hoy_err_oom(err) : 0;
	}
	hoy_buf_init(&text, 0);
	r = hoy_file_read(AT_FDCWD, "/proc/self/mountinfo", &text, err);
	if (r < 0)
		return r;
	if (text.data == NULL)
		return 0;
	r = hoy_cgroup_table_parse_mountinfo(table, text.data, err);
	if (r < 0 || !table->v2)
		return r;
	return read_v2_controllers(&table->hier[0], err);
}

int hoy_cgroup_host_detect(struct hoy_cgroup_host **ret, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = calloc(1, sizeof *host);
	int r;

	if (host == NULL)
		return hoy_err_oom(err);
	r = detect(&host->table, err);
	if (r < 0)
		return hoy_err_wrap(err, "detect cgroups");
	*ret = TAKE_PTR(host);
	return 0;
}

void hoy_cgroup_host_free(struct hoy_cgroup_host *host)
{
	if (host == NULL)
		return;
	hoy_cgroup_table_done(&host->table);
	free(host);
}

enum hoy_cgroup_mode hoy_cgroup_host_mode(const struct hoy_cgroup_host *host)
{
	if (host->table.n == 0)
		return HOY_CGROUP_NONE;
	if (!host->table.v2)
		return HOY_CGROUP_LEGACY;
	return host->table.n == 1 ? HOY_CGROUP_UNIFIED : HOY_CGROUP_HYBRID;
}

bool hoy_cgroup_host_has(const struct hoy_cgroup_host *host, enum hoy_cgroup_controller controller)
{
	return hoy_cgroup_table_find(&host->table, controller) >= 0;
}

const char *hoy_cgroup_host_v2_mount(const struct hoy_cgroup_host *host)
{
	return host->table.v2 ? host->table.hier[0].mount : NULL;
}

const char *hoy_cgroup_host_hierarchy(const struct hoy_cgroup_host *host, size_t i, const char **ret_name)
{
	if (i >= host->table.n)
		return NULL;
	if (ret_name != NULL)
		*ret_name = host->table.hier[i].name;
	return host->table.hier[i].mount;
}

/* --- /proc/PID/cgroup --------------------------------------------------------------------------------------------- */

char *hoy_cgroup_path_parse(const char *text, const char *name)
{
	size_t name_len = strlen(name);

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		const char *field = memchr(text, ':', len);
		const char *path = field == NULL ? NULL : memchr(field + 1, ':', len - (size_t) (field + 1 - text));

		if (path != NULL && (size_t) (path - field - 1) == name_len && strncmp(field + 1, name, name_len) == 0)
			return strndup(path + 1, len - (size_t) (path + 1 - text));
		text += len;
		text += *text == '\n';
	}
	errno = ENOENT;
	return NULL;
}

int hoy_cgroup_path_in(pid_t pid, const char *name, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	char file[sizeof "/proc//cgroup" + 3 * sizeof pid];
	char *path;
	int r;

	if (pid == 0)
		snprintf(file, sizeof file, "/proc/self/cgroup");
	else
		snprintf(file, sizeof file, "/proc/%d/cgroup", (int) pid);
	hoy_buf_init(&text, 0);
	r = hoy_file_read(AT_FDCWD, file, &text, err);
	if (r < 0)
		return r;
	path = hoy_cgroup_path_parse(text.data == NULL ? "" : text.data, name);
	if (path == NULL)
		return hoy_err_sys(err, "find hierarchy '%s' in '%s'", name[0] == '\0' ? "cgroup2" : name, file);
	*ret = path;
	return 0;
}

int hoy_cgroup_path_of(pid_t pid, char **ret, struct hoy_err *err)
{
	return hoy_cgroup_path_in(pid, "", ret, err);
}
