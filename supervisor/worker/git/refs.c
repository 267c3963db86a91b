#include "supervisor/worker/git/refs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "base/str.h"

bool hoy_git_is_commit(const char *text)
{
	size_t len = strlen(text);

	return (len == 40 || len == 64) && strspn(text, "0123456789abcdef") == len;
}

static bool find(const char *list, const char *name, char ret[HOY_GIT_COMMIT_MAX])
{
	for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, "\t\n"), whole = strcspn(line, "\n");

		if (len >= HOY_GIT_COMMIT_MAX || line[len] != '\t' || whole - len - 1 != strlen(name) ||
			strncmp(line + len + 1, name, whole - len - 1) != 0)
			continue;
		memcpy(ret, line, len);
		ret[len] = '\0';
		if (hoy_git_is_commit(ret))
			return true;
	}
	return false;
}

int hoy_git_find_ref(const char *list, const char *ref, char ret_commit[HOY_GIT_COMMIT_MAX], char **ret_name)
{
	static const char *const places[] = { "", "refs/heads/", "refs/tags/", "refs/" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		auto_free char *name = hoy_str_printf("%s%s", places[i], *ref ? ref : "HEAD");
		auto_free char *peeled = name ? hoy_str_printf("%s^{}", name) : NULL;

		if (!peeled)
			return -ENOMEM;
		if (!find(list, peeled, ret_commit) && !find(list, name, ret_commit))
			continue;
		*ret_name = TAKE_PTR(name);
		return 0;
	}
	return -ENOENT;
}
