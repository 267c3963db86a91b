/* The PORTS column of ps: "0.0.0.0:8080->80/tcp, 90-91/udp". */
#ifndef HOY_CLI_PORTS_H
#define HOY_CLI_PORTS_H

#include "base/json.h"

/* Of the Ports of a listed container. Heap, NULL when out of memory. */
char *hoy_ports_text(const struct hoy_json *list);

#endif
