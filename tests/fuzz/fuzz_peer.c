/* Any bytes as an answer of etcd, and as the value of each kind of key: what is taken is written and read as the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/worker/peer/answer.h"
#include "supervisor/worker/peer/records.h"

#define ID_A "0000000000000000000000000000000000000000000000000000000000000001"
#define ID_B "0000000000000000000000000000000000000000000000000000000000000002"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_value(const char *key, const char *value)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_record record, again;

	if (hoy_record_parse(key, value, &record, NULL) < 0)
		return;
	assert(hoy_record_value(&record, &text, NULL) >= 0);
	assert(hoy_record_parse(key, text.data, &again, NULL) >= 0);
	assert(memcmp(&record, &again, sizeof record) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(hoy_etcd_answer_done) struct hoy_etcd_answer answer = {};
	auto_free char *value = strndup((const char *) data, size);
	struct hoy_record record;

	if (hoy_etcd_answer_parse((const char *) data, size, &answer, NULL) >= 0)
		for (size_t i = 0; i < answer.n_kvs; i++)
			hoy_record_of_key(answer.kvs[i].key, &record);
	if (!value)
		return 0;
	hoy_record_of_key(value, &record);
	read_value(HOY_RECORD_PREFIX "network/" ID_A, value);
	read_value(HOY_RECORD_PREFIX "address/" ID_A "/7", value);
	read_value(HOY_RECORD_PREFIX "member/" ID_A "/" ID_B, value);
	return 0;
}
