/*
 * hoy-build: the worker that reads a build's context and Dockerfile and says what is to be done (protocol.h). All its
 * input comes from strangers: it works as nobody, with the context's directory as its root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/worker/build/context.h"
#include "supervisor/worker/build/control.h"
#include "supervisor/worker/build/emit.h"
#include "supervisor/worker/build/protocol.h"
#include "supervisor/worker/build/session.h"
#include "supervisor/worker/layer/apply.h"
#include "supervisor/worker/layer/confine.h"
#include "supervisor/worker/layer/stream.h"

#define NOBODY 65534
#define INPUT_MAX ((uint64_t) 1 << 40)
#define MAX_IMAGES 256

struct worker {
	struct hoy_json *request;
	int input, dockerfile, connection, target, output; /* what came with the request; -EBADF: nothing */
	int root;                                          /* the context */
	struct hoy_layer_stream *stream;
	struct hoy_dockerfile *file;
	struct hoy_build_image images[MAX_IMAGES];
	struct hoy_json *image_docs[MAX_IMAGES]; /* what the images' strings belong to */
	size_t n_images;
	char *packet;
};

static const char *text_of(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

/* --- hoyd --------------------------------------------------------------------------------------------------------- */

static int send_reply(const struct hoy_build_reply *reply, size_t len, struct hoy_err *err)
{
	ssize_t n = hoy_fd_send(HOY_BUILD_SOCKET_FD, reply, len, /* fds= */ NULL, 0);

	return n < 0 ? hoy_err_code(err, (int) n, "tell hoyd") : 0;
}

static int send_type(enum hoy_build_reply_type type, struct hoy_err *err)
{
	struct hoy_build_reply reply = { .type = type };

	return send_reply(&reply, offsetof(struct hoy_build_reply, text), err);
}

static int take_fds(struct worker *w, int *fds, size_t n, struct hoy_err *err)
{
	const struct {
		const char *name;
		int *fd;
	} places[] = { { "input", &w->input }, { "dockerfile", &w->dockerfile }, { "connection", &w->connection },
		{ "target", &w->target }, { "output", &w->output } };
	size_t used = 0;

	hoy_json_each(name, hoy_json_get(w->request, "fds"))
	{
		for (size_t i = 0; used < n && i < ARRAY_LEN(places); i++)
			if (hoy_str_eq(hoy_json_string(name), places[i].name) && *places[i].fd < 0) {
				*places[i].fd = fds[used++];
				break;
			}
	}
	while (n > used)
		hoy_fd_close(&fds[--n]);
	return w->target >= 0 && (w->output >= 0 || w->connection >= 0)
		       ? 0
		       : hoy_err_code(err, -EPROTO, "request without its descriptors");
}

static int receive_request(struct worker *w, struct hoy_err *err)
{
	int fds[HOY_FD_PASS_MAX];
	size_t n_fds = HOY_FD_PASS_MAX;
	ssize_t n = hoy_fd_recv(HOY_BUILD_SOCKET_FD, w->packet, HOY_BUILD_PACKET_MAX, fds, &n_fds);
	int r;

	if (n <= 0)
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "receive the request");
	r = hoy_json_parse(w->packet, (size_t) n, /* limits= */ NULL, &w->request, err);
	if (r == 0)
		return take_fds(w, fds, n_fds, err);
	while (n_fds > 0)
		hoy_fd_close(&fds[--n_fds]);
	return r;
}

/* --- who we are ------------------------------------------------------------------------------- */

/* Files of the context belong to nobody, but may have any mode: they are read and written all the same. */
static int become_nobody(struct hoy_err *err)
{
	static const cap_value_t wanted[] = { CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_SETFCAP };
	cap_t keep = cap_init();
	int r = 0;

	if (!keep)
		return hoy_err_oom(err);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0)
		r = hoy_err_sys(err, "become an unprivileged user");
	else if (cap_set_flag(keep, CAP_PERMITTED, ARRAY_LEN(wanted), wanted, CAP_SET) < 0 ||
		 cap_set_flag(keep, CAP_EFFECTIVE, ARRAY_LEN(wanted), wanted, CAP_SET) < 0 || cap_set_proc(keep) < 0)
		r = hoy_err_sys(err, "drop capabilities");
	/* setresuid() has cleared it: without hoyd there is nobody to build for. */
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = hoy_err_sys(err, "give up privileges");
	(void) cap_free(keep);
	return r;
}

