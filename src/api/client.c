/* SPDX-License-Identifier: MIT */

#include "src/api/client.h"

#include "src/api/key.h"
#include "src/api/parse.h"
#include "src/api/request.h"
#include "src/api/settings.h"
#include "src/api/status.h"
#include "src/base/macros.h"
#include "src/base/secret.h"
#include "src/base/text.h"
#include "src/base/timestamp.h"

#include <string.h>
#include <strings.h>

enum {
  /* A body that is none of the API's (a gateway's HTML) is read on to keep the
   * connection, but not for long. */
  DRAIN_MAX = 64 * 1024,
  LINK_SIZE = 2048 /* of a Link header; what is behind that is not read */
};

/* The call around an exchange. */
static struct fc_call *call_of(struct fc_exchange *exchange) {
  return (struct fc_call *)((char *)exchange -
                            offsetof(struct fc_call, exchange));
}

/* What no text of the server's or of libcurl's may repeat. */
static const struct fc_secrets *secrets_of(const struct fc_call *call,
                                           struct fc_known_secrets *known) {
  return fc_settings_secrets(call->target->settings, call->target->key, known);
}

/* Such text comes through here or fc_parse_reply, before it is cut. */
static size_t take_text(const struct fc_call *call, char *out, size_t size,
                        const char *text, size_t len) {
  struct fc_known_secrets known;
  return fc_text_line_masked(secrets_of(call, &known), out, size, text, len);
}

static void header_date(struct fc_call *call, const char *value, size_t len) {
  call->result.has_date =
      fc_timestamp_http(value, len, call->now_s, &call->result.date_s);
}

static void header_sunset(struct fc_call *call, const char *value, size_t len) {
  call->result.has_sunset =
      fc_timestamp_http(value, len, call->now_s, &call->result.sunset_s);
}

static void header_retry_after(struct fc_call *call, const char *value,
                               size_t len) {
  if (call->has_retry_header || len >= sizeof(call->retry_header))
    return;
  memcpy(call->retry_header, value, len);
  call->retry_header[len] = '\0';
  call->has_retry_header = true;
}

/* `Link: </v2/scrape>; rel="successor-version"` (RFC 8288, RFC 5829). Of
 * several links, each comes in a header of its own or after a comma. */
static void header_link(struct fc_call *call, const char *value, size_t len) {
  char line[LINK_SIZE];
  len = take_text(call, line, sizeof(line), value, len);
  const char *rel = memmem(line, len, "successor-version", 17);
  if (!rel)
    return;
  const char *open = memrchr(line, '<', (size_t)(rel - line));
  const char *close = open ? memchr(open, '>', (size_t)(rel - open)) : NULL;
  if (close)
    (void)fc_text_line(call->result.successor, sizeof(call->result.successor),
                       open + 1, (size_t)(close - open - 1));
}

static void header_content_type(struct fc_call *call, const char *value,
                                size_t len) {
  (void)take_text(call, call->content_type, sizeof(call->content_type), value,
                  len);
}

static void header_content_encoding(struct fc_call *call, const char *value,
                                    size_t len) {
  (void)take_text(call, call->content_encoding, sizeof(call->content_encoding),
                  value, len);
}

static const struct {
  const char *name;
  void (*take)(struct fc_call *call, const char *value, size_t len);
} headers[] = {
    {"Date", header_date},
    {"Retry-After", header_retry_after},
    {"Sunset", header_sunset},
    {"Link", header_link},
    {"Content-Type", header_content_type},
    {"Content-Encoding", header_content_encoding},
};

static void on_header(struct fc_exchange *exchange, const char *name,
                      size_t name_len, const char *value, size_t value_len) {
  for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
    if (strlen(headers[i].name) == name_len &&
        strncasecmp(headers[i].name, name, name_len) == 0)
      headers[i].take(call_of(exchange), value, value_len);
}

static enum fc_error on_body(struct fc_exchange *exchange, const char *data,
                             size_t len) {
  struct fc_call *call = call_of(exchange);
  if (!call->body_error)
    call->body_error = fc_envelope_write(&call->envelope, data, len);
  if (!call->body_error)
    return FC_OK;
  call->drained_bytes += len;
  return call->drained_bytes > DRAIN_MAX ? call->body_error : FC_OK;
}

/* What a reply is about, by its code and its body; the first row that holds it
 * counts. The API's own replies are JSON objects with `error` or `success`:
 * what a gateway says, or a server at a wrong URL, says nothing of the job or
 * the key. */
