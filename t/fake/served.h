/* SPDX-License-Identifier: MIT */

/* The fake server of a test program that has one, and the time to wait by. */

#ifndef FC_T_SERVED_H
#define FC_T_SERVED_H

#include "src/api/settings.h"
#include "src/api/transport_curl.h"
#include "src/base/clock.h"
#include "src/base/macros.h"
#include "src/base/text.h"

#include "t/fake/fake_firecrawl.h"

#include <check.h>
#include <stdio.h>

static struct fake_firecrawl *server;

static inline int64_t now_ms(void) {
  return fc_clock_system.now(fc_clock_system.data).mono_ms;
}

static inline void script(const char *text) {
  char error[256];
  ck_assert_msg(fake_firecrawl_script(server, text, error, sizeof(error)), "%s",
                error);
}

/* Ended by fake_firecrawl_stop. */
static inline void server_start(void) {
  server = fake_firecrawl_start(0, NULL, NULL);
  ck_assert_ptr_nonnull(server);
}

/* Has the settings name the server. */
FC_MUST_USE static inline enum fc_error
server_url(struct fc_settings *settings) {
  char url[64], detail[FC_DETAIL_SIZE];
  (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u",
                 (unsigned)fake_firecrawl_port(server));
  return fc_transport_curl_set_url(settings, url, detail, sizeof(detail));
}

#endif
