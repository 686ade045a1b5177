/* SPDX-License-Identifier: MIT */

#include "src/api/status.h"

#include "t/suite.h"

#include <limits.h>
#include <string.h>

#define LITERAL(text) text, sizeof(text) - 1

static const struct {
  const char *word;
  size_t len;
  enum fc_status status;
} words[] = {
    {LITERAL("completed"), FC_STATUS_COMPLETED},
    {LITERAL("processing"), FC_STATUS_PROCESSING},
    {LITERAL("scraping"), FC_STATUS_PROCESSING},
    {LITERAL("pending"), FC_STATUS_PROCESSING},
    {LITERAL("queued"), FC_STATUS_PROCESSING},
    {LITERAL("cancelled"), FC_STATUS_CANCELLED},
    {LITERAL("failed"), FC_STATUS_FAILED},
    {LITERAL(""), FC_STATUS_UNKNOWN},
    {LITERAL("Completed"), FC_STATUS_UNKNOWN},
    {LITERAL("FAILED"), FC_STATUS_UNKNOWN},
    {LITERAL("canceled"), FC_STATUS_UNKNOWN},
    {LITERAL("complete"), FC_STATUS_UNKNOWN},
    {LITERAL("completed "), FC_STATUS_UNKNOWN},
    {LITERAL(" failed"), FC_STATUS_UNKNOWN},
    {LITERAL("failed\0"), FC_STATUS_UNKNOWN},
    {LITERAL("failed\0x"), FC_STATUS_UNKNOWN},
    {LITERAL("lost"), FC_STATUS_UNKNOWN},
    {LITERAL("unknown"), FC_STATUS_UNKNOWN},
    {LITERAL("none"), FC_STATUS_UNKNOWN},
    {LITERAL("invalid"), FC_STATUS_UNKNOWN},
    {LITERAL("\xff"), FC_STATUS_UNKNOWN},
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

START_TEST(a_wire_word_means_its_status_byte_for_byte) {
  ck_assert_int_eq(fc_status_from_wire(words[_i].word, words[_i].len),
                   words[_i].status);
}
END_TEST

START_TEST(a_wire_word_need_not_end_where_its_buffer_does) {
  ck_assert_int_eq(fc_status_from_wire("failedly", strlen("failed")),
                   FC_STATUS_FAILED);
  ck_assert_int_eq(fc_status_from_wire("failed", strlen("fail")),
                   FC_STATUS_UNKNOWN);
}
END_TEST

static const struct {
  enum fc_status status;
  int code;
  const char *name;
  bool final;
} statuses[] = {
    {FC_STATUS_NONE, -1, "none", false},
    {FC_STATUS_COMPLETED, 0, "completed", true},
    {FC_STATUS_PROCESSING, 1, "processing", false},
    {FC_STATUS_CANCELLED, 2, "cancelled", true},
    {FC_STATUS_FAILED, 3, "failed", true},
    {FC_STATUS_LOST, 4, "lost", false},
    {FC_STATUS_UNKNOWN, 5, "unknown", false},
};
enum { STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

START_TEST(a_status_has_its_code_its_name_and_its_finality) {
  ck_assert_int_eq((int)statuses[_i].status, statuses[_i].code);
  ck_assert_str_eq(fc_status_name(statuses[_i].status), statuses[_i].name);
  ck_assert_int_eq(fc_status_is_final(statuses[_i].status), statuses[_i].final);
}
END_TEST

START_TEST(a_name_leads_back_to_its_status) {
  ck_assert_int_eq(fc_status_from_name(statuses[_i].name), statuses[_i].status);
}
END_TEST

static const char *const strange_names[] = {
    "", "Completed", "complete", "completed ", "scraping", "invalid", "5",
};
enum { STRANGE_NAMES = sizeof(strange_names) / sizeof(strange_names[0]) };

START_TEST(a_strange_name_is_no_status) {
  ck_assert_int_eq(fc_status_from_name(strange_names[_i]), FC_STATUS_NONE);
}
END_TEST

START_TEST(a_value_out_of_range_is_invalid_and_not_final) {
  static const int values[] = {-2, INT_MIN, FC_STATUS_COUNT, INT_MAX};
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    ck_assert_str_eq(fc_status_name((enum fc_status)values[i]), "invalid");
    ck_assert(!fc_status_is_final((enum fc_status)values[i]));
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("status");
  TCase *tcase = tcase_create("status");
  tcase_add_loop_test(tcase, a_wire_word_means_its_status_byte_for_byte, 0,
                      WORDS);
  tcase_add_test(tcase, a_wire_word_need_not_end_where_its_buffer_does);
  tcase_add_loop_test(tcase, a_status_has_its_code_its_name_and_its_finality, 0,
                      STATUSES);
  tcase_add_loop_test(tcase, a_name_leads_back_to_its_status, 0, STATUSES);
  tcase_add_loop_test(tcase, a_strange_name_is_no_status, 0, STRANGE_NAMES);
  tcase_add_test(tcase, a_value_out_of_range_is_invalid_and_not_final);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
