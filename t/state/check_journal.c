/* SPDX-License-Identifier: MIT */

/* The state file goes away and comes back while instances go on. */

#include "src/state/journal.h"
#include "src/state/store.h"
#include "src/watch/instance_save.h"

#include "t/fake/folder.h"
#include "t/suite.h"
#include "t/watch/drive.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_journal *journal;
static struct fc_now now;
static char directory[64], path[128];

static void set_up(void) {
  test_folder_make(directory, sizeof(directory), "journal");
  fc_settings_init(&settings);
  settings.name = strdup("prod");
  settings.accept_registrations = true;
  now = (struct fc_now){.mono_ms = 5000, .epoch_s = 1764000000};
}

static void tear_down(void) {
  fc_settings_release(&settings);
  test_folder_remove(directory);
}

static void open_journal(void) {
  journal = fc_journal_new(path, now);
  instance = fc_instance_new(&settings, 1000, 1);
  ck_assert_ptr_nonnull(journal);
  ck_assert_ptr_nonnull(instance);
  ck_assert_int_eq(fc_journal_add(journal, instance, now), FC_OK);
}

static void close_journal(void) {
  fc_journal_free(journal, now);
  fc_instance_free(instance);
}

/* The job is added, and fails at once. */
static void job_fails(const char *id) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                   NULL, FC_SOURCE_REGISTRATION, now),
                   FC_OK);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  ck_assert_str_eq(ticket.id, id);
  struct fc_result result = drive_status(FC_STATUS_FAILED);
  (void)fc_instance_take_result(instance, &ticket, &result, now);
}

static const char *event(void) { return drive_event(instance, now); }

/* The file has one failed job, and it is not told of again. */
static void reopen_with_one_failed_job(void) {
  close_journal();
  open_journal();
  ck_assert_uint_eq(drive_stats(instance, now).jobs[FC_STATUS_FAILED], 1);
  ck_assert_str_eq(event(), "");
  close_journal();
}

START_TEST(an_event_waits_until_it_is_saved) {
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  job_fails("a");
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(fc_journal_turn(journal, now), FC_NEVER);
  ck_assert_str_eq(event(), "extract a (a) failed");
  ck_assert_int_eq(fc_journal_turn(journal, now), FC_NEVER);
  reopen_with_one_failed_job();
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_is_used_once_it_can) {
  (void)snprintf(path, sizeof(path), "%s/later/state.db", directory);
  open_journal();
  ck_assert_ptr_nonnull(strstr(event(), "state file unusable"));
  job_fails("a");
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "extract a (a) failed");
  char later[128];
  (void)snprintf(later, sizeof(later), "%s/later", directory);
  ck_assert_int_eq(mkdir(later, 0700), 0);
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "");
  drive_pass_ms(&now, FC_JOURNAL_RETRY_MS);
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "state file usable again");
  ck_assert_str_eq(event(), "");
  reopen_with_one_failed_job();
}
END_TEST

START_TEST(a_file_that_is_locked_meanwhile_gets_everything_later) {
  sqlite3 *other;
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  job_fails("a");
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "extract a (a) failed");
  ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                   SQLITE_OK);
  job_fails("b");
  (void)fc_journal_turn(journal, now);
  ck_assert_ptr_nonnull(strstr(event(), "state file unusable"));
  ck_assert_str_eq(event(), "extract b (b) failed");
  ck_assert_int_eq(
      fc_instance_forget(instance, "a", FC_SOURCE_REGISTRATION, now), FC_OK);
  ck_assert_int_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
  drive_pass_ms(&now, FC_JOURNAL_RETRY_MS);
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "state file usable again");
  reopen_with_one_failed_job();
}
END_TEST

static int64_t log_bytes(void) {
  char name[136];
  struct stat info;
  (void)snprintf(name, sizeof(name), "%s-wal", path);
  return stat(name, &info) ? 0 : (int64_t)info.st_size;
}

/* One job in each page of the file is renamed and saved, so that the log
 * grows. */
static void save_round(int jobs, int round) {
  char id[16], name[32];
  for (int i = 0; i < jobs; i += round ? 16 : 1) {
    (void)snprintf(id, sizeof(id), "%d", i);
    (void)snprintf(name, sizeof(name), "%d-%d", i, round);
    ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_AGENT), id,
                                     name, FC_SOURCE_REGISTRATION, now),
                     FC_OK);
  }
  for (int i = 0; i < 3; i++)
    (void)fc_journal_turn(journal, now);
}

