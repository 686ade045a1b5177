/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/state/store.h"

#include "src/api/name.h"
#include "src/api/parse.h"
#include "src/watch/event.h"
#include "src/watch/job.h"

#include "src/base/text.h"

#include "t/state/scratch.h"
#include "t/suite.h"
#include "t/watch/outbox_sets.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static enum fc_statefile_problem problem;
static char detail[FC_STATEFILE_DETAIL_SIZE];

static int64_t check_max = FC_STORE_CHECK_MAX;

static enum fc_error try_open(struct fc_store **store) {
  problem = (enum fc_statefile_problem)99;
  memset(detail, 'x', sizeof(detail));
  enum fc_error error = fc_store_open(store, path, check_max, NOW, &problem,
                                      detail, sizeof(detail));
  ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof(detail)));
  return error;
}

static struct fc_store *must_open(void) {
  struct fc_store *store = NULL;
  enum fc_error error = try_open(&store);
  ck_assert_msg(error == FC_OK, "%s", detail);
  return store;
}

static void must_fail(enum fc_statefile_problem expected) {
  struct fc_store *store = NULL;
  ck_assert_int_eq(try_open(&store), FC_ERR_STATE);
  ck_assert_ptr_null(store);
  ck_assert_msg(problem == expected, "%d instead of %d: %s", (int)problem,
                (int)expected, detail);
  ck_assert_str_ne(detail, "");
}

static struct fc_job_record job_make(const char *id) {
  return (struct fc_job_record){.id = id,
                                .name = id,
                                .history.kind = FC_KIND_EXTRACT,
                                .history.sources = FC_SOURCE_FILE,
                                .facts.status = FC_STATUS_NONE,
                                .history.previous = FC_STATUS_NONE,
                                .history.first_seen_s = NOW};
}

static void put(struct fc_store *store, const char *instance,
                const struct fc_job_record *record, int64_t now_s) {
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_put_job(store, instance, record, now_s), FC_OK);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
}

static void put_many(struct fc_store *store, int count) {
  char id[FC_ID_MAX + 1];
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  for (int i = 0; i < count; i++) {
    (void)snprintf(id, sizeof(id), "0199d3a2-6c1e-7f3a-9a51-%012d", i);
    struct fc_job_record record = job_make(id);
    record.outbox = outbox_make(i % 10 ? 0 : FC_EVENT_BIT(FC_EVENT_FAILED), 0);
    ck_assert_int_eq(fc_store_put_job(store, "prod", &record, NOW), FC_OK);
  }
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
}

static void populate(int count) {
  struct fc_store *store = must_open();
  put_many(store, count);
  fc_store_close(store, true);
}

/* What was loaded. */
struct loaded {
  size_t count;
  char ids[8][FC_ID_MAX + 1];
  char name[FC_NAME_MAX + 1];
  char error[FC_ERROR_TEXT_SIZE];
  struct fc_job_record last;
  size_t stop_after;
};

static enum fc_error keep(const struct fc_job_record *record, void *data) {
  struct loaded *loaded = data;
  if (loaded->count < COUNT_OF(loaded->ids))
    (void)snprintf(loaded->ids[loaded->count], FC_ID_MAX + 1, "%s", record->id);
  (void)snprintf(loaded->name, sizeof(loaded->name), "%s", record->name);
  (void)snprintf(loaded->error, sizeof(loaded->error), "%s",
                 record->error ? record->error : "NULL");
  loaded->last = *record;
  return ++loaded->count == loaded->stop_after ? FC_ERR_LIMIT : FC_OK;
}

static struct loaded load(struct fc_store *store, const char *instance,
                          size_t expected_skipped) {
  struct loaded loaded = {.count = 0};
  size_t skipped = 99;
  enum fc_error error =
      fc_store_load_jobs(store, instance, keep, &loaded, &skipped);
  ck_assert_msg(error == FC_OK, "%s", fc_store_detail(store));
  ck_assert_uint_eq(skipped, expected_skipped);
  return loaded;
}

static unsigned pending_of(struct fc_store *store, const char *instance) {
  struct loaded loaded = load(store, instance, 0);
  return outbox_pending(&loaded.last.outbox);
}

/* Runs SQL on the file as any other program would; the first column of the
 * first row, or -1. */
static int64_t sql(const char *text) {
  sqlite3 *db;
  sqlite3_stmt *statement = NULL;
  int64_t value = -1;
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  for (const char *rest = text; *rest;) {
    ck_assert_msg(sqlite3_prepare_v2(db, rest, -1, &statement, &rest) ==
                      SQLITE_OK,
                  "%s: %s", rest, sqlite3_errmsg(db));
    if (!statement) /* blanks behind the last one */
      break;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
      value = sqlite3_column_int64(statement, 0);
      code = SQLITE_DONE;
    }
    ck_assert_msg(code == SQLITE_DONE, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_finalize(statement), SQLITE_OK);
  }
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  return value;
}

static void parts_remove(void) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  char kept[64];
  for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
    (void)unlink(beside(suffixes[i]));
    (void)snprintf(kept, sizeof(kept), ".corrupt-%d%s", NOW, suffixes[i]);
    (void)unlink(beside(kept));
  }
}

