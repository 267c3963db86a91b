/*
 * The network room without hoyd: commands on standard input, one answer line each on standard output.
 *
 *	network-driver EXEC_ROOT DATABASE [BIP [BRIDGE]]
 *
 *	allocate ID NETWORK [egress=...] [PROTO,HOST_IP,HOST_PORT[-LAST],PORT ...]   ok | error TEXT
 *	attach ID NAME NETNS_PATH                                         ok MICROSECONDS | error TEXT
 *	detach ID, release ID, recover ID..., shutdown
 *	info ID          ok ADDRESS/LEN GATEWAY MAC [HOST_IP:HOST_PORT->PORT/PROTO ...]
 *	list             ok NAME:DRIVER:SUBNET ...
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/network/network.h"
#include "supervisor/store/store.h"

#define MAX_PORTS 2000

struct driver {
	struct hoy_loop *loop;
	struct hoy_store *store;
	struct hoy_networks *networks;
	struct hoy_buf input;
	uint64_t began;
};

static void answer(const struct hoy_err *err)
{
	if (err && err->errnum)
		(void) printf("error %s\n", hoy_err_str(err));
	else
		(void) printf("ok\n");
	(void) fflush(stdout);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static void on_attached(void *userdata, const struct hoy_err *err)
{
	struct driver *d = userdata;

	if (err) {
		answer(err);
		return;
	}
	(void) printf("ok %llu\n", (unsigned long long) (now_us() - d->began));
	(void) fflush(stdout);
}

/* "tcp,,8080-8090,80" */
static int parse_port(const char *text, struct hoy_network_port *port)
{
	auto_ptr(hoy_strv_free) char **part = hoy_str_split(text, ',');
	unsigned int first = 0, last = 0, container;
	char *dash;

	if (hoy_strv_len(part) != 4 || hoy_port_proto_from_string(part[0]) < 0)
		return -EINVAL;
	dash = strchr(part[2], '-');
	if (dash)
		*dash++ = '\0';
	if (hoy_str_to_uint(part[2], &first) < 0 || (dash && hoy_str_to_uint(dash, &last) < 0) ||
		hoy_str_to_uint(part[3], &container) < 0)
		return -EINVAL;
	*port = (struct hoy_network_port){
		.proto = (enum hoy_port_proto) hoy_port_proto_from_string(part[0]),
		.container_port = (uint16_t) container,
		.host_port = (uint16_t) first,
		.host_port_last = (uint16_t) last,
	};
	(void) snprintf(port->host_ip, sizeof port->host_ip, "%s", part[1]);
	return 0;
}

static int do_allocate(struct driver *d, char **arg, size_t n, struct hoy_err *err)
{
	static struct hoy_network_port ports[MAX_PORTS];
	struct hoy_network_request request = { .container_id = arg[1], .network = arg[2], .ports = ports };
	char key[] = "hoy.egress";
	struct hoy_oci_kv egress = { .key = key };
	int r;

	if (n > 3 && hoy_str_starts(arg[3], "egress=")) {
		egress.value = arg[3] + strlen("egress=");
		request.driver_opts = &egress;
		request.n_driver_opts = 1;
	}
	for (size_t i = 3 + request.n_driver_opts; i < n; i++)
		if (request.n_ports >= MAX_PORTS || parse_port(arg[i], &ports[request.n_ports++]) < 0)
			return hoy_err_invalid(err, "bad port '%s'", arg[i]);
	r = hoy_store_begin(d->store, err);
	if (r < 0)
		return r;
	r = hoy_network_allocate(d->networks, &request, err);
	if (r < 0) {
		hoy_store_rollback(d->store);
		return r;
	}
	return hoy_store_commit(d->store, err);
}

static int do_attach(struct driver *d, char **arg, struct hoy_err *err)
{
	auto_fd int netns = open(arg[3], O_RDONLY | O_CLOEXEC);

	if (netns < 0)
		return hoy_err_sys(err, "open '%s'", arg[3]);
	d->began = now_us();
	return hoy_network_attach(d->networks, arg[1], arg[2], netns, on_attached, d, err);
}

