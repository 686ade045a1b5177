/* SPDX-License-Identifier: MIT */

#include "src/watch/instance_private.h"

#include "src/api/name.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include <inttypes.h>
#include <string.h>

static void keep_no_longer(struct fc_instance *instance, struct fc_job *job) {
  instance->kept -= job->kept;
  job->kept = false;
}

void fc_instance_end_watch(struct fc_instance *instance, struct fc_job *job,
                           int64_t keep_s, struct fc_now now) {
  struct fc_registry *registry = &instance->registry;
  fc_registry_uncount(registry, job);
  job->history.sources = 0;
  fc_history_set(&job->history, FC_PAST_FORGOTTEN, true);
  fc_history_set(&job->history, FC_PAST_SILENT, true);
  fc_heap_remove(&registry->polls, &job->poll);
  fc_heap_remove(&registry->timers, &job->timer);
  keep_no_longer(instance, job);
  job->kept = fc_status_is_final(job->facts.status) && keep_s > 0 &&
              instance->kept < (size_t)instance->settings->max_jobs;
  if (job->kept) {
    instance->kept++;
    fc_heap_set(&registry->timers, &job->timer, now.mono_ms + keep_s * 1000);
  }
  fc_instance_changed(instance, job, /* urgent = */ keep_s > 0);
  fc_instance_drop_if_unused(instance, job);
}

void fc_instance_drop_if_unused(struct fc_instance *instance,
                                struct fc_job *job) {
  if (!fc_history_has(&job->history, FC_PAST_FORGOTTEN) || job->kept ||
      job->in_flight || fc_link_is_queued(&job->owing) ||
      fc_link_is_queued(&job->saving))
    return;
  if (instance->answered == job)
    instance->answered = NULL;
  fc_registry_remove(&instance->registry, job);
}

/* Some sources no longer want the job. */
static void take_sources(struct fc_instance *instance, struct fc_job *job,
                         unsigned sources, struct fc_now now) {
  job->history.sources &= (uint8_t)~sources;
  fc_instance_changed(instance, job, true);
  if (!job->history.sources)
    fc_instance_end_watch(instance, job, instance->rules.forget_after_s, now);
}

void fc_instance_watch_again(struct fc_instance *instance, struct fc_job *job,
                             struct fc_now now) {
  keep_no_longer(instance, job);
  fc_history_set(&job->history, FC_PAST_FORGOTTEN, false);
  fc_history_set(&job->history, FC_PAST_SILENT, false);
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
  job->dated = FC_STAMP_FIRST_SEEN;
  job->phase_ms = (uint32_t)fc_schedule_phase_ms(&instance->schedule);
  /* A new job is asked for at once, unless many are: then each in its turn. */
  const struct fc_heap *polls = &instance->registry.polls;
  const struct fc_heap_node *first = fc_heap_first(polls);
  bool busy = first && first->key <= now.mono_ms &&
              polls->len >= (size_t)instance->settings->max_concurrency;
  fc_heap_set(&instance->registry.polls, &job->poll,
              busy ? fc_schedule_slot_ms(&instance->schedule, job->phase_ms,
                                         now.mono_ms)
                   : now.mono_ms);
  job->last_asked_ms = now.mono_ms;
  *added = job;
  return FC_OK;
}

static void refuse(struct fc_instance *instance, enum fc_job_source source,
                   const char *text, struct fc_now now) {
  struct fc_refusals *refusals = &instance->refusals;
  if (fc_refusals_add(refusals, source, text,
                      fc_instance_epoch_s(instance, now)))
    fc_instance_add_event(instance, FC_EVENT_JOBS_REFUSED, refusals->since_s);
}

static void refuse_no_more(struct fc_instance *instance,
                           enum fc_job_source source) {
  struct fc_refusals *refusals = &instance->refusals;
  if (fc_refusals_end(refusals, source))
    fc_instance_add_event(instance, FC_EVENT_JOBS_ACCEPTED, refusals->since_s);
}

void fc_instance_refuse_beyond_max(struct fc_instance *instance,
                                   enum fc_job_source source, const char *id,
                                   struct fc_now now) {
  char text[FC_ERROR_TEXT_SIZE];
  size_t used = 0;
  fc_text_append(text, sizeof(text), &used,
                 "MaxJobs %" PRId64 " is reached; the first one refused is %s",
                 instance->settings->max_jobs, id);
  refuse(instance, source, text, now);
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
  job->dated = FC_STAMP_FIRST_SEEN;
  job->last_asked_ms = now.mono_ms;
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN))
    return;
  if (!job->in_flight)
    fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
  fc_instance_set_timer(instance, job, now);
}

/* The file's claim on a job, once per reading. */
static enum fc_error claim(struct fc_job *job) {
  if (job->listed)
    return FC_ERR_EXISTS;
  job->listed = true;
  return FC_OK;
}

static enum fc_error add_locked(struct fc_instance *instance,
                                const struct fc_kind *kind, const char *id,
                                const char *name, enum fc_job_source source,
                                struct fc_now now) {
  struct fc_job *job = fc_registry_find(&instance->registry, id);
  bool from_file = source == FC_SOURCE_FILE;
  if (job && from_file && claim(job))
    return FC_ERR_EXISTS;
  bool is_new = !job || fc_history_has(&job->history, FC_PAST_FORGOTTEN) ||
                !(job->history.sources & (uint8_t)source);
  bool unsure = !job && instance->unsure && source != FC_SOURCE_REGISTRATION;
  bool renamed = job && name && strcmp(job->name->text, name) != 0;
  bool other_kind = job && job->history.kind != (uint8_t)kind->id;
  bool overruled = other_kind && is_overruled(job, source);
  bool taken = !job || fc_history_has(&job->history, FC_PAST_FORGOTTEN);
  if (overruled && source == FC_SOURCE_REGISTRATION)
    return FC_ERR_EXISTS;
  enum fc_error error =
      !job ? add_new(instance, kind, id, name ? name : id, now, &job)
           : known_again(instance, job, name);
  if (error == FC_ERR_LIMIT)
    fc_instance_refuse_beyond_max(instance, source, id, now);
  if (error)
    return error;
  if (unsure)
    fc_job_doubt(job);
  if (from_file)
    (void)claim(job);
  else if (taken)
    refuse_no_more(instance, source);
  job->history.sources |= (uint8_t)source;
  if (other_kind && !overruled)
    change_kind(instance, job, kind, now);
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN))
    fc_instance_watch_again(instance, job, now);
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
  instance->file_read = true;
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    job->listed = false;
  fc_instance_unlock(instance);
}

void fc_instance_file_end(struct fc_instance *instance, const char *refused,
                          struct fc_now now) {
  struct fc_job *next;
  fc_instance_lock(instance);
  for (struct fc_job *job = instance->registry.first; job; job = next) {
    next = job->next;
    if ((job->history.sources & FC_SOURCE_FILE) && !job->listed)
      take_sources(instance, job, FC_SOURCE_FILE, now);
  }
  if (refused)
    refuse(instance, FC_SOURCE_FILE, refused, now);
  else
    refuse_no_more(instance, FC_SOURCE_FILE);
  fc_instance_unlock(instance);
}