START_TEST(a_reader_without_an_end_does_not_make_the_log_grow_without_one) {
  enum { JOBS = 9000, ROUNDS = 400 };
  sqlite3 *reader;
  struct fc_report report;
  int rounds = 0, warned = 0;
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  job_fails("a");
  save_round(JOBS, rounds++);
  ck_assert_str_eq(event(), "extract a (a) failed");
  ck_assert_int_eq(sqlite3_open(path, &reader), SQLITE_OK);
  ck_assert_int_eq(
      sqlite3_exec(reader, "BEGIN; SELECT * FROM job", NULL, NULL, NULL),
      SQLITE_OK);
  const char *told = "";
  for (; !told[0] && rounds < ROUNDS; rounds++) {
    save_round(JOBS, rounds);
    while (fc_instance_take_report(instance, &report))
      warned += strstr(report.text, "-wal has grown to ") != NULL;
    /* A restart does not make it small, and is told so too. */
    if (warned == 1) {
      close_journal();
      open_journal();
      warned++;
    }
    told = event();
  }
  ck_assert_int_eq(warned, 3);
  ck_assert_ptr_nonnull(strstr(told, "state file unusable: "));
  ck_assert_ptr_nonnull(strstr(told, "its -wal is full"));
  ck_assert_str_eq(event(), "");
  int64_t bytes = log_bytes();
  ck_assert_int_gt(bytes, FC_JOURNAL_LOG_MAX);
  ck_assert_int_lt(bytes, FC_JOURNAL_LOG_MAX + FC_JOURNAL_LOG_MAX / 8);
  for (int i = 0; i < 3; i++) {
    drive_pass_ms(&now, FC_JOURNAL_RETRY_MS);
    (void)fc_journal_turn(journal, now);
  }
  ck_assert_int_eq(log_bytes(), bytes);
  ck_assert_str_eq(event(), "");
  ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
  drive_pass_ms(&now, FC_JOURNAL_RETRY_MS);
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "state file usable again");
  ck_assert_int_lt(log_bytes(), FC_JOURNAL_LOG_WARN);
  reopen_with_one_failed_job();
}
END_TEST

/* Another program holds the file as long as this run lasts. */
START_TEST(what_was_told_and_could_not_be_saved_is_marked_when_it_is_repeated) {
  struct fc_delivery delivery;
  sqlite3 *other;
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), "a",
                                   NULL, FC_SOURCE_REGISTRATION, now),
                   FC_OK);
  (void)fc_journal_turn(journal, now);
  ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                   SQLITE_OK);
  drive_answer(instance, &now, "a", drive_status(FC_STATUS_FAILED));
  (void)fc_journal_turn(journal, now);
  ck_assert_ptr_nonnull(strstr(event(), "state file unusable"));
  ck_assert(fc_instance_take_event(instance, now, &delivery));
  ck_assert(!delivery.event.possible_duplicate);
  fc_instance_delivered(instance, &delivery);
  close_journal();
  ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
  /* Nor does a clean restart in between make it certain. */
  for (int run = 0; run < 3; run++) {
    open_journal();
    if (run == 1)
      drive_answer(instance, &now, "a", drive_status(FC_STATUS_FAILED));
    (void)fc_journal_turn(journal, now);
    ck_assert_int_eq(fc_instance_take_event(instance, now, &delivery),
                     run == 1);
    if (run == 1) {
      ck_assert(delivery.event.possible_duplicate);
      fc_instance_delivered(instance, &delivery);
    }
    close_journal();
  }
  /* From then on nothing is in doubt. */
  open_journal();
  job_fails("b");
  (void)fc_journal_turn(journal, now);
  ck_assert(fc_instance_take_event(instance, now, &delivery));
  ck_assert(!delivery.event.possible_duplicate);
  fc_instance_delivered(instance, &delivery);
  close_journal();
}
END_TEST

START_TEST(what_is_told_after_a_file_was_lost_is_marked) {
  struct fc_delivery delivery;
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  job_fails("a");
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "extract a (a) failed");
  close_journal();
  ck_assert_int_eq(unlink(path), 0);
  open_journal();
  job_fails("a");
  (void)fc_journal_turn(journal, now);
  ck_assert(fc_instance_take_event(instance, now, &delivery));
  ck_assert(delivery.event.possible_duplicate);
  fc_instance_delivered(instance, &delivery);
  close_journal();
}
END_TEST

START_TEST(a_directory_that_is_everybodys_is_told_of) {
  struct fc_report report;
  ck_assert_int_eq(chmod(directory, 0777), 0);
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  ck_assert(fc_instance_take_report(instance, &report));
  ck_assert_int_eq(report.severity, FC_SEVERITY_WARNING);
  ck_assert_ptr_nonnull(strstr(report.text, "is writable by everybody"));
  ck_assert_ptr_nonnull(strstr(report.text, directory));
  close_journal();
}
END_TEST

START_TEST(what_may_have_been_told_before_a_loss_is_marked) {
  struct fc_delivery delivery;
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  for (int i = 0; i < 1000; i++)
    fputs("this is no database ", file);
  ck_assert_int_eq(fclose(file), 0);
  open_journal();
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), "a",
                                   NULL, FC_SOURCE_CONFIG, now),
                   FC_OK);
  job_fails("a");
  (void)fc_journal_turn(journal, now);
  ck_assert_ptr_nonnull(strstr(event(), "state file unusable"));
  ck_assert_str_eq(event(), "state file usable again");
  ck_assert(fc_instance_take_event(instance, now, &delivery));
  ck_assert_int_eq(delivery.event.type, FC_EVENT_FAILED);
  ck_assert(delivery.event.possible_duplicate);
  fc_instance_delivered(instance, &delivery);
  close_journal();
}
END_TEST

/* Overwrites the first page of the jobs. Also makes the file longer than what
 * is checked whenever it is opened; SQLite passes over what lies behind. */
