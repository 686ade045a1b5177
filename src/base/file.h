/* SPDX-License-Identifier: MIT */

/* Small files of the user's: read whole, never blocking, and noticed when they
 * change. */

#ifndef FC_FILE_H
#define FC_FILE_H

#include "src/base/error.h"
#include "src/base/macros.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What tells two versions of a file apart. All zero: no file. */
struct fc_file_stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  int64_t mtime_ns;
  int64_t ctime_ns;
};

/* Fills *stamp from the path, following links; all zero where there is no such
 * file or it cannot be examined. Returns true when it differs from what *stamp
 * held before. */
bool fc_file_changed(const char *path, struct fc_file_stamp *stamp);

/* The same by way of fc_path_open: as fc_file_read_untrusted reads it. */
bool fc_file_untrusted_changed(const char *path, struct fc_file_stamp *stamp);

/* Who may read or write it besides its owner. */
enum fc_file_access {
  FC_FILE_GROUP_READ = 1,
  FC_FILE_WORLD_READ = 2,
  FC_FILE_GROUP_WRITE = 4,
  FC_FILE_WORLD_WRITE = 8
};

/* The same of the directory that the path is in; of one with the sticky bit,
 * where nobody can replace the files of others, without the right to write. 0
 * where it cannot be examined. */
unsigned fc_file_directory_access(const char *path);

/* Reads the whole of a regular file into *data (heap, the caller frees it; one
 * NUL more than *len). Opens without blocking, so that a FIFO or a device
 * cannot stop the caller: FC_ERR_IO for those and whatever else fails,
 * FC_ERR_LIMIT for more than max_bytes, FC_ERR_MEMORY. detail[size] then names
 * the reason without the file's contents. Outputs but detail are written on
 * success only. */
FC_MUST_USE enum fc_error fc_file_read(const char *path, size_t max_bytes,
                                       char **data, size_t *len,
                                       unsigned *access, char *detail,
                                       size_t size);

/* As fc_file_read, of a path that whoever may write its folder could turn into
 * a way to files that are not theirs. FC_ERR_ARGUMENT for a file that a
 * stranger's link leads to (src/base/path.h), that has several hard links, or
 * that is the one that `forbidden` leads to (NULL: none is forbidden). */
FC_MUST_USE enum fc_error
fc_file_read_untrusted(const char *path, const char *forbidden,
                       size_t max_bytes, char **data, size_t *len,
                       struct fc_file_stamp *stamp, unsigned *access,
                       char *detail, size_t size);

#endif
