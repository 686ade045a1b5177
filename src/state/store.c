#include "src/state/store.h"

#include "src/api/parse.h"
#include "src/api/request.h"
#include "src/base/text.h"
#include "src/watch/event.h"
#include "src/watch/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
  SQLITE_VERSION_MIN = 3035000, /* as configure asks for */
  BUSY_TIMEOUT_MS = 100,
  KEPT_MAX = 48,                /* ".corrupt-", a time, and what makes it new */
  SUFFIX_MAX = 64,              /* the longest that is appended to the path */
  NAMES_MAX = 1000,             /* that are tried for a file to keep */
  EVENTS_SIZE = 512,            /* the names of all events, with commas */
  URI_SIZE = 3 * PATH_MAX + 32, /* of any path */
};

/* Rows outside are damaged; inside, sums of two cannot overflow. The years 0000
 * to 9999, which is what a time stamp of the API can say. */
static const int64_t time_min = -62167305600;
static const int64_t time_max = 253402387200;

/* The first bytes of a database file: https://www.sqlite.org/fileformat.html
 * section 1.3. */
enum {
  HEADER_SIZE = 100,
  HEADER_WRITE_VERSION = 18, /* above 2 SQLite takes the file as read-only */
  HEADER_USER_VERSION = 60,
  HEADER_APPLICATION_ID = 68
};
static const char header_magic[16] = "SQLite format 3";

/* What makes up one database. The file itself comes first: should only some
 * be renamed before a crash, then no -wal loses the file it belongs to while
 * that looks whole without it. */
static const char *const parts[] = {"", "-wal", "-shm", "-journal"};

/* Step i makes version i + 1 of version i. */
static const char *const steps[FC_STORE_VERSION] = {
    "CREATE TABLE job ("
    " number INTEGER PRIMARY KEY,"
    " instance TEXT NOT NULL,"
    " id TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " sources INTEGER NOT NULL,"
    " status TEXT NOT NULL,"
    " previous TEXT NOT NULL,"
    " first_seen INTEGER NOT NULL,"
    " processing_since INTEGER,"
    " ended INTEGER,"
    " expires_at INTEGER,"
    " notified INTEGER,"
    " tokens REAL,"
    " credits REAL,"
    " percent REAL,"
    " stalled INTEGER NOT NULL,"
    " flags INTEGER NOT NULL,"
    " error TEXT,"
    " UNIQUE (instance, id));"
    "CREATE TABLE notification ("
    " instance TEXT NOT NULL,"
    " id TEXT NOT NULL,"
    " event TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('pending', 'handed')),"
    " time INTEGER NOT NULL,"
    " PRIMARY KEY (instance, id, event),"
    " FOREIGN KEY (instance, id) REFERENCES job (instance, id)"
    " ON DELETE CASCADE) WITHOUT ROWID;"
    "CREATE TABLE endpoint ("
    " instance TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " sunset_reported INTEGER NOT NULL,"
    " last_warning INTEGER NOT NULL,"
    " gone_reported INTEGER NOT NULL,"
    " PRIMARY KEY (instance, kind)) WITHOUT ROWID;"
    "CREATE TABLE meta ("
    " key TEXT NOT NULL PRIMARY KEY,"
    " value INTEGER NOT NULL) WITHOUT ROWID;",
};

static const char pragmas[] = "PRAGMA cell_size_check = ON;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA mmap_size = 0;"
                              "PRAGMA cache_size = -512;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA journal_size_limit = 1048576;";

/* The file may have been made up by somebody: no triggers, views or functions
 * of its schema run. Until it is accepted, closing it leaves its log alone. */
