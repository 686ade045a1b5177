/* SPDX-License-Identifier: MIT */

/* An instance in trouble: outages, rejected keys, refusals, budgets, clocks
 * that are wrong, and three threads at once. Answers made by hand, time as a
 * number. */

#include "src/base/macros.h"
#include "src/watch/flap.h"
#include "src/watch/instance_save.h"
#include "src/watch/schedule.h"

#include "t/suite.h"
#include "t/watch/drive.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
  INTERVAL_MS = 10000,
  EPOCH_S = 1764000000,
  VIEWS = 64,
  JOBS_MAX = 400,
  LATENCIES = 64
};

static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_now now;
static uint64_t random_state;

static void set_up(void) {
  random_state = 1;
  instance = drive_begin(&settings, INTERVAL_MS, &now);
}

static void tear_down(void) {
  fc_instance_free(instance);
  fc_settings_release(&settings);
}

static void renew(void) {
  fc_instance_free(instance);
  instance = fc_instance_new(&settings, INTERVAL_MS, 1);
  ck_assert_ptr_nonnull(instance);
}

static int64_t roll(int64_t sides) {
  random_state = random_state * UINT64_C(6364136223846793005) + 1;
  return (int64_t)(random_state >> 33) % sides;
}

static void pass_ms(int64_t ms) { drive_pass_ms(&now, ms); }

static enum fc_error add_kind(enum fc_kind_id kind, const char *id,
                              enum fc_job_source source) {
  return fc_instance_add(instance, fc_kind_get(kind), id, NULL, source, now);
}

static enum fc_error add(const char *id) {
  return add_kind(FC_KIND_EXTRACT, id, FC_SOURCE_REGISTRATION);
}

static void add_many(int count) {
  char id[16];
  for (int i = 0; i < count; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    ck_assert_int_eq(add(id), FC_OK);
  }
}

static enum fc_error forget(const char *id) {
  return fc_instance_forget(instance, id, FC_SOURCE_REGISTRATION, now);
}

static struct fc_result failure(enum fc_error error, int code) {
  struct fc_result result = {
      .answer = FC_ANSWER_NONE, .error = error, .http_code = code};
  strcpy(result.detail, fc_error_text(error));
  return result;
}

static struct fc_result not_found(void) {
  return (struct fc_result){.answer = FC_ANSWER_NOT_FOUND, .http_code = 404};
}

static void answer(const char *id, struct fc_result result) {
  drive_answer(instance, &now, id, result);
}

/* Gives every request of so many seconds the same result; returns how many
 * requests there were. With a step of a millisecond or none, they end at
 * once. */
static int answer_all(struct fc_result result, int64_t seconds) {
  struct fc_ticket ticket;
  int64_t wake_ms, end_ms = now.mono_ms + seconds * 1000;
  int requests = 0;
  while (now.mono_ms < end_ms) {
    for (; fc_instance_next(instance, now, &ticket, &wake_ms); requests++)
      (void)fc_instance_take_result(instance, &ticket, &result, now);
    if (wake_ms > end_ms)
      wake_ms = end_ms;
    pass_ms(wake_ms - now.mono_ms > 0 ? wake_ms - now.mono_ms : 1);
  }
  return requests;
}

static void answer_401(const char *id) {
  answer(id, failure(FC_ERR_AUTH, 401));
}

static void tick(void) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  ck_assert(!fc_instance_next(instance, now, &ticket, &wake_ms));
}

static size_t series(void) {
  struct fc_job_view views[VIEWS];
  size_t len, all = 0;
  bool more = true;
  for (bool first = true; more; first = false) {
    more = fc_instance_views(instance, now, first, views, VIEWS, &len);
    all += len;
  }
  return all;
}

static struct fc_stats stats(void) { return drive_stats(instance, now); }

static const char *event(void) { return drive_event(instance, now); }

/* --- Nothing stale is shown as fresh. */

static const struct {
  enum fc_error error;
  int code;
} outages[] = {
    {FC_ERR_CONNECT, 0}, {FC_ERR_TIMEOUT, 0},      {FC_ERR_HTTP, 502},
    {FC_ERR_AUTH, 401},  {FC_ERR_RATE_LIMIT, 429},
};

START_TEST(in_an_outage_no_unfinished_job_has_series) {
  enum { JOBS = 40 };
  add_many(JOBS);
  ck_assert_int_eq(add("ended"), FC_OK);
  answer("ended", drive_status(FC_STATUS_COMPLETED));
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 20);
  ck_assert_uint_eq(series(), JOBS + 1);
  (void)answer_all(failure(outages[_i].error, outages[_i].code), 3600);
  ck_assert_uint_eq(series(), 1);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_PROCESSING], JOBS);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 330);
  ck_assert_uint_eq(series(), JOBS + 1);
}
END_TEST

/* --- An outage and its end. */

START_TEST(an_outage_costs_few_requests_and_ends_without_a_rush) {
  enum { JOBS = 200, SECONDS = 20 };
  int per_second[SECONDS] = {0};
  struct fc_result processing = drive_status(FC_STATUS_PROCESSING);
  struct fc_ticket ticket;
  int64_t wake_ms;
  add_many(JOBS);
  (void)answer_all(processing, 30);
  int requests = answer_all(failure(FC_ERR_CONNECT, 0), 3600);
  ck_assert_int_le(requests, 40);
  while (!fc_instance_next(instance, now, &ticket, &wake_ms))
    pass_ms(wake_ms - now.mono_ms);
  ck_assert(!fc_instance_next(instance, now, &(struct fc_ticket){0}, &wake_ms));
  (void)fc_instance_take_result(instance, &ticket, &processing, now);
  for (int second = 0; second < SECONDS; second++)
    per_second[second] = answer_all(processing, 1);
  for (int second = 0; second < SECONDS; second++) {
    ck_assert_int_ge(per_second[second], JOBS * 1000 / INTERVAL_MS - 8);
    ck_assert_int_le(per_second[second], JOBS * 1000 / INTERVAL_MS + 8);
  }
}
END_TEST

/* The gate would let through one of them after the other. */
START_TEST(jobs_that_hang_do_not_starve_one_that_answers) {
  struct fc_ticket ticket;
  struct fc_result hangs = failure(FC_ERR_TIMEOUT, 0),
                   answers = drive_status(FC_STATUS_PROCESSING);
  int64_t wake_ms, end_ms = now.mono_ms + 60 * INTERVAL_MS;
  int turns = 0;
  ck_assert_int_eq(add("well"), FC_OK);
  add_many(100);
  while (now.mono_ms < end_ms) {
    while (fc_instance_next(instance, now, &ticket, &wake_ms)) {
      bool is_well = strcmp(ticket.id, "well") == 0;
      turns += is_well;
      (void)fc_instance_take_result(instance, &ticket,
                                    is_well ? &answers : &hangs, now);
    }
    pass_ms(100);
  }
  ck_assert_int_ge(turns, 40);
}
END_TEST

