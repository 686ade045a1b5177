/* SPDX-License-Identifier: MIT */

#include "plugin/config.h"

#include "src/api/key.h"
#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/settings.h"
#include "src/api/transport_curl.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  QUOTE_SIZE = 72,
  PATH_QUOTE_SIZE = 200,
  REASON_SIZE = 512,
  PATH_BYTES_MAX = 4095,
  KEY_DIGITS_MIN = 16
};

#define KIB INT64_C(1024)
#define DECADE_S (INT64_C(3650) * 86400)

/* Why an option was refused; filled by the getters. */
struct reason {
  char text[REASON_SIZE];
};

static int refuse(struct reason *reason, const char *format, ...)
    FC_PRINTF(2, 3);

static int refuse(struct reason *reason, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(reason->text, sizeof(reason->text), format, arguments);
  va_end(arguments);
  return -1;
}

/* The keys of Firecrawl's cloud are "fc-" and 32 hexadecimal digits. */
static bool looks_like_key(const char *text) {
  static const char prefix[] = "fc-";
  return strncmp(text, prefix, strlen(prefix)) == 0 &&
         strspn(text + strlen(prefix), "0123456789abcdefABCDEF") >=
             KEY_DIGITS_MIN;
}

/* A text of the user's, safe for one log line, also where it is a key in a
 * wrong place. */
static void show(char *out, size_t size, const char *text) {
  if (looks_like_key(text))
    text = "fc-...";
  (void)fc_text_line(out, size, text, strlen(text));
}

/* A value as the user wrote it. */
static const char *quote(const oconfig_item_t *item, int index,
                         char text[QUOTE_SIZE]) {
  if (index >= item->values_num)
    return "nothing";
  const oconfig_value_t *value = &item->values[index];
  switch (value->type) {
  case OCONFIG_TYPE_NUMBER:
    (void)snprintf(text, QUOTE_SIZE, GAUGE_FORMAT, value->value.number);
    break;
  case OCONFIG_TYPE_BOOLEAN:
    (void)snprintf(text, QUOTE_SIZE, "%s",
                   value->value.boolean ? "true" : "false");
    break;
  default:
    if (!value->value.string)
      return "nothing";
    text[0] = '"';
    show(text + 1, QUOTE_SIZE - 2, value->value.string);
    (void)strncat(text, "\"", 2);
  }
  return text;
}

/* What an option of one value was given. */
static const char *given(const oconfig_item_t *item, char text[QUOTE_SIZE]) {
  return item->values_num > 1 ? "several values"
         : item->children_num ? "a block"
                              : quote(item, 0, text);
}

struct option;

typedef int (*getter)(const struct option *option, const oconfig_item_t *item,
                      struct fc_settings *settings, struct reason *reason);

/* One option: its name, how it is read and where to, and what it may be. */
struct option {
  const char *name;
  getter get;
  size_t offset;
  int64_t min, max;
  const char *what; /* the unit, or the words to choose from */
};

static void *field_of(const struct option *option,
                      struct fc_settings *settings) {
  return (char *)settings + option->offset;
}

/* The item's value where it is one of that type, and the item no block. */
static const oconfig_value_t *only_value(const oconfig_item_t *item, int type) {
  return item->values_num == 1 && item->children_num == 0 &&
                 item->values[0].type == type
             ? &item->values[0]
             : NULL;
}

static const char *only_string(const oconfig_item_t *item) {
  const oconfig_value_t *value = only_value(item, OCONFIG_TYPE_STRING);
  return value ? value->value.string : NULL;
}

static bool is_printable(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f)
      return false;
  return true;
}

static int replace_string(char **field, const char *value,
                          struct reason *reason) {
  char *copy = strdup(value);
  if (!copy)
    return refuse(reason, "out of memory");
  if (*field)
    explicit_bzero(*field, strlen(*field));
  free(*field);
  *field = copy;
  return 0;
}

/* A refused string is not quoted: a proxy's may hold a password. */
static int get_string(const struct option *option, const oconfig_item_t *item,
                      struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE];
  const char *value = only_string(item);
  const char *got;
  if (value && value[0] && strlen(value) <= (size_t)option->max &&
      is_printable(value))
    return replace_string(field_of(option, settings), value, reason);
  if (value)
    got = !value[0]                             ? "an empty one"
          : strlen(value) > (size_t)option->max ? "a longer one"
                                                : "one with control characters";
  else
    got = given(item, text);
  return refuse(reason,
                "expected one string, %s of at most %" PRId64 " bytes, got %s",
                option->what, option->max, got);
}

