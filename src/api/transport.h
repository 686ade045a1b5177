/* SPDX-License-Identifier: MIT */

/* How requests reach a server: a vtable, so that the API call is tested without
 * a network and the poller without a clock.
 *
 * A transport belongs to one thread; only fc_transport_wake may be called from
 * others. It runs any number of exchanges at once. Callbacks come from within
 * fc_transport_run only, in the order headers, body, done. */

#ifndef FC_TRANSPORT_H
#define FC_TRANSPORT_H

#include "src/api/key.h"
#include "src/api/settings.h"
#include "src/base/error.h"
#include "src/base/macros.h"

#include <stddef.h>
#include <stdint.h>

/* How an exchange ended. */
struct fc_transport_reply {
  enum fc_error error; /* FC_OK: a whole HTTP reply arrived, of any code */
  int http_code;       /* 0: none arrived */
  double seconds;      /* from start to end */
  const char *detail;  /* why it failed, in libcurl's words as they are, secrets
                          and all; "" if nothing is to say; valid during the
                          callback */
};

struct fc_exchange;

struct fc_exchange_ops {
  /* A header of the final response. Name and value are not terminated. */
  void (*header)(struct fc_exchange *exchange, const char *name,
                 size_t name_len, const char *value, size_t value_len);
  /* A piece of the decoded body. An error ends the exchange with it. */
  enum fc_error (*body)(struct fc_exchange *exchange, const char *data,
                        size_t len);
  /* The end; the exchange is the caller's again and may be started anew from
   * here. */
  void (*done)(struct fc_exchange *exchange,
               const struct fc_transport_reply *reply);
};

/* One request in flight, embedded in the caller's own struct. */
struct fc_exchange {
  const struct fc_exchange_ops *ops;
  void *slot; /* the transport's; NULL when not in flight */
};

/* Where requests go and with what credentials. Must outlive the exchanges. */
struct fc_target {
  const struct fc_settings *settings;
  const struct fc_key *key;
};

struct fc_transport;

struct fc_transport_ops {
  enum fc_error (*start)(struct fc_transport *transport,
                         const struct fc_target *target, const char *url,
                         struct fc_exchange *exchange);
  void (*cancel)(struct fc_transport *transport, struct fc_exchange *exchange);
  enum fc_error (*run)(struct fc_transport *transport, int64_t timeout_ms);
  void (*wake)(struct fc_transport *transport);
  void (*free)(struct fc_transport *transport);
};

struct fc_transport {
  const struct fc_transport_ops *ops;
};

/* Starts a GET. On failure no callback comes. The URL is copied. */
FC_MUST_USE static inline enum fc_error
fc_transport_start(struct fc_transport *transport,
                   const struct fc_target *target, const char *url,
                   struct fc_exchange *exchange) {
  return transport->ops->start(transport, target, url, exchange);
}

/* Ends an exchange without a callback; nothing happens when it is not in
 * flight. */
static inline void fc_transport_cancel(struct fc_transport *transport,
                                       struct fc_exchange *exchange) {
  transport->ops->cancel(transport, exchange);
}

/* Waits up to timeout_ms for something to do and does it. Returns early when
 * woken or when an exchange moved on. */
FC_MUST_USE static inline enum fc_error
fc_transport_run(struct fc_transport *transport, int64_t timeout_ms) {
  return transport->ops->run(transport, timeout_ms);
}

/* Makes the current or next fc_transport_run return at once. Any thread. */
static inline void fc_transport_wake(struct fc_transport *transport) {
  transport->ops->wake(transport);
}

/* Ends all exchanges without callbacks. NULL is fine. */
static inline void fc_transport_free(struct fc_transport *transport) {
  if (transport)
    transport->ops->free(transport);
}

#endif
