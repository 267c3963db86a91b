/* SIGCHLD, waitid and the table of known children. */
#include "shim/reaper.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/loop.h"

#define MAX_REMEMBERED 4096

struct hoy_watch {
	struct hoy_watch *next;
	struct hoy_reaper *reaper;
	pid_t pid;
	hoy_exit_handler handler;
	void *userdata;
	siginfo_t si;
	struct hoy_source *late; /* it had exited before it was watched: told from the loop */
};

struct hoy_reaper {
	struct hoy_loop *loop;
	struct hoy_source *sigchld;
	struct hoy_watch *watches;
	unsigned int holds;
	siginfo_t *remembered;
	size_t n_remembered, size;
};

static struct hoy_watch *take_watch(struct hoy_reaper *reaper, pid_t pid)
{
	for (struct hoy_watch **at = &reaper->watches; *at; at = &(*at)->next) {
		struct hoy_watch *watch = *at;

		if (watch->pid == pid && !watch->late) {
			*at = watch->next;
			return watch;
		}
	}
	return NULL;
}

static void tell(struct hoy_watch *watch, const siginfo_t *si)
{
	hoy_exit_handler handler = watch->handler;
	void *userdata = watch->userdata;

	hoy_source_free(watch->late);
	free(watch);
	handler(userdata, si);
}

static void remember(struct hoy_reaper *reaper, const siginfo_t *si)
{
	if (!reaper->holds || reaper->n_remembered == MAX_REMEMBERED)
		return;
	if (reaper->n_remembered == reaper->size) {
		size_t size = reaper->size ? reaper->size * 2 : 16;
		siginfo_t *more = reallocarray(reaper->remembered, size, sizeof *more);

		if (!more)
			return;
		reaper->remembered = more;
		reaper->size = size;
	}
	reaper->remembered[reaper->n_remembered++] = *si;
}

static void on_sigchld(struct hoy_source *source, const struct signalfd_siginfo *ssi, void *userdata)
{
	struct hoy_reaper *reaper = userdata;
	siginfo_t si = { 0 };

	(void) source;
	(void) ssi;
	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) == 0 && si.si_pid) {
		struct hoy_watch *watch = take_watch(reaper, si.si_pid);

		if (watch)
			tell(watch, &si);
		else
			remember(reaper, &si);
		memset(&si, 0, sizeof si);
	}
}

int hoy_reaper_new(struct hoy_loop *loop, struct hoy_reaper **ret, struct hoy_err *err)
{
	struct hoy_reaper *reaper = calloc(1, sizeof *reaper);
	int r;

	if (!reaper)
		return hoy_err_oom(err);
	reaper->loop = loop;
	r = hoy_loop_signal(loop, &reaper->sigchld, SIGCHLD, on_sigchld, reaper, err);
	if (r < 0) {
		free(reaper);
		return r;
	}
	*ret = reaper;
	return 0;
}

void hoy_reaper_free(struct hoy_reaper *reaper)
{
	if (!reaper)
		return;
	while (reaper->watches)
		hoy_watch_free(reaper->watches);
	hoy_source_free(reaper->sigchld);
	free(reaper->remembered);
	free(reaper);
}

static void on_late(struct hoy_source *source, void *userdata)
{
	struct hoy_watch *watch = userdata;
	siginfo_t si = watch->si;

	(void) source;
	for (struct hoy_watch **at = &watch->reaper->watches; *at; at = &(*at)->next)
		if (*at == watch) {
			*at = watch->next;
			break;
		}
	tell(watch, &si);
}

/* Its exit, if it was reaped already. */
static const siginfo_t *recall(const struct hoy_reaper *reaper, pid_t pid)
{
	for (size_t i = reaper->n_remembered; i-- > 0;)
		if (reaper->remembered[i].si_pid == pid)
			return &reaper->remembered[i];
	return NULL;
}

int hoy_reaper_watch(struct hoy_reaper *reaper, pid_t pid, hoy_exit_handler handler, void *userdata,
	struct hoy_watch **ret, struct hoy_err *err)
{
	const siginfo_t *past = recall(reaper, pid);
	struct hoy_watch *watch = calloc(1, sizeof *watch);

	if (!watch)
		return hoy_err_oom(err);
	*watch = (struct hoy_watch){ .reaper = reaper, .pid = pid, .handler = handler, .userdata = userdata };
	if (past) {
		int r = hoy_loop_defer(reaper->loop, &watch->late, on_late, watch, err);

		if (r < 0) {
			free(watch);
			return r;
		}
		watch->si = *past;
	}
	watch->next = reaper->watches;
	reaper->watches = watch;
	*ret = watch;
	return 0;
}

void hoy_watch_free(struct hoy_watch *watch)
{
	if (!watch)
		return;
	for (struct hoy_watch **at = &watch->reaper->watches; *at; at = &(*at)->next)
		if (*at == watch) {
			*at = watch->next;
			break;
		}
	hoy_source_free(watch->late);
	free(watch);
}

void hoy_reaper_hold(struct hoy_reaper *reaper)
{
	reaper->holds++;
}

void hoy_reaper_release(struct hoy_reaper *reaper)
{
	if (--reaper->holds)
		return;
	free(reaper->remembered);
	reaper->remembered = NULL;
	reaper->n_remembered = reaper->size = 0;
}
