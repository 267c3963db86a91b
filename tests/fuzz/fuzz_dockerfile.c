/* Any text is a Dockerfile or an error with a message; a Dockerfile has a plan or an error. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "libocispec/image.h"
#include "supervisor/build/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_IMAGES = 20 };

/* Every image it wants is this one. */
static void plan(const struct hoy_dockerfile *file, const struct hoy_oci_image_config *config)
{
	static char arg[] = "A=b", proxy[] = "http_proxy=p", label[] = "k=v";
	char *args[] = { arg, proxy, NULL }, *labels[] = { label, NULL };
	struct hoy_build_image images[MAX_IMAGES];
	struct hoy_build_named_context contexts[] = { { "ctx", "/dir" }, { "img", "docker-image://i" } };
	struct hoy_build_input input = {
		.file = file,
		.build_args = args,
		.labels = labels,
		.platform = { "linux", "arm", "v7" },
		.build_platform = { "linux", "amd64", NULL },
		.contexts = contexts,
		.n_contexts = 2,
		.images = images,
	};
	auto_(hoy_arena_done) struct hoy_arena arena = { 0 };

	while (input.n_images < MAX_IMAGES) {
		auto_ptr(hoy_build_plan_free) struct hoy_build_plan *plan = NULL;
		struct hoy_err err = { 0 };
		int r = hoy_build_plan_make(&input, &plan, &err);

		assert(r == 0 || err.msg[0]);
		if (r == 0 && plan->n_wanted == 0) {
			auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *image = NULL;
			char *diff_ids[] = { NULL };

			assert(plan->result < plan->n_steps);
			for (size_t i = 0; i < plan->n_steps; i++)
				assert(plan->steps[i].parent == HOY_BUILD_NO_STEP || plan->steps[i].parent < i);
			(void) hoy_build_plan_image_config(plan, diff_ids, NULL, &image, &err);
			return;
		}
		if (r < 0)
			return;
		for (size_t i = 0; i < plan->n_wanted && input.n_images < MAX_IMAGES; i++)
			images[input.n_images++] = (struct hoy_build_image){
				.reference = hoy_arena_strdup(&arena, plan->wanted[i].reference),
				.platform = hoy_arena_strdup(&arena, plan->wanted[i].platform),
				.config = config,
			};
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] =
		"{\"architecture\":\"arm\",\"os\":\"linux\",\"config\":{\"Env\":[\"E=1\"],\"OnBuild\":[\"RUN x\"]},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = NULL;
	struct hoy_err err = { 0 };
	int r = hoy_dockerfile_parse("Dockerfile", (const char *) data, size, &file, &err);

	assert(r == 0 ? file && file->n_stages > 0 : !file && err.msg[0]);
	if (r == 0 && hoy_oci_image_config_parse(text, strlen(text), &config, NULL) == 0)
		plan(file, config);
	return 0;
}
