/* SPDX-License-Identifier: MIT */

#include "src/watch/instance_save.h"

#include "src/api/name.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/watch/instance_private.h"

static void restore_events(struct fc_job *job,
                           const struct fc_job_record *record, bool clean) {
  bool replayed = !clean || record->history.replayed;
  job->delivered = (uint16_t)record->delivered;
  job->saved = (uint16_t)record->pending;
  job->replayed = replayed ? (uint16_t)record->pending : 0;
}

/* Who wants it watched, and whether somebody does, is said elsewhere. */
static struct fc_history restored(const struct fc_job *job,
                                  const struct fc_job_record *record) {
  struct fc_history history = record->history;
  history.sources = job->history.sources;
  history.forgotten = job->history.forgotten;
  return history;
}

static void restore_all(struct fc_instance *instance, struct fc_job *job,
                        const struct fc_job_record *record, bool clean) {
  fc_registry_uncount(&instance->registry, job);
  job->facts = record->facts;
  job->history = restored(job, record);
  if (record->error)
    fc_job_keep_error(job, record->error);
  restore_events(job, record, clean);
  fc_registry_count(&instance->registry, job);
  fc_instance_add_events(instance, job, record->pending);
}

/* When it is asked for next: each in its turn, as all come at once. */
static void restore_poll(struct fc_instance *instance, struct fc_job *job,
                         struct fc_now now) {
  struct fc_heap *polls = &instance->registry.polls;
  if (fc_status_is_final(job->facts.status))
    fc_heap_remove(polls, &job->poll);
  else if (!job->poll.place)
    fc_heap_set(
        polls, &job->poll,
        fc_schedule_slot_ms(&instance->schedule, job->phase_ms, now.mono_ms));
}

static enum fc_error restore_new(struct fc_instance *instance,
                                 const struct fc_job_record *record, bool clean,
                                 struct fc_now now) {
  struct fc_job *job;
  struct fc_registry *registry = &instance->registry;
  if (fc_instance_is_full(instance)) {
    if (!record->history.forgotten)
      fc_instance_refuse_beyond_max(instance, FC_SOURCE_REGISTRATION,
                                    record->id);
    return FC_ERR_LIMIT;
  }
  enum fc_error error =
      fc_registry_add(registry, fc_kind_get(record->history.kind), record->id,
                      record->name, &job);
  if (error)
    return error;
  /* Whether the configuration still has it, the configuration will say. */
  job->history.sources =
      (uint8_t)(record->history.sources & ~(unsigned)FC_SOURCE_CONFIG);
  job->phase_ms = fc_schedule_phase_ms(&instance->schedule);
  job->last_asked_ms = now.mono_ms;
  restore_all(instance, job, record, clean);
  restore_poll(instance, job, now);
  if (record->history.forgotten)
    fc_instance_forget_job(instance, job, now);
  else
    fc_instance_set_timer(instance, job, now);
  return FC_OK;
}

/* The file comes to a job that is there already: configured before it was
 * loaded, or watched from memory while it could not be. */
static void restore_known(struct fc_instance *instance, struct fc_job *job,
                          const struct fc_job_record *record, bool clean,
                          struct fc_now now) {
  if (job->history.kind != record->history.kind || job->history.forgotten)
    return;
  job->history.sources |=
      (uint8_t)(record->history.sources & ~(unsigned)FC_SOURCE_CONFIG);
  if (job->facts.status == FC_STATUS_NONE && !job->in_flight) {
    restore_all(instance, job, record, clean);
    if (record->history.forgotten) /* and it is wanted again */
      job->history.silent = false;
    restore_poll(instance, job, now);
    fc_instance_set_timer(instance, job, now);
    return;
  }
  job->delivered |= (uint16_t)record->delivered;
  job->history.first_seen_s =
      fc_min64(job->history.first_seen_s, record->history.first_seen_s);
  if (job->facts.status == record->facts.status)
    fc_instance_drop_events(job, record->delivered);
}

