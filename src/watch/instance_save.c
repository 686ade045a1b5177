/* SPDX-License-Identifier: MIT */

#include "src/watch/instance_save.h"

#include "src/api/name.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/watch/instance_private.h"

#include <string.h>

/* The file has what is pending in it; without a clean end, that may have been
 * delivered. What a job that had not ended is marked with counts for what comes
 * of it, too. */
static void restore_events(struct fc_job *job,
                           const struct fc_job_record *record, bool clean) {
  bool replayed = fc_history_has(&record->history, FC_PAST_REPLAYED);
  bool unfinished = !fc_status_is_final(record->facts.status);
  job->outbox = record->outbox;
  for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++) {
    struct fc_outbox_event *event = &job->outbox.event[i];
    event->doubtful = fc_outbox_is_pending(event) ? replayed || !clean
                                                  : replayed && unfinished;
  }
}

/* Who wants it watched, and whether somebody does, is said elsewhere. */
static struct fc_history restored(const struct fc_job *job,
                                  const struct fc_job_record *record) {
  struct fc_history history = record->history;
  history.sources = job->history.sources;
  fc_history_set(&history, FC_PAST_FORGOTTEN,
                 fc_history_has(&job->history, FC_PAST_FORGOTTEN));
  return history;
}

static void restore_all(struct fc_instance *instance, struct fc_job *job,
                        const struct fc_job_record *record, bool clean,
                        struct fc_now now) {
  fc_registry_uncount(&instance->registry, job);
  job->facts = record->facts;
  job->history = restored(job, record);
  fc_instance_restored_stamps(instance, job, now);
  if (record->error)
    fc_job_keep_error(job, record->error);
  restore_events(job, record, clean);
  fc_registry_count(&instance->registry, job);
  fc_instance_add_events(instance, job, /* events = */ 0, now);
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
  enum fc_error error =
      fc_registry_add(registry, fc_kind_get(record->history.kind), record->id,
                      record->name, &job);
  if (error)
    return error;
  /* Whether the configuration still has it, the configuration will say. */
  job->history.sources =
      (uint8_t)(record->history.sources & ~(unsigned)FC_SOURCE_CONFIG);
  job->phase_ms = (uint32_t)fc_schedule_phase_ms(&instance->schedule);
  job->last_asked_ms = now.mono_ms;
  fc_registry_set_restored(job);
  restore_all(instance, job, record, clean, now);
  restore_poll(instance, job, now);
  if (fc_history_has(&record->history, FC_PAST_FORGOTTEN))
    fc_instance_end_watch(instance, job, instance->rules.forget_after_s, now);
  else
    fc_instance_set_timer(instance, job, now);
  return FC_OK;
}

/* The sources that no longer want the job. A JobFile that has been read by this
 * process says so itself. */
static unsigned stale_sources(const struct fc_instance *instance,
                              const struct fc_job *job) {
  const struct fc_settings *settings = instance->settings;
  bool unlisted = instance->file_read && !job->listed;
  return (settings->job_file && !unlisted ? 0U : FC_SOURCE_FILE) |
         (settings->accept_registrations ? 0U : FC_SOURCE_REGISTRATION);
}

/* What was said of the job as a run of another name, or as one that nobody
 * listed, no longer counts. */
static unsigned lapsed_flags(const struct fc_job *job,
                             const struct fc_job_record *record) {
  bool renamed = strcmp(job->name->text, record->name) != 0;
  bool is_listed = job->history.sources & FC_SOURCES_LISTED;
  bool was_listed = record->history.sources & FC_SOURCES_LISTED;
  return renamed || (is_listed && !was_listed) ? FC_PAST_OF_RUNS : 0U;
}

/* The file comes to a job that is there already: configured before it was
 * loaded, or watched from memory while it could not be. */
static enum fc_error restore_known(struct fc_instance *instance,
                                   struct fc_job *job,
                                   const struct fc_job_record *record,
                                   bool clean, struct fc_now now) {
  unsigned sources = record->history.sources & ~(unsigned)FC_SOURCE_CONFIG &
                     ~stale_sources(instance, job);
  if (job->history.kind != record->history.kind)
    return FC_OK;
  struct fc_job_record row = *record;
  row.history.flags &= (uint8_t)~lapsed_flags(job, record);
  if (strcmp(job->name->text, record->name) == 0)
    fc_registry_set_restored(job);
  job->history.sources |= (uint8_t)sources;
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN) && sources)
    fc_instance_watch_again(instance, job, now);
  if (job->facts.status == FC_STATUS_NONE && !job->in_flight &&
      !fc_history_has(&job->history, FC_PAST_FORGOTTEN)) {
    restore_all(instance, job, &row, clean, now);
    /* One that was forgotten is wanted again. */
    if (fc_history_has(&record->history, FC_PAST_FORGOTTEN))
      fc_history_set(&job->history, FC_PAST_SILENT, false);
    restore_poll(instance, job, now);
    fc_instance_set_timer(instance, job, now);
    return FC_OK;
  }
  fc_registry_uncount(&instance->registry, job);
  job->history.flags |= row.history.flags & FC_PAST_OF_RUNS;
  fc_registry_count(&instance->registry, job);
  for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++)
    fc_outbox_merge(&job->outbox.event[i], &record->outbox.event[i],
                    job->facts.status == record->facts.status);
  if (record->history.first_seen_s < job->history.first_seen_s) {
    job->history.first_seen_s = record->history.first_seen_s;
    job->dated =
        job->dated & ((unsigned)FC_STAMPS - (unsigned)FC_STAMP_FIRST_SEEN);
  }
  return FC_OK;
}

