/* SPDX-License-Identifier: MIT */

/* A FLUSH of collectd on its way to being carried out: FC_FLUSH_DELAY_MS after
 * it came, for the daemon flushes when it ends as well and then stops all at
 * once; several that wait are one. Pure functions of the struct and the moment;
 * not thread-safe. */

#ifndef FC_FLUSH_H
#define FC_FLUSH_H

#include "src/base/clock.h"
#include "src/base/macros.h"

#include <stdbool.h>
#include <stdint.h>

enum { FC_FLUSH_DELAY_MS = 200 };

/* Monotonic milliseconds. */
struct fc_flush {
  int64_t due_ms;  /* FC_NEVER: there is none */
  int64_t next_ms; /* the next one is not carried out before that */
};

static inline void fc_flush_init(struct fc_flush *flush) {
  *flush = (struct fc_flush){.due_ms = FC_NEVER};
}

/* One has come. Returns true unless one is waiting already. */
static inline bool fc_flush_ask(struct fc_flush *flush, int64_t now_ms) {
  if (flush->due_ms != FC_NEVER)
    return false;
  flush->due_ms = fc_max64(now_ms + FC_FLUSH_DELAY_MS, flush->next_ms);
  return true;
}

/* True when one is to be carried out now; the next one not before pause_ms
 * later. */
static inline bool fc_flush_take(struct fc_flush *flush, int64_t pause_ms,
                                 int64_t now_ms) {
  if (flush->due_ms > now_ms)
    return false;
  *flush = (struct fc_flush){.due_ms = FC_NEVER, .next_ms = now_ms + pause_ms};
  return true;
}

#endif