enum fc_error fc_instance_restore(struct fc_instance *instance,
                                  const struct fc_job_record *record,
                                  bool clean, struct fc_now now) {
  enum fc_error error = FC_OK;
  fc_instance_lock(instance);
  struct fc_job *job = fc_registry_find(&instance->registry, record->id);
  if (job)
    restore_known(instance, job, record, clean, now);
  else
    error = restore_new(instance, record, clean, now);
  fc_instance_unlock(instance);
  return error;
}

void fc_instance_restore_endpoint(struct fc_instance *instance,
                                  const struct fc_endpoint_record *record) {
  fc_instance_lock(instance);
  struct endpoint *endpoint = &instance->endpoints[record->kind];
  /* What was reported while the file was away is newer. */
  if (!endpoint->sunset_reported_s) {
    endpoint->sunset_reported_s = record->sunset_reported_s;
    endpoint->last_warning_given = record->last_warning_given;
    endpoint->reported.sunset_s = record->sunset_reported_s;
    endpoint->reported.last_warning = record->last_warning_given;
  }
  endpoint->gone_reported |= record->gone_reported;
  endpoint->reported.gone |= record->gone_reported;
  fc_instance_unlock(instance);
}

/* The sources that no longer want the job. A JobFile that has been read by this
 * process says so itself. */
static unsigned stale_sources(const struct fc_instance *instance,
                              const struct fc_job *job) {
  const struct fc_settings *settings = instance->settings;
  bool unlisted = instance->file_pass && job->file_pass != instance->file_pass;
  return (settings->job_file && !unlisted ? 0U : FC_SOURCE_FILE) |
         (settings->accept_registrations ? 0U : FC_SOURCE_REGISTRATION);
}

static void settle(struct fc_instance *instance, struct fc_now now) {
  struct fc_job *next;
  for (struct fc_job *job = instance->registry.first; job; job = next) {
    next = job->next;
    job->history.sources &= (uint8_t)~stale_sources(instance, job);
    if (!job->history.sources && !job->history.forgotten)
      fc_instance_forget_job(instance, job, now);
  }
}

bool fc_instance_knows(struct fc_instance *instance, const char *id) {
  fc_instance_lock(instance);
  bool known = fc_registry_find(&instance->registry, id) != NULL;
  fc_instance_unlock(instance);
  return known;
}

static void set_unsure(struct fc_instance *instance, bool unsure) {
  instance->unsure = unsure;
  for (struct fc_job *job = instance->registry.first; unsure && job;
       job = job->next)
    if (job->facts.status == FC_STATUS_NONE &&
        job->history.sources & (FC_SOURCE_CONFIG | FC_SOURCE_FILE))
      job->replayed = UINT16_MAX;
}

void fc_instance_attach(struct fc_instance *instance, bool unsure,
                        struct fc_now now) {
  fc_instance_lock(instance);
  instance->saves = instance->durable = true;
  set_unsure(instance, unsure);
  for (struct fc_job *job = instance->registry.first; job; job = job->next) {
    job->saved = 0;
    fc_instance_changed(instance, job, true);
  }
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    instance->endpoints[i].unsaved = true;
  settle(instance, now);
  fc_instance_unlock(instance);
}

void fc_instance_detach(struct fc_instance *instance, bool unsure) {
  struct fc_job *next;
  fc_instance_lock(instance);
  instance->saves = instance->durable = false;
  set_unsure(instance, unsure);
  instance->unsaved_first = instance->saving = NULL;
  for (struct fc_job *job = instance->registry.first; job; job = next) {
    next = job->next;
    job->unsaved = job->saving = false;
    fc_instance_drop_if_unused(instance, job);
  }
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    instance->endpoints[i].unsaved = instance->endpoints[i].saving = false;
  fc_instance_unlock(instance);
}

bool fc_instance_has_unsaved(struct fc_instance *instance, bool *urgent) {
  fc_instance_lock(instance);
  bool any = instance->unsaved_first != NULL;
  *urgent = any && instance->save_urgent;
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    if (instance->endpoints[i].unsaved)
      any = *urgent = true;
  fc_instance_unlock(instance);
  return any;
}

