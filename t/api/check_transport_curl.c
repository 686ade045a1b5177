/* SPDX-License-Identifier: MIT */

/* The API call over real libcurl: against the fake server, and against raw
 * bytes where it takes a server that breaks the rules. */

#include "src/api/client.h"
#include "src/api/request.h"
#include "src/api/transport_curl.h"
#include "src/base/clock.h"

#include "t/fake/folder.h"
#include "t/fake/served.h"
#include "t/suite.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEADLINE_MS = 30000 };

static struct fc_transport *transport;
static struct fc_settings settings;
static struct fc_key key;
static struct fc_target target = {&settings, &key};

/* In place of FC_CONNECTION_LIFETIME_S; 0: that. */
static intptr_t lifetime_s;

/* The names are the linker's. Variadic: the value is a long or a pointer, one
 * register on what we run on. */
CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, void *value);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, void *value);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, void *value) {
  if (lifetime_s && option == CURLOPT_MAXLIFETIME_CONN &&
      (intptr_t)value == FC_CONNECTION_LIFETIME_S)
    value = (void *)lifetime_s;
  return __real_curl_easy_setopt(easy, option, value);
}

static void set_url(const char *host, unsigned port) {
  char url[128], detail[FC_DETAIL_SIZE];
  (void)snprintf(url, sizeof(url), "%s:%u", host, port);
  ck_assert_int_eq(
      fc_transport_curl_set_url(&settings, url, detail, sizeof(detail)), FC_OK);
}

