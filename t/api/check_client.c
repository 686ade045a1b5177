/* SPDX-License-Identifier: MIT */

/* The API call over a transport that is a script: no network. */

#include "src/api/client.h"
#include "src/api/transport_curl.h"
#include "src/base/macros.h"

#include "t/api/capture.h"
#include "t/fake/scripted_transport.h"
#include "t/suite.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static void keep_result(struct fc_call *call, const struct fc_result *result,
                        void *data) {
  (void)call;
  *(struct fc_result *)data = *result;
}

enum { NOW_S = SCRIPTED_EPOCH_S };

static struct scripted_transport scripted;

static struct fc_settings settings;
static struct fc_key key;
static const struct fc_target target = {&settings, &key};
static struct fc_call call;

static void set_up(void) {
  fc_settings_init(&settings);
  settings.url = strdup("https://api.test");
  fc_call_init(&call);
}

static void tear_down(void) {
  fc_call_release(&call);
  fc_key_release(&key);
  fc_settings_release(&settings);
}

static enum fc_error start(enum fc_kind_id kind, const char *id,
                           struct fc_result *result) {
  return fc_call_start(&call, &scripted.base, &target, fc_kind_get(kind), id,
                       NOW_S, keep_result, result);
}

static struct fc_result ask(const struct scripted_reply *reply,
                            enum fc_kind_id kind) {
  struct fc_result result = {.http_code = -1};
  scripted_init(&scripted, reply, 1);
  ck_assert_int_eq(start(kind, "id-1", &result), FC_OK);
  ck_assert_int_eq(fc_transport_run(&scripted.base, 0), FC_OK);
  ck_assert_int_ne(result.http_code, -1);
  return result;
}

static struct fc_result ask_text(int code, const char *headers,
                                 const char *body) {
  struct scripted_reply reply = {
      .http_code = code, .headers = headers, .body = body};
  return ask(&reply, FC_KIND_EXTRACT);
}

static const struct {
  const char *name;
  int code;
  enum fc_answer answer;
  enum fc_error error;
  enum fc_status status;
  double tokens;      /* -1: none */
  int64_t expires_at; /* 0: none */
  const char *error_text;
} expected[CAPTURES] = {
    {"v1-bad-key", 401, FC_ANSWER_NONE, FC_ERR_AUTH, FC_STATUS_NONE, -1, 0,
     "Unauthorized: Invalid token"},
    {"v1-cancelled", 200, FC_ANSWER_STATUS, FC_OK, FC_STATUS_CANCELLED, -1,
     1795478527, ""},
    {"v1-completed", 200, FC_ANSWER_STATUS, FC_OK, FC_STATUS_COMPLETED, 1234,
     1795478527, ""},
    {"v1-completed-record-lapsed", 200, FC_ANSWER_STATUS, FC_OK,
     FC_STATUS_COMPLETED, -1, NOW_S, ""},
    {"v1-completed-result-not-yet-stored", 200, FC_ANSWER_STATUS, FC_OK,
     FC_STATUS_PROCESSING, -1, 1795478527, ""},
    {"v1-failed", 200, FC_ANSWER_STATUS, FC_OK, FC_STATUS_FAILED, -1,
     1795478527,
     "An unexpected error occurred. Please contact help@firecrawl.com for "
     "help."},
    {"v1-failed-record-lapsed-reads-processing", 200, FC_ANSWER_STATUS, FC_OK,
     FC_STATUS_PROCESSING, -1, NOW_S, ""},
    {"v1-no-key", 401, FC_ANSWER_NONE, FC_ERR_AUTH, FC_STATUS_NONE, -1, 0,
     "Unauthorized"},
    {"v1-not-found", 404, FC_ANSWER_NOT_FOUND, FC_OK, FC_STATUS_NONE, -1, 0,
     "Extract job not found"},
    {"v1-processing-with-steps", 200, FC_ANSWER_STATUS, FC_OK,
     FC_STATUS_PROCESSING, -1, 1795478527, ""},
    {"v2-completed", 200, FC_ANSWER_STATUS, FC_OK, FC_STATUS_COMPLETED, 1234,
     1795478527, ""},
};

