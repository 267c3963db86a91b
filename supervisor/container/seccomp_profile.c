/*
 * Docker's seccomp profiles. A profile is read twice from the same text: once as the OCI description that it contains,
 * once for what docker adds to it (conditions, architectures by native one); rule N of both is the same rule. Resolving
 * drops the rules whose conditions do not hold. Compiles nothing.
 */
#include "supervisor/container/seccomp_profile.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "libocispec/runtime.h"

/* --- what docker adds ------------------------------------------------------------------------------------------- */

struct condition {
	char **caps, **arches;
	char *min_kernel;
};

struct rule {
	char *name; /* the old form of names: ["..."] */
	struct condition *includes, *excludes;
};

struct arch_map {
	char *architecture;
	char **sub_architectures;
};

struct extras {
	struct arch_map *arch_map;
	size_t n_arch_map;
	struct rule *rules;
	size_t n_rules;
};

struct hoy_seccomp_profile {
	struct hoy_oci_seccomp *oci;
	struct extras *extras;
};

static int parse_version(const char *text, unsigned int *major, unsigned int *minor)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(text, '.');

	if (parts == NULL || hoy_strv_len(parts) < 2)
		return -EINVAL;
	/* "6.1.0-18-amd64": only what leads counts */
	parts[1][strspn(parts[1], "0123456789")] = '\0';
	return hoy_str_to_uint(parts[0], major) < 0 || hoy_str_to_uint(parts[1], minor) < 0 ? -EINVAL : 0;
}

static int condition_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct condition *condition = object;
	unsigned int major, minor;

	if (condition->min_kernel != NULL && parse_version(condition->min_kernel, &major, &minor) < 0)
		return hoy_field_invalid(at, err, "minKernel", "'%s' is no kernel version", condition->min_kernel);
	return 0;
}

static const struct hoy_field condition_fields[] = {
	HOY_FIELD_STRV(struct condition, "caps", caps, 0),
	HOY_FIELD_STRV(struct condition, "arches", arches, 0),
	HOY_FIELD_STRING(struct condition, "minKernel", min_kernel, HOY_FIELD_OMIT_EMPTY),
};
static const struct hoy_object condition_object = HOY_OBJECT(struct condition, condition_fields, condition_check);

/* What the OCI table reads is known here too, so that what neither knows can be refused. `errno` repeats errnoRet as a
 * name in profiles of other engines. */
