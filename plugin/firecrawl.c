/* SPDX-License-Identifier: MIT */

#include <collectd.h>

#include <plugin.h>

#include "plugin/complain.h"
#include "plugin/config.h"
#include "plugin/identifier.h"
#include "plugin/metrics.h"
#include "plugin/notify.h"
#include "plugin/registration.h"

#include "src/api/parse.h"
#include "src/api/settings.h"
#include "src/api/transport_curl.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/throttle.h"
#include "src/state/disk.h"
#include "src/state/journal.h"
#include "src/state/store.h"
#include "src/watch/instance.h"
#include "src/watch/instance_save.h"
#include "src/watch/job.h"
#include "src/watch/keyfile.h"
#include "src/watch/poller.h"
#include "src/watch/source.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* In collectd's BaseDir, which is the daemon's working directory. */
#define DEFAULT_STATE_FILE "firecrawl.db"

enum {
  EARLY_MAX = 256, /* registrations kept until init */
  MINUTE_MS = 60000
};

/* How often the log hears of what others write: a JobFile, registrations. */
static const struct fc_throttle_rule reports_rule = {20, MINUTE_MS};

static const struct {
  int severity;
  struct fc_throttle_rule rule;
  const char *what; /* the ones that are left out did */
} registration_lines[FC_REGISTRATION_COUNT] = {
    [FC_REGISTRATION_CHANGED] = {LOG_NOTICE, {20, MINUTE_MS}, "were taken"},
    [FC_REGISTRATION_REFUSED] = {LOG_ERR, {1, MINUTE_MS / 6}, "were refused"},
};

/* How each line ends that says why init gives up. */
#define NOTHING "; nothing is watched"

/* At the end, for a disk that does not answer. */
#ifndef FC_DISK_PATIENCE_MS
#define FC_DISK_PATIENCE_MS 1200
#endif

/* One <Instance> at work. */
struct fc_member {
  struct fc_instance *instance;
  struct fc_keyfile *keyfile;
  struct fc_source source;
  struct fc_complaints complaints;
  struct fc_throttle reports;
};

/* The plugin's only mutable file-scope state: what the daemon has configured,
 * and what was made of it. */
static struct {
  enum fc_error libcurl_error; /* of its preparation */
  struct fc_config config;
  struct fc_metrics metrics;
  struct fc_journal *journal; /* the disk thread ends it */
  struct fc_disk *disk;
  struct fc_poller *poller;
  struct fc_member **members;
  size_t members_len;
  /* Notifications and flushes come from threads of other plugins, also while
   * this one is being shut down. */
  pthread_mutex_t lock;
  enum { FC_STARTING, FC_RUNNING, FC_ENDED } phase;
  /* Registrations that came while the daemon was still starting. */
  notification_t *early;
  size_t early_len;
  struct fc_throttle registrations[FC_REGISTRATION_COUNT];
} plugin = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int fc_config(oconfig_item_t *block) {
  fc_config_read(&plugin.config, block);
  return 0;
}

static void deliver_events(struct fc_member *member, struct fc_now now) {
  struct fc_delivery delivery;
  bool any = false;
  while (fc_instance_take_event(member->instance, now, &delivery)) {
    fc_notify_dispatch(fc_instance_settings(member->instance), &delivery.event);
    fc_instance_delivered(member->instance, &delivery);
    any = true;
  }
  if (any)
    fc_disk_wake(plugin.disk);
}

static void log_reports(struct fc_member *member, struct fc_now now) {
  struct fc_report report;
  while (fc_throttle_is_open(&member->reports, &reports_rule, now.mono_ms) &&
         fc_instance_take_report(member->instance, &report)) {
    (void)fc_throttle_say(&member->reports, &reports_rule, now.mono_ms);
    plugin_log(fc_notify_log_level(report.severity), "firecrawl plugin: %s: %s",
               fc_instance_settings(member->instance)->name, report.text);
  }
}

