/* A volume as clients see it. */
#ifndef HOY_API_VOLUME_JSON_H
#define HOY_API_VOLUME_JSON_H

#include <stdint.h>

struct hoy_json_writer;
struct hoy_volume_info;

/* `size` NULL: without UsageData; UINT64_MAX: unknown. */
void hoy_api_add_volume(struct hoy_json_writer *w, const struct hoy_volume_info *v, const uint64_t *size);

#endif
