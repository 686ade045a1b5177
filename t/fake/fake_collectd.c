/* SPDX-License-Identifier: MIT */

#include "t/fake/fake_collectd.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOG_PREFIX "firecrawl plugin: "

enum {
  LOG_SIZE = 1024, /* of plugin_log's buffer */
  DEPTH_MAX = 8,   /* notifications out of notification callbacks */
  SOURCES_MAX = 64,
  DEFAULT_INTERVAL_S = 10
};

/* Pointers that stay while the array grows. */
struct list {
  void **items;
  size_t len;
};

enum role {
  ROLE_CONFIG,
  ROLE_INIT,
  ROLE_READ,
  ROLE_FLUSH,
  ROLE_SHUTDOWN,
  ROLE_NOTIFICATION,
  ROLE_NONE
};

static const char *const role_names[] = {
    [ROLE_CONFIG] = "a config callback",
    [ROLE_INIT] = "an init callback",
    [ROLE_READ] = "a read callback",
    [ROLE_FLUSH] = "a flush callback",
    [ROLE_SHUTDOWN] = "a shutdown callback",
    [ROLE_NOTIFICATION] = "a notification callback",
    [ROLE_NONE] = "a thread of the plugin's",
};

struct registration {
  enum role role;
  char *name, *group;
  union {
    int (*config)(oconfig_item_t *);
    plugin_init_cb init;
    plugin_read_cb read;
    plugin_flush_cb flush;
    plugin_shutdown_cb shutdown;
    plugin_notification_cb notification;
  } call;
  user_data_t data;
  plugin_ctx_t context;
};

struct line {
  int severity;
  char text[LOG_SIZE];
};

static struct {
  struct list registrations, types, lines, values, notifications;
  char *fault;
  cdtime_t interval, now;
  bool deaf;
} fake = {.interval = TIME_T_TO_CDTIME_T_STATIC(DEFAULT_INTERVAL_S)};

/* Held for the lists and the fault, never during a callback. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local plugin_ctx_t context;
static _Thread_local enum role role = ROLE_NONE;
static _Thread_local int depth;
/* Of the flush that is under way. */
static cdtime_t flush_timeout;
static const char *flush_identifier;

static char localhost[] = "localhost";
char *hostname_g = localhost;
cdtime_t interval_g = TIME_T_TO_CDTIME_T_STATIC(DEFAULT_INTERVAL_S);

static void *must(void *memory) {
  if (!memory)
    abort();
  return memory;
}

static char *copy_of(const char *text) { return must(strdup(text)); }

static void *list_add(struct list *list, void *item) {
  pthread_mutex_lock(&lock);
  list->items = must(realloc(list->items, (list->len + 1) * sizeof(void *)));
  list->items[list->len++] = item;
  pthread_mutex_unlock(&lock);
  return item;
}

static void *list_get(const struct list *list, size_t i) {
  pthread_mutex_lock(&lock);
  void *item = i < list->len ? list->items[i] : NULL;
  pthread_mutex_unlock(&lock);
  return item;
}

static void list_remove(struct list *list, size_t i) {
  pthread_mutex_lock(&lock);
  list->len--;
  memmove(&list->items[i], &list->items[i + 1],
          (list->len - i) * sizeof(void *));
  pthread_mutex_unlock(&lock);
}

static void list_clear(struct list *list, void (*item_free)(void *)) {
  for (size_t i = 0; i < list->len; i++)
    item_free(list->items[i]);
  free(list->items);
  *list = (struct list){0};
}

static void fault(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static void fault(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&lock);
  if (!fake.fault)
    fake.fault = copy_of(text);
  pthread_mutex_unlock(&lock);
}

const char *fake_collectd_fault(void) { return fake.fault; }

/* Cuts what does not fit; the field was all zero bytes. */
static void fill(char *field, size_t size, const char *text) {
  memcpy(field, text, strnlen(text, size - 1));
}

static bool has_control(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f)
      return true;
  return false;
}

static bool ends(const char *field) {
  return memchr(field, '\0', DATA_MAX_NAME_LEN) != NULL;
}

static void (*on_log)(int severity, const char *text);

static void log_add(int severity, const char *text) {
  struct line *line = must(calloc(1, sizeof(*line)));
  line->severity = severity;
  fill(line->text, sizeof(line->text), text);
  list_add(&fake.lines, line);
}