/* How many were not logged one by one, when no further one comes to say so. */
static void log_registrations(struct fc_now now) {
  size_t left_out[FC_REGISTRATION_COUNT];
  pthread_mutex_lock(&plugin.lock);
  for (int i = 0; i < FC_REGISTRATION_COUNT; i++)
    left_out[i] = fc_throttle_rest(&plugin.registrations[i],
                                   &registration_lines[i].rule, now.mono_ms);
  pthread_mutex_unlock(&plugin.lock);
  for (int i = 0; i < FC_REGISTRATION_COUNT; i++)
    if (left_out[i])
      plugin_log(registration_lines[i].severity,
                 "firecrawl plugin: %zu more registrations %s", left_out[i],
                 registration_lines[i].what);
}

/* Always 0: an API that does not answer is a value, and the daemon suspends a
 * read that fails. */
static int fc_read(user_data_t *user_data) {
  struct fc_member *member = user_data->data;
  const struct fc_settings *settings = fc_instance_settings(member->instance);
  struct fc_now now = fc_clock_system.now(fc_clock_system.data);
  struct fc_stats stats;
  fc_instance_stats(member->instance, now, &stats);
  log_reports(member, now);
  log_registrations(now);
  fc_complain(&member->complaints, settings->name, &stats, now);
  fc_metrics_dispatch(&plugin.metrics, member->instance, &stats, now);
  deliver_events(member, now);
  return 0;
}

static int64_t plugin_interval_ms(void) {
  int64_t interval_ms = (int64_t)CDTIME_T_TO_MS(plugin_get_interval());
  return interval_ms > 0 ? interval_ms : 1;
}

static uint64_t random_seed(struct fc_now now) {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
    seed = (uint64_t)now.mono_ms ^ (uint64_t)now.epoch_s << 32;
  return seed;
}

/* A job that is refused is told of; without memory for one there is no start:
 * it would be missing until the next one. */
static enum fc_error add_configured_jobs(struct fc_instance *instance,
                                         struct fc_now now) {
  const struct fc_settings *settings = fc_instance_settings(instance);
  for (size_t i = 0; i < settings->jobs_len; i++) {
    const struct fc_job_spec *job = &settings->jobs[i];
    enum fc_error error = fc_instance_add(instance, job->kind, job->id,
                                          job->name, FC_SOURCE_CONFIG, now);
    if (error == FC_ERR_MEMORY)
      return error;
    if (error)
      ERROR("firecrawl plugin: %s: job %s is not watched: %s", settings->name,
            job->id, fc_error_text(error));
  }
  return FC_OK;
}

/* What the configuration wants, and what an earlier run knew. */
static enum fc_error restore_jobs(struct fc_instance *instance,
                                  struct fc_now now) {
  enum fc_error error = add_configured_jobs(instance, now);
  return error ? error : fc_journal_add(plugin.journal, instance, now);
}

static void member_free(struct fc_member *member) {
  fc_keyfile_free(member->keyfile);
  fc_instance_free(member->instance);
  free(member);
}

static struct fc_member *member_new(const struct fc_settings *settings,
                                    struct fc_now now) {
  struct fc_member *member = calloc(1, sizeof(*member));
  if (!member)
    return NULL;
  member->instance =
      fc_instance_new(settings, plugin_interval_ms(), random_seed(now));
  if (!member->instance) {
    member_free(member);
    return NULL;
  }
  return member;
}

