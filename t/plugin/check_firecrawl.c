/* SPDX-License-Identifier: MIT */

/* The whole plugin on the recording stand-in for the daemon and the fake
 * server: configuration in, values, notifications and log lines out. */

#include "plugin/complain.h"
#include "plugin/identifier.h"

#include "src/watch/flush.h"
#include "src/watch/instance.h"

#include "t/fake/folder.h"
#include "t/fake/served.h"
#include "t/plugin/daemon.h"
#include "t/suite.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define A "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b11"
#define B "0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b12"

#define REGISTRATION_OF_B                                                      \
  "severity=okay time=1 plugin=firecrawl plugin_instance=prod type=extract "   \
  "type_instance=" B " message=\"x\""

enum { DEADLINE_MS = 15000, TURN_US = 5000 };

static char directory[64];

/* How far the plugin's monotonic clock is ahead: what it waits for by the
 * minute is seen in a moment. */
static atomic_int_least64_t ahead_s;

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time) {
  int result = __real_clock_gettime(clock, time);
  if (clock == CLOCK_MONOTONIC)
    time->tv_sec += atomic_load(&ahead_s);
  return result;
}

static void pass_s(int64_t seconds) {
  (void)atomic_fetch_add(&ahead_s, seconds);
}

static void set_up(void) {
  test_folder_make(directory, sizeof(directory), "plugin");
  daemon_begin(0.2);
  server_start();
}

static void tear_down(void) {
  fake_firecrawl_stop(server);
  test_folder_remove(directory);
}

/* Configures one instance "prod" with these lines. */
static int configure(const char *lines) {
  char text[4096];
  (void)snprintf(text, sizeof(text),
                 "<Plugin firecrawl>\nStateFile \"%s/state.db\"\n"
                 "<Instance \"prod\">\nURL \"http://127.0.0.1:%u\"\n"
                 "APIKey \"fc-secret\"\n%s\n</Instance>\n</Plugin>\n",
                 directory, (unsigned)fake_firecrawl_port(server), lines);
  return fake_collectd_configure(text);
}

static void start(const char *lines) {
  ck_assert_int_eq(configure(lines), 0);
  ck_assert_int_eq(fake_collectd_init(), 0);
}

/* Lets the daemon read until the series has the value. */
static void wait_value(const char *type, const char *instance, double wanted) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  double value = -99;
  do {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    if (fake_collectd_value(type, instance, &value) && value == wanted)
      return;
    (void)usleep(TURN_US);
  } while (now_ms() < end_ms);
  ck_abort_msg("%s-%s is %g, not %g", type, instance, value, wanted);
}

static void wait_more_than(const char *type, const char *instance,
                           double limit) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  double value = -99;
  do {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    if (fake_collectd_value(type, instance, &value) && value > limit)
      return;
    (void)usleep(TURN_US);
  } while (now_ms() < end_ms);
  ck_abort_msg("%s-%s is %g, not above %g", type, instance, value, limit);
}

static const notification_t *find_notification(const char *text) {
  for (size_t i = 0; i < fake_collectd_notifications(); i++)
    if (strstr(fake_collectd_notification(i)->message, text))
      return fake_collectd_notification(i);
  return NULL;
}

static const notification_t *wait_notification(const char *text) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  do {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    const notification_t *found = find_notification(text);
    if (found)
      return found;
    (void)usleep(TURN_US);
  } while (now_ms() < end_ms);
  ck_abort_msg("no notification says \"%s\"", text);
  return NULL;
}

static void wait_log(const char *text) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (!fake_collectd_log_find(text)) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    ck_assert_msg(now_ms() < end_ms, "no log line says \"%s\"", text);
    (void)usleep(TURN_US);
  }
}

/* No test may leave the daemon with something a plugin should not do. */
static void stop(void) {
  ck_assert_int_eq(fake_collectd_shutdown(), 0);
  ck_assert_msg(!fake_collectd_fault(), "%s", fake_collectd_fault());
  ck_assert_ptr_null(fake_collectd_log_find("fc-secret"));
}

START_TEST(a_completed_job_has_its_values_and_no_notification) {
  script("job extract " A "\n"
         "  state completed expires=+3600 tokens=1234 credits=2.5\n");
  start("Extract \"" A "\" \"nightly\"");
  wait_value("job_status", "nightly", 0);
  double left = 0;
  ck_assert(fake_collectd_value("job_expiry", "nightly", &left));
  ck_assert(left > 3590 && left <= 3600);
  wait_value("job_tokens", "nightly", 1234);
  wait_value("job_credits", "nightly", 2.5);
  ck_assert(!fake_collectd_value("duration", "nightly", &left));
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  ck_assert_uint_eq(fake_firecrawl_count(server, A), 1);
  stop();
}
END_TEST

START_TEST(a_failed_job_is_a_failure_with_its_metadata) {
  script("job extract " A "\n"
         "  state processing for 2 requests expires=2030-01-02T03:04:05Z\n"
         "  state failed error=\"no\\ngood\" expires=2030-01-02T03:04:05Z\n");
  start("Extract \"" A "\" \"nightly\"");
  const notification_t *found = wait_notification("failed");
  ck_assert_int_eq(found->severity, NOTIF_FAILURE);
  ck_assert_str_eq(found->message, "extract nightly (" A ") failed: no good");
  ck_assert_str_eq(found->host, "localhost");
  ck_assert_str_eq(found->plugin, "firecrawl");
  ck_assert_str_eq(found->plugin_instance, "prod");
  ck_assert_str_eq(found->type, "job_status");
  ck_assert_str_eq(found->type_instance, "nightly");
  ck_assert_str_eq(fake_collectd_meta(found, "kind"), "extract");
  ck_assert_str_eq(fake_collectd_meta(found, "id"), A);
  ck_assert_str_eq(fake_collectd_meta(found, "status"), "failed");
  ck_assert_str_eq(fake_collectd_meta(found, "previous"), "processing");
  ck_assert_str_eq(fake_collectd_meta(found, "error"), "no good");
  ck_assert_str_eq(fake_collectd_meta(found, "expires_at"),
                   "2030-01-02T03:04:05Z");
  ck_assert_str_eq(fake_collectd_meta(found, "dedup_key"),
                   "prod/extract/" A "/failed");
  ck_assert_ptr_null(fake_collectd_meta(found, "possible_duplicate"));
  wait_value("job_status", "nightly", 3);
  for (int i = 0; i < 10; i++)
    ck_assert_uint_eq(fake_collectd_read(), 0);
  ck_assert_uint_eq(fake_collectd_notifications(), 1);
  stop();
}
END_TEST

static const struct {
  const char *kind, *option, *status;
  const char *says;
  int severity;
  double code;
} ends[] = {
    {"agent", "Agent", "cancelled", "agent n (" A ") cancelled", NOTIF_WARNING,
     2},
    {"crawl", "Crawl", "failed", "crawl n (" A ") failed", NOTIF_FAILURE, 3},
    {"batch_scrape", "BatchScrape", "failed", "batch_scrape n (" A ") failed",
     NOTIF_FAILURE, 3},
};

START_TEST(each_kind_of_job_notifies_of_its_end) {
  char text[256];
  (void)snprintf(text, sizeof(text), "job %s " A "\n  state %s\n",
                 ends[_i].kind, ends[_i].status);
  script(text);
  (void)snprintf(text, sizeof(text), "%s \"" A "\" \"n\"", ends[_i].option);
  start(text);
  const notification_t *found = wait_notification(ends[_i].status);
  ck_assert_str_eq(found->message, ends[_i].says);
  ck_assert_int_eq(found->severity, ends[_i].severity);
  wait_value("job_status", "n", ends[_i].code);
  stop();
}
END_TEST