START_TEST(failures_of_one_moment_close_the_gate_once) {
  add_many(40);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 30);
  struct fc_ticket tickets[32];
  struct fc_result refused = failure(FC_ERR_CONNECT, 0);
  int64_t wake_ms;
  fc_instance_poll_now(instance, now);
  for (size_t i = 0; i < COUNT(tickets); i++)
    ck_assert(fc_instance_next(instance, now, &tickets[i], &wake_ms));
  for (size_t i = 0; i < COUNT(tickets); i++)
    (void)fc_instance_take_result(instance, &tickets[i], &refused, now);
  ck_assert(!fc_instance_next(instance, now, &tickets[0], &wake_ms));
  ck_assert_int_le(wake_ms - now.mono_ms, 2 * INTERVAL_MS);
}
END_TEST

/* --- What the operator is told about the API. */

START_TEST(an_unusable_api_nobody_heard_of_is_told_as_its_rejected_key) {
  ck_assert_int_eq(add("a"), FC_OK);
  (void)answer_all(failure(FC_ERR_CONNECT, 0), 60);
  answer_401("a");
  answer_401("a");
  ck_assert_str_eq(event(), "API key rejected: the API key is rejected");
  ck_assert_str_eq(event(), "");
  answer("a", drive_status(FC_STATUS_PROCESSING));
  ck_assert_str_eq(event(), "API usable again");
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_rejected_key_is_told_after_the_unusable_api_and_not_back) {
  ck_assert_int_eq(add("a"), FC_OK);
  (void)answer_all(failure(FC_ERR_CONNECT, 0), 60);
  ck_assert_ptr_nonnull(strstr(event(), "API unusable: no connection"));
  answer_401("a");
  ck_assert_str_eq(event(), "");
  answer_401("a");
  ck_assert_ptr_nonnull(strstr(event(), "API key rejected"));
  (void)answer_all(failure(FC_ERR_CONNECT, 0), 600);
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(with_a_new_key_it_asks_at_once) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  add_many(2);
  answer("0", drive_status(FC_STATUS_PROCESSING));
  answer("1", failure(FC_ERR_AUTH, 401));
  ck_assert(!fc_instance_next(instance, now, &ticket, &wake_ms));
  pass_ms(1);
  fc_instance_key_changed(instance, now);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
}
END_TEST

START_TEST(a_new_key_costs_no_request_where_the_old_one_was_good) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  add_many(1);
  answer("0", drive_status(FC_STATUS_PROCESSING));
  pass_ms(1);
  fc_instance_key_changed(instance, now);
  ck_assert(!fc_instance_next(instance, now, &ticket, &wake_ms));
}
END_TEST

START_TEST(a_key_that_is_missing_is_told_after_half_a_minute) {
  ck_assert_int_eq(add("a"), FC_OK);
  for (int i = 0; i < 30; i++, pass_ms(1000)) {
    fc_instance_key_missing(instance, "/etc/key is empty", now);
    (void)fc_instance_wait(instance, now);
    ck_assert_str_eq(event(), "");
    ck_assert(!stats().has_api_up);
  }
  (void)fc_instance_wait(instance, now);
  ck_assert_str_eq(event(), "API key unusable: /etc/key is empty");
  ck_assert(stats().has_api_up && !stats().api_up);
  ck_assert_uint_eq(stats().failures[FC_CLASS_AUTH].count, 1);
  fc_instance_key_changed(instance, now);
  answer("a", drive_status(FC_STATUS_PROCESSING));
  ck_assert_str_eq(event(), "API usable again");
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(one_401_is_no_rejected_key) {
  add_many(20);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 30);
  for (int i = 0; i < 5; i++) {
    answer_401("3");
    answer("3", drive_status(FC_STATUS_PROCESSING));
    ck_assert(stats().api_up);
  }
  ck_assert_str_eq(event(), "");
}
END_TEST

/* As long as the disk does not answer, the key may be another by now. */
START_TEST(a_key_is_not_rejected_before_its_file_was_read_again) {
  settings.api_key_file = strdup("/key");
  renew();
  add_many(1);
  for (int i = 0; i < 3; i++)
    answer_401("0");
  ck_assert_str_eq(event(), "");
  fc_instance_key_read(instance);
  answer_401("0");
  ck_assert_ptr_nonnull(strstr(event(), "API key rejected"));
}
END_TEST

/* --- What is one job's, and what is everybody's. */

static struct fc_result refused(void) { return failure(FC_ERR_REFUSED, 403); }

/* Every job is asked for so many seconds long: "0" gets `result`, all others
 * are well. */
static void answer_others(struct fc_result result, int64_t seconds) {
  struct fc_ticket ticket;
  struct fc_result well = drive_status(FC_STATUS_PROCESSING);
  int64_t wake_ms, end_ms = now.mono_ms + seconds * 1000;
  while (now.mono_ms < end_ms) {
    while (fc_instance_next(instance, now, &ticket, &wake_ms))
      (void)fc_instance_take_result(
          instance, &ticket, strcmp(ticket.id, "0") == 0 ? &result : &well,
          now);
    pass_ms(wake_ms > end_ms        ? end_ms - now.mono_ms
            : wake_ms > now.mono_ms ? wake_ms - now.mono_ms
                                    : 1);
  }
}

static const struct {
  struct fc_result result;
  const char *event;
} bad_jobs[] = {
    {{.error = FC_ERR_REFUSED, .http_code = 403, .reply.error = "Forbidden"},
     "extract 0 (0) lost: Forbidden"},
    {{.answer = FC_ANSWER_NOT_FOUND, .http_code = 404}, "extract 0 (0) lost"},
    {{.answer = FC_ANSWER_INVALID, .reply.error = "no UUID"},
     "extract 0 (0) lost: no UUID"},
    {{.error = FC_ERR_HTTP, .http_code = 500}, ""},
    {{.error = FC_ERR_TIMEOUT}, ""},
};

START_TEST(one_bad_job_among_twenty_is_not_the_apis_health) {
  add_many(20);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 30);
  for (int i = 0; i < 40; i++) {
    answer_others(bad_jobs[_i].result, 15);
    ck_assert(stats().has_api_up && stats().api_up);
    ck_assert_double_le(stats().poll_age_s, 300);
  }
  ck_assert_str_eq(event(), bad_jobs[_i].event);
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(stats().ends[FC_STATUS_LOST], bad_jobs[_i].event[0] != 0);
}
END_TEST

/* W is half a minute here. */
START_TEST(a_403_for_everything_rejects_the_key_in_time) {
  add_many(_i);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 30);
  (void)answer_all(refused(), 25);
  ck_assert_str_eq(event(), "");
  (void)answer_all(refused(), 20);
  ck_assert_ptr_nonnull(strstr(event(), "API key rejected"));
  (void)answer_all(refused(), 3600);
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(stats().jobs[FC_STATUS_LOST], 0);
}
END_TEST

/* It was its own before: that does not vouch for the key afterwards. */
START_TEST(a_job_that_was_refused_does_not_hide_a_key_that_is) {
  add_many(3);
  answer_others(refused(), 300);
  ck_assert_ptr_nonnull(strstr(event(), "0 (0) lost"));
  (void)answer_all(refused(), 600);
  ck_assert_ptr_nonnull(strstr(event(), "API key rejected"));
}
END_TEST

