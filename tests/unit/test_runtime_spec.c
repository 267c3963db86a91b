/*
 * libocispec: config.json, process, resources, seccomp. One document of the fuzz corpus gives every field a value; the
 * field tables themselves say which fields there are, so that none can be forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "libocispec/runtime_internal.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_spec(void);

static char *read_full(size_t *len)
{
	struct hoy_buf buf = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_file_read(AT_FDCWD, HOY_TESTS_DIR "/fuzz/corpus/runtime-spec/full.json", &buf, &err) >= 0,
		"%s", err.msg);
	*len = buf.len;
	return hoy_buf_take(&buf);
}

static struct hoy_json *full_tree(void)
{
	struct hoy_json *doc = NULL;
	size_t len;
	auto_free char *text = read_full(&len);
	struct hoy_err err = {};

	ck_assert_msg(hoy_json_parse(text, len, NULL, &doc, &err) == 0, "%s", err.msg);
	return doc;
}

static struct hoy_oci_spec *full_spec(void)
{
	struct hoy_oci_spec *spec = NULL;
	size_t len;
	auto_free char *text = read_full(&len);
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_spec_parse(text, len, &spec, &err) == 0, "%s", err.msg);
	return spec;
}

static char *printed(const struct hoy_oci_spec *spec)
{
	struct hoy_buf buf = {};

	ck_assert_int_eq(hoy_oci_spec_print(spec, &buf, 0, NULL), 0);
	return hoy_buf_take(&buf);
}

/* --- all fields ---------------------------------------------------------------------------------------------- */

/* The tree of the full document with one member replaced, written to a buffer. `table_path` is a path of
 * hoy_field_walk(); the first element of a list and the first key of a map are meant. */
struct replacement {
	const char *table_path;
	const char *raw; /* NULL: the member is left out */
	bool found;
	char path[200]; /* of the member in the document */
};

static void write_replaced(struct hoy_json_writer *w, const char *key, const struct hoy_json *value,
	const char *table_path, const char *path, struct replacement *replacement);

static void write_members(struct hoy_json_writer *w, const struct hoy_json *value, const char *table_path,
	const char *path, struct replacement *replacement)
{
	bool is_map = hoy_str_starts(replacement->table_path, table_path) &&
		      hoy_str_starts(replacement->table_path + strlen(table_path), ".*");
	size_t i = 0;

	hoy_json_each(child, value)
	{
		char child_table[300], child_path[300];

		snprintf(child_table, sizeof child_table, "%s%s%s", table_path, *table_path ? "." : "",
			is_map && i == 0 ? "*" : hoy_json_key(child));
		snprintf(child_path, sizeof child_path, "%s%s%s", path, *path ? "." : "", hoy_json_key(child));
		write_replaced(w, hoy_json_key(child), child, child_table, child_path, replacement);
		i++;
	}
}

static void write_replaced(struct hoy_json_writer *w, const char *key, const struct hoy_json *value,
	const char *table_path, const char *path, struct replacement *replacement)
{
	if (strcmp(table_path, replacement->table_path) == 0) {
		replacement->found = true;
		snprintf(replacement->path, sizeof replacement->path, "%s", path);
		if (replacement->raw)
			hoy_json_add_raw(w, key, replacement->raw);
		return;
	}
	if (hoy_json_type(value) == HOY_JSON_OBJECT) {
		hoy_json_object(w, key);
		write_members(w, value, table_path, path, replacement);
		hoy_json_end(w);
	} else if (hoy_json_type(value) == HOY_JSON_ARRAY) {
		size_t i = 0;

		hoy_json_array(w, key);
		hoy_json_each(child, value)
		{
			char child_table[300], child_path[300];

			snprintf(child_table, sizeof child_table, "%s[%s]", table_path, i == 0 ? "" : "other");
			snprintf(child_path, sizeof child_path, "%s[%zu]", path, i++);
			write_replaced(w, NULL, child, child_table, child_path, replacement);
		}
		hoy_json_end(w);
	} else {
		hoy_json_add_value(w, key, value);
	}
}

static char *full_with(const char *table_path, const char *raw, struct replacement *replacement)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = full_tree();
	struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };

	*replacement = (struct replacement){ .table_path = table_path, .raw = raw };
	write_replaced(&w, NULL, doc, "", "", replacement);
	return hoy_buf_take(&buf);
}

START_TEST(every_field_survives_parse_and_print)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = full_tree();
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = full_spec();
	auto_free char *again = printed(spec);
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };

	/* The other platforms' parts stand last and are dropped. */
	hoy_json_object(&w, NULL);
	hoy_json_each(child, doc)
	{
		if (strcmp(hoy_json_key(child), "solaris") == 0)
			break;
		hoy_json_add_value(&w, hoy_json_key(child), child);
	}
	hoy_json_end(&w);
	ck_assert_str_eq(again, buf.data);
	ck_assert_ptr_null(spec->unknown_fields);
}
END_TEST