static void set_up(void) {
  ck_assert_int_eq(fc_transport_curl_global_init(), FC_OK);
  server_start();
  transport = fc_transport_curl_new();
  ck_assert_ptr_nonnull(transport);
  fc_settings_init(&settings);
  settings.timeout_ms = DEADLINE_MS / 2;
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

static struct fc_result ask_kind(enum fc_kind_id kind, const char *id) {
  struct fc_result result = {.http_code = -1};
  struct fc_call call;
  int64_t end_ms = now_ms() + DEADLINE_MS;
  fc_call_init(&call);
  ck_assert_int_eq(fc_call_start(&call, transport, &target, fc_kind_get(kind),
                                 id, 0, keep_result, &result),
                   FC_OK);
  while (result.http_code == -1) {
    ck_assert_int_eq(fc_transport_run(transport, 100), FC_OK);
    ck_assert(now_ms() < end_ms);
  }
  fc_call_release(&call);
  return result;
}

static struct fc_result ask(const char *id) {
  return ask_kind(FC_KIND_EXTRACT, id);
}

START_TEST(a_job_is_asked_for_with_its_key) {
  script("key fc-one\njob extract a\n"
         "  state completed tokens=5 expires=2030-01-01T00:00:00Z\n");
  struct fc_result result = ask("a");
  ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
  ck_assert_int_eq(result.reply.facts.status, FC_STATUS_COMPLETED);
  ck_assert_double_eq(result.reply.facts.tokens, 5);
  ck_assert_int_eq(result.reply.facts.expires_at_s, 1893456000);
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
  ck_assert_int_eq(ask("b").reply.facts.status, FC_STATUS_COMPLETED);
  (void)getrusage(RUSAGE_SELF, &after);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
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

/* libcurl takes no string of more than 8,000,000 bytes. */
START_TEST(an_option_that_libcurl_refuses_is_no_lack_of_memory) {
  enum { BYTES = 8000001 };
  struct fc_call call;
  struct fc_result result;
  settings.proxy = malloc(BYTES + 1);
  ck_assert_ptr_nonnull(settings.proxy);
  memset(settings.proxy, 'x', BYTES);
  settings.proxy[BYTES] = '\0';
  fc_call_init(&call);
  ck_assert_int_eq(fc_call_start(&call, transport, &target,
                                 fc_kind_get(FC_KIND_EXTRACT), "a", 0,
                                 keep_result, &result),
                   FC_ERR_LIBRARY);
  fc_call_release(&call);
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

/* A server of raw bytes. Each request, told by its blank line, gets `head`,
 * `filler` so many times, and `tail`. */
struct raw {
  const char *head, *filler, *tail; /* NULL: none */
  int fillers;
  int keep;         /* requests served on one connection; 0: any number */
  bool drop;        /* one request more than that is read, then dropped */
  bool reset;       /* connections end with a RST */
  int drip_ms;      /* pause before each byte of head; 0: all at once */
  const char *mute; /* requests with that in them get nothing at all */
  int listener;
  unsigned port;
  pthread_t thread;
  atomic_bool stop;
  atomic_int connections, requests;
  size_t seen_len;
  char seen[16384]; /* all requests; to be read once no more come */
};

enum { RAW_CONNECTIONS_MAX = 64, RAW_TURN_MS = 10 };

struct raw_connection {
  int served;
  size_t len;
  char request[4096];
};

#define RAW_STATUS "{\"success\":true,\"status\":\"processing\"}"
#define RAW_OK "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n" RAW_STATUS

static bool raw_send(int fd, const char *text, size_t len) {
  while (len) {
    ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    text += sent;
    len -= (size_t)sent;
  }
  return true;
}

static bool raw_drip(const struct raw *raw, int fd) {
  for (const char *c = raw->head; *c && !atomic_load(&raw->stop); c++) {
    (void)poll(NULL, 0, raw->drip_ms);
    if (!raw_send(fd, c, 1))
      return false;
  }
  return true;
}

static bool raw_answer(const struct raw *raw, int fd) {
  if (raw->drip_ms)
    return raw_drip(raw, fd);
  bool good = !raw->head || raw_send(fd, raw->head, strlen(raw->head));
  for (int i = 0; i < raw->fillers && good; i++)
    good = raw_send(fd, raw->filler, strlen(raw->filler));
  return good && (!raw->tail || raw_send(fd, raw->tail, strlen(raw->tail)));
}

static void raw_remember(struct raw *raw, const struct raw_connection *from) {
  size_t room = sizeof(raw->seen) - 1 - raw->seen_len;
  size_t len = from->len < room ? from->len : room;
  memcpy(raw->seen + raw->seen_len, from->request, len);
  raw->seen_len += len;
}

/* False when the connection is to end. */
static bool raw_read(struct raw *raw, struct raw_connection *from, int fd) {
  ssize_t got = recv(fd, from->request + from->len,
                     sizeof(from->request) - 1 - from->len, 0);
  if (got <= 0)
    return false;
  from->len += (size_t)got;
  from->request[from->len] = '\0';
  if (!strstr(from->request, "\r\n\r\n"))
    return true;
  raw_remember(raw, from);
  from->len = 0;
  (void)atomic_fetch_add(&raw->requests, 1);
  if (raw->drop && from->served == raw->keep)
    return false;
  if (raw->mute && strstr(from->request, raw->mute))
    return true;
  from->served++;
  return raw_answer(raw, fd) &&
         (raw->drop || !raw->keep || from->served < raw->keep);
}

static void raw_close(const struct raw *raw, int fd) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (raw->reset)
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
  (void)close(fd);
}

static void *raw_serve(void *data) {
  static _Thread_local struct raw_connection connections[RAW_CONNECTIONS_MAX];
  struct raw *raw = data;
  struct pollfd fds[RAW_CONNECTIONS_MAX] = {
      {.fd = raw->listener, .events = POLLIN}};
  nfds_t len = 1;
  while (!atomic_load(&raw->stop)) {
    if (poll(fds, len, RAW_TURN_MS) <= 0)
      continue;
    for (nfds_t i = len; i-- > 1;)
      if (fds[i].revents && !raw_read(raw, &connections[i], fds[i].fd)) {
        raw_close(raw, fds[i].fd);
        fds[i] = fds[--len];
        connections[i] = connections[len];
      }
    if (fds[0].revents && len < RAW_CONNECTIONS_MAX) {
      int fd = accept(raw->listener, NULL, NULL);
      (void)atomic_fetch_add(&raw->connections, 1);
      fds[len] = (struct pollfd){.fd = fd, .events = POLLIN};
      connections[len++] = (struct raw_connection){0};
    }
  }
  while (len-- > 1)
    raw_close(raw, fds[len].fd);
  return NULL;
}

static void raw_listen(struct raw *raw) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof(address);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  raw->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(
      bind(raw->listener, (struct sockaddr *)&address, sizeof(address)), 0);
  ck_assert_int_eq(listen(raw->listener, RAW_CONNECTIONS_MAX), 0);
  ck_assert_int_eq(
      getsockname(raw->listener, (struct sockaddr *)&address, &size), 0);
  raw->port = ntohs(address.sin_port);
}

/* Starts it and makes it the server that is asked. */
static void raw_start(struct raw *raw) {
  raw_listen(raw);
  ck_assert_int_eq(pthread_create(&raw->thread, NULL, raw_serve, raw), 0);
  set_url("http://127.0.0.1", raw->port);
}

static void raw_stop(struct raw *raw) {
  atomic_store(&raw->stop, true);
  (void)pthread_join(raw->thread, NULL);
  (void)close(raw->listener);
}

static struct fc_result ask_raw(struct raw *raw) {
  raw_start(raw);
  struct fc_result result = ask("a");
  raw_stop(raw);
  return result;
}

/* How often `text` is in the requests. */
static int seen(const struct raw *raw, const char *text) {
  int count = 0;
  for (const char *at = raw->seen; (at = strcasestr(at, text)); at++)
    count++;
  return count;
}

static const struct {
  struct raw raw;
  enum fc_error error;
  int code; /* -1: either way */
  const char *detail;
} malformed[] = {
    {{.keep = 1}, FC_ERR_CONNECT, 0, ""},
    {{.keep = 1, .reset = true}, FC_ERR_CONNECT, 0, ""},
    {{.head = "hello\r\n\r\n", .keep = 1}, FC_ERR_HTTP, 0, ""},
    {{.head = RAW_STATUS, .keep = 1}, FC_ERR_HTTP, 0, ""},
    {{.head = "HTTP/3.7 200 OK\r\n\r\n" RAW_STATUS, .keep = 1},
     FC_ERR_HTTP,
     0,
     ""},
    {{.head = "HTTP/1.1 2000 OK\r\n\r\n" RAW_STATUS, .keep = 1},
     FC_ERR_HTTP,
     0,
     ""},
    {{.head = "HTTP/1.1 999 What\r\n\r\n" RAW_STATUS, .keep = 1},
     FC_ERR_HTTP,
     999,
     "HTTP 999"},
    {{.head = "HTTP/1.1 200 OK\r\nContent-Le", .keep = 1}, -1, -1, ""},
    {{.head = "HTTP/1.1 200 OK\r\nContent-Le", .keep = 1, .reset = true},
     -1,
     -1,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" RAW_STATUS,
      .keep = 1},
     FC_ERR_BODY,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" RAW_STATUS,
      .keep = 1,
      .reset = true},
     -1,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" RAW_STATUS,
      .keep = 1},
     FC_ERR_BODY,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nContent-Length: 38\r\nContent-Length: 20"
              "\r\n\r\n" RAW_STATUS,
      .keep = 1},
     FC_ERR_BODY,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", .keep = 1},
     FC_ERR_HTTP,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\n\r\n", .keep = 1}, FC_ERR_BODY, 200, ""},
    {{.head = "HTTP/1.1 200 OK\r\n\r\n\xef\xbb\xbf" RAW_STATUS, .keep = 1},
     FC_ERR_BODY,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
              "5\r\n{\"sta",
      .keep = 1},
     FC_ERR_BODY,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
              "26\r\n" RAW_STATUS "\r\n",
      .keep = 1},
     FC_ERR_BODY,
     200,
     ""},
    {{.head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
              "fffffffffffffffff\r\n" RAW_STATUS,
      .keep = 1},
     -1,
     200,
     ""},
    {{.head = "HTTP/1.1 204 No Content\r\n\r\n", .keep = 1},
     FC_ERR_HTTP,
     204,
     "HTTP 204"},
    {{.head = "HTTP/1.1 304 Not Modified\r\n\r\n", .keep = 1},
     FC_ERR_HTTP,
     304,
     "HTTP 304"},
    {{.head = "HTTP/1.1 100 Continue\r\n\r\n", .keep = 1},
     FC_ERR_CONNECT,
     0,
     ""},
    {{.filler = "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n",
      .fillers = 100000,
      .keep = 1},
     FC_ERR_HTTP,
     0,
     "65536 bytes of headers"},
    {{.head = "HTTP/1.1 200 OK\r\n",
      .filler = "X-Filler: 0123456789012345678901234567890123456789\r\n",
      .fillers = 100000,
      .keep = 1},
     FC_ERR_HTTP,
     200,
     "65536 bytes of headers"},
    {{.head = "HTTP/1.1 200 OK\r\nX-Long: ",
      .filler = "01234567890123456789012345678901234567890123456789",
      .fillers = 20000,
      .tail = "\r\nContent-Length: 38\r\n\r\n" RAW_STATUS,
      .keep = 1},
     FC_ERR_HTTP,
     200,
     "65536 bytes of headers"},
    {{.head = "HTTP/1.1 200 ",
      .filler = "01234567890123456789012345678901234567890123456789",
      .fillers = 20000,
      .tail = "\r\nContent-Length: 38\r\n\r\n" RAW_STATUS,
      .keep = 1},
     FC_ERR_HTTP,
     -1,
     "65536 bytes of headers"},
};

