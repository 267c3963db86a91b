/*
 * The volumes of a container: which ones its mounts are, made when they are not there, held from its creation to its
 * removal, filled with the image's content, mounted while it runs.
 */
#include "supervisor/volume/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/layered.h"
#include "supervisor/image/image.h"
#include "supervisor/store/store.h"
#include "supervisor/store/volumes.h"
#include "supervisor/volume/files.h"

static bool is_volume(const struct hoy_container_mount_info *m)
{
	return strcmp(m->type, "volume") == 0;
}

/* --- which ones ------------------------------------------------------------------------------- */

static struct hoy_container_mount_info *by_destination(struct hoy_container *c, const char *destination)
{
	for (size_t i = 0; i < c->info.n_mounts; i++)
		if (strcmp(c->info.mounts[i].destination, destination) == 0)
			return &c->info.mounts[i];
	return NULL;
}

/* A list of its own for the container; `more` free places behind what is there. */
static int grow(struct hoy_container *c, size_t more, struct hoy_err *err)
{
	struct hoy_container_mount_info *grown = reallocarray(
		c->info.mounts, c->info.n_mounts + more + 1, sizeof *grown);

	if (!grown)
		return hoy_err_oom(err);
	c->info.mounts = grown;
	return 0;
}

static char *copy_text(const char *text, bool *failed)
{
	char *copy = text ? strdup(text) : NULL;

	*failed = *failed || (text && !copy);
	return copy;
}

static int copy_mount(const struct hoy_container_mount_info *from, bool read_only, struct hoy_container_mount_info *to,
	struct hoy_err *err)
{
	bool failed = false;

	*to = *from;
	to->type = copy_text(from->type, &failed);
	to->name = copy_text(from->name, &failed);
	to->source = copy_text(from->source, &failed);
	to->destination = copy_text(from->destination, &failed);
	to->driver = copy_text(from->driver, &failed);
	to->mode = copy_text("", &failed);
	to->propagation = copy_text(from->propagation, &failed);
	to->subpath = copy_text(from->subpath, &failed);
	to->chain_id = copy_text(from->chain_id, &failed);
	to->holds_layers = false;
	to->rw = from->rw && !read_only;
	to->copy = false;
	return failed ? hoy_err_oom(err) : 0;
}

static bool is_asked_for(const struct hoy_container_mount_info *list, size_t n, const char *destination)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].destination, destination) == 0)
			return true;
	return false;
}

/* The mounts of other containers, where the request names none itself. */
static int add_from(struct hoy_container *c, const char *entry, const struct hoy_container_mount_info *asked,
	size_t n_asked, struct hoy_err *err)
{
	auto_free char *id = NULL;
	struct hoy_container *other;
	bool read_only;
	int r = hoy_volumes_from_split(entry, &id, &read_only, err);

	if (r >= 0 && hoy_containers_lookup(c->room, id, &other, NULL) < 0) /* "not found" would mean the image */
		r = hoy_err_invalid(err, "No such container: %s", id);
	if (r >= 0)
		r = grow(c, other->info.n_mounts, err);
	for (size_t i = 0; r >= 0 && i < other->info.n_mounts; i++) {
		const struct hoy_container_mount_info *from = &other->info.mounts[i];

		if (strcmp(from->type, "tmpfs") == 0 || is_asked_for(asked, n_asked, from->destination) ||
			by_destination(c, from->destination))
			continue;
		r = copy_mount(from, read_only, &c->info.mounts[c->info.n_mounts++], err);
	}
	return r;
}

static int make_volume(struct hoy_container *c, struct hoy_container_mount_info *m,
	const struct hoy_container_volume_options *options, struct hoy_err *err)
{
	const struct hoy_container_driver *driver = options ? options->driver_config : NULL;
	const struct hoy_volume_create create = {
		.name = m->name,
		.driver = driver && driver->name ? driver->name : c->config->host.volume_driver,
		.labels = options ? options->labels : NULL,
		.n_labels = options ? options->n_labels : 0,
		.options = driver ? driver->options : NULL,
		.n_options = driver ? driver->n_options : 0,
	};
	const struct hoy_volume_info *volume;
	auto_free char *name = NULL, *source = NULL;
	bool is_new = false;
	struct hoy_err own = {};
	int r = hoy_volume_create(c->room->options.volumes, &create, &is_new, &volume, &own);

	if (r < 0 && own.kind == HOY_ERR_NOT_FOUND) /* "not found" of a create means the image: clients would pull it */
		own.kind = HOY_ERR_INVALID;
	if (r < 0)
		return hoy_err_import(err, &own);
	if (is_new && hoy_strv_add(&c->new_volumes, volume->name) < 0) {
		hoy_volume_take_back(c->room->options.volumes, volume->name);
		return hoy_err_oom(err);
	}
	name = strdup(volume->name);
	source = strdup(volume->mountpoint);
	if (!name || !source)
		return hoy_err_oom(err);
	free(m->name);
	free(m->source);
	m->name = TAKE_PTR(name);
	m->source = TAKE_PTR(source);
	return 0;
}

