/* Level 1 of ISA-L: some 450 MB/s, a little larger than zlib's 6. The bytes depend on the CPU; nobody makes a layer's
 * blob twice. */
#include "supervisor/worker/layer/encoder.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/fd.h"

#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>

#define LEVEL 1
#define LEVEL_BUF ISAL_DEF_LVL1_DEFAULT

struct hoy_layer_encoder {
	struct isal_zstream gzip;
	uint8_t level[LEVEL_BUF];
};

int hoy_layer_encoder_new(struct hoy_layer_encoder **ret, struct hoy_err *err)
{
	struct hoy_layer_encoder *e = calloc(1, sizeof *e);

	if (!e)
		return hoy_err_oom(err);
	isal_deflate_init(&e->gzip);
	e->gzip.gzip_flag = IGZIP_GZIP;
	e->gzip.level = LEVEL;
	e->gzip.level_buf = e->level;
	e->gzip.level_buf_size = sizeof e->level;
	*ret = e;
	return 0;
}

void hoy_layer_encoder_free(struct hoy_layer_encoder *encoder)
{
	free(encoder);
}

int hoy_layer_encoder_run(struct hoy_layer_encoder *encoder, const void **data, size_t *len, bool last, void *out,
	size_t *size, bool *ret_more, struct hoy_err *err)
{
	int r;

	encoder->gzip.next_in = (uint8_t *) (uintptr_t) *data;
	encoder->gzip.avail_in = (uint32_t) *len;
	encoder->gzip.next_out = out;
	encoder->gzip.avail_out = (uint32_t) *size;
	encoder->gzip.end_of_stream = last;
	r = isal_deflate(&encoder->gzip);
	if (r != COMP_OK)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "compress: error %d", r);
	*data = encoder->gzip.next_in;
	*len = encoder->gzip.avail_in;
	*size -= encoder->gzip.avail_out;
	*ret_more = encoder->gzip.avail_out == 0 || (last && encoder->gzip.internal_state.state != ZSTATE_END) ||
		    *len > 0;
	return 0;
}
#else
#include <zlib.h>

struct hoy_layer_encoder {
	z_stream gzip;
};

int hoy_layer_encoder_new(struct hoy_layer_encoder **ret, struct hoy_err *err)
{
	struct hoy_layer_encoder *e = calloc(1, sizeof *e);

	if (!e)
		return hoy_err_oom(err);
	if (deflateInit2(&e->gzip, Z_BEST_SPEED, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(e);
		return hoy_err_oom(err);
	}
	*ret = e;
	return 0;
}

void hoy_layer_encoder_free(struct hoy_layer_encoder *encoder)
{
	if (encoder)
		(void) deflateEnd(&encoder->gzip);
	free(encoder);
}

int hoy_layer_encoder_run(struct hoy_layer_encoder *encoder, const void **data, size_t *len, bool last, void *out,
	size_t *size, bool *ret_more, struct hoy_err *err)
{
	int r;

	encoder->gzip.next_in = (Bytef *) (uintptr_t) *data;
	encoder->gzip.avail_in = (uInt) *len;
	encoder->gzip.next_out = out;
	encoder->gzip.avail_out = (uInt) *size;
	r = deflate(&encoder->gzip, last ? Z_FINISH : Z_NO_FLUSH);
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "compress: error %d", r);
	*data = encoder->gzip.next_in;
	*len = encoder->gzip.avail_in;
	*size -= encoder->gzip.avail_out;
	*ret_more = encoder->gzip.avail_out == 0 || (last && r != Z_STREAM_END);
	return 0;
}
#endif