START_TEST(a_malformed_reply_is_an_error_and_no_status) {
  struct raw raw = malformed[_i].raw;
  struct fc_result result = ask_raw(&raw);
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert_int_ne(result.error, FC_OK);
  ck_assert_int_ne(fc_error_class(result.error), FC_CLASS_NONE);
  if ((int)malformed[_i].error != -1)
    ck_assert_int_eq(result.error, malformed[_i].error);
  if (malformed[_i].code != -1)
    ck_assert_int_eq(result.http_code, malformed[_i].code);
  ck_assert_msg(result.detail[0] && strstr(result.detail, malformed[_i].detail),
                "\"%s\"", result.detail);
  ck_assert_ptr_null(strstr(result.detail, "fc-one"));
}
END_TEST

START_TEST(headers_of_an_interim_response_do_not_count) {
  struct raw raw = {
      .head = "HTTP/1.1 103 Early Hints\r\n"
              "Date: Tue, 03 Nov 2020 23:59:59 GMT\r\n"
              "Sunset: Tue, 03 Nov 2026 23:59:59 GMT\r\n"
              "Link: </other>; rel=\"successor-version\"\r\n\r\n" RAW_OK};
  struct fc_result result = ask_raw(&raw);
  ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
  ck_assert_int_eq(result.http_code, 200);
  ck_assert(!result.has_date && !result.has_sunset);
  ck_assert_str_eq(result.successor, "");
}
END_TEST

START_TEST(trailers_do_not_count) {
  struct raw raw = {.head = "HTTP/1.1 200 OK\r\n"
                            "Date: Mon, 23 Nov 2026 18:26:00 GMT\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n"
                            "26\r\n" RAW_STATUS "\r\n0\r\n"
                            "Date: Tue, 03 Nov 2020 23:59:59 GMT\r\n"
                            "Sunset: Tue, 03 Nov 2026 23:59:59 GMT\r\n\r\n"};
  struct fc_result result = ask_raw(&raw);
  ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
  ck_assert_int_eq(result.date_s, 1795458360);
  ck_assert(!result.has_sunset);
}
END_TEST

START_TEST(an_endless_run_of_trailers_is_cut_off) {
  struct raw raw = {.head = "HTTP/1.1 200 OK\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n"
                            "26\r\n" RAW_STATUS "\r\n0\r\n",
                    .filler = "X: 01234567890123456789012345678901234567\r\n",
                    .fillers = 100000,
                    .keep = 1};
  ck_assert_int_eq(ask_raw(&raw).answer, FC_ANSWER_NONE);
}
END_TEST

START_TEST(a_server_that_drips_is_a_timeout_of_the_whole) {
  struct raw raw = {.head = RAW_OK, .drip_ms = 20};
  settings.timeout_ms = 200;
  int64_t before_ms = now_ms();
  struct fc_result result = ask_raw(&raw);
  ck_assert_int_eq(result.error, FC_ERR_TIMEOUT);
  ck_assert_int_lt(now_ms() - before_ms, DEADLINE_MS / 2);
}
END_TEST

START_TEST(a_request_holds_what_it_should_and_nothing_else) {
  struct raw raw = {.head = RAW_OK};
  ck_assert_int_eq(ask_raw(&raw).answer, FC_ANSWER_STATUS);
  char host[64];
  (void)snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", raw.port);
  ck_assert_ptr_eq(strstr(raw.seen, "GET /v1/extract/a HTTP/1.1\r\n"),
                   raw.seen);
  ck_assert_int_eq(seen(&raw, host), 1);
  ck_assert_int_eq(seen(&raw, "\r\nAuthorization: Bearer fc-one\r\n"), 1);
  ck_assert_int_eq(seen(&raw, "\r\nAccept: */*\r\n"), 1);
  ck_assert_int_eq(seen(&raw, "\r\nUser-Agent: collectd-firecrawl/"), 1);
  ck_assert_int_eq(seen(&raw, "\r\n"), 6);
}
END_TEST

START_TEST(a_request_without_a_key_has_no_authorization) {
  struct raw raw = {.head = RAW_OK};
  fc_key_release(&key);
  ck_assert_int_eq(ask_raw(&raw).answer, FC_ANSWER_STATUS);
  ck_assert_int_eq(seen(&raw, "Authorization"), 0);
}
END_TEST

START_TEST(headers_of_the_user_are_sent_and_replace_our_own) {
  static const char *const lines[] = {"X-Team: a", "Accept: text/json",
                                      "user-agent: me"};
  struct raw raw = {.head = RAW_OK};
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
    ck_assert_int_eq(fc_settings_add_header(&settings, lines[i]), FC_OK);
  ck_assert_int_eq(ask_raw(&raw).answer, FC_ANSWER_STATUS);
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
    ck_assert_int_eq(seen(&raw, lines[i]), 1);
  ck_assert_int_eq(seen(&raw, "Accept:"), 1);
  ck_assert_int_eq(seen(&raw, "User-Agent:"), 1);
}
END_TEST

