/* SPDX-License-Identifier: MIT */

#include "src/state/journal.h"

#include "src/base/macros.h"
#include "src/base/text.h"
#include "src/state/store.h"
#include "src/watch/instance_save.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGES_PER_LOCK = 32 };

/* How lines end that say why the log grows. */
#define UNENDED_READER                                                         \
  ": a program that reads the file does not end its transaction"

/* How an instance stands to the file. Its rows are deleted only once they were
 * loaded, and nothing is queued for the file but while it is attached. */
enum standing {
  NOT_LOADED, /* the file may know what the instance does not */
  ATTACHED,   /* the file follows the instance */
  DETACHED    /* it did, and the instance knows more */
};

struct member {
  struct fc_instance *instance;
  enum standing standing;
  bool refused; /* the file has jobs that it did not take */
};

struct fc_journal {
  char *path;
  struct fc_store *store; /* NULL: not usable now */
  struct member *members;
  size_t members_len;
  char (*kept)[FC_NAME_MAX + 1]; /* disabled instances */
  size_t kept_len;
  int64_t purge_ms; /* when instances that are not configured are looked for */
  bool was_purged;  /* since the start */
  int64_t retry_ms;
  int64_t lazy_ms; /* when figures are saved next */
  bool set_aside;  /* what earlier runs knew is gone */
  bool was_behind; /* an earlier run told more than it has */
  bool damaged;    /* so it was the last time that it was given up */
  bool was_locked; /* at the last attempt */
  bool log_warned; /* that its log is large */
  bool tried;      /* to open it, unlocked: what is found is this run's */
  char reason[FC_STATEFILE_DETAIL_SIZE]; /* why it cannot be used; "" if it can
                                          */
  char warning[FC_STATEFILE_DETAIL_SIZE];
};

/* One file, one notification: through the first instance. */
static void report_unusable(struct fc_journal *journal, const char *text,
                            struct fc_now now) {
  size_t used = 0;
  fc_text_append(journal->reason, sizeof(journal->reason), &used, "%s: %s",
                 journal->path, text);
  if (journal->members_len)
    fc_instance_state_unusable(journal->members[0].instance, journal->reason,
                               now);
}

static void report_usable(struct fc_journal *journal) {
  journal->reason[0] = '\0';
  if (journal->members_len)
    fc_instance_state_usable(journal->members[0].instance);
}

static void detach(struct member *member) {
  if (member->standing == ATTACHED)
    member->standing = DETACHED;
  fc_instance_detach(member->instance,
                     /* unsure = */ member->standing == NOT_LOADED);
}

/* Closes the file, to be opened again at retry_ms. */
static void let_go(struct fc_journal *journal, int64_t retry_ms) {
  fc_store_rollback(journal->store);
  fc_store_set_behind(journal->store, true);
  fc_store_close(journal->store, /* clean = */ false);
  journal->store = NULL;
  journal->retry_ms = retry_ms;
  for (size_t i = 0; i < journal->members_len; i++)
    detach(&journal->members[i]);
}

/* A damaged file is set aside by the next attempt: at once, but not where a
 * check of the whole file has just found nothing. */
static void give_up(struct fc_journal *journal, struct fc_now now) {
  char detail[FC_STATEFILE_DETAIL_SIZE];
  bool corrupt = fc_store_is_corrupt(journal->store);
  bool at_once = corrupt && !journal->damaged;
  fc_text_copy(detail, sizeof(detail), fc_store_detail(journal->store));
  journal->damaged = corrupt;
  let_go(journal, at_once ? now.mono_ms : now.mono_ms + FC_JOURNAL_RETRY_MS);
  report_unusable(journal, detail, now);
}

/* SQLite uses the log anew once nobody reads what is in it. */
static bool log_is_full(struct fc_journal *journal) {
  if (fc_store_log_size(journal->store) > FC_JOURNAL_LOG_MAX)
    fc_store_empty_log(journal->store);
  int64_t size = fc_store_log_size(journal->store);
  if (size <= FC_JOURNAL_LOG_WARN) {
    journal->log_warned = false;
  } else if (!journal->log_warned && journal->members_len) {
    fc_instance_report(journal->members[0].instance, FC_SEVERITY_WARNING,
                       "state file: %s-wal has grown to %" PRId64
                       " MiB" UNENDED_READER,
                       journal->path, size >> 20);
    journal->log_warned = true;
  }
  return size > FC_JOURNAL_LOG_MAX;
}

static void let_go_of_log(struct fc_journal *journal, struct fc_now now) {
  let_go(journal, now.mono_ms + FC_JOURNAL_RETRY_MS);
  report_unusable(journal, "its -wal is full" UNENDED_READER, now);
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
  for (size_t i = 0; i < journal->members_len && !error; i++) {
    struct fc_instance *instance = journal->members[i].instance;
    error = save_changes(journal, instance, now, &rows);
    if (!error)
      error = save_endpoints(journal, instance);
  }
  if (!error)
    error = fc_store_commit(journal->store);
  if (error) {
    give_up(journal, now);
    return false;
  }
  journal->damaged = false;
  for (size_t i = 0; i < journal->members_len; i++)
    fc_instance_save_end(journal->members[i].instance, /* saved = */ true);
  return true;
}

