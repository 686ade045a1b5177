/* SPDX-License-Identifier: MIT */

#include "src/base/macros.h"

#include "plugin/config.h"

#include "t/fake/fake_collectd.h"
#include "t/fake/folder.h"
#include "t/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(member) offsetof(struct fc_settings, member)
#define OURS "firecrawl plugin: "
#define DISABLED "; this instance is disabled"
#define NO_REQUEST "; no request is made until it holds a key"
#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define SECRET "fc-0123456789abcdef0123456789abcdef"

enum { TEXT_SIZE = 8192 };

/* Several blocks add up in it, as in the plugin. */
static struct fc_config config;

static char folder[200];

static int read_block(oconfig_item_t *block) {
  fc_config_read(&config, block);
  return 0;
}

static void start(void) {
  test_folder_make(folder, sizeof(folder), "config");
  fake_collectd_reset();
  plugin_register_complex_config("firecrawl", read_block);
}

static void stop(void) {
  ck_assert_msg(!fake_collectd_fault(), "%s", fake_collectd_fault());
  for (size_t i = 0; fake_collectd_log(i, NULL); i++)
    ck_assert_ptr_null(strstr(fake_collectd_log(i, NULL), SECRET));
  fc_config_release(&config);
  fake_collectd_reset();
  ck_assert_int_eq(rmdir(folder), 0);
}

/* The text in a <Plugin> block; "%s" in it is the folder. */
static void configure(const char *text) {
  char whole[TEXT_SIZE];
  size_t used = (size_t)snprintf(whole, sizeof(whole), "<Plugin firecrawl>\n");
  for (; *text && used < sizeof(whole) - sizeof(folder); text++)
    if (strncmp(text, "%s", 2) == 0) {
      used +=
          (size_t)snprintf(whole + used, sizeof(whole) - used, "%s", folder);
      text++;
    } else
      whole[used++] = *text;
  (void)snprintf(whole + used, sizeof(whole) - used, "\n</Plugin>\n");
  oconfig_item_t *root = fake_collectd_config_parse(whole);
  ck_assert_msg(root, "syntax: %s", whole);
  fake_collectd_config_free(root);
  ck_assert_int_eq(fake_collectd_configure(whole), 0);
}

/* The options in an instance "prod" that has a source of jobs. */
static void configure_options(const char *options) {
  char text[TEXT_SIZE];
  int len = snprintf(text, sizeof(text),
                     "<Instance \"prod\">\nJobFile \"/jobs\"\n%s\n</Instance>",
                     options);
  ck_assert_int_lt(len, TEXT_SIZE);
  configure(text);
}

static const struct fc_settings *only_instance(void) {
  ck_assert_uint_eq(config.instances_len, 1);
  return config.instances[0];
}

static void write_file(const char *name, const char *text, mode_t mode) {
  char path[256];
  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(chmod(path, mode), 0);
}

static void remove_file(const char *name) {
  char path[256];
  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  ck_assert_int_eq(remove(path), 0);
}

static const struct {
  const char *options;
  size_t offset;
  int64_t value;
} integers[] = {
    {"Timeout 1", AT(timeout_ms), 1},
    {"Timeout 3600000", AT(timeout_ms), 3600000},
    {"timeout 7", AT(timeout_ms), 7},
    {"TIMEOUT 0x10", AT(timeout_ms), 16},
    {"Timeout 2.0", AT(timeout_ms), 2},
    {"Timeout 8\nTimeout 9", AT(timeout_ms), 9},
    {"MaxConcurrency 1", AT(max_concurrency), 1},
    {"MaxConcurrency 1024", AT(max_concurrency), 1024},
    {"MaxRequestsPerMinute 0", AT(max_requests_per_minute), 0},
    {"MaxRequestsPerMinute 1000000", AT(max_requests_per_minute), 1000000},
    {"MaxJobs 1", AT(max_jobs), 1},
    {"MaxJobs 10000000", AT(max_jobs), 10000000},
    {"MaxBodySize 1024", AT(max_body_bytes), 1024},
    {"MaxBodySize 1099511627776", AT(max_body_bytes), INT64_C(1) << 40},
    {"MaxBodySize \"2048\"", AT(max_body_bytes), 2048},
    {"MaxBodySize \"2048 B\"", AT(max_body_bytes), 2048},
    {"MaxBodySize \"512 KiB\"", AT(max_body_bytes), 524288},
    {"MaxBodySize \"64 MiB\"", AT(max_body_bytes), 67108864},
    {"MaxBodySize \"64MiB\"", AT(max_body_bytes), 67108864},
    {"MaxBodySize \"64  mib\"", AT(max_body_bytes), 67108864},
    {"MaxBodySize \"10 MB\"", AT(max_body_bytes), 10000000},
    {"MaxBodySize \"10 kB\"", AT(max_body_bytes), 10000},
    {"MaxBodySize \"3 GB\"", AT(max_body_bytes), 3000000000},
    {"MaxBodySize \"3 GiB\"", AT(max_body_bytes), 3221225472},
    {"MaxBodySize \"1 TB\"", AT(max_body_bytes), 1000000000000},
    {"MaxBodySize \"1 TiB\"", AT(max_body_bytes), INT64_C(1) << 40},
    {"StallTimeout 0", AT(stall_timeout_s), 0},
    {"StallTimeout 315360000", AT(stall_timeout_s), 315360000},
    {"ExpiryWarning 0", AT(expiry_warning_s), 0},
    {"ExpiryWarning 3600", AT(expiry_warning_s), 3600},
    {"RepeatInterval 14400", AT(repeat_interval_s), 14400},
    {"ForgetAfter 0", AT(forget_after_s), 0},
    {"ForgetAfter 60", AT(forget_after_s), 60},
    {"Interval 0.1", AT(interval_ms), 100},
    {"Interval 0.25", AT(interval_ms), 250},
    {"Interval 1.001", AT(interval_ms), 1001},
    {"Interval 10", AT(interval_ms), 10000},
    {"Interval 86400", AT(interval_ms), 86400000},
};

