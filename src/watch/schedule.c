/* SPDX-License-Identifier: MIT */

#include "src/watch/schedule.h"

#include "src/base/clock.h"
#include "src/base/macros.h"

#include <stdlib.h>

/* splitmix64 (Steele, Lea, Flood 2014): any seed, no state to go wrong. */
static uint64_t next_random(struct fc_schedule *schedule) {
  uint64_t z = (schedule->random += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* 0 to bound, both included. */
static int64_t random_up_to(struct fc_schedule *schedule, int64_t bound) {
  return (int64_t)(next_random(schedule) % ((uint64_t)bound + 1));
}

enum fc_error fc_schedule_init(struct fc_schedule *schedule,
                               const struct fc_schedule_limits *limits,
                               uint64_t seed) {
  int64_t *starts = NULL;
  if (limits->per_minute > 0) {
    starts = calloc((size_t)limits->per_minute, sizeof(*starts));
    if (!starts)
      return FC_ERR_MEMORY;
  }
  *schedule = (struct fc_schedule){
      .limits = *limits,
      .random = seed,
      .phase = (uint32_t)seed,
      .pause_until_ms = INT64_MIN,
      .starts = starts,
      .paced_ms = INT64_MIN / 2,
  };
  return FC_OK;
}

void fc_schedule_release(struct fc_schedule *schedule) {
  free(schedule->starts);
  *schedule = (struct fc_schedule){0};
}

/* When the budget has room: once the oldest of the last per_minute starts has
 * left the window, and no earlier than an even spread and a burst allow. */
static int64_t budget_ms(const struct fc_schedule *schedule) {
  if (!schedule->starts)
    return INT64_MIN;
  int64_t paced_ms = schedule->paced_ms - FC_SCHEDULE_BURST_MS;
  if (schedule->starts_len < (size_t)schedule->limits.per_minute)
    return paced_ms;
  return fc_max64(paced_ms, schedule->starts[schedule->starts_next] +
                                FC_SCHEDULE_WINDOW_MS);
}

int64_t fc_schedule_open_ms(const struct fc_schedule *schedule) {
  int64_t most = schedule->closed ? 1 : schedule->limits.max_concurrency;
  if (schedule->in_flight >= most)
    return FC_NEVER;
  int64_t open_ms = fc_max64(schedule->pause_until_ms, budget_ms(schedule));
  return schedule->closed ? fc_max64(open_ms, schedule->probe_at_ms) : open_ms;
}

void fc_schedule_started(struct fc_schedule *schedule, int64_t now_ms) {
  schedule->in_flight++;
  if (!schedule->starts)
    return;
  size_t size = (size_t)schedule->limits.per_minute;
  schedule->starts[schedule->starts_next] = now_ms;
  schedule->starts_next = (schedule->starts_next + 1) % size;
  if (schedule->starts_len < size)
    schedule->starts_len++;
  schedule->paced_ms = fc_max64(schedule->paced_ms, now_ms) +
                       FC_SCHEDULE_WINDOW_MS / schedule->limits.per_minute;
}

static void close_gate(struct fc_schedule *schedule, int64_t pause_ms,
                       int64_t now_ms) {
  if (!schedule->closed)
    schedule->closed_at_ms = now_ms;
  schedule->closed = true;
  schedule->probe_at_ms = now_ms + pause_ms;
}

static int64_t rejected_pause_ms(struct fc_schedule *schedule) {
  if (++schedule->rejections == 1)
    return FC_SCHEDULE_REJECTED_MS;
  return fc_schedule_pause_ms(schedule, schedule->rejections - 1,
                              FC_SCHEDULE_PAUSE_MAX_MS);
}

static void count_failure(struct fc_schedule *schedule, int64_t now_ms) {
  if (++schedule->failures < FC_SCHEDULE_FAILURES)
    return;
  close_gate(schedule,
             fc_schedule_pause_ms(schedule,
                                  schedule->failures - FC_SCHEDULE_FAILURES + 1,
                                  FC_SCHEDULE_PAUSE_MAX_MS),
             now_ms);
}

static bool open_gate(struct fc_schedule *schedule) {
  bool was_closed = schedule->closed;
  schedule->closed = false;
  schedule->failures = 0;
  schedule->rejections = 0;
  schedule->rate_limits = 0;
  return was_closed;
}

/* A server that says "at once" again and again is not taken at its word: the
 * own pause doubles with each 429 to a request sent after the last pause. */
static void pause_all(struct fc_schedule *schedule, int64_t retry_after_s,
                      int64_t started_ms, int64_t now_ms) {
  if (retry_after_s < 0)
    retry_after_s = FC_SCHEDULE_RATE_PAUSE_S;
  if (started_ms >= schedule->pause_until_ms && schedule->rate_limits < 16)
    schedule->rate_limits++;
  int64_t own_ms =
      fc_min64(INT64_C(500) << schedule->rate_limits, FC_SCHEDULE_PAUSE_MAX_MS);
  schedule->pause_until_ms =
      fc_max64(schedule->pause_until_ms,
               now_ms + fc_max64(retry_after_s * 1000, own_ms));
}

bool fc_schedule_ended(struct fc_schedule *schedule, enum fc_outcome outcome,
                       int64_t retry_after_s, int64_t started_ms,
                       int64_t now_ms) {
  schedule->in_flight--;
  /* Requests that were under way when the gate closed tell nothing new. */
  bool stale = schedule->closed && started_ms <= schedule->closed_at_ms;
  switch (outcome) {
  case FC_OUTCOME_ANSWER:
    return open_gate(schedule);
  case FC_OUTCOME_RATE_LIMIT:
    pause_all(schedule, retry_after_s, started_ms, now_ms);
    break;
  case FC_OUTCOME_REJECTED:
    if (!stale)
      close_gate(schedule, rejected_pause_ms(schedule), now_ms);
    break;
  case FC_OUTCOME_FAILURE:
    if (!stale)
      count_failure(schedule, now_ms);
    break;
  }
  return false;
}

void fc_schedule_key_changed(struct fc_schedule *schedule, int64_t now_ms) {
  schedule->rejections = 0;
  if (schedule->closed)
    schedule->probe_at_ms = fc_max64(now_ms, schedule->closed_at_ms + 1);
}

bool fc_schedule_is_closed(const struct fc_schedule *schedule) {
  return schedule->closed;
}

int64_t fc_schedule_retry_ms(const struct fc_schedule *schedule) {
  return fc_min64(schedule->limits.interval_ms, FC_SCHEDULE_RETRY_MS);
}

int64_t fc_schedule_pause_ms(struct fc_schedule *schedule, unsigned failures,
                             int64_t max_ms) {
  int64_t pause_ms = fc_schedule_retry_ms(schedule);
  for (unsigned i = 0; i < failures && pause_ms < max_ms; i++)
    pause_ms *= 2;
  pause_ms = fc_min64(pause_ms, max_ms);
  return pause_ms / 2 + random_up_to(schedule, pause_ms - pause_ms / 2);
}

/* Steps of the golden ratio: any number of them divides the circle into pieces
 * of at most three lengths (Steinhaus), so no two jobs bunch up. */
int64_t fc_schedule_phase_ms(struct fc_schedule *schedule) {
  uint64_t phase = schedule->phase;
  schedule->phase += UINT32_C(0x9e3779b9);
  return (int64_t)((phase * (uint64_t)schedule->limits.interval_ms) >> 32);
}

int64_t fc_schedule_slot_ms(const struct fc_schedule *schedule,
                            int64_t phase_ms, int64_t least_ms) {
  int64_t interval_ms = schedule->limits.interval_ms;
  int64_t late_ms = (least_ms - phase_ms) % interval_ms;
  if (late_ms < 0)
    late_ms += interval_ms;
  return late_ms ? least_ms + interval_ms - late_ms : least_ms;
}
