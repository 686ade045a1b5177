/* SPDX-License-Identifier: MIT */

#include "plugin/registration.h"

#include "src/api/kind.h"
#include "src/api/name.h"
#include "src/api/settings.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/watch/job.h"

#include <stdio.h>
#include <string.h>

enum { QUOTE_SIZE = 80 };

/* False: nothing has changed. */
static bool refuse(const struct fc_instance *instance,
                   const notification_t *notification, const char *why,
                   char refused[FC_REGISTRATION_TEXT_SIZE]) {
  char id[QUOTE_SIZE];
  (void)fc_text_line(id, sizeof(id), notification->type_instance,
                     strlen(notification->type_instance));
  (void)snprintf(
      refused, FC_REGISTRATION_TEXT_SIZE, "%s: registration of %s \"%s\": %s",
      fc_instance_settings(instance)->name, notification->type, id, why);
  return false;
}

static const char *reason(enum fc_error error) {
  switch (error) {
  case FC_ERR_ARGUMENT:
    return "an ID of " FC_ID_RULE
           " as type instance and a name of " FC_NAME_RULE
           " as message are expected";
  case FC_ERR_EXISTS:
    return "the configuration or JobFile has the job as another kind";
  case FC_ERR_LIMIT:
    return "MaxJobs is reached";
  case FC_ERR_NOT_FOUND:
    return "there is no such registered job to forget";
  default:
    return fc_error_text(error);
  }
}

static enum fc_error take(struct fc_instance *instance,
                          const struct fc_kind *kind,
                          const notification_t *notification,
                          struct fc_now now) {
  const char *id = notification->type_instance;
  const char *name = notification->message;
  if (notification->severity == NOTIF_WARNING)
    return fc_instance_forget(instance, id, FC_SOURCE_REGISTRATION, now);
  /* The daemon has no empty message: PUTNOTIF sends the ID or a blank. */
  return fc_instance_add(instance, kind, id, name[0] ? name : NULL,
                         FC_SOURCE_REGISTRATION, now);
}

bool fc_registration_take(struct fc_instance *instance,
                          const notification_t *notification, struct fc_now now,
                          char refused[FC_REGISTRATION_TEXT_SIZE]) {
  const struct fc_kind *kind =
      fc_kind_by_name(notification->type, strlen(notification->type));
  refused[0] = '\0';
  if (!kind)
    return false;
  if (!fc_instance_settings(instance)->accept_registrations)
    return refuse(instance, notification,
                  "this instance has no \"AcceptRegistrations true\"", refused);
  if (notification->severity == NOTIF_FAILURE)
    return refuse(instance, notification,
                  "severity okay (watch) or warning (forget) is expected",
                  refused);
  enum fc_error error = take(instance, kind, notification, now);
  return !error || refuse(instance, notification, reason(error), refused);
}
