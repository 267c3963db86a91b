/* The conversation with hoy-dns, which nobody trusts further than its messages can be checked. */
#include "supervisor/worker/net/grantor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/worker/net/state.h"

/* A new one is told before the end of the old one is seen. */
#define MAX_GRANTORS 4

struct grantor {
	struct hoy_grantors *all;
	int sock; /* -EBADF: free */
	struct hoy_source *source;
};

struct hoy_grantors {
	struct hoy_loop *loop;
	struct hoy_state *state;
	struct grantor grantors[MAX_GRANTORS];
	size_t next;
};

static void grantor_close(struct grantor *grantor)
{
	grantor->source = hoy_source_free(grantor->source);
	hoy_fd_close(&grantor->sock);
}

static bool is_whole(const struct hoy_net_grant *grant, ssize_t n)
{
	return n == (ssize_t) sizeof *grant && memchr(grant->name, '\0', sizeof grant->name) &&
	       grant->n_addresses <= HOY_NET_MAX_GRANTED;
}

static void on_grant(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct grantor *grantor = userdata;
	struct hoy_net_grant grant;
	struct hoy_net_granted reply = {};
	struct hoy_err err = {};
	ssize_t n = hoy_fd_recv(grantor->sock, &grant, sizeof grant, NULL, NULL);

	(void) source;
	(void) events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (!is_whole(&grant, n)) {
		grantor_close(grantor);
		return;
	}
	reply.seq = grant.seq;
	reply.result = hoy_state_grant(grantor->all->state, &grant, &err);
	if (reply.result < 0)
		hoy_log_err(&err, "addresses of a name");
	if (hoy_fd_send(grantor->sock, &reply, sizeof reply, NULL, 0) < 0)
		grantor_close(grantor);
}

int hoy_grantors_add(struct hoy_grantors *grantors, int sock, struct hoy_err *err)
{
	struct grantor *grantor = &grantors->grantors[grantors->next++ % MAX_GRANTORS];
	int r;

	grantor_close(grantor);
	grantor->sock = sock;
	r = hoy_fd_set_nonblocking(sock, true);
	if (r < 0)
		(void) hoy_err_code(err, r, "socket of hoy-dns");
	else
		r = hoy_loop_io(grantors->loop, &grantor->source, sock, EPOLLIN, on_grant, grantor, err);
	if (r < 0)
		grantor_close(grantor);
	return r;
}

int hoy_grantors_new(struct hoy_loop *loop, struct hoy_state *state, struct hoy_grantors **ret, struct hoy_err *err)
{
	struct hoy_grantors *grantors = calloc(1, sizeof *grantors);

	if (!grantors)
		return hoy_err_oom(err);
	grantors->loop = loop;
	grantors->state = state;
	for (size_t i = 0; i < MAX_GRANTORS; i++)
		grantors->grantors[i] = (struct grantor){ .all = grantors, .sock = -EBADF };
	*ret = grantors;
	return 0;
}

void hoy_grantors_free(struct hoy_grantors *grantors)
{
	for (size_t i = 0; grantors && i < MAX_GRANTORS; i++)
		grantor_close(&grantors->grantors[i]);
	free(grantors);
}
