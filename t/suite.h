/* SPDX-License-Identifier: MIT */

/* What every Check program's main() does. */

#ifndef FC_T_SUITE_H
#define FC_T_SUITE_H

#include <check.h>
#include <stdlib.h>

static inline int suite_run_so(Suite *suite, enum fork_status fork_status) {
  SRunner *runner = srunner_create(suite);
  srunner_set_fork_status(runner, fork_status);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Runs the suite (CK_FORK and friends are obeyed), frees it, and returns the
 * exit status for main(). */
static inline int suite_run(Suite *suite) {
  return suite_run_so(suite, CK_FORK_GETENV);
}

/* The same, each test in a process of its own whatever CK_FORK says: for what a
 * process can do only once. */
static inline int suite_run_apart(Suite *suite) {
  return suite_run_so(suite, CK_FORK);
}

#endif
