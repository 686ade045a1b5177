/* SPDX-License-Identifier: MIT */

/* Events to collectd notifications. */

#ifndef FC_PLUGIN_NOTIFY_H
#define FC_PLUGIN_NOTIFY_H

#include "src/api/settings.h"
#include "src/watch/event.h"

/* The severity as a level of plugin_log. */
int fc_notify_log_level(enum fc_severity severity);

/* Hands the event to every notification handler of the daemon, in this thread,
 * and logs it. The read callback only; under no lock, for handlers may take
 * their time and may call back into this plugin. Where nobody listens, the
 * daemon says so, and the event counts as delivered. */
void fc_notify_dispatch(const struct fc_settings *settings,
                        const struct fc_event *event);

#endif