/* What the daemon itself says. */
static void daemon_says(int severity, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void daemon_says(int severity, const char *format, ...) {
  char text[LOG_SIZE];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  log_add(severity, text);
}

void plugin_log(int level, const char *format, ...) {
  char text[LOG_SIZE];
  va_list arguments;
  if (level >= LOG_DEBUG)
    return;
  va_start(arguments, format);
  int len = vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  if (len >= LOG_SIZE)
    fault("a log line of %d bytes: %s", len, text);
  if (has_control(text))
    fault("a control character in a log line: %s", text);
  if (strncmp(text, LOG_PREFIX, strlen(LOG_PREFIX)) != 0)
    fault("a log line without the plugin's name: %s", text);
  log_add(level, text);
  if (on_log)
    on_log(level, text);
}

void fake_collectd_on_log(void (*callback)(int severity, const char *text)) {
  on_log = callback;
}

size_t fake_collectd_log_count(int severity) {
  size_t count = 0;
  const struct line *line;
  for (size_t i = 0; (line = list_get(&fake.lines, i)); i++)
    count += severity == 0 || line->severity == severity;
  return count;
}

const char *fake_collectd_log(size_t i, int *severity) {
  const struct line *line = list_get(&fake.lines, i);
  if (line && severity)
    *severity = line->severity;
  return line ? line->text : NULL;
}

const char *fake_collectd_log_find(const char *text) {
  const struct line *line;
  for (size_t i = 0; (line = list_get(&fake.lines, i)); i++)
    if (strstr(line->text, text))
      return line->text;
  return NULL;
}

cdtime_t cdtime(void) {
  struct timespec now;
  if (fake.now)
    return fake.now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return NS_TO_CDTIME_T((uint64_t)now.tv_sec * 1000000000 +
                        (uint64_t)now.tv_nsec);
}

void fake_collectd_set_time(cdtime_t now) { fake.now = now; }

plugin_ctx_t plugin_get_ctx(void) { return context; }

plugin_ctx_t plugin_set_ctx(plugin_ctx_t new_context) {
  plugin_ctx_t old = context;
  context = new_context;
  return old;
}

cdtime_t plugin_get_interval(void) {
  return context.interval ? context.interval : fake.interval;
}

void fake_collectd_set_interval(double seconds) {
  fake.interval = interval_g = DOUBLE_TO_CDTIME_T(seconds);
}

static void free_user_data(const user_data_t *data) {
  if (data && data->free_func && data->data)
    data->free_func(data->data);
}

static void registration_free(void *item) {
  struct registration *registration = item;
  free_user_data(&registration->data);
  free(registration->name);
  free(registration->group);
  free(registration);
}

static struct registration *registration_at(size_t i) {
  return list_get(&fake.registrations, i);
}

static struct registration *find_registration(enum role of, const char *name,
                                              size_t *place) {
  struct registration *found;
  for (size_t i = 0; (found = registration_at(i)); i++)
    if (found->role == of && strcmp(found->name, name) == 0) {
      *place = i;
      return found;
    }
  return NULL;
}

static int unregister(enum role of, const char *name) {
  size_t place;
  struct registration *found = find_registration(of, name, &place);
  if (!found)
    return -1;
  list_remove(&fake.registrations, place);
  registration_free(found);
  return 0;
}

/* Takes over the user data, even where it fails, as the daemon does. */
static int enlist(const struct registration *wanted, const char *name,
                  const char *group, const user_data_t *data) {
  size_t place;
  if (find_registration(wanted->role, name, &place)) {
    bool is_read = wanted->role == ROLE_READ;
    fault("%s registers twice as \"%s\"", role_names[wanted->role], name);
    if (is_read) {
      daemon_says(LOG_WARNING,
                  "The read function \"%s\" is already registered. Check for "
                  "duplicates in your configuration!",
                  name);
      free_user_data(data);
      return EINVAL;
    }
    (void)unregister(wanted->role, name);
  }
  struct registration *registration = must(malloc(sizeof(*registration)));
  *registration = *wanted;
  registration->name = copy_of(name);
  registration->group = copy_of(group ? group : "");
  registration->data = data ? *data : (user_data_t){0};
  registration->context = context;
  list_add(&fake.registrations, registration);
  return 0;
}

int plugin_register_complex_config(const char *type,
                                   int (*callback)(oconfig_item_t *)) {
  struct registration wanted = {.role = ROLE_CONFIG, .call.config = callback};
  return enlist(&wanted, type, NULL, NULL);
}

int plugin_register_init(const char *name, plugin_init_cb callback) {
  struct registration wanted = {.role = ROLE_INIT, .call.init = callback};
  return enlist(&wanted, name, NULL, NULL);
}

int plugin_register_shutdown(const char *name, plugin_shutdown_cb callback) {
  struct registration wanted = {.role = ROLE_SHUTDOWN,
                                .call.shutdown = callback};
  return enlist(&wanted, name, NULL, NULL);
}

int plugin_register_flush(const char *name, plugin_flush_cb callback,
                          user_data_t const *user_data) {
  struct registration wanted = {.role = ROLE_FLUSH, .call.flush = callback};
  return enlist(&wanted, name, NULL, user_data);
}

int plugin_register_notification(const char *name,
                                 plugin_notification_cb callback,
                                 user_data_t const *user_data) {
  struct registration wanted = {.role = ROLE_NOTIFICATION,
                                .call.notification = callback};
  return enlist(&wanted, name, NULL, user_data);
}

int plugin_register_complex_read(const char *group, const char *name,
                                 plugin_read_cb callback, cdtime_t interval,
                                 user_data_t const *user_data) {
  struct registration wanted = {.role = ROLE_READ, .call.read = callback};
  plugin_ctx_t old = context;
  context.interval = interval ? interval : plugin_get_interval();
  int status = enlist(&wanted, name, group, user_data);
  context = old;
  return status;
}

int plugin_unregister_complex_config(const char *name) {
  (void)unregister(ROLE_CONFIG, name);
  return 0;
}

int plugin_unregister_init(const char *name) {
  return unregister(ROLE_INIT, name);
}

int plugin_unregister_shutdown(const char *name) {
  return unregister(ROLE_SHUTDOWN, name);
}

int plugin_unregister_flush(const char *name) {
  return unregister(ROLE_FLUSH, name);
}

int plugin_unregister_notification(const char *name) {
  return unregister(ROLE_NOTIFICATION, name);
}

int plugin_unregister_read(const char *name) {
  return unregister(ROLE_READ, name) ? -ENOENT : 0;
}

int plugin_unregister_read_group(const char *group) {
  struct registration *found;
  int status = -ENOENT;
  for (size_t i = 0; (found = registration_at(i));)
    if (found->role == ROLE_READ && strcmp(found->group, group) == 0) {
      list_remove(&fake.registrations, i);
      registration_free(found);
      status = 0;
    } else
      i++;
  if (status && fake_collectd_reads())
    daemon_says(LOG_WARNING,
                "plugin_unregister_read_group: No such group of read function: "
                "%s",
                group);
  return status;
}

static void type_free(void *item) {
  data_set_t *set = item;
  free(set->ds);
  free(set);
}

const data_set_t *plugin_get_ds(const char *name) {
  const data_set_t *set;
  for (size_t i = 0; (set = list_get(&fake.types, i)); i++)
    if (strcmp(set->type, name) == 0)
      return set;
  return NULL;
}

int plugin_unregister_data_set(const char *name) {
  data_set_t *set;
  for (size_t i = 0; (set = list_get(&fake.types, i)); i++)
    if (strcmp(set->type, name) == 0) {
      list_remove(&fake.types, i);
      type_free(set);
      return 0;
    }
  return -1;
}

int plugin_register_data_set(const data_set_t *ds) {
  if (plugin_unregister_data_set(ds->type) == 0) {
    daemon_says(LOG_NOTICE, "Replacing DS `%s' with another version.",
                ds->type);
    fault("the type %s is registered over another one", ds->type);
  }
  data_set_t *set = must(malloc(sizeof(*set)));
  *set = *ds;
  set->ds = must(malloc(ds->ds_num * sizeof(data_source_t)));
  memcpy(set->ds, ds->ds, ds->ds_num * sizeof(data_source_t));
  list_add(&fake.types, set);
  return 0;
}

static const struct {
  const char *word;
  int type;
} source_types[] = {
    {"GAUGE", DS_TYPE_GAUGE},
    {"DERIVE", DS_TYPE_DERIVE},
    {"COUNTER", DS_TYPE_COUNTER},
    {"ABSOLUTE", DS_TYPE_ABSOLUTE},
};

static double limit_of(const char *text) {
  return strcmp(text, "U") == 0 ? NAN : strtod(text, NULL);
}

/* "value:GAUGE:0:U" */
static data_source_t source_of(char *text) {
  data_source_t source = {.type = -1};
  char *state;
  const char *name = must(strtok_r(text, ":", &state));
  const char *type = must(strtok_r(NULL, ":", &state));
  source.min = limit_of(must(strtok_r(NULL, ":", &state)));
  source.max = limit_of(must(strtok_r(NULL, ":,", &state)));
  fill(source.name, sizeof(source.name), name);
  for (size_t i = 0; i < sizeof(source_types) / sizeof(source_types[0]); i++)
    if (strcmp(source_types[i].word, type) == 0)
      source.type = source_types[i].type;
  if (source.type < 0)
    abort();
  return source;
}

static void add_type(char *line) {
  data_source_t sources[SOURCES_MAX];
  data_set_t set = {.ds = sources};
  char *state;
  const char *name = strtok_r(line, " \t\r", &state);
  if (!name || name[0] == '#')
    return;
  fill(set.type, sizeof(set.type), name);
  for (char *word; (word = strtok_r(NULL, " \t\r", &state));) {
    if (set.ds_num == SOURCES_MAX)
      abort();
    sources[set.ds_num++] = source_of(word);
  }
  if (set.ds_num == 0)
    abort();
  plugin_register_data_set(&set);
}

void fake_collectd_add_types(const char *lines) {
  char *copy = copy_of(lines), *state;
  for (char *line = strtok_r(copy, "\n", &state); line;
       line = strtok_r(NULL, "\n", &state))
    add_type(line);
  free(copy);
}

static double value_of(const data_source_t *source, value_t value) {
  switch (source->type) {
  case DS_TYPE_GAUGE:
    return value.gauge;
  case DS_TYPE_DERIVE:
    return (double)value.derive;
  case DS_TYPE_COUNTER:
    return (double)value.counter;
  default:
    return (double)value.absolute;
  }
}

static bool in_range(const data_source_t *source, double value) {
  return !isnan(value) && !(value < source->min) && !(value > source->max);
}

static void check_field(const char *type, const char *field) {
  if (!ends(field))
    fault("a value of type %s has a field that does not end", type);
  else if (strchr(field, '/') || has_control(field))
    fault("a value of type %s has the field \"%s\"", type, field);
}

/* False where the daemon could not go on. */
static bool check_values(const value_list_t *list, const data_set_t *set) {
  const char *type = list->type;
  if (role != ROLE_READ)
    fault("a value of type %s out of %s", type, role_names[role]);
  check_field(type, list->host);
  check_field(type, list->plugin);
  check_field(type, list->plugin_instance);
  check_field(type, list->type_instance);
  if (!list->plugin[0] || !list->plugin_instance[0])
    fault("a value of type %s without plugin or plugin instance", type);
  if (list->time)
    fault("a value of type %s with a time", type);
  if (list->meta)
    fault("a value of type %s with metadata", type);
  if (set->ds_num == list->values_len && list->values)
    return true;
  fault("%zu values of type %s", list->values_len, type);
  daemon_says(LOG_ERR,
              "plugin_dispatch_values: %s: (ds->ds_num = %zu) != "
              "(vl->values_len = %zu)",
              type, set->ds_num, list->values_len);
  return false;
}

int plugin_dispatch_values(value_list_t const *vl) {
  if (!ends(vl->type)) {
    fault("a type that does not end");
    return 0;
  }
  const data_set_t *set = plugin_get_ds(vl->type);
  if (!set) {
    fault("a value of the unknown type \"%s\"", vl->type);
    daemon_says(LOG_INFO,
                "plugin_dispatch_values: Dataset not found: %s, check your "
                "types.db!",
                vl->type);
    return 0;
  }
  if (!check_values(vl, set))
    return 0;
  for (size_t i = 0; i < set->ds_num; i++)
    if (!in_range(&set->ds[i], value_of(&set->ds[i], vl->values[i])))
      fault("the value %g of type %s", value_of(&set->ds[i], vl->values[i]),
            vl->type);
  struct fake_collectd_value *value = must(calloc(1, sizeof(*value)));
  fill(value->host, sizeof(value->host), vl->host[0] ? vl->host : hostname_g);
  memcpy(value->plugin, vl->plugin, sizeof(value->plugin));
  memcpy(value->plugin_instance, vl->plugin_instance,
         sizeof(value->plugin_instance));
  memcpy(value->type, vl->type, sizeof(value->type));
  memcpy(value->type_instance, vl->type_instance, sizeof(value->type_instance));
  value->interval = vl->interval ? vl->interval : plugin_get_interval();
  value->ds_type = set->ds[0].type;
  value->value = value_of(&set->ds[0], vl->values[0]);
  list_add(&fake.values, value);
  return 0;
}

const struct fake_collectd_value *fake_collectd_value_at(size_t i) {
  return list_get(&fake.values, i);
}

bool fake_collectd_value(const char *type, const char *type_instance,
                         double *value) {
  const struct fake_collectd_value *at;
  bool found = false;
  for (size_t i = 0; (at = fake_collectd_value_at(i)); i++)
    if (strcmp(at->type, type) == 0 &&
        strcmp(at->type_instance, type_instance) == 0) {
      *value = at->value;
      found = true;
    }
  return found;
}

static notification_meta_t *meta_add(notification_t *notification,
                                     const char *name,
                                     enum notification_meta_type_e type) {
  notification_meta_t **last = &notification->meta;
  while (*last)
    last = &(*last)->next;
  *last = must(calloc(1, sizeof(**last)));
  fill((*last)->name, sizeof((*last)->name), name);
  (*last)->type = type;
  return *last;
}

int plugin_notification_meta_add_string(notification_t *n, const char *name,
                                        const char *value) {
  meta_add(n, name, NM_TYPE_STRING)->nm_value.nm_string = copy_of(value);
  return 0;
}

int plugin_notification_meta_add_signed_int(notification_t *n, const char *name,
                                            int64_t value) {
  meta_add(n, name, NM_TYPE_SIGNED_INT)->nm_value.nm_signed_int = value;
  return 0;
}

int plugin_notification_meta_add_unsigned_int(notification_t *n,
                                              const char *name,
                                              uint64_t value) {
  meta_add(n, name, NM_TYPE_UNSIGNED_INT)->nm_value.nm_unsigned_int = value;
  return 0;
}

int plugin_notification_meta_add_double(notification_t *n, const char *name,
                                        double value) {
  meta_add(n, name, NM_TYPE_DOUBLE)->nm_value.nm_double = value;
  return 0;
}

int plugin_notification_meta_add_boolean(notification_t *n, const char *name,
                                         bool value) {
  meta_add(n, name, NM_TYPE_BOOLEAN)->nm_value.nm_boolean = value;
  return 0;
}

int plugin_notification_meta_copy(notification_t *dst,
                                  const notification_t *src) {
  for (const notification_meta_t *at = src->meta; at; at = at->next) {
    notification_meta_t *copy = meta_add(dst, at->name, at->type);
    copy->nm_value = at->nm_value;
    if (at->type == NM_TYPE_STRING)
      copy->nm_value.nm_string = copy_of(at->nm_value.nm_string);
  }
  return 0;
}

int plugin_notification_meta_free(notification_meta_t *n) {
  if (!n) {
    daemon_says(LOG_ERR, "plugin_notification_meta_free: n == NULL!");
    return -1;
  }
  while (n) {
    notification_meta_t *next = n->next;
    if (n->type == NM_TYPE_STRING)
      free((char *)(uintptr_t)n->nm_value.nm_string);
    free(n);
    n = next;
  }
  return 0;
}

const char *fake_collectd_meta(const notification_t *notification,
                               const char *name) {
  static char text[32];
  const notification_meta_t *at = notification->meta;
  while (at && strcmp(at->name, name) != 0)
    at = at->next;
  if (!at)
    return NULL;
  switch (at->type) {
  case NM_TYPE_STRING:
    return at->nm_value.nm_string;
  case NM_TYPE_BOOLEAN:
    return at->nm_value.nm_boolean ? "true" : "false";
  case NM_TYPE_DOUBLE:
    (void)snprintf(text, sizeof(text), "%.15g", at->nm_value.nm_double);
    return text;
  case NM_TYPE_SIGNED_INT:
    (void)snprintf(text, sizeof(text), "%" PRIi64, at->nm_value.nm_signed_int);
    return text;
  default:
    (void)snprintf(text, sizeof(text), "%" PRIu64,
                   at->nm_value.nm_unsigned_int);
    return text;
  }
}

static bool notification_ends(const notification_t *notification) {
  return ends(notification->host) && ends(notification->plugin) &&
         ends(notification->plugin_instance) && ends(notification->type) &&
         ends(notification->type_instance) &&
         memchr(notification->message, '\0', sizeof(notification->message));
}

static bool notification_has_control(const notification_t *notification) {
  for (const notification_meta_t *at = notification->meta; at; at = at->next)
    if (has_control(at->name) ||
        (at->type == NM_TYPE_STRING && has_control(at->nm_value.nm_string)))
      return true;
  return has_control(notification->message) ||
         has_control(notification->host) || has_control(notification->plugin) ||
         has_control(notification->plugin_instance) ||
         has_control(notification->type) ||
         has_control(notification->type_instance);
}

static bool check_notification(const notification_t *notification) {
  int severity = notification->severity;
  if (!notification_ends(notification)) {
    fault("a notification with a field that does not end");
    return false;
  }
  if (role != ROLE_READ)
    fault("a notification out of %s: %s", role_names[role],
          notification->message);
  if (severity != NOTIF_FAILURE && severity != NOTIF_WARNING &&
      severity != NOTIF_OKAY)
    fault("a notification of severity %d: %s", severity, notification->message);
  if (!notification->time || !notification->host[0] ||
      !notification->plugin[0] || !notification->message[0])
    fault("a notification without time, host, plugin or message: %s",
          notification->message);
  if (notification_has_control(notification))
    fault("a control character in a notification: %s", notification->message);
  return true;
}

static int call(struct registration *registration, oconfig_item_t *block,
                const notification_t *notification) {
  switch (registration->role) {
  case ROLE_CONFIG:
    return registration->call.config(block);
  case ROLE_INIT:
    return registration->call.init();
  case ROLE_READ:
    return registration->call.read(&registration->data);
  case ROLE_FLUSH:
    return registration->call.flush(flush_timeout, flush_identifier,
                                    &registration->data);
  case ROLE_SHUTDOWN:
    return registration->call.shutdown();
  default:
    return registration->call.notification(notification, &registration->data);
  }
}

/* In its role, and in the context that it was registered in. */
static int run(struct registration *registration, oconfig_item_t *block) {
  plugin_ctx_t old_context = plugin_set_ctx(registration->context);
  enum role old_role = role;
  role = registration->role;
  int status = call(registration, block, NULL);
  role = old_role;
  (void)plugin_set_ctx(old_context);
  return status;
}

/* In the caller's thread and context, as the daemon does it. */
static void deliver(const notification_t *notification) {
  struct registration *at;
  enum role old_role = role;
  if (depth >= DEPTH_MAX) {
    fault("notifications without end: %s", notification->message);
    return;
  }
  depth++;
  role = ROLE_NOTIFICATION;
  for (size_t i = 0; (at = registration_at(i)); i++)
    if (at->role == ROLE_NOTIFICATION && call(at, NULL, notification) != 0)
      daemon_says(LOG_WARNING,
                  "plugin_dispatch_notification: Notification callback %s "
                  "failed.",
                  at->name);
  role = old_role;
  depth--;
}

int plugin_dispatch_notification(const notification_t *notif) {
  if (!check_notification(notif))
    return -1;
  notification_t *copy = must(malloc(sizeof(*copy)));
  *copy = *notif;
  copy->meta = NULL;
  (void)plugin_notification_meta_copy(copy, notif);
  list_add(&fake.notifications, copy);
  if (fake.deaf)
    return -1;
  deliver(notif);
  return 0;
}

void fake_collectd_set_listening(bool listening) { fake.deaf = !listening; }

size_t fake_collectd_notifications(void) { return fake.notifications.len; }

const notification_t *fake_collectd_notification(size_t i) {
  return list_get(&fake.notifications, i);
}

static void notification_free(void *item) {
  notification_t *notification = item;
  if (notification->meta)
    (void)plugin_notification_meta_free(notification->meta);
  free(notification);
}

/* The field of a notification that a PUTNOTIF option sets. */
static char *field_of(notification_t *notification, const char *name,
                      size_t *size) {
  const struct {
    const char *name;
    char *field;
  } fields[] = {
      {"host", notification->host},
      {"plugin", notification->plugin},
      {"plugin_instance", notification->plugin_instance},
      {"type", notification->type},
      {"type_instance", notification->type_instance},
      {"message", notification->message},
  };
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
    if (strcasecmp(fields[i].name, name) == 0) {
      *size = fields[i].field == notification->message ? NOTIF_MAX_MSG_LEN
                                                       : DATA_MAX_NAME_LEN;
      return fields[i].field;
    }
  return NULL;
}

static int severity_of(const char *word) {
  return strcasecmp(word, "failure") == 0   ? NOTIF_FAILURE
         : strcasecmp(word, "warning") == 0 ? NOTIF_WARNING
         : strcasecmp(word, "okay") == 0    ? NOTIF_OKAY
                                            : 0;
}

static int set_option(notification_t *notification, const char *name,
                      const char *value) {
  size_t size;
  char *field = field_of(notification, name, &size);
  if (field) {
    (void)snprintf(field, size, "%s", value);
    return 0;
  }
  if (strncmp(name, "s:", 2) == 0 && name[2])
    return plugin_notification_meta_add_string(notification, name + 2, value);
  if (strcasecmp(name, "severity") == 0) {
    notification->severity = severity_of(value);
    return notification->severity ? 0 : -1;
  }
  if (strcasecmp(name, "time") == 0) {
    notification->time = DOUBLE_TO_CDTIME_T(strtod(value, NULL));
    return 0;
  }
  return -1;
}

/* The next NAME=VALUE or NAME="VALUE" of *at, in place. NULL at the end, and
 * where there is none; then **at is not NUL. */
static char *next_option(char **at, char **value) {
  char *name = *at + strspn(*at, " \t");
  size_t len = strcspn(name, "= \t");
  *at = name;
  if (len == 0 || name[len] != '=')
    return NULL;
  name[len] = '\0';
  char *in = name + len + 1, *out = in;
  bool quoted = *in == '"';
  *value = out;
  for (in += quoted; *in && (quoted ? *in != '"' : !strchr(" \t", *in)); in++) {
    if (quoted && *in == '\\' && in[1])
      in++;
    *out++ = *in;
  }
  *at = *in ? in + 1 : in;
  *out = '\0';
  return name;
}

int fake_collectd_putnotif(const char *options) {
  notification_t notification = {0};
  char *copy = copy_of(options), *at = copy, *name, *value;
  int status = 0;
  while (status == 0 && (name = next_option(&at, &value)))
    status = set_option(&notification, name, value);
  if (*at || !notification.severity || !notification.time ||
      !notification.message[0])
    status = -1;
  if (status == 0)
    deliver(&notification);
  if (notification.meta)
    (void)plugin_notification_meta_free(notification.meta);
  free(copy);
  return status;
}

enum token {
  TOKEN_END,
  TOKEN_EOL,
  TOKEN_OPEN,
  TOKEN_CLOSE,
  TOKEN_SLASH,
  TOKEN_WORD,
  TOKEN_VALUE, /* a number, a boolean or a quoted string */
  TOKEN_BAD
};

struct scanner {
  const char *at;
  enum token token;
  oconfig_value_t value; /* of WORD and VALUE; a string is the scanner's until
                            it is taken */
};

static const char digits[] = "0123456789";
static const char word_bytes[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

static size_t exponent_length(const char *text) {
  if ((*text != 'e' && *text != 'E') || (text[1] != '+' && text[1] != '-'))
    return 0;
  size_t len = strspn(text + 2, digits);
  return len ? len + 2 : 0;
}

static size_t number_length(const char *text) {
  if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    size_t hex = strspn(text + 2, "0123456789abcdefABCDEF");
    if (hex)
      return hex + 2;
  }
  size_t sign = *text == '+' || *text == '-' ? 1 : 0;
  size_t whole = strspn(text + sign, digits);
  const char *point = text + sign + whole;
  size_t fraction = *point == '.' ? strspn(point + 1, digits) : 0;
  if (fraction)
    return sign + whole + 1 + fraction + exponent_length(point + 1 + fraction);
  return whole ? sign + whole : 0;
}

static const struct {
  const char *word;
  int value;
} booleans[] = {
    {"true", 1}, {"yes", 1}, {"on", 1}, {"false", 0}, {"no", 0}, {"off", 0},
};

static enum token scan_word(struct scanner *scanner) {
  size_t number = number_length(scanner->at);
  size_t len = strspn(scanner->at, word_bytes);
  if (number && number >= len) {
    scanner->value.type = OCONFIG_TYPE_NUMBER;
    scanner->value.value.number = strtod(scanner->at, NULL);
    scanner->at += number;
    return TOKEN_VALUE;
  }
  if (len == 0)
    return TOKEN_BAD;
  const char *word = scanner->at;
  scanner->at += len;
  for (size_t i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++)
    if (strlen(booleans[i].word) == len &&
        memcmp(word, booleans[i].word, len) == 0) {
      scanner->value.type = OCONFIG_TYPE_BOOLEAN;
      scanner->value.value.boolean = booleans[i].value;
      return TOKEN_VALUE;
    }
  scanner->value.type = OCONFIG_TYPE_STRING;
  scanner->value.value.string = must(strndup(word, len));
  return TOKEN_WORD;
}

/* A backslash at the end of a line joins it with the next one, without that
 * one's blanks; before anything else it goes. */
static enum token scan_quoted(struct scanner *scanner) {
  char *text = must(malloc(strlen(scanner->at) + 1)), *out = text;
  const char *in = scanner->at + 1;
  while (*in && *in != '"') {
    if (*in == '\\' && in[1] == '\n') {
      in += 2;
      in += strspn(in, " \t");
      continue;
    }
    if (*in == '\\' && in[1])
      in++;
    *out++ = *in++;
  }
  *out = '\0';
  if (*in != '"') {
    free(text);
    return TOKEN_BAD;
  }
  scanner->at = in + 1;
  scanner->value.type = OCONFIG_TYPE_STRING;
  scanner->value.value.string = text;
  return TOKEN_VALUE;
}

static void skip_blanks(struct scanner *scanner) {
  for (;;) {
    scanner->at += strspn(scanner->at, " \t\b");
    if (*scanner->at == '#')
      scanner->at += strcspn(scanner->at, "\n");
    else if (strncmp(scanner->at, "\\\n", 2) == 0)
      scanner->at += 2;
    else
      return;
  }
}

static void next_token(struct scanner *scanner) {
  static const struct {
    char byte;
    enum token token;
  } bytes[] = {
      {'\n', TOKEN_EOL},
      {'<', TOKEN_OPEN},
      {'>', TOKEN_CLOSE},
      {'/', TOKEN_SLASH},
  };
  skip_blanks(scanner);
  scanner->token = *scanner->at ? TOKEN_BAD : TOKEN_END;
  if (scanner->token == TOKEN_END)
    return;
  for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
    if (*scanner->at == bytes[i].byte) {
      scanner->token = bytes[i].token;
      scanner->at++;
      return;
    }
  scanner->token =
      *scanner->at == '"' ? scan_quoted(scanner) : scan_word(scanner);
}

/* The string of the token at hand goes with it. */
static void drop_token(struct scanner *scanner) {
  if ((scanner->token == TOKEN_WORD || scanner->token == TOKEN_VALUE) &&
      scanner->value.type == OCONFIG_TYPE_STRING)
    free(scanner->value.value.string);
}

static bool take(struct scanner *scanner, enum token token) {
  if (scanner->token != token)
    return false;
  next_token(scanner);
  return true;
}

static bool accept_end_of_line(struct scanner *scanner) {
  return scanner->token == TOKEN_END || take(scanner, TOKEN_EOL);
}

static void item_clear(oconfig_item_t *item) {
  for (int i = 0; i < item->values_num; i++)
    if (item->values[i].type == OCONFIG_TYPE_STRING)
      free(item->values[i].value.string);
  for (int i = 0; i < item->children_num; i++)
    item_clear(&item->children[i]);
  free(item->key);
  free(item->values);
  free(item->children);
}

void fake_collectd_config_free(oconfig_item_t *root) {
  if (!root)
    return;
  item_clear(root);
  free(root);
}

static bool parse_key(struct scanner *scanner, oconfig_item_t *item) {
  if (scanner->token != TOKEN_WORD)
    return false;
  item->key = scanner->value.value.string;
  next_token(scanner);
  return true;
}

static void parse_values(struct scanner *scanner, oconfig_item_t *item) {
  while (scanner->token == TOKEN_WORD || scanner->token == TOKEN_VALUE) {
    size_t len = (size_t)item->values_num + 1;
    item->values = must(realloc(item->values, len * sizeof(oconfig_value_t)));
    item->values[item->values_num++] = scanner->value;
    next_token(scanner);
  }
}

static bool parse_items(struct scanner *scanner, oconfig_item_t *parent);

static bool parse_block_end(struct scanner *scanner, const char *key) {
  oconfig_item_t end = {0};
  bool good = take(scanner, TOKEN_SLASH) && parse_key(scanner, &end) &&
              strcmp(end.key, key) == 0 && take(scanner, TOKEN_CLOSE) &&
              accept_end_of_line(scanner);
  free(end.key);
  return good;
}

static bool parse_item(struct scanner *scanner, oconfig_item_t *item,
                       bool is_block) {
  if (!parse_key(scanner, item))
    return false;
  parse_values(scanner, item);
  if (!is_block)
    return item->values_num > 0 && accept_end_of_line(scanner);
  return take(scanner, TOKEN_CLOSE) && take(scanner, TOKEN_EOL) &&
         parse_items(scanner, item) && parse_block_end(scanner, item->key);
}

/* Up to the end, or to the slash of the parent's own end. */
static bool parse_items(struct scanner *scanner, oconfig_item_t *parent) {
  for (;;) {
    oconfig_item_t item = {0};
    while (take(scanner, TOKEN_EOL))
      continue;
    bool is_block = take(scanner, TOKEN_OPEN);
    if (scanner->token == (is_block ? TOKEN_SLASH : TOKEN_END))
      return is_block == (parent->key != NULL);
    if (!parse_item(scanner, &item, is_block)) {
      item_clear(&item);
      return false;
    }
    if (item.values_num == 0 && item.children_num == 0) {
      item_clear(&item);
      continue;
    }
    size_t len = (size_t)parent->children_num + 1;
    parent->children =
        must(realloc(parent->children, len * sizeof(oconfig_item_t)));
    parent->children[parent->children_num++] = item;
  }
}

oconfig_item_t *fake_collectd_config_parse(const char *text) {
  oconfig_item_t *root = must(calloc(1, sizeof(*root)));
  struct scanner scanner = {.at = text};
  next_token(&scanner);
  if (parse_items(&scanner, root))
    return root;
  drop_token(&scanner);
  fake_collectd_config_free(root);
  return NULL;
}

static int configure_block(oconfig_item_t *block) {
  size_t place;
  if (strcasecmp(block->key, "Plugin") != 0 || block->values_num < 1 ||
      block->values[0].type != OCONFIG_TYPE_STRING)
    return 0;
  struct registration *found =
      find_registration(ROLE_CONFIG, block->values[0].value.string, &place);
  return found ? run(found, block) : 0;
}

int fake_collectd_configure(const char *text) {
  oconfig_item_t *root = fake_collectd_config_parse(text);
  int status = root ? 0 : -1;
  for (int i = 0; root && i < root->children_num; i++)
    if (configure_block(&root->children[i]))
      status = -1;
  fake_collectd_config_free(root);
  return status;
}

int fake_collectd_init(void) {
  struct registration *at;
  int status = 0;
  for (size_t i = 0; (at = registration_at(i)); i++)
    if (at->role == ROLE_INIT && run(at, NULL)) {
      daemon_says(LOG_ERR,
                  "Initialization of plugin `%s' failed. Plugin will be "
                  "unloaded.",
                  at->name);
      (void)plugin_unregister_read(at->name);
      status = -1;
    }
  return status;
}

size_t fake_collectd_read(void) {
  struct registration *at;
  size_t failed = 0;
  for (size_t i = 0; (at = registration_at(i)); i++)
    if (at->role == ROLE_READ && run(at, NULL))
      failed++;
  return failed;
}

void fake_collectd_flush_of(const char *name, cdtime_t timeout,
                            const char *identifier) {
  struct registration *at;
  flush_timeout = timeout;
  flush_identifier = identifier;
  for (size_t i = 0; (at = registration_at(i)); i++)
    if (at->role == ROLE_FLUSH && (!name || strcmp(at->name, name) == 0))
      (void)run(at, NULL);
}

void fake_collectd_flush(const char *name) {
  fake_collectd_flush_of(name, /* timeout = */ 0, /* identifier = */ NULL);
}

size_t fake_collectd_reads(void) {
  const struct registration *at;
  size_t count = 0;
  for (size_t i = 0; (at = registration_at(i)); i++)
    count += at->role == ROLE_READ;
  return count;
}

static void unregister_all(enum role of) {
  struct registration *at;
  for (size_t i = 0; (at = registration_at(i));)
    if (at->role == of) {
      list_remove(&fake.registrations, i);
      registration_free(at);
    } else
      i++;
}

int fake_collectd_shutdown(void) {
  static const enum role order[] = {ROLE_FLUSH, ROLE_NOTIFICATION,
                                    ROLE_SHUTDOWN, ROLE_CONFIG};
  struct registration *at;
  int status = 0;
  unregister_all(ROLE_INIT);
  unregister_all(ROLE_READ);
  fake_collectd_flush(NULL);
  for (size_t i = 0; (at = registration_at(i)); i++)
    if (at->role == ROLE_SHUTDOWN && run(at, NULL))
      status = -1;
  for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
    unregister_all(order[i]);
  list_clear(&fake.types, type_free);
  return status;
}

void fake_collectd_clear(void) {
  list_clear(&fake.lines, free);
  list_clear(&fake.values, free);
  list_clear(&fake.notifications, notification_free);
  free(fake.fault);
  fake.fault = NULL;
}

void fake_collectd_reset(void) {
  on_log = NULL;
  list_clear(&fake.registrations, registration_free);
  list_clear(&fake.types, type_free);
  fake_collectd_clear();
  fake_collectd_set_interval(DEFAULT_INTERVAL_S);
  fake.now = 0;
  fake.deaf = false;
  context = (plugin_ctx_t){0};
}
