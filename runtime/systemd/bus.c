/* StartTransientUnit and its like over sd-bus. */
#include "runtime/systemd/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "runtime/systemd/properties.h"

#define SERVICE "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER SERVICE ".Manager"
#define NO_SUCH_UNIT SERVICE ".NoSuchUnit"
#define JOB_TIMEOUT_SEC 30
#define USEC_PER_SEC ((uint64_t) 1000000)

struct hoy_bus {
	sd_bus *bus;
	bool direct; /* to the manager's socket: it sends its signals unasked, and nobody needs an address */
	char *job;   /* the job that is waited for */
	char *result;
};

#define auto_message auto_ptr(sd_bus_message_unref)
HOY_DEFINE_AUTO_PTR(sd_bus_message, sd_bus_message_unref);

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* The runtime directory of our user, who may be root of a user namespace: XDG_RUNTIME_DIR is the host's user's. */
static char *runtime_dir(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	return dir && dir[0] ? strdup(dir) : hoy_str_printf("/run/user/%u", (unsigned int) geteuid());
}

static int open_direct(struct hoy_bus *b, const char *dir)
{
	auto_free char *socket = hoy_str_printf("%s/systemd/private", dir), *address = NULL;
	int r;

	if (!socket || access(socket, R_OK | W_OK) < 0)
		return -ENOENT;
	if (socket[strcspn(socket, "%,;")]) /* an address would have to escape them: the bus will do */
		return -ENOENT;
	address = hoy_str_printf("unix:path=%s", socket);
	r = address ? sd_bus_new(&b->bus) : -ENOMEM;
	if (r >= 0)
		r = sd_bus_set_address(b->bus, address);
	if (r >= 0)
		r = sd_bus_start(b->bus);
	if (r < 0)
		b->bus = sd_bus_unref(b->bus);
	b->direct = r >= 0;
	return r;
}

static int open_user(struct hoy_bus *b, struct hoy_err *err)
{
	auto_free char *dir = runtime_dir();
	int r;

	if (!dir)
		return hoy_err_oom(err);
	if (open_direct(b, dir) >= 0)
		return 0;
	(void) setenv("XDG_RUNTIME_DIR", dir, /* overwrite= */ 0);
	r = sd_bus_open_user(&b->bus);
	return r >= 0 ? 0
		      : hoy_err_code(err, r,
				"the user's systemd does not answer (tried '%s/systemd/private' and %s): log in with a "
				"session, 'loginctl enable-linger', or leave out --systemd-cgroup",
				dir, getenv("DBUS_SESSION_BUS_ADDRESS") ? "DBUS_SESSION_BUS_ADDRESS" : "its bus");
}

static int open_system(struct hoy_bus *b, struct hoy_err *err)
{
	int r;

	if (geteuid() == 0 && open_direct(b, "/run") >= 0)
		return 0;
	r = sd_bus_open_system(&b->bus);
	return r >= 0 ? 0
		      : hoy_err_code(err, r,
				"systemd does not answer (tried '/run/systemd/private' and the system bus): is it the "
				"host's init? Without it leave out --systemd-cgroup");
}

/* Everybody's jobs are told; we look for ours. */
static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *job, *unit, *result;
	struct hoy_bus *b = userdata;
	uint32_t id;

	(void) error;
	if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) >= 0 && b->job && strcmp(job, b->job) == 0 &&
		!b->result)
		b->result = strdup(result);
	return 0;
}

static int listen_for_jobs(struct hoy_bus *b, struct hoy_err *err)
{
	int r = sd_bus_match_signal_async(
		b->bus, NULL, b->direct ? NULL : SERVICE, OBJECT, MANAGER, "JobRemoved", on_job_removed, NULL, b);

	if (r >= 0 && !b->direct)
		r = sd_bus_call_method_async(b->bus, NULL, SERVICE, OBJECT, MANAGER, "Subscribe", NULL, NULL, NULL);
	return r < 0 ? hoy_err_code(err, r, "listen to systemd's jobs") : 0;
}

