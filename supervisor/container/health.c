/*
 * Health checks: probes are execs of the engine's own, one at a time, whose output comes by a socket. Between two of
 * them nothing runs but one timer. What is known is kept in the bundle, so that the next hoyd goes on counting.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/field.h"
#include "libocispec/image.h"
#include "supervisor/container/exec_internal.h"

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define DEFAULT_INTERVAL (30 * NS_PER_S)
#define DEFAULT_TIMEOUT (30 * NS_PER_S)
#define DEFAULT_START_INTERVAL (5 * NS_PER_S)
#define DEFAULT_RETRIES 3
#define OUTPUT_MAX ((size_t) 4096)
#define OUTPUT_PATIENCE NS_PER_S /* for the output of a probe that has ended: a child of it may hold the stream */

struct hoy_probes {
	struct hoy_container *container;
	struct hoy_source *timer; /* the next probe, or the end of the present one's time */

	/* the present one */
	struct hoy_exec *exec; /* NULL: it has ended */
	bool runs, timed_out, output_over;
	int exit_code;
	struct timespec start;
	int fd;
	struct hoy_source *source;
	struct hoy_buf output;
};

static const char *const status_names[] = {
	[HOY_HEALTH_NONE] = "none",
	[HOY_HEALTH_STARTING] = "starting",
	[HOY_HEALTH_HEALTHY] = "healthy",
	[HOY_HEALTH_UNHEALTHY] = "unhealthy",
};

const char *hoy_health_status_to_string(enum hoy_health_status status)
{
	return status_names[status];
}

static int check_duration(int64_t ns, const char *name, struct hoy_err *err)
{
	if (ns != 0 && ns < NS_PER_MS)
		return hoy_err_invalid(err, "%s in Healthcheck cannot be less than 1ms", name);
	return 0;
}

int hoy_healthcheck_check(const struct hoy_oci_healthcheck *check, struct hoy_err *err)
{
	int r;

	if (!check)
		return 0;
	r = check_duration(check->interval, "Interval", err);
	if (r >= 0)
		r = check_duration(check->timeout, "Timeout", err);
	if (r >= 0)
		r = check_duration(check->start_period, "StartPeriod", err);
	if (r >= 0)
		r = check_duration(check->start_interval, "StartInterval", err);
	if (r >= 0 && check->retries < 0)
		r = hoy_err_invalid(err, "Retries in Healthcheck cannot be negative");
	if (r >= 0 && check->test && check->test[0] && strcmp(check->test[0], "NONE") != 0 &&
		strcmp(check->test[0], "CMD") != 0 && strcmp(check->test[0], "CMD-SHELL") != 0)
		r = hoy_err_invalid(err, "Healthcheck: unknown test '%s': use NONE, CMD or CMD-SHELL", check->test[0]);
	return r;
}

/* --- what is known --------------------------------------------------------------------------------- */

void hoy_health_done(struct hoy_health *health)
{
	for (size_t i = 0; i < health->n_log; i++)
		free(health->log[i].output);
	*health = (struct hoy_health){};
}

/* Takes `output`. */
static void add_result(struct hoy_health *health, const struct hoy_health_result *result)
{
	if (health->n_log == HOY_HEALTH_RESULTS) {
		free(health->log[0].output);
		memmove(&health->log[0], &health->log[1], (HOY_HEALTH_RESULTS - 1) * sizeof health->log[0]);
		health->n_log--;
	}
	health->log[health->n_log++] = *result;
}

struct saved_result {
	char *start, *end, *output;
	int32_t exit_code;
};
#define T struct saved_result
static const struct hoy_field result_fields[] = {
	HOY_FIELD_STRING(T, "start", start, 0),
	HOY_FIELD_STRING(T, "end", end, 0),
	HOY_FIELD_I32(T, "exit_code", exit_code, 0),
	HOY_FIELD_STRING(T, "output", output, 0),
};
static const struct hoy_object result_object = HOY_OBJECT(T, result_fields, NULL);
#undef T

