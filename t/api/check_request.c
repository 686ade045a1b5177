/* SPDX-License-Identifier: MIT */

#include "src/api/request.h"

#include "src/api/name.h"
#include "t/suite.h"

#include <string.h>

static const struct {
  const char *base;
  enum fc_api_version version;
  enum fc_kind_id kind;
  const char *url;
} urls[] = {
    {"https://api.firecrawl.dev", FC_API_DEFAULT, FC_KIND_EXTRACT,
     "https://api.firecrawl.dev/v1/extract/job-1"},
    {"https://api.firecrawl.dev", FC_API_V2, FC_KIND_EXTRACT,
     "https://api.firecrawl.dev/v2/extract/job-1"},
    {"https://api.firecrawl.dev", FC_API_V1, FC_KIND_AGENT,
     "https://api.firecrawl.dev/v2/agent/job-1"},
    {"http://127.0.0.1:3002", FC_API_DEFAULT, FC_KIND_CRAWL,
     "http://127.0.0.1:3002/v2/crawl/job-1?limit=1"},
    {"http://127.0.0.1:3002", FC_API_V1, FC_KIND_BATCH_SCRAPE,
     "http://127.0.0.1:3002/v1/batch/scrape/job-1?limit=1"},
    {"https://host/firecrawl", FC_API_V2, FC_KIND_BATCH_SCRAPE,
     "https://host/firecrawl/v2/batch/scrape/job-1?limit=1"},
};
enum { URLS = sizeof(urls) / sizeof(urls[0]) };

START_TEST(a_url_is_base_path_id_and_query) {
  char url[FC_URL_SIZE];
  ck_assert_int_eq(fc_request_url(url, sizeof(url), urls[_i].base,
                                  urls[_i].version, fc_kind_get(urls[_i].kind),
                                  "job-1"),
                   FC_OK);
  ck_assert_str_eq(url, urls[_i].url);
}
END_TEST

static const char *const bad_ids[] = {
    "",
    "..",
    "a/b",
    "/../../admin",
    "a b",
    "a\r\nb",
    "a?b",
    "a#b",
    "a%00",
    "caf\xc3\xa9",
    "0123456789012345678901234567890123456789012345678901234567890123",
};
enum { BAD_IDS = sizeof(bad_ids) / sizeof(bad_ids[0]) };

START_TEST(a_bad_id_never_reaches_a_url) {
  char url[FC_URL_SIZE] = "untouched";
  ck_assert_int_eq(fc_request_url(url, sizeof(url), "https://host", FC_API_V1,
                                  fc_kind_get(FC_KIND_EXTRACT), bad_ids[_i]),
                   FC_ERR_ARGUMENT);
  ck_assert_str_eq(url, "untouched");
}
END_TEST

START_TEST(a_url_fits_with_its_nul_or_not_at_all) {
  static const char whole[] = "https://host/v2/crawl/id?limit=1";
  const struct fc_kind *kind = fc_kind_get(FC_KIND_CRAWL);
  for (size_t size = 0; size <= sizeof(whole); size++) {
    char url[sizeof(whole) + 1] = "untouched";
    enum fc_error error =
        fc_request_url(url, size, "https://host", FC_API_V2, kind, "id");
    bool fits = size >= sizeof(whole);
    ck_assert_int_eq(error, fits ? FC_OK : FC_ERR_LIMIT);
    ck_assert_str_eq(url, fits ? whole : "untouched");
  }
}
END_TEST

START_TEST(the_longest_base_and_id_make_a_url_of_every_kind) {
  char base[FC_BASE_URL_MAX + 2] = "https://";
  char id[FC_ID_MAX + 1] = "";
  char url[FC_URL_SIZE];
  const struct fc_kind *kind = fc_kind_get((enum fc_kind_id)_i);
  memset(base + strlen(base), 'a', FC_BASE_URL_MAX - strlen(base));
  memset(id, 'b', FC_ID_MAX);
  ck_assert_int_eq(
      fc_request_url(url, sizeof(url), base, FC_API_DEFAULT, kind, id), FC_OK);
  ck_assert_uint_eq(strlen(url), FC_BASE_URL_MAX +
                                     strlen(kind->path[FC_API_DEFAULT]) +
                                     FC_ID_MAX + strlen(kind->query));
  base[FC_BASE_URL_MAX] = 'a';
  ck_assert_int_eq(
      fc_request_url(url, sizeof(url), base, FC_API_DEFAULT, kind, id),
      FC_ERR_LIMIT);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("request");
  TCase *tcase = tcase_create("request");
  tcase_add_loop_test(tcase, a_url_is_base_path_id_and_query, 0, URLS);
  tcase_add_loop_test(tcase, a_bad_id_never_reaches_a_url, 0, BAD_IDS);
  tcase_add_test(tcase, a_url_fits_with_its_nul_or_not_at_all);
  tcase_add_loop_test(tcase, the_longest_base_and_id_make_a_url_of_every_kind,
                      0, FC_KIND_COUNT);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
