/* One struct per algorithm behind two functions. Plain data is not decoded: the stream hands its blocks on as they are.
 */
#include "supervisor/worker/layer/decoder.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

/* Frames that ask for more memory than this are refused: 128 MiB is what `zstd --ultra -22` asks for. */
#define ZSTD_WINDOW_LOG_MAX 27

struct hoy_layer_decoder {
	enum hoy_layer_compression compression;
	bool inside; /* a member or frame has begun and is not complete */
	ZSTD_DCtx *zstd;
#ifdef HAVE_ISAL
	struct inflate_state gzip;
#else
	z_stream gzip;
	bool gzip_ready;
#endif
};

static int broken(struct hoy_err *err, const char *what, const char *why)
{
	return hoy_err_invalid(err, "broken %s data%s%s", what, why ? ": " : "", why ? why : "");
}

#ifdef HAVE_ISAL
static int gzip_start(struct hoy_layer_decoder *d)
{
	isal_inflate_init(&d->gzip);
	d->gzip.crc_flag = ISAL_GZIP;
	return 0;
}

static void gzip_stop(struct hoy_layer_decoder *d)
{
	(void) d;
}

/* The next member starts from scratch; the input that stands behind the last one was given back by ISA-L. */
static ssize_t gzip_run(
	struct hoy_layer_decoder *d, const void **data, size_t *len, void *out, size_t size, struct hoy_err *err)
{
	size_t given = MIN(*len, (size_t) 1 << 30);
	int r;

	if (!d->inside) {
		isal_inflate_reset(&d->gzip);
		d->gzip.crc_flag = ISAL_GZIP;
		d->inside = true;
	}
	d->gzip.next_in = (uint8_t *) (uintptr_t) *data;
	d->gzip.avail_in = (uint32_t) given;
	d->gzip.next_out = out;
	d->gzip.avail_out = (uint32_t) size;
	r = isal_inflate(&d->gzip);
	if (r < 0)
		return broken(err, "gzip", r == ISAL_INCORRECT_CHECKSUM ? "wrong checksum" : NULL);
	*data = d->gzip.next_in;
	*len -= given - d->gzip.avail_in;
	if (d->gzip.block_state == ISAL_BLOCK_FINISH)
		d->inside = false;
	return (ssize_t) (size - d->gzip.avail_out);
}
#else
static int gzip_start(struct hoy_layer_decoder *d)
{
	if (inflateInit2(&d->gzip, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	d->gzip_ready = true;
	return 0;
}

static void gzip_stop(struct hoy_layer_decoder *d)
{
	if (d->gzip_ready)
		(void) inflateEnd(&d->gzip);
}

static ssize_t gzip_run(
	struct hoy_layer_decoder *d, const void **data, size_t *len, void *out, size_t size, struct hoy_err *err)
{
	size_t given = MIN(*len, (size_t) 1 << 30);
	int r;

	if (!d->inside && inflateReset(&d->gzip) != Z_OK)
		return broken(err, "gzip", NULL);
	d->inside = true;
	d->gzip.next_in = (Bytef *) (uintptr_t) *data;
	d->gzip.avail_in = (uInt) given;
	d->gzip.next_out = out;
	d->gzip.avail_out = (uInt) size;
	r = inflate(&d->gzip, Z_NO_FLUSH);
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return broken(err, "gzip", d->gzip.msg);
	*data = d->gzip.next_in;
	*len -= given - d->gzip.avail_in;
	if (r == Z_STREAM_END)
		d->inside = false;
	return (ssize_t) (size - d->gzip.avail_out);
}
#endif

static int zstd_start(struct hoy_layer_decoder *d)
{
	d->zstd = ZSTD_createDCtx();
	if (!d->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
		return -ENOMEM;
	return 0;
}

static ssize_t zstd_run(
	struct hoy_layer_decoder *d, const void **data, size_t *len, void *out, size_t size, struct hoy_err *err)
{
	ZSTD_inBuffer in = { .src = *data, .size = *len };
	ZSTD_outBuffer to = { .dst = out, .size = size };
	size_t left = ZSTD_decompressStream(d->zstd, &to, &in);

	if (ZSTD_isError(left))
		return broken(err, "zstd", ZSTD_getErrorName(left));
	*data = (const char *) *data + in.pos;
	*len -= in.pos;
	d->inside = left != 0;
	return (ssize_t) to.pos;
}

int hoy_layer_decoder_new(enum hoy_layer_compression compression, struct hoy_layer_decoder **ret, struct hoy_err *err)
{
	auto_ptr(hoy_layer_decoder_free) struct hoy_layer_decoder *d = calloc(1, sizeof *d);
	int r = 0;

	if (!d)
		return hoy_err_oom(err);
	d->compression = compression;
	if (compression == HOY_LAYER_GZIP)
		r = gzip_start(d);
	else if (compression == HOY_LAYER_ZSTD)
		r = zstd_start(d);
	if (r < 0)
		return hoy_err_oom(err);
	*ret = TAKE_PTR(d);
	return 0;
}

void hoy_layer_decoder_free(struct hoy_layer_decoder *decoder)
{
	if (!decoder)
		return;
	if (decoder->compression == HOY_LAYER_GZIP)
		gzip_stop(decoder);
	ZSTD_freeDCtx(decoder->zstd);
	free(decoder);
}

ssize_t hoy_layer_decoder_run(
	struct hoy_layer_decoder *decoder, const void **data, size_t *len, void *out, size_t size, struct hoy_err *err)
{
	ssize_t n = 0;

	/* A member may consume input (headers, trailers) without giving output: go on while there is input. */
	while (n == 0 && (*len > 0 || decoder->inside)) {
		size_t before = *len;

		n = decoder->compression == HOY_LAYER_GZIP ? gzip_run(decoder, data, len, out, size, err)
							   : zstd_run(decoder, data, len, out, size, err);
		if (n == 0 && *len == before)
			break;
	}
	return n;
}

bool hoy_layer_decoder_may_end(const struct hoy_layer_decoder *decoder)
{
	return !decoder->inside;
}
