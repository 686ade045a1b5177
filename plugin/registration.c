/* SPDX-License-Identifier: MIT */

#include <collectd.h>

#include <plugin.h>

#include "plugin/registration.h"

#include "plugin/metrics.h"

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/settings.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/watch/job.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { QUOTE_SIZE = 80 };

static bool has_meta(const notification_t *notification, const char *name) {
  for (const notification_meta_t *meta = notification->meta; meta;
       meta = meta->next)
    if (strcmp(meta->name, name) == 0)
      return true;
  return false;
}

bool fc_registration_is_one(const notification_t *notification) {
  return !fc_metrics_has_type(notification->type) &&
         !has_meta(notification, "CurrentValue") &&
         !has_meta(notification, "dedup_key");
}

static const char *quote(char quoted[QUOTE_SIZE], const char *field) {
  (void)fc_text_line(quoted, QUOTE_SIZE, field, strlen(field));
  return quoted;
}

static void say(const notification_t *notification, const char *what,
                char text[FC_REGISTRATION_TEXT_SIZE]) {
  char instance[QUOTE_SIZE], type[QUOTE_SIZE], id[QUOTE_SIZE];
  (void)snprintf(text, FC_REGISTRATION_TEXT_SIZE,
                 "%s: registration of %s \"%s\": %s",
                 quote(instance, notification->plugin_instance),
                 quote(type, notification->type),
                 quote(id, notification->type_instance), what);
}

static enum fc_registration refuse(const notification_t *notification,
                                   const char *why,
                                   char text[FC_REGISTRATION_TEXT_SIZE]) {
  say(notification, why, text);
  return FC_REGISTRATION_REFUSED;
}

static const char *reason(enum fc_error error) {
  switch (error) {
  case FC_ERR_ARGUMENT:
    return "an ID of " FC_ID_RULE
           " as type instance and a name of " FC_NAME_RULE
           ", or the ID, as message are expected";
  case FC_ERR_EXISTS:
    return "the configuration or JobFile has the job under another kind or "
           "name";
  case FC_ERR_LIMIT:
    return "MaxJobs is reached";
  case FC_ERR_NOT_FOUND:
    return "there is no such registered job to forget";
  default:
    return fc_error_text(error);
  }
}

static enum fc_registration watch(struct fc_instance *instance,
                                  const struct fc_kind *kind,
                                  const notification_t *notification,
                                  struct fc_now now,
                                  char text[FC_REGISTRATION_TEXT_SIZE]) {
  const char *id = notification->type_instance;
  const char *name = notification->message[0] ? notification->message : id;
  char what[QUOTE_SIZE] = "it is watched";
  size_t used = strlen(what);
  bool changed;
  enum fc_error error =
      fc_instance_register(instance, kind, id, name, now, &changed);
  if (error)
    return refuse(notification, reason(error), text);
  if (!changed)
    return FC_REGISTRATION_KNOWN;
  if (strcmp(name, id) != 0)
    fc_text_append(what, sizeof(what), &used, " as %s", name);
  say(notification, what, text);
  return FC_REGISTRATION_CHANGED;
}

static enum fc_registration forget(struct fc_instance *instance,
                                   const notification_t *notification,
                                   struct fc_now now,
                                   char text[FC_REGISTRATION_TEXT_SIZE]) {
  enum fc_error error = fc_instance_forget(
      instance, notification->type_instance, FC_SOURCE_REGISTRATION, now);
  if (error)
    return refuse(notification, reason(error), text);
  say(notification, "it is forgotten", text);
  return FC_REGISTRATION_CHANGED;
}

static enum fc_registration refuse_kind(const notification_t *notification,
                                        char text[FC_REGISTRATION_TEXT_SIZE]) {
  char why[QUOTE_SIZE] = "";
  size_t used = 0;
  for (int i = 0; i < FC_KIND_COUNT; i++)
    fc_text_append(why, sizeof(why), &used, "%s%s", i ? ", " : "a kind (",
                   fc_kind_get((enum fc_kind_id)i)->name);
  fc_text_append(why, sizeof(why), &used, ") is expected as type");
  return refuse(notification, why, text);
}

/* The sender of PUTNOTIF may leave out the host. */
static bool is_of_this_host(const notification_t *notification) {
  return !notification->host[0] ||
         strcasecmp(notification->host, hostname_g) == 0;
}

enum fc_registration
fc_registration_take(struct fc_instance *instance,
                     const notification_t *notification, struct fc_now now,
                     char text[FC_REGISTRATION_TEXT_SIZE]) {
  const struct fc_kind *kind =
      fc_kind_by_name(notification->type, strlen(notification->type));
  text[0] = '\0';
  if (!instance && !is_of_this_host(notification))
    return FC_REGISTRATION_NONE;
  if (!instance)
    return refuse(notification, "there is no <Instance> of that name", text);
  if (!kind)
    return refuse_kind(notification, text);
  if (!fc_instance_settings(instance)->accept_registrations)
    return refuse(notification,
                  "this instance has no \"AcceptRegistrations true\"", text);
  if (notification->severity == NOTIF_WARNING)
    return forget(instance, notification, now, text);
  if (notification->severity == NOTIF_OKAY)
    return watch(instance, kind, notification, now, text);
  return refuse(notification,
                "severity okay (watch) or warning (forget) is expected", text);
}
