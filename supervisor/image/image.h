/*
 * Images: the names, manifests and configs that hoyd knows, the blobs they consist of, and the layer directories that
 * containers stand on. Archives are taken apart by hoy-layer processes; hoyd itself reads only small JSON documents.
 *
 * What exists is in memory and in the store (supervisor/store/images.h), kept equal. hoy_images_tag() and _remove()
 * write rows: answer your client from hoy_store_after_commit(). A job's `done` and all events come after their commit.
 * Files are made before the commit and removed after it.
 *
 *	DATA_ROOT/blobs/sha256/<hex>   manifests, configs and layer blobs, byte for byte as they came
 *	DATA_ROOT/l/<short>            one unpacked layer (overlay lowerdir, whiteouts in the userxattr form)
 *	DATA_ROOT/downloads/<hex>      layers on their way, whole or in part; kept for a day
 *	DATA_ROOT/l/tmp-*, tmp/        work in progress; swept at open
 */
#ifndef HOY_SUPERVISOR_IMAGE_IMAGE_H
#define HOY_SUPERVISOR_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_images;
struct hoy_loop;
struct hoy_store;
struct hoy_oci_image_config; /* libocispec/image.h */
struct hoy_oci_image_run;

/* One image. Belongs to the room and is valid until the next call that changes images, or until the loop turns:
 * look it up again, or copy what is needed. Use ->id to remember it. */
struct hoy_image {
	char *id;            /* "sha256:<hex>": digest of the manifest or index that was loaded or made */
	char *media_type;    /* of what `id` names */
	char *manifest;      /* digest of this platform's manifest; equals `id` unless that is an index */
	char *config;        /* digest of the config blob */
	char *chain_id;      /* of all layers together: what a container holds (hoy_layers_hold()); "" without layers */
	char *parent;        /* "" or the ID this was made from */
	char **repo_tags;    /* familiar: "busybox:latest"; NULL-terminated, may be empty, never NULL */
	char **repo_digests; /* familiar: "busybox@sha256:..." */
	char **diff_ids;     /* base first */
	int64_t created;     /* from the config, nanoseconds since 1970; 0: not given */
	int64_t tagged;      /* last time it was named, ns; 0: never */
	int64_t size;        /* bytes: content blobs plus unpacked layers */
};

/* Why an image may not go; filled by `in_use`. */
struct hoy_image_user {
	char container[16]; /* short container ID; "" when nobody uses it */
	bool running;
};

/* How registries are spoken with, as daemon.json says it. Borrowed, and read anew for every transfer, so that a reload
 * counts. */
struct hoy_registry_settings {
	char *const *insecure; /* "host[:port]" or a network, "10.0.0.0/8"; localhost always is. NULL: none more */
	char *const *mirrors;  /* URLs, asked before docker.io itself; NULL: none */
	const char *http_proxy, *https_proxy, *no_proxy; /* NULL: none */
	const char *signature_policy;                    /* file (policy.h); NULL: the default one, if it is there */
	int64_t downloads, uploads, attempts;            /* at once; at each request. 0: the defaults 3, 5, 5 */
};

/* What an image that comes from outside may be at most, each of its layers for itself. 0: hoy-layer's defaults.
 * Borrowed and read anew, as above. */
struct hoy_image_limits {
	int64_t entries; /* files, directories and all else */
	int64_t bytes;   /* decompressed */
};

struct hoy_images_options {
	struct hoy_loop *loop;
	struct hoy_store *store;
	const char *data_root; /* absolute */
	const char *helper;    /* path of hoy-layer; NULL: looked for as programs look for their helpers */
	const struct hoy_registry_settings *registries; /* NULL: the defaults */
	const struct hoy_image_limits *limits;          /* NULL: the defaults */
	/* Asked before an image is deleted: does a container use it? A running one is to be preferred. May be NULL. */
	void (*in_use)(const char *image_id, struct hoy_image_user *ret, void *userdata);
	/* Told after a commit: "load", "import", "pull", "tag", "untag", "delete" of `image_id` under `name` (familiar
	 * reference or ID). May be NULL. */
	void (*event)(const char *action, const char *image_id, const char *name, void *userdata);
	void *userdata;
};

