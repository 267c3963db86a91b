/* Volumes whose driver options name a file system: mounted as mount(8) would, without its helpers. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "base/str.h"
#include "supervisor/worker/files/files.h"

static const char *text_of(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

/* The kernel wants addresses: "addr=server" becomes "addr=192.0.2.1". */
static int resolve_option(const char *option, char ***out, struct hoy_err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char address[64];
	int r;

	if (!hoy_str_starts(option, "addr=") || !option[5])
		return hoy_strv_add(out, option) < 0 ? hoy_err_oom(err) : 0;
	r = getaddrinfo(option + 5, NULL, &hints, &found);
	if (r == 0)
		r = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
	if (found)
		freeaddrinfo(found);
	if (r != 0)
		return hoy_err_invalid(err, "resolve '%s': %s", option + 5, gai_strerror(r));
	return hoy_strv_addf(out, "addr=%s", address) < 0 ? hoy_err_oom(err) : 0;
}

static int resolve_data(const char *data, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **options = hoy_str_split(data, ','), **out = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = options ? 0 : hoy_err_oom(err);

	for (char **option = options; r == 0 && option && *option; option++)
		if (**option)
			r = resolve_option(*option, &out, err);
	for (char **option = out; r == 0 && option && *option; option++)
		hoy_buf_addf(&text, "%s%s", option == out ? "" : ",", *option);
	if (r == 0 && hoy_buf_adds(&text, "") < 0)
		r = hoy_err_oom(err);
	if (r == 0)
		*ret = hoy_buf_take(&text);
	return r;
}

int hoy_files_mount(const struct hoy_json *request, struct hoy_err *err)
{
	const char *source = text_of(request, "source"), *target = text_of(request, "target");
	auto_free char *data = NULL;
	int64_t flags = 0;
	int r;

	if (hoy_json_to_i64(hoy_json_get(request, "flags"), &flags) < 0)
		return hoy_err_invalid(err, "mount without flags");
	r = resolve_data(text_of(request, "data"), &data, err);
	if (r < 0)
		return r;
	if (mount(source, target, text_of(request, "type"), (unsigned long) flags, data) == 0)
		return 0;
	if (*data)
		return hoy_err_sys(err, "failed to mount local volume: mount %s:%s, flags: 0x%llx, data: %s", source,
			target, (unsigned long long) flags, data);
	return hoy_err_sys(err, "failed to mount local volume: mount %s:%s, flags: 0x%llx", source, target,
		(unsigned long long) flags);
}
