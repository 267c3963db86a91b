/* Starting the shim program: parameters on its stdin, its address on its stdout, its trouble on its stderr. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "base/ttrpc/options.pb-c.h"
#include "supervisor/container/shim_internal.h"

#define OUTPUT_MAX 4096

struct output {
	int fd;
	struct hoy_buf text;
	struct hoy_source *source;
};

struct hoy_shim_spawn {
	struct hoy_shim *shim;
	struct output out, err;
	struct hoy_source *child;
	hoy_shim_done done;
};

static void output_done(struct output *output)
{
	output->source = hoy_source_free(output->source);
	hoy_fd_close(&output->fd);
	hoy_buf_done(&output->text);
}

void hoy_shim_spawn_free(struct hoy_shim_spawn *spawn)
{
	if (!spawn)
		return;
	output_done(&spawn->out);
	output_done(&spawn->err);
	hoy_source_free(spawn->child);
	free(spawn);
}

static void on_output(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct output *output = userdata;
	char chunk[1024];
	ssize_t n = read(output->fd, chunk, sizeof chunk);

	(void) events;
	if (n > 0)
		(void) hoy_buf_add(&output->text, chunk, (size_t) n); /* beyond OUTPUT_MAX nobody reads it */
	else if (n == 0 || errno != EAGAIN)
		(void) hoy_source_set_events(source, 0, NULL);
}

static int output_open(struct hoy_loop *loop, struct output *output, int *ret_write_end, struct hoy_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe");
	output->fd = fds[0];
	*ret_write_end = fds[1];
	hoy_buf_init(&output->text, OUTPUT_MAX);
	(void) hoy_fd_set_nonblocking(fds[0], true);
	return hoy_loop_io(loop, &output->source, fds[0], EPOLLIN, on_output, output, err);
}

/* Reads what is still in the pipe: the end of a child is told after its output, but not after its end of file. */
static const char *output_text(struct output *output)
{
	char chunk[1024];
	ssize_t n;

	while ((n = read(output->fd, chunk, sizeof chunk)) > 0)
		(void) hoy_buf_add(&output->text, chunk, (size_t) n);
	while (output->text.len > 0 && strchr("\r\n", output->text.data[output->text.len - 1]))
		output->text.data[--output->text.len] = '\0';
	return output->text.data ? output->text.data : "";
}

static void on_exit_of_starter(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct hoy_shim_spawn *spawn = userdata;
	struct hoy_shim *shim = spawn->shim;
	hoy_shim_done done = spawn->done;
	const char *address = output_text(&spawn->out), *trouble = output_text(&spawn->err);
	struct hoy_err err = {};
	int status = hoy_process_status(si), r;

	(void) source;
	if (status != 0)
		r = hoy_err_set(&err, HOY_ERR_SYSTEM, EIO, "start the shim: %s",
			*trouble ? trouble : "it ended without a word");
	else if (!hoy_str_starts(address, "unix://"))
		r = hoy_err_set(&err, HOY_ERR_SYSTEM, EPROTO, "start the shim: no address but '%.100s'", address);
	else
		r = hoy_shim_connect_to(shim, address, &err);
	shim->spawn = NULL;
	hoy_shim_spawn_free(spawn);
	done(shim->options.userdata, r < 0 ? &err : NULL);
}

