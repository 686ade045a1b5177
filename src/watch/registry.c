/* SPDX-License-Identifier: MIT */

#include "src/watch/registry.h"

#include "src/api/name.h"
#include "src/base/macros.h"

#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int compare_ids(const void *a, const void *b) {
  return strcmp(((const struct fc_job *)a)->id, ((const struct fc_job *)b)->id);
}

/* Names that are one in Graphite stand side by side. */
static int compare_texts(const char *a, const char *b) {
  int order = fc_name_compare_in_graphite(a, b);
  return order ? order : strcmp(a, b);
}

static int compare_names(const void *a, const void *b) {
  return compare_texts(((const struct fc_name *)a)->text,
                       ((const struct fc_name *)b)->text);
}

/* The key is the first argument, in glibc and musl. */
static int compare_text_with_name(const void *text, const void *name) {
  return compare_texts(text, ((const struct fc_name *)name)->text);
}

/* Finds another name that is the same in Graphite, before or behind it. */
static int compare_before(const void *text, const void *name) {
  const char *other = ((const struct fc_name *)name)->text;
  return strcmp(text, other) ? fc_name_compare_in_graphite(text, other) : -1;
}

static int compare_behind(const void *text, const void *name) {
  const char *other = ((const struct fc_name *)name)->text;
  return strcmp(text, other) ? fc_name_compare_in_graphite(text, other) : 1;
}

void fc_registry_init(struct fc_registry *registry) {
  *registry = (struct fc_registry){0};
}

static void job_free(struct fc_job *job) {
  free(job->error);
  free(job);
}

static void keep_node(void *node) { (void)node; }

void fc_registry_release(struct fc_registry *registry) {
  tdestroy(registry->by_id, keep_node);
  tdestroy(registry->by_name, free);
  while (registry->first) {
    struct fc_job *job = registry->first;
    registry->first = job->next;
    job_free(job);
  }
  fc_heap_release(&registry->polls);
  fc_heap_release(&registry->timers);
  fc_registry_init(registry);
}

struct fc_job *fc_registry_find(const struct fc_registry *registry,
                                const char *id) {
  /* NOLINTNEXTLINE(performance-no-int-to-ptr): away with const, for a key */
  struct fc_job key = {.id = (char *)(uintptr_t)id};
  struct fc_job **found = tfind(&key, &registry->by_id, compare_ids);
  return found ? *found : NULL;
}

static bool may_own(const struct fc_job *job) {
  return !(job->history.flags & (FC_PAST_FORGOTTEN | FC_PAST_SUPERSEDED));
}

struct fc_job *fc_registry_owner(const struct fc_name *name) {
  struct fc_job *registered = NULL;
  for (struct fc_job *job = name->newest; job; job = job->older) {
    if (!may_own(job))
      continue;
    if (job->history.sources & FC_SOURCES_LISTED)
      return job;
    if (!registered)
      registered = job;
  }
  return registered;
}

bool fc_registry_owns_name(const struct fc_job *job) {
  return may_own(job) && fc_registry_owner(job->name) == job;
}

const char *fc_registry_lookalike(const struct fc_registry *registry,
                                  const char *name) {
  struct fc_name **found = tfind(name, &registry->by_name, compare_before);
  if (!found)
    found = tfind(name, &registry->by_name, compare_behind);
  return found ? (*found)->text : NULL;
}

/* The name's entry, a new one if need be; NULL when memory is short. */
static struct fc_name *name_get(struct fc_registry *registry,
                                const char *text) {
  struct fc_name **found =
      tfind(text, &registry->by_name, compare_text_with_name);
  if (found)
    return *found;
  size_t size = strlen(text) + 1;
  struct fc_name *name = calloc(1, sizeof(*name) + size);
  if (!name)
    return NULL;
  memcpy(name->text, text, size);
  if (!tsearch(name, &registry->by_name, compare_names)) {
    free(name);
    return NULL;
  }
  return name;
}

static void name_free_if_unused(struct fc_registry *registry,
                                struct fc_name *name) {
  if (name->newest)
    return;
  (void)tdelete(name, &registry->by_name, compare_names);
  free(name);
}

static void name_push(struct fc_name *name, struct fc_job *job) {
  job->name = name;
  job->older = name->newest;
  name->newest = job;
}

static void name_unlink(struct fc_job *job) {
  struct fc_job **link = &job->name->newest;
  while (*link != job)
    link = &(*link)->older;
  *link = job->older;
}

static void name_drop(struct fc_registry *registry, struct fc_job *job) {
  name_unlink(job);
  name_free_if_unused(registry, job->name);
}

