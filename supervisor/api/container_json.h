/* Containers as JSON: the list and inspect. */
#ifndef HOY_API_CONTAINER_JSON_H
#define HOY_API_CONTAINER_JSON_H

#include <stdint.h>

#include "base/err.h"

struct hoy_api;
struct hoy_api_request;
struct hoy_container_info;
struct hoy_container_size;
struct hoy_json_writer;

int hoy_api_container_list(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_container_inspect(struct hoy_api_request *rq, struct hoy_err *err);

/* One entry of a list; `size` NULL: without sizes. */
void hoy_api_add_container(struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c,
	const struct hoy_container_size *size);

/* "About a minute", "5 hours": how clients say a span of time. Pure; returns `buf`. */
#define HOY_HUMAN_DURATION_MAX 40
const char *hoy_api_human_duration(int64_t seconds, char buf[HOY_HUMAN_DURATION_MAX]);

/* The one line of a command that a list shows: words with a space in quotes. Heap; NULL when out of memory. Pure. */
char *hoy_api_command_line(char *const *args);

#endif
