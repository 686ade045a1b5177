/* SPDX-License-Identifier: MIT */

/* The <Plugin firecrawl> blocks to settings, by option table. The main thread,
 * before the init callback. */

#ifndef FC_PLUGIN_CONFIG_H
#define FC_PLUGIN_CONFIG_H

#include <collectd.h>

#include <plugin.h>

#include "src/api/settings.h"

#include <stdbool.h>
#include <stddef.h>

/* All zero bytes: nothing configured yet. Owns what it points to. */
struct fc_config {
  char *state_file;               /* NULL: the default */
  struct fc_settings **instances; /* the valid ones */
  size_t instances_len;
  char **disabled; /* the names of others, as far as they have one */
  size_t disabled_len;
  bool has_invalid; /* there was an <Instance> that is not among them */
};

/* Adds one block to what earlier ones gave. A bad value disables its <Instance>
 * with one ERROR that names block, option and reason; an unknown option, and a
 * key file that cannot be read yet, is a WARNING. Never fails, for that would
 * stop the whole daemon. */
void fc_config_read(struct fc_config *config, const oconfig_item_t *block);

/* Frees everything; the struct is then all zero bytes. */
void fc_config_release(struct fc_config *config);

#endif
