/* SPDX-License-Identifier: MIT */

/* The server's time: which Date counts, and when time may end anything. */

#include "src/watch/serverclock.h"

#include "t/suite.h"

#include <check.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

enum { EPOCH_S = 1764000000, START_MS = 500000, DAY_S = 86400, STEPS = 8 };

static enum fc_date learn(struct fc_serverclock *clock, int64_t date_s,
                          struct fc_now now) {
  int64_t moved_s;
  return fc_serverclock_learn(clock, date_s, now, &moved_s);
}

/* So long after the start, by both clocks. */
static struct fc_now at_ms(int64_t ms) {
  return (struct fc_now){.mono_ms = START_MS + ms,
                         .epoch_s = EPOCH_S + ms / 1000};
}

/* Dates that come so long after the start, off the local clock by so much, and
 * what becomes of them; the last row of each case has no verdict. */
struct step {
  int64_t ms, off_s;
  char verdict; /* Doubted, Counts, Moves */
};

static const struct {
  const char *what;
  struct step steps[STEPS];
} dates[] = {
    {"the first one agrees", {{0, 0, 'M'}, {1000, 0, 'C'}}},
    {"to a minute", {{0, 60, 'M'}, {1000, 60, 'C'}}},
    {"to a minute, behind", {{0, -60, 'M'}}},
    {"not to more", {{0, 61, 'D'}, {1000, -61, 'D'}}},
    {"it wanders", {{0, 50, 'M'}, {1000, 100, 'C'}, {2000, 150, 'C'}}},
    {"three over half a minute",
     {{0, DAY_S, 'D'},
      {15000, DAY_S, 'D'},
      {30000, DAY_S, 'M'},
      {31000, DAY_S, 'C'}}},
    {"a moment less is too little",
     {{0, DAY_S, 'D'},
      {15000, DAY_S, 'D'},
      {29999, DAY_S, 'D'},
      {30000, DAY_S, 'M'}}},
    {"many are not enough",
     {{0, DAY_S, 'D'},
      {1000, DAY_S, 'D'},
      {2000, DAY_S, 'D'},
      {3000, DAY_S, 'D'},
      {29000, DAY_S, 'D'},
      {30000, DAY_S, 'M'}}},
    {"two over a long time are not enough",
     {{0, DAY_S, 'D'}, {3600000, DAY_S, 'D'}, {3601000, DAY_S, 'M'}}},
    {"they travel for a while",
     {{0, DAY_S, 'D'}, {15000, DAY_S - 5, 'D'}, {30000, DAY_S + 5, 'M'}}},
    {"but no longer",
     {{0, DAY_S, 'D'},
      {15000, DAY_S - 6, 'D'},
      {30000, DAY_S - 6, 'D'},
      {45000, DAY_S - 6, 'M'}}},
    {"each is another",
     {{0, DAY_S, 'D'},
      {15000, 2 * DAY_S, 'D'},
      {30000, 3 * DAY_S, 'D'},
      {45000, DAY_S, 'D'},
      {60000, 3 * DAY_S, 'D'}}},
    {"it stands still",
     {{0, -DAY_S, 'D'},
      {4000, -DAY_S - 4, 'D'},
      {8000, -DAY_S - 8, 'D'},
      {30000, -DAY_S - 30, 'D'},
      {60000, -DAY_S - 60, 'D'}}},
    {"one that agrees ends the doubt",
     {{0, DAY_S, 'D'},
      {15000, DAY_S, 'D'},
      {20000, 0, 'M'},
      {30000, DAY_S, 'D'},
      {45000, DAY_S, 'D'},
      {50000, 1, 'C'},
      {60000, DAY_S, 'D'}}},
    {"the server's clock is set a day back",
     {{0, 0, 'M'},
      {1000, -DAY_S, 'D'},
      {16000, -DAY_S, 'D'},
      {31000, -DAY_S, 'M'},
      {32000, -DAY_S, 'C'},
      {33000, 0, 'D'}}},
    {"twenty years back", {{0, -20 * 365 * DAY_S, 'D'}, {1000, 0, 'M'}}},
};

static char letter(enum fc_date date) {
  return date == FC_DATE_MOVES ? 'M' : date == FC_DATE_COUNTS ? 'C' : 'D';
}