START_TEST(aggregates_count_each_status) {
  script("job extract " A "\n  state failed\n"
         "job crawl " B "\n  state scraping completed=30 total=120\n");
  start("Extract \"" A "\"\nCrawl \"" B "\" \"docs\"");
  wait_value("jobs", "failed", 1);
  wait_value("jobs", "processing", 1);
  wait_value("jobs", "completed", 0);
  wait_value("jobs", "cancelled", 0);
  wait_value("jobs", "lost", 0);
  wait_value("jobs", "unknown", 0);
  wait_value("jobs", "stalled", 0);
  wait_value("percent", "docs", 25);
  wait_value("api_up", "", 1);
  double value = -1;
  ck_assert(fake_collectd_value("total_requests", "", &value));
  ck_assert(value >= 2);
  ck_assert(fake_collectd_value("http_response_codes", "200", &value));
  ck_assert(!fake_collectd_value("http_response_codes", "404", &value));
  ck_assert(fake_collectd_value("errors", "timeout", &value));
  ck_assert(value == 0);
  ck_assert(fake_collectd_value("response_time", "average", &value));
  ck_assert(fake_collectd_value("poll_age", "", &value));
  stop();
}
END_TEST

START_TEST(api_up_has_no_value_before_the_first_request_has_ended) {
  double value;
  script("job extract " A "\n  state processing never\n");
  start("Extract \"" A "\"\nTimeout 2000");
  for (int64_t end_ms = now_ms() + 500; now_ms() < end_ms;) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    ck_assert(!fake_collectd_value("api_up", "", &value));
    (void)usleep(TURN_US);
  }
  wait_value("api_up", "", 0);
  ck_assert(!fake_collectd_value("job_status", A, &value));
  stop();
}
END_TEST

START_TEST(an_instance_that_is_idle_after_a_restart_says_nothing_of_the_api) {
  double value;
  script("job extract " A "\n  state completed\n");
  start("Extract \"" A "\" \"n\"");
  wait_value("job_status", "n", 0);
  stop();
  fake_collectd_reset();
  module_register();
  start("Extract \"" A "\" \"n\"\nInterval 0.1");
  for (int64_t end_ms = now_ms() + 500; now_ms() < end_ms;) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    ck_assert(!fake_collectd_value("api_up", "", &value));
    (void)usleep(TURN_US);
  }
  wait_value("jobs", "completed", 1);
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  stop();
}
END_TEST

START_TEST(a_kind_corrected_in_the_configuration_counts_after_a_restart) {
  script("job agent " A "\n  state processing\n");
  start("Extract \"" A "\" \"n\"");
  wait_value("api_up", "", 1);
  stop();
  fake_collectd_reset();
  module_register();
  start("Agent \"" A "\" \"n\"");
  wait_value("job_status", "n", 1);
  stop();
}
END_TEST

START_TEST(an_agent_that_was_cancelled_is_a_warning_with_its_reason) {
  script("job agent " A
         "\n  state failed error=\"Agent was cancelled by user\"\n");
  start("Agent \"" A "\" \"n\"");
  const notification_t *found = wait_notification("cancelled");
  ck_assert_int_eq(found->severity, NOTIF_WARNING);
  ck_assert_str_eq(found->message,
                   "agent n (" A ") cancelled: Agent was cancelled by user");
  wait_value("job_status", "n", 2);
  stop();
}
END_TEST

static const struct {
  const char *answer;
  const char *class;
  const char *says;
} outages[] = {
    {"answer 502 body=\"<html>bad gateway</html>\"\n", "http", "HTTP 502"},
    {"answer 401 body=\"{\\\"error\\\":\\\"Unauthorized\\\"}\"\n", "auth",
     "API key rejected"},
    {"answer 200 body=\"<html>\"\n", "body", "JSON"},
    {"answer 200 never\n", "timeout", "API unusable"},
};

START_TEST(an_outage_is_a_value_an_error_and_a_notification) {
  script("job extract " A "\n  state processing\n");
  start("Extract \"" A "\" \"n\"\nTimeout 300\nInterval 0.2");
  wait_value("job_status", "n", 1);
  script(outages[_i].answer);
  wait_more_than("errors", outages[_i].class, 0);
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  pass_s(31);
  wait_value("api_up", "", 0);
  const notification_t *found = wait_notification(outages[_i].says);
  ck_assert_int_eq(found->severity, NOTIF_FAILURE);
  ck_assert_str_eq(found->type, "api_up");
  ck_assert_str_eq(found->type_instance, "");
  double value = 0;
  ck_assert(fake_collectd_value("errors", outages[_i].class, &value));
  ck_assert(value > 0);
  fake_collectd_clear();
  ck_assert_uint_eq(fake_collectd_read(), 0);
  ck_assert_msg(!fake_collectd_value("job_status", "n", &value),
                "a stale status is shown as fresh");
  script("answer off\n");
  found = wait_notification("API usable again");
  ck_assert_int_eq(found->severity, NOTIF_OKAY);
  wait_value("job_status", "n", 1);
  stop();
}
END_TEST

START_TEST(an_id_that_the_api_refuses_is_lost_with_its_reason) {
  double value;
  script("job agent typo-1\n  state x code=400 "
         "body=\"{\\\"success\\\":false,\\\"error\\\":\\\"Invalid job ID "
         "format. Job ID must be a valid UUID.\\\"}\"\n");
  start("Agent \"typo-1\"");
  const notification_t *found = wait_notification("lost");
  ck_assert_int_eq(found->severity, NOTIF_WARNING);
  ck_assert_str_eq(found->message,
                   "agent typo-1 (typo-1) lost: Invalid job ID format. Job ID "
                   "must be a valid UUID.");
  wait_value("job_status", "typo-1", 4);
  wait_value("api_up", "", 1);
  ck_assert(fake_collectd_value("errors", "http", &value));
  ck_assert_double_eq(value, 0);
  stop();
}
END_TEST

START_TEST(a_sunset_date_is_a_value_and_a_warning) {
  script("job extract " A "\n"
         "  state processing header=\"Sunset: Thu, 10 Dec 2099 15:00:00 GMT\" "
         "header=\"Link: </v2/agent>; rel=\\\"successor-version\\\"\"\n");
  start("Extract \"" A "\"");
  const notification_t *found = wait_notification("sunset");
  ck_assert_int_eq(found->severity, NOTIF_WARNING);
  ck_assert_str_eq(found->message, "extract endpoint has a sunset date: it "
                                   "ends on 2099-12-10T15:00:00Z; use "
                                   "/v2/scrape with a JSON format, "
                                   "/v2/batch/scrape or /v2/agent instead");
  /* The date may have come between the values of that read and its events. */
  double left = 0;
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (!fake_collectd_value("api_sunset", "extract", &left)) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    ck_assert(now_ms() < end_ms);
  }
  ck_assert(left > 86400);
  stop();
}
END_TEST

START_TEST(an_endpoint_that_is_gone_is_told_of_once) {
  script("job extract " A "\n  state x code=410 body=\"{}\"\n"
         "job extract " B "\n  state x code=410 body=\"{}\"\n");
  start("Extract \"" A "\" \"a\"\nExtract \"" B "\" \"b\"");
  const notification_t *found = wait_notification("endpoint gone");
  ck_assert_int_eq(found->severity, NOTIF_FAILURE);
  ck_assert_ptr_nonnull(strstr(found->message, "/v2/agent"));
  wait_value("jobs", "lost", 2);
  wait_value("job_status", "a", 4);
  ck_assert_uint_eq(fake_collectd_notifications(), 1);
  stop();
}
END_TEST