/* The key itself is quoted nowhere. */
static int get_key(const struct option *option, const oconfig_item_t *item,
                   struct fc_settings *settings, struct reason *reason) {
  const char *value = only_string(item);
  if (!value || !fc_key_valid(value, strlen(value)))
    return refuse(reason, "expected one string of " FC_KEY_RULE);
  return replace_string(field_of(option, settings), value, reason);
}

/* A URL with a user, a query or a fragment may hold a secret: its reason has to
 * do without the URL. */
static int get_url(const struct option *option, const oconfig_item_t *item,
                   struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE], detail[FC_DETAIL_SIZE];
  const char *value = only_string(item);
  (void)option;
  if (!value)
    return refuse(reason, "expected one string, an http or https URL, got %s",
                  given(item, text));
  if (!fc_transport_curl_set_url(settings, value, detail, sizeof(detail)))
    return 0;
  return refuse(reason, "expected an http or https URL, got %s: %s",
                strpbrk(value, "@?#") ? "another" : given(item, text), detail);
}

/* Neither is a proxy's in its reason. */
static int get_proxy(const struct option *option, const oconfig_item_t *item,
                     struct fc_settings *settings, struct reason *reason) {
  char detail[FC_DETAIL_SIZE];
  const char *value = only_string(item);
  (void)option;
  if (!value)
    return refuse(reason, "expected one string, a proxy's URL");
  if (!fc_transport_curl_set_proxy(settings, value, detail, sizeof(detail)))
    return 0;
  return refuse(reason,
                "expected [SCHEME://][USER:PASSWORD@]HOST[:PORT]; not quoted "
                "here, it may hold a password: %s",
                detail);
}

static int get_header(const struct option *option, const oconfig_item_t *item,
                      struct fc_settings *settings, struct reason *reason) {
  const char *value = only_string(item);
  (void)option;
  /* It may hold a secret. */
  enum fc_error error =
      value ? fc_settings_add_header(settings, value) : FC_ERR_ARGUMENT;
  if (error == FC_ERR_ARGUMENT)
    return refuse(reason, "expected one string \"Name: value\"");
  return error ? refuse(reason, "%s", fc_error_text(error)) : 0;
}

static bool integer_of(const oconfig_item_t *item, int64_t *value) {
  const oconfig_value_t *number = only_value(item, OCONFIG_TYPE_NUMBER);
  if (!number || !(fabs(number->value.number) < 1e15) ||
      number->value.number != trunc(number->value.number))
    return false;
  *value = (int64_t)number->value.number;
  return true;
}

static int get_integer(const struct option *option, const oconfig_item_t *item,
                       struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE];
  int64_t value;
  if (!integer_of(item, &value) || value < option->min || value > option->max)
    return refuse(
        reason, "expected an integer from %" PRId64 " to %" PRId64 "%s, got %s",
        option->min, option->max, option->what, given(item, text));
  *(int64_t *)field_of(option, settings) = value;
  return 0;
}

/* Seconds, with a fraction as collectd's own Interval, to milliseconds. */
static int get_interval(const struct option *option, const oconfig_item_t *item,
                        struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE];
  const oconfig_value_t *number = only_value(item, OCONFIG_TYPE_NUMBER);
  double value = number ? round(number->value.number * 1000.0) : NAN;
  if (!(value >= (double)option->min && value <= (double)option->max))
    return refuse(reason, "expected a number from %g to %g seconds, got %s",
                  (double)option->min / 1000.0, (double)option->max / 1000.0,
                  given(item, text));
  *(int64_t *)field_of(option, settings) = (int64_t)value;
  return 0;
}

static const struct {
  const char *suffix;
  int64_t factor;
} units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", KIB},
    {"MiB", KIB *KIB},
    {"GiB", KIB *KIB *KIB},
    {"TiB", KIB *KIB *KIB *KIB},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
};