/* What the member has to do on disks, and on the network. */
static enum fc_error follow(struct fc_member *member, struct fc_now now) {
  struct fc_waker changed = fc_poller_waker(plugin.poller);
  member->keyfile = fc_keyfile_new(member->instance, changed, now);
  if (!member->keyfile)
    return FC_ERR_MEMORY;
  fc_source_init(&member->source, member->instance,
                 fc_keyfile_key(member->keyfile), fc_disk_stopping(plugin.disk),
                 changed);
  enum fc_error error =
      fc_disk_add(plugin.disk, (struct fc_disk_task){.turn = fc_keyfile_task,
                                                     .data = member->keyfile});
  if (!error)
    error = fc_disk_add(
        plugin.disk,
        (struct fc_disk_task){.turn = fc_source_task, .data = &member->source});
  return error
             ? error
             : fc_poller_add(plugin.poller, member->instance, member->keyfile);
}

/* Once the journal knows the instance, only release() may free it. */
static int init_instance(const struct fc_settings *settings) {
  struct fc_now now = fc_clock_system.now(fc_clock_system.data);
  struct fc_member *member = member_new(settings, now);
  if (member)
    plugin.members[plugin.members_len++] = member;
  if (!member || restore_jobs(member->instance, now) || follow(member, now)) {
    ERROR("firecrawl plugin: <Instance \"%s\">: out of memory" NOTHING,
          settings->name);
    return -1;
  }
  return 0;
}

static int init_threads(void) {
  enum fc_error error = plugin.libcurl_error;
  if (error) {
    ERROR("firecrawl plugin: libcurl %s cannot be used: %s" NOTHING,
          fc_transport_curl_version(),
          error == FC_ERR_ARGUMENT ? "7.87 or newer is needed"
                                   : fc_error_text(error));
    return -1;
  }
  struct fc_transport *transport = fc_transport_curl_new();
  plugin.poller = transport ? fc_poller_new(transport, &fc_clock_system) : NULL;
  plugin.disk = fc_disk_new(&fc_clock_system);
  plugin.members =
      calloc(plugin.config.instances_len, sizeof(struct fc_member *));
  if (!plugin.poller || !plugin.disk || !plugin.members) {
    ERROR("firecrawl plugin: out of memory" NOTHING);
    return -1;
  }
  fc_poller_set_disk(plugin.poller, fc_disk_waker(plugin.disk));
  return 0;
}

static enum fc_error keep_disabled(struct fc_journal *journal) {
  enum fc_error error = FC_OK;
  for (size_t i = 0; i < plugin.config.disabled_len && !error; i++)
    error = fc_journal_keep(journal, plugin.config.disabled[i]);
  return error;
}

static int init_journal(void) {
  const char *path = plugin.config.state_file;
  plugin.journal = fc_journal_new(path ? path : DEFAULT_STATE_FILE,
                                  fc_clock_system.now(fc_clock_system.data));
  if (!plugin.journal || keep_disabled(plugin.journal) ||
      fc_disk_add(plugin.disk, fc_journal_task(plugin.journal))) {
    fc_journal_free(plugin.journal, fc_clock_system.now(fc_clock_system.data));
    plugin.journal = NULL;
    ERROR("firecrawl plugin: out of memory" NOTHING);
    return -1;
  }
  return 0;
}

static int register_reads(void) {
  for (size_t i = 0; i < plugin.members_len; i++) {
    char name[2 * DATA_MAX_NAME_LEN];
    struct fc_member *member = plugin.members[i];
    (void)snprintf(name, sizeof(name), "firecrawl/%s",
                   fc_instance_settings(member->instance)->name);
    /* No free function: the daemon would free it before the poller stops. */
    if (plugin_register_complex_read("firecrawl", name, fc_read,
                                     /* interval = the plugin's */ 0,
                                     &(user_data_t){.data = member})) {
      ERROR("firecrawl plugin: collectd takes no read callback" NOTHING);
      (void)plugin_unregister_read_group("firecrawl");
      return -1;
    }
  }
  return 0;
}

static void end_phase(void) {
  pthread_mutex_lock(&plugin.lock);
  plugin.phase = FC_ENDED;
  pthread_mutex_unlock(&plugin.lock);
}

static void free_early(void) {
  free(plugin.early);
  plugin.early = NULL;
  plugin.early_len = 0;
  memset(plugin.registrations, 0, sizeof(plugin.registrations));
}

