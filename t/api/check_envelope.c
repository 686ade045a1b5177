/* SPDX-License-Identifier: MIT */

#include "src/api/envelope.h"
#include "src/base/macros.h"

#include "t/api/envelope_reference.h"
#include "t/suite.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LITERAL(text) text, sizeof(text) - 1
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STATIC_SANITIZER
#endif
#endif

/* The filter's only allocator, watched and made to fail. */
#ifndef STATIC_SANITIZER
static int reallocs_left = -1;
static size_t largest_realloc;

void *realloc(void *memory, size_t size) {
  static void *(*next)(void *, size_t);
  if (!next)
    *(void **)&next = dlsym(RTLD_NEXT, "realloc");
  if (reallocs_left == 0)
    return NULL;
  if (reallocs_left > 0)
    reallocs_left--;
  if (size > largest_realloc)
    largest_realloc = size;
  return next(memory, size);
}

/* Valgrind puts its own allocator in the place of this one. */
static bool realloc_is_ours(void) {
  void *(*volatile allocate)(void *, size_t) = realloc;
  reallocs_left = 0;
  void *memory = allocate(NULL, 1);
  reallocs_left = -1;
  free(memory);
  return !memory;
}
#endif

/* Each ck_assert costs a write(2); where there are millions, only failures are
 * worth one. */
#define REQUIRE(condition, ...)                                                \
  do {                                                                         \
    if (!(condition))                                                          \
      ck_abort_msg(__VA_ARGS__);                                               \
  } while (0)

struct outcome {
  enum fc_error error;
  char json[FC_ENVELOPE_KEEP_MAX];
  size_t len;
};

/* From memory of its own, so that a sanitizer sees what is read behind it. */
static enum fc_error write_piece(struct fc_envelope *envelope, const char *data,
                                 size_t len) {
  char *piece = malloc(len ? len : 1);
  REQUIRE(piece, "no memory");
  memcpy(piece, data, len);
  enum fc_error error = fc_envelope_write(envelope, piece, len);
  free(piece);
  return error;
}

static void finish(struct fc_envelope *envelope, struct outcome *outcome) {
  const char *json = NULL;
  size_t len = 0;
  outcome->len = 0;
  outcome->error = fc_envelope_finish(envelope, &json, &len);
  REQUIRE(!outcome->error == !!json, "written on success only");
  if (outcome->error)
    return;
  REQUIRE(len < FC_ENVELOPE_KEEP_MAX && json[len] == '\0', "%zu bytes", len);
  memcpy(outcome->json, json, len + 1);
  outcome->len = len;
}

/* In pieces of `first` bytes, then of `piece` bytes each. */
static void filter(const char *body, size_t len, size_t first, size_t piece,
                   struct outcome *outcome) {
  struct fc_envelope envelope;
  size_t at = 0, next = first;
  enum fc_error error = FC_OK;
  fc_envelope_init(&envelope);
  while (at < len && !error) {
    size_t now = next < len - at ? next : len - at;
    error = write_piece(&envelope, body + at, now);
    at += now;
    next = piece;
  }
  finish(&envelope, outcome);
  REQUIRE(!error || outcome->error == error, "%d after %d", outcome->error,
          error);
  fc_envelope_release(&envelope);
}

static void check_outcome(const struct outcome *outcome, const char *body,
                          const char *json) {
  REQUIRE(outcome->error == (json ? FC_OK : FC_ERR_BODY), "%d for %.500s",
          outcome->error, body);
  REQUIRE(!json || strcmp(outcome->json, json) == 0, "%.500s of %.500s",
          outcome->json, body);
}

/* json is what is kept, NULL for none; however the body is cut. */
static void check_body(const char *body, size_t len, const char *json) {
  static struct outcome outcome;
  char reference[FC_ENVELOPE_KEEP_MAX];
  size_t reference_len;
  bool good = envelope_reference(body, len, reference, &reference_len);
  ck_assert_msg(good == (json != NULL), "the reference, of %s", body);
  if (good)
    ck_assert_str_eq(reference, json);
  for (size_t first = 0; first <= len; first++) {
    filter(body, len, first, len, &outcome);
    check_outcome(&outcome, body, json);
  }
  filter(body, len, 1, 1, &outcome);
  check_outcome(&outcome, body, json);
}

