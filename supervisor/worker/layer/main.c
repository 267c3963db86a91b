/*
 * hoy-layer: the worker that takes archives apart, unpacks layers and removes them. Serves one request of hoyd's
 * (protocol.h) and exits. It reports through the socket only; what it prints is for people who start it by hand.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/layer/apply.h"
#include "supervisor/worker/layer/confine.h"
#include "supervisor/worker/layer/pack.h"
#include "supervisor/worker/layer/protocol.h"
#include "supervisor/worker/layer/remove.h"
#include "supervisor/worker/layer/split.h"
#include "supervisor/worker/layer/stream.h"
#include "supervisor/worker/layer/verify.h"

#define DEFAULT_MAX_BYTES ((uint64_t) 256 << 30)
#define PROGRESS_NS 100000000
#define MAX_NAMES ((size_t) 64 << 10)

struct worker {
	struct hoy_layer_request request;
	int input, target, output, copy, twin, lowers, follow; /* what came with the request; -EBADF: nothing */
	int root;                                              /* the target, once it is our root */
	int lower;                                             /* the merged lower layers */
	struct hoy_layer_stream *stream;
	struct timespec told; /* when progress was told last */
};

static int send_reply(const struct hoy_layer_reply *reply, size_t len, struct hoy_err *err)
{
	ssize_t n = hoy_fd_send(HOY_LAYER_SOCKET_FD, reply, len, /* fds= */ NULL, 0);

	return n < 0 ? hoy_err_code(err, (int) n, "tell hoyd") : 0;
}

/* The descriptors come in the order input, target, output, copy, twin, lowers, follow, without those that the request
 * does not need. */
static int take_fds(struct worker *w, int *fds, size_t n, struct hoy_err *err)
{
	bool stream = w->request.op == HOY_LAYER_SPLIT || w->request.op == HOY_LAYER_APPLY;
	size_t used = 0;

	if (stream && used < n)
		w->input = fds[used++];
	if (used < n)
		w->target = fds[used++];
	if (w->request.op == HOY_LAYER_PACK && used < n)
		w->output = fds[used++];
	if ((w->request.flags & HOY_LAYER_COPY) && used < n)
		w->copy = fds[used++];
	if ((w->request.flags & HOY_LAYER_PACK_TWIN) && used < n)
		w->twin = fds[used++];
	if ((w->request.flags & HOY_LAYER_LOWERS) && used < n)
		w->lowers = fds[used++];
	if ((w->request.flags & HOY_LAYER_FOLLOW) && used < n)
		w->follow = fds[used++];
	while (n > used)
		hoy_fd_close(&fds[--n]);
	if (w->target < 0 || (stream && w->input < 0) || (w->request.op == HOY_LAYER_PACK && w->output < 0) ||
		((w->request.flags & HOY_LAYER_COPY) && w->copy < 0) ||
		((w->request.flags & HOY_LAYER_PACK_TWIN) && w->twin < 0) ||
		((w->request.flags & HOY_LAYER_LOWERS) && w->lowers < 0) ||
		((w->request.flags & HOY_LAYER_FOLLOW) && w->follow < 0))
		return hoy_err_code(err, -EPROTO, "request without its descriptors");
	return 0;
}

static int receive_request(struct worker *w, struct hoy_err *err)
{
	int fds[HOY_FD_PASS_MAX];
	size_t n_fds = HOY_FD_PASS_MAX;
	ssize_t n = hoy_fd_recv(HOY_LAYER_SOCKET_FD, &w->request, sizeof w->request, fds, &n_fds);

	if (n < 0)
		return hoy_err_code(err, (int) n, "receive the request");
	w->request.diff_id[HOY_LAYER_DIGEST_MAX - 1] = '\0';
	if (n != sizeof w->request) {
		while (n_fds > 0)
			hoy_fd_close(&fds[--n_fds]);
		return hoy_err_code(err, -EPROTO, "receive the request");
	}
	return take_fds(w, fds, n_fds, err);
}

