/* SPDX-License-Identifier: MIT */

/* A folder of a test's own, and small files in it. */

#ifndef FC_T_FOLDER_H
#define FC_T_FOLDER_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Makes a new one, in TMPDIR if that is set and leaves room for the names of
 * files; folder[size] gets its path. */
static inline void test_folder_make(char *folder, size_t size,
                                    const char *name) {
  const char *base = getenv("TMPDIR");
  (void)snprintf(folder, size, "%s/fc-%s-XXXXXX",
                 base && strlen(base) < 40 ? base : "/tmp", name);
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline int test_folder_entry(const char *name, const struct stat *info,
                                    int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(name);
}

/* Removes it with all that is in it. */
static inline void test_folder_remove(const char *folder) {
  ck_assert_int_eq(nftw(folder, test_folder_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes a file, or writes it anew in place. */
static inline void test_write(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

#endif
