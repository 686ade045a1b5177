/* SPDX-License-Identifier: MIT */

/* The server's time: its Date header corrects a wrong local clock. A plain
 * struct with pure functions; not thread-safe. */

#ifndef FC_SERVERCLOCK_H
#define FC_SERVERCLOCK_H

#include "src/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

/* All zero: no Date was seen yet. */
struct fc_serverclock {
  bool known;
  int64_t offset_ms; /* server's epoch in ms minus monotonic ms */
};

/* The server's time, epoch seconds; the local one until a Date was seen. */
int64_t fc_serverclock_s(const struct fc_serverclock *clock, struct fc_now now);

/* A reply had this Date (RFC 9110 section 6.6.1). */
void fc_serverclock_learn(struct fc_serverclock *clock, int64_t date_s,
                          struct fc_now now);

#endif
