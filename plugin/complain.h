/* SPDX-License-Identifier: MIT */

/* Log lines about requests that fail: one at the first of a class, one an hour
 * with a count while it lasts, and one when it is over; no more of these than
 * src/watch/flap.h allows. The read callback's thread only. */

#ifndef FC_PLUGIN_COMPLAIN_H
#define FC_PLUGIN_COMPLAIN_H

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/watch/flap.h"
#include "src/watch/instance.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  FC_COMPLAIN_EVERY_MS = 60 * 60 * 1000,
  FC_COMPLAIN_CLEAN_READS = 5 /* reads without a failure: it is over */
};

/* All zero bytes: nothing was complained of. */
struct fc_complaint {
  uint64_t seen;   /* failures at the last look */
  uint64_t logged; /* failures when the last line was written */
  bool open;       /* it fails ... */
  bool told_open;  /* ... and that was the last that was told */
  int clean_reads;
  int64_t next_ms; /* not told of again before, while it fails */
  struct fc_flap flap;
};

struct fc_complaints {
  struct fc_complaint classes[FC_CLASS_COUNT];
};

/* Logs what is new since the last call. `name` is the instance's. */
void fc_complain(struct fc_complaints *complaints, const char *name,
                 const struct fc_stats *stats, struct fc_now now);

#endif
