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
  job->kept =
      keep_s > 0 && (fc_status_is_final(job->facts.status) ||
                     fc_history_has(&job->history, FC_PAST_LOST_REPORTED));
  if (job->kept) {
    instance->kept++;
    instance->crowded = true;
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
  instance->crowded = true;
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

/* Those that are forgotten but not yet freed count too, so that they cannot
 * become too many. */
bool fc_instance_is_full(const struct fc_instance *instance) {
  const struct fc_registry *registry = &instance->registry;
  return registry->len - instance->kept - registry->ended >=
         (size_t)instance->settings->max_jobs;
}

static bool may_be_dropped(const struct fc_job *job) {
  return job->kept || (fc_status_is_final(job->facts.status) &&
                       !(job->history.sources & FC_SOURCES_LISTED) &&
                       !fc_history_has(&job->history, FC_PAST_FORGOTTEN));
}

/* How many of those that may be dropped had ended by then. */
static size_t ended_by(const struct fc_instance *instance, int64_t by_s) {
  size_t count = 0;
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    count += may_be_dropped(job) && job->history.ended_s <= by_s;
  return count;
}

/* When the n-th of them ended, n >= 1: by halving the time in which they did,
 * so that many that are dropped at once take few passes. */
static int64_t nth_end_s(const struct fc_instance *instance, size_t n) {
  int64_t low_s = INT64_MAX, high_s = INT64_MIN;
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    if (may_be_dropped(job)) {
      low_s = fc_min64(low_s, job->history.ended_s);
      high_s = fc_max64(high_s, job->history.ended_s);
    }
  while (n > 1 && low_s < high_s) {
    int64_t middle_s = low_s + (high_s - low_s) / 2;
    if (ended_by(instance, middle_s) >= n)
      high_s = middle_s;
    else
      low_s = middle_s + 1;
  }
  return low_s;
}

/* Drops up to n of those that ended in that time; returns how many are left to
 * drop. */
static size_t drop_ended(struct fc_instance *instance, int64_t from_s,
                         int64_t to_s, size_t n, struct fc_now now) {
  struct fc_job *next;
  for (struct fc_job *job = instance->registry.first; job && n; job = next) {
    next = job->next;
    if (!may_be_dropped(job) || job->history.ended_s < from_s ||
        job->history.ended_s > to_s)
      continue;
    fc_instance_end_watch(instance, job, /* keep_s = */ 0, now);
    n--;
  }
  return n;
}

/* One that is listed would be asked for afresh, and told of again. Where only
 * such are left, nobody looks again before something has changed. */
void fc_instance_make_room(struct fc_instance *instance, struct fc_now now) {
  size_t max = (size_t)instance->settings->max_jobs;
  size_t ends = instance->registry.ended + instance->kept;
  bool crowded = instance->crowded;
  instance->crowded = false;
  if (!crowded || ends <= max)
    return;
  size_t droppable = ended_by(instance, INT64_MAX);
  size_t n = ends - max < droppable ? ends - max : droppable;
  if (n == 0)
    return;
  int64_t last_s = nth_end_s(instance, n);
  n = drop_ended(instance, INT64_MIN, last_s - 1, n, now);
  (void)drop_ended(instance, last_s, last_s, n, now);
  instance->crowded = false;
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

/* What a source says of a job. */
struct wish {
  const struct fc_kind *kind;
  const char *id;
  const char *name; /* NULL: none is given */
  enum fc_job_source source;
};

static void set_run_flags(struct fc_instance *instance, struct fc_job *job,
                          unsigned flags) {
  fc_registry_uncount(&instance->registry, job);
  job->history.flags =
      (uint8_t)((job->history.flags & ~(unsigned)FC_PAST_OF_RUNS) | flags);
  fc_registry_count(&instance->registry, job);
}

static bool is_listed(const struct fc_job *job) {
  return job->history.sources & FC_SOURCES_LISTED;
}

void fc_instance_outrank(struct fc_instance *instance, struct fc_job *job) {
  unsigned flags = job->facts.status == FC_STATUS_COMPLETED
                       ? FC_PAST_OF_RUNS
                       : FC_PAST_SUPERSEDED;
  for (struct fc_job *older = job->older; older; older = older->older) {
    if (is_listed(older) && !is_listed(job))
      continue;
    /* Who did that to it did the same to what is older still. */
    if ((older->history.flags & flags) == flags &&
        is_listed(older) == is_listed(job))
      break;
    set_run_flags(instance, older,
                  (older->history.flags & FC_PAST_OF_RUNS) | flags);
    fc_instance_changed(instance, older, true);
  }
}

/* The first job of a name says so where it becomes one series with another. */
static void look_for_lookalike(struct fc_instance *instance,
                               const struct fc_job *job) {
  const char *name = job->name->text;
  const char *other =
      job->older ? NULL : fc_registry_lookalike(&instance->registry, name);
  if (other)
    fc_instance_report_held(
        instance, FC_SEVERITY_WARNING,
        "the names \"%s\" and \"%s\" become one series in "
        "Graphite, where \".\" is \"_\": rename one of them",
        name, other);
}

/* It has another name. */
static void become_newest(struct fc_instance *instance, struct fc_job *job) {
  look_for_lookalike(instance, job);
  set_run_flags(instance, job, 0);
  fc_instance_outrank(instance, job);
}

static bool is_newer(const struct fc_job *job, const struct fc_job *other) {
  const struct fc_job *older = job->older;
  while (older && older != other)
    older = older->older;
  return older != NULL;
}

/* Of the runs of a name that are listed, the newest has the series, whatever
 * those that are only registered did to it. */
static void become_listed(struct fc_instance *instance, struct fc_job *job) {
  const struct fc_job *owner = fc_registry_owner(job->name);
  if (owner && (!is_listed(owner) || is_newer(job, owner)))
    set_run_flags(instance, job, 0);
  fc_instance_outrank(instance, job);
}

static void ask_now(struct fc_instance *instance, struct fc_job *job,
                    struct fc_now now) {
  job->again = job->in_flight;
  if (job->poll.place && job->poll.key > now.mono_ms)
    fc_heap_set(&instance->registry.polls, &job->poll, now.mono_ms);
}

static enum fc_error add_unknown(struct fc_instance *instance,
                                 const struct wish *wish, struct fc_now now) {
  struct fc_job *job;
  enum fc_error error = add_new(instance, wish->kind, wish->id,
                                wish->name ? wish->name : wish->id, now, &job);
  if (error == FC_ERR_LIMIT)
    fc_instance_refuse_beyond_max(instance, wish->source, wish->id, now);
  if (error)
    return error;
  if (instance->unsure && wish->source != FC_SOURCE_REGISTRATION)
    fc_job_doubt(job);
  if (wish->source == FC_SOURCE_FILE)
    (void)claim(job);
  else
    refuse_no_more(instance, wish->source);
  job->history.sources = (uint8_t)wish->source;
  look_for_lookalike(instance, job);
  fc_instance_outrank(instance, job);
  fc_instance_changed(instance, job, true);
  return FC_OK;
}

/* What the wish changes of a known job. */
struct change {
  bool kind, name;
};

static enum fc_error judge(const struct fc_job *job, const struct wish *wish,
                           struct change *change) {
  *change = (struct change){
      .kind = job->history.kind != (uint8_t)wish->kind->id,
      .name = wish->name && strcmp(job->name->text, wish->name) != 0,
  };
  if (!is_overruled(job, wish->source) || !(change->kind || change->name))
    return FC_OK;
  *change = (struct change){false, false};
  return wish->source == FC_SOURCE_REGISTRATION ? FC_ERR_EXISTS : FC_OK;
}

/* One that has ended needs room only where it starts afresh. */
static enum fc_error make_ready(struct fc_instance *instance,
                                struct fc_job *job, const struct wish *wish,
                                const struct change *change,
                                struct fc_now now) {
  if (change->kind && fc_status_is_final(job->facts.status) &&
      fc_instance_is_full(instance)) {
    fc_instance_refuse_beyond_max(instance, wish->source, wish->id, now);
    return FC_ERR_LIMIT;
  }
  return change->name ? fc_registry_rename(&instance->registry, job, wish->name)
                      : FC_OK;
}

/* Returns whether anything has changed. */
static bool grant(struct fc_instance *instance, struct fc_job *job,
                  const struct wish *wish, const struct change *change,
                  struct fc_now now) {
  bool was_listed = is_listed(job);
  bool was_forgotten = fc_history_has(&job->history, FC_PAST_FORGOTTEN);
  bool is_new = was_forgotten || !(job->history.sources & wish->source);
  job->history.sources |= (uint8_t)wish->source;
  if (change->kind)
    change_kind(instance, job, wish->kind, now);
  if (was_forgotten)
    fc_instance_watch_again(instance, job, now);
  if (change->name)
    become_newest(instance, job);
  else if (is_listed(job) && !was_listed)
    become_listed(instance, job);
  if (wish->source == FC_SOURCE_REGISTRATION)
    ask_now(instance, job, now);
  return is_new || change->kind || change->name;
}

static enum fc_error add_known(struct fc_instance *instance, struct fc_job *job,
                               const struct wish *wish, struct fc_now now,
                               bool *changed) {
  struct change change;
  if (wish->source == FC_SOURCE_FILE && claim(job))
    return FC_ERR_EXISTS;
  enum fc_error error = judge(job, wish, &change);
  if (!error)
    error = make_ready(instance, job, wish, &change, now);
  if (error)
    return error;
  *changed = grant(instance, job, wish, &change, now);
  if (*changed)
    fc_instance_changed(instance, job, true);
  return FC_OK;
}

static enum fc_error add(struct fc_instance *instance, const struct wish *wish,
                         struct fc_now now, bool *changed) {
  if (!fc_id_valid(wish->id, strlen(wish->id)) ||
      (wish->name && !fc_name_valid(wish->name, strlen(wish->name))))
    return FC_ERR_ARGUMENT;
  fc_instance_lock(instance);
  struct fc_job *job = fc_registry_find(&instance->registry, wish->id);
  *changed = true;
  enum fc_error error = job ? add_known(instance, job, wish, now, changed)
                            : add_unknown(instance, wish, now);
  fc_instance_unlock(instance);
  return error;
}

enum fc_error fc_instance_add(struct fc_instance *instance,
                              const struct fc_kind *kind, const char *id,
                              const char *name, enum fc_job_source source,
                              struct fc_now now) {
  bool changed;
  if (source == FC_SOURCE_REGISTRATION)
    return fc_instance_register(instance, kind, id, name, now, &changed);
  const struct wish wish = {kind, id, name ? name : id, source};
  return add(instance, &wish, now, &changed);
}

/* PUTNOTIF can send no empty message: it sends the ID for no name. */
enum fc_error fc_instance_register(struct fc_instance *instance,
                                   const struct fc_kind *kind, const char *id,
                                   const char *name, struct fc_now now,
                                   bool *changed) {
  bool is_named = name && strcmp(name, id) != 0;
  const struct wish wish = {kind, id, is_named ? name : NULL,
                            FC_SOURCE_REGISTRATION};
  return add(instance, &wish, now, changed);
}

enum fc_error fc_instance_forget(struct fc_instance *instance, const char *id,
                                 enum fc_job_source source, struct fc_now now) {
  fc_instance_lock(instance);
  struct fc_job *job = fc_registry_find(&instance->registry, id);
  bool known = job && (job->history.sources & source);
  if (known)
    take_sources(instance, job, source, now);
  fc_instance_make_room(instance, now);
  fc_instance_unlock(instance);
  return known ? FC_OK : FC_ERR_NOT_FOUND;
}

static void unlist(struct fc_instance *instance) {
  for (struct fc_job *job = instance->registry.first; job; job = job->next)
    job->listed = false;
}

void fc_instance_file_begin(struct fc_instance *instance) {
  fc_instance_lock(instance);
  instance->file_read = true;
  unlist(instance);
  fc_instance_unlock(instance);
}

void fc_instance_file_claim(struct fc_instance *instance, const char *id) {
  fc_instance_lock(instance);
  struct fc_job *job = fc_registry_find(&instance->registry, id);
  if (job)
    job->listed = true;
  fc_instance_unlock(instance);
}

static void sweep(struct fc_instance *instance, struct fc_now now) {
  struct fc_job *next;
  for (struct fc_job *job = instance->registry.first; job; job = next) {
    next = job->next;
    if ((job->history.sources & FC_SOURCE_FILE) && !job->listed)
      take_sources(instance, job, FC_SOURCE_FILE, now);
  }
  fc_instance_make_room(instance, now);
}

void fc_instance_file_sweep(struct fc_instance *instance, struct fc_now now) {
  fc_instance_lock(instance);
  sweep(instance, now);
  unlist(instance);
  fc_instance_unlock(instance);
}

void fc_instance_file_end(struct fc_instance *instance, const char *refused,
                          struct fc_now now) {
  fc_instance_lock(instance);
  sweep(instance, now);
  if (refused)
    refuse(instance, FC_SOURCE_FILE, refused, now);
  else
    refuse_no_more(instance, FC_SOURCE_FILE);
  fc_instance_unlock(instance);
}
