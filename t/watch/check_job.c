/* SPDX-License-Identifier: MIT */

/* The life of one job: what each answer, and time alone, makes of it. */

#include "src/watch/job.h"

#include "t/suite.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BIT(name) FC_EVENT_BIT(FC_EVENT_##name)

enum { EPOCH_S = 1764000000, NEW_MS = 1000, OLD_MS = FC_JOB_MISSING_MS };

static const struct fc_job_rules quiet = {.stall_timeout_s = 3600,
                                          .forget_after_s = 86400};

static struct fc_job new_job(void) {
  return (struct fc_job){.facts.status = FC_STATUS_NONE,
                         .history.previous = FC_STATUS_NONE};
}

static struct fc_result status_reply(enum fc_status status) {
  struct fc_result result = {.answer = FC_ANSWER_STATUS, .http_code = 200};
  result.reply.facts.status = (int8_t)status;
  return result;
}

static struct fc_result expiring_reply(enum fc_status status,
                                       int64_t expires_at_s) {
  struct fc_result result = status_reply(status);
  result.reply.facts.has_expires_at = true;
  result.reply.facts.expires_at_s = expires_at_s;
  return result;
}

/* At a moment that the server's clock has no doubt of. */
static struct fc_moment moment_of(const struct fc_result *result,
                                  int64_t mono_ms, int64_t now_s) {
  return (struct fc_moment){
      .mono_ms = mono_ms,
      .now_s = now_s,
      .date_s = result->has_date ? result->date_s : now_s,
      .sure = true,
  };
}

static unsigned apply_one(struct fc_job *job, struct fc_result result,
                          int64_t mono_ms, int64_t now_s) {
  struct fc_moment moment = moment_of(&result, mono_ms, now_s);
  return fc_job_apply(job, &quiet, result.answer, &result, &moment);
}

/* One that the API does not know is missing since moment 0. */
static unsigned apply(struct fc_job *job, const struct fc_job_rules *rules,
                      struct fc_result result, int64_t mono_ms, int64_t now_s) {
  struct fc_moment moment = moment_of(&result, mono_ms, now_s);
  fc_job_miss(job, 0);
  return fc_job_apply(job, rules, result.answer, &result, &moment);
}

static unsigned apply_at(struct fc_job *job, const struct fc_job_rules *rules,
                         struct fc_result result, int64_t now_s) {
  return apply(job, rules, result, OLD_MS, now_s);
}

/* The answers of the table below, in the order of its columns. */
enum answer {
  PROCESSING,
  COMPLETED,
  CANCELLED,
  FAILED,
  UNKNOWN,
  NOT_FOUND,
  GONE,
  NO_ANSWER,
  ANSWERS
};

static struct fc_result reply_of(enum answer answer) {
  static const struct fc_result results[ANSWERS] = {
      [PROCESSING] = {.answer = FC_ANSWER_STATUS,
                      .reply.facts.status = FC_STATUS_PROCESSING},
      [COMPLETED] = {.answer = FC_ANSWER_STATUS,
                     .reply.facts.status = FC_STATUS_COMPLETED},
      [CANCELLED] = {.answer = FC_ANSWER_STATUS,
                     .reply.facts.status = FC_STATUS_CANCELLED},
      [FAILED] = {.answer = FC_ANSWER_STATUS,
                  .reply.facts.status = FC_STATUS_FAILED},
      [UNKNOWN] = {.answer = FC_ANSWER_STATUS,
                   .reply.facts.status = FC_STATUS_UNKNOWN},
      [NOT_FOUND] = {.answer = FC_ANSWER_NOT_FOUND},
      [GONE] = {.answer = FC_ANSWER_GONE},
      [NO_ANSWER] = {.answer = FC_ANSWER_NONE, .error = FC_ERR_TIMEOUT},
  };
  return results[answer];
}

/* What a status and an answer make. */
struct step {
  enum fc_status status;
  unsigned events;
};

#define STAYS(status)                                                          \
  { status, 0 }
#define ENDS_QUIETLY                                                           \
  {FC_STATUS_COMPLETED, 0}, {FC_STATUS_CANCELLED, BIT(CANCELLED)}, {           \
    FC_STATUS_FAILED, BIT(FAILED)                                              \
  }
#define LATCHED(status)                                                        \
  {                                                                            \
    STAYS(status), STAYS(status), STAYS(status), STAYS(status), STAYS(status), \
        STAYS(status), STAYS(status), STAYS(status)                            \
  }

