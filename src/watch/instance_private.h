/* SPDX-License-Identifier: MIT */

/* The inside of an instance, shared by the files that make it up: instance.c
 * (what it is made of), instance_clock.c (the server's time),
 * instance_jobs.c (sources of jobs), instance_poll.c (the poller's side),
 * instance_read.c (the reader's side) and instance_save.c (the state file's
 * side). Nobody else includes this. */

#ifndef FC_INSTANCE_PRIVATE_H
#define FC_INSTANCE_PRIVATE_H

#include "src/watch/instance.h"

#include "src/base/queue.h"
#include "src/base/text.h"
#include "src/base/throttle.h"
#include "src/watch/endpoint.h"
#include "src/watch/flap.h"
#include "src/watch/flush.h"
#include "src/watch/health.h"
#include "src/watch/outbox.h"
#include "src/watch/refusals.h"
#include "src/watch/registry.h"
#include "src/watch/reports.h"
#include "src/watch/schedule.h"
#include "src/watch/serverclock.h"
#include "src/watch/stats.h"

#include <pthread.h>

enum { INSTANCE_EVENTS = FC_EVENT_COUNT - FC_EVENT_ENDPOINT_END };

/* What an instance's own events are about. */
enum fc_subject {
  FC_SUBJECT_API,
  FC_SUBJECT_JOBS,
  FC_SUBJECT_STATE,
  FC_SUBJECT_COUNT
};

struct fc_instance {
  const struct fc_settings *settings;
  int64_t interval_ms;
  struct fc_job_rules rules;
  pthread_mutex_t lock; /* all below */
  struct fc_registry registry;
  struct fc_schedule schedule;
  struct fc_flush flush;
  int64_t flush_age_ms; /* its: what was asked for more recently is let be */
  struct fc_serverclock clock;
  struct fc_health health;
  struct fc_stats stats;
  struct fc_refusals refusals;
  struct fc_reports reports;
  struct fc_endpoint endpoints[FC_KIND_COUNT];
  struct fc_outbox_event events[INSTANCE_EVENTS]; /* the instance's own */
  int64_t start_s[INSTANCE_EVENTS]; /* when each one's trouble began, epoch */
  struct {
    struct fc_flap flap;
    enum fc_event_type told; /* the last that was; 0: none */
  } subjects[FC_SUBJECT_COUNT];
  struct fc_throttle told;         /* of what others can bring about at will */
  struct fc_queue owing;           /* jobs with events to be delivered */
  struct fc_queue unsaved, saving; /* jobs that the state file lacks, and those
                                      being written to it */
  bool attached;    /* to a state file: it follows, and events wait for it */
  bool save_urgent; /* a change that must not wait */
  bool unsure;      /* jobs may have been reported before */
  size_t kept;      /* forgotten jobs that are kept */
  bool crowded;     /* there may be more ended jobs than are to be kept */
  struct fc_job *answered; /* the last that was; NULL: none, or removed */
  uint8_t era;             /* a new one begins with an answer ... */
  bool era_used;           /* ... after a job was refused in the one before */
  bool file_read;          /* a reading of the JobFile has begun */
  bool state_unusable;
  int64_t state_since_s;               /* epoch */
  char state_text[FC_ERROR_TEXT_SIZE]; /* why */
  bool has_unknown_word;
  struct fc_flap word_flap;
  char unknown_word[FC_WORD_SIZE]; /* the last one that was reported */

  bool has_poll_age, pass_has_age; /* of the last and the current pass */
  int64_t poll_age_ms, pass_age_ms;
};

static inline void fc_instance_lock(struct fc_instance *instance) {
  (void)pthread_mutex_lock(&instance->lock);
}

static inline void fc_instance_unlock(struct fc_instance *instance) {
  (void)pthread_mutex_unlock(&instance->lock);
}

/* All below with the lock held. */

/* The server's time, epoch seconds. */
static inline int64_t fc_instance_epoch_s(const struct fc_instance *instance,
                                          struct fc_now now) {
  return fc_serverclock_s(&instance->clock, now);
}

/* Learns the server's time from a result, which may move the stamps and timers
 * of all jobs, and returns its moment. */
struct fc_moment fc_instance_learn_time(struct fc_instance *instance,
                                        const struct fc_result *result,
                                        struct fc_now now);