/* Makes the directories, sweeps unfinished work, reads all rows. Layers that no image names stay until
 * hoy_images_sweep(), so that the containers can hold theirs first. */
int hoy_images_open(const struct hoy_images_options *options, struct hoy_images **ret, struct hoy_err *err);
void hoy_images_free(struct hoy_images *images); /* cancels jobs; `done` is called with -ECANCELED */
HOY_DEFINE_AUTO_PTR(struct hoy_images, hoy_images_free);

/* in_use and event may be set after open, when the container room exists. */
void hoy_images_set_callbacks(struct hoy_images *images,
	void (*in_use)(const char *image_id, struct hoy_image_user *ret, void *userdata),
	void (*event)(const char *action, const char *image_id, const char *name, void *userdata), void *userdata);

/* Removes rows and files that neither an image nor a holder needs. Call once at start after the holds, cheap later. */
int hoy_images_sweep(struct hoy_images *images, struct hoy_err *err);

/*
 * Finds by reference ("web", "web:1", "web@sha256:..."), ID ("sha256:<hex>" or hex) or a unique prefix of its hex.
 * A name wins over a prefix. HOY_ERR_NOT_FOUND: "No such image: web:latest"; HOY_ERR_INVALID: not a reference, or an
 * ambiguous prefix.
 */
int hoy_images_find(struct hoy_images *images, const char *name, const struct hoy_image **ret, struct hoy_err *err);

/* The typed config, parsed on first use and kept. Belongs to the image. */
int hoy_image_config(struct hoy_images *images, const struct hoy_image *image, const struct hoy_oci_image_config **ret,
	struct hoy_err *err);

/* Is it of that platform, "os[/arch[/variant]]"? False for one that is no platform of ours. */
bool hoy_image_is_for(const struct hoy_oci_image_config *config, const char *platform);
/* Is there, of an index, content for other platforms than the one that is unpacked? */
int hoy_image_has_other_platforms(
	struct hoy_images *images, const struct hoy_image *image, bool *ret, struct hoy_err *err);

/* Bytes of each layer's unpacked content, base first. *ret is a heap array of as many as there are diff_ids. */
int hoy_image_layer_sizes(const struct hoy_image *image, int64_t **ret, struct hoy_err *err);

/* Of each image of a list (hoy_images_list()) the bytes that other images need too. *ret is a heap array. */
int hoy_images_shared_sizes(
	struct hoy_images *images, const struct hoy_image *const *list, size_t n, int64_t **ret, struct hoy_err *err);

/* Bytes of all blobs and unpacked layers. */
int64_t hoy_images_size(const struct hoy_images *images);

/* Filters of a list; NULL members don't filter. Several values of one filter: any of them (labels: all). */
struct hoy_image_filter {
	bool all; /* kept for callers: images without a name are always listed, there are no hidden ones */
	char *const *references; /* patterns */
	char *const *labels;     /* "key" or "key=value" */
	char *const *not_labels; /* none of these */
	const bool *dangling;    /* true: only images without a name; false: only named ones */
	const char *before;      /* made before that image */
	const char *since;
	int64_t until; /* made before that time, ns; 0: no filter */
};

/* Newest first. *ret is a heap array of borrowed images; the caller frees the array alone. */
int hoy_images_list(struct hoy_images *images, const struct hoy_image_filter *filter, const struct hoy_image ***ret,
	size_t *ret_n, struct hoy_err *err);

/*
 * Layers. A container holds the chain its image has, from its creation to its removal and again at every start of
 * hoyd: what is held is never removed, even when the image is. Directories come top first, as overlay's lowerdir wants
 * them, absolute and short ("DATA_ROOT/l/3F0X..."); never empty: an image without layers has one empty directory.
 */
int hoy_layers_hold(struct hoy_images *images, const char *chain_id, struct hoy_err *err);
void hoy_layers_release(struct hoy_images *images, const char *chain_id); /* removes what nobody needs any more */
int hoy_layers_paths(struct hoy_images *images, const char *chain_id, char ***ret, struct hoy_err *err);
/* Bytes of the unpacked layers together. */
int64_t hoy_layers_size(struct hoy_images *images, const char *chain_id);

