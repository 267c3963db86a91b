/* hoy-log: options, reading, the end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "shim/driver/driver.h"
#include "shim/driver/tls.h"

#define STDOUT_INPUT 3
#define STDERR_INPUT 4
#define READY 5
#define READ_SIZE ((size_t) 32 << 10)
#define PART ((size_t) 16 << 10)
#define LINGER_MS 10000 /* for a target that is away, when there is nothing more to read */
#define DEFAULT_MAX_BUFFER ((int64_t) 1 << 20)

struct input {
	int fd;    /* -EBADF: ended */
	bool hung; /* nobody writes any more; some may be left to read */
	struct hoy_buf line;
};

struct log {
	const struct hoy_driver *driver;
	struct hoy_target *target;
	struct input inputs[2]; /* stdout, stderr */
};

/* --- options ------------------------------------------------------------------------------------------------------ */

const char *hoy_driver_option(const struct hoy_driver_options *options, const char *key, const char *fallback)
{
	if (hoy_str_eq(key, "container-id"))
		return getenv("CONTAINER_ID") ? getenv("CONTAINER_ID") : fallback;
	for (char *const *pair = options->pairs; *pair; pair += 2)
		if (hoy_str_eq(pair[0], key) && *pair[1])
			return pair[1];
	return fallback;
}

bool hoy_driver_attribute(
	const struct hoy_driver_options *options, size_t i, const char **ret_name, const char **ret_value)
{
	for (char *const *pair = options->pairs; *pair; pair += 2)
		if (hoy_str_starts(pair[0], "attr-") && i-- == 0) {
			*ret_name = pair[0] + strlen("attr-");
			*ret_value = pair[1];
			return true;
		}
	return false;
}

static bool is_known(const struct hoy_driver *driver, const char *key)
{
	static const char *const common[] = { "driver", "tag", "mode", "max-buffer-size" };

	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		if (hoy_str_eq(key, common[i]))
			return true;
	for (const char *const *at = driver->options; *at; at++)
		if (hoy_str_eq(key, *at))
			return true;
	return hoy_str_eq(key, driver->address_option) || hoy_str_starts(key, "attr-");
}