static const struct {
  int option;
  int value;
} switches[] = {
    {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
    {SQLITE_DBCONFIG_ENABLE_VIEW, 0}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
};

enum statement {
  BEGIN,
  COMMIT,
  ROLLBACK,
  PUT_JOB,
  DELETE_JOB,
  DROP_EVENTS,
  PUT_EVENT,
  PUT_ENDPOINT,
  LOAD_JOBS,
  LOAD_EVENTS,
  LOAD_ENDPOINTS,
  LIST_JOBS,
  SET_CLEAN,
  STATEMENTS
};

/* In the order in which job_bind and job_read take them. */
#define JOB_COLUMNS                                                            \
  "id, kind, name, sources, status, previous, first_seen, processing_since, "  \
  "ended, expires_at, notified, tokens, credits, percent, stalled, flags, "    \
  "error"

static const struct {
  const char *sql;
  const char *failure;
} statements[STATEMENTS] = {
    [BEGIN] = {"BEGIN IMMEDIATE", "cannot begin to write"},
    [COMMIT] = {"COMMIT", "cannot commit"},
    [ROLLBACK] = {"ROLLBACK", "cannot roll back"},
    [PUT_JOB] =
        {"INSERT INTO job (instance, " JOB_COLUMNS ") VALUES"
         " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
         " ON CONFLICT (instance, id) DO UPDATE SET"
         " kind = excluded.kind, name = excluded.name,"
         " sources = excluded.sources, status = excluded.status,"
         " previous = excluded.previous, first_seen = excluded.first_seen,"
         " processing_since = excluded.processing_since,"
         " ended = excluded.ended, expires_at = excluded.expires_at,"
         " notified = excluded.notified, tokens = excluded.tokens,"
         " credits = excluded.credits, percent = excluded.percent,"
         " stalled = excluded.stalled, flags = excluded.flags,"
         " error = excluded.error",
         "cannot save a job"},
    [DELETE_JOB] = {"DELETE FROM job WHERE instance = ? AND id = ?",
                    "cannot delete a job"},
    /* ?3 lists what stays, each event between commas. */
    [DROP_EVENTS] = {"DELETE FROM notification WHERE instance = ?1"
                     " AND id = ?2 AND instr(?3, ',' || event || ',') = 0",
                     "cannot delete a notification"},
    [PUT_EVENT] = {"INSERT INTO notification (instance, id, event, state, time)"
                   " VALUES (?, ?, ?, ?, ?)"
                   " ON CONFLICT (instance, id, event) DO UPDATE SET"
                   " state = excluded.state, time = excluded.time"
                   " WHERE state <> excluded.state",
                   "cannot save a notification"},
    [PUT_ENDPOINT] = {"REPLACE INTO endpoint (instance, kind, sunset_reported,"
                      " last_warning, gone_reported) VALUES (?, ?, ?, ?, ?)",
                      "cannot save an endpoint"},
    [LOAD_JOBS] = {"SELECT " JOB_COLUMNS
                   " FROM job WHERE instance = ? ORDER BY number",
                   "cannot load the jobs"},
    [LOAD_EVENTS] = {"SELECT event, state FROM notification"
                     " WHERE instance = ? AND id = ?",
                     "cannot load the notifications"},
    [LOAD_ENDPOINTS] = {"SELECT kind, sunset_reported, last_warning,"
                        " gone_reported FROM endpoint WHERE instance = ?",
                        "cannot load the endpoints"},
    [LIST_JOBS] = {"SELECT instance, " JOB_COLUMNS
                   " FROM job ORDER BY instance, number",
                   "cannot list the jobs"},
    [SET_CLEAN] = {"REPLACE INTO meta (key, value) VALUES ('clean', ?)",
                   "cannot mark the file"},
};

struct fc_store {
  sqlite3 *db;
  sqlite3_stmt *statements[STATEMENTS];
  int lock_fd;
  bool created; /* by this open */
  bool clean;
  off_t size; /* of the file when it was opened */
  ino_t inode;
  int failure; /* SQLite's primary result code of the last failure, or 0 */
  enum fc_store_trouble trouble;
  char detail[FC_STORE_DETAIL_SIZE];
  char path[PATH_MAX]; /* without symbolic links */
};

static enum fc_error store_fail(struct fc_store *store, int failure,
                                enum fc_store_trouble trouble,
                                const char *format, ...) FC_PRINTF(4, 5);

/* Parts of the text may come from the file. */
static enum fc_error store_fail(struct fc_store *store, int failure,
                                enum fc_store_trouble trouble,
                                const char *format, ...) {
  char text[2 * FC_STORE_DETAIL_SIZE];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  (void)fc_text_line(store->detail, sizeof(store->detail), text, strlen(text));
  store->failure = failure;
  store->trouble = trouble;
  return failure == SQLITE_NOMEM ? FC_ERR_MEMORY : FC_ERR_STATE;
}

static enum fc_error store_fail_errno(struct fc_store *store, int error,
                                      const char *what) {
  char buffer[128];
  return store_fail(store, 0, FC_STORE_IO, "%s: %s", what,
                    strerror_r(error, buffer, sizeof(buffer)));
}

static enum fc_error store_fail_sql(struct fc_store *store, const char *what) {
  int code = sqlite3_extended_errcode(store->db), primary = code & 0xff;
  int error = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN
                  ? sqlite3_system_errno(store->db)
                  : 0;
  char buffer[128];
  return store_fail(store, primary, FC_STORE_IO, "%s: %s%s%s (SQLite code %d)",
                    what, sqlite3_errmsg(store->db), error ? ": " : "",
                    error ? strerror_r(error, buffer, sizeof(buffer)) : "",
                    code);
}

static enum fc_error store_fail_damage(struct fc_store *store,
                                       const char *what) {
  return store_fail(store, SQLITE_CORRUPT, FC_STORE_IO, "%s", what);
}

static const char *part_name(char name[PATH_MAX], const struct fc_store *store,
                             const char *suffix) {
  size_t used = 0;
  fc_text_append(name, PATH_MAX, &used, "%s%s", store->path, suffix);
  return name;
}

static const char *kept_name(char name[PATH_MAX], const struct fc_store *store,
                             const char *kept, const char *suffix) {
  size_t used = 0;
  fc_text_append(name, PATH_MAX, &used, "%s%s%s", store->path, kept, suffix);
  return name;
}

/* SQLite is told to refuse symbolic links, and looks for them in the whole
 * path; those on the way to the file are the administrator's. */
static enum fc_error path_resolve(struct fc_store *store, const char *path,
                                  int mode) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  char *folder = slash ? strndup(path, (size_t)(base - path)) : strdup(".");
  char *real = folder ? realpath(folder, NULL) : NULL;
  enum fc_error error = FC_OK;
  size_t used = 0;
  if (!real) {
    error = !folder || errno == ENOMEM
                ? FC_ERR_MEMORY
                : store_fail_errno(store, errno, "its directory");
    goto out;
  }
  /* Else SQLite would only find the file "readonly". */
  if (faccessat(AT_FDCWD, real, mode, AT_EACCESS)) {
    error = store_fail_errno(store, errno, "its directory");
    goto out;
  }
  if (strlen(real) + strlen(base) + SUFFIX_MAX >= sizeof(store->path)) {
    error = store_fail_errno(store, ENAMETOOLONG, "its path");
    goto out;
  }
  fc_text_append(store->path, sizeof(store->path), &used, "%s/%s",
                 strcmp(real, "/") == 0 ? "" : real, base);
out:
  free(real);
  free(folder);
  return error;
}

/* What makes a file unsafe to use; NULL if nothing does. */
static const char *file_fault(const struct stat *info) {
  if (!S_ISREG(info->st_mode))
    return "not a regular file";
  if (info->st_uid != geteuid() && info->st_uid != 0)
    return "owned by another user";
  if (info->st_mode & (S_IWGRP | S_IWOTH))
    return "writable by its group or by others";
  return info->st_nlink > 1 ? "hard-linked" : NULL;
}

static enum fc_error file_judge(struct fc_store *store, const char *suffix,
                                const struct stat *info) {
  const char *fault = file_fault(info);
  return fault ? store_fail(store, 0, FC_STORE_UNSAFE, "it%s%s is %s",
                            *suffix ? "s " : "", suffix, fault)
               : FC_OK;
}

static enum fc_error file_check(struct fc_store *store, const char *suffix) {
  char name[PATH_MAX];
  struct stat info;
  if (lstat(part_name(name, store, suffix), &info))
    return errno == ENOENT ? FC_OK : store_fail_errno(store, errno, "it");
  return file_judge(store, suffix, &info);
}

