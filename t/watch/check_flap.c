/* SPDX-License-Identifier: MIT */

/* Nothing that comes and goes floods anybody, and what holds at the end of the
 * hour is told. */

#include "src/watch/flap.h"

#include "src/base/macros.h"
#include "src/watch/instance_save.h"

#include "t/suite.h"
#include "t/watch/drive.h"

#include <stdio.h>
#include <string.h>

enum {
  INTERVAL_MS = 10000,
  EPOCH_S = 1764000000,
  FC_TOLD_A_MINUTE = 6 /* FC_INSTANCE_TOLD_MAX */
};

static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_now now;

static void set_up(void) {
  instance = drive_begin(&settings, INTERVAL_MS, &now);
}

static void tear_down(void) {
  fc_instance_free(instance);
  fc_settings_release(&settings);
}

static void add(const char *id) {
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                   NULL, FC_SOURCE_REGISTRATION, now),
                   FC_OK);
}

static void answer(struct fc_result result) {
  drive_answer(instance, &now, "a", result);
}

static const struct {
  int64_t at_ms;
  bool held, last;
} moments[] = {
    {5000, false, false},          {5001, false, false},
    {FC_FLAP_MS, false, true},     {FC_FLAP_MS, true, false},
    {2 * FC_FLAP_MS - 1, true, 0}, {2 * FC_FLAP_MS, false, false},
    {3 * FC_FLAP_MS, false, 0},    {3 * FC_FLAP_MS + 1, false, false},
    {3 * FC_FLAP_MS + 2, 0, true}, {4 * FC_FLAP_MS + 1, true, false},
};

START_TEST(three_times_and_then_not_for_an_hour) {
  struct fc_flap flap = {0};
  for (size_t i = 0; i < COUNT_OF(moments); i++) {
    ck_assert_int_eq(fc_flap_is_held(&flap, moments[i].at_ms), moments[i].held);
    if (!moments[i].held)
      ck_assert_int_eq(fc_flap_tell(&flap, moments[i].at_ms), moments[i].last);
  }
}
END_TEST

/* --- What comes and goes, and how it is told. */

static void lose(void) { drive_lose(instance, &now, "a"); }
static void answer_well(void) { answer(drive_status(FC_STATUS_PROCESSING)); }
static void go(void) { answer((struct fc_result){.answer = FC_ANSWER_GONE}); }

static void fail_for_long(void) {
  struct fc_result result = {.error = FC_ERR_HTTP, .http_code = 500};
  strcpy(result.detail, "HTTP 500");
  answer(result);
  drive_pass_ms(&now, 31 * 1000);
  (void)fc_instance_wait(instance, now);
}

static void read_file(const char *bad) {
  fc_instance_file_begin(instance);
  fc_instance_file_end(instance, bad, now);
}

static void refuse(void) { read_file("/jobs line 3: bad ID"); }
static void accept(void) { read_file(NULL); }
static void break_file(void) {
  fc_instance_state_unusable(instance, "no space", now);
}
static void mend_file(void) { fc_instance_state_usable(instance); }

static const struct {
  void (*worsen)(void), (*mend)(void);
  const char *bad, *good;
} pairs[] = {
    {lose, answer_well, "extract a (a) lost", "extract a (a) found again"},
    {go, answer_well,
     "extract endpoint gone: ", "extract endpoint answers again"},
    {fail_for_long, answer_well, "API unusable: HTTP 500", "API usable again"},
    {refuse, accept, "jobs refused: /jobs line 3", "all jobs accepted again"},
    {break_file, mend_file, "state file unusable: no space",
     "state file usable again"},
};

static void assert_event(const char *begins, bool last) {
  const char *said = drive_event(instance, now);
  ck_assert_msg(strncmp(said, begins, strlen(begins)) == 0 &&
                    (strstr(said, FC_FLAP_LAST) != NULL) == last,
                "\"%s\", not \"%s\"", said, begins);
}

static void assert_silence(void) {
  ck_assert_str_eq(drive_event(instance, now), "");
}

/* The job's own series need an answer before anything else. */
static void begin(void) {
  add("a");
  answer_well();
  assert_silence();
}

START_TEST(the_third_change_is_the_last_for_an_hour) {
  begin();
  for (int i = 0; i < 3; i++) {
    if (i % 2)
      pairs[_i].mend();
    else
      pairs[_i].worsen();
    assert_event(i % 2 ? pairs[_i].good : pairs[_i].bad, i == 2);
    assert_silence();
  }
  int64_t start_ms = now.mono_ms;
  for (int i = 0; now.mono_ms < start_ms + FC_FLAP_MS - 200 * 1000; i++) {
    if (i % 2)
      pairs[_i].worsen();
    else
      pairs[_i].mend();
    assert_silence();
    drive_pass_ms(&now, 10 * 1000);
  }
  pairs[_i].mend();
  assert_silence();
  drive_pass_ms(&now, start_ms + FC_FLAP_MS + 1000 - now.mono_ms);
  (void)fc_instance_wait(instance, now);
  assert_event(pairs[_i].good, false);
  assert_silence();
}
END_TEST