static bool size_of_text(const char *text, int64_t *bytes) {
  size_t digits = strspn(text, "0123456789");
  int64_t number;
  if (!fc_text_int(text, digits, 0, INT64_MAX, &number))
    return false;
  const char *suffix = text + digits + strspn(text + digits, " ");
  for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
    if (strcasecmp(suffix, units[i].suffix) == 0)
      return !__builtin_mul_overflow(number, units[i].factor, bytes);
  return false;
}

static int get_size(const struct option *option, const oconfig_item_t *item,
                    struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE];
  int64_t bytes;
  const char *string = only_string(item);
  bool known = string ? size_of_text(string, &bytes) : integer_of(item, &bytes);
  if (!known || bytes < option->min || bytes > option->max)
    return refuse(reason,
                  "expected %" PRId64 " to %" PRId64
                  " bytes, as a number or as \"64 MiB\", got %s",
                  option->min, option->max, given(item, text));
  *(int64_t *)field_of(option, settings) = bytes;
  return 0;
}

static const struct {
  const char *word;
  bool value;
} booleans[] = {
    {"true", true},   {"yes", true}, {"on", true},
    {"false", false}, {"no", false}, {"off", false},
};

static int get_boolean(const struct option *option, const oconfig_item_t *item,
                       struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE];
  const char *string = only_string(item);
  const oconfig_value_t *value = only_value(item, OCONFIG_TYPE_BOOLEAN);
  bool *field = field_of(option, settings);
  if (value) {
    *field = value->value.boolean;
    return 0;
  }
  for (size_t i = 0; string && i < sizeof(booleans) / sizeof(booleans[0]); i++)
    if (strcasecmp(string, booleans[i].word) == 0) {
      *field = booleans[i].value;
      return 0;
    }
  return refuse(reason, "expected true or false, got %s", given(item, text));
}

/* The place of a word in "one|two|three"; -1 if it is none of them. */
static int find_word(const char *words, const char *word) {
  size_t len = strlen(word);
  for (int place = 0;; place++) {
    size_t next = strcspn(words, "|");
    if (next == len && strncasecmp(words, word, len) == 0)
      return place;
    if (words[next] == '\0')
      return -1;
    words += next + 1;
  }
}

static int get_word(const struct option *option, const oconfig_item_t *item,
                    struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE];
  const char *string = only_string(item);
  int place = string ? find_word(option->what, string) : -1;
  if (place < 0)
    return refuse(reason, "expected %s, got %s", option->what,
                  given(item, text));
  *(int *)field_of(option, settings) = place + (int)option->min;
  return 0;
}

#define AT(member) offsetof(struct fc_settings, member)

/* A word's place counts from `min`; a string has up to `max` bytes. The jobs'
 * options are fc_kind's. */
static const struct option options[] = {
    {"URL", get_url, 0, 0, 0, ""},
    {"APIVersion", get_word, AT(api_version), FC_API_V1, 0, "v1|v2"},
    {"APIKey", get_key, AT(api_key), 0, 0, ""},
    {"APIKeyFile", get_string, AT(api_key_file), 0, PATH_BYTES_MAX, "a path"},
    {"Header", get_header, 0, 0, 0, ""},
    {"JobFile", get_string, AT(job_file), 0, PATH_BYTES_MAX, "a path"},
    {"AcceptRegistrations", get_boolean, AT(accept_registrations), 0, 0, ""},
    {"Interval", get_interval, AT(interval_ms), 100, 86400000, ""},
    {"Timeout", get_integer, AT(timeout_ms), 1, 3600000, " milliseconds"},
    {"MaxConcurrency", get_integer, AT(max_concurrency), 1, 1024, ""},
    {"MaxRequestsPerMinute", get_integer, AT(max_requests_per_minute), 0,
     1000000, ""},
    {"MaxJobs", get_integer, AT(max_jobs), 1, 10000000, ""},
    {"MaxBodySize", get_size, AT(max_body_bytes), KIB, KIB *KIB *KIB *KIB, ""},
    {"StallTimeout", get_integer, AT(stall_timeout_s), 0, DECADE_S, " seconds"},
    {"ExpiryWarning", get_integer, AT(expiry_warning_s), 0, DECADE_S,
     " seconds"},
    {"NotifyCompleted", get_boolean, AT(notify_completed), 0, 0, ""},
    {"RepeatInterval", get_integer, AT(repeat_interval_s), 0, DECADE_S,
     " seconds"},
    {"JobMetrics", get_word, AT(job_metrics), FC_JOB_METRICS_ALL, 0,
     "all|unfinished|none"},
    {"ForgetAfter", get_integer, AT(forget_after_s), 0, DECADE_S, " seconds"},
    {"Host", get_string, AT(host), 0, DATA_MAX_NAME_LEN - 1, "a host name"},
    {"CACert", get_string, AT(ca_cert), 0, PATH_BYTES_MAX, "a path"},
    {"CAPath", get_string, AT(ca_path), 0, PATH_BYTES_MAX, "a path"},
    {"ClientCert", get_string, AT(client_cert), 0, PATH_BYTES_MAX, "a path"},
    {"ClientKey", get_string, AT(client_key), 0, PATH_BYTES_MAX, "a path"},
    {"VerifyPeer", get_boolean, AT(verify_peer), 0, 0, ""},
    {"VerifyHost", get_boolean, AT(verify_host), 0, 0, ""},
    {"Proxy", get_proxy, 0, 0, 0, ""},
    {"NoProxy", get_string, AT(no_proxy), 0, PATH_BYTES_MAX, "a list"},
    {"AddressFamily", get_word, AT(address_family), FC_FAMILY_ANY, 0,
     "any|ipv4|ipv6"},
};

