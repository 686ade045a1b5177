/* SPDX-License-Identifier: MIT */

/* Torture of the whole plugin on the stand-in for the daemon: one call that its
 * callbacks make fails, to the daemon, to the system or to a library, then the
 * next one; then all from there on. The poller's thread is left in peace:
 * t/state/check_torture.c has what it does. Whatever failed, the daemon starts,
 * the failed job is told of, or one line says why nothing is watched, a fresh
 * start knows all jobs, and no line is said that the daemon could not print. */

#include "t/fake/torture_fixture.h"
#include "t/plugin/daemon.h"
#include "t/suite.h"

#include "src/api/transport_curl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  DEADLINE_MS = 20000,
  TURN_US = 1000,
  TORTURED_READS = 4,
  POINTS_MAX = 20000
};

/* True while the plugin's callbacks are to be tortured. The stand-in's own
 * calls and the test's never are: torture.on is set on the way into the plugin,
 * and off while the plugin is in a function of the daemon's. */
static bool armed;

static int told, unmarked;

/* The plugin's own callbacks, behind the ones that the daemon gets. */
static struct {
  int (*config)(oconfig_item_t *);
  plugin_init_cb init;
  plugin_shutdown_cb shutdown;
  plugin_flush_cb flush;
  plugin_notification_cb notification;
  plugin_read_cb read;
} callbacks;

#define INTO_PLUGIN(name, parameters, arguments)                               \
  static int enter_##name parameters {                                         \
    bool before = torture.on;                                                  \
    torture.on = armed;                                                        \
    int status = callbacks.name arguments;                                     \
    torture.on = before;                                                       \
    return status;                                                             \
  }

INTO_PLUGIN(config, (oconfig_item_t * block), (block))
INTO_PLUGIN(init, (void), ())
INTO_PLUGIN(shutdown, (void), ())
INTO_PLUGIN(flush, (cdtime_t timeout, const char *name, user_data_t *data),
            (timeout, name, data))
INTO_PLUGIN(notification,
            (const notification_t *notification, user_data_t *data),
            (notification, data))
INTO_PLUGIN(read, (user_data_t * data), (data))

