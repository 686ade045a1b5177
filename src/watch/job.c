/* SPDX-License-Identifier: MIT */

#include "src/watch/job.h"

#include "src/api/parse.h"
#include "src/api/status.h"
#include "src/base/clock.h"
#include "src/base/macros.h"
#include "src/watch/event.h"
#include "src/watch/flap.h"

#include <stdlib.h>
#include <string.h>

static int64_t *stamp_of(struct fc_history *history, unsigned which) {
  switch (which) {
  case FC_STAMP_FIRST_SEEN:
    return &history->first_seen_s;
  case FC_STAMP_PROCESSING:
    return &history->processing_since_s;
  case FC_STAMP_ENDED:
    return &history->ended_s;
  default:
    return &history->notified_s;
  }
}

static void stamp(struct fc_job *job, enum fc_stamp which, int64_t now_s) {
  *stamp_of(&job->history, which) = now_s;
  job->dated = (job->dated | (unsigned)which) & (unsigned)FC_STAMPS;
}

/* A server that has lost the job's record gives "now" as its expiry, and will
 * never show the end. Both stamps are whole seconds of the server's clock. */
static bool is_stalled(const struct fc_job *job,
                       const struct fc_job_rules *rules,
                       const struct fc_moment *moment) {
  if (job->facts.status != FC_STATUS_PROCESSING)
    return false;
  bool lapsed = moment->sure && !moment->doubted && job->facts.has_expires_at &&
                job->facts.expires_at_s <= moment->date_s;
  bool overdue =
      moment->sure && rules->stall_timeout_s &&
      moment->now_s - job->history.processing_since_s > rules->stall_timeout_s;
  bool undecided =
      !moment->sure || (job->facts.has_expires_at && moment->doubted);
  return lapsed || overdue || (undecided && job->history.stalled);
}

static struct fc_flap flap_of(const struct fc_job *job) {
  return (struct fc_flap){job->flapped_s, job->flaps};
}

/* It is told that the job is lost, or found, unless that is held back. */
static unsigned flap(struct fc_job *job, int64_t mono_ms) {
  struct fc_flap flap = flap_of(job);
  bool lost = job->facts.status == FC_STATUS_LOST;
  if (fc_flap_is_held(&flap, mono_ms))
    return 0;
  fc_history_set(&job->history, FC_PAST_LOST_REPORTED, lost);
  return lost ? FC_EVENT_BIT(FC_EVENT_LOST) : FC_EVENT_BIT(FC_EVENT_FOUND);
}

/* What the state before says of a job that is seen unfinished. */
static unsigned apply_unfinished(struct fc_job *job,
                                 const struct fc_job_rules *rules,
                                 const struct fc_moment *moment) {
  unsigned events = 0;
  job->history.has_ended = false;
  fc_job_keep_error(job, "");
  if (!job->history.has_processing_since) {
    job->history.has_processing_since = true;
    stamp(job, FC_STAMP_PROCESSING, moment->now_s);
  }
  if (fc_history_has(&job->history, FC_PAST_LOST_REPORTED))
    events |= flap(job, moment->mono_ms);
  job->history.stalled = is_stalled(job, rules, moment);
  if (job->history.stalled &&
      !fc_history_has(&job->history, FC_PAST_STALL_REPORTED)) {
    fc_history_set(&job->history, FC_PAST_STALL_REPORTED, true);
    events |= FC_EVENT_BIT(FC_EVENT_STALLED);
  }
  return events;
}

static const enum fc_event_type final_events[] = {
    [FC_STATUS_COMPLETED] = FC_EVENT_COMPLETED,
    [FC_STATUS_CANCELLED] = FC_EVENT_CANCELLED,
    [FC_STATUS_FAILED] = FC_EVENT_FAILED,
};

void fc_job_keep_error(struct fc_job *job, const char *error) {
  free(job->error);
  job->error = error[0] ? strdup(error) : NULL;
}

void fc_job_init(struct fc_job *job, const struct fc_kind *kind) {
  job->facts = (struct fc_facts){.status = FC_STATUS_NONE};
  job->history = (struct fc_history){.kind = (uint8_t)kind->id,
                                     .previous = FC_STATUS_NONE};
}

void fc_job_restart(struct fc_job *job, const struct fc_kind *kind) {
  struct fc_history before = job->history;
  fc_job_keep_error(job, "");
  fc_job_init(job, kind);
  job->history.first_seen_s = before.first_seen_s;
  job->history.sources = before.sources;
  job->history.flags =
      before.flags & (uint8_t)(FC_PAST_FORGOTTEN | FC_PAST_OF_RUNS);
  job->failures = job->misses = 0;
  job->outbox = (struct fc_outbox){.event = {{.round = 0}}};
  job->missing = job->fresh = false;
  job->stalled_till_s = 0;
}

bool fc_job_has_pending(const struct fc_job *job) {
  for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++)
    if (fc_outbox_is_pending(&job->outbox.event[i]))
      return true;
  return false;
}

void fc_job_doubt(struct fc_job *job) {
  for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++)
    job->outbox.event[i].doubtful = true;
}

