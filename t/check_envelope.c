#include "src/envelope.h"

#include "t/capture.h"
#include "t/suite.h"

#include <string.h>
#include <sys/resource.h>

/* Filters text[len] in pieces of `piece` bytes. */
static enum fc_error filter_pieces(const char *text, size_t len, size_t piece,
                                   char *kept, size_t size) {
  struct fc_envelope envelope;
  const char *json;
  size_t json_len;
  enum fc_error error = FC_OK;
  fc_envelope_init(&envelope);
  for (size_t i = 0; i < len && !error; i += piece)
    error = fc_envelope_write(&envelope, text + i,
                              len - i < piece ? len - i : piece);
  if (!error)
    error = fc_envelope_finish(&envelope, &json, &json_len);
  if (!error) {
    ck_assert_uint_lt(json_len, size);
    ck_assert_uint_eq(strlen(json), json_len);
    memcpy(kept, json, json_len + 1);
  }
  fc_envelope_release(&envelope);
  return error;
}

static void remove_blanks(char *text) {
  char *out = text;
  for (const char *in = text; *in; in++)
    if (*in != ' ')
      *out++ = *in;
  *out = '\0';
}

static const struct {
  const char *body;
  const char *kept; /* without blanks */
} accepted[] = {
    {"{}", "{}"},
    {" \t\r\n{ \t\r\n} \t\r\n", "{}"},
    {"{\"status\":\"completed\"}", "{\"status\":\"completed\"}"},
    {"{ \"status\" : \"a\" , \"total\" : 1 }",
     "{\"status\":\"a\",\"total\":1}"},
    {"{\"data\":{\"status\":\"failed\"},\"status\":\"a\"}",
     "{\"status\":\"a\"}"},
    {"{\"data\":[{\"status\":1},[[]],{}],\"success\":true}",
     "{\"success\":true}"},
    {"{\"error\":{\"message\":\"x\",\"a\":[1,2,{\"b\":null}]}}",
     "{\"error\":{\"message\":\"x\",\"a\":[1,2,{\"b\":null}]}}"},
    {"{\"error\":null,\"completed\":-1.5e+3}",
     "{\"error\":null,\"completed\":-1.5e+3}"},
    {"{\"total\":0,\"tokensUsed\":10,\"creditsUsed\":1E5}",
     "{\"total\":0,\"tokensUsed\":10,\"creditsUsed\":1E5}"},
    {"{\"a\":-0,\"b\":0.5,\"c\":0e1,\"d\":1e-7,\"e\":12345678901234567890}",
     "{}"},
    {"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}", "{}"},
    {"{\"a\":\"\\ud800\",\"b\":\"\\u0000\"}", "{}"},
    {"{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}", "{}"},
    {"{\"a\":\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\"}", "{}"},
    {"{\"a\":\"\x7f\"}", "{}"},
    {"{\"error\":\"\xc3\xa9\\u00e9\"}", "{\"error\":\"\xc3\xa9\\u00e9\"}"},
    {"{\"status\\u0000x\":1,\"status\":\"a\"}", "{\"status\":\"a\"}"},
    {"{\"Status\":1,\"STATUS\":2,\"status \":3,\"statu\":4}", "{}"},
    {"{\"\":1,\"a\":2,\"a\":3}", "{}"},
    {"{\"a_name_that_is_longer_than_any_that_is_wanted\":1}", "{}"},
    {"{\"message\":\"m\",\"replacement\":\"/v2/scrape\","
     "\"retry_after_seconds\":23,\"expiresAt\":\"x\"}",
     "{\"message\":\"m\",\"replacement\":\"/v2/scrape\","
     "\"retry_after_seconds\":23,\"expiresAt\":\"x\"}"},
    {"{\"status\":true,\"error\":[],\"total\":{}}",
     "{\"status\":true,\"error\":[],\"total\":{}}"},
};

