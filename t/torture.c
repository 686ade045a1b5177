/* SPDX-License-Identifier: MIT */

#include "t/torture.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct torture torture;

bool torture_fails(enum torture_side side, const char *name) {
  if (!pthread_equal(pthread_self(), torture.thread) || !torture.on ||
      side != torture.side)
    return false;
  torture.calls++;
  bool failing = torture.persistent ? torture.calls >= torture.fail_at
                                    : torture.calls == torture.fail_at;
  if (!failing || !torture.fail_at)
    return false;
  if (!torture.name)
    torture.name = name;
  errno = ENOMEM;
  return true;
}

void torture_set(long fail_at, bool persistent) {
  torture.on = false;
  if (!pthread_equal(torture.thread, pthread_self()))
    torture.thread = pthread_self();
  torture.calls = 0;
  torture.name = NULL;
  torture.fail_at = fail_at;
  torture.persistent = persistent;
}

long torture_stride(void) {
  const char *text = getenv("FC_TORTURE_STRIDE");
  long stride = text ? atol(text) : 1;
  return stride > 0 ? stride : 1;
}

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL)
WRAP(void *, reallocarray, (void *old, size_t count, size_t size),
     (old, count, size), NULL)
WRAP(char *, strdup, (const char *text), (text), NULL)
WRAP(char *, strndup, (const char *text, size_t len), (text, len), NULL)
WRAP(ssize_t, __read_chk, (int fd, void *data, size_t len, size_t room),
     (fd, data, len, room), -1)
WRAP(ssize_t, __pread_chk,
     (int fd, void *data, size_t len, off_t at, size_t room),
     (fd, data, len, at, room), -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1)
WRAP(int, faccessat, (int folder, const char *path, int mode, int flags),
     (folder, path, mode, flags), -1)
WRAP(int, madvise, (void *at, size_t len, int advice), (at, len, advice), -1)
WRAP(ssize_t, getrandom, (void *data, size_t len, unsigned flags),
     (data, len, flags), -1)
WRAP(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode),
     -1)
WRAP(int, openat, (int folder, const char *path, int flags, mode_t mode),
     (folder, path, flags, mode), -1)
WRAP(int, __openat_2, (int folder, const char *path, int flags),
     (folder, path, flags), -1)
WRAP(ssize_t, readlinkat,
     (int folder, const char *path, char *target, size_t len),
     (folder, path, target, len), -1)
WRAP(ssize_t, __readlinkat_chk,
     (int folder, const char *path, char *target, size_t len, size_t room),
     (folder, path, target, len, room), -1)
WRAP(ssize_t, read, (int fd, void *data, size_t len), (fd, data, len), -1)
WRAP(ssize_t, pread, (int fd, void *data, size_t len, off_t at),
     (fd, data, len, at), -1)
WRAP(int, fstat, (int fd, struct stat *info), (fd, info), -1)
WRAP(int, stat, (const char *path, struct stat *info), (path, info), -1)
WRAP(int, lstat, (const char *path, struct stat *info), (path, info), -1)
WRAP(int, flock, (int fd, int what), (fd, what), -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP(char *, realpath, (const char *path, char *out), (path, out), NULL)
WRAP(void *, mmap,
     (void *at, size_t len, int protection, int flags, int fd, off_t from),
     (at, len, protection, flags, fd, from), MAP_FAILED)
WRAP(void *, tsearch,
     (const void *key, void **root, int (*compare)(const void *, const void *)),
     (key, root, compare), NULL)
WRAP(int, pthread_mutex_init,
     (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes),
     (mutex, attributes), ENOMEM)
WRAP(int, pthread_cond_init,
     (pthread_cond_t * condition, const pthread_condattr_t *attributes),
     (condition, attributes), ENOMEM)
WRAP(int, pthread_condattr_init, (pthread_condattr_t * attributes),
     (attributes), ENOMEM)
WRAP(int, pthread_condattr_setclock,
     (pthread_condattr_t * attributes, clockid_t clock), (attributes, clock),
     EINVAL)
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes,
      void *(*run)(void *), void *data),
     (thread, attributes, run, data), EAGAIN)
WRAP(int, pthread_setname_np, (pthread_t thread, const char *name),
     (thread, name), ERANGE)
WRAP(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *before),
     (how, set, before), EINVAL)
WRAP(CURLcode, curl_global_init, (long flags), (flags), CURLE_OUT_OF_MEMORY)
WRAP(CURLU *, curl_url, (void), (), NULL)
WRAP(CURLUcode, curl_url_set,
     (CURLU * url, CURLUPart part, const char *text, unsigned flags),
     (url, part, text, flags), CURLUE_OUT_OF_MEMORY)
WRAP(CURLUcode, curl_url_get,
     (const CURLU *url, CURLUPart part, char **text, unsigned flags),
     (url, part, text, flags), CURLUE_OUT_OF_MEMORY)
