/* SPDX-License-Identifier: MIT */

#include "src/base/clock.h"
#include "src/watch/schedule.h"

#include "t/suite.h"

enum { INTERVAL_MS = 10000, START_MS = 1000000 };

static struct fc_schedule make(int64_t concurrency, int64_t per_minute) {
  struct fc_schedule schedule;
  struct fc_schedule_limits limits = {INTERVAL_MS, concurrency, per_minute};
  ck_assert_int_eq(fc_schedule_init(&schedule, &limits, 7), FC_OK);
  return schedule;
}

static bool open_now(const struct fc_schedule *schedule, int64_t now_ms) {
  return fc_schedule_open_ms(schedule) <= now_ms;
}

/* One request that ends at once. */
static bool request(struct fc_schedule *schedule, enum fc_outcome outcome,
                    int64_t retry_after_s, int64_t now_ms) {
  fc_schedule_started(schedule, now_ms);
  return fc_schedule_ended(schedule, outcome, retry_after_s, now_ms, now_ms);
}

START_TEST(no_more_than_max_concurrency_are_in_flight) {
  struct fc_schedule schedule = make(3, 0);
  for (int i = 0; i < 3; i++) {
    ck_assert(open_now(&schedule, START_MS));
    fc_schedule_started(&schedule, START_MS);
  }
  ck_assert_int_eq(fc_schedule_open_ms(&schedule), FC_NEVER);
  (void)fc_schedule_ended(&schedule, FC_OUTCOME_ANSWER, -1, START_MS,
                          START_MS + 5);
  ck_assert(open_now(&schedule, START_MS + 5));
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(the_budget_holds_in_any_minute) {
  enum { BUDGET = 40, STARTS = 2000 };
  struct fc_schedule schedule = make(32, BUDGET);
  int64_t starts[STARTS], now_ms = START_MS;
  uint64_t random = 1;
  for (int i = 0; i < STARTS; i++) {
    random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
    now_ms += (int64_t)(random >> 33) % 1000;
    if (!open_now(&schedule, now_ms))
      now_ms = fc_schedule_open_ms(&schedule);
    (void)request(&schedule, FC_OUTCOME_ANSWER, -1, now_ms);
    starts[i] = now_ms;
  }
  for (int i = BUDGET; i < STARTS; i++)
    ck_assert_int_ge(starts[i] - starts[i - BUDGET], FC_SCHEDULE_WINDOW_MS);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(with_a_short_budget_no_job_waits_for_the_next_burst) {
  enum { BUDGET = 600, JOBS = 1000, STARTS = 5000, AT_ONCE = BUDGET / 10 };
  struct fc_schedule schedule = make(32, BUDGET);
  int64_t starts[STARTS], now_ms = START_MS;
  for (int i = 0; i < STARTS; i++) {
    if (!open_now(&schedule, now_ms))
      now_ms = fc_schedule_open_ms(&schedule);
    (void)request(&schedule, FC_OUTCOME_ANSWER, -1, now_ms);
    starts[i] = now_ms;
  }
  ck_assert_int_eq(starts[AT_ONCE - 1], START_MS);
  for (int i = JOBS; i < STARTS; i++)
    ck_assert_int_le(starts[i] - starts[i - JOBS],
                     JOBS * FC_SCHEDULE_WINDOW_MS / BUDGET + INTERVAL_MS);
  fc_schedule_release(&schedule);
}
END_TEST

static const struct {
  int64_t retry_after_s;
  int64_t least_ms, most_ms;
} pauses[] = {
    {-1, 30000, 30000}, {5, 5000, 5000},          {0, 1000, 1000},
    {1, 1000, 1000},    {3600, 3600000, 3600000},
};

START_TEST(a_429_pauses_all_requests) {
  struct fc_schedule schedule = make(32, 0);
  (void)request(&schedule, FC_OUTCOME_RATE_LIMIT, pauses[_i].retry_after_s,
                START_MS);
  int64_t pause_ms = fc_schedule_open_ms(&schedule) - START_MS;
  ck_assert_int_ge(pause_ms, pauses[_i].least_ms);
  ck_assert_int_le(pause_ms, pauses[_i].most_ms);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_429_that_says_at_once_again_and_again_is_not_believed) {
  struct fc_schedule schedule = make(32, 0);
  int64_t now_ms = START_MS, last_ms = 0;
  for (int i = 0; i < 12; i++) {
    (void)request(&schedule, FC_OUTCOME_RATE_LIMIT, 0, now_ms);
    int64_t pause_ms = fc_schedule_open_ms(&schedule) - now_ms;
    ck_assert_int_ge(pause_ms, last_ms);
    ck_assert_int_le(pause_ms, FC_SCHEDULE_PAUSE_MAX_MS);
    last_ms = pause_ms;
    now_ms += pause_ms;
  }
  ck_assert_int_ge(last_ms, 60000);
  (void)request(&schedule, FC_OUTCOME_ANSWER, -1, now_ms);
  (void)request(&schedule, FC_OUTCOME_RATE_LIMIT, 0, now_ms);
  ck_assert_int_eq(fc_schedule_open_ms(&schedule) - now_ms, 1000);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(five_failures_in_a_row_close_the_gate) {
  struct fc_schedule schedule = make(32, 0);
  for (int i = 0; i < FC_SCHEDULE_FAILURES - 1; i++)
    (void)request(&schedule, FC_OUTCOME_FAILURE, -1, START_MS);
  ck_assert(open_now(&schedule, START_MS));
  (void)request(&schedule, FC_OUTCOME_FAILURE, -1, START_MS);
  ck_assert(!open_now(&schedule, START_MS + INTERVAL_MS - 1));
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_valid_answer_between_them_keeps_it_open) {
  struct fc_schedule schedule = make(32, 0);
  for (int i = 0; i < 50; i++) {
    enum fc_outcome outcome =
        i % 5 == 4 ? FC_OUTCOME_ANSWER : FC_OUTCOME_FAILURE;
    ck_assert(open_now(&schedule, START_MS));
    ck_assert(!request(&schedule, outcome, -1, START_MS));
  }
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_closed_gate_lets_one_probe_through_after_growing_pauses) {
  struct fc_schedule schedule = make(32, 0);
  int64_t now_ms = START_MS, probes = 0;
  for (int i = 0; i < FC_SCHEDULE_FAILURES; i++)
    (void)request(&schedule, FC_OUTCOME_FAILURE, -1, now_ms);
  while (now_ms < START_MS + 3600 * 1000) {
    now_ms = fc_schedule_open_ms(&schedule);
    fc_schedule_started(&schedule, now_ms);
    ck_assert_int_eq(fc_schedule_open_ms(&schedule), FC_NEVER);
    (void)fc_schedule_ended(&schedule, FC_OUTCOME_FAILURE, -1, now_ms, now_ms);
    int64_t pause_ms = fc_schedule_open_ms(&schedule) - now_ms;
    ck_assert_int_le(pause_ms, FC_SCHEDULE_PAUSE_MAX_MS);
    ck_assert_int_ge(pause_ms, INTERVAL_MS);
    if (++probes > 8)
      ck_assert_int_ge(pause_ms, FC_SCHEDULE_PAUSE_MAX_MS / 2);
  }
  ck_assert_int_lt(probes, 35);
  ck_assert(request(&schedule, FC_OUTCOME_ANSWER, -1, now_ms));
  ck_assert(open_now(&schedule, now_ms));
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(requests_under_way_when_the_gate_closes_count_once) {
  struct fc_schedule schedule = make(32, 0);
  for (int i = 0; i < 32; i++)
    fc_schedule_started(&schedule, START_MS);
  for (int i = 0; i < 32; i++)
    (void)fc_schedule_ended(&schedule, FC_OUTCOME_FAILURE, -1, START_MS,
                            START_MS + 100);
  ck_assert_int_le(fc_schedule_open_ms(&schedule),
                   START_MS + 100 + 2 * INTERVAL_MS);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(requests_of_the_moment_in_which_the_gate_closes_count_once) {
  struct fc_schedule schedule = make(32, 0);
  enum fc_outcome outcome = _i ? FC_OUTCOME_REJECTED : FC_OUTCOME_FAILURE;
  for (int i = 0; i < 32; i++)
    fc_schedule_started(&schedule, START_MS);
  for (int i = 0; i < 32; i++)
    (void)fc_schedule_ended(&schedule, outcome, -1, START_MS, START_MS);
  ck_assert(fc_schedule_is_closed(&schedule));
  ck_assert_int_le(fc_schedule_open_ms(&schedule), START_MS + 2 * INTERVAL_MS);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_late_answer_opens_the_gate) {
  struct fc_schedule schedule = make(32, 0);
  fc_schedule_started(&schedule, START_MS);
  for (int i = 0; i < FC_SCHEDULE_FAILURES; i++)
    (void)request(&schedule, FC_OUTCOME_FAILURE, -1, START_MS);
  ck_assert(fc_schedule_is_closed(&schedule));
  ck_assert(fc_schedule_ended(&schedule, FC_OUTCOME_ANSWER, -1, START_MS,
                              START_MS + 900));
  ck_assert(!fc_schedule_is_closed(&schedule));
  ck_assert(open_now(&schedule, START_MS + 900));
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_probe_that_gets_a_429_leaves_the_gate_closed) {
  struct fc_schedule schedule = make(32, 0);
  for (int i = 0; i < FC_SCHEDULE_FAILURES; i++)
    (void)request(&schedule, FC_OUTCOME_FAILURE, -1, START_MS);
  int64_t now_ms = fc_schedule_open_ms(&schedule);
  (void)request(&schedule, FC_OUTCOME_RATE_LIMIT, 77, now_ms);
  ck_assert(fc_schedule_is_closed(&schedule));
  ck_assert_int_eq(fc_schedule_open_ms(&schedule), now_ms + 77000);
  now_ms += 77000;
  fc_schedule_started(&schedule, now_ms);
  ck_assert_int_eq(fc_schedule_open_ms(&schedule), FC_NEVER);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_429_is_no_failure_and_a_short_one_shortens_no_pause) {
  struct fc_schedule schedule = make(32, 0);
  for (int i = 0; i < 32; i++)
    fc_schedule_started(&schedule, START_MS);
  for (int i = 0; i < 32; i++)
    (void)fc_schedule_ended(&schedule, FC_OUTCOME_RATE_LIMIT, i ? 1 : 23,
                            START_MS, START_MS + i);
  ck_assert(!fc_schedule_is_closed(&schedule));
  ck_assert_int_eq(fc_schedule_open_ms(&schedule), START_MS + 23000);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_rejected_key_closes_the_gate_and_a_new_one_is_tried_at_once) {
  struct fc_schedule schedule = make(32, 0);
  (void)request(&schedule, FC_OUTCOME_REJECTED, -1, START_MS);
  ck_assert(!open_now(&schedule, START_MS + 1));
  fc_schedule_key_changed(&schedule, START_MS + 1);
  ck_assert(open_now(&schedule, START_MS + 1));
  fc_schedule_started(&schedule, START_MS + 1);
  ck_assert_int_eq(fc_schedule_open_ms(&schedule), FC_NEVER);
  (void)fc_schedule_ended(&schedule, FC_OUTCOME_REJECTED, -1, START_MS + 1,
                          START_MS + 2);
  ck_assert(!open_now(&schedule, START_MS + INTERVAL_MS));
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(pauses_double_up_to_their_limit_with_jitter_above_the_half) {
  struct fc_schedule schedule = make(32, 0);
  for (unsigned failures = 1; failures < 40; failures++) {
    int64_t whole_ms = INTERVAL_MS;
    for (unsigned i = 0; i < failures; i++)
      if (whole_ms < FC_SCHEDULE_PAUSE_MAX_MS)
        whole_ms *= 2;
    if (whole_ms > FC_SCHEDULE_PAUSE_MAX_MS)
      whole_ms = FC_SCHEDULE_PAUSE_MAX_MS;
    int64_t pause_ms =
        fc_schedule_pause_ms(&schedule, failures, FC_SCHEDULE_PAUSE_MAX_MS);
    ck_assert_int_ge(pause_ms, whole_ms / 2);
    ck_assert_int_le(pause_ms, whole_ms);
  }
  fc_schedule_release(&schedule);
}
END_TEST

/* An outage of an hour's interval would else be noticed after hours. */
START_TEST(a_long_interval_makes_no_long_pause) {
  struct fc_schedule schedule;
  struct fc_schedule_limits limits = {86400000, 32, 0};
  ck_assert_int_eq(fc_schedule_init(&schedule, &limits, 7), FC_OK);
  ck_assert_int_eq(fc_schedule_retry_ms(&schedule), FC_SCHEDULE_RETRY_MS);
  int64_t first_ms =
      fc_schedule_pause_ms(&schedule, 1, FC_SCHEDULE_PAUSE_MAX_MS);
  ck_assert_int_ge(first_ms, FC_SCHEDULE_RETRY_MS);
  ck_assert_int_le(first_ms, 2 * FC_SCHEDULE_RETRY_MS);
  ck_assert_int_le(fc_schedule_pause_ms(&schedule, 9, FC_SCHEDULE_PAUSE_MAX_MS),
                   FC_SCHEDULE_PAUSE_MAX_MS);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(a_slot_comes_once_per_interval) {
  struct fc_schedule schedule = make(32, 0);
  int64_t phase_ms = 3210, now_ms = START_MS, first_ms, turns = 0;
  first_ms = now_ms = fc_schedule_slot_ms(&schedule, phase_ms, now_ms);
  while (now_ms < START_MS + 1000 * INTERVAL_MS) {
    ck_assert_int_eq((now_ms - phase_ms) % INTERVAL_MS, 0);
    /* Asked for a little late each time. */
    now_ms =
        fc_schedule_slot_ms(&schedule, phase_ms, now_ms + 40 + INTERVAL_MS / 2);
    turns++;
  }
  ck_assert_int_eq(turns, (now_ms - first_ms) / INTERVAL_MS);
  fc_schedule_release(&schedule);
}
END_TEST

START_TEST(phases_spread_evenly) {
  struct fc_schedule schedule = make(32, 0);
  int tenths[10] = {0};
  for (int i = 0; i < 1000; i++)
    tenths[fc_schedule_phase_ms(&schedule) * 10 / INTERVAL_MS]++;
  for (int i = 0; i < 10; i++) {
    ck_assert_int_ge(tenths[i], 95);
    ck_assert_int_le(tenths[i], 105);
  }
  fc_schedule_release(&schedule);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("schedule");
  TCase *tests = tcase_create("rules");
  tcase_add_test(tests, no_more_than_max_concurrency_are_in_flight);
  tcase_add_test(tests, the_budget_holds_in_any_minute);
  tcase_add_test(tests, with_a_short_budget_no_job_waits_for_the_next_burst);
  tcase_add_loop_test(tests, a_429_pauses_all_requests, 0,
                      sizeof(pauses) / sizeof(pauses[0]));
  tcase_add_test(tests,
                 a_429_that_says_at_once_again_and_again_is_not_believed);
  tcase_add_test(tests, five_failures_in_a_row_close_the_gate);
  tcase_add_test(tests, a_valid_answer_between_them_keeps_it_open);
  tcase_add_test(tests,
                 a_closed_gate_lets_one_probe_through_after_growing_pauses);
  tcase_add_test(tests, requests_under_way_when_the_gate_closes_count_once);
  tcase_add_loop_test(
      tests, requests_of_the_moment_in_which_the_gate_closes_count_once, 0, 2);
  tcase_add_test(tests, a_late_answer_opens_the_gate);
  tcase_add_test(tests, a_probe_that_gets_a_429_leaves_the_gate_closed);
  tcase_add_test(tests, a_429_is_no_failure_and_a_short_one_shortens_no_pause);
  tcase_add_test(tests,
                 a_rejected_key_closes_the_gate_and_a_new_one_is_tried_at_once);
  tcase_add_test(tests,
                 pauses_double_up_to_their_limit_with_jitter_above_the_half);
  tcase_add_test(tests, a_long_interval_makes_no_long_pause);
  tcase_add_test(tests, a_slot_comes_once_per_interval);
  tcase_add_test(tests, phases_spread_evenly);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
