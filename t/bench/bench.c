/* SPDX-License-Identifier: MIT */

/* What the poller, the response path, the schedule and the read callback cost:
 * one part per run, so that parts do not share a heap. See t/bench/bench.py. */

#include "t/bench/bench.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

static const struct {
  const char *name;
  int argc;
  int (*run)(int argc, char **argv);
  const char *arguments;
} modes[] = {
    {"bare", 5, bench_bare, "URL JOBS ROUNDS CONCURRENCY CACERT|-"},
    {"plugin", 6, bench_plugin, "URL JOBS ROUNDS CONCURRENCY CACERT|- STATE"},
    {"idle", 4, bench_idle, "URL JOBS STATE SECONDS"},
    {"body", 2, bench_body, "filter|json-c|yajl MEBIBYTES"},
    {"read", 4, bench_read, "URL JOBS READS DIRECTORY"},
    {"alert", 0, bench_alert, ""},
    {"day", 0, bench_day, ""},
    {"fair", 0, bench_fair, ""},
};

enum { DESCRIPTORS_MAX = 1024 };

void bench_die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)fputs("bench: ", stderr);
  (void)vfprintf(stderr, format, arguments);
  (void)fputc('\n', stderr);
  va_end(arguments);
  exit(EXIT_FAILURE);
}

int64_t bench_number(const char *text) {
  char *end;
  long long number = strtoll(text, &end, 10);
  if (end == text || *end || number <= 0)
    bench_die("\"%s\" is no positive number", text);
  return number;
}

static int64_t timeval_us(struct timeval value) {
  return (int64_t)value.tv_sec * 1000000 + value.tv_usec;
}

int64_t bench_cpu_us(void) {
  struct rusage usage;
  (void)getrusage(RUSAGE_SELF, &usage);
  return timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime);
}

int64_t bench_wall_us(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t bench_memory(const char *field) {
  char line[128];
  size_t len = strlen(field);
  long kibibytes = -1;
  FILE *file = fopen("/proc/self/status", "re");
  while (file && kibibytes < 0 && fgets(line, sizeof(line), file))
    if (strncmp(line, field, len) == 0 && line[len] == ':')
      kibibytes = strtol(line + len + 1, NULL, 10);
  if (!file || kibibytes < 0)
    bench_die("/proc/self/status has no %s", field);
  (void)fclose(file);
  return (int64_t)kibibytes * 1024;
}

void bench_memory_reset_peak(void) {
  FILE *file = fopen("/proc/self/clear_refs", "we");
  if (!file || fputs("5", file) < 0 || fclose(file))
    bench_die("/proc/self/clear_refs cannot be written");
}

size_t bench_connections(void) {
  struct sockaddr_storage address;
  size_t count = 0;
  for (int i = 0; i < DESCRIPTORS_MAX; i++) {
    socklen_t len = sizeof(address);
    if (getpeername(i, (struct sockaddr *)&address, &len) == 0 &&
        (address.ss_family == AF_INET || address.ss_family == AF_INET6))
      count++;
  }
  return count;
}

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
    if (argc > 1 && strcmp(argv[1], modes[i].name) == 0 &&
        argc - 2 == modes[i].argc)
      return modes[i].run(argc - 2, argv + 2);
  for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
    (void)fprintf(stderr, "usage: bench %s %s\n", modes[i].name,
                  modes[i].arguments);
  return EXIT_FAILURE;
}
