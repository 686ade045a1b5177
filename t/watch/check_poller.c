/* SPDX-License-Identifier: MIT */

/* The poller: turn by turn over a scripted transport and its clock, and as a
 * thread with real libcurl and the fake server. */

#include "src/api/transport_curl.h"
#include "src/base/macros.h"
#include "src/watch/flush.h"
#include "src/watch/instance_save.h"
#include "src/watch/keyfile.h"
#include "src/watch/poller.h"

#include "t/fake/folder.h"
#include "t/fake/scripted_transport.h"
#include "t/fake/served.h"
#include "t/suite.h"
#include "t/watch/drive.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEADLINE_MS = 15000, TURN_US = 5000, INTERVAL_MS = 100 };

static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_keyfile *keyfile;
static struct fc_poller *poller;

static struct fc_now now(void) {
  return fc_clock_system.now(fc_clock_system.data);
}

static void add(struct fc_now at) {
  ck_assert_ptr_nonnull(instance);
  ck_assert_ptr_nonnull(poller);
  keyfile = fc_keyfile_new(instance, fc_poller_waker(poller), at);
  ck_assert_ptr_nonnull(keyfile);
  ck_assert_int_eq(fc_poller_add(poller, instance, keyfile), FC_OK);
}

static void set_up(void) {
  ck_assert_int_eq(fc_transport_curl_global_init(), FC_OK);
  server_start();
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  settings.max_requests_per_minute = 0;
  ck_assert_int_eq(server_url(&settings), FC_OK);
}

static void start(void) {
  instance = fc_instance_new(&settings, INTERVAL_MS, 1);
  poller = fc_poller_new(fc_transport_curl_new(), &fc_clock_system);
  add(now());
  ck_assert_int_eq(fc_poller_start(poller), FC_OK);
}

static void tear_down(void) {
  fc_poller_free(poller);
  fc_keyfile_free(keyfile);
  fc_instance_free(instance);
  fake_firecrawl_stop(server);
  fc_settings_release(&settings);
}

static void watch(const char *id) {
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                   NULL, FC_SOURCE_REGISTRATION, now()),
                   FC_OK);
  fc_poller_wake(poller);
}

static void wait_count(const char *id, size_t count) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (fake_firecrawl_count(server, id) < count) {
    ck_assert_msg(now_ms() < end_ms, "%s was asked for %zu times", id,
                  fake_firecrawl_count(server, id));
    (void)usleep(TURN_US);
  }
}

static void wait_requests(uint64_t count, bool up) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  struct fc_stats stats;
  do {
    ck_assert(now_ms() < end_ms);
    (void)usleep(TURN_US);
    (void)fc_keyfile_check(keyfile, now());
    fc_instance_stats(instance, now(), &stats);
  } while (stats.requests < count || stats.api_up != up);
}

START_TEST(a_job_added_while_it_waits_is_asked_for_at_once) {
  script("job extract a\n  state processing\n");
  settings.interval_ms = 60000;
  start();
  watch("a");
  wait_count("a", 1);
}
END_TEST

START_TEST(a_flush_wakes_the_thread) {
  script("job extract a\n  state processing\n");
  settings.interval_ms = 60000;
  start();
  watch("a");
  wait_requests(1, true);
  fc_instance_flush(instance, /* age_ms = */ 0, now());
  fc_poller_wake(poller);
  wait_count("a", 2);
}
END_TEST

START_TEST(an_unfinished_job_is_asked_for_again_and_a_final_one_not) {
  script("job extract a\n  state processing\n"
         "job extract b\n  state completed\n");
  start();
  watch("a");
  watch("b");
  wait_count("a", 10);
  ck_assert_uint_eq(fake_firecrawl_count(server, "b"), 1);
}
END_TEST

START_TEST(no_more_than_max_concurrency_are_in_flight) {
  char id[16];
  script("job any *\n  state processing delay=100\n");
  settings.max_concurrency = 3;
  start();
  for (int i = 0; i < 30; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    watch(id);
  }
  wait_count("", 60);
  ck_assert_uint_le(fake_firecrawl_peak(server), 3);
  ck_assert_uint_ge(fake_firecrawl_peak(server), 2);
}
END_TEST

