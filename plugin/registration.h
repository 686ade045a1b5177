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

/* Takes a notification that names this instance. Ours come by here too: their
 * types are no kinds. What is wrong with one is logged. Returns true when the
 * instance's jobs have changed. Any thread. */
bool fc_registration_take(struct fc_instance *instance,
                          const notification_t *notification,
                          struct fc_now now);

#endif
