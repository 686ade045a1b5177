/* SPDX-License-Identifier: MIT */

#include "src/ctl/options.h"

#include "src/api/key.h"
#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/settings.h"
#include "src/api/spec.h"
#include "src/api/transport_curl.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DECADE_S (INT64_C(3650) * 86400)

enum {
  QUOTE_SIZE = 72,
  HELP_COLUMN = 28,
  LONG_BASE = 256 /* getopt's value of an option: this and its row */
};

struct row;
typedef bool (*setter)(const struct row *row, struct ctl_options *options,
                       const char *value, struct ctl_reason *reason);

struct row {
  const char *name;
  int letter; /* 0: none */
  unsigned commands;
  const char *argument; /* NULL: takes none */
  setter set;
  size_t offset; /* of what it sets */
  const char *help;
};

static const char *quote(char text[QUOTE_SIZE], const char *word) {
  (void)fc_text_line(text, QUOTE_SIZE, word, strlen(word));
  return text;
}

static void *field_of(const struct row *row, struct ctl_options *options) {
  return (char *)options + row->offset;
}

static bool set_flag(const struct row *row, struct ctl_options *options,
                     const char *value, struct ctl_reason *reason) {
  (void)value;
  (void)reason;
  *(bool *)field_of(row, options) = true;
  return true;
}

static bool set_text(const struct row *row, struct ctl_options *options,
                     const char *value, struct ctl_reason *reason) {
  if (!value[0])
    return ctl_refuse(reason, "--%s: %s is expected, got nothing", row->name,
                      row->argument);
  *(const char **)field_of(row, options) = value;
  return true;
}

/* It may hold a secret: it is not quoted. */
static bool set_header(const struct row *row, struct ctl_options *options,
                       const char *value, struct ctl_reason *reason) {
  enum fc_error error = fc_settings_add_header(&options->settings, value);
  if (error == FC_ERR_MEMORY)
    return ctl_refuse(reason, "%s", fc_error_text(error));
  return !error ||
         ctl_refuse(reason, "--%s: a header \"Name: value\" is expected",
                    row->name);
}

static bool set_proxy(const struct row *row, struct ctl_options *options,
                      const char *value, struct ctl_reason *reason) {
  char detail[FC_DETAIL_SIZE];
  return !fc_transport_curl_set_proxy(&options->settings, value, detail,
                                      sizeof(detail)) ||
         ctl_refuse(reason, "--%s: %s", row->name, detail);
}

/* Seconds, perhaps with a fraction, to milliseconds. */
static bool set_seconds(const struct row *row, struct ctl_options *options,
                        const char *value, struct ctl_reason *reason) {
  static const double min_ms = 100, max_ms = 86400000;
  char text[QUOTE_SIZE], *end = NULL;
  bool plain = value[0] && value[strspn(value, "0123456789.")] == '\0';
  double ms = plain ? strtod(value, &end) * 1000.0 + 0.5 : 0;
  if (!plain || *end || ms < min_ms || ms > max_ms + 1)
    return ctl_refuse(reason,
                      "--%s: a number of seconds from 0.1 to 86400 is "
                      "expected, got \"%s\"",
                      row->name, quote(text, value));
  *(int64_t *)field_of(row, options) = (int64_t)ms;
  return true;
}

/* The plugin guidelines' range "N:", alert below N, may be written out. */
static bool set_threshold(const struct row *row, struct ctl_options *options,
                          const char *value, struct ctl_reason *reason) {
  char text[QUOTE_SIZE];
  size_t len = strlen(value);
  if (len && value[len - 1] == ':')
    len--;
  if (!fc_text_int(value, len, 0, DECADE_S, field_of(row, options)))
    return ctl_refuse(reason,
                      "--%s: seconds to a result's expiry, 0 to %" PRId64
                      ", are expected, got \"%s\"",
                      row->name, DECADE_S, quote(text, value));
  *(row->letter == 'w' ? &options->has_warning : &options->has_critical) = true;
  return true;
}