/* What is a JSON value, and what is none. */
static const struct {
  bool good;
  const char *text;
  size_t len;
} values[] = {
    {true, LITERAL("true")},
    {true, LITERAL("false")},
    {true, LITERAL("null")},
    {true, LITERAL(" \t\r\ntrue \t\r\n")},
    {true, LITERAL("0")},
    {true, LITERAL("-0")},
    {true, LITERAL("1")},
    {true, LITERAL("-1")},
    {true, LITERAL("10")},
    {true, LITERAL("1234567890123456789012345678901234567890")},
    {true, LITERAL("0.5")},
    {true, LITERAL("-0.000")},
    {true, LITERAL("123.456")},
    {true, LITERAL("12345678.12345678")},
    {true, LITERAL("1e5")},
    {true, LITERAL("1E5")},
    {true, LITERAL("0e1")},
    {true, LITERAL("0e+1")},
    {true, LITERAL("1e-5")},
    {true, LITERAL("1.5e+007")},
    {true, LITERAL("-12345.67890e-12345")},
    {true, LITERAL("1e99999")},
    {true, LITERAL("\"\"")},
    {true, LITERAL("\"a\"")},
    {true, LITERAL("\"abcdefg\"")},
    {true, LITERAL("\"abcdefgh\"")},
    {true, LITERAL("\"the quick brown fox jumps over the lazy dog\"")},
    {true, LITERAL("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")},
    {true, LITERAL("\"\\u0041\\uabCD\\uEf01\"")},
    {true, LITERAL("\"\\u0000\"")},
    {true, LITERAL("\"\\ud83d\\ude00\"")},
    {true, LITERAL("\"\\ud83d\"")},
    {true, LITERAL("\"\\ude00\\ud83d\"")},
    {true, LITERAL("\"\\\\u12\"")},
    {true, LITERAL("\"\x7f\"")},
    {true, LITERAL("\"\xc2\x80 \xdf\xbf\"")},
    {true, LITERAL("\"\xe0\xa0\x80 \xe1\x80\x80 \xec\xbf\xbf\"")},
    {true, LITERAL("\"\xed\x80\x80 \xed\x9f\xbf \xee\x80\x80\"")},
    {true, LITERAL("\"\xef\xbf\xbf \xef\xbb\xbf\"")},
    {true, LITERAL("\"\xf0\x90\x80\x80 \xf3\xbf\xbf\xbf\"")},
    {true, LITERAL("\"\xf4\x80\x80\x80 \xf4\x8f\xbf\xbf\"")},
    {true, LITERAL("\"\xd0\xbf\xe6\x97\xa5\xf0\x9f\x98\x80\xc3\xbc\"")},
    {true, LITERAL("[]")},
    {true, LITERAL("{}")},
    {true, LITERAL("[ ]")},
    {true, LITERAL("{ }")},
    {true, LITERAL("[1]")},
    {true, LITERAL("[1,2,3]")},
    {true, LITERAL("[ 1 , 2 , 3 ]")},
    {true, LITERAL("[[],[[]],{}]")},
    {true, LITERAL("[\"\",true,null,-1.5e3,{\"a\":[]}]")},
    {true, LITERAL("{\"a\":1}")},
    {true, LITERAL("{ \"a\" : 1 , \"b\" : [ ] }")},
    {true, LITERAL("{\"a\":1,\"a\":2}")},
    {true, LITERAL("{\"\":{\"\":{\"\":null}}}")},
    {true, LITERAL("{\"status\":\"inner\",\"st\\u0061tus\":0}")},
    {true, LITERAL("{\"\\ud800\":\"\\udc00\"}")},
    {true, LITERAL("[{\"a\":[{\"b\":[{}]}]},[[[]]]]")},

    {false, LITERAL("")},
    {false, LITERAL(" ")},
    {false, LITERAL("tru")},
    {false, LITERAL("truE")},
    {false, LITERAL("True")},
    {false, LITERAL("truee")},
    {false, LITERAL("true1")},
    {false, LITERAL("true false")},
    {false, LITERAL("fals")},
    {false, LITERAL("falsefalsefalse")},
    {false, LITERAL("nul")},
    {false, LITERAL("nulll")},
    {false, LITERAL("null\0")},
    {false, LITERAL("NaN")},
    {false, LITERAL("Infinity")},
    {false, LITERAL("-Infinity")},
    {false, LITERAL("undefined")},
    {false, LITERAL("abc")},
    {false, LITERAL("-")},
    {false, LITERAL("--1")},
    {false, LITERAL("-a")},
    {false, LITERAL("- 1")},
    {false, LITERAL("+1")},
    {false, LITERAL("01")},
    {false, LITERAL("-01")},
    {false, LITERAL("00")},
    {false, LITERAL("0000000000000000000")},
    {false, LITERAL("0x1f")},
    {false, LITERAL("1.")},
    {false, LITERAL("1.e1")},
    {false, LITERAL(".5")},
    {false, LITERAL("-.5")},
    {false, LITERAL("1..5")},
    {false, LITERAL("1.5.5")},
    {false, LITERAL("1.1.1.1.1.1.1.1.1")},
    {false, LITERAL("1e")},
    {false, LITERAL("1e+")},
    {false, LITERAL("1e-")},
    {false, LITERAL("1e+-1")},
    {false, LITERAL("1ee1")},
    {false, LITERAL("1e1.5")},
    {false, LITERAL("1e1e1")},
    {false, LITERAL("1 2")},
    {false, LITERAL("1a")},
    {false, LITERAL("1\"")},
    {false, LITERAL("1-")},
    {false, LITERAL("1:")},
    {false, LITERAL("1/2")},
    {false, LITERAL("12345678:")},
    {false, LITERAL("1\0")},
    {false, LITERAL("\xef\xbc\x91")},
    {false, LITERAL("\"")},
    {false, LITERAL("\"abc")},
    {false, LITERAL("\"abc\\\"")},
    {false, LITERAL("'abc'")},
    {false, LITERAL("\"a\" \"b\"")},
    {false, LITERAL("\"a\"b")},
    {false, LITERAL("\"\0\"")},
    {false, LITERAL("\"\x01\"")},
    {false, LITERAL("\"\t\"")},
    {false, LITERAL("\"\n\"")},
    {false, LITERAL("\"abcdefgh\x1f\"")},
    {false, LITERAL("\"\\a\"")},
    {false, LITERAL("\"\\'\"")},
    {false, LITERAL("\"\\x41\"")},
    {false, LITERAL("\"\\0\"")},
    {false, LITERAL("\"\\\0\"")},
    {false, LITERAL("\"\\\n\"")},
    {false, LITERAL("\"\\N\"")},
    {false, LITERAL("\"\\\xc3\xbc\"")},
    {false, LITERAL("\"\\u\"")},
    {false, LITERAL("\"\\u1\"")},
    {false, LITERAL("\"\\u12\"")},
    {false, LITERAL("\"\\u123\"")},
    {false, LITERAL("\"\\u123g\"")},
    {false, LITERAL("\"\\u12 4\"")},
    {false, LITERAL("\"\\u-123\"")},
    {false, LITERAL("\"\\u+123\"")},
    {false, LITERAL("\"\\U0041\"")},
    {false, LITERAL("\"\\ud800\\u\"")},
    {false, LITERAL("\"\\u00\xc3\xbc\"")},
    {false, LITERAL("\"\x80\"")},
    {false, LITERAL("\"\xbf\"")},
    {false, LITERAL("\"\xc0\x80\"")},
    {false, LITERAL("\"\xc0\xaf\"")},
    {false, LITERAL("\"\xc1\xbf\"")},
    {false, LITERAL("\"\xc2\"")},
    {false, LITERAL("\"\xc2 \"")},
    {false, LITERAL("\"\xc2\xc2\"")},
    {false, LITERAL("\"\xc3\xbc\xbc\"")},
    {false, LITERAL("\"\xdf\x7f\"")},
    {false, LITERAL("\"\xe0\x80\x80\"")},
    {false, LITERAL("\"\xe0\x9f\xbf\"")},
    {false, LITERAL("\"\xe1\x80\"")},
    {false, LITERAL("\"\xe1\x80 \"")},
    {false, LITERAL("\"\xe1\x80\xc0\"")},
    {false, LITERAL("\"\xed\xa0\x80\"")},
    {false, LITERAL("\"\xed\xbf\xbf\"")},
    {false, LITERAL("\"\xed\xa0\xbd\xed\xb8\x80\"")},
    {false, LITERAL("\"\xf0\x80\x80\x80\"")},
    {false, LITERAL("\"\xf0\x8f\xbf\xbf\"")},
    {false, LITERAL("\"\xf0\x9f\x98\"")},
    {false, LITERAL("\"\xf0\x9f\x98 \"")},
    {false, LITERAL("\"\xf4\x90\x80\x80\"")},
    {false, LITERAL("\"\xf5\x80\x80\x80\"")},
    {false, LITERAL("\"\xf8\x88\x80\x80\x80\"")},
    {false, LITERAL("\"\xfe\"")},
    {false, LITERAL("\"\xff\"")},
    {false, LITERAL("\xc3\xbc")},
    {false, LITERAL("[")},
    {false, LITERAL("]")},
    {false, LITERAL("[1")},
    {false, LITERAL("[1,")},
    {false, LITERAL("[1,]")},
    {false, LITERAL("[,]")},
    {false, LITERAL("[,1]")},
    {false, LITERAL("[1,,2]")},
    {false, LITERAL("[1 2]")},
    {false, LITERAL("[1]]")},
    {false, LITERAL("[1}")},
    {false, LITERAL("[}")},
    {false, LITERAL("[1:2]")},
    {false, LITERAL("[:]")},
    {false, LITERAL("[\"a\":1]")},
    {false, LITERAL("[1\f]")},
    {false, LITERAL("[\v1]")},
    {false, LITERAL("[\xc2\xa0]")},
    {false, LITERAL("[\0]")},
    {false, LITERAL("{")},
    {false, LITERAL("{]")},
    {false, LITERAL("{,}")},
    {false, LITERAL("{\"a\"}")},
    {false, LITERAL("{\"a\":}")},
    {false, LITERAL("{\"a\":]")},
    {false, LITERAL("{\"a\":1]")},
    {false, LITERAL("{\"a\":1,}")},
    {false, LITERAL("{\"a\":1,,\"b\":2}")},
    {false, LITERAL("{\"a\" 1}")},
    {false, LITERAL("{\"a\"::1}")},
    {false, LITERAL("{\"a\",1}")},
    {false, LITERAL("{\"a\":1 \"b\":2}")},
    {false, LITERAL("{\"a\":1:2}")},
    {false, LITERAL("{a:1}")},
    {false, LITERAL("{'a':1}")},
    {false, LITERAL("{1:1}")},
    {false, LITERAL("{null:1}")},
    {false, LITERAL("{[]:1}")},
    {false, LITERAL("{\"\xff\":1}")},
    {false, LITERAL("{\"\\x\":1}")},
    {false, LITERAL("{\"a\":{}")},
    {false, LITERAL("// comment\n1")},
    {false, LITERAL("/* comment */1")},
    {false, LITERAL("# comment\n1")},
};

