/* SPDX-License-Identifier: MIT */

/* What both tortures run on: a folder with a key file and a JobFile, which is
 * the working directory, and a server that knows the jobs "bad", which fails,
 * "good" and "busy". */

#ifndef FC_T_TORTURE_FIXTURE_H
#define FC_T_TORTURE_FIXTURE_H

#include "t/fake/folder.h"
#include "t/fake/served.h"
#include "t/torture.h"

#include <unistd.h>

static char folder[64];

/* `jobs` is what the JobFile says. */
static inline void fixture_make(const char *jobs) {
  test_folder_make(folder, sizeof(folder), "torture");
  /* Where the default state file goes, should StateFile be ignored. */
  ck_assert_int_eq(chdir(folder), 0);
  torture_set(0, false);
  server_start();
  script("key fc-torture\n"
         "job extract bad\n  state failed error=\"no\"\n"
         "job extract good\n  state completed\n"
         "job extract busy\n  state processing\n");
  test_write("key", "fc-torture\n");
  ck_assert_int_eq(chmod("key", 0600), 0);
  test_write("jobs", jobs);
}

static inline void remove_state(void) {
  static const char *const bases[] = {"state.db", "firecrawl.db"};
  static const char *const parts[] = {"", "-wal", "-shm", "-journal", "-lock"};
  for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
    for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
      char name[32];
      (void)snprintf(name, sizeof(name), "%s%s", bases[i], parts[k]);
      (void)unlink(name);
    }
}

/* Nothing else may have been left in the folder. */
static inline void fixture_remove(void) {
  fake_firecrawl_stop(server);
  remove_state();
  ck_assert_int_eq(unlink("key"), 0);
  ck_assert_int_eq(unlink("jobs"), 0);
  ck_assert_int_eq(chdir("/"), 0);
  ck_assert_int_eq(rmdir(folder), 0);
}

#endif