static int add_asked(struct hoy_container *c, struct hoy_container_mount_info *asked, size_t n, struct hoy_err *err)
{
	size_t n_binds = hoy_strv_len(c->config->host.binds);
	int r = grow(c, n, err);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct hoy_container_mount_info *m = &c->info.mounts[c->info.n_mounts++];

		*m = asked[i];
		asked[i] = (struct hoy_container_mount_info){};
		if (is_volume(m))
			r = make_volume(
				c, m, i < n_binds ? NULL : c->config->host.mounts[i - n_binds].volume_options, err);
		else if (strcmp(m->type, "image") == 0)
			r = hoy_container_image_mount_resolve(c, m, err);
	}
	return r;
}

static bool is_tmpfs(const struct hoy_container *c, const char *destination)
{
	return hoy_oci_kv_get(c->config->host.tmpfs, c->config->host.n_tmpfs, destination) != NULL;
}

/* Config.Volumes: the image's and those of `-v /path`. */
static int add_anonymous(struct hoy_container *c, const char *path, struct hoy_err *err)
{
	auto_free char *destination = hoy_path_clean(path);
	struct hoy_container_mount_info *m;
	int r;

	if (!destination)
		return hoy_err_oom(err);
	if (*destination != '/' || strcmp(destination, "/") == 0)
		return hoy_err_invalid(err, "invalid volume specification: '%s'", path);
	if (by_destination(c, destination) || is_tmpfs(c, destination))
		return 0;
	r = grow(c, 1, err);
	if (r < 0)
		return r;
	m = &c->info.mounts[c->info.n_mounts++];
	*m = (struct hoy_container_mount_info){ .type = strdup("volume"),
		.name = strdup(""),
		.source = strdup(""),
		.destination = TAKE_PTR(destination),
		.driver = strdup("local"),
		.mode = strdup(""),
		.propagation = strdup(""),
		.rw = true,
		.copy = true };
	if (!m->type || !m->name || !m->source || !m->driver || !m->mode || !m->propagation)
		return hoy_err_oom(err);
	return make_volume(c, m, NULL, err);
}

static int print_row(struct hoy_container *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_container_mounts_print(c->info.mounts, c->info.n_mounts, &text, err);

	return r < 0 ? r : hoy_store_mounts_set(c->room->options.store, c->info.id, text.data, err);
}

int hoy_container_volumes_hold(struct hoy_container *c, struct hoy_err *err)
{
	int r = hoy_container_image_mounts_hold(c, err);

	for (size_t i = 0; r >= 0 && i < c->info.n_mounts; i++)
		if (is_volume(&c->info.mounts[i]))
			r = hoy_volume_hold(c->room->options.volumes, c->info.mounts[i].name, c->info.id, err);
	return r;
}

int hoy_container_volumes_choose(struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_container_mount_info *asked = NULL;
	char *const *from = c->config->host.volumes_from, *const *paths = c->config->volumes;
	size_t n = 0;
	int r = hoy_container_mounts_list(c->config, &asked, &n, err);

	for (; r >= 0 && from && *from; from++)
		r = add_from(c, *from, asked, n, err);
	if (r >= 0)
		r = add_asked(c, asked, n, err);
	hoy_container_mounts_free(asked, n);
	for (; r >= 0 && paths && *paths; paths++)
		r = add_anonymous(c, *paths, err);
	if (r >= 0)
		r = print_row(c, err);
	return r < 0 ? r : hoy_container_volumes_hold(c, err);
}

