/* login, logout. The engine checks the credentials; here they are asked for and kept. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/credentials.h"

#define PASSWORD_MAX ((size_t) 64 << 10)

struct login_options {
	const char *username, *password;
	bool from_stdin;
};
static const struct hoy_option login_options[] = {
	HOY_OPTION('p', "password", HOY_OPTION_STRING, "string", struct login_options, password,
		"Password or Personal Access Token (PAT)"),
	HOY_OPTION(0, "password-stdin", HOY_OPTION_BOOL, NULL, struct login_options, from_stdin,
		"Take the Password or Personal Access Token (PAT) from stdin"),
	HOY_OPTION('u', "username", HOY_OPTION_STRING, "string", struct login_options, username, "Username"),
	HOY_OPTION_END,
};

/* "https://host:5000/v2/" is kept as "host:5000"; Hub by its old name. */
static char *server_name(const char *text)
{
	const char *scheme = text ? strstr(text, "://") : NULL, *host = scheme ? scheme + 3 : text;
	auto_free char *name = host ? strndup(host, strcspn(host, "/")) : NULL;

	if (!text || (name && (strcmp(name, "docker.io") == 0 || strcmp(name, "index.docker.io") == 0 ||
				      strcmp(name, "registry-1.docker.io") == 0)))
		return strdup(HOY_REGISTRY_HUB);
	return TAKE_PTR(name);
}

/* --- asking ------------------------------------------------------------------ */

static void trim(struct hoy_buf *line)
{
	while (line->len > 0 && (line->data[line->len - 1] == '\n' || line->data[line->len - 1] == '\r'))
		line->data[--line->len] = '\0';
}

static int read_line(struct hoy_buf *line, struct hoy_err *err)
{
	char c;
	ssize_t n;

	while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
		(void) hoy_buf_addc(line, c);
	if (n < 0)
		return hoy_err_sys(err, "read from the terminal");
	(void) hoy_buf_adds(line, "");
	trim(line);
	return hoy_buf_check(line, "input", err);
}