static double seconds_since(const struct timespec *start) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - start->tv_sec) +
         (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static const mode_t umasks[] = {0, 022, 0777};

START_TEST(a_new_file_is_private_whatever_the_umask) {
  mode_t before = umask(umasks[_i]);
  struct fc_store *store = must_open();
  put_many(store, 1);
  ck_assert_int_eq(problem, FC_STATEFILE_FINE);
  ck_assert_str_eq(detail, "");
  ck_assert(fc_store_was_clean(store));
  ck_assert_uint_eq(file_mode(path), 0600);
  ck_assert_uint_eq(file_mode(beside("-wal")), 0600);
  ck_assert_uint_eq(file_mode(beside("-shm")), 0600);
  fc_store_close(store, true);
  (void)umask(before);
}
END_TEST

START_TEST(the_file_says_what_it_is) {
  populate(1);
  ck_assert_int_eq(sql("PRAGMA application_id"), FC_STATEFILE_APPLICATION_ID);
  ck_assert_int_eq(sql("PRAGMA user_version"), FC_STATEFILE_VERSION);
  ck_assert_int_eq(sql("SELECT count(*) FROM job"), 1);
  ck_assert_int_eq(sql("SELECT value FROM meta WHERE key = 'clean'"), 1);
}
END_TEST

static void endpoint_keep(const struct fc_endpoint_record *record, void *data) {
  ((struct fc_endpoint_record *)data)[record->kind] = *record;
}

/* As version 1 made it in November 2026: nothing of it may be read otherwise,
 * and a file that is made today has the same tables. */
static void old_file_make(void) {
  char name[PATH_MAX];
  const char *source = getenv("srcdir");
  (void)snprintf(name, sizeof(name), "%s/t/data/state-1.sql",
                 source ? source : ".");
  struct bytes text = file_read(name);
  text.data[text.len] = '\0';
  (void)sql((const char *)text.data);
  free(text.data);
  ck_assert_int_eq(chmod(path, 0600), 0);
}

START_TEST(a_file_of_november_2026_is_taken_over) {
  struct fc_endpoint_record found[FC_KIND_COUNT] = {{.kind = FC_KIND_COUNT}};
  old_file_make();
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_FINE);
  ck_assert(fc_store_was_clean(store));
  struct loaded loaded = {.stop_after = 1};
  size_t skipped;
  const struct fc_job_record *job = &loaded.last;
  ck_assert_int_eq(fc_store_load_jobs(store, "prod", keep, &loaded, &skipped),
                   FC_ERR_LIMIT);
  ck_assert_str_eq(loaded.ids[0], "0199d3a2-6c1e-7f3a-9a51-2c6a7d1b0001");
  ck_assert_str_eq(loaded.name, "nightly");
  ck_assert_str_eq(loaded.error, "no content");
  ck_assert_int_eq(job->history.kind, FC_KIND_EXTRACT);
  ck_assert_uint_eq(job->history.sources, FC_SOURCE_REGISTRATION);
  ck_assert_int_eq(job->facts.status, FC_STATUS_FAILED);
  ck_assert_int_eq(job->history.previous, FC_STATUS_PROCESSING);
  ck_assert_int_eq(job->history.first_seen_s, 1763990000);
  ck_assert_int_eq(job->history.processing_since_s, 1763990010);
  ck_assert_int_eq(job->history.ended_s, 1763990500);
  ck_assert_int_eq(job->facts.expires_at_s, 1764076900);
  ck_assert_int_eq(job->history.notified_s, 1763990501);
  ck_assert_double_eq(job->facts.tokens, 1234.5);
  ck_assert_double_eq(job->facts.credits, 15);
  ck_assert_double_eq(job->facts.percent, 40);
  ck_assert(job->history.stalled);
  ck_assert(fc_history_has(&job->history, FC_PAST_STALL_REPORTED) &&
            fc_history_has(&job->history, FC_PAST_REPLAYED));
  ck_assert(!fc_history_has(&job->history, FC_PAST_SILENT) &&
            !fc_history_has(&job->history, FC_PAST_LOST_REPORTED));
  ck_assert_uint_eq(outbox_pending(&job->outbox),
                    FC_EVENT_BIT(FC_EVENT_FAILED));
  ck_assert_uint_eq(outbox_delivered(&job->outbox),
                    FC_EVENT_BIT(FC_EVENT_STALLED));
  loaded = load(store, "prod", 0);
  ck_assert_uint_eq(loaded.count, 2);
  ck_assert_int_eq(loaded.last.history.kind, FC_KIND_CRAWL);
  ck_assert(!loaded.last.history.has_processing_since &&
            !loaded.last.facts.has_tokens);
  ck_assert_int_eq(fc_store_load_endpoints(store, "prod", endpoint_keep, found),
                   FC_OK);
  ck_assert_int_eq(found[FC_KIND_EXTRACT].sunset_reported_s, 1796914800);
  ck_assert(found[FC_KIND_EXTRACT].last_warning_given);
  fc_store_close(store, true);
}
END_TEST

/* As text, without an order: a column that is added stands last. */
static int64_t columns_in(const char *file, const char *except) {
  char ask[2 * PATH_MAX];
  (void)snprintf(
      ask, sizeof(ask),
      "ATTACH '%s' AS other; SELECT count(*) FROM (SELECT t.name, c.name, "
      "c.type, c.\"notnull\", c.pk > 0 FROM main.sqlite_schema AS t, "
      "pragma_table_info(t.name, 'main') AS c %s SELECT t.name, c.name, "
      "c.type, c.\"notnull\", c.pk > 0 FROM other.sqlite_schema AS t, "
      "pragma_table_info(t.name, 'other') AS c)",
      file, except);
  return sql(ask);
}

START_TEST(an_old_file_gets_the_columns_of_a_new_one) {
  char old[PATH_MAX + 96];
  old_file_make();
  fc_store_close(must_open(), true);
  ck_assert(file_exists(beside(".v1")));
  (void)snprintf(old, sizeof(old), "%s", beside("-old"));
  ck_assert_int_eq(rename(path, old), 0);
  populate(1);
  ck_assert_int_gt(columns_in(old, "INTERSECT"), 30);
  ck_assert_int_eq(columns_in(old, "EXCEPT"), 0);
  ck_assert_int_eq(columns_in(old, "INTERSECT"),
                   sql("SELECT count(*) FROM sqlite_schema AS t, "
                       "pragma_table_info(t.name)"));
}
END_TEST

START_TEST(an_event_comes_back_with_its_moment_and_its_round) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  fc_outbox_restore(&record.outbox.event[FC_EVENT_LOST], true, 3,
                    FC_STATUS_LOST, FC_STATUS_NONE);
  fc_outbox_restore(&record.outbox.event[FC_EVENT_FOUND], false, 2,
                    FC_STATUS_UNKNOWN, FC_STATUS_LOST);
  put(store, "prod", &record, NOW);
  struct loaded loaded = load(store, "prod", 0);
  const struct fc_outbox *outbox = &loaded.last.outbox;
  ck_assert_mem_eq(outbox, &record.outbox, sizeof(*outbox));
  fc_outbox_add(&record.outbox.event[FC_EVENT_LOST], FC_STATUS_LOST,
                FC_STATUS_UNKNOWN);
  put(store, "prod", &record, NOW);
  loaded = load(store, "prod", 0);
  ck_assert_uint_eq(outbox->event[FC_EVENT_LOST].round, 4);
  ck_assert_int_eq(fc_outbox_previous(&outbox->event[FC_EVENT_LOST]),
                   FC_STATUS_UNKNOWN);
  fc_store_close(store, true);
}
END_TEST

/* Column by column, all of which have a value. */
static void assert_same(const struct fc_job_record *a,
                        const struct fc_job_record *b) {
  for (size_t i = 0; i < fc_job_columns.len; i++) {
    const struct fc_column *column = &fc_job_columns.column[i];
    struct fc_value x = fc_column_get(column, a), y = fc_column_get(column, b);
    bool same = x.type == y.type && x.integer == y.integer &&
                !(x.real < y.real) && !(x.real > y.real) &&
                (x.type != FC_VALUE_TEXT || strcmp(x.text, y.text) == 0);
    ck_assert_msg(same && x.type != FC_VALUE_NULL, "%s", column->name);
  }
  ck_assert_mem_eq(&a->outbox, &b->outbox, sizeof(a->outbox));
}

