/* SPDX-License-Identifier: MIT */

/* The key of an instance, as it is configured or as its file has it. The disk
 * thread follows the file; the poller takes over a new key, and waits for the
 * lock of a copy in memory at most. While none can be read, the instance is
 * told so at each look. */

#ifndef FC_KEYFILE_H
#define FC_KEYFILE_H

#include "src/api/key.h"
#include "src/base/clock.h"
#include "src/base/macros.h"
#include "src/base/waker.h"
#include "src/watch/instance.h"

#include <stdbool.h>
#include <stdint.h>

struct fc_keyfile;

enum { FC_KEYFILE_CHECK_MS = 1000 /* between two looks at the file's stamp */ };

/* Takes the configured key, or reads the file for the first time. The instance
 * must outlive it; its settings may have neither key nor file. `changed` is
 * woken when there is a new key. NULL when memory is short. */
struct fc_keyfile *fc_keyfile_new(struct fc_instance *instance,
                                  struct fc_waker changed, struct fc_now now);

/* Wipes and frees. NULL is fine. */
void fc_keyfile_free(struct fc_keyfile *keyfile);

/* --- The disk thread's side: one thread. */

/* Looks at the file if it is time to or the key was rejected. A file that has
 * changed is read once it has stayed the same between two looks: one that is
 * written in place may hold half a key. Returns when to look again, monotonic;
 * FC_NEVER without a file. */
int64_t fc_keyfile_check(struct fc_keyfile *keyfile, struct fc_now now);

/* The same as a task of that thread; `keyfile` is one. */
int64_t fc_keyfile_task(void *keyfile, struct fc_now now);

/* The key as it is known there; borrowed. */
const struct fc_key *fc_keyfile_key(const struct fc_keyfile *keyfile);

/* --- The poller's side: one thread. */

/* True when there was another key than at the last call: *key is that now. With
 * memory short it is tried again by the next call. */
bool fc_keyfile_take(struct fc_keyfile *keyfile, struct fc_key *key);

/* The server has rejected the key: the file is looked at at the next check. */
void fc_keyfile_rejected(struct fc_keyfile *keyfile);

#endif