struct loading {
  struct fc_instance *instance;
  bool clean;
  struct fc_now now;
};

static enum fc_error load_job(const struct fc_job_record *record, void *data) {
  struct loading *loading = data;
  enum fc_error error = fc_instance_restore(loading->instance, record,
                                            loading->clean, loading->now);
  return error == FC_ERR_MEMORY ? error : FC_OK;
}

static void load_endpoint(const struct fc_endpoint_record *record, void *data) {
  struct loading *loading = data;
  fc_instance_restore_endpoint(loading->instance, record);
}

/* What the file knows of the instance. Loading it again changes nothing. */
static enum fc_error load(struct fc_journal *journal, struct member *member,
                          struct fc_now now) {
  struct fc_instance *instance = member->instance;
  const char *name = fc_instance_settings(instance)->name;
  struct loading loading = {
      .instance = instance,
      .clean = fc_store_was_clean(journal->store),
      .now = now,
  };
  size_t skipped;
  enum fc_error error =
      fc_store_load_jobs(journal->store, name, load_job, &loading, &skipped);
  if (!error)
    error =
        fc_store_load_endpoints(journal->store, name, load_endpoint, &loading);
  if (!error && journal->was_behind)
    fc_instance_doubt(instance);
  if (!error)
    member->refused = fc_instance_restore_end(instance, now);
  if (!error && skipped)
    fc_instance_report(instance, FC_SEVERITY_WARNING,
                       "state file: %zu jobs are not restored: their rows make "
                       "no sense",
                       skipped);
  return error;
}

/* What the file has and memory does not know was dropped in the meantime,
 * unless the file has jobs that memory did not take: those must stay. */
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

/* Whenever the file comes: at the start, late, or again. */
static enum fc_error attach(struct fc_journal *journal, struct member *member,
                            struct fc_now now) {
  bool first = member->standing == NOT_LOADED;
  enum fc_error error = FC_OK;
  if (first)
    error = load(journal, member, now);
  else if (!member->refused)
    error = delete_stale(journal, member->instance);
  if (error)
    return error;
  member->standing = ATTACHED;
  fc_instance_attach(member->instance, first && journal->set_aside, now);
  return FC_OK;
}

/* Opens the file; a failure leaves journal->store NULL. A lock is often a
 * `collectd -T` beside the daemon: it counts when it is still there at the next
 * attempt. */
static void open_store(struct fc_journal *journal, struct fc_now now) {
  enum fc_statefile_problem problem;
  char detail[FC_STATEFILE_DETAIL_SIZE] = "";
  bool was_locked = journal->was_locked;
  journal->retry_ms = now.mono_ms + FC_JOURNAL_RETRY_MS;
  if (fc_store_open(&journal->store, journal->path,
                    journal->damaged ? INT64_MAX : FC_STORE_CHECK_MAX,
                    now.epoch_s, &problem, detail, sizeof(detail)))
    journal->store = NULL;
  journal->was_locked = !journal->store && problem == FC_STATEFILE_LOCKED;
  journal->set_aside = journal->store &&
                       (problem == FC_STATEFILE_SET_ASIDE ||
                        (!journal->tried && fc_store_was_lost(journal->store)));
  journal->was_behind =
      journal->store && !journal->tried && fc_store_was_behind(journal->store);
  journal->tried = journal->tried || problem != FC_STATEFILE_LOCKED;
  if (journal->was_locked && !was_locked && !journal->reason[0])
    return;
  if (!journal->store || problem != FC_STATEFILE_FINE)
    report_unusable(journal, detail, now);
  else
    fc_text_copy(journal->warning, sizeof(journal->warning), detail);
  if (journal->store && log_is_full(journal))
    let_go_of_log(journal, now);
}

static void reopen(struct fc_journal *journal, struct fc_now now) {
  open_store(journal, now);
  for (size_t i = 0; journal->store && i < journal->members_len; i++)
    if (attach(journal, &journal->members[i], now))
      give_up(journal, now);
  if (journal->store && save(journal, now))
    report_usable(journal);
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
  return journal;
}

