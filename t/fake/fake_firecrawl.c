/* SPDX-License-Identifier: MIT */

#include "t/fake/fake_firecrawl.h"

#include "t/fake/fake_script.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ID_SIZE = 64, STATES_MAX = 16, WORDS_MAX = 32, TIMES = 65536 };

/* What generated data consists of. */
static const char item[] =
    "{\"name\":\"an article\",\"price\":12.5,\"tags\":[\"a\",\"b\",\"c\"]},";

enum { ITEM_SIZE = sizeof(item) - 1 };

struct job {
  char id[ID_SIZE];
  char kind[16];
  int64_t defined_ms;
  struct fake_state states[STATES_MAX];
  int states_len;
  int64_t requests; /* since it was defined */
  size_t count;     /* ever */
  int64_t first_ms, last_ms;
};

/* A request that is not answered yet, or is being answered. */
struct pending {
  struct MHD_Connection *connection;
  int64_t answer_ms; /* INT64_MAX: never */
  bool counted;      /* it is a status request */
  bool suspended, ready;
  char *upload;
  size_t upload_len;
  struct pending *next;
};

struct fake_firecrawl {
  struct MHD_Daemon *daemon;
  pthread_mutex_t lock; /* all below */
  pthread_cond_t changed;
  pthread_t timer;
  bool stopping;
  char *key;
  bool answers_all;
  struct fake_state answer;
  void *jobs; /* tree of struct job */
  struct job *last;
  struct job *any; /* of ID "*" */
  struct pending *suspended;
  size_t total, rejected, busy, peak;
  int64_t times[TIMES];
  char last_url[256];
};

/* What is still to be sent of a body. */
struct body {
  char *head, *tail;
  size_t head_len, tail_len;
  uint64_t data_len, cut;
};

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int compare(const void *a, const void *b) {
  return strcmp(((const struct job *)a)->id, ((const struct job *)b)->id);
}

static struct job *find_job(struct fake_firecrawl *fake, const char *id) {
  struct job key = {0};
  (void)snprintf(key.id, sizeof(key.id), "%s", id);
  struct job **found = tfind(&key, &fake->jobs, compare);
  return found ? *found : NULL;
}

static struct job *get_job(struct fake_firecrawl *fake, const char *id) {
  struct job *job = find_job(fake, id);
  if (job)
    return job;
  job = calloc(1, sizeof(*job));
  if (!job)
    return NULL;
  (void)snprintf(job->id, sizeof(job->id), "%s", id);
  if (!tsearch(job, &fake->jobs, compare)) {
    free(job);
    return NULL;
  }
  return job;
}

static void clear_states(struct job *job) {
  for (int i = 0; i < job->states_len; i++)
    fake_state_release(&job->states[i]);
  job->states_len = 0;
}

static void free_job(void *data) {
  clear_states(data);
  free(data);
}

static const char *define_job(struct fake_firecrawl *fake, char **words,
                              int len) {
  if (len != 3)
    return "\"job KIND ID\" is expected";
  struct job *job = get_job(fake, words[2]);
  if (!job)
    return "out of memory";
  clear_states(job);
  (void)snprintf(job->kind, sizeof(job->kind), "%s", words[1]);
  job->defined_ms = now_ms();
  job->requests = 0;
  fake->last = job;
  if (strcmp(words[2], "*") == 0)
    fake->any = job;
  return NULL;
}

static const char *define_state(struct fake_firecrawl *fake, char **words,
                                int len) {
  const char *why = NULL;
  struct fake_state state;
  struct job *job = fake->last;
  if (!job || job->states_len == STATES_MAX)
    return "a job is expected before, with not too many states";
  if (!fake_state_read(&state, words + 1, len - 1, &why)) {
    fake_state_release(&state);
    return why;
  }
  job->states[job->states_len++] = state;
  return NULL;
}

