/* SPDX-License-Identifier: MIT */

#include "src/base/throttle.h"

void fc_throttle_leave_out(struct fc_throttle *throttle) {
  if (throttle->left_out < SIZE_MAX)
    throttle->left_out++;
}

bool fc_throttle_is_open(const struct fc_throttle *throttle,
                         const struct fc_throttle_rule *rule, int64_t now_ms) {
  return now_ms >= throttle->until_ms || throttle->said < rule->most;
}

bool fc_throttle_say(struct fc_throttle *throttle,
                     const struct fc_throttle_rule *rule, int64_t now_ms) {
  if (!fc_throttle_is_open(throttle, rule, now_ms))
    return false;
  if (now_ms >= throttle->until_ms) {
    throttle->until_ms = now_ms + rule->period_ms;
    throttle->said = 0;
  }
  throttle->said++;
  return true;
}

bool fc_throttle_pass(struct fc_throttle *throttle,
                      const struct fc_throttle_rule *rule, int64_t now_ms,
                      size_t *left_out) {
  if (!fc_throttle_say(throttle, rule, now_ms)) {
    fc_throttle_leave_out(throttle);
    return false;
  }
  *left_out = throttle->left_out;
  throttle->left_out = 0;
  return true;
}

size_t fc_throttle_rest(struct fc_throttle *throttle,
                        const struct fc_throttle_rule *rule, int64_t now_ms) {
  size_t left_out = 0;
  if (throttle->left_out && now_ms >= throttle->until_ms)
    (void)fc_throttle_pass(throttle, rule, now_ms, &left_out);
  return left_out;
}
