/* SPDX-License-Identifier: MIT */

/* Where an event stands on its way to collectd.
 *
 *   none --add--> owed --save_begin--> saving --save_end--> saved
 *   owed, saving or saved --take--> taken --deliver--> delivered
 *
 * With a state file, an event is taken only once it is saved as owed; without
 * one, at once. An event that came back, or is repeated, is owed again and in
 * its next round. Taken back it is as if this round had never been, unless
 * somebody has heard of it. A delivery is confirmed once the job it is of is
 * saved: until then a crash repeats it, and what may be a repeat is marked.
 *
 * Pure functions of one event; not thread-safe. */

#ifndef FC_OUTBOX_H
#define FC_OUTBOX_H

#include "src/api/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fc_outbox_stage {
  FC_OUTBOX_NONE,
  FC_OUTBOX_OWED,
  FC_OUTBOX_SAVING,
  FC_OUTBOX_SAVED,
  FC_OUTBOX_TAKEN,
  FC_OUTBOX_DELIVERED
};

/* All zero: it has not come about. */
struct fc_outbox_event {
  uint16_t round;       /* how often it has come about; stays at its maximum */
  uint8_t stage : 3;    /* enum fc_outbox_stage */
  bool doubtful : 1;    /* the next delivery may be a repeat */
  uint8_t status_1 : 4; /* enum fc_status + 1 of the job at that moment ... */
  uint8_t previous_1 : 4; /* ... and before */
};

/* It has come about, or is to be repeated. Nothing changes while it is on its
 * way already. */
void fc_outbox_add(struct fc_outbox_event *event, enum fc_status status,
                   enum fc_status previous);

/* It no longer holds: true when it was on its way. Nothing changes once it was
 * taken. */
bool fc_outbox_take_back(struct fc_outbox_event *event);

/* True from owed until delivered. */
bool fc_outbox_is_pending(const struct fc_outbox_event *event);

/* True when it may be taken; `durable`: only what is saved may. */
bool fc_outbox_is_ready(const struct fc_outbox_event *event, bool durable);

/* It is being handed to collectd, and then it was; what was never taken cannot
 * be delivered. */
void fc_outbox_take(struct fc_outbox_event *event);
void fc_outbox_deliver(struct fc_outbox_event *event);

/* It is being written to the state file, and then it was or (`saved` false) was
 * not. What happened to it in between counts. */
void fc_outbox_save_begin(struct fc_outbox_event *event);
void fc_outbox_save_end(struct fc_outbox_event *event, bool saved);

/* What is in the state file is not known any more: it has to be saved anew. */
void fc_outbox_unsave(struct fc_outbox_event *event);

/* It is as the state file has it: delivered, or saved and to be delivered. */
void fc_outbox_restore(struct fc_outbox_event *event, bool delivered,
                       unsigned round, int status, int previous);

/* What the state file has of an event meets what is known of it already, as
 * when the file could not be read at the start. What was delivered then is not
 * delivered again, where `same`: the job has the status that it had. What comes
 * behind it is of a later round. */
void fc_outbox_merge(struct fc_outbox_event *event,
                     const struct fc_outbox_event *stored, bool same);

enum fc_status fc_outbox_status(const struct fc_outbox_event *event);
enum fc_status fc_outbox_previous(const struct fc_outbox_event *event);

/* The first of events[len] that may be taken; `len` if none may. */
size_t fc_outbox_next(const struct fc_outbox_event *events, size_t len,
                      bool durable);

#endif
