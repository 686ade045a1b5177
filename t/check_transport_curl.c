/* The API call over real libcurl against the fake server. */

#include "src/client.h"
#include "src/clock.h"
#include "src/transport_curl.h"

#include "t/fake_firecrawl.h"
#include "t/suite.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000 };

static struct fake_firecrawl *server;
static struct fc_transport *transport;
static struct fc_settings settings;
static struct fc_key key;
static struct fc_target target = {&settings, &key};

static int64_t now_ms(void) {
  return fc_clock_system.now(fc_clock_system.data).mono_ms;
}

static void script(const char *text) {
  char error[256];
  ck_assert_msg(fake_firecrawl_script(server, text, error, sizeof(error)), "%s",
                error);
}

static void set_url(const char *host, unsigned port) {
  char url[128], detail[FC_DETAIL_SIZE];
  (void)snprintf(url, sizeof(url), "%s:%u", host, port);
  ck_assert_int_eq(fc_settings_set_url(&settings, url, detail, sizeof(detail)),
                   FC_OK);
}

static void set_up(void) {
  ck_assert_int_eq(fc_transport_curl_global_init(), FC_OK);
  server = fake_firecrawl_start(0, NULL, NULL);
  ck_assert_ptr_nonnull(server);
  transport = fc_transport_curl_new();
  ck_assert_ptr_nonnull(transport);
  fc_settings_init(&settings);
  set_url("http://127.0.0.1", fake_firecrawl_port(server));
  fc_key_init(&key);
  ck_assert_int_eq(fc_key_set(&key, "fc-one", 6), FC_OK);
}

static void tear_down(void) {
  fc_transport_free(transport);
  fake_firecrawl_stop(server);
  fc_settings_release(&settings);
  fc_key_release(&key);
}

static void keep_result(struct fc_call *call, const struct fc_result *result,
                        void *data) {
  (void)call;
  *(struct fc_result *)data = *result;
}

static struct fc_result ask(const char *id) {
  struct fc_result result = {.http_code = -1};
  struct fc_call call;
  int64_t end_ms = now_ms() + DEADLINE_MS;
  fc_call_init(&call);
  ck_assert_int_eq(fc_call_start(&call, transport, &target,
                                 fc_kind_get(FC_KIND_EXTRACT), id, 0,
                                 keep_result, &result),
                   FC_OK);
  while (result.http_code == -1) {
    ck_assert_int_eq(fc_transport_run(transport, 100), FC_OK);
    ck_assert(now_ms() < end_ms);
  }
  fc_call_release(&call);
  return result;
}

START_TEST(a_job_is_asked_for_with_its_key) {
  script("key fc-one\njob extract a\n"
         "  state completed tokens=5 expires=2030-01-01T00:00:00Z\n");
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
  ck_assert_int_eq(result.reply.status, FC_STATUS_COMPLETED);
  ck_assert_double_eq(result.reply.tokens, 5);
  ck_assert_int_eq(result.reply.expires_at, 1893456000);
  ck_assert(result.has_date);
  ck_assert(result.seconds > 0);
  ck_assert_str_eq(fake_firecrawl_last_url(server), "/v1/extract/a");
}
END_TEST

START_TEST(a_new_key_is_used_by_the_next_request) {
  script("key fc-two\njob extract a\n  state processing\n");
  ck_assert_int_eq(ask("a").error, FC_ERR_AUTH);
  ck_assert_int_eq(fc_key_set(&key, "fc-two", 6), FC_OK);
  ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
}
END_TEST

START_TEST(without_a_key_no_authorization_is_sent) {
  fc_key_release(&key);
  script("key fc-one\njob extract a\n  state processing\n");
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.error, FC_ERR_AUTH);
  ck_assert_str_eq(result.reply.error, "Unauthorized");
}
END_TEST

static const char *const captured[] = {
    "v1-cancelled", "v1-completed", "v1-failed",
    "v1-not-found", "v1-bad-key",   "v2-completed",
};

START_TEST(a_captured_reply_arrives_as_it_was) {
  char text[512];
  const char *top = getenv("srcdir");
  (void)snprintf(text, sizeof(text),
                 "job extract a\n  state x "
                 "capture=\"%s/t/data/captures/%s.http\"\n",
                 top ? top : ".", captured[_i]);
  script(text);
  struct fc_result result = ask("a");
  ck_assert(result.reply.has_success);
  ck_assert(result.has_date);
  ck_assert_int_eq(result.date_s, 1795458360);
}
END_TEST

START_TEST(a_redirect_is_not_followed) {
  struct fake_firecrawl *other = fake_firecrawl_start(0, NULL, NULL);
  char text[256];
  (void)snprintf(text, sizeof(text),
                 "job extract a\n  state x code=302 body=\"\" "
                 "header=\"Location: http://127.0.0.1:%u/v1/extract/a\"\n",
                 (unsigned)fake_firecrawl_port(other));
  script(text);
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.error, FC_ERR_HTTP);
  ck_assert_int_eq(result.http_code, 302);
  ck_assert_uint_eq(fake_firecrawl_count(other, ""), 0);
  fake_firecrawl_stop(other);
}
END_TEST

