/* SPDX-License-Identifier: MIT */

/* The whole response path: a code, header lines, an empty line and a body in
 * pieces, as a transport would give them to the API call. */

#include "src/api/client.h"
#include "src/api/transport_curl.h"

#include "t/fuzz/fuzz.h"

static struct fc_exchange *asked;

static enum fc_error take(struct fc_transport *transport,
                          const struct fc_target *target, const char *url,
                          struct fc_exchange *exchange) {
  (void)transport;
  (void)target;
  (void)url;
  asked = exchange;
  return FC_OK;
}

static void check_line(const char *text, size_t size) {
  size_t len = strnlen(text, size);
  FUZZ_REQUIRE(len < size && fuzz_is_safe(text, len));
}

static void on_done(struct fc_call *call, const struct fc_result *result,
                    void *data) {
  (void)call;
  ++*(int *)data;
  FUZZ_REQUIRE((result->error == FC_OK) == (result->answer != FC_ANSWER_NONE));
  FUZZ_REQUIRE(result->answer != FC_ANSWER_STATUS ||
               (result->http_code == 200 &&
                result->reply.facts.status != FC_STATUS_NONE));
  FUZZ_REQUIRE(!result->has_retry_after ||
               (result->retry_after_s >= 0 &&
                result->retry_after_s <= FC_RETRY_AFTER_MAX_S));
  FUZZ_REQUIRE(!result->reply.facts.has_tokens ||
               result->reply.facts.tokens >= 0);
  FUZZ_REQUIRE(!result->error || result->detail[0]);
  check_line(result->detail, sizeof(result->detail));
  check_line(result->successor, sizeof(result->successor));
  check_line(result->reply.error, sizeof(result->reply.error));
  check_line(result->reply.status_word, sizeof(result->reply.status_word));
  check_line(result->reply.replacement, sizeof(result->reply.replacement));
}

static void give_headers(const uint8_t **data, size_t *size) {
  const char *line;
  size_t len;
  while ((len = fuzz_line(data, size, &line)) > 0) {
    const char *colon = memchr(line, ':', len);
    if (colon)
      asked->ops->header(asked, line, (size_t)(colon - line), colon + 1,
                         len - (size_t)(colon + 1 - line));
  }
}

static enum fc_error give_body(const uint8_t *data, size_t size,
                               unsigned seed) {
  enum fc_error error = FC_OK;
  for (size_t at = 0, piece; at < size && !error; at += piece) {
    piece = fuzz_piece(&seed, size - at);
    error = asked->ops->body(asked, (const char *)data + at, piece);
  }
  return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int codes[] = {200, 200, 200, 200, 0,   204, 301, 400, 401,
                              402, 403, 404, 410, 429, 429, 500, 503, 999};
  static const struct fc_transport_ops ops = {.start = take};
  struct fc_transport transport = {.ops = &ops};
  struct fc_settings settings;
  struct fc_key key = {0};
  struct fc_target target = {.settings = &settings, .key = &key};
  struct fc_call call;
  int ended = 0;
  unsigned code = fuzz_byte(&data, &size), seed = fuzz_byte(&data, &size);
  fc_settings_init(&settings);
  char detail[1];
  FUZZ_REQUIRE(
      !fc_transport_curl_set_url(&settings, "http://localhost", detail, 1));
  fc_call_init(&call);
  FUZZ_REQUIRE(!fc_call_start(&call, &transport, &target,
                              fc_kind_by_name("extract", 7), "a", 1795458360,
                              on_done, &ended));
  give_headers(&data, &size);
  struct fc_transport_reply reply = {
      .http_code = codes[code % (sizeof(codes) / sizeof(codes[0]))],
      .detail = ""};
  reply.error = give_body(data, size, seed);
  asked->ops->done(asked, &reply);
  FUZZ_REQUIRE(ended == 1);
  fc_call_release(&call);
  fc_settings_release(&settings);
  return 0;
}
