/* The table of the request's members. */
#include "runtime/criu/request.h"

static const char *const action_names[] = {
	[HOY_CRIU_DUMP] = "dump",
	[HOY_CRIU_PRE_DUMP] = "pre-dump",
	[HOY_CRIU_RESTORE] = "restore",
};
static const struct hoy_enum actions = HOY_ENUM(action_names);

const char *hoy_criu_action_to_string(enum hoy_criu_action action)
{
	return hoy_enum_to_string(&actions, action);
}

static const struct hoy_field fd_fields[] = {
	HOY_FIELD_STRING(struct hoy_criu_fd_name, "key", key, HOY_FIELD_REQUIRED),
	HOY_FIELD_U32(struct hoy_criu_fd_name, "fd", fd, HOY_FIELD_REQUIRED),
};
static const struct hoy_object fd_object = HOY_OBJECT(struct hoy_criu_fd_name, fd_fields, NULL);

static const struct hoy_field join_fields[] = {
	HOY_FIELD_STRING(struct hoy_criu_join, "type", type, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(struct hoy_criu_join, "path", path, HOY_FIELD_REQUIRED),
};
static const struct hoy_object join_object = HOY_OBJECT(struct hoy_criu_join, join_fields, NULL);

#define F(kind, name, member) HOY_FIELD_##kind(struct hoy_criu_request, name, member, 0)
static const struct hoy_field fields[] = {
	HOY_FIELD_ENUM(struct hoy_criu_request, "action", action, &actions, HOY_FIELD_REQUIRED),
	F(I32, "pid", pid),
	F(STRING, "root", root),
	F(STRV, "overlay", overlay),
	F(U64, "overlayAttrs", overlay_attrs),
	F(STRING, "parent", parent),
	HOY_FIELD_STRING(struct hoy_criu_request, "log", log, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(struct hoy_criu_request, "logPath", log_path, HOY_FIELD_REQUIRED),
	F(STRING, "configFile", config_file),
	F(BOOL, "leaveRunning", leave_running),
	F(BOOL, "extUnixSk", ext_unix_sk),
	F(BOOL, "tcpEstablished", tcp_established),
	F(BOOL, "tcpSkipInFlight", tcp_skip_in_flight),
	F(BOOL, "shellJob", shell_job),
	F(BOOL, "fileLocks", file_locks),
	F(BOOL, "linkRemap", link_remap),
	F(BOOL, "autoDedup", auto_dedup),
	F(BOOL, "lazyPages", lazy_pages),
	F(BOOL, "orphanTerminal", orphan_terminal),
	F(U32, "statusFd", status_fd),
	F(STRING, "pageServer", page_server),
	F(U32, "pageServerPort", page_server_port),
	F(U32, "cgroupMode", cgroup_mode),
	F(U32, "emptyNs", empty_ns),
	F(STRING, "freezeCgroup", freeze_cgroup),
	F(STRING, "cgroupRoot", cgroup_root),
	F(STRV, "external", external),
	HOY_FIELD_OBJECTS(struct hoy_criu_request, "inherit", inherit, struct hoy_criu_fd_name, &fd_object, 0),
	HOY_FIELD_OBJECTS(struct hoy_criu_request, "joins", joins, struct hoy_criu_join, &join_object, 0),
	F(STRING, "lsmProfile", lsm_profile),
	F(STRING, "lsmMountContext", lsm_mount_context),
};

const struct hoy_object hoy_criu_request_object = {
	.what = "request",
	.size = sizeof(struct hoy_criu_request),
	.fields = fields,
	.n_fields = ARRAY_LEN(fields),
};

void hoy_criu_request_done(struct hoy_criu_request *request)
{
	hoy_field_done(&hoy_criu_request_object, request);
}
