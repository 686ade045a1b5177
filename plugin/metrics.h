/* SPDX-License-Identifier: MIT */

/* The metric table, and the only place that dispatches values.
 *
 * The read callback's thread only, where nothing else is said. */

#ifndef FC_PLUGIN_METRICS_H
#define FC_PLUGIN_METRICS_H

#include "src/base/clock.h"
#include "src/watch/instance.h"

#include <stdbool.h>

enum fc_metric {
  FC_METRIC_JOB_STATUS,
  FC_METRIC_JOB_EXPIRY,
  FC_METRIC_JOB_STALLED,
  FC_METRIC_DURATION,
  FC_METRIC_JOB_TOKENS,
  FC_METRIC_JOB_CREDITS,
  FC_METRIC_PERCENT,
  FC_METRIC_JOBS,
  FC_METRIC_JOB_ENDS,
  FC_METRIC_API_UP,
  FC_METRIC_API_SUNSET,
  FC_METRIC_POLL_AGE,
  FC_METRIC_RESPONSE_TIME,
  FC_METRIC_HTTP_RESPONSE_CODES,
  FC_METRIC_ERRORS,
  FC_METRIC_TOTAL_REQUESTS,
  FC_METRIC_COUNT
};

/* Which metrics can be dispatched: a type of the same name but another shape in
 * the user's types.db rules one out. */
struct fc_metrics {
  bool usable[FC_METRIC_COUNT];
};

/* Registers the types that the daemon does not know, and logs an ERROR for each
 * that it knows differently. In the init callback, where the daemon has read
 * its types.db. */
void fc_metrics_init(struct fc_metrics *metrics);

/* Whether a metric of ours has that type. Any thread. */
bool fc_metrics_has_type(const char *type);

/* Dispatches all values of an instance. Waits for nobody but collectd. */
void fc_metrics_dispatch(const struct fc_metrics *metrics,
                         struct fc_instance *instance,
                         const struct fc_stats *stats, struct fc_now now);

#endif
