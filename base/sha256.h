/*
 * SHA-256 of small documents, for programs that don't link libcrypto (hoyd, hoy): manifests, configs, chain IDs. What
 * is large is hashed by a helper with libcrypto, which is several times faster.
 */
#ifndef HOY_BASE_SHA256_H
#define HOY_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define HOY_SHA256_SIZE 32

void hoy_sha256(const void *data, size_t len, uint8_t ret[HOY_SHA256_SIZE]);

/* "sha256:" and 64 hex digits. */
#define HOY_SHA256_DIGEST_MAX 72
void hoy_sha256_digest(const void *data, size_t len, char ret[HOY_SHA256_DIGEST_MAX]);

#endif