static void damage_large_file(void) {
  unsigned char junk[4096];
  sqlite3_stmt *statement;
  sqlite3 *db;
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_prepare_v2(
                       db,
                       "SELECT rootpage FROM sqlite_schema WHERE name = 'job'",
                       -1, &statement, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
  int page = sqlite3_column_int(statement, 0);
  ck_assert_int_eq(sqlite3_finalize(statement), SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  memset(junk, 0xff, sizeof(junk));
  FILE *file = fopen(path, "r+");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fseek(file, (page - 1) * (long)sizeof(junk), SEEK_SET), 0);
  ck_assert_uint_eq(fwrite(junk, 1, sizeof(junk), file), sizeof(junk));
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(truncate(path, 2 * (off_t)FC_STORE_CHECK_MAX), 0);
}

START_TEST(damage_of_a_large_file_is_set_aside_once_it_was_seen) {
  char kept[192];
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  job_fails("a");
  (void)fc_journal_turn(journal, now);
  close_journal();
  damage_large_file();
  open_journal();
  ck_assert_ptr_nonnull(strstr(event(), "state file unusable"));
  job_fails("b");
  (void)fc_journal_turn(journal, now);
  (void)snprintf(kept, sizeof(kept), "%s.corrupt-%lld", path,
                 (long long)now.epoch_s);
  ck_assert_int_eq(access(kept, F_OK), 0);
  ck_assert_str_eq(event(), "state file usable again");
  ck_assert_str_eq(event(), "extract b (b) failed");
  (void)fc_journal_turn(journal, now);
  reopen_with_one_failed_job();
}
END_TEST

static void endpoint_ends(enum fc_answer answer) {
  struct fc_ticket ticket;
  int64_t wake_ms;
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), "a",
                                   NULL, FC_SOURCE_REGISTRATION, now),
                   FC_OK);
  drive_pass_ms(&now, 100000);
  ck_assert(fc_instance_next(instance, now, &ticket, &wake_ms));
  struct fc_result result = {.answer = answer, .http_code = 410};
  result.reply.facts.status = FC_STATUS_PROCESSING;
  result.has_sunset = answer == FC_ANSWER_STATUS;
  result.sunset_s = 1795000000;
  (void)fc_instance_take_result(instance, &ticket, &result, now);
}

static const struct {
  enum fc_answer answer;
  const char *says;
} endings[] = {
    {FC_ANSWER_GONE, "endpoint gone"},
    {FC_ANSWER_STATUS, "sunset"},
};

START_TEST(an_end_of_an_endpoint_is_told_once_whenever_the_restart_comes) {
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  endpoint_ends(endings[_i].answer);
  (void)fc_journal_turn(journal, now);
  close_journal();
  open_journal();
  endpoint_ends(endings[_i].answer);
  ck_assert_ptr_nonnull(strstr(event(), endings[_i].says));
  close_journal();
  open_journal();
  endpoint_ends(endings[_i].answer);
  ck_assert_str_eq(event(), "");
  close_journal();
}
END_TEST

/* --- What an earlier run knew is not lost, and not forced on anybody. */

static enum fc_error add(const char *id, enum fc_job_source source) {
  return fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id, NULL,
                         source, now);
}

/* Any request that is due gets this answer. */
static void answer_all(enum fc_status status) {
  struct fc_ticket ticket;
  struct fc_result result = drive_status(status);
  int64_t wake_ms;
  while (fc_instance_next(instance, now, &ticket, &wake_ms))
    (void)fc_instance_take_result(instance, &ticket, &result, now);
}

static size_t known_jobs(enum fc_status status) {
  return drive_stats(instance, now).jobs[status];
}

static void retry(void) {
  drive_pass_ms(&now, FC_JOURNAL_RETRY_MS);
  (void)fc_journal_turn(journal, now);
}

static void use_state_file(void) {
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
}

/* Another daemon has the file, as far as its lock goes. */
static int lock_file(void) {
  char name[160];
  (void)snprintf(name, sizeof(name), "%s-lock", path);
  int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
  return fd;
}

/* The n-th step of a query fails, as a bad sector makes it. */
static int failing_step;

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);

int __wrap_sqlite3_step(sqlite3_stmt *statement) {
  const char *sql = sqlite3_sql(statement);
  if (failing_step && strncmp(sql, "SELECT", 6) == 0 && strstr(sql, " job") &&
      --failing_step == 0)
    return SQLITE_IOERR;
  return __real_sqlite3_step(statement);
}

/* Three registered jobs in processing, and one that failed and is not yet told
 * of. */
static void leave_a_full_house(void) {
  use_state_file();
  open_journal();
  ck_assert_int_eq(add("a", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("b", FC_SOURCE_REGISTRATION), FC_OK);
  ck_assert_int_eq(add("c", FC_SOURCE_REGISTRATION), FC_OK);
  answer_all(FC_STATUS_PROCESSING);
  job_fails("d");
  (void)fc_journal_turn(journal, now);
  close_journal();
}

START_TEST(a_load_that_fails_in_any_row_loses_nothing) {
  leave_a_full_house();
  failing_step = _i;
  open_journal();
  ck_assert_int_eq(failing_step, 0);
  (void)fc_journal_turn(journal, now);
  retry();
  ck_assert_uint_eq(known_jobs(FC_STATUS_PROCESSING), 3);
  close_journal();
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_PROCESSING), 3);
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 1);
  close_journal();
}
END_TEST

