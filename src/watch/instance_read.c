/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/watch/instance_private.h"

#include "src/base/text.h"

#include <string.h>

static void fill_stats(const struct fc_instance *instance, int64_t now_s,
                       struct fc_stats *stats) {
  *stats = instance->stats;
  memcpy(stats->jobs, instance->registry.counts, sizeof(stats->jobs));
  stats->stalled = instance->registry.stalled;
  stats->has_api_up = instance->health.known && fc_instance_has_work(instance);
  stats->api_up = instance->health.up;
  stats->failing = instance->health.failing;
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    const struct fc_endpoint *endpoint = &instance->endpoints[i];
    stats->has_sunset[i] =
        endpoint->has_sunset && instance->registry.kinds[i] > 0;
    stats->sunset_left_s[i] = endpoint->sunset_s - now_s;
  }
  stats->has_poll_age = instance->has_poll_age;
  stats->poll_age_s = (double)instance->poll_age_ms / 1000.0;
}

void fc_instance_stats(struct fc_instance *instance, struct fc_now now,
                       struct fc_stats *stats) {
  fc_instance_lock(instance);
  fill_stats(instance, fc_instance_epoch_s(instance, now), stats);
  fc_stats_begin_span(&instance->stats);
  fc_instance_unlock(instance);
}

bool fc_instance_take_report(struct fc_instance *instance,
                             struct fc_report *report) {
  fc_instance_lock(instance);
  bool found = fc_reports_take(&instance->reports, report);
  fc_instance_unlock(instance);
  return found;
}

/* Whether the job has series now: it owns its name, something is known of it,
 * and what is known is fresh. */
static bool has_series(const struct fc_instance *instance,
                       const struct fc_job *job) {
  bool final = fc_status_is_final(job->facts.status);
  switch (instance->settings->job_metrics) {
  case FC_JOB_METRICS_NONE:
    return false;
  case FC_JOB_METRICS_UNFINISHED:
    if (final)
      return false;
    break;
  default:
    break;
  }
  return job->facts.status != FC_STATUS_NONE &&
         !fc_history_has(&job->history, FC_PAST_SILENT) &&
         (final || job->fresh) && fc_registry_owns_name(job);
}

static void fill_view(const struct fc_job *job, int64_t now_s, int64_t mono_ms,
                      bool sure, struct fc_job_view *view) {
  view->facts = job->facts;
  view->has_stalled = fc_job_shows_stall(job, mono_ms);
  view->stalled = job->history.stalled;
  view->has_expiry =
      job->facts.has_expires_at && job->facts.status != FC_STATUS_LOST;
  view->expiry_s = (double)(job->facts.expires_at_s - now_s);
  if (!job->facts.has_duration)
    view->facts.has_duration =
        fc_job_duration_s(job, now_s, sure, &view->facts.duration_s);
  fc_text_copy(view->name, sizeof(view->name), job->name->text);
}

static void age_of(struct fc_instance *instance, const struct fc_job *job,
                   int64_t now_ms) {
  if (fc_status_has_ended(job->facts.status) ||
      fc_history_has(&job->history, FC_PAST_FORGOTTEN))
    return;
  /* It may have been asked for since the reader looked at the clock. */
  int64_t age_ms = fc_max64(0, now_ms - job->last_asked_ms);
  if (!instance->pass_has_age || age_ms > instance->pass_age_ms)
    instance->pass_age_ms = age_ms;
  instance->pass_has_age = true;
}

/* The reader has shown how it ended, as far as it has series. */
static void seen(struct fc_instance *instance, struct fc_job *job,
                 struct fc_now now) {
  if (job->shown || !fc_status_has_ended(job->facts.status))
    return;
  job->shown = true;
  if (job->overdue)
    fc_instance_tick_job(instance, job, now);
}

bool fc_instance_views(struct fc_instance *instance, struct fc_now now,
                       bool first, struct fc_job_view *views, size_t max,
                       size_t *len) {
  bool more = true;
  size_t filled = 0;
  fc_instance_lock(instance);
  int64_t now_s = fc_instance_epoch_s(instance, now);
  bool sure = fc_serverclock_is_sure(&instance->clock, now);
  if (first) {
    fc_registry_pass_begin(&instance->registry);
    instance->pass_has_age = false;
    instance->pass_age_ms = 0;
  }
  for (size_t i = 0; i < max; i++) {
    struct fc_job *job = fc_registry_pass_next(&instance->registry);
    more = job != NULL;
    if (!more)
      break;
    age_of(instance, job, now.mono_ms);
    if (has_series(instance, job))
      fill_view(job, now_s, now.mono_ms, sure, &views[filled++]);
    seen(instance, job, now);
  }
  if (!more) {
    instance->has_poll_age = instance->pass_has_age;
    instance->poll_age_ms = instance->pass_age_ms;
  }
  fc_instance_unlock(instance);
  *len = filled;
  return more;
}

static struct fc_job *job_of_owing(struct fc_link *link) {
  return CONTAINER_OF(link, struct fc_job, owing);
}

/* The first job with a pending event; those without one any more leave the
 * queue. */
static struct fc_job *first_owing(struct fc_instance *instance) {
  struct fc_queue *owing = &instance->owing;
  while (owing->first) {
    struct fc_job *job = job_of_owing(owing->first);
    if (fc_job_has_pending(job))
      return job;
    (void)fc_queue_take(owing);
    fc_instance_drop_if_unused(instance, job);
  }
  return NULL;
}