static const struct option *find_option(const char *name) {
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
    if (strcasecmp(options[i].name, name) == 0)
      return &options[i];
  return NULL;
}

static int add_job(const struct fc_kind *kind, const oconfig_item_t *item,
                   struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE];
  bool strings = (item->values_num == 1 || item->values_num == 2) &&
                 item->children_num == 0;
  for (int i = 0; i < item->values_num; i++)
    strings = strings && item->values[i].type == OCONFIG_TYPE_STRING;
  if (!strings)
    return refuse(reason, "expected an ID and perhaps a name, both strings");
  const char *id = item->values[0].value.string;
  const char *name =
      item->values_num == 2 ? item->values[1].value.string : NULL;
  switch (fc_settings_add_job(settings, kind, id, name)) {
  case FC_OK:
    return 0;
  case FC_ERR_EXISTS:
    return refuse(reason, "the ID %s is there already", quote(item, 0, text));
  case FC_ERR_ARGUMENT:
    if (!fc_id_valid(id, strlen(id)))
      return refuse(reason, "expected an ID of " FC_ID_RULE ", got %s",
                    quote(item, 0, text));
    return refuse(reason, "expected a name of " FC_NAME_RULE ", got %s",
                  quote(item, name ? 1 : 0, text));
  default:
    return refuse(reason, "out of memory");
  }
}

static void warn_of_unknown(const char *block, const oconfig_item_t *item,
                            const char *advice) {
  char name[QUOTE_SIZE];
  show(name, sizeof(name), item->key);
  WARNING("firecrawl plugin: %s: unknown option \"%s\"%s", block, name, advice);
}

static int read_option(const char *block, const oconfig_item_t *item,
                       struct fc_settings *settings, struct reason *reason) {
  const struct fc_kind *kind = fc_kind_by_option(item->key);
  if (kind)
    return add_job(kind, item, settings, reason);
  const struct option *option = find_option(item->key);
  if (option)
    return option->get(option, item, settings, reason);
  warn_of_unknown(block, item, "");
  return 0;
}

static void log_disabled(const char *block, const char *option,
                         const struct reason *reason) {
  ERROR("firecrawl plugin: %s: %s%s%s; this instance is disabled", block,
        option, option[0] ? ": " : "", reason->text);
}

/* One that is not there yet, or not good, is waited for. */
static void look_at_key_file(const char *block,
                             const struct fc_settings *settings) {
  struct fc_key key;
  unsigned access = 0;
  char detail[FC_DETAIL_SIZE], line[PATH_QUOTE_SIZE];
  const char *path = settings->api_key_file;
  fc_key_init(&key);
  enum fc_error error =
      fc_key_read(&key, path, &access, detail, sizeof(detail));
  fc_key_release(&key);
  show(line, sizeof(line), path);
  if (error)
    WARNING("firecrawl plugin: %s: APIKeyFile: %s %s; no request is made until "
            "it holds a key",
            block, line, detail);
  else if (access)
    WARNING("firecrawl plugin: %s: APIKeyFile: %s is readable or writable by "
            "others than its owner: chmod 600 it",
            block, line);
}

