/* SPDX-License-Identifier: MIT */

/* What every Check program's main() does. */

#ifndef FC_T_SUITE_H
#define FC_T_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs the suite (CK_FORK and friends are obeyed), frees it, and returns the
 * exit status for main(). */
static inline int suite_run(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
