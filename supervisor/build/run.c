/*
 * RUN: a container like any other, on the layers of the step before. Its name is in the store before it is made, so
 * that a hoyd that comes after a crash knows that it is to go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/store/builds.h"
#include "supervisor/store/store.h"

#define FRAME_HEAD 8
#define RED "\x1b[91m"
#define PLAIN "\x1b[0m"
#define FRAME_MAX ((size_t) 1 << 20)

/* --- the container's end ---------------------------------------------------------------------- */

struct removal {
	struct hoy_builds *builds;
	char *name;
};

static void removal_free(struct removal *removal)
{
	free(removal->name);
	free(removal);
}

static void on_removed(void *userdata, const struct hoy_err *err)
{
	struct removal *removal = userdata;

	if (err && err->errnum == ECANCELED) {
		removal_free(removal); /* hoyd ends: the next one does it */
		return;
	}
	if (err)
		hoy_log_ignored(err, "remove the build container '%s'", removal->name);
	(void) hoy_store_build_run_delete(removal->builds->options.store, removal->name, NULL);
	removal_free(removal);
}

static void forget_name(struct hoy_build_task *task)
{
	struct hoy_err err = { 0 };

	if (hoy_store_build_run_delete(task->build->builds->options.store, task->container_name, &err) < 0)
		hoy_log_ignored(&err, "forget the build container '%s'", task->container_name);
}

static void remove_container(struct hoy_build_task *task)
{
	const struct hoy_container_remove how = { .force = true, .volumes = true };
	struct removal *removal = calloc(1, sizeof *removal);
	struct hoy_err err = { 0 };

	if (!removal)
		return; /* the next hoyd does it */
	removal->builds = task->build->builds;
	removal->name = strdup(task->container_name);
	if (!removal->name || hoy_container_remove(task->build->builds->options.containers, task->container, &how,
				      on_removed, removal, &err) < 0) {
		if (err.errnum)
			hoy_log_ignored(&err, "remove a build container");
		removal_free(removal);
	}
}

void hoy_build_run_let_go(struct hoy_build_task *task)
{
	if (task->wait)
		hoy_container_wait_cancel(task->wait);
	task->wait = NULL;
	task->output_source = hoy_source_free(task->output_source);
	hoy_fd_close(&task->output);
}

void hoy_build_run_end(struct hoy_build_task *task, bool keep)
{
	hoy_build_run_let_go(task);
	hoy_build_mounts_end(task);
	if (task->container && keep)
		forget_name(task);
	else if (task->container)
		remove_container(task);
	if (task->container && !keep)
		hoy_build_say_of(task->build, task->step, "Removing intermediate container %.12s\n", task->container);
	free(task->container);
	task->container = NULL;
	if (!task->build->ended) { /* else a create that is under way may need it */
		free(task->container_name);
		task->container_name = NULL;
	}
}

/* --- its output ------------------------------------------------------------------------------- */

static void look_at_end(struct hoy_build_task *task);

/* Clients of the classic endpoint are told which text was stderr by its colour. */
static void print_frame(struct hoy_build_task *task, const char *text, size_t len, bool is_stderr)
{
	auto_(hoy_buf_done) struct hoy_buf red = { 0 };

	if (!is_stderr || !task->build->colour_stderr) {
		hoy_build_print(task, text, len);
		return;
	}
	(void) hoy_buf_adds(&red, RED);
	(void) hoy_buf_add(&red, text, len);
	(void) hoy_buf_adds(&red, PLAIN);
	if (!red.failed)
		hoy_build_print(task, red.data, red.len);
}

/* Whole frames of the multiplexed stream: what both streams say, in order. */
static void tell_frames(struct hoy_build_task *task)
{
	while (task->frame.len >= FRAME_HEAD) {
		const unsigned char *head = (const unsigned char *) task->frame.data;
		size_t len = (size_t) head[4] << 24 | (size_t) head[5] << 16 | (size_t) head[6] << 8 | head[7];

		if (task->frame.len < FRAME_HEAD + len)
			break;
		if (len > 0)
			hoy_build_tell(task->build, HOY_BUILD_STEP_OUTPUT, task->step, task->frame.data + FRAME_HEAD,
				len, head[0]);
		if (len > 0)
			print_frame(task, task->frame.data + FRAME_HEAD, len, head[0] == 2);
		hoy_buf_consume(&task->frame, FRAME_HEAD + len);
	}
}

