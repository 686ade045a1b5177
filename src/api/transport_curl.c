/* SPDX-License-Identifier: MIT */

#include "src/api/transport_curl.h"

#include "src/api/key.h"
#include "src/api/kind.h"
#include "src/api/request.h"
#include "src/api/transport.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or newer is needed"
#endif

enum { VERSION_MIN = 0x075700 /* 7.87.0: CURLOPT_QUICK_EXIT */ };

/* One easy handle. It stays set up for the target it served last, so that the
 * next request only sets a URL. But libcurl keeps count of its retries on dead
 * connections over all transfers of a handle, and gives up at the sixth unless
 * the handle was reset: so one whose request failed or took a new connection,
 * as after a retry, is set up anew. */
struct slot {
  CURL *easy;
  const struct fc_target *target; /* of the last request */
  unsigned key_generation;
  bool is_set_up;
  struct curl_slist *headers;
  struct fc_exchange *exchange; /* NULL: idle */
  enum fc_error callback_error; /* why a callback of ours ended it */
  size_t header_bytes;
  bool is_final;      /* the response whose headers come; not an interim one */
  bool headers_ended; /* of the final response: what follows are trailers */
  bool bad_status_line;
  uint64_t body_bytes;
  bool timed_out; /* its last request: the connection may be dead */
  char error_text[CURL_ERROR_SIZE];
  struct slot *next; /* of all, or of the idle ones */
  struct slot *previous;
};

struct curl_transport {
  struct fc_transport base;
  CURLM *multi;
  struct slot *busy;
  struct slot *idle;
};

static struct curl_transport *curl_transport_of(struct fc_transport *base) {
  return (struct curl_transport *)base;
}

static void slot_push(struct slot **list, struct slot *slot) {
  slot->previous = NULL;
  slot->next = *list;
  if (slot->next)
    slot->next->previous = slot;
  *list = slot;
}

static void slot_remove(struct slot **list, struct slot *slot) {
  if (slot->previous)
    slot->previous->next = slot->next;
  else
    *list = slot->next;
  if (slot->next)
    slot->next->previous = slot->previous;
  slot->next = slot->previous = NULL;
}

static void slot_free(struct slot *slot) {
  curl_easy_cleanup(slot->easy);
  curl_slist_free_all(slot->headers);
  free(slot);
}

/* The code of the final response, which libcurl knows once its status line has
 * come; 0 before that and for an interim response (RFC 9110 section 15.2). */
static int final_code(const struct slot *slot) {
  long code = 0;
  (void)curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &code);
  return code < 200 || slot->bad_status_line ? 0 : (int)code;
}

static bool is_code(const char *text) {
  for (int i = 0; i < 3; i++)
    if (text[i] < '0' || text[i] > '9')
      return false;
  return text[3] == ' ' || text[3] == '\r' || text[3] == '\n';
}

/* libcurl 8.14 takes "HTTP/3.7 200 OK" and "HTTP/1.1 2000 OK" for a 200. */
static bool is_status_line(const char *line, size_t len) {
  static const char *const starts[] = {"HTTP/1.0 ", "HTTP/1.1 ", "HTTP/2 ",
                                       "HTTP/3 "};
  for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
    size_t used = strlen(starts[i]);
    if (len >= used + sizeof("200") && memcmp(line, starts[i], used) == 0)
      return is_code(line + used);
  }
  return false;
}

