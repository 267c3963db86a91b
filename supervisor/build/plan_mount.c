/* Key by key, then what fits together and what is filled in. */
#include "supervisor/build/plan_mount.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/suggest.h"

/* What was written, before defaults. */
struct draft {
	struct planner *planner;
	const struct command *command;
	struct hoy_build_mount *mount;
	const char *from, *source, *target;
	bool read_write_given, sharing_given, has_env;
	bool has_uid, has_gid;
	unsigned int uid, gid;
};

#define BAD(draft, ...) PLAN_FAIL((draft)->planner, (draft)->command, __VA_ARGS__)

static const char *const types[] = {
	[HOY_BUILD_MOUNT_BIND] = "bind",
	[HOY_BUILD_MOUNT_CACHE] = "cache",
	[HOY_BUILD_MOUNT_TMPFS] = "tmpfs",
	[HOY_BUILD_MOUNT_SECRET] = "secret",
	[HOY_BUILD_MOUNT_SSH] = "ssh",
};
static const char *const sharings[] = {
	[HOY_BUILD_SHARED] = "shared",
	[HOY_BUILD_PRIVATE] = "private",
	[HOY_BUILD_LOCKED] = "locked",
};

static int one_of(struct draft *draft, const char *what, const char *value, const char *const *names, size_t n)
{
	const char *near = hoy_suggest(value, names, n);

	for (size_t i = 0; i < n; i++)
		if (strcasecmp(value, names[i]) == 0)
			return (int) i;
	return BAD(draft, "unsupported %s '%.100s' of a mount%s%s%s", what, value, near ? " (did you mean " : "",
		near ? near : "", near ? "?)" : "");
}

static int to_bool(struct draft *draft, const char *key, const char *value, bool *ret)
{
	*ret = !value || strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0 || strcasecmp(value, "t") == 0;
	if (*ret || strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0 || strcasecmp(value, "f") == 0)
		return 0;
	return BAD(draft, "invalid value for %s of a mount: %.100s", key, value);
}

static bool is_key(const char *key, const char *a, const char *b, const char *c)
{
	return strcmp(key, a) == 0 || (b && strcmp(key, b) == 0) || (c && strcmp(key, c) == 0);
}

static int set_number(struct draft *draft, const char *key, const char *value)
{
	int r = 0;

	if (strcmp(key, "mode") == 0) {
		r = hoy_str_to_mode(value, &draft->mount->mode);
		draft->mount->has_mode = true;
	} else if (strcmp(key, "uid") == 0) {
		r = hoy_str_to_uint(value, &draft->uid);
		draft->has_uid = true;
	} else if (strcmp(key, "gid") == 0) {
		r = hoy_str_to_uint(value, &draft->gid);
		draft->has_gid = true;
	} else {
		if (draft->mount->type != HOY_BUILD_MOUNT_TMPFS)
			return BAD(draft, "unexpected key 'size' for mount type '%s'", types[draft->mount->type]);
		r = hoy_str_to_bytes(value, &draft->mount->size);
	}
	return r < 0 ? BAD(draft, "invalid value for %s of a mount: %.100s", key, value) : 0;
}

static int unknown_key(struct draft *draft, const char *key)
{
	static const char *const keys[] = { "type", "from", "source", "target", "readonly", "id", "sharing", "required",
		"size", "mode", "uid", "gid", "src", "dst", "destination", "ro", "rw", "readwrite", "env" };
	const char *near = hoy_suggest(key, keys, ARRAY_LEN(keys));

	return BAD(draft, "unexpected key '%.100s' of a mount%s%s%s", key, near ? " (did you mean " : "",
		near ? near : "", near ? "?)" : "");
}

