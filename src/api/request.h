/* SPDX-License-Identifier: MIT */

/* The URL of a status request. Pure; any thread. */

#ifndef FC_REQUEST_H
#define FC_REQUEST_H

#include "src/api/kind.h"
#include "src/base/error.h"
#include "src/base/macros.h"

#include <stddef.h>

enum {
  FC_BASE_URL_MAX = 1024,
  FC_URL_SIZE = 1200 /* any URL that fc_request_url can make, and its NUL */
};

/* Writes base + path + id + query into url[size]. `base` has no trailing
 * slash. FC_ERR_ARGUMENT for a bad ID, FC_ERR_LIMIT when it does not fit or
 * base is longer than FC_BASE_URL_MAX; url is then untouched. */
FC_MUST_USE enum fc_error fc_request_url(char *url, size_t size,
                                         const char *base,
                                         enum fc_api_version version,
                                         const struct fc_kind *kind,
                                         const char *id);

#endif
