/* SPDX-License-Identifier: MIT */

#include "src/state/store.h"

#include "src/api/name.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/state/db.h"
#include "src/watch/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS_SIZE = 512 /* the names of all events, with commas */ };

/* See fc_columns_expand for the words that begin with '@'. */
static const struct {
  const struct fc_columns *columns;
  const char *sql;
} schema[] = {
    {&fc_job_columns, "CREATE TABLE job ("
                      " number INTEGER PRIMARY KEY,"
                      " instance TEXT NOT NULL, @declarations,"
                      " UNIQUE (instance, id))"},
    {&fc_event_columns, "CREATE TABLE notification ("
                        " instance TEXT NOT NULL, id TEXT NOT NULL,"
                        " @declarations, time INTEGER NOT NULL,"
                        " CHECK (state IN ('pending', 'handed')),"
                        " PRIMARY KEY (instance, id, event),"
                        " FOREIGN KEY (instance, id)"
                        " REFERENCES job (instance, id)"
                        " ON DELETE CASCADE) WITHOUT ROWID"},
    {&fc_endpoint_columns, "CREATE TABLE endpoint ("
                           " instance TEXT NOT NULL, @declarations,"
                           " PRIMARY KEY (instance, kind)) WITHOUT ROWID"},
    {NULL, "CREATE TABLE meta ("
           " key TEXT NOT NULL PRIMARY KEY,"
           " value INTEGER NOT NULL) WITHOUT ROWID"},
};

enum statement {
  BEGIN,
  COMMIT,
  ROLLBACK,
  PUT_JOB,
  DELETE_JOB,
  DROP_EVENTS,
  PUT_EVENT,
  PUT_ENDPOINT,
  LOAD_JOBS,
  LOAD_EVENTS,
  LOAD_ENDPOINTS,
  LIST_JOBS,
  LIST_INSTANCES,
  SET_ABSENT,
  SET_PRESENT,
  DELETE_JOBS,
  DELETE_ENDPOINTS,
  STATEMENTS
};

static const struct fc_statement statements[STATEMENTS] = {
    [BEGIN] = {"BEGIN IMMEDIATE", "cannot begin to write", NULL},
    [COMMIT] = {"COMMIT", "cannot commit", NULL},
    [ROLLBACK] = {"ROLLBACK", "cannot roll back", NULL},
    [PUT_JOB] = {"INSERT INTO job (instance, @columns) VALUES (?, @marks)"
                 " ON CONFLICT (instance, id) DO UPDATE SET @updates",
                 "cannot save a job", &fc_job_columns},
    [DELETE_JOB] = {"DELETE FROM job WHERE instance = ? AND id = ?",
                    "cannot delete a job", NULL},
    /* ?3 lists what stays, each event between commas. */
    [DROP_EVENTS] = {"DELETE FROM notification WHERE instance = ?1"
                     " AND id = ?2 AND instr(?3, ',' || event || ',') = 0",
                     "cannot delete a notification", NULL},
    [PUT_EVENT] = {"INSERT INTO notification (time, instance, id, @columns)"
                   " VALUES (?, ?, ?, @marks)"
                   " ON CONFLICT (instance, id, event) DO UPDATE SET"
                   " @updates, time = excluded.time"
                   " WHERE state <> excluded.state"
                   " OR round IS NOT excluded.round",
                   "cannot save a notification", &fc_event_columns},
    [PUT_ENDPOINT] = {"REPLACE INTO endpoint (instance, @columns)"
                      " VALUES (?, @marks)",
                      "cannot save an endpoint", &fc_endpoint_columns},
    [LOAD_JOBS] = {"SELECT @columns FROM job WHERE instance = ?"
                   " ORDER BY number",
                   "cannot load the jobs", &fc_job_columns},
    [LOAD_EVENTS] = {"SELECT @columns FROM notification"
                     " WHERE instance = ? AND id = ?",
                     "cannot load the notifications", &fc_event_columns},
    [LOAD_ENDPOINTS] = {"SELECT @columns FROM endpoint WHERE instance = ?",
                        "cannot load the endpoints", &fc_endpoint_columns},
    [LIST_JOBS] = {"SELECT @columns, instance FROM job"
                   " ORDER BY instance, number",
                   "cannot list the jobs", &fc_job_columns},
    [LIST_INSTANCES] = {"SELECT instance, CAST(value AS TEXT) FROM"
                        " (SELECT instance FROM job"
                        " UNION SELECT instance FROM endpoint)"
                        " LEFT JOIN meta ON key = 'absent:' || instance"
                        " ORDER BY instance",
                        "cannot list the instances", NULL},
    [SET_ABSENT] = {"REPLACE INTO meta (value, key) VALUES (?, 'absent:' || ?)",
                    "cannot mark an instance", NULL},
    [SET_PRESENT] = {"DELETE FROM meta WHERE key = 'absent:' || ?",
                     "cannot mark an instance", NULL},
    [DELETE_JOBS] = {"DELETE FROM job WHERE instance = ?",
                     "cannot delete an instance", NULL},
    [DELETE_ENDPOINTS] = {"DELETE FROM endpoint WHERE instance = ?",
                          "cannot delete an instance", NULL},
};