START_TEST(rate_limits_are_no_outage) {
  struct fc_result limited = failure(FC_ERR_RATE_LIMIT, 429);
  limited.has_retry_after = true;
  limited.retry_after_s = 23;
  add_many(3);
  (void)answer_all(limited, 3600);
  ck_assert(stats().has_api_up && stats().api_up);
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_404_is_asked_again_within_half_a_minute_and_keeps_its_series) {
  struct fc_ticket ticket;
  struct fc_result missing = not_found();
  int64_t wake_ms;
  settings.interval_ms = _i * INTERVAL_MS;
  renew();
  add_many(1);
  answer("0", drive_status(FC_STATUS_PROCESSING));
  answer("0", missing);
  ck_assert_uint_eq(series(), 1);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_PROCESSING], 1);
  ck_assert(!fc_instance_next(instance, now, &ticket, &wake_ms));
  ck_assert_int_le(wake_ms - now.mono_ms,
                   fc_min64(settings.interval_ms, 30 * 1000));
  for (int64_t start_ms = now.mono_ms; stats().jobs[FC_STATUS_LOST] == 0;) {
    answer("0", missing);
    ck_assert_int_le(now.mono_ms - start_ms, 90 * 1000);
  }
  ck_assert_ptr_nonnull(strstr(event(), "0 (0) lost"));
}
END_TEST

START_TEST(a_lost_job_makes_no_poll_late) {
  add_many(2);
  for (int i = 0; i < 200; i++)
    answer_others(not_found(), 60);
  struct fc_stats figures = stats();
  (void)series();
  figures = stats();
  ck_assert_uint_eq(figures.jobs[FC_STATUS_LOST], 1);
  ck_assert(figures.has_poll_age);
  ck_assert_double_le(figures.poll_age_s, 20);
}
END_TEST

/* However long the interval, one that failed is asked for again soon, and an
 * outage is told a quarter of an hour after it began. */
START_TEST(a_long_interval_does_not_make_the_plugin_deaf) {
  settings.interval_ms = INT64_C(3600) * 1000;
  renew();
  add_many(1);
  answer("0", drive_status(FC_STATUS_PROCESSING));
  answer("0", failure(FC_ERR_TIMEOUT, 0));
  int64_t failed_ms = now.mono_ms;
  answer("0", failure(FC_ERR_TIMEOUT, 0));
  ck_assert_int_ge(now.mono_ms - failed_ms, 30 * 1000);
  ck_assert_int_le(now.mono_ms - failed_ms, 60 * 1000);
  (void)answer_all(failure(FC_ERR_TIMEOUT, 0), 14 * 60);
  ck_assert_str_eq(event(), "");
  (void)answer_all(failure(FC_ERR_TIMEOUT, 0), 60);
  ck_assert_ptr_nonnull(strstr(event(), "API unusable"));
}
END_TEST

static const struct {
  enum fc_status status;
  unsigned ends[FC_STATUS_COUNT];
} ends[] = {
    {FC_STATUS_PROCESSING, {0}},
    {FC_STATUS_UNKNOWN, {0}},
    {FC_STATUS_COMPLETED, {[FC_STATUS_COMPLETED] = 1}},
    {FC_STATUS_CANCELLED, {[FC_STATUS_CANCELLED] = 1}},
    {FC_STATUS_FAILED, {[FC_STATUS_FAILED] = 1}},
};

START_TEST(each_end_is_counted_once) {
  add_many(2);
  answer("0", drive_status(FC_STATUS_PROCESSING));
  answer("0", drive_status(ends[_i].status));
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 60);
  for (int i = 0; i < FC_STATUS_COUNT; i++)
    ck_assert_uint_eq(stats().ends[i], ends[_i].ends[i]);
}
END_TEST

/* --- Nothing to ask for. */

/* Whether api_up has a value. */
static bool is_judged(void) { return stats().has_api_up; }

START_TEST(an_api_that_nobody_asks_is_neither_up_nor_down) {
  ck_assert(!is_judged());
  ck_assert_int_eq(add("a"), FC_OK);
  ck_assert(!is_judged());
  answer("a", drive_status(FC_STATUS_PROCESSING));
  ck_assert(is_judged() && stats().api_up);
  answer("a", drive_status(FC_STATUS_COMPLETED));
  ck_assert(!is_judged());
  tick();
  ck_assert_int_eq(add("b"), FC_OK);
  ck_assert(!is_judged());
  answer("b", failure(FC_ERR_CONNECT, 0));
  ck_assert(!is_judged());
  answer("b", failure(FC_ERR_CONNECT, 0));
  ck_assert(is_judged() && !stats().api_up);
  ck_assert_int_eq(forget("b"), FC_OK);
  tick();
  ck_assert(!is_judged());
  (void)answer_all(failure(FC_ERR_CONNECT, 0), 600);
  ck_assert_str_eq(event(), "");
}
END_TEST

static const struct {
  struct fc_result result;
  const char *trouble;
} troubles[] = {
    {{.error = FC_ERR_CONNECT}, "API unusable"},
    {{.error = FC_ERR_AUTH, .http_code = 401}, "API key rejected"},
};

