/* SPDX-License-Identifier: MIT */

#include "src/api/kind.h"
#include "src/base/timestamp.h"

#include "t/suite.h"

#include <limits.h>
#include <string.h>

static const struct {
  enum fc_kind_id id;
  const char *name, *option;
  const char *path, *path_v1, *path_v2; /* as fc_kind_path gives them */
  const char *query, *successor;
} kinds[] = {
    {FC_KIND_EXTRACT, "extract", "Extract", "/v1/extract/", "/v1/extract/",
     "/v2/extract/", "",
     "/v2/scrape with a JSON format, /v2/batch/scrape or /v2/agent"},
    {FC_KIND_AGENT, "agent", "Agent", "/v2/agent/", "/v2/agent/", "/v2/agent/",
     "", NULL},
    {FC_KIND_CRAWL, "crawl", "Crawl", "/v2/crawl/", "/v1/crawl/", "/v2/crawl/",
     "?limit=1", NULL},
    {FC_KIND_BATCH_SCRAPE, "batch_scrape", "BatchScrape", "/v2/batch/scrape/",
     "/v1/batch/scrape/", "/v2/batch/scrape/", "?limit=1", NULL},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

START_TEST(a_kind_is_one_row) {
  const struct fc_kind *kind = fc_kind_get(kinds[_i].id);
  ck_assert_int_eq(kind->id, kinds[_i].id);
  ck_assert_str_eq(kind->name, kinds[_i].name);
  ck_assert_str_eq(kind->option, kinds[_i].option);
  ck_assert_str_eq(kind->query, kinds[_i].query);
  ck_assert_pstr_eq(kind->successor, kinds[_i].successor);
}
END_TEST

/* https://docs.firecrawl.dev, "Migrating from /extract". */
START_TEST(only_extract_ends_at_the_cloud_on_the_tenth_of_december) {
  static const char date[] = "2026-12-10T15:00:00Z";
  const struct fc_kind *kind = fc_kind_get(kinds[_i].id);
  int64_t end_s = 0;
  if (kind->id == FC_KIND_EXTRACT)
    ck_assert(fc_timestamp_rfc3339(date, strlen(date), &end_s));
  ck_assert_int_eq(kind->cloud_end_s, end_s);
}
END_TEST

static const struct {
  enum fc_kind_id id;
  const char *named, *successor;
} successors[] = {
    {FC_KIND_EXTRACT, "",
     "/v2/scrape with a JSON format, /v2/batch/scrape or /v2/agent"},
    {FC_KIND_EXTRACT, "/v2/scrape",
     "/v2/scrape with a JSON format, /v2/batch/scrape or /v2/agent"},
    {FC_KIND_EXTRACT, "/v3/extract", "/v3/extract"},
    {FC_KIND_CRAWL, "", NULL},
    {FC_KIND_CRAWL, "/v3/crawl", "/v3/crawl"},
};

START_TEST(a_successor_is_ours_unless_the_server_names_another) {
  ck_assert_pstr_eq(
      fc_kind_successor(fc_kind_get(successors[_i].id), successors[_i].named),
      successors[_i].successor);
}
END_TEST

START_TEST(a_kind_has_a_path_in_every_version) {
  const struct fc_kind *kind = fc_kind_get(kinds[_i].id);
  ck_assert_str_eq(fc_kind_path(kind, FC_API_DEFAULT), kinds[_i].path);
  ck_assert_str_eq(fc_kind_path(kind, FC_API_V1), kinds[_i].path_v1);
  ck_assert_str_eq(fc_kind_path(kind, FC_API_V2), kinds[_i].path_v2);
  ck_assert_str_eq(fc_kind_path(kind, FC_API_COUNT), kinds[_i].path);
  ck_assert_str_eq(fc_kind_path(kind, (enum fc_api_version)INT_MAX),
                   kinds[_i].path);
}
END_TEST

START_TEST(only_the_agent_is_missing_in_v1) {
  const char *v1 = fc_kind_get(kinds[_i].id)->path[FC_API_V1];
  ck_assert_int_eq(v1 == NULL, kinds[_i].id == FC_KIND_AGENT);
}
END_TEST

START_TEST(a_kind_is_found_by_its_exact_name) {
  const char *name = kinds[_i].name;
  size_t len = strlen(name);
  const struct fc_kind *kind = fc_kind_get(kinds[_i].id);
  char longer[32] = {0};
  memcpy(longer, name, len);
  longer[len] = 'x';
  ck_assert_ptr_eq(fc_kind_by_name(name, len), kind);
  ck_assert_ptr_eq(fc_kind_by_name(longer, len), kind);
  ck_assert_ptr_null(fc_kind_by_name(longer, len + 1));
  ck_assert_ptr_null(fc_kind_by_name(name, len - 1));
  ck_assert_ptr_null(fc_kind_by_name(name, len + 1));
}
END_TEST

static const char *const strange_names[] = {
    "", "Extract", "EXTRACT", "batch-scrape", "BatchScrape", "batch", "scrape",
};
enum { STRANGE_NAMES = sizeof(strange_names) / sizeof(strange_names[0]) };

START_TEST(a_strange_name_is_no_kind) {
  const char *name = strange_names[_i];
  ck_assert_ptr_null(fc_kind_by_name(name, strlen(name)));
}
END_TEST

static const struct {
  const char *option;
  int id;
} options[] = {
    {"Extract", FC_KIND_EXTRACT},
    {"extract", FC_KIND_EXTRACT},
    {"AGENT", FC_KIND_AGENT},
    {"cRAWL", FC_KIND_CRAWL},
    {"BatchScrape", FC_KIND_BATCH_SCRAPE},
    {"batchscrape", FC_KIND_BATCH_SCRAPE},
    {"batch_scrape", -1},
    {"Extracts", -1},
    {"", -1},
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

START_TEST(an_option_finds_its_kind_in_any_case) {
  const struct fc_kind *kind = fc_kind_by_option(options[_i].option);
  ck_assert_int_eq(kind ? (int)kind->id : -1, options[_i].id);
}
END_TEST

START_TEST(a_value_out_of_range_is_no_kind) {
  static const int values[] = {-1, INT_MIN, FC_KIND_COUNT, INT_MAX};
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
    ck_assert_ptr_null(fc_kind_get((enum fc_kind_id)values[i]));
}
END_TEST

static const struct {
  const char *name;
  enum fc_api_version version;
} versions[] = {
    {"v1", FC_API_V1},       {"v2", FC_API_V2},       {"V1", FC_API_V1},
    {"V2", FC_API_V2},       {"", FC_API_DEFAULT},    {"v", FC_API_DEFAULT},
    {"v3", FC_API_DEFAULT},  {"1", FC_API_DEFAULT},   {"v1 ", FC_API_DEFAULT},
    {"/v1", FC_API_DEFAULT}, {"v10", FC_API_DEFAULT},
};
enum { VERSIONS = sizeof(versions) / sizeof(versions[0]) };

START_TEST(a_version_is_named_in_any_case) {
  ck_assert_int_eq(fc_api_version_from_name(versions[_i].name),
                   versions[_i].version);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kind");
  TCase *tcase = tcase_create("kind");
  tcase_add_loop_test(tcase, a_kind_is_one_row, 0, KINDS);
  tcase_add_loop_test(
      tcase, only_extract_ends_at_the_cloud_on_the_tenth_of_december, 0, KINDS);
  tcase_add_loop_test(tcase,
                      a_successor_is_ours_unless_the_server_names_another, 0,
                      (int)(sizeof(successors) / sizeof(successors[0])));
  tcase_add_loop_test(tcase, a_kind_has_a_path_in_every_version, 0, KINDS);
  tcase_add_loop_test(tcase, only_the_agent_is_missing_in_v1, 0, KINDS);
  tcase_add_loop_test(tcase, a_kind_is_found_by_its_exact_name, 0, KINDS);
  tcase_add_loop_test(tcase, a_strange_name_is_no_kind, 0, STRANGE_NAMES);
  tcase_add_loop_test(tcase, an_option_finds_its_kind_in_any_case, 0, OPTIONS);
  tcase_add_test(tcase, a_value_out_of_range_is_no_kind);
  tcase_add_loop_test(tcase, a_version_is_named_in_any_case, 0, VERSIONS);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
