/* A file of lines that only grows, and becomes the first of its older ones (PATH.1, PATH.2 ...) when it is full. */
#ifndef HOY_API_LINE_FILE_H
#define HOY_API_LINE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_line_file;

/* Makes the file (0600) when there is none; half a line that a crash left is ended. `max`: bytes of one file; `older`:
 * how many full ones stay, at least one. */
int hoy_line_file_open(
	const char *path, int64_t max, unsigned int older, struct hoy_line_file **ret, struct hoy_err *err);
void hoy_line_file_free(struct hoy_line_file *file);
HOY_DEFINE_AUTO_PTR(struct hoy_line_file, hoy_line_file_free);
const char *hoy_line_file_path(const struct hoy_line_file *file);

/* Appends one line, which ends with its newline: all of it or nothing. 0 or -errno. */
int hoy_line_file_add(struct hoy_line_file *file, const char *line, size_t len, struct hoy_err *err);

#endif
