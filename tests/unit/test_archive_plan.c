/* supervisor/image/archive_plan.c: documents in memory, nothing unpacked. */
#include "supervisor/image/archive_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "tests/unit/unit.h"

Suite *suite_archive_plan(void);

#define DIFF_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIFF_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CONFIG                                                                                                         \
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2024-01-02T03:04:05.5Z\",\"rootfs\":{\"type\":"    \
	"\"layers\",\"diff_ids\":[\"" DIFF_A "\",\"" DIFF_B "\"]}}"

struct fixture {
	struct archive_entries entries;
	char *texts[16];
	struct archive_plan plan;
	struct hoy_err err;
};

static void fixture_done(struct fixture *f)
{
	hoy_archive_plan_done(&f->plan);
	hoy_archive_entries_done(&f->entries);
	for (size_t i = 0; i < ARRAY_LEN(f->texts); i++)
		free(f->texts[i]);
}

static const char *add(struct fixture *f, const char *name, const char *text)
{
	struct archive_entry_info entry = {
		.name = (char *) (uintptr_t) name, .number = (uint32_t) f->entries.n, .size = (int64_t) strlen(text)
	};

	hoy_sha256_digest(text, strlen(text), entry.digest);
	f->texts[f->entries.n] = strdup(text);
	ck_assert_int_eq(hoy_archive_entries_add(&f->entries, &entry), 0);
	return f->entries.items[f->entries.n - 1].digest;
}

static void add_link(struct fixture *f, const char *name, const char *target)
{
	const struct archive_entry_info entry = { .name = (char *) (uintptr_t) name,
		.target = (char *) (uintptr_t) target };

	ck_assert_int_eq(hoy_archive_entries_add(&f->entries, &entry), 0);
}

static int read_text(const struct archive_entry_info *entry, struct hoy_buf *buf, void *userdata, struct hoy_err *err)
{
	const struct fixture *f = userdata;

	(void) err;
	return hoy_buf_adds(buf, f->texts[entry->number]);
}

static int plan(struct fixture *f)
{
	return hoy_archive_plan_make(&f->entries, read_text, f, /* only= */ NULL, &f->plan, &f->err);
}

START_TEST(a_docker_archive_gets_a_manifest)
{
	auto_(fixture_done) struct fixture f = { 0 };
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	char digest[DIGEST_MAX];
	const struct plan_image *image;

	add(&f, "1/layer.tar", "layer one");
	add(&f, "2/layer.tar", "layer two");
	add(&f, "c.json", CONFIG);
	add(&f, "manifest.json",
		"[{\"Config\":\"c.json\",\"RepoTags\":[\"web:1\",\"a.b/c:d\",\"web:1\"],\"Layers\":[\"1/layer.tar\",\"2/"
		"layer.tar\"]}]");
	ck_assert_msg(plan(&f) == 0, "%s", hoy_err_str(&f.err));
	ck_assert_uint_eq(f.plan.n_images, 1);
	image = &f.plan.images[0];
	ck_assert_uint_eq(hoy_strv_len(image->names), 2);
	ck_assert_str_eq(image->names[0], "docker.io/library/web:1");
	ck_assert_uint_eq(image->n_layers, 2);
	ck_assert_str_eq(image->layers[0].chain_id, DIFF_A);
	hoy_sha256_digest(DIFF_A " " DIFF_B, 2 * 71 + 1, digest);
	ck_assert_str_eq(image->layers[1].chain_id, digest);
	ck_assert_uint_eq(image->n_blobs, 4);
	ck_assert_int_eq(image->created, 1704164645500000000);
	hoy_sha256_digest(image->made, strlen(image->made), digest);
	ck_assert_str_eq(image->id, digest);
	ck_assert_int_eq(hoy_oci_manifest_parse(image->made, strlen(image->made), &manifest, NULL), 0);
	ck_assert_str_eq(manifest->media_type, HOY_DOCKER_MEDIA_MANIFEST);
	ck_assert_str_eq(manifest->layers[1].digest, image->layers[1].blob);
}
END_TEST

START_TEST(layers_may_be_links_but_not_in_circles)
{
	auto_(fixture_done) struct fixture f = { 0 }, g = { 0 };

	add(&f, "1.tar", "layer one");
	add(&f, "c.json", CONFIG);
	add(&f, "manifest.json", "[{\"Config\":\"c.json\",\"Layers\":[\"l1/layer.tar\",\"1.tar\"]}]");
	add_link(&f, "l1/layer.tar", "1.tar");
	ck_assert_msg(plan(&f) == 0, "%s", hoy_err_str(&f.err));
	ck_assert_str_eq(f.plan.images[0].layers[0].blob, f.plan.images[0].layers[1].blob);
	ck_assert_uint_eq(f.plan.images[0].n_blobs, 3);

	add_link(&g, "manifest.json", "other");
	add_link(&g, "other", "manifest.json");
	ck_assert_int_lt(plan(&g), 0);
}
END_TEST

