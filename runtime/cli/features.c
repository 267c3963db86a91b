/* features: what this runtime knows, whatever the host can. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/cli/command.h"
#include "runtime/plan/plan.h"

static char *hooks[] = { "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL };
static char *seccomp_actions[] = { "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP", NULL };
static char *seccomp_operators[] = { "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
	"SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL };
static char *seccomp_flags[] = { "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL };
static char *mpol_modes[] = { "MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
	"MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL", NULL };
static char *mpol_flags[] = { "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES", NULL };

/* Who lets others write annotations must know: it names a file that CRIU reads as root. */
static char *unsafe_annotations[] = { "org.criu.config", NULL };

/* Names that our own tables tell. */
struct lists {
	char **mount_options, **namespaces, **caps, **archs;
};

static void free_lists(struct lists *l)
{
	hoy_strv_free(l->mount_options);
	hoy_strv_free(l->namespaces);
	hoy_strv_free(l->caps);
	hoy_strv_free(l->archs);
}

static int make_lists(struct lists *l)
{
	const char *name;
	int r = 0;

	for (size_t i = 0; r == 0 && (name = hoy_mount_option_name(i)); i++)
		r = hoy_strv_add(&l->mount_options, name);
	for (int i = HOY_OCI_NS_UNSET + 1; r == 0 && i < _HOY_OCI_NS_MAX; i++)
		r = hoy_strv_add(&l->namespaces, hoy_oci_ns_type_to_string((enum hoy_oci_ns_type) i));
	for (int i = 0; r == 0 && (name = hoy_cap_to_string(i)); i++)
		r = hoy_strv_add(&l->caps, name);
	for (int i = HOY_OCI_ARCH_UNSET + 1; r == 0 && i <= HOY_OCI_ARCH_RISCV64; i++)
		if ((name = hoy_oci_seccomp_arch_to_string((enum hoy_oci_seccomp_arch) i)))
			r = hoy_strv_add(&l->archs, name);
	return r;
}

static int features_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(free_lists) struct lists lists = {};
	auto_(hoy_buf_done) struct hoy_buf text = {};
	static char min[] = HOY_OCI_VERSION_MIN, max[] = HOY_OCI_VERSION_MAX;
	bool yes = true;
	struct hoy_oci_features_enabled on = { .enabled = &yes };
	struct hoy_oci_features_cgroup cgroup = {
		.v1 = &yes, .v2 = &yes, .systemd = &yes, .systemd_user = &yes, .rdma = &yes
	};
	struct hoy_oci_features_seccomp seccomp = {
		.enabled = &yes,
		.actions = seccomp_actions,
		.operators = seccomp_operators,
		.known_flags = seccomp_flags,
		.supported_flags = seccomp_flags,
	};
	struct hoy_oci_features_memory_policy mpol = { .modes = mpol_modes, .flags = mpol_flags };
	struct hoy_oci_features_intel_rdt rdt = { .enabled = &yes, .schemata = &yes, .monitoring = &yes };
	struct hoy_oci_features_mount_extensions mount_extensions = { .idmap = &on };
	struct hoy_oci_features_linux linux_ = {
		.cgroup = &cgroup,
		.seccomp = &seccomp,
		.apparmor = &on,
		.selinux = &on,
		.memory_policy = &mpol,
		.intel_rdt = &rdt,
		.mount_extensions = &mount_extensions,
		.net_devices = &on,
	};
	struct hoy_oci_features features = {
		.oci_version_min = min,
		.oci_version_max = max,
		.hooks = hooks,
		.linux_ = &linux_,
		.potentially_unsafe_config_annotations = unsafe_annotations,
	};
	int r;

	(void) g;
	(void) values;
	(void) args;
	if (make_lists(&lists) < 0)
		return hoy_err_oom(err);
	features.mount_options = lists.mount_options;
	linux_.namespaces = lists.namespaces;
	linux_.capabilities = lists.caps;
	seccomp.archs = lists.archs;
	r = hoy_oci_features_print(&features, &text, 4, err);
	if (r < 0)
		return r;
	if (hoy_buf_addc(&text, '\n') < 0)
		return hoy_err_oom(err);
	r = hoy_fd_write_all(STDOUT_FILENO, text.data, text.len);
	return r < 0 ? hoy_err_code(err, r, "write to stdout") : 0;
}

const struct hoy_command hoy_cmd_features = {
	.name = "features",
	.args = "",
	.summary = "Show what this runtime supports as JSON",
	.run = features_run,
};