START_TEST(an_integer_option_is_stored) {
  configure_options(integers[_i].options);
  const char *settings = (const char *)only_instance();
  int64_t value;
  memcpy(&value, settings + integers[_i].offset, sizeof(value));
  ck_assert_int_eq(value, integers[_i].value);
  ck_assert_uint_eq(fake_collectd_log_count(0), 0);
}
END_TEST

static const struct {
  const char *options;
  size_t offset;
  bool value;
} booleans[] = {
    {"AcceptRegistrations true", AT(accept_registrations), true},
    {"AcceptRegistrations false", AT(accept_registrations), false},
    {"acceptregistrations yes", AT(accept_registrations), true},
    {"NotifyCompleted on", AT(notify_completed), true},
    {"NotifyCompleted True", AT(notify_completed), true},
    {"NotifyCompleted \"true\"", AT(notify_completed), true},
    {"NotifyCompleted \"YES\"", AT(notify_completed), true},
    {"NotifyCompleted true\nNotifyCompleted \"Off\"", AT(notify_completed),
     false},
    {"VerifyPeer true", AT(verify_peer), true},
    {"VerifyHost \"yes\"", AT(verify_host), true},
};

START_TEST(a_boolean_option_is_stored) {
  configure_options(booleans[_i].options);
  const char *settings = (const char *)only_instance();
  bool value;
  memcpy(&value, settings + booleans[_i].offset, sizeof(value));
  ck_assert_int_eq(value, booleans[_i].value);
  ck_assert_uint_eq(fake_collectd_log_count(0), 0);
}
END_TEST

static const struct {
  const char *options;
  size_t offset;
  int value;
} words[] = {
    {"JobMetrics all", AT(job_metrics), FC_JOB_METRICS_ALL},
    {"JobMetrics \"Unfinished\"", AT(job_metrics), FC_JOB_METRICS_UNFINISHED},
    {"JobMetrics none", AT(job_metrics), FC_JOB_METRICS_NONE},
    {"AddressFamily any", AT(address_family), FC_FAMILY_ANY},
    {"AddressFamily ipv4", AT(address_family), FC_FAMILY_IPV4},
    {"AddressFamily \"IPv6\"", AT(address_family), FC_FAMILY_IPV6},
    {"", AT(api_version), FC_API_DEFAULT},
    {"APIVersion v1", AT(api_version), FC_API_V1},
    {"APIVersion \"V2\"", AT(api_version), FC_API_V2},
    {"URL \"https://a.example/v1\"", AT(api_version), FC_API_V1},
    {"URL \"https://a.example/v2/\"", AT(api_version), FC_API_V2},
    {"URL \"https://a.example\"\nAPIVersion v2", AT(api_version), FC_API_V2},
    {"APIVersion v2\nURL \"https://a.example\"", AT(api_version), FC_API_V2},
    {"APIVersion v2\nURL \"https://a.example/v2\"", AT(api_version), FC_API_V2},
    {"URL \"https://a.example/v1\"\nURL \"https://a.example/v2\"",
     AT(api_version), FC_API_V2},
    {"URL \"https://a.example/v1\"\nURL \"https://a.example\"", AT(api_version),
     FC_API_DEFAULT},
    {"APIVersion v1\nAPIVersion v2\nURL \"https://a.example/v2\"",
     AT(api_version), FC_API_V2},
};

START_TEST(a_word_option_is_stored) {
  configure_options(words[_i].options);
  const char *settings = (const char *)only_instance();
  int value;
  memcpy(&value, settings + words[_i].offset, sizeof(value));
  ck_assert_int_eq(value, words[_i].value);
  ck_assert_uint_eq(fake_collectd_log_count(0), 0);
}
END_TEST

static const struct {
  const char *options;
  size_t offset;
  const char *value;
} strings[] = {
    {"", AT(name), "prod"},
    {"", AT(url), FC_DEFAULT_URL},
    {"", AT(job_file), "/jobs"},
    {"", AT(api_key), NULL},
    {"", AT(host), NULL},
    {"URL \"https://a.example/fire/v1/\"", AT(url), "https://a.example/fire"},
    {"JobFile \"/other\"", AT(job_file), "/other"},
    {"Host \"crawler\"", AT(host), "crawler"},
    {"Host crawler", AT(host), "crawler"},
    {"CACert \"/ca.pem\"", AT(ca_cert), "/ca.pem"},
    {"CAPath \"/ca\"", AT(ca_path), "/ca"},
    {"ClientCert \"/cert\"", AT(client_cert), "/cert"},
    {"ClientKey \"/key\"", AT(client_key), "/key"},
    {"Proxy \"http://proxy:3128\"", AT(proxy), "http://proxy:3128"},
    {"Proxy \"proxy:3128\"", AT(proxy), "proxy:3128"},
    {"Proxy \"socks5h://u:p%2Fq@[::1]:1080/\"", AT(proxy),
     "socks5h://u:p%2Fq@[::1]:1080/"},
    {"NoProxy \"localhost,a.example\"", AT(no_proxy), "localhost,a.example"},
    {"CACert \"/caf\xc3\xa9 \\\"1\\\"\"", AT(ca_cert), "/caf\xc3\xa9 \"1\""},
};

START_TEST(a_string_option_is_stored) {
  configure_options(strings[_i].options);
  const char *settings = (const char *)only_instance();
  const char *value;
  memcpy(&value, settings + strings[_i].offset, sizeof(value));
  ck_assert_pstr_eq(value, strings[_i].value);
  ck_assert_uint_eq(fake_collectd_log_count(0), 0);
}
END_TEST

