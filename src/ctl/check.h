/* SPDX-License-Identifier: MIT */

/* firecrawlctl check, as data before it is printed: the verdict on a set of
 * jobs, by the Monitoring Plugins guidelines
 * (https://www.monitoring-plugins.org/doc/guidelines.html). Pure. */

#ifndef FC_CTL_CHECK_H
#define FC_CTL_CHECK_H

#include "src/ctl/ask.h"
#include "src/ctl/ctl.h"

#include <stddef.h>

/* As a plugin's exit status. */
enum ctl_state {
  CTL_STATE_OK,
  CTL_STATE_WARNING,
  CTL_STATE_CRITICAL,
  CTL_STATE_UNKNOWN
};

/* The worse of two: CRITICAL, UNKNOWN, WARNING, OK. */
enum ctl_state ctl_state_worse(enum ctl_state a, enum ctl_state b);

enum { CTL_VERDICT_SIZE = 1024, CTL_CHECK_LINE_SIZE = 2048 };

/* The verdict on one job, and in words why: "extract ID failed: TEXT". */
struct ctl_verdict {
  enum ctl_state state;
  char text[CTL_VERDICT_SIZE];
};

void ctl_check_judge(const struct ctl_options *options,
                     const struct ctl_answer *answer,
                     struct ctl_verdict *verdict);

/* The plugin's whole output, one line without its end: the state, the worst
 * job in words, and as performance data a fixed set of labels: the number of
 * jobs of each status, of those stalled and unanswered, the longest request's
 * time, and the seconds until the first completed result expires. Returns the
 * state. */
enum ctl_state ctl_check_line(const struct ctl_options *options,
                              const struct ctl_answer *answers, size_t len,
                              char line[CTL_CHECK_LINE_SIZE]);

#endif
