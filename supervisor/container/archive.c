/* Jobs on a container's files: when they may run, and what hoy-files is asked. */
#include "supervisor/container/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/container/config.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/spec.h"
#include "supervisor/container/user.h"
#include "supervisor/image/image.h"
#include "supervisor/volume/files.h"

struct hoy_container_job {
	struct hoy_container_job *next;
	struct hoy_container *container;
	char *ref; /* as the client wrote it, for errors */
	char *path;
	struct hoy_archive_request request;
	struct hoy_archive_handler handler;
	struct hoy_files_run *run;
	struct hoy_source *defer;
	bool holds; /* the container does not run, and starts only when this is done */
	struct hoy_err failed;
};

static void job_free(struct hoy_container_job *job)
{
	hoy_files_run_free(job->run);
	hoy_source_free(job->defer);
	hoy_fd_close(&job->request.fd);
	free(job->ref);
	free(job->path);
	free(job);
}

static void unlink_job(struct hoy_container_job *job)
{
	struct hoy_container_job **link = &job->container->jobs;

	while (*link && *link != job)
		link = &(*link)->next;
	if (*link)
		*link = job->next;
}

/* The container may go on. */
static void let_go(struct hoy_container_job *job)
{
	struct hoy_container *c = job->container;

	if (!job->holds)
		return;
	job->holds = false;
	hoy_container_volumes_unmount(c);
	c->files_busy = false;
	hoy_ops_retry(c);
}

static void end_job(struct hoy_container_job *job, const struct hoy_err *err)
{
	struct hoy_archive_handler handler = job->handler;
	struct hoy_container *c = job->container;
	struct hoy_err own = {};
	bool held = job->holds;

	if (err)
		own = *err;
	if (err && err->errnum == ENOENT && !err->stated)
		(void) hoy_err_not_found(&own, "Could not find the file %s in container %s", job->path, job->ref);
	unlink_job(job);
	job->holds = false;
	job_free(job);
	handler.done(err ? &own : NULL, handler.userdata);
	if (!held)
		return;
	hoy_container_volumes_unmount(c);
	c->files_busy = false;
	hoy_ops_retry(c);
}

static void on_end(const struct hoy_err *err, void *userdata)
{
	end_job(userdata, err);
}

static void on_stat(const struct hoy_files_stat *stat, void *userdata)
{
	struct hoy_container_job *job = userdata;

	if (job->handler.on_stat)
		job->handler.on_stat(stat, job->handler.userdata);
}

/* --- the view ---------------------------------------------------------------------------------------------------- */

/*
 * The mount namespace of the container's first process. It is known by its pid, which may be another's by now: the
 * pidfd holds whatever has the pid, and its cgroup must be the container's.
 */
static int open_namespace(const struct hoy_container *c, struct hoy_err *err)
{
	auto_fd int pidfd = c->info.pid > 0 ? hoy_pidfd_open(c->info.pid) : -ESRCH, namespace = -EBADF;
	auto_free char *path = hoy_str_printf("/proc/%d/ns/mnt", (int) c->info.pid);
	auto_free char *cgroup_path = hoy_str_printf("/proc/%d/cgroup", (int) c->info.pid);
	auto_(hoy_buf_done) struct hoy_buf cgroup = {};
	int r;

	if (!path || !cgroup_path)
		return hoy_err_oom(err);
	if (pidfd < 0)
		return hoy_err_conflict(err, "container %s is not running", c->info.id);
	namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return hoy_err_sys(err, "open '%s'", path);
	r = hoy_file_read(AT_FDCWD, cgroup_path, &cgroup, err);
	if (r < 0)
		return r;
	if (!cgroup.data || !strstr(cgroup.data, c->info.id) || hoy_pidfd_signal(pidfd, 0) < 0)
		return hoy_err_conflict(err, "container %s is not running", c->info.id);
	return TAKE_FD(namespace);
}

static void add_view_mount(struct hoy_json_writer *w, const char *source, const char *target, bool read_only, bool flat)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "source", source);
	hoy_json_add_string(w, "target", target);
	hoy_json_add_bool(w, "readonly", read_only);
	hoy_json_add_bool(w, "flat", flat);
	hoy_json_end(w);
}

static void add_view_overlay(struct hoy_json_writer *w, char *const *lowers, const char *target)
{
	hoy_json_object(w, NULL);
	hoy_json_add_strv(w, "layers", lowers);
	hoy_json_add_string(w, "target", target);
	hoy_json_add_bool(w, "readonly", true);
	hoy_json_end(w);
}

