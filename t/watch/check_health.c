/* SPDX-License-Identifier: MIT */

/* When somebody has to hear of the API. */

#include "src/base/clock.h"
#include "src/watch/health.h"

#include "t/suite.h"

#include <stdbool.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PATIENCE_MS = 30000, EPOCH_S = 1764000000 };

static bool fail_at(struct fc_health *health, enum fc_cause cause,
                    const char *text, int64_t mono_ms) {
  return fc_health_failed(health, cause, text, mono_ms,
                          EPOCH_S + mono_ms / 1000);
}

START_TEST(nothing_is_known_before_the_first_request) {
  struct fc_health health = {.known = false};
  ck_assert(!fc_health_rested(&health));
  ck_assert_int_eq(fc_health_tick(&health, PATIENCE_MS, INT64_MAX - 1),
                   FC_PROBLEM_NONE);
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), FC_NEVER);
}
END_TEST

/* What api_up shows after some requests: '?' for no value. */
static const struct {
  const char *requests; /* (a)nswer, (f)ailure, (4)29, (n)o key, (r)est */
  char up;
} ups[] = {
    {"", '?'},    {"a", '1'},   {"4", '1'},   {"f", '?'},
    {"ff", '0'},  {"af", '1'},  {"aff", '1'}, {"ffa", '1'},
    {"ff4", '1'}, {"ar", '?'},  {"n", '?'},   {"nn", '?'},
    {"nf", '?'},  {"nff", '0'}, {"arf", '?'}, {"arff", '0'},
};

START_TEST(api_up_says_what_is_known) {
  struct fc_health health = {.known = false};
  for (const char *c = ups[_i].requests; *c; c++)
    switch (*c) {
    case 'a':
      (void)fc_health_answered(&health);
      break;
    case '4':
      (void)fc_health_paused(&health, 0, 0);
      break;
    case 'r':
      (void)fc_health_rested(&health);
      break;
    default:
      (void)fail_at(&health, *c == 'n' ? FC_CAUSE_NO_KEY : FC_CAUSE_OTHER, "no",
                    0);
      break;
    }
  ck_assert_int_eq(health.known ? health.up ? '1' : '0' : '?', ups[_i].up);
}
END_TEST

START_TEST(an_api_that_stays_down_is_reported_once_with_the_last_text) {
  struct fc_health health = {.known = false};
  ck_assert(!fail_at(&health, FC_CAUSE_OTHER, "timed out", 1000));
  ck_assert(!fail_at(&health, FC_CAUSE_OTHER, "refused", 20000));
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), 1000 + PATIENCE_MS);
  ck_assert_int_eq(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS + 999),
                   FC_PROBLEM_NONE);
  ck_assert_int_eq(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS + 1000),
                   FC_PROBLEM_API);
  ck_assert_int_eq(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS + 1001),
                   FC_PROBLEM_NONE);
  ck_assert_int_eq(health.failing_since_s, EPOCH_S + 1);
  ck_assert_str_eq(health.text, "refused");
  ck_assert(!fail_at(&health, FC_CAUSE_OTHER, "another", 50000));
  ck_assert_str_eq(health.text, "refused");
}
END_TEST

START_TEST(an_answer_ends_it) {
  struct fc_health health = {.known = false};
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", 0);
  ck_assert(!fc_health_answered(&health));
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), FC_NEVER);
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", 5000);
  ck_assert(fc_health_tick(&health, PATIENCE_MS, 5000 + PATIENCE_MS));
  ck_assert(health.known && !health.up);
  ck_assert(fc_health_answered(&health));
  ck_assert(!fc_health_answered(&health));
  ck_assert(health.up);
}
END_TEST

START_TEST(so_does_a_429_and_its_pause_does_not_count) {
  struct fc_health health = {.known = false};
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", 0);
  ck_assert(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS));
  ck_assert(fc_health_paused(&health, 100000, 40000));
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), FC_NEVER);
  /* Of a request that was under way. */
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", 40000);
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS),
                   100000 + PATIENCE_MS);
}
END_TEST

START_TEST(a_long_pause_is_known_by_its_end_or_by_many_of_them) {
  struct fc_health health = {.known = false};
  (void)fc_health_paused(&health, 29999, 0);
  ck_assert(!fc_health_is_paused_long(&health, PATIENCE_MS));
  (void)fc_health_paused(&health, 30000, 29999);
  ck_assert(fc_health_is_paused_long(&health, PATIENCE_MS));
  (void)fc_health_answered(&health);
  ck_assert(!fc_health_is_paused_long(&health, PATIENCE_MS));
  (void)fc_health_paused(&health, 100000, 60000);
  ck_assert(fc_health_is_paused_long(&health, PATIENCE_MS));
}
END_TEST

/* A 401 at each of these, in ms; the file is read anew before the second. */
static const struct {
  int64_t mono_ms[3];
  bool read;
  int reported; /* by which; 0: none */
} rejections[] = {
    {{1, 10000, 10000}, true, 0},
    {{1, 10001, 10002}, true, 2},
    {{1, 5000, 10001}, true, 3},
    {{1, 10001, 20001}, false, 0},
};

