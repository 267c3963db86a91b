/* Options and directories of both directions, and the start of the helper. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/apply/criu_internal.h"

#define DEFAULT_IMAGES "checkpoint"
#define ANNOTATION_CONFIG "org.criu.config"
#define OWN_CONFIG "/etc/criu/hoyrun.conf"
#define RUNC_CONFIG "/etc/criu/runc.conf"

void hoy_criu_done(struct criu *c)
{
	hoy_helper_end(&c->helper);
	hoy_criu_request_done(&c->request);
	hoy_fd_close(&c->images);
	hoy_fd_close(&c->work);
}

/* --- options ---------------------------------------------------------------------------------------------------- */

static int parse_cgroups_mode(const char *text, uint32_t *ret, struct hoy_err *err)
{
	/* CRIU's numbers; "none" and "props" are what neither runc nor crun offers. */
	static const struct {
		const char *name;
		uint32_t mode;
	} modes[] = { { "ignore", 0 }, { "soft", 3 }, { "full", 4 }, { "strict", 5 } };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(text ? text : "soft", modes[i].name) == 0) {
			*ret = modes[i].mode;
			return 0;
		}
	return hoy_err_invalid(err, "--manage-cgroups-mode: '%s' is not one of soft, full, strict, ignore", text);
}

/* Network devices and addresses are not the container's to bring along: whoever made them for the new container does
 * for the restored one (hooks, or the maker of a namespace that it joins). So it is always saved empty. */
static int parse_empty_ns(const char *const *names, uint32_t *ret, struct hoy_err *err)
{
	*ret = CLONE_NEWNET;
	for (; names && *names; names++)
		if (strcmp(*names, "network") != 0)
			return hoy_err_invalid(err, "--empty-ns: '%s': only 'network' can be left empty", *names);
	return 0;
}

static int parse_page_server(const char *text, struct hoy_criu_request *q, struct hoy_err *err)
{
	const char *colon = text ? strrchr(text, ':') : NULL;
	unsigned int port;

	if (!text)
		return 0;
	if (!colon || colon == text || hoy_str_to_uint(colon + 1, &port) < 0 || port == 0 || port > 65535)
		return hoy_err_invalid(err, "--page-server: '%s' is not ADDRESS:PORT", text);
	q->page_server = text[0] == '[' && colon[-1] == ']' ? strndup(text + 1, (size_t) (colon - text) - 2)
							    : strndup(text, (size_t) (colon - text));
	q->page_server_port = port;
	return q->page_server ? 0 : hoy_err_oom(err);
}

static int check_options(enum hoy_criu_action action, const struct hoy_criu_options *o, struct hoy_err *err)
{
	if (geteuid() != 0)
		return hoy_err_set(err, HOY_ERR_UNSUPPORTED, EPERM, "checkpoint and restore need root");
	if (o->parent_path && o->parent_path[0] == '/')
		return hoy_err_invalid(
			err, "--parent-path: '%s' must be relative to the images' directory", o->parent_path);
	if (action == HOY_CRIU_DUMP && o->lazy_pages && !o->page_server)
		return hoy_err_invalid(err, "--lazy-pages needs --page-server");
	if (action == HOY_CRIU_PRE_DUMP && o->lazy_pages)
		return hoy_err_invalid(err, "--lazy-pages and --pre-dump exclude each other");
	if (o->status_fd && (o->status_fd < 0 || (fcntl(o->status_fd, F_GETFL) & O_ACCMODE) == O_RDONLY ||
				    fcntl(o->status_fd, F_GETFL) < 0))
		return hoy_err_invalid(err, "--status-fd: %d is not open for writing", o->status_fd);
	return 0;
}

static int dup_string(char **ret, const char *text, struct hoy_err *err)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? hoy_err_oom(err) : 0;
}

/* CRIU reads its own defaults anyway and ignores a file that is missing. */
static int choose_config_file(struct criu *c, const struct hoy_oci_spec *config, struct hoy_err *err)
{
	const char *file = hoy_oci_kv_get(config->annotations, config->n_annotations, ANNOTATION_CONFIG);

	if (!file)
		file = access(OWN_CONFIG, R_OK) == 0 ? OWN_CONFIG : RUNC_CONFIG;
	return file[0] ? dup_string(&c->request.config_file, file, err) : 0;
}

/* --- directories ------------------------------------------------------------------------------------------------ */

static int open_directory(const char *path, bool make, struct hoy_err *err)
{
	int fd, r = make ? hoy_path_mkdir_all(path, 0700, err) : 0;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? hoy_err_sys(err, "open directory '%s'", path) : fd;
}

