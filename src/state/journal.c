#include "src/state/journal.h"

#include "src/base/text.h"
#include "src/state/store.h"
#include "src/watch/instance_save.h"

#include <stdlib.h>
#include <string.h>

enum { CHANGES_PER_LOCK = 32 };

struct fc_journal {
  char *path;
  struct fc_store *store; /* NULL: not usable now */
  struct fc_instance **instances;
  size_t instances_len;
  bool was_open; /* in this process: memory is newer than the file */
  int64_t retry_ms;
  int64_t lazy_ms; /* when figures are saved next */
  bool set_aside;  /* what earlier runs knew is gone */
  char remark[FC_STORE_DETAIL_SIZE];
  char warning[FC_STORE_DETAIL_SIZE];
};

static void set_saving(struct fc_journal *journal, bool durable) {
  for (size_t i = 0; i < journal->instances_len; i++)
    fc_instance_set_saving(journal->instances[i], durable);
}

/* One file, one notification: through the first instance. */
static void tell_unusable(struct fc_journal *journal, const char *text) {
  size_t used = 0;
  fc_text_append(journal->remark, sizeof(journal->remark), &used, "%s: %s",
                 journal->path, text);
  if (journal->instances_len)
    fc_instance_state_unusable(journal->instances[0], journal->remark);
}

static void tell_usable(struct fc_journal *journal) {
  if (journal->instances_len)
    fc_instance_state_usable(journal->instances[0]);
}

static void give_up(struct fc_journal *journal, struct fc_now now) {
  char detail[FC_STORE_DETAIL_SIZE];
  bool corrupt = fc_store_is_corrupt(journal->store);
  fc_text_copy(detail, sizeof(detail), fc_store_detail(journal->store));
  fc_store_rollback(journal->store);
  fc_store_close(journal->store, /* clean = */ false);
  journal->store = NULL;
  /* A corrupt file is set aside by the next attempt: at once. */
  journal->retry_ms = corrupt ? now.mono_ms : now.mono_ms + FC_JOURNAL_RETRY_MS;
  for (size_t i = 0; i < journal->instances_len; i++)
    fc_instance_save_end(journal->instances[i], /* saved = */ false);
  set_saving(journal, /* durable = */ false);
  tell_unusable(journal, detail);
}

static enum fc_error save_changes(struct fc_journal *journal,
                                  struct fc_instance *instance,
                                  struct fc_now now, size_t *rows) {
  const char *name = fc_instance_settings(instance)->name;
  struct fc_unsaved changes[CHANGES_PER_LOCK];
  size_t len;
  while (*rows < FC_JOURNAL_ROWS_MAX &&
         (len = fc_instance_save_take(instance, changes, CHANGES_PER_LOCK))) {
    for (size_t i = 0; i < len; i++) {
      enum fc_error error =
          changes[i].gone
              ? fc_store_delete_job(journal->store, name, changes[i].id)
              : fc_store_put_job(journal->store, name, &changes[i].record,
                                 now.epoch_s);
      if (error)
        return error;
    }
    *rows += len;
  }
  return FC_OK;
}

static enum fc_error save_endpoints(struct fc_journal *journal,
                                    struct fc_instance *instance) {
  const char *name = fc_instance_settings(instance)->name;
  struct fc_endpoint_record records[FC_KIND_COUNT];
  size_t len = fc_instance_save_take_endpoints(instance, records);
  enum fc_error error = FC_OK;
  for (size_t i = 0; i < len && !error; i++)
    error = fc_store_put_endpoint(journal->store, name, &records[i]);
  return error;
}

/* One transaction; true when it was committed. */
static bool save(struct fc_journal *journal, struct fc_now now) {
  size_t rows = 0;
  enum fc_error error = fc_store_begin(journal->store);
  for (size_t i = 0; i < journal->instances_len && !error; i++) {
    error = save_changes(journal, journal->instances[i], now, &rows);
    if (!error)
      error = save_endpoints(journal, journal->instances[i]);
  }
  if (!error)
    error = fc_store_commit(journal->store);
  if (error) {
    give_up(journal, now);
    return false;
  }
  for (size_t i = 0; i < journal->instances_len; i++)
    fc_instance_save_end(journal->instances[i], /* saved = */ true);
  return true;
}

struct restoring {
  struct fc_instance *instance;
  bool clean;
  struct fc_now now;
  size_t refused; /* beyond MaxJobs */
};

static enum fc_error restore_job(const struct fc_job_record *record,
                                 void *data) {
  struct restoring *restoring = data;
  enum fc_error error = fc_instance_restore(restoring->instance, record,
                                            restoring->clean, restoring->now);
  if (error != FC_ERR_LIMIT)
    return error;
  restoring->refused++;
  return FC_OK;
}

static void restore_endpoint(const struct fc_endpoint_record *record,
                             void *data) {
  struct restoring *restoring = data;
  fc_instance_restore_endpoint(restoring->instance, record);
}

static enum fc_error restore(struct fc_journal *journal,
                             struct fc_instance *instance, struct fc_now now) {
  const char *name = fc_instance_settings(instance)->name;
  struct restoring restoring = {
      .instance = instance,
      .clean = fc_store_was_clean(journal->store),
      .now = now,
  };
  size_t skipped;
  enum fc_error error = fc_store_load_jobs(journal->store, name, restore_job,
                                           &restoring, &skipped);
  if (!error)
    error = fc_store_load_endpoints(journal->store, name, restore_endpoint,
                                    &restoring);
  if (!error && skipped + restoring.refused)
    fc_instance_note(instance, FC_SEVERITY_WARNING,
                     "state file: jobs not restored: %zu whose rows make no "
                     "sense, %zu beyond MaxJobs",
                     skipped, restoring.refused);
  return error;
}

