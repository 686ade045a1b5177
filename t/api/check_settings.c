/* SPDX-License-Identifier: MIT */

#include "src/api/settings.h"
#include "src/base/macros.h"

#include "src/api/transport_curl.h"
#include "t/suite.h"

#include <stdio.h>
#include <string.h>

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void assert_defaults(const struct fc_settings *settings) {
  struct fc_settings fresh;
  fc_settings_init(&fresh);
  ck_assert_ptr_null(settings->name);
  ck_assert_ptr_null(settings->url);
  ck_assert_ptr_null(settings->api_key);
  ck_assert_ptr_null(settings->headers);
  ck_assert_ptr_null(settings->jobs);
  ck_assert_ptr_null(settings->no_proxy);
  ck_assert_uint_eq(settings->jobs_len, 0);
  ck_assert_uint_eq(settings->headers_len, 0);
  ck_assert_int_eq(settings->timeout_ms, fresh.timeout_ms);
  ck_assert_int_eq(settings->verify_peer, fresh.verify_peer);
}

START_TEST(the_defaults_are_the_documented_ones) {
  struct fc_settings settings;
  memset(&settings, 0xff, sizeof(settings));
  fc_settings_init(&settings);
  assert_defaults(&settings);
  ck_assert_int_eq(settings.api_version, FC_API_DEFAULT);
  ck_assert_int_eq(settings.interval_ms, 0);
  ck_assert_int_eq(settings.timeout_ms, 5000);
  ck_assert_int_eq(settings.max_concurrency, 32);
  ck_assert_int_eq(settings.max_requests_per_minute, 400);
  ck_assert_int_eq(settings.max_jobs, 10000);
  ck_assert_int_eq(settings.max_body_bytes, 67108864);
  ck_assert_int_eq(settings.stall_timeout_s, 3600);
  ck_assert_int_eq(settings.expiry_warning_s, 0);
  ck_assert_int_eq(settings.repeat_interval_s, 0);
  ck_assert_int_eq(settings.forget_after_s, 86400);
  ck_assert_int_eq(settings.job_metrics, FC_JOB_METRICS_ALL);
  ck_assert_int_eq(settings.address_family, FC_FAMILY_ANY);
  ck_assert(!settings.accept_registrations && !settings.notify_completed);
  ck_assert(settings.verify_peer && settings.verify_host);
}
END_TEST

/* A leak is a sanitizer's to see. */
START_TEST(all_that_was_set_is_released) {
  struct fc_settings settings;
  char detail[128];
  fc_settings_init(&settings);
  char **const strings[] = {
      &settings.name,     &settings.api_key,     &settings.api_key_file,
      &settings.job_file, &settings.host,        &settings.ca_cert,
      &settings.ca_path,  &settings.client_cert, &settings.client_key,
      &settings.proxy,    &settings.no_proxy,
  };
  for (size_t i = 0; i < COUNT_OF(strings); i++)
    *strings[i] = strdup("text");
  ck_assert_int_eq(fc_transport_curl_set_url(&settings, "https://a.example/v2",
                                             detail, sizeof(detail)),
                   FC_OK);
  for (int i = 0; i < 3; i++) {
    char id[16];
    (void)snprintf(id, sizeof(id), "id-%d", i);
    ck_assert_int_eq(
        fc_settings_add_job(&settings, fc_kind_get(FC_KIND_EXTRACT), id, NULL),
        FC_OK);
    ck_assert_int_eq(fc_settings_add_header(&settings, "A: b"), FC_OK);
  }
  settings.timeout_ms = 1;
  settings.verify_peer = false;
  fc_settings_release(&settings);
  assert_defaults(&settings);
  fc_settings_release(&settings);
}
END_TEST

/* What of a header, or of a proxy, no text may repeat: the first is the last
 * that was added. */
static const struct {
  const char *header, *proxy;
  const char *secrets[2];
} held[] = {
    {"X: value", NULL, {"value"}},
    {"X:  value \t", NULL, {"value"}},
    {"X:", NULL, {NULL}},
    {"X: Bearer abc", NULL, {"Bearer abc", "abc"}},
    {"X: Bearer  abc def ", NULL, {"Bearer abc def", "abc def"}},
    {"X: a, b", NULL, {"a, b"}},
    {NULL, "http://host:3128", {NULL}},
    {NULL, "http://user:pass@host:3128", {"pass", "dXNlcjpwYXNz"}},
    {NULL, "socks5://us%40er:p%3A%25@host", {"p:%", "dXNAZXI6cDol"}},
    {NULL, "token@host:3128", {"token", "dG9rZW46"}},
    {NULL, "http://:p@host", {"p", "OnA"}},
    {NULL, "http://user:@host", {"user", "dXNlcjo"}},
};