/* `value` NULL: the key stands alone. */
static int set_key(struct draft *draft, const char *key, const char *value)
{
	struct hoy_build_mount *mount = draft->mount;
	bool flag;
	int r = 0;

	if (is_key(key, "readonly", "ro", NULL) || is_key(key, "readwrite", "rw", NULL)) {
		draft->read_write_given = true;
		r = to_bool(draft, key, value, &flag);
		mount->read_only = is_key(key, "readonly", "ro", NULL) ? flag : !flag;
		return r;
	}
	if (strcmp(key, "required") == 0) {
		if (mount->type != HOY_BUILD_MOUNT_SECRET && mount->type != HOY_BUILD_MOUNT_SSH)
			return BAD(draft, "unexpected key 'required' for mount type '%s'", types[mount->type]);
		return to_bool(draft, key, value, &mount->required);
	}
	if (!value)
		return BAD(draft, "invalid field '%.100s' of a mount: must be a key=value pair", key);
	if (strcmp(key, "type") == 0) {
		r = one_of(draft, "type", value, types, ARRAY_LEN(types));
		mount->type = r < 0 ? HOY_BUILD_MOUNT_BIND : (enum hoy_build_mount_type) r;
	} else if (strcmp(key, "sharing") == 0) {
		r = one_of(draft, "sharing", value, sharings, ARRAY_LEN(sharings));
		mount->sharing = r < 0 ? HOY_BUILD_SHARED : (enum hoy_build_sharing) r;
		draft->sharing_given = true;
	} else if (strcmp(key, "from") == 0) {
		draft->from = value;
	} else if (is_key(key, "source", "src", NULL)) {
		draft->source = value;
	} else if (is_key(key, "target", "dst", "destination")) {
		draft->target = value;
	} else if (strcmp(key, "id") == 0) {
		mount->id = value;
	} else if (strcmp(key, "env") == 0) {
		mount->env = value;
	} else if (is_key(key, "mode", "uid", "gid") || strcmp(key, "size") == 0) {
		r = set_number(draft, key, value);
	} else {
		r = unknown_key(draft, key);
	}
	return MIN(r, 0);
}

/* One CSV field from *text on, without its quotes. */
static char *next_field(const char **text)
{
	auto_(hoy_buf_done) struct hoy_buf field = { 0 };
	const char *p = *text;
	bool quoted = *p == '"';

	(void) hoy_buf_adds(&field, "");
	if (quoted)
		p++;
	for (; *p && (quoted || *p != ','); p++) {
		if (quoted && *p == '"') {
			if (p[1] != '"')
				quoted = false;
			else
				(void) hoy_buf_addc(&field, *++p);
			continue;
		}
		(void) hoy_buf_addc(&field, *p);
	}
	*text = *p ? p + 1 : p;
	return hoy_buf_take(&field);
}

