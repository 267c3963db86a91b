/*
 * system doctor: is this machine fit for Hoy, and what is to be done where it is not? Hoy's own command. It looks, and
 * changes nothing. Lines are "ok", "note" (something is less than it could be) or "FAIL" (containers won't run), with
 * what to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"

#define OLDEST_MAJOR 5U /* mount_setattr(): 5.12 */
#define OLDEST_MINOR 12U
#define FILES_WANTED 65536U
#define FREE_MB_WANTED 1024U

enum verdict { OK, NOTE, FAIL };

struct findings {
	size_t n_failed;
};

static void say(struct findings *f, enum verdict verdict, const char *what, const char *fmt, ...) HOY_PRINTF(4, 5);
static void say(struct findings *f, enum verdict verdict, const char *what, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "note", "FAIL" };
	va_list args;

	(void) printf("%-4s  %-10s  ", words[verdict], what);
	va_start(args, fmt);
	(void) vprintf(fmt, args);
	va_end(args);
	(void) putchar('\n');
	f->n_failed += verdict == FAIL;
}

/* The text of a small file without its last newline, "" when it can't be read; owned by the caller. */
static char *text_of(const char *path)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	if (hoy_file_read(AT_FDCWD, path, &buf, NULL) < 0 || !buf.data)
		return strdup("");
	return strndup(buf.data, buf.len - (buf.len > 0 && buf.data[buf.len - 1] == '\n'));
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if ((p == text || strchr(" \t\n", p[-1])) && strchr(" \t\n", p[len]))
			return true;
	return false;
}

static void check_kernel(struct findings *f)
{
	auto_free char *filesystems = text_of("/proc/filesystems"), *status = text_of("/proc/self/status");
	struct utsname name;
	unsigned int major = 0, minor = 0;

	(void) uname(&name);
	(void) sscanf(name.release, "%u.%u", &major, &minor);
	if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		say(f, FAIL, "kernel", "%s: Hoy needs %u.%u or later: install a newer kernel", name.release,
			OLDEST_MAJOR, OLDEST_MINOR);
	else
		say(f, OK, "kernel", "%s", name.release);
	if (filesystems && has_word(filesystems, "overlay"))
		say(f, OK, "overlay", "the kernel knows overlay file systems");
	else
		say(f, FAIL, "overlay", "not in /proc/filesystems: run 'modprobe overlay'");
	if (status && strstr(status, "\nSeccomp_filters:"))
		say(f, OK, "seccomp", "the kernel filters system calls");
	else
		say(f, FAIL, "seccomp",
			"the kernel has no CONFIG_SECCOMP_FILTER: use one that has, as all distributions'");
}

/* On v1 and hybrid hosts a controller is a hierarchy of its own; on v2 all are in one file. */
static bool has_controller(const char *unified, const char *name)
{
	auto_free char *path = hoy_str_printf("/sys/fs/cgroup/%s/cgroup.procs", name);

	return has_word(unified, name) || (path && access(path, F_OK) == 0);
}

static void check_cgroups(struct findings *f)
{
	static const char *const controllers[] = { "memory", "cpu", "pids", "cpuset" };
	bool pure = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	auto_free char *unified = text_of(
		pure ? "/sys/fs/cgroup/cgroup.controllers" : "/sys/fs/cgroup/unified/cgroup.controllers");
	auto_(hoy_buf_done) struct hoy_buf missing = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		if (!unified || !has_controller(unified, controllers[i]))
			(void) hoy_buf_addf(&missing, " %s", controllers[i]);
	if (!pure && access("/sys/fs/cgroup/memory", F_OK) < 0 && access("/sys/fs/cgroup/pids", F_OK) < 0)
		say(f, FAIL, "cgroups", "nothing at /sys/fs/cgroup: run 'mount -t cgroup2 cgroup2 /sys/fs/cgroup'");
	else if (missing.len > 0)
		say(f, NOTE, "cgroups", "%s, without%s: such limits are refused", pure ? "v2" : "v1", missing.data);
	else
		say(f, OK, "cgroups", "%s, with memory, cpu, pids and cpuset", pure ? "v2" : "v1 or hybrid");
}

