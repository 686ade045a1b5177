/* SPDX-License-Identifier: MIT */

/* The API call: "what is the status of this job?" as one request and one
 * result. Request, transport, headers, envelope, parse; no clock, no log, no
 * retry.
 *
 * A struct fc_call is the caller's, embedded or on the heap; it can be used any
 * number of times, one call at a time, on the transport's thread. */

#ifndef FC_CLIENT_H
#define FC_CLIENT_H

#include "src/api/envelope.h"
#include "src/api/kind.h"
#include "src/api/result.h"
#include "src/api/transport.h"
#include "src/base/error.h"
#include "src/base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fc_call;
typedef void (*fc_call_done)(struct fc_call *call,
                             const struct fc_result *result, void *data);

/* Members are private; public so that callers can embed it. */
struct fc_call {
  struct fc_exchange exchange;
  struct fc_envelope envelope;
  struct fc_result result;
  const struct fc_target *target;
  enum fc_error body_error; /* what the envelope said; the rest is drained */
  size_t drained_bytes;
  const struct fc_kind *kind;
  int64_t now_s;
  bool has_retry_header;
  char retry_header[64]; /* until the Date header is known */
  char content_type[FC_WORD_SIZE], content_encoding[FC_WORD_SIZE];
  fc_call_done done;
  void *data;
};

/* Allocates nothing. */
void fc_call_init(struct fc_call *call);

/* Frees what the call holds. It must not be in flight. */
void fc_call_release(struct fc_call *call);

/* Starts to ask for a job. `done` is called once, from fc_transport_run, unless
 * this fails (FC_ERR_ARGUMENT for a bad ID, FC_ERR_MEMORY, ...) or the call is
 * cancelled; the result is valid during the callback, from which the call may
 * be started again. now_s is the epoch, for dates without a Date header. */
FC_MUST_USE enum fc_error
fc_call_start(struct fc_call *call, struct fc_transport *transport,
              const struct fc_target *target, const struct fc_kind *kind,
              const char *id, int64_t now_s, fc_call_done done, void *data);

/* Ends a call in flight without a callback. */
void fc_call_cancel(struct fc_call *call, struct fc_transport *transport);

#endif
