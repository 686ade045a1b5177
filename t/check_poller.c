/* The poller's thread with real libcurl and the fake server. */

#include "src/instance_save.h"
#include "src/poller.h"
#include "src/transport_curl.h"

#include "t/fake_firecrawl.h"
#include "t/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEADLINE_MS = 15000, TURN_US = 5000, INTERVAL_MS = 100 };

static struct fake_firecrawl *server;
static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_poller *poller;

static struct fc_now now(void) {
  return fc_clock_system.now(fc_clock_system.data);
}

static void script(const char *text) {
  char error[256];
  ck_assert_msg(fake_firecrawl_script(server, text, error, sizeof(error)), "%s",
                error);
}

static void set_up(void) {
  char url[64], detail[FC_DETAIL_SIZE];
  ck_assert_int_eq(fc_transport_curl_global_init(), FC_OK);
  server = fake_firecrawl_start(0, NULL, NULL);
  ck_assert_ptr_nonnull(server);
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  settings.max_requests_per_minute = 0;
  (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
                 (unsigned)fake_firecrawl_port(server));
  ck_assert_int_eq(fc_settings_set_url(&settings, url, detail, sizeof(detail)),
                   FC_OK);
}

static void start(void) {
  instance = fc_instance_new(&settings, INTERVAL_MS, 1);
  poller = fc_poller_new(fc_transport_curl_new(), &fc_clock_system);
  ck_assert_ptr_nonnull(instance);
  ck_assert_ptr_nonnull(poller);
  ck_assert_int_eq(fc_poller_add(poller, instance), FC_OK);
  ck_assert_int_eq(fc_poller_start(poller), FC_OK);
}

static void tear_down(void) {
  fc_poller_free(poller);
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
  int64_t end_ms = now().mono_ms + DEADLINE_MS;
  while (fake_firecrawl_count(server, id) < count) {
    ck_assert_msg(now().mono_ms < end_ms, "%s was asked for %zu times", id,
                  fake_firecrawl_count(server, id));
    (void)usleep(TURN_US);
  }
}

static void wait_requests(uint64_t count, bool up) {
  int64_t end_ms = now().mono_ms + DEADLINE_MS;
  struct fc_stats stats;
  do {
    ck_assert(now().mono_ms < end_ms);
    (void)usleep(TURN_US);
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

START_TEST(a_flush_asks_at_once) {
  script("job extract a\n  state processing\n");
  settings.interval_ms = 60000;
  start();
  watch("a");
  wait_requests(1, true);
  fc_poller_flush(poller);
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
  int64_t before_ms = now().mono_ms;
  fc_poller_stop(poller);
  ck_assert_int_lt(now().mono_ms - before_ms, 1000);
}
END_TEST

static void write_key(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  fprintf(file, "%s\n", text);
  ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_key_file_is_waited_for_and_followed) {
  char directory[] = "/tmp/fc-poller-XXXXXX", path[64];
  ck_assert_ptr_nonnull(mkdtemp(directory));
  (void)snprintf(path, sizeof(path), "%s/key", directory);
  settings.api_key_file = strdup(path);
  script("key fc-one\njob extract a\n  state processing\n");
  start();
  watch("a");
  (void)usleep(20 * TURN_US);
  ck_assert_uint_eq(fake_firecrawl_count(server, "a"), 0);
  write_key(path, "fc-one");
  wait_requests(1, true);
  script("key fc-two\n");
  wait_requests(1, false);
  write_key(path, "fc-two");
  wait_requests(1, true);
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(time_goes_on_for_jobs_while_there_is_no_key) {
  struct fc_stats stats;
  struct fc_job_record record = {
      .id = "a",
      .name = "a",
      .kind = FC_KIND_EXTRACT,
      .sources = FC_SOURCE_REGISTRATION,
      .status = FC_STATUS_COMPLETED,
      .previous = FC_STATUS_NONE,
      .has_ended = true,
      .ended_s = now().epoch_s,
  };
  settings.api_key_file = strdup("/nonexistent/key");
  settings.forget_after_s = 1;
  start();
  ck_assert_int_eq(fc_instance_restore(instance, &record, true, now()), FC_OK);
  int64_t end_ms = now().mono_ms + DEADLINE_MS;
  do {
    ck_assert(now().mono_ms < end_ms);
    (void)usleep(TURN_US);
    fc_instance_stats(instance, now(), &stats);
  } while (stats.jobs[FC_STATUS_COMPLETED]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("poller");
  TCase *tests = tcase_create("thread");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_job_added_while_it_waits_is_asked_for_at_once);
  tcase_add_test(tests, a_flush_asks_at_once);
  tcase_add_test(tests,
                 an_unfinished_job_is_asked_for_again_and_a_final_one_not);
  tcase_add_test(tests, no_more_than_max_concurrency_are_in_flight);
  tcase_add_test(tests, it_stops_at_once_while_a_server_never_answers);
  tcase_add_test(tests, a_key_file_is_waited_for_and_followed);
  tcase_add_test(tests, time_goes_on_for_jobs_while_there_is_no_key);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
