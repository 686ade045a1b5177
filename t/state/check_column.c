/* SPDX-License-Identifier: MIT */

/* The columns of the state file's tables: t/state/check_store.c has them in
 * SQLite. */

#include "src/base/macros.h"
#include "src/state/column.h"

#include "t/suite.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static const struct fc_column *column(const char *name) {
  for (size_t i = 0; i < fc_job_columns.len; i++)
    if (strcmp(fc_job_columns.column[i].name, name) == 0)
      return &fc_job_columns.column[i];
  ck_abort_msg("no column %s", name);
}

static struct fc_value null(void) {
  return (struct fc_value){.type = FC_VALUE_NULL};
}
static struct fc_value integer(int64_t value) {
  return (struct fc_value){.type = FC_VALUE_INTEGER, .integer = value};
}
static struct fc_value real(double value) {
  return (struct fc_value){.type = FC_VALUE_REAL, .real = value};
}
static struct fc_value text(const char *value) {
  return (struct fc_value){.type = FC_VALUE_TEXT, .text = value};
}

/* Another one for each column, as far as it can be. */
static struct fc_value sample(const struct fc_column *of, size_t i) {
  static const char *const words[] = {"a", "agent",  "c",
                                      "d", "failed", "completed"};
  if (fc_column_value_type(of) == FC_VALUE_REAL)
    return real((double)i + 0.5);
  if (fc_column_value_type(of) == FC_VALUE_TEXT)
    return text(strcmp(of->name, "kind") == 0 ? "agent"
                                              : words[i % COUNT_OF(words)]);
  struct fc_job_record job = {.id = NULL};
  struct fc_value value = integer((int64_t)i);
  char line[FC_ERROR_TEXT_SIZE];
  return fc_column_set(of, &job, &value, line) ? value : integer(i % 2);
}

static void comes_back(const struct fc_columns *columns, void *record) {
  char line[FC_ERROR_TEXT_SIZE];
  for (size_t i = 0; i < columns->len; i++) {
    struct fc_value put = sample(&columns->column[i], i);
    ck_assert_msg(fc_column_set(&columns->column[i], record, &put, line), "%s",
                  columns->column[i].name);
  }
  for (size_t i = 0; i < columns->len; i++) {
    struct fc_value put = sample(&columns->column[i], i),
                    got = fc_column_get(&columns->column[i], record);
    ck_assert_msg(
        got.type == put.type && got.integer == put.integer &&
            !(got.real < put.real || got.real > put.real) &&
            (put.type != FC_VALUE_TEXT || strcmp(got.text, put.text) == 0),
        "%s", columns->column[i].name);
  }
}

START_TEST(every_column_has_a_member_of_its_own) {
  struct fc_job_record job = {.id = NULL};
  struct fc_endpoint_record endpoint = {.sunset_reported_s = 0};
  comes_back(&fc_job_columns, &job);
  comes_back(&fc_endpoint_columns, &endpoint);
}
END_TEST

START_TEST(each_flag_is_of_one_column) {
  char line[FC_ERROR_TEXT_SIZE];
  for (size_t i = 0; i < fc_job_columns.len; i++) {
    const struct fc_column *set = &fc_job_columns.column[i];
    struct fc_job_record job = {.id = NULL};
    struct fc_value value = sample(set, i);
    ck_assert(fc_column_set(set, &job, &value, line));
    for (size_t j = 0; j < fc_job_columns.len; j++) {
      const struct fc_column *other = &fc_job_columns.column[j];
      bool has = fc_column_get(other, &job).type != FC_VALUE_NULL;
      ck_assert_msg(!other->has || has == (i == j), "%s, %s", set->name,
                    other->name);
    }
  }
}
END_TEST

START_TEST(null_is_for_what_a_job_may_lack) {
  static const char *const optional[] = {
      "processing_since", "ended",   "expires_at", "notified", "duration",
      "tokens",           "credits", "percent",    "error"};
  char line[FC_ERROR_TEXT_SIZE];
  size_t lacking = 0;
  for (size_t i = 0; i < fc_job_columns.len; i++) {
    struct fc_job_record job = {.id = NULL};
    struct fc_value value = null();
    lacking += fc_column_set(&fc_job_columns.column[i], &job, &value, line);
  }
  ck_assert_uint_eq(lacking, COUNT_OF(optional));
  for (size_t i = 0; i < COUNT_OF(optional); i++) {
    struct fc_job_record job = {.id = NULL};
    struct fc_value value = null();
    ck_assert(fc_column_set(column(optional[i]), &job, &value, line));
    ck_assert_int_eq(fc_column_get(column(optional[i]), &job).type,
                     FC_VALUE_NULL);
  }
}
END_TEST

