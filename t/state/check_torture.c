/* SPDX-License-Identifier: MIT */

/* Torture (after curl's tests/runtests -t): a whole run of the library, from
 * its settings to a notification and a saved state file, in which one call to
 * the system or to another library fails, or one of libcurl's to its allocator;
 * then the next one; then all from there on. Afterwards nothing fails any more,
 * and the failed job must still be told of, once, and all jobs must be in the
 * state file. */

#include "src/api/transport_curl.h"
#include "src/state/journal.h"
#include "src/watch/poller.h"

#include "t/fake/torture_fixture.h"
#include "t/suite.h"

#include <stdio.h>
#include <string.h>

enum {
  STEP_MS = 5000, /* of the test's clock, between two turns */
  WAIT_MS = 3,    /* of the real one, at most, in a turn */
  TORTURED_STEPS = 12,
  RECOVERY_STEPS = 400,
  JOBS = 3,
  POINTS_MAX = 20000
};

/* One life of the plugin's library, as the glue would lead it. */
struct life {
  struct fc_settings settings;
  struct fc_instance *instance;
  struct fc_poller *poller;
  struct fc_journal *journal;
  int failures_told, unmarked, wrong, bad_turns;
  bool doubt; /* the state file could not be used for a while */
  char state[FC_ERROR_TEXT_SIZE]; /* why the state file is of no use, as told */
};

static struct fc_now clock_now;

static struct fc_now read_clock(void *data) {
  (void)data;
  return clock_now;
}

static const struct fc_clock test_clock = {.now = read_clock};

static const struct {
  const char *whose;
  enum torture_side side;
  bool persistent;
} rounds[] = {
    {"of ours", TORTURE_OURS, false},
    {"of ours", TORTURE_OURS, true},
    {"of libcurl to its allocator", TORTURE_CURL, false},
    {"of libcurl to its allocator", TORTURE_CURL, true},
};

static void set_up(void) {
  ck_assert(torture_curl_memory());
  fixture_make("bad\ngood nightly\nbusy\n");
}

static void life_settings(struct life *life) {
  fc_settings_init(&life->settings);
  life->settings.name = strdup("prod");
  life->settings.api_key_file = strdup("key");
  life->settings.job_file = strdup("jobs");
  life->settings.max_requests_per_minute = 0;
}

/* False where memory was too short to begin; the glue then disables itself. */
static bool life_begin(struct life *life) {
  if (server_url(&life->settings))
    return false;
  life->instance = fc_instance_new(&life->settings, 10000, 1);
  struct fc_transport *transport = fc_transport_curl_new();
  if (transport)
    life->poller = fc_poller_new(transport, &test_clock);
  life->journal = fc_journal_new("state.db", clock_now);
  if (!life->instance || !life->poller || !life->journal ||
      fc_journal_add(life->journal, life->instance, clock_now) ||
      fc_poller_add(life->poller, life->instance))
    return false;
  fc_poller_set_task(life->poller, fc_journal_task, life->journal);
  return true;
}

static void life_end(struct life *life) {
  fc_poller_free(life->poller);
  fc_journal_free(life->journal, clock_now);
  fc_instance_free(life->instance);
  life->poller = NULL;
  life->journal = NULL;
  life->instance = NULL;
}

/* What the read callback does. No assertion here, nor in anything else that is
 * tortured: Check allocates, too. */
static void deliver(struct life *life) {
  struct fc_delivery delivery;
  while (fc_instance_take_event(life->instance, clock_now, &delivery)) {
    if (delivery.event.type == FC_EVENT_FAILED) {
      life->failures_told++;
      life->unmarked += !delivery.event.possible_duplicate;
      life->wrong += strcmp(delivery.event.id, "bad") != 0;
    }
    life->doubt |= delivery.event.type == FC_EVENT_STATE_UNUSABLE;
    if (delivery.event.type == FC_EVENT_STATE_UNUSABLE)
      memcpy(life->state, delivery.event.text, sizeof(life->state));
    if (delivery.event.type == FC_EVENT_STATE_USABLE)
      life->state[0] = '\0';
    fc_instance_delivered(life->instance, &delivery);
  }
}

