/* SPDX-License-Identifier: MIT */

#include "src/watch/health.h"

#include "src/base/clock.h"
#include "src/base/macros.h"

static const enum fc_problem problem_of[] = {
    [FC_CAUSE_OTHER] = FC_PROBLEM_API,
    [FC_CAUSE_REFUSED] = FC_PROBLEM_KEY_REJECTED,
    [FC_CAUSE_REJECTED] = FC_PROBLEM_API, /* once, for all that is known */
    [FC_CAUSE_NO_KEY] = FC_PROBLEM_KEY_MISSING,
};

/* Returns whether there was a problem. */
static bool end_problem(struct fc_health *health) {
  bool was = health->problem != FC_PROBLEM_NONE;
  health->failing = false;
  health->paused = false;
  health->rejected = false;
  health->problem = FC_PROBLEM_NONE;
  return was;
}

static void set_up(struct fc_health *health, bool up) {
  health->known = true;
  health->up = up;
}

bool fc_health_answered(struct fc_health *health) {
  set_up(health, true);
  return end_problem(health);
}

bool fc_health_paused(struct fc_health *health, int64_t pause_until_ms,
                      int64_t mono_ms) {
  int64_t since_ms = health->paused ? health->paused_since_ms : mono_ms;
  bool is_over = !health->rejected && health->problem <= FC_PROBLEM_API &&
                 fc_health_answered(health);
  health->paused = true;
  health->paused_since_ms = since_ms;
  health->paused_until_ms = pause_until_ms;
  return is_over;
}

bool fc_health_is_paused_long(const struct fc_health *health,
                              int64_t patience_ms) {
  return health->paused &&
         health->paused_until_ms - health->paused_since_ms >= patience_ms;
}

bool fc_health_rested(struct fc_health *health) {
  health->known = false;
  health->failed_once = false;
  return end_problem(health);
}

/* What is reported keeps its text. */
static void take_problem(struct fc_health *health, enum fc_problem problem,
                         const char *text) {
  set_up(health, false);
  health->problem = problem;
  fc_text_copy(health->text, sizeof(health->text), text);
}

static bool is_rejected_again(struct fc_health *health, int64_t mono_ms) {
  if (!health->rejected) {
    health->rejected = true;
    health->key_read = false;
    health->rejected_ms = mono_ms;
  }
  return health->key_read &&
         mono_ms >= health->rejected_ms + FC_HEALTH_REJECTED_MS &&
         health->problem != FC_PROBLEM_KEY_REJECTED;
}

bool fc_health_failed(struct fc_health *health, enum fc_cause cause,
                      const char *text, int64_t mono_ms, int64_t now_s) {
  if (!health->failing) {
    health->failing_since_ms = mono_ms;
    health->failing_since_s = now_s;
  }
  health->failing = true;
  health->cause = cause;
  if (cause == FC_CAUSE_REJECTED && is_rejected_again(health, mono_ms)) {
    take_problem(health, FC_PROBLEM_KEY_REJECTED, text);
    return true;
  }
  if (health->problem == FC_PROBLEM_NONE)
    fc_text_copy(health->text, sizeof(health->text), text);
  if (!health->known && health->failed_once)
    set_up(health, false);
  health->failed_once = cause != FC_CAUSE_NO_KEY;
  return false;
}

void fc_health_key_read(struct fc_health *health) { health->key_read = true; }

void fc_health_key_changed(struct fc_health *health) {
  health->rejected = false;
  if (health->problem == FC_PROBLEM_NONE && health->cause != FC_CAUSE_OTHER)
    health->failing = false;
}

int64_t fc_health_due_ms(const struct fc_health *health, int64_t patience_ms) {
  if (!health->failing || health->problem != FC_PROBLEM_NONE)
    return FC_NEVER;
  return fc_max64(health->failing_since_ms, health->paused_until_ms) +
         patience_ms;
}

enum fc_problem fc_health_tick(struct fc_health *health, int64_t patience_ms,
                               int64_t mono_ms) {
  if (mono_ms < fc_health_due_ms(health, patience_ms))
    return FC_PROBLEM_NONE;
  set_up(health, false);
  health->problem = problem_of[health->cause];
  return health->problem;
}
