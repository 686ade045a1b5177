/* SPDX-License-Identifier: MIT */

/* The state file when the daemon is killed, the disk fails or the power goes at
 * any moment. The file functions that SQLite calls are ours here (a program's
 * own symbols come before those of a library), so each call can be the last, or
 * fail, or be lost: what was not yet synced may be on the disk, or not.
 *
 * The promise (src/state/store.h, src/state/journal.h): what a commit has
 * confirmed is there afterwards, and of a transaction under way all or nothing.
 */

#include "src/state/store.h"

#include "src/api/name.h"
#include "src/api/parse.h"
#include "src/watch/event.h"
#include "src/watch/job.h"
#include "t/fake/folder.h"
#include "t/suite.h"
#include "t/watch/outbox_sets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  NOW = 1764000000,
  JOBS = 4,
  TRIES = 5, /* of a transaction that fails */
  FILES_MAX = 8,
  OPS_MAX = 8192,
  CALLS_MAX = 4096,
  VARIANTS = 6 /* of a power loss: nothing, all, or some of what was unsynced */
};

enum fault { NO_FAULT, KILL, FAIL_IO, FAIL_SPACE, SHORT_WRITE, RECORD };

enum op_type { WRITE, TRUNCATE, SYNC, UNLINK, PENDING, HANDED };

struct op {
  enum op_type type;
  int file; /* or the number of the job */
  off_t at; /* or the new size */
  size_t len;
  char *data;
};

/* What was confirmed, seen by the parent of a killed child. */
struct progress {
  bool pending[JOBS], delivered[JOBS];
  int residents; /* of those who were there before */
};

static struct {
  enum fault fault;
  long calls, fail_at;
  struct op ops[OPS_MAX];
  size_t ops_len;
  char files[FILES_MAX][64]; /* names without the folder */
  size_t files_len;
} disk;

static struct progress *progress;
static char folder[200], path[256];

static int file_of_name(const char *name) {
  const char *base = strrchr(name, '/');
  base = base ? base + 1 : name;
  for (size_t i = 0; i < disk.files_len; i++)
    if (strcmp(disk.files[i], base) == 0)
      return (int)i;
  if (disk.files_len == FILES_MAX)
    abort();
  (void)snprintf(disk.files[disk.files_len], sizeof(disk.files[0]), "%s", base);
  return (int)disk.files_len++;
}

static int file_of_fd(int fd) {
  char link[64], name[PATH_MAX];
  (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, name, sizeof(name) - 1);
  if (len < 0)
    abort();
  name[len] = '\0';
  return file_of_name(name);
}

static void record(struct op op, const void *data) {
  if (disk.fault != RECORD)
    return;
  if (disk.ops_len == OPS_MAX)
    abort();
  if (data) {
    op.data = malloc(op.len);
    if (!op.data)
      abort();
    memcpy(op.data, data, op.len);
  }
  disk.ops[disk.ops_len++] = op;
}

/* True when this call is to fail, with errno set. */
static bool fails(void) {
  static const int errors[] = {[FAIL_IO] = EIO, [FAIL_SPACE] = ENOSPC};
  if (disk.fault == NO_FAULT || disk.fault == RECORD ||
      ++disk.calls != disk.fail_at)
    return false;
  if (disk.fault == KILL)
    (void)kill(getpid(), SIGKILL);
  if (disk.fault == SHORT_WRITE)
    return true;
  errno = errors[disk.fault];
  return true;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) {
  if (fails()) {
    if (disk.fault != SHORT_WRITE || len < 2)
      return -1;
    len /= 2;
  }
  if (disk.fault == RECORD)
    record((struct op){WRITE, file_of_fd(fd), at, len, NULL}, data);
  return syscall(SYS_pwrite64, fd, data, len, at);
}

static int sync_file(long number, int fd) {
  if (fails() && disk.fault != SHORT_WRITE)
    return -1;
  if (disk.fault == RECORD)
    record((struct op){.type = SYNC, .file = file_of_fd(fd)}, NULL);
  return (int)syscall(number, fd);
}

int fdatasync(int fd) { return sync_file(SYS_fdatasync, fd); }

int fsync(int fd) { return sync_file(SYS_fsync, fd); }