struct saved {
	char *status;
	int32_t failing_streak;
	struct saved_result *log;
	size_t n_log;
};
#define T struct saved
static const struct hoy_field saved_fields[] = {
	HOY_FIELD_STRING(T, "status", status, 0),
	HOY_FIELD_I32(T, "failing_streak", failing_streak, 0),
	HOY_FIELD_OBJECTS(T, "log", log, struct saved_result, &result_object, 0),
};
static const struct hoy_object saved_object = HOY_OBJECT(T, saved_fields, NULL);
#undef T

static void save(const struct hoy_container *c)
{
	const struct hoy_health *health = &c->info.health;
	struct saved_result log[HOY_HEALTH_RESULTS];
	char times[HOY_HEALTH_RESULTS][2][HOY_TIME_MAX];
	const struct saved saved = {
		.status = (char *) status_names[health->status],
		.failing_streak = health->failing_streak,
		.log = log,
		.n_log = health->n_log,
	};
	auto_free char *path = hoy_path_join(c->bundle, "health.json");
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_err err = {};
	int r;

	for (size_t i = 0; i < health->n_log; i++) {
		hoy_time_format(&health->log[i].start, times[i][0]);
		hoy_time_format(&health->log[i].end, times[i][1]);
		log[i] = (struct saved_result){ times[i][0], times[i][1], health->log[i].output,
			health->log[i].exit_code };
	}
	r = path ? hoy_field_print(&saved_object, &saved, &text, 0, &err) : hoy_err_oom(&err);
	if (r >= 0)
		r = hoy_file_write(AT_FDCWD, path, text.data, text.len, 0600, 0, &err);
	if (r < 0)
		hoy_log_ignored(&err, "container '%s': its health", c->info.id);
}

static void load(struct hoy_container *c)
{
	auto_free char *path = hoy_path_join(c->bundle, "health.json");
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct saved *saved = NULL;

	if (!path || hoy_file_read(AT_FDCWD, path, &text, NULL) < 0 || !text.data ||
		hoy_field_parse(&saved_object, text.data, text.len, NULL, (void **) &saved, NULL) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(status_names); i++)
		if (hoy_str_eq(saved->status, status_names[i]))
			c->info.health.status = (enum hoy_health_status) i;
	c->info.health.failing_streak = saved->failing_streak;
	for (size_t i = 0; i < saved->n_log; i++) {
		struct saved_result *from = &saved->log[i];
		struct hoy_health_result result = { .exit_code = from->exit_code, .output = TAKE_PTR(from->output) };

		(void) hoy_time_parse(from->start ? from->start : "", &result.start);
		(void) hoy_time_parse(from->end ? from->end : "", &result.end);
		add_result(&c->info.health, &result);
	}
	hoy_field_free(&saved_object, saved);
}

/* --- one probe ------------------------------------------------------------------------------------------ */

static int64_t or_default(int64_t value, int64_t fallback)
{
	return value > 0 ? value : fallback;
}

static int64_t age(const struct hoy_container *c, const struct timespec *at)
{
	return hoy_timespec_to_ns(at) - hoy_timespec_to_ns(&c->info.started);
}

static void on_timer(struct hoy_source *source, void *userdata);

static void wait_for_next(struct hoy_probes *p)
{
	struct hoy_container *c = p->container;
	const struct hoy_oci_healthcheck *check = c->config->healthcheck;
	struct timespec now = hoy_now();
	int64_t interval = or_default(check->interval, DEFAULT_INTERVAL);

	if (c->info.health.status == HOY_HEALTH_STARTING && age(c, &now) < check->start_period)
		interval = or_default(check->start_interval, DEFAULT_START_INTERVAL);
	hoy_source_set_timer(p->timer, (uint64_t) interval);
}

static void set_status(struct hoy_container *c, enum hoy_health_status status)
{
	auto_free char *action = NULL;

	if (c->info.health.status == status)
		return;
	c->info.health.status = status;
	action = hoy_str_printf("health_status: %s", status_names[status]);
	if (action)
		hoy_container_publish(c, action, NULL);
}