START_TEST(a_date_counts_when_it_agrees_or_three_do) {
  struct fc_serverclock clock = {.known = false};
  int64_t believed_s = 0;
  for (const struct step *step = dates[_i].steps; step->verdict; step++) {
    struct fc_now now = at_ms(step->ms);
    int64_t date_s = now.epoch_s + step->off_s;
    char verdict = letter(learn(&clock, date_s, now));
    ck_assert_msg(verdict == step->verdict, "%s: %c at %lld ms", dates[_i].what,
                  verdict, (long long)step->ms);
    if (verdict == 'M')
      believed_s = step->off_s;
    if (verdict != 'C')
      ck_assert_int_eq(fc_serverclock_s(&clock, now), now.epoch_s + believed_s);
    else
      believed_s = fc_serverclock_s(&clock, now) - now.epoch_s;
    ck_assert_int_eq(clock.agreeing > 0, verdict == 'D');
  }
}
END_TEST

START_TEST(a_local_clock_that_steps_changes_nothing_once_a_date_has_counted) {
  struct fc_serverclock clock = {.known = false};
  struct fc_now now = at_ms(0);
  ck_assert_int_eq(learn(&clock, EPOCH_S, now), FC_DATE_MOVES);
  now = at_ms(5000);
  now.epoch_s += 400 * DAY_S;
  ck_assert_int_eq(fc_serverclock_s(&clock, now), EPOCH_S + 5);
  ck_assert_int_eq(learn(&clock, EPOCH_S + 5, now), FC_DATE_COUNTS);
}
END_TEST

START_TEST(a_local_clock_that_is_set_right_ends_the_doubt) {
  struct fc_serverclock clock = {.known = false};
  ck_assert_int_eq(learn(&clock, EPOCH_S + DAY_S, at_ms(0)), FC_DATE_DOUBTED);
  struct fc_now now = at_ms(1000);
  now.epoch_s += DAY_S;
  ck_assert_int_eq(learn(&clock, EPOCH_S + DAY_S + 1, now), FC_DATE_MOVES);
}
END_TEST

/* A Date is cut to seconds and travels: the latest offset is the best. */
START_TEST(replies_that_take_long_do_not_set_the_clock_back) {
  static const struct {
    int64_t off_s, believed_off_s;
  } rows[] = {{0, 0}, {-1, 0}, {-2, 0}, {1, 1}, {0, 1}, {-2, -2}, {0, 0}};
  struct fc_serverclock clock = {.known = false};
  for (int i = 0; i < COUNT(rows); i++) {
    struct fc_now now = at_ms(i * 1000);
    (void)learn(&clock, now.epoch_s + rows[i].off_s, now);
    ck_assert_int_eq(fc_serverclock_s(&clock, now),
                     now.epoch_s + rows[i].believed_off_s);
  }
}
END_TEST

/* The local clock is off, a Date counts or not; then it and the server's clock
 * go ahead of the monotonic one, until the server is believed. */
static const struct {
  int64_t local_off_s;
  bool known;
  int64_t local_s, server_s, moved_s;
} moves[] = {
    {0, false, 0, 0, 0},
    {50, false, 0, 0, -50},
    {0, false, 0, DAY_S, DAY_S},
    {-DAY_S, false, 0, 0, DAY_S},
    {0, true, 0, DAY_S, DAY_S},
    {0, true, 0, -DAY_S, -DAY_S},
    {0, true, DAY_S, DAY_S, 0},
    {0, true, DAY_S + 60, DAY_S, 0},
    {0, true, DAY_S + 61, DAY_S, DAY_S},
    {50, true, DAY_S, DAY_S, 0},
    {0, true, DAY_S, -DAY_S, -DAY_S},
};

START_TEST(stamps_move_with_the_clock_unless_the_host_slept) {
  struct fc_serverclock clock = {.known = false};
  struct fc_now now = at_ms(0);
  int64_t moved_s;
  now.epoch_s += moves[_i].local_off_s;
  if (moves[_i].known)
    ck_assert_int_eq(learn(&clock, EPOCH_S, now), FC_DATE_MOVES);
  for (int64_t ms = 0;; ms += 15000) {
    ck_assert_int_le(ms, 30000);
    now = at_ms(ms);
    int64_t date_s = now.epoch_s + moves[_i].server_s;
    now.epoch_s += moves[_i].local_off_s + moves[_i].local_s;
    if (fc_serverclock_learn(&clock, date_s, now, &moved_s) == FC_DATE_MOVES)
      break;
  }
  ck_assert_int_eq(moved_s, moves[_i].moved_s);
}
END_TEST

/* --- When time may end anything. */

enum past { NOTHING, RESTORED, AHEAD }; /* AHEAD: stamps of an hour from now */

