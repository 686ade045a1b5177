/* SPDX-License-Identifier: MIT */

#include "src/state/column.h"

#include "src/api/name.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include <math.h>
#include <string.h>

enum { DECLARATION_SIZE = 64 };

/* Rows outside are damaged; inside, sums of two cannot overflow. The years 0000
 * to 9999, which is what a time stamp of the API can say. */
static const int64_t time_min = -62167305600;
static const int64_t time_max = 253402387200;

/* How a member is stored. set() is not called for NULL. */
struct fc_column_type {
  enum fc_value_type value;
  enum fc_column_form form;
  bool may_lack; /* even without a flag */
  struct fc_value (*get)(const void *member);
  bool (*set)(void *member, const struct fc_value *value, char *line);
};

static struct fc_value integer(int64_t value) {
  return (struct fc_value){.type = FC_VALUE_INTEGER, .integer = value};
}

static struct fc_value text(const char *value) {
  return (struct fc_value){.type = value ? FC_VALUE_TEXT : FC_VALUE_NULL,
                           .text = value};
}

static struct fc_value string_get(const void *member) {
  return text(*(const char *const *)member);
}

static bool id_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(const char **)member = value->text;
  return fc_id_valid(value->text, strlen(value->text));
}

static bool name_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(const char **)member = value->text;
  return fc_name_valid(value->text, strlen(value->text));
}

static struct fc_value event_get(const void *member) {
  return text(fc_event_name(*(const enum fc_event_type *)member));
}

static bool event_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  for (unsigned type = 0; type < FC_EVENT_JOB_COUNT; type++)
    if (strcmp(fc_event_name((enum fc_event_type)type), value->text) == 0) {
      *(enum fc_event_type *)member = (enum fc_event_type)type;
      return true;
    }
  return false;
}

static struct fc_value state_get(const void *member) {
  return text(*(const bool *)member ? "handed" : "pending");
}

static bool state_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(bool *)member = strcmp(value->text, "pending") != 0;
  return true;
}

static struct fc_value count_get(const void *member) {
  return integer(*(const unsigned *)member);
}

static bool count_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(unsigned *)member = (unsigned)value->integer;
  return value->integer >= 1 && value->integer <= UINT16_MAX;
}

/* Text that the file may have from elsewhere, on its way to a log line. */
static bool line_set(void *member, const struct fc_value *value, char *line) {
  (void)fc_text_line(line, FC_ERROR_TEXT_SIZE, value->text,
                     strlen(value->text));
  *(const char **)member = line;
  return true;
}

/* Text that goes nowhere but to a comparison. */
static bool text_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(const char **)member = value->text;
  return true;
}

static struct fc_value kind_get(const void *member) {
  const struct fc_kind *kind = fc_kind_get(*(const uint8_t *)member);
  return text(kind ? kind->name : NULL);
}

static bool kind_set(void *member, const struct fc_value *value, char *line) {
  const struct fc_kind *kind =
      fc_kind_by_name(value->text, strlen(value->text));
  (void)line;
  if (kind)
    *(uint8_t *)member = (uint8_t)kind->id;
  return kind != NULL;
}

static struct fc_value status_get(const void *member) {
  return text(fc_status_name(*(const int8_t *)member));
}

static bool status_set(void *member, const struct fc_value *value, char *line) {
  enum fc_status status = fc_status_from_name(value->text);
  (void)line;
  *(int8_t *)member = (int8_t)status;
  return strcmp(fc_status_name(status), value->text) == 0;
}

static struct fc_value set_get(const void *member) {
  return integer(*(const uint8_t *)member);
}

static bool set_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(uint8_t *)member = (uint8_t)value->integer;
  return value->integer >= 0 && value->integer <= UINT8_MAX;
}

static struct fc_value time_get(const void *member) {
  return integer(*(const int64_t *)member);
}

static bool time_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(int64_t *)member = value->integer;
  return value->integer >= time_min && value->integer <= time_max;
}

static struct fc_value bool_get(const void *member) {
  return integer(*(const bool *)member);
}

static bool bool_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(bool *)member = value->integer != 0;
  return value->integer == 0 || value->integer == 1;
}

static struct fc_value real_get(const void *member) {
  double value = *(const double *)member;
  return (struct fc_value){
      .type = isfinite(value) ? FC_VALUE_REAL : FC_VALUE_NULL, .real = value};
}

static bool real_set(void *member, const struct fc_value *value, char *line) {
  (void)line;
  *(double *)member = value->real;
  return isfinite(value->real);
}

