/* SPDX-License-Identifier: MIT */

/* The life of jobs in an instance: answers made by hand, time as a number. */

#include "src/watch/instance_save.h"
#include "src/watch/source.h"

#include "t/suite.h"
#include "t/watch/drive.h"
#include "t/watch/outbox_sets.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INTERVAL_MS = 10000, EPOCH_S = 1764000000, VIEWS = 8 };

static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_now now;

static void set_up(void) {
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  now = (struct fc_now){.mono_ms = 500000, .epoch_s = EPOCH_S};
  instance = fc_instance_new(&settings, INTERVAL_MS, 1);
  ck_assert_ptr_nonnull(instance);
}

static void tear_down(void) {
  fc_instance_free(instance);
  fc_settings_release(&settings);
}

/* An instance with the settings as they are now. */
static void renew(void) {
  fc_instance_free(instance);
  instance = fc_instance_new(&settings, INTERVAL_MS, 1);
  ck_assert_ptr_nonnull(instance);
}

static void pass_s(int64_t seconds) { drive_pass_ms(&now, seconds * 1000); }

static enum fc_error add(const char *id, const char *name,
                         enum fc_job_source source) {
  return fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id, name,
                         source, now);
}

static struct fc_result status_reply(const char *word) {
  return drive_status(fc_status_from_wire(word, strlen(word)));
}

static struct fc_result plain(enum fc_answer answer, enum fc_error error,
                              int code) {
  return (struct fc_result){
      .answer = answer, .error = error, .http_code = code};
}

static void answer(const char *id, struct fc_result result) {
  drive_answer(instance, &now, id, result);
}

/* True when some request is made within so many seconds. */
static bool asks_within(int64_t seconds) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  for (int64_t i = 0; i <= seconds; i++, pass_s(1))
    if (fc_instance_next(instance, now, &ticket, &wake_ms)) {
      struct fc_result result = status_reply("processing");
      (void)fc_instance_take_result(instance, &ticket, &result, now);
      return true;
    }
  return false;
}

static bool view_of(const char *name, struct fc_job_view *view) {
  struct fc_job_view views[VIEWS];
  size_t len;
  bool more = true, found = false;
  for (bool first = true; more; first = false) {
    more = fc_instance_views(instance, now, first, views, VIEWS, &len);
    for (size_t i = 0; i < len; i++)
      if (strcmp(views[i].name, name) == 0) {
        ck_assert_msg(!found, "%s has two series", name);
        *view = views[i];
        found = true;
      }
  }
  return found;
}

static int status_of(const char *name) {
  struct fc_job_view view;
  return view_of(name, &view) ? (int)view.facts.status : FC_STATUS_NONE;
}

static struct fc_stats stats(void) { return drive_stats(instance, now); }

static const char *event(void) { return drive_event(instance, now); }

static const struct {
  const char *word;
  int code;
  const char *event;
} words[] = {
    {"completed", 0, ""},
    {"processing", 1, ""},
    {"scraping", 1, ""},
    {"pending", 1, ""},
    {"queued", 1, ""},
    {"cancelled", 2, "extract n (a) cancelled"},
    {"failed", 3, "extract n (a) failed"},
    {"paused", 5, ""},
    {"Failed", 5, ""},
};

START_TEST(each_status_has_its_code_and_event) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  answer("a", status_reply(words[_i].word));
  ck_assert_int_eq(status_of("n"), words[_i].code);
  ck_assert_uint_eq(stats().jobs[words[_i].code], 1);
  ck_assert_str_eq(event(), words[_i].event);
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(asks_within(30), !fc_status_is_final(words[_i].code));
}
END_TEST

START_TEST(an_end_cannot_be_undone_by_an_answer_under_way) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  struct fc_result failed = status_reply("failed");
  struct fc_result later = status_reply("completed");
  (void)fc_instance_take_result(instance, &ticket, &failed, now);
  (void)fc_instance_take_result(instance, &ticket, &later, now);
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
}
END_TEST

START_TEST(a_failed_request_silences_the_series_and_changes_no_status) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("processing"));
  answer("a", plain(FC_ANSWER_NONE, FC_ERR_TIMEOUT, 0));
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_PROCESSING], 1);
  ck_assert_uint_eq(stats().failures[FC_CLASS_TIMEOUT].count, 1);
  ck_assert(stats().api_up);
  answer("a", status_reply("processing"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_PROCESSING);
  ck_assert(stats().api_up);
}
END_TEST

START_TEST(a_404_in_the_first_minute_is_no_loss) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", plain(FC_ANSWER_NOT_FOUND, FC_OK, 404));
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert(stats().api_up);
  for (int i = 0; i < 7; i++)
    answer("a", plain(FC_ANSWER_NOT_FOUND, FC_OK, 404));
  ck_assert_int_eq(status_of("n"), FC_STATUS_LOST);
  ck_assert_str_eq(event(), "extract n (a) lost");
}
END_TEST

START_TEST(a_lost_job_is_asked_for_with_growing_gaps_and_found_again) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("processing"));
  drive_lose(instance, &now, "a");
  ck_assert_str_eq(event(), "extract n (a) lost");
  int64_t last_ms = now.mono_ms, gap_ms = 0;
  for (int i = 0; i < 6; i++) {
    answer("a", plain(FC_ANSWER_NOT_FOUND, FC_OK, 404));
    ck_assert_int_ge(now.mono_ms - last_ms, gap_ms);
    gap_ms = (now.mono_ms - last_ms) / 2;
    last_ms = now.mono_ms;
  }
  ck_assert_int_gt(gap_ms, 5 * INTERVAL_MS);
  ck_assert_str_eq(event(), "");
  answer("a", status_reply("processing"));
  ck_assert_str_eq(event(), "extract n (a) found again");
  ck_assert_int_eq(status_of("n"), FC_STATUS_PROCESSING);
}
END_TEST

START_TEST(stall_timeout_warns_once_and_a_good_end_is_told) {
  settings.stall_timeout_s = 60;
  renew();
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  for (int i = 0; i < 6; i++)
    answer("a", status_reply("processing"));
  ck_assert_uint_eq(stats().stalled, 0);
  for (int i = 0; i < 3; i++)
    answer("a", status_reply("processing"));
  ck_assert_uint_eq(stats().stalled, 1);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_PROCESSING], 1);
  ck_assert_str_eq(event(), "extract n (a) stalled");
  ck_assert_str_eq(event(), "");
  answer("a", status_reply("completed"));
  ck_assert_uint_eq(stats().stalled, 0);
  ck_assert_str_eq(event(), "extract n (a) completed");
}
END_TEST

