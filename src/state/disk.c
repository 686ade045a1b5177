/* SPDX-License-Identifier: MIT */

#include "src/state/disk.h"

#include "src/base/macros.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

enum { WAIT_MAX_MS = 60 * 1000 /* between two turns, if nothing is due */ };

struct fc_disk {
  const struct fc_clock *clock;
  struct fc_disk_task *tasks;
  size_t tasks_len;
  pthread_t thread;
  bool started;
  atomic_bool stop;
  atomic_bool woken;    /* since the turn under way began */
  pthread_mutex_t lock; /* of `signal` and `ended` */
  pthread_cond_t signal;
  bool ended;
};

/* The time to wait until is a monotonic one. */
static bool init_signal(pthread_cond_t *signal) {
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes))
    return false;
  bool good = !pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) &&
              !pthread_cond_init(signal, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  return good;
}

struct fc_disk *fc_disk_new(const struct fc_clock *clock) {
  struct fc_disk *disk = calloc(1, sizeof(*disk));
  if (!disk || !init_signal(&disk->signal)) {
    free(disk);
    return NULL;
  }
  disk->clock = clock;
  (void)pthread_mutex_init(&disk->lock, NULL);
  return disk;
}

enum fc_error fc_disk_add(struct fc_disk *disk, struct fc_disk_task task) {
  struct fc_disk_task *tasks =
      reallocarray(disk->tasks, disk->tasks_len + 1, sizeof(*tasks));
  if (!tasks)
    return FC_ERR_MEMORY;
  disk->tasks = tasks;
  tasks[disk->tasks_len++] = task;
  return FC_OK;
}

const atomic_bool *fc_disk_stopping(const struct fc_disk *disk) {
  return &disk->stop;
}

static struct fc_now now_of(const struct fc_disk *disk) {
  return disk->clock->now(disk->clock->data);
}

int64_t fc_disk_turn(struct fc_disk *disk) {
  int64_t due_ms = FC_NEVER;
  /* Before the tasks look: what comes behind their look is for the next. */
  atomic_store(&disk->woken, false);
  for (size_t i = 0; i < disk->tasks_len && !atomic_load(&disk->stop); i++) {
    const struct fc_disk_task *task = &disk->tasks[i];
    due_ms = fc_min64(due_ms, task->turn(task->data, now_of(disk)));
  }
  return due_ms;
}

static struct timespec time_in(int64_t wait_ms) {
  struct timespec until;
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)(wait_ms / 1000);
  until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  return until;
}

static void wait_until_due(struct fc_disk *disk, int64_t due_ms) {
  int64_t wait_ms = due_ms - now_of(disk).mono_ms;
  if (wait_ms <= 0)
    return;
  struct timespec until = time_in(fc_min64(wait_ms, WAIT_MAX_MS));
  pthread_mutex_lock(&disk->lock);
  while (!atomic_load(&disk->stop) && !atomic_load(&disk->woken) &&
         pthread_cond_timedwait(&disk->signal, &disk->lock, &until) == 0)
    continue;
  pthread_mutex_unlock(&disk->lock);
}

static void end_tasks(struct fc_disk *disk) {
  for (size_t i = 0; i < disk->tasks_len; i++) {
    const struct fc_disk_task *task = &disk->tasks[i];
    if (task->end)
      task->end(task->data, now_of(disk));
  }
}

static void *run(void *data) {
  struct fc_disk *disk = data;
  while (!atomic_load(&disk->stop))
    wait_until_due(disk, fc_disk_turn(disk));
  end_tasks(disk);
  pthread_mutex_lock(&disk->lock);
  disk->ended = true;
  pthread_cond_broadcast(&disk->signal);
  pthread_mutex_unlock(&disk->lock);
  return NULL;
}

enum fc_error fc_disk_start(struct fc_disk *disk) {
  sigset_t all, before;
  (void)sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before))
    return FC_ERR_MEMORY;
  disk->started = pthread_create(&disk->thread, NULL, run, disk) == 0;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!disk->started)
    return FC_ERR_MEMORY;
  (void)pthread_setname_np(disk->thread, "firecrawl-disk");
  return FC_OK;
}

/* The flag is set first, and looked at under the lock: no wake is lost. */
void fc_disk_wake(struct fc_disk *disk) {
  if (atomic_exchange(&disk->woken, true))
    return;
  pthread_mutex_lock(&disk->lock);
  pthread_cond_broadcast(&disk->signal);
  pthread_mutex_unlock(&disk->lock);
}

static void wake(void *disk) { fc_disk_wake(disk); }

struct fc_waker fc_disk_waker(struct fc_disk *disk) {
  return (struct fc_waker){.wake = wake, .data = disk};
}

/* True when the thread has ended. */
static bool stop(struct fc_disk *disk, int64_t wait_ms) {
  struct timespec until = time_in(wait_ms);
  pthread_mutex_lock(&disk->lock);
  atomic_store(&disk->stop, true);
  pthread_cond_broadcast(&disk->signal);
  while (!disk->ended &&
         pthread_cond_timedwait(&disk->signal, &disk->lock, &until) == 0)
    continue;
  bool ended = disk->ended;
  pthread_mutex_unlock(&disk->lock);
  return ended && pthread_join(disk->thread, NULL) == 0;
}

bool fc_disk_end(struct fc_disk *disk, int64_t wait_ms) {
  if (!disk)
    return true;
  if (disk->started && !stop(disk, wait_ms))
    return false;
  if (!disk->started)
    end_tasks(disk);
  (void)pthread_cond_destroy(&disk->signal);
  (void)pthread_mutex_destroy(&disk->lock);
  free(disk->tasks);
  free(disk);
  return true;
}