START_TEST(a_refused_connection_is_told) {
  set_url("http://127.0.0.1", 1);
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.error, FC_ERR_CONNECT);
  ck_assert_str_ne(result.detail, "");
}
END_TEST

START_TEST(a_name_that_does_not_resolve_is_told) {
  set_url("http://no-such-host.invalid", 80);
  ck_assert_int_eq(ask("a").error, FC_ERR_DNS);
}
END_TEST

START_TEST(a_server_that_never_answers_is_a_timeout) {
  script("job extract a\n  state processing never\n");
  settings.timeout_ms = 200;
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.error, FC_ERR_TIMEOUT);
}
END_TEST

START_TEST(plain_text_on_a_tls_port_is_a_tls_error) {
  set_url("https://127.0.0.1", fake_firecrawl_port(server));
  ck_assert_int_eq(ask("a").error, FC_ERR_TLS);
}
END_TEST

START_TEST(a_body_beyond_the_limit_is_an_error) {
  script("job extract a\n  state completed data=2000000\n");
  settings.max_body_bytes = 1000000;
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert_int_eq(result.error, FC_ERR_BODY);
  ck_assert_ptr_nonnull(strstr(result.detail, "MaxBodySize"));
}
END_TEST

START_TEST(forty_megabytes_yield_the_status_and_cost_no_memory) {
  struct rusage before, after;
  script("job extract a\n  state processing\n"
         "job extract b\n  state completed data=41943040\n");
  settings.timeout_ms = DEADLINE_MS;
  (void)ask("a");
  (void)getrusage(RUSAGE_SELF, &before);
  ck_assert_int_eq(ask("b").reply.status, FC_STATUS_COMPLETED);
  (void)getrusage(RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__
  ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 1024);
#endif
}
END_TEST

START_TEST(forty_megabytes_cut_short_yield_no_status) {
  script("job extract a\n  state completed data=41943040 cut=41943000\n");
  settings.timeout_ms = DEADLINE_MS;
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert_int_eq(result.error, FC_ERR_BODY);
}
END_TEST

START_TEST(an_encoded_body_is_not_decoded) {
  script("job extract a\n  state completed header=\"Content-Encoding: gzip\" "
         "body=\"\x1f\x8b\x08\"\n");
  ck_assert_int_eq(ask("a").error, FC_ERR_BODY);
}
END_TEST

START_TEST(proxies_of_the_environment_are_not_used) {
  ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
  ck_assert_int_eq(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
  script("job extract a\n  state processing\n");
  ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
}
END_TEST

START_TEST(a_woken_transport_returns_at_once) {
  int64_t before_ms = now_ms();
  fc_transport_wake(transport);
  ck_assert_int_eq(fc_transport_run(transport, DEADLINE_MS), FC_OK);
  ck_assert_int_lt(now_ms() - before_ms, DEADLINE_MS / 2);
}
END_TEST

START_TEST(a_cancelled_call_never_comes_back) {
  struct fc_result result = {.http_code = -1};
  struct fc_call call;
  script("job extract a\n  state processing\n");
  fc_call_init(&call);
  ck_assert_int_eq(fc_call_start(&call, transport, &target,
                                 fc_kind_get(FC_KIND_EXTRACT), "a", 0,
                                 keep_result, &result),
                   FC_OK);
  fc_call_cancel(&call, transport);
  fc_call_cancel(&call, transport);
  ck_assert_int_eq(fc_transport_run(transport, 50), FC_OK);
  ck_assert_int_eq(result.http_code, -1);
  fc_call_release(&call);
}
END_TEST

/* A server of raw bytes: one reply to one connection. */
struct raw {
  int listener;
  const char *reply;
  size_t len;
  int repeat; /* how often the reply's second half is sent */
  pthread_t thread;
};

static void *serve_raw(void *data) {
  const struct raw *raw = data;
  char request[4096];
  int connection = accept(raw->listener, NULL, NULL);
  (void)!read(connection, request, sizeof(request));
  for (int i = 0; i < raw->repeat; i++)
    if (send(connection, raw->reply, raw->len, MSG_NOSIGNAL) < 0)
      break;
  (void)close(connection);
  return NULL;
}

static struct fc_result ask_raw(const char *reply, int repeat) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof(address);
  struct raw raw = {.reply = reply, .len = strlen(reply), .repeat = repeat};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  raw.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(
      bind(raw.listener, (struct sockaddr *)&address, sizeof(address)), 0);
  ck_assert_int_eq(listen(raw.listener, 1), 0);
  ck_assert_int_eq(
      getsockname(raw.listener, (struct sockaddr *)&address, &size), 0);
  ck_assert_int_eq(pthread_create(&raw.thread, NULL, serve_raw, &raw), 0);
  set_url("http://127.0.0.1", ntohs(address.sin_port));
  struct fc_result result = ask("a");
  (void)pthread_join(raw.thread, NULL);
  (void)close(raw.listener);
  return result;
}