static const struct fc_column_type
    type_id = {FC_VALUE_TEXT, FC_FORM_PLAIN, false, string_get, id_set},
    type_name = {FC_VALUE_TEXT, FC_FORM_PLAIN, false, string_get, name_set},
    type_line = {FC_VALUE_TEXT, FC_FORM_PLAIN, true, string_get, line_set},
    type_text = {FC_VALUE_TEXT, FC_FORM_PLAIN, true, string_get, text_set},
    type_kind = {FC_VALUE_TEXT, FC_FORM_PLAIN, false, kind_get, kind_set},
    type_status = {FC_VALUE_TEXT, FC_FORM_STATUS, false, status_get,
                   status_set},
    type_sources = {FC_VALUE_INTEGER, FC_FORM_SOURCES, false, set_get, set_set},
    type_event = {FC_VALUE_TEXT, FC_FORM_PLAIN, false, event_get, event_set},
    type_state = {FC_VALUE_TEXT, FC_FORM_PLAIN, false, state_get, state_set},
    type_count = {FC_VALUE_INTEGER, FC_FORM_PLAIN, false, count_get, count_set},
    type_flags = {FC_VALUE_INTEGER, FC_FORM_PLAIN, false, set_get, set_set},
    type_time = {FC_VALUE_INTEGER, FC_FORM_TIME, false, time_get, time_set},
    type_bool = {FC_VALUE_INTEGER, FC_FORM_BOOL, false, bool_get, bool_set},
    type_real = {FC_VALUE_REAL, FC_FORM_PLAIN, false, real_get, real_set};

#define JOB(member) offsetof(struct fc_job_record, member)
#define FACT(member) JOB(facts.member)
#define PAST(member) JOB(history.member)
#define EVENT(member) offsetof(struct fc_event_record, member)
#define ENDPOINT(member) offsetof(struct fc_endpoint_record, member)

/* No flag is a record's first member. */
enum { ALWAYS = 0 };

/* A new column is added to the files of older versions, whose jobs lack it: it
 * needs a flag. */
static const struct fc_column job_columns[] = {
    {"id", &type_id, JOB(id), ALWAYS, FC_COLUMN_SHOWN},
    {"kind", &type_kind, PAST(kind), ALWAYS, FC_COLUMN_SHOWN},
    {"name", &type_name, JOB(name), ALWAYS, FC_COLUMN_STORED},
    {"sources", &type_sources, PAST(sources), ALWAYS, FC_COLUMN_STORED},
    {"status", &type_status, FACT(status), ALWAYS, FC_COLUMN_SHOWN},
    {"previous", &type_status, PAST(previous), ALWAYS, FC_COLUMN_HIDDEN},
    {"first_seen", &type_time, PAST(first_seen_s), ALWAYS, FC_COLUMN_STORED},
    {"processing_since", &type_time, PAST(processing_since_s),
     PAST(has_processing_since), FC_COLUMN_STORED},
    {"ended", &type_time, PAST(ended_s), PAST(has_ended), FC_COLUMN_STORED},
    {"expires_at", &type_time, FACT(expires_at_s), FACT(has_expires_at),
     FC_COLUMN_SHOWN},
    {"notified", &type_time, PAST(notified_s), PAST(has_notified),
     FC_COLUMN_HIDDEN},
    {"duration", &type_real, FACT(duration_s), FACT(has_duration),
     FC_COLUMN_SHOWN},
    {"tokens", &type_real, FACT(tokens), FACT(has_tokens), FC_COLUMN_SHOWN},
    {"credits", &type_real, FACT(credits), FACT(has_credits), FC_COLUMN_SHOWN},
    {"percent", &type_real, FACT(percent), FACT(has_percent), FC_COLUMN_SHOWN},
    {"stalled", &type_bool, PAST(stalled), ALWAYS, FC_COLUMN_SHOWN},
    {"flags", &type_flags, PAST(flags), ALWAYS, FC_COLUMN_HIDDEN},
    {"error", &type_line, JOB(error), ALWAYS, FC_COLUMN_SHOWN},
};

/* The same goes for a new one here. */
static const struct fc_column event_columns[] = {
    {"event", &type_event, EVENT(type), ALWAYS, FC_COLUMN_HIDDEN},
    {"state", &type_state, EVENT(delivered), ALWAYS, FC_COLUMN_HIDDEN},
    {"round", &type_count, EVENT(round), EVENT(has_moment), FC_COLUMN_HIDDEN},
    {"status", &type_status, EVENT(status), EVENT(has_moment),
     FC_COLUMN_HIDDEN},
    {"previous", &type_status, EVENT(previous), EVENT(has_moment),
     FC_COLUMN_HIDDEN},
};