START_TEST(a_valid_body_is_kept_in_part_whatever_its_pieces) {
  const char *body = accepted[_i].body;
  char kept[FC_ENVELOPE_KEEP_MAX];
  for (size_t piece = 1; piece <= strlen(body); piece++) {
    ck_assert_int_eq(
        filter_pieces(body, strlen(body), piece, kept, sizeof(kept)), FC_OK);
    remove_blanks(kept);
    ck_assert_str_eq(kept, accepted[_i].kept);
  }
}
END_TEST

static const char *const rejected[] = {
    "",
    " ",
    "null",
    "true",
    "1",
    "\"a\"",
    "[]",
    "[{}]",
    "{",
    "}",
    "{}{}",
    "{}x",
    "{},",
    "\xef\xbb\xbf{}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,\"a\":1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\" 1}",
    "{\"a\"::1}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":'b'}",
    "{1:1}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[1 2]}",
    "{\"a\":[1}",
    "{\"a\":[1}]",
    "{\"a\":{\"b\":1]}",
    "{\"a\":[}",
    "{\"a\":{]}",
    "{\"a\":01}",
    "{\"a\":-}",
    "{\"a\":-a}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":1.}",
    "{\"a\":1.e1}",
    "{\"a\":1e}",
    "{\"a\":1e+}",
    "{\"a\":1ea}",
    "{\"a\":0x1}",
    "{\"a\":1.2.3}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":-Infinity}",
    "{\"a\":tru}",
    "{\"a\":truee}",
    "{\"a\":True}",
    "{\"a\":nul}",
    "{\"a\":\"b}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12\"}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\\",
    "{\"a\":\"\t\"}",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\x01\"}",
    "{\"a\":\"\x80\"}",
    "{\"a\":\"\xc0\x80\"}",
    "{\"a\":\"\xc1\xbf\"}",
    "{\"a\":\"\xc3\"}",
    "{\"a\":\"\xc3(\"}",
    "{\"a\":\"\xe0\x80\x80\"}",
    "{\"a\":\"\xe2\x82\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf0\x80\x80\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xf5\x80\x80\x80\"}",
    "{\"a\":\"\xff\"}",
    "{\"\xff\":1}",
    "{\"a\":1}\x0c",
    "{\"a\":/**/1}",
    "{\"a\":1//x\n}",
    "{\"status\":\"a\",\"status\":\"b\"}",
    "{\"status\":\"a\",\"x\":1,\"status\":\"a\"}",
    "{\"st\\u0061tus\":\"a\"}",
    "{\"\\u0073tatus\":\"a\",\"status\":\"b\"}",
    "{\"error\":1,\"err\\u006fr\":2}",
};

START_TEST(a_body_that_is_not_valid_is_an_error_whatever_its_pieces) {
  const char *body = rejected[_i];
  char kept[FC_ENVELOPE_KEEP_MAX];
  size_t len = strlen(body);
  for (size_t piece = 1; piece <= len + 1; piece++)
    ck_assert_msg(filter_pieces(body, len, piece, kept, sizeof(kept)) ==
                      FC_ERR_BODY,
                  "accepted: %s", body);
}
END_TEST

START_TEST(a_raw_nul_is_an_error) {
  static const char body[] = "{\"a\":\"\0\"}";
  char kept[64];
  ck_assert_int_eq(
      filter_pieces(body, sizeof(body) - 1, 64, kept, sizeof(kept)),
      FC_ERR_BODY);
}
END_TEST

START_TEST(a_capture_is_the_same_however_it_is_split) {
  char text[CAPTURE_SIZE], whole[CAPTURE_SIZE], kept[CAPTURE_SIZE];
  const char *body = capture_read(captures[_i], text);
  size_t len = strlen(body);
  ck_assert_int_eq(filter_pieces(body, len, len, whole, sizeof(whole)), FC_OK);
  ck_assert_ptr_nonnull(strstr(whole, "\"success\":"));
  ck_assert_ptr_null(strstr(whole, "\"data\""));
  for (size_t piece = 1; piece < len; piece++) {
    ck_assert_int_eq(filter_pieces(body, len, piece, kept, sizeof(kept)),
                     FC_OK);
    ck_assert_str_eq(kept, whole);
  }
}
END_TEST