START_TEST(a_type_of_another_shape_is_named_and_the_rest_goes_on) {
  fake_collectd_add_types("job_expiry value:GAUGE:0:U\n");
  script("job extract " A "\n  state processing\n");
  start("Extract \"" A "\" \"n\"");
  wait_value("job_status", "n", 1);
  double value;
  ck_assert(!fake_collectd_value("job_expiry", "n", &value));
  ck_assert_ptr_nonnull(fake_collectd_log_find("the type \"job_expiry\""));
  stop();
}
END_TEST

START_TEST(job_metrics_none_leaves_the_aggregates) {
  script("job extract " A "\n  state failed\n");
  start("Extract \"" A "\" \"n\"\nJobMetrics none");
  wait_value("jobs", "failed", 1);
  double value;
  ck_assert(!fake_collectd_value("job_status", "n", &value));
  (void)wait_notification("failed");
  stop();
}
END_TEST

START_TEST(host_names_the_values_and_notifications) {
  script("job extract " A "\n  state failed\n");
  start("Extract \"" A "\" \"n\"\nHost \"elsewhere\"");
  ck_assert_str_eq(wait_notification("failed")->host, "elsewhere");
  ck_assert_str_eq(fake_collectd_value_at(0)->host, "elsewhere");
  stop();
}
END_TEST

START_TEST(a_registration_is_watched_and_a_warning_forgets_it) {
  script("job extract " A "\n  state processing\n");
  start("AcceptRegistrations true");
  ck_assert_int_eq(
      fake_collectd_putnotif("severity=okay time=1 plugin=firecrawl "
                             "plugin_instance=prod type=extract "
                             "type_instance=" A " message=\"nightly\""),
      0);
  wait_value("job_status", "nightly", 1);
  ck_assert_int_eq(
      fake_collectd_putnotif("severity=warning time=1 plugin=firecrawl "
                             "plugin_instance=prod type=extract "
                             "type_instance=" A " message=\"-\""),
      0);
  wait_value("jobs", "processing", 0);
  stop();
}
END_TEST

START_TEST(a_registration_before_init_is_not_lost) {
  script("job extract " A "\n  state processing\n");
  ck_assert_int_eq(configure("AcceptRegistrations true"), 0);
  ck_assert_int_eq(
      fake_collectd_putnotif("severity=okay time=1 plugin=firecrawl "
                             "plugin_instance=prod type=extract "
                             "type_instance=" A " message=\"early\""),
      0);
  ck_assert_int_eq(fake_collectd_init(), 0);
  wait_value("job_status", "early", 1);
  stop();
}
END_TEST

static void send_notification(const char *fields) {
  char text[512];
  (void)snprintf(text, sizeof(text), "time=1 plugin=firecrawl %s", fields);
  ck_assert_int_eq(fake_collectd_putnotif(text), 0);
}

static const struct {
  const char *fields;
  const char *says;
} bad_registrations[] = {
    {"severity=okay plugin_instance=prod type=extract type_instance=a/b "
     "message=\"x\"",
     "prod: registration of extract \"a/b\": an ID of 1 to 63"},
    {"severity=okay plugin_instance=prod type=extract type_instance=a "
     "message=\"x y\"",
     "a name of 1 to 63 characters of A-Z a-z 0-9 _ . -, or the ID, as message "
     "are expected"},
    {"severity=okay plugin_instance=prod type=extract type_instance=a "
     "message=\" \"",
     "or the ID, as message"},
    {"severity=failure plugin_instance=prod type=extract type_instance=a "
     "message=\"x\"",
     "severity okay"},
    {"severity=warning plugin_instance=prod type=extract type_instance=a "
     "message=\"x\"",
     "no such registered job"},
    {"severity=okay plugin_instance=other type=extract type_instance=a "
     "message=\"x\"",
     "other: registration of extract \"a\": there is no <Instance> of that "
     "name"},
    {"severity=okay host=localhost plugin_instance=other type=extract "
     "type_instance=a message=\"x\"",
     "there is no <Instance> of that name"},
    {"severity=okay plugin_instance=prod type=Extract type_instance=a "
     "message=\"x\"",
     "registration of Extract \"a\": a kind (extract, agent, crawl, "
     "batch_scrape) is expected as type"},
    {"severity=okay plugin_instance=prod type=batch-scrape type_instance=a "
     "message=\"x\"",
     "a kind (extract"},
    {"severity=okay host=elsewhere plugin_instance=prod type=monitor "
     "type_instance=a message=\"x\"",
     "a kind (extract"},
    {"severity=okay plugin_instance=prod type_instance=a message=\"x\"",
     "a kind (extract"},
    {"severity=okay plugin_instance=prod type=extract type_instance=" B
     " message=\"x\"",
     "the configuration or JobFile has the job under another kind or name"},
    {"severity=okay plugin_instance=prod type=crawl type_instance=" B
     " message=\"theirs\"",
     "the configuration or JobFile has the job under another kind or name"},
    {"severity=warning plugin_instance=prod type=extract type_instance=" B
     " message=\"theirs\"",
     "no such registered job"},
};

START_TEST(a_bad_registration_is_one_error) {
  script("job any *\n  state processing\n");
  start("AcceptRegistrations true\nExtract \"" B "\" \"theirs\"");
  fake_collectd_clear();
  send_notification(bad_registrations[_i].fields);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 1);
  ck_assert_ptr_nonnull(fake_collectd_log_find(bad_registrations[_i].says));
  ck_assert_uint_eq(fake_collectd_log_count(LOG_NOTICE), 0);
  wait_value("job_status", "theirs", 1);
  wait_value("jobs", "processing", 1);
  ck_assert_uint_eq(fake_firecrawl_count(server, "/a"), 0);
  stop();
}
END_TEST

/* The threshold plugin's, another plugin's, our own, other hosts'. */
static const char *const no_registrations[] = {
    "severity=okay plugin_instance=prod type=poll_age message=\"x\"",
    "severity=failure plugin_instance=prod type=jobs type_instance=failed "
    "message=\"x\"",
    "severity=warning plugin_instance=nowhere type=job_status type_instance=a "
    "message=\"x\"",
    "severity=failure plugin_instance=prod type=new_one message=\"x\" "
    "s:CurrentValue=\"1\"",
    "severity=failure plugin_instance=prod type=new_one message=\"x\" "
    "s:dedup_key=\"prod/x\"",
    "severity=okay plugin_instance=nowhere type=extract type_instance=a "
    "message=\"x\" s:dedup_key=\"prod/x\"",
    "severity=okay host=elsewhere plugin_instance=nowhere type=extract "
    "type_instance=a message=\"x\"",
};

START_TEST(what_is_no_registration_is_ignored) {
  if (_i % 2)
    start("AcceptRegistrations true");
  else /* before init */
    ck_assert_int_eq(configure("AcceptRegistrations true"), 0);
  send_notification(no_registrations[_i / 2]);
  if (_i % 2 == 0)
    ck_assert_int_eq(fake_collectd_init(), 0);
  ck_assert_uint_eq(fake_collectd_read(), 0);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 0);
  stop();
}
END_TEST

START_TEST(refused_registrations_are_one_error_and_their_number_in_10_seconds) {
  enum { SENT = 1000 };
  char fields[256], says[128];
  start("AcceptRegistrations true");
  for (int i = 0; i < SENT; i++) {
    (void)snprintf(fields, sizeof(fields),
                   "severity=okay plugin_instance=%s type=extract "
                   "type_instance=%d message=\"x y\"",
                   i % 2 ? "prod" : "other", i);
    send_notification(fields);
  }
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 1);
  (void)snprintf(says, sizeof(says), "%d more registrations were refused",
                 SENT - 1);
  wait_log(says);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 2);
  stop();
}
END_TEST

static size_t notices(void) { return fake_collectd_log_count(LOG_NOTICE); }

