/* SPDX-License-Identifier: MIT */

/* Follows an instance's JobFile: reads it when it changes, tells the instance
 * which jobs it has, and what is wrong with it: a word that is no job is quoted
 * only where everyone may read the file. It is no way to read other files: see
 * fc_file_read_untrusted; one that holds a secret is refused as well, and so is
 * one beyond FC_JOBFILE_BYTES_MAX or fc_jobfile_lines_max. The disk thread, but
 * for fc_source_flush. */

#ifndef FC_SOURCE_H
#define FC_SOURCE_H

#include "src/api/key.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/text.h"
#include "src/base/waker.h"
#include "src/watch/flush.h"
#include "src/watch/instance.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  FC_SOURCE_CHECK_MS = 1000,   /* between two looks at the file's stamp, and
                                  between two readings for a FLUSH */
  FC_SOURCE_LINES_REPORTED = 3 /* bad lines told of per reading */
};

/* Members are private; public so that callers can embed it. */
struct fc_source {
  struct fc_instance *instance;
  const struct fc_key *key;
  const atomic_bool *stop;
  struct fc_waker changed;
  const char *path; /* NULL: no JobFile */
  struct fc_file_stamp stamp;
  int64_t check_ms;
  atomic_bool flush;       /* a FLUSH has come */
  struct fc_flush flushed; /* ... and is on its way */
  bool was_read;           /* it was readable at the last look */
  bool judged;             /* what it holds was refused, with this key: */
  unsigned generation;     /* of the key */
  bool reported_writable;  /* by everyone */
  bool has_jobs;           /* the last reading found some */
  bool seems_empty; /* the last look found none where there had been some */
  char reported[FC_DETAIL_SIZE]; /* why it could not be read; "": it could */
};

/* Reads nothing yet. The key is that of the instance. Once *stop is true, a
 * reading under way is given up at its next line, with no effect but the jobs
 * that it had found. `changed` is woken when the file's jobs were read. */
void fc_source_init(struct fc_source *source, struct fc_instance *instance,
                    const struct fc_key *key, const atomic_bool *stop,
                    struct fc_waker changed);

/* Looks at the file if it is time to, and reads it if it has changed, or
 * for a FLUSH. Returns when to look again, monotonic; FC_NEVER without a
 * JobFile. A file that is missing, cannot be read or is refused keeps the jobs
 * of the last good reading; one that has become empty counts from its second
 * look on. */
int64_t fc_source_check(struct fc_source *source, struct fc_now now);

/* The same as a task of the disk thread; `source` is one. */
int64_t fc_source_task(void *source, struct fc_now now);

/* For a FLUSH of collectd (src/watch/flush.h): the file is read, changed or
 * not, but once in FC_SOURCE_CHECK_MS at most. The disk thread is to be woken.
 * Any thread. */
void fc_source_flush(struct fc_source *source);

#endif
