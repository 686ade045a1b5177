/* SPDX-License-Identifier: MIT */

#include "src/watch/event.h"

#include "t/suite.h"

#include <stdio.h>
#include <string.h>

static struct fc_event job_event(enum fc_event_type type, const char *text) {
  struct fc_event event = {
      .type = type, .kind = FC_KIND_EXTRACT, .start_s = 1764000000};
  strcpy(event.id, "0199d3a2");
  strcpy(event.name, "nightly-prices");
  strncat(event.text, text, sizeof(event.text) - 1);
  return event;
}

static const struct {
  enum fc_event_type type;
  enum fc_severity severity;
  const char *message;
} rows[] = {
    {FC_EVENT_LOST, FC_SEVERITY_WARNING, "lost"},
    {FC_EVENT_STALLED, FC_SEVERITY_WARNING, "stalled"},
    {FC_EVENT_FOUND, FC_SEVERITY_OKAY, "found again"},
    {FC_EVENT_FAILED, FC_SEVERITY_FAILURE, "failed"},
    {FC_EVENT_CANCELLED, FC_SEVERITY_WARNING, "cancelled"},
    {FC_EVENT_COMPLETED, FC_SEVERITY_OKAY, "completed"},
    {FC_EVENT_EXPIRES, FC_SEVERITY_WARNING, "expires soon"},
};

START_TEST(an_event_of_a_job_names_it) {
  char message[FC_EVENT_MESSAGE_SIZE], wanted[FC_EVENT_MESSAGE_SIZE];
  struct fc_event event = job_event(rows[_i].type, "the reason");
  (void)snprintf(wanted, sizeof(wanted),
                 "extract nightly-prices (0199d3a2) %s: the reason",
                 rows[_i].message);
  ck_assert_str_eq(fc_event_message(&event, message), wanted);
  ck_assert_int_eq(fc_event_severity(rows[_i].type), rows[_i].severity);
}
END_TEST

START_TEST(every_event_has_a_name_and_a_severity_of_its_own_kind) {
  ck_assert_ptr_nonnull(fc_event_name((enum fc_event_type)_i));
  ck_assert_int_le(fc_event_severity((enum fc_event_type)_i), FC_SEVERITY_OKAY);
  for (int other = 0; other < _i; other++)
    ck_assert_str_ne(fc_event_name((enum fc_event_type)_i),
                     fc_event_name((enum fc_event_type)other));
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters) {
  char message[FC_EVENT_MESSAGE_SIZE], text[FC_ERROR_TEXT_SIZE] = "";
  for (int i = 0; i < _i; i++)
    strcat(text, "x");
  while (strlen(text) + 3 < sizeof(text))
    strcat(text, "\xe2\x82\xac");
  struct fc_event event = job_event(FC_EVENT_FAILED, text);
  size_t len = strlen(fc_event_message(&event, message));
  ck_assert_uint_le(len, FC_EVENT_MESSAGE_SIZE - 1);
  ck_assert_uint_ge(len, FC_EVENT_MESSAGE_SIZE - 4);
  size_t at = len;
  while (at && (message[at - 1] & 0xc0) == 0x80)
    at--;
  ck_assert_msg(len - at == 2 || (message[len - 1] & 0x80) == 0,
                "the last character is not whole");
}
END_TEST

START_TEST(the_key_is_the_same_for_the_same_end_of_the_same_job) {
  char one[FC_EVENT_KEY_SIZE], two[FC_EVENT_KEY_SIZE];
  struct fc_event event = job_event(FC_EVENT_FAILED, "no");
  ck_assert_str_eq(fc_event_key(&event, one), "extract/0199d3a2/failed");
  event.start_s = 99;
  event.round = 1;
  event.possible_duplicate = true;
  ck_assert_str_eq(fc_event_key(&event, two), one);
  event.kind = FC_KIND_AGENT;
  ck_assert_str_ne(fc_event_key(&event, two), one);
}
END_TEST

START_TEST(the_key_of_a_later_round_says_which) {
  char key[FC_EVENT_KEY_SIZE];
  struct fc_event event = job_event(FC_EVENT_FAILED, "no");
  event.round = 2;
  ck_assert_str_eq(fc_event_key(&event, key), "extract/0199d3a2/failed/2");
  event.round = UINT16_MAX;
  ck_assert_str_eq(fc_event_key(&event, key), "extract/0199d3a2/failed/65535");
}
END_TEST

START_TEST(the_key_of_the_instances_own_event_has_its_time) {
  char key[FC_EVENT_KEY_SIZE];
  struct fc_event event = {.type = FC_EVENT_API_UNUSABLE,
                           .kind = FC_KIND_COUNT,
                           .start_s = 1764000000};
  ck_assert_str_eq(fc_event_key(&event, key), "api_unusable/1764000000");
  event.type = FC_EVENT_ENDPOINT_GONE;
  event.kind = FC_KIND_CRAWL;
  ck_assert_str_eq(fc_event_key(&event, key), "crawl/endpoint_gone/1764000000");
}
END_TEST

START_TEST(an_event_of_the_instance_stands_alone) {
  char message[FC_EVENT_MESSAGE_SIZE];
  struct fc_event event = {.type = FC_EVENT_API_USABLE, .kind = FC_KIND_COUNT};
  ck_assert_str_eq(fc_event_message(&event, message), "API usable again");
  event.type = FC_EVENT_ENDPOINT_GONE;
  event.kind = FC_KIND_CRAWL;
  ck_assert_str_eq(fc_event_message(&event, message), "crawl endpoint gone");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("event");
  TCase *tests = tcase_create("event");
  tcase_add_loop_test(tests, an_event_of_a_job_names_it, 0,
                      sizeof(rows) / sizeof(rows[0]));
  tcase_add_loop_test(tests,
                      every_event_has_a_name_and_a_severity_of_its_own_kind, 0,
                      FC_EVENT_COUNT);
  tcase_add_loop_test(tests, a_long_message_is_cut_between_characters, 0, 3);
  tcase_add_test(tests, the_key_is_the_same_for_the_same_end_of_the_same_job);
  tcase_add_test(tests, the_key_of_a_later_round_says_which);
  tcase_add_test(tests, the_key_of_the_instances_own_event_has_its_time);
  tcase_add_test(tests, an_event_of_the_instance_stands_alone);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
