/* SPDX-License-Identifier: MIT */

/* An instance and clocks that are wrong: the local one, the server's, and that
 * of what stands between them. Answers made by hand, time as a number. */

#include "src/watch/instance_save.h"

#include "t/suite.h"
#include "t/watch/drive.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

enum {
  INTERVAL_MS = 10000,
  LONG_INTERVAL_MS = 300000,
  START_MS = 500000,
  SERVER_S = 1764000000, /* the server's time at the start */
  HOUR_S = 3600,
  DAY_S = 86400,
  YEAR_S = 365 * 86400,
  VIEWS = 8
};

static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_now now;

static void renew(int64_t interval_ms) {
  fc_instance_free(instance);
  instance = fc_instance_new(&settings, interval_ms, 1);
  ck_assert_ptr_nonnull(instance);
}

static void set_up(void) {
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  settings.accept_registrations = true;
  now = (struct fc_now){.mono_ms = START_MS, .epoch_s = SERVER_S};
  renew(INTERVAL_MS);
}

static void tear_down(void) {
  fc_instance_free(instance);
  instance = NULL;
  fc_settings_release(&settings);
}

static void pass_s(int64_t seconds) { drive_pass_ms(&now, seconds * 1000); }

/* The true time on the server, whatever the local clock shows. */
static int64_t server_s(void) {
  return SERVER_S + (now.mono_ms - START_MS) / 1000;
}

static void add(const char *id) {
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                   id, FC_SOURCE_CONFIG, now),
                   FC_OK);
}

static struct fc_result dated(struct fc_result result, int64_t date_s) {
  result.has_date = true;
  result.date_s = date_s;
  return result;
}

/* What the server says of a job, its clock being off by so much. */
struct reply {
  enum fc_status status;
  int64_t off_s;
  bool has_expiry;
  int64_t expires_in_s; /* by the true time */
};

static struct fc_result result_of(const struct reply *reply) {
  struct fc_result result =
      dated(drive_status(reply->status), server_s() + reply->off_s);
  result.reply.facts.has_expires_at = reply->has_expiry;
  if (reply->has_expiry)
    result.reply.facts.expires_at_s = server_s() + reply->expires_in_s;
  return result;
}

/* Lets time pass until a request is made; returns how long, in ms. */
static int64_t wait_poll(struct fc_ticket *ticket) {
  int64_t wake_ms, from_ms = now.mono_ms;
  while (!fc_instance_next(instance, now, ticket, &wake_ms)) {
    ck_assert_msg(wake_ms != FC_NEVER, "nothing is due");
    drive_pass_ms(&now, wake_ms > now.mono_ms ? wake_ms - now.mono_ms : 1);
  }
  return now.mono_ms - from_ms;
}

/* The next request finds the job in processing; the server's clock is off. */
static int64_t poll(int64_t off_s) {
  struct fc_ticket ticket;
  int64_t waited_ms = wait_poll(&ticket);
  struct fc_result result =
      result_of(&(struct reply){FC_STATUS_PROCESSING, off_s, false, 0});
  (void)fc_instance_take_result(instance, &ticket, &result, now);
  return waited_ms;
}

/* Waits for the job's turn, and answers. Other jobs are in processing, and
 * their Date is right. */
static void answer(const char *id, struct reply reply) {
  struct fc_ticket ticket;
  struct reply other = {FC_STATUS_PROCESSING, 0, false, 0};
  bool wanted = false;
  while (!wanted) {
    (void)wait_poll(&ticket);
    wanted = strcmp(ticket.id, id) == 0;
    struct fc_result result = result_of(wanted ? &reply : &other);
    (void)fc_instance_take_result(instance, &ticket, &result, now);
  }
}

/* ... for so long. */
static void poll_for(int64_t seconds, int64_t off_s) {
  int64_t end_ms = now.mono_ms + seconds * 1000;
  while (now.mono_ms < end_ms)
    (void)poll(off_s);
}