static const struct {
  int first, last;
  bool own; /* only the API's own */
  enum fc_answer answer;
  enum fc_error error;
  const char *text;
} outcomes[] = {
    {200, 200, false, FC_ANSWER_STATUS, FC_OK, ""},
    {400, 400, true, FC_ANSWER_INVALID, FC_OK, ""},
    {404, 404, true, FC_ANSWER_NOT_FOUND, FC_OK, ""},
    {410, 410, false, FC_ANSWER_GONE, FC_OK, ""},
    {401, 401, true, FC_ANSWER_NONE, FC_ERR_AUTH, "the API key was rejected"},
    {403, 403, true, FC_ANSWER_NONE, FC_ERR_REFUSED, "not allowed"},
    {429, 429, false, FC_ANSWER_NONE, FC_ERR_RATE_LIMIT, "rate limited"},
    {402, 402, false, FC_ANSWER_NONE, FC_ERR_HTTP, "payment required"},
    {404, 404, false, FC_ANSWER_NONE, FC_ERR_HTTP,
     "not the API's own reply, check the URL"},
    {401, 403, false, FC_ANSWER_NONE, FC_ERR_HTTP,
     "not the API's own reply, a proxy or gateway refused the request"},
    {300, 399, false, FC_ANSWER_NONE, FC_ERR_HTTP, "a redirect, not followed"},
    {400, 499, false, FC_ANSWER_NONE, FC_ERR_HTTP, "the request was refused"},
    {500, 599, false, FC_ANSWER_NONE, FC_ERR_HTTP,
     "the server or a gateway failed"},
    {0, 999, false, FC_ANSWER_NONE, FC_ERR_HTTP, "an unexpected reply"},
};

static void fail(struct fc_result *result, enum fc_error error,
                 const char *text) {
  size_t used = 0;
  result->answer = FC_ANSWER_NONE;
  result->error = error;
  fc_text_append(result->detail, sizeof(result->detail), &used, "%s", text);
}

static void fail_transport(struct fc_call *call, enum fc_error error,
                           const char *text) {
  char line[FC_DETAIL_SIZE];
  size_t len = take_text(call, line, sizeof(line), text, strlen(text));
  fail(&call->result, error, len ? line : fc_error_text(error));
}

/* Parses what the envelope kept; the reply stays empty where the body is none
 * of the API's. Where the API has no word for the status, its text decides. */
static enum fc_error parse_body(struct fc_call *call) {
  const char *json;
  size_t len;
  struct fc_known_secrets known;
  enum fc_error error = call->body_error;
  if (!error)
    error = fc_envelope_finish(&call->envelope, &json, &len);
  if (!error)
    error = fc_parse_reply(json, len, secrets_of(call, &known),
                           &call->result.reply);
  struct fc_reply *reply = &call->result.reply;
  if (reply->facts.status == FC_STATUS_FAILED && reply->says_cancelled &&
      call->kind->cancelled_reads_failed)
    reply->facts.status = FC_STATUS_CANCELLED;
  return error;
}

static bool is_the_apis(const struct fc_reply *reply,
                        enum fc_error body_error) {
  return !body_error && (reply->has_success || reply->error[0]);
}

/* A 200 is an answer only with a status; else its type says what it is. */
static void judge_status(struct fc_call *call, enum fc_error body_error) {
  struct fc_result *result = &call->result;
  if (!body_error && result->reply.facts.status != FC_STATUS_NONE)
    return;
  fail(result, body_error ? body_error : FC_ERR_BODY,
       body_error ? "the body is no complete JSON object"
                  : "the body has no status string");
  const char *type = call->content_type, *encoding = call->content_encoding;
  size_t used = strlen(result->detail);
  if (type[0] || encoding[0])
    fc_text_append(result->detail, sizeof(result->detail), &used,
                   " (%s%s%s%s%s)", type[0] ? "Content-Type: " : "", type,
                   type[0] && encoding[0] ? "; " : "",
                   encoding[0] ? "Content-Encoding: " : "", encoding);
}

/* Why there is no answer, with the API's own words where there are any. */
static void say_code(struct fc_result *result, const char *text) {
  const char *words = result->reply.error;
  size_t used = 0;
  fc_text_append(result->detail, sizeof(result->detail), &used,
                 "HTTP %d: %s%s%s", result->http_code, text,
                 words[0] ? ": " : "", words);
}