START_TEST(trouble_that_was_told_ends_with_the_last_job) {
  ck_assert_int_eq(add("a"), FC_OK);
  (void)answer_all(troubles[_i].result, 120);
  ck_assert_ptr_nonnull(strstr(event(), troubles[_i].trouble));
  ck_assert_int_eq(forget("a"), FC_OK);
  tick();
  ck_assert_str_eq(event(), "API no longer needed: no job is left to ask for");
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(add("b"), FC_OK);
  answer("b", drive_status(FC_STATUS_PROCESSING));
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(trouble_that_nobody_heard_of_ends_unheard) {
  ck_assert_int_eq(add("a"), FC_OK);
  (void)answer_all(troubles[_i].result, 120);
  ck_assert_int_eq(forget("a"), FC_OK);
  tick();
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_request_that_fails_after_its_job_was_forgotten_is_no_trouble) {
  struct fc_ticket ticket;
  struct fc_result rejected = failure(FC_ERR_AUTH, 401);
  int64_t wake_ms;
  ck_assert_int_eq(add("a"), FC_OK);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  ck_assert_int_eq(forget("a"), FC_OK);
  (void)fc_instance_take_result(instance, &ticket, &rejected, now);
  tick();
  ck_assert_str_eq(event(), "");
  ck_assert(!is_judged());
}
END_TEST

START_TEST(a_key_that_nobody_needs_is_no_trouble) {
  fc_instance_key_missing(instance, "/etc/key is empty", now);
  ck_assert_str_eq(event(), "");
  ck_assert(!is_judged());
}
END_TEST

START_TEST(an_outage_counts_from_its_first_failure_and_by_time_alone) {
  ck_assert_int_eq(add("a"), FC_OK);
  ck_assert(!is_judged());
  answer("a", drive_status(FC_STATUS_PROCESSING));
  for (int i = 0; i < 20; i++) {
    answer("a", failure(FC_ERR_HTTP, 503));
    answer("a", drive_status(FC_STATUS_PROCESSING));
    ck_assert(stats().api_up);
  }
  ck_assert_str_eq(event(), "");
  answer("a", failure(FC_ERR_HTTP, 503));
  pass_ms(3 * INTERVAL_MS - 1);
  (void)fc_instance_wait(instance, now);
  ck_assert(stats().api_up);
  ck_assert_str_eq(event(), "");
  pass_ms(1);
  (void)fc_instance_wait(instance, now);
  ck_assert(is_judged() && !stats().api_up);
  ck_assert_ptr_nonnull(strstr(event(), "API unusable"));
}
END_TEST

static const struct {
  enum fc_error error;
  enum fc_error_class class;
  int code;
} classes[] = {
    {FC_ERR_DNS, FC_CLASS_DNS, 0},
    {FC_ERR_CONNECT, FC_CLASS_CONNECT, 0},
    {FC_ERR_TLS, FC_CLASS_TLS, 0},
    {FC_ERR_TIMEOUT, FC_CLASS_TIMEOUT, 0},
    {FC_ERR_HTTP, FC_CLASS_HTTP, 502},
    {FC_ERR_RATE_LIMIT, FC_CLASS_RATE_LIMIT, 429},
    {FC_ERR_AUTH, FC_CLASS_AUTH, 401},
    {FC_ERR_REFUSED, FC_CLASS_AUTH, 403},
    {FC_ERR_BODY, FC_CLASS_BODY, 200},
};

START_TEST(each_failure_counts_in_its_class_and_by_its_code) {
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", failure(classes[_i].error, classes[_i].code));
  answer("a", failure(classes[_i].error, classes[_i].code));
  struct fc_stats figures = stats();
  for (int class = 0; class < FC_CLASS_COUNT; class ++)
    ck_assert_uint_eq(figures.failures[class].count,
                      class == (int)classes[_i].class ? 2 : 0);
  ck_assert_str_eq(figures.failures[classes[_i].class].id, "a");
  ck_assert_uint_eq(figures.requests, 2);
  ck_assert_uint_eq(figures.codes[200], classes[_i].code == 200 ? 2 : 0);
  if (classes[_i].code)
    ck_assert_uint_eq(figures.codes[classes[_i].code], 2);
}
END_TEST

START_TEST(response_times_are_of_the_time_since_the_last_look) {
  static const double times[] = {0.5, 1.5, 4.0};
  ck_assert_int_eq(add("a"), FC_OK);
  ck_assert(stats().timed == 0);
  for (size_t i = 0; i < COUNT(times); i++) {
    struct fc_result result = drive_status(FC_STATUS_PROCESSING);
    result.seconds = times[i];
    answer("a", result);
  }
  struct fc_stats figures = stats();
  ck_assert_uint_eq(figures.timed, 3);
  ck_assert_double_eq_tol(figures.response_sum_s, 6.0, 1e-9);
  ck_assert_double_eq_tol(figures.response_max_s, 4.0, 1e-9);
  ck_assert(stats().timed == 0);
}
END_TEST

/* --- Endpoints. */

START_TEST(a_410_is_told_once_for_its_kind_with_its_successor) {
  struct fc_result gone = {.answer = FC_ANSWER_GONE, .http_code = 410};
  strcpy(gone.successor, "/v9/other");
  add_many(3);
  ck_assert_int_eq(add_kind(FC_KIND_CRAWL, "c", FC_SOURCE_CONFIG), FC_OK);
  answer("0", gone);
  answer("1", gone);
  answer("2", gone);
  ck_assert_str_eq(event(), "extract endpoint gone: the server answers 410, "
                            "its jobs cannot be watched; use /v9/other "
                            "instead");
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(stats().jobs[FC_STATUS_LOST], 3);
  ck_assert(stats().api_up);
  gone.successor[0] = '\0';
  answer("c", gone);
  ck_assert_ptr_nonnull(strstr(event(), "crawl endpoint gone"));
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(stats().jobs[FC_STATUS_LOST], 4);
}
END_TEST

/* --- The end of a kind at the cloud, which no header tells. */

static const int64_t END_S = 1796914800; /* 2026-12-10T15:00:00Z */

static void renew_at(const char *url, int64_t epoch_s) {
  free(settings.url);
  settings.url = strdup(url);
  now.epoch_s = epoch_s;
  renew();
}

START_TEST(
    the_clouds_date_for_extract_is_told_and_told_again_in_its_last_week) {
  renew_at("https://api.firecrawl.dev", END_S - 14 * 86400);
  ck_assert(!stats().has_sunset[FC_KIND_EXTRACT]);
  add_many(2);
  ck_assert_int_eq(add_kind(FC_KIND_CRAWL, "c", FC_SOURCE_CONFIG), FC_OK);
  ck_assert(stats().has_sunset[FC_KIND_EXTRACT]);
  ck_assert(!stats().has_sunset[FC_KIND_CRAWL]);
  ck_assert_int_eq(stats().sunset_left_s[FC_KIND_EXTRACT], 14 * 86400);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 60);
  ck_assert_str_eq(event(),
                   "extract endpoint has a sunset date: it ends on "
                   "2026-12-10T15:00:00Z; use /v2/scrape with a JSON format, "
                   "/v2/batch/scrape or /v2/agent instead");
  ck_assert_str_eq(event(), "");
  pass_ms(INT64_C(8) * 86400 * 1000);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 60);
  ck_assert_ptr_nonnull(strstr(event(), "it ends on 2026-12-10T15:00:00Z"));
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_date_that_has_passed_while_the_endpoint_answers_is_told_no_more) {
  renew_at("https://api.firecrawl.dev", END_S + 60);
  add_many(1);
  (void)answer_all(drive_status(FC_STATUS_PROCESSING), 60);
  ck_assert(!stats().has_sunset[FC_KIND_EXTRACT]);
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_kind_that_ended_on_its_date_is_told_once_as_gone) {
  renew_at("https://api.firecrawl.dev", END_S + 60);
  add_many(1);
  (void)answer_all((struct fc_result){.answer = FC_ANSWER_GONE}, 60);
  ck_assert_ptr_nonnull(strstr(event(), "extract endpoint gone"));
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(an_endpoint_that_answers_again_is_told_and_its_jobs_asked_for) {
  struct fc_result gone = {.answer = FC_ANSWER_GONE, .http_code = 410};
  add_many(20);
  for (int round = 0; round < 2; round++) {
    (void)answer_all(gone, 4 * 3600);
    ck_assert_uint_eq(stats().jobs[FC_STATUS_LOST], 20);
    ck_assert_ptr_nonnull(strstr(event(), "extract endpoint gone: "));
    ck_assert_str_eq(event(), "");
    answer("7", drive_status(FC_STATUS_PROCESSING));
    ck_assert_str_eq(event(), "extract endpoint answers again");
    (void)answer_all(drive_status(FC_STATUS_PROCESSING), INTERVAL_MS / 1000);
    ck_assert_uint_eq(stats().jobs[FC_STATUS_PROCESSING], 20);
    ck_assert_str_eq(event(), "");
  }
}
END_TEST

START_TEST(an_endpoint_gone_for_one_job_alone_is_asked_once_per_interval) {
  struct fc_ticket ticket;
  struct fc_result gone = {.answer = FC_ANSWER_GONE, .http_code = 410},
                   well = drive_status(FC_STATUS_PROCESSING);
  int64_t wake_ms, end_ms = now.mono_ms + 100 * INTERVAL_MS;
  int asked = 0;
  add_many(100);
  while (now.mono_ms < end_ms) {
    while (fc_instance_next(instance, now, &ticket, &wake_ms)) {
      bool is_gone = strcmp(ticket.id, "0") == 0;
      asked += is_gone;
      (void)fc_instance_take_result(instance, &ticket, is_gone ? &gone : &well,
                                    now);
    }
    pass_ms(wake_ms > now.mono_ms ? wake_ms - now.mono_ms : 1);
  }
  ck_assert_int_le(asked, 101);
}
END_TEST

/* Nobody hears of a return whose end he has not heard of, nor of an end twice.
 */
START_TEST(of_an_endpoint_that_comes_and_goes_only_the_last_is_told) {
  struct fc_result gone = {.answer = FC_ANSWER_GONE, .http_code = 410};
  add_many(1);
  answer("0", gone);
  answer("0", drive_status(FC_STATUS_PROCESSING));
  ck_assert_str_eq(event(), "");
  answer("0", gone);
  ck_assert_ptr_nonnull(strstr(event(), "gone"));
  answer("0", drive_status(FC_STATUS_PROCESSING));
  answer("0", gone);
  ck_assert_str_eq(event(), "");
}
END_TEST

static const struct {
  const char *url;
  bool told;
} servers[] = {{"http://b", true}, {"http://a", false}, {NULL, false}};

START_TEST(what_an_earlier_run_told_counts_for_its_server_alone) {
  struct fc_endpoint_record record = {
      .kind = FC_KIND_EXTRACT, .gone_reported = true, .url = servers[_i].url};
  renew_at("http://a", EPOCH_S);
  fc_instance_restore_endpoint(instance, &record);
  add_many(1);
  answer("0", (struct fc_result){.answer = FC_ANSWER_GONE});
  ck_assert_int_eq(event()[0] != 0, servers[_i].told);
}
END_TEST

START_TEST(a_sunset_header_wins_over_the_table) {
  struct fc_result result = drive_status(FC_STATUS_PROCESSING);
  renew_at("https://api.firecrawl.dev", END_S - 14 * 86400);
  result.has_sunset = true;
  result.sunset_s = END_S + 90 * 86400;
  add_many(1);
  answer("0", result);
  ck_assert_ptr_nonnull(strstr(event(), "it ends on 2027-03-10T15:00:00Z"));
  answer("0", drive_status(FC_STATUS_PROCESSING));
  ck_assert_str_eq(event(), "");
  ck_assert_int_gt(stats().sunset_left_s[FC_KIND_EXTRACT], 90 * 86400);
}
END_TEST

static const struct {
  const char *url;
  enum fc_kind_id kind;
  bool fails;
} undated[] = {
    {"http://localhost:3002", FC_KIND_EXTRACT, false},
    {"https://api.firecrawl.dev", FC_KIND_AGENT, false},
    {"https://api.firecrawl.dev", FC_KIND_EXTRACT, true},
};

START_TEST(no_other_server_kind_or_failure_tells_the_date) {
  renew_at(undated[_i].url, END_S - 14 * 86400);
  ck_assert_int_eq(add_kind(undated[_i].kind, "a", FC_SOURCE_CONFIG), FC_OK);
  (void)answer_all(undated[_i].fails ? failure(FC_ERR_HTTP, 502)
                                     : drive_status(FC_STATUS_PROCESSING),
                   15);
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_new_sunset_date_is_told_anew) {
  struct fc_result result = drive_status(FC_STATUS_PROCESSING);
  result.has_sunset = true;
  result.sunset_s = EPOCH_S + 30 * 86400;
  add_many(2);
  for (int i = 0; i < 4; i++)
    answer(i % 2 ? "1" : "0", result);
  ck_assert_ptr_nonnull(strstr(event(), "it ends on 2025-12-24T16:00:00Z"));
  ck_assert_str_eq(event(), "");
  result.sunset_s += 86400;
  answer("0", result);
  ck_assert_ptr_nonnull(strstr(event(), "it ends on 2025-12-25T16:00:00Z"));
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(stats().sunset_left_s[FC_KIND_EXTRACT],
                   result.sunset_s - now.epoch_s);
}
END_TEST

/* --- Jobs that are refused. */

static enum fc_error add_agent(const char *id) {
  return fc_instance_add(instance, fc_kind_get(FC_KIND_AGENT), id, NULL,
                         FC_SOURCE_REGISTRATION, now);
}

/* One that has ended takes no room, unless it starts afresh. */
START_TEST(jobs_that_come_back_do_not_exceed_max_jobs) {
  settings.max_jobs = 2;
  add_many(2);
  answer("0", drive_status(FC_STATUS_COMPLETED));
  answer("1", drive_status(FC_STATUS_COMPLETED));
  ck_assert_int_eq(forget("0"), FC_OK);
  ck_assert_int_eq(forget("1"), FC_OK);
  ck_assert_int_eq(add("x"), FC_OK);
  ck_assert_int_eq(add("0"), FC_OK);
  ck_assert_int_eq(add_agent("0"), FC_OK);
  ck_assert_int_eq(add("1"), FC_OK);
  ck_assert_int_eq(add_agent("1"), FC_ERR_LIMIT);
  ck_assert_int_eq(add("y"), FC_ERR_LIMIT);
  ck_assert_ptr_nonnull(strstr(event(), "the first one refused is 1"));
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(forget("x"), FC_OK);
  ck_assert_int_eq(add("y"), FC_OK);
  ck_assert_str_eq(event(), "all jobs accepted again");
}
END_TEST

START_TEST(a_known_job_registered_again_does_not_end_a_refusal) {
  settings.max_jobs = 1;
  add_many(1);
  for (int i = 0; i < 5; i++) {
    ck_assert_int_eq(add("x"), FC_ERR_LIMIT);
    ck_assert_int_eq(add("0"), FC_OK);
  }
  ck_assert_ptr_nonnull(strstr(event(), "jobs refused"));
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_registration_does_not_mend_a_bad_job_file) {
  fc_instance_file_begin(instance);
  fc_instance_file_end(instance, "/jobs line 3: bad ID", now);
  ck_assert_str_eq(event(), "jobs refused: /jobs line 3: bad ID");
  add_many(1);
  ck_assert_str_eq(event(), "");
  fc_instance_file_begin(instance);
  fc_instance_file_end(instance, NULL, now);
  ck_assert_str_eq(event(), "all jobs accepted again");
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_good_job_file_does_not_make_room_for_registrations) {
  settings.max_jobs = 1;
  add_many(1);
  ck_assert_int_eq(add("x"), FC_ERR_LIMIT);
  ck_assert_ptr_nonnull(strstr(event(), "jobs refused"));
  fc_instance_file_begin(instance);
  fc_instance_file_end(instance, NULL, now);
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(forget("0"), FC_OK);
  ck_assert_int_eq(add("x"), FC_OK);
  ck_assert_str_eq(event(), "all jobs accepted again");
}
END_TEST

/* --- The order of what is told. */

START_TEST(jobs_are_told_of_in_the_order_of_their_ends) {
  add_many(3);
  answer("2", drive_status(FC_STATUS_FAILED));
  answer("0", drive_status(FC_STATUS_CANCELLED));
  answer("1", drive_status(FC_STATUS_FAILED));
  ck_assert_ptr_nonnull(strstr(event(), "2 (2) failed"));
  ck_assert_ptr_nonnull(strstr(event(), "0 (0) cancelled"));
  ck_assert_ptr_nonnull(strstr(event(), "1 (1) failed"));
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(of_what_nobody_heard_yet_the_last_is_how_it_is) {
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", drive_status(FC_STATUS_PROCESSING));
  drive_lose(instance, &now, "a");
  if (_i)
    ck_assert_str_eq(event(), "extract a (a) lost");
  answer("a", drive_status(FC_STATUS_PROCESSING));
  drive_lose(instance, &now, "a");
  if (!_i)
    ck_assert_str_eq(event(), "extract a (a) lost");
  ck_assert_str_eq(event(), "");
  answer("a", drive_status(FC_STATUS_PROCESSING));
  ck_assert_str_eq(event(), "extract a (a) found again");
  ck_assert_str_eq(event(), "");
}
END_TEST

/* The next event, with its key; it counts as delivered. */
static struct fc_event event_and_key(char key[FC_EVENT_KEY_SIZE]) {
  struct fc_delivery delivery;
  ck_assert(fc_instance_take_event(instance, now, &delivery));
  (void)fc_event_key(&delivery.event, key);
  fc_instance_delivered(instance, &delivery);
  return delivery.event;
}

START_TEST(an_event_tells_of_its_own_moment) {
  char key[FC_EVENT_KEY_SIZE];
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", drive_status(FC_STATUS_UNKNOWN));
  drive_lose(instance, &now, "a");
  answer("a", drive_status(FC_STATUS_PROCESSING));
  answer("a", drive_status(FC_STATUS_PROCESSING));
  struct fc_event lost = event_and_key(key), found = event_and_key(key);
  ck_assert_int_eq(lost.type, FC_EVENT_LOST);
  ck_assert_int_eq(lost.status, FC_STATUS_LOST);
  ck_assert_int_eq(lost.previous, FC_STATUS_UNKNOWN);
  ck_assert_int_eq(found.type, FC_EVENT_FOUND);
  ck_assert_int_eq(found.status, FC_STATUS_PROCESSING);
  ck_assert_int_eq(found.previous, FC_STATUS_LOST);
}
END_TEST

START_TEST(each_round_of_a_pair_has_a_key_of_its_own) {
  static const char *const keys[] = {
      "extract/a/lost",    "extract/a/found",  "extract/a/lost/2",
      "extract/a/found/2", "extract/a/lost/3",
  };
  char key[FC_EVENT_KEY_SIZE];
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", drive_status(FC_STATUS_PROCESSING));
  for (size_t i = 0; i < COUNT(keys); i++) {
    if (i % 2)
      answer("a", drive_status(FC_STATUS_PROCESSING));
    else
      drive_lose(instance, &now, "a");
    (void)event_and_key(key);
    ck_assert_str_eq(key, keys[i]);
    drive_pass_ms(&now, FC_FLAP_MS);
  }
}
END_TEST

START_TEST(each_repetition_has_a_key_of_its_own) {
  char key[FC_EVENT_KEY_SIZE];
  settings.repeat_interval_s = 600;
  renew();
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", drive_status(FC_STATUS_FAILED));
  (void)event_and_key(key);
  ck_assert_str_eq(key, "extract/a/failed");
  drive_pass_ms(&now, 601 * 1000);
  (void)fc_instance_wait(instance, now);
  (void)event_and_key(key);
  ck_assert_str_eq(key, "extract/a/failed/2");
}
END_TEST

/* However late it is delivered. */
START_TEST(the_key_of_an_outage_has_the_second_at_which_it_began) {
  char key[FC_EVENT_KEY_SIZE], expected[FC_EVENT_KEY_SIZE];
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", failure(FC_ERR_TIMEOUT, 0));
  int64_t start_s = now.epoch_s;
  for (int i = 0; i < 20; i++) {
    drive_pass_ms(&now, 30 * 1000);
    (void)fc_instance_wait(instance, now);
  }
  (void)snprintf(expected, sizeof(expected), "api_unusable/%" PRId64, start_s);
  (void)event_and_key(key);
  ck_assert_str_eq(key, expected);
  answer("a", drive_status(FC_STATUS_PROCESSING));
  drive_pass_ms(&now, 100 * 1000);
  (void)snprintf(expected, sizeof(expected), "api_usable/%" PRId64, start_s);
  (void)event_and_key(key);
  ck_assert_str_eq(key, expected);
}
END_TEST

START_TEST(a_loss_in_the_middle_of_a_delivery_is_told_after_it) {
  struct fc_delivery delivery;
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", drive_status(FC_STATUS_PROCESSING));
  drive_lose(instance, &now, "a");
  ck_assert_str_eq(event(), "extract a (a) lost");
  answer("a", drive_status(FC_STATUS_PROCESSING));
  ck_assert(fc_instance_take_event(instance, now, &delivery));
  ck_assert_int_eq(delivery.event.type, FC_EVENT_FOUND);
  drive_lose(instance, &now, "a");
  fc_instance_delivered(instance, &delivery);
  ck_assert_str_eq(event(), "extract a (a) lost; " FC_FLAP_LAST);
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_loss_is_not_told_before_the_state_file_has_it) {
  struct fc_unsaved changes[4];
  fc_instance_attach(instance, /* unsure = */ false, now);
  ck_assert_int_eq(add("a"), FC_OK);
  answer("a", drive_status(FC_STATUS_PROCESSING));
  drive_lose(instance, &now, "a");
  ck_assert_uint_eq(fc_instance_save_take(instance, changes, 4), 1);
  fc_instance_save_end(instance, true);
  ck_assert_str_eq(event(), "extract a (a) lost");
  answer("a", drive_status(FC_STATUS_PROCESSING));
  ck_assert_uint_eq(fc_instance_save_take(instance, changes, 4), 1);
  fc_instance_save_end(instance, true);
  drive_lose(instance, &now, "a");
  answer("a", drive_status(FC_STATUS_PROCESSING));
  /* The file has a "found" that was taken back, not the new one. */
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(fc_instance_save_take(instance, changes, 4), 1);
  fc_instance_save_end(instance, true);
  ck_assert_str_eq(event(), "extract a (a) found again");
  ck_assert_str_eq(event(), "");
}
END_TEST

/* --- Clocks. */

static const int64_t offsets_s[] = {0, 5, -5, 3 * 3600, -3 * 3600, 400 * 86400};

/* Waits until the only job is due; its reply is of the server's clock. */
static void answer_by_clock(int64_t offset_s, int64_t expires_in_s) {
  struct fc_ticket ticket;
  struct fc_result result = drive_status(FC_STATUS_PROCESSING);
  int64_t wake_ms;
  while (!fc_instance_next(instance, now, &ticket, &wake_ms))
    pass_ms(wake_ms - now.mono_ms);
  result.has_date = result.reply.facts.has_expires_at = true;
  result.date_s = now.epoch_s + offset_s;
  result.reply.facts.expires_at_s = result.date_s + expires_in_s;
  (void)fc_instance_take_result(instance, &ticket, &result, now);
}

START_TEST(a_local_clock_that_is_wrong_changes_nothing) {
  struct fc_job_view view;
  size_t len;
  settings.stall_timeout_s = 600;
  renew();
  ck_assert_int_eq(add("a"), FC_OK);
  int64_t start_s = now.epoch_s;
  for (int i = 0; i < 10; i++)
    answer_by_clock(offsets_s[_i], 6 * 3600);
  (void)fc_instance_views(instance, now, true, &view, 1, &len);
  ck_assert_uint_eq(len, 1);
  ck_assert_int_ge((int64_t)view.facts.duration_s - (now.epoch_s - start_s),
                   -1);
  ck_assert_int_le((int64_t)view.facts.duration_s - (now.epoch_s - start_s), 1);
  ck_assert_int_ge((int64_t)view.expiry_s, 6 * 3600 - 1);
  ck_assert_int_le((int64_t)view.expiry_s, 6 * 3600);
  ck_assert_uint_eq(stats().stalled, 0);
  answer_by_clock(offsets_s[_i], 0);
  ck_assert_uint_eq(stats().stalled, 1);
  ck_assert_str_eq(event(), "extract a (a) stalled");
  ck_assert_str_eq(event(), "");
}
END_TEST

/* --- Budgets: ten minutes of jobs that come, end and go at random, with
 * replies that take their time. */

struct flight {
  struct fc_ticket ticket;
  int64_t lands_ms;
};

static void land(struct flight *flights, size_t *len) {
  for (size_t i = 0; i < *len;) {
    if (flights[i].lands_ms > now.mono_ms) {
      i++;
      continue;
    }
    struct fc_result result = drive_status(
        roll(20) == 0 ? FC_STATUS_COMPLETED : FC_STATUS_PROCESSING);
    if (roll(50) == 0)
      result = failure(FC_ERR_HTTP, 502);
    (void)fc_instance_take_result(instance, &flights[i].ticket, &result, now);
    flights[i] = flights[--*len];
  }
}

static const int64_t budgets[] = {1, 7, 60, 400};

START_TEST(the_budget_holds_in_every_minute_of_ten) {
  enum { STARTS_MAX = 10 * 400 + 400 };
  static int64_t starts[STARTS_MAX];
  struct flight flights[LATENCIES];
  size_t budget = (size_t)budgets[_i], len = 0, flying = 0, most = 0;
  int64_t wake_ms;
  char id[16];
  settings.max_requests_per_minute = budgets[_i];
  settings.max_jobs = 1000000;
  renew();
  for (int step = 0; step < 10 * 60 * 100; step++, pass_ms(10)) {
    for (int64_t i = roll(4) ? 0 : roll(3); i > 0; i--) {
      (void)snprintf(id, sizeof(id), "%d-%d", step, (int)i);
      ck_assert_int_eq(add(id), FC_OK);
    }
    land(flights, &flying);
    while (fc_instance_next(instance, now, &flights[flying].ticket, &wake_ms)) {
      ck_assert_uint_lt(len, STARTS_MAX);
      flights[flying++].lands_ms = now.mono_ms + roll(900);
      starts[len++] = now.mono_ms;
      most = flying > most ? flying : most;
      ck_assert_uint_le(flying, (size_t)settings.max_concurrency);
    }
  }
  for (size_t i = budget; i < len; i++)
    ck_assert_int_ge(starts[i] - starts[i - budget], FC_SCHEDULE_WINDOW_MS);
  /* ... and is used. */
  ck_assert_uint_ge(len, 10 * budget);
  printf("# budget %zu: %zu requests in 10 minutes, up to %zu at once\n",
         budget, len, most);
}
END_TEST

/* --- Three threads. */

enum { TURNS = 20000 };

static atomic_llong shared_ms;
static atomic_bool polling;

static struct fc_now thread_now(void) {
  int64_t ms = atomic_load(&shared_ms);
  return (struct fc_now){.mono_ms = ms, .epoch_s = EPOCH_S + ms / 1000};
}

static void save(void) {
  struct fc_unsaved changes[16];
  struct fc_endpoint_record records[FC_KIND_COUNT];
  bool urgent;
  if (!fc_instance_has_unsaved(instance, &urgent))
    return;
  (void)fc_instance_save_take(instance, changes, COUNT(changes));
  (void)fc_instance_save_take_endpoints(instance, records);
  fc_instance_save_end(instance, true);
}

static void *poll_jobs(void *data) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  (void)data;
  for (unsigned turn = 0; turn < TURNS; turn++) {
    struct fc_now moment = thread_now();
    struct fc_result results[] = {drive_status(FC_STATUS_PROCESSING),
                                  drive_status(FC_STATUS_FAILED),
                                  not_found(),
                                  drive_status(FC_STATUS_COMPLETED),
                                  drive_status(FC_STATUS_UNKNOWN),
                                  failure(FC_ERR_HTTP, 502)};
    if (turn % 100 == 0)
      results[0] = failure(FC_ERR_AUTH, 401);
    for (unsigned i = 0; fc_instance_next(instance, moment, &ticket, &wake_ms);
         i++)
      (void)fc_instance_take_result(
          instance, &ticket, &results[(turn + i) % COUNT(results)], moment);
    fc_instance_report(instance, FC_SEVERITY_OKAY, "turn %u", turn);
    save();
    (void)atomic_fetch_add(&shared_ms, 700);
  }
  atomic_store(&polling, false);
  return NULL;
}

static void *come_and_go(void *data) {
  char id[16];
  (void)data;
  for (unsigned i = 0; atomic_load(&polling); i++) {
    struct fc_now moment = thread_now();
    (void)snprintf(id, sizeof(id), "%u", i % 97);
    if (i % 3)
      (void)!fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                             i % 5 ? "shared" : NULL, FC_SOURCE_REGISTRATION,
                             moment);
    else
      (void)!fc_instance_forget(instance, id, FC_SOURCE_REGISTRATION, moment);
    if (i % 50 == 0) {
      fc_instance_file_begin(instance);
      (void)!fc_instance_add(instance, fc_kind_get(FC_KIND_CRAWL), id, NULL,
                             FC_SOURCE_FILE, moment);
      fc_instance_file_end(instance, i % 100 ? NULL : "a bad line", moment);
      fc_instance_poll_now(instance, moment);
      fc_instance_flush(instance, /* age_ms = */ 0, moment);
      fc_instance_key_changed(instance, moment);
    }
  }
  return NULL;
}