/* Where a value can stand: kept or dropped, at the first level or deeper, alone
 * or in the middle. */
static const struct {
  const char *before, *behind;
} places[] = {
    {"{\"data\":", "}"},
    {"{\"data\":[", "]}"},
    {"{\"data\":{\"a\":\"b\",\"c\":[0,", ",1]},\"status\":\"x\"}"},
    {"{\"error\":", "}"},
    {"{\"error\":", ",\"status\":\"x\"}"},
    {"{\"error\":{\"message\":", ",\"b\":[]}}"},
};

static size_t put(char *body, size_t at, const char *text, size_t len) {
  memcpy(body + at, text, len);
  return at + len;
}

START_TEST(a_value_is_judged_alike_wherever_it_stands) {
  const char *text = values[_i].text;
  for (size_t i = 0; i < COUNT_OF(places); i++) {
    char body[256], json[FC_ENVELOPE_KEEP_MAX];
    size_t json_len, len = strlen(places[i].before);
    len = put(body, put(body, 0, places[i].before, len), text, values[_i].len);
    len = put(body, len, places[i].behind, strlen(places[i].behind));
    body[len] = '\0';
    /* "[" and "]" make an empty array around nothing. */
    bool good = values[_i].good || (strspn(text, " ") == values[_i].len &&
                                    strcmp(places[i].behind, "]}") == 0);
    (void)envelope_reference(body, len, json, &json_len); /* checked next */
    check_body(body, len, good ? json : NULL);
  }
}
END_TEST

