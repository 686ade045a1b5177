/* SPDX-License-Identifier: MIT */

/* Random histories against a simple model: jobs are registered, listed, taken
 * back and forgotten, end on the server, answers fail, the clock goes on, the
 * daemon is restarted or crashes; the state file is removed, or cannot be used
 * for a while, also when the daemon starts. After each step, what the instance
 * shows and tells must be what the model says.
 *
 * FC_MODEL_RUNS sets how many histories are run (default 60); each prints its
 * seed when it fails. */

#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/state/journal.h"
#include "src/watch/instance_save.h"

#include "t/fake/folder.h"
#include "t/suite.h"
#include "t/watch/drive.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOBS = 12, STEPS = 120, INTERVAL_MS = 1000, ID_SIZE = 16 };

/* One job as the test sees it. */
struct model_job {
  char id[ID_SIZE];
  enum fc_status server;   /* what the API would say */
  enum fc_status observed; /* the first final status that was seen */
  bool registered, listed; /* who wants it watched */
  int told;                /* its end, since it was last unknown */
  int unmarked;            /* of these, without possible_duplicate */
  int crashes_at_tell;     /* crashes there had been when it was told */
};

struct world {
  struct model_job jobs[JOBS];
  struct fc_settings settings;
  struct fc_instance *instance;
  struct fc_journal *journal;
  struct fc_now now;
  uint64_t random;
  int crashes, lives;
  bool away;  /* the state file cannot be used */
  bool blank; /* ... and could not when the daemon started */
  char dir[64];
  char path[128];
};

static uint64_t roll(struct world *world, uint64_t sides) {
  world->random = world->random * UINT64_C(6364136223846793005) + 1;
  return (world->random >> 33) % sides;
}

static void open_world(struct world *world) {
  world->journal = fc_journal_new(world->path, world->now);
  ck_assert_ptr_nonnull(world->journal);
  world->instance =
      fc_instance_new(&world->settings, INTERVAL_MS, world->random);
  ck_assert_ptr_nonnull(world->instance);
  ck_assert_int_eq(fc_journal_add(world->journal, world->instance, world->now),
                   FC_OK);
  struct fc_stats stats = drive_stats(world->instance, world->now);
  ck_assert_uint_eq(stats.failures[FC_CLASS_STATE].count, world->away);
}

static void close_world(struct world *world) {
  fc_journal_free(world->journal, world->now);
  fc_instance_free(world->instance);
}

static void copy_file(const char *from, const char *to) {
  char bytes[8192];
  FILE *in = fopen(from, "rb"), *out;
  size_t len;
  if (!in)
    return;
  out = fopen(to, "wb");
  ck_assert_ptr_nonnull(out);
  while ((len = fread(bytes, 1, sizeof(bytes), in)) > 0)
    ck_assert_uint_eq(fwrite(bytes, 1, len, out), len);
  ck_assert_int_eq(fclose(out), 0);
  ck_assert_int_eq(chmod(to, 0600), 0);
  (void)fclose(in);
}

/* What a kill leaves: the files as they are now, with no farewell. */
static void crash(struct world *world) {
  char path[128], from[192], to[192];
  (void)snprintf(path, sizeof(path), "%s/life%d.db", world->dir,
                 ++world->lives);
  copy_file(world->path, path);
  (void)snprintf(from, sizeof(from), "%s-wal", world->path);
  (void)snprintf(to, sizeof(to), "%s-wal", path);
  copy_file(from, to);
  close_world(world);
  memcpy(world->path, path, sizeof(path));
  world->crashes++;
  open_world(world);
}

static bool is_watched(const struct model_job *job) {
  return job->registered || job->listed;
}

static struct model_job *find(struct world *world, const char *id) {
  for (size_t i = 0; i < JOBS; i++)
    if (strcmp(world->jobs[i].id, id) == 0)
      return &world->jobs[i];
  ck_abort_msg("no job is %s", id);
  return NULL;
}

/* An unfinished job that nobody wants is forgotten for good: coming back, it is
 * a new one. One that has ended is remembered (ForgetAfter is long here). */
static void unwatched(struct model_job *job) {
  if (!is_watched(job) && job->observed == FC_STATUS_NONE)
    job->told = job->unmarked = 0;
}

static void do_register(struct world *world, struct model_job *job) {
  ck_assert_int_eq(fc_instance_add(world->instance,
                                   fc_kind_get(FC_KIND_EXTRACT), job->id, NULL,
                                   FC_SOURCE_REGISTRATION, world->now),
                   FC_OK);
  job->registered = true;
}

static void do_forget(struct world *world, struct model_job *job) {
  enum fc_error error = fc_instance_forget(world->instance, job->id,
                                           FC_SOURCE_REGISTRATION, world->now);
  ck_assert_int_eq(error, job->registered ? FC_OK : FC_ERR_NOT_FOUND);
  job->registered = false;
  unwatched(job);
}

