/*
 * Secrets: sealed at rest with hoyd's key, and opened into a container that is about to start.
 *
 * A sealed content is a byte 1, a nonce of 12 bytes, a tag of 16, and what AES-256-GCM makes of the content; the ID of
 * the secret is authenticated with it, so that one can't be put in another's place. In the container each content is a
 * file of one tmpfs that is mounted nowhere: only its files are, read-only, over the empty ones that the runtime has
 * mounted in their places. No plain content is ever written to a disk, and the tmpfs ends with the container.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/files/files.h"

#define FORMAT 1
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define HEADER_SIZE (1 + NONCE_SIZE + TAG_SIZE)
#define FILES_MAX 256

struct key {
	unsigned char bytes[HOY_FILES_KEY_SIZE];
};

static void key_done(struct key *key)
{
	explicit_bzero(key, sizeof *key);
}

static int read_key(int fd, struct key *ret, struct hoy_err *err)
{
	ssize_t n = pread(fd, ret->bytes, sizeof ret->bytes, 0);
	struct stat st;

	if (n < 0 || fstat(fd, &st) < 0)
		return hoy_err_sys(err, "read the key of the secrets");
	if (n != sizeof ret->bytes || st.st_size != n)
		return hoy_err_invalid(err, "the key of the secrets is not %d bytes long", HOY_FILES_KEY_SIZE);
	return 0;
}

/* All of a memfd. */
static int read_data(int fd, struct hoy_buf *ret, struct hoy_err *err)
{
	int r = lseek(fd, 0, SEEK_SET) < 0 ? hoy_err_sys(err, "read the content") : 0;

	if (r == 0)
		r = hoy_file_read_fd(fd, "content", ret, err);
	if (r >= 0 && !ret->data && hoy_buf_adds(ret, "") < 0)
		r = hoy_err_oom(err);
	return r;
}

static int crypto_failed(struct hoy_err *err)
{
	return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "libcrypto refuses AES-256-GCM");
}

/* In place. `tag` is written when sealing; when it is not that of the content, opening is -EBADMSG. */
static int run_cipher(bool seal, const struct key *key, const unsigned char *nonce, const char *id, unsigned char *data,
	size_t len, unsigned char *tag, struct hoy_err *err)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool fine = ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, nonce, seal) == 1;
	int n, r = 0;

	fine = fine && EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *) id, (int) strlen(id)) == 1 &&
	       EVP_CipherUpdate(ctx, data, &n, data, (int) len) == 1;
	if (fine && !seal)
		fine = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1;
	if (!fine)
		r = crypto_failed(err);
	else if (EVP_CipherFinal_ex(ctx, data + n, &n) != 1)
		r = seal ? crypto_failed(err) : -EBADMSG;
	else if (seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag) != 1)
		r = crypto_failed(err);
	EVP_CIPHER_CTX_free(ctx);
	return r;
}

static const char *text_of(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

int hoy_files_seal(const struct hoy_json *request, int key_fd, int data_fd, int output, struct hoy_err *err)
{
	auto_(key_done) struct key key;
	auto_(hoy_buf_done) struct hoy_buf data = { .cap = HOY_FILES_SECRET_MAX };
	unsigned char header[HEADER_SIZE] = { FORMAT };
	int r = read_key(key_fd, &key, err);

	if (r == 0)
		r = read_data(data_fd, &data, err);
	if (r < 0)
		return r;
	hoy_random(header + 1, NONCE_SIZE);
	r = run_cipher(/* seal= */ true, &key, header + 1, text_of(request, "id"), (unsigned char *) data.data,
		data.len, header + 1 + NONCE_SIZE, err);
	if (r < 0)
		return r;
	r = hoy_fd_write_all(output, header, sizeof header);
	if (r == 0)
		r = hoy_fd_write_all(output, data.data, data.len);
	return r < 0 ? hoy_err_code(err, r, "write the sealed content") : 0;
}

/* --- into a container ------------------------------------------------------------------------- */

struct place {
	const char *target; /* inside the container */
	uint32_t uid, gid, mode;
	const unsigned char *data; /* plain */
	size_t len;
};

/* Plain from here on: `data` of `len` bytes as the file's row of the request tells. */
static int open_content(const struct hoy_json *file, const struct key *key, unsigned char *data, size_t len,
	struct place *ret, struct hoy_err *err)
{
	int r;

	ret->data = data;
	ret->len = len;
	if (!hoy_json_bool(hoy_json_get(file, "sealed")))
		return 0;
	if (len < HEADER_SIZE || data[0] != FORMAT)
		return hoy_err_invalid(err, "secret '%s': its sealed content is damaged", text_of(file, "name"));
	ret->data += HEADER_SIZE;
	ret->len -= HEADER_SIZE;
	r = run_cipher(/* seal= */ false, key, data + 1, text_of(file, "id"), data + HEADER_SIZE, ret->len,
		data + 1 + NONCE_SIZE, err);
	if (r == -EBADMSG)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EBADMSG,
			"secret '%s': its content was sealed with another key, or is damaged", text_of(file, "name"));
	return r;
}

static int read_number(const struct hoy_json *file, const char *key, uint64_t max, uint64_t *ret)
{
	return hoy_json_to_u64(hoy_json_get(file, key), ret) < 0 || *ret > max ? -EPROTO : 0;
}