static const struct {
  const char *before;
  enum answer past[2]; /* ANSWERS: none */
  int64_t mono_ms;
  struct step steps[ANSWERS];
} rows[] = {
    {"not seen, new",
     {ANSWERS, ANSWERS},
     NEW_MS,
     {{FC_STATUS_PROCESSING, 0},
      ENDS_QUIETLY,
      {FC_STATUS_UNKNOWN, 0},
      STAYS(FC_STATUS_NONE),
      {FC_STATUS_LOST, 0},
      STAYS(FC_STATUS_NONE)}},
    {"not seen, a minute old",
     {ANSWERS, ANSWERS},
     OLD_MS,
     {{FC_STATUS_PROCESSING, 0},
      ENDS_QUIETLY,
      {FC_STATUS_UNKNOWN, 0},
      {FC_STATUS_LOST, BIT(LOST)},
      {FC_STATUS_LOST, 0},
      STAYS(FC_STATUS_NONE)}},
    {"processing",
     {PROCESSING, ANSWERS},
     OLD_MS,
     {STAYS(FC_STATUS_PROCESSING),
      ENDS_QUIETLY,
      {FC_STATUS_UNKNOWN, 0},
      {FC_STATUS_LOST, BIT(LOST)},
      {FC_STATUS_LOST, 0},
      STAYS(FC_STATUS_PROCESSING)}},
    {"unknown",
     {UNKNOWN, ANSWERS},
     OLD_MS,
     {{FC_STATUS_PROCESSING, 0},
      ENDS_QUIETLY,
      STAYS(FC_STATUS_UNKNOWN),
      {FC_STATUS_LOST, BIT(LOST)},
      {FC_STATUS_LOST, 0},
      STAYS(FC_STATUS_UNKNOWN)}},
    {"lost after 404",
     {PROCESSING, NOT_FOUND},
     OLD_MS,
     {{FC_STATUS_PROCESSING, BIT(FOUND)},
      {FC_STATUS_COMPLETED, BIT(COMPLETED)},
      {FC_STATUS_CANCELLED, BIT(CANCELLED)},
      {FC_STATUS_FAILED, BIT(FAILED)},
      {FC_STATUS_UNKNOWN, BIT(FOUND)},
      STAYS(FC_STATUS_LOST),
      STAYS(FC_STATUS_LOST),
      STAYS(FC_STATUS_LOST)}},
    {"lost after 410",
     {PROCESSING, GONE},
     OLD_MS,
     {{FC_STATUS_PROCESSING, 0},
      ENDS_QUIETLY,
      {FC_STATUS_UNKNOWN, 0},
      STAYS(FC_STATUS_LOST),
      STAYS(FC_STATUS_LOST),
      STAYS(FC_STATUS_LOST)}},
    {"completed", {COMPLETED, ANSWERS}, OLD_MS, LATCHED(FC_STATUS_COMPLETED)},
    {"cancelled", {CANCELLED, ANSWERS}, OLD_MS, LATCHED(FC_STATUS_CANCELLED)},
    {"failed", {FAILED, ANSWERS}, OLD_MS, LATCHED(FC_STATUS_FAILED)},
};

START_TEST(each_status_and_each_answer_make_one_step) {
  size_t row = (size_t)_i / ANSWERS;
  enum answer answer = (enum answer)(_i % ANSWERS);
  struct fc_job job = new_job();
  for (size_t i = 0; i < COUNT(rows[row].past); i++)
    if (rows[row].past[i] != ANSWERS)
      (void)apply_at(&job, &quiet, reply_of(rows[row].past[i]), EPOCH_S);
  struct fc_result result = reply_of(answer);
  enum fc_status before = job.facts.status;
  unsigned events = apply(&job, &quiet, result, rows[row].mono_ms, EPOCH_S);
  const struct step *step = &rows[row].steps[answer];
  ck_assert_msg(job.facts.status == (int)step->status && events == step->events,
                "%s, answer %d: status %d, events %#x", rows[row].before,
                answer, job.facts.status, events);
  if (!fc_status_is_final(before)) {
    ck_assert_int_eq(job.fresh, answer != NO_ANSWER);
    if (answer != NO_ANSWER)
      ck_assert_int_eq(job.history.previous, (int)before);
  }
  free(job.error);
}
END_TEST

