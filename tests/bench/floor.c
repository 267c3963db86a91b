/*
 * floor: the kernel's share of a container, and nothing else. A stand-in for an OCI runtime with the command line of
 * one, for the config that `runc spec` writes, wired in: it parses nothing, checks nothing and undoes nothing, so that
 * what a real runtime takes longer is what it does itself.
 *
 *	floor [--cgroupns=no] [--filter FILE] [--binds N] [--root DIR] VERB [ARGS]
 *	run ID | create ID | start ID | exec ID PROGRAM | state ID | kill ID SIGNAL | delete ID | list DIR
 *
 * `list` looks at what hoyrun runs: DIR/ID/state.json, the process named there, and on v2 ID's cgroup.events.
 *
 * The bundle is the working directory. `run` executes /bin/true, `create` /bin/sleep 1000. The cgroups are those below
 * /sys/fs/cgroup: the v2 tree, or the v1 hierarchies. --filter loads a seccomp program (see compile-filter.c), --binds
 * adds N read-only binds of rootfs/bin. Everything is done the cheapest way known: born in its cgroup or moving itself
 * there, no cgroup2 mount from the initial cgroup namespace, a device program with one compare for each rule.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#define CGROUPS "/sys/fs/cgroup"
#define GROUPS_MAX 32
#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS)

static struct {
	const char *root, *filter;
	int binds;
	bool v2, cgroup_ns;
	char *hierarchies[GROUPS_MAX]; /* names below CGROUPS; "." is v2 */
	int n;
	char *dir; /* ROOT/ID */
	struct sock_fprog program;
} f = { .root = "/run/floor", .cgroup_ns = true };

_Noreturn static void die(const char *what)
{
	(void) fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(125);
}

/* Never freed: the program ends soon. */
__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
	char *s = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&s, format, args) < 0)
		die("memory");
	va_end(args);
	return s;
}

static void put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(path);
	(void) close(fd);
}

static void get(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, value, size - 1);

	if (n < 0)
		die(path);
	value[n] = '\0';
	(void) close(fd);
}

/* --- cgroups ----------------------------------------------------------------------------------------------------- */

static char *group(int i, const char *id, const char *file)
{
	return text(CGROUPS "/%s/floor-%s%s", f.hierarchies[i], id, file);
}

static void find_hierarchies(void)
{
	struct statfs fs;
	struct dirent *e;
	DIR *dir;

	if (statfs(CGROUPS, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
		f.v2 = true;
		f.hierarchies[f.n++] = ".";
		return;
	}
	f.cgroup_ns = false;
	dir = opendir(CGROUPS);
	while (dir && (e = readdir(dir)) && f.n < GROUPS_MAX)
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
			access(text(CGROUPS "/%s/tasks", e->d_name), F_OK) == 0)
			f.hierarchies[f.n++] = text("%s", e->d_name);
	(void) closedir(dir);
}

static void copy_cpuset(int i, const char *id, const char *file)
{
	char value[256];

	get(text(CGROUPS "/%s%s", f.hierarchies[i], file), value, sizeof value);
	put(group(i, id, file), value);
}

static void limit_devices_v1(int i, const char *id)
{
	static const char *const allowed[] = { "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",
		"c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm" };
	int fd;

	put(group(i, id, "/devices.deny"), "a");
	fd = open(group(i, id, "/devices.allow"), O_WRONLY | O_CLOEXEC);
	for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
		if (write(fd, allowed[k], strlen(allowed[k])) < 0)
			die("devices.allow");
	(void) close(fd);
}

#define INSN(c, d, s, o, i)                                                                                            \
	(struct bpf_insn)                                                                                              \
	{                                                                                                              \
		.code = c, .dst_reg = d, .src_reg = s, .off = o, .imm = i                                              \
	}

/* One key, one compare for each rule, one way out: the verifier's time grows with the paths. */
static void limit_devices_v2(int dir)
{
	static const int nodes[] = { 1 << 20 | 3, 1 << 20 | 5, 1 << 20 | 7, 1 << 20 | 8, 1 << 20 | 9, 5 << 20,
		5 << 20 | 2 };
	const int n = sizeof nodes / sizeof *nodes;
	struct bpf_insn insns[32];
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .license = (uintptr_t) "MIT" }, attach;
	int k = 0, allow = 9 + n + 1;

	insns[k++] = INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0); /* access and type */
	insns[k++] = INSN(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0); /* major */
	insns[k++] = INSN(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0); /* minor */
	insns[k++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
	insns[k++] = INSN(BPF_ALU | BPF_RSH | BPF_K, 2, 0, 0, 16);
	insns[k++] = INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, allow - 6, BPF_DEVCG_ACC_MKNOD);
	insns[k++] = INSN(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, allow - 7, 136);
	insns[k++] = INSN(BPF_ALU64 | BPF_LSH | BPF_K, 4, 0, 0, 20);
	insns[k++] = INSN(BPF_ALU64 | BPF_OR | BPF_X, 4, 5, 0, 0);
	for (int i = 0; i < n; i++, k++)
		insns[k] = INSN(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, allow - k - 1, nodes[i]);
	insns[k++] = INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	insns[k++] = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	load.insns = (uintptr_t) insns;
	load.insn_cnt = (uint32_t) k;
	attach = (union bpf_attr){
		.target_fd = (uint32_t) dir, .attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI
	};
	attach.attach_bpf_fd = (uint32_t) syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	if ((int) attach.attach_bpf_fd < 0 || syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0)
		die("device program");
	(void) close((int) attach.attach_bpf_fd);
}

