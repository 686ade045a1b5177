/* SPDX-License-Identifier: MIT */

/* The parts of firecrawlctl that need no server and no terminal. */

#include "src/base/macros.h"
#include "src/ctl/check.h"
#include "src/ctl/options.h"
#include "src/ctl/print.h"
#include "src/ctl/register.h"
#include "src/ctl/watched.h"

#include "src/api/name.h"

#include "t/suite.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { NOW = 1764000000 };

static struct ctl_options options;
static struct ctl_reason reason;
static unsigned given;
static int first;

static void set_up(void) {
  ctl_options_init(&options);
  memset(&reason, 0, sizeof(reason));
  (void)unsetenv("FIRECRAWL_API_KEY");
  (void)unsetenv("FIRECRAWL_API_URL");
}

static void tear_down(void) { ctl_options_release(&options); }

static char command_line[1024];

/* Splits at blanks; the words stay where they are until the next call. */
static bool read_words(const char *line) {
  static char *argv[32];
  int argc = 0;
  (void)snprintf(command_line, sizeof(command_line), "firecrawlctl %s", line);
  for (char *word = strtok(command_line, " "); word; word = strtok(NULL, " "))
    argv[argc++] = word;
  argv[argc] = NULL;
  optind = 0; /* getopt starts anew */
  if (!ctl_options_read(&options, argc, argv, &first, &given, &reason))
    return false;
  return ctl_options_words(&options, CTL_WORDS_IDS, argv + first + 1,
                           argc - first - 1, &reason);
}

START_TEST(options_and_words_come_in_any_order) {
  ck_assert(read_words("--url http://h/v2 status --json crawl one two "
                       "--timeout=0.25"));
  ck_assert_str_eq(options.url, "http://h/v2");
  ck_assert(options.json);
  ck_assert_int_eq(options.settings.timeout_ms, 250);
  ck_assert_uint_eq(options.settings.jobs_len, 2);
  ck_assert_int_eq(options.settings.jobs[0].kind->id, FC_KIND_CRAWL);
  ck_assert_str_eq(options.settings.jobs[1].id, "two");
  ck_assert(!ctl_options_fit(given, CTL_LIST, "list", &reason));
  ck_assert(ctl_options_fit(given, CTL_STATUS, "status", &reason));
}
END_TEST

static bool line_has(const char *word) {
  return memmem(command_line, sizeof(command_line), word, strlen(word)) != NULL;
}

static const char *const secret_lines[] = {
    "status --proxy=http://u:s3cret@h:1 --header A:t0ken a",
    "status --proxy http://u:s3cret@h:1 --header=A:t0ken a",
    "status --header A:t0ken --proxy=ftp://u:s3cret@h:1 a",
};

/* All users see the arguments. */
START_TEST(secrets_are_wiped_from_the_arguments) {
  bool taken = read_words(secret_lines[_i]);
  ck_assert_int_eq(taken, _i < 2);
  ck_assert(!line_has("s3cret") && !line_has("t0ken"));
  if (taken) {
    ck_assert_str_eq(options.settings.proxy, "http://u:s3cret@h:1");
    ck_assert_str_eq(options.settings.headers[0], "A:t0ken");
  }
}
END_TEST

START_TEST(each_id_may_have_a_kind_of_its_own) {
  ck_assert(read_words("status crawl:one two agent:three"));
  ck_assert_uint_eq(options.settings.jobs_len, 3);
  ck_assert_int_eq(options.settings.jobs[0].kind->id, FC_KIND_CRAWL);
  ck_assert_str_eq(options.settings.jobs[0].id, "one");
  ck_assert_int_eq(options.settings.jobs[1].kind->id, FC_KIND_EXTRACT);
  ck_assert_int_eq(options.settings.jobs[2].kind->id, FC_KIND_AGENT);
  ck_assert_str_eq(options.settings.jobs[2].id, "three");
}
END_TEST

START_TEST(behind_a_double_dash_an_id_may_begin_with_one) {
  ck_assert(read_words("status -- -id agent"));
  ck_assert_uint_eq(options.settings.jobs_len, 2);
  ck_assert_str_eq(options.settings.jobs[0].id, "-id");
  ck_assert_int_eq(options.settings.jobs[0].kind->id, FC_KIND_EXTRACT);
}
END_TEST

START_TEST(a_word_that_stands_alone_is_an_id) {
  ck_assert(read_words("status agent"));
  ck_assert_str_eq(options.settings.jobs[0].id, "agent");
}
END_TEST