static const struct fc_column endpoint_columns[] = {
    {"kind", &type_kind, ENDPOINT(kind), ALWAYS, FC_COLUMN_HIDDEN},
    {"sunset_reported", &type_time, ENDPOINT(sunset_reported_s), ALWAYS,
     FC_COLUMN_HIDDEN},
    {"last_warning", &type_bool, ENDPOINT(last_warning_given), ALWAYS,
     FC_COLUMN_HIDDEN},
    {"gone_reported", &type_bool, ENDPOINT(gone_reported), ALWAYS,
     FC_COLUMN_HIDDEN},
    {"url", &type_text, ENDPOINT(url), ALWAYS, FC_COLUMN_HIDDEN},
};

const struct fc_columns fc_job_columns = {job_columns, COUNT_OF(job_columns)};
const struct fc_columns fc_event_columns = {event_columns,
                                            COUNT_OF(event_columns)};
const struct fc_columns fc_endpoint_columns = {endpoint_columns,
                                               COUNT_OF(endpoint_columns)};

enum fc_value_type fc_column_value_type(const struct fc_column *column) {
  return column->type->value;
}

enum fc_column_form fc_column_form(const struct fc_column *column) {
  return column->type->form;
}

struct fc_value fc_column_get(const struct fc_column *column,
                              const void *record) {
  const char *base = record;
  return column->has == ALWAYS || *(const bool *)(base + column->has)
             ? column->type->get(base + column->value)
             : (struct fc_value){.type = FC_VALUE_NULL};
}

static bool may_lack(const struct fc_column *column) {
  return column->has != ALWAYS || column->type->may_lack;
}

bool fc_column_set(const struct fc_column *column, void *record,
                   const struct fc_value *value,
                   char line[FC_ERROR_TEXT_SIZE]) {
  char *base = record;
  bool has = value->type != FC_VALUE_NULL;
  if (column->has != ALWAYS)
    *(bool *)(base + column->has) = has;
  return has ? column->type->set(base + column->value, value, line)
             : may_lack(column);
}

void fc_column_declare(const struct fc_column *column, char *out, size_t size) {
  static const char *const types[] = {[FC_VALUE_INTEGER] = "INTEGER",
                                      [FC_VALUE_REAL] = "REAL",
                                      [FC_VALUE_TEXT] = "TEXT"};
  size_t used = 0;
  fc_text_append(out, size, &used, "%s %s%s", column->name,
                 types[column->type->value],
                 may_lack(column) ? "" : " NOT NULL");
}

static void name_list(const struct fc_column *column, char *out, size_t size) {
  fc_text_copy(out, size, column->name);
}

static void mark_list(const struct fc_column *column, char *out, size_t size) {
  (void)column;
  fc_text_copy(out, size, "?");
}

static void update_list(const struct fc_column *column, char *out,
                        size_t size) {
  size_t used = 0;
  fc_text_append(out, size, &used, "%s = excluded.%s", column->name,
                 column->name);
}

static const struct list {
  const char *word;
  size_t first;
  void (*print)(const struct fc_column *column, char *out, size_t size);
} lists[] = {
    {"@columns", 0, name_list},
    {"@marks", 0, mark_list},
    {"@updates", 1, update_list},
    {"@declarations", 0, fc_column_declare},
};

static void list_append(const struct list *list,
                        const struct fc_columns *columns, char *sql,
                        size_t size, size_t *used) {
  char item[DECLARATION_SIZE];
  for (size_t i = list->first; i < columns->len; i++) {
    list->print(&columns->column[i], item, sizeof(item));
    fc_text_append(sql, size, used, "%s%s", i > list->first ? ", " : "", item);
  }
}

void fc_columns_expand(const struct fc_columns *columns, char *sql, size_t size,
                       const char *text) {
  size_t used = 0, len;
  for (;;) {
    len = strcspn(text, "@");
    fc_text_append(sql, size, &used, "%.*s", (int)len, text);
    text += len;
    if (!*text)
      return;
    const struct list *list = lists;
    while (strncmp(text, list->word, strlen(list->word)) != 0)
      list++;
    list_append(list, columns, sql, size, &used);
    text += strlen(list->word);
  }
}
