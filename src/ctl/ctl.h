/* SPDX-License-Identifier: MIT */

/* What the commands of firecrawlctl share: their options, their exit status,
 * and how they complain. Files named ctl_* are parts of that program, not of
 * the library: they print, and one thread runs them. */

#ifndef FC_CTL_H
#define FC_CTL_H

#include "src/api/key.h"
#include "src/api/settings.h"
#include "src/base/error.h"
#include "src/base/macros.h"

#include <stdbool.h>
#include <stdint.h>

enum ctl_exit {
  CTL_GOOD = 0,
  CTL_BAD = 1,         /* a job has failed, was cancelled or is lost */
  CTL_USAGE = 2,       /* nothing was done */
  CTL_UNKNOWN = 3,     /* something could not be found out, done or printed */
  CTL_SIGNALLED = 128, /* plus the signal's number */
  CTL_UNWRITTEN = -1   /* ctl_flush has failed: CTL_UNKNOWN */
};

#define CTL_DEFAULT_SOCKET "/var/run/collectd-unixsock"
#define CTL_DEFAULT_STATE "/var/lib/collectd/firecrawl.db"
#define CTL_DEFAULT_INSTANCE "prod"
enum { CTL_DEFAULT_INTERVAL_MS = 10000 };

/* What the command line and the environment ask for. Strings are borrowed from
 * them, but those of the settings. */
struct ctl_options {
  struct fc_settings settings; /* the server; its jobs are the ones named */
  struct fc_key key;           /* none for commands that ask no server */
  const char *url, *api_version, *key_file, *ca_cert;
  const char *socket, *instance, *state;
  bool json;
  bool has_warning, has_critical;
  int64_t warning_s, critical_s; /* seconds to a result's expiry */
  bool help, version;
};

enum { CTL_REASON_SIZE = 512 };

/* Why something was refused, and what to do about it: one line. */
struct ctl_reason {
  char text[CTL_REASON_SIZE];
};

/* Fills the reason; always false. */
bool ctl_refuse(struct ctl_reason *reason, const char *format, ...)
    FC_PRINTF(2, 3);

/* "firecrawlctl: ..." as one line on stderr. The text may hold a server's or a
 * file's words: control characters are taken out. */
void ctl_warn(const char *format, ...) FC_PRINTF(1, 2);

/* Hands on what was printed. False if it cannot be written, now or before; that
 * is complained of, unless the reader has gone away. */
bool ctl_flush(void);

/* The commands. Each prints to stdout and returns an exit status. */
int ctl_status(const struct ctl_options *options);
int ctl_watch(const struct ctl_options *options);
int ctl_check(const struct ctl_options *options);
int ctl_add(const struct ctl_options *options);
int ctl_forget(const struct ctl_options *options);
int ctl_list(const struct ctl_options *options);

#endif
