/* libcrypto's SHA-256 behind our error type. */
#include "supervisor/worker/layer/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/str.h"

#define PREFIX "sha256:"

static int failed(struct hoy_err *err)
{
	return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "libcrypto refuses to hash");
}

int hoy_layer_hash_init(struct hoy_layer_hash *hash, struct hoy_err *err)
{
	if (!hash->ctx)
		hash->ctx = EVP_MD_CTX_new();
	if (!hash->ctx)
		return hoy_err_oom(err);
	return EVP_DigestInit_ex2(hash->ctx, EVP_sha256(), /* params= */ NULL) == 1 ? 0 : failed(err);
}

void hoy_layer_hash_done(struct hoy_layer_hash *hash)
{
	EVP_MD_CTX_free(hash->ctx);
	hash->ctx = NULL;
}

int hoy_layer_hash_add(struct hoy_layer_hash *hash, const void *data, size_t len, struct hoy_err *err)
{
	return EVP_DigestUpdate(hash->ctx, data, len) == 1 ? 0 : failed(err);
}

int hoy_layer_hash_finish(struct hoy_layer_hash *hash, char ret[HOY_LAYER_DIGEST_MAX], struct hoy_err *err)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (EVP_DigestFinal_ex(hash->ctx, sum, &len) != 1 || len != 32)
		return failed(err);
	memcpy(ret, PREFIX, strlen(PREFIX));
	hoy_hex(sum, len, ret + strlen(PREFIX));
	return 0;
}
