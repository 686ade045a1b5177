/* SPDX-License-Identifier: MIT */

/* The inside of an instance, shared by the files that make it up: instance.c
 * (sources of jobs, and the poller's side), instance_read.c (the reader's side)
 * and instance_save.c (the state file's side). Nobody else includes this. */

#ifndef FC_INSTANCE_PRIVATE_H
#define FC_INSTANCE_PRIVATE_H

#include "src/base/text.h"
#include "src/watch/instance.h"

#include "src/watch/registry.h"
#include "src/watch/schedule.h"

#include <pthread.h>

/* What the operator was told about the API. */
enum problem { PROBLEM_NONE, PROBLEM_API, PROBLEM_KEY };

/* What is known of one kind's endpoint. */
struct endpoint {
  bool has_sunset;           /* ... that has not passed without effect */
  int64_t sunset_s;          /* of its header, else of the table of kinds */
  int64_t sunset_reported_s; /* the date that was warned of; 0: none yet */
  bool last_warning_given;   /* ... for that date */
  bool gone_reported;
  struct fc_endpoint_reported { /* what was delivered of it */
    int64_t sunset_s;
    bool last_warning, gone;
  } reported;
  bool unsaved, saving; /* `reported` */
  uint32_t pending;     /* ENDPOINT_GONE, ENDPOINT_SUNSET */
  char successor[FC_WORD_SIZE];
};

struct fc_instance {
  const struct fc_settings *settings;
  int64_t interval_ms;
  struct fc_job_rules rules;
  pthread_mutex_t lock; /* all below */
  struct fc_registry registry;
  struct fc_schedule schedule;
  struct fc_job *pending_first, *pending_last; /* jobs with pending events */
  struct fc_job *unsaved_first, *unsaved_last; /* jobs the file lacks */
  struct fc_job *saving;                       /* jobs being written to it */
  bool saves;       /* there is a state file: changes are queued for it */
  bool durable;     /* it works: events wait until they are saved */
  bool save_urgent; /* a change that must not wait */
  bool unsure;      /* listed jobs may have been told of before */
  size_t kept;      /* forgotten jobs that are kept */
  struct fc_job *answered; /* the last that was; NULL: none, or removed */
  bool has_clock;
  int64_t clock_ms; /* server's epoch in ms minus monotonic ms */

  uint64_t requests;
  uint64_t codes[FC_HTTP_CODE_MAX + 1];
  struct fc_failure failures[FC_CLASS_COUNT];
  uint64_t timed; /* requests since the last fc_instance_stats */
  double timed_sum_s, timed_max_s;

  bool api_heard; /* a request has ended since a job is left to ask for */
  bool api_up, api_down; /* both false before the first request ended */
  int64_t api_down_since_ms;
  enum problem problem;
  bool problem_reported; /* delivered, and not yet that it is over */
  uint32_t pending;      /* instance events */
  char api_text[FC_ERROR_TEXT_SIZE];
  char refused_text[FC_ERROR_TEXT_SIZE];
  unsigned refusing;  /* set of enum fc_job_source: whose jobs */
  unsigned file_pass; /* counts readings of the JobFile */
  struct fc_report reports[FC_REPORTS_MAX];
  size_t reports_len, reports_lost;
  bool has_unknown_word;
  char unknown_word[FC_WORD_SIZE];     /* the last one that a note told of */
  char state_text[FC_ERROR_TEXT_SIZE]; /* why the state file is of no use */
  struct endpoint endpoints[FC_KIND_COUNT];

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
int64_t fc_instance_epoch_s(const struct fc_instance *instance,
                            struct fc_now now);

/* Queues events of a job to be delivered: a set of types, which may be
 * empty. A loss takes back a "found" that nobody has heard of yet. */
void fc_instance_add_events(struct fc_instance *instance, struct fc_job *job,
                            unsigned events);

/* Takes events of a job back, or reports that they were delivered. */
void fc_instance_drop_events(struct fc_job *job, unsigned events);

/* Queues an event of the instance. It takes back the opposite ones that nobody
 * has heard of yet, so that what is told last is how it is. */
void fc_instance_add_event(struct fc_instance *instance,
                           enum fc_event_type type, unsigned opposite);

/* Counts a failure, of the job with that ID or, with "", of none. */
void fc_instance_count_failure(struct fc_instance *instance,
                               enum fc_error_class class, const char *id,
                               const char *detail);

/* True when MaxJobs are there; those only kept do not count. */
bool fc_instance_is_full(const struct fc_instance *instance);

/* True while a job is left to ask for, or a request is under way. */
bool fc_instance_has_work(const struct fc_instance *instance);

/* Sets the job's timer by its rules. */
void fc_instance_set_timer(struct fc_instance *instance, struct fc_job *job,
                           struct fc_now now);

/* Queues the job for the state file, if there is one. */
void fc_instance_changed(struct fc_instance *instance, struct fc_job *job,
                         bool urgent);

/* A job is refused because MaxJobs are there: told once, with OKAY on
 * recovery. */
void fc_instance_refuse_beyond_max(struct fc_instance *instance,
                                   enum fc_job_source source, const char *id);

/* Stops watching the job. One that has ended is kept for ForgetAfter, so that
 * it is not told of again should it come back. */
void fc_instance_forget_job(struct fc_instance *instance, struct fc_job *job,
                            struct fc_now now);

/* Frees a forgotten job once nothing holds it. */
void fc_instance_drop_if_unused(struct fc_instance *instance,
                                struct fc_job *job);

#endif
