/* SPDX-License-Identifier: MIT */

/* A <Plugin firecrawl> block of any contents: refused or taken, but never a
 * crash, a leak, or a log line that the daemon could not print. */

#include "plugin/config.h"

#include "t/fake/fake_collectd.h"
#include "t/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char head[] = "<Plugin firecrawl>\n", tail[] = "\n</Plugin>\n";
  struct fc_config config = {0};
  char *text = malloc(sizeof(head) + size + sizeof(tail));
  FUZZ_REQUIRE(text);
  (void)snprintf(text, sizeof(head) + size + sizeof(tail), "%s%.*s%s", head,
                 (int)size, (const char *)data, tail);
  fake_collectd_reset();
  oconfig_item_t *root = fake_collectd_config_parse(text);
  for (int i = 0; root && i < root->children_num; i++)
    fc_config_read(&config, &root->children[i]);
  for (size_t i = 0; i < config.instances_len; i++)
    FUZZ_REQUIRE(config.instances[i]->name && config.instances[i]->url);
  FUZZ_REQUIRE(!fake_collectd_fault());
  fake_collectd_config_free(root);
  fc_config_release(&config);
  fake_collectd_reset();
  free(text);
  return 0;
}
