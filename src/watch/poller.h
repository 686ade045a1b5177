/* SPDX-License-Identifier: MIT */

/* The thread that owns the network: asks instances what is due, makes the
 * requests, several at once, and reports the results. One for the whole plugin.
 *
 * Set up and freed by one thread; fc_poller_wake may be called from any. */

#ifndef FC_POLLER_H
#define FC_POLLER_H

#include "src/api/transport.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/watch/instance.h"

struct fc_poller;

enum {
  FC_POLLER_WAIT_MAX_MS = 60 * 1000, /* between two looks, if nothing is due */
  FC_KEY_CHECK_MS = 1000 /* between two looks at a key file's stamp */
};

/* Takes over the transport, also when it fails with NULL (memory is short). The
 * clock is borrowed. */
struct fc_poller *fc_poller_new(struct fc_transport *transport,
                                const struct fc_clock *clock);

/* What else is to be done in the poller's thread, once a turn: saving, as the
 * poller knows of no state file. Returns when it is to be called again at the
 * latest, monotonic ms. `data` is borrowed and must outlive the thread. Not
 * once it is started. */
typedef int64_t (*fc_poller_task)(void *data, struct fc_now now);
void fc_poller_set_task(struct fc_poller *poller, fc_poller_task task,
                        void *data);

/* Adds an instance, which must outlive the poller. Not once it is started.
 * Loads the key; where that cannot be had, the instance waits until its file
 * holds one, and after three intervals, but at least 30 s and at most 15
 * minutes, its API counts as unusable. */
FC_MUST_USE enum fc_error fc_poller_add(struct fc_poller *poller,
                                        struct fc_instance *instance);

/* Hears of each request that has ended, after its instance has; called in the
 * poller's turn. The ticket's job is not to be touched. For a client that wants
 * each single result, as firecrawlctl does. Not once it is started. */
typedef void (*fc_poller_observe)(const struct fc_ticket *ticket,
                                  const struct fc_result *result, void *data);
void fc_poller_set_observer(struct fc_poller *poller, fc_poller_observe observe,
                            void *data);

/* Starts the thread, with all signals blocked: they are the host's.
 * FC_ERR_MEMORY where the system refuses. */
FC_MUST_USE enum fc_error fc_poller_start(struct fc_poller *poller);

/* One turn: starts what is due, waits up to max_wait_ms, handles what came. For
 * the thread, and for tests without one. */
FC_MUST_USE enum fc_error fc_poller_step(struct fc_poller *poller,
                                         int64_t max_wait_ms);

/* Something has changed: look again now. Any thread. */
void fc_poller_wake(struct fc_poller *poller);

/* Reads every JobFile again and asks for every unfinished job, as soon as the
 * budgets allow. Any thread. */
void fc_poller_flush(struct fc_poller *poller);

/* Ends the thread, if it was started, gives up requests in flight, and frees
 * the poller with its transport. Returns within moments, whatever the network
 * does. NULL is fine. */
void fc_poller_free(struct fc_poller *poller);

#endif