/* Lets timers run, with no request made. */
static void idle_for(int64_t seconds) {
  int64_t end_ms = now.mono_ms + seconds * 1000;
  while (now.mono_ms < end_ms) {
    int64_t wake_ms = fc_instance_wait(instance, now);
    int64_t step_ms = end_ms - now.mono_ms;
    if (wake_ms - now.mono_ms < step_ms)
      step_ms = wake_ms > now.mono_ms ? wake_ms - now.mono_ms : 1;
    drive_pass_ms(&now, step_ms);
  }
  (void)fc_instance_wait(instance, now);
}

static bool view_of(const char *name, struct fc_job_view *view) {
  struct fc_job_view views[VIEWS];
  size_t len;
  (void)fc_instance_views(instance, now, true, views, VIEWS, &len);
  for (size_t i = 0; i < len; i++)
    if (strcmp(views[i].name, name) == 0) {
      *view = views[i];
      return true;
    }
  return false;
}

static bool is_shown(const char *name) {
  struct fc_job_view view;
  return view_of(name, &view);
}

static const char *event(void) { return drive_event(instance, now); }

/* -1 where there is none. */
static int64_t duration_of(const char *name) {
  struct fc_job_view view;
  return view_of(name, &view) && view.facts.has_duration
             ? (int64_t)view.facts.duration_s
             : -1;
}

static void assert_near(int64_t value, int64_t wanted) {
  ck_assert_msg(llabs(value - wanted) <= 3, "%lld is not %lld",
                (long long)value, (long long)wanted);
}

static void restore(const struct fc_job_record *record) {
  ck_assert_int_eq(fc_instance_restore(instance, record, true, now), FC_OK);
}

/* A registered job that failed so long ago, by the server's clock. */
static void restore_ended(const char *id, int64_t ago_s) {
  restore(&(struct fc_job_record){
      .id = id,
      .name = id,
      .facts.status = FC_STATUS_FAILED,
      .history = {.kind = FC_KIND_EXTRACT,
                  .sources = FC_SOURCE_REGISTRATION,
                  .previous = FC_STATUS_PROCESSING,
                  .first_seen_s = server_s() - ago_s - 100,
                  .processing_since_s = server_s() - ago_s - 90,
                  .has_processing_since = true,
                  .ended_s = server_s() - ago_s,
                  .has_ended = true,
                  .notified_s = server_s() - ago_s,
                  .has_notified = true}});
}

/* One that has been in processing for so long. */
static void restore_processing(const char *id, int64_t ago_s) {
  restore(&(struct fc_job_record){
      .id = id,
      .name = id,
      .facts.status = FC_STATUS_PROCESSING,
      .history = {.kind = FC_KIND_EXTRACT,
                  .sources = FC_SOURCE_REGISTRATION,
                  .previous = FC_STATUS_NONE,
                  .first_seen_s = server_s() - ago_s,
                  .processing_since_s = server_s() - ago_s,
                  .has_processing_since = true}});
}

/* Saves what is to be saved; returns how many jobs. */
static size_t save(void) {
  struct fc_unsaved changes[VIEWS];
  size_t len = fc_instance_save_take(instance, changes, VIEWS);
  for (size_t i = 0; i < len; i++)
    ck_assert_msg(!changes[i].gone, "%s is deleted", changes[i].id);
  fc_instance_save_end(instance, true);
  return len;
}

/* --- A Date that has not counted moves nothing. */

enum { FIRST_ANSWER = 6 }; /* of the rows; those before are none */

static const struct {
  const char *what;
  enum fc_answer answer;
  enum fc_error error;
  int http_code;
  int64_t off_s;
} strangers[] = {
    {"gateway, ahead", FC_ANSWER_NONE, FC_ERR_HTTP, 502, 2 * DAY_S},
    {"gateway, behind", FC_ANSWER_NONE, FC_ERR_HTTP, 502, -20 * YEAR_S},
    {"gateway, a bit ahead", FC_ANSWER_NONE, FC_ERR_HTTP, 502, 50},
    {"rate limit, ahead", FC_ANSWER_NONE, FC_ERR_RATE_LIMIT, 429, 2 * DAY_S},
    {"no JSON, ahead", FC_ANSWER_NONE, FC_ERR_BODY, 200, 2 * DAY_S},
    {"rejected, behind", FC_ANSWER_NONE, FC_ERR_AUTH, 401, -20 * YEAR_S},
    {"answer, ahead", FC_ANSWER_STATUS, FC_OK, 200, 2 * DAY_S},
    {"answer, behind", FC_ANSWER_STATUS, FC_OK, 200, -20 * YEAR_S},
    {"not found, ahead", FC_ANSWER_NOT_FOUND, FC_OK, 404, 2 * DAY_S},
    {"gone, behind", FC_ANSWER_GONE, FC_OK, 410, -20 * YEAR_S},
};

