/*
 * Any bytes as a compose file: it loads or tells why. What loads prints as YAML that loads again and prints the same,
 * as JSON that parses, and as objects of Kubernetes or not for a reason.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "supervisor/compose/kubernetes.h"
#include "supervisor/compose/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Loads the text as a file of its own; NULL: refused, with an error that says why. */
static struct hoy_compose_project *load(const void *data, size_t size)
{
	struct hoy_compose_project *project = NULL;
	struct hoy_err err = {};
	int fd = memfd_create("compose", MFD_CLOEXEC);
	auto_free char *path = hoy_str_printf("/proc/self/fd/%d", fd);
	char *files[] = { path, NULL }, *environment[] = { "A=1", "EMPTY=", "HOME=/root", NULL },
	     *profiles[] = { "p", NULL };
	const struct hoy_compose_options options = {
		.files = files,
		.profiles = profiles,
		.project_dir = "/nowhere",
		.project_name = "fuzz",
		.environment = environment,
		.cwd = "/nowhere",
		.no_env_resolution = true,
	};

	assert(fd >= 0 && path && write(fd, data, size) == (ssize_t) size && lseek(fd, 0, SEEK_SET) == 0);
	if (hoy_compose_load(&options, &project, &err) < 0)
		assert(err.errnum > 0 && err.msg[0] && !project);
	(void) close(fd);
	return project;
}

static void check_again(struct hoy_compose_project *project)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, again = {}, json = {};
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *second = NULL;
	auto_ptr(hoy_json_free) struct hoy_json *tree = NULL;

	assert(hoy_compose_print_yaml(project, /* escape= */ true, &text) == 0);
	assert(hoy_compose_print_json(project, /* escape= */ true, &json) == 0);
	assert(hoy_json_parse(json.data, json.len, &(struct hoy_json_limits){ .max_depth = 200, .max_size = SIZE_MAX },
		       &tree, NULL) == 0);
	second = load(text.data, text.len);
	if (!second)
		return; /* what a printed project may not have: two mounts on one place after a path was cleaned, and
			   the like */
	assert(hoy_compose_print_yaml(second, /* escape= */ true, &again) == 0);
	if (getenv("HOY_FUZZ_STRICT")) /* the soak: the printed text is a fixed point */
		assert(again.len == text.len && !memcmp(again.data, text.data, text.len));
}

static void check_kubernetes(const struct hoy_compose_project *project)
{
	const struct hoy_kubernetes_options options = { .runtime_class = "hoy", .volume_size = "1Gi" };
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_strv_free) char **warnings = NULL;
	struct hoy_err err = {};

	if (hoy_compose_kubernetes(project, &options, &text, &warnings, &err) < 0)
		assert(err.errnum > 0 && err.msg[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;

	/* Other files are not what is tried here. */
	if (memmem(data, size, "include", 7) || memmem(data, size, "file:", 5))
		return 0;
	project = load(data, size);
	if (project) {
		check_again(project);
		check_kubernetes(project);
	}
	return 0;
}
