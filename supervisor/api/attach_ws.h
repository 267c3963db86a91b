/* Attach by a websocket: a relay between the client, who speaks frames, and a stream that the shim takes like any
 * other. It is hoyd's: unlike the others' its stream ends with hoyd. */
#ifndef HOY_API_ATTACH_WS_H
#define HOY_API_ATTACH_WS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_api;
struct hoy_http_exchange;

/* Checks what the client asks with and adds the headers of the answer. */
int hoy_ws_handshake(struct hoy_http_exchange *x, struct hoy_err *err);

/* Takes `client` over, behind the handshake; `extra` was read from it. Returns the end of the stream for the shim,
 * non-blocking, or -errno. `text`: output goes in text frames, else in binary ones. */
int hoy_ws_relay_new(struct hoy_api *api, int client, const void *extra, size_t extra_len, bool wants_stdin, bool text);
void hoy_ws_relays_free(struct hoy_api *api);

#endif