int hoy_container_volumes_load(struct hoy_container *c, struct hoy_err *err)
{
	auto_free char *text = NULL;
	struct hoy_err hold_err = {};
	int r = hoy_store_mounts_get(c->room->options.store, c->info.id, &text, err);

	if (r < 0)
		return r;
	if (text)
		r = hoy_container_mounts_parse(text, &c->info.mounts, &c->info.n_mounts, err);
	else /* of before there were volumes */
		r = hoy_container_mounts_list(c->config, &c->info.mounts, &c->info.n_mounts, err);
	if (r >= 0 &&
		hoy_container_volumes_hold(c, &hold_err) < 0) /* it can't be started any more, but seen and removed */
		hoy_log_err(&hold_err, "container '%s'", c->info.id);
	return r;
}

/* --- letting go ------------------------------------------------------------------------------- */

void hoy_container_volumes_release(struct hoy_container *c)
{
	for (size_t i = 0; i < c->info.n_mounts; i++)
		if (is_volume(&c->info.mounts[i]) && c->info.mounts[i].name)
			hoy_volume_release(c->room->options.volumes, c->info.mounts[i].name, c->info.id);
}

void hoy_container_volumes_take_back(struct hoy_container *c)
{
	hoy_container_volumes_release(c);
	for (char *const *name = c->new_volumes; name && *name; name++)
		hoy_volume_take_back(c->room->options.volumes, *name);
	hoy_strv_free(c->new_volumes);
	c->new_volumes = NULL;
}

void hoy_container_volumes_created(struct hoy_container *c)
{
	for (char *const *name = c->new_volumes; name && *name; name++)
		hoy_volume_created(c->room->options.volumes, *name);
	hoy_strv_free(c->new_volumes);
	c->new_volumes = NULL;
}

/* Those that nobody named and nobody else uses. */
void hoy_container_volumes_remove(struct hoy_container *c)
{
	for (size_t i = 0; i < c->info.n_mounts; i++) {
		const struct hoy_container_mount_info *m = &c->info.mounts[i];
		struct hoy_err err = {};

		if (is_volume(m) && !m->named && hoy_volume_remove(c->room->options.volumes, m->name, &err) < 0 &&
			err.errnum != EBUSY && err.errnum != ENOENT)
			hoy_log_ignored(&err, "container '%s': remove volume", c->info.id);
	}
}

/* --- the image's content ---------------------------------------------------------------------- */

struct copying {
	struct hoy_container *container;
	struct hoy_files_run *run;
	size_t next; /* mount to look at */
	char *mark;  /* beside the volume's data while it is being filled */
	void (*done)(struct hoy_container *c, const struct hoy_err *err);
};

/* Is there anything to copy: does the image have that directory? Then whether it can be done now. */
static bool has_content(char *const *layers, const struct hoy_container_mount_info *m)
{
	struct stat st;

	return m->copy && is_volume(m) && hoy_layered_stat(layers, m->destination, &st) >= 0 && S_ISDIR(st.st_mode);
}

static bool is_ready(const struct hoy_container *c, const struct hoy_container_mount_info *m)
{
	const struct hoy_volume_info *volume;

	return hoy_volumes_find(c->room->options.volumes, m->name, &volume, NULL) >= 0 && hoy_volume_is_ready(volume);
}

/* True at the next mount to be filled; what is not mounted yet is filled after it was mounted. */
static bool find_next(struct copying *copying, char *const *layers)
{
	struct hoy_container *c = copying->container;

	for (; copying->next < c->info.n_mounts; copying->next++) {
		struct hoy_container_mount_info *m = &c->info.mounts[copying->next];

		if (!has_content(layers, m))
			m->copy = false;
		else if (is_ready(c, m))
			return true;
	}
	return false;
}

static void print_copy_request(struct hoy_buf *request, char *const *layers, const char *path, bool resumed)
{
	struct hoy_json_writer w = { .buf = request };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "copy");
	hoy_json_array(&w, "fds");
	hoy_json_add_string(&w, NULL, "target");
	hoy_json_end(&w);
	hoy_json_add_strv(&w, "layers", layers);
	hoy_json_add_string(&w, "path", path);
	hoy_json_add_bool(&w, "only_if_empty", !resumed);
	hoy_json_end(&w);
}

static void copy_next(struct copying *copying);

static void end_copying(struct copying *copying, const struct hoy_err *err)
{
	struct hoy_container *c = copying->container;
	void (*done)(struct hoy_container *, const struct hoy_err *) = copying->done;
	struct hoy_err own = {};

	if (err)
		own = *err;
	hoy_files_run_free(copying->run);
	free(copying->mark);
	free(copying);
	c->copying = NULL;
	done(c, err ? &own : NULL);
}

