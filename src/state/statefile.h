/* SPDX-License-Identifier: MIT */

/* The state file as a file: its path, its lock, who may touch it, whether it is
 * ours, and how a damaged one is set aside. Plain system calls; what is in it
 * is src/state/store.h.
 *
 * A struct fc_statefile is its caller's: initialized, locked, prepared, then
 * used by SQLite, and released when SQLite has closed it. A function that can
 * fail returns FC_ERR_STATE, with `problem` and `detail` set, or FC_ERR_MEMORY.
 * One thread at a time. */

#ifndef FC_STATEFILE_H
#define FC_STATEFILE_H

#include "src/base/error.h"
#include "src/base/macros.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  FC_STATEFILE_APPLICATION_ID = 0x46437277,
  FC_STATEFILE_VERSION = 2,
  FC_STATEFILE_DETAIL_SIZE = 256,
  FC_STATEFILE_PARTS = 5,                    /* see `parts` */
  FC_STATEFILE_URI_SIZE = 3 * PATH_MAX + 32, /* of any path */
};

/* What is wrong with it. */
enum fc_statefile_problem {
  FC_STATEFILE_FINE,
  FC_STATEFILE_SET_ASIDE, /* it was damaged: renamed, and a new one started */
  FC_STATEFILE_LOCKED,    /* another daemon has it */
  FC_STATEFILE_FOREIGN, /* of another application or a newer version: untouched
                         */
  FC_STATEFILE_UNSAFE,  /* type, owner or permissions: untouched */
  FC_STATEFILE_DAMAGED, /* its contents make no sense */
  FC_STATEFILE_IO       /* it cannot be opened, read or written */
};

struct fc_statefile {
  char path[PATH_MAX]; /* absolute, without symbolic links; "" before it is
                          known */
  bool created;        /* by this fc_statefile_prepare: it is empty */
  bool had_lock;       /* an earlier run has been here */
  bool is_behind;      /* ... and knew more than the file: see _set_behind */
  int64_t size;        /* bytes, when it was prepared */
  enum fc_statefile_problem problem;
  char detail[FC_STATEFILE_DETAIL_SIZE]; /* in words, one line, without "state
                                            file" */
  /* The rest is private. */
  bool marked_behind; /* now */
  int lock_fd;        /* -1: none */
  struct {
    bool known;
    dev_t device;
    ino_t inode;
  } parts[FC_STATEFILE_PARTS]; /* the file, its -wal, -shm, -journal, -lock */
};

void fc_statefile_init(struct fc_statefile *file);

/* Resolves the path, now if it is relative; checks type, owner and permissions
 * of the file and of those beside it; takes the lock on "<path>-lock", which is
 * created (mode 0600) where it does not exist. Directories of the path may be
 * symbolic links, the file may not. Never waits. */
FC_MUST_USE enum fc_error fc_statefile_lock(struct fc_statefile *file,
                                            const char *path);

/* While the file is locked: more is known than what is written, or no longer.
 * It stands in the time of the -lock, which can be changed where nothing can be
 * written. */
void fc_statefile_set_behind(struct fc_statefile *file, bool is_behind);

/* Creates the locked file, empty and with mode 0600, or judges the one that is
 * there by its first bytes, before SQLite may change anything. One that others
 * can read is made private, which `detail` then says with success, and that its
 * directory is everybody's to write to. One that a power loss left half made
 * passes: SQLite takes it back by its journal. */
FC_MUST_USE enum fc_error fc_statefile_prepare(struct fc_statefile *file);

/* Whether every byte of the file and of its log can be read, up to max bytes of
 * each. Not while SQLite has it open: to close it here would drop SQLite's
 * locks. */
bool fc_statefile_is_readable(const struct fc_statefile *file, int64_t max);

/* Renames the file to "<path>.corrupt-<now_s>", with its -wal, -shm and
 * -journal; where one of these names is taken, "-1", "-2", ... is appended.
 * `detail` then says so and why, `problem` is FC_STATEFILE_SET_ASIDE. */
FC_MUST_USE enum fc_error fc_statefile_set_aside(struct fc_statefile *file,
                                                 int64_t now_s);

/* Creates an empty file (mode 0600) for a copy of the present one, which is of
 * an older version: "<path>.v<version>", made new as above. Writes its name on
 * success only. */
FC_MUST_USE enum fc_error fc_statefile_keep(struct fc_statefile *file,
                                            int64_t version,
                                            char name[PATH_MAX]);

/* Remembers the files beside it that SQLite has made, once it has. */
void fc_statefile_remember(struct fc_statefile *file);

/* Bytes of its log; 0 where there is none. */
int64_t fc_statefile_log_size(const struct fc_statefile *file);

/* True while the path still leads to the file that was prepared, and the names
 * beside it to what was locked and remembered. False once one was removed,
 * renamed or replaced: what is written then is lost with the next restart, and
 * another daemon may take the lock. A file that is overwritten in place stays
 * the same file. Opens nothing. */
bool fc_statefile_is_in_place(const struct fc_statefile *file);

/* To read a file beside the daemon that may be using it, instead of
 * fc_statefile_lock and fc_statefile_prepare: without the lock, and without a
 * change. Writes what SQLite is to open, a URI, on success only.
 * FC_ERR_NOT_FOUND where there is no such file. */
FC_MUST_USE enum fc_error fc_statefile_find(struct fc_statefile *file,
                                            const char *path,
                                            char uri[FC_STATEFILE_URI_SIZE]);

/* Sets `problem` and `detail`, made one safe line, and returns FC_ERR_STATE. */
enum fc_error fc_statefile_fail(struct fc_statefile *file,
                                enum fc_statefile_problem problem,
                                const char *format, ...) FC_PRINTF(3, 4);

/* Gives the lock back. */
void fc_statefile_release(struct fc_statefile *file);

#endif
