/* SPDX-License-Identifier: MIT */

#include "src/base/clock.h"

#include <time.h>

static struct fc_now now_system(void *data) {
  struct timespec mono;
  (void)data;
  (void)clock_gettime(CLOCK_MONOTONIC, &mono);
  return (struct fc_now){
      .mono_ms = (int64_t)mono.tv_sec * 1000 + mono.tv_nsec / 1000000,
      .epoch_s = time(NULL),
  };
}

const struct fc_clock fc_clock_system = {.now = now_system};
