/* Small pieces are collected into blocks; a block is hashed, compressed, or framed as a chunk. */
#include "supervisor/worker/layer/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/layer/encoder.h"
#include "supervisor/worker/layer/hash.h"

#define BLOCK ((size_t) 256 << 10)
#define SENDFILE_MIN ((uint64_t) 64 << 10)
#define SENDFILE_MAX ((size_t) 1 << 30)

struct hoy_layer_sink {
	struct hoy_layer_sink_options options;
	struct hoy_layer_encoder *encoder; /* NULL: plain */
	struct hoy_layer_hash hash, raw_hash;
	uint64_t size, raw_size;
	size_t len; /* collected in `block` */
	unsigned char *block, *packed;
};

int hoy_layer_sink_new(const struct hoy_layer_sink_options *options, struct hoy_layer_sink **ret, struct hoy_err *err)
{
	auto_ptr(hoy_layer_sink_free) struct hoy_layer_sink *s = calloc(1, sizeof *s);
	int flags = fcntl(options->fd, F_GETFL), r;

	if (!s)
		return hoy_err_oom(err);
	if (flags < 0 || fcntl(options->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return hoy_err_sys(err, "make the output blocking");
	s->options = *options;
	s->block = malloc(BLOCK);
	s->packed = options->gzip ? malloc(BLOCK) : NULL;
	if (!s->block || (options->gzip && !s->packed))
		return hoy_err_oom(err);
	if (options->gzip) {
		r = hoy_layer_encoder_new(&s->encoder, err);
		if (r == 0)
			r = hoy_layer_hash_init(&s->hash, err);
		if (r == 0)
			r = hoy_layer_hash_init(&s->raw_hash, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(s);
	return 0;
}

void hoy_layer_sink_free(struct hoy_layer_sink *sink)
{
	if (!sink)
		return;
	hoy_layer_encoder_free(sink->encoder);
	hoy_layer_hash_done(&sink->hash);
	hoy_layer_hash_done(&sink->raw_hash);
	free(sink->block);
	free(sink->packed);
	free(sink);
}

static int put(struct hoy_layer_sink *s, const void *data, size_t len, struct hoy_err *err)
{
	int r = hoy_fd_write_all(s->options.fd, data, len);

	s->size += len;
	return r < 0 ? hoy_err_code(err, r, "write") : 0;
}

static int begin_chunk(struct hoy_layer_sink *s, uint64_t len, struct hoy_err *err)
{
	char head[24];

	if (!s->options.chunked)
		return 0;
	return put(s, head, (size_t) snprintf(head, sizeof head, "%llx\r\n", (unsigned long long) len), err);
}

static int end_chunk(struct hoy_layer_sink *s, struct hoy_err *err)
{
	return s->options.chunked ? put(s, "\r\n", 2, err) : 0;
}

static int put_chunk(struct hoy_layer_sink *s, const void *data, size_t len, struct hoy_err *err)
{
	int r = begin_chunk(s, len, err);

	if (r == 0)
		r = put(s, data, len, err);
	return r < 0 ? r : end_chunk(s, err);
}

static int put_packed(struct hoy_layer_sink *s, const void *data, size_t len, bool last, struct hoy_err *err)
{
	bool more = true;
	int r = hoy_layer_hash_add(&s->raw_hash, data, len, err);

	while (r == 0 && more) {
		size_t n = BLOCK;

		r = hoy_layer_encoder_run(s->encoder, &data, &len, last, s->packed, &n, &more, err);
		if (r == 0)
			r = hoy_layer_hash_add(&s->hash, s->packed, n, err);
		if (r == 0)
			r = put(s, s->packed, n, err);
	}
	return r;
}

static int flush(struct hoy_layer_sink *s, bool last, struct hoy_err *err)
{
	size_t len = s->len;

	s->len = 0;
	if (s->encoder)
		return put_packed(s, s->block, len, last, err);
	return len > 0 ? put_chunk(s, s->block, len, err) : 0;
}

int hoy_layer_sink_write(struct hoy_layer_sink *sink, const void *data, size_t len, struct hoy_err *err)
{
	sink->raw_size += len;
	while (len > 0) {
		size_t n = MIN(len, BLOCK - sink->len);

		memcpy(sink->block + sink->len, data, n);
		sink->len += n;
		data = (const char *) data + n;
		len -= n;
		if (sink->len == BLOCK) {
			int r = flush(sink, /* last= */ false, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int hoy_layer_sink_zeros(struct hoy_layer_sink *sink, uint64_t len, struct hoy_err *err)
{
	static const char zeros[4096];
	int r = 0;

	for (; r == 0 && len > 0; len -= MIN(len, sizeof zeros))
		r = hoy_layer_sink_write(sink, zeros, (size_t) MIN(len, sizeof zeros), err);
	return r;
}

/* Read straight into the block. */
static int copy_file(struct hoy_layer_sink *s, int fd, uint64_t size, int copy, struct hoy_err *err)
{
	while (size > 0) {
		size_t room = (size_t) MIN(size, (uint64_t) (BLOCK - s->len));
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, s->block + s->len, room));
		int r = 0;

		if (n < 0)
			return hoy_err_sys(err, "read");
		if (n == 0)
			return hoy_layer_sink_zeros(s, size, err);
		if (copy >= 0)
			r = hoy_fd_write_all(copy, s->block + s->len, (size_t) n);
		if (r < 0)
			return hoy_err_code(err, r, "write the copy");
		s->len += (size_t) n;
		s->raw_size += (uint64_t) n;
		size -= (uint64_t) n;
		if (s->len == BLOCK)
			r = flush(s, /* last= */ false, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_chunk(struct hoy_layer_sink *s, uint64_t len, struct hoy_err *err)
{
	static const char zeros[4096];
	int r = 0;

	for (; r == 0 && len > 0; len -= MIN(len, sizeof zeros))
		r = put(s, zeros, (size_t) MIN(len, sizeof zeros), err);
	return r;
}

/* One chunk of all of it. */
static int send_file(struct hoy_layer_sink *s, int fd, uint64_t size, struct hoy_err *err)
{
	uint64_t left = size;
	int r = flush(s, /* last= */ false, err);

	if (r == 0)
		r = begin_chunk(s, size, err);
	while (r == 0 && left > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(
			sendfile(s->options.fd, fd, /* offset= */ NULL, (size_t) MIN(left, (uint64_t) SENDFILE_MAX)));

		if (n < 0)
			return hoy_err_sys(err, "send");
		if (n == 0)
			break;
		left -= (uint64_t) n;
	}
	s->raw_size += size;
	s->size += size - left;
	if (r == 0 && left > 0)
		r = fill_chunk(s, left, err);
	return r < 0 ? r : end_chunk(s, err);
}

int hoy_layer_sink_file(struct hoy_layer_sink *sink, int fd, uint64_t size, int copy, struct hoy_err *err)
{
	if (!sink->encoder && copy < 0 && size >= SENDFILE_MIN)
		return send_file(sink, fd, size, err);
	return copy_file(sink, fd, size, copy, err);
}

int hoy_layer_sink_finish(struct hoy_layer_sink *sink, struct hoy_layer_reply *done, struct hoy_err *err)
{
	int r = flush(sink, /* last= */ true, err);

	if (r == 0 && sink->options.chunked)
		r = put(sink, "0\r\n\r\n", 5, err);
	if (r == 0 && sink->encoder)
		r = hoy_layer_hash_finish(&sink->hash, done->done.digest, err);
	if (r == 0 && sink->encoder)
		r = hoy_layer_hash_finish(&sink->raw_hash, done->done.diff_id, err);
	done->done.size = sink->size;
	done->done.raw_size = sink->raw_size;
	done->done.compression = sink->encoder ? HOY_LAYER_GZIP : HOY_LAYER_PLAIN;
	return r;
}
