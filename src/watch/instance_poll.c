/* SPDX-License-Identifier: MIT */

#include "src/watch/instance_private.h"

#include "src/base/macros.h"
#include "src/base/text.h"

#include <stdarg.h>
#include <string.h>

/* Only the server's time tells whether a stored time stamp lies ahead: the
 * local clock may be behind. One that does counts as now. */
static void clamp_stamps(struct fc_instance *instance, struct fc_now now) {
  int64_t now_s = fc_instance_epoch_s(instance, now);
  for (struct fc_job *job = instance->registry.first; job; job = job->next) {
    job->history.processing_since_s =
        fc_min64(job->history.processing_since_s, now_s);
    job->history.ended_s = fc_min64(job->history.ended_s, now_s);
    job->history.notified_s = fc_min64(job->history.notified_s, now_s);
    if (!fc_history_has(&job->history, FC_PAST_FORGOTTEN))
      fc_instance_set_timer(instance, job, now);
  }
}

/* A job that failed, or that is lost, waits for the end of its own pause. */
static void poll_older(struct fc_instance *instance, int64_t age_ms,
                       struct fc_now now) {
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    if (job->poll.place && job->poll.key > now.mono_ms && !job->failures &&
        job->facts.status != FC_STATUS_LOST &&
        now.mono_ms - job->last_asked_ms >= age_ms)
      fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
}

void fc_instance_poll_now(struct fc_instance *instance, struct fc_now now) {
  fc_instance_lock(instance);
  poll_older(instance, /* age_ms = */ 0, now);
  fc_instance_unlock(instance);
}

void fc_instance_flush(struct fc_instance *instance, int64_t age_ms,
                       struct fc_now now) {
  struct fc_flush *flush = &instance->flush;
  fc_instance_lock(instance);
  if (flush->due_ms == FC_NEVER) {
    flush->due_ms = fc_max64(now.mono_ms + FC_FLUSH_DELAY_MS, flush->next_ms);
    flush->age_ms = age_ms;
  }
  flush->age_ms = fc_min64(flush->age_ms, age_ms);
  fc_instance_unlock(instance);
}

/* Carries out a FLUSH that is due; returns when one is, monotonic. */
static int64_t flush_turn(struct fc_instance *instance, struct fc_now now) {
  struct fc_flush *flush = &instance->flush;
  if (flush->due_ms > now.mono_ms)
    return flush->due_ms;
  poll_older(instance, flush->age_ms, now);
  flush->due_ms = FC_NEVER;
  if (instance->settings->max_requests_per_minute == 0)
    flush->next_ms = now.mono_ms + FC_FLUSH_PAUSE_MS;
  return FC_NEVER;
}

/* After an outage, all jobs are late: each goes back to its own slot. */
static void spread(struct fc_instance *instance, struct fc_now now) {
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    if (job->poll.place && job->facts.status != FC_STATUS_LOST) {
      job->failures = 0;
      fc_heap_set(
          &instance->registry.polls, &job->poll,
          fc_schedule_slot_ms(&instance->schedule, job->phase_ms, now.mono_ms));
    }
}

/* While the gate is closed, and in a long pause, most jobs are not asked for:
 * what was known of them grows old. */
static void silence(struct fc_instance *instance) {
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    job->fresh = false;
}

static void job_tick(struct fc_instance *instance, struct fc_job *job,
                     struct fc_now now) {
  bool ended;
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN)) {
    fc_instance_end_watch(instance, job, /* keep_s = */ 0, now);
    return;
  }
  unsigned events = fc_job_tick(job, &instance->rules,
                                fc_instance_epoch_s(instance, now), &ended);
  fc_instance_add_events(instance, job, events);
  if (events || ended)
    fc_instance_changed(instance, job, true);
  if (ended && !(job->history.sources & (FC_SOURCE_CONFIG | FC_SOURCE_FILE)))
    fc_instance_end_watch(instance, job, /* keep_s = */ 0, now);
  else
    fc_instance_set_timer(instance, job, now);
}