WRAP(CURLMcode, curl_multi_wakeup, (CURLM * multi), (multi),
     CURLM_WAKEUP_FAILURE)
WRAP(CURL *, curl_easy_init, (void), (), NULL)
/* Variadic: its value is a long or a pointer, one register on what we run on.
 */
WRAP(CURLcode, curl_easy_setopt, (CURL * easy, CURLoption option, void *value),
     (easy, option, value), CURLE_OUT_OF_MEMORY)
WRAP(struct curl_slist *, curl_slist_append,
     (struct curl_slist * list, const char *line), (list, line), NULL)
WRAP(CURLM *, curl_multi_init, (void), (), NULL)
WRAP(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy),
     (multi, easy), CURLM_OUT_OF_MEMORY)
WRAP(CURLMcode, curl_multi_perform, (CURLM * multi, int *running),
     (multi, running), CURLM_OUT_OF_MEMORY)
WRAP(CURLMcode, curl_multi_poll,
     (CURLM * multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
      int *ready),
     (multi, fds, count, timeout_ms, ready), CURLM_OUT_OF_MEMORY)
WRAP(struct json_tokener *, json_tokener_new_ex, (int depth), (depth), NULL)
WRAP(struct json_object *, json_tokener_parse_ex,
     (struct json_tokener * tokener, const char *text, int len),
     (tokener, text, len), NULL)
WRAP(const char *, json_object_to_json_string_length,
     (struct json_object * object, int flags, size_t *len),
     (object, flags, len), NULL)
WRAP(int, sqlite3_open_v2,
     (const char *path, sqlite3 **database, int flags, const char *vfs),
     (path, database, flags, vfs), (*database = NULL, SQLITE_NOMEM))
WRAP(int, sqlite3_exec,
     (sqlite3 * database, const char *sql,
      int (*row)(void *, int, char **, char **), void *data, char **error),
     (database, sql, row, data, error), SQLITE_IOERR)
WRAP(int, sqlite3_prepare_v2,
     (sqlite3 * database, const char *sql, int len, sqlite3_stmt **statement,
      const char **tail),
     (database, sql, len, statement, tail), (*statement = NULL, SQLITE_NOMEM))
WRAP(int, sqlite3_prepare_v3,
     (sqlite3 * database, const char *sql, int len, unsigned flags,
      sqlite3_stmt **statement, const char **tail),
     (database, sql, len, flags, statement, tail),
     (*statement = NULL, SQLITE_NOMEM))
WRAP(int, sqlite3_step, (sqlite3_stmt * statement), (statement), SQLITE_FULL)
WRAP(int, sqlite3_bind_int64,
     (sqlite3_stmt * statement, int at, sqlite3_int64 value),
     (statement, at, value), SQLITE_NOMEM)
WRAP(int, sqlite3_bind_double, (sqlite3_stmt * statement, int at, double value),
     (statement, at, value), SQLITE_NOMEM)
WRAP(int, sqlite3_bind_text,
     (sqlite3_stmt * statement, int at, const char *text, int len,
      void (*release)(void *)),
     (statement, at, text, len, release), SQLITE_NOMEM)
WRAP(const unsigned char *, sqlite3_column_text,
     (sqlite3_stmt * statement, int column), (statement, column), NULL)
WRAP(int, sqlite3_db_config,
     (sqlite3 * database, int option, int value, int *old),
     (database, option, value, old), SQLITE_ERROR)

/* Variadic, with a twin that is not. */
char *__wrap_sqlite3_mprintf(const char *format, ...);
char *__wrap_sqlite3_mprintf(const char *format, ...) {
  va_list args;
  if (torture_fails(TORTURE_OURS, "sqlite3_mprintf"))
    return NULL;
  va_start(args, format);
  char *text = sqlite3_vmprintf(format, args);
  va_end(args);
  return text;
}

/* What libcurl asks for, by malloc's own names. Its pointers may come back to
 * free() as they are. */
static void *curl_malloc(size_t size) {
  return torture_fails(TORTURE_CURL, "libcurl: malloc") ? NULL
                                                        : __real_malloc(size);
}

static void curl_release(void *data) { free(data); }

static void *curl_realloc(void *old, size_t size) {
  return torture_fails(TORTURE_CURL, "libcurl: realloc")
             ? NULL
             : __real_realloc(old, size);
}

static char *curl_strdup(const char *text) {
  return torture_fails(TORTURE_CURL, "libcurl: strdup") ? NULL
                                                        : __real_strdup(text);
}

static void *curl_calloc(size_t count, size_t size) {
  return torture_fails(TORTURE_CURL, "libcurl: calloc")
             ? NULL
             : __real_calloc(count, size);
}

bool torture_curl_memory(void) {
  return curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_release,
                              curl_realloc, curl_strdup, curl_calloc) == 0;
}