/* What is kept of a body; NULL where it is refused. */
static const struct {
  const char *body;
  size_t len;
  const char *json;
} bodies[] = {
    {LITERAL("{}"), "{}"},
    {LITERAL(" \r\n\t{ \n} \r\n\t"), "{}"},
    {LITERAL("{\"data\":[]}"), "{}"},
    {LITERAL("{\"status\":\"failed\"}"), "{\"status\":\"failed\"}"},
    {LITERAL("{\"data\":{\"status\":\"inner\"},\"status\":\"failed\"}"),
     "{\"status\":\"failed\"}"},
    {LITERAL("{\"data\":[{\"error\":1}],\"success\":true}"),
     "{\"success\":true}"},
    {LITERAL("{ \"error\" : { \"message\" : \"a  b\" , \"n\" : [ 1 , 2 ] } }"),
     "{\"error\":{\"message\":\"a  b\",\"n\":[1,2]}}"},
    {LITERAL("{\"total\":1.50e+1 ,\"completed\":-0,\"x\":9}"),
     "{\"total\":1.50e+1,\"completed\":-0}"},
    {LITERAL("{\"success\":true,\"status\":\"s\",\"expiresAt\":\"e\",\"error\":"
             "null,\"message\":\"m\",\"tokensUsed\":1,\"creditsUsed\":2,"
             "\"completed\":3,\"total\":4,\"replacement\":\"r\","
             "\"retry_after_seconds\":5}"),
     "{\"success\":true,\"status\":\"s\",\"expiresAt\":\"e\",\"error\":null,"
     "\"message\":\"m\",\"tokensUsed\":1,\"creditsUsed\":2,\"completed\":3,"
     "\"total\":4,\"replacement\":\"r\",\"retry_after_seconds\":5}"},
    {LITERAL("{\"error\":\"\\u0000\\ud800 \\\"\xc3\xbc\\/\"}"),
     "{\"error\":\"\\u0000\\ud800 \\\"\xc3\xbc\\/\"}"},
    {LITERAL("{\"Status\":1,\"statu\":2,\"statuss\":3,\"status \":4,\"\":5}"),
     "{}"},
    {LITERAL("{\"retry_after_seconds_\":1,\"a_retry_after_seconds\":2}"), "{}"},
    {LITERAL("{\"status\\u0000x\":1,\"status\":2}"), "{\"status\":2}"},
    {LITERAL("{\"status\\u0000\":1,\"\\u0000status\":2,\"\\u0000\":3}"), "{}"},
    {LITERAL("{\"\\u0173tatus\":1,\"\\uff53tatus\":1,\"\\ud873tatus\":1}"),
     "{}"},
    {LITERAL("{\"stat\\us\":1}"), NULL},
    {LITERAL("{\"\\nstatus\":1,\"sta\\tus\":1,\"st\\/atus\":1}"), "{}"},
    {LITERAL("{\"data\":1,\"data\":2,\"status\":3}"), "{\"status\":3}"},
    {LITERAL("{\"error\":{\"status\":1,\"status\":2,\"st\\u0061tus\":3}}"),
     "{\"error\":{\"status\":1,\"status\":2,\"st\\u0061tus\":3}}"},
    {LITERAL("{\"status\":1,\"data\":0,\"status\":2}"), NULL},
    {LITERAL("{\"status\":1,\"status\":1}"), NULL},
    {LITERAL("{\"error\":null,\"error\":null}"), NULL},
    {LITERAL("{\"retry_after_seconds\":1,\"retry_after_seconds\":2}"), NULL},
    {LITERAL("{\"\\u0073tatus\":1}"), NULL},
    {LITERAL("{\"statu\\u0073\":1}"), NULL},
    {LITERAL("{\"st\\u0061t\\u0075s\":1}"), NULL},
    {LITERAL("{\"status\":1,\"\\u0073tatus\":2}"), NULL},
    {LITERAL("{\"\\u0073\\u0074\\u0061\\u0074\\u0075\\u0073\":1}"), NULL},
    {LITERAL("{\"expires\\u0041t\":1}"), NULL},
    {LITERAL("{\"retry\\u005fafter\\u005Fseconds\":1}"), NULL},
    {LITERAL(
         "{\"\\u0072\\u0065\\u0074\\u0072\\u0079\\u005f\\u0061\\u0066\\u0074"
         "\\u0065\\u0072\\u005f\\u0073\\u0065\\u0063\\u006f\\u006e\\u0064"
         "\\u0073\":1}"),
     NULL},
    {LITERAL(""), NULL},
    {LITERAL(" "), NULL},
    {LITERAL("null"), NULL},
    {LITERAL("[]"), NULL},
    {LITERAL("[{\"status\":1}]"), NULL},
    {LITERAL("\"status\""), NULL},
    {LITERAL("1"), NULL},
    {LITERAL("<html>"), NULL},
    {LITERAL("\xef\xbb\xbf{}"), NULL},
    {LITERAL("\xff\xfe{\0}\0"), NULL},
    {LITERAL("{\0}"), NULL},
    {LITERAL("{}\0"), NULL},
    {LITERAL("{}{}"), NULL},
    {LITERAL("{},"), NULL},
    {LITERAL("{}}"), NULL},
    {LITERAL("{}]"), NULL},
    {LITERAL("{} x"), NULL},
    {LITERAL("{}\""), NULL},
    {LITERAL("{} // end"), NULL},
    {LITERAL("{} \xc2\xa0"), NULL},
    {LITERAL("{\"status\":1}{\"status\":2}"), NULL},
    {LITERAL(",{}"), NULL},
    {LITERAL("}{"), NULL},
    {LITERAL("{]"), NULL},
    {LITERAL("{\"a\":1,}"), NULL},
    {LITERAL("{,\"a\":1}"), NULL},
    {LITERAL("{\"a\"}"), NULL},
    {LITERAL("{\"a\":1 \"b\":2}"), NULL},
    {LITERAL("{status:1}"), NULL},
    {LITERAL("{'status':1}"), NULL},
    {LITERAL("{\"status\":\"x\"]"), NULL},
    {LITERAL("{\"status\xff\":1}"), NULL},
    {LITERAL("{\"status\n\":1}"), NULL},
};

START_TEST(a_body_yields_its_wanted_members_or_an_error) {
  check_body(bodies[_i].body, bodies[_i].len, bodies[_i].json);
}
END_TEST

static char *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s", path);
  static char text[64 * 1024];
  *len = fread(text, 1, sizeof(text) - 1, file);
  text[*len] = '\0';
  ck_assert_int_eq(fclose(file), 0);
  return text;
}

static void check_capture(const char *path) {
  static struct outcome outcome;
  char json[FC_ENVELOPE_KEEP_MAX];
  size_t json_len, len;
  char *text = read_file(path, &len), *body = strstr(text, "\r\n\r\n");
  ck_assert_msg(body != NULL, "%s", path);
  body += 4;
  len -= (size_t)(body - text);
  ck_assert(envelope_reference(body, len, json, &json_len));
  ck_assert_msg(strstr(json, "\"success\":") != NULL, "%s", path);
  check_body(body, len, json);
  for (size_t cut = 0; cut < len; cut++) {
    filter(body, cut, cut, 1, &outcome);
    check_outcome(&outcome, body, NULL);
    filter(body, cut, 1, 1, &outcome);
    check_outcome(&outcome, body, NULL);
  }
}

