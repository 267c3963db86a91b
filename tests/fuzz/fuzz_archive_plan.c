/* An archive's documents, as name, NUL, text, NUL and so on: any plan only names what the archive holds. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/image/archive_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct archive_entries entries;
	const char *texts[64];
};

static int read_text(const struct archive_entry_info *entry, struct hoy_buf *buf, void *userdata, struct hoy_err *err)
{
	const struct input *input = userdata;

	(void) err;
	return hoy_buf_add(buf, input->texts[entry->number], (size_t) entry->size);
}

static void check_image(const struct input *input, const struct plan_image *image)
{
	for (size_t i = 0; i < image->n_layers; i++)
		assert(hoy_archive_entry_by_digest(&input->entries, image->layers[i].blob));
	for (size_t i = 0; i < image->n_blobs; i++)
		assert(hoy_archive_entry_by_digest(&input->entries, image->blobs[i].digest) ||
			(image->made && strcmp(image->blobs[i].digest, image->manifest) == 0));
	assert(strlen(image->id) == 71 && strlen(image->config) == 71);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = malloc(size + 1);
	struct archive_plan plan = { 0 };
	struct input input = { 0 };

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *p = text; p < text + size && input.entries.n < ARRAY_LEN(input.texts);) {
		struct archive_entry_info entry = { .name = p, .number = (uint32_t) input.entries.n };
		const char *content = p + strlen(p) + 1;

		if (content > text + size)
			break;
		entry.size = (int64_t) strlen(content);
		hoy_sha256_digest(content, strlen(content), entry.digest);
		if (*content == '>')
			entry.target = (char *) (uintptr_t) (content + 1);
		input.texts[entry.number] = content;
		if (hoy_archive_entries_add(&input.entries, &entry) < 0)
			break;
		p += strlen(p) + 1 + strlen(content) + 1;
	}
	if (hoy_archive_plan_make(&input.entries, read_text, &input, /* only= */ NULL, &plan, NULL) == 0)
		for (size_t i = 0; i < plan.n_images; i++)
			check_image(&input, &plan.images[i]);
	hoy_archive_plan_done(&plan);
	hoy_archive_entries_done(&input.entries);
	return 0;
}
