/* SPDX-License-Identifier: MIT */

#include "src/watch/instance_private.h"

#include "src/base/macros.h"
#include "src/base/text.h"

#include <stdarg.h>
#include <string.h>

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
  fc_instance_lock(instance);
  bool is_first = fc_flush_ask(&instance->flush, now.mono_ms);
  instance->flush_age_ms =
      is_first ? age_ms : fc_min64(instance->flush_age_ms, age_ms);
  fc_instance_unlock(instance);
}

/* Carries out a FLUSH that is due; returns when one is, monotonic. */
static int64_t flush_turn(struct fc_instance *instance, struct fc_now now) {
  bool has_budget = instance->settings->max_requests_per_minute > 0;
  if (fc_flush_take(&instance->flush, has_budget ? 0 : FC_FLUSH_PAUSE_MS,
                    now.mono_ms))
    poll_older(instance, instance->flush_age_ms, now);
  return instance->flush.due_ms;
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

void fc_instance_tick_job(struct fc_instance *instance, struct fc_job *job,
                          struct fc_now now) {
  bool ended;
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN)) {
    fc_instance_end_watch(instance, job, /* keep_s = */ 0, now);
    return;
  }
  if (!fc_serverclock_is_sure(&instance->clock, now)) {
    fc_instance_set_timer(instance, job, now);
    return;
  }
  unsigned events = fc_job_tick(job, &instance->rules, now.mono_ms,
                                fc_instance_epoch_s(instance, now), &ended);
  fc_instance_add_events(instance, job, events, now);
  if (events || ended)
    fc_instance_changed(instance, job, true);
  if (ended && !(job->history.sources & FC_SOURCES_LISTED))
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
  fc_instance_take_back(instance, FC_EVENTS_OF_API_TROUBLE);
  if (health->reported)
    fc_instance_add_event(instance, FC_EVENT_API_IDLE, health->failing_since_s);
}

/* Nothing is known of the jobs any more, and that is reported. */
static void add_problem(struct fc_instance *instance, enum fc_problem problem) {
  static const enum fc_event_type events[] = {
      [FC_PROBLEM_API] = FC_EVENT_API_UNUSABLE,
      [FC_PROBLEM_KEY_MISSING] = FC_EVENT_KEY_MISSING,
      [FC_PROBLEM_KEY_REJECTED] = FC_EVENT_KEY_REJECTED,
  };
  const struct fc_health *health = &instance->health;
  silence(instance);
  if (problem == FC_PROBLEM_KEY_MISSING)
    fc_stats_fail(&instance->stats, FC_CLASS_AUTH, "", health->text);
  fc_instance_add_event(instance, events[problem], health->failing_since_s);
}

/* A gate that a rejected key has closed lets the second question through that
 * health asks for. */
_Static_assert((int)FC_SCHEDULE_REJECTED_MS >= (int)FC_HEALTH_REJECTED_MS,
               "the second 401 comes late enough to count");

/* How long trouble lasts before it is a problem. */
static int64_t patience_ms(const struct fc_instance *instance) {
  enum { INTERVALS = 3, MIN_MS = 30 * 1000, MAX_MS = 15 * 60 * 1000 };
  return fc_max64(MIN_MS, fc_min64(INTERVALS * instance->interval_ms, MAX_MS));
}