START_TEST(a_capture_cut_anywhere_is_an_error) {
  char text[CAPTURE_SIZE], kept[CAPTURE_SIZE];
  const char *body = capture_read(captures[_i], text);
  for (size_t len = 0; len < strlen(body); len++)
    ck_assert_int_eq(filter_pieces(body, len, 7, kept, sizeof(kept)),
                     FC_ERR_BODY);
}
END_TEST

/* {"data": depth times "[" and "]", "status":"a"} */
static enum fc_error filter_depth(const char *name, size_t depth, char *kept,
                                  size_t size) {
  char *body = malloc(2 * depth + 64);
  size_t len;
  ck_assert_ptr_nonnull(body);
  len = (size_t)sprintf(body, "{\"%s\":", name);
  memset(body + len, '[', depth);
  memset(body + len + depth, ']', depth);
  len += 2 * depth;
  len += (size_t)sprintf(body + len, ",\"status\":\"a\"}");
  enum fc_error error = filter_pieces(body, len, 4096, kept, size);
  free(body);
  return error;
}

START_TEST(nesting_has_a_limit) {
  char kept[FC_ENVELOPE_KEEP_MAX];
  ck_assert_int_eq(
      filter_depth("data", FC_ENVELOPE_DEPTH_MAX - 1, kept, sizeof(kept)),
      FC_OK);
  ck_assert_int_eq(
      filter_depth("data", FC_ENVELOPE_DEPTH_MAX, kept, sizeof(kept)),
      FC_ERR_BODY);
  ck_assert_int_eq(filter_depth("data", 1000000, kept, sizeof(kept)),
                   FC_ERR_BODY);
}
END_TEST

START_TEST(a_kept_member_that_is_too_deep_becomes_null) {
  char kept[FC_ENVELOPE_KEEP_MAX];
  ck_assert_int_eq(filter_depth("error", 100, kept, sizeof(kept)), FC_OK);
  ck_assert_str_eq(kept, "{\"error\":null,\"status\":\"a\"}");
  ck_assert_int_eq(filter_depth("error", 3, kept, sizeof(kept)), FC_OK);
  ck_assert_str_eq(kept, "{\"error\":[[[]]],\"status\":\"a\"}");
}
END_TEST

static const char *const units[] = {"a",
                                    "\xc3\xa9",
                                    "\xe2\x82\xac",
                                    "\\u00e9",
                                    "\\ud83d\\ude00",
                                    "\xf0\x9f\x98\x80",
                                    "\\\\",
                                    "\\n"};

START_TEST(a_long_kept_string_is_cut_between_characters) {
  const char *unit = units[_i];
  size_t unit_len = strlen(unit), count = 20000 / unit_len;
  char *body = malloc(30000), kept[FC_ENVELOPE_KEEP_MAX];
  ck_assert_ptr_nonnull(body);
  size_t len = (size_t)sprintf(body, "{\"error\":\"");
  for (size_t i = 0; i < count; i++, len += unit_len)
    memcpy(body + len, unit, unit_len);
  len += (size_t)sprintf(body + len, "\",\"status\":\"failed\"}");
  for (size_t piece = 1; piece < 40; piece++) {
    ck_assert_int_eq(filter_pieces(body, len, piece, kept, sizeof(kept)),
                     FC_OK);
    size_t text_len = strlen(kept) - strlen("{\"error\":\"") -
                      strlen("\",\"status\":\"failed\"}");
    ck_assert_uint_eq(text_len % unit_len, 0);
    ck_assert_uint_le(text_len, FC_ENVELOPE_STRING_MAX);
    ck_assert_uint_ge(text_len, FC_ENVELOPE_STRING_MAX - 16);
    ck_assert_ptr_nonnull(strstr(kept, "\",\"status\":\"failed\"}"));
  }
  free(body);
}
END_TEST