static void judge(struct hoy_container *c, const struct hoy_health_result *result)
{
	const struct hoy_oci_healthcheck *check = c->config->healthcheck;
	struct hoy_health *health = &c->info.health;

	if (result->exit_code == 0) {
		health->failing_streak = 0;
		set_status(c, HOY_HEALTH_HEALTHY);
		return;
	}
	if (health->status == HOY_HEALTH_STARTING && age(c, &result->start) < check->start_period)
		return;
	if (++health->failing_streak >= or_default(check->retries, DEFAULT_RETRIES))
		set_status(c, HOY_HEALTH_UNHEALTHY);
}

static char *output_text(struct hoy_probes *p)
{
	double timeout = (double) or_default(p->container->config->healthcheck->timeout, DEFAULT_TIMEOUT) / 1e9;
	auto_free char *text = p->output.data ? strndup(p->output.data, p->output.len) : strdup("");

	if (!p->timed_out || !text)
		return TAKE_PTR(text);
	return hoy_str_printf("Health check exceeded timeout (%gs)%s%s", timeout, *text ? ": " : "", text);
}

static void finish(struct hoy_probes *p)
{
	struct hoy_container *c = p->container;
	struct hoy_health_result result = { .start = p->start, .end = hoy_now(), .exit_code = p->exit_code };

	p->runs = false;
	p->source = hoy_source_free(p->source);
	hoy_fd_close(&p->fd);
	result.output = output_text(p);
	hoy_buf_done(&p->output);
	if (p->timed_out)
		result.exit_code = -1;
	c->room->probes++;
	c->room->failed_probes += result.exit_code != 0;
	judge(c, &result);
	add_result(&c->info.health, &result);
	save(c);
	wait_for_next(p);
}

static void on_output(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_probes *p = userdata;
	size_t room = OUTPUT_MAX - p->output.len;
	char data[4096];
	ssize_t n = recv(p->fd, data, sizeof data, MSG_DONTWAIT);

	(void) source;
	(void) events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) { /* what is too much is read and dropped */
		(void) hoy_buf_add(&p->output, data, MIN((size_t) n, room));
		return;
	}
	p->source = hoy_source_free(p->source);
	p->output_over = true;
	if (!p->exec && p->runs)
		finish(p);
}

static void on_over(void *userdata, int exit_code)
{
	struct hoy_probes *p = userdata;

	p->exec = NULL;
	p->exit_code = exit_code;
	if (p->output_over || !p->source)
		finish(p);
	else
		hoy_source_set_timer(p->timer, OUTPUT_PATIENCE);
}

/* ["CMD-SHELL", "..."] is run by the image's shell. */
static int command_of(const struct hoy_container_config *config, char ***ret)
{
	static char *const sh[] = { (char *) "/bin/sh", (char *) "-c", NULL };
	char *const *test = config->healthcheck->test;
	char *const *shell = config->shell && config->shell[0] ? config->shell : sh;
	int r = 0;

	if (strcmp(test[0], "CMD-SHELL") == 0)
		for (; *shell && r >= 0; shell++)
			r = hoy_strv_add(ret, *shell);
	for (size_t i = 1; test[i] && r >= 0; i++)
		r = hoy_strv_add(ret, test[i]);
	return r;
}

static int probe(struct hoy_probes *p, struct hoy_err *err)
{
	auto_ptr(hoy_exec_config_free) struct hoy_exec_config *config = calloc(1, sizeof *config);
	struct hoy_container *c = p->container;
	int fds[2], r;

	if (!config || command_of(c->config, &config->cmd) < 0)
		return hoy_err_oom(err);
	config->attach_stdout = config->attach_stderr = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return hoy_err_sys(err, "socketpair");
	p->fd = fds[0];
	r = hoy_loop_io(c->room->options.loop, &p->source, p->fd, EPOLLIN, on_output, p, err);
	if (r < 0) {
		hoy_fd_close(&fds[1]);
		return r;
	}
	r = hoy_exec_run(c, config, fds[1], on_over, p, &p->exec, err);
	if (r >= 0)
		config = NULL; /* the exec's */
	return r;
}

