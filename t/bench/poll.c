/* SPDX-License-Identifier: MIT */

/* The poller with its state file, and what it is measured against: the loop
 * that one would write with libcurl's multi interface and json-c. */

#include "src/api/transport_curl.h"
#include "src/state/disk.h"
#include "src/state/journal.h"
#include "src/watch/keyfile.h"
#include "src/watch/poller.h"

#include "t/bench/bench.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  CONCURRENCY_MAX = 256,
  BODY_MAX = 4096,
  TURN_MS = 1000,
  ROUND_DEADLINE_MS = 120 * 1000,
  INTERVAL_MS = 3600 * 1000 /* rounds are asked for, not waited for */
};

static void print_round(int64_t cpu_us, int64_t wall_us, int64_t polls) {
  (void)printf("cpu_us_per_poll %.2f\n", (double)cpu_us / (double)polls);
  (void)printf("polls_per_second %.0f\n",
               (double)polls / ((double)wall_us / 1e6));
}

/* --- The bare loop. */

struct bare_request {
  CURL *easy;
  char body[BODY_MAX];
  size_t len;
};

static size_t bare_body(char *data, size_t size, size_t count, void *user) {
  struct bare_request *request = user;
  size_t len = size * count;
  if (request->len + len >= sizeof(request->body))
    return 0;
  memcpy(request->body + request->len, data, len);
  request->len += len;
  request->body[request->len] = '\0';
  return len;
}

static void bare_set_up(struct bare_request *request, const char *ca_cert) {
  CURL *easy = request->easy = curl_easy_init();
  if (!easy)
    bench_die("curl_easy_init");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bare_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, ca_cert ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
  curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, "fc-0123456789abcdef");
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 5000L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  if (ca_cert)
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_cert);
}

static void bare_start(CURLM *multi, struct bare_request *request,
                       const char *url, int64_t id) {
  char whole[256];
  (void)snprintf(whole, sizeof(whole), "%s/v1/extract/" BENCH_JOB_ID, url, id);
  request->len = 0;
  curl_easy_setopt(request->easy, CURLOPT_URL, whole);
  if (curl_multi_add_handle(multi, request->easy))
    bench_die("curl_multi_add_handle");
}

static void bare_finish(CURLM *multi, struct bare_request *request,
                        CURLcode code) {
  struct json_object *status, *reply = NULL;
  if (!code)
    reply = json_tokener_parse(request->body);
  if (!reply || !json_object_object_get_ex(reply, "status", &status) ||
      strcmp(json_object_get_string(status), "processing") != 0)
    bench_die("a reply without status: %s", curl_easy_strerror(code));
  json_object_put(reply);
  curl_multi_remove_handle(multi, request->easy);
}

static void bare_round(CURLM *multi, struct bare_request *requests,
                       int64_t concurrency, const char *url, int64_t jobs) {
  int64_t started = 0, ended = 0;
  CURLMsg *message;
  int running, left;
  while (started < concurrency && started < jobs) {
    bare_start(multi, &requests[started], url, started);
    started++;
  }
  while (ended < jobs) {
    curl_multi_perform(multi, &running);
    while ((message = curl_multi_info_read(multi, &left))) {
      struct bare_request *request;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                        (char **)&request);
      bare_finish(multi, request, message->data.result);
      ended++;
      if (started < jobs)
        bare_start(multi, request, url, started++);
    }
    if (ended < jobs)
      curl_multi_poll(multi, NULL, 0, TURN_MS, NULL);
  }
}

int bench_bare(int argc, char **argv) {
  (void)argc;
  static struct bare_request requests[CONCURRENCY_MAX];
  int64_t jobs = bench_number(argv[1]), rounds = bench_number(argv[2]);
  int64_t concurrency = bench_number(argv[3]);
  const char *ca_cert = strcmp(argv[4], "-") ? argv[4] : NULL;
  if (concurrency > CONCURRENCY_MAX || curl_global_init(CURL_GLOBAL_DEFAULT))
    bench_die("concurrency is at most %d", CONCURRENCY_MAX);
  CURLM *multi = curl_multi_init();
  for (int64_t i = 0; i < concurrency; i++)
    bare_set_up(&requests[i], ca_cert);
  bare_round(multi, requests, concurrency, argv[0], jobs);
  int64_t cpu_us = bench_cpu_us(), wall_us = bench_wall_us();
  for (int64_t i = 0; i < rounds; i++)
    bare_round(multi, requests, concurrency, argv[0], jobs);
  print_round(bench_cpu_us() - cpu_us, bench_wall_us() - wall_us,
              jobs * rounds);
  (void)printf("connections %zu\n", bench_connections());
  for (int64_t i = 0; i < concurrency; i++)
    curl_easy_cleanup(requests[i].easy);
  curl_multi_cleanup(multi);
  return 0;
}

/* --- The poller. */

struct rig {
  struct fc_settings settings;
  struct fc_instance *instance;
  struct fc_keyfile *keyfile;
  struct fc_poller *poller;
  struct fc_journal *journal;
  struct fc_disk *disk;
};

static struct fc_now now(void) {
  return fc_clock_system.now(fc_clock_system.data);
}

static void rig_settings(struct rig *rig, const char *url, int64_t jobs,
                         int64_t concurrency) {
  char detail[FC_DETAIL_SIZE];
  fc_settings_init(&rig->settings);
  rig->settings.name = strdup("bench");
  rig->settings.api_key = strdup("fc-0123456789abcdef");
  rig->settings.max_requests_per_minute = 0;
  rig->settings.max_concurrency = concurrency;
  rig->settings.max_jobs = jobs;
  if (fc_transport_curl_set_url(&rig->settings, url, detail, sizeof(detail)))
    bench_die("%s: %s", url, detail);
}

