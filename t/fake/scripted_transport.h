/* SPDX-License-Identifier: MIT */

/* A transport that is a script, with a clock that only it moves: no network, no
 * threads, no sleep. For tests of the API call and of the poller.
 *
 * Replies are a table. A request gets the first row that fits its URL and is
 * not used up; rows that are used up one after the other script an order. A
 * request that no row fits is never answered. */

#ifndef FC_T_SCRIPTED_TRANSPORT_H
#define FC_T_SCRIPTED_TRANSPORT_H

#include "src/api/request.h"
#include "src/api/transport.h"
#include "src/base/clock.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum {
  SCRIPTED_REQUESTS_MAX = 1024,
  SCRIPTED_KEY_SIZE = 64,
  /* 2026-11-23T18:26:00Z, the captures' own moment. */
  SCRIPTED_EPOCH_S = 1795458360,
  SCRIPTED_MONO_MS = 1000000
};

struct scripted_reply {
  const char *url; /* a part of the URL; NULL: any */
  int times;       /* how many requests it serves; 0: any number */
  bool never;      /* accept the request, and that is all */
  int64_t delay_ms;
  int http_code;
  const char *headers; /* "Name: value\n" lines */
  const char *body;
  size_t body_len; /* 0: up to its NUL */
  size_t piece;    /* bytes of the body given at a time; 0: all at once */
  enum fc_error error;
  const char *detail;
  enum fc_error start_error; /* the request cannot even be started */
};

struct scripted_request {
  struct fc_exchange *exchange; /* NULL: has ended */
  const struct scripted_reply *reply;
  const struct fc_target *target;
  int64_t at_ms, due_ms; /* on the clock */
  char url[FC_URL_SIZE];
  char key[SCRIPTED_KEY_SIZE]; /* "": none */
};

struct scripted_transport {
  struct fc_transport base;
  struct fc_now now;
  struct fc_clock clock; /* for fc_poller_new */
  const struct scripted_reply *replies;
  size_t replies_len;
  int used[16]; /* of each reply */
  struct scripted_request requests[SCRIPTED_REQUESTS_MAX];
  size_t requests_len;
  size_t in_flight, peak;
  enum fc_error run_error; /* what every run ends with */
  bool woken, freed;
};

static inline struct fc_now scripted_now(void *data) {
  return ((struct scripted_transport *)data)->now;
}

static inline void scripted_advance(struct scripted_transport *scripted,
                                    int64_t ms) {
  int64_t before_s = scripted->now.mono_ms / 1000;
  scripted->now.mono_ms += ms;
  scripted->now.epoch_s += scripted->now.mono_ms / 1000 - before_s;
}

static inline const struct scripted_reply *
scripted_pick(struct scripted_transport *scripted, const char *url) {
  for (size_t i = 0; i < scripted->replies_len; i++) {
    const struct scripted_reply *reply = &scripted->replies[i];
    if ((reply->url && !strstr(url, reply->url)) ||
        (reply->times && scripted->used[i] >= reply->times))
      continue;
    scripted->used[i]++;
    return reply;
  }
  return NULL;
}

static inline enum fc_error scripted_start(struct fc_transport *base,
                                           const struct fc_target *target,
                                           const char *url,
                                           struct fc_exchange *exchange) {
  struct scripted_transport *scripted = (struct scripted_transport *)base;
  ck_assert_uint_lt(scripted->requests_len, SCRIPTED_REQUESTS_MAX);
  struct scripted_request *request =
      &scripted->requests[scripted->requests_len++];
  *request = (struct scripted_request){
      .reply = scripted_pick(scripted, url),
      .target = target,
      .at_ms = scripted->now.mono_ms,
      .due_ms = FC_NEVER,
  };
  (void)snprintf(request->url, sizeof(request->url), "%s", url);
  if (target->key->bytes)
    (void)snprintf(request->key, sizeof(request->key), "%s",
                   target->key->bytes);
  if (request->reply && request->reply->start_error)
    return request->reply->start_error;
  if (request->reply && !request->reply->never)
    request->due_ms = request->at_ms + request->reply->delay_ms;
  request->exchange = exchange;
  exchange->slot = request;
  if (++scripted->in_flight > scripted->peak)
    scripted->peak = scripted->in_flight;
  return FC_OK;
}

static inline void scripted_end(struct scripted_transport *scripted,
                                struct scripted_request *request) {
  request->exchange->slot = NULL;
  request->exchange = NULL;
  scripted->in_flight--;
}