/* A function of the daemon's, which may fail or not. */
#define DAEMON(name, may_fail, parameters, arguments, failure)                 \
  int __real_##name parameters;                                                \
  int __wrap_##name parameters;                                                \
  int __wrap_##name parameters {                                               \
    if ((may_fail) && torture_fails(TORTURE_OURS, #name))                      \
      return failure;                                                          \
    bool before = torture.on;                                                  \
    torture.on = false;                                                        \
    int status = __real_##name arguments;                                      \
    torture.on = before;                                                       \
    return status;                                                             \
  }

DAEMON(plugin_dispatch_values, true, (const value_list_t *list), (list), -1)
DAEMON(plugin_register_data_set, true, (const data_set_t *set), (set), ENOMEM)
DAEMON(plugin_notification_meta_add_string, true,
       (notification_t * notification, const char *name, const char *value),
       (notification, name, value), -1)
DAEMON(plugin_notification_meta_add_boolean, true,
       (notification_t * notification, const char *name, _Bool value),
       (notification, name, value), -1)

DAEMON(plugin_notification_meta_free, false, (notification_meta_t * meta),
       (meta), 0)
DAEMON(plugin_unregister_read_group, false, (const char *name), (name), 0)

/* The job is told of even if nobody listens. */
static void count(const notification_t *notification) {
  if (!strstr(notification->message, "failed"))
    return;
  told++;
  unmarked += !fake_collectd_meta(notification, "possible_duplicate");
}

int __real_plugin_dispatch_notification(const notification_t *notification);
int __wrap_plugin_dispatch_notification(const notification_t *notification);
int __wrap_plugin_dispatch_notification(const notification_t *notification) {
  bool before = torture.on, fails;
  fails = torture_fails(TORTURE_OURS, "plugin_dispatch_notification");
  torture.on = false;
  count(notification);
  int status = fails ? -1 : __real_plugin_dispatch_notification(notification);
  torture.on = before;
  return status;
}

/* These register what stands in front of the plugin's callback. */
#define REGISTERS(name, role, fails, parameters, callback, arguments)          \
  int __real_##name parameters;                                                \
  int __wrap_##name parameters;                                                \
  int __wrap_##name parameters {                                               \
    if ((fails) && torture_fails(TORTURE_OURS, #name))                         \
      return -1;                                                               \
    bool before = torture.on;                                                  \
    torture.on = false;                                                        \
    callbacks.role = callback;                                                 \
    int status = __real_##name arguments;                                      \
    torture.on = before;                                                       \
    return status;                                                             \
  }

REGISTERS(plugin_register_complex_config, config, false,
          (const char *name, int (*config)(oconfig_item_t *)), config,
          (name, enter_config))
REGISTERS(plugin_register_init, init, false,
          (const char *name, plugin_init_cb init), init, (name, enter_init))
REGISTERS(plugin_register_shutdown, shutdown, false,
          (const char *name, plugin_shutdown_cb shutdown), shutdown,
          (name, enter_shutdown))
REGISTERS(plugin_register_notification, notification, false,
          (const char *name, plugin_notification_cb notification,
           const user_data_t *data),
          notification, (name, enter_notification, data))
REGISTERS(plugin_register_flush, flush, false,
          (const char *name, plugin_flush_cb flush, const user_data_t *data),
          flush, (name, enter_flush, data))
REGISTERS(plugin_register_complex_read, read, true,
          (const char *group, const char *name, plugin_read_cb read,
           cdtime_t interval, const user_data_t *data),
          read, (group, name, enter_read, interval, data))

void __real_plugin_log(int level, const char *format, ...);
void __wrap_plugin_log(int level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void __wrap_plugin_log(int level, const char *format, ...) {
  char line[4096];
  bool before = torture.on;
  va_list args;
  torture.on = false;
  va_start(args, format);
  (void)vsnprintf(line, sizeof(line), format, args);
  va_end(args);
  __real_plugin_log(level, "%s", line);
  torture.on = before;
}

static void set_up(void) { fixture_make("busy\n"); }

static void tear_down(void) {
  fake_collectd_reset();
  fixture_remove();
}

/* A daemon that starts; false where the plugin does nothing in it. */
static bool life_begin(void) {
  char text[1024];
  daemon_begin(0.05);
  (void)snprintf(text, sizeof(text),
                 "<Plugin firecrawl>\nStateFile \"%s/state.db\"\n"
                 "<Instance \"prod\">\nURL \"http://127.0.0.1:%u\"\n"
                 "APIKeyFile \"%s/key\"\nJobFile \"%s/jobs\"\n"
                 "AcceptRegistrations true\nHeader \"X-Test: Bearer 1\"\n"
                 "Proxy \"http://user:pass@127.0.0.1:1\"\nNoProxy \"*\"\n"
                 "Host \"here\"\nCACert \"/none\"\nExtract \"bad\"\n"
                 "Extract \"good\" \"nightly\"\n</Instance>\n</Plugin>\n",
                 folder, (unsigned)fake_firecrawl_port(server), folder, folder);
  ck_assert_int_eq(fake_collectd_configure(text), 0);
  ck_assert_int_eq(fake_collectd_init(), 0);
  return fake_collectd_reads() > 0;
}

static bool failure_is_told(void) { return told > 0; }

static bool all_jobs_are_known(void) {
  double failed = 0, completed = 0, processing = 0;
  return fake_collectd_value("jobs", "failed", &failed) && failed == 1 &&
         fake_collectd_value("jobs", "completed", &completed) &&
         completed == 1 &&
         fake_collectd_value("jobs", "processing", &processing) &&
         processing >= 1;
}

static bool wait_until(bool (*condition)(void)) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (!condition() && now_ms() < end_ms) {
    if (fake_collectd_read() != 0)
      return false;
    (void)usleep(TURN_US);
  }
  return condition();
}

/* What comes by while it runs: reads, a registration, a flush. */
static void live(void) {
  for (int i = 0; i < TORTURED_READS; i++) {
    ck_assert_uint_eq(fake_collectd_read(), 0);
    ck_assert_int_eq(
        fake_collectd_putnotif("severity=okay time=1 plugin=firecrawl "
                               "plugin_instance=prod type=extract "
                               "type_instance=busy2 message=\"busy2\""),
        0);
    fake_collectd_flush("firecrawl");
    (void)usleep(TURN_US);
  }
}

/* The daemon's where it was given no metadata to free, and ours that blame what
 * has not failed. */
static const char *const wrong_words[] = {"n == NULL", "in your types.db",
                                          "or newer is needed"};

static void check_life(const char *what, bool good, long at) {
  for (size_t i = 0; i < sizeof(wrong_words) / sizeof(wrong_words[0]); i++)
    good = good && !fake_collectd_log_find(wrong_words[i]);
  if (good && !fake_collectd_fault())
    return;
  for (size_t i = 0; fake_collectd_log(i, NULL); i++)
    (void)fprintf(stderr, "%s\n", fake_collectd_log(i, NULL));
  ck_abort_msg("%s after call %ld (%s): %d told, %d unmarked, %s", what, at,
               torture.name ? torture.name : "none", told, unmarked,
               fake_collectd_fault() ? fake_collectd_fault() : "no fault");
}

/* Without the state file it is not known what an earlier run told. */
static bool is_in_doubt(void) {
  return fake_collectd_log_find("state file unusable") != NULL;
}

/* Why it does nothing is the last thing that is said. What others do meanwhile
 * changes nothing, and leaves nothing behind. */
static void check_idle(long at) {
  size_t last = fake_collectd_log_count(0) - 1, said = 0;
  const char *line;
  int severity;
  for (size_t i = 0; (line = fake_collectd_log(i, &severity)); i++)
    if (strstr(line, "nothing is watched")) {
      ck_assert_int_eq(severity, LOG_ERR);
      ck_assert_uint_eq(i, last);
      said++;
    }
  live();
  check_life("why it does nothing is not said", said == 1, at);
  check_life("it does something",
             fake_collectd_log_count(0) == last + 1 &&
                 !fake_collectd_value_at(0) && told == 0,
             at);
}

/* The first life, with a failure at its start and in its reads, or at its end.
 * Returns whether all went on without a restart. */
static bool tortured_life(long fail_at, bool persistent, bool at_end) {
  torture_set(fail_at, persistent);
  armed = !at_end;
  bool begun = life_begin();
  if (begun)
    live();
  else
    check_idle(fail_at);
  armed = false;
  if (begun)
    check_life("no failure told", wait_until(failure_is_told), fail_at);
  if (begun)
    check_life("told wrongly", told == 1 && (unmarked == 1 || is_in_doubt()),
               fail_at);
  armed = at_end;
  ck_assert_int_eq(fake_collectd_shutdown(), 0);
  armed = false;
  return begun;
}

/* True when the call was reached and failed. */
static bool run(long fail_at, bool persistent, bool at_end) {
  told = unmarked = 0;
  remove_state();
  (void)tortured_life(fail_at, persistent, at_end);
  bool failed = torture.name != NULL;
  ck_assert(life_begin());
  check_life("jobs are lost", wait_until(all_jobs_are_known), fail_at);
  check_life("no failure told", wait_until(failure_is_told), fail_at);
  /* What could not be saved may be told again. */
  check_life("told too often", told <= 2 && (failed || told == 1), fail_at);
  ck_assert_int_eq(fake_collectd_shutdown(), 0);
  return failed;
}

static const struct {
  const char *what;
  bool persistent, at_end;
} rounds[] = {
    {"calls of the start and of reads failed, once each", false, false},
    {"calls of the start and of reads failed, with all after them", true,
     false},
    {"calls of the shutdown failed, once each", false, true},
    {"calls of the shutdown failed, with all after them", true, true},
};

START_TEST(every_call_of_a_callback_fails_once_or_from_then_on) {
  bool persistent = rounds[_i].persistent, at_end = rounds[_i].at_end;
  long stride = torture_stride(), points = 0;
  ck_assert(!run(0, false, at_end));
  ck_assert_int_gt(torture.calls, at_end ? 1 : 100);
  for (long n = 1; n < POINTS_MAX && run(n, persistent, at_end); n += stride)
    points++;
  ck_assert_int_gt(points, (at_end ? 1 : 100) / stride);
  (void)printf("%ld %s; all survived\n", points, rounds[_i].what);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("torture of the plugin");
  TCase *test = tcase_create("torture");
  tcase_set_timeout(test, 600);
  tcase_add_checked_fixture(test, set_up, tear_down);
  tcase_add_loop_test(test, every_call_of_a_callback_fails_once_or_from_then_on,
                      0, (int)(sizeof(rounds) / sizeof(rounds[0])));
  suite_add_tcase(suite, test);
  return suite_run_apart(suite);
}