START_TEST(a_pending_event_outlives_a_load_that_fails) {
  int told = 0;
  leave_a_full_house();
  failing_step = _i;
  open_journal();
  retry();
  for (const char *says; *(says = event());)
    told += strcmp(says, "extract d (d) failed") == 0;
  ck_assert_int_eq(told, 1);
  close_journal();
}
END_TEST

START_TEST(without_a_state_file_jobs_come_and_go_for_ever) {
  (void)snprintf(path, sizeof(path), "%s/none/state.db", directory);
  settings.max_jobs = 3;
  open_journal();
  for (int round = 0; round < 3; round++) {
    char id[3][24];
    for (int i = 0; i < 3; i++) {
      (void)snprintf(id[i], sizeof(id[i]), "%d-%d", round, i);
      ck_assert_int_eq(add(id[i], FC_SOURCE_REGISTRATION), FC_OK);
    }
    answer_all(FC_STATUS_PROCESSING);
    retry();
    for (int i = 0; i < 3; i++)
      ck_assert_int_eq(
          fc_instance_forget(instance, id[i], FC_SOURCE_REGISTRATION, now),
          FC_OK);
  }
  ck_assert_int_eq(add("last", FC_SOURCE_REGISTRATION), FC_OK);
  close_journal();
}
END_TEST

/* The configuration of the second run has "kept" alone, and its file comes
 * late. */
static int begin_late(enum fc_status status) {
  use_state_file();
  open_journal();
  ck_assert_int_eq(add("kept", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(add("gone", FC_SOURCE_CONFIG), FC_OK);
  answer_all(status);
  (void)fc_journal_turn(journal, now);
  while (*event())
    continue;
  (void)fc_journal_turn(journal, now);
  close_journal();
  drive_pass_ms(&now, 10000);
  int lock = lock_file();
  open_journal();
  ck_assert_int_eq(add("kept", FC_SOURCE_CONFIG), FC_OK);
  return lock;
}

START_TEST(a_late_file_brings_back_nothing_that_nobody_wants) {
  int lock = begin_late(FC_STATUS_PROCESSING);
  answer_all(FC_STATUS_PROCESSING);
  (void)fc_journal_turn(journal, now);
  (void)close(lock);
  retry();
  ck_assert_uint_eq(known_jobs(FC_STATUS_PROCESSING), 1);
  close_journal();
}
END_TEST

START_TEST(a_late_file_knows_what_was_told) {
  int lock = begin_late(FC_STATUS_FAILED);
  (void)close(lock);
  retry();
  answer_all(FC_STATUS_FAILED);
  (void)fc_journal_turn(journal, now);
  while (*event())
    ck_assert_ptr_null(strstr(event(), "failed"));
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 1);
  close_journal();
}
END_TEST

START_TEST(what_is_told_before_a_late_file_comes_is_marked) {
  struct fc_delivery delivery;
  char key[FC_EVENT_KEY_SIZE];
  int lock = begin_late(FC_STATUS_FAILED);
  answer_all(FC_STATUS_FAILED);
  (void)fc_journal_turn(journal, now);
  ck_assert(fc_instance_take_event(instance, now, &delivery));
  ck_assert_int_eq(delivery.event.type, FC_EVENT_FAILED);
  ck_assert(delivery.event.possible_duplicate);
  ck_assert_str_eq(fc_event_key(&delivery.event, key), "extract/kept/failed");
  fc_instance_delivered(instance, &delivery);
  (void)close(lock);
  retry();
  ck_assert_str_eq(event(), "");
  close_journal();
}
END_TEST

/* As `collectd -T` beside the daemon, which is gone in a moment. */
START_TEST(a_lock_that_goes_soon_is_no_failure) {
  use_state_file();
  int lock = lock_file();
  open_journal();
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "");
  (void)close(lock);
  retry();
  ck_assert_str_eq(event(), "");
  close_journal();
}
END_TEST

START_TEST(a_lock_that_stays_is_a_failure) {
  use_state_file();
  int lock = lock_file();
  open_journal();
  retry();
  ck_assert_ptr_nonnull(strstr(event(), "in use by another daemon"));
  (void)close(lock);
  retry();
  ck_assert_str_eq(event(), "state file usable again");
  close_journal();
}
END_TEST

static void run_in_directory(const char *format) {
  char command[512];
  (void)snprintf(command, sizeof(command), "cd '%s' && %s", directory, format);
  ck_assert_int_eq(system(command), 0);
}

static const char *const disappearances[] = {
    "rm -f state.db*",
    "rm -f state.db",
    "rm -f state.db-wal state.db-shm && cp -p backup.db new && mv new state.db",
};

START_TEST(a_file_that_was_taken_away_is_written_anew) {
  use_state_file();
  open_journal();
  job_fails("a");
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "extract a (a) failed");
  close_journal();
  run_in_directory("cp -p state.db backup.db");
  open_journal();
  job_fails("b");
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "extract b (b) failed");
  (void)fc_journal_turn(journal, now);
  run_in_directory(disappearances[_i]);
  if (_i % 2 == 0)
    job_fails("c");
  (void)fc_journal_turn(journal, now);
  while (*event())
    continue;
  close_journal();
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), _i % 2 == 0 ? 3 : 2);
  ck_assert_str_eq(event(), "");
  close_journal();
}
END_TEST