static inline void scripted_cancel(struct fc_transport *base,
                                   struct fc_exchange *exchange) {
  if (exchange->slot)
    scripted_end((struct scripted_transport *)base, exchange->slot);
}

static inline void scripted_give_headers(const struct scripted_reply *reply,
                                         struct fc_exchange *exchange) {
  const char *line = reply->headers;
  while (line && *line) {
    const char *end = strchr(line, '\n'), *colon = strchr(line, ':');
    exchange->ops->header(exchange, line, (size_t)(colon - line), colon + 2,
                          (size_t)(end - colon - 2));
    line = end + 1;
  }
}

static inline enum fc_error
scripted_give_body(const struct scripted_reply *reply,
                   struct fc_exchange *exchange) {
  size_t len = reply->body_len;
  if (!len && reply->body)
    len = strlen(reply->body);
  size_t piece = reply->piece ? reply->piece : len;
  enum fc_error error = FC_OK;
  for (size_t i = 0; i < len && !error; i += piece)
    error = exchange->ops->body(exchange, reply->body + i,
                                len - i < piece ? len - i : piece);
  return error;
}

static inline void scripted_answer(struct scripted_transport *scripted,
                                   struct scripted_request *request) {
  const struct scripted_reply *reply = request->reply;
  struct fc_exchange *exchange = request->exchange;
  scripted_give_headers(reply, exchange);
  enum fc_error error = scripted_give_body(reply, exchange);
  struct fc_transport_reply end = {
      .error = reply->error ? reply->error : error,
      .http_code = reply->http_code,
      .seconds = (double)(request->due_ms - request->at_ms) / 1000,
      .detail = reply->detail ? reply->detail : "",
  };
  scripted_end(scripted, request);
  exchange->ops->done(exchange, &end);
}

/* The request that is answered first, or NULL. */
static inline struct scripted_request *
scripted_first(struct scripted_transport *scripted) {
  struct scripted_request *first = NULL;
  for (size_t i = 0; i < scripted->requests_len; i++) {
    struct scripted_request *request = &scripted->requests[i];
    if (request->exchange && request->due_ms != FC_NEVER &&
        (!first || request->due_ms < first->due_ms))
      first = request;
  }
  return first;
}

static inline enum fc_error scripted_run(struct fc_transport *base,
                                         int64_t timeout_ms) {
  struct scripted_transport *scripted = (struct scripted_transport *)base;
  ck_assert_int_ge(timeout_ms, 0);
  if (scripted->run_error)
    return scripted->run_error;
  if (scripted->woken) {
    scripted->woken = false;
    return FC_OK;
  }
  struct scripted_request *request = scripted_first(scripted);
  int64_t wait_ms = request ? request->due_ms - scripted->now.mono_ms : 0;
  if (!request || wait_ms > timeout_ms) {
    scripted_advance(scripted, timeout_ms);
    return FC_OK;
  }
  scripted_advance(scripted, wait_ms > 0 ? wait_ms : 0);
  scripted_answer(scripted, request);
  return FC_OK;
}

static inline void scripted_wake(struct fc_transport *base) {
  ((struct scripted_transport *)base)->woken = true;
}

static inline void scripted_free(struct fc_transport *base) {
  struct scripted_transport *scripted = (struct scripted_transport *)base;
  for (size_t i = 0; i < scripted->requests_len; i++)
    if (scripted->requests[i].exchange)
      scripted_end(scripted, &scripted->requests[i]);
  scripted->freed = true;
}

static const struct fc_transport_ops scripted_ops = {
    .start = scripted_start,
    .cancel = scripted_cancel,
    .run = scripted_run,
    .wake = scripted_wake,
    .free = scripted_free,
};

/* The caller's storage; replies are borrowed. */
static inline void scripted_init(struct scripted_transport *scripted,
                                 const struct scripted_reply *replies,
                                 size_t len) {
  memset(scripted, 0, sizeof(*scripted));
  ck_assert_uint_le(len, sizeof(scripted->used) / sizeof(scripted->used[0]));
  scripted->base.ops = &scripted_ops;
  scripted->now.mono_ms = SCRIPTED_MONO_MS;
  scripted->now.epoch_s = SCRIPTED_EPOCH_S;
  scripted->clock.now = scripted_now;
  scripted->clock.data = scripted;
  scripted->replies = replies;
  scripted->replies_len = len;
}

/* Requests whose URL has that part. */
static inline size_t scripted_count(const struct scripted_transport *scripted,
                                    const char *url) {
  size_t count = 0;
  for (size_t i = 0; i < scripted->requests_len; i++)
    count += strstr(scripted->requests[i].url, url) != NULL;
  return count;
}

#endif
