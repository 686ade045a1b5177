/* SPDX-License-Identifier: MIT */

#include <collectd.h>

#include <plugin.h>

#include "plugin/notify.h"

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/status.h"
#include "src/base/timestamp.h"

#include <stdbool.h>
#include <stdio.h>

static const struct {
  int notification;
  int log;
} severities[] = {
    [FC_SEVERITY_FAILURE] = {NOTIF_FAILURE, LOG_ERR},
    [FC_SEVERITY_WARNING] = {NOTIF_WARNING, LOG_WARNING},
    [FC_SEVERITY_OKAY] = {NOTIF_OKAY, LOG_NOTICE},
};

int fc_notify_log_level(enum fc_severity severity) {
  return severities[severity].log;
}

/* A handler gets the notification with what metadata memory allows. */
static void add_text(notification_t *notification, const char *name,
                     const char *value) {
  if (value[0])
    (void)plugin_notification_meta_add_string(notification, name, value);
}

/* Receivers compare keys of all instances. */
static void add_key(notification_t *notification,
                    const struct fc_settings *settings,
                    const struct fc_event *event) {
  char key[FC_EVENT_KEY_SIZE], text[FC_NAME_MAX + 1 + FC_EVENT_KEY_SIZE];
  (void)snprintf(text, sizeof(text), "%s/%s", settings->name,
                 fc_event_key(event, key));
  add_text(notification, "dedup_key", text);
}

static void add_metadata(notification_t *notification,
                         const struct fc_settings *settings,
                         const struct fc_event *event) {
  char date[FC_TIMESTAMP_SIZE];
  const struct fc_kind *kind = fc_kind_get(event->kind);
  if (kind)
    add_text(notification, "kind", kind->name);
  if (event->id[0]) {
    add_text(notification, "id", event->id);
    add_text(notification, "status", fc_status_name(event->status));
    add_text(notification, "previous", fc_status_name(event->previous));
  }
  add_text(notification, "error", event->text);
  if (event->has_expires_at)
    add_text(notification, "expires_at",
             fc_timestamp_format(date, event->expires_at_s));
  add_key(notification, settings, event);
  if (event->possible_duplicate)
    (void)plugin_notification_meta_add_boolean(notification,
                                               "possible_duplicate", true);
}

void fc_notify_dispatch(const struct fc_settings *settings,
                        const struct fc_event *event) {
  char message[FC_EVENT_MESSAGE_SIZE];
  enum fc_severity severity = fc_event_severity(event->type);
  notification_t notification = {
      .severity = severities[severity].notification,
      .time = cdtime(),
  };
  (void)snprintf(notification.message, sizeof(notification.message), "%s",
                 fc_event_message(event, message));
  (void)snprintf(notification.host, sizeof(notification.host), "%s",
                 settings->host ? settings->host : hostname_g);
  (void)snprintf(notification.plugin, sizeof(notification.plugin), "firecrawl");
  (void)snprintf(notification.plugin_instance,
                 sizeof(notification.plugin_instance), "%s", settings->name);
  (void)snprintf(notification.type, sizeof(notification.type), "%s",
                 event->id[0] ? "job_status" : "api_up");
  (void)snprintf(notification.type_instance, sizeof(notification.type_instance),
                 "%s", event->name);
  add_metadata(&notification, settings, event);
  plugin_log(fc_notify_log_level(severity), "firecrawl plugin: %s: %s",
             settings->name, message);
  (void)plugin_dispatch_notification(&notification);
  /* Without any, the daemon would call that an error. */
  if (notification.meta)
    plugin_notification_meta_free(notification.meta);
}
