/* SPDX-License-Identifier: MIT */

#include "src/base/throttle.h"

void fc_throttle_leave_out(struct fc_throttle *throttle) {
  if (throttle->left_out < SIZE_MAX)
    throttle->left_out++;
}

bool fc_throttle_pass(struct fc_throttle *throttle, int64_t every_ms,
                      int64_t now_ms, size_t *left_out) {
  if (now_ms < throttle->until_ms) {
    fc_throttle_leave_out(throttle);
    return false;
  }
  *left_out = throttle->left_out;
  *throttle = (struct fc_throttle){.until_ms = now_ms + every_ms};
  return true;
}

size_t fc_throttle_rest(struct fc_throttle *throttle, int64_t every_ms,
                        int64_t now_ms) {
  size_t left_out = 0;
  if (throttle->left_out && now_ms >= throttle->until_ms)
    (void)fc_throttle_pass(throttle, every_ms, now_ms, &left_out);
  return left_out;
}