static const struct hoy_field rule_fields[] = {
	HOY_FIELD_STRING(struct rule, "name", name, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_OBJECT_PTR(struct rule, "includes", includes, struct condition, &condition_object, 0),
	HOY_FIELD_OBJECT_PTR(struct rule, "excludes", excludes, struct condition, &condition_object, 0),
	HOY_FIELD_DROP("names"),
	HOY_FIELD_DROP("action"),
	HOY_FIELD_DROP("errnoRet"),
	HOY_FIELD_DROP("errno"),
	HOY_FIELD_DROP("args"),
	HOY_FIELD_DROP("comment"),
};
static const struct hoy_object rule_object = HOY_OBJECT(struct rule, rule_fields, NULL);

static const struct hoy_field arch_map_fields[] = {
	HOY_FIELD_STRING(struct arch_map, "architecture", architecture, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRV(struct arch_map, "subArchitectures", sub_architectures, 0),
};
static const struct hoy_object arch_map_object = HOY_OBJECT(struct arch_map, arch_map_fields, NULL);

static const struct hoy_field extras_fields[] = {
	HOY_FIELD_OBJECTS(struct extras, "archMap", arch_map, struct arch_map, &arch_map_object, 0),
	HOY_FIELD_OBJECTS(struct extras, "syscalls", rules, struct rule, &rule_object, 0),
	HOY_FIELD_DROP("defaultAction"),
	HOY_FIELD_DROP("defaultErrnoRet"),
	HOY_FIELD_DROP("defaultErrno"),
	HOY_FIELD_DROP("architectures"),
	HOY_FIELD_DROP("flags"),
	HOY_FIELD_DROP("listenerPath"),
	HOY_FIELD_DROP("listenerMetadata"),
};
static const struct hoy_object extras_object = {
	.what = "seccomp profile",
	.size = sizeof(struct extras),
	.fields = extras_fields,
	.n_fields = ARRAY_LEN(extras_fields),
};

/* --- reading ---------------------------------------------------------------------------------------------------- */

void hoy_seccomp_profile_free(struct hoy_seccomp_profile *profile)
{
	if (profile == NULL)
		return;
	hoy_oci_seccomp_free(profile->oci);
	hoy_field_free(&extras_object, profile->extras);
	free(profile);
}

static bool has_old_names(const struct extras *extras)
{
	for (size_t i = 0; i < extras->n_rules; i++)
		if (extras->rules[i].name != NULL)
			return true;
	return false;
}

static void write_rule(struct hoy_json_writer *w, const struct hoy_json *rule)
{
	const char *name = hoy_json_string(hoy_json_get_ci(rule, "name"));

	hoy_json_object(w, NULL);
	hoy_json_each(member, rule) if (name == NULL || strcasecmp(hoy_json_key(member), "names") != 0)
		hoy_json_add_value(w, hoy_json_key(member), member);
	if (name != NULL) {
		hoy_json_array(w, "names");
		hoy_json_add_string(w, NULL, name);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* The same profile with names: ["x"] for name: "x". */
static int modernise(const struct hoy_json *json, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_each(member, json)
	{
		if (strcasecmp(hoy_json_key(member), "syscalls") != 0) {
			hoy_json_add_value(&w, hoy_json_key(member), member);
			continue;
		}
		hoy_json_array(&w, "syscalls");
		hoy_json_each(rule, member) write_rule(&w, rule);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "seccomp profile", err);
	return r < 0 ? r : hoy_json_parse(text.data, text.len, /* limits= */ NULL, ret, err);
}

static int check_names(const struct hoy_json *json, const struct extras *extras, struct hoy_err *err)
{
	size_t i = 0;

	hoy_json_each(rule, hoy_json_get_ci(json, "syscalls"))
	{
		if (i < extras->n_rules && extras->rules[i].name != NULL &&
			hoy_json_len(hoy_json_get_ci(rule, "names")) > 0)
			return hoy_err_invalid(err, "seccomp profile: syscalls[%zu]: has both name and names", i);
		i++;
	}
	return 0;
}

static int check_together(const struct hoy_seccomp_profile *profile, struct hoy_err *err)
{
	if (profile->oci->n_syscalls != profile->extras->n_rules)
		return hoy_err_invalid(err, "seccomp profile: syscalls: given twice");
	if (profile->extras->n_arch_map > 0 && profile->oci->n_architectures > 0)
		return hoy_err_invalid(err, "seccomp profile: has both architectures and archMap");
	return 0;
}

static int parse_extras(const struct hoy_json *json, struct extras **ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **unknown = NULL;
	const struct hoy_field_options options = { .any_case = true, .unknown = &unknown };
	int r = hoy_field_parse_value(&extras_object, json, /* at= */ NULL, &options, (void **) ret, err);

	if (r < 0)
		return r;
	if (unknown != NULL && unknown[0] != NULL)
		return hoy_err_invalid(err, "seccomp profile: unknown member '%s'", unknown[0]);
	r = hoy_field_validate(&extras_object, *ret, err);
	return r < 0 ? r : check_names(json, *ret, err);
}

static int parse(const char *text, size_t len, struct hoy_seccomp_profile *profile, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *json = NULL, *modern = NULL;
	const struct hoy_field_options options = { .any_case = true };
	int r = hoy_json_parse(text, len, /* limits= */ NULL, &json, err);

	if (r < 0)
		return hoy_err_wrap(err, "seccomp profile");
	r = parse_extras(json, &profile->extras, err);
	if (r == 0 && has_old_names(profile->extras))
		r = modernise(json, &modern, err);
	if (r == 0)
		r = hoy_field_parse_value(&hoy_oci_seccomp_object, modern == NULL ? json : modern, /* at= */ NULL,
			&options, (void **) &profile->oci, err);
	if (r == 0)
		r = hoy_field_validate(&hoy_oci_seccomp_object, profile->oci, err);
	return r < 0 ? r : check_together(profile, err);
}

int hoy_seccomp_profile_parse(const char *text, size_t len, struct hoy_seccomp_profile **ret, struct hoy_err *err)
{
	auto_ptr(hoy_seccomp_profile_free) struct hoy_seccomp_profile *profile = calloc(1, sizeof *profile);
	int r;

	if (profile == NULL)
		return hoy_err_oom(err);
	r = parse(text, len, profile, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(profile);
	return 0;
}

int hoy_seccomp_profile_default(struct hoy_seccomp_profile **ret, struct hoy_err *err)
{
	/* seccomp_default.json, as a string */
	static const char text[] =
#include "supervisor/container/seccomp_default.inc"
		;

	return hoy_seccomp_profile_parse(text, sizeof text - 1, ret, err);
}

/* --- resolving -------------------------------------------------------------------------------------------------- */

/* The architectures a kernel may have been built for: what profiles call them in `arches`. */
static const struct {
	const char *seccomp, *go;
} arch_names[] = {
	{ "SCMP_ARCH_X86_64", "amd64" },
	{ "SCMP_ARCH_X86", "x86" },
	{ "SCMP_ARCH_X32", "x32" },
	{ "SCMP_ARCH_AARCH64", "arm64" },
	{ "SCMP_ARCH_ARM", "arm" },
	{ "SCMP_ARCH_RISCV64", "riscv64" },
	{ "SCMP_ARCH_PPC64LE", "ppc64le" },
	{ "SCMP_ARCH_S390X", "s390x" },
	{ "SCMP_ARCH_S390", "s390" },
	{ "SCMP_ARCH_MIPS64", "mips64" },
	{ "SCMP_ARCH_MIPS64N32", "mips64n32" },
	{ "SCMP_ARCH_MIPSEL64", "mips64le" },
	{ "SCMP_ARCH_MIPSEL64N32", "mipsel64n32" },
	{ "SCMP_ARCH_LOONGARCH64", "loong64" },
};

static const char *native_arch(void)
{
#if defined(__x86_64__)
	return "SCMP_ARCH_X86_64";
#elif defined(__i386__)
	return "SCMP_ARCH_X86";
#elif defined(__aarch64__)
	return "SCMP_ARCH_AARCH64";
#elif defined(__arm__)
	return "SCMP_ARCH_ARM";
#elif defined(__riscv)
	return "SCMP_ARCH_RISCV64";
#elif defined(__powerpc64__)
	return "SCMP_ARCH_PPC64LE";
#elif defined(__s390x__)
	return "SCMP_ARCH_S390X";
#elif defined(__loongarch64)
	return "SCMP_ARCH_LOONGARCH64";
#else
#error "which SCMP_ARCH_ is this?"
#endif
}

/* The target with its defaults filled in. */
struct resolver {
	const char *const *caps;
	const char *arch, *go_arch;
	unsigned int major, minor;
};

static int resolver_init(struct resolver *r, const struct hoy_seccomp_target *target, struct hoy_err *err)
{
	struct utsname uts;

	*r = (struct resolver){
		.caps = target->caps,
		.arch = target->arch == NULL ? native_arch() : target->arch,
		.go_arch = "",
		.major = target->kernel_major,
		.minor = target->kernel_minor,
	};
	for (size_t i = 0; i < ARRAY_LEN(arch_names); i++)
		if (strcmp(r->arch, arch_names[i].seccomp) == 0)
			r->go_arch = arch_names[i].go;
	if (r->major != 0)
		return 0;
	if (uname(&uts) < 0 || parse_version(uts.release, &r->major, &r->minor) < 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EINVAL, "tell the kernel's version");
	return 0;
}

static bool has_cap(const struct resolver *r, const char *cap)
{
	for (const char *const *c = r->caps; c != NULL && *c != NULL; c++)
		if (strcmp(*c, cap) == 0)
			return true;
	return false;
}

static bool kernel_is_at_least(const struct resolver *r, const char *version)
{
	unsigned int major, minor;

	if (parse_version(version, &major, &minor) < 0)
		return false;
	return r->major > major || (r->major == major && r->minor >= minor);
}

static bool has_any(char *const *list)
{
	return list != NULL && list[0] != NULL;
}

/* All that is asked for holds. */
static bool is_included(const struct resolver *r, const struct condition *condition)
{
	if (condition == NULL)
		return true;
	if (has_any(condition->arches) && !hoy_strv_has(condition->arches, r->go_arch))
		return false;
	for (char **cap = condition->caps; cap != NULL && *cap != NULL; cap++)
		if (!has_cap(r, *cap))
			return false;
	return condition->min_kernel == NULL || kernel_is_at_least(r, condition->min_kernel);
}

/* Any of it holds. */
static bool is_excluded(const struct resolver *r, const struct condition *condition)
{
	if (condition == NULL)
		return false;
	if (has_any(condition->arches) && hoy_strv_has(condition->arches, r->go_arch))
		return true;
	for (char **cap = condition->caps; cap != NULL && *cap != NULL; cap++)
		if (has_cap(r, *cap))
			return true;
	return condition->min_kernel != NULL && kernel_is_at_least(r, condition->min_kernel);
}

static int add_arch(struct hoy_oci_seccomp *oci, const char *name, struct hoy_err *err)
{
	enum hoy_oci_seccomp_arch *arch;

	for (int a = HOY_OCI_ARCH_UNSET + 1; hoy_oci_seccomp_arch_to_string(a) != NULL; a++)
		if (strcmp(hoy_oci_seccomp_arch_to_string(a), name) == 0) {
			arch = hoy_field_add(&oci->architectures, &oci->n_architectures);
			if (arch == NULL)
				return hoy_err_oom(err);
			*arch = (enum hoy_oci_seccomp_arch) a;
			return 0;
		}
	return hoy_err_invalid(err, "seccomp profile: archMap: unknown architecture '%s'", name);
}

static int add_mapped_archs(const struct hoy_seccomp_profile *profile, const struct resolver *r,
	struct hoy_oci_seccomp *oci, struct hoy_err *err)
{
	for (size_t i = 0; i < profile->extras->n_arch_map; i++) {
		const struct arch_map *map = &profile->extras->arch_map[i];
		int ret;

		if (strcmp(map->architecture, r->arch) != 0)
			continue;
		ret = add_arch(oci, map->architecture, err);
		for (char **sub = map->sub_architectures; ret == 0 && sub != NULL && *sub != NULL; sub++)
			ret = add_arch(oci, *sub, err);
		return ret;
	}
	return 0;
}

int hoy_seccomp_profile_resolve(const struct hoy_seccomp_profile *profile, const struct hoy_seccomp_target *target,
	struct hoy_oci_seccomp **ret, struct hoy_err *err)
{
	struct hoy_oci_seccomp kept = *profile->oci;
	auto_free struct hoy_oci_seccomp_syscall *rules = calloc(kept.n_syscalls + 1, sizeof *rules);
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *copy = NULL;
	struct resolver resolver;
	int r = resolver_init(&resolver, target, err);

	if (r < 0)
		return r;
	if (rules == NULL)
		return hoy_err_oom(err);
	kept.syscalls = rules;
	kept.n_syscalls = 0;
	for (size_t i = 0; i < profile->oci->n_syscalls; i++) {
		const struct rule *rule = &profile->extras->rules[i];

		if (!is_excluded(&resolver, rule->excludes) && is_included(&resolver, rule->includes))
			rules[kept.n_syscalls++] = profile->oci->syscalls[i];
	}
	copy = hoy_field_copy(&hoy_oci_seccomp_object, &kept);
	if (copy == NULL)
		return hoy_err_oom(err);
	r = add_mapped_archs(profile, &resolver, copy, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(copy);
	return 0;
}
