/* The attach socket of a container: takes client streams and gives them to its processes. See shim/protocol.h. */
#ifndef HOY_SHIM_ATTACH_H
#define HOY_SHIM_ATTACH_H

#include "base/err.h"

struct hoy_attach;
struct hoy_audience_client;
struct hoy_loop;

/* What was asked; strings are valid during the handler only. */
struct hoy_attach_request {
	const char *id, *exec_id;
	bool stdin_, stdout_, stderr_, framed;
	const char *detach_keys;
	const char *input; /* read from the stream before we got it */
	size_t input_len;
};

/* Takes `fd`, the client's stream, also on failure. 0 or -errno with `err` for the answer. */
typedef int (*hoy_attach_handler)(
	void *userdata, const struct hoy_attach_request *request, int fd, struct hoy_err *err);

int hoy_attach_new(struct hoy_loop *loop, const char *bundle, hoy_attach_handler handler, void *userdata,
	struct hoy_attach **ret, struct hoy_err *err);
void hoy_attach_free(struct hoy_attach *attach); /* removes the socket */

#endif