static size_t on_header(char *data, size_t size, size_t count, void *user) {
  struct slot *slot = user;
  size_t len = size * count;
  slot->header_bytes += len;
  if (slot->header_bytes > FC_HEADER_BYTES_MAX) {
    slot->callback_error = FC_ERR_HTTP;
    return 0;
  }
  if (len > 5 && memcmp(data, "HTTP/", 5) == 0) {
    slot->bad_status_line = !is_status_line(data, len);
    slot->is_final = final_code(slot) != 0;
  }
  if (slot->bad_status_line) {
    slot->callback_error = FC_ERR_HTTP;
    return 0;
  }
  if (!slot->is_final || slot->headers_ended)
    return len;
  slot->headers_ended = *data == '\r' || *data == '\n';
  const char *colon = memchr(data, ':', len);
  if (!colon)
    return len;
  const char *value = colon + 1, *end = data + len;
  while (value < end && (*value == ' ' || *value == '\t'))
    value++;
  while (end > value && strchr(" \t\r\n", end[-1]))
    end--;
  slot->exchange->ops->header(slot->exchange, data, (size_t)(colon - data),
                              value, (size_t)(end - value));
  return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
  struct slot *slot = user;
  size_t len = size * count;
  slot->body_bytes += len;
  if (slot->body_bytes > (uint64_t)slot->target->settings->max_body_bytes) {
    slot->callback_error = FC_ERR_LIMIT;
    return CURL_WRITEFUNC_ERROR;
  }
  slot->callback_error = slot->exchange->ops->body(slot->exchange, data, len);
  return slot->callback_error ? CURL_WRITEFUNC_ERROR : len;
}

/* How a CURLcode counts; codes that are not listed count as connect: no reply
 * came, and no other class says why. */
static const struct {
  CURLcode code;
  enum fc_error error;
} outcomes[] = {
    {CURLE_OK, FC_OK},
    {CURLE_COULDNT_RESOLVE_HOST, FC_ERR_DNS},
    {CURLE_COULDNT_RESOLVE_PROXY, FC_ERR_DNS},
    {CURLE_OPERATION_TIMEDOUT, FC_ERR_TIMEOUT},
    {CURLE_SSL_CONNECT_ERROR, FC_ERR_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, FC_ERR_TLS},
    {CURLE_SSL_CERTPROBLEM, FC_ERR_TLS},
    {CURLE_SSL_CIPHER, FC_ERR_TLS},
    {CURLE_SSL_CACERT_BADFILE, FC_ERR_TLS},
    {CURLE_SSL_ENGINE_NOTFOUND, FC_ERR_TLS},
    {CURLE_SSL_ENGINE_SETFAILED, FC_ERR_TLS},
    {CURLE_SSL_ENGINE_INITFAILED, FC_ERR_TLS},
    {CURLE_SSL_ISSUER_ERROR, FC_ERR_TLS},
    {CURLE_SSL_CRL_BADFILE, FC_ERR_TLS},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, FC_ERR_TLS},
    {CURLE_SSL_INVALIDCERTSTATUS, FC_ERR_TLS},
    {CURLE_SSL_CLIENTCERT, FC_ERR_TLS},
    {CURLE_USE_SSL_FAILED, FC_ERR_TLS},
    {CURLE_PARTIAL_FILE, FC_ERR_BODY},
    {CURLE_BAD_CONTENT_ENCODING, FC_ERR_BODY},
    {CURLE_WEIRD_SERVER_REPLY, FC_ERR_HTTP},
    {CURLE_UNSUPPORTED_PROTOCOL, FC_ERR_HTTP},
    {CURLE_HTTP2, FC_ERR_HTTP},
    {CURLE_HTTP2_STREAM, FC_ERR_HTTP},
    {CURLE_OUT_OF_MEMORY, FC_ERR_MEMORY},
};

static enum fc_error error_of(CURLcode code) {
  for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
    if (outcomes[i].code == code)
      return outcomes[i].error;
  return FC_ERR_CONNECT;
}

/* A time-out while the name was looked up is the name server's: libcurl has one
 * code for all time-outs, and tells them apart by its text only. */
static enum fc_error error_of_slot(const struct slot *slot, CURLcode code) {
  static const char resolving[] = "Resolving timed out";
  if (code == CURLE_OPERATION_TIMEDOUT &&
      strncmp(slot->error_text, resolving, sizeof(resolving) - 1) == 0)
    return FC_ERR_DNS;
  return error_of(code);
}

/* libcurl says "out of memory" (7.88) or "too large" (8.6) to a header line of
 * more than 100 KiB, which no callback sees. Newer ones say "too large" to
 * 5,000 headers as well, be they trailers. */