static const struct {
  const char *line, *words;
} refused[] = {
    {"status", "ID of a job is missing"},
    {"status a/b", "is not a job ID"},
    {"status crawl a agent:b", "\"agent:b\" is not a job ID"},
    {"status pizza:a", "\"pizza\" is not a kind of job: one of extract, "},
    {"status a a", "named twice"},
    {"status a crawl:a", "named twice"},
    {"status --timeout", "--timeout needs an argument"},
    {"status -t", "-t needs an argument"},
    {"status --timeout 0.01 a", "0.1 to 86400"},
    {"status --timeout 1e3 a", "0.1 to 86400"},
    {"status --timeout 1.2.3 a", "0.1 to 86400"},
    {"status --timeout . a", "0.1 to 86400"},
    {"status --timeout -5 a", "0.1 to 86400"},
    {"status --timeout 86401 a", "0.1 to 86400"},
    {"check -w 5m a", "seconds to a result's expiry"},
    {"check -w -1 a", "seconds to a result's expiry"},
    {"check -c : a", "seconds to a result's expiry"},
    {"status --api-key=fc-secret a", "--api-key is no option"},
    {"status --key=fc-secret a", "--key-file has to be written in full"},
    {"status --key fc-secret a", "--key-file has to be written in full"},
    {"status --js a", "--json has to be written in full"},
    {"status -x a", "-x is no option"},
    {"status --json=yes a", "--json is no option, or an argument too many"},
    {"status --url= a", "--url: URL is expected"},
    {"status --proxy=http://u:secret/x@h a", "--proxy: "},
    {"status --header=secret a", "--header: a header"},
};

START_TEST(bad_usage_is_told_without_what_may_be_a_key) {
  ck_assert(!read_words(refused[_i].line));
  ck_assert_msg(strstr(reason.text, refused[_i].words) != NULL, "%s",
                reason.text);
  ck_assert_ptr_null(strstr(reason.text, "secret"));
}
END_TEST

START_TEST(a_threshold_may_be_written_as_a_range) {
  ck_assert(read_words("check -w 300: --critical=60 a"));
  ck_assert(options.has_warning);
  ck_assert_int_eq(options.warning_s, 300);
  ck_assert(options.has_critical);
  ck_assert_int_eq(options.critical_s, 60);
}
END_TEST

static const struct {
  const char *words[4];
  const char *id, *name; /* NULL: refused */
} jobs[] = {
    {{"id"}, "id", "id"},
    {{"id", "name"}, "id", "name"},
    {{"crawl", "id"}, "id", "id"},
    {{"crawl", "id", "na.me"}, "id", "na.me"},
    {{"crawl"}, "crawl", "crawl"},
    {{"crawl:id"}, "id", "id"},
    {{"crawl:id", "na.me"}, "id", "na.me"},
    {{"crawl:id", "name", "more"}, NULL, NULL},
    {{"crwal:id"}, NULL, NULL},
    {{"crwal", "id", "name"}, NULL, NULL},
    {{"crawl", "id", "name", "more"}, NULL, NULL},
    {{"id", "na me"}, NULL, NULL},
    {{"id", "na\"me"}, NULL, NULL},
};

START_TEST(a_job_to_register_is_read_as_in_a_jobfile) {
  int count = 0;
  while (count < 4 && jobs[_i].words[count])
    count++;
  bool good = ctl_options_words(&options, CTL_WORDS_JOB,
                                (char *const *)jobs[_i].words, count, &reason);
  ck_assert_msg(good == (jobs[_i].id != NULL), "%s", reason.text);
  if (!good)
    return;
  ck_assert_str_eq(options.settings.jobs[0].id, jobs[_i].id);
  ck_assert_str_eq(options.settings.jobs[0].name, jobs[_i].name);
}
END_TEST

START_TEST(the_environment_serves_where_no_option_does) {
  ck_assert_int_eq(setenv("FIRECRAWL_API_URL", "http://localhost:1/v2", 1), 0);
  ck_assert_int_eq(setenv("FIRECRAWL_API_KEY", "fc-1", 1), 0);
  ck_assert(ctl_options_settle(&options, &reason));
  ck_assert_str_eq(options.settings.url, "http://localhost:1");
  ck_assert_int_eq(options.settings.api_version, FC_API_V2);
  ck_assert_str_eq(options.key.bytes, "fc-1");
}
END_TEST

