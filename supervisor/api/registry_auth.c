#include "supervisor/api/registry_auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"

#define AUTH_MAX ((size_t) 64 << 10)

static char *take(const struct hoy_json *doc, const char *key)
{
	const char *value = hoy_json_string(hoy_json_get_ci(doc, key));

	return value && *value ? strdup(value) : NULL;
}

int hoy_registry_auth_parse(const char *header, struct hoy_registry_auth *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = AUTH_MAX };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	bool ok;

	*ret = (struct hoy_registry_auth){ 0 };
	if (!header || !*header)
		return 0;
	ok = hoy_base64_decode(&text, header) == 0 && text.len > 0 &&
	     hoy_json_parse(text.data, text.len, /* limits= */ NULL, &doc, /* err= */ NULL) == 0 &&
	     (hoy_json_type(doc) == HOY_JSON_OBJECT || hoy_json_type(doc) == HOY_JSON_NULL);
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (!ok)
		return hoy_err_invalid(err, "invalid X-Registry-Auth header: not a JSON object in base64");
	ret->username = take(doc, "username");
	ret->password = take(doc, "password");
	ret->identity_token = take(doc, "identitytoken");
	ret->registry_token = take(doc, "registrytoken");
	return 0;
}

static void forget(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void hoy_registry_auth_done(struct hoy_registry_auth *auth)
{
	forget(&auth->username);
	forget(&auth->password);
	forget(&auth->identity_token);
	forget(&auth->registry_token);
}
