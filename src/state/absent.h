/* SPDX-License-Identifier: MIT */

/* Instances that the state file knows and that the configuration does not name
 * any more: they may come back, so what is known of them is kept for a day. One
 * thread at a time. */

#ifndef FC_ABSENT_H
#define FC_ABSENT_H

#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/state/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FC_ABSENT_KEEP_S = 24 * 60 * 60, /* from when one was first found absent */
  FC_ABSENT_NAMES_SIZE = 200
};

/* Whether the configuration names an instance. */
typedef bool (*fc_absent_is_configured)(const char *name, void *data);

/* Remembers in the file since when each such instance has been absent, forgets
 * that of those that are back, and deletes what has been kept for long enough.
 * `names` says which are kept: "a, b", with "and N more" where there is no
 * room;
 * "" for none. now_s is the epoch. In one transaction of its own; what goes
 * wrong is as in src/state/store.h, and `names` is then undefined. */
FC_MUST_USE enum fc_error fc_absent_settle(struct fc_store *store,
                                           fc_absent_is_configured configured,
                                           void *data, int64_t now_s,
                                           char names[FC_ABSENT_NAMES_SIZE]);

#endif
