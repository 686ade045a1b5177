/* SPDX-License-Identifier: MIT */

#include "src/api/name.h"

#include "t/suite.h"

#include <stdio.h>
#include <string.h>

#define LITERAL(text) text, sizeof(text) - 1

/* Which of the three rules accept each single byte. */
START_TEST(every_byte_is_judged_by_the_three_rules) {
  char byte = (char)_i;
  bool alnum = (_i >= '0' && _i <= '9') || (_i >= 'A' && _i <= 'Z') ||
               (_i >= 'a' && _i <= 'z');
  bool id = alnum || _i == '_' || _i == '-';
  ck_assert_int_eq(fc_id_valid(&byte, 1), id);
  ck_assert_int_eq(fc_name_valid(&byte, 1), id || _i == '.');
  ck_assert_int_eq(fc_key_valid(&byte, 1), _i >= 0x21 && _i <= 0x7e);
}
END_TEST

static const struct {
  const char *text;
  size_t len;
  bool id, name, key;
} texts[] = {
    {LITERAL("0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b11"), true, true, true},
    {LITERAL("nightly-prices"), true, true, true},
    {LITERAL("a.b"), false, true, true},
    {LITERAL(".."), false, true, true},
    {LITERAL(""), false, false, false},
    {LITERAL("/../../admin"), false, false, true},
    {LITERAL("a/b"), false, false, true},
    {LITERAL("a%2fb"), false, false, true},
    {LITERAL("a?x=1"), false, false, true},
    {LITERAL("a#b"), false, false, true},
    {LITERAL("a b"), false, false, false},
    {LITERAL("a\r\nX: y"), false, false, false},
    {LITERAL("a\n"), false, false, false},
    {LITERAL("a\0b"), false, false, false},
    {LITERAL("a\0"), false, false, false},
    {LITERAL("caf\xc3\xa9"), false, false, false},
    {LITERAL("fc-0123456789abcdef"), true, true, true},
    {LITERAL("fco_x"), true, true, true},
    {LITERAL("!~"), false, false, true},
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

START_TEST(a_text_is_judged_whole) {
  ck_assert_int_eq(fc_id_valid(texts[_i].text, texts[_i].len), texts[_i].id);
  ck_assert_int_eq(fc_name_valid(texts[_i].text, texts[_i].len),
                   texts[_i].name);
  ck_assert_int_eq(fc_key_valid(texts[_i].text, texts[_i].len), texts[_i].key);
}
END_TEST

static const struct {
  bool (*valid)(const char *text, size_t len);
  size_t max;
} limits[] = {
    {fc_id_valid, FC_ID_MAX},
    {fc_name_valid, FC_NAME_MAX},
    {fc_key_valid, FC_KEY_MAX},
};
enum { LIMITS = sizeof(limits) / sizeof(limits[0]) };

START_TEST(the_longest_text_is_accepted_and_no_longer_one) {
  char text[FC_KEY_MAX + 1];
  memset(text, 'a', sizeof(text));
  ck_assert(limits[_i].valid(text, 1));
  ck_assert(limits[_i].valid(text, limits[_i].max));
  ck_assert(!limits[_i].valid(text, limits[_i].max + 1));
}
END_TEST

/* What the rules say in words is what they do. */
START_TEST(the_words_of_a_rule_give_its_limit) {
  static const struct {
    const char *rule;
    size_t max;
  } rules[] = {
      {FC_ID_RULE, FC_ID_MAX},
      {FC_NAME_RULE, FC_NAME_MAX},
      {FC_KEY_RULE, FC_KEY_MAX},
  };
  for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
    char begin[32];
    (void)snprintf(begin, sizeof(begin), "1 to %zu ", rules[i].max);
    ck_assert_int_eq(strncmp(rules[i].rule, begin, strlen(begin)), 0);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("name");
  TCase *tcase = tcase_create("name");
  tcase_add_loop_test(tcase, every_byte_is_judged_by_the_three_rules, 0, 256);
  tcase_add_loop_test(tcase, a_text_is_judged_whole, 0, TEXTS);
  tcase_add_loop_test(tcase, the_longest_text_is_accepted_and_no_longer_one, 0,
                      LIMITS);
  tcase_add_test(tcase, the_words_of_a_rule_give_its_limit);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