static void assert_in_document(const char *path, const struct hoy_field *field, void *userdata)
{
	struct replacement replacement;

	(void) field;
	(void) userdata;
	free(full_with(path, "0", &replacement));
	ck_assert_msg(replacement.found, "full.json has no %s", path);
}

START_TEST(the_full_document_has_every_field)
{
	hoy_field_walk(&hoy_oci_spec_object, assert_in_document, NULL);
}
END_TEST

static const char *wrong_value(const struct hoy_field *field)
{
	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_STRING:
	case HOY_KIND_STRV:
	case HOY_KIND_BOOL:
	case HOY_KIND_BOOL_PTR:
	case HOY_KIND_ENUM:
	case HOY_KIND_ENUMS:
	case HOY_KIND_KV:
	case HOY_KIND_KEYS:
	case HOY_KIND_OBJECT:
	case HOY_KIND_OBJECT_PTR:
	case HOY_KIND_OBJECTS:
	case HOY_KIND_OBJECT_MAP:
		return "1";
	default:
		return "\"1\"";
	}
}

static void assert_type_is_checked(const char *path, const struct hoy_field *field, void *userdata)
{
	struct hoy_oci_spec *spec = NULL;
	struct replacement replacement;
	struct hoy_err err = {};
	auto_free char *text = full_with(path, wrong_value(field), &replacement);

	(void) userdata;
	if (field->kind == HOY_KIND_DROP)
		return;
	ck_assert_msg(hoy_oci_spec_parse(text, strlen(text), &spec, &err) == -EINVAL, "%s", path);
	ck_assert_msg(hoy_str_starts(err.msg, replacement.path) &&
			      hoy_str_starts(err.msg + strlen(replacement.path), ": expected "),
		"%s: %s", path, err.msg);
}

START_TEST(a_wrong_type_of_any_field_is_refused_with_its_path)
{
	hoy_field_walk(&hoy_oci_spec_object, assert_type_is_checked, NULL);
}
END_TEST

static void assert_required(const char *path, const struct hoy_field *field, void *userdata)
{
	struct hoy_oci_spec *spec = NULL;
	struct replacement replacement;
	struct hoy_err err = {};
	auto_free char *text = full_with(path, NULL, &replacement);
	int r = hoy_oci_spec_parse(text, strlen(text), &spec, &err);

	(void) userdata;
	if (field->flags & HOY_FIELD_REQUIRED) {
		ck_assert_msg(r == -EINVAL, "%s", path);
		ck_assert_msg(hoy_str_starts(err.msg, replacement.path) && hoy_str_ends(err.msg, ": missing"), "%s: %s",
			path, err.msg);
		return;
	}
	ck_assert_msg(r == 0, "%s: %s", path, err.msg);
	hoy_oci_spec_free(spec);
}

START_TEST(only_required_fields_must_be_there)
{
	hoy_field_walk(&hoy_oci_spec_object, assert_required, NULL);
}
END_TEST

static void assert_enum_is_closed(const char *path, const struct hoy_field *field, void *userdata)
{
	struct hoy_oci_spec *spec = NULL;
	struct replacement replacement;
	struct hoy_err err = {};
	char want[300];
	auto_free char *text = full_with(path, field->kind == HOY_KIND_ENUMS ? "[\"nett\"]" : "\"nett\"", &replacement);

	(void) userdata;
	if (field->kind != HOY_KIND_ENUM && field->kind != HOY_KIND_ENUMS)
		return;
	ck_assert_msg(hoy_oci_spec_parse(text, strlen(text), &spec, &err) == -EINVAL, "%s", path);
	snprintf(want, sizeof want, "%s%s: unknown value \"nett\"", replacement.path,
		field->kind == HOY_KIND_ENUMS ? "[0]" : "");
	ck_assert_str_eq(err.msg, want);
}

START_TEST(an_unknown_value_of_an_enumeration_is_refused)
{
	hoy_field_walk(&hoy_oci_spec_object, assert_enum_is_closed, NULL);
}
END_TEST

static void assert_values_round_trip(const char *path, const struct hoy_field *field, void *userdata)
{
	(void) path;
	(void) userdata;
	if (field->kind != HOY_KIND_ENUM && field->kind != HOY_KIND_ENUMS)
		return;
	for (size_t i = 1; i < field->values->n; i++) {
		ck_assert_ptr_nonnull(field->values->names[i]);
		ck_assert_int_eq(hoy_enum_from_string(field->values, field->values->names[i]), (int) i);
	}
}