/* Removes what is left of pulls that nobody goes on with, also what they might have gone on from. The bytes that are
 * free by that. */
int64_t hoy_images_drop_downloads(struct hoy_images *images);

/* Moves a file or directory (`name` in `dir`, on the data root's file system) into the trash, which hoy-layer empties
 * beside the loop, however large and deep it is. A missing one is fine; trouble is logged. */
void hoy_images_trash(struct hoy_images *images, int dir, const char *name);

/* Gives `image_id` the name `reference` (tag defaults to latest); moves it if another image has it. */
int hoy_images_tag(struct hoy_images *images, const char *name, const char *reference, struct hoy_err *err);

/* What a removal did, in order: "untagged" and "deleted" are as docker reports them, one of both per entry. */
struct hoy_image_removed {
	char *untagged; /* "busybox:latest" */
	char *deleted;  /* "sha256:..." of the image */
};
void hoy_image_removed_free(struct hoy_image_removed *removed, size_t n);

/*
 * Docker's rules: a name of an image with several names is taken away alone; the last one deletes the image. An ID with
 * several names in different repositories needs `force` (HOY_ERR_CONFLICT). An image that a running container uses is
 * never deleted, one that a stopped container uses only with `force` (its layers stay while they are held).
 */
int hoy_images_remove(struct hoy_images *images, const char *name, bool force, struct hoy_image_removed **ret,
	size_t *ret_n, struct hoy_err *err);

/* --- work that takes time --- */

struct hoy_image_job;

struct hoy_image_progress {
	const char *id;     /* short layer ID; NULL: about the whole */
	const char *status; /* "Loading layer" */
	int64_t current;
	int64_t total;   /* 0: unknown */
	bool is_message; /* a line of its own, not the state of `id` */
	const char *aux; /* JSON text for programs instead of all that; NULL: none */
};

struct hoy_image_result {
	struct {
		char *id;
		char *name; /* familiar reference; NULL: it has none */
	} * images;
	size_t n_images;
	bool changed; /* pull: the name was not this image's before */
};

/* Both are called from the loop, never from inside the call that started the job. `done` is called exactly once; `err`
 * is NULL when it went well, else nothing of the archive was kept (`result` is NULL). */
struct hoy_image_job_handler {
	void (*progress)(const struct hoy_image_progress *progress, void *userdata); /* may be NULL */
	void (*done)(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata);
	void *userdata;
};

/*
 * Reads an archive from `fd` (pipe, socket or file; a worker reads it, blocking) to its end: docker-archive, OCI layout
 * or both in one; plain, gzip or zstd. Takes `fd` over, also on failure. Several images are loaded together or not at
 * all. `platform` ("os[/arch[/variant]]"): of each image that one's part alone; NULL: all that is there.
 */
