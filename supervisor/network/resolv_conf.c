/* The resolv.conf of containers that have no name server of ours. Text in, text out. */
#include <string.h>

#include "base/str.h"
#include "supervisor/network/network.h"
#include "supervisor/network/pool.h"

#define BLANK " \t\r"

/* The address of a `nameserver` line; NULL for any other line. Heap. */
static char *name_server(const char *line, size_t len)
{
	static const char keyword[] = "nameserver";
	size_t skip = sizeof keyword - 1;

	if (len <= skip || strncmp(line, keyword, skip) != 0 || !strchr(BLANK, line[skip]))
		return NULL;
	line += skip;
	len -= skip;
	while (len > 0 && strchr(BLANK, *line)) {
		line++;
		len--;
	}
	for (skip = 0; skip < len && !strchr(BLANK "#;", line[skip]); skip++)
		;
	return strndup(line, skip);
}

/* Reachable from an IPv4 container on a bridge? */
static bool is_usable(const char *server)
{
	uint32_t address;

	return hoy_ipv4_parse(server, &address) == 0 && address >> 24 != 127 && address != 0;
}

int hoy_network_resolv_servers(const char *host_text, size_t len, char ***ret)
{
	const char *end = host_text + len;
	int r = 0;

	for (const char *line = host_text; line < end && r >= 0;) {
		const char *newline = memchr(line, '\n', (size_t) (end - line));
		size_t n = (size_t) ((newline ? newline : end) - line);
		auto_free char *server = name_server(line, n);

		if (server && *server)
			r = hoy_strv_add(ret, server);
		line += n + 1;
	}
	return r;
}

int hoy_network_resolv_conf(const char *host_text, size_t len, struct hoy_buf *out, struct hoy_err *err)
{
	const char *end = host_text + len;
	size_t servers = 0;

	for (const char *line = host_text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t) (end - line));
		size_t n = (size_t) ((newline ? newline : end) - line);
		auto_free char *server = name_server(line, n);

		if (!server || is_usable(server)) {
			servers += server != NULL;
			(void) hoy_buf_add(out, line, n);
			(void) hoy_buf_addc(out, '\n');
		}
		line += n + 1;
	}
	if (servers == 0)
		(void) hoy_buf_adds(out, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	return hoy_buf_check(out, "resolv.conf", err);
}
