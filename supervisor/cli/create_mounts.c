/* --volume, --mount, --tmpfs, --volumes-from. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/cli/csv.h"

/* A source that begins with a dot is made absolute here: the daemon has another working directory. Heap. */
static char *absolute(const char *source, size_t len)
{
	auto_free char *name = strndup(source, len), *cwd = NULL, *joined = NULL;

	if (!name || name[0] != '.')
		return TAKE_PTR(name);
	cwd = getcwd(NULL, 0);
	joined = cwd ? hoy_path_join(cwd, name) : NULL;
	return joined ? hoy_path_clean(joined) : NULL;
}

static int print_binds(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	hoy_json_array(w, "Binds");
	for (char **v = o->volume; v && *v; v++) {
		size_t len = strcspn(*v, ":");
		auto_free char *source = NULL, *bind = NULL;

		if (!(*v)[len])
			continue; /* an anonymous volume: in Config.Volumes */
		source = absolute(*v, len);
		bind = source ? hoy_str_printf("%s%s", source, *v + len) : NULL;
		if (!bind)
			return hoy_err_oom(err);
		hoy_json_add_string(w, NULL, bind);
	}
	hoy_json_end(w);
	return 0;
}

void hoy_create_volumes(struct hoy_json_writer *w, const struct hoy_run_options *o)
{
	hoy_json_object(w, "Volumes");
	for (char **v = o->volume; v && *v; v++) {
		if (strchr(*v, ':'))
			continue;
		hoy_json_object(w, *v);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* "path[:option,...]" of --tmpfs as the map docker sends. */
static void print_tmpfs(struct hoy_json_writer *w, char *const *entries)
{
	if (!entries)
		return;
	hoy_json_object(w, "Tmpfs");
	for (; *entries; entries++) {
		size_t len = strcspn(*entries, ":");
		auto_free char *path = strndup(*entries, len);

		hoy_json_add_string(w, path ? path : "", (*entries)[len] ? *entries + len + 1 : "");
	}
	hoy_json_end(w);
}

/* --- --mount ----------------------------------------------------------------- */

struct mount {
	char *source; /* owned */
	const char *type, *target, *consistency, *propagation, *recursive, *subpath, *driver, *image_subpath;
	bool read_only, no_copy, create_source, non_recursive;
	bool bind_given, volume_given, tmpfs_given, image_given;
	int64_t tmpfs_size;
	unsigned int tmpfs_mode;
	char **labels, **options; /* owned */
};

static void mount_done(struct mount *m)
{
	free(m->source);
	hoy_strv_free(m->labels);
	hoy_strv_free(m->options);
}

/* "key", "key=true", "key=0" */
static int mount_bool(const char *key, const char *value, bool *ret, struct hoy_err *err)
{
	if (!value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		*ret = true;
	else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		*ret = false;
	else
		return hoy_err_invalid(err, "invalid value for %s: %s", key, value);
	return 0;
}

/* The keys whose value is kept as it is. */
static bool mount_text(struct mount *m, const char *key, const char *value)
{
	const struct {
		const char *key;
		const char **to;
		bool *given;
	} rows[] = {
		{ "type", &m->type, NULL },
		{ "target", &m->target, NULL },
		{ "dst", &m->target, NULL },
		{ "destination", &m->target, NULL },
		{ "consistency", &m->consistency, NULL },
		{ "bind-propagation", &m->propagation, &m->bind_given },
		{ "bind-recursive", &m->recursive, &m->bind_given },
		{ "volume-subpath", &m->subpath, &m->volume_given },
		{ "volume-driver", &m->driver, &m->volume_given },
		{ "image-subpath", &m->image_subpath, &m->image_given },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].key, key) == 0) {
			*rows[i].to = value;
			if (rows[i].given)
				*rows[i].given = true;
			return true;
		}
	}
	return false;
}

static int mount_tmpfs(struct mount *m, const char *key, const char *value, struct hoy_err *err)
{
	mode_t mode;

	m->tmpfs_given = true;
	if (strcmp(key, "tmpfs-size") == 0)
		return hoy_str_to_bytes(value, &m->tmpfs_size) < 0
			       ? hoy_err_invalid(err, "invalid value for %s: %s", key, value)
			       : 0;
	if (hoy_str_to_mode(value, &mode) < 0)
		return hoy_err_invalid(err, "invalid value for %s: %s", key, value);
	m->tmpfs_mode = mode;
	return 0;
}

static int mount_key(struct mount *m, const char *key, const char *value, struct hoy_err *err)
{
	int r = 0;

	if (strcmp(key, "readonly") == 0 || strcmp(key, "ro") == 0)
		return mount_bool(key, value, &m->read_only, err);
	if (strcmp(key, "volume-nocopy") == 0) {
		m->volume_given = true;
		return mount_bool(key, value, &m->no_copy, err);
	}
	if (strcmp(key, "bind-nonrecursive") == 0) {
		m->bind_given = true;
		return mount_bool(key, value, &m->non_recursive, err);
	}
	if (strcmp(key, "bind-create-src") == 0) {
		m->bind_given = true;
		return mount_bool(key, value, &m->create_source, err);
	}
	if (!value)
		return hoy_err_invalid(err, "invalid field '%s' must be a key=value pair", key);
	if (strcmp(key, "source") == 0 || strcmp(key, "src") == 0) {
		free(m->source);
		m->source = strdup(value);
		return m->source ? 0 : hoy_err_oom(err);
	}
	if (strcmp(key, "volume-label") == 0 || strcmp(key, "volume-opt") == 0) {
		m->volume_given = true;
		r = hoy_strv_add(key[7] == 'l' ? &m->labels : &m->options, value);
		return r < 0 ? hoy_err_oom(err) : 0;
	}
	if (strcmp(key, "tmpfs-size") == 0 || strcmp(key, "tmpfs-mode") == 0)
		return mount_tmpfs(m, key, value, err);
	if (!mount_text(m, key, value))
		return hoy_err_invalid(err, "unexpected key '%s' in '%s=%s'", key, key, value);
	return 0;
}

