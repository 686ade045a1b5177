/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/watch/instance_private.h"

#include "src/api/name.h"
#include "src/base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an operator may have been told of the API, and what takes it back. */
#define API_PROBLEM                                                            \
  (FC_EVENT_BIT(FC_EVENT_KEY_REJECTED) | FC_EVENT_BIT(FC_EVENT_API_UNUSABLE))
#define API_PROBLEM_OVER                                                       \
  (FC_EVENT_BIT(FC_EVENT_API_USABLE) | FC_EVENT_BIT(FC_EVENT_API_IDLE))

enum {
  /* A Date header is cut to whole seconds and travels a while, so the latest
   * offset seen is the best; one that is this much behind is another clock. */
  CLOCK_SLACK_MS = 2000
};

struct fc_instance *fc_instance_new(const struct fc_settings *settings,
                                    int64_t interval_ms, uint64_t seed) {
  struct fc_instance *instance = calloc(1, sizeof(*instance));
  if (!instance)
    return NULL;
  if (settings->interval_ms)
    interval_ms = settings->interval_ms;
  struct fc_schedule_limits limits = {
      .interval_ms = interval_ms,
      .max_concurrency = settings->max_concurrency,
      .per_minute = settings->max_requests_per_minute,
  };
  if (fc_schedule_init(&instance->schedule, &limits, seed)) {
    free(instance);
    return NULL;
  }
  (void)pthread_mutex_init(&instance->lock, NULL);
  fc_registry_init(&instance->registry);
  instance->settings = settings;
  instance->interval_ms = interval_ms;
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    const struct fc_kind *kind = fc_kind_get((enum fc_kind_id)i);
    struct endpoint *endpoint = &instance->endpoints[i];
    endpoint->sunset_s = fc_settings_is_cloud(settings) ? kind->cloud_end_s : 0;
    endpoint->has_sunset = endpoint->sunset_s != 0;
  }
  instance->rules = (struct fc_job_rules){
      .stall_timeout_s = settings->stall_timeout_s,
      .expiry_warning_s = settings->expiry_warning_s,
      .repeat_interval_s = settings->repeat_interval_s,
      .forget_after_s = settings->forget_after_s,
      .notify_completed = settings->notify_completed,
  };
  return instance;
}

void fc_instance_free(struct fc_instance *instance) {
  if (!instance)
    return;
  fc_registry_release(&instance->registry);
  fc_schedule_release(&instance->schedule);
  (void)pthread_mutex_destroy(&instance->lock);
  free(instance);
}

const struct fc_settings *
fc_instance_settings(const struct fc_instance *instance) {
  return instance->settings;
}

int64_t fc_instance_interval_ms(const struct fc_instance *instance) {
  return instance->interval_ms;
}

int64_t fc_instance_epoch_s(const struct fc_instance *instance,
                            struct fc_now now) {
  return instance->has_clock ? (now.mono_ms + instance->clock_ms) / 1000
                             : now.epoch_s;
}

static void learn_clock(struct fc_instance *instance, int64_t date_s,
                        struct fc_now now) {
  int64_t offset_ms = date_s * 1000 - now.mono_ms;
  if (!instance->has_clock || offset_ms > instance->clock_ms ||
      offset_ms < instance->clock_ms - CLOCK_SLACK_MS)
    instance->clock_ms = offset_ms;
  instance->has_clock = true;
}

/* Only the server's time tells whether a stored time stamp lies ahead: the
 * local clock may be behind. One that does counts as now. */
static void clamp_stamps(struct fc_instance *instance, struct fc_now now) {
  int64_t now_s = fc_instance_epoch_s(instance, now);
  for (struct fc_job *job = instance->registry.first; job; job = job->next) {
    job->history.processing_since_s =
        fc_min64(job->history.processing_since_s, now_s);
    job->history.ended_s = fc_min64(job->history.ended_s, now_s);
    job->history.notified_s = fc_min64(job->history.notified_s, now_s);
    if (!job->history.forgotten)
      fc_instance_set_timer(instance, job, now);
  }
}

