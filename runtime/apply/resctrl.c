/* The resctrl file system, which makes `tasks`, `schemata` and `mon_groups` in each directory that is made. */
#include "runtime/apply/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/state/state.h"

#define MOUNTINFO_MAX ((size_t) 16 << 20)
#define SCHEMATA_MAX ((size_t) 1 << 20)

int hoy_resctrl_find(char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = MOUNTINFO_MAX };
	int r = hoy_file_read(AT_FDCWD, "/proc/self/mountinfo", &text, err);
	char *line, *rest = text.data;

	if (r < 0)
		return r;
	while ((line = strsep(&rest, "\n"))) {
		char *field = line;

		if (!strstr(line, " - resctrl "))
			continue;
		for (int i = 0; i < 4 && field; i++) /* the fifth is the mount point */
			(void) strsep(&field, " ");
		*ret = field ? strndup(field, strcspn(field, " ")) : NULL;
		return *ret ? 0 : hoy_err_oom(err);
	}
	return hoy_err_set(err, HOY_ERR_UNSUPPORTED, ENOENT,
		"linux.intelRdt: no resctrl file system is mounted; it needs a CPU that allocates cache or bandwidth, and "
		"'mount -t resctrl resctrl /sys/fs/resctrl'");
}

/* Each line is a write of its own: the kernel tells of a wrong one by its error. */
static int write_schema(const char *dir, const char *line, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(dir, "schemata"), *text = hoy_str_printf("%s\n", line);

	if (!path || !text)
		return hoy_err_oom(err);
	return hoy_file_set(AT_FDCWD, path, text, err) < 0 ? hoy_err_wrap(err, "schema '%s'", line) : 0;
}

static bool has_schemata(const struct hoy_oci_intel_rdt *rdt)
{
	return rdt->l3_cache_schema || rdt->mem_bw_schema || (rdt->schemata && rdt->schemata[0]);
}

/* l3CacheSchema first, then memBwSchema, then the list. */
static int write_schemata(const char *dir, const struct hoy_oci_intel_rdt *rdt, struct hoy_err *err)
{
	int r = hoy_resctrl_update(dir, rdt->l3_cache_schema, rdt->mem_bw_schema, err);

	for (char **s = rdt->schemata; r == 0 && s && *s; s++)
		r = write_schema(dir, *s, err);
	return r;
}

/* "L3:0=0ff;1=f" and "L3:0=ff;1=00f" are the same: hexadecimal digits without the zeros in front. */
static void canonical(const char *from, struct hoy_buf *to)
{
	bool digits = false;

	for (; *from; from++) {
		if (strchr(" \t", *from))
			continue;
		if (*from == '0' && !digits && strchr("0123456789abcdefABCDEF", from[1]) && from[1])
			continue;
		digits = *from != '=' && *from != ';' && *from != ':';
		(void) hoy_buf_addc(to, *from >= 'A' && *from <= 'F' && digits ? (char) (*from - 'A' + 'a') : *from);
	}
}

static int has_line(const char *text, const char *wanted, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **lines = hoy_str_split(text, '\n');
	auto_(hoy_buf_done) struct hoy_buf want = {};

	canonical(wanted, &want);
	if (!lines || want.failed)
		return hoy_err_oom(err);
	for (char **l = lines; *l; l++) {
		auto_(hoy_buf_done) struct hoy_buf have = {};

		canonical(*l, &have);
		if (have.data && want.data && strcmp(have.data, want.data) == 0)
			return 0;
	}
	return hoy_err_conflict(err, "its schemata have no line '%s'", wanted);
}

/* A class that others made must be what the config says. */
static int compare_schemata(const char *dir, const struct hoy_oci_intel_rdt *rdt, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = SCHEMATA_MAX };
	auto_free char *path = hoy_path_join(dir, "schemata");
	int r = path ? hoy_file_read(AT_FDCWD, path, &text, err) : hoy_err_oom(err);

	if (r == 0 && rdt->l3_cache_schema)
		r = has_line(text.data ? text.data : "", rdt->l3_cache_schema, err);
	if (r == 0 && rdt->mem_bw_schema)
		r = has_line(text.data ? text.data : "", rdt->mem_bw_schema, err);
	for (char **s = rdt->schemata; r == 0 && s && *s; s++)
		r = has_line(text.data ? text.data : "", *s, err);
	return r;
}