START_TEST(a_long_kept_value_of_another_kind_becomes_null) {
  char *body = malloc(8192), kept[FC_ENVELOPE_KEEP_MAX];
  size_t len = (size_t)sprintf(body, "{\"total\":1");
  memset(body + len, '0', 4000);
  len += 4000;
  len += (size_t)sprintf(body + len, ",\"status\":\"a\"}");
  ck_assert_int_eq(filter_pieces(body, len, 100, kept, sizeof(kept)), FC_OK);
  ck_assert_str_eq(kept, "{\"total\":null,\"status\":\"a\"}");
  free(body);
}
END_TEST

START_TEST(forty_megabytes_before_the_status_cost_no_memory) {
  static const char item[] = "{\"name\":\"x\",\"p\":[1.5,true,null]},";
  enum { PIECES = 40, ITEM = sizeof(item) - 1, PIECE = 32768 * ITEM };
  struct fc_envelope envelope;
  struct rusage before, after;
  const char *json;
  size_t len;
  char *piece = malloc(PIECE);
  ck_assert_ptr_nonnull(piece);
  for (size_t i = 0; i < PIECE; i += ITEM)
    memcpy(piece + i, item, ITEM);
  fc_envelope_init(&envelope);
  ck_assert_int_eq(fc_envelope_write(&envelope, "{\"data\":[", 9), FC_OK);
  (void)getrusage(RUSAGE_SELF, &before);
  for (int i = 0; i < PIECES; i++)
    ck_assert_int_eq(fc_envelope_write(&envelope, piece, PIECE), FC_OK);
  (void)getrusage(RUSAGE_SELF, &after);
  ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 256);
  ck_assert_int_eq(fc_envelope_write(&envelope, "1],\"status\":\"a\"}", 16),
                   FC_OK);
  ck_assert_int_eq(fc_envelope_finish(&envelope, &json, &len), FC_OK);
  ck_assert_str_eq(json, "{\"status\":\"a\"}");
  fc_envelope_release(&envelope);
  free(piece);
}
END_TEST

START_TEST(an_error_stays_until_reset) {
  struct fc_envelope envelope;
  const char *json;
  size_t len;
  fc_envelope_init(&envelope);
  ck_assert_int_eq(fc_envelope_write(&envelope, "x", 1), FC_ERR_BODY);
  ck_assert_int_eq(fc_envelope_write(&envelope, "{}", 2), FC_ERR_BODY);
  ck_assert_int_eq(fc_envelope_finish(&envelope, &json, &len), FC_ERR_BODY);
  fc_envelope_reset(&envelope);
  ck_assert_int_eq(fc_envelope_write(&envelope, "{\"total\":1}", 11), FC_OK);
  ck_assert_int_eq(fc_envelope_finish(&envelope, &json, &len), FC_OK);
  ck_assert_str_eq(json, "{\"total\":1}");
  fc_envelope_release(&envelope);
  fc_envelope_release(&envelope);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void) {
  Suite *suite = suite_create("envelope");
  TCase *tests = tcase_create("filter");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, a_valid_body_is_kept_in_part_whatever_its_pieces,
                      0, COUNT(accepted));
  tcase_add_loop_test(tests,
                      a_body_that_is_not_valid_is_an_error_whatever_its_pieces,
                      0, COUNT(rejected));
  tcase_add_test(tests, a_raw_nul_is_an_error);
  tcase_add_loop_test(tests, a_capture_is_the_same_however_it_is_split, 0,
                      CAPTURES);
  tcase_add_loop_test(tests, a_capture_cut_anywhere_is_an_error, 0, CAPTURES);
  tcase_add_test(tests, nesting_has_a_limit);
  tcase_add_test(tests, a_kept_member_that_is_too_deep_becomes_null);
  tcase_add_loop_test(tests, a_long_kept_string_is_cut_between_characters, 0,
                      COUNT(units));
  tcase_add_test(tests, a_long_kept_value_of_another_kind_becomes_null);
  tcase_add_test(tests, forty_megabytes_before_the_status_cost_no_memory);
  tcase_add_test(tests, an_error_stays_until_reset);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