static void warn_of_risks(const char *block,
                          const struct fc_settings *settings) {
  if (!settings->verify_peer || !settings->verify_host)
    WARNING("firecrawl plugin: %s: VerifyPeer, VerifyHost: the server's "
            "certificate is not verified: anybody on the way can read the API "
            "key",
            block);
  if (fc_settings_key_in_clear(settings))
    WARNING("firecrawl plugin: %s: URL: the API key crosses the network in the "
            "clear: use https",
            block);
  if (settings->api_key_file)
    look_at_key_file(block, settings);
  if (settings->api_key)
    NOTICE("firecrawl plugin: %s: APIKey: a key in APIKeyFile is better "
           "protected than one in the configuration",
           block);
}

static int check_instance(const char *block,
                          const struct fc_settings *settings) {
  struct reason reason;
  if (settings->jobs_len == 0 && !settings->job_file &&
      !settings->accept_registrations) {
    (void)refuse(&reason, "no job and no source of jobs: expected Extract, "
                          "Agent, Crawl, BatchScrape, JobFile or "
                          "AcceptRegistrations true");
    log_disabled(block, "", &reason);
    return -1;
  }
  if (settings->api_key && settings->api_key_file) {
    (void)refuse(&reason, "expected one of APIKey and APIKeyFile, got both");
    log_disabled(block, "APIKey", &reason);
    return -1;
  }
  warn_of_risks(block, settings);
  return 0;
}

static const oconfig_item_t *last_of(const oconfig_item_t *block,
                                     const char *key) {
  const oconfig_item_t *last = NULL;
  for (int i = 0; i < block->children_num; i++)
    if (strcasecmp(block->children[i].key, key) == 0)
      last = &block->children[i];
  return last;
}

/* Of several values the last one counts, for URL and APIVersion each; then the
 * two must agree. Both have been read before and are good. */
static int settle_version(const oconfig_item_t *block,
                          struct fc_settings *settings, struct reason *reason) {
  char text[QUOTE_SIZE], other[QUOTE_SIZE];
  const oconfig_item_t *url = last_of(block, "URL");
  const oconfig_item_t *asked = last_of(block, "APIVersion");
  settings->api_version = FC_API_DEFAULT;
  if (url && get_url(NULL, url, settings, reason))
    return -1;
  if (!asked)
    return 0;
  enum fc_api_version of_url = settings->api_version;
  settings->api_version = fc_api_version_from_name(only_string(asked));
  if (of_url == FC_API_DEFAULT || of_url == settings->api_version)
    return 0;
  return refuse(reason,
                "expected the version that the URL %s ends in, or no "
                "APIVersion, got %s",
                quote(url, 0, text), quote(asked, 0, other));
}

static int read_options(const char *block, const oconfig_item_t *item,
                        struct fc_settings *settings) {
  struct reason reason;
  for (int i = 0; i < item->children_num; i++)
    if (read_option(block, &item->children[i], settings, &reason)) {
      log_disabled(block, item->children[i].key, &reason);
      return -1;
    }
  if (settle_version(item, settings, &reason)) {
    log_disabled(block, "APIVersion", &reason);
    return -1;
  }
  if (!settings->url &&
      replace_string(&settings->url, FC_DEFAULT_URL, &reason)) {
    log_disabled(block, "URL", &reason);
    return -1;
  }
  return 0;
}

/* Either may have series of the other's in Graphite. */
static void look_for_lookalike(const struct fc_config *config,
                               const char *name) {
  for (size_t i = 0; i < config->instances_len; i++)
    if (fc_name_compare_in_graphite(config->instances[i]->name, name) == 0)
      WARNING("firecrawl plugin: the instances \"%s\" and \"%s\" become one in "
              "Graphite, where \".\" is \"_\": rename one of them",
              name, config->instances[i]->name);
}

static bool name_is_taken(const struct fc_config *config, const char *name) {
  for (size_t i = 0; i < config->instances_len; i++)
    if (strcmp(config->instances[i]->name, name) == 0)
      return true;
  return false;
}

