/* SPDX-License-Identifier: MIT */

#include "src/state/statefile.h"

#include "src/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  KEPT_MAX = 48,    /* ".corrupt-", a time, and what makes it new */
  SUFFIX_MAX = 64,  /* the longest that is appended to the path */
  NAMES_MAX = 1000, /* that are tried for a file to keep */
  BLOCK_SIZE = 16 * 1024
};

/* The first bytes of a database file: https://www.sqlite.org/fileformat.html
 * section 1.3. */
enum {
  HEADER_SIZE = 100,
  HEADER_WRITE_VERSION = 18, /* above 2 SQLite takes the file as read-only */
  HEADER_USER_VERSION = 60,
  HEADER_APPLICATION_ID = 68
};
static const char header_magic[16] = "SQLite format 3";

enum { BEHIND_S = 1 /* epoch: a time that no file has by itself */ };

/* Those before the lock make up one database, and are renamed in this order:
 * should a crash come in between, then no log loses the file that it belongs to
 * while that looks whole without it. */
enum part { MAIN, LOG, INDEX, JOURNAL, LOCK, PARTS, DATABASE_PARTS = LOCK };
_Static_assert((int)PARTS == FC_STATEFILE_PARTS, "one identity for each");
static const char *const suffixes[FC_STATEFILE_PARTS] = {
    [MAIN] = "",      [LOG] = "-wal", [INDEX] = "-shm", [JOURNAL] = "-journal",
    [LOCK] = "-lock",
};

void fc_statefile_init(struct fc_statefile *file) {
  *file = (struct fc_statefile){.lock_fd = -1};
}

enum fc_error fc_statefile_fail(struct fc_statefile *file,
                                enum fc_statefile_problem problem,
                                const char *format, ...) {
  char text[2 * FC_STATEFILE_DETAIL_SIZE];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  (void)fc_text_line(file->detail, sizeof(file->detail), text, strlen(text));
  file->problem = problem;
  return FC_ERR_STATE;
}

/* `what` ends in ": ", or is "" for the file itself. */
static enum fc_error fail_errno(struct fc_statefile *file, int error,
                                const char *what) {
  char buffer[128];
  return fc_statefile_fail(file, FC_STATEFILE_IO, "%s%s", what,
                           strerror_r(error, buffer, sizeof(buffer)));
}

static const char *kept_name(char name[PATH_MAX],
                             const struct fc_statefile *file, const char *kept,
                             enum part part) {
  size_t used = 0;
  fc_text_append(name, PATH_MAX, &used, "%s%s%s", file->path, kept,
                 suffixes[part]);
  return name;
}

static const char *part_name(char name[PATH_MAX],
                             const struct fc_statefile *file, enum part part) {
  return kept_name(name, file, "", part);
}

static int part_stat(const struct fc_statefile *file, enum part part,
                     struct stat *info) {
  char name[PATH_MAX];
  return lstat(part_name(name, file, part), info);
}

static void part_remember(struct fc_statefile *file, enum part part,
                          const struct stat *info) {
  file->parts[part].known = true;
  file->parts[part].device = info->st_dev;
  file->parts[part].inode = info->st_ino;
}

/* SQLite is told to refuse symbolic links, and looks for them in the whole
 * path; those on the way to the file are the administrator's. */
static enum fc_error path_resolve(struct fc_statefile *file, const char *path,
                                  int mode) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  char *folder = slash ? strndup(path, (size_t)(base - path)) : strdup(".");
  char *real = folder ? realpath(folder, NULL) : NULL;
  enum fc_error error = FC_OK;
  size_t used = 0;
  if (!real) {
    error = !folder || errno == ENOMEM
                ? FC_ERR_MEMORY
                : fail_errno(file, errno, "its directory: ");
    goto out;
  }
  /* Else SQLite would only find the file "readonly". */
  if (faccessat(AT_FDCWD, real, mode, AT_EACCESS)) {
    error = fail_errno(file, errno, "its directory: ");
    goto out;
  }
  if (strlen(real) + strlen(base) + SUFFIX_MAX >= sizeof(file->path)) {
    error = fail_errno(file, ENAMETOOLONG, "its path: ");
    goto out;
  }
  fc_text_append(file->path, sizeof(file->path), &used, "%s/%s",
                 strcmp(real, "/") == 0 ? "" : real, base);
out:
  free(real);
  free(folder);
  return error;
}

/* What makes a file unsafe to use; NULL if nothing does. */
static const char *part_fault(const struct stat *info) {
  if (!S_ISREG(info->st_mode))
    return "not a regular file";
  if (info->st_uid != geteuid() && info->st_uid != 0)
    return "owned by another user";
  if (info->st_mode & (S_IWGRP | S_IWOTH))
    return "writable by its group or by others";
  return info->st_nlink > 1 ? "hard-linked" : NULL;
}