static bool header_too_long(const struct slot *slot, CURLcode code) {
  curl_off_t first_byte_us = 0;
#if LIBCURL_VERSION_NUM >= 0x080600
  if (code == CURLE_TOO_LARGE)
    return true;
#endif
  if (code != CURLE_OUT_OF_MEMORY || slot->headers_ended)
    return false;
  (void)curl_easy_getinfo(slot->easy, CURLINFO_STARTTRANSFER_TIME_T,
                          &first_byte_us);
  return first_byte_us > 0;
}

static bool took_new_connection(const struct slot *slot) {
  long count = 0;
  return curl_easy_getinfo(slot->easy, CURLINFO_NUM_CONNECTS, &count) || count;
}

static void detail_of(const struct slot *slot, CURLcode code, char *detail,
                      size_t size) {
  size_t used = 0;
  detail[0] = '\0';
  if (slot->callback_error == FC_ERR_LIMIT)
    fc_text_append(detail, size, &used,
                   "the reply is larger than MaxBodySize (%" PRId64 " bytes)",
                   slot->target->settings->max_body_bytes);
  else if (slot->bad_status_line)
    fc_text_append(detail, size, &used, "the status line is malformed");
  else if (slot->callback_error == FC_ERR_HTTP)
    fc_text_append(detail, size, &used, "more than %d bytes of headers",
                   FC_HEADER_BYTES_MAX);
  else if (code != CURLE_OK && !slot->callback_error) {
    fc_text_copy(detail, size,
                 slot->error_text[0] ? slot->error_text
                                     : curl_easy_strerror(code));
  }
}

static void slot_finish(struct curl_transport *transport, struct slot *slot,
                        CURLcode code) {
  char detail[CURL_ERROR_SIZE];
  struct fc_transport_reply reply = {.detail = detail};
  curl_off_t microseconds = 0;
  (void)curl_easy_getinfo(slot->easy, CURLINFO_TOTAL_TIME_T, &microseconds);
  reply.http_code = final_code(slot);
  reply.seconds = (double)microseconds / 1e6;
  if (!slot->callback_error && header_too_long(slot, code))
    slot->callback_error = FC_ERR_HTTP;
  reply.error =
      slot->callback_error ? slot->callback_error : error_of_slot(slot, code);
  if (reply.error == FC_ERR_LIMIT)
    reply.error = FC_ERR_BODY;
  slot->timed_out = code == CURLE_OPERATION_TIMEDOUT;
  slot->is_set_up = !code && !took_new_connection(slot);
  detail_of(slot, code, detail, sizeof(detail));

  struct fc_exchange *exchange = slot->exchange;
  (void)curl_multi_remove_handle(transport->multi, slot->easy);
  slot_remove(&transport->busy, slot);
  slot->exchange = NULL;
  exchange->slot = NULL;
  slot_push(&transport->idle, slot);
  exchange->ops->done(exchange, &reply);
}

static const long families[] = {
    [FC_FAMILY_ANY] = CURL_IPRESOLVE_WHATEVER,
    [FC_FAMILY_IPV4] = CURL_IPRESOLVE_V4,
    [FC_FAMILY_IPV6] = CURL_IPRESOLVE_V6,
};

/* Ends a setup at the first option that libcurl refuses: a handle with an
 * option missing must not be used. */
#define SET(option, value)                                                     \
  do {                                                                         \
    CURLcode code_ = curl_easy_setopt(easy, option, value);                    \
    if (code_)                                                                 \
      return code_;                                                            \
  } while (0)

static CURLcode setup_tls(CURL *easy, const struct fc_settings *settings) {
  SET(CURLOPT_SSL_VERIFYPEER, settings->verify_peer ? 1L : 0L);
  SET(CURLOPT_SSL_VERIFYHOST, settings->verify_host ? 2L : 0L);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  /* A CA file that has been replaced counts as soon as connections are made
   * anew. TLS libraries for which libcurl keeps no copy refuse the option. */
  (void)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT,
                         (long)FC_CONNECTION_LIFETIME_S);
  if (settings->ca_cert)
    SET(CURLOPT_CAINFO, settings->ca_cert);
  if (settings->ca_path)
    SET(CURLOPT_CAPATH, settings->ca_path);
  if (settings->client_cert)
    SET(CURLOPT_SSLCERT, settings->client_cert);
  if (settings->client_key)
    SET(CURLOPT_SSLKEY, settings->client_key);
  return CURLE_OK;
}

