/* Which registry, whose secret: config.json's "auths" and the helper programs. */
#include "supervisor/cli/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/str.h"
#include "supervisor/cli/credential_helper.h"

#define AUTH_MAX ((size_t) 64 << 10)
#define TOKEN_USER "<token>"

static void forget(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void hoy_credentials_done(struct hoy_credentials *credentials)
{
	forget(&credentials->username);
	forget(&credentials->password);
	forget(&credentials->identity_token);
	forget(&credentials->registry_token);
}

/* --- names of registries --- */

char *hoy_credentials_server_of(const char *image)
{
	const char *slash = strchr(image, '/');
	size_t len = slash ? (size_t) (slash - image) : 0;
	auto_free char *first = strndup(image, len);
	bool upper = false;

	if (!first)
		return NULL;
	for (size_t i = 0; i < len; i++)
		upper = upper || (first[i] >= 'A' && first[i] <= 'Z');
	if (!len || (!strpbrk(first, ".:") && strcmp(first, "localhost") != 0 && !upper) ||
		strcmp(first, "docker.io") == 0 || strcmp(first, "index.docker.io") == 0)
		return strdup(HOY_REGISTRY_HUB);
	return TAKE_PTR(first);
}

/* "https://host/v1/" and "host" are the same. */
static bool is_same_server(const char *a, const char *b)
{
	const char *const names[] = { a, b };
	const char *hosts[2];
	size_t lens[2];

	for (size_t i = 0; i < 2; i++) {
		const char *scheme = strstr(names[i], "://");

		hosts[i] = scheme ? scheme + 3 : names[i];
		lens[i] = strcspn(hosts[i], "/");
	}
	return lens[0] == lens[1] && strncasecmp(hosts[0], hosts[1], lens[0]) == 0;
}

/* --- in the file --- */

static char *copy(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text && *text ? strdup(text) : NULL;
}

/* "auth" is base64 of user:password; older files have both apart. */
static int read_entry(const struct hoy_json *entry, struct hoy_credentials *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf plain = { .cap = AUTH_MAX };
	const char *auth = hoy_json_string(hoy_json_get(entry, "auth")), *colon;

	ret->username = copy(entry, "username");
	ret->password = copy(entry, "password");
	ret->identity_token = copy(entry, "identitytoken");
	ret->registry_token = copy(entry, "registrytoken");
	if (!auth || !*auth)
		return 0;
	if (hoy_base64_decode(&plain, auth) < 0 || !plain.data || !(colon = strchr(plain.data, ':')))
		return hoy_err_invalid(err,
			"Invalid auth configuration file: the auth of '%s' is not base64 of "
			"USER:PASSWORD",
			hoy_json_key(entry));
	forget(&ret->username);
	forget(&ret->password);
	ret->username = strndup(plain.data, (size_t) (colon - plain.data));
	ret->password = colon[1] ? strdup(colon + 1) : NULL;
	explicit_bzero(plain.data, plain.len);
	return ret->username ? 0 : hoy_err_oom(err);
}

static const struct hoy_json *find_entry(const struct hoy_json *root, const char *server)
{
	const struct hoy_json *auths = hoy_json_get(root, "auths"), *exact = hoy_json_get(auths, server);

	if (exact)
		return exact;
	hoy_json_each(entry, auths)
	{
		if (is_same_server(hoy_json_key(entry), server))
			return entry;
	}
	return NULL;
}

static void write_entry(struct hoy_json_writer *w, const char *server, const struct hoy_credentials *credentials)
{
	auto_(hoy_buf_done) struct hoy_buf auth = { .cap = AUTH_MAX };
	const char *password = credentials->identity_token || !credentials->password ? "" : credentials->password;
	auto_free char *plain = hoy_str_printf("%s:%s", credentials->username ? credentials->username : "", password);

	hoy_json_object(w, server);
	if (plain) {
		(void) hoy_base64_encode(&auth, plain, strlen(plain), /* url_safe= */ false);
		hoy_json_add_string(w, "auth", auth.data);
		explicit_bzero(plain, strlen(plain));
	}
	if (credentials->identity_token)
		hoy_json_add_string(w, "identitytoken", credentials->identity_token);
	hoy_json_end(w);
}

/* "auths" with one entry replaced, or taken out when `credentials` is NULL. */
static int write_auths(
	struct hoy_config *config, const char *server, const struct hoy_credentials *credentials, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_each(entry, hoy_json_get(config->root, "auths"))
	{
		if (!is_same_server(hoy_json_key(entry), server))
			hoy_json_add_value(&w, hoy_json_key(entry), entry);
	}
	if (credentials)
		write_entry(&w, server, credentials);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "credentials", err);
	if (r == 0)
		r = hoy_config_set(config, "auths", text.data, err);
	if (text.data)
		explicit_bzero(text.data, text.len);
	return r;
}

