/* Entries for journald. */
#include "shim/journal.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/time.h"

#define BEHIND_NS ((uint64_t) 5 * 1000000) /* its queue is full */
#define AWAY_NS ((uint64_t) 500 * 1000000) /* nobody is there */
#define HOLD_LIMIT ((size_t) 64 << 10)     /* the container is held up from here on */
#define PRIORITY_INFO "6"
#define PRIORITY_ERR "3"

struct hoy_outlog_journal {
	int fd;
	struct sockaddr_un address;
	socklen_t address_len;
	char **fields;
	struct hoy_outlog_mode mode;
	struct hoy_buf waiting; /* datagrams, each behind its length as a uint32_t */
	struct hoy_source *retry;
	bool warned;
	void (*ready)(void *userdata);
	void *userdata;
};

HOY_DEFINE_AUTO_PTR(struct hoy_outlog_journal, hoy_outlog_journal_free);

/* --- encoding ----------------------------------------------------------------------------------------------------- */

static void add_field(struct hoy_buf *out, const char *name, const void *value, size_t len)
{
	uint64_t le_len = htole64(len);

	(void) hoy_buf_adds(out, name);
	if (memchr(value, '\n', len)) {
		(void) hoy_buf_addc(out, '\n');
		(void) hoy_buf_add(out, &le_len, sizeof le_len);
	} else {
		(void) hoy_buf_addc(out, '=');
	}
	(void) hoy_buf_add(out, value, len);
	(void) hoy_buf_addc(out, '\n');
}

static void add_text(struct hoy_buf *out, const char *name, const char *value)
{
	add_field(out, name, value, strlen(value));
}

void hoy_outlog_journal_encode(struct hoy_buf *out, char *const *fields, const struct hoy_outlog_part *part)
{
	char time[HOY_TIME_MAX];

	for (; fields && *fields; fields++) {
		size_t len = strcspn(*fields, "=");
		auto_free char *name = strndup(*fields, len);

		if (name)
			add_text(out, name, *fields + len + 1);
	}
	hoy_time_format(part->time, time);
	add_text(out, "PRIORITY", hoy_str_eq(part->stream, "stderr") ? PRIORITY_ERR : PRIORITY_INFO);
	add_text(out, "SYSLOG_TIMESTAMP", time);
	if (part->ordinal) {
		auto_free char *ordinal = hoy_str_printf("%u", part->ordinal);

		if (!part->last)
			add_text(out, "CONTAINER_PARTIAL_MESSAGE", "true");
		add_text(out, "CONTAINER_PARTIAL_ID", part->line_id);
		add_text(out, "CONTAINER_PARTIAL_ORDINAL", ordinal ? ordinal : "0");
		add_text(out, "CONTAINER_PARTIAL_LAST", part->last ? "true" : "false");
	}
	add_field(out, "MESSAGE", part->text, part->len);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* 0: it is on its way, or never will be; else the time after which to try again. */
static uint64_t send_one(struct hoy_outlog_journal *journal, const void *data, size_t len)
{
	ssize_t n = TEMP_FAILURE_RETRY(sendto(journal->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *) &journal->address, journal->address_len));
	struct hoy_err err = {};

	if (n >= 0) {
		journal->warned = false;
		return 0;
	}
	if (errno == EAGAIN || errno == ENOBUFS)
		return BEHIND_NS;
	if (!journal->warned) {
		hoy_err_sys(&err, "send to '%s'", journal->address.sun_path);
		hoy_log_ignored(&err, "journald");
		journal->warned = true;
	}
	return errno == ENOENT || errno == ECONNREFUSED || errno == ECONNRESET ? AWAY_NS : 0;
}

static size_t first_waiting(const struct hoy_outlog_journal *journal)
{
	uint32_t len;

	memcpy(&len, journal->waiting.data, sizeof len);
	return len;
}

static void drop_first(struct hoy_outlog_journal *journal)
{
	hoy_buf_consume(&journal->waiting, sizeof(uint32_t) + first_waiting(journal));
	if (!journal->waiting.len)
		hoy_buf_done(&journal->waiting);
}

static void on_retry(struct hoy_source *source, void *userdata)
{
	struct hoy_outlog_journal *journal = userdata;
	bool was_full = hoy_outlog_journal_is_full(journal);

	while (journal->waiting.len) {
		uint64_t again = send_one(journal, journal->waiting.data + sizeof(uint32_t), first_waiting(journal));

		if (again) {
			hoy_source_set_timer(source, again);
			break;
		}
		drop_first(journal);
	}
	if (was_full && !hoy_outlog_journal_is_full(journal))
		journal->ready(journal->userdata);
}

static void wait_with(struct hoy_outlog_journal *journal, const struct hoy_buf *entry)
{
	uint32_t len = (uint32_t) entry->len;

	while (journal->mode.lossy && journal->waiting.len &&
		journal->waiting.len + entry->len > journal->mode.max_buffer)
		drop_first(journal);
	(void) hoy_buf_add(&journal->waiting, &len, sizeof len);
	(void) hoy_buf_add(&journal->waiting, entry->data, entry->len);
}

void hoy_outlog_journal_send(struct hoy_outlog_journal *journal, const struct hoy_outlog_part *part)
{
	auto_(hoy_buf_done) struct hoy_buf entry = {};
	uint64_t again;

	hoy_outlog_journal_encode(&entry, journal->fields, part);
	if (hoy_buf_check(&entry, "journal entry", /* err= */ NULL) < 0)
		return;
	if (journal->waiting.len) {
		wait_with(journal, &entry);
		return;
	}
	again = send_one(journal, entry.data, entry.len);
	if (again) {
		wait_with(journal, &entry);
		hoy_source_set_timer(journal->retry, again);
	}
}

bool hoy_outlog_journal_is_full(const struct hoy_outlog_journal *journal)
{
	return !journal->mode.lossy && journal->waiting.len >= HOLD_LIMIT;
}

int hoy_outlog_journal_open(const struct hoy_outlog_options *options, const struct hoy_outlog_setup *setup,
	struct hoy_outlog_journal **ret, struct hoy_err *err)
{
	auto_ptr(hoy_outlog_journal_free) struct hoy_outlog_journal *journal = calloc(1, sizeof *journal);
	int r;

	if (!journal)
		return hoy_err_oom(err);
	journal->fd = -EBADF;
	journal->mode = setup->mode;
	journal->ready = setup->ready;
	journal->userdata = setup->userdata;
	journal->address.sun_family = AF_UNIX;
	if (strlen(options->path) >= sizeof journal->address.sun_path)
		return hoy_err_invalid(err, "journald's socket '%s': the path is too long", options->path);
	(void) strncpy(journal->address.sun_path, options->path, sizeof journal->address.sun_path - 1);
	journal->address_len = sizeof journal->address;
	if (options->fields)
		journal->fields = hoy_strv_copy(options->fields);
	if (options->fields && !journal->fields)
		return hoy_err_oom(err);
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal->fd < 0)
		return hoy_err_sys(err, "make a socket for journald");
	if (access(options->path, F_OK) < 0)
		return hoy_err_sys(err, "log driver journald: '%s'", options->path);
	r = hoy_loop_timer(setup->loop, &journal->retry, UINT64_MAX, on_retry, journal, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(journal);
	return 0;
}

void hoy_outlog_journal_free(struct hoy_outlog_journal *journal)
{
	if (!journal)
		return;
	hoy_source_free(journal->retry);
	hoy_fd_close(&journal->fd);
	hoy_buf_done(&journal->waiting);
	hoy_strv_free(journal->fields);
	free(journal);
}