START_TEST(a_job_comes_back_as_it_was_put) {
  struct fc_job_record record = {
      .id = "id-1",
      .name = "nightly.prices",
      .error = "caf\xc3\xa9 'quoted\"",
      .history.kind = FC_KIND_BATCH_SCRAPE,
      .history.sources = FC_SOURCE_FILE | FC_SOURCE_REGISTRATION,
      .facts.status = FC_STATUS_FAILED,
      .history.previous = FC_STATUS_PROCESSING,
      .history.first_seen_s = NOW - 5,
      .history.has_processing_since = true,
      .history.has_ended = true,
      .facts.has_expires_at = true,
      .history.has_notified = true,
      .facts.has_duration = true,
      .facts.duration_s = 61.5,
      .facts.has_tokens = true,
      .facts.has_credits = true,
      .facts.has_percent = true,
      .history.processing_since_s = NOW - 4,
      .history.ended_s = NOW - 3,
      .facts.expires_at_s = 253402300799,
      .history.notified_s = NOW - 1,
      .facts.tokens = 0.1,
      .facts.credits = 1e15,
      .facts.percent = 99.5,
      .history.stalled = true,
      .history.flags = FC_PAST_SILENT | FC_PAST_FORGOTTEN,
      .outbox = outbox_make(FC_EVENT_BIT(FC_EVENT_FAILED),
                            FC_EVENT_BIT(FC_EVENT_STALLED) |
                                FC_EVENT_BIT(FC_EVENT_LOST)),
  };
  struct fc_store *store = must_open();
  put(store, "prod", &record, NOW);
  fc_store_close(store, true);
  store = must_open();
  struct loaded loaded = load(store, "prod", 0);
  ck_assert_uint_eq(loaded.count, 1);
  loaded.last.id = loaded.ids[0];
  loaded.last.name = loaded.name;
  loaded.last.error = loaded.error;
  assert_same(&loaded.last, &record);
  fc_store_close(store, true);
}
END_TEST

START_TEST(what_a_job_does_not_have_comes_back_as_absent) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  record.facts.has_tokens = true;
  record.facts.tokens = NAN;
  record.facts.has_percent = true;
  record.facts.percent = INFINITY;
  put(store, "prod", &record, NOW);
  struct loaded loaded = load(store, "prod", 0);
  const struct fc_job_record *last = &loaded.last;
  ck_assert_str_eq(loaded.error, "NULL");
  ck_assert_int_eq(last->facts.status, FC_STATUS_NONE);
  ck_assert(!last->history.has_processing_since && !last->history.has_ended);
  ck_assert(!last->facts.has_expires_at && !last->history.has_notified);
  ck_assert(!last->facts.has_tokens && !last->facts.has_credits &&
            !last->facts.has_percent);
  ck_assert(!last->history.stalled);
  ck_assert_uint_eq(
      outbox_pending(&last->outbox) | outbox_delivered(&last->outbox), 0);
  fc_store_close(store, true);
}
END_TEST

START_TEST(every_status_and_kind_comes_back) {
  struct fc_store *store = must_open();
  for (int status = FC_STATUS_NONE; status < FC_STATUS_COUNT; status++)
    for (int kind = 0; kind < FC_KIND_COUNT; kind++) {
      struct fc_job_record record = job_make("a");
      record.facts.status = (int8_t)status;
      record.history.kind = (uint8_t)kind;
      put(store, "prod", &record, NOW);
      struct loaded loaded = load(store, "prod", 0);
      ck_assert_int_eq(loaded.last.facts.status, status);
      ck_assert_int_eq(loaded.last.history.kind, kind);
    }
  fc_store_close(store, true);
}
END_TEST

START_TEST(jobs_come_back_in_the_order_in_which_they_were_added) {
  static const char *const ids[] = {"zebra", "ant", "mule", "bee"};
  struct fc_store *store = must_open();
  for (size_t i = 0; i < COUNT_OF(ids); i++) {
    struct fc_job_record record = job_make(ids[i]);
    put(store, "prod", &record, NOW);
  }
  struct fc_job_record again = job_make("zebra");
  again.facts.status = FC_STATUS_COMPLETED;
  put(store, "prod", &again, NOW + 1);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_delete_job(store, "prod", "ant"), FC_OK);
  ck_assert_int_eq(fc_store_delete_job(store, "prod", "never-there"), FC_OK);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  struct fc_job_record back = job_make("ant");
  put(store, "prod", &back, NOW + 2);
  struct loaded loaded = load(store, "prod", 0);
  ck_assert_uint_eq(loaded.count, 4);
  ck_assert_str_eq(loaded.ids[0], "zebra");
  ck_assert_str_eq(loaded.ids[1], "mule");
  ck_assert_str_eq(loaded.ids[2], "bee");
  ck_assert_str_eq(loaded.ids[3], "ant");
  fc_store_close(store, true);
}
END_TEST

START_TEST(instances_do_not_see_each_other) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("same");
  record.outbox = outbox_make(FC_EVENT_BIT(FC_EVENT_FAILED), 0);
  put(store, "a", &record, NOW);
  record.outbox = outbox_make(0, 0);
  put(store, "b", &record, NOW);
  ck_assert_uint_eq(load(store, "c", 0).count, 0);
  ck_assert_uint_eq(pending_of(store, "b"), 0);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_delete_job(store, "b", "same"), FC_OK);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  ck_assert_uint_eq(load(store, "b", 0).count, 0);
  ck_assert_uint_eq(pending_of(store, "a"), FC_EVENT_BIT(FC_EVENT_FAILED));
  fc_store_close(store, true);
}
END_TEST

static const struct {
  unsigned pending, delivered; /* put at NOW + 1, after pending = failed */
  unsigned loads, loads_more;  /* pending and handed as they come back */
  int64_t time;                /* of the row "failed"; -1: none */
} notifications[] = {
    {FC_EVENT_BIT(FC_EVENT_FAILED), 0, FC_EVENT_BIT(FC_EVENT_FAILED), 0, NOW},
    {0, FC_EVENT_BIT(FC_EVENT_FAILED), 0, FC_EVENT_BIT(FC_EVENT_FAILED),
     NOW + 1},
    {FC_EVENT_BIT(FC_EVENT_FAILED), FC_EVENT_BIT(FC_EVENT_FAILED),
     FC_EVENT_BIT(FC_EVENT_FAILED), 0, NOW},
    {0, 0, 0, 0, -1},
    {FC_EVENT_BIT(FC_EVENT_LOST), 0, FC_EVENT_BIT(FC_EVENT_LOST), 0, -1},
    {0, (1U << FC_EVENT_JOB_COUNT) - 1, 0, (1U << FC_EVENT_JOB_COUNT) - 1,
     NOW + 1},
};

START_TEST(notifications_follow_the_record) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  record.outbox = outbox_make(FC_EVENT_BIT(FC_EVENT_FAILED), 0);
  put(store, "prod", &record, NOW);
  record.outbox =
      outbox_make(notifications[_i].pending, notifications[_i].delivered);
  put(store, "prod", &record, NOW + 1);
  struct loaded loaded = load(store, "prod", 0);
  ck_assert_uint_eq(outbox_pending(&loaded.last.outbox),
                    notifications[_i].loads);
  ck_assert_uint_eq(outbox_delivered(&loaded.last.outbox),
                    notifications[_i].loads_more);
  fc_store_close(store, true);
  ck_assert_int_eq(sql("SELECT time FROM notification WHERE event = 'failed'"),
                   notifications[_i].time);
}
END_TEST

START_TEST(a_deleted_job_takes_its_notifications_along) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  record.outbox = outbox_make(FC_EVENT_BIT(FC_EVENT_FAILED), 0);
  put(store, "prod", &record, NOW);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_delete_job(store, "prod", "a"), FC_OK);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  fc_store_close(store, true);
  ck_assert_int_eq(sql("SELECT count(*) FROM notification"), 0);
}
END_TEST

