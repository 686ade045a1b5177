#include "src/state/store.h"

#include "src/base/text.h"

#include "t/fake/folder.h"
#include "t/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { NOW = 1764000000, NOBODY = 65534, PAGE = 4096 };

static char folder[PATH_MAX];
static char path[PATH_MAX + 16];
static enum fc_store_trouble trouble;
static char detail[FC_STORE_DETAIL_SIZE];

static const char *beside(const char *suffix) {
  static char name[PATH_MAX + 96];
  (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
  return name;
}

static void folder_make(void) {
  test_folder_make(folder, sizeof(folder), "store");
  ck_assert_int_eq(chmod(folder, 0755), 0);
  (void)snprintf(path, sizeof(path), "%s/state.db", folder);
}

static void folder_remove(void) { test_folder_remove(folder); }

static enum fc_error try_open(struct fc_store **store) {
  trouble = (enum fc_store_trouble)99;
  memset(detail, 'x', sizeof(detail));
  enum fc_error error =
      fc_store_open(store, path, NOW, &trouble, detail, sizeof(detail));
  ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof(detail)));
  return error;
}

static struct fc_store *must_open(void) {
  struct fc_store *store = NULL;
  enum fc_error error = try_open(&store);
  ck_assert_msg(error == FC_OK, "%s", detail);
  return store;
}

static void must_fail(enum fc_store_trouble expected) {
  struct fc_store *store = NULL;
  ck_assert_int_eq(try_open(&store), FC_ERR_STATE);
  ck_assert_ptr_null(store);
  ck_assert_msg(trouble == expected, "%d instead of %d: %s", (int)trouble,
                (int)expected, detail);
  ck_assert_str_ne(detail, "");
}

static struct fc_job_record job_make(const char *id) {
  return (struct fc_job_record){.id = id,
                                .name = id,
                                .kind = FC_KIND_EXTRACT,
                                .sources = FC_SOURCE_FILE,
                                .status = FC_STATUS_NONE,
                                .previous = FC_STATUS_NONE,
                                .first_seen_s = NOW};
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
    record.pending = i % 10 ? 0 : FC_EVENT_BIT(FC_EVENT_FAILED);
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

struct bytes {
  size_t len;
  unsigned char *data;
};

static struct bytes file_read(const char *name) {
  struct bytes bytes = {0};
  struct stat info;
  FILE *file = fopen(name, "rb");
  ck_assert_msg(file != NULL, "%s", name);
  ck_assert_int_eq(fstat(fileno(file), &info), 0);
  bytes.data = malloc((size_t)info.st_size + 1);
  ck_assert_ptr_nonnull(bytes.data);
  bytes.len = fread(bytes.data, 1, (size_t)info.st_size, file);
  ck_assert_uint_eq(bytes.len, (size_t)info.st_size);
  ck_assert_int_eq(fclose(file), 0);
  return bytes;
}

static void file_write(const char *name, const void *data, size_t len) {
  FILE *file = fopen(name, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, len, file), len);
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(chmod(name, 0600), 0);
}

static bool file_exists(const char *name) {
  struct stat info;
  return lstat(name, &info) == 0;
}

static mode_t file_mode(const char *name) {
  struct stat info;
  ck_assert_int_eq(lstat(name, &info), 0);
  return info.st_mode & 07777;
}

