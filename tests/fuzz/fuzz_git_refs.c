/* What a server of repositories lists: the wanted name in the first line, the list behind it. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "supervisor/worker/git/refs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = strndup((const char *) data, size), *name = NULL;
	char commit[HOY_GIT_COMMIT_MAX] = "";
	char *list = text + strcspn(text, "\n");
	int r;

	if (*list)
		*list++ = '\0';
	r = hoy_git_find_ref(list, text, commit, &name);
	assert(r == 0 || r == -ENOENT);
	assert(r < 0 ? !name : name && hoy_git_is_commit(commit));
	return 0;
}