static void on_copied(const struct hoy_err *err, void *userdata)
{
	struct copying *copying = userdata;
	struct hoy_container *c = copying->container;
	struct hoy_err own = {};

	if (err) {
		own = *err;
		hoy_err_wrap(&own, "copy the image's content of '%s' into its volume",
			c->info.mounts[copying->next].destination);
		end_copying(copying, &own);
		return;
	}
	copying->run = hoy_files_run_free(copying->run);
	(void) unlink(copying->mark);
	free(copying->mark);
	copying->mark = NULL;
	c->info.mounts[copying->next++].copy = false;
	copy_next(copying);
}

/* A mark beside the data says that it is not complete: a copy that a crash ended is done again, over what is there. */
static int start_copy(struct copying *copying, char *const *layers, struct hoy_err *err)
{
	const struct hoy_container_mount_info *m = &copying->container->info.mounts[copying->next];
	auto_(hoy_buf_done) struct hoy_buf request = {};
	const struct hoy_volume_info *volume;
	auto_fd int target = -EBADF, mark = -EBADF;
	bool resumed;
	int r = hoy_volumes_find(copying->container->room->options.volumes, m->name, &volume, err);

	if (r < 0)
		return r;
	copying->mark = hoy_str_printf("%s/../_filling", volume->mountpoint);
	if (!copying->mark)
		return hoy_err_oom(err);
	resumed = access(copying->mark, F_OK) == 0;
	target = open(hoy_volume_source(volume), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return hoy_err_sys(err, "open volume '%s'", m->name);
	print_copy_request(&request, layers, m->destination, resumed);
	r = hoy_buf_check(&request, "request", err);
	if (r < 0)
		return r;
	mark = open(copying->mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (mark < 0)
		return hoy_err_sys(err, "mark volume '%s'", m->name);
	return hoy_files_run_start(
		&(struct hoy_files_run_options){ .volumes = copying->container->room->options.volumes,
			.request = &request,
			.fds = &target,
			.n_fds = 1,
			.done = on_copied,
			.userdata = copying },
		&copying->run, err);
}

static void copy_next(struct copying *copying)
{
	struct hoy_container *c = copying->container;
	auto_ptr(hoy_strv_free) char **layers = NULL;
	struct hoy_err err = {};
	int r = hoy_layers_paths(c->room->options.images, c->chain_id, &layers, &err);

	if (r >= 0 && find_next(copying, layers)) {
		r = start_copy(copying, layers, &err);
		if (r >= 0)
			return;
	}
	if (r >= 0) { /* what was copied is not copied again at the next start */
		if (print_row(c, &err) < 0)
			hoy_log_ignored(&err, "container '%s': mounts not saved", c->info.id);
		end_copying(copying, NULL);
	} else {
		end_copying(copying, &err);
	}
}

bool hoy_container_volumes_want_content(const struct hoy_container *c)
{
	for (size_t i = 0; i < c->info.n_mounts; i++)
		if (c->info.mounts[i].copy)
			return true;
	return false;
}

void hoy_container_volumes_fill(
	struct hoy_container *c, void (*done)(struct hoy_container *c, const struct hoy_err *err))
{
	struct copying *copying = calloc(1, sizeof *copying);
	struct hoy_err err = {};

	if (!copying) {
		(void) hoy_err_oom(&err);
		done(c, &err);
		return;
	}
	*copying = (struct copying){ .container = c, .done = done };
	c->copying = copying;
	copy_next(copying);
}

static void close_sources(struct hoy_container *c)
{
	for (size_t i = 0; i < c->n_source_fds; i++)
		hoy_fd_close(&c->source_fds[i]);
	free(c->source_fds);
	c->source_fds = NULL;
	c->n_source_fds = 0;
}

void hoy_container_volumes_free(struct hoy_container *c)
{
	struct copying *copying = c->copying;

	if (copying) {
		hoy_files_run_free(copying->run);
		free(copying->mark);
		free(copying);
	}
	c->copying = NULL;
	hoy_strv_free(c->new_volumes);
	close_sources(c);
}

/* --- while it runs ---------------------------------------------------------------------------- */

static void tell(struct hoy_container *c, const struct hoy_container_mount_info *m, const char *action)
{
	auto_ptr(hoy_strv_free) char **attributes = NULL;

	(void) hoy_strv_addf(&attributes, "container=%s", c->info.id);
	(void) hoy_strv_addf(&attributes, "driver=%s", m->driver);
	if (strcmp(action, "mount") == 0) {
		(void) hoy_strv_addf(&attributes, "destination=%s", m->destination);
		(void) hoy_strv_addf(&attributes, "propagation=%s", m->propagation);
		(void) hoy_strv_addf(&attributes, "read/write=%s", m->rw ? "true" : "false");
	}
	hoy_volumes_tell(c->room->options.volumes, action, m->name, attributes);
}

static void mount_next(struct hoy_container *c);

static void on_mounted(void *userdata, const struct hoy_err *err)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};

	if (err) {
		void (*done)(struct hoy_container *, const struct hoy_err *) = c->mounts_done;

		own = *err;
		done(c, &own);
		return;
	}
	tell(c, &c->info.mounts[c->n_mounted], "mount");
	c->n_mounted++;
	mount_next(c);
}

