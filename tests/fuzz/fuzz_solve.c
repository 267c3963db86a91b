/* Requests of BuildKit's control API: the first byte says which message the rest is. What was parsed is printed. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "supervisor/worker/build/solve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct hoy_buf *text)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;

	assert(hoy_json_parse(text->data, text->len, /* limits= */ NULL, &doc, NULL) == 0);
	assert(hoy_json_type(doc) == HOY_JSON_OBJECT);
}

static void try_solve(const char *data, size_t len)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_solve solve = { 0 };

	if (hoy_solve_parse(data, len, &solve, NULL) == 0) {
		assert(solve.ref && *solve.ref);
		if (hoy_solve_print(&solve, "dockerfile.v0", solve.attrs, &text, NULL) == 0)
			check_text(&text);
	}
	hoy_solve_done(&solve);
}

static void try_frontend_solve(const char *data, size_t len)
{
	struct hoy_solve asked = { .ref = (char[]){ "r" }, .session = (char[]){ "s" } };
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_frontend_solve solve = { 0 };

	if (hoy_frontend_solve_parse(data, len, &solve, NULL) == 0 &&
		hoy_solve_print(&asked, solve.frontend ? solve.frontend : "", solve.attrs, &text, NULL) == 0)
		check_text(&text);
	hoy_frontend_solve_done(&solve);
}

static void try_return(const char *data, size_t len)
{
	struct hoy_frontend_return result = { 0 };

	if (hoy_frontend_return_parse(data, len, &result, NULL) == 0)
		assert((!result.ref || *result.ref) && result.code < 17);
	hoy_frontend_return_done(&result);
}

static void try_prune(const char *data, size_t len, bool is_prune)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	if (hoy_prune_print(data, len, is_prune, &text, NULL) == 0)
		check_text(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *message = (const char *) data + 1;

	if (size == 0)
		return 0;
	switch (data[0] % 5) {
	case 0:
		try_solve(message, size - 1);
		break;
	case 1:
		try_frontend_solve(message, size - 1);
		break;
	case 2:
		try_return(message, size - 1);
		break;
	default:
		try_prune(message, size - 1, data[0] % 5 == 3);
	}
	return 0;
}