START_TEST(without_any_url_it_is_the_cloud) {
  ck_assert_int_eq(setenv("FIRECRAWL_API_URL", "", 1), 0);
  ck_assert(ctl_options_settle(&options, &reason));
  ck_assert_str_eq(options.settings.url, FC_DEFAULT_URL);
  ck_assert_ptr_null(options.key.bytes);
}
END_TEST

static const struct {
  const char *url, *version, *key, *key_file, *words;
} unsettled[] = {
    {"ftp://h", NULL, NULL, NULL, "--url: an http or https URL"},
    {"http://h/v1", "v2", NULL, NULL, "differs"},
    {"http://h", "v3", NULL, NULL, "v1 or v2"},
    {"http://h", NULL, "fc secret", NULL, "FIRECRAWL_API_KEY"},
    {"http://h", NULL, NULL, "/nowhere/key", "--key-file: /nowhere/key"},
    {"http://user:secret@h", NULL, NULL, NULL, "--url"},
};

START_TEST(what_cannot_be_settled_is_told_without_secrets) {
  options.url = unsettled[_i].url;
  options.api_version = unsettled[_i].version;
  options.key_file = unsettled[_i].key_file;
  if (unsettled[_i].key)
    ck_assert_int_eq(setenv("FIRECRAWL_API_KEY", unsettled[_i].key, 1), 0);
  ck_assert(!ctl_options_settle(&options, &reason));
  ck_assert_msg(strstr(reason.text, unsettled[_i].words) != NULL, "%s",
                reason.text);
  ck_assert_ptr_null(strstr(reason.text, "secret"));
}
END_TEST

static const struct {
  int64_t seconds;
  const char *text;
} spans[] = {
    {0, "0s"},
    {59, "59s"},
    {60, "1m"},
    {61, "1m1s"},
    {599, "9m59s"},
    {600, "10m"},
    {3599, "59m"},
    {3600, "1h"},
    {11220, "3h7m"},
    {86399, "23h"},
    {86400, "1d"},
    {90000, "1d1h"},
    {-12, "-12s"},
    {-3600, "-1h"},
    {10 * 86400 + 3600, "10d"},
    {INT64_MIN, "-106751991167300d"},
};

START_TEST(a_span_is_short) {
  char text[CTL_SPAN_SIZE];
  ck_assert_str_eq(ctl_span(text, spans[_i].seconds), spans[_i].text);
}
END_TEST

/* What a function prints. */
static char *printed;
static size_t printed_len;

static FILE *print_begin(void) {
  FILE *out = open_memstream(&printed, &printed_len);
  ck_assert_ptr_nonnull(out);
  return out;
}

static void print_is(FILE *out, const char *expected) {
  ck_assert_int_eq(fclose(out), 0);
  ck_assert_str_eq(printed, expected);
  free(printed);
}

START_TEST(a_json_string_is_safe_whatever_the_text) {
  FILE *out = print_begin();
  ctl_json_string(out, "a\"b\\c\n\033[31m\x9b\xff\xc3\xa4");
  ctl_json_string(out, NULL);
  print_is(out, "\"a\\\"b\\\\c [31m??\xc3\xa4\"null");
}
END_TEST

static struct ctl_row row_make(void) {
  return (struct ctl_row){.record = {.id = "id-1",
                                     .error = "no\033[2Jluck",
                                     .facts = {.status = FC_STATUS_FAILED,
                                               .has_percent = true,
                                               .percent = 25,
                                               .has_expires_at = true,
                                               .expires_at_s = NOW + 3600,
                                               .has_credits = true,
                                               .credits = 1234567},
                                     .history = {.kind = FC_KIND_CRAWL}},
                          .now_s = NOW};
}

START_TEST(a_job_is_one_json_object) {
  struct ctl_row row = row_make();
  FILE *out = print_begin();
  ctl_json_row(out, &row);
  print_is(
      out,
      "{\"code\":3,\"id\":\"id-1\",\"kind\":\"crawl\","
      "\"status\":\"failed\","
      "\"expires_at\":\"2025-11-24T17:00:00Z\","
      "\"duration\":null,\"tokens\":null,\"credits\":1234567,\"percent\":25,"
      "\"stalled\":false,\"error\":\"no [2Jluck\","
      "\"expires_in\":3600,\"trouble\":null}");
}
END_TEST