static unsigned apply_final(struct fc_job *job,
                            const struct fc_job_rules *rules,
                            const struct fc_result *result, int64_t now_s) {
  bool warned = fc_history_has(&job->history, FC_PAST_STALL_REPORTED) ||
                fc_history_has(&job->history, FC_PAST_LOST_REPORTED);
  job->history.has_ended = true;
  stamp(job, FC_STAMP_ENDED, now_s);
  job->history.has_notified = job->facts.status == FC_STATUS_FAILED;
  stamp(job, FC_STAMP_NOTIFIED, now_s);
  job->history.stalled = false;
  fc_job_keep_error(job, result->reply.error);
  if (job->facts.status == FC_STATUS_COMPLETED && !rules->notify_completed &&
      !warned)
    return 0;
  return FC_EVENT_BIT(final_events[job->facts.status]);
}

static unsigned apply_status(struct fc_job *job,
                             const struct fc_job_rules *rules,
                             const struct fc_result *result,
                             const struct fc_moment *moment) {
  job->misses = 0;
  job->missing = false;
  fc_history_set(&job->history, FC_PAST_SILENT, false);
  job->facts = result->reply.facts;
  return fc_status_is_final(job->facts.status)
             ? apply_final(job, rules, result, moment->now_s)
             : apply_unfinished(job, rules, moment);
}

void fc_job_miss(struct fc_job *job, int64_t mono_ms) {
  if (!job->missing)
    job->missing_since_s = (int32_t)((mono_ms + 999) / 1000);
  job->missing = true;
}

static bool has_expired(const struct fc_job *job,
                        const struct fc_moment *moment) {
  return moment->sure && !moment->doubted && job->facts.has_expires_at &&
         job->facts.expires_at_s <= moment->now_s;
}

static int64_t missing_long_ms(const struct fc_job *job) {
  return job->missing_since_s * INT64_C(1000) + FC_JOB_MISSING_MS;
}

/* A job that the API has just not known may only be new, or on its way to a
 * replica. */
static bool is_lost(const struct fc_job *job, enum fc_answer answer,
                    const struct fc_moment *moment) {
  return answer != FC_ANSWER_NOT_FOUND || job->facts.status == FC_STATUS_LOST ||
         has_expired(job, moment) || moment->mono_ms >= missing_long_ms(job);
}

static const char *reason_of_loss(const struct fc_job *job,
                                  enum fc_answer answer,
                                  const struct fc_result *result,
                                  const struct fc_moment *moment) {
  if (answer == FC_ANSWER_GONE)
    return "";
  if (answer == FC_ANSWER_NOT_FOUND && has_expired(job, moment))
    return "its record has expired; its end was not seen";
  return result->reply.error;
}

static unsigned apply_missing(struct fc_job *job, enum fc_answer answer,
                              const struct fc_result *result,
                              const struct fc_moment *moment) {
  if (answer == FC_ANSWER_GONE)
    job->missing = false;
  else
    fc_job_miss(job, moment->mono_ms);
  if (!is_lost(job, answer, moment))
    return 0;
  if (job->misses < FC_JOB_COUNT_MAX)
    job->misses++;
  if (job->facts.status == FC_STATUS_LOST)
    return 0;
  job->facts.status = FC_STATUS_LOST;
  job->history.stalled = false;
  job->history.has_ended = true;
  stamp(job, FC_STAMP_ENDED, moment->now_s);
  fc_job_keep_error(job, reason_of_loss(job, answer, result, moment));
  return answer == FC_ANSWER_GONE ||
                 fc_history_has(&job->history, FC_PAST_LOST_REPORTED)
             ? 0
             : flap(job, moment->mono_ms);
}

unsigned fc_job_apply(struct fc_job *job, const struct fc_job_rules *rules,
                      enum fc_answer answer, const struct fc_result *result,
                      const struct fc_moment *moment) {
  bool stalled = job->history.stalled;
  if (fc_status_is_final(job->facts.status))
    return 0;
  job->fresh = answer != FC_ANSWER_NONE;
  if (!job->fresh)
    return 0;
  job->history.previous = job->facts.status;
  unsigned events = answer == FC_ANSWER_STATUS
                        ? apply_status(job, rules, result, moment)
                        : apply_missing(job, answer, result, moment);
  if (stalled && !job->history.stalled)
    job->stalled_till_s = (uint32_t)(moment->mono_ms / 1000 + FC_JOB_STALLED_S);
  if (job->facts.status != job->history.previous)
    job->shown = job->overdue = false;
  return events;
}

bool fc_job_shows_stall(const struct fc_job *job, int64_t mono_ms) {
  return job->history.stalled || mono_ms / 1000 < job->stalled_till_s;
}

/* The times at which time alone counts; FC_NEVER where it does not. */
static int64_t expiry_warning_at(const struct fc_job *job,
                                 const struct fc_job_rules *rules) {
  if (job->facts.status != FC_STATUS_COMPLETED || !rules->expiry_warning_s ||
      !job->facts.has_expires_at ||
      fc_history_has(&job->history, FC_PAST_EXPIRY_REPORTED))
    return FC_NEVER;
  return job->facts.expires_at_s - rules->expiry_warning_s;
}

