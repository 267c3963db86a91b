/* build: a directory and its Dockerfile are sent to the engine, which makes an image; what it says is printed as it
 * comes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/cli/build_context.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/lines.h"
#include "supervisor/cli/proxies.h"

struct build_options {
	const char *file, *iidfile, *network, *platform, *progress, *target, *cgroup_parent, *cpuset_cpus, *cpuset_mems,
		*isolation;
	char **tags, **build_args, **labels, **add_host, **cache_from, **security_opt, **ulimit;
	bool no_cache, pull, quiet, keep, rm, force_rm, compress, load, untrusted;
	int64_t memory, memory_swap, shm_size, cpu_period, cpu_quota, cpu_shares;
};
static const struct build_options build_defaults = { .rm = true };

#define TEXT(letter, name, value, member, help)                                                                        \
	HOY_OPTION(letter, name, HOY_OPTION_STRING, value, struct build_options, member, help)
#define LIST(letter, name, value, member, help)                                                                        \
	HOY_OPTION(letter, name, HOY_OPTION_LIST, value, struct build_options, member, help)
#define FLAG(letter, name, member, help)                                                                               \
	HOY_OPTION(letter, name, HOY_OPTION_BOOL, NULL, struct build_options, member, help)
#define BYTES(letter, name, member, help)                                                                              \
	HOY_OPTION(letter, name, HOY_OPTION_BYTES, "bytes", struct build_options, member, help)
#define NUMBER(letter, name, member, help)                                                                             \
	HOY_OPTION(letter, name, HOY_OPTION_INT, "int", struct build_options, member, help)
#define REFUSE(letter, name, value)                                                                                    \
	HOY_OPTION_REFUSE(letter, name, value, "this flag of build is not supported by this version of Hoy")

static const struct hoy_option build_options[] = {
	LIST(0, "add-host", "list", add_host, "Add a custom host-to-IP mapping (\"host:ip\")"),
	LIST(0, "build-arg", "list", build_args, "Set build-time variables"),
	LIST(0, "cache-from", "strings", cache_from,
		"Images to consider as cache sources: what is in the engine's cache counts"),
	TEXT(0, "cgroup-parent", "string", cgroup_parent,
		"Set the parent cgroup for the RUN instructions during build"),
	FLAG(0, "compress", compress, "Compress the build context (it is sent to a socket: it is not)"),
	NUMBER(0, "cpu-period", cpu_period, "Limit the CPU CFS (Completely Fair Scheduler) period"),
	NUMBER(0, "cpu-quota", cpu_quota, "Limit the CPU CFS (Completely Fair Scheduler) quota"),
	NUMBER('c', "cpu-shares", cpu_shares, "CPU shares (relative weight)"),
	TEXT(0, "cpuset-cpus", "string", cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)"),
	TEXT(0, "cpuset-mems", "string", cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)"),
	TEXT('f', "file", "string", file, "Name of the Dockerfile (default: \"PATH/Dockerfile\"); \"-\" reads stdin"),
	FLAG(0, "force-rm", force_rm, "Always remove intermediate containers"),
	TEXT(0, "iidfile", "string", iidfile, "Write the image ID to the file"),
	LIST(0, "label", "list", labels, "Set metadata for an image"),
	FLAG(0, "load", load, "Keep the image in the engine: it always is"),
	BYTES('m', "memory", memory, "Memory limit of the RUN instructions"),
	BYTES(0, "memory-swap", memory_swap, "Swap limit equal to memory plus swap: -1 to enable unlimited swap"),
	TEXT(0, "network", "string", network, "Set the networking mode for the RUN instructions during build"),
	FLAG(0, "no-cache", no_cache, "Do not use cache when building the image"),
	TEXT(0, "platform", "string", platform, "Set target platform for build"),
	TEXT(0, "progress", "string", progress,
		"Set type of progress output: \"auto\" or \"plain\", which are the same, \"quiet\""),
	FLAG(0, "pull", pull, "Always attempt to pull a newer version of the image"),
	FLAG('q', "quiet", quiet, "Suppress the build output and print image ID on success"),
	FLAG(0, "rm", rm, "Remove intermediate containers after a successful build"),
	LIST(0, "security-opt", "strings", security_opt, "Security options"),
	BYTES(0, "shm-size", shm_size, "Size of \"/dev/shm\""),
	LIST('t', "tag", "list", tags, "Name and optionally a tag in the \"name:tag\" format"),
	TEXT(0, "target", "string", target, "Set the target build stage to build"),
	LIST(0, "ulimit", "ulimit", ulimit, "Ulimit options"),
	REFUSE(0, "allow", "strings"),
	REFUSE(0, "annotation", "list"),
	REFUSE(0, "attest", "list"),
	REFUSE(0, "build-context", "list"),
	REFUSE(0, "builder", "string"),
	REFUSE(0, "cache-to", "list"),
	REFUSE(0, "call", "string"),
	REFUSE(0, "check", "bool"),
	REFUSE(0, "disable-content-trust", "bool"),
	REFUSE(0, "isolation", "string"),
	REFUSE(0, "metadata-file", "string"),
	REFUSE(0, "no-cache-filter", "list"),
	REFUSE('o', "output", "list"),
	REFUSE(0, "provenance", "string"),
	REFUSE(0, "push", "bool"),
	REFUSE(0, "sbom", "string"),
	REFUSE(0, "secret", "list"),
	REFUSE(0, "squash", "bool"),
	REFUSE(0, "ssh", "list"),
	HOY_OPTION_END,
};

/* --- the context ------------------------------------------------------------------------------ */

