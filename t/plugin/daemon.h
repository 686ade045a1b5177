/* SPDX-License-Identifier: MIT */

/* The stand-in for the daemon with the plugin loaded, as the real one has it
 * before it reads its configuration. */

#ifndef FC_T_DAEMON_H
#define FC_T_DAEMON_H

#include "t/fake/fake_collectd.h"

void module_register(void);

static inline void daemon_begin(double interval) {
  fake_collectd_reset();
  fake_collectd_set_interval(interval);
  fake_collectd_add_types("duration seconds:GAUGE:0:U\n"
                          "percent value:GAUGE:0:100.1\n"
                          "response_time value:GAUGE:0:U\n"
                          "http_response_codes value:DERIVE:0:U\n"
                          "errors value:DERIVE:0:U\n"
                          "total_requests value:DERIVE:0:U\n");
  module_register();
}

#endif