static int read_fields(struct draft *draft, const struct scope *scope, const char *text)
{
	int r = 0;

	while (r == 0 && *text) {
		auto_free char *field = next_field(&text);
		char *equals = field ? strchr(field, '=') : NULL;
		const char *value = NULL;

		if (!field)
			return hoy_err_oom(draft->planner->err);
		if (equals) {
			*equals = '\0';
			r = hoy_plan_expand(scope, equals + 1, &value);
		}
		for (char *p = field; *p; p++)
			*p = (char) (*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		if (r == 0)
			r = set_key(draft, field, value);
	}
	return r;
}

/* --- what belongs together --- */

static int check(struct draft *draft)
{
	const struct hoy_build_mount *mount = draft->mount;
	bool is_secret = mount->type == HOY_BUILD_MOUNT_SECRET, is_ssh = mount->type == HOY_BUILD_MOUNT_SSH;
	const char *number = mount->has_mode ? "mode" : draft->has_uid ? "uid" : draft->has_gid ? "gid" : NULL;

	if (number && !is_secret && !is_ssh && mount->type != HOY_BUILD_MOUNT_CACHE)
		return BAD(draft, "%s is not allowed for mounts of type '%s'", number, types[mount->type]);
	if (draft->sharing_given && mount->type != HOY_BUILD_MOUNT_CACHE)
		return BAD(draft, "sharing is not allowed for mounts of type '%s'", types[mount->type]);
	if (mount->env && !is_secret)
		return BAD(draft, "env is not allowed for mounts of type '%s'", types[mount->type]);
	if ((is_secret || is_ssh) && draft->from)
		return BAD(draft, "%s mount should not have a from", types[mount->type]);
	if (is_ssh && draft->source)
		return BAD(draft, "ssh mount does not support source");
	if (is_secret && !draft->source && !draft->target && !mount->id)
		return BAD(draft, "invalid secret mount: one of id, source, target is needed");
	if (is_secret && draft->source && mount->id)
		return BAD(draft, "invalid secret mount: both source and id can't be set");
	if (!is_secret && !is_ssh && (!draft->target || !*draft->target))
		return BAD(draft, "a mount of type '%s' needs a target", types[mount->type]);
	return 0;
}

static int fill_secret(struct draft *draft)
{
	struct hoy_build_mount *mount = draft->mount;
	const char *id = draft->source ? draft->source : mount->id;

	if (!id)
		id = hoy_path_base(draft->target);
	mount->id = id;
	if (draft->target)
		mount->target = draft->target;
	else if (!mount->env)
		mount->target = hoy_arena_printf(&draft->planner->arena, "/run/secrets/%s", hoy_path_base(id));
	if (!mount->has_mode)
		mount->mode = 0400;
	return mount->target || mount->env ? 0 : hoy_err_oom(draft->planner->err);
}

/* The tree of a bind or cache mount. */
static int fill_tree(struct draft *draft, struct stage *source)
{
	struct hoy_build_mount *mount = draft->mount;
	auto_free char *rooted = hoy_path_join("/", draft->source ? draft->source : "");
	auto_free char *clean = rooted ? hoy_path_clean(rooted) : NULL;
	int r = 0;

	if (!clean)
		return hoy_err_oom(draft->planner->err);
	mount->source = hoy_arena_strdup(&draft->planner->arena, clean);
	if (source)
		r = hoy_plan_stage_step(draft->planner, source, &mount->from);
	else if (mount->type == HOY_BUILD_MOUNT_BIND && mount->source)
		r = hoy_plan_context_step(draft->planner, NULL, mount->source + 1, &mount->from);
	if (mount->type == HOY_BUILD_MOUNT_CACHE && !mount->id)
		mount->id = mount->target;
	return r < 0 ? r : mount->source ? 0 : hoy_err_oom(draft->planner->err);
}

int hoy_plan_mount(struct planner *planner, struct stage *stage, const struct command *command, const char *text,
	struct stage *source, struct hoy_build_mount *ret)
{
	struct draft draft = { .planner = planner, .command = command, .mount = ret };
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	int r;

	*ret = (struct hoy_build_mount){ .type = HOY_BUILD_MOUNT_BIND, .from = HOY_BUILD_NO_STEP };
	r = read_fields(&draft, &scope, text);
	if (r == 0)
		r = check(&draft);
	if (r < 0)
		return r;
	ret->uid = draft.uid;
	ret->gid = draft.gid;
	if (!draft.read_write_given)
		ret->read_only = ret->type != HOY_BUILD_MOUNT_CACHE && ret->type != HOY_BUILD_MOUNT_TMPFS;
	if (draft.target) {
		draft.target = hoy_plan_path(planner, stage, draft.target);
		if (!draft.target)
			return -ENOMEM;
		if (strcmp(draft.target, "/") == 0)
			return BAD(&draft, "invalid mount target '/'");
	}
	switch (ret->type) {
	case HOY_BUILD_MOUNT_SECRET:
		return fill_secret(&draft);
	case HOY_BUILD_MOUNT_SSH:
		ret->target = draft.target;
		ret->id = ret->id ? ret->id : "default";
		ret->mode = ret->has_mode ? ret->mode : 0600;
		return 0;
	case HOY_BUILD_MOUNT_TMPFS:
		ret->target = draft.target;
		return 0;
	case HOY_BUILD_MOUNT_CACHE:
		ret->mode = ret->has_mode ? ret->mode : 0755;
		break;
	case HOY_BUILD_MOUNT_BIND:
		break;
	}
	ret->target = draft.target;
	return fill_tree(&draft, source);
}
