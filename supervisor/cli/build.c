/*
 * build: a directory and its Dockerfile are sent to the engine, which makes an image and tells how it gets on; that is
 * drawn (build_display.c). What the build may use of ours beside the files goes over a session (build_session.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/redact.h"
#include "base/str.h"
#include "supervisor/cli/build_display.h"
#include "supervisor/cli/build_internal.h"
#include "supervisor/cli/lines.h"
#include "supervisor/cli/pull.h"

#define DRAW_MS 100

static const struct hoy_build_options build_defaults = { .rm = true };

#define TEXT(letter, name, value, member, help)                                                                        \
	HOY_OPTION(letter, name, HOY_OPTION_STRING, value, struct hoy_build_options, member, help)
#define LIST(letter, name, value, member, help)                                                                        \
	HOY_OPTION(letter, name, HOY_OPTION_LIST, value, struct hoy_build_options, member, help)
#define FLAG(letter, name, member, help)                                                                               \
	HOY_OPTION(letter, name, HOY_OPTION_BOOL, NULL, struct hoy_build_options, member, help)
#define BYTES(letter, name, member, help)                                                                              \
	HOY_OPTION(letter, name, HOY_OPTION_BYTES, "bytes", struct hoy_build_options, member, help)
#define NUMBER(letter, name, member, help)                                                                             \
	HOY_OPTION(letter, name, HOY_OPTION_INT, "int", struct hoy_build_options, member, help)
#define REFUSE(letter, name, value)                                                                                    \
	HOY_OPTION_REFUSE(letter, name, value, "this flag of build is not supported by this version of Hoy")

static const struct hoy_option build_options[] = {
	LIST(0, "add-host", "list", add_host, "Add a custom host-to-IP mapping (\"host:ip\")"),
	LIST(0, "build-arg", "list", build_args, "Set build-time variables"),
	LIST(0, "cache-from", "stringArray", cache_from,
		"External cache sources (e.g., \"user/app:cache\", \"type=registry,ref=user/app:cache\")"),
	LIST(0, "cache-to", "stringArray", cache_to,
		"Cache export destinations (e.g., \"type=registry,ref=user/app:cache,mode=max\", \"type=inline\")"),
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
	LIST(0, "attest", "stringArray", attest, "Attestations: none are made, \"type=sbom,disabled=true\" says so"),
	LIST(0, "build-context", "stringArray", contexts, "Additional build contexts (e.g., name=docker-image://REF)"),
	TEXT(0, "builder", "string", builder, "Builder to use: there is \"default\", the engine's own"),
	HOY_OPTION_WITH_SET(0, "disable-content-trust", HOY_OPTION_BOOL, NULL, struct hoy_build_options, untrusted,
		untrusted_given, "Skip image verification (default true)"),
	TEXT(0, "isolation", "string", isolation, "Container isolation technology: \"default\" is the only one here"),
	FLAG(0, "load", load, "Keep the image in the engine: it always is"),
	TEXT(0, "metadata-file", "string", metadata_file, "Write build result metadata to a file"),
	LIST(0, "no-cache-filter", "stringArray", no_cache_filter, "Do not cache specified stages"),
	LIST('o', "output", "stringArray", outputs, "Output destination (format: \"type=local,dest=path\")"),
	TEXT(0, "provenance", "string", provenance, "Provenance attestation: \"false\", for none is made"),
	FLAG(0, "push", push, "Push the image when it is made"),
	TEXT(0, "sbom", "string", sbom, "SBOM attestation: \"false\", for none is made"),
	LIST(0, "secret", "stringArray", secrets,
		"Secret to expose to the build (format: \"id=mysecret[,src=/local/secret]\")"),
	LIST(0, "ssh", "stringArray", ssh,
		"SSH agent socket to expose to the build (format: \"default|<id>[=<socket>]\")"),
	BYTES('m', "memory", memory, "Memory limit of the RUN instructions"),
	BYTES(0, "memory-swap", memory_swap, "Swap limit equal to memory plus swap: -1 to enable unlimited swap"),
	TEXT(0, "network", "string", network, "Set the networking mode for the RUN instructions during build"),
	FLAG(0, "no-cache", no_cache, "Do not use cache when building the image"),
	TEXT(0, "platform", "string", platform, "Set target platform for build"),
	TEXT(0, "progress", "string", progress,
		"Set type of progress output (\"auto\", \"none\", \"plain\", \"quiet\", \"rawjson\", \"tty\")"),
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
	REFUSE(0, "call", "string"),
	REFUSE(0, "check", "bool"),
	REFUSE(0, "squash", "bool"),
	HOY_OPTION_END,
};

/* --- flags that ask for nothing, or for what is not there --------------------------------------------------------- */