enum fc_error fc_journal_add(struct fc_journal *journal,
                             struct fc_instance *instance, struct fc_now now) {
  struct member *members = reallocarray(
      journal->members, journal->members_len + 1, sizeof(*members));
  if (!members)
    return FC_ERR_MEMORY;
  journal->members = members;
  struct member *member = &members[journal->members_len++];
  *member = (struct member){.instance = instance, .standing = NOT_LOADED};
  bool is_first = journal->members_len == 1;
  if (is_first && journal->reason[0])
    fc_instance_state_unusable(instance, journal->reason, now);
  if (is_first && journal->warning[0])
    fc_instance_report(instance, FC_SEVERITY_WARNING, "state file: %s",
                       journal->warning);
  if (!journal->store)
    detach(member);
  else if (attach(journal, member, now))
    give_up(journal, now);
  if (journal->store)
    report_usable(journal);
  return FC_OK;
}

/* When there is something to save: now, later, or never. */
static int64_t due_ms(const struct fc_journal *journal, struct fc_now now) {
  int64_t due = FC_NEVER;
  for (size_t i = 0; i < journal->members_len; i++) {
    bool urgent;
    if (!fc_instance_has_unsaved(journal->members[i].instance, &urgent))
      continue;
    if (urgent)
      return now.mono_ms;
    due = journal->lazy_ms;
  }
  return due;
}

/* A file that somebody removed or replaced gets no more of what is saved. What
 * is known is saved anew, and nothing is repeated, as memory knows what was
 * delivered. */
static void look_for_file(struct fc_journal *journal, struct fc_now now) {
  if (!journal->store || fc_store_is_in_place(journal->store))
    return;
  let_go(journal, now.mono_ms);
  if (journal->members_len)
    fc_instance_report(
        journal->members[0].instance, FC_SEVERITY_WARNING,
        "state file %s was removed or replaced while in use; all "
        "that is known is saved anew",
        journal->path);
  reopen(journal, now);
}

enum fc_error fc_journal_keep(struct fc_journal *journal, const char *name) {
  void *kept = reallocarray(journal->kept, journal->kept_len + 1,
                            sizeof(*journal->kept));
  if (!kept)
    return FC_ERR_MEMORY;
  journal->kept = kept;
  fc_text_copy(journal->kept[journal->kept_len++], sizeof(*journal->kept),
               name);
  return FC_OK;
}

static bool is_configured(const char *name, void *data) {
  const struct fc_journal *journal = data;
  for (size_t i = 0; i < journal->members_len; i++)
    if (strcmp(fc_instance_settings(journal->members[i].instance)->name,
               name) == 0)
      return true;
  for (size_t i = 0; i < journal->kept_len; i++)
    if (strcmp(journal->kept[i], name) == 0)
      return true;
  return false;
}

static void purge(struct fc_journal *journal, struct fc_now now) {
  char names[FC_ABSENT_NAMES_SIZE];
  journal->purge_ms = now.mono_ms + FC_JOURNAL_PURGE_MS;
  enum fc_error error = fc_absent_settle(journal->store, is_configured, journal,
                                         now.epoch_s, names);
  if (error == FC_ERR_MEMORY)
    fc_store_rollback(journal->store);
  else if (error)
    give_up(journal, now);
  else if (names[0] && !journal->was_purged && journal->members_len)
    fc_instance_report(journal->members[0].instance, FC_SEVERITY_OKAY,
                       "state file: no longer configured: %s; what is known of "
                       "an instance is kept for 24 hours",
                       names);
  journal->was_purged = journal->was_purged || !error;
}

int64_t fc_journal_turn(struct fc_journal *journal, struct fc_now now) {
  if (!journal->store && now.mono_ms >= journal->retry_ms)
    reopen(journal, now);
  if (journal->store && now.mono_ms >= journal->purge_ms)
    purge(journal, now);
  if (journal->store && due_ms(journal, now) <= now.mono_ms) {
    journal->lazy_ms = now.mono_ms + FC_JOURNAL_LAZY_MS;
    look_for_file(journal, now);
    if (journal->store && log_is_full(journal))
      let_go_of_log(journal, now);
    if (journal->store)
      (void)save(journal, now);
  }
  if (journal->store && due_ms(journal, now) == FC_NEVER)
    fc_store_set_behind(journal->store, false);
  return journal->store ? due_ms(journal, now) : journal->retry_ms;
}

void fc_journal_free(struct fc_journal *journal, struct fc_now now) {
  if (!journal)
    return;
  look_for_file(journal, now);
  while (journal->store && due_ms(journal, now) != FC_NEVER &&
         save(journal, now))
    continue;
  if (journal->store)
    fc_store_set_behind(journal->store, false);
  fc_store_close(journal->store, /* clean = */ true);
  free(journal->members);
  free(journal->kept);
  free(journal->path);
  free(journal);
}

static int64_t task_turn(void *journal, struct fc_now now) {
  return fc_min64(fc_journal_turn(journal, now),
                  now.mono_ms + FC_JOURNAL_LAZY_MS);
}

static void task_end(void *journal, struct fc_now now) {
  fc_journal_free(journal, now);
}

struct fc_disk_task fc_journal_task(struct fc_journal *journal) {
  return (struct fc_disk_task){
      .turn = task_turn, .end = task_end, .data = journal};
}
