/* manifest push: what the list's manifests need from other repositories is mounted, then the list follows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/manifest_store.h"
#include "supervisor/cli/registry.h"

struct push_options {
	bool insecure, purge;
};
static const struct hoy_option push_options[] = {
	HOY_OPTION(0, "insecure", HOY_OPTION_BOOL, NULL, struct push_options, insecure,
		"Allow push to an insecure registry"),
	HOY_OPTION('p', "purge", HOY_OPTION_BOOL, NULL, struct push_options, purge,
		"Remove the local manifest list after push"),
	HOY_OPTION_END,
};

/* --- the list ----------------------------------------------------------------- */

static void add_platform(struct hoy_json_writer *w, const struct hoy_oci_platform *p)
{
	hoy_json_object(w, "platform");
	hoy_json_add_string(w, "architecture", p && p->architecture ? p->architecture : "");
	hoy_json_add_string(w, "os", p && p->os ? p->os : "");
	if (p && p->os_version && *p->os_version)
		hoy_json_add_string(w, "os.version", p->os_version);
	if (p && p->os_features && *p->os_features)
		hoy_json_add_strv(w, "os.features", p->os_features);
	if (p && p->variant && *p->variant)
		hoy_json_add_string(w, "variant", p->variant);
	hoy_json_end(w);
}

/* Docker's layout, three spaces a level, so that the same list has the same digest from both command lines. */
int hoy_manifest_list_print(const struct hoy_manifest_list *list, struct hoy_buf *out, struct hoy_err *err)
{
	bool is_oci = list->n > 0 && strcmp(list->manifests[0].descriptor->media_type, HOY_OCI_MEDIA_MANIFEST) == 0;
	struct hoy_json_writer w = { .buf = out, .indent = 3 };

	hoy_json_object(&w, NULL);
	hoy_json_add_i64(&w, "schemaVersion", 2);
	hoy_json_add_string(&w, "mediaType", is_oci ? HOY_OCI_MEDIA_INDEX : HOY_DOCKER_MEDIA_LIST);
	hoy_json_array(&w, "manifests");
	for (size_t i = 0; i < list->n; i++) {
		const struct hoy_oci_descriptor *d = list->manifests[i].descriptor;

		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "mediaType", d->media_type);
		hoy_json_add_i64(&w, "size", d->size);
		hoy_json_add_string(&w, "digest", d->digest);
		add_platform(&w, d->platform);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_json_end(&w);
	return hoy_buf_check(out, "the manifest list", err);
}

/* --- push --------------------------------------------------------------------- */

static void add_mount(struct hoy_json_writer *w, const struct hoy_oci_descriptor *blob, const char *from)
{
	if (strstr(blob->media_type, "foreign") || strstr(blob->media_type, "nondistributable"))
		return;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "digest", blob->digest);
	hoy_json_add_string(w, "from", from);
	hoy_json_end(w);
}

static int add_mounts(struct hoy_json_writer *w, const struct hoy_manifest *m, const char *from, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	int r = hoy_oci_manifest_parse(m->raw.data, m->raw.len, &manifest, err);

	if (r < 0)
		return hoy_err_wrap(err, "manifest %s", m->ref);
	add_mount(w, &manifest->config, from);
	for (size_t i = 0; i < manifest->n_layers; i++)
		add_mount(w, &manifest->layers[i], from);
	return 0;
}

static void add_manifest(
	struct hoy_json_writer *w, const char *reference, const char *media_type, const struct hoy_buf *text)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "reference", reference);
	hoy_json_add_string(w, "mediaType", media_type);
	hoy_json_add_stringn(w, "text", text->data, text->len);
	hoy_json_end(w);
}

/* May it go there at all? *ret_from (owned) NULL: it is of the target's own repository. */
static int check_source(
	const struct hoy_manifest *m, const struct hoy_reference *target, char **ret_from, struct hoy_err *err)
{
	const struct hoy_oci_platform *p = m->descriptor->platform;
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	int r = hoy_reference_parse(m->ref, &ref, err);

	if (r < 0)
		return hoy_err_wrap(err, "manifest '%s'", m->ref);
	if (strcmp(ref.domain, target->domain) != 0)
		return hoy_err_invalid(err,
			"cannot use source images from a different registry than the target image: %s != %s",
			ref.domain, target->domain);
	if (!p || !p->architecture || !*p->architecture || !p->os || !*p->os)
		return hoy_err_invalid(
			err, "manifest %s must have an OS and Architecture to be pushed to a registry", m->ref);
	if (strcmp(ref.path, target->path) != 0)
		*ret_from = TAKE_PTR(ref.path);
	return 0;
}