START_TEST(a_registration_that_changes_something_is_one_notice) {
  script("job any *\n  state processing\n");
  start("AcceptRegistrations true");
  size_t before = notices();
  send_notification("severity=okay plugin_instance=prod type=extract "
                    "type_instance=" A " message=\"" A "\"");
  ck_assert_uint_eq(notices() - before, 1);
  ck_assert_ptr_nonnull(fake_collectd_log_find(
      "prod: registration of extract \"" A "\": it is watched"));
  for (int i = 0; i < 3; i++)
    send_notification("severity=okay plugin_instance=prod type=extract "
                      "type_instance=" A " message=\"nightly\"");
  ck_assert_uint_eq(notices() - before, 2);
  ck_assert_ptr_nonnull(fake_collectd_log_find(": it is watched as nightly"));
  send_notification("severity=okay plugin_instance=prod type=crawl "
                    "type_instance=" A " message=\"nightly\"");
  ck_assert_uint_eq(notices() - before, 3);
  send_notification("severity=warning plugin_instance=prod type=crawl "
                    "type_instance=" A " message=\"-\"");
  ck_assert_uint_eq(notices() - before, 4);
  ck_assert_ptr_nonnull(fake_collectd_log_find(": it is forgotten"));
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 0);
  stop();
}
END_TEST

START_TEST(a_known_job_that_is_registered_is_asked_for_at_once) {
  script("job any *\n  state processing\n");
  start("AcceptRegistrations true\nInterval 600\nExtract \"" A "\" \"n\"");
  wait_value("job_status", "n", 1);
  ck_assert_uint_eq(fake_firecrawl_count(server, A), 1);
  script("job any *\n  state completed\n");
  send_notification("severity=okay plugin_instance=prod type=extract "
                    "type_instance=" A " message=\"n\"");
  wait_value("job_status", "n", 0);
  ck_assert_uint_eq(fake_firecrawl_count(server, A), 2);
  stop();
}
END_TEST

START_TEST(forget_after_0_shows_each_end_once) {
  double value;
  script("job any *\n  state failed\n");
  start("AcceptRegistrations true\nForgetAfter 0");
  ck_assert_int_eq(fake_collectd_putnotif(REGISTRATION_OF_B), 0);
  wait_value("job_status", "x", 3);
  (void)wait_notification("failed");
  wait_value("jobs", "failed", 0);
  fake_collectd_clear();
  ck_assert_uint_eq(fake_collectd_read(), 0);
  ck_assert(!fake_collectd_value("job_status", "x", &value));
  stop();
}
END_TEST

START_TEST(an_instance_that_is_gone_is_named_and_a_disabled_one_is_not) {
  char text[512];
  script("job any *\n  state failed\n");
  start("Extract \"" A "\" \"n\"");
  (void)wait_notification("failed");
  stop();
  fake_collectd_reset();
  module_register();
  (void)snprintf(text, sizeof(text),
                 "<Plugin firecrawl>\nStateFile \"%s/state.db\"\n"
                 "<Instance \"new\">\nURL \"http://127.0.0.1:%u\"\n"
                 "Extract \"" A "\" \"n\"\n</Instance>\n%s</Plugin>\n",
                 directory, (unsigned)fake_firecrawl_port(server),
                 _i ? "<Instance \"prod\">\nTimeout 0\n</Instance>\n" : "");
  ck_assert_int_eq(fake_collectd_configure(text), 0);
  ck_assert_int_eq(fake_collectd_init(), 0);
  (void)wait_notification("failed");
  if (_i == 0)
    wait_log("new: state file: no longer configured: prod; what is known");
  ck_assert_uint_eq(fake_collectd_log_find("no longer configured") != NULL,
                    _i == 0);
  stop();
}
END_TEST

/* As a log callback that turns errors into notifications does. */
static void notify_of_error(int severity, const char *text) {
  (void)text;
  if (severity == LOG_ERR)
    (void)fake_collectd_putnotif("severity=okay time=1 plugin=firecrawl "
                                 "plugin_instance=prod type=extract "
                                 "type_instance=" B " message=\"b\"");
}

START_TEST(a_log_callback_may_notify_while_a_registration_is_refused) {
  script("job any *\n  state processing\n");
  if (_i == 0)
    start("AcceptRegistrations true");
  fake_collectd_on_log(notify_of_error);
  ck_assert_int_eq(
      fake_collectd_putnotif("severity=okay time=1 plugin=firecrawl "
                             "plugin_instance=prod type=extract "
                             "type_instance=a/b message=\"a\""),
      0);
  if (_i == 1) /* it came before init */
    start("AcceptRegistrations true");
  wait_value("job_status", "b", 1);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 1);
  stop();
}
END_TEST

START_TEST(max_jobs_refuses_with_one_error_and_one_notification) {
  script("job any *\n  state processing\n");
  start("AcceptRegistrations true\nMaxJobs 1\nExtract \"" A "\"");
  for (int i = 0; i < 3; i++) {
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "severity=okay time=1 plugin=firecrawl plugin_instance=prod "
                   "type=extract type_instance=job%d message=\"x\"",
                   i);
    ck_assert_int_eq(fake_collectd_putnotif(text), 0);
  }
  const notification_t *found = wait_notification("jobs refused");
  ck_assert_int_eq(found->severity, NOTIF_FAILURE);
  ck_assert_ptr_nonnull(strstr(found->message, "MaxJobs 1"));
  ck_assert_uint_eq(fake_collectd_notifications(), 1);
  stop();
}
END_TEST

START_TEST(a_restart_repeats_nothing_and_asks_for_no_final_job) {
  script("job extract " A "\n  state failed error=\"no\"\n");
  start("Extract \"" A "\" \"n\"");
  (void)wait_notification("failed");
  wait_value("job_status", "n", 3);
  stop();
  fake_collectd_reset();
  module_register();
  start("Extract \"" A "\" \"n\"");
  wait_value("job_status", "n", 3);
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  ck_assert_uint_eq(fake_firecrawl_count(server, A), 1);
  stop();
}
END_TEST

START_TEST(a_duration_goes_on_over_a_restart) {
  script("job extract " A "\n  state processing\n");
  start("Extract \"" A "\" \"n\"");
  wait_value("duration", "n", 1);
  stop();
  fake_collectd_clear();
  fake_collectd_reset();
  module_register();
  start("Extract \"" A "\" \"n\"");
  wait_value("job_status", "n", 1);
  double seconds = 0;
  ck_assert(fake_collectd_value("duration", "n", &seconds));
  ck_assert(seconds >= 1);
  stop();
}
END_TEST

START_TEST(a_state_file_that_cannot_be_used_is_one_error) {
  ck_assert_int_eq(chdir(directory), 0);
  ck_assert_int_eq(mkdir("state.db", 0700), 0);
  script("job extract " A "\n  state failed\n");
  start("Extract \"" A "\" \"n\"");
  (void)wait_notification("state file unusable");
  (void)wait_notification("failed");
  wait_value("errors", "state", 1);
  int lines = 0;
  for (size_t i = 0; fake_collectd_log(i, NULL); i++)
    lines += strstr(fake_collectd_log(i, NULL), "state.db") != NULL;
  ck_assert_int_eq(lines, 1);
  stop();
}
END_TEST

START_TEST(nobody_listening_is_no_reason_to_stop) {
  script("job extract " A "\n  state failed\n");
  fake_collectd_set_listening(false);
  start("Extract \"" A "\" \"n\"");
  (void)wait_notification("failed");
  for (int i = 0; i < 5; i++)
    ck_assert_uint_eq(fake_collectd_read(), 0);
  ck_assert_uint_eq(fake_collectd_notifications(), 1);
  stop();
}
END_TEST

