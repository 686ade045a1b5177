/* SPDX-License-Identifier: MIT */

/* JobFile: one job per line, in the words of src/api/spec.h; blanks or tabs
 * between, blank lines, "#" comments (whole lines or after the fields), LF or
 * CRLF, a UTF-8 byte order mark at the start. Pure parser of text in memory;
 * any thread. */

#ifndef FC_JOBFILE_H
#define FC_JOBFILE_H

#include "src/api/spec.h"
#include "src/base/error.h"
#include "src/base/macros.h"
#include "src/base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FC_JOBFILE_BYTES_MAX = 16 * 1024 * 1024, /* for whoever reads the file */
  FC_JOBFILE_LINES_MIN = 1000, /* lines that may be in it at any rate */
  FC_JOBFILE_LINE_MAX = 512    /* bytes of a line; longer ones are refused */
};

/* How many lines a file may have of an instance with that MaxJobs. */
size_t fc_jobfile_lines_max(int64_t max_jobs);

/* Whether text[len] has more lines than that; it is read no further. */
bool fc_jobfile_has_more_lines(const char *text, size_t len, size_t lines_max);

/* What to do with each good line; lines count from 1. An error of its own
 * counts as a bad line, unless it is FC_ERR_MEMORY, which ends the parse. */
typedef enum fc_error (*fc_jobfile_take)(size_t line,
                                         const struct fc_spec *spec,
                                         void *data);

/* What to do with each bad line. `reason` says what was expected; of the line
 * it has at most one safe, cut word, quoted at its beginning. FC_OK, or
 * FC_ERR_MEMORY to end the parse. */
typedef enum fc_error (*fc_jobfile_refuse)(size_t line, const char *reason,
                                           void *data);

/* Parses text[len], in time linear in len. A last line without its newline is
 * still being written and is left alone. Bad lines are those with another
 * number of words, a bad ID or name, more than FC_JOBFILE_LINE_MAX bytes or a
 * control character, be it in a comment. Within one text an ID may come once; a
 * second one is a bad line, found by the caller's take (FC_ERR_EXISTS). Returns
 * FC_OK or the FC_ERR_MEMORY of take or refuse. */
FC_MUST_USE enum fc_error fc_jobfile_parse(const char *text, size_t len,
                                           fc_jobfile_take take,
                                           fc_jobfile_refuse refuse,
                                           void *data);

/* Bytes of a header's value or a proxy's password that count below. A shorter
 * one may be a word that a file has for other reasons, and could be guessed by
 * whoever writes the file and sees it refused. */
enum { FC_JOBFILE_SECRET_LONG = 16 };

/* Whether text[len] holds a secret. Of the first list, which is the key's: one
 * of FC_SECRET_LONG bytes anywhere, a shorter one as a whole word, or behind
 * the colon of one, outside of comments. Of the others, as a word only. */
bool fc_jobfile_holds_secret(const char *text, size_t len,
                             const struct fc_secrets *secrets);

#endif
