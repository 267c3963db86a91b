/* The shim's command line, in the style of Go's flag package: -x v, -x=v, --x v, --x=v, booleans -x and -x=true. */
#ifndef HOY_SHIM_FLAGS_H
#define HOY_SHIM_FLAGS_H

#include "base/err.h"

/* All strings point into argv; NULL when not given. */
struct hoy_shim_flags {
	const char *namespace_;
	const char *address;
	const char *publish_binary;
	const char *id;
	const char *bundle;
	const char *socket; /* server mode only: path of the socket on descriptor 3 */
	bool debug;
	bool version;
	bool info;
	bool help;
	const char *action; /* first argument that is no flag */
};

/* Flags we don't know are ignored, as a newer caller may send them: `-x=v` alone, `-x v` with its value when what
 * follows is neither a flag nor an action. */
int hoy_shim_flags_parse(int argc, char *const argv[], struct hoy_shim_flags *ret, struct hoy_err *err);

#endif
