/* SPDX-License-Identifier: MIT */

/* Text from servers and files, made safe for one log line, one notification
 * and one collectd identifier. Pure; any thread. */

#ifndef FC_TEXT_H
#define FC_TEXT_H

#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of texts that are kept, each with its NUL. */
enum {
  FC_ERROR_TEXT_SIZE = 256, /* the API's error text, a reason */
  FC_DETAIL_SIZE = 192,     /* why a request or a file failed */
  FC_WORD_SIZE = 64         /* an unknown status word, a replacement path */
};

enum { FC_TEXT_DELAY_MAX_S = 24 * 60 * 60 };

/* Copies in[len] to out[size] as one line: bytes below 0x20, 0x7f and C1
 * controls (U+0080 to U+009F), and the line separators U+2028 and U+2029 become
 * one blank (runs of them and of blanks collapse, leading and trailing ones
 * go), each broken UTF-8 sequence and each invisible format character, as those
 * that turn the direction of text, becomes one '?'. Cut at a UTF-8 boundary so
 * that it fits with its NUL; a cut text ends in "..." when size allows (4 or
 * more), without a blank before it. Returns the length written; size 0 writes
 * nothing. in and out must not overlap. */
size_t fc_text_line(char *out, size_t size, const char *in, size_t len);

/* As fc_text_line, of a text that may repeat secrets: each becomes
 * FC_SECRET_MASK before it is cut. NULL: there are none. A mask, also one that
 * was in the text, is there whole or not at all. */
size_t fc_text_line_masked(const struct fc_secrets *secrets, char *out,
                           size_t size, const char *in, size_t len);

/* Appends formatted text at *used of out[size]; cut at a UTF-8 boundary when it
 * does not fit, then further appends are no-ops. Always NUL-terminated; *used
 * is the length, or size - 1 once cut (the bytes behind a cut are NUL). Nothing
 * happens when *used is size or more. */
void fc_text_append(char *out, size_t size, size_t *used, const char *format,
                    ...) FC_PRINTF(4, 5);

/* Copies text to out[size], cut at a UTF-8 boundary when it does not fit;
 * always NUL-terminated. */
void fc_text_copy(char *out, size_t size, const char *text);

/* Decimal integer, the whole of text[len], from min to max; no sign but '-', no
 * blanks, leading zeros allowed. Written on success only. */
bool fc_text_int(const char *text, size_t len, int64_t min, int64_t max,
                 int64_t *value);

/* True when an error text says of a job that it was cancelled: it begins with
 * Agent, Job, Run or Task (any case, "The" before it or not) and says cancelled
 * or canceled of it in its first six words: "Agent was cancelled by the user",
 * "The run has been canceled.", but not "Job failed: request cancelled". */
bool fc_text_says_cancelled(const char *text, size_t len);

/* The N of "... retry after 23s ..." (Firecrawl's 429 text; any case), rounded
 * up to seconds; "ms" and fractions are understood, other units and numbers
 * without one are not. False when the text has none or it is out of
 * 0..FC_TEXT_DELAY_MAX_S. Written on success only. */
bool fc_text_retry_after(const char *text, size_t len, int64_t *seconds);

#endif
