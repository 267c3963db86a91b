/* "user[:group]" of a container resolved by its own /etc/passwd and /etc/group. */
#ifndef HOY_CONTAINER_USER_H
#define HOY_CONTAINER_USER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_container_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t *groups; /* supplementary, without gid */
	size_t n_groups;
	char *home; /* from passwd; NULL: not in it */
};
void hoy_container_user_done(struct hoy_container_user *user);

/*
 * `passwd` and `group` are the texts of the files ("" when the image has none). `spec` is "", "name", "uid",
 * "name:group"
 * ...; `group_add` are names or numbers. Numbers need no entry. HOY_ERR_INVALID: "unable to find user x: no matching
 * entries in passwd file".
 */
int hoy_container_user_resolve(const char *spec, char *const *group_add, const char *passwd, const char *group,
	struct hoy_container_user *ret, struct hoy_err *err);

#endif