/* A job in processing, and what becomes of it with each 404. */
static const struct {
  int64_t mono_ms[3];
  enum fc_status status;
} misses[] = {
    {{0}, FC_STATUS_PROCESSING},
    {{FC_JOB_MISSING_MS}, FC_STATUS_PROCESSING}, /* a single one */
    {{1, 2, FC_JOB_MISSING_MS}, FC_STATUS_PROCESSING},
    /* The beginning is rounded up to a second. */
    {{1, 2, FC_JOB_MISSING_MS + 999}, FC_STATUS_PROCESSING},
    {{1, 2, FC_JOB_MISSING_MS + 1000}, FC_STATUS_LOST},
};

START_TEST(a_job_is_lost_once_it_was_missing_for_a_minute_and_twice) {
  struct fc_job job = new_job();
  struct fc_result found = reply_of(PROCESSING), missing = reply_of(NOT_FOUND);
  (void)apply_one(&job, found, 0, EPOCH_S);
  for (size_t i = 0; i < COUNT(misses[_i].mono_ms); i++)
    if (i == 0 || misses[_i].mono_ms[i])
      (void)apply_one(&job, missing, misses[_i].mono_ms[i], EPOCH_S);
  ck_assert_int_eq(job.facts.status, (int)misses[_i].status);
  ck_assert(job.fresh);
}
END_TEST

START_TEST(an_answer_between_two_404s_starts_anew) {
  struct fc_job job = new_job();
  struct fc_result found = reply_of(PROCESSING), missing = reply_of(NOT_FOUND);
  for (int64_t ms = 0; ms < 10 * FC_JOB_MISSING_MS; ms += FC_JOB_MISSING_MS) {
    ck_assert_uint_eq(apply_one(&job, missing, ms, EPOCH_S), 0);
    (void)apply_one(&job, found, ms + 1, EPOCH_S);
  }
  ck_assert_int_eq(job.facts.status, FC_STATUS_PROCESSING);
}
END_TEST

START_TEST(a_failure_between_two_404s_does_not) {
  struct fc_job job = new_job();
  struct fc_result failed = reply_of(NO_ANSWER), missing = reply_of(NOT_FOUND);
  (void)apply_one(&job, missing, 0, EPOCH_S);
  (void)apply_one(&job, failed, 1, EPOCH_S);
  ck_assert_uint_eq(apply_one(&job, missing, FC_JOB_MISSING_MS, EPOCH_S),
                    BIT(LOST));
  free(job.error);
}
END_TEST

START_TEST(a_job_whose_record_has_expired_is_lost_at_once_and_says_so) {
  struct fc_job job = new_job();
  struct fc_result known = expiring_reply(FC_STATUS_PROCESSING, EPOCH_S + 60),
                   missing = reply_of(NOT_FOUND);
  strcpy(missing.reply.error, "Extract job not found");
  (void)apply_one(&job, known, 0, EPOCH_S);
  ck_assert_uint_eq(apply_one(&job, missing, 1, EPOCH_S + 59), 0);
  ck_assert_uint_eq(apply_one(&job, missing, 2, EPOCH_S + 60), BIT(LOST));
  ck_assert_str_eq(job.error, "its record has expired; its end was not seen");
  free(job.error);
}
END_TEST

START_TEST(a_stall_that_is_over_shows_for_an_hour) {
  struct fc_job job = new_job();
  struct fc_result lapsed = expiring_reply(FC_STATUS_PROCESSING, EPOCH_S),
                   ended = reply_of(COMPLETED);
  ck_assert(!fc_job_shows_stall(&job, 1000));
  (void)apply_one(&job, lapsed, 1000, EPOCH_S);
  ck_assert(job.history.stalled && fc_job_shows_stall(&job, 1000));
  (void)apply_one(&job, ended, 2000, EPOCH_S);
  ck_assert(!job.history.stalled && fc_job_shows_stall(&job, 2000));
  ck_assert(fc_job_shows_stall(&job, 2000 + 3599 * 1000));
  ck_assert(!fc_job_shows_stall(&job, 2000 + 3600 * 1000));
}
END_TEST

START_TEST(an_id_that_the_api_refuses_is_lost_at_once_with_its_words) {
  struct fc_job job = new_job();
  struct fc_result result = {.answer = FC_ANSWER_INVALID};
  strcpy(result.reply.error, "Invalid job ID format");
  ck_assert_uint_eq(apply(&job, &quiet, result, NEW_MS, EPOCH_S), BIT(LOST));
  ck_assert_int_eq(job.facts.status, FC_STATUS_LOST);
  ck_assert_str_eq(job.error, "Invalid job ID format");
  ck_assert_uint_eq(apply(&job, &quiet, result, OLD_MS, EPOCH_S), 0);
  (void)apply_at(&job, &quiet, reply_of(PROCESSING), EPOCH_S);
  ck_assert_ptr_null(job.error);
}
END_TEST

