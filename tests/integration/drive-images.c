/*
 * Lets a shell test use the image store without hoyd:
 *
 *	drive-images HOY-LAYER DATA_ROOT COMMAND [ARGS...]
 *	    load <ARCHIVE          loads two at once when a second archive is given as an argument
 *	    import REFERENCE [CHANGE...] <TAR      REFERENCE "" gives no name
 *	    list [reference=P|label=L|dangling=true|before=I|since=I ...]
 *	    tag NAME REFERENCE;  rm NAME;  rmf NAME;  inspect NAME;  layers NAME;  sweep
 *	    user ID RUNNING COMMAND ...            as if a container ID used every image; RUNNING: 0 or 1
 *
 * Answers on stdout, one line each; an error is "error KIND text" and exit status 1.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/image/image.h"
#include "supervisor/store/store.h"

static struct hoy_image_user user;
static int jobs_running;
static int status;

static int fail(const struct hoy_err *err)
{
	static const char *const kinds[] = { "system", "invalid", "not-found", "conflict", "unsupported" };

	printf("error %s %s\n", kinds[err->kind], hoy_err_str(err));
	status = 1;
	return 1;
}

static void in_use(const char *image_id, struct hoy_image_user *ret, void *userdata)
{
	(void) image_id;
	(void) userdata;
	*ret = user;
}

static void on_event(const char *action, const char *image_id, const char *name, void *userdata)
{
	(void) image_id;
	(void) userdata;
	printf("event %s %s\n", action, strncmp(name, "sha256:", 7) == 0 ? "ID" : name);
}

static void on_done(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	(void) userdata;
	jobs_running--;
	if (err) {
		fail(err);
		return;
	}
	for (size_t i = 0; i < result->n_images; i++)
		printf("done %s %s\n", result->images[i].id, result->images[i].name ? result->images[i].name : "-");
}

static void run_jobs(struct hoy_loop *loop)
{
	struct hoy_err err = { 0 };

	while (jobs_running > 0 && hoy_loop_run_once(loop, -1, &err) >= 0)
		;
}

static int load(struct hoy_loop *loop, struct hoy_images *images, char **argv)
{
	const struct hoy_image_job_handler handler = { .done = on_done };
	struct hoy_image_job *job;
	struct hoy_err err = { 0 };

	if (hoy_images_load(images, hoy_fd_dup(STDIN_FILENO), /* platform= */ NULL, &handler, &job, &err) < 0)
		return fail(&err);
	jobs_running++;
	if (*argv) {
		if (hoy_images_load(images, open(*argv, O_RDONLY | O_CLOEXEC), NULL, &handler, &job, &err) < 0)
			return fail(&err);
		jobs_running++;
	}
	run_jobs(loop);
	return status;
}

static int import(struct hoy_loop *loop, struct hoy_images *images, char **argv)
{
	const struct hoy_image_import options = { .reference = *argv && **argv ? *argv : NULL,
		.changes = *argv ? argv + 1 : NULL };
	const struct hoy_image_job_handler handler = { .done = on_done };
	struct hoy_image_job *job;
	struct hoy_err err = { 0 };

	if (hoy_images_import(images, hoy_fd_dup(STDIN_FILENO), &options, &handler, &job, &err) < 0)
		return fail(&err);
	jobs_running++;
	run_jobs(loop);
	return status;
}

static void add_filter(struct hoy_image_filter *filter, char ***references, char ***labels, const char *arg)
{
	static const bool yes = true, no = false;

	if (hoy_str_starts(arg, "reference="))
		(void) hoy_strv_add(references, arg + strlen("reference="));
	else if (hoy_str_starts(arg, "label="))
		(void) hoy_strv_add(labels, arg + strlen("label="));
	else if (hoy_str_starts(arg, "dangling="))
		filter->dangling = strcmp(arg, "dangling=true") == 0 ? &yes : &no;
	else if (hoy_str_starts(arg, "before="))
		filter->before = arg + strlen("before=");
	else if (hoy_str_starts(arg, "since="))
		filter->since = arg + strlen("since=");
}

static int list(struct hoy_images *images, char **argv)
{
	auto_ptr(hoy_strv_free) char **references = NULL, **labels = NULL;
	auto_free const struct hoy_image **found = NULL;
	struct hoy_image_filter filter = { 0 };
	struct hoy_err err = { 0 };
	size_t n;

	for (; *argv; argv++)
		add_filter(&filter, &references, &labels, *argv);
	filter.references = references;
	filter.labels = labels;
	if (hoy_images_list(images, &filter, &found, &n, &err) < 0)
		return fail(&err);
	for (size_t i = 0; i < n; i++) {
		printf("image %s %" PRId64, found[i]->id, found[i]->size);
		for (char **tag = found[i]->repo_tags; *tag; tag++)
			printf(" %s", *tag);
		printf("\n");
	}
	return 0;
}