static const struct {
  const char *column;
  struct fc_value value;
} senseless[] = {
    {"id", {FC_VALUE_TEXT, 0, 0, "../admin"}},
    {"id", {FC_VALUE_TEXT, 0, 0, ""}},
    {"kind", {FC_VALUE_TEXT, 0, 0, "pizza"}},
    {"name", {FC_VALUE_TEXT, 0, 0, "a b"}},
    {"status", {FC_VALUE_TEXT, 0, 0, "Failed"}},
    {"sources", {FC_VALUE_INTEGER, -1, 0, NULL}},
    {"flags", {FC_VALUE_INTEGER, (int64_t)INT_MAX + 1, 0, NULL}},
    {"first_seen", {FC_VALUE_INTEGER, 253402387201, 0, NULL}},
    {"ended", {FC_VALUE_INTEGER, -62167305601, 0, NULL}},
    {"stalled", {FC_VALUE_INTEGER, 2, 0, NULL}},
    {"percent", {FC_VALUE_REAL, 0, (double)INFINITY, NULL}},
};

START_TEST(what_makes_no_sense_is_refused) {
  char line[FC_ERROR_TEXT_SIZE];
  struct fc_job_record job = {.id = NULL};
  ck_assert(!fc_column_set(column(senseless[_i].column), &job,
                           &senseless[_i].value, line));
}
END_TEST

START_TEST(what_cannot_be_stored_is_null) {
  struct fc_job_record job = {.history.kind = FC_KIND_COUNT,
                              .facts.has_tokens = true,
                              .facts.tokens = (double)NAN};
  ck_assert_int_eq(fc_column_get(column("id"), &job).type, FC_VALUE_NULL);
  ck_assert_int_eq(fc_column_get(column("kind"), &job).type, FC_VALUE_NULL);
  ck_assert_int_eq(fc_column_get(column("tokens"), &job).type, FC_VALUE_NULL);
}
END_TEST

START_TEST(an_error_text_becomes_one_line) {
  char line[FC_ERROR_TEXT_SIZE];
  struct fc_job_record job = {.id = NULL};
  struct fc_value value = text(" a\nb\x1b[2J");
  ck_assert(fc_column_set(column("error"), &job, &value, line));
  ck_assert_str_eq(job.error, "a b [2J");
}
END_TEST

static const struct {
  const char *statement, *becomes;
} statements[] = {
    {"SELECT 1", "SELECT 1"},
    {"", ""},
    {"(@columns)", "(kind, sunset_reported, last_warning, gone_reported, url)"},
    {"?, @marks", "?, ?, ?, ?, ?, ?"},
    {"@updates", "sunset_reported = excluded.sunset_reported, "
                 "last_warning = excluded.last_warning, "
                 "gone_reported = excluded.gone_reported, "
                 "url = excluded.url"},
    {"@declarations.",
     "kind TEXT NOT NULL, sunset_reported INTEGER NOT NULL, "
     "last_warning INTEGER NOT NULL, gone_reported INTEGER NOT NULL, "
     "url TEXT."},
};

START_TEST(a_statement_is_made_of_the_columns) {
  char sql[256];
  fc_columns_expand(&fc_endpoint_columns, sql, sizeof(sql),
                    statements[_i].statement);
  ck_assert_str_eq(sql, statements[_i].becomes);
}
END_TEST

static const struct {
  const char *column, *declaration;
} declarations[] = {
    {"id", "id TEXT NOT NULL"},          {"ended", "ended INTEGER"},
    {"percent", "percent REAL"},         {"error", "error TEXT"},
    {"flags", "flags INTEGER NOT NULL"},
};

START_TEST(a_column_is_declared) {
  char sql[64];
  fc_column_declare(column(declarations[_i].column), sql, sizeof(sql));
  ck_assert_str_eq(sql, declarations[_i].declaration);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("record");
  TCase *tests = tcase_create("record");
  tcase_add_test(tests, every_column_has_a_member_of_its_own);
  tcase_add_test(tests, each_flag_is_of_one_column);
  tcase_add_test(tests, null_is_for_what_a_job_may_lack);
  tcase_add_loop_test(tests, what_makes_no_sense_is_refused, 0,
                      COUNT_OF(senseless));
  tcase_add_test(tests, what_cannot_be_stored_is_null);
  tcase_add_test(tests, an_error_text_becomes_one_line);
  tcase_add_loop_test(tests, a_statement_is_made_of_the_columns, 0,
                      COUNT_OF(statements));
  tcase_add_loop_test(tests, a_column_is_declared, 0, COUNT_OF(declarations));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
