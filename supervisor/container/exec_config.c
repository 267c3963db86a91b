/* What a client asks an exec to be, the process it becomes, and the record of it in the bundle. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/detach_keys.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "libocispec/runtime.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/exec_internal.h"
#include "supervisor/container/spec.h"

#define T struct hoy_exec_config
static const struct hoy_field config_fields[] = {
	HOY_FIELD_BOOL(T, "AttachStdin", attach_stdin, 0),
	HOY_FIELD_BOOL(T, "AttachStdout", attach_stdout, 0),
	HOY_FIELD_BOOL(T, "AttachStderr", attach_stderr, 0),
	HOY_FIELD_BOOL(T, "Tty", tty, 0),
	HOY_FIELD_BOOL(T, "Privileged", privileged, 0),
	HOY_FIELD_STRING(T, "User", user, 0),
	HOY_FIELD_STRING(T, "WorkingDir", working_dir, 0),
	HOY_FIELD_STRING(T, "DetachKeys", detach_keys, 0),
	HOY_FIELD_STRV(T, "Env", env, 0),
	HOY_FIELD_STRV(T, "Cmd", cmd, HOY_FIELD_STRING_OK),
	HOY_FIELD_U32S(T, "ConsoleSize", console_size, 0),
};
static const struct hoy_object config_object = HOY_OBJECT(T, config_fields, NULL);
#undef T

struct record {
	char *id;
	struct hoy_exec_config *config;
	bool internal;
	int32_t *exit_code; /* NULL: it did not end */
};
#define T struct record
static const struct hoy_field record_fields[] = {
	HOY_FIELD_STRING(T, "id", id, 0),
	HOY_FIELD_OBJECT_PTR(T, "config", config, struct hoy_exec_config, &config_object, 0),
	HOY_FIELD_BOOL(T, "internal", internal, 0),
	HOY_FIELD_I32_PTR(T, "exit_code", exit_code, 0),
};
static const struct hoy_object record_object = HOY_OBJECT(T, record_fields, NULL);
#undef T

void hoy_exec_config_free(struct hoy_exec_config *config)
{
	hoy_field_free(&config_object, config);
}

static int check(const struct hoy_exec_config *config, struct hoy_err *err)
{
	struct hoy_detach_keys keys;

	if (!config->cmd || !config->cmd[0])
		return hoy_err_invalid(err, "no exec command specified");
	if (config->working_dir && *config->working_dir && *config->working_dir != '/')
		return hoy_err_invalid(err, "the working directory '%s' is invalid, it needs to be an absolute path",
			config->working_dir);
	for (size_t i = 0; config->env && config->env[i]; i++)
		if (!*config->env[i] || *config->env[i] == '=')
			return hoy_err_invalid(err, "invalid environment variable: %s", config->env[i]);
	if (config->n_console_size != 0 && config->n_console_size != 2)
		return hoy_err_invalid(err, "ConsoleSize: not two numbers");
	if (config->detach_keys && *config->detach_keys && hoy_detach_keys_parse(config->detach_keys, &keys, NULL) < 0)
		return hoy_err_invalid(err, "invalid detach keys (%s) provided", config->detach_keys);
	return 0;
}

int hoy_exec_config_parse(const char *text, size_t len, struct hoy_exec_config **ret, struct hoy_err *err)
{
	static const struct hoy_field_options as_go = { .any_case = true };
	auto_ptr(hoy_exec_config_free) struct hoy_exec_config *config = NULL;
	int r = hoy_field_parse(&config_object, text, len, &as_go, (void **) &config, err);

	if (r >= 0)
		r = check(config, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(config);
	return 0;
}

/* --- the process --------------------------------------------------------------------------------------- */

static int add_env(char ***env, char *const *more)
{
	int r = 0;

	for (; more && *more && r >= 0; more++) /* "NAME" takes one away */
		r = strchr(*more, '=') ? hoy_env_set(env, *more) : hoy_strv_add(env, *more);
	return r;
}

/* The container's own config with what the exec has in its place, so that both become processes in one way. */
int hoy_exec_process_text(
	struct hoy_container *c, const struct hoy_exec_config *config, struct hoy_buf *text, struct hoy_err *err)
{
	auto_ptr(hoy_oci_process_free) struct hoy_oci_process *process = NULL;
	auto_ptr(hoy_strv_free) char **env = NULL;
	struct hoy_container_config merged = *c->config;
	int r = 0;

	env = c->config->env ? hoy_strv_copy(c->config->env) : NULL;
	if ((c->config->env && !env) || add_env(&env, config->env) < 0)
		return hoy_err_oom(err);
	merged.env = env;
	merged.tty = config->tty;
	merged.host.privileged = config->privileged || c->config->host.privileged;
	merged.host.n_console_size = config->n_console_size;
	merged.host.console_size = config->console_size;
	if (config->working_dir && *config->working_dir)
		merged.working_dir = config->working_dir;
	if (config->user && *config->user)
		merged.user = config->user;
	r = hoy_container_process_build(c, &merged, config->cmd, &process, err);
	return r < 0 ? r : hoy_oci_process_print(process, text, 0, err);
}

/* --- the record ----------------------------------------------------------------------------------------- */

static char *record_path(const struct hoy_exec *e)
{
	return hoy_str_printf("%s/exec-%s.json", e->container->bundle, e->info.id);
}

void hoy_exec_record_write(const struct hoy_exec *e)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = record_path(e);
	int32_t exit_code = e->info.exit_code;
	const struct record record = {
		.id = (char *) e->info.id,
		.config = e->config,
		.internal = e->internal,
		.exit_code = e->info.has_ended ? &exit_code : NULL,
	};
	struct hoy_err err = {};
	int r;

	if (e->container->phase != HOY_PHASE_RUNNING)
		return;
	r = path ? hoy_field_print(&record_object, &record, &text, 0, &err) : hoy_err_oom(&err);
	if (r >= 0)
		r = hoy_file_write(AT_FDCWD, path, text.data, text.len, 0600, 0, &err);
	if (r < 0)
		hoy_log_ignored(&err, "exec '%s': its record", e->info.id);
}

void hoy_exec_record_remove(const struct hoy_exec *e)
{
	auto_free char *path = record_path(e);

	if (path)
		(void) unlink(path);
}

static int take_up(struct hoy_container *c, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_path_join(c->bundle, name);
	struct record *record = NULL;
	int exit_code = 0;
	int r = path ? hoy_file_read(AT_FDCWD, path, &text, err) : hoy_err_oom(err);

	if (r >= 0)
		r = hoy_field_parse(&record_object, text.data ? text.data : "", text.len, NULL, (void **) &record, err);
	if (r < 0)
		return r;
	if (!record->config || !record->id || strlen(record->id) != 64) {
		r = hoy_err_code(err, -EBADMSG, "read '%s'", path);
	} else {
		exit_code = record->exit_code ? *record->exit_code : 0;
		r = hoy_exec_take_up(
			c, record->id, record->config, record->internal, record->exit_code ? &exit_code : NULL, err);
		if (r >= 0)
			record->config = NULL; /* the exec's */
	}
	hoy_field_free(&record_object, record);
	return r;
}

void hoy_container_execs_take_up(struct hoy_container *c)
{
	DIR *dir = opendir(c->bundle);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct hoy_err err = {};

		if (hoy_str_starts(entry->d_name, "exec-") && hoy_str_ends(entry->d_name, ".json") &&
			take_up(c, entry->d_name, &err) < 0)
			hoy_log_ignored(&err, "container '%s': take up '%s'", c->info.id, entry->d_name);
	}
	if (dir)
		closedir(dir);
}
