/* SPDX-License-Identifier: MIT */

/* How one thread tells another that there is something to do, without knowing
 * which. */

#ifndef FC_WAKER_H
#define FC_WAKER_H

#include <stddef.h>

/* All zero: nobody is to be woken. `data` is borrowed. */
struct fc_waker {
  void (*wake)(void *data); /* from any thread; returns at once */
  void *data;
};

static inline void fc_waker_wake(const struct fc_waker *waker) {
  if (waker->wake)
    waker->wake(waker->data);
}

#endif
