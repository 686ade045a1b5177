/* SPDX-License-Identifier: MIT */

/* The rows of the state file: what outlives a restart, in SQLite (WAL). The
 * file itself is src/state/statefile.h, the columns are src/state/column.h. One
 * thread at a time; the poller's, once it runs.
 *
 * Other programs may read the file while the daemon runs (firecrawlctl list
 * does): open it read-only, look at application_id and user_version, and read
 * the tables below. Only one daemon writes to it: it holds a lock on the file
 * "<path>-lock".
 *
 *   PRAGMA application_id = 0x46437277 ("FCrw"), PRAGMA user_version = 2
 *
 *   job           one row per job and instance, key (instance, id):
 *     number           the order in which the jobs were added
 *     instance, id, kind, name   text
 *     sources          set of enum fc_job_source
 *     status, previous text, fc_status_name; "none" before the first answer
 *     first_seen       when it was listed or registered
 *     processing_since when it was first seen unfinished, or NULL
 *     ended            when it was seen final or lost, or NULL
 *     expires_at       of its result, or NULL
 *     notified         when its failure was last reported, or NULL
 *     duration         seconds, as the API says, or NULL
 *     tokens, credits, percent   or NULL
 *     stalled          0 or 1
 *     flags            set: 1 stalled was reported, 2 lost was, 4 that it
 *                      expires soon was; 8 its series have ended; 16 nobody
 *                      wants it watched; 32 what is told next may be a repeat;
 *                      64 a newer run of its name has come; 128 one has
 *                      completed, so that its bad end is not counted
 *     error            the API's error text (one line), or NULL
 *   notification  one row per event of a job, key (instance, id, event):
 *     instance, id, event   text, fc_event_name
 *     state            "pending": not yet handed to collectd, or not known to
 *                      be; "handed": it was delivered
 *     round            how often it has come about: 1, 2, ...
 *     status, previous of the job when it came about, as above
 *     time             when it came into this state
 *                      (round, status and previous are NULL in rows of version
 *                      1: it is the first round then)
 *   endpoint      one row per instance and kind:
 *     instance, kind, sunset_reported (a date or 0), last_warning (0 or 1),
 *     gone_reported (0 or 1), and the instance's URL, for which alone it counts
 *     (NULL in rows of version 1: for any)
 *   meta          key, value: "clean" is 1 after a shutdown in good order and 0
 *                 while a daemon runs and after a crash; "absent:NAME" is since
 *                 when an instance has not been configured any more
 *
 * All times are seconds since the epoch on the server's clock. The key and
 * response bodies are not in it. */

#ifndef FC_STORE_H
#define FC_STORE_H

#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/state/column.h"
#include "src/state/statefile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fc_store;

enum {
  FC_STORE_CHECK_MAX = 64 * 1024 * 1024 /* bytes, for fc_store_open */
};

/* Opens or creates the file and takes its lock, as src/state/statefile.h says;
 * brings an older version to the present one in one transaction, after keeping
 * a copy "<path>.v<N>". A damaged file is set aside, and a new one started;
 * nothing is ever deleted. A file that cannot be read (FC_STATEFILE_IO) is not
 * taken for damaged, nor is one that a power loss left half made.
 *
 * Up to check_max bytes the whole file is checked; the damage of a larger one
 * shows where it is read. That is FC_STORE_CHECK_MAX, or INT64_MAX after
 * fc_store_is_corrupt: what was seen is then found, whatever the size, and
 * reading all of it takes its time.
 *
 * *problem says what was found, detail[size] says it in words (without "state
 * file"), also for FC_STATEFILE_SET_ASIDE, which is success. With
 * FC_STATEFILE_FINE it is "", or what is worth a warning: the file was readable
 * by others, and is not any more. FC_ERR_STATE or FC_ERR_MEMORY on failure;
 * *store is written on success only. Never waits for another daemon's lock.
 *
 * The host's other uses of SQLite are left alone: nothing of the process is
 * configured. */
FC_MUST_USE enum fc_error fc_store_open(struct fc_store **store,
                                        const char *path, int64_t check_max,
                                        int64_t now_s,
                                        enum fc_statefile_problem *problem,
                                        char *detail, size_t size);

/* True when the file was closed in good order, or did not exist: what is
 * pending in it has then certainly not been delivered. False after
 * FC_STATEFILE_SET_ASIDE, where nothing is known of what was. */
bool fc_store_was_clean(const struct fc_store *store);

/* True when an earlier run had a file here that is not there any more. */
bool fc_store_was_lost(const struct fc_store *store);

/* True when an earlier run could not write all that it knew and told; and says
 * so for later ones, or no longer. */
bool fc_store_was_behind(const struct fc_store *store);
void fc_store_set_behind(struct fc_store *store, bool is_behind);

