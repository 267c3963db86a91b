/* "Are you sure". */
#include "supervisor/cli/confirm.h"

#include <stdio.h>

bool hoy_confirm(const char *warning)
{
	char answer[16] = "";

	(void) printf("%s\nAre you sure you want to continue? [y/N] ", warning);
	(void) fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