#define AT(member) offsetof(struct ctl_options, member)

static const struct row rows[] = {
    {"url", 0, CTL_ASKING, "URL", set_text, AT(url),
     "the server; default FIRECRAWL_API_URL, else " FC_DEFAULT_URL},
    {"api-version", 0, CTL_ASKING, "v1|v2", set_text, AT(api_version),
     "default v1 for extract jobs, v2 for all others"},
    {"key-file", 0, CTL_ASKING, "FILE", set_text, AT(key_file),
     "the API key is in FILE; default: in FIRECRAWL_API_KEY"},
    {"cacert", 0, CTL_ASKING, "FILE", set_text, AT(ca_cert),
     "certificate authorities to trust in place of the system's"},
    {"proxy", 0, CTL_ASKING, "URL", set_proxy, 0,
     "the proxy to go through; default none"},
    {"header", 0, CTL_ASKING, "HEADER", set_header, 0,
     "\"Name: value\" to be sent as well; may be repeated"},
    {"timeout", 't', CTL_ASKING | CTL_TELLING, "SECONDS", set_seconds,
     AT(settings.timeout_ms), "for one request, of check for all; default 5"},
    {"json", 0, CTL_STATUS | CTL_LIST, NULL, set_flag, AT(json),
     "JSON in place of a table"},
    {"interval", 0, CTL_WATCH, "SECONDS", set_seconds, AT(settings.interval_ms),
     "between two requests for a job; default 10"},
    {"warning", 'w', CTL_CHECK, "SECONDS", set_threshold, AT(warning_s),
     "WARNING when a result expires in fewer SECONDS"},
    {"critical", 'c', CTL_CHECK, "SECONDS", set_threshold, AT(critical_s),
     "CRITICAL when a result expires in fewer SECONDS"},
    {"socket", 0, CTL_TELLING, "PATH", set_text, AT(socket),
     "collectd's socket; default " CTL_DEFAULT_SOCKET},
    {"instance", 0, CTL_TELLING, "NAME", set_text, AT(instance),
     "the plugin's <Instance>; default " CTL_DEFAULT_INSTANCE},
    {"state", 0, CTL_LIST, "FILE", set_text, AT(state),
     "the plugin's StateFile; default " CTL_DEFAULT_STATE},
    {"help", 'h', CTL_ANY, NULL, set_flag, AT(help),
     "print this help, or that of a command"},
    {"version", 'V', CTL_ANY, NULL, set_flag, AT(version),
     "print the versions of the tool and its libraries"},
};

_Static_assert(COUNT_OF(rows) <= 8 * sizeof(unsigned),
               "a set of options fits in an unsigned");

void ctl_options_init(struct ctl_options *options) {
  *options = (struct ctl_options){
      .socket = CTL_DEFAULT_SOCKET,
      .instance = CTL_DEFAULT_INSTANCE,
      .state = CTL_DEFAULT_STATE,
  };
  fc_settings_init(&options->settings);
  fc_key_init(&options->key);
  options->settings.interval_ms = CTL_DEFAULT_INTERVAL_MS;
}

void ctl_options_release(struct ctl_options *options) {
  fc_key_release(&options->key);
  fc_settings_release(&options->settings);
}

/* The table as getopt_long(3) wants it. */
static void getopt_tables(struct option longs[COUNT_OF(rows) + 1],
                          char shorts[2 * COUNT_OF(rows) + 2]) {
  size_t used = 0;
  shorts[used++] = ':'; /* a missing argument is told apart */
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    longs[i] = (struct option){
        rows[i].name, rows[i].argument ? required_argument : no_argument, NULL,
        LONG_BASE + (int)i};
    if (!rows[i].letter)
      continue;
    shorts[used++] = (char)rows[i].letter;
    if (rows[i].argument)
      shorts[used++] = ':';
  }
  longs[COUNT_OF(rows)] = (struct option){0};
  shorts[used] = '\0';
}

