/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"
#include "src/watch/jobfile.h"

#include "src/api/name.h"
#include "t/suite.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LITERAL(text) text, sizeof(text) - 1

/* What a parse reported, as text: "line:kind:id:name;" for a job and
 * "line!reason;" for a bad line. */
struct report {
  char text[4096];
  size_t used;
  size_t jobs, bad;
  enum fc_error answer; /* of take */
  bool end_at_bad;      /* refuse ends the parse */
};

static enum fc_error take(size_t line, const struct fc_spec *spec, void *data) {
  struct report *report = data;
  ck_assert(fc_id_valid(spec->id, strlen(spec->id)));
  ck_assert(!spec->name || fc_name_valid(spec->name, strlen(spec->name)));
  report->jobs++;
  if (report->used < sizeof(report->text))
    report->used += (size_t)snprintf(report->text + report->used,
                                     sizeof(report->text) - report->used,
                                     "%zu:%s:%s:%s;", line, spec->kind->name,
                                     spec->id, spec->name ? spec->name : "");
  return report->answer;
}

static enum fc_error refuse(size_t line, const char *reason, void *data) {
  struct report *report = data;
  for (const char *at = reason; *at; at++)
    ck_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
  report->bad++;
  if (report->used < sizeof(report->text))
    report->used += (size_t)snprintf(report->text + report->used,
                                     sizeof(report->text) - report->used,
                                     "%zu!%s;", line, reason);
  return report->end_at_bad ? FC_ERR_MEMORY : FC_OK;
}

/* From the heap, so that a sanitizer sees a read behind the end. */
static enum fc_error parse(const char *text, size_t len,
                           struct report *report) {
  char *copy = malloc(len ? len : 1);
  ck_assert_ptr_nonnull(copy);
  memcpy(copy, text, len);
  enum fc_error error = fc_jobfile_parse(copy, len, take, refuse, report);
  free(copy);
  return error;
}

#define NO_ID                                                                  \
  " is not a job ID: 1 to 63 characters of A-Z a-z 0-9 _ - are expected;"
#define NO_NAME                                                                \
  " is not a job name: 1 to 63 characters of A-Z a-z 0-9 _ . - are expected;"
#define NO_KIND                                                                \
  " is not a kind of job: one of extract, agent, crawl, batch_scrape is "      \
  "expected;"
#define WORDS " words;"
#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static const struct {
  const char *text;
  size_t len;
  const char *report;
} texts[] = {
    {LITERAL(""), ""},
    {LITERAL("\n\n \t\n"), ""},
    {LITERAL("a\n"), "1:extract:a:;"},
    {LITERAL("a b\n"), "1:extract:a:b;"},
    {LITERAL("agent a\n"), "1:agent:a:;"},
    {LITERAL("agent a b\n"), "1:agent:a:b;"},
    {LITERAL("batch_scrape a b.c-d_e\n"), "1:batch_scrape:a:b.c-d_e;"},
    {LITERAL("crawl\n"), "1:extract:crawl:;"},
    {LITERAL("crawl crawl crawl\n"), "1:crawl:crawl:crawl;"},
    {LITERAL("Agent a\n"), "1:extract:Agent:a;"},
    {LITERAL("agent:a\ncrawl:b c # d\n"), "1:agent:a:;2:crawl:b:c;"},
    {LITERAL("agent:a b c\n"), "1!expected \"KIND:ID [NAME]\", got 3" WORDS},
    {LITERAL("pizza:a\n"), "1!\"pizza\"" NO_KIND},
    {LITERAL("\t agent\t\ta  b \t\n"), "1:agent:a:b;"},
    {LITERAL("a\r\nb c\r\n\r\n"), "1:extract:a:;2:extract:b:c;"},
    {LITERAL("a\nb\n\nc\n"), "1:extract:a:;2:extract:b:;4:extract:c:;"},
    {LITERAL("# a\n  # b\n#\na # b c d e\nagent a b#c\n"),
     "4:extract:a:;5!\"b#c\"" NO_NAME},
    {LITERAL("a#b\n"), "1!\"a#b\"" NO_ID},
    {LITERAL("# caf\xc3\xa9\na\n"), "2:extract:a:;"},
    {LITERAL("\xef\xbb\xbf"), ""},
    {LITERAL("\xef\xbb\xbf"
             "agent a\n"),
     "1:agent:a:;"},
    {LITERAL("a\n\xef\xbb\xbf"
             "b\n"),
     "1:extract:a:;2!\"?b\"" NO_ID},
    {LITERAL("half-an-id"), ""},
    {LITERAL("a\nhalf-an-id"), "1:extract:a:;"},
    {LITERAL("a\nb\r"), "1:extract:a:;"},
    {LITERAL("a/b\n"), "1!\"a/b\"" NO_ID},
    {LITERAL("../../admin x\n"), "1!\"../../admin\"" NO_ID},
    {LITERAL("a%2e%2e\n"), "1!\"a%2e%2e\"" NO_ID},
    {LITERAL("agent a.b c\n"), "1!\"a.b\"" NO_ID},
    {LITERAL("a caf\xc3\xa9\n"), "1!\"caf\xc3\xa9\"" NO_NAME},
    {LITERAL("a b\xff\n"), "1!\"b?\"" NO_NAME},
    {LITERAL("pizza a b\n"), "1!\"pizza\"" NO_KIND},
    {LITERAL("agent a b c\n"), "1!expected \"[KIND] ID [NAME]\", got 4" WORDS},
    {LITERAL("a b c d e # f\n"),
     "1!expected \"[KIND] ID [NAME]\", got 5" WORDS},
    {LITERAL("a\0b\nc\n"), "1!the line has a control character;2:extract:c:;"},
    {LITERAL("a\rb\n"), "1!the line has a control character;"},
    {LITERAL("a\r\r\n"), "1!the line has a control character;"},
    {LITERAL("a\x1b[31m\n"), "1!the line has a control character;"},
    {LITERAL("a\x7f\n"), "1!the line has a control character;"},
    {LITERAL("# \0\n"), "1!the line has a control character;"},
    {LITERAL(SIXTY "abc " SIXTY "def\n"),
     "1:extract:" SIXTY "abc:" SIXTY "def;"},
    {LITERAL(SIXTY "abcd\n"), "1!\"" TEN TEN TEN TEN "01234...\"" NO_ID},
};

