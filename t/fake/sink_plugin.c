/* SPDX-License-Identifier: MIT */

/* A collectd plugin for tests: appends each notification as one line to the
 * file that $FC_SINK names, before the dispatcher goes on. The exec plugin
 * would start its program later, and a daemon killed meanwhile would lose it.
 * It crashes the daemon after that while there is a file $FC_SINK.crash. What
 * the whole daemon has allocated goes to $FC_SINK.heap. With FC_SINK_SECONDS it
 * takes so long for each of the firecrawl plugin, with FC_SINK_FAILS it says
 * that it has failed. */

#include <collectd.h>

#include <plugin.h>

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const notification_t *notification,
                           const char *name) {
  const notification_meta_t *meta = notification->meta;
  while (meta && strcmp(meta->name, name) != 0)
    meta = meta->next;
  if (!meta)
    return "-";
  if (meta->type == NM_TYPE_STRING)
    return meta->nm_value.nm_string;
  return meta->nm_value.nm_boolean ? "true" : "false";
}

static void crash_if_told(const char *path) {
  char name[1024];
  (void)snprintf(name, sizeof(name), "%s.crash", path ? path : "");
  if (path && access(name, F_OK) == 0)
    abort();
}

/* mallinfo2 walks through arenas that are never set up where a sanitizer has
 * its own malloc. */
static size_t allocated(void) {
#ifdef __SANITIZE_ADDRESS__
  return 0;
#else
  return mallinfo2().uordblks;
#endif
}

static void write_heap(const char *path) {
  char name[1024], text[32];
  (void)snprintf(name, sizeof(name), "%s.heap", path ? path : "");
  int fd = path ? open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
  int len = snprintf(text, sizeof(text), "%20zu\n", allocated());
  if (fd >= 0 && write(fd, text, (size_t)len) != len)
    ERROR("sink plugin: %s cannot be written", name);
  if (fd >= 0)
    (void)close(fd);
}

static int sink_notification(const notification_t *notification,
                             user_data_t *user_data) {
  char line[1024];
  const char *path = getenv("FC_SINK");
  const char *seconds = getenv("FC_SINK_SECONDS");
  (void)user_data;
  if (seconds && strcmp(notification->plugin, "firecrawl") == 0)
    (void)sleep((unsigned)atoi(seconds));
  int fd =
      path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  /* A kill may cut a write where a page ends: what comes next begins anew. */
  int len = snprintf(line, sizeof(line), "\n%d\t%s\t%s\t%s\t%s\n",
                     notification->severity, text_of(notification, "dedup_key"),
                     text_of(notification, "possible_duplicate"),
                     notification->type, notification->message);
  if (fd < 0 || write(fd, line, (size_t)len) != len)
    ERROR("sink plugin: %s cannot be written", path ? path : "$FC_SINK");
  if (fd >= 0)
    (void)close(fd);
  write_heap(path);
  crash_if_told(path);
  return getenv("FC_SINK_FAILS") ? -1 : 0;
}

void module_register(void);

void module_register(void) {
  plugin_register_notification("sink", sink_notification, NULL);
}
