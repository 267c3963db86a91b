/* The table of settings behind options.h. */
#ifndef HOY_DAEMON_SETTINGS_H
#define HOY_DAEMON_SETTINGS_H

#include <stddef.h>

enum hoy_setting_kind {
	HOY_SETTING_STRING,
	HOY_SETTING_BOOL,
	HOY_SETTING_LIST,
	HOY_SETTING_UINT,
	HOY_SETTING_RUNTIMES,
	HOY_SETTING_OBJECTS /* a list of JSON objects, kept as text */
};

struct hoy_setting {
	const char *flag; /* without "--" */
	char letter;      /* 0: none */
	const char *key;  /* in daemon.json; NULL: a flag alone */
	enum hoy_setting_kind kind;
	size_t offset; /* in struct hoy_daemon_options */
	const char *argument, *help;
};
extern const struct hoy_setting hoy_settings[];
extern const size_t hoy_settings_n;

/* What dockerd has and Hoy does not act on. */
struct hoy_refused_setting {
	const char *flag;
	char letter;
	const char *key;      /* NULL: the flag's name */
	const char *accepted; /* the one value that is true of Hoy anyway, as a flag's text; NULL: none */
	int is_bool;
};
extern const struct hoy_refused_setting hoy_refused_settings[];
extern const size_t hoy_refused_settings_n;

#endif