static int do_info(struct driver *d, char **arg, struct hoy_err *err)
{
	struct hoy_endpoint_info info;
	int r = hoy_network_endpoint(d->networks, arg[1], &info, err);

	if (r < 0)
		return r;
	(void) printf("ok %s/%u %s %s", info.address, info.prefix_len, info.gateway, info.mac);
	for (size_t i = 0; i < info.n_ports; i++)
		(void) printf(" %s:%u->%u/%s", info.ports[i].host_ip, info.ports[i].host_port,
			info.ports[i].container_port, hoy_port_proto_to_string(info.ports[i].proto));
	(void) printf("\n");
	hoy_endpoint_info_done(&info);
	return 1;
}

static int do_list(struct driver *d, struct hoy_err *err)
{
	struct hoy_network_info *infos;
	size_t n;
	int r = hoy_network_list(d->networks, &infos, &n, err);

	if (r < 0)
		return r;
	(void) printf("ok");
	for (size_t i = 0; i < n; i++)
		(void) printf(" %s:%s:%s", infos[i].name, infos[i].driver, infos[i].subnet);
	(void) printf("\n");
	hoy_network_infos_free(infos, n);
	return 1;
}

/* 0: answer ok, 1: answered or will be. */
static int run(struct driver *d, char **arg, size_t n, struct hoy_err *err)
{
	if (hoy_str_eq(arg[0], "allocate") && n >= 3)
		return do_allocate(d, arg, n, err);
	if (hoy_str_eq(arg[0], "attach") && n == 4) {
		int r = do_attach(d, arg, err);

		return r < 0 ? r : 1;
	}
	if (hoy_str_eq(arg[0], "detach") && n == 2) {
		hoy_network_detach(d->networks, arg[1]);
		return 0;
	}
	if (hoy_str_eq(arg[0], "release") && n == 2)
		return hoy_network_release(d->networks, arg[1], err);
	if (hoy_str_eq(arg[0], "recover"))
		return hoy_network_recover(d->networks, (const char *const *) arg + 1, n - 1, err);
	if (hoy_str_eq(arg[0], "shutdown")) {
		hoy_network_shutdown(d->networks);
		return 0;
	}
	if (hoy_str_eq(arg[0], "info") && n == 2)
		return do_info(d, arg, err);
	if (hoy_str_eq(arg[0], "list"))
		return do_list(d, err);
	return hoy_err_invalid(err, "unknown command '%s'", arg[0]);
}

static void run_line(struct driver *d, const char *line)
{
	auto_ptr(hoy_strv_free) char **arg = hoy_str_split(line, ' ');
	struct hoy_err err = {};
	int r = run(d, arg, hoy_strv_len(arg), &err);

	if (r <= 0)
		answer(r < 0 ? &err : NULL);
	(void) fflush(stdout);
}

static void on_input(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct driver *d = userdata;
	char *room = hoy_buf_reserve(&d->input, 4096);
	ssize_t n = room ? read(0, room, 4096) : -1;
	char *newline;

	(void) source;
	(void) events;
	if (n <= 0) {
		hoy_loop_exit(d->loop, 0);
		return;
	}
	hoy_buf_commit(&d->input, (size_t) n);
	while (d->input.len > 0 && (newline = memchr(d->input.data, '\n', d->input.len))) {
		*newline = '\0';
		run_line(d, d->input.data);
		hoy_buf_consume(&d->input, (size_t) (newline - d->input.data) + 1);
	}
}

int main(int argc, char **argv)
{
	auto_ptr(hoy_loop_free) struct hoy_loop *loop = NULL;
	auto_ptr(hoy_store_close) struct hoy_store *store = NULL;
	auto_ptr(hoy_network_free) struct hoy_networks *networks = NULL;
	auto_ptr(hoy_source_free) struct hoy_source *input = NULL;
	struct driver d = {};
	struct hoy_err err = {};
	int r;

	if (argc < 3)
		return EXIT_FAILURE;
	const struct hoy_network_config config = { .exec_root = argv[1],
		.bip = argc > 3 && argv[3][0] ? argv[3] : NULL,
		.bridge = argc > 4 ? argv[4] : NULL };

	r = hoy_loop_new(&loop, &err);
	if (r >= 0)
		r = hoy_store_open(loop, argv[2], &store, &err);
	if (r >= 0)
		r = hoy_network_open(loop, store, &config, &networks, &err);
	if (r >= 0)
		r = hoy_loop_io(loop, &input, 0, EPOLLIN, on_input, &d, &err);
	if (r < 0) {
		answer(&err);
		return EXIT_FAILURE;
	}
	d.loop = loop;
	d.store = store;
	d.networks = networks;
	r = hoy_loop_run(loop, &err);
	hoy_buf_done(&d.input);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
