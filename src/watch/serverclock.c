/* SPDX-License-Identifier: MIT */

#include "src/watch/serverclock.h"

#include "src/base/macros.h"

#include <stdlib.h>

enum {
  /* A Date header is cut to whole seconds and travels a while, so the latest
   * offset seen is the best; one that is this much behind is another clock. */
  SLACK_MS = 2000,
  /* Two that travelled for more or less long agree nevertheless. A Date that
   * stands still, as a cache's does, falls behind by all of the row's span. */
  AGREE_MS = 5000
};

int64_t fc_serverclock_s(const struct fc_serverclock *clock,
                         struct fc_now now) {
  return clock->known ? (now.mono_ms + clock->offset_ms) / 1000 : now.epoch_s;
}

static void wait_for_date(struct fc_serverclock *clock, struct fc_now now) {
  if (!clock->waits)
    clock->wait_until_ms = now.mono_ms + FC_SERVERCLOCK_WAIT_MS;
  clock->waits = true;
}

/* True when this one settles the doubt. */
static bool settles(struct fc_serverclock *clock, int64_t offset_ms,
                    struct fc_now now) {
  if (!clock->agreeing ||
      llabs(offset_ms - clock->doubt_offset_ms) > AGREE_MS) {
    clock->agreeing = 0;
    clock->doubt_offset_ms = offset_ms;
    clock->doubt_since_ms = now.mono_ms;
  }
  if (clock->agreeing < FC_SERVERCLOCK_ANSWERS)
    clock->agreeing++;
  return clock->agreeing == FC_SERVERCLOCK_ANSWERS &&
         now.mono_ms - clock->doubt_since_ms >= FC_SERVERCLOCK_SPAN_MS;
}

/* How far the local clock is ahead of the monotonic one. */
static int64_t local_ms(struct fc_now now) {
  return now.epoch_s * 1000 - now.mono_ms;
}

/* Of error_s seconds: none where the local clock went ahead of the monotonic
 * one by as much. */
static int64_t without_sleep(const struct fc_serverclock *clock,
                             int64_t error_s, struct fc_now now) {
  int64_t slept_s = (local_ms(now) - clock->local_ms) / 1000;
  return clock->known && llabs(error_s - slept_s) <= FC_SERVERCLOCK_DOUBT_S
             ? 0
             : error_s;
}

enum fc_date fc_serverclock_learn(struct fc_serverclock *clock, int64_t date_s,
                                  struct fc_now now, int64_t *moved_s) {
  int64_t offset_ms = date_s * 1000 - now.mono_ms;
  int64_t error_s = date_s - fc_serverclock_s(clock, now);
  bool doubted = llabs(error_s) > FC_SERVERCLOCK_DOUBT_S;
  if (doubted && !settles(clock, offset_ms, now)) {
    wait_for_date(clock, now);
    return FC_DATE_DOUBTED;
  }
  bool moves = doubted || !clock->known;
  if (moves || offset_ms > clock->offset_ms ||
      offset_ms < clock->offset_ms - SLACK_MS)
    clock->offset_ms = offset_ms;
  *moved_s = without_sleep(clock, error_s, now);
  clock->known = true;
  clock->local_ms = local_ms(now);
  clock->agreeing = clock->polls = 0;
  return moves ? FC_DATE_MOVES : FC_DATE_COUNTS;
}

void fc_serverclock_restored(struct fc_serverclock *clock, int64_t newest_s,
                             struct fc_now now) {
  wait_for_date(clock, now);
  clock->newest_s = fc_max64(clock->newest_s, newest_s);
}

bool fc_serverclock_is_sure(const struct fc_serverclock *clock,
                            struct fc_now now) {
  return clock->known || !clock->waits ||
         (now.mono_ms >= clock->wait_until_ms &&
          now.epoch_s >= clock->newest_s);
}

/* A local clock that is behind may be set right meanwhile. */
int64_t fc_serverclock_sure_ms(const struct fc_serverclock *clock,
                               struct fc_now now) {
  if (fc_serverclock_is_sure(clock, now))
    return now.mono_ms;
  int64_t behind_s = fc_max64(0, clock->newest_s - now.epoch_s);
  return fc_max64(clock->wait_until_ms,
                  now.mono_ms +
                      fc_min64(behind_s * 1000, FC_SERVERCLOCK_WAIT_MS));
}

bool fc_serverclock_hurries(struct fc_serverclock *clock) {
  if (!clock->agreeing || clock->polls == FC_SERVERCLOCK_POLLS)
    return false;
  clock->polls++;
  return true;
}