/* BootstrapParams with the runtime's name and root. */
static int write_params(const struct hoy_shim_options *options, int fd, struct hoy_err *err)
{
	Hoy__Pb__RuncOptions runc = HOY__PB__RUNC_OPTIONS__INIT;
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	Hoy__Pb__BootstrapExtension extension = HOY__PB__BOOTSTRAP_EXTENSION__INIT;
	Hoy__Pb__BootstrapExtension *extensions[] = { &extension };
	Hoy__Pb__BootstrapParams params = HOY__PB__BOOTSTRAP_PARAMS__INIT;
	auto_free uint8_t *inner = NULL, *outer = NULL;
	size_t len;
	int r;

	runc.binary_name = (char *) options->runtime;
	runc.root = (char *) options->runtime_root;
	inner = malloc(hoy__pb__runc_options__get_packed_size(&runc) + 1);
	if (!inner)
		return hoy_err_oom(err);
	any.type_url = (char *) "containerd.runc.v1.Options";
	any.value.data = inner;
	any.value.len = hoy__pb__runc_options__pack(&runc, inner);
	extension.value = &any;
	params.instance_id = (char *) options->id;
	params.namespace_ = (char *) "hoy";
	params.socket_dir = (char *) options->socket_dir;
	params.extensions = extensions;
	params.n_extensions = 1;
	outer = malloc(hoy__pb__bootstrap_params__get_packed_size(&params));
	if (!outer)
		return hoy_err_oom(err);
	len = hoy__pb__bootstrap_params__pack(&params, outer);
	r = hoy_fd_write_all(fd, outer, len); /* far less than a pipe holds */
	return r < 0 ? hoy_err_code(err, r, "write the shim's parameters") : 0;
}

static int params_pipe(const struct hoy_shim_options *options, int *ret_read_end, struct hoy_err *err)
{
	auto_fd int read_end = -EBADF, write_end = -EBADF;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe");
	read_end = fds[0];
	write_end = fds[1];
	r = write_params(options, write_end, err);
	if (r >= 0)
		*ret_read_end = TAKE_FD(read_end);
	return r;
}

/* No publishing of events: hoyd parks a Wait instead. Nor does a shim need anything else of hoyd's environment. */
static int make_env(char ***ret)
{
	const char *path = getenv("PATH");

	return hoy_strv_addf(
		ret, "PATH=%s", path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

static int run_program(struct hoy_shim_spawn *spawn, const int fds[3], struct hoy_err *err)
{
	const struct hoy_shim_options *o = &spawn->shim->options;
	const char *argv[] = { o->program, "-namespace", "hoy", "-address", o->address, "-id", o->id,
		o->debug ? "-debug" : "start", o->debug ? "start" : NULL, NULL };
	auto_ptr(hoy_strv_free) char **env = NULL;
	const struct hoy_spawn wanted = { .path = o->program,
		.argv = (char *const *) argv,
		.cwd = o->bundle,
		.fds = fds,
		.n_fds = 3,
		.new_group = true,
		.cgroup_fd = o->cgroup_fd,
		.max_files = o->max_files,
		/* a hoyd that comes back finds a shim with an address, or none */
		.death_signal = SIGKILL };
	struct hoy_spawn with_env = wanted;
	pid_t pid;
	int r;

	if (make_env(&env) < 0)
		return hoy_err_oom(err);
	with_env.envp = env;
	r = hoy_process_spawn(&with_env, &pid, NULL, err);
	if (r < 0)
		return r;
	return hoy_loop_child(o->loop, &spawn->child, pid, on_exit_of_starter, spawn, err);
}

static int spawn_all(struct hoy_shim_spawn *spawn, struct hoy_err *err)
{
	const struct hoy_shim_options *o = &spawn->shim->options;
	auto_fd int in = -EBADF, out = -EBADF, trouble = -EBADF;
	int r = output_open(o->loop, &spawn->out, &out, err);

	if (r >= 0)
		r = output_open(o->loop, &spawn->err, &trouble, err);
	if (r >= 0)
		r = params_pipe(o, &in, err);
	return r < 0 ? r : run_program(spawn, (const int[]){ in, out, trouble }, err);
}

int hoy_shim_spawn(struct hoy_shim *shim, hoy_shim_done done, struct hoy_err *err)
{
	struct hoy_shim_spawn *spawn = calloc(1, sizeof *spawn);
	int r;

	if (!spawn)
		return hoy_err_oom(err);
	spawn->shim = shim;
	spawn->done = done;
	spawn->out.fd = spawn->err.fd = -EBADF;
	r = spawn_all(spawn, err);
	if (r < 0) {
		hoy_shim_spawn_free(spawn);
		return r;
	}
	shim->spawn = spawn;
	return 0;
}
