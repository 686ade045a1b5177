/* SPDX-License-Identifier: MIT */

/* One error enum for the whole library, its texts, and its classes.
 *
 * Functions that can fail return enum fc_error: 0 is success, negative is
 * failure. The library reports; it never logs. Texts are static storage. */

#ifndef FC_ERROR_H
#define FC_ERROR_H

enum fc_error {
  FC_OK = 0,
  FC_ERR_MEMORY = -1,      /* an allocation failed */
  FC_ERR_ARGUMENT = -2,    /* the caller's input is not acceptable */
  FC_ERR_LIMIT = -3,       /* a documented limit is reached */
  FC_ERR_EXISTS = -4,      /* the job is known already */
  FC_ERR_NOT_FOUND = -5,   /* no such job, file, member */
  FC_ERR_IO = -6,          /* a file could not be read or written */
  FC_ERR_DNS = -7,         /* the host name did not resolve */
  FC_ERR_CONNECT = -8,     /* no connection, or it broke */
  FC_ERR_TLS = -9,         /* handshake or certificate verification */
  FC_ERR_TIMEOUT = -10,    /* the request ran out of its time */
  FC_ERR_HTTP = -11,       /* a reply that is no answer of the API */
  FC_ERR_RATE_LIMIT = -12, /* 429 */
  FC_ERR_AUTH = -13,       /* 401: the key was rejected */
  FC_ERR_BODY = -14,       /* truncated, malformed, ambiguous or too large */
  FC_ERR_STATE = -15,      /* the state file cannot be used */
  FC_ERR_REFUSED = -16,    /* 403: the API does not allow this request */
  FC_ERR_LIBRARY = -17,    /* libcurl refuses an option, or to start */
};

/* What the `errors` metric counts: its type instances, in this order. */
enum fc_error_class {
  FC_CLASS_NONE = -1,
  FC_CLASS_DNS,
  FC_CLASS_CONNECT,
  FC_CLASS_TLS,
  FC_CLASS_TIMEOUT,
  FC_CLASS_HTTP,
  FC_CLASS_RATE_LIMIT,
  FC_CLASS_AUTH,
  FC_CLASS_BODY,
  FC_CLASS_STATE,
  FC_CLASS_COUNT
};

/* A short English text without a final stop, "unknown error" for a value that
 * is none of the enum. Never NULL. */
const char *fc_error_text(enum fc_error error);

/* The class that counts this error; FC_CLASS_NONE for success and for errors
 * that no request can end with. */
enum fc_error_class fc_error_class(enum fc_error error);

/* "dns", "connect", ...; NULL for a value out of range. */
const char *fc_error_class_name(enum fc_error_class class);

#endif