START_TEST(jobs_and_headers_are_lists) {
  configure("<Instance prod>\n"
            "Extract \"a\" \"nightly\"\n"
            "agent \"b\"\nCrawl c\nBatchScrape d \"nightly\"\n"
            "Header \"X-A: 1\"\nHeader \"X-B: 2\"\n"
            "</Instance>");
  static const struct {
    enum fc_kind_id kind;
    const char *id, *name;
  } jobs[] = {
      {FC_KIND_EXTRACT, "a", "nightly"},
      {FC_KIND_AGENT, "b", "b"},
      {FC_KIND_CRAWL, "c", "c"},
      {FC_KIND_BATCH_SCRAPE, "d", "nightly"},
  };
  const struct fc_settings *settings = only_instance();
  ck_assert_uint_eq(settings->jobs_len, COUNT_OF(jobs));
  for (size_t i = 0; i < COUNT_OF(jobs); i++) {
    ck_assert_int_eq(settings->jobs[i].kind->id, jobs[i].kind);
    ck_assert_str_eq(settings->jobs[i].id, jobs[i].id);
    ck_assert_str_eq(settings->jobs[i].name, jobs[i].name);
  }
  ck_assert_uint_eq(settings->headers_len, 2);
  ck_assert_str_eq(settings->headers[0], "X-A: 1");
  ck_assert_str_eq(settings->headers[1], "X-B: 2");
  ck_assert_uint_eq(fake_collectd_log_count(0), 0);
}
END_TEST

#define INTEGER(name, from, to, got)                                           \
  name ": expected an integer from " from " to " to ", got " got
#define SIZE                                                                   \
  "MaxBodySize: expected 1024 to 1099511627776 bytes, as a number or as "      \
  "\"64 MiB\", got "
#define INTERVAL "Interval: expected a number from 0.1 to 86400 seconds, got "
#define PROXY                                                                  \
  "Proxy: expected [SCHEME://][USER:PASSWORD@]HOST[:PORT]; not quoted here, "  \
  "it may hold a password: "
#define PROXY_PARTS                                                            \
  "it has a path, a query or a fragment; in a user name or password, \"/\" "   \
  "is written %2F, \"?\" %3F, \"#\" %23"
#define PATH "expected one string, a path of at most 4095 bytes, got "
#define ID(got)                                                                \
  "expected an ID of 1 to 63 characters of A-Z a-z 0-9 _ -, got " got
#define NAME(got)                                                              \
  "expected a name of 1 to 63 characters of A-Z a-z 0-9 _ . -, got " got
#define NO_KEY                                                                 \
  "APIKey: expected one string of 1 to 2048 visible ASCII characters"

