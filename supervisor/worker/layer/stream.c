/* Reading, hashing and decoding. One input buffer, one output buffer; plain data is handed on without a copy. */
#include "supervisor/worker/layer/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/layer/decoder.h"
#include "supervisor/worker/layer/foreign.h"
#include "supervisor/worker/layer/hash.h"

#define IN_SIZE ((size_t) 256 << 10)
#define MAGIC_SIZE ((size_t) 512) /* read at once, for the compression to be seen */
#define OUT_SIZE ((size_t) 1 << 20)

struct hoy_layer_stream {
	struct hoy_layer_stream_options options;
	struct hoy_layer_decoder *decoder; /* NULL: plain */
	struct hoy_layer_foreign *foreign; /* NULL: not compressed in a way that layers are not */
	struct hoy_layer_hash hash;        /* of the input */
	struct hoy_layer_hash raw_hash;    /* of decoded data; unused when plain: it is the same */
	enum hoy_layer_compression compression;
	bool sniffed;
	bool ended;
	struct hoy_err failed;
	uint64_t size, raw_size;
	uint64_t grown;   /* sum of what follow_fd has said */
	const void *next; /* input not decoded yet */
	size_t next_len;
	unsigned char *in, *out;
};

enum hoy_layer_compression hoy_layer_compression_of(const void *data, size_t len)
{
	static const unsigned char gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (len >= sizeof gzip && memcmp(data, gzip, sizeof gzip) == 0)
		return HOY_LAYER_GZIP;
	if (len >= sizeof zstd && memcmp(data, zstd, sizeof zstd) == 0)
		return HOY_LAYER_ZSTD;
	return HOY_LAYER_PLAIN;
}