static const struct {
  enum fc_kind_id kind;
  const char *line;
} lines[] = {
    {FC_KIND_EXTRACT, "GET /v1/extract/a HTTP/1.1\r\n"},
    {FC_KIND_AGENT, "GET /v2/agent/a HTTP/1.1\r\n"},
    {FC_KIND_CRAWL, "GET /v2/crawl/a?limit=1 HTTP/1.1\r\n"},
    {FC_KIND_BATCH_SCRAPE, "GET /v2/batch/scrape/a?limit=1 HTTP/1.1\r\n"},
};

START_TEST(a_kind_is_asked_for_at_its_place) {
  struct raw raw = {.head = RAW_OK};
  raw_start(&raw);
  (void)ask_kind(lines[_i].kind, "a");
  raw_stop(&raw);
  ck_assert_ptr_eq(strstr(raw.seen, lines[_i].line), raw.seen);
}
END_TEST

START_TEST(a_path_is_sent_as_it_is) {
  struct raw raw = {.head = RAW_OK};
  char *url;
  raw_start(&raw);
  ck_assert_int_gt(asprintf(&url, "%s/a/../b/./c", settings.url), 0);
  free(settings.url);
  settings.url = url;
  (void)ask("a");
  raw_stop(&raw);
  ck_assert_int_eq(seen(&raw, "GET /a/../b/./c/v1/extract/a HTTP/1.1\r\n"), 1);
}
END_TEST

START_TEST(a_new_key_replaces_the_old_one_on_a_connection_that_stays) {
  struct raw raw = {.head = RAW_OK};
  raw_start(&raw);
  (void)ask("a");
  ck_assert_int_eq(fc_key_set(&key, "fc-two", 6), FC_OK);
  (void)ask("a");
  (void)ask("a");
  raw_stop(&raw);
  ck_assert_int_eq(seen(&raw, "\r\nAuthorization: Bearer fc-one\r\n"), 1);
  ck_assert_int_eq(seen(&raw, "\r\nAuthorization: Bearer fc-two\r\n"), 2);
  ck_assert_int_eq(raw.connections, 1);
}
END_TEST

START_TEST(one_connection_serves_many_requests) {
  struct raw raw = {.head = RAW_OK};
  raw_start(&raw);
  for (int i = 0; i < 50; i++)
    ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
  raw_stop(&raw);
  ck_assert_int_eq(raw.requests, 50);
  ck_assert_int_eq(raw.connections, 1);
}
END_TEST

/* So that a certificate that was replaced is noticed. */
START_TEST(a_kept_connection_ends_at_its_lifetime) {
  struct raw raw = {.head = RAW_OK};
  int64_t end_ms = now_ms() + DEADLINE_MS;
  lifetime_s = 1;
  raw_start(&raw);
  while (atomic_load(&raw.connections) < 2) {
    ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
    ck_assert(now_ms() < end_ms);
    (void)poll(NULL, 0, 50);
  }
  raw_stop(&raw);
  lifetime_s = 0;
}
END_TEST

enum { AT_ONCE = 4 };

static void ask_at_once(struct fc_call calls[AT_ONCE],
                        struct fc_result results[AT_ONCE]) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  for (int i = 0; i < AT_ONCE; i++) {
    results[i].http_code = -1;
    ck_assert_int_eq(fc_call_start(&calls[i], transport, &target,
                                   fc_kind_get(FC_KIND_EXTRACT), "a", 0,
                                   keep_result, &results[i]),
                     FC_OK);
  }
  for (int i = 0; i < AT_ONCE; i++)
    while (results[i].http_code == -1) {
      ck_assert_int_eq(fc_transport_run(transport, 100), FC_OK);
      ck_assert(now_ms() < end_ms);
    }
}

START_TEST(there_are_no_more_connections_than_requests_at_once) {
  struct raw raw = {.head = RAW_OK};
  struct fc_call calls[AT_ONCE];
  struct fc_result results[AT_ONCE];
  raw_start(&raw);
  for (int i = 0; i < AT_ONCE; i++)
    fc_call_init(&calls[i]);
  for (int round = 0; round < 10; round++) {
    ask_at_once(calls, results);
    for (int i = 0; i < AT_ONCE; i++)
      ck_assert_int_eq(results[i].answer, FC_ANSWER_STATUS);
  }
  for (int i = 0; i < AT_ONCE; i++)
    fc_call_release(&calls[i]);
  raw_stop(&raw);
  ck_assert_int_eq(raw.requests, 10 * AT_ONCE);
  ck_assert_int_le(raw.connections, AT_ONCE);
}
END_TEST

/* Starts a request that the server leaves without an answer, and waits until it
 * is there. */
static void start_mute(struct raw *raw, struct fc_call *call,
                       struct fc_result *result) {
  result->http_code = -1;
  raw_start(raw);
  fc_call_init(call);
  ck_assert_int_eq(fc_call_start(call, transport, &target,
                                 fc_kind_get(FC_KIND_EXTRACT), "mute", 0,
                                 keep_result, result),
                   FC_OK);
  while (atomic_load(&raw->requests) < 1)
    ck_assert_int_eq(fc_transport_run(transport, 10), FC_OK);
}

START_TEST(a_request_that_hangs_holds_up_no_other) {
  struct raw raw = {.head = RAW_OK, .mute = "/mute "};
  struct fc_result result;
  struct fc_call call;
  settings.timeout_ms = 2 * DEADLINE_MS;
  start_mute(&raw, &call, &result);
  for (int i = 0; i < 10; i++)
    ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
  ck_assert_int_eq(result.http_code, -1);
  fc_call_cancel(&call, transport);
  fc_call_release(&call);
  raw_stop(&raw);
  ck_assert_int_eq(raw.connections, 2);
}
END_TEST

/* With HTTP/2 the connection of a request that timed out stays, and may be
 * dead. */