int hoy_images_load(struct hoy_images *images, int fd, const char *platform,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

struct hoy_image_import {
	const char *reference; /* name to give; NULL: none */
	const char *message;   /* history comment; NULL: docker's default */
	const char *platform;  /* "os[/arch[/variant]]"; NULL: the host's */
	char *const *changes; /* Dockerfile instructions: CMD ENTRYPOINT ENV EXPOSE LABEL ONBUILD STOPSIGNAL USER VOLUME
				 WORKDIR HEALTHCHECK; NULL: none */
};

/* Makes an image of one layer from a tar of a root file system (plain, gzip, zstd). Errors of `options` are returned
 * here. Takes `fd` over, also on failure. */
int hoy_images_import(struct hoy_images *images, int fd, const struct hoy_image_import *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

/* What a registry is shown; NULL members: not given. */
struct hoy_registry_credentials {
	const char *username, *password, *identity_token, *registry_token;
};

/*
 * The ways out: errors of the request are returned; then the job waits for hoy_image_job_write(), which says where the
 * tar goes. Each image in the archive has the names it was asked by: a tag, or all tags of a repository; an ID gives
 * none. `platform` ("os[/arch[/variant]]") NULL: all that is there.
 */
int hoy_images_save(struct hoy_images *images, char *const *names, const char *platform,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

/* The same of one image, which gets these names (NULL: none) there, whatever it is called here. */
int hoy_images_save_as(struct hoy_images *images, const char *id, char *const *names,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

/* A container's file system: its own layer on top of a chain. */
int hoy_images_export(struct hoy_images *images, const char *upper_dir, const char *chain_id,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

struct hoy_image_commit {
	const char *image_id;          /* what the container was made of */
	const char *upper_dir;         /* the container's own layer */
	struct hoy_oci_image_run *run; /* the new image's run configuration; taken over, also on failure */
	const char *reference;         /* name to give; NULL: none */
	const char *comment, *author;  /* NULL: none */
	const char *created_by;        /* for the history */
	char *const *changes;          /* as for import, on top of `run`; NULL: none */
	/* Called once when the container was read and may go on, with the handler's userdata, before `done`; not
	 * called when the call itself fails or the job is cancelled before. May be NULL. */
	void (*on_read)(void *userdata);
};

/* Makes an image of a container: its layer is compressed once, into the blob that stays. */
int hoy_images_commit(struct hoy_images *images, const struct hoy_image_commit *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

/* Takes `fd` over; `chunked`: in the chunks of an HTTP/1.1 body, whose last one says that all went well. An `fd` below
 * 0 (the client is gone) ends the job. */
void hoy_image_job_write(struct hoy_image_job *job, int fd, bool chunked);

/* NULL members: not given. Credentials are for the registry that `reference` names. */
struct hoy_image_pull {
	const char *reference; /* without tag and digest: latest */
	const char *platform;  /* "os[/arch[/variant]]"; NULL: the host's */
	struct hoy_registry_credentials credentials;
};

/* Brings an image from its registry. Errors of `options` are returned here. */
int hoy_images_pull(struct hoy_images *images, const struct hoy_image_pull *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

struct hoy_image_push {
	const char *reference; /* without a tag: all tags of the repository that are here */
	const char *platform;  /* "os[/arch[/variant]]": that platform's image of an index alone; NULL: all of it */
	struct hoy_registry_credentials credentials;
};

/* Brings images to the registry that their name says. Errors of `options` are returned here, so is one that is not
 * there. Progress ends, for each tag, with "TAG: digest: ..." and an `aux`. */
int hoy_images_push(struct hoy_images *images, const struct hoy_image_push *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

/* --- is the store whole? --- */

struct hoy_image_problem {
	const char *what; /* "a blob without a row" */
	char *name;       /* file, digest or image ID */
	bool repaired;
};

struct hoy_image_check_result {
	struct hoy_image_problem *problems;
	size_t n_problems;
	size_t blobs, layers; /* rows looked at */
	int64_t bytes;        /* of blobs */
};

struct hoy_image_check {
	bool digests; /* read all blobs and hash them */
	bool repair;  /* what belongs to nobody goes to the trash; images that are not whole are removed */
	/* Called before the handler's `done`, with its userdata, when the check came to its end. */
	void (*done)(const struct hoy_image_check_result *result, void *userdata);
};

/* Looks whether every row has its bytes, and every file its row. */
int hoy_images_check(struct hoy_images *images, const struct hoy_image_check *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

enum hoy_registry_question {
	HOY_REGISTRY_LOGIN,   /* {"IdentityToken": ""}: the credentials are good for `host`; -EACCES: they are not */
	HOY_REGISTRY_TAGS,    /* ["1", "2"]: of the repository `text` */
	HOY_REGISTRY_INSPECT, /* {"Descriptor": {}, "Platforms": []}: what the reference `text` is */
	HOY_REGISTRY_SEARCH,  /* {"results": []}: what `host` finds for the term `text`, `limit` at most */
};

struct hoy_registry_ask {
	enum hoy_registry_question kind;
	const char *host, *text, *limit;
	struct hoy_registry_credentials credentials;
};

/* Asks a registry something. The answer is the job's `aux`: JSON of a stranger, to be read with care. */
int hoy_images_ask_registry(struct hoy_images *images, const struct hoy_registry_ask *ask,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

/* Ends the job (client gone): `done` will be called with -ECANCELED, or as if nothing had happened when its rows are
 * being committed already. */
void hoy_image_job_cancel(struct hoy_image_job *job);

#endif
