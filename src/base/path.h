/* SPDX-License-Identifier: MIT */

/* Opens a file whose path others may change, and says whose links led to it. */

#ifndef FC_PATH_H
#define FC_PATH_H

#include <stdbool.h>

/* Opens what the path leads to, as open(2) does with O_RDONLY, O_NONBLOCK and
 * O_NOCTTY, or, if `examine`, with O_PATH; what is no regular file always with
 * O_PATH, so that nothing else than fstat(2) happens to it. Returns a
 * descriptor that the caller closes, or -1 with errno set.
 *
 * Each symbolic link on the way must belong to root, to the effective user or
 * to the owner of what was opened: else -1, and *stranger is true. Links are
 * judged as they are followed, so nobody can exchange one in between. */
int fc_path_open(const char *path, bool examine, bool *stranger);

#endif
