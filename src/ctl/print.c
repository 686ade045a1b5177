/* SPDX-License-Identifier: MIT */

#include "src/ctl/print.h"

#include "src/api/kind.h"
#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/base/timestamp.h"
#include "src/state/column.h"
#include "src/watch/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CELL_SIZE = 512, LINE_SIZE = 1024 };

const char *ctl_span(char text[CTL_SPAN_SIZE], int64_t seconds) {
  static const struct {
    int64_t seconds;
    const char *name, *next;
    int64_t per;
  } units[] = {
      {86400, "d", "h", 3600}, {3600, "h", "m", 60}, {60, "m", "s", 1}};
  size_t used = 0, i = 0;
  uint64_t left = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;
  fc_text_append(text, CTL_SPAN_SIZE, &used, seconds < 0 ? "-" : "");
  while (i < COUNT_OF(units) && left < (uint64_t)units[i].seconds)
    i++;
  if (i == COUNT_OF(units)) {
    fc_text_append(text, CTL_SPAN_SIZE, &used, "%" PRIu64 "s", left);
    return text;
  }
  uint64_t whole = left / (uint64_t)units[i].seconds;
  uint64_t rest = left % (uint64_t)units[i].seconds / (uint64_t)units[i].per;
  fc_text_append(text, CTL_SPAN_SIZE, &used, "%" PRIu64 "%s", whole,
                 units[i].name);
  if (rest && whole < 10)
    fc_text_append(text, CTL_SPAN_SIZE, &used, "%" PRIu64 "%s", rest,
                   units[i].next);
  return text;
}

bool ctl_takes_colours(FILE *out) {
  const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
  return isatty(fileno(out)) && !(no_color && no_color[0]) && term && term[0] &&
         strcmp(term, "dumb") != 0;
}

const char *ctl_colour(enum fc_status status, bool colours) {
  static const char *const sequences[FC_STATUS_COUNT] = {
      [FC_STATUS_COMPLETED] = "\033[32m", [FC_STATUS_PROCESSING] = "\033[36m",
      [FC_STATUS_CANCELLED] = "\033[33m", [FC_STATUS_FAILED] = "\033[31m",
      [FC_STATUS_LOST] = "\033[31m",      [FC_STATUS_UNKNOWN] = "\033[35m",
  };
  return colours && status >= 0 && status < FC_STATUS_COUNT ? sequences[status]
                                                            : "";
}

const char *ctl_colour_end(bool colours) { return colours ? "\033[0m" : ""; }

static void cell_text(char cell[CELL_SIZE], const char *text) {
  (void)fc_text_line(cell, CELL_SIZE, text, strlen(text));
}

static const struct fc_kind *kind_of(const struct ctl_row *row) {
  return fc_kind_get(row->record.history.kind);
}

static void cell_instance(char cell[CELL_SIZE], const struct ctl_row *row) {
  cell_text(cell, row->instance);
}

static void cell_name(char cell[CELL_SIZE], const struct ctl_row *row) {
  cell_text(cell, row->record.name);
}

static void cell_kind(char cell[CELL_SIZE], const struct ctl_row *row) {
  cell_text(cell, kind_of(row)->name);
}

static void cell_id(char cell[CELL_SIZE], const struct ctl_row *row) {
  cell_text(cell, row->record.id);
}

static void cell_status(char cell[CELL_SIZE], const struct ctl_row *row) {
  cell_text(cell, row->record.history.stalled ? "stalled"
                  : row->record.facts.status == FC_STATUS_NONE
                      ? "-"
                      : fc_status_name(row->record.facts.status));
}

static void cell_done(char cell[CELL_SIZE], const struct ctl_row *row) {
  if (row->record.facts.has_percent)
    (void)snprintf(cell, CELL_SIZE, "%.0f%%", row->record.facts.percent);
}

