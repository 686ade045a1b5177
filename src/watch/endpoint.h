/* SPDX-License-Identifier: MIT */

/* What is known of one kind's endpoint on a server: whether it has ended, or
 * will, and what of that was reported. A plain struct with pure functions. Not
 * thread-safe. */

#ifndef FC_ENDPOINT_H
#define FC_ENDPOINT_H

#include "src/api/kind.h"
#include "src/api/result.h"
#include "src/base/text.h"
#include "src/watch/event.h"
#include "src/watch/flap.h"
#include "src/watch/outbox.h"
#include "src/watch/record.h"

#include <stdbool.h>
#include <stdint.h>

enum {
  FC_ENDPOINT_EVENTS = FC_EVENT_ENDPOINT_END - FC_EVENT_ENDPOINT_GONE,
  FC_SUNSET_LAST_WARNING_S = 7 * 86400 /* the second warning of a sunset */
};

struct fc_endpoint {
  const struct fc_kind *kind;
  bool has_sunset;  /* ... that has not passed without effect */
  int64_t sunset_s; /* of its header, else of the table of kinds */
  struct fc_endpoint_record warned; /* what there were events of */
  struct fc_endpoint_record told;   /* ... and what of that was delivered */
  bool unsaved, saving;             /* `told` */
  struct fc_outbox_event events[FC_ENDPOINT_EVENTS];
  struct fc_flap flap, sunset_flap;    /* of gone and back, and of dates */
  int64_t start_s[FC_ENDPOINT_EVENTS]; /* when each came about, epoch */
  char successor[FC_WORD_SIZE];
};

/* `url` is the server's, borrowed; `is_cloud`: it is Firecrawl's own, whose
 * dates are known. */
void fc_endpoint_init(struct fc_endpoint *endpoint, const struct fc_kind *kind,
                      const char *url, bool is_cloud);

/* What a result says of the endpoint, and what is to be reported of that. A
 * sunset is warned of once per date, and once more in its last week; of one
 * that has passed there is nothing to warn, and if the endpoint still answers
 * then, it was none (RFC 8594). Where the time is `doubted`, that waits.
 * Returns true when one that was gone (410) is back. */
bool fc_endpoint_learn(struct fc_endpoint *endpoint,
                       const struct fc_result *result, int64_t now_s,
                       bool doubted);

/* Takes the next event; false where there is none, or it is held back. */
bool fc_endpoint_take(struct fc_endpoint *endpoint, struct fc_event *event,
                      int64_t now_ms);

/* The event that was taken was delivered. */
void fc_endpoint_deliver(struct fc_endpoint *endpoint, enum fc_event_type type);

/* What an earlier run reported, of this server; what this one did is newer. */
void fc_endpoint_restore(struct fc_endpoint *endpoint,
                         const struct fc_endpoint_record *record);

#endif
