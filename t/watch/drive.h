/* SPDX-License-Identifier: MIT */

/* Drives an instance by hand, as the poller and the read callback would, in a
 * time that only the test moves. */

#ifndef FC_T_DRIVE_H
#define FC_T_DRIVE_H

#include "src/watch/instance.h"

#include <check.h>
#include <string.h>

static inline void drive_pass_ms(struct fc_now *now, int64_t ms) {
  now->epoch_s += (now->mono_ms + ms) / 1000 - now->mono_ms / 1000;
  now->mono_ms += ms;
}

/* An instance "prod" without a budget, in which nothing stalls, and the moment
 * at which its test begins. */
static inline struct fc_instance *drive_begin(struct fc_settings *settings,
                                              int64_t interval_ms,
                                              struct fc_now *now) {
  fc_settings_init(settings);
  settings->name = strdup("prod");
  settings->max_requests_per_minute = 0;
  settings->stall_timeout_s = 0;
  *now = (struct fc_now){.mono_ms = 500000, .epoch_s = 1764000000};
  struct fc_instance *instance = fc_instance_new(settings, interval_ms, 1);
  ck_assert_ptr_nonnull(instance);
  return instance;
}

static inline struct fc_result drive_status(enum fc_status status) {
  struct fc_result result = {.answer = FC_ANSWER_STATUS, .http_code = 200};
  result.reply.facts.status = (int8_t)status;
  return result;
}

/* Lets time pass until the job is due, and answers; any other job that is due
 * before is in processing. */
static inline void drive_answer(struct fc_instance *instance,
                                struct fc_now *now, const char *id,
                                struct fc_result result) {
  struct fc_ticket ticket;
  struct fc_result other = drive_status(FC_STATUS_PROCESSING);
  int64_t wake_ms;
  for (int i = 0; i < 100000; i++) {
    while (fc_instance_next(instance, *now, &ticket, &wake_ms)) {
      bool wanted = strcmp(ticket.id, id) == 0;
      (void)fc_instance_take_result(instance, &ticket,
                                    wanted ? &result : &other, *now);
      if (wanted)
        return;
    }
    ck_assert_msg(wake_ms != FC_NEVER, "%s is never due", id);
    drive_pass_ms(now, wake_ms > now->mono_ms ? wake_ms - now->mono_ms : 1);
  }
  ck_abort_msg("%s is not due", id);
}

static inline struct fc_stats drive_stats(struct fc_instance *instance,
                                          struct fc_now now) {
  struct fc_stats stats;
  fc_instance_stats(instance, now, &stats);
  return stats;
}

/* The API does not know the job, until it counts as lost. */
static inline void drive_lose(struct fc_instance *instance, struct fc_now *now,
                              const char *id) {
  struct fc_result missing = {.answer = FC_ANSWER_NOT_FOUND, .http_code = 404};
  size_t lost = drive_stats(instance, *now).jobs[FC_STATUS_LOST];
  for (int i = 0; i < 100; i++) {
    drive_answer(instance, now, id, missing);
    if (drive_stats(instance, *now).jobs[FC_STATUS_LOST] > lost)
      return;
  }
  ck_abort_msg("%s is not lost", id);
}

/* Hands over the next event; its message, valid until the next call, or "" for
 * none. */
static inline const char *drive_event(struct fc_instance *instance,
                                      struct fc_now now) {
  static char message[FC_EVENT_MESSAGE_SIZE];
  struct fc_delivery delivery;
  if (!fc_instance_take_event(instance, now, &delivery))
    return "";
  (void)fc_event_message(&delivery.event, message);
  fc_instance_delivered(instance, &delivery);
  return message;
}

#endif