/* Returns when time alone counts next, monotonic. */
static int64_t tick(struct fc_instance *instance, struct fc_now now) {
  struct fc_health *health = &instance->health;
  struct fc_heap *timers = &instance->registry.timers;
  struct fc_heap_node *node;
  if (!fc_instance_has_work(instance))
    rest(instance);
  while ((node = fc_heap_first(timers)) && node->key <= now.mono_ms)
    fc_instance_tick_job(instance, fc_registry_job_of_timer(node), now);
  enum fc_problem problem =
      fc_health_tick(health, patience_ms(instance), now.mono_ms);
  if (problem)
    add_problem(instance, problem);
  return fc_min64(node ? node->key : FC_NEVER,
                  fc_health_due_ms(health, patience_ms(instance)));
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
  job->again = false;
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

static void api_has_failed(struct fc_instance *instance, enum fc_cause cause,
                           const char *text, struct fc_now now) {
  struct fc_health *health = &instance->health;
  if (!fc_instance_has_work(instance))
    return;
  if (fc_health_failed(health, cause, text, now.mono_ms,
                       fc_instance_epoch_s(instance, now)))
    add_problem(instance, FC_PROBLEM_KEY_REJECTED);
  if (!instance->settings->api_key_file)
    fc_health_key_read(health);
}

/* What the result says of the API, once the schedule and the job know it. */
static void judge_api(struct fc_instance *instance, enum fc_outcome outcome,
                      const struct fc_result *result, struct fc_now now) {
  struct fc_health *health = &instance->health;
  bool is_over = false;
  switch (outcome) {
  case FC_OUTCOME_ANSWER:
    is_over = fc_health_answered(health);
    break;
  case FC_OUTCOME_RATE_LIMIT:
    is_over = fc_health_paused(health, instance->schedule.pause_until_ms,
                               now.mono_ms);
    if (fc_health_is_paused_long(health, patience_ms(instance)))
      silence(instance);
    break;
  case FC_OUTCOME_REJECTED:
    api_has_failed(instance, FC_CAUSE_REJECTED, result->detail, now);
    break;
  case FC_OUTCOME_FAILURE:
    api_has_failed(instance,
                   result->error == FC_ERR_REFUSED ? FC_CAUSE_REFUSED
                                                   : FC_CAUSE_OTHER,
                   result->detail, now);
    break;
  }
  if (is_over)
    fc_instance_add_event(instance, FC_EVENT_API_USABLE,
                          health->failing_since_s);
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
    if (job->failures < FC_JOB_COUNT_MAX)
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
    return now.mono_ms +
           fc_max64(instance->interval_ms,
                    fc_schedule_pause_ms(schedule, job->misses,
                                         FC_SCHEDULE_LOST_PAUSE_MAX_MS));
  if (job->missing)
    return now.mono_ms + fc_schedule_retry_ms(schedule);
  return fc_schedule_slot_ms(schedule, job->phase_ms,
                             now.mono_ms + instance->interval_ms / 2);
}

/* What an answer may change without an event: all but the status, which is
 * behind. As bytes, none of which are padding. */
static bool figures_differ(const struct fc_facts *a, const struct fc_facts *b) {
  /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-*) */
  return memcmp(a, b, offsetof(struct fc_facts, status)) != 0;
}

/* The API has learnt a word that we have not: said when a job comes to it, but
 * not for each of the jobs that come to the same one. */
static void report_unknown_word(struct fc_instance *instance,
                                const struct fc_job *job, const char *word,
                                int64_t now_ms) {
  if ((instance->has_unknown_word &&
       strcmp(word, instance->unknown_word) == 0) ||
      fc_flap_is_held(&instance->word_flap, now_ms))
    return;
  bool last = fc_flap_tell(&instance->word_flap, now_ms);
  instance->has_unknown_word = true;
  fc_text_copy(instance->unknown_word, sizeof(instance->unknown_word), word);
  fc_instance_report_held(
      instance, FC_SEVERITY_OKAY,
      "%s %s has the status \"%s\", which this version does not "
      "know: it counts as unknown%s",
      fc_kind_get(job->history.kind)->name, job->id, word,
      last ? "; " FC_FLAP_LAST : "");
}

/* It was asked before it was known what the job is. */
static bool is_of_other_kind(const struct fc_ticket *ticket) {
  return ticket->job->history.kind != (uint8_t)ticket->kind->id;
}

/* Its own 403 is about the job where others were answered since the last one,
 * and a failure where none was. */
static enum fc_answer answer_about(struct fc_instance *instance,
                                   const struct fc_ticket *ticket,
                                   const struct fc_result *result,
                                   struct fc_now now) {
  struct fc_job *job = ticket->job;
  if (result->answer != FC_ANSWER_NONE) {
    instance->answered = job;
    instance->era += instance->era_used;
    instance->era_used = false;
  }
  if (result->error != FC_ERR_REFUSED || is_of_other_kind(ticket))
    return result->answer;
  bool is_its_own = job->missing && job->refused_era != instance->era;
  fc_job_miss(job, now.mono_ms);
  job->refused_era = instance->era;
  instance->era_used = true;
  return is_its_own ? FC_ANSWER_NOT_FOUND : FC_ANSWER_NONE;
}

static void count_end(struct fc_instance *instance, int before, int status) {
  if (status != before && fc_status_has_ended((enum fc_status)status))
    instance->stats.ends[status]++;
}

static void apply(struct fc_instance *instance, struct fc_job *job,
                  enum fc_answer answer, const struct fc_result *result,
                  const struct fc_moment *moment, struct fc_now now) {
  struct fc_facts before = job->facts;
  bool stalled = job->history.stalled;
  fc_registry_uncount(&instance->registry, job);
  unsigned events = fc_job_apply(job, &instance->rules, answer, result, moment);
  fc_registry_count(&instance->registry, job);
  count_end(instance, before.status, job->facts.status);
  if (fc_status_is_final(job->facts.status))
    instance->crowded = true;
  /* It may have been registered again, after the state file was lost. */
  if (instance->unsure && before.status == FC_STATUS_NONE &&
      fc_status_has_ended(job->facts.status))
    fc_job_doubt(job);
  if (job->facts.status == FC_STATUS_COMPLETED)
    fc_instance_outrank(instance, job);
  fc_instance_add_events(instance, job, events, now);
  if (job->facts.status == FC_STATUS_UNKNOWN &&
      before.status != FC_STATUS_UNKNOWN)
    report_unknown_word(instance, job, result->reply.status_word, now.mono_ms);
  if (events || before.status != job->facts.status ||
      stalled != job->history.stalled)
    fc_instance_changed(instance, job, true);
  else if (figures_differ(&before, &job->facts))
    fc_instance_changed(instance, job, false);
}