START_TEST(a_text_is_reported_line_by_line) {
  struct report report = {.used = 0};
  ck_assert_int_eq(parse(texts[_i].text, texts[_i].len, &report), FC_OK);
  ck_assert_str_eq(report.text, texts[_i].report);
}
END_TEST

/* Every state of a file that is being written. */
START_TEST(a_line_counts_once_its_newline_is_there) {
  static const char text[] = "agent a\nb c\r\n# d\ncrawl e f\n";
  for (size_t len = 0; len < sizeof(text); len++) {
    struct report report = {.used = 0};
    size_t expected = len >= 27 ? 3 : len >= 13 ? 2 : len >= 8 ? 1 : 0;
    ck_assert_int_eq(parse(text, len, &report), FC_OK);
    ck_assert_uint_eq(report.jobs, expected);
    ck_assert_uint_eq(report.bad, 0);
  }
}
END_TEST

static const struct {
  size_t len;
  const char *end;
  const char *report;
} lines[] = {
    {FC_JOBFILE_LINE_MAX, "\n", ""},
    {FC_JOBFILE_LINE_MAX, "\r\n", ""},
    {FC_JOBFILE_LINE_MAX + 1, "\n", "1!the line is longer than 512 bytes;"},
    {10 * 1024 * 1024, "\nagent a\n",
     "1!the line is longer than 512 bytes;2:agent:a:;"},
    {10 * 1024 * 1024, "", ""},
};

START_TEST(a_long_line_is_refused_as_one) {
  size_t len = lines[_i].len, end = strlen(lines[_i].end);
  struct report report = {.used = 0};
  char *text = malloc(len + end + 1);
  ck_assert_ptr_nonnull(text);
  memset(text, '#', len);
  memcpy(text + len, lines[_i].end, end + 1);
  ck_assert_int_eq(parse(text, len + end, &report), FC_OK);
  ck_assert_str_eq(report.text, lines[_i].report);
  free(text);
}
END_TEST

START_TEST(an_error_of_the_caller_is_a_bad_line) {
  struct report report = {.answer = FC_ERR_EXISTS};
  ck_assert_int_eq(parse(LITERAL("a\nb\n"), &report), FC_OK);
  ck_assert_str_eq(report.text, "1:extract:a:;1!\"a\": exists already;"
                                "2:extract:b:;2!\"b\": exists already;");
}
END_TEST

START_TEST(only_a_lack_of_memory_ends_the_parse) {
  struct report report = {.answer = FC_ERR_MEMORY};
  ck_assert_int_eq(parse(LITERAL("a/b\na\nb\n"), &report), FC_ERR_MEMORY);
  ck_assert_uint_eq(report.jobs, 1);
  ck_assert_uint_eq(report.bad, 1);
  struct report other = {.end_at_bad = true};
  ck_assert_int_eq(parse(LITERAL("a\nb/\nc\n"), &other), FC_ERR_MEMORY);
  ck_assert_uint_eq(other.jobs, 1);
  ck_assert_uint_eq(other.bad, 1);
}
END_TEST

START_TEST(a_line_more_than_there_may_be_is_noticed) {
  ck_assert_uint_eq(fc_jobfile_lines_max(1), FC_JOBFILE_LINES_MIN);
  ck_assert_uint_eq(fc_jobfile_lines_max(500), 1000);
  ck_assert_uint_eq(fc_jobfile_lines_max(501), 1002);
  ck_assert_uint_eq(fc_jobfile_lines_max(10000), 20000);
  ck_assert(!fc_jobfile_has_more_lines("", 0, 0));
  ck_assert(!fc_jobfile_has_more_lines("a", 1, 0));
  ck_assert(fc_jobfile_has_more_lines("a\n", 2, 0));
  ck_assert(!fc_jobfile_has_more_lines("a\n\nb", 4, 2));
  ck_assert(fc_jobfile_has_more_lines("a\n\n\n", 4, 2));
}
END_TEST