/* After an answer: while its Date is in doubt, the next poll comes soon. */
void fc_instance_hurry(struct fc_instance *instance, struct fc_now now);

/* An earlier run's record of a job comes back; to be called first. */
void fc_instance_restored(struct fc_instance *instance,
                          const struct fc_history *history, struct fc_now now);

/* ... and the job's stamps are those of the record now. */
void fc_instance_restored_stamps(struct fc_instance *instance,
                                 struct fc_job *job, struct fc_now now);

/* How often a minute it is told of the instance and its endpoints, and of lost
 * jobs that the configuration does not have: whoever may register, or write the
 * JobFile, can have any number of those. What is beyond waits. */
enum { FC_INSTANCE_TOLD_MAX = 6, FC_INSTANCE_TOLD_MS = 60000 };
extern const struct fc_throttle_rule fc_instance_told_rule;

/* Queues events of a job to be delivered: a set of types, which may be
 * empty. A loss takes back a "found" that nobody has heard of yet. The job's
 * timer is the caller's to set. */
void fc_instance_add_events(struct fc_instance *instance, struct fc_job *job,
                            unsigned events, struct fc_now now);

/* Queues an event of the instance. It takes back those that no longer hold and
 * that nobody has heard of yet, so that what is reported last is how it is;
 * where that is what was told last, there is nothing to be told.
 * `start_s` is when the trouble began, epoch. */
void fc_instance_add_event(struct fc_instance *instance,
                           enum fc_event_type type, int64_t start_s);

/* Takes back a set of the instance's events, of those that nobody has heard
 * of. */
void fc_instance_take_back(struct fc_instance *instance, unsigned events);

/* What an event of the instance is about. */
enum fc_subject fc_instance_subject(enum fc_event_type type);

/* One of these events of the instance. */
struct fc_outbox_event *fc_instance_event(struct fc_instance *instance,
                                          enum fc_event_type type);

/* As fc_instance_report, which takes the lock itself. */
void fc_instance_report_held(struct fc_instance *instance,
                             enum fc_severity severity, const char *format, ...)
    FC_PRINTF(3, 4);

/* True while a job is left to ask for, or a request is under way. */
bool fc_instance_has_work(const struct fc_instance *instance);

/* Sets the job's timer by its rules. */
void fc_instance_set_timer(struct fc_instance *instance, struct fc_job *job,
                           struct fc_now now);

/* Queues the job for the state file, if there is one. */
void fc_instance_changed(struct fc_instance *instance, struct fc_job *job,
                         bool urgent);

/* True when MaxJobs are there that have not ended. */
bool fc_instance_is_full(const struct fc_instance *instance);

/* Of the jobs that have ended, MaxJobs are kept, forgotten ones among them:
 * beyond that those that ended first are dropped, unless they are listed. May
 * free any job that has ended. */
void fc_instance_make_room(struct fc_instance *instance, struct fc_now now);

/* The job is the newest of its name, or has completed: what is older of that
 * name loses the series, or leaves the counts as well. One that is only
 * registered does nothing to those that are listed. */
void fc_instance_outrank(struct fc_instance *instance, struct fc_job *job);

/* Lets time pass for the job, which may be dropped and freed. */
void fc_instance_tick_job(struct fc_instance *instance, struct fc_job *job,
                          struct fc_now now);

/* A job is refused because MaxJobs are there: reported once, with OKAY on
 * recovery. */
void fc_instance_refuse_beyond_max(struct fc_instance *instance,
                                   enum fc_job_source source, const char *id,
                                   struct fc_now now);

/* Ends the watching of a job, for whatever reason. One that has ended, or was
 * told to be lost, is kept for keep_s seconds, or until fc_instance_make_room,
 * so that it is not reported again should it come back; of all others nothing
 * is kept. */
void fc_instance_end_watch(struct fc_instance *instance, struct fc_job *job,
                           int64_t keep_s, struct fc_now now);

/* Somebody wants a forgotten job watched again. */
void fc_instance_watch_again(struct fc_instance *instance, struct fc_job *job,
                             struct fc_now now);

/* Frees a forgotten job once nothing holds it. */
void fc_instance_drop_if_unused(struct fc_instance *instance,
                                struct fc_job *job);

#endif