static void make_groups(const char *id)
{
	for (int i = 0; i < f.n; i++) {
		if (mkdir(group(i, id, ""), 0755) < 0)
			die(group(i, id, ""));
		if (strstr(f.hierarchies[i], "cpuset")) {
			copy_cpuset(i, id, "/cpuset.cpus");
			copy_cpuset(i, id, "/cpuset.mems");
		}
		if (strcmp(f.hierarchies[i], "devices") == 0)
			limit_devices_v1(i, id);
	}
}

/* What enters them: the v2 directory, or the v1 `tasks` files. */
static void open_groups(const char *id, int fds[GROUPS_MAX])
{
	for (int i = 0; i < f.n; i++) {
		fds[i] = f.v2 ? open(group(i, id, ""), O_PATH | O_DIRECTORY | O_CLOEXEC)
			      : open(group(i, id, "/tasks"), O_WRONLY | O_CLOEXEC);
		if (fds[i] < 0)
			die(group(i, id, ""));
	}
}

static void remove_groups(const char *id)
{
	for (int i = 0; i < f.n; i++)
		while (rmdir(group(i, id, "")) < 0) {
			if (errno != EBUSY)
				die(group(i, id, ""));
			(void) usleep(100); /* the last process is still leaving */
		}
}

/* --- mounts ------------------------------------------------------------------------------------------------------ */

static void mount_new(const char *type, const char *target, unsigned long flags, const char *data)
{
	if (mount(type, target, type, flags, data) < 0)
		die(target);
}

static void bind_at(const char *source, const char *target, unsigned int flags, uint64_t attrs)
{
	struct mount_attr attr = { .attr_set = attrs };
	int fd = (int) syscall(
		SYS_open_tree_attr, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags, &attr, sizeof attr);

	if (fd < 0 && errno == ENOSYS) { /* before Linux 6.15 */
		fd = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
		if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH | flags, &attr, sizeof attr) < 0)
			die(source);
	}
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die(target);
	(void) close(fd);
}

static void mount_cgroups(const char *id)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	const uint64_t attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY;

	if (f.v2 && f.cgroup_ns) {
		mount_new("cgroup2", "sys/fs/cgroup", flags | MS_RDONLY, NULL);
	} else if (f.v2) {
		bind_at(group(0, id, ""), "sys/fs/cgroup", 0, attrs);
	} else {
		mount_new("tmpfs", "sys/fs/cgroup", flags, "mode=755");
		for (int i = 0; i < f.n; i++) {
			char *target = text("sys/fs/cgroup/%s", f.hierarchies[i]);

			if (mkdir(target, 0755) < 0)
				die(target);
			bind_at(group(i, id, ""), target, 0, attrs);
		}
		if (mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
			die("cgroup");
	}
}