#define STDIN_DOCKERFILE ".dockerfile.stdin"

struct source {
	struct hoy_build_context context;
	char *dockerfile;
	struct hoy_buf text;
};

static void source_done(struct source *source)
{
	free(source->dockerfile);
	hoy_buf_done(&source->text);
}

static int take_text(struct source *source, const char *path, struct hoy_err *err)
{
	int r;

	source->text.cap = 4 << 20;
	r = path ? hoy_file_read(AT_FDCWD, path, &source->text, err)
		 : hoy_file_read_fd(STDIN_FILENO, "stdin", &source->text, err);
	source->dockerfile = strdup(STDIN_DOCKERFILE);
	if (r < 0 || !source->dockerfile)
		return r < 0 ? r : hoy_err_oom(err);
	source->context.text = source->text.data ? source->text.data : "";
	source->context.text_len = source->text.len;
	return 0;
}

/* -f names a file of the host: relative to the context when it lies in it, else it is sent along. */
static int choose_dockerfile(struct source *source, const char *file, struct hoy_err *err)
{
	auto_free char *dir = realpath(source->context.dir, NULL), *path = NULL, *joined = NULL;
	size_t len = dir ? strlen(dir) : 0;

	if (!dir)
		return hoy_err_sys(err, "unable to prepare context: path \"%s\"", source->context.dir);
	joined = hoy_path_join(file ? "." : source->context.dir, file ? file : "Dockerfile");
	path = joined ? realpath(joined, NULL) : NULL;
	if (!path && !file) {
		free(joined);
		joined = hoy_path_join(source->context.dir, "dockerfile");
		path = joined ? realpath(joined, NULL) : NULL;
	}
	if (!path && !file)
		return hoy_err_not_found(err,
			"unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat %s/Dockerfile: no "
			"such file or directory",
			dir);
	if (!path)
		return hoy_err_sys(err, "unable to prepare context: Dockerfile '%s'", file);
	if (strncmp(path, dir, len) != 0 || (path[len] != '/' && len > 1))
		return take_text(source, path, err);
	source->dockerfile = strdup(path + len + (len > 1));
	return source->dockerfile ? 0 : hoy_err_oom(err);
}

static int choose_source(const struct hoy_cli *cli, struct source *source, struct hoy_err *err)
{
	const struct build_options *o = cli->values;
	const char *path = cli->args[0];
	struct stat st;
	int r;

	if (strcmp(path, "-") == 0) {
		if (o->file && strcmp(o->file, "-") == 0)
			return hoy_err_invalid(
				err, "invalid argument: can't use stdin for both build context and dockerfile");
		source->dockerfile = o->file ? strdup(o->file) : NULL;
		return o->file && !source->dockerfile ? hoy_err_oom(err) : 0;
	}
	if (strstr(path, "://") || hoy_str_starts(path, "git@") || hoy_str_starts(path, "github.com/"))
		return hoy_err_unsupported(err, "remote build contexts are not supported by this version of Hoy");
	if (stat(path, &st) < 0)
		return hoy_err_sys(err, "unable to prepare context: path \"%s\"", path);
	if (!S_ISDIR(st.st_mode))
		return hoy_err_invalid(err, "unable to prepare context: context must be a directory: %s", path);
	source->context.dir = path;
	r = o->file && strcmp(o->file, "-") == 0 ? take_text(source, NULL, err)
						 : choose_dockerfile(source, o->file, err);
	source->context.dockerfile = source->dockerfile;
	return r;
}

/* --- the request ------------------------------------------------------------------------------ */

static void add_text(struct hoy_buf *path, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	(void) hoy_buf_addf(path, "&%s=", key);
	hoy_http_escape(path, value);
}