/* A disk that does not answer holds up no daemon that ends: what its thread may
 * still use stays until the process has ended, and so does this code
 * (FC_NODELETE). */
static void leave_to_the_disk(void) {
  WARNING("firecrawl plugin: the disk does not answer: what was not saved by "
          "now is asked for, or told, again by the next start");
  plugin.poller = NULL;
  plugin.members = NULL;
  plugin.members_len = 0;
  plugin.config = (struct fc_config){0};
}

/* The disk thread wakes the poller, and saves what that has learnt. */
static void release(void) {
  end_phase();
  free_early();
  if (plugin.poller)
    fc_poller_stop(plugin.poller);
  bool ended = fc_disk_end(plugin.disk, FC_DISK_PATIENCE_MS);
  plugin.disk = NULL;
  plugin.journal = NULL;
  if (!ended) {
    leave_to_the_disk();
    return;
  }
  fc_poller_free(plugin.poller);
  plugin.poller = NULL;
  for (size_t i = 0; i < plugin.members_len; i++)
    member_free(plugin.members[i]);
  free(plugin.members);
  plugin.members = NULL;
  plugin.members_len = 0;
  fc_config_release(&plugin.config);
}

/* With a timeout, it is for what is older than that: the JobFile is looked at
 * every second as it is. */
static void flush_member(struct fc_member *member, cdtime_t timeout) {
  fc_instance_flush(member->instance, (int64_t)CDTIME_T_TO_MS(timeout),
                    fc_clock_system.now(fc_clock_system.data));
  if (timeout == 0)
    fc_source_flush(&member->source);
}

/* FLUSH, SIGUSR1, FlushInterval, and the daemon that ends. Graph front ends
 * name the series that they are about to draw, whatever plugin it is of. */
static int fc_flush(cdtime_t timeout, const char *identifier,
                    user_data_t *user_data) {
  (void)user_data;
  pthread_mutex_lock(&plugin.lock);
  if (plugin.phase == FC_RUNNING) {
    for (size_t i = 0; i < plugin.members_len; i++)
      if (!identifier ||
          fc_identifier_is_of(
              identifier, fc_instance_settings(plugin.members[i]->instance)))
        flush_member(plugin.members[i], timeout);
    fc_disk_wake(plugin.disk);
    fc_poller_wake(plugin.poller);
  }
  pthread_mutex_unlock(&plugin.lock);
  return 0;
}

static struct fc_instance *find_instance(const char *name) {
  for (size_t i = 0; i < plugin.members_len; i++) {
    struct fc_instance *instance = plugin.members[i]->instance;
    if (strcmp(fc_instance_settings(instance)->name, name) == 0)
      return instance;
  }
  return NULL;
}

/* What is to be logged of a registration. */
struct line {
  enum fc_registration what;
  size_t left_out; /* of its like, that nothing was logged of */
  char text[FC_REGISTRATION_TEXT_SIZE];
};

static void take_registration(const notification_t *notification,
                              struct line *line) {
  struct fc_now now = fc_clock_system.now(fc_clock_system.data);
  line->what =
      fc_registration_take(find_instance(notification->plugin_instance),
                           notification, now, line->text);
  if (line->text[0] && !fc_throttle_pass(&plugin.registrations[line->what],
                                         &registration_lines[line->what].rule,
                                         now.mono_ms, &line->left_out))
    line->text[0] = '\0';
  if (line->what == FC_REGISTRATION_CHANGED)
    fc_disk_wake(plugin.disk);
  if (line->what == FC_REGISTRATION_CHANGED ||
      line->what == FC_REGISTRATION_KNOWN)
    fc_poller_wake(plugin.poller);
}