static const struct row *row_of(int value) {
  for (size_t i = 0; i < COUNT_OF(rows); i++)
    if (value == LONG_BASE + (int)i || (value && value == rows[i].letter))
      return &rows[i];
  return NULL;
}

/* What stands behind "=" may be a key. */
static bool refuse_option(int value, const char *word,
                          struct ctl_reason *reason) {
  char name[QUOTE_SIZE] = {'-', (char)optopt, '\0'};
  if (optopt == 0 || optopt >= LONG_BASE) /* a long one */
    (void)fc_text_line(name, sizeof(name), word, strcspn(word, "="));
  if (value == ':')
    return ctl_refuse(reason, "the option %s needs an argument", name);
  return ctl_refuse(reason, "%s is no option, or an argument too many", name);
}

/* getopt takes any beginning that is unique: --key would be --key-file, and a
 * script's options would depend on which others there are. */
static bool is_in_full(const struct row *row, char *const *argv) {
  bool separate = optarg && optarg == argv[optind - 1];
  const char *word = argv[optind - (separate ? 2 : 1)];
  return strncmp(word, "--", 2) != 0 ||
         strcspn(word, "=") == strlen("--") + strlen(row->name);
}

bool ctl_options_read(struct ctl_options *options, int argc, char **argv,
                      int *first, unsigned *given, struct ctl_reason *reason) {
  struct option longs[COUNT_OF(rows) + 1];
  char shorts[2 * COUNT_OF(rows) + 2];
  int value;
  getopt_tables(longs, shorts);
  opterr = 0;
  *given = 0;
  while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
    const struct row *row = row_of(value);
    if (!row)
      return refuse_option(value, argv[optind - 1], reason);
    if (value >= LONG_BASE && !is_in_full(row, argv))
      return ctl_refuse(reason, "--%s has to be written in full", row->name);
    bool taken = row->set(row, options, optarg, reason);
    if (row->set == set_header || row->set == set_proxy)
      explicit_bzero(optarg, strlen(optarg)); /* all users see arguments */
    if (!taken)
      return false;
    *given |= 1U << (row - rows);
  }
  *first = optind;
  return true;
}

bool ctl_options_fit(unsigned given, enum ctl_command_bit command,
                     const char *name, struct ctl_reason *reason) {
  for (size_t i = 0; i < COUNT_OF(rows); i++)
    if (given & (1U << i) && !(rows[i].commands & command))
      return ctl_refuse(reason, "%s does not take the option --%s", name,
                        rows[i].name);
  return true;
}

static bool job_add(struct ctl_options *options, char *const *words,
                    size_t count, struct ctl_reason *reason) {
  struct fc_spec spec;
  char why[FC_SPEC_REASON_SIZE];
  if (!fc_spec_parse(&spec, words, count, why))
    return ctl_refuse(reason, "%s", why);
  enum fc_error error =
      fc_settings_add_job(&options->settings, spec.kind, spec.id, spec.name);
  if (error == FC_ERR_EXISTS)
    return ctl_refuse(reason, "the ID %s is named twice", spec.id);
  return !error || ctl_refuse(reason, "%s", fc_error_text(error));
}

/* Each ID of several is parsed as if it stood alone behind their kind. */
static bool jobs_add(struct ctl_options *options, char *const *words,
                     size_t count, struct ctl_reason *reason) {
  bool has_kind = fc_spec_kind(words, count);
  for (size_t i = has_kind ? 1 : 0; i < count; i++) {
    char *const pair[] = {words[0], words[i]};
    if (has_kind ? !job_add(options, pair, 2, reason)
                 : !job_add(options, &words[i], 1, reason))
      return false;
  }
  return true;
}

bool ctl_options_words(struct ctl_options *options, enum ctl_words expected,
                       char *const *words, int count,
                       struct ctl_reason *reason) {
  char text[QUOTE_SIZE];
  if (expected == CTL_WORDS_NONE)
    return count == 0 || ctl_refuse(reason, "\"%s\" is one word too many",
                                    quote(text, words[0]));
  if (count == 0)
    return ctl_refuse(reason, "the ID of a job is missing");
  return expected == CTL_WORDS_JOB
             ? job_add(options, words, (size_t)count, reason)
             : jobs_add(options, words, (size_t)count, reason);
}

