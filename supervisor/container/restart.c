/* Restart policies: hoyd alone decides what starts again, also for what ended while it was away. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/container/internal.h"

#define DELAY_MIN_NS 100000000ULL
#define DELAY_MAX_NS 60000000000ULL
#define STEADY_NS 10000000000LL /* a run of this length begins with the shortest delay again */

enum policy { NO, ALWAYS, UNLESS_STOPPED, ON_FAILURE };

static int policy_of(const char *name)
{
	static const char *const names[] = {
		[NO] = "no", [ALWAYS] = "always", [UNLESS_STOPPED] = "unless-stopped", [ON_FAILURE] = "on-failure"
	};

	if (!name || !*name)
		return NO;
	for (int i = 0; i < (int) ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

int hoy_restart_policy_check(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	int policy = policy_of(host->restart_policy.name);
	int64_t count = host->restart_policy.maximum_retry_count;

	if (policy < 0)
		return hoy_err_invalid(err,
			"invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
			host->restart_policy.name);
	if (count != 0 && policy != ON_FAILURE)
		return hoy_err_invalid(
			err, "invalid restart policy: maximum retry count can only be used with 'on-failure'");
	if (count < 0)
		return hoy_err_invalid(err, "invalid restart policy: maximum retry count cannot be negative");
	if (policy != NO && host->auto_remove)
		return hoy_err_invalid(err, "can't create 'AutoRemove' container with restart policy");
	return 0;
}

/* `at_boot`: with "always" even what somebody has stopped is started when hoyd comes back, as docker has it. */
static bool is_wanted(const struct hoy_container *c, bool at_boot)
{
	const struct hoy_container_restart_policy *policy = &c->config->host.restart_policy;

	switch (policy_of(policy->name)) {
	case ALWAYS:
		return at_boot || !c->stopped_by_user;
	case UNLESS_STOPPED:
		return !c->stopped_by_user;
	case ON_FAILURE:
		return !c->stopped_by_user && c->info.exit_code != 0 &&
		       (policy->maximum_retry_count == 0 || c->info.restart_count < policy->maximum_retry_count);
	default:
		return false;
	}
}

static void on_delay_over(struct hoy_source *source, void *userdata)
{
	struct hoy_container *c = userdata;
	struct hoy_op *op = calloc(1, sizeof *op);
	struct hoy_err err = {};

	(void) source;
	if (!op) {
		hoy_log_error("container '%s': out of memory, it is not restarted", c->info.id);
		hoy_container_restart_cancel(c);
		return;
	}
	op->kind = HOY_OP_START;
	op->by_policy = true;
	c->info.restart_count++;
	if (hoy_op_run(c, op, &err) < 0) {
		hoy_log_ignored(&err, "container '%s': restart", c->info.id);
		free(op);
	}
}

bool hoy_container_restart_after(struct hoy_container *c, uint64_t delay)
{
	struct hoy_err err = {};

	hoy_source_free(c->restart_timer);
	c->restart_timer = NULL;
	if (hoy_loop_timer(c->room->options.loop, &c->restart_timer, delay, on_delay_over, c, &err) < 0) {
		hoy_log_ignored(&err, "container '%s': restart", c->info.id);
		c->info.restarting = false;
		return false;
	}
	c->info.restarting = true;
	return true;
}

bool hoy_container_restart_by_policy(struct hoy_container *c)
{
	bool unconfirmed = c->unconfirmed;
	int64_t ran = hoy_timespec_to_ns(&c->info.finished) - hoy_timespec_to_ns(&c->info.started);

	c->unconfirmed = false;
	if (!is_wanted(c, /* at_boot= */ false))
		return false;
	if (ran >= STEADY_NS || c->restart_delay == 0)
		c->restart_delay = DELAY_MIN_NS;
	else
		c->restart_delay = MIN(c->restart_delay * 2, DELAY_MAX_NS);
	if (!unconfirmed)
		return hoy_container_restart_after(c, c->restart_delay);
	/* it ended while no hoyd was there */
	hoy_container_order_enter(c);
	hoy_container_order_judge(c);
	return c->info.restarting;
}

void hoy_container_restart_at_boot(struct hoy_container *c)
{
	if (c->info.status != HOY_CONTAINER_EXITED || c->info.started.tv_sec == 0 || c->info.restarting)
		return;
	if (is_wanted(c, /* at_boot= */ true))
		hoy_container_order_enter(c);
}

void hoy_container_restart_cancel(struct hoy_container *c)
{
	c->restart_timer = hoy_source_free(c->restart_timer);
	hoy_container_order_leave(c);
	c->info.restarting = false;
}

void hoy_container_set_stopped(struct hoy_container *c, bool stopped)
{
	if (c->stopped_by_user == stopped)
		return;
	c->stopped_by_user = stopped;
	if (policy_of(c->config->host.restart_policy.name) > NO)
		hoy_container_save(c);
}