START_TEST(a_header_and_a_proxy_hold_secrets) {
  struct fc_settings settings;
  char detail[128];
  size_t len = 0;
  fc_settings_init(&settings);
  /* A second time changes nothing. */
  for (int i = 0; i < 2; i++)
    ck_assert_int_eq(
        held[_i].header ? fc_settings_add_header(&settings, held[_i].header)
                        : fc_transport_curl_set_proxy(&settings, held[_i].proxy,
                                                      detail, sizeof(detail)),
        FC_OK);
  struct fc_key key;
  fc_key_init(&key);
  struct fc_known_secrets known;
  const struct fc_secrets *all = fc_settings_secrets(&settings, &key, &known);
  ck_assert_uint_eq(all->len, 0);
  struct fc_secrets secrets = *all->more;
  for (; len < 2 && held[_i].secrets[len]; len++) {
    const char *expected = held[_i].secrets[len];
    ck_assert_uint_eq(secrets.list[len].len, strlen(expected));
    ck_assert_mem_eq(secrets.list[len].bytes, expected, strlen(expected));
  }
  ck_assert_uint_eq(secrets.len, len);
  ck_assert_ptr_null(secrets.more);
  fc_settings_release(&settings);
}
END_TEST

static const struct {
  const char *id, *name;
  enum fc_error error;
} jobs[] = {
    {"a", NULL, FC_OK},
    {"a", "name", FC_OK},
    {"0199d3a2-6c1e-7f3a-9a51-0f6f1d0c2b11", "nightly-prices", FC_OK},
    {"A-Z_09", "a.b_c-d", FC_OK},
    {SIXTY "123", SIXTY "123", FC_OK},
    {SIXTY "1234", NULL, FC_ERR_ARGUMENT},
    {"a", SIXTY "1234", FC_ERR_ARGUMENT},
    {"", NULL, FC_ERR_ARGUMENT},
    {"", "name", FC_ERR_ARGUMENT},
    {"a", "", FC_ERR_ARGUMENT},
    {"a.b", NULL, FC_ERR_ARGUMENT},
    {"..", NULL, FC_ERR_ARGUMENT},
    {"a/b", NULL, FC_ERR_ARGUMENT},
    {"a%2f", NULL, FC_ERR_ARGUMENT},
    {"a?b", NULL, FC_ERR_ARGUMENT},
    {"a b", NULL, FC_ERR_ARGUMENT},
    {"a\n", NULL, FC_ERR_ARGUMENT},
    {"\xc3\xa9", NULL, FC_ERR_ARGUMENT},
    {"a", "a b", FC_ERR_ARGUMENT},
    {"a", "a/b", FC_ERR_ARGUMENT},
    {"a", "\xc3\xa9", FC_ERR_ARGUMENT},
};

START_TEST(a_job_has_an_id_and_a_name) {
  struct fc_settings settings;
  const struct fc_kind *kind = fc_kind_get(FC_KIND_AGENT);
  fc_settings_init(&settings);
  ck_assert_int_eq(
      fc_settings_add_job(&settings, kind, jobs[_i].id, jobs[_i].name),
      jobs[_i].error);
  ck_assert_uint_eq(settings.jobs_len, jobs[_i].error ? 0 : 1);
  if (!jobs[_i].error) {
    const char *name = jobs[_i].name ? jobs[_i].name : jobs[_i].id;
    ck_assert_ptr_eq(settings.jobs[0].kind, kind);
    ck_assert_str_eq(settings.jobs[0].id, jobs[_i].id);
    ck_assert_str_eq(settings.jobs[0].name, name);
  }
  fc_settings_release(&settings);
}
END_TEST

START_TEST(an_id_is_there_once_and_a_name_often) {
  struct fc_settings settings;
  const struct fc_kind *kind = fc_kind_get(FC_KIND_EXTRACT);
  fc_settings_init(&settings);
  ck_assert_int_eq(fc_settings_add_job(&settings, kind, "a", "n"), FC_OK);
  ck_assert_int_eq(fc_settings_add_job(&settings, kind, "b", "n"), FC_OK);
  ck_assert_int_eq(fc_settings_add_job(&settings, kind, "a", "m"),
                   FC_ERR_EXISTS);
  ck_assert_int_eq(
      fc_settings_add_job(&settings, fc_kind_get(FC_KIND_CRAWL), "b", NULL),
      FC_ERR_EXISTS);
  ck_assert_int_eq(fc_settings_add_job(&settings, kind, "A", NULL), FC_OK);
  ck_assert_uint_eq(settings.jobs_len, 3);
  ck_assert_str_eq(settings.jobs[0].name, "n");
  ck_assert_str_eq(settings.jobs[2].id, "A");
  fc_settings_release(&settings);
}
END_TEST

