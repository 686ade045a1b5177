/* SPDX-License-Identifier: MIT */

/* One event on its way: each step from each stage, rounds, and what meets what
 * the state file had. */

#include "src/base/macros.h"
#include "src/watch/outbox.h"

#include "t/suite.h"

#include <stdbool.h>

enum step {
  ADD,
  TAKE_BACK,
  TAKE,
  DELIVER,
  SAVE_BEGIN,
  SAVED,
  NOT_SAVED,
  UNSAVE,
  STEPS
};

static void step(struct fc_outbox_event *event, enum step step) {
  switch (step) {
  case ADD:
    fc_outbox_add(event, FC_STATUS_FAILED, FC_STATUS_PROCESSING);
    break;
  case TAKE_BACK:
    fc_outbox_take_back(event);
    break;
  case TAKE:
    fc_outbox_take(event);
    break;
  case DELIVER:
    fc_outbox_deliver(event);
    break;
  case SAVE_BEGIN:
    fc_outbox_save_begin(event);
    break;
  case SAVED:
  case NOT_SAVED:
    fc_outbox_save_end(event, step == SAVED);
    break;
  case UNSAVE:
    fc_outbox_unsave(event);
    break;
  default:
    break;
  }
}

#define N FC_OUTBOX_NONE
#define O FC_OUTBOX_OWED
#define G FC_OUTBOX_SAVING
#define S FC_OUTBOX_SAVED
#define T FC_OUTBOX_TAKEN
#define D FC_OUTBOX_DELIVERED

/* A reader takes only what is ready: what it takes else is its mistake. */
static const struct {
  enum fc_outbox_stage before;
  enum fc_outbox_stage after[STEPS];
  bool pending, ready, ready_durable;
} rows[] = {
    /* ADD, TAKE_BACK, TAKE, DELIVER, SAVE_BEGIN, SAVED, NOT_SAVED, UNSAVE */
    {N, {O, N, T, N, N, N, N, N}, false, false, false},
    {O, {O, N, T, O, G, O, O, O}, true, true, false},
    {G, {G, N, T, G, G, S, O, O}, true, true, false},
    {S, {S, N, T, S, S, S, S, O}, true, true, true},
    {T, {T, T, T, D, T, T, T, T}, true, false, false},
    {D, {O, D, T, D, D, D, D, D}, false, false, false},
};

static struct fc_outbox_event at_stage(enum fc_outbox_stage stage) {
  struct fc_outbox_event event = {.round = stage != FC_OUTBOX_NONE,
                                  .stage = (uint8_t)stage & 7U};
  return event;
}

START_TEST(each_step_leads_from_each_stage_to_one) {
  for (enum step next = 0; next < STEPS; next++) {
    struct fc_outbox_event event = at_stage(rows[_i].before);
    step(&event, next);
    ck_assert_msg(event.stage == rows[_i].after[next],
                  "stage %d, step %d: stage %d", (int)rows[_i].before,
                  (int)next, event.stage);
  }
}
END_TEST

START_TEST(a_stage_says_what_may_be_taken) {
  struct fc_outbox_event event = at_stage(rows[_i].before);
  ck_assert_int_eq(fc_outbox_is_pending(&event), rows[_i].pending);
  ck_assert_int_eq(fc_outbox_is_ready(&event, false), rows[_i].ready);
  ck_assert_int_eq(fc_outbox_is_ready(&event, true), rows[_i].ready_durable);
}
END_TEST

START_TEST(the_moment_of_an_event_stays_with_it) {
  struct fc_outbox_event event = {.round = 0};
  fc_outbox_add(&event, FC_STATUS_LOST, FC_STATUS_NONE);
  ck_assert_int_eq(fc_outbox_status(&event), FC_STATUS_LOST);
  ck_assert_int_eq(fc_outbox_previous(&event), FC_STATUS_NONE);
  fc_outbox_add(&event, FC_STATUS_UNKNOWN, FC_STATUS_LOST);
  ck_assert_int_eq(fc_outbox_status(&event), FC_STATUS_LOST);
  fc_outbox_take(&event);
  fc_outbox_deliver(&event);
  fc_outbox_add(&event, FC_STATUS_UNKNOWN, FC_STATUS_COMPLETED);
  ck_assert_int_eq(fc_outbox_status(&event), FC_STATUS_UNKNOWN);
  ck_assert_int_eq(fc_outbox_previous(&event), FC_STATUS_COMPLETED);
}
END_TEST

START_TEST(a_repetition_is_a_round_of_its_own) {
  struct fc_outbox_event event = {.round = 0};
  for (unsigned round = 1; round <= 3; round++) {
    step(&event, ADD);
    step(&event, ADD);
    ck_assert_uint_eq(event.round, round);
    step(&event, TAKE);
    step(&event, DELIVER);
  }
  event.round = UINT16_MAX;
  step(&event, ADD);
  ck_assert_uint_eq(event.round, UINT16_MAX);
}
END_TEST

START_TEST(what_is_taken_back_was_no_round) {
  struct fc_outbox_event event = {.round = 0};
  step(&event, ADD);
  step(&event, TAKE_BACK);
  ck_assert_uint_eq(event.round, 0);
  step(&event, ADD);
  step(&event, TAKE);
  step(&event, TAKE_BACK);
  step(&event, DELIVER);
  step(&event, TAKE_BACK);
  ck_assert_uint_eq(event.round, 1);
  step(&event, ADD);
  step(&event, TAKE_BACK);
  ck_assert_uint_eq(event.round, 1);
  ck_assert_int_eq(event.stage, FC_OUTBOX_DELIVERED);
}
END_TEST