static void log_line(const struct line *line) {
  int severity = registration_lines[line->what].severity;
  if (line->left_out)
    plugin_log(severity, "firecrawl plugin: %s (%zu more %s)", line->text,
               line->left_out, registration_lines[line->what].what);
  else if (line->text[0])
    plugin_log(severity, "firecrawl plugin: %s", line->text);
}

static void keep_early(const notification_t *notification) {
  notification_t *early = plugin.early_len < EARLY_MAX
                              ? reallocarray(plugin.early, plugin.early_len + 1,
                                             sizeof(*notification))
                              : NULL;
  if (!early) {
    fc_throttle_leave_out(&plugin.registrations[FC_REGISTRATION_REFUSED]);
    return;
  }
  plugin.early = early;
  early[plugin.early_len] = *notification;
  early[plugin.early_len++].meta = NULL;
}

/* Every notification of the daemon comes by, our own among them. */
static int fc_notification(const notification_t *notification,
                           user_data_t *user_data) {
  struct line line = {.text = ""};
  (void)user_data;
  if (strcmp(notification->plugin, "firecrawl") != 0 ||
      !fc_registration_is_one(notification))
    return 0;
  pthread_mutex_lock(&plugin.lock);
  if (plugin.phase == FC_RUNNING)
    take_registration(notification, &line);
  else if (plugin.phase == FC_STARTING)
    keep_early(notification);
  pthread_mutex_unlock(&plugin.lock);
  log_line(&line);
  return 0;
}

/* From now on registrations are taken as they come; those that came before are
 * taken now. */
static void run(void) {
  pthread_mutex_lock(&plugin.lock);
  notification_t *early = plugin.early;
  size_t len = plugin.early_len;
  plugin.early = NULL;
  plugin.early_len = 0;
  plugin.phase = FC_RUNNING;
  pthread_mutex_unlock(&plugin.lock);
  for (size_t i = 0; i < len; i++)
    (void)fc_notification(&early[i], NULL);
  free(early);
}

static int start(void) {
  if (plugin.config.instances_len == 0) {
    ERROR("firecrawl plugin: no <Instance> is %s: nothing is watched",
          plugin.config.has_invalid ? "valid" : "configured");
    return -1;
  }
  if (init_threads() || init_journal())
    return -1;
  for (size_t i = 0; i < plugin.config.instances_len; i++)
    if (init_instance(plugin.config.instances[i]))
      return -1;
  if (fc_disk_start(plugin.disk) || fc_poller_start(plugin.poller)) {
    ERROR("firecrawl plugin: a thread does not start" NOTHING);
    return -1;
  }
  fc_metrics_init(&plugin.metrics);
  run();
  return register_reads();
}

/* Always 0: after an init that failed, the daemon would end with status 1 one
 * day. Types and reads are registered last, and not at all where there is
 * nothing to watch. The other callbacks stay, and do nothing then: the daemon's
 * lists of them have no lock, and other plugins' threads may be reading them by
 * now. */
static int fc_init(void) {
  if (start()) {
    release();
    return 0;
  }
  INFO("firecrawl plugin: version " FC_VERSION
       ", libcurl %s, json-c %s, SQLite %s; %zu instance%s",
       fc_transport_curl_version(), fc_parse_library_version(),
       fc_store_library_version(), plugin.members_len,
       plugin.members_len == 1 ? "" : "s");
  return 0;
}

/* The daemon has joined the read threads before. */
static int fc_shutdown(void) {
  release();
  return 0;
}

void module_register(void);

__attribute__((visibility("default"))) void module_register(void) {
  /* Before another plugin prepares libcurl, if that is to be. */
  plugin.libcurl_error = fc_transport_curl_global_init();
  plugin_register_complex_config("firecrawl", fc_config);
  plugin_register_init("firecrawl", fc_init);
  plugin_register_shutdown("firecrawl", fc_shutdown);
  plugin_register_flush("firecrawl", fc_flush, NULL);
  plugin_register_notification("firecrawl", fc_notification, NULL);
}