static void do_edit_file(struct world *world) {
  fc_instance_file_begin(world->instance);
  for (size_t i = 0; i < JOBS; i++) {
    struct model_job *job = &world->jobs[i];
    job->listed = roll(world, 3) == 0;
    if (job->listed)
      ck_assert_int_eq(fc_instance_add(world->instance,
                                       fc_kind_get(FC_KIND_EXTRACT), job->id,
                                       NULL, FC_SOURCE_FILE, world->now),
                       FC_OK);
  }
  fc_instance_file_end(world->instance, NULL, world->now);
  for (size_t i = 0; i < JOBS; i++)
    unwatched(&world->jobs[i]);
}

static void do_end_on_server(struct world *world, struct model_job *job) {
  static const enum fc_status ends[] = {FC_STATUS_FAILED, FC_STATUS_CANCELLED,
                                        FC_STATUS_COMPLETED,
                                        FC_STATUS_PROCESSING};
  job->server = ends[roll(world, 4)];
}

/* Answers what is due; one in eight requests fails. */
static void do_poll(struct world *world) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  while (fc_instance_next(world->instance, world->now, &ticket, &wake_ms)) {
    struct model_job *job = find(world, ticket.id);
    struct fc_result result = {.answer = FC_ANSWER_STATUS, .http_code = 200};
    result.reply.facts.status = (int8_t)job->server;
    if (roll(world, 8) == 0) {
      result.answer = FC_ANSWER_NONE;
      result.error = FC_ERR_TIMEOUT;
    } else if (is_watched(job) && fc_status_is_final(job->server)) {
      ck_assert_msg(job->observed == FC_STATUS_NONE || world->blank,
                    "%s was asked for after its end", job->id);
      job->observed = job->server;
    }
    ck_assert_msg(is_watched(job), "%s is not watched", job->id);
    (void)fc_instance_take_result(world->instance, &ticket, &result,
                                  world->now);
  }
}

static void hear(struct world *world, const struct fc_event *event) {
  struct model_job *job = find(world, event->id);
  ck_assert(event->type == FC_EVENT_FAILED ||
            event->type == FC_EVENT_CANCELLED);
  ck_assert_uint_eq(event->round, 1);
  ck_assert_int_eq(event->status, job->observed);
  job->told++;
  if (!event->possible_duplicate)
    job->unmarked++;
  ck_assert_msg(job->unmarked <= 1, "%s was told of %d times, unmarked",
                job->id, job->unmarked);
  ck_assert_msg(job->told == 1 || world->crashes > job->crashes_at_tell,
                "%s was told of again without a crash", job->id);
  job->crashes_at_tell = world->crashes;
}

static void do_deliver(struct world *world) {
  struct fc_delivery delivery;
  while (fc_instance_take_event(world->instance, world->now, &delivery)) {
    if (delivery.event.id[0])
      hear(world, &delivery.event);
    /* A crash may come between the two. */
    if (delivery.event.id[0] && !world->away && roll(world, 16) == 0) {
      crash(world);
      return;
    }
    fc_instance_delivered(world->instance, &delivery);
  }
}

static void do_save(struct world *world) {
  (void)fc_journal_turn(world->journal, world->now);
}

static void do_restart(struct world *world) {
  close_world(world);
  open_world(world);
}

static const char *const parts[] = {"", "-wal"};

static void file_name(const struct world *world, const char *mark,
                      const char *part, char name[192]) {
  (void)snprintf(name, 192, "%s%s%s", world->path, mark, part);
}

/* A directory stands in its place. */
static void take_file_away(struct world *world) {
  char here[192], away[192];
  for (size_t i = 0; i < COUNT_OF(parts); i++) {
    file_name(world, "", parts[i], here);
    file_name(world, ".away", parts[i], away);
    (void)rename(here, away);
  }
  file_name(world, "", "-shm", here);
  (void)unlink(here);
  ck_assert_int_eq(mkdir(world->path, 0700), 0);
  world->away = true;
}

/* Something to save, so that a file that has gone is noticed. It is queued only
 * while the instance is attached, as it is here. */
static void save_something(struct world *world) {
  struct model_job *job = &world->jobs[roll(world, JOBS)];
  bool urgent;
  if (job->registered)
    do_forget(world, job);
  do_register(world, job);
  ck_assert(fc_instance_has_unsaved(world->instance, &urgent));
  do_save(world);
}

static void bring_file_back(struct world *world) {
  char here[192], away[192];
  bool urgent;
  ck_assert_int_eq(rmdir(world->path), 0);
  for (size_t i = 0; i < COUNT_OF(parts); i++) {
    file_name(world, "", parts[i], here);
    file_name(world, ".away", parts[i], away);
    (void)rename(away, here);
  }
  world->now.mono_ms += FC_JOURNAL_RETRY_MS;
  do_save(world);
  world->away = world->blank = false;
  ck_assert(!fc_instance_has_unsaved(world->instance, &urgent));
  save_something(world);
  ck_assert(!fc_instance_has_unsaved(world->instance, &urgent));
}

/* What may happen while there is no file. */
static void live_without_file(struct world *world) {
  for (uint64_t i = roll(world, 6); i > 0; i--) {
    struct model_job *job = &world->jobs[roll(world, JOBS)];
    if (job->observed == FC_STATUS_NONE)
      do_end_on_server(world, job);
    if (roll(world, 2))
      do_edit_file(world);
    world->now.mono_ms += (int64_t)roll(world, 3 * INTERVAL_MS);
    world->now.epoch_s = 1764000000 + world->now.mono_ms / 1000;
    do_poll(world);
    do_save(world);
    do_deliver(world);
  }
}