START_TEST(a_table_is_as_wide_as_its_cells) {
  struct ctl_row row = row_make(), other = row_make();
  struct ctl_table *table = ctl_table_new(/* with_names = */ false);
  other.record.id = "longer-id";
  other.record.facts.status = FC_STATUS_NONE;
  other.record.facts.has_percent = other.record.facts.has_credits = false;
  other.record.facts.has_expires_at = false;
  other.record.error = NULL;
  other.problem = "timed out";
  ck_assert(ctl_table_add(table, &row));
  ck_assert(ctl_table_add(table, &other));
  FILE *out = print_begin();
  ctl_table_print(table, out, /* colours = */ false);
  print_is(out,
           "KIND   ID         STATUS  DONE  EXPIRES  BILLED           NOTE\n"
           "crawl  id-1       failed  25%   1h       1234567 credits  "
           "no [2Jluck\n"
           "crawl  longer-id  -       -     -        -                "
           "timed out\n");
  ctl_table_free(table);
}
END_TEST

START_TEST(a_table_has_colours_when_told_to) {
  struct ctl_row row = row_make();
  struct ctl_table *table = ctl_table_new(/* with_names = */ false);
  ck_assert(ctl_table_add(table, &row));
  FILE *out = print_begin();
  ctl_table_print(table, out, /* colours = */ true);
  ck_assert_int_eq(fclose(out), 0);
  ck_assert_ptr_nonnull(strstr(printed, "  \033[31mfailed\033[0m  25%"));
  free(printed);
  ctl_table_free(table);
}
END_TEST

static struct fc_job_spec spec = {NULL, (char *)"id-1", (char *)"id-1"};

static struct ctl_answer answer_make(enum fc_status status) {
  spec.kind = fc_kind_get(FC_KIND_EXTRACT);
  struct ctl_answer answer = {.spec = &spec, .now_s = NOW, .seconds = 0.0125};
  answer.job.facts.status = (int8_t)status;
  return answer;
}

static const struct {
  enum fc_status status;
  bool stalled;
  int64_t left_s; /* until it expires; 0: not known */
  int64_t warning_s, critical_s;
  enum ctl_state state;
  const char *text;
} verdicts[] = {
    {FC_STATUS_COMPLETED, false, 0, 0, 0, CTL_STATE_OK,
     "extract id-1 completed"},
    {FC_STATUS_PROCESSING, false, 0, 0, 0, CTL_STATE_OK,
     "extract id-1 processing"},
    {FC_STATUS_CANCELLED, false, 0, 0, 0, CTL_STATE_WARNING,
     "extract id-1 cancelled"},
    {FC_STATUS_FAILED, false, 0, 0, 0, CTL_STATE_CRITICAL,
     "extract id-1 failed"},
    {FC_STATUS_LOST, false, 0, 0, 0, CTL_STATE_CRITICAL, "extract id-1 lost"},
    {FC_STATUS_UNKNOWN, false, 0, 0, 0, CTL_STATE_UNKNOWN,
     "extract id-1 unknown"},
    {FC_STATUS_NONE, false, 0, 0, 0, CTL_STATE_UNKNOWN,
     "extract id-1 has no answer"},
    {FC_STATUS_PROCESSING, true, 0, 0, 0, CTL_STATE_WARNING,
     "extract id-1 stalled: the server no longer has its record"},
    {FC_STATUS_COMPLETED, false, 299, 300, 60, CTL_STATE_WARNING,
     "extract id-1 completed, but its result expires in 4m59s"},
    {FC_STATUS_COMPLETED, false, 300, 300, 60, CTL_STATE_OK,
     "extract id-1 completed"},
    {FC_STATUS_COMPLETED, false, 59, 300, 60, CTL_STATE_CRITICAL,
     "extract id-1 completed, but its result expires in 59s"},
    {FC_STATUS_COMPLETED, false, -60, 300, 60, CTL_STATE_CRITICAL,
     "extract id-1 completed, but its result has expired 1m ago"},
    {FC_STATUS_PROCESSING, false, 10, 300, 60, CTL_STATE_OK,
     "extract id-1 processing"},
    {FC_STATUS_COMPLETED, false, 10, 0, 0, CTL_STATE_OK,
     "extract id-1 completed"},
};

