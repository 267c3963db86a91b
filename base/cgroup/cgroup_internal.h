/* Shared by the files of base/cgroup/ only: the table of hierarchies, file access in a group, plans of writes. */
#ifndef HOY_BASE_CGROUP_INTERNAL_H
#define HOY_BASE_CGROUP_INTERNAL_H

#include "base/cgroup/cgroup.h"

struct hoy_cgroup_hier {
	char *mount;          /* mount point, owned */
	char *name;           /* "" for v2, else as in /proc/PID/cgroup; owned */
	uint32_t controllers; /* bit per enum hoy_cgroup_controller */
};

/* The hierarchies of a host; the v2 tree is the first when `v2`. */
struct hoy_cgroup_table {
	bool v2;
	size_t n;
	struct hoy_cgroup_hier hier[HOY_CGROUP_HIERARCHIES_MAX];
};

struct hoy_cgroup_host {
	struct hoy_cgroup_table table;
};

struct hoy_cgroup {
	char *path;
	struct hoy_cgroup_table table;
	int *dirs;                   /* open directories per hierarchy, -EBADF: not yet */
	bool fresh;                  /* we made its v2 directory: no program is attached */
	int spent[HOY_CGROUP_SPENT]; /* the file that was read and the program that was attached, or -EBADF */
};

#define HOY_CGROUP_BIT(controller) (1u << (controller))

/* Copies names and mount points; `to` is empty before. 0 or -ENOMEM. */
int hoy_cgroup_table_copy(const struct hoy_cgroup_table *from, struct hoy_cgroup_table *to);
int hoy_cgroup_table_add(
	struct hoy_cgroup_table *table, const char *mount, size_t mount_len, const char *name, uint32_t controllers);
void hoy_cgroup_table_done(struct hoy_cgroup_table *table);
/* Index of the hierarchy that has the controller, or -1. */
int hoy_cgroup_table_find(const struct hoy_cgroup_table *table, enum hoy_cgroup_controller controller);
/* Bits of the names in `text`, which are separated by spaces, commas or newlines. */
uint32_t hoy_cgroup_controllers_parse(const char *text);
/* Hierarchies of the text of a mountinfo file; without the controllers of v2. 0 or -errno. */
int hoy_cgroup_table_parse_mountinfo(struct hoy_cgroup_table *table, char *text, struct hoy_err *err);
/* Path behind "N:name:" in the text of a /proc/PID/cgroup file, heap; NULL when it is not there (errno ENOENT). */
char *hoy_cgroup_path_parse(const char *text, const char *name);

/* The group's directory in hierarchy `i`, opened at first use and kept. The borrowed fd or -errno. */
int hoy_cgroup_dirfd(const struct hoy_cgroup *cg, size_t i);
/* One read() of a file of the group into `buf`, NUL-terminated, trailing newline cut. Length or -errno. */
ssize_t hoy_cgroup_read(const struct hoy_cgroup *cg, size_t i, const char *file, char *buf, size_t size);
ssize_t hoy_cgroup_read_at(int dir, const char *file, char *buf, size_t size);
/* The same of an open file. */
ssize_t hoy_cgroup_read_fd(int fd, char *buf, size_t size);
/* One write() of a string. 0 or -errno. */
int hoy_cgroup_write(const struct hoy_cgroup *cg, size_t i, const char *file, const char *value);
int hoy_cgroup_write_at(int dir, const char *file, const char *value);
/* Value of "key N" in a flat keyed text; 0 when it is not there. */
uint64_t hoy_cgroup_keyed(const char *text, const char *key);
/* A number, or HOY_CGROUP_UNLIMITED for "max"; 0 when there is none. */
uint64_t hoy_cgroup_number(const char *text);

/* Now + timeout_ms, and what is left of it (0 when past), on the monotonic clock. */
int64_t hoy_cgroup_deadline(int timeout_ms);
int hoy_cgroup_remaining_ms(int64_t deadline);
/* Waits until the v2 cgroup.events of `dir` says "key value". 0, -ETIMEDOUT or -errno. */
int hoy_cgroup_wait_event(int dir, const char *key, uint64_t value, int64_t deadline);

/* --- plans: what hoy_cgroup_set_limits() will write -------------------------------------------------------------- */

enum hoy_cgroup_op_kind {
	HOY_CGROUP_OP_WRITE,
	HOY_CGROUP_OP_CHECK_USAGE, /* refuse when the number in `file` is above `value` */
	HOY_CGROUP_OP_PERIOD,      /* cpu.max: keep the first word, replace the second */
};

struct hoy_cgroup_op {
	enum hoy_cgroup_op_kind kind;
	size_t hier;
	const char *limit;          /* its name in error texts, static */
	char *file, *value;         /* owned */
	char *alt_file, *alt_value; /* written instead where `file` does not exist; owned, may be NULL */
	bool optional;              /* a missing file is fine */
	enum hoy_cgroup_controller controller;
};

struct hoy_cgroup_plan {
	struct hoy_cgroup_op *ops;
	size_t n;
};
void hoy_cgroup_plan_done(struct hoy_cgroup_plan *plan);

/* Pure: checks values and controllers, and lists the writes. */
int hoy_cgroup_plan_limits(const struct hoy_cgroup_table *table, const struct hoy_cgroup_limits *limits,
	struct hoy_cgroup_plan *plan, struct hoy_err *err);
int hoy_cgroup_plan_run(const struct hoy_cgroup *cg, const struct hoy_cgroup_plan *plan, struct hoy_err *err);

/* --- devices ---------------------------------------------------------------------------------------------------- */

/* The list without what a later rule for everything overrides, and with 'a' rules split into 'b' and 'c'. */
struct hoy_cgroup_device_list {
	bool allow_default;
	struct hoy_cgroup_device *rules; /* owned */
	size_t n;
};
void hoy_cgroup_device_list_done(struct hoy_cgroup_device_list *list);
int hoy_cgroup_device_list_init(struct hoy_cgroup_device_list *list, const struct hoy_cgroup_device *rules,
	size_t n_rules, struct hoy_err *err);
/* The list as exceptions of the v1 controller to its default; false when a rule cuts a hole into a wider one, which
 * that controller can't express. */
bool hoy_cgroup_device_list_simplify(struct hoy_cgroup_device_list *list);

struct bpf_insn;
/* The program that decides a list: heap, -E2BIG when a jump would be too far. */
int hoy_cgroup_device_program(
	const struct hoy_cgroup_device_list *list, struct bpf_insn **ret, size_t *ret_n, struct hoy_err *err);
/* Loads and attaches it to the v2 directory; `replace`: in place of the one that it attached before, if any. The
 * program's fd, which is not needed any more, or -errno. */
int hoy_cgroup_device_attach(int dir, const struct bpf_insn *insns, size_t n, bool replace, struct hoy_err *err);
/* True when such a program is attached. */
bool hoy_cgroup_device_attached(int dir);

#endif
