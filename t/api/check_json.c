/* SPDX-License-Identifier: MIT */

/* What is JSON (y_), what is not (n_), and what RFC 8259 leaves open (i_),
 * after the manner of JSONTestSuite: each text as a whole body and as the value
 * of `data`, through the envelope filter and json-c. A status beside it is
 * found or the body is refused: nothing in between. */

#include "src/api/envelope.h"
#include "src/api/parse.h"
#include "src/base/macros.h"

#include "t/suite.h"

#include <stdio.h>
#include <string.h>

#define TEXT(text) text, sizeof(text) - 1

enum { BODY_SIZE = 256 * 1024 };

/* What we make of an i_ text. */
enum verdict { BY_NAME, TAKEN, REFUSED };

static const struct {
  const char *name;
  const char *text;
  size_t len;
  enum verdict verdict;
} cases[] = {
    {"y_array_arrays_with_spaces", TEXT("[[]   ]"), BY_NAME},
    {"y_array_empty", TEXT("[]"), BY_NAME},
    {"y_array_empty_string", TEXT("[\"\"]"), BY_NAME},
    {"y_array_ending_with_newline", TEXT("[\"a\"]\n"), BY_NAME},
    {"y_array_false", TEXT("[false]"), BY_NAME},
    {"y_array_heterogeneous", TEXT("[null, 1, \"1\", {}]"), BY_NAME},
    {"y_array_with_1_and_newline", TEXT("[1\n]"), BY_NAME},
    {"y_array_with_leading_space", TEXT(" [1]"), BY_NAME},
    {"y_array_with_several_null", TEXT("[1,null,null,null,2]"), BY_NAME},
    {"y_number", TEXT("[123e65]"), BY_NAME},
    {"y_number_0e_plus_1", TEXT("[0e+1]"), BY_NAME},
    {"y_number_0e1", TEXT("[0e1]"), BY_NAME},
    {"y_number_after_space", TEXT("[ 4]"), BY_NAME},
    {"y_number_close_to_zero",
     TEXT(
         "[-0.00000000000000000000000000000000000000000000000000000000000001]"),
     BY_NAME},
    {"y_number_int_with_exp", TEXT("[20e1]"), BY_NAME},
    {"y_number_minus_zero", TEXT("[-0]"), BY_NAME},
    {"y_number_negative_int", TEXT("[-123]"), BY_NAME},
    {"y_number_real_capital_e", TEXT("[1E22]"), BY_NAME},
    {"y_number_real_capital_e_neg_exp", TEXT("[1E-2]"), BY_NAME},
    {"y_number_real_exponent", TEXT("[123.456e78]"), BY_NAME},
    {"y_number_simple_real", TEXT("[123.456789]"), BY_NAME},
    {"y_object", TEXT("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}"), BY_NAME},
    {"y_object_basic", TEXT("{\"asd\":\"sdf\"}"), BY_NAME},
    {"y_object_duplicated_key", TEXT("{\"a\":\"b\",\"a\":\"c\"}"), BY_NAME},
    {"y_object_duplicated_key_and_value", TEXT("{\"a\":\"b\",\"a\":\"b\"}"),
     BY_NAME},
    {"y_object_empty", TEXT("{}"), BY_NAME},
    {"y_object_empty_key", TEXT("{\"\":0}"), BY_NAME},
    {"y_object_escaped_null_in_key", TEXT("{\"foo\\u0000bar\": 42}"), BY_NAME},
    {"y_object_extreme_numbers",
     TEXT("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }"), BY_NAME},
    {"y_object_long_strings",
     TEXT("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], "
          "\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"),
     BY_NAME},
    {"y_object_simple", TEXT("{\"a\":[]}"), BY_NAME},
    {"y_object_string_unicode",
     TEXT("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\" }"), BY_NAME},
    {"y_object_with_newlines", TEXT("{\n\"a\": \"b\"\n}"), BY_NAME},
    {"y_string_1_2_3_bytes_utf8", TEXT("[\"\\u0060\\u012a\\u12AB\"]"), BY_NAME},
    {"y_string_accepted_surrogate_pair", TEXT("[\"\\uD801\\udc37\"]"), BY_NAME},
    {"y_string_allowed_escapes", TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
     BY_NAME},
    {"y_string_backslash_and_u_escaped_zero", TEXT("[\"\\\\u0000\"]"), BY_NAME},
    {"y_string_comments", TEXT("[\"a/*b*/c/*d//e\"]"), BY_NAME},
    {"y_string_del_character", TEXT("[\"\x7f\"]"), BY_NAME},
    {"y_string_double_escape_n", TEXT("[\"\\\\n\"]"), BY_NAME},
    {"y_string_escaped_control", TEXT("[\"\\u0012\"]"), BY_NAME},
    {"y_string_escaped_noncharacter", TEXT("[\"\\uFFFF\"]"), BY_NAME},
    {"y_string_last_surrogates", TEXT("[\"\\uDBFF\\uDFFF\"]"), BY_NAME},
    {"y_string_noncharacter_utf8", TEXT("[\"\xef\xbf\xbf\"]"), BY_NAME},
    {"y_string_null_escape", TEXT("[\"\\u0000\"]"), BY_NAME},
    {"y_string_pi", TEXT("[\"\xcf\x80\"]"), BY_NAME},
    {"y_string_uescaped_newline", TEXT("[\"new\\u000Aline\"]"), BY_NAME},
    {"y_string_unicode_2028_line_separator", TEXT("[\"\xe2\x80\xa8\"]"),
     BY_NAME},
    {"y_string_utf8_four_bytes", TEXT("[\"\xf0\x9d\x84\x9e\"]"), BY_NAME},
    {"y_string_with_quotes_in_key", TEXT("{\"a\\\"b\":1}"), BY_NAME},
    {"y_structure_lonely_false", TEXT("false"), BY_NAME},
    {"y_structure_lonely_int", TEXT("42"), BY_NAME},
    {"y_structure_lonely_negative_real", TEXT("-0.1"), BY_NAME},
    {"y_structure_lonely_null", TEXT("null"), BY_NAME},
    {"y_structure_lonely_string", TEXT("\"asd\""), BY_NAME},
    {"y_structure_lonely_true", TEXT("true"), BY_NAME},
    {"y_structure_string_empty", TEXT("\"\""), BY_NAME},
    {"y_structure_trailing_newline", TEXT("[\"a\"]\r\n"), BY_NAME},
    {"y_structure_whitespace_array", TEXT(" [] "), BY_NAME},
    {"y_structure_whitespace_object", TEXT("\t{ } \r\n"), BY_NAME},

    {"n_array_1_true_without_comma", TEXT("[1 true]"), BY_NAME},
    {"n_array_a_invalid_utf8", TEXT("[a\xe5]"), BY_NAME},
    {"n_array_colon_instead_of_comma", TEXT("[\"\": 1]"), BY_NAME},
    {"n_array_comma_after_close", TEXT("[\"\"],"), BY_NAME},
    {"n_array_comma_and_number", TEXT("[,1]"), BY_NAME},
    {"n_array_double_comma", TEXT("[1,,2]"), BY_NAME},
    {"n_array_extra_close", TEXT("[\"x\"]]"), BY_NAME},
    {"n_array_extra_comma", TEXT("[\"\",]"), BY_NAME},
    {"n_array_incomplete", TEXT("[\"x\""), BY_NAME},
    {"n_array_inner_array_no_comma", TEXT("[3[4]]"), BY_NAME},
    {"n_array_just_comma", TEXT("[,]"), BY_NAME},
    {"n_array_just_minus", TEXT("[-]"), BY_NAME},
    {"n_array_newlines_unclosed", TEXT("[\"a\",\n4\n,1,"), BY_NAME},
    {"n_array_number_and_several_commas", TEXT("[1,,]"), BY_NAME},
    {"n_array_spaces_vertical_tab_formfeed", TEXT("[\"\va\"\\f]"), BY_NAME},
    {"n_array_star_inside", TEXT("[*]"), BY_NAME},
    {"n_incomplete_false", TEXT("[fals]"), BY_NAME},
    {"n_incomplete_null", TEXT("[nul]"), BY_NAME},
    {"n_incomplete_true", TEXT("[tru]"), BY_NAME},
    {"n_multidigit_number_then_00", TEXT("123\0"), BY_NAME},
    {"n_number_0_1_2", TEXT("[0.1.2]"), BY_NAME},
    {"n_number_0_3e", TEXT("[0.3e]"), BY_NAME},
    {"n_number_0e_plus", TEXT("[0e+]"), BY_NAME},
    {"n_number_1_000", TEXT("[1 000.0]"), BY_NAME},
    {"n_number_1eE2", TEXT("[1eE2]"), BY_NAME},
    {"n_number_2_e_3", TEXT("[2.e3]"), BY_NAME},
    {"n_number_dot_2", TEXT("[.2e-3]"), BY_NAME},
    {"n_number_double_plus", TEXT("[++1234]"), BY_NAME},
    {"n_number_expression", TEXT("[1+2]"), BY_NAME},
    {"n_number_hex", TEXT("[0x42]"), BY_NAME},
    {"n_number_inf", TEXT("[Inf]"), BY_NAME},
    {"n_number_infinity", TEXT("[Infinity]"), BY_NAME},
    {"n_number_minus_infinity", TEXT("[-Infinity]"), BY_NAME},
    {"n_number_minus_nan", TEXT("[-NaN]"), BY_NAME},
    {"n_number_minus_sign_with_trailing_garbage", TEXT("[-foo]"), BY_NAME},
    {"n_number_minus_space_1", TEXT("[- 1]"), BY_NAME},
    {"n_number_nan", TEXT("[NaN]"), BY_NAME},
    {"n_number_neg_int_starting_with_zero", TEXT("[-012]"), BY_NAME},
    {"n_number_plus_1", TEXT("[+1]"), BY_NAME},
    {"n_number_starting_with_dot", TEXT("[.123]"), BY_NAME},
    {"n_number_u_ff11_fullwidth_digit_one", TEXT("[\xef\xbc\x91]"), BY_NAME},
    {"n_number_with_alpha", TEXT("[1.2a-3]"), BY_NAME},
    {"n_number_with_leading_zero", TEXT("[012]"), BY_NAME},
    {"n_object_bad_value", TEXT("[\"x\", truth]"), BY_NAME},
    {"n_object_bracket_key", TEXT("{[: \"x\"}\n"), BY_NAME},
    {"n_object_comma_instead_of_colon", TEXT("{\"x\", null}"), BY_NAME},
    {"n_object_double_colon", TEXT("{\"x\"::\"b\"}"), BY_NAME},
    {"n_object_emoji", TEXT("{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}"), BY_NAME},
    {"n_object_garbage_at_end", TEXT("{\"a\":\"a\" 123}"), BY_NAME},
    {"n_object_key_with_single_quotes", TEXT("{key: 'value'}"), BY_NAME},
    {"n_object_missing_colon", TEXT("{\"a\" b}"), BY_NAME},
    {"n_object_missing_key", TEXT("{:\"b\"}"), BY_NAME},
    {"n_object_missing_value", TEXT("{\"a\":"), BY_NAME},
    {"n_object_non_string_key", TEXT("{1:1}"), BY_NAME},
    {"n_object_repeated_null_null", TEXT("{null:null,null:null}"), BY_NAME},
    {"n_object_several_trailing_commas", TEXT("{\"id\":0,,,,,}"), BY_NAME},
    {"n_object_single_quote", TEXT("{'a':0}"), BY_NAME},
    {"n_object_trailing_comma", TEXT("{\"id\":0,}"), BY_NAME},
    {"n_object_trailing_comment", TEXT("{\"a\":\"b\"}/**/"), BY_NAME},
    {"n_object_trailing_comment_slash_open", TEXT("{\"a\":\"b\"}//"), BY_NAME},
    {"n_object_two_commas_in_a_row", TEXT("{\"a\":\"b\",,\"c\":\"d\"}"),
     BY_NAME},
    {"n_object_unquoted_key", TEXT("{a: \"b\"}"), BY_NAME},
    {"n_object_unterminated_value", TEXT("{\"a\":\"a"), BY_NAME},
    {"n_object_with_single_string", TEXT("{ \"foo\" : \"bar\", \"a\" }"),
     BY_NAME},
    {"n_object_with_trailing_garbage", TEXT("{\"a\":\"b\"}#"), BY_NAME},
    {"n_single_space", TEXT(" "), BY_NAME},
    {"n_string_1_surrogate_then_escape_u", TEXT("[\"\\uD800\\u\"]"), BY_NAME},
    {"n_string_backslash_00", TEXT("[\"\\\0\"]"), BY_NAME},
    {"n_string_escape_x", TEXT("[\"\\x00\"]"), BY_NAME},
    {"n_string_escaped_backslash_bad", TEXT("[\"\\\\\\\"]"), BY_NAME},
    {"n_string_escaped_emoji", TEXT("[\"\\\xf0\x9f\x8c\x80\"]"), BY_NAME},
    {"n_string_incomplete_escaped_character", TEXT("[\"\\u00A\"]"), BY_NAME},
    {"n_string_invalid_unicode_escape", TEXT("[\"\\uqqqq\"]"), BY_NAME},
    {"n_string_invalid_utf8_after_escape", TEXT("[\"\\\xe5\"]"), BY_NAME},
    {"n_string_leading_uescaped_thinspace", TEXT("[\\u0020\"asd\"]"), BY_NAME},
    {"n_string_no_quotes_with_bad_escape", TEXT("[\\n]"), BY_NAME},
    {"n_string_single_doublequote", TEXT("\""), BY_NAME},
    {"n_string_single_quote", TEXT("['single quote']"), BY_NAME},
    {"n_string_unescaped_ctrl_char", TEXT("[\"a\0a\"]"), BY_NAME},
    {"n_string_unescaped_newline", TEXT("[\"new\nline\"]"), BY_NAME},
    {"n_string_unescaped_tab", TEXT("[\"\t\"]"), BY_NAME},
    {"n_string_with_trailing_garbage", TEXT("\"\"x"), BY_NAME},
    {"n_structure_angle_bracket", TEXT("<.>"), BY_NAME},
    {"n_structure_array_trailing_garbage", TEXT("[1]x"), BY_NAME},
    {"n_structure_array_with_unclosed_string", TEXT("[\"asd]"), BY_NAME},
    {"n_structure_ascii_unicode_identifier", TEXT("a\xc3\xa5"), BY_NAME},
    {"n_structure_capitalized_true", TEXT("[True]"), BY_NAME},
    {"n_structure_close_unopened_array", TEXT("1]"), BY_NAME},
    {"n_structure_double_array", TEXT("[][]"), BY_NAME},
    {"n_structure_end_array", TEXT("]"), BY_NAME},
    {"n_structure_incomplete_utf8_bom", TEXT("\xef\xbb{}"), BY_NAME},
    {"n_structure_lone_invalid_utf8", TEXT("\xe5"), BY_NAME},
    {"n_structure_no_data", TEXT(""), BY_NAME},
    {"n_structure_null_byte_outside_string", TEXT("[\0]"), BY_NAME},
    {"n_structure_number_with_trailing_garbage", TEXT("2@"), BY_NAME},
    {"n_structure_object_followed_by_closing_object", TEXT("{}}"), BY_NAME},
    {"n_structure_object_with_comment", TEXT("{\"a\":/*comment*/\"b\"}"),
     BY_NAME},
    {"n_structure_object_with_trailing_garbage", TEXT("{\"a\": true} \"x\""),
     BY_NAME},
    {"n_structure_open_object_comma", TEXT("{,"), BY_NAME},
    {"n_structure_single_star", TEXT("*"), BY_NAME},
    {"n_structure_two_documents", TEXT("{\"a\":\"b\"}{\"c\":\"d\"}"), BY_NAME},
    {"n_structure_uescaped_lf_before_string", TEXT("[\\u000A\"\"]"), BY_NAME},
    {"n_structure_unclosed_object", TEXT("{\"asd\":\"asd\""), BY_NAME},
    {"n_structure_utf8_bom_no_data", TEXT("\xef\xbb\xbf"), BY_NAME},
    {"n_structure_whitespace_formfeed", TEXT("[\f]"), BY_NAME},
    {"n_structure_whitespace_u_2060", TEXT("[\xe2\x81\xa0]"), BY_NAME},

    /* Numbers beyond a double are numbers; what we do not use is not read. */
    {"i_number_double_huge_neg_exp", TEXT("[123.456e-789]"), TAKEN},
    {"i_number_huge_exp", TEXT("[0.4e00669999999999999999999999999999]"),
     TAKEN},
    {"i_number_neg_int_huge_exp", TEXT("[-1e+9999]"), TAKEN},
    {"i_number_real_pos_overflow", TEXT("[123123e100000]"), TAKEN},
    {"i_number_too_big_pos_int", TEXT("[100000000000000000000]"), TAKEN},
    /* Escapes that are no character are escapes, and pass. */
    {"i_object_key_lone_2nd_surrogate", TEXT("{\"\\uDFAA\":0}"), TAKEN},
    {"i_string_1st_surrogate_but_2nd_missing", TEXT("[\"\\uDADA\"]"), TAKEN},
    {"i_string_incomplete_surrogates", TEXT("[\"\\uD800\\uD800\\n\"]"), TAKEN},
    {"i_string_inverted_surrogates", TEXT("[\"\\uDd1e\\uD834\"]"), TAKEN},
    /* Bytes that are no UTF-8 are no JSON. */
    {"i_string_invalid_utf8", TEXT("[\"\xff\"]"), REFUSED},
    {"i_string_iso_latin_1", TEXT("[\"\xe9\"]"), REFUSED},
    {"i_string_lone_utf8_continuation_byte", TEXT("[\"\x81\"]"), REFUSED},
    {"i_string_not_in_unicode_range", TEXT("[\"\xf4\xbf\xbf\xbf\"]"), REFUSED},
    {"i_string_overlong_sequence_2_bytes", TEXT("[\"\xc0\xaf\"]"), REFUSED},
    {"i_string_overlong_sequence_6_bytes",
     TEXT("[\"\xfc\x83\xbf\xbf\xbf\xbf\"]"), REFUSED},
    {"i_string_truncated_utf8", TEXT("[\"\xe0\xff\"]"), REFUSED},
    {"i_string_utf8_surrogate_u_d800", TEXT("[\"\xed\xa0\x80\"]"), REFUSED},
    {"i_string_utf16le_with_bom", TEXT("\xff\xfe[\0\"\0\xe9\0\"\0]\0"),
     REFUSED},
    {"i_structure_utf8_bom_empty_object", TEXT("\xef\xbb\xbf{}"), REFUSED},
};