static void assert_file_is(const char *name, const struct bytes *expected) {
  struct bytes found = file_read(name);
  ck_assert_uint_eq(found.len, expected->len);
  ck_assert_mem_eq(found.data, expected->data, found.len);
  free(found.data);
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

static const char *kept_suffix(const char *more) {
  static char suffix[64];
  (void)snprintf(suffix, sizeof(suffix), ".corrupt-%d%s", NOW, more);
  return suffix;
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
  ck_assert_int_eq(trouble, FC_STORE_FINE);
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
  ck_assert_int_eq(sql("PRAGMA application_id"), FC_STORE_APPLICATION_ID);
  ck_assert_int_eq(sql("PRAGMA user_version"), FC_STORE_VERSION);
  ck_assert_int_eq(sql("SELECT count(*) FROM job"), 1);
  ck_assert_int_eq(sql("SELECT value FROM meta WHERE key = 'clean'"), 1);
}
END_TEST

START_TEST(a_job_comes_back_as_it_was_put) {
  struct fc_job_record record = {
      .id = "id-1",
      .name = "nightly.prices",
      .error = "caf\xc3\xa9 'quoted\"",
      .kind = FC_KIND_BATCH_SCRAPE,
      .sources = FC_SOURCE_FILE | FC_SOURCE_REGISTRATION,
      .status = FC_STATUS_FAILED,
      .previous = FC_STATUS_PROCESSING,
      .first_seen_s = NOW - 5,
      .has_processing_since = true,
      .has_ended = true,
      .has_expires_at = true,
      .has_notified = true,
      .has_tokens = true,
      .has_credits = true,
      .has_percent = true,
      .processing_since_s = NOW - 4,
      .ended_s = NOW - 3,
      .expires_at_s = 253402300799,
      .notified_s = NOW - 1,
      .tokens = 0.1,
      .credits = 1e15,
      .percent = 99.5,
      .stalled = true,
      .flags = FC_RECORD_SILENT | FC_RECORD_FORGOTTEN,
      .pending = FC_EVENT_BIT(FC_EVENT_FAILED),
      .handed = FC_EVENT_BIT(FC_EVENT_STALLED) | FC_EVENT_BIT(FC_EVENT_LOST),
  };
  struct fc_store *store = must_open();
  put(store, "prod", &record, NOW);
  fc_store_close(store, true);
  store = must_open();
  struct loaded loaded = load(store, "prod", 0);
  const struct fc_job_record *last = &loaded.last;
  ck_assert_uint_eq(loaded.count, 1);
  ck_assert_str_eq(loaded.ids[0], "id-1");
  ck_assert_str_eq(loaded.name, "nightly.prices");
  ck_assert_str_eq(loaded.error, record.error);
  ck_assert_int_eq(last->kind, FC_KIND_BATCH_SCRAPE);
  ck_assert_uint_eq(last->sources, record.sources);
  ck_assert_int_eq(last->status, FC_STATUS_FAILED);
  ck_assert_int_eq(last->previous, FC_STATUS_PROCESSING);
  ck_assert_int_eq(last->first_seen_s, NOW - 5);
  ck_assert(last->has_processing_since && last->has_ended);
  ck_assert(last->has_expires_at && last->has_notified);
  ck_assert(last->has_tokens && last->has_credits && last->has_percent);
  ck_assert_int_eq(last->processing_since_s, NOW - 4);
  ck_assert_int_eq(last->ended_s, NOW - 3);
  ck_assert_int_eq(last->expires_at_s, 253402300799);
  ck_assert_int_eq(last->notified_s, NOW - 1);
  ck_assert_double_eq(last->tokens, 0.1);
  ck_assert_double_eq(last->credits, 1e15);
  ck_assert_double_eq(last->percent, 99.5);
  ck_assert(last->stalled);
  ck_assert_uint_eq(last->flags, record.flags);
  ck_assert_uint_eq(last->pending, record.pending);
  ck_assert_uint_eq(last->handed, record.handed);
  fc_store_close(store, true);
}
END_TEST

START_TEST(what_a_job_does_not_have_comes_back_as_absent) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  record.has_tokens = true;
  record.tokens = NAN;
  record.has_percent = true;
  record.percent = INFINITY;
  put(store, "prod", &record, NOW);
  struct loaded loaded = load(store, "prod", 0);
  const struct fc_job_record *last = &loaded.last;
  ck_assert_str_eq(loaded.error, "NULL");
  ck_assert_int_eq(last->status, FC_STATUS_NONE);
  ck_assert(!last->has_processing_since && !last->has_ended);
  ck_assert(!last->has_expires_at && !last->has_notified);
  ck_assert(!last->has_tokens && !last->has_credits && !last->has_percent);
  ck_assert(!last->stalled);
  ck_assert_uint_eq(last->pending | last->handed, 0);
  fc_store_close(store, true);
}
END_TEST

