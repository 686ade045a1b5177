/* SPDX-License-Identifier: MIT */

/* firecrawlctl list: what the plugin knows, from its state file. */

#include "src/ctl/ctl.h"

#include "src/api/kind.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/ctl/print.h"
#include "src/state/store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Printed when the file is closed again: whoever reads the output may take any
 * time, in which the daemon's log could only grow. And half a list is none. */
struct list {
  struct ctl_table *table; /* or */
  FILE *json;              /* writes text */
  char *text;
  size_t size;
  int64_t now_s;
  size_t len;
};

static bool list_init(struct list *list, bool json) {
  *list = (struct list){
      .now_s = fc_clock_system.now(fc_clock_system.data).epoch_s,
  };
  if (json)
    list->json = open_memstream(&list->text, &list->size);
  else
    list->table = ctl_table_new(/* with_names = */ true);
  return list->json || list->table;
}

static void list_release(struct list *list) {
  ctl_table_free(list->table);
  free(list->text);
}

static enum fc_error list_job(const char *instance,
                              const struct fc_job_record *record, void *data) {
  struct list *list = data;
  /* Kept by the plugin only so that it is not told of again. */
  if (fc_history_has(&record->history, FC_PAST_FORGOTTEN))
    return FC_OK;
  const struct ctl_row row = {
      .instance = instance, .record = *record, .now_s = list->now_s};
  if (list->table)
    return ctl_table_add(list->table, &row) ? FC_OK : FC_ERR_MEMORY;
  (void)fputs(list->len++ ? ",\n " : "[", list->json);
  ctl_json_row(list->json, &row);
  return ferror(list->json) ? FC_ERR_MEMORY : FC_OK;
}

static const char *advice(const char *path) {
  if (access(path, R_OK) == 0)
    return "";
  return errno == EACCES || errno == EPERM
             ? ": run as collectd's user or as root"
             : ": name the plugin's StateFile by --state (by default it is "
               "firecrawl.db in collectd's BaseDir)";
}

static enum fc_error list_read(struct list *list, const char *path,
                               size_t *skipped, char *detail, size_t size) {
  enum fc_error error =
      fc_store_list(path, list_job, list, skipped, detail, size);
  if (list->json && fclose(list->json) && !error) {
    error = FC_ERR_MEMORY;
    fc_text_copy(detail, size, fc_error_text(error));
  }
  return error;
}

static void list_print(const struct list *list) {
  if (list->table)
    ctl_table_print(list->table, stdout, ctl_takes_colours(stdout));
  else
    (void)printf("%s]\n", list->len ? list->text : "[");
}

int ctl_list(const struct ctl_options *options) {
  char detail[FC_STATEFILE_DETAIL_SIZE];
  size_t skipped = 0;
  struct list list;
  if (!list_init(&list, options->json)) {
    ctl_warn("%s", fc_error_text(FC_ERR_MEMORY));
    return CTL_UNKNOWN;
  }
  enum fc_error error =
      list_read(&list, options->state, &skipped, detail, sizeof(detail));
  if (error)
    ctl_warn("%s: %s%s", options->state, detail, advice(options->state));
  else
    list_print(&list);
  list_release(&list);
  if (skipped)
    ctl_warn("%s: %zu rows make no sense and were left out", options->state,
             skipped);
  return error || skipped ? CTL_UNKNOWN : CTL_GOOD;
}
