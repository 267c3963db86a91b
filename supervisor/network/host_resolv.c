/* inotify on /etc/resolv.conf: on the file it is or leads to, and on its successor when it is replaced. */
#include "supervisor/network/host_resolv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"

#define PATH "/etc/resolv.conf"
#define SETTLE_NS UINT64_C(200000000) /* who replaces a file does so in several steps */

struct hoy_host_resolv {
	int fd;
	struct hoy_source *io;
	struct hoy_source *settle;
	void (*changed)(void *userdata);
	void *userdata;
};

/* IN_ATTRIB: its last name is gone. The same file is not watched twice. */
static void watch_file(struct hoy_host_resolv *watch)
{
	if (inotify_add_watch(watch->fd, PATH, IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF) < 0)
		hoy_log_warn("changes of " PATH " are not noticed (errno %d)", errno);
}

static void on_event(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_host_resolv *watch = userdata;
	char unread[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	(void) source;
	(void) events;
	while (read(watch->fd, unread, sizeof unread) > 0)
		;
	hoy_source_set_timer(watch->settle, SETTLE_NS);
}

static void on_settled(struct hoy_source *source, void *userdata)
{
	struct hoy_host_resolv *watch = userdata;

	(void) source;
	watch_file(watch);
	watch->changed(watch->userdata);
}

int hoy_host_resolv_watch(struct hoy_loop *loop, void (*changed)(void *userdata), void *userdata,
	struct hoy_host_resolv **ret, struct hoy_err *err)
{
	struct hoy_host_resolv *watch = calloc(1, sizeof *watch);
	int r;

	if (!watch)
		return hoy_err_oom(err);
	watch->changed = changed;
	watch->userdata = userdata;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0) {
		hoy_log_warn("changes of " PATH " are not noticed: no inotify (errno %d)", errno);
		*ret = watch;
		return 0;
	}
	watch_file(watch);
	r = hoy_loop_io(loop, &watch->io, watch->fd, EPOLLIN, on_event, watch, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &watch->settle, UINT64_MAX, on_settled, watch, err);
	if (r < 0) {
		hoy_host_resolv_free(watch);
		return r;
	}
	*ret = watch;
	return 0;
}

void hoy_host_resolv_free(struct hoy_host_resolv *watch)
{
	if (!watch)
		return;
	watch->io = hoy_source_free(watch->io);
	watch->settle = hoy_source_free(watch->settle);
	hoy_fd_close(&watch->fd);
	free(watch);
}
