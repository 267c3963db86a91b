/*
 * Files of the client, by its session: BuildKit's FileSync.DiffCopy, whose packets are fsutil's. The client lists what
 * it has, in the order of a walk; we ask for the content of regular files by their number in the list.
 */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_FILESYNC_H
#define HOY_SUPERVISOR_WORKER_BUILD_FILESYNC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_filesync;
struct hoy_grpc;

struct hoy_filesync_result {
	uint64_t bytes, entries;
};

struct hoy_filesync_options {
	struct hoy_grpc *grpc;
	int dir;               /* an empty directory, into which it goes; borrowed for as long as it runs */
	const char *name;      /* which of the client's: "context", "dockerfile" */
	char *const *follow;   /* only these, and what links in them lead to; NULL: all */
	char *const *includes; /* patterns; NULL: all */
	char *const *excludes; /* patterns of an ignore file; NULL: none */
	/* Once, from the loop; frees the transfer. `err` NULL: all is there. -ENOENT (HOY_ERR_NOT_FOUND): the client
	 * has no directory of this name. */
	void (*done)(const struct hoy_err *err, const struct hoy_filesync_result *result, void *userdata);
	void *userdata;
};

int hoy_filesync_start(const struct hoy_filesync_options *options, struct hoy_filesync **ret, struct hoy_err *err);

/* The other way round: a call of the other side, who sends files (FileSend.DiffCopy), into a directory where some may be
 * already. Of the options only `dir`, `done` and `userdata` count. Answers the call. */
struct hoy_grpc_call;
int hoy_filesync_accept(struct hoy_grpc_call *call, const struct hoy_filesync_options *options, struct hoy_err *err);

/* One packet of the other side into `dir`, for tests: as in a transfer, with the requests dropped. */
int hoy_filesync_try(int dir, const char *packet, size_t len, struct hoy_err *err);

#endif