START_TEST(a_job_has_its_verdict) {
  struct ctl_answer answer = answer_make(verdicts[_i].status);
  struct ctl_verdict verdict;
  answer.job.history.stalled = verdicts[_i].stalled;
  answer.job.facts.has_expires_at = verdicts[_i].left_s != 0;
  answer.job.facts.expires_at_s = NOW + verdicts[_i].left_s;
  options.has_warning = verdicts[_i].warning_s != 0;
  options.warning_s = verdicts[_i].warning_s;
  options.has_critical = verdicts[_i].critical_s != 0;
  options.critical_s = verdicts[_i].critical_s;
  ctl_check_judge(&options, &answer, &verdict);
  ck_assert_int_eq(verdict.state, verdicts[_i].state);
  ck_assert_str_eq(verdict.text, verdicts[_i].text);
}
END_TEST

START_TEST(the_worst_of_several_jobs_counts) {
  struct ctl_answer answers[] = {
      answer_make(FC_STATUS_COMPLETED), answer_make(FC_STATUS_CANCELLED),
      answer_make(FC_STATUS_NONE), answer_make(FC_STATUS_FAILED)};
  static const enum ctl_state states[] = {
      CTL_STATE_OK, CTL_STATE_WARNING, CTL_STATE_UNKNOWN, CTL_STATE_CRITICAL};
  char line[CTL_CHECK_LINE_SIZE];
  for (size_t len = 1; len <= COUNT_OF(answers); len++) {
    ck_assert_int_eq(ctl_check_line(&options, answers, len, line),
                     states[len - 1]);
    ck_assert_int_eq(ctl_state_worse(states[0], states[len - 1]),
                     states[len - 1]);
  }
  ck_assert_str_eq(
      line,
      "FIRECRAWL CRITICAL - 1 failed, 1 cancelled, 1 completed, 1 without an "
      "answer; extract id-1 failed | completed=1;;;0;4 processing=0;;;0;4 "
      "cancelled=1;;;0;4 failed=1;;;0;4 lost=0;;;0;4 unknown=0;;;0;4 "
      "stalled=0;;;0;4 unanswered=1;;;0;4 time=0.013s;;;0");
}
END_TEST

/* https://www.monitoring-plugins.org/doc/guidelines.html, performance data */
START_TEST(a_line_holds_one_bar_whatever_the_server_says) {
  struct ctl_answer answer = answer_make(FC_STATUS_FAILED);
  char line[CTL_CHECK_LINE_SIZE], error[FC_ERROR_TEXT_SIZE];
  memset(error, '|', sizeof(error) - 1);
  error[sizeof(error) - 1] = '\0';
  answer.job.error = error;
  (void)ctl_check_line(&options, &answer, 1, line);
  ck_assert_ptr_eq(strchr(line, '|'), strrchr(line, '|'));
  ck_assert_ptr_nonnull(strstr(line, " | completed=0;;;0;1 "));
}
END_TEST

START_TEST(the_least_time_left_is_in_the_performance_data) {
  struct ctl_answer answers[] = {answer_make(FC_STATUS_COMPLETED),
                                 answer_make(FC_STATUS_COMPLETED),
                                 answer_make(FC_STATUS_PROCESSING)};
  char line[CTL_CHECK_LINE_SIZE];
  for (int i = 0; i < 3; i++) {
    answers[i].job.facts.has_expires_at = true;
    answers[i].job.facts.expires_at_s = NOW + 900 - 300 * i;
  }
  options.has_warning = true;
  options.warning_s = 300;
  ck_assert_int_eq(ctl_check_line(&options, answers, 3, line), CTL_STATE_OK);
  ck_assert_ptr_nonnull(strstr(line, " expiry=600s;300:;"));
}
END_TEST

START_TEST(the_longest_registration_is_not_cut) {
  char line[CTL_COMMAND_SIZE], id[FC_ID_MAX + 1], name[FC_NAME_MAX + 1];
  memset(id, 'i', FC_ID_MAX);
  id[FC_ID_MAX] = '\0';
  memset(name, '.', FC_NAME_MAX);
  name[FC_NAME_MAX] = '\0';
  struct fc_job_spec job = {fc_kind_get(FC_KIND_BATCH_SCRAPE), id, name};
  ctl_register_command(line, /* forget = */ true, name, &job, INT64_MIN);
  ck_assert_uint_lt(strlen(line), CTL_COMMAND_SIZE - 1);
  ck_assert_str_eq(line + strlen(line) - 3, ".\"\n");
}
END_TEST

