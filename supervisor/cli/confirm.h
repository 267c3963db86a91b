/* Asking before something is thrown away. */
#ifndef HOY_CLI_CONFIRM_H
#define HOY_CLI_CONFIRM_H

#include <stdbool.h>

/* Prints the warning and asks; true when the answer is yes. End of input is no. */
bool hoy_confirm(const char *warning);

#endif