START_TEST(failures_are_logged_once_and_their_end_too) {
  script("job extract " A "\n  state processing\n");
  start("Extract \"" A "\"\nInterval 0.1");
  wait_value("api_up", "", 1);
  script("answer 503 body=\"<html>\"\n");
  wait_log("prod: http: HTTP 503");
  /* However long the pauses are, it is not over before an answer. */
  for (int64_t end_ms = now_ms() + 1500; now_ms() < end_ms;) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    (void)usleep(TURN_US);
  }
  ck_assert(!fake_collectd_log_find("no more failures"));
  script("answer off\n");
  wait_log("prod: http: no more failures");
  ck_assert_uint_le(fake_collectd_log_count(LOG_WARNING), 1);
  stop();
}
END_TEST

START_TEST(failures_that_come_and_go_are_three_lines) {
  script("job extract " A "\n  state processing\n");
  start("Extract \"" A "\"\nInterval 0.1");
  wait_value("api_up", "", 1);
  script("answer 503 body=\"<html>\"\n");
  wait_log("prod: http: HTTP 503");
  script("answer off\n");
  wait_log("prod: http: no more failures");
  script("answer 503 body=\"<html>\"\n");
  wait_log("; further changes are not told for an hour");
  size_t lines = fake_collectd_log_count(0);
  double asked, more;
  script("answer off\n");
  ck_assert(fake_collectd_value("http_response_codes", "200", &asked));
  do {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    ck_assert(fake_collectd_value("http_response_codes", "200", &more));
    (void)usleep(TURN_US);
  } while (more < asked + 1);
  for (int i = 0; i < 3 * FC_COMPLAIN_CLEAN_READS; i++)
    ck_assert_uint_eq(fake_collectd_read(), 0);
  ck_assert_uint_eq(fake_collectd_log_count(0), lines);
  stop();
}
END_TEST

START_TEST(many_registrations_are_some_lines_and_a_number) {
  char fields[128];
  script("job any *\n  state processing\n");
  start("AcceptRegistrations true");
  fake_collectd_clear();
  for (int i = 0; i < 100; i++) {
    (void)snprintf(fields, sizeof(fields),
                   "severity=okay plugin_instance=prod type=extract "
                   "type_instance=id-%d message=\"name-%d\"",
                   i, i);
    send_notification(fields);
  }
  ck_assert_uint_eq(fake_collectd_log_count(LOG_NOTICE), 20);
  wait_value("jobs", "processing", 100);
  stop();
}
END_TEST

START_TEST(shutdown_does_not_wait_for_a_server_that_never_answers) {
  script("job extract " A "\n  state processing never\n");
  start("Extract \"" A "\"\nTimeout 60000");
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (!fake_firecrawl_count(server, A)) {
    ck_assert(now_ms() < end_ms);
    (void)usleep(TURN_US);
  }
  int64_t before_ms = now_ms();
  stop();
  ck_assert_int_lt(now_ms() - before_ms, 2000);
}
END_TEST

START_TEST(an_instance_without_registrations_takes_none) {
  script("job any *\n  state processing\n");
  start("Extract \"" A "\"");
  ck_assert_int_eq(fake_collectd_putnotif(REGISTRATION_OF_B), 0);
  wait_log("has no \"AcceptRegistrations true\"");
  wait_value("jobs", "processing", 1);
  ck_assert_uint_eq(fake_firecrawl_count(server, B), 0);
  stop();
}
END_TEST

START_TEST(as_many_registrations_before_init_are_kept_as_there_is_room_for) {
  enum { KEPT = 256, SENT = 300 };
  script("job any *\n  state processing\n");
  ck_assert_int_eq(
      configure("AcceptRegistrations true\nMaxRequestsPerMinute 0"), 0);
  for (int i = 0; i < SENT; i++) {
    char text[256];
    /* One in front is for an instance that does not exist. */
    (void)snprintf(text, sizeof(text),
                   "severity=okay time=1 plugin=firecrawl plugin_instance=%s "
                   "type=extract type_instance=early-%d message=\"early-%d\"",
                   i ? "prod" : "other", i, i);
    ck_assert_int_eq(fake_collectd_putnotif(text), 0);
  }
  ck_assert_int_eq(fake_collectd_init(), 0);
  wait_value("jobs", "processing", KEPT - 1);
  ck_assert_ptr_nonnull(fake_collectd_log_find(
      "other: registration of extract \"early-0\": there "
      "is no <Instance> of that name (44 more were "
      "refused)"));
  stop();
}
END_TEST

START_TEST(a_job_file_that_is_missing_is_logged_and_its_return_too) {
  char line[128], path[96];
  script("job any *\n  state processing\n");
  (void)snprintf(path, sizeof(path), "%s/jobs", directory);
  (void)snprintf(line, sizeof(line), "JobFile \"%s\"", path);
  start(line);
  wait_log("cannot be opened: No such file or directory; it is read as soon as "
           "it can be");
  ck_assert_uint_eq(fake_collectd_log_count(LOG_WARNING), 1);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 0);
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_gt(fprintf(file, "%s\n", A), 0);
  ck_assert_int_eq(fclose(file), 0);
  fake_collectd_flush(NULL);
  wait_log("can be read now");
  wait_value("jobs", "processing", 1);
  ck_assert_int_eq(unlink(path), 0);
  fake_collectd_flush(NULL);
  wait_log("No such file or directory; the jobs it had are still watched");
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 1);
  stop();
}
END_TEST

START_TEST(failures_between_two_reads_are_one_line_with_their_number) {
  script("answer 502 body=\"no\"\n");
  start("Extract \"" A "\"\nExtract \"" B "\"");
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (fake_firecrawl_count(server, A) < 1 ||
         fake_firecrawl_count(server, B) < 1 ||
         fake_firecrawl_count(server, "") < 3) {
    ck_assert_int_lt(now_ms(), end_ms);
    (void)usleep(TURN_US);
  }
  ck_assert_uint_eq(fake_collectd_read(), 0);
  ck_assert_ptr_nonnull(fake_collectd_log_find("failures; the last for job "));
  ck_assert_uint_eq(fake_collectd_log_count(LOG_WARNING), 1);
  stop();
}
END_TEST

static const struct {
  const char *identifier;
  bool is_ours;
} identifiers[] = {
    {"localhost/firecrawl-prod/job_status-n", true},
    {"LOCALHOST/firecrawl-prod/api_up", true},
    {"localhost/firecrawl/jobs-failed", true},
    {"firecrawl-prod/job_status-n", true},
    {"firecrawl/jobs", true},
    {"h1/load/load", false},
    {"localhost/load/load", false},
    {"load/load", false},
    {"h1/firecrawl-prod/api_up", false},
    {"localhos/firecrawl-prod/api_up", false},
    {"localhost2/firecrawl-prod/api_up", false},
    {"localhost/firecrawl-pro/api_up", false},
    {"localhost/firecrawl-production/api_up", false},
    {"localhost/firecrawl-/api_up", false},
    {"localhost/firecrawlprod/api_up", false},
    {"localhost/firecrawl2-prod/api_up", false},
    {"localhost/firecrawl-prod/more/api_up", false},
    {"firecrawl", false},
    {"", false},
    {"/", false},
    {"//", false},
};

START_TEST(an_identifier_is_of_an_instance_or_not) {
  struct fc_settings settings;
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  ck_assert_int_eq(fc_identifier_is_of(identifiers[_i].identifier, &settings),
                   identifiers[_i].is_ours);
  settings.host = strdup("h1");
  ck_assert(fc_identifier_is_of("h1/firecrawl-prod/api_up", &settings));
  ck_assert(!fc_identifier_is_of("localhost/firecrawl-prod/api_up", &settings));
  fc_settings_release(&settings);
}
END_TEST

static void wait_polls(size_t count) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (fake_firecrawl_count(server, A) < count) {
    ck_assert_int_lt(now_ms(), end_ms);
    (void)usleep(TURN_US);
  }
}

/* collectd asks every plugin to flush what some front end is about to draw, and
 * all of them at its end. */