static int print_words(const char *what, char **words)
{
	printf("%s", what);
	for (char **word = words; word && *word; word++)
		printf(" [%s]", *word);
	printf("\n");
	return 0;
}

static int inspect(struct hoy_images *images, const char *name)
{
	const struct hoy_oci_image_config *config;
	const struct hoy_image *image;
	struct hoy_err err = { 0 };

	if (hoy_images_find(images, name, &image, &err) < 0 || hoy_image_config(images, image, &config, &err) < 0)
		return fail(&err);
	printf("id %s\nmedia-type %s\nmanifest %s\nconfig %s\nchain %s\ncreated %" PRId64 "\n", image->id,
		image->media_type, image->manifest, image->config, image->chain_id, image->created);
	print_words("tags", image->repo_tags);
	print_words("digests", image->repo_digests);
	printf("layers %zu\nplatform %s/%s\n", hoy_strv_len(image->diff_ids), config->os, config->architecture);
	if (!config->config)
		return 0;
	print_words("cmd", config->config->cmd);
	print_words("entrypoint", config->config->entrypoint);
	print_words("env", config->config->env);
	print_words("ports", config->config->exposed_ports);
	print_words("volumes", config->config->volumes);
	for (size_t i = 0; i < config->config->n_labels; i++)
		printf("label %s=%s\n", config->config->labels[i].key, config->config->labels[i].value);
	printf("user %s\nworkdir %s\nstop %s\n", config->config->user ? config->config->user : "",
		config->config->working_dir ? config->config->working_dir : "",
		config->config->stop_signal ? config->config->stop_signal : "");
	return 0;
}

static int layers(struct hoy_images *images, const char *name)
{
	auto_ptr(hoy_strv_free) char **paths = NULL;
	const struct hoy_image *image;
	struct hoy_err err = { 0 };

	if (hoy_images_find(images, name, &image, &err) < 0 ||
		hoy_layers_paths(images, image->chain_id, &paths, &err) < 0)
		return fail(&err);
	for (char **path = paths; *path; path++)
		printf("%s\n", *path);
	return 0;
}

static int rm(struct hoy_images *images, const char *name, bool force)
{
	struct hoy_image_removed *removed;
	struct hoy_err err = { 0 };
	size_t n;

	if (hoy_images_remove(images, name, force, &removed, &n, &err) < 0)
		return fail(&err);
	for (size_t i = 0; i < n; i++)
		printf("%s %s\n", removed[i].untagged ? "untagged" : "deleted",
			removed[i].untagged ? removed[i].untagged : removed[i].deleted);
	hoy_image_removed_free(removed, n);
	return 0;
}

static int command(struct hoy_loop *loop, struct hoy_images *images, char **argv)
{
	struct hoy_err err = { 0 };

	if (strcmp(*argv, "user") == 0) {
		(void) snprintf(user.container, sizeof user.container, "%s", argv[1]);
		user.running = strcmp(argv[2], "1") == 0;
		argv += 3;
	}
	if (strcmp(*argv, "load") == 0)
		return load(loop, images, argv + 1);
	if (strcmp(*argv, "import") == 0)
		return import(loop, images, argv + 1);
	if (strcmp(*argv, "list") == 0)
		return list(images, argv + 1);
	if (strcmp(*argv, "inspect") == 0)
		return inspect(images, argv[1]);
	if (strcmp(*argv, "layers") == 0)
		return layers(images, argv[1]);
	if (strcmp(*argv, "tag") == 0)
		return hoy_images_tag(images, argv[1], argv[2], &err) < 0 ? fail(&err) : 0;
	if (strcmp(*argv, "rm") == 0 || strcmp(*argv, "rmf") == 0)
		return rm(images, argv[1], (*argv)[2] == 'f');
	if (strcmp(*argv, "sweep") == 0)
		return hoy_images_sweep(images, &err) < 0 ? fail(&err) : 0;
	return 2;
}

int main(int argc, char **argv)
{
	auto_ptr(hoy_loop_free) struct hoy_loop *loop = NULL;
	auto_ptr(hoy_store_close) struct hoy_store *store = NULL;
	auto_ptr(hoy_images_free) struct hoy_images *images = NULL;
	auto_free char *db = NULL;
	struct hoy_err err = { 0 };
	int r;

	if (argc < 4)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	db = hoy_str_printf("%s/db", argv[2]);
	if (hoy_loop_new(&loop, &err) < 0 || hoy_store_open(loop, db, &store, &err) < 0 ||
		hoy_images_open(&(struct hoy_images_options){ .loop = loop,
					.store = store,
					.data_root = argv[2],
					.helper = argv[1],
					.in_use = in_use,
					.event = on_event },
			&images, &err) < 0)
		return fail(&err);
	r = command(loop, images, argv + 3);
	if (hoy_store_flush(store, &err) < 0)
		return fail(&err);
	return r;
}