bool fc_instance_has_work(const struct fc_instance *instance) {
  return instance->registry.polls.len > 0 || instance->schedule.in_flight > 0;
}

/* Nobody is told that an API which he knows nothing bad of is not needed. */
static void rest(struct fc_instance *instance) {
  struct fc_health *health = &instance->health;
  if (!fc_health_rested(health))
    return;
  fc_outbox_take_back(fc_instance_event(instance, FC_EVENT_KEY_REJECTED));
  fc_outbox_take_back(fc_instance_event(instance, FC_EVENT_API_UNUSABLE));
  if (health->reported)
    fc_instance_add_event(instance, FC_EVENT_API_IDLE, health->down_since_s);
}

/* Returns when time alone counts next, monotonic. */
static int64_t tick(struct fc_instance *instance, struct fc_now now) {
  int64_t patience_ms = FC_API_DOWN_INTERVALS * instance->interval_ms;
  struct fc_health *health = &instance->health;
  struct fc_heap *timers = &instance->registry.timers;
  struct fc_heap_node *node;
  if (!fc_instance_has_work(instance))
    rest(instance);
  while ((node = fc_heap_first(timers)) && node->key <= now.mono_ms)
    job_tick(instance, fc_registry_job_of_timer(node), now);
  if (fc_health_tick(health, patience_ms, now.mono_ms)) {
    silence(instance);
    fc_instance_add_event(instance, FC_EVENT_API_UNUSABLE,
                          health->down_since_s);
  }
  return fc_min64(node ? node->key : FC_NEVER,
                  fc_health_due_ms(health, patience_ms));
}

static void take(struct fc_instance *instance, struct fc_job *job,
                 struct fc_now now, struct fc_ticket *ticket) {
  *ticket = (struct fc_ticket){
      .job = job,
      .kind = fc_kind_get(job->history.kind),
      .due_ms = job->poll.key,
      .started_ms = now.mono_ms,
      .now_s = fc_instance_epoch_s(instance, now),
  };
  strncat(ticket->id, job->id, FC_ID_MAX);
  fc_heap_remove(&instance->registry.polls, &job->poll);
  fc_schedule_started(&instance->schedule, now.mono_ms);
  job->in_flight = true;
  if (!job->asked)
    job->first_asked_ms = now.mono_ms;
  job->asked = true;
  job->last_asked_ms = now.mono_ms;
}

int64_t fc_instance_wait(struct fc_instance *instance, struct fc_now now) {
  fc_instance_lock(instance);
  int64_t wake_ms = tick(instance, now);
  fc_instance_unlock(instance);
  return wake_ms;
}

/* Whose turn it is. A closed gate lets one request through, and the job that
 * was answered last, unless it has failed since, is the best question: jobs
 * that hang while the API is well would be asked for one after the other, and
 * hold up all those that do not. */
static struct fc_heap_node *next_node(const struct fc_instance *instance) {
  struct fc_job *answered = instance->answered;
  if (answered && answered->failures == 0 && answered->poll.place &&
      answered->facts.status != FC_STATUS_LOST &&
      fc_schedule_is_closed(&instance->schedule))
    return &answered->poll;
  return fc_heap_first(&instance->registry.polls);
}

bool fc_instance_next(struct fc_instance *instance, struct fc_now now,
                      struct fc_ticket *ticket, int64_t *wake_ms) {
  fc_instance_lock(instance);
  int64_t timer_ms = tick(instance, now);
  timer_ms = fc_min64(timer_ms, flush_turn(instance, now));
  struct fc_heap_node *node = next_node(instance);
  int64_t start_ms =
      node ? fc_max64(node->key, fc_schedule_open_ms(&instance->schedule))
           : FC_NEVER;
  bool due = start_ms <= now.mono_ms;
  if (due)
    take(instance, fc_registry_job_of_poll(node), now, ticket);
  else
    *wake_ms = fc_min64(start_ms, timer_ms);
  fc_instance_unlock(instance);
  return due;
}

