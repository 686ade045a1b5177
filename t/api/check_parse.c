/* SPDX-License-Identifier: MIT */

#include "src/api/parse.h"

#include "src/api/envelope.h"
#include "t/suite.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#define LITERAL(text) text, sizeof(text) - 1

static struct fc_reply parse(const char *json, size_t len) {
  struct fc_reply reply;
  memset(&reply, 0xa5, sizeof(reply));
  ck_assert_msg(fc_parse_reply(json, len, NULL, &reply) == FC_OK, "%s", json);
  return reply;
}

static enum fc_error parse_error(const char *json, size_t len) {
  struct fc_reply reply, before;
  memset(&reply, 0xa5, sizeof(reply));
  memcpy(&before, &reply, sizeof(reply));
  enum fc_error error = fc_parse_reply(json, len, NULL, &reply);
  ck_assert_mem_eq(&reply, &before, sizeof(reply));
  return error;
}

START_TEST(an_empty_object_has_nothing) {
  struct fc_reply reply = parse(LITERAL("{}"));
  ck_assert_int_eq(reply.facts.status, FC_STATUS_NONE);
  ck_assert(!reply.has_success);
  ck_assert(!reply.facts.has_expires_at);
  ck_assert(!reply.facts.has_tokens && !reply.facts.has_credits);
  ck_assert(!reply.facts.has_percent && !reply.facts.has_duration);
  ck_assert(!reply.has_retry_after);
  ck_assert_str_eq(reply.status_word, "");
  ck_assert_str_eq(reply.replacement, "");
  ck_assert_str_eq(reply.error, "");
}
END_TEST

START_TEST(a_full_reply_has_everything) {
  struct fc_reply reply = parse(LITERAL(
      "{\"success\":true,\"status\":\"scraping\",\"completed\":3,\"total\":12,"
      "\"creditsUsed\":4.5,\"tokensUsed\":1234,"
      "\"expiresAt\":\"2026-11-24T00:02:07.000Z\",\"error\":\"oops\","
      "\"duration\":61.5,\"retry_after_seconds\":23,\"replacement\":\"/v2/"
      "scrape\"}"));
  ck_assert_int_eq(reply.facts.status, FC_STATUS_PROCESSING);
  ck_assert_str_eq(reply.status_word, "scraping");
  ck_assert(reply.has_success);
  ck_assert(reply.facts.has_expires_at);
  ck_assert_int_eq(reply.facts.expires_at_s, 1795478527);
  ck_assert(reply.facts.has_tokens && reply.facts.has_credits);
  ck_assert_double_eq(reply.facts.tokens, 1234);
  ck_assert_double_eq(reply.facts.credits, 4.5);
  ck_assert(reply.facts.has_duration);
  ck_assert_double_eq(reply.facts.duration_s, 61.5);
  ck_assert(reply.facts.has_percent);
  ck_assert_double_eq(reply.facts.percent, 25);
  ck_assert(reply.has_retry_after);
  ck_assert_int_eq(reply.retry_after_s, 23);
  ck_assert_str_eq(reply.replacement, "/v2/scrape");
  ck_assert_str_eq(reply.error, "oops");
}
END_TEST

static const struct {
  const char *json;
  size_t len;
} no_bodies[] = {
    {LITERAL("")},
    {LITERAL(" ")},
    {LITERAL("\n\n")},
    {LITERAL("null")},
    {LITERAL("null ")},
    {LITERAL("true")},
    {LITERAL("1")},
    {LITERAL("1 ")},
    {LITERAL("\"failed\"")},
    {LITERAL("[]")},
    {LITERAL("[{\"status\":\"failed\"}]")},
    {LITERAL("<html>502</html>")},
    {LITERAL("\xef\xbb\xbf{}")},
    {LITERAL("\0{}")},
    {LITERAL("{")},
    {LITERAL("{\"status\":\"failed\"")},
    {LITERAL("{\"status\":\"fail")},
    {LITERAL("{\"status\":\"failed\"}x")},
    {LITERAL("{\"status\":\"failed\"}{}")},
    {LITERAL("{\"status\":\"failed\"},")},
    {LITERAL("{\"status\":\"failed\"}\0")},
    {LITERAL("{\"status\":\"failed\"\0}")},
    {LITERAL("{\"status\":failed}")},
    {LITERAL("{\"status\" \"failed\"}")},
    {LITERAL("{status:\"failed\"}")},
    {LITERAL("{\"status\":\"failed\",\"t\":-}")},
    {LITERAL("{\"status\":\"failed\",\"e\":\"\\x\"}")},
    {LITERAL("{\"status\":\"failed\",\"e\":\"\\u12g4\"}")},
    {LITERAL("{\"status\":\"failed\",\"e\":\"\xff\"}")},
    {LITERAL("{\"status\":\"failed\",\"e\":\"caf\xc3\"}")},
};
enum { NO_BODIES = sizeof(no_bodies) / sizeof(no_bodies[0]) };

