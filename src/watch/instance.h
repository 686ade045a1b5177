/* SPDX-License-Identifier: MIT */

/* One watched server: its jobs, when to ask for them, what became of them, and
 * how the API behaves. The poller thread drives it, the read callback reads it,
 * and sources of jobs add to it; each function locks for a moment and none
 * waits for I/O.
 *
 * Times are given by the caller (src/base/clock.h). The instance corrects the
 * wall clock by the server's Date header, so that time stamps are on the
 * server's clock. */

#ifndef FC_INSTANCE_H
#define FC_INSTANCE_H

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/result.h"
#include "src/api/settings.h"
#include "src/api/status.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/watch/event.h"
#include "src/watch/job.h"
#include "src/watch/reports.h"
#include "src/watch/schedule.h"
#include "src/watch/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fc_instance;

enum {
  FC_FLUSH_PAUSE_MS = 1000 /* between two, where there is no budget */
};

/* `settings` is borrowed and must outlive the instance; interval_ms (> 0)
 * counts where the settings have none. The seed decides jitter and phases. NULL
 * when memory is short. The settings' own jobs are not yet in it. */
struct fc_instance *fc_instance_new(const struct fc_settings *settings,
                                    int64_t interval_ms, uint64_t seed);

/* No request of it may be in flight. NULL is fine. */
void fc_instance_free(struct fc_instance *instance);

const struct fc_settings *fc_instance_settings(const struct fc_instance *);

/* Seconds between two polls of a job, in milliseconds. */
int64_t fc_instance_interval_ms(const struct fc_instance *instance);

/* --- Sources of jobs. Any thread. */

/* Watches a job, or adds the source to those that want it watched. A NULL name
 * is the ID. What is said last of a known job counts: under another name it is
 * the newest run of that, as another kind it starts afresh, with no status and
 * asked for at once. But the configuration goes before the JobFile and that
 * before a registration: where a source that goes before wants the job too, its
 * kind and name stay. FC_ERR_ARGUMENT for a bad ID or name, FC_ERR_LIMIT when
 * MaxJobs are there that have not ended, FC_ERR_MEMORY; of the JobFile,
 * FC_ERR_EXISTS for an ID that it has twice. With FC_SOURCE_REGISTRATION, as
 * fc_instance_register. */
FC_MUST_USE enum fc_error fc_instance_add(struct fc_instance *instance,
                                          const struct fc_kind *kind,
                                          const char *id, const char *name,
                                          enum fc_job_source source,
                                          struct fc_now now);

/* The same of a registration. One without a name (NULL or the ID) leaves a
 * known job's name as it is; where the job is known, and has not ended, it is
 * asked for at once. FC_ERR_EXISTS where the configuration or JobFile has the
 * job under another kind or name; nothing changes then. *changed is written on
 * success: whether there is anything new in it. */
FC_MUST_USE enum fc_error fc_instance_register(struct fc_instance *instance,
                                               const struct fc_kind *kind,
                                               const char *id, const char *name,
                                               struct fc_now now,
                                               bool *changed);

/* One source no longer wants the job; without any left it is forgotten.
 * FC_ERR_NOT_FOUND when it is not known from that source. */
FC_MUST_USE enum fc_error fc_instance_forget(struct fc_instance *instance,
                                             const char *id,
                                             enum fc_job_source source,
                                             struct fc_now now);

/* Brackets a reading of the JobFile: the jobs added between the two with
 * FC_SOURCE_FILE are all that the file has, so _end takes back the file's wish
 * for all others. An ID that comes a second time is FC_ERR_EXISTS. `refused`
 * says what was wrong with the file, NULL if nothing: told once, with OKAY on
 * recovery.
 *
 * Between _begin and the first job there may be a reading that only claims the
 * IDs it finds: _sweep then takes back the wish for all others, which makes
 * room for new ones. */
void fc_instance_file_begin(struct fc_instance *instance);
void fc_instance_file_claim(struct fc_instance *instance, const char *id);
void fc_instance_file_sweep(struct fc_instance *instance, struct fc_now now);
void fc_instance_file_end(struct fc_instance *instance, const char *refused,
                          struct fc_now now);