static bool is_taken(int i) {
  return cases[i].verdict ? cases[i].verdict == TAKEN : cases[i].name[0] == 'y';
}

/* The whole path, in pieces of `piece` bytes. */
static enum fc_error read_body(const char *body, size_t len, size_t piece,
                               struct fc_reply *reply) {
  struct fc_envelope envelope;
  enum fc_error error = FC_OK;
  const char *json;
  size_t json_len;
  fc_envelope_init(&envelope);
  for (size_t at = 0; at < len && !error; at += piece)
    error = fc_envelope_write(&envelope, body + at,
                              piece < len - at ? piece : len - at);
  if (!error)
    error = fc_envelope_finish(&envelope, &json, &json_len);
  if (!error)
    error = fc_parse_reply(json, json_len, NULL, reply);
  fc_envelope_release(&envelope);
  return error;
}

static void check(const char *name, const char *body, size_t len, bool taken,
                  enum fc_status status) {
  static const size_t pieces[] = {1, 3, BODY_SIZE};
  for (size_t i = 0; i < COUNT_OF(pieces); i++) {
    struct fc_reply reply = {.facts.status = FC_STATUS_LOST};
    enum fc_error error = read_body(body, len, pieces[i], &reply);
    ck_assert_msg(error == (taken ? FC_OK : FC_ERR_BODY),
                  "%s in pieces of %zu: %s", name, pieces[i],
                  fc_error_text(error));
    ck_assert_msg(reply.facts.status == (taken ? status : FC_STATUS_LOST),
                  "%s: the status is %d", name, (int)reply.facts.status);
  }
}