START_TEST(it_stops_at_once_while_a_server_never_answers) {
  script("job extract a\n  state processing never\n");
  settings.timeout_ms = 60000;
  start();
  watch("a");
  wait_count("a", 1);
  int64_t before_ms = now_ms();
  fc_poller_free(poller);
  poller = NULL;
  ck_assert_int_lt(now_ms() - before_ms, 1000);
}
END_TEST

START_TEST(a_key_file_is_waited_for_and_followed) {
  char directory[64], path[96];
  test_folder_make(directory, sizeof(directory), "poller");
  (void)snprintf(path, sizeof(path), "%s/key", directory);
  settings.api_key_file = strdup(path);
  script("key fc-one\njob extract a\n  state processing\n");
  start();
  watch("a");
  (void)usleep(20 * TURN_US);
  ck_assert_uint_eq(fake_firecrawl_count(server, "a"), 0);
  test_write(path, "fc-one\n");
  wait_requests(1, true);
  script("key fc-two\n");
  wait_requests(1, false);
  test_write(path, "fc-two\n");
  wait_requests(1, true);
  test_folder_remove(directory);
}
END_TEST

/* Turn by turn. */

#define PROCESSING                                                             \
  .http_code = 200, .body = "{\"success\":true,\"status\":\"processing\"}"
#define COMPLETED                                                              \
  .http_code = 200, .body = "{\"success\":true,\"status\":\"completed\"}"

enum { STEP_INTERVAL_MS = 10000, STEPS_MAX = 100000 };

static struct scripted_transport scripted;

static void step_settings(void) {
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  settings.url = strdup("https://prod.test");
  settings.max_requests_per_minute = 0;
}

/* A poller of one instance on these replies. */
static void step_start(const struct scripted_reply *replies, size_t len) {
  scripted_init(&scripted, replies, len);
  instance = fc_instance_new(&settings, STEP_INTERVAL_MS, 1);
  poller = fc_poller_new(&scripted.base, &scripted.clock);
  add(scripted.now);
}

static void step_tear_down(void) {
  fc_poller_free(poller);
  ck_assert(scripted.freed);
  ck_assert_uint_eq(scripted.in_flight, 0);
  fc_keyfile_free(keyfile);
  fc_instance_free(instance);
  fc_settings_release(&settings);
}

static void step_watch(const char *id) {
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                   NULL, FC_SOURCE_REGISTRATION, scripted.now),
                   FC_OK);
}

/* Lets that much time pass. The test is the disk thread as well. */
static void step_for(int64_t ms) {
  int64_t end_ms = scripted.now.mono_ms + ms;
  for (int i = 0; scripted.now.mono_ms < end_ms; i++) {
    ck_assert_msg(i < STEPS_MAX, "it turns without waiting");
    int64_t key_ms = fc_keyfile_check(keyfile, scripted.now);
    ck_assert_int_eq(
        fc_poller_step(poller, fc_min64(key_ms, end_ms) - scripted.now.mono_ms),
        FC_OK);
  }
}

static void step_flush(int64_t age_ms) {
  fc_instance_flush(instance, age_ms, scripted.now);
  fc_poller_wake(poller);
}

static int64_t asked_at(size_t i) {
  ck_assert_uint_lt(i, scripted.requests_len);
  return scripted.requests[i].at_ms - SCRIPTED_MONO_MS;
}

START_TEST(a_job_is_asked_for_once_per_interval) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  step_start(replies, 1);
  step_watch("a");
  step_for(100 * STEP_INTERVAL_MS);
  ck_assert_uint_ge(scripted.requests_len, 100);
  ck_assert_uint_le(scripted.requests_len, 102);
  for (size_t i = 2; i < scripted.requests_len; i++)
    ck_assert_int_eq(asked_at(i) - asked_at(i - 1), STEP_INTERVAL_MS);
}
END_TEST

START_TEST(a_job_that_has_ended_is_asked_for_no_more) {
  static const struct scripted_reply replies[] = {{.times = 3, PROCESSING},
                                                  {COMPLETED}};
  struct fc_stats stats;
  step_start(replies, 2);
  step_watch("a");
  step_for(100 * STEP_INTERVAL_MS);
  ck_assert_uint_eq(scripted.requests_len, 4);
  fc_instance_stats(instance, scripted.now, &stats);
  ck_assert_uint_eq(stats.jobs[FC_STATUS_COMPLETED], 1);
  ck_assert(stats.api_up);
}
END_TEST