static struct fc_job *job_new(const struct fc_kind *kind, const char *id) {
  size_t id_size = strlen(id) + 1;
  struct fc_job *job = calloc(1, sizeof(*job) + id_size);
  if (!job)
    return NULL;
  job->id = memcpy((char *)job + sizeof(*job), id, id_size);
  fc_job_init(job, kind);
  return job;
}

static void list_append(struct fc_registry *registry, struct fc_job *job) {
  job->previous = registry->last;
  if (registry->last)
    registry->last->next = job;
  else
    registry->first = job;
  registry->last = job;
  registry->len++;
}

static void list_remove(struct fc_registry *registry, struct fc_job *job) {
  if (registry->cursor == job)
    registry->cursor = job->next;
  if (job->previous)
    job->previous->next = job->next;
  else
    registry->first = job->next;
  if (job->next)
    job->next->previous = job->previous;
  else
    registry->last = job->previous;
  registry->len--;
}

enum fc_error fc_registry_add(struct fc_registry *registry,
                              const struct fc_kind *kind, const char *id,
                              const char *text, struct fc_job **added) {
  struct fc_name *name = name_get(registry, text);
  struct fc_job *job = name ? job_new(kind, id) : NULL;
  if (!job || fc_heap_reserve(&registry->polls, registry->len + 1) ||
      fc_heap_reserve(&registry->timers, registry->len + 1) ||
      !tsearch(job, &registry->by_id, compare_ids)) {
    free(job);
    if (name)
      name_free_if_unused(registry, name);
    return FC_ERR_MEMORY;
  }
  name_push(name, job);
  list_append(registry, job);
  fc_registry_count(registry, job);
  *added = job;
  return FC_OK;
}

void fc_registry_remove(struct fc_registry *registry, struct fc_job *job) {
  fc_heap_remove(&registry->polls, &job->poll);
  fc_heap_remove(&registry->timers, &job->timer);
  fc_registry_uncount(registry, job);
  name_drop(registry, job);
  (void)tdelete(job, &registry->by_id, compare_ids);
  list_remove(registry, job);
  job_free(job);
}

enum fc_error fc_registry_rename(struct fc_registry *registry,
                                 struct fc_job *job, const char *text) {
  struct fc_name *name = name_get(registry, text);
  if (!name)
    return FC_ERR_MEMORY;
  if (name == job->name)
    return FC_OK;
  name_drop(registry, job);
  name_push(name, job);
  job->restored = false;
  return FC_OK;
}

void fc_registry_set_restored(struct fc_job *job) {
  name_unlink(job);
  struct fc_job **link = &job->name->newest;
  while (*link && !(*link)->restored)
    link = &(*link)->older;
  job->older = *link;
  *link = job;
  job->restored = true;
}

static bool is_counted(const struct fc_job *job) {
  switch (job->facts.status) {
  case FC_STATUS_NONE:
    return false;
  case FC_STATUS_FAILED:
  case FC_STATUS_CANCELLED:
  case FC_STATUS_LOST:
    return !fc_history_has(&job->history, FC_PAST_MADE_GOOD);
  default:
    return true;
  }
}

void fc_registry_uncount(struct fc_registry *registry,
                         const struct fc_job *job) {
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN))
    return;
  registry->kinds[job->history.kind]--;
  registry->ended -= fc_status_is_final(job->facts.status);
  if (is_counted(job))
    registry->counts[job->facts.status]--;
  if (job->history.stalled)
    registry->stalled--;
}

void fc_registry_count(struct fc_registry *registry, const struct fc_job *job) {
  if (fc_history_has(&job->history, FC_PAST_FORGOTTEN))
    return;
  registry->kinds[job->history.kind]++;
  registry->ended += fc_status_is_final(job->facts.status);
  if (is_counted(job))
    registry->counts[job->facts.status]++;
  if (job->history.stalled)
    registry->stalled++;
}

void fc_registry_pass_begin(struct fc_registry *registry) {
  registry->cursor = registry->first;
}

struct fc_job *fc_registry_pass_next(struct fc_registry *registry) {
  struct fc_job *job = registry->cursor;
  if (job)
    registry->cursor = job->next;
  return job;
}

struct fc_job *fc_registry_job_of_poll(struct fc_heap_node *node) {
  return CONTAINER_OF(node, struct fc_job, poll);
}

struct fc_job *fc_registry_job_of_timer(struct fc_heap_node *node) {
  return CONTAINER_OF(node, struct fc_job, timer);
}