static void mount_all(const char *id)
{
	static const struct {
		const char *type, *target;
		unsigned long flags;
		const char *data;
	} mounts[] = {
		{ "proc", "proc", 0, NULL },
		{ "tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k" },
		{ "devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5" },
		{ "tmpfs", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k" },
		{ "mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL },
		{ "sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL },
	};

	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		if (strncmp(mounts[i].target, "dev/", 4) == 0 && mkdir(mounts[i].target, 0755) < 0)
			die(mounts[i].target);
		mount_new(mounts[i].type, mounts[i].target, mounts[i].flags, mounts[i].data);
	}
	mount_cgroups(id);
	for (int i = 0; i < f.binds; i++) {
		char *target = text("dev/m%d", i);

		if (mkdir(target, 0755) < 0)
			die(target);
		bind_at("bin", target, AT_RECURSIVE, MOUNT_ATTR_RDONLY);
	}
}

static void make_devices(void)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} nodes[] = { { "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 }, { "dev/random", 1, 8 },
		{ "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };
	static const char *const links[][2] = { { "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" },
		{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" }, { "/proc/kcore", "dev/core" },
		{ "pts/ptmx", "dev/ptmx" } };

	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
			die(nodes[i].path);
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			die(links[i][1]);
}

static void protect_paths(void)
{
	static const char *const files[] = { "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list",
		"proc/timer_stats", "proc/sched_debug" };
	static const char *const dirs[] = { "proc/acpi", "proc/asound", "sys/firmware", "proc/scsi" };
	static const char *const readonly[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
	const char *empty = NULL;

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (access(files[i], F_OK) == 0)
			bind_at("/dev/null", files[i], 0, 0);
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		if (empty && access(dirs[i], F_OK) == 0)
			bind_at(empty, dirs[i], 0, 0);
		else if (!empty &&
			 mount("tmpfs", dirs[i], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "") == 0)
			empty = dirs[i];
	}
	for (size_t i = 0; i < sizeof readonly / sizeof *readonly; i++)
		bind_at(readonly[i], readonly[i], AT_RECURSIVE, MOUNT_ATTR_RDONLY);
}

static void make_root(const char *id)
{
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		die("propagation");
	bind_at("rootfs", "rootfs", AT_RECURSIVE, 0);
	if (chdir("rootfs") < 0)
		die("rootfs");
	mount_all(id);
	make_devices();
	protect_paths();
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die("pivot_root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		die("read-only root");
}

/* --- the process ------------------------------------------------------------------------------------------------- */

static void lo_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &lo) < 0)
		die("lo");
	(void) close(sock);
}

static void drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const uint32_t keep = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
	struct __user_cap_data_struct data[2] = { { .effective = keep, .permitted = keep } };
	const struct rlimit files = { 1024, 1024 };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setgroups(0, NULL) < 0)
		die("limits");
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if ((cap > 31 || !(keep & 1u << cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			die("capabilities");
	if (syscall(SYS_capset, &header, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("capabilities");
}

_Noreturn static void execute(char *const *argv)
{
	static char *env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
		NULL };

	if (f.program.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f.program) < 0)
		die("seccomp");
	(void) execve(argv[0], argv, env);
	die(argv[0]);
}

static void read_filter(void)
{
	static struct sock_filter insns[4096];
	int fd = open(f.filter, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, insns, sizeof insns);

	if (n <= 0)
		die(f.filter);
	f.program = (struct sock_fprog){ (unsigned short) ((size_t) n / sizeof *insns), insns };
	(void) close(fd);
}

static pid_t spawn(uint64_t flags, const int groups[GROUPS_MAX])
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	pid_t pid;

	if (f.v2) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t) groups[0];
	}
	pid = (pid_t) syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		die("clone3");
	if (pid > 0)
		return pid;
	for (int i = 0; !f.v2 && i < f.n; i++)
		if (write(groups[i], "0", 1) != 1)
			die("tasks");
	(void) setsid();
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* `hold`: the fifo on which the child waits for `start`; `ready`: where it says that it does. */
static pid_t start_container(const char *id, char *const *argv, int hold, int ready)
{
	int groups[GROUPS_MAX];
	char byte;
	pid_t pid;

	make_groups(id);
	open_groups(id, groups);
	if (f.v2)
		limit_devices_v2(groups[0]);
	pid = spawn(NAMESPACES | (f.cgroup_ns ? CLONE_NEWCGROUP : 0), groups);
	if (pid > 0) {
		put(text("%s/pid", f.dir), text("%d", (int) pid));
		return pid;
	}
	make_root(id);
	lo_up();
	if (sethostname("runc", 4) < 0)
		die("hostname");
	drop_rights();
	if (ready >= 0 && (write(ready, "r", 1) != 1 || read(hold, &byte, 1) != 1))
		die("wait for start");
	if (syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		die("descriptors");
	execute(argv);
}

static pid_t saved_pid(void)
{
	char value[32];

	get(text("%s/pid", f.dir), value, sizeof value);
	return (pid_t) strtol(value, NULL, 10);
}

/* --- verbs ------------------------------------------------------------------------------------------------------- */

static int do_delete(char **args)
{
	remove_groups(args[0]);
	if (unlink(text("%s/pid", f.dir)) < 0 || (unlink(text("%s/fifo", f.dir)) < 0 && errno != ENOENT) ||
		rmdir(f.dir) < 0)
		die(f.dir);
	return 0;
}

static void make_dir(void)
{
	if (mkdir(f.dir, 0711) < 0 && (errno != ENOENT || mkdir(f.root, 0711) < 0 || mkdir(f.dir, 0711) < 0))
		die(f.dir);
}

static int do_run(char **args)
{
	static char *program[] = { "/bin/true", NULL };
	int status;

	make_dir();
	status = wait_for(start_container(args[0], program, -1, -1));
	(void) do_delete(args);
	return status;
}

static int do_create(char **args)
{
	static char *program[] = { "/bin/sleep", "1000", NULL };
	int hold, ready[2];
	char byte;

	make_dir();
	if (mkfifo(text("%s/fifo", f.dir), 0600) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		die("fifo");
	hold = open(text("%s/fifo", f.dir), O_RDWR | O_CLOEXEC);
	if (hold < 0)
		die("fifo");
	(void) start_container(args[0], program, hold, ready[1]);
	(void) close(ready[1]);
	return read(ready[0], &byte, 1) == 1 ? 0 : 1;
}

static int do_start(char **args)
{
	int fifo = open(text("%s/fifo", f.dir), O_WRONLY | O_CLOEXEC);

	(void) args;
	return fifo >= 0 && write(fifo, "s", 1) == 1 ? 0 : 1;
}

static int do_exec(char **args)
{
	int groups[GROUPS_MAX], pidfd = (int) syscall(SYS_pidfd_open, saved_pid(), 0);
	pid_t pid;

	open_groups(args[0], groups);
	if (setns(pidfd, NAMESPACES | (f.cgroup_ns ? CLONE_NEWCGROUP : 0)) < 0)
		die("setns");
	pid = spawn(0, groups);
	if (pid > 0)
		return wait_for(pid);
	drop_rights();
	execute(args + 1);
}

static int do_state(char **args)
{
	pid_t pid = saved_pid();
	char *json = text("{\"id\":\"%s\",\"pid\":%d,\"status\":\"%s\"}\n", args[0], (int) pid,
		kill(pid, 0) == 0 ? "running" : "stopped");

	return write(STDOUT_FILENO, json, strlen(json)) > 0 ? 0 : 1;
}

static int do_kill(char **args)
{
	(void) args;
	return kill(saved_pid(), SIGKILL) == 0 ? 0 : 1;
}

/* Is it frozen? Its group stands where a config without a path puts it. */
static void read_events(int groups, const char *id)
{
	char name[600], events[256];
	int fd;

	(void) snprintf(name, sizeof name, "%s/cgroup.events", id);
	fd = openat(groups, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, events, sizeof events) < 0)
		die(name);
}

/* A process that is there and the same as before: the cheapest that tells is a pidfd's inode. */
static void look_at_process(const char *state)
{
	const char *pid = strstr(state, "\"pid\":"), *more;
	struct stat st;
	int fd;

	while (pid && (more = strstr(pid + 1, "\"pid\":"))) /* the last line counts */
		pid = more;
	fd = pid ? (int) syscall(SYS_pidfd_open, strtol(pid + strlen("\"pid\":"), NULL, 10), 0) : -1;

	if (fd < 0 || fstat(fd, &st) < 0)
		die("process");
}

static int do_list(char **args)
{
	int groups = f.v2 ? open(CGROUPS, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1, n = 0;
	char state[4096];
	struct dirent *e;
	DIR *dir = opendir(args[0]);

	if (!dir)
		die(args[0]);
	while ((e = readdir(dir))) {
		ssize_t len;
		int fd;

		if (e->d_name[0] == '.')
			continue;
		(void) snprintf(state, sizeof state, "%s/state.json", e->d_name);
		fd = openat(dirfd(dir), state, O_RDONLY | O_CLOEXEC);
		len = fd < 0 ? -1 : read(fd, state, sizeof state - 1);
		if (len < 0)
			die(e->d_name);
		state[len] = '\0';
		look_at_process(state);
		if (groups >= 0)
			read_events(groups, e->d_name);
		if (++n % 64 == 0)
			(void) syscall(SYS_close_range, dirfd(dir) + 1, ~0U, 0);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **args);
} verbs[] = {
	{ "run", do_run },
	{ "create", do_create },
	{ "start", do_start },
	{ "exec", do_exec },
	{ "state", do_state },
	{ "kill", do_kill },
	{ "delete", do_delete },
	{ "list", do_list },
};

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--cgroupns=no") == 0)
			f.cgroup_ns = false;
		else if (strcmp(argv[i], "--filter") == 0)
			f.filter = argv[++i];
		else if (strcmp(argv[i], "--binds") == 0)
			f.binds = (int) strtol(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--root") == 0)
			f.root = argv[++i];
	}
	if (i + 1 >= argc) {
		(void) fprintf(stderr, "usage: floor [OPTIONS] VERB ID [ARGS]\n");
		return 2;
	}
	(void) umask(0);
	find_hierarchies();
	if (f.filter)
		read_filter();
	f.dir = text("%s/%s", f.root, argv[i + 1]);
	for (size_t k = 0; k < sizeof verbs / sizeof *verbs; k++)
		if (strcmp(argv[i], verbs[k].name) == 0)
			return verbs[k].run(argv + i + 1);
	(void) fprintf(stderr, "floor: no verb '%s'\n", argv[i]);
	return 2;
}
