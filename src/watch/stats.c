/* SPDX-License-Identifier: MIT */

#include "src/watch/stats.h"

void fc_stats_fail(struct fc_stats *stats, enum fc_error_class class,
                   const char *id, const char *detail) {
  struct fc_failure *failure = &stats->failures[class];
  failure->count++;
  fc_text_copy(failure->id, sizeof(failure->id), id);
  fc_text_copy(failure->detail, sizeof(failure->detail), detail);
}

void fc_stats_count(struct fc_stats *stats, const char *id,
                    const struct fc_result *result) {
  enum fc_error_class class = fc_error_class(result->error);
  stats->requests++;
  if (result->http_code > 0 && result->http_code <= FC_HTTP_CODE_MAX)
    stats->codes[result->http_code]++;
  stats->timed++;
  stats->response_sum_s += result->seconds;
  if (result->seconds > stats->response_max_s)
    stats->response_max_s = result->seconds;
  if (class != FC_CLASS_NONE)
    fc_stats_fail(stats, class, id, result->detail);
}

void fc_stats_begin_span(struct fc_stats *stats) {
  stats->timed = 0;
  stats->response_sum_s = stats->response_max_s = 0;
}
