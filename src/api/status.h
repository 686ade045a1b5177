/* SPDX-License-Identifier: MIT */

/* Job statuses: the words of the API, their codes, and which of them are
 * final. One table; the codes are what the job_status metric carries. */

#ifndef FC_STATUS_H
#define FC_STATUS_H

#include <stdbool.h>
#include <stddef.h>

/* The code grows with badness, so that max() over a group is its worst job. */
enum fc_status {
  FC_STATUS_NONE = -1, /* not seen yet: the job has no status value */
  FC_STATUS_COMPLETED = 0,
  FC_STATUS_PROCESSING = 1,
  FC_STATUS_CANCELLED = 2,
  FC_STATUS_FAILED = 3,
  FC_STATUS_LOST = 4,    /* the API no longer knows the job; no wire name */
  FC_STATUS_UNKNOWN = 5, /* a status string that is none of these */
  FC_STATUS_COUNT
};

/* The status that a reply's `status` string of `len` bytes means. Byte-equal;
 * FC_STATUS_UNKNOWN when it is no known word. Never NONE or LOST. */
enum fc_status fc_status_from_wire(const char *word, size_t len);

/* "completed", "processing", ... as in metrics, messages and the state file;
 * "none" for FC_STATUS_NONE and "invalid" for a value out of range. */
const char *fc_status_name(enum fc_status status);

/* The inverse of fc_status_name; FC_STATUS_NONE for a name that is none. */
enum fc_status fc_status_from_name(const char *name);

/* True for completed, failed and cancelled: such a job is not asked for again
 * and no later answer undoes it. */
bool fc_status_is_final(enum fc_status status);

/* True for these and for lost, which an answer may undo. */
bool fc_status_has_ended(enum fc_status status);

#endif
