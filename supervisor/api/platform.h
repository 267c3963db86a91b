/* A platform as clients send it: JSON ({"os":"linux","architecture":"arm64","variant":"v8"}) or "linux/arm64/v8". */
#ifndef HOY_API_PLATFORM_H
#define HOY_API_PLATFORM_H

#include "base/err.h"

/* *ret is "os/arch[/variant]", heap; NULL for NULL, "" and "[]". A list must have one element. */
int hoy_api_platform(const char *text, char **ret, struct hoy_err *err);

#endif