/* --- which way --- */

/* The helper for this registry; NULL: the file. */
static const char *helper_of(const struct hoy_config *config, const char *server)
{
	hoy_json_each(entry, hoy_json_get(config->root, "credHelpers"))
	{
		if (strcmp(hoy_json_key(entry), server) == 0 || is_same_server(hoy_json_key(entry), server))
			return hoy_json_string(entry);
	}
	return hoy_config_text(config, "credsStore");
}

/* DOCKER_AUTH_CONFIG counts before everything else. *ret_found tells whether it names the registry. */
static int from_environment(const char *server, struct hoy_credentials *ret, bool *ret_found, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *root = NULL;
	const char *text = getenv("DOCKER_AUTH_CONFIG");
	const struct hoy_json *entry;

	*ret_found = false;
	if (!text || !*text)
		return 0;
	if (hoy_json_parse(text, strlen(text), /* limits= */ NULL, &root, /* err= */ NULL) < 0)
		return hoy_err_invalid(err, "DOCKER_AUTH_CONFIG is not JSON");
	entry = find_entry(root, server);
	*ret_found = entry;
	return entry ? read_entry(entry, ret, err) : 0;
}

int hoy_credentials_get(
	const struct hoy_config *config, const char *server, struct hoy_credentials *ret, struct hoy_err *err)
{
	const char *helper = helper_of(config, server);
	const struct hoy_json *entry;
	bool found;
	int r;

	*ret = (struct hoy_credentials){ 0 };
	r = from_environment(server, ret, &found, err);
	if (r < 0 || found)
		return r;
	if (helper) {
		r = hoy_credential_helper_get(helper, server, &ret->username, &ret->password, err);
		if (r == 0 && ret->username && strcmp(ret->username, TOKEN_USER) == 0) {
			forget(&ret->username);
			ret->identity_token = TAKE_PTR(ret->password);
		}
		return r;
	}
	entry = find_entry(config->root, server);
	return entry ? read_entry(entry, ret, err) : 0;
}

int hoy_credentials_store(struct hoy_config *config, const char *server, const struct hoy_credentials *credentials,
	bool *ret_plain, struct hoy_err *err)
{
	const char *helper = helper_of(config, server);
	bool token = credentials->identity_token;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	int r;

	*ret_plain = !helper;
	if (!helper)
		return write_auths(config, server, credentials, err);
	r = hoy_credential_helper_store(helper, server, token ? TOKEN_USER : credentials->username,
		token ? credentials->identity_token : credentials->password, err);
	if (r < 0 || find_entry(config->root, server))
		return r;
	/* An empty entry tells that there is one. */
	hoy_json_object(&w, NULL);
	hoy_json_each(entry, hoy_json_get(config->root, "auths")) hoy_json_add_value(&w, hoy_json_key(entry), entry);
	hoy_json_object(&w, server);
	hoy_json_end(&w);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "credentials", err);
	return r < 0 ? r : hoy_config_set(config, "auths", text.data, err);
}

int hoy_credentials_erase(struct hoy_config *config, const char *server, bool *ret_found, struct hoy_err *err)
{
	const char *helper = helper_of(config, server);
	int r = 0;

	*ret_found = find_entry(config->root, server);
	if (helper)
		r = hoy_credential_helper_erase(helper, server, err);
	return r < 0 || !*ret_found ? r : write_auths(config, server, /* credentials= */ NULL, err);
}

int hoy_credentials_header(const struct hoy_config *config, const char *image, char **ret, struct hoy_err *err)
{
	auto_(hoy_credentials_done) struct hoy_credentials credentials = { 0 };
	auto_(hoy_buf_done) struct hoy_buf json = { .cap = AUTH_MAX }, text = { .cap = AUTH_MAX };
	auto_free char *server = hoy_credentials_server_of(image);
	struct hoy_json_writer w = { .buf = &json };
	int r = server ? hoy_credentials_get(config, server, &credentials, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	if (credentials.username)
		hoy_json_add_string(&w, "username", credentials.username);
	if (credentials.password)
		hoy_json_add_string(&w, "password", credentials.password);
	if (credentials.username || credentials.identity_token)
		hoy_json_add_string(&w, "serveraddress", server);
	if (credentials.identity_token)
		hoy_json_add_string(&w, "identitytoken", credentials.identity_token);
	if (credentials.registry_token)
		hoy_json_add_string(&w, "registrytoken", credentials.registry_token);
	hoy_json_end(&w);
	if (hoy_buf_check(&json, "credentials", err) < 0)
		return -ENOMEM;
	(void) hoy_base64_encode(&text, json.data, json.len, /* url_safe= */ true);
	explicit_bzero(json.data, json.len);
	if (hoy_buf_check(&text, "credentials", err) < 0)
		return -ENOMEM;
	*ret = hoy_buf_take(&text);
	return 0;
}
