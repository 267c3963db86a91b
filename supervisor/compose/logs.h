/* Output of many containers on ours: whole lines, each behind its container's name. */
#ifndef HOY_COMPOSE_LOGS_H
#define HOY_COMPOSE_LOGS_H

#include <pthread.h>

#include "supervisor/compose/app.h"

/* How lines are printed; shared by all streams. */
struct hoy_compose_printer {
	pthread_mutex_t lock;
	size_t width; /* of the longest name so far */
	bool prefix, colours;
};

struct hoy_compose_log_options {
	bool follow, timestamps, no_color, no_prefix;
	const char *since, *until, *tail;
	int64_t index;
};

void hoy_compose_printer_init(
	struct hoy_compose_printer *printer, const struct hoy_compose *app, bool no_color, bool no_prefix);
/* Makes room for the names of the containers of `services` (NULL: all). */
void hoy_compose_printer_fit(struct hoy_compose_printer *printer, const struct hoy_compose *app, char *const *services);

/* Prints what the container writes (or wrote) until its stream's end. `nth` chooses the colour. */
int hoy_compose_print_log(const struct hoy_compose *app, struct hoy_compose_printer *printer,
	const struct hoy_compose_container *container, size_t nth, const struct hoy_compose_log_options *options,
	struct hoy_err *err);

/* A line of our own among them: "web-1 exited with code 0". */
void hoy_compose_print_note(struct hoy_compose_printer *printer, const char *text);

/* "web-1" of the project's "p-web-1", else the whole name. */
const char *hoy_compose_short_name(const struct hoy_compose *app, const struct hoy_compose_container *container);

#endif