START_TEST(what_is_no_json_object_is_a_body_error) {
  ck_assert_int_eq(parse_error(no_bodies[_i].json, no_bodies[_i].len),
                   FC_ERR_BODY);
}
END_TEST

START_TEST(a_truncated_body_yields_no_status) {
  static const char json[] =
      "{\"success\":false,\"status\":\"failed\",\"error\":{\"message\":"
      "\"caf\xc3\xa9 \\u20ac\"},\"expiresAt\":\"2026-11-24T00:02:07.000Z\","
      "\"tokensUsed\":1.5e3,\"warnings\":[null,true]}";
  for (size_t len = 0; len < sizeof(json) - 1; len++)
    ck_assert_int_eq(parse_error(json, len), FC_ERR_BODY);
  ck_assert_int_eq(parse(json, sizeof(json) - 1).facts.status,
                   FC_STATUS_FAILED);
}
END_TEST

START_TEST(blanks_around_the_object_are_allowed) {
  ck_assert_int_eq(
      parse(LITERAL(" \t\r\n{ \"status\" : \"failed\" } \r\n")).facts.status,
      FC_STATUS_FAILED);
}
END_TEST

START_TEST(the_text_ends_at_its_length) {
  ck_assert_int_eq(parse("{}garbage", 2).facts.status, FC_STATUS_NONE);
}
END_TEST

START_TEST(more_than_the_envelope_keeps_is_a_body_error) {
  static char json[FC_ENVELOPE_KEEP_MAX + 1];
  memset(json, ' ', sizeof(json));
  memcpy(json, LITERAL("{\"status\":\"failed\"}"));
  ck_assert_int_eq(parse(json, FC_ENVELOPE_KEEP_MAX).facts.status,
                   FC_STATUS_FAILED);
  ck_assert_int_eq(parse_error(json, FC_ENVELOPE_KEEP_MAX + 1), FC_ERR_BODY);
}
END_TEST

START_TEST(what_the_envelope_nests_is_parsed_and_far_more_is_not) {
  static const struct {
    int depth;
    enum fc_error error;
  } cases[] = {{FC_ENVELOPE_KEEP_DEPTH_MAX, FC_OK}, {100, FC_ERR_BODY}};
  char json[512];
  int depth = cases[_i].depth;
  size_t len = (size_t)snprintf(json, sizeof(json), "{\"error\":");
  memset(json + len, '[', (size_t)depth);
  memset(json + len + depth, ']', (size_t)depth);
  len += 2 * (size_t)depth;
  json[len++] = '}';
  struct fc_reply reply;
  ck_assert_int_eq(fc_parse_reply(json, len, NULL, &reply), cases[_i].error);
}
END_TEST