static int ask(const char *what, bool hidden, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf line = { .cap = PASSWORD_MAX };
	struct termios before, quiet;
	int r;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return hoy_err_invalid(err, "Error: Cannot perform an interactive login from a non TTY device");
	(void) printf("%s: ", what);
	(void) fflush(stdout);
	quiet = before;
	quiet.c_lflag &= (tcflag_t) ~ECHO;
	if (hidden)
		(void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	r = read_line(&line, err);
	if (hidden) {
		(void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		(void) printf("\n");
	}
	if (r < 0)
		return r;
	*ret = strdup(line.data ? line.data : "");
	if (line.data)
		explicit_bzero(line.data, line.len);
	return *ret ? 0 : hoy_err_oom(err);
}

static int password_from_stdin(char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = PASSWORD_MAX };
	int r = hoy_file_read_fd(STDIN_FILENO, "password", &text, err);

	if (r < 0)
		return r;
	trim(&text);
	*ret = strdup(text.data ? text.data : "");
	if (text.data)
		explicit_bzero(text.data, text.len);
	return *ret ? 0 : hoy_err_oom(err);
}

/* --- the engine -------------------------------------------------------------- */

/* What is good becomes what is kept: an identity token in place of the password. */
static int check(
	struct hoy_cli *cli, const char *server, struct hoy_credentials *c, char **ret_status, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_(hoy_buf_done) struct hoy_buf body = { 0 };
	struct hoy_json_writer w = { .buf = &body };
	const char *token;
	int r;

	hoy_json_object(&w, NULL);
	if (c->username)
		hoy_json_add_string(&w, "username", c->username);
	if (c->password)
		hoy_json_add_string(&w, "password", c->password);
	if (c->identity_token)
		hoy_json_add_string(&w, "identitytoken", c->identity_token);
	hoy_json_add_string(&w, "serveraddress", server);
	hoy_json_end(&w);
	r = hoy_buf_check(&body, "credentials", err);
	if (r == 0)
		r = hoy_cli_call(cli, "POST", "/auth", body.data, &answer, err);
	if (body.data)
		explicit_bzero(body.data, body.len);
	if (r < 0)
		return r;
	token = hoy_cli_text(answer, "IdentityToken");
	if (*token) {
		free(c->identity_token);
		c->identity_token = strdup(token);
	}
	*ret_status = strdup(hoy_cli_text(answer, "Status"));
	return *ret_status ? 0 : hoy_err_oom(err);
}

static int keep(struct hoy_cli *cli, const char *server, const struct hoy_credentials *c, struct hoy_err *err)
{
	bool plain;
	int r = hoy_credentials_store(&cli->config, server, c, &plain, err);

	if (r < 0)
		return hoy_err_wrap(err, "error saving credentials");
	if (plain)
		(void) fprintf(stderr,
			"\nWARNING! Your credentials are stored unencrypted in '%s/config.json'.\n"
			"Configure a credential helper to remove this warning. See\n"
			"https://docs.docker.com/go/credential-store/\n\n",
			cli->config.dir);
	return 0;
}

/* What is known of the registry is tried before anybody is asked. True: it was good. */
static bool try_known(struct hoy_cli *cli, const char *server)
{
	auto_(hoy_credentials_done) struct hoy_credentials known = { 0 };
	auto_free char *status = NULL;
	struct hoy_err err;

	if (hoy_credentials_get(&cli->config, server, &known, /* err= */ NULL) < 0 ||
		(!known.username && !known.identity_token))
		return false;
	(void) printf("Authenticating with existing credentials... [Username: %s]\n",
		known.username ? known.username : "<token>");
	if (check(cli, server, &known, &status, &err) < 0) {
		(void) fprintf(stderr, "Login did not succeed, error: %s\n", hoy_err_str(&err));
		return false;
	}
	(void) printf("%s\n", status);
	return true;
}

static int fill(struct hoy_cli *cli, struct hoy_credentials *c, struct hoy_err *err)
{
	const struct login_options *o = cli->values;
	int r = 0;

	if (o->from_stdin)
		r = password_from_stdin(&c->password, err);
	else if (o->password)
		c->password = strdup(o->password);
	if (r == 0 && o->username)
		c->username = strdup(o->username);
	if (r == 0 && !c->username)
		r = ask("Username", /* hidden= */ false, &c->username, err);
	if (r == 0 && !c->password)
		r = ask("Password", /* hidden= */ true, &c->password, err);
	if (r == 0 && !*c->username)
		r = hoy_err_invalid(err, "username is empty");
	if (r == 0 && !*c->password)
		r = hoy_err_invalid(err, "password is empty");
	return r;
}

static int login(struct hoy_cli *cli, const char *server, struct hoy_err *err)
{
	const struct login_options *o = cli->values;
	auto_(hoy_credentials_done) struct hoy_credentials credentials = { 0 };
	auto_free char *status = NULL;
	int r;

	if (o->password && o->from_stdin)
		return hoy_err_invalid(err, "--password and --password-stdin are mutually exclusive");
	if (o->from_stdin && !o->username)
		return hoy_err_invalid(err, "Must provide --username with --password-stdin");
	if (o->password)
		(void) fprintf(stderr, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
	if (!o->password && !o->from_stdin && !o->username && try_known(cli, server))
		return 0;
	r = fill(cli, &credentials, err);
	if (r == 0)
		r = check(cli, server, &credentials, &status, err);
	if (r == 0)
		r = keep(cli, server, &credentials, err);
	if (r == 0)
		(void) printf("%s\n", status);
	return r;
}

static int cmd_login(struct hoy_cli *cli)
{
	auto_free char *server = server_name(cli->args[0]);
	struct hoy_err err;
	int r = server ? login(cli, server, &err) : hoy_err_oom(&err);

	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

static int cmd_logout(struct hoy_cli *cli)
{
	auto_free char *server = server_name(cli->args[0]);
	struct hoy_err err;
	bool found;

	if (!server) {
		(void) hoy_err_oom(&err);
		return hoy_cli_fail(cli, 1, &err);
	}
	if (hoy_credentials_erase(&cli->config, server, &found, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (found)
		(void) printf("Removing login credentials for %s\n", server);
	else
		(void) printf("Not logged in to %s\n", server);
	return 0;
}

const struct hoy_command hoy_cmd_login = {
	.name = "login",
	.args = "[SERVER]",
	.max_args = 1,
	.summary = "Authenticate to a registry",
	.options = login_options,
	.values_size = sizeof(struct login_options),
	.run = cmd_login,
};

const struct hoy_command hoy_cmd_logout = {
	.name = "logout",
	.args = "[SERVER]",
	.max_args = 1,
	.summary = "Log out from a registry",
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_logout,
};