START_TEST(jobs_beyond_max_jobs_at_a_restart_are_told_of) {
  leave_a_full_house();
  settings.max_jobs = 2;
  open_journal();
  (void)fc_journal_turn(journal, now);
  ck_assert_ptr_nonnull(
      strstr(event(), "MaxJobs 2 is reached; the first one refused is c"));
  close_journal();
  settings.max_jobs = 10;
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_PROCESSING), 3);
  close_journal();
}
END_TEST

/* They are in the file alone, and a file that goes and comes keeps them. */
START_TEST(jobs_beyond_max_jobs_outlive_a_file_that_fails_for_a_while) {
  sqlite3 *other;
  leave_a_full_house();
  settings.max_jobs = 2;
  open_journal();
  (void)fc_journal_turn(journal, now);
  ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
                   SQLITE_OK);
  drive_pass_ms(&now, 2000);
  answer_all(FC_STATUS_COMPLETED);
  (void)fc_journal_turn(journal, now);
  ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
  retry();
  close_journal();
  settings.max_jobs = 10;
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_COMPLETED), 2);
  ck_assert_uint_eq(known_jobs(FC_STATUS_PROCESSING), 1);
  /* It ended before the two, and gave way; not so what is to be told of it. */
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 0);
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(event(), "extract d (d) failed");
  close_journal();
}
END_TEST

/* --- Who is who after a restart. */

static void add_named(const char *id, const char *name,
                      enum fc_job_source source) {
  ck_assert_int_eq(fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id,
                                   name, source, now),
                   FC_OK);
}

static void answer_one(const char *id, enum fc_status status) {
  drive_answer(instance, &now, id, drive_status(status));
}

/* The status that the series of a name shows. */
static int shown_status(const char *name) {
  enum { VIEWS = 16 };
  struct fc_job_view views[VIEWS];
  size_t len;
  int status = FC_STATUS_NONE;
  (void)fc_instance_views(instance, now, true, views, VIEWS, &len);
  for (size_t i = 0; i < len; i++)
    if (strcmp(views[i].name, name) == 0) {
      ck_assert_int_eq(status, FC_STATUS_NONE);
      status = views[i].facts.status;
    }
  return status;
}

static void assert_series(const char *name, int status, size_t failed_jobs) {
  ck_assert_int_eq(shown_status(name), status);
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), failed_jobs);
}

/* As open_journal, with a configured job. */
static void open_configured(const char *id, const char *name) {
  journal = fc_journal_new(path, now);
  instance = fc_instance_new(&settings, 1000, 1);
  add_named(id, name, FC_SOURCE_CONFIG);
  ck_assert_int_eq(fc_journal_add(journal, instance, now), FC_OK);
}

static void save_and_close(void) {
  do
    (void)fc_journal_turn(journal, now);
  while (*event());
  (void)fc_journal_turn(journal, now);
  close_journal();
}

START_TEST(an_older_run_does_not_get_the_series_by_a_restart) {
  use_state_file();
  open_journal();
  add_named("a", "n", FC_SOURCE_REGISTRATION);
  answer_one("a", FC_STATUS_FAILED);
  add_named("b", "n", FC_SOURCE_REGISTRATION);
  answer_one("b", FC_STATUS_PROCESSING);
  ck_assert_int_eq(
      fc_instance_forget(instance, "b", FC_SOURCE_REGISTRATION, now), FC_OK);
  save_and_close();
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 1);
  ck_assert_int_eq(shown_status("n"), FC_STATUS_NONE);
  close_journal();
}
END_TEST

START_TEST(a_run_that_was_made_good_stays_out_of_the_counts) {
  use_state_file();
  open_journal();
  add_named("a", "n", FC_SOURCE_REGISTRATION);
  answer_one("a", FC_STATUS_FAILED);
  add_named("b", "n", FC_SOURCE_REGISTRATION);
  answer_one("b", FC_STATUS_COMPLETED);
  if (_i)
    ck_assert_int_eq(
        fc_instance_forget(instance, "b", FC_SOURCE_REGISTRATION, now), FC_OK);
  save_and_close();
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 0);
  ck_assert_int_eq(shown_status("n"),
                   _i ? FC_STATUS_NONE : FC_STATUS_COMPLETED);
  close_journal();
}
END_TEST

START_TEST(a_job_that_is_newly_configured_is_the_newest_of_its_name) {
  use_state_file();
  settings.job_file = strdup("unused");
  open_journal();
  fc_instance_file_begin(instance);
  add_named("a", "n", _i ? FC_SOURCE_FILE : FC_SOURCE_REGISTRATION);
  fc_instance_file_end(instance, NULL, now);
  answer_one("a", FC_STATUS_FAILED);
  save_and_close();
  open_configured("b", "n");
  answer_one("b", FC_STATUS_COMPLETED);
  assert_series("n", FC_STATUS_COMPLETED, 0);
  save_and_close();
  open_configured("b", "n");
  assert_series("n", FC_STATUS_COMPLETED, 0);
  close_journal();
}
END_TEST