static int add_view_of(struct hoy_json_writer *w, struct hoy_container *c, const struct hoy_container_mount_info *m,
	struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **lowers = NULL;
	auto_free char *source = NULL;
	int r = strcmp(m->type, "image") == 0 ? hoy_container_image_mount_parts(c, m, &lowers, &source, err)
					      : hoy_container_mount_source(c, m, &source, err);

	if (r < 0)
		return r;
	if (lowers)
		add_view_overlay(w, lowers, m->destination);
	else
		add_view_mount(w, source, m->destination, hoy_container_mount_is_read_only(c, m), m->flat);
	return 0;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

static bool is_mounted_over(const struct hoy_container *c, const char *destination)
{
	for (size_t i = 0; i < c->info.n_mounts; i++)
		if (strcmp(c->info.mounts[i].destination, destination) == 0)
			return true;
	return false;
}

/* Parents before what is in them; the engine's own files last. A tmpfs is empty while nothing runs. */
static int add_view_mounts(struct hoy_json_writer *w, struct hoy_container *c, struct hoy_err *err)
{
	const struct {
		const char *destination, *source;
	} files[] = {
		{ "/etc/resolv.conf", c->info.resolv_conf_path },
		{ "/etc/hostname", c->info.hostname_path },
		{ "/etc/hosts", c->info.hosts_path },
	};
	size_t deepest = 0;
	int r = 0;

	for (size_t i = 0; i < c->info.n_mounts; i++)
		deepest = MAX(deepest, depth(c->info.mounts[i].destination));
	hoy_json_array(w, "mounts");
	for (size_t d = 0; d <= deepest && r >= 0; d++)
		for (size_t i = 0; i < c->info.n_mounts && r >= 0; i++) {
			const struct hoy_container_mount_info *m = &c->info.mounts[i];

			if (depth(m->destination) == d && strcmp(m->type, "tmpfs") != 0)
				r = add_view_of(w, c, m, err);
		}
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (!is_mounted_over(c, files[i].destination))
			add_view_mount(w, files[i].source, files[i].destination, c->config->host.readonly_rootfs, true);
	hoy_json_end(w);
	return r;
}

static int add_view(struct hoy_json_writer *w, struct hoy_container_job *job, char *const *layers, struct hoy_err *err)
{
	struct hoy_container *c = job->container;

	hoy_json_add_strv(w, "layers", layers);
	if (job->request.op == HOY_ARCHIVE_CHANGES) {
		hoy_json_add_string(w, "dir", c->info.upper_dir);
		return 0;
	}
	hoy_json_add_string(w, "upper", c->info.upper_dir);
	hoy_json_add_string(w, "work", c->info.work_dir);
	hoy_json_add_bool(w, "readonly", c->config->host.readonly_rootfs);
	return add_view_mounts(w, c, err);
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static int add_owner(struct hoy_json_writer *w, struct hoy_container_job *job, char *const *layers, struct hoy_err *err)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = {};
	const struct hoy_container *c = job->container;
	auto_free char *text = NULL;
	int r;

	if (!job->request.copy_owner || !c->config->user || !*c->config->user)
		return 0;
	r = hoy_container_find_user(c, c->config, layers, &user, err);
	if (r < 0)
		return r;
	text = hoy_str_printf("%u:%u", user.uid, user.gid);
	if (!text)
		return hoy_err_oom(err);
	hoy_json_add_string(w, "chown", text);
	return 0;
}

static int print_request(struct hoy_container_job *job, bool in_namespace, struct hoy_buf *request, struct hoy_err *err)
{
	static const char *const names[] = {
		[HOY_ARCHIVE_STAT] = "stat",
		[HOY_ARCHIVE_GET] = "get",
		[HOY_ARCHIVE_PUT] = "put",
		[HOY_ARCHIVE_CHANGES] = "changes",
	};
	auto_ptr(hoy_strv_free) char **layers = NULL;
	struct hoy_json_writer w = { .buf = request };
	struct hoy_container *c = job->container;
	int r = hoy_layers_paths(c->room->options.images, c->chain_id, &layers, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", names[job->request.op]);
	hoy_json_array(&w, "fds");
	if (in_namespace)
		hoy_json_add_string(&w, NULL, "namespace");
	if (job->request.fd >= 0)
		hoy_json_add_string(&w, NULL, job->request.op == HOY_ARCHIVE_PUT ? "input" : "output");
	hoy_json_end(&w);
	hoy_json_add_string(&w, "path", job->path);
	hoy_json_add_bool(&w, "no_overwrite", job->request.no_overwrite);
	r = add_owner(&w, job, layers, err);
	if (r >= 0 && !in_namespace)
		r = add_view(&w, job, layers, err);
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(request, "request", err);
}

static int start_worker(struct hoy_container_job *job, struct hoy_err *err)
{
	struct hoy_container *c = job->container;
	bool in_namespace = c->phase == HOY_PHASE_RUNNING && job->request.op != HOY_ARCHIVE_CHANGES;
	auto_(hoy_buf_done) struct hoy_buf request = {};
	auto_fd int namespace = -EBADF;
	int fds[2], r = 0;
	size_t n = 0;

	if (in_namespace) {
		r = namespace = open_namespace(c, err);
		fds[n++] = namespace;
	}
	if (job->request.fd >= 0)
		fds[n++] = job->request.fd;
	if (r >= 0)
		r = print_request(job, in_namespace, &request, err);
	if (r >= 0)
		r = hoy_files_run_start(&(struct hoy_files_run_options){ .volumes = c->room->options.volumes,
						.request = &request,
						.fds = fds,
						.n_fds = n,
						.on_stat = on_stat,
						.done = on_end,
						.userdata = job },
			&job->run, err);
	hoy_fd_close(&job->request.fd); /* it is the worker's */
	return r;
}

/* --- when ------------------------------------------------------------------------------------- */

static void on_failed(struct hoy_source *source, void *userdata)
{
	struct hoy_container_job *job = userdata;
	struct hoy_err err = job->failed;

	(void) source;
	end_job(job, &err);
}

static void begin(struct hoy_container_job *job)
{
	struct hoy_containers *room = job->container->room;

	if (start_worker(job, &job->failed) < 0 &&
		hoy_loop_defer(room->options.loop, &job->defer, on_failed, job, NULL) < 0)
		end_job(job, &job->failed);
}

static void on_volumes(struct hoy_container *c, const struct hoy_err *err)
{
	struct hoy_container_job *job = c->jobs;

	while (job && !job->holds)
		job = job->next;
	if (!job)
		return;
	if (err) {
		job->failed = *err;
		if (hoy_loop_defer(c->room->options.loop, &job->defer, on_failed, job, NULL) < 0)
			end_job(job, err);
		return;
	}
	begin(job);
}

static void refuse(struct hoy_container_job *job)
{
	struct hoy_err err = {};

	(void) hoy_err_conflict(
		&err, "container %s is marked for removal and cannot be used any more", job->container->info.id);
	end_job(job, &err);
}

/* True when the list has changed: begin anew. */
static bool take_up(struct hoy_container *c, struct hoy_container_job *job)
{
	if (job->run || job->defer || job->holds)
		return false;
	switch (c->phase) {
	case HOY_PHASE_IDLE:
		if (c->files_busy)
			return false;
		if (job->request.op == HOY_ARCHIVE_CHANGES) {
			begin(job);
			return false;
		}
		c->files_busy = job->holds = true;
		hoy_container_volumes_mount(c, on_volumes);
		return false;
	case HOY_PHASE_RUNNING:
		begin(job);
		return false;
	case HOY_PHASE_STARTING:
	case HOY_PHASE_ENDING:
		return false;
	case HOY_PHASE_REMOVING:
		break;
	}
	refuse(job);
	return true;
}

void hoy_container_jobs_retry(struct hoy_container *c)
{
	struct hoy_container_job *job = c->jobs, *next;

	while (job) {
		next = job->next;
		job = take_up(c, job) ? c->jobs : next;
	}
}

void hoy_container_jobs_cancel(struct hoy_container *c, const struct hoy_err *err)
{
	while (c->jobs) {
		struct hoy_container_job *job = c->jobs;

		c->jobs = job->next;
		job->handler.done(err, job->handler.userdata);
		job_free(job);
	}
}

void hoy_container_job_cancel(struct hoy_container_job *job)
{
	unlink_job(job);
	let_go(job);
	job_free(job);
}

int hoy_container_archive(struct hoy_containers *room, const char *ref, const struct hoy_archive_request *request,
	const struct hoy_archive_handler *handler, struct hoy_container_job **ret, struct hoy_err *err)
{
	struct hoy_container_job *job = calloc(1, sizeof *job), **link;
	int fd = request->fd;
	struct hoy_container *c;
	int r = job ? hoy_containers_lookup(room, ref, &c, err) : hoy_err_oom(err);

	if (r < 0) {
		hoy_fd_close(&fd);
		free(job);
		return r;
	}
	*job = (struct hoy_container_job){ .container = c, .request = *request, .handler = *handler };
	job->ref = strdup(ref);
	job->path = strdup(request->path ? request->path : "");
	if (!job->ref || !job->path) {
		job_free(job);
		return hoy_err_oom(err);
	}
	for (link = &c->jobs; *link; link = &(*link)->next)
		;
	*link = job;
	*ret = job;
	if (c->phase == HOY_PHASE_REMOVING) {
		unlink_job(job);
		job_free(job);
		return hoy_err_conflict(
			err, "container %s is marked for removal and cannot be used any more", c->info.id);
	}
	(void) take_up(c, job);
	return 0;
}
