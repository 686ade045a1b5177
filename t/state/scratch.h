/* SPDX-License-Identifier: MIT */

/* A folder for one test, with a state file in it, and the files beside it. */

#ifndef FC_T_SCRATCH_H
#define FC_T_SCRATCH_H

#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOW = 1764000000, NOBODY = 65534 };

static char folder[PATH_MAX];
static char path[PATH_MAX + 16];
static inline const char *beside(const char *suffix) {
  static char name[PATH_MAX + 96];
  (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
  return name;
}

static inline void folder_make(void) {
  const char *temp = getenv("TMPDIR");
  (void)snprintf(folder, sizeof(folder), "%s/fc-state-XXXXXX",
                 temp ? temp : "/tmp");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  ck_assert_int_eq(chmod(folder, 0755), 0);
  (void)snprintf(path, sizeof(path), "%s/state.db", folder);
}

static inline int entry_remove(const char *name, const struct stat *info,
                               int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(name);
}

static inline void folder_remove(void) {
  (void)nftw(folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

struct bytes {
  size_t len;
  unsigned char *data;
};

static inline struct bytes file_read(const char *name) {
  struct bytes bytes = {0};
  struct stat info;
  FILE *file = fopen(name, "rb");
  ck_assert_msg(file != NULL, "%s", name);
  ck_assert_int_eq(fstat(fileno(file), &info), 0);
  bytes.data = malloc((size_t)info.st_size + 1);
  ck_assert_ptr_nonnull(bytes.data);
  bytes.len = fread(bytes.data, 1, (size_t)info.st_size, file);
  ck_assert_uint_eq(bytes.len, (size_t)info.st_size);
  ck_assert_int_eq(fclose(file), 0);
  return bytes;
}

static inline void file_write(const char *name, const void *data, size_t len) {
  FILE *file = fopen(name, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, len, file), len);
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(chmod(name, 0600), 0);
}

static inline bool file_exists(const char *name) {
  struct stat info;
  return lstat(name, &info) == 0;
}

static inline mode_t file_mode(const char *name) {
  struct stat info;
  ck_assert_int_eq(lstat(name, &info), 0);
  return info.st_mode & 07777;
}

static inline void assert_file_is(const char *name,
                                  const struct bytes *expected) {
  struct bytes found = file_read(name);
  ck_assert_uint_eq(found.len, expected->len);
  ck_assert_mem_eq(found.data, expected->data, found.len);
  free(found.data);
}

static inline const char *kept_suffix(const char *more) {
  static char suffix[64];
  (void)snprintf(suffix, sizeof(suffix), ".corrupt-%d%s", NOW, more);
  return suffix;
}

/* Runs the test in a process without privileges, so that permissions count. */
static inline void unprivileged(void (*test)(void)) {
  int status;
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    if (geteuid() == 0 && (setgid(NOBODY) || setuid(NOBODY)))
      _exit(99);
    test();
    _exit(0);
  }
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
}

static inline void give_away(const char *name) {
  if (geteuid() == 0)
    ck_assert_int_eq(chown(name, NOBODY, NOBODY), 0);
}

#endif
