/* containerd-shim-hoy-v2: picks the mode; only here is an error printed and an exit status chosen. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "shim/flags.h"
#include "shim/server.h"
#include "shim/start.h"

static void usage(FILE *to)
{
	fputs("Usage: containerd-shim-hoy-v2 -namespace NS -address SOCKET -id ID [-debug] start\n"
	      "       containerd-shim-hoy-v2 -namespace NS -id ID [-bundle DIR] delete\n"
	      "       containerd-shim-hoy-v2 -v | -info\n",
		to);
}

static int run(const struct hoy_shim_flags *flags, struct hoy_err *err)
{
	if (flags->help) {
		usage(stdout);
		return 0;
	}
	if (flags->version) {
		printf("containerd-shim-hoy-v2:\n  Version:  %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (flags->info)
		return hoy_shim_info(err);
	if (hoy_str_eq(flags->action, "start"))
		return hoy_shim_start(flags, err);
	if (hoy_str_eq(flags->action, "delete"))
		return hoy_shim_delete(flags, err);
	if (hoy_str_eq(flags->action, HOY_SHIM_SERVER_ACTION) && flags->socket && flags->namespace_)
		return hoy_shim_serve(flags, err);
	if (!flags->action)
		return hoy_err_invalid(err, "an action is missing: start or delete");
	return hoy_err_invalid(err, "unknown action '%s'", flags->action);
}

int main(int argc, char *argv[])
{
	struct hoy_shim_flags flags;
	struct hoy_err err = {};
	int r;

	if (hoy_fd_ensure_stdio() < 0)
		return EXIT_FAILURE;
	r = hoy_shim_flags_parse(argc, argv, &flags, &err);
	if (r >= 0) {
		hoy_log_setup(STDERR_FILENO, HOY_LOG_TEXT, flags.debug ? HOY_LOG_DEBUG : HOY_LOG_INFO);
		r = run(&flags, &err);
	}
	if (r < 0) {
		fprintf(stderr, "%s\n", hoy_err_str(&err));
		return EXIT_FAILURE;
	}
	return r;
}
