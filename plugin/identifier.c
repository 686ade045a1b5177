/* SPDX-License-Identifier: MIT */

#include <collectd.h>

#include <plugin.h>

#include "plugin/identifier.h"

#include <string.h>
#include <strings.h>

/* Case matters in no host's name. */
static bool is_host(const char *text, size_t len,
                    const struct fc_settings *settings) {
  const char *host = settings->host ? settings->host : hostname_g;
  return strlen(host) == len && strncasecmp(text, host, len) == 0;
}

bool fc_identifier_is_of(const char *identifier,
                         const struct fc_settings *settings) {
  static const char plugin[] = "firecrawl";
  const char *slash = strchr(identifier, '/'), *type = strrchr(identifier, '/');
  const char *at = identifier;
  if (!slash)
    return false;
  if (slash != type) {
    if (!is_host(at, (size_t)(slash - at), settings))
      return false;
    at = slash + 1;
  }
  if (strncmp(at, plugin, strlen(plugin)) != 0)
    return false;
  at += strlen(plugin);
  size_t len = (size_t)(type - at);
  return len == 0 || (*at == '-' && strlen(settings->name) == len - 1 &&
                      memcmp(at + 1, settings->name, len - 1) == 0);
}