/* The packet of names becomes a vector that points into `packet`. */
static int split_names(char *packet, size_t len, char **names, size_t *ret_n, struct hoy_err *err)
{
	size_t n = 0;

	for (char *name = packet; name < packet + len; name += strlen(name) + 1) {
		if (n == HOY_LAYER_MAX_LOWERS || !hoy_path_is_component(name))
			return hoy_err_code(err, -EPROTO, "names of the lower layers");
		names[n++] = name;
	}
	*ret_n = n;
	return n > 0 ? 0 : hoy_err_code(err, -EPROTO, "names of the lower layers");
}

/* What is packed stands on top of the lower layers. */
static int mount_lowers(struct worker *w, struct hoy_err *err)
{
	char *names[HOY_LAYER_MAX_LOWERS + 1], target[HOY_PROC_FD_MAX];
	size_t first = w->request.op == HOY_LAYER_PACK;
	auto_free char *packet = NULL;
	size_t n_fds = 0, n_names;
	ssize_t n;
	int r;

	if (!(w->request.flags & HOY_LAYER_LOWERS))
		return 0;
	packet = malloc(MAX_NAMES + 1);
	if (!packet)
		return hoy_err_oom(err);
	n = hoy_fd_recv(HOY_LAYER_SOCKET_FD, packet, MAX_NAMES, /* fds= */ NULL, &n_fds);
	if (n <= 0)
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "receive the lower layers");
	packet[n] = '\0';
	r = split_names(packet, (size_t) n, names + first, &n_names, err);
	if (r < 0)
		return r;
	if (first)
		names[0] = (char *) (uintptr_t) hoy_path_proc_fd(w->target, target);
	w->lower = hoy_layer_mount_lowers(w->lowers, names, n_names + first, err);
	hoy_fd_close(&w->lowers);
	return w->lower < 0 ? w->lower : 0;
}

static int on_read(uint64_t total, void *userdata, struct hoy_err *err)
{
	struct hoy_layer_reply reply = { .type = HOY_LAYER_PROGRESS, .progress.read = total };
	struct worker *w = userdata;
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - w->told.tv_sec) * 1000000000L + (now.tv_nsec - w->told.tv_nsec) < PROGRESS_NS)
		return 0;
	w->told = now;
	return send_reply(&reply, HOY_LAYER_REPLY_SIZE(progress), err);
}

/* Before we are confined: libcrypto and the decoders may want files. */
static int open_stream(struct worker *w, struct hoy_err *err)
{
	const struct hoy_layer_stream_options options = {
		.fd = w->input,
		.copy_fd = w->copy,
		.follow = w->follow >= 0,
		.follow_fd = w->follow,
		.follow_size = w->request.input_size,
		.max_bytes = w->request.limits.max_bytes ? w->request.limits.max_bytes : DEFAULT_MAX_BYTES,
		.no_digests = w->request.op == HOY_LAYER_SPLIT,
		.foreign = w->request.op == HOY_LAYER_SPLIT || (w->request.flags & HOY_LAYER_COPY),
		.on_read = on_read,
		.userdata = w,
	};

	(void) clock_gettime(CLOCK_MONOTONIC, &w->told);
	return w->input < 0 ? 0 : hoy_layer_stream_new(&options, &w->stream, err);
}

static int on_entry(const struct hoy_layer_reply *entry, size_t len, void *userdata, struct hoy_err *err)
{
	(void) userdata;
	return send_reply(entry, len, err);
}

static int pack(const struct worker *w, struct hoy_layer_reply *done, struct hoy_err *err)
{
	const struct hoy_layer_sink_options options = { .fd = w->output,
		.chunked = w->request.flags & HOY_LAYER_PACK_CHUNKED,
		.gzip = w->request.flags & HOY_LAYER_PACK_GZIP };
	const struct hoy_layer_pack what = { .root = w->root,
		.twin = w->twin,
		.layer = w->request.flags & HOY_LAYER_PACK_DIFF,
		.clamp = w->request.flags & HOY_LAYER_PACK_CLAMP,
		.latest = w->request.latest,
		.neutral = w->request.flags & HOY_LAYER_PACK_NEUTRAL };
	auto_ptr(hoy_layer_sink_free) struct hoy_layer_sink *sink = NULL;
	int r = hoy_layer_sink_new(&options, &sink, err);

	return r < 0 ? r : hoy_layer_pack(&what, sink, done, err);
}