static const struct {
  const char *options;
  const char *message; /* between block and end */
} refusals[] = {
    {"Timeout \"abc\"",
     INTEGER("Timeout", "1", "3600000 milliseconds", "\"abc\"")},
    {"Timeout 0", INTEGER("Timeout", "1", "3600000 milliseconds", "0")},
    {"Timeout -1", INTEGER("Timeout", "1", "3600000 milliseconds", "-1")},
    {"Timeout 3600001",
     INTEGER("Timeout", "1", "3600000 milliseconds", "3600001")},
    {"Timeout 1.5", INTEGER("Timeout", "1", "3600000 milliseconds", "1.5")},
    {"Timeout \"5000\"",
     INTEGER("Timeout", "1", "3600000 milliseconds", "\"5000\"")},
    {"Timeout true", INTEGER("Timeout", "1", "3600000 milliseconds", "true")},
    {"Timeout 1 2",
     INTEGER("Timeout", "1", "3600000 milliseconds", "several values")},
    {"<Timeout 1>\nA 1\n</Timeout>",
     INTEGER("Timeout", "1", "3600000 milliseconds", "a block")},
    {"<Timeout>\nA 1\n</Timeout>",
     INTEGER("Timeout", "1", "3600000 milliseconds", "a block")},
    {"Timeout 99999999999999999999999",
     INTEGER("Timeout", "1", "3600000 milliseconds", "1e+23")},
    {"timeout 0", INTEGER("timeout", "1", "3600000 milliseconds", "0")},
    {"MaxConcurrency 0", INTEGER("MaxConcurrency", "1", "1024", "0")},
    {"MaxConcurrency 1025", INTEGER("MaxConcurrency", "1", "1024", "1025")},
    {"MaxRequestsPerMinute -1",
     INTEGER("MaxRequestsPerMinute", "0", "1000000", "-1")},
    {"MaxRequestsPerMinute 1000001",
     INTEGER("MaxRequestsPerMinute", "0", "1000000", "1000001")},
    {"MaxJobs 0", INTEGER("MaxJobs", "1", "10000000", "0")},
    {"MaxJobs 10000001", INTEGER("MaxJobs", "1", "10000000", "10000001")},
    {"StallTimeout -1",
     INTEGER("StallTimeout", "0", "315360000 seconds", "-1")},
    {"StallTimeout 315360001",
     INTEGER("StallTimeout", "0", "315360000 seconds", "315360001")},
    {"ExpiryWarning \"1h\"",
     INTEGER("ExpiryWarning", "0", "315360000 seconds", "\"1h\"")},
    {"RepeatInterval 0.5",
     INTEGER("RepeatInterval", "0", "315360000 seconds", "0.5")},
    {"ForgetAfter false",
     INTEGER("ForgetAfter", "0", "315360000 seconds", "false")},
    {"MaxBodySize 1023", SIZE "1023"},
    {"MaxBodySize 1099511627777", SIZE "1099511627777"},
    {"MaxBodySize 2048.5", SIZE "2048.5"},
    {"MaxBodySize \"\"", SIZE "\"\""},
    {"MaxBodySize \"MiB\"", SIZE "\"MiB\""},
    {"MaxBodySize \"64 XB\"", SIZE "\"64 XB\""},
    {"MaxBodySize \"64 MiB \"", SIZE "\"64 MiB\""},
    {"MaxBodySize \"-64 MiB\"", SIZE "\"-64 MiB\""},
    {"MaxBodySize \"1.5 GiB\"", SIZE "\"1.5 GiB\""},
    {"MaxBodySize \"2 TiB\"", SIZE "\"2 TiB\""},
    {"MaxBodySize \"1 B\"", SIZE "\"1 B\""},
    {"MaxBodySize \"9223372036854775807 TiB\"",
     SIZE "\"9223372036854775807 TiB\""},
    {"MaxBodySize \"99999999999999999999\"", SIZE "\"99999999999999999999\""},
    {"MaxBodySize 64 MiB", SIZE "several values"},
    {"MaxBodySize true", SIZE "true"},
    {"Interval 0", INTERVAL "0"},
    {"Interval -10", INTERVAL "-10"},
    {"Interval 0.09", INTERVAL "0.09"},
    {"Interval 86401", INTERVAL "86401"},
    {"Interval \"10\"", INTERVAL "\"10\""},
    {"Interval true", INTERVAL "true"},
    {"NotifyCompleted 1", "NotifyCompleted: expected true or false, got 1"},
    {"NotifyCompleted \"maybe\"",
     "NotifyCompleted: expected true or false, got \"maybe\""},
    {"VerifyPeer true false",
     "VerifyPeer: expected true or false, got several values"},
    {"VerifyHost \"\"", "VerifyHost: expected true or false, got \"\""},
    {"AcceptRegistrations tru",
     "AcceptRegistrations: expected true or false, got \"tru\""},
    {"JobMetrics \"some\"",
     "JobMetrics: expected all|unfinished|none, got \"some\""},
    {"JobMetrics \"all|unfinished\"",
     "JobMetrics: expected all|unfinished|none, got \"all|unfinished\""},
    {"JobMetrics \"" SECRET "\"",
     "JobMetrics: expected all|unfinished|none, got \"fc-...\""},
    {"JobMetrics \"\"", "JobMetrics: expected all|unfinished|none, got \"\""},
    {"JobMetrics true", "JobMetrics: expected all|unfinished|none, got true"},
    {"AddressFamily 4", "AddressFamily: expected any|ipv4|ipv6, got 4"},
    {"APIVersion \"v3\"", "APIVersion: expected v1|v2, got \"v3\""},
    {"APIVersion 1", "APIVersion: expected v1|v2, got 1"},
    {"URL \"https://a.example/v2\"\nAPIVersion \"v1\"",
     "APIVersion: expected the version that the URL \"https://a.example/v2\" "
     "ends in, or no APIVersion, got \"v1\""},
    {"APIVersion V2\nURL \"https://a.example/v1/\"",
     "APIVersion: expected the version that the URL \"https://a.example/v1/\" "
     "ends in, or no APIVersion, got \"V2\""},
    {"URL \"ftp://a.example\"",
     "URL: expected an http or https URL, got \"ftp://a.example\": the scheme "
     "is neither http nor https"},
    {"URL 1", "URL: expected one string, an http or https URL, got 1"},
    {"URL \"https://user:" SECRET "@a.example\"",
     "URL: expected an http or https URL, got another: has a user name in it"},
    {"URL \"https://a.example/?key=" SECRET "\"",
     "URL: expected an http or https URL, got another: has a query"},
    {"JobFile \"\"", "JobFile: " PATH "an empty one"},
    {"JobFile 1", "JobFile: " PATH "1"},
    {"JobFile \"a\nb\"", "JobFile: " PATH "one with control characters"},
    {"JobFile \"/a\" \"/b\"", "JobFile: " PATH "several values"},
    {"CACert true", "CACert: " PATH "true"},
    {"Host \"" SIXTY SIXTY TEN "\"",
     "Host: expected one string, a host name of at most 127 bytes, got a "
     "longer one"},
    {"Host \"a\x1b[31m\"",
     "Host: expected one string, a host name of at most 127 bytes, got one "
     "with control characters"},
    {"Proxy 3128", "Proxy: expected one string, a proxy's URL"},
    /* What is not encoded becomes a port, a path, a query or a fragment. */
    {"Proxy \"http://user:12/" SECRET "@host:3128\"", PROXY PROXY_PARTS},
    {"Proxy \"http://user:12?" SECRET "@host:3128\"", PROXY PROXY_PARTS},
    {"Proxy \"http://user:12#" SECRET "@host:3128\"", PROXY PROXY_PARTS},
    {"Proxy \"ftp://user:" SECRET "@host\"",
     PROXY "the scheme is none of http, https, socks4, socks4a, socks5, "
           "socks5h"},
    {"Header \"Authorization " SECRET "\"",
     "Header: expected one string \"Name: value\""},
    {"Header \"X-A: a\nX-B: b\"",
     "Header: expected one string \"Name: value\""},
    {"Header \"X-A\" \"" SECRET "\"",
     "Header: expected one string \"Name: value\""},
    {"Extract \"../../admin\"", "Extract: " ID("\"../../admin\"")},
    {"Extract \"\"", "Extract: " ID("\"\"")},
    {"Extract \"a.b\" \"c\"", "Extract: " ID("\"a.b\"")},
    {"Extract \"a\tb\"", "Extract: " ID("\"a b\"")},
    {"Agent \"" SIXTY "1234\"", "Agent: " ID("\"" SIXTY "1234\"")},
    {"Agent \"" SIXTY TEN TEN "\"", "Agent: " ID("\"" SIXTY "012345...\"")},
    {"Crawl \"a\" \"b c\"", "Crawl: " NAME("\"b c\"")},
    {"BatchScrape \"a\" \"\"", "BatchScrape: " NAME("\"\"")},
    {"Extract 7", "Extract: expected an ID and perhaps a name, both strings"},
    {"Extract \"a\" 7",
     "Extract: expected an ID and perhaps a name, both strings"},
    {"Extract \"a\" \"b\" \"c\"",
     "Extract: expected an ID and perhaps a name, both strings"},
    {"<Extract \"a\">\nName \"b\"\n</Extract>",
     "Extract: expected an ID and perhaps a name, both strings"},
    {"Extract \"a\"\nExtract \"a\"", "Extract: the ID \"a\" is there already"},
    {"Extract \"a\" \"b\"\nAgent \"a\" \"c\"",
     "Agent: the ID \"a\" is there already"},
    {"APIKey \"\"", NO_KEY},
    {"APIKey \"" SECRET " \"", NO_KEY},
    {"APIKey \"" SECRET "\nX: y\"", NO_KEY},
    {"APIKey \"" SECRET "\" \"" SECRET "\"", NO_KEY},
    {"APIKey \"" SECRET "\"\nAPIKeyFile \"/key\"",
     "APIKey: expected one of APIKey and APIKeyFile, got both"},
    {"APIKeyFile \"\"", "APIKeyFile: " PATH "an empty one"},
    {"Timeout 0\nMaxJobs 0",
     INTEGER("Timeout", "1", "3600000 milliseconds", "0")},
};