int hoy_bus_open(bool user, struct hoy_bus **ret, struct hoy_err *err)
{
	auto_ptr(hoy_bus_free) struct hoy_bus *b = calloc(1, sizeof *b);
	int r;

	if (!b)
		return hoy_err_oom(err);
	r = user ? open_user(b, err) : open_system(b, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(b);
	return 0;
}

void hoy_bus_free(struct hoy_bus *b)
{
	if (!b)
		return;
	sd_bus_flush_close_unref(b->bus);
	free(b->job);
	free(b->result);
	free(b);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static int call_error(int r, const sd_bus_error *e, const char *what, const char *unit, struct hoy_err *err)
{
	if (sd_bus_error_is_set(e) && e->message)
		return hoy_err_set(err, HOY_ERR_SYSTEM, sd_bus_error_get_errno(e) ? sd_bus_error_get_errno(e) : EIO,
			"systemd: %s '%s': %s", what, unit, e->message);
	return hoy_err_code(err, r, "systemd: %s '%s'", what, unit);
}

static int new_call(struct hoy_bus *b, const char *method, sd_bus_message **ret, struct hoy_err *err)
{
	int r = sd_bus_message_new_method_call(b->bus, ret, SERVICE, OBJECT, MANAGER, method);

	return r < 0 ? hoy_err_code(err, r, "systemd: %s", method) : 0;
}

static uint64_t now_usec(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

/* Until the job of the reply is removed. */
static int wait_for_job(
	struct hoy_bus *b, sd_bus_message *reply, const char *what, const char *unit, struct hoy_err *err)
{
	uint64_t end = now_usec() + JOB_TIMEOUT_SEC * USEC_PER_SEC;
	const char *job;
	int r = sd_bus_message_read(reply, "o", &job);

	free(b->job);
	free(b->result);
	b->result = NULL;
	b->job = r < 0 ? NULL : strdup(job);
	if (!b->job)
		return hoy_err_code(err, r < 0 ? r : -ENOMEM, "systemd: %s '%s'", what, unit);
	while (!b->result) {
		uint64_t now = now_usec();

		r = sd_bus_process(b->bus, NULL);
		if (r == 0 && now >= end)
			return hoy_err_code(err, -ETIMEDOUT, "systemd: %s '%s': the job", what, unit);
		if (r == 0)
			r = sd_bus_wait(b->bus, end - now);
		if (r < 0 && r != -EINTR)
			return hoy_err_code(err, r, "systemd: %s '%s'", what, unit);
	}
	if (strcmp(b->result, "done") != 0)
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, EIO, "systemd: %s '%s': the job ended as '%s'", what, unit, b->result);
	return 0;
}

static int reset_failed(struct hoy_bus *b, const char *unit)
{
	return sd_bus_call_method(b->bus, SERVICE, OBJECT, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}

/* --- properties -------------------------------------------------------------------------------------------------- */

static int append_basic(sd_bus_message *m, char type, const char *text)
{
	unsigned long long u = strtoull(text, NULL, 0);
	long long i = strtoll(text, NULL, 0);

	switch (type) {
	case 'b':
		return sd_bus_message_append(m, "b", strcmp(text, "true") == 0);
	case 'y':
		return sd_bus_message_append(m, "y", (int) u);
	case 'n':
		return sd_bus_message_append(m, "n", (int) i);
	case 'q':
		return sd_bus_message_append(m, "q", (int) u);
	case 'i':
		return sd_bus_message_append(m, "i", (int) i);
	case 'u':
		return sd_bus_message_append(m, "u", (unsigned int) u);
	case 'x':
		return sd_bus_message_append(m, "x", (int64_t) i);
	case 't':
		return sd_bus_message_append(m, "t", (uint64_t) u);
	case 'd':
		return sd_bus_message_append(m, "d", strtod(text, NULL));
	default: /* s, o, g */
		return sd_bus_message_append_basic(m, type, text);
	}
}

/* "as", "ay": the values; "a(ss)", "a(st)": two by two. */
static int append_list(sd_bus_message *m, const char *element, char *const *values)
{
	int r = sd_bus_message_open_container(m, 'a', element);

	for (; r >= 0 && *values; values++) {
		if (element[0] != '(') {
			r = append_basic(m, element[0], *values);
			continue;
		}
		r = sd_bus_message_open_container(m, 'r', (char[]){ element[1], element[2], '\0' });
		if (r >= 0)
			r = append_basic(m, element[1], *values);
		if (r >= 0)
			r = append_basic(m, element[2], *++values);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_property(sd_bus_message *m, const struct hoy_unit_property *p)
{
	int r = sd_bus_message_open_container(m, 'r', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", p->name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', p->signature);
	if (r >= 0)
		r = p->signature[0] == 'a' ? append_list(m, p->signature + 1, p->values)
					   : append_basic(m, p->signature[0], p->values[0]);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_properties(sd_bus_message *m, const struct hoy_unit_properties *props, struct hoy_err *err)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < props->n; i++) {
		r = append_property(m, &props->list[i]);
		if (r < 0)
			return hoy_err_code(err, r, "systemd: property '%s'", props->list[i].name);
	}
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? hoy_err_code(err, r, "systemd: properties") : 0;
}

/* --- what is asked ----------------------------------------------------------------------------------------------- */

static int try_start(struct hoy_bus *b, const char *unit, const struct hoy_unit_properties *props, bool *ret_exists,
	struct hoy_err *err)
{
	auto_message sd_bus_message *m = NULL, *reply = NULL;
	auto_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = new_call(b, "StartTransientUnit", &m, err);

	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ss", unit, "replace");
	if (r < 0)
		return hoy_err_code(err, r, "systemd: start unit '%s'", unit);
	r = append_properties(m, props, err);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(b->bus, m, JOB_TIMEOUT_SEC * USEC_PER_SEC, &e, &reply);
	*ret_exists = sd_bus_error_has_name(&e, SERVICE ".UnitExists");
	if (r < 0)
		return call_error(r, &e, "start unit", unit, err);
	return wait_for_job(b, reply, "start unit", unit, err);
}

int hoy_bus_start(struct hoy_bus *b, const char *unit, const struct hoy_unit_properties *props, struct hoy_err *err)
{
	struct hoy_err first = {};
	bool exists = false;
	int r = listen_for_jobs(b, err);

	if (r < 0)
		return r;
	r = try_start(b, unit, props, &exists, &first);
	if (r < 0 && exists && reset_failed(b, unit) >= 0)
		return try_start(b, unit, props, &exists, err);
	return r < 0 ? hoy_err_import(err, &first) : 0;
}

int hoy_bus_set(struct hoy_bus *b, const char *unit, const struct hoy_unit_properties *props, struct hoy_err *err)
{
	auto_message sd_bus_message *m = NULL;
	auto_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = new_call(b, "SetUnitProperties", &m, err);

	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "sb", unit, /* runtime= */ true);
	if (r < 0)
		return hoy_err_code(err, r, "systemd: set properties of unit '%s'", unit);
	r = append_properties(m, props, err);
	if (r < 0)
		return r;
	r = sd_bus_call(b->bus, m, JOB_TIMEOUT_SEC * USEC_PER_SEC, &e, NULL);
	return r < 0 ? call_error(r, &e, "set properties of unit", unit, err) : 0;
}

int hoy_bus_attach(struct hoy_bus *b, const char *unit, const char *sub, int pid, struct hoy_err *err)
{
	auto_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	auto_free char *path = sub && sub[0] ? hoy_str_printf("/%s", sub) : strdup("");
	int r = path ? 0 : hoy_err_oom(err);

	if (r < 0)
		return r;
	r = sd_bus_call_method(b->bus, SERVICE, OBJECT, MANAGER, "AttachProcessesToUnit", &e, NULL, "ssau", unit, path,
		1, (uint32_t) pid);
	return r < 0 ? call_error(r, &e, "move a process into unit", unit, err) : 0;
}

int hoy_bus_stop(struct hoy_bus *b, const char *unit, struct hoy_err *err)
{
	auto_message sd_bus_message *reply = NULL;
	auto_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = listen_for_jobs(b, err);

	if (r < 0)
		return r;
	r = sd_bus_call_method(b->bus, SERVICE, OBJECT, MANAGER, "StopUnit", &e, &reply, "ss", unit, "replace");
	if (r < 0 && sd_bus_error_has_name(&e, NO_SUCH_UNIT))
		return 0;
	if (r < 0)
		return call_error(r, &e, "stop unit", unit, err);
	r = wait_for_job(b, reply, "stop unit", unit, err);
	if (r == 0) /* one that was told to stay when it failed; usually it is gone already */
		(void) reset_failed(b, unit);
	return r;
}
