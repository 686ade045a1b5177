/* SPDX-License-Identifier: MIT */

#include "src/base/throttle.h"

#include "t/suite.h"

enum { EVERY_MS = 10000, START_MS = 500 };

static const struct fc_throttle_rule rule = {1, EVERY_MS};
static struct fc_throttle throttle;
static size_t left_out;

static bool pass(int64_t at_ms) {
  left_out = 99;
  return fc_throttle_pass(&throttle, &rule, START_MS + at_ms, &left_out);
}

static size_t rest(int64_t at_ms) {
  return fc_throttle_rest(&throttle, &rule, START_MS + at_ms);
}

static void set_up(void) { throttle = (struct fc_throttle){0}; }

START_TEST(the_first_is_said_and_the_others_are_counted) {
  ck_assert(pass(0));
  ck_assert_uint_eq(left_out, 0);
  ck_assert(!pass(0));
  ck_assert(!pass(EVERY_MS - 1));
  ck_assert(pass(EVERY_MS));
  ck_assert_uint_eq(left_out, 2);
  ck_assert(!pass(EVERY_MS + 1));
  ck_assert(pass(3 * EVERY_MS));
  ck_assert_uint_eq(left_out, 1);
}
END_TEST

START_TEST(what_was_left_out_is_said_though_nothing_more_happens) {
  ck_assert_uint_eq(rest(0), 0);
  ck_assert(pass(0));
  ck_assert_uint_eq(rest(2 * EVERY_MS), 0);
  ck_assert(pass(2 * EVERY_MS));
  ck_assert(!pass(2 * EVERY_MS));
  fc_throttle_leave_out(&throttle);
  ck_assert_uint_eq(rest(3 * EVERY_MS - 1), 0);
  ck_assert_uint_eq(rest(3 * EVERY_MS), 2);
  ck_assert_uint_eq(rest(5 * EVERY_MS), 0);
  ck_assert(pass(5 * EVERY_MS));
  ck_assert_uint_eq(left_out, 0);
}
END_TEST

/* That it was said counts as well. */
START_TEST(what_was_left_out_is_not_said_more_often_than_the_rest) {
  fc_throttle_leave_out(&throttle);
  ck_assert_uint_eq(rest(0), 1);
  ck_assert(!pass(EVERY_MS - 1));
  ck_assert_uint_eq(rest(EVERY_MS), 1);
}
END_TEST

START_TEST(several_may_be_said_in_a_period) {
  static const struct fc_throttle_rule three = {3, EVERY_MS};
  for (int i = 0; i < 3; i++) {
    ck_assert(fc_throttle_is_open(&throttle, &three, i));
    ck_assert(fc_throttle_pass(&throttle, &three, i, &left_out));
  }
  ck_assert(!fc_throttle_is_open(&throttle, &three, EVERY_MS - 1));
  ck_assert(!fc_throttle_pass(&throttle, &three, EVERY_MS - 1, &left_out));
  ck_assert(fc_throttle_is_open(&throttle, &three, EVERY_MS));
  ck_assert(fc_throttle_pass(&throttle, &three, EVERY_MS, &left_out));
  ck_assert_uint_eq(left_out, 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("throttle");
  TCase *tests = tcase_create("throttle");
  tcase_add_checked_fixture(tests, set_up, NULL);
  tcase_add_test(tests, the_first_is_said_and_the_others_are_counted);
  tcase_add_test(tests, what_was_left_out_is_said_though_nothing_more_happens);
  tcase_add_test(tests, what_was_left_out_is_not_said_more_often_than_the_rest);
  tcase_add_test(tests, several_may_be_said_in_a_period);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
