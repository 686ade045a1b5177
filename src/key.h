/* The API key in memory: one page of its own that stays out of core dumps, is
 * wiped when it is replaced or released, and is never printed.
 *
 * libcurl keeps copies of its own that cannot be wiped. */

#ifndef FC_KEY_H
#define FC_KEY_H

#include "src/error.h"

#include <stddef.h>

struct fc_key {
  char *bytes; /* NUL-terminated; NULL: no key, requests go without one */
  size_t len;
  unsigned generation; /* grows with each new key: connections know theirs */
};

/* No key; allocates nothing. */
void fc_key_init(struct fc_key *key);

/* Replaces the key. FC_ERR_ARGUMENT when fc_key_valid says no, FC_ERR_MEMORY;
 * the old key then stays. The same key again changes nothing. */
FC_MUST_USE enum fc_error fc_key_set(struct fc_key *key, const char *bytes,
                                     size_t len);

/* Replaces the key by what the file holds, without the line end behind it. As
 * fc_key_set, and FC_ERR_IO or FC_ERR_LIMIT when it cannot be read;
 * detail[size] names the reason ("is empty", "has white space inside", ...),
 * never the contents. *access as in fc_file_read. */
FC_MUST_USE enum fc_error fc_key_read(struct fc_key *key, const char *path,
                                      unsigned *access, char *detail,
                                      size_t size);

/* Wipes and frees. */
void fc_key_release(struct fc_key *key);

#endif
