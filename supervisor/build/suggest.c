/* Edit distance with swaps, over short words. */
#include "supervisor/build/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/defs.h"

enum { LONGEST = 63 };

static bool same(char a, char b)
{
	return tolower((unsigned char) a) == tolower((unsigned char) b);
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][LONGEST + 1];

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = above[j - 1] + !same(a[i - 1], b[j - 1]);

			best = MIN(best, above[j] + 1);
			best = MIN(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				best = MIN(best, two_above[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[a_len % 3][b_len];
}

const char *hoy_suggest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), best = 0;
	const char *found = NULL;

	if (len == 0 || len > LONGEST)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = candidates[i] ? strlen(candidates[i]) : 0, d;

		if (other == 0 || other > LONGEST)
			continue;
		d = distance(word, len, candidates[i], other);
		if (d <= 1 + MIN(len, other) / 4 && d < MIN(len, other) && (!found || d < best)) {
			found = candidates[i];
			best = d;
		}
	}
	return found;
}