static void read_all(void) {
  struct fc_job_view views[VIEWS];
  struct fc_delivery delivery;
  struct fc_report note;
  struct fc_stats figures;
  size_t len;
  bool more = true;
  for (bool first = true; more; first = false)
    more = fc_instance_views(instance, thread_now(), first, views, VIEWS, &len);
  while (fc_instance_take_event(instance, thread_now(), &delivery))
    fc_instance_delivered(instance, &delivery);
  while (fc_instance_take_report(instance, &note))
    continue;
  fc_instance_stats(instance, thread_now(), &figures);
}

START_TEST(three_threads_do_not_disturb_each_other) {
  pthread_t poller, source;
  settings.forget_after_s = 60;
  settings.repeat_interval_s = 20;
  settings.notify_completed = true;
  renew();
  fc_instance_attach(instance, /* unsure = */ false, now);
  add_many(50);
  atomic_store(&shared_ms, now.mono_ms);
  atomic_store(&polling, true);
  ck_assert_int_eq(pthread_create(&poller, NULL, poll_jobs, NULL), 0);
  ck_assert_int_eq(pthread_create(&source, NULL, come_and_go, NULL), 0);
  while (atomic_load(&polling))
    read_all();
  ck_assert_int_eq(pthread_join(poller, NULL), 0);
  ck_assert_int_eq(pthread_join(source, NULL), 0);
  struct fc_stats figures = stats();
  printf("# %llu requests while jobs came and went\n",
         (unsigned long long)figures.requests);
  ck_assert_uint_gt(figures.requests, 0);
}
END_TEST