START_TEST(a_turn_with_nothing_to_do_waits_as_long_as_it_may) {
  step_start(NULL, 0);
  ck_assert_int_eq(fc_poller_step(poller, 12345), FC_OK);
  ck_assert_int_eq(scripted.now.mono_ms, SCRIPTED_MONO_MS + 12345);
}
END_TEST

static const struct {
  const char *headers;
  const char *body;
  int64_t pause_ms;
} pauses[] = {
    {"Retry-After: 42\n", "{}", 42000},
    {"Retry-After: 42\n", "{\"retry_after_seconds\":7}", 42000},
    {NULL, "{\"retry_after_seconds\":7}", 7000},
    {NULL, "{\"error\":\"please retry after 23s, resets at x\"}", 23000},
    {NULL, "<html>", 30000},
    {"Retry-After: 1\n", "{}", 1000},
};

START_TEST(after_a_429_nothing_is_asked_until_the_pause_is_over) {
  const struct scripted_reply replies[] = {{.times = 1,
                                            .http_code = 429,
                                            .headers = pauses[_i].headers,
                                            .body = pauses[_i].body},
                                           {PROCESSING}};
  step_start(replies, 2);
  step_watch("a");
  ck_assert_int_eq(fc_poller_step(poller, 0), FC_OK);
  for (char id[2] = "b"; id[0] < 'k'; id[0]++)
    step_watch(id);
  step_for(pauses[_i].pause_ms - 1);
  step_flush(0);
  ck_assert_uint_eq(scripted.requests_len, 1);
  step_for(1);
  step_for(STEP_INTERVAL_MS);
  ck_assert_uint_gt(scripted.requests_len, 1);
  ck_assert_int_ge(asked_at(1), pauses[_i].pause_ms);
}
END_TEST

START_TEST(a_server_that_says_429_and_at_once_is_not_hammered) {
  static const struct scripted_reply replies[] = {
      {.http_code = 429, .headers = "Retry-After: 0\n", .body = "{}"}};
  step_start(replies, 1);
  step_watch("a");
  step_for(600000);
  ck_assert_uint_le(scripted.requests_len, 15);
}
END_TEST

START_TEST(no_more_than_max_concurrency_are_started) {
  static const struct scripted_reply replies[] = {
      {.delay_ms = 1500, PROCESSING}};
  char id[16];
  settings.max_concurrency = 3;
  step_start(replies, 1);
  for (int i = 0; i < 15; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    step_watch(id);
  }
  step_for(3 * STEP_INTERVAL_MS);
  ck_assert_uint_eq(scripted.peak, 3);
  ck_assert_uint_ge(scripted.requests_len, 15 * 3);
}
END_TEST

START_TEST(the_budget_of_a_minute_holds_in_every_minute) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  char id[16];
  settings.max_requests_per_minute = 20;
  step_start(replies, 1);
  for (int i = 0; i < 50; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    step_watch(id);
  }
  step_for(10 * 60000);
  ck_assert_uint_ge(scripted.requests_len, 190);
  for (size_t i = 20; i < scripted.requests_len; i++)
    ck_assert_int_ge(asked_at(i) - asked_at(i - 20), 60000);
}
END_TEST

/* What five failures in a row, and more, may be. */
static const struct scripted_reply outages[] = {
    {.error = FC_ERR_CONNECT, .detail = "refused"},
    {.error = FC_ERR_TIMEOUT, .delay_ms = 5000},
    {.http_code = 502, .body = "<html>"},
    {.http_code = 200, .body = "{\"status\":\"comp"},
    {.start_error = FC_ERR_MEMORY},
};