static enum fc_error part_judge(struct fc_statefile *file, enum part part,
                                const struct stat *info) {
  const char *fault = part_fault(info);
  return fault ? fc_statefile_fail(file, FC_STATEFILE_UNSAFE, "it%s%s is %s",
                                   part == MAIN ? "" : "s ", suffixes[part],
                                   fault)
               : FC_OK;
}

/* Before the lock is taken no file of the database may be opened: to close it
 * again would drop the POSIX locks that SQLite holds on it for another store
 * of this process. */
static enum fc_error parts_check(struct fc_statefile *file) {
  enum fc_error error = FC_OK;
  struct stat info;
  for (enum part part = 0; !error && part < PARTS; part++)
    if (part_stat(file, part, &info) == 0)
      error = part_judge(file, part, &info);
    else if (errno != ENOENT)
      error = fail_errno(file, errno, "");
  return error;
}

/* flock() and not fcntl(): the lock is the descriptor's, so that a second store
 * of this process meets it too, and no close() of another descriptor ends it.
 * The kernel frees it when the process dies. */
static enum fc_error lock_take(struct fc_statefile *file) {
  static const char what[] = "its -lock: ";
  char name[PATH_MAX];
  struct stat info;
  file->had_lock = part_stat(file, LOCK, &info) == 0;
  file->lock_fd =
      open(part_name(name, file, LOCK),
           O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (file->lock_fd < 0)
    return fail_errno(file, errno, what);
  if (fstat(file->lock_fd, &info))
    return fail_errno(file, errno, what);
  if (flock(file->lock_fd, LOCK_EX | LOCK_NB))
    return errno == EWOULDBLOCK ? fc_statefile_fail(file, FC_STATEFILE_LOCKED,
                                                    "in use by another daemon")
                                : fail_errno(file, errno, what);
  part_remember(file, LOCK, &info);
  file->is_behind = file->marked_behind = info.st_mtime == BEHIND_S;
  return part_judge(file, LOCK, &info);
}

/* At worst, events are repeated unmarked. */
void fc_statefile_set_behind(struct fc_statefile *file, bool is_behind) {
  static const struct timespec times[] = {{.tv_sec = BEHIND_S},
                                          {.tv_sec = BEHIND_S}};
  if (file->parts[LOCK].known && file->marked_behind != is_behind &&
      futimens(file->lock_fd, is_behind ? times : NULL) == 0)
    file->marked_behind = is_behind;
}

enum fc_error fc_statefile_lock(struct fc_statefile *file, const char *path) {
  enum fc_error error = path_resolve(file, path, W_OK | X_OK);
  if (!error)
    error = parts_check(file);
  return error ? error : lock_take(file);
}

static uint32_t big_endian32(const unsigned char *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
         (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The version of the file is judged here, from its bytes, because SQLite
 * changes a file by opening it: it recovers and deletes logs. */
static enum fc_error header_judge(struct fc_statefile *file,
                                  const unsigned char *header, ssize_t len) {
  uint32_t application, version;
  if (len < HEADER_SIZE ||
      memcmp(header, header_magic, sizeof(header_magic)) != 0)
    return fc_statefile_fail(file, FC_STATEFILE_DAMAGED, "not a database");
  application = big_endian32(header + HEADER_APPLICATION_ID);
  version = big_endian32(header + HEADER_USER_VERSION);
  if (application != FC_STATEFILE_APPLICATION_ID)
    return fc_statefile_fail(file, FC_STATEFILE_FOREIGN,
                             "another application's database");
  if (version > FC_STATEFILE_VERSION)
    return fc_statefile_fail(file, FC_STATEFILE_FOREIGN,
                             "of a newer version (%u, known are 1 to %u)",
                             (unsigned)version, (unsigned)FC_STATEFILE_VERSION);
  return header[HEADER_WRITE_VERSION] > 2
             ? fc_statefile_fail(file, FC_STATEFILE_DAMAGED,
                                 "unknown file format")
             : FC_OK;
}

/* A log without its file: SQLite would delete it. */
static enum fc_error log_check(struct fc_statefile *file) {
  struct stat info;
  return part_stat(file, LOG, &info) == 0 && info.st_size > 0
             ? fc_statefile_fail(file, FC_STATEFILE_DAMAGED,
                                 "its -wal belongs to no database")
             : FC_OK;
}

/* The parts of a database are as private as the database; SQLite sees to it
 * for those that it makes. */
static enum fc_error part_tighten(struct fc_statefile *file, enum part part) {
  char name[PATH_MAX];
  enum fc_error error = FC_OK;
  int fd = open(part_name(name, file, part),
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? FC_OK : fail_errno(file, errno, "");
  if (fchmod(fd, S_IRUSR | S_IWUSR))
    error = fail_errno(file, errno, "its permissions: ");
  (void)close(fd); /* nothing was written */
  return error;
}

static enum fc_error parts_tighten(struct fc_statefile *file) {
  enum fc_error error = FC_OK;
  for (enum part part = 0; !error && part < DATABASE_PARTS; part++)
    error = part_tighten(file, part);
  if (!error)
    fc_text_copy(file->detail, sizeof(file->detail),
                 "it was readable by others, which is now ended");
  return error;
}

/* The power went while the file was made: other pages of it were written before
 * the first. SQLite takes that back by its journal. */
static bool is_half_made(const struct fc_statefile *file,
                         const unsigned char *header, ssize_t len) {
  struct stat info;
  for (ssize_t i = 0; i < len; i++)
    if (header[i])
      return false;
  return part_stat(file, JOURNAL, &info) == 0 && S_ISREG(info.st_mode) &&
         info.st_size > 0;
}

static enum fc_error file_examine(struct fc_statefile *file, int fd) {
  unsigned char header[HEADER_SIZE];
  struct stat info;
  enum fc_error error;
  ssize_t len = pread(fd, header, sizeof(header), 0);
  if (len < 0 || fstat(fd, &info))
    return fail_errno(file, errno, "it cannot be read: ");
  part_remember(file, MAIN, &info);
  file->size = info.st_size;
  error = part_judge(file, MAIN, &info);
  if (!error && !info.st_size)
    error = log_check(file);
  else if (!error && !is_half_made(file, header, len))
    error = header_judge(file, header, len);
  if (!error && (info.st_mode & (S_IRWXG | S_IRWXO)))
    error = parts_tighten(file);
  return error;
}

static enum fc_error file_create(struct fc_statefile *file) {
  struct stat info;
  enum fc_error error = log_check(file);
  if (error)
    return error;
  int fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                S_IRUSR | S_IWUSR);
  if (fd < 0)
    return fail_errno(file, errno, "it cannot be created: ");
  /* The umask may have taken even these permissions. */
  if (fchmod(fd, S_IRUSR | S_IWUSR) || fstat(fd, &info))
    error = fail_errno(file, errno, "its permissions: ");
  else
    part_remember(file, MAIN, &info);
  (void)close(fd); /* nothing was written */
  file->created = true;
  file->size = 0;
  return error;
}

/* Whoever may write there can take the file away, or put another in its place;
 * one with a sticky bit only before there is one. */
static void folder_judge(struct fc_statefile *file) {
  char folder[PATH_MAX];
  struct stat info;
  size_t used = strlen(file->detail);
  fc_text_copy(folder, sizeof(folder), file->path);
  *strrchr(folder, '/') = '\0';
  if (stat(folder[0] ? folder : "/", &info) || !(info.st_mode & S_IWOTH))
    return;
  fc_text_append(file->detail, sizeof(file->detail), &used,
                 "%sits directory %s is writable by everybody",
                 used ? "; " : "", folder[0] ? folder : "/");
}

enum fc_error fc_statefile_prepare(struct fc_statefile *file) {
  int fd = open(file->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  enum fc_error error;
  if (fd >= 0) {
    error = file_examine(file, fd);
    (void)close(fd); /* nothing was written */
  } else {
    error = errno == ENOENT ? file_create(file)
                            : fail_errno(file, errno, "it cannot be opened: ");
  }
  if (!error)
    folder_judge(file);
  return error;
}

static bool part_is_readable(const struct fc_statefile *file, enum part part,
                             int64_t max) {
  char name[PATH_MAX], block[BLOCK_SIZE];
  ssize_t len = 1;
  int fd = open(part_name(name, file, part),
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT;
  for (off_t at = 0; len > 0 && at < max; at += len)
    len = pread(fd, block, sizeof(block), at);
  (void)close(fd); /* nothing was written */
  return len >= 0;
}

bool fc_statefile_is_readable(const struct fc_statefile *file, int64_t max) {
  return part_is_readable(file, MAIN, max) && part_is_readable(file, LOG, max);
}

/* What is kept must not replace what was kept before: appends to the suffix
 * what makes it new for every part. */
static bool kept_make_new(const struct fc_statefile *file,
                          char kept[KEPT_MAX]) {
  char name[PATH_MAX];
  size_t len = strlen(kept);
  struct stat info;
  for (int n = 1; n <= NAMES_MAX; n++) {
    size_t taken = 0;
    for (enum part part = 0; part < DATABASE_PARTS; part++)
      taken += lstat(kept_name(name, file, kept, part), &info) == 0;
    if (!taken)
      return true;
    (void)snprintf(kept + len, KEPT_MAX - len, "-%d", n);
  }
  return false;
}

enum fc_error fc_statefile_set_aside(struct fc_statefile *file, int64_t now_s) {
  static const char failure[] = "it is damaged and cannot be renamed: ";
  char from[PATH_MAX], to[PATH_MAX], kept[KEPT_MAX];
  char reason[FC_STATEFILE_DETAIL_SIZE];
  size_t used = 0;
  (void)snprintf(kept, sizeof(kept), ".corrupt-%lld", (long long)now_s);
  if (!kept_make_new(file, kept))
    return fail_errno(file, EEXIST, failure);
  for (enum part part = 0; part < DATABASE_PARTS; part++)
    if (rename(part_name(from, file, part), kept_name(to, file, kept, part)) &&
        errno != ENOENT)
      return fail_errno(file, errno, failure);
  fc_text_copy(reason, sizeof(reason), file->detail);
  fc_text_append(file->detail, sizeof(file->detail), &used,
                 "damaged, kept as %s%s: %s", strrchr(file->path, '/') + 1,
                 kept, reason);
  file->problem = FC_STATEFILE_SET_ASIDE;
  return FC_OK;
}

enum fc_error fc_statefile_keep(struct fc_statefile *file, int64_t version,
                                char name[PATH_MAX]) {
  static const char failure[] = "its copy: ";
  char kept[KEPT_MAX], copy[PATH_MAX];
  (void)snprintf(kept, sizeof(kept), ".v%lld", (long long)version);
  if (!kept_make_new(file, kept))
    return fail_errno(file, EEXIST, failure);
  int fd = open(kept_name(copy, file, kept, MAIN),
                O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                S_IRUSR | S_IWUSR);
  if (fd < 0)
    return fail_errno(file, errno, failure);
  (void)close(fd); /* nothing was written */
  fc_text_copy(name, PATH_MAX, copy);
  return FC_OK;
}

void fc_statefile_remember(struct fc_statefile *file) {
  struct stat info;
  for (enum part part = LOG; part <= INDEX; part++)
    if (part_stat(file, part, &info) == 0)
      part_remember(file, part, &info);
}

bool fc_statefile_is_in_place(const struct fc_statefile *file) {
  struct stat info;
  for (enum part part = 0; part < PARTS; part++)
    if (file->parts[part].known && (part_stat(file, part, &info) ||
                                    info.st_dev != file->parts[part].device ||
                                    info.st_ino != file->parts[part].inode))
      return false;
  return true;
}

int64_t fc_statefile_log_size(const struct fc_statefile *file) {
  struct stat info;
  return part_stat(file, LOG, &info) ? 0 : (int64_t)info.st_size;
}

/* All bytes of the path that a URI could take for something else are escaped
 * (RFC 3986 section 2.1). */
static void uri_make(char uri[FC_STATEFILE_URI_SIZE], const char *path,
                     bool immutable) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789-._~/";
  size_t used = 0;
  fc_text_append(uri, FC_STATEFILE_URI_SIZE, &used, "file:");
  for (; *path; path++)
    fc_text_append(uri, FC_STATEFILE_URI_SIZE, &used,
                   strchr(plain, *path) ? "%c" : "%%%02X",
                   (unsigned char)*path);
  fc_text_append(uri, FC_STATEFILE_URI_SIZE, &used, "%s",
                 immutable ? "?immutable=1" : "");
}

enum fc_error fc_statefile_find(struct fc_statefile *file, const char *path,
                                char uri[FC_STATEFILE_URI_SIZE]) {
  struct stat info;
  enum fc_error error = path_resolve(file, path, X_OK);
  if (error)
    return error;
  if (part_stat(file, MAIN, &info)) {
    int failure = errno;
    error = fail_errno(file, failure, "");
    return failure == ENOENT ? FC_ERR_NOT_FOUND : error;
  }
  if (!S_ISREG(info.st_mode))
    return fc_statefile_fail(file, FC_STATEFILE_UNSAFE,
                             "it is not a regular file");
  /* Without a log nobody has the file open. SQLite would make a log to read it,
   * and could not delete it again. */
  bool alone = part_stat(file, LOG, &info) && errno == ENOENT;
  uri_make(uri, file->path, alone);
  return FC_OK;
}

void fc_statefile_release(struct fc_statefile *file) {
  if (file->lock_fd >= 0)
    (void)close(file->lock_fd); /* nothing was written */
  file->lock_fd = -1;
}
