/* /etc/subuid and /etc/subgid, newuidmap and newgidmap. */
#include "supervisor/worker/host/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/process.h"
#include "base/str.h"

#define FILE_MAX ((size_t) 4 << 20)

/* "NAME:FIRST:COUNT"; the name may be the user's number. */
static bool parse_line(const char *line, const char *name, uid_t uid, uint32_t *ret_first, uint32_t *ret_count)
{
	const char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;
	auto_free char *owner = first ? strndup(line, (size_t) (first - line)) : NULL;
	auto_free char *from = count ? strndup(first + 1, (size_t) (count - first - 1)) : NULL;
	uint64_t number, n;

	if (!owner || !from || hoy_str_to_u64(from, &number) < 0 || hoy_str_to_u64(count + 1, &n) < 0 || n == 0 ||
		number > UINT32_MAX || n > UINT32_MAX)
		return false;
	*ret_first = (uint32_t) number;
	*ret_count = (uint32_t) n;
	if (name && strcmp(owner, name) == 0)
		return true;
	return hoy_str_to_u64(owner, &number) >= 0 && number == uid;
}

/* argv of newuidmap or newgidmap; the number of ids beside the user's own goes to *ret_n. */
static int build_map(const char *program, const char *path, pid_t child, uint32_t own, char ***ret_argv,
	uint32_t *ret_n, struct hoy_err *err)
{
	const struct passwd *pw = getpwuid(getuid());
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	char *rest = NULL;
	int r;

	*ret_n = 0;
	hoy_buf_init(&text, FILE_MAX);
	r = hoy_file_read(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r;
	r = hoy_strv_addf(ret_argv, "%s", program);
	if (r >= 0)
		r = hoy_strv_addf(ret_argv, "%d", (int) child);
	if (r >= 0)
		r = hoy_strv_addf(ret_argv, "0");
	if (r >= 0)
		r = hoy_strv_addf(ret_argv, "%u", own);
	if (r >= 0)
		r = hoy_strv_addf(ret_argv, "1");
	for (char *line = text.data ? strtok_r(text.data, "\n", &rest) : NULL; r >= 0 && line;
		line = strtok_r(NULL, "\n", &rest)) {
		uint32_t first, count;

		if (!parse_line(line, pw ? pw->pw_name : NULL, getuid(), &first, &count) ||
			count > UINT32_MAX - 2 - *ret_n)
			continue;
		r = hoy_strv_addf(ret_argv, "%u", *ret_n + 1);
		if (r >= 0)
			r = hoy_strv_addf(ret_argv, "%u", first);
		if (r >= 0)
			r = hoy_strv_addf(ret_argv, "%u", count);
		*ret_n += count;
	}
	if (r < 0)
		return hoy_err_oom(err);
	if (*ret_n == 0)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT,
			"'%s' has no range for %s: 'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER', as "
			"root, gives one",
			path, pw ? pw->pw_name : "this user");
	return 0;
}

static int run_map(
	const char *program, const char *path, pid_t child, uint32_t own, uint32_t *ret_n, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_free char *output = NULL;
	int status = 0, r = build_map(program, path, child, own, &argv, ret_n, err);
	const struct hoy_spawn spawn = { .path = program, .argv = argv };

	if (r < 0)
		return r;
	r = hoy_process_run(&spawn, 4096, &output, &status, err);
	if (r < 0)
		return hoy_err_wrap(err, "map subordinate ids (Debian's package is uidmap)");
	if (output)
		output[strcspn(output, "\n")] = '\0';
	return status == 0 ? 0
			   : hoy_err_set(err, HOY_ERR_SYSTEM, EPERM, "%s: %s", program,
				     output && *output ? output : "ended with an error");
}

static int set_file(pid_t child, const char *name, const char *value, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/proc/%d/%s", (int) child, name);

	return path ? hoy_file_set(AT_FDCWD, path, value, err) : hoy_err_oom(err);
}

/* What needs nobody's help. */
static int map_own(pid_t child, struct hoy_err *err)
{
	auto_free char *uids = hoy_str_printf("0 %u 1\n", geteuid()), *gids = hoy_str_printf("0 %u 1\n", getegid());
	int r = uids && gids ? set_file(child, "uid_map", uids, err) : hoy_err_oom(err);

	if (r >= 0)
		r = set_file(child, "setgroups", "deny", err);
	return r < 0 ? r : set_file(child, "gid_map", gids, err);
}

int hoy_host_map_ids(pid_t child, uint32_t *ret_n, struct hoy_err *why, struct hoy_err *err)
{
	uint32_t uids = 0, gids = 0;
	int r;

	/* groups first: while the users' map is missing the second way is open */
	r = run_map("newgidmap", "/etc/subgid", child, getegid(), &gids, why);
	if (r < 0) {
		*ret_n = 1;
		return map_own(child, err);
	}
	r = run_map("newuidmap", "/etc/subuid", child, geteuid(), &uids, err);
	*ret_n = (uids < gids ? uids : gids) + 1;
	return r;
}
