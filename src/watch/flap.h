/* SPDX-License-Identifier: MIT */

/* Flapping: something changes to and fro, as a job that is lost and found, or a
 * file that is good and bad. Such a change is told three times with less than
 * an hour between them, the third time with FC_FLAP_LAST; then for an hour not
 * at all, and after that how it is by then, if it differs from what was told
 * last. Pure functions of the struct and the moment; not thread-safe. */

#ifndef FC_FLAP_H
#define FC_FLAP_H

#include <stdbool.h>
#include <stdint.h>

#define FC_FLAP_LAST "further changes are not told for an hour"

enum { FC_FLAP_MAX = 3, FC_FLAP_MS = 60 * 60 * 1000 };

/* All zero: nothing was told yet. */
struct fc_flap {
  int32_t last_s; /* when it was told last, monotonic */
  unsigned told;  /* how often, up to FC_FLAP_MAX */
};

/* When a change may be told, monotonic; in the past unless it is held back. */
static inline int64_t fc_flap_free_ms(const struct fc_flap *flap) {
  return flap->told < FC_FLAP_MAX ? 0
                                  : (int64_t)flap->last_s * 1000 + FC_FLAP_MS;
}

static inline bool fc_flap_is_held(const struct fc_flap *flap, int64_t now_ms) {
  return now_ms < fc_flap_free_ms(flap);
}

/* A change that is not held back is told. True when it is the last one for an
 * hour. */
static inline bool fc_flap_tell(struct fc_flap *flap, int64_t now_ms) {
  if (now_ms - (int64_t)flap->last_s * 1000 >= FC_FLAP_MS)
    flap->told = 0;
  flap->told++;
  /* Rounded up: the hour is a whole one. */
  flap->last_s = (int32_t)((now_ms + 999) / 1000);
  return flap->told == FC_FLAP_MAX;
}

#endif
