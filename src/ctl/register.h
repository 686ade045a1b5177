/* SPDX-License-Identifier: MIT */

/* Registrations over collectd's unix socket: the PUTNOTIF command of the
 * unixsock plugin (collectd-unixsock(5)). */

#ifndef FC_CTL_REGISTER_H
#define FC_CTL_REGISTER_H

#include "src/api/settings.h"

#include <stdbool.h>
#include <stdint.h>

enum { CTL_COMMAND_SIZE = 1024 /* a longer line is cut by collectd */ };

/* Writes the whole command, with its newline, that has a job watched by the
 * plugin's instance, or forgotten. ID, name and instance must be valid: they
 * then need no quoting. */
void ctl_register_command(char line[CTL_COMMAND_SIZE], bool forget,
                          const char *instance, const struct fc_job_spec *job,
                          int64_t now_s);

/* Whether a line of collectd's LISTVAL names a value of that instance:
 * "1764000000.000 HOST/firecrawl-INSTANCE/...". */
bool ctl_register_is_of(const char *line, const char *instance);

#endif