enum fc_error fc_instance_restore(struct fc_instance *instance,
                                  const struct fc_job_record *record,
                                  bool clean, struct fc_now now) {
  fc_instance_lock(instance);
  fc_instance_restored(instance, &record->history, now);
  struct fc_job *job = fc_registry_find(&instance->registry, record->id);
  enum fc_error error = job ? restore_known(instance, job, record, clean, now)
                            : restore_new(instance, record, clean, now);
  fc_instance_unlock(instance);
  return error;
}

void fc_instance_doubt(struct fc_instance *instance) {
  fc_instance_lock(instance);
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    if (!fc_status_is_final(job->facts.status))
      fc_job_doubt(job);
  fc_instance_unlock(instance);
}

void fc_instance_restore_endpoint(struct fc_instance *instance,
                                  const struct fc_endpoint_record *record) {
  fc_instance_lock(instance);
  fc_endpoint_restore(&instance->endpoints[record->kind], record);
  fc_instance_unlock(instance);
}

/* What is pending of a job is told before the job may go. */
static bool may_be_refused(const struct fc_job *job) {
  return job->restored && !fc_status_is_final(job->facts.status) &&
         !fc_history_has(&job->history, FC_PAST_FORGOTTEN) &&
         !(job->history.sources & FC_SOURCE_CONFIG) && !job->in_flight &&
         !fc_job_has_pending(job);
}

/* Without attaching, the rows of those that are dropped here stay. */
bool fc_instance_restore_end(struct fc_instance *instance, struct fc_now now) {
  size_t candidates = 0, refused = 0;
  struct fc_job *next;
  fc_instance_lock(instance);
  const struct fc_registry *registry = &instance->registry;
  for (struct fc_job *job = registry->first; job; job = job->next)
    candidates += may_be_refused(job);
  size_t others = registry->len - instance->kept - registry->ended - candidates;
  for (struct fc_job *job = registry->first; job; job = next) {
    next = job->next;
    if (!may_be_refused(job) || others++ < (size_t)instance->settings->max_jobs)
      continue;
    fc_instance_refuse_beyond_max(instance, FC_SOURCE_REGISTRATION, job->id,
                                  now);
    fc_instance_end_watch(instance, job, /* keep_s = */ 0, now);
    refused++;
  }
  fc_instance_unlock(instance);
  return refused > 0;
}

static void settle(struct fc_instance *instance, struct fc_now now) {
  struct fc_job *next;
  for (struct fc_job *job = instance->registry.first; job; job = next) {
    next = job->next;
    job->history.sources &= (uint8_t)~stale_sources(instance, job);
    if (!job->history.sources &&
        !fc_history_has(&job->history, FC_PAST_FORGOTTEN))
      fc_instance_end_watch(instance, job, instance->rules.forget_after_s, now);
  }
}

/* Jobs that came before the file did are newer than those of the file. */
static void rank(struct fc_instance *instance) {
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    if (!fc_history_has(&job->history, FC_PAST_FORGOTTEN))
      fc_instance_outrank(instance, job);
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
        job->history.sources & FC_SOURCES_LISTED)
      fc_job_doubt(job);
}

void fc_instance_attach(struct fc_instance *instance, bool unsure,
                        struct fc_now now) {
  fc_instance_lock(instance);
  instance->attached = true;
  set_unsure(instance, unsure);
  for (struct fc_job *job = instance->registry.first; job; job = job->next) {
    for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++)
      fc_outbox_unsave(&job->outbox.event[i]);
    fc_instance_changed(instance, job, true);
  }
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    instance->endpoints[i].unsaved = true;
  settle(instance, now);
  rank(instance);
  instance->crowded = true;
  fc_instance_make_room(instance, now);
  fc_instance_unlock(instance);
}

static struct fc_job *job_of_saving(struct fc_link *link) {
  return CONTAINER_OF(link, struct fc_job, saving);
}

static void empty(struct fc_instance *instance, struct fc_queue *queue) {
  struct fc_link *link;
  while ((link = fc_queue_take(queue)))
    fc_instance_drop_if_unused(instance, job_of_saving(link));
}

