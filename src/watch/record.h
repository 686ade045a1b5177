/* SPDX-License-Identifier: MIT */

/* What of a job and of an endpoint outlives a restart: the rows that src/state
 * stores, and that an instance gives and takes (src/watch/instance_save.h). */

#ifndef FC_RECORD_H
#define FC_RECORD_H

#include "src/api/kind.h"
#include "src/api/status.h"

#include <stdbool.h>
#include <stdint.h>

enum fc_record_flag {
  FC_RECORD_STALL_REPORTED = 1,
  FC_RECORD_LOST_REPORTED = 2,
  FC_RECORD_EXPIRY_REPORTED = 4,
  FC_RECORD_SILENT = 8,     /* its series have ended */
  FC_RECORD_FORGOTTEN = 16, /* kept only so that it is not told of again */
  FC_RECORD_REPLAYED = 32   /* what is pending may have been delivered before a
                               crash */
};

/* One job as it is stored. Strings are borrowed. */
struct fc_job_record {
  const char *id;
  const char *name;
  const char *error; /* NULL: none */
  enum fc_kind_id kind;
  unsigned sources;
  enum fc_status status, previous;
  int64_t first_seen_s;
  bool has_processing_since, has_ended, has_expires_at, has_notified;
  bool has_tokens, has_credits, has_percent;
  int64_t processing_since_s, ended_s, expires_at_s, notified_s;
  double tokens, credits, percent;
  bool stalled;
  unsigned flags;     /* set of enum fc_record_flag */
  unsigned pending;   /* events to hand over: set of enum fc_event_type */
  unsigned delivered; /* events delivered: the same */
};

struct fc_endpoint_record {
  enum fc_kind_id kind;
  int64_t sunset_reported_s; /* 0: none */
  bool last_warning_given;
  bool gone_reported;
};

#endif
