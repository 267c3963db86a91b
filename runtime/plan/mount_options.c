/*
 * The table of mount options that are not the file system's own. Whatever is not in it goes to the file system as it
 * stands, as mount(8) does.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "base/str.h"
#include "runtime/plan/plan.h"

#define ATIME MOUNT_ATTR__ATIME

enum action {
	SET_ATTR,
	CLEAR_ATTR,
	SET_ATIME,   /* replaces the three-valued access time setting */
	UNSET_ATIME, /* back to the default, relatime, if it was this value */
	PROPAGATION,
	FS_FLAG,      /* a flag of the superblock: handed on by this name */
	DROP_FS_FLAG, /* its opposite: forgets the flag named by it */
	BIND,
	RBIND,
	REMOUNT,
	COPY_UP,
	IDMAP,
	RIDMAP,
	NOTHING,
};

static const struct option {
	const char *name;
	enum action action;
	uint64_t value;
	const char *fs_flag;
	bool recursive;
} options[] = {
	{ "async", DROP_FS_FLAG, 0, "sync" },
	{ "atime", UNSET_ATIME, MOUNT_ATTR_NOATIME },
	{ "bind", BIND },
	{ "copy-symlink", NOTHING },
	{ "defaults", NOTHING },
	{ "dev", CLEAR_ATTR, MOUNT_ATTR_NODEV },
	{ "diratime", CLEAR_ATTR, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", FS_FLAG, 0, "dirsync" },
	{ "exec", CLEAR_ATTR, MOUNT_ATTR_NOEXEC },
	{ "idmap", IDMAP },
	{ "iversion", FS_FLAG, 0, "iversion" },
	{ "lazytime", FS_FLAG, 0, "lazytime" },
	{ "loud", NOTHING },
	{ "mand", FS_FLAG, 0, "mand" },
	{ "noatime", SET_ATIME, MOUNT_ATTR_NOATIME },
	{ "nodev", SET_ATTR, MOUNT_ATTR_NODEV },
	{ "nodiratime", SET_ATTR, MOUNT_ATTR_NODIRATIME },
	{ "noexec", SET_ATTR, MOUNT_ATTR_NOEXEC },
	{ "noiversion", DROP_FS_FLAG, 0, "iversion" },
	{ "nolazytime", DROP_FS_FLAG, 0, "lazytime" },
	{ "nomand", DROP_FS_FLAG, 0, "mand" },
	{ "norelatime", NOTHING },
	{ "nostrictatime", UNSET_ATIME, MOUNT_ATTR_STRICTATIME },
	{ "nosuid", SET_ATTR, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", SET_ATTR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", PROPAGATION, MS_PRIVATE },
	{ "ratime", UNSET_ATIME, MOUNT_ATTR_NOATIME, .recursive = true },
	{ "rbind", RBIND },
	{ "rdev", CLEAR_ATTR, MOUNT_ATTR_NODEV, .recursive = true },
	{ "rdiratime", CLEAR_ATTR, MOUNT_ATTR_NODIRATIME, .recursive = true },
	{ "relatime", SET_ATIME, MOUNT_ATTR_RELATIME },
	{ "remount", REMOUNT },
	{ "rexec", CLEAR_ATTR, MOUNT_ATTR_NOEXEC, .recursive = true },
	{ "ridmap", RIDMAP },
	{ "rnoatime", SET_ATIME, MOUNT_ATTR_NOATIME, .recursive = true },
	{ "rnodev", SET_ATTR, MOUNT_ATTR_NODEV, .recursive = true },
	{ "rnodiratime", SET_ATTR, MOUNT_ATTR_NODIRATIME, .recursive = true },
	{ "rnoexec", SET_ATTR, MOUNT_ATTR_NOEXEC, .recursive = true },
	{ "rnorelatime", NOTHING },
	{ "rnostrictatime", UNSET_ATIME, MOUNT_ATTR_STRICTATIME, .recursive = true },
	{ "rnosuid", SET_ATTR, MOUNT_ATTR_NOSUID, .recursive = true },
	{ "rnosymfollow", SET_ATTR, MOUNT_ATTR_NOSYMFOLLOW, .recursive = true },
	{ "ro", SET_ATTR, MOUNT_ATTR_RDONLY },
	{ "rprivate", PROPAGATION, MS_PRIVATE | MS_REC },
	{ "rrelatime", SET_ATIME, MOUNT_ATTR_RELATIME, .recursive = true },
	{ "rro", SET_ATTR, MOUNT_ATTR_RDONLY, .recursive = true },
	{ "rrw", CLEAR_ATTR, MOUNT_ATTR_RDONLY, .recursive = true },
	{ "rshared", PROPAGATION, MS_SHARED | MS_REC },
	{ "rslave", PROPAGATION, MS_SLAVE | MS_REC },
	{ "rstrictatime", SET_ATIME, MOUNT_ATTR_STRICTATIME, .recursive = true },
	{ "rsuid", CLEAR_ATTR, MOUNT_ATTR_NOSUID, .recursive = true },
	{ "rsymfollow", CLEAR_ATTR, MOUNT_ATTR_NOSYMFOLLOW, .recursive = true },
	{ "runbindable", PROPAGATION, MS_UNBINDABLE | MS_REC },
	{ "rw", CLEAR_ATTR, MOUNT_ATTR_RDONLY },
	{ "shared", PROPAGATION, MS_SHARED },
	{ "silent", NOTHING },
	{ "slave", PROPAGATION, MS_SLAVE },
	{ "strictatime", SET_ATIME, MOUNT_ATTR_STRICTATIME },
	{ "suid", CLEAR_ATTR, MOUNT_ATTR_NOSUID },
	{ "symfollow", CLEAR_ATTR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", FS_FLAG, 0, "sync" },
	{ "tmpcopyup", COPY_UP },
	{ "unbindable", PROPAGATION, MS_UNBINDABLE },
};

const char *hoy_mount_option_name(size_t i)
{
	/* Not a mount(8) option, only tolerated: not worth announcing. */
	for (size_t at = 0; at < ARRAY_LEN(options); at++)
		if (strcmp(options[at].name, "copy-symlink") != 0 && i-- == 0)
			return options[at].name;
	return NULL;
}

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* The access time setting is one field of three values, of which relatime is 0: mount_setattr() wants the whole field
 * cleared to change it. */
static void change_attr(struct hoy_plan_mount *m, const struct option *o)
{
	uint64_t *set = o->recursive ? &m->rec_set : &m->attr_set;
	uint64_t *clr = o->recursive ? &m->rec_clr : &m->attr_clr;

	switch (o->action) {
	case SET_ATIME:
		*set = (*set & ~(uint64_t) ATIME) | o->value;
		*clr |= ATIME;
		m->atime_given |= !o->recursive;
		break;
	case UNSET_ATIME:
		if ((*set & ATIME) && (*set & ATIME) != o->value)
			break;
		*set &= ~(uint64_t) ATIME;
		*clr |= ATIME;
		m->atime_given &= o->recursive;
		break;
	case CLEAR_ATTR:
		*set &= ~o->value;
		*clr |= o->value;
		break;
	default:
		*set |= o->value;
		*clr &= ~o->value;
	}
}

static int add_propagation(struct hoy_plan_mount *m, unsigned int flags, struct hoy_err *err)
{
	unsigned int *more = reallocarray(m->propagation, m->n_propagation + 1, sizeof *more);

	if (!more)
		return hoy_err_oom(err);
	m->propagation = more;
	m->propagation[m->n_propagation++] = flags;
	return 0;
}

static void drop_data(struct hoy_plan_mount *m, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; m->data && m->data[i]; i++) {
		if (strcmp(m->data[i], name) == 0)
			free(m->data[i]);
		else
			m->data[kept++] = m->data[i];
	}
	if (m->data)
		m->data[kept] = NULL;
}

int hoy_mount_option_apply(struct hoy_plan_mount *m, const char *option, struct hoy_err *err)
{
	const struct option *o = find_option(option);

	if (!o)
		return option[0] && hoy_strv_add(&m->data, option) < 0 ? hoy_err_oom(err) : 0;
	switch (o->action) {
	case SET_ATTR:
	case CLEAR_ATTR:
	case SET_ATIME:
	case UNSET_ATIME:
		change_attr(m, o);
		return 0;
	case PROPAGATION:
		return add_propagation(m, (unsigned int) o->value, err);
	case FS_FLAG:
		drop_data(m, o->fs_flag);
		return hoy_strv_add(&m->data, o->fs_flag) < 0 ? hoy_err_oom(err) : 0;
	case DROP_FS_FLAG:
		drop_data(m, o->fs_flag);
		return 0;
	case BIND:
	case RBIND:
		m->kind = HOY_MOUNT_BIND;
		m->recursive |= o->action == RBIND;
		return 0;
	case REMOUNT:
		m->kind = HOY_MOUNT_REMOUNT;
		return 0;
	case COPY_UP:
		m->copy_up = true;
		return 0;
	case RIDMAP:
		m->idmap_recursive = true;
		m->idmap = true;
		return 0;
	case IDMAP:
		m->idmap = true;
		return 0;
	case NOTHING:
		return 0;
	}
	return 0;
}