int ftruncate64(int fd, off64_t size) {
  if (fails() && disk.fault != SHORT_WRITE)
    return -1;
  if (disk.fault == RECORD)
    record((struct op){.type = TRUNCATE, .file = file_of_fd(fd), .at = size},
           NULL);
  return (int)syscall(SYS_ftruncate, fd, size);
}

int unlink(const char *name) {
  if (fails() && disk.fault != SHORT_WRITE)
    return -1;
  if (disk.fault == RECORD)
    record((struct op){.type = UNLINK, .file = file_of_name(name)}, NULL);
  return (int)syscall(SYS_unlink, name);
}

/* --- The work: each job fails, is told of, and that is saved, too. */

static struct fc_store *open_store(void) {
  char detail[FC_STATEFILE_DETAIL_SIZE];
  enum fc_statefile_problem problem;
  struct fc_store *store = NULL;
  if (fc_store_open(&store, path, FC_STORE_CHECK_MAX, NOW, &problem, detail,
                    sizeof(detail)))
    return NULL;
  /* Nothing here damages a file: one set aside is a loss. */
  if (problem == FC_STATEFILE_SET_ASIDE) {
    fc_store_close(store, false);
    (void)fprintf(stderr, "set aside: %s\n", detail);
    return NULL;
  }
  return store;
}

static enum fc_error save(struct fc_store *store, int number, bool delivered) {
  char id[32];
  (void)snprintf(id, sizeof(id), "job-%d", number);
  struct fc_job_record job = {.id = id,
                              .name = id,
                              .history.kind = FC_KIND_EXTRACT,
                              .history.sources = FC_SOURCE_FILE,
                              .facts.status = FC_STATUS_FAILED,
                              .history.previous = FC_STATUS_PROCESSING,
                              .error = "no",
                              .history.first_seen_s = NOW};
  unsigned failed = FC_EVENT_BIT(FC_EVENT_FAILED);
  job.outbox = delivered ? outbox_make(0, failed) : outbox_make(failed, 0);
  enum fc_error error = fc_store_begin(store);
  if (!error)
    error = fc_store_put_job(store, "prod", &job, NOW);
  if (!error)
    error = fc_store_commit(store);
  if (error)
    fc_store_rollback(store);
  return error;
}

/* Saves; tries again, in a file opened anew, as the journal does. */
static bool save_at_last(struct fc_store **store, int number, bool delivered) {
  for (int i = 0; i < TRIES; i++) {
    if (!*store)
      *store = open_store();
    if (*store && !save(*store, number, delivered)) {
      (delivered ? progress->delivered : progress->pending)[number] = true;
      record((struct op){.type = delivered ? HANDED : PENDING, .file = number},
             NULL);
      return true;
    }
    fc_store_close(*store, false);
    *store = NULL;
  }
  return false;
}

static bool work(void) {
  struct fc_store *store = NULL;
  bool good = true;
  for (int i = 0; i < JOBS && good; i++)
    good = save_at_last(&store, i, false) && save_at_last(&store, i, true);
  fc_store_close(store, good);
  return good;
}

/* --- The full house: what a file has before anything happens to it. */

enum { RESIDENTS = 3 };

static struct fc_job_record resident(int number) {
  static const char *const ids[RESIDENTS] = {"registered", "pending",
                                             "forgotten"};
  static const enum fc_status statuses[RESIDENTS] = {
      FC_STATUS_PROCESSING, FC_STATUS_FAILED, FC_STATUS_CANCELLED};
  unsigned failed = FC_EVENT_BIT(FC_EVENT_FAILED),
           cancelled = FC_EVENT_BIT(FC_EVENT_CANCELLED);
  return (struct fc_job_record){
      .id = ids[number],
      .name = ids[number],
      .facts.status = (int8_t)statuses[number],
      .history.kind = FC_KIND_CRAWL,
      .history.sources = number == 2 ? 0 : FC_SOURCE_REGISTRATION,
      .history.previous = FC_STATUS_PROCESSING,
      .history.first_seen_s = NOW,
      .history.flags = number == 2 ? FC_PAST_FORGOTTEN : 0,
      .outbox = number == 0   ? outbox_make(0, 0)
                : number == 1 ? outbox_make(failed, 0)
                              : outbox_make(0, cancelled)};
}

