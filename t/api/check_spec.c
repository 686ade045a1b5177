/* SPDX-License-Identifier: MIT */

#include "src/api/spec.h"
#include "src/base/macros.h"

#include "t/suite.h"

#include <stdio.h>
#include <string.h>

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define NO_ID                                                                  \
  " is not a job ID: 1 to 63 characters of A-Z a-z 0-9 _ - are expected"
#define NO_NAME                                                                \
  " is not a job name: 1 to 63 characters of A-Z a-z 0-9 _ . - are expected"
#define NO_KIND                                                                \
  " is not a kind of job: one of extract, agent, crawl, batch_scrape is "      \
  "expected"

enum { WORDS_MAX = 8 };

/* Splits text at its blanks; an empty word is "-". */
static size_t split(char *text, char *words[WORDS_MAX]) {
  size_t count = 0;
  for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
    words[count++] = strcmp(word, "-") == 0 ? word + 1 : word;
  return count;
}

static const struct {
  const char *words;
  const char *found; /* "KIND ID NAME", or the reason */
} specs[] = {
    {"a", "extract a ."},
    {"a b", "extract a b"},
    {"crawl a", "crawl a ."},
    {"crawl a b.c", "crawl a b.c"},
    {"batch_scrape a b", "batch_scrape a b"},
    /* One word is an ID, whatever it is the name of. */
    {"crawl", "extract crawl ."},
    {"crawl crawl crawl", "crawl crawl crawl"},
    {"Crawl a", "extract Crawl a"},
    {SIXTY "abc " SIXTY "abc", "extract " SIXTY "abc " SIXTY "abc"},
    /* The kind before a colon. */
    {"crawl:a", "crawl a ."},
    {"extract:a", "extract a ."},
    {"agent:a b", "agent a b"},
    {"batch_scrape:a", "batch_scrape a ."},
    {"crawl:crawl", "crawl crawl ."},
    {"crawl:" SIXTY "abc", "crawl " SIXTY "abc ."},
    {"crawl:", "\"\"" NO_ID},
    {"crawl:a/b", "\"a/b\"" NO_ID},
    {"crawl:a:b", "\"a:b\"" NO_ID},
    {"crawl:a b/c", "\"b/c\"" NO_NAME},
    {"crawl:a crawl:b", "\"crawl:b\"" NO_NAME},
    {"a crawl:b", "\"crawl:b\"" NO_NAME},
    {"crawl crawl:a", "\"crawl:a\"" NO_ID},
    {"agent crawl:a b", "\"crawl:a\"" NO_ID},
    {"crawl:a b c", "expected \"KIND:ID [NAME]\", got 3 words"},
    {"pizza:a", "\"pizza\"" NO_KIND},
    {"Crawl:a", "\"Crawl\"" NO_KIND},
    {":a", "\"\"" NO_KIND},
    {":", "\"\"" NO_KIND},
    {"crawls:a", "\"crawls\"" NO_KIND},
    {"https://host/v1/crawl/a", "\"https\"" NO_KIND},
    /* What is wrong with the others. */
    {"-", "\"\"" NO_ID},
    {"a -", "\"\"" NO_NAME},
    {"- a", "\"\"" NO_ID},
    {"a/b", "\"a/b\"" NO_ID},
    {"a.b", "\"a.b\"" NO_ID},
    {"crawl ../a", "\"../a\"" NO_ID},
    {"a b/c", "\"b/c\"" NO_NAME},
    {"a caf\xc3\xa9", "\"caf\xc3\xa9\"" NO_NAME},
    {"a\x1b[31m", "\"a [31m\"" NO_ID},
    {"a\"b", "\"a\"b\"" NO_ID},
    {SIXTY "abcd", "\"" TEN TEN TEN TEN "01234...\"" NO_ID},
    {"pizza a b", "\"pizza\"" NO_KIND},
    {SIXTY " a b", "\"" TEN TEN TEN TEN "01234...\"" NO_KIND},
    {"crawl a b c", "expected \"[KIND] ID [NAME]\", got 4 words"},
    {"a b c d e", "expected \"[KIND] ID [NAME]\", got 5 words"},
    {"crawl:a b c d", "expected \"[KIND] ID [NAME]\", got 4 words"},
};

START_TEST(words_are_a_kind_an_id_and_a_name) {
  char text[160], found[FC_SPEC_REASON_SIZE] = "", *words[WORDS_MAX];
  struct fc_spec spec = {.kind = NULL};
  (void)snprintf(text, sizeof(text), "%s", specs[_i].words);
  size_t count = split(text, words);
  if (fc_spec_parse(&spec, words, count, found))
    (void)snprintf(found, sizeof(found), "%s %s %s", spec.kind->name, spec.id,
                   spec.name ? spec.name : ".");
  else
    ck_assert(!spec.kind && !spec.id && !spec.name);
  ck_assert_str_eq(found, specs[_i].found);
}
END_TEST

/* src/watch/source.c cuts the quoted word off where the log has more readers
 * than the file. */
START_TEST(a_reason_has_a_word_only_in_quotes_at_its_beginning) {
  char text[160], reason[FC_SPEC_REASON_SIZE], *words[WORDS_MAX];
  struct fc_spec spec;
  (void)snprintf(text, sizeof(text), "%s", specs[_i].words);
  size_t count = split(text, words);
  if (fc_spec_parse(&spec, words, count, reason))
    return;
  const char *rest = reason[0] == '"' ? strrchr(reason, '"') + 1 : reason;
  ck_assert_ptr_nonnull(strstr(rest, " expected") ? rest
                                                  : strstr(rest, "expected "));
  for (size_t i = 0; i < count && strlen(words[i]) > 3; i++)
    if (!fc_spec_kind(&words[i], 2))
      ck_assert_ptr_null(strstr(rest, words[i]));
}
END_TEST

START_TEST(the_first_of_several_words_may_be_a_kind) {
  char *words[] = {(char[]){"crawl"}, (char[]){"a"}};
  ck_assert_ptr_eq(fc_spec_kind(words, 2), fc_kind_get(FC_KIND_CRAWL));
  ck_assert_ptr_null(fc_spec_kind(words, 1));
  ck_assert_ptr_null(fc_spec_kind(words + 1, 1));
  ck_assert_ptr_null(fc_spec_kind(words, 0));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("spec");
  TCase *tests = tcase_create("spec");
  tcase_add_loop_test(tests, words_are_a_kind_an_id_and_a_name, 0,
                      (int)COUNT_OF(specs));
  tcase_add_loop_test(tests,
                      a_reason_has_a_word_only_in_quotes_at_its_beginning, 0,
                      (int)COUNT_OF(specs));
  tcase_add_test(tests, the_first_of_several_words_may_be_a_kind);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
