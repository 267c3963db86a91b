/* The local driver's options: type, device, o, as mount(8) has them. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/volume/internal.h"

const char *hoy_volume_option(const struct hoy_volume_info *volume, const char *key)
{
	const char *value = hoy_oci_kv_get(volume->options, volume->n_options, key);

	return value ? value : "";
}

int hoy_volume_options_check(const struct hoy_volume_create *create, struct hoy_err *err)
{
	static const char *const needed[] = { "device", "type" };

	for (size_t i = 0; i < create->n_options; i++) {
		const char *key = create->options[i].key;

		if (strcmp(key, "size") == 0)
			return hoy_err_unsupported(err, "quota size requested but no quota support");
		if (strcmp(key, "type") != 0 && strcmp(key, "device") != 0 && strcmp(key, "o") != 0)
			return hoy_err_invalid(err, "invalid option: \"%s\"", key);
	}
	for (size_t i = 0; create->n_options && i < ARRAY_LEN(needed); i++)
		if (!hoy_oci_kv_get(create->options, create->n_options, needed[i]))
			return hoy_err_invalid(err, "missing required option: \"%s\"", needed[i]);
	return 0;
}

static bool has_word(const char *o, const char *word)
{
	auto_ptr(hoy_strv_free) char **words = hoy_str_split(o, ',');

	return words && hoy_strv_has(words, word);
}

bool hoy_volume_is_bind(const struct hoy_volume_info *volume)
{
	const char *o = hoy_volume_option(volume, "o");

	return has_word(o, "bind") || has_word(o, "rbind");
}

bool hoy_volume_is_read_only(const struct hoy_volume_info *volume)
{
	return has_word(hoy_volume_option(volume, "o"), "ro");
}

const char *hoy_volume_source(const struct hoy_volume_info *volume)
{
	return hoy_volume_is_bind(volume) ? hoy_volume_option(volume, "device") : volume->mountpoint;
}

int hoy_volume_mount_options(const char *o, unsigned long *ret_flags, char **ret_data, struct hoy_err *err)
{
	static const struct {
		const char *name;
		bool clear;
		unsigned long flag;
	} flags[] = { { "defaults", false, 0 }, { "ro", false, MS_RDONLY }, { "rw", true, MS_RDONLY },
		{ "suid", true, MS_NOSUID }, { "nosuid", false, MS_NOSUID }, { "dev", true, MS_NODEV },
		{ "nodev", false, MS_NODEV }, { "exec", true, MS_NOEXEC }, { "noexec", false, MS_NOEXEC },
		{ "sync", false, MS_SYNCHRONOUS }, { "async", true, MS_SYNCHRONOUS }, { "dirsync", false, MS_DIRSYNC },
		{ "atime", true, MS_NOATIME }, { "noatime", false, MS_NOATIME }, { "diratime", true, MS_NODIRATIME },
		{ "nodiratime", false, MS_NODIRATIME }, { "relatime", false, MS_RELATIME },
		{ "norelatime", true, MS_RELATIME }, { "strictatime", false, MS_STRICTATIME },
		{ "mand", false, MS_MANDLOCK }, { "nomand", true, MS_MANDLOCK } };
	auto_ptr(hoy_strv_free) char **words = hoy_str_split(o, ',');
	auto_(hoy_buf_done) struct hoy_buf data = { 0 };

	*ret_flags = 0;
	for (char **word = words; word && *word; word++) {
		size_t i = 0;

		while (i < ARRAY_LEN(flags) && strcmp(flags[i].name, *word) != 0)
			i++;
		if (i < ARRAY_LEN(flags) && flags[i].clear)
			*ret_flags &= ~flags[i].flag;
		else if (i < ARRAY_LEN(flags))
			*ret_flags |= flags[i].flag;
		else if (**word)
			hoy_buf_addf(&data, "%s%s", data.len ? "," : "", *word);
	}
	if (!words || hoy_buf_adds(&data, "") < 0 || hoy_buf_check(&data, "mount options", err) < 0)
		return hoy_err_oom(err);
	*ret_data = hoy_buf_take(&data);
	return 0;
}