static void api_is_up(struct fc_instance *instance) {
  struct fc_health *health = &instance->health;
  if (fc_health_answered(health))
    fc_instance_add_event(instance, FC_EVENT_API_USABLE, health->down_since_s);
}

static void api_is_down(struct fc_instance *instance, const char *text,
                        bool rejected, struct fc_now now) {
  struct fc_health *health = &instance->health;
  if (fc_instance_has_work(instance) &&
      fc_health_failed(health, text, rejected, now.mono_ms,
                       fc_instance_epoch_s(instance, now)))
    fc_instance_add_event(instance, FC_EVENT_KEY_REJECTED,
                          health->down_since_s);
}

enum fc_outcome fc_instance_outcome(const struct fc_result *result) {
  if (result->answer != FC_ANSWER_NONE)
    return FC_OUTCOME_ANSWER;
  switch (result->error) {
  case FC_ERR_AUTH:
    return FC_OUTCOME_REJECTED;
  case FC_ERR_RATE_LIMIT:
    return FC_OUTCOME_RATE_LIMIT;
  default:
    return FC_OUTCOME_FAILURE;
  }
}

/* When the job is asked for again. A 429 or a rejected key is not the job's
 * fault: it keeps its place in the queue. */
static int64_t next_turn_ms(struct fc_instance *instance, struct fc_job *job,
                            const struct fc_ticket *ticket,
                            enum fc_outcome outcome,
                            const struct fc_result *result, struct fc_now now) {
  struct fc_schedule *schedule = &instance->schedule;
  int64_t pause_ms;
  switch (outcome) {
  case FC_OUTCOME_REJECTED:
  case FC_OUTCOME_RATE_LIMIT:
    return ticket->due_ms;
  case FC_OUTCOME_FAILURE:
    if (job->failures < UINT8_MAX)
      job->failures++;
    pause_ms =
        fc_schedule_pause_ms(schedule, job->failures, FC_SCHEDULE_PAUSE_MAX_MS);
    if (result->has_retry_after)
      pause_ms = fc_max64(pause_ms, result->retry_after_s * 1000);
    return now.mono_ms + pause_ms;
  case FC_OUTCOME_ANSWER:
    break;
  }
  job->failures = 0;
  if (job->facts.status == FC_STATUS_LOST)
    return now.mono_ms + fc_schedule_pause_ms(schedule, job->misses,
                                              FC_SCHEDULE_LOST_PAUSE_MAX_MS);
  return fc_schedule_slot_ms(schedule, job->phase_ms,
                             now.mono_ms + instance->interval_ms / 2);
}

/* What an answer may change without an event: all but the status, which is
 * behind. As bytes, none of which are padding. */
static bool figures_differ(const struct fc_facts *a, const struct fc_facts *b) {
  /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*) */
  return memcmp(a, b, offsetof(struct fc_facts, status)) != 0;
}

static void report_under_lock(struct fc_instance *instance, const char *format,
                              ...) FC_PRINTF(2, 3);

static void report_under_lock(struct fc_instance *instance, const char *format,
                              ...) {
  va_list arguments;
  va_start(arguments, format);
  fc_reports_add(&instance->reports, FC_SEVERITY_OKAY, format, arguments);
  va_end(arguments);
}

/* The API has learnt a word that we have not: said when a job comes to it, but
 * not for each of the jobs that come to the same one. */
static void report_unknown_word(struct fc_instance *instance,
                                const struct fc_job *job, const char *word) {
  if (instance->has_unknown_word && strcmp(word, instance->unknown_word) == 0)
    return;
  instance->has_unknown_word = true;
  fc_text_copy(instance->unknown_word, sizeof(instance->unknown_word), word);
  report_under_lock(instance,
                    "%s %s has the status \"%s\", which this version does not "
                    "know: it counts as unknown",
                    fc_kind_get(job->history.kind)->name, job->id, word);
}

