/* SPDX-License-Identifier: MIT */

/* What collectd's FLUSH names. Pure; any thread. */

#ifndef FC_PLUGIN_IDENTIFIER_H
#define FC_PLUGIN_IDENTIFIER_H

#include "src/api/settings.h"

#include <stdbool.h>

/* True when "[HOST/]PLUGIN[-INSTANCE]/TYPE[-TYPE_INSTANCE]" may be a value of
 * that instance: without an INSTANCE it may be one of any. */
bool fc_identifier_is_of(const char *identifier,
                         const struct fc_settings *settings);

#endif