START_TEST(an_end_keeps_its_figures_and_its_error_text) {
  struct fc_job job = new_job();
  struct fc_result end = expiring_reply(FC_STATUS_FAILED, EPOCH_S + 10);
  strcpy(end.reply.error, "the first reason");
  (void)apply_at(&job, &quiet, end, EPOCH_S);
  struct fc_result later = expiring_reply(FC_STATUS_FAILED, EPOCH_S + 99);
  strcpy(later.reply.error, "another reason");
  later.reply.facts.has_tokens = true;
  (void)apply_at(&job, &quiet, later, EPOCH_S + 50);
  ck_assert_str_eq(job.error, "the first reason");
  ck_assert_int_eq(job.facts.expires_at_s, EPOCH_S + 10);
  ck_assert_int_eq(job.history.ended_s, EPOCH_S);
  ck_assert(!job.facts.has_tokens);
  free(job.error);
}
END_TEST

START_TEST(only_an_ended_job_keeps_an_error_text) {
  struct fc_job job = new_job();
  struct fc_result result = status_reply(FC_STATUS_PROCESSING);
  strcpy(result.reply.error, "a page was slow");
  (void)apply_at(&job, &quiet, result, EPOCH_S);
  ck_assert_ptr_null(job.error);
  result.reply.facts.status = FC_STATUS_FAILED;
  result.reply.error[0] = '\0';
  (void)apply_at(&job, &quiet, result, EPOCH_S);
  ck_assert_ptr_null(job.error);
}
END_TEST

START_TEST(each_end_keeps_the_text_that_came_with_it) {
  struct fc_job job = new_job();
  struct fc_result result = status_reply((enum fc_status)_i);
  strcpy(result.reply.error, "the owner said so");
  (void)apply_at(&job, &quiet, result, EPOCH_S);
  ck_assert_pstr_eq(job.error, fc_status_is_final((enum fc_status)_i)
                                   ? "the owner said so"
                                   : NULL);
  free(job.error);
}
END_TEST

/* expiresAt against the reply's Date, or against now where it has none. */
static const struct {
  enum fc_status status;
  bool has_expiry;
  int64_t expires_in_s;
  bool has_date;
  int64_t date_off_s; /* the server's clock against ours */
  bool stalled;
} lapses[] = {
    {FC_STATUS_PROCESSING, true, 1, true, 0, false},
    {FC_STATUS_PROCESSING, true, 0, true, 0, true},
    {FC_STATUS_PROCESSING, true, -1, true, 0, true},
    {FC_STATUS_PROCESSING, true, 3600, true, 7200, true},
    {FC_STATUS_PROCESSING, true, -3600, true, -7200, false},
    {FC_STATUS_PROCESSING, true, 0, false, 0, true},
    {FC_STATUS_PROCESSING, true, 1, false, 0, false},
    {FC_STATUS_PROCESSING, false, 0, true, 0, false},
    {FC_STATUS_UNKNOWN, true, -1, true, 0, false},
    {FC_STATUS_COMPLETED, true, -1, true, 0, false},
    {FC_STATUS_FAILED, true, 0, true, 0, false},
};

START_TEST(a_record_that_has_lapsed_is_a_stall) {
  struct fc_job job = new_job();
  struct fc_result result =
      expiring_reply(lapses[_i].status, EPOCH_S + lapses[_i].expires_in_s);
  result.reply.facts.has_expires_at = lapses[_i].has_expiry;
  result.has_date = lapses[_i].has_date;
  result.date_s = EPOCH_S + lapses[_i].date_off_s;
  unsigned events = apply_at(&job, &quiet, result, EPOCH_S);
  ck_assert_int_eq(job.history.stalled, lapses[_i].stalled);
  ck_assert_int_eq((events & BIT(STALLED)) != 0, lapses[_i].stalled);
  ck_assert_int_eq(job.facts.status, lapses[_i].status);
}
END_TEST

/* What a moment that is in doubt makes of it. */
static const struct {
  bool sure, doubted, has_expiry;
  int64_t expires_in_s, processing_s;
  bool was_stalled, stalled;
} doubts[] = {
    {true, false, true, -1, 0, false, true},
    {true, false, true, 9, 0, true, false},
    {true, true, true, -1, 0, false, false},
    {true, true, true, 9, 0, true, true},
    {true, true, true, 9, 3601, false, true},
    {true, true, false, 0, 0, true, false},
    {false, true, true, -1, 3601, false, false},
    {false, true, true, 9, 0, true, true},
    {false, false, true, -1, 3601, false, false},
    {false, false, true, 9, 0, true, true},
    {false, false, false, 0, 0, true, true},
};

