/* SPDX-License-Identifier: MIT */

#include "src/watch/instance_private.h"

#include <stdarg.h>
#include <stdlib.h>

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
  fc_flush_init(&instance->flush);
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    fc_endpoint_init(&instance->endpoints[i], fc_kind_get((enum fc_kind_id)i),
                     settings->url, fc_settings_is_cloud(settings));
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

const struct fc_throttle_rule fc_instance_told_rule = {FC_INSTANCE_TOLD_MAX,
                                                       FC_INSTANCE_TOLD_MS};

/* Whether the loss of a job is told now. */
static bool may_tell_loss(struct fc_instance *instance,
                          const struct fc_job *job, struct fc_now now) {
  return job->history.sources & FC_SOURCE_CONFIG ||
         fc_throttle_say(&instance->told, &fc_instance_told_rule, now.mono_ms);
}

void fc_instance_add_events(struct fc_instance *instance, struct fc_job *job,
                            unsigned events, struct fc_now now) {
  struct fc_outbox_event *outbox = job->outbox.event;
  /* Whoever has not heard that it was found takes it for lost already. */
  if (events & FC_EVENT_BIT(FC_EVENT_LOST) &&
      fc_outbox_take_back(&outbox[FC_EVENT_FOUND]))
    events &= ~FC_EVENT_BIT(FC_EVENT_LOST);
  if (events & FC_EVENT_BIT(FC_EVENT_LOST) &&
      !may_tell_loss(instance, job, now)) {
    fc_job_put_off(job);
    events &= ~FC_EVENT_BIT(FC_EVENT_LOST);
  }
  for (unsigned type = 0; type < FC_EVENT_JOB_COUNT; type++)
    if (events & FC_EVENT_BIT(type))
      fc_outbox_add(&outbox[type], (enum fc_status)job->facts.status,
                    (enum fc_status)job->history.previous);
  if (fc_job_has_pending(job) && !fc_link_is_queued(&job->owing))
    fc_queue_add(&instance->owing, &job->owing);
}

struct fc_outbox_event *fc_instance_event(struct fc_instance *instance,
                                          enum fc_event_type type) {
  return &instance->events[type - FC_EVENT_ENDPOINT_END];
}

enum fc_subject fc_instance_subject(enum fc_event_type type) {
  return type >= FC_EVENT_STATE_UNUSABLE ? FC_SUBJECT_STATE
         : type >= FC_EVENT_JOBS_REFUSED ? FC_SUBJECT_JOBS
                                         : FC_SUBJECT_API;
}

void fc_instance_take_back(struct fc_instance *instance, unsigned events) {
  for (unsigned type = FC_EVENT_ENDPOINT_END; type < FC_EVENT_COUNT; type++)
    if (events & FC_EVENT_BIT(type))
      (void)fc_outbox_take_back(
          fc_instance_event(instance, (enum fc_event_type)type));
}

/* What is over before it was told, where such changes are held back. */
static unsigned undone_by(const struct fc_instance *instance,
                          enum fc_event_type type) {
  static const unsigned undone[FC_EVENT_COUNT] = {
      [FC_EVENT_API_USABLE] = FC_EVENTS_OF_API_TROUBLE,
      [FC_EVENT_API_IDLE] = FC_EVENTS_OF_API_TROUBLE,
      [FC_EVENT_JOBS_ACCEPTED] = FC_EVENT_BIT(FC_EVENT_JOBS_REFUSED),
      [FC_EVENT_STATE_USABLE] = FC_EVENT_BIT(FC_EVENT_STATE_UNUSABLE),
  };
  return instance->subjects[fc_instance_subject(type)].flap.told == FC_FLAP_MAX
             ? undone[type]
             : 0;
}

static bool is_pending(struct fc_instance *instance, unsigned events) {
  for (unsigned type = FC_EVENT_ENDPOINT_END; type < FC_EVENT_COUNT; type++)
    if (events & FC_EVENT_BIT(type) && fc_outbox_is_pending(fc_instance_event(
                                           instance, (enum fc_event_type)type)))
      return true;
  return false;
}