/* Asks for every unfinished job as soon as the budget allows, but for those
 * that failed or are lost: they keep to their own pauses. */
void fc_instance_poll_now(struct fc_instance *instance, struct fc_now now);

/* The same, of the jobs that were last asked for at least age_ms ago, for a
 * FLUSH of collectd (src/watch/flush.h). Without a budget there are
 * FC_FLUSH_PAUSE_MS between two at least. Those that come while one waits are
 * one with it, with the least age. The poller is to be woken. Any thread. */
void fc_instance_flush(struct fc_instance *instance, int64_t age_ms,
                       struct fc_now now);

/* --- The poller's side: one thread. */

/* A request to make. */
struct fc_ticket {
  struct fc_job *job; /* the instance's; only to be handed back */
  const struct fc_kind *kind;
  int64_t due_ms, started_ms; /* monotonic */
  int64_t now_s;              /* server's time, epoch */
  char id[FC_ID_MAX + 1];
};

/* Lets time pass, then: true when a request is to be made now; the ticket is
 * filled and must come back through fc_instance_take_result. False when none
 * is, and *wake_ms is when to ask again: monotonic, FC_NEVER for not before a
 * report or a change. */
bool fc_instance_next(struct fc_instance *instance, struct fc_now now,
                      struct fc_ticket *ticket, int64_t *wake_ms);

/* Lets time pass where no request can be made. Returns when to call again,
 * monotonic; FC_NEVER for not before a change. */
int64_t fc_instance_wait(struct fc_instance *instance, struct fc_now now);

/* How the request of a ticket ended. Returns true when the key was rejected. */
bool fc_instance_take_result(struct fc_instance *instance,
                             const struct fc_ticket *ticket,
                             const struct fc_result *result, struct fc_now now);

/* What a result means for src/watch/schedule.h, as far as it tells. Pure. */
enum fc_outcome fc_instance_outcome(const struct fc_result *result);

/* The key's file was read, whether there is a new key or not. Any thread. */
void fc_instance_key_read(struct fc_instance *instance);

/* There is a new key: a pause because of a rejected one ends. */
void fc_instance_key_changed(struct fc_instance *instance, struct fc_now now);

/* No request can be made, because there is no usable key; `text` says why. Any
 * thread. */
void fc_instance_key_missing(struct fc_instance *instance, const char *text,
                             struct fc_now now);

/* Something to be logged (src/watch/reports.h), kept until the reader takes
 * it. */
void fc_instance_report(struct fc_instance *instance, enum fc_severity severity,
                        const char *format, ...) FC_PRINTF(3, 4);

/* --- The reader's side: one thread at a time. */

/* Takes the oldest report; false when there is none. */
bool fc_instance_take_report(struct fc_instance *instance,
                             struct fc_report *report);

/* Copies the figures, and starts a new span of response times. poll_age is of
 * the last complete pass of fc_instance_views. */
void fc_instance_stats(struct fc_instance *instance, struct fc_now now,
                       struct fc_stats *stats);

/* What the series of one job show; has_* is false where nothing is known. */
struct fc_job_view {
  struct fc_facts facts;
  bool has_stalled; /* it is stalled, or was until an hour ago */
  double stalled;   /* 1 or 0 */
  bool has_expiry;
  double expiry_s; /* seconds until it expires; negative: since */
  char name[FC_NAME_MAX + 1];
};

/* The jobs that have series of their own now, in pieces: `first` starts a pass.
 * Fills views[max] and *len; false when the pass has ended. */
bool fc_instance_views(struct fc_instance *instance, struct fc_now now,
                       bool first, struct fc_job_view *views, size_t max,
                       size_t *len);

/* An event to hand over. */
struct fc_delivery {
  struct fc_event event;
  struct fc_job *job; /* the instance's; only to be handed back */
};

/* Takes the next event; false when there is none, or all are held back
 * (src/watch/flap.h). Each must come back through
 * fc_instance_delivered before the next is taken. */
bool fc_instance_take_event(struct fc_instance *instance, struct fc_now now,
                            struct fc_delivery *delivery);

/* The event was handed to collectd. */
void fc_instance_delivered(struct fc_instance *instance,
                           const struct fc_delivery *delivery);

#endif
