/* SPDX-License-Identifier: MIT */

/* The kept members of a reply to a struct. The only user of json-c.
 *
 * The envelope filter has already checked the grammar. json-c checks it again,
 * strictly as far as the library at run time can do that without rejecting
 * valid JSON: see tokener_flags() in parse.c. Pure; any thread. */

#ifndef FC_PARSE_H
#define FC_PARSE_H

#include "src/api/facts.h"
#include "src/api/status.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/secret.h"
#include "src/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every member that the reply had and that had the type we expect; the rest is
 * absent, which is no error. Text is one safe line (src/base/text.h). */
struct fc_reply {
  struct fc_facts facts; /* status FC_STATUS_NONE: no status string in the
                            reply. A number is an integer of 63 bits or fewer;
                            no percent while `total` is 0 */
  bool has_success;      /* a boolean, of whatever value */
  bool has_retry_after;
  int64_t retry_after_s; /* 0 to FC_TEXT_DELAY_MAX_S: retry_after_seconds
                            rounded up, else from the error text */
  char status_word[FC_WORD_SIZE]; /* the status as sent */
  char replacement[FC_WORD_SIZE]; /* "/v2/scrape"; "" when absent */
  bool says_cancelled; /* the text of `error` says that the job was cancelled:
                          fc_text_says_cancelled */
  char error[FC_ERROR_TEXT_SIZE]; /* `error`, or `message` where that is absent
                                     or null: a string; of an object its
                                     message, error or error.message, else its
                                     JSON text; "" when absent or null. Where
                                     there is a `stopReason`: "REASON: TEXT",
                                     or "REASON" */
};

/* Parses json[len], the output of fc_envelope_finish. FC_ERR_BODY when it is
 * not JSON, not an object or longer than FC_ENVELOPE_KEEP_MAX, FC_ERR_MEMORY.
 * *reply is written on success only. A reply without a status string is success
 * here; the client decides. No text of the reply repeats one of the secrets
 * (src/base/text.h), NULL for none; the status is compared as it was sent. */
FC_MUST_USE enum fc_error fc_parse_reply(const char *json, size_t len,
                                         const struct fc_secrets *secrets,
                                         struct fc_reply *reply);

/* "0.16": the json-c that is loaded. Static storage. */
const char *fc_parse_library_version(void);

#endif