START_TEST(a_bad_value_disables_its_instance_with_one_line) {
  char line[1024];
  (void)snprintf(line, sizeof(line), OURS "<Instance \"prod\">: %s" DISABLED,
                 refusals[_i].message);
  configure_options(refusals[_i].options);
  ck_assert_uint_eq(config.instances_len, 0);
  ck_assert(config.has_invalid);
  ck_assert_uint_eq(fake_collectd_log_count(0), 1);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 1);
  ck_assert_str_eq(fake_collectd_log(0, NULL), line);
}
END_TEST

static const char *const bad_proxies[] = {
    "http://user:" SECRET "@proxy\t", "http://user:" SECRET "/ss@host:3128",
    "user:" SECRET "/ss@host:3128",   "http://user:12/" SECRET "@host",
    "http://user:" SECRET "@",        "ftp://user:" SECRET "@host",
    "http://user:" SECRET "%00@host", "http://" SECRET "/x",
};

/* libcurl's reasons differ from version to version. */
START_TEST(instances_that_are_one_in_graphite_are_told_of) {
  configure("<Instance \"a.b\">\nExtract a\n</Instance>\n"
            "<Instance \"a-b\">\nExtract a\n</Instance>\n"
            "<Instance \"a_b\">\nExtract a\n</Instance>\n");
  ck_assert_uint_eq(config.instances_len, 3);
  ck_assert_uint_eq(fake_collectd_log_count(0), 1);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_WARNING), 1);
  ck_assert_str_eq(fake_collectd_log(0, NULL),
                   OURS "the instances \"a_b\" and \"a.b\" become one in "
                        "Graphite, where \".\" is \"_\": rename one of them");
}
END_TEST

START_TEST(a_refused_proxy_is_not_quoted) {
  char option[256];
  (void)snprintf(option, sizeof(option), "Proxy \"%s\"", bad_proxies[_i]);
  configure_options(option);
  const char *line = fake_collectd_log(0, NULL);
  ck_assert_uint_eq(fake_collectd_log_count(0), 1);
  ck_assert_uint_eq(config.instances_len, 0);
  ck_assert_ptr_nonnull(strstr(line, PROXY));
  ck_assert_ptr_null(strstr(line, SECRET));
}
END_TEST

START_TEST(a_bad_instance_leaves_the_others) {
  char text[TEXT_SIZE];
  (void)snprintf(text, sizeof(text),
                 "<Instance \"one\">\nExtract a\n</Instance>\n"
                 "<Instance \"prod\">\nJobFile \"/jobs\"\n%s\n</Instance>\n"
                 "<Instance \"two\">\nExtract a\n</Instance>\n",
                 refusals[_i].options);
  configure(text);
  ck_assert_uint_eq(config.instances_len, 2);
  ck_assert_str_eq(config.instances[0]->name, "one");
  ck_assert_str_eq(config.instances[1]->name, "two");
  ck_assert_uint_eq(fake_collectd_log_count(0), 1);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), 1);
}
END_TEST

#define BAD_NAME                                                               \
  "expected a name of 1 to 63 characters of A-Z a-z 0-9 _ . -, such as "       \
  "<Instance \"prod\">"
#define JOB "\nExtract \"a\"\n</Instance>\n"