static struct fc_result unknown(const char *word) {
  struct fc_result result = drive_status(FC_STATUS_UNKNOWN);
  (void)snprintf(result.reply.status_word, sizeof(result.reply.status_word),
                 "%s", word);
  return result;
}

/* The text of the only note there is; "" for none. */
static const char *only_note(void) {
  static struct fc_report note;
  struct fc_report more;
  if (!fc_instance_take_report(instance, &note))
    return "";
  ck_assert(!fc_instance_take_report(instance, &more));
  return note.text;
}

START_TEST(a_status_word_that_is_not_known_is_said_once) {
  add_many(2);
  answer("0", unknown("paused"));
  ck_assert_ptr_nonnull(strstr(only_note(), "\"paused\""));
  answer("1", unknown("paused"));
  answer("0", unknown("paused"));
  ck_assert_str_eq(only_note(), "");
  answer("0", drive_status(FC_STATUS_PROCESSING));
  answer("0", unknown(""));
  ck_assert_ptr_nonnull(strstr(only_note(), "\"\""));
}
END_TEST

static TCase *make_outages(void) {
  TCase *tests = tcase_create("outages");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests, in_an_outage_no_unfinished_job_has_series, 0,
                      COUNT(outages));
  tcase_add_test(tests, an_outage_costs_few_requests_and_ends_without_a_rush);
  tcase_add_test(tests, jobs_that_hang_do_not_starve_one_that_answers);
  tcase_add_test(tests, failures_of_one_moment_close_the_gate_once);
  tcase_add_test(tests,
                 an_unusable_api_nobody_heard_of_is_told_as_its_rejected_key);
  tcase_add_test(tests,
                 a_rejected_key_is_told_after_the_unusable_api_and_not_back);
  tcase_add_test(tests, with_a_new_key_it_asks_at_once);
  tcase_add_test(tests, a_new_key_costs_no_request_where_the_old_one_was_good);
  tcase_add_test(tests, a_key_that_is_missing_is_told_after_half_a_minute);
  tcase_add_test(tests, one_401_is_no_rejected_key);
  tcase_add_test(tests, a_key_is_not_rejected_before_its_file_was_read_again);
  return tests;
}