static void fill(const struct fc_job *job, struct fc_unsaved *change) {
  fc_text_copy(change->id, sizeof(change->id), job->id);
  fc_text_copy(change->name, sizeof(change->name), job->name->text);
  fc_text_copy(change->error, sizeof(change->error),
               job->error ? job->error : "");
  change->gone = job->history.forgotten && !job->kept && !job->pending;
  change->record = (struct fc_job_record){
      .id = change->id,
      .name = change->name,
      .error = job->error ? change->error : NULL,
      .facts = job->facts,
      .history = job->history,
      .pending = job->pending,
      .delivered = job->delivered & (unsigned)~job->pending,
  };
  change->record.history.replayed = job->replayed != 0;
}

size_t fc_instance_save_take(struct fc_instance *instance,
                             struct fc_unsaved *changes, size_t max) {
  size_t len = 0;
  fc_instance_lock(instance);
  while (len < max && instance->unsaved_first) {
    struct fc_job *job = instance->unsaved_first;
    instance->unsaved_first = job->next_unsaved;
    job->unsaved = false;
    job->saving_pending = job->pending;
    /* One that has changed since it was taken is in the list already. */
    if (!job->saving) {
      job->saving = true;
      job->next_saving = instance->saving;
      instance->saving = job;
    }
    fill(job, &changes[len++]);
  }
  if (!instance->unsaved_first)
    instance->save_urgent = false;
  fc_instance_unlock(instance);
  return len;
}

size_t fc_instance_save_take_endpoints(struct fc_instance *instance,
                                       struct fc_endpoint_record *records) {
  size_t len = 0;
  fc_instance_lock(instance);
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    struct endpoint *endpoint = &instance->endpoints[i];
    if (!endpoint->unsaved)
      continue;
    endpoint->unsaved = false;
    endpoint->saving = true;
    records[len++] = (struct fc_endpoint_record){
        .kind = (uint8_t)i,
        .sunset_reported_s = endpoint->reported.sunset_s,
        .last_warning_given = endpoint->reported.last_warning,
        .gone_reported = endpoint->reported.gone,
    };
  }
  fc_instance_unlock(instance);
  return len;
}

static void job_save_end(struct fc_instance *instance, struct fc_job *job,
                         bool saved) {
  job->saving = false;
  if (saved)
    job->saved |= job->saving_pending & job->pending;
  else
    fc_instance_changed(instance, job, true);
  fc_instance_drop_if_unused(instance, job);
}

void fc_instance_save_end(struct fc_instance *instance, bool saved) {
  fc_instance_lock(instance);
  while (instance->saving) {
    struct fc_job *job = instance->saving;
    instance->saving = job->next_saving;
    job_save_end(instance, job, saved);
  }
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    struct endpoint *endpoint = &instance->endpoints[i];
    endpoint->unsaved |= endpoint->saving && !saved;
    endpoint->saving = false;
  }
  fc_instance_unlock(instance);
}

void fc_instance_state_unusable(struct fc_instance *instance,
                                const char *text) {
  fc_instance_lock(instance);
  fc_instance_count_failure(instance, FC_CLASS_STATE, "", text);
  if (!instance->state_text[0]) {
    fc_text_copy(instance->state_text, sizeof(instance->state_text), text);
    fc_instance_add_event(instance, FC_EVENT_STATE_UNUSABLE,
                          FC_EVENT_BIT(FC_EVENT_STATE_USABLE));
  }
  fc_instance_unlock(instance);
}

void fc_instance_state_usable(struct fc_instance *instance) {
  fc_instance_lock(instance);
  if (instance->state_text[0]) {
    instance->state_text[0] = '\0';
    fc_instance_add_event(instance, FC_EVENT_STATE_USABLE, 0);
  }
  fc_instance_unlock(instance);
}