START_TEST(endpoints_come_back_as_they_were_put) {
  struct fc_endpoint_record found[FC_KIND_COUNT] = {{.kind = FC_KIND_COUNT}};
  struct fc_endpoint_record record = {.kind = FC_KIND_CRAWL,
                                      .sunset_reported_s = 1793750399,
                                      .last_warning_given = true};
  struct fc_store *store = must_open();
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_put_endpoint(store, "prod", &record), FC_OK);
  record.gone_reported = true;
  ck_assert_int_eq(fc_store_put_endpoint(store, "prod", &record), FC_OK);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  ck_assert_int_eq(fc_store_load_endpoints(store, "prod", endpoint_keep, found),
                   FC_OK);
  ck_assert_int_eq(found[FC_KIND_EXTRACT].kind, FC_KIND_COUNT);
  ck_assert_int_eq(found[FC_KIND_CRAWL].kind, FC_KIND_CRAWL);
  ck_assert_int_eq(found[FC_KIND_CRAWL].sunset_reported_s, 1793750399);
  ck_assert(found[FC_KIND_CRAWL].last_warning_given);
  ck_assert(found[FC_KIND_CRAWL].gone_reported);
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_rollback_leaves_nothing) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  fc_store_rollback(store);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_put_job(store, "prod", &record, NOW), FC_OK);
  fc_store_rollback(store);
  ck_assert_uint_eq(load(store, "prod", 0).count, 0);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_put_job(store, "prod", &record, NOW), FC_OK);
  fc_store_close(store, true);
  store = must_open();
  ck_assert(fc_store_was_clean(store));
  ck_assert_uint_eq(load(store, "prod", 0).count, 0);
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_record_without_an_id_is_refused_and_harms_nothing) {
  struct fc_store *store = must_open();
  struct fc_job_record good = job_make("a"), bad = job_make(NULL);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_put_job(store, "prod", &bad, NOW), FC_ERR_STATE);
  ck_assert_ptr_nonnull(strstr(fc_store_detail(store), "job"));
  ck_assert(!fc_store_is_corrupt(store));
  fc_store_rollback(store);
  put(store, "prod", &good, NOW);
  ck_assert_uint_eq(load(store, "prod", 0).count, 1);
  fc_store_close(store, true);
}
END_TEST

START_TEST(the_first_error_of_a_callback_ends_the_load) {
  struct loaded loaded = {.stop_after = 2};
  size_t skipped = 99;
  struct fc_store *store = must_open();
  put_many(store, 5);
  ck_assert_int_eq(fc_store_load_jobs(store, "prod", keep, &loaded, &skipped),
                   FC_ERR_LIMIT);
  ck_assert_uint_eq(loaded.count, 2);
  ck_assert_uint_eq(skipped, 99);
  ck_assert_uint_eq(load(store, "prod", 0).count, 5);
  fc_store_close(store, true);
}
END_TEST

static const char *const senseless[] = {
    "UPDATE job SET id = '../admin' WHERE number = 2",
    "UPDATE job SET id = '' WHERE number = 2",
    "UPDATE job SET kind = 'pizza' WHERE number = 2",
    "UPDATE job SET name = 'a b' WHERE number = 2",
    "UPDATE job SET status = 'invalid-word' WHERE number = 2",
    "UPDATE job SET previous = 'Failed' WHERE number = 2",
    "UPDATE job SET first_seen = 9223372036854775807 WHERE number = 2",
    "UPDATE job SET ended = -9223372036854775807 WHERE number = 2",
    "UPDATE job SET sources = -1 WHERE number = 2",
    "UPDATE job SET stalled = 2 WHERE number = 2",
    "UPDATE job SET percent = 9e999 WHERE number = 2",
    "UPDATE job SET name = x'00' WHERE number = 2",
};

START_TEST(a_row_that_makes_no_sense_is_skipped_and_counted) {
  populate(3);
  (void)sql(senseless[_i]);
  struct fc_store *store = must_open();
  struct loaded loaded = load(store, "prod", 1);
  ck_assert_uint_eq(loaded.count, 2);
  fc_store_close(store, true);
}
END_TEST

START_TEST(an_error_text_of_others_comes_back_as_one_safe_line) {
  populate(1);
  (void)sql("UPDATE job SET error = ' a' || char(10) || 'PluginInstance: b' || "
            "char(27) || '[2J' || CAST(x'ff' AS TEXT)");
  struct fc_store *store = must_open();
  ck_assert_str_eq(load(store, "prod", 0).error, "a PluginInstance: b [2J?");
  (void)sql("UPDATE job SET error = printf('%.*c', 100000, 'x')");
  ck_assert_uint_eq(strlen(load(store, "prod", 0).error),
                    FC_ERROR_TEXT_SIZE - 1);
  fc_store_close(store, true);
}
END_TEST

START_TEST(an_unknown_event_is_passed_over) {
  populate(1);
  (void)sql("UPDATE notification SET event = 'eclipse'");
  struct fc_store *store = must_open();
  struct loaded loaded = load(store, "prod", 0);
  ck_assert_uint_eq(outbox_pending(&loaded.last.outbox) |
                        outbox_delivered(&loaded.last.outbox),
                    0);
  fc_store_close(store, true);
}
END_TEST

START_TEST(only_a_close_in_good_order_is_clean) {
  fc_store_close(must_open(), true);
  struct fc_store *store = must_open();
  ck_assert(fc_store_was_clean(store));
  fc_store_close(store, false);
  store = must_open();
  ck_assert(!fc_store_was_clean(store));
  fc_store_close(store, true);
  store = must_open();
  ck_assert(fc_store_was_clean(store));
  fc_store_close(store, true);
  ck_assert(!file_exists(beside("-wal")));
  fc_store_close(NULL, true);
}
END_TEST

/* Commits one job after the other and tells each number once it is durable. */
static void commit_for_ever(int out) {
  struct fc_store *store;
  char id[16];
  if (fc_store_open(&store, path, FC_STORE_CHECK_MAX, NOW, &problem, detail,
                    sizeof(detail)))
    _exit(1);
  for (uint32_t i = 0;; i++) {
    (void)snprintf(id, sizeof(id), "job-%u", i);
    struct fc_job_record record = job_make(id);
    if (fc_store_begin(store) ||
        fc_store_put_job(store, "prod", &record, NOW) || fc_store_commit(store))
      _exit(2);
    if (write(out, &i, sizeof(i)) != sizeof(i))
      _exit(3);
  }
}

