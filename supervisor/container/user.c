/* Users and groups by the container's own files. Pure: texts in, numbers out. */
#include "supervisor/container/user.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void hoy_container_user_done(struct hoy_container_user *user)
{
	free(user->groups);
	free(user->home);
	*user = (struct hoy_container_user){};
}

/* The next line of a passwd-like file, split at ':'; NULL at the end or when out of memory. */
static char **next_entry(const char **text)
{
	while (**text) {
		size_t len = strcspn(*text, "\n");
		auto_free char *line = strndup(*text, len);

		*text += len + ((*text)[len] == '\n');
		if (line && *line && *line != '#')
			return hoy_str_split(line, ':');
	}
	return NULL;
}

static bool is_id(const char *text, uint32_t *ret)
{
	unsigned int id;

	if (hoy_str_to_uint(text, &id) < 0 || id > INT32_MAX)
		return false;
	*ret = id;
	return true;
}

static int add_group(struct hoy_container_user *user, uint32_t gid)
{
	uint32_t *grown;

	if (gid == user->gid)
		return 0;
	for (size_t i = 0; i < user->n_groups; i++)
		if (user->groups[i] == gid)
			return 0;
	grown = reallocarray(user->groups, user->n_groups + 1, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	user->groups = grown;
	user->groups[user->n_groups++] = gid;
	return 0;
}

/* Fills uid, gid, home and *ret_name from passwd. A number without an entry stays a number with group 0. */
static int find_user(const char *wanted, const char *passwd, struct hoy_container_user *user, char **ret_name)
{
	uint32_t number = 0;
	bool numeric = is_id(wanted, &number);

	for (const char *p = passwd;;) {
		auto_ptr(hoy_strv_free) char **entry = next_entry(&p);
		uint32_t uid, gid;

		if (!entry)
			break;
		if (hoy_strv_len(entry) < 6 || !is_id(entry[2], &uid) || !is_id(entry[3], &gid))
			continue;
		if (strcmp(entry[0], wanted) != 0 && !(numeric && uid == number))
			continue;
		user->uid = uid;
		user->gid = gid;
		user->home = strdup(entry[5]);
		*ret_name = strdup(entry[0]);
		return user->home && *ret_name ? 0 : -ENOMEM;
	}
	user->uid = number;
	return numeric ? 0 : -ENOENT;
}

static int find_group(const char *wanted, const char *group, uint32_t *ret)
{
	uint32_t number = 0;
	bool numeric = is_id(wanted, &number);

	for (const char *p = group;;) {
		auto_ptr(hoy_strv_free) char **entry = next_entry(&p);
		uint32_t gid;

		if (!entry)
			break;
		if (hoy_strv_len(entry) >= 3 && is_id(entry[2], &gid) && strcmp(entry[0], wanted) == 0) {
			*ret = gid;
			return 0;
		}
	}
	*ret = number;
	return numeric ? 0 : -ENOENT;
}

/* The groups that list `name` as a member. */
static int add_memberships(struct hoy_container_user *user, const char *name, const char *group)
{
	int r = 0;

	for (const char *p = group; r >= 0;) {
		auto_ptr(hoy_strv_free) char **entry = next_entry(&p);
		uint32_t gid;

		if (!entry)
			break;
		if (hoy_strv_len(entry) < 4 || !is_id(entry[2], &gid))
			continue;
		{
			auto_ptr(hoy_strv_free) char **members = hoy_str_split(entry[3], ',');

			if (!members)
				return -ENOMEM;
			if (hoy_strv_has(members, name))
				r = add_group(user, gid);
		}
	}
	return r;
}

static int add_extra_groups(
	struct hoy_container_user *user, char *const *group_add, const char *group, struct hoy_err *err)
{
	for (size_t i = 0; group_add && group_add[i]; i++) {
		uint32_t gid;

		if (find_group(group_add[i], group, &gid) < 0)
			return hoy_err_invalid(
				err, "Unable to find group %s: no matching entries in group file", group_add[i]);
		if (add_group(user, gid) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

int hoy_container_user_resolve(const char *spec, char *const *group_add, const char *passwd, const char *group,
	struct hoy_container_user *ret, struct hoy_err *err)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = {};
	size_t len = strcspn(spec, ":");
	auto_free char *user_name = strndup(spec, len), *found = NULL;
	const char *group_name = spec[len] ? spec + len + 1 : "";
	int r;

	if (!user_name)
		return hoy_err_oom(err);
	r = find_user(*user_name ? user_name : "0", passwd, &user, &found);
	if (r == -ENOENT)
		return hoy_err_invalid(err, "unable to find user %s: no matching entries in passwd file", user_name);
	if (r >= 0 && *group_name) {
		r = find_group(group_name, group, &user.gid);
		if (r == -ENOENT)
			return hoy_err_invalid(
				err, "unable to find group %s: no matching entries in group file", group_name);
	} else if (r >= 0 && found) {
		r = add_memberships(&user, found, group);
	}
	if (r < 0)
		return hoy_err_oom(err);
	r = add_extra_groups(&user, group_add, group, err);
	if (r < 0)
		return r;
	*ret = user;
	user = (struct hoy_container_user){};
	return 0;
}
