/* libocispec/image*.c */
#include <errno.h>
#include <string.h>

#include "libocispec/image.h"
#include "tests/unit/unit.h"

Suite *suite_image_spec(void);

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_A "sha256:" A64
#define DESCRIPTOR(type) "{\"mediaType\":\"" type "\",\"digest\":\"" DIGEST_A "\",\"size\":7}"
#define MANIFEST(type)                                                                                                 \
	"{\"schemaVersion\":2,\"mediaType\":\"" type                                                                   \
	"\",\"config\":" DESCRIPTOR(HOY_OCI_MEDIA_CONFIG) ",\"layers\":[" DESCRIPTOR(HOY_OCI_MEDIA_LAYER_GZIP) "]}"

static void assert_manifest_refused(const char *text, const char *why)
{
	struct hoy_oci_manifest *manifest = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_manifest_parse(text, strlen(text), &manifest, &err) < 0, "%s", text);
	ck_assert_str_eq(err.msg, why);
}

static void assert_config_refused(const char *text, const char *why)
{
	struct hoy_oci_image_config *config = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_image_config_parse(text, strlen(text), &config, &err) < 0, "%s", text);
	ck_assert_str_eq(err.msg, why);
}

START_TEST(digests_follow_the_grammar)
{
	ck_assert(hoy_oci_digest_is_valid(DIGEST_A));
	ck_assert(hoy_oci_digest_is_valid("sha512:" A64 A64));
	ck_assert(hoy_oci_digest_is_valid("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"));
	ck_assert(!hoy_oci_digest_is_valid("sha256:" A64 "a"));
	ck_assert(!hoy_oci_digest_is_valid("sha256:aa"));
	ck_assert(!hoy_oci_digest_is_valid("sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	ck_assert(!hoy_oci_digest_is_valid("sha256"));
	ck_assert(!hoy_oci_digest_is_valid(":" A64));
	ck_assert(!hoy_oci_digest_is_valid("x+:1"));
	ck_assert(!hoy_oci_digest_is_valid("x..y:1"));
	ck_assert(!hoy_oci_digest_is_valid("md5:../../etc"));
	ck_assert(!hoy_oci_digest_is_valid("md5:"));
	ck_assert(hoy_oci_digest_is_supported(DIGEST_A));
	ck_assert(!hoy_oci_digest_is_supported("md5:1234"));
	ck_assert(!hoy_oci_digest_is_supported("sha256:1234"));
}
END_TEST

START_TEST(media_types_of_both_worlds_are_known)
{
	ck_assert_int_eq(hoy_oci_media_kind(HOY_OCI_MEDIA_INDEX), HOY_OCI_MEDIA_KIND_INDEX);
	ck_assert_int_eq(hoy_oci_media_kind(HOY_DOCKER_MEDIA_LIST), HOY_OCI_MEDIA_KIND_INDEX);
	ck_assert_int_eq(hoy_oci_media_kind(HOY_OCI_MEDIA_MANIFEST), HOY_OCI_MEDIA_KIND_MANIFEST);
	ck_assert_int_eq(hoy_oci_media_kind(HOY_DOCKER_MEDIA_MANIFEST), HOY_OCI_MEDIA_KIND_MANIFEST);
	ck_assert_int_eq(hoy_oci_media_kind(HOY_DOCKER_MEDIA_CONFIG), HOY_OCI_MEDIA_KIND_CONFIG);
	ck_assert_int_eq(hoy_oci_media_kind(HOY_OCI_MEDIA_LAYER_ZSTD), HOY_OCI_MEDIA_KIND_LAYER);
	ck_assert_int_eq(hoy_oci_media_kind(HOY_DOCKER_MEDIA_LAYER_GZIP), HOY_OCI_MEDIA_KIND_LAYER);
	ck_assert_int_eq(hoy_oci_media_kind("application/vnd.docker.distribution.manifest.v1+json"),
		HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1);
	ck_assert_int_eq(hoy_oci_media_kind("text/plain"), HOY_OCI_MEDIA_KIND_UNKNOWN);
	ck_assert_int_eq(hoy_oci_media_kind(NULL), HOY_OCI_MEDIA_KIND_UNKNOWN);
	ck_assert(hoy_oci_media_type_is_valid("application/vnd.acme.rocket.config+json"));
	ck_assert(!hoy_oci_media_type_is_valid("application"));
	ck_assert(!hoy_oci_media_type_is_valid("a/b/c"));
	ck_assert(!hoy_oci_media_type_is_valid("a b/c"));
	ck_assert(!hoy_oci_media_type_is_valid(".a/c"));
	ck_assert(!hoy_oci_media_type_is_valid(""));
}
END_TEST

START_TEST(a_manifest_is_read_and_written)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" HOY_OCI_MEDIA_MANIFEST "\",\"artifactType\":\"a/b\",\"config\":"
		"{\"mediaType\":\"" HOY_OCI_MEDIA_CONFIG "\",\"digest\":\"" DIGEST_A "\",\"size\":0,\"data\":\"e30=\"},"
		"\"layers\":[{\"mediaType\":\"" HOY_OCI_MEDIA_LAYER "\",\"digest\":\"" DIGEST_A
		"\",\"size\":9007199254740993,\"urls\":[\"https://x.example/l\"],\"annotations\":{\"k\":\"\"}}],"
		"\"subject\":" DESCRIPTOR(HOY_OCI_MEDIA_MANIFEST) ",\"annotations\":{\"org.example\":\"v\"}}";
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};

	ck_assert_int_eq(hoy_oci_manifest_parse(text, strlen(text), &manifest, NULL), 0);
	ck_assert_str_eq(manifest->artifact_type, "a/b");
	ck_assert_str_eq(manifest->config.data, "e30=");
	ck_assert_uint_eq(manifest->n_layers, 1);
	ck_assert_int_eq(manifest->layers[0].size, 9007199254740993);
	ck_assert_str_eq(manifest->layers[0].urls[0], "https://x.example/l");
	ck_assert_str_eq(manifest->layers[0].annotations[0].value, "");
	ck_assert_str_eq(manifest->subject->digest, DIGEST_A);
	ck_assert_int_eq(hoy_oci_manifest_print(manifest, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, text);
}
END_TEST

START_TEST(a_manifest_of_docker_is_accepted)
{
	static const char text[] = MANIFEST(HOY_DOCKER_MEDIA_MANIFEST);
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;

	ck_assert_int_eq(hoy_oci_manifest_parse(text, strlen(text), &manifest, NULL), 0);
	ck_assert_str_eq(manifest->media_type, HOY_DOCKER_MEDIA_MANIFEST);
}
END_TEST

START_TEST(a_wrong_manifest_is_refused_with_its_path)
{
	assert_manifest_refused(
		MANIFEST(HOY_OCI_MEDIA_INDEX), "mediaType: \"" HOY_OCI_MEDIA_INDEX "\" is not that of a manifest");
	assert_manifest_refused("{\"schemaVersion\":1,\"config\":" DESCRIPTOR("a/b") ",\"layers\":[]}",
		"schemaVersion: 1 is not supported (2 is)");
	assert_manifest_refused("{\"schemaVersion\":2,\"layers\":[]}", "config: missing");
	assert_manifest_refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR("a/b") "}", "layers: missing");
	assert_manifest_refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR("ab") ",\"layers\":[]}",
		"config.mediaType: \"ab\" is not a media type");
	assert_manifest_refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR(
					"a/b") ",\"layers\":["
					       "{\"mediaType\":\"a/b\",\"digest\":\"sha256:../..\",\"size\":1}]}",
		"layers[0].digest: \"sha256:../..\" is not a digest");
	assert_manifest_refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR(
					"a/b") ",\"layers\":["
					       "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST_A "\",\"size\":-1}]}",
		"layers[0].size: negative");
	assert_manifest_refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR(
					"a/b") ",\"layers\":["
					       "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST_A "\"}]}",
		"layers[0].size: missing");
	assert_manifest_refused("{\"schemaVersion\":2,\"config\":" DESCRIPTOR("a/b") ",\"layers\":[],"
										     "\"annotations\":{\"\":\"x\"}}",
		"annotations: a key is empty");
}
END_TEST

