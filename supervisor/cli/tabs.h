/* Text with tabs as aligned columns, in the way of Go's tabwriter with docker's settings (at least 10 columns wide, 3
 * spaces between): a column reaches over the lines that follow each other and have a cell there; what stands behind the
 * last tab of a line is not aligned. */
#ifndef HOY_CLI_TABS_H
#define HOY_CLI_TABS_H

#include "base/buf.h"

/* Appends `text` aligned. Wide and combining characters count as one column, bytes that are no UTF-8 too. */
void hoy_tabs_align(const char *text, struct hoy_buf *out);

#endif