START_TEST(a_flush_of_others_of_what_is_fresh_or_at_the_end_polls_nothing) {
  script("job extract " A "\n  state processing\n");
  start("Extract \"" A "\" \"n\"\nInterval 3600");
  wait_polls(1);
  fake_collectd_flush_of(NULL, 0, "h1/load/load");
  fake_collectd_flush_of(NULL, 0, "localhost/firecrawl-other/api_up");
  fake_collectd_flush_of("firecrawl", TIME_T_TO_CDTIME_T(3600), NULL);
  fake_collectd_flush_of(NULL, TIME_T_TO_CDTIME_T(3600),
                         "localhost/firecrawl-prod/job_status-n");
  (void)usleep(2 * FC_FLUSH_DELAY_MS * 1000);
  ck_assert_uint_eq(fake_firecrawl_count(server, A), 1);
  fake_collectd_flush_of(NULL, MS_TO_CDTIME_T(1),
                         "localhost/firecrawl-prod/job_status-n");
  wait_polls(2);
  stop();
  ck_assert_uint_eq(fake_firecrawl_count(server, A), 2);
}
END_TEST

/* The names are the linker's. */
static bool libcurl_is_old;
curl_version_info_data *__real_curl_version_info(CURLversion age);
curl_version_info_data *__wrap_curl_version_info(CURLversion age);
curl_version_info_data *__wrap_curl_version_info(CURLversion age) {
  static curl_version_info_data old;
  curl_version_info_data *present = __real_curl_version_info(age);
  if (!libcurl_is_old)
    return present;
  old = *present;
  old.version = "7.86.0";
  old.version_num = 0x075600;
  return &old;
}

/* The daemon runs on, the log says once why we do nothing, and we do nothing.
 */
static void assert_idle(const char *why, size_t errors) {
  char line[256];
  (void)snprintf(line, sizeof(line), "firecrawl plugin: %s", why);
  ck_assert_int_eq(fake_collectd_init(), 0);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), errors);
  ck_assert_uint_eq(fake_collectd_log_count(0), errors);
  ck_assert_str_eq(fake_collectd_log(errors - 1, NULL), line);
  ck_assert_uint_eq(fake_collectd_reads(), 0);
  ck_assert_ptr_null(plugin_get_ds("job_status"));
  ck_assert_int_eq(fake_collectd_putnotif(REGISTRATION_OF_B), 0);
  fake_collectd_flush(NULL);
  ck_assert_uint_eq(fake_collectd_log_count(0), errors);
  stop();
}

/* The one that it was built with may not be the one that is loaded. */
START_TEST(a_libcurl_that_is_too_old_is_refused) {
  libcurl_is_old = true;
  fake_collectd_reset();
  module_register();
  ck_assert_int_eq(configure("Extract \"" A "\""), 0);
  fake_collectd_clear();
  assert_idle("libcurl 7.86.0 cannot be used: 7.87 or newer is needed; nothing "
              "is watched",
              1);
  libcurl_is_old = false;
}
END_TEST

static CURLcode global_init_code;
CURLcode __real_curl_global_init(long flags);
CURLcode __wrap_curl_global_init(long flags);
CURLcode __wrap_curl_global_init(long flags) {
  return global_init_code ? global_init_code : __real_curl_global_init(flags);
}

static const struct {
  CURLcode code;
  const char *why;
} bad_starts[] = {
    {CURLE_FAILED_INIT, "libcurl refuses what it is told to do"},
    {CURLE_OUT_OF_MEMORY, "out of memory"},
};

START_TEST(a_libcurl_that_does_not_start_is_told_as_that) {
  char why[256];
  (void)snprintf(
      why, sizeof(why), "libcurl %s cannot be used: %s; nothing is watched",
      curl_version_info(CURLVERSION_NOW)->version, bad_starts[_i].why);
  global_init_code = bad_starts[_i].code;
  fake_collectd_reset();
  module_register();
  ck_assert_int_eq(configure("Extract \"" A "\""), 0);
  fake_collectd_clear();
  assert_idle(why, 1);
  global_init_code = CURLE_OK;
}
END_TEST

static bool takes_no_types;
int __real_plugin_register_data_set(const data_set_t *set);
int __wrap_plugin_register_data_set(const data_set_t *set);
int __wrap_plugin_register_data_set(const data_set_t *set) {
  return takes_no_types ? -1 : __real_plugin_register_data_set(set);
}

/* The daemon refuses a type for lack of memory only. */
START_TEST(a_type_that_cannot_be_registered_is_not_blamed_on_types_db) {
  script("job extract " A "\n  state processing\n");
  takes_no_types = true;
  start("Extract \"" A "\" \"n\"");
  takes_no_types = false;
  ck_assert_ptr_nonnull(fake_collectd_log_find(
      "the type \"job_status\" cannot be registered: out of memory; its values "
      "are not dispatched"));
  ck_assert_ptr_null(fake_collectd_log_find("types.db"));
  wait_polls(1);
  stop();
}
END_TEST

static const struct {
  const char *text; /* NULL: there is only a LoadPlugin line */
  size_t errors;
  const char *why;
} idle[] = {
    {NULL, 1, "no <Instance> is configured: nothing is watched"},
    {"<Plugin firecrawl>\n</Plugin>\n", 1,
     "no <Instance> is configured: nothing is watched"},
    {"<Plugin firecrawl>\nStateFile \"x\"\n</Plugin>\n", 1,
     "no <Instance> is configured: nothing is watched"},
    {"<Plugin firecrawl>\n<Instance \"prod\">\nInterval abc\n"
     "Extract \"a\"\n</Instance>\n</Plugin>\n",
     2, "no <Instance> is valid: nothing is watched"},
    {"<Plugin firecrawl>\n<Instance \"prod\">\n</Instance>\n</Plugin>\n"
     "<Plugin firecrawl>\n<Instance>\nExtract a\n</Instance>\n</Plugin>\n",
     3, "no <Instance> is valid: nothing is watched"},
};

START_TEST(without_a_valid_instance_the_daemon_runs_on) {
  if (idle[_i].text)
    ck_assert_int_eq(fake_collectd_configure(idle[_i].text), 0);
  ck_assert_int_eq(fake_collectd_putnotif(REGISTRATION_OF_B), 0);
  assert_idle(idle[_i].why, idle[_i].errors);
}
END_TEST

/* A later file may have what an earlier one lacks. */
START_TEST(a_block_without_a_valid_instance_says_nothing_of_the_others) {
  script("job extract " A "\n  state processing\n");
  ck_assert_int_eq(fake_collectd_configure(
                       "<Plugin firecrawl>\n<Instance \"bad\">\nTimeout 0\n"
                       "</Instance>\n</Plugin>\n"),
                   0);
  start("Extract \"" A "\" \"n\"");
  wait_value("job_status", "n", 1);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 1);
  ck_assert_ptr_null(fake_collectd_log_find("nothing is watched"));
  stop();
}
END_TEST

