/*
 * Events on disk: DATA_ROOT/events.log and, when that is full, events.log.1; a JSON object a line. Written by one
 * write() before anybody is told, so that what a client saw is there after a kill -9; a power loss may take the last
 * ones.
 */
#ifndef HOY_API_EVENT_JOURNAL_H
#define HOY_API_EVENT_JOURNAL_H

#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"

#define HOY_EVENT_JOURNAL_MAX ((int64_t) 1 << 20) /* of one file */

struct hoy_event_record {
	uint64_t number; /* microseconds since 1970, or one more than the last: never twice, never less */
	char *type, *action, *id, *from;
	char **attributes; /* "key=value" */
	struct timespec time;
};
void hoy_event_record_done(struct hoy_event_record *record);

/* One line, with its end. */
void hoy_event_record_encode(const struct hoy_event_record *record, struct hoy_buf *out);
/* -EINVAL for what is no such line. */
int hoy_event_record_parse(const char *line, size_t len, struct hoy_event_record *ret);

struct hoy_event_journal;
/* Makes the file when there is none. */
int hoy_event_journal_open(const char *dir, struct hoy_event_journal **ret, struct hoy_err *err);
void hoy_event_journal_free(struct hoy_event_journal *journal);
HOY_DEFINE_AUTO_PTR(struct hoy_event_journal, hoy_event_journal_free);

/* A failure is told in the log, once for a row of them. */
void hoy_event_journal_add(struct hoy_event_journal *journal, const struct hoy_event_record *record);

/* Both files' text behind `ret`, oldest first, about 2 MiB at most. Lines that are none of ours are the caller's to
 * pass over. */
int hoy_event_journal_read(const struct hoy_event_journal *journal, struct hoy_buf *ret, struct hoy_err *err);

#endif
