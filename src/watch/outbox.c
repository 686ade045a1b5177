/* SPDX-License-Identifier: MIT */

#include "src/watch/outbox.h"

#include "src/base/macros.h"

static void set_stage(struct fc_outbox_event *event,
                      enum fc_outbox_stage stage) {
  event->stage = (uint8_t)stage & 7U;
}

bool fc_outbox_is_pending(const struct fc_outbox_event *event) {
  return event->stage > FC_OUTBOX_NONE && event->stage < FC_OUTBOX_DELIVERED;
}

static void set_moment(struct fc_outbox_event *event, int status,
                       int previous) {
  event->status_1 = (uint8_t)(status + 1) & 15U;
  event->previous_1 = (uint8_t)(previous + 1) & 15U;
}

void fc_outbox_restore(struct fc_outbox_event *event, bool delivered,
                       unsigned round, int status, int previous) {
  event->round = (uint16_t)round;
  set_moment(event, status, previous);
  set_stage(event, delivered ? FC_OUTBOX_DELIVERED : FC_OUTBOX_SAVED);
}

void fc_outbox_add(struct fc_outbox_event *event, enum fc_status status,
                   enum fc_status previous) {
  if (fc_outbox_is_pending(event))
    return;
  if (event->round < UINT16_MAX)
    event->round++;
  set_moment(event, (int)status, (int)previous);
  set_stage(event, FC_OUTBOX_OWED);
}

bool fc_outbox_take_back(struct fc_outbox_event *event) {
  if (event->stage == FC_OUTBOX_NONE || event->stage >= FC_OUTBOX_TAKEN)
    return false;
  event->round--;
  set_stage(event, event->round ? FC_OUTBOX_DELIVERED : FC_OUTBOX_NONE);
  return true;
}

bool fc_outbox_is_ready(const struct fc_outbox_event *event, bool durable) {
  return durable ? event->stage == FC_OUTBOX_SAVED
                 : event->stage >= FC_OUTBOX_OWED &&
                       event->stage <= FC_OUTBOX_SAVED;
}

void fc_outbox_take(struct fc_outbox_event *event) {
  set_stage(event, FC_OUTBOX_TAKEN);
}

void fc_outbox_deliver(struct fc_outbox_event *event) {
  if (event->stage != FC_OUTBOX_TAKEN)
    return;
  set_stage(event, FC_OUTBOX_DELIVERED);
  event->doubtful = false;
}

void fc_outbox_save_begin(struct fc_outbox_event *event) {
  if (event->stage == FC_OUTBOX_OWED)
    set_stage(event, FC_OUTBOX_SAVING);
}

void fc_outbox_save_end(struct fc_outbox_event *event, bool saved) {
  if (event->stage == FC_OUTBOX_SAVING)
    set_stage(event, saved ? FC_OUTBOX_SAVED : FC_OUTBOX_OWED);
}

void fc_outbox_unsave(struct fc_outbox_event *event) {
  if (event->stage == FC_OUTBOX_SAVING || event->stage == FC_OUTBOX_SAVED)
    set_stage(event, FC_OUTBOX_OWED);
}

void fc_outbox_merge(struct fc_outbox_event *event,
                     const struct fc_outbox_event *stored, bool same) {
  bool open = event->stage < FC_OUTBOX_TAKEN;
  if (stored->stage != FC_OUTBOX_DELIVERED)
    return;
  if (event->stage == FC_OUTBOX_NONE || (open && same)) {
    *event = *stored;
    return;
  }
  /* Of what was delivered meanwhile nobody knows whether it was a repeat. */
  int64_t round = open ? (int64_t)stored->round + event->round
                       : fc_max64(stored->round, event->round);
  event->round = (uint16_t)fc_min64(round, UINT16_MAX);
}

enum fc_status fc_outbox_status(const struct fc_outbox_event *event) {
  return (enum fc_status)((int)event->status_1 - 1);
}

enum fc_status fc_outbox_previous(const struct fc_outbox_event *event) {
  return (enum fc_status)((int)event->previous_1 - 1);
}

size_t fc_outbox_next(const struct fc_outbox_event *events, size_t len,
                      bool durable) {
  size_t i = 0;
  while (i < len && !fc_outbox_is_ready(&events[i], durable))
    i++;
  return i;
}
