/* The v3 JSON gateway: keys and values in base64, 64-bit numbers as strings, zero values left out. */
#include "supervisor/worker/peer/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/str.h"

static uint64_t number(const struct hoy_json *value)
{
	const char *text = hoy_json_string(value);
	uint64_t n = 0;

	if (text ? hoy_str_to_u64(text, &n) < 0 : hoy_json_to_u64(value, &n) < 0)
		return 0;
	return n;
}

/* NULL: it is no text. The caller's. */
static char *decode(const struct hoy_json *value)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	const char *text = hoy_json_string(value);

	if (text && hoy_base64_decode(&buf, text) < 0)
		return NULL;
	if (buf.len > 0 && memchr(buf.data, '\0', buf.len))
		return NULL;
	return buf.len > 0 ? hoy_buf_take(&buf) : strdup("");
}

static int add_kv(struct hoy_etcd_answer *answer, const struct hoy_json *kv, bool deleted, struct hoy_err *err)
{
	struct hoy_etcd_kv *grown = reallocarray(answer->kvs, answer->n_kvs + 1, sizeof *grown);
	struct hoy_etcd_kv *one;

	if (!grown)
		return hoy_err_oom(err);
	answer->kvs = grown;
	one = &grown[answer->n_kvs];
	*one = (struct hoy_etcd_kv){ .key = decode(hoy_json_get(kv, "key")) };
	one->value = deleted ? NULL : decode(hoy_json_get(kv, "value"));
	one->revision = number(hoy_json_get(kv, "mod_revision"));
	if (!one->key || (!one->value && !deleted)) {
		free(one->key);
		free(one->value);
		return 0;
	}
	answer->n_kvs++;
	return 0;
}

static int add_kvs(struct hoy_etcd_answer *answer, const struct hoy_json *kvs, struct hoy_err *err)
{
	int r = 0;

	hoy_json_each(kv, kvs)
	{
		r = add_kv(answer, kv, /* deleted= */ false, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_lists(struct hoy_etcd_answer *answer, const struct hoy_json *root, struct hoy_err *err)
{
	int r = add_kvs(answer, hoy_json_get(root, "kvs"), err);

	hoy_json_each(response, hoy_json_get(root, "responses"))
	{
		if (r >= 0)
			r = add_kvs(answer, hoy_json_get(hoy_json_get(response, "response_range"), "kvs"), err);
	}
	hoy_json_each(event, hoy_json_get(root, "events"))
	{
		const char *type = hoy_json_string(hoy_json_get(event, "type"));

		if (r >= 0)
			r = add_kv(answer, hoy_json_get(event, "kv"), type && hoy_str_eq(type, "DELETE"), err);
	}
	return r;
}

/* {"error": "text"} or, in a stream, {"error": {"message": "text"}} */
static int refusal(const struct hoy_json *error, struct hoy_err *err)
{
	const char *text = hoy_json_string(error);

	if (!text)
		text = hoy_json_string(hoy_json_get(error, "message"));
	return hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "etcd: %.200s", text ? text : "refused without a reason");
}

int hoy_etcd_answer_parse(const char *text, size_t len, struct hoy_etcd_answer *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *root = NULL;
	auto_(hoy_etcd_answer_done) struct hoy_etcd_answer answer = {};
	const struct hoy_json *result, *header;
	int r = hoy_json_parse(text, len, NULL, &root, err);

	if (r < 0)
		return hoy_err_wrap(err, "answer of etcd");
	if (hoy_json_type(root) != HOY_JSON_OBJECT)
		return hoy_err_invalid(err, "answer of etcd: no object");
	if (hoy_json_get(root, "error"))
		return refusal(hoy_json_get(root, "error"), err);
	result = hoy_json_get(root, "result");
	if (!result)
		result = root;
	header = hoy_json_get(result, "header");
	answer.revision = number(hoy_json_get(header, "revision"));
	answer.cluster = number(hoy_json_get(header, "cluster_id"));
	answer.succeeded = hoy_json_bool(hoy_json_get(result, "succeeded"));
	answer.canceled = hoy_json_bool(hoy_json_get(result, "canceled"));
	answer.compact_revision = number(hoy_json_get(result, "compact_revision"));
	answer.lease = number(hoy_json_get(result, "ID"));
	answer.ttl = (int64_t) MIN(number(hoy_json_get(result, "TTL")), (uint64_t) INT32_MAX);
	r = read_lists(&answer, result, err);
	if (r < 0)
		return r;
	*ret = answer;
	answer = (struct hoy_etcd_answer){};
	return 0;
}

void hoy_etcd_answer_done(struct hoy_etcd_answer *answer)
{
	for (size_t i = 0; i < answer->n_kvs; i++) {
		free(answer->kvs[i].key);
		free(answer->kvs[i].value);
	}
	free(answer->kvs);
	*answer = (struct hoy_etcd_answer){};
}
