/* Re-executes this program from where it can't be written. */
#include "runtime/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/child/mount_api.h"

#define SELF "/proc/self/exe"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define CMDLINE_MAX ((size_t) 8 << 20)

extern char **environ;
bool hoy_sealed_already;

static bool is_on_readonly_mount(void)
{
	struct statfs fs;

	return statfs(SELF, &fs) == 0 && fs.f_flags & ST_RDONLY;
}

static bool is_sealed_copy(int self)
{
	int seals = fcntl(self, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int sealed_copy(int self, struct hoy_err *err)
{
	auto_fd int copy = memfd_create("hoyrun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;

	if (copy < 0)
		return hoy_err_sys(err, "memfd");
	do
		n = sendfile(copy, self, NULL, (size_t) 64 << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return hoy_err_sys(err, "copy '%s'", SELF);
	if (fchmod(copy, 0500) < 0 || fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return hoy_err_sys(err, "seal");
	return TAKE_FD(copy);
}

/* Our own arguments, as the kernel has them: whatever the caller did with argv since. */
static int read_arguments(struct hoy_buf *text, char ***ret, struct hoy_err *err)
{
	size_t n = 0;
	int r = hoy_file_read(AT_FDCWD, "/proc/self/cmdline", text, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < text->len; i++)
		n += !text->data[i];
	*ret = calloc(n + 1, sizeof **ret);
	if (!*ret)
		return hoy_err_oom(err);
	n = 0;
	for (char *p = text->data; p < text->data + text->len; p += strlen(p) + 1)
		(*ret)[n++] = p;
	return 0;
}

int hoy_sealed_ensure(struct hoy_err *err)
{
	auto_fd int self = -EBADF, sealed = -EBADF;
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = CMDLINE_MAX };
	auto_free char **argv = NULL;
	int r;

	if (hoy_sealed_already || is_on_readonly_mount())
		return 0;
	self = open(SELF, O_RDONLY | O_CLOEXEC);
	if (self < 0)
		return hoy_err_sys(err, "open '%s'", SELF);
	if (is_sealed_copy(self))
		return 0;
	sealed = hoy_mount_clone_set(self, "", false, MOUNT_ATTR_RDONLY, 0, NULL);
	if (sealed < 0)
		sealed = sealed_copy(self, err);
	if (sealed < 0)
		return hoy_err_wrap(err, "protect our own executable");
	r = read_arguments(&text, &argv, err);
	if (r < 0)
		return r;
	(void) syscall(SYS_execveat, sealed, "", argv, environ, AT_EMPTY_PATH);
	return hoy_err_sys(err, "execute ourselves again");
}
