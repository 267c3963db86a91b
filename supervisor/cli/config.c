/* ~/.docker/config.json. */
#include "supervisor/cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#define CONFIG_MAX ((size_t) 4 << 20)

static int read_config(const char *dir, struct hoy_json **ret, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(dir, "config.json");
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = CONFIG_MAX };
	struct hoy_err problem;
	int r;

	*ret = NULL;
	if (!path)
		return hoy_err_oom(err);
	r = hoy_file_read(AT_FDCWD, path, &text, &problem);
	if (r == -ENOENT || r == -ENOTDIR || r == -EACCES || (r == 0 && !text.len))
		return 0;
	if (r == 0)
		r = hoy_json_parse(text.data, text.len, NULL, ret, &problem);
	if (r < 0)
		return hoy_err_set(err, problem.kind, -r, "parse the client's configuration '%s': %s", path,
			hoy_err_str(&problem));
	return 0;
}

int hoy_config_load(const char *dir, struct hoy_config *ret, struct hoy_err *err)
{
	struct hoy_config config = {};
	const char *home = getenv("HOME");
	int r;

	if (!dir)
		dir = getenv("DOCKER_CONFIG");
	config.dir = dir && *dir ? strdup(dir) : hoy_path_join(home && *home ? home : "/root", ".docker");
	if (!config.dir)
		return hoy_err_oom(err);
	r = read_config(config.dir, &config.root, err);
	if (r < 0) {
		hoy_config_done(&config);
		return r;
	}
	*ret = config;
	return 0;
}

void hoy_config_done(struct hoy_config *config)
{
	free(config->dir);
	hoy_json_free(config->root);
	*config = (struct hoy_config){};
}

const char *hoy_config_text(const struct hoy_config *config, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(config->root, key));

	return text && *text ? text : NULL;
}

int hoy_config_set(struct hoy_config *config, const char *key, const char *value, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(config->dir, "config.json");
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = CONFIG_MAX };
	struct hoy_json_writer w = { .buf = &text, .indent = 4 };
	struct hoy_json *root = NULL;
	bool written = !value;
	int r;

	if (!path)
		return hoy_err_oom(err);
	hoy_json_object(&w, NULL);
	hoy_json_each(member, config->root)
	{
		if (strcmp(hoy_json_key(member), key) != 0) {
			hoy_json_add_value(&w, hoy_json_key(member), member);
		} else if (!written) {
			hoy_json_add_raw(&w, key, value);
			written = true;
		}
	}
	if (!written)
		hoy_json_add_raw(&w, key, value);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the client's configuration", err);
	if (r == 0)
		r = hoy_json_parse(text.data, text.len, NULL, &root, err);
	if (r == 0)
		r = hoy_path_mkdir_all(config->dir, 0700, err);
	if (r == 0)
		r = hoy_file_write(AT_FDCWD, path, text.data, text.len, 0600, 0, err);
	if (r < 0) {
		hoy_json_free(root);
		return r;
	}
	hoy_json_free(config->root);
	config->root = root;
	return 0;
}