START_TEST(in_doubt_no_job_becomes_stalled_or_well) {
  struct fc_job job = new_job();
  struct fc_result result =
      expiring_reply(FC_STATUS_PROCESSING, EPOCH_S + doubts[_i].expires_in_s);
  result.reply.facts.has_expires_at = doubts[_i].has_expiry;
  struct fc_moment moment = moment_of(&result, OLD_MS, EPOCH_S);
  moment.sure = doubts[_i].sure;
  moment.doubted = doubts[_i].doubted;
  job.history.has_processing_since = true;
  job.history.processing_since_s = EPOCH_S - doubts[_i].processing_s;
  job.history.stalled = doubts[_i].was_stalled;
  unsigned events = fc_job_apply(&job, &quiet, result.answer, &result, &moment);
  ck_assert_int_eq(job.history.stalled, doubts[_i].stalled);
  ck_assert_int_eq((events & BIT(STALLED)) != 0, job.history.stalled);
}
END_TEST

static const struct {
  int64_t timeout_s, processing_s;
  bool stalled;
} stalls[] = {
    {60, 60, false},  {60, 61, true},         {1, 2, true},
    {0, 1, false},    {0, 100000000, false},  {3600, 3600, false},
    {3600, 0, false}, {86400, 1000000, true},
};

START_TEST(processing_longer_than_stall_timeout_is_a_stall) {
  struct fc_job_rules rules = {.stall_timeout_s = stalls[_i].timeout_s};
  struct fc_job job = new_job();
  struct fc_result result = status_reply(FC_STATUS_PROCESSING);
  ck_assert_uint_eq(apply_at(&job, &rules, result, EPOCH_S), 0);
  unsigned events =
      apply_at(&job, &rules, result, EPOCH_S + stalls[_i].processing_s);
  ck_assert_int_eq(job.history.stalled, stalls[_i].stalled);
  ck_assert_uint_eq(events, stalls[_i].stalled ? BIT(STALLED) : 0);
}
END_TEST

START_TEST(a_stall_is_told_once_and_goes_when_the_expiry_moves_on) {
  struct fc_job job = new_job();
  struct fc_result lapsed = expiring_reply(FC_STATUS_PROCESSING, EPOCH_S);
  struct fc_result alive = expiring_reply(FC_STATUS_PROCESSING, EPOCH_S + 900);
  ck_assert_uint_eq(apply_at(&job, &quiet, lapsed, EPOCH_S), BIT(STALLED));
  ck_assert_uint_eq(apply_at(&job, &quiet, lapsed, EPOCH_S + 10), 0);
  ck_assert(job.history.stalled);
  ck_assert_uint_eq(apply_at(&job, &quiet, alive, EPOCH_S + 20), 0);
  ck_assert(!job.history.stalled);
  lapsed.reply.facts.expires_at_s = EPOCH_S + 30;
  ck_assert_uint_eq(apply_at(&job, &quiet, lapsed, EPOCH_S + 30), 0);
  ck_assert(job.history.stalled);
}
END_TEST

static const struct {
  bool notify_completed, stalled;
  enum fc_status end;
  unsigned events;
} ends[] = {
    {false, false, FC_STATUS_COMPLETED, 0},
    {true, false, FC_STATUS_COMPLETED, BIT(COMPLETED)},
    {false, true, FC_STATUS_COMPLETED, BIT(COMPLETED)},
    {true, true, FC_STATUS_COMPLETED, BIT(COMPLETED)},
    {true, false, FC_STATUS_FAILED, BIT(FAILED)},
    {false, true, FC_STATUS_FAILED, BIT(FAILED)},
    {false, true, FC_STATUS_CANCELLED, BIT(CANCELLED)},
};

START_TEST(a_good_end_is_told_on_wish_or_after_a_warning) {
  struct fc_job_rules rules = {.notify_completed = ends[_i].notify_completed};
  struct fc_job job = new_job();
  if (ends[_i].stalled)
    (void)apply_at(&job, &rules, expiring_reply(FC_STATUS_PROCESSING, EPOCH_S),
                   EPOCH_S);
  ck_assert_uint_eq(apply_at(&job, &rules, status_reply(ends[_i].end), EPOCH_S),
                    ends[_i].events);
  ck_assert(!job.history.stalled);
}
END_TEST

