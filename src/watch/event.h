/* SPDX-License-Identifier: MIT */

/* Events: what happened to a job or to an instance that somebody must hear of.
 * One row per type says how loud it is; plugin/notify.c says it. */

#ifndef FC_EVENT_H
#define FC_EVENT_H

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/status.h"
#include "src/base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* In the order in which events of one job that come together are told. */
enum fc_event_type {
  /* of a job */
  FC_EVENT_LOST, /* after a 404; a 410 says it once for the whole kind */
  FC_EVENT_STALLED,
  FC_EVENT_FOUND, /* again, after lost */
  FC_EVENT_FAILED,
  FC_EVENT_CANCELLED,
  FC_EVENT_COMPLETED,
  FC_EVENT_EXPIRES, /* soon */
  FC_EVENT_JOB_COUNT,
  /* of a kind of job on this server */
  FC_EVENT_ENDPOINT_GONE = FC_EVENT_JOB_COUNT,
  FC_EVENT_ENDPOINT_SUNSET,
  FC_EVENT_ENDPOINT_BACK, /* after gone */
  FC_EVENT_ENDPOINT_END,
  /* of the instance; each OKAY behind what it ends */
  FC_EVENT_KEY_REJECTED = FC_EVENT_ENDPOINT_END,
  FC_EVENT_KEY_MISSING,
  FC_EVENT_API_UNUSABLE,
  FC_EVENT_API_USABLE, /* again, after any of the three */
  FC_EVENT_API_IDLE,   /* the same: nothing is left to ask it for */
  FC_EVENT_JOBS_REFUSED,
  FC_EVENT_JOBS_ACCEPTED, /* again */
  FC_EVENT_STATE_UNUSABLE,
  FC_EVENT_STATE_USABLE, /* again */
  FC_EVENT_COUNT
};

/* A set of event types. */
#define FC_EVENT_BIT(type) (1U << (type))

/* Those that say how a job ended, or seems to have. */
#define FC_EVENTS_OF_AN_END                                                    \
  (FC_EVENT_BIT(FC_EVENT_LOST) | FC_EVENT_BIT(FC_EVENT_FAILED) |               \
   FC_EVENT_BIT(FC_EVENT_CANCELLED) | FC_EVENT_BIT(FC_EVENT_COMPLETED))

/* Those that say that the API cannot be used, and why. */
#define FC_EVENTS_OF_API_TROUBLE                                               \
  (FC_EVENT_BIT(FC_EVENT_KEY_REJECTED) | FC_EVENT_BIT(FC_EVENT_KEY_MISSING) |  \
   FC_EVENT_BIT(FC_EVENT_API_UNUSABLE))

enum fc_severity { FC_SEVERITY_FAILURE, FC_SEVERITY_WARNING, FC_SEVERITY_OKAY };

struct fc_event {
  enum fc_event_type type;
  unsigned round;          /* how often it has come about, of a job's */
  int64_t start_s;         /* when the trouble began, epoch; of all others */
  bool possible_duplicate; /* may have been delivered before a crash */
  bool is_last;         /* further changes are held back (src/watch/flap.h) */
  enum fc_kind_id kind; /* FC_KIND_COUNT: none */
  /* Of a job, from here on. */
  enum fc_status status, previous;
  bool has_expires_at;
  int64_t expires_at_s;
  char id[FC_ID_MAX + 1]; /* "" for an instance's */
  char name[FC_NAME_MAX + 1];
  char text[FC_ERROR_TEXT_SIZE]; /* the API's error text or the reason; one
                                    safe line, may be "" */
};

enum fc_severity fc_event_severity(enum fc_event_type type);

/* "failed", "api_unusable", ... as in the state file. */
const char *fc_event_name(enum fc_event_type type);

enum {
  FC_EVENT_MESSAGE_SIZE = 256,
  FC_EVENT_KEY_SIZE = 192 /* any dedup key, and its NUL */
};

/* The one line that says it, cut at a UTF-8 boundary:
 * "extract nightly-prices (ID) failed: TEXT"; that further changes are held
 * back stands whole at its end. Returns message. */
const char *fc_event_message(const struct fc_event *event,
                             char message[FC_EVENT_MESSAGE_SIZE]);

/* What two notifications of the same event share, also after the state file was
 * lost: "KIND/ID/EVENT", with "/2" and so on behind it in later rounds; of an
 * instance's event "EVENT/START", of an endpoint's "KIND/EVENT/START". Unique
 * within an instance. Returns key. */
const char *fc_event_key(const struct fc_event *event,
                         char key[FC_EVENT_KEY_SIZE]);

#endif