START_TEST(an_outage_is_probed_by_one_request_at_a_time_and_ends) {
  static const struct scripted_reply good[] = {{PROCESSING}};
  char id[16];
  struct fc_stats stats;
  step_start(&outages[_i], 1);
  for (int i = 0; i < 20; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    step_watch(id);
  }
  step_for(3600000);
  ck_assert_uint_le(scripted.requests_len, 20 + 5 + 30);
  fc_instance_stats(instance, scripted.now, &stats);
  ck_assert(!stats.api_up);
  ck_assert_uint_eq(stats.requests, scripted.requests_len - scripted.in_flight);
  size_t before = scripted.requests_len;
  scripted.replies = good;
  step_for(300000 + 2 * STEP_INTERVAL_MS);
  fc_instance_stats(instance, scripted.now, &stats);
  ck_assert(stats.api_up);
  ck_assert_uint_eq(stats.jobs[FC_STATUS_PROCESSING], 20);
  ck_assert_uint_gt(scripted.requests_len, before + 20);
}
END_TEST

START_TEST(a_server_that_never_answers_holds_up_no_other_instance) {
  static const struct scripted_reply replies[] = {
      {.url = "prod.test", .never = true}, {PROCESSING}};
  struct fc_settings others;
  fc_settings_init(&others);
  others.name = strdup("other");
  others.url = strdup("https://other.test");
  others.api_key = strdup("fc-other");
  step_start(replies, 2);
  struct fc_instance *other = fc_instance_new(&others, STEP_INTERVAL_MS, 2);
  struct fc_keyfile *key =
      fc_keyfile_new(other, fc_poller_waker(poller), scripted.now);
  ck_assert_ptr_nonnull(key);
  ck_assert_int_eq(fc_poller_add(poller, other, key), FC_OK);
  step_watch("a");
  ck_assert_int_eq(fc_instance_add(other, fc_kind_get(FC_KIND_EXTRACT), "b",
                                   NULL, FC_SOURCE_REGISTRATION, scripted.now),
                   FC_OK);
  step_for(10 * STEP_INTERVAL_MS);
  ck_assert_uint_eq(scripted_count(&scripted, "prod.test"), 1);
  ck_assert_uint_ge(scripted_count(&scripted, "other.test"), 10);
  for (size_t i = 0; i < scripted.requests_len; i++)
    ck_assert_str_eq(scripted.requests[i].key,
                     strstr(scripted.requests[i].url, "other") ? "fc-other"
                                                               : "");
  fc_poller_free(poller);
  poller = NULL;
  fc_keyfile_free(key);
  fc_instance_free(other);
  fc_settings_release(&others);
}
END_TEST

/* Two jobs that have just been answered, on replies that go on from there. */
static void flush_start(const struct scripted_reply *replies, size_t len) {
  settings.interval_ms = 3600000;
  step_start(replies, len);
  step_watch("a");
  step_watch("b");
  fc_instance_poll_now(instance, scripted.now);
  step_for(1000);
  ck_assert_uint_eq(scripted.requests_len, 2);
}

START_TEST(a_flush_asks_for_each_job_once_a_little_later) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  flush_start(replies, 1);
  step_flush(0);
  step_for(FC_FLUSH_DELAY_MS - 1);
  ck_assert_uint_eq(scripted.requests_len, 2);
  step_for(FC_FLUSH_PAUSE_MS);
  ck_assert_uint_eq(scripted.requests_len, 4);
  ck_assert_int_eq(asked_at(2), 1000 + FC_FLUSH_DELAY_MS);
}
END_TEST

START_TEST(a_flush_leaves_requests_in_flight_alone) {
  static const struct scripted_reply replies[] = {
      {.times = 2, PROCESSING}, {.delay_ms = 3000, PROCESSING}};
  flush_start(replies, 2);
  for (int i = 0; i < 3; i++) {
    step_flush(0);
    step_for(900);
  }
  ck_assert_uint_eq(scripted.requests_len, 4);
}
END_TEST

START_TEST(a_flush_with_an_age_leaves_what_is_fresh_alone) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  flush_start(replies, 1);
  step_for(9000);
  step_watch("c");
  step_for(1000);
  size_t before = scripted.requests_len;
  step_flush(11500);
  step_for(FC_FLUSH_DELAY_MS);
  step_for(FC_FLUSH_PAUSE_MS);
  ck_assert_uint_eq(scripted.requests_len, before);
  step_flush(10000);
  step_for(FC_FLUSH_DELAY_MS);
  step_for(FC_FLUSH_PAUSE_MS);
  ck_assert_uint_eq(scripted.requests_len, before + 2);
}
END_TEST

