/* SPDX-License-Identifier: MIT */

/* The life of one job: what an answer, or time alone, makes of it. Pure
 * functions of the job, the rules and the moment; they report events and do
 * nothing else. Not thread-safe. */

#ifndef FC_JOB_H
#define FC_JOB_H

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/result.h"
#include "src/base/clock.h"
#include "src/base/heap.h"
#include "src/base/queue.h"
#include "src/watch/event.h"
#include "src/watch/record.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  /* A job is lost once it was missing for so long: the API knows a new one only
   * after some seconds (firecrawl issue 2662), and a replica may lag behind. */
  FC_JOB_MISSING_MS = 60 * 1000,
  FC_JOB_STALLED_S = 3600, /* how long one that stalled no longer is shown so */
  FC_JOB_COUNT_MAX = 15    /* of failures and misses */
};

/* Who wants the job watched: a set. */
enum fc_job_source {
  FC_SOURCE_CONFIG = 1,
  FC_SOURCE_FILE = 2,
  FC_SOURCE_REGISTRATION = 4
};

/* The time stamps of a job's history: a set. */
enum fc_stamp {
  FC_STAMP_FIRST_SEEN = 1,
  FC_STAMP_PROCESSING = 2,
  FC_STAMP_ENDED = 4,
  FC_STAMP_NOTIFIED = 8,
  FC_STAMPS = 15
};
/* Those that say themselves when they no longer want it. */
enum { FC_SOURCES_LISTED = FC_SOURCE_CONFIG | FC_SOURCE_FILE };

struct fc_job_rules {
  int64_t stall_timeout_s;   /* 0: never */
  int64_t expiry_warning_s;  /* 0: never */
  int64_t repeat_interval_s; /* 0: never */
  int64_t forget_after_s;
  bool notify_completed;
};

/* A series name, and which of its jobs owns the series. */
struct fc_name {
  struct fc_job *newest;
  char text[]; /* at most FC_NAME_MAX bytes and a NUL */
};

struct fc_job {
  struct fc_heap_node poll;  /* when to ask, monotonic ms; the registry's */
  struct fc_heap_node timer; /* when time alone counts, monotonic ms */
  struct fc_job *next, *previous; /* in order of arrival */
  struct fc_job *older;           /* the next older one of the same name */
  struct fc_link owing;           /* queued while events are to be delivered */
  struct fc_link saving; /* queued while it is to be saved, or being saved */
  struct fc_name *name;  /* shared by all jobs of that name */
  char *id;              /* in the job's own allocation */
  char *error; /* the API's text of an ended or lost job; NULL: none */
  int64_t last_asked_ms; /* monotonic; when it came, if it never was */
  struct fc_facts facts; /* what the API said last */
  struct fc_history history;
  struct fc_outbox outbox;
  int32_t missing_since_s; /* monotonic, rounded up; valid if `missing` */
  int32_t flapped_s;       /* when it was told last that it was lost or found */
  uint32_t phase_ms;       /* of its turns, within the interval */
  uint32_t stalled_till_s; /* it is shown as one that was stalled, monotonic */
  uint8_t failures : 4; /* requests in a row that failed, up to ..._COUNT_MAX */
  uint8_t misses : 4;   /* answers in a row that it is lost, the same */
  uint8_t refused_era;  /* the instance's, when the API refused it last */
  uint8_t dated : 4;    /* the stamps that are this run's own: enum fc_stamp */
  bool listed : 1;      /* the last reading of the JobFile had it */
  bool missing : 1; /* the API has not known it, or refused it, since it last
                       said its status */
  bool in_flight : 1;
  bool kept : 1;     /* forgotten, but not freed: it is not reported again */
  bool fresh : 1;    /* the last answer is no failure and may be shown */
  bool changed : 1;  /* since it was taken to be saved */
  bool again : 1;    /* to be asked for once more, as soon as it is answered */
  bool shown : 1;    /* the reader has shown how it ended */
  bool overdue : 1;  /* its series are to end once it was shown */
  bool restored : 1; /* it was in the state file: older than any that was not */
  uint8_t flaps : 2; /* how often that was told: struct fc_flap */
};

/* A job of which nothing is known; all else in it is zero. */
void fc_job_init(struct fc_job *job, const struct fc_kind *kind);

/* When an answer came. The server's clock is epoch seconds. */
struct fc_moment {
  int64_t mono_ms;
  int64_t now_s;  /* on the server's clock, as far as that is known */
  int64_t date_s; /* the answer's own Date, where that counts; else now_s */
  bool sure;      /* stamps may be held against now_s */
  bool doubted;   /* the Date is in doubt, and so is what the answer dates */
};

/* Applies the result of a request, as what it is about: the result's own answer
 * or, for FC_ERR_REFUSED, what the caller makes of it. Returns the set of
 * events that follow. FC_ANSWER_NONE changes no status. An answer at a moment
 * that is not sure makes no job stalled, and well none that is; neither does
 * the expiresAt of one whose Date is in doubt. */
unsigned fc_job_apply(struct fc_job *job, const struct fc_job_rules *rules,
                      enum fc_answer answer, const struct fc_result *result,
                      const struct fc_moment *moment);

/* The API does not know the job, or refuses it; once more, or for the first
 * time since it said a status. */
void fc_job_miss(struct fc_job *job, int64_t mono_ms);

/* True while the job is stalled, and for FC_JOB_STALLED_S after that. */
bool fc_job_shows_stall(const struct fc_job *job, int64_t mono_ms);

/* The job is of another kind than was thought: nothing is known of it but what
 * it is called and who wants it. */
void fc_job_restart(struct fc_job *job, const struct fc_kind *kind);

/* Keeps the API's error text of an ended job; "" for none. Without memory there
 * is none. */
void fc_job_keep_error(struct fc_job *job, const char *error);

/* True while an event of the job is to be delivered. */
bool fc_job_has_pending(const struct fc_job *job);

/* What is to be delivered of the job, now or later, may be a repeat. */
void fc_job_doubt(struct fc_job *job);

/* That it is lost is not told now. */
void fc_job_put_off(struct fc_job *job);

/* What time alone brings: returns events, and sets *ended when the job's own
 * series end now. They do not before the reader has shown how it
 * ended: job->overdue says that this is all it waits for. */
unsigned fc_job_tick(struct fc_job *job, const struct fc_job_rules *rules,
                     int64_t mono_ms, int64_t now_s, bool *ended);

/* When fc_job_tick is next of use, epoch seconds; FC_NEVER if never. */
int64_t fc_job_timer_s(const struct fc_job *job,
                       const struct fc_job_rules *rules);

/* The same, monotonic: when it may be told that the job is lost, or found,
 * which was held back (src/watch/flap.h) or put off. */
int64_t fc_job_flap_ms(const struct fc_job *job);

/* An event is being told. True when it is the last of lost and found for an
 * hour; the one that would follow it at once is then held back. */
bool fc_job_tell(struct fc_job *job, enum fc_event_type type, int64_t mono_ms);

/* Seconds in processing so far, or in all; false where they were not seen, and
 * where the moment is not `sure` and they began on another run's clock. */
bool fc_job_duration_s(const struct fc_job *job, int64_t now_s, bool sure,
                       double *duration_s);

/* The clock has moved by delta_s, and some stamps (a set of enum fc_stamp) with
 * it; none may lie after now_s. True when any has changed. */
bool fc_job_move_stamps(struct fc_job *job, unsigned stamps, int64_t delta_s,
                        int64_t now_s);

#endif
