/* SPDX-License-Identifier: MIT */

/* The schedule over hours, in a time that only the transport moves: how many
 * requests a day costs, how late an alert comes, how long the unlucky wait. */

#include "src/watch/poller.h"

#include "t/bench/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  JOBS = 1000,
  JOB_MS = 300 * 1000,
  INTERVAL_MS = 10 * 1000,
  LATENCY_MS = 50,
  DAY_MS = 24 * 3600 * 1000,
  WAITING_MAX = 64
};

static const int64_t epoch_s = 1795458360;

/* Job i begins and ends at times of its own; the transport knows them. */
static struct {
  int64_t begin_ms, end_ms;
  int64_t asked_ms; /* last */
  int64_t wait_max_ms;
  bool told;
} jobs[JOBS];

/* All requests take equally long: the first that came is answered first. */
struct line {
  struct fc_exchange *exchange;
  int64_t due_ms;
  size_t job;
};

static struct {
  struct fc_transport base;
  int64_t now_ms;
  struct line waiting[WAITING_MAX];
  size_t first, len;
  uint64_t requests, processing;
  const char *end; /* the body of a job that has ended */
} network;

static struct fc_now network_now(void *data) {
  (void)data;
  return (struct fc_now){.mono_ms = network.now_ms,
                         .epoch_s = epoch_s + network.now_ms / 1000};
}

static const struct fc_clock network_clock = {.now = network_now};

static enum fc_error network_start(struct fc_transport *base,
                                   const struct fc_target *target,
                                   const char *url,
                                   struct fc_exchange *exchange) {
  (void)base, (void)target;
  if (network.len == WAITING_MAX)
    bench_die("more than %d requests in flight", WAITING_MAX);
  size_t job = strtoul(strrchr(url, '/') + 1, NULL, 10);
  struct line *line =
      &network.waiting[(network.first + network.len++) % WAITING_MAX];
  *line = (struct line){exchange, network.now_ms + LATENCY_MS, job};
  exchange->slot = line;
  network.requests++;
  int64_t wait_ms = network.now_ms - jobs[job].asked_ms;
  if (wait_ms > jobs[job].wait_max_ms)
    jobs[job].wait_max_ms = wait_ms;
  jobs[job].asked_ms = network.now_ms;
  return FC_OK;
}

static void network_cancel(struct fc_transport *base,
                           struct fc_exchange *exchange) {
  (void)base;
  exchange->slot = NULL;
}

static void answer(struct line line) {
  bool over = network.now_ms >= jobs[line.job].end_ms;
  const char *body =
      over ? network.end : "{\"success\":true,\"status\":\"processing\"}";
  struct fc_transport_reply reply = {
      .http_code = 200, .seconds = (double)LATENCY_MS / 1e3, .detail = ""};
  network.processing += !over;
  line.exchange->slot = NULL;
  reply.error = line.exchange->ops->body(line.exchange, body, strlen(body));
  line.exchange->ops->done(line.exchange, &reply);
}

static enum fc_error network_run(struct fc_transport *base,
                                 int64_t timeout_ms) {
  (void)base;
  struct line line = network.waiting[network.first];
  if (!network.len || line.due_ms > network.now_ms + timeout_ms) {
    network.now_ms += timeout_ms;
    return FC_OK;
  }
  network.now_ms = line.due_ms;
  network.first = (network.first + 1) % WAITING_MAX;
  network.len--;
  if (line.exchange->slot)
    answer(line);
  return FC_OK;
}

static void network_nothing(struct fc_transport *base) { (void)base; }

static const struct fc_transport_ops ops = {
    .start = network_start,
    .cancel = network_cancel,
    .run = network_run,
    .wake = network_nothing,
    .free = network_nothing,
};

static struct fc_settings settings;
static struct fc_instance *instance;
static struct fc_poller *poller;

static void set_up(const char *end, int64_t per_minute) {
  network.base.ops = &ops;
  network.end = end;
  fc_settings_init(&settings);
  settings.name = strdup("bench");
  settings.url = strdup("http://localhost");
  settings.max_requests_per_minute = per_minute;
  instance = fc_instance_new(&settings, INTERVAL_MS, 1);
  poller = fc_poller_new(&network.base, &network_clock);
  if (!instance || !poller || fc_poller_add(poller, instance, NULL))
    bench_die("the poller cannot be set up");
}

