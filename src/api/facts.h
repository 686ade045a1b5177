/* SPDX-License-Identifier: MIT */

/* What the API says of a job. The same struct wherever a job is spoken of, and
 * assigned whole: in a reply, a watched job, what is shown of it, a row of the
 * state file, an answer on the command line.
 *
 * A new figure is a member with its flag here, a line in src/api/parse.c, a row
 * in src/state/column.c and, if it has a series, one in plugin/metrics.c. */

#ifndef FC_FACTS_H
#define FC_FACTS_H

#include <stdbool.h>
#include <stdint.h>

struct fc_facts {
  int64_t expires_at_s; /* epoch; each valid only with its flag */
  double duration_s;    /* in processing, or in all; finite, >= 0 */
  double tokens;        /* as billed; finite, >= 0 */
  double credits;
  double percent; /* of its pages; 0 to 100 */
  bool has_expires_at, has_duration, has_tokens, has_credits, has_percent;
  int8_t status; /* enum fc_status; the last member */
};

#endif
