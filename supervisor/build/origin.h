/*
 * What a build takes from the network: a file by its URL (hoy-fetch brings it), or a git repository (hoy-git). Either
 * becomes a directory.
 */
#ifndef HOY_BUILD_ORIGIN_H
#define HOY_BUILD_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/image/building.h"

struct hoy_builds;
struct hoy_build_bringing;

struct hoy_build_origin {
	char digest[HOY_IMAGE_DIGEST_MAX]; /* "sha256:..." of a file, "git:" and a commit */
	bool is_git;
	char name[256];   /* of a file: in the directory */
	bool is_named;    /* neither the URL nor the server says a name when false */
	int64_t modified; /* of a file, s since 1970; 0: not known */
	/* A directory of hoy_images_new_dir(), heap: the file with mode 600, or what is in the repository. NULL: it was
	 * not brought, for it is known what it is. */
	char *tree;
};

struct hoy_build_origin_wanted {
	const char *url;      /* "https://host/file", "https://host/x.git#ref:dir", "git://..." */
	const char *checksum; /* "sha256:...", or a commit or its beginning; "": none */
	bool keep_git_dir;
	bool content; /* `tree` is needed */
};

/* A URL of either kind, or of one that is refused by its name. */
bool hoy_build_is_url(const char *text);

bool hoy_build_is_repository(const char *url);

/* `done` comes once, from the loop, and takes `tree` over. */
typedef void (*hoy_build_brought)(const struct hoy_err *err, struct hoy_build_origin *origin, void *userdata);
int hoy_build_bring(struct hoy_builds *builds, const struct hoy_build_origin_wanted *wanted, hoy_build_brought done,
	void *userdata, struct hoy_build_bringing **ret, struct hoy_err *err);
/* Its process is killed, `done` does not come. NULL is fine. Always NULL. */
struct hoy_build_bringing *hoy_build_bringing_free(struct hoy_build_bringing *bringing);

#endif
