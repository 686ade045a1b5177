/* SPDX-License-Identifier: MIT */

#include "src/watch/health.h"

#include "src/base/clock.h"

/* Returns whether there was a problem. */
static bool end_problem(struct fc_health *health) {
  bool was = health->problem != FC_PROBLEM_NONE;
  health->down = false;
  health->problem = FC_PROBLEM_NONE;
  return was;
}

bool fc_health_answered(struct fc_health *health) {
  health->heard = true;
  health->up = true;
  return end_problem(health);
}

bool fc_health_rested(struct fc_health *health) {
  health->heard = false;
  return end_problem(health);
}

bool fc_health_failed(struct fc_health *health, const char *text, bool rejected,
                      int64_t mono_ms, int64_t now_s) {
  bool more = rejected && health->problem != FC_PROBLEM_KEY;
  if (!health->down) {
    health->down_since_ms = mono_ms;
    health->down_since_s = now_s;
  }
  health->heard = true;
  health->up = false;
  health->down = true;
  if (health->problem == FC_PROBLEM_NONE || more)
    fc_text_copy(health->text, sizeof(health->text), text);
  if (more)
    health->problem = FC_PROBLEM_KEY;
  return more;
}

int64_t fc_health_due_ms(const struct fc_health *health, int64_t patience_ms) {
  return health->down && health->problem == FC_PROBLEM_NONE
             ? health->down_since_ms + patience_ms
             : FC_NEVER;
}

bool fc_health_tick(struct fc_health *health, int64_t patience_ms,
                    int64_t mono_ms) {
  if (mono_ms < fc_health_due_ms(health, patience_ms))
    return false;
  health->problem = FC_PROBLEM_API;
  return true;
}