static CURLcode setup_network(CURL *easy, const struct fc_settings *settings) {
  bool is_tls = strncasecmp(settings->url, "https:", 6) == 0;
  SET(CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_PATH_AS_IS, 1L);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_QUICK_EXIT, 1L);
  SET(CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
  SET(CURLOPT_CONNECTTIMEOUT_MS, (long)settings->timeout_ms);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  SET(CURLOPT_HTTP09_ALLOWED, 0L);
  /* Over TLS, to wait for the first connection is to wait for its handshake. In
   * the clear it would be to wait for its first reply: for nothing, there is no
   * HTTP/2, and for long where that request hangs. */
  SET(CURLOPT_PIPEWAIT, is_tls ? 1L : 0L);
  SET(CURLOPT_MAXLIFETIME_CONN, (long)FC_CONNECTION_LIFETIME_S);
  SET(CURLOPT_IPRESOLVE, families[settings->address_family]);
  SET(CURLOPT_PROXY, settings->proxy ? settings->proxy : "");
  SET(CURLOPT_NOPROXY, settings->no_proxy ? settings->no_proxy : "");
  SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  return CURLE_OK;
}

/* Looking for a connection, libcurl closes dead ones of whoever's, and says why
 * in the buffer of the request that looks. What it says of the request itself
 * comes later. */
static void forget_text(struct slot *slot) { slot->error_text[0] = '\0'; }

static int on_socket(void *data, curl_socket_t socket, curlsocktype purpose) {
  (void)socket;
  (void)purpose;
  forget_text(data);
  return CURL_SOCKOPT_OK;
}

/* Programs that the daemon starts have no use for it. */
static curl_socket_t open_socket(void *data, curlsocktype purpose,
                                 struct curl_sockaddr *address) {
  (void)data;
  (void)purpose;
  return socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);
}

static int on_connection(void *data, char *remote_ip, char *local_ip,
                         int remote_port, int local_port) {
  (void)remote_ip;
  (void)local_ip;
  (void)remote_port;
  (void)local_port;
  forget_text(data);
  return CURL_PREREQFUNC_OK;
}

static CURLcode setup_callbacks(struct slot *slot) {
  CURL *easy = slot->easy;
  SET(CURLOPT_PRIVATE, slot);
  SET(CURLOPT_ERRORBUFFER, slot->error_text);
  SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
  SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
  SET(CURLOPT_SOCKOPTDATA, slot);
  SET(CURLOPT_PREREQFUNCTION, on_connection);
  SET(CURLOPT_PREREQDATA, slot);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_HEADERDATA, slot);
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, slot);
  return CURLE_OK;
}

/* An HTTP/2 connection outlives the time-out of a request on it, and libcurl
 * would put the next ones onto it even if the peer has long gone. After a
 * time-out, one request takes a new connection and lets the idle ones go; the
 * next one is set up anew. */
static CURLcode setup_request(const struct slot *slot, const char *url) {
  CURL *easy = slot->easy;
  if (slot->timed_out) {
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_MAXLIFETIME_CONN, 1L);
  }
  SET(CURLOPT_URL, url);
  return CURLE_OK;
}

/* What the user's own Header lines leave to us. */
static bool has_header(const struct fc_settings *settings, const char *name) {
  size_t len = strlen(name);
  for (size_t i = 0; i < settings->headers_len; i++)
    if (strncasecmp(settings->headers[i], name, len) == 0 &&
        settings->headers[i][len] == ':')
      return true;
  return false;
}

static CURLcode header_append(struct curl_slist **list, const char *line) {
  struct curl_slist *longer = curl_slist_append(*list, line);
  if (!longer)
    return CURLE_OUT_OF_MEMORY;
  *list = longer;
  return CURLE_OK;
}