static void add_texts(struct hoy_buf *path, const char *key, char *const *values)
{
	for (; values && *values; values++)
		add_text(path, key, *values);
}

static void add_number(struct hoy_buf *path, const char *key, int64_t value)
{
	if (value != 0)
		(void) hoy_buf_addf(path, "&%s=%lld", key, (long long) value);
}

/* "K=V" becomes {"K": "V"}; "K" alone has our environment's value, or null. The last one counts. */
static int add_map(
	struct hoy_buf *path, const char *key, char *const *entries, bool from_environment, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	if (!entries || !*entries)
		return 0;
	hoy_json_object(&w, NULL);
	for (char *const *entry = entries; *entry; entry++) {
		size_t len = strcspn(*entry, "=");
		auto_free char *name = strndup(*entry, len);
		bool again = false;

		for (char *const *later = entry + 1; *later && !again; later++)
			again = strncmp(*later, *entry, len) == 0 && strcspn(*later, "=") == len;
		if (!name)
			return hoy_err_oom(err);
		if (again)
			continue;
		if ((*entry)[len])
			hoy_json_add_string(&w, name, *entry + len + 1);
		else
			hoy_json_add_string(&w, name, from_environment ? getenv(name) : "");
	}
	hoy_json_end(&w);
	add_text(path, key, text.data);
	return hoy_buf_check(&text, key, err);
}

/* "nofile=1024:2048" */
static int add_ulimits(struct hoy_buf *path, char *const *ulimits, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	if (!ulimits || !*ulimits)
		return 0;
	hoy_json_array(&w, NULL);
	for (; *ulimits; ulimits++) {
		size_t len = strcspn(*ulimits, "=");
		auto_free char *name = strndup(*ulimits, len);
		auto_ptr(hoy_strv_free) char **values = (*ulimits)[len] ? hoy_str_split(*ulimits + len + 1, ':') : NULL;
		int64_t soft = 0, hard = 0;

		if (!name || !values || hoy_strv_len(values) > 2 || hoy_str_to_i64(values[0], &soft) < 0 ||
			hoy_str_to_i64(values[1] ? values[1] : values[0], &hard) < 0)
			return hoy_err_invalid(err, "invalid ulimit argument: %s", *ulimits);
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Name", name);
		hoy_json_add_i64(&w, "Soft", soft);
		hoy_json_add_i64(&w, "Hard", hard);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	add_text(path, "ulimits", text.data);
	return hoy_buf_check(&text, "ulimits", err);
}

/* Proxies of config.json are build arguments, unless the user gives them. */
static int collect_args(const struct hoy_cli *cli, char ***ret, struct hoy_err *err)
{
	const struct build_options *o = cli->values;
	int r = hoy_proxies_of(&cli->config, cli->host.url, ret, err);

	for (char *const *arg = o->build_args; r >= 0 && arg && *arg; arg++)
		r = hoy_strv_add(ret, *arg) < 0 ? hoy_err_oom(err) : 0;
	return r;
}

static int make_path(const struct hoy_cli *cli, const struct source *source, struct hoy_buf *path, struct hoy_err *err)
{
	const struct build_options *o = cli->values;
	auto_ptr(hoy_strv_free) char **args = NULL;
	int r = collect_args(cli, &args, err);

	(void) hoy_buf_addf(path, "/build?version=1&rm=%d", o->rm);
	add_texts(path, "t", o->tags);
	add_text(path, "dockerfile", source->dockerfile);
	add_text(path, "target", o->target);
	add_text(path, "platform", o->platform);
	add_text(path, "networkmode", o->network);
	add_text(path, "cgroupparent", o->cgroup_parent);
	add_text(path, "cpusetcpus", o->cpuset_cpus);
	add_text(path, "cpusetmems", o->cpuset_mems);
	add_texts(path, "extrahosts", o->add_host);
	add_texts(path, "securityopt", o->security_opt);
	add_number(path, "nocache", o->no_cache);
	add_number(path, "pull", o->pull);
	add_number(path, "forcerm", o->force_rm);
	add_number(path, "plain", !isatty(STDOUT_FILENO)); /* hoyd's: no colours */
	add_number(path, "memory", o->memory);
	add_number(path, "memswap", o->memory_swap);
	add_number(path, "shmsize", o->shm_size);
	add_number(path, "cpuperiod", o->cpu_period);
	add_number(path, "cpuquota", o->cpu_quota);
	add_number(path, "cpushares", o->cpu_shares);
	if (r >= 0)
		r = add_map(path, "buildargs", args, /* from_environment= */ true, err);
	if (r >= 0)
		r = add_map(path, "labels", o->labels, /* from_environment= */ false, err);
	if (r >= 0)
		r = add_ulimits(path, o->ulimit, err);
	return r < 0 ? r : hoy_buf_check(path, "the request", err);
}

/* --- the answer ------------------------------------------------------------------------------- */

struct answer {
	FILE *out; /* NULL: quiet */
	char *id;
	int exit_code;
};

static int on_message(const struct hoy_json *message, void *userdata, struct hoy_err *err)
{
	struct answer *answer = userdata;
	const struct hoy_json *failure = hoy_json_get(message, "errorDetail");
	const char *text = hoy_json_string(hoy_json_get(failure, "message")), *id;

	if (!text)
		text = hoy_json_string(hoy_json_get(message, "error"));
	if (text) {
		answer->exit_code = (int) hoy_cli_number(failure, "code");
		return hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "%s", text);
	}
	id = hoy_json_string(hoy_json_get(hoy_json_get(message, "aux"), "ID"));
	if (id) {
		free(answer->id);
		answer->id = strdup(id);
	}
	if (!answer->out)
		return 0;
	text = hoy_json_string(hoy_json_get(message, "stream"));
	if (text)
		(void) fputs(text, answer->out);
	text = hoy_json_string(hoy_json_get(message, "status"));
	id = hoy_json_string(hoy_json_get(message, "id"));
	if (text && !hoy_json_get(hoy_json_get(message, "progressDetail"), "current"))
		(void) fprintf(answer->out, "%s%s%s\n", id ? id : "", id ? ": " : "", text);
	(void) fflush(answer->out);
	return 0;
}