START_TEST(
    a_recorded_reply_yields_the_same_however_it_is_split_and_nothing_cut) {
  const char *srcdir = getenv("srcdir");
  char folder[512], path[1024];
  int captures = 0;
  snprintf(folder, sizeof(folder), "%s/t/data/captures", srcdir ? srcdir : ".");
  DIR *files = opendir(folder);
  ck_assert_msg(files != NULL, "%s", folder);
  for (struct dirent *entry; (entry = readdir(files)) != NULL;) {
    if (!strstr(entry->d_name, ".http"))
      continue;
    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
    check_capture(path);
    captures++;
  }
  ck_assert_int_eq(closedir(files), 0);
  ck_assert_int_ge(captures, 11);
}
END_TEST

/* A body whose member `name` nests `depth` arrays. */
static size_t nest(char *body, const char *name, size_t depth) {
  size_t len = (size_t)sprintf(body, "{\"%s\":", name);
  memset(body + len, '[', depth);
  memset(body + len + depth, ']', depth);
  len += 2 * depth;
  return len + (size_t)sprintf(body + len, ",\"status\":\"x\"}");
}

static const struct {
  const char *name;
  size_t depth;
  const char *json;
} nestings[] = {
    {"data", FC_ENVELOPE_DEPTH_MAX - 1, "{\"status\":\"x\"}"},
    {"data", FC_ENVELOPE_DEPTH_MAX, NULL},
    {"error", FC_ENVELOPE_KEEP_DEPTH_MAX,
     "{\"error\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],\"status\":\"x\"}"},
    {"error", FC_ENVELOPE_KEEP_DEPTH_MAX + 1,
     "{\"error\":null,\"status\":\"x\"}"},
    {"error", FC_ENVELOPE_DEPTH_MAX - 1, "{\"error\":null,\"status\":\"x\"}"},
    {"error", FC_ENVELOPE_DEPTH_MAX, NULL},
};

START_TEST(nesting_has_its_limits) {
  char body[2 * FC_ENVELOPE_DEPTH_MAX + 64];
  size_t len = nest(body, nestings[_i].name, nestings[_i].depth);
  check_body(body, len, nestings[_i].json);
}
END_TEST

START_TEST(each_level_closes_as_it_opened) {
  static const char wrong[] = "{\"data\":[{\"a\":[{\"b\":[[{\"c\":{}}]]}]}]}";
  char body[sizeof(wrong)];
  for (size_t i = 1; i < sizeof(wrong) - 1; i++) {
    memcpy(body, wrong, sizeof(wrong));
    if (body[i] == '}' || body[i] == ']') {
      body[i] = body[i] == '}' ? ']' : '}';
      check_body(body, sizeof(wrong) - 1, NULL);
    }
  }
  check_body(wrong, sizeof(wrong) - 1, "{}");
}
END_TEST

static void *nest_without_end(void *data) {
  struct fc_envelope *envelope = data;
  static char deep[1000 * 1000];
  memset(deep, '[', sizeof(deep));
  enum fc_error error = fc_envelope_write(envelope, LITERAL("{\"data\":"));
  if (!error)
    error = fc_envelope_write(envelope, deep, sizeof(deep));
  return error == FC_ERR_BODY ? data : NULL;
}

START_TEST(a_million_levels_need_no_stack) {
  struct fc_envelope envelope;
  pthread_attr_t small;
  pthread_t thread;
  void *refused = NULL;
  fc_envelope_init(&envelope);
  ck_assert_int_eq(pthread_attr_init(&small), 0);
  ck_assert_int_eq(pthread_attr_setstacksize(&small, 128 * 1024), 0);
  ck_assert_int_eq(pthread_create(&thread, &small, nest_without_end, &envelope),
                   0);
  ck_assert_int_eq(pthread_join(thread, &refused), 0);
  ck_assert_ptr_eq(refused, &envelope);
  ck_assert_int_eq(pthread_attr_destroy(&small), 0);
  fc_envelope_release(&envelope);
}
END_TEST

START_TEST(forty_megabytes_before_the_status_leave_no_trace) {
  static const char item[] =
      "{\"name\":\"Gr\xc3\xb6\xc3\x9f"
      "e \\\"L\\\"\",\"price\":12.5,\"tags\":[\"a\",\"b\"],\"ok\":true},\n";
  static struct outcome outcome;
  struct fc_envelope envelope;
  fc_envelope_init(&envelope);
  ck_assert_int_eq(fc_envelope_write(&envelope, LITERAL("{\"data\":[")), FC_OK);
  for (size_t sent = 0; sent < 40 * 1000 * 1000; sent += sizeof(item) - 1)
    REQUIRE(!fc_envelope_write(&envelope, item, sizeof(item) - 1), "refused");
  ck_assert_int_eq(
      fc_envelope_write(&envelope, LITERAL("0],\"status\":\"completed\"}")),
      FC_OK);
  finish(&envelope, &outcome);
  check_outcome(&outcome, "40 MB", "{\"status\":\"completed\"}");
  fc_envelope_release(&envelope);
#ifndef STATIC_SANITIZER
  ck_assert_uint_le(largest_realloc, FC_ENVELOPE_KEEP_MAX);
#endif
}
END_TEST