START_TEST(a_delivery_ends_the_doubt) {
  struct fc_outbox_event event = {.doubtful = true};
  step(&event, ADD);
  ck_assert(event.doubtful);
  step(&event, TAKE);
  step(&event, DELIVER);
  ck_assert(!event.doubtful);
}
END_TEST

/* An event that is owed while it is written is not saved by that. */
START_TEST(what_comes_about_while_it_is_written_has_to_be_written) {
  struct fc_outbox_event event = {.round = 0};
  step(&event, SAVE_BEGIN);
  step(&event, ADD);
  step(&event, SAVED);
  ck_assert(!fc_outbox_is_ready(&event, true));
  step(&event, SAVE_BEGIN);
  step(&event, TAKE_BACK);
  step(&event, ADD);
  step(&event, SAVED);
  ck_assert(!fc_outbox_is_ready(&event, true));
}
END_TEST

static const struct {
  enum fc_outbox_stage known, stored;
  bool same;
  enum fc_outbox_stage merged;
} merges[] = {
    {N, D, true, D},  {N, D, false, D}, {O, D, true, D},  {O, D, false, O},
    {G, D, true, D},  {S, D, false, S}, {T, D, true, T},  {D, D, true, D},
    {N, S, true, N},  {O, S, true, O},  {D, S, false, D}, {N, N, true, N},
    {O, N, false, O},
};

START_TEST(what_was_delivered_before_is_not_delivered_again) {
  struct fc_outbox_event event = at_stage(merges[_i].known),
                         stored = at_stage(merges[_i].stored);
  fc_outbox_merge(&event, &stored, merges[_i].same);
  ck_assert_int_eq(event.stage, merges[_i].merged);
}
END_TEST

static const struct {
  enum fc_outbox_stage known;
  unsigned known_round, stored_round;
  bool same;
  unsigned merged;
} meetings[] = {
    {N, 0, 3, false, 3},
    {O, 1, 3, true, 3},
    {O, 1, 3, false, 4},
    {S, 2, 3, false, 5},
    {T, 1, 3, true, 3},
    {D, 1, 3, false, 3},
    {D, 4, 3, false, 4},
    {O, 9, UINT16_MAX, false, UINT16_MAX},
    {D, UINT16_MAX, 1, true, UINT16_MAX},
};

START_TEST(what_comes_behind_what_was_stored_is_of_a_later_round) {
  struct fc_outbox_event event = at_stage(meetings[_i].known),
                         stored = at_stage(FC_OUTBOX_DELIVERED);
  event.round = (uint16_t)meetings[_i].known_round;
  stored.round = (uint16_t)meetings[_i].stored_round;
  fc_outbox_merge(&event, &stored, meetings[_i].same);
  ck_assert_uint_eq(event.round, meetings[_i].merged);
}
END_TEST

START_TEST(the_file_has_it_as_it_is_restored) {
  struct fc_outbox_event event = {.round = 0};
  fc_outbox_restore(&event, false, 7, FC_STATUS_FAILED, FC_STATUS_LOST);
  ck_assert(fc_outbox_is_ready(&event, true));
  ck_assert_uint_eq(event.round, 7);
  ck_assert_int_eq(fc_outbox_previous(&event), FC_STATUS_LOST);
  fc_outbox_restore(&event, true, 8, FC_STATUS_FAILED, FC_STATUS_NONE);
  ck_assert(!fc_outbox_is_pending(&event));
}
END_TEST

START_TEST(the_first_that_is_ready_comes_next) {
  struct fc_outbox_event events[3] = {{.round = 0}};
  ck_assert_uint_eq(fc_outbox_next(events, 3, false), 3);
  events[1] = at_stage(FC_OUTBOX_OWED);
  events[2] = at_stage(FC_OUTBOX_SAVED);
  ck_assert_uint_eq(fc_outbox_next(events, 3, false), 1);
  ck_assert_uint_eq(fc_outbox_next(events, 3, true), 2);
  events[2] = at_stage(FC_OUTBOX_DELIVERED);
  ck_assert_uint_eq(fc_outbox_next(events, 3, true), 3);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("outbox");
  TCase *tests = tcase_create("outbox");
  tcase_add_loop_test(tests, each_step_leads_from_each_stage_to_one, 0,
                      COUNT_OF(rows));
  tcase_add_loop_test(tests, a_stage_says_what_may_be_taken, 0, COUNT_OF(rows));
  tcase_add_test(tests, the_moment_of_an_event_stays_with_it);
  tcase_add_test(tests, a_repetition_is_a_round_of_its_own);
  tcase_add_test(tests, what_is_taken_back_was_no_round);
  tcase_add_test(tests, a_delivery_ends_the_doubt);
  tcase_add_test(tests, what_comes_about_while_it_is_written_has_to_be_written);
  tcase_add_loop_test(tests, what_was_delivered_before_is_not_delivered_again,
                      0, COUNT_OF(merges));
  tcase_add_loop_test(tests,
                      what_comes_behind_what_was_stored_is_of_a_later_round, 0,
                      COUNT_OF(meetings));
  tcase_add_test(tests, the_file_has_it_as_it_is_restored);
  tcase_add_test(tests, the_first_that_is_ready_comes_next);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
