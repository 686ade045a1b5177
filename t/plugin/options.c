/* SPDX-License-Identifier: MIT */

/* options OPTION VALUE: tells what the line "OPTION VALUE" of an <Instance>
 * changes: "nothing" when VALUE is the default, "something", or "refused". What
 * t/system/test_manual.py compares the manuals with. */

#include "plugin/config.h"

#include "t/fake/fake_collectd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct fc_settings, member)

/* The members that are texts; all others are compared byte by byte. */
static const size_t texts[] = {
    AT(name),     AT(url),      AT(api_key),     AT(api_key_file),
    AT(job_file), AT(host),     AT(ca_cert),     AT(ca_path),
    AT(proxy),    AT(no_proxy), AT(client_cert), AT(client_key),
};

static struct fc_config config;

static int read_block(oconfig_item_t *block) {
  fc_config_read(&config, block);
  return 0;
}

/* The only instance, with that option; the caller releases config. */
static const struct fc_settings *configure(const char *option,
                                           const char *value) {
  char text[1024];
  (void)snprintf(text, sizeof(text),
                 "<Plugin firecrawl>\n<Instance \"x\">\nJobFile \"/x\"\n%s %s\n"
                 "</Instance>\n</Plugin>\n",
                 option, value);
  (void)fake_collectd_configure(text);
  return config.instances_len ? config.instances[0] : NULL;
}

static bool texts_equal(const char *a, const char *b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool settings_equal(const struct fc_settings *a,
                           const struct fc_settings *b) {
  struct fc_settings left = *a, right = *b;
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    char **x = (char **)((char *)&left + texts[i]);
    char **y = (char **)((char *)&right + texts[i]);
    if (!texts_equal(*x, *y))
      return false;
    *x = *y = NULL;
  }
  return memcmp(&left, &right, sizeof(left)) == 0;
}

static void print_change(const char *option, const char *value) {
  const struct fc_settings *plain = configure("", "");
  struct fc_config first = config;
  config = (struct fc_config){0};
  const struct fc_settings *changed = configure(option, value);
  puts(!changed                         ? "refused"
       : settings_equal(plain, changed) ? "nothing"
                                        : "something");
  fc_config_release(&first);
  fc_config_release(&config);
}

int main(int argc, char **argv) {
  fake_collectd_reset();
  plugin_register_complex_config("firecrawl", read_block);
  if (argc == 3)
    print_change(argv[1], argv[2]);
  fake_collectd_reset();
  return argc == 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
