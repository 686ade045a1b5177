/* The state file goes away and comes back while instances go on. */

#include "src/state/journal.h"
#include "src/watch/instance_save.h"

#include "t/fake/folder.h"
#include "t/suite.h"
#include "t/watch/drive.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
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
  fc_instance_settle(instance, now);
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
  (void)fc_instance_report(instance, &ticket, &result, now);
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
  fc_instance_handed_over(instance, &delivery);
  close_journal();
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
  result.reply.status = FC_STATUS_PROCESSING;
  result.has_sunset = answer == FC_ANSWER_STATUS;
  result.sunset_s = 1795000000;
  (void)fc_instance_report(instance, &ticket, &result, now);
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

static void sql(const char *text) {
  sqlite3 *file;
  ck_assert_int_eq(sqlite3_open(path, &file), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(file, text, NULL, NULL, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(file), SQLITE_OK);
}

START_TEST(jobs_that_cannot_be_restored_are_told_in_one_line) {
  struct fc_note note;
  (void)snprintf(path, sizeof(path), "%s/state.db", directory);
  open_journal();
  job_fails("a");
  job_fails("b");
  job_fails("c");
  close_journal();
  open_journal();
  ck_assert(!fc_instance_take_note(instance, &note));
  close_journal();
  sql("UPDATE job SET kind = 'none' WHERE id = 'a'");
  settings.max_jobs = 1;
  open_journal();
  ck_assert(fc_instance_take_note(instance, &note));
  ck_assert_int_eq(note.severity, FC_SEVERITY_WARNING);
  ck_assert_str_eq(note.text,
                   "state file: jobs not restored: 1 whose rows make "
                   "no sense, 1 beyond MaxJobs");
  ck_assert(!fc_instance_take_note(instance, &note));
  close_journal();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("journal");
  TCase *tests = tcase_create("journal");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, an_event_waits_until_it_is_saved);
  tcase_add_test(tests, a_file_that_cannot_be_opened_is_used_once_it_can);
  tcase_add_test(tests, a_file_that_is_locked_meanwhile_gets_everything_later);
  tcase_add_loop_test(
      tests, an_end_of_an_endpoint_is_told_once_whenever_the_restart_comes, 0,
      sizeof(endings) / sizeof(endings[0]));
  tcase_add_test(tests, what_may_have_been_told_before_a_loss_is_marked);
  tcase_add_test(tests, jobs_that_cannot_be_restored_are_told_in_one_line);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
