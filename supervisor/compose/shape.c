/* Looking up keys in the tables, and the nearest to a misspelt one. */
#include "supervisor/compose/shape.h"

#include <ctype.h>
#include <string.h>

bool hoy_shape_is_extension(const char *key)
{
	return key[0] == 'x' && key[1] == '-';
}

const struct hoy_shape_field *hoy_shape_field_find(const struct hoy_shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->n; i++)
		if (!strcmp(shape->fields[i].name, name))
			return &shape->fields[i];
	return NULL;
}

bool hoy_shape_is_open(const struct hoy_node *node)
{
	const char *at = node->type == HOY_NODE_STRING ? node->text : "";

	while ((at = strchr(at, '$'))) {
		if (at[1] != '$')
			return true;
		at += 2;
	}
	return false;
}

static char folded(char c)
{
	return (char) (c == '-' ? '_' : tolower((unsigned char) c));
}

/* Changes of one letter (added, lost, another, two swapped) between two words; more than `most` need not be exact. */
static unsigned int distance(const char *a, const char *b, unsigned int most)
{
	enum { LONGEST = 31 };
	unsigned int rows[3][LONGEST + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > LONGEST || len_b > LONGEST || (len_a > len_b ? len_a - len_b : len_b - len_a) > most)
		return most + 1;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = (unsigned int) j;
	for (size_t i = 1; i <= len_a; i++) {
		unsigned int *row = rows[i % 3];
		const unsigned int *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		row[0] = (unsigned int) i;
		for (size_t j = 1; j <= len_b; j++) {
			unsigned int best = above[j - 1] + (folded(a[i - 1]) != folded(b[j - 1]));

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
				folded(a[i - 2]) == folded(b[j - 1]) && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[len_a % 3][len_b];
}

const char *hoy_shape_nearest(const struct hoy_shape *shape, const char *name)
{
	unsigned int best = strlen(name) < 4 ? 1 : strlen(name) < 9 ? 2 : 3;
	const char *nearest = NULL;

	for (size_t i = 0; i < shape->n; i++) {
		unsigned int d;

		if (shape->fields[i].kind == HOY_SHAPE_LEGACY || shape->fields[i].flags & HOY_SHAPE_NOT_PRINTED)
			continue;
		d = distance(name, shape->fields[i].name, best);
		if (d < best + (nearest == NULL)) {
			best = d;
			nearest = shape->fields[i].name;
		}
	}
	return nearest;
}