static int open_directories(struct criu *c, const struct hoy_criu_options *o, struct hoy_err *err)
{
	const char *images = o->image_path && o->image_path[0] ? o->image_path : DEFAULT_IMAGES;
	const char *work = o->work_path && o->work_path[0] ? o->work_path : images;
	auto_free char *full = NULL;
	uint32_t number;
	int r;

	c->images = open_directory(images, c->request.action != HOY_CRIU_RESTORE, err);
	if (c->images < 0)
		return hoy_err_wrap(err, "--image-path");
	c->work = open_directory(work, /* make= */ true, err);
	if (c->work < 0)
		return hoy_err_wrap(err, "--work-path");
	if (o->parent_path && faccessat(c->images, o->parent_path, F_OK, 0) < 0)
		return hoy_err_sys(err, "--parent-path: '%s' in '%s'", o->parent_path, images);
	full = realpath(work, NULL);
	c->request.log = hoy_str_printf("%s.log", c->request.action == HOY_CRIU_RESTORE ? "restore" : "dump");
	c->request.log_path = full && c->request.log ? hoy_path_join(full, c->request.log) : NULL;
	if (!c->request.log_path)
		return hoy_err_oom(err);
	r = hoy_criu_pass(c, c->images, &number, err); /* HOY_CRIU_FD_IMAGES, HOY_CRIU_FD_WORK */
	return r < 0 ? r : hoy_criu_pass(c, c->work, &number, err);
}

int hoy_criu_prepare(struct criu *c, enum hoy_criu_action action, const struct hoy_criu_options *o,
	const struct hoy_oci_spec *config, struct hoy_err *err)
{
	struct hoy_criu_request *q = &c->request;
	int r = check_options(action, o, err);

	q->action = action;
	q->leave_running = o->leave_running || action == HOY_CRIU_PRE_DUMP;
	q->tcp_established = o->tcp_established;
	q->tcp_skip_in_flight = o->tcp_skip_in_flight;
	q->ext_unix_sk = o->ext_unix_sk;
	q->shell_job = o->shell_job;
	q->file_locks = o->file_locks;
	q->link_remap = o->link_remap;
	q->lazy_pages = o->lazy_pages;
	q->auto_dedup = o->auto_dedup;
	q->orphan_terminal = true;
	if (r == 0)
		r = parse_cgroups_mode(o->cgroups_mode, &q->cgroup_mode, err);
	if (r == 0)
		r = parse_empty_ns(o->empty_ns, &q->empty_ns, err);
	if (r == 0)
		r = parse_page_server(o->page_server, q, err);
	if (r == 0)
		r = dup_string(&q->parent, o->parent_path, err);
	if (r == 0)
		r = dup_string(&q->lsm_profile, o->lsm_profile, err);
	if (r == 0)
		r = dup_string(&q->lsm_mount_context, o->lsm_mount_context, err);
	if (r == 0)
		r = choose_config_file(c, config, err);
	if (r == 0)
		r = open_directories(c, o, err);
	if (r == 0 && o->status_fd)
		r = hoy_criu_pass(c, o->status_fd, &q->status_fd, err);
	return r;
}

/* --- what goes to the helper ------------------------------------------------------------------------------------ */

int hoy_criu_pass(struct criu *c, int fd, uint32_t *ret, struct hoy_err *err)
{
	if (c->n_fds == ARRAY_LEN(c->fds))
		return hoy_err_code(err, -E2BIG, "descriptors for '%s'", HOY_CRIU_HELPER);
	*ret = HOY_HELPER_FDS + (uint32_t) c->n_fds;
	c->fds[c->n_fds++] = fd;
	return 0;
}

int hoy_criu_inherit(struct criu *c, const char *key, int fd, struct hoy_err *err)
{
	struct hoy_criu_fd_name *name = hoy_field_add(&c->request.inherit, &c->request.n_inherit);

	if (!name || !(name->key = strdup(key)))
		return hoy_err_oom(err);
	if (fd <= STDERR_FILENO) { /* the helper's is ours */
		name->fd = (uint32_t) fd;
		return 0;
	}
	return hoy_criu_pass(c, fd, &name->fd, err);
}

int hoy_criu_external(struct criu *c, struct hoy_err *err, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		return hoy_err_oom(err);
	}
	return hoy_strv_add(&c->request.external, text) < 0 ? hoy_err_oom(err) : 0;
}

int hoy_criu_start_helper(struct criu *c, int cgroup_fd, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_helper_start start = {
		.request = &text,
		.fds = c->fds,
		.n_fds = c->n_fds,
		.cgroup_fd = cgroup_fd,
	};
	int r = hoy_field_print(&hoy_criu_request_object, &c->request, &text, 0, err);

	return r < 0 ? r : hoy_helper_start(HOY_CRIU_HELPER, &start, &c->helper, err);
}
