/* SPDX-License-Identifier: MIT */

/* The API key in memory: one page of its own that stays out of core dumps, is
 * wiped, and is never printed. So is the key before it, for replies may repeat
 * that to requests that were under way.
 *
 * libcurl keeps copies of its own that cannot be wiped. */

#ifndef FC_KEY_H
#define FC_KEY_H

#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/secret.h"

#include <stddef.h>

enum { FC_KEY_SECRETS = 2 };

struct fc_key {
  char *bytes; /* NUL-terminated; NULL: no key, requests go without one */
  size_t len;
  unsigned generation; /* grows with each new key: connections know theirs */
  char *former;        /* the key before it; NULL: none */
  size_t former_len;
};

/* No key; allocates nothing. */
void fc_key_init(struct fc_key *key);

/* Replaces the key, and wipes the former one. FC_ERR_ARGUMENT when fc_key_valid
 * says no, FC_ERR_MEMORY; the old key then stays. The same key again changes
 * nothing. */
FC_MUST_USE enum fc_error fc_key_set(struct fc_key *key, const char *bytes,
                                     size_t len);

/* Replaces the key by what the file holds, without the line end behind it. As
 * fc_key_set, and FC_ERR_IO or FC_ERR_LIMIT when it cannot be read;
 * detail[size] names the reason ("is empty", "has white space inside", ...),
 * never the contents. *access as in fc_file_read. */
FC_MUST_USE enum fc_error fc_key_read(struct fc_key *key, const char *path,
                                      unsigned *access, char *detail,
                                      size_t size);

/* What no text may repeat: fills list and returns how many there are. They are
 * borrowed until the key is set or released. */
size_t fc_key_secrets(const struct fc_key *key,
                      struct fc_secret list[FC_KEY_SECRETS]);

/* Wipes and frees. */
void fc_key_release(struct fc_key *key);

#endif
