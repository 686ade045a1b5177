/* SPDX-License-Identifier: MIT */

#include "src/watch/refusals.h"

/* A JobFile is corrected by its next reading, all else by a job that is
 * taken. */
static unsigned group_of(enum fc_job_source source) {
  return source == FC_SOURCE_FILE ? FC_SOURCE_FILE : FC_SOURCE_REGISTRATION;
}

bool fc_refusals_add(struct fc_refusals *refusals, enum fc_job_source source,
                     const char *text, int64_t now_s) {
  bool first = refusals->sources == 0;
  refusals->sources |= group_of(source);
  if (first) {
    refusals->since_s = now_s;
    fc_text_copy(refusals->text, sizeof(refusals->text), text);
  }
  return first;
}

bool fc_refusals_end(struct fc_refusals *refusals, enum fc_job_source source) {
  if (!(refusals->sources & group_of(source)))
    return false;
  refusals->sources &= ~group_of(source);
  return refusals->sources == 0;
}
