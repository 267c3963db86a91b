/* Rows of a list for format.h: members from texts on the heap. */
#ifndef HOY_CLI_ROWS_H
#define HOY_CLI_ROWS_H

#include "base/json.h"

/* Adds the member and frees the text. 0, or 1 for NULL (out of memory): results of several are or'ed together. */
int hoy_rows_add(struct hoy_json_writer *w, const char *key, char *text);

/* A row of `images` (by its first name) and of `ps` (without the image's size) from what the engine lists; 0 or
 * -ENOMEM. */
int hoy_rows_add_image(struct hoy_json_writer *w, const struct hoy_json *image);
int hoy_rows_add_container(struct hoy_json_writer *w, const struct hoy_json *container);

#endif