static const struct {
  const char *text;
  bool has_invalid;
  size_t instances;
  int severity; /* of the message; 0 where there is none */
  const char *message;
} blocks[] = {
    {"", false, 0, 0, NULL},
    {"StateFile \"/state.db\"", false, 0, 0, NULL},
    {"StateFile 1", false, 0, LOG_ERR,
     "StateFile: expected one string, a path, got 1; this line is ignored"},
    {"StateFile \"\"\n<Instance a>" JOB, false, 1, LOG_ERR,
     "StateFile: expected one string, a path, got \"\"; this line is ignored"},
    {"<Instance a>" JOB, false, 1, 0, NULL},
    {"<Instance \"a.b_c-d\">" JOB, false, 1, 0, NULL},
    {"<Instance \"" SIXTY "123\">" JOB, false, 1, 0, NULL},
    {"<instance A>\nextract a\n</instance>\n<INSTANCE a>\nEXTRACT a\n"
     "</INSTANCE>",
     false, 2, 0, NULL},
    {"<Instance a>" JOB "Colour \"red\"", false, 1, LOG_WARNING,
     "<Plugin firecrawl>: unknown option \"Colour\""},
    {"<Instance a>\nColour \"" SECRET "\"" JOB, false, 1, LOG_WARNING,
     "<Instance \"a\">: unknown option \"Colour\""},
    {"<Instance a>\nURLs \"http://x\"" JOB, false, 1, LOG_WARNING,
     "<Instance \"a\">: unknown option \"URLs\""},
    {"<Instance a>\n<Job b>\nID \"c\"\n</Job>" JOB, false, 1, LOG_WARNING,
     "<Instance \"a\">: unknown option \"Job\""},
    {"<Instance a>\nStateFile \"/x\"" JOB, false, 1, LOG_WARNING,
     "<Instance \"a\">: unknown option \"StateFile\""},
    {"Timeout 5\n<Instance a>" JOB, false, 1, LOG_WARNING,
     "<Plugin firecrawl>: unknown option \"Timeout\": it belongs in an "
     "<Instance>"},
    {"Extract \"a\"\n<Instance a>" JOB, false, 1, LOG_WARNING,
     "<Plugin firecrawl>: unknown option \"Extract\": it belongs in an "
     "<Instance>"},
    {"<Instance>" JOB, true, 0, LOG_ERR, "<Instance>: " BAD_NAME DISABLED},
    {"<Instance \"\">" JOB, true, 0, LOG_ERR,
     "<Instance \"\">: " BAD_NAME DISABLED},
    {"<Instance \"a b\">" JOB, true, 0, LOG_ERR,
     "<Instance \"a b\">: " BAD_NAME DISABLED},
    {"<Instance \"a/b\">" JOB, true, 0, LOG_ERR,
     "<Instance \"a/b\">: " BAD_NAME DISABLED},
    {"<Instance \"a\nb\">" JOB, true, 0, LOG_ERR,
     "<Instance \"a b\">: " BAD_NAME DISABLED},
    {"<Instance \"" SIXTY "1234\">" JOB, true, 0, LOG_ERR,
     "<Instance \"" SIXTY "1234\">: " BAD_NAME DISABLED},
    {"<Instance 5>" JOB, true, 0, LOG_ERR, "<Instance 5>: " BAD_NAME DISABLED},
    {"<Instance true>" JOB, true, 0, LOG_ERR,
     "<Instance true>: " BAD_NAME DISABLED},
    {"<Instance a b>" JOB, true, 0, LOG_ERR,
     "<Instance \"a\">: " BAD_NAME DISABLED},
    {"<Instance a>" JOB "<Instance a>" JOB, true, 1, LOG_ERR,
     "<Instance \"a\">: there is an instance of that name already" DISABLED},
    {"<Instance a>\nTimeout 5\n</Instance>", true, 0, LOG_ERR,
     "<Instance \"a\">: no job and no source of jobs: expected Extract, Agent, "
     "Crawl, BatchScrape, JobFile or AcceptRegistrations true" DISABLED},
    {"Instance a", true, 0, LOG_ERR,
     "<Instance \"a\">: no job and no source of jobs: expected Extract, Agent, "
     "Crawl, BatchScrape, JobFile or AcceptRegistrations true" DISABLED},
    {"<Instance a>\nAcceptRegistrations false\n</Instance>", true, 0, LOG_ERR,
     "<Instance \"a\">: no job and no source of jobs: expected Extract, Agent, "
     "Crawl, BatchScrape, JobFile or AcceptRegistrations true" DISABLED},
    {"<Instance a>\nAcceptRegistrations true\n</Instance>", false, 1, 0, NULL},
    {"<Instance a>\nJobFile \"/no/such/file\"\n</Instance>", false, 1, 0, NULL},
    {"<Instance a>\nAPIKey \"" SECRET "\"" JOB, false, 1, LOG_NOTICE,
     "<Instance \"a\">: APIKey: a key in APIKeyFile is better protected than "
     "one in the configuration"},
    {"<Instance a>\nVerifyPeer false" JOB, false, 1, LOG_WARNING,
     "<Instance \"a\">: VerifyPeer, VerifyHost: the server's certificate is "
     "not verified: anybody on the way can read the API key"},
    {"<Instance a>\nVerifyHost false" JOB, false, 1, LOG_WARNING,
     "<Instance \"a\">: VerifyPeer, VerifyHost: the server's certificate is "
     "not verified: anybody on the way can read the API key"},
    {"<Instance a>\nURL \"http://a.example\"" JOB, false, 1, 0, NULL},
};

START_TEST(a_block_is_taken_or_refused_as_a_whole) {
  char line[1024];
  configure(blocks[_i].text);
  ck_assert_uint_eq(config.instances_len, blocks[_i].instances);
  ck_assert_int_eq(config.has_invalid, blocks[_i].has_invalid);
  ck_assert_uint_eq(fake_collectd_log_count(0), blocks[_i].message ? 1 : 0);
  if (!blocks[_i].message)
    return;
  int severity = 0;
  (void)snprintf(line, sizeof(line), OURS "%s", blocks[_i].message);
  ck_assert_str_eq(fake_collectd_log(0, &severity), line);
  ck_assert_int_eq(severity, blocks[_i].severity);
}
END_TEST

START_TEST(a_key_in_the_clear_is_a_warning) {
  configure_options("URL \"http://a.example\"\nAPIKey \"" SECRET "\"");
  ck_assert_uint_eq(fake_collectd_log_count(0), 2);
  ck_assert_uint_eq(fake_collectd_log_count(LOG_WARNING), 1);
  ck_assert_ptr_nonnull(fake_collectd_log_find(
      "URL: the API key crosses the network in the clear: use https"));
  ck_assert_str_eq(only_instance()->api_key, SECRET);
}
END_TEST

START_TEST(blocks_add_up) {
  configure("StateFile \"/state.db\"");
  configure("<Instance a>" JOB);
  configure("<Instance b>" JOB);
  configure("");
  ck_assert_uint_eq(fake_collectd_log_count(0), 0);
  configure("<Instance a>\nTimeout 1" JOB);
  ck_assert_uint_eq(fake_collectd_log_count(0), 1);
  ck_assert_ptr_nonnull(fake_collectd_log_find(
      "<Instance \"a\">: there is an instance of that name already" DISABLED));
  ck_assert_uint_eq(config.instances_len, 2);
  ck_assert_int_eq(config.instances[0]->timeout_ms, 5000);
  ck_assert_str_eq(config.state_file, "/state.db");
  configure("StateFile \"/other.db\"");
  ck_assert_str_eq(config.state_file, "/other.db");
  configure("StateFile 1");
  ck_assert_str_eq(config.state_file, "/other.db");
}
END_TEST

START_TEST(the_name_of_a_disabled_instance_is_free) {
  configure("<Instance a>\nTimeout 0" JOB "<Instance a>" JOB);
  ck_assert_int_eq(only_instance()->timeout_ms, 5000);
}
END_TEST

START_TEST(a_released_configuration_is_empty) {
  configure("StateFile \"/state.db\"\n<Instance a>" JOB);
  fc_config_release(&config);
  ck_assert_ptr_null(config.state_file);
  ck_assert_ptr_null(config.instances);
  ck_assert_uint_eq(config.instances_len, 0);
  fc_config_release(&config);
}
END_TEST