/* Returns how long it was waited for, in ms. */
static int64_t take_stranger(int row) {
  struct fc_ticket ticket;
  struct fc_result result = drive_status(FC_STATUS_PROCESSING);
  int64_t waited_ms = wait_poll(&ticket);
  ck_assert_str_eq(ticket.id, "w");
  result.answer = strangers[row].answer;
  result.error = strangers[row].error;
  result.http_code = strangers[row].http_code;
  result = dated(result, server_s() + strangers[row].off_s);
  (void)fc_instance_take_result(instance, &ticket, &result, now);
  return waited_ms;
}

START_TEST(the_first_date_after_a_restart_ends_and_moves_nothing) {
  add("w");
  restore_ended("e", 2 * HOUR_S);
  restore_processing("p", 100);
  fc_instance_attach(instance, false, now);
  ck_assert_uint_eq(save(), 3);
  (void)take_stranger(_i);
  (void)fc_instance_wait(instance, now);
  ck_assert_uint_le(save(), 1); /* "w" itself */
  ck_assert(is_shown("e"));
  ck_assert_int_eq(duration_of("e"), 90);
  poll_for(60, 0);
  ck_assert(is_shown("e"));
  ck_assert_int_eq(duration_of("e"), 90);
  assert_near(duration_of("p"), 100 + server_s() - SERVER_S);
  ck_assert_int_ge(duration_of("w"), 0);
  ck_assert_int_le(duration_of("w"), server_s() - SERVER_S + 1);
  ck_assert_uint_eq(drive_stats(instance, now).stalled, 0);
  ck_assert_uint_eq(drive_stats(instance, now).jobs[FC_STATUS_FAILED], 1);
  idle_for(DAY_S - 2 * HOUR_S - (server_s() - SERVER_S) - 5);
  ck_assert(is_shown("e"));
  idle_for(10);
  ck_assert(!is_shown("e"));
}
END_TEST

/* The same on a server that was there before, for as long as a minute. */
START_TEST(a_date_in_doubt_ends_and_moves_nothing_later_either) {
  add("w");
  restore_ended("e", 2 * HOUR_S);
  poll_for(100, 0);
  (void)take_stranger(_i);
  (void)fc_instance_wait(instance, now);
  ck_assert(is_shown("e"));
  poll_for(60, 0);
  ck_assert(is_shown("e"));
  assert_near(duration_of("w"), server_s() - SERVER_S);
  ck_assert_uint_eq(drive_stats(instance, now).stalled, 0);
}
END_TEST

START_TEST(what_is_no_answer_teaches_nothing_however_often_it_comes) {
  add("w");
  restore_ended("e", 2 * HOUR_S);
  for (int64_t end_ms = now.mono_ms + 300000; now.mono_ms < end_ms;) {
    (void)take_stranger(_i);
    (void)fc_instance_wait(instance, now);
    ck_assert(is_shown("e"));
  }
  poll_for(20, 0);
  ck_assert_int_ge(duration_of("w"), 0);
  ck_assert_int_le(duration_of("w"), 30);
  ck_assert(is_shown("e"));
}
END_TEST

/* --- A local clock that is wrong at a restart; the server is right. */

static const int64_t local_offs_s[] = {DAY_S,   -DAY_S,      5 * HOUR_S,
                                       -HOUR_S, 10 * YEAR_S, -10 * YEAR_S};