/* Of NULL there is nothing to copy. */
static bool copy(char **to, const char *from, struct ctl_reason *reason) {
  if (!from)
    return true;
  *to = strdup(from);
  return *to || ctl_refuse(reason, "out of memory");
}

/* The environment's value; NULL where it is unset or empty. */
static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value && value[0] ? value : NULL;
}

static bool settle_url(struct ctl_options *options, struct ctl_reason *reason) {
  char detail[FC_DETAIL_SIZE];
  const char *from = options->url ? "--url" : "FIRECRAWL_API_URL";
  const char *url = options->url ? options->url : variable("FIRECRAWL_API_URL");
  /* It may hold a secret: only the reason is told. */
  if (fc_transport_curl_set_url(&options->settings, url ? url : FC_DEFAULT_URL,
                                detail, sizeof(detail)))
    return ctl_refuse(reason, "%s: an http or https URL is expected: %s", from,
                      detail);
  if (!options->api_version)
    return true;
  enum fc_api_version asked = fc_api_version_from_name(options->api_version);
  enum fc_api_version of_url = options->settings.api_version;
  if (asked == FC_API_DEFAULT)
    return ctl_refuse(reason, "--api-version: v1 or v2 is expected");
  if (of_url != FC_API_DEFAULT && of_url != asked)
    return ctl_refuse(reason, "--api-version differs from the version that the "
                              "URL ends in: leave one of them out");
  options->settings.api_version = asked;
  return true;
}

static bool settle_key_file(struct ctl_options *options,
                            struct ctl_reason *reason) {
  char detail[FC_DETAIL_SIZE];
  unsigned access = 0;
  const char *path = options->key_file;
  if (fc_key_read(&options->key, path, &access, detail, sizeof(detail)))
    return ctl_refuse(reason, "--key-file: %s %s", path, detail);
  if (access)
    ctl_warn("warning: %s is readable or writable by others than its "
             "owner: chmod 600 it",
             path);
  return copy(&options->settings.api_key_file, path, reason);
}

static bool settle_key(struct ctl_options *options, struct ctl_reason *reason) {
  const char *key = variable("FIRECRAWL_API_KEY");
  if (options->key_file)
    return settle_key_file(options, reason);
  if (!key)
    return true;
  enum fc_error error = fc_key_set(&options->key, key, strlen(key));
  if (error == FC_ERR_ARGUMENT)
    return ctl_refuse(reason,
                      "FIRECRAWL_API_KEY: " FC_KEY_RULE " are expected");
  if (error)
    return ctl_refuse(reason, "%s", fc_error_text(error));
  return copy(&options->settings.api_key, key, reason);
}

bool ctl_options_settle(struct ctl_options *options,
                        struct ctl_reason *reason) {
  if (!settle_url(options, reason) || !settle_key(options, reason) ||
      !copy(&options->settings.ca_cert, options->ca_cert, reason))
    return false;
  if (fc_settings_key_in_clear(&options->settings))
    ctl_warn("warning: the API key crosses the network in the clear: use "
             "an https URL");
  return true;
}

void ctl_options_help(FILE *out, unsigned commands) {
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    char left[HELP_COLUMN + QUOTE_SIZE];
    size_t used = 0;
    if (!(rows[i].commands & commands))
      continue;
    if (rows[i].letter)
      fc_text_append(left, sizeof(left), &used, "-%c, ", rows[i].letter);
    else
      fc_text_append(left, sizeof(left), &used, "    ");
    fc_text_append(left, sizeof(left), &used, "--%s%s%s", rows[i].name,
                   rows[i].argument ? " " : "",
                   rows[i].argument ? rows[i].argument : "");
    (void)fprintf(out, "  %-*s %s\n", HELP_COLUMN, left, rows[i].help);
  }
}