START_TEST(a_manifest_built_in_code_is_checked_before_it_is_written)
{
	struct hoy_oci_manifest manifest = { .schema_version = 2 };
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err;

	ck_assert_int_eq(hoy_oci_manifest_print(&manifest, &buf, 0, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "config.mediaType: missing");
	ck_assert_uint_eq(buf.len, 0);
	manifest.config.media_type = (char *) HOY_OCI_MEDIA_CONFIG;
	manifest.config.digest = (char *) DIGEST_A;
	ck_assert_int_eq(hoy_oci_manifest_print(&manifest, &buf, 0, &err), 0);
	ck_assert_str_eq(buf.data, "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" HOY_OCI_MEDIA_CONFIG
				   "\",\"digest\":\"" DIGEST_A "\",\"size\":0},\"layers\":[]}");
}
END_TEST

/* An index with one entry per platform string; the size is the number of the entry. */
static struct hoy_oci_index *index_of(const char *const *platforms, size_t n)
{
	struct hoy_oci_index *index = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err = {};

	hoy_buf_adds(&buf, "{\"schemaVersion\":2,\"manifests\":[");
	for (size_t i = 0; i < n; i++)
		hoy_buf_addf(&buf,
			"%s{\"mediaType\":\"" HOY_OCI_MEDIA_MANIFEST "\",\"digest\":\"" DIGEST_A "\",\"size\":%zu%s%s}",
			i ? "," : "", i, platforms[i] ? ",\"platform\":" : "", platforms[i] ? platforms[i] : "");
	hoy_buf_adds(&buf, "]}");
	ck_assert_msg(hoy_oci_index_parse(buf.data, buf.len, &index, &err) == 0, "%s", err.msg);
	return index;
}

#define PLATFORM(os, arch) "{\"architecture\":\"" arch "\",\"os\":\"" os "\"}"
#define PLATFORM_V(os, arch, v) "{\"architecture\":\"" arch "\",\"os\":\"" os "\",\"variant\":\"" v "\"}"

static int64_t selected(const struct hoy_oci_index *index, const char *os, const char *arch, const char *variant)
{
	const struct hoy_oci_descriptor *entry;
	int r = hoy_oci_index_select(index, os, arch, variant, &entry, NULL);

	return r < 0 ? r : entry->size;
}

START_TEST(the_best_entry_of_an_index_is_selected)
{
	static const char *const platforms[] = { PLATFORM("windows", "amd64"), PLATFORM_V("linux", "arm", "v5"),
		PLATFORM_V("linux", "arm", "v7"), PLATFORM("linux", "arm64"), PLATFORM_V("linux", "amd64", "v3"),
		PLATFORM("linux", "amd64"), PLATFORM("unknown", "unknown") };
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = index_of(platforms, ARRAY_LEN(platforms));

	ck_assert_int_eq(selected(index, "linux", "amd64", NULL), 5);
	ck_assert_int_eq(selected(index, "linux", "x86_64", NULL), 5);
	ck_assert_int_eq(selected(index, "linux", "amd64", "v3"), 4);
	ck_assert_int_eq(selected(index, "linux", "amd64", "v2"), 5);
	ck_assert_int_eq(selected(index, "linux", "aarch64", NULL), 3);
	ck_assert_int_eq(selected(index, "linux", "arm64", "v8"), 3);
	ck_assert_int_eq(selected(index, "linux", "arm", "v6"), 1);
	ck_assert_int_eq(selected(index, "linux", "arm", NULL), 2);
	ck_assert_int_eq(selected(index, "windows", "amd64", NULL), 0);
	ck_assert_int_eq(selected(index, "linux", "s390x", NULL), -ENOENT);
#ifdef __x86_64__
	ck_assert_int_eq(selected(index, NULL, NULL, NULL), 5);
#endif
}
END_TEST

START_TEST(an_index_without_platforms_gives_its_first_entry)
{
	static const char *const platforms[] = { PLATFORM("linux", "s390x"), NULL, NULL };
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = index_of(platforms, ARRAY_LEN(platforms));

	ck_assert_int_eq(selected(index, NULL, NULL, NULL), 1);
	ck_assert_int_eq(selected(index, "linux", "s390x", NULL), 0);
}
END_TEST

START_TEST(an_image_config_is_read_and_written)
{
	static const char text[] =
		"{\"created\":\"2026-01-02T03:04:05.678901234Z\",\"author\":\"me\",\"architecture\":\"arm64\","
		"\"variant\":\"v8\",\"os\":\"linux\",\"os.version\":\"1\",\"os.features\":[\"f\"],\"config\":{"
		"\"User\":\"1:2\",\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}},\"Env\":[\"A=b\"],"
		"\"Entrypoint\":[\"/e\"],\"Cmd\":[\"c\"],\"Volumes\":{\"/v\":{}},\"WorkingDir\":\"/w\","
		"\"Labels\":{\"l\":\"m\"},\"StopSignal\":\"SIGINT\",\"ArgsEscaped\":true,\"Healthcheck\":{"
		"\"Test\":[\"CMD\",\"t\"],\"Interval\":1,\"Timeout\":2,\"StartPeriod\":3,\"StartInterval\":4,"
		"\"Retries\":5},\"Shell\":[\"/bin/ash\"],\"OnBuild\":[\"RUN x\"]},\"rootfs\":{\"type\":\"layers\","
		"\"diff_ids\":[\"" DIGEST_A "\"]},\"history\":[{\"created\":\"2026-01-02T03:04:05+02:00\","
		"\"created_by\":\"RUN y\",\"author\":\"z\",\"comment\":\"c\"},{\"empty_layer\":true}]}";
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_image_config_parse(text, strlen(text), &config, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(config->config->exposed_ports[1], "53/udp");
	ck_assert_str_eq(config->config->volumes[0], "/v");
	ck_assert_int_eq(config->config->healthcheck->retries, 5);
	ck_assert_str_eq(config->rootfs.diff_ids[0], DIGEST_A);
	ck_assert(config->history[1].empty_layer);
	ck_assert_int_eq(hoy_oci_image_config_print(config, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, text);
}
END_TEST

START_TEST(what_docker_leaves_out_or_adds_is_accepted)
{
	static const char text[] =
		"{\"config\":{\"Hostname\":\"x\",\"Cmd\":null,\"Entrypoint\":\"/bin/sh\",\"Labels\":null,"
		"\"Volumes\":null,\"Tty\":false},\"container_config\":{},\"docker_version\":\"1\","
		"\"rootfs\":{\"type\":\"layers\"}}";
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_image_config_parse(text, strlen(text), &config, &err) == 0, "%s", err.msg);
	ck_assert_ptr_null(config->config->cmd);
	ck_assert_str_eq(config->config->entrypoint[0], "/bin/sh");
	ck_assert_int_eq(hoy_oci_image_config_print(config, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, "{\"architecture\":\"\",\"os\":\"\",\"config\":{\"Entrypoint\":[\"/bin/sh\"]},"
				   "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
}
END_TEST

START_TEST(a_wrong_image_config_is_refused_with_its_path)
{
	assert_config_refused("{}", "rootfs: missing");
	assert_config_refused("[]", "expected an object, got a list");
	assert_config_refused("{\"rootfs\":{\"type\":\"tree\"}}", "rootfs.type: must be \"layers\"");
	assert_config_refused("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST_A "\",\"x\"]}}",
		"rootfs.diff_ids[1]: \"x\" is not a digest");
	assert_config_refused("{\"created\":\"yesterday\",\"rootfs\":{\"type\":\"layers\"}}",
		"created: \"yesterday\" is not an RFC 3339 time");
	assert_config_refused("{\"config\":{\"ExposedPorts\":{\"80/tcp\":1}},\"rootfs\":{\"type\":\"layers\"}}",
		"config.ExposedPorts.80/tcp: expected an object, got a number");
	assert_config_refused("{\"config\":{\"Env\":[\"a\",2]},\"rootfs\":{\"type\":\"layers\"}}",
		"config.Env[1]: expected a string, got a number");
	assert_config_refused("{\"history\":[{\"created\":\"1\"}],\"rootfs\":{\"type\":\"layers\"}}",
		"history[0].created: \"1\" is not an RFC 3339 time");
}
END_TEST

START_TEST(a_document_says_what_it_is)
{
	static const struct {
		const char *text;
		int r;
		enum hoy_oci_media kind;
	} cases[] = {
		{ "{\"manifests\":[]}", 0, HOY_OCI_MEDIA_KIND_INDEX },
		{ "{\"config\":{},\"layers\":[]}", 0, HOY_OCI_MEDIA_KIND_MANIFEST },
		{ "{\"mediaType\":\"" HOY_OCI_MEDIA_INDEX "\",\"manifests\":[]}", 0, HOY_OCI_MEDIA_KIND_INDEX },
		{ "{\"mediaType\":\"" HOY_OCI_MEDIA_INDEX "\",\"layers\":[]}", -EINVAL, 0 },
		{ "{\"manifests\":[],\"layers\":[]}", -EINVAL, 0 },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", 0, HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1 },
		{ "{}", -EINVAL, 0 },
		{ "[]", -EINVAL, 0 },
		{ "{", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum hoy_oci_media kind = 0;

		ck_assert_msg(hoy_oci_document_kind(cases[i].text, strlen(cases[i].text), &kind, NULL) == cases[i].r,
			"%s", cases[i].text);
		ck_assert_int_eq(kind, cases[i].kind);
	}
}
END_TEST

START_TEST(only_version_1_of_the_layout_is_read)
{
	ck_assert_int_eq(hoy_oci_layout_check("{\"imageLayoutVersion\":\"1.0.0\"}", 30, NULL), 0);
	ck_assert_int_eq(hoy_oci_layout_check("{\"imageLayoutVersion\":\"2.0.0\"}", 30, NULL), -EINVAL);
	ck_assert_int_eq(hoy_oci_layout_check("{}", 2, NULL), -EINVAL);
	ck_assert_int_eq(hoy_oci_layout_check("[]", 2, NULL), -EINVAL);
}
END_TEST

Suite *suite_image_spec(void)
{
	const TTest *const tests[] = { digests_follow_the_grammar, media_types_of_both_worlds_are_known,
		a_manifest_is_read_and_written, a_manifest_of_docker_is_accepted,
		a_wrong_manifest_is_refused_with_its_path, a_manifest_built_in_code_is_checked_before_it_is_written,
		the_best_entry_of_an_index_is_selected, an_index_without_platforms_gives_its_first_entry,
		an_image_config_is_read_and_written, what_docker_leaves_out_or_adds_is_accepted,
		a_wrong_image_config_is_refused_with_its_path, a_document_says_what_it_is,
		only_version_1_of_the_layout_is_read };

	return hoy_unit_suite("image-spec", tests, ARRAY_LEN(tests));
}
