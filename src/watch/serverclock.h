/* SPDX-License-Identifier: MIT */

/* The server's time: its Date header corrects a wrong local clock, once it has
 * counted. A plain struct with pure functions; not thread-safe.
 *
 * A Date that agrees with what is believed, to a minute, counts at once. Before
 * the first one has counted, the local clock is what is believed. Any other is
 * in doubt: it counts once three answers in a row, over at least half a minute,
 * agree with each other. Until then what was believed goes on, and an answer
 * that agrees with that ends the doubt. So one reply of a cache or of a server
 * that is coming up moves nothing.
 *
 * Between two answers the monotonic clock counts, so that a local clock that is
 * set while the daemon runs moves nothing either. */

#ifndef FC_SERVERCLOCK_H
#define FC_SERVERCLOCK_H

#include "src/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  FC_SERVERCLOCK_DOUBT_S = 60,            /* a Date off by more is in doubt */
  FC_SERVERCLOCK_ANSWERS = 3,             /* so many in a row settle a doubt, */
  FC_SERVERCLOCK_SPAN_MS = 30 * 1000,     /* ... over at least so long */
  FC_SERVERCLOCK_POLL_MS = 15 * 1000,     /* between polls in a doubt: */
  FC_SERVERCLOCK_POLLS = 2,               /* ... so many of them */
  FC_SERVERCLOCK_WAIT_MS = 10 * 60 * 1000 /* for a Date, after a start */
};

/* All zero: no Date was seen yet. */
struct fc_serverclock {
  bool known;        /* a Date has counted */
  bool waits;        /* until then, or wait_until_ms, nothing ends */
  uint8_t agreeing;  /* answers in a row of the doubt; 0: there is none */
  uint8_t polls;     /* that were hurried because of it */
  int64_t offset_ms; /* server's epoch in ms minus monotonic ms */
  int64_t local_ms;  /* ... and the local epoch's, when a Date last counted */
  int64_t doubt_offset_ms; /* ... as the first one of the row has it */
  int64_t doubt_since_ms;  /* when that came, monotonic */
  int64_t wait_until_ms;   /* monotonic */
  int64_t newest_s;        /* the newest stamp of an earlier run, epoch */
};

/* What became of a Date. */
enum fc_date {
  FC_DATE_DOUBTED, /* it counts for nothing yet */
  FC_DATE_COUNTS,  /* it agrees with what is believed */
  FC_DATE_MOVES    /* it counts, and the time that was believed has moved: it is
                      the first that does, or a doubt is settled */
};

/* The server's time, epoch seconds; the local one until a Date has counted. */
int64_t fc_serverclock_s(const struct fc_serverclock *clock, struct fc_now now);

/* An answer (src/api/result.h; no other reply) had this Date (RFC 9110 section
 * 6.6.1). With FC_DATE_MOVES, *moved_s is by how much time stamps move too that
 * were taken before: 0 where the time has passed, but the monotonic clock stood
 * still, because the host slept. */
enum fc_date fc_serverclock_learn(struct fc_serverclock *clock, int64_t date_s,
                                  struct fc_now now, int64_t *moved_s);

/* Something came back from an earlier run, whose newest time stamp is that.
 * From the first call on a Date is waited for, but no longer than
 * FC_SERVERCLOCK_WAIT_MS. */
void fc_serverclock_restored(struct fc_serverclock *clock, int64_t newest_s,
                             struct fc_now now);

/* Whether the time may end, forget or judge anything. False as long as a Date
 * is waited for, because something was restored or the first one is in doubt;
 * and without one while the local clock is behind the newest stamp. */
bool fc_serverclock_is_sure(const struct fc_serverclock *clock,
                            struct fc_now now);

/* When to look again whether it is sure, monotonic; now where it is. */
int64_t fc_serverclock_sure_ms(const struct fc_serverclock *clock,
                               struct fc_now now);

/* Whether a doubt wants the next poll FC_SERVERCLOCK_POLL_MS after an answer,
 * where none would come before: true FC_SERVERCLOCK_POLLS times per doubt. */
bool fc_serverclock_hurries(struct fc_serverclock *clock);

#endif
