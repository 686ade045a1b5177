/* SPDX-License-Identifier: MIT */

/* When an instance may send its next request, and when a job is asked for
 * again. Pure functions of their state and of monotonic milliseconds; random
 * numbers come from a seed. Not thread-safe.
 *
 * Rules:
 *  - at most max_concurrency requests in flight, and at most per_minute starts
 *    in any window of 60 seconds; a tenth of them may come at once, the rest is
 *    spread over the window, so that the ones at the end of a long queue do not
 *    wait for the next burst;
 *  - a 429 stops all requests for as long as it says;
 *  - after FC_SCHEDULE_FAILURES failures in a row with no valid answer between
 *    them, or one rejected key, the gate closes: one request at a time, after
 *    growing pauses, until one gets a valid answer;
 *  - pauses grow by two from the interval, or FC_SCHEDULE_RETRY_MS where that
 * is less, to FC_SCHEDULE_PAUSE_MAX_MS, with jitter in their upper half; the
 *    first one after a rejected key is FC_SCHEDULE_REJECTED_MS. */

#ifndef FC_SCHEDULE_H
#define FC_SCHEDULE_H

#include "src/base/error.h"
#include "src/base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FC_SCHEDULE_FAILURES = 5,
  FC_SCHEDULE_RETRY_MS = 30 * 1000,
  FC_SCHEDULE_REJECTED_MS = 10 * 1000,
  FC_SCHEDULE_PAUSE_MAX_MS = 5 * 60 * 1000,
  FC_SCHEDULE_LOST_PAUSE_MAX_MS = 60 * 60 * 1000,
  FC_SCHEDULE_WINDOW_MS = 60 * 1000,
  FC_SCHEDULE_BURST_MS = 6 * 1000, /* what may come ahead of an even spread */
  FC_SCHEDULE_RATE_PAUSE_S = 30    /* a 429 that says nothing */
};

struct fc_schedule_limits {
  int64_t interval_ms; /* > 0 */
  int64_t max_concurrency;
  int64_t per_minute; /* 0: no budget */
};

/* How a request ended, as far as scheduling goes. */
enum fc_outcome {
  FC_OUTCOME_ANSWER,    /* a valid answer */
  FC_OUTCOME_FAILURE,   /* none */
  FC_OUTCOME_REJECTED,  /* the key was rejected */
  FC_OUTCOME_RATE_LIMIT /* 429 */
};

/* Members are private; public so that callers can embed it. */
struct fc_schedule {
  struct fc_schedule_limits limits;
  uint64_t random;
  uint32_t phase; /* in 2^-32 of an interval */
  int64_t in_flight;
  int64_t pause_until_ms; /* of a 429 */
  bool closed;            /* the gate */
  int64_t closed_at_ms;
  int64_t probe_at_ms;
  unsigned failures, rejections, rate_limits; /* each in a row */
  int64_t *starts; /* ring of the last per_minute start times */
  size_t starts_len, starts_next;
  int64_t paced_ms; /* when the starts so far would be over, spread evenly */
};

/* FC_ERR_MEMORY; limits are copied. Any seed will do. */
FC_MUST_USE enum fc_error
fc_schedule_init(struct fc_schedule *schedule,
                 const struct fc_schedule_limits *limits, uint64_t seed);

void fc_schedule_release(struct fc_schedule *schedule);

/* When the next request may start: now_ms or earlier means at once, FC_NEVER
 * means not before one in flight has ended. */
int64_t fc_schedule_open_ms(const struct fc_schedule *schedule);

/* A request starts. */
void fc_schedule_started(struct fc_schedule *schedule, int64_t now_ms);

/* A request that started at started_ms has ended. retry_after_s < 0: the reply
 * did not say. Returns true when this opened the gate. */
bool fc_schedule_ended(struct fc_schedule *schedule, enum fc_outcome outcome,
                       int64_t retry_after_s, int64_t started_ms,
                       int64_t now_ms);

/* The key is a new one: a closed gate is probed at once. */
void fc_schedule_key_changed(struct fc_schedule *schedule, int64_t now_ms);

/* True while the gate is closed. */
bool fc_schedule_is_closed(const struct fc_schedule *schedule);

/* How soon a job is asked for again that may be all right: the interval, or
 * FC_SCHEDULE_RETRY_MS where that is less. */
int64_t fc_schedule_retry_ms(const struct fc_schedule *schedule);

/* The pause after `failures` (>= 1) failures in a row: from one retry_ms to two
 * at first, and at most max_ms. */
int64_t fc_schedule_pause_ms(struct fc_schedule *schedule, unsigned failures,
                             int64_t max_ms);

/* The phase of a new job: 0 to interval - 1. Phases of successive jobs spread
 * evenly over the interval, however many there are. */
int64_t fc_schedule_phase_ms(struct fc_schedule *schedule);

/* The first moment of a job's phase that is not before `least_ms`. A job just
 * asked for comes again at its slot from half an interval on: once per
 * interval, and spread. */
int64_t fc_schedule_slot_ms(const struct fc_schedule *schedule,
                            int64_t phase_ms, int64_t least_ms);

#endif