START_TEST(a_killed_process_loses_nothing_that_was_committed) {
  uint32_t number = 0, wanted = (uint32_t)(_i * 7) % 40;
  int ends[2], status;
  ck_assert_int_eq(pipe(ends), 0);
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0)
    commit_for_ever(ends[1]);
  (void)close(ends[1]);
  while (number < wanted)
    ck_assert_int_eq(read(ends[0], &number, sizeof(number)), sizeof(number));
  ck_assert_int_eq(kill(pid, SIGKILL), 0);
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert(WIFSIGNALED(status));
  while (read(ends[0], &number, sizeof(number)) == sizeof(number))
    ;
  (void)close(ends[0]);
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_FINE);
  if (wanted) {
    ck_assert(!fc_store_was_clean(store));
    ck_assert_uint_ge(load(store, "prod", 0).count, number + 1);
  }
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_second_daemon_finds_the_file_locked) {
  struct fc_store *store = must_open();
  put_many(store, 1);
  must_fail(FC_STATEFILE_LOCKED);
  pid_t pid = fork();
  if (pid == 0) {
    struct fc_store *other;
    enum fc_error error = fc_store_open(&other, path, FC_STORE_CHECK_MAX, NOW,
                                        &problem, detail, sizeof(detail));
    _exit(error == FC_ERR_STATE && problem == FC_STATEFILE_LOCKED ? 0 : 1);
  }
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
  put_many(store, 2);
  fc_store_close(store, true);
  store = must_open();
  ck_assert_uint_eq(load(store, "prod", 0).count, 2);
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_reader_works_beside_the_daemon) {
  struct fc_store *store = must_open();
  sqlite3 *db;
  sqlite3_stmt *statement;
  put_many(store, 2);
  ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(
      sqlite3_prepare_v2(db, "SELECT id FROM job", -1, &statement, NULL),
      SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
  put_many(store, 100);
  ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
  ck_assert_int_eq(sqlite3_step(statement), SQLITE_DONE);
  fc_store_close(store, true);
  (void)sqlite3_finalize(statement);
  (void)sqlite3_close(db);
  store = must_open();
  ck_assert(fc_store_was_clean(store));
  ck_assert_uint_eq(load(store, "prod", 0).count, 100);
  fc_store_close(store, true);
}
END_TEST

/* What was listed: "INSTANCE/ID ..." */
struct listed {
  char text[256];
  size_t used;
  size_t stop_after;
};

static enum fc_error listed_keep(const char *instance,
                                 const struct fc_job_record *record,
                                 void *data) {
  struct listed *listed = data;
  fc_text_append(listed->text, sizeof(listed->text), &listed->used, "%s/%s ",
                 instance, record->id);
  return --listed->stop_after == 0 ? FC_ERR_LIMIT : FC_OK;
}

static enum fc_error try_list(struct listed *listed, size_t *skipped) {
  memset(detail, 'x', sizeof(detail));
  enum fc_error error =
      fc_store_list(path, listed_keep, listed, skipped, detail, sizeof(detail));
  ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof(detail)));
  return error;
}

static void assert_listed(const char *expected, size_t expected_skipped) {
  struct listed listed = {.used = 0};
  size_t skipped = 99;
  enum fc_error error = try_list(&listed, &skipped);
  ck_assert_msg(error == FC_OK, "%s", detail);
  ck_assert_str_eq(listed.text, expected);
  ck_assert_uint_eq(skipped, expected_skipped);
}

static void assert_no_list(enum fc_error expected, const char *words) {
  struct listed listed = {.used = 0};
  size_t skipped = 99;
  ck_assert_int_eq(try_list(&listed, &skipped), expected);
  ck_assert_msg(strstr(detail, words) != NULL, "%s", detail);
  ck_assert_uint_eq(listed.used, 0);
  ck_assert_uint_eq(skipped, 99);
}

static void put_three(struct fc_store *store) {
  struct fc_job_record first = job_make("first"), second = job_make("second");
  put(store, "prod", &second, NOW);
  put(store, "dev", &second, NOW);
  put(store, "prod", &first, NOW);
}

#define ALL_THREE "dev/second prod/second prod/first "

START_TEST(a_list_is_read_beside_the_daemon) {
  struct fc_store *store = must_open();
  assert_listed("", 0);
  put_three(store);
  assert_listed(ALL_THREE, 0);
  struct fc_job_record third = job_make("third");
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_put_job(store, "prod", &third, NOW), FC_OK);
  assert_listed(ALL_THREE, 0);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  assert_listed(ALL_THREE "prod/third ", 0);
  fc_store_close(store, true);
  store = must_open();
  ck_assert(fc_store_was_clean(store));
  fc_store_close(store, true);
}
END_TEST

static const char *const in_place[] = {"", "-wal", "-shm", "-lock"};

START_TEST(a_store_knows_whether_its_files_are_in_place) {
  char moved[PATH_MAX + 96];
  struct fc_store *store = must_open();
  ck_assert(fc_store_is_in_place(store));
  put_three(store);
  assert_listed(ALL_THREE, 0);
  ck_assert(fc_store_is_in_place(store));
  (void)snprintf(moved, sizeof(moved), "%s", beside("-moved"));
  ck_assert_int_eq(rename(beside(in_place[_i]), moved), 0);
  ck_assert(!fc_store_is_in_place(store));
  ck_assert_int_eq(rename(moved, beside(in_place[_i])), 0);
  ck_assert(fc_store_is_in_place(store));
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_list_of_a_closed_file_changes_nothing) {
  static const char *const beside_it[] = {"-wal", "-shm", "-journal"};
  struct fc_store *store = must_open();
  put_three(store);
  fc_store_close(store, true);
  ck_assert_int_eq(unlink(beside("-lock")), 0);
  struct bytes before = file_read(path);
  assert_listed(ALL_THREE, 0);
  assert_file_is(path, &before);
  ck_assert(!file_exists(beside("-lock")));
  for (size_t i = 0; i < COUNT_OF(beside_it); i++)
    ck_assert(!file_exists(beside(beside_it[i])));
  free(before.data);
}
END_TEST

START_TEST(a_list_shows_what_a_crash_left_in_the_log) {
  int status;
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    put_three(must_open());
    _exit(0);
  }
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
  ck_assert(file_exists(beside("-wal")));
  assert_listed(ALL_THREE, 0);
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_FINE);
  ck_assert(!fc_store_was_clean(store));
  ck_assert_uint_eq(load(store, "prod", 0).count, 2);
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_list_takes_a_path_of_any_bytes) {
  (void)snprintf(path, sizeof(path), "%.*s/a?b#c%%41 d\xc3\xa4&x=y",
                 PATH_MAX - 32, folder);
  struct fc_store *store = must_open();
  put_three(store);
  assert_listed(ALL_THREE, 0);
  fc_store_close(store, true);
  assert_listed(ALL_THREE, 0);
}
END_TEST

START_TEST(a_list_skips_and_counts_rows_that_make_no_sense) {
  struct fc_store *store = must_open();
  put_three(store);
  fc_store_close(store, true);
  (void)sql("UPDATE job SET kind = 'x' WHERE id = 'first';"
            "UPDATE job SET instance = 'a b' WHERE instance = 'dev'");
  assert_listed("prod/second ", 2);
}
END_TEST

START_TEST(the_first_error_of_a_callback_ends_the_list) {
  struct listed listed = {.stop_after = 2};
  size_t skipped = 99;
  struct fc_store *store = must_open();
  put_three(store);
  ck_assert_int_eq(try_list(&listed, &skipped), FC_ERR_LIMIT);
  ck_assert_str_eq(listed.text, "dev/second prod/second ");
  ck_assert_uint_eq(skipped, 99);
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_file_of_an_older_version_is_not_listed) {
  old_file_make();
  struct bytes before = file_read(path);
  assert_no_list(FC_ERR_STATE, "older version");
  assert_file_is(path, &before);
  free(before.data);
}
END_TEST

