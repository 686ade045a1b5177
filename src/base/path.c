/* SPDX-License-Identifier: MIT */

#include "src/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 /* as the kernel's own limit */ };

/* A path on its way, component by component: the kernel would follow links
 * without telling whose they are. */
struct walk {
  int folder; /* that was reached; AT_FDCWD: the current one */
  uid_t owners[LINKS_MAX];
  size_t links;            /* followed so far */
  char name[NAME_MAX + 1]; /* the component under way */
  const char *rest;        /* what is behind it, from its slash on ... */
  char path[PATH_MAX];     /* ... to the end of this, which fills from there */
};

/* Takes over the descriptor. */
static void enter(struct walk *walk, int folder) {
  if (walk->folder >= 0)
    (void)close(walk->folder);
  walk->folder = folder;
}

/* Puts a path before the rest. False with errno set. */
static bool push(struct walk *walk, const char *path, size_t len) {
  size_t room = (size_t)(walk->rest - walk->path);
  if (len == 0 || len > room) {
    errno = len ? ENAMETOOLONG : ENOENT;
    return false;
  }
  memcpy(walk->path + room - len, path, len);
  walk->rest -= len;
  if (path[0] == '/')
    enter(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return path[0] != '/' || walk->folder >= 0;
}

/* Takes the next component from the rest; what a slash ends is a folder, and
 * behind its last one comes ".". */
static bool pop(struct walk *walk) {
  const char *start = walk->rest + strspn(walk->rest, "/");
  size_t len = strcspn(start, "/");
  if (len >= sizeof(walk->name)) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(walk->name, len ? start : ".", len ? len : 1);
  walk->name[len ? len : 1] = '\0';
  walk->rest = start + len;
  return true;
}

/* Opens the component to look at it. O_DIRECTORY has an automounter mount what
 * is there, O_PATH alone has not. */
static int look(const struct walk *walk) {
  static const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  int fd = -1;
  if (walk->rest[0])
    fd = openat(walk->folder, walk->name, flags | O_DIRECTORY);
  if (!walk->rest[0] || (fd < 0 && errno == ENOTDIR))
    fd = openat(walk->folder, walk->name, flags);
  return fd;
}

static bool follow(struct walk *walk, int link, uid_t owner) {
  char target[PATH_MAX];
  ssize_t len = readlinkat(link, "", target, sizeof(target));
  if (len < 0)
    return false;
  if (walk->links == LINKS_MAX) {
    errno = ELOOP;
    return false;
  }
  walk->owners[walk->links++] = owner;
  return push(walk, target, (size_t)len);
}

/* Up to the last component, which is no link. */
static bool reach(struct walk *walk, struct stat *info) {
  for (;;) {
    int fd = pop(walk) ? look(walk) : -1;
    if (fd < 0)
      return false;
    bool good = fstat(fd, info) == 0;
    bool is_link = good && S_ISLNK(info->st_mode);
    bool is_last = !is_link && !walk->rest[0];
    if (is_link)
      good = follow(walk, fd, info->st_uid);
    if (good && !is_link && !is_last)
      enter(walk, fd);
    else
      (void)close(fd);
    if (!good || is_last)
      return good;
  }
}

static bool led_by_stranger(const struct walk *walk, uid_t owner) {
  for (size_t i = 0; i < walk->links; i++)
    if (walk->owners[i] != 0 && walk->owners[i] != geteuid() &&
        walk->owners[i] != owner)
      return true;
  return false;
}

/* Of the last component, which is no link unless it has just become one. */
static int open_last(const struct walk *walk, mode_t mode, bool examine) {
  int flags =
      examine || !S_ISREG(mode) ? O_PATH : O_RDONLY | O_NONBLOCK | O_NOCTTY;
  return openat(walk->folder, walk->name, flags | O_NOFOLLOW | O_CLOEXEC);
}

int fc_path_open(const char *path, bool examine, bool *stranger) {
  struct walk walk = {.folder = AT_FDCWD};
  walk.rest = walk.path + sizeof(walk.path) - 1; /* its NUL */
  struct stat info;
  int fd = -1;
  *stranger = false;
  if (push(&walk, path, strlen(path)) && reach(&walk, &info))
    fd = open_last(&walk, info.st_mode, examine);
  int error = errno;
  enter(&walk, -1);
  if (fd >= 0) {
    bool examined = fstat(fd, &info) == 0;
    error = errno;
    *stranger = examined && led_by_stranger(&walk, info.st_uid);
    if (!examined || *stranger) {
      (void)close(fd);
      fd = -1;
    }
  }
  errno = error;
  return fd;
}