/* A string of `plain` bytes, then `text`, then more than is kept. */
static const struct {
  size_t plain;
  const char *text;
  size_t kept; /* of text */
} cuts[] = {
    {1023, "ab", 1},
    {1024, "ab", 0},
    {1022, "\xc3\xbc", 2},
    {1023, "\xc3\xbc", 0},
    {1021, "\xe2\x82\xac", 3},
    {1022, "\xe2\x82\xac", 0},
    {1023, "\xe2\x82\xac", 0},
    {1020, "\xf0\x9f\x98\x80", 4},
    {1021, "\xf0\x9f\x98\x80", 0},
    {1023, "\xf0\x9f\x98\x80", 0},
    {1022, "\\n", 2},
    {1023, "\\n", 0},
    {1023, "\\\\", 0},
    {1021, "\\\\n", 3},
    {1023, "\\\"", 0},
    {1018, "\\u00fc", 6},
    {1019, "\\u00fc", 0},
    {1023, "\\u00fc", 0},
    {1012, "\\ud83d\\ude00", 12},
    {1013, "\\ud83d\\ude00", 0},
    {1018, "\\uD83D\\uDE00", 0},
    {1023, "\\ud83d\\ude00", 0},
    {1018, "\\ud83d\\u0041", 6},
    {1018, "\\ud83dabcdef", 6},
    {1018, "\\ud83d\\n", 6},
    {1018, "\\ude00\\ud83d", 6},
    {1012, "\\ud83d\\ud83d\\ude00", 6},
    {1016, "\\\\\\ud83d\\ude00", 2},
    {1017, "\\\\ud83d\\ude00", 7},
};

START_TEST(a_long_string_is_cut_at_a_character) {
  char body[8192], json[2048];
  const char *text = cuts[_i].text;
  size_t sizes[] = {0, 1, 5, 6, 7, 3000};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    int plain = (int)cuts[_i].plain, more = (int)sizes[i];
    int len = snprintf(body, sizeof(body),
                       "{\"error\":\"%0*d%s%0*d\",\"status\":\"failed\"}",
                       plain, 0, text, more, 0);
    snprintf(json, sizeof(json),
             "{\"error\":\"%0*d%.*s\",\"status\":\"failed\"}", plain, 0,
             (int)cuts[_i].kept, text);
    check_body(body, (size_t)len, json);
  }
}
END_TEST

/* Members at and over the limit: `before`, `filler` often, `behind`. */
static const struct {
  const char *before, *filler, *behind;
  size_t size;
  bool kept;
} sizes[] = {
    {"\"", "x", "\"", FC_ENVELOPE_STRING_MAX + 2, true},
    {"", "7", "", FC_ENVELOPE_STRING_MAX, true},
    {"", "7", "", FC_ENVELOPE_STRING_MAX + 1, false},
    {"", "7", "", FC_ENVELOPE_STRING_MAX + 7, false},
    {"", "7", "", FC_ENVELOPE_STRING_MAX + 8, false},
    {"", "7", "", 5000, false},
    {"[\"", "x", "\"]", FC_ENVELOPE_STRING_MAX, true},
    {"[\"", "x", "\"]", FC_ENVELOPE_STRING_MAX + 1, false},
    {"[\"", "x", "\"]", FC_ENVELOPE_STRING_MAX + 8, false},
    {"[\"", "x", "\"]", 5000, false},
    {"{\"m\":\"", "x", "\"}", FC_ENVELOPE_STRING_MAX, true},
    {"{\"m\":\"", "x", "\"}", FC_ENVELOPE_STRING_MAX + 1, false},
    {"{\"m\":[{\"", "\xc3\xbc", "\":0}]}", 5002, false},
    {"[[],\"", "\\n", "\",{},[\"a\",1.5,true]]", 4801, false},
};

START_TEST(a_value_too_long_to_keep_becomes_null) {
  static char body[8192], json[sizeof(body) + 64];
  size_t len = (size_t)sprintf(body, "{\"error\":%s", sizes[_i].before);
  size_t behind = strlen(sizes[_i].behind);
  size_t end = strlen("{\"error\":") + sizes[_i].size;
  while (len + behind < end)
    len += (size_t)sprintf(body + len, "%s", sizes[_i].filler);
  ck_assert_uint_eq(len + behind, end);
  sprintf(body + len, "%s", sizes[_i].behind);
  sprintf(json, "%s,\"status\":\"x\"}",
          sizes[_i].kept ? body : "{\"error\":null");
  strcat(body, ",\"status\":\"x\"}");
  check_body(body, strlen(body), json);
}
END_TEST

START_TEST(white_space_does_not_count_as_length) {
  static char body[8192];
  sprintf(body, "{\"error\":[%3000s1%3000s],\"status\":\"x\"}", "", "");
  check_body(body, strlen(body), "{\"error\":[1],\"status\":\"x\"}");
}
END_TEST

START_TEST(a_name_of_any_length_is_only_passed_over) {
  static char body[16384];
  sprintf(body, "{\"%05000d\":1,\"status%05000d\":2,\"status\":3}", 0, 0);
  check_body(body, strlen(body), "{\"status\":3}");
}
END_TEST

START_TEST(all_members_at_their_longest_are_kept) {
  static const char *const names[] = {
      "success", "status",      "expiresAt",          "error",
      "message", "tokensUsed",  "creditsUsed",        "completed",
      "total",   "replacement", "retry_after_seconds"};
  static char body[64 * 1024], json[FC_ENVELOPE_KEEP_MAX];
  static struct outcome outcome;
  size_t len = 0, json_len = 0;
  for (size_t i = 0; i < COUNT_OF(names); i++) {
    char separator = i ? ',' : '{';
    len += (size_t)sprintf(body + len, "%c\"%02000d\":0,\"%s\":\"%03000d\"",
                           separator, (int)i, names[i], 0);
    json_len += (size_t)sprintf(json + json_len, "%c\"%s\":\"%0*d\"", separator,
                                names[i], FC_ENVELOPE_STRING_MAX, 0);
  }
  len += (size_t)sprintf(body + len, ",\"%02000d\":0}", 0);
  strcpy(json + json_len, "}");
  for (size_t piece = 1; piece < len; piece += 1 + piece) {
    filter(body, len, piece, piece, &outcome);
    check_outcome(&outcome, "all members", json);
  }
#ifndef STATIC_SANITIZER
  ck_assert_uint_le(largest_realloc, FC_ENVELOPE_KEEP_MAX);
#endif
}
END_TEST