static const struct {
  const char *text;
  mode_t mode;
  int severity;        /* of the message; 0 where there is none */
  const char *message; /* behind the path */
} key_files[] = {
    {SECRET "\n", 0600, 0, NULL},
    {SECRET, 0400, 0, NULL},
    {SECRET "\n", 0640, LOG_WARNING, " is readable or writable by others than"},
    {SECRET "\n", 0604, LOG_WARNING, " is readable or writable by others than"},
    {SECRET "\n", 0622, LOG_WARNING, " is readable or writable by others than"},
    {"", 0600, LOG_WARNING, " is empty" NO_REQUEST},
    {"\n", 0600, LOG_WARNING, " is empty" NO_REQUEST},
    {SECRET " " SECRET "\n", 0600, LOG_WARNING, " has white space inside"},
    {SECRET "\n" SECRET "\n", 0600, LOG_WARNING, " has white space inside"},
    {SECRET "\x7f", 0600, LOG_WARNING, " has bytes that no key has"},
};

static void assert_key_file_line(int wanted_severity, const char *wanted) {
  char expected[512];
  int severity = 0;
  (void)snprintf(expected, sizeof(expected),
                 OURS "<Instance \"prod\">: APIKeyFile: %s", wanted);
  ck_assert_uint_eq(config.instances_len, 1);
  ck_assert_uint_eq(fake_collectd_log_count(0), 1);
  const char *line = fake_collectd_log(0, &severity);
  ck_assert_int_eq(severity, wanted_severity);
  ck_assert_msg(strncmp(line, expected, strlen(expected)) == 0, "%s", line);
}

START_TEST(a_key_file_is_tried) {
  char line[400];
  write_file("key", key_files[_i].text, key_files[_i].mode);
  configure_options("APIKeyFile \"%s/key\"");
  remove_file("key");
  ck_assert_uint_eq(config.instances_len, 1);
  (void)snprintf(line, sizeof(line), "%s/key%s", folder,
                 key_files[_i].message ? key_files[_i].message : "");
  if (key_files[_i].message)
    assert_key_file_line(key_files[_i].severity, line);
  else
    ck_assert_uint_eq(fake_collectd_log_count(0), 0);
}
END_TEST

static const struct {
  const char *option, *message;
} no_key_files[] = {
    {"APIKeyFile \"" SECRET "\"",
     "fc-... cannot be opened: No such file or directory" NO_REQUEST},
    {"APIKeyFile \"/no/such/file\"",
     "/no/such/file cannot be opened: No such file or directory" NO_REQUEST},
    {"APIKeyFile \"/dev/null\"", "/dev/null is no regular file" NO_REQUEST},
};

START_TEST(a_key_file_that_is_not_there_is_waited_for) {
  configure_options(no_key_files[_i].option);
  assert_key_file_line(LOG_WARNING, no_key_files[_i].message);
}
END_TEST

static const char *const names[] = {
    "URL",          "APIVersion",     "APIKey",
    "APIKeyFile",   "Header",         "JobFile",
    "Interval",     "Timeout",        "MaxConcurrency",
    "MaxJobs",      "MaxBodySize",    "MaxRequestsPerMinute",
    "StallTimeout", "ExpiryWarning",  "NotifyCompleted",
    "ForgetAfter",  "RepeatInterval", "AcceptRegistrations",
    "JobMetrics",   "Host",           "CACert",
    "CAPath",       "ClientCert",     "ClientKey",
    "VerifyPeer",   "VerifyHost",     "Proxy",
    "NoProxy",      "AddressFamily",  "Extract",
    "Agent",        "Crawl",          "BatchScrape",
    "StateFile",    "Instance",       "X",
};

static const char *const values[] = {
    "0",
    "-1",
    "1.5",
    "64",
    "1e308",
    "\"\"",
    "\" \"",
    "\"" SECRET "\"",
    "true",
    "off",
    "\"a\" \"b\"",
    "\"a\" 1",
    "1 2 3 4",
    "\"https://a.example/v1\"",
    "\"v2\"",
    "\"Name: value\"",
    "\"all\"",
    "\"\n\r\x1b[2J\x07\"",
    "\"\xff\xfe\xc3\"",
    "\"\xe2\x80\xa8%s%n%%\"",
    "\"" SIXTY SIXTY SIXTY SIXTY SIXTY SIXTY SIXTY SIXTY "\"",
};

static double random_number(void) {
  static const double numbers[] = {0.0 / 0.0, 1.0 / 0.0, -1.0 / 0.0, 1e300,
                                   -0.0,      9.3e18,    5e-324};
  return numbers[(size_t)rand() % COUNT_OF(numbers)];
}

/* What the parser would never make, and a caller might. */
static void distort(oconfig_item_t *item) {
  for (int i = 0; i < item->values_num; i++)
    if (item->values[i].type == OCONFIG_TYPE_NUMBER && rand() % 4 == 0)
      item->values[i].value.number = random_number();
  for (int i = 0; i < item->children_num; i++)
    distort(&item->children[i]);
}

static void add_random_options(char *text, size_t size, size_t used) {
  for (int i = rand() % 4; i >= 0; i--) {
    const char *name = names[(size_t)rand() % COUNT_OF(names)];
    const char *value = values[(size_t)rand() % COUNT_OF(values)];
    bool is_block = rand() % 8 == 0;
    used +=
        (size_t)snprintf(text + used, size - used,
                         is_block ? "<%s %s>\nTimeout 0\n</%s>\n" : "%s %s\n",
                         name, value, name);
  }
  (void)snprintf(text + used, size - used, "</Instance>\n</Plugin>\n");
}

/* Any option with any value: one ERROR at most for the instance, and an answer
 * that fits what is there. */