void fc_instance_add_event(struct fc_instance *instance,
                           enum fc_event_type type, int64_t start_s) {
  static const unsigned no_longer_hold[FC_EVENT_COUNT] = {
      [FC_EVENT_KEY_REJECTED] = FC_EVENT_BIT(FC_EVENT_API_UNUSABLE) |
                                FC_EVENT_BIT(FC_EVENT_API_USABLE) |
                                FC_EVENT_BIT(FC_EVENT_API_IDLE),
      [FC_EVENT_KEY_MISSING] =
          FC_EVENT_BIT(FC_EVENT_API_USABLE) | FC_EVENT_BIT(FC_EVENT_API_IDLE),
      [FC_EVENT_API_UNUSABLE] =
          FC_EVENT_BIT(FC_EVENT_API_USABLE) | FC_EVENT_BIT(FC_EVENT_API_IDLE),
      [FC_EVENT_API_IDLE] = FC_EVENT_BIT(FC_EVENT_API_USABLE),
      [FC_EVENT_JOBS_REFUSED] = FC_EVENT_BIT(FC_EVENT_JOBS_ACCEPTED),
      [FC_EVENT_STATE_UNUSABLE] = FC_EVENT_BIT(FC_EVENT_STATE_USABLE),
  };
  unsigned over = no_longer_hold[type] | undone_by(instance, type);
  fc_instance_take_back(instance, over);
  if (instance->subjects[fc_instance_subject(type)].told == type &&
      !is_pending(instance, over))
    return;
  instance->start_s[type - FC_EVENT_ENDPOINT_END] = start_s;
  fc_outbox_add(fc_instance_event(instance, type), FC_STATUS_NONE,
                FC_STATUS_NONE);
}

/* When it is told that the job is lost, or found, which it was not. */
static int64_t flap_ms(const struct fc_instance *instance,
                       const struct fc_job *job, struct fc_now now) {
  int64_t at_ms = fc_job_flap_ms(job);
  bool waits = !(job->history.sources & FC_SOURCE_CONFIG) &&
               !fc_throttle_is_open(&instance->told, &fc_instance_told_rule,
                                    now.mono_ms);
  return waits ? fc_max64(at_ms, instance->told.until_ms) : at_ms;
}

void fc_instance_set_timer(struct fc_instance *instance, struct fc_job *job,
                           struct fc_now now) {
  int64_t at_s = fc_job_timer_s(job, &instance->rules);
  int64_t wait_s = at_s - fc_instance_epoch_s(instance, now);
  int64_t sure_ms = fc_serverclock_sure_ms(&instance->clock, now);
  if (sure_ms > now.mono_ms)
    wait_s = (sure_ms - now.mono_ms + 999) / 1000;
  int64_t at_ms = fc_max64(flap_ms(instance, job, now), sure_ms);
  if (at_s != FC_NEVER && wait_s <= INT32_MAX)
    at_ms = fc_min64(at_ms, now.mono_ms + fc_max64(0, wait_s) * 1000);
  if (at_ms == FC_NEVER)
    fc_heap_remove(&instance->registry.timers, &job->timer);
  else
    fc_heap_set(&instance->registry.timers, &job->timer, at_ms);
}

void fc_instance_changed(struct fc_instance *instance, struct fc_job *job,
                         bool urgent) {
  if (!instance->attached)
    return;
  instance->save_urgent = instance->save_urgent || urgent;
  job->changed = true;
  if (!fc_link_is_queued(&job->saving))
    fc_queue_add(&instance->unsaved, &job->saving);
}

void fc_instance_report_held(struct fc_instance *instance,
                             enum fc_severity severity, const char *format,
                             ...) {
  va_list arguments;
  va_start(arguments, format);
  fc_reports_add(&instance->reports, severity, format, arguments);
  va_end(arguments);
}

void fc_instance_report(struct fc_instance *instance, enum fc_severity severity,
                        const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fc_instance_lock(instance);
  fc_reports_add(&instance->reports, severity, format, arguments);
  fc_instance_unlock(instance);
  va_end(arguments);
}
