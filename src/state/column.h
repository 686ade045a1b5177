/* SPDX-License-Identifier: MIT */

/* What the state file holds of a job and of an endpoint, column by column: one
 * table for each declares the columns in SQL, lists them in statements, moves
 * values from and to a record's members, and names them in firecrawlctl's JSON.
 * No SQLite here; the tables are described in src/state/store.h. Pure
 * functions; any thread.
 *
 * A new figure of a job is a member of struct fc_facts, its flag, a row in
 * column.c, and the next FC_STATEFILE_VERSION. */

#ifndef FC_COLUMN_H
#define FC_COLUMN_H

#include "src/api/parse.h"
#include "src/watch/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value as SQL knows it. */
enum fc_value_type {
  FC_VALUE_NULL,
  FC_VALUE_INTEGER,
  FC_VALUE_REAL,
  FC_VALUE_TEXT
};

struct fc_value {
  enum fc_value_type type;
  int64_t integer;
  double real;
  const char *text; /* borrowed; never NULL in a value of this type */
};

/* The columns of a table, all but `number` and `instance`. The first one is,
 * with the instance, the key. */
struct fc_column {
  const char *name;
  const struct fc_column_type *type;
  size_t value; /* offset of the member */
  size_t has; /* offset of the flag whether it has a value; 0: it always has */
  enum fc_column_use {
    FC_COLUMN_SHOWN,  /* in any list of jobs as JSON */
    FC_COLUMN_STORED, /* ... of the state file's jobs only */
    FC_COLUMN_HIDDEN
  } use;
};

struct fc_columns {
  const struct fc_column *column;
  size_t len;
};

/* Of struct fc_job_record, struct fc_event_record and struct
 * fc_endpoint_record. */
extern const struct fc_columns fc_job_columns, fc_event_columns,
    fc_endpoint_columns;

/* An event of a job as it is stored. */
struct fc_event_record {
  enum fc_event_type type;
  bool delivered; /* else it is pending */
  unsigned round;
  int8_t status, previous; /* of the job when it came about, enum fc_status */
  bool has_moment; /* round, status and previous, which version 1 lacks */
};

enum fc_value_type fc_column_value_type(const struct fc_column *column);

/* What a value is, beyond its type. */
enum fc_column_form {
  FC_FORM_PLAIN,
  FC_FORM_BOOL,
  FC_FORM_TIME, /* epoch seconds */
  FC_FORM_STATUS,
  FC_FORM_SOURCES /* set of enum fc_job_source */
};
enum fc_column_form fc_column_form(const struct fc_column *column);

/* The member's value. A number that is not finite, text that is NULL and an
 * unknown kind are FC_VALUE_NULL. */
struct fc_value fc_column_get(const struct fc_column *column,
                              const void *record);

/* Sets the member of a record that was all zero; the value is NULL or of the
 * column's type. Text is borrowed, or made one safe line in `line`. False when
 * the value makes no sense; the member is then undefined. */
bool fc_column_set(const struct fc_column *column, void *record,
                   const struct fc_value *value, char line[FC_ERROR_TEXT_SIZE]);

/* Writes "NAME TYPE", or "NAME TYPE NOT NULL", to out[size]. */
void fc_column_declare(const struct fc_column *column, char *out, size_t size);

/* Copies a statement to sql[size], in which "@columns" stands for the names of
 * all columns, "@marks" for a '?' for each, "@updates" for "NAME =
 * excluded.NAME" for all but the first, and "@declarations" for what
 * fc_column_declare writes. What does not fit is cut. columns may be NULL where
 * no such word is in it. */
void fc_columns_expand(const struct fc_columns *columns, char *sql, size_t size,
                       const char *text);

#endif