START_TEST(an_error_stays) {
  static struct outcome outcome;
  struct fc_envelope envelope;
  fc_envelope_init(&envelope);
  ck_assert_int_eq(fc_envelope_write(&envelope, LITERAL("{,")), FC_ERR_BODY);
  ck_assert_int_eq(fc_envelope_write(&envelope, NULL, 0), FC_ERR_BODY);
  ck_assert_int_eq(fc_envelope_write(&envelope, LITERAL("{}")), FC_ERR_BODY);
  finish(&envelope, &outcome);
  ck_assert_int_eq(outcome.error, FC_ERR_BODY);
  finish(&envelope, &outcome);
  ck_assert_int_eq(outcome.error, FC_ERR_BODY);
  fc_envelope_release(&envelope);
}
END_TEST

START_TEST(a_body_ended_too_early_stays_in_error) {
  static struct outcome outcome;
  struct fc_envelope envelope;
  fc_envelope_init(&envelope);
  ck_assert_int_eq(fc_envelope_write(&envelope, LITERAL("{\"a\":1")), FC_OK);
  finish(&envelope, &outcome);
  ck_assert_int_eq(outcome.error, FC_ERR_BODY);
  ck_assert_int_eq(fc_envelope_write(&envelope, LITERAL("}")), FC_ERR_BODY);
  fc_envelope_release(&envelope);
}
END_TEST

START_TEST(a_body_that_has_ended_may_be_asked_for_twice) {
  static struct outcome outcome;
  struct fc_envelope envelope;
  fc_envelope_init(&envelope);
  ck_assert_int_eq(fc_envelope_write(&envelope, NULL, 0), FC_OK);
  ck_assert_int_eq(fc_envelope_write(&envelope, LITERAL("{\"total\":1}")),
                   FC_OK);
  for (int i = 0; i < 2; i++) {
    finish(&envelope, &outcome);
    check_outcome(&outcome, "a body", "{\"total\":1}");
  }
  fc_envelope_release(&envelope);
}
END_TEST

/* What may be under way when a filter is used anew. */
static const char *const left_over[] = {
    "",
    "{",
    "{}",
    "{,",
    "{\"status\":\"a\"}",
    "{\"status\":\"a\",\"status",
    "{\"error\":\"\\u12",
    "{\"error\":\"\xe2\x82",
    "{\"error\":12.",
    "{\"data\":[[{\"a\":fals",
    "{\"error\":[[[[[[[[[[[[[[[[[[",
};

START_TEST(a_reset_filter_is_as_new) {
  static struct outcome outcome;
  struct fc_envelope envelope;
  fc_envelope_init(&envelope);
  for (int i = 0; i < 2; i++) {
    enum fc_error ignored =
        fc_envelope_write(&envelope, left_over[_i], strlen(left_over[_i]));
    (void)ignored; /* whatever it is */
    if (i == 0)
      fc_envelope_reset(&envelope);
    else
      fc_envelope_release(&envelope);
    ck_assert_int_eq(
        fc_envelope_write(&envelope, LITERAL("{\"status\":\"b\"}")), FC_OK);
    finish(&envelope, &outcome);
    check_outcome(&outcome, left_over[_i], "{\"status\":\"b\"}");
    fc_envelope_reset(&envelope);
  }
  fc_envelope_release(&envelope);
  fc_envelope_release(&envelope);
}
END_TEST

#ifndef STATIC_SANITIZER
START_TEST(memory_that_runs_out_is_an_error_that_stays) {
  static char body[4096];
  static struct outcome outcome;
  struct fc_envelope envelope;
  sprintf(body, "{\"error\":\"%01000d\",\"message\":\"%01000d\",\"status\":0}",
          0, 0);
  int failures = 0;
  if (!realloc_is_ours())
    return;
  for (bool failed = true; failed; failures += failed) {
    fc_envelope_init(&envelope);
    reallocs_left = failures;
    enum fc_error error = fc_envelope_write(&envelope, body, strlen(body));
    failed = reallocs_left == 0 && error;
    reallocs_left = -1;
    ck_assert_int_eq(error, failed ? FC_ERR_MEMORY : FC_OK);
    ck_assert_int_eq(fc_envelope_write(&envelope, " ", 1), error);
    finish(&envelope, &outcome);
    ck_assert_int_eq(outcome.error, error);
    fc_envelope_release(&envelope);
  }
  ck_assert_int_ge(failures, 2);
}
END_TEST

START_TEST(a_reset_filter_keeps_its_memory) {
  static const char body[] = "{\"status\":\"a\",\"b\":1}";
  struct fc_envelope envelope;
  fc_envelope_init(&envelope);
  for (int i = 0; i < 3; i++) {
    reallocs_left = i == 0 ? -1 : 0;
    enum fc_error error = fc_envelope_write(&envelope, body, sizeof(body) - 1);
    reallocs_left = -1;
    ck_assert_int_eq(error, FC_OK);
    fc_envelope_reset(&envelope);
  }
  fc_envelope_release(&envelope);
}
END_TEST
#endif

/* xorshift64: the same numbers in each run. */
static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static size_t random_below(size_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (size_t)(random_state >> 11) % limit;
}

static const char *const seeds[] = {
    "{\"success\":true,\"data\":{\"a\":[1,-2.5e3,\"x\",{}],\"b\":null},"
    "\"status\":\"completed\",\"tokensUsed\":12}",
    "{\"success\":false,\"status\":\"failed\",\"error\":{\"message\":\"\xc3\xbc"
    "\\u00e4\",\"code\":[1,[2,{\"c\":false}]]}}",
    "{ \"data\" : [ \"long enough for several words\" , \"\\\"\\\\\" , [ ] ] "
    ",\n"
    "\t\"error\" : \"\\ud83d\\ude00 \xf0\x9f\x98\x80\" , \"total\" : 0.10 }",
    "{\"data\":[{\"name\":\"\xe6\x97\xa5\xe6\x9c\xac\",\"n\":[0,10,200]},"
    "{\"name\":\"b\",\"n\":[[],[[]]]}],\"status\":\"x\",\"completed\":1}",
};