START_TEST(every_value_of_an_enumeration_has_its_own_name)
{
	hoy_field_walk(&hoy_oci_spec_object, assert_values_round_trip, NULL);
}
END_TEST

START_TEST(fields_arrive_in_their_members)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = full_spec();
	const struct hoy_oci_linux *lx = spec->linux_;

	ck_assert_uint_eq(spec->process->user.additional_gids[1], 27);
	ck_assert_int_eq(spec->process->scheduler->policy, HOY_OCI_SCHED_DEADLINE);
	ck_assert(spec->process->rlimits[1].hard == UINT64_MAX);
	ck_assert_int_eq(spec->process->io_priority->class_, HOY_OCI_IOPRIO_BE);
	ck_assert_uint_eq(spec->mounts[0].uid_mappings[0].host_id, 1000);
	ck_assert_int_eq(*spec->hooks->prestart[0].timeout, 5);
	ck_assert_str_eq(spec->hooks->poststop[0].path, "/hooks/f");
	ck_assert_str_eq(hoy_oci_spec_annotation(spec, "org.example.cargo"), "salt");
	ck_assert_ptr_null(hoy_oci_spec_annotation(spec, "none"));
	ck_assert_int_eq(lx->namespaces[1].type, HOY_OCI_NS_NETWORK);
	ck_assert_str_eq(hoy_oci_spec_namespace(spec, HOY_OCI_NS_PID)->path, "/proc/1/ns/pid");
	ck_assert_int_eq(lx->seccomp->syscalls[0].args[0].op, HOY_OCI_CMP_MASKED_EQ);
	ck_assert_int_eq(lx->seccomp->architectures[2], HOY_OCI_ARCH_X32);
	ck_assert_int_eq(lx->rootfs_propagation, HOY_OCI_PROPAGATION_SLAVE);
	ck_assert_str_eq(lx->net_devices[0].host_name, "eth7");
	ck_assert_str_eq(lx->resources->rdma[0].device, "mlx5_1");
	ck_assert_uint_eq(lx->resources->block_io->throttle_write_iops_device[0].rate, 101);
	ck_assert_int_eq(lx->time_offsets->monotonic->secs, -172800);
	ck_assert_int_eq(lx->personality->domain, HOY_OCI_PER_LINUX32);
	ck_assert_str_eq(hoy_oci_ns_type_to_string(HOY_OCI_NS_NETWORK), "network");
	ck_assert_ptr_null(hoy_oci_ns_type_to_string(HOY_OCI_NS_UNSET));
	ck_assert_str_eq(hoy_oci_seccomp_action_to_string(HOY_OCI_ACT_LOG), "SCMP_ACT_LOG");
	ck_assert_str_eq(hoy_oci_seccomp_arch_to_string(HOY_OCI_ARCH_X86_64), "SCMP_ARCH_X86_64");
}
END_TEST

START_TEST(the_other_platforms_parts_are_dropped)
{
	static const char *const parts[] = { "solaris", "windows", "vm", "zos", "freebsd" };
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = full_spec();
	auto_free char *text = printed(spec);

	ck_assert_ptr_null(spec->unknown_fields);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		ck_assert_ptr_null(strstr(text, parts[i]));
}
END_TEST

START_TEST(unknown_fields_are_listed)
{
	static const char text[] =
		"{\"ociVersion\":\"1.9.0\",\"future\":{},\"linux\":{\"namespaces\":[{\"type\":\"pid\","
		"\"depth\":1}]}}";
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;

	ck_assert_int_eq(hoy_oci_spec_parse(text, strlen(text), &spec, NULL), 0);
	ck_assert_uint_eq(hoy_strv_len(spec->unknown_fields), 2);
	ck_assert_str_eq(spec->unknown_fields[1], "linux.namespaces[0].depth");
}
END_TEST

START_TEST(a_huge_document_is_refused_at_once)
{
	struct hoy_oci_spec *spec = NULL;
	size_t len = (size_t) 100 << 20;
	char *text = malloc(len);
	struct hoy_err err;

	memset(text, ' ', len);
	ck_assert_int_eq(hoy_oci_spec_parse(text, len, &spec, &err), -EMSGSIZE);
	ck_assert_str_eq(err.msg, "JSON text of 104857600 bytes is larger than 16777216 bytes");
	free(text);
}
END_TEST

/* --- the inventory ------------------------------------------------------------------------------------------- */

static void collect_leaf(const char *path, const struct hoy_field *field, void *userdata)
{
	if (hoy_field_is_leaf(field))
		ck_assert_int_eq(hoy_strv_add(userdata, path), 0);
}

