/* SPDX-License-Identifier: MIT */

/* A job that firecrawlctl watches: what is known of it, and how it is shown on
 * a terminal and elsewhere. Needs no server and no terminal. */

#ifndef FC_CTL_WATCHED_H
#define FC_CTL_WATCHED_H

#include "src/api/status.h"
#include "src/base/text.h"
#include "src/watch/event.h"
#include "src/watch/instance.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One job watched. */
struct ctl_watched {
  const struct fc_job_spec *spec;
  bool has_view;
  struct fc_job_view view; /* the last one there was */
  bool stalled;
  char error[FC_ERROR_TEXT_SIZE]; /* the API's words; "": none */
  bool printed; /* on a pipe: what printed_* say was printed */
  enum fc_status printed_status;
  int printed_percent; /* -1: none */
  bool printed_stalled;
};

/* Completed, failed, cancelled, or lost. */
bool ctl_watched_has_ended(const struct ctl_watched *watched);

/* An event of the job: keeps what a view does not have. */
void ctl_watched_take_event(struct ctl_watched *watched,
                            const struct fc_event *event);

/* Prints "TIME KIND ID STATUS ..." if that differs from what was last printed.
 * `now_s` is the time. */
void ctl_watched_print(struct ctl_watched *watched, FILE *out, int64_t now_s);

/* Prints text as one line of at most `width` columns, over an older one: as
 * many bytes, so rather too short where characters take several. */
void ctl_put_line(FILE *out, const char *text, size_t width);

/* Prints one line for a terminal `width` columns wide, without wrapping: kind,
 * ID, status, a bar or the time in processing, the reason of a failure. */
void ctl_watched_draw(const struct ctl_watched *watched, FILE *out,
                      size_t width, bool colours);

#endif
