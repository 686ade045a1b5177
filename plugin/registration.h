/* SPDX-License-Identifier: MIT */

/* Jobs registered and forgotten by notification: type is the kind, type
 * instance the ID, the message the name; severity okay means watch, warning
 * means forget. They come from PUTNOTIF (unixsock, exec) and over collectd's
 * network plugin. */

#ifndef FC_PLUGIN_REGISTRATION_H
#define FC_PLUGIN_REGISTRATION_H

#include <collectd.h>

#include <plugin.h>

#include "src/base/clock.h"
#include "src/watch/instance.h"

#include <stdbool.h>

enum { FC_REGISTRATION_TEXT_SIZE = 512 };

/* Takes a notification that names this instance. Ours come by here too: their
 * types are no kinds. Returns true when the instance's jobs have changed.
 * `refused` is why it was refused, for one line of the log, or "": it is the
 * caller's to log, once its locks are released, as a log callback of another
 * plugin may dispatch a notification, which comes by here again. Any thread. */
bool fc_registration_take(struct fc_instance *instance,
                          const notification_t *notification, struct fc_now now,
                          char refused[FC_REGISTRATION_TEXT_SIZE]);

#endif
