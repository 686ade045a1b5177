/* SPDX-License-Identifier: MIT */

/* An instance and its state file: what is restored at the start, and what is
 * saved while it runs. For src/state/journal.c; the disk thread. */

#ifndef FC_INSTANCE_SAVE_H
#define FC_INSTANCE_SAVE_H

#include "src/api/name.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/watch/instance.h"
#include "src/watch/record.h"

/* Brings back a job as it was stored. One that is known already, and was not
 * asked for yet, takes over what was stored of it; of one that was, what was
 * delivered before is not delivered again. `clean`: what is pending in it
 * has certainly not been delivered. FC_ERR_ARGUMENT for a bad ID or name,
 * FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error
fc_instance_restore(struct fc_instance *instance,
                    const struct fc_job_record *record, bool clean,
                    struct fc_now now);

/* What is told of jobs that had not ended may be a repeat: an earlier run could
 * not save all that it told. */
void fc_instance_doubt(struct fc_instance *instance);

/* All are back, and which of them have ended is known: those that have not, are
 * not configured and come beyond MaxJobs are refused, which is told of, and
 * dropped. Returns whether there are any: what is stored of them has to stay.
 * To be called before fc_instance_attach. */
FC_MUST_USE bool fc_instance_restore_end(struct fc_instance *instance,
                                         struct fc_now now);

void fc_instance_restore_endpoint(struct fc_instance *instance,
                                  const struct fc_endpoint_record *record);

/* Whether a job is known. */
bool fc_instance_knows(struct fc_instance *instance, const char *id);

/* From now on the state file follows: everything is queued for it, then every
 * change, and events wait until they are saved. What was restored and nobody
 * wants is forgotten: jobs that are no longer in the configuration or in a
 * JobFile that was read meanwhile, and those of sources that are switched off.
 * To be called once the configuration's own jobs were added. `unsure`: what
 * earlier runs told is not known, and so what is told of listed jobs may be a
 * repeat, and is marked so. */
void fc_instance_attach(struct fc_instance *instance, bool unsure,
                        struct fc_now now);

/* There is no state file to follow, as when an instance is new: nothing is
 * queued, and events wait for nothing. `unsure` as above. */
void fc_instance_detach(struct fc_instance *instance, bool unsure);

/* Whether something is queued, and whether it must not wait. */
bool fc_instance_has_unsaved(struct fc_instance *instance, bool *urgent);

/* One change to be saved. The record's strings point into the struct. */
struct fc_unsaved {
  bool gone; /* the row is to be deleted */
  struct fc_job_record record;
  char id[FC_ID_MAX + 1];
  char name[FC_NAME_MAX + 1];
  char error[FC_ERROR_TEXT_SIZE];
};

/* Takes the next changes off the queue; returns how many of changes[max] were
 * filled. They count as being saved until fc_instance_save_end. */
size_t fc_instance_save_take(struct fc_instance *instance,
                             struct fc_unsaved *changes, size_t max);

/* The same for what is known of the endpoints; at most FC_KIND_COUNT. */
size_t fc_instance_save_take_endpoints(struct fc_instance *instance,
                                       struct fc_endpoint_record *records);

/* All that was taken is committed, or (`saved` false) was not and is queued
 * again. */
void fc_instance_save_end(struct fc_instance *instance, bool saved);

/* The state file cannot be used (once told, with OKAY on recovery), or can. */
void fc_instance_state_unusable(struct fc_instance *instance, const char *text,
                                struct fc_now now);
void fc_instance_state_usable(struct fc_instance *instance);

#endif