START_TEST(flushes_that_wait_together_are_the_widest_of_them) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  static const int64_t ages[][2] = {{3600000, 0}, {0, 3600000}};
  flush_start(replies, 1);
  step_flush(ages[_i][0]);
  step_for(100);
  step_flush(ages[_i][1]);
  step_for(100);
  step_for(2 * FC_FLUSH_PAUSE_MS);
  ck_assert_uint_eq(scripted.requests_len, 4);
  ck_assert_int_eq(asked_at(3), 1000 + FC_FLUSH_DELAY_MS);
}
END_TEST

static void flush_for(int64_t ms) {
  for (int64_t passed_ms = 0; passed_ms < ms; passed_ms += 20) {
    step_flush(0);
    step_for(20);
  }
}

START_TEST(flushes_without_a_budget_are_a_round_a_second) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  flush_start(replies, 1);
  flush_for(10000);
  ck_assert_uint_eq(scripted.requests_len, 2 + 2 * 10);
  for (size_t i = 4; i < scripted.requests_len; i++)
    ck_assert_int_eq(asked_at(i) - asked_at(i - 2), FC_FLUSH_PAUSE_MS);
  /* The one that came too soon is late, and not lost. */
  step_for(FC_FLUSH_PAUSE_MS);
  ck_assert_uint_eq(scripted.requests_len, 2 + 2 * 11);
}
END_TEST

START_TEST(flushes_keep_to_the_budget) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  settings.max_requests_per_minute = 30;
  flush_start(replies, 1);
  flush_for(180000);
  ck_assert_uint_ge(scripted.requests_len, 85);
  for (size_t i = 30; i < scripted.requests_len; i++)
    ck_assert_int_ge(asked_at(i) - asked_at(i - 30), 60000);
}
END_TEST

/* After each of these the job "b", or the gate, has a pause of its own. */
static const struct scripted_reply flush_pauses[] = {
    {.url = "/b", .error = FC_ERR_CONNECT, .detail = "refused"},
    {.url = "/b", .http_code = 502, .body = "<html>"},
    {.url = "/b", .http_code = 410, .body = "{}"},
    {.error = FC_ERR_CONNECT, .detail = "refused"},
    {.http_code = 502, .body = "<html>"},
    {.http_code = 401, .body = "{\"success\":false,\"error\":\"no\"}"},
};

START_TEST(no_flush_goes_past_a_back_off) {
  const struct scripted_reply replies[] = {
      {.times = 2, PROCESSING}, flush_pauses[_i], {PROCESSING}};
  settings.interval_ms = 30000;
  step_start(replies, 3);
  step_watch("a");
  step_watch("b");
  step_for(31000);
  flush_for(600000);
  ck_assert_uint_le(scripted_count(&scripted, "/b"), 25);
}
END_TEST

START_TEST(a_wake_ends_the_wait) {
  step_start(NULL, 0);
  fc_poller_wake(poller);
  ck_assert_int_eq(fc_poller_step(poller, 60000), FC_OK);
  ck_assert_int_eq(scripted.now.mono_ms, SCRIPTED_MONO_MS);
}
END_TEST

static size_t disk_woken;

static void wake_disk(void *data) {
  (void)data;
  disk_woken++;
}

/* Who is asked to save is woken when there is something that must not wait, and
 * not for each turn. */
START_TEST(the_disk_is_woken_for_what_is_to_be_saved_soon) {
  static const struct scripted_reply replies[] = {{.times = 3, PROCESSING},
                                                  {COMPLETED}};
  struct fc_unsaved changes[4];
  bool urgent;
  step_start(replies, 2);
  fc_poller_set_disk(poller, (struct fc_waker){.wake = wake_disk});
  fc_instance_attach(instance, /* unsure = */ false, scripted.now);
  step_watch("a");
  disk_woken = 0;
  step_for(1);
  ck_assert_uint_gt(disk_woken, 0);
  while (fc_instance_save_take(instance, changes, COUNT_OF(changes)))
    fc_instance_save_end(instance, /* saved = */ true);
  (void)fc_instance_has_unsaved(instance, &urgent);
  disk_woken = 0;
  for (int i = 0; i < 2 && !urgent; i++) {
    ck_assert_int_eq(fc_poller_step(poller, STEP_INTERVAL_MS / 4), FC_OK);
    (void)fc_instance_has_unsaved(instance, &urgent);
  }
  ck_assert_uint_eq(disk_woken, 0);
  step_for(4 * STEP_INTERVAL_MS);
  ck_assert_uint_gt(disk_woken, 0);
}
END_TEST

