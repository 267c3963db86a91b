/* An image as an entry of a list. */
#ifndef HOY_API_IMAGE_JSON_H
#define HOY_API_IMAGE_JSON_H

#include <stdint.h>

#include "base/err.h"

struct hoy_api_request;
struct hoy_image;
struct hoy_json_writer;

struct hoy_api_image_counts {
	int64_t containers;    /* made of it; -1: not counted */
	int64_t shared;        /* bytes that other images need too; -1: not counted */
	char *const *patterns; /* only names that match are shown; NULL: all */
};

int hoy_api_add_image(struct hoy_json_writer *w, const struct hoy_api_request *rq, const struct hoy_image *image,
	const struct hoy_api_image_counts *counts, struct hoy_err *err);

#endif