static void write_key(const char *path) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs("fc-secret\n", file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

/* What comes later is polled without a restart, and never without the key. */
START_TEST(a_key_file_that_comes_later_is_waited_for) {
  char text[512], path[96];
  script("key fc-secret\njob extract " A "\n  state processing\n");
  (void)snprintf(path, sizeof(path), "%s/key", directory);
  (void)snprintf(text, sizeof(text),
                 "<Plugin firecrawl>\nStateFile \"%s/state.db\"\n"
                 "<Instance \"prod\">\nURL \"http://127.0.0.1:%u\"\n"
                 "APIKeyFile \"%s\"\nExtract \"" A "\" \"n\"\n"
                 "</Instance>\n</Plugin>\n",
                 directory, (unsigned)fake_firecrawl_port(server), path);
  ck_assert_int_eq(fake_collectd_configure(text), 0);
  ck_assert_int_eq(fake_collectd_init(), 0);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_WARNING), 1);
  (void)snprintf(text, sizeof(text),
                 "firecrawl plugin: <Instance \"prod\">: APIKeyFile: %s cannot "
                 "be opened: No such file or directory; no request is made "
                 "until it holds a key",
                 path);
  ck_assert_str_eq(fake_collectd_log(0, NULL), text);
  for (int i = 0; i < 20; i++) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    (void)usleep(TURN_US);
  }
  ck_assert_uint_eq(fake_firecrawl_count(server, ""), 0);
  write_key(path);
  ck_assert_int_eq(chmod(path, 0644), 0);
  wait_value("job_status", "n", 1);
  wait_log("prod: APIKeyFile: it holds a key now");
  ck_assert_ptr_nonnull(fake_collectd_log_find("chmod 600"));
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 0);
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  stop();
}
END_TEST

/* What surprises clients of the API, each by its number there. */

START_TEST(trap_1_a_failed_job_is_http_200_and_success_means_nothing) {
  script("job extract " A "\n  state failed error=\"no\"\n"
         "job extract " B "\n  state x body=\"{\\\"success\\\":false,"
         "\\\"status\\\":\\\"processing\\\"}\"\n");
  start("Extract \"" A "\" \"a\"\nExtract \"" B "\" \"b\"");
  wait_value("job_status", "a", 3);
  wait_value("job_status", "b", 1);
  (void)wait_notification("failed");
  ck_assert_uint_eq(fake_collectd_notifications(), 1);
  stop();
}
END_TEST

START_TEST(trap_2_data_stands_before_the_status) {
  script("job extract " A "\n  state completed data=10000000\n");
  start("Extract \"" A "\" \"a\"\nTimeout 30000");
  wait_value("job_status", "a", 0);
  stop();
}
END_TEST

START_TEST(trap_3_the_expiry_moves_forward_while_a_job_runs) {
  script("job extract " A "\n  state processing for 2 requests "
         "expires=2030-01-01T00:00:00Z date=none\n"
         "  state processing expires=2030-01-01T00:10:00Z date=none\n");
  start("Extract \"" A "\" \"a\"");
  wait_value("job_status", "a", 1);
  double first = 0, later = 0;
  ck_assert(fake_collectd_value("job_expiry", "a", &first));
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (later < first + 500) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    ck_assert(fake_collectd_value("job_expiry", "a", &later));
    ck_assert(now_ms() < end_ms);
    (void)usleep(TURN_US);
  }
  stop();
}
END_TEST

static void script_capture(const char *id, const char *name) {
  char text[512];
  const char *top = getenv("srcdir");
  (void)snprintf(text, sizeof(text),
                 "job extract %s\n  state x "
                 "capture=\"%s/t/data/captures/%s.http\"\n",
                 id, top ? top : ".", name);
  script(text);
}

START_TEST(trap_4_a_lapsed_record_reads_processing_for_ever_and_is_stalled) {
  script("job extract " A "\n  state processing expires=+0\n");
  start("Extract \"" A "\" \"a\"");
  const notification_t *found = wait_notification("stalled");
  ck_assert_int_eq(found->severity, NOTIF_WARNING);
  wait_value("jobs", "stalled", 1);
  wait_value("jobs", "processing", 1);
  wait_value("job_status", "a", 1);
  ck_assert_uint_eq(fake_collectd_notifications(), 1);
  stop();
}
END_TEST

START_TEST(trap_5_a_completed_job_reads_processing_for_a_moment) {
  script_capture(A, "v1-completed-result-not-yet-stored");
  start("Extract \"" A "\" \"a\"");
  wait_value("job_status", "a", 1);
  script_capture(A, "v1-completed");
  wait_value("job_status", "a", 0);
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  stop();
}
END_TEST

START_TEST(trap_6_a_404_for_a_new_job_means_nothing_for_a_while) {
  script_capture(A, "v1-not-found");
  start("Extract \"" A "\" \"a\"");
  wait_value("api_up", "", 1);
  wait_value("jobs", "lost", 0);
  double value;
  ck_assert(!fake_collectd_value("job_status", "a", &value));
  script("job extract " A "\n  state processing\n");
  wait_value("job_status", "a", 1);
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  script_capture(A, "v1-not-found");
  wait_more_than("http_response_codes", "404", 3);
  wait_value("job_status", "a", 1);
  ck_assert_uint_eq(fake_collectd_notifications(), 0);
  pass_s(60);
  const notification_t *found = wait_notification("lost");
  ck_assert_int_eq(found->severity, NOTIF_WARNING);
  wait_value("job_status", "a", 4);
  stop();
}
END_TEST

static const struct {
  const char *error;
  const char *says;
} errors[] = {
    {"error=\"text\"", "failed: text"},
    {"error=\"{\\\"message\\\":\\\"inside\\\"}\"", "failed: inside"},
    {"error=\"{\\\"error\\\":\\\"inside\\\"}\"", "failed: inside"},
    {"error=\"{\\\"code\\\":7}\"", "failed: {\"code\":7}"},
    {"error=null", "failed"},
    {"", "failed"},
};

START_TEST(trap_7_an_error_is_text_or_an_object_or_nothing) {
  char text[256], says[128];
  (void)snprintf(text, sizeof(text), "job extract " A "\n  state failed %s\n",
                 errors[_i].error);
  script(text);
  start("Extract \"" A "\" \"a\"");
  (void)snprintf(says, sizeof(says), "extract a (" A ") %s", errors[_i].says);
  ck_assert_str_eq(wait_notification("failed")->message, says);
  stop();
}
END_TEST

START_TEST(trap_8_a_429_says_in_its_text_how_long_to_wait) {
  script("answer 429 body=\"{\\\"success\\\":false,\\\"error\\\":\\\"Rate "
         "limit exceeded. Consumed (req/min): 501. please retry after 2s, "
         "resets at x\\\"}\"\n");
  start("Extract \"" A "\" \"a\"\nInterval 0.1");
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (fake_firecrawl_count(server, A) < 2) {
    ck_assert(now_ms() < end_ms);
    (void)usleep(TURN_US);
  }
  ck_assert_int_ge(fake_firecrawl_time_ms(server, 1) -
                       fake_firecrawl_time_ms(server, 0),
                   1990);
  stop();
}
END_TEST

static const struct {
  const char *answer;
} no_verdicts[] = {
    {"answer 502 body=\"<html>failed</html>\"\n"},
    {"answer 500 body=\"{\\\"success\\\":false,\\\"status\\\":\\\"failed\\\"}"
     "\"\n"},
    {"answer 402 body=\"{\\\"status\\\":\\\"failed\\\"}\"\n"},
    {"answer 403 body=\"{\\\"status\\\":\\\"cancelled\\\"}\"\n"},
    {"answer 408 body=\"\"\n"},
};

START_TEST(trap_9_and_10_no_other_reply_is_a_verdict_on_the_job) {
  script("job extract " A "\n  state processing\n");
  start("Extract \"" A "\" \"a\"\nInterval 0.1");
  wait_value("job_status", "a", 1);
  script(no_verdicts[_i].answer);
  wait_more_than("errors", "http", 0);
  wait_value("jobs", "failed", 0);
  wait_value("jobs", "processing", 1);
  ck_assert_ptr_null(find_notification(A));
  stop();
}
END_TEST

static const char *const keys[] = {"fc-0123456789abcdef", "fco_x", "anything"};

START_TEST(trap_11_a_key_may_look_like_anything) {
  char text[512];
  (void)snprintf(text, sizeof(text),
                 "key %s\njob extract " A "\n  state processing\n", keys[_i]);
  script(text);
  (void)snprintf(text, sizeof(text), "Extract \"" A "\" \"a\"\nAPIKey \"%s\"",
                 keys[_i]);
  start(text);
  wait_value("job_status", "a", 1);
  stop();
}
END_TEST

