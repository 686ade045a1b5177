/* SPDX-License-Identifier: MIT */

#include "src/watch/job.h"

#include "src/api/parse.h"
#include "src/api/status.h"
#include "src/base/clock.h"
#include "src/base/macros.h"
#include "src/watch/event.h"

#include <stdlib.h>
#include <string.h>

/* What the state before says of a job that is seen unfinished. */
static unsigned apply_unfinished(struct fc_job *job,
                                 const struct fc_job_rules *rules,
                                 const struct fc_result *result,
                                 int64_t now_s) {
  unsigned events = 0;
  job->history.has_ended = false;
  fc_job_keep_error(job, "");
  if (!job->history.has_processing_since) {
    job->history.has_processing_since = true;
    job->history.processing_since_s = now_s;
  }
  if (fc_history_has(&job->history, FC_PAST_LOST_REPORTED)) {
    fc_history_set(&job->history, FC_PAST_LOST_REPORTED, false);
    events |= FC_EVENT_BIT(FC_EVENT_FOUND);
  }
  /* A server that has lost the job's record gives "now" as its expiry, and will
   * never show the end. Both stamps are whole seconds of the server's clock. */
  int64_t server_s = result->has_date ? result->date_s : now_s;
  bool lapsed = result->reply.facts.has_expires_at &&
                result->reply.facts.expires_at_s <= server_s;
  bool overdue =
      rules->stall_timeout_s &&
      now_s - job->history.processing_since_s > rules->stall_timeout_s;
  job->history.stalled =
      job->facts.status == FC_STATUS_PROCESSING && (lapsed || overdue);
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
  job->asked = job->fresh = false;
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
  job->history.ended_s = now_s;
  job->history.has_notified = job->facts.status == FC_STATUS_FAILED;
  job->history.notified_s = now_s;
  job->history.stalled = false;
  fc_job_keep_error(job, result->reply.error);
  if (job->facts.status == FC_STATUS_COMPLETED && !rules->notify_completed &&
      !warned)
    return 0;
  return FC_EVENT_BIT(final_events[job->facts.status]);
}

static unsigned apply_status(struct fc_job *job,
                             const struct fc_job_rules *rules,
                             const struct fc_result *result, int64_t now_s) {
  job->misses = 0;
  fc_history_set(&job->history, FC_PAST_SILENT, false);
  job->facts = result->reply.facts;
  return fc_status_is_final(job->facts.status)
             ? apply_final(job, rules, result, now_s)
             : apply_unfinished(job, rules, result, now_s);
}

static unsigned apply_missing(struct fc_job *job,
                              const struct fc_result *result, int64_t mono_ms,
                              int64_t now_s) {
  bool gone = result->answer == FC_ANSWER_GONE;
  bool sure = gone || result->answer == FC_ANSWER_INVALID;
  if (!sure && job->facts.status == FC_STATUS_NONE &&
      mono_ms - job->first_asked_ms < FC_JOB_GRACE_MS)
    return 0;
  if (job->misses < UINT8_MAX)
    job->misses++;
  if (job->facts.status == FC_STATUS_LOST)
    return 0;
  job->facts.status = FC_STATUS_LOST;
  job->history.stalled = false;
  job->history.has_ended = true;
  job->history.ended_s = now_s;
  fc_job_keep_error(job, gone ? "" : result->reply.error);
  if (gone || fc_history_has(&job->history, FC_PAST_LOST_REPORTED))
    return 0;
  fc_history_set(&job->history, FC_PAST_LOST_REPORTED, true);
  return FC_EVENT_BIT(FC_EVENT_LOST);
}

unsigned fc_job_apply(struct fc_job *job, const struct fc_job_rules *rules,
                      const struct fc_result *result, int64_t mono_ms,
                      int64_t now_s) {
  if (fc_status_is_final(job->facts.status))
    return 0;
  job->fresh = result->answer != FC_ANSWER_NONE;
  if (!job->fresh)
    return 0;
  job->history.previous = job->facts.status;
  unsigned events = result->answer == FC_ANSWER_STATUS
                        ? apply_status(job, rules, result, now_s)
                        : apply_missing(job, result, mono_ms, now_s);
  if (job->facts.status != job->history.previous)
    job->shown = job->overdue = false;
  return events;
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

unsigned fc_job_tick(struct fc_job *job, const struct fc_job_rules *rules,
                     int64_t now_s, bool *ended) {
  unsigned events = 0;
  if (now_s >= expiry_warning_at(job, rules)) {
    fc_history_set(&job->history, FC_PAST_EXPIRY_REPORTED, true);
    /* Of a result that is gone already there is nothing to warn. */
    if (now_s < job->facts.expires_at_s)
      events |= FC_EVENT_BIT(FC_EVENT_EXPIRES);
  }
  if (now_s >= repeat_at(job, rules)) {
    job->history.notified_s = now_s;
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

bool fc_job_duration_s(const struct fc_job *job, int64_t now_s,
                       double *duration_s) {
  if (!job->history.has_processing_since)
    return false;
  int64_t end_s =
      fc_status_has_ended(job->facts.status) ? job->history.ended_s : now_s;
  int64_t length_s = end_s - job->history.processing_since_s;
  *duration_s = length_s > 0 ? (double)length_s : 0;
  return true;
}
