/* system dial-stdio: the engine's socket on stdin and stdout, for ssh:// hosts. */
#include <errno.h>

#include "base/fd.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/ssh.h"

static int cmd_dial_stdio(struct hoy_cli *cli)
{
	auto_fd int engine = -EBADF;
	struct hoy_err err;

	engine = hoy_http_connect(&cli->host, &err);
	if (engine < 0 || hoy_dial_stdio(engine, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_system_dial_stdio = {
	.name = "system dial-stdio",
	.args = "",
	.summary = "Proxy the stdio stream to the engine's connection",
	.flags = HOY_COMMAND_HIDDEN,
	.run = cmd_dial_stdio,
};