/* Calls back for each stored job of an instance, in the order in which they
 * were added. A row that makes no sense (unknown kind or status, bad ID or
 * name, a time beyond the years 0000 to 9999) is skipped and counted in
 * *skipped; times in the future are not. Stops at the callback's first error
 * and returns it; *skipped is written on success only. The callback must not
 * use the store. FC_ERR_STATE, FC_ERR_MEMORY. */
typedef enum fc_error (*fc_store_job)(const struct fc_job_record *record,
                                      void *data);
FC_MUST_USE enum fc_error fc_store_load_jobs(struct fc_store *store,
                                             const char *instance,
                                             fc_store_job callback, void *data,
                                             size_t *skipped);
typedef void (*fc_store_endpoint)(const struct fc_endpoint_record *record,
                                  void *data);
FC_MUST_USE enum fc_error fc_store_load_endpoints(struct fc_store *store,
                                                  const char *instance,
                                                  fc_store_endpoint callback,
                                                  void *data);

/* Calls back for each instance of which something is stored, by name; since_s
 * is what fc_store_set_absent said. The name may be any text. The callback must
 * not use the store; its first error stops all, and is returned. */
typedef enum fc_error (*fc_store_instance)(const char *name, bool has_since,
                                           int64_t since_s, void *data);
FC_MUST_USE enum fc_error fc_store_list_instances(struct fc_store *store,
                                                  fc_store_instance callback,
                                                  void *data);

/* A transaction: begin, any number of puts and deletes, commit (which fsyncs;
 * PRAGMA synchronous=FULL) or rollback. After a failed call the only sensible
 * one is rollback; nothing of the transaction is then in the file. All fail
 * with FC_ERR_STATE and fc_store_detail, or FC_ERR_MEMORY. now_s is the time of
 * notifications that come into another state. A job deleted takes
 * its notifications along. Numbers that are not finite are stored as absent. */
FC_MUST_USE enum fc_error fc_store_begin(struct fc_store *store);
FC_MUST_USE enum fc_error fc_store_put_job(struct fc_store *store,
                                           const char *instance,
                                           const struct fc_job_record *record,
                                           int64_t now_s);
FC_MUST_USE enum fc_error fc_store_delete_job(struct fc_store *store,
                                              const char *instance,
                                              const char *id);
FC_MUST_USE enum fc_error
fc_store_put_endpoint(struct fc_store *store, const char *instance,
                      const struct fc_endpoint_record *record);
/* An instance is not configured any more, since then (epoch), or is again; and
 * nothing is to be stored of it. */
FC_MUST_USE enum fc_error fc_store_set_absent(struct fc_store *store,
                                              const char *instance,
                                              int64_t since_s);
FC_MUST_USE enum fc_error fc_store_set_present(struct fc_store *store,
                                               const char *instance);
FC_MUST_USE enum fc_error fc_store_delete_instance(struct fc_store *store,
                                                   const char *instance);
FC_MUST_USE enum fc_error fc_store_commit(struct fc_store *store);
void fc_store_rollback(struct fc_store *store);

/* Reads a state file beside the daemon that may be using it: without its lock,
 * and without a change to any file of the directory (but what SQLite needs to
 * read a log that a crash left). Calls back for each stored job of every
 * instance, by instance, in the order in which they were added; of events
 * nothing is looked at.
 * Rows that make no sense are skipped and counted, as in fc_store_load_jobs.
 * Stops at the callback's first error and returns it.
 *
 * FC_ERR_NOT_FOUND where there is no such file, FC_ERR_STATE where it is none
 * of ours or cannot be read, FC_ERR_MEMORY; detail[size] says it in words.
 * *skipped is written on success only. The file itself may not be a symbolic
 * link. Any thread. */
typedef enum fc_error (*fc_store_listed)(const char *instance,
                                         const struct fc_job_record *record,
                                         void *data);
FC_MUST_USE enum fc_error fc_store_list(const char *path,
                                        fc_store_listed callback, void *data,
                                        size_t *skipped, char *detail,
                                        size_t size);

/* Why the last call failed, in words. Valid until the next call. */
const char *fc_store_detail(const struct fc_store *store);

/* True when the last failure was corruption found while running, as far as
 * SQLite can tell it from a read error: the file has to be closed and opened
 * again with check_max INT64_MAX, which sets it aside if it is so. */
bool fc_store_is_corrupt(const struct fc_store *store);

/* Bytes of its log, which SQLite uses anew once all of it is in the file; a
 * reader that does not end its transaction keeps it from that. */
int64_t fc_store_log_size(const struct fc_store *store);

/* Empties it, unless somebody reads; waits a tenth of a second for that. */
void fc_store_empty_log(struct fc_store *store);

/* True while the path still leads to the open file, as
 * fc_statefile_is_in_place says. To be asked before each save: otherwise the
 * file has to be closed and opened again, and needs everything. */
bool fc_store_is_in_place(const struct fc_store *store);

/* Closes, and marks the file clean if told so. NULL is fine. */
void fc_store_close(struct fc_store *store, bool clean);

/* "3.40.1": the SQLite that is loaded. Static storage. */
const char *fc_store_library_version(void);

#endif