static void fill_event(const struct fc_job *job, enum fc_event_type type,
                       struct fc_event *event) {
  const struct fc_outbox_event *outbox = &job->outbox.event[type];
  event->type = type;
  event->round = outbox->round;
  event->possible_duplicate = outbox->doubtful;
  event->kind = job->history.kind;
  event->status = fc_outbox_status(outbox);
  event->previous = fc_outbox_previous(outbox);
  event->has_expires_at = job->facts.has_expires_at;
  event->expires_at_s = job->facts.expires_at_s;
  fc_text_copy(event->id, sizeof(event->id), job->id);
  fc_text_copy(event->name, sizeof(event->name), job->name->text);
  /* The text is of the job's present state. */
  bool is_of_it =
      (type == FC_EVENT_LOST) == (job->facts.status == FC_STATUS_LOST);
  if (FC_EVENT_BIT(type) & FC_EVENTS_OF_AN_END && is_of_it && job->error)
    fc_text_copy(event->text, sizeof(event->text), job->error);
}

static bool take_job_event(struct fc_instance *instance, struct fc_now now,
                           struct fc_delivery *delivery) {
  struct fc_job *job = first_owing(instance);
  if (!job)
    return false;
  size_t type = fc_outbox_next(job->outbox.event, FC_EVENT_JOB_COUNT,
                               /* durable = */ instance->attached);
  if (type == FC_EVENT_JOB_COUNT)
    return false;
  fc_outbox_take(&job->outbox.event[type]);
  fill_event(job, (enum fc_event_type)type, &delivery->event);
  delivery->event.is_last =
      fc_job_tell(job, (enum fc_event_type)type, now.mono_ms);
  if (delivery->event.is_last)
    fc_instance_set_timer(instance, job, now);
  delivery->job = job;
  return true;
}

static bool take_endpoint_event(struct fc_instance *instance,
                                struct fc_event *event, int64_t now_ms) {
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    if (fc_endpoint_take(&instance->endpoints[i], event, now_ms))
      return true;
  return false;
}

static const char *text_of(const struct fc_instance *instance,
                           enum fc_event_type type) {
  switch (type) {
  case FC_EVENT_KEY_REJECTED:
  case FC_EVENT_KEY_MISSING:
  case FC_EVENT_API_UNUSABLE:
    return instance->health.text;
  case FC_EVENT_STATE_UNUSABLE:
    return instance->state_text;
  case FC_EVENT_JOBS_REFUSED:
    return instance->refusals.text;
  default:
    return "";
  }
}

static struct fc_flap *flap_of(struct fc_instance *instance,
                               enum fc_event_type type) {
  return &instance->subjects[fc_instance_subject(type)].flap;
}

/* The first event of the instance that is not held back; FC_EVENT_COUNT: there
 * is none. */
static enum fc_event_type next_event(struct fc_instance *instance,
                                     int64_t now_ms) {
  enum fc_event_type type = FC_EVENT_ENDPOINT_END;
  while (type < FC_EVENT_COUNT &&
         (!fc_outbox_is_ready(fc_instance_event(instance, type),
                              /* durable = */ false) ||
          fc_flap_is_held(flap_of(instance, type), now_ms)))
    type++;
  return type;
}

static bool take_instance_event(struct fc_instance *instance,
                                struct fc_event *event, int64_t now_ms) {
  enum fc_event_type type = next_event(instance, now_ms);
  if (type == FC_EVENT_COUNT)
    return false;
  fc_outbox_take(fc_instance_event(instance, type));
  event->type = type;
  event->start_s = instance->start_s[type - FC_EVENT_ENDPOINT_END];
  event->is_last = fc_flap_tell(flap_of(instance, type), now_ms);
  instance->subjects[fc_instance_subject(type)].told = type;
  fc_text_copy(event->text, sizeof(event->text),
               text_of(instance, event->type));
  return true;
}

/* An event of no job. */
static bool take_general_event(struct fc_instance *instance,
                               struct fc_event *event, int64_t now_ms) {
  const struct fc_throttle_rule *rule = &fc_instance_told_rule;
  return fc_throttle_is_open(&instance->told, rule, now_ms) &&
         (take_instance_event(instance, event, now_ms) ||
          take_endpoint_event(instance, event, now_ms)) &&
         fc_throttle_say(&instance->told, rule, now_ms);
}

bool fc_instance_take_event(struct fc_instance *instance, struct fc_now now,
                            struct fc_delivery *delivery) {
  memset(delivery, 0, sizeof(*delivery));
  delivery->event.kind = FC_KIND_COUNT;
  delivery->event.status = FC_STATUS_NONE;
  delivery->event.previous = FC_STATUS_NONE;
  fc_instance_lock(instance);
  bool found = take_general_event(instance, &delivery->event, now.mono_ms) ||
               take_job_event(instance, now, delivery);
  fc_instance_unlock(instance);
  return found;
}

static void job_delivered(struct fc_instance *instance, struct fc_job *job,
                          enum fc_event_type type) {
  fc_outbox_deliver(&job->outbox.event[type]);
  fc_instance_changed(instance, job, true);
  (void)first_owing(instance);
}

static void instance_delivered(struct fc_instance *instance,
                               enum fc_event_type type) {
  fc_outbox_deliver(fc_instance_event(instance, type));
  if (FC_EVENT_BIT(type) & FC_EVENTS_OF_API_TROUBLE)
    instance->health.reported = true;
  if (type == FC_EVENT_API_USABLE || type == FC_EVENT_API_IDLE)
    instance->health.reported = false;
}

void fc_instance_delivered(struct fc_instance *instance,
                           const struct fc_delivery *delivery) {
  const struct fc_event *event = &delivery->event;
  fc_instance_lock(instance);
  if (delivery->job)
    job_delivered(instance, delivery->job, event->type);
  else if (event->kind != FC_KIND_COUNT)
    fc_endpoint_deliver(&instance->endpoints[event->kind], event->type);
  else
    instance_delivered(instance, event->type);
  fc_instance_unlock(instance);
}