static void classify_code(struct fc_call *call, enum fc_error body_error) {
  struct fc_result *result = &call->result;
  bool own = is_the_apis(&result->reply, body_error);
  size_t row = 0;
  while (result->http_code < outcomes[row].first ||
         result->http_code > outcomes[row].last || (outcomes[row].own && !own))
    row++;
  result->answer = outcomes[row].answer;
  result->error = outcomes[row].error;
  if (result->error)
    say_code(result, outcomes[row].text);
  if (result->answer == FC_ANSWER_STATUS)
    judge_status(call, body_error);
}

/* RFC 9110 section 10.2.3: seconds or a date. Out of range is clamped, anything
 * else is as if absent. */
static bool retry_header(const struct fc_call *call, int64_t *seconds) {
  const char *text = call->retry_header;
  size_t len = strlen(text);
  const struct fc_result *result = &call->result;
  int64_t date_s;
  if (!call->has_retry_header)
    return false;
  if (len && strspn(text, "0123456789") == len) {
    if (!fc_text_int(text, len, 0, FC_RETRY_AFTER_MAX_S, seconds))
      *seconds = FC_RETRY_AFTER_MAX_S;
    return true;
  }
  if (!fc_timestamp_http(text, len, call->now_s, &date_s))
    return false;
  *seconds = date_s - (result->has_date ? result->date_s : call->now_s);
  return true;
}

static void decide_retry_after(struct fc_call *call) {
  struct fc_result *result = &call->result;
  int64_t seconds;
  if (result->http_code != 429 && result->http_code != 503)
    return;
  if (!retry_header(call, &seconds)) {
    if (!result->reply.has_retry_after)
      return;
    seconds = result->reply.retry_after_s;
  }
  result->has_retry_after = true;
  result->retry_after_s = fc_max64(0, fc_min64(seconds, FC_RETRY_AFTER_MAX_S));
}

/* The code counts wherever one arrived: a 503 cut short is still a 503. Only
 * what is said of a job, by a 200, 400 or 404, needs its body whole. */
static void on_done(struct fc_exchange *exchange,
                    const struct fc_transport_reply *transport) {
  struct fc_call *call = call_of(exchange);
  struct fc_result *result = &call->result;
  result->http_code = transport->http_code;
  result->seconds = transport->seconds;
  enum fc_error body_error = parse_body(call);
  bool broken = transport->error && transport->error != call->body_error;
  if (transport->http_code == 0)
    fail_transport(call, transport->error ? transport->error : FC_ERR_HTTP,
                   transport->detail);
  else if (broken &&
           (transport->http_code == 200 || transport->http_code == 400 ||
            transport->http_code == 404))
    fail_transport(call, transport->error, transport->detail);
  else
    classify_code(call, body_error);
  decide_retry_after(call);
  if (!result->successor[0])
    memcpy(result->successor, result->reply.replacement,
           sizeof(result->successor));
  call->done(call, result, call->data);
}

static const struct fc_exchange_ops ops = {
    .header = on_header,
    .body = on_body,
    .done = on_done,
};

static void call_reset(struct fc_call *call) {
  fc_envelope_reset(&call->envelope);
  memset(&call->result, 0, sizeof(call->result));
  call->result.reply.facts.status = FC_STATUS_NONE;
  call->body_error = FC_OK;
  call->drained_bytes = 0;
  call->has_retry_header = false;
  call->content_type[0] = call->content_encoding[0] = '\0';
}

void fc_call_init(struct fc_call *call) {
  memset(call, 0, sizeof(*call));
  fc_envelope_init(&call->envelope);
  call->exchange.ops = &ops;
}

void fc_call_release(struct fc_call *call) {
  fc_envelope_release(&call->envelope);
}

enum fc_error fc_call_start(struct fc_call *call,
                            struct fc_transport *transport,
                            const struct fc_target *target,
                            const struct fc_kind *kind, const char *id,
                            int64_t now_s, fc_call_done done, void *data) {
  char url[FC_URL_SIZE];
  enum fc_error error = fc_request_url(url, sizeof(url), target->settings->url,
                                       target->settings->api_version, kind, id);
  if (error)
    return error;
  call_reset(call);
  call->target = target;
  call->kind = kind;
  call->now_s = now_s;
  call->done = done;
  call->data = data;
  return fc_transport_start(transport, target, url, &call->exchange);
}

void fc_call_cancel(struct fc_call *call, struct fc_transport *transport) {
  fc_transport_cancel(transport, &call->exchange);
}
