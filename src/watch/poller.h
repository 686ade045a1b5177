/* SPDX-License-Identifier: MIT */

/* The thread that owns the network: asks instances what is due, makes the
 * requests, several at once, and reports the results. One for the whole plugin.
 * It never waits for a disk.
 *
 * Set up and freed by one thread; fc_poller_wake may be called from any. */

#ifndef FC_POLLER_H
#define FC_POLLER_H

#include "src/api/transport.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/waker.h"
#include "src/watch/instance.h"
#include "src/watch/keyfile.h"

struct fc_poller;

enum {
  FC_POLLER_WAIT_MAX_MS = 60 * 1000 /* between two looks, if nothing is due */
};

/* Takes over the transport, also when it fails with NULL (memory is short). The
 * clock is borrowed. */
struct fc_poller *fc_poller_new(struct fc_transport *transport,
                                const struct fc_clock *clock);

/* Who is woken when something is to be done on a disk: an instance has a change
 * that must be saved soon (fc_instance_has_unsaved), or a key was rejected and
 * its file is to be looked at. Not once the poller is started. */
void fc_poller_set_disk(struct fc_poller *poller, struct fc_waker disk);

/* Adds an instance, which must outlive the poller, as must what holds its key
 * (NULL: there is none to be had). Without a key the instance waits, unless its
 * settings have neither key nor key file. Not once it is started. */
FC_MUST_USE enum fc_error fc_poller_add(struct fc_poller *poller,
                                        struct fc_instance *instance,
                                        struct fc_keyfile *keyfile);

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
struct fc_waker fc_poller_waker(struct fc_poller *poller);

/* Ends the thread, if it was started: no instance is touched any more. Returns
 * within moments, whatever the network does. The poller may still be woken. */
void fc_poller_stop(struct fc_poller *poller);

/* Stops it, gives up requests in flight, and frees it with its transport. NULL
 * is fine. */
void fc_poller_free(struct fc_poller *poller);

#endif