static size_t jobs_known(const struct life *life) {
  struct fc_stats stats;
  size_t jobs = 0;
  fc_instance_stats(life->instance, clock_now, &stats);
  for (size_t i = 0; i < sizeof(stats.jobs) / sizeof(stats.jobs[0]); i++)
    jobs += stats.jobs[i];
  return jobs;
}

static bool is_settled(const struct life *life) {
  struct fc_stats stats;
  fc_instance_stats(life->instance, clock_now, &stats);
  return life->failures_told && stats.jobs[FC_STATUS_COMPLETED] == 1 &&
         stats.jobs[FC_STATUS_FAILED] == 1 && jobs_known(life) == JOBS &&
         !life->state[0];
}

static void steps(struct life *life, int count) {
  for (int i = 0; i < count && !is_settled(life); i++) {
    life->bad_turns += fc_poller_step(life->poller, WAIT_MS) != FC_OK;
    deliver(life);
    clock_now.mono_ms += STEP_MS;
    clock_now.epoch_s += STEP_MS / 1000;
  }
  /* The last hand-over is saved; if not, that is told. */
  life->bad_turns += fc_poller_step(life->poller, 0) != FC_OK;
  deliver(life);
}

/* The jobs are in the file, and a new life repeats nothing. */
static void check_saved(struct life *life) {
  int told = life->failures_told;
  life_end(life);
  life->instance = fc_instance_new(&life->settings, 10000, 1);
  life->journal = fc_journal_new("state.db", clock_now);
  ck_assert_int_eq(fc_journal_add(life->journal, life->instance, clock_now),
                   FC_OK);
  ck_assert_uint_eq(jobs_known(life), JOBS);
  deliver(life);
  ck_assert_str_eq(life->state, "");
  ck_assert_int_eq(life->failures_told, told);
  life_end(life);
}

/* True when the call was reached and failed. */
static bool run(long fail_at, bool persistent) {
  struct life life = {0};
  clock_now = (struct fc_now){.mono_ms = 1000000, .epoch_s = 1795458360};
  remove_state();
  life_settings(&life);
  torture_set(fail_at, persistent);
  torture.on = true;
  bool begun = life_begin(&life);
  if (begun)
    steps(&life, TORTURED_STEPS);
  torture.on = false;
  if (!begun) {
    life_end(&life);
    ck_assert(life_begin(&life));
  }
  life.bad_turns = 0;
  steps(&life, RECOVERY_STEPS);
  /* Without the state file it is not known what an earlier run told. */
  bool well_told = life.unmarked == 1 || (life.doubt && life.unmarked == 0 &&
                                          life.failures_told == 1);
  if (!is_settled(&life) || !well_told || life.wrong || life.bad_turns) {
    ck_abort_msg(
        "call %ld (%s)%s: %d told, %d unmarked, %zu jobs, state \"%s\"",
        fail_at, torture.name, persistent ? " and all after it" : "",
        life.failures_told, life.unmarked, jobs_known(&life), life.state);
  }
  check_saved(&life);
  fc_settings_release(&life.settings);
  return torture.name != NULL;
}

START_TEST(every_call_fails_once_or_from_then_on) {
  bool persistent = rounds[_i].persistent;
  long stride = torture_stride(), points = 0;
  torture.side = rounds[_i].side;
  ck_assert(!run(0, false));
  ck_assert_int_gt(torture.calls, 100);
  for (long n = 1; n < POINTS_MAX && run(n, persistent); n += stride)
    points++;
  ck_assert_int_gt(points, 100 / stride);
  (void)printf("%ld calls %s failed, %s; all survived\n", points,
               rounds[_i].whose,
               persistent ? "with all after them" : "once each");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("torture");
  TCase *test = tcase_create("torture");
  tcase_set_timeout(test, 600);
  tcase_add_checked_fixture(test, set_up, fixture_remove);
  tcase_add_loop_test(test, every_call_fails_once_or_from_then_on, 0,
                      (int)(sizeof(rounds) / sizeof(rounds[0])));
  suite_add_tcase(suite, test);
  return suite_run_apart(suite);
}
