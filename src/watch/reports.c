/* SPDX-License-Identifier: MIT */

#include "src/watch/reports.h"

#include "src/base/text.h"

#include <stdio.h>
#include <string.h>

void fc_reports_add(struct fc_reports *reports, enum fc_severity severity,
                    const char *format, va_list arguments) {
  if (reports->len == FC_REPORTS_MAX) {
    reports->lost++;
    return;
  }
  struct fc_report *report = &reports->list[reports->len++];
  report->severity = severity;
  (void)vsnprintf(report->text, sizeof(report->text), format, arguments);
}

bool fc_reports_take(struct fc_reports *reports, struct fc_report *report) {
  size_t used = 0;
  if (reports->len > 0) {
    *report = reports->list[0];
    reports->len--;
    memmove(&reports->list[0], &reports->list[1],
            reports->len * sizeof(reports->list[0]));
    return true;
  }
  if (!reports->lost)
    return false;
  report->severity = FC_SEVERITY_OKAY;
  fc_text_append(report->text, sizeof(report->text), &used,
                 "%zu more messages were left out", reports->lost);
  reports->lost = 0;
  return true;
}
