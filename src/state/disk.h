/* SPDX-License-Identifier: MIT */

/* The thread that waits for disks, so that no other has to: it runs tasks, the
 * state file's and those that follow JobFiles and key files. One for the whole
 * plugin.
 *
 * Set up and ended by one thread; fc_disk_wake may be called from any. */

#ifndef FC_DISK_H
#define FC_DISK_H

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/waker.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fc_disk;

/* What is to be done there. `data` is borrowed, and used until fc_disk_end has
 * returned true. */
struct fc_disk_task {
  /* Once a turn. Returns when it is to be called again at the latest,
   * monotonic ms. */
  int64_t (*turn)(void *data, struct fc_now now);
  /* Once, behind the last turn; NULL: nothing. */
  void (*end)(void *data, struct fc_now now);
  void *data;
};

/* The clock is borrowed. NULL when memory is short. */
struct fc_disk *fc_disk_new(const struct fc_clock *clock);

/* In a turn the tasks come in the order in which they were added. Not once the
 * thread is started. FC_ERR_MEMORY. */
FC_MUST_USE enum fc_error fc_disk_add(struct fc_disk *disk,
                                      struct fc_disk_task task);

/* Becomes true when the thread is to end: a task that takes long looks at it.
 * Valid as long as the disk. */
const atomic_bool *fc_disk_stopping(const struct fc_disk *disk);

/* Starts the thread, with all signals blocked: they are the host's.
 * FC_ERR_MEMORY where the system refuses. */
FC_MUST_USE enum fc_error fc_disk_start(struct fc_disk *disk);

/* One turn of all tasks; returns when the next is due, monotonic ms. For the
 * thread, and for tests without one. */
int64_t fc_disk_turn(struct fc_disk *disk);

/* There is something to do: a turn now. Any thread; never waits for a task. */
void fc_disk_wake(struct fc_disk *disk);
struct fc_waker fc_disk_waker(struct fc_disk *disk);

/* Ends the thread: the task under way is waited for, then all are ended, in
 * their order, and the disk is freed. False where that takes longer than
 * wait_ms, as the system does not come back from a disk: the thread then goes
 * on when it does, so the disk, all that its tasks use and the code itself must
 * stay until the end of the process, unless a later call returns true. Without
 * a thread, the tasks are ended here. NULL is fine. */
FC_MUST_USE bool fc_disk_end(struct fc_disk *disk, int64_t wait_ms);

#endif
