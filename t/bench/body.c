/* SPDX-License-Identifier: MIT */

/* The response path on one large reply: the envelope filter and json-c on what
 * it keeps, json-c's tree, or yajl with empty callbacks. The reply is made of
 * many small values, the hard case: long strings are faster for all. */

#include "src/api/envelope.h"
#include "src/api/parse.h"

#include "t/bench/bench.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { PIECE = 16 * 1024 /* as libcurl hands it over */, ROUNDS = 5 };

static const char head[] = "{\"success\":true,\"data\":{\"products\":[";
static const char item[] =
    "{\"name\":\"Wool socks \\u2013 grey\",\"price\":12.95,\"stock\":[1,2,30],"
    "\"in_stock\":true,\"tags\":[\"wool\",\"winter\"],\"brand\":null},";
static const char tail[] =
    "{}]},\"status\":\"completed\",\"expiresAt\":\"2026-12-01T00:00:00.000Z\"}";

static char *make_body(size_t size, size_t *len) {
  char *body = malloc(size + sizeof(head) + sizeof(item) + sizeof(tail));
  if (!body)
    bench_die("memory");
  char *end = stpcpy(body, head);
  while ((size_t)(end - body) < size)
    end = stpcpy(end, item);
  end = stpcpy(end, tail);
  *len = (size_t)(end - body);
  return body;
}

static void run_filter(const char *body, size_t len) {
  struct fc_envelope envelope;
  struct fc_reply reply;
  const char *json;
  size_t json_len;
  fc_envelope_init(&envelope);
  for (size_t i = 0; i < len; i += PIECE)
    if (fc_envelope_write(&envelope, body + i,
                          len - i < PIECE ? len - i : PIECE))
      bench_die("the filter refuses the body");
  if (fc_envelope_finish(&envelope, &json, &json_len) ||
      fc_parse_reply(json, json_len, NULL, &reply) ||
      reply.facts.status != FC_STATUS_COMPLETED)
    bench_die("no status");
  fc_envelope_release(&envelope);
}

static void run_json_c(const char *body, size_t len) {
  struct json_tokener *tokener = json_tokener_new();
  struct json_object *status, *reply = NULL;
  for (size_t i = 0; i < len; i += PIECE)
    reply = json_tokener_parse_ex(tokener, body + i,
                                  (int)(len - i < PIECE ? len - i : PIECE));
  if (!reply || !json_object_object_get_ex(reply, "status", &status))
    bench_die("no status");
  json_object_put(reply);
  json_tokener_free(tokener);
}

static void run_yajl(const char *body, size_t len) {
  static const yajl_callbacks empty;
  yajl_handle handle = yajl_alloc(&empty, NULL, NULL);
  for (size_t i = 0; i < len; i += PIECE)
    if (yajl_parse(handle, (const unsigned char *)body + i,
                   len - i < PIECE ? len - i : PIECE) != yajl_status_ok)
      bench_die("yajl refuses the body");
  if (yajl_complete_parse(handle) != yajl_status_ok)
    bench_die("yajl refuses the body");
  yajl_free(handle);
}

static const struct {
  const char *name;
  void (*run)(const char *body, size_t len);
} parsers[] = {
    {"filter", run_filter}, {"json-c", run_json_c}, {"yajl", run_yajl}};

int bench_body(int argc, char **argv) {
  (void)argc;
  size_t len, row = 0;
  while (row < sizeof(parsers) / sizeof(parsers[0]) &&
         strcmp(parsers[row].name, argv[0]) != 0)
    row++;
  if (row == sizeof(parsers) / sizeof(parsers[0]))
    bench_die("no parser is named %s", argv[0]);
  char *body = make_body((size_t)bench_number(argv[1]) << 20, &len);
  bench_memory_reset_peak();
  int64_t before = bench_memory("VmRSS");
  parsers[row].run(body, len);
  (void)printf("peak_growth %" PRId64 "\n", bench_memory("VmHWM") - before);
  int64_t cpu_us = bench_cpu_us();
  for (int i = 0; i < ROUNDS; i++)
    parsers[row].run(body, len);
  cpu_us = bench_cpu_us() - cpu_us;
  (void)printf("mb_per_second %.1f\n",
               (double)(len * ROUNDS) / (double)(cpu_us ? cpu_us : 1));
  free(body);
  return 0;
}