void fc_instance_drop_events(struct fc_job *job, unsigned events) {
  job->pending &= (uint16_t)~events;
  job->saved &= (uint16_t)~events;
  job->replayed &= (uint16_t)~events;
}

void fc_instance_add_events(struct fc_instance *instance, struct fc_job *job,
                            unsigned events) {
  if (events & FC_EVENT_BIT(FC_EVENT_LOST))
    fc_instance_drop_events(job, job->pending & FC_EVENT_BIT(FC_EVENT_FOUND));
  job->pending |= (uint16_t)events;
  if (!job->pending || job->queued)
    return;
  job->queued = true;
  job->next_pending = NULL;
  if (instance->pending_first)
    instance->pending_last->next_pending = job;
  else
    instance->pending_first = job;
  instance->pending_last = job;
}

void fc_instance_add_event(struct fc_instance *instance,
                           enum fc_event_type type, unsigned opposite) {
  instance->pending &= ~opposite;
  instance->pending |= FC_EVENT_BIT(type);
}

void fc_instance_set_timer(struct fc_instance *instance, struct fc_job *job,
                           struct fc_now now) {
  int64_t at_s = fc_job_timer_s(job, &instance->rules);
  int64_t wait_s = at_s - fc_instance_epoch_s(instance, now);
  if (at_s == FC_NEVER || wait_s > INT32_MAX)
    fc_heap_remove(&instance->registry.timers, &job->timer);
  else
    fc_heap_set(&instance->registry.timers, &job->timer,
                now.mono_ms + (wait_s > 0 ? wait_s * 1000 : 0));
}

void fc_instance_changed(struct fc_instance *instance, struct fc_job *job,
                         bool urgent) {
  if (!instance->saves)
    return;
  instance->save_urgent = instance->save_urgent || urgent;
  if (job->unsaved)
    return;
  job->unsaved = true;
  job->next_unsaved = NULL;
  if (instance->unsaved_first)
    instance->unsaved_last->next_unsaved = job;
  else
    instance->unsaved_first = job;
  instance->unsaved_last = job;
}

void fc_instance_drop_if_unused(struct fc_instance *instance,
                                struct fc_job *job) {
  if (job->history.forgotten && !job->kept && !job->in_flight && !job->queued &&
      !job->unsaved && !job->saving) {
    if (instance->answered == job)
      instance->answered = NULL;
    fc_registry_remove(&instance->registry, job);
  }
}

/* Makes it a job that nobody wants watched. */
static void set_forgotten(struct fc_instance *instance, struct fc_job *job) {
  fc_registry_uncount(&instance->registry, job);
  job->history.sources = 0;
  job->history.forgotten = true;
  job->history.silent = true;
  fc_heap_remove(&instance->registry.polls, &job->poll);
  fc_heap_remove(&instance->registry.timers, &job->timer);
}

void fc_instance_forget_job(struct fc_instance *instance, struct fc_job *job,
                            struct fc_now now) {
  int64_t wait_s = instance->rules.forget_after_s;
  set_forgotten(instance, job);
  job->kept = fc_status_is_final(job->facts.status) && wait_s > 0 &&
              instance->kept < (size_t)instance->settings->max_jobs;
  if (job->kept) {
    instance->kept++;
    fc_heap_set(&instance->registry.timers, &job->timer,
                now.mono_ms + wait_s * 1000);
  }
  fc_instance_changed(instance, job, true);
  fc_instance_drop_if_unused(instance, job);
}

/* Some sources no longer want the job. */
static void take_sources(struct fc_instance *instance, struct fc_job *job,
                         unsigned sources, struct fc_now now) {
  job->history.sources &= (uint8_t)~sources;
  fc_instance_changed(instance, job, true);
  if (!job->history.sources)
    fc_instance_forget_job(instance, job, now);
}

static void keep_no_longer(struct fc_instance *instance, struct fc_job *job) {
  instance->kept -= job->kept;
  job->kept = false;
}

/* Its time is over: nothing is kept of it. */
static void drop(struct fc_instance *instance, struct fc_job *job) {
  set_forgotten(instance, job);
  keep_no_longer(instance, job);
  fc_instance_changed(instance, job, false);
  fc_instance_drop_if_unused(instance, job);
}