START_TEST(a_local_clock_that_is_wrong_ends_nothing_at_a_restart) {
  struct fc_job_view view;
  now.epoch_s += local_offs_s[_i];
  add("w");
  restore_ended("e", 2 * HOUR_S);
  restore_processing("p", 100);
  for (int64_t start_ms = now.mono_ms; now.mono_ms < start_ms + 20000;) {
    (void)poll(0);
    ck_assert(is_shown("e"));
    ck_assert_int_eq(duration_of("p"), -1);
    ck_assert_int_eq(duration_of("e"), 90);
    ck_assert_uint_eq(drive_stats(instance, now).stalled, 0);
  }
  poll_for(30, 0);
  ck_assert(is_shown("e"));
  assert_near(duration_of("p"), 100 + server_s() - SERVER_S);
  assert_near(duration_of("w"), server_s() - SERVER_S);
  answer("w", (struct reply){FC_STATUS_PROCESSING, 0, true, HOUR_S});
  ck_assert(view_of("w", &view));
  assert_near((int64_t)view.expiry_s, HOUR_S);
  ck_assert_str_eq(event(), "");
  now.epoch_s -= 2 * local_offs_s[_i];
  pass_s(100);
  ck_assert(view_of("w", &view));
  assert_near((int64_t)view.expiry_s, HOUR_S - 100);
  /* And it ends when it should. */
  idle_for(DAY_S - 2 * HOUR_S - (server_s() - SERVER_S) - 5);
  ck_assert(is_shown("e"));
  idle_for(10);
  ck_assert(!is_shown("e"));
}
END_TEST

/* A day after the last run, it is over. */
START_TEST(what_is_over_ends_once_a_date_has_counted) {
  add("w");
  restore_ended("e", DAY_S + HOUR_S);
  (void)fc_instance_wait(instance, now);
  ck_assert(is_shown("e"));
  (void)poll(0);
  (void)fc_instance_wait(instance, now);
  ck_assert(!is_shown("e"));
}
END_TEST

static int64_t saved_first_seen_s(const char *id) {
  struct fc_unsaved changes[VIEWS];
  int64_t first_seen_s = -1;
  size_t len = fc_instance_save_take(instance, changes, VIEWS);
  for (size_t i = 0; i < len; i++)
    if (strcmp(changes[i].id, id) == 0)
      first_seen_s = changes[i].record.history.first_seen_s;
  fc_instance_save_end(instance, false); /* they come again */
  return first_seen_s;
}

START_TEST(what_was_noted_by_the_local_clock_is_put_right_and_saved) {
  now.epoch_s += local_offs_s[_i];
  add("w");
  add("p");
  restore_processing("p", 100);
  add("q");
  drive_answer(instance, &now, "q", drive_status(FC_STATUS_PROCESSING));
  restore_processing("q", INT64_C(20) * YEAR_S);
  fc_instance_attach(instance, false, now);
  ck_assert_uint_eq(save(), 3);
  poll_for(60, 0);
  assert_near(saved_first_seen_s("w"), SERVER_S);
  ck_assert_int_eq(saved_first_seen_s("p"), -1);
  ck_assert_int_eq(saved_first_seen_s("q"), SERVER_S - INT64_C(20) * YEAR_S);
}
END_TEST

START_TEST(an_end_seen_in_the_doubt_is_as_old_as_it_is) {
  now.epoch_s += local_offs_s[_i];
  add("w");
  add("x");
  restore_processing("p", 100);
  (void)poll(0);
  (void)poll(0);
  int64_t since_s = server_s();
  answer("p", (struct reply){FC_STATUS_COMPLETED, 0, false, 0});
  int64_t p_s = 100 + server_s() - SERVER_S;
  ck_assert_int_eq(duration_of("p"), -1);
  answer("x", (struct reply){FC_STATUS_COMPLETED, 0, false, 0});
  int64_t x_s = duration_of("x");
  ck_assert_int_ge(x_s, 0);
  poll_for(60, 0);
  ck_assert_int_eq(duration_of("x"), x_s);
  assert_near(duration_of("p"), p_s);
  idle_for(DAY_S - (server_s() - since_s) - 10);
  ck_assert(is_shown("p"));
  ck_assert(is_shown("x"));
  idle_for(30);
  ck_assert(!is_shown("p"));
  ck_assert(!is_shown("x"));
}
END_TEST

