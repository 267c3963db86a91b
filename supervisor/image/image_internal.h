/*
 * The room's own view: the model in memory, which equals the store's rows plus what jobs are about to add, and the
 * directories. Blobs and layers are counted by those who need them; what nobody needs goes.
 */
#ifndef HOY_SUPERVISOR_IMAGE_IMAGE_INTERNAL_H
#define HOY_SUPERVISOR_IMAGE_IMAGE_INTERNAL_H

#include "base/fd.h"
#include "supervisor/image/image.h"

struct hoy_layer_run;

struct blob {
	char *digest;
	int64_t size;
	unsigned int refs;   /* images and jobs */
	unsigned int images; /* for usage.c alone: images that need it */
	bool stored;         /* has a row */
};

struct layer {
	int64_t number; /* its directory's name */
	char *chain_id, *diff_id;
	struct layer *parent; /* NULL: a base layer. Counts as a user of it */
	int64_t size;
	unsigned int refs;   /* images, jobs, layers above */
	unsigned int holds;  /* hoy_layers_hold() */
	unsigned int images; /* for usage.c alone: images that need it */
	bool stored;
};

struct image {
	struct hoy_image pub; /* first */
	struct layer *top;    /* NULL: no layers */
	struct blob **blobs;
	size_t n_blobs;
	struct hoy_oci_image_config *doc; /* NULL: not read yet */
};

struct name {
	char *reference; /* normalised, with tag or digest */
	struct image *image;
	int64_t tagged;
};

struct event {
	const char *action; /* literal */
	char *id, *name;
};

struct hoy_images {
	struct hoy_images_options options;
	int root_fd, layers_fd, blobs_fd, downloads_fd, tmp_fd, trash_fd; /* DATA_ROOT, l, blobs/sha256 ... */
	char *helper;                                                     /* path of hoy-layer */

	struct blob **blobs;
	size_t n_blobs;
	struct layer **layers;
	size_t n_layers;
	struct image **images;
	size_t n_images;
	struct name **names; /* sorted by reference */
	size_t n_names;

	int64_t next_layer;  /* number of the next layer's directory */
	uint64_t next_temp;  /* number of the next temporary name */
	bool commit_watched; /* an after-commit callback of ours is on its way */
	char **gone_blobs;   /* digests and directory names whose rows are gone, when that is committed */
	char **gone_layers;
	struct event *events; /* to be told when the writes of this turn are committed */
	size_t n_events;
	bool closing;
	char **plain_hosts;             /* insecure registries that spoke plain HTTP the last time */
	struct hoy_layer_run *remover;  /* empties the trash; NULL: nothing to do */
	bool trash_waits;               /* there is some that the remover has not seen */
	struct hoy_image_job *jobs;     /* all that run */
	struct hoy_ahead *aheads;       /* layers that are unpacked before their turn (unpack_ahead.h) */
	struct hoy_download *downloads; /* layers that a hoy-fetch writes (downloads.h) */
};

/* --- model.c: rows and memory --- */

int hoy_images_model_load(struct hoy_images *images, struct hoy_err *err);
void hoy_images_model_free(struct hoy_images *images);   /* at the end: jobs are over, nobody holds anything any more */
void hoy_images_model_reload(struct hoy_images *images); /* after a rollback; logs what fails */

struct image *hoy_images_by_id(struct hoy_images *images, const char *id);
struct blob *hoy_images_blob(struct hoy_images *images, const char *digest);
struct layer *hoy_images_layer(struct hoy_images *images, const char *chain_id);
struct name *hoy_images_name(struct hoy_images *images, const char *reference);

/* Finds or adds (not stored, no users yet). NULL when out of memory. */
struct blob *hoy_images_blob_add(struct hoy_images *images, const char *digest, int64_t size);
struct layer *hoy_images_layer_add(struct hoy_images *images, const char *chain_id, const char *diff_id,
	struct layer *parent, int64_t number, int64_t size);

/* What a job has made: given to hoy_images_add(). Borrowed. */
struct new_image {
	const char *id, *media_type, *manifest, *config, *parent;
	int64_t created;
	struct layer *top;
	struct blob **blobs;
	size_t n_blobs;
};

/* Writes the rows of an image with all blobs and layers that have none yet, and adds it to memory; one that is there
 * already is left as it is. Inside the caller's bracket. */
int hoy_images_add(struct hoy_images *images, const struct new_image *image, struct image **ret, struct hoy_err *err);
int hoy_images_delete(struct hoy_images *images, struct image *image, struct hoy_err *err);

/* Writes the rows of a layer and those below it that have none yet. Inside the caller's bracket. */
int hoy_images_layers_store(struct hoy_images *images, struct layer *layer, struct hoy_err *err);

/* Gives or takes a name, rows and memory. `reference` is normalised. */
int hoy_images_name_set(struct hoy_images *images, const char *reference, struct image *image, struct hoy_err *err);
int hoy_images_name_delete(struct hoy_images *images, struct name *name, struct hoy_err *err);

/* Users come and go. The last one's going deletes rows and, after the commit, files. */
void hoy_images_layer_ref(struct layer *layer);
void hoy_images_layer_unref(struct hoy_images *images, struct layer *layer);
void hoy_images_blob_ref(struct blob *blob);
void hoy_images_blob_unref(struct hoy_images *images, struct blob *blob);

/* To be called with every write: when it is committed the files of rows that are gone go too; when that failed,
 * memory is read again from the store. */
int hoy_images_watch_commit(struct hoy_images *images, struct hoy_err *err);

/* hoy_images_find() for the room: *ret_name is the row when `text` is a name that has one, NULL when it is an ID. */
int hoy_images_lookup(
	struct hoy_images *images, const char *text, struct image **ret, struct name **ret_name, struct hoy_err *err);

/* To be told with the commit of what was written before. `action` is a literal. */
void hoy_images_tell(struct hoy_images *images, const char *action, const char *id, const char *name);

/* "linux/arm/v7" (NULL or empty: the host's), whose system must be ours. *ret_arch is always given, *ret_variant when
 * the text has one. */
int hoy_images_parse_platform(const char *text, char **ret_arch, char **ret_variant, struct hoy_err *err);

/* --- files.c: directories --- */

int hoy_images_files_open(struct hoy_images *images, struct hoy_err *err);
void hoy_images_files_close(struct hoy_images *images);

/* Moves everything that no row and no job names into the trash. Only while no job runs. */
int hoy_images_files_sweep(struct hoy_images *images, struct hoy_err *err);

/* "3f" of a layer's number. */
#define LAYER_NAME_MAX 16
void hoy_images_layer_name(int64_t number, char ret[LAYER_NAME_MAX]);
bool hoy_images_layer_is_known(struct hoy_images *images, const char *name);

/* A new directory in `dir` ("tmp-<n>"); *ret_name is owned. */
int hoy_images_make_temp_dir(struct hoy_images *images, int dir, mode_t mode, char **ret_name, struct hoy_err *err);

/* A blob's whole content, at most 4 MiB: for documents. */
struct hoy_buf;
int hoy_images_read_blob(struct hoy_images *images, const char *digest, struct hoy_buf *buf, struct hoy_err *err);

/* Writes a document of ours as a blob file, if it is not there. */
int hoy_images_write_blob(
	struct hoy_images *images, const char *digest, const void *data, size_t len, struct hoy_err *err);

#endif