static int read_place(const struct hoy_json *file, const struct key *key, struct hoy_buf *data, size_t *used,
	struct place *ret, struct hoy_err *err)
{
	uint64_t uid = 0, gid = 0, mode = 0, len = 0;

	if (read_number(file, "uid", UINT32_MAX - 1, &uid) < 0 || read_number(file, "gid", UINT32_MAX - 1, &gid) < 0 ||
		read_number(file, "mode", 0777, &mode) < 0 || read_number(file, "len", data->len - *used, &len) < 0)
		return hoy_err_code(err, -EPROTO, "request for secrets");
	*ret = (struct place){ .target = text_of(file, "target"), (uint32_t) uid, (uint32_t) gid, (uint32_t) mode };
	*used += len;
	return open_content(file, key, (unsigned char *) data->data + *used - len, len, ret, err);
}

/* The tmpfs, mounted over the root directory for as long as its files are being handed out: a file of a mount that
 * stands nowhere can't be mounted. */
static int mount_tmpfs(int root, size_t bytes, struct hoy_err *err)
{
	auto_free char *size = hoy_str_printf("%zu", bytes);
	auto_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), fd = -EBADF;

	if (!size)
		return hoy_err_oom(err);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
		fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0)
		return hoy_err_sys(err, "make a tmpfs for secrets");
	(void) fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0); /* Linux 6.4 */
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return hoy_err_sys(err, "make a tmpfs for secrets");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0 || move_mount(fd, "", root, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "mount a tmpfs for secrets");
	return TAKE_FD(fd);
}

static int write_file(int dir, const char *name, const struct place *p, struct hoy_err *err)
{
	auto_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return hoy_err_sys(err, "make '%s'", p->target);
	r = hoy_fd_write_all(fd, p->data, p->len);
	if (r < 0)
		return hoy_err_code(err, r, "write '%s'", p->target);
	if (fchown(fd, p->uid, p->gid) < 0 || fchmod(fd, p->mode) < 0)
		return hoy_err_sys(err, "set owner and mode of '%s'", p->target);
	return 0;
}

/* The runtime's empty file must be there: nothing of the image's or of a volume is covered. */
static int open_target(int root, const char *target, struct hoy_err *err)
{
	auto_fd int fd = hoy_path_open_in_root(root, target, O_PATH, 0, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return hoy_err_sys(err, "look at '%s'", target);
	if (!S_ISREG(st.st_mode) || st.st_size != 0)
		return hoy_err_code(err, -EEXIST, "mount a secret on '%s': something is in its place", target);
	return TAKE_FD(fd);
}

static int place_file(int root, int tmpfs, const struct place *p, size_t number, struct hoy_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	auto_free char *name = hoy_str_printf("%zu", number);
	auto_fd int target = open_target(root, p->target, err), file = -EBADF;
	int r;

	if (target < 0 || !name)
		return target < 0 ? target : hoy_err_oom(err);
	r = write_file(tmpfs, name, p, err);
	if (r < 0)
		return r;
	file = open_tree(tmpfs, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (file < 0 || mount_setattr(file, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0 ||
		move_mount(file, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "mount '%s'", p->target);
	return 0;
}

static int place_all(int namespace, const struct place *places, size_t n, struct hoy_err *err)
{
	auto_fd int root = -EBADF, tmpfs = -EBADF;
	size_t bytes = 0;
	int r = 0;

	if (setns(namespace, CLONE_NEWNS) < 0)
		return hoy_err_sys(err, "enter the container's mount namespace");
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return hoy_err_sys(err, "open the container's root directory");
	for (size_t i = 0; i < n; i++)
		bytes += (places[i].len + 0xffff) & ~(size_t) 0xffff; /* whole pages, however large */
	tmpfs = mount_tmpfs(root, bytes + 0x100000, err);
	if (tmpfs < 0)
		return tmpfs;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = place_file(root, tmpfs, &places[i], i, err);
	if (fchdir(tmpfs) < 0 || umount2(".", MNT_DETACH) < 0)
		return r < 0 ? r : hoy_err_sys(err, "put the tmpfs of the secrets away");
	return r;
}

int hoy_files_place_secrets(const struct hoy_json *request, int key_fd, int data_fd, int namespace, struct hoy_err *err)
{
	const struct hoy_json *files = hoy_json_get(request, "files");
	auto_free struct place *places = calloc(hoy_json_len(files) + 1, sizeof *places);
	auto_(hoy_buf_done) struct hoy_buf data = { .cap = (size_t) HOY_FILES_SECRET_MAX * FILES_MAX };
	auto_(key_done) struct key key = {};
	size_t n = 0, used = 0;
	int r = places ? 0 : hoy_err_oom(err);

	if (r == 0 && hoy_json_len(files) > FILES_MAX)
		r = hoy_err_invalid(err, "more than %d secrets and configs", FILES_MAX);
	if (r == 0 && key_fd >= 0)
		r = read_key(key_fd, &key, err);
	if (r == 0)
		r = read_data(data_fd, &data, err);
	hoy_json_each(file, files)
	{
		if (r == 0)
			r = read_place(file, &key, &data, &used, &places[n++], err);
	}
	return r < 0 ? r : place_all(namespace, places, n, err);
}