START_TEST(a_registration_is_as_the_plugin_expects_it) {
  char line[CTL_COMMAND_SIZE];
  struct fc_job_spec job = {fc_kind_get(FC_KIND_AGENT), (char *)"id-1",
                            (char *)"a.b"};
  ctl_register_command(line, /* forget = */ false, "prod", &job, NOW);
  ck_assert_str_eq(line, "PUTNOTIF severity=okay time=1764000000 "
                         "plugin=firecrawl plugin_instance=prod type=agent "
                         "type_instance=id-1 message=\"a.b\"\n");
}
END_TEST

START_TEST(a_value_of_an_instance_is_told_from_others) {
  ck_assert(ctl_register_is_of("1.0 host/firecrawl-prod/api_up\n", "prod"));
  ck_assert(!ctl_register_is_of("1.0 host/firecrawl-prod2/api_up\n", "prod"));
  ck_assert(!ctl_register_is_of("1.0 host/firecrawl-pro/api_up\n", "prod"));
  ck_assert(!ctl_register_is_of("1.0 host/load/load\n", "prod"));
}
END_TEST

static struct ctl_watched watched_make(enum fc_status status) {
  spec.kind = fc_kind_get(FC_KIND_CRAWL);
  struct ctl_watched watched = {.spec = &spec, .has_view = true};
  watched.view.facts.status = (int8_t)status;
  return watched;
}

START_TEST(a_change_is_told_once) {
  struct ctl_watched watched = watched_make(FC_STATUS_PROCESSING);
  struct fc_event event = {.type = FC_EVENT_FAILED, .text = "no luck"};
  FILE *out = print_begin();
  watched.has_view = false;
  ctl_watched_print(&watched, out, NOW);
  watched.has_view = true;
  ctl_watched_print(&watched, out, NOW);
  ctl_watched_print(&watched, out, NOW + 1);
  watched.view.facts.has_percent = true;
  watched.view.facts.percent = 25.9;
  ctl_watched_print(&watched, out, NOW + 2);
  ck_assert(!ctl_watched_has_ended(&watched));
  ctl_watched_take_event(&watched, &event);
  watched.view.facts.status = FC_STATUS_FAILED;
  ctl_watched_print(&watched, out, NOW + 3);
  ck_assert(ctl_watched_has_ended(&watched));
  print_is(out, "2025-11-24T16:00:00Z crawl id-1 processing\n"
                "2025-11-24T16:00:02Z crawl id-1 processing 25%\n"
                "2025-11-24T16:00:03Z crawl id-1 failed 25%: no luck\n");
}
END_TEST

START_TEST(a_stall_that_ends_is_told_too) {
  struct ctl_watched watched = watched_make(FC_STATUS_PROCESSING);
  struct fc_event stalled = {.type = FC_EVENT_STALLED};
  struct fc_event completed = {.type = FC_EVENT_COMPLETED};
  FILE *out = print_begin();
  ctl_watched_take_event(&watched, &stalled);
  ctl_watched_print(&watched, out, NOW);
  ctl_watched_take_event(&watched, &completed);
  watched.view.facts.status = FC_STATUS_COMPLETED;
  ctl_watched_print(&watched, out, NOW);
  print_is(out, "2025-11-24T16:00:00Z crawl id-1 stalled: the server no longer "
                "has its record, or it takes very long\n"
                "2025-11-24T16:00:00Z crawl id-1 completed\n");
}
END_TEST

START_TEST(the_apis_words_stand_behind_any_end_and_no_longer) {
  struct ctl_watched watched = watched_make(FC_STATUS_LOST);
  struct fc_event lost = {.type = FC_EVENT_LOST, .text = "Job expired"};
  struct fc_event found = {.type = FC_EVENT_FOUND};
  struct fc_event cancelled = {.type = FC_EVENT_CANCELLED, .text = "by user"};
  FILE *out = print_begin();
  ctl_watched_take_event(&watched, &lost);
  ctl_watched_print(&watched, out, NOW);
  ctl_watched_take_event(&watched, &found);
  watched.view.facts.status = FC_STATUS_PROCESSING;
  ctl_watched_print(&watched, out, NOW);
  ctl_watched_take_event(&watched, &cancelled);
  watched.view.facts.status = FC_STATUS_CANCELLED;
  ctl_watched_print(&watched, out, NOW);
  print_is(out, "2025-11-24T16:00:00Z crawl id-1 lost: Job expired\n"
                "2025-11-24T16:00:00Z crawl id-1 processing\n"
                "2025-11-24T16:00:00Z crawl id-1 cancelled: by user\n");
}
END_TEST

