/* API versions: the "/vX.Y" prefix, negotiated between HOY_API_MIN and HOY_API_MAX. Pure. */
#ifndef HOY_API_VERSION_H
#define HOY_API_VERSION_H

#include "base/err.h"

#define HOY_API_MAX "1.50"
#define HOY_API_MIN "1.24"
enum { HOY_API_MIN_MINOR = 24, HOY_API_MAX_MINOR = 50 };

/* What containers/image of Debian 12 (skopeo's docker-daemon:) asks for, without negotiating: answered as the oldest.
 */
enum { HOY_API_SKOPEO_MINOR = 22 };

/*
 * Takes the version prefix off `path`: *ret_rest points behind it and *ret_minor is the minor number to speak (the
 * newest when there is no prefix). -EINVAL with the 400 text that clients know for a version too old or too new.
 */
int hoy_api_version_split(const char *path, const char **ret_rest, int *ret_minor, struct hoy_err *err);

#endif