static void apply(struct fc_instance *instance, struct fc_job *job,
                  const struct fc_result *result, struct fc_now now) {
  struct fc_facts before = job->facts;
  bool stalled = job->history.stalled;
  fc_registry_uncount(&instance->registry, job);
  unsigned events = fc_job_apply(job, &instance->rules, result, now.mono_ms,
                                 fc_instance_epoch_s(instance, now));
  fc_registry_count(&instance->registry, job);
  fc_instance_add_events(instance, job, events);
  if (job->facts.status == FC_STATUS_UNKNOWN &&
      before.status != FC_STATUS_UNKNOWN)
    report_unknown_word(instance, job, result->reply.status_word);
  if (events || before.status != job->facts.status ||
      stalled != job->history.stalled)
    fc_instance_changed(instance, job, true);
  else if (figures_differ(&before, &job->facts))
    fc_instance_changed(instance, job, false);
}

static void result_locked(struct fc_instance *instance,
                          const struct fc_ticket *ticket,
                          const struct fc_result *result,
                          enum fc_outcome outcome, struct fc_now now) {
  struct fc_job *job = ticket->job;
  bool first_date = result->has_date && !instance->clock.known;
  if (result->has_date)
    fc_serverclock_learn(&instance->clock, result->date_s, now);
  if (first_date)
    clamp_stamps(instance, now);
  fc_stats_count(&instance->stats, ticket->id, result);
  fc_endpoint_learn(&instance->endpoints[ticket->kind->id], result,
                    fc_instance_epoch_s(instance, now));
  if (outcome == FC_OUTCOME_ANSWER)
    api_is_up(instance);
  else
    api_is_down(instance, result->detail, outcome == FC_OUTCOME_REJECTED, now);
  if (outcome == FC_OUTCOME_ANSWER)
    instance->answered = job;
  bool was_closed = fc_schedule_is_closed(&instance->schedule);
  bool opened =
      fc_schedule_ended(&instance->schedule, outcome,
                        result->has_retry_after ? result->retry_after_s : -1,
                        ticket->started_ms, now.mono_ms);
  if (!was_closed && fc_schedule_is_closed(&instance->schedule))
    silence(instance);
  job->in_flight = false;
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN)) {
    fc_instance_drop_if_unused(instance, job);
  } else if (job->history.kind != (uint8_t)ticket->kind->id) {
    /* Asked before it was known what it is. */
    fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
  } else {
    apply(instance, job, result, now);
    if (!fc_status_is_final(job->facts.status))
      fc_heap_set(&instance->registry.polls, &job->poll,
                  next_turn_ms(instance, job, ticket, outcome, result, now));
    fc_instance_set_timer(instance, job, now);
  }
  if (opened)
    spread(instance, now);
}

bool fc_instance_take_result(struct fc_instance *instance,
                             const struct fc_ticket *ticket,
                             const struct fc_result *result,
                             struct fc_now now) {
  enum fc_outcome outcome = fc_instance_outcome(result);
  fc_instance_lock(instance);
  result_locked(instance, ticket, result, outcome, now);
  fc_instance_unlock(instance);
  return outcome == FC_OUTCOME_REJECTED;
}

/* The job that is asked first behind a closed gate (next_node) has just had its
 * turn: it is due again now. */
void fc_instance_key_changed(struct fc_instance *instance, struct fc_now now) {
  fc_instance_lock(instance);
  fc_schedule_key_changed(&instance->schedule, now.mono_ms);
  struct fc_job *answered = instance->answered;
  if (answered && answered->poll.place &&
      fc_schedule_is_closed(&instance->schedule))
    fc_heap_set(&instance->registry.polls, &answered->poll,
                fc_min64(answered->poll.key, now.mono_ms));
  fc_instance_unlock(instance);
}

void fc_instance_key_unusable(struct fc_instance *instance, const char *text,
                              struct fc_now now) {
  fc_instance_lock(instance);
  fc_stats_fail(&instance->stats, FC_CLASS_AUTH, "", text);
  api_is_down(instance, text, true, now);
  fc_instance_unlock(instance);
}
