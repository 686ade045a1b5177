/* SPDX-License-Identifier: MIT */

/* A library to preload into the daemon that makes its disk slow while it runs,
 * as one that dies, or a file server that is gone, is.
 *
 *   FC_DISK        a file of one int64_t, the milliseconds that each fsync and
 *                  fdatasync takes; it may be changed at any time
 *   FC_DISK_FILE   the path of a file whose reads take as long
 *
 * Like the system's, such a wait cannot be cut short. */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t none;
static const volatile int64_t *wait_ms = &none;
static const char *slow_file;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FC_DISK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  slow_file = getenv("FC_DISK_FILE");
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

static bool is_slow_file(int fd) {
  struct stat info, slow;
  return slow_file && *wait_ms && fstat(fd, &info) == 0 &&
         stat(slow_file, &slow) == 0 && info.st_dev == slow.st_dev &&
         info.st_ino == slow.st_ino;
}

ssize_t read(int fd, void *data, size_t len) {
  if (is_slow_file(fd))
    wait();
  return syscall(SYS_read, fd, data, len);
}

/* What gcc makes of it where it knows the room. */
ssize_t __read_chk(int fd, void *data, size_t len, size_t room);
ssize_t __read_chk(int fd, void *data, size_t len, size_t room) {
  if (len > room)
    abort();
  return read(fd, data, len);
}
