/*
 * What hoyrun asks of hoyrun-criu. A struct on both sides, JSON by a field table between them. Paths are the host's,
 * descriptors are numbers in the helper (see hoy_helper_start): the directories first, then what `inherit` names.
 */
#ifndef HOY_RUNTIME_CRIU_REQUEST_H
#define HOY_RUNTIME_CRIU_REQUEST_H

#include "base/helper.h"
#include "libocispec/field.h"

#define HOY_CRIU_HELPER "hoyrun-criu"

enum hoy_criu_fd {
	HOY_CRIU_FD_IMAGES = HOY_HELPER_FDS,
	HOY_CRIU_FD_WORK,
	HOY_CRIU_FD_MORE, /* the first of those that `inherit` and `status_fd` name */
};

/* What the helper tells of itself, beside the names of CRIU's notifications: the restored container's root is mounted
 * (its descriptor comes along), the mount points in it may be made. */
#define HOY_CRIU_ROOT_MOUNTED "root-mounted"

enum hoy_criu_action { HOY_CRIU_UNSET, HOY_CRIU_DUMP, HOY_CRIU_PRE_DUMP, HOY_CRIU_RESTORE };
const char *hoy_criu_action_to_string(enum hoy_criu_action action); /* "pre-dump" */

struct hoy_criu_fd_name { /* an open file from outside, under the name that the dump gave it */
	char *key;
	uint32_t fd;
};
struct hoy_criu_join {
	char *type; /* "net", "ipc", "uts", "time" */
	char *path;
};

struct hoy_criu_request {
	enum hoy_criu_action action;
	int32_t pid;            /* of the container's first process; not for restore */
	char *root;             /* the root file system's directory */
	char **overlay;         /* options of the overlay that a restore mounts on it; NULL: none */
	uint64_t overlay_attrs; /* MOUNT_ATTR_* of that mount */
	char *parent;           /* images of the dump before this one, relative to the images */
	char *log;              /* file name in the work directory */
	char *log_path;         /* the whole path, for error texts */
	char *config_file;      /* of CRIU; NULL: none but its own defaults */
	bool leave_running, ext_unix_sk, tcp_established, tcp_skip_in_flight, shell_job, file_locks, link_remap;
	bool auto_dedup, lazy_pages;
	bool orphan_terminal; /* the terminal's master stays outside */
	uint32_t status_fd;   /* 0: none */
	char *page_server;    /* address; NULL: none */
	uint32_t page_server_port;
	uint32_t cgroup_mode; /* as CRIU numbers them; 0 is "ignore" */
	uint32_t empty_ns;    /* CLONE_NEW* */
	char *freeze_cgroup;  /* directory whose freezer stops the container's processes */
	char *cgroup_root;    /* path of the restored group in all hierarchies */
	char **external;      /* "mnt[/data]:/data", "net[4026532]:key" */
	struct hoy_criu_fd_name *inherit;
	size_t n_inherit;
	struct hoy_criu_join *joins;
	size_t n_joins;
	char *lsm_profile, *lsm_mount_context;
};

extern const struct hoy_object hoy_criu_request_object;
void hoy_criu_request_done(struct hoy_criu_request *request);

#endif
