/* SPDX-License-Identifier: MIT */

/* What of a job and of an endpoint outlives a restart: the rows that src/state
 * stores, and that an instance gives and takes (src/watch/instance_save.h). */

#ifndef FC_RECORD_H
#define FC_RECORD_H

#include "src/api/facts.h"
#include "src/api/kind.h"
#include "src/api/status.h"
#include "src/watch/event.h"
#include "src/watch/outbox.h"

#include <stdbool.h>
#include <stdint.h>

/* As the state file has them. */
enum fc_past {
  FC_PAST_STALL_REPORTED = 1,
  FC_PAST_LOST_REPORTED = 2,
  FC_PAST_EXPIRY_REPORTED = 4,
  FC_PAST_SILENT = 8,     /* its series have ended (ForgetAfter) */
  FC_PAST_FORGOTTEN = 16, /* nobody wants it watched: it is kept at most so that
                             it is not reported again */
  FC_PAST_REPLAYED = 32,  /* what is pending, or comes of it before it ends, may
                             have been delivered by an earlier run; of a record
                             only */
  FC_PAST_SUPERSEDED = 64, /* a newer run of its name has come: it never owns
                              the name's series again */
  FC_PAST_MADE_GOOD = 128  /* a newer run of its name has completed: its own bad
                              end is no longer counted */
};

/* Those that other runs of its name decide on. */
enum { FC_PAST_OF_RUNS = FC_PAST_SUPERSEDED | FC_PAST_MADE_GOOD };

/* What happened to a job, beside what the API says of it. Part of struct fc_job
 * too, so that it is stored and brought back whole. */
struct fc_history {
  int64_t first_seen_s;       /* when it was first listed or registered */
  int64_t processing_since_s; /* first seen unfinished; with its flag */
  int64_t ended_s;            /* seen final or lost; with its flag */
  int64_t notified_s;         /* failure last reported; with its flag */
  bool has_processing_since, has_ended, has_notified;
  bool stalled;
  uint8_t kind;    /* enum fc_kind_id */
  uint8_t sources; /* set of enum fc_job_source */
  int8_t previous; /* enum fc_status */
  uint8_t flags;   /* set of enum fc_past */
};

static inline bool fc_history_has(const struct fc_history *history,
                                  enum fc_past flag) {
  return (history->flags & (unsigned)flag) != 0;
}

static inline void fc_history_set(struct fc_history *history, enum fc_past flag,
                                  bool set) {
  history->flags = (uint8_t)(set ? history->flags | (unsigned)flag
                                 : history->flags & ~(unsigned)flag);
}

/* The events of a job, by enum fc_event_type. */
struct fc_outbox {
  struct fc_outbox_event event[FC_EVENT_JOB_COUNT];
};

/* One job as it is stored. Strings are borrowed. */
struct fc_job_record {
  const char *id;
  const char *name;
  const char *error; /* NULL: none */
  struct fc_facts facts;
  struct fc_history history;
  struct fc_outbox outbox; /* each event none, owed or delivered */
};

struct fc_endpoint_record {
  uint8_t kind;              /* enum fc_kind_id */
  int64_t sunset_reported_s; /* 0: none */
  bool last_warning_given;
  bool gone_reported; /* ... and not that it is back */
  const char *url;    /* of the server, borrowed; NULL: not known */
};

#endif