/* --- Stalled. */

static const struct {
  int64_t off_s, expires_in_s;
  bool stalled;
  const char *event;
} doubts[] = {
    {DAY_S, HOUR_S, false, ""},
    {-DAY_S, -DAY_S, false, ""}, /* "now", says a server that is behind */
    {0, 0, true, "extract w (w) stalled"},
    {-DAY_S, HOUR_S, true, ""}, /* nor is it called well */
    {0, HOUR_S, false, ""},
};

START_TEST(no_job_is_called_stalled_by_a_date_in_doubt) {
  add("w");
  poll_for(20, 0);
  for (int i = 0; i < COUNT(doubts); i++) {
    answer("w", (struct reply){FC_STATUS_PROCESSING, doubts[i].off_s, true,
                               doubts[i].expires_in_s});
    ck_assert_uint_eq(drive_stats(instance, now).stalled, doubts[i].stalled);
    ck_assert_str_eq(event(), doubts[i].event);
  }
}
END_TEST

START_TEST(a_lapsed_record_is_seen_once_the_server_is_believed) {
  now.epoch_s += local_offs_s[_i];
  add("w");
  for (int64_t end_ms = now.mono_ms + 40000; now.mono_ms < end_ms;) {
    answer("w", (struct reply){FC_STATUS_PROCESSING, 0, true, 0});
    ck_assert_uint_eq(drive_stats(instance, now).stalled,
                      now.mono_ms >= START_MS + 30000);
  }
  ck_assert_str_eq(event(), "extract w (w) stalled");
}
END_TEST

START_TEST(an_expiry_warning_waits_until_the_server_is_believed) {
  settings.expiry_warning_s = 600;
  renew(INTERVAL_MS);
  now.epoch_s += local_offs_s[_i];
  add("w");
  add("x");
  (void)poll(0);
  answer("x", (struct reply){FC_STATUS_COMPLETED, 0, true, 300});
  (void)fc_instance_wait(instance, now);
  ck_assert_str_eq(event(), "");
  poll_for(60, 0);
  ck_assert_str_eq(event(), "extract x (x) expires soon");
}
END_TEST

START_TEST(a_sunset_is_not_held_against_a_local_clock_in_doubt) {
  now.epoch_s += YEAR_S;
  add("w");
  for (int i = 0; i < 6; i++) {
    struct fc_ticket ticket;
    (void)wait_poll(&ticket);
    struct fc_result result =
        result_of(&(struct reply){FC_STATUS_PROCESSING, 0, false, 0});
    result.has_sunset = i == 0;
    result.sunset_s = SERVER_S + 30 * DAY_S;
    (void)fc_instance_take_result(instance, &ticket, &result, now);
  }
  ck_assert_ptr_nonnull(strstr(event(), "sunset"));
  ck_assert(drive_stats(instance, now).has_sunset[FC_KIND_EXTRACT]);
}
END_TEST

/* --- Without a Date, or with one that is none. */

START_TEST(without_a_date_local_time_ends_what_was_restored_after_a_while) {
  restore_ended("e", 2 * DAY_S);
  restore_ended("f", HOUR_S);
  idle_for(599);
  ck_assert(is_shown("e"));
  ck_assert(is_shown("f"));
  idle_for(2);
  ck_assert(!is_shown("e"));
  ck_assert(is_shown("f"));
  idle_for(DAY_S - HOUR_S - 601 - 5);
  ck_assert(is_shown("f"));
  idle_for(10);
  ck_assert(!is_shown("f"));
}
END_TEST

START_TEST(a_local_clock_behind_what_was_saved_ends_nothing) {
  settings.forget_after_s = 60;
  renew(INTERVAL_MS);
  restore_ended("e", DAY_S);
  restore_ended("f", 0);
  now.epoch_s -= HOUR_S;
  idle_for(HOUR_S - 5);
  ck_assert(is_shown("e"));
  ck_assert(is_shown("f"));
  idle_for(10);
  ck_assert(!is_shown("e"));
  ck_assert(is_shown("f"));
  idle_for(60);
  ck_assert(!is_shown("f"));
}
END_TEST

