/* Build caches as they leave the engine and come back. */
#include <string.h>

#include "base/str.h"
#include "supervisor/build/cache_records.h"
#include "tests/unit/unit.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define CONFIG "application/vnd.buildkit.cacheconfig.v0"
#define GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MANIFEST(config, layer)                                                                                        \
	"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" config "\",\"digest\":\"" A                                \
	"\",\"size\":1},\"layers\":[{\"mediaType\":\"" layer "\",\"digest\":\"" B "\",\"size\":7}]}"

static const struct hoy_cache_record three[] = {
	{ .key = A, .parent = HOY_CACHE_NO_PARENT, .created = 1000000000 },
	{ .key = B,
		.layer = { .chain_id = C, .diff_id = C, .blob = B, .blob_size = 7 },
		.parent = 0,
		.created = 2000000000 },
	{ .key = C,
		.layer = { .chain_id = A, .diff_id = C, .blob = B, .blob_size = 7 },
		.parent = 1,
		.created = 3000000000 },
};

static int parse(const char *manifest, const char *config, struct hoy_cache_records *ret)
{
	auto_(hoy_buf_done) struct hoy_buf m = { 0 }, c = { 0 };

	ck_assert_int_eq(hoy_buf_adds(&m, manifest), 0);
	ck_assert_int_eq(hoy_buf_adds(&c, config), 0);
	return hoy_cache_records_parse(&m, &c, ret, NULL);
}

Suite *suite_cache_records(void);

START_TEST(what_is_printed_is_read)
{
	auto_(hoy_buf_done) struct hoy_buf manifest = { 0 }, config = { 0 };
	auto_(hoy_cache_records_done) struct hoy_cache_records records = { 0 };

	ck_assert_int_eq(hoy_cache_records_print(three, 3, &manifest, &config, NULL), 0);
	ck_assert_ptr_nonnull(strstr(config.data, "\"parent\":-1"));
	ck_assert_int_eq(hoy_cache_records_parse(&manifest, &config, &records, NULL), 0);
	ck_assert_uint_eq(records.n, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_str_eq(records.items[i].key, three[i].key);
		ck_assert_str_eq(records.items[i].layer.blob, three[i].layer.blob);
		ck_assert_str_eq(records.items[i].layer.diff_id, three[i].layer.diff_id);
		ck_assert_int_eq(records.items[i].layer.blob_size, three[i].layer.blob_size);
		ck_assert_int_eq(records.items[i].created, three[i].created);
	}
}
END_TEST

START_TEST(inline_records_name_the_images_layers)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 }, config = { 0 };
	auto_(hoy_cache_records_done) struct hoy_cache_records records = { 0 };

	ck_assert_int_eq(hoy_cache_records_inline(three, 2, /* n_below= */ 0, &text, NULL), 0);
	ck_assert_int_eq(hoy_buf_addf(&config,
				 "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
				 "\"diff_ids\":[\"" C "\"]},\"moby.buildkit.cache.v0\":\"%s\"}",
				 text.data),
		0);
	ck_assert_int_eq(parse(MANIFEST("application/vnd.oci.image.config.v1+json", GZIP), config.data, &records), 0);
	ck_assert_uint_eq(records.n, 2);
	ck_assert_str_eq(records.items[0].layer.blob, "");
	ck_assert_str_eq(records.items[1].layer.blob, B);
}
END_TEST

START_TEST(records_of_strangers_that_fit_nothing_are_left_out)
{
	static const char *const useless[] = {
		"{\"digest\":\"" A "\",\"results\":[{\"layer\":1,\"createdAt\":\"2026-01-01T00:00:00Z\"}]}",
		"{\"digest\":\"" A "\",\"results\":[{\"layer\":-1,\"createdAt\":\"2026-01-01T00:00:00Z\"}]}",
		"{\"digest\":\"" A "\",\"results\":[{\"layer\":0}]}",
		"{\"digest\":\"" A
		"\",\"inputs\":[[{\"link\":0}]],\"results\":[{\"createdAt\":\"2026-01-01T00:00:00Z\"}]}",
		"{\"digest\":\"sha256:../../x\",\"createdAt\":\"2026-01-01T00:00:00Z\"}",
		"{\"digest\":\"" A "\"}",
		"7",
	};

	for (size_t i = 0; i < ARRAY_LEN(useless); i++) {
		auto_(hoy_cache_records_done) struct hoy_cache_records records = { 0 };
		auto_free char *config = hoy_str_printf("{\"layers\":[{\"blob\":\"" B
							"\",\"parent\":-1,\"annotations\":{\"diffID\":\"" C
							"\"}}],\"records\":[%s]}",
			useless[i]);

		ck_assert_int_eq(parse(MANIFEST(CONFIG, GZIP), config, &records), 0);
		ck_assert_msg(records.n == 0, "%s", useless[i]);
	}
}
END_TEST

START_TEST(layers_must_be_in_the_manifest_and_compressed_as_ours)
{
#define TWO_LAYERS                                                                                                     \
	"{\"layers\":[{\"blob\":\"" B "\",\"annotations\":{\"diffID\":\"" C "\"}},{\"blob\":\"" C                      \
	"\",\"annotations\":{\"diffID\":\"" C "\"}}],\"records\":[{\"digest\":\"" A                                    \
	"\",\"results\":[{\"layer\":%d,\"createdAt\":\"2026-01-01T00:00:00Z\"}]}]}"
	static const struct {
		const char *layer;
		int index;
		size_t n;
	} cases[] = { { MANIFEST(CONFIG, GZIP), 0, 1 }, { MANIFEST(CONFIG, GZIP), 1, 0 },
		{ MANIFEST(CONFIG, "application/vnd.oci.image.layer.v1.tar+zstd"), 0, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_(hoy_cache_records_done) struct hoy_cache_records records = { 0 };
		auto_(hoy_buf_done) struct hoy_buf text = { 0 };

		ck_assert_int_eq(hoy_buf_addf(&text, TWO_LAYERS, cases[i].index), 0);
		ck_assert_int_eq(parse(cases[i].layer, text.data, &records), 0);
		ck_assert_uint_eq(records.n, cases[i].n);
	}
}
END_TEST

START_TEST(what_is_no_cache_is_refused)
{
	struct hoy_cache_records records = { 0 };

	ck_assert_int_lt(parse("{}", "{}", &records), 0);
	ck_assert_int_lt(parse(MANIFEST(CONFIG, GZIP), "[", &records), 0);
	ck_assert_int_lt(parse(MANIFEST("application/vnd.oci.image.config.v1+json", GZIP),
				 "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
				 "\"diff_ids\":[\"" C "\"]}}",
				 &records),
		0);
}
END_TEST

Suite *suite_cache_records(void)
{
	const TTest *const tests[] = { what_is_printed_is_read, inline_records_name_the_images_layers,
		records_of_strangers_that_fit_nothing_are_left_out,
		layers_must_be_in_the_manifest_and_compressed_as_ours, what_is_no_cache_is_refused };

	return hoy_unit_suite("cache_records", tests, ARRAY_LEN(tests));
}
