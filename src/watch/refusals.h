/* SPDX-License-Identifier: MIT */

/* Which sources of jobs have some that are refused: reported once, and once
 * more when none has. A plain struct with pure functions; not thread-safe. */

#ifndef FC_REFUSALS_H
#define FC_REFUSALS_H

#include "src/base/text.h"
#include "src/watch/job.h"

#include <stdbool.h>
#include <stdint.h>

/* All zero: none is refused. */
struct fc_refusals {
  unsigned sources;              /* set of enum fc_job_source */
  int64_t since_s;               /* epoch; of the last time that one was */
  char text[FC_ERROR_TEXT_SIZE]; /* of the first one */
};

/* A job is refused, or a JobFile has bad lines. Returns true when that has to
 * be reported. */
bool fc_refusals_add(struct fc_refusals *refusals, enum fc_job_source source,
                     const char *text, int64_t now_s);

/* A job was taken, or a JobFile read without a bad line. Returns true when it
 * has to be reported that all jobs are. */
bool fc_refusals_end(struct fc_refusals *refusals, enum fc_job_source source);

#endif