static const struct {
  const char *reply;
  int repeat;
  enum fc_error error;
} malformed[] = {
    {"", 1, FC_ERR_CONNECT},
    {"hello\r\n\r\n", 1, FC_ERR_HTTP},
    {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":\"failed\"}", 1,
     FC_ERR_BODY},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sta", 1,
     FC_ERR_BODY},
    {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", 1, FC_ERR_HTTP},
    {"HTTP/1.1 204 No Content\r\n\r\n", 1, FC_ERR_HTTP},
    {"HTTP/1.1 200 OK\r\nX-Filler: "
     "0123456789012345678901234567890123456789012345678901234567890123456789"
     "0123456789012345678901234567890123456789012345678901234567890123456789"
     "\r\n",
     100000, FC_ERR_HTTP},
};

START_TEST(a_malformed_reply_is_an_error_and_no_status) {
  struct fc_result result = ask_raw(malformed[_i].reply, malformed[_i].repeat);
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert_int_eq(result.error, malformed[_i].error);
}
END_TEST

static const struct {
  const char *url;
  const char *base; /* NULL: refused */
  enum fc_api_version version;
} urls[] = {
    {"https://api.firecrawl.dev", "https://api.firecrawl.dev", FC_API_DEFAULT},
    {"https://api.firecrawl.dev/", "https://api.firecrawl.dev", FC_API_DEFAULT},
    {"https://api.firecrawl.dev/v1", "https://api.firecrawl.dev", FC_API_V1},
    {"https://api.firecrawl.dev/v2//", "https://api.firecrawl.dev", FC_API_V2},
    {"http://localhost:3002/fire/v2", "http://localhost:3002/fire", FC_API_V2},
    {"http://[::1]:3002", "http://[::1]:3002", FC_API_DEFAULT},
    {"http://host/v3", "http://host/v3", FC_API_DEFAULT},
    {"ftp://host", NULL, FC_API_DEFAULT},
    {"file:///etc/passwd", NULL, FC_API_DEFAULT},
    {"host", NULL, FC_API_DEFAULT},
    {"", NULL, FC_API_DEFAULT},
    {"http://", NULL, FC_API_DEFAULT},
    {"http://user@host", NULL, FC_API_DEFAULT},
    {"http://user:word@host", NULL, FC_API_DEFAULT},
    {"http://host/?a=b", NULL, FC_API_DEFAULT},
    {"http://host/#a", NULL, FC_API_DEFAULT},
    {"http://host:99999", NULL, FC_API_DEFAULT},
    {"http://ho st", NULL, FC_API_DEFAULT},
};

START_TEST(a_url_is_taken_or_refused_with_a_reason) {
  struct fc_settings fresh;
  char detail[FC_DETAIL_SIZE] = "";
  fc_settings_init(&fresh);
  enum fc_error error =
      fc_settings_set_url(&fresh, urls[_i].url, detail, sizeof(detail));
  ck_assert_int_eq(error, urls[_i].base ? FC_OK : FC_ERR_ARGUMENT);
  ck_assert_int_eq(fresh.api_version, urls[_i].version);
  if (urls[_i].base)
    ck_assert_str_eq(fresh.url, urls[_i].base);
  else
    ck_assert_str_ne(detail, "");
  fc_settings_release(&fresh);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void) {
  Suite *suite = suite_create("transport_curl");
  TCase *tests = tcase_create("curl");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, a_job_is_asked_for_with_its_key);
  tcase_add_test(tests, a_new_key_is_used_by_the_next_request);
  tcase_add_test(tests, without_a_key_no_authorization_is_sent);
  tcase_add_loop_test(tests, a_captured_reply_arrives_as_it_was, 0,
                      COUNT(captured));
  tcase_add_test(tests, a_redirect_is_not_followed);
  tcase_add_test(tests, a_refused_connection_is_told);
  tcase_add_test(tests, a_name_that_does_not_resolve_is_told);
  tcase_add_test(tests, a_server_that_never_answers_is_a_timeout);
  tcase_add_test(tests, plain_text_on_a_tls_port_is_a_tls_error);
  tcase_add_test(tests, a_body_beyond_the_limit_is_an_error);
  tcase_add_test(tests, forty_megabytes_yield_the_status_and_cost_no_memory);
  tcase_add_test(tests, forty_megabytes_cut_short_yield_no_status);
  tcase_add_test(tests, an_encoded_body_is_not_decoded);
  tcase_add_test(tests, proxies_of_the_environment_are_not_used);
  tcase_add_test(tests, a_woken_transport_returns_at_once);
  tcase_add_test(tests, a_cancelled_call_never_comes_back);
  tcase_add_loop_test(tests, a_malformed_reply_is_an_error_and_no_status, 0,
                      COUNT(malformed));
  tcase_add_loop_test(tests, a_url_is_taken_or_refused_with_a_reason, 0,
                      COUNT(urls));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
