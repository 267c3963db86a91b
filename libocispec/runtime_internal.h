/* The tables of runtime-spec objects, and the checks several of them share. */
#ifndef HOY_LIBOCISPEC_RUNTIME_INTERNAL_H
#define HOY_LIBOCISPEC_RUNTIME_INTERNAL_H

#include "libocispec/runtime.h"

/* An optional string: "" in a document is the same as none, as Go programs write and read it. */
#define OPTIONAL HOY_FIELD_OMIT_EMPTY
#define REQUIRED HOY_FIELD_REQUIRED

extern const struct hoy_object hoy_oci_spec_object;
extern const struct hoy_object hoy_oci_process_object;
extern const struct hoy_object hoy_oci_hooks_object;
extern const struct hoy_object hoy_oci_mount_object;
extern const struct hoy_object hoy_oci_id_mapping_object;
extern const struct hoy_object hoy_oci_linux_object;
extern const struct hoy_object hoy_oci_state_object;
extern const struct hoy_object hoy_oci_features_object;

/* Checks of sysctls and of parts of `linux` that depend on the namespaces the container gets. */
int hoy_oci_linux_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err);

/* NULL is fine in these. */
int hoy_oci_check_absolute(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *path);
int hoy_oci_check_all_absolute(
	const struct hoy_field_path *at, struct hoy_err *err, const char *member, char *const *paths);
/* "0-3,7" */
int hoy_oci_check_list(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *list);
int hoy_oci_check_keys(const struct hoy_field_path *at, struct hoy_err *err, const char *member,
	const struct hoy_oci_kv *pairs, size_t n);

#endif