START_TEST(what_cannot_be_listed_is_told) {
  assert_no_list(FC_ERR_NOT_FOUND, "No such file");
  ck_assert_str_eq(detail, strerror(ENOENT));
  ck_assert(!file_exists(path));
  file_write(path, "", 0);
  assert_listed("", 0);
  file_write(path, "no database, but longer than its header would be", 48);
  assert_no_list(FC_ERR_STATE, "not a database");
  ck_assert_int_eq(unlink(path), 0);
  (void)sql("CREATE TABLE job (id); PRAGMA application_id = 7");
  assert_no_list(FC_ERR_STATE, "another application");
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  assert_no_list(FC_ERR_STATE, "regular");
}
END_TEST

static const char *const strangers[] = {
    "PRAGMA application_id = 1",
    "PRAGMA application_id = 0",
    "PRAGMA user_version = 3",
    "PRAGMA user_version = -1",
    "PRAGMA user_version = 3; DROP TABLE job",
};

START_TEST(a_file_of_others_or_of_a_newer_version_keeps_every_byte) {
  populate(3);
  (void)sql(strangers[_i]);
  ck_assert_int_eq(chmod(path, 0644), 0);
  struct bytes before = file_read(path);
  must_fail(FC_STATEFILE_FOREIGN);
  assert_file_is(path, &before);
  free(before.data);
  ck_assert_uint_eq(file_mode(path), 0644);
  ck_assert(!file_exists(beside("-wal")) && !file_exists(beside("-shm")));
}
END_TEST

START_TEST(a_newer_version_that_only_its_log_shows_keeps_every_byte) {
  populate(3);
  pid_t pid = fork();
  if (pid == 0) {
    sqlite3 *db;
    _exit(sqlite3_open(path, &db) ||
          sqlite3_exec(db, "PRAGMA user_version = 7", NULL, NULL, NULL));
  }
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
  struct bytes before = file_read(path), log = file_read(beside("-wal"));
  ck_assert_uint_gt(log.len, 0);
  must_fail(FC_STATEFILE_FOREIGN);
  assert_file_is(path, &before);
  assert_file_is(beside("-wal"), &log);
  free(before.data);
  free(log.data);
}
END_TEST

/* Opens a damaged file: whatever the damage, there is a store that works
 * afterwards, and nothing was thrown away. True when it was set aside. */
static bool damage_survived(const struct bytes *damaged) {
  struct loaded loaded = {.count = 0};
  size_t skipped;
  file_write(path, damaged->data, damaged->len);
  struct fc_store *store = NULL;
  enum fc_error error = try_open(&store);
  if (error && problem == FC_STATEFILE_FOREIGN) {
    assert_file_is(path, damaged);
    return false;
  }
  ck_assert_msg(error == FC_OK, "%s", detail);
  ck_assert_msg(fc_store_load_jobs(store, "prod", keep, &loaded, &skipped) ==
                    FC_OK,
                "%s", fc_store_detail(store));
  if (problem == FC_STATEFILE_SET_ASIDE) {
    assert_file_is(beside(kept_suffix("")), damaged);
    ck_assert_uint_eq(loaded.count, 0);
    ck_assert(!fc_store_was_clean(store));
  }
  put_many(store, 1);
  fc_store_close(store, true);
  return problem == FC_STATEFILE_SET_ASIDE;
}

START_TEST(a_file_cut_short_is_set_aside) {
  populate(100);
  struct bytes whole = file_read(path);
  for (size_t len = 0; len < whole.len; len += 512) {
    struct bytes cut = {.len = len, .data = whole.data};
    parts_remove();
    ck_assert_msg(damage_survived(&cut) == (len > 0), "%zu: %s", len, detail);
  }
  free(whole.data);
}
END_TEST

START_TEST(a_header_with_any_byte_changed_is_survived) {
  size_t aside = 0;
  populate(100);
  struct bytes whole = file_read(path);
  for (size_t i = 0; i < 100; i++) {
    unsigned char before = whole.data[i];
    for (unsigned flip = 1; flip < 256; flip = flip == 1 ? 0x80 : 0x1ff) {
      parts_remove();
      whole.data[i] = (unsigned char)(before ^ flip);
      aside += damage_survived(&whole);
    }
    whole.data[i] = before;
  }
  free(whole.data);
  printf("header: %zu of 200 changes set aside\n", aside);
}
END_TEST

START_TEST(a_page_with_a_byte_changed_is_survived) {
  size_t aside = 0, tried = 0;
  populate(100);
  struct bytes whole = file_read(path);
  srand(1);
  for (size_t page = 0; page < whole.len / PAGE; page++)
    for (int i = 0; i < 16; i++, tried++) {
      size_t at = page * PAGE + (i < 8 ? (page ? 0U : 100U) + (size_t)i
                                       : (size_t)rand() % PAGE);
      parts_remove();
      whole.data[at] ^= 0x55;
      aside += damage_survived(&whole);
      whole.data[at] ^= 0x55;
    }
  free(whole.data);
  ck_assert_uint_gt(aside, 0);
  printf("pages: %zu of %zu changes set aside\n", aside, tried);
}
END_TEST

START_TEST(garbage_is_set_aside) {
  unsigned char garbage[3 * PAGE];
  struct bytes bytes = {.len = sizeof(garbage), .data = garbage};
  srand((unsigned)_i);
  for (size_t i = 0; i < sizeof(garbage); i++)
    garbage[i] = (unsigned char)rand();
  if (_i == 1)
    bytes.len = 1;
  if (_i == 2) /* nothing but the header is right */
    memcpy(garbage, "SQLite format 3\0\x10\0\2\2\0\x40\x20\x20\0\0\0\1\0\0\0\3",
           32);
  if (_i == 2)
    memcpy(garbage + 60, "\0\0\0\1\0\0\0\0FCrw", 12);
  ck_assert(damage_survived(&bytes));
}
END_TEST

START_TEST(an_empty_file_is_a_fresh_one) {
  file_write(path, "", 0);
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_FINE);
  put_many(store, 2);
  fc_store_close(store, true);
  ck_assert_int_eq(sql("SELECT count(*) FROM job"), 2);
}
END_TEST

static const char *const schemas[] = {
    "DROP TABLE meta",
    "DROP TABLE notification",
    "ALTER TABLE job DROP COLUMN percent",
    "ALTER TABLE endpoint RENAME TO end_point",
    "PRAGMA user_version = 0",
    "PRAGMA writable_schema = ON;"
    "UPDATE sqlite_schema SET sql = 'CREATE TABLE job (' WHERE name = 'job'",
    "PRAGMA ignore_check_constraints = ON;"
    "UPDATE notification SET state = 'lost'",
};

START_TEST(a_file_with_another_schema_is_set_aside) {
  populate(3);
  (void)sql(schemas[_i]);
  struct bytes bytes = file_read(path);
  ck_assert_msg(damage_survived(&bytes), "%s", detail);
  free(bytes.data);
}
END_TEST