START_TEST(a_text_as_the_value_of_data_hides_no_status) {
  static const char before[] = "{\"success\":true,\"data\":";
  static const char behind[] = ",\"status\":\"completed\"}";
  char body[512];
  size_t len = sizeof(before) - 1;
  memcpy(body, before, len);
  memcpy(body + len, cases[_i].text, cases[_i].len);
  len += cases[_i].len;
  memcpy(body + len, behind, sizeof(behind));
  check(cases[_i].name, body, len + sizeof(behind) - 1, is_taken(_i),
        FC_STATUS_COMPLETED);
}
END_TEST

/* A reply is an object: other texts are JSON, and no answer. */
START_TEST(a_text_as_a_whole_body_is_an_object_or_no_answer) {
  const char *text = cases[_i].text;
  bool is_object = text[strspn(text, " \t\r\n")] == '{';
  check(cases[_i].name, text, cases[_i].len, is_taken(_i) && is_object,
        FC_STATUS_NONE);
}
END_TEST

/* n_structure_100000_opening_arrays and its like,
 * n_structure_open_array_object, i_structure_500_nested_arrays. */
static const struct {
  const char *open, *close;
  int levels;
  bool taken;
} depths[] = {
    {"[", "]", 500, true},         {"[", "]", 100000, false},
    {"[", "", 100000, false},      {"{\"a\":", "}", 100000, false},
    {"[{\"\":", "", 25000, false}, {"", "]", 1000, false},
};