static void watch_again(struct fc_instance *instance, struct fc_job *job,
                        struct fc_now now) {
  keep_no_longer(instance, job);
  job->history.forgotten = false;
  job->history.silent = false;
  fc_registry_count(&instance->registry, job);
  if (!fc_status_is_final(job->facts.status) && !job->in_flight)
    fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
  fc_instance_set_timer(instance, job, now);
}

bool fc_instance_is_full(const struct fc_instance *instance) {
  return instance->registry.len - instance->kept >=
         (size_t)instance->settings->max_jobs;
}

static enum fc_error add_new(struct fc_instance *instance,
                             const struct fc_kind *kind, const char *id,
                             const char *name, struct fc_now now,
                             struct fc_job **added) {
  if (fc_instance_is_full(instance))
    return FC_ERR_LIMIT;
  struct fc_job *job;
  enum fc_error error =
      fc_registry_add(&instance->registry, kind, id, name, &job);
  if (error)
    return error;
  job->history.first_seen_s = fc_instance_epoch_s(instance, now);
  job->phase_ms = fc_schedule_phase_ms(&instance->schedule);
  /* A new job is asked for at once, unless many are: then each in its turn. */
  const struct fc_heap *polls = &instance->registry.polls;
  bool busy = polls->len >= (size_t)instance->settings->max_concurrency &&
              fc_heap_first(polls)->key <= now.mono_ms;
  fc_heap_set(&instance->registry.polls, &job->poll,
              busy ? fc_schedule_slot_ms(&instance->schedule, job->phase_ms,
                                         now.mono_ms)
                   : now.mono_ms);
  job->file_pass = instance->file_pass - 1;
  job->last_asked_ms = now.mono_ms;
  *added = job;
  return FC_OK;
}

/* A JobFile is mended by its next reading, all else by a job that is taken. */
static unsigned refusal_of(enum fc_job_source source) {
  return source == FC_SOURCE_FILE ? FC_SOURCE_FILE : FC_SOURCE_REGISTRATION;
}

static void refuse(struct fc_instance *instance, enum fc_job_source source,
                   const char *text) {
  bool told = instance->refusing != 0;
  instance->refusing |= refusal_of(source);
  if (told)
    return;
  fc_text_copy(instance->refused_text, sizeof(instance->refused_text), text);
  fc_instance_add_event(instance, FC_EVENT_JOBS_REFUSED,
                        FC_EVENT_BIT(FC_EVENT_JOBS_ACCEPTED));
}

static void refuse_no_more(struct fc_instance *instance,
                           enum fc_job_source source) {
  if (!(instance->refusing & refusal_of(source)))
    return;
  instance->refusing &= ~refusal_of(source);
  if (!instance->refusing)
    fc_instance_add_event(instance, FC_EVENT_JOBS_ACCEPTED, 0);
}

void fc_instance_refuse_beyond_max(struct fc_instance *instance,
                                   enum fc_job_source source, const char *id) {
  char text[FC_ERROR_TEXT_SIZE];
  size_t used = 0;
  fc_text_append(text, sizeof(text), &used,
                 "MaxJobs %" PRId64 " is reached; the first one refused is %s",
                 instance->settings->max_jobs, id);
  refuse(instance, source, text);
}

/* One that is only kept does not count among the jobs there are. */
static enum fc_error known_again(struct fc_instance *instance,
                                 struct fc_job *job, const char *name) {
  if (job->kept && fc_instance_is_full(instance))
    return FC_ERR_LIMIT;
  if (!name)
    return FC_OK;
  return fc_registry_rename(&instance->registry, job, name);
}

/* Whether another source's word on the job goes before that of `source`. The
 * sources' values grow as their words lose weight. */
static bool is_overruled(const struct fc_job *job, enum fc_job_source source) {
  return (job->history.sources & ((unsigned)source - 1)) != 0;
}

/* What is pending of the job as the other kind is pending no more; the queue
 * passes over a job with none pending. */
