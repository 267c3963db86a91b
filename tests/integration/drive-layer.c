/*
 * Lets a shell test give hoy-layer one request:
 *
 *	drive-layer HOY-LAYER split|apply|remove|sync|pack|verify TARGET [OPTIONS] <INPUT
 *	    --diff-id D  --max-entries N  --max-bytes N  --copy FILE  --lowers DIR NAME[,NAME...] (top first)
 *	    pack: --output FILE first, then --flag chunked|gzip|diff|neutral
 *
 * Prints one line per reply ("entry file 0 12 sha256:... name", "done sha256:... ...", "error KIND text").
 * Exit status: 0 done, 1 error, 3 the worker died without an answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/worker/layer/protocol.h"

struct drive {
	struct hoy_layer_request request;
	int fds[4];
	size_t n_fds;
	char names[65536];
	size_t names_len;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		die(path);
	return fd;
}

static void add_lowers(struct drive *d, const char *dir, char *names)
{
	d->request.flags |= HOY_LAYER_LOWERS;
	d->fds[d->n_fds++] = must_open(dir, O_RDONLY | O_DIRECTORY);
	d->names_len = strlen(names) + 1;
	if (d->names_len > sizeof d->names)
		exit(2);
	memcpy(d->names, names, d->names_len);
	for (char *p = d->names; (p = strchr(p, ','));)
		*p = '\0';
}

static void parse(struct drive *d, char **argv)
{
	static const char *const ops[] = { "", "split", "apply", "remove", "sync", "pack", "verify" };
	static const char *const flags[] = { "", "", "chunked", "gzip", "diff", "neutral" };

	for (uint32_t op = 1; op < ARRAY_LEN(ops); op++)
		if (strcmp(argv[2], ops[op]) == 0)
			d->request.op = op;
	if (d->request.op <= HOY_LAYER_APPLY)
		d->fds[d->n_fds++] = STDIN_FILENO;
	d->fds[d->n_fds++] = must_open(argv[3], O_PATH | O_DIRECTORY);
	for (char **arg = argv + 4; *arg; arg += 2) {
		if (strcmp(*arg, "--diff-id") == 0)
			(void) snprintf(d->request.diff_id, sizeof d->request.diff_id, "%s", arg[1]);
		else if (strcmp(*arg, "--max-entries") == 0)
			(void) hoy_str_to_u64(arg[1], &d->request.limits.max_entries);
		else if (strcmp(*arg, "--max-bytes") == 0)
			(void) hoy_str_to_u64(arg[1], &d->request.limits.max_bytes);
		else if (strcmp(*arg, "--copy") == 0) {
			d->request.flags |= HOY_LAYER_COPY;
			d->fds[d->n_fds++] = must_open(arg[1], O_WRONLY | O_CREAT | O_TRUNC);
		} else if (strcmp(*arg, "--lowers") == 0) {
			add_lowers(d, arg[1], arg[2]);
			arg++;
		} else if (strcmp(*arg, "--output") == 0) {
			d->fds[d->n_fds++] = must_open(arg[1], O_WRONLY | O_CREAT | O_TRUNC);
		} else if (strcmp(*arg, "--flag") == 0) {
			for (uint32_t bit = 2; bit < ARRAY_LEN(flags); bit++)
				if (strcmp(arg[1], flags[bit]) == 0)
					d->request.flags |= 1u << bit;
		} else {
			exit(2);
		}
	}
}

/* False when that was the last one. */
static bool print_reply(const struct hoy_layer_reply *reply, int *status)
{
	static const char *const kinds[] = { "system", "invalid", "not-found", "conflict", "unsupported" };
	static const char *const compressions[] = { "plain", "gzip", "zstd" };
	struct hoy_err err = { 0 };

	switch ((enum hoy_layer_reply_type) reply->type) {
	case HOY_LAYER_PROGRESS:
		return true;
	case HOY_LAYER_ENTRY:
		if (reply->entry.type == HOY_LAYER_ENTRY_LINK)
			printf("entry link %s %s\n", reply->entry.names, hoy_layer_reply_target(reply));
		else
			printf("entry file %u %" PRIu64 " %s %s %s\n", reply->entry.number, reply->entry.size,
				compressions[reply->entry.compression], reply->entry.digest, reply->entry.names);
		return true;
	case HOY_LAYER_DONE:
		printf("done %s %s %s size=%" PRIu64 " raw=%" PRIu64 " unpacked=%" PRIu64 " entries=%" PRIu64 "\n",
			reply->done.digest, reply->done.diff_id, compressions[reply->done.compression],
			reply->done.size, reply->done.raw_size, reply->done.unpacked, reply->done.entries);
		*status = 0;
		return false;
	case HOY_LAYER_ERROR:
		(void) hoy_err_import(&err, &reply->err);
		printf("error %s %s\n", kinds[err.kind], hoy_err_str(&err));
		*status = 1;
		return false;
	}
	return false;
}

int main(int argc, char **argv)
{
	char *const worker[] = { argv[1], NULL };
	struct hoy_layer_reply reply;
	struct drive d = { 0 };
	struct hoy_err err = { 0 };
	int pair[2], status = 3;
	siginfo_t si;
	pid_t pid;
	ssize_t n;

	if (argc < 4)
		return 2;
	parse(&d, argv);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	if (hoy_process_spawn(
		    &(struct hoy_spawn){
			    .path = argv[1], .argv = worker, .fds = (const int[]){ -1, 1, 2, pair[1] }, .n_fds = 4 },
		    &pid, /* ret_pidfd= */ NULL, &err) < 0) {
		printf("error %s\n", hoy_err_str(&err));
		return 2;
	}
	hoy_fd_close(&pair[1]);
	if (hoy_fd_send(pair[0], &d.request, sizeof d.request, d.fds, d.n_fds) < 0 ||
		(d.names_len > 0 && hoy_fd_send(pair[0], d.names, d.names_len, NULL, 0) < 0))
		die("send");
	while ((n = recv(pair[0], &reply, sizeof reply, 0)) > 0) {
		if (hoy_layer_reply_check(&reply, (size_t) n, &err) < 0) {
			printf("error %s\n", hoy_err_str(&err));
			return 2;
		}
		if (!print_reply(&reply, &status))
			break;
	}
	(void) hoy_process_wait(pid, &si, /* err= */ NULL);
	if (status == 3)
		printf("died %d\n", hoy_process_status(&si));
	return status;
}
