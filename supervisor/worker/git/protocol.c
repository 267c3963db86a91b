#include "supervisor/worker/git/protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_commit(const char commit[HOY_GIT_COMMIT_MAX])
{
	size_t len = strnlen(commit, HOY_GIT_COMMIT_MAX);

	return (len == 40 || len == 64) && strspn(commit, "0123456789abcdef") == len;
}

int hoy_git_reply_check(const struct hoy_git_reply *reply, size_t len, struct hoy_err *err)
{
	if (len == sizeof *reply && reply->type == HOY_GIT_DONE && is_commit(reply->commit))
		return 0;
	if (len == sizeof *reply && reply->type == HOY_GIT_ERROR)
		return 0; /* hoy_err_import() checks it */
	return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-git sent a packet that makes no sense");
}
