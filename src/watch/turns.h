/* SPDX-License-Identifier: MIT */

/* How often it is told that something has changed to and fro: a job lost and
 * found, a file good and bad. Three times with less than an hour between them,
 * the third time with FC_TURNS_LAST; then for an hour not at all, and after
 * that how it is by then, if it differs from what was told last. Pure functions
 * of the struct and the moment; not thread-safe. */

#ifndef FC_TURNS_H
#define FC_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#define FC_TURNS_LAST "further changes are not told for an hour"

enum { FC_TURNS_MAX = 3, FC_TURNS_MS = 60 * 60 * 1000 };

/* All zero: nothing was told yet. */
struct fc_turns {
  int32_t last_s; /* when it was told last, monotonic */
  unsigned told;  /* how often, up to FC_TURNS_MAX */
};

/* When a change may be told, monotonic; in the past unless it is held back. */
static inline int64_t fc_turns_free_ms(const struct fc_turns *turns) {
  return turns->told < FC_TURNS_MAX
             ? 0
             : (int64_t)turns->last_s * 1000 + FC_TURNS_MS;
}

static inline bool fc_turns_are_held(const struct fc_turns *turns,
                                     int64_t now_ms) {
  return now_ms < fc_turns_free_ms(turns);
}

/* A change that is not held back is told. True when it is the last one for an
 * hour. */
static inline bool fc_turns_tell(struct fc_turns *turns, int64_t now_ms) {
  if (now_ms - (int64_t)turns->last_s * 1000 >= FC_TURNS_MS)
    turns->told = 0;
  turns->told++;
  /* Rounded up: the hour is a whole one. */
  turns->last_s = (int32_t)((now_ms + 999) / 1000);
  return turns->told == FC_TURNS_MAX;
}

#endif
