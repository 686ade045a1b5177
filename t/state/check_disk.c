/* SPDX-License-Identifier: MIT */

/* The disk thread: turns by hand, and the thread with tasks that wait for what
 * the test lets them have. */

#include "src/base/macros.h"
#include "src/state/disk.h"

#include "t/suite.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { DEADLINE_MS = 15000, TURN_US = 1000, LATER_MS = 3600 * 1000 };

static struct fc_now clock_now;

static struct fc_now read_clock(void *data) {
  (void)data;
  return clock_now;
}

static const struct fc_clock test_clock = {.now = read_clock};

static int64_t now_ms(void) {
  return fc_clock_system.now(fc_clock_system.data).mono_ms;
}

static char order[64]; /* of what was called: letters of turns and of ends */

static void note(char letter) {
  size_t len = strlen(order);
  ck_assert_uint_lt(len + 1, sizeof(order));
  order[len] = letter;
  order[len + 1] = '\0';
}

/* By hand. */

static int64_t first_turn(void *data, struct fc_now now) {
  (void)data;
  note('a');
  return now.mono_ms + 500;
}

static int64_t second_turn(void *data, struct fc_now now) {
  (void)data;
  note('b');
  return now.mono_ms + 200;
}

static int64_t idle_turn(void *data, struct fc_now now) {
  (void)data;
  (void)now;
  note('c');
  return FC_NEVER;
}

static void first_end(void *data, struct fc_now now) {
  (void)data;
  (void)now;
  note('A');
}

static void idle_end(void *data, struct fc_now now) {
  (void)data;
  (void)now;
  note('C');
}

static const struct fc_disk_task tasks[] = {
    {.turn = first_turn, .end = first_end},
    {.turn = second_turn},
    {.turn = idle_turn, .end = idle_end},
};

static struct fc_disk *by_hand(size_t from, size_t len) {
  struct fc_disk *disk = fc_disk_new(&test_clock);
  ck_assert_ptr_nonnull(disk);
  for (size_t i = 0; i < len; i++)
    ck_assert_int_eq(fc_disk_add(disk, tasks[from + i]), FC_OK);
  clock_now.mono_ms = 1000;
  return disk;
}

START_TEST(a_turn_calls_each_task_and_says_when_the_next_is_due) {
  struct fc_disk *disk = by_hand(0, 3);
  ck_assert_int_eq(fc_disk_turn(disk), 1200);
  clock_now.mono_ms = 1300;
  ck_assert_int_eq(fc_disk_turn(disk), 1500);
  ck_assert_str_eq(order, "abcabc");
  ck_assert(fc_disk_end(disk, 0));
}
END_TEST

START_TEST(nothing_is_due_where_no_task_has_anything_to_do) {
  struct fc_disk *disk = by_hand(2, 1);
  ck_assert_int_eq(fc_disk_turn(disk), FC_NEVER);
  ck_assert(fc_disk_end(disk, 0));
  ck_assert_int_eq(fc_disk_turn(disk = by_hand(0, 0)), FC_NEVER);
  ck_assert(fc_disk_end(disk, 0));
  ck_assert(fc_disk_end(NULL, 0));
}
END_TEST

START_TEST(without_a_thread_the_tasks_are_ended_all_the_same) {
  struct fc_disk *disk = by_hand(0, 3);
  ck_assert(!atomic_load(fc_disk_stopping(disk)));
  ck_assert(fc_disk_end(disk, 0));
  ck_assert_str_eq(order, "AC");
}
END_TEST

/* The thread. */

static struct {
  struct fc_disk *disk;
  atomic_int turns, ends;
  atomic_llong due_ms;  /* what a turn returns; 0: an hour from now */
  atomic_bool hold;     /* a turn waits for `go` */
  atomic_bool hold_end; /* the end does */
  sem_t go;
  atomic_bool good; /* signals are blocked, and the thread has its name */
} work;

static bool is_as_it_should_be(void) {
  char name[16];
  sigset_t blocked;
  return !pthread_sigmask(SIG_SETMASK, NULL, &blocked) &&
         sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGUSR1) &&
         !pthread_getname_np(pthread_self(), name, sizeof(name)) &&
         strcmp(name, "firecrawl-disk") == 0;
}

static int64_t work_turn(void *data, struct fc_now now) {
  (void)data;
  atomic_fetch_add(&work.turns, 1);
  if (atomic_load(&work.hold))
    (void)sem_wait(&work.go);
  atomic_store(&work.good, is_as_it_should_be());
  int64_t due_ms = atomic_load(&work.due_ms);
  return due_ms ? due_ms : now.mono_ms + LATER_MS;
}

static void work_end(void *data, struct fc_now now) {
  (void)data;
  (void)now;
  atomic_fetch_add(&work.ends, 1);
  if (atomic_load(&work.hold_end))
    (void)sem_wait(&work.go);
}

static void set_up(void) {
  work.disk = fc_disk_new(&fc_clock_system);
  ck_assert_ptr_nonnull(work.disk);
  ck_assert_int_eq(sem_init(&work.go, 0, 0), 0);
  ck_assert_int_eq(
      fc_disk_add(work.disk,
                  (struct fc_disk_task){.turn = work_turn, .end = work_end}),
      FC_OK);
}

