/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/base/text.h"

#include "t/suite.h"

#include <string.h>

#define LITERAL(text) text, sizeof(text) - 1
static const struct {
  const char *in;
  size_t len;
  const char *out;
} lines[] = {
    {LITERAL(""), ""},
    {LITERAL("a"), "a"},
    {LITERAL("plain text, with \"marks\" and \\ and /"),
     "plain text, with \"marks\" and \\ and /"},
    {LITERAL("!~"), "!~"},
    /* blanks and controls */
    {LITERAL(" "), ""},
    {LITERAL("\n\t\r"), ""},
    {LITERAL("  a  "), "a"},
    {LITERAL("\na\n"), "a"},
    {LITERAL("a b"), "a b"},
    {LITERAL("a  b"), "a b"},
    {LITERAL("a\nb"), "a b"},
    {LITERAL("a\r\nb"), "a b"},
    {LITERAL("a \n\t\v\f\b\a b"), "a b"},
    {LITERAL("a\0b"), "a b"},
    {LITERAL("a\0"), "a"},
    {LITERAL("\0"), ""},
    {LITERAL("\x1b[31mred\x1b[0m"), "[31mred [0m"},
    {LITERAL("a\x7f"
             "b"),
     "a b"},
    {LITERAL("a\x01\x1f\x7f"
             "b"),
     "a b"},
    /* C1: U+0080, U+0085 (next line), U+009B (CSI), U+009F */
    {LITERAL("a\xc2\x80"
             "b"),
     "a b"},
    {LITERAL("a\xc2\x85\xc2\x9b\xc2\x9f"
             "b"),
     "a b"},
    {LITERAL("\xc2\x9f"), ""},
    {LITERAL("a\xc2\xa0"
             "b"),
     "a\xc2\xa0"
     "b"},
    /* U+2028, U+2029, and their neighbour U+2027 */
    {LITERAL("a\xe2\x80\xa8"
             "b"),
     "a b"},
    {LITERAL("a\xe2\x80\xa9"
             "b"),
     "a b"},
    {LITERAL("\xe2\x80\xa8\xe2\x80\xa9"), ""},
    {LITERAL("a \xe2\x80\xa8\n\xc2\x85 b"), "a b"},
    {LITERAL("\xe2\x80\xa7\xe2\x80\xa8"), "\xe2\x80\xa7"},
    /* U+202E turns what follows; U+2066 and U+2069; U+061C; U+200B to U+200F */
    {LITERAL("a\xe2\x80\xae"
             "b"),
     "a?b"},
    {LITERAL("\xe2\x81\xa6x\xe2\x81\xa9"), "?x?"},
    {LITERAL("\xd8\x9c"), "?"},
    {LITERAL("\xe2\x80\x8b\xe2\x80\x8f"), "??"},
    {LITERAL("\xc2\xad"), "?"},
    {LITERAL("\xf3\xa0\x80\x81"), "?"},
    /* neighbours: U+00AC, U+00AE, U+200A, U+2010, U+202F, U+205F, U+2070 */
    {LITERAL("\xc2\xac\xc2\xae"), "\xc2\xac\xc2\xae"},
    {LITERAL("x\xe2\x80\x8a\xe2\x80\x90"), "x\xe2\x80\x8a\xe2\x80\x90"},
    {LITERAL("x\xe2\x80\xaf\xe2\x81\x9f\xe2\x81\xb0"),
     "x\xe2\x80\xaf\xe2\x81\x9f\xe2\x81\xb0"},
    /* the first and last characters of each length */
    {LITERAL("\xc2\xa0\xdf\xbf"), "\xc2\xa0\xdf\xbf"},
    {LITERAL("\xe0\xa0\x80\xef\xbf\xbf"), "\xe0\xa0\x80\xef\xbf\xbf"},
    {LITERAL("\xed\x9f\xbf\xee\x80\x80"), "\xed\x9f\xbf\xee\x80\x80"},
    {LITERAL("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
     "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
    {LITERAL("\xef\xbb\xbf"
             "bom"),
     "?bom"},
    {LITERAL("\xc3\x9cn\xc3\xaf\xe2\x82\xac\xf0\x9f\x98\x80"),
     "\xc3\x9cn\xc3\xaf\xe2\x82\xac\xf0\x9f\x98\x80"},
    /* bytes that begin nothing */
    {LITERAL("\x80"), "?"},
    {LITERAL("\xbf\xbf"), "??"},
    {LITERAL("\xc0"), "?"},
    {LITERAL("\xc1"), "?"},
    {LITERAL("\xf5"), "?"},
    {LITERAL("\xfe\xff"), "??"},
    {LITERAL("a\xff"
             "b"),
     "a?b"},
    /* overlong: of '/', of NUL, of U+07FF, of U+FFFF */
    {LITERAL("\xc0\xaf"), "??"},
    {LITERAL("\xc0\x80"), "??"},
    {LITERAL("\xe0\x9f\xbf"), "???"},
    {LITERAL("\xf0\x8f\xbf\xbf"), "????"},
    /* surrogates and beyond U+10FFFF */
    {LITERAL("\xed\xa0\x80"), "???"},
    {LITERAL("\xed\xbf\xbf"), "???"},
    {LITERAL("\xf4\x90\x80\x80"), "????"},
    {LITERAL("\xf5\x80\x80\x80"), "????"},
    /* broken off, at the end and before something else */
    {LITERAL("\xc3"), "?"},
    {LITERAL("\xe2\x82"), "?"},
    {LITERAL("\xf0\x9f\x98"), "?"},
    {LITERAL("\xf0\x9f\x98x"), "?x"},
    {LITERAL("\xe2\x82\xe2\x82\xac"), "?\xe2\x82\xac"},
    {LITERAL("\xc3\xc3\xa9"), "?\xc3\xa9"},
    {LITERAL("\xe2\nb"), "? b"},
    {LITERAL("\xe2\x28\xa1"), "?(?"},
    /* "a" is dropped in no place, a '?' is not a blank */
    {LITERAL("\xff \xff"), "? ?"},
};
enum { LINES = sizeof(lines) / sizeof(lines[0]) };

START_TEST(a_text_becomes_one_safe_line) {
  char out[128];
  size_t len = fc_text_line(out, sizeof(out), lines[_i].in, lines[_i].len);
  ck_assert_str_eq(out, lines[_i].out);
  ck_assert_uint_eq(len, strlen(out));
}
END_TEST

START_TEST(a_line_made_safe_stays_as_it_is) {
  char out[128];
  (void)fc_text_line(out, sizeof(out), lines[_i].out, strlen(lines[_i].out));
  ck_assert_str_eq(out, lines[_i].out);
}
END_TEST

START_TEST(every_single_byte_becomes_itself_or_a_blank_or_a_mark) {
  char in[] = {'a', (char)_i, 'b'};
  char expected[] = {'a', (char)_i, 'b', '\0'};
  char out[8];
  if (_i <= 0x20 || _i == 0x7f)
    expected[1] = ' ';
  else if (_i >= 0x80)
    expected[1] = '?';
  (void)fc_text_line(out, sizeof(out), in, sizeof(in));
  ck_assert_str_eq(out, expected);
}
END_TEST

/* 1 + 2 + 1 + 3 + 4 + 1 bytes */
static const char mixed[] = "a\xc3\xa9 \xe2\x82\xac\xf0\x9f\x98\x80z";

static const struct {
  size_t size;
  const char *out;
} cuts[] = {
    {1, ""},
    {2, "a"},
    {3, "a"},
    {4, "..."},
    {5, "a..."},
    {6, "a..."},
    {7, "a\xc3\xa9..."},
    {8, "a\xc3\xa9..."},
    {9, "a\xc3\xa9..."},
    {10, "a\xc3\xa9..."},
    {11, "a\xc3\xa9 \xe2\x82\xac..."},
    {12, "a\xc3\xa9 \xe2\x82\xac..."},
    {13, mixed},
    {14, mixed},
};
enum { CUTS = sizeof(cuts) / sizeof(cuts[0]) };

START_TEST(a_line_is_cut_between_characters_at_every_size) {
  char out[32];
  memset(out, '#', sizeof(out));
  size_t len = fc_text_line(out, cuts[_i].size, mixed, sizeof(mixed) - 1);
  ck_assert_str_eq(out, cuts[_i].out);
  ck_assert_uint_eq(len, strlen(out));
  for (size_t i = cuts[_i].size; i < sizeof(out); i++)
    ck_assert_int_eq(out[i], '#');
}
END_TEST

START_TEST(a_line_cut_at_every_byte_of_its_input_is_still_valid) {
  char out[32], again[32];
  for (size_t len = 0; len < sizeof(mixed); len++) {
    (void)fc_text_line(out, sizeof(out), mixed, len);
    (void)fc_text_line(again, sizeof(again), out, strlen(out));
    ck_assert_str_eq(again, out);
  }
}
END_TEST

START_TEST(blanks_at_the_end_do_not_make_a_line_too_long) {
  char out[4];
  ck_assert_uint_eq(fc_text_line(out, sizeof(out), LITERAL("abc \n\n  ")), 3);
  ck_assert_str_eq(out, "abc");
  ck_assert_uint_eq(fc_text_line(out, sizeof(out), LITERAL("  \n abc")), 3);
  ck_assert_str_eq(out, "abc");
}
END_TEST

START_TEST(a_mask_in_the_text_is_not_cut) {
  char out[16];
  for (size_t size = 4; size <= sizeof(out); size++) {
    (void)fc_text_line(out, size, LITERAL("abc " FC_SECRET_MASK "d"));
    ck_assert_msg(!strchr(out, '[') || strstr(out, FC_SECRET_MASK), "%s", out);
  }
  ck_assert_str_eq(out, "abc " FC_SECRET_MASK "d");
  (void)fc_text_line(out, 10, LITERAL("abc " FC_SECRET_MASK "d"));
  ck_assert_str_eq(out, "abc...");
}
END_TEST

START_TEST(no_room_writes_nothing) {
  char out[] = "x";
  ck_assert_uint_eq(fc_text_line(out, 0, LITERAL("abc")), 0);
  ck_assert_str_eq(out, "x");
}
END_TEST

START_TEST(a_long_text_ends_in_an_ellipsis) {
  static char in[100 * 1024];
  char out[256];
  memset(in, 'x', sizeof(in));
  ck_assert_uint_eq(fc_text_line(out, sizeof(out), in, sizeof(in)), 255);
  ck_assert_str_eq(out + 250, "xx...");
}
END_TEST

START_TEST(appended_texts_follow_each_other) {
  char out[16] = "junk";
  size_t used = 0;
  fc_text_append(out, sizeof(out), &used, "%s", "");
  ck_assert_str_eq(out, "");
  fc_text_append(out, sizeof(out), &used, "%s=%d", "a", 1);
  fc_text_append(out, sizeof(out), &used, ", %c", 'b');
  ck_assert_str_eq(out, "a=1, b");
  ck_assert_uint_eq(used, strlen(out));
}
END_TEST

START_TEST(an_append_that_just_fits_is_whole) {
  char out[4];
  size_t used = 0;
  fc_text_append(out, sizeof(out), &used, "a");
  fc_text_append(out, sizeof(out), &used, "\xc3\xa9");
  ck_assert_str_eq(out, "a\xc3\xa9");
  ck_assert_uint_eq(used, 3);
  fc_text_append(out, sizeof(out), &used, "x");
  ck_assert_str_eq(out, "a\xc3\xa9");
}
END_TEST

static const struct {
  size_t size;
  const char *out;
} append_cuts[] = {
    {1, ""},
    {2, "a"},
    {3, "a"},
    {4, "a\xc3\xa9"},
    {5, "a\xc3\xa9 "},
    {6, "a\xc3\xa9 "},
    {7, "a\xc3\xa9 "},
    {8, "a\xc3\xa9 \xe2\x82\xac"},
    {9, "a\xc3\xa9 \xe2\x82\xac"},
    {11, "a\xc3\xa9 \xe2\x82\xac"},
    {12, "a\xc3\xa9 \xe2\x82\xac\xf0\x9f\x98\x80"},
    {13, mixed},
};
enum { APPEND_CUTS = sizeof(append_cuts) / sizeof(append_cuts[0]) };

START_TEST(an_append_is_cut_between_characters_and_is_the_last) {
  size_t size = append_cuts[_i].size, used = 0;
  char out[32];
  memset(out, '#', sizeof(out));
  fc_text_append(out, size, &used, "%s", mixed);
  ck_assert_str_eq(out, append_cuts[_i].out);
  fc_text_append(out, size, &used, "x");
  ck_assert_str_eq(out, append_cuts[_i].out);
  ck_assert_uint_eq(used, size - 1);
  for (size_t i = size; i < sizeof(out); i++)
    ck_assert_int_eq(out[i], '#');
}
END_TEST

START_TEST(a_copy_is_cut_between_characters) {
  char out[32];
  memset(out, '#', sizeof(out));
  fc_text_copy(out, append_cuts[_i].size, mixed);
  ck_assert_str_eq(out, append_cuts[_i].out);
  for (size_t i = append_cuts[_i].size; i < sizeof(out); i++)
    ck_assert_int_eq(out[i], '#');
}
END_TEST

START_TEST(an_append_without_room_does_nothing) {
  char out[] = "x";
  size_t used = 0;
  fc_text_append(out, 0, &used, "abc");
  fc_text_copy(out, 0, "abc");
  used = sizeof(out);
  fc_text_append(out, sizeof(out), &used, "abc");
  ck_assert_uint_eq(used, sizeof(out));
  ck_assert_str_eq(out, "x");
}
END_TEST

static const struct {
  const char *text;
  size_t len;
  int64_t min, max;
  bool valid;
  int64_t value;
} ints[] = {
    {LITERAL("0"), 0, 10, true, 0},
    {LITERAL("10"), 0, 10, true, 10},
    {LITERAL("11"), 0, 10, false, 0},
    {LITERAL("-1"), 0, 10, false, 0},
    {LITERAL("-1"), -1, 10, true, -1},
    {LITERAL("-0"), 0, 10, true, 0},
    {LITERAL("007"), 0, 10, true, 7},
    {LITERAL("3"), 5, 10, false, 0},
    {LITERAL(""), 0, 10, false, 0},
    {LITERAL("-"), -10, 10, false, 0},
    {LITERAL("--1"), -10, 10, false, 0},
    {LITERAL("+1"), 0, 10, false, 0},
    {LITERAL(" 1"), 0, 10, false, 0},
    {LITERAL("1 "), 0, 10, false, 0},
    {LITERAL("1\n"), 0, 10, false, 0},
    {LITERAL("1\0"), 0, 10, false, 0},
    {LITERAL("1.0"), 0, 10, false, 0},
    {LITERAL("1e1"), 0, 10, false, 0},
    {LITERAL("0x1"), 0, 10, false, 0},
    {LITERAL("1a"), 0, 10, false, 0},
    {LITERAL("1-"), 0, 10, false, 0},
    {LITERAL("\xd9\xa1"), 0, 10, false, 0},
    {LITERAL("9223372036854775807"), INT64_MIN, INT64_MAX, true, INT64_MAX},
    {LITERAL("9223372036854775808"), INT64_MIN, INT64_MAX, false, 0},
    {LITERAL("-9223372036854775808"), INT64_MIN, INT64_MAX, true, INT64_MIN},
    {LITERAL("-9223372036854775809"), INT64_MIN, INT64_MAX, false, 0},
    {LITERAL("99999999999999999999999"), INT64_MIN, INT64_MAX, false, 0},
    {LITERAL("-99999999999999999999999"), INT64_MIN, INT64_MAX, false, 0},
    {LITERAL("0000000000000000000000000000001"), 0, 10, true, 1},
};
enum { INTS = sizeof(ints) / sizeof(ints[0]) };

START_TEST(an_integer_is_the_whole_text_and_in_range) {
  int64_t value = 4711;
  ck_assert_int_eq(fc_text_int(ints[_i].text, ints[_i].len, ints[_i].min,
                               ints[_i].max, &value),
                   ints[_i].valid);
  ck_assert_int_eq(value, ints[_i].valid ? ints[_i].value : 4711);
}
END_TEST

START_TEST(an_integer_ends_at_its_length) {
  int64_t value;
  ck_assert(fc_text_int("123x", 2, 0, 1000, &value));
  ck_assert_int_eq(value, 12);
}
END_TEST

enum { NO_DELAY = -1 };

static const struct {
  const char *text;
  int64_t seconds;
} delays[] = {
    {"Rate limit exceeded. Consumed (req/min): 501, Remaining (req/min): 0. "
     "Upgrade your plan at https://firecrawl.dev/pricing for increased rate "
     "limits or please retry after 23s, resets at Mon Nov 23 2026 18:27:00 "
     "GMT+0000 (Coordinated Universal Time)",
     23},
    {"retry after 23s", 23},
    {"Retry After 23S.", 23},
    {"RETRY AFTER 23s,", 23},
    {"retry after 0s", 0},
    {"retry after 007s", 7},
    {"retry after 86400s", 86400},
    {"retry after 86401s", NO_DELAY},
    {"retry after 99999999999999999999999s", NO_DELAY},
    {"retry after 9223372036854775807s", NO_DELAY},
    {"retry after 9223372036854775806.5s", NO_DELAY},
    {"retry after 9223372036854775806.5ms", NO_DELAY},
    /* rounded up */
    {"retry after 1.0s", 1},
    {"retry after 1.5s", 2},
    {"retry after 1.000000000000000000000000001s", 2},
    {"retry after 0.001s", 1},
    {"retry after 86399.5s", 86400},
    {"retry after 86400.5s", NO_DELAY},
    {"retry after 0ms", 0},
    {"retry after 1ms", 1},
    {"retry after 999ms", 1},
    {"retry after 1000ms", 1},
    {"retry after 1000.1ms", 2},
    {"retry after 1001MS", 2},
    {"retry after 86400000ms", 86400},
    {"retry after 86400001ms", NO_DELAY},
    /* nothing that is known */
    {"", NO_DELAY},
    {"retry", NO_DELAY},
    {"retry after", NO_DELAY},
    {"retry after ", NO_DELAY},
    {"retry after s", NO_DELAY},
    {"retry after 23", NO_DELAY},
    {"retry after 23 s", NO_DELAY},
    {"retry after 23m", NO_DELAY},
    {"retry after 23sec", NO_DELAY},
    {"retry after 23.s", NO_DELAY},
    {"retry after .5s", NO_DELAY},
    {"retry after -5s", NO_DELAY},
    {"retry after +5s", NO_DELAY},
    {"retry after  5s", NO_DELAY},
    {"retry after 1e3s", NO_DELAY},
    {"retry after 1,5s", NO_DELAY},
    {"retry-after 5s", NO_DELAY},
    {"23s", NO_DELAY},
    /* the first that can be read counts */
    {"retry after a while; retry after 5s", 5},
    {"retry after 5s or retry after 6s", 5},
    {"retry after retry after 5s", 5},
};
enum { DELAYS = sizeof(delays) / sizeof(delays[0]) };

static const struct {
  const char *text;
  bool cancelled;
} cancellations[] = {
    {"Agent was cancelled by the user", true},
    {"agent run cancelled", true},
    {"The Job has been canceled.", true},
    {"RUN CANCELLED", true},
    {"Task cancelled", true},
    {"  The agent job was cancelled, sorry", true},
    {"Agent 0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b11 was cancelled.", true},
    {"Run stopped: cancelled by its owner", true},
    {"The agent of the user got \"cancelled\"", false},
    {"", false},
    {"cancelled", false},
    {"The", false},
    {"Agent", false},
    {"Payment was cancelled", false},
    {"The payment of the job was cancelled", false},
    {"Agents were cancelled", false},
    {"The the agent was cancelled", false},
    {"Agent a b c d cancelled", true},
    {"Agent a b c d e cancelled", false},
    {"The agent a b c cancelled", true},
    {"The agent a b c d cancelled", false},
    {"Job was not cancelled", false},
    {"Job could not be cancelled", false},
    {"Job failed: request cancelled", false},
    {"Run ended because payment was cancelled", false},
    {"Job cancellation failed", false},
    {"Agent uncancelled", false},
};

START_TEST(a_text_says_of_a_job_that_it_was_cancelled) {
  const char *text = cancellations[_i].text;
  ck_assert_int_eq(fc_text_says_cancelled(text, strlen(text)),
                   cancellations[_i].cancelled);
}
END_TEST

START_TEST(a_cancellation_is_read_up_to_its_length) {
  static const char text[] = "Agent was cancelled";
  for (size_t len = 0; len < sizeof(text) - 1; len++)
    ck_assert(!fc_text_says_cancelled(text, len));
}
END_TEST

START_TEST(a_delay_is_found_in_the_text) {
  int64_t seconds = 4711;
  bool found =
      fc_text_retry_after(delays[_i].text, strlen(delays[_i].text), &seconds);
  ck_assert_int_eq(found, delays[_i].seconds != NO_DELAY);
  ck_assert_int_eq(seconds, found ? delays[_i].seconds : 4711);
}
END_TEST

START_TEST(a_delay_that_is_broken_off_is_none) {
  static const char text[] = "please retry after 12.5ms";
  int64_t seconds;
  for (size_t len = 0; len < sizeof(text) - 1; len++)
    ck_assert(!fc_text_retry_after(text, len, &seconds));
  ck_assert(fc_text_retry_after(text, sizeof(text) - 1, &seconds));
}
END_TEST

START_TEST(a_delay_behind_a_nul_is_found) {
  int64_t seconds;
  ck_assert(fc_text_retry_after(LITERAL("x\0retry after 3s\0"), &seconds));
  ck_assert_int_eq(seconds, 3);
}
END_TEST

static void add_line_tests(TCase *tcase) {
  tcase_add_loop_test(tcase, a_text_becomes_one_safe_line, 0, LINES);
  tcase_add_loop_test(tcase, a_line_made_safe_stays_as_it_is, 0, LINES);
  tcase_add_loop_test(
      tcase, every_single_byte_becomes_itself_or_a_blank_or_a_mark, 0, 256);
  tcase_add_loop_test(tcase, a_line_is_cut_between_characters_at_every_size, 0,
                      CUTS);
  tcase_add_test(tcase, a_line_cut_at_every_byte_of_its_input_is_still_valid);
  tcase_add_test(tcase, blanks_at_the_end_do_not_make_a_line_too_long);
  tcase_add_test(tcase, a_mask_in_the_text_is_not_cut);
  tcase_add_test(tcase, no_room_writes_nothing);
  tcase_add_test(tcase, a_long_text_ends_in_an_ellipsis);
}

static void add_append_tests(TCase *tcase) {
  tcase_add_test(tcase, appended_texts_follow_each_other);
  tcase_add_test(tcase, an_append_that_just_fits_is_whole);
  tcase_add_loop_test(tcase,
                      an_append_is_cut_between_characters_and_is_the_last, 0,
                      APPEND_CUTS);
  tcase_add_loop_test(tcase, a_copy_is_cut_between_characters, 0, APPEND_CUTS);
  tcase_add_test(tcase, an_append_without_room_does_nothing);
}

static void add_number_tests(TCase *tcase) {
  tcase_add_loop_test(tcase, an_integer_is_the_whole_text_and_in_range, 0,
                      INTS);
  tcase_add_test(tcase, an_integer_ends_at_its_length);
  tcase_add_loop_test(tcase, a_delay_is_found_in_the_text, 0, DELAYS);
  tcase_add_loop_test(tcase, a_text_says_of_a_job_that_it_was_cancelled, 0,
                      (int)(sizeof(cancellations) / sizeof(cancellations[0])));
  tcase_add_test(tcase, a_cancellation_is_read_up_to_its_length);
  tcase_add_test(tcase, a_delay_that_is_broken_off_is_none);
  tcase_add_test(tcase, a_delay_behind_a_nul_is_found);
}

#define LONG "fc-01234567"
#define LONGER "fc-0123456789"
#define SHORT "k3y"
#define MASK FC_SECRET_MASK

static const struct fc_secret of_key[] = {
    {LITERAL(LONG)}, {LITERAL(LONGER)}, {LITERAL(SHORT)}, {LITERAL("a+")}};
static const struct fc_secret of_settings[] = {{LITERAL("p@ss/w%rd \"")},
                                               {LITERAL("Basic dXNlcjpw")},
                                               {LITERAL("who?knows")}};
static const struct fc_secrets more = {of_settings, COUNT_OF(of_settings),
                                       NULL};
static const struct fc_secrets secrets = {of_key, COUNT_OF(of_key), &more};

static const struct {
  const char *in, *out;
} masked[] = {
    {"", ""},
    {"nothing of it", "nothing of it"},
    {LONG, MASK},
    {" " LONG "\n", MASK},
    {"x" LONG "x", "x" MASK "x"},
    {"fc-0" LONG " fc-0123456", "fc-0" MASK " " MASK},
    {LONG LONG "." LONG, MASK MASK "." MASK},
    {"\xff" LONG "\xc3", "?" MASK "?"},
    {"FC-01234567", "FC-01234567"},
    {"fc-0123\n4567", "fc-0123 4567"},
    /* The longest counts. */
    {LONGER, MASK},
    {LONG "8", MASK},
    {LONG "8;", MASK "8;"},
    /* Its beginning, where the text ends. */
    {"fc-01234", MASK},
    {"fc-01234 ", "fc-01234"},
    {"fc-0123", "fc-0123"},
    /* JSON's escapes */
    {"\\u0066c\\u002D01234567", MASK},
    {"\\u0066c-0123456\\u00377", MASK "7"},
    {"\\u1066c-01234567", "\\u1066c-01234567"},
    {"\\fc-01234567", "\\" MASK},
    {"\\u0066c\\u002", "\\u0066c\\u002"},
    /* of the second list */
    {"proxy u:p@ss/w%rd \" down", "proxy u:" MASK " down"},
    /* percent-encoded, in whole or in part */
    {"u:p%40ss%2Fw%25rd%20%22@host", "u:" MASK "@host"},
    {"u:p%40ss%2fw%25rd+\"@host", "u:" MASK "@host"},
    {"%66%63%2D%30%31%32%33%34%35%36%37", MASK},
    {"%66c-01234%3", MASK},
    {"%66c-0123%3", "%66c-0123%3"},
    {"%66c-0123456%3x", "%66c-0123456%3x"},
    {"%67c-01234567", "%67c-01234567"},
    {"p\\u0040ss/w%rd \\\"", MASK},
    /* No blank becomes one of its own by being made safe. */
    {"Basic\ndXNlcjpw", MASK},
    {"Basic \t\x7f dXNlcjpw", MASK},
    {"BasicdXNlcjpw", "BasicdXNlcjpw"},
    {"Basic\xe2\x80\xa8\xc2\x85"
     "dXNlcjpw",
     MASK},
    {"Basic\\tdXNlcjpw", MASK},
    /* Nor does a mark. */
    {"who\xe2\x80\x8bknows who\xffknows who?knows", MASK " " MASK " " MASK},
    {"whoXknows", "whoXknows"},
    /* A cut escape is an end as well. */
    {"%66%63%2d%30%31%32%33%34%35%3", MASK},
    {"%66%63%2d%30%31%32%33%34%35%", MASK},
    {"%66%63%2d%30%31%3", "%66%63%2d%30%31%3"},
    {"\\u0066\\u0063-01234\\u003", MASK},
    {"fc-01234\\", MASK},
    /* A short one is a word. */
    {SHORT, MASK},
    {"\"" SHORT "\", (" SHORT ")", "\"" MASK "\", (" MASK ")"},
    {"x" SHORT " " SHORT "x _" SHORT " " SHORT "- 1" SHORT,
     "x" SHORT " " SHORT "x _" SHORT " " SHORT "- 1" SHORT},
    {"k3 k", "k3 k"},
    {"a+b +a+", MASK "b +" MASK},
    {"ba+", "ba+"},
};

START_TEST(a_secret_becomes_a_mask) {
  char out[256];
  const char *in = masked[_i].in;
  size_t len = fc_text_line_masked(&secrets, out, sizeof(out), in, strlen(in));
  ck_assert_str_eq(out, masked[_i].out);
  ck_assert_uint_eq(len, strlen(out));
}
END_TEST

START_TEST(a_mask_is_there_whole_or_not_at_all) {
  static const char in[] = "abc " LONG " def";
  static const char *const outs[] = {
      [1] = "",
      [4] = "...",
      [5] = "a...",
      [8] = "abc...",
      [15] = "abc...",
      [16] = "abc " MASK "...",
      [17] = "abc " MASK " def",
  };
  char out[32];
  for (size_t size = 0; size < COUNT_OF(outs); size++) {
    memset(out, 'x', sizeof(out));
    (void)fc_text_line_masked(&secrets, out, size, in, strlen(in));
    ck_assert_int_eq(out[size], 'x');
    ck_assert(!outs[size] || strcmp(out, outs[size]) == 0);
    ck_assert(!size || !strchr(out, '[') || strstr(out, MASK));
  }
}
END_TEST

/* libcurl has room for 255 bytes. */
START_TEST(the_end_of_a_long_text_may_be_a_part_of_a_secret) {
  char in[FC_SECRET_CUT], out[2 * FC_SECRET_CUT];
  memset(in, '.', sizeof(in));
  for (size_t part = 1; part < strlen(LONG); part++) {
    memcpy(in + sizeof(in) - part, LONG, part);
    size_t len =
        fc_text_line_masked(&secrets, out, sizeof(out), in, sizeof(in));
    ck_assert_uint_eq(len, sizeof(in) - part + strlen(MASK));
    ck_assert_str_eq(out + sizeof(in) - part, MASK);
    len =
        fc_text_line_masked(&secrets, out, sizeof(out), in + 1, sizeof(in) - 1);
    ck_assert_int_eq(strstr(out, MASK) != NULL, part >= FC_SECRET_LONG);
    ck_assert_uint_lt(len, sizeof(out));
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("text");
  TCase *tcase = tcase_create("text");
  add_line_tests(tcase);
  tcase_add_loop_test(tcase, a_secret_becomes_a_mask, 0, (int)COUNT_OF(masked));
  tcase_add_test(tcase, a_mask_is_there_whole_or_not_at_all);
  tcase_add_test(tcase, the_end_of_a_long_text_may_be_a_part_of_a_secret);
  add_append_tests(tcase);
  add_number_tests(tcase);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