static void change_kind(struct fc_instance *instance, struct fc_job *job,
                        const struct fc_kind *kind, struct fc_now now) {
  fc_registry_uncount(&instance->registry, job);
  fc_job_restart(job, kind);
  fc_registry_count(&instance->registry, job);
  job->history.first_seen_s = fc_instance_epoch_s(instance, now);
  job->last_asked_ms = now.mono_ms;
  if (job->history.forgotten)
    return;
  if (!job->in_flight)
    fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
  fc_instance_set_timer(instance, job, now);
}

/* The file's claim on a job, once per reading. */
static enum fc_error claim(struct fc_instance *instance, struct fc_job *job) {
  if (job->file_pass == instance->file_pass)
    return FC_ERR_EXISTS;
  job->file_pass = instance->file_pass;
  return FC_OK;
}

static enum fc_error add_locked(struct fc_instance *instance,
                                const struct fc_kind *kind, const char *id,
                                const char *name, enum fc_job_source source,
                                struct fc_now now) {
  struct fc_job *job = fc_registry_find(&instance->registry, id);
  bool from_file = source == FC_SOURCE_FILE;
  if (job && from_file && claim(instance, job))
    return FC_ERR_EXISTS;
  bool is_new = !job || job->history.forgotten ||
                !(job->history.sources & (uint8_t)source);
  bool unsure = !job && instance->unsure && source != FC_SOURCE_REGISTRATION;
  bool renamed = job && name && strcmp(job->name->text, name) != 0;
  bool other_kind = job && job->history.kind != (uint8_t)kind->id;
  bool overruled = other_kind && is_overruled(job, source);
  bool taken = !job || job->history.forgotten;
  if (overruled && source == FC_SOURCE_REGISTRATION)
    return FC_ERR_EXISTS;
  enum fc_error error =
      !job ? add_new(instance, kind, id, name ? name : id, now, &job)
           : known_again(instance, job, name);
  if (error == FC_ERR_LIMIT)
    fc_instance_refuse_beyond_max(instance, source, id);
  if (error)
    return error;
  if (unsure)
    job->replayed = UINT16_MAX;
  if (from_file)
    (void)claim(instance, job);
  else if (taken)
    refuse_no_more(instance, source);
  job->history.sources |= (uint8_t)source;
  if (other_kind && !overruled)
    change_kind(instance, job, kind, now);
  if (job->history.forgotten)
    watch_again(instance, job, now);
  if (is_new || renamed || (other_kind && !overruled))
    fc_instance_changed(instance, job, true);
  return FC_OK;
}

enum fc_error fc_instance_add(struct fc_instance *instance,
                              const struct fc_kind *kind, const char *id,
                              const char *name, enum fc_job_source source,
                              struct fc_now now) {
  if (!name && source != FC_SOURCE_REGISTRATION)
    name = id;
  if (!fc_id_valid(id, strlen(id)) ||
      (name && !fc_name_valid(name, strlen(name))))
    return FC_ERR_ARGUMENT;
  fc_instance_lock(instance);
  enum fc_error error = add_locked(instance, kind, id, name, source, now);
  fc_instance_unlock(instance);
  return error;
}

enum fc_error fc_instance_forget(struct fc_instance *instance, const char *id,
                                 enum fc_job_source source, struct fc_now now) {
  fc_instance_lock(instance);
  struct fc_job *job = fc_registry_find(&instance->registry, id);
  bool known = job && (job->history.sources & source);
  if (known)
    take_sources(instance, job, source, now);
  fc_instance_unlock(instance);
  return known ? FC_OK : FC_ERR_NOT_FOUND;
}

void fc_instance_file_begin(struct fc_instance *instance) {
  fc_instance_lock(instance);
  instance->file_pass++;
  fc_instance_unlock(instance);
}

void fc_instance_file_end(struct fc_instance *instance, const char *refused,
                          struct fc_now now) {
  struct fc_job *next;
  fc_instance_lock(instance);
  for (struct fc_job *job = instance->registry.first; job; job = next) {
    next = job->next;
    if ((job->history.sources & FC_SOURCE_FILE) &&
        job->file_pass != instance->file_pass)
      take_sources(instance, job, FC_SOURCE_FILE, now);
  }
  if (refused)
    refuse(instance, FC_SOURCE_FILE, refused);
  else
    refuse_no_more(instance, FC_SOURCE_FILE);
  fc_instance_unlock(instance);
}

