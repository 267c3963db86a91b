/* The graph of steps and its threads. */
#include "supervisor/compose/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Threads at a time when nobody says: connections an engine serves at once. */
#define PARALLEL_MAX 64
#define STACK_SIZE ((size_t) 512 << 10)

struct hoy_work_step {
	struct hoy_work *work;
	hoy_work_function run;
	void *userdata;
	struct hoy_work_step **later; /* that wait for this one */
	size_t n_later, size_later;
	size_t waits; /* steps that must end first */
	bool begun;
	struct hoy_work_step *next;
};

struct hoy_work {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct hoy_work_step *first, **end;
	size_t parallel, running, left;
	bool out_of_memory, go_on;
	int failed; /* -errno of the first failure */
	struct hoy_err err;
};

struct hoy_work *hoy_work_new(long long parallel)
{
	struct hoy_work *work = calloc(1, sizeof *work);

	if (!work)
		return NULL;
	(void) pthread_mutex_init(&work->lock, NULL);
	(void) pthread_cond_init(&work->ended, NULL);
	work->end = &work->first;
	work->parallel = parallel > 0 ? (size_t) parallel : PARALLEL_MAX;
	return work;
}

void hoy_work_free(struct hoy_work *work)
{
	struct hoy_work_step *next;

	if (!work)
		return;
	for (struct hoy_work_step *s = work->first; s; s = next) {
		next = s->next;
		free(s->later);
		free(s);
	}
	(void) pthread_cond_destroy(&work->ended);
	(void) pthread_mutex_destroy(&work->lock);
	free(work);
}

struct hoy_work_step *hoy_work_add(struct hoy_work *work, hoy_work_function run, void *userdata)
{
	struct hoy_work_step *step = calloc(1, sizeof *step);

	if (!step) {
		work->out_of_memory = true;
		return NULL;
	}
	*step = (struct hoy_work_step){ .work = work, .run = run, .userdata = userdata };
	*work->end = step;
	work->end = &step->next;
	work->left++;
	return step;
}

void hoy_work_after(struct hoy_work_step *step, struct hoy_work_step *earlier)
{
	if (!step || !earlier)
		return;
	if (earlier->n_later == earlier->size_later) {
		size_t size = earlier->size_later ? earlier->size_later * 2 : 4;
		struct hoy_work_step **later = reallocarray(earlier->later, size, sizeof(struct hoy_work_step *));

		if (!later) {
			step->work->out_of_memory = true;
			return;
		}
		earlier->later = later;
		earlier->size_later = size;
	}
	earlier->later[earlier->n_later++] = step;
	step->waits++;
}

/* The step's end: those behind it may begin. Under the lock. */
static void finish(struct hoy_work_step *step, int r, const struct hoy_err *err)
{
	struct hoy_work *work = step->work;

	if (r < 0 && !work->failed) {
		work->failed = r;
		work->err = *err;
	}
	if (r >= 0)
		for (size_t i = 0; i < step->n_later; i++)
			step->later[i]->waits--;
	work->left--;
	work->running--;
	(void) pthread_cond_signal(&work->ended);
}

static void *run_step(void *userdata)
{
	struct hoy_work_step *step = userdata;
	struct hoy_work *work = step->work;
	struct hoy_err err = {};
	int r = step->run(step->userdata, &err);

	(void) pthread_mutex_lock(&work->lock);
	finish(step, r, &err);
	(void) pthread_mutex_unlock(&work->lock);
	return NULL;
}

/* With all signals blocked: they are the first thread's. Under the lock. */
static int begin(struct hoy_work_step *step, const pthread_attr_t *attributes, struct hoy_err *err)
{
	sigset_t all, old;
	pthread_t thread;
	int r;

	sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, attributes, run_step, step);
	(void) pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		return hoy_err_code(err, -r, "start a thread");
	step->begun = true;
	step->work->running++;
	return 0;
}

/* Begins what may begin. Under the lock. */
static void begin_ready(struct hoy_work *work, const pthread_attr_t *attributes)
{
	for (struct hoy_work_step *s = work->first; s && work->running < work->parallel; s = s->next) {
		struct hoy_err err;
		int r;

		if (s->begun || s->waits || (work->failed && !work->go_on))
			continue;
		r = begin(s, attributes, &err);
		if (r == 0)
			continue;
		/* The next end of a step makes room for another try. */
		if (!work->running && !work->failed) {
			work->failed = r;
			work->err = err;
		}
		return;
	}
}

int hoy_work_run(struct hoy_work *work, struct hoy_err *err)
{
	pthread_attr_t attributes;

	if (work->out_of_memory)
		return hoy_err_oom(err);
	(void) pthread_attr_init(&attributes);
	(void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void) pthread_attr_setstacksize(&attributes, STACK_SIZE);
	(void) pthread_mutex_lock(&work->lock);
	for (;;) {
		begin_ready(work, &attributes);
		if (!work->running)
			break;
		(void) pthread_cond_wait(&work->ended, &work->lock);
	}
	if (work->left && !work->failed)
		work->failed = hoy_err_invalid(&work->err, "the steps wait for each other in a circle");
	(void) pthread_mutex_unlock(&work->lock);
	(void) pthread_attr_destroy(&attributes);
	if (work->failed && err)
		*err = work->err;
	return work->failed;
}

int hoy_work_run_all(struct hoy_work *work, struct hoy_err *err)
{
	work->go_on = true;
	return hoy_work_run(work, err);
}
