/* SPDX-License-Identifier: MIT */

/* The jobs of one instance: found by ID, owned by name, kept in the order in
 * which they came, and queued by when they are due. A container without rules
 * of its own; src/watch/instance.c locks it. Owns its jobs. Not thread-safe. */

#ifndef FC_REGISTRY_H
#define FC_REGISTRY_H

#include "src/api/kind.h"
#include "src/api/status.h"
#include "src/base/error.h"
#include "src/base/heap.h"
#include "src/base/macros.h"
#include "src/watch/job.h"

#include <stdbool.h>
#include <stddef.h>

/* Members are read by instance.c; only registry.c writes them. */
struct fc_registry {
  struct fc_job *first, *last; /* in order of arrival */
  size_t len;
  size_t counts[FC_STATUS_COUNT]; /* jobs by status; jobs not yet seen and
                                     forgotten ones are in none, nor are bad
                                     ends that a newer run has made good */
  size_t ended; /* jobs that are final, without forgotten ones */
  size_t stalled;
  size_t kinds[FC_KIND_COUNT]; /* jobs by kind, without forgotten ones */
  struct fc_heap polls;        /* of job->poll: unfinished jobs not in flight */
  struct fc_heap timers;       /* of job->timer */
  struct fc_job *cursor;       /* the next job of the pass under way */
  void *by_id;                 /* search trees of tsearch(3) */
  void *by_name;               /* of struct fc_name */
};

/* Empty; allocates nothing. */
void fc_registry_init(struct fc_registry *registry);

/* Frees all jobs. */
void fc_registry_release(struct fc_registry *registry);

/* The job with that ID, or NULL. */
struct fc_job *fc_registry_find(const struct fc_registry *registry,
                                const char *id);

/* Adds a job that is not there yet, as the newest of its name; its status is
 * FC_STATUS_NONE, it is counted, and it is in no heap. FC_ERR_MEMORY leaves all
 * unchanged. *job is borrowed. */
FC_MUST_USE enum fc_error fc_registry_add(struct fc_registry *registry,
                                          const struct fc_kind *kind,
                                          const char *id, const char *name,
                                          struct fc_job **job);

/* Takes the job out and frees it. */
void fc_registry_remove(struct fc_registry *registry, struct fc_job *job);

/* Gives the job another name, as the newest of that name; nothing changes when
 * it has that name. FC_ERR_MEMORY leaves all unchanged. */
FC_MUST_USE enum fc_error fc_registry_rename(struct fc_registry *registry,
                                             struct fc_job *job,
                                             const char *name);

/* Another name of a job here that becomes the same series in Graphite; NULL:
 * there is none. */
const char *fc_registry_lookalike(const struct fc_registry *registry,
                                  const char *name);

/* The job was in the state file: of its name it is older than all that were
 * not, and newer than those that were marked so before. */
void fc_registry_set_restored(struct fc_job *job);

/* Which job of a name owns its series: one that is watched and not superseded,
 * and of these one that is listed goes before one that is only registered. NULL
 * where there is none. */
struct fc_job *fc_registry_owner(const struct fc_name *name);

/* True when that is this job. */
bool fc_registry_owns_name(const struct fc_job *job);

/* Brackets a change of what the counts are of: a job's status, kind, and its
 * stalled, forgotten and made-good flags. */
void fc_registry_uncount(struct fc_registry *registry,
                         const struct fc_job *job);
void fc_registry_count(struct fc_registry *registry, const struct fc_job *job);

/* A pass over all jobs in order of arrival, which additions and removals do not
 * disturb. One pass at a time. */
void fc_registry_pass_begin(struct fc_registry *registry);

/* The next job of the pass, or NULL at its end. */
struct fc_job *fc_registry_pass_next(struct fc_registry *registry);

/* The job around a heap node. */
struct fc_job *fc_registry_job_of_poll(struct fc_heap_node *node);
struct fc_job *fc_registry_job_of_timer(struct fc_heap_node *node);

#endif
