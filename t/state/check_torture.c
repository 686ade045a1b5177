/* SPDX-License-Identifier: MIT */

/* Torture (after curl's tests/runtests -t): a whole run of the library, from
 * its settings to a notification and a saved state file, in which one call to
 * the system or to another library fails, or one of libcurl's to its allocator;
 * then the next one; then all from there on. Afterwards nothing fails any more,
 * and the failed job must still be told of, once, and all jobs must be in the
 * state file. It begins with a full state file, and all of that must be found
 * again, too; and once without one. */

#include "src/api/transport_curl.h"
#include "src/base/macros.h"
#include "src/state/disk.h"
#include "src/state/journal.h"
#include "src/state/store.h"
#include "src/watch/instance_save.h"
#include "src/watch/keyfile.h"
#include "src/watch/poller.h"
#include "src/watch/source.h"

#include "t/fake/torture_fixture.h"
#include "t/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
  STEP_MS = 5000, /* of the test's clock, between two turns */
  WAIT_MS = 3,    /* of the real one, at most, in a turn */
  TORTURED_STEPS = 12,
  RECOVERY_STEPS = 400,
  JOBS = 3,
  RESIDENTS = 3,    /* of a full state file */
  EMPTY_STRIDE = 4, /* without one, not every call fails */
  POINTS_MAX = 20000,
  EPOCH_S = 1795458360,
  HOUSE_MAX = 1 << 20
};

/* One life of the plugin's library, as the glue would lead it, but for the
 * threads: their turns are made one after the other. */