START_TEST(a_key_is_rejected_by_two_401s_ten_seconds_apart) {
  struct fc_health health = {.known = false};
  int reported = 0;
  for (int i = 0; i < 3; i++) {
    if (fail_at(&health, FC_CAUSE_REJECTED, "rejected",
                rejections[_i].mono_ms[i]) &&
        !reported)
      reported = i + 1;
    if (rejections[_i].read)
      fc_health_key_read(&health);
  }
  ck_assert_int_eq(reported, rejections[_i].reported);
  ck_assert(!reported || (health.known && !health.up &&
                          health.problem == FC_PROBLEM_KEY_REJECTED));
}
END_TEST

static void reject(struct fc_health *health, int64_t mono_ms) {
  ck_assert(!fail_at(health, FC_CAUSE_REJECTED, "rejected", mono_ms));
  fc_health_key_read(health);
  ck_assert(fail_at(health, FC_CAUSE_REJECTED, "rejected again",
                    mono_ms + FC_HEALTH_REJECTED_MS));
}

START_TEST(a_rejected_key_is_reported_once_and_no_429_ends_it) {
  struct fc_health health = {.known = false};
  reject(&health, 0);
  ck_assert(!fail_at(&health, FC_CAUSE_REJECTED, "rejected", 99999));
  ck_assert_str_eq(health.text, "rejected again");
  ck_assert(!fc_health_tick(&health, PATIENCE_MS, 10 * PATIENCE_MS));
  ck_assert(!fc_health_paused(&health, 0, 0));
  ck_assert(!health.up);
  ck_assert(fc_health_answered(&health));
}
END_TEST

START_TEST(an_answer_or_a_new_key_between_two_401s_starts_anew) {
  struct fc_health health = {.known = false};
  ck_assert(!fail_at(&health, FC_CAUSE_REJECTED, "rejected", 0));
  fc_health_key_read(&health);
  if (_i)
    fc_health_key_changed(&health);
  else
    (void)fc_health_answered(&health);
  reject(&health, 20000);
}
END_TEST

START_TEST(a_rejected_key_goes_before_an_unusable_api) {
  struct fc_health health = {.known = false};
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", 0);
  ck_assert(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS));
  reject(&health, PATIENCE_MS + 1);
  ck_assert_int_eq(health.problem, FC_PROBLEM_KEY_REJECTED);
  ck_assert_str_eq(health.text, "rejected again");
  ck_assert_int_eq(health.failing_since_s, EPOCH_S);
}
END_TEST

static const struct {
  enum fc_cause cause;
  enum fc_problem problem;
} lasting[] = {
    {FC_CAUSE_OTHER, FC_PROBLEM_API},
    {FC_CAUSE_REFUSED, FC_PROBLEM_KEY_REJECTED},
    {FC_CAUSE_REJECTED, FC_PROBLEM_API},
    {FC_CAUSE_NO_KEY, FC_PROBLEM_KEY_MISSING},
};

START_TEST(what_lasts_is_a_problem_by_its_last_cause) {
  struct fc_health health = {.known = false};
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", 0);
  (void)fail_at(&health, lasting[_i].cause, "why", 1);
  ck_assert_int_eq(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS),
                   lasting[_i].problem);
  ck_assert(health.known && !health.up);
}
END_TEST

START_TEST(a_key_that_comes_ends_the_waiting_for_it) {
  struct fc_health health = {.known = false};
  (void)fail_at(&health, FC_CAUSE_NO_KEY, "no file", 0);
  fc_health_key_changed(&health);
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), FC_NEVER);
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", PATIENCE_MS - 1);
  ck_assert(!fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS));
}
END_TEST

START_TEST(rest_ends_it_too) {
  struct fc_health health = {.known = false};
  (void)fail_at(&health, FC_CAUSE_OTHER, "timed out", 0);
  ck_assert(!fc_health_rested(&health));
  reject(&health, 1);
  ck_assert(fc_health_rested(&health));
  ck_assert(!fc_health_rested(&health));
  ck_assert(!health.known);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("health");
  TCase *tests = tcase_create("health");
  tcase_add_test(tests, nothing_is_known_before_the_first_request);
  tcase_add_loop_test(tests, api_up_says_what_is_known, 0, COUNT(ups));
  tcase_add_test(tests,
                 an_api_that_stays_down_is_reported_once_with_the_last_text);
  tcase_add_test(tests, an_answer_ends_it);
  tcase_add_test(tests, so_does_a_429_and_its_pause_does_not_count);
  tcase_add_test(tests, a_long_pause_is_known_by_its_end_or_by_many_of_them);
  tcase_add_loop_test(tests, a_key_is_rejected_by_two_401s_ten_seconds_apart, 0,
                      COUNT(rejections));
  tcase_add_test(tests, a_rejected_key_is_reported_once_and_no_429_ends_it);
  tcase_add_loop_test(
      tests, an_answer_or_a_new_key_between_two_401s_starts_anew, 0, 2);
  tcase_add_test(tests, a_rejected_key_goes_before_an_unusable_api);
  tcase_add_loop_test(tests, what_lasts_is_a_problem_by_its_last_cause, 0,
                      COUNT(lasting));
  tcase_add_test(tests, a_key_that_comes_ends_the_waiting_for_it);
  tcase_add_test(tests, rest_ends_it_too);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