static void on_output(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_build_task *task = userdata;
	struct hoy_build *build = task->build;
	char block[32768];
	ssize_t n = read(task->output, block, sizeof block);

	(void) events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		(void) hoy_buf_add(&task->frame, block, (size_t) n);
		tell_frames(task);
		/* Others are not waited for: what they say is kept, up to a limit. */
		if (hoy_build_index(build, task->step) == build->front)
			build->is_behind = build->handler.is_behind(build->handler.userdata);
		if (build->is_behind && hoy_build_index(build, task->step) == build->front)
			(void) hoy_source_set_events(source, 0, NULL);
		return;
	}
	task->output_source = hoy_source_free(task->output_source);
	hoy_fd_close(&task->output);
	look_at_end(task);
}

void hoy_build_go_on(struct hoy_build *build)
{
	for (struct hoy_build_task *task = build->tasks; task && build->is_behind; task = task->next)
		if (task->output_source)
			(void) hoy_source_set_events(task->output_source, EPOLLIN, NULL);
	build->is_behind = false;
}

static int attach(struct hoy_build_task *task, struct hoy_err *err)
{
	const struct hoy_container_attach how = { .stdout_ = true, .stderr_ = true };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return hoy_err_sys(err, "make a socket pair");
	task->output = pair[0];
	hoy_buf_clear(&task->frame);
	task->frame.cap = 2 * FRAME_MAX;
	/* Takes the other end over. */
	r = hoy_container_attach(task->build->builds->options.containers, task->container, &how, pair[1], NULL, 0, err);
	return r < 0 ? r
		     : hoy_loop_io(task->build->builds->options.loop, &task->output_source, task->output, EPOLLIN,
			       on_output, task, err);
}

/* --- its life --------------------------------------------------------------------------------- */

static void command_failed(struct hoy_build_task *task)
{
	auto_(hoy_buf_done) struct hoy_buf command = { 0 };
	struct hoy_err err = { 0 };

	hoy_json_each(arg, hoy_json_get(task->step->json, "args"))
	{
		(void) hoy_buf_addf(&command, "%s%s", command.len ? " " : "", hoy_json_string(arg));
	}
	task->build->exit_code = task->status;
	task->build->failed_task = task;
	(void) hoy_err_set(&err, HOY_ERR_INVALID, ECHILD, "The command '%.800s' returned a non-zero code: %d",
		command.data ? command.data : "", task->status);
	hoy_build_task_fail(task, &err);
}

/* When it has exited and all it said was read. */
static void look_at_end(struct hoy_build_task *task)
{
	const struct hoy_container_info *info;
	struct hoy_err err = { 0 };

	if (!task->exited || task->output_source)
		return;
	if (task->status != 0)
		command_failed(task);
	else if (hoy_containers_find(task->build->builds->options.containers, task->container, &info, &err) < 0)
		hoy_build_task_fail(task, &err);
	else
		hoy_build_step_wrote(task, info->upper_dir);
}

static void on_exited(void *userdata, const struct hoy_err *failed, int exit_code, const char *error)
{
	struct hoy_build_task *task = userdata;
	struct hoy_err err = { 0 };

	(void) error;
	task->wait = NULL;
	if (failed) {
		err = *failed;
		hoy_build_task_fail(task, &err);
		return;
	}
	task->exited = true;
	task->status = exit_code;
	look_at_end(task);
}

static void on_started(void *userdata, const struct hoy_err *failed)
{
	struct hoy_build_task *task = userdata;
	struct hoy_err err = { 0 };

	if (!hoy_build_came_back(task->build) || !failed)
		return;
	err = *failed;
	task->build->exit_code = 127;
	task->build->failed_task = task;
	hoy_build_task_fail(task, &err);
}

static int start(struct hoy_build_task *task, struct hoy_err *err)
{
	struct hoy_containers *containers = task->build->builds->options.containers;
	int r = attach(task, err);

	if (r >= 0)
		r = hoy_container_wait(
			containers, task->container, HOY_WAIT_NEXT_EXIT, on_exited, task, &task->wait, err);
	if (r >= 0)
		r = hoy_container_start(containers, task->container, on_started, task, err);
	if (r >= 0)
		task->build->pending++;
	return r;
}

static void on_created(void *userdata, const struct hoy_err *failed, const char *id, char *const *warnings)
{
	struct hoy_build_task *task = userdata;
	bool ended = task->build->ended;
	struct hoy_err err = { 0 };

	(void) warnings;
	if (failed)
		err = *failed;
	if (id)
		task->container = strdup(id);
	if (ended && task->container && task->container_name && !(failed && failed->errnum == ECANCELED))
		hoy_build_run_end(task, false);
	if (!hoy_build_came_back(task->build))
		return;
	if (failed || !task->container) {
		if (!failed)
			(void) hoy_err_oom(&err);
		forget_name(task);
		hoy_build_task_fail(task, &err);
		return;
	}
	hoy_build_say_of(task->build, task->step, " ---> Running in %.12s\n", task->container);
	if (start(task, &err) < 0)
		hoy_build_task_fail(task, &err);
}

