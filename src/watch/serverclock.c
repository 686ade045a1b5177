/* SPDX-License-Identifier: MIT */

#include "src/watch/serverclock.h"

enum {
  /* A Date header is cut to whole seconds and travels a while, so the latest
   * offset seen is the best; one that is this much behind is another clock. */
  SLACK_MS = 2000
};

int64_t fc_serverclock_s(const struct fc_serverclock *clock,
                         struct fc_now now) {
  return clock->known ? (now.mono_ms + clock->offset_ms) / 1000 : now.epoch_s;
}

void fc_serverclock_learn(struct fc_serverclock *clock, int64_t date_s,
                          struct fc_now now) {
  int64_t offset_ms = date_s * 1000 - now.mono_ms;
  if (!clock->known || offset_ms > clock->offset_ms ||
      offset_ms < clock->offset_ms - SLACK_MS)
    clock->offset_ms = offset_ms;
  clock->known = true;
}