START_TEST(a_configured_run_that_was_superseded_stays_so) {
  use_state_file();
  settings.job_file = strdup("unused");
  open_configured("a", "n");
  answer_one("a", FC_STATUS_FAILED);
  fc_instance_file_begin(instance);
  add_named("b", "n", FC_SOURCE_FILE);
  fc_instance_file_end(instance, NULL, now);
  answer_one("b", FC_STATUS_PROCESSING);
  save_and_close();
  open_configured("a", "n");
  answer_one("b", FC_STATUS_PROCESSING);
  assert_series("n", FC_STATUS_PROCESSING, 1);
  answer_one("b", FC_STATUS_COMPLETED);
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 0);
  close_journal();
}
END_TEST

/* It was registered, and superseded by another registered one, before. */
START_TEST(a_job_that_is_configured_now_has_the_series_of_its_name) {
  use_state_file();
  open_journal();
  add_named("a", "n", FC_SOURCE_REGISTRATION);
  answer_one("a", FC_STATUS_FAILED);
  add_named("b", "n", FC_SOURCE_REGISTRATION);
  answer_one("b", FC_STATUS_COMPLETED);
  save_and_close();
  open_configured("a", "n");
  assert_series("n", FC_STATUS_FAILED, 1);
  close_journal();
}
END_TEST

START_TEST(the_configured_name_counts_whatever_the_file_says) {
  use_state_file();
  open_configured("a", "old");
  answer_one("a", FC_STATUS_FAILED);
  save_and_close();
  open_configured("a", "new");
  ck_assert_int_eq(shown_status("new"), FC_STATUS_FAILED);
  ck_assert_int_eq(shown_status("old"), FC_STATUS_NONE);
  ck_assert_str_eq(event(), "");
  save_and_close();
  settings.accept_registrations = false;
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 0);
  close_journal();
}
END_TEST

static int64_t count_rows(const char *sql_text) {
  sqlite3 *file;
  sqlite3_stmt *statement;
  ck_assert_int_eq(sqlite3_open(path, &file), SQLITE_OK);
  ck_assert_int_eq(sqlite3_prepare_v2(file, sql_text, -1, &statement, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(__real_sqlite3_step(statement), SQLITE_ROW);
  int64_t rows = sqlite3_column_int64(statement, 0);
  ck_assert_int_eq(sqlite3_finalize(statement), SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(file), SQLITE_OK);
  return rows;
}

START_TEST(ended_jobs_beyond_max_jobs_leave_the_file_at_a_restart) {
  use_state_file();
  open_journal();
  for (int i = 0; i < 5; i++) {
    char id[16];
    (void)snprintf(id, sizeof(id), "%d", i);
    add_named(id, NULL, FC_SOURCE_REGISTRATION);
    answer_one(id, FC_STATUS_COMPLETED);
    drive_pass_ms(&now, 2000);
  }
  save_and_close();
  settings.max_jobs = 2;
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_COMPLETED), 2);
  ck_assert(fc_instance_knows(instance, "4"));
  ck_assert_str_eq(event(), "");
  (void)fc_journal_turn(journal, now);
  ck_assert_int_eq(count_rows("SELECT count(*) FROM job"), 2);
  close_journal();
}
END_TEST

/* Whichever row comes first. */
START_TEST(configured_jobs_that_have_ended_take_no_room_at_a_restart) {
  use_state_file();
  open_journal();
  for (int i = 0; i < 2; i++)
    if (i == _i) {
      add_named("c", NULL, FC_SOURCE_CONFIG);
      answer_one("c", FC_STATUS_COMPLETED);
    } else {
      add_named("r", NULL, FC_SOURCE_REGISTRATION);
      add_named("s", NULL, FC_SOURCE_REGISTRATION);
    }
  answer_one("r", FC_STATUS_PROCESSING);
  answer_one("s", FC_STATUS_PROCESSING);
  save_and_close();
  settings.max_jobs = 2;
  open_configured("c", NULL);
  ck_assert_uint_eq(known_jobs(FC_STATUS_PROCESSING), 2);
  ck_assert_uint_eq(known_jobs(FC_STATUS_COMPLETED), 1);
  ck_assert_str_eq(event(), "");
  close_journal();
}
END_TEST

/* --- Instances that come and go. */

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static void rename_instance(const char *name) {
  free(settings.name);
  settings.name = strdup(name);
}

static const char *note(void) {
  static struct fc_report report;
  return fc_instance_take_report(instance, &report) ? report.text : "";
}

/* "prod" and "test" leave a job each; then there is "other" alone. */
static void leave_two_instances(void) {
  use_state_file();
  open_journal();
  job_fails("a");
  save_and_close();
  rename_instance("test");
  open_journal();
  ck_assert_str_eq(note(), "");
  job_fails("b");
  save_and_close();
  rename_instance("other");
}

