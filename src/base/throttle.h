/* SPDX-License-Identifier: MIT */

/* Something that may happen often, and is to be said now and then. Pure
 * functions of the struct and the moment; not thread-safe. */

#ifndef FC_THROTTLE_H
#define FC_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How often: `most` times within each period. */
struct fc_throttle_rule {
  size_t most;
  int64_t period_ms;
};

/* All zero: it has not happened yet. */
struct fc_throttle {
  int64_t until_ms; /* monotonic; when the period ends */
  size_t said;      /* how often in it */
  size_t left_out;  /* how often it has happened unsaid */
};

/* True when it may be said. */
bool fc_throttle_is_open(const struct fc_throttle *throttle,
                         const struct fc_throttle_rule *rule, int64_t now_ms);

/* It is said, if it may be: true. */
bool fc_throttle_say(struct fc_throttle *throttle,
                     const struct fc_throttle_rule *rule, int64_t now_ms);

/* It has happened. True when it is to be said; *left_out is then how often it
 * was not said before. */
bool fc_throttle_pass(struct fc_throttle *throttle,
                      const struct fc_throttle_rule *rule, int64_t now_ms,
                      size_t *left_out);

/* It has happened, and is not to be said by itself. */
void fc_throttle_leave_out(struct fc_throttle *throttle);

/* How often it has happened unsaid, once that is to be said: as above. 0: it is
 * not. */
size_t fc_throttle_rest(struct fc_throttle *throttle,
                        const struct fc_throttle_rule *rule, int64_t now_ms);

#endif
