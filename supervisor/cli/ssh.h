/* ssh://[USER@]HOST[:PORT][/SOCKET]: an engine on another machine, through its own `docker system dial-stdio`. */
#ifndef HOY_CLI_SSH_H
#define HOY_CLI_SSH_H

#include "base/err.h"

/* Is the URL one that ssh can be asked for? 0 or -EINVAL with the part that is wrong. */
int hoy_ssh_check(const char *url, struct hoy_err *err);

/* Starts ssh; a socket to the engine behind it, or -errno. ssh ends when the socket is closed. */
int hoy_ssh_connect(const char *url, struct hoy_err *err);

/* Starts a program that connects, with stdin and stdout on one end of a socket pair; the other end, or -errno. */
int hoy_connect_through(const char *path, char *const *argv, const char *url, struct hoy_err *err);

/* `system dial-stdio`: copies stdin to the engine's socket and what it says to stdout, until both ended. */
int hoy_dial_stdio(int engine, struct hoy_err *err);

#endif