/* The block's name, checked; NULL after an ERROR. */
static const char *instance_name(const struct fc_config *config,
                                 const oconfig_item_t *item, char *block,
                                 size_t size) {
  char text[QUOTE_SIZE];
  struct reason reason;
  const char *name =
      item->values_num == 1 && item->values[0].type == OCONFIG_TYPE_STRING
          ? item->values[0].value.string
          : NULL;
  (void)snprintf(block, size, "<Instance%s%s>", item->values_num ? " " : "",
                 item->values_num ? quote(item, 0, text) : "");
  if (!name || !fc_name_valid(name, strlen(name)))
    (void)refuse(&reason, "expected a name of " FC_NAME_RULE
                          ", such as <Instance \"prod\">");
  else if (name_is_taken(config, name))
    (void)refuse(&reason, "there is an instance of that name already");
  else
    return name;
  log_disabled(block, "", &reason);
  return NULL;
}

static struct fc_settings *settings_new(const char *name) {
  struct fc_settings *settings = malloc(sizeof(*settings));
  if (!settings)
    return NULL;
  fc_settings_init(settings);
  settings->name = strdup(name);
  if (settings->name)
    return settings;
  free(settings);
  return NULL;
}

static void settings_free(struct fc_settings *settings) {
  fc_settings_release(settings);
  free(settings);
}

/* What the state file knows of it stays. Without memory it is not known later
 * that it was configured. */
static void remember_disabled(struct fc_config *config, const char *name) {
  char *copy = strdup(name);
  char **disabled =
      copy ? reallocarray(config->disabled, config->disabled_len + 1,
                          sizeof(*disabled))
           : NULL;
  if (!disabled) {
    free(copy);
    return;
  }
  config->disabled = disabled;
  disabled[config->disabled_len++] = copy;
}

/* False after an ERROR. */
static bool read_instance(struct fc_config *config,
                          const oconfig_item_t *item) {
  char block[QUOTE_SIZE + sizeof("<Instance >")];
  const char *name = instance_name(config, item, block, sizeof(block));
  if (!name)
    return false;
  struct fc_settings **instances =
      reallocarray(config->instances, config->instances_len + 1,
                   sizeof(struct fc_settings *));
  struct fc_settings *settings = instances ? settings_new(name) : NULL;
  if (instances)
    config->instances = instances;
  if (!settings) {
    ERROR("firecrawl plugin: %s: out of memory; this instance is disabled",
          block);
    return false;
  }
  if (read_options(block, item, settings) || check_instance(block, settings)) {
    remember_disabled(config, name);
    settings_free(settings);
    return false;
  }
  look_for_lookalike(config, settings->name);
  instances[config->instances_len++] = settings;
  return true;
}

static void read_state_file(struct fc_config *config,
                            const oconfig_item_t *item) {
  char text[QUOTE_SIZE];
  struct reason reason;
  const char *path = only_string(item);
  if (!path || !path[0] || !is_printable(path))
    ERROR("firecrawl plugin: StateFile: expected one string, a path, got %s; "
          "this line is ignored",
          given(item, text));
  else if (replace_string(&config->state_file, path, &reason))
    ERROR("firecrawl plugin: StateFile: %s", reason.text);
}

void fc_config_read(struct fc_config *config, const oconfig_item_t *block) {
  for (int i = 0; i < block->children_num; i++) {
    const oconfig_item_t *item = &block->children[i];
    if (strcasecmp(item->key, "Instance") == 0) {
      if (!read_instance(config, item))
        config->has_invalid = true;
    } else if (strcasecmp(item->key, "StateFile") == 0) {
      read_state_file(config, item);
    } else {
      bool misplaced = fc_kind_by_option(item->key) || find_option(item->key);
      warn_of_unknown("<Plugin firecrawl>", item,
                      misplaced ? ": it belongs in an <Instance>" : "");
    }
  }
}

void fc_config_release(struct fc_config *config) {
  for (size_t i = 0; i < config->instances_len; i++)
    settings_free(config->instances[i]);
  free(config->instances);
  for (size_t i = 0; i < config->disabled_len; i++)
    free(config->disabled[i]);
  free(config->disabled);
  free(config->state_file);
  *config = (struct fc_config){0};
}
