/* SPDX-License-Identifier: MIT */

#include "src/state/db.h"

#include "src/base/macros.h"
#include "src/base/text.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum {
  SQLITE_VERSION_MIN = 3035000, /* as configure asks for */
  BUSY_TIMEOUT_MS = 100
};

static const char pragmas[] = "PRAGMA cell_size_check = ON;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA mmap_size = 0;"
                              "PRAGMA cache_size = -512;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA journal_size_limit = 1048576;";

static const struct {
  int option;
  int value;
} switches[] = {
    {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
    {SQLITE_DBCONFIG_ENABLE_VIEW, 0}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
};

struct run {
  sqlite3_stmt *statement;
  int bound; /* parameters */
  int code;  /* of the last call */
};

struct fc_db {
  struct fc_statefile *file;
  const struct fc_statement *statements;
  sqlite3 *db;
  int failure; /* SQLite's primary result code of the last one, or 0 */
  size_t len;
  struct run runs[];
};

const char *fc_db_library_version(void) { return sqlite3_libversion(); }

struct fc_db *fc_db_new(const struct fc_statement *statements, size_t len,
                        struct fc_statefile *file) {
  struct fc_db *db = calloc(1, sizeof(*db) + len * sizeof(db->runs[0]));
  if (!db)
    return NULL;
  db->file = file;
  db->statements = statements;
  db->len = len;
  return db;
}

void fc_db_free(struct fc_db *db) {
  if (db)
    fc_db_close(db);
  free(db);
}

static enum fc_error fail_code(struct fc_db *db, const char *what, int code) {
  int error;
  char buffer[128];
  db->failure = code & 0xff;
  error = db->failure == SQLITE_IOERR || db->failure == SQLITE_CANTOPEN
              ? sqlite3_system_errno(db->db)
              : 0;
  (void)fc_statefile_fail(
      db->file,
      db->failure == SQLITE_CORRUPT || db->failure == SQLITE_NOTADB
          ? FC_STATEFILE_DAMAGED
          : FC_STATEFILE_IO,
      "%s: %s%s%s (SQLite code %d)", what, sqlite3_errmsg(db->db),
      error ? ": " : "", error ? strerror_r(error, buffer, sizeof(buffer)) : "",
      code);
  return db->failure == SQLITE_NOMEM ? FC_ERR_MEMORY : FC_ERR_STATE;
}

static enum fc_error fail(struct fc_db *db, const char *what) {
  return fail_code(db, what, sqlite3_extended_errcode(db->db));
}

enum fc_error fc_db_check_library(struct fc_db *db) {
  if (sqlite3_libversion_number() < SQLITE_VERSION_MIN)
    return fc_statefile_fail(db->file, FC_STATEFILE_IO,
                             "SQLite is too old at run time (%s)",
                             sqlite3_libversion());
  if (!sqlite3_threadsafe())
    return fc_statefile_fail(db->file, FC_STATEFILE_IO,
                             "SQLite was built without support for threads");
  return FC_OK;
}

static enum fc_error open_with(struct fc_db *db, const char *name, int flags) {
  flags |=
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
  if (sqlite3_open_v2(name, &db->db, flags, NULL))
    return fail(db, "it cannot be opened");
  (void)sqlite3_extended_result_codes(db->db, 1);      /* cannot fail */
  (void)sqlite3_busy_timeout(db->db, BUSY_TIMEOUT_MS); /* cannot fail */
  for (size_t i = 0; i < COUNT_OF(switches); i++)
    if (sqlite3_db_config(db->db, switches[i].option, switches[i].value, NULL))
      return fc_statefile_fail(db->file, FC_STATEFILE_IO,
                               "this SQLite lacks a safety switch");
  return fc_db_run(db, pragmas, "it cannot be set up");
}

enum fc_error fc_db_open(struct fc_db *db) {
  return open_with(db, db->file->path, SQLITE_OPEN_READWRITE);
}

enum fc_error fc_db_open_to_read(struct fc_db *db, const char *uri) {
  return open_with(db, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

void fc_db_accept(struct fc_db *db, bool accepted) {
  (void)sqlite3_db_config(db->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !accepted,
                          NULL); /* at worst the log stays */
}

enum fc_error fc_db_prepare(struct fc_db *db) {
  char sql[FC_DB_SQL_SIZE];
  for (size_t i = 0; i < db->len; i++) {
    const struct fc_statement *statement = &db->statements[i];
    fc_columns_expand(statement->columns, sql, sizeof(sql), statement->sql);
    if (sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                           &db->runs[i].statement, NULL))
      return fail(db, statement->failure);
  }
  return FC_OK;
}

void fc_db_close(struct fc_db *db) {
  for (size_t i = 0; i < db->len; i++) {
    (void)sqlite3_finalize(db->runs[i].statement); /* its failure is known */
    db->runs[i] = (struct run){.bound = 0};
  }
  (void)sqlite3_close(db->db); /* cannot fail without statements */
  db->db = NULL;
  db->failure = 0;
}

bool fc_db_is_open(const struct fc_db *db) { return db->db != NULL; }

bool fc_db_in_transaction(const struct fc_db *db) {
  return !sqlite3_get_autocommit(db->db);
}

/* So SQLite says it of no such table, no such column, a file format that does
 * not exist. */
bool fc_db_has_other_tables(const struct fc_db *db) {
  return db->failure == SQLITE_ERROR;
}

enum fc_error fc_db_run(struct fc_db *db, const char *sql,
                        const char *failure) {
  return sqlite3_exec(db->db, sql, NULL, NULL, NULL) ? fail(db, failure)
                                                     : FC_OK;
}

/* A statement whose only row is of interest. */
static int first_row(struct fc_db *db, const char *sql,
                     sqlite3_stmt **statement) {
  int code = sqlite3_prepare_v2(db->db, sql, -1, statement, NULL);
  return code ? code : sqlite3_step(*statement);
}

enum fc_error fc_db_ask(struct fc_db *db, const char *sql, int64_t *value) {
  sqlite3_stmt *statement;
  enum fc_error error = FC_OK;
  int code = first_row(db, sql, &statement);
  if (code == SQLITE_ROW)
    *value = sqlite3_column_int64(statement, 0);
  else if (code != SQLITE_DONE)
    error = fail(db, "it cannot be read");
  (void)sqlite3_finalize(statement); /* tells of the same failure again */
  return error;
}

enum fc_error fc_db_ask_text(struct fc_db *db, const char *sql, char *text,
                             size_t size) {
  sqlite3_stmt *statement;
  enum fc_error error = FC_OK;
  int code = first_row(db, sql, &statement);
  const char *found =
      code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
  if (!found || (code != SQLITE_ROW && code != SQLITE_DONE))
    error = fail(db, "it cannot be used");
  else
    fc_text_copy(text, size, found);
  (void)sqlite3_finalize(statement); /* tells of the same failure again */
  return error;
}

enum fc_error fc_db_copy(struct fc_db *db, const char *path,
                         const char *failure) {
  char *sql = sqlite3_mprintf("VACUUM INTO %Q", path);
  if (!sql)
    return FC_ERR_MEMORY;
  enum fc_error error = fc_db_run(db, sql, failure);
  sqlite3_free(sql);
  return error;
}

/* What is not bound is NULL. After a failure nothing more is tried, so that
 * SQLite still tells of that one. */
void fc_db_bind(struct fc_db *db, size_t statement, struct fc_value value) {
  struct run *run = &db->runs[statement];
  int index = ++run->bound;
  if (run->code)
    return;
  if (value.type == FC_VALUE_TEXT)
    run->code =
        sqlite3_bind_text(run->statement, index, value.text, -1, SQLITE_STATIC);
  else if (value.type == FC_VALUE_INTEGER)
    run->code = sqlite3_bind_int64(run->statement, index, value.integer);
  else if (value.type == FC_VALUE_REAL)
    run->code = sqlite3_bind_double(run->statement, index, value.real);
}

void fc_db_bind_text(struct fc_db *db, size_t statement, const char *text) {
  fc_db_bind(db, statement,
             (struct fc_value){.type = text ? FC_VALUE_TEXT : FC_VALUE_NULL,
                               .text = text});
}

void fc_db_bind_record(struct fc_db *db, size_t statement, const void *record) {
  const struct fc_columns *columns = db->statements[statement].columns;
  for (size_t i = 0; i < columns->len; i++)
    fc_db_bind(db, statement, fc_column_get(&columns->column[i], record));
}

bool fc_db_step(struct fc_db *db, size_t statement) {
  struct run *run = &db->runs[statement];
  if (!run->code || run->code == SQLITE_ROW)
    run->code = sqlite3_step(run->statement);
  return run->code == SQLITE_ROW;
}

/* Only NULL, or want of memory, has no text. */
static const char *run_text(struct run *run, size_t column) {
  int type = sqlite3_column_type(run->statement, (int)column);
  const char *text =
      (const char *)sqlite3_column_text(run->statement, (int)column);
  if (!text && type != SQLITE_NULL)
    run->code = SQLITE_NOMEM;
  return text ? text : "";
}

const char *fc_db_text(struct fc_db *db, size_t statement, size_t column) {
  return run_text(&db->runs[statement], column);
}

static struct fc_value run_value(struct run *run, size_t column,
                                 enum fc_value_type type) {
  struct fc_value value = {.type = type};
  if (sqlite3_column_type(run->statement, (int)column) == SQLITE_NULL)
    value.type = FC_VALUE_NULL;
  else if (type == FC_VALUE_INTEGER)
    value.integer = sqlite3_column_int64(run->statement, (int)column);
  else if (type == FC_VALUE_REAL)
    value.real = sqlite3_column_double(run->statement, (int)column);
  else
    value.text = run_text(run, column);
  return value;
}

bool fc_db_record(struct fc_db *db, size_t statement, void *record,
                  char line[FC_ERROR_TEXT_SIZE]) {
  const struct fc_columns *columns = db->statements[statement].columns;
  struct run *run = &db->runs[statement];
  bool good = true;
  for (size_t i = 0; i < columns->len; i++) {
    const struct fc_column *column = &columns->column[i];
    struct fc_value value = run_value(run, i, fc_column_value_type(column));
    good = fc_column_set(column, record, &value, line) && good;
  }
  return good && run->code == SQLITE_ROW;
}

enum fc_error fc_db_end(struct fc_db *db, size_t statement) {
  struct run *run = &db->runs[statement];
  enum fc_error error = FC_OK;
  if (run->code && run->code != SQLITE_ROW && run->code != SQLITE_DONE)
    error = fail_code(db, db->statements[statement].failure, run->code);
  (void)sqlite3_reset(run->statement);          /* tells of the same again */
  (void)sqlite3_clear_bindings(run->statement); /* cannot fail */
  run->bound = 0;
  run->code = SQLITE_OK;
  return error;
}

enum fc_error fc_db_finish(struct fc_db *db, size_t statement) {
  (void)fc_db_step(db, statement);
  return fc_db_end(db, statement);
}