/* Each of its stamps in turn is the newest one. */
START_TEST(the_newest_of_all_stamps_is_what_the_local_clock_must_reach) {
  struct fc_job_record record = {
      .id = "p",
      .name = "p",
      .facts.status = FC_STATUS_PROCESSING,
      .history = {.kind = FC_KIND_EXTRACT,
                  .sources = FC_SOURCE_REGISTRATION,
                  .previous = FC_STATUS_NONE,
                  .has_processing_since = _i == 1,
                  .has_ended = _i == 2,
                  .has_notified = _i == 3},
  };
  int64_t *stamps_s[] = {&record.history.first_seen_s,
                         &record.history.processing_since_s,
                         &record.history.ended_s, &record.history.notified_s};
  *stamps_s[_i] = server_s() + HOUR_S;
  restore(&record);
  restore_ended("e", 2 * DAY_S);
  idle_for(HOUR_S - 5);
  ck_assert(is_shown("e"));
  idle_for(10);
  ck_assert(!is_shown("e"));
}
END_TEST

START_TEST(a_local_clock_that_is_set_right_after_the_start_is_heard_of) {
  settings.forget_after_s = 60;
  renew(INTERVAL_MS);
  restore_ended("e", DAY_S);
  now.epoch_s -= 50 * YEAR_S;
  idle_for(HOUR_S);
  ck_assert(is_shown("e"));
  now.epoch_s += 50 * YEAR_S;
  idle_for(601);
  ck_assert(!is_shown("e"));
}
END_TEST

START_TEST(a_job_of_this_run_has_its_duration_without_a_date) {
  add("w");
  restore_processing("p", 100);
  struct fc_result result = drive_status(FC_STATUS_PROCESSING);
  drive_answer(instance, &now, "w", result);
  drive_answer(instance, &now, "p", result);
  pass_s(5);
  assert_near(duration_of("w"), server_s() - SERVER_S);
  ck_assert_int_eq(duration_of("p"), -1);
  pass_s(600);
  assert_near(duration_of("p"), 100 + server_s() - SERVER_S);
}
END_TEST

/* A cache on the way serves what it has. */
START_TEST(a_date_that_stands_still_never_counts) {
  struct fc_job_view view;
  int64_t frozen_s = server_s() - 2 * DAY_S;
  add("w");
  for (int64_t end_ms = now.mono_ms + HOUR_S * 1000; now.mono_ms < end_ms;) {
    struct fc_ticket ticket;
    (void)wait_poll(&ticket);
    struct fc_result result = result_of(&(struct reply){
        FC_STATUS_PROCESSING, frozen_s - server_s(), true, HOUR_S});
    (void)fc_instance_take_result(instance, &ticket, &result, now);
  }
  ck_assert(view_of("w", &view));
  assert_near((int64_t)view.expiry_s, HOUR_S);
  assert_near((int64_t)view.facts.duration_s, server_s() - SERVER_S);
}
END_TEST

/* --- The server's clock is set while it is watched. */

START_TEST(a_server_that_sets_its_clock_is_believed_and_nothing_ends) {
  struct fc_job_view view;
  int64_t off_s = local_offs_s[_i];
  settings.stall_timeout_s = HOUR_S;
  renew(INTERVAL_MS);
  add("w");
  add("x");
  restore_ended("e", 0);
  (void)poll(0);
  (void)poll(0);
  answer("x", (struct reply){FC_STATUS_FAILED, 0, false, 0});
  ck_assert_str_eq(event(), "extract x (x) failed");
  int64_t ended_s = server_s(), x_s = duration_of("x");
  poll_for(60, 0);
  poll_for(45, off_s);
  ck_assert(is_shown("x"));
  ck_assert_int_eq(duration_of("x"), x_s);
  assert_near(duration_of("w"), server_s() - SERVER_S);
  ck_assert_str_eq(event(), "");
  answer("w", (struct reply){FC_STATUS_PROCESSING, off_s, true, off_s + 900});
  ck_assert(view_of("w", &view));
  assert_near((int64_t)view.expiry_s, 900);
  idle_for(DAY_S - (server_s() - SERVER_S) - 5);
  ck_assert(is_shown("e"));
  idle_for(10);
  ck_assert(!is_shown("e"));
  idle_for(DAY_S - (server_s() - ended_s) - 5);
  ck_assert(is_shown("x"));
  idle_for(10);
  ck_assert(!is_shown("x"));
}
END_TEST