static int confine(struct worker *w, struct hoy_err *err)
{
	auto_fd int tree = hoy_layer_detach(w->target, /* read_only= */ false, err);
	int r;

	if (tree < 0)
		return tree;
	hoy_fd_close(&w->target);
	r = hoy_layer_private_mounts(err);
	if (r == 0)
		r = hoy_layer_become_root(tree, &w->root, err);
	if (r == 0 && fchown(w->root, NOBODY, NOBODY) < 0)
		r = hoy_err_sys(err, "take the context's directory over");
	if (r == 0)
		r = hoy_layer_limit_resources(err);
	if (r == 0)
		r = become_nobody(err);
	/* Directories of named contexts come as descriptors. */
	return r < 0 ? r
		     : hoy_layer_filter_calls(
			       w->connection >= 0 || hoy_json_len(hoy_json_get(w->request, "contexts")) > 0, err);
}

/* --- the context ------------------------------------------------------------------------------ */

/* By its first bytes: what comes from a URL may be a Dockerfile as well. */
static bool is_archive(int fd)
{
	static const struct {
		const char *bytes;
		size_t at, len;
	} marks[] = { { "\x1f\x8b", 0, 2 }, { "BZh", 0, 3 }, { "\x28\xb5\x2f\xfd", 0, 4 }, { "\xfd\x37zXZ", 0, 6 },
		{ "ustar", 257, 5 } };
	char head[512];
	ssize_t n = pread(fd, head, sizeof head, 0);

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (n >= (ssize_t) (marks[i].at + marks[i].len) &&
			memcmp(head + marks[i].at, marks[i].bytes, marks[i].len) == 0)
			return true;
	return false;
}

/* Before we are confined: libcrypto and the decoders may want files. */
static int open_stream(struct worker *w, struct hoy_err *err)
{
	const struct hoy_layer_stream_options options = {
		.fd = w->input, .copy_fd = -EBADF, .max_bytes = INPUT_MAX, .no_digests = true, .foreign = true
	};

	if (w->input >= 0 && hoy_json_bool(hoy_json_get(w->request, "remote")) && !is_archive(w->input)) {
		w->dockerfile = TAKE_FD(w->input);
		return 0;
	}
	return w->input < 0 ? 0 : hoy_layer_stream_new(&options, &w->stream, err);
}

static int unpack(struct worker *w, struct hoy_err *err)
{
	const struct hoy_layer_apply apply = {
		.root = w->root, .lower = -1, .diff_id = "", .plain = true, .chown = true, .uid = NOBODY, .gid = NOBODY
	};
	struct hoy_layer_reply done = { 0 };
	int r = w->stream ? hoy_layer_apply(&apply, w->stream, &done, err) : 0;

	return r < 0 ? hoy_err_wrap(err, "read the build context") : 0;
}

static int read_dockerfile(struct worker *w, struct hoy_err *err)
{
	const char *name = *text_of(w->request, "dockerfile") ? text_of(w->request, "dockerfile") : "Dockerfile";
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r;

	hoy_buf_init(&text, HOY_DOCKERFILE_MAX_SIZE);
	r = w->dockerfile >= 0 ? hoy_file_read_fd(w->dockerfile, name, &text, err)
			       : hoy_context_read(w->root, name, HOY_DOCKERFILE_MAX_SIZE, &text, err);
	if (r == -ENOENT && strcmp(name, "Dockerfile") == 0)
		r = hoy_context_read(w->root, name = "dockerfile", HOY_DOCKERFILE_MAX_SIZE, &text, err);
	if (r == -ENOENT)
		return hoy_err_invalid(err, "Cannot locate specified Dockerfile: %s",
			*text_of(w->request, "dockerfile") ? text_of(w->request, "dockerfile") : "Dockerfile");
	if (r == 0 && text.len == 0)
		return hoy_err_invalid(err, "the Dockerfile (%s) cannot be empty", name);
	return r < 0 ? r : hoy_dockerfile_parse(name, text.data, text.len, &w->file, err);
}

