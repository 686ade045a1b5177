/* SPDX-License-Identifier: MIT */

/* Jobs registered and forgotten by notification: type is the kind, type
 * instance the ID, the message the name; severity okay means watch, warning
 * means forget. They come from PUTNOTIF (unixsock, exec) and over collectd's
 * network plugin. Any thread. */

#ifndef FC_PLUGIN_REGISTRATION_H
#define FC_PLUGIN_REGISTRATION_H

#include <collectd.h>

#include <plugin.h>

#include "src/base/clock.h"
#include "src/watch/instance.h"

#include <stdbool.h>

enum { FC_REGISTRATION_TEXT_SIZE = 512 };

/* Whether a notification of our plugin may be a registration at all. Those
 * about a metric, of the threshold plugin or our own, are none. */
bool fc_registration_is_one(const notification_t *notification);

enum fc_registration {
  FC_REGISTRATION_NONE,    /* it is for another host's collectd */
  FC_REGISTRATION_KNOWN,   /* there is nothing new in it */
  FC_REGISTRATION_CHANGED, /* `text` is what it has changed */
  FC_REGISTRATION_REFUSED, /* `text` is why */
  FC_REGISTRATION_COUNT
};

/* Takes one that names this instance; NULL: there is no such instance. `text`
 * is for one line of the log, or "": it is the caller's to log, once its locks
 * are released, as a log callback of another plugin may dispatch a
 * notification, which comes by here again. */
enum fc_registration fc_registration_take(struct fc_instance *instance,
                                          const notification_t *notification,
                                          struct fc_now now,
                                          char text[FC_REGISTRATION_TEXT_SIZE]);

#endif