START_TEST(after_a_timeout_one_request_takes_a_new_connection) {
  struct raw raw = {.head = RAW_OK, .mute = "/mute "};
  struct fc_result result;
  struct fc_call call;
  settings.timeout_ms = 1000;
  start_mute(&raw, &call, &result);
  settings.timeout_ms = DEADLINE_MS;
  ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
  while (result.http_code == -1)
    ck_assert_int_eq(fc_transport_run(transport, 100), FC_OK);
  ck_assert_int_eq(result.error, FC_ERR_TIMEOUT);
  ck_assert_int_eq(atomic_load(&raw.connections), 2);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
  raw_stop(&raw);
  fc_call_release(&call);
  ck_assert_int_eq(raw.connections, 3);
}
END_TEST

/* Express closes idle connections, and so does it while a request is under way
 * to it. */
START_TEST(a_kept_connection_that_closes_is_no_error) {
  struct raw raw = {.head = RAW_OK, .keep = 1, .drop = true, .reset = _i == 1};
  raw_start(&raw);
  for (int i = 0; i < 10; i++) {
    struct fc_result result = ask("a");
    ck_assert_msg(result.error == FC_OK, "request %d: %s", i, result.detail);
    ck_assert_int_eq(result.answer, FC_ANSWER_STATUS);
  }
  raw_stop(&raw);
  ck_assert_int_ge(raw.connections, 10);
}
END_TEST

static const struct {
  int code;
  const char *location;
  const char *path; /* behind the port of a second server; NULL: no port */
} redirects[] = {
    {301, "http://127.0.0.1:", "/v1/extract/a"},
    {302, "http://127.0.0.1:", "/v1/extract/a"},
    {303, "http://127.0.0.1:", "/v1/extract/a"},
    {307, "http://127.0.0.1:", "/v1/extract/a"},
    {308, "http://127.0.0.1:", "/v1/extract/a"},
    {302, "//127.0.0.1:", "/"},
    {302, "ftp://127.0.0.1:", "/"},
    {302, "/v1/extract/a", NULL},
    {302, "file:///etc/passwd", NULL},
};

START_TEST(a_redirect_is_not_followed) {
  struct raw other = {.head = RAW_OK};
  char port[16], reply[512];
  raw_start(&other);
  (void)snprintf(port, sizeof(port), "%u", other.port);
  (void)snprintf(reply, sizeof(reply),
                 "HTTP/1.1 %d Moved\r\nLocation: %s%s%s\r\n"
                 "Content-Length: 0\r\n\r\n",
                 redirects[_i].code, redirects[_i].location,
                 redirects[_i].path ? port : "",
                 redirects[_i].path ? redirects[_i].path : "");
  struct raw raw = {.head = reply};
  struct fc_result result = ask_raw(&raw);
  raw_stop(&other);
  ck_assert_int_eq(result.error, FC_ERR_HTTP);
  ck_assert_int_eq(result.http_code, redirects[_i].code);
  ck_assert_int_eq(raw.requests, 1);
  ck_assert_int_eq(other.connections, 0);
}
END_TEST

START_TEST(cookies_and_other_state_of_the_server_are_not_kept) {
  struct raw raw = {
      .head = "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\n"
              "Alt-Svc: h2=\"127.0.0.1:1\"; ma=86400\r\n"
              "Strict-Transport-Security: max-age=86400\r\n"
              "ETag: W/\"1\"\r\nContent-Length: 38\r\n\r\n" RAW_STATUS};
  raw_start(&raw);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(ask("a").answer, FC_ANSWER_STATUS);
  raw_stop(&raw);
  ck_assert_int_eq(raw.requests, 3);
  ck_assert_int_eq(seen(&raw, "Cookie"), 0);
  ck_assert_int_eq(seen(&raw, "If-None-Match"), 0);
  ck_assert_int_eq(seen(&raw, "\r\n"), 3 * 6);
}
END_TEST

START_TEST(a_netrc_of_the_user_is_not_read) {
  char directory[64], path[96];
  struct raw raw = {.head = RAW_OK};
  test_folder_make(directory, sizeof(directory), "curl");
  (void)snprintf(path, sizeof(path), "%s/.netrc", directory);
  test_write(path, "machine 127.0.0.1 login me password word\n");
  ck_assert_int_eq(setenv("HOME", directory, 1), 0);
  fc_key_release(&key);
  (void)ask_raw(&raw);
  test_folder_remove(directory);
  ck_assert_int_eq(seen(&raw, "Authorization"), 0);
}
END_TEST

static const char *const proxy_replies[] = {
    "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 404 x\r\nContent-Length: 17\r\n\r\n{\"success\":false}",
    "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 429 x\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 x\r\nDate: Tue, 03 Nov 2020 23:59:59 GMT\r\n\r\n" RAW_OK,
    "",
};

START_TEST(what_a_proxy_says_to_connect_is_no_answer_and_it_sees_no_key) {
  struct raw raw = {.head = proxy_replies[_i], .keep = 1};
  char proxy[64];
  raw_start(&raw);
  (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", raw.port);
  settings.proxy = strdup(proxy);
  set_url("https://api.test", 443);
  ck_assert_int_eq(fc_settings_add_header(&settings, "X-Team: secret"), FC_OK);
  struct fc_result result = ask("a");
  raw_stop(&raw);
  ck_assert_int_eq(result.answer, FC_ANSWER_NONE);
  ck_assert(result.error == FC_ERR_CONNECT || result.error == FC_ERR_TLS);
  ck_assert_int_eq(result.http_code, 0);
  ck_assert(!result.has_date && !result.has_retry_after);
  ck_assert_ptr_eq(strstr(raw.seen, "CONNECT api.test:443 "), raw.seen);
  ck_assert_int_eq(seen(&raw, "fc-one"), 0);
  ck_assert_int_eq(seen(&raw, "X-Team"), 0);
}
END_TEST

START_TEST(no_proxy_makes_an_exception) {
  struct raw raw = {.head = RAW_OK};
  settings.proxy = strdup("http://127.0.0.1:1");
  settings.no_proxy = strdup("127.0.0.1");
  ck_assert_int_eq(ask_raw(&raw).answer, FC_ANSWER_STATUS);
}
END_TEST

/* A gzip bomb is only as large as it is on the wire. */
START_TEST(what_is_encoded_is_neither_decoded_nor_a_status) {
  struct raw raw = {.head =
                        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n"
                        "Content-Length: 20\r\n\r\n"
                        "\x1f\x8b\x08\x01\x01\x01\x01\x01\x02\xff"
                        "\xab\x56\x2a\x2e\x49\x2c\x29\x2d\x56\xb2"};
  struct fc_result result = ask_raw(&raw);
  ck_assert_int_eq(result.error, FC_ERR_BODY);
  ck_assert_int_eq(seen(&raw, "Accept-Encoding"), 0);
}
END_TEST

static const struct {
  int64_t limit;
  enum fc_error error;
} limits[] = {{37, FC_ERR_BODY}, {38, FC_OK}, {1, FC_ERR_BODY}};

START_TEST(the_limit_of_the_body_is_exact_whatever_its_length_says) {
  static const char *const heads[] = {
      RAW_OK,
      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" RAW_STATUS,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\n{\r\n25\r\n\"success\":true,\"status\":\"processing\"}\r\n"
      "0\r\n\r\n",
  };
  settings.max_body_bytes = limits[_i].limit;
  for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
    struct raw raw = {.head = heads[i], .keep = 1};
    struct fc_result result = ask_raw(&raw);
    ck_assert_int_eq(result.error, limits[_i].error);
    if (result.error)
      ck_assert_ptr_nonnull(strstr(result.detail, "MaxBodySize"));
    fc_transport_free(transport);
    transport = fc_transport_curl_new();
  }
}
END_TEST

