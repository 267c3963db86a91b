/* spec: a config.json that runs as it is, in a shell, with a read-only rootfs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "libocispec/runtime.h"
#include "runtime/cli/command.h"

#define CONFIG "config.json"

struct spec_values {
	const char *bundle;
	bool rootless;
};
static const struct hoy_option spec_options[] = {
	HOY_OPTION(struct spec_values, "bundle", 'b', STRING, bundle, "directory to write config.json to"),
	HOY_OPTION(struct spec_values, "rootless", 0, FLAG, rootless, "for a user without privileges"),
};

static const char common_head[] =
	"{\"ociVersion\":\"" HOY_OCI_VERSION_MAX "\",\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},"
	"\"args\":[\"sh\"],\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],"
	"\"cwd\":\"/\",\"capabilities\":{"
	"\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"hoyrun\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},";
static const char dev_shm_mqueue[] = "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
				     "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
				     "{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
				     "\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},";
static const char rootful_mounts[] =
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],";
/* Without a network namespace of one's own a sysfs can't be mounted, and nothing may be limited. */
static const char rootless_mounts[] =
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]},"
	"{\"destination\":\"/sys\",\"type\":\"none\",\"source\":\"/sys\","
	"\"options\":[\"rbind\",\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}],";
static const char rootful_linux[] =
	"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
	"{\"type\":\"mount\"}%s],";
static const char common_tail[] =
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\","
	"\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

/* v1 hierarchies show their whole path anyway; only a unified host gives a container a tree of its own. */
static const char *cgroup_namespace(void)
{
	struct statfs fs;
	bool unified = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;

	return unified ? ",{\"type\":\"cgroup\"}" : "";
}

static void add_rootless_linux(struct hoy_buf *text)
{
	(void) hoy_buf_addf(text,
		"\"linux\":{\"uidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":1}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":1}],"
		"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
		"{\"type\":\"user\"}%s],",
		geteuid(), getegid(), cgroup_namespace());
}

/* Through the parser and the printer: what we write is what we read. */
static int make_text(bool rootless, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	int r;

	(void) hoy_buf_adds(&text, common_head);
	(void) hoy_buf_adds(&text, dev_shm_mqueue);
	(void) hoy_buf_adds(&text, rootless ? rootless_mounts : rootful_mounts);
	if (rootless)
		add_rootless_linux(&text);
	else
		(void) hoy_buf_addf(&text, rootful_linux, cgroup_namespace());
	(void) hoy_buf_adds(&text, common_tail);
	r = hoy_buf_check(&text, CONFIG, err);
	if (r == 0)
		r = hoy_oci_spec_parse(text.data, text.len, &spec, err);
	if (r == 0)
		r = hoy_oci_spec_print(spec, ret, 4, err);
	return r < 0 ? r : hoy_buf_addc(ret, '\n') < 0 ? hoy_err_oom(err) : 0;
}

static int spec_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	const struct spec_values *v = values;
	auto_fd int dir = AT_FDCWD, file = -EBADF;
	int r;

	(void) g;
	(void) args;
	dir = open(v->bundle ? v->bundle : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return hoy_err_sys(err, "bundle '%s'", v->bundle);
	r = make_text(v->rootless, &text, err);
	if (r < 0)
		return r;
	file = openat(dir, CONFIG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file < 0 && errno == EEXIST)
		return hoy_err_conflict(err, "File %s exists. Remove it first", CONFIG);
	if (file < 0)
		return hoy_err_sys(err, "create '%s'", CONFIG);
	r = hoy_fd_write_all(file, text.data, text.len);
	return r < 0 ? hoy_err_code(err, r, "write '%s'", CONFIG) : 0;
}

const struct hoy_command hoy_cmd_spec = {
	.name = "spec",
	.args = "",
	.summary = "Write a new config.json",
	.options = spec_options,
	.n_options = ARRAY_LEN(spec_options),
	.options_size = sizeof(struct spec_values),
	.run = spec_run,
};