static const char *const fragments[] = {
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "\n",
    "0",
    "1",
    "12345",
    "-",
    "+",
    ".",
    "e",
    "E1",
    "true",
    "false",
    "null",
    "nul",
    "\\u00",
    "\\u0073",
    "\\ud83d",
    "\\ude00",
    "\\n",
    "\xc3\xbc",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "\xc3",
    "\xe2\x82",
    "\xed\xa0\x80",
    "\x80",
    "\xff",
    "\x01",
    "\"status\":1,",
    "\"error\":",
    "\"x\":{},",
    "\"a\":[[[",
    "[],",
    "{\"a\":0},",
    ",\"data\":[",
    "abcdefgh",
    "12345678",
};

enum { MUTANT_MAX = 4096 };

static size_t splice(char *body, size_t len, size_t at, size_t drop,
                     const char *text, size_t text_len) {
  if (len - drop + text_len > MUTANT_MAX)
    return len;
  memmove(body + at + text_len, body + at + drop, len - at - drop);
  memcpy(body + at, text, text_len);
  return len - drop + text_len;
}

static size_t mutate(char *body, size_t len) {
  char copy[MUTANT_MAX];
  const char *fragment = fragments[random_below(COUNT_OF(fragments))];
  size_t at = random_below(len + 1), rest = len - at;
  size_t span = rest ? random_below(rest < 12 ? rest : 12) : 0;
  switch (random_below(5)) {
  case 0:
    return splice(body, len, at, 0, fragment, strlen(fragment));
  case 1:
    return splice(body, len, at, span, fragment, strlen(fragment));
  case 2:
    return splice(body, len, at, span, "", 0);
  case 3:
    memcpy(copy, body + at, span);
    return splice(body, len, random_below(len + 1), 0, copy, span);
  default:
    if (random_below(50) > 0)
      return len;
    memcpy(copy, body + at, span);
    for (size_t times = random_below(600); times > 0; times--)
      len = splice(body, len, at, 0, copy, span);
    return len;
  }
}

static void filter_at_random(const char *body, size_t len,
                             struct outcome *outcome) {
  struct fc_envelope envelope;
  size_t piece_max = 1 + random_below(len + 1), at = 0;
  fc_envelope_init(&envelope);
  while (at < len) {
    size_t piece = random_below(piece_max + 1);
    piece = piece < len - at ? piece : len - at;
    if (write_piece(&envelope, body + at, piece))
      break;
    at += piece;
  }
  finish(&envelope, outcome);
  fc_envelope_release(&envelope);
}

static bool check_against_reference(const char *body, size_t len) {
  static struct outcome outcome, again;
  char json[FC_ENVELOPE_KEEP_MAX];
  size_t json_len;
  bool good = envelope_reference(body, len, json, &json_len);
  filter_at_random(body, len, &outcome);
  REQUIRE(outcome.error == (good ? FC_OK : FC_ERR_BODY), "%d for %.*s",
          outcome.error, (int)(len < 500 ? len : 500), body);
  if (!good)
    return false;
  REQUIRE(outcome.len == json_len && !memcmp(outcome.json, json, json_len),
          "%.500s of %.*s", outcome.json, (int)(len < 500 ? len : 500), body);
  filter(json, json_len, json_len, 1, &again);
  check_outcome(&again, json, json);
  return true;
}

START_TEST(any_body_in_any_pieces_is_filtered_as_by_the_reference) {
  enum { CASES = 200 * 1000 };
  int accepted = 0;
  for (int i = 0; i < CASES; i++) {
    char body[MUTANT_MAX];
    const char *seed = seeds[random_below(COUNT_OF(seeds))];
    size_t len = strlen(seed);
    memcpy(body, seed, len);
    for (size_t mutations = random_below(4); mutations > 0; mutations--)
      len = mutate(body, len);
    accepted += check_against_reference(body, len);
  }
  ck_assert_int_gt(accepted, CASES / 10);
  ck_assert_int_lt(accepted, CASES * 9 / 10);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("envelope");
  TCase *tcase = tcase_create("envelope");
  tcase_set_timeout(tcase, 60);
  tcase_add_loop_test(tcase, a_value_is_judged_alike_wherever_it_stands, 0,
                      COUNT_OF(values));
  tcase_add_loop_test(tcase, a_body_yields_its_wanted_members_or_an_error, 0,
                      COUNT_OF(bodies));
  tcase_add_test(
      tcase,
      a_recorded_reply_yields_the_same_however_it_is_split_and_nothing_cut);
  tcase_add_loop_test(tcase, nesting_has_its_limits, 0, COUNT_OF(nestings));
  tcase_add_test(tcase, each_level_closes_as_it_opened);
  tcase_add_test(tcase, a_million_levels_need_no_stack);
  tcase_add_test(tcase, forty_megabytes_before_the_status_leave_no_trace);
  tcase_add_loop_test(tcase, a_long_string_is_cut_at_a_character, 0,
                      COUNT_OF(cuts));
  tcase_add_loop_test(tcase, a_value_too_long_to_keep_becomes_null, 0,
                      COUNT_OF(sizes));
  tcase_add_test(tcase, white_space_does_not_count_as_length);
  tcase_add_test(tcase, a_name_of_any_length_is_only_passed_over);
  tcase_add_test(tcase, all_members_at_their_longest_are_kept);
  tcase_add_test(tcase, an_error_stays);
  tcase_add_test(tcase, a_body_ended_too_early_stays_in_error);
  tcase_add_test(tcase, a_body_that_has_ended_may_be_asked_for_twice);
  tcase_add_loop_test(tcase, a_reset_filter_is_as_new, 0, COUNT_OF(left_over));
#ifndef STATIC_SANITIZER
  tcase_add_test(tcase, memory_that_runs_out_is_an_error_that_stays);
  tcase_add_test(tcase, a_reset_filter_keeps_its_memory);
#endif
  tcase_add_test(tcase, any_body_in_any_pieces_is_filtered_as_by_the_reference);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
