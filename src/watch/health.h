/* SPDX-License-Identifier: MIT */

/* Whether the API can be used, as far as requests have shown, and when somebody
 * has to hear of it. A plain struct with pure functions: they say what has to
 * be reported, src/watch/instance.c queues it. Not thread-safe. */

#ifndef FC_HEALTH_H
#define FC_HEALTH_H

#include "src/base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* What is wrong, as far as it has to be reported. */
enum fc_problem { FC_PROBLEM_NONE, FC_PROBLEM_API, FC_PROBLEM_KEY };

/* All zero: no request has ended yet. */
struct fc_health {
  bool heard;    /* a request has ended since there is a job to ask for */
  bool up, down; /* what it said; both false before */
  bool reported; /* a problem was delivered, and not yet that it is over */
  enum fc_problem problem;
  int64_t down_since_ms;         /* monotonic */
  int64_t down_since_s;          /* epoch; of the last time that it was down */
  char text[FC_ERROR_TEXT_SIZE]; /* why */
};

/* The API has answered. Returns true when that ends a problem. */
bool fc_health_answered(struct fc_health *health);

/* A request has failed; `rejected`: the API does not take the key. Returns true
 * when a rejected key has to be reported. */
bool fc_health_failed(struct fc_health *health, const char *text, bool rejected,
                      int64_t mono_ms, int64_t now_s);

/* There is nothing to ask for: an API that nobody asks is neither up nor down.
 * Returns true when that ends a problem. */
bool fc_health_rested(struct fc_health *health);

/* When the API counts as unusable, if it stays as it is, monotonic ms: it has
 * been down for patience_ms. FC_NEVER if that is not in sight. */
int64_t fc_health_due_ms(const struct fc_health *health, int64_t patience_ms);

/* Lets time pass. Returns true when an unusable API has to be reported. */
bool fc_health_tick(struct fc_health *health, int64_t patience_ms,
                    int64_t mono_ms);

#endif