START_TEST(what_is_as_it_was_told_is_not_told_when_the_hour_is_over) {
  begin();
  for (int i = 0; i < 5; i++) {
    if (i % 2)
      pairs[_i].mend();
    else
      pairs[_i].worsen();
    if (i < 3)
      assert_event(i % 2 ? pairs[_i].good : pairs[_i].bad, i == 2);
    assert_silence();
  }
  drive_pass_ms(&now, FC_FLAP_MS + 1000);
  (void)fc_instance_wait(instance, now);
  assert_silence();
  pairs[_i].mend();
  assert_event(pairs[_i].good, false);
}
END_TEST

/* The two sides that were not told yet are told together: the second is held
 * back where the first is the third. */
START_TEST(what_waits_for_its_turn_is_held_back_too) {
  begin();
  pairs[_i].worsen();
  assert_event(pairs[_i].bad, false);
  pairs[_i].mend();
  assert_event(pairs[_i].good, false);
  pairs[_i].worsen();
  pairs[_i].mend();
  pairs[_i].worsen();
  assert_event(pairs[_i].bad, true);
  assert_silence();
}
END_TEST

START_TEST(the_end_of_a_job_is_never_held_back) {
  begin();
  lose();
  assert_event("extract a (a) lost", false);
  answer_well();
  assert_event("extract a (a) found again", false);
  lose();
  assert_event("extract a (a) lost", true);
  answer(drive_status(FC_STATUS_FAILED));
  assert_event("extract a (a) failed", false);
  drive_pass_ms(&now, FC_FLAP_MS + 1000);
  (void)fc_instance_wait(instance, now);
  assert_silence();
}
END_TEST

static struct fc_result refused(void) {
  struct fc_result result = {.answer = FC_ANSWER_INVALID, .http_code = 400};
  strcpy(result.reply.error, "Invalid job ID format");
  return result;
}

static int told_of(const char *what) {
  int count = 0;
  const char *said;
  while ((said = drive_event(instance, now))[0])
    count += strstr(said, what) != NULL;
  return count;
}

/* Whoever may register can register anything, again and again. */
START_TEST(a_job_that_is_registered_again_is_not_lost_again) {
  for (int i = 0; i < 20; i++) {
    add("a");
    answer(refused());
    ck_assert_int_eq(told_of("lost: Invalid job ID format"), i == 0);
    ck_assert_int_eq(
        fc_instance_forget(instance, "a", FC_SOURCE_REGISTRATION, now), FC_OK);
    drive_pass_ms(&now, 1000);
  }
}
END_TEST

enum { LOST_JOBS = 40 };

static void lose_many(enum fc_job_source source) {
  char id[16];
  for (int i = 0; i < LOST_JOBS; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                     NULL, source, now),
                     FC_OK);
    drive_answer(instance, &now, id, refused());
  }
}

static const enum fc_job_source others[] = {FC_SOURCE_REGISTRATION,
                                            FC_SOURCE_FILE};

START_TEST(of_others_jobs_that_are_lost_a_few_are_told_of_a_minute) {
  int told = 0;
  lose_many(others[_i]);
  for (int minute = 0; minute < 10; minute++) {
    int more = told_of(" lost: ");
    ck_assert_int_le(more, FC_TOLD_A_MINUTE);
    told += more;
    drive_pass_ms(&now, 61 * 1000);
    (void)fc_instance_wait(instance, now);
  }
  ck_assert_int_eq(told, LOST_JOBS);
}
END_TEST

/* It counts to the three changes of an hour like any other. */
START_TEST(a_loss_that_was_put_off_is_told_as_the_third_change) {
  begin();
  lose();
  assert_event("extract a (a) lost", false);
  answer_well();
  assert_event("extract a (a) found again", false);
  lose_many(FC_SOURCE_REGISTRATION);
  answer(refused());
  for (int i = 0; i < 20; i++) {
    const char *said;
    while ((said = drive_event(instance, now))[0])
      if (strstr(said, " a (a) lost")) {
        ck_assert_ptr_nonnull(strstr(said, FC_FLAP_LAST));
        return;
      }
    drive_pass_ms(&now, 61 * 1000);
    (void)fc_instance_wait(instance, now);
  }
  ck_abort_msg("it is not told");
}
END_TEST