START_TEST(an_endless_body_ends_at_the_limit) {
  struct raw raw = {.head = "HTTP/1.1 200 OK\r\n\r\n{\"data\":\"",
                    .filler = "0123456789012345678901234567890123456789",
                    .fillers = 1000000};
  settings.max_body_bytes = 1000000;
  settings.timeout_ms = DEADLINE_MS;
  struct fc_result result = ask_raw(&raw);
  ck_assert_int_eq(result.error, FC_ERR_BODY);
  ck_assert_ptr_nonnull(strstr(result.detail, "MaxBodySize"));
}
END_TEST

START_TEST(a_transport_is_freed_at_any_moment_of_a_request) {
  struct raw raw = {.head = RAW_OK, .drip_ms = 5};
  struct fc_call call;
  struct fc_result result = {.http_code = -1};
  raw_start(&raw);
  fc_call_init(&call);
  ck_assert_int_eq(fc_call_start(&call, transport, &target,
                                 fc_kind_get(FC_KIND_EXTRACT), "a", 0,
                                 keep_result, &result),
                   FC_OK);
  for (int i = 0; i < _i; i++)
    ck_assert_int_eq(fc_transport_run(transport, 20), FC_OK);
  fc_transport_free(transport);
  transport = NULL;
  fc_call_release(&call);
  raw_stop(&raw);
  ck_assert_int_eq(result.http_code, -1);
}
END_TEST

/* A certificate for "localhost" that it signed itself, until 2126, and its
 * key, which guards nothing. */
