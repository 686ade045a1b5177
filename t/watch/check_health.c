/* SPDX-License-Identifier: MIT */

/* When somebody has to hear of the API. */

#include "src/base/clock.h"
#include "src/watch/health.h"

#include "t/suite.h"

#include <stdbool.h>

enum { PATIENCE_MS = 30000, EPOCH_S = 1764000000 };

static bool fail_at(struct fc_health *health, const char *text, bool rejected,
                    int64_t mono_ms) {
  return fc_health_failed(health, text, rejected, mono_ms,
                          EPOCH_S + mono_ms / 1000);
}

START_TEST(nothing_is_known_before_the_first_request) {
  struct fc_health health = {.heard = false};
  ck_assert(!fc_health_rested(&health));
  ck_assert(!fc_health_tick(&health, PATIENCE_MS, INT64_MAX - 1));
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), FC_NEVER);
}
END_TEST

START_TEST(an_api_that_stays_down_is_reported_once_with_the_first_text) {
  struct fc_health health = {.heard = false};
  ck_assert(!fail_at(&health, "timed out", false, 1000));
  ck_assert(health.heard && health.down && !health.up);
  ck_assert(!fail_at(&health, "refused", false, 20000));
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), 1000 + PATIENCE_MS);
  ck_assert(!fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS + 999));
  ck_assert(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS + 1000));
  ck_assert(!fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS + 1001));
  ck_assert_int_eq(health.down_since_s, EPOCH_S + 1);
  ck_assert_str_eq(health.text, "refused");
  ck_assert(!fail_at(&health, "another", false, 50000));
  ck_assert_str_eq(health.text, "refused");
}
END_TEST

START_TEST(an_answer_ends_it) {
  struct fc_health health = {.heard = false};
  (void)fail_at(&health, "timed out", false, 0);
  ck_assert(!fc_health_answered(&health));
  ck_assert_int_eq(fc_health_due_ms(&health, PATIENCE_MS), FC_NEVER);
  (void)fail_at(&health, "timed out", false, 5000);
  ck_assert(fc_health_tick(&health, PATIENCE_MS, 5000 + PATIENCE_MS));
  ck_assert(fc_health_answered(&health));
  ck_assert(!fc_health_answered(&health));
  ck_assert(health.up);
}
END_TEST

START_TEST(a_rejected_key_is_reported_at_once_and_once) {
  struct fc_health health = {.heard = false};
  ck_assert(fail_at(&health, "rejected", true, 0));
  ck_assert(!fail_at(&health, "rejected again", true, 1));
  ck_assert_str_eq(health.text, "rejected");
  ck_assert(!fc_health_tick(&health, PATIENCE_MS, 10 * PATIENCE_MS));
}
END_TEST

START_TEST(a_rejected_key_goes_before_an_unusable_api) {
  struct fc_health health = {.heard = false};
  (void)fail_at(&health, "timed out", false, 0);
  ck_assert(fc_health_tick(&health, PATIENCE_MS, PATIENCE_MS));
  ck_assert(fail_at(&health, "rejected", true, PATIENCE_MS + 1));
  ck_assert_int_eq(health.problem, FC_PROBLEM_KEY);
  ck_assert_str_eq(health.text, "rejected");
  ck_assert_int_eq(health.down_since_s, EPOCH_S);
}
END_TEST

START_TEST(rest_ends_it_too) {
  struct fc_health health = {.heard = false};
  (void)fail_at(&health, "timed out", false, 0);
  ck_assert(!fc_health_rested(&health));
  ck_assert(!health.heard);
  (void)fail_at(&health, "rejected", true, 1);
  ck_assert(fc_health_rested(&health));
  ck_assert(!fc_health_rested(&health));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("health");
  TCase *tests = tcase_create("health");
  tcase_add_test(tests, nothing_is_known_before_the_first_request);
  tcase_add_test(tests,
                 an_api_that_stays_down_is_reported_once_with_the_first_text);
  tcase_add_test(tests, an_answer_ends_it);
  tcase_add_test(tests, a_rejected_key_is_reported_at_once_and_once);
  tcase_add_test(tests, a_rejected_key_goes_before_an_unusable_api);
  tcase_add_test(tests, rest_ends_it_too);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