/* First columns of the table. */
static char **read_rows(void)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	char **rows = NULL;

	ck_assert_int_eq(hoy_file_read(AT_FDCWD, HOY_TESTS_DIR "/coverage/runtime-spec.tsv", &buf, NULL), 0);
	for (char *rest = buf.data, *line; (line = strsep(&rest, "\n"));) {
		if (!*line || *line == '#')
			continue;
		line[strcspn(line, "\t")] = '\0';
		ck_assert_msg(!rows || !hoy_strv_has(rows, line), "runtime-spec.tsv has %s twice", line);
		ck_assert_int_eq(hoy_strv_add(&rows, line), 0);
	}
	return rows;
}

START_TEST(every_field_has_a_row_in_the_inventory)
{
	auto_ptr(hoy_strv_free) char **fields = NULL;
	auto_ptr(hoy_strv_free) char **rows = read_rows();

	hoy_field_walk(&hoy_oci_spec_object, collect_leaf, &fields);
	for (size_t i = 0; fields[i]; i++)
		ck_assert_msg(hoy_strv_has(rows, fields[i]), "runtime-spec.tsv has no row for %s", fields[i]);
	for (size_t i = 0; rows[i]; i++)
		ck_assert_msg(hoy_strv_has(fields, rows[i]), "config.json has no field %s", rows[i]);
}
END_TEST

/* --- validation ---------------------------------------------------------------------------------------------- */

START_TEST(the_full_document_is_valid)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = full_spec();
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_spec_validate(spec, &err) == 0, "%s", err.msg);
}
END_TEST

/* The full document with one member replaced parses, and validation says exactly this. */
struct fault {
	const char *table_path;
	const char *raw; /* NULL: left out */
	const char *why;
};

static void assert_fault(const struct fault *fault)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	struct replacement replacement;
	struct hoy_err err = {};
	auto_free char *text = full_with(fault->table_path, fault->raw, &replacement);

	ck_assert_msg(replacement.found, "%s", fault->table_path);
	ck_assert_msg(hoy_oci_spec_parse(text, strlen(text), &spec, &err) == 0, "%s", err.msg);
	ck_assert_msg(hoy_oci_spec_validate(spec, &err) == -EINVAL, "%s = %s", fault->table_path, fault->raw);
	ck_assert_str_eq(err.msg, fault->why);
}

static void assert_fine(const char *table_path, const char *raw)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	struct replacement replacement;
	struct hoy_err err = {};
	auto_free char *text = full_with(table_path, raw, &replacement);

	ck_assert_msg(hoy_oci_spec_parse(text, strlen(text), &spec, &err) == 0, "%s: %s", table_path, err.msg);
	ck_assert_msg(hoy_oci_spec_validate(spec, &err) == 0, "%s = %s: %s", table_path, raw, err.msg);
}

START_TEST(a_version_must_be_semantic_and_1)
{
	static const char *const bad[] = { "1", "1.0", "1.0.0.0", "01.0.0", "1.00.0", "1.0.0-", "1.0.0-a..b",
		"1.0.0-01", "1.0.0+", "v1.0.0", "", "1.0.0 ", "1.0.x" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char raw[40], why[100];

		snprintf(raw, sizeof raw, "\"%s\"", bad[i]);
		snprintf(why, sizeof why, "ociVersion: \"%s\" is not a semantic version", bad[i]);
		assert_fault(&(struct fault){ "ociVersion", raw, why });
	}
	assert_fault(
		&(struct fault){ "ociVersion", "\"2.0.0\"", "ociVersion: version 2.0.0 is not supported (1.x is)" });
	assert_fault(
		&(struct fault){ "ociVersion", "\"0.9.0\"", "ociVersion: version 0.9.0 is not supported (1.x is)" });
	assert_fine("ociVersion", "\"1.0.0-rc5-dev\"");
	assert_fine("ociVersion", "\"1.2.1+dev.x-1\"");
	assert_fine("ociVersion", "\"1.99.0\"");
}
END_TEST