/* libcurl writes a line of the list once for each request, and what its option
 * for the user agent holds twice. */
static CURLcode setup_headers(struct slot *slot,
                              const struct fc_settings *settings) {
  static const char agent[] = "User-Agent: " PACKAGE_NAME "/" PACKAGE_VERSION;
  CURL *easy = slot->easy;
  if (!has_header(settings, "User-Agent") &&
      header_append(&slot->headers, agent))
    return CURLE_OUT_OF_MEMORY;
  for (size_t i = 0; i < settings->headers_len; i++)
    if (header_append(&slot->headers, settings->headers[i]))
      return CURLE_OUT_OF_MEMORY;
  SET(CURLOPT_HTTPHEADER, slot->headers);
  return CURLE_OK;
}

static CURLcode setup_key(CURL *easy, const struct fc_key *key) {
  if (!key->bytes)
    return CURLE_OK;
  SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
  SET(CURLOPT_XOAUTH2_BEARER, key->bytes);
  return CURLE_OK;
}

static CURLcode slot_setup(struct slot *slot, const struct fc_target *target) {
  if (slot->is_set_up && slot->target == target &&
      slot->key_generation == target->key->generation)
    return CURLE_OK;
  CURL *easy = slot->easy;
  slot->target = target;
  slot->key_generation = target->key->generation;
  curl_easy_reset(easy);
  curl_slist_free_all(slot->headers);
  slot->headers = NULL;
  CURLcode code = setup_callbacks(slot);
  if (!code)
    code = setup_network(easy, target->settings);
  if (!code)
    code = setup_tls(easy, target->settings);
  if (!code)
    code = setup_headers(slot, target->settings);
  if (!code)
    code = setup_key(easy, target->key);
  return code;
}

static struct slot *slot_new(void) {
  struct slot *slot = calloc(1, sizeof(*slot));
  if (!slot)
    return NULL;
  slot->easy = curl_easy_init();
  if (!slot->easy) {
    free(slot);
    return NULL;
  }
  return slot;
}

/* An idle slot, the one that served the target last if there is one: it knows
 * whether that timed out. */
static struct slot *slot_take(struct curl_transport *transport,
                              const struct fc_target *target) {
  struct slot *slot = transport->idle;
  while (slot && slot->target != target && slot->next)
    slot = slot->next;
  if (!slot)
    return slot_new();
  slot_remove(&transport->idle, slot);
  return slot;
}

/* What libcurl does not do for us. */
static enum fc_error refusal(bool for_lack_of_memory) {
  return for_lack_of_memory ? FC_ERR_MEMORY : FC_ERR_LIBRARY;
}

static enum fc_error transport_start(struct fc_transport *base,
                                     const struct fc_target *target,
                                     const char *url,
                                     struct fc_exchange *exchange) {
  struct curl_transport *transport = curl_transport_of(base);
  struct slot *slot = slot_take(transport, target);
  if (!slot)
    return FC_ERR_MEMORY;
  CURLcode code = slot_setup(slot, target);
  if (!code)
    code = setup_request(slot, url);
  CURLMcode multi_code =
      code ? CURLM_OK : curl_multi_add_handle(transport->multi, slot->easy);
  if (code || multi_code) {
    slot_free(slot);
    return refusal(code == CURLE_OUT_OF_MEMORY ||
                   multi_code == CURLM_OUT_OF_MEMORY);
  }
  slot->callback_error = FC_OK;
  slot->header_bytes = 0;
  slot->is_final = false;
  slot->headers_ended = false;
  slot->bad_status_line = false;
  slot->body_bytes = 0;
  slot->error_text[0] = '\0';
  slot->exchange = exchange;
  exchange->slot = slot;
  slot_push(&transport->busy, slot);
  return FC_OK;
}