START_TEST(triggers_and_views_of_the_file_do_not_run) {
  populate(1);
  (void)sql("CREATE TRIGGER t AFTER UPDATE ON meta BEGIN"
            " DELETE FROM job; END;"
            "CREATE TRIGGER u AFTER INSERT ON job BEGIN"
            " DELETE FROM job; END");
  struct fc_store *store = must_open();
  put_many(store, 5);
  ck_assert_uint_eq(load(store, "prod", 0).count, 5);
  fc_store_close(store, true);
}
END_TEST

START_TEST(a_log_without_its_file_is_set_aside) {
  if (_i)
    file_write(path, "", 0);
  file_write(beside("-wal"), "log", 3);
  file_write(beside("-shm"), "shm", 3);
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_SET_ASIDE);
  put_many(store, 1);
  fc_store_close(store, true);
  ck_assert(file_exists(beside(kept_suffix("-wal"))));
  ck_assert(file_exists(beside(kept_suffix("-shm"))));
}
END_TEST

START_TEST(garbage_beside_a_good_file_does_no_harm) {
  static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
  char garbage[40000];
  memset(garbage, 0x5a, sizeof(garbage));
  populate(20);
  file_write(beside(suffixes[_i]), garbage, sizeof(garbage));
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_FINE);
  ck_assert_uint_eq(load(store, "prod", 0).count, 20);
  put_many(store, 21);
  fc_store_close(store, true);
}
END_TEST

/* What a power loss leaves of a file that was being made has a journal that can
 * take it back (t/state/check_crash.c). This one cannot. */
START_TEST(a_file_of_zeros_is_damaged_whatever_lies_beside_it) {
  static const char zeros[8192];
  char garbage[4000];
  memset(garbage, 0x5a, sizeof(garbage));
  file_write(path, zeros, sizeof(zeros));
  if (_i)
    file_write(beside("-journal"), garbage, sizeof(garbage));
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_SET_ASIDE);
  ck_assert(file_exists(beside(kept_suffix(""))));
  put_many(store, 1);
  fc_store_close(store, true);
}
END_TEST

START_TEST(the_log_of_another_database_is_survived) {
  populate(100);
  struct bytes older = file_read(path);
  parts_remove();
  struct fc_store *store = must_open();
  put_many(store, 500);
  struct bytes log = file_read(beside("-wal"));
  fc_store_close(store, true);
  parts_remove();
  file_write(beside("-wal"), log.data, log.len);
  file_write(path, older.data, older.len);
  store = must_open();
  put_many(store, 1);
  fc_store_close(store, true);
  free(older.data);
  free(log.data);
}
END_TEST

START_TEST(damage_that_shows_while_running_is_told_apart) {
  struct loaded loaded = {.count = 0};
  size_t skipped;
  populate(5000);
  struct bytes whole = file_read(path);
  struct fc_store *store = must_open();
  memset(whole.data + PAGE, 0xff, whole.len - PAGE);
  pid_t pid = fork();
  if (pid == 0) {
    file_write(path, whole.data, whole.len);
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
  ck_assert_int_eq(fc_store_load_jobs(store, "prod", keep, &loaded, &skipped),
                   FC_ERR_STATE);
  ck_assert(fc_store_is_corrupt(store));
  ck_assert_str_ne(fc_store_detail(store), "");
  fc_store_close(store, true);
  store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_SET_ASIDE);
  fc_store_close(store, true);
  free(whole.data);
}
END_TEST

START_TEST(damage_beyond_the_limit_is_found_by_a_check_without_one) {
  struct loaded loaded = {.count = 0};
  size_t skipped;
  populate(100);
  int64_t page = sql("SELECT rootpage FROM sqlite_schema WHERE name = 'job'");
  struct bytes whole = file_read(path);
  memset(whole.data + (page - 1) * PAGE, 0xff, PAGE);
  file_write(path, whole.data, whole.len);
  check_max = (int64_t)whole.len - 1;
  struct fc_store *store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_FINE);
  ck_assert_int_eq(fc_store_load_jobs(store, "prod", keep, &loaded, &skipped),
                   FC_ERR_STATE);
  ck_assert(fc_store_is_corrupt(store));
  fc_store_close(store, false);
  check_max = _i ? (int64_t)whole.len : INT64_MAX;
  store = must_open();
  ck_assert_int_eq(problem, FC_STATEFILE_SET_ASIDE);
  ck_assert(!fc_store_is_corrupt(store));
  fc_store_close(store, true);
  check_max = FC_STORE_CHECK_MAX;
  free(whole.data);
}
END_TEST

static bool small_disk_mount(const char *options) {
  if (unshare(CLONE_NEWNS) ||
      mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
      mount("tmpfs", folder, "tmpfs", 0, options)) {
    printf("skipped: no file system can be mounted here (%s)\n",
           strerror(errno));
    return false;
  }
  return true;
}

/* Takes all the space that is left. */
static void ballast_make(const char *name) {
  char block[PAGE] = {0};
  int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  while (write(fd, block, sizeof(block)) > 0)
    ;
  ck_assert_int_eq(close(fd), 0);
}

START_TEST(a_full_disk_fails_the_transaction_and_nothing_else) {
  char ballast[PATH_MAX + 32];
  struct fc_job_record record = job_make("first");
  enum fc_error error = FC_OK;
  if (!small_disk_mount("size=512k"))
    return;
  (void)snprintf(ballast, sizeof(ballast), "%s/ballast", folder);
  struct fc_store *store = must_open();
  put(store, "prod", &record, NOW);
  ballast_make(ballast);
  for (int i = 0; i < 1000 && !error; i++) {
    char id[32];
    (void)snprintf(id, sizeof(id), "job-%d", i);
    record = job_make(id);
    error = fc_store_begin(store);
    if (!error)
      error = fc_store_put_job(store, "full", &record, NOW);
    if (!error)
      error = fc_store_commit(store);
  }
  ck_assert_int_eq(error, FC_ERR_STATE);
  ck_assert_msg(strstr(fc_store_detail(store), "full") ||
                    strstr(fc_store_detail(store), "space"),
                "%s", fc_store_detail(store));
  ck_assert(!fc_store_is_corrupt(store));
  fc_store_rollback(store);
  ck_assert_uint_eq(load(store, "prod", 0).count, 1);
  ck_assert_int_eq(unlink(ballast), 0);
  record = job_make("second");
  put(store, "prod", &record, NOW);
  fc_store_close(store, true);
  store = must_open();
  ck_assert(fc_store_was_clean(store));
  ck_assert_uint_eq(load(store, "prod", 0).count, 2);
  fc_store_close(store, true);
  (void)umount(folder);
}
END_TEST

START_TEST(a_disk_too_small_for_a_new_file_is_told) {
  static const char *const options[] = {"size=4k", "size=16k", "nr_inodes=2",
                                        "nr_inodes=3", "nr_inodes=4"};
  if (!small_disk_mount(options[_i]))
    return;
  must_fail(FC_STATEFILE_IO);
  (void)umount(folder);
}
END_TEST