static int write_id(const char *path, const char *id, struct hoy_err *err)
{
	return hoy_file_write(AT_FDCWD, path, id, strlen(id), 0644, 0, err);
}

static int build(struct hoy_cli *cli, struct answer *answer, struct hoy_err *err)
{
	const struct build_options *o = cli->values;
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	auto_(source_done) struct source source = {};
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_fd int context = -EBADF;
	struct hoy_http_request request = { .method = "POST", .content_type = "application/x-tar" };
	pid_t pid = 0;
	int r = choose_source(cli, &source, err), sent;

	if (o->iidfile)
		(void) unlink(o->iidfile);
	if (r >= 0)
		r = make_path(cli, &source, &path, err);
	if (r >= 0)
		r = context = hoy_build_context_start(&source.context, &pid, err);
	if (r < 0)
		return r;
	request.path = path.data;
	request.body_fd = context;
	r = hoy_cli_open(cli, &request, &http, err);
	hoy_fd_close(&context); /* an engine that does not want more: the writer ends too */
	sent = hoy_build_context_end(pid, r < 0 ? NULL : err);
	if (r >= 0)
		r = sent;
	if (r >= 0)
		r = hoy_lines_read(&http, on_message, answer, err);
	if (r >= 0 && !answer->id)
		r = hoy_err_set(
			err, HOY_ERR_SYSTEM, EPROTO, "the engine ended the build without telling the image's ID");
	if (r >= 0 && o->iidfile)
		r = write_id(o->iidfile, answer->id, err);
	return r;
}

static int cmd_build(struct hoy_cli *cli)
{
	const struct build_options *o = cli->values;
	bool quiet = o->quiet || hoy_str_eq(o->progress, "quiet");
	char *kept = NULL; /* what a quiet build says when it fails */
	size_t kept_len = 0;
	struct answer answer = { .out = quiet ? open_memstream(&kept, &kept_len) : stdout };
	struct hoy_err err;
	int status = 0;

	if (o->progress && strcmp(o->progress, "plain") != 0 && strcmp(o->progress, "auto") != 0 && !quiet)
		status = hoy_err_unsupported(&err, "--progress=%s: not supported by this version of Hoy", o->progress);
	if (status < 0 || build(cli, &answer, &err) < 0)
		status = 1;
	if (quiet && answer.out)
		(void) fclose(answer.out);
	if (status != 0) {
		(void) fputs(kept ? kept : "", stderr);
		status = hoy_cli_fail(cli, answer.exit_code > 0 && answer.exit_code < 256 ? answer.exit_code : 1, &err);
	} else if (quiet) {
		(void) puts(answer.id);
	}
	free(kept);
	free(answer.id);
	return status;
}

const struct hoy_command hoy_cmd_build = {
	.name = "build",
	.alias = "image build, buildx build, builder build",
	.args = "PATH|-",
	.min_args = 1,
	.max_args = 1,
	.summary = "Build an image from a Dockerfile",
	.options = build_options,
	.values_size = sizeof(struct build_options),
	.defaults = &build_defaults,
	.run = cmd_build,
};
