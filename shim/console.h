/* The console socket: the runtime makes the terminal inside the container and sends us its master end. */
#ifndef HOY_SHIM_CONSOLE_H
#define HOY_SHIM_CONSOLE_H

#include "base/err.h"

struct hoy_console {
	char *path; /* of the socket, for --console-socket; owned */
	int fd;     /* listening */
};

/* Makes the socket in `dir` under a short random name. */
int hoy_console_open(const char *dir, struct hoy_console *ret, struct hoy_err *err);
void hoy_console_done(struct hoy_console *console);

/* After the runtime has finished, so that it never waits: the master, close-on-exec, or -errno. */
int hoy_console_receive(struct hoy_console *console, struct hoy_err *err);

#endif
