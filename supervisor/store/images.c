/* The tables of images and their queries. */
#include "supervisor/store/images.h"

#include "base/defs.h"
#include "supervisor/store/store.h"

static const char *const steps[] = {
	"CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE layers (number INTEGER PRIMARY KEY, chain_id TEXT NOT NULL UNIQUE, diff_id TEXT NOT NULL,"
	" parent TEXT NOT NULL, size INTEGER NOT NULL) STRICT;"
	"CREATE TABLE images (id TEXT PRIMARY KEY, media_type TEXT NOT NULL, manifest TEXT NOT NULL,"
	" config TEXT NOT NULL, chain_id TEXT NOT NULL, parent TEXT NOT NULL, created INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE image_blobs (image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,"
	" digest TEXT NOT NULL REFERENCES blobs (digest), PRIMARY KEY (image, digest)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX image_blobs_by_digest ON image_blobs (digest);"
	"CREATE TABLE image_names (reference TEXT PRIMARY KEY,"
	" image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE, tagged INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE INDEX image_names_by_image ON image_names (image);",
};

int hoy_store_images_migrate(struct hoy_store *store, struct hoy_err *err)
{
	return hoy_store_migrate(store, "images", steps, ARRAY_LEN(steps), err);
}

int hoy_store_image_add(struct hoy_store *store, const struct hoy_store_image *image, struct hoy_err *err)
{
	return hoy_store_exec(store, err,
		"INSERT INTO images (id, media_type, manifest, config, chain_id, parent, created)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		"tttttti", image->id, image->media_type, image->manifest, image->config, image->chain_id, image->parent,
		image->created);
}

int hoy_store_image_delete(struct hoy_store *store, const char *id, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "DELETE FROM images WHERE id = ?1", "t", id);
}

int hoy_store_blob_add(struct hoy_store *store, const char *digest, int64_t size, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "INSERT INTO blobs (digest, size) VALUES (?1, ?2)", "ti", digest, size);
}

int hoy_store_blob_delete(struct hoy_store *store, const char *digest, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "DELETE FROM blobs WHERE digest = ?1", "t", digest);
}

int hoy_store_image_blob_add(struct hoy_store *store, const char *image, const char *digest, struct hoy_err *err)
{
	return hoy_store_exec(
		store, err, "INSERT INTO image_blobs (image, digest) VALUES (?1, ?2)", "tt", image, digest);
}

int hoy_store_layer_add(struct hoy_store *store, const struct hoy_store_layer *layer, struct hoy_err *err)
{
	return hoy_store_exec(store, err,
		"INSERT INTO layers (number, chain_id, diff_id, parent, size) VALUES (?1, ?2, ?3, ?4, ?5)", "ittti",
		layer->number, layer->chain_id, layer->diff_id, layer->parent, layer->size);
}

int hoy_store_layer_delete(struct hoy_store *store, int64_t number, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "DELETE FROM layers WHERE number = ?1", "i", number);
}

int hoy_store_name_set(struct hoy_store *store, const struct hoy_store_name *name, struct hoy_err *err)
{
	return hoy_store_exec(store, err,
		"INSERT INTO image_names (reference, image, tagged) VALUES (?1, ?2, ?3)"
		" ON CONFLICT (reference) DO UPDATE SET image = excluded.image, tagged = excluded.tagged",
		"tti", name->reference, name->image, name->tagged);
}

int hoy_store_name_delete(struct hoy_store *store, const char *reference, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "DELETE FROM image_names WHERE reference = ?1", "t", reference);
}

int hoy_store_images_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_image *image, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store, "SELECT id, media_type, manifest, config, chain_id, parent, created FROM images");
	while ((r = hoy_query_next(&q, err)) > 0) {
		const struct hoy_store_image image = {
			.id = hoy_query_text(&q, 0),
			.media_type = hoy_query_text(&q, 1),
			.manifest = hoy_query_text(&q, 2),
			.config = hoy_query_text(&q, 3),
			.chain_id = hoy_query_text(&q, 4),
			.parent = hoy_query_text(&q, 5),
			.created = hoy_query_i64(&q, 6),
		};

		r = row(&image, userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}

int hoy_store_blobs_each(struct hoy_store *store,
	int (*row)(const char *digest, int64_t size, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store, "SELECT digest, size FROM blobs");
	while ((r = hoy_query_next(&q, err)) > 0) {
		r = row(hoy_query_text(&q, 0), hoy_query_i64(&q, 1), userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}

int hoy_store_image_blobs_each(struct hoy_store *store,
	int (*row)(const char *image, const char *digest, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store, "SELECT image, digest FROM image_blobs ORDER BY image");
	while ((r = hoy_query_next(&q, err)) > 0) {
		r = row(hoy_query_text(&q, 0), hoy_query_text(&q, 1), userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* A layer's parent is always made before it, so it has the lower number. */
int hoy_store_layers_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_layer *layer, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store, "SELECT number, chain_id, diff_id, parent, size FROM layers ORDER BY number");
	while ((r = hoy_query_next(&q, err)) > 0) {
		const struct hoy_store_layer layer = {
			.number = hoy_query_i64(&q, 0),
			.chain_id = hoy_query_text(&q, 1),
			.diff_id = hoy_query_text(&q, 2),
			.parent = hoy_query_text(&q, 3),
			.size = hoy_query_i64(&q, 4),
		};

		r = row(&layer, userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}

int hoy_store_names_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_name *name, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store, "SELECT reference, image, tagged FROM image_names ORDER BY reference");
	while ((r = hoy_query_next(&q, err)) > 0) {
		const struct hoy_store_name name = {
			.reference = hoy_query_text(&q, 0),
			.image = hoy_query_text(&q, 1),
			.tagged = hoy_query_i64(&q, 2),
		};

		r = row(&name, userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}