START_TEST(a_duration_that_the_api_says_goes_before_the_observed_one) {
  struct fc_job_view view;
  struct fc_result result = status_reply("completed");
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("processing"));
  pass_s(50);
  result.reply.facts.has_duration = true;
  result.reply.facts.duration_s = 61.5;
  answer("a", result);
  ck_assert(view_of("n", &view));
  ck_assert(view.facts.has_duration);
  ck_assert_double_eq(view.facts.duration_s, 61.5);
}
END_TEST

START_TEST(a_duration_is_what_was_observed) {
  struct fc_job_view view;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(add("b", "m", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("processing"));
  answer("b", status_reply("completed"));
  int64_t from_s = now.epoch_s;
  answer("a", status_reply("processing"));
  answer("a", status_reply("completed"));
  int64_t length_s = now.epoch_s - from_s;
  pass_s(1000);
  ck_assert(view_of("n", &view));
  ck_assert(view.facts.has_duration);
  ck_assert_int_le((int64_t)view.facts.duration_s - length_s, 1);
  ck_assert_int_ge((int64_t)view.facts.duration_s - length_s, 0);
  ck_assert(view_of("m", &view));
  ck_assert(!view.facts.has_duration);
}
END_TEST

static void forget(const char *id) {
  ck_assert_int_eq(
      fc_instance_forget(instance, id, FC_SOURCE_REGISTRATION, now), FC_OK);
}

/* Also when the newer one is dropped first, and when the older one is
 * registered again. */
START_TEST(an_older_run_of_a_name_never_takes_the_series_back) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("processing"));
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  answer("b", status_reply("scraping"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_PROCESSING);
  answer("b", status_reply("completed"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
  answer("a", status_reply("failed"));
  ck_assert_str_eq(event(), "extract n (a) failed");
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
  forget("b");
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
}
END_TEST

static size_t counted(enum fc_status status) { return stats().jobs[status]; }

static const struct {
  const char *end;
  enum fc_status status;
} bad_ends[] = {
    {"failed", FC_STATUS_FAILED},
    {"cancelled", FC_STATUS_CANCELLED},
    {"", FC_STATUS_LOST},
};

static struct fc_result bad_end(int i) {
  return bad_ends[i].end[0] ? status_reply(bad_ends[i].end)
                            : plain(FC_ANSWER_INVALID, FC_OK, 400);
}

START_TEST(a_run_leaves_the_counts_once_a_newer_one_has_completed) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", bad_end(_i));
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("b", status_reply("processing"));
  ck_assert_uint_eq(counted(bad_ends[_i].status), 1);
  answer("b", status_reply("completed"));
  ck_assert_uint_eq(counted(bad_ends[_i].status), 0);
  ck_assert_uint_eq(counted(FC_STATUS_COMPLETED), 1);
}
END_TEST

START_TEST(a_run_that_ends_behind_a_completed_one_is_told_but_not_counted) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("c", "m", FC_SOURCE_REGISTRATION), FC_OK);
  answer("b", status_reply("completed"));
  answer("a", status_reply("processing"));
  ck_assert_uint_eq(counted(FC_STATUS_PROCESSING), 2);
  answer("a", bad_end(_i));
  ck_assert_uint_eq(counted(bad_ends[_i].status), 0);
  ck_assert_str_ne(event(), "");
  answer("c", bad_end(_i));
  ck_assert_uint_eq(counted(bad_ends[_i].status), 1);
}
END_TEST

START_TEST(a_run_that_gets_another_name_counts_again) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("b", status_reply("completed"));
  ck_assert_uint_eq(counted(FC_STATUS_FAILED), 0);
  ck_assert_int_eq(add("a", "m", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_uint_eq(counted(FC_STATUS_FAILED), 1);
  ck_assert_int_eq(status_of("m"), FC_STATUS_FAILED);
}
END_TEST

static void list_in_file(const char *id, const char *name) {
  fc_instance_file_begin(instance);
  if (id)
    ck_assert_int_eq(add(id, name, FC_SOURCE_FILE), FC_OK);
  fc_instance_file_end(instance, NULL, now);
}

START_TEST(a_name_that_is_one_with_another_in_graphite_is_told_of_once) {
  struct fc_report report;
  static const char *const names[] = {"db.prices", "db_prices", "db_prices",
                                      "db-prices"};
  char id[16];
  int told = 0;
  for (int i = 0; i < 4; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                     names[i], FC_SOURCE_REGISTRATION, now),
                     FC_OK);
    for (; fc_instance_take_report(instance, &report); told++) {
      ck_assert_int_eq(i, 1);
      ck_assert_int_eq(report.severity, FC_SEVERITY_WARNING);
      ck_assert_ptr_nonnull(
          strstr(report.text, "\"db_prices\" and \"db.prices\""));
    }
  }
  ck_assert_int_eq(told, 1);
  /* Renamed to one. */
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), "3",
                                   "db-pri.ces", FC_SOURCE_REGISTRATION, now),
                   FC_OK);
  ck_assert(!fc_instance_take_report(instance, &report));
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), "4",
                                   "db-pri_ces", FC_SOURCE_REGISTRATION, now),
                   FC_OK);
  ck_assert(fc_instance_take_report(instance, &report));
}
END_TEST