/* Answers ten seconds apart, then a look a minute later. */
static const struct {
  enum answer answers[3];
  bool has;
  int64_t duration_s;
} durations[] = {
    {{ANSWERS, ANSWERS, ANSWERS}, false, 0},
    {{NO_ANSWER, NOT_FOUND, COMPLETED}, false, 0},
    {{COMPLETED, ANSWERS, ANSWERS}, false, 0},
    {{GONE, ANSWERS, ANSWERS}, false, 0},
    {{GONE, COMPLETED, ANSWERS}, false, 0},
    {{PROCESSING, ANSWERS, ANSWERS}, true, 80},
    {{PROCESSING, NO_ANSWER, NO_ANSWER}, true, 80},
    {{NO_ANSWER, PROCESSING, FAILED}, true, 10},
    {{PROCESSING, PROCESSING, CANCELLED}, true, 20},
    {{UNKNOWN, PROCESSING, COMPLETED}, true, 20},
    {{PROCESSING, NOT_FOUND, ANSWERS}, true, 10},
    {{PROCESSING, NOT_FOUND, PROCESSING}, true, 80},
};

START_TEST(a_duration_is_what_was_seen_of_it) {
  struct fc_job job = new_job();
  double duration_s = -1;
  for (int i = 0; i < 3; i++)
    if (durations[_i].answers[i] != ANSWERS)
      (void)apply_at(&job, &quiet, reply_of(durations[_i].answers[i]),
                     EPOCH_S + 10 * i);
  ck_assert_int_eq(fc_job_duration_s(&job, EPOCH_S + 80, true, &duration_s),
                   durations[_i].has);
  ck_assert_int_eq((int64_t)duration_s,
                   durations[_i].has ? durations[_i].duration_s : -1);
}
END_TEST

/* Which stamps are this run's own, and whether a duration is known of a job
 * that was restored, in doubt. */
static const struct {
  unsigned dated;
  bool ended, has;
} own_stamps[] = {
    {0, false, false},
    {FC_STAMP_PROCESSING, false, true},
    {0, true, true},
    {FC_STAMP_ENDED, true, false},
    {FC_STAMP_PROCESSING | FC_STAMP_ENDED, true, true},
};

START_TEST(in_doubt_a_duration_is_of_one_clock) {
  struct fc_job job = new_job();
  double duration_s;
  (void)apply_at(&job, &quiet, reply_of(PROCESSING), EPOCH_S);
  if (own_stamps[_i].ended)
    (void)apply_at(&job, &quiet, reply_of(COMPLETED), EPOCH_S + 10);
  job.dated = own_stamps[_i].dated & (unsigned)FC_STAMPS;
  ck_assert_int_eq(fc_job_duration_s(&job, EPOCH_S + 10, false, &duration_s),
                   own_stamps[_i].has);
  ck_assert(fc_job_duration_s(&job, EPOCH_S + 10, true, &duration_s));
  ck_assert_int_eq((int64_t)duration_s, 10);
}
END_TEST

START_TEST(each_stamp_of_a_run_is_known_as_its_own) {
  struct fc_job job = new_job();
  (void)apply_at(&job, &quiet, reply_of(PROCESSING), EPOCH_S);
  ck_assert_uint_eq(job.dated, FC_STAMP_PROCESSING);
  (void)apply_at(&job, &quiet, reply_of(NOT_FOUND), EPOCH_S);
  ck_assert_uint_eq(job.dated, FC_STAMP_PROCESSING | FC_STAMP_ENDED);
  (void)apply_at(&job, &quiet, reply_of(FAILED), EPOCH_S);
  ck_assert_uint_eq(job.dated, FC_STAMPS & ~FC_STAMP_FIRST_SEEN);
  free(job.error);
}
END_TEST

static const struct {
  unsigned stamps;
  int64_t delta_s, now_s;
  int64_t first_seen_s, processing_since_s, ended_s, notified_s;
} moves[] = {
    {0, 100, 50, 10, 20, 30, 40},
    {0, 0, 25, 10, 20, 25, 25},
    {FC_STAMPS, 100, 200, 110, 120, 130, 140},
    {FC_STAMPS, 100, 125, 110, 120, 125, 125},
    {FC_STAMPS, -15, 200, -5, 5, 15, 25},
    {FC_STAMP_FIRST_SEEN, 5, 50, 15, 20, 30, 40},
    {FC_STAMP_PROCESSING, 5, 50, 10, 25, 30, 40},
    {FC_STAMP_ENDED, 5, 50, 10, 20, 35, 40},
    {FC_STAMP_NOTIFIED, 5, 50, 10, 20, 30, 45},
};