START_TEST(what_is_known_of_an_instance_is_kept_for_a_day) {
  leave_two_instances();
  open_journal();
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(note(), "state file: no longer configured: prod, test; "
                           "what is known of an instance is kept for 24 "
                           "hours");
  drive_pass_ms(&now, DAY_MS - 10000);
  (void)fc_journal_turn(journal, now);
  close_journal();
  ck_assert_int_eq(count_rows("SELECT count(*) FROM job"), 2);
  rename_instance("prod");
  open_journal();
  ck_assert_uint_eq(known_jobs(FC_STATUS_FAILED), 1);
  ck_assert_str_eq(event(), "");
  (void)fc_journal_turn(journal, now);
  drive_pass_ms(&now, 20000);
  close_journal();
  rename_instance("other");
  open_journal();
  (void)fc_journal_turn(journal, now);
  close_journal();
  /* Of "prod" the day begins anew. */
  ck_assert_int_eq(
      count_rows("SELECT count(*) FROM job WHERE instance = 'prod'"), 1);
  ck_assert_int_eq(count_rows("SELECT count(*) FROM job"), 1);
}
END_TEST

START_TEST(what_is_known_of_an_instance_goes_while_the_daemon_runs) {
  leave_two_instances();
  open_journal();
  endpoint_ends(FC_ANSWER_GONE);
  (void)fc_journal_turn(journal, now);
  while (*note())
    continue;
  drive_pass_ms(&now, DAY_MS + 2 * FC_JOURNAL_PURGE_MS);
  (void)fc_journal_turn(journal, now);
  ck_assert_str_eq(note(), "");
  close_journal();
  ck_assert_int_eq(
      count_rows("SELECT count(*) FROM job WHERE instance <> 'other'"), 0);
  ck_assert_int_eq(
      count_rows("SELECT count(*) FROM endpoint WHERE instance <> 'other'"), 0);
  ck_assert_int_eq(count_rows("SELECT count(*) FROM notification"
                              " WHERE instance <> 'other'"),
                   0);
  ck_assert_int_eq(count_rows("SELECT count(*) FROM meta"), 1);
  ck_assert_int_eq(count_rows("SELECT count(*) FROM job"), 1);
}
END_TEST

START_TEST(an_instance_that_a_bad_value_disables_keeps_what_is_known_of_it) {
  leave_two_instances();
  for (int i = 0; i < 3; i++) {
    open_journal();
    ck_assert_int_eq(fc_journal_keep(journal, "prod"), FC_OK);
    ck_assert_int_eq(fc_journal_keep(journal, "test"), FC_OK);
    (void)fc_journal_turn(journal, now);
    ck_assert_str_eq(note(), "");
    close_journal();
    drive_pass_ms(&now, DAY_MS);
  }
  ck_assert_int_eq(count_rows("SELECT count(*) FROM job"), 2);
}
END_TEST