struct life {
  struct fc_settings settings;
  struct fc_instance *instance;
  struct fc_keyfile *keyfile;
  struct fc_source source;
  struct fc_poller *poller;
  struct fc_journal *journal;
  struct fc_disk *disk;
  bool journal_is_disks; /* who ends it */
  int failures_told, unmarked, wrong, bad_turns;
  bool furnished; /* it began with a full state file */
  int owed_told;  /* the event that was in it */
  bool doubt;     /* the state file could not be used for a while */
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

static char *house;
static size_t house_len;

static struct fc_job_record resident(int number) {
  static const char *const ids[RESIDENTS] = {"registered", "owed", "forgotten"};
  static const enum fc_status statuses[RESIDENTS] = {
      FC_STATUS_COMPLETED, FC_STATUS_FAILED, FC_STATUS_CANCELLED};
  struct fc_job_record record = {
      .id = ids[number],
      .name = ids[number],
      .facts.status = (int8_t)statuses[number],
      .history = {.kind = FC_KIND_CRAWL,
                  .sources = number == 2 ? 0 : FC_SOURCE_REGISTRATION,
                  .previous = FC_STATUS_PROCESSING,
                  .first_seen_s = EPOCH_S,
                  .has_ended = true,
                  .ended_s = EPOCH_S,
                  .flags = number == 2 ? FC_PAST_FORGOTTEN : 0}};
  if (number > 0)
    fc_outbox_restore(&record.outbox.event[number == 1 ? FC_EVENT_FAILED
                                                       : FC_EVENT_CANCELLED],
                      /* delivered = */ number == 2, 1, record.facts.status,
                      FC_STATUS_PROCESSING);
  return record;
}

static void house_make(void) {
  enum fc_statefile_problem problem;
  char detail[FC_STATEFILE_DETAIL_SIZE];
  struct fc_store *store;
  ck_assert_int_eq(fc_store_open(&store, "state.db", 0, EPOCH_S, &problem,
                                 detail, sizeof(detail)),
                   FC_OK);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  for (int i = 0; i < RESIDENTS; i++) {
    struct fc_job_record record = resident(i);
    ck_assert_int_eq(fc_store_put_job(store, "prod", &record, EPOCH_S), FC_OK);
  }
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  fc_store_close(store, /* clean = */ true);
  FILE *file = fopen("state.db", "rb");
  ck_assert_ptr_nonnull(file);
  house = malloc(HOUSE_MAX);
  ck_assert_ptr_nonnull(house);
  house_len = fread(house, 1, HOUSE_MAX, file);
  ck_assert_int_eq(fclose(file), 0);
}

static void house_furnish(void) {
  FILE *file = fopen("state.db", "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(house, 1, house_len, file), house_len);
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(chmod("state.db", 0600), 0);
}

static void set_up(void) {
  ck_assert(torture_curl_memory());
  fixture_make("bad\ngood nightly\nbusy\n");
  house_make();
}

static void tear_down(void) {
  free(house);
  fixture_remove();
}

static void life_settings(struct life *life) {
  fc_settings_init(&life->settings);
  life->settings.name = strdup("prod");
  life->settings.api_key_file = strdup("key");
  life->settings.job_file = strdup("jobs");
  life->settings.max_requests_per_minute = 0;
  life->settings.accept_registrations = true;
  /* The server's clock is today's. */
  life->settings.forget_after_s = 10 * 365 * INT64_C(86400);
}

/* False where memory was too short to begin; the glue then disables itself. */
static bool life_begin(struct life *life) {
  if (server_url(&life->settings))
    return false;
  life->instance = fc_instance_new(&life->settings, 10000, 1);
  struct fc_transport *transport = fc_transport_curl_new();
  if (transport)
    life->poller = fc_poller_new(transport, &test_clock);
  life->disk = fc_disk_new(&test_clock);
  life->journal = fc_journal_new("state.db", clock_now);
  if (!life->instance || !life->poller || !life->journal || !life->disk)
    return false;
  struct fc_waker changed = fc_poller_waker(life->poller);
  life->keyfile = fc_keyfile_new(life->instance, changed, clock_now);
  if (!life->keyfile || fc_disk_add(life->disk, fc_journal_task(life->journal)))
    return false;
  life->journal_is_disks = true;
  fc_source_init(&life->source, life->instance, fc_keyfile_key(life->keyfile),
                 fc_disk_stopping(life->disk), changed);
  fc_poller_set_disk(life->poller, fc_disk_waker(life->disk));
  return !fc_disk_add(life->disk,
                      (struct fc_disk_task){.turn = fc_keyfile_task,
                                            .data = life->keyfile}) &&
         !fc_disk_add(life->disk,
                      (struct fc_disk_task){.turn = fc_source_task,
                                            .data = &life->source}) &&
         !fc_journal_add(life->journal, life->instance, clock_now) &&
         !fc_poller_add(life->poller, life->instance, life->keyfile);
}

static void life_end(struct life *life) {
  (void)!fc_disk_end(life->disk, 0); /* there is no thread that could hang */
  if (!life->journal_is_disks)
    fc_journal_free(life->journal, clock_now);
  fc_poller_free(life->poller);
  fc_keyfile_free(life->keyfile);
  fc_instance_free(life->instance);
  life->poller = NULL;
  life->keyfile = NULL;
  life->disk = NULL;
  life->journal = NULL;
  life->journal_is_disks = false;
  life->instance = NULL;
}

/* What the read callback does. No assertion here, nor in anything else that is
 * tortured: Check allocates, too. */
static void deliver(struct life *life) {
  struct fc_delivery delivery;
  while (fc_instance_take_event(life->instance, clock_now, &delivery)) {
    if (strcmp(delivery.event.id, "owed") == 0) {
      life->owed_told++;
    } else if (delivery.event.type == FC_EVENT_FAILED) {
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
  size_t more = life->furnished; /* the third one is forgotten */
  return life->failures_told && stats.jobs[FC_STATUS_COMPLETED] == 1 + more &&
         stats.jobs[FC_STATUS_FAILED] == 1 + more &&
         jobs_known(life) == JOBS + 2 * more && !life->state[0] &&
         (life->owed_told > 0) == life->furnished;
}

static void steps(struct life *life, int count) {
  for (int i = 0; i < count && !is_settled(life); i++) {
    (void)fc_disk_turn(life->disk);
    life->bad_turns += fc_poller_step(life->poller, WAIT_MS) != FC_OK;
    (void)fc_disk_turn(life->disk);
    deliver(life);
    clock_now.mono_ms += STEP_MS;
    clock_now.epoch_s += STEP_MS / 1000;
  }
  /* The last hand-over is saved; if not, that is told. */
  (void)fc_disk_turn(life->disk);
  deliver(life);
}

/* The jobs are in the file, and a new life repeats nothing. */
static void check_saved(struct life *life) {
  int told = life->failures_told, owed_told = life->owed_told;
  life_end(life);
  life->instance = fc_instance_new(&life->settings, 10000, 1);
  life->journal = fc_journal_new("state.db", clock_now);
  ck_assert_int_eq(fc_journal_add(life->journal, life->instance, clock_now),
                   FC_OK);
  ck_assert_uint_eq(jobs_known(life), JOBS + (life->furnished ? 2 : 0));
  ck_assert_int_eq(fc_instance_knows(life->instance, "forgotten"),
                   life->furnished);
  deliver(life);
  ck_assert_str_eq(life->state, "");
  ck_assert_int_eq(life->failures_told, told);
  ck_assert_int_eq(life->owed_told, owed_told);
  life_end(life);
}

/* True when the call was reached and failed. */
static bool run(long fail_at, bool persistent, bool furnished) {
  struct life life = {.furnished = furnished};
  clock_now = (struct fc_now){.mono_ms = 1000000, .epoch_s = EPOCH_S};
  remove_state();
  if (furnished)
    house_furnish();
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
    /* A lock without a file may be what is left of a file that was lost. */
    life.doubt = true;
  }
  life.bad_turns = 0;
  steps(&life, RECOVERY_STEPS);
  /* Without the state file it is not known what an earlier run told. */
  bool well_told = life.unmarked == 1 || (life.doubt && life.unmarked == 0 &&
                                          life.failures_told == 1);
  if (!is_settled(&life) || !well_told || life.wrong || life.bad_turns ||
      life.owed_told > 1) {
    ck_abort_msg("call %ld (%s)%s: %d told, %d unmarked, %zu jobs, %d owed, "
                 "state \"%s\"",
                 fail_at, torture.name, persistent ? " and all after it" : "",
                 life.failures_told, life.unmarked, jobs_known(&life),
                 life.owed_told, life.state);
  }
  check_saved(&life);
  fc_settings_release(&life.settings);
  return torture.name != NULL;
}

/* The same for the end of a life that has something left to save. A failure
 * that was told may be told again, marked. */
static bool run_end(long fail_at, bool persistent) {
  struct life life = {0};
  clock_now = (struct fc_now){.mono_ms = 1000000, .epoch_s = EPOCH_S};
  remove_state();
  life_settings(&life);
  torture_set(fail_at, persistent);
  ck_assert(life_begin(&life));
  for (int i = 0; i < RECOVERY_STEPS && !life.failures_told; i++)
    steps(&life, 1);
  ck_assert_int_eq(fc_instance_add(life.instance, fc_kind_get(FC_KIND_EXTRACT),
                                   "good", "renamed", FC_SOURCE_CONFIG,
                                   clock_now),
                   FC_OK);
  torture.on = true;
  life_end(&life);
  torture.on = false;
  ck_assert(life_begin(&life));
  steps(&life, RECOVERY_STEPS);
  if (!is_settled(&life) || life.failures_told > 2 || life.unmarked > 1)
    ck_abort_msg("call %ld (%s)%s: %d told, %d unmarked, %zu jobs, state "
                 "\"%s\"",
                 fail_at, torture.name, persistent ? " and all after it" : "",
                 life.failures_told, life.unmarked, jobs_known(&life),
                 life.state);
  check_saved(&life);
  fc_settings_release(&life.settings);
  return torture.name != NULL;
}

START_TEST(every_call_of_the_end_fails_once_or_from_then_on) {
  bool persistent = rounds[_i].persistent;
  long stride = torture_stride(), points = 0;
  torture.side = TORTURE_OURS;
  ck_assert(!run_end(0, false));
  ck_assert_int_gt(torture.calls, 10);
  for (long n = 1; n < POINTS_MAX && run_end(n, persistent); n += stride)
    points++;
  ck_assert_int_gt(points, 10 / stride);
  (void)printf("%ld calls of the end failed, %s; all survived\n", points,
               persistent ? "with all after them" : "once each");
}
END_TEST

START_TEST(every_call_fails_once_or_from_then_on) {
  size_t round = (size_t)_i % COUNT_OF(rounds);
  bool persistent = rounds[round].persistent;
  bool furnished = (size_t)_i < COUNT_OF(rounds);
  long stride = torture_stride() * (furnished ? 1 : EMPTY_STRIDE), points = 0;
  torture.side = rounds[round].side;
  ck_assert(!run(0, false, furnished));
  ck_assert_int_gt(torture.calls, 100);
  for (long n = 1; n < POINTS_MAX && run(n, persistent, furnished); n += stride)
    points++;
  ck_assert_int_gt(points, 100 / stride);
  (void)printf("%ld calls %s failed, %s, with %s state file; all survived\n",
               points, rounds[round].whose,
               persistent ? "with all after them" : "once each",
               furnished ? "a full" : "no");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("torture");
  TCase *test = tcase_create("torture");
  tcase_set_timeout(test, 600);
  tcase_add_checked_fixture(test, set_up, tear_down);
  tcase_add_loop_test(test, every_call_fails_once_or_from_then_on, 0,
                      2 * COUNT_OF(rounds));
  tcase_add_loop_test(test, every_call_of_the_end_fails_once_or_from_then_on, 0,
                      2);
  suite_add_tcase(suite, test);
  return suite_run_apart(suite);
}
