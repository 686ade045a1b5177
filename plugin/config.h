/* The <Plugin firecrawl> blocks to settings, by option table. The main thread,
 * before the init callback. */

#ifndef FC_PLUGIN_CONFIG_H
#define FC_PLUGIN_CONFIG_H

#include <collectd.h>

#include <plugin.h>

#include "src/settings.h"

/* All zero bytes: nothing configured yet. Owns what it points to. */
struct fc_config {
  char *state_file; /* NULL: the default */
  struct fc_settings **instances;
  size_t instances_len;
};

/* Adds one block to what earlier ones gave. A bad value disables its <Instance>
 * with one ERROR that names block, option and reason; an unknown option is a
 * WARNING. Returns -1, which stops the daemon, only when there is no valid
 * instance; a block without any <Instance> may still set StateFile for those of
 * other files. */
int fc_config_read(struct fc_config *config, const oconfig_item_t *block);

/* The name of the i-th option of an <Instance>, NULL behind the last one. */
const char *fc_config_option(size_t i);

/* Frees everything; the struct is then all zero bytes. */
void fc_config_release(struct fc_config *config);

#endif
