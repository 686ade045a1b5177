/* SPDX-License-Identifier: MIT */

/* firecrawlctl status: each job's status, once. */

#include "src/ctl/ctl.h"

#include "src/api/settings.h"
#include "src/api/status.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/ctl/ask.h"
#include "src/ctl/print.h"
#include "src/watch/job.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int exit_of(const struct ctl_answer *answers, size_t len) {
  int worst = CTL_GOOD;
  for (size_t i = 0; i < len; i++) {
    int status = answers[i].job.facts.status;
    if (status == FC_STATUS_NONE)
      return CTL_UNKNOWN;
    if (status != FC_STATUS_COMPLETED && status != FC_STATUS_PROCESSING)
      worst = CTL_BAD;
  }
  return worst;
}

static bool print_table(const struct ctl_answer *answers, size_t len) {
  struct ctl_table *table = ctl_table_new(/* with_names = */ false);
  bool good = table != NULL;
  for (size_t i = 0; good && i < len; i++) {
    struct ctl_row row = ctl_answer_row(&answers[i]);
    good = ctl_table_add(table, &row);
  }
  if (good)
    ctl_table_print(table, stdout, ctl_takes_colours(stdout));
  ctl_table_free(table);
  return good;
}

static void print_json(const struct ctl_answer *answers, size_t len) {
  for (size_t i = 0; i < len; i++) {
    struct ctl_row row = ctl_answer_row(&answers[i]);
    (void)fputs(i ? ",\n " : "[", stdout);
    ctl_json_row(stdout, &row);
  }
  (void)fputs("]\n", stdout);
}

int ctl_status(const struct ctl_options *options) {
  size_t len = options->settings.jobs_len;
  struct ctl_answer *answers = calloc(len, sizeof(*answers));
  enum fc_error error =
      answers ? ctl_ask(options, FC_NEVER, answers) : FC_ERR_MEMORY;
  int status = CTL_UNKNOWN;
  if (!error) {
    status = exit_of(answers, len);
    if (options->json)
      print_json(answers, len);
    else if (!print_table(answers, len))
      error = FC_ERR_MEMORY;
  }
  if (error) {
    ctl_warn("%s", fc_error_text(error));
    status = CTL_UNKNOWN;
  }
  if (answers)
    ctl_answers_release(answers, len);
  free(answers);
  return status;
}
