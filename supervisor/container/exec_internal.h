/* Shared by the files about execs, and health.c, which runs its probes as execs. */
#ifndef HOY_CONTAINER_EXEC_INTERNAL_H
#define HOY_CONTAINER_EXEC_INTERNAL_H

#include "base/buf.h"
#include "supervisor/container/exec.h"
#include "supervisor/container/internal.h"

enum hoy_exec_state { HOY_EXEC_NEW, HOY_EXEC_STARTING, HOY_EXEC_RUNNING, HOY_EXEC_ENDED };

typedef void (*hoy_exec_ended)(void *userdata, int exit_code);

struct hoy_exec {
	struct hoy_exec_info info; /* first */
	struct hoy_exec *next;
	struct hoy_container *container;
	struct hoy_exec_config *config;
	enum hoy_exec_state state;
	bool internal; /* the engine's own: not shown to clients */
	int fd;        /* a copy of the client's stream until the start is over */
	bool framed;
	struct hoy_buf leftover;
	unsigned int height, width; /* asked for before the start */
	bool exit_seen;             /* the exit came before the answer to Start */
	int signal;                 /* asked for before the start; 0: none */
	hoy_container_done done;    /* of the start */
	void *userdata;
	struct hoy_op *refreshers;
	struct hoy_source *expiry;

	/* of an internal one */
	hoy_exec_ended over; /* the exec is gone when it is called */
	void *over_userdata;
};

/* --- exec.c --------------------------------------------------------------------------------------------- */

/* Runs `config` (taken over when it returns >= 0) as a process of the engine's own, its output goes to the stream
 * socket `output` (taken over). `over` is called at its end, also when it could not be started (126, 127), maybe before
 * this returns; the output may end later. */
int hoy_exec_run(struct hoy_container *c, struct hoy_exec_config *config, int output, hoy_exec_ended over,
	void *userdata, struct hoy_exec **ret, struct hoy_err *err);
void hoy_exec_kill(struct hoy_exec *e, int sig);
/* The client's stream is the shim's now, or `failure`. */
void hoy_exec_attached(struct hoy_exec *e, const struct hoy_err *failure);
/* One that was found in the bundle; `exit_code` NULL: it did not end. Takes `config` when it returns >= 0. */
int hoy_exec_take_up(struct hoy_container *c, const char *id, struct hoy_exec_config *config, bool internal,
	const int *exit_code, struct hoy_err *err);

/* --- exec_config.c -------------------------------------------------------------------------------------- */

int hoy_exec_config_parse(const char *text, size_t len, struct hoy_exec_config **ret, struct hoy_err *err);
void hoy_exec_config_free(struct hoy_exec_config *config);
HOY_DEFINE_AUTO_PTR(struct hoy_exec_config, hoy_exec_config_free);
/* config.json's "process" of the exec as JSON text. */
int hoy_exec_process_text(
	struct hoy_container *c, const struct hoy_exec_config *config, struct hoy_buf *text, struct hoy_err *err);

/* BUNDLE/exec-ID.json: what the next hoyd has to know. Failures are logged: they cost only an exec that is unknown. */
void hoy_exec_record_write(const struct hoy_exec *e);
void hoy_exec_record_remove(const struct hoy_exec *e);

/* --- attach.c -------------------------------------------------------------------------------------------- */

/* Passes a client's stream (taken over) to the shim for `e`; hoy_exec_attached() tells how it went. */
int hoy_container_attach_exec(struct hoy_exec *e, const struct hoy_container_attach *how, bool framed, int fd,
	const void *leftover, size_t leftover_len, struct hoy_err *err);

#endif