static TCase *make_health(void) {
  TCase *tests = tcase_create("health");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests, one_bad_job_among_twenty_is_not_the_apis_health, 0,
                      COUNT(bad_jobs));
  tcase_add_loop_test(tests, a_403_for_everything_rejects_the_key_in_time, 1,
                      4);
  tcase_add_test(tests, a_job_that_was_refused_does_not_hide_a_key_that_is);
  tcase_add_test(tests, rate_limits_are_no_outage);
  tcase_add_loop_test(
      tests, a_404_is_asked_again_within_half_a_minute_and_keeps_its_series, 1,
      13);
  tcase_add_test(tests, a_lost_job_makes_no_poll_late);
  tcase_add_test(tests, a_long_interval_does_not_make_the_plugin_deaf);
  tcase_add_loop_test(tests, each_end_is_counted_once, 0, COUNT(ends));
  tcase_add_test(tests, an_api_that_nobody_asks_is_neither_up_nor_down);
  tcase_add_loop_test(tests, trouble_that_was_told_ends_with_the_last_job, 0,
                      COUNT(troubles));
  tcase_add_loop_test(tests, trouble_that_nobody_heard_of_ends_unheard, 0,
                      COUNT(troubles));
  tcase_add_test(tests, a_key_that_nobody_needs_is_no_trouble);
  tcase_add_test(
      tests, a_request_that_fails_after_its_job_was_forgotten_is_no_trouble);
  tcase_add_test(tests,
                 an_outage_counts_from_its_first_failure_and_by_time_alone);
  tcase_add_loop_test(tests, each_failure_counts_in_its_class_and_by_its_code,
                      0, COUNT(classes));
  tcase_add_test(tests, response_times_are_of_the_time_since_the_last_look);
  return tests;
}

