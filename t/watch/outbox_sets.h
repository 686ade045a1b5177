/* SPDX-License-Identifier: MIT */

/* The outbox of a job as sets of enum fc_event_type, for tests. */

#ifndef FC_T_OUTBOX_SETS_H
#define FC_T_OUTBOX_SETS_H

#include "src/watch/record.h"

static inline unsigned outbox_pending(const struct fc_outbox *outbox) {
  unsigned set = 0;
  for (unsigned type = 0; type < FC_EVENT_JOB_COUNT; type++)
    if (fc_outbox_is_pending(&outbox->event[type]))
      set |= FC_EVENT_BIT(type);
  return set;
}

static inline unsigned outbox_delivered(const struct fc_outbox *outbox) {
  unsigned set = 0;
  for (unsigned type = 0; type < FC_EVENT_JOB_COUNT; type++)
    if (outbox->event[type].stage == FC_OUTBOX_DELIVERED)
      set |= FC_EVENT_BIT(type);
  return set;
}

/* What is in both is pending again. */
static inline struct fc_outbox outbox_make(unsigned pending,
                                           unsigned delivered) {
  struct fc_outbox outbox = {.event = {{.round = 0}}};
  for (unsigned type = 0; type < FC_EVENT_JOB_COUNT; type++)
    if ((pending | delivered) & FC_EVENT_BIT(type))
      fc_outbox_restore(&outbox.event[type], !(pending & FC_EVENT_BIT(type)), 1,
                        FC_STATUS_NONE, FC_STATUS_NONE);
  return outbox;
}

#endif
