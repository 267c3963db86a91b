/* Packets of a client that takes the result of a build as files: fields of one message, each of them a packet. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/worker/build/session_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the session, which is not here. */
int hoy_session_open_new_dir(struct hoy_session_op *op, const char *name, struct hoy_err *err)
{
	(void) op;
	(void) name;
	return hoy_err_code(err, -ENOSYS, "no session");
}
void hoy_session_done(struct hoy_session_op *op, const char *text)
{
	(void) op;
	(void) text;
}
void hoy_session_failed(struct hoy_session_op *op, const struct hoy_err *err)
{
	(void) op;
	(void) err;
}
void hoy_session_op_free(struct hoy_session_op *op)
{
	(void) op;
}

static char path[] = "/dev/shm/fuzz-export-XXXXXX";

static void remove_result(void)
{
	static const char *const names[] = { "a/f", "a", "b" };
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; dir >= 0 && i < sizeof names / sizeof *names; i++)
		(void) unlinkat(dir, names[i], i == 1 ? AT_REMOVEDIR : 0);
	(void) close(dir);
	(void) rmdir(path);
}

/* a/ a/f b -> a */
static int make_result(void)
{
	int dir, file;

	if (!mkdtemp(path))
		return -1;
	(void) atexit(remove_result);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || mkdirat(dir, "a", 0755) < 0 || symlinkat("a", dir, "b") < 0)
		return -1;
	file = openat(dir, "a/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (file < 0 || write(file, "content", 7) != 7)
		return -1;
	(void) close(file);
	return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	struct hoy_err err = { 0 };
	int r;

	if (dir < 0)
		dir = make_result();
	if (dir < 0)
		return 0;
	r = hoy_session_export_try(dir, (const char *) data, size, &err);
	assert(r == 0 || err.msg[0]);
	return 0;
}