static const struct {
  enum past past;
  bool doubted, counted; /* a Date came, at the start */
  int64_t after_ms, local_off_s;
  bool sure;
} moments[] = {
    {NOTHING, false, false, 0, 0, true},
    {NOTHING, true, false, 0, 0, false},
    {NOTHING, true, false, 599999, 0, false},
    {NOTHING, true, false, 600000, 0, true},
    {NOTHING, true, true, 0, 0, true},
    {RESTORED, false, false, 0, 0, false},
    {RESTORED, false, false, 599999, 5 * DAY_S, false},
    {RESTORED, false, false, 600000, 0, true},
    {RESTORED, false, false, 600000, -601, false},
    {RESTORED, false, true, 0, 0, true},
    {RESTORED, true, false, 0, 0, false},
    {AHEAD, false, false, 600000, 0, false},
    {AHEAD, false, false, 3599000, 0, false},
    {AHEAD, false, false, 3600000, 0, true},
    {AHEAD, false, false, 600000, 3000, true},
    {AHEAD, false, false, 0, 3600, false},
    {AHEAD, false, true, 0, 0, true},
};

static struct fc_serverclock clock_of(int row) {
  struct fc_serverclock clock = {.known = false};
  struct fc_now now = at_ms(0);
  if (moments[row].past != NOTHING)
    fc_serverclock_restored(
        &clock, EPOCH_S + (moments[row].past == AHEAD ? 3600 : 0), now);
  if (moments[row].doubted)
    (void)learn(&clock, EPOCH_S + DAY_S, now);
  if (moments[row].counted)
    (void)learn(&clock, EPOCH_S, now);
  return clock;
}

START_TEST(until_a_date_has_counted_local_time_ends_nothing_for_a_while) {
  struct fc_serverclock clock = clock_of(_i);
  struct fc_now now = at_ms(moments[_i].after_ms);
  now.epoch_s += moments[_i].local_off_s;
  ck_assert_int_eq(fc_serverclock_is_sure(&clock, now), moments[_i].sure);
  int64_t wait_ms = fc_serverclock_sure_ms(&clock, now) - now.mono_ms;
  if (moments[_i].sure)
    ck_assert_int_eq(wait_ms, 0);
  else
    ck_assert(wait_ms > 0 && wait_ms <= FC_SERVERCLOCK_WAIT_MS);
}
END_TEST

START_TEST(the_wait_is_as_long_as_was_said) {
  struct fc_serverclock clock = {.known = false};
  fc_serverclock_restored(&clock, EPOCH_S + 900, at_ms(0));
  fc_serverclock_restored(&clock, EPOCH_S - 5, at_ms(2000));
  int64_t ms = 0;
  for (int looks = 0; !fc_serverclock_is_sure(&clock, at_ms(ms)); looks++) {
    ck_assert_int_lt(looks, 3);
    ms = fc_serverclock_sure_ms(&clock, at_ms(ms)) - START_MS;
  }
  ck_assert_int_eq(ms, 900000);
}
END_TEST

START_TEST(a_doubt_hurries_two_polls) {
  struct fc_serverclock clock = {.known = false};
  ck_assert(!fc_serverclock_hurries(&clock));
  for (int64_t day = 1, ms = 0; day < 5; day++, ms += 1000) {
    struct fc_now now = at_ms(ms);
    (void)learn(&clock, now.epoch_s + day * DAY_S, now);
    ck_assert_int_eq(fc_serverclock_hurries(&clock), day <= 2);
  }
  (void)learn(&clock, EPOCH_S, at_ms(0));
  ck_assert(!fc_serverclock_hurries(&clock));
  (void)learn(&clock, EPOCH_S + DAY_S, at_ms(0));
  ck_assert(fc_serverclock_hurries(&clock));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("serverclock");
  TCase *tests = tcase_create("serverclock");
  tcase_add_loop_test(tests, a_date_counts_when_it_agrees_or_three_do, 0,
                      COUNT(dates));
  tcase_add_test(
      tests, a_local_clock_that_steps_changes_nothing_once_a_date_has_counted);
  tcase_add_test(tests, a_local_clock_that_is_set_right_ends_the_doubt);
  tcase_add_test(tests, replies_that_take_long_do_not_set_the_clock_back);
  tcase_add_loop_test(tests, stamps_move_with_the_clock_unless_the_host_slept,
                      0, COUNT(moves));
  tcase_add_loop_test(
      tests, until_a_date_has_counted_local_time_ends_nothing_for_a_while, 0,
      COUNT(moments));
  tcase_add_test(tests, the_wait_is_as_long_as_was_said);
  tcase_add_test(tests, a_doubt_hurries_two_polls);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