START_TEST(configured_jobs_go_before_restored_registrations) {
  leave_a_full_house();
  settings.max_jobs = 3;
  journal = fc_journal_new(path, now);
  instance = fc_instance_new(&settings, 1000, 1);
  ck_assert_int_eq(add("new", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(fc_journal_add(journal, instance, now), FC_OK);
  ck_assert_uint_eq(known_jobs(FC_STATUS_PROCESSING), 2);
  close_journal();
}
END_TEST

static void sql(const char *text) {
  sqlite3 *file;
  ck_assert_int_eq(sqlite3_open(path, &file), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(file, text, NULL, NULL, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(file), SQLITE_OK);
}

/* It ended, left the configuration, and is in it again: it shows, untold. */
START_TEST(a_job_that_is_configured_again_has_its_series_again) {
  struct fc_job_view view;
  size_t len;
  use_state_file();
  open_journal();
  ck_assert_int_eq(add("a", FC_SOURCE_CONFIG), FC_OK);
  answer_all(FC_STATUS_COMPLETED);
  close_journal();
  open_journal();
  close_journal();
  journal = fc_journal_new(path, now);
  instance = fc_instance_new(&settings, 1000, 1);
  ck_assert_int_eq(add("a", FC_SOURCE_CONFIG), FC_OK);
  ck_assert_int_eq(fc_journal_add(journal, instance, now), FC_OK);
  ck_assert_uint_eq(known_jobs(FC_STATUS_COMPLETED), 1);
  (void)fc_instance_views(instance, now, true, &view, 1, &len);
  ck_assert_uint_eq(len, 1);
  close_journal();
}
END_TEST

START_TEST(rows_that_make_no_sense_are_told_of_in_one_line) {
  struct fc_report note;
  leave_a_full_house();
  open_journal();
  ck_assert(!fc_instance_take_report(instance, &note));
  close_journal();
  sql("UPDATE job SET kind = 'none' WHERE id IN ('a', 'b')");
  open_journal();
  ck_assert(fc_instance_take_report(instance, &note));
  ck_assert_int_eq(note.severity, FC_SEVERITY_WARNING);
  ck_assert_str_eq(note.text, "state file: 2 jobs are not restored: their rows "
                              "make no sense");
  ck_assert(!fc_instance_take_report(instance, &note));
  close_journal();
}
END_TEST

START_TEST(a_late_file_does_not_undo_what_was_told_of_an_endpoint) {
  use_state_file();
  open_journal();
  endpoint_ends(FC_ANSWER_NOT_FOUND);
  (void)fc_journal_turn(journal, now);
  close_journal();
  int lock = lock_file();
  open_journal();
  endpoint_ends(endings[_i].answer);
  ck_assert_ptr_nonnull(strstr(event(), endings[_i].says));
  (void)close(lock);
  retry();
  drive_pass_ms(&now, 4000000);
  endpoint_ends(endings[_i].answer);
  ck_assert_str_eq(event(), "");
  close_journal();
}
END_TEST

START_TEST(as_a_task_it_looks_by_itself_for_what_need_not_be_saved_at_once) {
  use_state_file();
  open_journal();
  struct fc_disk_task task = fc_journal_task(journal);
  ck_assert_int_eq(task.turn(task.data, now), now.mono_ms + FC_JOURNAL_LAZY_MS);
  job_fails("a");
  (void)task.turn(task.data, now);
  task.end(task.data, now);
  fc_instance_free(instance);
  open_journal();
  ck_assert(fc_instance_knows(instance, "a"));
  close_journal();
}
END_TEST

static TCase *make_case(const char *name) {
  TCase *tests = tcase_create(name);
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  return tests;
}

static TCase *make_file(void) {
  TCase *tests = make_case("file");
  tcase_add_test(
      tests, as_a_task_it_looks_by_itself_for_what_need_not_be_saved_at_once);
  tcase_add_test(tests, an_event_waits_until_it_is_saved);
  tcase_add_test(tests, a_file_that_cannot_be_opened_is_used_once_it_can);
  tcase_add_test(tests, a_file_that_is_locked_meanwhile_gets_everything_later);
  tcase_add_test(tests, damage_of_a_large_file_is_set_aside_once_it_was_seen);
  tcase_add_loop_test(
      tests, an_end_of_an_endpoint_is_told_once_whenever_the_restart_comes, 0,
      sizeof(endings) / sizeof(endings[0]));
  tcase_add_test(
      tests, a_reader_without_an_end_does_not_make_the_log_grow_without_one);
  tcase_add_test(
      tests,
      what_was_told_and_could_not_be_saved_is_marked_when_it_is_repeated);
  tcase_add_test(tests, what_is_told_after_a_file_was_lost_is_marked);
  tcase_add_test(tests, a_directory_that_is_everybodys_is_told_of);
  tcase_add_test(tests, what_may_have_been_told_before_a_loss_is_marked);
  tcase_add_loop_test(tests, a_load_that_fails_in_any_row_loses_nothing, 1, 5);
  tcase_add_loop_test(tests, a_pending_event_outlives_a_load_that_fails, 1, 5);
  tcase_add_test(tests, without_a_state_file_jobs_come_and_go_for_ever);
  tcase_add_test(tests, a_late_file_brings_back_nothing_that_nobody_wants);
  tcase_add_test(tests, a_late_file_knows_what_was_told);
  tcase_add_test(tests, what_is_told_before_a_late_file_comes_is_marked);
  tcase_add_test(tests, a_lock_that_goes_soon_is_no_failure);
  tcase_add_test(tests, a_lock_that_stays_is_a_failure);
  tcase_add_loop_test(tests, a_file_that_was_taken_away_is_written_anew, 0,
                      sizeof(disappearances) / sizeof(disappearances[0]));
  return tests;
}

static TCase *make_jobs(void) {
  TCase *tests = make_case("jobs");
  tcase_add_test(tests, a_job_that_is_configured_again_has_its_series_again);
  tcase_add_test(tests, rows_that_make_no_sense_are_told_of_in_one_line);
  tcase_add_test(tests, jobs_beyond_max_jobs_at_a_restart_are_told_of);
  tcase_add_test(tests,
                 jobs_beyond_max_jobs_outlive_a_file_that_fails_for_a_while);
  tcase_add_loop_test(tests,
                      a_late_file_does_not_undo_what_was_told_of_an_endpoint, 0,
                      sizeof(endings) / sizeof(endings[0]));
  tcase_add_test(tests, configured_jobs_go_before_restored_registrations);
  tcase_add_test(tests, an_older_run_does_not_get_the_series_by_a_restart);
  tcase_add_loop_test(tests, a_run_that_was_made_good_stays_out_of_the_counts,
                      0, 2);
  tcase_add_loop_test(
      tests, a_job_that_is_newly_configured_is_the_newest_of_its_name, 0, 2);
  tcase_add_test(tests, a_configured_run_that_was_superseded_stays_so);
  tcase_add_test(tests,
                 a_job_that_is_configured_now_has_the_series_of_its_name);
  tcase_add_test(tests, the_configured_name_counts_whatever_the_file_says);
  tcase_add_test(tests, ended_jobs_beyond_max_jobs_leave_the_file_at_a_restart);
  tcase_add_loop_test(
      tests, configured_jobs_that_have_ended_take_no_room_at_a_restart, 0, 2);
  return tests;
}

static TCase *make_instances(void) {
  TCase *tests = make_case("instances");
  tcase_add_test(tests, what_is_known_of_an_instance_is_kept_for_a_day);
  tcase_add_test(tests,
                 what_is_known_of_an_instance_goes_while_the_daemon_runs);
  tcase_add_test(
      tests, an_instance_that_a_bad_value_disables_keeps_what_is_known_of_it);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("journal");
  suite_add_tcase(suite, make_file());
  suite_add_tcase(suite, make_jobs());
  suite_add_tcase(suite, make_instances());
  return suite_run(suite);
}