static const char *define_answer(struct fake_firecrawl *fake, char **words,
                                 int len) {
  const char *why = NULL;
  struct fake_state state = {0};
  if (fake->answers_all)
    fake_state_release(&fake->answer);
  fake->answers_all = false;
  if (len == 2 && strcmp(words[1], "off") == 0)
    return NULL;
  if (!fake_state_read(&state, words + 1, len - 1, &why) ||
      (state.code = atoi(state.status)) < 100) {
    fake_state_release(&state);
    return why ? why : "an HTTP code is expected";
  }
  fake->answer = state;
  fake->answers_all = true;
  return NULL;
}

static const char *define_key(struct fake_firecrawl *fake, char **words,
                              int len) {
  if (len != 2)
    return "\"key KEY\" is expected";
  free(fake->key);
  fake->key = strdup(words[1]);
  return NULL;
}

static const struct {
  const char *word;
  const char *(*define)(struct fake_firecrawl *fake, char **words, int len);
} directives[] = {
    {"key", define_key},
    {"answer", define_answer},
    {"job", define_job},
    {"state", define_state},
};

static const char *read_line(struct fake_firecrawl *fake, char *line) {
  char *words[WORDS_MAX];
  int len = fake_words(line, words, WORDS_MAX);
  if (len < 0)
    return "the closing quote is missing";
  if (len == 0)
    return NULL;
  for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
    if (strcmp(words[0], directives[i].word) == 0)
      return directives[i].define(fake, words, len);
  return "key, answer, job or state is expected";
}

bool fake_firecrawl_script(struct fake_firecrawl *fake, const char *text,
                           char *error, size_t size) {
  char *copy = strdup(text), *rest = copy, *line;
  const char *why = copy ? NULL : "out of memory";
  int number = 0;
  pthread_mutex_lock(&fake->lock);
  while (!why && (line = strsep(&rest, "\n"))) {
    number++;
    why = read_line(fake, line);
  }
  pthread_mutex_unlock(&fake->lock);
  free(copy);
  if (why)
    (void)snprintf(error, size, "line %d: %s", number, why);
  return !why;
}

/* The state a job is in, by time or by requests. */
static struct fake_state *current_state(struct job *job) {
  int64_t elapsed_ms = now_ms() - job->defined_ms;
  int64_t requests = job->requests;
  for (int i = 0; i < job->states_len - 1; i++) {
    struct fake_state *state = &job->states[i];
    bool over = state->for_ms
                    ? elapsed_ms >= state->for_ms
                    : state->for_requests && requests > state->for_requests;
    if (!over)
      return state;
    elapsed_ms -= state->for_ms;
    requests -= state->for_requests;
  }
  return &job->states[job->states_len - 1];
}

static struct tm utc_of(time_t when) {
  struct tm parts;
  (void)gmtime_r(&when, &parts);
  return parts;
}

static void print_expires(FILE *out, const struct fake_state *state) {
  char text[64];
  if (state->expires && strcmp(state->expires, "none") == 0)
    return;
  time_t from = state->expires_fixed ? 0 : time(NULL);
  struct tm when = utc_of(from + (time_t)state->expires_in_s);
  (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &when);
  fprintf(out, ",\"expiresAt\":\"%s\"", state->expires ? state->expires : text);
}

/* As Firecrawl's controllers lay it out: data before status. */
static bool make_body(const struct fake_state *state, struct body *body) {
  bool generated = state->data_bytes > 0;
  FILE *head = open_memstream(&body->head, &body->head_len);
  FILE *tail = open_memstream(&body->tail, &body->tail_len);
  if (head && tail) {
    if (state->body)
      fputs(state->body, head);
    else
      fprintf(head, "{\"success\":%s,\"data\":[",
              strcmp(state->status, "failed") == 0 ? "false" : "true");
    if (!state->body) {
      fprintf(tail, "%s],\"status\":\"%s\"",
              generated ? "{\"name\":\"the last one\",\"price\":1.5}" : "",
              state->status);
      if (state->error)
        fprintf(tail, ",\"error\":%s", state->error);
      print_expires(tail, state);
      fprintf(tail, "%s}", state->members ? state->members : "");
    }
  }
  bool fine = head && tail;
  if (head)
    fine = fclose(head) == 0 && fine;
  if (tail)
    fine = fclose(tail) == 0 && fine;
  body->data_len =
      generated ? (uint64_t)state->data_bytes / ITEM_SIZE * ITEM_SIZE : 0;
  body->cut = state->cut >= 0 ? (uint64_t)state->cut : UINT64_MAX;
  return fine;
}

