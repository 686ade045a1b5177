/* SPDX-License-Identifier: MIT */

#include "src/base/file.h"

#include "src/base/path.h"
#include "src/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t nanoseconds(struct timespec time) {
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct fc_file_stamp stamp_of(const struct stat *info) {
  return (struct fc_file_stamp){
      .device = info->st_dev,
      .inode = info->st_ino,
      .size = info->st_size,
      .mtime_ns = nanoseconds(info->st_mtim),
      .ctime_ns = nanoseconds(info->st_ctim),
  };
}

/* info is NULL where there is none. */
static bool stamp_changed(const struct stat *info,
                          struct fc_file_stamp *stamp) {
  struct fc_file_stamp before = *stamp;
  *stamp = info ? stamp_of(info) : (struct fc_file_stamp){0};
  return before.device != stamp->device || before.inode != stamp->inode ||
         before.size != stamp->size || before.mtime_ns != stamp->mtime_ns ||
         before.ctime_ns != stamp->ctime_ns;
}

bool fc_file_changed(const char *path, struct fc_file_stamp *stamp) {
  struct stat info;
  return stamp_changed(stat(path, &info) == 0 ? &info : NULL, stamp);
}

bool fc_file_untrusted_changed(const char *path, struct fc_file_stamp *stamp) {
  struct stat info;
  bool stranger;
  int fd = fc_path_open(path, /* examine = */ true, &stranger);
  bool examined = fd >= 0 && fstat(fd, &info) == 0;
  if (fd >= 0)
    (void)close(fd);
  return stamp_changed(examined ? &info : NULL, stamp);
}

static const struct {
  mode_t mode;
  unsigned access;
} bits[] = {
    {S_IRGRP, FC_FILE_GROUP_READ},
    {S_IROTH, FC_FILE_WORLD_READ},
    {S_IWGRP, FC_FILE_GROUP_WRITE},
    {S_IWOTH, FC_FILE_WORLD_WRITE},
};

static unsigned access_of(mode_t mode) {
  unsigned access = 0;
  for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
    if (mode & bits[i].mode)
      access |= bits[i].access;
  return access;
}

unsigned fc_file_directory_access(const char *path) {
  char directory[PATH_MAX];
  struct stat info;
  const char *slash = strrchr(path, '/');
  size_t len = slash ? (size_t)(slash - path) + 1 : 1;
  if (len >= sizeof(directory))
    return 0;
  memcpy(directory, slash ? path : ".", len);
  directory[len] = '\0';
  if (stat(directory, &info))
    return 0;
  return access_of(info.st_mode & S_ISVTX ? info.st_mode & ~0222u
                                          : info.st_mode);
}

static void say(char *detail, size_t size, const char *text) {
  fc_text_copy(detail, size, text);
}

static void say_errno(char *detail, size_t size, const char *what) {
  char text[128];
  size_t used = 0;
  const char *reason = strerror_r(errno, text, sizeof(text));
  fc_text_append(detail, size, &used, "%s: %s", what, reason);
}

/* Reads up to size bytes; -1 with errno set. */
static ssize_t read_all(int fd, char *data, size_t size) {
  size_t len = 0;
  while (len < size) {
    ssize_t got = read(fd, data + len, size - len);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return -1;
    if (got == 0)
      break;
    len += (size_t)got;
  }
  return (ssize_t)len;
}

static enum fc_error check_type(int fd, size_t max_bytes, struct stat *info,
                                char *detail, size_t size) {
  if (fstat(fd, info)) {
    say_errno(detail, size, "cannot be examined");
    return FC_ERR_IO;
  }
  if (!S_ISREG(info->st_mode)) {
    say(detail, size, "is no regular file");
    return FC_ERR_IO;
  }
  if (info->st_size > (off_t)max_bytes) {
    size_t used = 0;
    fc_text_append(detail, size, &used, "is larger than %zu bytes", max_bytes);
    return FC_ERR_LIMIT;
  }
  return FC_OK;
}

/* A file that grows meanwhile is read up to its size at the start: the change
 * shows in its stamp. */
static enum fc_error read_open(int fd, size_t max_bytes, char **data,
                               size_t *len, struct stat *info, char *detail,
                               size_t size) {
  enum fc_error error = check_type(fd, max_bytes, info, detail, size);
  if (error)
    return error;
  char *bytes = malloc((size_t)info->st_size + 1);
  if (!bytes) {
    say(detail, size, "cannot be read: out of memory");
    return FC_ERR_MEMORY;
  }
  ssize_t got = read_all(fd, bytes, (size_t)info->st_size);
  if (got < 0) {
    say_errno(detail, size, "cannot be read");
    free(bytes);
    return FC_ERR_IO;
  }
  bytes[got] = '\0';
  *data = bytes;
  *len = (size_t)got;
  return FC_OK;
}

/* Closes the descriptor; negative: errno says why there is none. */
static enum fc_error read_and_close(int fd, size_t max_bytes, char **data,
                                    size_t *len, struct stat *info,
                                    char *detail, size_t size) {
  if (fd < 0) {
    say_errno(detail, size, "cannot be opened");
    return FC_ERR_IO;
  }
  enum fc_error error = read_open(fd, max_bytes, data, len, info, detail, size);
  (void)close(fd);
  return error;
}

enum fc_error fc_file_read(const char *path, size_t max_bytes, char **data,
                           size_t *len, unsigned *access, char *detail,
                           size_t size) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  enum fc_error error =
      read_and_close(fd, max_bytes, data, len, &info, detail, size);
  if (!error)
    *access = access_of(info.st_mode);
  return error;
}

/* Why a file that somebody else put there is not to be read; NULL: it may. */
static const char *what_speaks_against(int fd, const char *forbidden) {
  struct stat info, other;
  if (fstat(fd, &info) || !S_ISREG(info.st_mode))
    return NULL;
  if (forbidden && stat(forbidden, &other) == 0 &&
      info.st_dev == other.st_dev && info.st_ino == other.st_ino)
    return "is the file of the API key";
  return info.st_nlink > 1 ? "has several hard links" : NULL;
}

enum fc_error fc_file_read_untrusted(const char *path, const char *forbidden,
                                     size_t max_bytes, char **data, size_t *len,
                                     struct fc_file_stamp *stamp,
                                     unsigned *access, char *detail,
                                     size_t size) {
  bool stranger;
  int fd = fc_path_open(path, /* examine = */ false, &stranger);
  const char *reason = fd >= 0 ? what_speaks_against(fd, forbidden) : NULL;
  if (stranger)
    reason = "is reached through a symbolic link that belongs to neither root, "
             "the daemon's user nor the file's owner";
  if (reason) {
    if (fd >= 0)
      (void)close(fd);
    say(detail, size, reason);
    return FC_ERR_ARGUMENT;
  }
  struct stat info;
  enum fc_error error =
      read_and_close(fd, max_bytes, data, len, &info, detail, size);
  if (error)
    return error;
  *stamp = stamp_of(&info);
  *access = access_of(info.st_mode);
  return FC_OK;
}