struct push {
	struct hoy_reference target;
	struct hoy_manifest_list list;
	char **from; /* of each manifest; "": nothing is to be done for it */
	struct hoy_buf text, what;
};

static void push_done(struct push *push)
{
	hoy_reference_done(&push->target);
	hoy_manifest_list_done(&push->list);
	hoy_strv_free(push->from);
	hoy_buf_done(&push->text);
	hoy_buf_done(&push->what);
}

static int make_request(struct push *push, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = &push->what };
	bool is_oci = strcmp(push->list.manifests[0].descriptor->media_type, HOY_OCI_MEDIA_MANIFEST) == 0;
	int r = hoy_manifest_list_print(&push->list, &push->text, err);

	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "mounts");
	for (size_t i = 0; r == 0 && i < push->list.n; i++)
		if (*push->from[i])
			r = add_mounts(&w, &push->list.manifests[i], push->from[i], err);
	hoy_json_end(&w);
	hoy_json_array(&w, "manifests");
	for (size_t i = 0; r == 0 && i < push->list.n; i++) {
		const struct hoy_manifest *m = &push->list.manifests[i];

		if (*push->from[i])
			add_manifest(&w, m->descriptor->digest, m->descriptor->media_type, &m->raw);
	}
	if (r == 0)
		add_manifest(&w, push->target.digest ? push->target.digest : push->target.tag,
			is_oci ? HOY_OCI_MEDIA_INDEX : HOY_DOCKER_MEDIA_LIST, &push->text);
	hoy_json_end(&w);
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(&push->what, "the request", err);
}

static void tell(const struct push *push)
{
	auto_free char *name = hoy_reference_name(&push->target);
	char digest[HOY_SHA256_DIGEST_MAX];

	for (size_t i = 0; i < push->list.n; i++) {
		const char *one = push->list.manifests[i].descriptor->digest;

		if (*push->from[i])
			(void) printf("Pushed ref %s@%s with digest: %s\n", name ? name : "", one, one);
	}
	hoy_sha256_digest(push->text.data, push->text.len, digest);
	(void) printf("%s\n", digest);
}

static int push_list(const struct hoy_cli *cli, struct push *push, struct hoy_err *err)
{
	const struct push_options *o = cli->values;
	const struct hoy_registry_call call = {
		.op = HOY_FETCH_PUT, .ref = &push->target, .insecure = o->insecure, .what = &push->what
	};
	int r = hoy_manifest_reference(cli->args[0], &push->target, err);

	if (r == 0)
		r = hoy_manifest_list_load(&cli->config, &push->target, &push->list, err);
	if (r == 0 && push->list.n == 0)
		r = hoy_err_not_found(err, "%s not found", cli->args[0]);
	for (size_t i = 0; r == 0 && i < push->list.n; i++) {
		auto_free char *from = NULL;

		r = check_source(&push->list.manifests[i], &push->target, &from, err);
		if (r == 0 && hoy_strv_add(&push->from, from ? from : "") < 0)
			r = hoy_err_oom(err);
	}
	if (r == 0)
		r = make_request(push, err);
	if (r == 0)
		r = hoy_registry_call(&cli->config, &call, /* answer= */ NULL, err);
	if (r < 0)
		return r;
	tell(push);
	return o->purge ? hoy_manifest_list_remove(&cli->config, &push->target, err) : 0;
}

static int cmd_push(struct hoy_cli *cli)
{
	auto_(push_done) struct push push = { 0 };
	struct hoy_err err;

	return push_list(cli, &push, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_manifest_push = {
	.name = "manifest push",
	.args = "MANIFEST_LIST",
	.min_args = 1,
	.max_args = 1,
	.summary = "Push a manifest list to a repository",
	.options = push_options,
	.values_size = sizeof(struct push_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_push,
};