static void body_free(void *data) {
  struct body *body = data;
  free(body->head);
  free(body->tail);
  free(body);
}

static size_t copy_part(char *out, size_t max, const char *part, size_t len,
                        uint64_t at) {
  size_t rest = len - (size_t)at;
  size_t size = rest < max ? rest : max;
  memcpy(out, part + at, size);
  return size;
}

static size_t copy_data(char *out, size_t max, uint64_t len, uint64_t at) {
  size_t size = 0;
  while (size < max && at < len) {
    size_t from = (size_t)(at % ITEM_SIZE), piece = ITEM_SIZE - from;
    if (piece > max - size)
      piece = max - size;
    memcpy(out + size, item + from, piece);
    size += piece;
    at += piece;
  }
  return size;
}

static ssize_t send_body(void *data, uint64_t at, char *out, size_t max) {
  struct body *body = data;
  if (at >= body->cut)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  if (max > body->cut - at)
    max = (size_t)(body->cut - at);
  if (at < body->head_len)
    return (ssize_t)copy_part(out, max, body->head, body->head_len, at);
  at -= body->head_len;
  if (at < body->data_len)
    return (ssize_t)copy_data(out, max, body->data_len, at);
  at -= body->data_len;
  return (ssize_t)copy_part(out, max, body->tail, body->tail_len, at);
}

static struct MHD_Response *make_response(const struct fake_state *state) {
  struct body *body = calloc(1, sizeof(*body));
  if (!body || !make_body(state, body)) {
    free(body);
    return NULL;
  }
  uint64_t size = body->head_len + body->data_len + body->tail_len;
  return MHD_create_response_from_callback(size, 32 * 1024, send_body, body,
                                           body_free);
}

static void add_header(struct MHD_Response *response, const char *line) {
  char name[128];
  const char *colon = strchr(line, ':');
  (void)snprintf(name, sizeof(name), "%.*s", (int)(colon - line), line);
  colon++;
  (void)MHD_add_response_header(response, name, colon + strspn(colon, " "));
}

static void add_headers(struct MHD_Response *response,
                        const struct fake_state *state) {
  char date[64];
  bool typed = false;
  for (int i = 0; i < FAKE_HEADERS_MAX && state->headers[i]; i++) {
    typed |= strncasecmp(state->headers[i], "Content-Type:", 13) == 0;
    add_header(response, state->headers[i]);
  }
  if (!typed)
    (void)MHD_add_response_header(response, "Content-Type",
                                  "application/json; charset=utf-8");
  if (state->no_date)
    return;
  struct tm when = utc_of(time(NULL) + (time_t)state->date_ahead_s);
  (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &when);
  (void)MHD_add_response_header(response, "Date", date);
}