static int mount_check(struct mount *m, struct hoy_err *err)
{
	const struct {
		bool given;
		const char *type;
	} mixes[] = { { m->bind_given, "bind" }, { m->volume_given, "volume" }, { m->tmpfs_given, "tmpfs" },
		{ m->image_given, "image" } };
	char *source;

	if (!m->target || !*m->target)
		return hoy_err_invalid(err, "target is required");
	for (size_t i = 0; i < ARRAY_LEN(mixes); i++)
		if (mixes[i].given && strcmp(m->type, mixes[i].type) != 0)
			return hoy_err_invalid(
				err, "cannot mix '%s-*' options with mount type '%s'", mixes[i].type, m->type);
	if (m->recursive && !hoy_strv_has((char *const[]){ (char *) "enabled", (char *) "disabled", (char *) "writable",
						  (char *) "readonly", NULL },
				    m->recursive))
		return hoy_err_invalid(err,
			"invalid value for bind-recursive: %s (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")",
			m->recursive);
	if (m->recursive && !m->read_only && (*m->recursive == 'w' || *m->recursive == 'r'))
		return hoy_err_invalid(err,
			"option 'bind-recursive=%s' requires 'readonly' to be specified in conjunction", m->recursive);
	if (strcmp(m->type, "bind") == 0 && m->source) {
		source = absolute(m->source, strlen(m->source));
		if (!source)
			return hoy_err_oom(err);
		free(m->source);
		m->source = source;
	}
	return 0;
}

static void print_bind_options(struct hoy_json_writer *w, const struct mount *m)
{
	hoy_json_object(w, "BindOptions");
	hoy_create_add_text(w, "Propagation", m->propagation);
	if (m->non_recursive || (m->recursive && *m->recursive == 'd'))
		hoy_json_add_bool(w, "NonRecursive", true);
	if (m->recursive && *m->recursive == 'w')
		hoy_json_add_bool(w, "ReadOnlyNonRecursive", true);
	if (m->recursive && *m->recursive == 'r')
		hoy_json_add_bool(w, "ReadOnlyForceRecursive", true);
	if (m->create_source)
		hoy_json_add_bool(w, "CreateMountpoint", true);
	hoy_json_end(w);
}

static void print_volume_options(struct hoy_json_writer *w, const struct mount *m)
{
	hoy_json_object(w, "VolumeOptions");
	if (m->no_copy)
		hoy_json_add_bool(w, "NoCopy", true);
	hoy_create_add_map(w, "Labels", m->labels);
	hoy_create_add_text(w, "Subpath", m->subpath);
	if (m->driver || m->options) {
		hoy_json_object(w, "DriverConfig");
		hoy_create_add_text(w, "Name", m->driver);
		hoy_create_add_map(w, "Options", m->options);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static void print_mount(struct hoy_json_writer *w, const struct mount *m)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Type", m->type);
	hoy_create_add_text(w, "Source", m->source);
	hoy_json_add_string(w, "Target", m->target);
	if (m->read_only)
		hoy_json_add_bool(w, "ReadOnly", true);
	hoy_create_add_text(w, "Consistency", m->consistency);
	if (m->bind_given)
		print_bind_options(w, m);
	if (m->volume_given)
		print_volume_options(w, m);
	if (m->image_given) {
		hoy_json_object(w, "ImageOptions");
		hoy_create_add_text(w, "Subpath", m->image_subpath);
		hoy_json_end(w);
	}
	if (m->tmpfs_given) {
		hoy_json_object(w, "TmpfsOptions");
		hoy_create_add_number(w, "SizeBytes", m->tmpfs_size);
		hoy_create_add_number(w, "Mode", m->tmpfs_mode);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static int parse_mount(struct hoy_json_writer *w, const char *text, struct hoy_err *err)
{
	auto_(mount_done) struct mount m = { .type = "volume" };
	auto_ptr(hoy_strv_free) char **fields = NULL;
	int r = hoy_csv_split(text, &fields, err);

	for (size_t i = 0; r == 0 && fields[i]; i++) {
		char *value = hoy_csv_value(fields[i]);

		for (char *c = fields[i]; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char) (*c + 32) : *c;
		r = mount_key(&m, fields[i], value, err);
	}
	if (r == 0)
		r = mount_check(&m, err);
	if (r == 0)
		print_mount(w, &m);
	return r;
}

int hoy_create_mounts(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	int r = print_binds(w, o, err);

	if (r == 0 && o->mount) {
		hoy_json_array(w, "Mounts");
		for (char **m = o->mount; r == 0 && *m; m++) {
			r = parse_mount(w, *m, err);
			if (r < 0)
				return hoy_err_wrap(err, "invalid argument \"%s\" for \"--mount\" flag", *m);
		}
		hoy_json_end(w);
	}
	print_tmpfs(w, o->tmpfs);
	hoy_create_add_list(w, "VolumesFrom", o->volumes_from);
	hoy_create_add_text(w, "VolumeDriver", o->volume_driver);
	return r;
}