static struct fc_stats stats_of(struct rig *rig) {
  struct fc_stats stats;
  fc_instance_stats(rig->instance, now(), &stats);
  return stats;
}

static void rig_start(struct rig *rig, int64_t jobs, const char *state) {
  char id[64];
  rig->instance = fc_instance_new(&rig->settings, INTERVAL_MS, 1);
  rig->poller = fc_poller_new(fc_transport_curl_new(), &fc_clock_system);
  rig->journal = fc_journal_new(state, now());
  rig->disk = fc_disk_new(&fc_clock_system);
  if (!rig->instance || !rig->poller || !rig->journal || !rig->disk)
    bench_die("the poller cannot be set up");
  rig->keyfile =
      fc_keyfile_new(rig->instance, fc_poller_waker(rig->poller), now());
  fc_poller_set_disk(rig->poller, fc_disk_waker(rig->disk));
  if (!rig->keyfile || fc_disk_add(rig->disk, fc_journal_task(rig->journal)) ||
      fc_journal_add(rig->journal, rig->instance, now()) ||
      fc_poller_add(rig->poller, rig->instance, rig->keyfile))
    bench_die("the poller cannot be set up");
  const struct fc_failure failure = stats_of(rig).failures[FC_CLASS_STATE];
  if (failure.count)
    bench_die("%s: %s", state, failure.detail);
  for (int64_t i = 0; i < jobs; i++) {
    (void)snprintf(id, sizeof(id), BENCH_JOB_ID, i);
    if (fc_instance_add(rig->instance, fc_kind_get(FC_KIND_EXTRACT), id, NULL,
                        FC_SOURCE_FILE, now()))
      bench_die("job %s", id);
  }
  if (fc_disk_start(rig->disk))
    bench_die("the disk's thread");
  fc_instance_poll_now(rig->instance, now());
}

static void rig_stop(struct rig *rig) {
  fc_poller_stop(rig->poller);
  if (!fc_disk_end(rig->disk, ROUND_DEADLINE_MS))
    bench_die("the disk's thread does not end");
  fc_poller_free(rig->poller);
  fc_keyfile_free(rig->keyfile);
  fc_instance_free(rig->instance);
  fc_settings_release(&rig->settings);
}

/* Until so many requests have been answered. */
static void rig_turn_until(struct rig *rig, uint64_t requests) {
  int64_t end_ms = now().mono_ms + ROUND_DEADLINE_MS;
  while (stats_of(rig).requests < requests) {
    if (fc_poller_step(rig->poller, TURN_MS))
      bench_die("a turn failed");
    if (now().mono_ms > end_ms)
      bench_die("%" PRIu64 " requests were not answered in time", requests);
  }
}

static void rig_check(struct rig *rig, int64_t polls) {
  struct fc_stats stats = stats_of(rig);
  if (stats.codes[200] != (uint64_t)polls)
    bench_die("%" PRIu64 " of %" PRId64 " polls had an answer",
              stats.codes[200], polls);
}

int bench_plugin(int argc, char **argv) {
  (void)argc;
  struct rig rig = {0};
  int64_t jobs = bench_number(argv[1]), rounds = bench_number(argv[2]);
  if (fc_transport_curl_global_init())
    bench_die("libcurl");
  rig_settings(&rig, argv[0], jobs, bench_number(argv[3]));
  if (strcmp(argv[4], "-") != 0)
    rig.settings.ca_cert = strdup(argv[4]);
  rig_start(&rig, jobs, argv[5]);
  rig_turn_until(&rig, (uint64_t)jobs);
  int64_t cpu_us = bench_cpu_us(), wall_us = bench_wall_us();
  for (int64_t i = 1; i <= rounds; i++) {
    fc_instance_poll_now(rig.instance, now());
    rig_turn_until(&rig, (uint64_t)(jobs * (i + 1)));
  }
  print_round(bench_cpu_us() - cpu_us, bench_wall_us() - wall_us,
              jobs * rounds);
  rig_check(&rig, jobs * (rounds + 1));
  (void)printf("connections %zu\n", bench_connections());
  (void)printf("resident %" PRId64 "\n", bench_memory("VmRSS"));
  rig_stop(&rig);
  return 0;
}

/* The thread, once all jobs have ended. */
int bench_idle(int argc, char **argv) {
  (void)argc;
  struct rig rig = {0};
  int64_t jobs = bench_number(argv[1]), seconds = bench_number(argv[3]);
  if (fc_transport_curl_global_init())
    bench_die("libcurl");
  rig_settings(&rig, argv[0], jobs, 32);
  rig_start(&rig, jobs, argv[2]);
  rig_turn_until(&rig, (uint64_t)jobs);
  if (stats_of(&rig).jobs[FC_STATUS_COMPLETED] != (size_t)jobs)
    bench_die("not all jobs have completed");
  if (fc_poller_start(rig.poller))
    bench_die("the thread");
  int64_t cpu_us = bench_cpu_us();
  (void)sleep((unsigned)seconds);
  cpu_us = bench_cpu_us() - cpu_us;
  (void)printf("requests %" PRIu64 "\n",
               stats_of(&rig).requests - (uint64_t)jobs);
  (void)printf("core_percent %.4f\n",
               (double)cpu_us / ((double)seconds * 1e6) * 100);
  rig_stop(&rig);
  return 0;
}