static enum MHD_Result answer(struct MHD_Connection *connection,
                              const struct fake_state *state) {
  struct MHD_Response *response = make_response(state);
  if (!response)
    return MHD_NO;
  add_headers(response, state);
  enum MHD_Result result =
      MHD_queue_response(connection, (unsigned)state->code, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, int code,
                                   const char *type, const char *text) {
  struct fake_state state = {.code = code, .cut = -1};
  char header[128];
  (void)snprintf(header, sizeof(header), "Content-Type: %s", type);
  state.body = (char *)(uintptr_t)text;
  state.headers[0] = header;
  return answer(connection, &state);
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, int code,
                                    const char *text) {
  char body[256];
  (void)snprintf(body, sizeof(body), "{\"success\":false,\"error\":\"%s\"}",
                 text);
  return answer_text(connection, code, "application/json; charset=utf-8", body);
}

static const struct {
  const char *path;
  const char *kind;
  const char *not_found;
} routes[] = {
    {"/v1/extract/", "extract", "Extract job not found"},
    {"/v2/extract/", "extract", "Extract job not found"},
    {"/v2/agent/", "agent", "Agent job not found"},
    {"/v1/crawl/", "crawl", "Job not found"},
    {"/v2/crawl/", "crawl", "Job not found"},
    {"/v1/batch/scrape/", "batch_scrape", "Job not found"},
    {"/v2/batch/scrape/", "batch_scrape", "Job not found"},
};

static int find_route(const char *url) {
  for (int i = 0; i < (int)(sizeof(routes) / sizeof(routes[0])); i++)
    if (strncmp(url, routes[i].path, strlen(routes[i].path)) == 0)
      return i;
  return -1;
}

/* NULL when the token is right, else the API's words. */
static const char *token_error(const struct fake_firecrawl *fake,
                               struct MHD_Connection *connection) {
  const char *header = MHD_lookup_connection_value(
      connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
  if (!fake->key)
    return NULL;
  if (!header)
    return "Unauthorized";
  if (strncmp(header, "Bearer ", 7) == 0 && strcmp(header + 7, fake->key) == 0)
    return NULL;
  return "Unauthorized: Invalid token";
}

static void record(struct fake_firecrawl *fake, struct job *job,
                   const char *url, struct MHD_Connection *connection) {
  int64_t now = now_ms();
  const char *limit =
      MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "limit");
  (void)snprintf(fake->last_url, sizeof(fake->last_url), "%.180s%s%.40s", url,
                 limit ? "?limit=" : "", limit ? limit : "");
  fake->times[fake->total % TIMES] = now;
  fake->total++;
  if (!job)
    return;
  if (job->count++ == 0)
    job->first_ms = now;
  job->last_ms = now;
  job->requests++;
}

static void suspend(struct fake_firecrawl *fake, struct pending *pending,
                    const struct fake_state *state) {
  pending->suspended = true;
  pending->answer_ms = state->never ? INT64_MAX : now_ms() + state->delay_ms;
  pending->next = fake->suspended;
  fake->suspended = pending;
  MHD_suspend_connection(pending->connection);
  pthread_cond_signal(&fake->changed);
}

static bool has_answer(const struct fake_firecrawl *fake) {
  int64_t every = fake->answer.every;
  return fake->answers_all &&
         (every <= 0 || fake->total % (uint64_t)every == 0);
}

/* A status request, with the lock held. */
static enum MHD_Result serve_status(struct fake_firecrawl *fake,
                                    struct pending *pending, const char *url,
                                    int route) {
  struct MHD_Connection *connection = pending->connection;
  struct job *job = find_job(fake, url + strlen(routes[route].path));
  bool defined = job && job->states_len &&
                 (strcmp(job->kind, routes[route].kind) == 0 ||
                  strcmp(job->kind, "any") == 0);
  if (!defined && fake->any) {
    job = get_job(fake, url + strlen(routes[route].path));
    defined = job && fake->any->states_len;
  }
  if (!pending->ready)
    record(fake, job ? job : get_job(fake, url + strlen(routes[route].path)),
           url, connection);
  const char *error = token_error(fake, connection);
  if (error) {
    fake->rejected++;
    return answer_error(connection, 401, error);
  }
  bool by_answer = has_answer(fake);
  if (!defined && !by_answer)
    return answer_error(connection, 404, routes[route].not_found);
  struct fake_state *state =
      by_answer ? &fake->answer
                : current_state(job->states_len ? job : fake->any);
  if (!pending->ready && (state->never || state->delay_ms)) {
    suspend(fake, pending, state);
    return MHD_YES;
  }
  return answer(connection, state);
}

static FILE *listing_out; /* twalk(3) takes no argument */

static void list_job(const void *node, VISIT visit, int depth) {
  const struct job *job = *(struct job *const *)node;
  (void)depth;
  if ((visit == postorder || visit == leaf) && job->count)
    fprintf(listing_out, "%s %zu %lld %lld\n", job->id, job->count,
            (long long)job->first_ms, (long long)job->last_ms);
}

static enum MHD_Result serve_requests(struct fake_firecrawl *fake,
                                      struct MHD_Connection *connection) {
  char *text = NULL;
  size_t len;
  listing_out = open_memstream(&text, &len);
  if (!listing_out)
    return MHD_NO;
  twalk(fake->jobs, list_job);
  fprintf(listing_out, "total %zu\npeak %zu\nrejected %zu\n", fake->total,
          fake->peak, fake->rejected);
  fclose(listing_out);
  enum MHD_Result result = answer_text(connection, 200, "text/plain", text);
  free(text);
  return result;
}

static enum MHD_Result serve_script(struct fake_firecrawl *fake,
                                    struct pending *pending) {
  char error[256];
  bool fine = fake_firecrawl_script(
      fake, pending->upload ? pending->upload : "", error, sizeof(error));
  return answer_text(pending->connection, fine ? 200 : 400, "text/plain",
                     fine ? "ok\n" : error);
}

static enum MHD_Result take_upload(struct pending *pending, const char *data,
                                   size_t *size) {
  char *upload = realloc(pending->upload, pending->upload_len + *size + 1);
  if (!upload)
    return MHD_NO;
  memcpy(upload + pending->upload_len, data, *size);
  pending->upload = upload;
  pending->upload_len += *size;
  upload[pending->upload_len] = '\0';
  *size = 0;
  return MHD_YES;
}

static enum MHD_Result serve(struct fake_firecrawl *fake,
                             struct pending *pending, const char *url) {
  char body[512];
  int route = find_route(url);
  if (strcmp(url, "/_fake/script") == 0)
    return serve_script(fake, pending);
  pthread_mutex_lock(&fake->lock);
  enum MHD_Result result;
  if (route >= 0) {
    result = serve_status(fake, pending, url, route);
  } else if (strcmp(url, "/_fake/requests") == 0) {
    result = serve_requests(fake, pending->connection);
  } else {
    (void)snprintf(body, sizeof(body),
                   "<!DOCTYPE html>\n<html><body><pre>Cannot GET %.400s</pre>"
                   "</body></html>\n",
                   url);
    result = answer_text(pending->connection, 404, "text/html", body);
  }
  pthread_mutex_unlock(&fake->lock);
  return result;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
  struct fake_firecrawl *fake = data;
  struct pending *pending = *state;
  (void)method;
  (void)version;
  if (!pending) {
    pending = calloc(1, sizeof(*pending));
    *state = pending;
    if (!pending)
      return MHD_NO;
    pending->connection = connection;
    pending->counted = find_route(url) >= 0;
    pthread_mutex_lock(&fake->lock);
    fake->busy += pending->counted;
    if (fake->busy > fake->peak)
      fake->peak = fake->busy;
    pthread_mutex_unlock(&fake->lock);
    return MHD_YES;
  }
  if (*upload_size)
    return take_upload(pending, upload, upload_size);
  return serve(fake, pending, url);
}

static void on_completed(void *data, struct MHD_Connection *connection,
                         void **state, enum MHD_RequestTerminationCode code) {
  struct fake_firecrawl *fake = data;
  struct pending *pending = *state;
  (void)connection;
  (void)code;
  if (!pending)
    return;
  pthread_mutex_lock(&fake->lock);
  fake->busy -= pending->counted;
  pthread_mutex_unlock(&fake->lock);
  free(pending->upload);
  free(pending);
  *state = NULL;
}

/* Resumes what is due; with the lock held. Returns when the next is. */
static int64_t resume_due(struct fake_firecrawl *fake, bool all) {
  int64_t now = now_ms(), next_ms = INT64_MAX;
  struct pending **link = &fake->suspended;
  while (*link) {
    struct pending *pending = *link;
    if (!all && pending->answer_ms > now) {
      if (pending->answer_ms < next_ms)
        next_ms = pending->answer_ms;
      link = &pending->next;
      continue;
    }
    *link = pending->next;
    pending->suspended = false;
    pending->ready = true;
    MHD_resume_connection(pending->connection);
  }
  return next_ms;
}

static void *run_timer(void *data) {
  struct fake_firecrawl *fake = data;
  pthread_mutex_lock(&fake->lock);
  while (!fake->stopping) {
    int64_t next_ms = resume_due(fake, false);
    if (next_ms == INT64_MAX) {
      pthread_cond_wait(&fake->changed, &fake->lock);
    } else {
      struct timespec until = {.tv_sec = next_ms / 1000,
                               .tv_nsec = next_ms % 1000 * 1000000};
      (void)pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
    }
  }
  (void)resume_due(fake, true);
  pthread_mutex_unlock(&fake->lock);
  return NULL;
}

static struct MHD_Daemon *start_daemon(struct fake_firecrawl *fake,
                                       uint16_t port, const char *cert,
                                       const char *key) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                   MHD_USE_SUPPRESS_DATE_NO_CLOCK | MHD_USE_ERROR_LOG;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
      {MHD_OPTION_END, 0, NULL},
  };
  struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
  return MHD_start_daemon(
      cert ? flags | MHD_USE_TLS : flags, port, NULL, NULL, on_request, fake,
      MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, fake,
      MHD_OPTION_CONNECTION_LIMIT, 4096U, MHD_OPTION_LISTENING_ADDRESS_REUSE,
      1U, MHD_OPTION_ARRAY, cert ? tls : none, MHD_OPTION_END);
}

