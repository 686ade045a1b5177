/* SPDX-License-Identifier: MIT */

/* Whether the API can be used, as far as requests have shown, and when somebody
 * has to hear of it. A plain struct with pure functions: they say what has to
 * be reported, src/watch/instance_poll.c queues it. Not thread-safe.
 *
 * Trouble begins with a failure that no answer follows, and counts once it has
 * lasted for `patience_ms`: by time alone, and not at the next request. What
 * pauses all requests is no failure, and the pause does not count. */

#ifndef FC_HEALTH_H
#define FC_HEALTH_H

#include "src/base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* What is wrong, as far as it has to be reported. A problem of the key is the
 * more specific one: it takes the place of FC_PROBLEM_API. */
enum fc_problem {
  FC_PROBLEM_NONE,
  FC_PROBLEM_API,
  FC_PROBLEM_KEY_MISSING,
  FC_PROBLEM_KEY_REJECTED
};

/* Why there is no answer. */
enum fc_cause {
  FC_CAUSE_OTHER,    /* a network, a gateway, a server in trouble */
  FC_CAUSE_REFUSED,  /* the API's own 403 */
  FC_CAUSE_REJECTED, /* its own 401 */
  FC_CAUSE_NO_KEY    /* there is none to ask with */
};

enum {
  /* A key is rejected twice, so long apart and with its file read anew between,
   * before that is a problem: servers that restart have said it of good ones.
   */
  FC_HEALTH_REJECTED_MS = 10 * 1000
};

/* All zero: no request has ended yet. */
struct fc_health {
  bool known, up;   /* api_up, and whether there is one */
  bool failed_once; /* ... the first request since there is a job to ask for */
  bool failing;     /* no answer since: */
  int64_t failing_since_ms;                 /* monotonic */
  bool paused;                              /* no answer since: */
  int64_t paused_since_ms, paused_until_ms; /* monotonic */
  int64_t failing_since_s; /* epoch; of the last time that it failed */
  enum fc_cause cause;     /* of the last failure */
  bool rejected;           /* the key was, since the last answer */
  bool key_read;           /* ... and its file was read since */
  int64_t rejected_ms;     /* first, monotonic */
  bool reported; /* a problem was delivered, and not yet that it is over */
  enum fc_problem problem;
  char text[FC_ERROR_TEXT_SIZE]; /* of the last failure before the problem */
};

/* The API has answered. Returns true when that ends a problem. */
bool fc_health_answered(struct fc_health *health);

/* It has answered that nothing may be asked until pause_until_ms (429): that is
 * no outage, but says nothing of a key either. Returns true when that ends a
 * problem. */
bool fc_health_paused(struct fc_health *health, int64_t pause_until_ms,
                      int64_t mono_ms);

/* True when the API will have been paused for patience_ms: what is known of
 * jobs grows old then. */
bool fc_health_is_paused_long(const struct fc_health *health,
                              int64_t patience_ms);

/* A request has failed, or could not be made. Returns true when a rejected key
 * has to be reported. */
bool fc_health_failed(struct fc_health *health, enum fc_cause cause,
                      const char *text, int64_t mono_ms, int64_t now_s);

/* The key's file was read, or there is none. */
void fc_health_key_read(struct fc_health *health);

/* There is a new key: what was said of the one before does not count. */
void fc_health_key_changed(struct fc_health *health);

/* There is nothing to ask for: an API that nobody asks is neither up nor down.
 * Returns true when that ends a problem. */
bool fc_health_rested(struct fc_health *health);

/* When trouble becomes a problem, if it stays as it is, monotonic ms; FC_NEVER
 * if that is not in sight. */
int64_t fc_health_due_ms(const struct fc_health *health, int64_t patience_ms);

/* Lets time pass. Returns the problem that has to be reported. */
enum fc_problem fc_health_tick(struct fc_health *health, int64_t patience_ms,
                               int64_t mono_ms);

#endif