START_TEST(trap_12_a_connection_closed_by_the_server_is_no_error) {
  script("job extract " A "\n"
         "  state processing header=\"Connection: close\"\n");
  start("Extract \"" A "\" \"a\"\nInterval 0.1");
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (fake_firecrawl_count(server, A) < 6) {
    ck_assert(now_ms() < end_ms);
    (void)usleep(TURN_US);
  }
  wait_value("job_status", "a", 1);
  double value = -1;
  ck_assert(fake_collectd_value("errors", "connect", &value));
  ck_assert(value == 0);
  stop();
}
END_TEST

START_TEST(trap_13_the_date_of_the_reply_corrects_the_local_clock) {
  script("job extract " A "\n  state processing expires=+7200 date=+50\n");
  start("Extract \"" A "\" \"a\"");
  wait_value("job_status", "a", 1);
  double left = 0;
  ck_assert(fake_collectd_value("job_expiry", "a", &left));
  ck_assert_msg(left > 7130 && left <= 7150, "%g seconds are left", left);
  stop();
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static TCase *make_traps(void) {
  TCase *traps = tcase_create("traps");
  tcase_set_timeout(traps, 60);
  tcase_add_checked_fixture(traps, set_up, tear_down);
  tcase_add_test(traps,
                 trap_1_a_failed_job_is_http_200_and_success_means_nothing);
  tcase_add_test(traps, trap_2_data_stands_before_the_status);
  tcase_add_test(traps, trap_3_the_expiry_moves_forward_while_a_job_runs);
  tcase_add_test(
      traps, trap_4_a_lapsed_record_reads_processing_for_ever_and_is_stalled);
  tcase_add_test(traps, trap_5_a_completed_job_reads_processing_for_a_moment);
  tcase_add_test(traps, trap_6_a_404_for_a_new_job_means_nothing_for_a_while);
  tcase_add_loop_test(traps, trap_7_an_error_is_text_or_an_object_or_nothing, 0,
                      COUNT(errors));
  tcase_add_test(traps, trap_8_a_429_says_in_its_text_how_long_to_wait);
  tcase_add_loop_test(traps,
                      trap_9_and_10_no_other_reply_is_a_verdict_on_the_job, 0,
                      COUNT(no_verdicts));
  tcase_add_loop_test(traps, trap_11_a_key_may_look_like_anything, 0,
                      COUNT(keys));
  tcase_add_test(traps, trap_12_a_connection_closed_by_the_server_is_no_error);
  tcase_add_test(traps, trap_13_the_date_of_the_reply_corrects_the_local_clock);
  return traps;
}

static TCase *make_values(void) {
  TCase *tests = tcase_create("plugin");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_completed_job_has_its_values_and_no_notification);
  tcase_add_test(tests, a_failed_job_is_a_failure_with_its_metadata);
  tcase_add_loop_test(tests, each_kind_of_job_notifies_of_its_end, 0,
                      COUNT(ends));
  tcase_add_test(tests, aggregates_count_each_status);
  tcase_add_test(tests, api_up_has_no_value_before_the_first_request_has_ended);
  tcase_add_test(
      tests, an_instance_that_is_idle_after_a_restart_says_nothing_of_the_api);
  tcase_add_test(tests,
                 a_kind_corrected_in_the_configuration_counts_after_a_restart);
  tcase_add_test(tests,
                 an_agent_that_was_cancelled_is_a_warning_with_its_reason);
  tcase_add_loop_test(tests, an_outage_is_a_value_an_error_and_a_notification,
                      0, COUNT(outages));
  tcase_add_test(tests, an_id_that_the_api_refuses_is_lost_with_its_reason);
  tcase_add_test(tests, a_sunset_date_is_a_value_and_a_warning);
  tcase_add_test(tests, an_endpoint_that_is_gone_is_told_of_once);
  tcase_add_test(tests, a_type_of_another_shape_is_named_and_the_rest_goes_on);
  tcase_add_test(tests, job_metrics_none_leaves_the_aggregates);
  tcase_add_test(tests, host_names_the_values_and_notifications);
  return tests;
}

static TCase *make_registrations(void) {
  TCase *tests = tcase_create("registrations");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_registration_is_watched_and_a_warning_forgets_it);
  tcase_add_test(tests, a_registration_before_init_is_not_lost);
  tcase_add_loop_test(tests, a_bad_registration_is_one_error, 0,
                      COUNT(bad_registrations));
  tcase_add_loop_test(tests, what_is_no_registration_is_ignored, 0,
                      2 * COUNT(no_registrations));
  tcase_add_test(
      tests,
      refused_registrations_are_one_error_and_their_number_in_10_seconds);
  tcase_add_test(tests, a_registration_that_changes_something_is_one_notice);
  tcase_add_test(tests, a_known_job_that_is_registered_is_asked_for_at_once);
  tcase_add_test(tests, forget_after_0_shows_each_end_once);
  tcase_add_loop_test(
      tests, an_instance_that_is_gone_is_named_and_a_disabled_one_is_not, 0, 2);
  tcase_add_loop_test(
      tests, a_log_callback_may_notify_while_a_registration_is_refused, 0, 2);
  tcase_add_test(tests, max_jobs_refuses_with_one_error_and_one_notification);
  return tests;
}

static TCase *make_life(void) {
  TCase *tests = tcase_create("life");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_restart_repeats_nothing_and_asks_for_no_final_job);
  tcase_add_test(tests, a_duration_goes_on_over_a_restart);
  tcase_add_test(tests, a_state_file_that_cannot_be_used_is_one_error);
  tcase_add_test(tests, nobody_listening_is_no_reason_to_stop);
  tcase_add_test(tests, failures_that_come_and_go_are_three_lines);
  tcase_add_test(tests, many_registrations_are_some_lines_and_a_number);
  tcase_add_test(tests, failures_are_logged_once_and_their_end_too);
  tcase_add_test(tests, shutdown_does_not_wait_for_a_server_that_never_answers);
  tcase_add_test(tests, an_instance_without_registrations_takes_none);
  tcase_add_test(
      tests, as_many_registrations_before_init_are_kept_as_there_is_room_for);
  tcase_add_test(tests,
                 a_job_file_that_is_missing_is_logged_and_its_return_too);
  tcase_add_test(tests,
                 failures_between_two_reads_are_one_line_with_their_number);
  tcase_add_loop_test(tests, an_identifier_is_of_an_instance_or_not, 0,
                      (int)(sizeof(identifiers) / sizeof(identifiers[0])));
  tcase_add_test(
      tests, a_flush_of_others_of_what_is_fresh_or_at_the_end_polls_nothing);
  tcase_add_test(tests, a_libcurl_that_is_too_old_is_refused);
  tcase_add_loop_test(tests, a_libcurl_that_does_not_start_is_told_as_that, 0,
                      (int)(sizeof(bad_starts) / sizeof(bad_starts[0])));
  tcase_add_test(tests,
                 a_type_that_cannot_be_registered_is_not_blamed_on_types_db);
  tcase_add_loop_test(tests, without_a_valid_instance_the_daemon_runs_on, 0,
                      (int)(sizeof(idle) / sizeof(idle[0])));
  tcase_add_test(tests,
                 a_block_without_a_valid_instance_says_nothing_of_the_others);
  tcase_add_test(tests, a_key_file_that_comes_later_is_waited_for);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("firecrawl");
  suite_add_tcase(suite, make_values());
  suite_add_tcase(suite, make_registrations());
  suite_add_tcase(suite, make_life());
  suite_add_tcase(suite, make_traps());
  return suite_run_apart(suite);
}
