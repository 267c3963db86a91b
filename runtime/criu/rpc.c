/* CRIU's messages. Knows nothing of containers. */
#include "runtime/criu/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "runtime/criu/request.h"
#include "runtime/criu/rpc.pb-c.h"

#define SOCKET_NUMBER HOY_HELPER_SOCKET /* in criu: the place of ours */
#define MAX_INHERITED 64
#define PACKET_MAX ((size_t) 64 << 10)
#define REQUEST_ROOM (16 << 20)
#define LOG_LEVEL 4
enum { LOCK_IPTABLES = 1, LOCK_NFTABLES };

/* --- the process ----------------------------------------------------------------------------------------------- */

int hoy_criu_start(const struct hoy_criu_request *request, struct hoy_criu *ret, struct hoy_err *err)
{
	static char program[] = "criu", verb[] = "swrk", number[] = { '0' + SOCKET_NUMBER, '\0' };
	char *argv[] = { program, verb, number, NULL };
	int fds[MAX_INHERITED], pair[2], r, room = REQUEST_ROOM;
	auto_fd int ours = -EBADF, theirs = -EBADF;
	struct hoy_spawn spawn = { .path = program, .argv = argv, .fds = fds, .n_fds = HOY_CRIU_FD_MORE };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "socket pair for criu");
	ours = pair[0];
	theirs = pair[1];
	(void) setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	for (size_t i = 0; i < request->n_inherit; i++)
		spawn.n_fds = MAX(spawn.n_fds, (size_t) request->inherit[i].fd + 1);
	spawn.n_fds = MAX(spawn.n_fds, (size_t) request->status_fd + 1);
	if (spawn.n_fds > MAX_INHERITED)
		return hoy_err_code(err, -E2BIG, "descriptors for criu");
	for (size_t i = 0; i < spawn.n_fds; i++)
		fds[i] = (int) i;
	fds[SOCKET_NUMBER] = theirs;
	fds[HOY_HELPER_REQUEST] = -EBADF;
	r = hoy_process_spawn(&spawn, &ret->pid, /* ret_pidfd= */ NULL, err);
	if (r == -ENOENT)
		return hoy_err_set(err, HOY_ERR_UNSUPPORTED, ENOENT,
			"checkpoint and restore need the program criu, which is not in PATH: install the package criu");
	if (r < 0)
		return r;
	ret->sock = TAKE_FD(ours);
	return 0;
}

void hoy_criu_end(struct hoy_criu *criu)
{
	siginfo_t si;

	hoy_fd_close(&criu->sock);
	if (criu->pid > 0)
		(void) hoy_process_wait(criu->pid, &si, NULL);
	criu->pid = 0;
}

/* --- the request ----------------------------------------------------------------------------------------------- */

static int send_packet(int sock, const Hoy__Criu__Request *request, struct hoy_err *err)
{
	size_t len = hoy__criu__request__get_packed_size(request);
	auto_free uint8_t *packet = malloc(len);
	ssize_t n;

	if (!packet)
		return hoy_err_oom(err);
	(void) hoy__criu__request__pack(request, packet);
	n = hoy_fd_send(sock, packet, len, NULL, 0);
	return n < 0 ? hoy_err_code(err, (int) n, "send to criu") : 0;
}

/* CRIU stops the network of what it saves, with iptables unless told otherwise; that may not be here. */
static int network_lock(void)
{
	auto_free char *path = NULL;

	return hoy_helper_find("iptables-restore", HOY_HELPER_PROGRAM, &path, NULL) == 0 ? LOCK_IPTABLES
											 : LOCK_NFTABLES;
}

#define SET(member, value)                                                                                             \
	do {                                                                                                           \
		o->member = (value);                                                                                   \
		o->has_##member = true;                                                                                \
	} while (0)

static void fill_options(const struct hoy_criu_request *q, Hoy__Criu__Options *o)
{
	o->images_dir_fd = HOY_CRIU_FD_IMAGES;
	SET(work_dir_fd, HOY_CRIU_FD_WORK);
	SET(log_level, LOG_LEVEL);
	o->log_file = q->log;
	o->root = q->root;
	o->parent_images = q->parent;
	o->config_file = q->config_file;
	o->freeze_cgroup = q->freeze_cgroup;
	o->lsm_profile = q->lsm_profile;
	o->lsm_mount_context = q->lsm_mount_context;
	o->external = q->external;
	o->n_external = hoy_strv_len(q->external);
	if (q->pid)
		SET(pid, q->pid);
	SET(leave_running, q->leave_running);
	SET(ext_unix_sk, q->ext_unix_sk);
	SET(tcp_established, q->tcp_established);
	SET(tcp_skip_in_flight, q->tcp_skip_in_flight);
	SET(shell_job, q->shell_job);
	SET(file_locks, q->file_locks);
	SET(link_remap, q->link_remap);
	SET(auto_dedup, q->auto_dedup);
	SET(lazy_pages, q->lazy_pages);
	SET(orphan_pts_master, q->orphan_terminal);
	SET(manage_cgroups, true);
	SET(manage_cgroups_mode, (int32_t) q->cgroup_mode);
	SET(network_lock, network_lock());
	SET(notify, true);
	if (q->action == HOY_CRIU_PRE_DUMP || q->parent)
		SET(track_memory, true);
	if (q->action == HOY_CRIU_RESTORE)
		SET(restore_as_sibling, true);
	if (q->empty_ns)
		SET(empty_ns, q->empty_ns);
	if (q->status_fd)
		SET(status_fd, (int32_t) q->status_fd);
}

