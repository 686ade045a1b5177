/* SPDX-License-Identifier: MIT */

#include "src/ctl/ctl.h"

#include "src/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool ctl_refuse(struct ctl_reason *reason, const char *format, ...) {
  char text[2 * CTL_REASON_SIZE];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  (void)fc_text_line(reason->text, sizeof(reason->text), text, strlen(text));
  return false;
}

void ctl_warn(const char *format, ...) {
  char text[2 * CTL_REASON_SIZE], line[2 * CTL_REASON_SIZE];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  (void)fc_text_line(line, sizeof(line), text, strlen(text));
  (void)fprintf(stderr, "firecrawlctl: %s\n", line); /* nobody to tell */
}

bool ctl_flush(void) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout))
    return true;
  if (errno != EPIPE)
    ctl_warn("cannot write the output%s%s", errno ? ": " : "",
             errno ? strerror(errno) : "");
  return false;
}