/* All jobs of an endpoint that was gone are asked for at once, but once per
 * interval: it may be gone for some of them only. */
static void come_back(struct fc_instance *instance, enum fc_kind_id kind,
                      struct fc_now now) {
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    if (job->history.kind == (uint8_t)kind && job->poll.place &&
        job->facts.status == FC_STATUS_LOST)
      fc_heap_set(&instance->registry.polls, &job->poll,
                  fc_min64(job->poll.key,
                           fc_max64(now.mono_ms, job->last_asked_ms +
                                                     instance->interval_ms)));
}

static void judge_job(struct fc_instance *instance,
                      const struct fc_ticket *ticket, enum fc_answer answer,
                      const struct fc_result *result, enum fc_outcome outcome,
                      const struct fc_moment *moment, struct fc_now now) {
  struct fc_job *job = ticket->job;
  job->in_flight = false;
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN)) {
    fc_instance_drop_if_unused(instance, job);
  } else if (is_of_other_kind(ticket)) {
    fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
  } else {
    apply(instance, job, answer, result, moment, now);
    if (!fc_status_is_final(job->facts.status))
      fc_heap_set(&instance->registry.polls, &job->poll,
                  next_turn_ms(instance, job, ticket, outcome, result, now));
    if (job->again && job->poll.place)
      fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
    fc_instance_set_timer(instance, job, now);
  }
}

/* Returns whether the key was rejected. */
static bool result_locked(struct fc_instance *instance,
                          const struct fc_ticket *ticket,
                          const struct fc_result *result, struct fc_now now) {
  struct fc_moment moment = fc_instance_learn_time(instance, result, now);
  fc_stats_count(&instance->stats, ticket->id, result);
  if (fc_endpoint_learn(&instance->endpoints[ticket->kind->id], result,
                        moment.now_s, moment.doubted))
    come_back(instance, ticket->kind->id, now);
  enum fc_answer answer = answer_about(instance, ticket, result, now);
  enum fc_outcome outcome = answer == FC_ANSWER_NONE
                                ? fc_instance_outcome(result)
                                : FC_OUTCOME_ANSWER;
  bool was_closed = fc_schedule_is_closed(&instance->schedule);
  bool opened =
      fc_schedule_ended(&instance->schedule, outcome,
                        result->has_retry_after ? result->retry_after_s : -1,
                        ticket->started_ms, now.mono_ms);
  if (!was_closed && fc_schedule_is_closed(&instance->schedule))
    silence(instance);
  judge_job(instance, ticket, answer, result, outcome, &moment, now);
  judge_api(instance, outcome, result, now);
  if (opened)
    spread(instance, now);
  if (outcome == FC_OUTCOME_ANSWER)
    fc_instance_hurry(instance, now);
  return outcome == FC_OUTCOME_REJECTED;
}

bool fc_instance_take_result(struct fc_instance *instance,
                             const struct fc_ticket *ticket,
                             const struct fc_result *result,
                             struct fc_now now) {
  fc_instance_lock(instance);
  bool rejected = result_locked(instance, ticket, result, now);
  fc_instance_make_room(instance, now);
  fc_instance_unlock(instance);
  return rejected;
}

/* The job that is asked first behind a closed gate (next_node) has just had its
 * turn: it is due again now. */
void fc_instance_key_changed(struct fc_instance *instance, struct fc_now now) {
  fc_instance_lock(instance);
  fc_schedule_key_changed(&instance->schedule, now.mono_ms);
  fc_health_key_changed(&instance->health);
  struct fc_job *answered = instance->answered;
  if (answered && answered->poll.place &&
      fc_schedule_is_closed(&instance->schedule))
    fc_heap_set(&instance->registry.polls, &answered->poll,
                fc_min64(answered->poll.key, now.mono_ms));
  fc_instance_unlock(instance);
}

void fc_instance_key_read(struct fc_instance *instance) {
  fc_instance_lock(instance);
  fc_health_key_read(&instance->health);
  fc_instance_unlock(instance);
}

void fc_instance_key_missing(struct fc_instance *instance, const char *text,
                             struct fc_now now) {
  fc_instance_lock(instance);
  api_has_failed(instance, FC_CAUSE_NO_KEY, text, now);
  fc_instance_unlock(instance);
}