/* An OCI layout of one image of no layers; returns the manifest's digest. */
static const char *add_oci(struct fixture *f, const char *annotations)
{
	static const char config_text[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
	char path[100], manifest_path[100], digest[DIGEST_MAX];
	auto_free char *manifest = NULL, *index = NULL;

	hoy_sha256_digest(config_text, sizeof config_text - 1, digest);
	(void) snprintf(path, sizeof path, "blobs/sha256/%s", digest + 7);
	add(f, path, config_text);
	manifest = hoy_str_printf("{\"schemaVersion\":2,\"mediaType\":\"" HOY_OCI_MEDIA_MANIFEST
				  "\",\"config\":{\"mediaType\":\"" HOY_OCI_MEDIA_CONFIG
				  "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[]}",
		digest, sizeof config_text - 1);
	hoy_sha256_digest(manifest, strlen(manifest), digest);
	(void) snprintf(manifest_path, sizeof manifest_path, "blobs/sha256/%s", digest + 7);
	index = hoy_str_printf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" HOY_OCI_MEDIA_MANIFEST
			       "\",\"digest\":\"%s\",\"size\":%zu%s}]}",
		digest, strlen(manifest), annotations);
	add(f, "index.json", index);
	add(f, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	return add(f, manifest_path, manifest);
}

START_TEST(an_oci_layout_keeps_its_digest)
{
	auto_(fixture_done) struct fixture f = { 0 };
	auto_free char *digest = strdup(
		add_oci(&f, ",\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/"
			    "web:1\",\"org.opencontainers.image.ref.name\":\"1\"}"));

	ck_assert_msg(plan(&f) == 0, "%s", hoy_err_str(&f.err));
	ck_assert_str_eq(f.plan.images[0].id, digest);
	ck_assert_str_eq(f.plan.images[0].manifest, digest);
	ck_assert_str_eq(f.plan.images[0].names[0], "docker.io/library/web:1");
	ck_assert_ptr_null(f.plan.images[0].names[1]);
	ck_assert_ptr_null(f.plan.images[0].made);
	ck_assert_uint_eq(f.plan.images[0].n_blobs, 2);
}
END_TEST

START_TEST(a_lone_tag_is_no_name)
{
	auto_(fixture_done) struct fixture f = { 0 }, g = { 0 };

	add_oci(&f, ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"}");
	ck_assert_int_eq(plan(&f), 0);
	ck_assert_ptr_null(f.plan.images[0].names);
	add_oci(&g, ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"reg.example/web:2\"}");
	ck_assert_int_eq(plan(&g), 0);
	ck_assert_str_eq(g.plan.images[0].names[0], "reg.example/web:2");
}
END_TEST

START_TEST(the_oci_side_counts_and_the_other_gives_names)
{
	auto_(fixture_done) struct fixture f = { 0 };
	auto_free char *manifest = NULL, *digest = strdup(add_oci(&f, ""));

	manifest = hoy_str_printf(
		"[{\"Config\":\"%s\",\"RepoTags\":[\"web:1\"],\"Layers\":[]}]", f.entries.items[0].name);
	add(&f, "manifest.json", manifest);
	ck_assert_msg(plan(&f) == 0, "%s", hoy_err_str(&f.err));
	ck_assert_uint_eq(f.plan.n_images, 1);
	ck_assert_str_eq(f.plan.images[0].id, digest);
	ck_assert_str_eq(f.plan.images[0].names[0], "docker.io/library/web:1");
}
END_TEST

START_TEST(a_blob_must_be_what_its_name_says)
{
	auto_(fixture_done) struct fixture f = { 0 };

	add_oci(&f, "");
	f.entries.items[f.entries.n - 1].digest[20] ^= 1;
	ck_assert_int_lt(plan(&f), 0);
	ck_assert_ptr_nonnull(strstr(f.err.msg, "has the digest"));
	f.entries.items[f.entries.n - 1].digest[20] ^= 1;
	f.entries.items[f.entries.n - 1].size++;
	ck_assert_int_lt(plan(&f), 0);
	ck_assert_ptr_nonnull(strstr(f.err.msg, "were announced"));
}
END_TEST

Suite *suite_archive_plan(void)
{
	const TTest *const tests[] = { a_docker_archive_gets_a_manifest, layers_may_be_links_but_not_in_circles,
		an_oci_layout_keeps_its_digest, a_lone_tag_is_no_name, the_oci_side_counts_and_the_other_gives_names,
		a_blob_must_be_what_its_name_says };

	return hoy_unit_suite("archive plan", tests, ARRAY_LEN(tests));
}
