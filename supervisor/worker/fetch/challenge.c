/* scheme SP name=value, name="quoted \"value\"", ... ; a token that no '=' follows begins the next scheme. */
#include "supervisor/worker/fetch/challenge.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

#define HEADER_MAX 8192

struct reader {
	const char *at;
	struct hoy_err *err;
};

static bool is_token(char c)
{
	return isalnum((unsigned char) c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~/:", c));
}

static void skip_blank(struct reader *r)
{
	r->at += strspn(r->at, " \t,");
}

static char *read_token(struct reader *r)
{
	const char *begin = r->at;

	while (is_token(*r->at))
		r->at++;
	return strndup(begin, (size_t) (r->at - begin));
}

static int read_quoted(struct reader *r, char **ret)
{
	auto_(hoy_buf_done) struct hoy_buf value = { .cap = HEADER_MAX };

	for (r->at++; *r->at != '"'; r->at++) {
		if (*r->at == '\\' && r->at[1])
			r->at++;
		if (!*r->at || iscntrl((unsigned char) *r->at))
			return hoy_err_invalid(r->err, "the registry's WWW-Authenticate has an unfinished text");
		(void) hoy_buf_addc(&value, *r->at);
	}
	r->at++;
	(void) hoy_buf_adds(&value, "");
	if (hoy_buf_check(&value, "WWW-Authenticate", r->err) < 0)
		return -ENOMEM;
	*ret = value.data ? hoy_buf_take(&value) : strdup("");
	return *ret ? 0 : hoy_err_oom(r->err);
}

static void take_parameter(struct hoy_challenge *challenge, const char *name, char *value)
{
	char **member = strcasecmp(name, "realm") == 0     ? &challenge->realm
			: strcasecmp(name, "service") == 0 ? &challenge->service
			: strcasecmp(name, "scope") == 0   ? &challenge->scope
							   : NULL;

	if (member && !*member)
		*member = value;
	else
		free(value);
}

/* Parameters up to the next scheme or the end. */
static int read_parameters(struct reader *r, struct hoy_challenge *challenge)
{
	for (;;) {
		auto_free char *name = NULL;
		const char *before;
		char *value = NULL;
		int ret = 0;

		skip_blank(r);
		before = r->at;
		name = read_token(r);
		if (!name)
			return hoy_err_oom(r->err);
		if (*r->at != '=' || !*name) {
			r->at = before;
			return *before && !*name
				       ? hoy_err_invalid(r->err,
						 "the registry's WWW-Authenticate can't be read: '%.100s'", before)
				       : 0;
		}
		r->at++;
		if (*r->at == '"')
			ret = read_quoted(r, &value);
		else if (!(value = read_token(r)))
			ret = hoy_err_oom(r->err);
		if (ret < 0)
			return ret;
		take_parameter(challenge, name, value);
	}
}

static enum hoy_challenge_scheme scheme_of(const char *name)
{
	if (strcasecmp(name, "bearer") == 0)
		return HOY_CHALLENGE_BEARER;
	return strcasecmp(name, "basic") == 0 ? HOY_CHALLENGE_BASIC : HOY_CHALLENGE_NONE;
}

int hoy_challenge_parse(const char *header, struct hoy_challenge *ret, struct hoy_err *err)
{
	auto_(hoy_challenge_done) struct hoy_challenge best = { 0 };
	struct reader r = { .at = header, .err = err };

	if (strlen(header) > HEADER_MAX)
		return hoy_err_invalid(err, "the registry's WWW-Authenticate is longer than %d bytes", HEADER_MAX);
	for (;;) {
		auto_(hoy_challenge_done) struct hoy_challenge one = { 0 };
		auto_free char *scheme = NULL;
		int code;

		skip_blank(&r);
		if (!*r.at)
			break;
		scheme = read_token(&r);
		if (!scheme)
			return hoy_err_oom(err);
		if (!*scheme)
			return hoy_err_invalid(err, "the registry's WWW-Authenticate can't be read: '%.100s'", r.at);
		one.scheme = scheme_of(scheme);
		code = read_parameters(&r, &one);
		if (code < 0)
			return code;
		if (one.scheme > best.scheme) {
			struct hoy_challenge swap = best;

			best = one;
			one = swap;
		}
	}
	if (best.scheme == HOY_CHALLENGE_BEARER && (!best.realm || !*best.realm))
		return hoy_err_invalid(err, "the registry asks for a token, but does not say from where (no realm)");
	*ret = best;
	best = (struct hoy_challenge){ 0 };
	return 0;
}

void hoy_challenge_done(struct hoy_challenge *challenge)
{
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	*challenge = (struct hoy_challenge){ 0 };
}
