/*
 * hoyrun-systemd: hoyrun's hand in systemd. Started by hoyrun, only where a container's cgroup is systemd's; speaks
 * base/helper.h with it. hoyrun itself stays static and knows no D-Bus.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/process.h"
#include "libocispec/runtime.h"
#include "runtime/systemd/bus.h"
#include "runtime/systemd/properties.h"
#include "runtime/systemd/request.h"

/* A scope is made of processes, and the container's is to be born in it with all its limits set: a process that sleeps
 * holds the place. It is a copy of us, so its memory was paid for before it entered. */
static pid_t start_holder(struct hoy_err *err)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return hoy_err_sys(err, "start a process to hold the scope");
	if (pid > 0)
		return pid;
	(void) close(HOY_HELPER_SOCKET);
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		(void) pause();
	_exit(0);
}

static void end_holder(pid_t *pid)
{
	siginfo_t si;

	if (*pid <= 0)
		return;
	(void) kill(*pid, SIGKILL);
	(void) hoy_process_wait(*pid, &si, NULL);
	*pid = 0;
}

static bool is_small(const char *number)
{
	return strcmp(number, "0") == 0 || strcmp(number, "1") == 0;
}

/* A limit of one process, which the holder made impossible. */
static int limit_to_one(struct hoy_bus *bus, const struct hoy_unit_request *q, struct hoy_err *err)
{
	static char *const one[] = { (char *) "1", NULL };
	auto_(hoy_unit_properties_done) struct hoy_unit_properties props = {};
	const struct hoy_oci_resources *res = q->resources;
	bool wanted = res && res->pids && res->pids->limit >= 0 && res->pids->limit < 2;
	int r;

	for (size_t i = 0; res && i < res->n_unified; i++)
		wanted |= strcmp(res->unified[i].key, "pids.max") == 0 && is_small(res->unified[i].value);
	if (!wanted)
		return 0;
	r = hoy_unit_properties_add(&props, "TasksMax", "t", one, err);
	return r < 0 ? r : hoy_bus_set(bus, q->unit, &props, err);
}

static int start(struct hoy_bus *bus, const struct hoy_unit_request *q, struct hoy_err *err)
{
	auto_(hoy_unit_properties_done) struct hoy_unit_properties props = {};
	auto_(end_holder) pid_t holder = start_holder(err);
	int r = holder < 0 ? (int) holder : hoy_unit_properties_start(q, (int) holder, &props, err);

	if (r == 0)
		r = hoy_bus_start(bus, q->unit, &props, err);
	if (r == 0)
		r = hoy_helper_ask(HOY_UNIT_HELD, (int) holder, -EBADF, err);
	if (r < 0)
		return r;
	end_holder(&holder);
	return limit_to_one(bus, q, err);
}

static int set(struct hoy_bus *bus, const struct hoy_unit_request *q, struct hoy_err *err)
{
	auto_(hoy_unit_properties_done) struct hoy_unit_properties props = {};
	int r = hoy_unit_properties_set(q, &props, err);

	return r < 0 || !props.n ? r : hoy_bus_set(bus, q->unit, &props, err);
}

static int serve(struct hoy_err *err)
{
	auto_ptr(hoy_unit_request_free) struct hoy_unit_request *q = NULL;
	auto_ptr(hoy_bus_free) struct hoy_bus *bus = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_helper_request(&text, err);

	if (r == 0)
		r = hoy_unit_request_parse(text.data ? text.data : "", text.len, &q, err);
	if (r == 0)
		r = hoy_bus_open(q->user, &bus, err);
	if (r < 0)
		return r;
	switch (q->op) {
	case HOY_UNIT_START:
		return start(bus, q, err);
	case HOY_UNIT_SET:
		return set(bus, q, err);
	case HOY_UNIT_ATTACH:
		return hoy_bus_attach(bus, q->unit, q->cgroup, q->pid, err);
	case HOY_UNIT_STOP:
		return hoy_bus_stop(bus, q->unit, err);
	case HOY_UNIT_OP_UNSET:
		break;
	}
	return hoy_err_invalid(err, "request without an operation");
}

int main(void)
{
	struct hoy_err err = {};
	int r = serve(&err);

	return hoy_helper_finish(r, &err);
}
