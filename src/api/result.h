/* SPDX-License-Identifier: MIT */

/* What came of one API call. */

#ifndef FC_RESULT_H
#define FC_RESULT_H

#include "src/api/parse.h"
#include "src/base/error.h"
#include "src/base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* What the server said about the job. */
enum fc_answer {
  FC_ANSWER_NONE,      /* nothing usable: error tells why */
  FC_ANSWER_STATUS,    /* reply.status */
  FC_ANSWER_NOT_FOUND, /* the API's own 404 */
  FC_ANSWER_INVALID,   /* its own 400: there can be no such job */
  FC_ANSWER_GONE       /* 410: the endpoint itself has ended */
};

struct fc_result {
  enum fc_answer answer;
  enum fc_error error; /* FC_OK unless answer is FC_ANSWER_NONE */
  int http_code;       /* 0: no reply */
  double seconds;      /* the request's time */
  bool has_date, has_sunset, has_retry_after;
  int64_t date_s;        /* Date header, epoch (RFC 9110 section 6.6.1) */
  int64_t sunset_s;      /* Sunset header, epoch (RFC 8594) */
  int64_t retry_after_s; /* of a 429 or 503: header, else body field, else
                            text; 0 to FC_RETRY_AFTER_MAX_S; a date is measured
                            against the Date header, else against now_s */
  struct fc_reply reply; /* all empty where the body was none of the API's */
  char successor[FC_WORD_SIZE]; /* Link rel="successor-version", else the
                                   body's `replacement`; "" if neither */
  char detail[FC_DETAIL_SIZE];  /* of an error, one safe line without the body
                                   or the key; no other text here repeats the
                                   key either: it is FC_SECRET_MASK there */
};

enum { FC_RETRY_AFTER_MAX_S = 3600 };

#endif