static void check_network(struct findings *f)
{
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	auto_free char *forward = text_of("/proc/sys/net/ipv4/ip_forward");

	if (fd < 0)
		say(f, FAIL, "firewall", "the kernel has no nf_tables (%s): run 'modprobe nf_tables'", strerror(errno));
	else
		say(f, OK, "firewall", "nf_tables can be asked");
	if (forward && hoy_str_eq(forward, "1"))
		say(f, OK, "forwarding", "net.ipv4.ip_forward is 1");
	else
		say(f, NOTE, "forwarding", "net.ipv4.ip_forward is 0: hoyd sets it with its first bridge network");
}

static void check_programs(struct findings *f)
{
	static const struct {
		const char *name;
		enum hoy_helper_kind kind;
	} programs[] = { { "hoyd", HOY_HELPER_PROGRAM }, { "hoyrun", HOY_HELPER_PROGRAM },
		{ "containerd-shim-hoy-v2", HOY_HELPER_PROGRAM }, { "hoy-net", HOY_HELPER_LIBEXEC },
		{ "hoy-dns", HOY_HELPER_LIBEXEC }, { "hoy-layer", HOY_HELPER_LIBEXEC },
		{ "hoy-files", HOY_HELPER_LIBEXEC }, { "hoy-fetch", HOY_HELPER_LIBEXEC },
		{ "hoy-build", HOY_HELPER_LIBEXEC } };
	size_t before = f->n_failed;

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		auto_free char *path = NULL;
		struct hoy_err err = { 0 };

		if (hoy_helper_find(programs[i].name, programs[i].kind, &path, &err) < 0)
			say(f, FAIL, "programs", "%s: install Hoy anew", hoy_err_str(&err));
	}
	if (f->n_failed == before)
		say(f, OK, "programs", "hoyd, its shim, runtime and helpers are there");
}

static void check_limits(struct findings *f)
{
	struct rlimit files = { 0 };

	(void) getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < FILES_WANTED)
		say(f, NOTE, "limits",
			"at most %llu descriptors a process: with hundreds of containers hoyd wants %u (LimitNOFILE=)",
			(unsigned long long) files.rlim_max, FILES_WANTED);
	else
		say(f, OK, "limits", "%llu descriptors a process", (unsigned long long) files.rlim_max);
}

static void check_storage(struct findings *f, const char *root)
{
	struct statvfs fs;
	unsigned long long mb;

	if (statvfs(root, &fs) < 0) {
		say(f, NOTE, "storage", "%s: %s: it is on another machine, or not for this user", root,
			strerror(errno));
		return;
	}
	mb = (unsigned long long) fs.f_bavail * fs.f_frsize >> 20;
	if (fs.f_files > 0 && fs.f_favail < fs.f_files / 100)
		say(f, NOTE, "storage", "%s: less than 1%% of the inodes are free: 'hoy system prune' makes room",
			root);
	else if (mb < FREE_MB_WANTED)
		say(f, NOTE, "storage", "%s: %llu MB are free: 'hoy system prune' makes room", root, mb);
	else
		say(f, OK, "storage", "%s: %llu MB are free", root, mb);
}

static void check_engine(struct hoy_cli *cli, struct findings *f)
{
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	struct hoy_err err = { 0 };

	if (hoy_cli_call(cli, "GET", "/info", NULL, &info, &err) < 0) {
		say(f, FAIL, "engine", "%s", hoy_err_str(&err));
		return;
	}
	say(f, OK, "engine", "version %s, %lld containers, %lld run", hoy_cli_text(info, "ServerVersion"),
		(long long) hoy_cli_number(info, "Containers"), (long long) hoy_cli_number(info, "ContainersRunning"));
	hoy_json_each(warning, hoy_json_get(info, "Warnings"))
	{
		say(f, NOTE, "engine", "%s", hoy_json_string(warning) ? hoy_json_string(warning) : "");
	}
	check_storage(f, hoy_cli_text(info, "DockerRootDir"));
}

static int cmd_doctor(struct hoy_cli *cli)
{
	struct findings f = { 0 };

	check_kernel(&f);
	check_cgroups(&f);
	check_network(&f);
	check_programs(&f);
	check_limits(&f);
	check_engine(cli, &f);
	return f.n_failed ? 1 : 0;
}

const struct hoy_command hoy_cmd_system_doctor = {
	.name = "system doctor",
	.args = "",
	.summary = "Check that this machine is fit for containers, and say what to do",
	.run = cmd_doctor,
};