struct fc_store {
  struct fc_statefile file;
  struct fc_db *db; /* tells of its failures in `file` */
  int64_t check_max;
  bool clean;
};

static enum fc_error fail_damage(struct fc_store *store, const char *what) {
  return fc_statefile_fail(&store->file, FC_STATEFILE_DAMAGED, "%s", what);
}

/* What the log holds may differ from the header that was judged before. */
static enum fc_error tables_judge(struct fc_store *store, int64_t *version) {
  int64_t entries = 0, application = 0;
  enum fc_error error =
      fc_db_ask(store->db, "SELECT count(*) FROM sqlite_master", &entries);
  if (!error)
    error = fc_db_ask(store->db, "PRAGMA application_id", &application);
  if (!error)
    error = fc_db_ask(store->db, "PRAGMA user_version", version);
  if (error)
    return error;
  if (entries == 0) {
    *version = 0;
    return FC_OK;
  }
  if (application != FC_STATEFILE_APPLICATION_ID ||
      *version > FC_STATEFILE_VERSION)
    return fc_statefile_fail(&store->file, FC_STATEFILE_FOREIGN,
                             "of another application or of a newer version");
  return *version < 1 ? fail_damage(store, "it has no version") : FC_OK;
}

/* Not quick_check: only this finds rows that their index does not lead to,
 * which would be neither updated nor deleted. */
static enum fc_error tables_check(struct fc_store *store) {
  char verdict[FC_STATEFILE_DETAIL_SIZE];
  enum fc_error error;
  if (store->file.size == 0 || store->file.size > store->check_max)
    return FC_OK;
  error = fc_db_ask_text(store->db, "PRAGMA integrity_check(1)", verdict,
                         sizeof(verdict));
  if (error)
    return error;
  return strcmp(verdict, "ok") == 0 ? FC_OK : fail_damage(store, verdict);
}

/* A copy of the file as the older version left it. */
static enum fc_error copy_keep(struct fc_store *store, int64_t version,
                               char name[PATH_MAX]) {
  enum fc_error error = fc_statefile_keep(&store->file, version, name);
  return error ? error : fc_db_copy(store->db, name, "its copy cannot be made");
}

static enum fc_error column_add(struct fc_store *store, const char *table,
                                const struct fc_column *column,
                                const char *failure) {
  char sql[FC_DB_SQL_SIZE], declaration[FC_DB_SQL_SIZE / 2];
  int64_t found = 0;
  (void)snprintf(sql, sizeof(sql),
                 "SELECT 1 FROM pragma_table_info('%s') WHERE name = '%s'",
                 table, column->name);
  enum fc_error error = fc_db_ask(store->db, sql, &found);
  if (error || found)
    return error;
  fc_column_declare(column, declaration, sizeof(declaration));
  (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s ADD COLUMN %s", table,
                 declaration);
  return fc_db_run(store->db, sql, failure);
}

