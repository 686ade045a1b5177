/* SPDX-License-Identifier: MIT */

/* The read callback as the daemon calls it, on the recording stand-in, while
 * the poller works. */

#include "t/fake/fake_collectd.h"

#include "t/bench/bench.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void module_register(void);

enum {
  DEADLINE_US = 60 * 1000000,
  TURN_US = 20000,
  KEPT_BYTES = 1 << 30 /* of the stand-in's copies, from read to read */
};

static void write_jobs(const char *path, int64_t jobs) {
  FILE *file = fopen(path, "we");
  for (int64_t i = 0; file && i < jobs; i++)
    (void)fprintf(file, BENCH_JOB_ID " job-%" PRId64 "\n", i, i);
  if (!file || fclose(file))
    bench_die("%s cannot be written", path);
}

static void configure(const char *url, int64_t jobs, const char *directory) {
  char text[1024], path[512];
  (void)snprintf(path, sizeof(path), "%s/jobs", directory);
  write_jobs(path, jobs);
  (void)snprintf(text, sizeof(text),
                 "<Plugin firecrawl>\nStateFile \"%s/read.db\"\n"
                 "<Instance \"bench\">\nURL \"%s\"\nAPIKey \"fc-0123456789\"\n"
                 "JobFile \"%s\"\nInterval 10\nMaxRequestsPerMinute 0\n"
                 "</Instance>\n</Plugin>\n",
                 directory, url, path);
  if (fake_collectd_configure(text) || fake_collectd_init())
    bench_die("%s", fake_collectd_log(0, NULL));
}

static size_t read_once(int64_t *us) {
  size_t values = 0;
  fake_collectd_clear();
  int64_t before_us = bench_wall_us();
  if (fake_collectd_read())
    bench_die("a read failed");
  *us = bench_wall_us() - before_us;
  while (fake_collectd_value_at(values))
    values++;
  return values;
}

static int ascending(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return (left > right) - (left < right);
}

int bench_read(int argc, char **argv) {
  (void)argc;
  int64_t jobs = bench_number(argv[1]), reads = bench_number(argv[2]);
  int64_t *us = calloc((size_t)reads, sizeof(*us)), one_us;
  size_t values = 0;
  int64_t end_us = bench_wall_us() + DEADLINE_US;
  if (!us)
    bench_die("memory");
  /* It is not the callback that asks the system for that memory each time. */
  (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
  fake_collectd_reset();
  module_register();
  configure(argv[0], jobs, argv[3]);
  while (values < 2 * (size_t)jobs) {
    if (bench_wall_us() > end_us)
      bench_die("not all jobs have series: %zu values, %zu log lines, %s",
                values, fake_collectd_log_count(0), fake_collectd_log(0, NULL));
    (void)usleep(TURN_US);
    values = read_once(&one_us);
  }
  for (int64_t i = 0; i < reads; i++)
    values = read_once(&us[i]);
  qsort(us, (size_t)reads, sizeof(*us), ascending);
  (void)printf("values %zu\n", values);
  (void)printf("p50_us %" PRId64 "\n", us[reads / 2]);
  (void)printf("p99_us %" PRId64 "\n", us[reads * 99 / 100]);
  (void)printf("allowed_us %zu\n", 5000 + 3 * values);
  free(us);
  return fake_collectd_shutdown();
}