static void begin(struct hoy_probes *p)
{
	const struct hoy_oci_healthcheck *check = p->container->config->healthcheck;
	struct hoy_err err = {};

	p->runs = true;
	p->timed_out = p->output_over = false;
	p->start = hoy_now();
	hoy_source_set_timer(p->timer, (uint64_t) or_default(check->timeout, DEFAULT_TIMEOUT));
	if (probe(p, &err) >= 0)
		return;
	(void) hoy_buf_adds(&p->output, hoy_err_str(&err));
	p->exit_code = -1;
	finish(p);
}

static void on_timer(struct hoy_source *source, void *userdata)
{
	struct hoy_probes *p = userdata;

	(void) source;
	if (!p->runs) {
		if (p->container->info.paused)
			wait_for_next(p);
		else
			begin(p);
	} else if (p->exec) {
		p->timed_out = true;
		hoy_exec_kill(p->exec, SIGKILL);
	} else {
		finish(p);
	}
}

/* --- from start to end -------------------------------------------------------------------------------------- */

bool hoy_container_is_probed(const struct hoy_container *c)
{
	const struct hoy_oci_healthcheck *check = c->config->healthcheck;

	return check && check->test && check->test[0] && check->test[1] && strcmp(check->test[0], "NONE") != 0;
}

void hoy_container_probes_begin(struct hoy_container *c, bool anew)
{
	struct hoy_probes *p;
	struct hoy_err err = {};

	if (anew)
		hoy_health_done(&c->info.health);
	if (!hoy_container_is_probed(c) || c->probes)
		return;
	p = calloc(1, sizeof *p);
	if (!p || hoy_loop_timer(c->room->options.loop, &p->timer, UINT64_MAX, on_timer, p, &err) < 0) {
		hoy_log_error(
			"container '%s': its health is not checked: %s", c->info.id, p ? err.msg : "out of memory");
		free(p);
		return;
	}
	p->container = c;
	p->fd = -EBADF;
	c->probes = p;
	c->info.health.status = HOY_HEALTH_STARTING;
	if (!anew)
		load(c);
	wait_for_next(p);
}

void hoy_container_probes_end(struct hoy_container *c)
{
	struct hoy_probes *p = TAKE_PTR(c->probes);

	if (!p)
		return;
	if (p->exec) {
		p->exec->over = NULL;
		hoy_exec_kill(p->exec, SIGKILL);
	}
	hoy_source_free(p->timer);
	hoy_source_free(p->source);
	hoy_fd_close(&p->fd);
	hoy_buf_done(&p->output);
	free(p);
	c->info.health.status = HOY_HEALTH_UNHEALTHY; /* as docker shows what is not probed any more */
}

static bool same_probes(const struct hoy_oci_healthcheck *a, const struct hoy_oci_healthcheck *b)
{
	size_t i = 0;

	if (!a || !b)
		return a == b;
	while (a->test && b->test && a->test[i] && b->test[i] && strcmp(a->test[i], b->test[i]) == 0)
		i++;
	return !a->test == !b->test && (!a->test || (!a->test[i] && !b->test[i])) && a->interval == b->interval &&
	       a->timeout == b->timeout && a->start_period == b->start_period &&
	       a->start_interval == b->start_interval && a->retries == b->retries;
}

void hoy_container_probes_renew(struct hoy_container *c, const struct hoy_oci_healthcheck *former)
{
	if (c->phase != HOY_PHASE_RUNNING || same_probes(former, c->config->healthcheck))
		return;
	hoy_container_probes_end(c);
	hoy_container_probes_begin(c, /* anew= */ true);
	save(c); /* the next hoyd counts on from here */
}