static int serve(struct worker *w, struct hoy_layer_reply *done, struct hoy_err *err)
{
	const struct hoy_layer_split split = {
		.root = w->root, .max_entries = w->request.limits.max_entries, .on_entry = on_entry
	};
	const struct hoy_layer_apply apply = {
		.root = w->root,
		.lower = w->lower,
		.alone = w->request.flags & HOY_LAYER_ALONE,
		.limits = w->request.limits,
		.diff_id = w->request.diff_id,
	};

	switch ((enum hoy_layer_op) w->request.op) {
	case HOY_LAYER_SPLIT:
		return hoy_layer_split(&split, w->stream, done, err);
	case HOY_LAYER_APPLY:
		return hoy_layer_apply(&apply, w->stream, done, err);
	case HOY_LAYER_REMOVE:
		return hoy_layer_remove_all(w->root, err);
	case HOY_LAYER_PACK:
		return pack(w, done, err);
	case HOY_LAYER_VERIFY:
		return hoy_layer_verify(w->root, on_entry, w, err);
	case HOY_LAYER_SYNC:
		return syncfs(w->root) < 0 ? hoy_err_sys(err, "bring layers to disk") : 0;
	}
	return hoy_err_code(err, -EPROTO, "unknown request %u", w->request.op);
}

/* The tree that becomes our root: the target, or what is to be packed. */
static int open_tree_of(struct worker *w, struct hoy_err *err)
{
	bool reads = w->request.op == HOY_LAYER_PACK || w->request.op == HOY_LAYER_VERIFY;
	auto_fd int tree = hoy_layer_detach(w->target, reads, err);
	int r;

	if (tree < 0)
		return tree;
	r = mount_lowers(w, err);
	hoy_fd_close(&w->target);
	if (r == 0 && w->twin >= 0) {
		int twin = hoy_layer_detach(w->twin, /* read_only= */ false, err);

		hoy_fd_close(&w->twin);
		r = w->twin = twin;
	}
	if (r < 0)
		return r;
	return w->request.op == HOY_LAYER_PACK && w->lower >= 0 ? TAKE_FD(w->lower) : TAKE_FD(tree);
}

static int run(struct worker *w, struct hoy_layer_reply *done, struct hoy_err *err)
{
	auto_fd int tree = -EBADF;
	int r = receive_request(w, err);

	if (r < 0)
		return r;
	tree = open_tree_of(w, err);
	if (tree < 0)
		return tree;
	r = open_stream(w, err);
	if (r == 0)
		r = hoy_layer_confine(tree, &w->root, err);
	return r < 0 ? r : serve(w, done, err);
}

int main(void)
{
	struct worker w = { .input = -EBADF,
		.target = -EBADF,
		.output = -EBADF,
		.copy = -EBADF,
		.twin = -EBADF,
		.lowers = -EBADF,
		.follow = -EBADF,
		.root = -EBADF,
		.lower = -EBADF };
	struct hoy_layer_reply reply = { .type = HOY_LAYER_DONE };
	struct hoy_err err = { 0 };
	struct stat st;
	int r;

	if (fstat(HOY_LAYER_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void) fprintf(stderr, "hoy-layer: a helper of hoyd, which starts it with a socket; see hoyd(8)\n");
		return 2;
	}
	(void) hoy_fd_set_cloexec(HOY_LAYER_SOCKET_FD, true);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) umask(0);
	/* File names are bytes, but libarchive converts those of pax archives from UTF-8 to the locale's charset. */
	(void) setlocale(LC_CTYPE, "C.UTF-8");

	r = run(&w, &reply, &err);
	if (r < 0) {
		reply = (struct hoy_layer_reply){ .type = HOY_LAYER_ERROR, .err = err };
		(void) send_reply(&reply, HOY_LAYER_REPLY_SIZE(err), /* err= */ NULL);
		_exit(EXIT_FAILURE);
	}
	r = send_reply(&reply, HOY_LAYER_REPLY_SIZE(done), /* err= */ NULL);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