static int64_t repeat_at(const struct fc_job *job,
                         const struct fc_job_rules *rules) {
  if (job->facts.status != FC_STATUS_FAILED || !rules->repeat_interval_s ||
      fc_history_has(&job->history, FC_PAST_SILENT))
    return FC_NEVER;
  return job->history.notified_s + rules->repeat_interval_s;
}

static int64_t silence_at(const struct fc_job *job,
                          const struct fc_job_rules *rules) {
  bool waits = job->overdue && !job->shown;
  return fc_status_has_ended(job->facts.status) && !waits &&
                 !fc_history_has(&job->history, FC_PAST_SILENT)
             ? job->history.ended_s + rules->forget_after_s
             : FC_NEVER;
}

/* A job that a 410 made lost is not told of. */
static bool is_told_otherwise(const struct fc_job *job) {
  bool told = fc_history_has(&job->history, FC_PAST_LOST_REPORTED);
  return job->facts.status == FC_STATUS_LOST
             ? !told && job->missing
             : told && !fc_status_is_final(job->facts.status);
}

/* One that was lost by a 410, and is not known any more, is missing for a
 * minute first, like any other. */
int64_t fc_job_flap_ms(const struct fc_job *job) {
  struct fc_flap flap = flap_of(job);
  if (!is_told_otherwise(job))
    return FC_NEVER;
  return job->facts.status == FC_STATUS_LOST
             ? fc_max64(fc_flap_free_ms(&flap), missing_long_ms(job))
             : fc_flap_free_ms(&flap);
}

bool fc_job_tell(struct fc_job *job, enum fc_event_type type, int64_t mono_ms) {
  struct fc_flap flap = flap_of(job);
  enum fc_event_type next =
      type == FC_EVENT_LOST ? FC_EVENT_FOUND : FC_EVENT_LOST;
  if (type != FC_EVENT_LOST && type != FC_EVENT_FOUND)
    return false;
  bool last = fc_flap_tell(&flap, mono_ms);
  job->flapped_s = flap.last_s;
  job->flaps = flap.told & 3U;
  if (last && fc_outbox_take_back(&job->outbox.event[next]))
    fc_history_set(&job->history, FC_PAST_LOST_REPORTED, type == FC_EVENT_LOST);
  return last;
}

void fc_job_put_off(struct fc_job *job) {
  fc_history_set(&job->history, FC_PAST_LOST_REPORTED, false);
}

unsigned fc_job_tick(struct fc_job *job, const struct fc_job_rules *rules,
                     int64_t mono_ms, int64_t now_s, bool *ended) {
  unsigned events = mono_ms >= fc_job_flap_ms(job) ? flap(job, mono_ms) : 0;
  if (now_s >= expiry_warning_at(job, rules)) {
    fc_history_set(&job->history, FC_PAST_EXPIRY_REPORTED, true);
    /* Of a result that is gone already there is nothing to warn. */
    if (now_s < job->facts.expires_at_s)
      events |= FC_EVENT_BIT(FC_EVENT_EXPIRES);
  }
  if (now_s >= repeat_at(job, rules)) {
    stamp(job, FC_STAMP_NOTIFIED, now_s);
    events |= FC_EVENT_BIT(FC_EVENT_FAILED);
  }
  job->overdue = job->overdue || now_s >= silence_at(job, rules);
  *ended = job->shown && now_s >= silence_at(job, rules);
  fc_history_set(&job->history, FC_PAST_SILENT,
                 fc_history_has(&job->history, FC_PAST_SILENT) || *ended);
  return events;
}

int64_t fc_job_timer_s(const struct fc_job *job,
                       const struct fc_job_rules *rules) {
  return fc_min64(expiry_warning_at(job, rules),
                  fc_min64(repeat_at(job, rules), silence_at(job, rules)));
}

bool fc_job_duration_s(const struct fc_job *job, int64_t now_s, bool sure,
                       double *duration_s) {
  bool ended = fc_status_has_ended(job->facts.status);
  bool own_start = job->dated & FC_STAMP_PROCESSING;
  bool own_end = !ended || job->dated & FC_STAMP_ENDED;
  if (!job->history.has_processing_since || (!sure && own_start != own_end))
    return false;
  int64_t end_s = ended ? job->history.ended_s : now_s;
  int64_t length_s = end_s - job->history.processing_since_s;
  *duration_s = length_s > 0 ? (double)length_s : 0;
  return true;
}

/* Those that are not set move too: nobody looks at them. */
bool fc_job_move_stamps(struct fc_job *job, unsigned stamps, int64_t delta_s,
                        int64_t now_s) {
  bool changed = false;
  for (unsigned which = 1; which < FC_STAMPS; which <<= 1) {
    int64_t *at_s = stamp_of(&job->history, which), before_s = *at_s;
    *at_s = fc_min64(before_s + (stamps & which ? delta_s : 0), now_s);
    changed |= *at_s != before_s;
  }
  return changed;
}