struct fake_firecrawl *fake_firecrawl_start(uint16_t port, const char *tls_cert,
                                            const char *tls_key) {
  pthread_condattr_t attributes;
  struct fake_firecrawl *fake = calloc(1, sizeof(*fake));
  if (!fake)
    return NULL;
  (void)pthread_mutex_init(&fake->lock, NULL);
  (void)pthread_condattr_init(&attributes);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&fake->changed, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  fake->daemon = start_daemon(fake, port, tls_cert, tls_key);
  if (!fake->daemon || pthread_create(&fake->timer, NULL, run_timer, fake)) {
    if (fake->daemon)
      MHD_stop_daemon(fake->daemon);
    free(fake);
    return NULL;
  }
  return fake;
}

void fake_firecrawl_stop(struct fake_firecrawl *fake) {
  if (!fake)
    return;
  pthread_mutex_lock(&fake->lock);
  fake->stopping = true;
  pthread_cond_signal(&fake->changed);
  pthread_mutex_unlock(&fake->lock);
  (void)pthread_join(fake->timer, NULL);
  MHD_stop_daemon(fake->daemon);
  if (fake->answers_all)
    fake_state_release(&fake->answer);
  tdestroy(fake->jobs, free_job);
  free(fake->key);
  (void)pthread_cond_destroy(&fake->changed);
  (void)pthread_mutex_destroy(&fake->lock);
  free(fake);
}