START_TEST(the_disk_is_woken_for_a_rejected_key) {
  static const struct scripted_reply replies[] = {
      {.http_code = 401, .body = "{\"success\":false}"}};
  settings.api_key = strdup("fc-one");
  step_start(replies, 1);
  fc_poller_set_disk(poller, (struct fc_waker){.wake = wake_disk});
  step_watch("a");
  disk_woken = 0;
  ck_assert_int_eq(fc_poller_step(poller, 0), FC_OK);
  ck_assert_uint_eq(disk_woken, 1);
  ck_assert_str_eq(scripted.requests[0].key, "fc-one");
}
END_TEST

START_TEST(a_transport_that_fails_is_told_and_tried_again) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  step_start(replies, 1);
  step_watch("a");
  scripted.run_error = FC_ERR_MEMORY;
  ck_assert_int_eq(fc_poller_step(poller, 0), FC_ERR_MEMORY);
  scripted.run_error = FC_OK;
  step_for(STEP_INTERVAL_MS);
  struct fc_stats stats;
  fc_instance_stats(instance, scripted.now, &stats);
  ck_assert(stats.api_up);
}
END_TEST

START_TEST(the_thread_ends_at_once_while_its_transport_fails) {
  step_start(NULL, 0);
  scripted.run_error = FC_ERR_MEMORY;
  ck_assert_int_eq(fc_poller_start(poller), FC_OK);
  int64_t before_ms = now_ms();
  fc_poller_free(poller);
  poller = NULL;
  ck_assert_int_lt(now_ms() - before_ms, 900);
}
END_TEST

START_TEST(requests_in_flight_are_given_up_by_freeing) {
  static const struct scripted_reply replies[] = {{.never = true}};
  step_start(replies, 1);
  step_watch("a");
  step_watch("b");
  step_for(STEP_INTERVAL_MS);
  ck_assert_uint_eq(scripted.in_flight, 2);
}
END_TEST

static char key_directory[64], key_path[96];

static void key_file(const char *text) {
  test_folder_make(key_directory, sizeof(key_directory), "key");
  (void)snprintf(key_path, sizeof(key_path), "%s/key", key_directory);
  settings.api_key_file = strdup(key_path);
  if (text)
    test_write(key_path, text);
}

static void key_file_gone(void) { test_folder_remove(key_directory); }

START_TEST(without_a_key_in_the_file_nothing_is_asked) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  struct fc_stats stats;
  key_file(NULL);
  step_start(replies, 1);
  step_watch("a");
  step_for(3 * STEP_INTERVAL_MS);
  ck_assert_uint_eq(scripted.requests_len, 0);
  fc_instance_stats(instance, scripted.now, &stats);
  ck_assert(!stats.api_up);
  test_write(key_path, "fc-one\n");
  step_for(3 * FC_KEYFILE_CHECK_MS);
  ck_assert_uint_ge(scripted.requests_len, 1);
  ck_assert_str_eq(scripted.requests[0].key, "fc-one");
  key_file_gone();
}
END_TEST

/* Of three intervals, but 30 s at least and 15 minutes at most. */
static const struct {
  int64_t interval_ms, patience_ms;
} patience[] = {{1000, 30000}, {60000, 180000}, {3600000, 900000}};

