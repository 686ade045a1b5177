/* SPDX-License-Identifier: MIT */

/* One round of questions: each job's status is asked for once, several at a
 * time, within the library's limits (src/watch/schedule.h). */

#ifndef FC_CTL_ASK_H
#define FC_CTL_ASK_H

#include "src/api/result.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/ctl/ctl.h"
#include "src/ctl/print.h"
#include "src/watch/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What became of one question. */
struct ctl_answer {
  const struct fc_job_spec *spec;
  bool ended;        /* ... and nothing more will become of it */
  struct fc_job job; /* its status and figures; FC_STATUS_NONE: no answer. A
                        404 is lost: there is no time to wait and see */
  int64_t now_s;     /* the server's time, epoch */
  double seconds;    /* the request's time; 0: not asked */
  char problem[FC_ERROR_TEXT_SIZE]; /* what is wrong, and what to do; "" if
                                       nothing is */
};

/* Asks for all jobs of the settings and fills answers[settings.jobs_len], which
 * is all zero before, until end_ms (monotonic; FC_NEVER: no end). Once the
 * server says 429, the key is rejected or several requests in a row have
 * failed, those not yet asked for are not. Fails for what is no answer's fault:
 * FC_ERR_MEMORY, FC_ERR_ARGUMENT for a libcurl that is too old. */
FC_MUST_USE enum fc_error ctl_ask(const struct ctl_options *options,
                                  int64_t end_ms, struct ctl_answer *answers);

/* What is shown of an answer; borrows from it. */
struct ctl_row ctl_answer_row(const struct ctl_answer *answer);

/* Frees what the answers hold. */
void ctl_answers_release(struct ctl_answer *answers, size_t len);

#endif
