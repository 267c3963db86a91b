/* How much of the disk images take, and how much of that several of them share. */
#include <string.h>

#include "supervisor/image/image_internal.h"

static void count_users(struct hoy_images *images)
{
	for (size_t i = 0; i < images->n_blobs; i++)
		images->blobs[i]->images = 0;
	for (size_t i = 0; i < images->n_layers; i++)
		images->layers[i]->images = 0;
	for (size_t i = 0; i < images->n_images; i++) {
		const struct image *image = images->images[i];

		for (size_t k = 0; k < image->n_blobs; k++)
			image->blobs[k]->images++;
		for (struct layer *layer = image->top; layer; layer = layer->parent)
			layer->images++;
	}
}

static int64_t shared_size(const struct image *image)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < image->n_blobs; i++)
		bytes += image->blobs[i]->images > 1 ? image->blobs[i]->size : 0;
	for (const struct layer *layer = image->top; layer; layer = layer->parent)
		bytes += layer->images > 1 ? layer->size : 0;
	return bytes;
}

int hoy_images_shared_sizes(
	struct hoy_images *images, const struct hoy_image *const *list, size_t n, int64_t **ret, struct hoy_err *err)
{
	int64_t *sizes = calloc(n + 1, sizeof *sizes);

	if (!sizes)
		return hoy_err_oom(err);
	count_users(images);
	for (size_t i = 0; i < n; i++)
		sizes[i] = shared_size((const struct image *) list[i]);
	*ret = sizes;
	return 0;
}

int64_t hoy_images_size(const struct hoy_images *images)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < images->n_blobs; i++)
		bytes += images->blobs[i]->size;
	for (size_t i = 0; i < images->n_layers; i++)
		bytes += images->layers[i]->size;
	return bytes;
}

int64_t hoy_layers_size(struct hoy_images *images, const char *chain_id)
{
	int64_t bytes = 0;

	for (const struct layer *layer = *chain_id ? hoy_images_layer(images, chain_id) : NULL; layer;
		layer = layer->parent)
		bytes += layer->size;
	return bytes;
}
