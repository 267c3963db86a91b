/* Listening on the group's socket, or finding who does. */
#include "shim/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/ttrpc/frame.h"
#include "base/ttrpc/hoy_shim.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "base/ttrpc/ttrpc.pb-c.h"
#include "shim/sha256.h"

#define ANSWER_MS 5000 /* the shim does nothing that takes long */
#define ENDING_TRIES 100
#define ENDING_PAUSE_NS 10000000 /* 100 of them: an ending shim closes its socket at once */
#define ANSWER_MAX 4096

char *hoy_shim_socket_path(const char *dir, const char *address, const char *namespace_, const char *group)
{
	auto_free char *joined = hoy_str_printf("%s/%s/%s", address, namespace_, group);
	auto_free char *clean = joined ? hoy_path_clean(joined) : NULL;
	char hex[HOY_SHA256_HEX];

	if (!clean)
		return NULL;
	hoy_sha256_hex(clean, strlen(clean), hex);
	return hoy_str_printf("%s/%s", dir, hex);
}

int hoy_shim_socket_lock(const char *dir, struct hoy_err *err)
{
	auto_fd int fd = -EBADF;
	int r = hoy_path_mkdir_all(dir, 0711, err);

	if (r < 0)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return hoy_err_sys(err, "open '%s'", dir);
	if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0)
		return hoy_err_sys(err, "lock '%s'", dir);
	return TAKE_FD(fd);
}

/* --- the question ------------------------------------------------------------------------------------------------- */

static int send_expect(int fd, const char *id)
{
	Hoy__Pb__ShimExpectRequest expect = HOY__PB__SHIM_EXPECT_REQUEST__INIT;
	Hoy__Pb__RpcRequest request = HOY__PB__RPC_REQUEST__INIT;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	auto_free uint8_t *payload = NULL;
	uint8_t *data;

	expect.id = (char *) id;
	payload = malloc(hoy__pb__shim_expect_request__get_packed_size(&expect) + 1);
	if (!payload)
		return -ENOMEM;
	request.service = (char *) HOY_TTRPC_SHIM_SERVICE;
	request.method = (char *) "Expect";
	request.payload.len = hoy__pb__shim_expect_request__pack(&expect, payload);
	request.payload.data = payload;
	data = hoy_ttrpc_frame_add(&out, /* stream= */ 1, HOY_TTRPC_REQUEST, /* flags= */ 0,
		hoy__pb__rpc_request__get_packed_size(&request));
	if (!data)
		return -ENOMEM;
	hoy__pb__rpc_request__pack(&request, data);
	return send(fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t) out.len ? 0 : -ECONNRESET;
}

/* 0 with the answer's code, -ECONNRESET: it went away, -ETIMEDOUT, -ENOMEM. */
static int receive_code(int fd, int *ret_code)
{
	auto_(hoy_ttrpc_reader_done) struct hoy_ttrpc_reader reader = {};
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct hoy_ttrpc_frame frame;
	uint8_t data[ANSWER_MAX];

	for (int got = 0; !got;) {
		const uint8_t *at = data;
		size_t len;
		ssize_t n;

		if (TEMP_FAILURE_RETRY(poll(&poll_fd, 1, ANSWER_MS)) == 0)
			return -ETIMEDOUT;
		n = TEMP_FAILURE_RETRY(read(fd, data, sizeof data));
		if (n <= 0)
			return -ECONNRESET;
		len = (size_t) n;
		got = hoy_ttrpc_reader_next(&reader, &at, &len, &frame);
		if (got < 0)
			return got;
		if (got) {
			Hoy__Pb__RpcResponse *response = hoy__pb__rpc_response__unpack(NULL, frame.len, frame.data);

			*ret_code = response && response->status ? response->status->code : HOY_TTRPC_OK;
			hoy__pb__rpc_response__free_unpacked(response, NULL);
		}
	}
	return 0;
}

/* 1: a shim serves there and expects `id`; 0: one is just ending; or -errno. */
static int ask(int fd, const char *path, const char *id, struct hoy_err *err)
{
	int code = HOY_TTRPC_OK;
	int r = send_expect(fd, id);

	if (r >= 0)
		r = receive_code(fd, &code);
	if (r == -ECONNRESET)
		return 0;
	if (r == -ETIMEDOUT)
		return hoy_err_code(err, r, "the shim at '%s' does not answer", path);
	if (r < 0)
		return hoy_err_oom(err);
	return code != HOY_TTRPC_UNAVAILABLE; /* an older shim doesn't know the question: it serves nevertheless */
}

int hoy_shim_socket_listen(const char *path, const char *id, struct hoy_err *err)
{
	const struct timespec pause = { .tv_nsec = ENDING_PAUSE_NS };

	for (int tries = 0; tries < ENDING_TRIES; tries++) {
		int fd = hoy_fd_unix_listen(path, SOCK_STREAM, 0600, err);
		auto_fd int other = -EBADF;
		int r;

		if (fd != -EADDRINUSE)
			return fd;
		other = hoy_fd_unix_connect(path, SOCK_STREAM, /* err= */ NULL);
		if (other == -ECONNREFUSED && unlink(path) < 0 && errno != ENOENT)
			return hoy_err_sys(err, "remove stale socket '%s'", path);
		if (other < 0)
			continue;
		r = ask(other, path, id, err);
		if (r != 0)
			return r < 0 ? r : -EALREADY;
		(void) nanosleep(&pause, NULL);
	}
	return hoy_err_code(err, -EADDRINUSE, "socket '%s'", path);
}