/* --- The host sleeps: its monotonic clock stands still, the others do not. */

START_TEST(what_passed_while_the_host_slept_has_passed) {
  settings.forget_after_s = 6 * HOUR_S;
  settings.stall_timeout_s = 0;
  renew(INTERVAL_MS);
  now.epoch_s += local_offs_s[_i]; /* wrong before as after */
  add("w");
  add("x");
  add("y");
  poll_for(60, 0);
  answer("x", (struct reply){FC_STATUS_FAILED, 0, false, 0});
  int64_t x_s = duration_of("x");
  now.epoch_s += 5 * HOUR_S;
  poll_for(60, 5 * HOUR_S);
  ck_assert(is_shown("x"));
  ck_assert_int_eq(duration_of("x"), x_s);
  assert_near(duration_of("w"), 5 * HOUR_S + server_s() - SERVER_S);
  idle_for(HOUR_S);
  ck_assert(!is_shown("x"));
}
END_TEST

/* --- What is restored when the server's time is known already. */

START_TEST(a_stamp_in_the_future_counts_as_now_when_it_comes_late) {
  add("w");
  poll_for(20, 0);
  restore_processing("p", -DAY_S);
  answer("p", (struct reply){FC_STATUS_PROCESSING, 0, false, 0});
  pass_s(5);
  ck_assert_int_ge(duration_of("p"), 5);
}
END_TEST

/* --- Polls while a Date is in doubt. */

START_TEST(the_next_two_polls_come_soon_where_the_interval_is_long) {
  renew(LONG_INTERVAL_MS);
  add("w");
  (void)poll(DAY_S);
  ck_assert_int_eq(poll(DAY_S), 15000);
  ck_assert_int_eq(poll(DAY_S), 15000);
  ck_assert_int_gt(poll(DAY_S), 100000);
  assert_near(duration_of("w"), server_s() - SERVER_S);
  /* The next doubt. */
  (void)poll(0);
  ck_assert_int_eq(poll(0), 15000);
  ck_assert_int_eq(poll(DAY_S), 15000);
  ck_assert_int_gt(poll(DAY_S), 100000);
}
END_TEST

START_TEST(dates_that_never_agree_cost_two_polls_and_no_more) {
  renew(LONG_INTERVAL_MS);
  add("w");
  (void)poll(DAY_S);
  ck_assert_int_eq(poll(2 * DAY_S), 15000);
  ck_assert_int_eq(poll(3 * DAY_S), 15000);
  for (int64_t day = 4; day < 10; day++)
    ck_assert_int_gt(poll(day * DAY_S), 100000);
}
END_TEST

START_TEST(a_short_interval_stays_what_it_is) {
  renew(2000);
  add("w");
  (void)poll(DAY_S);
  for (int64_t ms = 0; ms < 60000;) {
    int64_t waited_ms = poll(DAY_S);
    ck_assert_int_le(waited_ms, 3000);
    ms += waited_ms;
  }
  assert_near(duration_of("w"), server_s() - SERVER_S);
}
END_TEST

START_TEST(a_doubt_shortens_no_back_off) {
  renew(LONG_INTERVAL_MS);
  add("w");
  (void)poll(DAY_S);
  ck_assert_int_eq(take_stranger(0), 15000);
  ck_assert_int_gt(poll(DAY_S), 15000);
  ck_assert_int_eq(poll(DAY_S), 15000);
}
END_TEST

START_TEST(where_the_job_has_ended_another_is_asked) {
  struct fc_ticket ticket;
  renew(LONG_INTERVAL_MS);
  add("x");
  add("w");
  (void)poll(0);
  (void)poll(0);
  answer("x", (struct reply){FC_STATUS_COMPLETED, DAY_S, false, 0});
  ck_assert_int_le(wait_poll(&ticket), 15000);
  ck_assert_str_eq(ticket.id, "w");
}
END_TEST

