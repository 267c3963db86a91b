/* Removing an image, by docker's rules: what conflicts, what is forced, what is said. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/image/image_internal.h"
#include "libocispec/reference.h"
#include "supervisor/store/store.h"

#define SHORT_ID 12

struct removal {
	struct hoy_images *images;
	struct image *image;
	bool force;
	struct hoy_image_removed *removed;
	size_t n_removed;
};

void hoy_image_removed_free(struct hoy_image_removed *removed, size_t n)
{
	for (size_t i = 0; removed && i < n; i++) {
		free(removed[i].untagged);
		free(removed[i].deleted);
	}
	free(removed);
}

static const char *short_id(const char *id)
{
	return id + strlen("sha256:");
}

static int record(struct removal *rm, char *untagged, char *deleted, struct hoy_err *err)
{
	struct hoy_image_removed *more = reallocarray(rm->removed, rm->n_removed + 1, sizeof *more);

	if (more)
		rm->removed = more;
	if (!more || (!untagged && !deleted)) {
		free(untagged);
		free(deleted);
		return hoy_err_oom(err);
	}
	rm->removed[rm->n_removed++] = (struct hoy_image_removed){ .untagged = untagged, .deleted = deleted };
	return 0;
}

static int untag(struct removal *rm, struct name *name, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	int r = hoy_reference_parse(name->reference, &ref, err);

	if (r == 0)
		r = record(rm, hoy_reference_familiar(&ref), /* deleted= */ NULL, err);
	return r < 0 ? r : hoy_images_name_delete(rm->images, name, err);
}

/* A name of the image, after the `skip` first ones; NULL: there are no more. */
static struct name *name_of(const struct removal *rm, size_t skip)
{
	for (size_t i = 0; i < rm->images->n_names; i++)
		if (rm->images->names[i]->image == rm->image && skip-- == 0)
			return rm->images->names[i];
	return NULL;
}

static int untag_all(struct removal *rm, struct hoy_err *err)
{
	struct name *name;
	int r = 0;

	while (r == 0 && (name = name_of(rm, 0)))
		r = untag(rm, name, err);
	return r;
}

static size_t name_len(const char *reference)
{
	const char *at = strchr(reference, '@'), *slash = strrchr(reference, '/');
	const char *colon = strchr(slash ? slash : reference, ':');

	if (at && (!colon || at < colon))
		colon = at;
	return colon ? (size_t) (colon - reference) : strlen(reference);
}

static bool same_repository(const char *a, const char *b)
{
	size_t len = name_len(a);

	return len == name_len(b) && strncmp(a, b, len) == 0;
}

/* At most one tag, and all names in one repository. */
static bool is_single_reference(const struct removal *rm)
{
	const struct name *first = name_of(rm, 0), *name;
	size_t tags = 0;

	for (size_t i = 0; (name = name_of(rm, i)); i++) {
		if (!strchr(name->reference, '@'))
			tags++;
		if (tags > 1 || !same_repository(first->reference, name->reference))
			return false;
	}
	return true;
}

static struct hoy_image_user user_of(const struct removal *rm)
{
	struct hoy_image_user user = { 0 };

	if (rm->images->options.in_use)
		rm->images->options.in_use(rm->image->pub.id, &user, rm->images->options.userdata);
	return user;
}

static int conflict(const struct removal *rm, bool hard, struct hoy_err *err, const char *why, const char *container)
{
	return hoy_err_conflict(err, "conflict: unable to delete %.*s (%s) - %s%s", SHORT_ID,
		short_id(rm->image->pub.id), hard ? "cannot be forced" : "must be forced", why, container);
}

/* 0: it may go. `names` counts an image with several names as in use. */
static int check_conflict(const struct removal *rm, bool names, struct hoy_err *err)
{
	struct hoy_image_user user = user_of(rm);

	if (*user.container && user.running)
		return conflict(rm, true, err, "image is being used by running container ", user.container);
	if (rm->force)
		return 0;
	if (names && name_of(rm, 1))
		return conflict(rm, false, err, "image is referenced in multiple repositories", "");
	if (*user.container)
		return conflict(rm, false, err, "image is being used by stopped container ", user.container);
	return 0;
}

static int delete_image(struct removal *rm, struct hoy_err *err)
{
	int r = untag_all(rm, err);

	if (r == 0)
		r = record(rm, /* untagged= */ NULL, strdup(rm->image->pub.id), err);
	return r < 0 ? r : hoy_images_delete(rm->images, rm->image, err);
}

/* When the last tag of a repository goes, its digests go with it. */
static int untag_digests(struct removal *rm, const char *reference, struct hoy_err *err)
{
	struct name *name, *digest = NULL;
	int r;

	for (size_t i = 0; (name = name_of(rm, i)); i++)
		if (same_repository(name->reference, reference)) {
			if (!strchr(name->reference, '@'))
				return 0;
			digest = name;
		}
	if (!digest)
		return 0;
	r = untag(rm, digest, err);
	return r < 0 ? r : untag_digests(rm, reference, err);
}

static int remove_name(struct removal *rm, struct name *name, const char *shown, struct hoy_err *err)
{
	auto_free char *reference = strdup(name->reference);
	struct hoy_image_user user = user_of(rm);
	int r;

	if (!reference)
		return hoy_err_oom(err);
	if (!rm->force && is_single_reference(rm) && *user.container)
		return hoy_err_conflict(err,
			"conflict: unable to remove repository reference \"%s\" (must force) - container %s is using its "
			"referenced image %.*s",
			shown, user.container, SHORT_ID, short_id(rm->image->pub.id));
	r = untag(rm, name, err);
	if (r == 0 && !strchr(reference, '@'))
		r = untag_digests(rm, reference, err);
	if (r < 0 || name_of(rm, 0))
		return r;
	/* The name is gone; that a container keeps the image itself is no failure then. */
	if (check_conflict(rm, /* names= */ false, /* err= */ NULL) < 0)
		return 0;
	return delete_image(rm, err);
}

static int remove_id(struct removal *rm, struct hoy_err *err)
{
	int r = check_conflict(rm, !is_single_reference(rm), err);

	return r < 0 ? r : delete_image(rm, err);
}

/* The same events as there are entries in the answer. */
static void tell_removed(const struct removal *rm, const char *id)
{
	for (size_t i = 0; i < rm->n_removed; i++)
		if (rm->removed[i].deleted)
			hoy_images_tell(rm->images, "delete", id, id);
		else
			hoy_images_tell(rm->images, "untag", id, id);
}

int hoy_images_remove(struct hoy_images *images, const char *name, bool force, struct hoy_image_removed **ret,
	size_t *ret_n, struct hoy_err *err)
{
	struct removal rm = { .images = images, .force = force };
	auto_free char *id = NULL;
	struct name *row = NULL;
	int r = hoy_images_lookup(images, name, &rm.image, &row, err);

	if (r < 0)
		return r;
	id = strdup(rm.image->pub.id);
	if (!id)
		return hoy_err_oom(err);
	r = hoy_store_begin(images->options.store, err);
	if (r < 0)
		return r;
	r = row ? remove_name(&rm, row, name, err) : remove_id(&rm, err);
	if (r < 0)
		hoy_store_rollback(images->options.store);
	else
		r = hoy_store_commit(images->options.store, err);
	if (r < 0) {
		if (rm.n_removed > 0)
			hoy_images_model_reload(images);
		hoy_image_removed_free(rm.removed, rm.n_removed);
		return r;
	}
	tell_removed(&rm, id);
	*ret = rm.removed;
	*ret_n = rm.n_removed;
	return 0;
}
