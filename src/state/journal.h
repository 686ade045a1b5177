/* SPDX-License-Identifier: MIT */

/* Keeps the state file in step with the instances: loads what it knows of them,
 * saves what changes, and goes on from memory where the file cannot be used,
 * until it can be used again. A file that was removed or replaced while it was
 * in use is noticed at the next save, and gets all that memory knows. One
 * thread at a time; the disk thread, once it runs.
 *
 * The promise: an event of a job is saved as pending before it is delivered,
 * and as delivered after that. So a crash loses none and may repeat the ones
 * that were just being delivered, which are then marked. */

#ifndef FC_JOURNAL_H
#define FC_JOURNAL_H

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/state/absent.h"
#include "src/state/disk.h"
#include "src/watch/instance.h"

struct fc_journal;

enum {
  FC_JOURNAL_RETRY_MS = 60 * 1000, /* between two attempts to use the file */
  FC_JOURNAL_LAZY_MS = 60 * 1000,  /* figures that may be lost are saved so
                                      often */
  FC_JOURNAL_PURGE_MS = 60 * 60 * 1000, /* between two looks for instances that
                                           are not configured */
  FC_JOURNAL_ROWS_MAX = 4096,           /* of one transaction */
  /* Bytes of the log of a file that somebody reads without an end: then there
   * is a warning, and then it is let go until the reader has. */
  FC_JOURNAL_LOG_WARN = 16 * 1024 * 1024,
  FC_JOURNAL_LOG_MAX = 64 * 1024 * 1024
};

/* Opens the file at `path`. NULL only when memory is short: a file that cannot
 * be used is told of through the first instance. */
struct fc_journal *fc_journal_new(const char *path, struct fc_now now);

/* Attaches the instance: what the file knows of it is loaded, settled with its
 * configuration, and saved, as is every change from now on. Where the file
 * cannot be used, that happens once it can. The instance must outlive the
 * journal. To be called once the configuration's own jobs were added, which go
 * before stored ones. FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_journal_add(struct fc_journal *journal,
                                         struct fc_instance *instance,
                                         struct fc_now now);

/* An instance that the configuration names, but that is not added, as a bad
 * value disables it: what the file knows of it stays. What it knows of
 * instances that are neither added nor kept by the first turn is deleted after
 * FC_ABSENT_KEEP_S; one report names them at the start. FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_journal_keep(struct fc_journal *journal,
                                          const char *name);

/* Saves what must not wait, and retries a file that could not be used. Returns
 * when to call again at the latest, monotonic. */
int64_t fc_journal_turn(struct fc_journal *journal, struct fc_now now);

/* Saves everything, marks the file as closed in good order, closes it. NULL is
 * fine. */
void fc_journal_free(struct fc_journal *journal, struct fc_now now);

/* Both as a task of the disk thread, which is woken for what is urgent; the
 * rest is found there within FC_JOURNAL_LAZY_MS. */
struct fc_disk_task fc_journal_task(struct fc_journal *journal);

#endif