/* An older version lacks columns of these tables, and nothing else. */
static enum fc_error columns_add(struct fc_store *store, const char *failure) {
  static const struct {
    const char *name;
    const struct fc_columns *columns;
  } tables[] = {{"job", &fc_job_columns},
                {"notification", &fc_event_columns},
                {"endpoint", &fc_endpoint_columns}};
  enum fc_error error = FC_OK;
  for (size_t t = 0; t < COUNT_OF(tables); t++)
    for (size_t i = 0; !error && i < tables[t].columns->len; i++)
      error = column_add(store, tables[t].name, &tables[t].columns->column[i],
                         failure);
  return error;
}

static enum fc_error tables_make(struct fc_store *store, const char *failure) {
  char sql[FC_DB_SQL_SIZE];
  enum fc_error error = FC_OK;
  for (size_t i = 0; !error && i < COUNT_OF(schema); i++) {
    fc_columns_expand(schema[i].columns, sql, sizeof(sql), schema[i].sql);
    error = fc_db_run(store->db, sql, failure);
  }
  return error;
}

/* Brings the file from a version to the present one; from 0 where it is empty.
 * The header shows the version once this is done: a file without a log is
 * written directly, and of a log nothing is left. A failure leaves the file as
 * it was, and no copy. */
static enum fc_error tables_migrate(struct fc_store *store, int64_t version) {
  static const char failure[] = "it cannot be brought to this version";
  char stamp[96], copy[PATH_MAX] = "";
  enum fc_error error = version ? copy_keep(store, version, copy) : FC_OK;
  (void)snprintf(stamp, sizeof(stamp),
                 "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                 FC_STATEFILE_APPLICATION_ID, FC_STATEFILE_VERSION);
  if (!error)
    error = fc_db_run(store->db, "BEGIN IMMEDIATE", failure);
  if (!error)
    error = version ? columns_add(store, failure) : tables_make(store, failure);
  if (!error)
    error = fc_db_run(store->db, stamp, failure);
  if (error && copy[0])
    (void)unlink(copy); /* at worst it stays */
  if (!error)
    error = fc_db_run(store->db, "PRAGMA wal_checkpoint(TRUNCATE)", failure);
  return error;
}

static enum fc_error tables_use_log(struct fc_store *store) {
  char mode[16];
  enum fc_error error = fc_db_ask_text(store->db, "PRAGMA journal_mode = WAL",
                                       mode, sizeof(mode));
  if (error || strcmp(mode, "wal") == 0)
    return error;
  return fc_statefile_fail(&store->file, FC_STATEFILE_IO,
                           "its file system does not allow a write-ahead log "
                           "(shared memory is needed)");
}

static enum fc_error clean_put(struct fc_store *store, bool clean) {
  return fc_db_run(store->db,
                   clean ? "REPLACE INTO meta (key, value) VALUES ('clean', 1)"
                         : "REPLACE INTO meta (key, value) VALUES ('clean', 0)",
                   "cannot mark the file");
}

static enum fc_error tables_mark_in_use(struct fc_store *store) {
  int64_t clean = 0;
  enum fc_error error = fc_db_ask(
      store->db, "SELECT value FROM meta WHERE key = 'clean'", &clean);
  store->clean =
      store->file.created
          ? store->file.problem == FC_STATEFILE_FINE && !store->file.had_lock
          : clean == 1;
  /* A file that is opened again and again does not grow by that. */
  return error || !clean ? error : clean_put(store, /* clean = */ false);
}

static enum fc_error tables_start(struct fc_store *store) {
  int64_t version = 0;
  enum fc_error error = fc_db_open(store->db);
  if (!error)
    error = tables_judge(store, &version);
  if (!error)
    error = tables_check(store);
  if (!error && version < FC_STATEFILE_VERSION)
    error = tables_migrate(store, version);
  if (!error)
    error = tables_use_log(store);
  if (!error)
    error = fc_db_prepare(store->db);
  if (!error)
    error = tables_mark_in_use(store);
  if (error)
    return error;
  fc_db_accept(store->db, true);
  fc_statefile_remember(&store->file);
  return FC_OK;
}

static enum fc_error store_start(struct fc_store *store) {
  enum fc_error error = fc_statefile_prepare(&store->file);
  return error ? error : tables_start(store);
}

static bool store_is_damaged(const struct fc_store *store) {
  return fc_store_is_corrupt(store) ||
         (fc_db_has_other_tables(store->db) && !store->file.created);
}

/* SQLite calls damage also what could not be read (EIO becomes SQLITE_CORRUPT).
 * Only what can be read whole and is found damaged twice is damaged. */
static enum fc_error store_start_again(struct fc_store *store) {
  fc_db_close(store->db);
  if (!fc_statefile_is_readable(&store->file, store->check_max))
    return fc_statefile_fail(&store->file, FC_STATEFILE_IO,
                             "it cannot be read whole");
  store->file.problem = FC_STATEFILE_FINE;
  store->file.detail[0] = '\0';
  return store_start(store);
}

static enum fc_error store_start_or_renew(struct fc_store *store,
                                          int64_t now_s) {
  enum fc_error error = store_start(store);
  if (error && store_is_damaged(store))
    error = store_start_again(store);
  if (!error || !store_is_damaged(store))
    return error;
  fc_db_close(store->db);
  error = fc_statefile_set_aside(&store->file, now_s);
  return error ? error : store_start(store);
}

static struct fc_store *store_new(int64_t check_max) {
  struct fc_store *store = calloc(1, sizeof(*store));
  if (!store)
    return NULL;
  fc_statefile_init(&store->file);
  store->check_max = check_max;
  store->db = fc_db_new(statements, STATEMENTS, &store->file);
  if (store->db)
    return store;
  free(store);
  return NULL;
}

enum fc_error fc_store_open(struct fc_store **store, const char *path,
                            int64_t check_max, int64_t now_s,
                            enum fc_statefile_problem *problem, char *detail,
                            size_t size) {
  struct fc_store *opened = store_new(check_max);
  *problem = FC_STATEFILE_IO;
  fc_text_copy(detail, size, fc_error_text(FC_ERR_MEMORY));
  if (!opened)
    return FC_ERR_MEMORY;
  enum fc_error error = fc_db_check_library(opened->db);
  if (!error)
    error = fc_statefile_lock(&opened->file, path);
  if (!error)
    error = store_start_or_renew(opened, now_s);
  if (error != FC_ERR_MEMORY) {
    *problem = opened->file.problem;
    fc_text_copy(detail, size, opened->file.detail);
  }
  if (error) {
    fc_store_set_behind(opened, true);
    fc_store_close(opened, /* clean = */ false);
  } else {
    *store = opened;
  }
  return error;
}

bool fc_store_was_clean(const struct fc_store *store) { return store->clean; }

bool fc_store_was_lost(const struct fc_store *store) {
  return store->file.created && store->file.had_lock;
}

bool fc_store_was_behind(const struct fc_store *store) {
  return store->file.is_behind;
}

void fc_store_set_behind(struct fc_store *store, bool is_behind) {
  fc_statefile_set_behind(&store->file, is_behind);
}

/* An event that makes no sense is none. */
static enum fc_error events_load(struct fc_db *db, const char *instance,
                                 struct fc_job_record *record) {
  char line[FC_ERROR_TEXT_SIZE];
  fc_db_bind_text(db, LOAD_EVENTS, instance);
  fc_db_bind_text(db, LOAD_EVENTS, record->id);
  while (fc_db_step(db, LOAD_EVENTS)) {
    struct fc_event_record event = {.round = 0};
    if (!fc_db_record(db, LOAD_EVENTS, &event, line))
      continue;
    bool known = event.has_moment && event.round;
    fc_outbox_restore(&record->outbox.event[event.type], event.delivered,
                      known ? event.round : 1,
                      known ? event.status : record->facts.status,
                      known ? event.previous : record->history.previous);
  }
  return fc_db_end(db, LOAD_EVENTS);
}

/* One row: to the callback, or to the count of those that make no sense. */
static enum fc_error job_load(struct fc_db *db, const char *instance,
                              fc_store_job callback, void *data,
                              size_t *skipped) {
  char line[FC_ERROR_TEXT_SIZE];
  struct fc_job_record record = {.id = NULL};
  if (!fc_db_record(db, LOAD_JOBS, &record, line)) {
    ++*skipped;
    return FC_OK;
  }
  enum fc_error error = events_load(db, instance, &record);
  return error ? error : callback(&record, data);
}

enum fc_error fc_store_load_jobs(struct fc_store *store, const char *instance,
                                 fc_store_job callback, void *data,
                                 size_t *skipped) {
  enum fc_error error = FC_OK, failure;
  size_t bad = 0;
  fc_db_bind_text(store->db, LOAD_JOBS, instance);
  while (!error && fc_db_step(store->db, LOAD_JOBS))
    error = job_load(store->db, instance, callback, data, &bad);
  failure = fc_db_end(store->db, LOAD_JOBS);
  if (!error && !failure)
    *skipped = bad;
  return error ? error : failure;
}

enum fc_error fc_store_load_endpoints(struct fc_store *store,
                                      const char *instance,
                                      fc_store_endpoint callback, void *data) {
  char line[FC_ERROR_TEXT_SIZE];
  fc_db_bind_text(store->db, LOAD_ENDPOINTS, instance);
  while (fc_db_step(store->db, LOAD_ENDPOINTS)) {
    struct fc_endpoint_record record = {.sunset_reported_s = 0};
    if (fc_db_record(store->db, LOAD_ENDPOINTS, &record, line))
      callback(&record, data);
  }
  return fc_db_end(store->db, LOAD_ENDPOINTS);
}

/* As job_load, of a row of any instance. */
static enum fc_error job_list(struct fc_db *db, fc_store_listed callback,
                              void *data, size_t *skipped) {
  char line[FC_ERROR_TEXT_SIZE];
  struct fc_job_record record = {.id = NULL};
  const char *instance = fc_db_text(db, LIST_JOBS, fc_job_columns.len);
  if (fc_db_record(db, LIST_JOBS, &record, line) &&
      fc_name_valid(instance, strlen(instance)))
    return callback(instance, &record, data);
  ++*skipped;
  return FC_OK;
}

static enum fc_error jobs_list(struct fc_db *db, fc_store_listed callback,
                               void *data, size_t *skipped) {
  enum fc_error error = FC_OK, failure;
  while (!error && fc_db_step(db, LIST_JOBS))
    error = job_list(db, callback, data, skipped);
  failure = fc_db_end(db, LIST_JOBS);
  return error ? error : failure;
}

static enum fc_error store_list(struct fc_store *store, const char *path,
                                fc_store_listed callback, void *data,
                                size_t *skipped) {
  char uri[FC_STATEFILE_URI_SIZE];
  int64_t version = 0;
  enum fc_error error = fc_db_check_library(store->db);
  if (!error)
    error = fc_statefile_find(&store->file, path, uri);
  if (!error)
    error = fc_db_open_to_read(store->db, uri);
  if (!error)
    error = tables_judge(store, &version);
  if (error || version == 0) /* still empty */
    return error;
  if (version < FC_STATEFILE_VERSION)
    return fc_statefile_fail(&store->file, FC_STATEFILE_FOREIGN,
                             "of an older version; the plugin takes it over "
                             "when it starts");
  error = fc_db_prepare(store->db);
  return error ? error : jobs_list(store->db, callback, data, skipped);
}

enum fc_error fc_store_list(const char *path, fc_store_listed callback,
                            void *data, size_t *skipped, char *detail,
                            size_t size) {
  size_t bad = 0;
  struct fc_store *store = store_new(/* check_max = */ 0);
  fc_text_copy(detail, size, fc_error_text(FC_ERR_MEMORY));
  if (!store)
    return FC_ERR_MEMORY;
  enum fc_error error = store_list(store, path, callback, data, &bad);
  if (error != FC_ERR_MEMORY)
    fc_text_copy(detail, size, store->file.detail);
  if (!error)
    *skipped = bad;
  fc_store_close(store, /* clean = */ false);
  return error;
}

enum fc_error fc_store_begin(struct fc_store *store) {
  return fc_db_finish(store->db, BEGIN);
}

static enum fc_error event_put(struct fc_db *db, const char *instance,
                               const struct fc_job_record *job,
                               enum fc_event_type type, int64_t now_s) {
  const struct fc_outbox_event *event = &job->outbox.event[type];
  const struct fc_event_record record = {
      .type = type,
      .delivered = !fc_outbox_is_pending(event),
      .has_moment = true,
      .round = event->round,
      .status = (int8_t)fc_outbox_status(event),
      .previous = (int8_t)fc_outbox_previous(event),
  };
  fc_db_bind(db, PUT_EVENT,
             (struct fc_value){.type = FC_VALUE_INTEGER, .integer = now_s});
  fc_db_bind_text(db, PUT_EVENT, instance);
  fc_db_bind_text(db, PUT_EVENT, job->id);
  fc_db_bind_record(db, PUT_EVENT, &record);
  return fc_db_finish(db, PUT_EVENT);
}

static enum fc_error events_drop(struct fc_db *db, const char *instance,
                                 const char *id, const char *kept) {
  fc_db_bind_text(db, DROP_EVENTS, instance);
  fc_db_bind_text(db, DROP_EVENTS, id);
  fc_db_bind_text(db, DROP_EVENTS, kept);
  return fc_db_finish(db, DROP_EVENTS);
}

static enum fc_error events_put(struct fc_db *db, const char *instance,
                                const struct fc_job_record *record,
                                int64_t now_s) {
  char kept[EVENTS_SIZE] = ",";
  size_t used = 1;
  enum fc_error error = FC_OK;
  for (enum fc_event_type type = 0; !error && type < FC_EVENT_JOB_COUNT; type++)
    if (record->outbox.event[type].stage != FC_OUTBOX_NONE) {
      error = event_put(db, instance, record, type, now_s);
      fc_text_append(kept, sizeof(kept), &used, "%s,", fc_event_name(type));
    }
  return error ? error : events_drop(db, instance, record->id, kept);
}

enum fc_error fc_store_put_job(struct fc_store *store, const char *instance,
                               const struct fc_job_record *record,
                               int64_t now_s) {
  fc_db_bind_text(store->db, PUT_JOB, instance);
  fc_db_bind_record(store->db, PUT_JOB, record);
  enum fc_error error = fc_db_finish(store->db, PUT_JOB);
  return error ? error : events_put(store->db, instance, record, now_s);
}

enum fc_error fc_store_delete_job(struct fc_store *store, const char *instance,
                                  const char *id) {
  fc_db_bind_text(store->db, DELETE_JOB, instance);
  fc_db_bind_text(store->db, DELETE_JOB, id);
  return fc_db_finish(store->db, DELETE_JOB);
}

enum fc_error fc_store_put_endpoint(struct fc_store *store,
                                    const char *instance,
                                    const struct fc_endpoint_record *record) {
  fc_db_bind_text(store->db, PUT_ENDPOINT, instance);
  fc_db_bind_record(store->db, PUT_ENDPOINT, record);
  return fc_db_finish(store->db, PUT_ENDPOINT);
}

enum fc_error fc_store_list_instances(struct fc_store *store,
                                      fc_store_instance callback, void *data) {
  struct fc_db *db = store->db;
  enum fc_error error = FC_OK, failure;
  while (!error && fc_db_step(db, LIST_INSTANCES)) {
    int64_t since_s = 0;
    const char *since = fc_db_text(db, LIST_INSTANCES, 1);
    bool has_since = fc_text_int(since, strlen(since), 0, INT64_MAX, &since_s);
    error =
        callback(fc_db_text(db, LIST_INSTANCES, 0), has_since, since_s, data);
  }
  failure = fc_db_end(db, LIST_INSTANCES);
  return error ? error : failure;
}

static enum fc_error instance_run(struct fc_db *db, enum statement statement,
                                  const char *instance) {
  fc_db_bind_text(db, statement, instance);
  return fc_db_finish(db, statement);
}

enum fc_error fc_store_set_absent(struct fc_store *store, const char *instance,
                                  int64_t since_s) {
  fc_db_bind(store->db, SET_ABSENT,
             (struct fc_value){.type = FC_VALUE_INTEGER, .integer = since_s});
  return instance_run(store->db, SET_ABSENT, instance);
}

enum fc_error fc_store_set_present(struct fc_store *store,
                                   const char *instance) {
  return instance_run(store->db, SET_PRESENT, instance);
}

enum fc_error fc_store_delete_instance(struct fc_store *store,
                                       const char *instance) {
  static const enum statement statements_of_one[] = {
      DELETE_JOBS, DELETE_ENDPOINTS, SET_PRESENT};
  enum fc_error error = FC_OK;
  for (size_t i = 0; !error && i < COUNT_OF(statements_of_one); i++)
    error = instance_run(store->db, statements_of_one[i], instance);
  return error;
}

enum fc_error fc_store_commit(struct fc_store *store) {
  return fc_db_finish(store->db, COMMIT);
}

void fc_store_rollback(struct fc_store *store) {
  /* Some failures have rolled back already. */
  if (fc_db_in_transaction(store->db))
    (void)!fc_db_finish(store->db, ROLLBACK); /* cannot fail: nothing runs */
}

const char *fc_store_detail(const struct fc_store *store) {
  return store->file.detail;
}

bool fc_store_is_corrupt(const struct fc_store *store) {
  return store->file.problem == FC_STATEFILE_DAMAGED;
}

bool fc_store_is_in_place(const struct fc_store *store) {
  return fc_statefile_is_in_place(&store->file);
}

int64_t fc_store_log_size(const struct fc_store *store) {
  return fc_statefile_log_size(&store->file);
}

void fc_store_empty_log(struct fc_store *store) {
  (void)!fc_db_run(store->db, "PRAGMA wal_checkpoint(TRUNCATE)",
                   "its log cannot be emptied"); /* at worst it stays */
}

/* A mark that cannot be written leaves the file unclean, which is safe. */
static void store_finish(struct fc_store *store) {
  fc_store_rollback(store);
  (void)!clean_put(store, /* clean = */ true);
  fc_store_empty_log(store);
}

void fc_store_close(struct fc_store *store, bool clean) {
  if (!store)
    return;
  /* What a damaged file's log says is kept with it. */
  if (fc_db_is_open(store->db) && fc_store_is_corrupt(store))
    fc_db_accept(store->db, false);
  else if (fc_db_is_open(store->db) && clean)
    store_finish(store);
  fc_db_free(store->db);
  fc_statefile_release(&store->file);
  free(store);
}

const char *fc_store_library_version(void) { return fc_db_library_version(); }
