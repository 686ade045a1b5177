/* SPDX-License-Identifier: MIT */

/* Something that may happen often, and is to be said now and then. Pure
 * functions of the struct and the moment; not thread-safe. */

#ifndef FC_THROTTLE_H
#define FC_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: it has not happened yet. */
struct fc_throttle {
  int64_t until_ms; /* monotonic; not to be said before */
  size_t left_out;  /* how often it has happened unsaid */
};

/* It has happened. True when it is to be said, which is then not before
 * every_ms later; *left_out is how often it was not said before. */
bool fc_throttle_pass(struct fc_throttle *throttle, int64_t every_ms,
                      int64_t now_ms, size_t *left_out);

/* It has happened, and is not to be said by itself. */
void fc_throttle_leave_out(struct fc_throttle *throttle);

/* How often it has happened unsaid, once that is to be said: as above. 0: it is
 * not. */
size_t fc_throttle_rest(struct fc_throttle *throttle, int64_t every_ms,
                        int64_t now_ms);

#endif
