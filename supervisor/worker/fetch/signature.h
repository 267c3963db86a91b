/*
 * Signatures as cosign lays them out: the tag "sha256-<hex>.sig" of the same repository is a manifest whose layers are
 * payloads ("simple signing", JSON); each layer's annotation dev.cosignproject.cosign/signature is the signature of the
 * payload's bytes, in base64. Keys alone: certificates, transparency logs and time stamps are not looked at.
 */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_SIGNATURE_H
#define HOY_SUPERVISOR_WORKER_FETCH_SIGNATURE_H

#include "supervisor/worker/fetch/registry.h"

/* Is it a payload that says something about this digest? Members that are not known are refused below "critical". */
int hoy_signature_check_payload(const char *text, size_t len, const char *digest, struct hoy_err *err);

/* ECDSA, RSA (PKCS#1 1.5) with SHA-256, or Ed25519, by the key in PEM form. HOY_ERR_INVALID: it is not right. */
int hoy_signature_verify(const char *key, const void *payload, size_t len, const char *signature, struct hoy_err *err);

/* Did the request's key sign this digest in the request's repository? */
int hoy_fetch_check_signature(struct hoy_registry *registry, const char *digest, struct hoy_err *err);

#endif
