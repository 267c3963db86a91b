/* A create request becomes a container: files first, then the rows in one bracket, then the answer after the commit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/container/cdi.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/links.h"
#include "supervisor/image/image.h"
#include "supervisor/network/network.h"
#include "supervisor/store/containers.h"
#include "supervisor/store/store.h"

struct hoy_creation {
	struct hoy_container *container;
	char **warnings;
	hoy_container_created done;
	void *userdata;
};

static void creation_free(struct hoy_creation *creation)
{
	hoy_strv_free(creation->warnings);
	free(creation);
}

/* --- name and ID ------------------------------------------------------------------------------ */

static int take_name(struct hoy_containers *room, const char *wanted, char **ret, struct hoy_err *err)
{
	const struct hoy_container *other;
	int r;

	if (*wanted == '/')
		wanted++;
	r = hoy_container_name_check(wanted, err);
	if (r < 0)
		return r;
	other = hoy_containers_by_name(room, wanted);
	if (other)
		return hoy_err_conflict(err,
			"Conflict. The container name \"/%s\" is already in use by container \"%s\". "
			"You have to remove (or rename) that container to be able to reuse that name.",
			wanted, other->info.id);
	*ret = strdup(wanted);
	return *ret ? 0 : hoy_err_oom(err);
}

static int make_up_name(struct hoy_containers *room, char **ret, struct hoy_err *err)
{
	for (unsigned int attempt = 0; attempt < 1000; attempt++) {
		auto_free char *name = hoy_container_name_random(attempt);

		if (!name)
			return hoy_err_oom(err);
		if (!hoy_containers_by_name(room, name)) {
			*ret = TAKE_PTR(name);
			return 0;
		}
	}
	return hoy_err_conflict(err, "no free name was found: give one with --name");
}

/* 64 hex digits; the first 12, which become a hostname, are not all decimal. */
static void make_id(char id[65])
{
	unsigned char bytes[32];

	do {
		hoy_random(bytes, sizeof bytes);
		hoy_hex(bytes, sizeof bytes, id);
	} while (strspn(id, "0123456789") >= 12);
}

/* --- the parts ---------------------------------------------------------------------------------- */

static int resolve_base(struct hoy_container *c, const struct hoy_container_base *base, struct hoy_err *err)
{
	const struct hoy_oci_image_config nothing = {};

	c->info.image_id = strdup(base->image_id);
	c->chain_id = strdup(base->chain_id);
	if (!c->info.image_id || !c->chain_id)
		return hoy_err_oom(err);
	return hoy_container_config_complete(c->config, &nothing, c->info.id, err);
}

static int resolve_image(struct hoy_container *c, const struct hoy_container_base *base, struct hoy_err *err)
{
	const struct hoy_oci_image_config *image_config;
	const struct hoy_image *image;
	int r;

	if (base)
		return resolve_base(c, base, err);
	r = hoy_images_find(c->room->options.images, c->config->image, &image, err);

	if (r >= 0)
		r = hoy_image_config(c->room->options.images, image, &image_config, err);
	if (r < 0)
		return r;
	c->info.image_id = strdup(image->id);
	c->chain_id = strdup(image->chain_id);
	if (!c->info.image_id || !c->chain_id)
		return hoy_err_oom(err);
	return hoy_container_config_complete(c->config, image_config, c->info.id, err);
}

static int new_container(struct hoy_containers *room, const struct hoy_container_base *base, const char *name,
	struct hoy_container_config *config, struct hoy_container **ret, struct hoy_err *err)
{
	struct hoy_container *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return hoy_err_oom(err);
	*ret = c;
	c->room = room;
	c->config = config;
	c->info.created = hoy_now();
	c->info.error = strdup("");
	make_id(c->info.id);
	r = c->info.error ? 0 : hoy_err_oom(err);
	if (r >= 0)
		r = name && *name ? take_name(room, name, &c->info.name, err) : make_up_name(room, &c->info.name, err);
	if (r >= 0)
		r = hoy_container_links_resolve(c, err);
	if (r >= 0)
		r = hoy_container_shared_check(c, err);
	if (r >= 0)
		r = hoy_container_modules_check(c, err);
	if (r >= 0)
		r = hoy_container_secrets_resolve(c, err);
	if (r >= 0)
		r = hoy_device_requests_resolve(&config->host, err);
	if (r >= 0)
		r = resolve_image(c, base, err);
	return r < 0 ? r : hoy_container_derive(c, err);
}

static int insert_row(struct hoy_container *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_container_row row = {
		.id = c->info.id,
		.name = c->info.name,
		.image_id = c->info.image_id,
		.chain_id = c->chain_id,
		.created = hoy_timespec_to_ns(&c->info.created),
		.status = hoy_container_status_to_string(c->info.status),
		.error = "",
	};
	int r = hoy_container_config_print(c->config, &buf, err);

	if (r < 0)
		return r;
	row.config = buf.data;
	return hoy_store_container_insert(c->room->options.store, &row, err);
}