void fc_instance_detach(struct fc_instance *instance, bool unsure) {
  fc_instance_lock(instance);
  instance->attached = false;
  set_unsure(instance, unsure);
  empty(instance, &instance->unsaved);
  empty(instance, &instance->saving);
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    instance->endpoints[i].unsaved = instance->endpoints[i].saving = false;
  fc_instance_unlock(instance);
}

bool fc_instance_has_unsaved(struct fc_instance *instance, bool *urgent) {
  fc_instance_lock(instance);
  bool any = instance->unsaved.first != NULL;
  *urgent = any && instance->save_urgent;
  for (size_t i = 0; i < FC_KIND_COUNT; i++)
    if (instance->endpoints[i].unsaved)
      any = *urgent = true;
  fc_instance_unlock(instance);
  return any;
}

static bool has_doubtful(const struct fc_job *job) {
  for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++)
    if (job->outbox.event[i].doubtful)
      return true;
  return false;
}

static void fill(const struct fc_job *job, struct fc_unsaved *change) {
  fc_text_copy(change->id, sizeof(change->id), job->id);
  fc_text_copy(change->name, sizeof(change->name), job->name->text);
  fc_text_copy(change->error, sizeof(change->error),
               job->error ? job->error : "");
  change->gone = fc_history_has(&job->history, FC_PAST_FORGOTTEN) &&
                 !job->kept && !fc_job_has_pending(job);
  change->record = (struct fc_job_record){
      .id = change->id,
      .name = change->name,
      .error = job->error ? change->error : NULL,
      .facts = job->facts,
      .history = job->history,
      .outbox = job->outbox,
  };
  fc_history_set(&change->record.history, FC_PAST_REPLAYED, has_doubtful(job));
}

size_t fc_instance_save_take(struct fc_instance *instance,
                             struct fc_unsaved *changes, size_t max) {
  struct fc_link *link;
  size_t len = 0;
  fc_instance_lock(instance);
  while (len < max && (link = fc_queue_take(&instance->unsaved))) {
    struct fc_job *job = job_of_saving(link);
    job->changed = false;
    fc_queue_add(&instance->saving, link);
    for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++)
      fc_outbox_save_begin(&job->outbox.event[i]);
    fill(job, &changes[len++]);
  }
  if (!instance->unsaved.first)
    instance->save_urgent = false;
  fc_instance_unlock(instance);
  return len;
}

size_t fc_instance_save_take_endpoints(struct fc_instance *instance,
                                       struct fc_endpoint_record *records) {
  size_t len = 0;
  fc_instance_lock(instance);
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    struct fc_endpoint *endpoint = &instance->endpoints[i];
    if (!endpoint->unsaved)
      continue;
    endpoint->unsaved = false;
    endpoint->saving = true;
    records[len++] = endpoint->told;
  }
  fc_instance_unlock(instance);
  return len;
}

static void job_save_end(struct fc_instance *instance, struct fc_job *job,
                         bool saved) {
  for (size_t i = 0; i < FC_EVENT_JOB_COUNT; i++)
    fc_outbox_save_end(&job->outbox.event[i], saved);
  if (job->changed || !saved)
    fc_instance_changed(instance, job, true);
  fc_instance_drop_if_unused(instance, job);
}

void fc_instance_save_end(struct fc_instance *instance, bool saved) {
  struct fc_link *link;
  fc_instance_lock(instance);
  while ((link = fc_queue_take(&instance->saving)))
    job_save_end(instance, job_of_saving(link), saved);
  for (size_t i = 0; i < FC_KIND_COUNT; i++) {
    struct fc_endpoint *endpoint = &instance->endpoints[i];
    endpoint->unsaved |= endpoint->saving && !saved;
    endpoint->saving = false;
  }
  fc_instance_unlock(instance);
}

void fc_instance_state_unusable(struct fc_instance *instance, const char *text,
                                struct fc_now now) {
  fc_instance_lock(instance);
  fc_stats_fail(&instance->stats, FC_CLASS_STATE, "", text);
  if (!instance->state_unusable) {
    instance->state_unusable = true;
    instance->state_since_s = fc_instance_epoch_s(instance, now);
    fc_text_copy(instance->state_text, sizeof(instance->state_text), text);
    fc_instance_add_event(instance, FC_EVENT_STATE_UNUSABLE,
                          instance->state_since_s);
  }
  fc_instance_unlock(instance);
}

void fc_instance_state_usable(struct fc_instance *instance) {
  fc_instance_lock(instance);
  if (instance->state_unusable)
    fc_instance_add_event(instance, FC_EVENT_STATE_USABLE,
                          instance->state_since_s);
  instance->state_unusable = false;
  fc_instance_unlock(instance);
}