START_TEST(any_configuration_has_a_clear_answer) {
  enum { ROUNDS = 2000 };
  static char text[TEXT_SIZE];
  srand((unsigned)_i);
  for (int round = 0; round < ROUNDS; round++) {
    int used = snprintf(text, sizeof(text),
                        "<Plugin firecrawl>\n<Instance a>\nExtract \"i\"\n");
    add_random_options(text, sizeof(text), (size_t)used);
    oconfig_item_t *root = fake_collectd_config_parse(text);
    ck_assert_msg(root, "%s", text);
    distort(root);
    fc_config_read(&config, &root->children[0]);
    fake_collectd_config_free(root);
    ck_assert_uint_eq(config.instances_len, config.has_invalid ? 0 : 1);
    ck_assert_uint_eq(fake_collectd_log_count(LOG_ERR), config.has_invalid);
    ck_assert_msg(!fake_collectd_fault(), "%s: %s", text,
                  fake_collectd_fault());
    ck_assert_msg(!fake_collectd_log_find(SECRET), "%s", text);
    fc_config_release(&config);
    fake_collectd_clear();
  }
}
END_TEST

static const struct {
  const char *text;
  const char *tree; /* NULL: a syntax error */
} syntaxes[] = {
    {"", ""},
    {"\n# a\n  \n", ""},
    {"A 1", "A=1;"},
    {"A 1 # b\nB \"#\"\n", "A=1;B=\"#\";"},
    {"A 0x10 -2 +3 .5 1.5e+3 010", "A=16,-2,3,0.5,1500,10;"},
    {"A true yes on false no off", "A=t,t,t,f,f,f;"},
    {"A True one 5a \"true\"", "A=\"True\",\"one\",\"5a\",\"true\";"},
    {"A \"b \\\"c\\\" \\\\ d\"", "A=\"b \"c\" \\ d\";"},
    {"A \"b \\\n   c\"", "A=\"b c\";"},
    {"A \\\n b", "A=\"b\";"},
    {"<A b>\nC 1\n<D>\nE 2\n</D>\n</A>\nF 3", "A=\"b\"{C=1;D{E=2;}}F=3;"},
    {"<A>\n</A>\n<B 1>\n</B>", "B=1;"},
    {"A", NULL},
    {"A <", NULL},
    {"1 2", NULL},
    {"A \"b", NULL},
    {"A b.c", NULL},
    {"<A>\nB 1", NULL},
    {"<A>\nB 1\n</C>", NULL},
    {"<A> B 1\n</A>", NULL},
    {"</A>", NULL},
    {"<A b\n</A>", NULL},
    {"<\"A\">\n</A>", NULL},
};

static void show_value(const oconfig_value_t *value, char *text, size_t size) {
  if (value->type == OCONFIG_TYPE_STRING)
    (void)snprintf(text, size, "\"%s\"", value->value.string);
  else if (value->type == OCONFIG_TYPE_NUMBER)
    (void)snprintf(text, size, "%g", value->value.number);
  else
    (void)snprintf(text, size, "%s", value->value.boolean ? "t" : "f");
}

static void show(const oconfig_item_t *parent, char *text, size_t size) {
  for (int i = 0; i < parent->children_num; i++) {
    const oconfig_item_t *item = &parent->children[i];
    (void)snprintf(text + strlen(text), size - strlen(text), "%s", item->key);
    for (int j = 0; j < item->values_num; j++) {
      (void)snprintf(text + strlen(text), size - strlen(text), "%s",
                     j ? "," : "=");
      show_value(&item->values[j], text + strlen(text), size - strlen(text));
    }
    (void)snprintf(text + strlen(text), size - strlen(text), "%s",
                   item->children_num ? "{" : ";");
    show(item, text, size);
    if (item->children_num)
      (void)snprintf(text + strlen(text), size - strlen(text), "}");
  }
}

/* Of the stand-in: what it reads is what these tests say they test. */
START_TEST(a_text_is_parsed_as_collectd_parses_it) {
  char text[512] = "";
  oconfig_item_t *root = fake_collectd_config_parse(syntaxes[_i].text);
  ck_assert_int_eq(root != NULL, syntaxes[_i].tree != NULL);
  if (!root)
    return;
  show(root, text, sizeof(text));
  ck_assert_str_eq(text, syntaxes[_i].tree);
  fake_collectd_config_free(root);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("config");
  TCase *tests = tcase_create("config");
  tcase_add_checked_fixture(tests, start, stop);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, a_text_is_parsed_as_collectd_parses_it, 0,
                      (int)COUNT_OF(syntaxes));
  tcase_add_loop_test(tests, an_integer_option_is_stored, 0,
                      (int)COUNT_OF(integers));
  tcase_add_loop_test(tests, a_boolean_option_is_stored, 0,
                      (int)COUNT_OF(booleans));
  tcase_add_loop_test(tests, a_word_option_is_stored, 0, (int)COUNT_OF(words));
  tcase_add_loop_test(tests, a_string_option_is_stored, 0,
                      (int)COUNT_OF(strings));
  tcase_add_test(tests, jobs_and_headers_are_lists);
  tcase_add_loop_test(tests, a_bad_value_disables_its_instance_with_one_line, 0,
                      (int)COUNT_OF(refusals));
  tcase_add_test(tests, instances_that_are_one_in_graphite_are_told_of);
  tcase_add_loop_test(tests, a_refused_proxy_is_not_quoted, 0,
                      (int)(sizeof(bad_proxies) / sizeof(bad_proxies[0])));
  tcase_add_loop_test(tests, a_bad_instance_leaves_the_others, 0,
                      (int)COUNT_OF(refusals));
  tcase_add_loop_test(tests, a_block_is_taken_or_refused_as_a_whole, 0,
                      (int)COUNT_OF(blocks));
  tcase_add_test(tests, a_key_in_the_clear_is_a_warning);
  tcase_add_test(tests, blocks_add_up);
  tcase_add_test(tests, the_name_of_a_disabled_instance_is_free);
  tcase_add_test(tests, a_released_configuration_is_empty);
  tcase_add_loop_test(tests, a_key_file_is_tried, 0, (int)COUNT_OF(key_files));
  tcase_add_loop_test(tests, a_key_file_that_is_not_there_is_waited_for, 0,
                      (int)COUNT_OF(no_key_files));
  tcase_add_loop_test(tests, any_configuration_has_a_clear_answer, 0, 4);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
