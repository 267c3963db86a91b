/* One pass over the components, into one buffer; nothing is looked up. */
#include "supervisor/worker/layer/name.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/worker/layer/protocol.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* Drops the last component of path[0..len); the new length. */
static size_t without_last(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

/* Writes the cleaned form to `out` (room for strlen(raw) + 1). False when it leads out of the root. */
static bool clean(const char *raw, char *out)
{
	size_t len = 0;

	while (*raw) {
		size_t part = strcspn(raw, "/");

		if (part == 2 && raw[0] == '.' && raw[1] == '.') {
			if (len == 0)
				return false;
			len = without_last(out, len);
		} else if (part > 0 && !(part == 1 && raw[0] == '.')) {
			if (len > 0)
				out[len++] = '/';
			memcpy(out + len, raw, part);
			len += part;
		}
		raw += part + (raw[part] == '/');
	}
	out[len] = '\0';
	return true;
}

/* Does a component start with the prefix of old engines' bookkeeping? The opaque mark is none when it comes last. */
static bool is_bookkeeping(const char *path)
{
	while (path) {
		const char *slash = strchr(path, '/');

		if (hoy_str_starts(path, WHITEOUT_META) && (slash || strcmp(path, WHITEOUT_OPAQUE) != 0))
			return true;
		path = slash ? slash + 1 : NULL;
	}
	return false;
}

static int classify(struct hoy_layer_name *name, struct hoy_err *err)
{
	const char *slash = strrchr(name->path, '/');

	name->base = slash ? slash + 1 : name->path;
	name->parent_len = slash ? (size_t) (slash - name->path) : 0;
	name->kind = HOY_LAYER_NAME_ENTRY;
	if (is_bookkeeping(name->path)) {
		name->kind = HOY_LAYER_NAME_IGNORED;
	} else if (strcmp(name->base, WHITEOUT_OPAQUE) == 0) {
		name->kind = HOY_LAYER_NAME_OPAQUE;
		name->base += strlen(name->base);
	} else if (hoy_str_starts(name->base, WHITEOUT)) {
		name->kind = HOY_LAYER_NAME_WHITEOUT;
		name->base += strlen(WHITEOUT);
		if (!*name->base || strcmp(name->base, ".") == 0 || strcmp(name->base, "..") == 0)
			return hoy_err_invalid(err, "entry '%s': a whiteout of nothing", name->path);
	}
	return 0;
}

int hoy_layer_name_parse(const char *raw, struct hoy_layer_name *ret, struct hoy_err *err)
{
	struct hoy_layer_name name = { 0 };
	size_t len = strlen(raw);
	int r;

	if (len >= HOY_LAYER_NAME_MAX)
		return hoy_err_invalid(
			err, "entry '%.64s...': name is longer than %d bytes", raw, HOY_LAYER_NAME_MAX - 1);
	name.path = malloc(len + 1);
	if (!name.path)
		return hoy_err_oom(err);
	if (!clean(raw, name.path)) {
		hoy_layer_name_done(&name);
		return hoy_err_invalid(err, "entry '%s': leads out of the root", raw);
	}
	r = classify(&name, err);
	if (r < 0) {
		hoy_layer_name_done(&name);
		return r;
	}
	*ret = name;
	return 0;
}

void hoy_layer_name_done(struct hoy_layer_name *name)
{
	free(name->path);
	*name = (struct hoy_layer_name){ 0 };
}