START_TEST(a_read_only_file_system_is_told) {
  populate(1);
  if (unshare(CLONE_NEWNS) ||
      mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
      mount(folder, folder, "none", MS_BIND, "") ||
      mount("none", folder, "none", MS_REMOUNT | MS_BIND | MS_RDONLY, "")) {
    printf("skipped: no file system can be mounted here (%s)\n",
           strerror(errno));
    return;
  }
  must_fail(FC_STATEFILE_IO);
  ck_assert_ptr_nonnull(strstr(detail, "ead-only"));
  (void)umount(folder);
}
END_TEST

START_TEST(many_jobs_are_quickly_stored_and_opened) {
  struct timespec start;
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  struct fc_store *store = must_open();
  printf("open, new: %.1f ms\n", 1e3 * seconds_since(&start));
  fc_store_close(store, true);
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  store = must_open();
  printf("open, empty: %.1f ms\n", 1e3 * seconds_since(&start));
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  put_many(store, 10000);
  printf("put 10000: %.0f ms\n", 1e3 * seconds_since(&start));
  fc_store_close(store, true);
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  store = must_open();
  printf("open, 10000: %.1f ms\n", 1e3 * seconds_since(&start));
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  ck_assert_uint_eq(load(store, "prod", 0).count, 10000);
  printf("load 10000: %.1f ms\n", 1e3 * seconds_since(&start));
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  put_many(store, 100000);
  printf("put 100000: %.0f ms\n", 1e3 * seconds_since(&start));
  ck_assert_uint_eq(load(store, "prod", 0).count, 100000);
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  for (int i = 0; i < 100; i++) {
    struct fc_job_record record = job_make("a");
    record.history.first_seen_s = NOW + i;
    put(store, "prod", &record, NOW);
  }
  printf("commit: %.2f ms\n", 1e1 * seconds_since(&start));
  fc_store_close(store, true);
}
END_TEST

START_TEST(the_library_says_its_version) {
  ck_assert_str_eq(fc_store_library_version(), sqlite3_libversion());
}
END_TEST

static void add_loop(TCase *tests, const TTest *test, size_t count) {
  tcase_add_loop_test(tests, test, 0, (int)count);
}

static TCase *case_make(Suite *suite, const char *name, double timeout) {
  TCase *tests = tcase_create(name);
  tcase_add_checked_fixture(tests, folder_make, folder_remove);
  tcase_set_timeout(tests, timeout);
  suite_add_tcase(suite, tests);
  return tests;
}

static void add_contents(Suite *suite) {
  TCase *tests = case_make(suite, "contents", 60);
  add_loop(tests, a_new_file_is_private_whatever_the_umask, COUNT_OF(umasks));
  tcase_add_test(tests, the_file_says_what_it_is);
  tcase_add_test(tests, a_file_of_november_2026_is_taken_over);
  tcase_add_test(tests, an_old_file_gets_the_columns_of_a_new_one);
  tcase_add_test(tests, an_event_comes_back_with_its_moment_and_its_round);
  tcase_add_test(tests, a_job_comes_back_as_it_was_put);
  tcase_add_test(tests, what_a_job_does_not_have_comes_back_as_absent);
  tcase_add_test(tests, every_status_and_kind_comes_back);
  tcase_add_test(tests, jobs_come_back_in_the_order_in_which_they_were_added);
  tcase_add_test(tests, instances_do_not_see_each_other);
  add_loop(tests, notifications_follow_the_record, COUNT_OF(notifications));
  tcase_add_test(tests, a_deleted_job_takes_its_notifications_along);
  tcase_add_test(tests, endpoints_come_back_as_they_were_put);
  tcase_add_test(tests, a_rollback_leaves_nothing);
  tcase_add_test(tests, a_record_without_an_id_is_refused_and_harms_nothing);
  tcase_add_test(tests, the_first_error_of_a_callback_ends_the_load);
  add_loop(tests, a_row_that_makes_no_sense_is_skipped_and_counted,
           COUNT_OF(senseless));
  tcase_add_test(tests, an_error_text_of_others_comes_back_as_one_safe_line);
  tcase_add_test(tests, an_unknown_event_is_passed_over);
  tcase_add_test(tests, the_library_says_its_version);
}

static void add_company(Suite *suite) {
  TCase *tests = case_make(suite, "crashes and company", 60);
  tcase_add_test(tests, only_a_close_in_good_order_is_clean);
  add_loop(tests, a_killed_process_loses_nothing_that_was_committed, 20);
  tcase_add_test(tests, a_second_daemon_finds_the_file_locked);
  tcase_add_test(tests, a_reader_works_beside_the_daemon);
  tcase_add_test(tests, a_list_is_read_beside_the_daemon);
  add_loop(tests, a_store_knows_whether_its_files_are_in_place,
           COUNT_OF(in_place));
  tcase_add_test(tests, a_list_of_a_closed_file_changes_nothing);
  tcase_add_test(tests, a_list_shows_what_a_crash_left_in_the_log);
  tcase_add_test(tests, a_list_takes_a_path_of_any_bytes);
  tcase_add_test(tests, a_list_skips_and_counts_rows_that_make_no_sense);
  tcase_add_test(tests, the_first_error_of_a_callback_ends_the_list);
  tcase_add_test(tests, a_file_of_an_older_version_is_not_listed);
  tcase_add_test(tests, what_cannot_be_listed_is_told);
  add_loop(tests, a_file_of_others_or_of_a_newer_version_keeps_every_byte,
           COUNT_OF(strangers));
  tcase_add_test(tests,
                 a_newer_version_that_only_its_log_shows_keeps_every_byte);
}

static void add_damage(Suite *suite) {
  TCase *tests = case_make(suite, "damage", 300);
  tcase_add_test(tests, a_file_cut_short_is_set_aside);
  tcase_add_test(tests, a_header_with_any_byte_changed_is_survived);
  tcase_add_test(tests, a_page_with_a_byte_changed_is_survived);
  add_loop(tests, garbage_is_set_aside, 3);
  tcase_add_test(tests, an_empty_file_is_a_fresh_one);
  add_loop(tests, a_file_with_another_schema_is_set_aside, COUNT_OF(schemas));
  tcase_add_test(tests, triggers_and_views_of_the_file_do_not_run);
  add_loop(tests, a_log_without_its_file_is_set_aside, 2);
  add_loop(tests, garbage_beside_a_good_file_does_no_harm, 3);
  tcase_add_loop_test(tests, a_file_of_zeros_is_damaged_whatever_lies_beside_it,
                      0, 2);
  tcase_add_test(tests, the_log_of_another_database_is_survived);
  tcase_add_test(tests, damage_that_shows_while_running_is_told_apart);
  add_loop(tests, damage_beyond_the_limit_is_found_by_a_check_without_one, 2);
}

static void add_places(Suite *suite) {
  TCase *tests = case_make(suite, "places", 60);
  tcase_add_test(tests, a_full_disk_fails_the_transaction_and_nothing_else);
  add_loop(tests, a_disk_too_small_for_a_new_file_is_told, 5);
  tcase_add_test(tests, a_read_only_file_system_is_told);
  tcase_add_test(tests, many_jobs_are_quickly_stored_and_opened);
}

int main(void) {
  Suite *suite = suite_create("store");
  add_contents(suite);
  add_company(suite);
  add_damage(suite);
  add_places(suite);
  return suite_run(suite);
}