static const char tls_cert[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBijCCATGgAwIBAgIUXEoUr+hyv41g+k/QJbm7RlA6N54wCgYIKoZIzj0EAwIw\n"
    "DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjQwNDQzNDdaGA8yMTI2MTAzMTA0NDM0\n"
    "N1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJAi\n"
    "lP62wVYjPTi0Odqu1YU0wZB301uNQ37B+CbtiotD6mrxZGeqsibK90Tzaf76kLzx\n"
    "A8u23NYuB7xO73w6s/6jaTBnMB0GA1UdDgQWBBSfm2Sdaa7tpad/cBf5ROL/tFb4\n"
    "3zAfBgNVHSMEGDAWgBSfm2Sdaa7tpad/cBf5ROL/tFb43zAPBgNVHRMBAf8EBTAD\n"
    "AQH/MBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAKBggqhkjOPQQDAgNHADBEAiBzPz4Y\n"
    "reLK76elZuYd/UMCMYc0goFrj40GT4yeO7OHjQIgD5Q0t4Vz/vVAe/Vin1+lJs4Z\n"
    "1uEzL6IzUXyLucNbV/c=\n"
    "-----END CERTIFICATE-----\n";

static const char tls_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvdOtb7AEngwYm114\n"
    "EsEobe7ivc6GjsETA2YNvhXQxkWhRANCAASQIpT+tsFWIz04tDnartWFNMGQd9Nb\n"
    "jUN+wfgm7YqLQ+pq8WRnqrImyvdE82n++pC88QPLttzWLge8Tu98OrP+\n"
    "-----END PRIVATE KEY-----\n";

/* One that signed nothing here. */
static const char tls_other_cert[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdzCCAR2gAwIBAgIUN3qAlItRZXLz02VOtR2I3BeB6kQwCgYIKoZIzj0EAwIw\n"
    "EDEOMAwGA1UEAwwFb3RoZXIwIBcNMjYxMTI0MjE1OTExWhgPMjEyNjEwMzEyMTU5\n"
    "MTFaMBAxDjAMBgNVBAMMBW90aGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n"
    "6rX7dymOs37r8yYUwdIxSlGvSPCRhgsTInFPmfFZCu3xyx2nqpJj0lBVzOvYloin\n"
    "2INaOuFVHL+UMMw4RKA0yKNTMFEwHQYDVR0OBBYEFABaoZyoY/Z7HNv53bt/NYKs\n"
    "NOwfMB8GA1UdIwQYMBaAFABaoZyoY/Z7HNv53bt/NYKsNOwfMA8GA1UdEwEB/wQF\n"
    "MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAL0I9RguNSEdbHjPq8GciOugwD9b0UNu\n"
    "xXCYjFUtxsCDAiAOmT8gyt63/CL+7CtOo83OtO7J7qFzc4N+KVt52IF0AQ==\n"
    "-----END CERTIFICATE-----\n";

enum tls_trust { TRUST_NOBODY, TRUST_IT, TRUST_WITHOUT_LOOK, TRUST_MISSING };

static const struct {
  const char *host;
  enum tls_trust trust;
  enum fc_error error;
} tls[] = {
    {"https://localhost", TRUST_NOBODY, FC_ERR_TLS},
    {"https://localhost", TRUST_IT, FC_OK},
    {"HTTPS://LOCALHOST", TRUST_IT, FC_OK},
    {"https://127.0.0.1", TRUST_IT, FC_ERR_TLS},
    {"https://127.0.0.1", TRUST_WITHOUT_LOOK, FC_OK},
    {"https://localhost", TRUST_MISSING, FC_ERR_TLS},
    {"http://localhost", TRUST_IT, FC_ERR_CONNECT},
};

START_TEST(a_server_is_trusted_by_its_certificate_only) {
  char path[] = "/tmp/fc-curl-XXXXXX";
  struct fake_firecrawl *secure = fake_firecrawl_start(0, tls_cert, tls_key);
  ck_assert_ptr_nonnull(secure);
  int fd = mkstemp(path);
  ck_assert_int_eq(write(fd, tls_cert, strlen(tls_cert)),
                   (ssize_t)strlen(tls_cert));
  (void)close(fd);
  char error[256];
  ck_assert(fake_firecrawl_script(secure, "job extract a\n  state processing\n",
                                  error, sizeof(error)));
  set_url(tls[_i].host, fake_firecrawl_port(secure));
  if (tls[_i].trust == TRUST_IT)
    settings.ca_cert = strdup(path);
  if (tls[_i].trust == TRUST_MISSING)
    settings.ca_cert = strdup("/nonexistent/ca.pem");
  settings.verify_peer = tls[_i].trust != TRUST_WITHOUT_LOOK;
  settings.verify_host = settings.verify_peer;
  struct fc_result result = ask("a");
  size_t count = fake_firecrawl_count(secure, "a");
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(result.error, tls[_i].error);
  ck_assert_uint_eq(count, tls[_i].error ? 0 : 1);
  ck_assert_int_eq(result.detail[0] != '\0', tls[_i].error != FC_OK);
  fake_firecrawl_stop(secure);
}
END_TEST

/* What makes a server that wants TLS, and trusts the certificate in a file. */
static struct fake_firecrawl *start_secure(char *path) {
  char error[256];
  struct fake_firecrawl *secure = fake_firecrawl_start(0, tls_cert, tls_key);
  ck_assert_ptr_nonnull(secure);
  ck_assert(fake_firecrawl_script(secure, "job extract a\n  state processing\n",
                                  error, sizeof(error)));
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  (void)close(fd);
  settings.ca_cert = strdup(path);
  set_url("https://localhost", fake_firecrawl_port(secure));
  return secure;
}

/* libcurl keeps what it read of a CA file for a day. */
START_TEST(a_ca_file_that_is_mended_is_read_again) {
  char path[] = "/tmp/fc-curl-XXXXXX";
  struct fake_firecrawl *secure = start_secure(path);
  int64_t end_ms = now_ms() + DEADLINE_MS;
  test_write(path, tls_other_cert);
  ck_assert_int_eq(ask("a").error, FC_ERR_TLS);
  test_write(path, tls_cert);
  while (ask("a").error)
    ck_assert(now_ms() < end_ms);
  ck_assert_int_eq(unlink(path), 0);
  fake_firecrawl_stop(secure);
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
    {"http://[::1]:3002/v1/", "http://[::1]:3002", FC_API_V1},
    {"http://host/v3", "http://host/v3", FC_API_DEFAULT},
    {"http://host/v12", "http://host/v12", FC_API_DEFAULT},
    {"http://host/fire-v1", "http://host/fire-v1", FC_API_DEFAULT},
    {"http://v1", "http://v1", FC_API_DEFAULT},
    {"http://host//", "http://host", FC_API_DEFAULT},
    {"http://host:", "http://host", FC_API_DEFAULT},
    {"http://host/a/../b", "http://host/b", FC_API_DEFAULT},
    {"HTTP://host:8080/V2", "http://host:8080", FC_API_V2},
    {"HTTPS://api.firecrawl.dev", "https://api.firecrawl.dev", FC_API_DEFAULT},
    {"ftp://host", NULL, FC_API_DEFAULT},
    {"file:///etc/passwd", NULL, FC_API_DEFAULT},
    {"host", NULL, FC_API_DEFAULT},
    {"", NULL, FC_API_DEFAULT},
    {"http://", NULL, FC_API_DEFAULT},
    {"http://user@host", NULL, FC_API_DEFAULT},
    {"http://user:word@host", NULL, FC_API_DEFAULT},
    {"http://host/?a=b", NULL, FC_API_DEFAULT},
    {"http://host/#a", NULL, FC_API_DEFAULT},
    {" ", NULL, FC_API_DEFAULT},
    {"/v1", NULL, FC_API_DEFAULT},
    {"http://host:port", NULL, FC_API_DEFAULT},
    {"http://host:99999", NULL, FC_API_DEFAULT},
    {"http://host?", NULL, FC_API_DEFAULT},
    {"http://host/v1?", NULL, FC_API_DEFAULT},
    {"http://host#", NULL, FC_API_DEFAULT},
    {"http://@host", NULL, FC_API_DEFAULT},
    {"http://:word@host", NULL, FC_API_DEFAULT},
    {"http://[::1", NULL, FC_API_DEFAULT},
    {"http:host", NULL, FC_API_DEFAULT},
    {"//host", NULL, FC_API_DEFAULT},
    {"localhost:3002", NULL, FC_API_DEFAULT},
    {"javascript:1", NULL, FC_API_DEFAULT},
    {" http://host", NULL, FC_API_DEFAULT},
    {"http://host/\r\nX: y", NULL, FC_API_DEFAULT},
    {"http://host\x01", NULL, FC_API_DEFAULT},
    {"http://ho st", NULL, FC_API_DEFAULT},
};

START_TEST(a_url_without_a_scheme_is_told_what_it_lacks) {
  char detail[FC_DETAIL_SIZE] = "";
  ck_assert_int_eq(fc_transport_curl_set_url(&settings, "localhost:3002",
                                             detail, sizeof(detail)),
                   FC_ERR_ARGUMENT);
  ck_assert_str_eq(detail, "does not begin with http:// or https://");
}
END_TEST

START_TEST(a_refused_url_leaves_the_old_one) {
  char detail[FC_DETAIL_SIZE], *before = settings.url;
  ck_assert_int_eq(fc_transport_curl_set_url(&settings,
                                             "http://me:word@host/v1", detail,
                                             sizeof(detail)),
                   FC_ERR_ARGUMENT);
  ck_assert_ptr_eq(settings.url, before);
  ck_assert_int_eq(settings.api_version, FC_API_DEFAULT);
  ck_assert_ptr_null(strstr(detail, "word@"));
}
END_TEST

START_TEST(the_longest_url_fits_and_a_longer_one_is_refused) {
  char url[FC_BASE_URL_MAX + 2], detail[FC_DETAIL_SIZE];
  memset(url, 'a', sizeof(url));
  memcpy(url, "http://h/", 9);
  url[FC_BASE_URL_MAX + 1] = '\0';
  ck_assert_int_eq(
      fc_transport_curl_set_url(&settings, url, detail, sizeof(detail)),
      FC_ERR_ARGUMENT);
  url[FC_BASE_URL_MAX] = '\0';
  ck_assert_int_eq(
      fc_transport_curl_set_url(&settings, url, detail, sizeof(detail)), FC_OK);
}
END_TEST

START_TEST(a_url_is_taken_or_refused_with_a_reason) {
  struct fc_settings fresh;
  char detail[FC_DETAIL_SIZE] = "";
  fc_settings_init(&fresh);
  enum fc_error error =
      fc_transport_curl_set_url(&fresh, urls[_i].url, detail, sizeof(detail));
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

static void add_fake_server(TCase *tests) {
  tcase_add_test(tests, a_job_is_asked_for_with_its_key);
  tcase_add_test(tests, a_new_key_is_used_by_the_next_request);
  tcase_add_test(tests, without_a_key_no_authorization_is_sent);
  tcase_add_loop_test(tests, a_captured_reply_arrives_as_it_was, 0,
                      COUNT(captured));
  tcase_add_test(tests, a_refused_connection_is_told);
  tcase_add_test(tests, a_name_that_does_not_resolve_is_told);
  tcase_add_test(tests, a_server_that_never_answers_is_a_timeout);
  tcase_add_test(tests, plain_text_on_a_tls_port_is_a_tls_error);
  tcase_add_test(tests, a_body_beyond_the_limit_is_an_error);
  tcase_add_test(tests, forty_megabytes_yield_the_status_and_cost_no_memory);
  tcase_add_test(tests, forty_megabytes_cut_short_yield_no_status);
  tcase_add_test(tests, an_encoded_body_is_not_decoded);
  tcase_add_test(tests, an_option_that_libcurl_refuses_is_no_lack_of_memory);
  tcase_add_test(tests, proxies_of_the_environment_are_not_used);
  tcase_add_test(tests, a_woken_transport_returns_at_once);
  tcase_add_test(tests, a_cancelled_call_never_comes_back);
  tcase_add_loop_test(tests, a_server_is_trusted_by_its_certificate_only, 0,
                      COUNT(tls));
  tcase_add_test(tests, a_ca_file_that_is_mended_is_read_again);
}

static void add_raw_replies(TCase *tests) {
  tcase_add_loop_test(tests, a_malformed_reply_is_an_error_and_no_status, 0,
                      COUNT(malformed));
  tcase_add_test(tests, headers_of_an_interim_response_do_not_count);
  tcase_add_test(tests, trailers_do_not_count);
  tcase_add_test(tests, an_endless_run_of_trailers_is_cut_off);
  tcase_add_test(tests, a_server_that_drips_is_a_timeout_of_the_whole);
  tcase_add_test(tests, what_is_encoded_is_neither_decoded_nor_a_status);
  tcase_add_loop_test(tests,
                      the_limit_of_the_body_is_exact_whatever_its_length_says,
                      0, COUNT(limits));
  tcase_add_test(tests, an_endless_body_ends_at_the_limit);
  tcase_add_loop_test(tests, a_transport_is_freed_at_any_moment_of_a_request, 0,
                      8);
}

static void add_raw_requests(TCase *tests) {
  tcase_add_test(tests, a_request_holds_what_it_should_and_nothing_else);
  tcase_add_test(tests, a_request_without_a_key_has_no_authorization);
  tcase_add_test(tests, headers_of_the_user_are_sent_and_replace_our_own);
  tcase_add_loop_test(tests, a_kind_is_asked_for_at_its_place, 0, COUNT(lines));
  tcase_add_test(tests, a_path_is_sent_as_it_is);
  tcase_add_test(tests,
                 a_new_key_replaces_the_old_one_on_a_connection_that_stays);
  tcase_add_test(tests, one_connection_serves_many_requests);
  tcase_add_test(tests, a_kept_connection_ends_at_its_lifetime);
  tcase_add_test(tests, there_are_no_more_connections_than_requests_at_once);
  tcase_add_test(tests, a_request_that_hangs_holds_up_no_other);
  tcase_add_test(tests, after_a_timeout_one_request_takes_a_new_connection);
  tcase_add_loop_test(tests, a_kept_connection_that_closes_is_no_error, 0, 2);
  tcase_add_loop_test(tests, a_redirect_is_not_followed, 0, COUNT(redirects));
  tcase_add_test(tests, cookies_and_other_state_of_the_server_are_not_kept);
  tcase_add_test(tests, a_netrc_of_the_user_is_not_read);
  tcase_add_loop_test(
      tests, what_a_proxy_says_to_connect_is_no_answer_and_it_sees_no_key, 0,
      COUNT(proxy_replies));
  tcase_add_test(tests, no_proxy_makes_an_exception);
}

static void add_urls(TCase *tests) {
  tcase_add_loop_test(tests, a_url_is_taken_or_refused_with_a_reason, 0,
                      COUNT(urls));
  tcase_add_test(tests, a_url_without_a_scheme_is_told_what_it_lacks);
  tcase_add_test(tests, a_refused_url_leaves_the_old_one);
  tcase_add_test(tests, the_longest_url_fits_and_a_longer_one_is_refused);
}

int main(void) {
  Suite *suite = suite_create("transport_curl");
  TCase *tests = tcase_create("curl");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  add_fake_server(tests);
  add_raw_replies(tests);
  add_raw_requests(tests);
  add_urls(tests);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
