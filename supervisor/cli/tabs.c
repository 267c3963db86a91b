/* Aligned columns from tabs. */
#include "supervisor/cli/tabs.h"

#include <string.h>

#include "base/str.h"
#include "base/utf8.h"

#define MIN_WIDTH ((size_t) 10)
#define PADDING ((size_t) 3)

/* The lines' cells, NULL-terminated vectors; the widths of the cells that a tab ends, one for each. */
struct grid {
	char ***lines;
	size_t **widths;
	size_t n;
};

static size_t columns_of(const char *text)
{
	size_t n = 0;

	for (; *text; n++)
		text += MAX(hoy_utf8_char_len(text, strlen(text)), (size_t) 1);
	return n;
}

static size_t cells_of(char *const *line)
{
	return hoy_strv_len(line) - 1; /* the last one isn't aligned */
}

/* The block of lines from `first` on that have a cell in this column gets one width there. Returns its end. */
static size_t fit_block(struct grid *grid, size_t first, size_t column)
{
	size_t width = MIN_WIDTH, end = first;

	for (; end < grid->n && cells_of(grid->lines[end]) > column; end++)
		width = MAX(width, columns_of(grid->lines[end][column]) + PADDING);
	for (size_t i = first; i < end; i++)
		grid->widths[i][column] = width;
	return end;
}

static void fit(struct grid *grid)
{
	size_t most = 0;

	for (size_t i = 0; i < grid->n; i++)
		most = MAX(most, cells_of(grid->lines[i]));
	for (size_t column = 0; column < most; column++)
		for (size_t i = 0; i < grid->n;) {
			size_t end = fit_block(grid, i, column);

			i = end > i ? end : i + 1;
		}
}

static int split(const char *text, struct grid *grid)
{
	auto_ptr(hoy_strv_free) char **lines = hoy_str_split(text, '\n');
	size_t n = lines ? hoy_strv_len(lines) : 0;

	grid->lines = calloc(n + 1, sizeof *grid->lines);
	grid->widths = calloc(n + 1, sizeof *grid->widths);
	if (!lines || !grid->lines || !grid->widths)
		return -1;
	for (; grid->n < n; grid->n++) {
		grid->lines[grid->n] = hoy_str_split(lines[grid->n], '\t');
		grid->widths[grid->n] = grid->lines[grid->n]
						? calloc(hoy_strv_len(grid->lines[grid->n]) + 1, sizeof(size_t))
						: NULL;
		if (!grid->widths[grid->n]) {
			hoy_strv_free(grid->lines[grid->n]);
			return -1;
		}
	}
	return 0;
}

static void grid_done(struct grid *grid)
{
	for (size_t i = 0; i < grid->n; i++) {
		hoy_strv_free(grid->lines[i]);
		free(grid->widths[i]);
	}
	free(grid->lines);
	free(grid->widths);
}

void hoy_tabs_align(const char *text, struct hoy_buf *out)
{
	auto_(grid_done) struct grid grid = {};

	if (split(text, &grid) < 0) {
		(void) hoy_buf_adds(out, text);
		return;
	}
	fit(&grid);
	for (size_t i = 0; i < grid.n; i++) {
		for (size_t c = 0; grid.lines[i][c]; c++) {
			const char *cell = grid.lines[i][c];

			(void) hoy_buf_adds(out, cell);
			if (grid.lines[i][c + 1])
				(void) hoy_buf_addf(out, "%*s", (int) (grid.widths[i][c] - columns_of(cell)), "");
		}
		if (i + 1 < grid.n)
			(void) hoy_buf_addc(out, '\n');
	}
}