START_TEST(a_captured_reply_means_the_same_in_pieces_of_any_size) {
  char text[CAPTURE_SIZE];
  const char *body = capture_read(expected[_i].name, text);
  for (size_t piece = 1; piece <= strlen(body); piece++) {
    struct scripted_reply reply = {
        .http_code = expected[_i].code,
        .headers = "Date: Mon, 23 Nov 2026 18:26:00 GMT\n",
        .body = body,
        .body_len = strlen(body),
        .piece = piece,
    };
    struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
    ck_assert_int_eq(result.answer, expected[_i].answer);
    ck_assert_int_eq(result.error, expected[_i].error);
    ck_assert_int_eq(result.reply.facts.status, expected[_i].status);
    ck_assert_str_eq(result.reply.error, expected[_i].error_text);
    ck_assert_int_eq(result.reply.facts.has_tokens, expected[_i].tokens >= 0);
    if (result.reply.facts.has_tokens)
      ck_assert_double_eq(result.reply.facts.tokens, expected[_i].tokens);
    ck_assert_int_eq(result.reply.facts.has_expires_at,
                     expected[_i].expires_at != 0);
    if (result.reply.facts.has_expires_at)
      ck_assert_int_eq(result.reply.facts.expires_at_s,
                       expected[_i].expires_at);
    ck_assert(result.has_date);
    ck_assert_int_eq(result.date_s, NOW_S);
  }
}
END_TEST

START_TEST(a_captured_reply_cut_anywhere_yields_no_status) {
  char text[CAPTURE_SIZE];
  const char *body = capture_read(expected[_i].name, text);
  for (size_t cut = 0; cut < 2 * strlen(body); cut++) {
    struct scripted_reply reply = {
        .http_code = expected[_i].code,
        .body = cut / 2 ? body : "",
        .body_len = cut / 2,
        .piece = cut % 2,
    };
    struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
    ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
    ck_assert_int_ne(result.error, FC_OK);
  }
}
END_TEST