START_TEST(stamps_move_with_their_clock_and_not_into_the_future) {
  struct fc_job job = new_job();
  job.history.first_seen_s = 10;
  job.history.processing_since_s = 20;
  job.history.ended_s = 30;
  job.history.notified_s = 40;
  ck_assert_int_eq(fc_job_move_stamps(&job, moves[_i].stamps, moves[_i].delta_s,
                                      moves[_i].now_s),
                   _i != 0);
  ck_assert_int_eq(job.history.first_seen_s, moves[_i].first_seen_s);
  ck_assert_int_eq(job.history.processing_since_s,
                   moves[_i].processing_since_s);
  ck_assert_int_eq(job.history.ended_s, moves[_i].ended_s);
  ck_assert_int_eq(job.history.notified_s, moves[_i].notified_s);
}
END_TEST

/* What time alone brings: rules, an end at EPOCH_S, and the times at which
 * something happens, one after the other. */
struct moment {
  int64_t after_s;
  unsigned events;
  bool ended;
};

static const struct {
  enum answer end;
  int64_t expires_in_s; /* 0: not said */
  struct fc_job_rules rules;
  struct moment moments[5]; /* after_s 0: no more */
} timers[] = {
    {PROCESSING, 900, {.expiry_warning_s = 100, .forget_after_s = 50}, {{0}}},
    {COMPLETED, 0, {.forget_after_s = 500}, {{500, 0, true}}},
    {CANCELLED, 0, {.forget_after_s = 500}, {{500, 0, true}}},
    {NOT_FOUND, 0, {.forget_after_s = 500}, {{500, 0, true}}},
    {COMPLETED,
     900,
     {.expiry_warning_s = 100, .forget_after_s = 5000},
     {{800, BIT(EXPIRES), false}, {5000, 0, true}}},
    /* Its last warning, at once. */
    {COMPLETED,
     90,
     {.expiry_warning_s = 100, .forget_after_s = 5000},
     {{1, BIT(EXPIRES), false}, {5000, 0, true}}},
    /* What is gone already is no warning. */
    {COMPLETED,
     -5,
     {.expiry_warning_s = 100, .forget_after_s = 5000},
     {{1, 0, false}, {5000, 0, true}}},
    {FAILED,
     900,
     {.expiry_warning_s = 100, .forget_after_s = 5000},
     {{5000, 0, true}}},
    {FAILED,
     0,
     {.repeat_interval_s = 200, .forget_after_s = 500},
     {{200, BIT(FAILED), false}, {400, BIT(FAILED), false}, {500, 0, true}}},
    {CANCELLED,
     0,
     {.repeat_interval_s = 200, .forget_after_s = 500},
     {{500, 0, true}}},
};

START_TEST(time_alone_brings_warnings_repeats_and_the_end_of_the_series) {
  const struct fc_job_rules *rules = &timers[_i].rules;
  struct fc_job job = new_job();
  struct fc_result result = reply_of(timers[_i].end);
  bool ended;
  result.reply.facts.has_expires_at = timers[_i].expires_in_s != 0;
  result.reply.facts.expires_at_s = EPOCH_S + timers[_i].expires_in_s;
  (void)apply_at(&job, rules, result, EPOCH_S);
  job.shown = true;
  for (const struct moment *moment = timers[_i].moments; moment->after_s;
       moment++) {
    int64_t at_s = fc_job_timer_s(&job, rules);
    ck_assert_int_le(at_s, EPOCH_S + moment->after_s);
    if (at_s > EPOCH_S) {
      ck_assert_int_eq(at_s, EPOCH_S + moment->after_s);
      ck_assert_uint_eq(fc_job_tick(&job, rules, 0, at_s - 1, &ended), 0);
      ck_assert(!ended);
    }
    ck_assert_uint_eq(
        fc_job_tick(&job, rules, 0, EPOCH_S + moment->after_s, &ended),
        moment->events);
    ck_assert_int_eq(ended, moment->ended);
  }
  ck_assert_int_eq(fc_job_timer_s(&job, rules), FC_NEVER);
  ck_assert_uint_eq(fc_job_tick(&job, rules, 0, EPOCH_S + 1000000, &ended), 0);
  ck_assert(!ended);
}
END_TEST