#define LONG "fc-01234567"
#define SHORT "test"

static const struct {
  const char *text;
  bool held;
} secrets[] = {
    {"", false},
    {"a\nb\n", false},
    {LONG "\n", true},
    {LONG, true},
    {"a\nb x" LONG "x\n", true},
    {"a # " LONG "\n", true},
    {"fc-0123456\n7\n", false},
    /* A short one is a word of the file's, and a comment has none. */
    {SHORT "\n", true},
    {"a\r\n\textract " SHORT "\r\n", true},
    {"a b " SHORT, true},
    {"extract:" SHORT "\n", true},
    {"a\n" SHORT ":a\n", false},
    {"extract:" SHORT "s extract:x" SHORT " a # b:" SHORT "\n", false},
    {"a#b " SHORT "\n", true},
    {"tests a." SHORT " " SHORT "# -" SHORT "\n", false},
    {"# " SHORT "\na # " SHORT "\n#" SHORT, false},
    {"# x\n" SHORT "\n", true},
    {"a production\nproduction b\n", false},
    {"a x-0123456789abcdef # 0123456789abcdef\n", false},
    {"a 0123456789abcdef\n", true},
    {"agent:0123456789abcdef\n", true},
};

START_TEST(a_secret_in_the_text_is_found) {
  static const struct fc_secret list[] = {{LITERAL(LONG)}, {LITERAL(SHORT)}};
  static const struct fc_secret others[] = {{LITERAL("production")},
                                            {LITERAL("0123456789abcdef")}};
  static const struct fc_secrets more = {others, COUNT_OF(others), NULL};
  static const struct fc_secrets both = {list, COUNT_OF(list), &more};
  const char *text = secrets[_i].text;
  ck_assert_int_eq(fc_jobfile_holds_secret(text, strlen(text), &both),
                   secrets[_i].held);
}
END_TEST

START_TEST(any_bytes_are_survived) {
  static const char some[] = "ab \t\r\n#\0agent crawl/\x1b\xc3\xa9\xff";
  char text[2048];
  srand((unsigned)_i);
  for (int round = 0; round < 500; round++) {
    struct report report = {.used = 0};
    size_t len = (size_t)rand() % sizeof(text);
    for (size_t i = 0; i < len; i++)
      text[i] =
          round % 2 ? (char)rand() : some[(size_t)rand() % (sizeof(some) - 1)];
    ck_assert_int_eq(parse(text, len, &report), FC_OK);
  }
}
END_TEST

static enum fc_error count(size_t line, const struct fc_spec *spec,
                           void *data) {
  (void)line;
  (void)spec;
  ++*(size_t *)data;
  return FC_OK;
}

START_TEST(a_large_file_is_parsed_quickly) {
  enum { LINES = 100000, LINE = 64 };
  char *text = malloc((size_t)LINES * LINE);
  size_t len = 0, jobs = 0;
  struct timespec start, end;
  ck_assert_ptr_nonnull(text);
  for (int i = 0; i < LINES; i++)
    len += (size_t)snprintf(
        text + len, LINE, "agent 0199d3a2-6c1e-7f3a-9a51-%012d job-%d\n", i, i);
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  ck_assert_int_eq(fc_jobfile_parse(text, len, count, refuse, &jobs), FC_OK);
  (void)clock_gettime(CLOCK_MONOTONIC, &end);
  ck_assert_uint_eq(jobs, LINES);
  printf("%d lines: %.1f ms\n", LINES,
         1e3 * (double)(end.tv_sec - start.tv_sec) +
             (double)(end.tv_nsec - start.tv_nsec) / 1e6);
  free(text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("jobfile");
  TCase *tests = tcase_create("jobfile");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, a_text_is_reported_line_by_line, 0,
                      (int)COUNT_OF(texts));
  tcase_add_test(tests, a_line_counts_once_its_newline_is_there);
  tcase_add_loop_test(tests, a_long_line_is_refused_as_one, 0,
                      (int)COUNT_OF(lines));
  tcase_add_test(tests, an_error_of_the_caller_is_a_bad_line);
  tcase_add_test(tests, only_a_lack_of_memory_ends_the_parse);
  tcase_add_test(tests, a_line_more_than_there_may_be_is_noticed);
  tcase_add_loop_test(tests, a_secret_in_the_text_is_found, 0,
                      (int)COUNT_OF(secrets));
  tcase_add_loop_test(tests, any_bytes_are_survived, 0, 4);
  tcase_add_test(tests, a_large_file_is_parsed_quickly);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
