/*
 * Steps that wait for each other, everything independent at the same time: a thread per step that runs, each with its
 * own connection to the engine. The steps' functions block and read as straight code. Signals stay with the caller's
 * thread.
 *
 *	struct hoy_work_step *a = hoy_work_add(work, create_network, net), *b = hoy_work_add(work, create, web);
 *	hoy_work_after(b, a);
 *	r = hoy_work_run(work, err);
 */
#ifndef HOY_COMPOSE_WORK_H
#define HOY_COMPOSE_WORK_H

#include "base/err.h"

struct hoy_work;
struct hoy_work_step;

/* 0 or -errno with `err` filled; `userdata` stays the caller's. */
typedef int (*hoy_work_function)(void *userdata, struct hoy_err *err);

/* At most `parallel` steps at a time; <= 0: as many as there are, up to a bound of ours. NULL: out of memory. */
struct hoy_work *hoy_work_new(long long parallel);
void hoy_work_free(struct hoy_work *work);
HOY_DEFINE_AUTO_PTR(struct hoy_work, hoy_work_free);

/* NULL when out of memory, which hoy_work_run() tells: no check between. */
struct hoy_work_step *hoy_work_add(struct hoy_work *work, hoy_work_function run, void *userdata);
/* `step` begins when `earlier` has ended well. NULLs are ignored. */
void hoy_work_after(struct hoy_work_step *step, struct hoy_work_step *earlier);

/* Runs all. After the first failure no step begins any more; those that run end, then that failure is returned. A
 * circle of steps is an error. */
int hoy_work_run(struct hoy_work *work, struct hoy_err *err);

/* The same, but a failure holds back only the steps behind it. */
int hoy_work_run_all(struct hoy_work *work, struct hoy_err *err);

#endif