static const struct {
  int code;
  const char *body;
  enum fc_answer answer;
  enum fc_error error;
} outcomes[] = {
    {200, "<html>welcome</html>", FC_ANSWER_NONE, FC_ERR_BODY},
    {200, "", FC_ANSWER_NONE, FC_ERR_BODY},
    {200, "{\"success\":true}", FC_ANSWER_NONE, FC_ERR_BODY},
    {200, "{\"status\":7}", FC_ANSWER_NONE, FC_ERR_BODY},
    {200, "{\"status\":null}", FC_ANSWER_NONE, FC_ERR_BODY},
    {200, "{\"status\":\"paused\"}", FC_ANSWER_STATUS, FC_OK},
    {204, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {206, "{\"status\":\"failed\"}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {301, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {304, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {400, "{}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {400, "<html>400 Bad Request</html>", FC_ANSWER_NONE, FC_ERR_HTTP},
    {400, "{\"success\":false,\"error\":\"Invalid job ID format\"}",
     FC_ANSWER_INVALID, FC_OK},
    {400, "{\"error\":\"Invalid job ID format\"}", FC_ANSWER_INVALID, FC_OK},
    {401, "<html>", FC_ANSWER_NONE, FC_ERR_HTTP},
    {401, "{}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {401, "{\"success\":false,\"error\":\"Unauthorized\"}", FC_ANSWER_NONE,
     FC_ERR_AUTH},
    {401, "{\"error\":\"Unauthorized: Invalid token\"}", FC_ANSWER_NONE,
     FC_ERR_AUTH},
    {402, "{}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {403, "<!DOCTYPE html><title>Just a moment...</title>", FC_ANSWER_NONE,
     FC_ERR_HTTP},
    {403, "{}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {403, "{\"success\":false,\"error\":\"Forbidden\"}", FC_ANSWER_NONE,
     FC_ERR_REFUSED},
    {404, "{\"success\":false,\"error\":\"Job expired\"}", FC_ANSWER_NOT_FOUND,
     FC_OK},
    {404, "<pre>Cannot GET /v1/x</pre>", FC_ANSWER_NONE, FC_ERR_HTTP},
    {404, "{}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {405, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {407, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {408, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {409, "{\"success\":false}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {410, "{\"success\":false}", FC_ANSWER_GONE, FC_OK},
    {410, "", FC_ANSWER_GONE, FC_OK},
    {410, "<html>Gone</html>", FC_ANSWER_GONE, FC_OK},
    {422, "{}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {425, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {429, "{}", FC_ANSWER_NONE, FC_ERR_RATE_LIMIT},
    {429, "<html>slow down</html>", FC_ANSWER_NONE, FC_ERR_RATE_LIMIT},
    {500, "<html>", FC_ANSWER_NONE, FC_ERR_HTTP},
    {500, "{\"status\":\"failed\"}", FC_ANSWER_NONE, FC_ERR_HTTP},
    {502, "<html>Bad Gateway</html>", FC_ANSWER_NONE, FC_ERR_HTTP},
    {503, "", FC_ANSWER_NONE, FC_ERR_HTTP},
    {504, "<html>", FC_ANSWER_NONE, FC_ERR_HTTP},
    {999, "{\"status\":\"failed\"}", FC_ANSWER_NONE, FC_ERR_HTTP},
};

/* Its own words stand behind ours, whatever the code. */
static const struct {
  int code;
  const char *headers, *body, *detail;
} words[] = {
    {402, NULL, "{\"error\":\"Insufficient credits to perform this request\"}",
     "HTTP 402: payment required: Insufficient credits to perform this "
     "request"},
    {500, NULL,
     "{\"success\":false,\"error\":{\"message\":\"exception 4f2a\"}}",
     "HTTP 500: the server or a gateway failed: exception 4f2a"},
    {401, NULL, "{\"error\":\"Unauthorized: Invalid token\"}",
     "HTTP 401: the API key was rejected: Unauthorized: Invalid token"},
    {429, NULL, "{\"error\":\"please retry after 23s\"}",
     "HTTP 429: rate limited: please retry after 23s"},
    {502, NULL, "<html>Bad Gateway</html>",
     "HTTP 502: the server or a gateway failed"},
    {401, NULL, "<html>401</html>",
     "HTTP 401: not the API's own reply, a proxy or gateway refused the "
     "request"},
    {404, NULL, "<pre>Cannot GET</pre>",
     "HTTP 404: not the API's own reply, check the URL"},
    {200, "Content-Type: text/html; charset=utf-8\n", "<html>",
     "the body is no complete JSON object (Content-Type: text/html; "
     "charset=utf-8)"},
    {200, "Content-Type: application/json\nContent-Encoding: gzip\n",
     "\x1f\x8b",
     "the body is no complete JSON object (Content-Type: application/json; "
     "Content-Encoding: gzip)"},
    {200, "Content-Encoding: br\n", "\x1f\x8b",
     "the body is no complete JSON object (Content-Encoding: br)"},
    {200, "Content-Type: application/json\n", "{}",
     "the body has no status string (Content-Type: application/json)"},
    {200, NULL, "", "the body is no complete JSON object"},
};

START_TEST(a_failure_is_told_in_the_apis_own_words) {
  struct fc_result result =
      ask_text(words[_i].code, words[_i].headers, words[_i].body);
  ck_assert_str_eq(result.detail, words[_i].detail);
}
END_TEST

START_TEST(an_http_code_decides_what_a_reply_means) {
  struct fc_result result =
      ask_text(outcomes[_i].code, NULL, outcomes[_i].body);
  ck_assert_int_eq(result.answer, outcomes[_i].answer);
  ck_assert_int_eq(result.error, outcomes[_i].error);
  ck_assert_int_eq(result.http_code, outcomes[_i].code);
  ck_assert_int_eq(result.detail[0] != '\0', result.error != FC_OK);
  ck_assert_ptr_null(strstr(result.detail, "<"));
}
END_TEST

static const struct {
  int code;
  const char *headers;
  const char *body;
  int64_t seconds; /* -1: none */
} retries[] = {
    {429, "Retry-After: 5\n", "{}", 5},
    {429, "Retry-After: 0\n", "{}", 0},
    {429, "Retry-After: 3601\n", "{}", 3600},
    {429, "Retry-After: 99999999999999999999\n", "{}", 3600},
    {429, "retry-after: 00000000000000000007\n", "{}", 7},
    {429, "Retry-After: -1\n", "{}", -1},
    {429, "Retry-After: soon\n", "{}", -1},
    {429, "Retry-After: 1.5\n", "{}", -1},
    {429, "Retry-After: 5\nRetry-After: 9\n", "{}", 5},
    {429,
     "Date: Mon, 23 Nov 2026 18:26:00 GMT\n"
     "Retry-After: Mon, 23 Nov 2026 18:26:42 GMT\n",
     "{}", 42},
    {429,
     "Retry-After: Mon, 23 Nov 2026 18:27:00 GMT\n"
     "Date: Mon, 23 Nov 2026 18:26:30 GMT\n",
     "{}", 30},
    {429, "Retry-After: Mon, 23 Nov 2026 18:26:07 GMT\n", "{}", 7},
    {429, "Retry-After: Mon, 23 Nov 2020 18:26:07 GMT\n", "{}", 0},
    {429, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\n", "{}", 3600},
    {429, NULL, "{\"success\":false,\"retry_after_seconds\":23}", 23},
    {429, NULL,
     "{\"error\":\"Rate limit exceeded. Consumed (req/min): 501. please retry "
     "after 23s, resets at x\"}",
     23},
    {429, "Retry-After: 4\n", "{\"retry_after_seconds\":23}", 4},
    {429, NULL, "<html>slow down</html>", -1},
    {503, "Retry-After: 6\n", "<html>", 6},
    {503, NULL, "<html>", -1},
    {500, "Retry-After: 6\n", "{}", -1},
    {200, "Retry-After: 6\n", "{\"status\":\"failed\"}", -1},
};

START_TEST(retry_after_comes_from_header_field_or_text) {
  struct fc_result result =
      ask_text(retries[_i].code, retries[_i].headers, retries[_i].body);
  ck_assert_int_eq(result.has_retry_after, retries[_i].seconds >= 0);
  if (result.has_retry_after)
    ck_assert_int_eq(result.retry_after_s, retries[_i].seconds);
}
END_TEST

START_TEST(the_headers_of_a_deprecated_route_are_read) {
  struct fc_result result =
      ask_text(200,
               "sunset: Tue, 03 Nov 2026 23:59:59 GMT\n"
               "LINK: </docs>; rel=\"deprecation\", </v2/scrape>; "
               "rel=\"successor-version\"\n",
               "{\"status\":\"processing\",\"replacement\":\"/v2/other\"}");
  ck_assert(result.has_sunset);
  ck_assert_int_eq(result.sunset_s, 1793750399);
  ck_assert_str_eq(result.successor, "/v2/scrape");
}
END_TEST

START_TEST(the_replacement_of_the_body_serves_without_a_link) {
  struct fc_result result =
      ask_text(200, "Sunset: never\n",
               "{\"status\":\"processing\",\"replacement\":\"/v2/scrape\"}");
  ck_assert(!result.has_sunset);
  ck_assert_str_eq(result.successor, "/v2/scrape");
}
END_TEST

static const struct {
  enum fc_kind_id kind;
  const char *url;
} urls[] = {
    {FC_KIND_EXTRACT, "https://api.test/v1/extract/id-1"},
    {FC_KIND_AGENT, "https://api.test/v2/agent/id-1"},
    {FC_KIND_CRAWL, "https://api.test/v2/crawl/id-1?limit=1"},
    {FC_KIND_BATCH_SCRAPE, "https://api.test/v2/batch/scrape/id-1?limit=1"},
};

START_TEST(each_kind_is_asked_for_at_its_own_place) {
  struct scripted_reply reply = {.http_code = 410};
  (void)ask(&reply, urls[_i].kind);
  ck_assert_str_eq(scripted.requests[0].url, urls[_i].url);
}
END_TEST

static const struct {
  enum fc_kind_id kind;
  const char *body;
  enum fc_status status;
} cancellations[] = {
    {FC_KIND_AGENT,
     "{\"success\":true,\"status\":\"failed\",\"error\":\"Agent was cancelled "
     "by "
     "the user\"}",
     FC_STATUS_CANCELLED},
    {FC_KIND_AGENT,
     "{\"status\":\"failed\",\"error\":\"Run "
     "canceled\",\"stopReason\":\"user\"}",
     FC_STATUS_CANCELLED},
    {FC_KIND_AGENT,
     "{\"status\":\"failed\",\"error\":{\"message\":\"Job cancelled\"}}",
     FC_STATUS_CANCELLED},
    {FC_KIND_AGENT, "{\"status\":\"failed\",\"error\":\"out of credits\"}",
     FC_STATUS_FAILED},
    {FC_KIND_AGENT, "{\"status\":\"failed\"}", FC_STATUS_FAILED},
    {FC_KIND_AGENT, "{\"status\":\"processing\",\"error\":\"Run cancelled\"}",
     FC_STATUS_PROCESSING},
    {FC_KIND_EXTRACT, "{\"status\":\"failed\",\"error\":\"Job cancelled\"}",
     FC_STATUS_FAILED},
};

START_TEST(an_agents_failure_may_be_a_cancellation) {
  struct scripted_reply reply = {.http_code = 200,
                                 .body = cancellations[_i].body};
  struct fc_result result = ask(&reply, cancellations[_i].kind);
  ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
  ck_assert_int_eq(result.reply.facts.status, cancellations[_i].status);
}
END_TEST

/* What the cloud's 410 will carry is in no public source. */
static const struct {
  const char *headers, *body;
  enum fc_error error;
} goodbyes[] = {
    {"", "", FC_OK},
    {"Content-Type: text/html\n", "<!DOCTYPE html><h1>Gone</h1>", FC_OK},
    {"", "{\"success\":false", FC_ERR_CONNECT},
    {"Content-Encoding: gzip\n", "\x1f\x8b", FC_ERR_BODY},
    {"", "{\"status\":\"completed\",\"success\":true}", FC_OK},
};

START_TEST(a_410_counts_by_its_code_alone) {
  struct scripted_reply reply = {
      .http_code = 410,
      .headers = goodbyes[_i].headers,
      .body = goodbyes[_i].body,
      .error = goodbyes[_i].error,
  };
  struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
  ck_assert_int_eq(result.answer, FC_ANSWER_GONE);
  ck_assert_int_eq(result.error, FC_OK);
}
END_TEST

START_TEST(a_transport_error_is_told_with_its_words) {
  struct scripted_reply reply = {.error = FC_ERR_CONNECT, .detail = "refused"};
  struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert_int_eq(result.error, FC_ERR_CONNECT);
  ck_assert_str_eq(result.detail, "refused");
  ck_assert_int_eq(result.http_code, 0);
}
END_TEST

START_TEST(a_whole_body_behind_a_broken_connection_is_no_answer) {
  static const char body[] = "{\"status\":\"failed\"}";
  struct scripted_reply reply = {
      .http_code = 200,
      .body = body,
      .body_len = sizeof(body) - 1,
      .error = FC_ERR_TIMEOUT,
  };
  struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert_int_eq(result.error, FC_ERR_TIMEOUT);
}
END_TEST

START_TEST(a_reply_that_broke_off_is_still_a_503_and_its_pause_counts) {
  struct scripted_reply reply = {
      .http_code = 503,
      .headers = "Retry-After: 6\n",
      .body = "<html>",
      .error = FC_ERR_CONNECT,
      .detail = "reset",
  };
  struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
  ck_assert_int_eq(result.error, FC_ERR_HTTP);
  ck_assert(result.has_retry_after);
  ck_assert_int_eq(result.retry_after_s, 6);
}
END_TEST

START_TEST(a_404_that_broke_off_says_nothing_of_the_job) {
  struct scripted_reply reply = {
      .http_code = 404,
      .body = "{\"success\":false}",
      .error = FC_ERR_TIMEOUT,
  };
  struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert_int_eq(result.error, FC_ERR_TIMEOUT);
  ck_assert_str_ne(result.detail, "");
}
END_TEST

START_TEST(nothing_of_one_reply_is_left_in_the_next) {
  static const struct scripted_reply replies[] = {
      {.times = 1,
       .http_code = 429,
       .headers = "Retry-After: 6\nSunset: Tue, 03 Nov 2026 23:59:59 GMT\n"
                  "Deprecation: true\nLink: </a>; rel=successor-version\n"
                  "Date: Mon, 23 Nov 2026 18:26:00 GMT\n",
       .body = "{\"error\":\"x\",\"creditsUsed\":3,"},
      {.http_code = 200, .body = "{\"status\":\"processing\"}"},
  };
  struct fc_result result;
  scripted_init(&scripted, replies, 2);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(start(FC_KIND_EXTRACT, "a", &result), FC_OK);
    ck_assert_int_eq(fc_transport_run(&scripted.base, 0), FC_OK);
  }
  ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
  ck_assert(!result.has_date && !result.has_sunset && !result.has_retry_after);
  ck_assert(!result.reply.facts.has_credits);
  ck_assert_str_eq(result.successor, "");
  ck_assert_str_eq(result.reply.error, "");
  ck_assert_str_eq(result.detail, "");
}
END_TEST

/* Keys that a reply may hold as they are, or in JSON's escapes. */
#define KEY "fc-0123456789abcdef"
#define ODD_KEY "a\"b\\c/d<e>f,g\\\\h%40'&"
#define MASK "[secret]"
#define BLANKS_250                                                             \
  "                                                  "                         \
  "                                                  "                         \
  "                                                  "                         \
  "                                                  "                         \
  "                                                  "
#define A_250                                                                  \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                         \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                         \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                         \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                         \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
  const char *key;
  struct scripted_reply reply;
  enum fc_status status;
  const char *word, *error, *successor, *detail;
} echoes[] = {
    {KEY,
     {.http_code = 200,
      .body = "{\"status\":\"failed\",\"error\":\"bad token " KEY "\"}"},
     FC_STATUS_FAILED,
     "failed",
     "bad token " MASK,
     "",
     ""},
    {KEY,
     {.http_code = 404, .body = "{\"message\":\"" KEY " " KEY KEY "?\"}"},
     FC_STATUS_NONE,
     "",
     MASK " " MASK MASK "?",
     "",
     ""},
    {KEY,
     {.http_code = 200,
      .body = "{\"status\":\"failed\",\"error\":{\"k\":[\"Bearer " KEY
              "\"],\"" KEY "\":1}}"},
     FC_STATUS_FAILED,
     "failed",
     "{\"k\":[\"Bearer " MASK "\"],\"" MASK "\":1}",
     "",
     ""},
    {KEY,
     {.http_code = 200,
      .body = "{\"status\":\"failed\",\"error\":{\"error\":{\"message\":"
              "\"\\u0066c-0123456789abcdef\"}}}"},
     FC_STATUS_FAILED,
     "failed",
     MASK,
     "",
     ""},
    {KEY,
     {.http_code = 200,
      .body = "{\"status\":\"failed\",\"stopReason\":\"no " KEY
              "\",\"error\":\"x\"}"},
     FC_STATUS_FAILED,
     "failed",
     "no " MASK ": x",
     "",
     ""},
    {KEY,
     {.http_code = 200, .body = "{\"status\":\"" KEY "\"}"},
     FC_STATUS_UNKNOWN,
     MASK,
     "",
     "",
     ""},
    {KEY,
     {.http_code = 410, .body = "{\"replacement\":\"/v2/x?k=" KEY "\"}"},
     FC_STATUS_NONE,
     "",
     "",
     "/v2/x?k=" MASK,
     ""},
    {KEY,
     {.http_code = 410,
      .headers = "Link: </v2/" KEY ">; rel=\"successor-version\"\n"},
     FC_STATUS_NONE,
     "",
     "",
     "/v2/" MASK,
     ""},
    {KEY,
     {.error = FC_ERR_TLS, .detail = "the certificate is of " KEY ".test"},
     FC_STATUS_NONE,
     "",
     "",
     "",
     "the certificate is of " MASK ".test"},
    /* Cut behind the mask, and by whoever wrote the text. */
    {KEY,
     {.http_code = 404, .body = "{\"error\":\"" A_250 KEY "\"}"},
     FC_STATUS_NONE,
     "",
     A_250 "...",
     "",
     ""},
    {KEY,
     {.error = FC_ERR_CONNECT, .detail = "no host " KEY},
     FC_STATUS_NONE,
     "",
     "",
     "",
     "no host " MASK},
    {KEY,
     {.error = FC_ERR_CONNECT, .detail = "no host fc-0123456789a"},
     FC_STATUS_NONE,
     "",
     "",
     "",
     "no host " MASK},
    {KEY,
     {.http_code = 404,
      .body = "{\"error\":\"x" BLANKS_250 BLANKS_250 BLANKS_250 BLANKS_250
              "                   " KEY "\"}"},
     FC_STATUS_NONE,
     "",
     "x " MASK,
     "",
     ""},
    {KEY,
     {.http_code = 404, .body = "{\"error\":\"fc-0123, fc-01234567?\"}"},
     FC_STATUS_NONE,
     "",
     "fc-0123, fc-01234567?",
     "",
     ""},
    /* Every escape that JSON has, and what delimits a Link. */
    {ODD_KEY,
     {.http_code = 404,
      .body = "{\"error\":\"x a\\\"b\\\\c/d<e>f,g\\\\\\\\h%40'& y\"}"},
     FC_STATUS_NONE,
     "",
     "x " MASK " y",
     "",
     ""},
    {ODD_KEY,
     {.http_code = 404,
      .body = "{\"error\":{\"k\":\"a\\\"b\\\\c\\/d<e>f,g\\\\\\\\h%40'&\"}}"},
     FC_STATUS_NONE,
     "",
     "{\"k\":\"" MASK "\"}",
     "",
     ""},
    {ODD_KEY,
     {.http_code = 404,
      .body = "{\"error\":\"{\\\"k\\\":\\\"a\\\\\\\"b\\\\\\\\c\\\\/d"
              "\\\\u003Ce\\\\u003ef,g\\\\\\\\\\\\\\\\h%40'\\\\u0026\\\"}\"}"},
     FC_STATUS_NONE,
     "",
     "{\"k\":\"" MASK "\"}",
     "",
     ""},
    {ODD_KEY,
     {.http_code = 410,
      .headers = "Link: </v2/" ODD_KEY ">; rel=\"successor-version\"\n"},
     FC_STATUS_NONE,
     "",
     "",
     "/v2/" MASK,
     ""},
    /* A short one is replaced as a word, and a status compared before. */
    {"failed",
     {.http_code = 200,
      .body = "{\"status\":\"failed\",\"error\":\"failed: has_failed "
              "failed2 un-failed 'failed'\"}"},
     FC_STATUS_FAILED,
     MASK,
     MASK ": has_failed failed2 un-failed '" MASK "'",
     "",
     ""},
    /* None at all. */
    {NULL,
     {.http_code = 404, .body = "{\"error\":\"" KEY "\"}"},
     FC_STATUS_NONE,
     "",
     KEY,
     "",
     ""},
};

static void set_key(const char *text) {
  if (text)
    ck_assert_int_eq(fc_key_set(&key, text, strlen(text)), FC_OK);
}

START_TEST(a_key_that_the_server_says_is_not_repeated) {
  set_key(echoes[_i].key);
  struct fc_result result = ask(&echoes[_i].reply, FC_KIND_EXTRACT);
  ck_assert_int_eq(result.reply.facts.status, echoes[_i].status);
  ck_assert_str_eq(result.reply.status_word, echoes[_i].word);
  ck_assert_str_eq(result.reply.error, echoes[_i].error);
  ck_assert_str_eq(result.successor, echoes[_i].successor);
  ck_assert_str_eq(result.detail, echoes[_i].detail);
}
END_TEST

/* Of 32 requests in flight with a key that has just been replaced, 31 may still
 * be told what it was. */
START_TEST(the_key_before_the_present_one_is_not_repeated_either) {
  set_key(KEY);
  set_key("fc-fedcba9876543210");
  struct fc_result result = ask_text(
      401, NULL, "{\"error\":\"not " KEY " but fc-fedcba9876543210\"}");
  ck_assert_str_eq(result.reply.error, "not " MASK " but " MASK);
}
END_TEST

/* Values of headers and the credentials of a proxy, as what is told of them
 * must not have them. */
static const char *const leaks[] = {
    "Basic abcdefghij", "abcdefghij",     "tok/en+12345",
    "tok%2Fen%2B12345", "pa/ss%word",     "pa%2Fss%25word",
    "tok\\/en+12345",   "%74ok/en+12345", "dXNlcjpwYS9zcyV3b3Jk",
};

static void assert_masked(const char *text) {
  ck_assert_msg(strstr(text, MASK) && !strstr(text, "abcdefghij") &&
                    !strstr(text, "12345") && !strstr(text, "word") &&
                    !strstr(text, "3b3Jk"),
                "%s", text);
}

START_TEST(no_secret_of_the_settings_is_repeated) {
  char body[512], headers[256], detail[128];
  ck_assert_int_eq(
      fc_settings_add_header(&settings, "Authorization: Basic abcdefghij"),
      FC_OK);
  ck_assert_int_eq(fc_settings_add_header(&settings, "X-Token: tok/en+12345 "),
                   FC_OK);
  ck_assert_int_eq(fc_transport_curl_set_proxy(&settings,
                                               "http://user:pa%2Fss%25word@h:1",
                                               detail, sizeof(detail)),
                   FC_OK);
  (void)snprintf(body, sizeof(body),
                 "{\"status\":\"%s\",\"error\":{\"a\":[\"x %s\"]},"
                 "\"stopReason\":\"%s\",\"replacement\":\"%s\"}",
                 leaks[_i], leaks[_i], leaks[_i], leaks[_i]);
  (void)snprintf(headers, sizeof(headers),
                 "Content-Type: %s\nLink: </%s>; rel=\"successor-version\"\n",
                 leaks[_i], leaks[_i]);
  struct fc_result result = ask_text(200, headers, body);
  assert_masked(result.reply.status_word);
  assert_masked(result.reply.error);
  assert_masked(result.reply.replacement);
  assert_masked(result.successor);
  result = ask_text(200, headers, "<html>");
  assert_masked(result.detail);
  (void)snprintf(detail, sizeof(detail), "no proxy user:%s@h", leaks[_i]);
  struct scripted_reply lost = {.error = FC_ERR_CONNECT, .detail = detail};
  result = ask(&lost, FC_KIND_EXTRACT);
  assert_masked(result.detail);
}
END_TEST

static const char *const bad_ids[] = {
    "",
    "../admin",
    "a/b",
    "%2e%2e",
    "a?b",
    "a#b",
    "a b",
    "a\r\nX: y",
    "\xc3\xa9",
    "a.b",
    "0123456789012345678901234567890123456789012345678901234567890123",
};

START_TEST(a_bad_id_is_never_sent) {
  struct fc_result result;
  scripted_init(&scripted, NULL, 0);
  ck_assert_int_eq(start(FC_KIND_EXTRACT, bad_ids[_i], &result),
                   FC_ERR_ARGUMENT);
  ck_assert_uint_eq(scripted.requests_len, 0);
}
END_TEST

START_TEST(a_body_of_html_is_read_on_for_a_while_only) {
  size_t len = 1024 * 1024;
  char *body = malloc(len);
  memset(body, '<', len);
  struct scripted_reply reply = {
      .http_code = 502, .body = body, .body_len = len, .piece = 1000};
  struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
  ck_assert_int_eq(result.error, FC_ERR_HTTP);
  free(body);
}
END_TEST

/* Bodies that cost a parser much: pieces with a number of seven digits each. */
static const struct {
  const char *begin, *before, *behind, *end;
  int pieces;
} costly[] = {
    {"{", "\"key", "\":0,", "\"status\":\"processing\"}", 50000},
    {"{\"data\":[", "", ",", "0],\"status\":\"processing\"}", 1000000},
    {"{\"data\":\"", "", "", "\",\"status\":\"processing\"}", 150000},
    {"{\"status\":\"processing\",\"error\":\"", "", "", "\"}", 150000},
};

static double cpu_ms(void) {
  struct timespec time;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return 1e3 * (double)time.tv_sec + (double)time.tv_nsec / 1e6;
}

enum { PIECE_MAX = 32 };

static char *costly_body(int row, int pieces, size_t *len) {
  size_t size = (size_t)pieces * PIECE_MAX + 256;
  char *body = malloc(size);
  ck_assert_ptr_nonnull(body);
  memset(body, ' ', size);
  *len = strlen(strcpy(body, costly[row].begin));
  for (int i = 0; i < pieces; i++)
    *len +=
        (size_t)snprintf(body + *len, PIECE_MAX, "%s%d%s", costly[row].before,
                         1000000 + i, costly[row].behind);
  *len += strlen(strcpy(body + *len, costly[row].end));
  return body;
}

/* The time of one reply, least of some. */
static double costly_ms(int row, int pieces) {
  size_t len;
  double least_ms = INFINITY;
  char *body = costly_body(row, pieces, &len);
  struct scripted_reply reply = {
      .http_code = 200, .body = body, .body_len = len, .piece = 16384};
  for (int i = 0; i < 3; i++) {
    double started_ms = cpu_ms();
    struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
    least_ms = fmin(least_ms, cpu_ms() - started_ms);
    ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
    ck_assert_int_eq(result.reply.facts.status, FC_STATUS_PROCESSING);
  }
  free(body);
  return least_ms;
}

/* Four times the body, at most six times the time: sixteen times it would be if
 * each byte were looked at again for each other. */
START_TEST(the_time_of_a_costly_body_grows_as_its_size) {
  const double room_ms = 20;
  double part_ms = costly_ms(_i, costly[_i].pieces / 4);
  double whole_ms = costly_ms(_i, costly[_i].pieces);
  printf("%d pieces: %.1f ms, a quarter: %.1f ms\n", costly[_i].pieces,
         whole_ms, part_ms);
  ck_assert_double_lt(whole_ms, 6 * part_ms + room_ms);
}
END_TEST

START_TEST(a_costly_body_takes_no_memory) {
  enum { GROWTH_KIB_MAX = 256 };
  struct rusage before, after;
  size_t len;
  char *body = costly_body(_i, costly[_i].pieces, &len);
  struct scripted_reply reply = {
      .http_code = 200, .body = body, .body_len = len, .piece = 16384};
  (void)ask_text(200, "", "{\"status\":\"processing\",\"error\":\"x\"}");
  (void)getrusage(RUSAGE_SELF, &before);
  struct fc_result result = ask(&reply, FC_KIND_EXTRACT);
  (void)getrusage(RUSAGE_SELF, &after);
  ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, GROWTH_KIB_MAX);
#endif
  free(body);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void) {
  Suite *suite = suite_create("client");
  TCase *tests = tcase_create("call");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests,
                      a_captured_reply_means_the_same_in_pieces_of_any_size, 0,
                      CAPTURES);
  tcase_add_loop_test(tests, a_captured_reply_cut_anywhere_yields_no_status, 0,
                      CAPTURES);
  tcase_add_loop_test(tests, an_http_code_decides_what_a_reply_means, 0,
                      COUNT(outcomes));
  tcase_add_loop_test(tests, a_failure_is_told_in_the_apis_own_words, 0,
                      sizeof(words) / sizeof(words[0]));
  tcase_add_loop_test(tests, retry_after_comes_from_header_field_or_text, 0,
                      COUNT(retries));
  tcase_add_test(tests, the_headers_of_a_deprecated_route_are_read);
  tcase_add_test(tests, the_replacement_of_the_body_serves_without_a_link);
  tcase_add_loop_test(tests, each_kind_is_asked_for_at_its_own_place, 0,
                      COUNT(urls));
  tcase_add_loop_test(tests, an_agents_failure_may_be_a_cancellation, 0,
                      COUNT(cancellations));
  tcase_add_loop_test(tests, a_410_counts_by_its_code_alone, 0,
                      COUNT(goodbyes));
  tcase_add_test(tests, a_transport_error_is_told_with_its_words);
  tcase_add_test(tests, a_whole_body_behind_a_broken_connection_is_no_answer);
  tcase_add_test(tests,
                 a_reply_that_broke_off_is_still_a_503_and_its_pause_counts);
  tcase_add_test(tests, a_404_that_broke_off_says_nothing_of_the_job);
  tcase_add_test(tests, nothing_of_one_reply_is_left_in_the_next);
  tcase_add_loop_test(tests, a_key_that_the_server_says_is_not_repeated, 0,
                      COUNT(echoes));
  tcase_add_loop_test(tests, no_secret_of_the_settings_is_repeated, 0,
                      (int)COUNT_OF(leaks));
  tcase_add_test(tests, the_key_before_the_present_one_is_not_repeated_either);
  tcase_add_loop_test(tests, a_bad_id_is_never_sent, 0, COUNT(bad_ids));
  tcase_add_test(tests, a_body_of_html_is_read_on_for_a_while_only);
  tcase_add_loop_test(tests, the_time_of_a_costly_body_grows_as_its_size, 0,
                      COUNT(costly));
  tcase_add_loop_test(tests, a_costly_body_takes_no_memory, 0, COUNT(costly));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