static void transport_cancel(struct fc_transport *base,
                             struct fc_exchange *exchange) {
  struct curl_transport *transport = curl_transport_of(base);
  struct slot *slot = exchange->slot;
  if (!slot)
    return;
  (void)curl_multi_remove_handle(transport->multi, slot->easy);
  slot_remove(&transport->busy, slot);
  slot->exchange = NULL;
  slot->is_set_up = false;
  exchange->slot = NULL;
  slot_push(&transport->idle, slot);
}

/* True when an exchange has ended. */
static bool deliver(struct curl_transport *transport) {
  CURLMsg *message;
  bool any = false;
  int left;
  while ((message = curl_multi_info_read(transport->multi, &left))) {
    if (message->msg != CURLMSG_DONE)
      continue;
    char *private = NULL;
    CURLcode code = message->data.result;
    if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private) ||
        !private)
      continue;
    slot_finish(transport, (struct slot *)(void *)private, code);
    any = true;
  }
  return any;
}

static enum fc_error transport_run(struct fc_transport *base,
                                   int64_t timeout_ms) {
  struct curl_transport *transport = curl_transport_of(base);
  int wait_ms = timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
  int running;
  CURLMcode code = curl_multi_perform(transport->multi, &running);
  /* What ended now may have made something else due. */
  if (deliver(transport))
    return FC_OK;
  if (!code)
    code = curl_multi_poll(transport->multi, NULL, 0, wait_ms, NULL);
  if (!code)
    code = curl_multi_perform(transport->multi, &running);
  (void)deliver(transport);
  return code ? FC_ERR_MEMORY : FC_OK;
}

static void transport_wake(struct fc_transport *base) {
  (void)curl_multi_wakeup(curl_transport_of(base)->multi);
}

static void transport_free(struct fc_transport *base) {
  struct curl_transport *transport = curl_transport_of(base);
  while (transport->busy)
    transport_cancel(base, transport->busy->exchange);
  for (struct slot *slot = transport->idle, *next; slot; slot = next) {
    next = slot->next;
    slot_free(slot);
  }
  (void)curl_multi_cleanup(transport->multi);
  free(transport);
}

static const struct fc_transport_ops ops = {
    .start = transport_start,
    .cancel = transport_cancel,
    .run = transport_run,
    .wake = transport_wake,
    .free = transport_free,
};

static bool is_unix_socket(int fd) {
  int domain = 0;
  socklen_t len = sizeof(domain);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
         domain == AF_UNIX;
}

/* libcurl has a pair of sockets to be woken by, which older ones let programs
 * inherit that the process starts. */