START_TEST(a_key_that_is_missing_is_told_of_when_it_has_lasted) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  key_file(NULL);
  settings.interval_ms = patience[_i].interval_ms;
  step_start(replies, 1);
  step_watch("a");
  step_for(patience[_i].patience_ms - FC_KEYFILE_CHECK_MS);
  ck_assert_str_eq(drive_event(instance, now()), "");
  ck_assert_uint_eq(
      drive_stats(instance, scripted.now).failures[FC_CLASS_AUTH].count, 0);
  step_for(2 * FC_KEYFILE_CHECK_MS);
  ck_assert_str_eq(
      drive_event(instance, now()),
      "API key unusable: cannot be opened: No such file or directory");
  ck_assert_uint_eq(scripted.requests_len, 0);
  test_write(key_path, "fc-one\n");
  step_for(3 * FC_KEYFILE_CHECK_MS);
  ck_assert_uint_ge(scripted.requests_len, 1);
  ck_assert_str_eq(drive_event(instance, now()), "API usable again");
  key_file_gone();
}
END_TEST

START_TEST(a_rejected_key_is_read_again_and_a_new_one_used_once_it_stays) {
  static const struct scripted_reply replies[] = {
      {.times = 1, PROCESSING},
      {.times = 1, .http_code = 401, .body = "{\"success\":false}"},
      {PROCESSING}};
  key_file("fc-one");
  step_start(replies, 3);
  step_watch("a");
  ck_assert_int_eq(fc_poller_step(poller, 0), FC_OK);
  ck_assert_uint_eq(scripted.requests_len, 1);
  test_write(key_path, "fc-two\n");
  step_flush(0);
  step_for(FC_KEYFILE_CHECK_MS + 10);
  ck_assert_uint_ge(scripted.requests_len, 3);
  ck_assert_str_eq(scripted.requests[0].key, "fc-one");
  ck_assert_str_eq(scripted.requests[1].key, "fc-one");
  ck_assert_str_eq(scripted.requests[2].key, "fc-two");
  ck_assert_int_le(scripted.requests[2].at_ms,
                   scripted.requests[1].at_ms + FC_KEYFILE_CHECK_MS + 1);
  key_file_gone();
}
END_TEST

START_TEST(half_a_key_is_not_used_after_a_rejection_either) {
  static const struct scripted_reply replies[] = {
      {.times = 1, PROCESSING},
      {.times = 1, .http_code = 401, .body = "{\"success\":false}"},
      {PROCESSING}};
  key_file("fc-one");
  step_start(replies, 3);
  step_watch("a");
  ck_assert_int_eq(fc_poller_step(poller, 0), FC_OK);
  test_write(key_path, "fc-t\n");
  step_flush(0);
  step_for(FC_KEYFILE_CHECK_MS / 2);
  ck_assert_uint_ge(scripted.requests_len, 2);
  test_write(key_path, "fc-two\n");
  step_for(3 * FC_KEYFILE_CHECK_MS);
  for (size_t i = 0; i < scripted.requests_len; i++)
    ck_assert_str_ne(scripted.requests[i].key, "fc-t");
  ck_assert_str_eq(scripted.requests[scripted.requests_len - 1].key, "fc-two");
  key_file_gone();
}
END_TEST

START_TEST(a_key_that_stays_rejected_is_probed_ever_more_rarely) {
  static const struct scripted_reply replies[] = {
      {.http_code = 401, .body = "{\"success\":false}"}};
  char id[16];
  key_file("fc-one");
  settings.max_concurrency = 4;
  step_start(replies, 1);
  for (int i = 0; i < 20; i++) {
    (void)snprintf(id, sizeof(id), "%d", i);
    step_watch(id);
  }
  step_for(3600000);
  ck_assert_uint_le(scripted.requests_len, 4 + 30);
  ck_assert_uint_ge(scripted.requests_len, 12);
  key_file_gone();
}
END_TEST

START_TEST(a_key_file_that_changes_is_read_once_it_stays) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  key_file("fc-one");
  step_start(replies, 1);
  step_watch("a");
  step_for(STEP_INTERVAL_MS + 1);
  test_write(key_path, "fc-t\n");
  step_for(FC_KEYFILE_CHECK_MS);
  test_write(key_path, "fc-two\n");
  step_for(2 * STEP_INTERVAL_MS);
  for (size_t i = 0; i < scripted.requests_len; i++)
    ck_assert_str_ne(scripted.requests[i].key, "fc-t");
  ck_assert_str_eq(scripted.requests[scripted.requests_len - 1].key, "fc-two");
  key_file_gone();
}
END_TEST