static void report_locked(struct fc_instance *instance,
                          enum fc_severity severity, const char *format,
                          va_list arguments) FC_PRINTF(3, 0);

static void report_locked(struct fc_instance *instance,
                          enum fc_severity severity, const char *format,
                          va_list arguments) {
  if (instance->reports_len == FC_REPORTS_MAX) {
    instance->reports_lost++;
    return;
  }
  struct fc_report *report = &instance->reports[instance->reports_len++];
  report->severity = severity;
  (void)vsnprintf(report->text, sizeof(report->text), format, arguments);
}

void fc_instance_report(struct fc_instance *instance, enum fc_severity severity,
                        const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fc_instance_lock(instance);
  report_locked(instance, severity, format, arguments);
  fc_instance_unlock(instance);
  va_end(arguments);
}

void fc_instance_poll_now(struct fc_instance *instance, struct fc_now now) {
  fc_instance_lock(instance);
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    if (job->poll.place && job->poll.key > now.mono_ms)
      fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
  fc_instance_unlock(instance);
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
  if (job->history.forgotten) {
    drop(instance, job);
    return;
  }
  unsigned events = fc_job_tick(job, &instance->rules,
                                fc_instance_epoch_s(instance, now), &ended);
  fc_instance_add_events(instance, job, events);
  if (events || ended)
    fc_instance_changed(instance, job, true);
  if (ended && !(job->history.sources & (FC_SOURCE_CONFIG | FC_SOURCE_FILE)))
    drop(instance, job);
  else
    fc_instance_set_timer(instance, job, now);
}

/* When the API counts as unusable; FC_NEVER if that is not in sight. */
static int64_t unusable_ms(const struct fc_instance *instance) {
  if (!instance->api_down || instance->problem != PROBLEM_NONE)
    return FC_NEVER;
  return instance->api_down_since_ms +
         FC_API_DOWN_INTERVALS * instance->interval_ms;
}

bool fc_instance_has_work(const struct fc_instance *instance) {
  return instance->registry.polls.len > 0 || instance->schedule.in_flight > 0;
}

/* An API that nobody asks is neither up nor down. */
static void rest(struct fc_instance *instance) {
  instance->api_heard = false;
  instance->api_down = false;
  if (instance->problem == PROBLEM_NONE)
    return;
  instance->problem = PROBLEM_NONE;
  instance->pending &= ~API_PROBLEM;
  if (instance->problem_reported)
    fc_instance_add_event(instance, FC_EVENT_API_IDLE,
                          FC_EVENT_BIT(FC_EVENT_API_USABLE));
}