int hoy_layer_stream_new(
	const struct hoy_layer_stream_options *options, struct hoy_layer_stream **ret, struct hoy_err *err)
{
	auto_ptr(hoy_layer_stream_free) struct hoy_layer_stream *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return hoy_err_oom(err);
	s->options = *options;
	s->in = malloc(IN_SIZE);
	s->out = malloc(OUT_SIZE);
	if (!s->in || !s->out)
		return hoy_err_oom(err);
	r = hoy_layer_hash_init(&s->hash, err);
	if (r < 0)
		return r;
	r = hoy_layer_hash_init(&s->raw_hash, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void hoy_layer_stream_free(struct hoy_layer_stream *stream)
{
	if (!stream)
		return;
	hoy_layer_decoder_free(stream->decoder);
	hoy_layer_foreign_free(stream->foreign);
	hoy_layer_hash_done(&stream->hash);
	hoy_layer_hash_done(&stream->raw_hash);
	free(stream->in);
	free(stream->out);
	free(stream);
}

/* Compressions that we know but don't read are named, so that nobody looks for a broken archive. */
static int refuse_others(const void *data, size_t len, struct hoy_err *err)
{
	static const struct {
		const char *magic, *name;
	} others[] = { { "\xfd"
			 "7zXZ",
			       "xz" },
		{ "BZh", "bzip2" }, { "\x04\x22\x4d\x18", "lz4" } };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (len >= strlen(others[i].magic) && memcmp(data, others[i].magic, strlen(others[i].magic)) == 0)
			return hoy_err_unsupported(
				err, "%s compression is not supported: use gzip, zstd or none", others[i].name);
	return 0;
}

static ssize_t next_input(const void **ret, void *userdata, struct hoy_err *err);

static int sniff(struct hoy_layer_stream *s, struct hoy_err *err)
{
	int r;

	s->sniffed = true;
	if (s->options.foreign && hoy_layer_foreign_is(s->next, s->next_len))
		return hoy_layer_foreign_new(
			&(struct hoy_layer_foreign_options){ .read = next_input, .userdata = s }, &s->foreign, err);
	r = refuse_others(s->next, s->next_len, err);
	s->compression = hoy_layer_compression_of(s->next, s->next_len);
	if (r < 0 || s->compression == HOY_LAYER_PLAIN)
		return r;
	return hoy_layer_decoder_new(s->compression, &s->decoder, err);
}

/* Waits until the file has more than `pos` bytes, or (pos == follow_size) until nobody can write it any more. */
static int wait_grown(struct hoy_layer_stream *s, uint64_t pos, struct hoy_err *err)
{
	while (s->grown <= pos) {
		uint64_t more;
		ssize_t n = read(s->options.follow_fd, &more, sizeof more);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof more)
			return hoy_err_sys(err, "wait for more of the layer");
		s->grown += more;
	}
	return 0;
}

/* A download that begins again makes the file shorter for a while: then there is nothing to read where more was said to
 * be, and the next word counts. */
static ssize_t read_following(struct hoy_layer_stream *s, void *data, size_t len, struct hoy_err *err)
{
	const uint64_t whole = s->options.follow_size, first = MIN(MAGIC_SIZE, whole);
	uint64_t wanted = s->sniffed ? s->size : first - 1;

	while (s->size < whole) {
		uint64_t there;
		ssize_t n;
		int r = wait_grown(s, wanted, err);

		if (r < 0)
			return r;
		there = MIN(s->grown, whole) - s->size;
		n = pread(s->options.fd, data, (size_t) MIN(len, there), (off_t) s->size);
		if (n > 0)
			return n;
		if (n < 0 && errno != EINTR)
			return hoy_err_sys(err, "read the archive");
		if (n == 0 && s->grown > whole)
			return hoy_err_invalid(err, "the layer ends after %llu of %llu bytes",
				(unsigned long long) s->size, (unsigned long long) whole);
		wanted = n == 0 ? s->grown : wanted;
	}
	return 0;
}

/* The first read is a full one, so that the magic number is never split. */
static ssize_t read_input(struct hoy_layer_stream *s, struct hoy_err *err)
{
	ssize_t n;

	if (s->options.follow)
		return read_following(s, s->in, IN_SIZE, err);
	if (s->sniffed)
		do
			n = read(s->options.fd, s->in, IN_SIZE);
		while (n < 0 && errno == EINTR);
	else
		n = hoy_fd_read_full(s->options.fd, s->in, MAGIC_SIZE);
	if (n < 0)
		return hoy_err_sys(err, "read the archive");
	return n;
}

/* The input's own bytes are those of the blob, unless it comes in a compression that no blob has: then the blob is what
 * was decoded. */
static int keep_bytes(struct hoy_layer_stream *s, const void *data, size_t len, struct hoy_err *err)
{
	bool hashed = !s->options.no_digests && !s->options.follow;
	int r = hashed ? hoy_layer_hash_add(&s->hash, data, len, err) : 0;

	if (r == 0 && s->options.copy_fd >= 0) {
		r = hoy_fd_write_all(s->options.copy_fd, data, len);
		if (r < 0)
			return hoy_err_code(err, r, "write the blob");
	}
	return r;
}

static int take_input(struct hoy_layer_stream *s, size_t len, struct hoy_err *err)
{
	int r = 0;

	s->size += len;
	s->next = s->in;
	s->next_len = len;
	if (!s->sniffed)
		r = sniff(s, err);
	if (r == 0 && !s->foreign)
		r = keep_bytes(s, s->in, len, err);
	if (r == 0 && s->options.on_read)
		r = s->options.on_read(s->size, s->options.userdata, err);
	return r;
}

/* What was read for the magic number comes first. */
static ssize_t next_input(const void **ret, void *userdata, struct hoy_err *err)
{
	struct hoy_layer_stream *s = userdata;
	ssize_t n = (ssize_t) s->next_len;
	int r;

	if (n == 0) {
		n = read_input(s, err);
		r = n > 0 ? take_input(s, (size_t) n, err) : 0;
		if (r < 0)
			return r;
	}
	s->next_len = 0;
	*ret = s->in;
	return n;
}

static int at_end(struct hoy_layer_stream *s, struct hoy_err *err)
{
	s->ended = true;
	if (s->decoder && !hoy_layer_decoder_may_end(s->decoder))
		return hoy_err_invalid(err, "truncated %s data", s->compression == HOY_LAYER_GZIP ? "gzip" : "zstd");
	return 0;
}

static ssize_t decode(struct hoy_layer_stream *s, const void **ret, struct hoy_err *err)
{
	ssize_t n;

	if (!s->decoder) {
		*ret = s->next;
		n = (ssize_t) s->next_len;
		s->next_len = 0;
		return n;
	}
	n = hoy_layer_decoder_run(s->decoder, &s->next, &s->next_len, s->out, OUT_SIZE, err);
	*ret = s->out;
	return n;
}

static ssize_t next_foreign(struct hoy_layer_stream *s, const void **ret, struct hoy_err *err)
{
	ssize_t n = hoy_layer_foreign_next(s->foreign, ret, err);
	int r = n > 0 ? keep_bytes(s, *ret, (size_t) n, err) : 0;

	return r < 0 ? r : n;
}

static ssize_t next_block(struct hoy_layer_stream *s, const void **ret, struct hoy_err *err)
{
	while (true) {
		ssize_t n;
		int r;

		if (s->foreign)
			return next_foreign(s, ret, err);
		n = decode(s, ret, err);

		if (n != 0)
			return n;
		if (s->ended)
			return 0;
		n = read_input(s, err);
		if (n < 0)
			return n;
		r = n == 0 ? at_end(s, err) : take_input(s, (size_t) n, err);
		if (r < 0)
			return r;
	}
}

/* Else the decoded bytes are those of the input, which has been hashed. */
static bool has_raw_hash(const struct hoy_layer_stream *s)
{
	return !s->options.no_digests && (s->decoder || s->options.follow);
}

static int count(struct hoy_layer_stream *s, const void *data, size_t len, struct hoy_err *err)
{
	s->raw_size += len;
	if (s->raw_size > s->options.max_bytes)
		return hoy_err_invalid(
			err, "larger than %llu bytes when decompressed", (unsigned long long) s->options.max_bytes);
	return has_raw_hash(s) ? hoy_layer_hash_add(&s->raw_hash, data, len, err) : 0;
}

ssize_t hoy_layer_stream_next(struct hoy_layer_stream *stream, const void **ret, struct hoy_err *err)
{
	ssize_t n;

	if (!stream->failed.errnum) {
		n = next_block(stream, ret, &stream->failed);
		if (n > 0 && count(stream, *ret, (size_t) n, &stream->failed) < 0)
			n = -1;
		if (n >= 0)
			return n;
	}
	return hoy_err_import(err, &stream->failed);
}

/* The file that was followed, as it stays. */
static int hash_followed(struct hoy_layer_stream *s, struct hoy_err *err)
{
	uint64_t at = 0;
	int r = wait_grown(s, s->options.follow_size, err);

	while (r == 0) {
		ssize_t n = pread(s->options.fd, s->in, IN_SIZE, (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return hoy_err_sys(err, "read the layer again");
		if (n == 0)
			break;
		at += (uint64_t) n;
		r = hoy_layer_hash_add(&s->hash, s->in, (size_t) n, err);
	}
	return r;
}

int hoy_layer_stream_finish(struct hoy_layer_stream *stream, struct hoy_layer_reply *done, struct hoy_err *err)
{
	const void *block;
	ssize_t n;
	int r;

	do
		n = hoy_layer_stream_next(stream, &block, err);
	while (n > 0);
	if (n < 0)
		return (int) n;

	done->done.compression = stream->compression;
	done->done.size = stream->foreign ? stream->raw_size : stream->size;
	done->done.raw_size = stream->raw_size;
	if (stream->options.no_digests)
		return 0;
	r = stream->options.follow ? hash_followed(stream, err) : 0;
	if (r == 0)
		r = hoy_layer_hash_finish(&stream->hash, done->done.digest, err);
	if (r < 0)
		return r;
	if (has_raw_hash(stream))
		return hoy_layer_hash_finish(&stream->raw_hash, done->done.diff_id, err);
	memcpy(done->done.diff_id, done->done.digest, HOY_LAYER_DIGEST_MAX);
	return 0;
}
