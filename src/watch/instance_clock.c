/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/watch/instance_private.h"

/* Stamps are on the server's clock, those of this run on the one that was taken
 * for it. When that moves, they move with it, so that what lies between them
 * and now stays what it was. Stamps of an earlier run stay where they are until
 * the server's clock is known, and none lies in the future then. */
static void move_stamps(struct fc_instance *instance, bool was_known,
                        int64_t delta_s, struct fc_now now) {
  int64_t now_s = fc_instance_epoch_s(instance, now);
  for (struct fc_job *job = instance->registry.first; job; job = job->next) {
    if (fc_job_move_stamps(job, was_known ? FC_STAMPS : job->dated, delta_s,
                           now_s))
      fc_instance_changed(instance, job, false);
    if (!fc_history_has(&job->history, FC_PAST_FORGOTTEN))
      fc_instance_set_timer(instance, job, now);
  }
}

static enum fc_date learn(struct fc_instance *instance, int64_t date_s,
                          struct fc_now now) {
  struct fc_serverclock *clock = &instance->clock;
  bool was_known = clock->known;
  int64_t moved_s;
  enum fc_date date = fc_serverclock_learn(clock, date_s, now, &moved_s);
  if (date == FC_DATE_MOVES)
    move_stamps(instance, was_known, moved_s, now);
  return date;
}

struct fc_moment fc_instance_learn_time(struct fc_instance *instance,
                                        const struct fc_result *result,
                                        struct fc_now now) {
  bool has_date = result->has_date && result->answer != FC_ANSWER_NONE;
  bool counts =
      has_date && learn(instance, result->date_s, now) != FC_DATE_DOUBTED;
  int64_t now_s = fc_instance_epoch_s(instance, now);
  return (struct fc_moment){
      .mono_ms = now.mono_ms,
      .now_s = now_s,
      .date_s = counts ? result->date_s : now_s,
      .sure = fc_serverclock_is_sure(&instance->clock, now),
      .doubted = has_date && !counts,
  };
}

void fc_instance_hurry(struct fc_instance *instance, struct fc_now now) {
  struct fc_heap *polls = &instance->registry.polls;
  int64_t due_ms = now.mono_ms + FC_SERVERCLOCK_POLL_MS;
  struct fc_heap_node *first = fc_heap_first(polls);
  if (first && first->key > due_ms && fc_serverclock_hurries(&instance->clock))
    fc_heap_set(polls, first, due_ms);
}

static int64_t newest_stamp_s(const struct fc_history *history) {
  int64_t newest_s = history->first_seen_s;
  if (history->has_processing_since)
    newest_s = fc_max64(newest_s, history->processing_since_s);
  if (history->has_ended)
    newest_s = fc_max64(newest_s, history->ended_s);
  if (history->has_notified)
    newest_s = fc_max64(newest_s, history->notified_s);
  return newest_s;
}

void fc_instance_restored(struct fc_instance *instance,
                          const struct fc_history *history, struct fc_now now) {
  fc_serverclock_restored(&instance->clock, newest_stamp_s(history), now);
}

void fc_instance_restored_stamps(struct fc_instance *instance,
                                 struct fc_job *job, struct fc_now now) {
  job->dated = 0;
  if (instance->clock.known)
    (void)fc_job_move_stamps(job, 0, 0, fc_instance_epoch_s(instance, now));
}