/* --- what it is ------------------------------------------------------------------------------- */

/* A Dockerfile may take the network away, and have the host's only where the client has given it. */
static int check_network(const struct hoy_build *build, const struct hoy_build_step *step, struct hoy_err *err)
{
	const char *own = hoy_build_text(step->json, "network");

	if (!*own || strcmp(own, "default") == 0 || strcmp(own, "none") == 0 || strcmp(own, build->network) == 0)
		return 0;
	return hoy_err_invalid(err, "RUN --network=%s: only a build with --network=%s may have it", own, own);
}

static const char *network_of(const struct hoy_build *build, const struct hoy_build_step *step)
{
	const char *own = hoy_build_text(step->json, "network");

	if (*own && strcmp(own, "default") != 0)
		return own;
	return *build->network ? build->network : "default";
}

/* Members of the client's HostConfig, then ours. */
static int add_host(
	struct hoy_build_task *task, const struct hoy_json *theirs, struct hoy_json_writer *w, struct hoy_err *err)
{
	int r;

	hoy_json_object(w, "HostConfig");
	hoy_json_each(member, theirs)
	{
		hoy_json_add_value(w, hoy_json_key(member), member);
	}
	hoy_json_add_string(w, "NetworkMode", network_of(task->build, task->step));
	hoy_json_object(w, "LogConfig");
	hoy_json_add_string(w, "Type", "none");
	hoy_json_end(w);
	r = hoy_build_mounts_add(task, w, err);
	hoy_json_end(w);
	return r;
}

static int add_env(const struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err)
{
	int r;

	hoy_json_array(w, "Env");
	hoy_json_each(value, hoy_json_get(task->step->json, "env"))
	{
		hoy_json_add_value(w, NULL, value);
	}
	r = hoy_build_secrets_add_env(task, w, err);
	hoy_json_end(w);
	return r;
}

static int print_config(struct hoy_build_task *task, struct hoy_buf *text, struct hoy_err *err)
{
	const struct hoy_build_step *step = task->step;
	const char *host_config = task->build->host_config;
	auto_ptr(hoy_json_free) struct hoy_json *theirs = NULL;
	struct hoy_json_writer w = { .buf = text };
	int r = *host_config ? hoy_json_parse(host_config, strlen(host_config), NULL, &theirs, err) : 0;

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Image", step->base ? step->base->id : "scratch");
	hoy_json_array(&w, "Cmd");
	hoy_build_secrets_add_args(task, &w);
	hoy_json_each(arg, hoy_json_get(step->json, "args"))
	{
		hoy_json_add_value(&w, NULL, arg);
	}
	hoy_json_end(&w);
	r = add_env(task, &w, err);
	hoy_json_add_string(&w, "WorkingDir", hoy_build_text(step->json, "cwd"));
	hoy_json_add_string(&w, "User", hoy_build_text(step->json, "user"));
	hoy_json_add_bool(&w, "AttachStdout", true);
	hoy_json_add_bool(&w, "AttachStderr", true);
	if (r == 0)
		r = add_host(task, theirs, &w, err);
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(text, "config of a build container", err);
}

static int create(struct hoy_build_task *task, struct hoy_err *err)
{
	const struct hoy_build_step *step = task->step;
	const struct hoy_builds_options *o = &task->build->builds->options;
	const struct hoy_container_base base = { .chain_id = step->chain_id,
		.image_id = step->base ? step->base->id : "" };
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	unsigned char random[6];
	char hex[2 * sizeof random + 1];
	int r;

	r = print_config(task, &text, err);
	if (r >= 0)
		r = hoy_container_config_parse(text.data, text.len, &config, err);
	if (r < 0)
		return r;
	hoy_random(random, sizeof random);
	hoy_hex(random, sizeof random, hex);
	free(task->container_name);
	task->container_name = hoy_str_printf("build-%s", hex);
	task->exited = false;
	if (!task->container_name)
		return hoy_err_oom(err);
	r = hoy_store_build_run_add(o->store, task->container_name, err);
	if (r >= 0)
		r = hoy_container_create_on(o->containers, &base, task->container_name, config, on_created, task, err);
	if (r >= 0) {
		(void) TAKE_PTR(config);
		task->build->pending++;
	}
	return r;
}

void hoy_build_run(struct hoy_build_task *task)
{
	struct hoy_err err = { 0 };
	int r = check_network(task->build, task->step, &err);

	if (r >= 0)
		r = hoy_build_mounts_prepare(task, &err);
	if (r == 0)
		r = create(task, &err);
	if (r < 0)
		hoy_build_task_fail(task, &err);
}
