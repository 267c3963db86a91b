/* Where our programs lie. Knows nothing of what they do. */
#include "base/helper.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

/* The directory of our own executable; heap, NULL when it can't be told. */
static char *own_directory(void)
{
	char link[4096];
	ssize_t n = readlink("/proc/self/exe", link, sizeof link - 1);
	char *slash;

	if (n <= 0 || (size_t) n >= sizeof link - 1)
		return NULL;
	link[n] = '\0';
	slash = strrchr(link, '/');
	if (!slash)
		return NULL;
	*(slash == link ? slash + 1 : slash) = '\0';
	return strdup(link);
}

/* NULL when there is no such executable. */
static char *executable_in(const char *dir, size_t len, const char *name)
{
	auto_free char *copy = strndup(dir, len);
	auto_free char *path = copy ? hoy_path_join(copy, name) : NULL;

	return path && access(path, X_OK) == 0 ? TAKE_PTR(path) : NULL;
}

static char *in_search_path(const char *name)
{
	const char *dirs = getenv("PATH");
	char *path = NULL;

	while (dirs && *dirs && !path) {
		size_t len = strcspn(dirs, ":");

		if (len > 0)
			path = executable_in(dirs, len, name);
		dirs += len + (dirs[len] == ':');
	}
	return path;
}

int hoy_helper_find(const char *name, enum hoy_helper_kind kind, char **ret_path, struct hoy_err *err)
{
	const char *installed = kind == HOY_HELPER_LIBEXEC ? HOY_LIBEXECDIR : HOY_BINDIR;
	auto_free char *own = own_directory();
	char *path = own ? executable_in(own, strlen(own), name) : NULL;

	if (!path)
		path = executable_in(installed, strlen(installed), name);
	if (!path && kind == HOY_HELPER_PROGRAM)
		path = in_search_path(name);
	if (!path)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOENT, "program '%s' not found in '%s' or '%s'", name,
			own ? own : ".", installed);
	*ret_path = path;
	return 0;
}