static void mount_next(struct hoy_container *c)
{
	while (c->n_mounted < c->info.n_mounts && !is_volume(&c->info.mounts[c->n_mounted]))
		c->n_mounted++;
	if (c->n_mounted < c->info.n_mounts)
		hoy_volume_mount(c->room->options.volumes, c->info.mounts[c->n_mounted].name, on_mounted, c);
	else
		c->mounts_done(c, NULL);
}

void hoy_container_volumes_mount(
	struct hoy_container *c, void (*done)(struct hoy_container *c, const struct hoy_err *err))
{
	c->n_mounted = 0;
	c->mounts_done = done;
	mount_next(c);
}

void hoy_container_volumes_taken_up(struct hoy_container *c)
{
	for (c->n_mounted = 0; c->n_mounted < c->info.n_mounts; c->n_mounted++)
		if (is_volume(&c->info.mounts[c->n_mounted]))
			hoy_volume_mounted(c->room->options.volumes, c->info.mounts[c->n_mounted].name);
}

void hoy_container_volumes_unmount(struct hoy_container *c)
{
	for (size_t i = 0; i < c->n_mounted && i < c->info.n_mounts; i++) {
		if (!is_volume(&c->info.mounts[i]))
			continue;
		hoy_volume_unmount(c->room->options.volumes, c->info.mounts[i].name);
		tell(c, &c->info.mounts[i], "unmount");
	}
	c->n_mounted = 0;
	close_sources(c);
}

/* --- what is mounted -------------------------------------------------------------------------- */

/* A directory inside the volume, as its descriptor of ours: no name in it can be changed meanwhile. */
static int open_subpath(struct hoy_container *c, const struct hoy_container_mount_info *m, const char *source,
	char **ret, struct hoy_err *err)
{
	auto_fd int volume = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
	int *grown;

	if (volume < 0)
		return hoy_err_sys(err, "open volume '%s'", m->name);
	fd = hoy_path_open_in_root(volume, m->subpath, O_PATH, 0, NULL);
	if (fd < 0)
		return hoy_err_code(err, fd, "cannot access path %s/%s", m->source, m->subpath);
	grown = reallocarray(c->source_fds, c->n_source_fds + 1, sizeof *grown);
	*ret = grown ? hoy_str_printf("/proc/%d/fd/%d", (int) getpid(), fd) : NULL;
	if (grown)
		c->source_fds = grown;
	if (!*ret)
		return hoy_err_oom(err);
	c->source_fds[c->n_source_fds++] = TAKE_FD(fd);
	return 0;
}

int hoy_container_mount_source(
	struct hoy_container *c, const struct hoy_container_mount_info *m, char **ret, struct hoy_err *err)
{
	const struct hoy_volume_info *volume;
	const char *source = m->source;
	int r = 0;

	if (is_volume(m)) {
		r = hoy_volumes_find(c->room->options.volumes, m->name, &volume, err);
		if (r < 0)
			return r;
		source = hoy_volume_source(volume);
		if (access(source, F_OK) < 0)
			return hoy_err_sys(err,
				"error while mounting volume '%s': failed to mount local volume: mount %s:%s, flags: 0x1000",
				volume->mountpoint, source, volume->mountpoint);
		if (m->subpath)
			return open_subpath(c, m, source, ret, err);
	}
	*ret = strdup(source);
	return *ret ? 0 : hoy_err_oom(err);
}

bool hoy_container_mount_is_read_only(struct hoy_container *c, const struct hoy_container_mount_info *m)
{
	const struct hoy_volume_info *volume;

	return !m->rw || (is_volume(m) && hoy_volumes_find(c->room->options.volumes, m->name, &volume, NULL) >= 0 &&
				 hoy_volume_is_read_only(volume));
}