static bool furnished; /* else it begins without a file */
static char *house;
static size_t house_len;

static void build_house(void) {
  struct fc_store *store = open_store();
  ck_assert_ptr_nonnull(store);
  ck_assert_int_eq(fc_store_begin(store), FC_OK);
  for (int i = 0; i < RESIDENTS; i++) {
    struct fc_job_record record = resident(i);
    ck_assert_int_eq(fc_store_put_job(store, "prod", &record, NOW), FC_OK);
  }
  ck_assert_int_eq(fc_store_commit(store), FC_OK);
  fc_store_close(store, true);
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  house = malloc(1 << 20);
  ck_assert_ptr_nonnull(house);
  house_len = fread(house, 1, 1 << 20, file);
  ck_assert_int_eq(fclose(file), 0);
}

static bool is_resident(const struct fc_job_record *record, int number) {
  struct fc_job_record expected = resident(number);
  return strcmp(record->id, expected.id) == 0 &&
         record->facts.status == expected.facts.status &&
         record->history.sources == expected.history.sources &&
         fc_history_has(&record->history, FC_PAST_FORGOTTEN) ==
             fc_history_has(&expected.history, FC_PAST_FORGOTTEN) &&
         outbox_pending(&record->outbox) == outbox_pending(&expected.outbox) &&
         outbox_delivered(&record->outbox) ==
             outbox_delivered(&expected.outbox);
}

/* --- What is in the file. */

static enum fc_error take(const struct fc_job_record *record_, void *data) {
  struct progress *found = data;
  for (int i = 0; i < RESIDENTS; i++)
    if (is_resident(record_, i)) {
      found->residents++;
      return FC_OK;
    }
  int number = record_->id[4] - '0';
  if (number < 0 || number >= JOBS || record_->facts.status != FC_STATUS_FAILED)
    return FC_ERR_STATE;
  found->pending[number] = outbox_pending(&record_->outbox) != 0;
  found->delivered[number] = outbox_delivered(&record_->outbox) != 0;
  return FC_OK;
}

/* NULL, or what is wrong with the file, given what was confirmed. */
static const char *check_file(const struct progress *confirmed) {
  struct progress found = {0};
  size_t skipped = 0;
  struct fc_store *store = open_store();
  if (!store)
    return "it cannot be opened";
  enum fc_error error =
      fc_store_load_jobs(store, "prod", take, &found, &skipped);
  fc_store_close(store, false);
  if (error || skipped)
    return "it cannot be read";
  if (found.residents != (furnished ? RESIDENTS : 0))
    return "it has lost what was in it before";
  for (int i = 0; i < JOBS; i++) {
    if (confirmed->delivered[i] && !found.delivered[i])
      return "it has forgotten a hand-over";
    if (confirmed->pending[i] && !found.pending[i] && !found.delivered[i])
      return "it has lost a failed job";
    if (found.delivered[i] && !confirmed->pending[i])
      return "it knows a hand-over of what was never saved";
  }
  return NULL;
}

/* --- The tests. */

static void remove_files(void) { test_folder_remove(folder); }

static void set_up(void) {
  test_folder_make(folder, sizeof(folder), "crash");
  (void)snprintf(path, sizeof(path), "%s/state.db", folder);
  progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ck_assert(progress != MAP_FAILED);
  build_house();
}

static void tear_down(void) {
  free(house);
  remove_files();
}

static void start_afresh(void) {
  remove_files();
  ck_assert_int_eq(mkdir(folder, 0700), 0);
  memset(progress, 0, sizeof(*progress));
  if (!furnished)
    return;
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, house, house_len), (ssize_t)house_len);
  ck_assert_int_eq(close(fd), 0);
}

/* A child whose n-th call has the fault; its wait status. */
static int run_child(enum fault fault, long n) {
  int status;
  start_afresh();
  (void)fflush(NULL);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    disk.fault = fault;
    disk.fail_at = n;
    bool good = work();
    _exit(!good ? 2 : disk.calls >= n ? 1 : 0);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return status;
}

START_TEST(a_kill_at_any_call_loses_nothing) {
  long n = 1;
  furnished = _i;
  for (; n < CALLS_MAX; n++) {
    int status = run_child(KILL, n);
    const char *wrong = check_file(progress);
    ck_assert_msg(!wrong, "killed at call %ld: %s", n, wrong);
    if (!WIFSIGNALED(status))
      break;
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
  }
  ck_assert_int_gt(n, 20);
  (void)printf("killed at each of %ld calls\n", n - 1);
}
END_TEST