static void do_remove_file(struct world *world) {
  char name[192];
  for (size_t i = 0; i < COUNT_OF(parts); i++) {
    file_name(world, "", parts[i], name);
    (void)unlink(name);
  }
  save_something(world);
  ck_assert_int_eq(access(world->path, R_OK), 0);
}

static void do_detach(struct world *world) {
  take_file_away(world);
  save_something(world);
  live_without_file(world);
  bring_file_back(world);
}

/* The registered jobs come back with the file; the listed ones are there before
 * it, and nothing is known of what was told of them. */
static void do_start_without_file(struct world *world) {
  close_world(world);
  take_file_away(world);
  world->blank = true;
  world->crashes++;
  open_world(world);
  live_without_file(world);
  bring_file_back(world);
}

static void check_counts(struct world *world) {
  struct fc_stats stats;
  size_t ended[FC_STATUS_COUNT] = {0};
  fc_instance_stats(world->instance, world->now, &stats);
  for (size_t i = 0; i < JOBS; i++)
    if (is_watched(&world->jobs[i]) &&
        world->jobs[i].observed != FC_STATUS_NONE)
      ended[world->jobs[i].observed]++;
  ck_assert_uint_eq(stats.jobs[FC_STATUS_FAILED], ended[FC_STATUS_FAILED]);
  ck_assert_uint_eq(stats.jobs[FC_STATUS_CANCELLED],
                    ended[FC_STATUS_CANCELLED]);
  ck_assert_uint_eq(stats.jobs[FC_STATUS_COMPLETED],
                    ended[FC_STATUS_COMPLETED]);
}

static void step(struct world *world) {
  struct model_job *job = &world->jobs[roll(world, JOBS)];
  switch (roll(world, 15)) {
  case 0:
  case 1:
    do_register(world, job);
    break;
  case 2:
    do_forget(world, job);
    break;
  case 3:
    do_edit_file(world);
    break;
  case 4:
  case 5:
    if (job->observed == FC_STATUS_NONE)
      do_end_on_server(world, job);
    break;
  case 6:
    do_restart(world);
    break;
  case 7:
    /* All that was observed is in the file, or will be observed again. */
    do_save(world);
    crash(world);
    break;
  case 8:
    /* Whatever was registered is saved within moments; only what is handed
     * over here can be lost by the crash in it. */
    do_save(world);
    do_deliver(world);
    break;
  case 9:
    do_remove_file(world);
    break;
  case 10:
    do_detach(world);
    break;
  case 11:
    do_start_without_file(world);
    break;
  default:
    world->now.mono_ms += (int64_t)roll(world, 3 * INTERVAL_MS);
    world->now.epoch_s = 1764000000 + world->now.mono_ms / 1000;
    do_poll(world);
    do_save(world);
  }
  check_counts(world);
}

/* In the end, everything that was observed has been told. */
static void settle(struct world *world) {
  for (int i = 0; i < 4; i++) {
    do_save(world);
    do_deliver(world);
  }
  for (size_t i = 0; i < JOBS; i++) {
    const struct model_job *job = &world->jobs[i];
    bool loud = job->observed == FC_STATUS_FAILED ||
                job->observed == FC_STATUS_CANCELLED;
    if (loud)
      ck_assert_msg(job->told >= 1, "%s was never told of", job->id);
  }
}

static void set_up(struct world *world, uint64_t seed) {
  memset(world, 0, sizeof(*world));
  world->random = seed * 2 + 1;
  world->now = (struct fc_now){.mono_ms = 1000, .epoch_s = 1764000001};
  fc_settings_init(&world->settings);
  world->settings.name = strdup("prod");
  world->settings.job_file = strdup("unused");
  world->settings.accept_registrations = true;
  world->settings.max_requests_per_minute = 0;
  world->settings.forget_after_s = 1000000;
  test_folder_make(world->dir, sizeof(world->dir), "model");
  (void)snprintf(world->path, sizeof(world->path), "%s/life0.db", world->dir);
  for (size_t i = 0; i < JOBS; i++) {
    (void)snprintf(world->jobs[i].id, ID_SIZE, "job-%zu", i);
    world->jobs[i].server = FC_STATUS_PROCESSING;
    world->jobs[i].observed = FC_STATUS_NONE;
  }
  open_world(world);
}

START_TEST(a_history_is_as_the_model_says) {
  struct world world;
  set_up(&world, (uint64_t)_i);
  for (int i = 0; i < STEPS; i++)
    step(&world);
  settle(&world);
  close_world(&world);
  fc_settings_release(&world.settings);
  test_folder_remove(world.dir);
}
END_TEST

int main(void) {
  const char *runs = getenv("FC_MODEL_RUNS");
  Suite *suite = suite_create("model");
  TCase *tests = tcase_create("histories");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, a_history_is_as_the_model_says, 0,
                      runs ? atoi(runs) : 60);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
