/* SPDX-License-Identifier: MIT */

/* Lines to be logged, for a library does not log: a queue that the reader
 * empties. A plain struct with pure functions; not thread-safe. */

#ifndef FC_REPORTS_H
#define FC_REPORTS_H

#include "src/watch/event.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { FC_REPORTS_MAX = 8, FC_REPORT_SIZE = 320 };

struct fc_report {
  enum fc_severity severity;
  char text[FC_REPORT_SIZE];
};

/* All zero: empty. */
struct fc_reports {
  struct fc_report list[FC_REPORTS_MAX];
  size_t len, lost;
};

/* With FC_REPORTS_MAX of them, further ones are only counted. */
void fc_reports_add(struct fc_reports *reports, enum fc_severity severity,
                    const char *format, va_list arguments) FC_PRINTF(3, 0);

/* Takes the oldest, at the end one that says how many were left out; false when
 * there is none. */
bool fc_reports_take(struct fc_reports *reports, struct fc_report *report);

#endif
