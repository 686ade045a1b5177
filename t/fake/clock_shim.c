/* SPDX-License-Identifier: MIT */

/* A library to preload into the daemon that shifts its clocks while it runs, as
 * an administrator or a bad time server does; and one to make calls fail.
 *
 *   FC_CLOCK       a file of two int64_t, nanoseconds to add to the wall clock
 *                  and to the monotonic clock; it may be changed at any time
 *   FC_FAIL        the name of a call that fails, which stderr then says
 *   FC_FAIL_IN     ... when it comes from an object whose name has this in it
 *
 * A wait until a time of either clock, and poll(), end when the shifted clock
 * says so. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SECOND_NS = 1000000000, SLICE_NS = 50000000 };

struct shift {
  volatile int64_t wall_ns, mono_ns;
};

static const struct shift none;
static const struct shift *shift = &none;
static const char *failing, *failing_in;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FC_CLOCK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    void *map = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
      shift = map;
    (void)close(fd);
  }
  failing = getenv("FC_FAIL");
  failing_in = getenv("FC_FAIL_IN");
}

static void add(struct timespec *time, int64_t ns) {
  int64_t sum = (int64_t)time->tv_nsec + ns % SECOND_NS;
  time->tv_sec += (time_t)(ns / SECOND_NS);
  if (sum < 0) {
    time->tv_sec--;
    sum += SECOND_NS;
  }
  time->tv_sec += (time_t)(sum / SECOND_NS);
  time->tv_nsec = (long)(sum % SECOND_NS);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (syscall(SYS_clock_gettime, clock, time))
    return -1;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
    add(time, shift->wall_ns);
  else if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)
    add(time, shift->mono_ns);
  return 0;
}

time_t time(time_t *seconds) {
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  if (seconds)
    *seconds = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *time, void *zone) {
  struct timespec now;
  (void)zone;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

/* The newest of a function's versions; glibc has older ones of some. */
static void *next(const char *name, const char *version) {
  void *found = dlvsym(RTLD_NEXT, name, version);
  return found ? found : dlsym(RTLD_NEXT, name);
}

static bool before(struct timespec a, struct timespec b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* The clock that a condition goes by is known to glibc only. */
static bool is_monotonic(const pthread_cond_t *condition) {
  enum { GLIBC_MONOTONIC = 2 };
  return condition->__data.__wrefs & GLIBC_MONOTONIC;
}

/* In slices, since the shift may change meanwhile. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *until) {
  static int (*real)(pthread_cond_t *, pthread_mutex_t *,
                     const struct timespec *);
  bool monotonic = is_monotonic(condition);
  clockid_t clock = monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME;
  struct timespec now, slice;
  int status;
  if (!real)
    *(void **)&real = next("pthread_cond_timedwait", "GLIBC_2.3.2");
  do {
    struct timespec shifted = *until;
    (void)syscall(SYS_clock_gettime, clock, &slice);
    add(&slice, SLICE_NS);
    add(&shifted, monotonic ? -shift->mono_ns : -shift->wall_ns);
    status = real(condition, mutex, before(shifted, slice) ? &shifted : &slice);
    (void)clock_gettime(clock, &now);
  } while (status == ETIMEDOUT && before(now, *until));
  return status;
}

static int64_t mono_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int poll(struct pollfd *fds, nfds_t len, int timeout_ms) {
  static int (*real)(struct pollfd *, nfds_t, int);
  enum { SLICE_MS = SLICE_NS / 1000000 };
  int64_t end_ms = mono_ms() + timeout_ms;
  int found;
  if (!real)
    *(void **)&real = next("poll", "GLIBC_2.2.5");
  do {
    int64_t left_ms = timeout_ms < 0 ? SLICE_MS : end_ms - mono_ms();
    found = real(fds, len,
                 left_ms > SLICE_MS ? SLICE_MS
                 : left_ms > 0      ? (int)left_ms
                                    : 0);
  } while (found == 0 && (timeout_ms < 0 || mono_ms() < end_ms));
  return found;
}

static bool fails(const char *name, const void *caller) {
  Dl_info info;
  if (!failing || strcmp(name, failing) != 0 || !dladdr(caller, &info) ||
      !info.dli_fname || (failing_in && !strstr(info.dli_fname, failing_in)))
    return false;
  (void)dprintf(STDERR_FILENO, "clock_shim: %s fails\n", name);
  return true;
}

#define FAILS(name, error)                                                     \
  (fails(name, __builtin_return_address(0)) && (errno = (error), true))

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*run)(void *), void *data) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                     void *);
  if (FAILS("pthread_create", EAGAIN))
    return EAGAIN;
  if (!real)
    *(void **)&real = next("pthread_create", "GLIBC_2.34");
  return real(thread, attributes, run, data);
}

int eventfd(unsigned count, int flags) {
  return FAILS("eventfd", EMFILE) ? -1
                                  : (int)syscall(SYS_eventfd2, count, flags);
}

int socketpair(int domain, int type, int protocol, int ends[2]) {
  return FAILS("socketpair", EMFILE)
             ? -1
             : (int)syscall(SYS_socketpair, domain, type, protocol, ends);
}

int pipe2(int ends[2], int flags) {
  return FAILS("pipe2", EMFILE) ? -1 : (int)syscall(SYS_pipe2, ends, flags);
}

int pipe(int ends[2]) {
  return FAILS("pipe", EMFILE) ? -1 : (int)syscall(SYS_pipe2, ends, 0);
}

ssize_t getrandom(void *bytes, size_t len, unsigned flags) {
  return FAILS("getrandom", ENOSYS) ? -1
                                    : syscall(SYS_getrandom, bytes, len, flags);
}