static void cell_expires(char cell[CELL_SIZE], const struct ctl_row *row) {
  char span[CTL_SPAN_SIZE];
  if (row->record.facts.has_expires_at &&
      row->record.facts.status != FC_STATUS_LOST)
    cell_text(cell,
              ctl_span(span, row->record.facts.expires_at_s - row->now_s));
}

static void cell_billed(char cell[CELL_SIZE], const struct ctl_row *row) {
  size_t used = 0;
  if (row->record.facts.has_tokens)
    fc_text_append(cell, CELL_SIZE, &used, "%.15g tokens",
                   row->record.facts.tokens);
  if (row->record.facts.has_credits)
    fc_text_append(cell, CELL_SIZE, &used, "%s%.15g credits", used ? ", " : "",
                   row->record.facts.credits);
}

static void cell_note(char cell[CELL_SIZE], const struct ctl_row *row) {
  cell_text(cell, row->record.error ? row->record.error
                  : row->problem    ? row->problem
                                    : "");
}

static const struct column {
  const char *title;
  void (*fill)(char cell[CELL_SIZE], const struct ctl_row *row);
  bool of_names;
} columns[] = {
    {"INSTANCE", cell_instance, true}, {"NAME", cell_name, true},
    {"KIND", cell_kind, false},        {"ID", cell_id, false},
    {"STATUS", cell_status, false},    {"DONE", cell_done, false},
    {"EXPIRES", cell_expires, false},  {"BILLED", cell_billed, false},
    {"NOTE", cell_note, false},
};
enum { COLUMNS = COUNT_OF(columns) };

struct table_row {
  enum fc_status status;
  char *cells[COLUMNS]; /* NULL: the column is left out */
};

struct ctl_table {
  bool with_names;
  size_t widths[COLUMNS];
  struct table_row *rows;
  size_t len, capacity;
};

struct ctl_table *ctl_table_new(bool with_names) {
  struct ctl_table *table = calloc(1, sizeof(*table));
  if (!table)
    return NULL;
  table->with_names = with_names;
  for (size_t i = 0; i < COLUMNS; i++)
    table->widths[i] = strlen(columns[i].title);
  return table;
}

static bool table_grow(struct ctl_table *table) {
  if (table->len < table->capacity)
    return true;
  size_t capacity = table->capacity ? 2 * table->capacity : 16;
  struct table_row *rows =
      reallocarray(table->rows, capacity, sizeof(*table->rows));
  if (!rows)
    return false;
  table->rows = rows;
  table->capacity = capacity;
  return true;
}

bool ctl_table_add(struct ctl_table *table, const struct ctl_row *row) {
  if (!table_grow(table))
    return false;
  struct table_row *kept = &table->rows[table->len++];
  *kept = (struct table_row){.status = row->record.facts.status};
  for (size_t i = 0; i < COLUMNS; i++) {
    char cell[CELL_SIZE] = "";
    if (columns[i].of_names && !table->with_names)
      continue;
    columns[i].fill(cell, row);
    kept->cells[i] = strdup(cell[0] ? cell : "-");
    if (!kept->cells[i])
      return false;
    /* Only the last column may be other than ASCII, and it has no width. */
    if (strlen(kept->cells[i]) > table->widths[i])
      table->widths[i] = strlen(kept->cells[i]);
  }
  return true;
}

static void print_cell(const struct ctl_table *table, FILE *out, size_t column,
                       const char *text, const char *colour,
                       const char *colour_end) {
  if (column == COLUMNS - 1)
    (void)fprintf(out, "%s\n", text);
  else
    (void)fprintf(out, "%s%s%s%*s", colour, text, colour_end,
                  (int)(table->widths[column] - strlen(text)) + 2, "");
}

void ctl_table_print(const struct ctl_table *table, FILE *out, bool colours) {
  for (size_t i = 0; i < COLUMNS; i++)
    if (table->with_names || !columns[i].of_names)
      print_cell(table, out, i, columns[i].title, "", "");
  for (size_t n = 0; n < table->len; n++) {
    const struct table_row *row = &table->rows[n];
    for (size_t i = 0; i < COLUMNS; i++) {
      bool coloured = colours && columns[i].fill == cell_status;
      if (row->cells[i])
        print_cell(table, out, i, row->cells[i],
                   ctl_colour(row->status, coloured), ctl_colour_end(coloured));
    }
  }
}

