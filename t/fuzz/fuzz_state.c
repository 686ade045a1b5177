/* SPDX-License-Identifier: MIT */

/* A state file with any bytes changed and any length: it is used, set aside or
 * refused; what is read from it keeps the promises of src/state/store.h, and
 * what is put into it then comes back. An input is a length, then changes of
 * two bytes' place and a value. */

#include "src/api/name.h"
#include "src/api/parse.h"
#include "src/state/store.h"
#include "src/watch/event.h"
#include "src/watch/job.h"

#include "t/fuzz/fuzz.h"
#include "t/watch/outbox_sets.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW = 1795458360, JOBS = 8, SIZE_MAX_OF_BASE = 1 << 20 };

static char folder[64], path[80];
static uint8_t base[SIZE_MAX_OF_BASE];
static size_t base_len;

static void remove_file(const char *suffix) {
  char name[160];
  (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
  (void)unlink(name);
}

static void clean_up(void) {
  static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
  for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
    char kept[64];
    remove_file(ends[i]);
    (void)snprintf(kept, sizeof(kept), ".corrupt-%d%s", NOW, ends[i]);
    remove_file(kept);
  }
}

static void at_exit(void) {
  clean_up();
  remove_file("-lock");
  (void)rmdir(folder);
}

static struct fc_job_record job(const char *id) {
  return (struct fc_job_record){
      .id = id,
      .name = "nightly",
      .error = "it went wrong",
      .history.kind = FC_KIND_EXTRACT,
      .history.sources = FC_SOURCE_FILE,
      .facts.status = FC_STATUS_FAILED,
      .history.previous = FC_STATUS_PROCESSING,
      .history.first_seen_s = NOW,
      .facts.has_expires_at = true,
      .facts.expires_at_s = NOW + 60,
      .facts.has_tokens = true,
      .facts.tokens = 12,
      .outbox = outbox_make(FC_EVENT_BIT(FC_EVENT_FAILED), 0)};
}

static struct fc_store *open_store(enum fc_statefile_problem *trouble) {
  struct fc_store *store = NULL;
  char detail[FC_STATEFILE_DETAIL_SIZE] = "";
  enum fc_error error = fc_store_open(&store, path, FC_STORE_CHECK_MAX, NOW,
                                      trouble, detail, sizeof(detail));
  FUZZ_REQUIRE(fuzz_is_safe(detail, strlen(detail)));
  FUZZ_REQUIRE(!error || detail[0]);
  return error ? NULL : store;
}

static bool put(struct fc_store *store, const char *id) {
  struct fc_job_record record = job(id);
  if (!fc_store_begin(store) && !fc_store_put_job(store, "p", &record, NOW) &&
      !fc_store_commit(store))
    return true;
  fc_store_rollback(store);
  return false;
}

static void make_base(void) {
  const char *temp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
  enum fc_statefile_problem trouble;
  (void)snprintf(folder, sizeof(folder), "%s/fc-fuzz-XXXXXX", temp);
  FUZZ_REQUIRE(mkdtemp(folder) && atexit(at_exit) == 0);
  (void)snprintf(path, sizeof(path), "%s/state.db", folder);
  struct fc_store *store = open_store(&trouble);
  FUZZ_REQUIRE(store && trouble == FC_STATEFILE_FINE);
  for (int i = 0; i < JOBS; i++) {
    char id[16];
    (void)snprintf(id, sizeof(id), "job-%d", i);
    FUZZ_REQUIRE(put(store, id));
  }
  fc_store_close(store, /* clean = */ true);
  FILE *file = fopen(path, "rb");
  FUZZ_REQUIRE(file);
  base_len = fread(base, 1, sizeof(base), file);
  FUZZ_REQUIRE(base_len && base_len < sizeof(base) && fclose(file) == 0);
}

static void write_changed(const uint8_t *data, size_t size) {
  static uint8_t changed[SIZE_MAX_OF_BASE];
  size_t cut = fuzz_byte(&data, &size), len = base_len;
  memcpy(changed, base, base_len);
  if (cut)
    len = base_len * cut / 256;
  for (; size >= 3; data += 3, size -= 3)
    changed[((size_t)data[0] << 8 | data[1]) % base_len] = data[2];
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  FUZZ_REQUIRE(fd >= 0 && write(fd, changed, len) == (ssize_t)len);
  FUZZ_REQUIRE(close(fd) == 0);
}

static bool is_number(bool has, double value) {
  return !has || isfinite(value);
}

static enum fc_error check_column(const struct fc_job_record *record,
                                  void *data) {
  FUZZ_REQUIRE(fc_id_valid(record->id, strlen(record->id)));
  FUZZ_REQUIRE(fc_name_valid(record->name, strlen(record->name)));
  FUZZ_REQUIRE((unsigned)record->history.kind < FC_KIND_COUNT);
  FUZZ_REQUIRE(record->facts.status == FC_STATUS_NONE ||
               (unsigned)record->facts.status < FC_STATUS_COUNT);
  FUZZ_REQUIRE(is_number(record->facts.has_tokens, record->facts.tokens) &&
               is_number(record->facts.has_credits, record->facts.credits) &&
               is_number(record->facts.has_percent, record->facts.percent));
  FUZZ_REQUIRE(!record->error ||
               fuzz_is_safe(record->error, strlen(record->error)));
  ++*(size_t *)data;
  return FC_OK;
}

static enum fc_error find_new(const struct fc_job_record *record, void *data) {
  if (strcmp(record->id, "new") == 0)
    ++*(size_t *)data;
  return FC_OK;
}

static void ignore_endpoint(const struct fc_endpoint_record *record,
                            void *data) {
  (void)data;
  FUZZ_REQUIRE((unsigned)record->kind < FC_KIND_COUNT);
}

static void use(struct fc_store *store) {
  size_t count = 0, skipped, found = 0;
  bool read = !fc_store_load_jobs(store, "p", check_column, &count, &skipped);
  if (!fc_store_load_endpoints(store, "p", ignore_endpoint, NULL) && read &&
      put(store, "new") &&
      !fc_store_load_jobs(store, "p", find_new, &found, &skipped))
    FUZZ_REQUIRE(found == 1);
  FUZZ_REQUIRE(
      fuzz_is_safe(fc_store_detail(store), strlen(fc_store_detail(store))));
  fc_store_close(store, /* clean = */ true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum fc_statefile_problem trouble = FC_STATEFILE_FINE;
  if (!base_len)
    make_base();
  clean_up();
  write_changed(data, size);
  struct fc_store *store = open_store(&trouble);
  if (store)
    use(store);
  return 0;
}
