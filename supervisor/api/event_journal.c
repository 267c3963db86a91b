/* The files of events. */
#include "supervisor/api/event_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/api/line_file.h"

struct hoy_event_journal {
	char *path, *older;
	struct hoy_line_file *file;
	bool failed; /* the last write */
};

/* --- one record ----------------------------------------------------------------------------------------------- */

void hoy_event_record_done(struct hoy_event_record *record)
{
	free(record->type);
	free(record->action);
	free(record->id);
	free(record->from);
	hoy_strv_free(record->attributes);
	*record = (struct hoy_event_record){ 0 };
}

void hoy_event_record_encode(const struct hoy_event_record *record, struct hoy_buf *out)
{
	struct hoy_json_writer w = { .buf = out };

	hoy_json_object(&w, NULL);
	hoy_json_add_u64(&w, "number", record->number);
	hoy_json_add_i64(&w, "seconds", record->time.tv_sec);
	hoy_json_add_i64(&w, "nanos", record->time.tv_nsec);
	hoy_json_add_string(&w, "type", record->type);
	hoy_json_add_string(&w, "action", record->action);
	hoy_json_add_string(&w, "id", record->id);
	if (record->from)
		hoy_json_add_string(&w, "from", record->from);
	hoy_json_add_strv(&w, "attributes", record->attributes);
	hoy_json_end(&w);
	(void) hoy_buf_addc(out, '\n');
}

static char *text(const struct hoy_json *object, const char *key)
{
	const char *value = hoy_json_string(hoy_json_get(object, key));

	return value ? strdup(value) : NULL;
}

int hoy_event_record_parse(const char *line, size_t len, struct hoy_event_record *ret)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_(hoy_event_record_done) struct hoy_event_record record = { 0 };
	int64_t seconds, nanos;

	if (hoy_json_parse(line, len, NULL, &doc, NULL) < 0 || hoy_json_type(doc) != HOY_JSON_OBJECT ||
		hoy_json_to_u64(hoy_json_get(doc, "number"), &record.number) < 0 ||
		hoy_json_to_i64(hoy_json_get(doc, "seconds"), &seconds) < 0 ||
		hoy_json_to_i64(hoy_json_get(doc, "nanos"), &nanos) < 0 || seconds < 0 || nanos < 0 ||
		nanos >= 1000000000)
		return -EINVAL;
	record.time = (struct timespec){ .tv_sec = seconds, .tv_nsec = nanos };
	record.type = text(doc, "type");
	record.action = text(doc, "action");
	record.id = text(doc, "id");
	record.from = text(doc, "from");
	hoy_json_each(attribute,
		hoy_json_get(doc, "attributes")) if (hoy_json_string(attribute) &&
						     hoy_strv_add(&record.attributes, hoy_json_string(attribute)) <
							     0) return -ENOMEM;
	if (!record.type || !record.action || !record.id)
		return -EINVAL;
	*ret = record;
	record = (struct hoy_event_record){ 0 };
	return 0;
}

/* --- the files ------------------------------------------------------------------------------------------------- */

int hoy_event_journal_open(const char *dir, struct hoy_event_journal **ret, struct hoy_err *err)
{
	auto_ptr(hoy_event_journal_free) struct hoy_event_journal *journal = calloc(1, sizeof *journal);
	int r;

	if (!journal)
		return hoy_err_oom(err);
	journal->path = hoy_path_join(dir, "events.log");
	journal->older = hoy_path_join(dir, "events.log.1");
	if (!journal->path || !journal->older)
		return hoy_err_oom(err);
	r = hoy_line_file_open(journal->path, HOY_EVENT_JOURNAL_MAX, 1, &journal->file, err);
	if (r >= 0)
		*ret = TAKE_PTR(journal);
	return r;
}

void hoy_event_journal_free(struct hoy_event_journal *journal)
{
	if (!journal)
		return;
	hoy_line_file_free(journal->file);
	free(journal->path);
	free(journal->older);
	free(journal);
}

void hoy_event_journal_add(struct hoy_event_journal *journal, const struct hoy_event_record *record)
{
	auto_(hoy_buf_done) struct hoy_buf line = { 0 };
	struct hoy_err err;
	int r;

	hoy_event_record_encode(record, &line);
	r = hoy_buf_check(&line, "an event", &err);
	if (r >= 0)
		r = hoy_line_file_add(journal->file, line.data, line.len, &err);
	if (r < 0 && !journal->failed)
		hoy_log_err(&err, "events are not kept");
	journal->failed = r < 0;
}

int hoy_event_journal_read(const struct hoy_event_journal *journal, struct hoy_buf *ret, struct hoy_err *err)
{
	const char *const paths[] = { journal->older, journal->path };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		int r = hoy_file_read(AT_FDCWD, paths[i], ret, err);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}
