/* SPDX-License-Identifier: MIT */

/* Time as a parameter: the library asks nobody for the time but the clock it
 * was given, so tests need no sleep. */

#ifndef FC_CLOCK_H
#define FC_CLOCK_H

#include <stdint.h>

/* Never due. */
#define FC_NEVER INT64_MAX

/* One moment on both clocks. */
struct fc_now {
  int64_t mono_ms; /* monotonic milliseconds: all scheduling */
  int64_t epoch_s; /* seconds since the epoch: time stamps */
};

struct fc_clock {
  struct fc_now (*now)(void *data);
  void *data;
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME. */
extern const struct fc_clock fc_clock_system;

#endif