/* Returns when time alone counts next, monotonic. */
static int64_t tick(struct fc_instance *instance, struct fc_now now) {
  if (!fc_instance_has_work(instance))
    rest(instance);
  struct fc_heap *timers = &instance->registry.timers;
  struct fc_heap_node *node;
  while ((node = fc_heap_first(timers)) && node->key <= now.mono_ms)
    job_tick(instance, fc_registry_job_of_timer(node), now);
  if (now.mono_ms >= unusable_ms(instance)) {
    instance->problem = PROBLEM_API;
    silence(instance);
    fc_instance_add_event(instance, FC_EVENT_API_UNUSABLE, API_PROBLEM_OVER);
  }
  return fc_min64(node ? node->key : FC_NEVER, unusable_ms(instance));
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

void fc_instance_count_failure(struct fc_instance *instance,
                               enum fc_error_class class, const char *id,
                               const char *detail) {
  struct fc_failure *failure = &instance->failures[class];
  failure->count++;
  fc_text_copy(failure->id, sizeof(failure->id), id);
  fc_text_copy(failure->detail, sizeof(failure->detail), detail);
}

static void count_result(struct fc_instance *instance,
                         const struct fc_ticket *ticket,
                         const struct fc_result *result) {
  instance->requests++;
  if (result->http_code > 0 && result->http_code <= FC_HTTP_CODE_MAX)
    instance->codes[result->http_code]++;
  instance->timed++;
  instance->timed_sum_s += result->seconds;
  if (result->seconds > instance->timed_max_s)
    instance->timed_max_s = result->seconds;
  enum fc_error_class class = fc_error_class(result->error);
  if (class != FC_CLASS_NONE)
    fc_instance_count_failure(instance, class, ticket->id, result->detail);
}

static void api_is_up(struct fc_instance *instance) {
  instance->api_heard = true;
  instance->api_up = true;
  instance->api_down = false;
  if (instance->problem == PROBLEM_NONE)
    return;
  instance->problem = PROBLEM_NONE;
  fc_instance_add_event(instance, FC_EVENT_API_USABLE, 0);
}

static void api_is_down(struct fc_instance *instance, const char *text,
                        bool rejected, struct fc_now now) {
  if (!fc_instance_has_work(instance))
    return;
  if (!instance->api_down)
    instance->api_down_since_ms = now.mono_ms;
  instance->api_heard = true;
  instance->api_up = false;
  instance->api_down = true;
  if (instance->problem == PROBLEM_NONE ||
      (rejected && instance->problem == PROBLEM_API))
    fc_text_copy(instance->api_text, sizeof(instance->api_text), text);
  if (!rejected || instance->problem == PROBLEM_KEY)
    return;
  instance->problem = PROBLEM_KEY;
  fc_instance_add_event(instance, FC_EVENT_KEY_REJECTED,
                        API_PROBLEM_OVER | FC_EVENT_BIT(FC_EVENT_API_UNUSABLE));
}

/* Warned of once per date, and once more in its last week; of one that has
 * passed there is nothing to warn, and if the endpoint still answers then, it
 * was none. */
static void endpoint_sunset(struct endpoint *endpoint, bool answers,
                            int64_t now_s) {
  int64_t left_s = endpoint->sunset_s - now_s;
  bool last = left_s <= FC_SUNSET_LAST_WARNING_S;
  if (left_s <= 0) {
    endpoint->has_sunset = !answers;
    endpoint->pending &= ~FC_EVENT_BIT(FC_EVENT_ENDPOINT_SUNSET);
    return;
  }
  if (endpoint->sunset_reported_s != endpoint->sunset_s) {
    endpoint->sunset_reported_s = endpoint->sunset_s;
    endpoint->last_warning_given = last;
  } else if (last && !endpoint->last_warning_given) {
    endpoint->last_warning_given = true;
  } else {
    return;
  }
  endpoint->pending |= FC_EVENT_BIT(FC_EVENT_ENDPOINT_SUNSET);
}

static void learn_endpoint(struct fc_instance *instance,
                           const struct fc_kind *kind,
                           const struct fc_result *result, int64_t now_s) {
  struct endpoint *endpoint = &instance->endpoints[kind->id];
  if (result->successor[0])
    fc_text_copy(endpoint->successor, sizeof(endpoint->successor),
                 result->successor);
  if (result->has_sunset) { /* RFC 8594 */
    endpoint->has_sunset = true;
    endpoint->sunset_s = result->sunset_s;
  }
  if (endpoint->has_sunset && result->answer != FC_ANSWER_NONE)
    endpoint_sunset(endpoint, result->answer != FC_ANSWER_GONE, now_s);
  if (result->answer == FC_ANSWER_GONE && !endpoint->gone_reported) {
    endpoint->gone_reported = true;
    endpoint->pending |= FC_EVENT_BIT(FC_EVENT_ENDPOINT_GONE);
  }
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
    pause_ms = fc_schedule_pause_ms(schedule, ++job->failures,
                                    FC_SCHEDULE_PAUSE_MAX_MS);
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
  report_locked(instance, FC_SEVERITY_OKAY, format, arguments);
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
  bool first_date = result->has_date && !instance->has_clock;
  if (result->has_date)
    learn_clock(instance, result->date_s, now);
  if (first_date)
    clamp_stamps(instance, now);
  count_result(instance, ticket, result);
  learn_endpoint(instance, ticket->kind, result,
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
  if (job->history.forgotten) {
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
  fc_instance_count_failure(instance, FC_CLASS_AUTH, "", text);
  api_is_down(instance, text, true, now);
  fc_instance_unlock(instance);
}