static CURLM *multi_new(void) {
  enum { SEARCHED = 1024 };
  bool was_open[SEARCHED];
  for (int fd = 0; fd < SEARCHED; fd++)
    was_open[fd] = fcntl(fd, F_GETFD) >= 0;
  CURLM *multi = curl_multi_init();
  for (int fd = 0; fd < SEARCHED; fd++)
    if (!was_open[fd] && is_unix_socket(fd))
      (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
  return multi;
}

struct fc_transport *fc_transport_curl_new(void) {
  struct curl_transport *transport = calloc(1, sizeof(*transport));
  if (!transport)
    return NULL;
  transport->base.ops = &ops;
  transport->multi = multi_new();
  if (!transport->multi) {
    free(transport);
    return NULL;
  }
  return &transport->base;
}

/* Of every entry, for there may be several. */
static void rename_key_log(char from, char to) {
  static const char rest[] = "SLKEYLOGFILE=";
  for (char **entry = environ; entry && *entry; entry++)
    if (**entry == from && strncmp(*entry + 1, rest, strlen(rest)) == 0)
      **entry = to;
}

/* libcurl opens the file that SSLKEYLOGFILE names when it is set up, for all
 * connections of the process. The variable has another name for that long; no
 * entry of the environment moves, for other threads may be reading it. */
static CURLcode init_without_key_log(void) {
  rename_key_log('S', '-');
  CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  rename_key_log('-', 'S');
  return code;
}

enum fc_error fc_transport_curl_global_init(void) {
  if (curl_version_info(CURLVERSION_NOW)->version_num < VERSION_MIN)
    return FC_ERR_ARGUMENT;
  CURLcode code = init_without_key_log();
  return code ? refusal(code == CURLE_OUT_OF_MEMORY) : FC_OK;
}

const char *fc_transport_curl_version(void) {
  return curl_version_info(CURLVERSION_NOW)->version;
}

/* Cuts trailing slashes and a trailing /v1 or /v2 off an absolute URL. */
static enum fc_api_version cut_version(char *url) {
  size_t len = strlen(url);
  while (len && url[len - 1] == '/')
    url[--len] = '\0';
  const char *host = strstr(url, "://") + 3, *slash = strrchr(host, '/');
  enum fc_api_version version =
      slash ? fc_api_version_from_name(slash + 1) : FC_API_DEFAULT;
  if (version == FC_API_DEFAULT)
    return version;
  len = (size_t)(slash - url);
  while (len && url[len - 1] == '/')
    len--;
  url[len] = '\0';
  return version;
}

/* The parts that a base URL may not have, and how to say so. */
static const struct {
  CURLUPart part;
  const char *reason;
} unwanted[] = {
    {CURLUPART_USER, "has a user name in it"},
    {CURLUPART_PASSWORD, "has a password in it"},
    {CURLUPART_QUERY, "has a query"},
    {CURLUPART_FRAGMENT, "has a fragment"},
};

static const char *url_reason(CURLU *parsed, const char *url) {
  if (!strstr(url, "://"))
    return "does not begin with http:// or https://";
  CURLUcode code =
      curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
  if (code)
    return curl_url_strerror(code);
  char *part = NULL;
  if (curl_url_get(parsed, CURLUPART_SCHEME, &part, 0))
    return "has no scheme";
  bool known = strcmp(part, "http") == 0 || strcmp(part, "https") == 0;
  curl_free(part);
  if (!known)
    return "the scheme is neither http nor https";
  for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
    part = NULL;
    if (curl_url_get(parsed, unwanted[i].part, &part, 0) == CURLUE_OK) {
      curl_free(part);
      return unwanted[i].reason;
    }
  }
  /* libcurl need not tell an empty one from none. */
  if (strpbrk(url, "?#"))
    return "has a query or a fragment";
  return strlen(url) > FC_BASE_URL_MAX ? "is too long" : NULL;
}

enum fc_error fc_transport_curl_set_url(struct fc_settings *settings,
                                        const char *url, char *detail,
                                        size_t size) {
  enum fc_error error = FC_ERR_MEMORY;
  char *whole = NULL, *copy = NULL;
  const char *reason = "out of memory";
  CURLU *parsed = curl_url();
  if (!parsed)
    goto out;
  reason = url_reason(parsed, url);
  if (reason) {
    error = FC_ERR_ARGUMENT;
    goto out;
  }
  reason = "out of memory";
  if (curl_url_get(parsed, CURLUPART_URL, &whole, 0) || !(copy = strdup(whole)))
    goto out;
  enum fc_api_version version = cut_version(copy);
  if (version != FC_API_DEFAULT)
    settings->api_version = version;
  free(settings->url);
  settings->url = copy;
  error = FC_OK;
out:
  if (error && size)
    (void)snprintf(detail, size, "%s", reason);
  curl_free(whole);
  curl_url_cleanup(parsed);
  return error;
}

/* Of CURLOPT_PROXY. */
static const char *const proxy_schemes[] = {"http",    "https",  "socks4",
                                            "socks4a", "socks5", "socks5h"};

static bool is_proxy_scheme(const char *scheme) {
  for (size_t i = 0; i < COUNT_OF(proxy_schemes); i++)
    if (strcmp(proxy_schemes[i], scheme) == 0)
      return true;
  return false;
}

/* A password with a "/" in it that is not encoded ends up in the port or in the
 * path, and from there in texts of libcurl. What curl_url_strerror says quotes
 * nothing. */