static const struct hoy_driver *find_driver(const char *name)
{
	static const struct hoy_driver *const drivers[] = { &hoy_driver_syslog, &hoy_driver_gelf, &hoy_driver_fluentd };

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (hoy_str_eq(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

static int check_options(const struct hoy_driver_options *options, const struct hoy_driver *driver, struct hoy_err *err)
{
	for (char *const *pair = options->pairs; *pair; pair += 2) {
		if (!pair[1])
			return hoy_err_invalid(err, "option '%s' without a value", pair[0]);
		if (!is_known(driver, pair[0]))
			return hoy_err_unsupported(err, "option '%s' of log driver %s", pair[0], driver->name);
	}
	return 0;
}

static int set_up_tls(struct log *log, const struct hoy_driver_options *options, struct hoy_err *err)
{
	const struct hoy_tls_options how = {
		.ca = hoy_driver_option(options, "syslog-tls-ca-cert", ""),
		.cert = hoy_driver_option(options, "syslog-tls-cert", ""),
		.key = hoy_driver_option(options, "syslog-tls-key", ""),
		.skip_verify = *hoy_driver_option(options, "syslog-tls-skip-verify", ""),
	};
	struct hoy_tls *tls;
	int r = hoy_tls_new(&how, hoy_target_to(log->target)->host, &tls, err);

	if (r >= 0)
		hoy_target_set_tls(log->target, tls);
	return r;
}

static int set_up_target(struct log *log, const struct hoy_driver_options *options, struct hoy_err *err)
{
	auto_(hoy_target_address_done) struct hoy_target_address address = { 0 };
	const char *text = hoy_driver_option(options, log->driver->address_option, log->driver->default_address);
	const char *mode = hoy_driver_option(options, "mode", "blocking"),
		   *max = hoy_driver_option(options, "max-buffer-size", NULL);
	int64_t max_buffer = DEFAULT_MAX_BUFFER;
	int r;

	if (!text)
		return hoy_err_invalid(err, "log driver %s needs %s", log->driver->name, log->driver->address_option);
	if (!hoy_str_eq(mode, "blocking") && !hoy_str_eq(mode, "non-blocking"))
		return hoy_err_invalid(err, "mode '%s'", mode);
	if (max && (hoy_str_to_bytes(max, &max_buffer) < 0 || max_buffer <= 0 ||
			   max_buffer > (int64_t) HOY_BUF_DEFAULT_CAP))
		return hoy_err_invalid(err, "max-buffer-size '%s'", max);
	r = hoy_target_parse(text, log->driver->default_port, &address, err);
	if (r >= 0)
		r = log->driver->set_up(options, &address, err);
	if (r < 0)
		return r;
	if (address.tls && !log->driver->tls)
		return hoy_err_unsupported(err, "address '%s': log driver %s has no TLS", text, log->driver->name);
	log->target = hoy_target_new(&address, hoy_str_eq(mode, "non-blocking"), (size_t) max_buffer);
	if (!log->target)
		return hoy_err_oom(err);
	return hoy_target_to(log->target)->tls ? set_up_tls(log, options, err) : 0;
}

static int set_up(struct log *log, const struct hoy_driver_options *options, struct hoy_err *err)
{
	const char *name = hoy_driver_option(options, "driver", "");
	int r;

	log->driver = find_driver(name);
	if (!log->driver)
		return hoy_err_unsupported(err, "log driver '%s': only syslog, gelf and fluentd are supported", name);
	r = check_options(options, log->driver, err);
	return r < 0 ? r : set_up_target(log, options, err);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void send_line(struct log *log, const struct input *input, const char *text, size_t len, bool partial)
{
	struct hoy_driver_line line = {
		.text = text,
		.len = len,
		.is_stderr = input == &log->inputs[1],
		.partial = partial,
	};

	clock_gettime(CLOCK_REALTIME, &line.time);
	log->driver->send(log->target, &line);
}

static void cut(struct log *log, struct input *input)
{
	size_t done = 0;

	while (done < input->line.len) {
		const char *start = input->line.data + done;
		size_t left = input->line.len - done;
		const char *newline = memchr(start, '\n', MIN(left, PART));

		if (!newline && left < PART)
			break;
		send_line(log, input, start, newline ? (size_t) (newline - start) : PART, /* partial= */ !newline);
		done += newline ? (size_t) (newline - start) + 1 : PART;
	}
	hoy_buf_consume(&input->line, done);
}

static void read_input(struct log *log, struct input *input)
{
	void *room = hoy_buf_reserve(&input->line, READ_SIZE);
	ssize_t n = room ? TEMP_FAILURE_RETRY(read(input->fd, room, READ_SIZE)) : 0;

	if (n > 0) {
		hoy_buf_commit(&input->line, (size_t) n);
		cut(log, input);
		return;
	}
	if (input->line.len)
		send_line(log, input, input->line.data, input->line.len, /* partial= */ false);
	hoy_buf_done(&input->line);
	hoy_fd_close(&input->fd);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* One round: waits at most `longest` ms (-1: for ever). */
static void turn(struct log *log, int longest)
{
	struct input *inputs = log->inputs;
	bool full = hoy_target_is_full(log->target);
	struct pollfd fds[3] = { { 0 } };
	int timeout;

	for (int i = 0; i < 2; i++) {
		fds[i].fd = full && inputs[i].hung ? -1 : inputs[i].fd;
		fds[i].events = full ? 0 : POLLIN;
	}

	fds[2].fd = hoy_target_poll(log->target, &fds[2].events, &timeout);
	if (longest >= 0)
		timeout = timeout < 0 ? longest : MIN(timeout, longest);
	if (poll(fds, ARRAY_LEN(fds), timeout) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		inputs[i].hung |= (fds[i].revents & POLLHUP) != 0;
		if (fds[i].revents && !full)
			read_input(log, &inputs[i]);
	}
	hoy_target_work(log->target);
}

static bool is_written(const struct input *input)
{
	return input->fd >= 0 && !input->hung;
}

/* Until both inputs have ended and everything is sent, or nobody takes it. */
static void run(struct log *log)
{
	uint64_t end;

	while (is_written(&log->inputs[0]) || is_written(&log->inputs[1]))
		turn(log, /* longest= */ -1);
	end = now_ms() + LINGER_MS;
	while ((log->inputs[0].fd >= 0 || log->inputs[1].fd >= 0 || !hoy_target_is_empty(log->target)) &&
		now_ms() < end)
		turn(log, (int) (end - now_ms()));
}

int main(int argc, char *argv[])
{
	const struct hoy_driver_options options = { argc > 1 ? argv + 1 : &argv[argc] };
	struct log log = { .inputs = { { .fd = STDOUT_INPUT }, { .fd = STDERR_INPUT } } };
	struct hoy_err err = {};
	int r;

	hoy_log_setup(STDERR_FILENO, HOY_LOG_TEXT, HOY_LOG_INFO);
	(void) signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "compress") == 0)
		r = hoy_log_compress(argv[2], &err);
	else if (argc == 2 && strcmp(argv[1], "unpack") == 0)
		r = hoy_log_unpack(&err);
	else
		r = set_up(&log, &options, &err);
	if (r < 0) {
		fprintf(stderr, "hoy-log: %s\n", hoy_err_str(&err));
		hoy_target_free(log.target);
		return EXIT_FAILURE;
	}
	if (log.target) {
		(void) hoy_fd_write_all(READY, "", 1);
		(void) close(READY);
		run(&log);
		hoy_target_free(log.target);
	}
	return EXIT_SUCCESS;
}
