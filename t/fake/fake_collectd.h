/* SPDX-License-Identifier: MIT */

/* A stand-in for the daemon: it takes the plugin's registrations, calls them as
 * collectd 5.12 would (src/daemon/plugin.c there), and records what the plugin
 * logs and dispatches.
 *
 * What collectd lets pass, or answers too late or too quietly, and yet no
 * plugin should do, is a fault: see fake_collectd_fault. What is recorded stays
 * where it is until fake_collectd_clear or _reset. The plugin's side may be
 * called from any thread, the test's side from one. */

#ifndef FC_T_FAKE_COLLECTD_H
#define FC_T_FAKE_COLLECTD_H

#include <collectd.h>

#include <plugin.h>

#include <stdbool.h>
#include <stddef.h>

/* A daemon that has just started: nothing registered, configured or recorded,
 * no types, an interval of 10 seconds, the host "localhost", the real time.
 * User data is freed as at the end of the daemon, without any callback. */
void fake_collectd_reset(void);

/* Forgets log, values, notifications and faults; registrations stay. */
void fake_collectd_clear(void);

void fake_collectd_set_interval(double seconds);

/* What cdtime() answers; 0: the real time. */
void fake_collectd_set_time(cdtime_t now);

/* Defines types, in the format of types.db(5); # comments. An unreadable line
 * ends the test. */
void fake_collectd_add_types(const char *lines);

/* Configuration. */

/* A configuration text as the tree that collectd's parser makes of it
 * (src/liboconfig/scanner.l and parser.y); a block with neither values nor
 * contents is dropped, as there. Unquoted IP addresses are not understood. NULL
 * where the syntax is wrong. The caller frees it by fake_collectd_config_free,
 * which takes NULL. */
oconfig_item_t *fake_collectd_config_parse(const char *text);
void fake_collectd_config_free(oconfig_item_t *root);

/* Hands each <Plugin NAME> block to the config callback registered for NAME.
 * Returns what the daemon would go by: 0, or -1 when the syntax is wrong or a
 * callback failed. */
int fake_collectd_configure(const char *text);

/* Callbacks, as the daemon calls them. */

/* All init callbacks. Returns 0, or -1 when one failed; the read callbacks that
 * bear its plugin's name are then unregistered, and no others. */
int fake_collectd_init(void);

/* All read callbacks, once. Returns the number of those that failed. */
size_t fake_collectd_read(void);

/* The flush callbacks, NULL for all of them, else the one of that name: with
 * neither timeout nor identifier, as for SIGUSR1, or with these. */
void fake_collectd_flush(const char *name);
void fake_collectd_flush_of(const char *name, cdtime_t timeout,
                            const char *identifier);

/* The end: user data of the reads is freed, all is flushed, the shutdown
 * callbacks are called, the rest is freed. Returns 0, or -1 when a callback
 * failed. */
int fake_collectd_shutdown(void);

/* How many read callbacks are registered. */
size_t fake_collectd_reads(void);

/* Takes `severity=okay time=1 plugin=x ... message="..."` (what follows
 * PUTNOTIF on the unix socket) and hands it to the notification callbacks.
 * Returns -1 where the daemon refuses it. It is not recorded. */
int fake_collectd_putnotif(const char *options);

/* Called with each line that the plugin logs, in the thread that logs it, as a
 * log callback of another plugin is; NULL ends it, and so does _reset. */
void fake_collectd_on_log(void (*callback)(int severity, const char *text));

/* What was recorded. */

/* How many lines of a severity; 0 counts all. */
size_t fake_collectd_log_count(int severity);

/* The i-th line, NULL behind the last one. severity may be NULL. */
const char *fake_collectd_log(size_t i, int *severity);

/* The first line that contains the text; NULL if none does. */
const char *fake_collectd_log_find(const char *text);

/* A copy of a dispatched value list, its host and interval filled in. */
struct fake_collectd_value {
  char host[DATA_MAX_NAME_LEN];
  char plugin[DATA_MAX_NAME_LEN];
  char plugin_instance[DATA_MAX_NAME_LEN];
  char type[DATA_MAX_NAME_LEN];
  char type_instance[DATA_MAX_NAME_LEN];
  cdtime_t interval;
  int ds_type;  /* DS_TYPE_GAUGE, ... of the (first) source */
  double value; /* of the (first) source */
};

/* The i-th value, NULL behind the last one. */
const struct fake_collectd_value *fake_collectd_value_at(size_t i);

/* The newest value of that name, of whatever plugin instance. Returns false and
 * leaves *value as it is where there is none. */
bool fake_collectd_value(const char *type, const char *type_instance,
                         double *value);

/* How many notifications the plugin has dispatched, and the i-th of them with a
 * copy of its metadata; NULL behind the last one. */
size_t fake_collectd_notifications(void);
const notification_t *fake_collectd_notification(size_t i);

/* The text of a notification's metadata of that name; numbers and booleans in
 * words. NULL if there is none. Valid until the next call. */
const char *fake_collectd_meta(const notification_t *notification,
                               const char *name);

/* With false, plugin_dispatch_notification returns -1 as if nobody listened:
 * it is recorded and goes to no callback. */
void fake_collectd_set_listening(bool listening);

/* The first fault, in words; NULL if there was none. Faults are:
 * - values or notifications dispatched elsewhere than in a read callback
 *   (a handler may block, and read threads run neither before init has ended
 *   nor in shutdown);
 * - a value of an unknown type, of another number of sources, not a number, or
 *   out of its type's range; a value list with a time, without plugin instance,
 *   or with a field that does not end or has a slash in it;
 * - a notification with an unknown severity, without time, host, plugin or
 *   message, or with a control character in a field or in metadata;
 * - a log line that does not begin with "firecrawl plugin: ", has a control
 *   character, or is longer than the daemon's 1023 bytes;
 * - a data set registered over another one;
 * - notifications that notification callbacks dispatch without end. */
const char *fake_collectd_fault(void);

#endif