/* The Dockerfile's own ignore file, else that of the context. */
static int remove_ignored(struct worker *w, struct hoy_err *err)
{
	const char *dockerfile = text_of(w->request, "dockerfile");
	auto_free char *own = hoy_str_printf("%s.dockerignore", *dockerfile ? dockerfile : "Dockerfile");
	auto_ptr(hoy_ignore_free) struct hoy_ignore *ignore = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	const char *name = own;
	int r;

	if (w->dockerfile >= 0)
		return 0; /* the client has not even sent what is ignored */
	if (!own)
		return hoy_err_oom(err);
	r = hoy_context_read(w->root, name, HOY_IGNORE_MAX_SIZE, &text, err);
	if (r == -ENOENT)
		r = hoy_context_read(w->root, name = ".dockerignore", HOY_IGNORE_MAX_SIZE, &text, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = hoy_ignore_parse(name, text.data ? text.data : "", text.len, &ignore, err);
	return r < 0 ? r : hoy_context_remove_ignored(w->root, ignore, err);
}

/* --- the plan --------------------------------------------------------------------------------- */

static int receive_image(struct worker *w, struct hoy_err *err)
{
	struct hoy_build_image *image = &w->images[w->n_images];
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer writer = { .buf = &text };
	struct hoy_oci_image_config *config = NULL;
	struct hoy_json *doc = NULL;
	ssize_t n = TEMP_FAILURE_RETRY(read(HOY_BUILD_SOCKET_FD, w->packet, HOY_BUILD_PACKET_MAX));
	int r;

	if (n <= 0 || w->n_images == MAX_IMAGES)
		return hoy_err_code(err, n < 0 ? -errno : -EPROTO, "receive a base image");
	r = hoy_json_parse(w->packet, (size_t) n, /* limits= */ NULL, &doc, err);
	if (r < 0)
		return r;
	w->image_docs[w->n_images] = doc;
	hoy_json_add_value(&writer, NULL, hoy_json_get(doc, "config"));
	r = hoy_buf_check(&text, "config of a base image", err);
	if (r == 0)
		r = hoy_oci_image_config_parse(text.data, text.len, &config, err);
	*image = (struct hoy_build_image){ .reference = text_of(doc, "reference"),
		.platform = text_of(doc, "platform"),
		.digest = *text_of(doc, "digest") ? text_of(doc, "digest") : NULL,
		.config = config };
	w->n_images++;
	return r;
}

static int send_wanted(const struct hoy_buf *text, struct hoy_err *err)
{
	struct hoy_build_reply *reply = calloc(1, sizeof *reply);
	int r = !reply ? hoy_err_oom(err) : hoy_buf_check(text, "list of what is wanted", err);

	if (r == 0 && text->len + 1 > sizeof reply->text)
		r = hoy_err_invalid(err, "too many base images or build contexts");
	if (r == 0) {
		reply->type = HOY_BUILD_WANTED;
		memcpy(reply->text, text->data, text->len + 1);
		r = send_reply(reply, offsetof(struct hoy_build_reply, text) + text->len + 1, err);
	}
	free(reply);
	return r;
}

static int ask_for_images(struct worker *w, const struct hoy_build_plan *plan, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer writer = { .buf = &text };
	int r;

	hoy_json_array(&writer, NULL);
	for (size_t i = 0; i < plan->n_wanted; i++) {
		hoy_json_object(&writer, NULL);
		hoy_json_add_string(&writer, "reference", plan->wanted[i].reference);
		hoy_json_add_string(&writer, "platform", plan->wanted[i].platform);
		hoy_json_end(&writer);
	}
	hoy_json_end(&writer);
	r = send_wanted(&text, err);
	for (size_t i = 0; r == 0 && i < plan->n_wanted; i++)
		r = receive_image(w, err);
	return r;
}

static int strings_of(const struct worker *w, const char *key, char ***ret, struct hoy_err *err)
{
	hoy_json_each(item, hoy_json_get(w->request, key))
	{
		if (hoy_strv_add(ret, hoy_json_string(item) ? hoy_json_string(item) : "") < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/* "NAME=VALUE" */
static int take_contexts(
	const struct worker *w, struct hoy_arena *arena, struct hoy_build_input *input, struct hoy_err *err)
{
	const struct hoy_json *list = hoy_json_get(w->request, "contexts");
	struct hoy_build_named_context *contexts = hoy_arena_alloc(arena, (hoy_json_len(list) + 1) * sizeof *contexts);

	if (!contexts)
		return hoy_err_oom(err);
	hoy_json_each(item, list)
	{
		char *text = hoy_arena_strdup(arena, hoy_json_string(item) ? hoy_json_string(item) : "");
		char *sep = text ? strchr(text, '=') : NULL;

		if (!text)
			return hoy_err_oom(err);
		if (!sep)
			return hoy_err_invalid(err, "the build context '%s' is not of the form NAME=VALUE", text);
		*sep = '\0';
		contexts[input->n_contexts++] = (struct hoy_build_named_context){ .name = text, .value = sep + 1 };
	}
	input->contexts = contexts;
	return 0;
}

static int make_plan(struct worker *w, struct hoy_arena *arena, struct hoy_build_plan **ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **build_args = NULL, **labels = NULL, **filter = NULL;
	struct hoy_build_input input = { .file = w->file, .images = w->images };
	int r = strings_of(w, "build_args", &build_args, err);

	if (r == 0)
		r = strings_of(w, "labels", &labels, err);
	if (r == 0)
		r = strings_of(w, "no_cache_filter", &filter, err);
	if (r == 0)
		r = take_contexts(w, arena, &input, err);
	if (r == 0)
		r = hoy_build_platform_parse(arena, "linux", &input.build_platform, err);
	if (r == 0)
		r = hoy_build_platform_parse(arena,
			*text_of(w->request, "platform") ? text_of(w->request, "platform") : "linux", &input.platform,
			err);
	input.target = text_of(w->request, "target");
	input.build_args = build_args;
	input.labels = labels;
	input.no_cache_filter = filter;
	/* A client that builds in the host's network may have it for a single RUN too. */
	input.allow_host_network = strcmp(text_of(w->request, "network"), "host") == 0;
	input.no_cache = hoy_json_bool(hoy_json_get(w->request, "no_cache"));
	while (r == 0) {
		auto_ptr(hoy_build_plan_free) struct hoy_build_plan *plan = NULL;

		input.n_images = w->n_images;
		r = hoy_build_plan_make(&input, &plan, err);
		if (r == 0 && plan->n_wanted == 0) {
			*ret = TAKE_PTR(plan);
			return 0;
		}
		if (r == 0)
			r = ask_for_images(w, plan, err);
	}
	return r;
}

/* --- a client's connection ---------------------------------------------------------------------------------------- */

static bool is_role(const struct worker *w, const char *role)
{
	return strcmp(text_of(w->request, "role"), role) == 0;
}

/* Its session, where the client is the server; or its calls of the control API. */
static int serve_connection(struct worker *w, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf extra = { 0 };
	auto_ptr(hoy_loop_free) struct hoy_loop *loop = NULL;
	int r = hoy_loop_new(&loop, err);

	if (r == 0 && hoy_base64_decode(&extra, text_of(w->request, "extra")) < 0)
		r = hoy_err_code(err, -EPROTO, "request of hoyd");
	if (r == 0)
		r = confine(w, err);
	if (r == 0 && is_role(w, "control"))
		return hoy_control_serve(&(struct hoy_control_options){ .loop = loop,
						 .sock = HOY_BUILD_SOCKET_FD,
						 .connection = TAKE_FD(w->connection),
						 .engine = w->request,
						 .extra = extra.data,
						 .extra_len = extra.len },
			err);
	return r < 0 ? r
		     : hoy_session_serve(&(struct hoy_session_options){ .loop = loop,
						 .sock = HOY_BUILD_SOCKET_FD,
						 .connection = TAKE_FD(w->connection),
						 .root = w->root,
						 .extra = extra.data,
						 .extra_len = extra.len },
			       err);
}

/* --- named contexts that are directories -------------------------------------------------------------------------- */

static int receive_tree(struct worker *w, int *ret, struct hoy_err *err)
{
	size_t n_fds = 1;
	ssize_t n = hoy_fd_recv(HOY_BUILD_SOCKET_FD, w->packet, HOY_BUILD_PACKET_MAX, ret, &n_fds);

	if (n <= 0 || n_fds != 1)
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "receive a build context");
	return 0;
}

/* Where each context of the plan is, by the number of its step. */
static int find_trees(struct worker *w, const struct hoy_build_plan *plan, int *roots, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer writer = { .buf = &text };
	size_t n = 0;
	int r = 0;

	hoy_json_array(&writer, NULL);
	for (size_t i = 0; i < plan->n_steps; i++) {
		roots[i] = plan->steps[i].kind == HOY_BUILD_CONTEXT ? w->root : -EBADF;
		if (plan->steps[i].kind != HOY_BUILD_CONTEXT || !plan->steps[i].context.value)
			continue;
		hoy_json_object(&writer, NULL);
		hoy_json_add_string(&writer, "context", plan->steps[i].context.name);
		hoy_json_add_string(&writer, "value", plan->steps[i].context.value);
		hoy_json_end(&writer);
		n++;
	}
	hoy_json_end(&writer);
	if (n > 0)
		r = send_wanted(&text, err);
	for (size_t i = 0; r == 0 && i < plan->n_steps; i++)
		if (plan->steps[i].kind == HOY_BUILD_CONTEXT && plan->steps[i].context.value)
			r = receive_tree(w, &roots[i], err);
	return r;
}

static int emit(struct worker *w, const struct hoy_build_plan *plan, struct hoy_buf *text, struct hoy_err *err)
{
	auto_free int *roots = calloc(plan->n_steps + 1, sizeof *roots);
	int r = roots ? find_trees(w, plan, roots, err) : hoy_err_oom(err);

	return r < 0 ? r : hoy_build_emit(plan, w->file->name, roots, text, err);
}

static int run(struct worker *w, struct hoy_err *err)
{
	auto_ptr(hoy_build_plan_free) struct hoy_build_plan *plan = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	auto_(hoy_arena_done) struct hoy_arena arena = { 0 };
	int r = receive_request(w, err);

	if (r == 0 && w->connection >= 0)
		return serve_connection(w, err);
	if (r == 0)
		r = open_stream(w, err);
	if (r == 0)
		r = confine(w, err);
	if (r == 0)
		r = unpack(w, err);
	if (r == 0)
		r = send_type(HOY_BUILD_READY, err);
	if (r == 0)
		r = read_dockerfile(w, err);
	if (r == 0)
		r = remove_ignored(w, err);
	if (r == 0)
		r = make_plan(w, &arena, &plan, err);
	hoy_buf_init(&text, HOY_BUILD_PLAN_MAX);
	if (r == 0)
		r = emit(w, plan, &text, err);
	if (r == 0 && (r = hoy_fd_write_all(w->output, text.data, text.len)) < 0)
		r = hoy_err_code(err, r, "write the plan");
	return r;
}

int main(void)
{
	struct worker w = { .input = -EBADF,
		.dockerfile = -EBADF,
		.connection = -EBADF,
		.target = -EBADF,
		.output = -EBADF,
		.root = -EBADF };
	struct hoy_build_reply reply = { .type = HOY_BUILD_PLAN };
	struct hoy_err err = { 0 };
	struct stat st;
	int r;

	if (fstat(HOY_BUILD_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void) fprintf(stderr, "hoy-build: a helper of hoyd, which starts it with a socket; see hoyd(8)\n");
		return 2;
	}
	(void) hoy_fd_set_cloexec(HOY_BUILD_SOCKET_FD, true);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) umask(0);
	/* File names are bytes, but libarchive converts those of pax archives from UTF-8 to the locale's charset. */
	(void) setlocale(LC_CTYPE, "C.UTF-8");

	w.packet = malloc(HOY_BUILD_PACKET_MAX);
	r = w.packet ? run(&w, &err) : hoy_err_oom(&err);
	if (is_role(&w, "session") || is_role(&w, "control"))
		_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	if (r < 0) {
		reply.type = HOY_BUILD_ERROR;
		reply.err = err;
		(void) send_reply(&reply, offsetof(struct hoy_build_reply, err) + sizeof err, /* err= */ NULL);
		_exit(EXIT_FAILURE);
	}
	r = send_type(HOY_BUILD_PLAN, /* err= */ NULL);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
