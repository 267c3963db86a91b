/*
 * journald's native protocol: one datagram per entry. Where journald does not keep up, or is away, entries wait:
 * without limit of time but with the container held up, or, when the mode is lossy, in a bounded buffer whose oldest
 * go.
 */
#ifndef HOY_SHIM_JOURNAL_H
#define HOY_SHIM_JOURNAL_H

#include "shim/log.h"
#include "shim/log_format.h"

struct hoy_outlog_journal;
int hoy_outlog_journal_open(const struct hoy_outlog_options *options, const struct hoy_outlog_setup *setup,
	struct hoy_outlog_journal **ret, struct hoy_err *err);
void hoy_outlog_journal_free(struct hoy_outlog_journal *journal); /* what waits is lost; NULL is fine */

void hoy_outlog_journal_send(struct hoy_outlog_journal *journal, const struct hoy_outlog_part *part);
bool hoy_outlog_journal_is_full(const struct hoy_outlog_journal *journal);

/* The entry as it is sent, with `fields` (may be NULL) in front. Pure. */
void hoy_outlog_journal_encode(struct hoy_buf *out, char *const *fields, const struct hoy_outlog_part *part);

#endif