START_TEST(every_status_and_kind_comes_back) {
  struct fc_store *store = must_open();
  for (int status = FC_STATUS_NONE; status < FC_STATUS_COUNT; status++)
    for (int kind = 0; kind < FC_KIND_COUNT; kind++) {
      struct fc_job_record record = job_make("a");
      record.status = (enum fc_status)status;
      record.kind = (enum fc_kind_id)kind;
      put(store, "prod", &record, NOW);
      struct loaded loaded = load(store, "prod", 0);
      ck_assert_int_eq(loaded.last.status, status);
      ck_assert_int_eq(loaded.last.kind, kind);
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
  again.status = FC_STATUS_COMPLETED;
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
  record.pending = FC_EVENT_BIT(FC_EVENT_FAILED);
  put(store, "a", &record, NOW);
  record.pending = 0;
  put(store, "b", &record, NOW);
  ck_assert_uint_eq(load(store, "c", 0).count, 0);
  ck_assert_uint_eq(load(store, "b", 0).last.pending, 0);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_delete_job(store, "b", "same"), FC_OK);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  ck_assert_uint_eq(load(store, "b", 0).count, 0);
  ck_assert_uint_eq(load(store, "a", 0).last.pending,
                    FC_EVENT_BIT(FC_EVENT_FAILED));
  fc_store_close(store, true);
}
END_TEST

static const struct {
  unsigned pending, handed;   /* put at NOW + 1, after pending = failed */
  unsigned loads, loads_more; /* pending and handed as they come back */
  int64_t time;               /* of the row "failed"; -1: none */
} notifications[] = {
    {FC_EVENT_BIT(FC_EVENT_FAILED), 0, FC_EVENT_BIT(FC_EVENT_FAILED), 0, NOW},
    {0, FC_EVENT_BIT(FC_EVENT_FAILED), 0, FC_EVENT_BIT(FC_EVENT_FAILED),
     NOW + 1},
    {FC_EVENT_BIT(FC_EVENT_FAILED), FC_EVENT_BIT(FC_EVENT_FAILED),
     FC_EVENT_BIT(FC_EVENT_FAILED), 0, NOW},
    {0, 0, 0, 0, -1},
    {FC_EVENT_BIT(FC_EVENT_LOST), 0, FC_EVENT_BIT(FC_EVENT_LOST), 0, -1},
    {0, (1U << FC_EVENT_COUNT) - 1, 0, (1U << FC_EVENT_COUNT) - 1, NOW + 1},
};

START_TEST(notifications_follow_the_record) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  record.pending = FC_EVENT_BIT(FC_EVENT_FAILED);
  put(store, "prod", &record, NOW);
  record.pending = notifications[_i].pending;
  record.handed = notifications[_i].handed;
  put(store, "prod", &record, NOW + 1);
  struct loaded loaded = load(store, "prod", 0);
  ck_assert_uint_eq(loaded.last.pending, notifications[_i].loads);
  ck_assert_uint_eq(loaded.last.handed, notifications[_i].loads_more);
  fc_store_close(store, true);
  ck_assert_int_eq(sql("SELECT time FROM notification WHERE event = 'failed'"),
                   notifications[_i].time);
}
END_TEST

START_TEST(a_deleted_job_takes_its_notifications_along) {
  struct fc_store *store = must_open();
  struct fc_job_record record = job_make("a");
  record.pending = FC_EVENT_BIT(FC_EVENT_FAILED);
  put(store, "prod", &record, NOW);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  ck_assert_int_eq(fc_store_delete_job(store, "prod", "a"), FC_OK);
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  fc_store_close(store, true);
  ck_assert_int_eq(sql("SELECT count(*) FROM notification"), 0);
}
END_TEST

