/* SPDX-License-Identifier: MIT */

/* SQLite: one connection and its prepared statements. The only user of
 * sqlite3; what is stored is src/state/store.h.
 *
 * Failures are FC_ERR_STATE or FC_ERR_MEMORY, and go with SQLite's words to
 * `problem` and `detail` of the file: FC_STATEFILE_DAMAGED where SQLite says
 * so, which it also does of what cannot be read, else FC_STATEFILE_IO. Nothing
 * of the process is configured: the host's other uses of SQLite are left alone.
 * One thread at a time. */

#ifndef FC_DB_H
#define FC_DB_H

#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/state/column.h"
#include "src/state/statefile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fc_db;

struct fc_statement {
  const char *sql; /* as fc_columns_expand takes it, below FC_DB_SQL_SIZE */
  const char *failure;
  const struct fc_columns *columns; /* NULL: none */
};

enum { FC_DB_SQL_SIZE = 4096 };

/* "3.40.1": the SQLite that is loaded. Static storage. */
const char *fc_db_library_version(void);

/* A connection that is not open yet; NULL when memory is short. The statements,
 * which are then named by their index, and the file are borrowed. */
struct fc_db *fc_db_new(const struct fc_statement *statements, size_t len,
                        struct fc_statefile *file);

/* Closes it. NULL is fine. */
void fc_db_free(struct fc_db *db);

/* Refuses an SQLite that is too old: it would not know our statements, and the
 * file would be blamed. */
FC_MUST_USE enum fc_error fc_db_check_library(struct fc_db *db);

/* Opens the file to read and write, or to read what a URI names. No triggers,
 * views or functions of its schema run: it may have been made up by somebody.
 * When it is closed its log stays, until fc_db_accept. */
FC_MUST_USE enum fc_error fc_db_open(struct fc_db *db);
FC_MUST_USE enum fc_error fc_db_open_to_read(struct fc_db *db, const char *uri);

/* When it is closed, what its log says is to go to the file (true), or to stay
 * in the log (false). */
void fc_db_accept(struct fc_db *db, bool accepted);

/* Compiles the statements, once the tables are there. */
FC_MUST_USE enum fc_error fc_db_prepare(struct fc_db *db);

/* Closes it; it can be opened again. */
void fc_db_close(struct fc_db *db);

bool fc_db_is_open(const struct fc_db *db);
bool fc_db_in_transaction(const struct fc_db *db);

/* True when the last failure was that SQLite did not take a statement of ours:
 * the tables are others. */
bool fc_db_has_other_tables(const struct fc_db *db);

/* Runs any SQL. `failure` begins the detail. */
FC_MUST_USE enum fc_error fc_db_run(struct fc_db *db, const char *sql,
                                    const char *failure);

/* The first column of the first row; *value stays where there is no row. */
FC_MUST_USE enum fc_error fc_db_ask(struct fc_db *db, const char *sql,
                                    int64_t *value);

/* The same of text; "" where there is no row. */
FC_MUST_USE enum fc_error fc_db_ask_text(struct fc_db *db, const char *sql,
                                         char *text, size_t size);

/* Copies what is in the file to an empty or new one. */
FC_MUST_USE enum fc_error fc_db_copy(struct fc_db *db, const char *path,
                                     const char *failure);

/* A prepared statement: bind its parameters from the first to the last, step
 * while it returns true and take the values of each row, then end, which tells
 * of the first failure and makes it ready for the next time. Text that is bound
 * has to last until then; text of a row, "" where there is none, until the next
 * step. */
void fc_db_bind(struct fc_db *db, size_t statement, struct fc_value value);
void fc_db_bind_text(struct fc_db *db, size_t statement, const char *text);
void fc_db_bind_record(struct fc_db *db, size_t statement, const void *record);
bool fc_db_step(struct fc_db *db, size_t statement);
const char *fc_db_text(struct fc_db *db, size_t statement, size_t column);
FC_MUST_USE enum fc_error fc_db_end(struct fc_db *db, size_t statement);

/* Makes a record, which was all zero, of the row's first columns; see
 * fc_column_set for `line`. False when they make no sense. */
bool fc_db_record(struct fc_db *db, size_t statement, void *record,
                  char line[FC_ERROR_TEXT_SIZE]);

/* Steps a statement that has no rows, and ends it. */
FC_MUST_USE enum fc_error fc_db_finish(struct fc_db *db, size_t statement);

#endif