static TCase *make_endpoints(void) {
  TCase *tests = tcase_create("endpoints");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_410_is_told_once_for_its_kind_with_its_successor);
  tcase_add_test(
      tests,
      the_clouds_date_for_extract_is_told_and_told_again_in_its_last_week);
  tcase_add_test(
      tests, a_date_that_has_passed_while_the_endpoint_answers_is_told_no_more);
  tcase_add_test(tests, a_kind_that_ended_on_its_date_is_told_once_as_gone);
  tcase_add_test(tests,
                 an_endpoint_that_answers_again_is_told_and_its_jobs_asked_for);
  tcase_add_test(tests,
                 an_endpoint_gone_for_one_job_alone_is_asked_once_per_interval);
  tcase_add_test(tests,
                 of_an_endpoint_that_comes_and_goes_only_the_last_is_told);
  tcase_add_loop_test(tests,
                      what_an_earlier_run_told_counts_for_its_server_alone, 0,
                      COUNT(servers));
  tcase_add_test(tests, a_sunset_header_wins_over_the_table);
  tcase_add_loop_test(tests, no_other_server_kind_or_failure_tells_the_date, 0,
                      COUNT(undated));
  tcase_add_test(tests, a_new_sunset_date_is_told_anew);
  return tests;
}

static TCase *make_reports(void) {
  TCase *tests = tcase_create("reports");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, jobs_that_come_back_do_not_exceed_max_jobs);
  tcase_add_test(tests, a_known_job_registered_again_does_not_end_a_refusal);
  tcase_add_test(tests, a_registration_does_not_mend_a_bad_job_file);
  tcase_add_test(tests, a_good_job_file_does_not_make_room_for_registrations);
  tcase_add_test(tests, jobs_are_told_of_in_the_order_of_their_ends);
  tcase_add_loop_test(tests, of_what_nobody_heard_yet_the_last_is_how_it_is, 0,
                      2);
  tcase_add_test(tests, an_event_tells_of_its_own_moment);
  tcase_add_test(tests, each_round_of_a_pair_has_a_key_of_its_own);
  tcase_add_test(tests, each_repetition_has_a_key_of_its_own);
  tcase_add_test(tests, the_key_of_an_outage_has_the_second_at_which_it_began);
  tcase_add_test(tests, a_loss_in_the_middle_of_a_delivery_is_told_after_it);
  tcase_add_test(tests, a_loss_is_not_told_before_the_state_file_has_it);
  tcase_add_loop_test(tests, a_local_clock_that_is_wrong_changes_nothing, 0,
                      COUNT(offsets_s));
  tcase_add_loop_test(tests, the_budget_holds_in_every_minute_of_ten, 0,
                      COUNT(budgets));
  tcase_add_test(tests, a_status_word_that_is_not_known_is_said_once);
  tcase_add_test(tests, three_threads_do_not_disturb_each_other);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("instance in trouble");
  suite_add_tcase(suite, make_outages());
  suite_add_tcase(suite, make_health());
  suite_add_tcase(suite, make_endpoints());
  suite_add_tcase(suite, make_reports());
  return suite_run(suite);
}