/* "--provenance=false" and the like: what scripts say to get what they get anyway. */
static int check_attestation(const char *flag, const char *value, struct hoy_err *err)
{
	if (!value || strcmp(value, "false") == 0 || strcmp(value, "0") == 0 || strstr(value, "disabled=true"))
		return 0;
	return hoy_err_unsupported(
		err, "--%s: attestations are not made by this version of Hoy (--%s=false)", flag, flag);
}

static int check_options(const struct hoy_build_options *o, struct hoy_err *err)
{
	int r = hoy_cli_check_trust(o->untrusted_given, o->untrusted, err);

	if (r == 0)
		r = check_attestation("provenance", o->provenance, err);
	if (r == 0)
		r = check_attestation("sbom", o->sbom, err);
	for (char **attest = o->attest; r == 0 && attest && *attest; attest++)
		r = check_attestation("attest", *attest, err);
	if (r == 0 && o->builder && *o->builder && strcmp(o->builder, "default") != 0)
		return hoy_err_not_found(
			err, "--builder: there is no builder \"%s\": the engine's own is \"default\"", o->builder);
	if (r == 0 && o->isolation && *o->isolation && strcmp(o->isolation, "default") != 0)
		return hoy_err_unsupported(err, "--isolation=%s: \"default\" is the only one here", o->isolation);
	return r;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

struct answer {
	struct hoy_build_display *display;
	char *id;
	int exit_code;
	unsigned int line, end_line; /* of the Dockerfile, what failed */
};

static int on_failure(struct answer *answer, const struct hoy_json *message, struct hoy_err *err)
{
	const struct hoy_json *detail = hoy_json_get(message, "errorDetail");
	const char *text = hoy_json_string(hoy_json_get(detail, "message"));

	if (!text)
		text = hoy_json_string(hoy_json_get(message, "error"));
	if (!text)
		return 0;
	answer->exit_code = (int) hoy_cli_number(detail, "code");
	answer->line = (unsigned int) hoy_cli_number(detail, "line");
	answer->end_line = (unsigned int) hoy_cli_number(detail, "endLine");
	return hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "%s", text);
}

static int on_trace(struct answer *answer, const char *aux, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf data = {};

	if (!aux || hoy_base64_decode(&data, aux) < 0)
		return hoy_err_code(err, -EPROTO, "the engine's answer");
	return hoy_build_display_take(answer->display, data.data ? data.data : "", data.len, err);
}

static int on_message(const struct hoy_json *message, void *userdata, struct hoy_err *err)
{
	struct answer *answer = userdata;
	const char *id = hoy_json_string(hoy_json_get(message, "id")), *text;
	FILE *out = hoy_build_display_out(answer->display);
	int r = on_failure(answer, message, err);

	if (r < 0)
		return r;
	if (hoy_str_eq(id, "moby.buildkit.trace"))
		return on_trace(answer, hoy_json_string(hoy_json_get(message, "aux")), err);
	text = hoy_json_string(hoy_json_get(hoy_json_get(message, "aux"), "ID"));
	if (text) {
		free(answer->id);
		answer->id = strdup(text);
	}
	/* An engine that does not know of traces tells a classic build. */
	text = hoy_json_string(hoy_json_get(message, "stream"));
	if (text && out)
		(void) fputs(text, out);
	return 0;
}

/* Reads the answer to its end; a terminal is drawn again meanwhile, whether the engine tells something or not. */
static int read_answer(struct hoy_http *http, struct answer *answer, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { .cap = HOY_LINE_MAX };
	char piece[16384];
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n > 0) {
		struct pollfd ready = { .fd = http->fd, .events = POLLIN };

		if (http->in.len == 0 && poll(&ready, 1, DRAW_MS) == 0) {
			hoy_build_display_draw(answer->display);
			continue;
		}
		n = hoy_http_read(http, piece, sizeof piece, err);
		r = n < 0 ? (int) n : hoy_lines_feed(&buf, piece, (size_t) n, on_message, answer, err);
	}
	return r;
}

/* --- the build ---------------------------------------------------------------------------------------------------- */