START_TEST(where_no_job_is_left_nobody_is_asked) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  add("x");
  answer("x", (struct reply){FC_STATUS_COMPLETED, DAY_S, false, 0});
  pass_s(HOUR_S);
  ck_assert(!fc_instance_next(instance, now, &ticket, &wake_ms));
}
END_TEST

static TCase *make_moved(void) {
  TCase *tests = tcase_create("moved");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests,
                      the_first_date_after_a_restart_ends_and_moves_nothing, 0,
                      COUNT(strangers));
  tcase_add_loop_test(tests,
                      a_date_in_doubt_ends_and_moves_nothing_later_either, 0,
                      COUNT(strangers));
  tcase_add_loop_test(tests,
                      a_local_clock_that_is_wrong_ends_nothing_at_a_restart, 0,
                      COUNT(local_offs_s));
  tcase_add_test(tests, what_is_over_ends_once_a_date_has_counted);
  tcase_add_loop_test(tests,
                      what_is_no_answer_teaches_nothing_however_often_it_comes,
                      0, FIRST_ANSWER);
  tcase_add_loop_test(tests,
                      what_was_noted_by_the_local_clock_is_put_right_and_saved,
                      0, COUNT(local_offs_s));
  tcase_add_loop_test(tests, an_end_seen_in_the_doubt_is_as_old_as_it_is, 0,
                      COUNT(local_offs_s));
  tcase_add_loop_test(tests,
                      a_server_that_sets_its_clock_is_believed_and_nothing_ends,
                      0, COUNT(local_offs_s));
  tcase_add_loop_test(tests, what_passed_while_the_host_slept_has_passed, 0,
                      COUNT(local_offs_s));
  tcase_add_test(tests, a_stamp_in_the_future_counts_as_now_when_it_comes_late);
  return tests;
}

static TCase *make_judged(void) {
  TCase *tests = tcase_create("judged");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, no_job_is_called_stalled_by_a_date_in_doubt);
  tcase_add_loop_test(tests,
                      a_lapsed_record_is_seen_once_the_server_is_believed, 0,
                      COUNT(local_offs_s));
  tcase_add_loop_test(tests,
                      an_expiry_warning_waits_until_the_server_is_believed, 0,
                      COUNT(local_offs_s));
  tcase_add_test(tests, a_sunset_is_not_held_against_a_local_clock_in_doubt);
  return tests;
}

static TCase *make_dateless(void) {
  TCase *tests = tcase_create("dateless");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(
      tests, without_a_date_local_time_ends_what_was_restored_after_a_while);
  tcase_add_test(tests, a_local_clock_behind_what_was_saved_ends_nothing);
  tcase_add_loop_test(
      tests, the_newest_of_all_stamps_is_what_the_local_clock_must_reach, 0, 4);
  tcase_add_test(tests,
                 a_local_clock_that_is_set_right_after_the_start_is_heard_of);
  tcase_add_test(tests, a_job_of_this_run_has_its_duration_without_a_date);
  tcase_add_test(tests, a_date_that_stands_still_never_counts);
  return tests;
}

static TCase *make_polls(void) {
  TCase *tests = tcase_create("polls");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests,
                 the_next_two_polls_come_soon_where_the_interval_is_long);
  tcase_add_test(tests, dates_that_never_agree_cost_two_polls_and_no_more);
  tcase_add_test(tests, a_short_interval_stays_what_it_is);
  tcase_add_test(tests, a_doubt_shortens_no_back_off);
  tcase_add_test(tests, where_the_job_has_ended_another_is_asked);
  tcase_add_test(tests, where_no_job_is_left_nobody_is_asked);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("instance_clock");
  suite_add_tcase(suite, make_moved());
  suite_add_tcase(suite, make_judged());
  suite_add_tcase(suite, make_dateless());
  suite_add_tcase(suite, make_polls());
  return suite_run(suite);
}