void ctl_table_free(struct ctl_table *table) {
  if (!table)
    return;
  for (size_t n = 0; n < table->len; n++)
    for (size_t i = 0; i < COLUMNS; i++)
      free(table->rows[n].cells[i]);
  free(table->rows);
  free(table);
}

void ctl_json_string(FILE *out, const char *text) {
  char line[LINE_SIZE];
  if (!text) {
    (void)fputs("null", out);
    return;
  }
  (void)fc_text_line(line, sizeof(line), text, strlen(text));
  (void)fputc('"', out);
  for (const char *c = line; *c; c++) {
    if (*c == '"' || *c == '\\')
      (void)fputc('\\', out);
    (void)fputc(*c, out);
  }
  (void)fputc('"', out);
}

static void json_text(FILE *out, const char *name, const char *text) {
  (void)fprintf(out, ",\"%s\":", name);
  ctl_json_string(out, text);
}

static void json_number(FILE *out, const char *name, bool has, double value) {
  if (has)
    (void)fprintf(out, ",\"%s\":%.15g", name, value);
  else
    json_text(out, name, NULL);
}

static void json_time(FILE *out, const char *name, int64_t time_s) {
  char text[FC_TIMESTAMP_SIZE];
  json_text(out, name, fc_timestamp_format(text, time_s));
}

static void json_sources(FILE *out, const char *name, int64_t sources) {
  static const struct {
    unsigned bit;
    const char *name;
  } names[] = {{FC_SOURCE_CONFIG, "config"},
               {FC_SOURCE_FILE, "file"},
               {FC_SOURCE_REGISTRATION, "registration"}};
  const char *comma = "";
  (void)fprintf(out, ",\"%s\":[", name);
  for (size_t i = 0; i < COUNT_OF(names); i++)
    if ((unsigned)sources & names[i].bit) {
      (void)fprintf(out, "%s\"%s\"", comma, names[i].name);
      comma = ",";
    }
  (void)fputc(']', out);
}

static void json_column(FILE *out, const struct fc_column *column,
                        const struct fc_job_record *record) {
  struct fc_value value = fc_column_get(column, record);
  enum fc_column_form form = fc_column_form(column);
  if (value.type == FC_VALUE_NULL ||
      (form == FC_FORM_STATUS && record->facts.status == FC_STATUS_NONE))
    json_text(out, column->name, NULL);
  else if (form == FC_FORM_TIME)
    json_time(out, column->name, value.integer);
  else if (form == FC_FORM_BOOL)
    (void)fprintf(out, ",\"%s\":%s", column->name,
                  value.integer ? "true" : "false");
  else if (form == FC_FORM_SOURCES)
    json_sources(out, column->name, value.integer);
  else if (value.type == FC_VALUE_REAL)
    json_number(out, column->name, true, value.real);
  else
    json_text(out, column->name, value.text);
}

void ctl_json_row(FILE *out, const struct ctl_row *row) {
  const struct fc_facts *facts = &row->record.facts;
  bool known = facts->status != FC_STATUS_NONE;
  (void)fprintf(out, known ? "{\"code\":%d" : "{\"code\":null", facts->status);
  if (row->instance)
    json_text(out, "instance", row->instance);
  for (size_t i = 0; i < fc_job_columns.len; i++) {
    const struct fc_column *column = &fc_job_columns.column[i];
    if (column->use == FC_COLUMN_SHOWN ||
        (column->use == FC_COLUMN_STORED && row->instance))
      json_column(out, column, &row->record);
  }
  json_number(out, "expires_in", facts->has_expires_at,
              (double)(facts->expires_at_s - row->now_s));
  json_text(out, "trouble", row->problem);
  (void)fputc('}', out);
}