/* Opens the file; a failure leaves journal->store NULL. */
static void open_store(struct fc_journal *journal, struct fc_now now) {
  enum fc_store_trouble trouble;
  char detail[FC_STORE_DETAIL_SIZE] = "";
  journal->retry_ms = now.mono_ms + FC_JOURNAL_RETRY_MS;
  journal->remark[0] = '\0';
  if (fc_store_open(&journal->store, journal->path, now.epoch_s, &trouble,
                    detail, sizeof(detail)))
    journal->store = NULL;
  journal->set_aside = journal->store && trouble == FC_STORE_SET_ASIDE;
  if (!journal->store || trouble != FC_STORE_FINE)
    tell_unusable(journal, detail);
  else
    fc_text_copy(journal->warning, sizeof(journal->warning), detail);
}

/* What the file has and memory does not know was dropped in the meantime. */
struct stale {
  struct fc_instance *instance;
  char (*ids)[FC_ID_MAX + 1];
  size_t len;
};

static enum fc_error find_stale(const struct fc_job_record *record,
                                void *data) {
  struct stale *stale = data;
  if (fc_instance_knows(stale->instance, record->id))
    return FC_OK;
  void *ids = reallocarray(stale->ids, stale->len + 1, sizeof(*stale->ids));
  if (!ids)
    return FC_ERR_MEMORY;
  stale->ids = ids;
  fc_text_copy(stale->ids[stale->len++], sizeof(*stale->ids), record->id);
  return FC_OK;
}

static enum fc_error delete_stale(struct fc_journal *journal,
                                  struct fc_instance *instance) {
  const char *name = fc_instance_settings(instance)->name;
  struct stale stale = {.instance = instance};
  size_t skipped;
  enum fc_error error =
      fc_store_load_jobs(journal->store, name, find_stale, &stale, &skipped);
  if (!error)
    error = fc_store_begin(journal->store);
  for (size_t i = 0; i < stale.len && !error; i++)
    error = fc_store_delete_job(journal->store, name, stale.ids[i]);
  if (!error)
    error = fc_store_commit(journal->store);
  free(stale.ids);
  return error;
}

/* A file that can be used again gets all that memory has. One that could not be
 * used from the start may have jobs of an earlier run. */
static void reopen(struct fc_journal *journal, struct fc_now now) {
  open_store(journal, now);
  if (!journal->store)
    return;
  for (size_t i = 0; i < journal->instances_len; i++) {
    struct fc_instance *instance = journal->instances[i];
    enum fc_error error = journal->was_open ? delete_stale(journal, instance)
                                            : restore(journal, instance, now);
    if (error) {
      give_up(journal, now);
      return;
    }
  }
  journal->was_open = true;
  set_saving(journal, /* durable = */ true);
  for (size_t i = 0; i < journal->instances_len; i++)
    fc_instance_save_all(journal->instances[i]);
  if (save(journal, now))
    tell_usable(journal);
}

struct fc_journal *fc_journal_new(const char *path, struct fc_now now) {
  struct fc_journal *journal = calloc(1, sizeof(*journal));
  if (!journal)
    return NULL;
  journal->path = strdup(path);
  if (!journal->path) {
    free(journal);
    return NULL;
  }
  open_store(journal, now);
  journal->was_open = journal->store != NULL;
  return journal;
}

enum fc_error fc_journal_add(struct fc_journal *journal,
                             struct fc_instance *instance, struct fc_now now) {
  struct fc_instance **instances =
      reallocarray(journal->instances, journal->instances_len + 1,
                   sizeof(struct fc_instance *));
  if (!instances)
    return FC_ERR_MEMORY;
  journal->instances = instances;
  instances[journal->instances_len++] = instance;
  if (journal->instances_len == 1 && journal->remark[0])
    fc_instance_state_unusable(instance, journal->remark);
  fc_instance_set_saving(instance, journal->store != NULL);
  if (journal->instances_len == 1 && journal->warning[0])
    fc_instance_note(instance, FC_SEVERITY_OKAY, "state file: %s",
                     journal->warning);
  if (journal->set_aside)
    fc_instance_set_unsure(instance);
  if (journal->store && restore(journal, instance, now))
    give_up(journal, now);
  if (journal->store)
    tell_usable(journal);
  return FC_OK;
}

/* When there is something to save: now, later, or never. */
static int64_t due_ms(const struct fc_journal *journal, struct fc_now now) {
  int64_t due = FC_NEVER;
  for (size_t i = 0; i < journal->instances_len; i++) {
    bool urgent;
    if (!fc_instance_has_unsaved(journal->instances[i], &urgent))
      continue;
    if (urgent)
      return now.mono_ms;
    due = journal->lazy_ms;
  }
  return due;
}

int64_t fc_journal_turn(struct fc_journal *journal, struct fc_now now) {
  if (!journal->store && now.mono_ms >= journal->retry_ms)
    reopen(journal, now);
  if (journal->store && due_ms(journal, now) <= now.mono_ms) {
    journal->lazy_ms = now.mono_ms + FC_JOURNAL_LAZY_MS;
    (void)save(journal, now);
  }
  return journal->store ? due_ms(journal, now) : journal->retry_ms;
}

void fc_journal_free(struct fc_journal *journal, struct fc_now now) {
  if (!journal)
    return;
  while (journal->store && due_ms(journal, now) != FC_NEVER &&
         save(journal, now))
    continue;
  fc_store_close(journal->store, /* clean = */ true);
  free(journal->instances);
  free(journal->path);
  free(journal);
}