static int make_class(
	const char *dir, const struct hoy_oci_intel_rdt *rdt, bool own, bool *ret_made, struct hoy_err *err)
{
	struct stat st;
	int r;

	*ret_made = false;
	if (rdt->clos_id && (!has_schemata(rdt) || strcmp(rdt->clos_id, "/") == 0)) {
		if (stat(dir, &st) < 0)
			return hoy_err_sys(err, "class of service '%s'", rdt->clos_id);
		return has_schemata(rdt) ? write_schemata(dir, rdt, err) : 0;
	}
	if (mkdir(dir, 0755) < 0) {
		if (errno == EEXIST && !own)
			return compare_schemata(dir, rdt, err);
		return hoy_err_sys(err, "make class of service '%s'", dir);
	}
	r = write_schemata(dir, rdt, err);
	if (r < 0)
		(void) rmdir(dir);
	*ret_made = r == 0 && own;
	return r;
}

int hoy_resctrl_make(const char *root, const struct hoy_oci_intel_rdt *rdt, const char *id, char **ret_dir,
	bool *ret_made, struct hoy_err *err)
{
	const char *name = rdt->clos_id ? rdt->clos_id : id;
	auto_free char *dir = NULL;
	int r;

	dir = strcmp(name, "/") == 0 ? strdup(root) : hoy_path_join(root, name);
	if (!dir)
		return hoy_err_oom(err);
	r = make_class(dir, rdt, /* own= */ !rdt->clos_id, ret_made, err);
	if (r < 0)
		return hoy_err_wrap(err, "linux.intelRdt");
	*ret_dir = TAKE_PTR(dir);
	return 0;
}

/* "" when it has none. */
static char *monitor_dir(const struct hoy_state *state)
{
	return state->resctrl_monitor ? hoy_str_printf("%s/mon_groups/%s", state->resctrl, state->id) : strdup("");
}

static int write_task(const char *dir, pid_t pid, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(dir, "tasks"), *text = hoy_str_printf("%d", (int) pid);

	if (!path || !text)
		return hoy_err_oom(err);
	return hoy_file_set(AT_FDCWD, path, text, err);
}

int hoy_resctrl_enter(const struct hoy_state *state, pid_t pid, struct hoy_err *err)
{
	auto_free char *group = state->resctrl ? monitor_dir(state) : NULL;
	int r;

	if (!state->resctrl)
		return 0;
	r = group ? write_task(state->resctrl, pid, err) : hoy_err_oom(err);
	if (r == 0 && *group && mkdir(group, 0755) < 0 && errno != EEXIST)
		r = hoy_err_sys(err, "make monitoring group '%s'", group);
	if (r == 0 && *group)
		r = write_task(group, pid, err);
	return r < 0 ? hoy_err_wrap(err, "linux.intelRdt") : 0;
}

int hoy_resctrl_update(const char *dir, const char *l3, const char *mb, struct hoy_err *err)
{
	int r = l3 ? write_schema(dir, l3, err) : 0;

	return r == 0 && mb ? write_schema(dir, mb, err) : r;
}

static int remove_dir(const char *dir, struct hoy_err *err)
{
	return rmdir(dir) < 0 && errno != ENOENT ? hoy_err_sys(err, "remove '%s'", dir) : 0;
}

int hoy_resctrl_remove(const struct hoy_state *state, struct hoy_err *err)
{
	auto_free char *group = state->resctrl ? monitor_dir(state) : NULL;
	int r = 0;

	if (!state->resctrl)
		return 0;
	if (!group)
		return hoy_err_oom(err);
	if (*group)
		r = remove_dir(group, err);
	return r == 0 && state->resctrl_made ? remove_dir(state->resctrl, err) : r;
}