START_TEST(a_call_that_fails_is_survived) {
  static const enum fault faults[] = {FAIL_IO, FAIL_SPACE, SHORT_WRITE};
  long n = 1;
  furnished = _i >= 3;
  for (int status = 1 << 8; n < CALLS_MAX && WEXITSTATUS(status) == 1; n++) {
    status = run_child(faults[_i % 3], n);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) < 2,
                  "call %ld: status %x", n, (unsigned)status);
    const char *wrong = check_file(progress);
    ck_assert_msg(!wrong, "call %ld: %s", n, wrong);
    for (int i = 0; i < JOBS; i++)
      ck_assert(progress->delivered[i]);
  }
  ck_assert_int_gt(n, 20);
  (void)printf("fault %d at each of %ld calls\n", (int)faults[_i % 3], n - 2);
}
END_TEST

/* Whether an unsynced operation reached the disk. */
static bool survives(size_t op, size_t crash, int variant) {
  if (variant < 2)
    return variant == 1;
  uint64_t mix = (op + 1) * 0x9e3779b97f4a7c15U ^
                 (crash + 1) * 0xc2b2ae3d27d4eb4fU ^ (uint64_t)variant << 40;
  mix = (mix ^ mix >> 31) * 0xbf58476d1ce4e5b9U;
  return mix >> 63;
}

static void apply(const struct op *op) {
  char name[512];
  (void)snprintf(name, sizeof(name), "%s/%s", folder, disk.files[op->file]);
  if (op->type == UNLINK) {
    (void)unlink(name);
    return;
  }
  int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  if (op->type == WRITE)
    ck_assert_int_eq(pwrite(fd, op->data, op->len, op->at), (ssize_t)op->len);
  else
    ck_assert_int_eq(ftruncate(fd, op->at), 0);
  (void)close(fd);
}

/* The disk after a power loss in front of operation `crash`. */
static void build_disk(size_t crash, int variant, struct progress *confirmed) {
  size_t synced[FILES_MAX] = {0};
  for (size_t i = 0; i < crash; i++)
    if (disk.ops[i].type == SYNC)
      synced[disk.ops[i].file] = i;
  for (size_t i = 0; i < crash; i++) {
    const struct op *op = &disk.ops[i];
    if (op->type == PENDING)
      confirmed->pending[op->file] = true;
    else if (op->type == HANDED)
      confirmed->delivered[op->file] = true;
    else if (op->type != SYNC &&
             (i < synced[op->file] || survives(i, crash, variant)))
      apply(op);
  }
}

START_TEST(a_power_loss_at_any_write_loses_nothing_confirmed) {
  size_t states = 0;
  furnished = _i;
  start_afresh();
  disk.fault = RECORD;
  ck_assert(work());
  disk.fault = NO_FAULT;
  ck_assert_uint_gt(disk.ops_len, 20);
  for (size_t crash = 0; crash <= disk.ops_len; crash++)
    for (int variant = 0; variant < VARIANTS; variant++, states++) {
      struct progress confirmed = {0};
      start_afresh();
      build_disk(crash, variant, &confirmed);
      const char *wrong = check_file(&confirmed);
      ck_assert_msg(!wrong, "power lost before operation %zu, variant %d: %s",
                    crash, variant, wrong);
    }
  for (size_t i = 0; i < disk.ops_len; i++)
    free(disk.ops[i].data);
  (void)printf("%zu operations, %zu states of the disk\n", disk.ops_len,
               states);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("crash");
  TCase *test = tcase_create("crash");
  tcase_set_timeout(test, 300);
  tcase_add_checked_fixture(test, set_up, tear_down);
  tcase_add_loop_test(test, a_kill_at_any_call_loses_nothing, 0, 2);
  tcase_add_loop_test(test, a_call_that_fails_is_survived, 0, 6);
  tcase_add_loop_test(test, a_power_loss_at_any_write_loses_nothing_confirmed,
                      0, 2);
  suite_add_tcase(suite, test);
  return suite_run_apart(suite);
}
