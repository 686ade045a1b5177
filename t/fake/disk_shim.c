/* SPDX-License-Identifier: MIT */

/* A library to preload into the daemon that makes its disk slow while it runs,
 * as one that dies, or a file server that is gone, is.
 *
 *   FC_DISK        a file of one int64_t, the milliseconds that each fsync and
 *                  fdatasync takes; it may be changed at any time
 *
 * Like the system's, such a wait cannot be cut short. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t none;
static const volatile int64_t *wait_ms = &none;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FC_DISK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0)
    return;
  void *map = mmap(NULL, sizeof(none), PROT_READ, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED)
    wait_ms = map;
  (void)close(fd);
}

static void wait(void) {
  int64_t ms = *wait_ms;
  struct timespec left = {.tv_sec = (time_t)(ms / 1000),
                          .tv_nsec = (long)(ms % 1000) * 1000000};
  while (ms > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
    continue;
}

int fsync(int fd) {
  wait();
  return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  wait();
  return (int)syscall(SYS_fdatasync, fd);
}