static int write_rows(struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_store *store = c->room->options.store;
	int r = hoy_store_begin(store, err);

	if (r < 0)
		return r;
	r = insert_row(c, err);
	if (r >= 0)
		r = hoy_container_volumes_choose(c, err);
	if (r >= 0)
		r = hoy_container_bind_sources_make(c, err);
	if (r >= 0)
		r = hoy_container_allocate_networks(c, err);
	if (r < 0) {
		hoy_store_rollback(store);
		return r;
	}
	return hoy_store_commit(store, err);
}

/* --- together -------------------------------------------------------------------------------------- */

static void take_back(struct hoy_container *c)
{
	hoy_container_volumes_take_back(c);
	hoy_container_files_remove(c);
	hoy_container_release_layers(c);
}

static void on_filled(struct hoy_container *c, const struct hoy_err *err)
{
	struct hoy_creation *creation = TAKE_PTR(c->creation);

	c->files_busy = false;
	hoy_container_publish(c, "create", NULL);
	creation->done(creation->userdata, err, err ? NULL : c->info.id, creation->warnings);
	creation_free(creation);
	if (err) /* the request has failed: nothing of it stays */
		hoy_container_remove_now(c);
	hoy_ops_retry(c);
}

static void on_committed(void *userdata, const struct hoy_err *err)
{
	struct hoy_creation *creation = userdata;
	struct hoy_container *c = creation->container;

	if (err) {
		creation->done(creation->userdata, err, NULL, creation->warnings);
		hoy_containers_drop(c->room, c);
		take_back(c);
		hoy_container_free(c);
		creation_free(creation);
		return;
	}
	hoy_container_volumes_created(c);
	c->creation = creation;
	c->files_busy = true;
	if (hoy_container_volumes_want_content(c))
		hoy_container_volumes_fill(c, on_filled);
	else
		on_filled(c, NULL);
}

/* Everything that may fail, in order; what was done is undone backwards. */
static int create(struct hoy_container *c, struct hoy_creation *creation, struct hoy_err *err)
{
	struct hoy_containers *room = c->room;
	int r = hoy_container_hold_layers(c, err);

	if (r < 0)
		return r;
	r = hoy_container_files_make(c, err);
	if (r >= 0)
		r = write_rows(c, err);
	if (r >= 0)
		r = hoy_containers_add(room, c, err);
	if (r >= 0) {
		r = hoy_store_after_commit(room->options.store, on_committed, creation, err);
		if (r < 0)
			hoy_containers_drop(room, c);
	}
	if (r < 0)
		take_back(c);
	return r;
}

int hoy_container_create_on(struct hoy_containers *room, const struct hoy_container_base *base, const char *name,
	struct hoy_container_config *config, hoy_container_created done, void *userdata, struct hoy_err *err)
{
	struct hoy_creation *creation = calloc(1, sizeof *creation);
	struct hoy_container *c = NULL;
	int r;

	if (!creation)
		return hoy_err_oom(err);
	creation->done = done;
	creation->userdata = userdata;
	creation->warnings = calloc(1, sizeof *creation->warnings);
	if (!creation->warnings) {
		creation_free(creation);
		return hoy_err_oom(err);
	}
	r = new_container(room, base, name, config, &c, err);
	if (r >= 0) {
		creation->container = c;
		r = create(c, creation, err);
	}
	if (r < 0) {
		if (c)
			c->config = NULL; /* still the caller's */
		hoy_container_free(c);
		creation_free(creation);
	}
	return r;
}

void hoy_creation_cancel(struct hoy_container *c, const struct hoy_err *err)
{
	struct hoy_creation *creation = TAKE_PTR(c->creation);

	if (!creation)
		return;
	creation->done(creation->userdata, err, NULL, creation->warnings);
	creation_free(creation);
}

int hoy_container_rename(struct hoy_containers *room, const char *ref, const char *name, hoy_container_done done,
	void *userdata, struct hoy_err *err)
{
	auto_free char *taken = NULL, *old = NULL;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r >= 0)
		r = take_name(room, name, &taken, err);
	if (r >= 0)
		r = hoy_store_container_rename(room->options.store, c->info.id, taken, err);
	if (r < 0)
		return r;
	old = c->info.name;
	c->info.name = TAKE_PTR(taken);
	hoy_network_renamed(room->options.networks, c->info.id);
	{
		auto_free char *attribute = hoy_str_printf("oldName=/%s", old);
		char *const attributes[] = { attribute, NULL };

		hoy_container_publish(c, "rename", attributes);
	}
	hoy_done_later(room, done, userdata, NULL);
	return 0;
}
