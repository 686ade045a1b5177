/* SPDX-License-Identifier: MIT */

/* Secrets, and text of others that may repeat them. Pure; any thread. */

#ifndef FC_SECRET_H
#define FC_SECRET_H

#include <stddef.h>

#define FC_SECRET_MASK "[secret]"

enum {
  /* Bytes of a secret that is found inside of words too; a shorter one is found
   * only where it is not part of a longer run of letters, digits, _ and -. */
  FC_SECRET_LONG = 8,
  /* Bytes of a text whose end may be missing: libcurl cuts its texts there, and
   * the envelope filter later. */
  FC_SECRET_CUT = 255
};

struct fc_secret {
  const char *bytes; /* blanks one by one, no tabs */
  size_t len;        /* not 0 */
};

/* Borrowed. A NULL pointer to one is no secrets. */
struct fc_secrets {
  const struct fc_secret *list;
  size_t len;
  const struct fc_secrets *more; /* NULL: there are none */
};

/* How many bytes of text[len], from `at` on, are a secret; 0: none. It may be
 * there as it is, with the escapes of a JSON string, or percent-encoded, in
 * whole or in part. Its beginning counts where the text ends in it:
 * FC_SECRET_LONG bytes, or any number in a text of FC_SECRET_CUT bytes or
 * more. */
size_t fc_secret_at(const struct fc_secrets *secrets, const char *text,
                    size_t len, size_t at);

#endif