START_TEST(faults_of_process_and_root_are_found)
{
	static const struct fault faults[] = {
		{ "root", NULL, "root: missing" },
		{ "root.path", "\"\"", "root.path: empty" },
		{ "process.args", NULL, "process.args: missing" },
		{ "process.args", "[]", "process.args: empty" },
		{ "process.cwd", "\"deck\"", "process.cwd: \"deck\" is not an absolute path" },
		{ "process.cwd", "\"\"", "process.cwd: \"\" is not an absolute path" },
		{ "process.consoleSize.height", "65536", "process.consoleSize.height: above 65535" },
		{ "process.consoleSize.width", "65536", "process.consoleSize.width: above 65535" },
		{ "process.user.umask", "512", "process.user.umask: 512 is above 511 (octal 777)" },
		{ "process.rlimits[].type", "\"RLIMIT_CORE\"", "process.rlimits[1].type: RLIMIT_CORE is given twice" },
		{ "process.rlimits[].type", "\"RLIMIT_X\"", "process.rlimits[0].type: unknown value \"RLIMIT_X\"" },
		{ "process.rlimits[].type", "\"NOFILE\"", "process.rlimits[0].type: unknown value \"NOFILE\"" },
		{ "process.rlimits[].soft", "2049", "process.rlimits[0].soft: above the hard limit" },
		{ "process.oomScoreAdj", "1001", "process.oomScoreAdj: 1001 is not between -1000 and 1000" },
		{ "process.scheduler.policy", "\"SCHED_OTHER\"",
			"process.scheduler: runtime, deadline and period are only for SCHED_DEADLINE" },
		{ "process.scheduler.priority", "1", "process.scheduler.priority: only for SCHED_FIFO and SCHED_RR" },
		{ "process.scheduler", "{\"policy\":\"SCHED_BATCH\",\"nice\":20}",
			"process.scheduler.nice: 20 is not between -20 and 19" },
		{ "process.ioPriority.priority", "8", "process.ioPriority.priority: 8 is not between 0 and 7" },
		{ "process.execCPUAffinity.initial", "\"1-\"",
			"process.execCPUAffinity.initial: \"1-\" is not a list such as \"0-3,7\"" },
		{ "process.execCPUAffinity.final", "\"3-1\"",
			"process.execCPUAffinity.final: \"3-1\" is not a list such as \"0-3,7\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_fault(&faults[i]);
	assert_fine("process", NULL);
	assert_fine("process.execCPUAffinity.initial", "\" 0 , 2-4\"");
	assert_fine("process.scheduler", "{\"policy\":\"SCHED_FIFO\",\"priority\":50}");
}
END_TEST

START_TEST(faults_of_mounts_hooks_and_names_are_found)
{
	static const struct fault faults[] = {
		{ "mounts[].destination", "\"\"", "mounts[0].destination: empty" },
		{ "mounts[].gidMappings", NULL, "mounts[0]: uidMappings and gidMappings must be given together" },
		{ "mounts[].uidMappings[].size", "0", "mounts[0].uidMappings[0].size: must be above 0" },
		{ "mounts[].uidMappings[].size", "4294966296",
			"mounts[0].uidMappings[0].size: hostID + size is above 4294967295" },
		{ "hooks.prestart[].path", "\"a\"", "hooks.prestart[0].path: \"a\" is not an absolute path" },
		{ "hooks.poststop[].timeout", "0", "hooks.poststop[0].timeout: must be above 0" },
		{ "hooks.createRuntime[].timeout", "-1", "hooks.createRuntime[0].timeout: must be above 0" },
		{ "annotations", "{\"\":\"x\"}", "annotations: a key is empty" },
		{ "hostname", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
			"hostname: longer than 64 bytes" },
		{ "linux", NULL, "hostname: needs a namespace of type uts in linux.namespaces" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_fault(&faults[i]);
	assert_fine("mounts[].destination", "\"data\"");
}
END_TEST

START_TEST(idmapped_mounts_need_a_mapping_from_somewhere)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"mounts\":[{\"destination\":\"/a\"},"
		"{\"destination\":\"/b\",\"options\":[\"bind\",\"ridmap\"]}]}";
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	struct hoy_err err;

	ck_assert_int_eq(hoy_oci_spec_parse(text, strlen(text), &spec, NULL), 0);
	ck_assert_int_eq(hoy_oci_spec_validate(spec, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "mounts[1].options: idmap needs uidMappings and gidMappings, or a user namespace");
	assert_fine("mounts", "[{\"destination\":\"/b\",\"options\":[\"bind\",\"idmap\"]}]");
}
END_TEST

START_TEST(what_needs_a_namespace_is_refused_without)
{
	static const struct fault faults[] = {
		{ "linux.namespaces", "[{\"type\":\"uts\"},{\"type\":\"uts\"}]",
			"linux.namespaces[1].type: uts is given twice" },
		{ "linux.namespaces[].path", "\"proc/1\"",
			"linux.namespaces[0].path: \"proc/1\" is not an absolute path" },
		{ "linux.namespaces", "[{\"type\":\"uts\"}]",
			"linux.uidMappings: needs a namespace of type user in linux.namespaces" },
		{ "linux.namespaces", "[{\"type\":\"uts\"},{\"type\":\"user\"}]",
			"linux.netDevices: needs a namespace of type network in linux.namespaces" },
		{ "linux.namespaces", "[{\"type\":\"uts\"},{\"type\":\"user\"},{\"type\":\"network\"}]",
			"linux.maskedPaths: needs a namespace of type mount in linux.namespaces" },
		{ "linux.namespaces",
			"[{\"type\":\"uts\"},{\"type\":\"user\"},{\"type\":\"network\"},{\"type\":\"mount\"}]",
			"linux.sysctl.kernel.shmmax: needs a namespace of type ipc in linux.namespaces" },
		{ "linux.namespaces",
			"[{\"type\":\"uts\"},{\"type\":\"user\"},{\"type\":\"network\"},{\"type\":\"mount\"},{\"type\":\"ipc\"}]",
			"linux.timeOffsets: needs a namespace of type time in linux.namespaces" },
		{ "linux.namespaces",
			"[{\"type\":\"uts\"},{\"type\":\"user\"},{\"type\":\"network\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},"
			"{\"type\":\"time\",\"path\":\"/t\"}]",
			"linux.timeOffsets: can't be set for a time namespace that is joined" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_fault(&faults[i]);
	assert_fine("linux.namespaces[].path", "\"\"");
}
END_TEST

START_TEST(only_sysctls_of_namespaces_are_allowed)
{
	static const char *const dirty[] = { "net..x", "net.ipv4.", ".net", "net/../kernel/panic", "net/./x",
		"net.x/../y", "", "net.x\ny", "/net/x" };
	static const char *const fine[] = { "net.core.somaxconn", "net/ipv4/conf/eth0.1/forwarding",
		"fs.mqueue.msg_max", "kernel.shm_rmid_forced", "kernel/sem", "kernel.domainname",
		"user.max_user_namespaces" };
	static const char *const host[] = { "kernel.panic", "vm.swappiness", "fs.file-max", "network.x",
		"kernel/core_pattern" };
	char raw[100];

	for (size_t i = 0; i < ARRAY_LEN(dirty); i++) {
		auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = full_spec();
		struct hoy_err err;

		ck_assert_int_eq(hoy_oci_kv_add(&spec->linux_->sysctl, &spec->linux_->n_sysctl, dirty[i], "1"), 0);
		ck_assert_msg(hoy_oci_spec_validate(spec, &err) == -EINVAL, "%s", dirty[i]);
		ck_assert_msg(hoy_str_ends(err.msg, "is not the name of a kernel parameter"), "%s", err.msg);
	}
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		snprintf(raw, sizeof raw, "{\"%s\":\"1\"}", fine[i]);
		assert_fine("linux.sysctl", raw);
	}
	for (size_t i = 0; i < ARRAY_LEN(host); i++) {
		char why[150];

		snprintf(raw, sizeof raw, "{\"%s\":\"1\"}", host[i]);
		snprintf(why, sizeof why, "linux.sysctl.%s: belongs to the host, not to a namespace", host[i]);
		assert_fault(&(struct fault){ "linux.sysctl", raw, why });
	}
}
END_TEST

START_TEST(faults_of_the_linux_part_are_found)
{
	static const struct fault faults[] = {
		{ "linux.devices[].type", "\"x\"", "linux.devices[0].type: unknown value \"x\" (b, c, u or p)" },
		{ "linux.devices[].type", "\"cc\"", "linux.devices[0].type: unknown value \"cc\" (b, c, u or p)" },
		{ "linux.devices[].path", "\"dev/x\"", "linux.devices[0].path: \"dev/x\" is not an absolute path" },
		{ "linux.devices[].major", NULL, "linux.devices[0].major: missing" },
		{ "linux.devices[].minor", "-1", "linux.devices[0].minor: negative" },
		{ "linux.netDevices", "{\"a/b\":{}}", "linux.netDevices.a/b: not the name of a network interface" },
		{ "linux.netDevices", "{\"eth%d\":{}}", "linux.netDevices.eth%d: not the name of a network interface" },
		{ "linux.netDevices.*.name", "\"sixteencharslong\"",
			"linux.netDevices.eth7.name: \"sixteencharslong\" is not the name of a network interface" },
		{ "linux.netDevices.*.name", "\"a%s\"",
			"linux.netDevices.eth7.name: \"a%s\" is not the name of a network interface" },
		{ "linux.maskedPaths", "[\"/a\",\"b\"]", "linux.maskedPaths[1]: \"b\" is not an absolute path" },
		{ "linux.readonlyPaths", "[\"\"]", "linux.readonlyPaths[0]: \"\" is not an absolute path" },
		{ "linux.intelRdt.closID", "\"../x\"", "linux.intelRdt.closID: \"../x\" is not a name" },
		{ "linux.intelRdt.closID", "\"..\"", "linux.intelRdt.closID: \"..\" is not a name" },
		{ "linux.intelRdt.l3CacheSchema", "\"L3:a\\nb\"", "linux.intelRdt.l3CacheSchema: holds a newline" },
		{ "linux.intelRdt.memBwSchema", "\"XX:1\"",
			"linux.intelRdt.memBwSchema: must be one line that starts with \"MB:\"" },
		{ "linux.intelRdt.schemata", "[\"a\\nb\"]", "linux.intelRdt.schemata: holds a newline" },
		{ "linux.memoryPolicy.nodes", NULL, "linux.memoryPolicy.nodes: MPOL_INTERLEAVE needs nodes" },
		{ "linux.memoryPolicy.mode", "\"MPOL_LOCAL\"", "linux.memoryPolicy.nodes: MPOL_LOCAL takes no nodes" },
		{ "linux.memoryPolicy.nodes", "\"x\"",
			"linux.memoryPolicy.nodes: \"x\" is not a list such as \"0-3,7\"" },
		{ "linux.personality.flags", "[\"X\"]", "linux.personality.flags: unknown value \"X\"" },
		{ "linux.gidMappings[].containerID", "4294967295",
			"linux.gidMappings[0].size: containerID + size is above 4294967295" },
		{ "linux.timeOffsets.boottime.nanosecs", "1000000000",
			"linux.timeOffsets.boottime.nanosecs: above 999999999" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_fault(&faults[i]);
	assert_fine("linux.intelRdt.closID", "\"/\"");
	assert_fine("linux.memoryPolicy", "{\"mode\":\"MPOL_PREFERRED\"}");
}
END_TEST

START_TEST(faults_of_resources_are_found)
{
#define R "linux.resources."
	static const struct fault faults[] = {
		{ R "devices[].type", "\"p\"", R "devices[0].type: unknown value \"p\" (a, b or c)" },
		{ R "devices[].access", "\"rx\"", R "devices[0].access: \"rx\" has more than r, w and m" },
		{ R "devices[].major", "-2", R "devices[0].major: negative" },
		{ R "memory.swappiness", "101", R "memory.swappiness: above 100" },
		{ R "memory.swap", "1000", R "memory.swap: below limit (it is the limit of memory and swap together)" },
		{ R "cpu.burst", "50001", R "cpu.burst: above quota" },
		{ R "cpu.idle", "2", R "cpu.idle: must be 0 or 1" },
		{ R "cpu.cpus", "\"a\"", R "cpu.cpus: \"a\" is not a list such as \"0-3,7\"" },
		{ R "cpu.mems", "\"0,\"", R "cpu.mems: \"0,\" is not a list such as \"0-3,7\"" },
		{ R "blockIO.weightDevice", "[{\"major\":8,\"minor\":0}]",
			R "blockIO.weightDevice[0]: needs weight or leafWeight" },
		{ R "hugepageLimits[].pageSize", "\"64kB\"",
			R "hugepageLimits[0].pageSize: \"64kB\" is not a size such as \"2MB\"" },
		{ R "hugepageLimits[].pageSize", "\"02MB\"",
			R "hugepageLimits[0].pageSize: \"02MB\" is not a size such as \"2MB\"" },
		{ R "hugepageLimits[].pageSize", "\"2M\"",
			R "hugepageLimits[0].pageSize: \"2M\" is not a size such as \"2MB\"" },
		{ R "rdma.*", "{}", R "rdma.mlx5_1: needs hcaHandles or hcaObjects" },
		{ R "unified", "{\"../x\":\"1\"}", R "unified: \"../x\" is not the name of a cgroup file" },
		{ R "unified", "{\"..\":\"1\"}", R "unified: \"..\" is not the name of a cgroup file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_fault(&faults[i]);
	assert_fine(R "memory.swap", "-1");
	assert_fine(R "devices[].access", "\"rwa\"");
	assert_fine(R "cpu.quota", "-1");
}
END_TEST

START_TEST(faults_of_seccomp_are_found)
{
#define S "linux.seccomp."
	static const struct fault faults[] = {
		{ S "defaultAction", "\"SCMP_ACT_ALLOW\"", S "defaultErrnoRet: SCMP_ACT_ALLOW has no errno" },
		{ S "syscalls", "[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":1}]",
			S "syscalls[0].errnoRet: SCMP_ACT_KILL has no errno" },
		{ S "syscalls[].names", "[]", S "syscalls[0].names: empty" },
		{ S "syscalls[].names", "[\"\"]", S "syscalls[0].names: a name is empty" },
		{ S "syscalls",
			"[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,\"value\":0,"
			"\"op\":\"SCMP_CMP_EQ\"}]}]",
			S "syscalls[0].args[0].index: 6 is not between 0 and 5" },
		{ S "listenerPath", NULL, S "listenerMetadata: needs listenerPath" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_fault(&faults[i]);
}
END_TEST

/* --- parts on their own -------------------------------------------------------------------------------------- */

START_TEST(a_process_alone_is_parsed_and_validated)
{
	static const char good[] = "{\"args\":[\"a\"],\"cwd\":\"/\"}", bad[] = "{\"args\":[\"a\"],\"cwd\":\"x\"}";
	auto_ptr(hoy_oci_process_free) struct hoy_oci_process *process = NULL;
	struct hoy_oci_process *none = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err;

	ck_assert_int_eq(hoy_oci_process_parse(good, strlen(good), &process, NULL), 0);
	ck_assert_int_eq(hoy_oci_process_print(process, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"a\"],\"cwd\":\"/\"}");
	ck_assert_int_eq(hoy_oci_process_parse(bad, strlen(bad), &none, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "cwd: \"x\" is not an absolute path");
	ck_assert_ptr_null(none);
}
END_TEST

START_TEST(resources_alone_are_parsed_and_validated)
{
	static const char good[] = "{\"pids\":{\"limit\":0}}", bad[] = "{\"cpu\":{\"idle\":7}}";
	auto_ptr(hoy_oci_resources_free) struct hoy_oci_resources *resources = NULL;
	struct hoy_oci_resources *none = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err;

	ck_assert_int_eq(hoy_oci_resources_parse(good, strlen(good), &resources, NULL), 0);
	ck_assert_int_eq(hoy_oci_resources_print(resources, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, good);
	ck_assert_int_eq(hoy_oci_resources_parse(bad, strlen(bad), &none, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "cpu.idle: must be 0 or 1");
}
END_TEST

START_TEST(mounts_of_another_document_replace_those_of_the_spec)
{
	static const char config[] =
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":"
		"[{\"type\":\"mount\"}]},\"mounts\":[{\"destination\":\"/a\"},{\"destination\":\"/b\"}]}";
	static const char *const good[] = { " [{\"destination\":\"/c\"}]", "{\"mounts\":[{\"destination\":\"/c\"}]}" };
	static const char *const bad[] = { "", "[", "{}", "[{}]", "[{\"destination\":\"\"}]", "[{\"destination\":1}]" };

	for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
		auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
		const char *text = i < ARRAY_LEN(good) ? good[i] : bad[i - ARRAY_LEN(good)];
		int r;

		ck_assert_int_eq(hoy_oci_spec_parse(config, strlen(config), &spec, NULL), 0);
		r = hoy_oci_spec_replace_mounts(spec, text, strlen(text), NULL);
		ck_assert_msg((r == 0) == (i < ARRAY_LEN(good)), "%s: %d", text, r);
		if (r < 0)
			continue;
		ck_assert_uint_eq(spec->n_mounts, 1);
		ck_assert_str_eq(spec->mounts[0].destination, "/c");
	}
}
END_TEST

START_TEST(a_seccomp_profile_that_notifies_needs_a_listener)
{
	static const char good[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";
	static const char bad[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"bpf\"],"
				  "\"action\":\"SCMP_ACT_NOTIFY\"}]}";
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *seccomp = NULL;
	struct hoy_oci_seccomp *none = NULL;
	struct hoy_err err;

	ck_assert_int_eq(hoy_oci_seccomp_parse(good, strlen(good), &seccomp, NULL), 0);
	ck_assert_int_eq(seccomp->default_action, HOY_OCI_ACT_ALLOW);
	ck_assert_int_eq(hoy_oci_seccomp_parse(bad, strlen(bad), &none, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "listenerPath: missing, and SCMP_ACT_NOTIFY is used");
}
END_TEST

Suite *suite_runtime_spec(void)
{
	const TTest *const tests[] = { every_field_survives_parse_and_print, the_full_document_has_every_field,
		a_wrong_type_of_any_field_is_refused_with_its_path, only_required_fields_must_be_there,
		an_unknown_value_of_an_enumeration_is_refused, every_value_of_an_enumeration_has_its_own_name,
		fields_arrive_in_their_members, unknown_fields_are_listed, a_huge_document_is_refused_at_once,
		every_field_has_a_row_in_the_inventory, the_other_platforms_parts_are_dropped,
		the_full_document_is_valid, a_version_must_be_semantic_and_1, faults_of_process_and_root_are_found,
		faults_of_mounts_hooks_and_names_are_found, idmapped_mounts_need_a_mapping_from_somewhere,
		what_needs_a_namespace_is_refused_without, only_sysctls_of_namespaces_are_allowed,
		faults_of_the_linux_part_are_found, faults_of_resources_are_found, faults_of_seccomp_are_found,
		a_process_alone_is_parsed_and_validated, resources_alone_are_parsed_and_validated,
		mounts_of_another_document_replace_those_of_the_spec,
		a_seccomp_profile_that_notifies_needs_a_listener };

	return hoy_unit_suite("runtime-spec", tests, ARRAY_LEN(tests));
}