static const struct {
  const char *json;
  size_t len;
  enum fc_status status;
  const char *word;
} statuses[] = {
    {LITERAL("{\"status\":\"completed\"}"), FC_STATUS_COMPLETED, "completed"},
    {LITERAL("{\"status\":\"processing\"}"), FC_STATUS_PROCESSING,
     "processing"},
    {LITERAL("{\"status\":\"scraping\"}"), FC_STATUS_PROCESSING, "scraping"},
    {LITERAL("{\"status\":\"cancelled\"}"), FC_STATUS_CANCELLED, "cancelled"},
    {LITERAL("{\"status\":\"failed\"}"), FC_STATUS_FAILED, "failed"},
    {LITERAL("{\"status\":\"f\\u0061iled\"}"), FC_STATUS_FAILED, "failed"},
    {LITERAL("{\"success\":true,\"status\":\"failed\"}"), FC_STATUS_FAILED,
     "failed"},
    {LITERAL("{\"success\":false,\"status\":\"processing\"}"),
     FC_STATUS_PROCESSING, "processing"},
    {LITERAL("{\"status\":\"Completed\"}"), FC_STATUS_UNKNOWN, "Completed"},
    {LITERAL("{\"status\":\"\"}"), FC_STATUS_UNKNOWN, ""},
    {LITERAL("{\"status\":\"paused\"}"), FC_STATUS_UNKNOWN, "paused"},
    {LITERAL("{\"status\":\"pau\\nsed\"}"), FC_STATUS_UNKNOWN, "pau sed"},
    {LITERAL("{\"status\":\"failed\\u0000\"}"), FC_STATUS_UNKNOWN, "failed"},
    {LITERAL("{\"status\":\"failed \"}"), FC_STATUS_UNKNOWN, "failed"},
    {LITERAL("{\"status\":\"\xc3\xbc\"}"), FC_STATUS_UNKNOWN, "\xc3\xbc"},
    {LITERAL("{\"status\":null}"), FC_STATUS_NONE, ""},
    {LITERAL("{\"status\":3}"), FC_STATUS_NONE, ""},
    {LITERAL("{\"status\":true}"), FC_STATUS_NONE, ""},
    {LITERAL("{\"status\":[\"failed\"]}"), FC_STATUS_NONE, ""},
    {LITERAL("{\"status\":{\"status\":\"failed\"}}"), FC_STATUS_NONE, ""},
    {LITERAL("{\"Status\":\"failed\"}"), FC_STATUS_NONE, ""},
    {LITERAL("{\"data\":{\"status\":\"failed\"}}"), FC_STATUS_NONE, ""},
};
enum { STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

START_TEST(only_a_status_string_is_a_status) {
  struct fc_reply reply = parse(statuses[_i].json, statuses[_i].len);
  ck_assert_int_eq(reply.facts.status, statuses[_i].status);
  ck_assert_str_eq(reply.status_word, statuses[_i].word);
}
END_TEST

START_TEST(a_long_status_word_is_cut) {
  char json[1024], word[256];
  memset(word, 'x', sizeof(word));
  word[sizeof(word) - 1] = '\0';
  int len = snprintf(json, sizeof(json),
                     "{\"status\":\"%s\",\"replacement\":\"%s\"}", word, word);
  struct fc_reply reply = parse(json, (size_t)len);
  ck_assert_int_eq(reply.facts.status, FC_STATUS_UNKNOWN);
  ck_assert_uint_eq(strlen(reply.status_word), FC_WORD_SIZE - 1);
  ck_assert_uint_eq(strlen(reply.replacement), FC_WORD_SIZE - 1);
}
END_TEST

static const struct {
  const char *json;
  bool has;
} successes[] = {
    {"{\"success\":true}", true},      {"{\"success\":false}", true},
    {"{\"success\":null}", false},     {"{\"success\":1}", false},
    {"{\"success\":\"true\"}", false}, {"{\"success\":[]}", false},
};
enum { SUCCESSES = sizeof(successes) / sizeof(successes[0]) };

START_TEST(only_a_boolean_is_success) {
  struct fc_reply reply = parse(successes[_i].json, strlen(successes[_i].json));
  ck_assert_int_eq(reply.has_success, successes[_i].has);
}
END_TEST

static const struct {
  const char *value;
  bool has;
  int64_t expires_at;
} expiries[] = {
    {"\"2026-11-24T00:02:07.000Z\"", true, 1795478527},
    {"\"2026-11-24T05:32:07+05:30\"", true, 1795478527},
    {"\"1969-12-31T23:59:59Z\"", true, -1},
    {"\"0000-01-01T00:00:00Z\"", true, -62167219200},
    {"\"9999-12-31T23:59:59Z\"", true, 253402300799},
    {"\"\"", false, 0},
    {"\"soon\"", false, 0},
    {"\"2026-11-24\"", false, 0},
    {"\"+10000-01-01T00:00:00Z\"", false, 0},
    {"\"2026-13-24T00:02:07Z\"", false, 0},
    {"\"2026-11-24T00:02:07Z\\u0000\"", false, 0},
    {"null", false, 0},
    {"1795478527", false, 0},
    {"[\"2026-11-24T00:02:07Z\"]", false, 0},
    {"{}", false, 0},
    {"true", false, 0},
};
enum { EXPIRIES = sizeof(expiries) / sizeof(expiries[0]) };

START_TEST(an_expiry_is_read_or_absent_beside_the_status) {
  char json[256];
  int len =
      snprintf(json, sizeof(json), "{\"status\":\"failed\",\"expiresAt\":%s}",
               expiries[_i].value);
  struct fc_reply reply = parse(json, (size_t)len);
  ck_assert_int_eq(reply.facts.status, FC_STATUS_FAILED);
  ck_assert_int_eq(reply.facts.has_expires_at, expiries[_i].has);
  if (reply.facts.has_expires_at)
    ck_assert_int_eq(reply.facts.expires_at_s, expiries[_i].expires_at);
}
END_TEST

static const struct {
  const char *text;
  bool has;
  double value;
} numbers[] = {
    {"0", true, 0},
    {"1234", true, 1234},
    {"0.0123", true, 0.0123},
    {"1.5e3", true, 1500},
    {"9007199254740993", true, 9007199254740992},
    {"9223372036854775806", true, 9223372036854775807.0},
    {"1e20", true, 1e20},
    {"1e-999", true, 0},
    {"-0", true, 0},
    {"-1", false, 0},
    {"-0.5", false, 0},
    {"1e999", false, 0},
    {"-1e999", false, 0},
    {"18446744073709551616", false, 0},
    {"99999999999999999999", false, 0},
    {"-99999999999999999999", false, 0},
    {"null", false, 0},
    {"true", false, 0},
    {"\"12\"", false, 0},
    {"[12]", false, 0},
    {"{\"value\":12}", false, 0},
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

START_TEST(a_figure_is_a_finite_number_not_below_zero) {
  const char *text = numbers[_i].text;
  char json[512];
  int len = snprintf(json, sizeof(json),
                     "{\"tokensUsed\":%s,\"creditsUsed\":%s,"
                     "\"status\":\"failed\"}",
                     text, text);
  struct fc_reply reply = parse(json, (size_t)len);
  ck_assert_int_eq(reply.facts.status, FC_STATUS_FAILED);
  ck_assert_int_eq(reply.facts.has_tokens, numbers[_i].has);
  ck_assert_int_eq(reply.facts.has_credits, numbers[_i].has);
  if (!numbers[_i].has)
    return;
  ck_assert_double_eq(reply.facts.tokens, numbers[_i].value);
  ck_assert_double_eq(reply.facts.credits, numbers[_i].value);
}
END_TEST

static const struct {
  const char *members;
  bool has;
  double percent;
} progresses[] = {
    {"\"completed\":1,\"total\":4", true, 25},
    {"\"completed\":0,\"total\":4", true, 0},
    {"\"completed\":4,\"total\":4", true, 100},
    {"\"completed\":5,\"total\":4", true, 100},
    {"\"completed\":0,\"total\":0", false, 0},
    {"\"completed\":1e300,\"total\":1", true, 100},
    {"\"completed\":1", false, 0},
    {"\"total\":4", false, 0},
    {"\"completed\":-1,\"total\":4", false, 0},
    {"\"completed\":1,\"total\":-4", false, 0},
    {"\"completed\":\"1\",\"total\":4", false, 0},
};
enum { PROGRESSES = sizeof(progresses) / sizeof(progresses[0]) };

START_TEST(progress_is_a_percentage) {
  char json[128];
  int len = snprintf(json, sizeof(json), "{%s}", progresses[_i].members);
  struct fc_reply reply = parse(json, (size_t)len);
  ck_assert_int_eq(reply.facts.has_percent, progresses[_i].has);
  ck_assert_double_eq_tol(reply.facts.percent, progresses[_i].percent, 1e-9);
}
END_TEST

START_TEST(each_figure_has_its_own_member) {
  struct fc_reply reply =
      parse(LITERAL("{\"tokensUsed\":1,\"creditsUsed\":2,\"completed\":3,"
                    "\"total\":10}"));
  ck_assert_double_eq(reply.facts.tokens, 1);
  ck_assert_double_eq(reply.facts.credits, 2);
  ck_assert_double_eq(reply.facts.percent, 30);
}
END_TEST

/* Of a number that json-c lets through although it is no JSON, nothing may be
 * left; an envelope would have refused it. */
static const char *const no_numbers[] = {"NaN", "Infinity", "-Infinity"};
enum { NO_NUMBERS = sizeof(no_numbers) / sizeof(no_numbers[0]) };

START_TEST(what_is_no_number_is_no_figure) {
  struct fc_reply reply;
  char json[64];
  memset(&reply, 0, sizeof(reply));
  int len = snprintf(json, sizeof(json), "{\"tokensUsed\":%s}", no_numbers[_i]);
  enum fc_error error = fc_parse_reply(json, (size_t)len, NULL, &reply);
  ck_assert(error == FC_OK || error == FC_ERR_BODY);
  ck_assert(!reply.facts.has_tokens);
}
END_TEST

START_TEST(figures_do_not_depend_on_the_locale) {
  static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8",
                                        "fr_FR.UTF-8", "C.UTF-8"};
  size_t i = 0;
  while (i < sizeof(locales) / sizeof(locales[0]) &&
         !setlocale(LC_ALL, locales[i]))
    i++;
  struct fc_reply reply =
      parse(LITERAL("{\"creditsUsed\":1.5,\"error\":{\"cost\":2.5}}"));
  ck_assert_double_eq(reply.facts.credits, 1.5);
  ck_assert_str_eq(reply.error, "{\"cost\":2.5}");
}
END_TEST

static const struct {
  const char *json;
  size_t len;
  const char *error;
} errors[] = {
    {LITERAL("{\"error\":\"oops\"}"), "oops"},
    {LITERAL("{\"error\":\"\"}"), ""},
    {LITERAL("{\"error\":null}"), ""},
    {LITERAL("{\"message\":\"oops\"}"), "oops"},
    {LITERAL("{\"message\":null}"), ""},
    {LITERAL("{\"error\":null,\"message\":\"oops\"}"), "oops"},
    {LITERAL("{\"error\":\"\",\"message\":\"oops\"}"), ""},
    {LITERAL("{\"message\":\"less\",\"error\":\"more\"}"), "more"},
    {LITERAL("{\"message\":{\"message\":\"oops\"}}"), "oops"},
    /* objects */
    {LITERAL("{\"error\":{\"message\":\"oops\"}}"), "oops"},
    {LITERAL("{\"error\":{\"error\":\"oops\"}}"), "oops"},
    {LITERAL("{\"error\":{\"error\":\"less\",\"message\":\"more\"}}"), "more"},
    {LITERAL("{\"error\":{\"error\":{\"message\":\"oops\"}}}"), "oops"},
    {LITERAL("{\"error\":{\"error\":{\"message\":\"less\"},"
             "\"message\":\"more\"}}"),
     "more"},
    {LITERAL("{\"error\":{\"message\":\"\",\"error\":\"oops\"}}"), "oops"},
    {LITERAL("{\"error\":{\"message\":7,\"error\":\"oops\"}}"), "oops"},
    {LITERAL("{\"error\":{\"message\":\"\",\"name\":\"AbortError\"}}"),
     "{\"message\":\"\",\"name\":\"AbortError\"}"},
    {LITERAL("{\"error\":{}}"), "{}"},
    {LITERAL("{\"error\": { \"code\" : 1 , \"at\":[ \"/v2/x\", null ]}}"),
     "{\"code\":1,\"at\":[\"/v2/x\",null]}"},
    {LITERAL("{\"error\":{\"error\":{\"error\":{\"message\":\"deep\"}}}}"),
     "{\"error\":{\"error\":{\"message\":\"deep\"}}}"},
    {LITERAL("{\"error\":{\"text\":\"caf\xc3\xa9\"}}"),
     "{\"text\":\"caf\xc3\xa9\"}"},
    /* neither string nor object */
    {LITERAL("{\"error\":[]}"), "[]"},
    {LITERAL("{\"error\":[ \"a\", {\"message\":\"b\"} ]}"),
     "[\"a\",{\"message\":\"b\"}]"},
    {LITERAL("{\"error\":42}"), "42"},
    {LITERAL("{\"error\":1.50}"), "1.50"},
    {LITERAL("{\"error\":true}"), "true"},
    {LITERAL("{\"error\":false}"), "false"},
    /* made one safe line */
    {LITERAL("{\"error\":\"a\\r\\nb\\u001b[31mc\\u0000d\\te\\u007f\"}"),
     "a b [31mc d e"},
    {LITERAL("{\"error\":\"a\\u2028b\\u2029c\\u0085d\"}"), "a b c d"},
    {LITERAL("{\"error\":\"caf\\u00e9 \xe2\x82\xac \\ud83d\\ude00\"}"),
     "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
    {LITERAL("{\"error\":\"caf\xc3\xa9\"}"), "caf\xc3\xa9"},
    {LITERAL("{\"error\":\"\\u0000\"}"), ""},
    {LITERAL("{\"error\":{\"message\":\"a\\nb\"}}"), "a b"},
    {LITERAL("{\"error\":\"%s%n \\\"x\\\" \\\\ \\/\"}"), "%s%n \"x\" \\ /"},
};
enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

START_TEST(an_error_of_any_shape_becomes_one_safe_line) {
  struct fc_reply reply = parse(errors[_i].json, errors[_i].len);
  ck_assert_str_eq(reply.error, errors[_i].error);
}
END_TEST

START_TEST(a_long_error_is_cut_at_a_character_and_hides_no_status) {
  static char json[12000];
  size_t len = (size_t)snprintf(json, sizeof(json), "{\"error\":\"x");
  while (len < 10000)
    len += (size_t)snprintf(json + len, sizeof(json) - len, "\xe2\x82\xac");
  len += (size_t)snprintf(json + len, sizeof(json) - len,
                          "\",\"status\":\"failed\"}");
  struct fc_reply reply = parse(json, len);
  size_t cut = strlen(reply.error);
  ck_assert_int_eq(reply.facts.status, FC_STATUS_FAILED);
  ck_assert_uint_lt(cut, FC_ERROR_TEXT_SIZE);
  ck_assert_uint_ge(cut, FC_ERROR_TEXT_SIZE - 3);
  ck_assert_str_eq(reply.error + cut - 6, "\xe2\x82\xac...");
}
END_TEST

static const struct {
  const char *value;
  const char *replacement;
} replacements[] = {
    {"\"/v2/scrape\"", "/v2/scrape"}, {"\"\"", ""}, {"null", ""},
    {"[\"/v2/scrape\"]", ""},         {"2", ""},    {"\"/v2\\n/x\"", "/v2 /x"},
};
enum { REPLACEMENTS = sizeof(replacements) / sizeof(replacements[0]) };

START_TEST(only_a_string_is_a_replacement) {
  char json[128];
  int len = snprintf(json, sizeof(json), "{\"replacement\":%s}",
                     replacements[_i].value);
  struct fc_reply reply = parse(json, (size_t)len);
  ck_assert_str_eq(reply.replacement, replacements[_i].replacement);
}
END_TEST

static const struct {
  const char *json, *text;
} stops[] = {
    {"{\"stopReason\":\"credit_limit_reached\",\"error\":\"no credits\"}",
     "credit_limit_reached: no credits"},
    {"{\"error\":{\"message\":\"no\"},\"stopReason\":\"x\"}", "x: no"},
    {"{\"stopReason\":\"credit_limit_reached\"}", "credit_limit_reached"},
    {"{\"stopReason\":\"a\\u001bb\",\"error\":null}", "a b"},
    {"{\"stopReason\":\"\",\"error\":\"no\"}", "no"},
    {"{\"stopReason\":\" \",\"error\":\"no\"}", "no"},
    {"{\"stopReason\":7,\"error\":\"no\"}", "no"},
    {"{\"stopReason\":null}", ""},
    {"{\"stopReason\":\"x\",\"error\":\" \"}", "x"},
};
enum { STOPS = sizeof(stops) / sizeof(stops[0]) };

START_TEST(a_stop_reason_stands_before_the_error) {
  const char *json = stops[_i].json;
  ck_assert_str_eq(parse(json, strlen(json)).error, stops[_i].text);
}
END_TEST

enum { NO_DELAY = -1 };

#define RATE_LIMIT_TEXT                                                        \
  "Rate limit exceeded. Consumed (req/min): 501, Remaining (req/min): 0. "     \
  "Upgrade your plan at https://firecrawl.dev/pricing for increased rate "     \
  "limits or please retry after 23s, resets at Mon Nov 23 2026 18:27:00 "      \
  "GMT+0000 (Coordinated Universal Time)"

static const struct {
  const char *json;
  int64_t seconds;
} delays[] = {
    {"{\"retry_after_seconds\":23}", 23},
    {"{\"retry_after_seconds\":0}", 0},
    {"{\"retry_after_seconds\":0.001}", 1},
    {"{\"retry_after_seconds\":22.5}", 23},
    {"{\"retry_after_seconds\":23.0}", 23},
    {"{\"retry_after_seconds\":86400}", 86400},
    {"{\"retry_after_seconds\":86399.5}", 86400},
    {"{\"retry_after_seconds\":86400.5}", NO_DELAY},
    {"{\"retry_after_seconds\":86401}", NO_DELAY},
    {"{\"retry_after_seconds\":1e30}", NO_DELAY},
    {"{\"retry_after_seconds\":1e999}", NO_DELAY},
    {"{\"retry_after_seconds\":99999999999999999999}", NO_DELAY},
    {"{\"retry_after_seconds\":-1}", NO_DELAY},
    {"{\"retry_after_seconds\":\"23\"}", NO_DELAY},
    {"{\"retry_after_seconds\":null}", NO_DELAY},
    {"{\"error\":\"" RATE_LIMIT_TEXT "\"}", 23},
    {"{\"error\":{\"message\":\"" RATE_LIMIT_TEXT "\"}}", 23},
    {"{\"message\":\"please retry after 1500ms\"}", 2},
    {"{\"error\":{\"hint\":\"retry after 7s\"}}", 7},
    {"{\"error\":\"Rate limit exceeded.\"}", NO_DELAY},
    /* the number first; the text where the number is none */
    {"{\"retry_after_seconds\":5,\"error\":\"retry after 7s\"}", 5},
    {"{\"retry_after_seconds\":-5,\"error\":\"retry after 7s\"}", 7},
    {"{\"retry_after_seconds\":1e6,\"error\":\"retry after 7s\"}", 7},
    {"{\"retry_after_seconds\":null,\"error\":\"retry after 7s\"}", 7},
};
enum { DELAYS = sizeof(delays) / sizeof(delays[0]) };

START_TEST(a_delay_is_the_number_or_in_the_text) {
  struct fc_reply reply = parse(delays[_i].json, strlen(delays[_i].json));
  ck_assert_int_eq(reply.has_retry_after, delays[_i].seconds != NO_DELAY);
  if (reply.has_retry_after)
    ck_assert_int_eq(reply.retry_after_s, delays[_i].seconds);
}
END_TEST

START_TEST(a_delay_is_found_behind_the_cut_of_the_error) {
  char json[1024];
  int len =
      snprintf(json, sizeof(json), "{\"error\":\"%0400d retry after 9s\"}", 0);
  struct fc_reply reply = parse(json, (size_t)len);
  ck_assert_ptr_null(strstr(reply.error, "retry"));
  ck_assert(reply.has_retry_after);
  ck_assert_int_eq(reply.retry_after_s, 9);
}
END_TEST

/* Valid JSON that some version of json-c rejects when it is told to be strict:
 * none of it may hide the status. */
static const char *const strict_traps[] = {
    "{\"error\":\"caf\xc3\xa9\",\"status\":\"failed\"}",
    "{\"error\":\"\xf0\x9f\x98\x80\",\"status\":\"failed\"}",
    "{\"\xc3\xbc\":1,\"status\":\"failed\"}",
    "{\"n\":18446744073709551616,\"status\":\"failed\"}",
    "{\"n\":-9223372036854775809,\"status\":\"failed\"}",
    "{\"n\":1e999,\"status\":\"failed\"}",
    "{\"n\":[0,-0,0.0,-0.0e-0,1E+2],\"status\":\"failed\"}",
};
enum { STRICT_TRAPS = sizeof(strict_traps) / sizeof(strict_traps[0]) };

START_TEST(no_version_of_the_library_hides_a_status) {
  ck_assert_int_eq(
      parse(strict_traps[_i], strlen(strict_traps[_i])).facts.status,
      FC_STATUS_FAILED);
}
END_TEST

/* Whole replies of Firecrawl's own controllers. */
static const struct {
  const char *file;
  enum fc_status status;
  int64_t expires_at; /* 0: none */
  const char *error;
} captures[] = {
    {"v1-completed.http", FC_STATUS_COMPLETED, 1795478527, ""},
    {"v2-completed.http", FC_STATUS_COMPLETED, 1795478527, ""},
    {"v1-completed-record-lapsed.http", FC_STATUS_COMPLETED, 1795458360, ""},
    {"v1-completed-result-not-yet-stored.http", FC_STATUS_PROCESSING,
     1795478527, ""},
    {"v1-processing-with-steps.http", FC_STATUS_PROCESSING, 1795478527, ""},
    {"v1-failed-record-lapsed-reads-processing.http", FC_STATUS_PROCESSING,
     1795458360, ""},
    {"v1-cancelled.http", FC_STATUS_CANCELLED, 1795478527, ""},
    {"v1-failed.http", FC_STATUS_FAILED, 1795478527,
     "An unexpected error occurred. Please contact help@firecrawl.com for "
     "help."},
    {"v1-not-found.http", FC_STATUS_NONE, 0, "Extract job not found"},
    {"v1-no-key.http", FC_STATUS_NONE, 0, "Unauthorized"},
    {"v1-bad-key.http", FC_STATUS_NONE, 0, "Unauthorized: Invalid token"},
};
enum { CAPTURES = sizeof(captures) / sizeof(captures[0]) };

static size_t read_capture(const char *name, char *text, size_t size) {
  const char *dir = getenv("srcdir");
  char path[1024];
  snprintf(path, sizeof(path), "%s/t/data/captures/%s", dir ? dir : ".", name);
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s", path);
  size_t len = fread(text, 1, size - 1, file);
  fclose(file);
  text[len] = '\0';
  return len;
}

START_TEST(a_captured_reply_is_understood) {
  char text[4096];
  size_t len = read_capture(captures[_i].file, text, sizeof(text));
  const char *body = strstr(text, "\r\n\r\n");
  ck_assert_ptr_nonnull(body);
  body += strlen("\r\n\r\n");
  struct fc_reply reply = parse(body, len - (size_t)(body - text));
  ck_assert_int_eq(reply.facts.status, captures[_i].status);
  ck_assert(reply.has_success);
  ck_assert_int_eq(reply.facts.has_expires_at, captures[_i].expires_at != 0);
  if (reply.facts.has_expires_at)
    ck_assert_int_eq(reply.facts.expires_at_s, captures[_i].expires_at);
  ck_assert_str_eq(reply.error, captures[_i].error);
}
END_TEST

START_TEST(the_library_tells_its_version) {
  int major = -1, minor = -1;
  ck_assert_int_eq(sscanf(fc_parse_library_version(), "%d.%d", &major, &minor),
                   2);
  ck_assert_int_ge(major, 0);
  ck_assert_int_ge(minor, 0);
}
END_TEST

static void add_body_tests(TCase *tcase) {
  tcase_add_test(tcase, an_empty_object_has_nothing);
  tcase_add_test(tcase, a_full_reply_has_everything);
  tcase_add_loop_test(tcase, what_is_no_json_object_is_a_body_error, 0,
                      NO_BODIES);
  tcase_add_test(tcase, a_truncated_body_yields_no_status);
  tcase_add_test(tcase, blanks_around_the_object_are_allowed);
  tcase_add_test(tcase, the_text_ends_at_its_length);
  tcase_add_test(tcase, more_than_the_envelope_keeps_is_a_body_error);
  tcase_add_loop_test(
      tcase, what_the_envelope_nests_is_parsed_and_far_more_is_not, 0, 2);
  tcase_add_loop_test(tcase, no_version_of_the_library_hides_a_status, 0,
                      STRICT_TRAPS);
  tcase_add_loop_test(tcase, a_captured_reply_is_understood, 0, CAPTURES);
  tcase_add_test(tcase, the_library_tells_its_version);
}

static void add_member_tests(TCase *tcase) {
  tcase_add_loop_test(tcase, only_a_status_string_is_a_status, 0, STATUSES);
  tcase_add_test(tcase, a_long_status_word_is_cut);
  tcase_add_loop_test(tcase, only_a_boolean_is_success, 0, SUCCESSES);
  tcase_add_loop_test(tcase, an_expiry_is_read_or_absent_beside_the_status, 0,
                      EXPIRIES);
  tcase_add_loop_test(tcase, a_figure_is_a_finite_number_not_below_zero, 0,
                      NUMBERS);
  tcase_add_loop_test(tcase, progress_is_a_percentage, 0, PROGRESSES);
  tcase_add_test(tcase, each_figure_has_its_own_member);
  tcase_add_loop_test(tcase, what_is_no_number_is_no_figure, 0, NO_NUMBERS);
  tcase_add_test(tcase, figures_do_not_depend_on_the_locale);
  tcase_add_loop_test(tcase, an_error_of_any_shape_becomes_one_safe_line, 0,
                      ERRORS);
  tcase_add_test(tcase, a_long_error_is_cut_at_a_character_and_hides_no_status);
  tcase_add_loop_test(tcase, a_stop_reason_stands_before_the_error, 0, STOPS);
  tcase_add_loop_test(tcase, only_a_string_is_a_replacement, 0, REPLACEMENTS);
  tcase_add_loop_test(tcase, a_delay_is_the_number_or_in_the_text, 0, DELAYS);
  tcase_add_test(tcase, a_delay_is_found_behind_the_cut_of_the_error);
}

int main(void) {
  Suite *suite = suite_create("parse");
  TCase *tcase = tcase_create("parse");
  add_body_tests(tcase);
  add_member_tests(tcase);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