static void endpoint_keep(const struct fc_endpoint_record *record, void *data) {
  ((struct fc_endpoint_record *)data)[record->kind] = *record;
}

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
  ck_assert_uint_eq(loaded.last.pending | loaded.last.handed, 0);
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
  if (fc_store_open(&store, path, NOW, &trouble, detail, sizeof(detail)))
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
  ck_assert_int_eq(trouble, FC_STORE_FINE);
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
  must_fail(FC_STORE_LOCKED);
  pid_t pid = fork();
  if (pid == 0) {
    struct fc_store *other;
    enum fc_error error =
        fc_store_open(&other, path, NOW, &trouble, detail, sizeof(detail));
    _exit(error == FC_ERR_STATE && trouble == FC_STORE_LOCKED ? 0 : 1);
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
  ck_assert_int_eq(trouble, FC_STORE_FINE);
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

START_TEST(what_cannot_be_listed_is_told) {
  assert_no_list(FC_ERR_NOT_FOUND, "No such file");
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

START_TEST(a_link_on_the_way_and_a_relative_path_are_followed) {
  char link[PATH_MAX + 32];
  (void)snprintf(link, sizeof(link), "%s/link", folder);
  ck_assert_int_eq(symlink(folder, link), 0);
  populate(3);
  (void)snprintf(path, sizeof(path), "%.*s/link/state.db", PATH_MAX - 32,
                 folder);
  struct fc_store *store = must_open();
  ck_assert_uint_eq(load(store, "prod", 0).count, 3);
  fc_store_close(store, true);
  ck_assert_int_eq(chdir(folder), 0);
  (void)snprintf(path, sizeof(path), "state.db");
  store = must_open();
  ck_assert_uint_eq(load(store, "prod", 0).count, 3);
  fc_store_close(store, true);
}
END_TEST

static void make_folder(void) { ck_assert_int_eq(mkdir(path, 0700), 0); }
static void make_fifo(void) { ck_assert_int_eq(mkfifo(path, 0600), 0); }
static void make_dangling_link(void) {
  ck_assert_int_eq(symlink("nowhere", path), 0);
}
static void make_link(void) {
  populate(1);
  ck_assert_int_eq(rename(path, beside("-real")), 0);
  ck_assert_int_eq(symlink("state.db-real", path), 0);
}
static void make_hard_link(void) {
  char second[sizeof(path)];
  populate(1);
  (void)snprintf(second, sizeof(second), "%.*s/second", PATH_MAX - 32, folder);
  ck_assert_int_eq(link(path, second), 0);
}
static void make_group_writable(void) {
  populate(1);
  ck_assert_int_eq(chmod(path, 0620), 0);
}
static void make_world_writable(void) {
  populate(1);
  ck_assert_int_eq(chmod(path, 0602), 0);
}
static void make_foreign_log(void) {
  populate(1);
  ck_assert_int_eq(symlink("elsewhere", beside("-wal")), 0);
}
static void make_lock_link(void) {
  ck_assert_int_eq(symlink("elsewhere", beside("-lock")), 0);
}
static void make_lock_fifo(void) {
  ck_assert_int_eq(mkfifo(beside("-lock"), 0600), 0);
}
static void make_others(void) {
  populate(1);
  if (geteuid() == 0)
    ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
  else
    ck_assert_int_eq(chmod(path, 0666), 0);
}

static void (*const unsafe[])(void) = {
    make_folder,      make_fifo,      make_dangling_link,  make_link,
    make_hard_link,   make_others,    make_group_writable, make_world_writable,
    make_foreign_log, make_lock_link, make_lock_fifo,
};

START_TEST(an_unsafe_file_is_left_alone) {
  struct stat before, after;
  unsafe[_i]();
  bool there = lstat(path, &before) == 0;
  must_fail(FC_STORE_UNSAFE);
  ck_assert_int_eq(lstat(path, &after) == 0, there);
  ck_assert(!there || before.st_mode == after.st_mode);
  ck_assert(!file_exists(beside("-shm")));
  ck_assert(!file_exists(beside(kept_suffix(""))));
}
END_TEST

START_TEST(a_readable_file_of_ours_is_made_private) {
  populate(1);
  ck_assert_int_eq(chmod(path, 0644), 0);
  struct fc_store *store = must_open();
  ck_assert_int_eq(trouble, FC_STORE_FINE);
  ck_assert_ptr_nonnull(strstr(detail, "readable"));
  ck_assert_uint_eq(file_mode(path), 0600);
  ck_assert_uint_eq(load(store, "prod", 0).count, 1);
  fc_store_close(store, true);
}
END_TEST

static const char *const strangers[] = {
    "PRAGMA application_id = 1",
    "PRAGMA application_id = 0",
    "PRAGMA user_version = 2",
    "PRAGMA user_version = -1",
    "PRAGMA user_version = 2; DROP TABLE job",
};

START_TEST(a_file_of_others_or_of_a_newer_version_keeps_every_byte) {
  populate(3);
  (void)sql(strangers[_i]);
  ck_assert_int_eq(chmod(path, 0644), 0);
  struct bytes before = file_read(path);
  must_fail(FC_STORE_FOREIGN);
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
  must_fail(FC_STORE_FOREIGN);
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
  if (error && trouble == FC_STORE_FOREIGN) {
    assert_file_is(path, damaged);
    return false;
  }
  ck_assert_msg(error == FC_OK, "%s", detail);
  ck_assert_msg(fc_store_load_jobs(store, "prod", keep, &loaded, &skipped) ==
                    FC_OK,
                "%s", fc_store_detail(store));
  if (trouble == FC_STORE_SET_ASIDE) {
    assert_file_is(beside(kept_suffix("")), damaged);
    ck_assert_uint_eq(loaded.count, 0);
    ck_assert(!fc_store_was_clean(store));
  }
  put_many(store, 1);
  fc_store_close(store, true);
  return trouble == FC_STORE_SET_ASIDE;
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
  ck_assert_int_eq(trouble, FC_STORE_FINE);
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

START_TEST(what_is_set_aside_replaces_nothing) {
  static const char *const texts[] = {"first", "second", "third"};
  static const char *const names[] = {"", "-1", "-2"};
  for (size_t i = 0; i < COUNT_OF(texts); i++) {
    file_write(path, texts[i], strlen(texts[i]));
    fc_store_close(must_open(), true);
    ck_assert_int_eq(trouble, FC_STORE_SET_ASIDE);
    ck_assert_ptr_nonnull(strstr(detail, kept_suffix(names[i])));
  }
  for (size_t i = 0; i < COUNT_OF(texts); i++) {
    struct bytes bytes = {.len = strlen(texts[i]),
                          .data = (unsigned char *)texts[i]};
    assert_file_is(beside(kept_suffix(names[i])), &bytes);
  }
}
END_TEST

START_TEST(a_log_without_its_file_is_set_aside) {
  if (_i)
    file_write(path, "", 0);
  file_write(beside("-wal"), "log", 3);
  file_write(beside("-shm"), "shm", 3);
  struct fc_store *store = must_open();
  ck_assert_int_eq(trouble, FC_STORE_SET_ASIDE);
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
  ck_assert_int_eq(trouble, FC_STORE_FINE);
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
  ck_assert_int_eq(trouble, FC_STORE_SET_ASIDE);
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
  ck_assert_int_eq(trouble, FC_STORE_SET_ASIDE);
  fc_store_close(store, true);
  free(whole.data);
}
END_TEST

/* Runs the test in a process without privileges, so that permissions count. */
static void unprivileged(void (*test)(void)) {
  int status;
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
      _exit(99);
    test();
    _exit(0);
  }
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
}

static void give_away(const char *name) {
  if (geteuid() == 0)
    ck_assert_int_eq(chown(name, NOBODY, NOBODY), 0);
}

static void fails_for_io(void) {
  struct fc_store *store = NULL;
  enum fc_error error =
      fc_store_open(&store, path, NOW, &trouble, detail, sizeof(detail));
  if (error != FC_ERR_STATE || trouble != FC_STORE_IO || store || !*detail)
    _exit(1);
  if (!strstr(detail, "ermission denied"))
    _exit(2);
}

START_TEST(a_directory_without_permission_is_told) {
  ck_assert_int_eq(chmod(folder, 0555), 0);
  unprivileged(fails_for_io);
}
END_TEST

START_TEST(a_file_in_a_directory_without_permission_is_told) {
  populate(1);
  give_away(path);
  give_away(beside("-lock"));
  ck_assert_int_eq(chmod(folder, 0555), 0);
  unprivileged(fails_for_io);
}
END_TEST

START_TEST(a_damaged_file_that_cannot_be_renamed_stays) {
  struct bytes bytes = {.len = 4, .data = (unsigned char *)"junk"};
  fc_store_close(must_open(), true);
  file_write(path, bytes.data, bytes.len);
  give_away(path);
  give_away(beside("-lock"));
  ck_assert_int_eq(chmod(folder, 0555), 0);
  unprivileged(fails_for_io);
  assert_file_is(path, &bytes);
}
END_TEST

START_TEST(a_file_of_root_is_unusable_for_others) {
  if (geteuid() != 0)
    return;
  populate(1);
  ck_assert_int_eq(chmod(folder, 0777), 0);
  unprivileged(fails_for_io);
}
END_TEST

START_TEST(a_missing_directory_is_told) {
  (void)snprintf(path, sizeof(path), "%.*s/no/state.db", PATH_MAX - 32, folder);
  must_fail(FC_STORE_IO);
  ck_assert_ptr_nonnull(strstr(detail, "directory"));
}
END_TEST

START_TEST(a_path_that_is_too_long_is_told) {
  char *end = path + strlen(path);
  memset(end, 'x', sizeof(path) - (size_t)(end - path) - 1);
  path[sizeof(path) - 1] = '\0';
  must_fail(FC_STORE_IO);
}
END_TEST

START_TEST(a_path_that_names_a_directory_is_refused) {
  (void)snprintf(path, sizeof(path), "%.*s/", PATH_MAX - 32, folder);
  must_fail(FC_STORE_UNSAFE);
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
  must_fail(FC_STORE_IO);
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
  must_fail(FC_STORE_IO);
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
    record.first_seen_s = NOW + i;
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
  tcase_add_test(tests, a_list_of_a_closed_file_changes_nothing);
  tcase_add_test(tests, a_list_shows_what_a_crash_left_in_the_log);
  tcase_add_test(tests, a_list_takes_a_path_of_any_bytes);
  tcase_add_test(tests, a_list_skips_and_counts_rows_that_make_no_sense);
  tcase_add_test(tests, the_first_error_of_a_callback_ends_the_list);
  tcase_add_test(tests, what_cannot_be_listed_is_told);
  tcase_add_test(tests, a_link_on_the_way_and_a_relative_path_are_followed);
  add_loop(tests, an_unsafe_file_is_left_alone, COUNT_OF(unsafe));
  tcase_add_test(tests, a_readable_file_of_ours_is_made_private);
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
  tcase_add_test(tests, what_is_set_aside_replaces_nothing);
  add_loop(tests, a_log_without_its_file_is_set_aside, 2);
  add_loop(tests, garbage_beside_a_good_file_does_no_harm, 3);
  tcase_add_loop_test(tests, a_file_of_zeros_is_damaged_whatever_lies_beside_it,
                      0, 2);
  tcase_add_test(tests, the_log_of_another_database_is_survived);
  tcase_add_test(tests, damage_that_shows_while_running_is_told_apart);
}

static void add_places(Suite *suite) {
  TCase *tests = case_make(suite, "places", 60);
  tcase_add_test(tests, a_directory_without_permission_is_told);
  tcase_add_test(tests, a_file_in_a_directory_without_permission_is_told);
  tcase_add_test(tests, a_damaged_file_that_cannot_be_renamed_stays);
  tcase_add_test(tests, a_file_of_root_is_unusable_for_others);
  tcase_add_test(tests, a_missing_directory_is_told);
  tcase_add_test(tests, a_path_that_is_too_long_is_told);
  tcase_add_test(tests, a_path_that_names_a_directory_is_refused);
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
