/* hoyd: serves the Docker Engine API over Hoy's rooms. main() reads the settings; the rest is daemon.c's. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "config.h"
#include "supervisor/daemon/daemon.h"
#include "supervisor/daemon/options.h"
#include "supervisor/daemon/sockets.h"
#include "supervisor/network/network.h"

#define KEPT_FREE (512 << 10) /* bytes at the end of the heap */

static int fail(const struct hoy_err *err)
{
	(void) fprintf(stderr, "hoyd: %s\n", hoy_err_str(err));
	return EXIT_FAILURE;
}

static int check_metrics(const char *address, struct hoy_err *err)
{
	auto_free char *host = hoy_host_unix_path(address) ? strdup(address) : hoy_str_printf("tcp://%s", address);
	int r = host ? hoy_host_check(host, err) : hoy_err_oom(err);

	return r < 0 ? hoy_err_wrap(err, "metrics-addr") : 0;
}

static int check_hosts(const struct hoy_daemon_options *options, struct hoy_err *err)
{
	for (char *const *host = options->hosts; *host; host++) {
		int r = hoy_host_check(*host, err);

		if (r < 0)
			return r;
	}
	return options->metrics_addr ? check_metrics(options->metrics_addr, err) : 0;
}

/* hoyd itself may have as many descriptors as root lets it: each client has one, each container some. */
static uint64_t raise_file_limit(void)
{
	struct rlimit files;
	uint64_t before;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	before = files.rlim_cur;
	files.rlim_cur = files.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &files);
	return before;
}

/* Whose is it? A flag or the file may say so, too, but not otherwise than it is. */
static int check_user(struct hoy_daemon_options *options, bool is_root, struct hoy_err *err)
{
	if (options->rootless && is_root)
		return hoy_err_invalid(err, "--rootless is for an ordinary user, and this is root");
	if (!options->rootless && !is_root)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPERM, "hoyd with --rootless=false needs root privileges");
	return 0;
}

static int serve(struct hoy_daemon_options *options)
{
	auto_ptr(hoy_daemon_close) struct hoy_daemon *daemon = NULL;
	struct hoy_err err = { 0 };

	options->max_files = raise_file_limit();
	if (hoy_daemon_open(&daemon, options, &err) < 0)
		return fail(&err);
	if (hoy_daemon_run(daemon, &err) < 0)
		return fail(&err);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options options = { 0 };
	struct hoy_err err = { 0 };
	int r;

	(void) hoy_fd_ensure_stdio();
	/* A heap that gives its end back after each larger buffer pays more for the pages than for the work. */
	(void) mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
	r = hoy_daemon_options_parse(&options, argc, argv, &err);
	if (r < 0)
		return fail(&err);
	if (options.help) {
		hoy_daemon_options_print_help();
		return EXIT_SUCCESS;
	}
	if (options.version) {
		(void) puts("hoyd version " PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (!hoy_daemon_options_given(&options, "rootless"))
		options.rootless = geteuid() != 0;
	r = hoy_daemon_options_load(&options, &err);
	if (r >= 0)
		r = check_user(&options, geteuid() == 0, &err);
	if (r >= 0)
		r = hoy_daemon_options_finish(&options, &err);
	if (r >= 0)
		r = check_hosts(&options, &err);
	if (r >= 0)
		r = hoy_network_check_cluster(options.cluster_store, options.cluster_advertise, &err);
	if (r < 0)
		return fail(&err);
	if (options.validate) {
		(void) puts("configuration OK");
		return EXIT_SUCCESS;
	}
	return serve(&options);
}