uint16_t fake_firecrawl_port(const struct fake_firecrawl *fake) {
  const union MHD_DaemonInfo *info =
      MHD_get_daemon_info(fake->daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info ? info->port : 0;
}

size_t fake_firecrawl_count(struct fake_firecrawl *fake, const char *id) {
  pthread_mutex_lock(&fake->lock);
  struct job *job = id[0] ? find_job(fake, id) : NULL;
  size_t count = id[0] ? (job ? job->count : 0) : fake->total;
  pthread_mutex_unlock(&fake->lock);
  return count;
}

size_t fake_firecrawl_rejected(struct fake_firecrawl *fake) {
  pthread_mutex_lock(&fake->lock);
  size_t rejected = fake->rejected;
  pthread_mutex_unlock(&fake->lock);
  return rejected;
}

size_t fake_firecrawl_peak(struct fake_firecrawl *fake) {
  pthread_mutex_lock(&fake->lock);
  size_t peak = fake->peak;
  pthread_mutex_unlock(&fake->lock);
  return peak;
}

int64_t fake_firecrawl_time_ms(struct fake_firecrawl *fake, size_t i) {
  pthread_mutex_lock(&fake->lock);
  bool kept = i < fake->total && fake->total - i <= TIMES;
  int64_t time_ms = kept ? fake->times[i % TIMES] : -1;
  pthread_mutex_unlock(&fake->lock);
  return time_ms;
}

const char *fake_firecrawl_last_url(struct fake_firecrawl *fake) {
  return fake->last_url;
}