START_TEST(a_key_file_that_goes_away_leaves_the_key) {
  static const struct scripted_reply replies[] = {{PROCESSING}};
  key_file("fc-one");
  step_start(replies, 1);
  step_watch("a");
  step_for(STEP_INTERVAL_MS);
  key_file_gone();
  size_t before = scripted.requests_len;
  step_for(5 * STEP_INTERVAL_MS);
  ck_assert_uint_ge(scripted.requests_len, before + 4);
  ck_assert_str_eq(scripted.requests[scripted.requests_len - 1].key, "fc-one");
}
END_TEST

static TCase *steps(void) {
  TCase *tests = tcase_create("steps");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, step_settings, step_tear_down);
  tcase_add_test(tests, a_job_is_asked_for_once_per_interval);
  tcase_add_test(tests, a_job_that_has_ended_is_asked_for_no_more);
  tcase_add_test(tests, a_turn_with_nothing_to_do_waits_as_long_as_it_may);
  tcase_add_loop_test(tests,
                      after_a_429_nothing_is_asked_until_the_pause_is_over, 0,
                      (int)COUNT_OF(pauses));
  tcase_add_test(tests, a_server_that_says_429_and_at_once_is_not_hammered);
  tcase_add_test(tests, no_more_than_max_concurrency_are_started);
  tcase_add_test(tests, the_budget_of_a_minute_holds_in_every_minute);
  tcase_add_loop_test(tests,
                      an_outage_is_probed_by_one_request_at_a_time_and_ends, 0,
                      (int)COUNT_OF(outages));
  tcase_add_test(tests, a_server_that_never_answers_holds_up_no_other_instance);
  tcase_add_test(tests, a_flush_asks_for_each_job_once_a_little_later);
  tcase_add_test(tests, a_flush_leaves_requests_in_flight_alone);
  tcase_add_test(tests, a_flush_with_an_age_leaves_what_is_fresh_alone);
  tcase_add_loop_test(tests, flushes_that_wait_together_are_the_widest_of_them,
                      0, 2);
  tcase_add_test(tests, flushes_without_a_budget_are_a_round_a_second);
  tcase_add_test(tests, flushes_keep_to_the_budget);
  tcase_add_loop_test(tests, no_flush_goes_past_a_back_off, 0,
                      (int)COUNT_OF(flush_pauses));
  tcase_add_test(tests, a_wake_ends_the_wait);
  tcase_add_test(tests, the_disk_is_woken_for_what_is_to_be_saved_soon);
  tcase_add_test(tests, the_disk_is_woken_for_a_rejected_key);
  tcase_add_test(tests, a_transport_that_fails_is_told_and_tried_again);
  tcase_add_test(tests, the_thread_ends_at_once_while_its_transport_fails);
  tcase_add_test(tests, requests_in_flight_are_given_up_by_freeing);
  tcase_add_test(tests, without_a_key_in_the_file_nothing_is_asked);
  tcase_add_loop_test(tests,
                      a_key_that_is_missing_is_told_of_when_it_has_lasted, 0,
                      (int)COUNT_OF(patience));
  tcase_add_test(tests,
                 a_rejected_key_is_read_again_and_a_new_one_used_once_it_stays);
  tcase_add_test(tests, half_a_key_is_not_used_after_a_rejection_either);
  tcase_add_test(tests, a_key_that_stays_rejected_is_probed_ever_more_rarely);
  tcase_add_test(tests, a_key_file_that_changes_is_read_once_it_stays);
  tcase_add_test(tests, a_key_file_that_goes_away_leaves_the_key);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("poller");
  TCase *tests = tcase_create("thread");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_job_added_while_it_waits_is_asked_for_at_once);
  tcase_add_test(tests, a_flush_wakes_the_thread);
  tcase_add_test(tests,
                 an_unfinished_job_is_asked_for_again_and_a_final_one_not);
  tcase_add_test(tests, no_more_than_max_concurrency_are_in_flight);
  tcase_add_test(tests, it_stops_at_once_while_a_server_never_answers);
  tcase_add_test(tests, a_key_file_is_waited_for_and_followed);
  suite_add_tcase(suite, steps());
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
