/* SHA-256, for one short string: the name of the shim's socket. Keeps libcrypto out of the shim. */
#ifndef HOY_SHIM_SHA256_H
#define HOY_SHIM_SHA256_H

#include <stddef.h>

#define HOY_SHA256_HEX 65

/* Lower-case hex of the digest, NUL-terminated. */
void hoy_sha256_hex(const void *data, size_t len, char out[HOY_SHA256_HEX]);

#endif