/* Neither its series nor its failure vanish, whoever registers what. */
START_TEST(a_registration_takes_no_series_of_a_name_that_is_listed) {
  if (_i)
    list_in_file("a", "n");
  else
    ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_str_eq(event(), "extract n (a) failed");
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
  answer("b", status_reply("completed"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
  ck_assert_uint_eq(counted(FC_STATUS_FAILED), 1);
  ck_assert_int_eq(add("c", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("c", status_reply("cancelled"));
  ck_assert_str_eq(event(), "extract n (c) cancelled");
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
}
END_TEST

START_TEST(the_newest_registered_run_has_the_series_once_no_list_has_its_name) {
  list_in_file("a", "n");
  answer("a", status_reply("failed"));
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("b", status_reply("processing"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
  list_in_file(NULL, NULL);
  ck_assert_int_eq(status_of("n"), FC_STATUS_PROCESSING);
}
END_TEST

/* Somebody registered other runs under its name before. */
START_TEST(a_job_that_becomes_listed_has_the_series_of_its_name) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("b", status_reply("completed"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
  list_in_file("a", "n");
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
  ck_assert_uint_eq(counted(FC_STATUS_FAILED), 1);
  ck_assert_int_eq(add("c", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("c", status_reply("completed"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
  ck_assert_uint_eq(counted(FC_STATUS_FAILED), 0);
}
END_TEST

/* A registered run, superseded by another one, is listed beside the configured
 * job: it is the newest of those that are listed. */
START_TEST(of_two_listed_runs_the_newer_has_the_series) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_int_eq(add("b", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("c", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("b", status_reply("completed"));
  answer("c", status_reply("cancelled"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
  list_in_file("b", "n");
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
  list_in_file(NULL, NULL);
  ck_assert_int_ne(status_of("n"), FC_STATUS_FAILED);
}
END_TEST

/* ... and an older one that is listed later does not take it from a newer. */
START_TEST(an_older_run_that_becomes_listed_takes_nothing_from_a_listed_one) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_int_eq(add("b", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("b", status_reply("completed"));
  list_in_file("a", "n");
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
}
END_TEST

START_TEST(forget_after_ends_the_series_and_drops_what_is_not_listed) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(add("b", "m", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("completed"));
  answer("b", status_reply("completed"));
  ck_assert_uint_eq(stats().jobs[FC_STATUS_COMPLETED], 2);
  ck_assert_int_eq(status_of("n"), FC_STATUS_COMPLETED);
  pass_s(settings.forget_after_s + 1);
  ck_assert(!asks_within(30));
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert_int_eq(status_of("m"), FC_STATUS_NONE);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_COMPLETED], 1);
}
END_TEST

/* Whatever time passes before the reader comes by. */
START_TEST(forget_after_0_shows_the_end_once) {
  settings.forget_after_s = 0;
  renew();
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(add("b", "m", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("failed"));
  answer("b", bad_end(_i));
  ck_assert(!asks_within(1) || _i == 2);
  pass_s(_i * 100);
  (void)fc_instance_wait(instance, now);
  while (*event())
    continue;
  ck_assert_int_eq(status_of("m"), bad_ends[_i].status);
  (void)fc_instance_wait(instance, now);
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert_int_eq(status_of("m"), FC_STATUS_NONE);
  ck_assert(fc_instance_knows(instance, "a"));
  ck_assert(!fc_instance_knows(instance, "b"));
}
END_TEST

START_TEST(a_forgotten_end_is_not_told_of_again_when_the_job_comes_back) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_str_eq(event(), "extract n (a) failed");
  ck_assert_int_eq(
      fc_instance_forget(instance, "a", FC_SOURCE_REGISTRATION, now), FC_OK);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_FAILED], 0);
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(status_of("n"), FC_STATUS_FAILED);
  ck_assert(!asks_within(30));
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(an_end_that_was_seen_is_told_even_if_the_job_is_forgotten) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_int_eq(
      fc_instance_forget(instance, "a", FC_SOURCE_REGISTRATION, now), FC_OK);
  ck_assert_str_eq(event(), "extract n (a) failed");
}
END_TEST

START_TEST(a_job_that_changes_while_it_is_being_saved_is_saved_again) {
  struct fc_unsaved changes[VIEWS];
  struct fc_endpoint_record endpoints[FC_KIND_COUNT];
  bool urgent;
  fc_instance_attach(instance, /* unsure = */ false, now);
  ck_assert_uint_eq(fc_instance_save_take_endpoints(instance, endpoints),
                    FC_KIND_COUNT);
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(add("b", "m", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("failed"));
  answer("b", status_reply("failed"));
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(fc_instance_save_take(instance, changes, VIEWS), 2);
  ck_assert_uint_eq(outbox_pending(&changes[0].record.outbox),
                    FC_EVENT_BIT(FC_EVENT_FAILED));
  fc_instance_save_end(instance, true);
  ck_assert_str_eq(event(), "extract n (a) failed");
  ck_assert_uint_eq(fc_instance_save_take(instance, changes, VIEWS), 1);
  ck_assert_str_eq(event(), "extract m (b) failed");
  ck_assert_int_eq(add("a", "other", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_uint_eq(fc_instance_save_take(instance, changes, VIEWS), 1);
  ck_assert_str_eq(changes[0].id, "b");
  fc_instance_save_end(instance, true);
  ck_assert(fc_instance_has_unsaved(instance, &urgent) && urgent);
  ck_assert_uint_eq(fc_instance_save_take(instance, changes, VIEWS), 1);
  ck_assert_str_eq(changes[0].name, "other");
  fc_instance_save_end(instance, true);
  ck_assert(!fc_instance_has_unsaved(instance, &urgent));
}
END_TEST

START_TEST(a_failure_is_repeated_after_repeat_interval) {
  settings.repeat_interval_s = 600;
  renew();
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_str_eq(event(), "extract n (a) failed");
  pass_s(590);
  ck_assert(!asks_within(0));
  ck_assert_str_eq(event(), "");
  pass_s(11);
  ck_assert(!asks_within(0));
  ck_assert_str_eq(event(), "extract n (a) failed");
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(a_result_that_expires_soon_is_told_once) {
  struct fc_result result = status_reply("completed");
  settings.expiry_warning_s = 300;
  renew();
  result.reply.facts.has_expires_at = true;
  result.reply.facts.expires_at_s = EPOCH_S + 1000;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", result);
  pass_s(690);
  ck_assert(!asks_within(0));
  ck_assert_str_eq(event(), "");
  pass_s(20);
  ck_assert(!asks_within(0));
  ck_assert_str_eq(event(), "extract n (a) expires soon");
  pass_s(1000);
  ck_assert(!asks_within(0));
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(job_metrics_unfinished_shows_no_final_job) {
  settings.job_metrics = FC_JOB_METRICS_UNFINISHED;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("processing"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_PROCESSING);
  answer("a", status_reply("completed"));
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_COMPLETED], 1);
}
END_TEST

START_TEST(a_job_never_asked_for_is_as_old_as_its_wait) {
  struct fc_job_view view;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  pass_s(100);
  (void)view_of("n", &view);
  struct fc_stats figures = stats();
  ck_assert(figures.has_poll_age);
  ck_assert_double_eq(figures.poll_age_s, 100);
}
END_TEST

/* The reader takes the time first, and the poller may ask meanwhile. */
START_TEST(a_job_asked_for_a_moment_ago_has_no_age_below_zero) {
  struct fc_job_view view;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", status_reply("processing"));
  now.mono_ms -= 1;
  (void)view_of("n", &view);
  struct fc_stats figures = stats();
  ck_assert(figures.has_poll_age);
  ck_assert_double_eq(figures.poll_age_s, 0);
}
END_TEST

/* The ID is "a"; as a registration's name it is none. */
static const struct {
  struct {
    enum fc_job_source source;
    const char *name;
  } first, second;
  enum fc_error error;
  const char *name;
} names[] = {
    {{FC_SOURCE_CONFIG, "c"}, {FC_SOURCE_FILE, "f"}, FC_OK, "c"},
    {{FC_SOURCE_CONFIG, NULL}, {FC_SOURCE_FILE, "f"}, FC_OK, "a"},
    {{FC_SOURCE_CONFIG, "c"},
     {FC_SOURCE_REGISTRATION, "r"},
     FC_ERR_EXISTS,
     "c"},
    {{FC_SOURCE_CONFIG, "c"}, {FC_SOURCE_REGISTRATION, "c"}, FC_OK, "c"},
    {{FC_SOURCE_CONFIG, "c"}, {FC_SOURCE_REGISTRATION, NULL}, FC_OK, "c"},
    {{FC_SOURCE_CONFIG, "c"}, {FC_SOURCE_REGISTRATION, "a"}, FC_OK, "c"},
    {{FC_SOURCE_FILE, "f"}, {FC_SOURCE_CONFIG, "c"}, FC_OK, "c"},
    {{FC_SOURCE_FILE, "f"}, {FC_SOURCE_FILE, "g"}, FC_OK, "g"},
    {{FC_SOURCE_FILE, "f"}, {FC_SOURCE_REGISTRATION, "r"}, FC_ERR_EXISTS, "f"},
    {{FC_SOURCE_FILE, "f"}, {FC_SOURCE_REGISTRATION, "a"}, FC_OK, "f"},
    {{FC_SOURCE_REGISTRATION, "r"}, {FC_SOURCE_CONFIG, "c"}, FC_OK, "c"},
    {{FC_SOURCE_REGISTRATION, "r"}, {FC_SOURCE_FILE, "f"}, FC_OK, "f"},
    {{FC_SOURCE_REGISTRATION, "r"}, {FC_SOURCE_REGISTRATION, "s"}, FC_OK, "s"},
    {{FC_SOURCE_REGISTRATION, "r"}, {FC_SOURCE_REGISTRATION, NULL}, FC_OK, "r"},
    {{FC_SOURCE_REGISTRATION, "r"}, {FC_SOURCE_REGISTRATION, "a"}, FC_OK, "r"},
    {{FC_SOURCE_REGISTRATION, NULL}, {FC_SOURCE_REGISTRATION, "r"}, FC_OK, "r"},
};

START_TEST(a_name_is_the_better_sources_and_of_two_alike_the_later_ones) {
  fc_instance_file_begin(instance);
  ck_assert_int_eq(add("a", names[_i].first.name, names[_i].first.source),
                   FC_OK);
  fc_instance_file_begin(instance);
  ck_assert_int_eq(add("a", names[_i].second.name, names[_i].second.source),
                   names[_i].error);
  answer("a", status_reply("processing"));
  ck_assert_int_eq(status_of(names[_i].name), FC_STATUS_PROCESSING);
}
END_TEST

/* What was refused leaves nothing behind. */
START_TEST(a_registration_that_is_refused_wants_nothing) {
  ck_assert_int_eq(add("a", "c", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(add("a", "r", FC_SOURCE_REGISTRATION), FC_ERR_EXISTS);
  ck_assert_int_eq(
      fc_instance_forget(instance, "a", FC_SOURCE_REGISTRATION, now),
      FC_ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_known_job_that_is_registered_is_asked_for_at_once) {
  ck_assert_int_eq(
      add("a", "n", _i ? FC_SOURCE_CONFIG : FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("processing"));
  ck_assert(!asks_within(1));
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert(asks_within(0));
  answer("a", status_reply("completed"));
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert(!asks_within(30));
}
END_TEST

/* What is under way may have been asked before there was anything to know. */
START_TEST(a_job_that_is_registered_while_it_is_asked_for_is_asked_again) {
  struct fc_ticket ticket;
  struct fc_result result = status_reply("processing");
  int64_t wake_ms;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert(!asks_within(0));
  (void)fc_instance_take_result(instance, &ticket, &result, now);
  ck_assert(asks_within(0));
  ck_assert(!asks_within(0));
}
END_TEST

START_TEST(ended_jobs_that_are_forgotten_are_kept_up_to_max_jobs) {
  settings.max_jobs = 2;
  for (int i = 0; i < 6; i++) {
    char id[16];
    (void)snprintf(id, sizeof(id), "%d", i);
    ck_assert_int_eq(add(id, NULL, FC_SOURCE_REGISTRATION), FC_OK);
    answer(id, status_reply("completed"));
    ck_assert_int_eq(
        fc_instance_forget(instance, id, FC_SOURCE_REGISTRATION, now), FC_OK);
  }
  int known = 0;
  for (int i = 0; i < 6; i++) {
    char id[16];
    (void)snprintf(id, sizeof(id), "%d", i);
    known += fc_instance_knows(instance, id);
  }
  ck_assert_int_eq(known, 2);
  ck_assert(fc_instance_knows(instance, "4"));
  ck_assert(fc_instance_knows(instance, "5"));
}
END_TEST

START_TEST(max_jobs_counts_unfinished_jobs_alone) {
  settings.max_jobs = 2;
  ck_assert_int_eq(add("a", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("b", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("completed"));
  ck_assert_int_eq(add("c", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("d", NULL, FC_SOURCE_REGISTRATION), FC_ERR_LIMIT);
  forget("a");
  ck_assert_int_eq(add("d", NULL, FC_SOURCE_REGISTRATION), FC_ERR_LIMIT);
  ck_assert_int_eq(add("a", NULL, FC_SOURCE_REGISTRATION), FC_OK);
}
END_TEST

/* Registered, forgotten but kept, and listed ones together. */
START_TEST(beyond_max_jobs_the_job_that_ended_first_gives_way) {
  settings.max_jobs = 3;
  list_in_file("listed", "listed");
  ck_assert_int_eq(add("b", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("a", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  answer("listed", status_reply("failed"));
  pass_s(1);
  answer("a", status_reply("failed"));
  pass_s(1);
  answer("b", status_reply("completed"));
  forget("b");
  ck_assert_int_eq(add("c", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  pass_s(1);
  answer("c", status_reply("completed"));
  ck_assert_uint_eq(counted(FC_STATUS_FAILED), 1);
  ck_assert_str_eq(event(), "extract listed (listed) failed");
  ck_assert_str_eq(event(), "extract a (a) failed");
  ck_assert(!fc_instance_knows(instance, "a"));
  ck_assert(fc_instance_knows(instance, "b"));
  ck_assert_int_eq(add("d", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  pass_s(1);
  answer("d", status_reply("completed"));
  ck_assert(fc_instance_knows(instance, "listed"));
  ck_assert(!fc_instance_knows(instance, "b"));
  ck_assert(fc_instance_knows(instance, "c"));
  ck_assert_uint_eq(counted(FC_STATUS_COMPLETED), 2);
}
END_TEST

/* Several end in the same second. */
static int64_t end_of(int i) { return EPOCH_S - 1000 + i * 37 % 20; }

static const int rooms[] = {1, 2, 33, 99, 100, 101};

START_TEST(of_many_that_are_restored_those_that_ended_first_give_way) {
  enum { JOBS = 100 };
  char id[16];
  int known = 0;
  int64_t last_gone_s = INT64_MIN, first_known_s = INT64_MAX;
  settings.max_jobs = rooms[_i];
  settings.accept_registrations = true;
  for (int i = 0; i < JOBS; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    struct fc_job_record record = {
        .id = id,
        .name = id,
        .history.kind = FC_KIND_EXTRACT,
        .history.sources = FC_SOURCE_REGISTRATION,
        .facts.status = FC_STATUS_COMPLETED,
        .history.previous = FC_STATUS_NONE,
        .history.has_ended = true,
        .history.ended_s = end_of(i),
    };
    ck_assert_int_eq(fc_instance_restore(instance, &record, true, now), FC_OK);
  }
  ck_assert(!fc_instance_restore_end(instance, now));
  fc_instance_attach(instance, /* unsure = */ false, now);
  struct fc_unsaved changes[JOBS];
  (void)fc_instance_save_take(instance, changes, JOBS);
  fc_instance_save_end(instance, true);
  for (int i = 0; i < JOBS; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    if (fc_instance_knows(instance, id)) {
      known++;
      first_known_s = end_of(i) < first_known_s ? end_of(i) : first_known_s;
    } else {
      last_gone_s = end_of(i) > last_gone_s ? end_of(i) : last_gone_s;
    }
  }
  ck_assert_int_eq(known, rooms[_i] < JOBS ? rooms[_i] : JOBS);
  ck_assert_int_le(last_gone_s, first_known_s);
}
END_TEST

/* What an earlier run stored of the job "a" in processing since then. */
static void restore_processing(int64_t since_s) {
  struct fc_job_record record = {
      .id = "a",
      .name = "n",
      .history.kind = FC_KIND_EXTRACT,
      .history.sources = FC_SOURCE_REGISTRATION,
      .facts.status = FC_STATUS_PROCESSING,
      .history.previous = FC_STATUS_NONE,
      .history.first_seen_s = since_s,
      .history.has_processing_since = true,
      .history.processing_since_s = since_s,
  };
  ck_assert_int_eq(fc_instance_restore(instance, &record, true, now), FC_OK);
}

/* The server's Date says that. */
static void answer_processing(int64_t server_s) {
  struct fc_result result = status_reply("processing");
  result.has_date = true;
  result.date_s = server_s;
  answer("a", result);
}

START_TEST(a_stored_time_in_the_future_counts_as_now) {
  struct fc_job_view view;
  restore_processing(now.epoch_s + 1000000);
  answer_processing(now.epoch_s);
  pass_s(50);
  ck_assert(view_of("n", &view));
  ck_assert_int_ge((int64_t)view.facts.duration_s, 50);
}
END_TEST

START_TEST(an_unusable_api_is_told_after_three_intervals) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", plain(FC_ANSWER_NONE, FC_ERR_CONNECT, 0));
  ck_assert_str_eq(event(), "");
  for (int i = 0; i < 6; i++)
    answer("a", plain(FC_ANSWER_NONE, FC_ERR_CONNECT, 0));
  ck_assert_str_eq(event(), "API unusable");
  ck_assert_str_eq(event(), "");
  answer("a", status_reply("processing"));
  ck_assert_str_eq(event(), "API usable again");
}
END_TEST

START_TEST(a_rejected_key_is_told_once) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  for (int i = 0; i < 5; i++)
    answer("a", plain(FC_ANSWER_NONE, FC_ERR_AUTH, 401));
  ck_assert_str_eq(event(), "API key rejected");
  ck_assert_str_eq(event(), "");
  answer("a", status_reply("processing"));
  ck_assert_str_eq(event(), "API usable again");
}
END_TEST

START_TEST(a_sunset_is_told_once_and_once_more_in_its_last_week) {
  struct fc_result result = status_reply("processing");
  settings.stall_timeout_s = 0;
  renew();
  result.has_sunset = true;
  result.sunset_s = EPOCH_S + 30 * 86400;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  answer("a", result);
  ck_assert_ptr_nonnull(strstr(event(), "sunset"));
  answer("a", result);
  ck_assert_str_eq(event(), "");
  pass_s(24 * 86400);
  answer("a", result);
  ck_assert_ptr_nonnull(strstr(event(), "sunset"));
  answer("a", result);
  ck_assert_str_eq(event(), "");
  ck_assert(stats().has_sunset[FC_KIND_EXTRACT]);
}
END_TEST

/* --- A kind that was wrong is put right. */

static enum fc_error add_agent(enum fc_job_source source) {
  return fc_instance_add(instance, fc_kind_get(FC_KIND_AGENT), "a", "n", source,
                         now);
}

/* The kind that the next request is made for. */
static enum fc_kind_id asked_kind(void) {
  struct fc_ticket ticket;
  struct fc_result result = status_reply("processing");
  int64_t wake_ms;
  ck_assert_msg(fc_instance_next(instance, now, &ticket, &wake_ms),
                "it is not asked for at once");
  ck_assert_str_eq(ticket.id, "a");
  (void)fc_instance_take_result(instance, &ticket, &result, now);
  return ticket.kind->id;
}

/* A job has an extract's end, and then the same or a better source says that it
 * is an agent. */
static const struct {
  enum fc_job_source first, second;
} corrections[] = {
    {FC_SOURCE_FILE, FC_SOURCE_FILE},
    {FC_SOURCE_REGISTRATION, FC_SOURCE_REGISTRATION},
    {FC_SOURCE_FILE, FC_SOURCE_CONFIG},
    {FC_SOURCE_REGISTRATION, FC_SOURCE_CONFIG},
    {FC_SOURCE_REGISTRATION, FC_SOURCE_FILE},
};

START_TEST(a_job_starts_afresh_as_the_kind_that_is_said_now) {
  fc_instance_file_begin(instance);
  ck_assert_int_eq(add("a", "n", corrections[_i].first), FC_OK);
  answer("a", status_reply("failed"));
  ck_assert_str_eq(event(), "extract n (a) failed");
  fc_instance_file_begin(instance);
  ck_assert_int_eq(add_agent(corrections[_i].second), FC_OK);
  ck_assert_int_eq(status_of("n"), FC_STATUS_NONE);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_FAILED], 0);
  ck_assert_int_eq(asked_kind(), FC_KIND_AGENT);
  ck_assert_int_eq(status_of("n"), FC_STATUS_PROCESSING);
  answer("a", status_reply("failed"));
  ck_assert_str_eq(event(), "agent n (a) failed");
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(the_configured_kind_wins_over_what_the_state_file_says) {
  struct fc_job_record record = {
      .id = "a",
      .name = "n",
      .history.kind = FC_KIND_EXTRACT,
      .history.sources = FC_SOURCE_CONFIG,
      .facts.status = FC_STATUS_LOST,
      .history.previous = FC_STATUS_PROCESSING,
      .history.has_ended = true,
      .history.ended_s = EPOCH_S - 10,
      .history.flags = FC_PAST_LOST_REPORTED,
      .outbox = outbox_make(FC_EVENT_BIT(FC_EVENT_LOST), 0),
  };
  ck_assert_int_eq(fc_instance_restore(instance, &record, true, now), FC_OK);
  ck_assert_int_eq(add_agent(FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(asked_kind(), FC_KIND_AGENT);
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(stats().jobs[FC_STATUS_LOST], 0);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_PROCESSING], 1);
}
END_TEST

START_TEST(a_registration_does_not_change_the_kind_of_others_jobs) {
  enum fc_job_source owner = _i ? FC_SOURCE_FILE : FC_SOURCE_CONFIG;
  fc_instance_file_begin(instance);
  ck_assert_int_eq(add("a", "n", owner), FC_OK);
  ck_assert_int_eq(add_agent(FC_SOURCE_REGISTRATION), FC_ERR_EXISTS);
  ck_assert_int_eq(asked_kind(), FC_KIND_EXTRACT);
  ck_assert_int_eq(
      fc_instance_forget(instance, "a", FC_SOURCE_REGISTRATION, now),
      FC_ERR_NOT_FOUND);
}
END_TEST

START_TEST(the_configuration_keeps_its_kind_whatever_the_job_file_says) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_CONFIG), FC_OK);
  fc_instance_file_begin(instance);
  ck_assert_int_eq(add_agent(FC_SOURCE_FILE), FC_OK);
  ck_assert_int_eq(asked_kind(), FC_KIND_EXTRACT);
}
END_TEST

START_TEST(an_answer_to_the_wrong_question_counts_for_nothing) {
  struct fc_ticket ticket;
  struct fc_result lost = plain(FC_ANSWER_NOT_FOUND, FC_OK, 404);
  int64_t wake_ms;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("processing"));
  pass_s(20);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  ck_assert_int_eq(add_agent(FC_SOURCE_REGISTRATION), FC_OK);
  (void)fc_instance_take_result(instance, &ticket, &lost, now);
  ck_assert_str_eq(event(), "");
  ck_assert_uint_eq(stats().jobs[FC_STATUS_LOST], 0);
  ck_assert_int_eq(asked_kind(), FC_KIND_AGENT);
}
END_TEST

START_TEST(a_refusal_of_the_wrong_question_is_not_the_first_of_two) {
  struct fc_ticket ticket;
  struct fc_result refused = plain(FC_ANSWER_NONE, FC_ERR_REFUSED, 403);
  int64_t wake_ms;
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  ck_assert_int_eq(add_agent(FC_SOURCE_REGISTRATION), FC_OK);
  (void)fc_instance_take_result(instance, &ticket, &refused, now);
  ck_assert_int_eq(add("b", "m", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  struct fc_ticket agent = ticket;
  ck_assert_str_eq(agent.id, "a");
  answer("b", status_reply("processing"));
  (void)fc_instance_take_result(instance, &agent, &refused, now);
  ck_assert(stats().failing);
}
END_TEST

/* The queue of events must not stop at a job that owes none any more. */
START_TEST(what_the_job_owed_as_the_other_kind_holds_nobody_up) {
  ck_assert_int_eq(add("a", "n", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("b", "m", FC_SOURCE_REGISTRATION), FC_OK);
  answer("a", status_reply("failed"));
  answer("b", status_reply("failed"));
  ck_assert_int_eq(add_agent(FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_str_eq(event(), "extract m (b) failed");
  ck_assert_str_eq(event(), "");
}
END_TEST

/* A JobFile had it, and has it no longer, before the state file could be read,
 * which knows it as registered too. */
START_TEST(a_job_of_two_sources_comes_back_though_there_is_no_room) {
  struct fc_job_record record = {
      .id = "a",
      .name = "n",
      .history.kind = FC_KIND_EXTRACT,
      .history.sources = FC_SOURCE_FILE | FC_SOURCE_REGISTRATION,
      .facts.status = FC_STATUS_PROCESSING,
      .history.previous = FC_STATUS_NONE,
  };
  bool full = _i;
  settings.job_file = strdup("unused");
  settings.accept_registrations = true;
  settings.max_jobs = 1;
  renew();
  fc_instance_file_begin(instance);
  ck_assert_int_eq(add("a", "n", FC_SOURCE_FILE), FC_OK);
  fc_instance_file_end(instance, NULL, now);
  answer("a", status_reply("failed"));
  ck_assert_str_eq(event(), "extract n (a) failed");
  fc_instance_file_begin(instance);
  fc_instance_file_end(instance, NULL, now);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_FAILED], 0);
  if (full)
    ck_assert_int_eq(add("b", "m", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(fc_instance_restore(instance, &record, true, now), FC_OK);
  ck_assert_uint_eq(stats().jobs[FC_STATUS_FAILED], 1);
  ck_assert_str_eq(event(), "");
}
END_TEST

START_TEST(max_jobs_refuses_and_recovers) {
  settings.max_jobs = 2;
  ck_assert_int_eq(add("a", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("b", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("c", NULL, FC_SOURCE_REGISTRATION), FC_ERR_LIMIT);
  ck_assert_int_eq(add("d", NULL, FC_SOURCE_REGISTRATION), FC_ERR_LIMIT);
  ck_assert_str_eq(event(), "jobs refused: MaxJobs 2 is reached; the first "
                            "one refused is c");
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(
      fc_instance_forget(instance, "a", FC_SOURCE_REGISTRATION, now), FC_OK);
  ck_assert_int_eq(add("c", NULL, FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_str_eq(event(), "all jobs accepted again");
}
END_TEST

START_TEST(with_a_small_budget_no_job_waits_longer_than_its_share) {
  enum { JOBS = 60, BUDGET = 20, MINUTES = 30 };
  int64_t last_ms[JOBS] = {0}, worst_ms = 0, wake_ms;
  struct fc_ticket ticket;
  settings.max_requests_per_minute = BUDGET;
  renew();
  for (int i = 0; i < JOBS; i++) {
    char id[16];
    (void)snprintf(id, sizeof(id), "%d", i);
    ck_assert_int_eq(add(id, NULL, FC_SOURCE_CONFIG), FC_OK);
    last_ms[i] = now.mono_ms;
  }
  int64_t end_ms = now.mono_ms + MINUTES * 60000;
  for (; now.mono_ms < end_ms; now.mono_ms += 100)
    while (fc_instance_next(instance, now, &ticket, &wake_ms)) {
      struct fc_result result = status_reply("processing");
      int job = atoi(ticket.id);
      if (now.mono_ms - last_ms[job] > worst_ms)
        worst_ms = now.mono_ms - last_ms[job];
      last_ms[job] = now.mono_ms;
      (void)fc_instance_take_result(instance, &ticket, &result, now);
    }
  ck_assert_int_le(worst_ms, JOBS * 60000 / BUDGET + INTERVAL_MS);
}
END_TEST

START_TEST(each_job_is_asked_for_once_per_interval) {
  enum { JOBS = 100, INTERVALS = 50 };
  int asked[JOBS] = {0};
  struct fc_ticket ticket;
  int64_t wake_ms;
  settings.max_requests_per_minute = 0;
  renew();
  for (int i = 0; i < JOBS; i++) {
    char id[16];
    (void)snprintf(id, sizeof(id), "%d", i);
    ck_assert_int_eq(add(id, NULL, FC_SOURCE_CONFIG), FC_OK);
  }
  int64_t end_ms = now.mono_ms + INTERVALS * INTERVAL_MS;
  for (; now.mono_ms < end_ms; now.mono_ms += 50)
    while (fc_instance_next(instance, now, &ticket, &wake_ms)) {
      struct fc_result result = status_reply("processing");
      asked[atoi(ticket.id)]++;
      (void)fc_instance_take_result(instance, &ticket, &result, now);
    }
  for (int i = 0; i < JOBS; i++) {
    ck_assert_int_ge(asked[i], INTERVALS - 1);
    ck_assert_int_le(asked[i], INTERVALS + 1);
  }
}
END_TEST

static double seconds_since(const struct timespec *from) {
  struct timespec to;
  (void)clock_gettime(CLOCK_MONOTONIC, &to);
  return (double)(to.tv_sec - from->tv_sec) +
         (double)(to.tv_nsec - from->tv_nsec) / 1e9;
}

/* One that is read while the daemon ends is given up. */
START_TEST(a_job_file_of_100000_lines_is_taken_over) {
  enum { LINES = 100000 };
  char path[] = "/tmp/fc-jobs-XXXXXX";
  struct fc_source source;
  static const struct fc_key key;
  struct timespec from;
  int fd = mkstemp(path);
  FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < LINES; i++)
    fprintf(file, "extract 0199d3a2-6c1e-7f3a-9a51-%012x job-%d\n", (unsigned)i,
            i);
  ck_assert_int_eq(fclose(file), 0);
  settings.max_jobs = LINES;
  settings.job_file = strdup(path);
  atomic_bool stop = true;
  fc_source_init(&source, instance, &key, &stop, (struct fc_waker){0});
  (void)fc_source_check(&source, now);
  struct fc_report note;
  ck_assert_int_eq(fc_instance_forget(instance,
                                      "0199d3a2-6c1e-7f3a-9a51-000000000000",
                                      FC_SOURCE_FILE, now),
                   FC_ERR_NOT_FOUND);
  ck_assert(!fc_instance_take_report(instance, &note));
  stop = false;
  fc_source_init(&source, instance, &key, &stop, (struct fc_waker){0});
  (void)clock_gettime(CLOCK_MONOTONIC, &from);
  (void)fc_source_check(&source, now);
  double taken_s = seconds_since(&from);
  pass_s(2);
  (void)clock_gettime(CLOCK_MONOTONIC, &from);
  (void)fc_source_check(&source, now);
  double again_s = seconds_since(&from);
  printf("# %d lines: taken over in %.3f s, looked at again in %.6f s\n", LINES,
         taken_s, again_s);
  ck_assert_int_eq(add("one-more", NULL, FC_SOURCE_REGISTRATION), FC_ERR_LIMIT);
  ck_assert_int_eq(add("0199d3a2-6c1e-7f3a-9a51-00000001869f", "job-99999",
                       FC_SOURCE_CONFIG),
                   FC_OK);
  ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static TCase *make_life(void) {
  TCase *tests = tcase_create("life");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(tests, each_status_has_its_code_and_event, 0,
                      sizeof(words) / sizeof(words[0]));
  tcase_add_test(tests, an_end_cannot_be_undone_by_an_answer_under_way);
  tcase_add_test(tests,
                 a_failed_request_silences_the_series_and_changes_no_status);
  tcase_add_test(tests, a_404_in_the_first_minute_is_no_loss);
  tcase_add_test(tests,
                 a_lost_job_is_asked_for_with_growing_gaps_and_found_again);
  tcase_add_test(tests, stall_timeout_warns_once_and_a_good_end_is_told);
  tcase_add_test(tests, a_duration_is_what_was_observed);
  tcase_add_test(tests,
                 a_duration_that_the_api_says_goes_before_the_observed_one);
  return tests;
}

static TCase *make_names(void) {
  TCase *tests = tcase_create("names");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, an_older_run_of_a_name_never_takes_the_series_back);
  tcase_add_loop_test(tests,
                      a_run_leaves_the_counts_once_a_newer_one_has_completed, 0,
                      (int)(sizeof(bad_ends) / sizeof(bad_ends[0])));
  tcase_add_loop_test(
      tests, a_run_that_ends_behind_a_completed_one_is_told_but_not_counted, 0,
      (int)(sizeof(bad_ends) / sizeof(bad_ends[0])));
  tcase_add_test(tests, a_run_that_gets_another_name_counts_again);
  tcase_add_test(tests,
                 a_name_that_is_one_with_another_in_graphite_is_told_of_once);
  tcase_add_loop_test(
      tests, a_registration_takes_no_series_of_a_name_that_is_listed, 0, 2);
  tcase_add_test(
      tests,
      the_newest_registered_run_has_the_series_once_no_list_has_its_name);
  tcase_add_test(tests, a_job_that_becomes_listed_has_the_series_of_its_name);
  tcase_add_test(tests, of_two_listed_runs_the_newer_has_the_series);
  tcase_add_test(
      tests, an_older_run_that_becomes_listed_takes_nothing_from_a_listed_one);
  return tests;
}

static TCase *make_ends(void) {
  TCase *tests = tcase_create("ends");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests,
                 forget_after_ends_the_series_and_drops_what_is_not_listed);
  tcase_add_loop_test(tests, forget_after_0_shows_the_end_once, 0,
                      (int)(sizeof(bad_ends) / sizeof(bad_ends[0])));
  tcase_add_test(tests,
                 a_forgotten_end_is_not_told_of_again_when_the_job_comes_back);
  tcase_add_test(tests,
                 an_end_that_was_seen_is_told_even_if_the_job_is_forgotten);
  tcase_add_test(tests,
                 a_job_that_changes_while_it_is_being_saved_is_saved_again);
  tcase_add_test(tests, a_failure_is_repeated_after_repeat_interval);
  tcase_add_test(tests, a_result_that_expires_soon_is_told_once);
  tcase_add_test(tests, job_metrics_unfinished_shows_no_final_job);
  tcase_add_test(tests, a_job_never_asked_for_is_as_old_as_its_wait);
  tcase_add_test(tests, a_job_asked_for_a_moment_ago_has_no_age_below_zero);
  return tests;
}

static TCase *make_sources(void) {
  TCase *tests = tcase_create("sources");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_loop_test(
      tests, a_name_is_the_better_sources_and_of_two_alike_the_later_ones, 0,
      (int)(sizeof(names) / sizeof(names[0])));
  tcase_add_test(tests, a_registration_that_is_refused_wants_nothing);
  tcase_add_loop_test(
      tests, a_known_job_that_is_registered_is_asked_for_at_once, 0, 2);
  tcase_add_test(tests,
                 a_job_that_is_registered_while_it_is_asked_for_is_asked_again);
  tcase_add_test(tests, ended_jobs_that_are_forgotten_are_kept_up_to_max_jobs);
  tcase_add_test(tests, max_jobs_counts_unfinished_jobs_alone);
  tcase_add_test(tests, beyond_max_jobs_the_job_that_ended_first_gives_way);
  tcase_add_loop_test(tests,
                      of_many_that_are_restored_those_that_ended_first_give_way,
                      0, (int)(sizeof(rooms) / sizeof(rooms[0])));
  tcase_add_test(tests, a_stored_time_in_the_future_counts_as_now);
  tcase_add_test(tests, an_unusable_api_is_told_after_three_intervals);
  tcase_add_test(tests, a_rejected_key_is_told_once);
  tcase_add_test(tests, a_sunset_is_told_once_and_once_more_in_its_last_week);
  tcase_add_loop_test(tests, a_job_starts_afresh_as_the_kind_that_is_said_now,
                      0, (int)(sizeof(corrections) / sizeof(corrections[0])));
  tcase_add_test(tests, the_configured_kind_wins_over_what_the_state_file_says);
  tcase_add_loop_test(
      tests, a_registration_does_not_change_the_kind_of_others_jobs, 0, 2);
  tcase_add_test(tests,
                 the_configuration_keeps_its_kind_whatever_the_job_file_says);
  tcase_add_test(tests, an_answer_to_the_wrong_question_counts_for_nothing);
  tcase_add_test(tests,
                 a_refusal_of_the_wrong_question_is_not_the_first_of_two);
  tcase_add_test(tests, what_the_job_owed_as_the_other_kind_holds_nobody_up);
  tcase_add_loop_test(
      tests, a_job_of_two_sources_comes_back_though_there_is_no_room, 0, 2);
  tcase_add_test(tests, max_jobs_refuses_and_recovers);
  tcase_add_test(tests, with_a_small_budget_no_job_waits_longer_than_its_share);
  tcase_add_test(tests, each_job_is_asked_for_once_per_interval);
  tcase_add_test(tests, a_job_file_of_100000_lines_is_taken_over);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("instance");
  suite_add_tcase(suite, make_life());
  suite_add_tcase(suite, make_names());
  suite_add_tcase(suite, make_ends());
  suite_add_tcase(suite, make_sources());
  return suite_run(suite);
}
