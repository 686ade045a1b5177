/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/watch/instance_private.h"

#include "src/base/text.h"
#include "src/base/timestamp.h"

#include <string.h>

void fc_instance_stats(struct fc_instance *instance, struct fc_now now,
                       struct fc_stats *stats) {
  memset(stats, 0, sizeof(*stats));
  fc_instance_lock(instance);
  memcpy(stats->jobs, instance->registry.counts, sizeof(stats->jobs));
  stats->stalled = instance->registry.stalled;
  stats->has_api_up = instance->api_heard && fc_instance_has_work(instance);
  stats->api_up = instance->api_up;
  stats->requests = instance->requests;
  memcpy(stats->codes, instance->codes, sizeof(stats->codes));
  memcpy(stats->failures, instance->failures, sizeof(stats->failures));
  stats->has_response_time = instance->timed > 0;
  if (instance->timed) {
    stats->response_average_s = instance->timed_sum_s / (double)instance->timed;
    stats->response_max_s = instance->timed_max_s;
  }
  instance->timed = 0;
  instance->timed_sum_s = instance->timed_max_s = 0;
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    const struct endpoint *endpoint = &instance->endpoints[i];
    stats->has_sunset[i] =
        endpoint->has_sunset && instance->registry.kinds[i] > 0;
    stats->sunset_left_s[i] =
        endpoint->sunset_s - fc_instance_epoch_s(instance, now);
  }
  stats->has_poll_age = instance->has_poll_age;
  stats->poll_age_s = (double)instance->poll_age_ms / 1000.0;
  fc_instance_unlock(instance);
}

bool fc_instance_take_report(struct fc_instance *instance,
                             struct fc_report *report) {
  fc_instance_lock(instance);
  bool found = instance->reports_len > 0;
  if (found) {
    *report = instance->reports[0];
    instance->reports_len--;
    memmove(&instance->reports[0], &instance->reports[1],
            instance->reports_len * sizeof(instance->reports[0]));
  } else if (instance->reports_lost) {
    size_t used = 0;
    found = true;
    report->severity = FC_SEVERITY_OKAY;
    fc_text_append(report->text, sizeof(report->text), &used,
                   "%zu more messages were left out", instance->reports_lost);
    instance->reports_lost = 0;
  }
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
  return job->facts.status != FC_STATUS_NONE && !job->history.silent &&
         (final || job->fresh) && fc_registry_owns_name(job);
}

static void fill_view(const struct fc_job *job, int64_t now_s,
                      struct fc_job_view *view) {
  view->facts = job->facts;
  view->has_expiry =
      job->facts.has_expires_at && job->facts.status != FC_STATUS_LOST;
  view->expiry_s = (double)(job->facts.expires_at_s - now_s);
  view->has_duration = fc_job_duration_s(job, now_s, &view->duration_s);
  memcpy(view->name, job->name->text, sizeof(view->name));
}

static void age_of(struct fc_instance *instance, const struct fc_job *job,
                   int64_t now_ms) {
  if (fc_status_is_final(job->facts.status) || job->history.forgotten)
    return;
  /* It may have been asked for since the reader looked at the clock. */
  int64_t age_ms = fc_max64(0, now_ms - job->last_asked_ms);
  if (!instance->pass_has_age || age_ms > instance->pass_age_ms)
    instance->pass_age_ms = age_ms;
  instance->pass_has_age = true;
}

bool fc_instance_views(struct fc_instance *instance, struct fc_now now,
                       bool first, struct fc_job_view *views, size_t max,
                       size_t *len) {
  struct fc_job *job = NULL;
  size_t filled = 0;
  fc_instance_lock(instance);
  int64_t now_s = fc_instance_epoch_s(instance, now);
  if (first) {
    fc_registry_pass_begin(&instance->registry);
    instance->pass_has_age = false;
    instance->pass_age_ms = 0;
  }
  for (size_t seen = 0; seen < max; seen++) {
    job = fc_registry_pass_next(&instance->registry);
    if (!job)
      break;
    age_of(instance, job, now.mono_ms);
    if (has_series(instance, job))
      fill_view(job, now_s, &views[filled++]);
  }
  if (!job) {
    instance->has_poll_age = instance->pass_has_age;
    instance->poll_age_ms = instance->pass_age_ms;
  }
  fc_instance_unlock(instance);
  *len = filled;
  return job != NULL;
}

/* The first job with a pending event; those without one any more leave the
 * queue. */
static struct fc_job *first_pending(struct fc_instance *instance) {
  struct fc_job *job;
  while ((job = instance->pending_first) && !job->pending) {
    instance->pending_first = job->next_pending;
    job->queued = false;
    fc_instance_drop_if_unused(instance, job);
  }
  return job;
}

