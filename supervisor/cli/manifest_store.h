/*
 * The local manifest lists of `manifest`, where and as the docker command line keeps them: below its configuration
 * directory, manifests/LIST/MANIFEST, a JSON file for each manifest that a list names.
 */
#ifndef HOY_CLI_MANIFEST_STORE_H
#define HOY_CLI_MANIFEST_STORE_H

#include "libocispec/image.h"
#include "libocispec/reference.h"
#include "supervisor/cli/config.h"

/* One that a list names. `raw` has the digest that the descriptor says. */
struct hoy_manifest {
	char *ref; /* "docker.io/library/web:1" */
	struct hoy_oci_descriptor *descriptor;
	struct hoy_buf raw; /* the manifest, byte for byte */
};
void hoy_manifest_done(struct hoy_manifest *manifest);

struct hoy_manifest_list {
	struct hoy_manifest *manifests;
	size_t n;
};
void hoy_manifest_list_done(struct hoy_manifest_list *list);
/* Room for one more, empty; NULL when out of memory. */
struct hoy_manifest *hoy_manifest_list_add(struct hoy_manifest_list *list);

/* A name with its tag, "latest" when it has neither tag nor digest. */
int hoy_manifest_reference(const char *text, struct hoy_reference *ret, struct hoy_err *err);

/* {"Descriptor": {}, "Raw": "text"}, as hoy-fetch answers. */
int hoy_manifest_parse(const struct hoy_json *object, const char *ref, struct hoy_manifest *ret, struct hoy_err *err);

/* All of a list, sorted by name; -ENOENT "No such manifest: ...". */
int hoy_manifest_list_load(const struct hoy_config *config, const struct hoy_reference *list,
	struct hoy_manifest_list *ret, struct hoy_err *err);
int hoy_manifest_load(const struct hoy_config *config, const struct hoy_reference *list,
	const struct hoy_reference *ref, struct hoy_manifest *ret, struct hoy_err *err);
int hoy_manifest_save(const struct hoy_config *config, const struct hoy_reference *list,
	const struct hoy_reference *ref, const struct hoy_manifest *manifest, struct hoy_err *err);
int hoy_manifest_list_remove(const struct hoy_config *config, const struct hoy_reference *list, struct hoy_err *err);

/* {"Ref", "Descriptor", "Raw" (base64), "OCIManifest" or "SchemaV2Manifest"}, as it is stored and shown. */
int hoy_manifest_print(const struct hoy_manifest *manifest, struct hoy_json_writer *w, struct hoy_err *err);

/* The index or docker's manifest list (as the first one's type says) of these, as it is pushed. */
int hoy_manifest_list_print(const struct hoy_manifest_list *list, struct hoy_buf *out, struct hoy_err *err);

/* JSON text laid out anew with a tab per level; what stands in it stays as it is. */
void hoy_manifest_indent(const char *text, size_t len, struct hoy_buf *out);

#endif