static int send_build(struct hoy_cli *cli, const struct hoy_build_source *source, const struct hoy_build_wants *wants,
	const char *session, struct answer *answer, struct hoy_err *err)
{
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	auto_(hoy_buf_done) struct hoy_buf path = {}, credentials = {};
	auto_fd int context = -EBADF;
	struct hoy_http_request request = { .method = "POST", .content_type = "application/x-tar" };
	pid_t pid = 0;
	int r = hoy_build_request_path(cli, source, wants, session, &path, err), sent;

	if (r >= 0)
		r = hoy_build_request_credentials(&cli->config, &credentials, err);
	if (r >= 0 && !source->remote)
		r = context = hoy_build_context_start(&source->context, &pid, err);
	if (r < 0)
		return r;
	request.path = path.data;
	request.headers = credentials.data;
	request.body_fd = context;
	hoy_build_display_draw(answer->display);
	r = hoy_cli_open(cli, &request, &http, err);
	if (credentials.data)
		explicit_bzero(credentials.data, credentials.len);
	hoy_fd_close(&context); /* an engine that does not want more: the writer ends too */
	sent = pid > 0 ? hoy_build_context_end(pid, r < 0 ? NULL : err) : 0;
	if (r >= 0)
		r = sent;
	return r < 0 ? r : read_answer(&http, answer, err);
}

static int write_file(const char *path, const char *text, struct hoy_err *err)
{
	return hoy_file_write(AT_FDCWD, path, text, strlen(text), 0644, 0, err);
}

static int build(struct hoy_cli *cli, struct hoy_build_source *source, struct answer *answer, struct hoy_err *err)
{
	const struct hoy_build_options *o = cli->values;
	auto_(hoy_build_wants_done) struct hoy_build_wants wants = {};
	struct hoy_build_session session = {};
	int r = check_options(o, err);

	if (r >= 0)
		r = hoy_build_source_choose(cli, source, err);
	if (r >= 0)
		r = hoy_build_wants_parse(o, &wants, err);
	if (r >= 0 && o->iidfile)
		(void) unlink(o->iidfile);
	if (r >= 0)
		r = hoy_build_session_begin(cli, &wants, &session, err);
	if (r >= 0)
		r = send_build(cli, source, &wants, session.id, answer, err);
	hoy_build_session_end(&session);
	hoy_build_display_finish(answer->display);
	if (r < 0)
		return r;
	if (!answer->id && (wants.output == HOY_BUILD_OUTPUT_IMAGE || wants.output == HOY_BUILD_OUTPUT_ARCHIVE))
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, EPROTO, "the engine ended the build without telling the image's ID");
	r = hoy_build_result_deliver(cli, &wants, answer->id, answer->display, err);
	if (r >= 0 && o->iidfile && answer->id)
		r = write_file(o->iidfile, answer->id, err);
	return r < 0 || !o->metadata_file ? r
					  : hoy_build_result_metadata(cli, &wants, answer->id, o->metadata_file, err);
}

/* The Dockerfile as it lies on our side, for the lines that are shown of it; heap, NULL: not to be had. */
static char *dockerfile_of(const struct hoy_build_source *source)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = 4 << 20 };

	if (source->context.text)
		return strndup(source->context.text, source->context.text_len);
	if (!source->path || hoy_file_read(AT_FDCWD, source->path, &text, NULL) < 0)
		return NULL;
	return hoy_buf_take(&text);
}

static int tell_failure(struct hoy_cli *cli, const struct hoy_build_source *source, const struct answer *answer,
	const struct hoy_err *err)
{
	const char *file = ((const struct hoy_build_options *) cli->values)->file;
	auto_free char *written = dockerfile_of(source), *text = written ? hoy_redact(written) : NULL;
	struct hoy_err told = *err;

	if (answer->display)
		hoy_build_display_failure(
			answer->display, file ? file : "Dockerfile", text, answer->line, answer->end_line);
	(void) hoy_err_wrap(&told, "ERROR");
	return hoy_cli_fail(cli, answer->exit_code > 0 && answer->exit_code < 256 ? answer->exit_code : 1, &told);
}

static int cmd_build(struct hoy_cli *cli)
{
	const struct hoy_build_options *o = cli->values;
	auto_(hoy_build_source_done) struct hoy_build_source source = {};
	enum hoy_build_progress progress;
	struct answer answer = {};
	struct hoy_err err;
	int r = hoy_build_progress_choose(o->quiet ? "quiet" : o->progress, &progress, &err), status = 0;

	if (r >= 0 && !(answer.display = hoy_build_display_new(progress)))
		r = hoy_err_oom(&err);
	if (r >= 0)
		r = build(cli, &source, &answer, &err);
	if (r < 0)
		status = tell_failure(cli, &source, &answer, &err);
	else if (progress == HOY_BUILD_QUIET && answer.id)
		(void) puts(answer.id);
	hoy_build_display_free(answer.display);
	free(answer.id);
	return status;
}

const struct hoy_command hoy_cmd_build = {
	.name = "build",
	.alias = "image build, buildx build, builder build",
	.args = "PATH|URL|-",
	.min_args = 1,
	.max_args = 1,
	.summary = "Build an image from a Dockerfile",
	.options = build_options,
	.values_size = sizeof(struct hoy_build_options),
	.defaults = &build_defaults,
	.run = cmd_build,
};