static bool take_job_event(struct fc_instance *instance, int64_t now_s,
                           struct fc_delivery *delivery) {
  struct fc_job *job = first_pending(instance);
  if (!job)
    return false;
  /* An event is told once the state file has it, or if there is none. */
  unsigned ready = instance->durable ? job->pending & job->saved : job->pending;
  if (!ready)
    return false;
  enum fc_event_type type = (enum fc_event_type)__builtin_ctz(ready);
  struct fc_event *event = &delivery->event;
  delivery->job = job;
  event->type = type;
  event->time_s = now_s;
  event->possible_duplicate = job->replayed & FC_EVENT_BIT(type);
  event->kind = job->history.kind;
  event->status = job->facts.status;
  event->previous = job->history.previous;
  event->has_expires_at = job->facts.has_expires_at;
  event->expires_at_s = job->facts.expires_at_s;
  fc_text_copy(event->id, sizeof(event->id), job->id);
  fc_text_copy(event->name, sizeof(event->name), job->name->text);
  if (FC_EVENT_BIT(type) & FC_EVENTS_OF_AN_END && job->error)
    fc_text_copy(event->text, sizeof(event->text), job->error);
  return true;
}

static void endpoint_text(const struct endpoint *endpoint,
                          const struct fc_kind *kind, struct fc_event *event) {
  char date[FC_TIMESTAMP_SIZE], *text = event->text;
  const char *successor = fc_kind_successor(kind, endpoint->successor);
  size_t size = sizeof(event->text), used = 0;
  if (event->type == FC_EVENT_ENDPOINT_GONE)
    fc_text_append(text, size, &used,
                   "the server answers 410, its jobs cannot be watched");
  else
    fc_text_append(text, size, &used, "it ends on %s",
                   fc_timestamp_format(date, endpoint->sunset_s));
  if (successor)
    fc_text_append(text, size, &used, "; use %s instead", successor);
}

static bool take_endpoint_event(struct fc_instance *instance,
                                struct fc_delivery *delivery) {
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    struct endpoint *endpoint = &instance->endpoints[i];
    struct fc_event *event = &delivery->event;
    const struct fc_kind *kind = fc_kind_get((enum fc_kind_id)i);
    if (!endpoint->pending)
      continue;
    event->type = (enum fc_event_type)__builtin_ctz(endpoint->pending);
    event->kind = kind->id;
    endpoint_text(endpoint, kind, event);
    return true;
  }
  return false;
}

static bool take_instance_event(struct fc_instance *instance,
                                struct fc_delivery *delivery) {
  if (!instance->pending)
    return false;
  struct fc_event *event = &delivery->event;
  event->type = (enum fc_event_type)__builtin_ctz(instance->pending);
  if (event->type == FC_EVENT_KEY_REJECTED ||
      event->type == FC_EVENT_API_UNUSABLE)
    fc_text_copy(event->text, sizeof(event->text), instance->api_text);
  if (event->type == FC_EVENT_STATE_UNUSABLE)
    fc_text_copy(event->text, sizeof(event->text), instance->state_text);
  if (event->type == FC_EVENT_JOBS_REFUSED)
    fc_text_copy(event->text, sizeof(event->text), instance->refused_text);
  return true;
}

bool fc_instance_take_event(struct fc_instance *instance, struct fc_now now,
                            struct fc_delivery *delivery) {
  memset(delivery, 0, sizeof(*delivery));
  delivery->event.kind = FC_KIND_COUNT;
  delivery->event.status = FC_STATUS_NONE;
  delivery->event.previous = FC_STATUS_NONE;
  fc_instance_lock(instance);
  int64_t now_s = fc_instance_epoch_s(instance, now);
  delivery->event.time_s = now_s;
  bool found = take_instance_event(instance, delivery) ||
               take_endpoint_event(instance, delivery) ||
               take_job_event(instance, now_s, delivery);
  fc_instance_unlock(instance);
  return found;
}

static void job_delivered(struct fc_instance *instance, struct fc_job *job,
                          unsigned event) {
  fc_instance_drop_events(job, event);
  job->delivered |= (uint16_t)event;
  fc_instance_changed(instance, job, true);
  (void)first_pending(instance);
}

static void endpoint_delivered(struct endpoint *endpoint, unsigned event) {
  endpoint->pending &= ~event;
  if (event & FC_EVENT_BIT(FC_EVENT_ENDPOINT_GONE))
    endpoint->reported.gone = true;
  if (event & FC_EVENT_BIT(FC_EVENT_ENDPOINT_SUNSET)) {
    endpoint->reported.sunset_s = endpoint->sunset_reported_s;
    endpoint->reported.last_warning = endpoint->last_warning_given;
  }
  endpoint->unsaved = true;
}

static void instance_delivered(struct fc_instance *instance,
                               enum fc_event_type type, unsigned event) {
  instance->pending &= ~event;
  if (type == FC_EVENT_KEY_REJECTED || type == FC_EVENT_API_UNUSABLE)
    instance->problem_reported = true;
  if (type == FC_EVENT_API_USABLE || type == FC_EVENT_API_IDLE)
    instance->problem_reported = false;
}

void fc_instance_delivered(struct fc_instance *instance,
                           const struct fc_delivery *delivery) {
  const struct fc_event *event = &delivery->event;
  unsigned bit = FC_EVENT_BIT(event->type);
  fc_instance_lock(instance);
  if (delivery->job)
    job_delivered(instance, delivery->job, bit);
  else if (event->kind != FC_KIND_COUNT)
    endpoint_delivered(&instance->endpoints[event->kind], bit);
  else
    instance_delivered(instance, event->type, bit);
  fc_instance_unlock(instance);
}