START_TEST(a_drawn_line_is_never_wider_than_the_terminal) {
  struct ctl_watched watched = watched_make(FC_STATUS_FAILED);
  watched.view.facts.has_percent = true;
  watched.view.facts.percent = 100;
  watched.view.facts.has_duration = true;
  watched.view.facts.duration_s = 12345;
  memset(watched.error, 'e', sizeof(watched.error) - 1);
  for (size_t width = 1; width < 200; width++) {
    FILE *out = print_begin();
    ctl_watched_draw(&watched, out, width, /* colours = */ false);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(printed + printed_len - 4, "\033[K\n");
    ck_assert_msg(printed_len - 4 <= width, "%zu: %s", width, printed);
    free(printed);
  }
}
END_TEST

START_TEST(a_drawn_line_shows_how_much_is_done) {
  struct ctl_watched watched = watched_make(FC_STATUS_PROCESSING);
  watched.view.facts.has_percent = true;
  watched.view.facts.percent = 25;
  FILE *out = print_begin();
  ctl_watched_draw(&watched, out, 80, /* colours = */ true);
  print_is(out, "crawl id-1 \033[36mprocessing\033[0m "
                "[#####...............] 25%\033[K\n");
}
END_TEST

static TCase *case_make(Suite *suite, const char *name) {
  TCase *tests = tcase_create(name);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  suite_add_tcase(suite, tests);
  return tests;
}

static void add_loop(TCase *tests, const TTest *test, size_t count) {
  tcase_add_loop_test(tests, test, 0, (int)count);
}

static void add_options(Suite *suite) {
  TCase *tests = case_make(suite, "options");
  tcase_add_test(tests, options_and_words_come_in_any_order);
  tcase_add_loop_test(tests, secrets_are_wiped_from_the_arguments, 0,
                      (int)COUNT_OF(secret_lines));
  tcase_add_test(tests, each_id_may_have_a_kind_of_its_own);
  tcase_add_test(tests, behind_a_double_dash_an_id_may_begin_with_one);
  tcase_add_test(tests, a_word_that_stands_alone_is_an_id);
  add_loop(tests, bad_usage_is_told_without_what_may_be_a_key,
           COUNT_OF(refused));
  tcase_add_test(tests, a_threshold_may_be_written_as_a_range);
  add_loop(tests, a_job_to_register_is_read_as_in_a_jobfile, COUNT_OF(jobs));
  tcase_add_test(tests, the_environment_serves_where_no_option_does);
  tcase_add_test(tests, without_any_url_it_is_the_cloud);
  add_loop(tests, what_cannot_be_settled_is_told_without_secrets,
           COUNT_OF(unsettled));
}

static void add_print(Suite *suite) {
  TCase *tests = case_make(suite, "print");
  add_loop(tests, a_span_is_short, COUNT_OF(spans));
  tcase_add_test(tests, a_json_string_is_safe_whatever_the_text);
  tcase_add_test(tests, a_job_is_one_json_object);
  tcase_add_test(tests, a_table_is_as_wide_as_its_cells);
  tcase_add_test(tests, a_table_has_colours_when_told_to);
}

static void add_commands(Suite *suite) {
  TCase *tests = case_make(suite, "commands");
  add_loop(tests, a_job_has_its_verdict, COUNT_OF(verdicts));
  tcase_add_test(tests, the_worst_of_several_jobs_counts);
  tcase_add_test(tests, a_line_holds_one_bar_whatever_the_server_says);
  tcase_add_test(tests, the_least_time_left_is_in_the_performance_data);
  tcase_add_test(tests, the_longest_registration_is_not_cut);
  tcase_add_test(tests, a_registration_is_as_the_plugin_expects_it);
  tcase_add_test(tests, a_value_of_an_instance_is_told_from_others);
  tcase_add_test(tests, a_change_is_told_once);
  tcase_add_test(tests, a_stall_that_ends_is_told_too);
  tcase_add_test(tests, the_apis_words_stand_behind_any_end_and_no_longer);
  tcase_add_test(tests, a_drawn_line_is_never_wider_than_the_terminal);
  tcase_add_test(tests, a_drawn_line_shows_how_much_is_done);
}

int main(void) {
  Suite *suite = suite_create("firecrawlctl");
  add_options(suite);
  add_print(suite);
  add_commands(suite);
  return suite_run(suite);
}
