/* Pure parts of a request: what a job ID, a job name and an API key may look
 * like, and the URL of a status request. No I/O. */

#ifndef FC_REQUEST_H
#define FC_REQUEST_H

#include "src/api/kind.h"
#include "src/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
  FC_ID_MAX = 63,    /* bytes of a job ID; collectdctl cuts names there */
  FC_NAME_MAX = 63,  /* bytes of a job's or instance's name */
  FC_KEY_MAX = 2048, /* bytes of an API key */
  FC_BASE_URL_MAX = 1024,
  FC_URL_SIZE = 1200 /* any URL that fc_request_url can make, and its NUL */
};

/* 1 to FC_ID_MAX bytes of [A-Za-z0-9_-]. Anything else must never reach a
 * URL: libcurl and servers normalise paths. */
bool fc_id_valid(const char *id, size_t len);

/* 1 to FC_NAME_MAX bytes of [A-Za-z0-9_.-]. */
bool fc_name_valid(const char *name, size_t len);

/* 1 to FC_KEY_MAX bytes of visible ASCII (0x21 to 0x7e): a header value that
 * cannot be split (RFC 9110 section 5.5; RFC 6750 section 2.1). */
bool fc_key_valid(const char *key, size_t len);

/* Writes base + path + id + query into url[size]. `base` has no trailing
 * slash. FC_ERR_ARGUMENT for a bad ID, FC_ERR_LIMIT when it does not fit or
 * base is longer than FC_BASE_URL_MAX; url is then untouched. */
FC_MUST_USE enum fc_error fc_request_url(char *url, size_t size,
                                         const char *base,
                                         enum fc_api_version version,
                                         const struct fc_kind *kind,
                                         const char *id);

#endif