/* Before the lock is taken no file of the database may be opened: to close it
 * again would drop the POSIX locks that SQLite holds on it for another store
 * of this process. */
static enum fc_error files_check(struct fc_store *store) {
  enum fc_error error = file_check(store, "-lock");
  for (size_t i = 0; !error && i < COUNT_OF(parts); i++)
    error = file_check(store, parts[i]);
  return error;
}

/* flock() and not fcntl(): the lock is the descriptor's, so that a second store
 * of this process meets it too, and no close() of another descriptor ends it.
 * The kernel frees it when the process dies. */
static enum fc_error lock_take(struct fc_store *store) {
  char name[PATH_MAX];
  struct stat info;
  store->lock_fd =
      open(part_name(name, store, "-lock"),
           O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (store->lock_fd < 0)
    return store_fail_errno(store, errno, "its -lock");
  if (fstat(store->lock_fd, &info))
    return store_fail_errno(store, errno, "its -lock");
  if (flock(store->lock_fd, LOCK_EX | LOCK_NB))
    return errno == EWOULDBLOCK ? store_fail(store, 0, FC_STORE_LOCKED,
                                             "in use by another daemon")
                                : store_fail_errno(store, errno, "its -lock");
  return file_judge(store, "-lock", &info);
}

static uint32_t big_endian32(const unsigned char *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
         (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The version of the file is judged here, from its bytes, because SQLite
 * changes a file by opening it: it recovers and deletes logs. */
static enum fc_error header_judge(struct fc_store *store,
                                  const unsigned char *header, ssize_t len) {
  uint32_t application, version;
  if (len < HEADER_SIZE ||
      memcmp(header, header_magic, sizeof(header_magic)) != 0)
    return store_fail_damage(store, "not a database");
  application = big_endian32(header + HEADER_APPLICATION_ID);
  version = big_endian32(header + HEADER_USER_VERSION);
  if (application != FC_STORE_APPLICATION_ID)
    return store_fail(store, 0, FC_STORE_FOREIGN,
                      "another application's database");
  if (version > FC_STORE_VERSION)
    return store_fail(store, 0, FC_STORE_FOREIGN,
                      "of a newer version (%u, known are 1 to %u)",
                      (unsigned)version, (unsigned)FC_STORE_VERSION);
  return header[HEADER_WRITE_VERSION] > 2
             ? store_fail_damage(store, "unknown file format")
             : FC_OK;
}

/* A log without its file: SQLite would delete it. */
static enum fc_error log_check(struct fc_store *store) {
  char name[PATH_MAX];
  struct stat info;
  return lstat(part_name(name, store, "-wal"), &info) == 0 && info.st_size > 0
             ? store_fail_damage(store, "its -wal belongs to no database")
             : FC_OK;
}

/* The parts of a database are as private as the database; SQLite sees to it
 * for those that it makes. */
static enum fc_error file_tighten(struct fc_store *store, const char *suffix) {
  char name[PATH_MAX];
  enum fc_error error = FC_OK;
  int fd = open(part_name(name, store, suffix),
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? FC_OK : store_fail_errno(store, errno, "it");
  if (fchmod(fd, S_IRUSR | S_IWUSR))
    error = store_fail_errno(store, errno, "its permissions");
  (void)close(fd); /* nothing was written */
  return error;
}

static enum fc_error files_tighten(struct fc_store *store) {
  enum fc_error error = FC_OK;
  for (size_t i = 0; !error && i < COUNT_OF(parts); i++)
    error = file_tighten(store, parts[i]);
  if (!error)
    (void)snprintf(store->detail, sizeof(store->detail),
                   "it was readable by others, which is now ended");
  return error;
}

/* The power went while the file was made: other pages of it were written before
 * the first. SQLite takes that back by its journal. */
static bool is_half_made(const struct fc_store *store,
                         const unsigned char *header, ssize_t len) {
  char name[PATH_MAX];
  struct stat info;
  for (ssize_t i = 0; i < len; i++)
    if (header[i])
      return false;
  return lstat(part_name(name, store, "-journal"), &info) == 0 &&
         S_ISREG(info.st_mode) && info.st_size > 0;
}

static enum fc_error file_examine(struct fc_store *store, int fd) {
  unsigned char header[HEADER_SIZE];
  struct stat info;
  enum fc_error error;
  ssize_t len = pread(fd, header, sizeof(header), 0);
  if (len < 0 || fstat(fd, &info))
    return store_fail_errno(store, errno, "it cannot be read");
  store->size = info.st_size;
  error = file_judge(store, "", &info);
  if (!error && !info.st_size)
    error = log_check(store);
  else if (!error && !is_half_made(store, header, len))
    error = header_judge(store, header, len);
  if (!error && (info.st_mode & (S_IRWXG | S_IRWXO)))
    error = files_tighten(store);
  return error;
}

static enum fc_error file_create(struct fc_store *store) {
  enum fc_error error = log_check(store);
  if (error)
    return error;
  int fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                S_IRUSR | S_IWUSR);
  if (fd < 0)
    return store_fail_errno(store, errno, "it cannot be created");
  if (fchmod(fd, S_IRUSR | S_IWUSR)) /* the umask may have taken even these */
    error = store_fail_errno(store, errno, "its permissions");
  (void)close(fd); /* nothing was written */
  store->created = true;
  store->size = 0;
  return error;
}

static enum fc_error file_prepare(struct fc_store *store) {
  int fd = open(store->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT
               ? file_create(store)
               : store_fail_errno(store, errno, "it cannot be opened");
  enum fc_error error = file_examine(store, fd);
  (void)close(fd); /* nothing was written */
  return error;
}

/* What is kept must not replace what was kept before: appends to the suffix
 * what makes it new for every part. */
static bool kept_make_new(const struct fc_store *store, char kept[KEPT_MAX]) {
  char name[PATH_MAX];
  size_t len = strlen(kept);
  struct stat info;
  for (int n = 1; n <= NAMES_MAX; n++) {
    size_t taken = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
      taken += lstat(kept_name(name, store, kept, parts[i]), &info) == 0;
    if (!taken)
      return true;
    (void)snprintf(kept + len, KEPT_MAX - len, "-%d", n);
  }
  return false;
}

static enum fc_error files_set_aside(struct fc_store *store, int64_t now_s) {
  static const char failure[] = "it is damaged and cannot be renamed";
  char from[PATH_MAX], to[PATH_MAX], kept[KEPT_MAX];
  char reason[FC_STORE_DETAIL_SIZE];
  size_t used = 0;
  (void)snprintf(kept, sizeof(kept), ".corrupt-%lld", (long long)now_s);
  if (!kept_make_new(store, kept))
    return store_fail_errno(store, EEXIST, failure);
  for (size_t i = 0; i < COUNT_OF(parts); i++)
    if (rename(part_name(from, store, parts[i]),
               kept_name(to, store, kept, parts[i])) &&
        errno != ENOENT)
      return store_fail_errno(store, errno, failure);
  fc_text_copy(reason, sizeof(reason), store->detail);
  fc_text_append(store->detail, sizeof(store->detail), &used,
                 "damaged, kept as %s%s: %s", strrchr(store->path, '/') + 1,
                 kept, reason);
  store->trouble = FC_STORE_SET_ASIDE;
  return FC_OK;
}

static enum fc_error db_run(struct fc_store *store, const char *sql,
                            const char *failure) {
  return sqlite3_exec(store->db, sql, NULL, NULL, NULL)
             ? store_fail_sql(store, failure)
             : FC_OK;
}

/* The first column of the first row; *value stays where there is no row. */
static enum fc_error db_ask_number(struct fc_store *store, const char *sql,
                                   int64_t *value) {
  sqlite3_stmt *statement;
  enum fc_error error = FC_OK;
  int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
  if (!code)
    code = sqlite3_step(statement);
  if (code == SQLITE_ROW)
    *value = sqlite3_column_int64(statement, 0);
  else if (code != SQLITE_DONE)
    error = store_fail_sql(store, "it cannot be read");
  (void)sqlite3_finalize(statement); /* tells of the same failure again */
  return error;
}

/* The same of text; "" where there is no row. */
static enum fc_error db_ask_text(struct fc_store *store, const char *sql,
                                 char *text, size_t size) {
  sqlite3_stmt *statement;
  enum fc_error error = FC_OK;
  int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
  if (!code)
    code = sqlite3_step(statement);
  const char *found =
      code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
  if (!found || (code != SQLITE_ROW && code != SQLITE_DONE))
    error = store_fail_sql(store, "it cannot be used");
  else
    fc_text_copy(text, size, found);
  (void)sqlite3_finalize(statement); /* tells of the same failure again */
  return error;
}

static enum fc_error db_open(struct fc_store *store, const char *name,
                             int flags) {
  flags |=
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
  if (sqlite3_open_v2(name, &store->db, flags, NULL))
    return store_fail_sql(store, "it cannot be opened");
  (void)sqlite3_extended_result_codes(store->db, 1);      /* cannot fail */
  (void)sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS); /* cannot fail */
  for (size_t i = 0; i < COUNT_OF(switches); i++)
    if (sqlite3_db_config(store->db, switches[i].option, switches[i].value,
                          NULL))
      return store_fail(store, 0, FC_STORE_IO,
                        "this SQLite lacks a safety switch");
  return db_run(store, pragmas, "it cannot be set up");
}

/* What the log holds may differ from the header that was judged before. */
static enum fc_error db_judge(struct fc_store *store, int64_t *version) {
  int64_t entries = 0, application = 0;
  enum fc_error error =
      db_ask_number(store, "SELECT count(*) FROM sqlite_master", &entries);
  if (!error)
    error = db_ask_number(store, "PRAGMA application_id", &application);
  if (!error)
    error = db_ask_number(store, "PRAGMA user_version", version);
  if (error)
    return error;
  if (entries == 0) {
    *version = 0;
    return FC_OK;
  }
  if (application != FC_STORE_APPLICATION_ID || *version > FC_STORE_VERSION)
    return store_fail(store, 0, FC_STORE_FOREIGN,
                      "of another application or of a newer version");
  return *version < 1 ? store_fail_damage(store, "it has no version") : FC_OK;
}

/* Not quick_check: only this finds rows that their index does not lead to,
 * which would be neither updated nor deleted. */
static enum fc_error db_check(struct fc_store *store) {
  char verdict[FC_STORE_DETAIL_SIZE];
  enum fc_error error;
  if (store->size == 0 || store->size > FC_STORE_CHECK_MAX)
    return FC_OK;
  error =
      db_ask_text(store, "PRAGMA integrity_check(1)", verdict, sizeof(verdict));
  if (error)
    return error;
  return strcmp(verdict, "ok") == 0 ? FC_OK : store_fail_damage(store, verdict);
}

/* A copy of the file as the older version left it. */
static enum fc_error db_keep(struct fc_store *store, int64_t version) {
  char name[PATH_MAX], kept[KEPT_MAX];
  (void)snprintf(kept, sizeof(kept), ".v%lld", (long long)version);
  if (!kept_make_new(store, kept))
    return store_fail_errno(store, EEXIST, "its copy");
  int fd = open(kept_name(name, store, kept, ""),
                O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                S_IRUSR | S_IWUSR);
  if (fd < 0)
    return store_fail_errno(store, errno, "its copy");
  (void)close(fd); /* nothing was written */
  char *sql = sqlite3_mprintf("VACUUM INTO %Q", name);
  if (!sql)
    return FC_ERR_MEMORY;
  enum fc_error error = db_run(store, sql, "its copy cannot be made");
  sqlite3_free(sql);
  return error;
}

/* Brings the file from a version to the present one; from 0 where it is empty.
 * The header shows the version once this is done: a file without a log is
 * written directly, and of a log nothing is left. */
static enum fc_error db_migrate(struct fc_store *store, int64_t version) {
  static const char failure[] = "it cannot be brought to this version";
  char stamp[96];
  enum fc_error error = version ? db_keep(store, version) : FC_OK;
  (void)snprintf(stamp, sizeof(stamp),
                 "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                 FC_STORE_APPLICATION_ID, FC_STORE_VERSION);
  if (!error)
    error = db_run(store, "BEGIN IMMEDIATE", failure);
  for (; !error && version < FC_STORE_VERSION; version++)
    error = db_run(store, steps[version], failure);
  if (!error)
    error = db_run(store, stamp, failure);
  if (!error)
    error = db_run(store, "PRAGMA wal_checkpoint(TRUNCATE)", failure);
  return error;
}

static enum fc_error db_use_log(struct fc_store *store) {
  char mode[16];
  enum fc_error error =
      db_ask_text(store, "PRAGMA journal_mode = WAL", mode, sizeof(mode));
  if (error || strcmp(mode, "wal") == 0)
    return error;
  return store_fail(store, 0, FC_STORE_IO,
                    "its file system does not allow a write-ahead log "
                    "(shared memory is needed)");
}

static enum fc_error db_prepare(struct fc_store *store) {
  for (size_t i = 0; i < STATEMENTS; i++)
    if (sqlite3_prepare_v3(store->db, statements[i].sql, -1,
                           SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                           NULL))
      return store_fail_sql(store, statements[i].failure);
  return FC_OK;
}

static enum fc_error statement_end(struct fc_store *store, enum statement which,
                                   int code) {
  sqlite3_stmt *statement = store->statements[which];
  enum fc_error error = code == SQLITE_DONE
                            ? FC_OK
                            : store_fail_sql(store, statements[which].failure);
  (void)sqlite3_reset(statement);          /* tells of the same failure again */
  (void)sqlite3_clear_bindings(statement); /* cannot fail */
  return error;
}

static enum fc_error statement_run(struct fc_store *store,
                                   enum statement which) {
  return statement_end(store, which, sqlite3_step(store->statements[which]));
}

/* Binds the parameters of a statement one after the other. */
struct binder {
  sqlite3_stmt *statement;
  int index; /* of the last one */
  int code;  /* of the first failure */
};

static struct binder binder_make(struct fc_store *store, enum statement which) {
  return (struct binder){.statement = store->statements[which]};
}

static void bind_end(struct binder *binder, int code) {
  if (!binder->code)
    binder->code = code;
}

static void bind_text(struct binder *binder, const char *text) {
  bind_end(binder, sqlite3_bind_text(binder->statement, ++binder->index, text,
                                     -1, SQLITE_STATIC));
}

static void bind_int(struct binder *binder, int64_t value) {
  bind_end(binder,
           sqlite3_bind_int64(binder->statement, ++binder->index, value));
}

/* What is not bound is NULL. */
static void bind_int_if(struct binder *binder, bool has, int64_t value) {
  if (has)
    bind_int(binder, value);
  else
    binder->index++;
}

static void bind_real_if(struct binder *binder, bool has, double value) {
  binder->index++;
  if (has && isfinite(value))
    bind_end(binder,
             sqlite3_bind_double(binder->statement, binder->index, value));
}

static enum fc_error bound_run(struct fc_store *store, enum statement which,
                               const struct binder *binder) {
  return binder->code ? statement_end(store, which, binder->code)
                      : statement_run(store, which);
}

static enum fc_error clean_put(struct fc_store *store, bool clean) {
  struct binder binder = binder_make(store, SET_CLEAN);
  bind_int(&binder, clean);
  return bound_run(store, SET_CLEAN, &binder);
}

static enum fc_error db_mark_in_use(struct fc_store *store) {
  int64_t clean = 0;
  enum fc_error error = db_ask_number(
      store, "SELECT value FROM meta WHERE key = 'clean'", &clean);
  store->clean = store->created ? store->trouble == FC_STORE_FINE : clean == 1;
  return error ? error : clean_put(store, /* clean = */ false);
}

static enum fc_error db_start(struct fc_store *store) {
  int64_t version = 0;
  enum fc_error error = db_open(store, store->path, SQLITE_OPEN_READWRITE);
  if (!error)
    error = db_judge(store, &version);
  if (!error)
    error = db_check(store);
  if (!error && version < FC_STORE_VERSION)
    error = db_migrate(store, version);
  if (!error)
    error = db_use_log(store);
  if (!error)
    error = db_prepare(store);
  if (!error)
    error = db_mark_in_use(store);
  struct stat info;
  if (!error && stat(store->path, &info) == 0)
    store->inode = info.st_ino;
  if (!error)
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0,
                            NULL); /* at worst the log stays */
  return error;
}

static void db_close(struct fc_store *store) {
  for (size_t i = 0; i < STATEMENTS; i++) {
    (void)sqlite3_finalize(store->statements[i]); /* its failure is known */
    store->statements[i] = NULL;
  }
  (void)sqlite3_close(store->db); /* cannot fail without statements */
  store->db = NULL;
}

static enum fc_error store_start(struct fc_store *store) {
  enum fc_error error = file_prepare(store);
  return error ? error : db_start(store);
}

/* SQLITE_ERROR is what a schema that is not ours ends with: no such table, no
 * such column, a file format that does not exist. */
static bool store_is_damaged(const struct fc_store *store) {
  return fc_store_is_corrupt(store) ||
         (store->failure == SQLITE_ERROR && !store->created);
}

/* Whether every byte of a part can be read, up to the size that is checked. */
static bool part_is_readable(const struct fc_store *store, const char *suffix) {
  char name[PATH_MAX], block[16 * 1024];
  ssize_t len = 1;
  int fd = open(part_name(name, store, suffix),
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT;
  for (off_t at = 0; len > 0 && at < FC_STORE_CHECK_MAX; at += len)
    len = pread(fd, block, sizeof(block), at);
  (void)close(fd); /* nothing was written */
  return len >= 0;
}

/* SQLite calls damage also what could not be read (EIO becomes SQLITE_CORRUPT).
 * Only what can be read whole and is found damaged twice is damaged. */
static enum fc_error store_start_again(struct fc_store *store) {
  db_close(store);
  if (!part_is_readable(store, "") || !part_is_readable(store, "-wal"))
    return store_fail(store, 0, FC_STORE_IO, "it cannot be read whole");
  store->failure = 0;
  store->trouble = FC_STORE_FINE;
  store->detail[0] = '\0';
  return store_start(store);
}

static enum fc_error store_start_or_renew(struct fc_store *store,
                                          int64_t now_s) {
  enum fc_error error = store_start(store);
  if (error && store_is_damaged(store))
    error = store_start_again(store);
  if (!error || !store_is_damaged(store))
    return error;
  db_close(store);
  error = files_set_aside(store, now_s);
  return error ? error : store_start(store);
}

/* An SQLite that is too old would refuse our statements, and the file would be
 * blamed. */
static enum fc_error library_check(struct fc_store *store) {
  if (sqlite3_libversion_number() < SQLITE_VERSION_MIN)
    return store_fail(store, 0, FC_STORE_IO,
                      "SQLite is too old at run time (%s)",
                      sqlite3_libversion());
  return sqlite3_threadsafe()
             ? FC_OK
             : store_fail(store, 0, FC_STORE_IO,
                          "SQLite was built without support for threads");
}

enum fc_error fc_store_open(struct fc_store **store, const char *path,
                            int64_t now_s, enum fc_store_trouble *trouble,
                            char *detail, size_t size) {
  struct fc_store *opened = calloc(1, sizeof(*opened));
  *trouble = FC_STORE_IO;
  fc_text_copy(detail, size, fc_error_text(FC_ERR_MEMORY));
  if (!opened)
    return FC_ERR_MEMORY;
  opened->lock_fd = -1;
  enum fc_error error = library_check(opened);
  if (!error)
    error = path_resolve(opened, path, W_OK | X_OK);
  if (!error)
    error = files_check(opened);
  if (!error)
    error = lock_take(opened);
  if (!error)
    error = store_start_or_renew(opened, now_s);
  if (error != FC_ERR_MEMORY) {
    *trouble = opened->trouble;
    fc_text_copy(detail, size, opened->detail);
  }
  if (error)
    fc_store_close(opened, /* clean = */ false);
  else
    *store = opened;
  return error;
}

bool fc_store_was_clean(const struct fc_store *store) { return store->clean; }

/* Reads the columns of a row one after the other. */
struct reader {
  sqlite3_stmt *statement;
  int index; /* of the next one */
  bool bad;  /* a value makes no sense */
  char error[FC_ERROR_TEXT_SIZE];
};

static const char *read_text_if(struct reader *reader) {
  int index = reader->index++;
  if (sqlite3_column_type(reader->statement, index) == SQLITE_NULL)
    return NULL;
  const char *text =
      (const char *)sqlite3_column_text(reader->statement, index);
  if (!text)
    reader->bad = true;
  return text;
}

static const char *read_text(struct reader *reader) {
  const char *text = read_text_if(reader);
  if (!text)
    reader->bad = true;
  return text ? text : "";
}

static int64_t read_int(struct reader *reader, int64_t min, int64_t max) {
  int64_t value = sqlite3_column_int64(reader->statement, reader->index++);
  if (value < min || value > max)
    reader->bad = true;
  return value;
}

static bool read_has(const struct reader *reader) {
  return sqlite3_column_type(reader->statement, reader->index) != SQLITE_NULL;
}

static int64_t read_time(struct reader *reader) {
  return read_int(reader, time_min, time_max);
}

static int64_t read_time_if(struct reader *reader, bool *has) {
  *has = read_has(reader);
  return read_time(reader);
}

static double read_real_if(struct reader *reader, bool *has) {
  *has = read_has(reader);
  double value = sqlite3_column_double(reader->statement, reader->index++);
  if (!isfinite(value))
    reader->bad = true;
  return value;
}

static enum fc_kind_id read_kind(struct reader *reader) {
  const char *name = read_text(reader);
  const struct fc_kind *kind = fc_kind_by_name(name, strlen(name));
  if (!kind)
    reader->bad = true;
  return kind ? kind->id : FC_KIND_COUNT;
}

static enum fc_status read_status(struct reader *reader) {
  const char *name = read_text(reader);
  enum fc_status status = fc_status_from_name(name);
  if (strcmp(fc_status_name(status), name) != 0)
    reader->bad = true;
  return status;
}

static const char *read_word(struct reader *reader,
                             bool (*valid)(const char *text, size_t len)) {
  const char *text = read_text(reader);
  if (!valid(text, strlen(text)))
    reader->bad = true;
  return text;
}

/* Text that the file may have from elsewhere, on its way to a log line. */
static const char *read_line_if(struct reader *reader) {
  const char *text = read_text_if(reader);
  if (text)
    (void)fc_text_line(reader->error, sizeof(reader->error), text,
                       strlen(text));
  return text ? reader->error : NULL;
}

static bool job_read(struct reader *reader, struct fc_job_record *record) {
  record->id = read_word(reader, fc_id_valid);
  record->kind = read_kind(reader);
  record->name = read_word(reader, fc_name_valid);
  record->sources = (unsigned)read_int(reader, 0, INT_MAX);
  record->status = read_status(reader);
  record->previous = read_status(reader);
  record->first_seen_s = read_time(reader);
  record->processing_since_s =
      read_time_if(reader, &record->has_processing_since);
  record->ended_s = read_time_if(reader, &record->has_ended);
  record->expires_at_s = read_time_if(reader, &record->has_expires_at);
  record->notified_s = read_time_if(reader, &record->has_notified);
  record->tokens = read_real_if(reader, &record->has_tokens);
  record->credits = read_real_if(reader, &record->has_credits);
  record->percent = read_real_if(reader, &record->has_percent);
  record->stalled = read_int(reader, 0, 1) != 0;
  record->flags = (unsigned)read_int(reader, 0, INT_MAX);
  record->error = read_line_if(reader);
  return !reader->bad;
}

/* 0 for a name that is none. */
static unsigned event_bit(const char *name) {
  for (unsigned type = 0; type < FC_EVENT_COUNT; type++)
    if (strcmp(fc_event_name((enum fc_event_type)type), name) == 0)
      return FC_EVENT_BIT(type);
  return 0;
}

static enum fc_error events_load(struct fc_store *store, const char *instance,
                                 struct fc_job_record *record) {
  struct binder binder = binder_make(store, LOAD_EVENTS);
  int code;
  bind_text(&binder, instance);
  bind_text(&binder, record->id);
  code = binder.code;
  while (!code && (code = sqlite3_step(binder.statement)) == SQLITE_ROW) {
    struct reader reader = {.statement = binder.statement};
    unsigned bit = event_bit(read_text(&reader));
    if (strcmp(read_text(&reader), "pending") == 0)
      record->pending |= bit;
    else
      record->handed |= bit;
    code = SQLITE_OK;
  }
  return statement_end(store, LOAD_EVENTS, code);
}

/* One row: to the callback, or to the count of those that make no sense. */
static enum fc_error job_load(struct fc_store *store, const char *instance,
                              fc_store_job callback, void *data,
                              size_t *skipped) {
  struct reader reader = {.statement = store->statements[LOAD_JOBS]};
  struct fc_job_record record = {.pending = 0};
  if (!job_read(&reader, &record)) {
    ++*skipped;
    return sqlite3_errcode(store->db) == SQLITE_NOMEM ? FC_ERR_MEMORY : FC_OK;
  }
  enum fc_error error = events_load(store, instance, &record);
  return error ? error : callback(&record, data);
}

enum fc_error fc_store_load_jobs(struct fc_store *store, const char *instance,
                                 fc_store_job callback, void *data,
                                 size_t *skipped) {
  struct binder binder = binder_make(store, LOAD_JOBS);
  enum fc_error error = FC_OK, failure;
  size_t bad = 0;
  int code;
  bind_text(&binder, instance);
  code = binder.code;
  while (!code && !error &&
         (code = sqlite3_step(binder.statement)) == SQLITE_ROW) {
    error = job_load(store, instance, callback, data, &bad);
    code = SQLITE_OK;
  }
  failure = statement_end(store, LOAD_JOBS, error ? SQLITE_DONE : code);
  if (!error && !failure)
    *skipped = bad;
  return error ? error : failure;
}

enum fc_error fc_store_load_endpoints(struct fc_store *store,
                                      const char *instance,
                                      fc_store_endpoint callback, void *data) {
  struct binder binder = binder_make(store, LOAD_ENDPOINTS);
  int code;
  bind_text(&binder, instance);
  code = binder.code;
  while (!code && (code = sqlite3_step(binder.statement)) == SQLITE_ROW) {
    struct reader reader = {.statement = binder.statement};
    struct fc_endpoint_record record = {.kind = read_kind(&reader)};
    record.sunset_reported_s = read_time(&reader);
    record.last_warning_given = read_int(&reader, 0, 1) != 0;
    record.gone_reported = read_int(&reader, 0, 1) != 0;
    if (!reader.bad)
      callback(&record, data);
    code = SQLITE_OK;
  }
  return statement_end(store, LOAD_ENDPOINTS, code);
}

/* Of a relative path and of a link's target nothing is known: all bytes that a
 * URI could take for something else are escaped (RFC 3986 section 2.1). */
static void uri_make(char uri[URI_SIZE], const char *path, bool immutable) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789-._~/";
  size_t used = 0;
  fc_text_append(uri, URI_SIZE, &used, "file:");
  for (; *path; path++)
    fc_text_append(uri, URI_SIZE, &used, strchr(plain, *path) ? "%c" : "%%%02X",
                   (unsigned char)*path);
  fc_text_append(uri, URI_SIZE, &used, "%s", immutable ? "?immutable=1" : "");
}

/* Without a log nobody has the file open. SQLite would make a log to read it,
 * and could not delete it again. */
static enum fc_error db_open_to_read(struct fc_store *store) {
  char name[PATH_MAX], uri[URI_SIZE];
  struct stat info;
  bool alone = lstat(part_name(name, store, "-wal"), &info) && errno == ENOENT;
  uri_make(uri, store->path, alone);
  return db_open(store, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

static enum fc_error list_check(struct fc_store *store) {
  struct stat info;
  if (lstat(store->path, &info)) {
    int failure = errno;
    enum fc_error error = store_fail_errno(store, failure, "it");
    return failure == ENOENT ? FC_ERR_NOT_FOUND : error;
  }
  return S_ISREG(info.st_mode) ? FC_OK
                               : store_fail(store, 0, FC_STORE_UNSAFE,
                                            "it is not a regular file");
}

static enum fc_error rows_list(struct fc_store *store, fc_store_listed callback,
                               void *data, size_t *skipped) {
  sqlite3_stmt *statement = store->statements[LIST_JOBS];
  enum fc_error error = FC_OK, failure;
  int code = SQLITE_DONE;
  while (!error && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    struct reader reader = {.statement = statement};
    struct fc_job_record record = {.pending = 0};
    const char *instance = read_word(&reader, fc_name_valid);
    if (job_read(&reader, &record))
      error = callback(instance, &record, data);
    else if (sqlite3_errcode(store->db) == SQLITE_NOMEM)
      error = FC_ERR_MEMORY;
    else
      ++*skipped;
  }
  failure = statement_end(store, LIST_JOBS, error ? SQLITE_DONE : code);
  return error ? error : failure;
}

static enum fc_error store_list(struct fc_store *store, const char *path,
                                fc_store_listed callback, void *data,
                                size_t *skipped) {
  int64_t version = 0;
  enum fc_error error = library_check(store);
  if (!error)
    error = path_resolve(store, path, X_OK);
  if (!error)
    error = list_check(store);
  if (!error)
    error = db_open_to_read(store);
  if (!error)
    error = db_judge(store, &version);
  if (error || version == 0) /* still empty */
    return error;
  error = db_prepare(store);
  return error ? error : rows_list(store, callback, data, skipped);
}

enum fc_error fc_store_list(const char *path, fc_store_listed callback,
                            void *data, size_t *skipped, char *detail,
                            size_t size) {
  size_t bad = 0;
  struct fc_store *store = calloc(1, sizeof(*store));
  fc_text_copy(detail, size, fc_error_text(FC_ERR_MEMORY));
  if (!store)
    return FC_ERR_MEMORY;
  store->lock_fd = -1;
  enum fc_error error = store_list(store, path, callback, data, &bad);
  if (error != FC_ERR_MEMORY)
    fc_text_copy(detail, size, store->detail);
  if (!error)
    *skipped = bad;
  fc_store_close(store, /* clean = */ false);
  return error;
}

enum fc_error fc_store_begin(struct fc_store *store) {
  return statement_run(store, BEGIN);
}

static void job_bind(struct binder *binder,
                     const struct fc_job_record *record) {
  const struct fc_kind *kind = fc_kind_get(record->kind);
  bind_text(binder, record->id);
  bind_text(binder, kind ? kind->name : NULL);
  bind_text(binder, record->name);
  bind_int(binder, record->sources);
  bind_text(binder, fc_status_name(record->status));
  bind_text(binder, fc_status_name(record->previous));
  bind_int(binder, record->first_seen_s);
  bind_int_if(binder, record->has_processing_since, record->processing_since_s);
  bind_int_if(binder, record->has_ended, record->ended_s);
  bind_int_if(binder, record->has_expires_at, record->expires_at_s);
  bind_int_if(binder, record->has_notified, record->notified_s);
  bind_real_if(binder, record->has_tokens, record->tokens);
  bind_real_if(binder, record->has_credits, record->credits);
  bind_real_if(binder, record->has_percent, record->percent);
  bind_int(binder, record->stalled);
  bind_int(binder, record->flags);
  bind_text(binder, record->error);
}

static enum fc_error event_put(struct fc_store *store, const char *instance,
                               const struct fc_job_record *record,
                               enum fc_event_type type, int64_t now_s) {
  struct binder binder = binder_make(store, PUT_EVENT);
  bind_text(&binder, instance);
  bind_text(&binder, record->id);
  bind_text(&binder, fc_event_name(type));
  bind_text(&binder,
            record->pending & FC_EVENT_BIT(type) ? "pending" : "handed");
  bind_int(&binder, now_s);
  return bound_run(store, PUT_EVENT, &binder);
}

static enum fc_error events_drop(struct fc_store *store, const char *instance,
                                 const char *id, const char *kept) {
  struct binder binder = binder_make(store, DROP_EVENTS);
  bind_text(&binder, instance);
  bind_text(&binder, id);
  bind_text(&binder, kept);
  return bound_run(store, DROP_EVENTS, &binder);
}

static enum fc_error events_put(struct fc_store *store, const char *instance,
                                const struct fc_job_record *record,
                                int64_t now_s) {
  char kept[EVENTS_SIZE] = ",";
  size_t used = 1;
  unsigned set = record->pending | record->handed;
  enum fc_error error = FC_OK;
  for (unsigned type = 0; !error && type < FC_EVENT_COUNT; type++)
    if (set & FC_EVENT_BIT(type)) {
      error =
          event_put(store, instance, record, (enum fc_event_type)type, now_s);
      fc_text_append(kept, sizeof(kept), &used, "%s,",
                     fc_event_name((enum fc_event_type)type));
    }
  return error ? error : events_drop(store, instance, record->id, kept);
}

enum fc_error fc_store_put_job(struct fc_store *store, const char *instance,
                               const struct fc_job_record *record,
                               int64_t now_s) {
  struct binder binder = binder_make(store, PUT_JOB);
  bind_text(&binder, instance);
  job_bind(&binder, record);
  enum fc_error error = bound_run(store, PUT_JOB, &binder);
  return error ? error : events_put(store, instance, record, now_s);
}

enum fc_error fc_store_delete_job(struct fc_store *store, const char *instance,
                                  const char *id) {
  struct binder binder = binder_make(store, DELETE_JOB);
  bind_text(&binder, instance);
  bind_text(&binder, id);
  return bound_run(store, DELETE_JOB, &binder);
}

enum fc_error fc_store_put_endpoint(struct fc_store *store,
                                    const char *instance,
                                    const struct fc_endpoint_record *record) {
  struct binder binder = binder_make(store, PUT_ENDPOINT);
  const struct fc_kind *kind = fc_kind_get(record->kind);
  bind_text(&binder, instance);
  bind_text(&binder, kind ? kind->name : NULL);
  bind_int(&binder, record->sunset_reported_s);
  bind_int(&binder, record->last_warning_given);
  bind_int(&binder, record->gone_reported);
  return bound_run(store, PUT_ENDPOINT, &binder);
}

enum fc_error fc_store_commit(struct fc_store *store) {
  return statement_run(store, COMMIT);
}

void fc_store_rollback(struct fc_store *store) {
  sqlite3_stmt *statement = store->statements[ROLLBACK];
  /* Some failures have rolled back already. */
  if (sqlite3_get_autocommit(store->db))
    return;
  /* It cannot fail where no statement is running, and the failure to be told
   * of is the one before. */
  (void)sqlite3_step(statement);
  (void)sqlite3_reset(statement);
}

const char *fc_store_detail(const struct fc_store *store) {
  return store->detail;
}

bool fc_store_is_corrupt(const struct fc_store *store) {
  return store->failure == SQLITE_CORRUPT || store->failure == SQLITE_NOTADB;
}

/* A mark that cannot be written leaves the file unclean, which is safe. */
static void store_finish(struct fc_store *store) {
  if (!fc_store_begin(store) && !clean_put(store, /* clean = */ true))
    (void)!fc_store_commit(store);
  fc_store_rollback(store);
  (void)sqlite3_exec(store->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL,
                     NULL); /* at worst the log stays */
}

void fc_store_close(struct fc_store *store, bool clean) {
  if (!store)
    return;
  /* What a damaged file's log says is kept with it. */
  if (store->db && fc_store_is_corrupt(store))
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                            NULL); /* cannot fail */
  else if (store->db && clean) {
    fc_store_rollback(store);
    store_finish(store);
  }
  db_close(store);
  if (store->lock_fd >= 0)
    (void)close(store->lock_fd); /* nothing was written */
  free(store);
}

const char *fc_store_library_version(void) { return sqlite3_libversion(); }

bool fc_store_is_in_place(const struct fc_store *store) {
  struct stat info;
  return stat(store->path, &info) == 0 && info.st_ino == store->inode;
}