static void tear_down(void) {
  fc_poller_free(poller);
  fc_instance_free(instance);
  fc_settings_release(&settings);
}

/* Turns until then. */
static void run_until(int64_t end_ms) {
  while (network.now_ms < end_ms)
    if (fc_poller_step(poller, end_ms - network.now_ms))
      bench_die("a turn failed");
}

static void add(size_t job) {
  char id[16];
  (void)snprintf(id, sizeof(id), "%zu", job);
  jobs[job].asked_ms = network.now_ms;
  if (fc_instance_add(instance, fc_kind_get(FC_KIND_EXTRACT), id, NULL,
                      FC_SOURCE_REGISTRATION, network_now(NULL)))
    bench_die("job %s", id);
}

/* Jobs that begin at even steps of the span, off the grid of the interval. */
static void make_jobs(int64_t span_ms) {
  for (size_t i = 0; i < JOBS; i++) {
    jobs[i].begin_ms = (int64_t)i * span_ms / JOBS + (int64_t)(i * 7919 % 997);
    jobs[i].end_ms = jobs[i].begin_ms + JOB_MS;
  }
}

int bench_day(int argc, char **argv) {
  (void)argc, (void)argv;
  set_up("{\"success\":true,\"status\":\"completed\"}", 0);
  make_jobs(DAY_MS - JOB_MS - INTERVAL_MS);
  for (size_t i = 0; i < JOBS; i++) {
    run_until(jobs[i].begin_ms);
    add(i);
  }
  run_until(DAY_MS + 2 * INTERVAL_MS);
  double needed = (double)JOBS * (double)JOB_MS / (double)INTERVAL_MS;
  (void)printf("requests %" PRIu64 "\n", network.requests);
  (void)printf("processing_ratio %.4f\n", (double)network.processing / needed);
  (void)printf("all_ratio %.4f\n", (double)network.requests / needed);
  tear_down();
  return 0;
}

/* The read callback's part: what is due is handed over. */
static int64_t deliver(int64_t latest_ms) {
  struct fc_delivery delivery;
  while (fc_instance_take_event(instance, network_now(NULL), &delivery)) {
    size_t job = strtoul(delivery.event.id, NULL, 10);
    int64_t late_ms = network.now_ms - jobs[job].end_ms;
    if (late_ms > latest_ms)
      latest_ms = late_ms;
    jobs[job].told = true;
    fc_instance_delivered(instance, &delivery);
  }
  return latest_ms;
}

int bench_alert(int argc, char **argv) {
  (void)argc, (void)argv;
  int64_t latest_ms = 0;
  set_up("{\"success\":false,\"status\":\"failed\",\"error\":\"no\"}", 0);
  make_jobs(JOB_MS);
  for (size_t i = 0; i < JOBS; i++)
    add(i);
  for (int64_t read_ms = INTERVAL_MS; read_ms < 3 * JOB_MS;
       read_ms += INTERVAL_MS) {
    run_until(read_ms);
    latest_ms = deliver(latest_ms);
  }
  for (size_t i = 0; i < JOBS; i++)
    if (!jobs[i].told)
      bench_die("job %zu failed and nobody was told", i);
  (void)printf("latest_ms %" PRId64 "\n", latest_ms);
  (void)printf("allowed_ms %d\n", 2 * INTERVAL_MS + LATENCY_MS);
  tear_down();
  return 0;
}

/* A budget of a tenth of what the interval would need. */
int bench_fair(int argc, char **argv) {
  (void)argc, (void)argv;
  enum { BUDGET = JOBS * 60000 / INTERVAL_MS / 10, HOUR_MS = 3600 * 1000 };
  int64_t wait_max_ms = 0;
  set_up("", BUDGET);
  for (size_t i = 0; i < JOBS; i++) {
    jobs[i].end_ms = INT64_MAX;
    add(i);
  }
  run_until(HOUR_MS);
  for (size_t i = 0; i < JOBS; i++)
    if (jobs[i].wait_max_ms > wait_max_ms)
      wait_max_ms = jobs[i].wait_max_ms;
  (void)printf("wait_max_ms %" PRId64 "\n", wait_max_ms);
  (void)printf("allowed_ms %d\n", JOBS * 60000 / BUDGET + INTERVAL_MS);
  tear_down();
  return 0;
}
