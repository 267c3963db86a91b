/* Lines of a Dockerfile as `--change` takes them; the config stays one that can be printed. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/image/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = calloc(1, sizeof *config);
	auto_free char *text = strndup((const char *) data, size);
	auto_ptr(hoy_strv_free) char **lines = text ? hoy_str_split(text, '\n') : NULL;

	if (!config || !lines)
		return 0;
	config->config = calloc(1, sizeof *config->config);
	for (char **line = lines; config->config && *line; line++) {
		struct hoy_err err = { 0 };
		int r = hoy_image_change(config->config, *line, &err);

		assert(r == 0 || (r == -EINVAL && err.msg[0]));
	}
	return 0;
}