START_TEST(an_end_that_nobody_has_seen_ends_no_series) {
  static const struct fc_job_rules rules = {.forget_after_s = 500};
  struct fc_job job = new_job();
  bool ended;
  (void)apply_at(&job, &rules, reply_of(COMPLETED), EPOCH_S);
  ck_assert_int_eq(fc_job_timer_s(&job, &rules), EPOCH_S + 500);
  ck_assert(!job.overdue);
  (void)fc_job_tick(&job, &rules, 0, EPOCH_S + 500, &ended);
  ck_assert(!ended);
  ck_assert(job.overdue);
  ck_assert_int_eq(fc_job_timer_s(&job, &rules), FC_NEVER);
  job.shown = true;
  (void)fc_job_tick(&job, &rules, 0, EPOCH_S + 501, &ended);
  ck_assert(ended);
  ck_assert_int_eq(fc_job_timer_s(&job, &rules), FC_NEVER);
}
END_TEST

START_TEST(a_lost_job_that_is_found_late_has_its_series_again) {
  struct fc_job job = new_job();
  bool ended;
  (void)apply_at(&job, &quiet, reply_of(NOT_FOUND), EPOCH_S);
  job.shown = true;
  (void)fc_job_tick(&job, &quiet, 0, EPOCH_S + 86400, &ended);
  ck_assert(ended);
  ck_assert(fc_history_has(&job.history, FC_PAST_SILENT));
  (void)apply_at(&job, &quiet, reply_of(PROCESSING), EPOCH_S + 90000);
  ck_assert(!fc_history_has(&job.history, FC_PAST_SILENT));
  ck_assert_int_eq(fc_job_timer_s(&job, &quiet), FC_NEVER);
}
END_TEST

START_TEST(a_job_is_small) {
  printf("# sizeof(struct fc_job) = %zu\n", sizeof(struct fc_job));
  ck_assert_uint_le(sizeof(struct fc_job), 320);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("job");
  TCase *tests = tcase_create("life");
  tcase_add_loop_test(tests, each_status_and_each_answer_make_one_step, 0,
                      (int)COUNT(rows) * ANSWERS);
  tcase_add_loop_test(tests,
                      a_job_is_lost_once_it_was_missing_for_a_minute_and_twice,
                      0, COUNT(misses));
  tcase_add_test(tests, an_answer_between_two_404s_starts_anew);
  tcase_add_test(tests, a_failure_between_two_404s_does_not);
  tcase_add_test(tests,
                 a_job_whose_record_has_expired_is_lost_at_once_and_says_so);
  tcase_add_test(tests, a_stall_that_is_over_shows_for_an_hour);
  tcase_add_test(tests,
                 an_id_that_the_api_refuses_is_lost_at_once_with_its_words);
  tcase_add_test(tests, an_end_keeps_its_figures_and_its_error_text);
  tcase_add_loop_test(tests, each_end_keeps_the_text_that_came_with_it,
                      FC_STATUS_COMPLETED, FC_STATUS_LOST);
  tcase_add_test(tests, only_an_ended_job_keeps_an_error_text);
  tcase_add_loop_test(tests, a_record_that_has_lapsed_is_a_stall, 0,
                      COUNT(lapses));
  tcase_add_loop_test(tests, in_doubt_no_job_becomes_stalled_or_well, 0,
                      COUNT(doubts));
  tcase_add_loop_test(tests, in_doubt_a_duration_is_of_one_clock, 0,
                      COUNT(own_stamps));
  tcase_add_test(tests, each_stamp_of_a_run_is_known_as_its_own);
  tcase_add_loop_test(tests,
                      stamps_move_with_their_clock_and_not_into_the_future, 0,
                      COUNT(moves));
  tcase_add_loop_test(tests, processing_longer_than_stall_timeout_is_a_stall, 0,
                      COUNT(stalls));
  tcase_add_test(tests, a_stall_is_told_once_and_goes_when_the_expiry_moves_on);
  tcase_add_loop_test(tests, a_good_end_is_told_on_wish_or_after_a_warning, 0,
                      COUNT(ends));
  tcase_add_loop_test(tests, a_duration_is_what_was_seen_of_it, 0,
                      COUNT(durations));
  tcase_add_loop_test(
      tests, time_alone_brings_warnings_repeats_and_the_end_of_the_series, 0,
      COUNT(timers));
  tcase_add_test(tests, an_end_that_nobody_has_seen_ends_no_series);
  tcase_add_test(tests, a_lost_job_that_is_found_late_has_its_series_again);
  tcase_add_test(tests, a_job_is_small);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