static void start(void) { ck_assert_int_eq(fc_disk_start(work.disk), FC_OK); }

static void wait_turns(int count) {
  int64_t end_ms = now_ms() + DEADLINE_MS;
  while (atomic_load(&work.turns) < count) {
    ck_assert_msg(now_ms() < end_ms, "%d turns", atomic_load(&work.turns));
    (void)usleep(TURN_US);
  }
}

static void end(void) {
  int64_t before_ms = now_ms();
  ck_assert(fc_disk_end(work.disk, DEADLINE_MS));
  ck_assert_int_lt(now_ms() - before_ms, 1000);
  ck_assert_int_eq(atomic_load(&work.ends), 1);
}

START_TEST(the_thread_turns_when_it_starts_and_when_it_is_woken) {
  start();
  wait_turns(1);
  (void)usleep(50 * TURN_US); /* nothing is due */
  ck_assert_int_eq(atomic_load(&work.turns), 1);
  fc_disk_wake(work.disk);
  wait_turns(2);
  struct fc_waker waker = fc_disk_waker(work.disk);
  fc_waker_wake(&waker);
  wait_turns(3);
  ck_assert(atomic_load(&work.good));
  end();
}
END_TEST

START_TEST(the_thread_turns_when_something_is_due) {
  atomic_store(&work.due_ms, now_ms() + 300);
  int64_t before_ms = now_ms();
  start();
  wait_turns(2);
  ck_assert_int_ge(now_ms() - before_ms, 300);
  end();
}
END_TEST

/* What is left to do may have come behind the look of the turn under way. */
START_TEST(a_wake_during_a_turn_makes_another) {
  atomic_store(&work.hold, true);
  start();
  wait_turns(1);
  fc_disk_wake(work.disk);
  fc_disk_wake(work.disk);
  atomic_store(&work.hold, false);
  (void)sem_post(&work.go);
  wait_turns(2);
  (void)usleep(50 * TURN_US);
  ck_assert_int_eq(atomic_load(&work.turns), 2);
  end();
}
END_TEST

START_TEST(no_wake_is_lost) {
  start();
  int64_t start_ms = now_ms();
  for (int i = 0; i < 20000 && now_ms() - start_ms < DEADLINE_MS / 2; i++) {
    int before = atomic_load(&work.turns);
    int64_t wake_ms = now_ms();
    fc_disk_wake(work.disk);
    while (atomic_load(&work.turns) == before &&
           now_ms() - wake_ms < DEADLINE_MS)
      (void)sched_yield();
    ck_assert_int_gt(atomic_load(&work.turns), before);
  }
  end();
}
END_TEST

START_TEST(a_task_under_way_is_waited_for_and_sees_that_it_should_end) {
  const atomic_bool *stopping = fc_disk_stopping(work.disk);
  ck_assert(!atomic_load(stopping));
  atomic_store(&work.due_ms, 1); /* turns without a pause */
  start();
  wait_turns(3);
  end();
}
END_TEST

/* As one that waits for a dead file server, in a turn or in its end: the end of
 * the daemon does not wait for it, and it may come back later. */
START_TEST(a_task_that_hangs_is_left_behind) {
  atomic_store(_i ? &work.hold_end : &work.hold, true);
  start();
  wait_turns(1);
  int64_t before_ms = now_ms();
  ck_assert(!fc_disk_end(work.disk, 200));
  ck_assert_int_ge(now_ms() - before_ms, 200);
  ck_assert_int_lt(now_ms() - before_ms, 1200);
  ck_assert(atomic_load(fc_disk_stopping(work.disk)));
  ck_assert_int_eq(atomic_load(&work.ends), _i);
  fc_disk_wake(work.disk); /* whoever still does */
  atomic_store(&work.hold, false);
  (void)sem_post(&work.go);
  ck_assert(fc_disk_end(work.disk, DEADLINE_MS));
  ck_assert_int_eq(atomic_load(&work.ends), 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("disk");
  TCase *turns = tcase_create("turns");
  tcase_add_test(turns, a_turn_calls_each_task_and_says_when_the_next_is_due);
  tcase_add_test(turns, nothing_is_due_where_no_task_has_anything_to_do);
  tcase_add_test(turns, without_a_thread_the_tasks_are_ended_all_the_same);
  TCase *thread = tcase_create("thread");
  tcase_set_timeout(thread, 60);
  tcase_add_checked_fixture(thread, set_up, NULL);
  tcase_add_test(thread, the_thread_turns_when_it_starts_and_when_it_is_woken);
  tcase_add_test(thread, the_thread_turns_when_something_is_due);
  tcase_add_test(thread, a_wake_during_a_turn_makes_another);
  tcase_add_test(thread, no_wake_is_lost);
  tcase_add_test(thread,
                 a_task_under_way_is_waited_for_and_sees_that_it_should_end);
  tcase_add_loop_test(thread, a_task_that_hangs_is_left_behind, 0, 2);
  suite_add_tcase(suite, turns);
  suite_add_tcase(suite, thread);
  return suite_run_apart(suite);
}