static const char *proxy_reason(CURLU *parsed, const char *proxy) {
  CURLUcode code = curl_url_set(parsed, CURLUPART_URL, proxy,
                                CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
  char *scheme = NULL, *path = NULL;
  if (code)
    return curl_url_strerror(code);
  bool known = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == 0 &&
               is_proxy_scheme(scheme);
  bool bare = curl_url_get(parsed, CURLUPART_PATH, &path, 0) == 0 &&
              strcmp(path, "/") == 0 && !strpbrk(proxy, "?#");
  curl_free(scheme);
  curl_free(path);
  if (!known)
    return "the scheme is none of http, https, socks4, socks4a, socks5, "
           "socks5h";
  return bare ? NULL
              : "it has a path, a query or a fragment; in a user name or "
                "password, \"/\" is written %2F, \"?\" %3F, \"#\" %23";
}

/* RFC 4648 section 4, without padding; the length. out has 4 bytes for each 3
 * begun. */
static size_t base64(char *out, const char *in, size_t len) {
  static const char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t used = 0;
  unsigned bits = 0, count = 0;
  for (size_t i = 0; i < len; i++) {
    bits = bits << 8 | (unsigned char)in[i];
    for (count += 8; count >= 6; count -= 6)
      out[used++] = digits[bits >> (count - 6) & 63];
  }
  if (count)
    out[used++] = digits[bits << (6 - count) & 63];
  return used;
}

/* As `Proxy-Authorization: Basic` has them (RFC 7617). */
static enum fc_error add_credentials(struct fc_settings *settings,
                                     const char *user, const char *password) {
  size_t len = strlen(user) + 1 + strlen(password);
  char *both = malloc(len + 1), *encoded = malloc(len / 3 * 4 + 4);
  enum fc_error error = FC_ERR_MEMORY;
  if (both && encoded) {
    (void)snprintf(both, len + 1, "%s:%s", user, password);
    error =
        fc_settings_add_secret(settings, encoded, base64(encoded, both, len));
    explicit_bzero(both, len);
    explicit_bzero(encoded, len / 3 * 4 + 4);
  }
  free(both);
  free(encoded);
  return error;
}

static void free_part(char *part) {
  if (part)
    explicit_bzero(part, strlen(part));
  curl_free(part);
}

static enum fc_error add_proxy_secrets(struct fc_settings *settings,
                                       CURLU *parsed) {
  char *user = NULL, *password = NULL;
  CURLUcode code = curl_url_get(parsed, CURLUPART_USER, &user, CURLU_URLDECODE);
  if (code == CURLUE_OK || code == CURLUE_NO_USER)
    code = curl_url_get(parsed, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
  enum fc_error error = code == CURLUE_OK || code == CURLUE_NO_PASSWORD ? FC_OK
                        : code == CURLUE_OUT_OF_MEMORY ? FC_ERR_MEMORY
                                                       : FC_ERR_ARGUMENT;
  const char *name = user ? user : "", *secret = password ? password : "";
  if (!error)
    error = fc_settings_add_secret(settings, *secret ? secret : name,
                                   strlen(*secret ? secret : name));
  if (!error && (*name || *secret))
    error = add_credentials(settings, name, secret);
  free_part(user);
  free_part(password);
  return error;
}

enum fc_error fc_transport_curl_set_proxy(struct fc_settings *settings,
                                          const char *proxy, char *detail,
                                          size_t size) {
  CURLU *parsed = curl_url();
  const char *reason = parsed ? proxy_reason(parsed, proxy) : NULL;
  enum fc_error error = reason ? FC_ERR_ARGUMENT : FC_ERR_MEMORY;
  char *copy = parsed && !reason ? strdup(proxy) : NULL;
  if (copy)
    error = add_proxy_secrets(settings, parsed);
  if (error) {
    fc_text_copy(detail, size,
                 reason                     ? reason
                 : error == FC_ERR_ARGUMENT ? "its user name or password has "
                                              "control characters"
                                            : fc_error_text(error));
  } else {
    char *former = settings->proxy;
    settings->proxy = copy;
    copy = former;
  }
  if (copy)
    explicit_bzero(copy, strlen(copy));
  free(copy);
  curl_url_cleanup(parsed);
  return error;
}