static const struct {
  const char *header;
  bool good;
} headers[] = {
    {"X-Team: a", true},
    {"X-Team:a", true},
    {"X-Team:", true},
    {"X-Team: a\tb", true},
    {"x!#$%&'*+-.^_`|~09: \"caf\xc3\xa9\"", true},
    {"X-Team: a: b", true},
    {"", false},
    {":", false},
    {": a", false},
    {"X-Team", false},
    {"X-Team : a", false},
    {" X-Team: a", false},
    {"X Team: a", false},
    {"X(Team): a", false},
    {"X-T\xc3\xa9: a", false},
    {"X-Team: a\r\nX-Other: b", false},
    {"X-Team: a\n", false},
    {"X-Team: a\r", false},
    {"X-Team: a\x1b", false},
    {"X-Team: a\x7f", false},
};

START_TEST(a_header_is_a_name_and_a_value) {
  struct fc_settings settings;
  fc_settings_init(&settings);
  ck_assert_int_eq(fc_settings_add_header(&settings, "A: b"), FC_OK);
  ck_assert_int_eq(fc_settings_add_header(&settings, headers[_i].header),
                   headers[_i].good ? FC_OK : FC_ERR_ARGUMENT);
  ck_assert_uint_eq(settings.headers_len, headers[_i].good ? 2 : 1);
  ck_assert_str_eq(settings.headers[0], "A: b");
  if (headers[_i].good)
    ck_assert_str_eq(settings.headers[1], headers[_i].header);
  fc_settings_release(&settings);
}
END_TEST

static const struct {
  const char *url;
  bool in_clear;
} hosts[] = {
    {FC_DEFAULT_URL, false},
    {"https://a.example", false},
    {"http://a.example", true},
    {"http://a.example:3002/fire", true},
    {"http://10.0.0.1", true},
    {"http://[fe80::1]:3002", true},
    {"http://localhost", false},
    {"http://LocalHost:3002/fire", false},
    {"http://127.0.0.1:3002", false},
    {"http://127.9.9.9", false},
    {"http://[::1]:3002", false},
    {"http://[::1]", false},
    {"http://localhost.a.example", true},
    {"http://127.0.0.1.a.example", true},
    {"http://127.a.example", true},
    {"http://[::10]", true},
};

START_TEST(a_key_is_in_clear_over_http_to_another_host) {
  struct fc_settings settings;
  char detail[128];
  fc_settings_init(&settings);
  ck_assert_int_eq(fc_transport_curl_set_url(&settings, hosts[_i].url, detail,
                                             sizeof(detail)),
                   FC_OK);
  ck_assert(!fc_settings_key_in_clear(&settings));
  settings.api_key = strdup("fc-1");
  ck_assert_int_eq(fc_settings_key_in_clear(&settings), hosts[_i].in_clear);
  settings.api_key_file = settings.api_key;
  settings.api_key = NULL;
  ck_assert_int_eq(fc_settings_key_in_clear(&settings), hosts[_i].in_clear);
  fc_settings_release(&settings);
}
END_TEST

START_TEST(no_url_is_not_in_clear) {
  struct fc_settings settings;
  fc_settings_init(&settings);
  settings.api_key = strdup("fc-1");
  ck_assert(!fc_settings_key_in_clear(&settings));
  fc_settings_release(&settings);
}
END_TEST

static const struct {
  const char *url;
  bool is_cloud;
} servers[] = {
    {"https://api.firecrawl.dev", true},
    {"https://API.Firecrawl.dev:443/v1", true},
    {"http://api.firecrawl.dev/proxy", true},
    {"https://api.firecrawl.dev.example.com", false},
    {"https://firecrawl.dev", false},
    {"http://localhost:3002", false},
    {"http://[::1]:3002", false},
};

START_TEST(the_cloud_is_known_by_its_host) {
  struct fc_settings settings;
  char detail[128];
  fc_settings_init(&settings);
  ck_assert(!fc_settings_is_cloud(&settings));
  ck_assert_int_eq(fc_transport_curl_set_url(&settings, servers[_i].url, detail,
                                             sizeof(detail)),
                   FC_OK);
  ck_assert_int_eq(fc_settings_is_cloud(&settings), servers[_i].is_cloud);
  fc_settings_release(&settings);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("settings");
  TCase *tests = tcase_create("settings");
  tcase_set_timeout(tests, 20);
  tcase_add_test(tests, the_defaults_are_the_documented_ones);
  tcase_add_test(tests, all_that_was_set_is_released);
  tcase_add_loop_test(tests, a_header_and_a_proxy_hold_secrets, 0,
                      (int)COUNT_OF(held));
  tcase_add_loop_test(tests, a_job_has_an_id_and_a_name, 0,
                      (int)COUNT_OF(jobs));
  tcase_add_test(tests, an_id_is_there_once_and_a_name_often);
  tcase_add_loop_test(tests, a_header_is_a_name_and_a_value, 0,
                      (int)COUNT_OF(headers));
  tcase_add_loop_test(tests, a_key_is_in_clear_over_http_to_another_host, 0,
                      (int)COUNT_OF(hosts));
  tcase_add_loop_test(tests, the_cloud_is_known_by_its_host, 0,
                      (int)COUNT_OF(servers));
  tcase_add_test(tests, no_url_is_not_in_clear);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
