/* SPDX-License-Identifier: MIT */

/* What the envelope filter must do, said the simplest way: recursive, a byte at
 * a time, on a whole body. Slow; for tests only. */

#ifndef FC_T_ENVELOPE_REFERENCE_H
#define FC_T_ENVELOPE_REFERENCE_H

#include "src/api/envelope.h"

/* Filters body[len] into json, which holds FC_ENVELOPE_KEEP_MAX bytes and is
 * then NUL-terminated. False for what the filter answers with FC_ERR_BODY. */
bool envelope_reference(const char *body, size_t len, char *json,
                        size_t *json_len);

#endif