int hoy_criu_send_request(struct hoy_criu *criu, const struct hoy_criu_request *q, struct hoy_err *err)
{
	static const Hoy__Criu__RequestType types[] = {
		[HOY_CRIU_DUMP] = HOY__CRIU__REQUEST_TYPE__DUMP,
		[HOY_CRIU_PRE_DUMP] = HOY__CRIU__REQUEST_TYPE__PRE_DUMP,
		[HOY_CRIU_RESTORE] = HOY__CRIU__REQUEST_TYPE__RESTORE,
	};
	Hoy__Criu__Options options = HOY__CRIU__OPTIONS__INIT;
	Hoy__Criu__Request request = HOY__CRIU__REQUEST__INIT;
	Hoy__Criu__PageServer server = HOY__CRIU__PAGE_SERVER__INIT;
	Hoy__Criu__CgroupRoot root = HOY__CRIU__CGROUP_ROOT__INIT, *roots[] = { &root };
	auto_free Hoy__Criu__InheritFd *fds = calloc(q->n_inherit + 1, sizeof *fds);
	auto_free Hoy__Criu__InheritFd **fd_list = calloc(q->n_inherit + 1, sizeof *fd_list);
	auto_free Hoy__Criu__JoinNs *joins = calloc(q->n_joins + 1, sizeof *joins);
	auto_free Hoy__Criu__JoinNs **join_list = calloc(q->n_joins + 1, sizeof *join_list);

	if (!fds || !fd_list || !joins || !join_list)
		return hoy_err_oom(err);
	fill_options(q, &options);
	for (size_t i = 0; i < q->n_inherit; i++) {
		hoy__criu__inherit_fd__init(&fds[i]);
		fds[i].key = q->inherit[i].key;
		fds[i].fd = (int32_t) q->inherit[i].fd;
		fd_list[i] = &fds[i];
	}
	for (size_t i = 0; i < q->n_joins; i++) {
		hoy__criu__join_ns__init(&joins[i]);
		joins[i].type = q->joins[i].type;
		joins[i].path = q->joins[i].path;
		join_list[i] = &joins[i];
	}
	options.inherit_fds = fd_list;
	options.n_inherit_fds = q->n_inherit;
	options.join_ns = join_list;
	options.n_join_ns = q->n_joins;
	if (q->cgroup_root) {
		root.path = q->cgroup_root;
		options.cgroup_roots = roots;
		options.n_cgroup_roots = 1;
	}
	if (q->page_server) {
		server.address = q->page_server;
		server.port = (int32_t) q->page_server_port;
		server.has_port = true;
		options.page_server = &server;
	}
	request.type = types[q->action];
	request.options = &options;
	return send_packet(criu->sock, &request, err);
}

int hoy_criu_reply(struct hoy_criu *criu, bool success, struct hoy_err *err)
{
	Hoy__Criu__Request request = HOY__CRIU__REQUEST__INIT;

	request.type = HOY__CRIU__REQUEST_TYPE__NOTIFY;
	request.has_notify_success = true;
	request.notify_success = success;
	return send_packet(criu->sock, &request, err);
}

/* --- what it says ---------------------------------------------------------------------------------------------- */

static void take_answer(const Hoy__Criu__Answer *from, struct hoy_criu_answer *to)
{
	const Hoy__Criu__Notification *n = from->notify;

	to->is_notification = from->type == HOY__CRIU__REQUEST_TYPE__NOTIFY;
	to->success = from->success;
	if (to->is_notification && n) {
		(void) snprintf(to->name, sizeof to->name, "%s", n->script ? n->script : "");
		to->pid = n->pid;
	}
	if (from->restore)
		to->pid = from->restore->pid;
	(void) snprintf(to->message, sizeof to->message, "%s", from->message ? from->message : "");
}

int hoy_criu_recv(struct hoy_criu *criu, struct hoy_criu_answer *ret, struct hoy_err *err)
{
	auto_free uint8_t *packet = malloc(PACKET_MAX);
	auto_fd int fd = -EBADF;
	Hoy__Criu__Answer *answer;
	size_t n_fds = 1;
	ssize_t n;

	if (!packet)
		return hoy_err_oom(err);
	n = hoy_fd_recv(criu->sock, packet, PACKET_MAX, &fd, &n_fds);
	if (n_fds == 0)
		fd = -EBADF;
	if (n == 0 || n == -ECONNRESET)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPIPE, "it died");
	if (n < 0)
		return hoy_err_code(err, (int) n, "receive from criu");
	answer = hoy__criu__answer__unpack(NULL, (size_t) n, packet);
	if (!answer)
		return hoy_err_code(err, -EPROTO, "message of criu");
	*ret = (struct hoy_criu_answer){ .fd = -EBADF };
	take_answer(answer, ret);
	hoy__criu__answer__free_unpacked(answer, NULL);
	ret->fd = TAKE_FD(fd);
	return 0;
}
