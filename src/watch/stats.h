/* SPDX-License-Identifier: MIT */

/* What is counted of an instance: the figures of the metrics. A plain struct
 * with pure functions; not thread-safe. */

#ifndef FC_STATS_H
#define FC_STATS_H

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/result.h"
#include "src/api/status.h"
#include "src/base/error.h"
#include "src/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FC_HTTP_CODE_MAX = 599 };

/* The last failure of a class: for one log line. */
struct fc_failure {
  uint64_t count; /* as in the errors metric */
  char id[FC_ID_MAX + 1];
  char detail[FC_DETAIL_SIZE];
};

struct fc_stats {
  /* Counted here. */
  uint64_t requests;
  uint64_t ends[FC_STATUS_COUNT]; /* jobs seen to come to a status of an end */
  uint64_t codes[FC_HTTP_CODE_MAX + 1];
  struct fc_failure failures[FC_CLASS_COUNT];
  uint64_t timed; /* requests since the last call */
  double response_sum_s, response_max_s;
  /* Filled in by fc_instance_stats. */
  size_t jobs[FC_STATUS_COUNT];
  size_t stalled;
  bool has_api_up; /* a job is left to ask for, and a request has ended since
                      one is */
  bool api_up;
  bool failing; /* requests have, and none was answered since */
  bool has_sunset[FC_KIND_COUNT]; /* known, and a job of the kind is watched */
  int64_t sunset_left_s[FC_KIND_COUNT];
  bool has_poll_age; /* there is an unfinished job */
  double poll_age_s;
};

/* A request for the job has ended so. */
void fc_stats_count(struct fc_stats *stats, const char *id,
                    const struct fc_result *result);

/* A failure, of the job with that ID or, with "", of none. */
void fc_stats_fail(struct fc_stats *stats, enum fc_error_class class,
                   const char *id, const char *detail);

/* Starts a new span of response times. */
void fc_stats_begin_span(struct fc_stats *stats);

#endif