/* The end of the endpoint was told, and not that of each job. */
START_TEST(a_job_that_a_410_lost_is_told_of_once_it_was_missing_for_a_minute) {
  begin();
  go();
  assert_event("extract endpoint gone: ", false);
  answer((struct fc_result){.answer = FC_ANSWER_NOT_FOUND, .http_code = 404});
  assert_event("extract endpoint answers again", false);
  assert_silence();
  drive_pass_ms(&now, 58 * 1000);
  (void)fc_instance_wait(instance, now);
  assert_silence();
  drive_pass_ms(&now, 3 * 1000);
  (void)fc_instance_wait(instance, now);
  assert_event("extract a (a) lost", false);
  assert_silence();
}
END_TEST

START_TEST(a_loss_has_no_text_of_what_came_later) {
  struct fc_result failed = drive_status(FC_STATUS_FAILED);
  strcpy(failed.reply.error, "why it failed");
  add("a");
  answer(refused());
  answer(failed);
  ck_assert_str_eq(drive_event(instance, now), "extract a (a) lost");
  ck_assert_str_eq(drive_event(instance, now),
                   "extract a (a) failed: why it failed");
}
END_TEST

START_TEST(jobs_of_the_configuration_that_are_lost_are_told_of_at_once) {
  lose_many(FC_SOURCE_CONFIG);
  ck_assert_int_eq(told_of(" lost: "), LOST_JOBS);
}
END_TEST

/* A server whose header says "in 30 days" whenever it is asked. */
START_TEST(a_date_that_moves_is_told_three_times) {
  struct fc_result result = drive_status(FC_STATUS_PROCESSING);
  char last[64];
  begin();
  result.has_sunset = true;
  for (int i = 0; i < 20; i++) {
    result.sunset_s = now.epoch_s + 30 * 86400;
    answer(result);
    if (i < 3)
      assert_event("extract endpoint has a sunset date: ", i == 2);
    assert_silence();
  }
  drive_pass_ms(&now, FC_FLAP_MS);
  (void)snprintf(last, sizeof(last),
                 "extract endpoint has a sunset date: it ends on ");
  assert_event(last, false);
  assert_silence();
}
END_TEST

START_TEST(a_date_that_is_what_was_told_again_is_not_told) {
  static const int days[] = {30, 31, 32, 40, 32};
  struct fc_result result = drive_status(FC_STATUS_PROCESSING);
  begin();
  result.has_sunset = true;
  for (size_t i = 0; i < COUNT_OF(days); i++) {
    result.sunset_s = EPOCH_S + days[i] * 86400;
    answer(result);
    if (i < 3)
      assert_event("extract endpoint has a sunset date: ", i == 2);
    assert_silence();
  }
  drive_pass_ms(&now, FC_FLAP_MS + 1000);
  assert_silence();
}
END_TEST

START_TEST(random_status_words_are_three_lines) {
  struct fc_report report;
  int lines = 0;
  begin();
  for (int i = 0; i < 20; i++) {
    struct fc_result result = drive_status(FC_STATUS_UNKNOWN);
    (void)snprintf(result.reply.status_word, sizeof(result.reply.status_word),
                   "word-%d", i);
    answer_well();
    answer(result);
    while (fc_instance_take_report(instance, &report)) {
      lines++;
      ck_assert_int_eq(strstr(report.text, FC_FLAP_LAST) != NULL, lines == 3);
    }
  }
  ck_assert_int_eq(lines, 3);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("flap");
  TCase *tests = tcase_create("flap");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, three_times_and_then_not_for_an_hour);
  tcase_add_loop_test(tests, the_third_change_is_the_last_for_an_hour, 0,
                      (int)COUNT_OF(pairs));
  tcase_add_loop_test(tests,
                      what_is_as_it_was_told_is_not_told_when_the_hour_is_over,
                      0, (int)COUNT_OF(pairs));
  tcase_add_loop_test(tests, what_waits_for_its_turn_is_held_back_too, 0,
                      (int)COUNT_OF(pairs));
  tcase_add_test(tests, the_end_of_a_job_is_never_held_back);
  tcase_add_test(tests, a_job_that_is_registered_again_is_not_lost_again);
  tcase_add_loop_test(tests,
                      of_others_jobs_that_are_lost_a_few_are_told_of_a_minute,
                      0, (int)COUNT_OF(others));
  tcase_add_test(tests, a_loss_that_was_put_off_is_told_as_the_third_change);
  tcase_add_test(
      tests, a_job_that_a_410_lost_is_told_of_once_it_was_missing_for_a_minute);
  tcase_add_test(tests, a_loss_has_no_text_of_what_came_later);
  tcase_add_test(tests,
                 jobs_of_the_configuration_that_are_lost_are_told_of_at_once);
  tcase_add_test(tests, a_date_that_moves_is_told_three_times);
  tcase_add_test(tests, a_date_that_is_what_was_told_again_is_not_told);
  tcase_add_test(tests, random_status_words_are_three_lines);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
