/* SPDX-License-Identifier: MIT */

#include "src/base/error.h"

#include "src/base/macros.h"

#include <stddef.h>
#include <stdint.h>

static const struct {
  const char *text;
  enum fc_error_class class;
} errors[] = {
    [-FC_OK] = {"success", FC_CLASS_NONE},
    /* A reply that could not be held is a reply that could not be read. */
    [-FC_ERR_MEMORY] = {"out of memory", FC_CLASS_BODY},
    [-FC_ERR_ARGUMENT] = {"invalid value", FC_CLASS_NONE},
    [-FC_ERR_LIMIT] = {"a limit is reached", FC_CLASS_NONE},
    [-FC_ERR_EXISTS] = {"exists already", FC_CLASS_NONE},
    [-FC_ERR_NOT_FOUND] = {"not found", FC_CLASS_NONE},
    [-FC_ERR_IO] = {"a file cannot be read or written", FC_CLASS_STATE},
    [-FC_ERR_DNS] = {"the host name does not resolve", FC_CLASS_DNS},
    [-FC_ERR_CONNECT] = {"no connection, or it broke", FC_CLASS_CONNECT},
    [-FC_ERR_TLS] = {"TLS handshake or certificate failure", FC_CLASS_TLS},
    [-FC_ERR_TIMEOUT] = {"timed out", FC_CLASS_TIMEOUT},
    [-FC_ERR_HTTP] = {"the reply is no answer of the API", FC_CLASS_HTTP},
    [-FC_ERR_RATE_LIMIT] = {"rate limited", FC_CLASS_RATE_LIMIT},
    [-FC_ERR_AUTH] = {"the API key is rejected", FC_CLASS_AUTH},
    [-FC_ERR_BODY] = {"the body of the reply is unusable", FC_CLASS_BODY},
    [-FC_ERR_STATE] = {"the state file is unusable", FC_CLASS_STATE},
    [-FC_ERR_REFUSED] = {"the API refuses the request", FC_CLASS_AUTH},
    [-FC_ERR_LIBRARY] = {"libcurl refuses what it is told to do",
                         FC_CLASS_CONNECT},
};

static const char *const class_names[FC_CLASS_COUNT] = {
    [FC_CLASS_DNS] = "dns",     [FC_CLASS_CONNECT] = "connect",
    [FC_CLASS_TLS] = "tls",     [FC_CLASS_TIMEOUT] = "timeout",
    [FC_CLASS_HTTP] = "http",   [FC_CLASS_RATE_LIMIT] = "rate_limit",
    [FC_CLASS_AUTH] = "auth",   [FC_CLASS_BODY] = "body",
    [FC_CLASS_STATE] = "state",
};

/* The row of an error; for a value that is none of the enum, an index out of
 * range. */
static size_t error_row(enum fc_error error) {
  return (size_t)(-(int64_t)error);
}

const char *fc_error_text(enum fc_error error) {
  size_t row = error_row(error);
  return row < COUNT_OF(errors) ? errors[row].text : "unknown error";
}

enum fc_error_class fc_error_class(enum fc_error error) {
  size_t row = error_row(error);
  return row < COUNT_OF(errors) ? errors[row].class : FC_CLASS_NONE;
}

const char *fc_error_class_name(enum fc_error_class class) {
  return class >= 0 && class < FC_CLASS_COUNT ? class_names[class] : NULL;
}