START_TEST(nesting_is_bounded) {
  static char body[BODY_SIZE * 4];
  size_t len = (size_t)snprintf(body, sizeof(body), "{\"data\":");
  for (int i = 0; i < depths[_i].levels; i++)
    len +=
        (size_t)snprintf(body + len, sizeof(body) - len, "%s", depths[_i].open);
  if (strcmp(depths[_i].open, "{\"a\":") == 0)
    len += (size_t)snprintf(body + len, sizeof(body) - len, "0");
  for (int i = 0; i < depths[_i].levels; i++)
    len += (size_t)snprintf(body + len, sizeof(body) - len, "%s",
                            depths[_i].close);
  len += (size_t)snprintf(body + len, sizeof(body) - len,
                          ",\"status\":\"completed\"}");
  ck_assert_uint_lt(len, sizeof(body) - 1);
  check("nesting", body, len, depths[_i].taken, FC_STATUS_COMPLETED);
}
END_TEST

START_TEST(every_name_says_what_is_expected) {
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    ck_assert_msg(strspn(cases[i].name, "yni") == 1 && cases[i].name[1] == '_',
                  "%s", cases[i].name);
    ck_assert_msg((cases[i].name[0] == 'i') == (cases[i].verdict != BY_NAME),
                  "%s", cases[i].name);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("json");
  TCase *tests = tcase_create("json");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, every_name_says_what_is_expected);
  tcase_add_loop_test(tests, a_text_as_the_value_of_data_hides_no_status, 0,
                      (int)COUNT_OF(cases));
  tcase_add_loop_test(tests, a_text_as_a_whole_body_is_an_object_or_no_answer,
                      0, (int)COUNT_OF(cases));
  tcase_add_loop_test(tests, nesting_is_bounded, 0, (int)COUNT_OF(depths));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
